//! The speed table: each row in five alternating pairs with its control, on the speed input; and the bytes of state it
//! needs.
//!
//! `cargo run --release -p benches --bin speed [-- --lines N] [--output json]`

use std::hint::black_box;

use benches::path::{Input, Run, Switches, Threads};
use benches::report::{self, Bar, PAIRS, Row, seconds};
use benches::state::{self, State};
use benches::{corpus, path, plain, rivals};
use engine_model::{Batch, Semantics};
use engine_parse::Parser;

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
    let circumstances = report::circumstances();
    let (rows, state) = measure(lines)?;
    if is_json {
        let mut report = report::json(&circumstances, &rows);
        report.insert("state".to_owned(), state_json(&state));
        println!("{}", serde_json::Value::Object(report));
        return Ok(());
    }
    for (name, value) in circumstances {
        println!("{name}: {value}");
    }
    println!(
        "{lines} lines; medians of {PAIRS} alternating pairs, each ratio within its pair; rates only beside a bar's CPU"
    );
    print!("{}", report::table(&rows));
    print_state(&state);
    Ok(())
}

/// Bytes of identifiers that are no UUIDs.
const OTHER_ID_BYTES: usize = 40;

fn named(state: &State) -> [(&'static str, state::Held); 7] {
    [
        ("remembered id, a UUID", state.ids),
        ("remembered id of 40 bytes", state::ids_of(OTHER_ID_BYTES)),
        ("session", state.sessions),
        ("customer", state.customers),
        ("product", state.products),
        ("session of the shortest rollup", state.rollup_sessions),
        ("customer of the shortest rollup", state.rollup_customers),
    ]
}

fn print_state(state: &State) {
    println!("state just before a window closes, free slots included, bytes for each:");
    for (name, held) in named(state) {
        println!("  {name}: {:.1} ({} in {} bytes)", held.each(), held.count, held.bytes);
    }
    println!("  the window with everything: {} bytes", state.window_bytes);
}

fn state_json(state: &State) -> serde_json::Value {
    let held = named(state).map(|(name, held)| {
        serde_json::json!({ "of": name, "bytes_each": held.each(), "count": held.count, "bytes": held.bytes })
    });
    serde_json::json!({ "held": held, "window_bytes": state.window_bytes })
}

fn measure(lines: u64) -> Result<(Vec<Row>, State), Box<dyn std::error::Error>> {
    let semantics = Semantics::default();
    let config = corpus::speed_config(lines);
    let switches = Switches::default();
    let text = corpus::lines(&config)?;
    let expected = path::run(Input::Lines(&text), &semantics, switches);
    check(&expected, &expected, lines)?;
    let split = || assert_eq!(black_box(corpus::newline_split(&text)), lines);
    let mut rows = Vec::new();
    let row = |what, input, control, bar| Row::new(what, input, control, bar, lines);

    let bar = Bar::Times { most: 8.3, aim: 5.9, rates: [6.0, 8.5] };
    let mut one = row("whole path, one core, fused", "JSON in memory", "newline split", bar);
    let bar = Bar::Times { most: 4.5, aim: 3.6, rates: [11.0, 14.0] };
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
    // The aim is given as a rate only: 20 M/s where 14 are ten times the control.
    let bar = Bar::Times { most: 10.0, aim: 7.0, rates: [14.0, 20.0] };
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
    let state = state::measure(&mut batches, &semantics);
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
    Ok((rows, state))
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
