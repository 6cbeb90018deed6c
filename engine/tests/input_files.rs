//! Goal: files, globs, compressed files, pipes and stdin are read as CONTRACT §1 and §2 say; what cannot be read is refused
//! before anything is made, or ends the run with its name; memory stays flat.
//!
//! Method: the binary runs over small files, odd files and a line of 300 MB that never touches a disk; Gold and the
//! quarantine are read back.

mod support;

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use engine_oracle::Value;
use support::gold::{Rows, column_names, files_below, read_table, table_names};
use support::lines::{order, view};
use support::tillrace::{TILLRACE, Workplace, count, text};

/// Asserts that a run over `inputs` is refused as wrong usage, says `parts`, and makes no lake.
#[track_caller]
fn check_refused(place: &Workplace, inputs: &[&str], parts: &[&str]) {
    let before = place.names();
    let mut args = vec!["run"];
    args.extend(inputs.iter().flat_map(|input| ["--input", input]));
    place.tillrace(&args).assert_code(2).assert_says(parts);
    assert_eq!(place.names(), before, "nothing is made");
}

/// The minutes of the day with a `kpis_1m` row, and their events.
fn events_by_minute(lake: &Path) -> Vec<(i64, i64)> {
    let int = |value: &Value| if let Value::Int(value) = value { *value } else { panic!("{value} is no count") };
    read_table(lake, "gold/kpis_1m").iter().map(|row| (int(&row[3]), int(&row[4]))).collect()
}

/// Runs over these bytes as a file of this name; the events of each minute.
#[track_caller]
fn check_file(name: &str, bytes: &[u8], expected: &[(i64, i64)]) -> serde_json::Value {
    let place = Workplace::new();
    place.write(name, bytes);
    let summary = place.run(&["--input", name]);
    assert_eq!(events_by_minute(&place.lake()), expected, "{name}");
    summary
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).unwrap()
}

/// Views half a minute apart, `n` of them.
fn views(count: u32) -> Vec<String> {
    (0..count).map(|n| view(&format!("v{n}"), 30.0 * f64::from(n))).collect()
}

#[test]
fn an_input_that_is_not_there_is_refused() {
    let place = Workplace::new();
    place.write_lines("a.jsonl", &views(2));
    place.write("folder/inner/b.jsonl", "");
    check_refused(&place, &["missing.jsonl"], &["\"missing.jsonl\"", "No such file"]);
    check_refused(&place, &["a.jsonl", "missing.jsonl"], &["missing.jsonl"]);
    check_refused(&place, &["folder"], &["\"folder\" is a directory", "folder/*.jsonl"]);
    check_refused(&place, &["*.gz"], &["no file matches \"*.gz\""]);
    check_refused(&place, &["folder/*"], &["no file matches \"folder/*\", only directories"]);
    check_refused(&place, &["[z-"], &["[z-"]);
    check_refused(&place, &["ftp://host/a.jsonl"], &["ftp://host/a.jsonl", "\"ftp\" is not supported"]);
    check_refused(&place, &[""], &["cannot read \"\""]);
}

#[test]
fn a_file_named_twice_is_refused_however_it_is_spelled() {
    let place = Workplace::new();
    place.write_lines("a.jsonl", &views(2));
    place.write_lines("folder/b.jsonl", &views(2));
    let absolute = place.path().join("a.jsonl");
    let twice = ["a.jsonl", "./a.jsonl", "folder/../a.jsonl", "*.jsonl", "[a].jsonl", absolute.to_str().unwrap()];
    for second in twice {
        check_refused(&place, &["a.jsonl", second], &["\"a.jsonl\"", second, "the same file"]);
        check_refused(&place, &[second, "folder/b.jsonl", "a.jsonl"], &["the same file"]);
    }
    check_refused(&place, &["**/*.jsonl", "folder/*"], &["folder/b.jsonl", "the same file"]);
    check_refused(&place, &["-", "-"], &["\"-\"", "the same file"]);
}

#[test]
#[cfg(unix)]
fn links_are_the_same_file_as_what_they_link_to() {
    let place = Workplace::new();
    place.write_lines("a.jsonl", &views(2));
    std::os::unix::fs::symlink("a.jsonl", place.path().join("soft.jsonl")).unwrap();
    fs::hard_link(place.path().join("a.jsonl"), place.path().join("hard.jsonl")).unwrap();
    for link in ["soft.jsonl", "hard.jsonl"] {
        check_refused(&place, &["a.jsonl", link], &["a.jsonl", link, "the same file"]);
    }
    check_refused(&place, &["*.jsonl"], &["the same file", "from \"*.jsonl\""]);
}

#[test]
#[cfg(unix)]
fn a_file_that_is_also_stdin_is_the_same_file() {
    let place = Workplace::new();
    place.write_lines("a.jsonl", &views(2));
    let mut command = Command::new(TILLRACE);
    let file = fs::File::open(place.path().join("a.jsonl")).unwrap();
    let output = command.args(["run", "--input", "-", "--input", "a.jsonl"]).current_dir(place.path()).stdin(file);
    let output = output.output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(String::from_utf8(output.stderr).unwrap().contains("the same file"));
    assert!(!place.lake().exists());
}

#[test]
fn a_file_named_like_a_glob_is_itself() {
    let place = Workplace::new();
    place.write_lines("[x]*.jsonl", &views(2));
    place.write_lines("x.jsonl", &views(4));
    assert_eq!(count(&place.run(&["--input", "[x]*.jsonl"]), "records"), 2);
}

#[test]
fn a_file_is_read_whatever_its_lines_end_with() {
    let lines = views(4);
    let expected = [(0, 2), (1, 2)];
    check_file("lf.jsonl", text(&lines).as_bytes(), &expected);
    check_file("no-last-end.jsonl", lines.join("\n").as_bytes(), &expected);
    check_file("crlf.jsonl", text(&lines).replace('\n', "\r\n").as_bytes(), &expected);
    check_file("crlf-no-last-end.jsonl", lines.join("\r\n").as_bytes(), &expected);
    check_file("blank.jsonl", format!("\n \t\n{}\n\n  ", lines.join("\n\r\n \n")).as_bytes(), &expected);
    let with_mark = check_file("mark.jsonl", format!("\u{feff}{}", text(&lines)).as_bytes(), &expected);
    assert_eq!(count(&with_mark, "records"), 4);
    // Only at the start of a file is it a mark.
    let inside = check_file("inside.jsonl", lines.join("\n\u{feff}").as_bytes(), &[(0, 1)]);
    assert_eq!(count(&inside, "rejected"), 3);
}

#[test]
fn compressed_files_are_read_by_their_extension() {
    let lines = views(6);
    let text = text(&lines);
    let expected = [(0, 2), (1, 2), (2, 2)];
    // Members and frames end anywhere, in the middle of a line too; some are empty.
    let (a, rest) = text.as_bytes().split_at(100);
    let (b, c) = rest.split_at(300);
    let members = |encode: fn(&[u8]) -> Vec<u8>| [a, b, &[], c].map(encode).concat();
    for name in ["a.jsonl.gz", "A.JSONL.GZ", "a.Gz"] {
        check_file(name, &gzip(text.as_bytes()), &expected);
        check_file(name, &members(gzip), &expected);
    }
    for name in ["a.jsonl.zst", "A.JSONL.ZST", "a.Zst"] {
        check_file(name, &zstd(text.as_bytes()), &expected);
        check_file(name, &members(zstd), &expected);
    }
    // Behind its compression a file is a file like any other.
    let marked = format!("\u{feff}{}", lines.join("\r\n"));
    check_file("marked.gz", &gzip(marked.as_bytes()), &expected);
    check_file("marked.zst", &zstd(marked.as_bytes()), &expected);
    let summary = check_file("plain.jsonl", &gzip(text.as_bytes()), &[]);
    assert_eq!(summary["accepted"], 0, "the extension decides, not the bytes");
}

#[test]
fn an_empty_input_gives_every_table_without_rows() {
    let gzip_of_nothing = gzip(b"");
    let inputs: [(&str, &[u8]); 4] = [
        ("a.jsonl", b""),
        ("a.jsonl.gz", &gzip_of_nothing),
        ("mark.jsonl", b"\xef\xbb\xbf"),
        ("blank.jsonl", b"\n \n"),
    ];
    for (name, bytes) in inputs {
        let place = Workplace::new();
        place.write(name, bytes);
        let summary = place.run(&["--input", name]);
        assert_eq!((count(&summary, "records"), count(&summary, "windows")), (0, 0));
        let gold = table_names(&place.lake(), "gold");
        assert_eq!(gold.len(), 20, "{gold:?}");
        for (layer, tables) in [("gold", gold), ("quarantine", table_names(&place.lake(), "quarantine"))] {
            for table in tables {
                assert_eq!(read_table(&place.lake(), &format!("{layer}/{table}")), Rows::new(), "{table}");
                let schema = place.lake().join(layer).join(&table).join("schema.parquet");
                assert!(!column_names(&schema).is_empty(), "{table}");
            }
        }
    }
}

#[test]
fn a_truncated_file_ends_the_run_and_what_was_closed_before_stays() {
    // Noise keeps the decoder from holding everything back until the end.
    let lines: Vec<String> = (0..4_000_u32)
        .map(|n| {
            view(&format!("v{n}-{:08x}{:08x}", n.wrapping_mul(2_654_435_761), n.wrapping_mul(40_503)), f64::from(n))
        })
        .collect();
    let text = text(&lines);
    for (name, whole) in [("shop.jsonl.gz", gzip(text.as_bytes())), ("shop.jsonl.zst", zstd(text.as_bytes()))] {
        let place = Workplace::new();
        place.write(name, &whole[..whole.len() * 3 / 4]);
        let args = ["run", "--input", name, "--summary", "json"];
        let done = place.tillrace(&args).assert_code(1).assert_says(&[
            &format!("cannot read \"{name}\""),
            "truncated",
            "closed windows are written",
            "not written: ",
        ]);
        let summary = done.json();
        assert_eq!(summary["end"], "source_failed");
        assert!(summary["error"].as_str().unwrap().contains(name), "{summary}");
        // All windows but the last one or two are whole.
        let records = count(&summary, "records");
        assert!((1_000..4_000).contains(&records), "{records}");
        let watermark = i64::try_from(records).unwrap() - 1 - 10;
        let expected: Vec<(i64, i64)> = (0..watermark / 60).map(|minute| (minute, 60)).collect();
        assert_eq!(events_by_minute(&place.lake()), expected, "{name}");
        let open: Vec<&str> =
            summary["open_windows"].as_array().unwrap().iter().map(|end| end.as_str().unwrap()).collect();
        assert!((1..=2).contains(&open.len()) && open[0].starts_with("2026-01-01T"), "{open:?}");
        assert_eq!(read_table(&place.lake(), "gold/kpis_1d"), Rows::new(), "the day has not closed");
    }
}

#[test]
fn a_file_that_turns_out_to_be_broken_ends_the_run_with_its_name() {
    let place = Workplace::new();
    place.write_lines("a.jsonl", &views(10));
    place.write("b.jsonl.gz", b"\x1f\x8bnot gzip");
    let args = ["run", "--input", "a.jsonl", "--input", "b.jsonl.gz"];
    place.tillrace(&args).assert_code(1).assert_says(&["\"b.jsonl.gz\"", "closed windows are written"]);
    assert!(table_names(&place.lake(), "gold").contains(&"kpis_1m".to_owned()));
}

#[test]
#[cfg(unix)]
fn a_named_pipe_is_an_input() {
    let place = Workplace::new();
    for (name, bytes) in [("pipe", text(&views(4)).into_bytes()), ("pipe.gz", gzip(text(&views(4)).as_bytes()))] {
        let path = place.path().join(name);
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        let lake = format!("lake-of-{name}");
        let child = place.start(&["run", "--input", name, "--lake", &lake]);
        // Waits for the reader.
        fs::write(&path, bytes).unwrap();
        child.close_stdin().wait().assert_code(0);
        assert_eq!(events_by_minute(&place.path().join(lake)), [(0, 2), (1, 2)]);
    }
}

#[test]
fn stdin_is_never_decompressed_and_named_by_a_dash() {
    let place = Workplace::new();
    let mut child = place.start(&["run", "--input", "-"]);
    child.send(text(&[&views(1)[0], "bad"]));
    child.close_stdin().wait().assert_code(0);
    assert_eq!(events_by_minute(&place.lake()), [(0, 1)]);
    let rejected = read_table(&place.lake(), "quarantine/rejected");
    assert_eq!(rejected[0][4], Value::Text("-".to_owned()));
}

#[test]
fn a_line_of_300_megabytes_is_one_rejected_record_in_flat_memory() {
    const LENGTH: usize = 300_000_000;
    let place = Workplace::new();
    let mut child = place.start(&["run", "--input", "-", "--summary", "json"]);
    child.send(text(&views(1)));
    let block = vec![b'x'; 1_000_000];
    for _ in 0..LENGTH / block.len() {
        child.send(&block);
    }
    child.send(format!("\n{}\n", view("last", 1.0)));
    let done = child.close_stdin().wait().assert_code(0);
    let summary = done.json();
    assert_eq!((count(&summary, "accepted"), count(&summary, "rejected")), (2, 1));
    assert_eq!(summary["rejections"], serde_json::json!({"too_large": 1}));
    let rejected = read_table(&place.lake(), "quarantine/rejected");
    let offset = i64::try_from(text(&views(1)).len()).unwrap();
    let expected = [
        Value::Text("x".repeat(65_536)),
        Value::Int(i64::try_from(LENGTH).unwrap()),
        Value::Text("too_large".to_owned()),
        Value::Null,
        Value::Text("-".to_owned()),
        Value::Int(0),
        Value::Int(offset),
    ];
    assert_eq!(rejected, [expected]);
    if cfg!(target_os = "linux") {
        assert!((1..200_000).contains(&done.peak_kib), "{} KiB", done.peak_kib);
    }
}

/// A day of orders, one every four minutes.
fn day(number: u32) -> Vec<String> {
    let start = f64::from(number) * 86_400.0;
    let line =
        |n: u32| order(&format!("d{number}-{n}"), start + 240.0 * f64::from(n), &format!("{}.{:02}", n, number % 100));
    (0..360).map(line).collect()
}

/// Runs over `*.jsonl` with `ulimit -n 256` in windows of a day; the peak of memory in KiB.
#[cfg(unix)]
fn run_with_few_descriptors(place: &Workplace, input: &str, lake: &str) -> u64 {
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -n 256; exec \"$0\" \"$@\"", TILLRACE, "run", "--input", input, "--lake", lake]);
    command.args(["--window", "1d", "--rollup", "none", "--max-future", "3650d"]);
    place.start_command(command).close_stdin().wait().assert_code(0).peak_kib
}

#[test]
#[cfg(unix)]
fn four_hundred_daily_files_need_few_descriptors_and_the_memory_of_a_few() {
    const DAYS: u32 = 400;
    let place = Workplace::in_memory();
    let mut all = String::new();
    for number in 0..DAYS {
        let text = text(&day(number));
        all.push_str(&text);
        place.write(&format!("days/{number:03}.jsonl"), text);
    }
    place.write("all.jsonl", all);
    let many = run_with_few_descriptors(&place, "days/*.jsonl", "many");
    let few = run_with_few_descriptors(&place, "days/00[0-3].jsonl", "few");
    run_with_few_descriptors(&place, "all.jsonl", "one");
    let (many_rows, one_rows) =
        (read_table(&place.path().join("many"), "gold/kpis_1d"), read_table(&place.path().join("one"), "gold/kpis_1d"));
    assert_eq!(many_rows.len(), DAYS as usize);
    assert_eq!(many_rows, one_rows);
    println!("{many} KiB for {DAYS} files, {few} KiB for 4");
    if cfg!(target_os = "linux") {
        assert!(few > 0 && many <= 2 * few, "{many} KiB for {DAYS} files, {few} KiB for 4");
    }
    assert!(files_below(&place.path().join("many/_tillrace/tmp")).is_empty());
}
