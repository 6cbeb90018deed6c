//! Whole numbers from the text of a JSON number.

#![expect(clippy::inline_always, reason = "a few instructions in the loop that reads by shapes")]

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

const ONES: u64 = 0x0101_0101_0101_0101;

/// The digits of eight bytes, the first in the lowest, where `template` has a `0`; `None` where one is no digit, or
/// another byte is not that of the template. In the result those are zero.
#[inline(always)]
pub(crate) const fn digits_like(text: u64, template: [u8; 8]) -> Option<u64> {
    // What must be added so that a byte that does not fit gets a high nibble, if it has none: six to a digit's value.
    let mut slack = [0x0F; 8];
    let mut at = 0;
    while at < 8 {
        if template[at] == b'0' {
            slack[at] = 6;
        }
        at += 1;
    }
    let values = text ^ u64::from_le_bytes(template);
    let sums = values.wrapping_add(u64::from_le_bytes(slack));
    if (values | sums) & (ONES * 0xF0) != 0 { None } else { Some(values) }
}

/// The value of eight digits, the first in the lowest byte; `None` where one is none.
#[inline(always)]
pub(crate) fn eight_digits(text: u64) -> Option<i64> {
    let values = digits_like(text, [b'0'; 8])?;
    // Pairs, then fours, then all eight: each product puts the sum of two neighbours into the upper of the two.
    let pairs = pairs(values) & 0x00FF_00FF_00FF_00FF;
    let fours = (pairs * 100 + (pairs >> 16)) & 0x0000_FFFF_0000_FFFF;
    let all = (fours * 10_000 + (fours >> 32)) & 0xFFFF_FFFF;
    i64::try_from(all).ok()
}

/// Of eight values of digits, in each byte that of the number which it and the next one make.
#[inline(always)]
pub(crate) const fn pairs(values: u64) -> u64 {
    values * 10 + (values >> 8)
}
