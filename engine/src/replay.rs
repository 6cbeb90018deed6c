//! `tillrace replay`: takes quarantined records out again, into a file or through the engine into another lake.

use std::collections::BTreeSet;
use std::fmt;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use engine_lake::{LakeTable, Layer, Layers, OpenError, ReadError, StoreError, Wanted};
use engine_model::gold::{LATE, REJECTED};
use engine_model::{Cell, Currency, EventTime, LINE_BYTES_MAX, Micros, Reason, Rows};
use engine_parse::Slab;
use serde_json::Value;

use crate::embed::{EmbedConfig, EmbedEnd, embed};
use crate::run::RunError;
use crate::source::rules_now;
use crate::why::{Place, raw};

/// Why a record is in the quarantine, of those that can be taken out again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Quarantined {
    /// Its window had passed.
    Late,
    /// It broke a rule.
    Rejected(Reason),
}

impl Quarantined {
    /// The name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Quarantined::Late => "late",
            Quarantined::Rejected(reason) => reason.name(),
        }
    }

    /// All whose lines are kept whole.
    pub fn all() -> impl Iterator<Item = Quarantined> {
        let whole = Reason::ALL.into_iter().filter(|reason| *reason != Reason::TooLarge);
        std::iter::once(Quarantined::Late).chain(whole.map(Quarantined::Rejected))
    }
}

impl fmt::Display for Quarantined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why a text is no list of reasons.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidReasons {
    /// Of these only a part of the line is kept.
    #[error("of a too_large record only the first {LINE_BYTES_MAX} bytes are kept; take it from its source")]
    TooLarge,
    /// Of these no line is kept.
    #[error("of a duplicate no line is kept, and it would change no figure; see tillrace why")]
    Duplicates,
    /// There is no such reason.
    #[error("reason {name:?} is none of {}", names())]
    Unknown {
        /// The part of the list that was refused.
        name: String,
    },
}

fn names() -> String {
    Quarantined::all().map(Quarantined::name).collect::<Vec<_>>().join(", ")
}

/// Reads a comma list such as `currency_mismatch,late`.
///
/// # Errors
/// Where a name is none, or one whose lines are not kept whole.
pub fn parse_reasons(list: &str) -> Result<BTreeSet<Quarantined>, InvalidReasons> {
    let one = |name: &str| match name {
        "too_large" => Err(InvalidReasons::TooLarge),
        "duplicate" | "duplicates" => Err(InvalidReasons::Duplicates),
        name => {
            let known = Quarantined::all().find(|reason| reason.name() == name);
            known.ok_or_else(|| InvalidReasons::Unknown { name: name.to_owned() })
        }
    };
    list.split(',').map(one).collect()
}

/// Where records go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReplayTarget {
    /// To stdout, as JSON Lines.
    Stdout,
    /// To a new file, as JSON Lines.
    File(PathBuf),
    /// Through the engine into a new lake.
    Lake(PathBuf),
}

impl ReplayTarget {
    /// Reads `-`, a file (a path whose name has an extension) or a lake (any other).
    #[must_use]
    pub fn of(text: &str) -> ReplayTarget {
        let path = PathBuf::from(text);
        match text {
            "-" => ReplayTarget::Stdout,
            _ if path.is_dir() || path.extension().is_none() || text.ends_with('/') => ReplayTarget::Lake(path),
            _ => ReplayTarget::File(path),
        }
    }
}

/// What is taken out, and where it goes.
#[derive(Clone, Debug)]
pub struct ReplayConfig {
    /// The lake whose quarantine is read.
    pub lake: PathBuf,
    /// The records that are taken.
    pub reasons: BTreeSet<Quarantined>,
    /// Where they go.
    pub to: ReplayTarget,
    /// The currency of the new lake; that of the old one where absent.
    pub currency: Option<Currency>,
    /// How far ahead of the clock an event may be.
    pub max_future: Micros,
    /// What is written of the new lake.
    pub layers: Layers,
}

/// What was done.
#[derive(Clone, Debug)]
pub struct Replayed {
    /// How many records were taken out.
    pub records: u64,
    /// What became of them, where they went through the engine.
    pub end: Option<EmbedEnd>,
}

/// Why records were not taken out.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// There is no lake, or none that can be read.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The lake was made without a quarantine.
    #[error("lake {} has no quarantine; expected one of a run with --layers quarantine", lake.display())]
    NoQuarantine {
        /// The lake's folder.
        lake: PathBuf,
    },
    /// A table cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A folder cannot be read.
    #[error(transparent)]
    List(#[from] StoreError),
    /// The new file is there already.
    #[error("{} is there already; expected a new file", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The new file cannot be written.
    #[error("writing {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// stdout cannot be written to.
    #[error("writing to stdout")]
    Stdout(#[from] io::Error),
    /// The new lake cannot be made or written.
    #[error(transparent)]
    Run(#[from] RunError),
}

impl ReplayError {
    /// Whether the user has to change what was asked for (exit 2), rather than the world (exit 1).
    #[must_use]
    pub fn is_usage(&self) -> bool {
        match self {
            ReplayError::NoQuarantine { .. } | ReplayError::Exists { .. } => true,
            ReplayError::Open(error) => error.is_usage(),
            ReplayError::Run(error) => error.is_usage(),
            ReplayError::Read(_) | ReplayError::List(_) | ReplayError::File { .. } | ReplayError::Stdout(_) => false,
        }
    }
}

/// A record of the quarantine.
struct Record {
    /// Its event time, as far as one can be read in a line that may break rules.
    time: Option<i64>,
    place: Place,
    raw: Vec<u8>,
}

/// Takes records out of a quarantine, which stays as it is, in the order of their event times, so that none of them is late
/// for another; those without come first. Equal ones come in the order of source, partition and offset. Needs memory for
/// all of them.
///
/// # Errors
/// [`ReplayError`]. A reader of `out` that has gone away is one, [`ReplayError::Stdout`].
pub fn replay(config: &ReplayConfig, out: &mut impl Write) -> Result<Replayed, ReplayError> {
    let reader = engine_lake::open(&config.lake)?;
    let tables = reader.tables()?;
    let mut records = Vec::new();
    let mut has_quarantine = false;
    for table in tables.iter().filter(|table| table.layer == Layer::Quarantine) {
        has_quarantine = true;
        if is_wanted(table, &config.reasons) {
            reader.search(table, Wanted::All, |rows| take(rows, &config.reasons, &mut records))?;
        }
    }
    if !has_quarantine {
        return Err(ReplayError::NoQuarantine { lake: config.lake.clone() });
    }
    records.sort_by(|a: &Record, b: &Record| (a.time, &a.place).cmp(&(b.time, &b.place)));
    let count = records.len() as u64;
    let end = match &config.to {
        ReplayTarget::Stdout => {
            write_lines(&records, out)?;
            None
        }
        ReplayTarget::File(path) => {
            write_file(&records, path)?;
            None
        }
        ReplayTarget::Lake(lake) => Some(run_into(lake, config, &reader, &records)?),
    };
    Ok(Replayed { records: count, end })
}

fn is_wanted(table: &LakeTable, reasons: &BTreeSet<Quarantined>) -> bool {
    let name = table.schema.name;
    (name == LATE.name && reasons.contains(&Quarantined::Late))
        || (name == REJECTED.name && reasons.iter().any(|reason| *reason != Quarantined::Late))
}

fn take(rows: &Rows, reasons: &BTreeSet<Quarantined>, records: &mut Vec<Record>) {
    let reason = rows.schema().column_index("reason");
    let is_wanted = |row: usize| match reason.map(|column| rows.cell(row, column)) {
        None => true,
        Some(Cell::Text(name)) => reasons.iter().any(|reason| reason.name() == name),
        Some(cell) => unreachable!("reason is {cell:?}"),
    };
    for row in (0..rows.len()).filter(|row| is_wanted(*row)) {
        let raw = raw(rows, row).to_vec();
        records.push(Record { time: event_time(&raw), place: Place::of(rows, row), raw });
    }
}

/// The event time that stands in a line, in microseconds, whatever else is wrong with it.
fn event_time(raw: &[u8]) -> Option<i64> {
    match serde_json::from_slice::<Value>(raw).ok()?.get("event_time")? {
        Value::String(text) => text.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_microsecond),
        Value::Number(millis) => millis.as_i64()?.checked_mul(1_000),
        _ => None,
    }
}

fn write_lines(records: &[Record], out: &mut impl Write) -> io::Result<()> {
    for record in records {
        out.write_all(&record.raw)?;
        // A line that ends with a carriage return of its own would lose it to the line end.
        out.write_all(if record.raw.ends_with(b"\r") { b"\r\n" } else { b"\n" })?;
    }
    out.flush()
}

fn write_file(records: &[Record], path: &Path) -> Result<(), ReplayError> {
    let failed = |source| ReplayError::File { path: path.to_owned(), source };
    let file = match File::create_new(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            return Err(ReplayError::Exists { path: path.to_owned() });
        }
        Err(error) => return Err(failed(error)),
    };
    write_lines(records, &mut BufWriter::new(file)).map_err(failed)
}

fn run_into(
    lake: &Path,
    config: &ReplayConfig,
    reader: &engine_lake::LakeReader,
    records: &[Record],
) -> Result<EmbedEnd, ReplayError> {
    let mut semantics = reader.semantics().clone();
    if let Some(currency) = config.currency {
        semantics = semantics.with_currency(currency);
    }
    let mut rules = rules_now(semantics.currency(), config.max_future);
    rules.time_max = rules.time_max.min(EventTime::EVENT_MAX);
    let source = format!("{}/quarantine", config.lake.display());
    let embedded = EmbedConfig { semantics, lake: lake.to_owned(), layers: config.layers, source };
    let ((), end) = embed(&embedded, None, |feed| {
        let (mut slab, mut offset) = (Vec::new(), 0);
        for part in records.chunks(512) {
            slab.clear();
            write_lines(part, &mut slab).expect("memory can be written to");
            feed.take_lines(Slab { bytes: &slab, offset, oversized: None }, &rules)?;
            offset += slab.len() as u64;
            if feed.is_due() {
                feed.advance()?;
            }
        }
        Ok(())
    })?;
    Ok(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_read_in_any_order_and_those_without_whole_lines_refused() {
        let reasons = parse_reasons("late,currency_mismatch,late").unwrap();
        let names: Vec<&str> = reasons.into_iter().map(Quarantined::name).collect();
        assert_eq!(names, ["late", "currency_mismatch"]);
        let refused = |list: &str| parse_reasons(list).unwrap_err().to_string();
        let large = "of a too_large record only the first 65536 bytes are kept; take it from its source";
        assert_eq!(refused("late,too_large"), large);
        assert!(refused("duplicates").starts_with("of a duplicate no line is kept"));
        assert_eq!(
            refused("Late"),
            "reason \"Late\" is none of late, invalid_utf8, malformed_json, not_an_object, missing_field, \
             invalid_field, unknown_event_type, currency_mismatch, future_event_time"
        );
    }

    #[test]
    fn a_path_with_an_extension_is_a_file_and_any_other_a_lake() {
        assert_eq!(ReplayTarget::of("-"), ReplayTarget::Stdout);
        assert_eq!(ReplayTarget::of("fixed.jsonl"), ReplayTarget::File("fixed.jsonl".into()));
        for lake in ["fixed", "lakes/fixed", "fixed.d/"] {
            assert_eq!(ReplayTarget::of(lake), ReplayTarget::Lake(lake.into()), "{lake}");
        }
    }

    #[test]
    fn an_event_time_is_found_in_lines_that_break_rules() {
        assert_eq!(event_time(br#"{"event_time":"1970-01-01T00:00:01.5Z","total":-1}"#), Some(1_500_000));
        assert_eq!(event_time(br#"{"event_time":7}"#), Some(7_000));
        for raw in [&b"no JSON"[..], b"{}", br#"{"event_time":null}"#, br#"{"event_time":"soon"}"#] {
            assert_eq!(event_time(raw), None);
        }
    }
}
