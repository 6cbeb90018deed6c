//! The quarantine: what was rejected, late or a duplicate, in numbered files.
//!
//! Each file is written once and never touched again. Rows wait until there are enough for a file of their own, or
//! until they are flushed; so files are few where nobody flushes often.

use std::path::{Path, PathBuf};

use engine_model::Rows;
use engine_model::gold::QUARANTINE;

use crate::gold::{CommitError, show, stage};
use crate::lake::Lake;
use crate::layers::Layer;

/// The rows of a table after which a file is written.
pub const QUARANTINE_ROWS_MAX: usize = 100_000;

/// About how many bytes of rows of a table wait before a file is written.
pub const QUARANTINE_BYTES_MAX: usize = 8 << 20;

/// Writes the quarantine of a lake. There must be one for a lake.
///
/// Keeps at most [`QUARANTINE_ROWS_MAX`] rows, [`QUARANTINE_BYTES_MAX`] and one append of each table.
#[derive(Debug)]
pub struct QuarantineWriter {
    lake: Lake,
    /// At its table's place in [`QUARANTINE`].
    tables: Vec<Pending>,
    /// Whether every table has its schema.
    has_schemas: bool,
}

#[derive(Debug)]
struct Pending {
    rows: Rows,
    /// Number of the file the rows go to.
    number: u64,
}

impl QuarantineWriter {
    /// A writer for a lake without quarantine. Writes nothing yet.
    ///
    /// # Panics
    /// Where the quarantine is not among the lake's layers.
    #[must_use]
    pub fn new(lake: &Lake) -> QuarantineWriter {
        assert!(lake.layers().contains(Layer::Quarantine), "layers {} leave quarantine out", lake.layers());
        let tables = QUARANTINE.iter().map(|schema| Pending { rows: Rows::new(schema), number: 0 }).collect();
        QuarantineWriter { lake: lake.clone(), tables, has_schemas: false }
    }

    /// Takes rows of one of the tables in [`QUARANTINE`]; where enough are waiting then, writes them as one file.
    ///
    /// # Errors
    /// Where encoding or storage fails. The rows are taken all the same: appending more, or flushing, tries again.
    ///
    /// # Panics
    /// Where the rows are of another table.
    pub fn append(&mut self, rows: &Rows) -> Result<(), CommitError> {
        let index = QUARANTINE.iter().position(|schema| schema.name == rows.schema().name);
        let index = index.unwrap_or_else(|| panic!("table {} is not in the quarantine", rows.schema().name));
        let waiting = &mut self.tables[index].rows;
        waiting.append(rows);
        if waiting.len() < QUARANTINE_ROWS_MAX && waiting.byte_size() < QUARANTINE_BYTES_MAX {
            return Ok(());
        }
        self.show_schemas()?;
        self.tables[index].write(&self.lake)
    }

    /// Writes what waits, a file for each table that has rows. The first time also shows every table's schema.
    ///
    /// # Errors
    /// Where encoding or storage fails. No half file is shown and no row is lost; call again to go on.
    pub fn flush(&mut self) -> Result<(), CommitError> {
        self.show_schemas()?;
        self.tables.iter_mut().try_for_each(|table| table.write(&self.lake))
    }

    /// Writes what waits, for the last time.
    ///
    /// # Errors
    /// As [`QuarantineWriter::flush`]; what was not written is then lost, so flush first where trying again is wanted.
    pub fn finish(mut self) -> Result<(), CommitError> {
        self.flush()
    }

    fn show_schemas(&mut self) -> Result<(), CommitError> {
        if !self.has_schemas {
            for schema in QUARANTINE {
                let path = folder(schema.name).join("schema.parquet");
                let (file, _) = stage(&self.lake, schema.name, &path, &Rows::new(schema))?;
                show(&self.lake, schema.name, &file)?;
            }
            self.has_schemas = true;
        }
        Ok(())
    }
}

impl Pending {
    fn write(&mut self, lake: &Lake) -> Result<(), CommitError> {
        if self.rows.is_empty() {
            return Ok(());
        }
        let name = self.rows.schema().name;
        let path = folder(name).join(format!("{:06}.parquet", self.number));
        let (file, _) = stage(lake, name, &path, &self.rows)?;
        show(lake, name, &file)?;
        self.number += 1;
        self.rows.clear();
        Ok(())
    }
}

fn folder(table: &str) -> PathBuf {
    Path::new(Layer::Quarantine.name()).join(table)
}

#[cfg(test)]
mod tests;
