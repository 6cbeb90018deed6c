//! Numbers, money and instants as a person reads them.

use engine_model::{Cents, EventTime, Micros, UtcOffset};

/// A count with thousands separators.
pub(crate) fn thousands(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// An integer with thousands separators.
pub(crate) fn integer(value: i64) -> String {
    let sign = if value < 0 { "-" } else { "" };
    format!("{sign}{}", thousands(value.unsigned_abs()))
}

/// An amount with thousands separators and two digits.
pub(crate) fn money(cents: Cents) -> String {
    let cents = cents.get().unsigned_abs();
    format!("{}.{:02}", thousands(cents / 100), cents % 100)
}

/// `part` of `whole` in per cent, or `-` where there is no whole.
#[expect(clippy::cast_precision_loss, reason = "a share for people")]
pub(crate) fn share(part: i64, whole: i64) -> String {
    if whole == 0 { "-".to_owned() } else { percent(part as f64 / whole as f64) }
}

/// A rate in per cent with one digit.
pub(crate) fn percent(rate: f64) -> String {
    format!("{:.1} %", rate * 100.0)
}

/// A rate in per cent, with as many digits as a small one needs.
#[expect(clippy::cast_precision_loss, reason = "a share for people")]
pub(crate) fn small_share(part: i64, whole: i64) -> String {
    let rate = if whole == 0 { return "-".to_owned() } else { part as f64 / whole as f64 };
    if part > 0 && rate < 0.001 { format!("{:.3} %", rate * 100.0) } else { percent(rate) }
}

/// A span in milliseconds in the unit that suits it, to three digits.
pub(crate) fn span(millis: f64) -> String {
    let units = [(86_400_000.0, "d"), (3_600_000.0, "h"), (60_000.0, "min"), (1_000.0, "s")];
    let (value, unit) = units
        .into_iter()
        .find(|(unit, _)| millis >= *unit)
        .map_or((millis, "ms"), |(unit, name)| (millis / unit, name));
    let digits = usize::from(value < 100.0 && value.fract() != 0.0);
    format!("{value:.digits$} {unit}")
}

/// A floating point number with thousands separators and at most three digits behind the point.
pub(crate) fn decimal(value: f64) -> String {
    let text = format!("{:.3}", value.abs());
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let fraction = fraction.trim_end_matches('0');
    let point = if fraction.is_empty() { "" } else { "." };
    let sign = if value < 0.0 { "-" } else { "" };
    let Ok(whole) = whole.parse() else { return format!("{value}") };
    format!("{sign}{}{point}{fraction}", thousands(whole))
}

/// The local date and time, `2026-01-01 07:00`, with seconds and their fraction where there are any.
pub(crate) fn local_time(time: EventTime, offset: UtcOffset) -> String {
    let text = time.saturating_add(offset.as_micros()).to_string();
    let text = text.trim_end_matches('Z').replacen('T', " ", 1);
    if local_micros(time, offset).rem_euclid(Micros::MINUTE.get()) == 0 {
        return text.strip_suffix(":00").unwrap_or(&text).to_owned();
    }
    text
}

/// The local date, `2026-01-01`.
pub(crate) fn local_date(time: EventTime, offset: UtcOffset) -> String {
    let text = local_time(time, offset);
    text.split(' ').next().unwrap_or(&text).to_owned()
}

/// The local time of the day, `07:00`.
pub(crate) fn local_clock(time: EventTime, offset: UtcOffset) -> String {
    let text = local_time(time, offset);
    text.split(' ').nth(1).unwrap_or(&text).to_owned()
}

fn local_micros(time: EventTime, offset: UtcOffset) -> i64 {
    time.saturating_add(offset.as_micros()).as_micros()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_money_have_separators() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(thousands), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([-1_000, i64::MIN].map(integer), ["-1,000", "-9,223,372,036,854,775,808"]);
        assert_eq!(money(Cents::new(123_456_789)), "1,234,567.89");
        assert_eq!(money(Cents::new(5)), "0.05");
    }

    #[test]
    fn shares_and_spans_have_the_digits_that_help() {
        assert_eq!([share(1, 3), share(0, 3), share(1, 0)], ["33.3 %", "0.0 %", "-"]);
        assert_eq!([small_share(1, 10_000), small_share(1, 100)], ["0.010 %", "1.0 %"]);
        let spans = [0.0, 12.5, 999.0, 1_000.0, 9_870.0, 60_000.0, 5_400_000.0, 172_800_000.0].map(span);
        assert_eq!(spans, ["0 ms", "12.5 ms", "999 ms", "1 s", "9.9 s", "1 min", "1.5 h", "2 d"]);
        assert_eq!([0.0, 1_234.5, -0.125, 1e9].map(decimal), ["0", "1,234.5", "-0.125", "1,000,000,000"]);
    }

    #[test]
    fn instants_are_shown_in_local_time_with_the_digits_they_need() {
        let east = "+05:30".parse().unwrap();
        assert_eq!(local_time(EventTime::EPOCH, east), "1970-01-01 05:30");
        assert_eq!(local_time(EventTime::from_micros(1_500_000), UtcOffset::ZERO), "1970-01-01 00:00:01.5");
        let west = "-00:30".parse().unwrap();
        assert_eq!(local_date(EventTime::EPOCH, west), "1969-12-31");
        assert_eq!(local_clock(EventTime::EPOCH, west), "23:30");
    }
}
