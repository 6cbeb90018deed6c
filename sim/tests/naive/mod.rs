//! A slow reader that is obviously right: a line to a plain record by §1 of the contract, with a general JSON parser,
//! and the same plain record from a batch's event.

#![allow(dead_code, reason = "each test uses its part")]

use std::collections::BTreeMap;

use engine_model::{Batch, Civil, Event, EventKind, Field, Reason, Text, day_of_civil};
use serde_json::value::RawValue;

type Fields = BTreeMap<String, Box<RawValue>>;
/// Why a line is no valid record.
pub(crate) type Wrong = (Reason, Option<Field>);

/// Product, quantity, cents, category.
pub(crate) type PlainItem = (String, u32, i64, Option<String>);

/// A valid record with everything the contract looks at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Plain {
    pub(crate) kind: String,
    pub(crate) id: String,
    pub(crate) micros: i64,
    pub(crate) session: Option<String>,
    pub(crate) customer: Option<String>,
    pub(crate) subject: Option<String>,
    pub(crate) cents: i64,
    pub(crate) texts: Vec<Option<String>>,
    pub(crate) items: Vec<PlainItem>,
}

/// Reads a line, without its end, as a pipeline in USD does.
pub(crate) fn read(line: &[u8]) -> Result<Plain, Wrong> {
    if line.len() > 65_536 {
        return Err((Reason::TooLarge, None));
    }
    let Ok(text) = std::str::from_utf8(line) else { return Err((Reason::InvalidUtf8, None)) };
    let Ok(whole) = serde_json::from_str::<&RawValue>(text) else { return Err((Reason::MalformedJson, None)) };
    if depth(text) > 128 {
        return Err((Reason::MalformedJson, None));
    }
    if !whole.get().starts_with('{') {
        return Err((Reason::NotAnObject, None));
    }
    let fields: Fields = serde_json::from_str(text).map_err(|_| (Reason::MalformedJson, None))?;
    let kind = required(&fields, Field::EventType, 64)?;
    let mut plain = Plain { kind: kind.clone(), ..Plain::default() };
    plain.id = required(&fields, Field::EventId, 64)?;
    plain.micros = time(&fields)?;
    match kind.as_str() {
        "click" => {
            plain.kind = required(&fields, Field::Action, 64)?;
            let has_product = match plain.kind.as_str() {
                "view" | "add_to_cart" => true,
                "checkout" => false,
                _ => return Err((Reason::InvalidField, Some(Field::Action))),
            };
            plain.session = Some(required(&fields, Field::SessionId, 64)?);
            plain.customer = optional(&fields, Field::CustomerId, 64)?;
            plain.subject = optional(&fields, Field::ProductId, 64)?;
            if has_product && plain.subject.is_none() {
                return Err((Reason::MissingField, Some(Field::ProductId)));
            }
        }
        "order" => {
            currency(&fields)?;
            plain.session = optional(&fields, Field::SessionId, 64)?;
            plain.customer = Some(required(&fields, Field::CustomerId, 64)?);
            plain.subject = Some(required(&fields, Field::OrderId, 64)?);
            plain.cents = money(&fields, Field::Total)?;
            plain.items = items(&fields)?;
        }
        "payment" => {
            currency(&fields)?;
            plain.customer = optional(&fields, Field::CustomerId, 64)?;
            plain.subject = Some(required(&fields, Field::OrderId, 64)?);
            plain.cents = money(&fields, Field::Amount)?;
            plain.kind = required(&fields, Field::Status, 64)?;
            if !["succeeded", "failed"].contains(&plain.kind.as_str()) {
                return Err((Reason::InvalidField, Some(Field::Status)));
            }
            plain.texts = vec![
                Some(required(&fields, Field::PaymentId, 64)?),
                Some(required(&fields, Field::Method, 32)?),
                optional(&fields, Field::FailureReason, 64)?,
            ];
        }
        "customer" => {
            plain.customer = Some(required(&fields, Field::CustomerId, 64)?);
            plain.texts = vec![optional(&fields, Field::Country, 64)?, optional(&fields, Field::Segment, 64)?];
        }
        "product" => {
            plain.subject = Some(required(&fields, Field::ProductId, 64)?);
            plain.cents = money(&fields, Field::Price)?;
            plain.texts =
                vec![Some(required(&fields, Field::Name, 200)?), Some(required(&fields, Field::Category, 64)?)];
        }
        _ => return Err((Reason::UnknownEventType, Some(Field::EventType))),
    }
    Ok(plain)
}

/// The levels of nesting of a text whose strings hold no brackets.
fn depth(text: &str) -> usize {
    let (mut now, mut most) = (0usize, 0);
    for byte in text.bytes() {
        match byte {
            b'{' | b'[' => now += 1,
            b'}' | b']' => now -= 1,
            _ => {}
        }
        most = most.max(now);
    }
    most
}

fn raw(fields: &Fields, field: Field) -> Option<&str> {
    let key = field.name().rsplit('.').next().unwrap();
    fields.get(key).map(|value| value.get()).filter(|text| *text != "null")
}

fn optional(fields: &Fields, field: Field, bytes_max: usize) -> Result<Option<String>, Wrong> {
    let Some(text) = raw(fields, field) else { return Ok(None) };
    if !text.starts_with('"') {
        return Err((Reason::InvalidField, Some(field)));
    }
    let text: String = serde_json::from_str(text).map_err(|_| (Reason::MalformedJson, Some(field)))?;
    if text.is_empty() || text.len() > bytes_max {
        return Err((Reason::InvalidField, Some(field)));
    }
    Ok(Some(text))
}

fn must<T>(fields: &Fields, field: Field, found: Option<T>) -> Result<T, Wrong> {
    let key = field.name().rsplit('.').next().unwrap();
    let reason = if fields.contains_key(key) { Reason::InvalidField } else { Reason::MissingField };
    found.ok_or((reason, Some(field)))
}

fn required(fields: &Fields, field: Field, bytes_max: usize) -> Result<String, Wrong> {
    must(fields, field, optional(fields, field, bytes_max)?)
}

fn currency(fields: &Fields) -> Result<(), Wrong> {
    match required(fields, Field::Currency, 64)?.as_str() {
        "USD" => Ok(()),
        _ => Err((Reason::CurrencyMismatch, Some(Field::Currency))),
    }
}

fn money(fields: &Fields, field: Field) -> Result<i64, Wrong> {
    let text = must(fields, field, raw(fields, field))?.trim_matches('"');
    let (whole, cents) = text.split_once('.').unwrap_or((text, "00"));
    let is_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !is_digits(whole) || !is_digits(cents) || cents.len() > 2 || whole.len() > 10 {
        return Err((Reason::InvalidField, Some(field)));
    }
    Ok(whole.parse::<i64>().unwrap() * 100 + format!("{cents:0<2}").parse::<i64>().unwrap())
}

/// Reads the two forms of event time that the simulator writes.
fn time(fields: &Fields) -> Result<i64, Wrong> {
    let text = must(fields, Field::EventTime, raw(fields, Field::EventTime))?;
    let invalid = (Reason::InvalidField, Some(Field::EventTime));
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        let millis: i64 = text.parse().map_err(|_| (Reason::FutureEventTime, Some(Field::EventTime)))?;
        return Ok(millis * 1_000);
    }
    let text: String = serde_json::from_str(text).map_err(|_| invalid)?;
    if text.len() != 27 || !text.ends_with('Z') {
        return Err(invalid);
    }
    let number = |from: usize, to: usize| text[from..to].parse::<i64>().map_err(|_| invalid);
    let date = Civil { year: number(0, 4)?, month: number(5, 7)?, day: number(8, 10)? };
    let day = day_of_civil(date);
    if engine_model::civil_of_day(day) != date {
        return Err(invalid);
    }
    let seconds = (day * 24 + number(11, 13)?) * 3_600 + number(14, 16)? * 60 + number(17, 19)?;
    Ok(seconds * 1_000_000 + number(20, 26)?)
}

fn items(fields: &Fields) -> Result<Vec<PlainItem>, Wrong> {
    let text = must(fields, Field::Items, raw(fields, Field::Items))?;
    let invalid = (Reason::InvalidField, Some(Field::Items));
    let items: Vec<Fields> = serde_json::from_str(text).map_err(|_| invalid)?;
    if items.is_empty() {
        return Err(invalid);
    }
    let read = |item: &Fields| {
        let product = required(item, Field::ItemsProductId, 64)?;
        let quantity = must(item, Field::ItemsQuantity, raw(item, Field::ItemsQuantity))?;
        let quantity = quantity.parse().ok().filter(|quantity| (1..=10_000).contains(quantity));
        let quantity = quantity.ok_or((Reason::InvalidField, Some(Field::ItemsQuantity)))?;
        let price = money(item, Field::ItemsUnitPrice)?;
        Ok((product, quantity, price, optional(item, Field::ItemsCategory, 64)?))
    };
    items.iter().map(read).collect()
}

/// What an event of a batch says.
pub(crate) fn plain(event: &Event, batch: &Batch) -> Plain {
    let shown = |text: Text| {
        let bytes = text.bytes(&batch.arena, &mut [0; 36]).to_vec();
        (!text.is_absent()).then(|| String::from_utf8(bytes).unwrap())
    };
    let kind = match event.kind {
        EventKind::View => "view",
        EventKind::AddToCart => "add_to_cart",
        EventKind::Checkout => "checkout",
        EventKind::PaymentSucceeded => "succeeded",
        EventKind::PaymentFailed => "failed",
        EventKind::Order | EventKind::Customer | EventKind::Product => event.kind.event_type(),
    };
    let mut plain = Plain {
        kind: kind.to_owned(),
        id: shown(event.event_id()).unwrap(),
        micros: event.time.as_micros(),
        session: shown(event.session()),
        customer: shown(event.customer()),
        subject: shown(event.subject()),
        cents: event.amount.get(),
        ..Plain::default()
    };
    if event.kind == EventKind::Order {
        let item = |item: &engine_model::Item| {
            (shown(item.product).unwrap(), item.quantity, item.unit_price.get(), shown(item.category))
        };
        plain.items = batch.items_of(event).iter().map(item).collect();
    } else {
        plain.texts = batch.texts_of(event).iter().map(|&text| shown(text)).collect();
    }
    plain
}

/// The lines of a text that ends with a line's end.
pub(crate) fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split_inclusive(|&byte| byte == b'\n').map(|line| line.strip_suffix(b"\n").unwrap())
}
