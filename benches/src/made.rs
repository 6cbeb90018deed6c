//! Events made to vary one thing at a time. Every identifier is a new one; the rest is as constant as it is asked to be.

use engine_model::{Batch, Event, EventKind, EventTime, Judgement, Semantics, Text, Watermark, fold};

/// Of how many each is drawn; 0 leaves it out where it may be left out.
#[derive(Clone, Copy, Debug)]
pub struct Vary {
    /// Bytes of an identifier; 36 makes it a UUID, which is packed.
    pub id_bytes: usize,
    /// Sessions; at least one.
    pub sessions: u64,
    /// Customers.
    pub customers: u64,
    /// Products; without them events are checkouts without a product, the least work that a window can have.
    pub products: u64,
}

impl Vary {
    /// Bytes of a UUID.
    pub const UUID_BYTES: usize = 36;

    /// One session, no customer, no product.
    pub const NOTHING: Vary = Vary { id_bytes: Vary::UUID_BYTES, sessions: 1, customers: 0, products: 0 };
}

/// A number that looks drawn, the same at every run.
#[must_use]
pub fn draw(seed: u64, n: u64) -> u64 {
    fold(n ^ 0x9E37_79B9_7F4A_7C15, fold(seed ^ 0xA076_1D64_78BD_642F, n | 1))
}

fn text(batch: &mut Batch, prefix: char, number: u64) -> Text {
    Text::new(format!("{prefix}-{number:011}").as_bytes(), &mut batch.arena)
}

fn push(batch: &mut Batch, time: EventTime, n: u64, vary: Vary) {
    let [high, low] = [draw(1, n), draw(2, n)];
    let id = if vary.id_bytes == Vary::UUID_BYTES {
        let id = u128::from(high) << 64 | u128::from(low);
        Text::from_uuid(id.to_be_bytes())
    } else {
        let id = format!("{low:016x}{high:016x}{:1$}", "", vary.id_bytes).replace(' ', "x");
        Text::new(&id.as_bytes()[..vary.id_bytes], &mut batch.arena)
    };
    let kind = if vary.products == 0 { EventKind::Checkout } else { EventKind::View };
    let mut event = Event::new(kind, time, id);
    let session = draw(3, n) % vary.sessions;
    event.set_session(text(batch, 's', session));
    if vary.customers > 0 {
        // A session is one customer's.
        event.set_customer(text(batch, 'c', session % vary.customers));
    }
    if vary.products > 0 {
        event.set_subject(text(batch, 'p', draw(4, n) % vary.products));
    }
    event.observed = Semantics::default().base().containing(time);
    event.watermark = Watermark::NONE;
    event.judgement = Judgement::InTime;
    batch.events.push(event);
}

/// `count` events of the base window that starts with 1970, in batches of `batch_records`.
///
/// # Panics
/// Where the number of a record does not fit.
#[must_use]
pub fn views(count: usize, batch_records: usize, vary: Vary) -> Vec<Batch> {
    views_of_window(0, count, batch_records, vary)
}

/// The same in the base window number `window` since 1970, with identifiers of that window's own.
///
/// # Panics
/// Where the number of a record does not fit.
#[must_use]
pub fn views_of_window(window: i64, count: usize, batch_records: usize, vary: Vary) -> Vec<Batch> {
    let base = Semantics::default().base();
    let time = base.start(engine_model::WindowId(window));
    let first = window.cast_unsigned() << 32;
    let numbers: Vec<u64> = (first..).take(count).collect();
    let batches = numbers.chunks(batch_records).map(|numbers| {
        let mut batch = Batch::default();
        for &n in numbers {
            push(&mut batch, time, n, vary);
        }
        batch
    });
    batches.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path;
    use engine_window::Shard;

    #[test]
    fn events_are_as_many_and_as_varied_as_asked() {
        let semantics = Semantics::default();
        let mut shard = Shard::new(&semantics);
        for (window, id_bytes) in [(0, Vary::UUID_BYTES), (1, 40)] {
            let vary = Vary { id_bytes, sessions: 50, customers: 20, products: 10 };
            let batches = views_of_window(window, 5_000, 512, vary);
            assert_eq!(batches.len(), 10);
            assert!(batches[9].events.iter().all(|event| event.event_id().len() == id_bytes));
            for batch in &batches {
                path::ingest(&mut shard, batch);
            }
            let mut partial = shard.snapshot(engine_model::WindowId(window)).unwrap();
            let (customers, products) = (partial.customer_count() as u64, partial.product_count() as u64);
            let counts = [partial.session_count(), customers, products];
            assert_eq!((partial.sums().events, counts), (5_000, [50, 20, 10]));
        }
        assert_eq!(shard.remembered().0, 10_000);
    }
}
