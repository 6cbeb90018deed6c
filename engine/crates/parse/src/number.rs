//! Whole numbers from the text of a JSON number.

/// Reads ASCII digits and nothing else: no sign, no fraction, no exponent. A number too big for the type becomes
/// [`u64::MAX`]; what is no such number becomes `None`.
pub(crate) fn parse_integer(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    let mut number = 0u64;
    for &byte in text {
        number = number.saturating_mul(10).saturating_add(u64::from(digit(byte)?));
    }
    Some(number)
}

/// The value of an ASCII digit.
pub(crate) fn digit(byte: u8) -> Option<u8> {
    byte.is_ascii_digit().then(|| byte - b'0')
}
