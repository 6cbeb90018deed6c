//! JSON strings: the run of plain bytes a scanner may skip, and what the escapes mean.
//!
//! Works on strings the scanner has checked, or is about to; it does not judge syntax itself.

/// An escape in a string that is half of a surrogate pair, so no Unicode scalar value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LoneSurrogate {
    /// Where its backslash stands in the string's bytes.
    pub(crate) at: usize,
}

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// How many bytes at the start of `bytes` are neither `"` nor `\` nor a control character below 0x20.
///
/// Eight at a time. The tests for a zero byte and for a byte below `n` are from Sean Anderson's "Bit Twiddling Hacks"
/// (<https://graphics.stanford.edu/~seander/bithacks.html>); they may also mark bytes above the first that fits, never
/// one before it.
pub(crate) fn plain_len(bytes: &[u8]) -> usize {
    let mut len = 0;
    while let Some(&chunk) = bytes[len..].first_chunk::<8>() {
        let word = u64::from_le_bytes(chunk);
        let zero_where = |byte: u8| {
            let difference = word ^ (ONES * u64::from(byte));
            difference.wrapping_sub(ONES) & !difference
        };
        let control = word.wrapping_sub(ONES * 0x20) & !word;
        let special = (zero_where(b'"') | zero_where(b'\\') | control) & HIGHS;
        if special != 0 {
            return len + (special.trailing_zeros() / 8) as usize;
        }
        len += 8;
    }
    len + bytes[len..].iter().take_while(|&&byte| byte >= 0x20 && byte != b'"' && byte != b'\\').count()
}

/// Writes into `out`, which is emptied, what the string `raw` (without its quotes) says.
///
/// # Errors
/// At the first escape that is no Unicode scalar value.
///
/// # Panics
/// Where `raw` is not what stands between the quotes of a string that the scanner has passed.
pub(crate) fn unescape(raw: &[u8], out: &mut Vec<u8>) -> Result<(), LoneSurrogate> {
    out.clear();
    let mut at = 0;
    while at < raw.len() {
        let plain = plain_len(&raw[at..]);
        out.extend_from_slice(&raw[at..at + plain]);
        at += plain;
        if at < raw.len() {
            at += unescape_one(&raw[at..]).ok_or(LoneSurrogate { at })?.append_to(out);
        }
    }
    Ok(())
}

/// One escape: what it stands for, and how many bytes it takes.
struct Escape {
    char: char,
    len: usize,
}

impl Escape {
    /// Appends the character and tells the length of the escape.
    fn append_to(self, out: &mut Vec<u8>) -> usize {
        out.extend_from_slice(self.char.encode_utf8(&mut [0; 4]).as_bytes());
        self.len
    }
}

/// Reads the escape that `raw` begins with; `None` where it is no Unicode scalar value.
fn unescape_one(raw: &[u8]) -> Option<Escape> {
    debug_assert_eq!(raw[0], b'\\');
    let char = match raw[1] {
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => return unescape_unicode(raw),
        same => char::from(same),
    };
    Some(Escape { char, len: 2 })
}

fn unescape_unicode(raw: &[u8]) -> Option<Escape> {
    let first = code_unit(raw)?;
    if let Some(char) = char::from_u32(first) {
        return Some(Escape { char, len: 6 });
    }
    let second = code_unit(&raw[6..])?;
    if !(0xD800..0xDC00).contains(&first) || !(0xDC00..0xE000).contains(&second) {
        return None;
    }
    let char = char::from_u32(0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00))?;
    Some(Escape { char, len: 12 })
}

/// The UTF-16 code unit of the `\uXXXX` that `raw` begins with, if it does.
fn code_unit(raw: &[u8]) -> Option<u32> {
    let (b"\\u", digits) = raw.split_at_checked(2)? else {
        return None;
    };
    let digits = digits.first_chunk::<4>()?;
    digits.iter().try_fold(0, |unit, &byte| Some(unit << 4 | char::from(byte).to_digit(16)?))
}
