//! The parser that learns shapes against the general path.
//!
//! Goal: the same events, rejections and places, whatever was learned before. Method: one parser for each way to run sees
//! lines of the simulator, lines that `generate` thinks of, and every kind of damage to lines whose shape it knows, in
//! slabs cut anywhere; after each slab its batch is compared with that of `parse`, field by field. The shapes are really
//! used: nearly all clean lines must go the fast path.

use proptest::collection::vec;
use proptest::prelude::*;
use sim::{Bound, Shares, Simulator};

use super::{Plain, RULES, click, customer, generate, order, payment, plain, product};
use crate::{Batch, Parser, Rules, Slab, parse};

/// Everything a batch says of its records.
#[derive(Debug, PartialEq)]
struct Said {
    consumed: usize,
    events: Vec<(Plain, u64, u32, u32)>,
    rejected: Vec<engine_model::RejectedLine>,
    items: usize,
    texts: usize,
}

fn said(consumed: usize, batch: &Batch) -> Said {
    let event = |event| plain(batch, event);
    Said {
        consumed,
        events: batch.events.iter().map(|e| (event(e), e.offset, e.line_start, e.line_len)).collect(),
        rejected: batch.rejected.clone(),
        items: batch.items.len(),
        texts: batch.texts.len(),
    }
}

fn parsers() -> Vec<Parser> {
    Parser::of_every_kind().0
}

/// Gives `slab` to the general path and to every parser, at most `record_max` records at a time.
fn check(parsers: &mut [Parser], slab: &[u8], rules: &Rules, record_max: usize) {
    let mut start = 0;
    while start < slab.len() {
        let rest = Slab { bytes: &slab[start..], offset: start as u64, oversized: None };
        let mut batch = Batch::default();
        let consumed = parse(rest, rules, record_max, &mut batch);
        let expected = said(consumed, &batch);
        for parser in &mut *parsers {
            let mut batch = Batch::default();
            let consumed = parser.parse(rest, rules, record_max, &mut batch);
            let got = said(consumed, &batch);
            assert_eq!(got, expected, "{} in {}", parser.fast_lines(), String::from_utf8_lossy(&slab[start..]));
        }
        start += consumed;
    }
}

/// Lines of the simulator with more faults than usual.
fn simulated(seed: u64, records: u64, shares: Shares) -> Vec<u8> {
    let config = sim::Config { seed, rate: 500.0, bound: Bound::Records(records), shares, ..sim::Config::default() };
    let mut lines = Vec::new();
    Simulator::new(&config, 0).unwrap().write_lines(usize::MAX, &mut lines);
    lines
}

const FAULTY: Shares = Shares { duplicates: 0.05, delayed: 0.05, late: 0.05, malformed: 0.2 };

#[test]
fn simulated_lines_are_read_alike_and_clean_ones_nearly_all_by_their_shapes() {
    let rules = Rules { time_max: engine_model::EventTime::EVENT_MAX, ..RULES };
    for (seed, record_max) in [(1, usize::MAX), (2, 7), (3, 512)] {
        check(&mut parsers(), &simulated(seed, 6_000, FAULTY), &rules, record_max);
        let mut parsers = parsers();
        check(&mut parsers, &simulated(seed, 20_000, Shares::NONE), &rules, 512);
        for parser in parsers {
            let (fast, general) = (parser.fast_lines(), parser.general_lines());
            assert!(fast > 50 * general, "{fast} lines by shape, {general} not");
        }
    }
}

/// One line of each kind, in several shapes.
fn samples() -> Vec<String> {
    let action = |action| click().with("action", action).line();
    let mut lines = vec![action(r#""view""#), action(r#""add_to_cart""#), action(r#""checkout""#)];
    lines.push(click().with("action", r#""checkout""#).without("product_id").line());
    lines.push(click().with("customer_id", "null").with("extra", r#""x""#).with("more", "-1.5e3").line());
    lines.push(click().with("event_time", "1767225599000").with("event_id", r#""short""#).line());
    let uuid = r#""66b78323-a0fb-4e92-b7c6-47d6037aabf7""#;
    lines.push(click().with("event_id", uuid).with("event_time", r#""2025-12-31T23:59:58.123456Z""#).line());
    lines.extend([order().line(), payment().line(), customer().line(), product().line()]);
    lines.push(payment().with("status", r#""succeeded""#).without("failure_reason").line());
    lines.push(product().with("price", r#""0012.50""#).with("name", r#""Café ☕""#).line());
    let items = r#"[{"product_id":"p1","quantity":1,"unit_price":5},{"product_id":"p2","quantity":20,"unit_price":"0.5","category":"c"},{"product_id":"p1","quantity":1,"unit_price":5.25}]"#;
    lines.push(order().with("items", items).line());
    lines.push(order().with("items", "[ ]").line());
    // Of a repeated name the last counts, whatever the first one is.
    lines.push(order().line().replacen('{', r#"{"items":7,"total":"x","#, 1));
    lines
}

#[test]
fn every_byte_of_a_known_line_may_be_any_other() {
    let samples = samples();
    let mut parsers = parsers();
    let learned = samples.join("\n") + "\n";
    check(&mut parsers, learned.as_bytes(), &RULES, usize::MAX);
    check(&mut parsers, learned.as_bytes(), &RULES, usize::MAX);
    let mut fast: u64 = 0;
    for sample in &samples {
        for place in 0..sample.len() {
            for byte in
                [b'"', b'\\', b'\n', b'\r', b'\t', 0, 0x1F, 0x7F, 0x80, 0xC3, 0xFF, b'0', b'9', b'a', b'}', b',', b' ']
            {
                let mut line = sample.clone().into_bytes();
                line[place] = byte;
                line.push(b'\n');
                // What follows must not be touched by what went wrong before.
                for _ in 0..2 {
                    line.extend_from_slice(samples[0].as_bytes());
                    line.push(b'\n');
                }
                check(&mut parsers, &line, &RULES, usize::MAX);
            }
            // Without the byte, with one more, and cut there.
            let (left, right) = sample.as_bytes().split_at(place);
            check(&mut parsers, &[left, &right[1..], b"\n"].concat(), &RULES, usize::MAX);
            check(&mut parsers, &[left, b"0", right, b"\r\n"].concat(), &RULES, usize::MAX);
            check(&mut parsers, &[left, b"\n", right, b"\n"].concat(), &RULES, usize::MAX);
            check(&mut parsers, left, &RULES, usize::MAX);
        }
        fast = parsers[0].fast_lines();
    }
    assert!(fast > 10_000, "only {fast} lines were read by their shapes: this shows nothing");
}

#[test]
fn values_at_the_edges_of_their_rules_are_judged_alike() {
    let mut parsers = parsers();
    let mut slab = String::new();
    let mut add = |members: super::Members| slab += &(members.line() + "\n");
    for len in [0, 1, 15, 16, 17, 31, 32, 33, 63, 64, 65, 199, 200, 201] {
        let text = format!("\"{}\"", "x".repeat(len));
        for field in ["event_id", "session_id", "customer_id", "product_id"] {
            add(click().with(field, &text));
        }
        for field in ["method", "payment_id", "failure_reason"] {
            add(payment().with(field, &text));
        }
        add(product().with("name", &text));
        add(customer().with("segment", &text));
        add(click().with("unknown", &text));
    }
    for money in [
        "0",
        "00",
        "0.",
        "0.5",
        "0.50",
        "0.505",
        "01.5",
        "9999999999.99",
        "10000000000",
        "-1",
        "1e2",
        "1.5e0",
        "1.",
        ".5",
    ] {
        add(payment().with("amount", money));
        add(payment().with("amount", &format!("\"{money}\"")));
    }
    for quantity in ["0", "1", "01", "10000", "10001", "100000", "1.0", "\"1\"", "-1"] {
        add(order().with("items", &format!(r#"[{{"product_id":"p","quantity":{quantity},"unit_price":1}}]"#)));
    }
    for count in [0, 1, 99, 100, 101] {
        let item = r#"{"product_id":"p","quantity":1,"unit_price":1}"#;
        add(order().with("items", &format!("[{}]", vec![item; count].join(","))));
    }
    for time in [
        "1970-01-01T00:00:00.000000Z",
        "1969-12-31T23:59:59.999999Z",
        "2026-01-01T00:00:00.000000Z",
        "2026-01-01T00:00:00.000001Z",
        "2025-12-31T23:59:59.999999Z",
        "2025-12-31T23:59:60.000000Z",
        "2025-12-31T23:59:61.000000Z",
        "2025-12-31T23:59:5x.000000Z",
        "2025-12-31T23:59:58.00000xZ",
        "2025-12-31T23:59:58,000000Z",
        "2025-12-31T23:59:58.000000z",
        "2025-12-31T23:59:58.0000000Z",
        "2025-12-31T23:59:58Z",
        "2025-12-31T23:59:58+01:00",
        "2025-12-31 23:59:58.000000Z",
    ] {
        add(click().with("event_time", &format!("\"{time}\"")));
    }
    for millis in ["0", "1767225600000", "1767225600001", "01", "99999999999999999999", "999999999999999999999", "-1"] {
        add(click().with("event_time", millis));
    }
    for currency in ["USD", "EUR", "usd", "USDX"] {
        add(payment().with("currency", &format!("\"{currency}\"")));
    }
    for _ in 0..3 {
        check(&mut parsers, slab.as_bytes(), &RULES, usize::MAX);
    }
    let other = Rules { currency: "EUR".parse().unwrap(), ..RULES };
    check(&mut parsers, slab.as_bytes(), &other, usize::MAX);
    check(&mut parsers, slab.as_bytes(), &RULES, 3);
}

proptest! {
    #[test]
    fn whatever_comes_in_whatever_slabs_is_read_alike(
        lines in vec((generate::arb_line(), 0usize..15, 0u8..4), 1..60),
        cuts in vec(1usize..40, 1..8),
        record_max in prop_oneof![Just(usize::MAX), 1usize..9],
    ) {
        let samples = samples();
        let mut parsers = parsers();
        let mut slab = Vec::new();
        let mut cuts = cuts.into_iter().cycle();
        let mut left = 1;
        for (line, sample, choice) in lines {
            slab.extend_from_slice(if choice == 0 { samples[sample % samples.len()].as_bytes() } else { &line });
            slab.extend_from_slice(if choice == 1 { b"\r\n" } else { b"\n" });
            left -= 1;
            if left == 0 {
                check(&mut parsers, &slab, &RULES, record_max);
                slab.clear();
                left = cuts.next().unwrap();
            }
        }
        check(&mut parsers, &slab, &RULES, record_max);
    }
}
