//! §1 of the contract: bytes to lines, a line to an event or a rejection.
//!
//! `serde_json` says whether a text is JSON and decodes its strings. The rest is small and plain: nesting is counted
//! by looking at brackets, the members of an object are found by looking at commas, numbers keep their text. A bad
//! surrogate escape matters only where a string is decoded, that is in a field looked at (of a repeated name only the
//! last is).
//!
//! Where a record breaks several rules, the first in this order is its reason: `too_large`, `invalid_utf8`,
//! `malformed_json`, `not_an_object`, then the fields, `event_type` before all others, then in the order of the
//! contract's table, items one after another.

use engine_model::{EventTime, Field, Reason, Rejection};
use serde_json::value::RawValue;

use crate::Config;
use crate::time::instant;

const LINE_BYTES_MAX: usize = 65_536;
const DEPTH_MAX: usize = 128;
const SPACE: [char; 4] = [' ', '\t', '\n', '\r'];

/// A line that is a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// Offset of its first byte in the partition.
    pub offset: u64,
    /// Its bytes without the line's end.
    pub bytes: &'a [u8],
}

/// The records of a file: its lines but those of nothing but spaces and tabs.
#[must_use]
pub fn lines(bytes: &[u8]) -> Vec<Line<'_>> {
    let mut lines = Vec::new();
    let mut at = if bytes.starts_with(b"\xEF\xBB\xBF") { 3 } else { 0 };
    while at < bytes.len() {
        let rest = &bytes[at..];
        let (line, taken) = match rest.iter().position(|&byte| byte == b'\n') {
            Some(end) => (rest[..end].strip_suffix(b"\r").unwrap_or(&rest[..end]), end + 1),
            None => (rest, rest.len()),
        };
        if !line.iter().all(|&byte| byte == b' ' || byte == b'\t') {
            lines.push(Line { offset: at as u64, bytes: line });
        }
        at += taken;
    }
    lines
}

/// A valid event; fields that no table needs are checked and dropped.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) id: String,
    pub(crate) time: i64,
    pub(crate) body: Body,
}

#[derive(Clone, Debug)]
pub(crate) enum Body {
    Click {
        action: String,
        session: String,
        customer: Option<String>,
        product: Option<String>,
    },
    Order {
        session: Option<String>,
        customer: String,
        order: String,
        total: i64,
        items: Vec<Item>,
    },
    Payment {
        customer: Option<String>,
        order: String,
        payment: String,
        method: String,
        amount: i64,
        status: String,
        failure_reason: Option<String>,
    },
    Customer {
        customer: String,
        country: Option<String>,
        segment: Option<String>,
    },
    Product {
        product: String,
        name: String,
        category: String,
        price: i64,
    },
}

#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) product: String,
    pub(crate) quantity: i64,
    pub(crate) unit_price: i64,
    pub(crate) category: Option<String>,
}

fn reject<T>(reason: Reason, field: Option<Field>) -> Result<T, Rejection> {
    Err(Rejection { reason, field, at: None })
}

fn invalid<T>(field: Field) -> Result<T, Rejection> {
    reject(Reason::InvalidField, Some(field))
}

/// Reads one line.
pub(crate) fn event(line: &[u8], config: &Config) -> Result<Event, Rejection> {
    if line.len() > LINE_BYTES_MAX {
        return reject(Reason::TooLarge, None);
    }
    let Ok(text) = str::from_utf8(line) else {
        return reject(Reason::InvalidUtf8, None);
    };
    // The value of a field may nest 128 levels; the object around it is one more.
    if serde_json::from_str::<&RawValue>(text).is_err() || depth(text) > DEPTH_MAX + 1 {
        return reject(Reason::MalformedJson, None);
    }
    let text = text.trim_matches(SPACE);
    if !text.starts_with('{') {
        return reject(Reason::NotAnObject, None);
    }
    let record = Object::new(text);
    let event_type = record.text(Field::EventType, 0, usize::MAX)?;
    if !["click", "order", "payment", "customer", "product"].contains(&event_type.as_str()) {
        return reject(Reason::UnknownEventType, Some(Field::EventType));
    }
    // From here on in the order of the contract's table.
    let id = record.text(Field::EventId, 1, 64)?;
    let time = record.event_time(config.time_max)?;
    let body = match event_type.as_str() {
        "click" => {
            let session = record.text(Field::SessionId, 1, 64)?;
            let customer = record.optional_text(Field::CustomerId, 1, 64)?;
            let action = record.one_of(Field::Action, &["view", "add_to_cart", "checkout"])?;
            let product = if action == "checkout" {
                record.optional_text(Field::ProductId, 1, 64)?
            } else {
                Some(record.text(Field::ProductId, 1, 64)?)
            };
            Body::Click { action, session, customer, product }
        }
        "order" => {
            let session = record.optional_text(Field::SessionId, 1, 64)?;
            let customer = record.text(Field::CustomerId, 1, 64)?;
            let order = record.text(Field::OrderId, 1, 64)?;
            record.currency(config)?;
            let total = record.money(Field::Total)?;
            Body::Order { session, customer, order, total, items: record.items()? }
        }
        "payment" => {
            let customer = record.optional_text(Field::CustomerId, 1, 64)?;
            let order = record.text(Field::OrderId, 1, 64)?;
            record.currency(config)?;
            let payment = record.text(Field::PaymentId, 1, 64)?;
            let method = record.text(Field::Method, 1, 32)?;
            let amount = record.money(Field::Amount)?;
            let status = record.one_of(Field::Status, &["succeeded", "failed"])?;
            let failure_reason = record.optional_text(Field::FailureReason, 1, 64)?;
            Body::Payment { customer, order, payment, method, amount, status, failure_reason }
        }
        "customer" => {
            let customer = record.text(Field::CustomerId, 1, 64)?;
            let country = record.optional_text(Field::Country, 0, 64)?;
            let segment = record.optional_text(Field::Segment, 0, 64)?;
            Body::Customer { customer, country, segment }
        }
        _ => {
            let product = record.text(Field::ProductId, 1, 64)?;
            let name = record.text(Field::Name, 1, 200)?;
            let category = record.text(Field::Category, 1, 64)?;
            Body::Product { product, name, category, price: record.money(Field::Price)? }
        }
    };
    Ok(Event { id, time, body })
}

/// The members of an object: names as written, values as written.
struct Object<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Object<'a> {
    /// `text` is a valid object.
    fn new(text: &'a str) -> Object<'a> {
        let members = parts(&text[1..text.len() - 1], ',');
        Object(
            members
                .into_iter()
                .map(|member| match parts(member, ':')[..] {
                    [name, value] => (name, value),
                    _ => unreachable!("a member is a name and a value: {member}"),
                })
                .collect(),
        )
    }

    /// The value of a field as written; of a repeated name the last. The fields of an item are named without `items.`.
    fn find(&self, field: Field) -> Option<&'a str> {
        let name = field.name().trim_start_matches("items.");
        self.0.iter().rev().find(|(written, _)| decode(written).as_deref() == Some(name)).map(|&(_, value)| value)
    }

    fn required(&self, field: Field) -> Result<&'a str, Rejection> {
        self.find(field).ok_or(Rejection { reason: Reason::MissingField, field: Some(field), at: None })
    }

    /// A string of `least` to `most` bytes.
    fn text(&self, field: Field, least: usize, most: usize) -> Result<String, Rejection> {
        let text = string(self.required(field)?, field)?;
        if text.len() < least || text.len() > most { invalid(field) } else { Ok(text) }
    }

    fn optional_text(&self, field: Field, least: usize, most: usize) -> Result<Option<String>, Rejection> {
        match self.find(field) {
            None | Some("null") => Ok(None),
            Some(_) => self.text(field, least, most).map(Some),
        }
    }

    fn one_of(&self, field: Field, allowed: &[&str]) -> Result<String, Rejection> {
        let text = self.text(field, 0, usize::MAX)?;
        if allowed.contains(&text.as_str()) { Ok(text) } else { invalid(field) }
    }

    fn currency(&self, config: &Config) -> Result<(), Rejection> {
        let text = self.text(Field::Currency, 0, usize::MAX)?;
        if text == config.semantics.currency().as_str() {
            Ok(())
        } else {
            reject(Reason::CurrencyMismatch, Some(Field::Currency))
        }
    }

    /// Money, in cents.
    fn money(&self, field: Field) -> Result<i64, Rejection> {
        let written = self.required(field)?;
        let number = if written.starts_with('"') { string(written, field)? } else { written.to_owned() };
        match cents(&number) {
            Some(cents) => Ok(cents),
            None => invalid(field),
        }
    }

    fn event_time(&self, time_max: EventTime) -> Result<i64, Rejection> {
        let field = Field::EventTime;
        let written = self.required(field)?;
        let micros = if written.starts_with('"') {
            instant(&string(written, field)?).map(i128::from)
        } else if is_digits(written) {
            // More digits than an i128 takes are more than any clock has shown.
            Some(written.parse::<i128>().unwrap_or(i128::MAX).saturating_mul(1_000))
        } else {
            None
        };
        match micros {
            Some(micros) if micros > i128::from(time_max.min(EventTime::EVENT_MAX).as_micros()) => {
                reject(Reason::FutureEventTime, Some(field))
            }
            Some(micros) if micros >= 0 => Ok(i64::try_from(micros).expect("not beyond the greatest event time")),
            _ => invalid(field),
        }
    }

    fn items(&self) -> Result<Vec<Item>, Rejection> {
        let written = self.required(Field::Items)?;
        if !written.starts_with('[') {
            return invalid(Field::Items);
        }
        let elements = parts(&written[1..written.len() - 1], ',');
        if elements.is_empty() || elements.len() > 100 {
            return invalid(Field::Items);
        }
        elements.into_iter().map(item).collect()
    }
}

fn item(written: &str) -> Result<Item, Rejection> {
    if !written.starts_with('{') {
        return invalid(Field::Items);
    }
    let object = Object::new(written);
    let product = object.text(Field::ItemsProductId, 1, 64)?;
    let quantity = object.required(Field::ItemsQuantity)?;
    let quantity = match quantity.parse::<i64>() {
        Ok(number) if is_digits(quantity) && (1..=10_000).contains(&number) => number,
        _ => return invalid(Field::ItemsQuantity),
    };
    let unit_price = object.money(Field::ItemsUnitPrice)?;
    let category = object.optional_text(Field::ItemsCategory, 1, 64)?;
    Ok(Item { product, quantity, unit_price, category })
}

/// A JSON string, decoded. A bad surrogate escape is malformed JSON, any other value an invalid field.
fn string(written: &str, field: Field) -> Result<String, Rejection> {
    if !written.starts_with('"') {
        return invalid(field);
    }
    match decode(written) {
        Some(text) => Ok(text),
        None => reject(Reason::MalformedJson, Some(field)),
    }
}

/// A JSON string without its quotes and escapes; `None` where an escape is no Unicode scalar value.
fn decode(written: &str) -> Option<String> {
    serde_json::from_str(written).ok()
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Digits, perhaps a point and one or two more, at most 9 999 999 999.99. The JSON grammar has already refused
/// leading zeros of a number.
fn cents(number: &str) -> Option<i64> {
    let (whole, fraction) = match number.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (number, None),
    };
    if !is_digits(whole) || fraction.is_some_and(|digits| !is_digits(digits) || digits.len() > 2) {
        return None;
    }
    let significant = whole.trim_start_matches('0');
    if significant.len() > 10 {
        return None;
    }
    let hundredths = format!("{:0<2}", fraction.unwrap_or(""));
    format!("{significant}{hundredths}").parse().ok()
}

/// The characters of a JSON text that are not within a string, with their places.
fn outside_strings(text: &str) -> Vec<(usize, char)> {
    let (mut within, mut escaped) = (false, false);
    let mut outside = Vec::new();
    for (at, c) in text.char_indices() {
        if !within {
            outside.push((at, c));
            within = c == '"';
        } else if escaped {
            escaped = false;
        } else if c == '\\' {
            escaped = true;
        } else if c == '"' {
            within = false;
        }
    }
    outside
}

/// How many brackets are open at most.
fn depth(text: &str) -> usize {
    let (mut open, mut most) = (0, 0);
    for (_, c) in outside_strings(text) {
        match c {
            '[' | '{' => open += 1,
            ']' | '}' => open -= 1,
            _ => {}
        }
        most = open.max(most);
    }
    most
}

/// What stands between the separators that are within no bracket and no string; nothing where there is only space.
fn parts(text: &str, separator: char) -> Vec<&str> {
    if text.trim_matches(SPACE).is_empty() {
        return Vec::new();
    }
    let (mut open, mut start) = (0, 0);
    let mut parts = Vec::new();
    for (at, c) in outside_strings(text) {
        match c {
            '[' | '{' => open += 1,
            ']' | '}' => open -= 1,
            _ if c == separator && open == 0 => {
                parts.push(text[start..at].trim_matches(SPACE));
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(text[start..].trim_matches(SPACE));
    parts
}
