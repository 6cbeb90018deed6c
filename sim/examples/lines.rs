//! Writes simulated events as JSON Lines to stdout, for comparing one machine with another.
//!
//! `cargo run --example lines -p sim LANES RECORDS`

use std::io::Write;

use sim::{Bound, Config, Simulator};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1).map(|text| text.parse::<u64>());
    let lanes = u32::try_from(arguments.next().unwrap_or(Ok(1))?)?;
    let records = arguments.next().unwrap_or(Ok(100_000))?;
    let config = Config { lanes, bound: Bound::Records(records), ..Config::default() };
    let mut text = Vec::new();
    for lane in 0..lanes {
        Simulator::new(&config, lane)?.write_lines(usize::MAX, &mut text);
    }
    std::io::stdout().write_all(&text)?;
    Ok(())
}
