//! The programs run through on little input, and their JSON holds what a figure needs to be kept. Speeds are not looked at:
//! this is a build for tests.

use std::process::Command;

use serde_json::Value;

fn report(program: &str, arguments: &[&str]) -> Value {
    let output = Command::new(program).args(arguments).args(["--output", "json"]).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {errors}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn check(report: &Value, rows: usize, records: u64) {
    for key in ["cpu", "cores", "load_before", "commit", "profile", "target", "rustflags", "rustc"] {
        assert!(report[key].as_str().is_some_and(|value| !value.is_empty()), "{key} in {report}");
    }
    let found = report["rows"].as_array().unwrap();
    assert_eq!(found.len(), rows, "{report}");
    for row in found {
        assert_eq!(row["records"], records, "{row}");
        let number = |key: &str| row[key].as_f64().unwrap();
        let [ratio, least, most] = ["ratio", "ratio_min", "ratio_max"].map(number);
        assert!(0.0 < least && least <= ratio && ratio <= most, "{row}");
        assert_eq!(row["seconds"].as_array().unwrap().len(), row["control_seconds"].as_array().unwrap().len());
    }
}

#[test]
fn speed_reports_each_row_with_its_bar_and_the_state() {
    let report = report(env!("CARGO_BIN_EXE_speed"), &["--lines", "5000"]);
    check(&report, 4, 5_000);
    for row in report["rows"].as_array().unwrap() {
        assert!(row["bar"].is_object() && row["aim"].is_object() && row["reached"].is_boolean(), "{row}");
    }
    let structs = &report["rows"][2];
    assert_eq!(structs["bar"], serde_json::json!({ "ratio_at_most": 10.0, "millions_per_second": 14.0 }));
    assert_eq!(structs["aim"], serde_json::json!({ "ratio_at_most": 7.0, "millions_per_second": 20.0 }));
    // So few lines close no window, so no rollup is open yet.
    let (rollups, held): (Vec<&Value>, Vec<&Value>) = report["state"]["held"]
        .as_array()
        .unwrap()
        .iter()
        .partition(|held| held["of"].as_str().unwrap().contains("rollup"));
    assert_eq!((rollups.len(), held.len()), (2, 5));
    for held in held {
        assert!(held["count"].as_u64().unwrap() > 0 && held["bytes_each"].as_f64().unwrap() > 16.0, "{held}");
    }
}

#[test]
fn ysb_reports_structs_and_json_apart() {
    let report = report(env!("CARGO_BIN_EXE_ysb"), &["--events", "5000"]);
    check(&report, 3, 5_000);
    let inputs: Vec<&Value> = report["rows"].as_array().unwrap().iter().map(|row| &row["input"]).collect();
    assert_eq!(inputs, ["structs in memory", "JSON in memory", "JSON in memory"]);
}

#[test]
fn every_idea_can_be_switched_off_alone() {
    let report = report(env!("CARGO_BIN_EXE_ablate"), &["--lines", "3000"]);
    check(&report, 20, 3_000);
    let program = env!("CARGO_BIN_EXE_ablate");
    check(&self::report(program, &["--lines", "3000", "--only", "vectors"]), 2, 3_000);
}

#[test]
fn an_unknown_option_is_refused() {
    for program in [env!("CARGO_BIN_EXE_speed"), env!("CARGO_BIN_EXE_ysb"), env!("CARGO_BIN_EXE_ablate")] {
        let output = Command::new(program).arg("--nonsense").output().unwrap();
        assert!(
            !output.status.success() && String::from_utf8_lossy(&output.stderr).contains("--nonsense"),
            "{program}"
        );
    }
}
