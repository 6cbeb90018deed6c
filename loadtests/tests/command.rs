//! Goal: the binary from outside: exit codes, and outputs that programs read.
//!
//! Method: short runs at a rate that any machine holds, with a bound on the backlog that no machine's pause reaches.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

fn loadtest(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_loadtest")).args(arguments).output().expect("the binary starts")
}

const SHORT: [&str; 6] = ["--rate", "20000", "--duration", "2s", "--drain-max", "5s"];

fn short(more: &[&str]) -> Output {
    loadtest(&[&SHORT[..], more].concat())
}

fn json(output: &Output) -> Value {
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("one JSON object")
}

fn assert_ledger_adds_up(run: &Value) {
    let ledger = &run["ledger"];
    let sum: u64 =
        ["accepted", "duplicates", "late", "rejected"].map(|name| ledger[name].as_u64().unwrap()).iter().sum();
    assert_eq!(sum, run["sent"].as_u64().unwrap(), "{ledger}");
    assert_eq!(ledger["records"], run["sent"]);
    assert_eq!((run["missing"].as_u64(), run["held"].as_bool()), (Some(0), Some(true)));
}

/// The rows of a percentile distribution, each with value, percentile and count.
fn hgrm_rows(path: &Path) -> Vec<Vec<f64>> {
    let text = std::fs::read_to_string(path).expect("the file was written");
    let mut lines = text.lines();
    assert_eq!(
        lines.next().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).as_deref(),
        Some("Value Percentile TotalCount 1/(1-Percentile)")
    );
    lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| line.split_whitespace().map(|cell| cell.parse().expect("a number")).collect())
        .collect()
}

#[test]
fn a_load_that_is_held_ends_with_0_and_its_outputs_agree() {
    let folder = tempfile::tempdir().unwrap();
    let (hgrm, html) = (folder.path().join("latency.hgrm"), folder.path().join("report.html"));
    let files = ["--hgrm", hgrm.to_str().unwrap(), "--html", html.to_str().unwrap(), "--output", "json"];
    let run = json(&short(&files));
    assert_ledger_adds_up(&run);
    assert_eq!((run["scheduled"].as_u64(), run["subject"].as_str()), (Some(40_000), Some("engine")));
    for key in [
        "config",
        "offered_per_second",
        "held_per_second",
        "counted",
        "drain_ns",
        "windows",
        "event_seconds_per_second",
        "samples",
        "latency_max_by_second_ns",
        "steal_ns",
        "pinning",
        "machine",
        "good",
    ] {
        assert!(run.get(key).is_some(), "{key} is absent from {run}");
    }
    for name in ["latency_ns", "generator_lateness_ns", "close_pause_ns", "readable_ns"] {
        let quantiles = ["p50", "p90", "p99", "p99.9", "p99.99", "max"];
        let values = quantiles.map(|quantile| run[name][quantile].as_u64().expect(quantile));
        assert!(values.is_sorted(), "{name}: {values:?}");
    }
    assert_eq!(run["latency_ns"]["count"].as_u64(), Some(40_000));
    assert!(run["close_pause_ns"]["count"].as_u64() > Some(0));
    assert!(run["samples"][0]["rss_bytes"].as_u64() > Some(1 << 20), "{}", run["samples"]);

    let rows = hgrm_rows(&hgrm);
    assert!(rows.len() > 10 && rows.is_sorted_by(|a, b| a[0] <= b[0] && a[1] <= b[1] && a[2] <= b[2]), "{rows:?}");
    assert!((rows.last().unwrap()[2] - 40_000.0).abs() < 0.5);

    let html = std::fs::read_to_string(html).unwrap();
    assert!(html.starts_with("<!doctype html>") && html.trim_end().ends_with("</html>"));
    assert_eq!((html.matches("<svg").count(), html.matches("</svg>").count()), (3, 3));
    assert!(!html.contains("http") && !html.contains("NaN") && !html.contains("inf"), "nothing from elsewhere");
}

#[test]
fn pairs_compare_the_engine_with_the_control() {
    let report = json(&short(&["--pairs", "1", "--class", "json", "--output", "json"]));
    assert_eq!((report["controls"][0]["subject"].as_str(), report["pairs"].as_u64()), (Some("control"), Some(1)));
    assert!(report["controls"][0]["ledger"].is_null());
    assert_ledger_adds_up(&report["engines"][0]);
    for name in ["p50", "p99", "p99.9"] {
        let medians = &report["medians"][name];
        let value = |key: &str| medians[key].as_f64().unwrap();
        let (ratio, wanted) = (value("ratio"), value("engine_ns") / value("control_ns"));
        assert!((ratio / wanted - 1.0).abs() < 1e-9, "{medians}");
    }
}

#[test]
fn the_text_names_all_that_was_measured() {
    let output = short(&["--control"]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let names =
        ["control", "offered", "held", "latency", "generator", "counted", "pinning", "machine", "system", "build"];
    for name in names {
        assert!(text.lines().any(|line| line.starts_with(name)), "{name} is absent from\n{text}");
    }
}

#[test]
fn a_rate_beyond_any_machine_ends_with_1_and_says_why() {
    let output = loadtest(&["--rate", "5e7", "--duration", "100ms", "--drain-max", "1ms"]);
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert_eq!(errors.trim(), "failed: engine: the rate was not held");
}

#[test]
fn wrong_usage_ends_with_2_before_anything_is_measured() {
    for (arguments, message) in [
        (&["--rate", "fast"][..], "expected records a second from 1 to 1e8"),
        (&["--duration", "0"], "expected a span longer than nothing"),
        (&["--duration", "60"], "duration \"60\" is not of the form"),
        (&["--class", "xml"], "possible values: struct, json"),
        (&["--window", "7s"], "grain \"7s\""),
        (&["--rollup", "1500ms"], "--rollup 1500ms: grain \"1500ms\""),
        (&["--window", "10s", "--rollup", "15s"], "rollup 15s is not a multiple of the window 10s"),
        (&["--layers", "silver"], "--layers silver: silver is not written yet"),
        (&["--products", "0"], "products of the simulator is not 1 to 1000000"),
        (&["--control", "--search"], "cannot be used with"),
        (&["--burst", "0"], "0 is not in 1..=1000000"),
    ] {
        let output = loadtest(arguments);
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {errors}");
        assert!(errors.contains(message), "{arguments:?}: {errors}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
}
