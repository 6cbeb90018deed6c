//! What the fast path asks of vector registers: which bytes of a string are special, and whether 32 bytes differ.
//!
//! Each way has the same meaning as [`Portable`], which works on any machine; the tests compare them.

#![expect(unsafe_code, reason = "vector intrinsics; each block says why it is sound")]
#![expect(clippy::inline_always, reason = "only what is inlined is compiled for the caller's instructions")]

/// The bytes a look covers.
pub(crate) const WIDTH: usize = 32;

/// What a look at 32 bytes of a string finds: bit `i` speaks of byte `i`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Specials {
    /// `"`.
    pub(crate) quotes: u32,
    /// `\`, control characters below 0x20, and bytes from 0x80.
    pub(crate) others: u32,
}

/// A way to look at 32 bytes at once.
pub(crate) trait Lanes {
    /// The special bytes of `chunk`.
    fn specials(chunk: &[u8; WIDTH]) -> Specials;

    /// Bit `i` where byte `i` of the two is not the same.
    fn differences(left: &[u8; WIDTH], right: &[u8; WIDTH]) -> u32;
}

/// Byte by byte, for any machine.
#[cfg_attr(all(target_arch = "x86_64", not(test)), expect(dead_code, reason = "x86-64 always has SSE2"))]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Portable;

impl Lanes for Portable {
    #[inline(always)]
    fn specials(chunk: &[u8; WIDTH]) -> Specials {
        let mut specials = Specials { quotes: 0, others: 0 };
        for (index, &byte) in chunk.iter().enumerate() {
            specials.quotes |= u32::from(byte == b'"') << index;
            specials.others |= u32::from(byte == b'\\' || !(0x20..0x80).contains(&byte)) << index;
        }
        specials
    }

    #[inline(always)]
    fn differences(left: &[u8; WIDTH], right: &[u8; WIDTH]) -> u32 {
        let pairs = left.iter().zip(right).enumerate();
        pairs.fold(0, |mask, (index, (left, right))| mask | u32::from(left != right) << index)
    }
}

#[cfg(target_arch = "x86_64")]
pub(crate) use x86_64::{Avx2, Sse2};

#[cfg(target_arch = "x86_64")]
mod x86_64 {
    use std::arch::x86_64::{
        __m128i, __m256i, _mm_cmpeq_epi8, _mm_cmplt_epi8, _mm_movemask_epi8, _mm_or_si128, _mm_set1_epi8,
        _mm256_cmpeq_epi8, _mm256_cmpgt_epi8, _mm256_movemask_epi8, _mm256_or_si256, _mm256_set1_epi8,
    };

    use super::{Lanes, Specials, WIDTH};

    /// Two registers of 16 bytes: every x86-64 has them.
    #[derive(Clone, Copy, Debug)]
    pub(crate) struct Sse2;

    #[inline(always)]
    fn halves(chunk: &[u8; WIDTH]) -> [__m128i; 2] {
        // SAFETY: both types are 32 plain bytes, and every bit pattern is a value of either.
        unsafe { std::mem::transmute(*chunk) }
    }

    #[inline(always)]
    fn bits(low: i32, high: i32) -> u32 {
        low.cast_unsigned() | high.cast_unsigned() << 16
    }

    impl Lanes for Sse2 {
        #[inline(always)]
        fn specials(chunk: &[u8; WIDTH]) -> Specials {
            // SAFETY: SSE2 belongs to the x86-64 baseline, so these instructions exist wherever this code runs.
            unsafe {
                let quotes = |half| _mm_movemask_epi8(_mm_cmpeq_epi8(half, _mm_set1_epi8(b'"'.cast_signed())));
                // Compared as signed numbers, bytes from 0x80 are below 0x20 too.
                let others = |half| {
                    let low = _mm_cmplt_epi8(half, _mm_set1_epi8(0x20));
                    _mm_movemask_epi8(_mm_or_si128(low, _mm_cmpeq_epi8(half, _mm_set1_epi8(b'\\'.cast_signed()))))
                };
                let [low, high] = halves(chunk);
                Specials { quotes: bits(quotes(low), quotes(high)), others: bits(others(low), others(high)) }
            }
        }

        #[inline(always)]
        fn differences(left: &[u8; WIDTH], right: &[u8; WIDTH]) -> u32 {
            let ([a, b], [c, d]) = (halves(left), halves(right));
            // SAFETY: SSE2 belongs to the x86-64 baseline.
            unsafe { !bits(_mm_movemask_epi8(_mm_cmpeq_epi8(a, c)), _mm_movemask_epi8(_mm_cmpeq_epi8(b, d))) }
        }
    }

    /// One register of 32 bytes. To be used only below a function that is compiled for AVX2 and was reached because the
    /// machine has it; see `dispatch.rs`.
    #[derive(Clone, Copy, Debug)]
    pub(crate) struct Avx2;

    #[inline(always)]
    fn whole(chunk: &[u8; WIDTH]) -> __m256i {
        // SAFETY: both types are 32 plain bytes, and every bit pattern is a value of either.
        unsafe { std::mem::transmute(*chunk) }
    }

    impl Lanes for Avx2 {
        #[inline(always)]
        fn specials(chunk: &[u8; WIDTH]) -> Specials {
            let bytes = whole(chunk);
            // SAFETY: whoever names `Avx2` has found AVX2 on this machine.
            unsafe {
                let quotes = _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(b'"'.cast_signed()));
                let low = _mm256_cmpgt_epi8(_mm256_set1_epi8(0x20), bytes);
                let others = _mm256_or_si256(low, _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(b'\\'.cast_signed())));
                Specials {
                    quotes: _mm256_movemask_epi8(quotes).cast_unsigned(),
                    others: _mm256_movemask_epi8(others).cast_unsigned(),
                }
            }
        }

        #[inline(always)]
        fn differences(left: &[u8; WIDTH], right: &[u8; WIDTH]) -> u32 {
            // SAFETY: whoever names `Avx2` has found AVX2 on this machine.
            unsafe { !_mm256_movemask_epi8(_mm256_cmpeq_epi8(whole(left), whole(right))).cast_unsigned() }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<L: Lanes>() {
        let mut state = 7u64;
        for round in 0..20_000u32 {
            let mut chunks = [[b'x'; WIDTH]; 2];
            for byte in chunks.as_flattened_mut() {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let drawn = (state >> 33).to_le_bytes();
                *byte = match drawn[1] % 5 {
                    0 => b'"',
                    1 => b'\\',
                    2 if round % 2 == 0 => drawn[0],
                    _ => b'x',
                };
            }
            let [left, right] = chunks;
            assert_eq!(L::specials(&left), Portable::specials(&left), "{left:?}");
            assert_eq!(L::differences(&left, &right), Portable::differences(&left, &right));
        }
        for byte in 0..=255 {
            assert_eq!(L::specials(&[byte; WIDTH]), Portable::specials(&[byte; WIDTH]), "{byte:#x}");
        }
    }

    #[test]
    fn every_way_finds_what_the_portable_one_finds() {
        #[cfg(target_arch = "x86_64")]
        {
            check::<Sse2>();
            if std::is_x86_feature_detected!("avx2") {
                check::<Avx2>();
            }
        }
        check::<Portable>();
    }
}
