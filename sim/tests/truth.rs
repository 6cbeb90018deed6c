//! The truth against the contract: a naive ledger by §2, written here from the contract alone, reads the lines and must
//! come to the truth's verdict on every single record.

mod naive;

use std::collections::HashMap;

use engine_model::{EventTime, Micros, WindowLength};
use sim::{Bound, Config, Fault, Shares, Simulator, Span, Stories, Truth, Verdict};

/// What the contract says about the lines of one partition: the outcome's name, and whether the record is delayed.
fn ledger(text: &[u8], config: &Config) -> Vec<(&'static str, bool)> {
    let (length, lateness) = (config.window.get().get(), config.lateness.get());
    let offset = config.utc_offset.as_micros().get();
    let end = |time: i64| (time + offset).div_euclid(length) * length + length - offset;
    let mut max: Option<i64> = None;
    let mut accepted: HashMap<String, i64> = HashMap::new();
    let mut outcomes = Vec::new();
    for line in naive::lines(text) {
        let Ok(record) = naive::read(line) else {
            outcomes.push(("rejected", false));
            continue;
        };
        let watermark = max.map_or(i64::MIN, |max| max - lateness);
        let is_delayed = max.is_some_and(|max| record.micros < max);
        max = max.max(Some(record.micros));
        let outcome = if end(record.micros) <= watermark {
            "late"
        } else if accepted.get(&record.id).is_some_and(|&window_end| window_end > watermark) {
            "duplicate"
        } else {
            accepted.insert(record.id, end(record.micros));
            "accepted"
        };
        outcomes.push((outcome, is_delayed));
    }
    outcomes
}

fn run(config: &Config, lane: u32, count: usize) -> (Vec<u8>, Vec<Truth>) {
    let mut simulator = Simulator::new(config, lane).unwrap();
    simulator.keep_truth();
    let mut text = Vec::new();
    let count = simulator.write_lines(count, &mut text);
    let truths = simulator.take_truth();
    assert_eq!(truths.len(), count);
    assert!(simulator.take_truth().is_empty());
    (text, truths)
}

fn check(config: &Config, lane: u32, count: usize) -> Vec<Truth> {
    let (text, truths) = run(config, lane, count);
    let outcomes = ledger(&text, config);
    assert_eq!(outcomes.len(), truths.len());
    for (index, ((truth, outcome), line)) in truths.iter().zip(outcomes).zip(naive::lines(&text)).enumerate() {
        assert_eq!((truth.lane, truth.index), (lane, index as u64));
        let shown = String::from_utf8_lossy(line);
        assert_eq!((truth.verdict.name(), truth.is_delayed), outcome, "seed {} {truth:?} {shown}", config.seed);
        let is_consistent = match truth.fault {
            Fault::None => truth.verdict == Verdict::Accepted && !truth.is_delayed,
            Fault::Duplicate => truth.verdict == Verdict::Duplicate,
            Fault::Delayed => truth.verdict == Verdict::Accepted && truth.is_delayed,
            Fault::Late => truth.verdict == Verdict::Late && truth.is_delayed,
            Fault::Malformed => matches!(truth.verdict, Verdict::Rejected(_)),
        };
        assert!(is_consistent, "seed {} {truth:?}", config.seed);
    }
    truths
}

fn share(truths: &[Truth], fault: Fault) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    let share = truths.iter().filter(|truth| truth.fault == fault).count() as f64 / truths.len() as f64;
    share
}

#[test]
fn truth_and_ledger_agree_for_twenty_seeds_with_all_faults_on() {
    for seed in 0..20 {
        let config = Config {
            seed,
            shares: Shares { duplicates: 0.1, delayed: 0.1, late: 0.05, malformed: 0.02 },
            rate: 100.0,
            stories: Stories { campaign: Some(Span::minutes(1, 2)), ..Stories::default() },
            lanes: 1 + u32::try_from(seed % 3).unwrap(),
            ..Config::default()
        };
        for lane in 0..config.lanes {
            check(&config, lane, 12_000);
        }
    }
}

/// Windows of a second to an hour, no lateness and much, slow and fast streams, an odd offset; up to the end of a
/// bounded stream, where what is held back is let go.
#[test]
fn truth_and_ledger_agree_whatever_the_window_and_lateness() {
    let shares = Shares { duplicates: 0.1, delayed: 0.1, late: 0.1, malformed: 0.05 };
    let mut faults = HashMap::new();
    for (window, lateness, rate, minutes) in [
        (1, 0, 50.0, 5),
        (10, 0, 2_000.0, 1),
        (60, 0, 20.0, 60),
        (60, 300, 20.0, 60),
        (90, 1, 0.1, 3_000),
        (3_600, 10, 3.0, 600),
        (60, 10, 0.01, 20_000),
        (1, 10, 100_000.0, 1),
    ] {
        let config = Config {
            shares,
            rate,
            window: WindowLength::new(Micros::from_seconds(window)).unwrap(),
            lateness: Micros::from_seconds(lateness),
            utc_offset: "+05:30".parse().unwrap(),
            bound: Bound::Duration(Micros::from_seconds(minutes * 60)),
            ..Config::default()
        };
        for truth in check(&config, 0, 60_000) {
            *faults.entry(truth.fault).or_insert(0) += 1;
        }
    }
    assert!(faults.values().all(|&count| count > 3_000), "{faults:?}");
}

#[test]
fn shares_are_those_of_the_config() {
    let truths = check(&Config { rate: 500.0, ..Config::default() }, 0, 400_000);
    let close = |share: f64, expected: f64| (share / expected - 1.0).abs() < 0.1;
    for (fault, expected) in [(Fault::Duplicate, 0.01), (Fault::Delayed, 0.02), (Fault::Late, 0.005)] {
        assert!(close(share(&truths, fault), expected), "{fault:?}: {}", share(&truths, fault));
    }
    assert!((share(&truths, Fault::Malformed) / 0.001 - 1.0).abs() < 0.2);
    let config = Config { shares: Shares::NONE, rate: 100.0, ..Config::default() };
    assert!(check(&config, 0, 20_000).iter().all(|truth| truth.fault == Fault::None));
}

#[test]
fn every_reason_but_none_too_often() {
    let config = Config { shares: Shares { malformed: 0.5, ..Shares::NONE }, rate: 500.0, ..Config::default() };
    let (_, truths) = run(&config, 0, 20_000);
    let mut reasons: HashMap<&str, u32> = HashMap::new();
    for truth in truths {
        if let Verdict::Rejected(rejection) = truth.verdict {
            *reasons.entry(rejection.reason.name()).or_default() += 1;
        }
    }
    for reason in engine_model::Reason::ALL {
        assert!(reasons.get(reason.name()).is_some_and(|&count| count > 30), "{reason}: {reasons:?}");
    }
}

/// From an event in a quarter of an hour to a hundred million a second, with every debug assertion on.
#[test]
fn extreme_rates_hold() {
    for (rate, count) in [(0.001, 300), (0.5, 5_000), (1e6, 100_000), (1e8, 100_000)] {
        let products = if rate < 1.0 { 1 } else { 1_000_000 };
        check(&Config { rate, products, customers: 1, ..Config::default() }, 0, count);
    }
}

/// Faults are laid over the same journeys: without them, the same events happen at the same instants.
#[test]
fn shares_do_not_change_what_happens() {
    let with = Config { rate: 100.0, bound: Bound::Duration(Micros::from_seconds(120)), ..Config::default() };
    let without = Config { shares: Shares::NONE, ..with.clone() };
    let lines = |config: &Config| {
        let (text, truths) = run(config, 0, usize::MAX);
        let mut kept: Vec<Vec<u8>> = naive::lines(&text)
            .zip(&truths)
            .filter(|(_, truth)| !matches!(truth.verdict, Verdict::Duplicate | Verdict::Rejected(_)))
            .map(|(line, _)| line.to_vec())
            .collect();
        let rejected = truths.iter().filter(|truth| matches!(truth.verdict, Verdict::Rejected(_))).count();
        kept.sort_unstable();
        (kept, rejected)
    };
    let ((faulty, rejected), (plain, none)) = (lines(&with), lines(&without));
    assert_eq!((faulty.len() + rejected, none), (plain.len(), 0));
    assert!(faulty.iter().all(|line| plain.binary_search(line).is_ok()));
}

/// Live: what comes out by an instant is what `next_due` announces, and portions by the clock make up the same stream.
#[test]
fn the_clock_only_cuts_the_stream_into_portions() {
    let config = Config { rate: 50.0, ..Config::default() };
    let mut expected = Vec::new();
    Simulator::new(&config, 0).unwrap().write_lines(3_000, &mut expected);
    let mut simulator = Simulator::new(&config, 0).unwrap();
    let mut text = Vec::new();
    let mut now = config.start;
    let mut count = 0;
    while count < 3_000 {
        let due = simulator.next_due().unwrap();
        count += simulator.write_lines_until(now, 3_000 - count, &mut text);
        if count < 3_000 {
            assert!(simulator.next_due().unwrap() > now);
            assert!(due >= config.start);
        }
        now = now + Micros::new(123_457);
    }
    assert_eq!(text, expected);
    assert!(now < EventTime::from_micros(config.start.as_micros() + 200_000_000));
}
