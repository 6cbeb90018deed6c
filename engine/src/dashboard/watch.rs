//! The committer's side of the dashboard: rows of closed windows and snapshots of open ones become messages.
//!
//! A closed window is told once its rows can be read. Until then, its figures, which will not change any more, stand
//! among those of the open windows, so that no figure ever goes back. Nothing that is told here is written anywhere.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use engine_feed::{ClosedWindow, Message, Open, OpenFigures};
use engine_model::gold::{self, TableSchema};
use engine_model::{Cell, Cents, Grain, Rows, Semantics, Watermark, WindowId};
use engine_window::{Closed, DistinctCounts, DistinctSets, GoldRows, Ledger, Merger, Sums};

use super::hub::{Hub, Window};
use crate::snapshot::{Bell, OpenPart, SetsPart};

/// How many products and categories of a window are told.
pub(crate) const TOP: usize = 20;

/// How often sums are asked for.
const SUMS_INTERVAL: Duration = Duration::from_millis(500);

/// How often distinct counts are asked for at the most.
const SETS_INTERVAL_MIN: Duration = Duration::from_secs(2);

/// When sets are asked for again that have not come.
const SETS_PATIENCE: Duration = Duration::from_secs(20);

/// Copying sets takes at most one in so many of a shard's seconds: half a percent.
const SETS_COPY_SHARE: u32 = 200;

/// Merging and counting them takes at most one in so many of the committer's seconds: two percent.
const SETS_MERGE_SHARE: u32 = 50;

/// How many of the newest open windows are told. Where files are read at full speed there are hundreds that wait for a
/// commit.
const OPEN_WINDOWS_TOLD: usize = 8;

/// Watches a run for the dashboard, on the committer's thread.
#[derive(Debug)]
pub(crate) struct Watch {
    hub: Arc<Hub>,
    bell: Arc<Bell>,
    semantics: Semantics,
    /// What each reporter said last of its open windows.
    reporters: Vec<Reporter>,
    /// Distinct counts of open windows, as of when they were counted last.
    counted: BTreeMap<WindowId, DistinctCounts>,
    /// Sets on their way, and for which ring.
    sets: Vec<Vec<DistinctSets>>,
    sets_number: u64,
    copy_took: Duration,
    /// How many shards answer.
    shards: usize,
    /// Closed windows whose rows cannot be read yet.
    unseen: Vec<Unseen>,
    /// The open rollups as of the last window that was told.
    rollups: Vec<(Grain, WindowId, Sums)>,
    rung: Instant,
    /// Whether an answer came that has not been told.
    is_news: bool,
    sets_due: Instant,
}

#[derive(Debug, Default)]
struct Reporter {
    open: Vec<(WindowId, Sums)>,
    accepted: u64,
    duplicates: u64,
}

#[derive(Debug)]
struct Unseen {
    window: Window,
    /// Its figures, where it is a base window in which something was accepted.
    figures: Option<OpenFigures>,
    /// The open rollups with this window in them.
    rollups: Vec<(Grain, WindowId, Sums)>,
}

impl Watch {
    /// Watches a run whose snapshots so many shards give.
    pub(crate) fn new(hub: Arc<Hub>, semantics: &Semantics, shards: usize) -> Watch {
        let now = Instant::now();
        Watch {
            hub,
            bell: Arc::new(Bell::default()),
            semantics: semantics.clone(),
            reporters: Vec::new(),
            counted: BTreeMap::new(),
            sets: Vec::new(),
            sets_number: 0,
            copy_took: Duration::ZERO,
            shards,
            unseen: Vec::new(),
            rollups: Vec::new(),
            rung: now,
            is_news: false,
            sets_due: now,
        }
    }

    /// What rings for the shards.
    pub(crate) fn bell(&self) -> Arc<Bell> {
        Arc::clone(&self.bell)
    }

    /// What `merger` holds at the beginning has been told before.
    pub(crate) fn begin(&mut self, merger: &Merger) {
        self.rollups = merger.open_rollups();
    }

    fn reporter(&mut self, index: usize) -> &mut Reporter {
        if self.reporters.len() <= index {
            self.reporters.resize_with(index + 1, Reporter::default);
        }
        &mut self.reporters[index]
    }

    /// A reporter has handed over all that it knows of the windows that `watermark` has passed.
    pub(crate) fn passed(&mut self, index: usize, watermark: Watermark) {
        let base = self.semantics.base();
        let reporter = self.reporter(index);
        reporter.open.retain(|(window, _)| !watermark.passes(base.end(*window)));
        // They are in the ledger now; how many are left is told with the next answer.
        (reporter.accepted, reporter.duplicates) = (0, 0);
    }

    /// A reporter's answer to the bell.
    pub(crate) fn answered(&mut self, index: usize, part: OpenPart) {
        let OpenPart { windows, accepted, duplicates, sets } = part;
        let open = windows.into_iter().map(|open| (open.window, open.sums)).collect();
        *self.reporter(index) = Reporter { open, accepted, duplicates };
        self.is_news = true;
        if let Some(SetsPart { number, sets, took }) = sets {
            if number != self.sets_number {
                self.sets_number = number;
                self.sets.clear();
                self.copy_took = Duration::ZERO;
            }
            self.copy_took = self.copy_took.max(took);
            self.sets.push(sets);
            if self.sets.len() == self.shards {
                self.count_sets();
            }
        }
    }

    /// All shards have sent theirs: merges and counts.
    fn count_sets(&mut self) {
        let started = Instant::now();
        let mut merged: BTreeMap<WindowId, DistinctSets> = BTreeMap::new();
        for sets in self.sets.drain(..).flatten() {
            match merged.get_mut(&sets.window()) {
                Some(known) => known.merge(&sets),
                None => drop(merged.insert(sets.window(), sets)),
            }
        }
        for (window, sets) in merged {
            let (counts, known) = (sets.count(), self.counted.entry(window).or_default());
            // A shard that had handed the window over already is missing here: a count never goes back.
            known.customers = known.customers.max(counts.customers);
            known.sessions = known.sessions.max(counts.sessions);
        }
        let pause = (self.copy_took * SETS_COPY_SHARE).max(started.elapsed() * SETS_MERGE_SHARE);
        self.sets_due = Instant::now() + pause.max(SETS_INTERVAL_MIN);
    }

    /// A window has closed, and its rows wait for a commit.
    pub(crate) fn closed(&mut self, merger: &Merger, closed: Closed, rows: &GoldRows) {
        let message = |top| {
            let name_of = |product_id: &str| merger.product_name(product_id);
            let window = ClosedWindow::of_closed(&self.semantics, merger.tables(), closed, rows, top, name_of);
            Message::Window(window).to_json()
        };
        let window = Window { grain: closed.grain, full: message(TOP), brief: message(0) };
        let mut figures = None;
        if closed.grain == 0 {
            self.counted = self.counted.split_off(&WindowId(closed.window.0 + 1));
            figures = final_figures(self.semantics.base(), merger, closed, rows);
        }
        self.unseen.push(Unseen { window, figures, rollups: merger.open_rollups() });
    }

    /// The rows of all windows that have closed can be read.
    pub(crate) fn shown(&mut self) {
        if let Some(last) = self.unseen.last_mut() {
            self.rollups = std::mem::take(&mut last.rollups);
        }
        for unseen in self.unseen.drain(..) {
            self.hub.closed(&unseen.window);
            self.is_news = true;
        }
    }

    /// Tells of the open windows where there is news, and asks for more where it is time. Costs a look at the clock where
    /// not.
    pub(crate) fn tick(&mut self, merger: &Merger, ledger: &Ledger) {
        let now = Instant::now();
        if self.is_news {
            self.is_news = false;
            let sum = |of: fn(&Reporter) -> u64| self.reporters.iter().map(of).sum::<u64>();
            let accepted = ledger.accepted + sum(|reporter| reporter.accepted);
            self.hub.judged(accepted, ledger.duplicates + sum(|reporter| reporter.duplicates));
            if self.hub.readers() > 0 {
                self.hub.open(&Message::Open(self.open_windows(merger)).to_json());
            }
        }
        if now.duration_since(self.rung) >= SUMS_INTERVAL {
            self.rung = now;
            let with_sets = now >= self.sets_due && self.hub.readers() > 0;
            if with_sets {
                // When to ask again is decided when all have answered, and in a while where one has no room to.
                self.sets_due = now + SETS_PATIENCE;
            }
            self.bell.ring(with_sets);
        }
    }

    /// What is known of the windows that are not told as closed.
    fn open_windows(&self, merger: &Merger) -> Open {
        let mut open: BTreeMap<WindowId, Sums> = BTreeMap::new();
        for (window, sums) in self.reporters.iter().flat_map(|reporter| &reporter.open) {
            open.entry(*window).or_default().merge(sums);
        }
        // Of these, some shards have handed over what they know, and others have not.
        for (window, sums) in merger.pending_windows() {
            open.entry(window).or_default().merge(sums);
        }
        let base = self.semantics.base();
        let provisional = open.into_iter().map(|(window, sums)| {
            let counts = self.counted.get(&window);
            OpenFigures {
                unique_customers: counts.map(|counts| counts.customers),
                sessions: counts.map(|counts| counts.sessions),
                ..OpenFigures::new(base, window, &sums)
            }
        });
        let waiting = self.unseen.iter().filter_map(|unseen| unseen.figures.clone());
        let mut windows: Vec<OpenFigures> = waiting.chain(provisional).collect();
        windows.drain(..windows.len().saturating_sub(OPEN_WINDOWS_TOLD));
        let rollups = self.rollups.iter().map(|(grain, window, sums)| OpenFigures::new(*grain, *window, sums));
        Open { windows, rollups: rollups.collect() }
    }
}

/// The figures of a closed base window in the form of an open one's; `None` where nothing was accepted.
fn final_figures(base: Grain, merger: &Merger, closed: Closed, rows: &GoldRows) -> Option<OpenFigures> {
    let is_kpis = |table: &gold::GoldTable| table.schema.name == gold::KPIS.name && table.grain == Some(0);
    let kpis = &rows[merger.tables().iter().position(is_kpis)?];
    if kpis.is_empty() {
        return None;
    }
    let count = |name| match cell(kpis, &gold::KPIS, name) {
        Cell::Int64(count) => u64::try_from(count).unwrap_or(0),
        other => unreachable!("{name} is a count, not {other:?}"),
    };
    let money = |name| match cell(kpis, &gold::KPIS, name) {
        Cell::Money(cents) => Some(cents),
        _ => None,
    };
    let text = |cents: Option<Cents>| cents.unwrap_or(Cents::new(0)).to_string();
    Some(OpenFigures {
        events: count("events"),
        revenue: text(money("revenue")),
        orders: count("orders"),
        aov: money("aov").map(|cents| cents.to_string()),
        units: count("units"),
        payments_succeeded: count("payments_succeeded"),
        payments_failed: count("payments_failed"),
        paid_revenue: text(money("paid_revenue")),
        unique_customers: Some(count("unique_customers")),
        sessions: Some(count("sessions")),
        ..OpenFigures::new(base, closed.window, &Sums::default())
    })
}

/// The value of a column in the only row.
fn cell<'a>(rows: &'a Rows, schema: &TableSchema, name: &str) -> Cell<'a> {
    rows.cell(0, schema.column_index(name).unwrap_or_else(|| panic!("{} has no column {name}", schema.name)))
}
