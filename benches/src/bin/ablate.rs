//! What each idea is worth: the path without it, in pairs with the whole of it, in the same run.
//!
//! `cargo run --release -p benches --bin ablate [-- --lines N] [--only WORD] [--output json]`

use std::hint::black_box;

use benches::path::{self, Input, Parsing, Run, Switches, Threads};
use benches::report::{self, Bar, PAIRS, Row, seconds};
use benches::{corpus, rivals};
use engine_model::{Batch, Semantics};

/// Four windows of a million identifiers.
const LINES: u64 = 4_000_000;

/// The path as it is.
const WHOLE: &str = "with all ideas";

/// The path as it is, on two threads.
const WHOLE_PIPED: &str = "with all ideas, two threads";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut lines = LINES;
    let mut only = String::new();
    let mut is_json = false;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match (argument.as_str(), arguments.next().as_deref()) {
            ("--lines", Some(number)) => lines = number.parse()?,
            ("--only", Some(word)) => word.clone_into(&mut only),
            ("--output", Some("json")) => is_json = true,
            ("--output", Some("text")) => is_json = false,
            _ => {
                return Err(
                    format!("unknown {argument:?}; expected --lines N, --only WORD or --output json|text").into()
                );
            }
        }
    }
    let circumstances = report::circumstances();
    let rows = measure(lines, &only)?;
    if is_json {
        println!("{}", serde_json::Value::Object(report::json(&circumstances, &rows)));
        return Ok(());
    }
    for (name, value) in circumstances {
        println!("{name}: {value}");
    }
    println!(
        "{lines} lines; medians of {PAIRS} alternating pairs; the ratio says how many times as long it takes without"
    );
    print!("{}", report::table(&rows));
    Ok(())
}

/// What is switched off, and the path without it.
type Idea = (&'static str, Switches);

/// Ideas of the path on one thread, each switched off alone.
fn ideas(usual: Switches) -> Vec<Idea> {
    let batch = |batch_records| Switches { batch_records, ..usual };
    vec![
        ("nothing: the noise", usual),
        ("prefetch: one event after another", Switches { looks_ahead: false, ..usual }),
        ("room from the last window: tables grow from nothing", Switches { makes_room: false, ..usual }),
        ("batches: one record", batch(1)),
        ("batches: 64 records instead of 512", batch(64)),
        ("batches: 4096 records instead of 512", batch(4_096)),
    ]
}

/// Ideas of the parser.
fn parser_ideas(usual: Switches) -> Vec<Idea> {
    vec![
        ("shapes: every line goes the general way", Switches { parsing: Parsing::General, ..usual }),
        ("vectors: shapes 8 bytes at a time", Switches { parsing: Parsing::Portable, ..usual }),
    ]
}

/// Ideas of the path on two threads.
fn thread_ideas(usual: Switches) -> Vec<Idea> {
    let batch = |batch_records| Switches { batch_records, ..usual };
    // An only shard gets every identifier.
    let routed = Threads::Routed { shards: 1, shard_of: |_, _| 0 };
    vec![
        ("nothing: the noise", usual),
        ("two threads: one", Switches { threads: Threads::Fused, ..usual }),
        ("whole batches on the ring: events are copied", Switches { threads: routed, ..usual }),
        ("batches on the ring: one record", batch(1)),
        ("batches on the ring: 64 records instead of 512", batch(64)),
        ("batches on the ring: 1024 records instead of 512", batch(1_024)),
    ]
}

/// Times `run` without each idea and, by turns, with all of them.
fn pairs(
    input: &'static str,
    control: &'static str,
    usual: Switches,
    ideas: Vec<Idea>,
    mut run: impl FnMut(Switches) -> Run,
) -> Result<Vec<Row>, String> {
    let expected = run(usual);
    let records = expected.ledger.records;
    let mut check = |switches| {
        let (time, found) = seconds(|| run(switches));
        if found == expected && found.ledger.adds_up() {
            Ok(time)
        } else {
            Err(format!("{switches:?} finds {found:?}, expected {expected:?}"))
        }
    };
    let rows = ideas.into_iter().map(|(what, switches)| {
        let mut row = Row::new(what, input, control, Bar::None, records);
        for pair in 0..PAIRS {
            row.controls[pair] = check(usual)?;
            row.ours[pair] = check(switches)?;
        }
        Ok(row)
    });
    rows.collect()
}

/// Those of the ideas that have `only` in their name.
fn chosen(mut ideas: Vec<Idea>, only: &str) -> Vec<Idea> {
    ideas.retain(|(what, _)| what.contains(only));
    ideas
}

fn measure(lines: u64, only: &str) -> Result<Vec<Row>, Box<dyn std::error::Error>> {
    let semantics = Semantics::default();
    let config = corpus::speed_config(lines);
    let usual = Switches::default();
    let text = corpus::lines(&config)?;
    let mut rows = parse_alone(&text, lines, only)?;
    let run = |switches| path::run(Input::Lines(&text), &semantics, switches);
    let of_all = parser_ideas(usual).into_iter().chain(ideas(usual)).collect();
    rows.extend(pairs("JSON in memory", WHOLE, usual, chosen(of_all, only), run)?);
    let piped = Switches { threads: Threads::Piped, ..usual };
    rows.extend(pairs("JSON in memory", WHOLE_PIPED, piped, chosen(thread_ideas(piped), only), run)?);
    drop(text);
    // Batches of structs are made before they are timed, so their size is no idea of this path.
    let of_structs = ideas(usual).into_iter().filter(|(_, switches)| switches.batch_records == usual.batch_records);
    let mut batches = corpus::structs(&config, corpus::BATCH_RECORDS)?;
    let run = |switches| path::run(Input::Structs(&mut batches), &semantics, switches);
    rows.extend(pairs("structs in memory", WHOLE, usual, chosen(of_structs.collect(), only), run)?);
    Ok(rows)
}

/// The parser's ideas where there is nothing else to do; and what a library takes, for scale.
fn parse_alone(text: &[u8], lines: u64, only: &str) -> Result<Vec<Row>, String> {
    let parse = |parsing: Parsing| {
        let (mut parser, mut parsed) = (parsing.parser(), 0);
        let (time, ()) = seconds(|| {
            path::for_each_batch(&mut parser, text, corpus::BATCH_RECORDS, &mut Batch::default(), |batch| {
                parsed += black_box(batch).record_count() as u64;
            });
        });
        if parsed == lines { Ok(time) } else { Err(format!("{parsed} records parsed of {lines}")) }
    };
    let mut rows = Vec::new();
    for (what, switches) in chosen(parser_ideas(Switches::default()), only) {
        let mut row = Row::new(what, "JSON in memory, parsing alone", WHOLE, Bar::None, lines);
        for pair in 0..PAIRS {
            row.controls[pair] = parse(Parsing::Shapes)?;
            row.ours[pair] = parse(switches.parsing)?;
        }
        rows.push(row);
    }
    let all = "all: sonic-rs typed";
    if !all.contains(only) {
        return Ok(rows);
    }
    let mut row = Row::new(all, "JSON in memory, parsing alone", WHOLE, Bar::None, lines);
    for pair in 0..PAIRS {
        row.controls[pair] = parse(Parsing::Shapes)?;
        row.ours[pair] = seconds(|| black_box(rivals::sonic(text))).0;
    }
    rows.push(row);
    Ok(rows)
}
