//! Goal: `tillrace show` shows what is in a lake: every value of every table exactly as JSON and CSV, and a view for a person
//! that is the one `run` printed, fits its terminal and lets nothing of an event through that is no text.
//!
//! Method: runs the binary over small simulated lakes. Parquet is read with the parquet crate's rows, CSV by a reader of its
//! own here.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use engine_model::EventTime;
use parquet::data_type::AsBytes;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::{Field, Row};
use serde_json::Value;
use tempfile::TempDir;
use unicode_width::UnicodeWidthStr;

struct Output {
    code: Option<i32>,
    out: String,
    err: String,
}

fn command(folder: &Path, columns: Option<usize>, args: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tillrace"));
    command.args(args.split_whitespace()).current_dir(folder).env_remove("COLUMNS").env_remove("NO_COLOR");
    command.envs(columns.map(|columns| ("COLUMNS", columns.to_string())));
    command
}

fn tillrace(folder: &Path, columns: Option<usize>, args: &str) -> Output {
    let output = command(folder, columns, args).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Output { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

fn done(folder: &Path, args: &str) -> String {
    let output = tillrace(folder, None, args);
    assert_eq!((output.code, output.err.as_str()), (Some(0), ""), "{args}");
    output.out
}

/// A folder with a lake of three hours of a small shop, all faults on.
fn small_lake(options: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let shop = "--duration 3h --rate 5 --customers 500 --products 60 --malformed 0.02";
    done(folder.path(), &format!("run {shop} --lake lake {options}"));
    folder
}

/// The data files below a folder, in the order of their names.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut entries: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.file_name().is_some_and(|name| name != "schema.parquet") {
            found.push(path);
        }
    }
    found
}

fn stored(folder: &Path) -> Vec<Row> {
    let read = |path: PathBuf| SerializedFileReader::new(File::open(path).unwrap()).unwrap();
    let rows = |reader: SerializedFileReader<File>| reader.get_row_iter(None).unwrap().map(Result::unwrap).collect();
    files(folder).into_iter().flat_map(|path| -> Vec<Row> { rows(read(path)) }).collect()
}

/// What JSON and CSV must say; `None` for null.
fn exact(field: &Field) -> Option<String> {
    Some(match field {
        Field::Null => return None,
        Field::Int(value) => value.to_string(),
        Field::Long(value) => value.to_string(),
        Field::Double(value) => value.to_string(),
        Field::Str(text) => text.clone(),
        Field::TimestampMicros(micros) => EventTime::from_micros(*micros).to_string(),
        Field::Decimal(decimal) => {
            let bytes = decimal.data().as_bytes();
            let mut padded = [0; 8];
            padded[8 - bytes.len()..].copy_from_slice(bytes);
            let cents = i64::from_be_bytes(padded);
            format!("{}.{:02}", cents / 100, cents % 100)
        }
        Field::Bytes(bytes) => String::from_utf8(bytes.data().to_vec()).unwrap_or_else(|_| "base64".to_owned()),
        other => panic!("no column holds {other:?}"),
    })
}

/// Reads CSV after RFC 4180; `None` for an empty field without quotes.
fn parse_csv(text: &str) -> Vec<Vec<Option<String>>> {
    let (mut records, mut record, mut field) = (Vec::new(), Vec::new(), String::new());
    let (mut is_quoted, mut was_quoted) = (false, false);
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if is_quoted && letters.peek() == Some(&'"') => {
                field.push('"');
                letters.next();
            }
            '"' => {
                is_quoted = !is_quoted;
                was_quoted = true;
            }
            ',' | '\n' if !is_quoted => {
                let text = std::mem::take(&mut field);
                record.push((was_quoted || !text.is_empty()).then_some(text));
                was_quoted = false;
                if letter == '\n' {
                    records.push(std::mem::take(&mut record));
                }
            }
            letter => field.push(letter),
        }
    }
    assert!(record.is_empty() && field.is_empty(), "the last line has no end");
    records
}

/// Reads JSON Lines: each row as names and values.
fn parse_json(text: &str) -> Vec<Vec<(String, Option<String>)>> {
    let value = |line: &str, name: &str, value: &Value| match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        Value::Number(number) if number.is_f64() => {
            // serde_json reads the last digit as it likes, so it is read from the text.
            let (_, rest) = line.split_once(&format!("\"{name}\":")).unwrap();
            Some(rest.split([',', '}']).next().unwrap().parse::<f64>().unwrap().to_string())
        }
        Value::Number(number) => Some(number.to_string()),
        other => panic!("no cell is {other}"),
    };
    let row = |line: &str| {
        let object: serde_json::Map<String, Value> = serde_json::from_str(line).unwrap();
        object.iter().map(|(name, cell)| (name.clone(), value(line, name, cell))).collect()
    };
    text.lines().map(row).collect()
}

#[test]
fn every_table_comes_back_exactly_as_json_and_as_csv() {
    let folder = small_lake("--utc-offset -03:30");
    let mut tables = 0;
    for layer in ["gold", "quarantine"] {
        for entry in fs::read_dir(folder.path().join("lake").join(layer)).unwrap() {
            let path = entry.unwrap().path();
            let table = path.file_name().unwrap().to_str().unwrap();
            let stored = stored(&path);
            assert!(!stored.is_empty(), "{table}");
            let json = parse_json(&done(folder.path(), &format!("show lake {table} --output json")));
            let csv = parse_csv(&done(folder.path(), &format!("show lake {table} --output csv")));
            assert_eq!((json.len(), csv.len()), (stored.len(), stored.len() + 1), "{table}");
            for (row, expected) in stored.iter().enumerate() {
                for (place, (name, field)) in expected.get_column_iter().enumerate() {
                    let expected = exact(field);
                    let (got_csv, header) = (&csv[row + 1][place], csv[0][place].as_deref());
                    let (_, got_json) = json[row].iter().find(|(found, _)| found == name).unwrap();
                    assert_eq!((got_json, header), (got_csv, Some(name.as_str())), "{table} {row}");
                    if expected.as_deref() != Some("base64") {
                        assert_eq!(got_json, &expected, "{table}.{name} in row {row}");
                    }
                }
            }
            tables += 1;
        }
    }
    assert_eq!(tables, 23);
}

/// `window_start` of each row.
fn starts(folder: &Path, args: &str) -> Vec<String> {
    let rows = parse_json(&done(folder, &format!("show lake {args} --output json")));
    rows.into_iter().map(|row| row.into_iter().find(|(name, _)| name == "window_start").unwrap().1.unwrap()).collect()
}

#[test]
fn rows_are_those_of_windows_that_start_within_the_span() {
    let folder = small_lake("--utc-offset -03:30");
    let starts = |args: &str| starts(folder.path(), args);
    let all = starts("kpis_1m");
    assert_eq!(all.len(), 180);
    assert!(all.is_sorted());
    assert_eq!(starts("kpis --grain 1m"), all);
    assert_eq!(starts("kpis"), all, "without a grain it is the base window");
    let some = starts("kpis_1m --from 2026-01-01T00:59:30Z --to 2026-01-01T01:02:00Z");
    assert_eq!(some, ["2026-01-01T01:00:00Z", "2026-01-01T01:01:00Z"]);
    // 31 December goes on to 03:30 UTC.
    assert_eq!(starts("kpis_1m --from 2025-12-31 --to 2026-01-01"), all);
    assert!(starts("kpis_1m --from 2026-01-01").is_empty());
    assert_eq!(starts("kpis_1d --from 2025-12-31"), ["2025-12-31T03:30:00Z"]);
    assert_eq!(starts("kpis_1m --to 2026-01-01T00:00:30Z"), ["2026-01-01T00:00:00Z"]);
    assert_eq!(starts("gold/products_1h --from 2026-01-01T02:00:00+00:00 --limit 1"), ["2026-01-01T02:30:00Z"]);
}

#[test]
fn text_is_limited_unless_asked_otherwise_and_the_rest_is_not() {
    let folder = small_lake("");
    let show = |args: &str| done(folder.path(), &format!("show lake {args}"));
    let lines = |args: &str| show(args).lines().count();
    let text = show("funnel_1m");
    assert_eq!(text.lines().count(), 1 + 20 + 1, "{text}");
    assert_eq!(text.lines().last(), Some("… and 700 more rows; --limit N"));
    // Counted across the edges of days too.
    let text = show("funnel_1m --from 2026-01-01T00:10:00Z --to 2026-01-01T00:20:00Z --limit 39");
    assert_eq!(text.lines().last(), Some("… and 1 more row; --limit N"));
    assert_eq!(lines("funnel_1m --limit 720"), 721);
    assert_eq!(lines("funnel_1m --output json"), 720);
    assert_eq!(lines("funnel_1m --output csv --limit 3"), 4);
    assert_eq!(show("funnel_1m --from 2027-01-01"), "window_start  stage  step  sessions\nno rows\n");
}

#[test]
fn what_is_not_there_is_said_with_what_is() {
    let folder = small_lake("--rollup 1h");
    let check = |args: &str, message: &str| {
        let output = tillrace(folder.path(), None, args);
        assert_eq!((output.code, output.out.as_str()), (Some(2), ""), "{args}");
        assert!(output.err.contains(message), "{args}: {}", output.err);
    };
    check("show lake sales", "unknown table \"sales\"; lake has products_1m, products_1h, categories_1m");
    check("show lake customer_activity", "unknown table \"customer_activity\"");
    check("show lake kpis --grain 1d", "--grain 1d: kpis exists in 1m, 1h");
    check("show lake --grain 1d", "--grain 1d: kpis exists in 1m, 1h");
    check("show lake quality --grain 1h", "--grain 1h: quality exists in 1m");
    check("show lake kpis_1h --grain 1h", "--grain does not go with kpis_1h: its name says its grain");
    check("show lake late --grain 1h", "--grain does not go with late: it exists once, in no grain");
    check("show lake late --from 2026-01-01", "--from does not go with late: its rows stand at no window");
    check("show lake --from 2026-01-02 --to 2026-01-01", "--from 2026-01-02T00:00:00Z is not before --to");
    check("show lake kpis --from yesterday", "expected an instant like 2026-01-01T08:00:00Z, or a date like");
    check("show lake kpis --from 2026-02-30", "expected an instant like 2026-01-01T08:00:00Z, or a date like");
    check("show lake kpis --grain 7m", "grain \"7m\" is not of the form 10s, 1m, 1h or 1d");
    check("show . kpis", ". is no lake; expected a folder that tillrace run has written");
    check("show nowhere", "nowhere is no lake; expected a folder that tillrace run has written");
    check("show lake/_tillrace/run.json", "is no lake; expected a folder");
}

#[test]
fn an_empty_lake_shows_that_it_is_empty() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("nothing.jsonl"), "").unwrap();
    let run = done(folder.path(), "run --input nothing.jsonl --lake lake");
    assert!(run.starts_with("records     0 "), "{run}");
    assert_eq!(done(folder.path(), "show lake"), "no window has closed yet in lake\n");
    assert_eq!(done(folder.path(), "show lake --output json"), "");
    assert_eq!(
        done(folder.path(), "show lake dim_product --output csv"),
        "product_id,name,category,price,updated_at\n"
    );
    let small = small_lake("");
    let expected = "no window within that span has closed yet in lake\n";
    assert_eq!(done(small.path(), "show lake --from 2027-01-01"), expected);
}

#[test]
fn show_prints_the_view_that_run_printed() {
    for (options, days) in [
        ("", "3h"),
        ("", "50h"),
        ("--rollup none", "90m"),
        ("--rollup 1h --utc-offset +05:45", "26h"),
        ("--window 10s", "5m"),
    ] {
        for columns in [None, Some(80), Some(200)] {
            let folder = tempfile::tempdir().unwrap();
            let args = format!("run --duration {days} --rate 2 --customers 300 --products 40 --lake lake {options}");
            let run = tillrace(folder.path(), columns, &args).out;
            let show = tillrace(folder.path(), columns, "show lake");
            let rest = run.strip_prefix(&show.out).unwrap_or_else(|| panic!("{args}\n{run}\nis not\n{}", show.out));
            assert!(rest.starts_with("records "), "{rest}");
            assert_eq!(show.err, "");
        }
    }
}

#[test]
fn the_view_of_the_last_windows_stops_where_it_is_told() {
    let folder = small_lake("");
    let view = done(folder.path(), "show lake --grain 1h --to 2026-01-01T02:00:00Z");
    assert!(view.contains("── 2026-01-01 01:00 ──"), "{view}");
    assert!(!view.contains("02:00 ") && !view.contains("so far"), "{view}");
    // A day that is still open has no row, and its hours say what it has so far.
    let view = done(folder.path(), "show lake --grain 1h --limit 2");
    let rows = view.lines().filter(|line| line.starts_with("2026-01-01 ")).count();
    assert_eq!(rows, 2, "{view}");
}

#[test]
fn no_line_is_wider_than_the_terminal() {
    let folder = small_lake("");
    for columns in [40, 80, 100, 132, 200] {
        for table in ["", "kpis_1m", "products_1d", "payments_1h", "quality_1m", "dim_customer", "rejected", "late"] {
            let text = tillrace(folder.path(), Some(columns), &format!("show lake {table}")).out;
            assert!(text.lines().count() > 3, "{text}");
            for line in text.lines() {
                assert!(line.width() <= columns, "{table} at {columns}: {line}");
                assert_eq!(line, line.trim_end());
            }
        }
    }
    let narrow = tillrace(folder.path(), Some(80), "show lake").out;
    let wide = tillrace(folder.path(), Some(200), "show lake").out;
    assert!(wide.lines().any(|line| line.width() > 80) && wide.lines().count() < narrow.lines().count(), "{wide}");
    assert_eq!(tillrace(folder.path(), None, "show lake").out, narrow, "80 columns where nobody says");
    assert_eq!(tillrace(folder.path(), Some(200), "show lake --width 80").out, narrow);
}

const HOSTILE: &str = "\u{1b}[31m<script>\u{9b}\u{202e}=cmd()\r\n";

/// A lake with a product, a method and a category of a hostile name, and an amount no float can hold.
fn hostile_lake() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let name = serde_json::to_string(HOSTILE).unwrap();
    let time = "\"event_time\": \"2026-01-01T10:00:00Z\"";
    let short = serde_json::to_string("\u{1b}[2J日本語").unwrap();
    let lines = [
        format!(
            r#"{{"event_id":"a","event_type":"product",{time},"product_id":"p1","name":{name},"category":{short},"price":1}}"#
        ),
        format!(
            r#"{{"event_id":"b","event_type":"order",{time},"order_id":"o","customer_id":"c","currency":"USD","total":9999999999.99,"items":[{{"product_id":"p1","quantity":1,"unit_price":"9007199254.93"}}]}}"#
        ),
        format!(
            r#"{{"event_id":"c","event_type":"payment",{time},"order_id":"o","payment_id":"y","method":{short},"currency":"USD","amount":"3","status":"failed","failure_reason":{short}}}"#
        ),
        "{\"event_id\":\"\u{1b}[31m\"".to_owned(),
    ];
    fs::write(folder.path().join("in.jsonl"), lines.join("\n") + "\n").unwrap();
    done(folder.path(), "run --input in.jsonl --lake lake --summary json");
    folder
}

#[test]
fn a_hostile_name_is_shown_harmlessly_and_exported_exactly() {
    let folder = hostile_lake();
    for table in ["", "dim_product", "categories_1d", "payments_1d", "rejected"] {
        for columns in [80, 200] {
            let text = tillrace(folder.path(), Some(columns), &format!("show lake {table}")).out;
            let harmful = |letter: char| (letter.is_control() && letter != '\n') || letter == '\u{202e}';
            assert!(!text.contains(harmful), "{table}: {text:?}");
        }
    }
    let view = done(folder.path(), "show lake");
    assert!(view.contains("p1 ?[31m<script>??=cmd()??"), "{view}");
    let row = &parse_json(&done(folder.path(), "show lake dim_product --output json"))[0];
    assert_eq!(row.iter().find(|(name, _)| name == "name").unwrap().1.as_deref(), Some(HOSTILE));
    let csv = parse_csv(&done(folder.path(), "show lake dim_product --output csv"));
    assert_eq!(csv[1][1].as_deref(), Some(HOSTILE));
    let kpis = &parse_json(&done(folder.path(), "show lake kpis_1d --output json"))[0];
    assert_eq!(kpis.iter().find(|(name, _)| name == "revenue").unwrap().1.as_deref(), Some("9999999999.99"));
    let kpis = done(folder.path(), "show lake products --output csv");
    assert!(kpis.contains(",9007199254.93,"), "{kpis}");
}

#[test]
fn colours_are_for_terminals_and_only_where_they_are_welcome() {
    let folder = small_lake("");
    assert!(!done(folder.path(), "show lake").contains('\u{1b}'), "no terminal, no colours");
    // `script` gives a command a terminal. Where it is not installed, the drawing's own tests must do.
    let on_a_terminal = |variables: &[(&str, &str)]| {
        let line = format!("'{}' show lake", env!("CARGO_BIN_EXE_tillrace"));
        let mut command = Command::new("script");
        command.args(["-qec", &line, "/dev/null"]).current_dir(folder.path()).stdin(Stdio::null());
        command.env_remove("NO_COLOR").env("TERM", "xterm").env("COLUMNS", "80").envs(variables.iter().copied());
        command.output().ok().map(|output| String::from_utf8(output.stdout).unwrap())
    };
    let Some(coloured) = on_a_terminal(&[]) else { return };
    assert!(coloured.contains("\u{1b}[2m") && coloured.contains("\u{1b}[31m"), "{coloured:?}");
    let mut plain = coloured.replace("\u{1b}[2m", "").replace("\u{1b}[31m", "").replace("\u{1b}[0m", "");
    plain = plain.replace("\r\n", "\n");
    assert_eq!(plain, done(folder.path(), "show lake"), "colours change no column");
    assert!(on_a_terminal(&[("NO_COLOR", "")]).unwrap().contains('\u{1b}'), "an empty NO_COLOR says nothing");
    for variable in [("NO_COLOR", "1"), ("TERM", "dumb")] {
        assert!(!on_a_terminal(&[variable]).unwrap().contains('\u{1b}'), "{variable:?}");
    }
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let folder = small_lake("");
    for args in
        ["show lake products_1m --output json", "show lake products_1m --output csv", "show lake kpis --limit 9999"]
    {
        let mut child =
            command(folder.path(), None, args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::with_capacity(64, child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &[][..]), "{args}");
    }
}

#[test]
fn a_lake_can_be_shown_while_a_run_writes_it() {
    let folder = tempfile::tempdir().unwrap();
    let args = "run --rate 300 --window 1s --lateness 0 --lake lake --customers 300 --products 40";
    let mut run = command(folder.path(), None, args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let started = Instant::now();
    let mut last = String::new();
    let mut windows = 0;
    while started.elapsed() < Duration::from_secs(20) && windows < 4 {
        let output = tillrace(folder.path(), None, "show lake kpis_1s --output csv");
        // At first there is no lake, or one without tables.
        if output.code == Some(2) && last.is_empty() {
            continue;
        }
        assert_eq!((output.code, output.err.as_str()), (Some(0), ""));
        assert!(output.out.starts_with(&last), "rows were lost between two looks\n{last}\n{}", output.out);
        windows = output.out.lines().count().saturating_sub(1);
        last = output.out;
        // The view asks for tables of every grain, and those are laid out one after another before the first window.
        if windows > 0 {
            let view = tillrace(folder.path(), None, "show lake");
            assert_eq!((view.code, view.err.as_str()), (Some(0), ""));
            assert!(view.out.contains("\nfunnel") && view.out.contains("\nquality of "), "{}", view.out);
        }
    }
    run.kill().unwrap();
    run.wait().unwrap();
    assert!(windows >= 4, "{windows} windows after {:?}", started.elapsed());
}
