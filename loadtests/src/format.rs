//! Numbers as a person reads them.

/// A count with thousands separators.
#[must_use]
pub fn thousands(count: u64) -> String {
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

/// A span of nanoseconds in the unit that suits it, to three digits.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
pub fn nanos(nanos: u64) -> String {
    let units = [(1e9, "s"), (1e6, "ms"), (1e3, "us")];
    let value = nanos as f64;
    let Some((unit, name)) = units.into_iter().find(|(unit, _)| value >= *unit) else { return format!("{nanos} ns") };
    let value = value / unit;
    let digits = if value >= 100.0 { 0 } else { 1 + usize::from(value < 10.0) };
    format!("{value:.digits$} {name}")
}

/// A rate or count that is a floating point number, rounded, with thousands separators.
#[must_use]
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "rates are positive and below 2^53")]
pub(crate) fn rounded(value: f64) -> String {
    thousands(value.round().max(0.0) as u64)
}

/// Bytes in MiB.
#[must_use]
pub(crate) fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", thousands(bytes >> 20))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_three_digits_and_their_unit() {
        let spans = [0, 999, 1_000, 1_234, 12_345, 123_456, 1_234_567, 12_345_678_901].map(nanos);
        assert_eq!(spans, ["0 ns", "999 ns", "1.00 us", "1.23 us", "12.3 us", "123 us", "1.23 ms", "12.3 s"]);
    }

    #[test]
    fn counts_have_separators() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(thousands), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(rounded(999_999.6), "1,000,000");
        assert_eq!(mebibytes(3 << 30), "3,072 MiB");
    }
}
