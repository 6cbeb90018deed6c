//! §1: lines, fields, rejections.

use engine_model::{EventTime, Field, Reason};

use super::{START, usual};
use crate::parse::{Body, Event, event};
use crate::time::{Cut, date, day_number, days_in_month, instant};
use crate::{Line, lines};

fn read(line: &str) -> Result<Event, (Reason, Option<Field>)> {
    event(line.as_bytes(), &usual()).map_err(|rejection| (rejection.reason, rejection.field))
}

const CUSTOMER: &str =
    r#""event_type":"customer","event_id":"e","event_time":"2026-01-01T00:00:00Z","customer_id":"c""#;

/// A valid customer event with further members.
fn with(members: &str) -> Result<Event, (Reason, Option<Field>)> {
    read(&format!("{{{CUSTOMER},{members}}}"))
}

fn country(event: Result<Event, (Reason, Option<Field>)>) -> Option<String> {
    match event.expect("valid").body {
        Body::Customer { country, .. } => country,
        other => panic!("{other:?}"),
    }
}

#[test]
fn lines_end_with_newline_or_both_and_blank_ones_are_no_records() {
    let found = |bytes: &'static [u8]| -> Vec<(u64, &[u8])> {
        lines(bytes).into_iter().map(|Line { offset, bytes }| (offset, bytes)).collect()
    };
    assert_eq!(found(b"a\nb\r\n \t\n\r\n\nc"), [(0, b"a" as &[u8]), (2, b"b"), (11, b"c")]);
    assert_eq!(found(b"\xEF\xBB\xBFa\n\xEF\xBB\xBFb\n"), [(3, b"a" as &[u8]), (5, b"\xEF\xBB\xBFb")]);
    assert_eq!(found(b"a\r"), [(0, b"a\r" as &[u8])]);
    assert_eq!(found(b"a\r\r\n\x0b\n"), [(0, b"a\r" as &[u8]), (4, b"\x0b")]);
    assert_eq!(found(b""), []);
    assert_eq!(found(b"\xEF\xBB\xBF"), []);
    assert!(lines(&[b' '; 1_000].repeat(70)).is_empty());
}

#[test]
fn a_line_has_at_most_65536_bytes() {
    let line = |bytes: usize| format!("{{{CUSTOMER}}}{}", " ".repeat(bytes - CUSTOMER.len() - 2));
    assert!(read(&line(65_535)).is_ok());
    assert!(read(&line(65_536)).is_ok());
    assert_eq!(read(&line(65_537)).unwrap_err(), (Reason::TooLarge, None));
    assert_eq!(event(&vec![0xFF; 65_537], &usual()).unwrap_err().reason, Reason::TooLarge);
    assert_eq!(event(b"{\xFF", &usual()).unwrap_err().reason, Reason::InvalidUtf8);
}

#[test]
fn a_fields_value_nests_128_levels() {
    let nested = |levels: usize| format!("\"x\":{}{}", "[".repeat(levels), "]".repeat(levels));
    let objects = |levels: usize| format!("\"x\":{}1{}", "{\"a\":".repeat(levels), "}".repeat(levels));
    for deep in [nested, objects] {
        assert!(with(&deep(127)).is_ok());
        assert!(with(&deep(128)).is_ok());
        assert_eq!(with(&deep(129)).unwrap_err(), (Reason::MalformedJson, None));
        assert_eq!(with(&deep(5_000)).unwrap_err(), (Reason::MalformedJson, None));
    }
    assert!(with(&format!("\"x\":\"{}\"", "[".repeat(200))).is_ok());
    assert!(with("\"x\":[[],[],{\"a\":[]}]").is_ok());
}

#[test]
fn a_bad_escape_matters_in_fields_looked_at_only() {
    for ignored in [r#""x":"\ud800""#, r#""\udc00":1"#, r#""x":{"\ud800":["\udc00\ud800"]}"#, r#""total":"\ud800""#] {
        assert!(with(ignored).is_ok(), "{ignored}");
    }
    for bad in [r"\ud800", r"\udc00", r"\ud800a", r"\ud83d\u0041"] {
        let answer = with(&format!(r#""country":"{bad}""#)).unwrap_err();
        assert_eq!(answer, (Reason::MalformedJson, Some(Field::Country)));
    }
    assert_eq!(country(with(r#""country":"\ud83d\ude00\u0041""#)).as_deref(), Some("\u{1F600}A"));
    assert_eq!(country(with(r#""c\u006funtry":"DE""#)).as_deref(), Some("DE"));
}

#[test]
fn of_a_repeated_name_the_last_counts() {
    assert_eq!(country(with(r#""country":"US","country":"DE""#)).as_deref(), Some("DE"));
    assert_eq!(country(with(r#""country":7,"countr\u0079":null"#)), None);
    assert_eq!(with(r#""country":"US","country":7"#).unwrap_err(), (Reason::InvalidField, Some(Field::Country)));
    assert!(with(r#""country":"\ud800","country":"DE""#).is_ok());
    assert_eq!(with(r#""event_type":"x""#).unwrap_err(), (Reason::UnknownEventType, Some(Field::EventType)));
}

#[test]
fn null_is_absent_in_an_optional_field_and_invalid_in_a_required_one() {
    assert_eq!(country(with(r#""country":null"#)), None);
    assert_eq!(country(with(r#""country":"""#)).as_deref(), Some(""));
    assert_eq!(with(r#""customer_id":null"#).unwrap_err(), (Reason::InvalidField, Some(Field::CustomerId)));
    assert_eq!(read("{}").unwrap_err(), (Reason::MissingField, Some(Field::EventType)));
    assert_eq!(read(r#"{"event_type":null}"#).unwrap_err(), (Reason::InvalidField, Some(Field::EventType)));
    assert_eq!(read(r#"{"event_type":"order"}"#).unwrap_err(), (Reason::MissingField, Some(Field::EventId)));
}

#[test]
fn texts_are_measured_in_bytes_after_unescaping() {
    let id = |text: String| with(&format!(r#""event_id":"{text}""#)).is_ok();
    assert!(!id(String::new()));
    assert!(id("x".into()) && id("x".repeat(64)) && id("é".repeat(32)) && id("\\u0041".repeat(64)));
    assert!(!id("x".repeat(65)) && !id("é".repeat(32) + "x"));
    assert!(with(&format!(r#""country":"{}""#, "x".repeat(64))).is_ok());
    assert!(with(&format!(r#""country":"{}""#, "x".repeat(65))).is_err());
}

#[test]
fn what_is_no_json_is_malformed_and_what_is_no_object_says_so() {
    for text in [
        "{",
        "{}}",
        "hello",
        "\r",
        "{\"a\":01}",
        "{\"a\":1,}",
        "{\"a\":\"\t\"}",
        "{'a':1}",
        "\u{feff}{}",
        "{\"a\":NaN}",
    ] {
        assert_eq!(read(text).unwrap_err(), (Reason::MalformedJson, None), "{text}");
    }
    for text in ["[]", " 5 ", "null", "\"\\ud800\"", "[{}]"] {
        assert_eq!(read(text).unwrap_err(), (Reason::NotAnObject, None), "{text}");
    }
    assert!(read(&format!(" \t\r{{ \r {CUSTOMER} }} \r")).is_ok());
}

#[test]
fn event_times_are_cut_to_the_microsecond_and_carry_offsets() {
    for (text, micros) in [
        ("2026-01-01T00:00:00Z", START),
        ("2026-01-01 00:00:00z", START),
        ("2026-01-01t00:00:00.9999999Z", START + 999_999),
        ("2026-01-01T00:00:00.5Z", START + 500_000),
        ("2026-01-01T05:30:00.000001+05:30", START + 1),
        ("2025-12-31T23:30:00-00:30", START),
        ("2026-01-01T00:00:00-00:00", START),
        ("2025-12-31T00:01:00-23:59", START),
        ("2024-02-29T12:00:00Z", 1_709_208_000_000_000),
        ("1969-12-31T23:59:59Z", -1_000_000),
        ("1969-12-31T23:30:00-01:00", 1_800_000_000),
    ] {
        assert_eq!(instant(text), Some(micros), "{text}");
    }
    for text in [
        "",
        "2026-01-01T00:00:00",
        "2026-01-01T00:00:60Z",
        "2026-01-01T24:00:00Z",
        "2026-01-01T00:60:00Z",
        "2026-02-29T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-01-01T00:00:00.Z",
        "2026-01-01T00:00:00+24:00",
        "2026-01-01T00:00:00+00:60",
        "2026-01-01T00:00:00+0000",
        "2026-01-01  00:00:00Z",
        "2026-01-01T00:00:00Z ",
        "+026-01-01T00:00:00Z",
        "2026-01-01T00:00:00,5Z",
        "2026-01-01T00:00:00 Z",
        "20260101T000000Z00000",
    ] {
        assert_eq!(instant(text), None, "{text}");
    }
}

#[test]
fn event_times_lie_between_1970_and_the_clock() {
    let mut config = usual();
    config.time_max = EventTime::from_micros(START + 1_000);
    let at = |written: &str| {
        let line = format!(r#"{{{CUSTOMER},"event_time":{written}}}"#);
        event(line.as_bytes(), &config).map(|event| event.time).map_err(|rejection| rejection.reason)
    };
    assert_eq!(at("0"), Ok(0));
    assert_eq!(at("\"1970-01-01T00:00:00Z\""), Ok(0));
    assert_eq!(at("\"1969-12-31T23:59:59.9999999Z\""), Err(Reason::InvalidField));
    assert_eq!(at("\"2026-01-01T00:00:00.001Z\""), Ok(START + 1_000));
    assert_eq!(at("\"2026-01-01T00:00:00.0010009Z\""), Ok(START + 1_000));
    assert_eq!(at("\"2026-01-01T00:00:00.001001Z\""), Err(Reason::FutureEventTime));
    assert_eq!(at(&(START / 1_000 + 1).to_string()), Ok(START + 1_000));
    assert_eq!(at(&(START / 1_000 + 2).to_string()), Err(Reason::FutureEventTime));
    assert_eq!(at("9223372036854775808"), Err(Reason::FutureEventTime));
    assert_eq!(at(&"9".repeat(100)), Err(Reason::FutureEventTime));
    for written in ["-1", "-0", "1.0", "1e3", "true", "\"0\"", "null", "[]"] {
        assert_eq!(at(written), Err(Reason::InvalidField), "{written}");
    }
}

#[test]
fn money_is_read_from_its_text() {
    let price = |written: &str| {
        let line = format!(
            r#"{{"event_type":"product","event_id":"e","event_time":0,"product_id":"p","name":"n","category":"c","price":{written}}}"#
        );
        match read(&line) {
            Ok(Event { body: Body::Product { price, .. }, .. }) => Ok(price),
            Ok(other) => panic!("{other:?}"),
            Err(rejection) => Err(rejection),
        }
    };
    for (written, cents) in [
        ("0", 0),
        ("0.05", 5),
        ("1.5", 150),
        ("\"1.50\"", 150),
        ("\"007\"", 700),
        ("19.99", 1_999),
        ("\"\\u0031\"", 100),
        ("9999999999.99", 999_999_999_999),
        ("\"000000000000000000000000000009999999999.99\"", 999_999_999_999),
    ] {
        assert_eq!(price(written), Ok(cents), "{written}");
    }
    for written in [
        "-1",
        "-0",
        "1.005",
        "1e2",
        "1E2",
        "10000000000",
        "10000000000.00",
        "\"\"",
        "\".5\"",
        "\"1.\"",
        "\"+1\"",
        "\" 1\"",
        "\"1,5\"",
        "null",
        "true",
        "[1]",
        "\"1.2.3\"",
        "\"\u{661}\"",
    ] {
        assert_eq!(price(written), Err((Reason::InvalidField, Some(Field::Price))), "{written}");
    }
}

#[test]
fn orders_have_one_to_a_hundred_items_each_with_its_rules() {
    let order = |items: &str| {
        let line = format!(
            r#"{{"event_type":"order","event_id":"e","event_time":0,"customer_id":"c","order_id":"o","currency":"USD","total":1,"items":{items}}}"#
        );
        read(&line).map(|_| ()).map_err(|(reason, field)| (reason, field.expect("a field")))
    };
    let item = |members: &str| order(&format!("[{{{members}}}]"));
    let good = r#"{"product_id":"p","quantity":1,"unit_price":1}"#;
    let many = |count: usize| format!("[{}]", vec![good; count].join(","));
    for count in [1, 99, 100] {
        assert_eq!(order(&many(count)), Ok(()));
    }
    for bad in [many(0), many(101), "{}".into(), "null".into(), "[1]".into(), format!("[{good},null]")] {
        assert_eq!(order(&bad), Err((Reason::InvalidField, Field::Items)), "{bad}");
    }
    for quantity in ["1", "10000"] {
        assert_eq!(item(&format!(r#""product_id":"p","quantity":{quantity},"unit_price":1"#)), Ok(()));
    }
    for quantity in ["0", "10001", "1.0", "1e1", "-1", "\"1\"", "null", "99999999999999999999999"] {
        let answer = item(&format!(r#""product_id":"p","quantity":{quantity},"unit_price":1"#));
        assert_eq!(answer, Err((Reason::InvalidField, Field::ItemsQuantity)), "{quantity}");
    }
    assert_eq!(item(r#""quantity":1,"unit_price":1"#), Err((Reason::MissingField, Field::ItemsProductId)));
    assert_eq!(item(r#""product_id":"p","quantity":1"#), Err((Reason::MissingField, Field::ItemsUnitPrice)));
    let category = |value: &str| item(&format!(r#""product_id":"p","quantity":1,"unit_price":1,"category":{value}"#));
    assert_eq!((category("null"), category("\"a\"")), (Ok(()), Ok(())));
    assert_eq!(category("\"\""), Err((Reason::InvalidField, Field::ItemsCategory)));
    assert_eq!(category("\"\\ud800\""), Err((Reason::MalformedJson, Field::ItemsCategory)));
}

#[test]
fn a_product_is_required_of_views_and_optional_on_checkout() {
    let click = |action: &str, product: &str| {
        let line = format!(
            r#"{{"event_type":"click","event_id":"e","event_time":0,"session_id":"s","action":"{action}"{product}}}"#
        );
        read(&line).map(|_| ())
    };
    assert_eq!(click("view", ""), Err((Reason::MissingField, Some(Field::ProductId))));
    assert_eq!(click("add_to_cart", r#","product_id":null"#), Err((Reason::InvalidField, Some(Field::ProductId))));
    assert_eq!(click("checkout", ""), Ok(()));
    assert_eq!(click("checkout", r#","product_id":null"#), Ok(()));
    assert_eq!(click("checkout", r#","product_id":5"#), Err((Reason::InvalidField, Some(Field::ProductId))));
    assert_eq!(click("buy", ""), Err((Reason::InvalidField, Some(Field::Action))));
}

#[test]
fn the_currency_is_the_pipelines() {
    let payment = |currency: &str| {
        let line = format!(
            r#"{{"event_type":"payment","event_id":"e","event_time":0,"order_id":"o","payment_id":"y","currency":{currency},"method":"m","amount":1,"status":"failed"}}"#
        );
        read(&line).map(|_| ())
    };
    assert_eq!(payment("\"USD\""), Ok(()));
    for other in ["\"EUR\"", "\"usd\"", "\"\""] {
        assert_eq!(payment(other), Err((Reason::CurrencyMismatch, Some(Field::Currency))));
    }
    assert_eq!(payment("null"), Err((Reason::InvalidField, Some(Field::Currency))));
}

#[test]
fn of_several_broken_rules_the_first_in_the_contracts_order_is_named() {
    let reason = |line: &str| read(line).unwrap_err();
    assert_eq!(reason(r#"{"event_id":"","event_type":"x"}"#), (Reason::UnknownEventType, Some(Field::EventType)));
    assert_eq!(
        reason(r#"{"event_time":-1,"event_id":"","event_type":"click"}"#),
        (Reason::InvalidField, Some(Field::EventId))
    );
    assert_eq!(
        reason(r#"{"action":"buy","event_time":-1,"event_id":"e","event_type":"click"}"#),
        (Reason::InvalidField, Some(Field::EventTime))
    );
}

#[test]
fn the_calendar_counts_every_day_once() {
    let mut day = day_number(1968, 1, 1);
    assert_eq!(day, -731);
    for year in 1968..2500 {
        for month in 1..=12 {
            for day_of_month in 1..=days_in_month(year, month) {
                assert_eq!((day_number(year, month, day_of_month), date(day)), (day, (year, month, day_of_month)));
                day += 1;
            }
        }
    }
    assert_eq!(day_number(2026, 1, 1), 20_454);
    let west = Cut { length: 3_600_000_000, offset: -8 * 3_600_000_000 };
    let window = west.window(0);
    assert_eq!((west.date_key(window), west.minute_of_day(window), west.start(window)), (19_691_231, 960, 0));
}
