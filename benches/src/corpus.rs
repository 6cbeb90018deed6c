//! The inputs: the simulator's stream as JSON Lines and as structs, from one committed configuration.

use engine_model::{Batch, PartitionId};
use sim::{Bound, Config, InvalidConfig, Shares, Simulator};

use crate::messy;

/// Lines of the speed input: eleven windows of about a million identifiers each.
pub const SPEED_LINES: u64 = 11_000_000;

/// Events a second of event time of the speed input: a million a minute.
pub const SPEED_RATE: f64 = 16_667.0;

/// Records in a batch, as in the engine: its events stay in the second-level cache.
pub const BATCH_RECORDS: usize = 512;

/// The configuration of the speed input, cut to `lines` records.
#[must_use]
pub fn speed_config(lines: u64) -> Config {
    Config { rate: SPEED_RATE, customers: 200_000, products: 5_000, bound: Bound::Records(lines), ..Config::default() }
}

/// The same with another share of records out of order within lateness.
#[must_use]
pub fn delayed_config(lines: u64, delayed: f64) -> Config {
    Config { shares: Shares { delayed, ..Shares::DEFAULT }, ..speed_config(lines) }
}

/// All records of `config`'s first lane as JSON Lines.
///
/// # Errors
/// Where the simulator refuses `config`.
pub fn lines(config: &Config) -> Result<Vec<u8>, InvalidConfig> {
    let mut lines = Vec::new();
    let mut simulator = Simulator::new(config, 0)?;
    // Asked for in portions, so that the buffer grows by doubling and never from an estimate.
    while simulator.write_lines(1 << 16, &mut lines) > 0 {}
    Ok(lines)
}

/// The same records written less tidily: see [`messy::rewrite`].
///
/// # Errors
/// Where the simulator refuses `config`.
pub fn messy_lines(config: &Config) -> Result<Vec<u8>, InvalidConfig> {
    Ok(messy::rewrite(config.seed, &lines(config)?))
}

/// All records of `config`'s first lane as batches of structs, with the header each had when it was made.
///
/// # Errors
/// Where the simulator refuses `config`.
pub fn structs(config: &Config, batch_records: usize) -> Result<Vec<Batch>, InvalidConfig> {
    let mut simulator = Simulator::new(config, 0)?;
    let mut batches = Vec::new();
    let mut slab = Vec::new();
    loop {
        let mut batch = Batch::default();
        batch.reset(simulator.header(PartitionId(0)));
        slab.clear();
        if simulator.next_batch(batch_records, &mut batch, &mut slab) == 0 {
            return Ok(batches);
        }
        batches.push(batch);
    }
}

/// The lines of `all` whose `event_type` is `kind`.
#[must_use]
pub fn of_type(all: &[u8], kind: &str) -> Vec<u8> {
    let needle = format!("\"event_type\":\"{kind}\"");
    let finder = memchr::memmem::Finder::new(needle.as_bytes());
    let mut chosen = Vec::new();
    for line in all.split_inclusive(|&byte| byte == b'\n').filter(|line| finder.find(line).is_some()) {
        chosen.extend_from_slice(line);
    }
    chosen
}

/// Number of lines: the newline split that whole paths are compared with.
#[must_use]
pub fn newline_split(lines: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', lines).count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine_model::Semantics;

    /// Shares of a cut lie this close to those of the whole.
    const TOLERANCE: f64 = 0.3;

    #[test]
    fn the_speed_input_is_what_its_description_says() {
        let lines = lines(&speed_config(200_000)).unwrap();
        let count = newline_split(&lines);
        assert_eq!(count, 200_000);
        let mean = lines.len() / 200_000;
        assert!((205..=225).contains(&mean), "{mean} bytes a line");

        let batches = structs(&speed_config(200_000), BATCH_RECORDS).unwrap();
        let mut kinds = std::collections::BTreeMap::new();
        for batch in &batches {
            for event in &batch.events {
                *kinds.entry(event.kind.event_type()).or_insert(0_u32) += 1;
                assert!(event.event_id().len() == 36 && !event.event_id().is_in_arena(), "the event id is a UUID");
                let session = event.session();
                assert!(session.is_absent() || session.len() >= 13, "session id of {} bytes", session.len());
            }
        }
        let share = |number: u64| f64::from(u32::try_from(number).unwrap()) / 200_000.0;
        let near = |what: &str, number: u64, expected: f64, tolerance: f64| {
            let share = share(number);
            assert!((share / expected - 1.0).abs() < tolerance, "{what}: share {share}, expected {expected}");
        };
        near("clicks", kinds["click"].into(), 0.92, 0.03);
        near("orders", kinds["order"].into(), 0.03, 0.5);
        near("payments", kinds["payment"].into(), 0.03, 0.5);

        // Slower, so that the cut spans several windows: nothing is late before the first one has passed.
        let slow = super::lines(&Config { rate: 500.0, ..speed_config(200_000) }).unwrap();
        let run =
            crate::path::run(crate::path::Input::Lines(&slow), &Semantics::default(), crate::path::Switches::default());
        near("duplicates", run.ledger.duplicates, 0.01, TOLERANCE);
        near("late", run.ledger.late, 0.005, TOLERANCE);
        near("malformed", run.ledger.rejected_total(), 0.001, TOLERANCE);
    }

    #[test]
    fn lines_of_one_type_are_only_those() {
        let all = lines(&speed_config(5_000)).unwrap();
        let orders = of_type(&all, "order");
        let count = newline_split(&orders);
        assert!(count > 0 && count < 1_000);
        assert!(orders.split(|&byte| byte == b'\n').all(|line| !line.windows(6).any(|word| word == b"action")));
    }
}
