//! Faults: which records are copied, held back or broken, and what the pipeline must make of what comes out.
//!
//! Whatever the draws say, the verdict on a record follows from the contract's own rules: the lane's `max_p`, window
//! and lateness. A record held back only counts as delayed or late if it really is once it is let go.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use engine_model::{EventTime, Grain, Watermark};

use crate::config::Config;
use crate::draw::{Draws, Purpose, high, low};
use crate::record::Record;
use crate::truth::{Fault, Verdict};

/// The most records held back at once: about 30 MiB. While there are that many, no further one is held.
const HELD_MAX: usize = 1 << 18;

/// The faults of a lane.
#[derive(Clone, Debug)]
pub(crate) struct Faults {
    draws: Draws,
    /// Draws below the first are duplicates, below the second delayed, and so on.
    limits: [u32; 4],
    window: Grain,
    lateness: engine_model::Micros,
    /// `max_p` of the lane.
    max: EventTime,
    held: Vec<Held>,
    free: Vec<u32>,
    /// When each of the held ones is let go, by instant, then in the order they came; last, their place in `held`.
    queue: BinaryHeap<Reverse<(i64, u64, u32)>>,
    held_count: u64,
    /// When the first of them is let go; never, where there is none.
    due: i64,
}

/// A record that comes later.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Held {
    /// The record.
    pub(crate) record: Record,
    /// What is being done to it: duplicate, delayed or late.
    pub(crate) fault: Fault,
}

impl Faults {
    /// The faults of `lane`, at the shares of the config.
    pub(crate) fn new(config: &Config, lane: u32) -> Faults {
        let shares = config.shares;
        // Shares are of all records. Copies come on top, so that of each record without them is a little more.
        let per_event = 1.0 / (1.0 - shares.duplicates);
        let mut sum = 0.0;
        let limits = [shares.duplicates, shares.delayed, shares.late, shares.malformed].map(|share| {
            sum += share * per_event;
            part(sum)
        });
        Faults {
            draws: Draws::new(config.seed, Purpose::Fault, lane),
            limits,
            window: Grain::new(config.window, config.utc_offset),
            lateness: config.lateness,
            max: EventTime::MIN,
            held: Vec::new(),
            free: Vec::new(),
            queue: BinaryHeap::new(),
            held_count: 0,
            due: i64::MAX,
        }
    }

    /// `max_p` of the lane.
    pub(crate) fn max(&self) -> EventTime {
        self.max
    }

    /// When the first of the records held back is due, in microseconds of event time; `i64::MAX` where there is none.
    #[inline]
    pub(crate) fn due(&self) -> i64 {
        self.due
    }

    /// What shall be done to a record that just happened.
    #[inline]
    pub(crate) fn choose(&mut self) -> Fault {
        let draw = low(self.draws.next());
        if draw >= self.limits[3] {
            return Fault::None;
        }
        let fault = match self.limits.iter().position(|&limit| draw < limit) {
            Some(0) => Fault::Duplicate,
            Some(1) => Fault::Delayed,
            Some(2) => Fault::Late,
            Some(_) | None => return Fault::Malformed,
        };
        if self.queue.len() < HELD_MAX { fault } else { Fault::None }
    }

    /// Random bits for the way in which a record is broken.
    pub(crate) fn bits(&mut self) -> u64 {
        self.draws.next()
    }

    /// Holds back a record that just happened, or a copy of it.
    pub(crate) fn hold(&mut self, record: &Record, fault: Fault) {
        let even = u128::from(high(self.draws.next()));
        let end = self.window.end(self.window.containing(record.time));
        let until_late = end - record.time + self.lateness;
        // Up to `most`, the short spans more often.
        let drawn = |most: i64, power: u32| {
            let share = (1..power).fold(even, |share, _| (share * even) >> 32);
            i64::try_from((u128::from(most.unsigned_abs()) * share) >> 32).expect("less than `most`")
        };
        let span = match fault {
            Fault::Late => until_late.get() + drawn(2 * self.window.length().get().get(), 3),
            // Until lateness has passed, the watermark has not reached the record itself, let alone its window's end.
            // Without lateness the window's end is the bound.
            Fault::None | Fault::Duplicate | Fault::Delayed | Fault::Malformed => {
                let most = if self.lateness.get() > 0 { self.lateness } else { until_late };
                1 + drawn(most.get() - 1, 2)
            }
        };
        let held = Held { record: *record, fault };
        let place = self.free.pop().unwrap_or_else(|| {
            self.held.push(held);
            u32::try_from(self.held.len() - 1).expect("far fewer than 2^32 held records")
        });
        self.held[place as usize] = held;
        self.queue_up(place, record.time.as_micros().saturating_add(span));
    }

    fn queue_up(&mut self, place: u32, due: i64) {
        self.queue.push(Reverse((due, self.held_count, place)));
        self.held_count += 1;
        self.plan();
    }

    fn plan(&mut self) {
        self.due = self.queue.peek().map_or(i64::MAX, |&Reverse((due, ..))| due);
    }

    /// Lets go the record that is due, unless it shall be late and is not yet: then it waits until after `next`, when
    /// the lane's next record happens. Without a next one it waits no longer.
    pub(crate) fn let_go(&mut self, next: Option<i64>) -> Option<Held> {
        let Reverse((due, _, place)) = self.queue.pop()?;
        let held = self.held[place as usize];
        if held.fault == Fault::Late
            && let Some(next) = next
            && !self.is_late(held.record.time)
        {
            self.queue_up(place, due.max(next).saturating_add(1));
            return None;
        }
        self.free.push(place);
        self.plan();
        Some(held)
    }

    fn is_late(&self, time: EventTime) -> bool {
        Watermark::trailing(self.max, self.lateness).passes(self.window.end(self.window.containing(time)))
    }

    /// Judges a valid record that comes out now, as the contract does, and moves `max_p`. `is_copy` of one that was
    /// accepted. Whether it is delayed comes second.
    #[inline]
    pub(crate) fn judge(&mut self, time: EventTime, is_copy: bool) -> (Verdict, bool) {
        if time >= self.max && !is_copy {
            self.max = time;
            return (Verdict::Accepted, false);
        }
        let verdict = match (self.is_late(time), is_copy) {
            (true, _) => Verdict::Late,
            (false, true) => Verdict::Duplicate,
            (false, false) => Verdict::Accepted,
        };
        let is_delayed = time < self.max;
        self.max = self.max.max(time);
        (verdict, is_delayed)
    }
}

/// A share in parts of 2^32.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "not negative; stops at the type's end")]
fn part(share: f64) -> u32 {
    (share * 4_294_967_296.0) as u32
}
