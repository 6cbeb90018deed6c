//! One valid event in 128 bytes: what every stage after the parser works on.

use crate::text::Text;
use crate::units::{Cents, EventTime, Watermark};
use crate::window::WindowId;

/// The number of a source partition within a run: an ordered sequence of records (a file, stdin, a topic-partition).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartitionId(pub u32);

/// What an event says, with `action` and `status` folded in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum EventKind {
    /// A click that views a product.
    View,
    /// A click that puts a product into the cart.
    AddToCart,
    /// A click that goes to checkout.
    Checkout,
    /// An order.
    Order,
    /// A payment that succeeded.
    PaymentSucceeded,
    /// A payment that failed.
    PaymentFailed,
    /// A customer's data.
    Customer,
    /// A product's data.
    Product,
}

impl EventKind {
    /// The `event_type` it came as.
    #[must_use]
    pub const fn event_type(self) -> &'static str {
        match self {
            EventKind::View | EventKind::AddToCart | EventKind::Checkout => "click",
            EventKind::Order => "order",
            EventKind::PaymentSucceeded | EventKind::PaymentFailed => "payment",
            EventKind::Customer => "customer",
            EventKind::Product => "product",
        }
    }

    /// Whether the event counts for `unique_customers`: clicks, orders and payments do.
    #[must_use]
    pub const fn is_activity(self) -> bool {
        !matches!(self, EventKind::Customer | EventKind::Product)
    }
}

/// What the partition's progress has found out about an event before it reaches a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Judgement {
    /// In time: the shard decides between duplicate and accepted.
    InTime,
    /// Late: it changes nothing but the ledger.
    Late,
}

/// One valid event. Two cache lines; texts longer than 16 bytes that are no UUID lie in the batch's arena.
///
/// The slots mean, by kind:
///
/// | kind | `session` | `customer` | `subject` | `amount` | extras |
/// |---|---|---|---|---|---|
/// | clicks | session | customer or absent | product (absent on some checkouts) | – | – |
/// | order | session or absent | customer | order | total | `Batch::items` |
/// | payments | – | customer or absent | order | amount | `Batch::texts`: payment id, method, failure reason or absent |
/// | customer | – | customer | – | – | `Batch::texts`: country, segment, each or absent |
/// | product | – | – | product | price | `Batch::texts`: name, category |
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub struct Event {
    slots: [[u64; 2]; 4],
    /// When it happened.
    pub time: EventTime,
    /// The partition's watermark as of the records before this one. Set by the partition's progress.
    pub watermark: Watermark,
    /// The base window being observed once this record is read. Set by the partition's progress.
    pub observed: WindowId,
    /// Money of the event; see the table above.
    pub amount: Cents,
    /// Offset in the partition: a byte of the uncompressed file, or a Kafka offset.
    pub offset: u64,
    /// Where the line starts in the slab it was parsed from.
    pub line_start: u32,
    /// Length of the line in bytes, without its end.
    pub line_len: u32,
    extras_first: u32,
    forms: [u8; 4],
    /// What the event says.
    pub kind: EventKind,
    /// Set by the partition's progress.
    pub judgement: Judgement,
    extras_count: u8,
}

// Two cache lines, and no more: the record is copied once on its way to a shard.
const _: () = assert!(size_of::<Event>() == 128 && align_of::<Event>() == 64);

impl Event {
    /// An event of `kind` at `time` with nothing else known yet.
    #[must_use]
    pub fn new(kind: EventKind, time: EventTime, event_id: Text) -> Event {
        let mut event = Event {
            slots: [[0; 2]; 4],
            time,
            watermark: Watermark::NONE,
            observed: WindowId(0),
            amount: Cents::ZERO,
            offset: 0,
            line_start: 0,
            line_len: 0,
            extras_first: 0,
            forms: [0; 4],
            kind,
            judgement: Judgement::InTime,
            extras_count: 0,
        };
        event.set(0, event_id);
        event
    }

    #[inline]
    fn slot(&self, slot: usize) -> Text {
        Text::unpack(self.slots[slot], self.forms[slot])
    }

    #[inline]
    fn set(&mut self, slot: usize, text: Text) {
        (self.slots[slot], self.forms[slot]) = text.pack();
    }

    /// `event_id`.
    #[must_use]
    #[inline]
    pub fn event_id(&self) -> Text {
        self.slot(0)
    }

    /// `session_id`, or absent.
    #[must_use]
    #[inline]
    pub fn session(&self) -> Text {
        self.slot(1)
    }

    /// `customer_id`, or absent.
    #[must_use]
    #[inline]
    pub fn customer(&self) -> Text {
        self.slot(2)
    }

    /// `product_id` of a click or product, `order_id` of an order or payment; absent on a customer.
    #[must_use]
    #[inline]
    pub fn subject(&self) -> Text {
        self.slot(3)
    }

    /// Sets `session_id`.
    pub fn set_session(&mut self, text: Text) {
        self.set(1, text);
    }

    /// Sets `customer_id`.
    pub fn set_customer(&mut self, text: Text) {
        self.set(2, text);
    }

    /// Sets the product or order; see [`Event::subject`].
    pub fn set_subject(&mut self, text: Text) {
        self.set(3, text);
    }

    /// Points the event at its items or texts in the batch.
    ///
    /// # Panics
    /// Where there are more than 255 of them, or they start beyond 2^32.
    pub fn set_extras(&mut self, first: usize, count: usize) {
        self.extras_first = u32::try_from(first).expect("a batch holds less than 2^32 extras");
        self.extras_count = u8::try_from(count).expect("an event has at most 100 extras");
    }

    /// Where its items (an order's) or texts (of other kinds) lie in the batch.
    #[must_use]
    #[inline]
    pub fn extras(&self) -> std::ops::Range<usize> {
        let first = self.extras_first as usize;
        first..first + usize::from(self.extras_count)
    }

    /// The same event with every long text moved from `from` to `to` (and its extras not yet).
    #[must_use]
    #[inline]
    pub(crate) fn moved(&self, from: &[u8], to: &mut Vec<u8>) -> Event {
        let mut event = *self;
        for slot in 0..4 {
            let text = self.slot(slot);
            if text.is_in_arena() {
                event.set(slot, text.moved(from, to));
            }
        }
        event
    }
}

/// One item of an order. 64 bytes.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Item {
    /// `product_id`.
    pub product: Text,
    /// `category`, or absent.
    pub category: Text,
    /// Price of one unit.
    pub unit_price: Cents,
    /// Units, 1–10 000.
    pub quantity: u32,
}

const _: () = assert!(size_of::<Item>() == 64);
