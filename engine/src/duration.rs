//! Spans of time as a user writes them: `60s`, `1h30m`, `500ms`, `2d`.

use engine_model::Micros;

/// Why a text is no duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("duration {value:?} is not of the form 10s, 500ms, 5m, 1h30m or 1d")]
pub struct InvalidDuration {
    /// What was refused.
    pub value: String,
}

const UNITS: [(&str, i64); 6] = [
    ("us", 1),
    ("ms", 1_000),
    ("s", Micros::SECOND.get()),
    ("m", Micros::MINUTE.get()),
    ("h", Micros::HOUR.get()),
    ("d", Micros::DAY.get()),
];

/// Reads one or more whole numbers, each with a unit: `us`, `ms`, `s`, `m`, `h` or `d`. `0` needs none.
///
/// # Errors
/// Where the text is anything else or the span does not fit 64 bits of microseconds.
pub fn parse_duration(value: &str) -> Result<Micros, InvalidDuration> {
    let invalid = || InvalidDuration { value: value.to_owned() };
    if value == "0" {
        return Ok(Micros::ZERO);
    }
    let mut rest = value;
    let mut sum = 0i64;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, tail) = rest.split_at(digits);
        let letters = tail.bytes().take_while(u8::is_ascii_lowercase).count();
        let (unit, tail) = tail.split_at(letters);
        let number: i64 = number.parse().map_err(|_| invalid())?;
        let (_, micros) = UNITS.into_iter().find(|(name, _)| *name == unit).ok_or_else(invalid)?;
        sum = number.checked_mul(micros).and_then(|span| sum.checked_add(span)).ok_or_else(invalid)?;
        rest = tail;
    }
    if value.is_empty() { Err(invalid()) } else { Ok(Micros::new(sum)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_numbers_with_units() {
        let seconds = |value| parse_duration(value).map(|span| span.get() / 1_000_000);
        assert_eq!(
            ["60s", "1h30m", "2d", "5m", "0"].map(|value| seconds(value).unwrap()),
            [60, 5_400, 172_800, 300, 0]
        );
        assert_eq!(parse_duration("1ms500us"), Ok(Micros::new(1_500)));
        for value in ["", "60", "s", "1 h", "-1s", "1.5s", "1H", "9999999999999d"] {
            let error = parse_duration(value).unwrap_err().to_string();
            assert_eq!(error, format!("duration {value:?} is not of the form 10s, 500ms, 5m, 1h30m or 1d"));
        }
    }
}
