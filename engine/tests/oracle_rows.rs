//! Goal: for any input, any order of reading and any number of shards, the engine's state machines give the rows, the
//! ledger and the outcomes that the oracle gives.
//!
//! Method: nasty inputs from the oracle's generator go through parser, progress, shards and merge inside this process,
//! one thread, in a seeded order: records are parsed in batches of seeded size, routed as the engine routes them, and
//! windows close in each shard at seeded moments. The oracle gets the same order of reading. All tables and columns,
//! the counts and what became of every record are compared. A failure prints its seed; `SEED=... cargo test` repeats it.

mod support;

use engine_oracle::generate::{self, Rng};
use engine_oracle::{Answer, Config, Partition, compare};
use proptest::prelude::*;
use support::in_process::{Got, run};
use support::seeds;

/// Compares everything, or all that does not depend on the order of reading.
fn check(expected: &Answer, got: &Got, with_quality: bool) -> Result<(), String> {
    for (name, rows) in &expected.tables {
        let got = got.tables.get(name).ok_or_else(|| format!("no table {name}"))?;
        if with_quality || !name.starts_with("quality") {
            compare(name, rows, got)?;
        }
    }
    let ledger = &expected.ledger;
    let counts = [ledger.records, ledger.accepted, ledger.duplicates, ledger.late, ledger.rejected, ledger.delayed];
    let got_counts = [
        got.ledger.records,
        got.ledger.accepted,
        got.ledger.duplicates,
        got.ledger.late,
        got.ledger.rejected_total(),
        got.ledger.delayed,
    ];
    if counts != got_counts {
        return Err(format!("ledger: expected {counts:?}, got {got_counts:?}"));
    }
    if (expected.windows, expected.saturated) != (got.windows, got.saturated) {
        let got = (got.windows, got.saturated);
        return Err(format!("windows, saturated: expected {:?}, got {got:?}", (expected.windows, expected.saturated)));
    }
    Ok(())
}

fn check_outcomes(expected: &Answer, got: &Got) -> Result<(), String> {
    for (partition, (expected, got)) in expected.outcomes.iter().zip(&got.outcomes).enumerate() {
        for (record, (expected, got)) in expected.iter().zip(got).enumerate() {
            if (expected.offset, &expected.outcome) != (got.0, &got.1) {
                return Err(format!("partition {partition}, record {record}: expected {expected:?}, got {got:?}"));
            }
        }
        if expected.len() != got.len() {
            return Err(format!("partition {partition}: expected {} records, got {}", expected.len(), got.len()));
        }
    }
    Ok(())
}

/// One seed: an input, an order of reading, a number of shards.
fn check_seed(seed: u64, make: impl Fn(u64, usize, usize, &Config) -> Vec<Partition>) {
    let mut rng = Rng::new(seed);
    let config = generate::config(seed);
    let partitions = make(seed, 1 + rng.below(4), 1 + rng.below(120), &config);
    let order = generate::order(seed, &partitions);
    let shards = 1 + rng.below(8);
    let expected = engine_oracle::run(&partitions, &config, &order);
    let got = run(&partitions, &config, &order, shards, seed);
    let result = check(&expected, &got, true).and_then(|()| check_outcomes(&expected, &got));
    if let Err(error) = result {
        panic!("SEED={seed} ({shards} shards): {error}");
    }
}

#[test]
fn rows_ledger_and_outcomes_equal_the_oracles_for_every_seed() {
    for seed in seeds(400) {
        check_seed(seed, generate::partitions);
    }
}

#[test]
fn sums_that_stop_equal_the_oracles() {
    for seed in seeds(60) {
        check_seed(seed, generate::saturating_partitions);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// The same, with shrinking: a failure here is small.
    #[test]
    fn rows_equal_the_oracle(input in generate::arb_input(1..5, 0..60), shards in 1usize..9, seed: u64) {
        let expected = engine_oracle::run(&input.partitions, &input.config, &input.order);
        let got = run(&input.partitions, &input.config, &input.order, shards, seed);
        let result = check(&expected, &got, true).and_then(|()| check_outcomes(&expected, &got));
        prop_assert!(result.is_ok(), "{}", result.unwrap_err());
    }

    /// The result is a function of the input: order, shards and batches change no row but in `quality`, where equal
    /// copies in several partitions may count in the one or the other.
    #[test]
    fn order_shards_and_batches_change_no_row(
        input in generate::arb_input(1..5, 0..60), shards in 1usize..9, seeds: (u64, u64),
    ) {
        let expected = engine_oracle::run(&input.partitions, &input.config, &input.order);
        let order = generate::order(seeds.0, &input.partitions);
        let got = run(&input.partitions, &input.config, &order, shards, seeds.1);
        let result = check(&expected, &got, input.partitions.len() == 1);
        prop_assert!(result.is_ok(), "{}", result.unwrap_err());
    }
}

#[test]
fn the_inputs_hold_what_they_are_meant_to() {
    // A check that cannot fail is none: the seeds above reach every outcome and every table.
    let mut sums = [0; 5];
    let mut empty: Vec<String> = Vec::new();
    for seed in seeds(100) {
        let config = generate::config(seed);
        let partitions = generate::partitions(seed, 3, 80, &config);
        let answer = engine_oracle::run(&partitions, &config, &generate::order(seed, &partitions));
        let ledger = &answer.ledger;
        for (sum, count) in
            sums.iter_mut().zip([ledger.accepted, ledger.duplicates, ledger.late, ledger.rejected, ledger.delayed])
        {
            *sum += count;
        }
        if seed == 0 {
            empty = answer.tables.keys().cloned().collect();
        }
        empty.retain(|name| answer.tables.get(name).is_none_or(Vec::is_empty));
    }
    assert!(sums.iter().all(|&count| count > 500), "accepted, duplicates, late, rejected, delayed: {sums:?}");
    assert!(empty.is_empty(), "tables without a row in any seed: {empty:?}");
}
