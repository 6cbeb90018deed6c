//! How fast the simulator is: records a second on one core, as events and as lines.
//!
//! `cargo run --release --example rate -p sim [RATE_OF_EVENT_TIME]`

use std::time::Instant;

use engine_model::{Batch, PartitionId};
use sim::{Config, Simulator};

const RECORDS: usize = 20_000_000;
const BATCH: usize = 4_096;
const ROUNDS: usize = 3;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let rate = std::env::args().nth(1).map_or(Ok(Config::RATE), |text| text.parse())?;
    let config = Config { rate, ..Config::default() };
    for _ in 0..ROUNDS {
        let mut simulator = Simulator::new(&config, 0)?;
        let (mut batch, mut slab) = (Batch::default(), Vec::new());
        measure("events", || {
            batch.reset(simulator.header(PartitionId(0)));
            slab.clear();
            (simulator.next_batch(BATCH, &mut batch, &mut slab), 0)
        });
        let mut simulator = Simulator::new(&config, 0)?;
        measure("lines", || {
            slab.clear();
            (simulator.write_lines(BATCH, &mut slab), slab.len())
        });
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "for people")]
fn measure(what: &str, mut portion: impl FnMut() -> (usize, usize)) {
    let (start, busy_before) = (Instant::now(), busy_seconds());
    let (mut records, mut bytes) = (0, 0);
    while records < RECORDS {
        let (count, len) = portion();
        records += count;
        bytes += len;
    }
    let wall = start.elapsed().as_secs_f64();
    let millions = records as f64 / 1e6;
    print!("{what:6} {:6.2} M/s of wall time", millions / wall);
    if let (Some(before), Some(after)) = (busy_before, busy_seconds()) {
        let busy = after - before;
        print!(", {:6.2} M/s of CPU time, {:5.1} ns each", millions / busy, 1e3 * busy / millions);
    }
    println!(", {:5.1} bytes each", bytes as f64 / records as f64);
}

/// Seconds this thread was on a core, where Linux tells: on a machine shared with others the wall says little.
fn busy_seconds() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanos: f64 = text.split_whitespace().next()?.parse().ok()?;
    Some(nanos / 1e9)
}
