//! The parser that speculates against the one that does not: the same events, items, texts, rejections and bytes
//! consumed, whatever was learned before, with the vectors of every kind of machine.

use engine_model::{Batch, Currency, Event, EventTime, Reason, RejectedLine, Rejection, Text};
use proptest::collection::vec;
use proptest::prelude::*;
use sim::{Bound, Config, Shares, Simulator};

use super::{Members, NOW, Plain, RULES, Refusal, click, customer, generate, order, payment, plain, product};
use crate::{LINE_BYTES_MAX, Parser, Rules, Slab, parse};

/// For each kind of vectors a parser that speculates and one that does not.
struct Parsers {
    speculating: Vec<Parser>,
    general: Vec<Parser>,
}

impl Parsers {
    fn new() -> Parsers {
        let (speculating, general) = Parser::of_every_kind();
        Parsers { speculating, general }
    }

    /// Parsers that have learned the lines of `templates`.
    fn primed(templates: &[String]) -> Parsers {
        let mut parsers = Parsers::new();
        let lines: String = templates.join("\n") + "\n";
        parsers.check(slab(lines.as_bytes()), &RULES, usize::MAX);
        parsers
    }

    /// Parses one slab with all and the slow twin; returns the bytes consumed.
    fn check(&mut self, slab: Slab<'_>, rules: &Rules, record_max: usize) -> usize {
        let mut expected = Batch::default();
        let consumed = parse(slab, rules, record_max, &mut expected);
        for (index, parser) in self.speculating.iter_mut().chain(&mut self.general).enumerate() {
            let mut batch = Batch::default();
            let before = parser.fast_lines() + parser.general_lines();
            let careful_before = parser.careful_lines();
            assert_eq!(parser.parse(slab, rules, record_max, &mut batch), consumed, "parser {index} {}", show(slab));
            assert_same(&batch, &expected, || format!("parser {index} {}", show(slab)));
            let lines = parser.fast_lines() + parser.general_lines() - before;
            assert_eq!(lines, batch.record_count() as u64);
            // A fault of the index of tokens would only make it slow: then it must not be used where it should be.
            let careful = parser.careful_lines() - careful_before;
            assert_eq!(
                careful,
                batch.rejected.iter().filter(|line| is_no_object(line)).count() as u64,
                "{}",
                show(slab)
            );
        }
        consumed
    }

    fn fast_lines(&self) -> Vec<u64> {
        assert!(self.general.iter().all(|parser| parser.fast_lines() == 0));
        self.speculating.iter().map(Parser::fast_lines).collect()
    }
}

/// Whether it takes a look at each byte to say what is wrong with a line.
fn is_no_object(line: &RejectedLine) -> bool {
    match line.rejection.reason {
        Reason::TooLarge | Reason::InvalidUtf8 | Reason::NotAnObject => true,
        // With a field it is a string of a sound form that is no Unicode.
        Reason::MalformedJson => line.rejection.field.is_none(),
        Reason::MissingField
        | Reason::InvalidField
        | Reason::UnknownEventType
        | Reason::CurrencyMismatch
        | Reason::FutureEventTime => false,
    }
}

fn show(slab: Slab<'_>) -> String {
    String::from_utf8_lossy(&slab.bytes[..slab.bytes.len().min(2_000)]).into_owned()
}

fn slab(bytes: &[u8]) -> Slab<'_> {
    Slab { bytes, offset: 0, oversized: None }
}

/// Every field of both batches; texts by their bytes, the arena not by its layout.
fn assert_same(batch: &Batch, expected: &Batch, context: impl Fn() -> String) {
    assert_eq!(batch.rejected, expected.rejected, "{}", context());
    assert_eq!(batch.events.len(), expected.events.len(), "{}", context());
    assert_eq!(batch.items.len(), expected.items.len(), "{}", context());
    assert_eq!(batch.texts.len(), expected.texts.len(), "{}", context());
    assert_eq!(batch.arena.len(), expected.arena.len(), "{}", context());
    let same = |text: Text, other: Text| {
        let is_same = text.equals(&batch.arena, &other, &expected.arena);
        assert!(is_same && text.hash() == other.hash(), "{text:?} {other:?} {}", context());
        assert_eq!(text.bytes(&batch.arena, &mut [0; 36]), other.bytes(&expected.arena, &mut [0; 36]), "{}", context());
    };
    let rest = |event: &Event| {
        let place = (event.offset, event.line_start, event.line_len, event.extras());
        (event.kind, event.time, event.amount, event.watermark, event.observed, event.judgement, place)
    };
    for (event, other) in batch.events.iter().zip(&expected.events) {
        assert_eq!(rest(event), rest(other), "{}", context());
        same(event.event_id(), other.event_id());
        same(event.session(), other.session());
        same(event.customer(), other.customer());
        same(event.subject(), other.subject());
    }
    for (item, other) in batch.items.iter().zip(&expected.items) {
        same(item.product, other.product);
        same(item.category, other.category);
        assert_eq!((item.quantity, item.unit_price), (other.quantity, other.unit_price), "{}", context());
    }
    for (&text, &other) in batch.texts.iter().zip(&expected.texts) {
        same(text, other);
    }
}

/// What the tests of other files parse: new parsers, each line twice so that the second comes after it was learned.
pub(super) fn assert_parsers_agree(bytes: &[u8], rules: &Rules) {
    let mut parsers = Parsers::new();
    parsers.check(slab(bytes), rules, usize::MAX);
    parsers.check(slab(bytes), rules, usize::MAX);
    let padded = [bytes, b"\n", bytes, b"\n", &[b' '; 200]].concat();
    parsers.check(slab(&padded), rules, usize::MAX);
}

fn simulated(seed: u64, records: u64, shares: Shares) -> Vec<u8> {
    let config = Config { seed, bound: Bound::Records(records), shares, ..Config::default() };
    let mut lines = vec![];
    Simulator::new(&config, 0).expect("a valid configuration").write_lines(usize::MAX, &mut lines);
    lines
}

const ANY_TIME: Rules = Rules { currency: Currency::USD, time_max: EventTime::EVENT_MAX };

#[test]
fn simulated_lines_with_every_fault_are_read_alike() {
    let shares = Shares { duplicates: 0.05, delayed: 0.1, late: 0.05, malformed: 0.2 };
    for seed in 1..=4 {
        let lines = simulated(seed, 4_000, shares);
        let mut parsers = Parsers::new();
        let mut consumed = 0;
        for records in (1..).map(|call| 1 + call * 37 % 500) {
            let rest = Slab { bytes: &lines[consumed..], offset: consumed as u64, oversized: None };
            let step = parsers.check(rest, &ANY_TIME, records);
            if step == 0 {
                break;
            }
            consumed += step;
        }
        assert_eq!(consumed, lines.len());
        assert!(parsers.fast_lines().iter().all(|&fast| fast > 2_500), "{:?}", parsers.fast_lines());
    }
}

#[test]
fn nearly_every_clean_simulated_line_is_read_by_a_shape() {
    let lines = simulated(7, 20_000, Shares::NONE);
    let mut parsers = Parsers::new();
    parsers.check(slab(&lines), &ANY_TIME, usize::MAX);
    for parser in &parsers.speculating {
        let (fast, general) = (parser.fast_lines(), parser.general_lines());
        assert_eq!(fast + general, 20_000);
        assert!(fast * 1_000 > 20_000 * 995, "{fast} by a shape, {general} not");
    }
}

/// Lines whose shapes, once learned, differ in every kind of value.
fn templates() -> Vec<String> {
    const UUID: &str = r#""00112233-4455-6677-8899-aabbccddeeff""#;
    let with = |members: Members, changes: &[(&str, &str)]| {
        changes.iter().fold(members, |members, (name, raw)| members.with(name, raw)).line()
    };
    vec![
        with(click(), &[("event_id", UUID), ("event_time", r#""2025-12-31T23:59:58.123456Z""#), ("x", "-1.5e3")]),
        with(click(), &[("customer_id", "null"), ("device", r#""mobile""#), ("y", "true")]),
        with(order(), &[("event_id", UUID), ("event_time", "1766966399000")]),
        order().line().replace(r#""},{"#, r#""} ,	{"#),
        with(payment(), &[("failure_reason", "null"), ("amount", "25.5"), ("name", r#""n""#)]),
        payment().line(),
        customer().line(),
        with(product(), &[("name", r#""Ünïcödé und noch viel länger als nötig""#), ("price", "1999.99")]),
    ]
}

#[test]
fn a_learned_line_changed_in_one_byte_or_cut_is_read_alike() {
    let lines = templates();
    let mut parsers = Parsers::primed(&lines);
    let tail = format!("\n{}\n", click().line());
    for line in &lines {
        for at in 0..=line.len() {
            let (before, after) = line.as_bytes().split_at(at);
            let mut variants = vec![[before, tail.as_bytes()].concat(), before.to_vec()];
            for byte in *b"\"\\ \n\r\t\0\x1f,:{}[]0159.-+eaAgZn\x7f\x80\xc3\xff" {
                if let Some((_, after)) = after.split_first() {
                    variants.push([before, &[byte], after, tail.as_bytes()].concat());
                }
                variants.push([before, &[byte], after, tail.as_bytes()].concat());
            }
            if let Some((_, after)) = after.split_first() {
                variants.push([before, after, tail.as_bytes()].concat());
            }
            for variant in variants {
                parsers.check(slab(&variant), &RULES, usize::MAX);
            }
        }
    }
    assert!(parsers.fast_lines().iter().all(|&fast| fast > 10_000), "{:?}", parsers.fast_lines());
}

#[test]
fn values_at_their_bounds_are_read_alike_after_their_shape_was_learned() {
    type Case = (&'static str, fn() -> Members, &'static [&'static str]);
    let cases: [Case; 9] = [
        (
            "total",
            order,
            &["0", "00", "0.5", "007", "1.", "1.2", "1.23", "1.234", "9999999999.99", "10000000000", "-1", "1e2"],
        ),
        (
            "amount",
            payment,
            &[r#""0""#, r#""007.5""#, r#"".5""#, r#""""#, r#""1 ""#, r#""9999999999.99""#, r#""10000000000""#],
        ),
        ("event_time", click, &["0", "1767225600000", "1767225600001", "01", "-1", "1.0", "999999999999999999999"]),
        (
            "event_time",
            click,
            &[
                r#""2025-12-31T23:59:59.999999Z""#,
                r#""2025-12-31T23:59:60.000000Z""#,
                r#""2025-12-31T23:59:5/.000000Z""#,
                r#""2025-12-31T23:59:59.00000:Z""#,
                r#""2025-12-31T23:59:59.000000z""#,
                r#""2025-12-31 23:59:59.000000Z""#,
                r#""2025-02-30T23:59:59.000000Z""#,
                r#""2026-01-01T00:00:00.000000Z""#,
                r#""2026-01-01T00:00:00.000001Z""#,
                r#""1970-01-01T00:00:00.000000Z""#,
                r#""1969-12-31T23:59:59.999999Z""#,
                r#""1969-12-31T23:59:58.999999Z""#,
                r#""2025-12-31T23:59:59.999999+00:00""#,
            ],
        ),
        (
            "event_id",
            click,
            &[r#""""#, r#""16 bytes here...""#, r#""17 bytes here....""#, r#""00112233-4455-6677-8899-AABBCCDDEEFF""#],
        ),
        ("session_id", click, &["null", "1", r#""ü""#, r#""\u00fc""#, r#""00112233-4455-6677-8899-aabbccddeeff""#]),
        ("device", click, &[r#""a""#, "1", "-0", "01", "1.", "true", "null", "[]", "{}", r#""\n""#]),
        ("currency", order, &[r#""EUR""#, r#""USD""#, "null"]),
        ("country", customer, &[r#""""#, "null", r#""DE""#, r#""日本""#]),
    ];
    let mut parsers = Parsers::new();
    for (name, members, raws) in cases {
        for primer in raws {
            for raw in raws {
                let lines = [members().with(name, primer).line(), members().with(name, raw).line()];
                let bytes = format!("{0}\n{0}\r\n{1}\n{1}\n{2:100}", lines[0], lines[1], "");
                parsers.check(slab(bytes.as_bytes()), &RULES, usize::MAX);
            }
        }
    }
}

#[test]
fn lengths_of_texts_and_lines_keep_their_bounds() {
    let mut parsers = Parsers::primed(&templates());
    for len in (0..=70).chain([199, 200, 201]) {
        for (members, name) in
            [(click as fn() -> Members, "event_id"), (payment, "method"), (product, "name"), (click, "device")]
        {
            for unit in ["x", "é"] {
                let line = members().with(name, &format!("\"{}\"", unit.repeat(len))).line();
                parsers.check(slab(format!("{line}\n{line}\n{:100}", "").as_bytes()), &RULES, usize::MAX);
            }
        }
    }
    let bare = click().with("device", r#""""#).line().len();
    for length in LINE_BYTES_MAX - 1..=LINE_BYTES_MAX + 1 {
        let line = click().with("device", &format!("\"{}\"", "d".repeat(length - bare))).line();
        assert_eq!(line.len(), length);
        for end in ["\n", "\r\n", ""] {
            parsers.check(slab(format!("{line}{end}").as_bytes()), &RULES, usize::MAX);
            parsers.check(slab(format!("{line}{end}{:100}", "").as_bytes()), &RULES, usize::MAX);
        }
    }
    let cut = vec![b' '; LINE_BYTES_MAX];
    parsers.check(Slab { bytes: &cut, offset: 3, oversized: Some(70_000) }, &RULES, usize::MAX);
}

#[test]
fn orders_of_many_items_are_read_alike() {
    let mut parsers = Parsers::new();
    let item = r#"{"product_id":"p1","quantity":2,"unit_price":10.5}"#;
    for count in [1, 2, 99, 100, 101, 255, 256] {
        let items = format!("[{}]", vec![item; count].join(","));
        let line = order().with("items", &items).line();
        parsers.check(slab(format!("{line}\n{line}\n{:100}", "").as_bytes()), &RULES, usize::MAX);
    }
    assert!(parsers.fast_lines().iter().all(|&fast| fast >= 7), "{:?}", parsers.fast_lines());
}

#[test]
fn a_name_twice_or_nested_in_another_value_is_never_learned() {
    let line = click().line();
    let doubled = line.replace('{', r#"{"session_id":"first","#);
    let mut parsers = Parsers::primed(&[doubled.clone(), doubled.clone()]);
    parsers.check(slab(format!("{doubled}\n{doubled}\n{:100}", "").as_bytes()), &RULES, usize::MAX);
    let escaped = line.replace('{', r#"{"session\u005fid":"first","#);
    parsers.check(slab(format!("{escaped}\n{escaped}\n{:100}", "").as_bytes()), &RULES, usize::MAX);
    assert_eq!(parsers.fast_lines(), vec![0; parsers.speculating.len()]);
}

#[test]
fn rules_may_change_from_call_to_call() {
    let lines: String = templates().join("\n") + "\n";
    let padded = format!("{lines}{lines}{:200}", "");
    let mut parsers = Parsers::new();
    let euro: Currency = "EUR".parse().expect("a currency");
    for currency in [Currency::USD, euro, Currency::USD] {
        for time_max in [NOW, NOW - 2_000_000, NOW - 700_000_000_000, -1] {
            let rules = Rules { currency, time_max: EventTime::from_micros(time_max) };
            parsers.check(slab(padded.as_bytes()), &rules, usize::MAX);
            parsers.check(slab(padded.replace("USD", "EUR").as_bytes()), &rules, usize::MAX);
        }
    }
}

#[test]
fn more_shapes_than_are_remembered_are_read_alike() {
    let mut parsers = Parsers::new();
    let mut bytes = String::new();
    for round in 0..600 {
        let line = click().with(&format!("unknown_{}", round / 2), "1").line();
        bytes.push_str(&line.replace(r#"{"event_id""#, &format!(r#"{{"first_{}":"a","event_id""#, round / 2)));
        bytes.push('\n');
    }
    parsers.check(slab(bytes.as_bytes()), &RULES, usize::MAX);
    assert!(parsers.fast_lines().iter().all(|&fast| fast > 250), "{:?}", parsers.fast_lines());
    // A regular input after that is learned.
    let regular = format!("{}\n", click().line()).repeat(2_000);
    parsers.check(slab(regular.as_bytes()), &RULES, usize::MAX);
    assert!(parsers.fast_lines().iter().all(|&fast| fast > 2_000), "{:?}", parsers.fast_lines());
}

/// Everything a batch says of its records, to compare calls that cut the input differently.
fn records(batch: &Batch) -> Vec<Result<Plain, Refusal>> {
    let events = batch.events.iter().map(|event| Ok(plain(batch, event)));
    let rejected = batch.rejected.iter().map(|line| {
        let Rejection { reason, field, .. } = line.rejection;
        Err((reason, field))
    });
    events.chain(rejected).collect()
}

#[test]
fn a_batch_that_holds_something_is_added_to() {
    let lines: String = templates().join("\n") + "\n";
    let mut parser = Parser::new();
    let (mut batch, mut expected) = (Batch::default(), Batch::default());
    for _ in 0..3 {
        parser.parse(slab(lines.as_bytes()), &RULES, usize::MAX, &mut batch);
        parse(slab(lines.as_bytes()), &RULES, usize::MAX, &mut expected);
    }
    assert_same(&batch, &expected, String::new);
    assert_eq!(records(&batch), records(&expected));
    assert!(parser.fast_lines() >= 14);
}

/// A template, one changed somewhere, or any line the other tests think of; with its end.
fn arb_record() -> impl Strategy<Value = Vec<u8>> {
    let template = prop::sample::select(templates()).prop_map(String::into_bytes);
    let changed =
        (template.clone(), vec((any::<prop::sample::Index>(), any::<u8>()), 1..3)).prop_map(|(mut line, edits)| {
            for (index, byte) in edits {
                let at = index.index(line.len());
                line[at] = byte;
            }
            line
        });
    let line = prop_oneof![4 => template, 3 => changed, 2 => generate::arb_line()];
    (line, prop::sample::select(&["\n", "\r\n", "\n\n", "\r\r\n", " \n"]))
        .prop_map(|(line, end)| [&line, end.as_bytes()].concat())
}

proptest! {
    #[test]
    fn a_long_mixed_input_is_read_alike_however_it_is_cut(
        lines in vec(arb_record(), 1..60),
        limits in vec(1..20usize, 1..10),
        has_end: bool,
    ) {
        let mut bytes = lines.concat();
        if !has_end {
            bytes.pop();
        }
        let mut parsers = Parsers::new();
        let (mut consumed, mut limits) = (0, limits.into_iter().cycle());
        while consumed < bytes.len() {
            let rest = Slab { bytes: &bytes[consumed..], offset: consumed as u64, oversized: None };
            consumed += parsers.check(rest, &RULES, limits.next().expect("endless"));
        }
        // Once more, with everything learned.
        parsers.check(slab(&bytes), &RULES, usize::MAX);
    }

    #[test]
    fn generated_lines_are_read_alike_after_themselves(line in generate::arb_line()) {
        assert_parsers_agree(&line, &RULES);
    }
}
