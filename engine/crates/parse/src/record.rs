//! One line to one event: which fields its type asks for, and the rule of each.
//!
//! A record that breaks several rules is rejected by the first in this order: UTF-8, the syntax of the whole line,
//! being an object, `event_type`, then the fields of its type in the order of the contract's table, those of the items
//! in theirs where `items` stands.

use std::ops::RangeInclusive;

use engine_model::{Batch, Cents, Event, EventKind, EventTime, Field, Item, Line, Reason, Rejection, Text, TextArena};

use crate::Rules;
use crate::dispatch::Compiled;
use crate::json::{Kind, Malformed, Scanner, Value};
use crate::money::parse_money;
use crate::names::{ITEM_NAMES, Names, RECORD_NAMES, UNKNOWN};
use crate::number::parse_integer;
use crate::simd::Portable;
use crate::string::unescape;
use crate::time::{parse_rfc3339, time_of_millis};
use crate::tokens::Tokens;
use crate::walk::{Fields, Walker};

/// Length in bytes of an identifier, and of most other texts.
pub(crate) const ID_BYTES: RangeInclusive<usize> = 1..=64;
/// Length in bytes of a payment's method.
pub(crate) const METHOD_BYTES: RangeInclusive<usize> = 1..=32;
/// Length in bytes of a product's name.
pub(crate) const NAME_BYTES: RangeInclusive<usize> = 1..=200;
/// Length in bytes of a customer's country and segment, which may be empty.
pub(crate) const TRAIT_BYTES: RangeInclusive<usize> = 0..=64;
/// How many items an order may have.
pub(crate) const ITEM_COUNT_MAX: usize = 100;
/// Units of one item.
pub(crate) const QUANTITIES: RangeInclusive<u64> = 1..=10_000;

/// Where a line is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    /// In the partition.
    pub(crate) offset: u64,
    /// In the slab.
    pub(crate) line: Line,
}

/// Reads records, one after another; keeps the memory for their texts.
#[derive(Debug, Default)]
pub(crate) struct RecordReader {
    record: Fields,
    item: Fields,
    /// The text last unescaped.
    scratch: Vec<u8>,
}

impl RecordReader {
    /// Reads the event of `line`, which is at `place`, by `rules`, and appends it to `batch`; its items and texts in part
    /// also where it is rejected.
    pub(crate) fn read(
        &mut self,
        line: &[u8],
        place: Place,
        rules: &Rules,
        batch: &mut Batch,
    ) -> Result<(), Rejection> {
        if let Err(error) = std::str::from_utf8(line) {
            return Err(rejection(Reason::InvalidUtf8, None, Some(error.valid_up_to())));
        }
        let is_object = self.scan(line).map_err(|Malformed { at }| rejection(Reason::MalformedJson, None, Some(at)))?;
        if !is_object {
            return Err(rejection(Reason::NotAnObject, None, None));
        }
        self.event(Portable, line, place, None, rules, batch)
    }

    /// The same for the line that `bytes` begins with, whose tokens are known. `None` where that is not enough to say
    /// what is wrong with it.
    pub(crate) fn read_tokens<V: Compiled>(
        &mut self,
        vectors: V,
        bytes: &[u8],
        place: Place,
        tokens: &Tokens,
        rules: &Rules,
        batch: &mut Batch,
    ) -> Option<Result<(), Rejection>> {
        let mut walker = Walker::new(bytes, tokens);
        if walker.token()?.byte != b'{' {
            return None;
        }
        walker.object(&RECORD_NAMES, &mut self.record, &mut self.scratch)?;
        walker.is_at_end().then(|| self.event(vectors, bytes, place, Some(tokens), rules, batch))
    }

    /// Checks the syntax of the whole line, notes its fields, and tells whether it is an object at all.
    fn scan(&mut self, line: &[u8]) -> Result<bool, Malformed> {
        let mut scanner = Scanner::new(line, 0);
        scanner.whitespace();
        let is_object = scanner.peek() == Some(b'{');
        if is_object {
            scan_object(line, &mut scanner, &RECORD_NAMES, &mut self.record, &mut self.scratch)?;
        } else {
            scanner.value()?;
        }
        scanner.end()?;
        Ok(is_object)
    }

    /// Makes an event of the fields found.
    #[inline]
    fn event<V: Compiled>(
        &mut self,
        vectors: V,
        bytes: &[u8],
        place: Place,
        tokens: Option<&Tokens>,
        rules: &Rules,
        batch: &mut Batch,
    ) -> Result<(), Rejection> {
        let mut record = Record { vectors, bytes, place, tokens, fields: &self.record, scratch: &mut self.scratch };
        let event_type = record.required(Field::EventType)?;
        match record.string(event_type)? {
            b"click" => record.click(rules, batch),
            b"order" => record.order(rules, &mut self.item, batch),
            b"payment" => record.payment(rules, batch),
            b"customer" => record.customer(rules, batch),
            b"product" => record.product(rules, batch),
            _ => Err(event_type.rejected(Reason::UnknownEventType)),
        }
    }
}

/// Reads the object that begins at `scanner`. A name is compared after unescaping; one with an escape that is no Unicode
/// scalar value is none of the known ones.
fn scan_object(
    line: &[u8],
    scanner: &mut Scanner<'_>,
    names: &Names,
    fields: &mut Fields,
    scratch: &mut Vec<u8>,
) -> Result<(), Malformed> {
    fields.clear();
    scanner.open();
    let mut is_first = true;
    while scanner.next_in(b'}', is_first)? {
        is_first = false;
        let name = scanner.name()?;
        let value = scanner.value()?;
        let raw = name.unquoted(line);
        let slot = match name.kind {
            Kind::EscapedString => names.slot_of_escaped(raw, scratch),
            _ => names.field(raw).map_or(UNKNOWN, |field| field as usize),
        };
        fields.put(slot, value);
    }
    Ok(())
}

/// The elements of an array, one after another.
enum Elements<'a> {
    /// By the tokens of the line.
    Tokens(Walker<'a>, Value),
    /// By its bytes.
    Bytes(&'a [u8], Scanner<'a>),
}

impl<'a> Elements<'a> {
    fn of(bytes: &'a [u8], tokens: Option<&'a Tokens>, array: Value) -> Elements<'a> {
        if let Some(tokens) = tokens {
            return Elements::Tokens(Walker::behind(bytes, tokens, array.start), array);
        }
        let mut scanner = Scanner::new(bytes, array.start);
        scanner.open();
        Elements::Bytes(bytes, scanner)
    }

    /// Goes to the next element, of which there is none after the last. The fields of an object go to `fields`.
    fn next(&mut self, is_first: bool, fields: &mut Fields, scratch: &mut Vec<u8>) -> Result<Option<Value>, Malformed> {
        match self {
            Elements::Tokens(walker, array) => {
                let malformed = Malformed { at: array.start };
                let token = walker.next_element(is_first).ok_or(malformed)?;
                if token.byte == b']' {
                    return Ok(None);
                }
                walker.element(token, fields, scratch).ok_or(malformed).map(Some)
            }
            Elements::Bytes(bytes, scanner) => {
                if !scanner.next_in(b']', is_first)? {
                    return Ok(None);
                }
                if scanner.peek() != Some(b'{') {
                    return scanner.value().map(Some);
                }
                let start = scanner.at();
                scan_object(bytes, scanner, &ITEM_NAMES, fields, scratch)?;
                Ok(Some(Value { kind: Kind::Object, start, end: scanner.at() }))
            }
        }
    }
}

/// A field that is there.
#[derive(Clone, Copy, Debug)]
struct Found {
    field: Field,
    value: Value,
}

impl Found {
    fn rejected(self, reason: Reason) -> Rejection {
        rejection(reason, Some(self.field), Some(self.value.start))
    }
}

fn rejection(reason: Reason, field: Option<Field>, at: Option<usize>) -> Rejection {
    Rejection { reason, field, at: at.and_then(|at| u32::try_from(at).ok()) }
}

/// An object of a line, the record itself or an item, with room to unescape its texts.
struct Record<'a, V> {
    vectors: V,
    /// The line, and perhaps what follows it in the slab.
    bytes: &'a [u8],
    /// Where the line is.
    place: Place,
    /// Its tokens, where they are known.
    tokens: Option<&'a Tokens>,
    fields: &'a Fields,
    scratch: &'a mut Vec<u8>,
}

/// The five types, each by the contract's table.
impl<V: Compiled> Record<'_, V> {
    fn click(&mut self, rules: &Rules, batch: &mut Batch) -> Result<(), Rejection> {
        let (event_id, time) = self.id_and_time(rules, batch)?;
        let session = self.text(Field::SessionId, &ID_BYTES, &mut batch.arena)?;
        let customer = self.optional_text(Field::CustomerId, &ID_BYTES, &mut batch.arena)?;
        let kind = self.one_of(Field::Action, |action| match action {
            b"view" => Some(EventKind::View),
            b"add_to_cart" => Some(EventKind::AddToCart),
            b"checkout" => Some(EventKind::Checkout),
            _ => None,
        })?;
        let product = match kind {
            EventKind::Checkout => self.optional_text(Field::ProductId, &ID_BYTES, &mut batch.arena)?,
            _ => self.text(Field::ProductId, &ID_BYTES, &mut batch.arena)?,
        };
        let mut event = Event::new(kind, time, event_id);
        event.set_session(session);
        event.set_customer(customer);
        event.set_subject(product);
        self.keep(event, batch);
        Ok(())
    }

    fn order(&mut self, rules: &Rules, item: &mut Fields, batch: &mut Batch) -> Result<(), Rejection> {
        let (event_id, time) = self.id_and_time(rules, batch)?;
        let session = self.optional_text(Field::SessionId, &ID_BYTES, &mut batch.arena)?;
        let customer = self.text(Field::CustomerId, &ID_BYTES, &mut batch.arena)?;
        let order = self.text(Field::OrderId, &ID_BYTES, &mut batch.arena)?;
        self.currency(rules)?;
        let total = self.money(Field::Total)?;
        let items_first = batch.items.len();
        self.items(item, batch)?;
        let mut event = Event::new(EventKind::Order, time, event_id);
        event.set_session(session);
        event.set_customer(customer);
        event.set_subject(order);
        event.amount = total;
        event.set_extras(items_first, batch.items.len() - items_first);
        self.keep(event, batch);
        Ok(())
    }

    fn payment(&mut self, rules: &Rules, batch: &mut Batch) -> Result<(), Rejection> {
        let (event_id, time) = self.id_and_time(rules, batch)?;
        let customer = self.optional_text(Field::CustomerId, &ID_BYTES, &mut batch.arena)?;
        let order = self.text(Field::OrderId, &ID_BYTES, &mut batch.arena)?;
        self.currency(rules)?;
        let payment = self.text(Field::PaymentId, &ID_BYTES, &mut batch.arena)?;
        let method = self.text(Field::Method, &METHOD_BYTES, &mut batch.arena)?;
        let amount = self.money(Field::Amount)?;
        let kind = self.one_of(Field::Status, |status| match status {
            b"succeeded" => Some(EventKind::PaymentSucceeded),
            b"failed" => Some(EventKind::PaymentFailed),
            _ => None,
        })?;
        let failure_reason = self.optional_text(Field::FailureReason, &ID_BYTES, &mut batch.arena)?;
        let mut event = Event::new(kind, time, event_id);
        event.set_customer(customer);
        event.set_subject(order);
        event.amount = amount;
        set_texts(&mut event, &[payment, method, failure_reason], batch);
        self.keep(event, batch);
        Ok(())
    }

    fn customer(&mut self, rules: &Rules, batch: &mut Batch) -> Result<(), Rejection> {
        let (event_id, time) = self.id_and_time(rules, batch)?;
        let customer = self.text(Field::CustomerId, &ID_BYTES, &mut batch.arena)?;
        let country = self.optional_text(Field::Country, &TRAIT_BYTES, &mut batch.arena)?;
        let segment = self.optional_text(Field::Segment, &TRAIT_BYTES, &mut batch.arena)?;
        let mut event = Event::new(EventKind::Customer, time, event_id);
        event.set_customer(customer);
        set_texts(&mut event, &[country, segment], batch);
        self.keep(event, batch);
        Ok(())
    }

    fn product(&mut self, rules: &Rules, batch: &mut Batch) -> Result<(), Rejection> {
        let (event_id, time) = self.id_and_time(rules, batch)?;
        let product = self.text(Field::ProductId, &ID_BYTES, &mut batch.arena)?;
        let name = self.text(Field::Name, &NAME_BYTES, &mut batch.arena)?;
        let category = self.text(Field::Category, &ID_BYTES, &mut batch.arena)?;
        let price = self.money(Field::Price)?;
        let mut event = Event::new(EventKind::Product, time, event_id);
        event.set_subject(product);
        event.amount = price;
        set_texts(&mut event, &[name, category], batch);
        self.keep(event, batch);
        Ok(())
    }
}

/// Appends the further texts of an event.
impl<V> Record<'_, V> {
    /// Appends the event, where nothing is wrong with it.
    #[inline]
    fn keep(&self, mut event: Event, batch: &mut Batch) {
        event.offset = self.place.offset;
        event.line_start = self.place.line.start;
        event.line_len = self.place.line.len;
        batch.events.push(event);
    }
}

fn set_texts(event: &mut Event, texts: &[Text], batch: &mut Batch) {
    event.set_extras(batch.texts.len(), texts.len());
    batch.texts.extend_from_slice(texts);
}

/// The rules that several types share.
impl<V: Compiled> Record<'_, V> {
    fn id_and_time(&mut self, rules: &Rules, batch: &mut Batch) -> Result<(Text, EventTime), Rejection> {
        let event_id = self.text(Field::EventId, &ID_BYTES, &mut batch.arena)?;
        Ok((event_id, self.event_time(rules)?))
    }

    fn event_time(&mut self, rules: &Rules) -> Result<EventTime, Rejection> {
        let found = self.required(Field::EventTime)?;
        let time = match found.value.kind {
            Kind::Number => parse_integer(found.value.bytes(self.bytes)).map(time_of_millis),
            _ => parse_rfc3339(self.string(found)?),
        };
        match time {
            Some(time) if time > rules.time_max.min(EventTime::EVENT_MAX) => {
                Err(found.rejected(Reason::FutureEventTime))
            }
            Some(time) if time >= EventTime::EPOCH => Ok(time),
            Some(_) | None => Err(found.rejected(Reason::InvalidField)),
        }
    }

    fn currency(&mut self, rules: &Rules) -> Result<(), Rejection> {
        let found = self.required(Field::Currency)?;
        if self.string(found)? == rules.currency.as_str().as_bytes() {
            Ok(())
        } else {
            Err(found.rejected(Reason::CurrencyMismatch))
        }
    }

    fn items(&mut self, item: &mut Fields, batch: &mut Batch) -> Result<(), Rejection> {
        let items = self.required(Field::Items)?;
        if items.value.kind != Kind::Array {
            return Err(self.invalid(items));
        }
        // The syntax was checked with the line, so the walk below finds nothing malformed; if it did, it would say so.
        let malformed = |Malformed { at }| rejection(Reason::MalformedJson, Some(Field::Items), Some(at));
        let mut elements = Elements::of(self.bytes, self.tokens, items.value);
        let mut count = 0;
        while let Some(element) = elements.next(count == 0, item, self.scratch).map_err(malformed)? {
            if count == ITEM_COUNT_MAX {
                return Err(items.rejected(Reason::InvalidField));
            }
            count += 1;
            if element.kind != Kind::Object {
                return Err(self.invalid(Found { field: Field::Items, value: element }));
            }
            let mut record = Record {
                vectors: self.vectors,
                bytes: self.bytes,
                place: self.place,
                tokens: None,
                fields: item,
                scratch: self.scratch,
            };
            let item = record.item(&mut batch.arena)?;
            batch.items.push(item);
        }
        if count == 0 { Err(items.rejected(Reason::InvalidField)) } else { Ok(()) }
    }

    fn item(&mut self, arena: &mut TextArena) -> Result<Item, Rejection> {
        let product = self.text(Field::ItemsProductId, &ID_BYTES, arena)?;
        let quantity = self.quantity()?;
        let unit_price = self.money(Field::ItemsUnitPrice)?;
        let category = self.optional_text(Field::ItemsCategory, &ID_BYTES, arena)?;
        Ok(Item { product, category, unit_price, quantity })
    }

    fn quantity(&mut self) -> Result<u32, Rejection> {
        let found = self.required(Field::ItemsQuantity)?;
        let quantity = match found.value.kind {
            Kind::Number => parse_integer(found.value.bytes(self.bytes)),
            _ => None,
        };
        quantity
            .filter(|quantity| QUANTITIES.contains(quantity))
            .and_then(|quantity| u32::try_from(quantity).ok())
            .ok_or_else(|| self.invalid(found))
    }

    fn money(&mut self, field: Field) -> Result<Cents, Rejection> {
        let found = self.required(field)?;
        let cents = match found.value.kind {
            Kind::Number => parse_money(found.value.bytes(self.bytes)),
            _ => parse_money(self.string(found)?),
        };
        cents.ok_or_else(|| found.rejected(Reason::InvalidField))
    }

    fn one_of(&mut self, field: Field, kind_of: impl Fn(&[u8]) -> Option<EventKind>) -> Result<EventKind, Rejection> {
        let found = self.required(field)?;
        kind_of(self.string(found)?).ok_or_else(|| found.rejected(Reason::InvalidField))
    }

    fn text(&mut self, field: Field, len: &RangeInclusive<usize>, arena: &mut TextArena) -> Result<Text, Rejection> {
        let found = self.required(field)?;
        self.text_of(found, len, arena)
    }

    fn optional_text(
        &mut self,
        field: Field,
        len: &RangeInclusive<usize>,
        arena: &mut TextArena,
    ) -> Result<Text, Rejection> {
        self.optional(field).map_or(Ok(Text::ABSENT), |found| self.text_of(found, len, arena))
    }

    #[inline]
    fn text_of(&mut self, found: Found, len: &RangeInclusive<usize>, arena: &mut TextArena) -> Result<Text, Rejection> {
        let is_plain = found.value.kind == Kind::PlainString;
        let count = if is_plain { found.value.end - found.value.start - 2 } else { self.string(found)?.len() };
        if !len.contains(&count) {
            return Err(found.rejected(Reason::InvalidField));
        }
        let bytes = if is_plain {
            &self.bytes[found.value.start + 1..]
        } else {
            // As much behind it as a short text is taken out of.
            self.scratch.resize(count + Text::INLINE_MAX, 0);
            self.scratch.as_slice()
        };
        Ok(text_before(self.vectors, bytes, count, arena))
    }
}

/// Makes a text of the first `len` of `bytes`. Most are short: they are taken out of a block, whatever follows them,
/// without a copy byte by byte.
#[inline]
fn text_before<V: Compiled>(vectors: V, bytes: &[u8], len: usize, arena: &mut TextArena) -> Text {
    if len <= Text::INLINE_MAX
        && let Some(block) = bytes.first_chunk()
    {
        return Text::from_block(block, len);
    }
    let bytes = &bytes[..len];
    match bytes.as_array().and_then(|text| vectors.uuid_apart(text)) {
        Some(uuid) => Text::from_uuid(uuid),
        None => Text::new(bytes, arena),
    }
}

/// Presence and type.
impl<V: Compiled> Record<'_, V> {
    /// A field that must be there. `null` is there; every rule then finds it to be of the wrong type.
    fn required(&self, field: Field) -> Result<Found, Rejection> {
        let value = self.fields.get(field).ok_or_else(|| rejection(Reason::MissingField, Some(field), None))?;
        Ok(Found { field, value })
    }

    /// A field that may be absent, which `null` says too.
    fn optional(&self, field: Field) -> Option<Found> {
        let value = self.fields.get(field).filter(|value| value.kind != Kind::Null)?;
        Some(Found { field, value })
    }

    /// What a string says.
    fn string(&mut self, found: Found) -> Result<&[u8], Rejection> {
        match found.value.kind {
            Kind::PlainString => Ok(found.value.unquoted(self.bytes)),
            Kind::EscapedString => match unescape(found.value.unquoted(self.bytes), self.scratch) {
                Ok(()) => Ok(self.scratch),
                Err(lone) => {
                    let at = found.value.start + 1 + lone.at;
                    Err(rejection(Reason::MalformedJson, Some(found.field), Some(at)))
                }
            },
            _ => Err(found.rejected(Reason::InvalidField)),
        }
    }

    /// The rejection of a field of the wrong type: also there a string must be sound.
    fn invalid(&mut self, found: Found) -> Rejection {
        self.string(found).err().unwrap_or_else(|| found.rejected(Reason::InvalidField))
    }
}
