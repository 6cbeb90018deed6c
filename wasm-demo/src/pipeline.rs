//! The state machines of the engine one behind the other: one partition, one shard, one merge, on one thread.

use engine_model::{Batch, EventTime, Grain, Judgement, PartitionId, Rows, Semantics, Watermark};
use engine_window::{Arrival, Closed, GoldRows, Ledger, Merger, OpenWindow, Progress, QualityPartial, Shard};

use crate::dots::Dots;

/// From judged batches to closed windows.
#[derive(Debug)]
pub(crate) struct Pipeline {
    base: Grain,
    /// `None` when the partition is finished.
    progress: Option<Progress>,
    shard: Shard,
    merger: Merger,
    rows: GoldRows,
    /// Observed windows that have not been handed over.
    observed: Vec<QualityPartial>,
    /// What became of the records so far; `delayed` of handed over windows alone.
    ledger: Ledger,
    /// The watermark up to which windows are closed.
    closed: Watermark,
    max: EventTime,
    /// Offsets of the last batch's duplicates.
    duplicates: Vec<u64>,
}

impl Pipeline {
    /// The one partition.
    pub(crate) const PARTITION: PartitionId = PartitionId(0);

    pub(crate) fn new(semantics: &Semantics) -> Pipeline {
        let merger = Merger::new(semantics);
        Pipeline {
            base: semantics.base(),
            progress: Some(Progress::new(Pipeline::PARTITION, semantics)),
            shard: Shard::new(semantics),
            rows: merger.empty_rows(),
            merger,
            observed: Vec::new(),
            ledger: Ledger::default(),
            closed: Watermark::NONE,
            max: EventTime::MIN,
            duplicates: Vec::new(),
        }
    }

    /// Takes the partition's next records in. Closes nothing; see [`Pipeline::is_due`].
    ///
    /// # Panics
    /// Where the partition is finished.
    pub(crate) fn take(&mut self, batch: &mut Batch, dots: &mut Dots) {
        let progress = self.progress.as_mut().expect("no record comes behind the end");
        progress.judge(batch, Arrival::REPLAY, &mut self.observed);
        let duplicates = &mut self.duplicates;
        duplicates.clear();
        let late_after_all = self.shard.ingest_batch(batch, |event| duplicates.push(event.offset));
        assert_eq!(late_after_all, 0, "events of windows that are closed came as in time");
        dots.see(batch, duplicates);

        let ledger = &mut self.ledger;
        let (mut late, mut max) = (0, self.max);
        for event in &batch.events {
            late += u64::from(event.judgement == Judgement::Late);
            max = max.max(event.time);
        }
        self.max = max;
        for line in &batch.rejected {
            ledger.rejected[line.rejection.reason.index()] += 1;
        }
        ledger.records += batch.record_count() as u64;
        ledger.late += late;
        ledger.duplicates += duplicates.len() as u64;
        ledger.accepted += batch.events.len() as u64 - late - duplicates.len() as u64;
    }

    /// Whether the watermark has passed the end of a window that is not closed yet.
    pub(crate) fn is_due(&self) -> bool {
        self.base.ends_between(self.closed, self.watermark())
    }

    /// Closes what the watermark has passed and shows each window's rows to `see`.
    pub(crate) fn close(&mut self, mut see: impl FnMut(&Merger, Closed, &GoldRows)) {
        self.closed = self.watermark();
        let close = self.shard.close(self.closed);
        for partial in close.windows {
            self.merger.add_window(partial);
        }
        for partial in close.quality.into_iter().chain(self.observed.drain(..)) {
            self.ledger.delayed += partial.ledger.delayed;
            self.merger.add_quality(partial);
        }
        while let Some(closed) = self.merger.close_next(self.closed, &mut self.rows) {
            see(&self.merger, closed, &self.rows);
            self.rows.iter_mut().for_each(Rows::clear);
        }
    }

    /// Ends the partition: the watermark is +∞, and everything is due.
    ///
    /// # Panics
    /// Where it has ended before.
    pub(crate) fn finish(&mut self) {
        let progress = self.progress.take().expect("a partition ends once");
        // The counts of a partition without a valid record belong to no window; they are in the ledger already.
        if let Ok(quality) = progress.finish() {
            self.observed.push(quality);
        }
    }

    pub(crate) fn watermark(&self) -> Watermark {
        self.progress.as_ref().map_or(Watermark::END, Progress::watermark)
    }

    /// The greatest event time so far.
    pub(crate) fn event_time_max(&self) -> Option<EventTime> {
        (self.max != EventTime::MIN).then_some(self.max)
    }

    /// What became of the records so far.
    pub(crate) fn ledger(&self) -> Ledger {
        let mut ledger = self.ledger.clone();
        ledger.delayed += self.progress.as_ref().map_or(0, |progress| progress.pending().delayed);
        ledger.delayed += self.observed.iter().map(|quality| quality.ledger.delayed).sum::<u64>();
        ledger
    }

    pub(crate) fn open_windows(&self) -> impl Iterator<Item = OpenWindow> {
        self.shard.open_windows()
    }

    pub(crate) fn shard(&self) -> &Shard {
        &self.shard
    }

    pub(crate) fn merger(&self) -> &Merger {
        &self.merger
    }
}
