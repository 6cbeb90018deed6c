//! One run: the threads, what is measured, and the verdict.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use engine::{CommitterGone, EmbedConfig, EmbedEnd, Observer, RunError, Shown, embed};
use engine_lake::Layers;
use engine_model::{Currency, EventTime, Micros, Semantics, UtcOffset, WindowLength};
use engine_window::Ledger;
use hdrhistogram::Histogram;

use crate::clock::Clock;
use crate::consumer::{Consumer, Control, Counted, Engine, Intake, Passed, Published};
use crate::generator::{AHEAD_MAX, Class, Generated, Maker, Outlet, RING_LEN, generate, new_histogram};
use crate::machine::{resident_bytes, steal_ticks};
use crate::schedule::{Arrivals, Schedule};

/// The share of the offered rate that must be held.
const HELD_SHARE_MIN: f64 = 0.995;

/// How often rate and memory are looked at.
const SAMPLE_INTERVAL: Duration = Duration::from_secs(1);

/// What is offered, to what.
#[derive(Clone, Debug)]
pub struct LoadConfig {
    /// Records a second.
    pub rate: f64,
    /// For how long.
    pub duration: Duration,
    /// How sends are spread over time.
    pub arrivals: Arrivals,
    /// Records that are sent at once.
    pub burst: u64,
    /// In what form.
    pub class: Class,
    /// Where the records and random arrivals come from.
    pub seed: u64,
    /// Customers known at the start.
    pub customers: u32,
    /// Products of the catalogue.
    pub products: u32,
    /// The base window.
    pub window: WindowLength,
    /// Longer windows.
    pub rollups: Vec<WindowLength>,
    /// How far the watermark trails.
    pub lateness: Micros,
    /// What the engine writes.
    pub layers: Layers,
    /// Where; a folder that is removed afterwards unless given.
    pub lake: Option<PathBuf>,
    /// Whether generator and engine thread have a core each.
    pub pin: bool,
    /// How long working off the backlog may take after the last send, whatever share of the run that is.
    pub drain_max: Duration,
}

impl LoadConfig {
    /// The rows' semantics.
    ///
    /// # Errors
    /// Where a rollup does not go with the window.
    pub fn semantics(&self) -> Result<Semantics, LoadError> {
        let offset = UtcOffset::ZERO;
        Ok(Semantics::new(self.window, &self.rollups, self.lateness, Currency::USD, offset)?)
    }

    /// What is simulated. Event time begins at noon, when trade is near the day's mean, and runs with the clock.
    fn simulation(&self) -> sim::Config {
        sim::Config {
            seed: self.seed,
            rate: self.rate,
            start: sim::Config::START.saturating_add(Micros::from_seconds(12 * 3_600)),
            customers: self.customers,
            products: self.products,
            window: self.window,
            lateness: self.lateness,
            ..sim::Config::default()
        }
    }
}

/// Why a run could not be made.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A rollup does not go with the window.
    #[error(transparent)]
    Rollup(#[from] engine_model::InvalidRollup),
    /// The simulator cannot make that.
    #[error(transparent)]
    Sim(#[from] sim::InvalidConfig),
    /// The engine failed.
    #[error("the engine: {0}")]
    Engine(RunError),
    /// The consumer that was given has stopped.
    #[error(transparent)]
    Consumer(#[from] CommitterGone),
    /// There is no room for a lake.
    #[error("making a folder for the lake: {0}")]
    Folder(std::io::Error),
}

impl LoadError {
    /// Whether the user has to change what was asked for (exit 2), rather than the world (exit 1).
    #[must_use]
    pub fn is_usage(&self) -> bool {
        match self {
            LoadError::Rollup(_) | LoadError::Sim(_) => true,
            LoadError::Engine(error) => error.is_usage(),
            LoadError::Consumer(_) | LoadError::Folder(_) => false,
        }
    }
}

/// What records are offered to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// The engine.
    Engine,
    /// Nothing: the harness itself.
    Control,
    /// Something that a test brings.
    Other,
}

impl Subject {
    /// Its name in outputs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Subject::Engine => "engine",
            Subject::Control => "control",
            Subject::Other => "other",
        }
    }
}

/// The state of a run at one moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// Seconds since the first intended send.
    pub second: f64,
    /// Records counted a second since the sample before.
    pub rate: f64,
    /// Bytes of memory resident.
    pub resident: Option<u64>,
}

/// What a run has shown.
#[derive(Clone, Debug)]
pub struct Run {
    /// What was asked for.
    pub config: LoadConfig,
    /// What records were offered to.
    pub subject: Subject,
    /// Records on the schedule.
    pub scheduled: u64,
    /// Records sent.
    pub sent: u64,
    /// From the intended send to counted, in nanoseconds.
    pub latency: Histogram<u64>,
    /// From the intended to the actual send, in nanoseconds.
    pub lateness: Histogram<u64>,
    /// How long closing windows kept the engine's thread from its records, in nanoseconds.
    pub pauses: Histogram<u64>,
    /// For each window closed during the load: from the intended send of the records by which the watermark passed its
    /// end to its rows being readable, in nanoseconds.
    pub readable: Histogram<u64>,
    /// Records counted.
    pub counted: u64,
    /// From the last intended send to the last record counted.
    pub drain: Duration,
    /// Event time that went by, for each second of the schedule.
    pub event_seconds_per_second: f64,
    /// The engine's books.
    pub ledger: Option<Ledger>,
    /// Base windows that the engine wrote, those closed after the load among them.
    pub windows: Option<u64>,
    /// The longest latency among the records counted in each second, in nanoseconds.
    pub latency_max_by_second: Vec<u64>,
    /// Rate and memory over time.
    pub samples: Vec<Sample>,
    /// CPU time that the hypervisor gave to others meanwhile.
    pub steal: Option<Duration>,
    /// The cores of generator and engine thread, where pinned.
    pub cores: Option<(usize, usize)>,
}

impl Run {
    /// Records a second on the schedule.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a rate")]
    pub fn offered(&self) -> f64 {
        self.scheduled as f64 / self.config.duration.as_secs_f64()
    }

    /// Records counted a second, from the first intended send to the end of the schedule or to the last record counted,
    /// whichever came last.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a rate")]
    pub fn held(&self) -> f64 {
        self.counted as f64 / (self.config.duration + self.drain).as_secs_f64()
    }

    /// Whether the rate was held: all records were counted, with 99.5 % of the offered rate, or at least with no backlog
    /// at the end that took longer than [`LoadConfig::drain_max`].
    #[must_use]
    pub fn is_held(&self) -> bool {
        let is_in_time = self.held() >= HELD_SHARE_MIN * self.offered() || self.drain <= self.config.drain_max;
        self.counted == self.scheduled && is_in_time
    }

    /// Records that were sent and that neither the count nor the engine's books know of.
    #[must_use]
    pub fn missing(&self) -> u64 {
        let booked = self
            .ledger
            .as_ref()
            .map_or(self.counted, |ledger| ledger.accepted + ledger.duplicates + ledger.late + ledger.rejected_total());
        self.sent.abs_diff(booked).max(self.sent.abs_diff(self.counted))
    }

    /// Whether the run was as it has to be.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.is_held() && self.missing() == 0
    }

    /// A quantile of the latency in nanoseconds.
    #[must_use]
    pub fn latency_at(&self, quantile: f64) -> u64 {
        self.latency.value_at_quantile(quantile)
    }
}

/// Offers the load to the engine or to nothing.
///
/// # Errors
/// Where that cannot be done, or the engine cannot write.
pub fn run(config: &LoadConfig, subject: Subject) -> Result<Run, LoadError> {
    if subject != Subject::Engine {
        return run_with(config, &mut Control).map(|run| Run { subject, ..run });
    }
    let folder = tempfile::tempdir().map_err(LoadError::Folder)?;
    let lake = config.lake.clone().unwrap_or_else(|| folder.path().join("lake"));
    let semantics = config.semantics()?;
    let base = semantics.base();
    let embed_config = EmbedConfig { semantics, lake, layers: config.layers, source: "loadtest".to_owned() };
    let (passed, passed_rx) = mpsc::channel();
    let (shown, shown_rx) = mpsc::channel();
    let outcome = offer(config, |intake| {
        let clock = intake.clock;
        let observer = Observer(Box::new(move |window| {
            // Nobody listens where the run is over.
            let _ = shown.send((window, clock.now()));
        }));
        embed(&embed_config, Some(observer), |feed| intake.drain(&mut Engine::new(feed, Currency::USD, passed)))
    })?;
    let shown: Vec<(Shown, u64)> = shown_rx.iter().filter(|(window, _)| window.grain == base).collect();
    let passed: Vec<Passed> = passed_rx.iter().collect();
    let (counted, EmbedEnd { ledger, windows }) = outcome.value.map_err(LoadError::Engine)?;
    let readable = readable(&shown, &passed);
    let run = outcome.harness.finish(config, counted);
    Ok(Run { subject, readable, ledger: Some(ledger), windows: Some(windows), ..run })
}

/// Offers the load to a consumer of the caller's.
///
/// # Errors
/// Where the consumer stops, or the load cannot be made.
pub fn run_with(config: &LoadConfig, consumer: &mut (impl Consumer + Send)) -> Result<Run, LoadError> {
    let outcome = offer(config, |intake| intake.drain(consumer))?;
    Ok(outcome.harness.finish(config, outcome.value?))
}

/// From passed to readable, of each window that both are known of: what closes at the end has not been passed.
fn readable(shown: &[(Shown, u64)], passed: &[Passed]) -> Histogram<u64> {
    let mut histogram = new_histogram();
    for (window, readable) in shown {
        // A watermark is a promise for windows that end at or before it.
        if let Some(passed) = passed.iter().find(|passed| passed.watermark >= window.end) {
            histogram.saturating_record(readable.saturating_sub(passed.intended));
        }
    }
    histogram
}

/// What the harness saw, and what the consumer's thread returned.
struct Outcome<T> {
    value: T,
    harness: Harness,
}

/// What the harness saw.
struct Harness {
    generated: Generated,
    samples: Vec<(u64, u64, Option<u64>)>,
    steal: Option<Duration>,
    cores: Option<(usize, usize)>,
}

/// Runs the generator's thread and `consume` on another, and looks on.
fn offer<T: Send>(config: &LoadConfig, consume: impl FnOnce(Intake<'_>) -> T + Send) -> Result<Outcome<T>, LoadError> {
    let schedule = Schedule::new(config.rate, config.duration, config.arrivals, config.burst, config.seed);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an estimate")]
    let records = (config.rate * config.duration.as_secs_f64()) as u64;
    let maker = Maker::new(&config.simulation(), config.class, records)?;
    let clock = Clock::start();
    let (tx, rx) = rtrb::RingBuffer::new(RING_LEN);
    // As many as there can be: one more is made only when all are ahead, on the ring or being counted.
    let (empty, empty_rx) = rtrb::RingBuffer::new(RING_LEN + AHEAD_MAX + 2);
    let (counted, is_ready) = (Published::default(), AtomicBool::new(false));
    let mut cores = core_affinity::get_core_ids().unwrap_or_default();
    // From the last core down: interrupts tend to be served by the first.
    cores.reverse();
    let cores = match cores[..] {
        [engine, generator, ..] if config.pin => Some((generator, engine)),
        _ => None,
    };
    let intake = Intake { rx, empty, clock, is_ready: &is_ready, counted: &counted, core: cores.map(|(_, core)| core) };
    let outlet = Outlet { tx, empty: empty_rx, is_ready: &is_ready };
    let (done, done_rx) = mpsc::channel::<()>();
    let steal = steal_ticks();
    thread::scope(|scope| {
        let consumer = thread::Builder::new().name("engine".to_owned()).spawn_scoped(scope, move || {
            // Dropped with the thread's end, also by a panic.
            let _done = done;
            consume(intake)
        });
        let consumer = consumer.expect("the system can start a thread");
        let generator = thread::Builder::new().name("generator".to_owned()).spawn_scoped(scope, move || {
            if let Some((core, _)) = cores {
                core_affinity::set_for_current(core);
            }
            generate(schedule, maker, outlet, clock)
        });
        let generator = generator.expect("the system can start a thread");
        let mut samples = Vec::new();
        let sample = || (clock.now(), counted.0.load(Relaxed), resident_bytes());
        samples.push(sample());
        while done_rx.recv_timeout(SAMPLE_INTERVAL) == Err(RecvTimeoutError::Timeout) {
            samples.push(sample());
        }
        let value = consumer.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        let generated = generator.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        let steal = steal_ticks().zip(steal).map(|(now, before)| Duration::from_millis(10 * (now - before)));
        let cores = cores.map(|(generator, engine)| (generator.id, engine.id));
        Ok(Outcome { value, harness: Harness { generated, samples, steal, cores } })
    })
}

impl Harness {
    #[expect(clippy::cast_precision_loss, reason = "rates and seconds of a run")]
    fn finish(self, config: &LoadConfig, counted: Counted) -> Run {
        let Harness { generated, samples, steal, cores } = self;
        let Generated { start, scheduled, sent, lateness, intended_last, event_times } = generated;
        let (began, ended): (EventTime, EventTime) = event_times;
        let seconds = |nanos: u64| nanos as f64 / 1e9;
        let samples = samples
            .windows(2)
            .filter(|pair| pair[1].0 > start && pair[1].1 > pair[0].1)
            .map(|pair| {
                let ((before, counted_before, _), (now, counted, resident)) = (pair[0], pair[1]);
                let span = seconds(now - before.max(start));
                let rate = (counted - counted_before) as f64 / span;
                Sample { second: seconds(now - start), rate, resident }
            })
            .collect();
        let event_seconds = (ended - began).get() as f64 / 1e6;
        Run {
            config: config.clone(),
            subject: Subject::Other,
            scheduled,
            sent,
            latency: counted.latency,
            lateness,
            pauses: counted.pauses,
            readable: new_histogram(),
            counted: counted.records,
            drain: Duration::from_nanos(counted.counted_last.saturating_sub(intended_last)),
            event_seconds_per_second: event_seconds / config.duration.as_secs_f64(),
            ledger: None,
            windows: None,
            latency_max_by_second: counted.latency_max_by_second,
            samples,
            steal,
            cores,
        }
    }
}
