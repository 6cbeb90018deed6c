//! The Gold rows of a session, kept in memory for downloads, within a bound.

use engine_model::Rows;
use engine_model::gold::GoldTable;
use engine_window::{Closed, GoldRows};

/// All rows so far. Once they have reached the bound nothing more is kept, and that is said.
#[derive(Debug)]
pub(crate) struct Kept {
    rows: GoldRows,
    bytes: usize,
    bytes_max: usize,
    is_cut: bool,
}

impl Kept {
    pub(crate) fn new(rows: GoldRows, bytes_max: usize) -> Kept {
        Kept { rows, bytes: 0, bytes_max, is_cut: false }
    }

    /// Takes in the rows of a window that has just closed.
    pub(crate) fn append(&mut self, tables: &[GoldTable], closed: Closed, rows: &GoldRows) {
        self.is_cut |= self.bytes >= self.bytes_max;
        if self.is_cut {
            return;
        }
        for (table, (kept, more)) in tables.iter().zip(self.rows.iter_mut().zip(rows)) {
            if table.grain == Some(closed.grain) {
                self.bytes += more.byte_size();
                kept.append(more);
            }
        }
    }

    /// The rows of a table by its place.
    pub(crate) fn rows(&self, table: usize) -> &Rows {
        &self.rows[table]
    }

    /// Whether rows are missing because the bound was reached.
    pub(crate) fn is_cut(&self) -> bool {
        self.is_cut
    }
}
