//! A source thread: reads partitions, parses, judges and routes.

mod feed;
mod replay;

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use engine_lake::{Layer, Layers};
use engine_model::{
    Batch, BatchHeader, Cell, Currency, EventTime, Grain, Judgement, Micros, PartitionId, Reason, Rows, Watermark,
    WindowId, gold,
};
use engine_parse::{Parser, Rules, Slab};
use engine_source::{PartitionReader, ReadError, SlabRef};
use engine_window::{Arrival, Ledger, Progress, QualityPartial};
use rtrb::Producer;
use sim::{Simulator, Truth};

pub use feed::{CommitterGone, Feed};
pub(crate) use replay::{OriginStart, PartitionStart, SourceStart};

use crate::bronze::LineKeeper;
use crate::cut::{Exclusion, Exclusions, ReplayMark, Stand, micros_of};
use crate::idleness::Idleness;
use crate::input_log::{LogReader, LogSlab};
use crate::message::{Barrier, CommitWish, Gone, Report, SourceBarrier, send};
use crate::partitions::{Origin, Partition, Partitions, SourceError, rest_of};
use crate::route::{ShardLink, shard_of};
use crate::shard::{ShardWork, send_rows};
use crate::snapshot::Listener;
use crate::status::Status;
use crate::testing;

/// How many batches a lane of the simulator gives before the others get their turn.
const LANE_BATCHES: usize = 8;

/// How long to wait for a stream that is silent.
const STREAM_PAUSE: Duration = Duration::from_millis(2);

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
    /// Length and alignment of the base windows.
    pub(crate) base: Grain,
    pub(crate) currency: Currency,
    pub(crate) max_future: Micros,
    /// Records a second, over all partitions.
    pub(crate) pace: Option<f64>,
    /// Records read at a time, where a test says so.
    pub(crate) batch_records: Option<u16>,
    /// What is written: it decides what is kept of the records.
    pub(crate) layers: Layers,
    /// Set where records come as they happen.
    pub(crate) live: Option<Live>,
    /// What becomes of open windows at the end of all inputs.
    pub(crate) at_end: AtEnd,
}

/// What becomes of the windows that are open when all inputs have been read to their ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AtEnd {
    /// They are emitted: no more is to come.
    #[default]
    Emit,
    /// They stay open, for the inputs of a later run.
    Keep,
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
    wish: CommitWish,
    /// Barriers sent.
    barriers: u64,
    /// Where the partitions stood when they were last looked at, each at its number.
    stands: Vec<Stand>,
    /// For each partition, where `max_p` reached a window that is open.
    marks: Vec<VecDeque<ReplayMark>>,
    /// Records rejected for the clock since the last barrier.
    exclusions: Exclusions,
    /// Whether shards and partitions stand where the last commit stood; before that nothing can be committed.
    has_resumed: bool,
    /// What was emitted when the run began.
    emitted: Watermark,
    /// For each partition, late records of windows that were emitted when the run began, and which it had not passed itself.
    emitted_before: Vec<u64>,
    /// The greatest watermark of any finished partition.
    furthest: Watermark,
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
        names: Arc<SourceNames>,
        downstream: Downstream,
        reports: Producer<Report>,
        wish: CommitWish,
        status: &'a Status,
        stop: Arc<AtomicBool>,
    ) -> Source<'a> {
        let (partitions, base) = (names.0.len(), config.base);
        Source {
            names,
            downstream,
            reports,
            status,
            stop,
            wish,
            barriers: 0,
            stands: vec![Stand::default(); partitions],
            marks: vec![VecDeque::new(); partitions],
            exclusions: Exclusions::default(),
            has_resumed: true,
            emitted: Watermark::NONE,
            emitted_before: vec![0; partitions],
            furthest: Watermark::NONE,
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

    /// Takes in again what `start` asks for, then reads all partitions to their ends, or until something stops it; then says so to
    /// everyone.
    pub(crate) fn run(mut self, start: SourceStart) -> Result<SourceDone, Gone> {
        let mut partitions = Partitions::new(Vec::new(), &start.semantics);
        let end = self.resume(start, &mut partitions).and_then(|end| match (end, self.config.live) {
            (Some(end), _) => Ok(end),
            (None, None) => self.run_to_end(&mut partitions),
            (None, Some(live)) => self.run_live(&mut partitions, live),
        });
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
        let emitted_before = std::mem::take(&mut self.emitted_before);
        self.end(&partitions)?;
        Ok(SourceDone { end, emitted_before })
    }

    fn run_to_end(&mut self, partitions: &mut Partitions) -> Result<SourceEnd, Interruption> {
        let arrival = Arrival { emitted: self.emitted, received: None };
        loop {
            if self.stop.load(Relaxed) {
                return Ok(SourceEnd::Stopped);
            }
            let limit = partitions.limit();
            let Some((place, partition)) = partitions.next() else { break };
            let progress = &mut partition.progress;
            let next = match &mut partition.origin {
                Origin::Lines(reader) => self.read_slab(reader, progress, arrival, limit)?,
                Origin::Log(reader) => self.read_slab(&mut **reader, progress, arrival, limit)?,
                Origin::Lane(lane) => self.simulate(lane, progress, arrival, EventTime::MAX, limit)?,
            };
            // An input that was told to stop looks as if it had ended. What came before still closes its windows.
            if next == Taken::Last && self.stop.load(Relaxed) {
                return Ok(SourceEnd::Stopped);
            }
            self.flush()?;
            if next == Taken::Last {
                self.finish_partition(partitions);
            } else {
                partitions.advanced();
            }
            let (watermark, holder) = partitions.watermark();
            self.publish(watermark, holder.unwrap_or(place));
            if watermark != Watermark::END {
                self.advance_over_windows(watermark)?;
            }
            if self.wish.is_open(self.barriers) {
                self.barrier(partitions, false)?;
            }
            if next == Taken::NotYet {
                std::thread::sleep(STREAM_PAUSE);
            }
            testing::rest_between_batches(self.config.batch_records);
            self.keep_pace();
        }
        match self.config.at_end {
            AtEnd::Emit => self.advance(Watermark::END)?,
            AtEnd::Keep => self.advance_over_windows(self.furthest)?,
        }
        Ok(SourceEnd::Finished)
    }

    /// Tells shards and committer of a watermark where that makes a difference to anyone: where a window has ended.
    fn advance_over_windows(&mut self, watermark: Watermark) -> Result<(), Gone> {
        if self.base.ends_between(self.sent, watermark) { self.advance(watermark) } else { Ok(()) }
    }

    /// Lets the simulator's lanes live by the clock until something stops it.
    fn run_live(&mut self, partitions: &mut Partitions, live: Live) -> Result<SourceEnd, Interruption> {
        let mut idleness = Idleness::new(partitions.unfinished().count(), live.idle_timeout);
        let mut global = self.sent;
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
            self.advance_over_windows(global)?;
            if self.wish.is_open(self.barriers) {
                self.barrier(partitions, false)?;
            }
            std::thread::sleep(LIVE_PAUSE);
        }
        Ok(SourceEnd::Stopped)
    }

    /// Reads up to a slab of a partition, less where it comes past `limit`.
    fn read_slab(
        &mut self,
        reader: &mut impl Slabs,
        progress: &mut Progress,
        arrival: Arrival,
        limit: Watermark,
    ) -> Result<Taken, Interruption> {
        let rules = self.config.rules();
        let slab = match reader.next()? {
            NextSlab::Slab(slab) => slab,
            NextSlab::NotYet => return Ok(Taken::NotYet),
            NextSlab::End => return Ok(Taken::Last),
        };
        if self.stop.load(Relaxed) {
            let left = slab.bytes.len();
            reader.give_back(left);
            return Ok(Taken::Some);
        }
        self.received = clock();
        let mut consumed = 0;
        while consumed < slab.bytes.len() && progress.watermark() <= limit {
            let rest = rest_of(slab, consumed);
            consumed += self.parse(rest, &rules, progress.partition(), self.batch_records_max());
            self.take_batch(progress, arrival, rest.bytes)?;
            if self.config.pace.is_some() || self.config.batch_records.is_some() {
                // One batch at its time, so that windows close when theirs has come and not all with the slab.
                break;
            }
        }
        let left = slab.bytes.len() - consumed;
        reader.give_back(left);
        Ok(Taken::Some)
    }

    /// Fills the batch from the beginning of `slab`; returns how many bytes that took.
    fn parse(&mut self, slab: Slab<'_>, rules: &Rules, partition: PartitionId, records_max: usize) -> usize {
        let first_offset = slab.offset;
        self.batch.reset(BatchHeader { partition, first_offset, ..BatchHeader::default() });
        let parsed = self.parser.parse(slab, rules, records_max, &mut self.batch);
        assert!(parsed > 0, "the parser went nowhere at offset {first_offset}");
        parsed
    }

    /// Takes what a lane has until `now`, some batches at the most, less where it comes past `limit`.
    fn simulate(
        &mut self,
        lane: &mut Simulator,
        progress: &mut Progress,
        arrival: Arrival,
        now: EventTime,
        limit: Watermark,
    ) -> Result<Taken, Interruption> {
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
        Ok(if lane.is_finished() { Taken::Last } else { Taken::Some })
    }

    /// Judges the batch that has just been filled, with its lines in `slab`, and sends everything on its way.
    fn take_batch(&mut self, progress: &mut Progress, arrival: Arrival, slab: &[u8]) -> Result<(), Gone> {
        let (windows_before, delayed_before) = (self.quality.len(), progress.pending().delayed);
        progress.judge(&mut self.batch, arrival, &mut self.quality);
        let handed_over: u64 = self.quality[windows_before..].iter().map(|quality| quality.ledger.delayed).sum();
        self.delayed_count += handed_over + progress.pending().delayed - delayed_before;
        self.newest = self.newest.max(progress.newest().unwrap_or(EventTime::MIN));
        self.mark(progress.max());
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
        if let Some(records) = self.config.batch_records {
            return records.into();
        }
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
        for line in self.batch.rejected.iter().filter(|line| line.rejection.reason == Reason::FutureEventTime) {
            self.exclusions.push(partition, Exclusion { offset: line.offset, is_rejected: true });
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
            let end = self.base.end(self.base.containing(event.time));
            if self.emitted.passes(end) && !event.watermark.passes(end) {
                self.emitted_before[partition.0 as usize] += 1;
            }
            if is_kept {
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
        let watermark = partition.progress.watermark();
        self.furthest = self.furthest.max(watermark);
        self.stand_of(&partition).is_finished = true;
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

    /// Notes where reading again has to begin for the window that `max` lies in, where the batch is the first that reached it.
    fn mark(&mut self, max: EventTime) {
        if max == EventTime::MIN {
            return;
        }
        let header = &self.batch.header;
        let (window, marks) = (self.base.containing(max).0, &mut self.marks[header.partition.0 as usize]);
        if marks.back().is_none_or(|last| last.window < window) {
            let max_us = header.max_before.as_micros();
            marks.push_back(ReplayMark { window, offset: header.first_offset, max_us });
        }
    }

    /// Looks where a partition stands.
    fn stand_of(&mut self, partition: &Partition) -> &mut Stand {
        let progress = &partition.progress;
        let stand = &mut self.stands[progress.partition().0 as usize];
        stand.offset = partition.offset();
        stand.max_us = micros_of(progress.max());
        stand.rejected.clear();
        if progress.observed().is_none() && progress.pending().records > 0 {
            stand.rejected.extend(progress.pending().rejected);
        }
        stand
    }

    /// Sends a barrier behind everything: a commit will hold what came before it.
    fn barrier(&mut self, partitions: &Partitions, is_last: bool) -> Result<(), Gone> {
        send_rows(&mut self.rejected, &mut self.reports, true)?;
        send_rows(&mut self.late, &mut self.reports, true)?;
        if let Some(lines) = &mut self.lines {
            lines.send(&mut self.reports, true)?;
        }
        let mut quality = self.quality.clone();
        for partition in partitions.unfinished() {
            self.stand_of(partition);
            quality.extend(partition.progress.observed().cloned());
        }
        for (stand, marks) in self.stands.iter_mut().zip(&mut self.marks) {
            let is_open = |mark: &ReplayMark| !self.sent.passes(self.base.end(WindowId(mark.window)));
            while marks.front().is_some_and(|mark| !is_open(mark)) {
                marks.pop_front();
            }
            stand.replay = marks.front().copied();
        }
        let mut barrier = match &mut self.downstream {
            Downstream::Fused(work, _) => work.barrier(&mut self.reports)?,
            Downstream::Piped(_) | Downstream::Routed(_) => Barrier::default(),
        };
        self.downstream.links().iter_mut().try_for_each(ShardLink::barrier)?;
        barrier.quality.extend(quality);
        barrier.exclusions.append(&mut self.exclusions);
        let (stands, unattributed) = (self.stands.clone(), self.unattributed.clone());
        barrier.source = Some(SourceBarrier { stands, unattributed, is_last });
        self.barriers += 1;
        send(&mut self.reports, Report::Barrier(Box::new(barrier)))
    }

    /// Keeps the truth about simulated records in `truth`.
    pub(crate) fn with_truth(mut self, truth: Option<TruthFile>) -> Source<'a> {
        self.truth = truth;
        self
    }

    /// Hands over what is left and says that this was all.
    fn end(mut self, partitions: &Partitions) -> Result<(), Gone> {
        if self.has_resumed {
            self.barrier(partitions, true)?;
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
            Downstream::Fused(work, _) => {
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

/// What came of asking a partition for records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Taken {
    /// There may be more.
    Some,
    /// None yet; the partition is a stream that is silent.
    NotYet,
    /// It has ended.
    Last,
}

/// What a partition's reader has next.
enum NextSlab<'a> {
    Slab(SlabRef<'a>),
    NotYet,
    End,
}

/// Yields slabs of whole lines.
trait Slabs {
    fn next(&mut self) -> Result<NextSlab<'_>, SourceError>;

    fn give_back(&mut self, bytes: usize);
}

impl Slabs for PartitionReader {
    fn next(&mut self) -> Result<NextSlab<'_>, SourceError> {
        Ok(self.next_slab()?.map_or(NextSlab::End, NextSlab::Slab))
    }

    fn give_back(&mut self, bytes: usize) {
        PartitionReader::give_back(self, bytes);
    }
}

impl Slabs for LogReader {
    fn next(&mut self) -> Result<NextSlab<'_>, SourceError> {
        Ok(match self.next_slab()? {
            LogSlab::Slab(slab) => NextSlab::Slab(slab),
            LogSlab::NotYet => NextSlab::NotYet,
            LogSlab::End => NextSlab::End,
        })
    }

    fn give_back(&mut self, bytes: usize) {
        LogReader::give_back(self, bytes);
    }
}

/// How a source thread has ended.
#[derive(Debug)]
pub(crate) struct SourceDone {
    pub(crate) end: SourceEnd,
    /// For each partition, late records of windows that an earlier run had emitted.
    pub(crate) emitted_before: Vec<u64>,
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
