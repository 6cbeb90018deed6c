//! The engine's thread: takes parcels from the ring, has them counted, and notes when.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::Sender;

use engine::{CommitterGone, Feed, rules_now};
use engine_model::{Currency, EventTime, Micros};
use engine_parse::{Rules, Slab};
use hdrhistogram::Histogram;
use rtrb::{Consumer as RingConsumer, Producer};

use crate::clock::Clock;
use crate::generator::new_histogram;
use crate::parcel::{Parcel, Records};

/// What is measured: something that counts records.
pub trait Consumer {
    /// Counts the parcel's records. Their latency ends when this returns.
    ///
    /// # Errors
    /// Where it cannot go on.
    fn count(&mut self, parcel: &mut Parcel) -> Result<(), CommitterGone>;

    /// Whether windows are to be closed now.
    fn is_due(&self) -> bool {
        false
    }

    /// Closes windows. The time that this takes is a pause for the records that come meanwhile. `intended` is when the
    /// parcel that has made it due should have been sent.
    ///
    /// # Errors
    /// Where it cannot go on.
    fn close(&mut self, intended: u64) -> Result<(), CommitterGone> {
        let _ = intended;
        Ok(())
    }
}

/// Does nothing: what is measured then is the harness and the machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct Control;

impl Consumer for Control {
    fn count(&mut self, _: &mut Parcel) -> Result<(), CommitterGone> {
        Ok(())
    }
}

/// A watermark that has passed the end of a window.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Passed {
    pub(crate) watermark: EventTime,
    /// When the first record of the parcel that moved it should have been sent.
    pub(crate) intended: u64,
}

/// The engine.
pub(crate) struct Engine<'a, 'b> {
    feed: &'a mut Feed<'b>,
    rules: Rules,
    currency: Currency,
    passed: Sender<Passed>,
}

impl<'a, 'b> Engine<'a, 'b> {
    pub(crate) fn new(feed: &'a mut Feed<'b>, currency: Currency, passed: Sender<Passed>) -> Engine<'a, 'b> {
        Engine { feed, rules: rules_now(currency, MAX_FUTURE), currency, passed }
    }
}

/// In nanoseconds.
const SECOND: u64 = 1_000_000_000;

/// How far ahead of the clock an event may be. Those of a run lie in the past.
const MAX_FUTURE: Micros = Micros::from_seconds(300);

impl Consumer for Engine<'_, '_> {
    fn count(&mut self, parcel: &mut Parcel) -> Result<(), CommitterGone> {
        match &mut parcel.records {
            Records::Events(batch, slab) => self.feed.take_batch(batch, slab),
            Records::Lines(lines, offset) => {
                self.feed.take_lines(Slab { bytes: lines, offset: *offset, oversized: None }, &self.rules)
            }
        }
    }

    fn is_due(&self) -> bool {
        self.feed.is_due()
    }

    fn close(&mut self, intended: u64) -> Result<(), CommitterGone> {
        // Nobody listens where the run is over.
        let _ = self.passed.send(Passed { watermark: self.feed.watermark().get(), intended });
        self.rules = rules_now(self.currency, MAX_FUTURE);
        self.feed.advance()
    }
}

/// A counter on a cache line of its own, so that who reads it does not hold up its neighbours.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Published(pub(crate) AtomicU64);

/// The consumer's ends of the rings.
#[derive(Debug)]
pub struct Intake<'a> {
    pub(crate) rx: RingConsumer<Box<Parcel>>,
    /// Emptied parcels on their way back.
    pub(crate) empty: Producer<Box<Parcel>>,
    pub(crate) clock: Clock,
    pub(crate) is_ready: &'a AtomicBool,
    pub(crate) counted: &'a Published,
    pub(crate) core: Option<core_affinity::CoreId>,
}

/// What the consumer's thread has seen.
#[derive(Clone, Debug)]
pub struct Counted {
    /// Records counted.
    pub records: u64,
    /// From the intended send to counted, of each record, in nanoseconds.
    pub latency: Histogram<u64>,
    /// How long each closing of windows took, in nanoseconds.
    pub pauses: Histogram<u64>,
    /// The longest latency among the records counted in each second since the first parcel came, in nanoseconds.
    pub latency_max_by_second: Vec<u64>,
    /// When the last record was counted, by the run's clock.
    pub counted_last: u64,
}

impl Intake<'_> {
    /// Takes parcels until the generator has ended. Pins the calling thread.
    ///
    /// # Errors
    /// Where the consumer cannot go on.
    pub fn drain(mut self, consumer: &mut impl Consumer) -> Result<Counted, CommitterGone> {
        if let Some(core) = self.core {
            core_affinity::set_for_current(core);
        }
        let mut counted = Counted {
            records: 0,
            latency: new_histogram(),
            pauses: new_histogram(),
            latency_max_by_second: Vec::new(),
            counted_last: 0,
        };
        let (mut second_end, mut latency_max) = (0, 0);
        // Release pairs with the generator's Acquire: from here on nothing is set up any more.
        self.is_ready.store(true, Ordering::Release);
        loop {
            let mut parcel = match self.rx.pop() {
                Ok(parcel) => parcel,
                Err(_) if self.rx.is_abandoned() => {
                    // Between the two looks the generator may have sent its last parcel and gone: look again.
                    let Ok(parcel) = self.rx.pop() else {
                        counted.latency_max_by_second.push(latency_max);
                        return Ok(counted);
                    };
                    parcel
                }
                Err(_) => {
                    std::hint::spin_loop();
                    continue;
                }
            };
            consumer.count(&mut parcel)?;
            let now = self.clock.now();
            for &intended in &parcel.intended {
                counted.latency.saturating_record(now.saturating_sub(intended));
            }
            counted.records += parcel.intended.len() as u64;
            // Intended times ascend, so the first has waited longest.
            let longest = now.saturating_sub(parcel.intended[0]);
            if second_end == 0 {
                second_end = now + SECOND;
            }
            while now >= second_end {
                counted.latency_max_by_second.push(std::mem::take(&mut latency_max));
                second_end += SECOND;
            }
            latency_max = latency_max.max(longest);
            counted.counted_last = now;
            // Relaxed: a figure to look at, nothing hangs on it.
            self.counted.0.store(counted.records, Ordering::Relaxed);
            if consumer.is_due() {
                let before = self.clock.now();
                consumer.close(parcel.intended[0])?;
                counted.pauses.saturating_record(self.clock.now() - before);
            }
            // Where the way back is full, enough parcels are under way and this one is freed.
            let _ = self.empty.push(parcel);
        }
    }
}
