//! The speed table: each row in five alternating pairs with its control, on the speed input.
//!
//! `cargo run --release -p benches --bin speed [-- --lines N] [--output json]`

use std::hint::black_box;
use std::time::Instant;

use benches::path::{Input, Run, Switches, Threads};
use benches::{corpus, path, plain, rivals};
use engine_model::{Batch, Semantics};
use engine_parse::Parser;

const PAIRS: usize = 5;

/// What a row is measured against, from the issue.
#[derive(Clone, Copy)]
enum Bar {
    /// Time of ours over that of the control: at most these.
    Times { most: f64, aim: f64 },
    /// Rate of ours over that of the control: at least these.
    Rates { least: f64, aim: f64 },
}

struct Row {
    what: &'static str,
    input: &'static str,
    control: &'static str,
    bar: Bar,
    records: u64,
    ours: [f64; PAIRS],
    controls: [f64; PAIRS],
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut lines = corpus::SPEED_LINES;
    let mut is_json = false;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match (argument.as_str(), arguments.next().as_deref()) {
            ("--lines", Some(number)) => lines = number.parse()?,
            ("--output", Some("json")) => is_json = true,
            ("--output", Some("text")) => is_json = false,
            _ => return Err(format!("unknown {argument:?}; expected --lines N or --output json|text").into()),
        }
    }
    let rows = measure(lines)?;
    if is_json {
        print_json(&rows);
    } else {
        print_table(&rows);
    }
    Ok(())
}

fn measure(lines: u64) -> Result<Vec<Row>, Box<dyn std::error::Error>> {
    let semantics = Semantics::default();
    let config = corpus::speed_config(lines);
    let switches = Switches::default();
    let text = corpus::lines(&config)?;
    let expected = path::run(Input::Lines(&text), &semantics, switches);
    check(&expected, &expected, lines)?;
    let split = || assert_eq!(black_box(corpus::newline_split(&text)), lines);
    let mut rows = Vec::new();
    let row = |what, input, control, bar| Row {
        what,
        input,
        control,
        bar,
        records: lines,
        ours: [0.0; PAIRS],
        controls: [0.0; PAIRS],
    };

    let bar = Bar::Times { most: 8.3, aim: 5.9 };
    let mut one = row("whole path, one core, fused", "JSON in memory", "newline split", bar);
    let bar = Bar::Times { most: 4.5, aim: 3.6 };
    let mut two = row("whole path, two cores", "JSON in memory", "newline split", bar);
    for pair in 0..PAIRS {
        one.controls[pair] = seconds(split).0;
        let (time, run) = seconds(|| path::run(Input::Lines(&text), &semantics, switches));
        one.ours[pair] = time;
        check(&run, &expected, lines)?;
        two.controls[pair] = seconds(split).0;
        let (time, run) =
            seconds(|| path::run(Input::Lines(&text), &semantics, Switches { threads: Threads::Piped, ..switches }));
        two.ours[pair] = time;
        check(&run, &expected, lines)?;
    }
    rows.extend([one, two]);
    drop(text);

    let mut batches = corpus::structs(&config, corpus::BATCH_RECORDS)?;
    let bar = Bar::Times { most: 10.0, aim: 10.0 };
    let control = "same loop, no dedup, no distinct sets";
    let mut structs = row("whole path, one core", "structs in memory", control, bar);
    for pair in 0..PAIRS {
        let (time, counts) = seconds(|| plain::run(&mut batches, &semantics));
        structs.controls[pair] = time;
        if counts.events != lines - expected.ledger.rejected_total() || counts.late != expected.ledger.late {
            return Err(format!("the control counted {counts:?}, the ledger says {:?}", expected.ledger).into());
        }
        let (time, run) = seconds(|| path::run(Input::Structs(&mut batches), &semantics, switches));
        structs.ours[pair] = time;
        check(&run, &expected, lines)?;
    }
    rows.push(structs);
    drop(batches);

    let config = corpus::speed_config(lines.min(2_000_000));
    let (text, count) = (corpus::messy_lines(&config)?, lines.min(2_000_000));
    let clean = path::run(Input::Lines(&corpus::lines(&config)?), &semantics, switches);
    check(&path::run(Input::Lines(&text), &semantics, switches), &clean, count)?;
    let bar = Bar::Rates { least: 1.0, aim: 2.0 };
    let mut messy = Row { records: count, ..row("parse", "messy JSON in memory", "sonic-rs typed", bar) };
    for pair in 0..PAIRS {
        messy.controls[pair] = seconds(|| black_box(rivals::sonic(&text))).0;
        let mut parsed = 0;
        messy.ours[pair] = seconds(|| {
            path::for_each_batch(&mut Parser::new(), &text, corpus::BATCH_RECORDS, &mut Batch::default(), |batch| {
                parsed += black_box(batch).record_count() as u64;
            });
        })
        .0;
        if parsed != count {
            return Err(format!("{parsed} messy records parsed of {count}").into());
        }
    }
    rows.push(messy);
    Ok(rows)
}

/// No speed of a run that lost or changed something.
fn check(run: &Run, expected: &Run, records: u64) -> Result<(), String> {
    if !run.ledger.adds_up() || run.ledger.records != records {
        return Err(format!("the ledger does not add up to {records} records: {:?}", run.ledger));
    }
    if run != expected {
        return Err(format!("figures differ between paths: {run:?}, expected {expected:?}"));
    }
    Ok(())
}

fn seconds<T>(work: impl FnOnce() -> T) -> (f64, T) {
    let started = Instant::now();
    let result = work();
    (started.elapsed().as_secs_f64(), result)
}

fn median(values: [f64; PAIRS]) -> f64 {
    let mut sorted = values;
    sorted.sort_by(f64::total_cmp);
    sorted[PAIRS / 2]
}

impl Row {
    /// The median over pairs, each ratio taken within its pair, and the least and greatest.
    fn ratio(&self) -> [f64; 3] {
        let ratios = std::array::from_fn(|pair| match self.bar {
            Bar::Times { .. } => self.ours[pair] / self.controls[pair],
            Bar::Rates { .. } => self.controls[pair] / self.ours[pair],
        });
        let least = ratios.into_iter().fold(f64::INFINITY, f64::min);
        [median(ratios), least, ratios.into_iter().fold(0.0, f64::max)]
    }

    #[expect(clippy::cast_precision_loss, reason = "for people")]
    fn millions_a_second(&self) -> f64 {
        self.records as f64 / 1e6 / median(self.ours)
    }

    fn bar_and_aim(&self) -> (f64, f64, &'static str) {
        match self.bar {
            Bar::Times { most, aim } => (most, aim, "<="),
            Bar::Rates { least, aim } => (least, aim, ">="),
        }
    }
}

fn command(program: &str, arguments: &[&str]) -> String {
    let output = std::process::Command::new(program).args(arguments).output();
    let text = output.ok().filter(|output| output.status.success()).map(|output| output.stdout);
    text.map_or_else(|| "unknown".to_owned(), |text| String::from_utf8_lossy(&text).trim().to_owned())
}

/// CPU model, compiler flags and commit.
fn circumstances() -> [(&'static str, String); 3] {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ").map(|pair| pair.1));
    [
        ("cpu", model.unwrap_or("unknown").to_owned()),
        ("rustflags", std::env::var("RUSTFLAGS").unwrap_or_else(|_| "none set".to_owned())),
        ("commit", command("git", &["describe", "--always", "--dirty", "--abbrev=12"])),
    ]
}

fn print_table(rows: &[Row]) {
    for (name, value) in circumstances() {
        println!("{name}: {value}");
    }
    println!("medians of {PAIRS} alternating pairs; ratio: median (least-greatest), each within its pair");
    for row in rows {
        let ([ratio, least, most], (bar, aim, sign)) = (row.ratio(), row.bar_and_aim());
        println!(
            "{}, {}: {:.2} M records/s, {:.3} s; control {}: {:.3} s; ratio {ratio:.2} ({least:.2}-{most:.2}), bar {sign} {bar}, aim {sign} {aim}",
            row.input,
            row.what,
            row.millions_a_second(),
            median(row.ours),
            row.control,
            median(row.controls),
        );
    }
}

fn print_json(rows: &[Row]) {
    let mut report = serde_json::Map::new();
    for (name, value) in circumstances() {
        report.insert(name.to_owned(), value.into());
    }
    let rows = rows.iter().map(|row| {
        let ([ratio, least, most], (bar, aim, _)) = (row.ratio(), row.bar_and_aim());
        serde_json::json!({
            "what": row.what, "input": row.input, "control": row.control, "records": row.records,
            "seconds": row.ours, "control_seconds": row.controls, "ratio": ratio, "ratio_min": least,
            "ratio_max": most, "bar": bar, "aim": aim, "millions_per_second": row.millions_a_second(),
        })
    });
    report.insert("rows".to_owned(), rows.collect::<Vec<_>>().into());
    println!("{}", serde_json::Value::Object(report));
}
