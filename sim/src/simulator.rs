//! The simulator of a lane: journeys, then faults, then a batch or lines.

use engine_model::{Batch, BatchHeader, EventTime, PartitionId};

use crate::config::{Bound, Config, InvalidConfig};
use crate::fault::{Faults, Held};
use crate::journey::Journeys;
use crate::malformation::Malformation;
use crate::record::Record;
use crate::render::Scribe;
use crate::sink::{Events, Lines, Sink};
use crate::truth::{Fault, Truth, Verdict};

/// One lane of the simulation, which is one source partition.
///
/// The records are the same whichever of the methods asks for them, and in whatever portions. Memory is bounded: at
/// most 2^18 sessions and 2^18 records held back, less than 64 MiB; at the default rate it is about 4 MiB.
///
/// Records come in the order of event time but for the faults. The instant a record comes out is its event time, or,
/// where it is held back, the instant that ends: that is what [`Simulator::next_due`] tells and what
/// [`Simulator::next_batch_until`] holds against the clock.
#[derive(Clone, Debug)]
pub struct Simulator {
    lane: u32,
    journeys: Journeys,
    faults: Faults,
    scribe: Scribe,
    /// Records given so far.
    index: u64,
    /// Events that have happened so far.
    number: u64,
    /// Records that may still be given.
    left: u64,
    is_finished: bool,
    truths: Option<Vec<Truth>>,
    line: Vec<u8>,
}

impl Simulator {
    /// The simulator of `lane`. Takes some milliseconds: visitors come a while before the start, unseen.
    ///
    /// # Errors
    /// Where the config does not work.
    ///
    /// # Panics
    /// Where the config has no such lane.
    pub fn new(config: &Config, lane: u32) -> Result<Simulator, InvalidConfig> {
        config.check()?;
        assert!(lane < config.lanes, "lane {lane} of {}", config.lanes);
        let left = match config.bound {
            Bound::None | Bound::Duration(_) => u64::MAX,
            Bound::Records(count) => {
                let lanes = u64::from(config.lanes);
                count / lanes + u64::from(u64::from(lane) < count % lanes)
            }
        };
        Ok(Simulator {
            lane,
            journeys: Journeys::new(config, lane),
            faults: Faults::new(config, lane),
            scribe: Scribe::new(config.seed, lane, config.currency),
            index: 0,
            number: 0,
            left,
            is_finished: false,
            truths: None,
            line: Vec::new(),
        })
    }

    /// The number of the lane.
    #[must_use]
    pub const fn lane(&self) -> u32 {
        self.lane
    }

    /// Number of records given so far; the index of the next one.
    #[must_use]
    pub const fn index(&self) -> u64 {
        self.index
    }

    /// Whether the bound is reached: no record will come any more. Never true without a bound.
    #[must_use]
    pub const fn is_finished(&self) -> bool {
        self.is_finished || self.left == 0
    }

    /// The header of a batch that begins with the next record: its index as the offset, and `max_p` so far.
    #[must_use]
    pub fn header(&self, partition: PartitionId) -> BatchHeader {
        BatchHeader { partition, first_offset: self.index, max_before: self.faults.max() }
    }

    /// Appends up to `max` records to `batch`, and tells how many. Fewer only at the end.
    ///
    /// Events are those a parser makes of the lines, with the record's index as the offset; `line_start` and `line_len`
    /// are 0 but for late ones. Late and broken records are rendered: their lines, each with `\n`, are appended to `slab`,
    /// which they and each [`engine_model::RejectedLine::line`] point into, with the reason and field a parser must give (and no `at`).
    /// The batch's header is left alone; see [`Simulator::header`]. About 80 ns a record. Once the vectors have
    /// grown nothing is allocated but for a few of the broken records.
    ///
    /// # Panics
    /// Where the slab passes 4 GiB.
    pub fn next_batch(&mut self, max: usize, batch: &mut Batch, slab: &mut Vec<u8>) -> usize {
        self.advance(max, EventTime::MAX, &mut Events::<false> { batch, slab })
    }

    /// Like [`Simulator::next_batch`], but only what has come out by `now`: for live use, where event time is the clock.
    pub fn next_batch_until(&mut self, now: EventTime, max: usize, batch: &mut Batch, slab: &mut Vec<u8>) -> usize {
        self.advance(max, now, &mut Events::<false> { batch, slab })
    }

    /// Like [`Simulator::next_batch_until`], with every record also as a line in `slab`, where its event points: for
    /// layers that keep lines as they came.
    pub fn next_batch_with_lines(
        &mut self,
        now: EventTime,
        max: usize,
        batch: &mut Batch,
        slab: &mut Vec<u8>,
    ) -> usize {
        self.advance(max, now, &mut Events::<true> { batch, slab })
    }

    /// Appends up to `max` records to `out` as JSON Lines, each with `\n`, and tells how many. Fewer only at the end.
    pub fn write_lines(&mut self, max: usize, out: &mut Vec<u8>) -> usize {
        self.advance(max, EventTime::MAX, &mut Lines(out))
    }

    /// Like [`Simulator::write_lines`], but only what has come out by `now`.
    pub fn write_lines_until(&mut self, now: EventTime, max: usize, out: &mut Vec<u8>) -> usize {
        self.advance(max, now, &mut Lines(out))
    }

    /// The instant at or after which the next record comes out; `None` at the end.
    pub fn next_due(&mut self) -> Option<EventTime> {
        if self.is_finished() {
            return None;
        }
        let next = self.journeys.due();
        let due = self.faults.due().min(next.unwrap_or(i64::MAX));
        (due != i64::MAX).then(|| EventTime::from_micros(due))
    }

    /// From now on, keeps the truth about each record until it is taken: 48 bytes a record.
    pub fn keep_truth(&mut self) {
        self.truths.get_or_insert_default();
    }

    /// Takes the truth about the records given since it was last taken, in their order; nothing unless
    /// [`Simulator::keep_truth`] was called.
    pub fn take_truth(&mut self) -> Vec<Truth> {
        self.truths.as_mut().map(std::mem::take).unwrap_or_default()
    }

    fn advance<S: Sink>(&mut self, max: usize, now: EventTime, sink: &mut S) -> usize {
        let now = now.as_micros();
        let wanted = self.left.min(max as u64);
        let mut left = wanted;
        while left > 0 {
            let next = self.journeys.due();
            let due = self.faults.due();
            // What is held back goes first, and at the end all of it, whatever the instant.
            let given = if due <= next.unwrap_or(i64::MAX - 1) || (next.is_none() && due != i64::MAX) {
                due <= now && {
                    if let Some(held) = self.faults.let_go(next) {
                        self.give_held(&held, sink);
                        left -= 1;
                    }
                    true
                }
            } else if let Some(time) = next {
                time <= now && {
                    left -= u64::from(self.happen(EventTime::from_micros(time), sink));
                    true
                }
            } else {
                self.is_finished = true;
                false
            };
            if !given {
                break;
            }
        }
        let count = wanted - left;
        self.left -= count;
        usize::try_from(count).expect("at most `max`")
    }

    /// Lets the next thing happen; whether a record of it came out.
    #[inline]
    fn happen<S: Sink>(&mut self, time: EventTime, sink: &mut S) -> bool {
        let Some(body) = self.journeys.act() else { return false };
        let record = Record { time, number: self.number, body };
        self.number += 1;
        match self.faults.choose() {
            Fault::None => {}
            Fault::Duplicate => self.faults.hold(&record, Fault::Duplicate),
            fault @ (Fault::Delayed | Fault::Late) => {
                self.faults.hold(&record, fault);
                return false;
            }
            Fault::Malformed => {
                self.give_broken(&record, sink);
                return true;
            }
        }
        let (verdict, is_delayed) = self.faults.judge(time, false);
        self.give(&record, Fault::None, verdict, is_delayed, sink);
        true
    }

    #[cold]
    fn give_held<S: Sink>(&mut self, held: &Held, sink: &mut S) {
        let is_copy = held.fault == Fault::Duplicate;
        let (verdict, is_delayed) = self.faults.judge(held.record.time, is_copy);
        debug_assert!(!is_copy || verdict == Verdict::Duplicate, "a copy comes in time");
        let fault = match (verdict, is_delayed) {
            (Verdict::Duplicate, _) => Fault::Duplicate,
            (Verdict::Late, _) => Fault::Late,
            (_, true) => Fault::Delayed,
            // It was held back while nothing else happened, which nobody can see.
            (_, false) => Fault::None,
        };
        self.give(&held.record, fault, verdict, is_delayed, sink);
    }

    #[cold]
    fn give_broken<S: Sink>(&mut self, record: &Record, sink: &mut S) {
        let malformation = Malformation::draw(&record.body, self.faults.bits());
        let rejection = malformation.rejection();
        self.line.clear();
        self.scribe.append_line(record, &mut self.line);
        malformation.apply(&mut self.line);
        sink.broken(&self.line, rejection, self.index);
        self.tell(Fault::Malformed, Verdict::Rejected(rejection), false);
    }

    #[inline]
    fn give<S: Sink>(&mut self, record: &Record, fault: Fault, verdict: Verdict, is_delayed: bool, sink: &mut S) {
        sink.valid(record, self.index, &mut self.scribe, verdict == Verdict::Late);
        self.tell(fault, verdict, is_delayed);
    }

    #[inline]
    fn tell(&mut self, fault: Fault, verdict: Verdict, is_delayed: bool) {
        if let Some(truths) = &mut self.truths {
            truths.push(Truth { lane: self.lane, index: self.index, fault, verdict, is_delayed });
        }
        self.index += 1;
    }
}
