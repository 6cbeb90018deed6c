//! Commits of the Gold tables.
//!
//! A reader lists `gold/TABLE/**/*.parquet` at any moment. What it can rely on:
//!
//! 1. **A window appears whole.** `append_window` takes all rows of one window (of one grain) in one call, and a
//!    commit takes all that was appended before it, so every table gets its rows of that window in the same commit.
//!    A rollup's windows are windows of their own: they may appear in a later commit than their base windows.
//! 2. **One file a table and portion.** A commit shows its portions one after another, mostly there is one. A portion renames
//!    at most one data file into each table, so that a reader of that table sees all of it or nothing. For this, a portion
//!    never has rows of two days of one grain: one is staged before a window of another day is taken (and
//!    before too much is waiting). Windows ascend over portions, and each is whole in one.
//! 3. **Every row once.** The file is either new, with the waiting rows only, or replaces the table's newest file
//!    with that one's rows and the waiting ones. No other file is ever touched.
//! 4. **Few files.** A new file is named by the local hour of its first window. The newest file is replaced while
//!    the first waiting row is of the same day, and of the same hour as the file's last row (of a table whose windows are
//!    an hour or longer: of the same day). So each new file of a day begins in a later hour than all before it: at
//!    most 24 a day, however often commits come. Only a file that would pass [`FILE_ROWS_MAX`] rows is followed by
//!    another one in the same hour, `07-1.parquet`.
//! 5. **In order.** The tables of a portion appear in the order of [`engine_model::gold::tables`], `kpis` last: who finds
//!    a window in `kpis_1m` finds it in every other table of that grain.
//! 6. **Failure shows nothing half.** All files of a commit are written and synced, and the commit is recorded, before the first
//!    one is shown. Where showing them stops in between, some tables have the commit and some do not, each whole; the next writer
//!    shows the rest before anything else, see `writer.rs`.
//! 7. **The schema comes first.** The first commit, also an empty one, shows `schema.parquet` without rows in every
//!    table before any data. It stays.
//!
//! A dimension is one file that is replaced whole, in its place in the order of the portion that follows
//! `replace_dimension`.
//!
//! In memory are the rows waiting, at most [`PENDING_BYTES_MAX`] and a window, and for each table the rows of its newest
//! file until that file can no longer be replaced: at most [`FILE_ROWS_MAX`], or a commit's.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use engine_model::gold::{GoldTable, TableSchema, tables};
use engine_model::{Cell, Grain, Rows, WindowId, WindowLength, civil_of_day};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::lake::Lake;
use crate::layers::Layer;
use crate::staging::{CommitError, CommitPart, Staging};

/// The most rows to which a file grows by being replaced. A file that one commit fills may have more.
pub const FILE_ROWS_MAX: usize = 2_000_000;

/// About how many bytes of rows wait in memory before they are staged.
pub const PENDING_BYTES_MAX: usize = 64 << 20;

/// Writes the Gold tables of a lake. There must be one for a lake.
#[derive(Debug)]
pub(crate) struct GoldWriter {
    lake: Lake,
    tables: Vec<GoldTable>,
    states: Vec<State>,
    /// For each grain, what was appended last.
    progress: Vec<Progress>,
    pending_bytes: usize,
    /// Whether every table has its schema.
    has_schemas: bool,
    /// [`FILE_ROWS_MAX`] and [`PENDING_BYTES_MAX`]; less in tests.
    file_rows_max: usize,
    pending_bytes_max: usize,
}

#[derive(Clone, Copy, Debug, Default)]
struct Progress {
    window_last: Option<WindowId>,
    /// The one day of all rows of this grain that wait for a commit.
    pending_day: Option<i64>,
}

/// What a commit notes of where Gold stands.
#[derive(Serialize, Deserialize)]
struct Position {
    /// For each grain the window that was taken last.
    windows: Vec<Option<i64>>,
    /// By table, the newest file.
    newest: BTreeMap<String, NewestPosition>,
}

#[derive(Serialize, Deserialize)]
struct NewestPosition {
    first: Stand,
    suffix: u32,
    last: Stand,
}

/// Where a window's rows stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Stand {
    /// Local day since 1970-01-01.
    day: i64,
    /// Local hour, 0–23.
    hour: i32,
}

#[derive(Debug)]
enum State {
    Windowed(Windowed),
    Dimension { pending: Option<Rows> },
}

/// The file of a table that was written last, or is being written by the commit under way.
#[derive(Debug)]
struct Newest {
    /// Where its first row stands; names the file.
    first: Stand,
    /// How many files of that day and hour came before it.
    suffix: u32,
    /// Where its last row stands.
    last: Stand,
    /// Its rows; `None` once it will not be replaced any more.
    rows: Option<Rows>,
    /// Whether it has rows that are not staged.
    is_dirty: bool,
}

#[derive(Debug)]
struct Windowed {
    grain: Grain,
    newest: Option<Newest>,
    pending: Rows,
    /// Where the first and the last waiting row stand.
    pending_span: Option<(Stand, Stand)>,
}

impl GoldWriter {
    /// A writer for a lake without Gold tables. Writes nothing yet.
    ///
    /// # Panics
    /// Where Gold is not among the lake's layers.
    #[must_use]
    pub(crate) fn new(lake: &Lake) -> GoldWriter {
        assert!(lake.layers().contains(Layer::Gold), "layers {} leave gold out", lake.layers());
        let tables = tables(lake.semantics());
        let grains = lake.semantics().grains();
        let states = tables
            .iter()
            .map(|table| match table.grain {
                Some(grain) => State::Windowed(Windowed {
                    grain: grains[grain],
                    newest: None,
                    pending: Rows::new(table.schema),
                    pending_span: None,
                }),
                None => State::Dimension { pending: None },
            })
            .collect();
        GoldWriter {
            lake: lake.clone(),
            states,
            progress: vec![Progress::default(); grains.len()],
            tables,
            pending_bytes: 0,
            has_schemas: false,
            file_rows_max: FILE_ROWS_MAX,
            pending_bytes_max: PENDING_BYTES_MAX,
        }
    }

    /// The tables, in the order in which a commit shows them; their places are what the other calls take.
    #[must_use]
    pub(crate) fn tables(&self) -> &[GoldTable] {
        &self.tables
    }

    /// About how many bytes of rows wait for a commit.
    #[must_use]
    pub(crate) fn pending_bytes(&self) -> usize {
        self.pending_bytes
    }

    /// Takes all rows of one window: for each table of the grain its rows, none or empty ones where it has none.
    ///
    /// `grain` is a place in [`engine_model::Semantics::grains`]; the rows of `customer_activity` belong to base
    /// windows. The windows of a grain come in ascending order, each once; grains may come in any order among each other.
    ///
    /// Copies the rows. Stages what waits first, as a portion of its own, where rows of another day of this grain wait, or where
    /// [`PENDING_BYTES_MAX`] are waiting.
    ///
    /// # Errors
    /// Where staging fails. The window was then not taken.
    ///
    /// # Panics
    /// Where a table is not of this grain, rows are not of the table or not of the window, or the window is not
    /// after the one before it.
    pub(crate) fn append_window<'a>(
        &mut self,
        grain: usize,
        window: WindowId,
        rows: impl IntoIterator<Item = (usize, &'a Rows)>,
        staging: &mut Staging,
    ) -> Result<(), CommitError> {
        let length = self.lake.semantics().grains()[grain];
        let before = self.progress[grain];
        assert!(before.window_last < Some(window), "window {window:?} after {:?}", before.window_last);
        let stand = Stand { day: length.local_day(window), hour: length.minute_of_day(window) / 60 };

        let another_day = before.pending_day.is_some_and(|day| day != stand.day);
        if another_day || self.pending_bytes >= self.pending_bytes_max {
            self.stage(staging)?;
        }
        for (table, rows) in rows.into_iter().filter(|(_, rows)| !rows.is_empty()) {
            assert_eq!(self.tables[table].grain, Some(grain), "grain of table {}", self.tables[table].name);
            let State::Windowed(state) = &mut self.states[table] else {
                unreachable!("a table with a grain is windowed")
            };
            assert_window(rows, length, window);
            state.append(stand, rows);
            self.pending_bytes += rows.byte_size();
            self.progress[grain].pending_day = Some(stand.day);
        }
        self.progress[grain].window_last = Some(window);
        Ok(())
    }

    /// Replaces a dimension's rows, all of them, with the next commit.
    ///
    /// # Panics
    /// Where the table is no dimension or the rows are not of it.
    pub(crate) fn replace_dimension(&mut self, table: usize, rows: Rows) {
        let GoldTable { name, schema, .. } = &self.tables[table];
        assert_eq!(schema.name, rows.schema().name, "rows of another table");
        let State::Dimension { pending } = &mut self.states[table] else {
            panic!("table {name} is no dimension");
        };
        self.pending_bytes += rows.byte_size();
        self.pending_bytes -= pending.replace(rows).map_or(0, |before| before.byte_size());
    }

    /// Reads the rows of the newest file of a table back, which an earlier run has written.
    fn read_newest(lake: &Lake, schema: &'static TableSchema, path: &Path) -> Result<Rows, String> {
        let path = lake.root().join(path);
        let failed = |error: &dyn std::fmt::Display| format!("table file {} cannot be read: {error}", path.display());
        let bytes = lake.store().read(&path).map_err(|error| failed(&error))?;
        engine_gold::rows(schema, bytes).map_err(|error| failed(&error))
    }
}

impl CommitPart for GoldWriter {
    fn layer(&self) -> Layer {
        Layer::Gold
    }

    fn resume(&mut self, position: &Value) -> Result<(), String> {
        let position: Position = serde_json::from_value(position.clone()).map_err(|error| error.to_string())?;
        if position.windows.len() != self.progress.len() {
            return Err(format!("it knows {} grains; expected {}", position.windows.len(), self.progress.len()));
        }
        for (progress, window) in self.progress.iter_mut().zip(position.windows) {
            progress.window_last = window.map(WindowId);
        }
        for (table, state) in self.tables.iter().zip(&mut self.states) {
            let State::Windowed(windowed) = state else { continue };
            let Some(newest) = position.newest.get(&table.name) else { continue };
            let mut newest =
                Newest { first: newest.first, suffix: newest.suffix, last: newest.last, rows: None, is_dirty: false };
            let path = folder(&table.name).join(newest.path());
            newest.rows = Some(GoldWriter::read_newest(&self.lake, table.schema, &path)?);
            newest.rows.take_if(|rows| rows.len() >= self.file_rows_max);
            windowed.newest = Some(newest);
        }
        Ok(())
    }

    fn append(&mut self, rows: &Rows, _staging: &mut Staging) -> Result<(), CommitError> {
        panic!("rows of table {} belong to a window", rows.schema().name);
    }

    fn has_table(&self, _name: &str) -> bool {
        false
    }

    fn pending_bytes(&self) -> usize {
        self.pending_bytes
    }

    /// Stages one portion: a file for each table that has rows waiting.
    ///
    /// Costs an encoding of each file that is written, at most [`FILE_ROWS_MAX`] rows or what waits.
    fn stage(&mut self, staging: &mut Staging) -> Result<(), CommitError> {
        if !self.has_schemas {
            for GoldTable { name, schema, .. } in &self.tables {
                staging.add_schema(name, &folder(name).join("schema.parquet"), &Rows::new(schema))?;
            }
            self.has_schemas = true;
        }
        for (table, state) in self.tables.iter().zip(&mut self.states) {
            state.plan(self.file_rows_max);
            if let Some((path, rows)) = state.unstaged(&table.name) {
                staging.add(&table.name, &path, rows)?;
                state.staged(self.file_rows_max);
            }
        }
        self.progress.iter_mut().for_each(|progress| progress.pending_day = None);
        self.pending_bytes = 0;
        Ok(())
    }

    fn position(&self) -> Value {
        let newest = self.tables.iter().zip(&self.states).filter_map(|(table, state)| match state {
            State::Windowed(Windowed { newest: Some(Newest { first, suffix, last, .. }), .. }) => {
                Some((table.name.clone(), NewestPosition { first: *first, suffix: *suffix, last: *last }))
            }
            State::Windowed(_) | State::Dimension { .. } => None,
        });
        let windows = self.progress.iter().map(|progress| progress.window_last.map(|window| window.0)).collect();
        serde_json::to_value(Position { windows, newest: newest.collect() }).expect("plain data")
    }
}

impl State {
    /// Decides which file the waiting rows go to. Does nothing when asked again before they were staged.
    fn plan(&mut self, file_rows_max: usize) {
        match self {
            State::Windowed(table) => table.plan(file_rows_max),
            State::Dimension { .. } => {}
        }
    }

    /// The file that is to be written, relative to the lake, and its rows.
    fn unstaged(&self, name: &str) -> Option<(PathBuf, &Rows)> {
        match self {
            State::Windowed(Windowed { newest: Some(newest), .. }) if newest.is_dirty => {
                Some((folder(name).join(newest.path()), newest.rows.as_ref()?))
            }
            State::Windowed(_) => None,
            State::Dimension { pending } => Some((folder(name).join(format!("{name}.parquet")), pending.as_ref()?)),
        }
    }

    /// Notes that this file is written.
    fn staged(&mut self, file_rows_max: usize) {
        match self {
            State::Windowed(table) => {
                if let Some(newest) = &mut table.newest {
                    newest.is_dirty = false;
                    newest.rows.take_if(|rows| rows.len() >= file_rows_max);
                }
            }
            State::Dimension { pending } => *pending = None,
        }
    }
}

impl Windowed {
    fn append(&mut self, stand: Stand, rows: &Rows) {
        let first = self.pending_span.map_or(stand, |(first, _)| first);
        self.pending_span = Some((first, stand));
        self.pending.append(rows);
        if let Some(newest) = &mut self.newest
            && !newest.takes(first, self.grain)
        {
            // Windows ascend, so no later row can belong to that file either.
            newest.rows = None;
        }
    }

    fn plan(&mut self, file_rows_max: usize) {
        let Some((first, last)) = self.pending_span.take() else {
            return;
        };
        let schema = self.pending.schema();
        let pending = std::mem::replace(&mut self.pending, Rows::new(schema));
        let suffix = match &mut self.newest {
            Some(newest) => {
                debug_assert!(!newest.is_dirty, "rows are taken only after those before them were staged");
                if let Some(rows) = &mut newest.rows
                    && rows.len() + pending.len() <= file_rows_max
                {
                    rows.append(&pending);
                    newest.last = last;
                    newest.is_dirty = true;
                    return;
                }
                if newest.first == first { newest.suffix + 1 } else { 0 }
            }
            None => 0,
        };
        self.newest = Some(Newest { first, suffix, last, rows: Some(pending), is_dirty: true });
    }
}

impl Newest {
    /// Whether a row that stands at `next` may go to this file.
    fn takes(&self, next: Stand, grain: Grain) -> bool {
        let is_long = grain.length() >= WindowLength::HOUR;
        if is_long { self.last.day == next.day } else { self.last == next }
    }

    /// Day and file, relative to the table.
    fn path(&self) -> PathBuf {
        let day = civil_of_day(self.first.day);
        let suffix = if self.suffix == 0 { String::new() } else { format!("-{}", self.suffix) };
        Path::new(&format!("{:04}-{:02}-{:02}", day.year, day.month, day.day))
            .join(format!("{:02}{suffix}.parquet", self.first.hour))
    }
}

fn folder(table: &str) -> PathBuf {
    Path::new(Layer::Gold.name()).join(table)
}

/// Rows that stand at another window than they were appended for would end up in the wrong day or hour.
fn assert_window(rows: &Rows, grain: Grain, window: WindowId) {
    let stands = |row| rows.cell(row, 0) == Cell::Timestamp(grain.start(window));
    let name = rows.schema().name;
    assert!(stands(0), "{name} row at {:?} appended for window {}", rows.cell(0, 0), grain.start(window));
    debug_assert!((1..rows.len()).all(stands), "{name} rows of several windows appended as one");
}

#[cfg(test)]
mod tests;
