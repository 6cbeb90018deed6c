//! Goal: the whole engine, from files to a lake, gives the rows, the counts and the quarantine of the oracle, for any number of
//! shards; Bronze holds every line, and Silver every accepted event as the oracle reads it.
//!
//! Method: nasty inputs from the oracle's generator are written to plain and compressed files, the binary runs over them
//! with one shard and with three, and everything in the lake is read back and compared. A failure prints its seed;
//! `SEED=... cargo test` repeats it.

mod support;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use engine_model::{EventTime, Micros, Outcome, Reason, WindowId};
use engine_oracle::{Answer, Config, Partition, Value, compare, generate};
use support::gold::{Rows, read_layer};
use support::layers::check_layers;
use support::seeds;
use support::tillrace::{Workplace, count};

const ALL_LAYERS: &str = "bronze,silver,quarantine,gold";

/// The options that ask for this configuration.
///
/// The latest event time allowed is an instant here and a distance from the clock there: an hour less than that to it, which
/// no event of the generator lies in.
fn options(config: &Config) -> Vec<String> {
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
fn write_files(place: &Workplace, partitions: &[Partition]) -> Vec<String> {
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

fn check_gold(expected: &Answer, got: &BTreeMap<String, Rows>, with_quality: bool) -> Result<(), String> {
    let names: Vec<&String> = got.keys().collect();
    if names != expected.tables.keys().collect::<Vec<_>>() {
        return Err(format!("tables: expected {:?}, got {names:?}", expected.tables.keys()));
    }
    let mut compared = expected.tables.iter().filter(|(name, _)| with_quality || !name.starts_with("quality"));
    compared.try_for_each(|(name, rows)| compare(name, rows, &got[name]))
}

fn check_summary(expected: &Answer, summary: &serde_json::Value) -> Result<(), String> {
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
type Quarantine = BTreeMap<(String, i64), String>;

fn expected_quarantine(answer: &Answer, names: &[String], with_duplicates: bool) -> Quarantine {
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

fn got_quarantine(got: &BTreeMap<String, Rows>, with_duplicates: bool) -> Quarantine {
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

fn check_quarantine(expected: &Quarantine, got: &Quarantine) -> Result<(), String> {
    let missing = expected.iter().find(|(place, what)| got.get(*place) != Some(*what));
    let surplus = got.keys().find(|place| !expected.contains_key(*place));
    match (missing, surplus) {
        (None, None) => Ok(()),
        (Some((place, what)), _) => Err(format!("{place:?}: expected {what}, got {:?}", got.get(place))),
        (None, Some(place)) => Err(format!("{place:?}: got {:?}, expected nothing", got.get(place))),
    }
}

/// What `run` gives where it, and every process it starts, has only one core: a single shard then works on the source's
/// own thread.
fn with_one_core<T: Send>(run: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let body = || {
            if let Some(&core) = core_affinity::get_core_ids().as_deref().and_then(<[_]>::first) {
                core_affinity::set_for_current(core);
            }
            run()
        };
        scope.spawn(body).join().unwrap()
    })
}

/// One input: the binary over its files, with one shard, on one core and on all, and with three.
fn check(partitions: &[Partition], config: &Config) -> Result<(), String> {
    let place = Workplace::in_memory();
    let names = write_files(&place, partitions);
    let expected = engine_oracle::run(partitions, config, &[]);
    // Which of equal copies in two files is the duplicate shows only in quality and in the quarantine.
    let is_single = partitions.len() == 1;
    let options = options(config);
    for (shards, on_one_core) in [("1", true), ("1", false), ("3", false)] {
        let lake = format!("lake-{shards}-{on_one_core}");
        let mut args = vec!["--shards", shards, "--no-pin", "--lake", &lake, "--layers", ALL_LAYERS];
        args.extend(options.iter().map(String::as_str));
        args.extend(names.iter().flat_map(|name| ["--input", name]));
        let run = || place.run(&args);
        let summary = if on_one_core { with_one_core(run) } else { run() };
        let lake = place.path().join(&lake);
        let result = check_summary(&expected, &summary)
            .and_then(|()| check_gold(&expected, &read_layer(&lake, "gold"), is_single))
            .and_then(|()| {
                let got = got_quarantine(&read_layer(&lake, "quarantine"), is_single);
                check_quarantine(&expected_quarantine(&expected, &names, is_single), &got)
            })
            .and_then(|()| check_layers(&lake, partitions, &names, config));
        result.map_err(|error| format!("{shards} shards: {error}\n{args:?}"))?;
    }
    Ok(())
}

#[test]
fn the_lake_holds_the_oracles_rows_for_every_seed() {
    for seed in seeds(32) {
        let config = generate::config(seed);
        let count = 1 + usize::try_from(seed % 4).unwrap();
        let partitions = generate::partitions(seed, count, 120, &config);
        check(&partitions, &config).unwrap_or_else(|error| panic!("SEED={seed}: {error}"));
    }
}

#[test]
fn the_lake_holds_the_oracles_rows_where_sums_stop() {
    for seed in seeds(4) {
        let config = generate::config(seed);
        let partitions = generate::saturating_partitions(seed, 2, 60, &config);
        check(&partitions, &config).unwrap_or_else(|error| panic!("SEED={seed}: {error}"));
    }
}

/// All rows of all layers.
fn all_rows(lake: &Path) -> BTreeMap<String, Rows> {
    let layers = ["gold", "quarantine", "silver", "bronze"];
    let tables = layers.into_iter().flat_map(|layer| {
        let of_layer = read_layer(lake, layer).into_iter();
        of_layer.map(move |(name, rows)| (format!("{layer}/{name}"), rows))
    });
    let mut all: BTreeMap<String, Rows> = tables.collect();
    // The clock's, not the input's.
    all.get_mut("bronze/events").expect("a table").iter_mut().for_each(|row| drop(row.pop()));
    all
}

#[test]
fn the_number_of_shards_changes_no_row_of_any_table() {
    let place = Workplace::in_memory();
    let shares = ["--duplicates", "0.05", "--delayed", "0.1", "--late", "0.03", "--malformed", "0.02"];
    let mut args = vec!["simulate", "--mode", "batch", "--events", "30000", "--rate", "5", "--output", "shop.jsonl"];
    args.extend(shares);
    place.tillrace(&args).assert_code(0);
    let run = |shards: &str| {
        let place_args = ["--input", "shop.jsonl", "--no-pin", "--lake", shards];
        let summary = place.run(&[&place_args[..], &["--shards", shards, "--layers", ALL_LAYERS]].concat());
        assert_eq!(count(&summary, "records"), 30_000);
        all_rows(&place.path().join(shards))
    };
    let one = run("1");
    let empty: Vec<&String> = one.iter().filter(|(_, rows)| rows.is_empty()).map(|(name, _)| name).collect();
    assert!(empty.is_empty(), "a table without rows shows nothing: {empty:?}");
    for shards in ["2", "3", "8"] {
        for (name, rows) in run(shards) {
            let differs = || one[&name].iter().zip(&rows).find(|(one, other)| one != other);
            assert!(rows == one[&name], "{name} with {shards} shards: {:?}", differs());
        }
    }
}

#[test]
fn a_file_compressed_or_by_stdin_gives_the_same_rows() {
    let config = generate::config(7);
    let partition = generate::partitions(7, 1, 300, &config).remove(0);
    let place = Workplace::in_memory();
    let options = options(&config);
    place.write("a.jsonl", &partition.bytes);
    place.write("a.zst", zstd::encode_all(partition.bytes.as_slice(), 1).unwrap());
    let mut expected = None;
    for input in ["a.jsonl", "a.zst", "-"] {
        let lake = format!("lake of {input}");
        let mut args = vec!["run", "--lake", &lake, "--input", input];
        args.extend(options.iter().map(String::as_str));
        let mut child = place.start(&args);
        child.send(if input == "-" { &partition.bytes[..] } else { b"" });
        child.close_stdin().wait().assert_code(0);
        let rows = read_layer(&place.path().join(lake), "gold");
        assert!(*expected.get_or_insert_with(|| rows.clone()) == rows, "{input}");
    }
}
