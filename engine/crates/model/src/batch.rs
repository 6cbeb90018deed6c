//! The batch: a run of consecutive records of one source partition, the unit of work between stages.
//!
//! A batch owns everything its events point at, so it can be sent to another thread, emptied and used again:
//! once its vectors have grown to the size of the traffic, filling it allocates nothing.

use crate::event::{Event, Item, PartitionId};
use crate::outcome::Rejection;
use crate::text::{Text, TextArena};
use crate::units::EventTime;

/// The most bytes a line may have, without its end.
pub const LINE_BYTES_MAX: usize = 65_536;

/// Where a batch stands in its partition. Frozen early: sources, shards, Bronze and recovery all rely on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchHeader {
    /// The partition all records of the batch come from.
    pub partition: PartitionId,
    /// Offset of the first byte (or Kafka record) the batch was parsed from.
    pub first_offset: u64,
    /// `max_p` before the batch's first record; [`EventTime::MIN`] before the partition's first valid one.
    pub max_before: EventTime,
}

impl Default for BatchHeader {
    fn default() -> BatchHeader {
        BatchHeader { partition: PartitionId(0), first_offset: 0, max_before: EventTime::MIN }
    }
}

/// A line of the slab a batch was parsed from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// First byte within the slab.
    pub start: u32,
    /// Bytes present in the slab, without the line's end; at most 65 536.
    pub len: u32,
}

/// A line that is no valid event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RejectedLine {
    /// Why.
    pub rejection: Rejection,
    /// Its bytes in the slab; of a line that is too large the first 65 536.
    pub line: Line,
    /// Its full length in bytes, without the line's end.
    pub length: u64,
    /// Its offset in the partition.
    pub offset: u64,
    /// How many of the batch's events came before it.
    pub events_before: u32,
}

/// Consecutive records of one source partition, in order: events, and rejected lines between them.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// Where the batch stands in its partition.
    pub header: BatchHeader,
    /// The valid events, in the partition's order.
    pub events: Vec<Event>,
    /// The rejected lines, in the partition's order; `events_before` says between which events.
    pub rejected: Vec<RejectedLine>,
    /// Items of the orders.
    pub items: Vec<Item>,
    /// Further texts of payments, customers and products; see [`Event`].
    pub texts: Vec<Text>,
    /// Bytes of the texts that do not fit in place.
    pub arena: TextArena,
}

impl Batch {
    /// Empties the batch for use at `header`; keeps its memory.
    pub fn reset(&mut self, header: BatchHeader) {
        self.header = header;
        self.events.clear();
        self.rejected.clear();
        self.items.clear();
        self.texts.clear();
        self.arena.clear();
    }

    /// Number of records: valid events and rejected lines.
    #[must_use]
    pub fn record_count(&self) -> usize {
        self.events.len() + self.rejected.len()
    }

    /// The items of an order of this batch.
    #[must_use]
    pub fn items_of(&self, event: &Event) -> &[Item] {
        debug_assert!(matches!(event.kind, crate::EventKind::Order));
        &self.items[event.extras()]
    }

    /// The further texts of a payment, customer or product of this batch.
    #[must_use]
    pub fn texts_of(&self, event: &Event) -> &[Text] {
        debug_assert!(!matches!(event.kind, crate::EventKind::Order));
        &self.texts[event.extras()]
    }

    /// Appends a copy of an event of `other` with all it points at: one step of routing.
    ///
    /// Copies 128 bytes, 64 more for each item, 24 for each text, and the long texts.
    pub fn push_from(&mut self, other: &Batch, event: &Event) {
        let mut copy = event.moved(&other.arena, &mut self.arena);
        if event.kind == crate::EventKind::Order {
            copy.set_extras(self.items.len(), event.extras().len());
            for item in other.items_of(event) {
                let product = item.product.moved(&other.arena, &mut self.arena);
                let category = item.category.moved(&other.arena, &mut self.arena);
                self.items.push(Item { product, category, ..*item });
            }
        } else {
            copy.set_extras(self.texts.len(), event.extras().len());
            for text in other.texts_of(event) {
                let text = text.moved(&other.arena, &mut self.arena);
                self.texts.push(text);
            }
        }
        self.events.push(copy);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Cents, EventKind};

    #[test]
    fn a_routed_order_keeps_its_items_and_long_texts() {
        let mut from = Batch::default();
        let long = |n: u8| vec![n; 40];
        let id = Text::new(&long(b'i'), &mut from.arena);
        let mut order = Event::new(EventKind::Order, EventTime::EPOCH, id);
        order.set_customer(Text::new(&long(b'c'), &mut from.arena));
        for n in 0..3 {
            let product = Text::new(&long(b'0' + n), &mut from.arena);
            let category = Text::ABSENT;
            from.items.push(Item { product, category, unit_price: Cents::new(5), quantity: u32::from(n) });
        }
        order.set_extras(1, 2);
        from.events.push(order);

        let mut to = Batch { arena: b"already here".to_vec(), ..Batch::default() };
        to.push_from(&from, &order);
        let copy = to.events[0];
        assert!(copy.event_id().equals(&to.arena, &order.event_id(), &from.arena));
        assert!(copy.customer().equals(&to.arena, &order.customer(), &from.arena));
        let items = to.items_of(&copy);
        assert_eq!(items.len(), 2);
        assert_eq!(items[1].product.bytes(&to.arena, &mut [0; 36]), long(b'2'));
        assert!(items[1].category.is_absent());
        assert_eq!(items[0].quantity, 1);
    }
}
