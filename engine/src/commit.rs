//! The committer: merges what threads hand over, keeps the books, and makes commits of it all.

use std::time::{Duration, Instant};

use engine_lake::{CommitError, LakeWriter};
use engine_model::{EventTime, Grain, Semantics, Watermark, WindowId, gold};
use engine_window::{Closed, GoldRows, Ledger, Merger, QualityPartial};
use rtrb::Consumer;

use crate::cut::{Cut, Exclusions, Identity, Observed, PartitionCut, micros_of, state_frame};
use crate::dashboard::Watch;
use crate::embed::{Observer, Shown};
use crate::figures::{Collector, Figures};
use crate::message::{Barrier, CommitWish, Gone, Patience, Report, SourceBarrier, receive};
use crate::testing;

/// How long a closed window of a stream waits to be written, so that windows of several grains that close together are one
/// commit: far under the two seconds that the contract allows.
const STREAM_COMMIT_DELAY: Duration = Duration::from_millis(50);

/// How long everything else that has come waits at least: rows of other layers, and parts of windows that others hold open.
const ROWS_COMMIT_DELAY: Duration = Duration::from_millis(500);

/// The same for files and a bounded simulation, where nobody waits and each commit writes the newest files anew.
const FILE_COMMIT_DELAY: Duration = Duration::from_secs(5);

/// Where somebody looks on while files are read, commits come so often at the most,
const WATCHED_COMMIT_DELAY_MIN: Duration = Duration::from_secs(2);

/// and take no more than one in so many of the committer's seconds.
const WATCHED_COMMIT_SHARE: u32 = 100;
/// About how many bytes of rows wait before a commit is asked for whatever the time.
const PENDING_BYTES_MAX: usize = 64 << 20;

/// How often the dimensions are written during a run; the contract asks for five minutes.
const DIMENSION_INTERVAL: Duration = Duration::from_mins(1);

/// Why the committer stopped early.
#[derive(Debug)]
pub(crate) enum CommitterError {
    /// A thread that reports here is gone without an end.
    Gone,
    /// Something could not be written.
    Write(CommitError),
}

impl From<Gone> for CommitterError {
    fn from(Gone: Gone) -> CommitterError {
        CommitterError::Gone
    }
}

impl From<CommitError> for CommitterError {
    fn from(error: CommitError) -> CommitterError {
        CommitterError::Write(error)
    }
}

/// What the committer knows when all is done.
#[derive(Debug)]
pub(crate) struct Committed {
    pub(crate) ledger: Ledger,
    pub(crate) windows: u64,
    pub(crate) saturated: bool,
    /// Base windows with events that are not written, ascending.
    pub(crate) open_windows: Vec<WindowId>,
    pub(crate) figures: Figures,
}

/// A thread that reports here.
#[derive(Debug)]
struct Reporter {
    reports: Consumer<Report>,
    watermark: Watermark,
    /// Its barrier, as long as others have not come to theirs: until then it is not listened to.
    barrier: Option<Box<Barrier>>,
    has_ended: bool,
}

/// What the committer begins with: all that the last commit holds.
#[derive(Debug)]
pub(crate) struct CommitterStart {
    pub(crate) writer: LakeWriter,
    pub(crate) merger: Merger,
    pub(crate) cut: Cut,
    pub(crate) exclusions: Exclusions,
    /// Of this run, each at its number; those of the cut are its first.
    pub(crate) partitions: Vec<PartitionCut>,
}

/// Merges and writes.
#[derive(Debug)]
pub(crate) struct Committer {
    reporters: Vec<Reporter>,
    wish: CommitWish,
    /// Barriers that have come together.
    barriers: u64,
    merger: Merger,
    rows: GoldRows,
    writer: LakeWriter,
    partitions: Vec<PartitionCut>,
    /// Records, read since the replay offsets, that reading again would judge otherwise.
    exclusions: Exclusions,
    /// Those since the last commit.
    exclusions_of_last: Exclusions,
    /// Everything that is in the merger or behind it, and what the last commit had observed.
    ledger: Ledger,
    /// The end of the last window that was closed, of any grain.
    emitted: EventTime,
    /// The first base window that was not emitted when the run began, if any was.
    first_window: Option<WindowId>,
    open_windows: Vec<WindowId>,
    collector: Collector,
    commit_delay: Duration,
    /// Whether that delay follows from what commits cost.
    paces_commits: bool,
    /// Since when something has been waiting for a commit.
    waiting_since: Option<Instant>,
    /// Since when rows of a closed window have been waiting for a commit.
    closed_since: Option<Instant>,
    dimensions_written: Instant,
    /// Whether windows were closed since the dimensions were written.
    has_news: bool,
    grains: Vec<Grain>,
    observer: Option<Observer>,
    watch: Option<Watch>,
    /// Windows that wait for a commit, where somebody wants to be told.
    unseen: Vec<Shown>,
}

impl Committer {
    pub(crate) fn new(
        semantics: &Semantics,
        start: CommitterStart,
        reports: Vec<Consumer<Report>>,
        wish: CommitWish,
        is_stream: bool,
    ) -> Committer {
        let CommitterStart { writer, mut merger, cut, exclusions, partitions } = start;
        merger.keep_journal();
        let reporter = |reports| Reporter { reports, watermark: Watermark::NONE, barrier: None, has_ended: false };
        let delay = if is_stream { STREAM_COMMIT_DELAY } else { FILE_COMMIT_DELAY };
        Committer {
            reporters: reports.into_iter().map(reporter).collect(),
            wish,
            barriers: 0,
            rows: merger.empty_rows(),
            collector: Collector::new(semantics),
            merger,
            writer,
            partitions,
            exclusions,
            exclusions_of_last: Exclusions::default(),
            ledger: (&cut.books).into(),
            emitted: cut.emitted(),
            first_window: cut.emitted_us.map(|_| semantics.base().containing(cut.emitted())),
            open_windows: Vec::new(),
            paces_commits: false,
            commit_delay: testing::commit_delay().unwrap_or(delay),
            waiting_since: None,
            closed_since: None,
            dimensions_written: Instant::now(),
            has_news: false,
            grains: semantics.grains().to_vec(),
            observer: None,
            watch: None,
            unseen: Vec::new(),
        }
    }

    /// Tells `observer` of each window when its rows have become readable.
    pub(crate) fn observed_by(mut self, observer: Option<Observer>) -> Committer {
        self.observer = observer;
        self
    }

    /// Lets `watch` see windows open and closed, and ring for snapshots.
    pub(crate) fn watched_by(mut self, watch: Option<Watch>) -> Committer {
        self.paces_commits = watch.is_some() && self.commit_delay == FILE_COMMIT_DELAY;
        if self.paces_commits {
            self.commit_delay = WATCHED_COMMIT_DELAY_MIN;
        }
        self.watch = watch;
        if let Some(watch) = &mut self.watch {
            watch.begin(&self.merger);
        }
        self
    }

    /// Works until all reporters have ended and everything is written.
    pub(crate) fn run(mut self) -> Result<Committed, CommitterError> {
        if self.is_new() {
            // Every table exists, with its schema, before the first row.
            let stands = self.partitions.iter().map(|partition| partition.stand.clone()).collect();
            let start = SourceBarrier { stands, unattributed: Ledger::default(), is_last: false };
            self.commit(start, Vec::new())?;
        }
        let mut patience = Patience::default();
        while !self.reporters.iter().all(|reporter| reporter.has_ended) {
            if self.receive_all()? {
                patience.reset();
            } else {
                patience.wait();
            }
            self.close_windows()?;
            self.commit_at_barrier()?;
            if let Some(watch) = &mut self.watch {
                watch.tick(&self.merger, &self.ledger);
            }
            let is_over = |since: Option<Instant>, delay| since.is_some_and(|since| since.elapsed() >= delay);
            let is_time = is_over(self.closed_since, self.commit_delay)
                || is_over(self.waiting_since, self.commit_delay.max(ROWS_COMMIT_DELAY));
            if is_time || self.writer.pending_bytes() >= PENDING_BYTES_MAX {
                self.wish.ask(self.barriers + 1);
            }
        }
        self.open_windows.sort_unstable();
        self.open_windows.dedup();
        Ok(Committed {
            ledger: self.ledger,
            windows: self.merger.window_count(),
            saturated: self.merger.is_saturated(),
            open_windows: self.open_windows,
            figures: self.collector.finish(self.merger.dim_product()),
        })
    }

    fn is_new(&self) -> bool {
        self.writer.number() == 0
    }

    /// Takes one report of each reporter that is not at a barrier; returns whether there was any.
    fn receive_all(&mut self) -> Result<bool, CommitterError> {
        let mut any = false;
        let listened_to = |reporter: &Reporter| !reporter.has_ended && reporter.barrier.is_none();
        for (index, reporter) in self.reporters.iter_mut().enumerate().filter(|(_, reporter)| listened_to(reporter)) {
            let Some(report) = receive(&mut reporter.reports)? else { continue };
            any = true;
            match report {
                Report::Closed { watermark, windows, quality } => {
                    reporter.watermark = watermark;
                    if !(windows.is_empty() && quality.is_empty()) {
                        self.waiting_since.get_or_insert_with(Instant::now);
                    }
                    for partial in windows {
                        self.merger.add_window(partial);
                    }
                    for partial in quality {
                        self.ledger.merge(&partial.ledger);
                        self.merger.add_quality(partial);
                    }
                    if let Some(watch) = &mut self.watch {
                        watch.passed(index, watermark);
                    }
                }
                Report::Open(part) => {
                    if let Some(watch) = &mut self.watch {
                        watch.answered(index, *part);
                    }
                }
                Report::Rows(rows) => {
                    self.waiting_since.get_or_insert_with(Instant::now);
                    self.writer.append_rows(&rows)?;
                }
                Report::Kept { layer, day, rows } => {
                    self.waiting_since.get_or_insert_with(Instant::now);
                    self.writer.append_kept(layer, day, rows)?;
                }
                Report::Barrier(barrier) => reporter.barrier = Some(barrier),
                Report::Ended { ledger, open_windows } => {
                    self.ledger.merge(&ledger);
                    self.open_windows.extend(open_windows);
                    reporter.has_ended = true;
                }
            }
        }
        Ok(any)
    }

    /// Closes the windows that all reporters have passed.
    fn close_windows(&mut self) -> Result<(), CommitterError> {
        let global = self.reporters.iter().map(|reporter| reporter.watermark).min().unwrap_or(Watermark::END);
        if global == Watermark::END && self.first_window.is_some_and(|first| self.merger.has_only_quality_of(first)) {
            // All that this run brought was late, and is observed in the first window that is not emitted. That window belongs to
            // whoever brings its events.
            return Ok(());
        }
        while let Some(closed) = self.merger.close_next(global, &mut self.rows) {
            self.has_news = true;
            self.emitted = self.emitted.max(self.grains[closed.grain].end(closed.window));
            self.collector.see(closed, &self.rows);
            let tables = self.merger.tables().iter().enumerate();
            let of_grain = tables.filter(|(_, table)| table.grain == Some(closed.grain)).map(|(index, _)| index);
            let rows = of_grain.map(|index| (index, &self.rows[index]));
            self.writer.append_window(closed.grain, closed.window, rows)?;
            self.closed_since.get_or_insert_with(Instant::now);
            self.expect(closed);
            if let Some(watch) = &mut self.watch {
                watch.closed(&self.merger, closed, &self.rows);
            }
            for rows in &mut self.rows {
                rows.clear();
            }
        }
        if global != Watermark::END {
            self.emitted = self.emitted.max(global.get());
        }
        Ok(())
    }

    /// Commits where all reporters have come to their barriers.
    fn commit_at_barrier(&mut self) -> Result<(), CommitterError> {
        let is_waiting = |reporter: &Reporter| reporter.barrier.is_none() && !reporter.has_ended;
        if self.reporters.iter().any(is_waiting) || self.reporters.iter().all(|reporter| reporter.barrier.is_none()) {
            return Ok(());
        }
        self.barriers += 1;
        let (mut quality, mut source) = (Vec::new(), None);
        for barrier in self.reporters.iter_mut().filter_map(|reporter| reporter.barrier.take()) {
            let mut barrier = *barrier;
            quality.extend(barrier.quality);
            self.exclusions_of_last.append(&mut barrier.exclusions);
            source = barrier.source.or(source);
        }
        let started = Instant::now();
        self.commit(source.expect("the source thread has sent the barrier"), quality)?;
        if self.paces_commits {
            let delay = started.elapsed() * WATCHED_COMMIT_SHARE;
            self.commit_delay = delay.clamp(WATCHED_COMMIT_DELAY_MIN, FILE_COMMIT_DELAY);
        }
        Ok(())
    }

    /// Makes a commit of all that has come, with what threads had observed and not handed over.
    fn commit(&mut self, source: SourceBarrier, quality: Vec<QualityPartial>) -> Result<(), CommitError> {
        let SourceBarrier { stands, unattributed, is_last } = source;
        if self.has_news && (is_last || self.dimensions_written.elapsed() >= DIMENSION_INTERVAL) {
            self.replace_dimensions();
        }
        for (partition, stand) in self.partitions.iter_mut().zip(stands) {
            partition.stand = stand;
        }
        let stands = || self.partitions.iter().map(|partition| &partition.stand);
        self.exclusions_of_last.prune(stands());
        self.exclusions.prune(stands());
        let increment = state_frame(&self.merger.take_journal(), &self.exclusions_of_last);
        self.exclusions.append(&mut self.exclusions_of_last);
        let cut = self.cut(&unattributed, quality);
        let (merger, exclusions) = (&self.merger, &self.exclusions);
        self.writer.commit(&cut.to_line(), &increment, || state_frame(&merger.snapshot(), exclusions))?;
        (self.waiting_since, self.closed_since) = (None, None);
        self.tell();
        for partition in &self.partitions {
            if let PartitionCut { identity: Identity::Stream { log }, stand, .. } = partition {
                let needed = stand.replay.map_or(stand.offset, |replay| replay.offset);
                self.writer.forget_input(*log, needed)?;
            }
        }
        Ok(())
    }

    fn cut(&self, unattributed: &Ledger, quality: Vec<QualityPartial>) -> Cut {
        let mut ledger = self.ledger.clone();
        ledger.merge(unattributed);
        let mut observed: Vec<QualityPartial> = self.merger.open_quality().cloned().collect();
        for partial in quality {
            ledger.merge(&partial.ledger);
            match observed.iter_mut().find(|known| known.window == partial.window) {
                Some(known) => known.merge(&partial),
                None => observed.push(partial),
            }
        }
        observed.sort_by_key(|partial| partial.window);
        Cut {
            partitions: self.partitions.clone(),
            emitted_us: micros_of(self.emitted),
            books: (&ledger).into(),
            observed: observed.iter().map(Observed::from).collect(),
            windows: self.merger.window_count(),
            saturated: self.merger.is_saturated(),
        }
    }

    fn replace_dimensions(&mut self) {
        self.dimensions_written = Instant::now();
        self.has_news = false;
        for (index, table) in self.merger.tables().iter().enumerate() {
            if table.schema.name == gold::DIM_PRODUCT.name {
                self.writer.replace_dimension(index, self.merger.dim_product());
            } else if table.schema.name == gold::DIM_CUSTOMER.name {
                self.writer.replace_dimension(index, self.merger.dim_customer());
            }
        }
    }

    fn expect(&mut self, closed: Closed) {
        if self.observer.is_some() {
            let grain = self.grains[closed.grain];
            self.unseen.push(Shown { grain, end: grain.end(closed.window) });
        }
    }

    /// Tells who watches of the windows that a commit has just shown.
    fn tell(&mut self) {
        if let Some(watch) = &mut self.watch {
            watch.shown();
        }
        if let Some(Observer(observer)) = &mut self.observer {
            self.unseen.drain(..).for_each(observer);
        }
    }
}
