//! A source thread: reads partitions, parses, judges and routes.

mod feed;

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use engine_lake::{Layer, Layers};
use engine_model::{
    Batch, BatchHeader, Cell, Currency, EventTime, Grain, Judgement, Micros, PartitionId, Reason, Rows, Watermark, gold,
};
use engine_parse::{Parser, Rules};
use engine_source::{PartitionReader, ReadError};
use engine_window::{Arrival, Ledger, Progress, QualityPartial};
use rtrb::Producer;
use sim::{Simulator, Truth};

pub use feed::{CommitterGone, Feed};

use crate::bronze::LineKeeper;
use crate::idleness::Idleness;
use crate::message::{Gone, Report, send};
use crate::partitions::{Origin, Partitions, SourceError, rest_of};
use crate::route::{ShardLink, shard_of};
use crate::shard::{ShardWork, send_rows};
use crate::snapshot::Listener;
use crate::status::Status;

/// How many batches a lane of the simulator gives before the others get their turn.
const LANE_BATCHES: usize = 8;

/// How long a live source rests when it has caught up with the clock.
const LIVE_PAUSE: Duration = Duration::from_millis(2);

/// How many records are parsed at a time: enough to make the work around a batch small, few enough that its events
/// stay in the second-level cache.
const BATCH_RECORDS_MAX: u16 = 512;

/// What the `source` and `partition` columns say of each partition.
#[derive(Debug)]
pub(crate) struct SourceNames(pub(crate) Vec<(String, i32)>);

impl SourceNames {
    /// Source, partition and offset of a record.
    pub(crate) fn cells(&self, partition: PartitionId, offset: u64) -> [Cell<'_>; 3] {
        let (source, number) = &self.0[partition.0 as usize];
        let offset = i64::try_from(offset).expect("an offset fits 63 bits");
        [Cell::Text(source), Cell::Int32(*number), Cell::Int64(offset)]
    }
}

/// Where judged events go.
#[derive(Debug)]
pub(crate) enum Downstream {
    /// One shard, on this thread, and its ear for who watches.
    Fused(Box<ShardWork>, Listener),
    /// One shard on a thread of its own, which gets every batch whole.
    Piped(ShardLink),
    /// Several, each on a thread of its own.
    Routed(Vec<ShardLink>),
}

impl Downstream {
    /// The ways to the shards that have threads of their own.
    fn links(&mut self) -> &mut [ShardLink] {
        match self {
            Downstream::Fused(..) => &mut [],
            Downstream::Piped(link) => std::slice::from_mut(link),
            Downstream::Routed(links) => links,
        }
    }
}

/// How reading ended.
#[derive(Debug)]
pub(crate) enum SourceEnd {
    /// Everything was read.
    Finished,
    /// It was told to stop.
    Stopped,
    /// A partition could not be read on.
    Failed(SourceError),
}

/// What a source thread needs to know.
#[derive(Clone, Debug)]
pub(crate) struct SourceConfig {
    pub(crate) currency: Currency,
    pub(crate) max_future: Micros,
    /// Records a second, over all partitions.
    pub(crate) pace: Option<f64>,
    /// What is written: it decides what is kept of the records.
    pub(crate) layers: Layers,
    /// Set where records come as they happen.
    pub(crate) live: Option<Live>,
}

impl SourceConfig {
    /// What a record has to keep to, at this moment.
    pub(crate) fn rules(&self) -> Rules {
        rules_now(self.currency, self.max_future)
    }
}

/// What a record has to keep to at this moment, by the clock.
#[must_use]
pub fn rules_now(currency: Currency, max_future: Micros) -> Rules {
    Rules { currency, time_max: clock().saturating_add(max_future).min(EventTime::EVENT_MAX) }
}

/// The time by this machine's clock.
pub(crate) fn clock() -> EventTime {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    EventTime::from_micros(i64::try_from(now.as_micros()).unwrap_or(i64::MAX))
}

/// What a live source needs to know besides.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Live {
    pub(crate) idle_timeout: Micros,
}

/// Where the truth about simulated records goes.
#[derive(Debug)]
pub(crate) struct TruthFile {
    path: PathBuf,
    file: BufWriter<File>,
    line: Vec<u8>,
}

impl TruthFile {
    /// Opens the file, made where there is none; what it holds stays until [`TruthFile::clear`].
    pub(crate) fn open(path: &Path) -> Result<TruthFile, SourceError> {
        let file = File::options().write(true).create(true).truncate(false).open(path);
        let file = file.map_err(|cause| SourceError::Truth { path: path.to_owned(), cause })?;
        Ok(TruthFile { path: path.to_owned(), file: BufWriter::new(file), line: Vec::new() })
    }

    /// Drops what an earlier run has left in it; a pipe has nothing to drop.
    pub(crate) fn clear(&self) -> Result<(), SourceError> {
        let file = self.file.get_ref();
        let cleared = file.metadata().and_then(|data| if data.is_file() { file.set_len(0) } else { Ok(()) });
        cleared.map_err(|cause| SourceError::Truth { path: self.path.clone(), cause })
    }

    /// Appends a line for each record.
    pub(crate) fn write(&mut self, truths: &[Truth]) -> Result<(), SourceError> {
        self.line.clear();
        for truth in truths {
            truth.write_line(&mut self.line);
        }
        self.file.write_all(&self.line).map_err(|cause| SourceError::Truth { path: self.path.clone(), cause })
    }

    /// Writes what is buffered.
    pub(crate) fn finish(&mut self) -> Result<(), SourceError> {
        self.file.flush().map_err(|cause| SourceError::Truth { path: self.path.clone(), cause })
    }
}

/// A source thread's work.
#[derive(Debug)]
pub(crate) struct Source<'a> {
    config: SourceConfig,
    names: Arc<SourceNames>,
    downstream: Downstream,
    reports: Producer<Report>,
    status: &'a Status,
    stop: Arc<AtomicBool>,
    batch: Batch,
    parser: Parser,
    /// Lines of simulated records, where they are needed.
    slab: Vec<u8>,
    truth: Option<TruthFile>,
    /// Observed windows that have not been sent.
    quality: Vec<QualityPartial>,
    /// Counts of finished partitions without a valid record, which belong to no window.
    unattributed: Ledger,
    late: Rows,
    rejected: Rows,
    /// `None` where Bronze is left out.
    lines: Option<LineKeeper>,
    /// When the slab under way was read.
    received: EventTime,
    /// The watermark sent last.
    sent: Watermark,
    records: u64,
    late_count: u64,
    rejected_count: u64,
    rejected_by_reason: [u64; Reason::ALL.len()],
    delayed_count: u64,
    /// The greatest event time of all partitions; [`EventTime::MIN`] before the first.
    newest: EventTime,
    base: Grain,
    started: Instant,
}

impl<'a> Source<'a> {
    pub(crate) fn new(
        config: SourceConfig,
        base: Grain,
        names: Arc<SourceNames>,
        downstream: Downstream,
        reports: Producer<Report>,
        status: &'a Status,
        stop: Arc<AtomicBool>,
    ) -> Source<'a> {
        Source {
            names,
            downstream,
            reports,
            status,
            stop,
            batch: Batch::default(),
            parser: Parser::new(),
            slab: Vec::new(),
            truth: None,
            quality: Vec::new(),
            unattributed: Ledger::default(),
            late: Rows::new(&gold::LATE),
            rejected: Rows::new(&gold::REJECTED),
            lines: config.layers.contains(Layer::Bronze).then(|| LineKeeper::new(base)),
            received: EventTime::EPOCH,
            config,
            sent: Watermark::NONE,
            records: 0,
            late_count: 0,
            rejected_count: 0,
            rejected_by_reason: [0; Reason::ALL.len()],
            delayed_count: 0,
            newest: EventTime::MIN,
            base,
            started: Instant::now(),
        }
    }

    /// Reads all partitions to their ends, or until something stops it; then says so to everyone.
    pub(crate) fn run(mut self, mut partitions: Partitions) -> Result<SourceEnd, Gone> {
        let end = match self.config.live {
            None => self.run_to_end(&mut partitions),
            Some(live) => self.run_live(&mut partitions, live),
        };
        let end = match end {
            Ok(end) => end,
            Err(Interruption::Gone) => return Err(Gone),
            // What looks like a failure may be an input that was told to end in the middle.
            Err(Interruption::Failed(_)) if self.stop.load(Relaxed) => SourceEnd::Stopped,
            Err(Interruption::Failed(error)) => SourceEnd::Failed(error),
        };
        let end = match self.truth.as_mut().map(TruthFile::finish) {
            Some(Err(error)) => SourceEnd::Failed(error),
            _ => end,
        };
        self.end(&partitions)?;
        Ok(end)
    }

    fn run_to_end(&mut self, partitions: &mut Partitions) -> Result<SourceEnd, Interruption> {
        loop {
            if self.stop.load(Relaxed) {
                return Ok(SourceEnd::Stopped);
            }
            let limit = partitions.limit();
            let Some((place, partition)) = partitions.next() else { return Ok(SourceEnd::Finished) };
            let progress = &mut partition.progress;
            let is_finished = match &mut partition.origin {
                Origin::Lines(reader) => self.read_slab(reader, progress, limit)?,
                Origin::Lane(lane) => self.simulate(lane, progress, Arrival::REPLAY, EventTime::MAX, limit)?,
            };
            // An input that was told to stop looks as if it had ended. What came before still closes its windows.
            if is_finished && self.stop.load(Relaxed) {
                return Ok(SourceEnd::Stopped);
            }
            self.flush()?;
            if is_finished {
                self.finish_partition(partitions);
            } else {
                partitions.advanced();
            }
            let (watermark, holder) = partitions.watermark();
            self.publish(watermark, holder.unwrap_or(place));
            // Only a window's end makes a difference to anyone.
            if watermark == Watermark::END || self.base.ends_between(self.sent, watermark) {
                self.advance(watermark)?;
            }
            self.keep_pace();
        }
    }

    /// Lets the simulator's lanes live by the clock until something stops it.
    fn run_live(&mut self, partitions: &mut Partitions, live: Live) -> Result<SourceEnd, Interruption> {
        let mut idleness = Idleness::new(partitions.unfinished().count(), live.idle_timeout);
        let mut global = Watermark::NONE;
        while !self.stop.load(Relaxed) {
            let now = clock();
            let arrival = Arrival { emitted: global, received: Some(now) };
            for (place, partition) in partitions.all().enumerate() {
                let Origin::Lane(lane) = &mut partition.origin else { unreachable!("only the simulator is live") };
                let before = self.records;
                self.simulate(lane, &mut partition.progress, arrival, now, Watermark::END)?;
                idleness.heard(place, self.records > before, now);
            }
            self.flush()?;
            let watermarks = partitions.unfinished().map(|partition| partition.progress.watermark());
            let (watermark, holder) = idleness.global(watermarks, global, now);
            global = watermark;
            self.publish(global, holder);
            if self.base.ends_between(self.sent, global) {
                self.advance(global)?;
            }
            std::thread::sleep(LIVE_PAUSE);
        }
        Ok(SourceEnd::Stopped)
    }

    /// Reads up to a slab of a partition, less where it comes past `limit`. Returns whether the partition has ended.
    fn read_slab(
        &mut self,
        reader: &mut PartitionReader,
        progress: &mut Progress,
        limit: Watermark,
    ) -> Result<bool, Interruption> {
        let rules = self.config.rules();
        let Some(slab) = reader.next_slab()? else { return Ok(true) };
        if self.stop.load(Relaxed) {
            return Ok(false);
        }
        self.received = clock();
        let mut consumed = 0;
        while consumed < slab.bytes.len() && progress.watermark() <= limit {
            let rest = rest_of(slab, consumed);
            let (partition, first_offset) = (progress.partition(), rest.offset);
            self.batch.reset(BatchHeader { partition, first_offset, ..BatchHeader::default() });
            let parsed = self.parser.parse(rest, &rules, self.batch_records_max(), &mut self.batch);
            assert!(parsed > 0, "the parser went nowhere at offset {first_offset}");
            consumed += parsed;
            self.take_batch(progress, Arrival::REPLAY, rest.bytes)?;
            if self.config.pace.is_some() {
                // One batch at its time, so that windows close when theirs has come and not all with the slab.
                break;
            }
        }
        let left = slab.bytes.len() - consumed;
        reader.give_back(left);
        Ok(false)
    }

    /// Takes what a lane has until `now`, some batches at the most, less where it comes past `limit`. Returns whether
    /// the lane has ended.
    fn simulate(
        &mut self,
        lane: &mut Simulator,
        progress: &mut Progress,
        arrival: Arrival,
        now: EventTime,
        limit: Watermark,
    ) -> Result<bool, Interruption> {
        let mut slab = std::mem::take(&mut self.slab);
        for _ in 0..LANE_BATCHES {
            if progress.watermark() > limit || self.stop.load(Relaxed) {
                break;
            }
            self.batch.reset(lane.header(progress.partition()));
            slab.clear();
            self.received = clock();
            let max = self.batch_records_max();
            let count = match self.lines {
                Some(_) => lane.next_batch_with_lines(now, max, &mut self.batch, &mut slab),
                None => lane.next_batch_until(now, max, &mut self.batch, &mut slab),
            };
            if count == 0 {
                break;
            }
            if let Some(truth) = &mut self.truth {
                truth.write(&lane.take_truth())?;
            }
            self.take_batch(progress, arrival, &slab)?;
            self.keep_pace();
        }
        self.slab = slab;
        Ok(lane.is_finished())
    }

    /// Judges the batch that has just been filled, with its lines in `slab`, and sends everything on its way.
    fn take_batch(&mut self, progress: &mut Progress, arrival: Arrival, slab: &[u8]) -> Result<(), Gone> {
        let (windows_before, delayed_before) = (self.quality.len(), progress.pending().delayed);
        progress.judge(&mut self.batch, arrival, &mut self.quality);
        let handed_over: u64 = self.quality[windows_before..].iter().map(|quality| quality.ledger.delayed).sum();
        self.delayed_count += handed_over + progress.pending().delayed - delayed_before;
        self.newest = self.newest.max(progress.newest().unwrap_or(EventTime::MIN));
        self.quarantine(slab, arrival.emitted)?;
        if let Some(lines) = &mut self.lines {
            lines.keep(&self.batch, slab, &self.names, self.received);
            lines.send(&mut self.reports, false)?;
        }
        self.records += self.batch.record_count() as u64;
        self.deliver()
    }

    /// Sends routed events on their way, also where a batch is not full.
    fn flush(&mut self) -> Result<(), Gone> {
        if let Downstream::Fused(work, listener) = &mut self.downstream {
            // Where nothing comes, nobody else would answer.
            listener.answer(work, &mut self.reports);
        }
        self.downstream.links().iter_mut().try_for_each(ShardLink::flush)
    }

    fn batch_records_max(&self) -> usize {
        match self.config.pace {
            // Twenty batches a second at most, so that a slow pace is smooth.
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to a small range")]
            Some(pace) => (pace / 20.0).clamp(1.0, f64::from(BATCH_RECORDS_MAX)) as usize,
            None => usize::from(BATCH_RECORDS_MAX),
        }
    }

    fn keep_pace(&self) {
        let Some(pace) = self.config.pace else { return };
        #[expect(clippy::cast_precision_loss, reason = "a pace is approximate")]
        // A pace too slow for a `Duration` waits for ever.
        let due = Duration::try_from_secs_f64(self.records as f64 / pace).unwrap_or(Duration::MAX);
        while let Some(ahead) = due.checked_sub(self.started.elapsed())
            && !self.stop.load(Relaxed)
        {
            std::thread::sleep(ahead.min(Duration::from_millis(100)));
        }
    }

    /// Keeps the batch's rejected and late records, with their lines from `slab`.
    fn quarantine(&mut self, slab: &[u8], emitted: Watermark) -> Result<(), Gone> {
        let is_kept = self.config.layers.contains(Layer::Quarantine);
        let raw = |start: u32, len: u32| Cell::Bytes(&slab[start as usize..][..len as usize]);
        let partition = self.batch.header.partition;
        self.rejected_count += self.batch.rejected.len() as u64;
        for line in &self.batch.rejected {
            self.rejected_by_reason[line.rejection.reason.index()] += 1;
        }
        for line in self.batch.rejected.iter().filter(|_| is_kept) {
            let length = i64::try_from(line.length).expect("a line is shorter than 2^63 bytes");
            let [source, number, offset] = self.names.cells(partition, line.offset);
            self.rejected.push(&[
                raw(line.line.start, line.line.len),
                Cell::Int64(length),
                Cell::Text(line.rejection.reason.name()),
                line.rejection.field.map_or(Cell::Null, |field| Cell::Text(field.name())),
                source,
                number,
                offset,
            ]);
        }
        for event in self.batch.events.iter().filter(|event| event.judgement == Judgement::Late) {
            self.late_count += 1;
            if is_kept {
                let end = self.base.end(self.base.containing(event.time));
                let late_by = Cell::Double((event.watermark.max(emitted).get() - end).as_millis_f64());
                let [source, number, offset] = self.names.cells(partition, event.offset);
                let line = raw(event.line_start, event.line_len);
                self.late.push(&[line, Cell::Timestamp(event.time), late_by, source, number, offset]);
            }
        }
        send_rows(&mut self.rejected, &mut self.reports, false)?;
        send_rows(&mut self.late, &mut self.reports, false)
    }

    /// Sends the batch's events that are in time to their shards.
    fn deliver(&mut self) -> Result<(), Gone> {
        match &mut self.downstream {
            Downstream::Fused(work, listener) => {
                work.ingest(&self.batch);
                listener.answer(work, &mut self.reports);
                work.send_rows(&mut self.reports, false)
            }
            Downstream::Piped(link) => link.pass(&mut self.batch),
            Downstream::Routed(links) => {
                let shards = links.len();
                for event in self.batch.events.iter().filter(|event| event.judgement == Judgement::InTime) {
                    links[shard_of(&event.event_id(), shards)].push(&self.batch, event)?;
                }
                Ok(())
            }
        }
    }

    fn finish_partition(&mut self, partitions: &mut Partitions) {
        let partition = partitions.finish().expect("a partition was read to its end");
        match partition.progress.finish() {
            Ok(quality) => self.quality.push(quality),
            Err(ledger) => self.unattributed.merge(&ledger),
        }
    }

    /// Tells shards and committer that `watermark` is reached.
    fn advance(&mut self, watermark: Watermark) -> Result<(), Gone> {
        self.sent = watermark;
        if let Some(lines) = &mut self.lines {
            lines.send(&mut self.reports, true)?;
        }
        let quality = std::mem::take(&mut self.quality);
        match &mut self.downstream {
            Downstream::Fused(work, _) => {
                work.send_accepted(&mut self.reports)?;
                let Report::Closed { windows, quality: mut all, .. } = work.close(watermark) else {
                    unreachable!("closing gives what was closed");
                };
                all.extend(quality);
                self.status.open_windows.store(work.open_window_count(), Relaxed);
                send(&mut self.reports, Report::Closed { watermark, windows, quality: all })
            }
            Downstream::Piped(_) | Downstream::Routed(_) => {
                for link in self.downstream.links() {
                    link.advance(watermark)?;
                }
                send(&mut self.reports, Report::Closed { watermark, windows: Vec::new(), quality })
            }
        }
    }

    /// Keeps the truth about simulated records in `truth`.
    pub(crate) fn with_truth(mut self, truth: Option<TruthFile>) -> Source<'a> {
        self.truth = truth;
        self
    }

    /// Hands over what is left and says that this was all.
    fn end(mut self, partitions: &Partitions) -> Result<(), Gone> {
        send_rows(&mut self.rejected, &mut self.reports, true)?;
        send_rows(&mut self.late, &mut self.reports, true)?;
        if let Some(lines) = &mut self.lines {
            lines.send(&mut self.reports, true)?;
        }
        let mut ledger = self.unattributed;
        for partition in partitions.unfinished() {
            ledger.merge(partition.progress.pending());
        }
        for quality in &self.quality {
            ledger.merge(&quality.ledger);
        }
        let mut open_windows = Vec::new();
        match self.downstream {
            Downstream::Fused(mut work, _) => {
                work.send_rows(&mut self.reports, true)?;
                let Report::Ended { ledger: judged, open_windows: open } = work.end() else {
                    unreachable!("ending gives what is left");
                };
                ledger.merge(&judged);
                open_windows = open;
            }
            mut shards @ (Downstream::Piped(_) | Downstream::Routed(_)) => {
                shards.links().iter_mut().try_for_each(ShardLink::end)?;
            }
        }
        send(&mut self.reports, Report::Ended { ledger, open_windows })
    }

    fn publish(&mut self, watermark: Watermark, holder: usize) {
        let status = self.status;
        status.records.store(self.records, Relaxed);
        status.late.store(self.late_count, Relaxed);
        status.rejected.store(self.rejected_count, Relaxed);
        for (published, count) in status.rejected_by_reason.iter().zip(self.rejected_by_reason) {
            published.store(count, Relaxed);
        }
        status.delayed.store(self.delayed_count, Relaxed);
        status.newest.store(self.newest.as_micros(), Relaxed);
        status.watermark.store(watermark.get().as_micros(), Relaxed);
        status.holder.store(holder as u64, Relaxed);
    }
}

/// Why reading a slab ended early.
enum Interruption {
    Gone,
    Failed(SourceError),
}

impl From<ReadError> for Interruption {
    fn from(error: ReadError) -> Interruption {
        Interruption::Failed(error.into())
    }
}

impl From<SourceError> for Interruption {
    fn from(error: SourceError) -> Interruption {
        Interruption::Failed(error)
    }
}

impl From<Gone> for Interruption {
    fn from(Gone: Gone) -> Interruption {
        Interruption::Gone
    }
}
