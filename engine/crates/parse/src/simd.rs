//! Blocks of 32 bytes at once: which are special in a JSON string, which differ from another block, and the value of a
//! UUID's digits; and of 64, by what they are to JSON. Four implementations with one meaning, of which a machine has up to
//! three; the caller is compiled once for each.

#![expect(clippy::inline_always, reason = "only what is inlined is compiled for the vectors of its caller")]
#![cfg_attr(
    any(target_arch = "x86_64", all(target_arch = "wasm32", target_feature = "simd128")),
    expect(unsafe_code, reason = "vector instructions, each behind a value that proves the machine has them")
)]

/// The vectors of one kind of machine. A value of the type proves that the machine has them.
pub(crate) trait Vectors: Copy {
    /// A bit for each byte that is `"`, `\`, below 0x20 or not ASCII. Bits above the lowest one set may be wrong.
    fn special(self, block: &[u8; 32]) -> u32;

    /// A bit for each byte in which the blocks differ.
    fn differences(self, block: &[u8; 32], other: &[u8; 32]) -> u32;

    /// The bytes of a canonical lower-case UUID; `None` where it is none.
    fn uuid(self, text: &[u8; 36]) -> Option<[u8; 16]>;

    /// What each byte of a block is to JSON.
    fn classes(self, block: &[u8; 64]) -> Classes;

    /// For each bit whether an odd number of bits is set up to and with it.
    #[inline(always)]
    fn prefix_xor(self, bits: u64) -> u64 {
        let mut sums = bits;
        for shift in [1, 2, 4, 8, 16, 32] {
            sums ^= sums << shift;
        }
        sums
    }
}

/// A bit for each of 64 bytes that is of a class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Classes {
    /// `"`.
    pub(crate) quotes: u64,
    /// `\`.
    pub(crate) backslashes: u64,
    /// Space, tab and carriage return.
    pub(crate) blanks: u64,
    /// Below 0x20.
    pub(crate) controls: u64,
    /// `{`, `}`, `[`, `]`, `:` and `,`; also the control characters 0x0C and 0x1A, which nobody needs apart from them.
    pub(crate) marks: u64,
    /// Not ASCII.
    pub(crate) beyond_ascii: u64,
}

/// Ordinary registers of eight bytes: every machine has them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Portable;

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// The eight bytes of `bytes` from `at` on.
#[inline(always)]
fn word<const N: usize>(bytes: &[u8; N], at: usize) -> u64 {
    u64::from_le_bytes([
        bytes[at],
        bytes[at + 1],
        bytes[at + 2],
        bytes[at + 3],
        bytes[at + 4],
        bytes[at + 5],
        bytes[at + 6],
        bytes[at + 7],
    ])
}

/// The four bytes of `bytes` from `at` on.
#[inline(always)]
fn half_word<const N: usize>(bytes: &[u8; N], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// The highest bit of each byte, as one byte.
#[inline(always)]
fn high_bits(word: u64) -> u32 {
    // Each product of a bit and a power of two of the factor falls on a place of its own; the top byte gathers them.
    (((word & HIGHS) >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56) as u32
}

/// The 32 digits of a UUID without its dashes, as four words; `None` where a dash is missing.
#[inline(always)]
fn uuid_digits(text: &[u8; 36]) -> Option<[u64; 4]> {
    let pair = |first, second| u64::from(half_word(text, first)) | u64::from(half_word(text, second)) << 32;
    let has_dashes = text[8] == b'-' && text[13] == b'-' && text[18] == b'-' && text[23] == b'-';
    has_dashes.then(|| [word(text, 0), pair(9, 14), pair(19, 24), word(text, 28)])
}

/// The value of eight lower-case hexadecimal digits; `None` where they are none.
#[inline(always)]
fn hex_word(word: u64) -> Option<u32> {
    // Bit 6 tells letters from digits: `a` is 0x61, `0` is 0x30.
    let letters = word >> 6 & ONES;
    let values = (word & (ONES * 0x0F)) + letters * 9;
    let has_right_highs = word & (ONES * 0xF0) == ONES * 0x30 + letters * 0x30;
    // A letter's value is at least 10 and a digit's less, and none is above 15.
    let is_tens_right = (values + ONES * 6) & (ONES * 0x10) == letters << 4;
    if !has_right_highs || !is_tens_right || values & (ONES * 0xF0) != 0 {
        return None;
    }
    let nibbles = values.swap_bytes();
    let bytes = (nibbles | nibbles >> 4) & 0x00FF_00FF_00FF_00FF;
    let pairs = (bytes | bytes >> 8) & 0x0000_FFFF_0000_FFFF;
    #[expect(clippy::cast_possible_truncation, reason = "eight digits are 32 bits")]
    let value = (pairs | pairs >> 16) as u32;
    Some(value)
}

/// The classes of every byte, a bit for each in the order of the fields of [`Classes`].
const CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut byte = 0u8;
    loop {
        let class = [
            byte == b'"',
            byte == b'\\',
            byte == b' ' || byte == b'\t' || byte == b'\r',
            byte < 0x20,
            matches!(byte, b'{' | b'}' | b'[' | b']' | b':' | b',' | 0x0C | 0x1A),
            !byte.is_ascii(),
        ];
        let mut bit = 0;
        while bit < class.len() {
            classes[byte as usize] |= (class[bit] as u8) << bit;
            bit += 1;
        }
        if byte == u8::MAX {
            break;
        }
        byte += 1;
    }
    classes
};

impl Vectors for Portable {
    #[inline(always)]
    fn classes(self, block: &[u8; 64]) -> Classes {
        let mut bits = [0; 6];
        for (index, bytes) in block.chunks_exact(8).enumerate() {
            let mut eight = [0; 8];
            for (class, &byte) in eight.iter_mut().zip(bytes) {
                *class = CLASSES[usize::from(byte)];
            }
            let eight = u64::from_le_bytes(eight);
            for (bit, bits) in bits.iter_mut().enumerate() {
                *bits |= u64::from(high_bits(eight << (7 - bit))) << (index * 8);
            }
        }
        let [quotes, backslashes, blanks, controls, marks, beyond_ascii] = bits;
        Classes { quotes, backslashes, blanks, controls, marks, beyond_ascii }
    }

    #[inline(always)]
    fn special(self, block: &[u8; 32]) -> u32 {
        let mut bits = 0;
        for index in 0..4 {
            let word = word(block, index * 8);
            // Sean Anderson's test for a zero byte: exact up to the first.
            let zero_where = |byte: u8| {
                let difference = word ^ (ONES * u64::from(byte));
                difference.wrapping_sub(ONES) & !difference
            };
            let control = word.wrapping_sub(ONES * 0x20) & !word;
            bits |= high_bits(zero_where(b'"') | zero_where(b'\\') | control | word) << (index * 8);
        }
        bits
    }

    #[inline(always)]
    fn differences(self, block: &[u8; 32], other: &[u8; 32]) -> u32 {
        let mut bits = 0;
        for index in 0..4 {
            let different = word(block, index * 8) ^ word(other, index * 8);
            // The sum carries into the highest bit of a byte unless its lower seven are zero, and never beyond.
            bits |= high_bits(((different & !HIGHS) + !HIGHS) | different) << (index * 8);
        }
        bits
    }

    #[inline(always)]
    fn uuid(self, text: &[u8; 36]) -> Option<[u8; 16]> {
        let mut value = 0u128;
        for digits in uuid_digits(text)? {
            value = value << 32 | u128::from(hex_word(digits)?);
        }
        Some(value.to_be_bytes())
    }
}

#[cfg(target_arch = "x86_64")]
pub(crate) use x86::{Avx2, Sse2};

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{
        __m128i, _mm_clmulepi64_si128, _mm_cmpeq_epi8, _mm_cmplt_epi8, _mm_cvtsi128_si64, _mm_loadu_si128,
        _mm_min_epu8, _mm_movemask_epi8, _mm_or_si128, _mm_set_epi64x, _mm_set1_epi8, _mm_storeu_si128,
        _mm256_add_epi8, _mm256_and_si256, _mm256_castsi256_si128, _mm256_cmpeq_epi8, _mm256_cmpgt_epi8,
        _mm256_loadu_si256, _mm256_maddubs_epi16, _mm256_min_epu8, _mm256_movemask_epi8, _mm256_or_si256,
        _mm256_packus_epi16, _mm256_permute4x64_epi64, _mm256_set_epi64x, _mm256_set1_epi8, _mm256_set1_epi16,
        _mm256_setr_epi8, _mm256_shuffle_epi8,
    };

    use super::{Classes, Portable, Vectors, uuid_digits};

    /// What every x86-64 has.
    #[derive(Clone, Copy, Debug)]
    pub(crate) struct Sse2;

    /// Proof that the machine has AVX2 and what comes with it.
    #[derive(Clone, Copy, Debug)]
    pub(crate) struct Avx2(());

    impl Avx2 {
        /// The proof, where there is one.
        pub(crate) fn detect() -> Option<Avx2> {
            let has_all = is_x86_feature_detected!("avx2")
                && is_x86_feature_detected!("bmi1")
                && is_x86_feature_detected!("bmi2")
                && is_x86_feature_detected!("popcnt")
                && is_x86_feature_detected!("lzcnt")
                && is_x86_feature_detected!("pclmulqdq");
            has_all.then_some(Avx2(()))
        }
    }

    /// The two halves of a block.
    #[inline(always)]
    fn halves(block: &[u8; 32]) -> [__m128i; 2] {
        // SAFETY: both loads, which need no alignment, lie within the 32 bytes; every x86-64 has SSE2.
        unsafe { [_mm_loadu_si128(block.as_ptr().cast()), _mm_loadu_si128(block.as_ptr().add(16).cast())] }
    }

    /// The masks of a quarter or a half of a block, to stand at its place in those of the block.
    #[inline(always)]
    fn masks(bits: [u32; 6], shift: u32) -> Classes {
        let [quotes, backslashes, blanks, controls, marks, beyond_ascii] = bits;
        Classes {
            quotes: u64::from(quotes) << shift,
            backslashes: u64::from(backslashes) << shift,
            blanks: u64::from(blanks) << shift,
            controls: u64::from(controls) << shift,
            marks: u64::from(marks) << shift,
            beyond_ascii: u64::from(beyond_ascii) << shift,
        }
    }

    /// The masks of parts side by side.
    #[inline(always)]
    fn join(part: Classes, other: Classes) -> Classes {
        Classes {
            quotes: part.quotes | other.quotes,
            backslashes: part.backslashes | other.backslashes,
            blanks: part.blanks | other.blanks,
            controls: part.controls | other.controls,
            marks: part.marks | other.marks,
            beyond_ascii: part.beyond_ascii | other.beyond_ascii,
        }
    }

    #[inline(always)]
    fn mask(marks: __m128i) -> u32 {
        // SAFETY: no memory is touched; every x86-64 has SSE2.
        unsafe { _mm_movemask_epi8(marks).cast_unsigned() }
    }

    #[inline(always)]
    fn equal(bytes: __m128i, byte: u8) -> __m128i {
        // SAFETY: no memory is touched; every x86-64 has SSE2.
        unsafe { _mm_cmpeq_epi8(bytes, _mm_set1_epi8(byte.cast_signed())) }
    }

    #[inline(always)]
    fn either(marks: __m128i, other: __m128i) -> __m128i {
        // SAFETY: no memory is touched; every x86-64 has SSE2.
        unsafe { _mm_or_si128(marks, other) }
    }

    impl Sse2 {
        /// The classes of 16 bytes.
        #[inline(always)]
        fn classes_of_16(bytes: __m128i, shift: u32) -> Classes {
            // SAFETY: no memory is touched; every x86-64 has SSE2.
            let (lower, least) =
                unsafe { (_mm_or_si128(bytes, _mm_set1_epi8(0x20)), _mm_min_epu8(bytes, _mm_set1_epi8(0x1F))) };
            // SAFETY: no memory is touched; every x86-64 has SSE2.
            let controls = unsafe { _mm_cmpeq_epi8(bytes, least) };
            let blanks = either(either(equal(bytes, b' '), equal(bytes, b'\t')), equal(bytes, b'\r'));
            // With bit 5 set, as in `{`, `}`, `:` and `,`: of the brackets both kinds become one.
            let brackets = either(equal(lower, b'{'), equal(lower, b'}'));
            let marks = either(brackets, either(equal(lower, b':'), equal(lower, b',')));
            let strings = [mask(equal(bytes, b'"')), mask(equal(bytes, b'\\'))];
            masks([strings[0], strings[1], mask(blanks), mask(controls), mask(marks), mask(bytes)], shift)
        }
    }

    impl Avx2 {
        /// The classes of 32 bytes.
        #[inline(always)]
        fn classes_of_32(_proof: Avx2, block: &[u8; 32], shift: u32) -> Classes {
            // SAFETY: the load, which needs no alignment, is of the 32 bytes of `block`; an `Avx2` proves AVX2.
            unsafe {
                let bytes = _mm256_loadu_si256(block.as_ptr().cast());
                // For each low nibble the one byte of the class that has it, or one that has another.
                #[rustfmt::skip]
                let blanks = _mm256_setr_epi8(
                    0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0x09, 0, 0, 0, 0x0D, 0, 0,
                    0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0x09, 0, 0, 0, 0x0D, 0, 0,
                );
                // With bit 5 set, as in `{`, `}`, `:` and `,`: of the brackets both kinds become one.
                #[rustfmt::skip]
                let marks = _mm256_setr_epi8(
                    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x3A, 0x7B, 0x2C, 0x7D, 0, 0,
                    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x3A, 0x7B, 0x2C, 0x7D, 0, 0,
                );
                let quotes = _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(b'"'.cast_signed()));
                let backslashes = _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(b'\\'.cast_signed()));
                let blanks = _mm256_cmpeq_epi8(bytes, _mm256_shuffle_epi8(blanks, bytes));
                let controls = _mm256_cmpeq_epi8(bytes, _mm256_min_epu8(bytes, _mm256_set1_epi8(0x1F)));
                let lower = _mm256_or_si256(bytes, _mm256_set1_epi8(0x20));
                let marks = _mm256_cmpeq_epi8(lower, _mm256_shuffle_epi8(marks, bytes));
                let bits = [
                    _mm256_movemask_epi8(quotes).cast_unsigned(),
                    _mm256_movemask_epi8(backslashes).cast_unsigned(),
                    _mm256_movemask_epi8(blanks).cast_unsigned(),
                    _mm256_movemask_epi8(controls).cast_unsigned(),
                    _mm256_movemask_epi8(marks).cast_unsigned(),
                    _mm256_movemask_epi8(bytes).cast_unsigned(),
                ];
                masks(bits, shift)
            }
        }
    }

    /// The two halves of a block of 64 bytes.
    #[inline(always)]
    fn half_blocks(block: &[u8; 64]) -> (&[u8; 32], &[u8; 32]) {
        let (first, second) = block.split_at(32);
        (first.try_into().expect("32 bytes"), second.try_into().expect("32 bytes"))
    }

    impl Vectors for Sse2 {
        #[inline(always)]
        fn classes(self, block: &[u8; 64]) -> Classes {
            let (first, second) = half_blocks(block);
            let ([a, b], [c, d]) = (halves(first), halves(second));
            let low = join(Sse2::classes_of_16(a, 0), Sse2::classes_of_16(b, 16));
            join(low, join(Sse2::classes_of_16(c, 32), Sse2::classes_of_16(d, 48)))
        }

        #[inline(always)]
        fn special(self, block: &[u8; 32]) -> u32 {
            let [low, high] = halves(block).map(|half| {
                // SAFETY: no memory is touched; every x86-64 has SSE2.
                unsafe {
                    // As a signed number a byte that is not ASCII is negative, so below 0x20 as well.
                    let marks = _mm_or_si128(
                        _mm_or_si128(
                            _mm_cmpeq_epi8(half, _mm_set1_epi8(i8::from_le_bytes([b'"']))),
                            _mm_cmpeq_epi8(half, _mm_set1_epi8(i8::from_le_bytes([b'\\']))),
                        ),
                        _mm_cmplt_epi8(half, _mm_set1_epi8(0x20)),
                    );
                    _mm_movemask_epi8(marks).cast_unsigned()
                }
            });
            low | high << 16
        }

        #[inline(always)]
        fn differences(self, block: &[u8; 32], other: &[u8; 32]) -> u32 {
            let ([low, high], [other_low, other_high]) = (halves(block), halves(other));
            // SAFETY: no memory is touched; every x86-64 has SSE2.
            let (low, high) = unsafe {
                (
                    _mm_movemask_epi8(_mm_cmpeq_epi8(low, other_low)).cast_unsigned(),
                    _mm_movemask_epi8(_mm_cmpeq_epi8(high, other_high)).cast_unsigned(),
                )
            };
            !(low | high << 16)
        }

        #[inline(always)]
        fn uuid(self, text: &[u8; 36]) -> Option<[u8; 16]> {
            Portable.uuid(text)
        }
    }

    impl Vectors for Avx2 {
        #[inline(always)]
        fn prefix_xor(self, bits: u64) -> u64 {
            // SAFETY: no memory is touched; `self` proves that there is a multiplication without carries, here by all
            // ones: each bit of the product is the sum without carries of the bits up to it.
            unsafe {
                let bits = _mm_set_epi64x(0, bits.cast_signed());
                _mm_cvtsi128_si64(_mm_clmulepi64_si128::<0>(bits, _mm_set1_epi8(-1))).cast_unsigned()
            }
        }

        #[inline(always)]
        fn classes(self, block: &[u8; 64]) -> Classes {
            let (first, second) = half_blocks(block);
            join(Avx2::classes_of_32(self, first, 0), Avx2::classes_of_32(self, second, 32))
        }

        #[inline(always)]
        fn special(self, block: &[u8; 32]) -> u32 {
            // SAFETY: the load, which needs no alignment, is of the 32 bytes of `block`; `self` proves AVX2.
            unsafe {
                let bytes = _mm256_loadu_si256(block.as_ptr().cast());
                // As a signed number a byte that is not ASCII is negative, so below 0x20 as well.
                let marks = _mm256_or_si256(
                    _mm256_or_si256(
                        _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(i8::from_le_bytes([b'"']))),
                        _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(i8::from_le_bytes([b'\\']))),
                    ),
                    _mm256_cmpgt_epi8(_mm256_set1_epi8(0x20), bytes),
                );
                _mm256_movemask_epi8(marks).cast_unsigned()
            }
        }

        #[inline(always)]
        fn differences(self, block: &[u8; 32], other: &[u8; 32]) -> u32 {
            // SAFETY: the loads, which need no alignment, are of the 32 bytes of each block; `self` proves AVX2.
            unsafe {
                let bytes = _mm256_loadu_si256(block.as_ptr().cast());
                let others = _mm256_loadu_si256(other.as_ptr().cast());
                !_mm256_movemask_epi8(_mm256_cmpeq_epi8(bytes, others)).cast_unsigned()
            }
        }

        #[inline(always)]
        fn uuid(self, text: &[u8; 36]) -> Option<[u8; 16]> {
            let [a, b, c, d] = uuid_digits(text)?.map(u64::cast_signed);
            // SAFETY: the only memory touched is `bytes`, which has the 16 bytes stored; `self` proves AVX2.
            unsafe {
                let digits = _mm256_set_epi64x(d, c, b, a);
                // A letter, 0x61 to 0x66, is greater than any digit; its low nibble lacks nine.
                let letters = _mm256_cmpgt_epi8(digits, _mm256_set1_epi8(0x39));
                let nibbles = _mm256_add_epi8(
                    _mm256_and_si256(digits, _mm256_set1_epi8(0x0F)),
                    _mm256_and_si256(letters, _mm256_set1_epi8(9)),
                );
                // The digit that each value is written with. Only where it is the one found was it a digit at all; what
                // is greater than 15 looks up its low nibble, or zero, and cannot be equal to that either.
                #[rustfmt::skip]
                let written = _mm256_shuffle_epi8(
                    _mm256_setr_epi8(
                        0x30, 0x31, 0x32, 0x33, 0x34, 0x35, 0x36, 0x37, 0x38, 0x39, 0x61, 0x62, 0x63, 0x64, 0x65, 0x66,
                        0x30, 0x31, 0x32, 0x33, 0x34, 0x35, 0x36, 0x37, 0x38, 0x39, 0x61, 0x62, 0x63, 0x64, 0x65, 0x66,
                    ),
                    nibbles,
                );
                if _mm256_movemask_epi8(_mm256_cmpeq_epi8(written, digits)) != -1 {
                    return None;
                }
                // Sixteen times the first of each pair and the second; then the low bytes of all words side by side.
                let values = _mm256_maddubs_epi16(nibbles, _mm256_set1_epi16(0x0110));
                let packed = _mm256_permute4x64_epi64::<0b00_00_10_00>(_mm256_packus_epi16(values, values));
                let mut bytes = [0; 16];
                _mm_storeu_si128(bytes.as_mut_ptr().cast(), _mm256_castsi256_si128(packed));
                Some(bytes)
            }
        }
    }
}

#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
pub(crate) use wasm::Simd128;

#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod wasm {
    use std::arch::wasm32::{
        i8x16_lt, u8x16_add, u8x16_all_true, u8x16_bitmask, u8x16_eq, u8x16_gt, u8x16_le, u8x16_narrow_i16x8,
        u8x16_splat, u8x16_swizzle, u16x8_shl, u16x8_shr, u64x2, u64x2_extract_lane, v128, v128_and, v128_load,
        v128_or,
    };

    use super::{Classes, Vectors, uuid_digits};

    /// Vectors of WebAssembly, 16 bytes at a time. A module that is compiled with them runs only where they are.
    #[derive(Clone, Copy, Debug)]
    pub(crate) struct Simd128;

    /// Every 16 bytes of a block.
    #[inline(always)]
    fn parts<const N: usize, const PARTS: usize>(block: &[u8; N]) -> [v128; PARTS] {
        const { assert!(PARTS * 16 == N, "a block of whole vectors") };
        // SAFETY: the load, which needs no alignment, is of 16 of the `N` bytes, which are as many as `PARTS` vectors have.
        std::array::from_fn(|part| unsafe { v128_load(block.as_ptr().add(part * 16).cast()) })
    }

    #[inline(always)]
    fn equal(bytes: v128, byte: u8) -> v128 {
        u8x16_eq(bytes, u8x16_splat(byte))
    }

    /// A bit for each byte of the parts that `marked` marks.
    #[inline(always)]
    fn masks<const PARTS: usize>(parts: [v128; PARTS], marked: impl Fn(v128) -> v128) -> u64 {
        let mut bits = 0;
        for (part, bytes) in parts.into_iter().enumerate() {
            bits |= u64::from(u8x16_bitmask(marked(bytes))) << (part * 16);
        }
        bits
    }

    impl Vectors for Simd128 {
        #[inline(always)]
        fn classes(self, block: &[u8; 64]) -> Classes {
            let parts: [v128; 4] = parts(block);
            Classes {
                quotes: masks(parts, |bytes| equal(bytes, b'"')),
                backslashes: masks(parts, |bytes| equal(bytes, b'\\')),
                blanks: masks(parts, |bytes| {
                    v128_or(v128_or(equal(bytes, b' '), equal(bytes, b'\t')), equal(bytes, b'\r'))
                }),
                controls: masks(parts, |bytes| u8x16_le(bytes, u8x16_splat(0x1F))),
                marks: masks(parts, |bytes| {
                    // With bit 5 set, as in `{`, `}`, `:` and `,`: of the brackets both kinds become one.
                    let lower = v128_or(bytes, u8x16_splat(0x20));
                    let brackets = v128_or(equal(lower, b'{'), equal(lower, b'}'));
                    v128_or(brackets, v128_or(equal(lower, b':'), equal(lower, b',')))
                }),
                beyond_ascii: masks(parts, |bytes| bytes),
            }
        }

        #[inline(always)]
        fn special(self, block: &[u8; 32]) -> u32 {
            let parts: [v128; 2] = parts(block);
            // As a signed number a byte that is not ASCII is negative, so below 0x20 as well.
            let marked = |bytes| {
                let strings = v128_or(equal(bytes, b'"'), equal(bytes, b'\\'));
                v128_or(strings, i8x16_lt(bytes, u8x16_splat(0x20)))
            };
            #[expect(clippy::cast_possible_truncation, reason = "two vectors have 32 bytes")]
            let bits = masks(parts, marked) as u32;
            bits
        }

        #[inline(always)]
        fn differences(self, block: &[u8; 32], other: &[u8; 32]) -> u32 {
            let ([low, high], [other_low, other_high]): ([v128; 2], [v128; 2]) = (parts(block), parts(other));
            let same = |bytes, others| u32::from(u8x16_bitmask(u8x16_eq(bytes, others)));
            !(same(low, other_low) | same(high, other_high) << 16)
        }

        #[inline(always)]
        fn uuid(self, text: &[u8; 36]) -> Option<[u8; 16]> {
            let [a, b, c, d] = uuid_digits(text)?;
            let (low, high) = (u64x2(a, b), u64x2(c, d));
            // A letter, 0x61 to 0x66, is greater than any digit; its low nibble lacks nine.
            let nibbles = |digits| {
                let letters = u8x16_gt(digits, u8x16_splat(0x39));
                let nine = v128_and(letters, u8x16_splat(9));
                u8x16_add(v128_and(digits, u8x16_splat(0x0F)), nine)
            };
            let (low_nibbles, high_nibbles) = (nibbles(low), nibbles(high));
            // The digit that each value is written with. Only where it is the one found was it a digit at all; what is greater
            // than 15 looks up zero.
            let table = u64x2(u64::from_le_bytes(*b"01234567"), u64::from_le_bytes(*b"89abcdef"));
            let is_written = |nibbles, digits| u8x16_eq(u8x16_swizzle(table, nibbles), digits);
            if !u8x16_all_true(v128_and(is_written(low_nibbles, low), is_written(high_nibbles, high))) {
                return None;
            }
            // Sixteen times the first of each pair and the second, in the low byte of each word; then those side by side.
            let pairs = |nibbles| v128_and(v128_or(u16x8_shl(nibbles, 4), u16x8_shr(nibbles, 8)), u64x2(LOWS, LOWS));
            let bytes = u8x16_narrow_i16x8(pairs(low_nibbles), pairs(high_nibbles));
            let halves = [u64x2_extract_lane::<0>(bytes), u64x2_extract_lane::<1>(bytes)];
            let mut value = [0; 16];
            value[..8].copy_from_slice(&halves[0].to_le_bytes());
            value[8..].copy_from_slice(&halves[1].to_le_bytes());
            Some(value)
        }
    }

    /// The low byte of each word.
    const LOWS: u64 = 0x00FF_00FF_00FF_00FF;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the masks say, by the words of their comments.
    fn classes_slowly(block: &[u8; 64]) -> Classes {
        let mask = |is: fn(u8) -> bool| {
            block.iter().enumerate().fold(0, |mask, (index, &byte)| mask | u64::from(is(byte)) << index)
        };
        Classes {
            quotes: mask(|byte| byte == b'"'),
            backslashes: mask(|byte| byte == b'\\'),
            blanks: mask(|byte| matches!(byte, b' ' | b'\t' | b'\r')),
            controls: mask(|byte| byte < 0x20),
            marks: mask(|byte| b"{}[]:,\x0C\x1A".contains(&byte)),
            beyond_ascii: mask(|byte| byte >= 0x80),
        }
    }

    #[test]
    fn sums_without_carries_are_the_same_to_all() {
        let mut bits = 1u64;
        for _ in 0..10_000 {
            bits = bits.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(1).rotate_left(17);
            let slowly = (0..64).fold(0, |sums, at| {
                let ones = (bits << (63 - at)).count_ones();
                sums | u64::from(ones % 2) << at
            });
            assert_eq!(Portable.prefix_xor(bits), slowly);
            #[cfg(target_arch = "x86_64")]
            if let Some(avx2) = Avx2::detect() {
                assert_eq!(avx2.prefix_xor(bits), slowly);
            }
        }
    }

    #[test]
    fn every_byte_is_of_the_same_classes_to_all_vectors_wherever_it_stands() {
        for byte in 0..=u8::MAX {
            for (index, others) in (0..64).flat_map(|index| [b' ', b'"', b'a', 0xFF].map(|others| (index, others))) {
                let mut block = [others; 64];
                block[index] = byte;
                let expected = classes_slowly(&block);
                assert_eq!(Portable.classes(&block), expected, "{byte:#x} at {index} among {others:#x}");
                #[cfg(target_arch = "x86_64")]
                {
                    assert_eq!(Sse2.classes(&block), expected, "{byte:#x} at {index} among {others:#x}");
                    if let Some(avx2) = Avx2::detect() {
                        assert_eq!(avx2.classes(&block), expected, "{byte:#x} at {index} among {others:#x}");
                    }
                }
                #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
                assert_eq!(Simd128.classes(&block), expected, "{byte:#x} at {index} among {others:#x}");
            }
        }
    }
}
