//! Identifiers and other short texts of an event, in 16 bytes plus a form, compared exactly.
//!
//! Most identifiers of a shop are short or are UUIDs, so a [`Text`] holds up to 16 bytes in place, packs a
//! canonical lower-case UUID into 128 bits, and keeps anything longer in a byte arena beside the batch (or beside
//! the table that remembers it). Each byte string has exactly one form, so two texts are equal only if their
//! forms are; texts that live in an arena are then compared byte by byte. No identifier is ever judged by a hash.

/// How the 16 bytes of a [`Text`] are to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(transparent)]
struct Form(u8);

impl Form {
    /// No text at all: an optional field that is absent.
    const ABSENT: Form = Form(0);
    /// `Form(1 + n)`: `n` bytes in place, the rest zero.
    const INLINE_EMPTY: Form = Form(1);
    const INLINE_FULL: Form = Form(17);
    /// A canonical lower-case UUID, big-endian.
    const UUID: Form = Form(32);
    /// First half: offset (48 bits) and length (16 bits) in the arena; second half: hash of the bytes.
    const ARENA: Form = Form(33);
}

/// A text of 0 to 65 535 bytes, or none. 24 bytes; a long one is only complete with its arena.
///
/// `==` is deliberately absent: use [`Text::equals`], which takes both arenas.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Text {
    words: [u64; 2],
    form: Form,
}

/// The bytes of the texts that do not fit in place.
pub type TextArena = Vec<u8>;

/// Room for the bytes of any text that is not in an arena; see [`Text::bytes`].
pub type TextBuffer = [u8; 36];

const HEX: &[u8; 16] = b"0123456789abcdef";

impl Text {
    /// No text: an optional field that is absent.
    pub const ABSENT: Text = Text { words: [0; 2], form: Form::ABSENT };
    /// The most bytes kept in place.
    pub const INLINE_MAX: usize = 16;

    /// Makes a text of `bytes`, appending them to `arena` where they are neither short nor a UUID.
    ///
    /// Expected cost: a few nanoseconds; the arena grows by amortised doubling.
    ///
    /// # Panics
    /// Where `bytes` is longer than 65 535.
    #[must_use]
    pub fn new(bytes: &[u8], arena: &mut TextArena) -> Text {
        if let Some(text) = Text::in_place(bytes) {
            return text;
        }
        let text = Text::stored(arena.len(), bytes.len(), hash_bytes(bytes));
        arena.extend_from_slice(bytes);
        text
    }

    /// Makes a text of `bytes` where no arena is needed: at most 16 bytes, or a canonical lower-case UUID.
    #[must_use]
    pub fn in_place(bytes: &[u8]) -> Option<Text> {
        if bytes.len() <= Text::INLINE_MAX {
            let mut padded = [0; Text::INLINE_MAX];
            padded[..bytes.len()].copy_from_slice(bytes);
            #[expect(clippy::cast_possible_truncation, reason = "at most 16")]
            let form = Form(Form::INLINE_EMPTY.0 + bytes.len() as u8);
            return Some(Text::from_parts(padded, form));
        }
        let uuid = parse_uuid(bytes)?;
        Some(Text::from_parts(uuid.to_be_bytes(), Form::UUID))
    }

    /// Makes a text of the first `len` bytes of `block`, whatever follows them; the same as [`Text::new`] of those bytes,
    /// without a copy byte by byte.
    ///
    /// # Panics
    /// Where `len` is more than [`Text::INLINE_MAX`].
    #[must_use]
    #[inline]
    pub fn from_block(block: &[u8; 16], len: usize) -> Text {
        let [low, high] = Text::MASKS[len];
        let whole = u128::from_le_bytes(*block);
        #[expect(clippy::cast_possible_truncation, reason = "the halves of the block, and at most 16")]
        let (words, form) = ([whole as u64 & low, (whole >> 64) as u64 & high], Form(Form::INLINE_EMPTY.0 + len as u8));
        Text { words, form }
    }

    /// Makes a text of a canonical lower-case UUID, given as its 16 bytes; the same as [`Text::new`] of its 36 digits and
    /// dashes.
    #[must_use]
    #[inline]
    pub fn from_uuid(bytes: [u8; 16]) -> Text {
        Text::from_parts(bytes, Form::UUID)
    }

    /// The bits of the two words that a text of so many bytes in place uses.
    const MASKS: [[u64; 2]; Text::INLINE_MAX + 1] = {
        let mut masks = [[0; 2]; Text::INLINE_MAX + 1];
        let mut len = 0;
        while len <= Text::INLINE_MAX {
            let low = if len < 8 { len } else { 8 };
            masks[len] = [Text::low_bytes(low), Text::low_bytes(len - low)];
            len += 1;
        }
        masks
    };

    /// A word whose `count` lowest bytes are all ones.
    const fn low_bytes(count: usize) -> u64 {
        if count == 0 { 0 } else { u64::MAX >> (64 - 8 * count) }
    }

    #[inline]
    fn from_parts(bytes: [u8; 16], form: Form) -> Text {
        let mut words = [0; 2];
        for (word, half) in words.iter_mut().zip(bytes.chunks_exact(8)) {
            *word = u64::from_le_bytes(half.try_into().expect("chunks of eight bytes"));
        }
        Text { words, form }
    }

    fn stored(offset: usize, length: usize, hash: u64) -> Text {
        assert!(length < 1 << 16, "text of {length} bytes; at most 65535");
        assert!((offset as u64) < 1 << 48, "text arena of {offset} bytes; at most 2^48");
        Text { words: [(offset as u64) << 16 | length as u64, hash], form: Form::ARENA }
    }

    /// Whether this is no text at all.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        self.form == Form::ABSENT
    }

    /// Whether the bytes lie in an arena.
    #[must_use]
    pub fn is_in_arena(&self) -> bool {
        self.form == Form::ARENA
    }

    /// Number of bytes; 0 where absent.
    #[must_use]
    pub fn len(&self) -> usize {
        match self.form {
            Form::ABSENT => 0,
            Form::UUID => 36,
            Form::ARENA => (self.words[0] & 0xFFFF) as usize,
            Form(inline) => usize::from(inline - Form::INLINE_EMPTY.0),
        }
    }

    /// Whether there are no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn arena_range(&self) -> std::ops::Range<usize> {
        debug_assert!(self.is_in_arena());
        let offset = (self.words[0] >> 16) as usize;
        offset..offset + self.len()
    }

    fn in_place_bytes(&self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.words[0].to_le_bytes());
        bytes[8..].copy_from_slice(&self.words[1].to_le_bytes());
        bytes
    }

    /// The bytes, from `arena` or written into `buffer`. Empty where absent.
    ///
    /// # Panics
    /// Where `arena` is not the one the text was made with.
    #[must_use]
    pub fn bytes<'a>(&self, arena: &'a [u8], buffer: &'a mut TextBuffer) -> &'a [u8] {
        match self.form {
            Form::ARENA => &arena[self.arena_range()],
            Form::UUID => {
                format_uuid(u128::from_be_bytes(self.in_place_bytes()), buffer);
                buffer
            }
            _ => {
                buffer[..16].copy_from_slice(&self.in_place_bytes());
                &buffer[..self.len()]
            }
        }
    }

    /// Appends the bytes to `out`.
    pub fn append_to(&self, arena: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(self.bytes(arena, &mut [0; 36]));
    }

    /// Whether both are the same bytes (or both absent). `arena` and `other_arena` belong to `self` and `other`.
    #[must_use]
    #[inline]
    pub fn equals(&self, arena: &[u8], other: &Text, other_arena: &[u8]) -> bool {
        if self.form != other.form {
            return false;
        }
        if self.form == Form::ARENA {
            return self.words[1] == other.words[1] && arena[self.arena_range()] == other_arena[other.arena_range()];
        }
        self.words == other.words
    }

    /// The order of the bytes. Absent counts as empty.
    #[must_use]
    pub fn compare(&self, arena: &[u8], other: &Text, other_arena: &[u8]) -> std::cmp::Ordering {
        self.bytes(arena, &mut [0; 36]).cmp(other.bytes(other_arena, &mut [0; 36]))
    }

    /// The same text, kept in `to` where it needs an arena.
    #[must_use]
    #[inline]
    pub fn moved(&self, from: &[u8], to: &mut TextArena) -> Text {
        if !self.is_in_arena() {
            return *self;
        }
        let bytes = &from[self.arena_range()];
        let moved = Text::stored(to.len(), bytes.len(), self.words[1]);
        to.extend_from_slice(bytes);
        moved
    }

    /// A hash of the bytes: the same for equal texts wherever they live, on every machine. About a nanosecond.
    ///
    /// Good for tables and for routing; never a substitute for [`Text::equals`].
    #[must_use]
    #[inline]
    pub fn hash(&self) -> u64 {
        if self.form == Form::ARENA {
            return self.words[1];
        }
        fold(self.words[0] ^ 0x9E37_79B9_7F4A_7C15, self.words[1] ^ SEED ^ u64::from(self.form.0))
    }

    /// The 16 bytes and the form, for tables that keep texts packed; [`Text::unpack`] is the way back.
    #[must_use]
    #[inline]
    pub fn pack(&self) -> ([u64; 2], u8) {
        (self.words, self.form.0)
    }

    /// Makes a text of what [`Text::pack`] gave.
    #[must_use]
    #[inline]
    pub fn unpack(words: [u64; 2], form: u8) -> Text {
        debug_assert!(form <= Form::INLINE_FULL.0 || form == Form::UUID.0 || form == Form::ARENA.0);
        Text { words, form: Form(form) }
    }
}

const SEED: u64 = 0xA076_1D64_78BD_642F;

/// The two halves of the 128-bit product of `a` and `b`, folded by exclusive or: a fast mixing step, after
/// Wang Yi's wyhash.
#[must_use]
#[inline]
pub const fn fold(a: u64, b: u64) -> u64 {
    // WebAssembly has no such multiplication, and the function that stands in for it costs a call for each text.
    if cfg!(target_arch = "wasm32") {
        return fold_by_halves(a, b);
    }
    let product = a as u128 * b as u128;
    #[expect(clippy::cast_possible_truncation, reason = "the low half is wanted")]
    let low = product as u64;
    low ^ (product >> 64) as u64
}

/// The same as [`fold`], of products of 32 bits each.
const fn fold_by_halves(a: u64, b: u64) -> u64 {
    const LOW: u64 = u32::MAX as u64;
    let (a_low, a_high, b_low, b_high) = (a & LOW, a >> 32, b & LOW, b >> 32);
    let cross = a_high * b_low + ((a_low * b_low) >> 32);
    let middle = a_low * b_high + (cross & LOW);
    let high = a_high * b_high + (cross >> 32) + (middle >> 32);
    a.wrapping_mul(b) ^ high
}

fn hash_bytes(bytes: &[u8]) -> u64 {
    let mut hash = SEED ^ bytes.len() as u64;
    for chunk in bytes.chunks(16) {
        let mut padded = [0; 16];
        padded[..chunk.len()].copy_from_slice(chunk);
        let low = u64::from_le_bytes(padded[..8].try_into().expect("eight bytes"));
        let high = u64::from_le_bytes(padded[8..].try_into().expect("eight bytes"));
        hash = fold(low ^ 0xE703_7ED1_A0B4_28DB, high ^ hash);
    }
    fold(hash ^ 0x8EBC_6AF0_9C88_C6E3, 0x5899_65CC_7537_4CC3)
}

/// Reads `8-4-4-4-12` lower-case hexadecimal digits; anything else, upper case too, is no canonical UUID. Eight digits at
/// a time.
#[inline]
fn parse_uuid(bytes: &[u8]) -> Option<u128> {
    let bytes: &[u8; 36] = bytes.try_into().ok()?;
    if [bytes[8], bytes[13], bytes[18], bytes[23]] != *b"----" {
        return None;
    }
    let word = |first: usize, second: usize| {
        let half = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        u64::from(half(first)) | u64::from(half(second)) << 32
    };
    let parts = [word(0, 4), word(9, 14), word(19, 24), word(28, 32)].map(eight_hex_digits);
    let [Some(a), Some(b), Some(c), Some(d)] = parts else { return None };
    Some(u128::from(a) << 96 | u128::from(b) << 64 | u128::from(c) << 32 | u128::from(d))
}

/// The number that eight lower-case hexadecimal digits write, the first in the lowest byte.
#[inline]
fn eight_hex_digits(word: u64) -> Option<u32> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    // Letters have bit 6 set, digits have not.
    let letters = word >> 6 & ONES;
    let nibbles = (word & (ONES * 0x0F)) + letters * 9;
    // Write them again: only where that gives the same bytes were these the digits.
    let above_nine = (nibbles + ONES * 6) >> 4 & ONES;
    let written = nibbles + ONES * 0x30 + above_nine * 39;
    if written != word || nibbles & (ONES * 0xF0) != 0 {
        return None;
    }
    let pairs = (nibbles << 4 | nibbles >> 8) & 0x00FF_00FF_00FF_00FF;
    let quads = (pairs | pairs >> 8) & 0x0000_FFFF_0000_FFFF;
    #[expect(clippy::cast_possible_truncation, reason = "the low half is wanted")]
    let bytes = (quads | quads >> 16) as u32;
    Some(bytes.swap_bytes())
}

fn format_uuid(value: u128, out: &mut TextBuffer) {
    let mut shift = 128;
    for (index, byte) in out.iter_mut().enumerate() {
        if matches!(index, 8 | 13 | 18 | 23) {
            *byte = b'-';
        } else {
            shift -= 4;
            *byte = HEX[(value >> shift & 0xF) as usize];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UUID: &[u8] = b"00112233-4455-6677-8899-aabbccddeeff";
    const UPPER: &[u8] = b"00112233-4455-6677-8899-AABBCCDDEEFF";

    #[test]
    fn a_uuid_with_any_byte_changed_is_read_like_any_other_text() {
        for place in 0..36 {
            for byte in 0..=255 {
                let mut bytes: [u8; 36] = UUID.try_into().unwrap();
                bytes[place] = byte;
                let is_dash = matches!(place, 8 | 13 | 18 | 23);
                let is_digit = matches!(byte, b'0'..=b'9' | b'a'..=b'f');
                let is_uuid = if is_dash { byte == b'-' } else { is_digit };
                let mut arena = Vec::new();
                let text = Text::new(&bytes, &mut arena);
                assert_eq!(text.is_in_arena(), !is_uuid, "{byte:#x} at {place}");
                assert_eq!(text.bytes(&arena, &mut [0; 36]), bytes);
            }
        }
    }

    #[test]
    fn every_text_comes_back_as_it_went_in() {
        let mut arena = b"something before".to_vec();
        let long = [b'x'; 200];
        let samples: [&[u8]; 9] =
            [b"", b"a", b"\0", b"15 bytes here..", b"16 bytes here...", b"17 bytes here....", UUID, UPPER, &long];
        for bytes in samples {
            let text = Text::new(bytes, &mut arena);
            assert_eq!(text.bytes(&arena, &mut [0; 36]), bytes);
            assert_eq!(text.len(), bytes.len());
            assert!(!text.is_absent());
            let (words, form) = text.pack();
            assert!(Text::unpack(words, form).equals(&arena, &text, &arena));
        }
    }

    #[test]
    fn equal_texts_are_equal_in_any_arena_and_different_ones_never() {
        let samples: [&[u8]; 10] = [
            b"",
            b"\0",
            b"\0\0",
            b"a",
            b"a\0",
            b"0123456789abcdef",
            b"0123456789abcdefg",
            UUID,
            UPPER,
            b"0123456789abcdefh",
        ];
        let (mut left, mut right) = (Vec::new(), b"shift".to_vec());
        for (i, a) in samples.iter().enumerate() {
            for (j, b) in samples.iter().enumerate() {
                let (a, b) = (Text::new(a, &mut left), Text::new(b, &mut right));
                assert_eq!(a.equals(&left, &b, &right), i == j, "samples {i} and {j}");
                assert_eq!(a.hash() == b.hash(), i == j, "hashes of samples {i} and {j}");
                assert_eq!(a.compare(&left, &b, &right), samples[i].cmp(samples[j]));
            }
        }
        assert!(!Text::ABSENT.equals(&[], &Text::new(b"", &mut left), &left));
    }

    #[test]
    fn a_hash_is_no_proof_two_long_texts_with_one_hash_stay_apart() {
        let arena = b"first long identifiersecond long identity!".to_vec();
        let (a, b) = (Text::stored(0, 21, 7), Text::stored(21, 21, 7));
        assert_eq!(a.hash(), b.hash());
        assert!(!a.equals(&arena, &b, &arena));
    }

    #[test]
    fn a_text_of_a_block_or_of_a_uuids_bytes_is_the_text_of_its_bytes() {
        let block = b"0123456789abcdef";
        for len in 0..=16 {
            let (text, expected) = (Text::from_block(block, len), Text::in_place(&block[..len]).unwrap());
            assert_eq!(text.pack(), expected.pack(), "{len} bytes");
        }
        let bytes = 0x0011_2233_4455_6677_8899_aabb_ccdd_eeff_u128.to_be_bytes();
        assert_eq!(Text::from_uuid(bytes).pack(), Text::in_place(UUID).unwrap().pack());
    }

    #[test]
    fn a_product_by_halves_is_folded_alike() {
        let ends = [0u64, 1, 2, u64::MAX, u64::MAX - 1, 1 << 32, (1 << 32) - 1, SEED];
        let mut bits = SEED;
        let drawn = std::iter::repeat_with(|| {
            bits = bits.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(1).rotate_left(23);
            bits
        });
        let numbers: Vec<u64> = ends.into_iter().chain(drawn.take(200)).collect();
        for (&a, &b) in numbers.iter().flat_map(|a| numbers.iter().map(move |b| (a, b))) {
            assert_eq!(fold_by_halves(a, b), fold(a, b), "{a:#x} times {b:#x}");
        }
    }

    #[test]
    fn a_moved_text_is_the_same_text() {
        let (mut from, mut to) = (b"..".to_vec(), b".....".to_vec());
        for bytes in [UPPER, b"short"] {
            let text = Text::new(bytes, &mut from);
            let moved = text.moved(&from, &mut to);
            assert!(text.equals(&from, &moved, &to));
            assert_eq!(text.hash(), moved.hash());
        }
    }
}
