//! The shape of a line that the general way has accepted: which of its bytes are literal, and which values lie between.
//!
//! A line without a simple shape has none at all: one with escapes, with a known name twice, with nested values nobody
//! asks for, or with space around the object.

use std::ops::RangeInclusive;

use engine_model::{EventKind, Field, Text};

use crate::json::{Kind, Malformed, Scanner, Value};
use crate::names::{item_field, record_field};
use crate::record::{ID_BYTES, METHOD_BYTES, NAME_BYTES, TRAIT_BYTES};
use crate::shape::{Hole, Money, Slot};

/// A stretch of literal bytes and the value that follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    /// First of the literal's bytes in the line.
    pub(crate) start: usize,
    /// The byte after its last.
    pub(crate) end: usize,
    /// What comes after them.
    pub(crate) hole: Hole,
}

/// The steps of a line, and of the items of its order.
#[derive(Debug, Default)]
pub(crate) struct Steps {
    /// Those of the line itself.
    pub(crate) record: Vec<Step>,
    /// Those of its items one after another, each up to its [`Hole::ItemEnd`].
    pub(crate) items: Vec<Step>,
}

impl Steps {
    /// Takes the steps of `line`, an event of `kind`. Returns `false` where it has no simple shape; what is here then
    /// means nothing.
    pub(crate) fn take(&mut self, line: &[u8], kind: EventKind) -> bool {
        self.record.clear();
        self.items.clear();
        line.starts_with(b"{") && line.ends_with(b"}") && self.take_record(line, kind) == Ok(true)
    }

    fn take_record(&mut self, line: &[u8], kind: EventKind) -> Result<bool, Malformed> {
        let mut scanner = Scanner::new(line, 0);
        let Steps { record, items } = self;
        let mut literal_start = 0;
        let is_simple = each_member(line, &mut scanner, |name, value| {
            let field = record_field(name);
            let hole = match hole_of(field.and_then(|field| use_of(field, kind)), value, line) {
                Part::Literal => return Ok((field, true)),
                Part::Hole(hole) => hole,
                Part::Items if take_items(line, value, items)? => Hole::Items,
                Part::Items | Part::Odd => return Ok((field, false)),
            };
            let (start, end) = span_of(hole, value);
            record.push(Step { start: literal_start, end: start, hole });
            literal_start = end;
            Ok((field, true))
        })?;
        record.push(Step { start: literal_start, end: line.len(), hole: Hole::End(kind) });
        Ok(is_simple)
    }
}

/// Takes the steps of the items of an order. Returns whether all have a simple shape.
fn take_items(line: &[u8], array: Value, steps: &mut Vec<Step>) -> Result<bool, Malformed> {
    // Of a repeated name the last counts: this may be an earlier one, of any kind.
    if array.kind != Kind::Array {
        return Ok(false);
    }
    let mut scanner = Scanner::new(line, array.start);
    scanner.open();
    let mut is_first = true;
    while scanner.next_in(b']', is_first)? {
        is_first = false;
        if scanner.peek() != Some(b'{') {
            return Ok(false);
        }
        let mut literal_start = scanner.at();
        let is_simple = each_member(line, &mut scanner, |name, value| {
            let field = item_field(name);
            let hole = match hole_of(field.and_then(use_in_item), value, line) {
                Part::Literal => return Ok((field, true)),
                Part::Hole(hole) => hole,
                Part::Items | Part::Odd => return Ok((field, false)),
            };
            let (start, end) = span_of(hole, value);
            steps.push(Step { start: literal_start, end: start, hole });
            literal_start = end;
            Ok((field, true))
        })?;
        steps.push(Step { start: literal_start, end: scanner.at(), hole: Hole::ItemEnd });
        if !is_simple {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Calls `take` for the members of the object at `scanner`, which tells the field each is and whether it is simple.
/// Returns whether all are, no name has an escape, and none of the known ones comes twice.
fn each_member(
    line: &[u8],
    scanner: &mut Scanner<'_>,
    mut take: impl FnMut(&[u8], Value) -> Result<(Option<Field>, bool), Malformed>,
) -> Result<bool, Malformed> {
    scanner.open();
    let (mut is_first, mut is_simple, mut seen) = (true, true, 0u32);
    while scanner.next_in(b'}', is_first)? {
        is_first = false;
        let name = scanner.name()?;
        let value = scanner.value()?;
        let (field, value_is_simple) = take(name.unquoted(line), value)?;
        let bit = field.map_or(0, |field| 1 << field as u32);
        is_simple &= value_is_simple && name.kind == Kind::PlainString && seen & bit == 0;
        seen |= bit;
    }
    Ok(is_simple)
}

/// What a value is in a shape.
enum Part {
    /// The same in every line of the shape.
    Literal,
    /// One that differs from line to line.
    Hole(Hole),
    /// The items of an order.
    Items,
    /// What no shape has.
    Odd,
}

/// How the event uses a field.
enum Use {
    Text(Slot, RangeInclusive<usize>),
    Time,
    Money(Money),
    Quantity,
    Items,
    /// One of few words.
    Word,
}

/// How a record of `kind` uses a field; `None` where it does not look at it.
fn use_of(field: Field, kind: EventKind) -> Option<Use> {
    match (field, kind) {
        (Field::EventType, _) => return Some(Use::Word),
        (Field::EventTime, _) => return Some(Use::Time),
        (Field::EventId, _) => return Some(Use::Text(Slot::EventId, ID_BYTES)),
        _ => {}
    }
    match kind {
        EventKind::View | EventKind::AddToCart | EventKind::Checkout => match field {
            Field::SessionId => Some(Use::Text(Slot::Session, ID_BYTES)),
            Field::CustomerId => Some(Use::Text(Slot::Customer, ID_BYTES)),
            Field::ProductId => Some(Use::Text(Slot::Subject, ID_BYTES)),
            Field::Action => Some(Use::Word),
            _ => None,
        },
        EventKind::Order => match field {
            Field::SessionId => Some(Use::Text(Slot::Session, ID_BYTES)),
            Field::CustomerId => Some(Use::Text(Slot::Customer, ID_BYTES)),
            Field::OrderId => Some(Use::Text(Slot::Subject, ID_BYTES)),
            Field::Currency => Some(Use::Word),
            Field::Total => Some(Use::Money(Money::Amount)),
            Field::Items => Some(Use::Items),
            _ => None,
        },
        EventKind::PaymentSucceeded | EventKind::PaymentFailed => match field {
            Field::CustomerId => Some(Use::Text(Slot::Customer, ID_BYTES)),
            Field::OrderId => Some(Use::Text(Slot::Subject, ID_BYTES)),
            Field::Currency | Field::Status => Some(Use::Word),
            Field::PaymentId => Some(Use::Text(Slot::Extra0, ID_BYTES)),
            Field::Method => Some(Use::Text(Slot::Extra1, METHOD_BYTES)),
            Field::Amount => Some(Use::Money(Money::Amount)),
            Field::FailureReason => Some(Use::Text(Slot::Extra2, ID_BYTES)),
            _ => None,
        },
        EventKind::Customer => match field {
            Field::CustomerId => Some(Use::Text(Slot::Customer, ID_BYTES)),
            Field::Country => Some(Use::Text(Slot::Extra0, TRAIT_BYTES)),
            Field::Segment => Some(Use::Text(Slot::Extra1, TRAIT_BYTES)),
            _ => None,
        },
        EventKind::Product => match field {
            Field::ProductId => Some(Use::Text(Slot::Subject, ID_BYTES)),
            Field::Name => Some(Use::Text(Slot::Extra0, NAME_BYTES)),
            Field::Category => Some(Use::Text(Slot::Extra1, ID_BYTES)),
            Field::Price => Some(Use::Money(Money::Amount)),
            _ => None,
        },
    }
}

/// How an item uses a field.
fn use_in_item(field: Field) -> Option<Use> {
    match field {
        Field::ItemsProductId => Some(Use::Text(Slot::ItemProduct, ID_BYTES)),
        Field::ItemsCategory => Some(Use::Text(Slot::ItemCategory, ID_BYTES)),
        Field::ItemsUnitPrice => Some(Use::Money(Money::UnitPrice)),
        Field::ItemsQuantity => Some(Use::Quantity),
        _ => None,
    }
}

/// What the shape has for a value that an accepted record uses like this.
fn hole_of(used: Option<Use>, value: Value, line: &[u8]) -> Part {
    match (value.kind, used) {
        // An optional field that is absent, or anything in a field nobody asks for.
        (Kind::Null | Kind::Boolean, _) | (Kind::PlainString, Some(Use::Word)) => Part::Literal,
        (Kind::PlainString, None) => Part::Hole(Hole::SkipText),
        (Kind::Number, None) => Part::Hole(Hole::SkipNumber),
        (Kind::PlainString, Some(Use::Text(slot, len))) => {
            let may_be_uuid = Text::in_place(value.unquoted(line)).is_some_and(|text| text.len() > Text::INLINE_MAX);
            let [least, most] = [*len.start(), *len.end()].map(|len| u8::try_from(len).expect("at most 200"));
            Part::Hole(Hole::Text { slot, least, most, may_be_uuid })
        }
        (Kind::PlainString, Some(Use::Time)) => Part::Hole(Hole::Time),
        (Kind::Number, Some(Use::Time)) => Part::Hole(Hole::Millis),
        (Kind::PlainString, Some(Use::Money(money))) => Part::Hole(Hole::MoneyText(money)),
        (Kind::Number, Some(Use::Money(money))) => Part::Hole(Hole::MoneyNumber(money)),
        (Kind::Number, Some(Use::Quantity)) => Part::Hole(Hole::Quantity),
        (Kind::Array, Some(Use::Items)) => Part::Items,
        (Kind::PlainString | Kind::EscapedString | Kind::Number | Kind::Array | Kind::Object, _) => Part::Odd,
    }
}

/// The bytes of a value that are not literal: between the quotes of a string, between the brackets of the items.
fn span_of(hole: Hole, value: Value) -> (usize, usize) {
    match hole {
        // The bracket that closes them is read with the last item.
        Hole::Items => (value.start + 1, value.end),
        _ if value.kind == Kind::PlainString => (value.start + 1, value.end - 1),
        _ => (value.start, value.end),
    }
}
