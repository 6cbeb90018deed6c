//! Goal: a run on a lake that holds an earlier one goes on where that stood, with the same inputs or further ones, and what
//! does not go together is refused with the lake untouched (CONTRACT §5).
//!
//! Method: the binary runs twice or more in one folder; lakes, summaries and what is said are looked at in between.

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use engine_oracle::Value;
use serde_json::json;
use support::gold::{files_below, read_table};
use support::layers::all_rows;
use support::lines::order;
use support::tillrace::{Done, TILLRACE, Workplace, count, eventually, text};

/// Every file below a folder with its bytes and the time it was changed.
fn contents(folder: &Path) -> BTreeMap<PathBuf, (Vec<u8>, SystemTime)> {
    let content = |path: &PathBuf| (fs::read(path).unwrap(), fs::metadata(path).unwrap().modified().unwrap());
    files_below(folder).into_iter().map(|path| (path.clone(), content(&path))).collect()
}

/// Asserts that the run is refused, says why, and leaves every byte and every time as it was.
#[track_caller]
fn assert_refused(place: &Workplace, args: &[&str], code: i32, says: &[&str]) {
    let before = contents(&place.lake());
    let args: Vec<&str> = ["run"].iter().chain(args).copied().collect();
    let done = place.tillrace(&args).assert_code(code).assert_says(says);
    assert_eq!(done.out, "");
    assert!(contents(&place.lake()) == before, "every byte and every time is as before");
}

/// A record every ten seconds over `minutes`, from `first` on.
fn minutes(first: u32, minutes: u32) -> Vec<String> {
    let line = |n: u32| order(&format!("o{n}"), 10.0 * f64::from(n), "1.00");
    (6 * first..6 * (first + minutes)).map(line).collect()
}

/// A simulated shop in files of an hour, a whole day of it in one lake, as a reference.
fn hours(place: &Workplace) -> Vec<String> {
    let all = ["--rate", "1", "--duration", "4h", "--delayed", "0", "--late", "0", "--output", "all.jsonl"];
    let args: Vec<&str> = ["simulate", "--mode", "batch"].iter().chain(&all).copied().collect();
    place.tillrace(&args).assert_code(0);
    let lines = fs::read(place.path().join("all.jsonl")).unwrap();
    let lines: Vec<&[u8]> = lines.split_inclusive(|byte| *byte == b'\n').collect();
    let files = lines.chunks(lines.len().div_ceil(4)).enumerate();
    files
        .map(|(number, lines)| {
            let name = format!("hour-{number}.jsonl");
            place.write(&name, lines.concat());
            name
        })
        .collect()
}

fn run(place: &Workplace, lake: &str, inputs: &[&str], options: &[&str]) -> Done {
    let mut args = vec!["run", "--summary", "json", "--lake", lake];
    args.extend(inputs.iter().flat_map(|input| ["--input", input]));
    args.extend(options);
    place.tillrace(&args)
}

#[test]
fn the_same_command_again_finds_all_done_and_changes_no_table() {
    let place = Workplace::new();
    place.write_lines("shop.jsonl", &minutes(0, 5));
    let first = place.run(&["--input", "shop.jsonl"]);
    let before = contents(&place.lake());
    let again = run(&place, "lake", &["shop.jsonl"], &[]).assert_code(0);
    let again = again.assert_says(&["went on from commit 2, 30 records: 1 inputs were read, 0 in part"]).json();
    for name in ["records", "accepted", "windows"] {
        assert_eq!(count(&first, name), count(&again, name), "{name} of the lake");
    }
    assert_eq!((count(&again, "records_read"), &again["resumed_from_commit"]), (0, &json!(2)));
    let mut after = contents(&place.lake());
    let lock = place.lake().join("_tillrace/lock");
    after.insert(lock.clone(), before[&lock].clone());
    assert!(after == before, "only the lock says who was there");
}

#[test]
fn other_semantics_or_layers_are_refused() {
    let place = Workplace::new();
    place.write_lines("shop.jsonl", &minutes(0, 5));
    place.run(&["--input", "shop.jsonl"]);
    let made = "was made with";
    for (options, says) in [
        (&["--window", "10s"][..], &["--window 1m, not --window 10s"][..]),
        (&["--rollup", "1h"], &["--rollup 1h,1d, not --rollup 1h"]),
        (&["--rollup", "none"], &["not --rollup none"]),
        (&["--lateness", "1500ms"], &["--lateness 10s, not --lateness 1500ms"]),
        (
            &["--currency", "EUR", "--utc-offset", "+01:00"],
            &["--currency USD, --utc-offset +00:00, not", "EUR", "+01:00"],
        ),
        (&["--layers", "gold"], &["--layers quarantine,gold, not --layers gold"]),
    ] {
        let args = [&["--input", "shop.jsonl"], options].concat();
        let says = [&["./lake", made, "run with the same options, or into another folder"], says].concat();
        assert_refused(&place, &args, 2, &says);
    }
}

#[test]
fn another_format_and_damage_are_refused() {
    let place = Workplace::new();
    place.write_lines("shop.jsonl", &minutes(0, 5));
    place.run(&["--input", "shop.jsonl"]);
    let args = ["--input", "shop.jsonl"];
    let mark = place.lake().join("_tillrace");
    let with = |name: &str, change: &dyn Fn(Vec<u8>) -> Vec<u8>, code: i32, says: &[&str]| {
        let path = mark.join(name);
        let before = fs::read(&path).unwrap();
        fs::write(&path, change(before.clone())).unwrap();
        assert_refused(&place, &args, code, says);
        fs::write(&path, before).unwrap();
    };
    let replaced = |from: &'static str, to: &'static str| {
        move |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().replacen(from, to, 1).into_bytes()
    };
    let newer = ["lake ./lake has format 9; this version goes on with format 2 only"];
    with("run.json", &replaced("\"format\": 2", "\"format\": 9"), 2, &newer);
    with("run.json", &replaced("\"format\": 2", "\"format\": 1"), 2, &["has format 1"]);
    with("run.json", &replaced("\"format\"", "\"form"), 1, &["run.json is damaged", "nothing was changed"]);
    with("commit", &replaced("\"format\":2", "\"format\":9"), 2, &newer);
    with(
        "commit",
        &|bytes| bytes[..bytes.len() / 2].to_vec(),
        1,
        &["_tillrace/commit is damaged", "nothing was changed"],
    );
    with("commit", &replaced("\"offset\":", "\"offset\":1"), 1, &["is damaged"]);
    with("commit", &|_| Vec::new(), 1, &["its first line does not end"]);
    let flip = |mut bytes: Vec<u8>| {
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        bytes
    };
    with("state/000001.log", &flip, 1, &["state/000001.log is damaged", "is not as it was written"]);
    with("state/000001.log", &|bytes| bytes[..9].to_vec(), 1, &["it is 9 bytes long; the last commit says"]);
    let file = "../gold/kpis_1m/2026-01-01/00.parquet";
    with(file, &|bytes| bytes[..100].to_vec(), 1, &["it is 100 bytes long; the last commit wrote"]);
    run(&place, "lake", &["shop.jsonl"], &[]).assert_code(0);
}

#[test]
fn a_folder_with_tables_that_nobody_has_described_is_refused() {
    let place = Workplace::new();
    place.write_lines("shop.jsonl", &minutes(0, 1));
    place.write("lake/gold/kpis_1m/mine.parquet", "mine");
    assert_refused(
        &place,
        &["--input", "shop.jsonl"],
        2,
        &["./lake already holds gold/kpis_1m, but no _tillrace/run.json"],
    );
}

#[test]
fn inputs_that_do_not_go_on_are_refused() {
    let place = Workplace::new();
    place.write_lines("a.jsonl", &minutes(0, 5));
    place.write_lines("b.jsonl", &minutes(5, 5));
    let interrupted = |inputs: &[&str]| {
        let mut args = vec!["run", "--pace", "30"];
        args.extend(inputs.iter().flat_map(|input| ["--input", input]));
        let child = place.start(&args);
        let table = place.lake().join("gold/kpis_1m");
        eventually("a window is written", || {
            table.join("schema.parquet").is_file() && !read_table(&place.lake(), "gold/kpis_1m").is_empty()
        });
        child.signal("INT");
        child
            .close_stdin()
            .wait()
            .assert_code(1)
            .assert_says(&["interrupted", "they wait for the next run on this lake"]);
    };
    interrupted(&["a.jsonl", "b.jsonl"]);
    let missing = ["input \"a.jsonl\" of the earlier run was read up to byte", "is not among the inputs now"];
    assert_refused(&place, &["--input", "b.jsonl"], 2, &missing);
    let whole = fs::read(place.path().join("a.jsonl")).unwrap();
    place.write("a.jsonl", &whole[..whole.len() / 20]);
    let both = ["--input", "a.jsonl", "--input", "b.jsonl"];
    assert_refused(&place, &both, 2, &["a.jsonl\" is not the one the lake has read before", "bytes long; it was"]);
    let mut other = whole.clone();
    other[14] ^= 1;
    place.write("a.jsonl", &other);
    assert_refused(&place, &both, 2, &["a.jsonl\" is not the one the lake has read before", "are others"]);
    place.write("a.jsonl", &whole);
    let summary = run(&place, "lake", &["a.jsonl", "b.jsonl"], &[]).assert_code(0).json();
    let uninterrupted = run(&place, "reference", &["a.jsonl", "b.jsonl"], &[]).assert_code(0).json();
    assert_eq!(count(&summary, "records"), count(&uninterrupted, "records"));
    assert!(all_rows(&place.lake()) == all_rows(&place.path().join("reference")));
}

#[test]
fn a_second_run_beside_the_first_is_refused_and_told_who_has_the_lake() {
    let place = Workplace::new();
    place.write_lines("shop.jsonl", &minutes(0, 5));
    let mut first = place.start(&["run", "--input", "-"]);
    // The last file of the first commit.
    eventually("the lake is there", || place.lake().join("gold/kpis_1d/schema.parquet").is_file());
    let owner = "is being written by process ";
    assert_refused(
        &place,
        &["--input", "shop.jsonl"],
        1,
        &[owner, "since 20", "wait for it or end it", "_tillrace/lock"],
    );
    first.send(text(&minutes(0, 2)));
    first.close_stdin().wait().assert_code(0);
    run(&place, "lake", &["shop.jsonl"], &[]).assert_code(0);
}

#[test]
fn the_lock_of_a_killed_run_is_taken_over() {
    let place = Workplace::new();
    let first = place.start(&["run", "--input", "-"]);
    eventually("the lake is there", || place.lake().join("_tillrace/commit").is_file());
    first.signal("KILL");
    assert_eq!(first.wait().code, None);
    place.write_lines("shop.jsonl", &minutes(0, 5));
    let done = run(&place, "lake", &["shop.jsonl"], &[]);
    done.assert_code(2).assert_says(&["input \"-\" of the earlier run was read up to byte 0 only"]);
    run(&place, "lake", &["-", "shop.jsonl"], &[]).assert_code(0);
}

/// A killed process keeps its lock until its memory is given back; a script that repeats the command at once need not know.
#[test]
fn a_lock_that_is_let_go_of_within_a_moment_is_waited_for() {
    let place = Workplace::new();
    place.write_lines("shop.jsonl", &minutes(0, 5));
    run(&place, "lake", &["shop.jsonl"], &["--at-end", "keep"]).assert_code(0);
    let lock = std::fs::OpenOptions::new().write(true).open(place.lake().join("_tillrace/lock")).unwrap();
    lock.lock().unwrap();
    let holder = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(200));
        drop(lock);
    });
    run(&place, "lake", &["shop.jsonl"], &[]).assert_code(0);
    holder.join().unwrap();
}

#[test]
fn hourly_files_fed_as_they_come_give_the_rows_of_all_at_once() {
    let place = Workplace::new();
    let hours = hours(&place);
    let all: Vec<&str> = hours.iter().map(String::as_str).collect();
    let reference = run(&place, "reference", &all, &[]).assert_code(0).json();
    for (number, hour) in hours.iter().enumerate() {
        let is_last = number + 1 == hours.len();
        let options: &[&str] = if is_last { &[] } else { &["--at-end", "keep"] };
        let done = run(&place, "lake", &[hour], options).assert_code(0);
        let summary = done.json();
        if is_last {
            for name in ["records", "accepted", "duplicates", "late", "rejected", "windows"] {
                assert_eq!(count(&summary, name), count(&reference, name), "{name}");
            }
        } else {
            assert!(!summary["open_windows"].as_array().unwrap().is_empty());
            done.assert_says(&["they wait for the next run on this lake"]);
        }
    }
    assert!(all_rows(&place.lake()) == all_rows(&place.path().join("reference")));
}

#[test]
fn an_hours_file_that_open_windows_need_must_stay_until_they_are_closed() {
    let place = Workplace::new();
    place.write_lines("a.jsonl", &minutes(0, 5));
    place.write_lines("b.jsonl", &minutes(5, 5));
    run(&place, "lake", &["a.jsonl"], &["--at-end", "keep"]).assert_code(0);
    let path = place.path().join("a.jsonl");
    let bytes = fs::read(&path).unwrap();
    fs::remove_file(&path).unwrap();
    let says = ["a.jsonl\" cannot be read: No such file", "windows that are open in the lake need it again from byte"];
    assert_refused(&place, &["--input", "b.jsonl"], 2, &says);
    fs::write(&path, bytes).unwrap();
    run(&place, "lake", &["b.jsonl"], &[]).assert_code(0);
    fs::remove_file(&path).unwrap();
    // No window is open any more.
    place.write_lines("c.jsonl", &minutes(2_880, 1));
    let summary = run(&place, "lake", &["c.jsonl"], &[]).assert_code(0).json();
    assert_eq!((count(&summary, "records"), count(&summary, "late")), (66, 0));
}

#[test]
fn records_of_windows_that_an_earlier_run_has_emitted_are_late_and_it_is_said() {
    let place = Workplace::new();
    place.write_lines("monday.jsonl", &minutes(0, 5));
    let lines = [minutes(3, 4), minutes(1_440, 1)].concat();
    place.write_lines("tuesday.jsonl", &lines);
    run(&place, "lake", &["monday.jsonl"], &[]).assert_code(0);
    let kpis = read_table(&place.lake(), "gold/kpis_1d");
    let done = run(&place, "lake", &["tuesday.jsonl"], &[]).assert_code(0);
    // The day is emitted, so all of it is late, also what lies behind the five minutes.
    let says = "late: 24 records of tuesday.jsonl belong to windows that an earlier run has emitted";
    let summary = done.assert_says(&[says]).json();
    assert_eq!((count(&summary, "records"), count(&summary, "late"), count(&summary, "records_read")), (60, 24, 30));
    assert_eq!(summary["late_for_emitted"], json!({ "tuesday.jsonl": 24 }));
    let after = read_table(&place.lake(), "gold/kpis_1d");
    assert_eq!((&after[0], after.len()), (&kpis[0], 2), "what was emitted stays");
    let late = read_table(&place.lake(), "quarantine/late");
    assert_eq!(late.len(), 24);
    assert!(late.iter().all(|row| row[3] == Value::Text("tuesday.jsonl".to_owned())), "{late:?}");
}

#[test]
fn a_file_of_late_records_only_takes_nothing_from_the_next_day() {
    let place = Workplace::new();
    place.write_lines("monday.jsonl", &minutes(0, 5));
    place.write_lines("stray.jsonl", &minutes(2, 5));
    place.write_lines("tuesday.jsonl", &minutes(1_440, 5));
    run(&place, "lake", &["monday.jsonl"], &[]).assert_code(0);
    let stray = run(&place, "lake", &["stray.jsonl"], &[]).assert_code(0).json();
    assert_eq!((count(&stray, "records"), count(&stray, "late")), (60, 30));
    let summary = run(&place, "lake", &["tuesday.jsonl"], &[]).assert_code(0).json();
    assert_eq!((count(&summary, "records"), count(&summary, "accepted"), count(&summary, "late")), (90, 60, 30));
    let quality = read_table(&place.lake(), "gold/quality_1m");
    let records: i64 =
        quality.iter().map(|row| if let Value::Int(records) = row[4] { records } else { panic!() }).sum();
    assert_eq!(records, 90, "the late ones are observed in Tuesday's first minute");
}

#[test]
fn a_file_that_has_grown_is_read_on() {
    let place = Workplace::new();
    place.write_lines("shop.jsonl", &minutes(0, 5));
    run(&place, "lake", &["shop.jsonl"], &["--at-end", "keep"]).assert_code(0);
    place.write_lines("shop.jsonl", &minutes(0, 12));
    let summary = run(&place, "lake", &["shop.jsonl"], &[]).assert_code(0).json();
    assert_eq!((count(&summary, "records"), count(&summary, "records_read"), count(&summary, "late")), (72, 42, 0));
    run(&place, "reference", &["shop.jsonl"], &[]).assert_code(0);
    assert!(all_rows(&place.lake()) == all_rows(&place.path().join("reference")));
}

#[cfg(debug_assertions)]
#[test]
fn an_interrupted_simulation_goes_on_to_the_rows_of_an_uninterrupted_one() {
    let place = Workplace::new();
    let options = ["--duration", "6h", "--rate", "100", "--lanes", "2", "--customers", "500"];
    let args: Vec<&str> = ["run", "--summary", "json", "--lake", "lake"].iter().chain(&options).copied().collect();
    let mut command = std::process::Command::new(TILLRACE);
    // So slow that it is interrupted in the middle; a release build does not know how.
    command.args(&args).env("TILLRACE_BATCH_RECORDS", "50").env("TILLRACE_COMMIT_DELAY_MS", "50");
    let child = place.start_command(command);
    eventually("a day has begun", || place.lake().join("gold/kpis_1m/2026-01-01").is_dir());
    child.signal("INT");
    let interrupted = child.close_stdin().wait().assert_code(1).json();
    assert_eq!(interrupted["end"], "interrupted");
    assert!(count(&interrupted, "records") > 0);
    let summary = place.tillrace(&args).assert_code(0).json();
    let reference: Vec<&str> =
        ["run", "--summary", "json", "--lake", "reference"].iter().chain(&options).copied().collect();
    let reference = place.tillrace(&reference).assert_code(0).json();
    for name in ["records", "accepted", "duplicates", "late", "rejected", "windows"] {
        assert_eq!(count(&summary, name), count(&reference, name), "{name}");
    }
    assert!(all_rows(&place.lake()) == all_rows(&place.path().join("reference")));
    // Another simulation does not continue one that is done, it comes besides; it would not continue one that is not.
    assert_refused(&place, &["--duration", "6h", "--lateness", "20s"], 2, &["--lateness"]);
}

#[test]
fn a_live_simulation_starts_anew_and_its_open_windows_are_not_lost() {
    let place = Workplace::new();
    let args = ["run", "--summary", "json", "--rate", "200", "--window", "2s", "--lateness", "1s", "--rollup", "none"];
    let live = || {
        let rows = || {
            let is_there = place.lake().join("gold/kpis_2s/schema.parquet").is_file();
            if is_there { read_table(&place.lake(), "gold/kpis_2s").len() } else { 0 }
        };
        let before = rows();
        let child = place.start(&args);
        eventually("windows close", || rows() > before + 1);
        child.signal("INT");
        child.close_stdin().wait().assert_code(0).json()
    };
    let first = live();
    let second = live();
    assert!(count(&second, "records") > count(&first, "records"));
    let rows = read_table(&place.lake(), "gold/kpis_2s");
    let accepted: i64 = rows.iter().map(|row| if let Value::Int(events) = row[4] { events } else { panic!() }).sum();
    assert!(accepted > 0);
    let starts: std::collections::BTreeSet<String> = rows.iter().map(|row| row[0].to_string()).collect();
    assert_eq!(starts.len(), rows.len(), "no window twice");
}
