//! Records as JSON, one line each, written by hand: constant text, and digits by table or by arithmetic.

use engine_model::{Currency, EventTime, civil_of_day};

use crate::catalogue::{append_name, category_name};
use crate::customer::country;
use crate::identity::{Identities, Token, eight_digits};
use crate::record::{Action, Body, Device, Order, Record, Status};

/// Writes the records of a lane.
#[derive(Clone, Debug)]
pub(crate) struct Scribe {
    /// Makes the identifiers.
    pub(crate) identities: Identities,
    /// Names and countries depend on it.
    pub(crate) seed: u64,
    /// Room for a name.
    pub(crate) name: Vec<u8>,
    currency: Currency,
    /// The minute last written, counted from 1970, and how it is written: `2026-01-01T00:00:`.
    minute: i64,
    minute_text: [u8; 17],
}

/// Upper bound on a line of ours, so that room is made once for each line rather than for each piece.
const LINE_BYTES_TYPICAL: usize = 1_024;

const MINUTE_MICROS: i64 = 60_000_000;

impl Scribe {
    /// The scribe of a lane.
    pub(crate) fn new(seed: u64, lane: u32, currency: Currency) -> Scribe {
        let identities = Identities::new(seed, lane);
        Scribe { identities, seed, name: Vec::new(), currency, minute: i64::MIN, minute_text: [0; 17] }
    }

    /// Appends the record's line, without its end.
    pub(crate) fn append_line(&mut self, record: &Record, out: &mut Vec<u8>) {
        out.reserve(LINE_BYTES_TYPICAL);
        out.extend_from_slice(br#"{"event_id":""#);
        self.identities.event(record.number).append_to(out);
        match &record.body {
            &Body::Click { session, customer, product, action, device } => {
                out.extend_from_slice(br#"","event_type":"click","event_time":""#);
                self.append_time(record.time, out);
                out.extend_from_slice(br#"","session_id":""#);
                self.identities.token(Token::Session, session).append_to(out);
                if customer.is_known() {
                    out.extend_from_slice(br#"","customer_id":""#);
                    customer.id().append_to(out);
                }
                out.extend_from_slice(match device {
                    Device::Desktop => br#"","device":"desktop","action":""#.as_slice(),
                    Device::Mobile => br#"","device":"mobile","action":""#.as_slice(),
                });
                out.extend_from_slice(match action {
                    Action::View => br#"view","product_id":""#.as_slice(),
                    Action::AddToCart => br#"add_to_cart","product_id":""#.as_slice(),
                    Action::Checkout => br#"checkout"}"#.as_slice(),
                });
                if action != Action::Checkout {
                    product_id(product).append_to(out);
                    out.extend_from_slice(br#""}"#);
                }
            }
            Body::Order(order) => self.append_order(record.time, order, out),
            &Body::Payment { order, attempt, customer, amount, method, status } => {
                out.extend_from_slice(br#"","event_type":"payment","event_time":""#);
                self.append_time(record.time, out);
                out.extend_from_slice(br#"","payment_id":""#);
                self.identities.token(Token::Payment, payment_number(order, attempt)).append_to(out);
                out.extend_from_slice(br#"","order_id":""#);
                self.identities.token(Token::Order, order).append_to(out);
                out.extend_from_slice(br#"","customer_id":""#);
                customer.id().append_to(out);
                out.extend_from_slice(br#"","method":""#);
                out.extend_from_slice(method.name().as_bytes());
                out.extend_from_slice(br#"","currency":""#);
                out.extend_from_slice(self.currency.as_str().as_bytes());
                out.extend_from_slice(br#"","amount":"#);
                append_money(amount, out);
                match status {
                    Status::Succeeded => out.extend_from_slice(br#","status":"succeeded"}"#),
                    Status::Failed { reason } => {
                        out.extend_from_slice(br#","status":"failed""#);
                        if let Some(reason) = reason {
                            out.extend_from_slice(br#","failure_reason":""#);
                            out.extend_from_slice(reason.as_bytes());
                            out.push(b'"');
                        }
                        out.push(b'}');
                    }
                }
            }
            &Body::Customer { customer, segment } => {
                out.extend_from_slice(br#"","event_type":"customer","event_time":""#);
                self.append_time(record.time, out);
                out.extend_from_slice(br#"","customer_id":""#);
                customer.id().append_to(out);
                if let Some(country) = country(self.seed, customer) {
                    out.extend_from_slice(br#"","country":""#);
                    out.extend_from_slice(country.as_bytes());
                }
                out.extend_from_slice(br#"","segment":""#);
                out.extend_from_slice(segment.name().as_bytes());
                out.extend_from_slice(br#""}"#);
            }
            &Body::Product { product, category, price } => {
                out.extend_from_slice(br#"","event_type":"product","event_time":""#);
                self.append_time(record.time, out);
                out.extend_from_slice(br#"","product_id":""#);
                product_id(product).append_to(out);
                out.extend_from_slice(br#"","name":""#);
                append_name(self.seed, product, out);
                out.extend_from_slice(br#"","category":""#);
                out.extend_from_slice(category_name(category).as_bytes());
                out.extend_from_slice(br#"","price":"#);
                append_money(price, out);
                out.push(b'}');
            }
        }
    }

    fn append_order(&mut self, time: EventTime, order: &Order, out: &mut Vec<u8>) {
        out.extend_from_slice(br#"","event_type":"order","event_time":""#);
        self.append_time(time, out);
        out.extend_from_slice(br#"","order_id":""#);
        self.identities.token(Token::Order, order.number).append_to(out);
        if order.has_session {
            out.extend_from_slice(br#"","session_id":""#);
            self.identities.token(Token::Session, order.number).append_to(out);
        }
        out.extend_from_slice(br#"","customer_id":""#);
        order.customer.id().append_to(out);
        out.extend_from_slice(br#"","currency":""#);
        out.extend_from_slice(self.currency.as_str().as_bytes());
        out.extend_from_slice(br#"","total":"#);
        append_money(order.total, out);
        out.extend_from_slice(br#","items":["#);
        for (place, item) in order.items().iter().enumerate() {
            if place > 0 {
                out.push(b',');
            }
            out.extend_from_slice(br#"{"product_id":""#);
            product_id(item.product).append_to(out);
            out.extend_from_slice(br#"","quantity":"#);
            append_number(u32::from(item.quantity), out);
            out.extend_from_slice(br#","unit_price":"#);
            append_money(item.price, out);
            if order.has_categories {
                out.extend_from_slice(br#","category":""#);
                out.extend_from_slice(category_name(item.category).as_bytes());
                out.push(b'"');
            }
            out.push(b'}');
        }
        out.extend_from_slice(b"]}");
    }

    /// Appends the instant in UTC with six digits of fraction.
    fn append_time(&mut self, time: EventTime, out: &mut Vec<u8>) {
        let micros = time.as_micros();
        let minute = micros.div_euclid(MINUTE_MICROS);
        if minute != self.minute {
            self.minute = minute;
            self.minute_text = minute_text(minute);
        }
        let in_minute = u32::try_from(micros.rem_euclid(MINUTE_MICROS)).expect("below 60 000 000");
        let digits = eight_digits(in_minute).to_le_bytes();
        let mut text = *b"0000-00-00T00:00:00.000000Z";
        text[..17].copy_from_slice(&self.minute_text);
        text[17..19].copy_from_slice(&digits[..2]);
        text[20..26].copy_from_slice(&digits[2..]);
        out.extend_from_slice(&text);
    }
}

/// `product_id`.
#[inline]
pub(crate) fn product_id(product: u32) -> crate::identity::ShortText {
    crate::identity::ShortText::numbered(b'p', product)
}

/// The number a payment's id is made of.
#[inline]
pub(crate) const fn payment_number(order: u64, attempt: u8) -> u64 {
    order << 2 | attempt as u64
}

/// A minute as `2026-01-01T00:00:`, for years of four digits.
#[cold]
fn minute_text(minute: i64) -> [u8; 17] {
    let date = civil_of_day(minute.div_euclid(1_440));
    let of_day = minute.rem_euclid(1_440);
    let digits = |number: i64| eight_digits(u32::try_from(number).expect("at most 9999 12 31")).to_le_bytes();
    let day = digits(i64::from(date.date_key()));
    let time = digits(of_day / 60 * 100 + of_day % 60);
    let mut text = *b"0000-00-00T00:00:";
    text[..4].copy_from_slice(&day[..4]);
    text[5..7].copy_from_slice(&day[4..6]);
    text[8..10].copy_from_slice(&day[6..]);
    text[11..13].copy_from_slice(&time[4..6]);
    text[14..16].copy_from_slice(&time[6..]);
    text
}

fn append_money(cents: u32, out: &mut Vec<u8>) {
    append_number(cents / 100, out);
    let [.., tens, ones] = eight_digits(cents % 100).to_le_bytes();
    out.extend_from_slice(&[b'.', tens, ones]);
}

/// Appends the digits of a number below 10^8.
fn append_number(number: u32, out: &mut Vec<u8>) {
    let digits = eight_digits(number).to_le_bytes();
    let count = number.checked_ilog10().unwrap_or(0) as usize + 1;
    out.extend_from_slice(&digits[8 - count..]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::customer::Customer;

    #[test]
    fn money_and_instants_are_written_in_full() {
        let money = |cents| {
            let mut out = Vec::new();
            append_money(cents, &mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!([0, 5, 99, 100, 123_405].map(money), ["0.00", "0.05", "0.99", "1.00", "1234.05"]);
        let mut scribe = Scribe::new(1, 0, Currency::USD);
        let mut time = |micros| {
            let mut out = Vec::new();
            scribe.append_time(EventTime::from_micros(micros), &mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(time(1_767_225_659_000_042), "2026-01-01T00:00:59.000042Z");
        assert_eq!(time(1_767_225_660_000_000), "2026-01-01T00:01:00.000000Z");
        assert_eq!(time(0), "1970-01-01T00:00:00.000000Z");
    }

    #[test]
    fn a_click_is_a_line() {
        let mut scribe = Scribe::new(1, 0, Currency::USD);
        let body = Body::Click {
            session: 4,
            customer: Customer::default(),
            product: 12,
            action: Action::View,
            device: Device::Mobile,
        };
        let mut out = Vec::new();
        scribe.append_line(&Record { time: EventTime::EPOCH, number: 0, body }, &mut out);
        let line = String::from_utf8(out).unwrap();
        assert!(line.ends_with(r#""device":"mobile","action":"view","product_id":"p0000012"}"#), "{line}");
        assert!(line.contains(r#","event_type":"click","event_time":"1970-01-01T00:00:00.000000Z","session_id":"s"#));
    }
}
