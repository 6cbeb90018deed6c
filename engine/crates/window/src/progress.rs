//! Progress of one source partition: what depends on the order of its records alone.

use engine_model::{Batch, EventTime, Grain, Judgement, Micros, PartitionId, RejectedLine, Semantics, Watermark};

use crate::cursor::WindowCursor;
use crate::quality::{Ledger, QualityPartial};

/// What a batch's judgement depends on besides its partition.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    /// Windows that this watermark has passed are emitted: records for them are late.
    pub emitted: Watermark,
    /// Live sources only, the clock when the batch was received: `max_p` counts a record with at most this, and
    /// nothing older than `emitted` is observed any more. Files and stdin have no moments of arrival.
    pub received: Option<EventTime>,
}

impl Arrival {
    /// Records without a moment of arrival, while nothing has been emitted that their partition has not passed.
    pub const REPLAY: Arrival = Arrival { emitted: Watermark::NONE, received: None };
}

/// `max_p` of one partition and all that follows from it: watermark, late, delayed, the window being observed.
///
/// Feed it every batch of the partition, in order, before routing.
#[derive(Clone, Debug)]
pub struct Progress {
    partition: PartitionId,
    base: Grain,
    cursor: WindowCursor,
    lateness: Micros,
    /// `max_p`; [`EventTime::MIN`] before the first valid record.
    max: EventTime,
    /// The observed window and what happened in it so far; before the first valid record only rejections.
    current: QualityPartial,
    /// Bounds of the observed window, so that most records need no division.
    current_end: EventTime,
}

impl Progress {
    /// A partition of which nothing has been read.
    #[must_use]
    pub fn new(partition: PartitionId, semantics: &Semantics) -> Progress {
        Progress {
            partition,
            base: semantics.base(),
            cursor: WindowCursor::new(semantics.base()),
            lateness: semantics.lateness(),
            max: EventTime::MIN,
            current: QualityPartial::default(),
            current_end: EventTime::MIN,
        }
    }

    /// The partition.
    #[must_use]
    pub fn partition(&self) -> PartitionId {
        self.partition
    }

    /// `max_p − lateness`; −∞ before the first valid record.
    #[must_use]
    pub fn watermark(&self) -> Watermark {
        Watermark::trailing(self.max, self.lateness)
    }

    /// The greatest event time of the valid records so far; `None` before the first.
    #[must_use]
    pub fn newest(&self) -> Option<EventTime> {
        (self.max != EventTime::MIN).then_some(self.max)
    }

    /// Judges the records of the partition's next batch, in order: sets `max_before` in its header and, in each event,
    /// the watermark before it, the observed window and whether it is late.
    ///
    /// Windows whose observation has ended are appended to `observed`. Expected O(1) a record, no allocation but for
    /// that.
    ///
    /// # Panics
    /// Where the batch is of another partition.
    pub fn judge(&mut self, batch: &mut Batch, arrival: Arrival, observed: &mut Vec<QualityPartial>) {
        assert_eq!(batch.header.partition, self.partition, "batch of another partition");
        batch.header.max_before = self.max;
        let time_max = arrival.received.unwrap_or(EventTime::MAX);
        let observed_min = if arrival.received.is_some() { arrival.emitted.get() } else { EventTime::MIN };
        if self.max != EventTime::MIN {
            self.observe(self.max.max(observed_min), observed);
        }
        let mut rejected = batch.rejected.iter().peekable();
        for (index, event) in batch.events.iter_mut().enumerate() {
            while let Some(line) = rejected.next_if(|line| line.events_before as usize <= index) {
                self.reject(line);
            }
            event.watermark = self.watermark();
            let newest = self.max.max(arrival.emitted.get());
            if newest <= event.time && event.time < self.current_end && event.time <= time_max {
                // Nothing newer has been, nothing as new is emitted, and the observed window stays: neither late nor delayed.
                event.judgement = Judgement::InTime;
                self.max = event.time;
                event.observed = self.current.window;
                self.current.ledger.records += 1;
                self.current.delays.record(Micros::ZERO);
                continue;
            }
            let (_, end) = self.cursor.seek(event.time);
            let is_late = event.watermark.max(arrival.emitted).passes(end);
            event.judgement = if is_late { Judgement::Late } else { Judgement::InTime };
            let is_delayed = event.time < self.max;
            self.max = self.max.max(event.time.min(time_max));
            self.observe(self.max.max(observed_min), observed);
            event.observed = self.current.window;
            let ledger = &mut self.current.ledger;
            ledger.records += 1;
            ledger.late += u64::from(is_late);
            ledger.delayed += u64::from(is_delayed);
            // Ahead of the clock is no delay.
            self.current.delays.record((self.max - event.time).max(Micros::ZERO));
        }
        for line in rejected {
            self.reject(line);
        }
    }

    fn reject(&mut self, line: &RejectedLine) {
        let ledger = &mut self.current.ledger;
        ledger.records += 1;
        ledger.rejected[line.rejection.reason.index()] += 1;
    }

    /// Moves the observed window to the one that holds `time`, handing over the former one.
    fn observe(&mut self, time: EventTime, observed: &mut Vec<QualityPartial>) {
        if time < self.current_end {
            return;
        }
        let window = self.base.containing(time);
        if self.current_end == EventTime::MIN {
            // The first valid record: rejected lines before it count with it.
            self.current.window = window;
        } else {
            observed.push(std::mem::replace(&mut self.current, QualityPartial::new(window)));
        }
        self.current_end = self.base.end(window);
    }

    /// Ends the partition: what is known of the window observed last, or, where no record was valid, the counts that
    /// belong to no window.
    ///
    /// # Errors
    /// That ledger, where there was no valid record.
    pub fn finish(self) -> Result<QualityPartial, Ledger> {
        if self.current_end == EventTime::MIN { Err(self.current.ledger) } else { Ok(self.current) }
    }

    /// The counts of the records read that have not been handed over yet.
    #[must_use]
    pub fn pending(&self) -> &Ledger {
        &self.current.ledger
    }
}
