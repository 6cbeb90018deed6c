//! The state machines driven by hand: no thread, no ring, no file, any order.

use std::collections::BTreeMap;

use engine_model::{Batch, BatchHeader, Judgement, Outcome, PartitionId, Rejection, Watermark};
use engine_oracle::generate::Rng;
use engine_oracle::{Config, Partition, Value, canonical};
use engine_parse::{LINE_BYTES_MAX, Rules, Slab, parse};
use engine_window::{Arrival, Ledger, Merger, Progress, Shard, ShardClose};

/// What came out.
pub(crate) struct Got {
    /// Rows of every table, canonical.
    pub(crate) tables: BTreeMap<String, Vec<Vec<Value>>>,
    pub(crate) ledger: Ledger,
    /// Offset and outcome of each record of each partition.
    pub(crate) outcomes: Vec<Vec<(u64, Outcome)>>,
    pub(crate) windows: u64,
    pub(crate) saturated: bool,
}

struct Reading<'a> {
    bytes: &'a [u8],
    consumed: usize,
    progress: Option<Progress>,
}

/// A shard that may close windows later than it could: what it has not closed yet, it closes at the next chance.
struct LazyShard {
    shard: Shard,
    closed: Watermark,
}

struct Machine {
    config: Config,
    shards: Vec<LazyShard>,
    merger: Merger,
    rows: engine_window::GoldRows,
    ledger: Ledger,
    outcomes: Vec<Vec<(u64, Outcome)>>,
    rng: Rng,
}

/// Runs the state machines over `partitions`, read in `order` as the oracle reads them.
pub(crate) fn run(partitions: &[Partition], config: &Config, order: &[usize], shards: usize, seed: u64) -> Got {
    let semantics = &config.semantics;
    let merger = Merger::new(semantics);
    let mut machine = Machine {
        config: config.clone(),
        shards: (0..shards).map(|_| LazyShard { shard: Shard::new(semantics), closed: Watermark::NONE }).collect(),
        rows: merger.empty_rows(),
        merger,
        ledger: Ledger::default(),
        outcomes: vec![Vec::new(); partitions.len()],
        rng: Rng::new(seed),
    };
    let mut readings: Vec<Reading<'_>> = partitions
        .iter()
        .zip(0..)
        .map(|(partition, number)| Reading {
            bytes: &partition.bytes,
            consumed: if partition.bytes.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 },
            progress: Some(Progress::new(PartitionId(number), semantics)),
        })
        .collect();
    // A partition is finished with its last record, not at the next attempt to read it.
    for number in 0..readings.len() {
        machine.finish_if_read(&mut readings, number);
    }
    // Runs of one partition in the order are read in batches of any size.
    let mut steps = order.iter().copied().chain((0..partitions.len()).flat_map(|p| vec![p; 100_000])).peekable();
    while let Some(partition) = steps.next() {
        if readings.iter().all(|reading| reading.progress.is_none()) {
            break;
        }
        if readings[partition].progress.is_none() {
            continue;
        }
        let mut wanted = 1;
        let batch_max = 1 + machine.rng.below(20);
        while wanted < batch_max && steps.next_if_eq(&partition).is_some() {
            wanted += 1;
        }
        machine.read(&mut readings, partition, wanted);
    }
    machine.close(&readings, true);
    let tables = machine.merger.tables().iter().zip(&machine.rows);
    let mut tables: BTreeMap<_, _> = tables.map(|(table, rows)| (table.name.clone(), canonical(rows))).collect();
    tables.insert("dim_product".to_owned(), canonical(&machine.merger.dim_product()));
    tables.insert("dim_customer".to_owned(), canonical(&machine.merger.dim_customer()));
    Got {
        tables,
        ledger: machine.ledger,
        outcomes: machine.outcomes,
        windows: machine.merger.window_count(),
        saturated: machine.merger.is_saturated(),
    }
}

impl Machine {
    fn read(&mut self, readings: &mut [Reading<'_>], number: usize, records: usize) {
        let reading = &mut readings[number];
        let rest = &reading.bytes[reading.consumed..];
        let slab = Slab { bytes: rest, offset: reading.consumed as u64, oversized: None };
        let rules = Rules { currency: self.config.semantics.currency(), time_max: self.config.time_max };
        let mut batch = Batch::default();
        let partition = PartitionId(u32::try_from(number).unwrap());
        batch.reset(BatchHeader { partition, first_offset: slab.offset, ..BatchHeader::default() });
        reading.consumed += parse(slab, &rules, records, &mut batch);
        let mut quality = Vec::new();
        reading.progress.as_mut().expect("unfinished").judge(&mut batch, Arrival::REPLAY, &mut quality);
        for partial in quality {
            self.ledger.merge(&partial.ledger);
            self.merger.add_quality(partial);
        }
        let outcomes = self.shard_outcomes(&batch);
        self.outcomes[number].extend(outcomes);
        self.finish_if_read(readings, number);
        self.close(readings, false);
    }

    /// Routes and ingests; the outcomes of all records of the batch in order.
    fn shard_outcomes(&mut self, batch: &Batch) -> Vec<(u64, Outcome)> {
        let count = self.shards.len();
        let mut routed: Vec<Batch> = vec![Batch::default(); count];
        let mut outcomes = Vec::new();
        let mut rejected = batch.rejected.iter().peekable();
        for (index, event) in batch.events.iter().enumerate() {
            while let Some(line) = rejected.next_if(|line| line.events_before as usize <= index) {
                outcomes.push((line.offset, Outcome::Rejected(Rejection { at: None, ..line.rejection })));
            }
            let outcome = match event.judgement {
                Judgement::Late => {
                    let base = self.config.semantics.base();
                    Outcome::Late { by: event.watermark.get() - base.end(base.containing(event.time)) }
                }
                Judgement::InTime => {
                    let shard = engine::shard_of(&event.event_id(), count);
                    let routed = &mut routed[shard];
                    routed.push_from(batch, event);
                    self.shards[shard].shard.ingest(routed, &routed.events[routed.events.len() - 1])
                }
            };
            outcomes.push((event.offset, outcome));
        }
        outcomes
            .extend(rejected.map(|line| (line.offset, Outcome::Rejected(Rejection { at: None, ..line.rejection }))));
        outcomes
    }

    fn finish_if_read(&mut self, readings: &mut [Reading<'_>], number: usize) {
        let reading = &mut readings[number];
        // What is left may be nothing but blank lines.
        let rest = Slab { bytes: &reading.bytes[reading.consumed..], offset: 0, oversized: None };
        let rules = Rules { currency: self.config.semantics.currency(), time_max: self.config.time_max };
        let mut probe = Batch::default();
        parse(rest, &rules, 1, &mut probe);
        if probe.record_count() > 0 {
            return;
        }
        let Some(progress) = reading.progress.take() else { return };
        match progress.finish() {
            Ok(partial) => {
                self.ledger.merge(&partial.ledger);
                self.merger.add_quality(partial);
            }
            Err(ledger) => self.ledger.merge(&ledger),
        }
    }

    /// Closes windows in some shards, and behind the slowest of them in the merge.
    fn close(&mut self, readings: &[Reading<'_>], all: bool) {
        let unfinished = readings.iter().filter_map(|reading| reading.progress.as_ref());
        let global = unfinished.map(Progress::watermark).min().unwrap_or(Watermark::END);
        for lazy in &mut self.shards {
            if !all && self.rng.one_in(3) {
                continue;
            }
            lazy.closed = global;
            let ShardClose { windows, quality } = lazy.shard.close(global);
            for partial in windows {
                self.merger.add_window(partial);
            }
            for partial in quality {
                self.ledger.merge(&partial.ledger);
                self.merger.add_quality(partial);
            }
        }
        let slowest = self.shards.iter().map(|lazy| lazy.closed).min().unwrap_or(Watermark::END);
        while self.merger.close_next(slowest, &mut self.rows).is_some() {}
    }
}

// The generator's lines that are too large lie whole in the partition.
const _: () = assert!(LINE_BYTES_MAX == 65_536);
