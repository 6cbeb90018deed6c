//! A source thread: reads partitions, parses, judges and routes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use engine_model::{
    Batch, BatchHeader, Cell, Currency, EventTime, Grain, Judgement, Micros, PartitionId, Rows, Watermark, gold,
};
use engine_parse::{Rules, Slab, parse};
use engine_window::{Arrival, Ledger, QualityPartial};
use rtrb::Producer;

use crate::message::{Gone, Report, send};
use crate::partitions::{Partition, Partitions, SourceError};
use crate::route::{ShardLink, shard_of};
use crate::shard::{ShardWork, send_rows};
use crate::status::Status;

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
    /// One shard, on this thread.
    Fused(Box<ShardWork>),
    /// Several, each on a thread of its own.
    Routed(Vec<ShardLink>),
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
    /// Whether late and rejected records are kept.
    pub(crate) quarantine: bool,
}

impl SourceConfig {
    /// What a record has to keep to, at this moment.
    pub(crate) fn rules(&self) -> Rules {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = EventTime::from_micros(i64::try_from(now.as_micros()).unwrap_or(i64::MAX));
        Rules { currency: self.currency, time_max: now.saturating_add(self.max_future).min(EventTime::EVENT_MAX) }
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
    /// Observed windows that have not been sent.
    quality: Vec<QualityPartial>,
    /// Counts of finished partitions without a valid record, which belong to no window.
    unattributed: Ledger,
    late: Rows,
    rejected: Rows,
    /// The watermark sent last.
    sent: Watermark,
    records: u64,
    late_count: u64,
    rejected_count: u64,
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
            config,
            names,
            downstream,
            reports,
            status,
            stop,
            batch: Batch::default(),
            quality: Vec::new(),
            unattributed: Ledger::default(),
            late: Rows::new(&gold::LATE),
            rejected: Rows::new(&gold::REJECTED),
            sent: Watermark::NONE,
            records: 0,
            late_count: 0,
            rejected_count: 0,
            base,
            started: Instant::now(),
        }
    }

    /// Reads all partitions to their ends, or until something stops it; then says so to everyone.
    pub(crate) fn run(mut self, mut partitions: Partitions) -> Result<SourceEnd, Gone> {
        let end = loop {
            if self.stop.load(Relaxed) {
                break SourceEnd::Stopped;
            }
            let limit = partitions.limit();
            let Some((place, partition)) = partitions.next() else { break SourceEnd::Finished };
            let is_finished = match self.read_slab(partition, limit) {
                Ok(is_finished) => is_finished,
                Err(Interruption::Gone) => return Err(Gone),
                Err(Interruption::Failed(error)) => break SourceEnd::Failed(error),
            };
            if self.stop.load(Relaxed) {
                break SourceEnd::Stopped;
            }
            if is_finished {
                self.finish_partition(&mut partitions);
            } else {
                partitions.advanced();
            }
            self.publish(&partitions, place);
            let (watermark, _) = partitions.watermark();
            // Only a window's end makes a difference to anyone.
            if watermark == Watermark::END || passes_a_window(self.base, self.sent, watermark) {
                self.advance(watermark)?;
            }
        };
        self.end(&partitions)?;
        Ok(end)
    }

    /// Reads up to a slab of `partition`, less where it comes past `limit`. Returns whether the partition has ended.
    fn read_slab(&mut self, partition: &mut Partition, limit: Watermark) -> Result<bool, Interruption> {
        let rules = self.config.rules();
        let Some(slab) = partition.reader.next_slab().map_err(Interruption::Failed)? else { return Ok(true) };
        if self.stop.load(Relaxed) {
            return Ok(false);
        }
        let mut consumed = 0;
        while consumed < slab.bytes.len() && partition.progress.watermark() <= limit {
            let offset = slab.offset + consumed as u64;
            let rest = Slab { bytes: &slab.bytes[consumed..], offset, oversized: slab.oversized };
            let id = partition.progress.partition();
            self.batch.reset(BatchHeader { partition: id, first_offset: offset, ..BatchHeader::default() });
            let parsed = parse(rest, &rules, self.batch_records_max(), &mut self.batch);
            assert!(parsed > 0, "the parser went nowhere at offset {offset}");
            consumed += parsed;
            partition.progress.judge(&mut self.batch, Arrival::REPLAY, &mut self.quality);
            self.quarantine(rest.bytes)?;
            self.deliver()?;
            self.records += self.batch.record_count() as u64;
            self.keep_pace();
        }
        let left = slab.bytes.len() - consumed;
        partition.reader.give_back(left);
        if let Downstream::Routed(links) = &mut self.downstream {
            for link in links {
                link.flush()?;
            }
        }
        Ok(false)
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
        let due = Duration::from_secs_f64(self.records as f64 / pace);
        while let Some(ahead) = due.checked_sub(self.started.elapsed())
            && !self.stop.load(Relaxed)
        {
            std::thread::sleep(ahead.min(Duration::from_millis(100)));
        }
    }

    /// Keeps the batch's rejected and late records, with their lines from `slab`.
    fn quarantine(&mut self, slab: &[u8]) -> Result<(), Gone> {
        let raw = |start: u32, len: u32| Cell::Bytes(&slab[start as usize..][..len as usize]);
        let partition = self.batch.header.partition;
        self.rejected_count += self.batch.rejected.len() as u64;
        for line in self.batch.rejected.iter().filter(|_| self.config.quarantine) {
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
            if self.config.quarantine {
                let end = self.base.end(self.base.containing(event.time));
                let late_by = Cell::Double((event.watermark.get() - end).as_millis_f64());
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
        let in_time = self.batch.events.iter().filter(|event| event.judgement == Judgement::InTime);
        match &mut self.downstream {
            Downstream::Fused(work) => {
                for event in in_time {
                    work.ingest(&self.batch, event);
                }
                work.send_duplicates(&mut self.reports, false)
            }
            Downstream::Routed(links) => {
                let shards = links.len();
                for event in in_time {
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
        let quality = std::mem::take(&mut self.quality);
        match &mut self.downstream {
            Downstream::Fused(work) => {
                let Report::Closed { windows, quality: mut all, .. } = work.close(watermark) else {
                    unreachable!("closing gives what was closed");
                };
                all.extend(quality);
                self.status.open_windows.store(work.open_window_count(), Relaxed);
                send(&mut self.reports, Report::Closed { watermark, windows, quality: all })
            }
            Downstream::Routed(links) => {
                for link in links {
                    link.advance(watermark)?;
                }
                send(&mut self.reports, Report::Closed { watermark, windows: Vec::new(), quality })
            }
        }
    }

    /// Hands over what is left and says that this was all.
    fn end(mut self, partitions: &Partitions) -> Result<(), Gone> {
        send_rows(&mut self.rejected, &mut self.reports, true)?;
        send_rows(&mut self.late, &mut self.reports, true)?;
        let mut ledger = self.unattributed;
        for partition in partitions.unfinished() {
            ledger.merge(partition.progress.pending());
        }
        for quality in &self.quality {
            ledger.merge(&quality.ledger);
        }
        let mut open_windows = Vec::new();
        match self.downstream {
            Downstream::Fused(mut work) => {
                work.send_duplicates(&mut self.reports, true)?;
                let Report::Ended { ledger: judged, open_windows: open } = work.end() else {
                    unreachable!("ending gives what is left");
                };
                ledger.merge(&judged);
                open_windows = open;
            }
            Downstream::Routed(mut links) => {
                for link in &mut links {
                    link.end()?;
                }
            }
        }
        send(&mut self.reports, Report::Ended { ledger, open_windows })
    }

    fn publish(&mut self, partitions: &Partitions, place: usize) {
        let (watermark, holder) = partitions.watermark();
        let status = self.status;
        status.records.store(self.records, Relaxed);
        status.late.store(self.late_count, Relaxed);
        status.rejected.store(self.rejected_count, Relaxed);
        status.watermark.store(watermark.get().as_micros(), Relaxed);
        status.holder.store(holder.unwrap_or(place) as u64, Relaxed);
    }
}

/// Why reading a slab ended early.
enum Interruption {
    Gone,
    Failed(SourceError),
}

impl From<Gone> for Interruption {
    fn from(Gone: Gone) -> Interruption {
        Interruption::Gone
    }
}

/// Whether a base window ends between two watermarks.
fn passes_a_window(base: Grain, before: Watermark, now: Watermark) -> bool {
    if now == Watermark::NONE {
        return false;
    }
    before == Watermark::NONE || base.containing(now.get()) > base.containing(before.get())
}
