//! Where records go: into a batch, into text, or both.

use engine_model::{Batch, Cents, Event, EventKind, Item, LINE_BYTES_MAX, Line, RejectedLine, Rejection, Text};

use crate::catalogue::{append_name, category_name};
use crate::customer::country;
use crate::identity::Token;
use crate::record::{Action, Body, Order, Record, Status};
use crate::render::{Scribe, payment_number, product_id};

/// Takes records in the lane's order.
pub(crate) trait Sink {
    /// Takes a valid record; where `keep_line` is set, its line is wanted too.
    fn valid(&mut self, record: &Record, index: u64, scribe: &mut Scribe, keep_line: bool);

    /// Takes a broken one: its line without the end, and what a parser must say of it.
    fn broken(&mut self, line: &[u8], rejection: Rejection, index: u64);
}

/// JSON Lines.
pub(crate) struct Lines<'a>(pub(crate) &'a mut Vec<u8>);

/// A batch; with `ALL` all records are in `slab` as lines too, otherwise only the broken
/// and the late ones, which a quarantine keeps.
pub(crate) struct Events<'a, const ALL: bool> {
    pub(crate) batch: &'a mut Batch,
    pub(crate) slab: &'a mut Vec<u8>,
}

impl Sink for Lines<'_> {
    #[inline]
    fn valid(&mut self, record: &Record, _index: u64, scribe: &mut Scribe, _keep_line: bool) {
        scribe.append_line(record, self.0);
        self.0.push(b'\n');
    }

    fn broken(&mut self, line: &[u8], _rejection: Rejection, _index: u64) {
        self.0.extend_from_slice(line);
        self.0.push(b'\n');
    }
}

impl<const ALL: bool> Sink for Events<'_, ALL> {
    #[inline]
    fn valid(&mut self, record: &Record, index: u64, scribe: &mut Scribe, keep_line: bool) {
        let mut event = event(record, scribe, self.batch);
        event.offset = index;
        if ALL || keep_line {
            let start = self.slab.len();
            scribe.append_line(record, self.slab);
            event.line_start = position(start);
            event.line_len = position(self.slab.len() - start);
            self.slab.push(b'\n');
        }
        self.batch.events.push(event);
    }

    fn broken(&mut self, line: &[u8], rejection: Rejection, index: u64) {
        let start = position(self.slab.len());
        self.slab.extend_from_slice(line);
        self.slab.push(b'\n');
        self.batch.rejected.push(RejectedLine {
            rejection,
            line: Line { start, len: position(line.len().min(LINE_BYTES_MAX)) },
            length: line.len() as u64,
            offset: index,
            events_before: position(self.batch.events.len()),
        });
    }
}

/// The event a parser makes of the record's line. `batch` takes its items and texts.
#[inline]
fn event(record: &Record, scribe: &mut Scribe, batch: &mut Batch) -> Event {
    let identities = &scribe.identities;
    let forms = identities.forms();
    let id = forms.uuid(identities.event(record.number));
    match &record.body {
        &Body::Click { session, customer, product, action, .. } => {
            let kind = match action {
                Action::View => EventKind::View,
                Action::AddToCart => EventKind::AddToCart,
                Action::Checkout => EventKind::Checkout,
            };
            let mut event = Event::new(kind, record.time, id);
            event.set_session(forms.short(identities.token(Token::Session, session)));
            if customer.is_known() {
                event.set_customer(forms.short(customer.id()));
            }
            if action != Action::Checkout {
                event.set_subject(forms.short(product_id(product)));
            }
            event
        }
        Body::Order(order) => order_event(record, order, id, scribe, batch),
        &Body::Payment { order, attempt, customer, amount, method, status } => {
            let (kind, reason) = match status {
                Status::Succeeded => (EventKind::PaymentSucceeded, None),
                Status::Failed { reason } => (EventKind::PaymentFailed, reason),
            };
            let mut event = Event::new(kind, record.time, id);
            event.set_customer(forms.short(customer.id()));
            event.set_subject(forms.short(identities.token(Token::Order, order)));
            event.amount = Cents::new(i64::from(amount));
            let payment = forms.short(identities.token(Token::Payment, payment_number(order, attempt)));
            let method = optional(Some(method.name()), batch);
            let reason = optional(reason, batch);
            with_texts(event, &[payment, method, reason], batch)
        }
        &Body::Customer { customer, segment } => {
            let mut event = Event::new(EventKind::Customer, record.time, id);
            event.set_customer(forms.short(customer.id()));
            let country = optional(country(scribe.seed, customer), batch);
            let segment = optional(Some(segment.name()), batch);
            with_texts(event, &[country, segment], batch)
        }
        &Body::Product { product, category, price } => {
            let mut event = Event::new(EventKind::Product, record.time, id);
            event.set_subject(forms.short(product_id(product)));
            event.amount = Cents::new(i64::from(price));
            scribe.name.clear();
            append_name(scribe.seed, product, &mut scribe.name);
            let name = Text::new(&scribe.name, &mut batch.arena);
            let category = optional(Some(category_name(category)), batch);
            with_texts(event, &[name, category], batch)
        }
    }
}

fn order_event(record: &Record, order: &Order, id: Text, scribe: &Scribe, batch: &mut Batch) -> Event {
    let identities = &scribe.identities;
    let forms = identities.forms();
    let mut event = Event::new(EventKind::Order, record.time, id);
    if order.has_session {
        event.set_session(forms.short(identities.token(Token::Session, order.number)));
    }
    event.set_customer(forms.short(order.customer.id()));
    event.set_subject(forms.short(identities.token(Token::Order, order.number)));
    event.amount = Cents::new(i64::from(order.total));
    event.set_extras(batch.items.len(), order.items().len());
    for item in order.items() {
        let category = optional(order.has_categories.then(|| category_name(item.category)), batch);
        batch.items.push(Item {
            product: forms.short(product_id(item.product)),
            category,
            unit_price: Cents::new(i64::from(item.price)),
            quantity: u32::from(item.quantity),
        });
    }
    event
}

fn optional(text: Option<&str>, batch: &mut Batch) -> Text {
    text.map_or(Text::ABSENT, |text| Text::new(text.as_bytes(), &mut batch.arena))
}

fn with_texts(mut event: Event, texts: &[Text], batch: &mut Batch) -> Event {
    event.set_extras(batch.texts.len(), texts.len());
    batch.texts.extend_from_slice(texts);
    event
}

fn position(number: usize) -> u32 {
    u32::try_from(number).expect("a slab or a batch of less than 4 GiB")
}
