//! A run: from inputs to a lake, and the threads in between.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::Instant;

use engine_lake::{CommitError, CreateError, Lake, Layer};
use engine_model::Grain;

use crate::commit::{Committed, Committer, CommitterError};
use crate::config::{Inputs, RunConfig};
use crate::dashboard::{Dashboard, Watch};
use crate::message::Gone;
use crate::partitions::{Partitions, SourceError};
use crate::pin::{core_count, cores, pin};
use crate::route::ShardLink;
use crate::shard::{ShardWork, SourceLink, run_shard};
use crate::simulate::lanes;
use crate::snapshot::Listener;
use crate::source::{Downstream, Live, Source, SourceConfig, SourceEnd, SourceNames, TruthFile};
use crate::status::Status;
use crate::summary::{RunEnd, Summary};

/// Messages on a ring from a source to a shard: some 128 KiB of events each.
const EVENT_RING_LEN: usize = 32;

/// Messages on the ring to an only shard: whole batches of some 64 KiB, few enough to stay in the caches.
const PIPE_RING_LEN: usize = 8;

/// Messages on a ring to the committer. Each may be a window's part, so few are enough to keep it busy.
pub(crate) const REPORT_RING_LEN: usize = 16;

/// Why a run could not be made or did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The lake cannot be used.
    #[error(transparent)]
    Lake(#[from] CreateError),
    /// The truth about what is simulated cannot be kept.
    #[error("{0}")]
    Truth(String),
    /// The simulator cannot do what was asked.
    #[error(transparent)]
    Sim(#[from] sim::InvalidConfig),
    /// Something could not be written. What was committed before stays.
    #[error("writing the lake failed")]
    Commit(#[from] CommitError),
}

impl From<SourceError> for RunError {
    fn from(error: SourceError) -> RunError {
        RunError::Truth(error.to_string())
    }
}

impl RunError {
    /// Whether the user has to change what was asked for (exit 2), rather than the world (exit 1).
    #[must_use]
    pub fn is_usage(&self) -> bool {
        match self {
            RunError::Lake(CreateError::Occupied { .. } | CreateError::NotAFolder { .. }) | RunError::Sim(_) => true,
            RunError::Lake(CreateError::Store { .. }) | RunError::Truth(_) | RunError::Commit(_) => false,
        }
    }
}

/// Reads all inputs into a new lake. Blocks until everything is written; `stop` ends it early, with what is closed
/// by then. `status` shows how far it has come.
///
/// # Errors
/// Where the lake cannot be made (then nothing has been read), or a write fails. That an input cannot be read on is no
/// error here: what was read stays, and the summary says so.
///
/// # Panics
/// Where a thread has panicked, with its panic.
pub fn run(config: &RunConfig, status: &Status, stop: &Arc<AtomicBool>) -> Result<Summary, RunError> {
    run_with(config, status, stop, None)
}

/// The same, with a dashboard that begins to answer once the lake is there, and goes on after the run until
/// [`Dashboard::end`].
///
/// # Errors
/// As [`run`].
///
/// # Panics
/// As [`run`], and where the dashboard has shown another run.
pub fn run_shown(
    config: &RunConfig,
    status: &Status,
    stop: &Arc<AtomicBool>,
    dashboard: &mut Dashboard,
) -> Result<Summary, RunError> {
    run_with(config, status, stop, Some(dashboard))
}

fn run_with(
    config: &RunConfig,
    status: &Status,
    stop: &Arc<AtomicBool>,
    dashboard: Option<&mut Dashboard>,
) -> Result<Summary, RunError> {
    let started = Instant::now();
    let names = Arc::new(SourceNames(config.inputs.names()));
    let base = config.semantics.base();
    let source_config = SourceConfig {
        currency: config.semantics.currency(),
        max_future: config.max_future,
        pace: config.pace,
        layers: config.layers,
        live: config.inputs.is_live().then_some(Live { idle_timeout: config.idle_timeout }),
    };
    // What can be refused is looked at first, so that a refused run reads nothing and leaves everything as it was.
    let mut truth = None;
    if let Inputs::Sim { config: sim, truth: path } = &config.inputs {
        sim.check()?;
        truth = path.as_deref().map(TruthFile::open).transpose()?;
    }
    let lake = Lake::create(&config.lake, &config.semantics, config.layers)?;
    if let Some(truth) = &truth {
        truth.clear()?;
    }
    let partitions = match &config.inputs {
        Inputs::Lines(inputs) => Partitions::open(inputs, &config.semantics, &source_config.rules(), stop),
        Inputs::Sim { config: sim, .. } => Partitions::simulated(lanes(sim, truth.is_some())?, &config.semantics),
    };
    let make_shard = || ShardWork::new(&config.semantics, Arc::clone(&names), config.layers);

    // One shard beside its source needs a core of its own to gain anything.
    // A source that waits for stdin answers nobody who looks on meanwhile; a shard of its own does.
    let is_waited_for = dashboard.is_some() && config.inputs.is_stream() && !config.inputs.is_live();
    let is_fused = config.shards == 1 && core_count() == 1 && !is_waited_for;
    let shard_threads = if is_fused { 0 } else { config.shards };
    let mut cores = cores(1 + shard_threads, config.pin).into_iter();
    let source_core = cores.next().flatten();
    // Snapshots come from every shard's thread, or from the one thread that is also the shard.
    let watch = dashboard.map(|dashboard| dashboard.start(shard_threads.max(1)));
    let bell = watch.as_ref().map(Watch::bell);
    let listener = || Listener::new(bell.clone());
    let (source_reports, source_reports_rx) = rtrb::RingBuffer::new(REPORT_RING_LEN);
    let mut reports = vec![source_reports_rx];

    let outcome = thread::scope(|scope| {
        let downstream = if is_fused {
            Downstream::Fused(Box::new(make_shard()), listener())
        } else {
            let mut links = Vec::new();
            let ring_len = if shard_threads == 1 { PIPE_RING_LEN } else { EVENT_RING_LEN };
            for (index, core) in (0..shard_threads).zip(cores) {
                let (tx, rx) = rtrb::RingBuffer::new(ring_len);
                // One more than can be under way, so that a batch always finds its way back.
                let (empty_tx, empty_rx) = rtrb::RingBuffer::new(ring_len + 1);
                links.push(ShardLink::new(tx, empty_rx));
                let (shard_reports, shard_reports_rx) = rtrb::RingBuffer::new(REPORT_RING_LEN);
                reports.push(shard_reports_rx);
                let work = make_shard();
                let status = (index == 0).then_some(status);
                let listener = listener();
                let body = move || {
                    pin(core);
                    run_shard(work, vec![SourceLink::new(rx, empty_tx)], shard_reports, listener, status)
                };
                spawn(scope, format!("shard-{index}"), body);
            }
            match <[ShardLink; 1]>::try_from(links) {
                Ok([only]) => Downstream::Piped(only),
                Err(links) => Downstream::Routed(links),
            }
        };
        // Who asks for a pace wants to look on.
        let is_stream = config.inputs.is_stream() || config.pace.is_some();
        let committer = Committer::new(&config.semantics, &lake, reports, is_stream).watched_by(watch);
        let committer = spawn(scope, "committer".to_owned(), move || committer.run());
        let source =
            Source::new(source_config, base, Arc::clone(&names), downstream, source_reports, status, Arc::clone(stop));
        let source = spawn(scope, "source".to_owned(), move || {
            pin(source_core);
            source.with_truth(truth).run(partitions)
        });
        let source = source.join();
        let committer = committer.join();
        // Whoever panicked first has left the others with a ring that leads nowhere; scope passes the panic on.
        match (source, committer) {
            (Ok(source), Ok(committer)) => Some((source, committer)),
            _ => None,
        }
    });
    let (source, committed) = outcome.expect("a thread has panicked; its message stands above");
    finish(config, &lake, base, started, source, committed)
}

/// Puts together what the threads say.
fn finish(
    config: &RunConfig,
    lake: &Lake,
    base: Grain,
    started: Instant,
    source: Result<SourceEnd, Gone>,
    committed: Result<Committed, CommitterError>,
) -> Result<Summary, RunError> {
    let Committed { ledger, windows, saturated, open_windows, figures } = match committed {
        Ok(committed) => committed,
        Err(CommitterError::Write(error)) => return Err(RunError::Commit(error)),
        Err(CommitterError::Gone) => panic!("a thread is gone without a word"),
    };
    assert!(ledger.adds_up(), "the ledger does not add up: {ledger:?}");
    let end = match source {
        Ok(SourceEnd::Finished) => RunEnd::Finished,
        Ok(SourceEnd::Stopped) => RunEnd::Interrupted,
        Ok(SourceEnd::Failed(error)) => RunEnd::SourceFailed(error.to_string()),
        Err(Gone) => panic!("the source lost its committer, which ended well"),
    };
    Ok(Summary {
        end,
        ledger,
        windows,
        open_windows: open_windows.into_iter().map(|window| base.end(window)).collect(),
        saturated,
        elapsed: started.elapsed(),
        has_gold: lake.layers().contains(Layer::Gold),
        lake: config.lake.clone(),
        figures,
    })
}

/// A named thread; the name stands in panics and in tools that list threads.
pub(crate) fn spawn<'scope, T: Send + 'scope>(
    scope: &'scope thread::Scope<'scope, '_>,
    name: String,
    body: impl FnOnce() -> T + Send + 'scope,
) -> thread::ScopedJoinHandle<'scope, T> {
    thread::Builder::new().name(name).spawn_scoped(scope, body).expect("the system can start a thread")
}
