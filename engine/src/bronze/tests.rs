//! Goal: lines are kept in their order, byte for byte, each in the folder of the day that was being observed.
//! Method: lines are parsed and judged by hand, and what would be sent is looked at.

use engine_model::{Currency, Rows, Semantics};
use engine_parse::{Rules, Slab, parse};
use engine_window::{Arrival, Progress};

use super::*;

const RECEIVED: EventTime = EventTime::from_micros(42);

fn click(second: i64) -> String {
    let time = EventTime::from_micros((20_454 * 86_400 + second) * 1_000_000);
    format!(
        r#"{{"event_type":"click","event_id":"e{second}","event_time":"{time}","session_id":"s","action":"checkout"}}"#
    )
}

/// The day and the rows of each part that is sent for lines read in batches of so many.
fn kept(lines: &[&str], batch_len: usize) -> Vec<(Option<i64>, Rows)> {
    let semantics = Semantics::default();
    let text = lines.join("\n") + "\n";
    let names = SourceNames(vec![("shop".to_owned(), 0)]);
    let mut keeper = LineKeeper::new(semantics.base());
    let mut progress = Progress::new(PartitionId(0), &semantics);
    let rules = Rules { currency: Currency::USD, time_max: EventTime::EVENT_MAX };
    let (mut at, mut quality) = (0, Vec::new());
    while at < text.len() {
        let mut batch = Batch::default();
        let slab = Slab { bytes: &text.as_bytes()[at..], offset: at as u64, oversized: None };
        at += parse(slab, &rules, batch_len, &mut batch);
        progress.judge(&mut batch, Arrival::REPLAY, &mut quality);
        keeper.keep(&batch, slab.bytes, &names, RECEIVED);
    }
    let (mut tx, mut rx) = rtrb::RingBuffer::new(16);
    keeper.send(&mut tx, true).unwrap();
    std::iter::from_fn(move || match rx.pop().ok()? {
        Report::Kept { layer: Layer::Bronze, day, rows } => Some((day, rows)),
        other => panic!("{other:?}"),
    })
    .collect()
}

#[test]
fn lines_go_to_the_day_being_observed_in_batches_of_any_size() {
    let (first, second, late) = (click(86_395), click(86_401), click(86_390));
    let lines = ["no event told the time yet", &first, "{}", &second, "[]", &late, "[1]"];
    for batch_len in [1, 2, 100] {
        let parts = kept(&lines, batch_len);
        let days: Vec<Option<i64>> = parts.iter().map(|(day, _)| *day).collect();
        assert_eq!(days, [None, Some(20_454), Some(20_455)], "{batch_len} records a batch");
        let counts: Vec<usize> = parts.iter().map(|(_, rows)| rows.len()).collect();
        assert_eq!(counts, [1, 2, 4], "{batch_len} records a batch");
    }
}

#[test]
fn a_row_is_the_line_without_its_end_and_where_and_when_it_was_read() {
    let first = click(0);
    let [(Some(20_454), rows)] = &kept(&[&first, "", "\t{\"a\": 1} \r"], 100)[..] else { panic!("one day") };
    let row = |row: usize| (0..5).map(|column| rows.cell(row, column)).collect::<Vec<_>>();
    let place = |offset: usize| {
        let offset = i64::try_from(offset).unwrap();
        [Cell::Text("shop"), Cell::Int32(0), Cell::Int64(offset), Cell::Timestamp(RECEIVED)]
    };
    assert_eq!(row(0), [&[Cell::Bytes(first.as_bytes())][..], &place(0)].concat());
    assert_eq!(row(1), [&[Cell::Bytes(b"\t{\"a\": 1} ")][..], &place(first.len() + 2)].concat());
    assert_eq!(rows.len(), 2);
}

#[test]
#[should_panic(expected = "event at offset 7 came without its line; bronze keeps lines")]
fn an_event_without_its_line_is_refused() {
    let semantics = Semantics::default();
    let mut batch = Batch::default();
    let id = engine_model::Text::in_place(b"e").unwrap();
    let mut event = engine_model::Event::new(engine_model::EventKind::Checkout, EventTime::EPOCH, id);
    event.offset = 7;
    batch.events.push(event);
    LineKeeper::new(semantics.base()).keep(&batch, b"", &SourceNames(Vec::new()), RECEIVED);
}
