//! Draws: 64 random bits at a time from a generator with a fixed algorithm, and what is made of them by integers alone.

use engine_model::fold;
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

/// A stream of random bits.
#[derive(Clone, Debug)]
pub(crate) struct Draws(Xoshiro256PlusPlus);

/// What a stream is for: streams of different purposes or lanes are independent of each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub(crate) enum Purpose {
    /// Prices, popularity and changes of the catalogue: the same in every lane.
    Catalogue = 1,
    /// The keys of the identifiers: the same in every lane, whose numbers keep them apart.
    Identity,
    /// Arrivals of visitors.
    Traffic,
    /// What visitors do.
    Journey,
    /// Faults: apart from the journeys, which are therefore the same at any share.
    Fault,
}

impl Draws {
    /// The stream of `seed` for `purpose` in `lane`.
    pub(crate) fn new(seed: u64, purpose: Purpose, lane: u32) -> Draws {
        let stream = (purpose as u64) << 32 | u64::from(lane);
        Draws(Xoshiro256PlusPlus::seed_from_u64(mix(seed ^ mix(stream))))
    }

    /// 64 random bits.
    #[inline]
    pub(crate) fn next(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number below `count`, which is not 0.
    #[inline]
    pub(crate) fn below(&mut self, count: u32) -> u32 {
        scaled(high(self.next()), count)
    }
}

/// The probability of something, in parts of 2^32. Never certain, which no draw here has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Chance(u32);

impl Chance {
    /// `count` in a thousand.
    pub(crate) const fn permille(count: u32) -> Chance {
        Chance::ppm(count * 1_000)
    }

    /// `count` in a million.
    pub(crate) const fn ppm(count: u32) -> Chance {
        assert!(count < 1_000_000, "a chance is less than certainty");
        Chance(low(((count as u64) << 32) / 1_000_000))
    }

    /// Whether it happens, given 32 random bits.
    #[inline]
    pub(crate) const fn hits(self, bits: u32) -> bool {
        bits < self.0
    }
}

/// The place of a draw among weights that add up to 1 000.
pub(crate) fn weighted<T: Copy>(weights: &[(u32, T)], bits: u32) -> T {
    debug_assert_eq!(weights.iter().map(|&(weight, _)| weight).sum::<u32>(), 1_000);
    let mut left = scaled(bits, 1_000);
    for &(weight, item) in weights {
        if left < weight {
            return item;
        }
        left -= weight;
    }
    weights[weights.len() - 1].1
}

/// `bits` in proportion: a number below `count`.
#[inline]
pub(crate) const fn scaled(bits: u32, count: u32) -> u32 {
    high(bits as u64 * count as u64)
}

/// A bijection of 64 bits that leaves no pattern: the finalizer of `SplitMix64` (Steele, Lea and Flood, 2014).
#[inline]
pub(crate) const fn mix(bits: u64) -> u64 {
    let bits = bits.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ (bits >> 31)
}

/// 32 bits that depend on `a` and `b` alone.
#[inline]
pub(crate) const fn hashed(a: u64, b: u64) -> u32 {
    high(fold(a ^ 0x9E37_79B9_7F4A_7C15, mix(b)))
}

/// The upper half.
#[inline]
pub(crate) const fn high(bits: u64) -> u32 {
    low(bits >> 32)
}

/// The lower half.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the lower half is wanted")]
pub(crate) const fn low(bits: u64) -> u32 {
    bits as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_differ_by_seed_purpose_and_lane_and_repeat() {
        let first = |seed, purpose, lane| Draws::new(seed, purpose, lane).next();
        let one = first(1, Purpose::Fault, 0);
        assert_eq!(one, first(1, Purpose::Fault, 0));
        for other in [first(2, Purpose::Fault, 0), first(1, Purpose::Traffic, 0), first(1, Purpose::Fault, 1)] {
            assert_ne!(one, other);
        }
    }

    #[test]
    fn chances_and_weights_come_true() {
        let mut draws = Draws::new(3, Purpose::Journey, 0);
        let quarter = (0..100_000).filter(|_| Chance::permille(250).hits(high(draws.next()))).count();
        assert!((24_500..25_500).contains(&quarter), "{quarter}");
        let weights = [(900, 'a'), (100, 'b')];
        let rare = (0..100_000).filter(|_| weighted(&weights, high(draws.next())) == 'b').count();
        assert!((9_500..10_500).contains(&rare), "{rare}");
        assert_eq!(weighted(&weights, u32::MAX), 'b');
        assert!(!Chance::ppm(999_999).hits(u32::MAX));
    }
}
