//! Commits of the Gold tables.
//!
//! A reader lists `gold/TABLE/**/*.parquet` at any moment. What it can rely on:
//!
//! 1. **A window appears whole.** [`GoldWriter::append`] takes all rows of one window (of one grain) in one call, and a
//!    commit takes all that was appended before it, so every table gets its rows of that window in the same commit.
//!    A rollup's windows are windows of their own: they may appear in a later commit than their base windows.
//! 2. **One file a table and commit.** A commit renames at most one data file into each table, so that a reader of
//!    that table sees all of the commit or nothing. For this, the rows waiting for a commit are never of two days of
//!    one grain: `append` commits by itself before a window of another day (and before too much is waiting).
//! 3. **Every row once.** The file is either new, with the waiting rows only, or replaces the table's newest file
//!    with that one's rows and the waiting ones. No other file is ever touched.
//! 4. **Few files.** A new file is named by the local hour of its first window. The newest file is replaced while
//!    the first waiting row is of the same day, and of the same hour as the file's last row (of a table whose windows are
//!    an hour or longer: of the same day). So each new file of a day begins in a later hour than all before it: at
//!    most 24 a day, however often commits come. Only a file that would pass [`FILE_ROWS_MAX`] rows is followed by
//!    another one in the same hour, `07-1.parquet`.
//! 5. **In order.** The tables of a commit appear in the order of [`engine_model::gold::tables`], `kpis` last: who finds
//!    a window in `kpis_1m` finds it in every other table of that grain.
//! 6. **Failure shows nothing half.** All files of a commit are written and synced before the first one is shown.
//!    Where showing them stops in between, some tables have the commit and some do not, each whole; no window is
//!    taken until the same commit, with exactly the same rows, has gone through.
//! 7. **The schema comes first.** The first commit, also an empty one, shows `schema.parquet` without rows in every
//!    table before any data. It stays.
//!
//! A dimension is one file that is replaced whole, in its place in the order of the commit that follows
//! [`GoldWriter::replace_dimension`].
//!
//! In memory are the rows waiting, at most [`PENDING_BYTES_MAX`] and a window, and for each table the rows of its newest
//! file until that file can no longer be replaced: at most [`FILE_ROWS_MAX`], or a commit's.

use std::path::{Path, PathBuf};

use engine_gold::ParquetEncodeError;
use engine_model::gold::{GoldTable, tables};
use engine_model::{Cell, Grain, Rows, WindowId, WindowLength, civil_of_day};

use crate::lake::{Lake, Staged};
use crate::layers::Layer;
use crate::store::StoreError;

/// The most rows to which a file grows by being replaced. A file that one commit fills may have more.
pub const FILE_ROWS_MAX: usize = 2_000_000;

/// About how many bytes of rows wait before [`GoldWriter::append`] commits by itself.
pub const PENDING_BYTES_MAX: usize = 64 << 20;

/// Why a commit did not go through. The writer keeps the rows; committing again goes on where it stopped.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// Storage failed.
    #[error("cannot commit table {table}")]
    Store {
        /// The table's name.
        table: String,
        /// The step that failed.
        source: StoreError,
    },
    /// The rows are no Parquet file.
    #[error("cannot commit table {table}")]
    Encode {
        /// The table's name.
        table: String,
        /// What the encoder says.
        source: ParquetEncodeError,
    },
}

/// A data file that a commit has shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommittedFile {
    /// The table, by its place in [`GoldWriter::tables`].
    pub table: usize,
    /// Where it lies, relative to the lake.
    pub path: PathBuf,
    /// How many rows it has, those of earlier commits included.
    pub rows: usize,
    /// How long it is.
    pub bytes: usize,
}

/// What a commit has shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommitReport {
    /// The data files in the order in which they appeared; none where nothing was waiting.
    pub files: Vec<CommittedFile>,
}

/// Writes the Gold tables of a lake. There must be one for a lake.
#[derive(Debug)]
pub struct GoldWriter {
    lake: Lake,
    tables: Vec<GoldTable>,
    states: Vec<State>,
    /// For each grain, what was appended last.
    progress: Vec<Progress>,
    pending_bytes: usize,
    /// Whether every table has its schema.
    has_schemas: bool,
    /// Whether a commit has begun that has not gone through.
    unfinished: bool,
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

/// Where a window's rows stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    /// Whether it has rows that no reader has seen.
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
    pub fn new(lake: &Lake) -> GoldWriter {
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
            unfinished: false,
            file_rows_max: FILE_ROWS_MAX,
            pending_bytes_max: PENDING_BYTES_MAX,
        }
    }

    /// The tables, in the order in which a commit shows them; their places are what the other calls take.
    #[must_use]
    pub fn tables(&self) -> &[GoldTable] {
        &self.tables
    }

    /// About how many bytes of rows wait for a commit.
    #[must_use]
    pub fn pending_bytes(&self) -> usize {
        self.pending_bytes
    }

    /// Takes all rows of one window: for each table of the grain its rows, none or empty ones where it has none.
    ///
    /// `grain` is a place in [`engine_model::Semantics::grains`]; the rows of `customer_activity` belong to base
    /// windows. The windows of a grain come in ascending order, each once; grains may come in any order among each other.
    ///
    /// Copies the rows. Commits first, and then returns what that has shown, where a commit has failed before, where
    /// rows of another day of this grain wait, or where [`PENDING_BYTES_MAX`] are waiting.
    ///
    /// # Errors
    /// Where that commit fails. The window was then not taken; append it again.
    ///
    /// # Panics
    /// Where a table is not of this grain, rows are not of the table or not of the window, or the window is not
    /// after the one before it.
    pub fn append<'a>(
        &mut self,
        grain: usize,
        window: WindowId,
        rows: impl IntoIterator<Item = (usize, &'a Rows)>,
    ) -> Result<Option<CommitReport>, CommitError> {
        let length = self.lake.semantics().grains()[grain];
        let before = self.progress[grain];
        assert!(before.window_last < Some(window), "window {window:?} after {:?}", before.window_last);
        let stand = Stand { day: length.local_day(window), hour: length.minute_of_day(window) / 60 };

        let another_day = before.pending_day.is_some_and(|day| day != stand.day);
        let report = if self.unfinished || another_day || self.pending_bytes >= self.pending_bytes_max {
            Some(self.commit()?)
        } else {
            None
        };
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
        Ok(report)
    }

    /// Replaces a dimension's rows, all of them, with the next commit.
    ///
    /// # Panics
    /// Where the table is no dimension or the rows are not of it.
    pub fn replace_dimension(&mut self, table: usize, rows: Rows) {
        let GoldTable { name, schema, .. } = &self.tables[table];
        assert_eq!(schema.name, rows.schema().name, "rows of another table");
        let State::Dimension { pending } = &mut self.states[table] else {
            panic!("table {name} is no dimension");
        };
        self.pending_bytes += rows.byte_size();
        self.pending_bytes -= pending.replace(rows).map_or(0, |before| before.byte_size());
    }

    /// Shows everything that waits; what readers can rely on stands at the head of this file. Blocks until it is
    /// durable.
    ///
    /// Costs an encoding of each file that is written, at most [`FILE_ROWS_MAX`] rows or what waits, and a few syncs
    /// for each. Without anything waiting it costs nothing.
    ///
    /// # Errors
    /// Where encoding or storage fails. No half file is shown; call again to go on.
    pub fn commit(&mut self) -> Result<CommitReport, CommitError> {
        self.unfinished = true;
        self.show_schemas()?;
        let mut staged = Vec::new();
        for (index, state) in self.states.iter_mut().enumerate() {
            let table = &self.tables[index];
            state.plan(self.file_rows_max);
            if let Some((path, rows)) = state.unseen(&table.name) {
                let (file, bytes) = stage(&self.lake, &table.name, &path, rows)?;
                staged.push((file, CommittedFile { table: index, path, rows: rows.len(), bytes }));
            }
        }
        let mut report = CommitReport::default();
        for (file, committed) in staged {
            show(&self.lake, &self.tables[committed.table].name, &file)?;
            self.states[committed.table].seen(self.file_rows_max);
            report.files.push(committed);
        }
        self.progress.iter_mut().for_each(|progress| progress.pending_day = None);
        self.pending_bytes = 0;
        self.unfinished = false;
        Ok(report)
    }

    fn show_schemas(&mut self) -> Result<(), CommitError> {
        if self.has_schemas {
            return Ok(());
        }
        let mut staged = Vec::new();
        for GoldTable { name, schema, .. } in &self.tables {
            let path = folder(name).join("schema.parquet");
            staged.push((name, stage(&self.lake, name, &path, &Rows::new(schema))?.0));
        }
        for (name, file) in &staged {
            show(&self.lake, name, file)?;
        }
        self.has_schemas = true;
        Ok(())
    }
}

impl State {
    /// Decides which file the waiting rows go to. Does nothing when asked again before they were seen.
    fn plan(&mut self, file_rows_max: usize) {
        match self {
            State::Windowed(table) => table.plan(file_rows_max),
            State::Dimension { .. } => {}
        }
    }

    /// The file that no reader has seen, relative to the lake, and its rows.
    fn unseen(&self, name: &str) -> Option<(PathBuf, &Rows)> {
        match self {
            State::Windowed(Windowed { newest: Some(newest), .. }) if newest.is_dirty => {
                Some((folder(name).join(newest.path()), newest.rows.as_ref()?))
            }
            State::Windowed(_) => None,
            State::Dimension { pending } => Some((folder(name).join(format!("{name}.parquet")), pending.as_ref()?)),
        }
    }

    /// Notes that readers see that file.
    fn seen(&mut self, file_rows_max: usize) {
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
                debug_assert!(!newest.is_dirty, "rows are taken only after a commit has gone through");
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

/// Encodes rows and writes them where nobody sees them; also answers how many bytes that are.
pub(crate) fn stage(lake: &Lake, table: &str, path: &Path, rows: &Rows) -> Result<(Staged, usize), CommitError> {
    let bytes = engine_gold::parquet(rows).map_err(|source| CommitError::Encode { table: table.to_owned(), source })?;
    let staged = lake.stage(path, &bytes).map_err(|source| CommitError::Store { table: table.to_owned(), source })?;
    Ok((staged, bytes.len()))
}

pub(crate) fn show(lake: &Lake, table: &str, staged: &Staged) -> Result<(), CommitError> {
    lake.show(staged).map_err(|source| CommitError::Store { table: table.to_owned(), source })
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
