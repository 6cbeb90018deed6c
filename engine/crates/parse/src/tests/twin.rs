//! The slow twin: reads one record with `serde_json` and `jiff`, by the contract and by the order of checks that the
//! parser documents. Shares the vocabulary with the parser and no code.

use std::fmt;

use engine_model::{EventKind, Field, Reason};
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::Offset;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::{NOW, Plain, PlainItem, RULES, Refusal, generate, read};

/// Reads `line`, which is given without its end; `None` where it is blank.
pub(super) fn read_slowly(line: &[u8]) -> Option<Result<Plain, Refusal>> {
    let is_blank = line.iter().all(|byte| b" \t".contains(byte));
    (!is_blank).then(|| if line.len() > 65_536 { Err((Reason::TooLarge, None)) } else { read_record(line) })
}

fn read_record(line: &[u8]) -> Result<Plain, Refusal> {
    let text = std::str::from_utf8(line).map_err(|_| (Reason::InvalidUtf8, None))?;
    let malformed = |_| (Reason::MalformedJson, None);
    let raw = serde_json::from_str::<&RawValue>(text).map_err(malformed)?.get();
    let is_object = raw.starts_with('{');
    if depth(raw) > 128 + usize::from(is_object) {
        return Err((Reason::MalformedJson, None));
    }
    if !is_object {
        return Err((Reason::NotAnObject, None));
    }
    Object(serde_json::from_str(raw).map_err(malformed)?).event()
}

/// How many brackets are open at most.
fn depth(raw: &str) -> usize {
    let (mut open, mut most, mut in_string, mut is_escaped) = (0usize, 0, false, false);
    for char in raw.chars() {
        match char {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => in_string = !in_string,
            '[' | '{' if !in_string => open += 1,
            ']' | '}' if !in_string => open -= 1,
            _ => {}
        }
        most = most.max(open);
    }
    most
}

/// A name; with bytes that are no UTF-8 where it has a lone surrogate, so that it is like no name of ours.
struct Name(Vec<u8>);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Name, D::Error> {
        struct NameVisitor;
        impl Visitor<'_> for NameVisitor {
            type Value = Name;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }
            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Name, E> {
                Ok(Name(bytes.to_vec()))
            }
        }
        deserializer.deserialize_bytes(NameVisitor)
    }
}

/// All members, repeated ones too.
struct RawMembers(Vec<(Name, String)>);

impl<'de> Deserialize<'de> for RawMembers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<RawMembers, D::Error> {
        struct MembersVisitor;
        impl<'de> Visitor<'de> for MembersVisitor {
            type Value = RawMembers;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RawMembers, A::Error> {
                let mut members = vec![];
                while let Some(name) = map.next_key()? {
                    members.push((name, map.next_value::<&RawValue>()?.get().to_owned()));
                }
                Ok(RawMembers(members))
            }
        }
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct Object(RawMembers);

impl Object {
    fn event(&self) -> Result<Plain, Refusal> {
        use Field as F;
        let event_type = self.string(F::EventType)?;
        if !["click", "order", "payment", "customer", "product"].contains(&event_type.as_str()) {
            return Err((Reason::UnknownEventType, Some(F::EventType)));
        }
        let mut plain = Plain {
            kind: EventKind::View,
            event_id: self.text(F::EventId, 1, 64)?,
            micros: self.time()?,
            session: None,
            customer: None,
            subject: None,
            cents: 0,
            items: vec![],
            texts: vec![],
        };
        match event_type.as_str() {
            "click" => {
                plain.session = Some(self.text(F::SessionId, 1, 64)?);
                plain.customer = self.optional(F::CustomerId, 1, 64)?;
                plain.kind = match self.string(F::Action)?.as_str() {
                    "view" => EventKind::View,
                    "add_to_cart" => EventKind::AddToCart,
                    "checkout" => EventKind::Checkout,
                    _ => return Err((Reason::InvalidField, Some(F::Action))),
                };
                plain.subject = self.optional(F::ProductId, 1, 64)?;
                if plain.subject.is_none() && plain.kind != EventKind::Checkout {
                    self.text(F::ProductId, 1, 64)?;
                }
            }
            "order" => {
                plain.kind = EventKind::Order;
                plain.session = self.optional(F::SessionId, 1, 64)?;
                plain.customer = Some(self.text(F::CustomerId, 1, 64)?);
                plain.subject = Some(self.text(F::OrderId, 1, 64)?);
                self.currency()?;
                plain.cents = self.money(F::Total)?;
                plain.items = self.items()?;
            }
            "payment" => {
                plain.customer = self.optional(F::CustomerId, 1, 64)?;
                plain.subject = Some(self.text(F::OrderId, 1, 64)?);
                self.currency()?;
                plain.texts.push(Some(self.text(F::PaymentId, 1, 64)?));
                plain.texts.push(Some(self.text(F::Method, 1, 32)?));
                plain.cents = self.money(F::Amount)?;
                plain.kind = match self.string(F::Status)?.as_str() {
                    "succeeded" => EventKind::PaymentSucceeded,
                    "failed" => EventKind::PaymentFailed,
                    _ => return Err((Reason::InvalidField, Some(F::Status))),
                };
                plain.texts.push(self.optional(F::FailureReason, 1, 64)?);
            }
            "customer" => {
                plain.kind = EventKind::Customer;
                plain.customer = Some(self.text(F::CustomerId, 1, 64)?);
                plain.texts = vec![self.optional(F::Country, 0, 64)?, self.optional(F::Segment, 0, 64)?];
            }
            _ => {
                plain.kind = EventKind::Product;
                plain.subject = Some(self.text(F::ProductId, 1, 64)?);
                plain.texts.push(Some(self.text(F::Name, 1, 200)?));
                plain.texts.push(Some(self.text(F::Category, 1, 64)?));
                plain.cents = self.money(F::Price)?;
            }
        }
        Ok(plain)
    }

    fn raw(&self, field: Field) -> Option<&str> {
        let name = field.name().trim_start_matches("items.");
        let RawMembers(members) = &self.0;
        members.iter().rev().find(|(Name(other), _)| other == name.as_bytes()).map(|(_, raw)| raw.as_str())
    }

    fn required(&self, field: Field) -> Result<&str, Refusal> {
        self.raw(field).ok_or((Reason::MissingField, Some(field)))
    }

    fn string(&self, field: Field) -> Result<String, Refusal> {
        string_of(self.required(field)?, field)
    }

    fn text(&self, field: Field, least: usize, most: usize) -> Result<String, Refusal> {
        let text = self.string(field)?;
        if text.len() < least || text.len() > most {
            return Err((Reason::InvalidField, Some(field)));
        }
        Ok(text)
    }

    fn optional(&self, field: Field, least: usize, most: usize) -> Result<Option<String>, Refusal> {
        match self.raw(field) {
            None | Some("null") => Ok(None),
            Some(_) => self.text(field, least, most).map(Some),
        }
    }

    fn currency(&self) -> Result<(), Refusal> {
        if self.string(Field::Currency)? == "USD" {
            Ok(())
        } else {
            Err((Reason::CurrencyMismatch, Some(Field::Currency)))
        }
    }

    fn money(&self, field: Field) -> Result<i64, Refusal> {
        let raw = self.required(field)?;
        let text = if is_number(raw) { raw.to_owned() } else { string_of(raw, field)? };
        let (whole, fraction) = text.split_once('.').unwrap_or((&text, "0"));
        let digits = format!("{whole}{fraction:0<2}");
        let significant = digits.trim_start_matches('0');
        let is_money = !whole.is_empty()
            && (1..=2).contains(&fraction.len())
            && digits.chars().all(|char| char.is_ascii_digit())
            && significant.len() <= 12;
        if !is_money {
            return Err((Reason::InvalidField, Some(field)));
        }
        Ok(format!("0{significant}").parse().expect("at most twelve digits"))
    }

    fn quantity(&self) -> Result<u32, Refusal> {
        let field = Field::ItemsQuantity;
        let raw = self.required(field)?;
        if !is_number(raw) {
            string_of(raw, field)?;
        }
        // Only a plain integer of JSON reads as `u32`: a fraction, an exponent, and `-0` do not.
        match serde_json::from_str::<u32>(raw) {
            Ok(quantity) if (1..=10_000).contains(&quantity) => Ok(quantity),
            _ => Err((Reason::InvalidField, Some(field))),
        }
    }

    fn items(&self) -> Result<Vec<PlainItem>, Refusal> {
        let invalid = (Reason::InvalidField, Some(Field::Items));
        let raw = self.required(Field::Items)?;
        if !raw.starts_with('[') {
            string_of(raw, Field::Items)?;
            return Err(invalid);
        }
        let elements: Vec<&RawValue> = serde_json::from_str(raw).expect("the line is JSON");
        let mut items = vec![];
        for (index, element) in elements.iter().enumerate() {
            if index == 100 {
                return Err(invalid);
            }
            if !element.get().starts_with('{') {
                string_of(element.get(), Field::Items)?;
                return Err(invalid);
            }
            let item = Object(serde_json::from_str(element.get()).expect("the line is JSON"));
            let product = item.text(Field::ItemsProductId, 1, 64)?;
            let quantity = item.quantity()?;
            let cents = item.money(Field::ItemsUnitPrice)?;
            items.push((product, quantity, cents, item.optional(Field::ItemsCategory, 1, 64)?));
        }
        if items.is_empty() { Err(invalid) } else { Ok(items) }
    }

    fn time(&self) -> Result<i64, Refusal> {
        let field = Field::EventTime;
        let raw = self.required(field)?;
        let micros = if is_number(raw) {
            let is_integer = raw.chars().all(|char| char.is_ascii_digit());
            // More digits than 253402300799999 has is beyond the year 9999.
            is_integer.then(|| if raw.len() > 15 { i128::MAX } else { raw.parse::<i128>().unwrap() * 1_000 })
        } else {
            micros_of(&string_of(raw, field)?)
        };
        match micros {
            None => Err((Reason::InvalidField, Some(field))),
            Some(micros) if micros < 0 => Err((Reason::InvalidField, Some(field))),
            Some(micros) if micros > i128::from(NOW) => Err((Reason::FutureEventTime, Some(field))),
            Some(micros) => Ok(i64::try_from(micros).unwrap()),
        }
    }
}

fn is_number(raw: &str) -> bool {
    raw.starts_with(|char: char| char == '-' || char.is_ascii_digit())
}

fn string_of(raw: &str, field: Field) -> Result<String, Refusal> {
    if !raw.starts_with('"') {
        return Err((Reason::InvalidField, Some(field)));
    }
    // Its syntax is known to be sound, so the only thing wrong with it can be a lone surrogate.
    serde_json::from_str(raw).map_err(|_| (Reason::MalformedJson, Some(field)))
}

/// Microseconds since the epoch of an RFC 3339 text: the shape by a template, the calendar by `jiff`.
fn micros_of(text: &str) -> Option<i128> {
    if !text.is_ascii() || text.len() < 20 {
        return None;
    }
    let (date_time, rest) = text.split_at(19);
    let zone_length = if rest.ends_with(['Z', 'z']) { 1 } else { 6 };
    let (fraction, zone) = rest.split_at_checked(rest.len().checked_sub(zone_length)?)?;
    let fits = |text: &str, template: &str| {
        text.len() == template.len()
            && text.chars().zip(template.chars()).all(|(char, like)| match like {
                '0' => char.is_ascii_digit(),
                'T' => "Tt ".contains(char),
                '+' => "+-".contains(char),
                _ => char == like,
            })
    };
    let fraction_digits = fraction.strip_prefix('.').unwrap_or("0");
    let is_fraction = (fraction.is_empty() || fraction.starts_with('.'))
        && !fraction_digits.is_empty()
        && fraction_digits.chars().all(|char| char.is_ascii_digit());
    if !fits(date_time, "0000-00-00T00:00:00") || !is_fraction || !(zone_length == 1 || fits(zone, "+00:00")) {
        return None;
    }
    let number = |range: std::ops::Range<usize>| text[range].parse::<i16>().unwrap();
    let small = |range| i8::try_from(number(range)).unwrap();
    let date = Date::new(number(0..4), small(5..7), small(8..10)).ok()?;
    let time = Time::new(small(11..13), small(14..16), small(17..19), 0).ok()?;
    let offset = if zone_length == 1 {
        Offset::UTC
    } else {
        let (hours, minutes): (i32, i32) = (zone[1..3].parse().unwrap(), zone[4..6].parse().unwrap());
        if hours > 23 || minutes > 59 {
            return None;
        }
        let east = (hours * 60 + minutes) * 60;
        Offset::from_seconds(if zone.starts_with('-') { -east } else { east }).unwrap()
    };
    // Not through `Timestamp`, which ends before the year 9999 does.
    let since = DateTime::from_parts(date, time).duration_since(DateTime::constant(1970, 1, 1, 0, 0, 0, 0));
    let micros: i128 = format!("{fraction_digits:0<6}")[..6].parse().unwrap();
    Some((i128::from(since.as_secs()) - i128::from(offset.seconds())) * 1_000_000 + micros)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases.max(4_000), ..Default::default() })]

    #[test]
    fn the_parser_and_its_twin_read_every_line_alike(line in generate::arb_line(), end in 0..3usize) {
        let end: &[u8] = [&b"\n"[..], b"\r\n", b""][end];
        let bytes = [&line, end].concat();
        // Before `\n`, a `\r` of the line itself is part of the line's end.
        let line = if end == b"\n" { line.strip_suffix(b"\r").unwrap_or(&line) } else { &line };
        prop_assert_eq!(read(&bytes, &RULES), read_slowly(line), "{}", String::from_utf8_lossy(line));
    }

    #[test]
    fn what_jiff_prints_is_read_as_the_same_instant(
        micros in 0..=253_402_207_200_000_000i64,
        offset in -1_439..=1_439i32,
        precision in 6..=9u8,
    ) {
        let timestamp = jiff::Timestamp::from_microsecond(micros).unwrap();
        let offset = Offset::from_seconds(offset * 60).unwrap();
        let printer = jiff::fmt::temporal::DateTimePrinter::new().precision(Some(precision));
        let utc = printer.timestamp_to_string(&timestamp);
        prop_assert_eq!(crate::time::parse_rfc3339(utc.as_bytes()).unwrap().as_micros(), micros);
        let local = printer.timestamp_with_offset_to_string(&timestamp, offset);
        prop_assert_eq!(crate::time::parse_rfc3339(local.as_bytes()).unwrap().as_micros(), micros, "{}", local);
    }

    #[test]
    fn texts_that_are_nearly_times_are_read_alike(text in generate::arb_time_text()) {
        let micros = crate::time::parse_rfc3339(text.as_bytes()).map(|time| i128::from(time.as_micros()));
        prop_assert_eq!(micros, micros_of(&text), "{}", text);
    }
}

/// A comparison is worth what its inputs reach: a good share of valid records, and every reason a line can have here.
#[test]
fn the_generated_lines_reach_acceptance_and_every_reason() {
    let mut runner = TestRunner::deterministic();
    let (mut accepted, mut rejected) = ([0; 8], [0; Reason::ALL.len()]);
    for _ in 0..4_000 {
        let line = generate::arb_line().new_tree(&mut runner).unwrap().current();
        match read_slowly(&line) {
            None => {}
            Some(Ok(plain)) => accepted[plain.kind as usize] += 1,
            Some(Err((reason, _))) => rejected[reason.index()] += 1,
        }
    }
    assert!(accepted.iter().all(|&count| count > 100), "accepted by kind: {accepted:?}");
    for reason in Reason::ALL {
        // No generated line is that long; `slabs` sees to those.
        assert!(rejected[reason.index()] > 5 || reason == Reason::TooLarge, "{reason}");
    }
}
