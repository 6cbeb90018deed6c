//! The contract's table of fields, case by case: below, at and above each limit.
//!
//! An expectation is `accepted`, or a reason and the field to blame. Every case is also read by the twin.

use engine_model::{EventKind, EventTime};

use super::twin::read_slowly;
use super::{MICROS, Members, NOW, Plain, RULES, click, customer, order, parse_all, payment, product, read};

#[track_caller]
fn check_bytes(line: &[u8], expected: &str) {
    let got = read(line, &RULES);
    let shown = match &got {
        None => "blank".to_owned(),
        Some(Ok(_)) => "accepted".to_owned(),
        Some(Err((reason, None))) => reason.to_string(),
        Some(Err((reason, Some(field)))) => format!("{reason} {field}"),
    };
    assert_eq!(shown, expected, "{}", String::from_utf8_lossy(line));
    assert_eq!(got, read_slowly(line), "{}", String::from_utf8_lossy(line));
}

#[track_caller]
fn check(line: &str, expected: &str) {
    check_bytes(line.as_bytes(), expected);
}

/// Tries values of one field.
#[track_caller]
fn check_values(record: &Members, field: &str, cases: &[(&str, &str)]) {
    for (raw, expected) in cases {
        let expected = if *expected == "invalid" { format!("invalid_field {field}") } else { (*expected).to_owned() };
        check(&record.with(field, raw).line(), &expected);
    }
}

/// Tries a text field about its limits: `least` to `most` bytes.
#[track_caller]
fn check_text(record: &Members, field: &str, least: usize, most: usize, is_required: bool) {
    let invalid = format!("invalid_field {field}");
    let string = |text: String| format!("\"{text}\"");
    let empty = if least == 0 { "accepted" } else { "invalid" };
    let null = if is_required { "invalid" } else { "accepted" };
    check_values(
        record,
        field,
        &[
            (r#""""#, empty),
            (r#""a""#, "accepted"),
            (&string("a".repeat(most - 1)), "accepted"),
            (&string("a".repeat(most)), "accepted"),
            (&string("a".repeat(most + 1)), "invalid"),
            // Bytes count, not characters, and of escapes what they stand for.
            (&string("ä".repeat(most / 2)), "accepted"),
            (&string("ä".repeat(most / 2) + "a"), "invalid"),
            (&string("\\u0061".repeat(most)), "accepted"),
            (&string("\\u0061".repeat(most + 1)), "invalid"),
            (&string("\\uD83D\\uDE00".repeat(most / 4)), "accepted"),
            (&string("\\uD83D\\uDE00".repeat(most / 4) + "a"), "invalid"),
            (&string("\\u0000".repeat(most)), "accepted"),
            (r#""\ud800""#, &format!("malformed_json {field}")),
            ("null", null),
            ("1", "invalid"),
            ("true", "invalid"),
            (r#"["a"]"#, "invalid"),
            (r#"{"a":"b"}"#, "invalid"),
        ],
    );
    let absent = if is_required { format!("missing_field {field}") } else { "accepted".to_owned() };
    check(&record.without(field).line(), &absent);
    // Of a repeated name the last counts.
    let twice = |first: &str, last: &str| {
        let Members(mut members) = record.with(field, first);
        members.push((format!("\"{field}\""), last.to_owned()));
        Members(members).line()
    };
    check(&twice("1", r#""a""#), "accepted");
    check(&twice(r#""a""#, "1"), &invalid);
    check(&twice(r#""\udfff""#, r#""a""#), "accepted");
    check(&twice(r#""a""#, "null"), if is_required { &invalid } else { "accepted" });
}

#[test]
fn every_text_keeps_to_its_length_and_type() {
    for record in [click(), order(), payment(), customer(), product()] {
        check_text(&record, "event_id", 1, 64, true);
    }
    check_text(&click(), "session_id", 1, 64, true);
    check_text(&order(), "session_id", 1, 64, false);
    check_text(&order(), "customer_id", 1, 64, true);
    check_text(&customer(), "customer_id", 1, 64, true);
    check_text(&click(), "customer_id", 1, 64, false);
    check_text(&payment(), "customer_id", 1, 64, false);
    check_text(&product(), "product_id", 1, 64, true);
    check_text(&click(), "product_id", 1, 64, true);
    check_text(&click().with("action", r#""add_to_cart""#), "product_id", 1, 64, true);
    check_text(&click().with("action", r#""checkout""#), "product_id", 1, 64, false);
    check_text(&order(), "order_id", 1, 64, true);
    check_text(&payment(), "order_id", 1, 64, true);
    check_text(&payment(), "payment_id", 1, 64, true);
    check_text(&payment(), "method", 1, 32, true);
    check_text(&payment(), "failure_reason", 1, 64, false);
    check_text(&product(), "name", 1, 200, true);
    check_text(&product(), "category", 1, 64, true);
    check_text(&customer(), "country", 0, 64, false);
    check_text(&customer(), "segment", 0, 64, false);
}

#[test]
fn only_the_fields_of_its_type_are_looked_at() {
    let anything = ["null", "17", "[[]]", r#"{"event_id":null}"#, r#""\ud800\u0000""#, r#""""#];
    // Word by word; the name `""` is tried below.
    let cases = [
        (click(), "order_id currency total items payment_id method amount status failure_reason name category price"),
        (click(), "country segment unknown Event_id items.quantity quantity unit_price"),
        (
            order(),
            "action product_id payment_id method amount status failure_reason name category price country segment",
        ),
        (payment(), "session_id action product_id total items name category price country segment"),
        (customer(), "session_id action product_id order_id currency total items payment_id method amount status"),
        (customer(), "failure_reason name category price"),
        (product(), "session_id customer_id action order_id currency total items payment_id method amount status"),
        (product(), "failure_reason country segment"),
    ];
    for (record, ignored) in cases {
        for raw in anything {
            for field in ignored.split(' ') {
                check(&record.with(field, raw).line(), "accepted");
            }
            check(&record.with("", raw).line(), "accepted");
        }
    }
}

#[test]
fn event_type_decides_first() {
    check_values(
        &click(),
        "event_type",
        &[
            (r#""click""#, "accepted"),
            (r#""\u0063lick""#, "accepted"),
            (r#""Click""#, "unknown_event_type event_type"),
            (r#""click ""#, "unknown_event_type event_type"),
            (r#""clic""#, "unknown_event_type event_type"),
            (r#""""#, "unknown_event_type event_type"),
            (r#""refund""#, "unknown_event_type event_type"),
            (r#""\ud800""#, "malformed_json event_type"),
            ("null", "invalid"),
            ("1", "invalid"),
            (r#"["click"]"#, "invalid"),
            (r#""product""#, "missing_field name"),
            (r#""customer""#, "accepted"),
        ],
    );
    check(&click().without("event_type").line(), "missing_field event_type");
    check("{}", "missing_field event_type");
    check(&click().without("event_id").with("event_type", r#""x""#).line(), "unknown_event_type event_type");
}

#[test]
fn the_first_broken_rule_in_the_tables_order_is_named() {
    check(&payment().without("event_id").without("status").line(), "missing_field event_id");
    check(&payment().without("status").with("amount", "-1").line(), "invalid_field amount");
    check(&order().with("items", "[]").with("total", "x".repeat(0).as_str()).line(), "malformed_json");
    check(&order().with("items", "[]").with("total", "\"x\"").line(), "invalid_field total");
    check(&order().with("currency", "\"EUR\"").with("event_time", "1e3").line(), "invalid_field event_time");
}

#[test]
fn action_and_status_are_words() {
    let invalid = "invalid";
    let action = [
        (r#""view""#, "accepted"),
        (r#""add_to_cart""#, "accepted"),
        (r#""checkout""#, "accepted"),
        (r#""check\u006fut""#, "accepted"),
        (r#""VIEW""#, invalid),
        (r#""views""#, invalid),
        (r#""""#, invalid),
        ("null", invalid),
        ("1", invalid),
        (r#""\udc00""#, "malformed_json action"),
    ];
    check_values(&click(), "action", &action);
    check(&click().without("action").line(), "missing_field action");
    let status = [
        (r#""succeeded""#, "accepted"),
        (r#""failed""#, "accepted"),
        (r#""Failed""#, invalid),
        (r#""pending""#, invalid),
        ("null", invalid),
        ("false", invalid),
    ];
    check_values(&payment(), "status", &status);
    check(&payment().without("status").line(), "missing_field status");
}

#[test]
fn currency_is_that_of_the_pipeline() {
    for record in [order(), payment()] {
        let cases = [
            (r#""USD""#, "accepted"),
            (r#""\u0055SD""#, "accepted"),
            (r#""EUR""#, "currency_mismatch currency"),
            (r#""usd""#, "currency_mismatch currency"),
            (r#""USD ""#, "currency_mismatch currency"),
            (r#""""#, "currency_mismatch currency"),
            (r#""\ud800""#, "malformed_json currency"),
            ("null", "invalid"),
            ("840", "invalid"),
        ];
        check_values(&record, "currency", &cases);
        check(&record.without("currency").line(), "missing_field currency");
    }
    let euro = crate::Rules { currency: "EUR".parse().unwrap(), ..RULES };
    let line = order().with("currency", r#""EUR""#).line();
    assert_eq!(parse_all(line.as_bytes(), &euro).events.len(), 1);
}

const MONEY: &[(&str, Option<i64>)] = &[
    ("0", Some(0)),
    ("0.0", Some(0)),
    ("0.00", Some(0)),
    ("0.01", Some(1)),
    ("0.1", Some(10)),
    ("1", Some(100)),
    ("1.5", Some(150)),
    ("1.05", Some(105)),
    ("19.99", Some(1_999)),
    ("0.29", Some(29)),
    ("9999999999.98", Some(999_999_999_998)),
    ("9999999999.99", Some(999_999_999_999)),
    ("10000000000", None),
    ("10000000000.00", None),
    ("9999999999.999", None),
    ("99999999999999999999999999999999999999999", None),
    ("-0", None),
    ("-1", None),
    ("-0.01", None),
    ("1e2", None),
    ("1E2", None),
    ("1e0", None),
    ("1.0e0", None),
    ("1.234", None),
    ("1.000", None),
    ("null", None),
    ("true", None),
    ("[1]", None),
    ("{}", None),
    (r#""0""#, Some(0)),
    (r#""00""#, Some(0)),
    (r#""007.5""#, Some(750)),
    (r#""0000000000000000000000000000000000000000000012.34""#, Some(1_234)),
    (r#""1""#, Some(100)),
    (r#""1.2""#, Some(120)),
    (r#""1.23""#, Some(123)),
    (r#""\u0031\u002E5""#, Some(150)),
    (r#""9999999999.99""#, Some(999_999_999_999)),
    (r#""09999999999.99""#, Some(999_999_999_999)),
    (r#""10000000000""#, None),
    (r#""9999999999.990""#, None),
    (r#""1.234""#, None),
    (r#"" 1""#, None),
    (r#""1 ""#, None),
    (r#"".5""#, None),
    (r#""5.""#, None),
    (r#"".""#, None),
    (r#""""#, None),
    (r#""+1""#, None),
    (r#""-1""#, None),
    (r#""-0""#, None),
    (r#""1e2""#, None),
    (r#""1,5""#, None),
    (r#""1.2.3""#, None),
    (r#""1.2 ""#, None),
    (r#""0x10""#, None),
    (r#""１""#, None),
    (r#""NaN""#, None),
    (r#""null""#, None),
];

#[test]
fn money_is_read_from_its_text_to_the_cent() {
    for (record, field) in [(order(), "total"), (payment(), "amount"), (product(), "price")] {
        for (raw, cents) in MONEY {
            let line = record.with(field, raw).line();
            match cents {
                Some(cents) => {
                    check(&line, "accepted");
                    assert_eq!(read(line.as_bytes(), &RULES).unwrap().unwrap().cents, *cents, "{raw}");
                }
                None => check(&line, &format!("invalid_field {field}")),
            }
        }
        check(&record.with(field, r#""\ud800""#).line(), &format!("malformed_json {field}"));
        check(&record.without(field).line(), &format!("missing_field {field}"));
        for raw in ["01", "1.", ".5", "+1", "-", "1e", "0x1", "1_000", "Infinity", "1.e1", "1e+"] {
            check(&record.with(field, raw).line(), "malformed_json");
        }
    }
}

/// Times in microseconds since the epoch, or none.
fn check_times(cases: &[(&str, Option<i64>)]) {
    for (text, micros) in cases {
        let line = click().with("event_time", &format!("\"{text}\"")).line();
        match micros {
            Some(micros) => {
                check(&line, "accepted");
                assert_eq!(read(line.as_bytes(), &RULES).unwrap().unwrap().micros, *micros, "{text}");
            }
            None => check(&line, "invalid_field event_time"),
        }
    }
}

/// These are read eight bytes at a time.
#[test]
fn event_time_with_six_digits_of_a_fraction_is_nothing_special() {
    check_times(&[
        ("2025-12-31T23:59:59.999999Z", Some(NOW - 1)),
        ("2026-01-01T05:29:59.000010+05:30", Some(NOW - 999_990)),
        ("2025-12-31T15:59:59.123456-08:00", Some(NOW - 876_544)),
        ("2025-01-01T24:00:00.000000Z", None),
        ("2025-01-01T23:60:00.000000Z", None),
        ("2025-01-01T23:59:60.000000Z", None),
        ("2025-02-29T00:00:00.000000Z", None),
        ("2025-13-01T00:00:00.000000Z", None),
        ("2025-01-00T00:00:00.000000Z", None),
        ("2025-01-01T00:00:00.00000:Z", None),
        ("2025-01-01T00:00:00.00000/Z", None),
        ("2025-01-01T00:00:0a.000000Z", None),
        ("2025-01-01T00:00;00.000000Z", None),
        ("2025-01-01T00:00:00,000000Z", None),
        ("2025/01/01T00:00:00.000000Z", None),
        ("2025-01-01T00:00:00.000000+24:00", None),
    ]);
}

#[test]
fn event_time_takes_rfc_3339_and_nothing_else() {
    let day = 86_400_000_000i64;
    let cases: &[(&str, Option<i64>)] = &[
        ("2025-12-31T23:59:59Z", Some(NOW - 1_000_000)),
        ("2025-12-31t23:59:59z", Some(NOW - 1_000_000)),
        ("2025-12-31 23:59:59Z", Some(NOW - 1_000_000)),
        ("2025-12-31T23:59:59.1Z", Some(NOW - 900_000)),
        ("2025-12-31T23:59:59.000001Z", Some(NOW - 999_999)),
        ("2025-12-31T23:59:59.9999999999999999999999999999Z", Some(NOW - 1)),
        ("2025-12-31T23:59:59.0000019Z", Some(NOW - 999_999)),
        ("2026-01-01T00:00:00Z", Some(NOW)),
        ("2026-01-01T05:30:00+05:30", Some(NOW)),
        ("2025-12-31T16:00:00-08:00", Some(NOW)),
        ("2026-01-01T23:59:00+23:59", Some(NOW)),
        ("2025-12-31T00:01:00-23:59", Some(NOW)),
        ("2026-01-01T00:00:00-00:00", Some(NOW)),
        ("2024-02-29T00:00:00Z", Some(1_709_164_800_000_000)),
        ("2000-02-29T00:00:00Z", Some(951_782_400_000_000)),
        ("1970-01-01T00:00:00Z", Some(0)),
        ("1970-01-01T00:00:00.0000009Z", Some(0)),
        ("1969-12-31T23:59:00-00:01", Some(0)),
        ("1970-01-02T00:00:00Z", Some(day)),
        // Before 1970.
        ("1969-12-31T23:59:59.999999Z", None),
        ("1969-12-31T23:59:59.9999999Z", None),
        ("1970-01-01T00:00:00+00:01", None),
        ("0000-01-01T00:00:00Z", None),
        ("0001-01-01T00:00:00+23:59", None),
        // No dates.
        ("2025-02-29T00:00:00Z", None),
        ("1900-02-29T00:00:00Z", None),
        ("2024-02-30T00:00:00Z", None),
        ("2025-04-31T00:00:00Z", None),
        ("2025-01-32T00:00:00Z", None),
        ("2025-01-00T00:00:00Z", None),
        ("2025-00-01T00:00:00Z", None),
        ("2025-13-01T00:00:00Z", None),
        // No times.
        ("2025-01-01T24:00:00Z", None),
        ("2025-01-01T23:60:00Z", None),
        ("2025-01-01T23:59:60Z", None),
        // No offsets.
        ("2025-01-01T00:00:00+24:00", None),
        ("2025-01-01T00:00:00+00:60", None),
        ("2025-01-01T00:00:00+0000", None),
        ("2025-01-01T00:00:00+00", None),
        ("2025-01-01T00:00:00 +00:00", None),
        ("2025-01-01T00:00:00", None),
        ("2025-01-01T00:00:00ZZ", None),
        ("2025-01-01T00:00:00Z+00:00", None),
        ("2025-01-01T00:00:00−00:00", None),
        // Other shapes.
        ("", None),
        ("2025-01-01", None),
        ("2025-01-01T00:00Z", None),
        ("2025-01-01T00:00:00.Z", None),
        ("2025-01-01T00:00:00,5Z", None),
        ("2025-01-01T00:00:00.5", None),
        ("2025-01-01T00:00:00.5.5Z", None),
        ("2025-01-01T00:00:00.-5Z", None),
        ("2025-01-01  00:00:00Z", None),
        ("2025-01-01_00:00:00Z", None),
        ("2025-1-1T00:00:00Z", None),
        ("25-01-01T00:00:00Z", None),
        ("12025-01-01T00:00:00Z", None),
        ("+2025-01-01T00:00:00Z", None),
        ("-2025-01-01T00:00:00Z", None),
        ("20250101T000000Z", None),
        ("2025-W01-1T00:00:00Z", None),
        (" 2025-01-01T00:00:00Z", None),
        ("2025-01-01T00:00:00Z ", None),
        ("２025-01-01T00:00:00Z", None),
        ("1767225600000", None),
    ];
    check_times(cases);
    let invalid = "invalid";
    check_values(
        &click(),
        "event_time",
        &[
            (r#""2026-01-01\u005400:00:00\u005a""#, "accepted"),
            (r#""2026-01-01T00:00:00\ud800""#, "malformed_json event_time"),
            ("null", invalid),
            ("true", invalid),
            ("[0]", invalid),
        ],
    );
    for record in [click(), order(), payment(), customer(), product()] {
        check(&record.without("event_time").line(), "missing_field event_time");
    }
}

#[test]
fn event_time_takes_milliseconds_without_sign_fraction_or_exponent() {
    let (invalid, future) = ("invalid", "future_event_time event_time");
    check_values(
        &click(),
        "event_time",
        &[
            ("0", "accepted"),
            ("1", "accepted"),
            ("1767225599999", "accepted"),
            ("1767225600000", "accepted"),
            ("1767225600001", future),
            ("-0", invalid),
            ("-1", invalid),
            ("1.0", invalid),
            ("1e3", invalid),
            ("1E400", invalid),
            ("-99999999999999999999999999", invalid),
            ("253402300799999", future),
            ("253402300800000", future),
            ("9223372036854775", future),
            ("9223372036854776", future),
            ("9223372036854775807", future),
            ("9223372036854775808", future),
            ("18446744073709551615", future),
            ("18446744073709551616", future),
            ("18446744073709552616", future),
            ("100000000000000000000000000000000000000000000000000", future),
        ],
    );
    let line = click().with("event_time", "1767225599999").line();
    assert_eq!(read(line.as_bytes(), &RULES).unwrap().unwrap().micros, NOW - 1_000);
}

#[test]
fn an_event_may_be_as_late_as_the_limit_and_no_later() {
    let future = "future_event_time event_time";
    check_values(
        &click(),
        "event_time",
        &[
            (r#""2025-12-31T23:59:59.999999Z""#, "accepted"),
            (r#""2026-01-01T00:00:00.000000Z""#, "accepted"),
            (r#""2026-01-01T00:00:00.0000009Z""#, "accepted"),
            (r#""2026-01-01T00:00:00.000001Z""#, future),
            (r#""9999-12-31T23:59:59Z""#, future),
            (r#""9999-12-31T23:59:59-23:59""#, future),
        ],
    );
    // Without a limit, the year 9999 is the limit: also where somebody gives a later one.
    for time_max in [EventTime::EVENT_MAX, EventTime::MAX] {
        let rules = crate::Rules { time_max, ..RULES };
        let reason = |raw: &str| {
            let line = click().with("event_time", raw).line();
            read(line.as_bytes(), &rules).unwrap().err().map(|(reason, _)| reason.name())
        };
        assert_eq!(reason(r#""9999-12-31T23:59:59.9999999Z""#), None);
        assert_eq!(reason("253402300799999"), None);
        assert_eq!(reason("253402300800000"), Some("future_event_time"));
        assert_eq!(reason("9223372036854776"), Some("future_event_time"));
        assert_eq!(reason(r#""9999-12-31T23:59:59-00:01""#), Some("future_event_time"));
        assert_eq!(reason(r#""9999-12-31T23:59:59+00:01""#), None);
    }
}

fn item() -> Members {
    Members::of(&[("product_id", r#""p1""#), ("quantity", "1"), ("unit_price", "1.00"), ("category", r#""toys""#)])
}

#[test]
fn an_order_has_1_to_100_items() {
    let items = |count| format!("[{}]", vec![item().line(); count].join(","));
    let invalid = "invalid";
    check_values(
        &order(),
        "items",
        &[
            ("[]", invalid),
            ("[ ]", invalid),
            (&items(1), "accepted"),
            (&items(99), "accepted"),
            (&items(100), "accepted"),
            (&items(101), invalid),
            ("null", invalid),
            ("{}", invalid),
            (&item().line(), invalid),
            (r#""[]""#, invalid),
            (r#""\ud800""#, "malformed_json items"),
            ("1", invalid),
            ("[null]", invalid),
            ("[1]", invalid),
            ("[[]]", invalid),
            (r#"["a"]"#, invalid),
            (&format!("[{},null]", item().line()), invalid),
            ("[{}]", "missing_field items.product_id"),
            (&format!("[{},]", item().line()), "malformed_json"),
            (&format!("[{}", item().line()), "malformed_json"),
            (&format!("[ {} ,\t{} ]", item().line(), item().line()), "accepted"),
        ],
    );
    check(&order().without("items").line(), "missing_field items");
}

#[test]
fn fields_of_items_keep_their_rules() {
    let check_item = |item: &Members, expected: &str| {
        check(&order().with("items", &format!("[{}]", item.line())).line(), expected);
        // Also where it is not the first.
        let second = format!("[{},{}]", self::item().line(), item.line());
        check(&order().with("items", &second).line(), expected);
    };
    for field in ["product_id", "quantity", "unit_price"] {
        check_item(&item().without(field), &format!("missing_field items.{field}"));
        check_item(&item().with(field, "null"), &format!("invalid_field items.{field}"));
    }
    check_item(&item().without("category"), "accepted");
    check_item(&item().with("category", "null"), "accepted");
    for (field, invalid) in
        [("product_id", "invalid_field items.product_id"), ("category", "invalid_field items.category")]
    {
        check_item(&item().with(field, &format!("\"{}\"", "x".repeat(63))), "accepted");
        check_item(&item().with(field, &format!("\"{}\"", "x".repeat(64))), "accepted");
        check_item(&item().with(field, &format!("\"{}\"", "x".repeat(65))), invalid);
        check_item(&item().with(field, r#""""#), invalid);
        check_item(&item().with(field, "1"), invalid);
        check_item(&item().with(field, r#""\ud83d""#), &format!("malformed_json items.{field}"));
    }
    for raw in ["1", "2", "9999", "10000"] {
        check_item(&item().with("quantity", raw), "accepted");
    }
    for raw in [
        "0",
        "10001",
        "-1",
        "-0",
        "1.0",
        "1.5",
        "1e0",
        "1E2",
        r#""1""#,
        "true",
        "[1]",
        "4294967297",
        "65537",
        "18446744073709551617",
        "340282366920938463463374607431768211457",
    ] {
        check_item(&item().with("quantity", raw), "invalid_field items.quantity");
    }
    check_item(&item().with("quantity", r#""\ud800""#), "malformed_json items.quantity");
    check_item(&item().with("quantity", "01"), "malformed_json");
    for (raw, cents) in MONEY {
        let expected = if cents.is_some() { "accepted" } else { "invalid_field items.unit_price" };
        check_item(&item().with("unit_price", raw), expected);
    }
    // Repeated, escaped and unknown names.
    let Members(mut members) = item().with("quantity", "0");
    members.push((r#""quant\u0069ty""#.to_owned(), "3".to_owned()));
    members.push((r#""note""#.to_owned(), r#"["\ud800", {"quantity": 0}]"#.to_owned()));
    members.push((r#""total""#.to_owned(), "null".to_owned()));
    check_item(&Members(members), "accepted");
    // What one item leaves out is not taken from the one before.
    let items = format!("[{},{}]", item().line(), item().without("category").line());
    let line = order().with("items", &items).line();
    let categories = read(line.as_bytes(), &RULES).unwrap().unwrap().items.into_iter().map(|item| item.3);
    assert_eq!(categories.collect::<Vec<_>>(), [Some("toys".to_owned()), None]);
}

#[rustfmt::skip]
const MALFORMED: &[&str] = &[
    "{", "}", "{]", "[}", "{,}", r#"{"a"}"#, r#"{"a":}"#, r#"{"a":1,}"#, r#"{"a":1 "b":2}"#, r#"{"a":1;"b":2}"#,
    "{a:1}", "{'a':1}", r#"{"a":1}}"#, r#"{"a":1}{"#, r#"{"a":1} x"#, r#"{"a":1}{"a":1}"#, "{1:1}", "{null:1}",
    r#"{"a"::1}"#, r#"{"a":,1}"#, r#"{,"a":1}"#, r#"{"a":1,,"b":1}"#, r#"{"a":[1,]}"#, r#"{"a":[,1]}"#,
    r#"{"a":[1 1]}"#, r#"{"a":[1}"#, r#"{"a":{"b":1]}"#, r#"{"a":nul}"#, r#"{"a":nulll}"#, r#"{"a":NULL}"#,
    r#"{"a":tru}"#, r#"{"a":falsey}"#, r#"{"a":NaN}"#, r#"{"a":undefined}"#, r#"{"a":01}"#, r#"{"a":-01}"#,
    r#"{"a":00}"#, r#"{"a":-}"#, r#"{"a":1.}"#, r#"{"a":.1}"#, r#"{"a":1e}"#, r#"{"a":1e+}"#, r#"{"a":+1}"#,
    r#"{"a":0x1}"#, r#"{"a":1.2.3}"#, r#"{"a":--1}"#, r#"{"a":1/*c*/}"#, "// c", "x", "\"", r#"{"a"#, r#"{"a":"b}"#,
    r#"{"a":"\x"}"#, r#"{"a":"\u12"}"#, r#"{"a":"\u12g4"}"#, r#"{"a":"\U0041"}"#, r#"{"a":"\u+123"}"#, r#"{"a":"\"}"#,
    r#"{"\x":1}"#, "{\"a\":\"\t\"}", "{\"a\":\"\0\"}", "{\"a\":\"\u{1f}\"}", "{\"a\u{8}\":1}", "{\"a\":1\u{b}}",
    "{\"a\":1\u{c}}", "\u{feff}{}", "{\u{a0}}", "{\"a\":1\0}", "\r", " \r", "nullnull", "1 1", "[1", "[[]", "tru",
];

#[test]
fn a_line_is_one_json_object_and_nothing_else() {
    let good = click().line();
    check(&good, "accepted");
    check(&format!(" \t\r{good}\r \t"), "accepted");
    for line in [
        "[]",
        "[{}]",
        "null",
        "true",
        "false",
        "0",
        "-1.5e+3",
        r#""text""#,
        r#""\ud800""#,
        " [ 1 , 2 ] ",
        r#"[{"a":[]}]"#,
    ] {
        check(line, "not_an_object");
    }
    for line in MALFORMED {
        check(line, "malformed_json");
    }
    // Every proper beginning of a record is malformed.
    for end in 1..good.len() {
        check(&good[..end], "malformed_json");
    }
    // What strings may hold.
    for raw in [
        r#""\"\\\/\b\f\n\r\t\u00AF\u00af""#,
        "\"\u{7f}\u{80}\u{2028}\u{ffff}\u{10ffff}\"",
        r#""\u0000\uFFFF""#,
        r#""\uDBFF\uDFFF""#,
    ] {
        check(&click().with("event_id", raw).line(), "accepted");
    }
    check("", "blank");
    check("\t  \t", "blank");
}

#[test]
fn a_lone_surrogate_is_malformed_only_where_it_is_looked_at() {
    for raw in [
        r#""\ud800""#,
        r#""\uDBFF""#,
        r#""\udc00""#,
        r#""\uDFFF""#,
        r#""a\ud83d""#,
        r#""\ud83db""#,
        r#""\ud83d\u0041""#,
        r#""\ud83d\n""#,
        r#""\ud83d\ud83d\ude00""#,
        r#""\ude00\ud83d""#,
        r#""\ud83d\ude00\ude00""#,
    ] {
        check(&click().with("event_id", raw).line(), "malformed_json event_id");
        check(&click().with("note", raw).line(), "accepted");
        // As a name it is the name of no field.
        let Members(mut members) = click();
        members.push((raw.to_owned(), "1".to_owned()));
        check(&Members(members).line(), "accepted");
    }
    let name = click().line().replace("event_id", r"event_id\ud800");
    check(&name, "missing_field event_id");
}

#[test]
fn names_are_compared_after_unescaping_and_exactly() {
    check(&click().line().replace("event_id", r"\u0065vent\u005Fid"), "accepted");
    for name in ["Event_id", "event_id ", "event_i", "event_idd", "event-id", r"event_id\u0000", "évent_id"] {
        check(&click().line().replace("event_id", name), "missing_field event_id");
    }
    // The two spellings are one name.
    let line = click().line().replacen('{', r#"{"event\u005fid":1,"#, 1);
    check(&line, "accepted");
    let line = click().line().replace("\"action\"", r#""event\u005fid":1,"action""#);
    check(&line, "invalid_field event_id");
}

#[test]
fn a_value_may_nest_128_levels() {
    let nested = |open: &str, close: &str, levels| format!("{}{}", open.repeat(levels), close.repeat(levels));
    for (levels, of_field, of_line) in [
        (127, "accepted", "not_an_object"),
        (128, "accepted", "not_an_object"),
        (129, "malformed_json", "malformed_json"),
    ] {
        let arrays = nested("[", "]", levels);
        check(&click().with("x", &arrays).line(), of_field);
        check(&arrays, of_line);
        // Objects count like arrays; the innermost holds a value that does not nest.
        let objects = format!("{}1{}", r#"{"x":"#.repeat(levels), "}".repeat(levels));
        check(&click().with("x", &objects).line(), of_field);
        check(&format!("[{}]", nested("[", "]", levels - 1)), of_line);
        let mixed = format!("{}{}", r#"[{"x":"#.repeat(levels / 2), if levels % 2 == 1 { "[]" } else { "0" });
        let mixed = mixed + &"}]".repeat(levels / 2);
        check(&click().with("x", &mixed).line(), of_field);
        // Levels that are closed do not count.
        check(
            &click().with("x", &format!("[{},{}]", nested("[", "]", 127), nested("[", "]", levels - 1))).line(),
            of_field,
        );
    }
    check(&"[".repeat(65_536), "malformed_json");
    check(&r#"{"a":"#.repeat(13_000), "malformed_json");
}

#[test]
fn bytes_that_are_no_utf_8_are_found_before_anything_else() {
    for bytes in [
        &b"\xff"[..],
        b"\x80",
        b"\xc3",
        b"\xc3(",
        b"\xc0\x80",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
        b"\xf8\x88\x80\x80\x80",
    ] {
        let mut line = click().with("note", r#""?""#).line().into_bytes();
        let place = line.iter().position(|&byte| byte == b'?').unwrap();
        line.splice(place..=place, bytes.iter().copied());
        check_bytes(&line, "invalid_utf8");
        check_bytes(bytes, "invalid_utf8");
    }
}

#[test]
fn a_line_has_at_most_65_536_bytes() {
    let padded = |length: usize| {
        let line = click().with("note", r#""?""#).line();
        line.replace('?', &"x".repeat(length - line.len() + 1))
    };
    check(&padded(65_535), "accepted");
    check(&padded(65_536), "accepted");
    check(&padded(65_537), "too_large");
    check(&" ".repeat(65_536), "blank");
    check(&" ".repeat(65_537), "blank");
    check_bytes(&vec![0xff; 65_537], "too_large");
}

#[test]
fn a_rejection_says_where() {
    let at = |line: &str| parse_all(line.as_bytes(), &RULES).rejected[0].rejection.at;
    assert_eq!(at(r#"{"event_type":"refund"}"#), Some(14));
    assert_eq!(at(r#"{"event_type" : 17}"#), Some(16));
    assert_eq!(at(r#"{"event_type":"cl\ud800"}"#), Some(17));
    assert_eq!(at(r#"{"event_type":tru}"#), Some(17));
    assert_eq!(at(r#"{"event_type":"#), Some(14));
    assert_eq!(at(r#"{"event_type":"click"}"#), None);
    assert_eq!(at("[]"), None);
    let line = order().with("items", r#"[{"product_id":"p","quantity":0}]"#).line();
    assert_eq!(at(&line), Some(u32::try_from(line.find("0}").unwrap()).unwrap()));
    let line = order().with("items", "[{}, 7]").line().replace("{}", &item().line());
    assert_eq!(at(&line), Some(u32::try_from(line.find("7]").unwrap()).unwrap()));
    assert_eq!(parse_all(b"ab\xff", &RULES).rejected[0].rejection.at, Some(2));
}

#[test]
fn every_slot_of_an_event_is_filled() {
    let some = |text: &str| Some(text.to_owned());
    let read = |record: Members| read(record.line().as_bytes(), &RULES).unwrap().unwrap();
    let of = |kind, event_id: &str| Plain {
        kind,
        micros: MICROS,
        event_id: event_id.to_owned(),
        session: None,
        customer: None,
        subject: None,
        cents: 0,
        items: vec![],
        texts: vec![],
    };
    let view = Plain { session: some("s1"), customer: some("c1"), subject: some("p1"), ..of(EventKind::View, "e1") };
    assert_eq!(read(click()), view);
    assert_eq!(read(click().with("action", r#""add_to_cart""#)), Plain { kind: EventKind::AddToCart, ..view.clone() });
    let checkout = click().with("action", r#""checkout""#).without("product_id").with("customer_id", "null");
    assert_eq!(read(checkout), Plain { kind: EventKind::Checkout, customer: None, subject: None, ..view });
    assert_eq!(
        read(order()),
        Plain {
            session: some("s1"),
            customer: some("c1"),
            subject: some("0123456789abcdef-long"),
            cents: 2_550,
            items: vec![("p1".to_owned(), 2, 1_050, some("toys")), ("p2".to_owned(), 1, 450, None)],
            ..of(EventKind::Order, "e2")
        }
    );
    let failed = Plain {
        customer: some("c1"),
        subject: some("o1"),
        cents: 2_550,
        texts: vec![some("pay1"), some("card"), some("insufficient_funds_on_card")],
        ..of(EventKind::PaymentFailed, "e3")
    };
    assert_eq!(read(payment()), failed);
    let texts = vec![some("pay1"), some("card"), None];
    let succeeded = payment().with("status", r#""succeeded""#).with("failure_reason", "null");
    assert_eq!(read(succeeded), Plain { kind: EventKind::PaymentSucceeded, texts, ..failed });
    let texts = vec![some("DE"), some("")];
    assert_eq!(read(customer()), Plain { customer: some("c1"), texts, ..of(EventKind::Customer, "e4") });
    let texts = vec![None, None];
    let bare = customer().without("country").with("segment", "null");
    assert_eq!(read(bare), Plain { customer: some("c1"), texts, ..of(EventKind::Customer, "e4") });
    let texts = vec![some("A name of more than sixteen bytes"), some("toys")];
    assert_eq!(read(product()), Plain { subject: some("p1"), texts, ..of(EventKind::Product, "e5") });
}
