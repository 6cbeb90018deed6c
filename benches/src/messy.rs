//! The untidy writer: the same records with fields shuffled, times at other offsets, escapes, unknown nested fields and
//! whitespace. A line keeps its meaning; a line that is no JSON object keeps its bytes.

use std::fmt;

use jiff::{Timestamp, tz::Offset};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// Draws numbers: `SplitMix64` (Steele, Lea, Flood 2014).
#[derive(Clone, Debug)]
pub(crate) struct Draw(pub(crate) u64);

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        let bounded = (u128::from(self.next()) * bound as u128) >> 64;
        usize::try_from(bounded).expect("less than the bound")
    }

    fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }
}

/// The fields of a line in its order, values as they were written.
struct Fields<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Fields<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    fields.push(entry);
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

/// What other systems put beside what we look at.
const UNKNOWN: [(&str, &str); 4] = [
    ("context", r#"{"page":{"path":"\/p\u00e4ge","tags":["a","b\n",{"event_id":"no"}]},"score":-1.5e3}"#),
    ("trace_id", r#""00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01""#),
    ("flags", "[true, false, null, [], {}]"),
    ("_v", "3"),
];

/// Rewrites every line of `lines` by draws from `seed`.
#[must_use]
pub fn rewrite(seed: u64, lines: &[u8]) -> Vec<u8> {
    let mut draw = Draw(seed);
    let mut out = Vec::with_capacity(lines.len() / 2 * 3);
    for line in lines.split_inclusive(|&byte| byte == b'\n') {
        match serde_json::from_slice::<Fields<'_>>(line) {
            Ok(Fields(mut fields)) if is_plain(&fields) => {
                shuffle(&mut fields, &mut draw);
                append_line(&fields, &mut draw, &mut out);
                out.push(b'\n');
            }
            // Broken on purpose, and to stay broken in the same way.
            _ => out.extend_from_slice(line),
        }
    }
    out
}

/// No field twice: of those the last counts, so that their order has a meaning.
fn is_plain(fields: &[(String, &RawValue)]) -> bool {
    fields.iter().enumerate().all(|(index, field)| fields[..index].iter().all(|before| before.0 != field.0))
}

fn shuffle<T>(entries: &mut [T], draw: &mut Draw) {
    for index in (1..entries.len()).rev() {
        entries.swap(index, draw.below(index + 1));
    }
}

fn append_line(fields: &[(String, &RawValue)], draw: &mut Draw, out: &mut Vec<u8>) {
    let unknown_at = draw.below(fields.len() + 1);
    let unknown = UNKNOWN[draw.below(UNKNOWN.len())];
    out.push(b'{');
    for index in 0..=fields.len() {
        if index == unknown_at {
            append_field(unknown.0, unknown.1, index == 0, draw, out);
        }
        let Some((name, value)) = fields.get(index) else { break };
        let is_first = index == 0 && unknown_at != 0;
        let value = value.get();
        match rewritten(name, value, draw) {
            Some(value) => append_field(name, &value, is_first, draw, out),
            None => append_field(name, value, is_first, draw, out),
        }
    }
    append_space(draw, out);
    out.push(b'}');
}

fn append_field(name: &str, value: &str, is_first: bool, draw: &mut Draw, out: &mut Vec<u8>) {
    if !is_first {
        out.push(b',');
    }
    append_space(draw, out);
    out.push(b'"');
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
    append_space(draw, out);
    out.extend_from_slice(value.as_bytes());
}

fn append_space(draw: &mut Draw, out: &mut Vec<u8>) {
    out.extend_from_slice([b"".as_slice(), b" ", b" ", b"  \t"][draw.below(4)]);
}

/// Another writing of the same value, where one was drawn.
fn rewritten(name: &str, value: &str, draw: &mut Draw) -> Option<String> {
    if name == "event_time" {
        return at_offset(value, draw);
    }
    let text = value.strip_prefix('"')?.strip_suffix('"')?;
    let is_plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    if !is_plain || !draw.one_in(8) {
        return None;
    }
    let at = draw.below(text.len());
    let (before, rest) = text.split_at(at);
    Some(format!("\"{before}\\u{:04x}{}\"", rest.as_bytes()[0], &rest[1..]))
}

/// The same instant by the clock of another place.
fn at_offset(value: &str, draw: &mut Draw) -> Option<String> {
    const MINUTES: [i32; 6] = [60, 120, -300, 330, -480, 0];
    let instant: Timestamp = value.strip_prefix('"')?.strip_suffix('"')?.parse().ok()?;
    let offset = Offset::from_seconds(MINUTES[draw.below(MINUTES.len())] * 60).expect("less than a day");
    Some(format!("\"{}\"", instant.display_with_offset(offset)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{corpus, path};
    use engine_model::Semantics;

    #[test]
    fn messy_lines_mean_what_the_clean_ones_mean() {
        let clean = corpus::lines(&corpus::speed_config(30_000)).unwrap();
        let messy = rewrite(7, &clean);
        assert_eq!(messy, rewrite(7, &clean), "the seed decides");
        assert_ne!(messy, rewrite(8, &clean));
        let semantics = Semantics::default();
        let switches = path::Switches { fingerprint: true, ..path::Switches::default() };
        let runs = [&clean, &messy].map(|lines| path::run(path::Input::Lines(lines), &semantics, switches));
        assert_eq!(runs[0], runs[1]);
    }

    #[test]
    fn messy_lines_hold_every_kind_of_mess() {
        let clean = corpus::lines(&corpus::speed_config(1_000)).unwrap();
        let messy = String::from_utf8_lossy(&rewrite(7, &clean)).into_owned();
        for mess in ["+05:30", "-05:00", "\\u00", "\"context\"", "{ ", ",  \t"] {
            assert!(messy.contains(mess), "no {mess:?} in messy lines");
        }
        let first = |line: &str| line.trim_start_matches(['{', ' ', '\t']).starts_with("\"event_id\"");
        assert!(messy.lines().any(first) && !messy.lines().all(first));
    }
}
