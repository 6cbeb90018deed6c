//! A histogram of delays, exact to three significant decimal digits.

use engine_model::Micros;

/// Counts of delays, each rounded half up to three significant decimal digits.
///
/// Rounding is monotonic, so a nearest-rank percentile of the rounded delays is the rounded percentile of the delays
/// themselves: no error comes from the buckets beyond that rounding. Merging adds counts. Values below 1 ms are exact.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DelayHistogram {
    /// Up to the greatest bucket that was used: 1000 buckets of 1 us, then 900 a decade.
    counts: Vec<u64>,
    count: u64,
    max: Micros,
}

const EXACT: u64 = 1_000;
const PER_DECADE: u64 = 900;
/// More than any delay can reach.
const BUCKETS: usize = 1_000 + 17 * 900;

impl DelayHistogram {
    /// Counts one delay.
    ///
    /// # Panics
    /// Where the delay is negative.
    #[inline]
    pub fn record(&mut self, delay: Micros) {
        let index = bucket_of(u64::try_from(delay.get()).expect("a delay is not negative"));
        if index >= self.counts.len() {
            self.counts.resize(index + 1, 0);
        }
        self.counts[index] += 1;
        self.count += 1;
        self.max = self.max.max(delay);
    }

    /// Adds the counts of `other`.
    pub fn merge(&mut self, other: &DelayHistogram) {
        if other.counts.len() > self.counts.len() {
            self.counts.resize(other.counts.len(), 0);
        }
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
        self.count += other.count;
        self.max = self.max.max(other.max);
    }

    /// The buckets that were used, with their counts, to be written down.
    pub fn buckets(&self) -> impl Iterator<Item = (usize, u64)> {
        self.counts.iter().copied().enumerate().filter(|(_, count)| *count > 0)
    }

    /// The histogram of these buckets and this greatest delay; `None` where there is none.
    #[must_use]
    pub fn from_buckets(buckets: &[(usize, u64)], max: Micros) -> Option<DelayHistogram> {
        let mut histogram = DelayHistogram { max, ..DelayHistogram::default() };
        for &(bucket, count) in buckets {
            if bucket >= BUCKETS {
                return None;
            }
            if bucket >= histogram.counts.len() {
                histogram.counts.resize(bucket + 1, 0);
            }
            histogram.counts[bucket] += count;
            histogram.count += count;
        }
        (max >= Micros::ZERO).then_some(histogram)
    }

    /// How many delays were counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The greatest delay, exact; `None` without any.
    #[must_use]
    pub fn max(&self) -> Option<Micros> {
        (self.count > 0).then_some(self.max)
    }

    /// The nearest-rank percentile, rounded to three significant digits: the least delay such that at least `percent`
    /// per cent of all are not greater. `None` without any.
    ///
    /// # Panics
    /// Where `percent` is not within 1 to 100.
    #[must_use]
    pub fn percentile(&self, percent: u64) -> Option<Micros> {
        assert!((1..=100).contains(&percent));
        if self.count == 0 {
            return None;
        }
        let rank = (self.count * percent).div_ceil(100);
        let mut seen = 0;
        let index = self.counts.iter().position(|count| {
            seen += count;
            seen >= rank
        });
        index.map(value_of)
    }
}

#[expect(clippy::cast_possible_truncation, reason = "at most 1000 + 17 * 900")]
fn bucket_of(micros: u64) -> usize {
    if micros < EXACT {
        return micros as usize;
    }
    let decade = u64::from(micros.ilog10()) - 3;
    let unit = 10u64.pow(u32::try_from(decade).expect("at most 16") + 1);
    // 100 to 1000; 1000 is the first bucket of the next decade, as its number says by itself.
    let digits = (micros + unit / 2) / unit;
    (EXACT + decade * PER_DECADE + (digits - 100)) as usize
}

fn value_of(bucket: usize) -> Micros {
    let bucket = bucket as u64;
    if bucket < EXACT {
        return Micros::new(bucket.cast_signed());
    }
    let (decade, digits) = ((bucket - EXACT) / PER_DECADE, (bucket - EXACT) % PER_DECADE + 100);
    let unit = 10u64.pow(u32::try_from(decade).expect("at most 17") + 1);
    Micros::new((digits * unit).cast_signed())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The twin: rounds by text.
    fn rounded(micros: i64) -> i64 {
        let text = micros.to_string();
        if text.len() <= 3 {
            return micros;
        }
        let head: i64 = text[..3].parse().unwrap();
        let up = i64::from(text.as_bytes()[3] >= b'5');
        (head + up) * 10i64.pow(u32::try_from(text.len()).unwrap() - 3)
    }

    proptest! {
        #[test]
        fn percentiles_are_the_rounded_ones_of_the_sorted_delays(
            left in prop::collection::vec(delays(), 0..60),
            right in prop::collection::vec(delays(), 0..60),
        ) {
            let mut histogram = DelayHistogram::default();
            for &delay in &left { histogram.record(Micros::new(delay)); }
            let mut other = DelayHistogram::default();
            for &delay in &right { other.record(Micros::new(delay)); }
            histogram.merge(&other);
            let mut all = [left, right].concat();
            all.sort_unstable();
            for percent in [1, 50, 99, 100] {
                let rank = (all.len() * percent).div_ceil(100);
                let expected = all.get(rank.wrapping_sub(1)).map(|&delay| Micros::new(rounded(delay)));
                prop_assert_eq!(histogram.percentile(percent as u64), expected);
            }
            prop_assert_eq!(histogram.max(), all.last().map(|&delay| Micros::new(delay)));
        }
    }

    fn delays() -> impl Strategy<Value = i64> {
        prop_oneof![0i64..2_000, 99_000i64..102_000, 0i64..4_000_000_000_000_000]
    }

    #[test]
    fn a_histogram_comes_back_from_its_buckets() {
        let mut histogram = DelayHistogram::default();
        for delay in [0, 7, 7, 1_234, 98_765_432_100] {
            histogram.record(Micros::new(delay));
        }
        let buckets: Vec<_> = histogram.buckets().collect();
        assert_eq!(buckets.len(), 4);
        assert_eq!(DelayHistogram::from_buckets(&buckets, histogram.max().unwrap()), Some(histogram));
        assert_eq!(DelayHistogram::from_buckets(&[(BUCKETS, 1)], Micros::ZERO), None);
        assert_eq!(DelayHistogram::from_buckets(&[(0, 1)], Micros::new(-1)), None);
    }

    #[test]
    fn decades_meet_without_a_gap() {
        let at = |micros| value_of(bucket_of(micros)).get();
        assert_eq!([999, 1_000, 1_004, 1_005].map(at), [999, 1_000, 1_000, 1_010]);
        assert_eq!([9_994, 9_995, 10_000, 99_950].map(at), [9_990, 10_000, 10_000, 100_000]);
    }
}
