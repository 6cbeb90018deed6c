//! Silver: the accepted events, each a row of the table of its type; made where events are judged, while they are at hand.

use engine_lake::Layer;
use engine_model::{
    Batch, Cell, Event, EventKind, Grain, Item, Judgement, Rows, Semantics, Text, TextBuffer, WindowId, silver,
};
use rtrb::Producer;

use crate::kept::KeptRows;
use crate::message::{Gone, Report};
use crate::source::SourceNames;

/// Keeps the accepted events of batches.
#[derive(Debug)]
pub(crate) struct EventKeeper {
    kept: KeptRows,
    base: Grain,
    currency: String,
    /// The offsets of the duplicates of the batch under way, in their order.
    pub(crate) duplicates: Vec<u64>,
}

/// What all rows of an event share.
struct Shared<'a> {
    batch: &'a Batch,
    window_start: Cell<'a>,
    currency: Cell<'a>,
    place: [Cell<'a>; 3],
}

impl EventKeeper {
    pub(crate) fn new(semantics: &Semantics) -> EventKeeper {
        EventKeeper {
            kept: KeptRows::new(Layer::Silver),
            base: semantics.base(),
            currency: semantics.currency().to_string(),
            duplicates: Vec::new(),
        }
    }

    /// Keeps the events of `batch` that are in time and not among the duplicates noted, which are forgotten then.
    pub(crate) fn keep(&mut self, batch: &Batch, names: &SourceNames) {
        let EventKeeper { kept, base, currency, duplicates } = self;
        let mut duplicates = duplicates.drain(..).peekable();
        let mut cursor: Option<(WindowId, i64, Cell<'_>)> = None;
        for event in batch.events.iter().filter(|event| event.judgement == Judgement::InTime) {
            if duplicates.next_if_eq(&event.offset).is_some() {
                continue;
            }
            let window = base.containing(event.time);
            let (day, window_start) = match cursor {
                Some((of, day, start)) if of == window => (day, start),
                _ => (base.local_day(window), Cell::Timestamp(base.start(window))),
            };
            cursor = Some((window, day, window_start));
            let place = names.cells(batch.header.partition, event.offset);
            let shared = Shared { batch, window_start, currency: Cell::Text(currency), place };
            shared.append(event, kept.of(silver::table_of(event.kind), Some(day)));
            if event.kind == EventKind::Order {
                let rows = kept.of(&silver::ORDER_ITEMS, Some(day));
                for (index, item) in (0..).zip(batch.items_of(event)) {
                    shared.append_item(event, index, item, rows);
                }
            }
        }
    }

    /// Sends rows on, where there are enough of them or `all` are wanted.
    pub(crate) fn send(&mut self, reports: &mut Producer<Report>, all: bool) -> Result<(), Gone> {
        self.kept.send(reports, all)
    }
}

impl Shared<'_> {
    /// Appends an event to the table of its type.
    fn append(&self, event: &Event, rows: &mut Rows) {
        let arena = &self.batch.arena;
        let mut buffers = [[0; 36]; 8];
        let [id, session, customer, subject, first, second, third, _] = &mut buffers;
        let id = text(&event.event_id(), arena, id);
        let session = text(&event.session(), arena, session);
        let customer = text(&event.customer(), arena, customer);
        let subject = text(&event.subject(), arena, subject);
        let amount = Cell::Money(event.amount);
        let time = Cell::Timestamp(event.time);
        let kind = Cell::Text(event.kind.event_type());
        let (start, [source, partition, offset]) = (self.window_start, self.place);
        let mut texts = [Cell::Null; 3];
        if event.kind != EventKind::Order {
            for ((cell, of), buffer) in texts.iter_mut().zip(self.batch.texts_of(event)).zip([first, second, third]) {
                *cell = text(of, arena, buffer);
            }
        }
        let [first, second, third] = texts;
        match event.kind {
            EventKind::View | EventKind::AddToCart | EventKind::Checkout => {
                let action = Cell::Text(action(event.kind));
                let what = [id, kind, time, session, customer, action, subject];
                push(rows, &what, &[start, source, partition, offset]);
            }
            EventKind::Order => {
                let what = [id, kind, time, session, customer, subject, self.currency, amount];
                push(rows, &what, &[start, source, partition, offset]);
            }
            EventKind::PaymentSucceeded | EventKind::PaymentFailed => {
                let status = if event.kind == EventKind::PaymentSucceeded { "succeeded" } else { "failed" };
                let status = Cell::Text(status);
                let what = [id, kind, time, first, subject, customer, self.currency, second, amount, status, third];
                push(rows, &what, &[start, source, partition, offset]);
            }
            EventKind::Customer => {
                push(rows, &[id, kind, time, customer, first, second], &[start, source, partition, offset]);
            }
            EventKind::Product => {
                push(rows, &[id, kind, time, subject, first, second, amount], &[start, source, partition, offset]);
            }
        }
    }

    fn append_item(&self, event: &Event, index: i32, item: &Item, rows: &mut Rows) {
        let arena = &self.batch.arena;
        let mut buffers = [[0; 36]; 4];
        let [id, order, product, category] = &mut buffers;
        let quantity = i32::try_from(item.quantity).expect("a quantity is at most 10 000");
        let what = [
            text(&event.event_id(), arena, id),
            Cell::Timestamp(event.time),
            text(&event.subject(), arena, order),
            Cell::Int32(index),
            text(&item.product, arena, product),
            Cell::Int32(quantity),
            Cell::Money(item.unit_price),
            text(&item.category, arena, category),
        ];
        let [source, partition, offset] = self.place;
        push(rows, &what, &[self.window_start, source, partition, offset]);
    }
}

fn push<'a>(rows: &mut Rows, what: &[Cell<'a>], place: &[Cell<'a>; 4]) {
    let mut cells = [Cell::Null; 16];
    cells[..what.len()].copy_from_slice(what);
    cells[what.len()..what.len() + 4].copy_from_slice(place);
    rows.push(&cells[..what.len() + 4]);
}

/// A click's `action`.
fn action(kind: EventKind) -> &'static str {
    match kind {
        EventKind::View => "view",
        EventKind::AddToCart => "add_to_cart",
        EventKind::Checkout => "checkout",
        _ => unreachable!("{kind:?} is no click"),
    }
}

/// A text as a cell; null where absent.
fn text<'a>(text: &Text, arena: &'a [u8], buffer: &'a mut TextBuffer) -> Cell<'a> {
    if text.is_absent() {
        return Cell::Null;
    }
    Cell::Text(std::str::from_utf8(text.bytes(arena, buffer)).expect("texts of events are UTF-8"))
}

#[cfg(test)]
mod tests;
