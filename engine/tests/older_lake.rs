//! Goal: a lake that an earlier version has written is read and gone on with, whatever columns Gold has got since.
//!
//! Method: `tests/lakes/format-N` holds a lake as the version that introduced format N has left it, with open windows, an open
//! rollup and an input log in it, and what it was fed from a pipe. It is copied and shown; then it is fed what comes next, and must hold the
//! rows that this version makes of all the input at once. A fixture is never written anew: it is the older version.

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use support::gold::Rows;
use support::layers::all_rows;
use support::tillrace::{Done, TILLRACE, Workplace, count};

/// Options that the fixtures were made with.
const OPTIONS: [&str; 4] = ["--rollup", "1h", "--lateness", "5s"];

fn fixture(format: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/lakes").join(format)
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

fn run(place: &Workplace, lake: &str, input: &[u8], at_end: &str) -> Done {
    let mut command = Command::new(TILLRACE);
    command.args(["run", "--summary", "json", "--input", "-", "--lake", lake, "--at-end", at_end]).args(OPTIONS);
    let mut running = place.start_command(command);
    running.send(input);
    running.close_stdin().wait()
}

#[test]
fn a_lake_of_format_2_is_shown_and_gone_on_with() {
    let (place, fixture) = (Workplace::new(), fixture("format-2"));
    copy(&fixture.join("lake"), &place.lake());
    // Version control keeps no empty folders.
    fs::create_dir_all(place.lake().join("_tillrace/tmp")).unwrap();
    let shown = place.tillrace(&["show", "lake", "kpis_1m", "--output", "csv"]).assert_code(0);
    assert!(shown.out.lines().count() > 3, "{}", shown.out);
    let [first, second] = ["first.jsonl", "second.jsonl"].map(|name| fs::read(fixture.join(name)).unwrap());
    let summary = run(&place, "lake", &second, "emit").assert_code(0).json();
    let reference = run(&place, "reference", &[first, second].concat(), "emit").assert_code(0).json();
    for name in ["records", "accepted", "duplicates", "late", "rejected", "delayed", "windows"] {
        assert_eq!(count(&summary, name), count(&reference, name), "{name}");
    }
    assert!(count(&summary, "replayed") > 0, "it had open windows");
    let (got, expected) = (all_rows(&place.lake()), all_rows(&place.path().join("reference")));
    assert_eq!(got.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    for (name, rows) in &expected {
        // Columns that there were not yet are null in the rows of then.
        let width = got[name].first().map_or(0, Vec::len);
        let known: Rows = rows.iter().map(|row| row[..row.len().min(width)].to_vec()).collect();
        let mut found = got[name].clone();
        for row in &mut found {
            row.truncate(width);
        }
        assert!(known == found, "{name}");
    }
}
