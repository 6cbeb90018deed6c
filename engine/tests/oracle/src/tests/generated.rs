//! The generator yields every outcome and every reason, and the oracle keeps the contract's promises on what it makes.

use std::collections::BTreeSet;

use engine_model::{Outcome, Reason};
use proptest::prelude::*;

use crate::generate::{Amounts, Rng, Writer, arb_input, config, order, partitions, saturating_partitions};
use crate::parse::event;
use crate::{Answer, Value, run};

#[test]
fn the_generator_yields_every_outcome_every_reason_and_rows_in_every_table() {
    let mut fields = BTreeSet::new();
    let mut reasons = BTreeSet::new();
    let mut tables = BTreeSet::new();
    let mut totals = [0; 4];
    for seed in 0..40 {
        let config = config(seed);
        let partitions = partitions(seed, 3, 60, &config);
        let answer = run(&partitions, &config, &order(seed, &partitions));
        let ledger = &answer.ledger;
        for (total, count) in totals.iter_mut().zip([ledger.accepted, ledger.duplicates, ledger.late, ledger.delayed]) {
            *total += count;
        }
        for record in answer.outcomes.iter().flatten() {
            if let Outcome::Rejected(rejection) = record.outcome {
                reasons.insert(rejection.reason);
                fields.extend(rejection.field);
            }
        }
        let filled = answer.tables.iter().filter(|(_, rows)| !rows.is_empty());
        tables.extend(filled.map(|(name, _)| name.rsplit_once('_').map_or(name.clone(), |(name, _)| name.to_owned())));
    }
    assert!(totals.iter().all(|&total| total > 200), "{totals:?}");
    assert_eq!(reasons.into_iter().collect::<Vec<_>>(), Reason::ALL);
    assert!(fields.len() >= 20, "{fields:?}");
    let expected = ["categories", "customer", "dim", "funnel", "kpis", "payments", "products", "quality", "rejections"];
    assert_eq!(tables.into_iter().collect::<Vec<_>>(), expected);
}

#[test]
fn good_lines_are_valid_and_bad_ones_are_rejected_for_the_reason_they_were_made_for() {
    for seed in 0..60 {
        let config = config(seed);
        let mut writer = Writer::new(Rng::new(seed), &config, 100, Amounts::Usual);
        writer.start_partition(0);
        for _ in 0..200 {
            let line = writer.good_line();
            assert!(event(&line, &config).is_ok(), "{}", line.escape_ascii());
            let (reason, line) = writer.bad_line();
            let answer = event(&line, &config).map_err(|rejection| rejection.reason);
            assert_eq!(answer.map(|_| ()), Err(reason), "{}", line.escape_ascii());
        }
    }
}

#[test]
fn most_generated_records_are_accepted_in_short_files_and_in_long_ones() {
    let (mut records, mut accepted) = (0, 0);
    for seed in 0..40 {
        let config = config(seed);
        let each = if seed % 10 == 0 { 1_500 } else { 100 };
        let answer = run(&partitions(seed, 2, each, &config), &config, &[]);
        records += answer.ledger.records;
        accepted += answer.ledger.accepted;
    }
    assert!(accepted * 10 > records * 6, "{accepted} of {records}");
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let config = config(7);
    assert_eq!(partitions(7, 3, 50, &config), partitions(7, 3, 50, &config));
    assert_ne!(partitions(7, 3, 50, &config), partitions(8, 3, 50, &config));
}

#[test]
fn the_saturating_mode_saturates() {
    let config = config(1);
    assert!((0..5).any(|seed| run(&saturating_partitions(seed, 2, 60, &config), &config, &[]).saturated));
    assert!((0..5).all(|seed| !run(&partitions(seed, 2, 60, &config), &config, &[]).saturated));
}

/// All tables but `quality`, which shows which of several equal copies was the accepted one.
fn same_whatever_the_order(answer: &Answer) -> Vec<(&String, &Vec<Vec<Value>>)> {
    answer.tables.iter().filter(|(name, _)| !name.starts_with("quality")).collect()
}

fn sum(answer: &Answer, table: &str, column: usize) -> i64 {
    let value = |row: &Vec<Value>| match row[column] {
        Value::Int(value) => value,
        _ => panic!("column {column} of {table} holds no integers"),
    };
    answer.tables.iter().filter(|(name, _)| name.starts_with(table)).take(1).flat_map(|(_, rows)| rows).map(value).sum()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn the_ledger_adds_up_and_the_order_of_reading_changes_no_row(input in arb_input(1..4, 0..60), seed: u64) {
        let answer = run(&input.partitions, &input.config, &input.order);
        let ledger = &answer.ledger;
        prop_assert_eq!(ledger.records, ledger.accepted + ledger.duplicates + ledger.late + ledger.rejected);
        prop_assert_eq!(ledger.rejected, ledger.by_reason.values().sum::<u64>());
        for (name, rows) in answer.tables.iter().filter(|(name, _)| name.starts_with("kpis")) {
            let events: i64 = rows.iter().map(|row| match row[4] { Value::Int(events) => events, _ => 0 }).sum();
            prop_assert_eq!(u64::try_from(events).unwrap(), ledger.accepted, "{}", name);
        }
        // Records of partitions without a valid one are in the ledger only.
        let unseen: usize = answer.outcomes.iter()
            .filter(|records| records.iter().all(|record| matches!(record.outcome, Outcome::Rejected(_))))
            .map(Vec::len).sum();
        prop_assert_eq!(u64::try_from(sum(&answer, "quality", 4)).unwrap() + unseen as u64, ledger.records);

        let other = run(&input.partitions, &input.config, &order(seed, &input.partitions));
        prop_assert_eq!(same_whatever_the_order(&answer), same_whatever_the_order(&other));
        prop_assert_eq!((ledger.records, ledger.late, &ledger.by_reason), (other.ledger.records, other.ledger.late, &other.ledger.by_reason));
    }
}
