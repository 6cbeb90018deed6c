//! `tillrace why`: what became of an event, from the layers that are there.

use std::io::{self, Write};
use std::path::PathBuf;

use engine_lake::{LakeReader, LakeTable, Layer, OpenError, ReadError, StoreError, Wanted};
use engine_model::gold::{DUPLICATES, LATE, REJECTED};
use engine_model::silver::ORDER_ITEMS;
use engine_model::{Cell, EventTime, Grain, Micros, Rows};
use serde_json::{Value, json};

use crate::terminal::printable;

/// Which event, of which lake, and how it is told.
#[derive(Clone, Debug)]
pub struct WhyConfig {
    /// The lake's folder.
    pub lake: PathBuf,
    /// The event's identifier.
    pub event_id: String,
    /// The form.
    pub output: WhyOutput,
}

/// The form of what is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum WhyOutput {
    /// For a person.
    Text,
    /// One JSON object on one line.
    Json,
}

/// Why nothing, or not everything, was told.
#[derive(Debug, thiserror::Error)]
pub enum WhyError {
    /// There is no lake, or none that can be read.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A table cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A folder cannot be read.
    #[error(transparent)]
    List(#[from] StoreError),
    /// What was found cannot be written.
    #[error("writing to stdout")]
    Write(#[from] io::Error),
}

impl WhyError {
    /// Whether the user has to change what was asked for (exit 2), rather than the world (exit 1).
    #[must_use]
    pub fn is_usage(&self) -> bool {
        matches!(self, WhyError::Open(error) if error.is_usage())
    }
}

/// Where a record came from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) source: String,
    pub(crate) partition: i32,
    pub(crate) offset: i64,
}

impl Place {
    /// That of a row of Bronze, Silver or quarantine.
    pub(crate) fn of(rows: &Rows, row: usize) -> Place {
        let cell = |name: &str| rows.cell(row, rows.schema().column_index(name).expect("a column of every such table"));
        let (Cell::Text(source), Cell::Int32(partition), Cell::Int64(offset)) =
            (cell("source"), cell("partition"), cell("offset"))
        else {
            unreachable!("the schema gives the types")
        };
        Place { source: source.to_owned(), partition, offset }
    }

    fn text(&self) -> String {
        format!("source {}, partition {}, offset {}", printable(&self.source), self.partition, self.offset)
    }
}

/// What became of one record.
#[derive(Clone, Debug)]
struct Finding {
    place: Place,
    fate: Fate,
    raw: Option<Vec<u8>>,
}

#[derive(Clone, Debug)]
enum Fate {
    Accepted {
        event_type: String,
        event_time: EventTime,
        window: (EventTime, EventTime),
    },
    Duplicate {
        event_time: EventTime,
    },
    Late {
        event_time: EventTime,
        by: Micros,
        window: (EventTime, EventTime),
    },
    Rejected {
        reason: String,
        field: Option<String>,
        is_certain: bool,
    },
    /// It is in Bronze; a layer that would say more is missing.
    Read {
        conclusion: &'static str,
    },
}

/// Everything that was found out.
struct Answer<'a> {
    event_id: &'a str,
    findings: Vec<Finding>,
    /// Layers that are missing, and what therefore cannot be told.
    missing: Vec<(Layer, &'static str)>,
}

/// Tells what became of all records with an identifier, and whether there are any. The lake may be written meanwhile.
///
/// Silver is searched by its filters of identifiers; the lines of late and rejected records are all looked at, and those
/// of Bronze where Silver or the quarantine is missing.
///
/// # Errors
/// [`WhyError`]. A reader of `out` that has gone away is one, [`WhyError::Write`].
pub fn why(config: &WhyConfig, out: &mut impl Write) -> Result<bool, WhyError> {
    let reader = engine_lake::open(&config.lake)?;
    let tables = reader.tables()?;
    let answer = Search { reader: &reader, tables: &tables, event_id: &config.event_id }.answer()?;
    match config.output {
        WhyOutput::Text => answer.write_text(&config.lake.display().to_string(), out)?,
        WhyOutput::Json => writeln!(out, "{}", answer.to_json())?,
    }
    out.flush()?;
    Ok(!answer.findings.is_empty())
}

struct Search<'a> {
    reader: &'a LakeReader,
    tables: &'a [LakeTable],
    event_id: &'a str,
}

impl<'a> Search<'a> {
    fn has(&self, layer: Layer) -> bool {
        self.tables.iter().any(|table| table.layer == layer)
    }

    fn answer(&self) -> Result<Answer<'a>, WhyError> {
        let mut findings = self.accepted()?;
        findings.extend(self.quarantined()?);
        if self.has(Layer::Bronze) {
            if self.has(Layer::Silver) && self.has(Layer::Quarantine) {
                self.add_lines(&mut findings)?;
            } else {
                self.add_from_bronze(&mut findings)?;
            }
        }
        findings.sort_by(|a, b| a.place.cmp(&b.place));
        Ok(Answer { event_id: self.event_id, findings, missing: self.missing() })
    }

    fn missing(&self) -> Vec<(Layer, &'static str)> {
        let (silver, quarantine) = (self.has(Layer::Silver), self.has(Layer::Quarantine));
        [
            (Layer::Bronze, "the lines of accepted records and of duplicates cannot be shown"),
            (
                Layer::Silver,
                if self.has(Layer::Bronze) && quarantine {
                    "which record was accepted follows only from its not being in the quarantine"
                } else {
                    "whether a record was accepted, and of which record one is a duplicate, cannot be told"
                },
            ),
            (
                Layer::Quarantine,
                if self.has(Layer::Bronze) && silver {
                    "whether a record that was not accepted was late, a duplicate or rejected cannot be told"
                } else {
                    "whether a record was late, a duplicate or rejected cannot be told"
                },
            ),
        ]
        .into_iter()
        .filter(|(layer, _)| !self.has(*layer))
        .collect()
    }

    fn accepted(&self) -> Result<Vec<Finding>, WhyError> {
        let base = self.reader.semantics().base();
        let mut findings = Vec::new();
        let is_searched = |table: &&LakeTable| table.layer == Layer::Silver && table.schema.name != ORDER_ITEMS.name;
        for table in self.tables.iter().filter(is_searched) {
            self.reader.search(table, Wanted::EventId(self.event_id), |rows| {
                findings.extend((0..rows.len()).map(|row| Finding {
                    place: Place::of(rows, row),
                    fate: Fate::Accepted {
                        event_type: text(rows, row, "event_type").unwrap_or_default(),
                        event_time: time(rows, row, "event_time"),
                        window: window(base, time(rows, row, "event_time")),
                    },
                    raw: None,
                }));
            })?;
        }
        Ok(findings)
    }

    fn quarantined(&self) -> Result<Vec<Finding>, WhyError> {
        let base = self.reader.semantics().base();
        let mut findings = Vec::new();
        for table in self.tables.iter().filter(|table| table.layer == Layer::Quarantine) {
            let is_duplicates = table.schema.name == DUPLICATES.name;
            let wanted = if is_duplicates { Wanted::EventId(self.event_id) } else { Wanted::All };
            self.reader.search(table, wanted, |rows| {
                for row in 0..rows.len() {
                    let raw = (!is_duplicates).then(|| raw(rows, row));
                    let mention = raw.map_or(Mention::Names, |raw| mention(raw, self.event_id));
                    let fate = match rows.schema().name {
                        _ if mention == Mention::None => continue,
                        name if name == LATE.name => {
                            let event_time = time(rows, row, "event_time");
                            Fate::Late { event_time, by: late_by(rows, row), window: window(base, event_time) }
                        }
                        name if name == REJECTED.name => Fate::Rejected {
                            reason: text(rows, row, "reason").unwrap_or_default(),
                            field: text(rows, row, "field"),
                            is_certain: mention == Mention::Names,
                        },
                        _ => Fate::Duplicate { event_time: time(rows, row, "event_time") },
                    };
                    findings.push(Finding { place: Place::of(rows, row), fate, raw: raw.map(<[u8]>::to_vec) });
                }
            })?;
        }
        Ok(findings)
    }

    fn bronze(&self) -> impl Iterator<Item = &'a LakeTable> {
        self.tables.iter().filter(|table| table.layer == Layer::Bronze)
    }

    /// Adds the lines of records that are known by their places.
    fn add_lines(&self, findings: &mut [Finding]) -> Result<(), WhyError> {
        for finding in findings.iter_mut().filter(|finding| finding.raw.is_none()) {
            let Place { source, partition, offset } = &finding.place;
            let wanted = Wanted::Place { source, partition: *partition, offset: *offset };
            for table in self.bronze() {
                self.reader.search(table, wanted, |rows| finding.raw = Some(raw(rows, 0).to_vec()))?;
            }
        }
        Ok(())
    }

    /// Looks at every line, and concludes what can be concluded of records that the other layers do not hold.
    fn add_from_bronze(&self, findings: &mut Vec<Finding>) -> Result<(), WhyError> {
        let conclusion = match (self.has(Layer::Silver), self.has(Layer::Quarantine)) {
            (false, true) => "accepted: it is not in the quarantine",
            (true, false) => "late, a duplicate or rejected: it is not in silver",
            _ => "read; what became of it cannot be told",
        };
        for table in self.bronze() {
            self.reader.search(table, Wanted::All, |rows| {
                for row in 0..rows.len() {
                    let raw = raw(rows, row);
                    let mention = mention(raw, self.event_id);
                    if mention == Mention::None {
                        continue;
                    }
                    let (place, raw) = (Place::of(rows, row), Some(raw.to_vec()));
                    match findings.iter_mut().find(|finding| finding.place == place) {
                        Some(finding) => finding.raw = raw,
                        None if mention == Mention::Names => {
                            findings.push(Finding { place, fate: Fate::Read { conclusion }, raw });
                        }
                        None => {}
                    }
                }
            })?;
        }
        Ok(())
    }
}

/// Whether a line is of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mention {
    /// It does not hold the identifier.
    None,
    /// It is no JSON object, or one without `event_id`, and holds the identifier somewhere.
    Holds,
    /// Its `event_id` is the identifier.
    Names,
}

fn mention(raw: &[u8], event_id: &str) -> Mention {
    let holds = memchr::memmem::find(raw, event_id.as_bytes()).is_some();
    // Written with escapes, an identifier may look otherwise.
    if !holds && memchr::memchr(b'\\', raw).is_none() {
        return Mention::None;
    }
    match serde_json::from_slice::<Value>(raw).ok().as_ref().and_then(|value| value.get("event_id")) {
        Some(Value::String(id)) if id == event_id => Mention::Names,
        None if holds => Mention::Holds,
        Some(_) | None => Mention::None,
    }
}

fn window(base: Grain, event_time: EventTime) -> (EventTime, EventTime) {
    let window = base.containing(event_time);
    (base.start(window), base.end(window))
}

fn cell<'a>(rows: &'a Rows, row: usize, name: &str) -> Cell<'a> {
    rows.cell(row, rows.schema().column_index(name).expect("a column of the table"))
}

fn text(rows: &Rows, row: usize, name: &str) -> Option<String> {
    match cell(rows, row, name) {
        Cell::Text(text) => Some(text.to_owned()),
        _ => None,
    }
}

fn time(rows: &Rows, row: usize, name: &str) -> EventTime {
    match cell(rows, row, name) {
        Cell::Timestamp(time) => time,
        cell => unreachable!("{name} is {cell:?}"),
    }
}

pub(crate) fn raw(rows: &Rows, row: usize) -> &[u8] {
    match cell(rows, row, "raw") {
        Cell::Bytes(raw) => raw,
        cell => unreachable!("raw is {cell:?}"),
    }
}

fn late_by(rows: &Rows, row: usize) -> Micros {
    match cell(rows, row, "late_by_ms") {
        #[expect(clippy::cast_possible_truncation, reason = "milliseconds that were made of whole microseconds")]
        Cell::Double(millis) => Micros::new((millis * 1_000.0).round() as i64),
        cell => unreachable!("late_by_ms is {cell:?}"),
    }
}

impl Answer<'_> {
    /// The records of which one is a duplicate.
    fn originals(&self) -> impl Iterator<Item = &Place> {
        let is_accepted = |finding: &&Finding| match &finding.fate {
            Fate::Accepted { .. } => true,
            Fate::Read { conclusion } => conclusion.starts_with("accepted"),
            Fate::Duplicate { .. } | Fate::Late { .. } | Fate::Rejected { .. } => false,
        };
        self.findings.iter().filter(is_accepted).map(|finding| &finding.place)
    }

    fn write_text(&self, lake: &str, out: &mut impl Write) -> io::Result<()> {
        let id = printable(self.event_id);
        if self.findings.is_empty() {
            writeln!(out, "no record with event_id {id} in {}", printable(lake))?;
        }
        for finding in &self.findings {
            writeln!(out, "{}", self.sentence(&finding.fate))?;
            writeln!(out, "    {}", finding.place.text())?;
            if let Some(raw) = &finding.raw {
                writeln!(out, "    {}", printable(&String::from_utf8_lossy(raw)))?;
            }
        }
        for (layer, what) in &self.missing {
            writeln!(out, "layer {layer} is missing: {what}")?;
        }
        Ok(())
    }

    fn sentence(&self, fate: &Fate) -> String {
        match fate {
            Fate::Accepted { event_type, event_time, window: (start, end) } => {
                format!("accepted: a {event_type} of {event_time}, counted in the window from {start} to {end}")
            }
            Fate::Duplicate { event_time } => {
                let of: Vec<String> = self.originals().map(Place::text).collect();
                let of = if of.is_empty() { "a record that was accepted before".to_owned() } else { of.join("; ") };
                format!("duplicate: of {event_time}; its event_id was accepted before: {of}")
            }
            Fate::Late { event_time, by, window: (_, end) } => {
                let watermark = *end + *by;
                format!(
                    "late: of {event_time}; its window ended at {end}, and the watermark stood at {watermark}, {} ms later",
                    by.as_millis_f64()
                )
            }
            Fate::Rejected { reason, field, is_certain } => {
                let field = field.as_ref().map_or(String::new(), |field| format!(" in field {field}"));
                let note = if *is_certain { "" } else { "; no event_id can be read in it, but it holds these bytes" };
                format!("rejected: {reason}{field}{note}")
            }
            Fate::Read { conclusion } => (*conclusion).to_owned(),
        }
    }

    fn to_json(&self) -> Value {
        let record = |finding: &Finding| {
            let place =
                |place: &Place| json!({"source": place.source, "partition": place.partition, "offset": place.offset});
            let mut record = match &finding.fate {
                Fate::Accepted { event_type, event_time, window: (start, end) } => json!({
                    "outcome": "accepted", "event_type": event_type, "event_time": event_time.to_string(),
                    "window_start": start.to_string(), "window_end": end.to_string(),
                }),
                Fate::Duplicate { event_time } => json!({
                    "outcome": "duplicate", "event_time": event_time.to_string(),
                    "of": self.originals().map(place).collect::<Vec<_>>(),
                }),
                Fate::Late { event_time, by, window: (start, end) } => json!({
                    "outcome": "late", "event_time": event_time.to_string(), "late_by_ms": by.as_millis_f64(),
                    "watermark": (*end + *by).to_string(), "window_start": start.to_string(), "window_end": end.to_string(),
                }),
                Fate::Rejected { reason, field, is_certain } => json!({
                    "outcome": "rejected", "reason": reason, "field": field, "event_id_is_certain": is_certain,
                }),
                Fate::Read { conclusion } => json!({"outcome": "unknown", "conclusion": conclusion}),
            };
            let object = record.as_object_mut().expect("made as an object");
            object.extend(place(&finding.place).as_object().expect("made as an object").clone());
            let raw = finding.raw.as_ref().map(|raw| engine_feed::bytes_text(raw).into_owned());
            object.insert("raw".to_owned(), json!(raw));
            record
        };
        let missing = self.missing.iter().map(|(layer, what)| json!({"layer": layer.name(), "consequence": what}));
        json!({
            "event_id": self.event_id,
            "found": !self.findings.is_empty(),
            "records": self.findings.iter().map(record).collect::<Vec<_>>(),
            "missing_layers": missing.collect::<Vec<_>>(),
        })
    }
}
