//! Events and lines are two forms of the same records: the fast struct path against a naive reading of the lines.

mod naive;

use engine_model::{Batch, EventTime, PartitionId};
use sim::{Config, Shares, Simulator, Stories};

fn config(seed: u64) -> Config {
    Config {
        seed,
        shares: Shares { duplicates: 0.03, delayed: 0.04, late: 0.02, malformed: 0.03 },
        rate: 200.0,
        lanes: 3,
        ..Config::default()
    }
}

fn check(config: &Config, lane: u32, portion: usize, count: usize) {
    let mut text = Vec::new();
    assert_eq!(Simulator::new(config, lane).unwrap().write_lines(count, &mut text), count);
    let mut expected = naive::lines(&text);
    let mut simulator = Simulator::new(config, lane).unwrap();
    let (mut batch, mut slab) = (Batch::default(), Vec::new());
    let mut index = 0;
    while index < count as u64 {
        batch.reset(simulator.header(PartitionId(lane)));
        slab.clear();
        assert_eq!(batch.header.first_offset, index);
        let wanted = portion.min(count - usize::try_from(index).unwrap());
        assert_eq!(simulator.next_batch(wanted, &mut batch, &mut slab), wanted);
        let mut rejected = batch.rejected.iter().peekable();
        for (place, event) in (0..=batch.events.len()).map(|place| (place, batch.events.get(place))) {
            while let Some(line) = rejected.next_if(|line| line.events_before as usize == place) {
                let bytes = expected.next().unwrap();
                let start = line.line.start as usize;
                assert_eq!(&slab[start..start + line.line.len as usize], &bytes[..bytes.len().min(65_536)]);
                assert_eq!((line.length, line.offset), (bytes.len() as u64, index));
                let rejection = (line.rejection.reason, line.rejection.field);
                assert_eq!(naive::read(bytes), Err(rejection), "{}", String::from_utf8_lossy(bytes));
                index += 1;
            }
            if let Some(event) = event {
                let bytes = expected.next().unwrap();
                let read = naive::read(bytes).map_err(|wrong| (wrong, String::from_utf8_lossy(bytes)));
                assert_eq!(Ok(naive::plain(event, &batch)), read);
                assert_eq!(event.offset, index);
                index += 1;
            }
        }
    }
}

#[test]
fn events_are_what_a_reader_makes_of_the_lines() {
    for seed in 0..4 {
        for lane in 0..3 {
            check(&config(seed), lane, 1_000, 10_000);
        }
    }
    let stories = Config { stories: Stories::DAY, start: EventTime::from_micros(1_767_225_600_000_000), ..config(9) };
    check(&Config { rate: 2.0, lanes: 1, ..stories }, 0, 4_096, 80_000);
}

#[test]
fn numbers_of_eight_digits_and_other_currencies_hold_too() {
    let config = Config { customers: 300_000_000, products: 100_000, rate: 5_000.0, ..Config::default() };
    check(&config, 0, 4_096, 30_000);
    let euros = Config { currency: "EUR".parse().unwrap(), ..Config::default() };
    let mut text = Vec::new();
    Simulator::new(&euros, 0).unwrap().write_lines(1_000, &mut text);
    assert!(String::from_utf8_lossy(&text).contains(r#""currency":"EUR""#));
}

/// With lines, the slab is the text, and each event points at its line.
#[test]
fn a_batch_with_lines_holds_both() {
    let config = config(5);
    let mut text = Vec::new();
    Simulator::new(&config, 0).unwrap().write_lines(5_000, &mut text);
    let (mut batch, mut slab) = (Batch::default(), Vec::new());
    let count = Simulator::new(&config, 0).unwrap().next_batch_with_lines(EventTime::MAX, 5_000, &mut batch, &mut slab);
    assert_eq!((count, batch.record_count()), (5_000, 5_000));
    assert_eq!(slab, text);
    for event in &batch.events {
        let line = &slab[event.line_start as usize..][..event.line_len as usize];
        assert_eq!(naive::read(line), Ok(naive::plain(event, &batch)));
    }
}
