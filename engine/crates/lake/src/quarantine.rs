//! The quarantine: what was rejected, late or a duplicate, in numbered files.
//!
//! A commit writes what has come since the one before. So that files stay few however often commits come, the newest file of a table is
//! written anew with its further rows, and renamed over itself, while it is small.

use std::path::{Path, PathBuf};

use engine_model::Rows;
use engine_model::gold::QUARANTINE;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::lake::Lake;
use crate::layers::Layer;
use crate::staging::{CommitError, CommitPart, Staging};

/// The rows of a table that wait at the most before they are staged.
pub const QUARANTINE_ROWS_MAX: usize = 100_000;

/// About how many bytes of rows of a table wait at the most.
pub const QUARANTINE_BYTES_MAX: usize = 8 << 20;

/// From about how many bytes of rows on a file is left as it is.
const FILE_BYTES_MIN: usize = 1 << 20;

/// Writes the quarantine of a lake.
///
/// Keeps at most [`QUARANTINE_ROWS_MAX`] rows, [`QUARANTINE_BYTES_MAX`] and one append of each table.
#[derive(Debug)]
pub(crate) struct QuarantineWriter {
    lake: Lake,
    /// At its table's place in [`QUARANTINE`].
    tables: Vec<Table>,
    /// Whether every table has its schema.
    has_schemas: bool,
}

#[derive(Debug)]
struct Table {
    /// Rows of the newest file.
    rows: Rows,
    /// Whether some of them are not staged.
    is_dirty: bool,
    /// Number of the newest file, or of the next one where there are no rows.
    number: u64,
}

/// What a commit notes of where a table stands.
#[derive(Serialize, Deserialize)]
struct Position {
    table: String,
    /// Number of the file that further rows go to.
    number: u64,
    /// Whether it is there.
    is_there: bool,
}

impl QuarantineWriter {
    /// A writer for a lake without quarantine. Writes nothing yet.
    ///
    /// # Panics
    /// Where the quarantine is not among the lake's layers.
    pub(crate) fn new(lake: &Lake) -> QuarantineWriter {
        assert!(lake.layers().contains(Layer::Quarantine), "layers {} leave quarantine out", lake.layers());
        let table = |schema: &&'static _| Table { rows: Rows::new(schema), is_dirty: false, number: 0 };
        QuarantineWriter { lake: lake.clone(), tables: QUARANTINE.iter().map(table).collect(), has_schemas: false }
    }

    fn place_of(name: &str) -> Option<usize> {
        QUARANTINE.iter().position(|schema| schema.name == name)
    }

    fn resume_table(&mut self, position: &Position) -> Result<(), String> {
        let index = QuarantineWriter::place_of(&position.table);
        let index = index.ok_or_else(|| format!("it names a table {} of the quarantine", position.table))?;
        let table = &mut self.tables[index];
        table.number = position.number;
        if position.is_there {
            let path = self.lake.root().join(path(QUARANTINE[index].name, position.number));
            let failed =
                |error: &dyn std::fmt::Display| format!("table file {} cannot be read: {error}", path.display());
            let bytes = self.lake.store().read(&path).map_err(|error| failed(&error))?;
            table.rows = engine_gold::rows(QUARANTINE[index], bytes).map_err(|error| failed(&error))?;
        }
        Ok(())
    }
}

impl CommitPart for QuarantineWriter {
    fn layer(&self) -> Layer {
        Layer::Quarantine
    }

    fn resume(&mut self, position: &Value) -> Result<(), String> {
        let positions: Vec<Position> = serde_json::from_value(position.clone()).map_err(|error| error.to_string())?;
        positions.iter().try_for_each(|position| self.resume_table(position))
    }

    fn append(&mut self, rows: &Rows, staging: &mut Staging) -> Result<(), CommitError> {
        let index = QuarantineWriter::place_of(rows.schema().name);
        let index = index.unwrap_or_else(|| panic!("table {} is not in the quarantine", rows.schema().name));
        let table = &mut self.tables[index];
        table.rows.append(rows);
        table.is_dirty |= !rows.is_empty();
        if table.rows.len() < QUARANTINE_ROWS_MAX && table.rows.byte_size() < QUARANTINE_BYTES_MAX {
            return Ok(());
        }
        table.stage(staging)
    }

    fn has_table(&self, name: &str) -> bool {
        QuarantineWriter::place_of(name).is_some()
    }

    fn pending_bytes(&self) -> usize {
        self.tables.iter().filter(|table| table.is_dirty).map(|table| table.rows.byte_size()).sum()
    }

    fn stage(&mut self, staging: &mut Staging) -> Result<(), CommitError> {
        if !self.has_schemas {
            for schema in QUARANTINE {
                staging.add_schema(schema.name, &folder(schema.name).join("schema.parquet"), &Rows::new(schema))?;
            }
            self.has_schemas = true;
        }
        self.tables.iter_mut().try_for_each(|table| table.stage(staging))
    }

    fn position(&self) -> Value {
        let positions = self.tables.iter().map(|table| Position {
            table: table.rows.schema().name.to_owned(),
            number: table.number,
            is_there: !table.rows.is_empty(),
        });
        serde_json::to_value(positions.collect::<Vec<_>>()).expect("plain data")
    }
}

impl Table {
    fn stage(&mut self, staging: &mut Staging) -> Result<(), CommitError> {
        if !self.is_dirty {
            return Ok(());
        }
        let name = self.rows.schema().name;
        staging.add(name, &path(name, self.number), &self.rows)?;
        self.is_dirty = false;
        if self.rows.byte_size() >= FILE_BYTES_MIN {
            self.number += 1;
            self.rows.clear();
        }
        Ok(())
    }
}

fn path(table: &str, number: u64) -> PathBuf {
    folder(table).join(format!("{number:06}.parquet"))
}

fn folder(table: &str) -> PathBuf {
    Path::new(Layer::Quarantine.name()).join(table)
}

#[cfg(test)]
mod tests;
