//! What several tests of the engine share.
#![allow(dead_code, reason = "each test uses a part of it")]

pub(crate) mod gold;
pub(crate) mod http;
pub(crate) mod in_process;
pub(crate) mod layers;
pub(crate) mod lines;
pub(crate) mod tillrace;

/// The seeds of a test: the first `count`, or the one that `SEED` names.
pub(crate) fn seeds(count: u64) -> std::ops::Range<u64> {
    match std::env::var("SEED") {
        Ok(seed) => {
            let seed = seed.parse().expect("SEED is a number");
            seed..seed + 1
        }
        Err(_) => 0..count,
    }
}
