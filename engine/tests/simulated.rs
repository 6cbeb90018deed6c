//! Goal: what the simulator says it has injected is what the engine finds, record by record, whether the events come as
//! structs or as JSON Lines; and both ways give the same Gold, which is the oracle's.
//!
//! Method: for each seed a small shop with all faults on is run as structs (`run --input sim`) and as a file
//! (`simulate`, then `run --input FILE`), with the truth written beside both.

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use engine_model::{EventTime, Outcome, Semantics};
use engine_oracle::{Config, Partition, Value, compare};
use support::gold::read_table;

const SEEDS: u64 = 20;

fn tillrace(arguments: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_tillrace")).args(arguments.split(' ')).output().unwrap();
    assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// What the truth file says of one record.
struct Truth {
    outcome: String,
    reason: Option<String>,
    is_delayed: bool,
}

fn read_truth(path: &Path) -> Vec<Truth> {
    let text = fs::read_to_string(path).unwrap();
    let truth = |line: &str| {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        Truth {
            outcome: value["outcome"].as_str().unwrap().to_owned(),
            reason: value["reason"].as_str().map(str::to_owned),
            is_delayed: value["delayed"].as_bool().unwrap(),
        }
    };
    text.lines().map(truth).collect()
}

/// The summary's counts must be the truth's.
fn check_ledger(seed: u64, summary: &str, truth: &[Truth]) {
    let summary: serde_json::Value = serde_json::from_str(summary).unwrap();
    let mut expected: BTreeMap<String, usize> = BTreeMap::new();
    for record in truth {
        *expected.entry(record.outcome.clone()).or_default() += 1;
        *expected.entry("delayed".to_owned()).or_default() += usize::from(record.is_delayed);
    }
    assert!(expected.len() == 5, "seed {seed}: some fault did not occur: {expected:?}");
    for (outcome, name) in [
        ("accepted", "accepted"),
        ("duplicate", "duplicates"),
        ("late", "late"),
        ("rejected", "rejected"),
        ("delayed", "delayed"),
    ] {
        assert_eq!(summary[name].as_u64(), Some(expected[outcome] as u64), "seed {seed}: {name}");
    }
    assert_eq!(summary["records"].as_u64(), Some(truth.len() as u64), "seed {seed}: records");
}

/// The records in the quarantine must be those of which the truth says so. `place` turns an offset into an index.
fn check_quarantine(seed: u64, lake: &Path, truth: &[Truth], place: impl Fn(i64) -> usize) {
    for (table, outcome) in [("rejected", "rejected"), ("late", "late"), ("duplicates", "duplicate")] {
        // The offset is the last column.
        let offset = |row: &Vec<Value>| match row.last() {
            Some(Value::Int(offset)) => place(*offset),
            other => panic!("seed {seed}: an offset of {other:?} in quarantine/{table}"),
        };
        let mut got: Vec<usize> = read_table(lake, &format!("quarantine/{table}")).iter().map(offset).collect();
        got.sort_unstable();
        let is_it = |(index, record): (usize, &Truth)| (record.outcome == outcome).then_some(index);
        let expected: Vec<usize> = truth.iter().enumerate().filter_map(is_it).collect();
        assert_eq!(got, expected, "seed {seed}: quarantine/{table}");
    }
}

fn outcome_name(outcome: &Outcome) -> (&'static str, Option<String>) {
    match outcome {
        Outcome::Accepted(_) => ("accepted", None),
        Outcome::Duplicate(_) => ("duplicate", None),
        Outcome::Late { .. } => ("late", None),
        Outcome::Rejected(rejection) => ("rejected", Some(rejection.reason.name().to_owned())),
    }
}

#[test]
fn truth_ledger_quarantine_gold_and_oracle_agree_for_structs_and_for_lines() {
    for seed in 1..=SEEDS {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let shop = format!(
            "--seed {seed} --rate 2 --duration 40m --customers 300 --products 40 --duplicates 0.05 --delayed 0.1 \
             --late 0.05 --malformed 0.05 --stories all"
        );
        let shop = shop.split_whitespace().collect::<Vec<_>>().join(" ");
        let shown = |name: &str| path(name).display().to_string();

        let (lake, truth) = (shown("structs"), shown("truth-structs"));
        let shards = 1 + seed % 3;
        let summary =
            tillrace(&format!("run --input sim {shop} --truth {truth} --lake {lake} --summary json --shards {shards}"));
        let truth = read_truth(&path("truth-structs"));
        check_ledger(seed, &summary, &truth);
        check_quarantine(seed, &path("structs"), &truth, |offset| usize::try_from(offset).unwrap());

        let (file, truth_lines) = (shown("shop.jsonl"), shown("truth-lines"));
        tillrace(&format!("simulate --mode batch {shop} --output {file} --truth {truth_lines}"));
        assert!(
            fs::read(path("truth-lines")).unwrap() == fs::read(path("truth-structs")).unwrap(),
            "seed {seed}: the truth depends on the way"
        );
        let lake = shown("lines");
        let summary = tillrace(&format!("run --input {file} --lake {lake} --summary json"));
        check_ledger(seed, &summary, &truth);

        let bytes = fs::read(path("shop.jsonl")).unwrap();
        // Broken lines may hold anything but a line feed, so the index of a record is the number of them before it.
        let mut starts = vec![0];
        starts.extend(bytes.iter().zip(1..).filter(|(byte, _)| **byte == b'\n').map(|(_, next)| next));
        check_quarantine(seed, &path("lines"), &truth, |offset| starts.binary_search(&offset).unwrap());

        let partition = Partition { source: "shop".to_owned(), bytes };
        let config =
            Config { semantics: Semantics::default(), time_max: EventTime::from_micros(1_790_000_000_000_000) };
        let answer = engine_oracle::run(&[partition], &config, &[]);
        for (index, (found, told)) in answer.outcomes[0].iter().zip(&truth).enumerate() {
            let (outcome, reason) = outcome_name(&found.outcome);
            assert_eq!((outcome, reason), (told.outcome.as_str(), told.reason.clone()), "seed {seed}: record {index}");
        }
        assert_eq!(answer.outcomes[0].len(), truth.len());
        for (name, rows) in &answer.tables {
            for lake in ["structs", "lines"] {
                let got = read_table(&path(lake), &format!("gold/{name}"));
                if let Err(difference) = compare(name, rows, &got) {
                    panic!("seed {seed}, {lake}: {difference}");
                }
            }
        }
    }
}

/// The truth used to be emptied before the lake was looked at: a command repeated by mistake was refused, and had lost
/// what the first one wrote.
#[test]
fn a_refused_run_leaves_the_truth_of_the_run_before_it_alone() {
    let folder = tempfile::tempdir().unwrap();
    let truth = folder.path().join("truth.jsonl");
    let lake = folder.path().join("lake");
    let run = |events: &str, window: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tillrace"));
        command.args(["run", "--events", events, "--window", window, "--lake"]).arg(&lake).arg("--truth").arg(&truth);
        command.output().unwrap().status.code()
    };
    assert_eq!(run("500", "60s"), Some(0));
    let written = fs::read(&truth).unwrap();
    assert_eq!(read_truth(&truth).len(), 500);
    assert_eq!(run("100", "10s"), Some(2));
    assert!(fs::read(&truth).unwrap() == written);
    // A run that is not refused starts the file anew, also where it will be shorter.
    fs::remove_dir_all(&lake).unwrap();
    assert_eq!(run("100", "10s"), Some(0));
    assert_eq!(read_truth(&truth).len(), 100);
}
