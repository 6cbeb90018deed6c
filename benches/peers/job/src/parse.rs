//! Lines to events, by the rules of the project's contract for valid records.
//!
//! One serde structure holds the fields of all types; what a type does not look at may have any value. Money and items
//! keep their text until the type is known. One thing is left out: a line that repeats a field's name is refused,
//! where the contract takes the last.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use sonic_rs::LazyValue;

use crate::id::Id;
use crate::lines::lines_of;

/// Events of a block of lines, in their order.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct Batch {
    /// The valid records.
    pub events: Vec<Event>,
    /// The items of all orders.
    pub items: Vec<Item>,
    /// Lines that are no valid record.
    pub rejected: u64,
}

/// A valid record.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct Event {
    /// `event_id`
    pub id: Id,
    /// `event_time` in microseconds since 1970.
    pub time: i64,
    /// What its type adds.
    pub body: Body,
}

/// What the type of a record adds.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub enum Body {
    /// A click.
    Click {
        /// `session_id`
        session: Id,
        /// `customer_id`
        customer: Option<Id>,
        /// `product_id`
        product: Option<Id>,
        /// `action`
        action: Action,
    },
    /// An order.
    Order {
        /// `session_id`
        session: Option<Id>,
        /// `customer_id`
        customer: Id,
        /// `total` in cents.
        total: i64,
        /// Places of its items in the batch.
        items: Range<u32>,
    },
    /// A payment.
    Payment {
        /// `customer_id`
        customer: Option<Id>,
        /// `method`
        method: Id,
        /// Whether `status` is `succeeded`.
        succeeded: bool,
        /// `failure_reason`
        reason: Option<Id>,
        /// `amount` in cents.
        amount: i64,
    },
    /// A customer's or product's record, of which this job needs no more.
    Other,
}

/// What a click did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Action {
    /// A product was looked at.
    View,
    /// A product was put into the cart.
    AddToCart,
    /// The cart was checked out.
    Checkout,
}

/// A line of an order; money in cents.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct Item {
    /// `product_id`
    pub product: Id,
    /// `quantity`
    pub quantity: u32,
    /// `unit_price`
    pub price: i64,
}

impl Event {
    /// Its items, out of those of its batch: none unless it is an order.
    #[must_use]
    pub fn items_in<'a>(&self, items: &'a [Item]) -> &'a [Item] {
        match &self.body {
            Body::Order { items: places, .. } => &items[places.start as usize..places.end as usize],
            _ => &[],
        }
    }

    /// The session it names.
    #[must_use]
    pub fn session(&self) -> Option<&Id> {
        match &self.body {
            Body::Click { session, .. } => Some(session),
            Body::Order { session, .. } => session.as_ref(),
            Body::Payment { .. } | Body::Other => None,
        }
    }

    /// The customer it counts for.
    #[must_use]
    pub fn customer(&self) -> Option<&Id> {
        match &self.body {
            Body::Click { customer, .. } | Body::Payment { customer, .. } => customer.as_ref(),
            Body::Order { customer, .. } => Some(customer),
            Body::Other => None,
        }
    }
}

/// Longest line in bytes.
const LINE_BYTES_MAX: usize = 65_536;
/// Deepest nesting.
const LEVELS_MAX: usize = 128;
/// The currency of the run.
const CURRENCY: &str = "USD";
/// Most of the money there may be, in cents.
const CENTS_MAX: i64 = 999_999_999_999;

impl Batch {
    /// Parses a block of lines into an empty batch. `latest` is the greatest event time allowed, in microseconds.
    pub fn parse(&mut self, block: &[u8], latest: i64) {
        for line in lines_of(block) {
            if line.iter().all(|byte| b" \t".contains(byte)) {
                continue;
            }
            match self.event(line, latest) {
                Some(event) => self.events.push(event),
                None => self.rejected += 1,
            }
        }
    }

    fn event(&mut self, line: &[u8], latest: i64) -> Option<Event> {
        if line.len() > LINE_BYTES_MAX || nests_too_deeply(line) {
            return None;
        }
        let line = std::str::from_utf8(line).ok()?;
        let fields: Fields<'_> = sonic_rs::from_str(line).ok()?;
        let id = fields.event_id.id(64)?;
        let time = fields.event_time.time()?;
        if time < 0 || time > latest {
            return None;
        }
        let body = match fields.event_type.text(8)? {
            "click" => {
                let action = match fields.action.text(11)? {
                    "view" => Action::View,
                    "add_to_cart" => Action::AddToCart,
                    "checkout" => Action::Checkout,
                    _ => return None,
                };
                let product = fields.product_id.optional_id(64)?;
                if product.is_none() && action != Action::Checkout {
                    return None;
                }
                let customer = fields.customer_id.optional_id(64)?;
                Body::Click { session: fields.session_id.id(64)?, customer, product, action }
            }
            "order" => {
                fields.order_id.text(64)?;
                if fields.currency.text(3)? != CURRENCY {
                    return None;
                }
                let session = fields.session_id.optional_id(64)?;
                let (customer, total) = (fields.customer_id.id(64)?, money(fields.total.as_ref()?)?);
                Body::Order { session, customer, total, items: self.items(fields.items.as_ref()?)? }
            }
            "payment" => {
                fields.payment_id.text(64)?;
                fields.order_id.text(64)?;
                if fields.currency.text(3)? != CURRENCY {
                    return None;
                }
                let succeeded = match fields.status.text(9)? {
                    "succeeded" => true,
                    "failed" => false,
                    _ => return None,
                };
                Body::Payment {
                    customer: fields.customer_id.optional_id(64)?,
                    method: fields.method.id(32)?,
                    succeeded,
                    reason: fields.failure_reason.optional_id(64)?,
                    amount: money(fields.amount.as_ref()?)?,
                }
            }
            "customer" => {
                fields.customer_id.text(64)?;
                if !fields.country.is_at_most(64) || !fields.segment.is_at_most(64) {
                    return None;
                }
                Body::Other
            }
            "product" => {
                fields.product_id.text(64)?;
                fields.name.text(200)?;
                fields.category.text(64)?;
                money(fields.price.as_ref()?)?;
                Body::Other
            }
            _ => return None,
        };
        Some(Event { id, time, body })
    }

    /// Appends the items of an order; where one is wrong, none.
    fn items(&mut self, array: &LazyValue<'_>) -> Option<Range<u32>> {
        let first = self.items.len();
        let items: Vec<ItemFields<'_>> = sonic_rs::from_str(array.as_raw_str()).ok()?;
        if items.is_empty() || items.len() > 100 {
            return None;
        }
        for fields in &items {
            let item = || {
                fields.category.optional_id(64)?;
                let quantity = match fields.quantity {
                    Field::Integer(quantity @ 1..=10_000) => u32::try_from(quantity).ok()?,
                    _ => return None,
                };
                let price = money(fields.unit_price.as_ref()?)?;
                Some(Item { product: fields.product_id.id(64)?, quantity, price })
            };
            let Some(item) = item() else {
                self.items.truncate(first);
                return None;
            };
            self.items.push(item);
        }
        Some(u32::try_from(first).ok()?..u32::try_from(self.items.len()).ok()?)
    }
}

/// The fields of all types.
#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct Fields<'a> {
    #[serde(borrow)]
    event_id: Field<'a>,
    #[serde(borrow)]
    event_type: Field<'a>,
    #[serde(borrow)]
    event_time: Field<'a>,
    #[serde(borrow)]
    session_id: Field<'a>,
    #[serde(borrow)]
    customer_id: Field<'a>,
    #[serde(borrow)]
    action: Field<'a>,
    #[serde(borrow)]
    product_id: Field<'a>,
    #[serde(borrow)]
    order_id: Field<'a>,
    #[serde(borrow)]
    currency: Field<'a>,
    #[serde(borrow)]
    total: Option<LazyValue<'a>>,
    #[serde(borrow)]
    items: Option<LazyValue<'a>>,
    #[serde(borrow)]
    payment_id: Field<'a>,
    #[serde(borrow)]
    method: Field<'a>,
    #[serde(borrow)]
    amount: Option<LazyValue<'a>>,
    #[serde(borrow)]
    status: Field<'a>,
    #[serde(borrow)]
    failure_reason: Field<'a>,
    #[serde(borrow)]
    name: Field<'a>,
    #[serde(borrow)]
    category: Field<'a>,
    #[serde(borrow)]
    price: Option<LazyValue<'a>>,
    #[serde(borrow)]
    country: Field<'a>,
    #[serde(borrow)]
    segment: Field<'a>,
}

#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct ItemFields<'a> {
    #[serde(borrow)]
    product_id: Field<'a>,
    #[serde(borrow)]
    quantity: Field<'a>,
    #[serde(borrow)]
    unit_price: Option<LazyValue<'a>>,
    #[serde(borrow)]
    category: Field<'a>,
}

/// A JSON value, as far as a field of ours may have it.
#[derive(Default)]
enum Field<'a> {
    /// Absent or null.
    #[default]
    None,
    Text(Cow<'a, str>),
    /// Without sign, fraction and exponent.
    Integer(u64),
    Wrong,
}

impl Field<'_> {
    /// A text of 1 to `most` bytes.
    fn text(&self, most: usize) -> Option<&str> {
        match self {
            Field::Text(text) if (1..=most).contains(&text.len()) => Some(text),
            _ => None,
        }
    }

    fn id(&self, most: usize) -> Option<Id> {
        self.text(most).map(Id::new)
    }

    /// The outer option says whether it is valid, the inner whether it is there.
    #[expect(clippy::option_option, reason = "so that `?` leaves on an invalid one")]
    fn optional_id(&self, most: usize) -> Option<Option<Id>> {
        match self {
            Field::None => Some(None),
            _ => self.id(most).map(Some),
        }
    }

    /// Whether it is absent or a text of 0 to `most` bytes.
    fn is_at_most(&self, most: usize) -> bool {
        match self {
            Field::None => true,
            Field::Text(text) => text.len() <= most,
            Field::Integer(_) | Field::Wrong => false,
        }
    }

    /// An instant in microseconds since 1970.
    fn time(&self) -> Option<i64> {
        match self {
            Field::Text(text) => rfc3339(text.as_bytes()),
            Field::Integer(millis) => i64::try_from(*millis).ok()?.checked_mul(1_000),
            Field::None | Field::Wrong => None,
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Field<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Field<'a>, D::Error> {
        deserializer.deserialize_any(FieldVisitor)
    }
}

struct FieldVisitor;

impl<'de> Visitor<'de> for FieldVisitor {
    type Value = Field<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Field<'de>, E> {
        Ok(Field::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Field<'de>, E> {
        Ok(Field::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Field<'de>, E> {
        Ok(Field::Integer(value))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Field<'de>, E> {
        Ok(Field::Wrong)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Field<'de>, E> {
        Ok(Field::Wrong)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Field<'de>, E> {
        Ok(Field::Wrong)
    }

    fn visit_unit<E>(self) -> Result<Field<'de>, E> {
        Ok(Field::None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Field<'de>, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Field::Wrong)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Field<'de>, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Field::Wrong)
    }
}

/// Money in cents, from the text of a JSON number or string.
fn money(value: &LazyValue<'_>) -> Option<i64> {
    let text = value.as_raw_str();
    if !text.starts_with('"') {
        return cents(text.as_bytes());
    }
    let text: Cow<'_, str> = sonic_rs::from_str::<String>(text).ok()?.into();
    cents(text.as_bytes())
}

/// Digits, and optionally a point and one or two more.
fn cents(text: &[u8]) -> Option<i64> {
    let (whole, fraction) = match memchr::memchr(b'.', text) {
        Some(point) => (&text[..point], Some(&text[point + 1..])),
        None => (text, None),
    };
    let hundredths = match fraction {
        None => 0,
        Some([tenths @ b'0'..=b'9']) => i64::from(tenths - b'0') * 10,
        Some([tenths @ b'0'..=b'9', hundredths @ b'0'..=b'9']) => {
            i64::from(tenths - b'0') * 10 + i64::from(hundredths - b'0')
        }
        Some(_) => return None,
    };
    if whole.is_empty() {
        return None;
    }
    let mut cents: i64 = 0;
    for digit in whole {
        if !digit.is_ascii_digit() || cents > CENTS_MAX {
            return None;
        }
        cents = cents * 10 + i64::from(digit - b'0');
    }
    let cents = cents.checked_mul(100)? + hundredths;
    (cents <= CENTS_MAX).then_some(cents)
}

/// An RFC 3339 instant in microseconds since 1970, cut to them.
fn rfc3339(text: &[u8]) -> Option<i64> {
    let (date_time, rest) = text.split_at_checked(19)?;
    let number = |range: Range<usize>| {
        date_time[range]
            .iter()
            .try_fold(0_i64, |value, digit| digit.is_ascii_digit().then(|| value * 10 + i64::from(digit - b'0')))
    };
    let separators = [date_time[4], date_time[7], date_time[13], date_time[16]];
    if separators != *b"--::" || !b"Tt ".contains(&date_time[10]) {
        return None;
    }
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let (micros, zone) = match rest {
        [b'.', digits @ ..] => {
            let len = digits.iter().position(|digit| !digit.is_ascii_digit())?;
            if len == 0 {
                return None;
            }
            let micros = (0..6)
                .fold(0, |value, place| value * 10 + if place < len { i64::from(digits[place] - b'0') } else { 0 });
            (micros, &digits[len..])
        }
        _ => (0, rest),
    };
    let offset = match zone {
        b"Z" | b"z" => 0,
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] if [h1, h2, m1, m2].iter().all(|digit| digit.is_ascii_digit()) => {
            let two = |tens: u8, ones: u8| i64::from(tens - b'0') * 10 + i64::from(ones - b'0');
            let (hours, minutes) = (two(*h1, *h2), two(*m1, *m2));
            if hours > 23 || minutes > 59 {
                return None;
            }
            (hours * 60 + minutes) * if *sign == b'+' { 1 } else { -1 }
        }
        _ => return None,
    };
    let seconds = (day_of(year, month, day)? * 24 + hour) * 3_600 + (minute - offset) * 60 + second;
    Some(seconds * 1_000_000 + micros)
}

/// Days from 1970 to a date of the Gregorian calendar.
fn day_of(year: i64, month: i64, day: i64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 => 28 + i64::from(leap),
        _ => return None,
    };
    if !(1..=days).contains(&day) {
        return None;
    }
    // Years that start in March end with the leap day.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days_before_month = (153 * month + 2) / 5;
    Some(
        year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + days_before_month + day
            - 719_469,
    )
}

/// Whether brackets nest deeper than allowed. Few lines have that many at all.
fn nests_too_deeply(line: &[u8]) -> bool {
    let opened = line.iter().filter(|&&byte| byte | 0x20 == b'{').count();
    if opened <= LEVELS_MAX {
        return false;
    }
    let (mut level, mut in_text, mut escaped) = (0_usize, false, false);
    for &byte in line {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'[' | b'{' if !in_text => level += 1,
            b']' | b'}' if !in_text => level = level.saturating_sub(1),
            _ => {}
        }
        if level > LEVELS_MAX {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_digits_with_at_most_two_behind_the_point() {
        for (text, expected) in [("0", 0), ("12.5", 1_250), ("16.49", 1_649), ("9999999999.99", CENTS_MAX)] {
            assert_eq!(cents(text.as_bytes()), Some(expected), "{text}");
        }
        for text in ["", ".5", "1.", "-1", "1e2", "12.345", "12,00", "10000000000", "99999999999999999999"] {
            assert_eq!(cents(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn times_are_read_with_any_offset_and_cut_to_microseconds() {
        let check = |text: &str, expected| assert_eq!(rfc3339(text.as_bytes()), expected, "{text}");
        check("1970-01-01T00:00:00Z", Some(0));
        check("2026-01-01T00:00:00.0000019Z", Some(1_767_225_600_000_001));
        check("2026-01-01 01:00:00.5+01:00", Some(1_767_225_600_500_000));
        check("2025-12-31t23:00:00-01:00", Some(1_767_225_600_000_000));
        check("2024-02-29T00:00:00Z", Some(1_709_164_800_000_000));
        for text in ["2026-02-29T00:00:00Z", "2026-01-01T24:00:00Z", "2026-01-01T00:00:60Z", "2026-01-01T00:00:00", ""]
        {
            check(text, None);
        }
        check("2026-01-01T00:00:00.Z", None);
        check("2026-01-01T00:00:00+24:00", None);
    }

    #[test]
    fn a_field_of_the_wrong_type_rejects_only_where_it_is_looked_at() {
        let latest = i64::MAX;
        let check = |fields: &str, valid: u64| {
            let mut batch = Batch::default();
            batch.parse(format!(r#"{{"event_id":"a","event_time":0,{fields}}}"#).as_bytes(), latest);
            assert_eq!((batch.events.len() as u64, batch.rejected), (valid, 1 - valid), "{fields}");
        };
        check(r#""event_type":"customer","customer_id":"c""#, 1);
        check(r#""event_type":"customer","customer_id":"c","total":-1,"items":{}, "action":7"#, 1);
        check(r#""event_type":"customer","customer_id":7"#, 0);
        check(r#""event_type":"customer","customer_id":"c","segment":null"#, 1);
        check(r#""event_type":"customer","customer_id":"c","segment":7"#, 0);
        check(r#""event_type":"click","session_id":"s","action":"checkout""#, 1);
        check(r#""event_type":"click","session_id":"s","action":"view""#, 0);
        let deep = "[".repeat(200) + &"]".repeat(200);
        check(&format!(r#""event_type":"customer","customer_id":"c","note":{deep}"#), 0);
        let shallow = "[".repeat(127) + &"]".repeat(127);
        check(&format!(r#""event_type":"customer","customer_id":"c","note":{shallow}"#), 1);
    }
}
