//! The committer: merges what threads hand over, writes Gold and the quarantine, keeps the books.

use std::time::{Duration, Instant};

use engine_lake::{CommitError, GoldWriter, Lake, Layer, LayerWriter, QuarantineWriter};
use engine_model::{Grain, Semantics, Watermark, WindowId, gold};
use engine_window::{Closed, GoldRows, Ledger, Merger};
use rtrb::Consumer;

use crate::dashboard::Watch;
use crate::embed::{Observer, Shown};
use crate::figures::{Collector, Figures};
use crate::message::{Gone, Patience, Report, receive};

/// How long a closed window of a stream waits to be written: well under the two seconds that the contract allows.
const STREAM_COMMIT_DELAY: Duration = Duration::from_millis(500);

/// The same for files and a bounded simulation, where nobody waits and each commit writes the newest files anew.
const FILE_COMMIT_DELAY: Duration = Duration::from_secs(5);

/// Where somebody looks on while files are read, commits come so often at the most,
const WATCHED_COMMIT_DELAY_MIN: Duration = Duration::from_secs(2);

/// and take no more than one in so many of the committer's seconds.
const WATCHED_COMMIT_SHARE: u32 = 100;

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
    has_ended: bool,
}

/// Merges and writes.
#[derive(Debug)]
pub(crate) struct Committer {
    reporters: Vec<Reporter>,
    merger: Merger,
    rows: GoldRows,
    gold: Option<GoldWriter>,
    quarantine: Option<QuarantineWriter>,
    /// Bronze and Silver, where they are written.
    large: Vec<(Layer, LayerWriter)>,
    ledger: Ledger,
    open_windows: Vec<WindowId>,
    collector: Collector,
    commit_delay: Duration,
    /// Whether that delay follows from what commits cost.
    paces_commits: bool,
    /// Since when rows have been waiting for a commit.
    waiting_since: Option<Instant>,
    dimensions_written: Instant,
    grains: Vec<Grain>,
    observer: Option<Observer>,
    watch: Option<Watch>,
    /// Windows that wait for a commit, where somebody wants to be told.
    unseen: Vec<Shown>,
}

impl Committer {
    pub(crate) fn new(
        semantics: &Semantics,
        lake: &Lake,
        reports: Vec<Consumer<Report>>,
        is_stream: bool,
    ) -> Committer {
        let merger = Merger::new(semantics);
        let reporter = |reports| Reporter { reports, watermark: Watermark::NONE, has_ended: false };
        Committer {
            reporters: reports.into_iter().map(reporter).collect(),
            rows: merger.empty_rows(),
            collector: Collector::new(semantics),
            merger,
            gold: lake.layers().contains(Layer::Gold).then(|| GoldWriter::new(lake)),
            quarantine: lake.layers().contains(Layer::Quarantine).then(|| QuarantineWriter::new(lake)),
            large: [Layer::Bronze, Layer::Silver]
                .into_iter()
                .filter(|&layer| lake.layers().contains(layer))
                .map(|layer| (layer, LayerWriter::new(lake, layer)))
                .collect(),
            ledger: Ledger::default(),
            open_windows: Vec::new(),
            paces_commits: false,
            commit_delay: if is_stream { STREAM_COMMIT_DELAY } else { FILE_COMMIT_DELAY },
            waiting_since: None,
            dimensions_written: Instant::now(),
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
        // Every table exists, with its schema, before the first row.
        if let Some(gold) = &mut self.gold {
            gold.commit()?;
        }
        if let Some(quarantine) = &mut self.quarantine {
            quarantine.flush()?;
        }
        self.flush_large()?;
        let mut patience = Patience::default();
        while !self.reporters.iter().all(|reporter| reporter.has_ended) {
            if self.receive_all()? {
                patience.reset();
            } else {
                patience.wait();
            }
            self.close_windows()?;
            if let Some(watch) = &mut self.watch {
                watch.tick(&self.merger, &self.ledger);
            }
            if self.waiting_since.is_some_and(|since| since.elapsed() >= self.commit_delay) {
                let started = Instant::now();
                self.commit(self.dimensions_written.elapsed() >= DIMENSION_INTERVAL)?;
                if self.paces_commits {
                    let delay = started.elapsed() * WATCHED_COMMIT_SHARE;
                    self.commit_delay = delay.clamp(WATCHED_COMMIT_DELAY_MIN, FILE_COMMIT_DELAY);
                }
            }
        }
        self.close_windows()?;
        self.commit(true)?;
        if let Some(quarantine) = self.quarantine.take() {
            quarantine.finish()?;
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

    /// Takes one report of each reporter; returns whether there was any.
    fn receive_all(&mut self) -> Result<bool, CommitterError> {
        let mut any = false;
        for (index, reporter) in self.reporters.iter_mut().enumerate().filter(|(_, reporter)| !reporter.has_ended) {
            let Some(report) = receive(&mut reporter.reports)? else { continue };
            any = true;
            match report {
                Report::Closed { watermark, windows, quality } => {
                    reporter.watermark = watermark;
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
                Report::Quarantined(rows) => {
                    if let Some(quarantine) = &mut self.quarantine {
                        quarantine.append(&rows)?;
                    }
                }
                Report::Kept { layer, day, rows } => {
                    let writer = self.large.iter_mut().find(|(of, _)| *of == layer);
                    let (_, writer) = writer.expect("only what the lake keeps is sent");
                    writer.append(day, rows)?;
                }
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
        while let Some(closed) = self.merger.close_next(global, &mut self.rows) {
            self.collector.see(closed, &self.rows);
            if let Some(gold) = &mut self.gold {
                let tables = self.merger.tables().iter().enumerate();
                let of_grain = tables.filter(|(_, table)| table.grain == Some(closed.grain)).map(|(index, _)| index);
                let rows = of_grain.map(|index| (index, &self.rows[index]));
                let has_committed = gold.append(closed.grain, closed.window, rows)?.is_some();
                if has_committed {
                    self.tell();
                }
                self.expect(closed);
            }
            if let Some(watch) = &mut self.watch {
                watch.closed(&self.merger, closed, &self.rows);
                if self.gold.is_none() {
                    // There is nothing to wait for.
                    watch.shown();
                }
            }
            self.waiting_since.get_or_insert_with(Instant::now);
            for rows in &mut self.rows {
                rows.clear();
            }
        }
        Ok(())
    }

    fn commit(&mut self, with_dimensions: bool) -> Result<(), CommitError> {
        self.waiting_since = None;
        // Who finds a window in Gold finds what it is made of.
        self.flush_large()?;
        let Some(gold) = &mut self.gold else { return Ok(()) };
        if with_dimensions {
            self.dimensions_written = Instant::now();
            for (index, table) in self.merger.tables().iter().enumerate() {
                if table.schema.name == gold::DIM_PRODUCT.name {
                    gold.replace_dimension(index, self.merger.dim_product());
                } else if table.schema.name == gold::DIM_CUSTOMER.name {
                    gold.replace_dimension(index, self.merger.dim_customer());
                }
            }
        }
        gold.commit()?;
        self.tell();
        Ok(())
    }

    /// Shows the rows of Bronze and Silver that have come so far. The writers work side by side.
    fn flush_large(&mut self) -> Result<(), CommitError> {
        self.large.iter_mut().try_for_each(|(_, writer)| writer.flush())
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
