//! Goal: options, configuration file, help, summaries, exit codes and `validate` are what CONTRACT §5 says.
//!
//! Method: the binary is started in a folder of its own; what it prints, how it ends and what it leaves behind are
//! looked at. Wrong usage must leave nothing behind.

mod support;

use std::io::Write;
use std::process::{Command, Stdio};

use support::gold::{files_below, read_table, table_names};
use support::lines::{line, order, view};
use support::tillrace::{TILLRACE, Workplace, count};

/// A folder with a file of three views in three minutes.
fn shop() -> Workplace {
    let place = Workplace::new();
    place.write_lines("shop.jsonl", &[view("a", 0.0), view("b", 60.0), view("c", 120.0)]);
    place
}

/// Asserts that `tillrace run --input shop.jsonl ARGS` is refused as wrong usage, says `parts`, and leaves nothing.
#[track_caller]
fn check_refused(args: &[&str], parts: &[&str]) {
    let place = shop();
    let args: Vec<&str> = ["run", "--input", "shop.jsonl"].iter().chain(args).copied().collect();
    let done = place.tillrace(&args).assert_code(2).assert_says(parts);
    assert_eq!(done.out, "", "wrong usage gives no result");
    assert_eq!(place.names(), ["shop.jsonl"]);
}

#[test]
fn without_a_command_the_commands_are_listed() {
    let done = Workplace::new().tillrace(&[]).assert_code(2).assert_says(&["Usage: tillrace", "run", "validate"]);
    assert_eq!(done.out, "");
    Workplace::new().tillrace(&["trade"]).assert_code(2).assert_says(&["trade"]);
}

#[test]
fn help_goes_to_stdout_and_shows_examples() {
    let place = Workplace::new();
    let help = place.tillrace(&["--help"]).assert_code(0);
    assert!(help.out.contains("run") && help.out.contains("validate"), "{}", help.out);
    let examples = [("run", "tillrace run --input"), ("validate", "tillrace validate shop.jsonl")];
    for (command, example) in examples {
        let help = place.tillrace(&[command, "--help"]).assert_code(0);
        assert!(help.out.contains("Examples:\n") && help.out.contains(example), "{}", help.out);
        assert!(help.out.contains("Exit status"), "{}", help.out);
        assert_eq!(help.err, "");
    }
}

#[test]
fn every_option_of_the_contract_for_files_stands_in_the_help_of_run() {
    let help = Workplace::new().tillrace(&["run", "--help"]).assert_code(0).out;
    let options = "--input --lake --window --rollup --lateness --idle-timeout --max-future --currency --utc-offset \
                   --format --layers --summary --shards --no-pin --pace --config";
    for option in options.split_whitespace() {
        assert!(help.contains(&format!("{option} ")) || help.contains(&format!("{option}\n")), "{option}: {help}");
    }
    let defaults =
        ["./lake", "60s", "1h,1d", "10s", "30s", "5m", "USD", "+00:00", "parquet", "gold,quarantine", "text"];
    for default in defaults {
        assert!(help.contains(&format!("[default: {default}")), "{default}: {help}");
    }
}

#[test]
fn the_version_is_printed() {
    let done = Workplace::new().tillrace(&["--version"]).assert_code(0);
    assert_eq!(done.out, format!("tillrace {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn an_unknown_option_is_refused_by_its_name() {
    check_refused(&["--windows", "60s"], &["--windows"]);
    check_refused(&["extra"], &["extra"]);
    Workplace::new().tillrace(&["validate", "--lake", "x"]).assert_code(2).assert_says(&["--lake"]);
    Workplace::new().tillrace(&["validate"]).assert_code(2).assert_says(&["<FILE>"]);
}

#[test]
fn a_bad_value_is_refused_with_the_option_the_value_and_what_was_expected() {
    for option in ["--window", "--rollup", "--lateness", "--idle-timeout", "--max-future"] {
        for value in ["60", "", "1.5s", "1 h", "fast", "99999999999999d"] {
            check_refused(&[option, value], &[option, value, "10s"]);
        }
    }
    for option in ["--window", "--rollup"] {
        for value in ["0s", "7s", "500ms", "2d"] {
            check_refused(&[option, value], &[option, value, "divides a day"]);
        }
    }
    for value in ["usd", "EURO", ""] {
        check_refused(&["--currency", value], &["--currency", value, "USD"]);
    }
    for value in ["5", "+24:00", "+05:60", "05:00", ""] {
        check_refused(&["--utc-offset", value], &["--utc-offset", value, "+hh:mm"]);
    }
    for value in ["iron", "gold,", "", "Gold"] {
        check_refused(&["--layers", value], &["--layers", value, "quarantine"]);
    }
    for value in ["csv", ""] {
        check_refused(&["--format", value], &["--format", value, "parquet"]);
        check_refused(&["--summary", value], &["--summary", value, "json"]);
    }
    for value in ["0", "257", "-1", "1.5", "two", ""] {
        check_refused(&["--shards", value], &["--shards", value, "1 to 256"]);
    }
    for value in ["0", "-5", "nan", "inf", "fast", ""] {
        check_refused(&["--pace", value], &["--pace", "records a second above 0"]);
    }
}

#[test]
fn a_message_says_what_is_wrong_once() {
    let done = shop().tillrace(&["run", "--input", "shop.jsonl", "--window", "7s"]).assert_code(2);
    assert_eq!(done.err.matches("divides a day").count(), 1, "{}", done.err);
    assert!(done.err.starts_with("error: --window 7s: "), "{}", done.err);
    assert_eq!(done.err.lines().count(), 1, "{}", done.err);
}

#[test]
fn a_rollup_asked_for_must_fit_and_a_default_one_is_left_out() {
    check_refused(&["--window", "90s", "--rollup", "1m"], &["--rollup", "1m", "90s", "multiple"]);
    check_refused(&["--window", "1d", "--rollup", "1h,1d"], &["--rollup", "1h", "1d", "multiple"]);
    // An hour is 3600 s, a day 86 400 s: 43 200 s go into the day alone, 27 s into the day alone, 90 s into both.
    let cases = [("12h", "kpis_12h kpis_1d"), ("27s", "kpis_1d kpis_27s"), ("90s", "kpis_1d kpis_1h kpis_90s")];
    for (window, expected) in cases {
        let place = shop();
        place.run(&["--input", "shop.jsonl", "--window", window]);
        assert_eq!(grains(&place), expected, "{window}");
    }
}

#[test]
fn rollups_are_those_asked_for() {
    let cases = [("none", "kpis_1m"), ("5m", "kpis_1m kpis_5m"), ("1h,1h,5m", "kpis_1h kpis_1m kpis_5m")];
    for (rollup, expected) in cases {
        let place = shop();
        place.run(&["--input", "shop.jsonl", "--rollup", rollup]);
        assert_eq!(grains(&place), expected, "{rollup}");
        let has_activity = table_names(&place.lake(), "gold").contains(&"customer_activity".to_owned());
        assert!(!has_activity, "customer_activity is there only with a day");
    }
}

/// The names of the `kpis` tables.
fn grains(place: &Workplace) -> String {
    let names = table_names(&place.lake(), "gold");
    names.into_iter().filter(|name| name.starts_with("kpis")).collect::<Vec<_>>().join(" ")
}

#[test]
fn what_this_version_does_not_have_is_refused_clearly() {
    check_refused(&["--format", "delta"], &["--format delta", "not available", "parquet"]);
    for (uri, scheme) in [("kafka://localhost:9092/shop", "kafka"), ("http://localhost:80", "http"), ("s3://b", "s3")] {
        check_refused(&["--input", uri], &[uri, &format!("scheme \"{scheme}\" is not supported"), "stdin"]);
    }
}

#[test]
fn a_configuration_file_gives_values_and_options_come_first() {
    let place = shop();
    place.write(
        "shop.toml",
        "input = [\"shop.jsonl\"]\nlake = \"from-file\"\nwindow = \"30s\"\nrollup = \"1h\"\nlateness = \"1s\"\n\
         idle-timeout = \"1m\"\nmax-future = \"1h\"\ncurrency = \"EUR\"\nutc-offset = \"+01:00\"\nformat = \"parquet\"\n\
         layers = \"gold\"\nsummary = \"json\"\nshards = 2\nno-pin = true\npace = 1e6\n",
    );
    let summary = place.tillrace(&["run", "--config", "shop.toml"]).assert_code(0).json();
    assert_eq!(summary["lake"], "from-file");
    let lake = place.path().join("from-file");
    assert!(table_names(&lake, "gold").contains(&"kpis_30s".to_owned()));
    assert!(!lake.join("quarantine").exists(), "layers come from the file");
    let described = std::fs::read_to_string(lake.join("_tillrace/run.json")).unwrap();
    for part in ["EUR", "+01:00", "1000000"] {
        assert!(described.contains(part), "{part}: {described}");
    }

    let flags = ["--lake", "from-flag", "--window", "10s", "--layers", "gold,quarantine", "--summary", "text"];
    let args: Vec<&str> = ["run", "--config", "shop.toml"].iter().chain(&flags).copied().collect();
    let done = place.tillrace(&args).assert_code(0);
    assert!(done.out.contains("accepted    3\n"), "{}", done.out);
    let lake = place.path().join("from-flag");
    let names = table_names(&lake, "gold");
    assert!(names.contains(&"kpis_10s".to_owned()) && names.contains(&"kpis_1h".to_owned()), "{names:?}");
    assert!(lake.join("quarantine").exists());
}

#[test]
fn a_configuration_file_that_cannot_be_used_is_refused() {
    let cases = [
        ("windows = \"60s\"\n", ["windows", "unknown option"]),
        ("window = 60\n", ["window", "string"]),
        ("window = \"7s\"\n", ["--window 7s", "divides a day"]),
        ("shards = 0\n", ["--shards 0", "1 to 256"]),
        ("config = \"other.toml\"\n", ["config", "unknown option"]),
        ("window = \n", ["line 1", "configuration"]),
    ];
    for (text, parts) in cases {
        let place = shop();
        place.write("shop.toml", text);
        let args = ["run", "--input", "shop.jsonl", "--config", "shop.toml"];
        place.tillrace(&args).assert_code(2).assert_says(&parts);
        assert!(!place.lake().exists());
    }
    check_refused(&["--config", "missing.toml"], &["missing.toml", "No such file"]);
}

#[test]
fn the_json_summary_has_every_field_of_the_contract_and_the_books_balance() {
    let place = Workplace::new();
    // The order at 200 s puts the watermark at 190 s: the first minute has passed.
    let lines = [
        view("a", 0.0),
        view("b", 50.0),
        view("c", 40.0),
        view("b", 50.0),
        order("d", 200.0, "12.50"),
        view("e", 10.0),
        "not JSON".to_owned(),
        line("click", "f", 1.0, ""),
    ];
    place.write_lines("shop.jsonl", &lines);
    let summary = place.run(&["--input", "shop.jsonl"]);
    let expected = [
        ("records", 8),
        ("accepted", 4),
        ("duplicates", 1),
        ("late", 1),
        ("rejected", 2),
        ("delayed", 2),
        ("windows", 2),
    ];
    for (name, expected) in expected {
        assert_eq!(count(&summary, name), expected, "{name} in {summary}");
    }
    assert!(summary["elapsed_seconds"].as_f64().unwrap() > 0.0);
    assert!(summary["records_per_second"].as_f64().unwrap() > 0.0);
    assert_eq!(summary["rejections"], serde_json::json!({"malformed_json": 2}));
    assert_eq!((&summary["end"], &summary["saturated"]), (&"finished".into(), &false.into()));
    assert_eq!(summary["open_windows"], serde_json::json!([]));
}

#[test]
fn a_summary_goes_to_stdout_alone() {
    for summary in ["text", "json"] {
        let done = shop().tillrace(&["run", "--input", "shop.jsonl", "--summary", summary]).assert_code(0);
        assert_eq!(done.err, "", "without a terminal there is no live line");
        assert!(done.out.ends_with('\n'));
        assert!(!done.out.contains(['\r', '\x1b']), "{:?}", done.out);
    }
}

#[test]
fn the_text_summary_shows_the_figures_and_the_books() {
    let place = Workplace::new();
    let mut lines: Vec<String> = (0..1_200).map(|n| view(&format!("v{n}"), f64::from(n))).collect();
    lines.push(order("o", 1_300.0, "1234.50"));
    place.write_lines("shop.jsonl", &lines);
    let out = place.tillrace(&["run", "--input", "shop.jsonl"]).assert_code(0).out;
    for part in ["2026-01-01  1,234.50", "accepted    1,201\n", "duplicates  0\n", "windows     21\n", "./lake/gold"] {
        assert!(out.contains(part), "{part:?}: {out}");
    }
}

#[test]
fn texts_of_events_cannot_write_to_the_terminal() {
    let place = Workplace::new();
    let click = line("click", "a", 0.0, r#""action":"view","session_id":"s","product_id":"\u001b[31mred\u0007""#);
    place.write_lines("shop.jsonl", &[click, view("b", 60.0)]);
    let out = place.tillrace(&["run", "--input", "shop.jsonl"]).assert_code(0).out;
    assert!(out.contains("?[31mred?"), "{out:?}");
    assert!(!out.contains(['\x1b', '\x07']), "{out:?}");
}

/// `tillrace ARGS` with a stdout that nobody reads; returns its exit code and stderr.
#[cfg(unix)]
fn with_closed_stdout(place: &Workplace, args: &[&str]) -> (Option<i32>, String) {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = Command::new(TILLRACE);
    let output = command.args(args).current_dir(place.path()).stdin(Stdio::null()).stdout(writer).output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
#[cfg(unix)]
fn a_stdout_that_nobody_reads_is_no_failure() {
    for summary in ["text", "json"] {
        let place = shop();
        let done = with_closed_stdout(&place, &["run", "--input", "shop.jsonl", "--summary", summary]);
        assert_eq!(done, (Some(0), String::new()));
        assert_eq!(read_table(&place.lake(), "gold/kpis_1m").len(), 3);
    }
    assert_eq!(with_closed_stdout(&shop(), &["validate", "shop.jsonl"]), (Some(0), String::new()));
    assert_eq!(with_closed_stdout(&shop(), &["run", "--help"]), (Some(0), String::new()));
}

#[test]
#[cfg(unix)]
fn a_stdout_that_is_closed_early_is_no_failure() {
    let place = shop();
    let script = format!("set -e -o pipefail; '{TILLRACE}' run --input shop.jsonl | head -c 10");
    let output = Command::new("bash").args(["-c", &script]).current_dir(place.path()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!((output.stdout.len(), output.stderr.len()), (10, 0), "{output:?}");
}

#[test]
fn validate_counts_each_reason_with_its_first_line() {
    let place = Workplace::new();
    let lines = [
        "",
        &view("a", 0.0),
        "  \t",
        "not JSON",
        "[]",
        &line("click", "b", 0.0, r#""action":"view""#),
        "{",
        "\r",
        &line("refund", "c", 0.0, r#""x":1"#),
        "5",
    ];
    place.write_lines("shop.jsonl", &lines);
    let done = place.tillrace(&["validate", "shop.jsonl"]).assert_code(1);
    let words: Vec<Vec<&str>> = done.out.lines().map(|line| line.split_whitespace().collect()).collect();
    let expected = [
        "shop.jsonl: 7 records, 1 valid, 6 rejected",
        "malformed_json 2 first at line 4",
        "not_an_object 2 first at line 5",
        "missing_field 1 first at line 6",
        "unknown_event_type 1 first at line 9",
    ];
    assert_eq!(words.iter().map(|words| words.join(" ")).collect::<Vec<_>>(), expected);
    assert_eq!(done.err, "");
    assert_eq!(place.names(), ["shop.jsonl"], "nothing is written");
}

/// The first line numbers of each reason that `validate` finds in `bytes`.
fn first_lines(bytes: &[u8]) -> Vec<String> {
    let place = Workplace::new();
    place.write("shop.jsonl", bytes);
    let out = place.tillrace(&["validate", "shop.jsonl"]).assert_code(1).out;
    let report = |line: &str| line.split_once("first at line ").map(|(_, number)| number.to_owned());
    out.lines().skip(1).map(|line| report(line).unwrap()).collect()
}

#[test]
fn line_numbers_count_every_line_however_long() {
    // More lines than a batch and more bytes than a buffer before the first bad one.
    let long = format!("{}bad\n", "\n \n".repeat(300_000));
    assert_eq!(first_lines(long.as_bytes()), ["600001"]);
    let many = format!("{}\nbad\n", vec![view("a", 0.0); 5_000].join("\n"));
    assert_eq!(first_lines(many.as_bytes()), ["5001"]);
    // A line too long for the buffer, one that merely breaks the limit, and a blank one too long for the buffer.
    for length in [70_000, 1_000_000] {
        let input = format!("\n{}\n\nbad\n", "x".repeat(length));
        assert_eq!(first_lines(input.as_bytes()), ["2", "4"], "{length}");
        let input = format!("\n{}\r\nbad\n", " ".repeat(length));
        assert_eq!(first_lines(input.as_bytes()), ["3"], "{length} blanks");
    }
    assert_eq!(first_lines(b"\xef\xbb\xbf\nbad"), ["2"]);
}

#[test]
fn validate_takes_several_files_globs_and_compressed_ones() {
    let place = shop();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(b"\nbad\n").unwrap();
    place.write("in/b.jsonl.gz", gzip.finish().unwrap());
    place.write("in/a.jsonl", "bad\n");
    let done = place.tillrace(&["validate", "shop.jsonl", "in/*"]).assert_code(1);
    let heads: Vec<&str> = done.out.lines().filter(|line| !line.starts_with(' ')).collect();
    let expected = [
        "shop.jsonl: 3 records, 3 valid, 0 rejected",
        "in/a.jsonl: 1 records, 0 valid, 1 rejected",
        "in/b.jsonl.gz: 1 records, 0 valid, 1 rejected",
    ];
    assert_eq!(heads, expected);
    assert!(done.out.contains("first at line 1\n") && done.out.ends_with("first at line 2\n"), "{}", done.out);
}

#[test]
fn validate_reads_stdin() {
    let place = Workplace::new();
    let mut child = place.start(&["validate", "-"]);
    child.send("\nbad\n");
    let done = child.close_stdin().wait().assert_code(1);
    assert!(done.out.starts_with("stdin: 1 records, 0 valid, 1 rejected\n"), "{}", done.out);
    assert!(done.out.ends_with("first at line 2\n"), "{}", done.out);
}

#[test]
fn validate_says_by_its_exit_code_what_it_found() {
    let place = shop();
    place.write("empty.jsonl", "");
    place.write("cut.jsonl.gz", b"\x1f\x8b\x08");
    place.tillrace(&["validate", "shop.jsonl", "empty.jsonl"]).assert_code(0);
    // A file that cannot be read to its end does not keep the others from being checked.
    let done =
        place.tillrace(&["validate", "cut.jsonl.gz", "shop.jsonl"]).assert_code(1).assert_says(&["cut.jsonl.gz"]);
    assert_eq!(done.out, "shop.jsonl: 3 records, 3 valid, 0 rejected\n");
    place.tillrace(&["validate", "missing.jsonl"]).assert_code(2).assert_says(&["missing.jsonl"]);
    place.tillrace(&["validate", "shop.jsonl", "./shop.jsonl"]).assert_code(2).assert_says(&["same file"]);
    place.tillrace(&["validate", "."]).assert_code(2).assert_says(&["directory"]);
    for (option, value) in [("--currency", "usd"), ("--max-future", "5")] {
        place.tillrace(&["validate", "shop.jsonl", option, value]).assert_code(2).assert_says(&[option, value]);
    }
}

#[test]
fn validate_follows_currency_and_max_future() {
    let place = Workplace::new();
    let far = r#"{"event_type":"click","event_id":"a","event_time":"2099-01-01T00:00:00Z","session_id":"s","action":"checkout"}"#;
    place.write_lines("shop.jsonl", &[far, &order("b", 0.0, "1.00")]);
    let done = place.tillrace(&["validate", "shop.jsonl", "--currency", "EUR"]).assert_code(1);
    assert!(done.out.contains("currency_mismatch") && done.out.contains("future_event_time"), "{}", done.out);
    place.tillrace(&["validate", "shop.jsonl", "--max-future", "36500d"]).assert_code(0);
}

#[test]
fn a_run_changes_nothing_but_its_lake() {
    let place = shop();
    place.run(&["--input", "shop.jsonl", "--lake", "far/away/lake"]);
    assert_eq!(place.names(), ["far", "shop.jsonl"]);
    assert!(!files_below(&place.path().join("far/away/lake/gold")).is_empty());
}
