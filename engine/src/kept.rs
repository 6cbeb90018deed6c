//! Rows of Bronze and Silver on their way to the committer, by table and by the local day whose folder they go to.

use engine_lake::Layer;
use engine_model::Rows;
use engine_model::gold::TableSchema;
use rtrb::Producer;

use crate::message::{Gone, Report, send};

/// Rows are sent on in about this many bytes: some thousand records, so that what is done once a part does not count.
const KEPT_SEND_BYTES: usize = 512 << 10;

/// Rows of one layer that wait to be sent.
#[derive(Debug)]
pub(crate) struct KeptRows {
    layer: Layer,
    parts: Vec<Part>,
}

#[derive(Debug)]
struct Part {
    day: Option<i64>,
    rows: Rows,
}

impl KeptRows {
    pub(crate) fn new(layer: Layer) -> KeptRows {
        KeptRows { layer, parts: Vec::new() }
    }

    /// The rows of a table and day, to be appended to.
    pub(crate) fn of(&mut self, schema: &'static TableSchema, day: Option<i64>) -> &mut Rows {
        // A few tables, and mostly one day.
        let is_it = |part: &Part| part.day == day && std::ptr::eq(part.rows.schema(), schema);
        let at = self.parts.iter().position(is_it).unwrap_or_else(|| {
            self.parts.push(Part { day, rows: Rows::new(schema) });
            self.parts.len() - 1
        });
        &mut self.parts[at].rows
    }

    /// Sends those rows of which there are enough, or all.
    pub(crate) fn send(&mut self, reports: &mut Producer<Report>, all: bool) -> Result<(), Gone> {
        for Part { day, rows } in &mut self.parts {
            if !rows.is_empty() && (all || rows.byte_size() >= KEPT_SEND_BYTES) {
                let rows = std::mem::replace(rows, Rows::new(rows.schema()));
                send(reports, Report::Kept { layer: self.layer, day: *day, rows })?;
            }
        }
        if all {
            // Days pass.
            self.parts.clear();
        }
        Ok(())
    }
}
