//! The oracle: the contract read to the letter, slowly. What the engine answers is compared with what this answers.
//!
//! It shares the vocabulary of `engine-model` (names of reasons, fields, tables and columns) and nothing else: it has
//! its own parsing, its own arithmetic and its own calendar. Nothing here is fast, and nothing is kept that can be
//! computed again from the list of accepted events. Sources are files: no clock, no idleness.
//!
//! [`generate`] makes inputs for both.

pub mod generate;

mod compare;
mod judge;
mod parse;
mod silver;
mod tables;
mod time;

use std::collections::BTreeMap;

use engine_model::{EventTime, Outcome, Reason, Semantics};

pub use compare::{Value, canonical, compare};
pub use judge::run;
pub use parse::{Line, lines};
pub use silver::silver_rows;

/// One file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// Its name.
    pub source: String,
    /// Its JSON Lines, uncompressed.
    pub bytes: Vec<u8>,
}

/// What the answer depends on besides the input.
#[derive(Clone, Debug)]
pub struct Config {
    /// Windows, lateness, currency, offset.
    pub semantics: Semantics,
    /// The clock plus `max_future`: later event times are `future_event_time`.
    /// [`EventTime::EVENT_MAX`] is the limit in any case.
    pub time_max: EventTime,
}

/// What a run must end with.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The rows of each Gold table by its name (`kpis_1m`, `dim_product`), also of empty ones, sorted.
    pub tables: BTreeMap<String, Vec<Vec<Value>>>,
    /// How many records became what.
    pub ledger: Ledger,
    /// For each partition, for each of its records in order, what became of it.
    pub outcomes: Vec<Vec<RecordOutcome>>,
    /// Whether a sum reached the end of its column.
    pub saturated: bool,
    /// Base windows with a `kpis` row.
    pub windows: u64,
}

/// Counts of records: `records = accepted + duplicates + late + rejected`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// All records.
    pub records: u64,
    /// Accepted ones.
    pub accepted: u64,
    /// Duplicates.
    pub duplicates: u64,
    /// Late ones.
    pub late: u64,
    /// Rejected ones.
    pub rejected: u64,
    /// Valid ones older than the newest before them in their partition.
    pub delayed: u64,
    /// Rejected ones by reason; reasons that did not occur are absent.
    pub by_reason: BTreeMap<Reason, u64>,
}

/// What became of one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordOutcome {
    /// Offset of its first byte in the partition.
    pub offset: u64,
    /// What became of it. A duplicate names the window of the first accepted record it duplicates; a rejection never
    /// says at which byte.
    pub outcome: Outcome,
}

#[cfg(test)]
mod tests;
