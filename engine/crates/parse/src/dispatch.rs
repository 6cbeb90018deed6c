//! Chooses, once a call, the code that this machine runs best: a portable build finds its fast path at run time.

#![expect(unsafe_code, reason = "calls a function compiled for AVX2 after finding AVX2")]

use engine_model::Batch;

use crate::fast::{Shapes, parse_with};
use crate::{Rules, Slab};

/// The ways the fast path can run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// AVX2 and the bit instructions that come with it.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// SSE2, which every x86-64 has.
    #[cfg(target_arch = "x86_64")]
    Sse2,
    /// Any machine.
    #[cfg(any(not(target_arch = "x86_64"), test))]
    Portable,
}

impl Way {
    /// The best this machine has.
    pub(crate) fn best() -> Way {
        #[cfg(target_arch = "x86_64")]
        {
            let has_avx2 = std::is_x86_feature_detected!("avx2")
                && std::is_x86_feature_detected!("bmi1")
                && std::is_x86_feature_detected!("bmi2")
                && std::is_x86_feature_detected!("lzcnt");
            if has_avx2 { Way::Avx2 } else { Way::Sse2 }
        }
        #[cfg(not(target_arch = "x86_64"))]
        Way::Portable
    }

    /// All this machine has.
    #[cfg(test)]
    pub(crate) fn all() -> Vec<Way> {
        let mut all = vec![Way::Portable];
        #[cfg(target_arch = "x86_64")]
        all.push(Way::Sse2);
        if Way::best() != all[all.len() - 1] {
            all.push(Way::best());
        }
        all
    }
}

/// [`parse_with`], the given way.
pub(crate) fn parse_by(
    way: Way,
    shapes: &mut Shapes,
    slab: Slab<'_>,
    rules: &Rules,
    record_max: usize,
    batch: &mut Batch,
) -> usize {
    match way {
        // SAFETY: `Way::Avx2` is made by `Way::best` only, which has found every feature that the function is compiled
        // for.
        #[cfg(target_arch = "x86_64")]
        Way::Avx2 => unsafe { parse_avx2(shapes, slab, rules, record_max, batch) },
        #[cfg(target_arch = "x86_64")]
        Way::Sse2 => parse_with::<crate::simd::Sse2>(shapes, slab, rules, record_max, batch),
        #[cfg(any(not(target_arch = "x86_64"), test))]
        Way::Portable => parse_with::<crate::simd::Portable>(shapes, slab, rules, record_max, batch),
    }
}

// SSE4a is left out on purpose: with it the compiler may choose `insertq`, which is very slow next to AVX registers.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt")]
fn parse_avx2(shapes: &mut Shapes, slab: Slab<'_>, rules: &Rules, record_max: usize, batch: &mut Batch) -> usize {
    parse_with::<crate::simd::Avx2>(shapes, slab, rules, record_max, batch)
}
