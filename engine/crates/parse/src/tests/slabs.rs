//! Lines, slabs and batches: where records begin and end, what a call consumes, and that nothing of a rejected record
//! stays.

use engine_model::{Batch, EventTime, Line, Reason, RejectedLine, Rejection};
use proptest::collection::vec;
use proptest::prelude::*;

use super::{Plain, RULES, Refusal, assert_holds_nothing, click, generate, order, parse_all, payment, plain, product};
use crate::{LINE_BYTES_MAX, Slab, parse};

fn slab(bytes: &[u8]) -> Slab<'_> {
    Slab { bytes, offset: 0, oversized: None }
}

/// The records of a batch in their order: offset, length, and what they say.
fn records(batch: &Batch) -> Vec<(u64, u64, Result<Plain, Refusal>)> {
    let mut records = vec![];
    let mut rejected = batch.rejected.iter().peekable();
    for count in 0..=batch.events.len() {
        while let Some(line) = rejected.next_if(|line| line.events_before as usize == count) {
            let Rejection { reason, field, .. } = line.rejection;
            records.push((line.offset, line.length, Err((reason, field))));
        }
        if let Some(event) = batch.events.get(count) {
            records.push((event.offset, u64::from(event.line_len), Ok(plain(batch, event))));
        }
    }
    assert_eq!(records.len(), batch.record_count());
    records
}

#[test]
fn a_line_ends_with_a_newline_and_at_most_one_return_before_it() {
    let lines = |bytes: &[u8]| -> Vec<(u32, u32)> {
        parse_all(bytes, &RULES).rejected.iter().map(|rejected| (rejected.line.start, rejected.line.len)).collect()
    };
    assert_eq!(lines(b"a\nbb\r\nccc"), [(0, 1), (2, 2), (6, 3)]);
    assert_eq!(lines(b"a\r\r\nb\r"), [(0, 2), (4, 2)]);
    assert_eq!(lines(b"\n\r\n \t\r\n\t\nx\n\n"), [(9, 1)]);
    // A return is no space or tab: such a line is a record, if a poor one.
    assert_eq!(lines(b"\r\r\n"), [(0, 1)]);
    assert_eq!(lines(b"\r"), [(0, 1)]);
    assert_eq!(lines(b" \r \n"), [(0, 3)]);
    assert!(lines(b"").is_empty() && lines(b"  ").is_empty());
}

#[test]
fn events_and_rejected_lines_know_their_place() {
    let good = click().line();
    let bytes = format!("  \n{good}\r\nbad\n\n{good}\nworse");
    let mut batch = Batch::default();
    let consumed = parse(Slab { bytes: bytes.as_bytes(), offset: 1_000, oversized: None }, &RULES, 10, &mut batch);
    assert_eq!(consumed, bytes.len());
    let length = u32::try_from(good.len()).unwrap();
    let places: Vec<_> = batch.events.iter().map(|event| (event.offset, event.line_start, event.line_len)).collect();
    let second = 3 + length + 2 + 4 + 1;
    assert_eq!(places, [(1_003, 3, length), (1_000 + u64::from(second), second, length)]);
    let malformed = Rejection { reason: Reason::MalformedJson, field: None, at: Some(0) };
    let rejected = |start: u32, len: u32, events_before| RejectedLine {
        rejection: malformed,
        line: Line { start, len },
        length: u64::from(len),
        offset: 1_000 + u64::from(start),
        events_before,
    };
    assert_eq!(batch.rejected, [rejected(length + 5, 3, 1), rejected(second + length + 1, 5, 2)]);
    assert_eq!(batch.header, engine_model::BatchHeader::default());
}

#[test]
fn a_call_stops_behind_the_last_record_it_may_read() {
    let good = click().line();
    let bytes = format!("\n{good}\nbad\n\n{good}\n\n");
    let first = good.len() + 2;
    for (record_max, consumed, records) in [
        (0, 0, 0),
        (1, first, 1),
        (2, first + 4, 2),
        (3, bytes.len() - 1, 3),
        (4, bytes.len(), 3),
        (usize::MAX, bytes.len(), 3),
    ] {
        let mut batch = Batch::default();
        assert_eq!(parse(slab(bytes.as_bytes()), &RULES, record_max, &mut batch), consumed);
        assert_eq!(batch.record_count(), records);
        // What the batch already holds counts.
        assert_eq!(parse(slab(bytes.as_bytes()), &RULES, records, &mut batch), 0);
        assert_eq!(batch.record_count(), records);
    }
}

#[test]
fn a_line_that_is_too_large_keeps_its_first_65_536_bytes_and_its_length() {
    let too_large = |start: u32, length| RejectedLine {
        rejection: Rejection { reason: Reason::TooLarge, field: None, at: None },
        line: Line { start, len: 65_536 },
        length,
        offset: u64::from(start),
        events_before: 0,
    };
    // Whole in the slab, with either end, and followed by another line.
    let long = "x".repeat(LINE_BYTES_MAX + 1);
    let batch = parse_all(format!("a\n{long}\r\n{long}y\n{long}\r").as_bytes(), &RULES);
    assert_eq!(batch.rejected[1], too_large(2, 65_537));
    assert_eq!(batch.rejected[2], too_large(65_541, 65_538));
    assert_eq!(batch.rejected[3], too_large(131_080, 65_538));
    // Cut by the source; it may look blank, or like the end of a pair.
    for filler in ["x", " ", "\r"] {
        let bytes = format!("a\n{}", filler.repeat(LINE_BYTES_MAX));
        let slab = Slab { bytes: bytes.as_bytes(), offset: 0, oversized: Some(1_000_000_000_000) };
        let mut batch = Batch::default();
        assert_eq!(parse(slab, &RULES, 1, &mut batch), 2);
        assert_eq!(batch.rejected[0].rejection.reason, Reason::MalformedJson);
        assert_eq!(parse(slab, &RULES, 9, &mut Batch::default()), bytes.len());
        let rest = Slab { bytes: &slab.bytes[2..], ..slab };
        let mut batch = Batch::default();
        assert_eq!(parse(rest, &RULES, 9, &mut batch), LINE_BYTES_MAX);
        assert_eq!(batch.rejected, [too_large(0, 1_000_000_000_000)]);
    }
    // The line's end does not count.
    for end in ["\n", "\r\n", ""] {
        let batch = parse_all(format!("{}{end}", "x".repeat(LINE_BYTES_MAX)).as_bytes(), &RULES);
        assert_eq!(batch.rejected[0].rejection.reason, Reason::MalformedJson);
    }
}

#[test]
fn nothing_of_a_rejected_record_stays_in_the_batch() {
    let long = format!("\"{}\"", "x".repeat(60));
    let good = order().with("event_id", &long).line();
    let item = r#"{"product_id":"seventeen bytes at least","quantity":1,"unit_price":1}"#;
    let bad = [
        click().with("event_id", &long).with("session_id", &long).without("product_id"),
        order().with("event_id", &long).with("items", &format!("[{item},{item},{{}}]")),
        order().with("items", &format!("[{}]", [item; 101].join(","))),
        payment().with("payment_id", &long).with("failure_reason", "1"),
        product().with("name", &long).with("category", &long).with("price", "-1"),
    ];
    for bad in &bad {
        assert_holds_nothing(&parse_all(bad.line().as_bytes(), &RULES));
    }
    // The same between good ones: as if the bad had not been there.
    let bad: Vec<String> = bad.iter().map(super::Members::line).collect();
    let mixed = parse_all(format!("{good}\n{}\n{good}", bad.join("\n")).as_bytes(), &RULES);
    let alone = parse_all(format!("{good}\n{good}").as_bytes(), &RULES);
    assert_eq!((mixed.events.len(), mixed.rejected.len()), (2, bad.len()));
    assert!(mixed.rejected.iter().all(|line| line.events_before == 1));
    assert_eq!((mixed.items.len(), mixed.texts.len()), (alone.items.len(), alone.texts.len()));
    assert_eq!(mixed.arena, alone.arena);
    assert_eq!(plain(&mixed, &mixed.events[1]), plain(&alone, &alone.events[1]));
}

#[test]
fn a_batch_used_again_reads_the_same() {
    let bytes = format!("{}\nx\n{}\n{}", order().line(), payment().line(), click().line());
    let mut batch = Batch::default();
    parse(slab(bytes.as_bytes()), &RULES, usize::MAX, &mut batch);
    let first = records(&batch);
    batch.reset(engine_model::BatchHeader { max_before: EventTime::EPOCH, ..Default::default() });
    let header = batch.header;
    parse(slab(bytes.as_bytes()), &RULES, usize::MAX, &mut batch);
    assert_eq!(records(&batch), first);
    assert_eq!(batch.header, header);
}

/// A few lines with their ends; the last may lack its own.
fn arb_lines() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let line = prop_oneof![6 => generate::arb_line(), 1 => Just(vec![]), 1 => Just(b" \t".to_vec())];
    let lines = vec((line, any::<bool>()), 0..8);
    (lines, any::<bool>()).prop_map(|(lines, is_ended)| {
        let mut lines: Vec<Vec<u8>> = lines
            .into_iter()
            .map(|(line, has_return)| [line.as_slice(), if has_return { b"\r\n" } else { b"\n" }].concat())
            .collect();
        if let (Some(last), false) = (lines.last_mut(), is_ended) {
            last.pop();
        }
        lines
    })
}

proptest! {
    #[test]
    fn cuts_between_lines_and_limits_of_records_change_nothing(
        lines in arb_lines(),
        cuts in any::<u8>(),
        record_max in 1..4usize,
        base in 0..1u64 << 40,
    ) {
        let bytes = lines.concat();
        let mut whole = Batch::default();
        let slab = Slab { bytes: &bytes, offset: base, oversized: None };
        prop_assert_eq!(parse(slab, &RULES, usize::MAX, &mut whole), bytes.len());

        let mut in_parts = vec![];
        let mut offset = base;
        let mut part = vec![];
        for (index, line) in lines.iter().enumerate() {
            part.extend_from_slice(line);
            if cuts >> index & 1 == 1 || index + 1 == lines.len() {
                let mut start = 0;
                while start < part.len() {
                    let mut batch = Batch::default();
                    let rest = Slab { bytes: &part[start..], offset: offset + start as u64, oversized: None };
                    let consumed = parse(rest, &RULES, record_max, &mut batch);
                    prop_assert!(consumed > 0 && batch.record_count() <= record_max);
                    for event in &batch.events {
                        prop_assert_eq!(event.offset, rest.offset + u64::from(event.line_start));
                    }
                    in_parts.extend(records(&batch));
                    start += consumed;
                }
                offset += part.len() as u64;
                part.clear();
            }
        }
        prop_assert_eq!(in_parts, records(&whole));
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in vec(any::<u8>(), 0..300), oversized in prop::option::of(65_537..u64::MAX)) {
        let mut batch = Batch::default();
        let slab = Slab { bytes: &bytes, offset: 0, oversized };
        prop_assert_eq!(parse(slab, &RULES, usize::MAX, &mut batch), bytes.len());
    }

    #[test]
    fn no_tokens_make_it_panic(tokens in vec(prop::sample::select(TOKENS), 0..40)) {
        let bytes = tokens.concat();
        let mut batch = Batch::default();
        prop_assert_eq!(parse(slab(bytes.as_bytes()), &RULES, usize::MAX, &mut batch), bytes.len());
    }
}

const TOKENS: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "\"",
    "\\",
    "\\u",
    "\\ud83d",
    "null",
    "1",
    "-",
    "e",
    ".",
    " ",
    "\n",
    "\r",
    "\"items\":",
    "\"event_type\":",
    "\"order\"",
    "\"click\"",
    "\"event_time\":",
    "é",
];
