//! Goal: what the page's session makes of a file is what the oracle makes of it, and how it is asked changes nothing.
//!
//! Method: the session runs natively, over the oracle's nasty inputs, read a few bytes at a time. Tables are compared after
//! they have gone the way to the Parquet module, so that is compared too. `tests/run.sh` does the same with WebAssembly.

use std::io::{self, Read};

use engine_model::gold::GOLD;
use engine_model::{EventTime, Reason};
use engine_oracle::{Answer, Config, Partition, canonical, compare, generate};
use wasm_demo::{Form, Session, Settings, decode};

/// Gives bytes in portions of changing size, as a slow disk would.
struct Portions {
    bytes: Vec<u8>,
    at: usize,
}

impl Read for Portions {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = (1 + self.at * 7 % 97).min(into.len()).min(self.bytes.len() - self.at);
        into[..count].copy_from_slice(&self.bytes[self.at..][..count]);
        self.at += count;
        Ok(count)
    }
}

fn analyse(settings: &Settings, partition: &Partition, time_max: EventTime) -> Session {
    let reader = Box::new(Portions { bytes: partition.bytes.clone(), at: 0 });
    let mut session = Session::of_file(settings, "run".to_owned(), partition.source.clone(), reader, time_max).unwrap();
    while !session.is_finished() {
        session.run(10, EventTime::EVENT_MAX).unwrap();
    }
    session
}

fn check(expected: &Answer, session: &Session) -> Result<(), String> {
    for (index, table) in session.tables().iter().enumerate() {
        let schema = GOLD.into_iter().find(|schema| schema.name == table.schema.name).unwrap();
        // In two parts, as the page asks for them.
        let mut wire = session.wire(index, 0, 3);
        wire.extend(session.wire(index, 3, usize::MAX));
        let rows = decode(schema, &wire).map_err(|error| error.to_string())?;
        compare(&table.name, &expected.tables[&table.name], &canonical(&rows))?;
    }
    let (ledger, got) = (&expected.ledger, session.ledger());
    let counts = [ledger.records, ledger.accepted, ledger.duplicates, ledger.late, ledger.rejected, ledger.delayed];
    let got_counts = [got.records, got.accepted, got.duplicates, got.late, got.rejected_total(), got.delayed];
    if counts != got_counts {
        return Err(format!("ledger: expected {counts:?}, got {got_counts:?}"));
    }
    for reason in Reason::ALL {
        let (expected, got) = (ledger.by_reason.get(&reason).copied().unwrap_or(0), got.rejected[reason.index()]);
        if expected != got {
            return Err(format!("{reason}: expected {expected}, got {got}"));
        }
    }
    Ok(())
}

#[test]
fn a_dropped_file_gives_the_oracles_rows_and_ledger() {
    for seed in 0..120 {
        let generated = generate::config(seed);
        let settings = Settings {
            window_seconds: [60, 10, 900, 5_400][usize::try_from(seed % 4).unwrap()],
            lateness_seconds: [10, 0, 60][usize::try_from(seed % 3).unwrap()],
            currency: generated.semantics.currency().to_string(),
            utc_offset: generated.semantics.base().offset().to_string(),
            ..Settings::default()
        };
        let config = Config { semantics: settings.semantics().unwrap(), time_max: generated.time_max };
        let partitions = generate::partitions(seed, 1, 100, &config);
        let order = generate::order(seed, &partitions);
        let expected = engine_oracle::run(&partitions, &config, &order);
        let session = analyse(&settings, &partitions[0], config.time_max);
        check(&expected, &session).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    }
}

/// All tables of a simulated hour, asked for in steps of `records` and pauses of `seconds` of event time.
fn simulated(form: Form, records: u64, seconds: i64) -> Vec<Vec<u8>> {
    let settings = Settings { rate: 30.0, hours: 1, form, late: 0.02, duplicates: 0.03, ..Settings::default() };
    let mut session = Session::simulated(&settings, "run".to_owned()).unwrap();
    let mut until = sim::Config::START;
    while !session.is_finished() {
        until = until.saturating_add(engine_model::Micros::from_seconds(seconds));
        session.run(records, until).unwrap();
    }
    assert!(session.ledger().adds_up() && session.ledger().late > 0 && session.ledger().duplicates > 0);
    (0..session.tables().len()).map(|table| session.csv(table, 0, usize::MAX)).collect()
}

#[test]
fn structs_give_the_rows_of_lines_however_fast_they_are_asked_for() {
    let lines = simulated(Form::Lines, u64::MAX, 3_600);
    assert_eq!(simulated(Form::Lines, 1, 7), lines);
    assert_eq!(simulated(Form::Events, u64::MAX, 3_600), lines);
    assert_eq!(simulated(Form::Events, 100, 1), lines);
}

#[test]
fn the_page_is_told_hello_then_each_window_once_and_then_the_end() {
    let settings = Settings { rate: 30.0, hours: 1, ..Settings::default() };
    let mut session = Session::simulated(&settings, "run".to_owned()).unwrap();
    session.run(u64::MAX, EventTime::EVENT_MAX).unwrap();
    let messages: serde_json::Value = serde_json::from_str(&session.take_messages()).unwrap();
    let messages = messages.as_array().unwrap();
    let types: Vec<&str> = messages.iter().map(|message| message["type"].as_str().unwrap()).collect();
    assert_eq!((types[0], *types.last().unwrap()), ("hello", "end"));
    assert_eq!(types[1..types.len() - 1].iter().filter(|name| **name == "window").count(), types.len() - 2);
    let of_grain = |grain: &str| messages.iter().filter(|message| message["grain"] == grain).count();
    assert_eq!((of_grain("1m"), of_grain("1h"), of_grain("1d")), (60, 1, 1));
    assert_eq!(session.take_messages(), "[]");
}

#[test]
fn dots_show_what_became_of_records_and_nothing_while_they_are_off() {
    let settings = Settings { rate: 30.0, hours: 1, late: 0.02, ..Settings::default() };
    let mut session = Session::simulated(&settings, "run".to_owned()).unwrap();
    session.run(20_000, EventTime::EVENT_MAX).unwrap();
    assert_eq!(session.take_dots(), []);
    session.turn_dots(true);
    session.run(20_000, EventTime::EVENT_MAX).unwrap();
    let dots = session.take_dots();
    for outcome in 0..4 {
        assert!(dots.iter().any(|dot| dot.outcome == outcome), "no dot of outcome {outcome}");
    }
    assert!(dots.iter().all(|dot| dot.outcome != 2 || (dot.is_delayed && dot.time_ms < dot.came_ms - 10_000.0)));
}

#[test]
fn a_file_that_cannot_be_read_on_says_where() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("the disk is gone"))
        }
    }
    let settings = Settings::default();
    let mut session =
        Session::of_file(&settings, "run".to_owned(), "a".to_owned(), Box::new(Broken), EventTime::EVENT_MAX).unwrap();
    let error = session.run(1, EventTime::EVENT_MAX).unwrap_err();
    assert_eq!(error.to_string(), "cannot read the file at byte 0: the disk is gone");
}
