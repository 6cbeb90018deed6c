//! The ledger of records: per observed base window, and in total.

use engine_model::{Cell, Reason, Rows, WindowId};

use crate::delay::DelayHistogram;

/// How many records became what. Adds up: `records = accepted + duplicates + late + rejected`.
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
    /// Rejected ones, by [`Reason::index`].
    pub rejected: [u64; Reason::ALL.len()],
    /// Valid records older than the newest before them; these are also accepted, duplicate or late.
    pub delayed: u64,
}

impl Ledger {
    /// Adds the counts of `other`.
    pub fn merge(&mut self, other: &Ledger) {
        self.records += other.records;
        self.accepted += other.accepted;
        self.duplicates += other.duplicates;
        self.late += other.late;
        self.delayed += other.delayed;
        for (count, more) in self.rejected.iter_mut().zip(&other.rejected) {
            *count += more;
        }
    }

    /// Rejected records of all reasons.
    #[must_use]
    pub fn rejected_total(&self) -> u64 {
        self.rejected.iter().sum()
    }

    /// Whether every record became exactly one of the four.
    #[must_use]
    pub fn adds_up(&self) -> bool {
        self.records == self.accepted + self.duplicates + self.late + self.rejected_total()
    }
}

/// What is known of the records observed in one base window: part of it by a partition's progress (records, late,
/// rejected, delayed, delays), part of it by the shards (accepted, duplicates). Merging adds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QualityPartial {
    /// The base window observed.
    pub window: WindowId,
    /// The counts.
    pub ledger: Ledger,
    /// Delays of the valid records behind the newest one.
    pub delays: DelayHistogram,
}

impl QualityPartial {
    /// Nothing observed yet in `window`.
    #[must_use]
    pub fn new(window: WindowId) -> QualityPartial {
        QualityPartial { window, ..QualityPartial::default() }
    }

    /// Adds what `other` knows of the same window.
    ///
    /// # Panics
    /// Where the windows differ.
    pub fn merge(&mut self, other: &QualityPartial) {
        assert_eq!(self.window, other.window, "quality of different windows");
        self.ledger.merge(&other.ledger);
        self.delays.merge(&other.delays);
    }

    /// Appends the row of `quality` and those of `rejections`, after the `leading` cells of the window.
    ///
    /// # Panics
    /// Where the ledger does not add up: a fault of this program that must not reach a table.
    pub(crate) fn append_rows(&self, leading: [Cell<'_>; 4], quality: &mut Rows, rejections: &mut Rows) {
        assert!(self.ledger.adds_up(), "the ledger of window {:?} does not add up: {:?}", self.window, self.ledger);
        let ledger = &self.ledger;
        let millis = |span: Option<engine_model::Micros>| span.map_or(Cell::Null, |s| Cell::Double(s.as_millis_f64()));
        let [start, end, date, minute] = leading;
        if ledger.records > 0 {
            quality.push(&[
                start,
                end,
                date,
                minute,
                count(ledger.records),
                count(ledger.accepted),
                count(ledger.duplicates),
                count(ledger.late),
                count(ledger.rejected_total()),
                count(ledger.delayed),
                millis(self.delays.percentile(50)),
                millis(self.delays.percentile(99)),
                millis(self.delays.max()),
            ]);
        }
        for reason in Reason::ALL {
            let records = ledger.rejected[reason.index()];
            if records > 0 {
                rejections.push(&[start, end, date, minute, Cell::Text(reason.name()), count(records)]);
            }
        }
    }
}

/// A count as a cell. Counts of events fit 63 bits: at a thousand million a second they last 292 years.
pub(crate) fn count(count: u64) -> Cell<'static> {
    Cell::Int64(i64::try_from(count).expect("a count of records fits 63 bits"))
}
