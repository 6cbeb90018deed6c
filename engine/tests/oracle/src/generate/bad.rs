//! Lines that break exactly one rule, each rule in many ways.

use engine_model::Reason;

use super::Rng;
use super::json::Json;
use super::record::Record;
use crate::Config;

/// Makes a bad line of a valid record, and says why it is bad.
pub(crate) fn line(record: Record, rng: &mut Rng, config: &Config) -> (Reason, Vec<u8>) {
    let reason = match *rng.pick(&Reason::ALL) {
        // Long lines are slow to read, so there are few.
        Reason::TooLarge if !rng.one_in(4) => Reason::NotAnObject,
        Reason::CurrencyMismatch if !matches!(record.event_type, "order" | "payment") => Reason::FutureEventTime,
        reason => reason,
    };
    let line = match reason {
        Reason::TooLarge => too_large(&record, rng),
        Reason::NotAnObject => not_an_object(rng),
        Reason::InvalidUtf8 => invalid_utf8(&record, rng),
        Reason::MalformedJson => malformed(record, rng),
        Reason::MissingField => missing(record, rng),
        Reason::InvalidField => invalid(record, rng),
        Reason::UnknownEventType => {
            let unknown = *rng.pick(&["", "Click", "orders", "click ", "refund", "\u{1F600}"]);
            with(record, "event_type", Json::Text(unknown.to_owned()), rng)
        }
        Reason::CurrencyMismatch => {
            let other = *rng.pick(&["", "usd", "USDX", "US", "GBP"]);
            with(record, "currency", Json::Text(other.to_owned()), rng)
        }
        Reason::FutureEventTime => {
            let first = config.time_max.as_micros() + 1;
            let time = match rng.below(4) {
                0 => Json::Time(first),
                1 => Json::Time(first + rng.between(0, 100_000_000_000_000)),
                2 => Json::Written((first / 1_000 + 1).to_string()),
                _ => Json::Written(
                    (*rng.pick(&["9223372036854775807", "18446744073709551616", &"9".repeat(60)])).to_owned(),
                ),
            };
            with(record, "event_time", time, rng)
        }
    };
    (reason, line)
}

fn with(mut record: Record, name: &'static str, value: Json, rng: &mut Rng) -> Vec<u8> {
    record.set(name, value);
    record.write(rng).into_bytes()
}

fn too_large(record: &Record, rng: &mut Rng) -> Vec<u8> {
    let mut line = record.write(rng);
    let missing = 65_537_usize.saturating_sub(line.len());
    line.push_str(&" ".repeat(missing + *rng.pick(&[0, 0, 1, 10_000, 70_000])));
    line.into_bytes()
}

fn not_an_object(rng: &mut Rng) -> Vec<u8> {
    let values = ["[]", "[{}]", "\"{}\"", " 0", "-1.5e3 ", "null", "true\t", "\"\\ud800\"", "[[1,2],{\"a\":null}]"];
    rng.pick(&values).as_bytes().to_vec()
}

fn invalid_utf8(record: &Record, rng: &mut Rng) -> Vec<u8> {
    let bytes: &[u8] = rng.pick::<&[u8]>(&[
        b"\xFF",
        b"\xC0\x80",
        b"\xED\xA0\x80",
        b"\xF4\x90\x80\x80",
        b"\xE2\x82",
        b"\x80",
        b"\xF0\x9F\x98",
    ]);
    let mut line = record.write(rng).into_bytes();
    match rng.below(3) {
        // In a field nobody looks at, anywhere at all, at the end.
        0 => {
            let field = [b"\"x\":\"", bytes, b"\","].concat();
            line.splice(1..1, field);
        }
        1 => {
            let at = rng.below(line.len());
            line.splice(at..=at, bytes.iter().copied());
        }
        _ => line.extend_from_slice(bytes),
    }
    // What was overwritten may have been part of a longer character that is now whole again: make sure.
    if str::from_utf8(&line).is_ok() {
        line.push(0xFF);
    }
    line
}

fn malformed(record: Record, rng: &mut Rng) -> Vec<u8> {
    if rng.one_in(5) {
        let bad = rng.pick(&["\\ud800", "\\uDC00", "\\ud800x", "a\\uD83D\\u0041", "\\uDBFF\\uD800"]);
        let field = *rng.pick(&["event_id", "event_type"]);
        return with(record, field, Json::Written(format!("\"{bad}\"")), rng);
    }
    let line = record.write(rng);
    if rng.one_in(2) {
        let deep = [
            format!("{}{}", "[".repeat(129), "]".repeat(129)),
            format!("{}1{}", "{\"a\":".repeat(129), "}".repeat(129)),
        ];
        let values = [
            "01",
            "1.",
            ".5",
            "+1",
            "1e",
            "1e+",
            "-",
            "NaN",
            "Infinity",
            "tru",
            "nul",
            "'x'",
            "\"\\x\"",
            "\"\\u12\"",
            "\"\\u12g4\"",
            "\"\u{1}\"",
            "\"a\tb\"",
            "\"abc",
            "[",
            "[1,]",
            "[1 2]",
            "[}",
            "{\"a\"}",
            "{\"a\":}",
            "{1:2}",
            "{\"a\":1,}",
            "",
            "1 \"y\":2",
            "/**/1",
            "\u{a0}1",
            "\u{feff}1",
            "0x10",
            "--1",
            "\"\\",
            &deep[0],
            &deep[1],
        ];
        let value = rng.pick(&values);
        return format!("{{\"x\":{value},{}", &line.trim_start()[1..]).into_bytes();
    }
    let trimmed = line.trim_end();
    match rng.below(8) {
        0 => trimmed[..trimmed.len() - 1].to_owned(),
        1 => format!("{},}}", &trimmed[..trimmed.len() - 1]),
        2 => format!("{line}{line}"),
        3 => format!("\u{feff}{line}"),
        4 => format!("{line}]"),
        5 => format!("[{line}"),
        6 => format!("{line},"),
        _ => (*rng.pick(&["{", "}", "hello", "{]", "\u{b}{}", "\"", "\u{0}", "\r", "//"])).to_owned(),
    }
    .into_bytes()
}

/// The fields a record must have, in any order.
fn required(record: &Record) -> Vec<&'static str> {
    let mut fields = vec!["event_id", "event_type", "event_time"];
    fields.extend_from_slice(match record.event_type {
        "click" if has_action(record, "checkout") => &["session_id", "action"] as &[&str],
        "click" => &["session_id", "action", "product_id"],
        "order" => {
            &["customer_id", "order_id", "currency", "total", "items", ".product_id", ".quantity", ".unit_price"]
        }
        "payment" => &["order_id", "currency", "payment_id", "method", "amount", "status"],
        "product" => &["product_id", "name", "category", "price"],
        _ => &["customer_id"],
    });
    fields
}

fn optional(record: &Record) -> &'static [&'static str] {
    match record.event_type {
        "click" if has_action(record, "checkout") => &["customer_id", "product_id"],
        "click" => &["customer_id"],
        "order" => &["session_id", ".category"],
        "payment" => &["customer_id", "failure_reason"],
        "product" => &[],
        _ => &["country", "segment"],
    }
}

fn has_action(record: &Record, action: &str) -> bool {
    record.fields.iter().any(|(name, value)| *name == "action" && matches!(value, Json::Text(text) if text == action))
}

/// The members of the record, or for a name that begins with a point those of one of its items.
fn members<'a>(record: &'a mut Record, name: &str, rng: &mut Rng) -> &'a mut Vec<(&'static str, Json)> {
    if !name.starts_with('.') {
        return &mut record.fields;
    }
    let items = record.fields.iter_mut().find(|field| field.0 == "items").expect("an order");
    let Json::Array(items) = &mut items.1 else { unreachable!("items are an array") };
    let at = rng.below(items.len());
    let Json::Object(members) = &mut items[at] else { unreachable!("an item is an object") };
    members
}

fn missing(mut record: Record, rng: &mut Rng) -> Vec<u8> {
    let name = *rng.pick(&required(&record));
    members(&mut record, name, rng).retain(|member| member.0 != name.trim_start_matches('.'));
    record.write(rng).into_bytes()
}

fn invalid(mut record: Record, rng: &mut Rng) -> Vec<u8> {
    let optional = optional(&record);
    let (name, value) = if !optional.is_empty() && rng.one_in(4) {
        let name = *rng.pick(optional);
        (name, bad_value(name, rng))
    } else {
        let name = *rng.pick(&required(&record));
        (name, if rng.one_in(8) { "null".to_owned() } else { bad_value(name, rng) })
    };
    let own_name = name.trim_start_matches('.');
    let members = members(&mut record, name, rng);
    members.retain(|member| member.0 != own_name);
    members.push((own_name, Json::Written(value)));
    record.write(rng).into_bytes()
}

fn bad_value(name: &str, rng: &mut Rng) -> String {
    let long = |bytes: usize| format!("\"{}é\"", "x".repeat(bytes - 2));
    let item = r#"{"product_id":"p","quantity":1,"unit_price":1}"#;
    let many = format!("[{}{item}]", format!("{item},").repeat(100));
    let mut values: Vec<String> = match name {
        "event_time" => &[
            "-1",
            "1.5",
            "1e3",
            "-0",
            "0.0",
            "\"1767225600000\"",
            "\"\"",
            "\"2026-01-01\"",
            "\"2026-01-01T00:00:00\"",
            "\"2026-01-01T00:00:60Z\"",
            "\"2026-01-01T24:00:00Z\"",
            "\"2026-01-01T00:60:00Z\"",
            "\"2026-02-29T00:00:00Z\"",
            "\"2026-13-01T00:00:00Z\"",
            "\"2026-00-01T00:00:00Z\"",
            "\"2026-01-00T00:00:00Z\"",
            "\"2026-1-1T00:00:00Z\"",
            "\"2026-01-01T00:00:00.Z\"",
            "\"2026-01-01T00:00:00,5Z\"",
            "\"2026-01-01T00:00:00+0000\"",
            "\"2026-01-01T00:00:00+24:00\"",
            "\"2026-01-01T00:00:00+00:60\"",
            "\"2026-01-01T00:00:00 Z\"",
            "\"2026-01-01  00:00:00Z\"",
            "\"2026-01-01_00:00:00Z\"",
            "\" 2026-01-01T00:00:00Z\"",
            "\"2026-01-01T00:00:00Z \"",
            "\"1969-12-31T23:59:59.999999Z\"",
            "\"1970-01-01T00:00:00+00:01\"",
            "\"-026-01-01T00:00:00Z\"",
            "\"2026-01-01T00:00:00\u{2212}01:00\"",
            "\"\u{662}026-01-01T00:00:00Z\"",
            "\"0000-01-01T00:00:00Z\"",
            "true",
            "[]",
            "{}",
        ] as &[&str],
        "total" | "amount" | "price" | ".unit_price" => &[
            "-1",
            "-0",
            "1.234",
            "1e2",
            "1E2",
            "1.5e0",
            "10000000000",
            "10000000000.00",
            "\"10000000000\"",
            "\"\"",
            "\"1.\"",
            "\".5\"",
            "\"-1\"",
            "\"+1\"",
            "\" 1\"",
            "\"1 \"",
            "\"1,5\"",
            "\"1e2\"",
            "\"1.2.3\"",
            "\"\u{661}\"",
            "\"0x1\"",
            "true",
            "[1]",
            "{}",
            "99999999999999999999999999999999999999999999",
        ],
        ".quantity" => &["0", "10001", "1.0", "1e0", "-1", "-0", "\"1\"", "99999999999999999999", "true", "[1]"],
        "items" => &["[]", "[ ]", "{}", "\"[]\"", "1", "[1]", "[null]", "[[]]"],
        "action" => &["\"\"", "\"View\"", "\"buy\"", "1", "[]"],
        "status" => &["\"\"", "\"ok\"", "\"Succeeded\"", "true", "{}"],
        "currency" | "event_type" => &["0", "true", "[]", "{\"a\":\"click\"}"],
        "country" | "segment" => &["1", "false", "[]", "{}"],
        _ => &["\"\"", "5", "false", "[]", "{\"a\":1}"],
    }
    .iter()
    .map(|value| (*value).to_owned())
    .collect();
    match name {
        "items" => values.push(many),
        "method" => values.push(long(33)),
        "name" => values.push(long(201)),
        "country" | "segment" | "event_id" | "category" | ".category" | "failure_reason" => values.push(long(65)),
        _ if name.ends_with("_id") => values.push(long(65)),
        _ => {}
    }
    rng.pick(&values).clone()
}
