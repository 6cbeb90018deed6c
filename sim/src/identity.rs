//! Identifiers, made by mixing counters: unique by construction, without a table of what was given out.
//!
//! Each kind is a bijection of (lane, counter), so two of them are equal only if both are.

use engine_model::Text;

use crate::draw::{Draws, Purpose, low, mix};

/// A text of at most 16 bytes, in the layout of a [`Text`] kept in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ShortText {
    words: [u64; 2],
    len: u8,
}

/// A UUID: the upper and the lower half.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Uuid([u64; 2]);

/// What an identifier made of a counter is for; each kind has its letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Token {
    /// A session, by its number.
    Session = b's',
    /// An order, by the number of its session.
    Order = b'o',
    /// A payment, by the number of its session and the attempt.
    Payment = b't',
}

/// Makes the identifiers of a lane.
#[derive(Clone, Debug)]
pub(crate) struct Identities {
    lane: u64,
    keys: [u64; 3],
    forms: Forms,
}

/// The forms of a [`Text`] by its length, and of a UUID, learnt from the model itself.
#[derive(Clone, Debug)]
pub(crate) struct Forms {
    by_len: [u8; Text::INLINE_MAX + 1],
    uuid: u8,
}

const TOKEN_BITS: u32 = 52;
const TOKEN_MASK: u64 = (1 << TOKEN_BITS) - 1;
/// Bits of a token's counter; the rest is the lane.
const COUNTER_BITS: u32 = 44;

impl Identities {
    /// The identities of `lane` (below 256) under `seed`.
    pub(crate) fn new(seed: u64, lane: u32) -> Identities {
        let mut draws = Draws::new(seed, Purpose::Identity, 0);
        Identities { lane: u64::from(lane), keys: [draws.next(), draws.next(), draws.next()], forms: Forms::new() }
    }

    /// The id of the event with this number (below 2^48) in the lane: a UUID that looks like version 4.
    #[inline]
    pub(crate) fn event(&self, number: u64) -> Uuid {
        // `unique` is a bijection of (lane, number); all its 64 bits are in the UUID, four of them in the lower half.
        let unique = mix((self.lane << 48 | number) ^ self.keys[0]);
        let filling = mix(unique ^ self.keys[1]);
        let upper = unique & !0xF000 | 0x4000;
        let lower = 1 << 63 | (unique >> 12 & 0xF) << 58 | filling >> 6;
        Uuid([upper, lower])
    }

    /// The id of the thing with this number (below 2^44) in the lane: a letter and 13 hexadecimal digits.
    #[inline]
    pub(crate) fn token(&self, token: Token, number: u64) -> ShortText {
        // Each step is a bijection of 52 bits: adding, multiplying by an odd number, folding the upper bits in.
        let mut bits = (self.lane << COUNTER_BITS | number).wrapping_add(self.keys[2]) & TOKEN_MASK;
        bits = bits.wrapping_mul(0x9E37_79B9_7F4A_7C15 ^ (token as u64) << 8) & TOKEN_MASK;
        bits ^= bits >> 27;
        bits = bits.wrapping_mul(0xBF58_476D_1CE4_E5B9) & TOKEN_MASK;
        bits ^= bits >> 25;
        let upper = hex(low(bits >> 20));
        let lower = hex(low(bits << 12));
        let words = [upper << 8 | token as u64, upper >> 56 | (lower & 0xFF_FFFF_FFFF) << 8];
        ShortText { words, len: 14 }
    }

    /// How the model keeps texts.
    #[inline]
    pub(crate) fn forms(&self) -> &Forms {
        &self.forms
    }
}

impl Forms {
    fn new() -> Forms {
        let form = |bytes: &[u8]| Text::in_place(bytes).expect("a short text or a UUID").pack().1;
        let mut by_len = [0; Text::INLINE_MAX + 1];
        for (len, slot) in by_len.iter_mut().enumerate() {
            *slot = form(&[b'x'; Text::INLINE_MAX][..len]);
        }
        Forms { by_len, uuid: form(b"00000000-0000-0000-0000-000000000000") }
    }

    /// The short text as the model's.
    #[inline]
    pub(crate) fn short(&self, text: ShortText) -> Text {
        Text::unpack(text.words, self.by_len[usize::from(text.len)])
    }

    /// The UUID as the model's.
    #[inline]
    pub(crate) fn uuid(&self, uuid: Uuid) -> Text {
        Text::unpack(uuid.0.map(u64::swap_bytes), self.uuid)
    }
}

impl ShortText {
    /// A letter and a number of at least seven decimal digits.
    #[inline]
    pub(crate) fn numbered(letter: u8, number: u32) -> ShortText {
        if number < 10_000_000 {
            let digits = eight_digits(number);
            return ShortText { words: [digits & !0xFF | u64::from(letter), 0], len: 8 };
        }
        let mut bytes = [0; 16];
        let mut left = number;
        let count = number.ilog10() as usize + 1;
        bytes[0] = letter;
        for byte in bytes[1..=count].iter_mut().rev() {
            *byte = b'0' + (left % 10) as u8;
            left /= 10;
        }
        let (words, _) = bytes.as_chunks::<8>();
        #[expect(clippy::cast_possible_truncation, reason = "a letter and at most ten digits")]
        let len = count as u8 + 1;
        ShortText { words: [u64::from_le_bytes(words[0]), u64::from_le_bytes(words[1])], len }
    }

    /// Appends the bytes.
    #[inline]
    pub(crate) fn append_to(self, out: &mut Vec<u8>) {
        let kept = out.len() + usize::from(self.len);
        // Two whole words and a cut are faster than a copy of odd length.
        out.extend_from_slice(&self.words[0].to_le_bytes());
        out.extend_from_slice(&self.words[1].to_le_bytes());
        out.truncate(kept);
    }
}

impl Uuid {
    /// Appends the 36 characters.
    #[inline]
    pub(crate) fn append_to(self, out: &mut Vec<u8>) {
        let [upper, lower] = self.0;
        let digits = [hex(low(upper >> 32)), hex(low(upper)), hex(low(lower >> 32)), hex(low(lower))];
        let [a, b, c, d] = digits.map(u64::to_le_bytes);
        let mut text = *b"00000000-0000-0000-0000-000000000000";
        text[..8].copy_from_slice(&a);
        text[9..13].copy_from_slice(&b[..4]);
        text[14..18].copy_from_slice(&b[4..]);
        text[19..23].copy_from_slice(&c[..4]);
        text[24..28].copy_from_slice(&c[4..]);
        text[28..].copy_from_slice(&d);
        out.extend_from_slice(&text);
    }
}

/// The eight hexadecimal digits of a number in ASCII, the first one in the lowest byte.
#[inline]
const fn hex(number: u32) -> u64 {
    // One nibble to a byte, then letters for those above nine, all eight at once.
    let mut bytes = number.swap_bytes() as u64;
    bytes = (bytes | bytes << 16) & 0x0000_FFFF_0000_FFFF;
    bytes = (bytes | bytes << 8) & 0x00FF_00FF_00FF_00FF;
    bytes = (bytes >> 4 | bytes << 8) & 0x0F0F_0F0F_0F0F_0F0F;
    let letters = (bytes + 0x0606_0606_0606_0606) >> 4 & 0x0101_0101_0101_0101;
    bytes + 0x3030_3030_3030_3030 + letters * 0x27
}

/// The eight decimal digits of a number below 10^8 in ASCII, the first one in the lowest byte.
///
/// All digits are split off at once by multiplications that stand for divisions by 10 000, 100 and 10.
#[inline]
pub(crate) const fn eight_digits(number: u32) -> u64 {
    let halves = (number / 10_000) as u64 | ((number % 10_000) as u64) << 32;
    let hundreds = ((halves * 10_486) >> 20) & 0x7F_0000_007F;
    let pairs = hundreds | (halves - 100 * hundreds) << 16;
    let tens = ((pairs * 103) >> 10) & 0x000F_000F_000F_000F;
    let digits = tens | (pairs - 10 * tens) << 8;
    digits + 0x3030_3030_3030_3030
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn shown(append: impl Fn(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        append(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn digits_are_those_of_the_formatter() {
        for number in [0, 7, 9, 10, 99, 100, 12_345_678, 90_909_090, 99_999_999, 31_415_926] {
            assert_eq!(eight_digits(number).to_le_bytes(), *format!("{number:08}").as_bytes());
        }
        for number in [0, 0x0123_4567, 0x89AB_CDEF, 0xFEDC_BA98, u32::MAX] {
            assert_eq!(hex(number).to_le_bytes(), *format!("{number:08x}").as_bytes());
        }
        for number in [0, 42, 9_999_999, 10_000_000, u32::MAX] {
            assert_eq!(shown(|out| ShortText::numbered(b'c', number).append_to(out)), format!("c{number:07}"));
        }
    }

    #[test]
    fn the_models_texts_are_the_rendered_ones() {
        let identities = Identities::new(5, 3);
        for number in 0..1_000 {
            let uuid = identities.event(number);
            let text = shown(|out| uuid.append_to(out));
            let expected = Text::in_place(text.as_bytes()).unwrap();
            assert!(identities.forms().uuid(uuid).equals(&[], &expected, &[]), "{text}");
            assert_eq!((&text[14..15], "89ab".contains(&text[19..20])), ("4", true), "{text}");
            let token = identities.token(Token::Session, number);
            let text = shown(|out| token.append_to(out));
            assert_eq!((text.len(), &text[..1]), (14, "s"));
            let expected = Text::in_place(text.as_bytes()).unwrap();
            assert!(identities.forms().short(token).equals(&[], &expected, &[]), "{text}");
        }
    }

    #[test]
    fn no_identifier_is_given_twice() {
        let (mut uuids, mut tokens) = (HashSet::new(), HashSet::new());
        for lane in [0, 1, 255] {
            let identities = Identities::new(7, lane);
            for number in (0..20_000).chain((1 << 44) - 10..1 << 44) {
                assert!(uuids.insert(identities.event(number).0));
                assert!(tokens.insert(identities.token(Token::Session, number).words));
                assert!(tokens.insert(identities.token(Token::Order, number).words));
            }
        }
    }
}
