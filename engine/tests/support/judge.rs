//! The oracle's answer beside what the binary has made of the same input: options, files, tables, counts, the quarantine.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use engine_model::{EventTime, Micros, Outcome, Reason, WindowId};
use engine_oracle::{Answer, Config, Partition, Value, compare};

use super::gold::Rows;
use super::tillrace::{Workplace, count};

/// The options that ask for this configuration.
///
/// The latest event time allowed is an instant here and a distance from the clock there: an hour less than that to it, which
/// no event of the generator lies in.
pub(crate) fn options(config: &Config) -> Vec<String> {
    let base = config.semantics.base();
    let mut rollups: Vec<String> = config.semantics.rollups().iter().map(|grain| grain.length().to_string()).collect();
    if config.semantics.has_day_rollup() && base.is_daily() {
        rollups.push("1d".to_owned());
    }
    let rollup = if rollups.is_empty() { "none".to_owned() } else { rollups.join(",") };
    let east = (EventTime::EPOCH - base.start(WindowId(0))).get() / Micros::MINUTE.get();
    let sign = if east < 0 { '-' } else { '+' };
    let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros()).unwrap();
    let max_future = config.time_max.as_micros() - now - Micros::HOUR.get();
    [
        ("--window", base.length().to_string()),
        ("--rollup", rollup),
        ("--lateness", format!("{}us", config.semantics.lateness().get())),
        ("--utc-offset", format!("{sign}{:02}:{:02}", east.abs() / 60, east.abs() % 60)),
        ("--currency", config.semantics.currency().as_str().to_owned()),
        ("--max-future", format!("{max_future}us")),
    ]
    .into_iter()
    .flat_map(|(option, value)| [option.to_owned(), value])
    .collect()
}

/// Writes the partitions as files, every second one compressed; returns their names.
pub(crate) fn write_files(place: &Workplace, partitions: &[Partition]) -> Vec<String> {
    let write = |(number, partition): (usize, &Partition)| {
        let (extension, bytes) = match number % 4 {
            1 => {
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                encoder.write_all(&partition.bytes).unwrap();
                (".gz", encoder.finish().unwrap())
            }
            3 => (".zst", zstd::encode_all(partition.bytes.as_slice(), 1).unwrap()),
            _ => ("", partition.bytes.clone()),
        };
        let name = format!("{}{extension}", partition.source);
        place.write(&name, bytes);
        name
    };
    partitions.iter().enumerate().map(write).collect()
}

pub(crate) fn check_gold(expected: &Answer, got: &BTreeMap<String, Rows>, with_quality: bool) -> Result<(), String> {
    let names: Vec<&String> = got.keys().collect();
    if names != expected.tables.keys().collect::<Vec<_>>() {
        return Err(format!("tables: expected {:?}, got {names:?}", expected.tables.keys()));
    }
    let mut compared = expected.tables.iter().filter(|(name, _)| with_quality || !name.starts_with("quality"));
    compared.try_for_each(|(name, rows)| compare(name, rows, &got[name]))
}

pub(crate) fn check_summary(expected: &Answer, summary: &serde_json::Value) -> Result<(), String> {
    let ledger = &expected.ledger;
    let counts = [
        ("records", ledger.records),
        ("accepted", ledger.accepted),
        ("duplicates", ledger.duplicates),
        ("late", ledger.late),
        ("rejected", ledger.rejected),
        ("delayed", ledger.delayed),
        ("windows", expected.windows),
    ];
    for (name, expected) in counts {
        if count(summary, name) != expected {
            return Err(format!("{name}: expected {expected}, got {summary}"));
        }
    }
    let by_reason = |reason: &Reason| summary["rejections"][reason.name()].as_u64().unwrap_or(0);
    let expected_of = |reason: &Reason| ledger.by_reason.get(reason).copied().unwrap_or(0);
    match Reason::ALL.iter().find(|reason| by_reason(reason) != expected_of(reason)) {
        Some(reason) => Err(format!("{reason}: expected {}, got {summary}", expected_of(reason))),
        None => Ok(()),
    }
}

/// What lies in the quarantine, or must: source, offset and what is wrong.
pub(crate) type Quarantine = BTreeMap<(String, i64), String>;

pub(crate) fn expected_quarantine(answer: &Answer, names: &[String], with_duplicates: bool) -> Quarantine {
    let mut expected = Quarantine::new();
    for (name, outcomes) in names.iter().zip(&answer.outcomes) {
        for record in outcomes {
            let what = match record.outcome {
                Outcome::Accepted(_) => continue,
                Outcome::Duplicate(_) if !with_duplicates => continue,
                Outcome::Duplicate(_) => "duplicate".to_owned(),
                Outcome::Late { by } => format!("late by {:?}", by.as_millis_f64()),
                Outcome::Rejected(rejection) => {
                    format!("{} {}", rejection.reason, rejection.field.map_or("-", |field| field.name()))
                }
            };
            expected.insert((name.clone(), i64::try_from(record.offset).unwrap()), what);
        }
    }
    expected
}

pub(crate) fn got_quarantine(got: &BTreeMap<String, Rows>, with_duplicates: bool) -> Quarantine {
    let text = |value: &Value| match value {
        Value::Text(text) => text.clone(),
        Value::Null => "-".to_owned(),
        other => other.to_string(),
    };
    let mut all = Quarantine::new();
    for (table, rows) in got {
        for row in rows {
            let [.., source, Value::Int(0), Value::Int(offset)] = &row[..] else { panic!("{table}: {row:?}") };
            let what = match table.as_str() {
                "late" => format!("late by {}", text(&row[2])),
                "rejected" => format!("{} {}", text(&row[2]), text(&row[3])),
                "duplicates" if with_duplicates => "duplicate".to_owned(),
                "duplicates" => continue,
                other => panic!("no table {other} belongs in the quarantine"),
            };
            assert_eq!(all.insert((text(source), *offset), what), None, "{table}: {row:?} is there twice");
        }
    }
    all
}

pub(crate) fn check_quarantine(expected: &Quarantine, got: &Quarantine) -> Result<(), String> {
    let missing = expected.iter().find(|(place, what)| got.get(*place) != Some(*what));
    let surplus = got.keys().find(|place| !expected.contains_key(*place));
    match (missing, surplus) {
        (None, None) => Ok(()),
        (Some((place, what)), _) => Err(format!("{place:?}: expected {what}, got {:?}", got.get(place))),
        (None, Some(place)) => Err(format!("{place:?}: got {:?}, expected nothing", got.get(place))),
    }
}
