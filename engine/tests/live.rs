//! Goal: what is read slowly is written promptly, and an interrupt leaves closed windows written and says what is not
//! (CONTRACT §2, §3, §5).
//!
//! Method: the binary reads a pipe that stays open, or a file at a pace; signals are sent to it, and its lake is read
//! meanwhile. Bounds on time are generous, so that only what hangs fails; the one lower bound is that of `--pace`.

#![cfg(unix)]

mod support;

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use engine_oracle::Value;
use support::gold::{parquet_files, read_file, read_table};
use support::lines::view;
use support::tillrace::{Workplace, count, eventually, text};

/// Lines of a view every `step` seconds from `first` to before `end`.
fn views(first: u32, end: u32, step: usize) -> Vec<String> {
    (first..end).step_by(step).map(|second| view(&format!("v{second}"), f64::from(second))).collect()
}

/// The minutes of the day of the rows of `kpis_1m` that can be read now.
fn minutes(lake: &Path) -> Vec<i64> {
    let files = parquet_files(&lake.join("gold/kpis_1m"));
    let rows = files.iter().flat_map(|file| read_file(file).unwrap());
    let mut minutes: Vec<i64> =
        rows.map(|row| if let Value::Int(minute) = row[3] { minute } else { panic!("{row:?}") }).collect();
    minutes.sort_unstable();
    minutes
}

fn minutes_to(end: i64) -> Vec<i64> {
    (0..end).collect()
}

#[test]
fn a_window_that_stdin_closes_is_written_while_stdin_stays_open() {
    for shards in ["1", "2"] {
        let place = Workplace::new();
        let mut child = place.start(&["run", "--input", "-", "--shards", shards, "--no-pin"]);
        eventually("tables come first", || place.lake().join("gold/kpis_1m/schema.parquet").exists());
        child.send(text(&[view("a", 0.0), view("b", 69.999_999)]));
        // The watermark has to reach the end of the window: one microsecond more.
        std::thread::sleep(Duration::from_millis(800));
        assert_eq!(minutes(&place.lake()), minutes_to(0));
        child.send(text(&[view("c", 70.0)]));
        eventually("the first minute", || minutes(&place.lake()) == minutes_to(1));
        // A line is a line once its end has come.
        child.send(view("d", 130.0));
        std::thread::sleep(Duration::from_millis(800));
        assert_eq!(minutes(&place.lake()), minutes_to(1));
        child.send("\n");
        eventually("the second minute", || minutes(&place.lake()) == minutes_to(2));
        assert!(child.is_running());
        child.close_stdin().wait().assert_code(0);
        assert_eq!(minutes(&place.lake()), minutes_to(3));
    }
}

/// The library's stdin keeps up to 8 KiB that a wait for the next bytes does not see: where a line too long for the
/// buffer ended in them, the lines behind it waited with it until more came.
#[test]
fn what_follows_a_long_line_on_stdin_is_not_held_back() {
    let place = Workplace::new();
    let mut child = place.start(&["run", "--input", "-"]);
    eventually("tables come first", || place.lake().join("gold/kpis_1m/schema.parquet").exists());
    // A read of 256 KiB fills the buffer; the line goes on for 100 bytes.
    for chunk in [200_000, 262_144 - 200_000 - 50] {
        child.send("x".repeat(chunk));
        std::thread::sleep(Duration::from_millis(300));
    }
    child.send(format!("{}\n{}", "x".repeat(100), text(&[view("a", 0.0), view("b", 70.0)])));
    eventually("the first minute", || minutes(&place.lake()) == minutes_to(1));
    child.close_stdin().wait().assert_code(0);
}

#[test]
fn an_interrupt_ends_a_wait_on_stdin() {
    for (signal, shards) in [("INT", "1"), ("TERM", "3")] {
        let place = Workplace::new();
        let args = ["run", "--input", "-", "--summary", "json", "--shards", shards, "--no-pin"];
        let mut child = place.start(&args);
        child.send(text(&views(0, 151, 10)));
        eventually("two minutes", || minutes(&place.lake()) == minutes_to(2));
        child.send("an unfinished li");
        child.signal(signal);
        let done = child.wait().assert_code(1).assert_says(&[
            "interrupted: closed windows are written",
            "not written: 1 open base windows, and the rollups they belong to",
        ]);
        let summary = done.json();
        assert_eq!(summary["end"], "interrupted");
        assert_eq!((count(&summary, "records"), count(&summary, "accepted")), (16, 16));
        assert_eq!(summary["open_windows"], serde_json::json!(["2026-01-01T00:03:00Z"]));
        assert_eq!(minutes(&place.lake()), minutes_to(2));
        assert!(
            read_table(&place.lake(), "gold/kpis_1h").is_empty()
                && read_table(&place.lake(), "gold/kpis_1d").is_empty()
        );
    }
}

#[test]
fn an_interrupt_before_the_first_record_leaves_empty_tables() {
    let place = Workplace::new();
    let child = place.start(&["run", "--input", "-"]);
    eventually("tables come first", || place.lake().join("gold/kpis_1d/schema.parquet").exists());
    child.signal("INT");
    let done = child.wait().assert_code(1).assert_says(&["interrupted"]);
    assert!(!done.err.contains("not written"), "{}", done.err);
    assert_eq!(minutes(&place.lake()), minutes_to(0));
}

#[test]
fn an_interrupt_ends_a_paced_file_and_what_is_closed_by_then_is_written() {
    for shards in ["1", "2"] {
        let place = Workplace::new();
        place.write_lines("shop.jsonl", &views(0, 24 * 3_600, 20));
        let args =
            ["run", "--input", "shop.jsonl", "--pace", "50", "--shards", shards, "--no-pin", "--summary", "json"];
        let child = place.start(&args);
        eventually("tables come first", || place.lake().join("gold/kpis_1d/schema.parquet").exists());
        std::thread::sleep(Duration::from_secs(1));
        child.signal("INT");
        let done =
            child.wait().assert_code(1).assert_says(&["interrupted: closed windows are written", "not written: "]);
        let summary = done.json();
        let records = i64::try_from(count(&summary, "records")).unwrap();
        assert!((10..4_000).contains(&records), "{records} of 4,320 records");
        let watermark = (records - 1) * 20 - 10;
        assert_eq!(minutes(&place.lake()), minutes_to(watermark / 60), "{records} records");
    }
}

#[test]
fn a_paced_file_is_written_as_its_windows_close() {
    let place = Workplace::new();
    // All of it comes in one read, and takes half a minute.
    place.write_lines("shop.jsonl", &views(0, 30_000, 20));
    let mut child = place.start(&["run", "--input", "shop.jsonl", "--pace", "50"]);
    eventually("some minutes", || minutes(&place.lake()).len() > 3);
    assert!(child.is_running(), "windows are written before the end");
    child.signal("INT");
    child.wait().assert_code(1);
}

#[test]
fn a_second_interrupt_ends_the_process_at_once() {
    let place = Workplace::new();
    let pipe = place.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    // Nobody will ever write to the pipe, and to open it waits for that.
    let mut child = place.start(&["run", "--input", "pipe"]);
    eventually("tables come first", || place.lake().join("gold/kpis_1d/schema.parquet").exists());
    // Where the first one is enough, that is fine too.
    for _ in 0..2 {
        if child.is_running() {
            child.signal("INT");
        }
        std::thread::sleep(Duration::from_millis(300));
    }
    child.wait().assert_code(1);
}

#[test]
fn an_interrupt_in_the_middle_of_a_compressed_pipe_is_no_broken_file() {
    let place = Workplace::new();
    let path = place.path().join("pipe.gz");
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    let child = place.start(&["run", "--input", "pipe.gz"]);
    let mut encoder =
        flate2::write::GzEncoder::new(OpenOptions::new().write(true).open(&path).unwrap(), flate2::Compression::fast());
    encoder.write_all(text(&views(0, 151, 10)).as_bytes()).unwrap();
    encoder.flush().unwrap();
    eventually("two minutes", || minutes(&place.lake()) == minutes_to(2));
    child.signal("INT");
    let done = child.wait().assert_code(1).assert_says(&["interrupted", "not written: 1 open"]);
    assert!(!done.err.contains("truncated"), "{}", done.err);
}

#[test]
fn a_pace_takes_its_time() {
    let place = Workplace::new();
    place.write_lines("shop.jsonl", &views(0, 300, 1));
    for pace in [200.0, 1_000.0] {
        let started = Instant::now();
        let lake = format!("lake-{pace}");
        place.run(&["--input", "shop.jsonl", "--pace", &pace.to_string(), "--lake", &lake]);
        assert!(started.elapsed() >= Duration::from_secs_f64(0.9 * 300.0 / pace), "pace {pace}");
        assert_eq!(minutes(&place.path().join(lake)), minutes_to(5));
    }
}

#[test]
fn a_pace_so_slow_that_it_never_ends_is_no_panic() {
    let place = Workplace::new();
    place.write_lines("shop.jsonl", &views(0, 300, 1));
    let child = place.start(&["run", "--input", "shop.jsonl", "--pace", "1e-300", "--summary", "json"]);
    eventually("tables come first", || place.lake().join("gold/kpis_1d/schema.parquet").exists());
    std::thread::sleep(Duration::from_millis(300));
    child.signal("INT");
    let summary = child.wait().assert_code(1).json();
    assert_eq!(summary["end"], "interrupted");
}

#[test]
fn a_reader_of_gold_may_come_and_go_while_a_pipe_is_read() {
    let place = Workplace::new();
    let mut child = place.start(&["run", "--input", "-", "--pace", "2000"]);
    for start in 0..10 {
        child.send(text(&views(start * 120, (start + 1) * 120, 1)));
        let expected = if start == 0 { 1 } else { i64::from(start) * 2 };
        eventually("the windows so far", || minutes(&place.lake()).len() >= usize::try_from(expected).unwrap());
        let seen = minutes(&place.lake());
        assert_eq!(seen, minutes_to(i64::try_from(seen.len()).unwrap()), "every window once and none left out");
    }
    child.close_stdin().wait().assert_code(0);
    assert_eq!(minutes(&place.lake()), minutes_to(20));
    assert!(fs::metadata(place.lake().join("gold/dim_product/dim_product.parquet")).is_ok());
}

#[test]
fn a_live_shop_closes_windows_by_the_clock_and_an_interrupt_is_its_end() {
    for shards in ["1", "2"] {
        let place = Workplace::new();
        let options = "--rate 300 --window 1s --lateness 1s --rollup none --summary json --lanes 2 --shards";
        let args: Vec<&str> = ["run"].into_iter().chain(options.split(' ')).chain([shards]).collect();
        let child = place.start(&args);
        let windows = || {
            let files = parquet_files(&place.lake().join("gold/kpis_1s"));
            files.iter().map(|file| read_file(file).unwrap().len()).sum::<usize>()
        };
        eventually("three windows", || windows() >= 3);
        child.signal("INT");
        let done = child.wait().assert_code(0).assert_says(&["not written"]);
        let summary = done.json();
        let sum: u64 = ["accepted", "duplicates", "late", "rejected"].map(|name| count(&summary, name)).iter().sum();
        assert_eq!(count(&summary, "records"), sum);
        assert_eq!(windows() as u64, count(&summary, "windows"));
        assert_eq!(summary["end"], "interrupted");
    }
}
