//! How long the parser takes for a line of the simulator, beside the time that only finding the lines' ends takes.
//!
//! `cargo run --release -p engine-parse --example parse_rate`; with `-- --count LINES` the parser reads that many lines
//! once, for a profiler that counts instructions.

use std::hint::black_box;
use std::time::Instant;

use engine_model::{Batch, Currency, EventTime};
use engine_parse::{Parser, Rules, Slab, parse};
use sim::{Bound, Config, Simulator};

const LINES: u64 = 1_000_000;
const ROUNDS: usize = 5;
/// As much as the engine reads at once.
const SLAB_BYTES: usize = 256 * 1024;
const BATCH_RECORDS: usize = 512;
const RULES: Rules = Rules { currency: Currency::USD, time_max: EventTime::EVENT_MAX };

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let count = match arguments.as_slice() {
        [flag, count] if flag == "--count" => Some(count.parse()?),
        _ => None,
    };
    let bound = Bound::Records(count.unwrap_or(LINES));
    let mut lines = Vec::new();
    Simulator::new(&Config { rate: 16_667.0, bound, ..Config::default() }, 0)?.write_lines(usize::MAX, &mut lines);
    let slabs = slabs(&lines);
    let mut parser = Parser::new();
    if count.is_some() {
        println!("{} records", parse_all(&slabs, |slab, batch| parser.parse(slab, &RULES, BATCH_RECORDS, batch)));
        return Ok(());
    }
    let names = ["ends of lines only", "byte by byte", "general path", "learned shapes"];
    let mut general = Parser::general_only();
    let mut nanos = [const { Vec::new() }; 4];
    for _ in 0..ROUNDS {
        let records = [
            timed(&mut nanos[0], || memchr::memchr_iter(b'\n', black_box(&lines)).count()),
            timed(&mut nanos[1], || parse_all(&slabs, |slab, batch| parse(slab, &RULES, BATCH_RECORDS, batch))),
            timed(&mut nanos[2], || parse_all(&slabs, |slab, batch| general.parse(slab, &RULES, BATCH_RECORDS, batch))),
            timed(&mut nanos[3], || parse_all(&slabs, |slab, batch| parser.parse(slab, &RULES, BATCH_RECORDS, batch))),
        ];
        assert_eq!(records[1..], [records[1]; 3], "the ways read different records");
    }
    let medians = nanos.map(|mut nanos| {
        nanos.sort_by(f64::total_cmp);
        nanos[ROUNDS / 2]
    });
    println!("{LINES} lines, {} bytes each, medians of {ROUNDS} rounds", lines.len() as u64 / LINES);
    for (name, median) in names.iter().zip(medians) {
        println!("{name:20} {median:6.1} ns/line, {:5.1} times the ends only", median / medians[0]);
    }
    println!("{} lines by a shape, {} not", parser.fast_lines(), parser.general_lines());
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "for people")]
fn timed(nanos: &mut Vec<f64>, work: impl FnOnce() -> usize) -> usize {
    let started = Instant::now();
    let result = black_box(work());
    nanos.push(started.elapsed().as_secs_f64() * 1e9 / LINES as f64);
    result
}

/// The lines in runs of about [`SLAB_BYTES`].
fn slabs(lines: &[u8]) -> Vec<&[u8]> {
    let (mut slabs, mut rest) = (Vec::new(), lines);
    while !rest.is_empty() {
        let upto = SLAB_BYTES.min(rest.len());
        let len = memchr::memrchr(b'\n', &rest[..upto]).map_or(rest.len(), |last| last + 1);
        let (slab, behind) = rest.split_at(len);
        slabs.push(slab);
        rest = behind;
    }
    slabs
}

fn parse_all(slabs: &[&[u8]], mut parse: impl FnMut(Slab<'_>, &mut Batch) -> usize) -> usize {
    let (mut batch, mut records) = (Batch::default(), 0);
    for bytes in slabs {
        let mut start = 0;
        while start < bytes.len() {
            batch.reset(batch.header);
            start += parse(Slab { bytes: &bytes[start..], offset: start as u64, oversized: None }, &mut batch);
            records += batch.record_count();
            black_box(&batch);
        }
    }
    records
}
