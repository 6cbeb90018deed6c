//! Which vectors the machine has, found out at run time, and the parser's loop compiled for each.

#![cfg_attr(
    target_arch = "x86_64",
    expect(unsafe_code, reason = "calls a function compiled for a machine with AVX2, after finding that this is one")
)]

use engine_model::Batch;

use crate::parser::Speculation;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
use crate::simd::Simd128;
#[cfg(target_arch = "x86_64")]
use crate::simd::{Avx2, Sse2};
use crate::simd::{Portable, Vectors};
use crate::tokens::Tokens;
use crate::{Rules, Slab};

/// Vectors the machine has.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Machine {
    /// 32 bytes at a time.
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
    /// 16 bytes at a time, twice.
    #[cfg(target_arch = "x86_64")]
    Sse2(Sse2),
    /// 16 bytes at a time, twice.
    #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
    Simd128(Simd128),
    /// 8 bytes at a time, four times.
    Portable,
}

impl Machine {
    /// The best of them.
    #[cfg(target_arch = "x86_64")]
    pub(crate) fn detect() -> Machine {
        Avx2::detect().map_or(Machine::Sse2(Sse2), Machine::Avx2)
    }

    /// The best of them. A module of WebAssembly cannot ask: it is compiled with vectors or without.
    #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
    pub(crate) fn detect() -> Machine {
        Machine::Simd128(Simd128)
    }

    /// The best of them.
    #[cfg(not(any(target_arch = "x86_64", all(target_arch = "wasm32", target_feature = "simd128"))))]
    pub(crate) fn detect() -> Machine {
        Machine::Portable
    }

    /// All of them.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn all() -> Vec<Machine> {
        #[cfg(target_arch = "x86_64")]
        let mut all: Vec<Machine> =
            Avx2::detect().map(Machine::Avx2).into_iter().chain([Machine::Sse2(Sse2)]).collect();
        #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
        let mut all = vec![Machine::Simd128(Simd128)];
        #[cfg(not(any(target_arch = "x86_64", all(target_arch = "wasm32", target_feature = "simd128"))))]
        let mut all = vec![];
        all.push(Machine::Portable);
        all
    }

    /// [`Speculation::parse`] with these vectors.
    pub(crate) fn parse(
        self,
        speculation: &mut Speculation,
        slab: Slab<'_>,
        rules: &Rules,
        record_max: usize,
        batch: &mut Batch,
    ) -> usize {
        match self {
            #[cfg(target_arch = "x86_64")]
            Machine::Avx2(vectors) => {
                // SAFETY: a value of `Avx2` exists only where `Avx2::detect` has found each of the features that
                // `parse_avx2` is compiled for.
                unsafe { parse_avx2(vectors, speculation, slab, rules, record_max, batch) }
            }
            #[cfg(target_arch = "x86_64")]
            Machine::Sse2(vectors) => speculation.parse(vectors, slab, rules, record_max, batch),
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            Machine::Simd128(vectors) => speculation.parse(vectors, slab, rules, record_max, batch),
            Machine::Portable => speculation.parse(Portable, slab, rules, record_max, batch),
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,bmi1,bmi2,popcnt,lzcnt,pclmulqdq")]
fn parse_avx2(
    vectors: Avx2,
    speculation: &mut Speculation,
    slab: Slab<'_>,
    rules: &Rules,
    record_max: usize,
    batch: &mut Batch,
) -> usize {
    speculation.parse(vectors, slab, rules, record_max, batch)
}

/// Vectors for which some functions are compiled apart, so that they do not crowd the loop that reads by shapes.
pub(crate) trait Compiled: Vectors {
    /// [`Tokens::find`] with these vectors.
    #[inline(never)]
    fn find_tokens(self, tokens: &mut Tokens, bytes: &[u8]) -> Option<usize> {
        tokens.find(self, bytes)
    }

    /// [`Vectors::uuid`] with these vectors.
    fn uuid_apart(self, text: &[u8; 36]) -> Option<[u8; 16]> {
        self.uuid(text)
    }
}

#[cfg(target_arch = "x86_64")]
impl Compiled for Avx2 {
    fn find_tokens(self, tokens: &mut Tokens, bytes: &[u8]) -> Option<usize> {
        // SAFETY: a value of `Avx2` exists only where `Avx2::detect` has found each of the features that
        // `find_tokens_avx2` is compiled for.
        unsafe { find_tokens_avx2(self, tokens, bytes) }
    }

    fn uuid_apart(self, text: &[u8; 36]) -> Option<[u8; 16]> {
        // SAFETY: as above, for `uuid_avx2`.
        unsafe { uuid_avx2(self, text) }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,bmi1,bmi2,popcnt,lzcnt,pclmulqdq")]
fn find_tokens_avx2(vectors: Avx2, tokens: &mut Tokens, bytes: &[u8]) -> Option<usize> {
    tokens.find(vectors, bytes)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,bmi1,bmi2,popcnt,lzcnt,pclmulqdq")]
fn uuid_avx2(vectors: Avx2, text: &[u8; 36]) -> Option<[u8; 16]> {
    vectors.uuid(text)
}

#[cfg(target_arch = "x86_64")]
impl Compiled for Sse2 {}

#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
impl Compiled for Simd128 {}

impl Compiled for Portable {}
