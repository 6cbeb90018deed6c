//! Rates as a user writes them: `1e6`, `1_000_000`, `2.5M`.

/// The most records a second that can be asked for: their intended times must differ by some nanoseconds.
const RATE_MAX: f64 = 1e8;

/// Reads a rate: a number, with `_` between digits, an exponent, or one of `k`, `M` behind it.
///
/// # Errors
/// Where it is none, or not from 1 to 100 million.
pub fn parse_rate(text: &str) -> Result<f64, String> {
    let expected = || "expected records a second from 1 to 1e8, such as 1e6, 1_000_000 or 2.5M".to_owned();
    let (number, factor) = match text.strip_suffix(['k', 'M']) {
        Some(number) => (number, if text.ends_with('k') { 1e3 } else { 1e6 }),
        None => (text, 1.0),
    };
    // `parse` also takes `inf` and `nan`.
    if !number.starts_with(|first: char| first.is_ascii_digit()) {
        return Err(expected());
    }
    let rate: f64 = number.replace('_', "").parse().map_err(|_| expected())?;
    let rate = rate * factor;
    if (1.0..=RATE_MAX).contains(&rate) { Ok(rate) } else { Err(expected()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_numbers_with_separators_exponents_or_suffixes() {
        for (text, rate) in [("1e6", 1e6), ("1_000_000", 1e6), ("2.5M", 2.5e6), ("20k", 2e4), ("1", 1.0), ("1e8", 1e8)]
        {
            assert_eq!(parse_rate(text), Ok(rate), "{text}");
        }
        for text in ["", "0", "0.9", "-1", "1.1e8", "inf", "nan", "M", "1 M", "1G"] {
            let error = parse_rate(text).unwrap_err();
            assert_eq!(error, "expected records a second from 1 to 1e8, such as 1e6, 1_000_000 or 2.5M", "{text}");
        }
    }
}
