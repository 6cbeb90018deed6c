//! Malformations: the ways in which a record is made invalid, and what a parser must say of each.
//!
//! Each breaks exactly one rule of the contract, so that there is one answer.

use engine_model::{Field, LINE_BYTES_MAX, Reason, Rejection};

use crate::draw::{high, low, scaled, weighted};
use crate::record::{Action, Body};

/// A way in which a line is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Malformation {
    /// It ends after so many bytes.
    Cut(usize),
    /// A byte of `event_id` is none of UTF-8.
    NotUtf8,
    /// `event_id` has an escape that is half a character.
    HalfCharacter,
    /// An ignored field nests too deeply.
    Deep,
    /// The object lies within an array.
    Wrapped,
    /// A field is not there.
    Missing(Field),
    /// A field has this value.
    Invalid(Field, &'static str),
    /// The type is none of the five.
    UnknownType,
    /// The currency is another.
    Foreign,
    /// The time is a number too big for any clock.
    Future,
    /// An ignored field is very long.
    TooLarge,
}

/// What [`Malformation::draw`] chooses among first.
#[derive(Clone, Copy)]
enum Way {
    Cut,
    NotUtf8,
    HalfCharacter,
    Deep,
    Wrapped,
    Missing,
    Invalid,
    UnknownType,
    Future,
    TooLarge,
}

const WAYS: [(u32, Way); 10] = [
    (230, Way::Cut),
    (80, Way::NotUtf8),
    (40, Way::HalfCharacter),
    (20, Way::Deep),
    (80, Way::Wrapped),
    (190, Way::Missing),
    (230, Way::Invalid),
    (80, Way::UnknownType),
    (35, Way::Future),
    (15, Way::TooLarge),
];

/// Of orders and payments, one in so many malformed ones has another currency.
const FOREIGN_ONE_IN: u32 = 4;

impl Malformation {
    /// A way to break this record, given random bits.
    pub(crate) fn draw(body: &Body, bits: u64) -> Malformation {
        let choice = low(bits);
        if matches!(body, Body::Order(_) | Body::Payment { .. }) && choice.is_multiple_of(FOREIGN_ONE_IN) {
            return Malformation::Foreign;
        }
        match weighted(&WAYS, high(bits)) {
            // Names of products may hold more than ASCII; the bytes before them do not.
            Way::Cut => Malformation::Cut(scaled(choice, 120) as usize + 1),
            Way::NotUtf8 => Malformation::NotUtf8,
            Way::HalfCharacter => Malformation::HalfCharacter,
            Way::Deep => Malformation::Deep,
            Way::Wrapped => Malformation::Wrapped,
            Way::Missing => Malformation::Missing(one_of(required(body), choice)),
            Way::Invalid => {
                let (field, value) = one_of(invalid(body), choice);
                Malformation::Invalid(field, value)
            }
            Way::UnknownType => Malformation::UnknownType,
            Way::Future => Malformation::Future,
            Way::TooLarge => Malformation::TooLarge,
        }
    }

    /// What a parser must say.
    pub(crate) fn rejection(self) -> Rejection {
        let (reason, field) = match self {
            Malformation::Cut(_) | Malformation::Deep => (Reason::MalformedJson, None),
            Malformation::HalfCharacter => (Reason::MalformedJson, Some(Field::EventId)),
            Malformation::NotUtf8 => (Reason::InvalidUtf8, None),
            Malformation::Wrapped => (Reason::NotAnObject, None),
            Malformation::Missing(field) => (Reason::MissingField, Some(field)),
            Malformation::Invalid(field, _) => (Reason::InvalidField, Some(field)),
            Malformation::UnknownType => (Reason::UnknownEventType, Some(Field::EventType)),
            Malformation::Foreign => (Reason::CurrencyMismatch, Some(Field::Currency)),
            Malformation::Future => (Reason::FutureEventTime, Some(Field::EventTime)),
            Malformation::TooLarge => (Reason::TooLarge, None),
        };
        Rejection { reason, field, at: None }
    }

    /// Breaks `line`, a valid record without its line's end.
    pub(crate) fn apply(self, line: &mut Vec<u8>) {
        match self {
            Malformation::Cut(len) => line.truncate(len),
            Malformation::NotUtf8 => {
                let start = value(line, Field::EventId).start;
                line[start + 1] = 0xFF;
            }
            Malformation::HalfCharacter => replace(line, Field::EventId, br#""\ud83d""#),
            Malformation::Deep => append_field(line, [&[b'['; 200][..], &[b']'; 200]].concat()),
            Malformation::Wrapped => {
                line.insert(0, b'[');
                line.push(b']');
            }
            Malformation::Missing(field) => remove(line, field),
            Malformation::Invalid(field, wrong) => replace(line, field, wrong.as_bytes()),
            Malformation::UnknownType => replace(line, Field::EventType, br#""refund""#),
            Malformation::Foreign => {
                let start = value(line, Field::Currency).start;
                // Another letter in the first place makes another currency of any.
                let letter = &mut line[start + 1];
                *letter = if *letter == b'X' { b'Y' } else { b'X' };
            }
            Malformation::Future => replace(line, Field::EventTime, b"99999999999999999999"),
            Malformation::TooLarge => {
                let text = [&b"\""[..], &vec![b'x'; LINE_BYTES_MAX], b"\""].concat();
                append_field(line, text);
            }
        }
    }
}

fn one_of<T: Copy>(choices: &[T], bits: u32) -> T {
    choices[scaled(bits, low(choices.len() as u64)) as usize]
}

/// Required fields of the record, which it therefore has.
fn required(body: &Body) -> &'static [Field] {
    match body {
        Body::Click { action: Action::Checkout, .. } => {
            &[Field::EventId, Field::EventType, Field::EventTime, Field::SessionId, Field::Action]
        }
        Body::Click { .. } => {
            &[Field::EventId, Field::EventType, Field::EventTime, Field::SessionId, Field::Action, Field::ProductId]
        }
        Body::Order(_) => {
            &[Field::EventId, Field::OrderId, Field::CustomerId, Field::Currency, Field::Total, Field::Items]
        }
        Body::Payment { .. } => &[Field::OrderId, Field::PaymentId, Field::Method, Field::Amount, Field::Status],
        Body::Customer { .. } => &[Field::EventId, Field::CustomerId],
        Body::Product { .. } => &[Field::ProductId, Field::Name, Field::Category, Field::Price],
    }
}

/// Fields of the record with values they must not have.
fn invalid(body: &Body) -> &'static [(Field, &'static str)] {
    match body {
        Body::Click { .. } => &[
            (Field::EventTime, r#""2026-02-30T12:00:00Z""#),
            (Field::EventTime, r#""yesterday""#),
            (Field::EventTime, "1767225600.5"),
            (Field::EventId, r#""""#),
            (Field::SessionId, "null"),
            (Field::Action, r#""hover""#),
        ],
        Body::Order(_) => &[
            (Field::Total, "-12.00"),
            (Field::Total, r#""12,00""#),
            (Field::Items, "[]"),
            (Field::ItemsQuantity, "0"),
            (Field::ItemsQuantity, "1.5"),
            (Field::ItemsUnitPrice, "1e2"),
        ],
        Body::Payment { .. } => &[
            (Field::Amount, "12.345"),
            (Field::Amount, "true"),
            (Field::Status, r#""pending""#),
            (Field::Method, "[]"),
        ],
        Body::Customer { .. } => &[(Field::CustomerId, "1234"), (Field::Segment, "7")],
        Body::Product { .. } => &[(Field::Price, r#""free""#), (Field::Name, r#""""#), (Field::Category, "{}")],
    }
}

/// The last part of the field's name, as it stands within its object.
fn key(field: Field) -> Vec<u8> {
    let name = field.name();
    let last = name.rsplit('.').next().unwrap_or(name);
    format!("\"{last}\":").into_bytes()
}

/// Where the field starts: the first of that name. Our lines have no whitespace and no escapes.
fn start(line: &[u8], field: Field) -> usize {
    let key = key(field);
    line.windows(key.len()).position(|window| window == key).expect("the record has the field")
}

/// Where the field's value lies.
fn value(line: &[u8], field: Field) -> std::ops::Range<usize> {
    let start = start(line, field) + key(field).len();
    let rest = &line[start..];
    let len = match rest[0] {
        b'"' => rest[1..].iter().position(|&byte| byte == b'"').expect("a closing quote") + 2,
        b'[' => rest.iter().position(|&byte| byte == b']').expect("a closing bracket") + 1,
        _ => rest.iter().position(|byte| b",}".contains(byte)).expect("the end of the object"),
    };
    start..start + len
}

fn replace(line: &mut Vec<u8>, field: Field, with: &[u8]) {
    let value = value(line, field);
    line.splice(value, with.iter().copied());
}

fn remove(line: &mut Vec<u8>, field: Field) {
    let (mut first, mut end) = (start(line, field), value(line, field).end);
    // The comma after it, or where it is the object's last, the one before.
    if line[end] == b',' {
        end += 1;
    } else {
        first -= 1;
    }
    line.drain(first..end);
}

fn append_field(line: &mut Vec<u8>, value: Vec<u8>) {
    line.pop();
    line.extend_from_slice(br#","note":"#);
    line.extend(value);
    line.push(b'}');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken(malformation: Malformation) -> String {
        let mut line =
            br#"{"event_id":"a","event_time":"b","currency":"USD","items":[{"quantity":1}],"total":1.00}"#.to_vec();
        malformation.apply(&mut line);
        String::from_utf8_lossy(&line).into_owned()
    }

    #[test]
    fn each_malformation_changes_one_thing() {
        let check = |malformation, expected: &str| assert_eq!(broken(malformation), expected);
        let rest = r#""event_time":"b","currency":"USD","items":[{"quantity":1}],"total":1.00}"#;
        check(Malformation::Cut(9), r#"{"event_i"#);
        check(Malformation::NotUtf8, &format!("{{\"event_id\":\"\u{FFFD}\",{rest}"));
        check(Malformation::HalfCharacter, &format!(r#"{{"event_id":"\ud83d",{rest}"#));
        check(Malformation::Missing(Field::EventId), &format!("{{{rest}"));
        check(
            Malformation::Missing(Field::Total),
            r#"{"event_id":"a","event_time":"b","currency":"USD","items":[{"quantity":1}]}"#,
        );
        check(
            Malformation::Invalid(Field::ItemsQuantity, "0"),
            r#"{"event_id":"a","event_time":"b","currency":"USD","items":[{"quantity":0}],"total":1.00}"#,
        );
        check(
            Malformation::Invalid(Field::Items, "[]"),
            r#"{"event_id":"a","event_time":"b","currency":"USD","items":[],"total":1.00}"#,
        );
        check(
            Malformation::Foreign,
            r#"{"event_id":"a","event_time":"b","currency":"XSD","items":[{"quantity":1}],"total":1.00}"#,
        );
        check(Malformation::Wrapped, &format!(r#"[{{"event_id":"a",{rest}]"#));
        assert!(broken(Malformation::TooLarge).len() > LINE_BYTES_MAX);
    }
}
