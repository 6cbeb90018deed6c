//! The messages of how far a run has come, and of its end.

use std::collections::BTreeMap;

use engine_model::{EventTime, Reason, Watermark};
use engine_window::Ledger;
use serde::Serialize;

use crate::millis;

/// How far the run has come. Counts are of the records read since the run began; a count that the sender does not know is
/// `null`. Each message replaces the one before.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Status {
    /// Wall-clock time since the run began.
    pub elapsed_ms: u64,
    /// Records read.
    pub records: u64,
    /// Accepted ones.
    pub accepted: Option<u64>,
    /// Duplicates.
    pub duplicates: Option<u64>,
    /// Late ones.
    pub late: u64,
    /// Rejected ones.
    pub rejected: u64,
    /// Rejected ones by reason, those with none left out.
    pub rejected_by_reason: Option<BTreeMap<&'static str, u64>>,
    /// Valid records older than the newest one before them.
    pub delayed: Option<u64>,
    /// The global watermark; `null` before the first valid record and when all has been read.
    pub watermark_ms: Option<i64>,
    /// The greatest event time so far; `null` before the first valid record or where unknown.
    pub event_time_max_ms: Option<i64>,
    /// Records a second of wall-clock time, over the last second or so.
    pub records_per_second: f64,
    /// Live sources: how far the greatest event time lies behind the clock.
    pub lag_ms: Option<i64>,
    /// Base windows open.
    pub open_windows: u64,
}

impl Status {
    /// A status with the counts of a ledger that knows all of them.
    #[must_use]
    pub fn of_ledger(ledger: &Ledger) -> Status {
        let reasons = Reason::ALL.into_iter().map(|reason| (reason.name(), ledger.rejected[reason.index()]));
        Status {
            records: ledger.records,
            accepted: Some(ledger.accepted),
            duplicates: Some(ledger.duplicates),
            late: ledger.late,
            rejected: ledger.rejected_total(),
            rejected_by_reason: Some(reasons.filter(|(_, records)| *records > 0).collect()),
            delayed: Some(ledger.delayed),
            ..Status::default()
        }
    }

    /// The same at a watermark and a greatest event time.
    #[must_use]
    pub fn at(self, watermark: Watermark, event_time_max: Option<EventTime>) -> Status {
        let is_instant = watermark != Watermark::NONE && watermark != Watermark::END;
        Status {
            watermark_ms: is_instant.then(|| millis(watermark.get())),
            event_time_max_ms: event_time_max.map(millis),
            ..self
        }
    }
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// Everything was read, and all windows are closed.
    Finished,
    /// It was told to stop; open windows stay open.
    Stopped,
    /// It failed.
    Failed,
}

/// Nothing will come any more.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct End {
    /// How.
    pub how: How,
    /// Why it failed, for a person.
    pub error: Option<String>,
    /// Whether a sum of money has stopped at the greatest value of its column.
    pub saturated: bool,
    /// The final counts.
    pub status: Status,
}
