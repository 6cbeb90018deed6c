//! A run: from inputs to a lake, and the threads in between.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::Instant;

use engine_lake::{CommitError, CreateError, Lake, LakeWriter, Layer};
use engine_model::Watermark;
use engine_window::Merger;

use crate::commit::{Committed, Committer, CommitterError, CommitterStart};
use crate::config::{Inputs, RunConfig};
use crate::cut::PartitionCut;
use crate::dashboard::{Dashboard, Watch};
use crate::figures::Figures;
use crate::input_log::{LogPump, logged};
use crate::message::{CommitWish, Gone};
use crate::partitions::SourceError;
use crate::pin::{core_count, cores, pin};
use crate::resume::{Given, Plan, ResumeError, plan};
use crate::route::ShardLink;
use crate::shard::{ShardWork, SourceLink, run_shard};
use crate::show::latest_figures;
use crate::simulate::lane;
use crate::snapshot::Listener;
use crate::source::{
    Downstream, Live, OriginStart, PartitionStart, Source, SourceConfig, SourceDone, SourceEnd, SourceNames,
    SourceStart, TruthFile, clock,
};
use crate::status::Status;
use crate::summary::{Resumed, RunEnd, Summary};
use crate::testing;

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
    /// The lake does not go on with these inputs.
    #[error(transparent)]
    Resume(#[from] ResumeError),
    /// The truth about what is simulated cannot be kept.
    #[error("{0}")]
    Truth(String),
    /// The simulator cannot do what was asked.
    #[error(transparent)]
    Sim(#[from] sim::InvalidConfig),
    /// Something could not be written. What was committed before stays.
    #[error("writing the lake failed; what was committed stays, and the next run goes on from there")]
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
            RunError::Lake(error) => error.is_usage(),
            RunError::Resume(error) => error.is_usage(),
            RunError::Sim(_) => true,
            RunError::Truth(_) | RunError::Commit(_) => false,
        }
    }
}

/// Reads all inputs into a lake: a new one, or one that goes on from its last commit. Blocks until everything is written; `stop` ends it
/// early, with what is closed by then. `status` shows how far it has come.
///
/// # Errors
/// Where the lake cannot be made or gone on with (then nothing has been read or changed), or a write fails. That an input cannot be read on is
/// no error here: what was read stays, and the summary says so.
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
    // What can be refused is looked at first, so that a refused run reads nothing and leaves everything as it was.
    let mut truth = None;
    if let Inputs::Sim { config: sim, truth: path } = &config.inputs {
        sim.check()?;
        truth = path.as_deref().map(TruthFile::open).transpose()?;
    }
    let lake = Lake::open(&config.lake, &config.semantics, config.layers)?;
    let mut plan = plan(config, &lake)?;
    let resumed = Resumed::of(&lake, &plan);
    let merger = restored_merger(config, &lake, &plan)?;
    let writer = LakeWriter::start(&lake, &owner())?;
    if let Some(truth) = &truth {
        truth.clear()?;
    }
    let partitions: Vec<PartitionCut> = plan.partitions.iter().map(|planned| planned.cut.clone()).collect();
    let names = partitions.iter().map(|partition| (partition.source.clone(), partition.number)).collect();
    let names = Arc::new(SourceNames(names));
    status.name_partitions(names.0.iter().map(|(name, _)| name.clone()).collect());
    let (source_start, pumps) = source_start(config, &mut plan, truth.is_some())?;
    let committer_start = CommitterStart { writer, merger, cut: plan.cut, exclusions: plan.exclusions, partitions };

    let base = config.semantics.base();
    let source_config = SourceConfig {
        base,
        currency: config.semantics.currency(),
        max_future: config.max_future,
        pace: config.pace,
        batch_records: testing::batch_records(),
        layers: config.layers,
        live: config.inputs.is_live().then_some(Live { idle_timeout: config.idle_timeout }),
        at_end: config.at_end,
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
    let wish = CommitWish::default();

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
        for pump in pumps {
            spawn(scope, "input-log".to_owned(), move || pump.run());
        }
        // Who asks for a pace wants to look on.
        let is_stream = config.inputs.is_stream() || config.pace.is_some();
        let committer = Committer::new(&config.semantics, committer_start, reports, wish.clone(), is_stream);
        let committer = committer.watched_by(watch);
        let committer = spawn(scope, "committer".to_owned(), move || committer.run());
        let names = Arc::clone(&names);
        let source = Source::new(source_config, names, downstream, source_reports, wish, status, Arc::clone(stop));
        let source = spawn(scope, "source".to_owned(), move || {
            pin(source_core);
            source.with_truth(truth).run(source_start)
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
    finish(config, &lake, resumed, &names, started, source, committed)
}

/// Who writes the lake, for the lock.
pub(crate) fn owner() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = if host.trim().is_empty() { String::new() } else { format!(" on host {}", host.trim()) };
    format!("process {}{host} since {}", std::process::id(), clock())
}

/// The merge as the last commit has left it.
fn restored_merger(config: &RunConfig, lake: &Lake, plan: &Plan) -> Result<Merger, ResumeError> {
    let damaged = |what: String| ResumeError::Damaged { path: lake.root().to_path_buf(), what };
    let mut merger = Merger::new(&config.semantics);
    for (index, frame) in plan.state.iter().enumerate() {
        let taken = if index == 0 { merger.restore(frame) } else { merger.apply(frame) };
        taken.map_err(|error| damaged(error.to_string()))?;
    }
    let emitted = Watermark::at(plan.cut.emitted());
    merger.resume(emitted, plan.cut.windows, plan.cut.saturated);
    for observed in &plan.cut.observed {
        let partial = observed.to_partial().ok_or_else(|| damaged("a histogram is none".to_owned()))?;
        if emitted.passes(config.semantics.base().end(partial.window)) {
            return Err(damaged("a window that is emitted is still observed".to_owned()));
        }
        merger.add_quality(partial);
    }
    Ok(merger)
}

/// What the source thread begins with, and the threads that must run beside it.
fn source_start(
    config: &RunConfig,
    plan: &mut Plan,
    keep_truth: bool,
) -> Result<(SourceStart, Vec<LogPump>), sim::InvalidConfig> {
    let (mut partitions, mut pumps) = (Vec::new(), Vec::new());
    for planned in &mut plan.partitions {
        let stand = planned.cut.stand.clone();
        let origin = match planned.given.take() {
            None => None,
            Some(Given::File(input)) => Some(OriginStart::Lines(input)),
            Some(Given::Stream { input, log }) => {
                let from = stand.replay.map_or(stand.offset, |replay| replay.offset);
                let (reader, pump) = logged(&input, log, from);
                pumps.push(pump);
                Some(OriginStart::Log(Box::new(reader)))
            }
            Some(Given::Lane(sim, number)) => Some(OriginStart::Lane(Box::new(lane(&sim, number, keep_truth)?))),
        };
        partitions.push(PartitionStart { stand, origin });
    }
    let emitted = Watermark::at(plan.cut.emitted());
    let (semantics, exclusions) = (config.semantics.clone(), plan.exclusions.clone());
    Ok((SourceStart { semantics, partitions, emitted, exclusions }, pumps))
}

/// Puts together what the threads say.
fn finish(
    config: &RunConfig,
    lake: &Lake,
    resumed: Option<Resumed>,
    names: &SourceNames,
    started: Instant,
    source: Result<SourceDone, Gone>,
    committed: Result<Committed, CommitterError>,
) -> Result<Summary, RunError> {
    let Committed { ledger, windows, saturated, open_windows, figures } = match committed {
        Ok(committed) => committed,
        Err(CommitterError::Write(error)) => return Err(RunError::Commit(error)),
        Err(CommitterError::Gone) => panic!("a thread is gone without a word"),
    };
    assert!(ledger.adds_up(), "the ledger does not add up: {ledger:?}");
    let Ok(SourceDone { end, emitted_before }) = source else {
        panic!("the source lost its committer, which ended well");
    };
    let end = match end {
        SourceEnd::Finished => RunEnd::Finished,
        SourceEnd::Stopped => RunEnd::Interrupted,
        SourceEnd::Failed(error) => RunEnd::SourceFailed(error.to_string()),
    };
    // A run that went on has seen the last windows only; the lake holds the others, too.
    let has_gold = lake.layers().contains(Layer::Gold);
    let in_lake = || latest_figures(lake.root()).ok();
    let figures = Some(figures).filter(|_| resumed.is_none() || !has_gold).or_else(in_lake);
    let figures = figures.unwrap_or_else(|| Figures::new(&config.semantics, 0));
    let late_for_emitted = names.0.iter().zip(emitted_before).filter(|(_, count)| *count > 0);
    let base = config.semantics.base();
    Ok(Summary {
        end,
        ledger,
        windows,
        open_windows: open_windows.into_iter().map(|window| base.end(window)).collect(),
        saturated,
        elapsed: started.elapsed(),
        has_gold,
        lake: config.lake.clone(),
        figures,
        resumed,
        late_for_emitted: late_for_emitted.map(|((name, _), count)| (name.clone(), count)).collect(),
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
