//! The same seed gives the same bytes: in debug and release, on any machine, in any portions, lane by lane.

use engine_model::{Batch, EventTime, Micros};
use sim::{Bound, Config, Simulator, Stories};

/// Goal: a change of any byte shows, and so does a machine or a profile that computes differently. Method: FNV-1a over
/// everything, against a constant written down once. A wanted change of the journeys changes the constants, and the
/// changelog.
fn digest(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xCBF2_9CE4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3))
}

fn lines(config: &Config, lane: u32, count: usize) -> Vec<u8> {
    let mut text = Vec::new();
    Simulator::new(config, lane).unwrap().write_lines(count, &mut text);
    text
}

#[test]
fn the_bytes_of_a_seed_are_pinned() {
    let default = digest(&lines(&Config::default(), 0, 100_000));
    let stories = Config { rate: 1.0, stories: Stories::DAY, seed: 42, ..Config::default() };
    let stories = digest(&lines(&stories, 0, 90_000));
    let eight = Config { lanes: 8, rate: 20_000.0, ..Config::default() };
    let eight: Vec<u8> = (0..8).flat_map(|lane| lines(&eight, lane, 5_000)).collect();
    assert_eq!(
        [default, stories, digest(&eight)],
        [755_657_010_730_791_705, 6_980_055_225_634_934_481, 6_372_456_592_935_949_551]
    );
}

#[test]
fn portions_and_forms_do_not_matter() {
    let config = Config { rate: 300.0, ..Config::default() };
    let expected = lines(&config, 0, 10_000);
    let mut simulator = Simulator::new(&config, 0).unwrap();
    let (mut text, mut batch, mut slab) = (Vec::new(), Batch::default(), Vec::new());
    let mut portion = 1;
    while simulator.index() < 10_000 {
        let left = usize::try_from(10_000 - simulator.index()).unwrap();
        simulator.next_batch_with_lines(EventTime::MAX, portion.min(left), &mut batch, &mut slab);
        text.append(&mut slab);
        batch.reset(batch.header);
        let left = usize::try_from(10_000 - simulator.index()).unwrap();
        simulator.write_lines(portion.min(left), &mut text);
        portion = portion * 7 % 101;
    }
    assert!(text == expected);
}

#[test]
fn seeds_and_lanes_differ_and_a_copy_goes_on_alike() {
    let config = Config { lanes: 2, ..Config::default() };
    let first = lines(&config, 0, 1_000);
    assert!(first != lines(&config, 1, 1_000));
    assert!(first != lines(&Config { seed: 2, lanes: 2, ..Config::default() }, 0, 1_000));
    let mut simulator = Simulator::new(&config, 0).unwrap();
    simulator.write_lines(5_000, &mut Vec::new());
    let mut copy = simulator.clone();
    let (mut one, mut other) = (Vec::new(), Vec::new());
    simulator.write_lines(1_000, &mut one);
    copy.write_lines(1_000, &mut other);
    assert!(one == other);
}

#[test]
fn bounds_are_kept_below_at_and_above() {
    for (count, lanes) in [(0, 1), (1, 1), (1_000, 3), (2, 3)] {
        let config = Config { bound: Bound::Records(count), lanes, ..Config::default() };
        let mut sum = 0;
        for lane in 0..lanes {
            let mut simulator = Simulator::new(&config, lane).unwrap();
            sum += simulator.write_lines(usize::MAX, &mut Vec::new());
            assert!(simulator.is_finished());
            assert_eq!(simulator.next_due(), None);
            assert_eq!(simulator.write_lines(1, &mut Vec::new()), 0);
        }
        assert_eq!(sum as u64, count);
    }
    let minute = Config { bound: Bound::Duration(Micros::MINUTE), ..Config::default() };
    let mut simulator = Simulator::new(&minute, 0).unwrap();
    let (mut batch, mut slab) = (Batch::default(), Vec::new());
    let count = simulator.next_batch(usize::MAX, &mut batch, &mut slab);
    assert!(simulator.is_finished());
    assert_eq!((simulator.next_due(), simulator.next_batch(1, &mut batch, &mut slab)), (None, 0));
    // A Thursday's first minute: 0.7 of the mean in the hour before and after midnight, 0.97 of the week's.
    assert!((38_000..48_000).contains(&count), "{count}");
    let last = minute.start + Micros::MINUTE;
    assert!(batch.events.iter().all(|event| minute.start <= event.time && event.time < last));
    // Nothing that was held back is lost.
    let late = simulator.header(engine_model::PartitionId(0));
    assert_eq!(late.first_offset, count as u64);
}
