//! JSON written in every legal manner: any order, space, escapes, repeated names, fields nobody looks at.

use super::Rng;
use crate::time::date;

/// A value with what it means; how it is written is left to chance.
#[derive(Clone, Debug)]
pub(crate) enum Json {
    /// A string.
    Text(String),
    /// Any value, as it is to be written.
    Written(String),
    /// Cents, as a number or a string.
    Money(i64),
    /// Microseconds since the epoch, as RFC 3339 or as milliseconds.
    Time(i64),
    Array(Vec<Json>),
    Object(Vec<(&'static str, Json)>),
}

/// How one line is written.
#[expect(clippy::struct_excessive_bools, reason = "four choices that have nothing to do with each other")]
pub(crate) struct Style {
    spaces: bool,
    escapes: bool,
    shuffled: bool,
    extras: bool,
}

impl Style {
    pub(crate) fn any(rng: &mut Rng) -> Style {
        Style { spaces: rng.one_in(4), escapes: rng.one_in(4), shuffled: rng.one_in(2), extras: rng.one_in(4) }
    }
}

/// Values of fields that nobody looks at, nested at most `levels` deep.
fn ignored_value(levels: usize, rng: &mut Rng) -> String {
    let nested = format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    let objects = format!("{}1{}", "{\"a\":".repeat(levels), "}".repeat(levels));
    let values = [
        "null",
        "true",
        "-0.5e+10",
        "1e999",
        "[]",
        "{}",
        "{\"event_id\":\"inner\",\"items\":[{},[null]]}",
        "\"\\ud800\"",
        "\"\\udfff tail\"",
        "[\"\\uDBFF\\n\",{\"\\ud800\":1}]",
        "\"\\\"]}\\\\\"",
        "\"}{,:\"",
        "123456789012345678901234567890",
        nested.as_str(),
        objects.as_str(),
        "\"\u{7f}\u{2028}😀\"",
        "\"\\/\\b\\f\\n\\r\\t\"",
    ];
    (*rng.pick(&values)).to_owned()
}

impl Json {
    /// Appends the value. `levels` is how many levels of nesting it may add to those around it.
    pub(crate) fn write(&self, levels: usize, style: &Style, rng: &mut Rng, out: &mut String) {
        match self {
            Json::Text(text) => string(text, style, rng, out),
            Json::Written(text) => out.push_str(text),
            Json::Money(cents) => money(*cents, rng, out),
            Json::Time(micros) => time(*micros, style, rng, out),
            Json::Array(values) => {
                out.push('[');
                for (place, value) in values.iter().enumerate() {
                    if place > 0 {
                        out.push(',');
                    }
                    space(style, rng, out);
                    value.write(levels - 1, style, rng, out);
                    space(style, rng, out);
                }
                out.push(']');
            }
            Json::Object(members) => object(members, levels, style, rng, out),
        }
    }
}

fn object(members: &[(&'static str, Json)], levels: usize, style: &Style, rng: &mut Rng, out: &mut String) {
    let mut members: Vec<(&str, Json)> = members.to_vec();
    if style.shuffled {
        rng.shuffle(&mut members);
    }
    if style.extras && rng.one_in(2) {
        // A repeated name: the last counts, so what comes before may be anything.
        let at = rng.below(members.len());
        let name = members[at].0;
        let value = Json::Written((*rng.pick(&["null", "17", "\"other\"", "[]", "{\"a\":[1]}", "\"\""])).to_owned());
        members.insert(rng.below(at + 1), (name, value));
    }
    if style.extras {
        let name = *rng.pick(&["x", "", "eventid", "event_id ", "Event_Id", "meta", "\u{1F600}", "received_at"]);
        members.insert(rng.below(members.len() + 1), (name, Json::Written(ignored_value(levels - 1, rng))));
    }
    out.push('{');
    for (place, (name, value)) in members.iter().enumerate() {
        if place > 0 {
            out.push(',');
        }
        space(style, rng, out);
        string(name, style, rng, out);
        space(style, rng, out);
        out.push(':');
        space(style, rng, out);
        value.write(levels - 1, style, rng, out);
        space(style, rng, out);
    }
    out.push('}');
}

fn space(style: &Style, rng: &mut Rng, out: &mut String) {
    while style.spaces && rng.one_in(3) {
        out.push(*rng.pick(&[' ', ' ', '\t', '\r']));
    }
}

fn string(text: &str, style: &Style, rng: &mut Rng, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if u32::from(c) < 0x20 || (style.escapes && rng.one_in(8)) => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let escape = if rng.one_in(2) { format!("\\u{unit:04x}") } else { format!("\\u{unit:04X}") };
                    out.push_str(&escape);
                }
            }
            '/' if style.escapes => out.push_str("\\/"),
            c => out.push(c),
        }
    }
    out.push('"');
}

fn money(cents: i64, rng: &mut Rng, out: &mut String) {
    let (whole, rest) = (cents / 100, cents % 100);
    let mut text = format!("{whole}.{rest:02}");
    if rest % 10 == 0 && rng.one_in(2) {
        text = format!("{whole}.{}", rest / 10);
    }
    if rest == 0 && rng.one_in(2) {
        text = whole.to_string();
    }
    match rng.below(6) {
        0 => text = format!("\"{text}\""),
        1 => text = format!("\"{}{text}\"", "0".repeat(rng.below(20))),
        _ => {}
    }
    out.push_str(&text);
}

fn time(micros: i64, style: &Style, rng: &mut Rng, out: &mut String) {
    if micros % 1_000 == 0 && rng.one_in(3) {
        out.push_str(&(micros / 1_000).to_string());
        return;
    }
    let minutes = *rng.pick(&[0, 0, 0, 330, -480, 1_439, -1_439]);
    let local = micros + minutes * 60_000_000;
    let (year, month, day) = date(local.div_euclid(crate::time::DAY));
    let seconds = local.rem_euclid(crate::time::DAY) / 1_000_000;
    let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    let fraction = format!("{:06}", micros.rem_euclid(1_000_000));
    let fraction = match (rng.below(4), fraction.trim_end_matches('0')) {
        (0, _) => format!(".{fraction}"),
        // Digits beyond the microsecond are cut.
        (1, _) => format!(".{fraction}{}", rng.pick(&["9", "4999", "99999999999999999999"])),
        (_, "") => String::new(),
        (_, digits) => format!(".{digits}"),
    };
    let offset = if minutes == 0 {
        (*rng.pick(&["Z", "Z", "z", "+00:00", "-00:00"])).to_owned()
    } else {
        let sign = if minutes < 0 { '-' } else { '+' };
        format!("{sign}{:02}:{:02}", minutes.abs() / 60, minutes.abs() % 60)
    };
    let separator = rng.pick(&["T", "T", "t", " "]);
    let text = format!("{year:04}-{month:02}-{day:02}{separator}{hour:02}:{minute:02}:{second:02}{fraction}{offset}");
    string(&text, style, rng, out);
}
