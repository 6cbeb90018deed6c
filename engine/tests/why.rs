//! Goal: `tillrace why` tells what became of any record, from whichever layers there are, and says what it cannot tell;
//! `tillrace replay` gives quarantined lines back as they came.
//!
//! Method: a small shop with every kind of record goes through the binary with several choices of layers.

mod support;

use serde_json::{Value, json};
use support::lines::{order, view};
use support::tillrace::{Done, Workplace, count};

const ALL: &str = "bronze,silver,quarantine,gold";

/// Accepted, its duplicate, an event that closes its window, a late one, and rejected ones.
fn shop() -> (Workplace, Vec<String>) {
    let place = Workplace::new();
    let euros = order("in euros", 70.0, "5.00").replace("USD", "EUR");
    let lines = vec![
        view("first", 1.0),
        view("first", 2.0),
        order("later", 80.0, "9.99"),
        view("too late", 3.0),
        euros,
        r#"{"event_id":"torn","event_type":"cli"#.to_owned(),
        view("esc\\u0061ped", 81.0),
    ];
    place.write_lines("shop.jsonl", &lines);
    (place, lines)
}

fn offset(lines: &[String], index: usize) -> usize {
    lines[..index].iter().map(|line| line.len() + 1).sum()
}

fn why(place: &Workplace, layers: &str, id: &str) -> (Value, Done) {
    let lake = format!("lake-{layers}");
    if !place.path().join(&lake).exists() {
        place.run(&["--input", "shop.jsonl", "--lake", &lake, "--layers", layers]);
    }
    let done = place.tillrace(&["why", &lake, id, "--output", "json"]);
    (done.json(), done)
}

#[test]
fn with_all_layers_every_record_is_told_with_its_line() {
    let (place, lines) = shop();
    let at = |index: usize| json!({"source": "shop.jsonl", "partition": 0, "offset": offset(&lines, index)});
    let with = |index: usize, mut own: Value| {
        let object = own.as_object_mut().unwrap();
        object.extend(at(index).as_object().unwrap().clone());
        object.insert("raw".to_owned(), json!(lines[index]));
        own
    };
    let (start, end) = ("2026-01-01T00:00:00Z", "2026-01-01T00:01:00Z");
    let accepted = |kind: &str, time: &str, start: &str, end: &str| json!({"outcome": "accepted", "event_type": kind, "event_time": time, "window_start": start, "window_end": end});
    let cases = [
        (
            "first",
            vec![
                with(0, accepted("click", "2026-01-01T00:00:01Z", start, end)),
                with(1, json!({"outcome": "duplicate", "event_time": "2026-01-01T00:00:02Z", "of": [at(0)]})),
            ],
        ),
        ("later", vec![with(2, accepted("order", "2026-01-01T00:01:20Z", end, "2026-01-01T00:02:00Z"))]),
        (
            "too late",
            vec![with(
                3,
                json!({
                    "outcome": "late", "event_time": "2026-01-01T00:00:03Z", "late_by_ms": 10_000.0,
                    "watermark": "2026-01-01T00:01:10Z", "window_start": start, "window_end": end,
                }),
            )],
        ),
        (
            "in euros",
            vec![with(
                4,
                json!({
                    "outcome": "rejected", "reason": "currency_mismatch", "field": "currency",
                    "event_id_is_certain": true,
                }),
            )],
        ),
        (
            "torn",
            vec![with(
                5,
                json!({
                    "outcome": "rejected", "reason": "malformed_json", "field": null, "event_id_is_certain": false,
                }),
            )],
        ),
        ("escaped", vec![with(6, accepted("click", "2026-01-01T00:01:21Z", end, "2026-01-01T00:02:00Z"))]),
    ];
    for (id, records) in cases {
        let (got, done) = why(&place, ALL, id);
        done.assert_code(0);
        assert_eq!(got, json!({"event_id": id, "found": true, "records": records, "missing_layers": []}), "{id}");
    }
    let (got, done) = why(&place, ALL, "nobody");
    done.assert_code(1);
    assert_eq!(got["records"], json!([]));
}

/// The outcomes told, and the layers said to be missing.
fn told(place: &Workplace, layers: &str, id: &str) -> (Vec<String>, Vec<String>) {
    let texts = |of: &Value, name: &str| {
        let text = |record: &Value| record[name].as_str().unwrap().to_owned();
        of.as_array().unwrap().iter().map(text).collect::<Vec<_>>()
    };
    let (got, _) = why(place, layers, id);
    (texts(&got["records"], "outcome"), texts(&got["missing_layers"], "layer"))
}

#[test]
fn what_is_missing_is_said_and_what_follows_is_concluded() {
    let (place, _) = shop();
    let strings = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    for (layers, id, outcomes, missing) in [
        ("gold", "first", &[][..], &["bronze", "silver", "quarantine"][..]),
        ("quarantine,gold", "first", &["duplicate"], &["bronze", "silver"]),
        ("quarantine,gold", "too late", &["late"], &["bronze", "silver"]),
        ("silver", "first", &["accepted"], &["bronze", "quarantine"]),
        ("silver,quarantine", "first", &["accepted", "duplicate"], &["bronze"]),
        ("bronze,quarantine", "first", &["unknown", "duplicate"], &["silver"]),
        ("bronze,silver", "first", &["accepted", "unknown"], &["quarantine"]),
        ("bronze", "escaped", &["unknown"], &["silver", "quarantine"]),
    ] {
        assert_eq!(told(&place, layers, id), (strings(outcomes), strings(missing)), "{layers}: {id}");
    }
    let (got, _) = why(&place, "bronze,quarantine", "first");
    assert_eq!(got["records"][0]["conclusion"], "accepted: it is not in the quarantine");
    assert_eq!(got["records"][1]["of"][0]["offset"], 0);
    let (got, _) = why(&place, "bronze,silver", "first");
    assert_eq!(got["records"][1]["conclusion"], "late, a duplicate or rejected: it is not in silver");
}

#[test]
fn the_text_says_it_in_sentences() {
    let (place, lines) = shop();
    place.run(&["--input", "shop.jsonl", "--layers", "silver,quarantine"]);
    let done = place.tillrace(&["why", "lake", "first"]).assert_code(0);
    let expected = format!(
        "accepted: a click of 2026-01-01T00:00:01Z, counted in the window from 2026-01-01T00:00:00Z to \
         2026-01-01T00:01:00Z\n    source shop.jsonl, partition 0, offset 0\n\
         duplicate: of 2026-01-01T00:00:02Z; its event_id was accepted before: source shop.jsonl, partition 0, offset 0\n    \
         source shop.jsonl, partition 0, offset {}\n\
         layer bronze is missing: the lines of accepted records and of duplicates cannot be shown\n",
        offset(&lines, 1)
    );
    assert_eq!(done.out, expected);
    let late = place.tillrace(&["why", "lake", "too late"]).assert_code(0);
    let says = "late: of 2026-01-01T00:00:03Z; its window ended at 2026-01-01T00:01:00Z, and the watermark stood at \
                2026-01-01T00:01:10Z, 10000 ms later\n";
    assert!(late.out.starts_with(says), "{}", late.out);
    let torn = place.tillrace(&["why", "lake", "torn"]).assert_code(0);
    let says = "rejected: malformed_json; no event_id can be read in it, but it holds these bytes\n";
    assert!(torn.out.starts_with(says), "{}", torn.out);
    let none = place.tillrace(&["why", "lake", "nobody"]).assert_code(1);
    assert!(none.out.starts_with("no record with event_id nobody in lake\n"), "{}", none.out);
    place.tillrace(&["why", "elsewhere", "first"]).assert_code(2).assert_says(&["elsewhere is no lake"]);
}

#[test]
fn quarantined_lines_come_back_as_they_came_in_the_order_of_their_times() {
    let (place, lines) = shop();
    place.run(&["--input", "shop.jsonl"]);
    let replay = |reasons: &str, to: &str| place.tillrace(&["replay", "lake", "--reasons", reasons, "--to", to]);
    let expected = format!("{}\n{}\n{}\n", lines[5], lines[3], lines[4]);
    let done = replay("late,malformed_json,currency_mismatch", "-").assert_code(0).assert_says(&["3 records"]);
    assert_eq!(done.out, expected);
    replay("late", "late.jsonl").assert_code(0);
    assert_eq!(std::fs::read_to_string(place.path().join("late.jsonl")).unwrap(), format!("{}\n", lines[3]));
    replay("late", "late.jsonl").assert_code(2).assert_says(&["late.jsonl is there already"]);
    replay("late,too_large", "-")
        .assert_code(2)
        .assert_says(&["--reasons late,too_large", "only the first 65536 bytes"]);
    replay("sooner", "-").assert_code(2).assert_says(&["--reasons sooner", "none of late, invalid_utf8"]);
    let done = place.tillrace(&["replay", "lake", "--reasons", "late", "--to", "-", "--currency", "EUR"]);
    done.assert_code(2).assert_says(&["--currency is for a new lake"]);
}

#[test]
fn a_lake_made_of_quarantined_records_counts_them_by_its_own_rules() {
    let (place, _) = shop();
    place.run(&["--input", "shop.jsonl"]);
    let args = ["replay", "lake", "--reasons", "late,currency_mismatch", "--to", "again", "--currency", "EUR"];
    place.tillrace(&args).assert_code(0).assert_says(&["2 records: 2 accepted in 2 windows, 0 duplicates, 0 late"]);
    let shown = place.tillrace(&["show", "again", "kpis_1m", "--output", "json"]);
    let rows: Vec<Value> = shown.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let figures: Vec<(&str, u64)> =
        rows.iter().map(|row| (row["revenue"].as_str().unwrap(), count(row, "events"))).collect();
    assert_eq!(figures, [("0.00", 1), ("5.00", 1)]);
    // As it is, nothing is taken twice into a lake that holds a run.
    place.tillrace(&args).assert_code(2).assert_says(&["again", "already holds"]);
    place.run(&["--input", "shop.jsonl", "--layers", "gold", "--lake", "bare"]);
    let bare = place.tillrace(&["replay", "bare", "--reasons", "late", "--to", "-"]);
    bare.assert_code(2).assert_says(&["lake bare has no quarantine"]);
}
