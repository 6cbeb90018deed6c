//! Goal: the load tester tells the truth about loads that are held, loads that are not, and stalls.
//!
//! Method: short runs at rates that any machine holds, and a consumer that stalls or sleeps on purpose. No time is
//! asserted but those that were put in.

use std::thread;
use std::time::{Duration, Instant};

use engine::CommitterGone;
use engine_lake::Layers;
use engine_model::{Micros, WindowLength};
use loadtests::{Arrivals, Class, Consumer, LoadConfig, Parcel, Subject, run, run_with};

const STALL: Duration = Duration::from_millis(200);

fn config(rate: f64, duration: Duration) -> LoadConfig {
    LoadConfig {
        rate,
        duration,
        arrivals: Arrivals::Constant,
        burst: 1,
        class: Class::Struct,
        seed: 1,
        customers: 1_000,
        products: 100,
        window: WindowLength::new(Micros::SECOND).unwrap(),
        rollups: Vec::new(),
        lateness: Micros::new(200_000),
        layers: Layers::default(),
        lake: None,
        // Tests share their machine.
        pin: false,
        drain_max: Duration::from_secs(5),
    }
}

/// Stalls once, after a number of records.
struct StallsOnce {
    after: u64,
    seen: u64,
}

impl Consumer for StallsOnce {
    fn count(&mut self, parcel: &mut Parcel) -> Result<(), CommitterGone> {
        let before = self.seen;
        self.seen += parcel.intended.len() as u64;
        if before < self.after && self.seen >= self.after {
            thread::sleep(STALL);
        }
        Ok(())
    }
}

/// Takes longer for each record than there is between two.
struct TooSlow;

impl Consumer for TooSlow {
    fn count(&mut self, parcel: &mut Parcel) -> Result<(), CommitterGone> {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_micros(100) * u32::try_from(parcel.intended.len()).unwrap() {
            std::hint::spin_loop();
        }
        Ok(())
    }
}

/// Fails after some records.
struct Fails {
    left: usize,
}

impl Consumer for Fails {
    fn count(&mut self, parcel: &mut Parcel) -> Result<(), CommitterGone> {
        self.left = self.left.checked_sub(parcel.intended.len()).ok_or(CommitterGone)?;
        Ok(())
    }
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap()
}

#[test]
fn a_stall_shows_with_all_the_records_that_it_has_hit() {
    let run = run_with(&config(20_000.0, Duration::from_secs(2)), &mut StallsOnce { after: 10_000, seen: 0 }).unwrap();
    assert_eq!((run.scheduled, run.sent, run.counted, run.missing()), (40_000, 40_000, 40_000, 0));
    // Three digits of the value are kept.
    assert!(run.latency.max() >= nanos(STALL) * 999 / 1_000, "{} ns", run.latency.max());
    // 4 000 records were due during the stall, a tenth of all, evenly spread over it: half of them waited for more than
    // half of it. One that measures from the actual send would see one record.
    let slow = run.latency.count_between(nanos(STALL) / 2, u64::MAX);
    assert!(slow >= 1_900, "{slow} records");
    assert!(run.latency_at(0.99) >= nanos(STALL) / 2, "{} ns", run.latency_at(0.99));
}

#[test]
fn a_stall_longer_than_the_bound_holds_the_generator_up_and_still_counts_from_the_intended_send() {
    // 200 000 records are due during the stall, three times as many as may be under way.
    let config = config(1e6, Duration::from_millis(500));
    let run = run_with(&config, &mut StallsOnce { after: 200_000, seen: 0 }).unwrap();
    assert_eq!((run.counted, run.missing()), (500_000, 0));
    assert!(run.lateness.max() >= nanos(STALL) / 4, "the generator was held up: {} ns", run.lateness.max());
    let slow = run.latency.count_between(nanos(STALL) / 2, u64::MAX);
    assert!(slow >= 95_000, "{slow} records");
}

#[test]
fn a_consumer_that_is_too_slow_does_not_hold_the_rate() {
    // A tenth of what is offered can be held at the most: nine seconds of backlog, but for the second offered.
    let config = LoadConfig { drain_max: Duration::from_millis(200), ..config(100_000.0, Duration::from_millis(200)) };
    let run = run_with(&config, &mut TooSlow).unwrap();
    assert_eq!((run.counted, run.missing()), (20_000, 0));
    assert!(!run.is_held() && !run.is_good(), "{} of {}", run.held(), run.offered());
    assert!(run.held() < 0.2 * run.offered(), "{} of {}", run.held(), run.offered());
    assert!(run.drain >= Duration::from_secs(1), "{:?}", run.drain);
}

#[test]
fn a_consumer_that_stops_ends_the_run_with_its_error() {
    let outcome = run_with(&config(1e6, Duration::from_mins(1)), &mut Fails { left: 100 });
    assert_eq!(outcome.unwrap_err().to_string(), "the committer has stopped");
}

#[test]
fn the_engine_counts_every_record_in_either_form_and_at_random_times() {
    for (class, arrivals, burst) in [
        (Class::Struct, Arrivals::Poisson, 1),
        (Class::Json, Arrivals::Constant, 700),
        (Class::Json, Arrivals::Poisson, 3),
    ] {
        let config = LoadConfig { class, arrivals, burst, ..config(20_000.0, Duration::from_secs(3)) };
        let run = run(&config, Subject::Engine).unwrap();
        let ledger = run.ledger.as_ref().expect("the engine keeps books");
        assert!(run.is_good(), "{class:?}, {arrivals:?}: {ledger:?}");
        assert_eq!(ledger.records, run.scheduled);
        assert!(ledger.accepted > 0 && ledger.duplicates > 0 && ledger.rejected_total() > 0, "{ledger:?}");
        assert_eq!(run.latency.len(), run.scheduled);
        assert_eq!(run.lateness.len(), run.scheduled);
        // Three windows, the first two closed by the clock.
        assert!(run.windows.is_some_and(|windows| (3..=4).contains(&windows)), "{:?}", run.windows);
        assert!(run.pauses.len() >= 2 && !run.readable.is_empty(), "{} closings", run.pauses.len());
    }
}
