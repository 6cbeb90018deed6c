//! Goal: a lake holds what CONTRACT §3, §4 and §5 say and nothing else, a reader never sees half a file, and a lake that
//! is taken is not touched.
//!
//! Method: the binary runs; all files below its lake are listed, compared and read back, also while it is writing.

mod support;

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;

use engine_model::Semantics;
use engine_model::gold::{QUARANTINE, tables};
use engine_oracle::Value;
use support::gold::{Rows, column_names, files_below, parquet_files, read_file, read_table, table_names};
use support::lines::{START, line, order, view};
use support::tillrace::{Workplace, count, text};

/// A folder with a file of some minutes that has something for every table.
fn shop() -> Workplace {
    let place = Workplace::new();
    place.write_lines("shop.jsonl", &[view("a", 0.0), order("b", 60.0, "2.50"), view("c", 7_200.0), "bad".to_owned()]);
    place
}

fn text_value(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn int(value: usize) -> Value {
    Value::Int(i64::try_from(value).unwrap())
}

#[test]
fn a_lake_has_every_table_of_the_run_with_the_schema_of_the_model() {
    let place = shop();
    place.run(&["--input", "shop.jsonl"]);
    let mut gold: Vec<(String, Vec<&str>)> = tables(&Semantics::default())
        .into_iter()
        .map(|table| (table.name, table.schema.columns().map(|column| column.name).collect()))
        .collect();
    gold.sort();
    let mut quarantine: Vec<(String, Vec<&str>)> = QUARANTINE
        .iter()
        .map(|schema| (schema.name.to_owned(), schema.columns().map(|column| column.name).collect()))
        .collect();
    quarantine.sort();
    for (layer, expected) in [("gold", gold), ("quarantine", quarantine)] {
        let names: Vec<&String> = expected.iter().map(|(name, _)| name).collect();
        assert_eq!(table_names(&place.lake(), layer).iter().collect::<Vec<_>>(), names);
        for (table, columns) in &expected {
            let folder = place.lake().join(layer).join(table);
            assert!(folder.join("schema.parquet").is_file(), "{table}");
            for file in parquet_files(&folder) {
                assert_eq!(&column_names(&file), columns, "{}", file.display());
            }
        }
    }
}

#[test]
fn windowed_tables_have_a_folder_a_day() {
    let place = Workplace::new();
    place.write_lines("shop.jsonl", &[view("a", 0.0), view("b", 86_399.0), view("c", 2.5 * 86_400.0)]);
    place.run(&["--input", "shop.jsonl", "--utc-offset", "+01:00"]);
    for grain in ["1m", "1h", "1d"] {
        let folder = place.lake().join(format!("gold/kpis_{grain}"));
        let mut days: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name != "schema.parquet")
            .collect();
        days.sort();
        assert_eq!(days, ["2026-01-01", "2026-01-02", "2026-01-03"], "{grain}: days are those of the offset");
    }
}

#[test]
fn nothing_lies_outside_the_folders_of_the_contract() {
    let place = shop();
    place.run(&["--input", "shop.jsonl"]);
    let mut names: Vec<_> = fs::read_dir(place.lake()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["_tillrace", "gold", "quarantine"]);
    for path in files_below(&place.lake()) {
        let is_table = path.extension().is_some_and(|extension| extension == "parquet");
        assert!(is_table != path.starts_with(place.lake().join("_tillrace")), "{}", path.display());
    }
    assert!(files_below(&place.lake().join("_tillrace/tmp")).is_empty(), "nothing unfinished is left");
    assert_eq!(place.names(), ["lake", "shop.jsonl"]);
}

#[test]
fn a_lake_of_two_runs_at_once_belongs_to_one() {
    let place = shop();
    let args = ["run", "--input", "shop.jsonl"];
    let runs: Vec<_> = (0..6).map(|_| place.start(&args)).collect();
    let mut done = 0;
    for run in runs {
        let run = run.close_stdin().wait();
        match run.code {
            Some(0) => done += 1,
            // Whoever comes when the first is done goes on where that stood; all others are refused.
            _ => drop(run.assert_code(1).assert_says(&["./lake", "is being written by", "remove that file"])),
        }
    }
    assert!(done > 0);
    assert_eq!(read_table(&place.lake(), "gold/kpis_1m").len(), 3);
}

#[test]
fn a_folder_with_other_files_can_become_a_lake_and_keeps_them() {
    let place = shop();
    place.write("lake/notes.txt", "mine");
    place.write("lake/gold.txt", "mine");
    place.run(&["--input", "shop.jsonl"]);
    assert_eq!(fs::read_to_string(place.lake().join("notes.txt")).unwrap(), "mine");
    // The folder of the input itself, as a lake.
    place.run(&["--input", "shop.jsonl", "--lake", "."]);
    assert_eq!(place.names(), ["_tillrace", "gold", "lake", "quarantine", "shop.jsonl"]);
}

#[test]
fn a_place_where_no_lake_can_be_is_refused() {
    let place = shop();
    place.write("file", "mine");
    for lake in ["file", "file/lake", "file/far/lake", "shop.jsonl"] {
        let done = place.tillrace(&["run", "--input", "shop.jsonl", "--lake", lake]);
        done.assert_code(2).assert_says(&[lake, "is a file or lies below one"]);
    }
    assert_eq!(place.names(), ["file", "shop.jsonl"]);
    assert_eq!(fs::read_to_string(place.path().join("file")).unwrap(), "mine");
    if cfg!(target_os = "linux") {
        // Nobody can make a folder there, root neither.
        let done = place.tillrace(&["run", "--input", "shop.jsonl", "--lake", "/proc/lake"]);
        done.assert_code(1).assert_says(&["/proc/lake", "cannot be made", "can be written to"]);
    }
}

#[test]
fn layers_are_left_out_whole() {
    for (layers, there, missing) in [("gold", "gold", "quarantine"), ("quarantine", "quarantine", "gold")] {
        let place = shop();
        let summary = place.run(&["--input", "shop.jsonl", "--layers", layers]);
        assert_eq!((count(&summary, "records"), count(&summary, "rejected"), count(&summary, "windows")), (4, 1, 3));
        assert!(place.lake().join(there).is_dir());
        assert!(!place.lake().join(missing).exists(), "{missing}");
    }
}

#[test]
fn a_rejected_line_is_kept_as_it_came() {
    let place = Workplace::new();
    let latin = b"{\"event_id\":\"\xe9\"}\r\n";
    let too_long = format!("{}\n", "y".repeat(65_537));
    let lines: [(&[u8], &str, Option<&str>); 6] = [
        (b"not JSON\n", "malformed_json", None),
        (latin, "invalid_utf8", None),
        (b"[1]\n", "not_an_object", None),
        (b"\0\x01\xff\xfe", "invalid_utf8", None),
        (b"{\"event_type\":\"refund\",\"event_id\":\"x\"}\n", "unknown_event_type", Some("event_type")),
        (too_long.as_bytes(), "too_large", None),
    ];
    let mut bytes = b"\xef\xbb\xbf\n".to_vec();
    let mut expected = Rows::new();
    for (line, reason, field) in lines {
        let offset = bytes.len();
        let end = line.iter().rposition(|byte| !b"\r\n".contains(byte)).unwrap() + 1;
        let raw = line[..end.min(65_536)].escape_ascii().to_string();
        let field = field.map_or(Value::Null, text_value);
        let source = text_value("shop.jsonl");
        expected.push(vec![Value::Text(raw), int(end), text_value(reason), field, source, Value::Int(0), int(offset)]);
        bytes.extend_from_slice(line);
        if !line.ends_with(b"\n") {
            bytes.push(b'\n');
        }
    }
    expected.sort_by(|a, b| a.partial_cmp(b).unwrap());
    place.write("shop.jsonl", bytes);
    place.run(&["--input", "shop.jsonl"]);
    let rejected = read_table(&place.lake(), "quarantine/rejected");
    assert_eq!(rejected, expected);
}

#[test]
fn the_field_to_blame_stands_in_the_quarantine() {
    let place = Workplace::new();
    let item = |quantity: &str| {
        let item = format!(r#"{{"product_id":"p","quantity":{quantity},"unit_price":1}}"#);
        let rest = format!(r#""order_id":"o","currency":"USD","total":1,"items":[{item}],"customer_id":"c""#);
        line("order", "i", 0.0, &rest)
    };
    let lines = [
        line("click", "a", 0.0, r#""action":"view","session_id":"s""#),
        line("click", "b", 0.0, r#""action":"jump","session_id":"s""#),
        item("0"),
        order("c", 0.0, "1.00").replace("USD", "EUR"),
        order("d", 0.0, "1.001"),
        view("e", 4e9),
    ];
    place.write_lines("shop.jsonl", &lines);
    place.run(&["--input", "shop.jsonl"]);
    let mut blamed: Vec<(String, String)> = read_table(&place.lake(), "quarantine/rejected")
        .iter()
        .map(|row| (row[2].to_string().replace('"', ""), row[3].to_string().replace('"', "")))
        .collect();
    blamed.sort();
    let expected = [
        ("currency_mismatch", "currency"),
        ("future_event_time", "event_time"),
        ("invalid_field", "action"),
        ("invalid_field", "items.quantity"),
        ("invalid_field", "total"),
        ("missing_field", "product_id"),
    ];
    assert_eq!(blamed, expected.map(|(reason, field)| (reason.to_owned(), field.to_owned())));
}

#[test]
fn late_records_and_duplicates_are_kept_with_where_they_came_from() {
    for shards in ["1", "3"] {
        let place = Workplace::new();
        // After 100 s the watermark is 90 s, half a minute past the end of the first minute.
        let a = [view("a", 0.0), view("b", 100.0), view("late", 59.999_999), view("b", 100.0)];
        let b = [view("c", 0.0), view("a", 0.0)];
        place.write_lines("a.jsonl", &a);
        place.write_lines("b.jsonl", &b);
        let summary = place.run(&["--input", "a.jsonl", "--input", "b.jsonl", "--shards", shards, "--no-pin"]);
        assert_eq!((count(&summary, "late"), count(&summary, "duplicates")), (1, 2));
        let offset = |lines: &[String]| int(text(lines).len());
        let (zero, source) = (Value::Int(0), text_value("a.jsonl"));
        let late = vec![
            text_value(&a[2].as_bytes().escape_ascii().to_string()),
            Value::Timestamp(START + 59_999_999),
            Value::Double(30_000.0),
            source.clone(),
            zero.clone(),
            offset(&a[..2]),
        ];
        assert_eq!(read_table(&place.lake(), "quarantine/late"), [late]);
        let duplicates = read_table(&place.lake(), "quarantine/duplicates");
        let near =
            [text_value("b"), Value::Timestamp(START + 100_000_000), source.clone(), zero.clone(), offset(&a[..3])];
        assert_eq!(duplicates[1], near);
        // Of equal copies in two files either may be the duplicate.
        let other = [
            [text_value("a"), Value::Timestamp(START), source, zero.clone(), zero.clone()],
            [text_value("a"), Value::Timestamp(START), text_value("b.jsonl"), zero, offset(&b[..1])],
        ];
        assert!(other.iter().any(|row| duplicates[0] == row), "{duplicates:?}");
    }
}

#[test]
fn a_reader_sees_whole_files_only_at_any_moment() {
    let place = Workplace::new();
    // A record every 20 s for six hours, read in about three seconds, so that files are replaced while they are read.
    let lines: Vec<String> = (0..1_080).map(|n| order(&format!("o{n}"), 20.0 * f64::from(n), "1.00")).collect();
    place.write_lines("shop.jsonl", &[lines.as_slice(), &["bad".to_owned()]].concat());
    let child = place.start(&["run", "--input", "-", "--pace", "360"]);
    let done = AtomicBool::new(false);
    let (opened, sizes) = thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let (mut opened, mut sizes) = (0, Vec::new());
            while !done.load(Relaxed) {
                let files =
                    [parquet_files(&place.lake().join("gold")), parquet_files(&place.lake().join("quarantine"))];
                for path in files.into_iter().flatten() {
                    let rows = read_file(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                    opened += 1;
                    if path.ends_with("gold/kpis_1m/2026-01-01/00.parquet") {
                        sizes.push(rows.len());
                    }
                }
            }
            (opened, sizes)
        });
        let mut child = child;
        child.send(text(&lines));
        child.close_stdin().wait().assert_code(0);
        done.store(true, Relaxed);
        reader.join().unwrap()
    });
    assert!(opened > 100, "{opened} files were opened");
    assert!(sizes.is_sorted(), "what has been seen stays: {sizes:?}");
    assert_eq!(read_table(&place.lake(), "gold/kpis_1m").len(), 360);
    let files = parquet_files(&place.lake().join("gold/kpis_1m/2026-01-01")).len();
    assert!(files <= 6, "{files} files for six hours");
}
