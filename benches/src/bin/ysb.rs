//! The work of the Yahoo Streaming Benchmark on this machine, in classes that are never compared with each other.
//!
//! `cargo run --release -p benches --bin ysb [-- --events N] [--output json]`

use std::hint::black_box;

use benches::report::{self, Bar, PAIRS, Row, seconds};
use benches::{corpus, ysb};

/// Events of event time a second: a million a window.
const RATE: f64 = 100_000.0;

const SEED: u64 = 1;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut events = 10_000_000;
    let mut is_json = false;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match (argument.as_str(), arguments.next().as_deref()) {
            ("--events", Some(number)) => events = number.parse()?,
            ("--output", Some("json")) => is_json = true,
            ("--output", Some("text")) => is_json = false,
            _ => return Err(format!("unknown {argument:?}; expected --events N or --output json|text").into()),
        }
    }
    let circumstances = report::circumstances();
    let rows = measure(events)?;
    if is_json {
        println!("{}", serde_json::Value::Object(report::json(&circumstances, &rows)));
        return Ok(());
    }
    for (name, value) in circumstances {
        println!("{name}: {value}");
    }
    println!("{events} events; medians of {PAIRS} alternating pairs, each ratio within its pair");
    print!("{}", report::table(&rows));
    println!(
        "no duplicates, no distinct counts, 100 counters a window: see benches/README.md for what that leaves out"
    );
    Ok(())
}

fn measure(events: u64) -> Result<Vec<Row>, String> {
    let world = ysb::World::new(SEED);
    let structs = world.structs(SEED, events, RATE);
    let expected = ysb::run_structs(&world, &structs);
    if expected.rows.iter().map(|row| row.views).sum::<u64>() + expected.late != expected.views {
        return Err(format!("{} views, but the rows hold others", expected.views));
    }
    let check =
        |found: &ysb::Found| if *found == expected { Ok(()) } else { Err("ways differ in what they count".to_owned()) };

    let mut one = Row::new("one thread", "structs in memory", "reading kind and time", Bar::None, events);
    for pair in 0..PAIRS {
        let read = || structs.iter().filter(|event| event.kind == ysb::Kind::View).map(|event| event.time).max();
        one.controls[pair] = seconds(|| black_box(read())).0;
        let (time, found) = seconds(|| ysb::run_structs(&world, &structs));
        one.ours[pair] = time;
        check(&found)?;
    }
    drop(structs);

    let lines = world.lines(SEED, events, RATE);
    let mut json = Row::new("one thread", "JSON in memory", "newline split", Bar::None, events);
    let mut two = Row::new("two threads", "JSON in memory", "newline split", Bar::None, events);
    for pair in 0..PAIRS {
        json.controls[pair] = seconds(|| black_box(corpus::newline_split(&lines))).0;
        let (time, found) = seconds(|| ysb::run_json(&world, &lines));
        json.ours[pair] = time;
        check(&found)?;
        two.controls[pair] = seconds(|| black_box(corpus::newline_split(&lines))).0;
        let (time, found) = seconds(|| ysb::run_json_two_threads(&world, &lines));
        two.ours[pair] = time;
        check(&found)?;
    }
    Ok(vec![one, json, two])
}
