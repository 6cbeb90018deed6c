//! When each record should be sent, fixed before the run.

use std::time::Duration;

use crate::clock::nanos_of;

/// How sends are spread over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Arrivals {
    /// The same gap between any two.
    Constant,
    /// Independent of each other, as from many customers: exponential gaps with the same mean.
    Poisson,
}

/// The intended send times of all records in ascending order, in nanoseconds from the start.
#[derive(Clone, Debug)]
pub struct Schedule {
    arrivals: Arrivals,
    /// Mean span between two bursts in nanoseconds.
    gap: f64,
    /// Records that are sent at once.
    burst: u64,
    end: u64,
    index: u64,
    /// When the current burst is due.
    due: f64,
    state: u64,
}

impl Schedule {
    /// `rate` records a second over `duration`, `burst` at once; `seed` decides random gaps.
    ///
    /// # Panics
    /// Where the rate is not positive or a burst is empty.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "bursts are small numbers")]
    pub fn new(rate: f64, duration: Duration, arrivals: Arrivals, burst: u64, seed: u64) -> Schedule {
        assert!(rate > 0.0 && burst > 0, "{burst} records at once, {rate} a second");
        let gap = 1e9 * burst as f64 / rate;
        Schedule { arrivals, gap, burst, end: nanos_of(duration), index: 0, due: 0.0, state: seed }
    }

    /// The draw that a seed's state gives, from 0 up to but not including 1: Steele, Lea and Flood's `SplitMix64`.
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
    fn draw(&mut self) -> f64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.state;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
        (bits >> 11) as f64 / (1u64 << 53) as f64
    }
}

impl Iterator for Schedule {
    type Item = u64;

    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "times of a run are positive and far below 2^53 nanoseconds"
    )]
    fn next(&mut self) -> Option<u64> {
        if self.index > 0 && self.index.is_multiple_of(self.burst) {
            self.due = match self.arrivals {
                // From the number, so that no error adds up.
                Arrivals::Constant => (self.index / self.burst) as f64 * self.gap,
                Arrivals::Poisson => self.due - (1.0 - self.draw()).ln() * self.gap,
            };
        }
        self.index += 1;
        Some(self.due as u64).filter(|&due| due < self.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(rate: f64, arrivals: Arrivals, burst: u64, seed: u64) -> Vec<u64> {
        Schedule::new(rate, Duration::from_secs(1), arrivals, burst, seed).collect()
    }

    #[test]
    fn constant_arrivals_have_one_gap() {
        assert_eq!(times(4.0, Arrivals::Constant, 1, 0), [0, 250_000_000, 500_000_000, 750_000_000]);
        let many = times(3e5, Arrivals::Constant, 1, 0);
        assert_eq!(many.len(), 300_000);
        assert!(many.windows(2).all(|pair| (3_333..=3_334).contains(&(pair[1] - pair[0]))));
    }

    #[test]
    fn a_burst_is_due_at_once_and_keeps_the_rate() {
        assert_eq!(times(4.0, Arrivals::Constant, 2, 0), [0, 0, 500_000_000, 500_000_000]);
    }

    #[test]
    #[expect(clippy::cast_precision_loss, reason = "counts of a test")]
    fn poisson_arrivals_keep_the_rate_and_vary_as_much_as_they_should() {
        let times_of = |seed| times(1e5, Arrivals::Poisson, 1, seed);
        let some = times_of(1);
        assert_eq!(some, times_of(1), "a seed means one schedule");
        assert_ne!(some, times_of(2));
        // 100 000 expected, with a standard deviation of 316.
        assert!(some.len().abs_diff(100_000) < 1_600, "{}", some.len());
        assert!(some.is_sorted());
        // The share of gaps beyond the mean is 1/e.
        let beyond = some.windows(2).filter(|pair| pair[1] - pair[0] > 10_000).count() as f64 / some.len() as f64;
        assert!((0.36..0.376).contains(&beyond), "{beyond}");
    }
}
