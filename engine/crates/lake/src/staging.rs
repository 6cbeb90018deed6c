//! The files of a commit before anybody sees them, and what a layer's writer has to do with a commit.

use std::fmt;
use std::path::Path;

use engine_gold::ParquetEncodeError;
use engine_model::Rows;
use serde_json::Value;

use crate::lake::Lake;
use crate::layers::Layer;
use crate::record::StagedFile;
use crate::store::{Operation, StoreError};

/// Why a commit did not go through. What it holds is then not in the lake or, once it is recorded, shown by the next run.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// Storage failed under a file of a table.
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
    /// Storage failed under what belongs to no table.
    #[error("cannot {what} commit {number}")]
    Record {
        /// What was being done.
        what: &'static str,
        /// Of which commit.
        number: u64,
        /// The step that failed.
        source: StoreError,
    },
}

/// Writes one layer. A commit asks every layer's writer to [`stage`](CommitPart::stage) what it has, notes their
/// [`position`](CommitPart::position)s in its record, and then shows all that was staged. What a writer has staged it may take for shown:
/// where the commit fails the run ends, and the next one begins with the positions of the last commit.
pub(crate) trait CommitPart: fmt::Debug + Send {
    /// Its layer.
    fn layer(&self) -> Layer;

    /// Goes on at the position that an earlier run's commit has noted.
    ///
    /// # Errors
    /// What is wrong with the position, or with a file that it names.
    fn resume(&mut self, position: &Value) -> Result<(), String>;

    /// Takes rows of one of its tables; may stage files where too many are waiting.
    fn append(&mut self, rows: &Rows, staging: &mut Staging) -> Result<(), CommitError>;

    /// Whether a table of this schema is its own.
    fn has_table(&self, name: &str) -> bool;

    /// About how many bytes of rows wait.
    fn pending_bytes(&self) -> usize;

    /// Stages all that waits, and the schemas of its tables where they are not shown.
    fn stage(&mut self, staging: &mut Staging) -> Result<(), CommitError>;

    /// Where it stands behind all it has staged.
    fn position(&self) -> Value;
}

/// The files of the next commit, complete, synced and unseen.
#[derive(Debug)]
pub(crate) struct Staging {
    lake: Lake,
    number: u64,
    files: Vec<StagedFile>,
    /// How many rows each file has.
    rows: Vec<usize>,
}

impl Staging {
    pub(crate) fn new(lake: &Lake, number: u64) -> Staging {
        Staging { lake: lake.clone(), number, files: Vec::new(), rows: Vec::new() }
    }

    /// Writes a file that will be at `place`, relative to the lake, behind those staged before. A place may come more than once; the last
    /// file stays.
    pub(crate) fn add(&mut self, table: &str, place: &Path, rows: &Rows) -> Result<(), CommitError> {
        let failed = |source| CommitError::Encode { table: table.to_owned(), source };
        let bytes = engine_gold::parquet(rows).map_err(failed)?;
        self.add_encoded(table, place, &bytes, rows.len())
    }

    /// Shows a table's schema, where no file without rows shows it as it is now.
    pub(crate) fn add_schema(&mut self, table: &str, place: &Path, rows: &Rows) -> Result<(), CommitError> {
        debug_assert!(rows.is_empty(), "a schema has no rows");
        let failed = |source| CommitError::Encode { table: table.to_owned(), source };
        let bytes = engine_gold::parquet(rows).map_err(failed)?;
        let shown = self.lake.store().read(&self.lake.root().join(place));
        if shown.is_ok_and(|shown| shown == bytes) { Ok(()) } else { self.add_encoded(table, place, &bytes, 0) }
    }

    fn add_encoded(&mut self, table: &str, place: &Path, bytes: &[u8], rows: usize) -> Result<(), CommitError> {
        let name = format!("{:06}-{:03}", self.number, self.files.len());
        let path = self.lake.staging_folder().join(&name);
        if let Err(error) = self.lake.store().write(&path, bytes) {
            // Room may be what was short.
            let _ = self.lake.store().remove_file(&path);
            let source = StoreError::of(Operation::Write, &path)(error);
            return Err(CommitError::Store { table: table.to_owned(), source });
        }
        let place = place.to_str().expect("places are made of ASCII").replace('\\', "/");
        self.files.push(StagedFile { name, place, bytes: bytes.len() as u64 });
        self.rows.push(rows);
        Ok(())
    }

    /// Takes a file in that was written elsewhere under `tmp`, complete and synced.
    pub(crate) fn add_written(&mut self, file: StagedFile, rows: usize) {
        self.files.push(file);
        self.rows.push(rows);
    }

    /// Whether nothing was staged.
    pub(crate) fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// Makes the files' names durable and hands them over, each with its rows; goes on with the next commit.
    pub(crate) fn take(&mut self) -> Result<Vec<(StagedFile, usize)>, StoreError> {
        if !self.files.is_empty() {
            let folder = self.lake.staging_folder();
            self.lake.store().sync_folder(&folder).map_err(StoreError::of(Operation::SyncFolder, &folder))?;
        }
        self.number += 1;
        let rows = std::mem::take(&mut self.rows);
        Ok(std::mem::take(&mut self.files).into_iter().zip(rows).collect())
    }
}
