//! The whole path from lines or structs to Gold rows, and the only place that calls the parser and the shard.
//!
//! Left out: reading from a device, the quarantine and writing rows.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::thread;

use engine_model::{Batch, BatchHeader, Cell, Currency, EventTime, LINE_BYTES_MAX, PartitionId, Semantics, Watermark};
use engine_parse::{Parser, Rules, Slab};
use engine_window::{Arrival, GoldRows, Ledger, Merger, Progress, QualityPartial, Shard, ShardClose};
use rtrb::{Consumer, Producer, RingBuffer};

use crate::corpus::BATCH_RECORDS;

/// Batches on their way between two threads at most.
const RING_BATCHES: usize = 64;

/// Bytes of the slabs that lines in memory are parsed in, like those a source reads.
const SLAB_BYTES: usize = 128 << 10;

/// What a run does differently.
#[derive(Clone, Copy, Debug)]
pub struct Switches {
    /// Records in a batch.
    pub batch_records: usize,
    /// Whether all rows are hashed: for checking, not for timing.
    pub fingerprint: bool,
}

impl Default for Switches {
    fn default() -> Switches {
        Switches { batch_records: BATCH_RECORDS, fingerprint: false }
    }
}

/// What a run found: the same for every way of running the same records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Run {
    /// What became of the records.
    pub ledger: Ledger,
    /// Base windows closed.
    pub windows: u64,
    /// Rows made.
    pub rows: u64,
    /// Sums over all rows of the whole-number and money columns of the base window's KPIs, in the schema's order.
    pub kpis: Vec<i64>,
    /// Hash of every cell of every row, where it was asked for.
    pub fingerprint: u64,
}

/// Takes the events of a judged batch in.
#[inline]
pub fn ingest(shard: &mut Shard, batch: &Batch) {
    shard.ingest_batch(batch, |_| {});
}

/// The rules of a bounded simulation.
#[must_use]
pub fn rules() -> Rules {
    Rules { currency: Currency::USD, time_max: EventTime::EVENT_MAX }
}

/// Calls `with` for each batch of `lines`, which end with a line end. The batch is the caller's to take or to leave.
///
/// # Panics
/// Where a line is longer than [`LINE_BYTES_MAX`].
pub fn for_each_batch(lines: &[u8], batch_records: usize, batch: &mut Batch, mut with: impl FnMut(&mut Batch)) {
    let rules = rules();
    let mut parser = Parser::new();
    let mut offset = 0;
    while offset < lines.len() {
        let most = &lines[offset..lines.len().min(offset + SLAB_BYTES + LINE_BYTES_MAX)];
        let slab = if most.len() <= SLAB_BYTES {
            most
        } else {
            let end = memchr::memchr(b'\n', &most[SLAB_BYTES..]).expect("no line is longer than the bound");
            &most[..=SLAB_BYTES + end]
        };
        let mut consumed = 0;
        while consumed < slab.len() {
            let first_offset = (offset + consumed) as u64;
            batch.reset(BatchHeader { first_offset, ..BatchHeader::default() });
            let rest = Slab { bytes: &slab[consumed..], offset: first_offset, oversized: None };
            consumed += parser.parse(rest, &rules, batch_records, batch);
            with(batch);
        }
        offset += slab.len();
    }
}

/// Merges what is closed and counts the rows, which are then dropped.
struct Closing {
    merger: Merger,
    rows: GoldRows,
    kpis_table: usize,
    switches: Switches,
    hasher: DefaultHasher,
    run: Run,
}

impl Closing {
    fn new(semantics: &Semantics, switches: Switches) -> Closing {
        let merger = Merger::new(semantics);
        let is_kpis = |table: &engine_model::gold::GoldTable| {
            table.schema.name == engine_model::gold::KPIS.name && table.grain == Some(0)
        };
        let kpis_table = merger.tables().iter().position(is_kpis).expect("the base window has KPIs");
        let rows = merger.empty_rows();
        Closing { merger, rows, kpis_table, switches, hasher: DefaultHasher::new(), run: Run::default() }
    }

    fn add_quality(&mut self, quality: impl IntoIterator<Item = QualityPartial>) {
        for partial in quality {
            self.run.ledger.merge(&partial.ledger);
            self.merger.add_quality(partial);
        }
    }

    fn add(&mut self, close: ShardClose) {
        for partial in close.windows {
            self.merger.add_window(partial);
        }
        self.add_quality(close.quality);
    }

    fn close(&mut self, watermark: Watermark) {
        while self.merger.close_next(watermark, &mut self.rows).is_some() {
            let kpis = &self.rows[self.kpis_table];
            self.run.kpis.resize(kpis.schema().columns().count(), 0);
            for row in 0..kpis.len() {
                for (column, sum) in self.run.kpis.iter_mut().enumerate() {
                    if let Cell::Int64(number) = kpis.cell(row, column) {
                        *sum += number;
                    } else if let Cell::Money(cents) = kpis.cell(row, column) {
                        *sum += cents.get();
                    }
                }
            }
            for rows in &mut self.rows {
                self.run.rows += rows.len() as u64;
                if self.switches.fingerprint {
                    for row in 0..rows.len() {
                        for column in 0..rows.schema().columns().count() {
                            format!("{:?}", rows.cell(row, column)).hash(&mut self.hasher);
                        }
                    }
                }
                rows.clear();
            }
        }
    }

    fn end(mut self) -> Run {
        self.run.windows = self.merger.window_count();
        self.run.fingerprint = if self.switches.fingerprint { self.hasher.finish() } else { 0 };
        self.run
    }
}

/// One thread's work behind the parser: judges, takes in, closes.
struct Fused {
    progress: Progress,
    shard: Shard,
    observed: Vec<QualityPartial>,
    closing: Closing,
    turn: WindowTurn,
}

/// Says when a watermark has passed a window's end that none before it had.
struct WindowTurn {
    semantics: Semantics,
    next: EventTime,
}

impl WindowTurn {
    fn passes(&mut self, watermark: Watermark) -> bool {
        if watermark.get() < self.next {
            return false;
        }
        let base = self.semantics.base();
        self.next = base.end(base.containing(watermark.get()));
        true
    }
}

impl Fused {
    fn new(semantics: &Semantics, switches: Switches) -> Fused {
        Fused {
            progress: Progress::new(PartitionId(0), semantics),
            shard: Shard::new(semantics),
            observed: Vec::new(),
            closing: Closing::new(semantics, switches),
            turn: WindowTurn { semantics: semantics.clone(), next: EventTime::EPOCH },
        }
    }

    fn take(&mut self, batch: &mut Batch) {
        self.progress.judge(batch, Arrival::REPLAY, &mut self.observed);
        ingest(&mut self.shard, batch);
        let watermark = self.progress.watermark();
        if self.turn.passes(watermark) {
            self.closing.add_quality(self.observed.drain(..));
            self.closing.add(self.shard.close(watermark));
            self.closing.close(watermark);
        }
    }

    fn end(mut self) -> Run {
        self.closing.add_quality(self.observed);
        match self.progress.finish() {
            Ok(quality) => self.closing.add_quality([quality]),
            Err(ledger) => self.closing.run.ledger.merge(&ledger),
        }
        self.closing.add(self.shard.close(Watermark::END));
        self.closing.close(Watermark::END);
        self.closing.end()
    }
}

/// JSON Lines in memory to Gold rows on the calling thread.
#[must_use]
pub fn run_json(lines: &[u8], semantics: &Semantics, switches: Switches) -> Run {
    let mut fused = Fused::new(semantics, switches);
    for_each_batch(lines, switches.batch_records, &mut Batch::default(), |batch| fused.take(batch));
    fused.end()
}

/// Structs in memory to Gold rows on the calling thread. Judges the batches in place, so they can be run again.
pub fn run_structs(batches: &mut [Batch], semantics: &Semantics, switches: Switches) -> Run {
    let mut fused = Fused::new(semantics, switches);
    for batch in batches {
        fused.take(batch);
    }
    fused.end()
}

enum ToShard {
    Events(Batch),
    Watermark(Watermark),
}

enum Report {
    Quality(Vec<QualityPartial>),
    Unattributed(Ledger),
    Closed(Watermark, ShardClose),
}

/// JSON Lines in memory to Gold rows: parsing on one pinned thread, the shard on another, merging on the calling one.
///
/// # Panics
/// Where one of the threads panics.
#[must_use]
pub fn run_json_two_cores(lines: &[u8], semantics: &Semantics, switches: Switches) -> Run {
    let (to_shard, from_reader) = RingBuffer::new(RING_BATCHES);
    let (give_back, emptied) = RingBuffer::new(RING_BATCHES);
    let (reader_reports, from_source) = RingBuffer::new(RING_BATCHES);
    let (shard_reports, from_shard) = RingBuffer::new(RING_BATCHES);
    let cores = core_affinity::get_core_ids().unwrap_or_default();
    let core = |place: usize| if cores.len() < 2 { None } else { cores.get(cores.len() - 1 - place).copied() };
    let (first, second) = (core(0), core(1));
    thread::scope(|scope| {
        scope.spawn(move || {
            first.map(core_affinity::set_for_current);
            read(lines, semantics, switches, to_shard, emptied, reader_reports);
        });
        scope.spawn(move || {
            second.map(core_affinity::set_for_current);
            run_shard(semantics, from_reader, give_back, shard_reports);
        });
        merge(semantics, switches, from_source, from_shard)
    })
}

fn read(
    lines: &[u8],
    semantics: &Semantics,
    switches: Switches,
    mut to_shard: Producer<ToShard>,
    mut emptied: Consumer<Batch>,
    mut reports: Producer<Report>,
) {
    let mut progress = Progress::new(PartitionId(0), semantics);
    let mut turn = WindowTurn { semantics: semantics.clone(), next: EventTime::EPOCH };
    let mut observed = Vec::new();
    for_each_batch(lines, switches.batch_records, &mut Batch::default(), |batch| {
        progress.judge(batch, Arrival::REPLAY, &mut observed);
        let empty = emptied.pop().unwrap_or_default();
        send(&mut to_shard, ToShard::Events(std::mem::replace(batch, empty)));
        let watermark = progress.watermark();
        if turn.passes(watermark) {
            // Ahead of the watermark, so that the merger has it when the shard closes.
            send(&mut reports, Report::Quality(std::mem::take(&mut observed)));
            send(&mut to_shard, ToShard::Watermark(watermark));
        }
    });
    match progress.finish() {
        Ok(quality) => observed.push(quality),
        Err(ledger) => send(&mut reports, Report::Unattributed(ledger)),
    }
    send(&mut reports, Report::Quality(observed));
    send(&mut to_shard, ToShard::Watermark(Watermark::END));
}

fn run_shard(
    semantics: &Semantics,
    mut rx: Consumer<ToShard>,
    mut give_back: Producer<Batch>,
    mut reports: Producer<Report>,
) {
    let mut shard = Shard::new(semantics);
    while let Some(message) = receive(&mut rx) {
        match message {
            ToShard::Events(batch) => {
                ingest(&mut shard, &batch);
                // Where the way back is full, enough batches are under way and this one is freed.
                let _ = give_back.push(batch);
            }
            ToShard::Watermark(watermark) => send(&mut reports, Report::Closed(watermark, shard.close(watermark))),
        }
    }
}

fn merge(semantics: &Semantics, switches: Switches, mut source: Consumer<Report>, mut shard: Consumer<Report>) -> Run {
    let mut closing = Closing::new(semantics, switches);
    while let Some(report) = receive_resting(&mut shard) {
        let Report::Closed(watermark, close) = report else { unreachable!("a shard only closes") };
        // What the source sent before this watermark is here by now, and maybe more, which stays open.
        while let Ok(report) = source.pop() {
            match report {
                Report::Quality(quality) => closing.add_quality(quality),
                Report::Unattributed(ledger) => closing.run.ledger.merge(&ledger),
                Report::Closed(..) => unreachable!("a source closes nothing"),
            }
        }
        closing.add(close);
        closing.close(watermark);
    }
    closing.end()
}

fn send<T>(ring: &mut Producer<T>, message: T) {
    let mut message = message;
    let mut rounds = 0;
    while let Err(rtrb::PushError::Full(back)) = ring.push(message) {
        assert!(!ring.is_abandoned(), "the other end of the ring is gone");
        message = back;
        wait(&mut rounds);
    }
}

/// The next message; `None` when the other end is gone and all is taken.
fn receive<T>(ring: &mut Consumer<T>) -> Option<T> {
    let mut rounds = 0;
    loop {
        if let Ok(message) = ring.pop() {
            return Some(message);
        }
        if ring.is_abandoned() {
            return ring.pop().ok();
        }
        wait(&mut rounds);
    }
}

/// The same for a thread without a core of its own, which would take time from the others.
fn receive_resting<T>(ring: &mut Consumer<T>) -> Option<T> {
    loop {
        if let Ok(message) = ring.pop() {
            return Some(message);
        }
        if ring.is_abandoned() {
            return ring.pop().ok();
        }
        thread::sleep(std::time::Duration::from_micros(100));
    }
}

fn wait(rounds: &mut u32) {
    *rounds += 1;
    if *rounds < 200 { std::hint::spin_loop() } else { thread::yield_now() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus;

    #[test]
    fn every_way_gives_the_same_rows() {
        let semantics = Semantics::default();
        let config = sim::Config { rate: 500.0, ..corpus::speed_config(100_000) };
        let lines = corpus::lines(&config).unwrap();
        let switches = Switches { fingerprint: true, ..Switches::default() };
        let fused = run_json(&lines, &semantics, switches);
        assert!(fused.windows > 2 && fused.ledger.adds_up() && fused.ledger.records == 100_000);
        assert_eq!(fused, run_json_two_cores(&lines, &semantics, switches));
        assert_eq!(fused, run_json(&lines, &semantics, Switches { batch_records: 7, ..switches }));
        let mut batches = corpus::structs(&config, BATCH_RECORDS).unwrap();
        assert_eq!(fused, run_structs(&mut batches, &semantics, switches));
    }
}
