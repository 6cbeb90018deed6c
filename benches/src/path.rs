//! The whole path from lines or structs to Gold rows, and the only place that calls the parser and the shard.
//!
//! Left out: the quarantine and writing rows; the engine's own run has both.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::thread;

use engine_model::{
    Batch, BatchHeader, Cell, Currency, EventTime, Judgement, LINE_BYTES_MAX, PartitionId, Semantics, Text, Watermark,
};
use engine_parse::{Parser, Rules, Slab};
use engine_source::PartitionReader;
use engine_window::{Arrival, GoldRows, Ledger, Merger, Progress, QualityPartial, Shard, ShardClose};
use rtrb::{Consumer, Producer, RingBuffer};

use crate::corpus::BATCH_RECORDS;

/// Batches on their way to an only shard at most, as in the engine: few enough to stay in the caches.
const PIPE_BATCHES: usize = 8;

/// Batches on their way to one shard of several at most, as in the engine.
const ROUTE_BATCHES: usize = 32;

/// Messages to the merging thread at most, as in the engine.
const REPORTS: usize = 16;

/// Bytes of the slabs that lines in memory are parsed in, like those a source reads.
const SLAB_BYTES: usize = 128 << 10;

/// Records by class. A figure of one class is never compared with one of another.
#[derive(Debug)]
pub enum Input<'a> {
    /// Events as the parser makes them. Judged in place, so they can be run again.
    Structs(&'a mut [Batch]),
    /// JSON Lines in memory, each with its line end.
    Lines(&'a [u8]),
    /// A file of JSON Lines, read by the engine's file source.
    File(&'a Path),
}

/// How the work is spread.
#[derive(Clone, Copy, Debug)]
pub enum Threads {
    /// All of it on the calling thread.
    Fused,
    /// Parsing on one thread, the shard on another, merging on the calling one. Batches go over whole.
    Piped,
    /// The same with several shards, each on a thread of its own. Events are copied into batches for their shards.
    Routed {
        /// Number of shards.
        shards: usize,
        /// Which of so many shards gets an identifier.
        shard_of: fn(&Text, usize) -> usize,
    },
}

/// How lines are parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsing {
    /// As the engine does.
    Shapes,
    /// By shapes, but without vectors: 8 bytes at a time.
    Portable,
    /// Every line goes the general way.
    General,
}

impl Parsing {
    /// A parser of this kind that has seen nothing yet.
    #[must_use]
    pub fn parser(self) -> Parser {
        match self {
            Parsing::Shapes => Parser::new(),
            Parsing::Portable => Parser::portable(),
            Parsing::General => Parser::general_only(),
        }
    }
}

/// What a run does differently.
#[derive(Clone, Copy, Debug)]
pub struct Switches {
    /// Records in a batch.
    pub batch_records: usize,
    /// How the work is spread.
    pub threads: Threads,
    /// How lines are parsed.
    pub parsing: Parsing,
    /// Whether a shard fetches what the events of a batch need before it takes them in.
    pub looks_ahead: bool,
    /// Whether the tables of a new window have the room that the last one needed.
    pub makes_room: bool,
    /// Whether all rows are hashed: for checking, not for timing.
    pub fingerprint: bool,
}

impl Default for Switches {
    fn default() -> Switches {
        Switches {
            batch_records: BATCH_RECORDS,
            threads: Threads::Fused,
            parsing: Parsing::Shapes,
            looks_ahead: true,
            makes_room: true,
            fingerprint: false,
        }
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

/// The same, one event after another.
fn ingest_one_by_one(shard: &mut Shard, batch: &Batch) {
    for event in batch.events.iter().filter(|event| event.judgement == Judgement::InTime) {
        shard.ingest(batch, event);
    }
}

impl Switches {
    fn shard(&self, semantics: &Semantics) -> Shard {
        if self.makes_room { Shard::new(semantics) } else { Shard::without_room(semantics) }
    }

    #[inline]
    fn ingest(&self, shard: &mut Shard, batch: &Batch) {
        if self.looks_ahead {
            ingest(shard, batch);
        } else {
            ingest_one_by_one(shard, batch);
        }
    }
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
pub fn for_each_batch(
    parser: &mut Parser,
    lines: &[u8],
    batch_records: usize,
    batch: &mut Batch,
    mut with: impl FnMut(&mut Batch),
) {
    let mut offset = 0;
    while offset < lines.len() {
        let most = &lines[offset..lines.len().min(offset + SLAB_BYTES + LINE_BYTES_MAX)];
        let bytes = if most.len() <= SLAB_BYTES {
            most
        } else {
            let end = memchr::memchr(b'\n', &most[SLAB_BYTES..]).expect("no line is longer than the bound");
            &most[..=SLAB_BYTES + end]
        };
        let slab = Slab { bytes, offset: offset as u64, oversized: None };
        parse_slab(parser, slab, batch_records, batch, &mut with);
        offset += bytes.len();
    }
}

fn parse_slab(
    parser: &mut Parser,
    slab: Slab<'_>,
    batch_records: usize,
    batch: &mut Batch,
    mut with: impl FnMut(&mut Batch),
) {
    let rules = rules();
    let mut consumed = 0;
    while consumed < slab.bytes.len() {
        let first_offset = slab.offset + consumed as u64;
        batch.reset(BatchHeader { first_offset, ..BatchHeader::default() });
        let rest = Slab { bytes: &slab.bytes[consumed..], offset: first_offset, oversized: slab.oversized };
        consumed += parser.parse(rest, &rules, batch_records, batch);
        with(batch);
    }
}

/// Calls `with` for each batch of the file at `path`, read as the engine reads it.
fn for_each_batch_of_file(
    parser: &mut Parser,
    path: &Path,
    batch_records: usize,
    batch: &mut Batch,
    mut with: impl FnMut(&mut Batch),
) {
    let name = path.to_str().expect("a path in UTF-8").to_owned();
    for input in engine_source::resolve(&[name]).expect("a file that can be read") {
        let mut reader = PartitionReader::new(input);
        while let Some(slab) = reader.next_slab().expect("a file that can be read") {
            let slab = Slab { bytes: slab.bytes, offset: slab.offset, oversized: slab.oversized };
            parse_slab(parser, slab, batch_records, batch, &mut with);
        }
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
    switches: Switches,
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
            switches,
            progress: Progress::new(PartitionId(0), semantics),
            shard: switches.shard(semantics),
            observed: Vec::new(),
            closing: Closing::new(semantics, switches),
            turn: WindowTurn { semantics: semantics.clone(), next: EventTime::EPOCH },
        }
    }

    fn take(&mut self, batch: &mut Batch) {
        self.progress.judge(batch, Arrival::REPLAY, &mut self.observed);
        self.switches.ingest(&mut self.shard, batch);
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

/// Records to Gold rows.
///
/// # Panics
/// Where a file cannot be read, or one of the threads panics.
#[must_use]
pub fn run(input: Input<'_>, semantics: &Semantics, switches: Switches) -> Run {
    match switches.threads {
        Threads::Fused => run_fused(input, semantics, switches),
        Threads::Piped => run_threads(input, semantics, switches, 1, PIPE_BATCHES),
        Threads::Routed { shards, .. } => run_threads(input, semantics, switches, shards, ROUTE_BATCHES),
    }
}

fn run_fused(input: Input<'_>, semantics: &Semantics, switches: Switches) -> Run {
    let mut fused = Fused::new(semantics, switches);
    let (parser, batch, records) = (&mut switches.parsing.parser(), &mut Batch::default(), switches.batch_records);
    match input {
        Input::Structs(batches) => batches.iter_mut().for_each(|batch| fused.take(batch)),
        Input::Lines(lines) => for_each_batch(parser, lines, records, batch, |batch| fused.take(batch)),
        Input::File(path) => for_each_batch_of_file(parser, path, records, batch, |batch| fused.take(batch)),
    }
    fused.end()
}

fn run_threads(input: Input<'_>, semantics: &Semantics, switches: Switches, shards: usize, ring_len: usize) -> Run {
    let cores = core_affinity::get_core_ids().unwrap_or_default();
    // Where there are fewer cores than threads, the system is to share them out.
    let core = |place: usize| if cores.len() <= shards { None } else { cores.get(cores.len() - 1 - place).copied() };
    let first = core(0);
    let (reader_reports, from_source) = RingBuffer::new(REPORTS);
    let (mut links, mut ends, mut from_shards) = (Vec::new(), Vec::new(), Vec::new());
    for shard in 0..shards {
        let (tx, rx) = RingBuffer::new(ring_len);
        let (give_back, empty) = RingBuffer::new(ring_len);
        let (reports, from_shard) = RingBuffer::new(REPORTS);
        links.push(Link { tx, empty, filling: Batch::default() });
        ends.push((core(1 + shard), rx, give_back, reports));
        from_shards.push(from_shard);
    }
    thread::scope(|scope| {
        for (core, rx, give_back, reports) in ends {
            scope.spawn(move || {
                core.map(core_affinity::set_for_current);
                run_shard(semantics, switches, rx, give_back, reports);
            });
        }
        scope.spawn(move || {
            first.map(core_affinity::set_for_current);
            Reader::new(semantics, switches, links, reader_reports).read(input);
        });
        merge(semantics, switches, from_source, from_shards)
    })
}

enum ToShard<'a> {
    Events(Batch),
    /// For structs, which stay where they are.
    Lent(&'a Batch),
    Watermark(Watermark),
}

enum Report {
    Quality(Vec<QualityPartial>),
    Unattributed(Ledger),
    Closed(Watermark, ShardClose),
}

/// The way to one shard.
struct Link<'a> {
    tx: Producer<ToShard<'a>>,
    empty: Consumer<Batch>,
    filling: Batch,
}

impl Link<'_> {
    fn flush(&mut self) {
        if !self.filling.events.is_empty() {
            let mut next = self.empty.pop().unwrap_or_default();
            next.reset(self.filling.header);
            send(&mut self.tx, ToShard::Events(std::mem::replace(&mut self.filling, next)));
        }
    }
}

/// The thread that parses, judges and routes.
struct Reader<'a> {
    switches: Switches,
    progress: Progress,
    turn: WindowTurn,
    observed: Vec<QualityPartial>,
    links: Vec<Link<'a>>,
    reports: Producer<Report>,
}

impl<'a> Reader<'a> {
    fn new(semantics: &Semantics, switches: Switches, links: Vec<Link<'a>>, reports: Producer<Report>) -> Reader<'a> {
        let turn = WindowTurn { semantics: semantics.clone(), next: EventTime::EPOCH };
        let progress = Progress::new(PartitionId(0), semantics);
        Reader { switches, progress, turn, observed: Vec::new(), links, reports }
    }

    fn read(mut self, input: Input<'a>) {
        let Switches { parsing, batch_records, .. } = self.switches;
        let (parser, batch) = (&mut parsing.parser(), &mut Batch::default());
        match input {
            Input::Structs(batches) => batches.iter_mut().for_each(|batch| self.take_lent(batch)),
            Input::Lines(lines) => for_each_batch(parser, lines, batch_records, batch, |batch| self.take(batch)),
            Input::File(path) => for_each_batch_of_file(parser, path, batch_records, batch, |batch| self.take(batch)),
        }
        self.end();
    }

    fn take(&mut self, batch: &mut Batch) {
        self.progress.judge(batch, Arrival::REPLAY, &mut self.observed);
        match self.switches.threads {
            Threads::Routed { shard_of, .. } => self.route(batch, shard_of),
            Threads::Fused | Threads::Piped => {
                let link = &mut self.links[0];
                let empty = link.empty.pop().unwrap_or_default();
                send(&mut link.tx, ToShard::Events(std::mem::replace(batch, empty)));
            }
        }
        self.advance();
    }

    fn take_lent(&mut self, batch: &'a mut Batch) {
        self.progress.judge(batch, Arrival::REPLAY, &mut self.observed);
        match self.switches.threads {
            Threads::Routed { shard_of, .. } => self.route(batch, shard_of),
            Threads::Fused | Threads::Piped => send(&mut self.links[0].tx, ToShard::Lent(batch)),
        }
        self.advance();
    }

    fn route(&mut self, batch: &Batch, shard_of: fn(&Text, usize) -> usize) {
        let shards = self.links.len();
        for event in batch.events.iter().filter(|event| event.judgement == Judgement::InTime) {
            let link = &mut self.links[shard_of(&event.event_id(), shards)];
            link.filling.push_from(batch, event);
            if link.filling.events.len() >= self.switches.batch_records {
                link.flush();
            }
        }
    }

    fn advance(&mut self) {
        let watermark = self.progress.watermark();
        if self.turn.passes(watermark) {
            // Ahead of the watermark, so that the merger has it when the shards close.
            send(&mut self.reports, Report::Quality(std::mem::take(&mut self.observed)));
            self.send_watermark(watermark);
        }
    }

    fn send_watermark(&mut self, watermark: Watermark) {
        for link in &mut self.links {
            link.flush();
            send(&mut link.tx, ToShard::Watermark(watermark));
        }
    }

    fn end(mut self) {
        let progress = std::mem::replace(&mut self.progress, Progress::new(PartitionId(0), &self.turn.semantics));
        match progress.finish() {
            Ok(quality) => self.observed.push(quality),
            Err(ledger) => send(&mut self.reports, Report::Unattributed(ledger)),
        }
        let observed = std::mem::take(&mut self.observed);
        send(&mut self.reports, Report::Quality(observed));
        self.send_watermark(Watermark::END);
    }
}

fn run_shard(
    semantics: &Semantics,
    switches: Switches,
    mut rx: Consumer<ToShard<'_>>,
    mut give_back: Producer<Batch>,
    mut reports: Producer<Report>,
) {
    let mut shard = switches.shard(semantics);
    while let Some(message) = receive(&mut rx) {
        match message {
            ToShard::Events(batch) => {
                switches.ingest(&mut shard, &batch);
                // Where the way back is full, enough batches are under way and this one is freed.
                let _ = give_back.push(batch);
            }
            ToShard::Lent(batch) => switches.ingest(&mut shard, batch),
            ToShard::Watermark(watermark) => send(&mut reports, Report::Closed(watermark, shard.close(watermark))),
        }
    }
}

fn merge(
    semantics: &Semantics,
    switches: Switches,
    mut source: Consumer<Report>,
    mut shards: Vec<Consumer<Report>>,
) -> Run {
    let mut closing = Closing::new(semantics, switches);
    // All shards get the same watermarks in the same order.
    loop {
        let closes: Vec<_> = shards.iter_mut().filter_map(receive_resting).collect();
        // What the source sent before this watermark is here by now, and maybe more, which stays open.
        while let Ok(report) = source.pop() {
            match report {
                Report::Quality(quality) => closing.add_quality(quality),
                Report::Unattributed(ledger) => closing.run.ledger.merge(&ledger),
                Report::Closed(..) => unreachable!("a source closes nothing"),
            }
        }
        let mut passed = None;
        for report in closes {
            let Report::Closed(watermark, close) = report else { unreachable!("a shard only closes") };
            assert_eq!(*passed.get_or_insert(watermark), watermark, "shards at different watermarks");
            closing.add(close);
        }
        match passed {
            Some(watermark) => closing.close(watermark),
            None => return closing.end(),
        }
    }
}

pub(crate) fn send<T>(ring: &mut Producer<T>, message: T) {
    let mut message = message;
    let mut rounds = 0;
    while let Err(rtrb::PushError::Full(back)) = ring.push(message) {
        assert!(!ring.is_abandoned(), "the other end of the ring is gone");
        message = back;
        wait(&mut rounds);
    }
}

/// The next message; `None` when the other end is gone and all is taken.
pub(crate) fn receive<T>(ring: &mut Consumer<T>) -> Option<T> {
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
    use engine::shard_of;

    #[test]
    fn every_way_gives_the_same_rows() {
        let semantics = Semantics::default();
        let config = sim::Config { rate: 500.0, ..corpus::speed_config(100_000) };
        let lines = corpus::lines(&config).unwrap();
        let mut batches = corpus::structs(&config, BATCH_RECORDS).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lines.jsonl");
        std::fs::write(&path, &lines).unwrap();
        let switches = Switches { fingerprint: true, ..Switches::default() };
        let fused = run(Input::Lines(&lines), &semantics, switches);
        assert!(fused.windows > 2 && fused.ledger.adds_up() && fused.ledger.records == 100_000);
        for (name, switches) in [
            ("as the engine", switches),
            ("small batches", Switches { batch_records: 7, ..switches }),
            ("no look ahead", Switches { looks_ahead: false, ..switches }),
            ("no room made", Switches { makes_room: false, ..switches }),
            ("no vectors", Switches { parsing: Parsing::Portable, ..switches }),
            ("general way", Switches { parsing: Parsing::General, ..switches }),
            ("two threads", Switches { threads: Threads::Piped, ..switches }),
            ("one routed shard", Switches { threads: Threads::Routed { shards: 1, shard_of }, ..switches }),
            ("three shards", Switches { threads: Threads::Routed { shards: 3, shard_of }, ..switches }),
        ] {
            assert_eq!(fused, run(Input::Lines(&lines), &semantics, switches), "{name}, lines");
            assert_eq!(fused, run(Input::Structs(&mut batches), &semantics, switches), "{name}, structs");
            assert_eq!(fused, run(Input::File(&path), &semantics, switches), "{name}, file");
        }
    }
}
