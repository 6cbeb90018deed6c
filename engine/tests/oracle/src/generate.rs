//! Small nasty inputs from a seed: few ids, so that duplicates are common; times that mostly rise, so that late events
//! are; every way to be rejected; JSON written in every legal manner.
//!
//! Copies of an `event_id` in different partitions always have equal fields, so that the order of reading shows only in
//! `quality` (and in Silver); differing copies stay within one partition. A line breaks one rule at most.
//! The same arguments give the same bytes everywhere.

mod bad;
mod json;
mod record;

use std::ops::Range;

use engine_model::{Currency, EventTime, Micros, Semantics, UtcOffset, WindowLength};
use proptest::prelude::{Strategy, any};
use proptest::sample::subsequence;

use crate::{Config, Partition, lines};
pub(crate) use record::Writer;

/// A small generator of pseudo-random numbers: `SplitMix64` (Steele, Lea, Flood, 2014).
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// The generator of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Rng {
        Rng(seed)
    }

    /// 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `end`.
    ///
    /// # Panics
    /// Where `end` is 0.
    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.bits() % end as u64).expect("below a usize")
    }

    /// A number from `first` to `last`, both included.
    ///
    /// # Panics
    /// Where there is none.
    pub fn between(&mut self, first: i64, last: i64) -> i64 {
        let count = u64::try_from(last - first + 1).expect("first is at most last");
        first + i64::try_from(self.bits() % count).expect("below an i64")
    }

    /// True once in `count` times.
    pub fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    /// One of several.
    ///
    /// # Panics
    /// Where there is none.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }

    /// Puts values into any order.
    pub fn shuffle<T>(&mut self, values: &mut [T]) {
        for last in (1..values.len()).rev() {
            values.swap(last, self.below(last + 1));
        }
    }
}

/// Which amounts of money occur.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amounts {
    /// Any amount now and then, the greatest too, yet no sum of a test reaches the end of its column.
    Usual,
    /// Orders of a hundred items of ten thousand pieces at the greatest price: two of them reach the end.
    Saturating,
}

/// A file still in pieces, so that a test that fails can be made smaller line by line.
#[derive(Clone, Debug)]
pub struct File {
    source: String,
    has_byte_order_mark: bool,
    ends_without_newline: bool,
    /// Each with its line end; blank ones too.
    lines: Vec<Vec<u8>>,
}

impl File {
    fn join(&self, lines: &[Vec<u8>]) -> Partition {
        let mut bytes = if self.has_byte_order_mark { b"\xEF\xBB\xBF".to_vec() } else { Vec::new() };
        bytes.extend(lines.concat());
        if self.ends_without_newline && bytes.last() == Some(&b'\n') {
            bytes.pop();
        }
        Partition { source: self.source.clone(), bytes }
    }
}

/// Windows, rollups, lateness, offset and currency of many kinds.
///
/// # Panics
/// Never: the lengths go together.
#[must_use]
pub fn config(seed: u64) -> Config {
    let mut rng = Rng::new(seed);
    let length = |seconds: &i64| WindowLength::new(Micros::from_seconds(*seconds)).expect("divides a day");
    let window = *rng.pick(&[1, 10, 60, 60, 60, 90, 300, 3_600, 86_400]);
    let rollups = [10, 60, 300, 5_400, 3_600, 43_200, 86_400, 86_400];
    let rollups: Vec<WindowLength> =
        rollups.iter().filter(|&&rollup| rollup % window == 0 && !rng.one_in(3)).map(length).collect();
    let lateness = Micros::from_seconds(*rng.pick(&[0, 1, 10, 10, 60, 90, 3_600]));
    let offset = UtcOffset::from_minutes(*rng.pick(&[0, 0, 330, -480, 1_439, -1_439, 1])).expect("within a day");
    let currency: Currency = rng.pick(&["USD", "USD", "EUR"]).parse().expect("three capitals");
    let semantics = Semantics::new(length(&window), &rollups, lateness, currency, offset).expect("multiples");
    // 2100-01-01.
    Config { semantics, time_max: EventTime::from_micros(4_102_444_800_000_000) }
}

/// `count` files of about `records_each` records each, not yet put together.
///
/// # Panics
/// Where there are more than 18: each has a letter of its own for its ids.
#[must_use]
pub fn files(seed: u64, count: usize, records_each: usize, config: &Config, amounts: Amounts) -> Vec<File> {
    assert!(count <= 18, "at most 18 files");
    let mut writer = Writer::new(Rng::new(seed), config, count * records_each, amounts);
    (0..count).map(|partition| file(&mut writer, partition, records_each)).collect()
}

fn file(writer: &mut Writer<'_>, partition: usize, records: usize) -> File {
    let only_bad = writer.rng.one_in(25);
    let records = if writer.rng.one_in(25) { 0 } else { records };
    let bad_first = if writer.rng.one_in(3) { 1 + writer.rng.below(3) } else { 0 };
    writer.start_partition(partition);
    let mut lines = Vec::new();
    for number in 0..records {
        while writer.rng.one_in(20) {
            let spaces = if writer.rng.one_in(100) { 70_000 } else { writer.rng.below(3) };
            let blank = [b' ', b'\t'].map(|byte| vec![byte; spaces]);
            lines.push(writer.rng.pick(&blank).clone());
        }
        let is_bad = only_bad || number < bad_first || writer.rng.one_in(14);
        lines.push(if is_bad { writer.bad_line().1 } else { writer.good_line() });
    }
    for line in &mut lines {
        line.extend_from_slice(if writer.rng.one_in(6) { b"\r\n" } else { b"\n" });
    }
    File {
        source: format!("part-{partition}.jsonl"),
        has_byte_order_mark: writer.rng.one_in(4),
        ends_without_newline: writer.rng.one_in(3),
        lines,
    }
}

/// `count` partitions, at most 18, of about `records_each` records each.
#[must_use]
pub fn partitions(seed: u64, count: usize, records_each: usize, config: &Config) -> Vec<Partition> {
    files(seed, count, records_each, config, Amounts::Usual).iter().map(|file| file.join(&file.lines)).collect()
}

/// The same, with sums that reach the end of their column.
#[must_use]
pub fn saturating_partitions(seed: u64, count: usize, records_each: usize, config: &Config) -> Vec<Partition> {
    files(seed, count, records_each, config, Amounts::Saturating).iter().map(|file| file.join(&file.lines)).collect()
}

/// An order of reading for [`run`](crate::run): runs of one to some records of one partition after another. Sometimes
/// it stops before the end.
#[must_use]
pub fn order(seed: u64, partitions: &[Partition]) -> Vec<usize> {
    let mut rng = Rng::new(seed);
    let mut left: Vec<usize> = partitions.iter().map(|partition| lines(&partition.bytes).len()).collect();
    let run_max = *rng.pick(&[1, 3, 10, 100]);
    let mut order = Vec::new();
    while left.iter().any(|&count| count > 0) {
        let partition = rng.below(left.len());
        let run = left[partition].min(1 + rng.below(run_max));
        left[partition] -= run;
        order.extend(std::iter::repeat_n(partition, run));
    }
    if rng.one_in(4) {
        order.truncate(rng.below(order.len() + 1));
    }
    order
}

/// Everything a run of the oracle takes.
#[derive(Clone, Debug)]
pub struct Input {
    /// The configuration.
    pub config: Config,
    /// The files.
    pub partitions: Vec<Partition>,
    /// The order of reading.
    pub order: Vec<usize>,
}

/// Configurations; they do not shrink.
pub fn arb_config() -> impl Strategy<Value = Config> {
    any::<u64>().no_shrink().prop_map(config)
}

/// Files with a number of partitions and of records each within the given ranges. They shrink by leaving lines out.
pub fn arb_partitions(
    count: Range<usize>,
    records_each: Range<usize>,
    config: &Config,
) -> impl Strategy<Value = Vec<Partition>> + use<> {
    let config = config.clone();
    (any::<u64>().no_shrink(), count, records_each).prop_flat_map(move |(seed, count, records_each)| {
        let files = files(seed, count, records_each, &config, Amounts::Usual);
        let some_lines = |file: File| {
            let all = file.lines.len();
            subsequence(file.lines.clone(), 0..=all).prop_map(move |lines| file.join(&lines))
        };
        files.into_iter().map(some_lines).collect::<Vec<_>>()
    })
}

/// Configuration, files and an order of reading.
pub fn arb_input(count: Range<usize>, records_each: Range<usize>) -> impl Strategy<Value = Input> {
    let files = arb_config().prop_flat_map(move |config| {
        let partitions = arb_partitions(count.clone(), records_each.clone(), &config);
        partitions.prop_map(move |partitions| (config.clone(), partitions))
    });
    (files, any::<u64>().no_shrink()).prop_map(|((config, partitions), seed)| {
        let order = order(seed, &partitions);
        Input { config, partitions, order }
    })
}
