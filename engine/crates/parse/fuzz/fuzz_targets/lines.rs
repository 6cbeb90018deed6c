//! Arbitrary bytes as a slab of lines: parsers that have learned shapes and those that have not, with the vectors of every
//! kind of machine, must make the same batch of them as [`engine_parse::parse`], which looks at one byte after another;
//! and that must take for JSON what `serde_json` takes for JSON.
//!
//! From `engine/crates/parse`, with `cargo install cargo-fuzz` and a nightly compiler:
//!
//! ```text
//! cargo run --manifest-path fuzz/Cargo.toml --example seeds
//! cargo +nightly fuzz run lines -- -max_len=4096 -max_total_time=300
//! ```

#![no_main]

use engine_model::{Batch, Currency, Event, EventTime, Reason, Rejection, Text};
use engine_parse::{LINE_BYTES_MAX, Parser, Rules, Slab, parse};
use libfuzzer_sys::fuzz_target;
use serde_json::value::RawValue;

/// 2026-01-02T00:00:00Z: the seeds have times around it.
const RULES: Rules = Rules { currency: Currency::USD, time_max: EventTime::from_micros(1_767_312_000_000_000) };

/// What the parsers have learned before the bytes come.
const LEARNED: &str = concat!(
    r#"{"event_id":"00112233-4455-6677-8899-aabbccddeeff","event_type":"click","event_time":"2026-01-01T00:00:00.000000Z","session_id":"s1","customer_id":null,"action":"view","product_id":"p1"}"#,
    "\n",
    r#"{"event_id":"e","event_type":"order","event_time":1767225600000,"customer_id":"c1","order_id":"o1","currency":"USD","total":"25.50","items":[{"product_id":"p1","quantity":2,"unit_price":10.5,"category":"toys"}],"x":-1.5e3}"#,
    "\n",
);

fuzz_target!(|bytes: &[u8]| {
    let whole = slab(bytes);
    let expected = batch_of(whole, usize::MAX, |slab, most, batch| parse(slab, &RULES, most, batch));
    for event in &expected.events {
        check_syntax(bytes, event.line_start, event.line_len, None);
    }
    for line in &expected.rejected {
        assert_eq!(line.rejection.reason == Reason::TooLarge, line.length > LINE_BYTES_MAX as u64);
        if line.rejection.reason != Reason::TooLarge {
            check_syntax(bytes, line.line.start, line.line.len, Some(line.rejection));
        }
    }
    let (speculating, general) = Parser::of_every_kind();
    for mut parser in speculating.into_iter().chain(general) {
        let mut read = |slab: Slab<'_>, most: usize, batch: &mut Batch| parser.parse(slab, &RULES, most, batch);
        batch_of(slab(LEARNED.as_bytes()), usize::MAX, &mut read);
        // The second time with the shapes of the first, and the third record by record.
        for most in [usize::MAX, usize::MAX, 1] {
            assert_same(&batch_of(whole, most, &mut read), &expected);
        }
    }
});

fn slab(bytes: &[u8]) -> Slab<'_> {
    Slab { bytes, offset: 0, oversized: None }
}

/// All records of `slab`, read in calls of at most `most`.
fn batch_of(slab: Slab<'_>, most: usize, mut parse: impl FnMut(Slab<'_>, usize, &mut Batch) -> usize) -> Batch {
    let mut batch = Batch::default();
    let mut start = 0;
    loop {
        let rest = Slab { bytes: &slab.bytes[start..], offset: slab.offset + start as u64, oversized: None };
        let before = batch.record_count();
        let (events, rejected) = (batch.events.len(), batch.rejected.len());
        start += parse(rest, before.saturating_add(most), &mut batch);
        // Lines are told by their place in the slab of the call.
        let shift = rest.offset as u32;
        batch.events[events..].iter_mut().for_each(|event| event.line_start += shift);
        batch.rejected[rejected..].iter_mut().for_each(|line| line.line.start += shift);
        if batch.record_count() == before {
            assert_eq!(start, slab.bytes.len(), "bytes left");
            return batch;
        }
    }
}

/// A line is JSON, or is none, to us as to `serde_json`.
fn check_syntax(bytes: &[u8], start: u32, len: u32, rejection: Option<Rejection>) {
    let line = &bytes[start as usize..][..len as usize];
    let ours = match rejection {
        Some(Rejection { reason: reason @ (Reason::InvalidUtf8 | Reason::NotAnObject), .. }) => Some(reason),
        // With a field it is a string of a sound form that is no Unicode.
        Some(Rejection { reason: reason @ Reason::MalformedJson, field: None, .. }) => Some(reason),
        _ => None,
    };
    assert_eq!(ours, theirs(line), "{rejection:?} {}", String::from_utf8_lossy(line));
}

fn theirs(line: &[u8]) -> Option<Reason> {
    let Ok(text) = std::str::from_utf8(line) else { return Some(Reason::InvalidUtf8) };
    let Ok(raw) = serde_json::from_str::<&RawValue>(text) else { return Some(Reason::MalformedJson) };
    let is_object = raw.get().starts_with('{');
    // The record itself is no level of nesting.
    if depth(raw.get()) > 128 + usize::from(is_object) {
        return Some(Reason::MalformedJson);
    }
    (!is_object).then_some(Reason::NotAnObject)
}

/// How many brackets of a JSON text are open at most.
fn depth(json: &str) -> usize {
    let (mut open, mut most, mut in_string, mut is_escaped) = (0, 0, false, false);
    for byte in json.bytes() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => open += 1,
            b']' | b'}' if !in_string => open -= 1,
            _ => {}
        }
        most = most.max(open);
    }
    most
}

/// Everything two batches say.
fn assert_same(batch: &Batch, expected: &Batch) {
    assert_eq!(batch.rejected, expected.rejected);
    assert_eq!(batch.events.len(), expected.events.len());
    assert_eq!(batch.items.len(), expected.items.len());
    assert_eq!(batch.texts.len(), expected.texts.len());
    assert_eq!(batch.arena.len(), expected.arena.len());
    let same = |text: Text, other: Text| {
        assert!(text.equals(&batch.arena, &other, &expected.arena), "{text:?} {other:?}");
        assert_eq!((text.hash(), text.is_absent()), (other.hash(), other.is_absent()));
    };
    let plain = |event: &Event| {
        let place = (event.offset, event.line_start, event.line_len, event.extras());
        (event.kind, event.time, event.amount, place)
    };
    for (event, other) in batch.events.iter().zip(&expected.events) {
        assert_eq!(plain(event), plain(other));
        same(event.event_id(), other.event_id());
        same(event.session(), other.session());
        same(event.customer(), other.customer());
        same(event.subject(), other.subject());
    }
    for (item, other) in batch.items.iter().zip(&expected.items) {
        assert_eq!((item.quantity, item.unit_price), (other.quantity, other.unit_price));
        same(item.product, other.product);
        same(item.category, other.category);
    }
    for (&text, &other) in batch.texts.iter().zip(&expected.texts) {
        same(text, other);
    }
}
