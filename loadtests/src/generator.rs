//! The generator thread: simulates ahead, and sends at the intended times.
//!
//! Records due within a microsecond of each other make a parcel. Where the consumer is behind, so that sending at once
//! gains nothing, parcels are longer, as what has gathered in a socket would be. Which records come when is fixed
//! beforehand, however the run goes. While nothing is due the next parcels are made, one at a time, so
//! that making one delays no other by more than the time for its records.

use std::collections::VecDeque;
use std::iter::Peekable;
use std::sync::atomic::{AtomicBool, Ordering::Acquire};

use engine::Feed;
use engine_model::{Batch, EventTime};
use hdrhistogram::Histogram;
use rtrb::{Consumer, Producer};
use sim::{InvalidConfig, Simulator};

use crate::clock::Clock;
use crate::parcel::{Parcel, Records};
use crate::schedule::Schedule;

/// Records due within this many nanoseconds are sent as one.
pub(crate) const SLICE: u64 = 1_000;

/// The same where the consumer is behind.
const SLICE_BEHIND: u64 = 10_000;

/// How far ahead parcels are made where the consumer is behind, so that it gets short ones as soon as it is not.
const AHEAD_BEHIND: u64 = 20_000;

/// So many parcels on the ring mean that the consumer is behind.
const BEHIND_PARCELS: usize = 64;

/// The most records of a parcel, also of a burst.
const PARCEL_RECORDS_MAX: usize = 512;

/// Parcels on the ring.
pub(crate) const RING_LEN: usize = 4_096;

/// Parcels that are made ahead.
pub(crate) const AHEAD_MAX: usize = 64;

/// Records made and not yet counted, at which the generator waits for the engine; it bounds memory.
const UNCOUNTED_RECORDS_MAX: usize = 1 << 16;

/// The least and the most records that are made to learn how fast event time runs.
const CALIBRATION_RECORDS: (u64, u64) = (5_000, 4_000_000);

/// From when all threads are ready to the first intended send.
const LEAD: u64 = 20_000_000;

/// In what form records are offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Class {
    /// Parsed already: measures judging, dedup and adding up.
    Struct,
    /// JSON Lines of some 220 bytes: parsing too.
    Json,
}

/// What the generator did.
#[derive(Debug)]
pub(crate) struct Generated {
    /// When the schedule began, by the run's clock.
    pub(crate) start: u64,
    /// Records that the schedule holds, unless the consumer went away.
    pub(crate) scheduled: u64,
    /// Records sent.
    pub(crate) sent: u64,
    /// From the intended to the actual send, of each record.
    pub(crate) lateness: Histogram<u64>,
    /// The intended time of the last record sent.
    pub(crate) intended_last: u64,
    /// The event time that the simulation has come to, and began with.
    pub(crate) event_times: (EventTime, EventTime),
}

/// Makes the records of a run.
#[derive(Debug)]
pub(crate) struct Maker {
    simulator: Simulator,
    class: Class,
    /// Of the next line's first byte.
    offset: u64,
}

impl Maker {
    /// Makes records of `class`. `config.rate` is taken as the records a second of event time that are wanted: the
    /// simulator's own rate is adjusted to the hour's traffic and to the faults, over the first `records`.
    pub(crate) fn new(config: &sim::Config, class: Class, records: u64) -> Result<Maker, InvalidConfig> {
        let rate = calibrated_rate(config, records)?;
        let simulator = Simulator::new(&sim::Config { rate, ..config.clone() }, 0)?;
        Ok(Maker { simulator, class, offset: 0 })
    }

    fn empty_parcel(&self) -> Parcel {
        let records = match self.class {
            Class::Struct => Records::Events(Batch::default(), Vec::new()),
            Class::Json => Records::Lines(Vec::new(), 0),
        };
        Parcel { records, intended: Vec::new() }
    }

    /// Fills the parcel with as many records as it has intended times.
    fn fill(&mut self, parcel: &mut Parcel) {
        let count = parcel.intended.len();
        let made = match &mut parcel.records {
            Records::Events(batch, slab) => {
                slab.clear();
                batch.reset(self.simulator.header(Feed::PARTITION));
                self.simulator.next_batch(count, batch, slab)
            }
            Records::Lines(lines, offset) => {
                lines.clear();
                *offset = self.offset;
                let made = self.simulator.write_lines(count, lines);
                self.offset += lines.len() as u64;
                made
            }
        };
        assert_eq!(made, count, "a simulation without a bound does not end");
    }
}

/// The rate to give the simulator so that `config.rate` records come out a second of event time, over the first
/// `records`, as far as a fraction of a second of trying tells.
fn calibrated_rate(config: &sim::Config, records: u64) -> Result<f64, InvalidConfig> {
    let records = records.clamp(CALIBRATION_RECORDS.0, CALIBRATION_RECORDS.1);
    let mut simulator = Simulator::new(config, 0)?;
    let (mut batch, mut slab) = (Batch::default(), Vec::new());
    let mut made = 0;
    while made < records {
        batch.reset(batch.header);
        slab.clear();
        made += simulator.next_batch(PARCEL_RECORDS_MAX, &mut batch, &mut slab) as u64;
    }
    let Some(end) = simulator.next_due() else { unreachable!("a simulation without a bound does not end") };
    #[expect(clippy::cast_precision_loss, reason = "a rate")]
    let rate = made as f64 * 1e6 / (end - config.start).get().max(1) as f64;
    Ok(config.rate * config.rate / rate)
}

/// The generator's ends of the rings.
#[derive(Debug)]
pub(crate) struct Outlet<'a> {
    pub(crate) tx: Producer<Box<Parcel>>,
    /// Emptied parcels on their way back.
    pub(crate) empty: Consumer<Box<Parcel>>,
    pub(crate) is_ready: &'a AtomicBool,
}

/// The state of a generator thread.
struct Generator<'a> {
    schedule: Peekable<Schedule>,
    maker: Maker,
    outlet: Outlet<'a>,
    clock: Clock,
    start: u64,
    /// Parcels that wait for their time.
    ahead: VecDeque<Box<Parcel>>,
    /// Emptied parcels; the one that came back last is still in the cache and goes first.
    #[expect(clippy::vec_box, reason = "the ring carries boxes, so that a hop moves a pointer")]
    free: Vec<Box<Parcel>>,
    /// Records in parcels that have not come back.
    uncounted: usize,
    /// Parcels that are ahead, on the ring or being counted, as far as those that came back have been collected.
    under_way: usize,
    sent: u64,
    lateness: Histogram<u64>,
    intended_last: u64,
}

/// Sends the schedule's records at their times; ends early where the consumer goes away.
pub(crate) fn generate(schedule: Schedule, maker: Maker, outlet: Outlet<'_>, clock: Clock) -> Generated {
    let scheduled = schedule.clone().count() as u64;
    let mut generator = Generator {
        schedule: schedule.peekable(),
        maker,
        outlet,
        clock,
        start: 0,
        ahead: VecDeque::with_capacity(AHEAD_MAX),
        free: Vec::with_capacity(RING_LEN),
        uncounted: 0,
        under_way: 0,
        sent: 0,
        lateness: new_histogram(),
        intended_last: 0,
    };
    let began = generator.maker.simulator.next_due().unwrap_or(EventTime::MIN);
    // Acquire pairs with the consumer's Release: it is set up.
    while !generator.outlet.is_ready.load(Acquire) && !generator.outlet.tx.is_abandoned() {
        std::hint::spin_loop();
    }
    generator.start = clock.now() + LEAD;
    generator.run();
    let ended = generator.maker.simulator.next_due().unwrap_or(EventTime::MIN);
    Generated {
        start: generator.start,
        scheduled,
        sent: generator.sent,
        lateness: generator.lateness,
        intended_last: generator.intended_last,
        event_times: (began, ended),
    }
}

impl Generator<'_> {
    fn run(&mut self) {
        loop {
            let now = self.clock.now();
            while self.ahead.front().is_some_and(|parcel| parcel.due() <= now) {
                let Some(parcel) = self.ahead.pop_front() else { break };
                if !self.send(parcel) {
                    return;
                }
            }
            let has_room = self.ahead.len() < AHEAD_MAX && self.uncounted < UNCOUNTED_RECORDS_MAX;
            if has_room && self.is_near(now) && self.prepare() {
                continue;
            }
            if self.ahead.is_empty() && self.schedule.peek().is_none() {
                return;
            }
            self.collect();
            if self.uncounted >= UNCOUNTED_RECORDS_MAX && self.outlet.tx.is_abandoned() {
                return;
            }
            std::hint::spin_loop();
        }
    }

    /// Makes the parcel that is next on the schedule; whether there is one.
    fn prepare(&mut self) -> bool {
        let Some(&first) = self.schedule.peek() else { return false };
        if self.free.is_empty() || self.is_behind() {
            self.collect();
        }
        let slice = if self.is_behind() { SLICE_BEHIND } else { SLICE };
        let mut parcel = self.free.pop().unwrap_or_else(|| Box::new(self.maker.empty_parcel()));
        parcel.intended.clear();
        while parcel.intended.len() < PARCEL_RECORDS_MAX
            && let Some(offset) = self.schedule.next_if(|&offset| offset < first + slice)
        {
            parcel.intended.push(self.start + offset);
        }
        self.maker.fill(&mut parcel);
        self.uncounted += parcel.intended.len();
        self.under_way += 1;
        self.ahead.push_back(parcel);
        true
    }

    /// Whether it is time to make the next parcel.
    fn is_near(&mut self, now: u64) -> bool {
        let (is_behind, start) = (self.is_behind(), self.start);
        !is_behind || self.schedule.peek().is_some_and(|&offset| start + offset < now + AHEAD_BEHIND)
    }

    fn is_behind(&self) -> bool {
        self.under_way > self.ahead.len() + BEHIND_PARCELS
    }

    /// Takes emptied parcels back.
    fn collect(&mut self) {
        while let Ok(parcel) = self.outlet.empty.pop() {
            self.uncounted -= parcel.intended.len();
            self.under_way -= 1;
            self.free.push(parcel);
        }
    }

    /// Sends a parcel; waits while the ring is full. Whether there is still somebody to send to.
    fn send(&mut self, parcel: Box<Parcel>) -> bool {
        while self.outlet.tx.is_full() {
            if self.outlet.tx.is_abandoned() {
                return false;
            }
            std::hint::spin_loop();
        }
        // Before the parcel is gone, and after waiting for the ring.
        let now = self.clock.now();
        for due in parcel.intended.chunk_by(|a, b| a == b) {
            self.lateness.saturating_record_n(now.saturating_sub(due[0]), due.len() as u64);
        }
        self.intended_last = parcel.due();
        self.sent += parcel.intended.len() as u64;
        self.outlet.tx.push(parcel).is_ok()
    }
}

/// A histogram of spans from a nanosecond to a thousand seconds, with three digits.
pub(crate) fn new_histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 1_000_000_000_000, 3).expect("bounds and digits are in range")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn event_time_runs_as_fast_as_the_schedule() {
        for rate in [20_000.0, 1e6] {
            let config = sim::Config { rate, ..sim::Config::default() };
            let mut maker = Maker::new(&config, Class::Struct, 200_000).unwrap();
            let mut parcel = maker.empty_parcel();
            parcel.intended = vec![0; 500];
            for _ in 0..400 {
                maker.fill(&mut parcel);
            }
            #[expect(clippy::cast_precision_loss, reason = "a span of a test")]
            let seconds = (maker.simulator.next_due().unwrap() - config.start).get() as f64 / 1e6;
            let wanted = 200_000.0 / rate;
            assert!((seconds / wanted - 1.0).abs() < 0.05, "{seconds} s at {rate}, {wanted} s wanted");
        }
    }
}
