//! Work to be counted by callgrind: `count parse|general|messy|sonic|aggregate|whole ROUNDS LINES`. See `benches/instructions.sh`.
//!
//! The input is made once, so that the difference between two numbers of rounds is the work alone.

use benches::{corpus, path};
use engine_model::{Batch, PartitionId, Semantics, Watermark};
use engine_parse::{Parser, Slab};
use engine_window::{Arrival, Progress, Shard};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [work, rounds, lines] = arguments.as_slice() else {
        return Err("usage: count parse|general|messy|sonic|aggregate|whole ROUNDS LINES".into());
    };
    let rounds: u32 = rounds.parse()?;
    let config = corpus::speed_config(lines.parse()?);
    let semantics = Semantics::default();
    let is_messy = ["messy", "sonic"].contains(&work.as_str());
    let lines = if is_messy { corpus::messy_lines(&config)? } else { corpus::lines(&config)? };
    let mut batches = corpus::structs(&config, corpus::BATCH_RECORDS)?;
    for _ in 0..rounds {
        match work.as_str() {
            "parse" | "messy" => path::for_each_batch(
                &mut Parser::new(),
                &lines,
                corpus::BATCH_RECORDS,
                &mut Batch::default(),
                |batch| {
                    std::hint::black_box(batch);
                },
            ),
            "general" => general(&lines),
            "sonic" => {
                std::hint::black_box(benches::rivals::sonic(&lines));
            }
            "aggregate" => aggregate(&mut batches, &semantics),
            "whole" => {
                std::hint::black_box(path::run(path::Input::Lines(&lines), &semantics, path::Switches::default()));
            }
            other => {
                return Err(format!(
                    "unknown work {other:?}; expected parse, general, messy, sonic, aggregate or whole"
                )
                .into());
            }
        }
    }
    Ok(())
}

/// Parses as `parse` does, without learning shapes.
fn general(lines: &[u8]) {
    let mut parser = Parser::general_only();
    let mut batch = Batch::default();
    let mut start = 0;
    while start < lines.len() {
        batch.reset(batch.header);
        let slab = Slab { bytes: &lines[start..], offset: start as u64, oversized: None };
        start += parser.parse(slab, &path::rules(), corpus::BATCH_RECORDS, &mut batch);
        std::hint::black_box(&mut batch);
    }
}

/// Judges and takes in, without the rows, whose cost hangs on the number of windows.
fn aggregate(batches: &mut [Batch], semantics: &Semantics) {
    let mut progress = Progress::new(PartitionId(0), semantics);
    let mut shard = Shard::new(semantics);
    let mut observed = Vec::new();
    for batch in batches {
        progress.judge(batch, Arrival::REPLAY, &mut observed);
        path::ingest(&mut shard, batch);
    }
    std::hint::black_box(shard.close(Watermark::END));
}
