//! What a run has done, for a person or as JSON.

use std::fmt::{self, Write as _};
use std::path::PathBuf;
use std::time::Duration;

use engine_lake::Lake;
use engine_model::{EventTime, Reason};
use engine_window::Ledger;

use crate::figures::Figures;
use crate::number::thousands;
use crate::resume::Plan;
use crate::terminal::Terminal;

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunEnd {
    /// All inputs were read to their ends and all windows are written.
    Finished,
    /// It was told to stop.
    Interrupted,
    /// An input could not be read on; the message says which and why.
    SourceFailed(String),
}

/// What a run has done.
#[derive(Clone, Debug)]
pub struct Summary {
    /// How it ended.
    pub end: RunEnd,
    /// What became of the records.
    pub ledger: Ledger,
    /// Base windows written with at least one accepted event.
    pub windows: u64,
    /// The ends of base windows with events that are not written.
    pub open_windows: Vec<EventTime>,
    /// Whether a sum of money has stopped at the end of its column.
    pub saturated: bool,
    /// From the start to the last write.
    pub elapsed: Duration,
    /// Where the lake is.
    pub lake: PathBuf,
    /// Whether Gold was written.
    pub has_gold: bool,
    /// Figures of the last windows.
    pub figures: Figures,
    /// Where the lake stood when the run began; `None` where it was new.
    pub resumed: Option<Resumed>,
    /// By input, how many records were late because an earlier run had emitted their windows.
    pub late_for_emitted: Vec<(String, u64)>,
}

/// Where a lake stood when a run went on with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resumed {
    /// The number of its last commit.
    pub commit: u64,
    /// How many records were in its books.
    pub records: u64,
    /// Inputs of this run that were read to their ends before.
    pub inputs_finished: usize,
    /// Inputs of this run that were read in part.
    pub inputs_begun: usize,
    /// Bytes or records that open windows need again.
    pub replayed: u64,
}

impl Resumed {
    /// What the plan of a run says of it.
    pub(crate) fn of(lake: &Lake, plan: &Plan) -> Option<Resumed> {
        let commit = lake.commit_number();
        let known = plan.partitions.iter().filter(|planned| planned.is_known).map(|planned| &planned.cut.stand);
        let replayed = known.clone().filter_map(|stand| Some(stand.offset - stand.replay?.offset.min(stand.offset)));
        let inputs_finished = known.clone().filter(|stand| stand.is_finished).count();
        let inputs_begun = known.filter(|stand| !stand.is_finished && stand.offset > 0).count();
        let records = Ledger::from(&plan.cut.books).records;
        (commit > 0).then(|| Resumed { commit, records, inputs_finished, inputs_begun, replayed: replayed.sum() })
    }
}

impl fmt::Display for Resumed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Resumed { commit, records, inputs_finished, inputs_begun, .. } = self;
        write!(
            f,
            "went on from commit {commit}, {records} records: {inputs_finished} inputs were read, {inputs_begun} in part"
        )
    }
}

impl Summary {
    /// Records a second, of this run.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    pub fn records_per_second(&self) -> f64 {
        let seconds = self.elapsed.as_secs_f64();
        if seconds > 0.0 { self.records_read() as f64 / seconds } else { 0.0 }
    }

    /// The records that this run has read; the ledger counts those of earlier runs, too.
    #[must_use]
    pub fn records_read(&self) -> u64 {
        self.ledger.records - self.resumed.as_ref().map_or(0, |resumed| resumed.records)
    }

    /// The summary as one JSON object on one line.
    #[must_use]
    pub fn to_json(&self) -> String {
        let ledger = &self.ledger;
        let rejections: serde_json::Map<String, serde_json::Value> = Reason::ALL
            .into_iter()
            .filter(|reason| ledger.rejected[reason.index()] > 0)
            .map(|reason| (reason.name().to_owned(), ledger.rejected[reason.index()].into()))
            .collect();
        let late_for_emitted: serde_json::Map<String, serde_json::Value> =
            self.late_for_emitted.iter().map(|(name, count)| (name.clone(), (*count).into())).collect();
        let (end, error) = match &self.end {
            RunEnd::Finished => ("finished", None),
            RunEnd::Interrupted => ("interrupted", None),
            RunEnd::SourceFailed(error) => ("source_failed", Some(error)),
        };
        serde_json::json!({
            "records": ledger.records,
            "records_read": self.records_read(),
            "resumed_from_commit": self.resumed.as_ref().map(|resumed| resumed.commit),
            "replayed": self.resumed.as_ref().map_or(0, |resumed| resumed.replayed),
            "late_for_emitted": late_for_emitted,
            "accepted": ledger.accepted,
            "duplicates": ledger.duplicates,
            "late": ledger.late,
            "rejected": ledger.rejected_total(),
            "delayed": ledger.delayed,
            "rejections": rejections,
            "windows": self.windows,
            "saturated": self.saturated,
            "elapsed_seconds": self.elapsed.as_secs_f64(),
            "records_per_second": self.records_per_second(),
            "lake": self.lake.display().to_string(),
            "end": end,
            "error": error,
            "open_windows": self.open_windows.iter().map(ToString::to_string).collect::<Vec<_>>(),
        })
        .to_string()
    }

    /// The summary for a person: figures first, as `show` has them, then the books.
    ///
    /// # Panics
    /// Never: a string takes all that is written.
    #[must_use]
    pub fn to_text(&self, terminal: &Terminal) -> String {
        let mut text = self.figures.to_text(terminal);
        let ledger = &self.ledger;
        let seconds = self.elapsed.as_secs_f64();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate for people")]
        let rate = self.records_per_second() as u64;
        let rejected = Reason::ALL.into_iter().filter(|reason| ledger.rejected[reason.index()] > 0);
        let reasons: Vec<String> =
            rejected.map(|reason| format!("{reason} {}", thousands(ledger.rejected[reason.index()]))).collect();
        let mut line = |name: &str, value: String| {
            writeln!(text, "{name:<12}{value}").expect("writing to a string");
        };
        let read = thousands(self.records_read());
        line("records", format!("{read} in {seconds:.2} s, {} a second", thousands(rate)));
        if self.resumed.is_some() {
            line(
                "in the lake",
                format!("{} records, of all runs; the following counts are of these", thousands(ledger.records)),
            );
        }
        line("accepted", thousands(ledger.accepted));
        line("duplicates", thousands(ledger.duplicates));
        line("late", thousands(ledger.late));
        let reasons = if reasons.is_empty() { String::new() } else { format!(" ({})", reasons.join(", ")) };
        line("rejected", format!("{}{reasons}", thousands(ledger.rejected_total())));
        line("delayed", format!("{} of the valid ones came after a newer one", thousands(ledger.delayed)));
        line("windows", thousands(self.windows));
        if self.saturated {
            line("saturated", "a sum of money has stopped at 9,999,999,999,999,999.99".to_owned());
        }
        let place = self.lake.display();
        line(
            "lake",
            if self.has_gold {
                format!("{place} (Gold in {})", self.lake.join("gold").display())
            } else {
                place.to_string()
            },
        );
        if let (Some(first), Some(last)) = (self.open_windows.first(), self.open_windows.last()) {
            let count = self.open_windows.len();
            let plural = if count == 1 { "window" } else { "windows" };
            line(
                "not written",
                format!("{count} open {plural}, ending {first} to {last}, and the rollups they belong to"),
            );
        }
        text
    }
}
