//! A sample of records for the picture: when each happened, when it came, and what became of it.

use engine_model::{Batch, Event, EventTime, Judgement};

/// The most dots of one kind between two looks: more than this nobody can see fall.
const DOTS_MAX: usize = 48;

/// One record of the sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dot {
    /// Event time in milliseconds; of a rejected record the greatest event time when it came.
    pub time_ms: f64,
    /// The greatest event time when it came, in milliseconds.
    pub came_ms: f64,
    /// 0 accepted, 1 duplicate, 2 late, 3 rejected.
    pub outcome: u8,
    /// Whether it came behind a later one.
    pub is_delayed: bool,
}

/// Collects the sample. Looks at nothing while it is off or full.
#[derive(Debug, Default)]
pub(crate) struct Dots {
    is_on: bool,
    sample: Vec<Dot>,
    /// By outcome.
    counts: [usize; 4],
}

impl Dots {
    pub(crate) fn turn(&mut self, is_on: bool) {
        self.is_on = is_on;
    }

    pub(crate) fn is_on(&self) -> bool {
        self.is_on
    }

    /// Takes in what is to be seen of a judged batch; `duplicates` tells by offset which events were duplicates, in order.
    pub(crate) fn see(&mut self, batch: &Batch, duplicates: &[u64]) {
        if !self.is_on {
            return;
        }
        let mut duplicates = duplicates.iter().peekable();
        let mut max = batch.header.max_before;
        let accepted = batch.events.len().saturating_sub(duplicates.len());
        let stride = 1 + accepted / DOTS_MAX;
        for (index, event) in batch.events.iter().enumerate() {
            let is_delayed = event.time < max;
            max = max.max(event.time);
            let outcome = if event.judgement == Judgement::Late {
                2
            } else if duplicates.next_if(|offset| **offset == event.offset).is_some() {
                1
            } else {
                if index % stride != 0 && !is_delayed {
                    continue;
                }
                0
            };
            self.push(event, max, outcome, is_delayed);
        }
        for line in &batch.rejected {
            let came =
                batch.events.get((line.events_before as usize).saturating_sub(1)).map_or(max, |event| event.time);
            if came != EventTime::MIN && self.has_room(3) {
                self.sample.push(Dot { time_ms: millis(came), came_ms: millis(came), outcome: 3, is_delayed: false });
            }
        }
    }

    fn push(&mut self, event: &Event, max: EventTime, outcome: u8, is_delayed: bool) {
        if self.has_room(outcome) {
            self.sample.push(Dot { time_ms: millis(event.time), came_ms: millis(max), outcome, is_delayed });
        }
    }

    fn has_room(&mut self, outcome: u8) -> bool {
        let count = &mut self.counts[usize::from(outcome)];
        *count += 1;
        *count <= DOTS_MAX
    }

    /// The sample since the last look.
    pub(crate) fn take(&mut self) -> Vec<Dot> {
        self.counts = [0; 4];
        std::mem::take(&mut self.sample)
    }
}

#[expect(clippy::cast_precision_loss, reason = "instants of events are below 2^53 microseconds until the year 2255")]
fn millis(time: EventTime) -> f64 {
    time.as_micros() as f64 / 1_000.0
}
