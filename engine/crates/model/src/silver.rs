//! The tables before Gold as plain data: Bronze, every line as it came, and Silver, the accepted events by their type.
//!
//! Like [`gold`](crate::gold), this is the one place that knows which columns there are. The schemas are the same in every
//! run; no table has a grain.

use crate::event::EventKind;
use crate::gold::ColumnType::{Bytes, Int32, Money, Text, Timestamp};
use crate::gold::{Column, Grains, OFFSET, PARTITION, SOURCE, TableSchema, column, nullable};

const EVENT_ID: Column =
    column("event_id", Text, "the event's identifier; no two accepted events of a window share one");
const EVENT_TYPE: Column = column("event_type", Text, "as it came: click, order, payment, customer or product");
const EVENT_TIME: Column = column("event_time", Timestamp, "when it happened");
const ORDER_ID: Column = column("order_id", Text, "the order");
const CUSTOMER_ID: Column = column("customer_id", Text, "the customer");
const CURRENCY: Column = column("currency", Text, "the pipeline's currency");
const WINDOW_START: Column = column("window_start", Timestamp, "first instant of the base window it counts in");

/// `bronze/events`.
pub static EVENTS: TableSchema = TableSchema {
    name: "events",
    row: "record: a line, whatever became of it; blank lines are none",
    grains: Grains::None,
    own: &[
        column("raw", Bytes, "the line as it came, without its end; of a too_large one the first 65 536 bytes"),
        SOURCE,
        PARTITION,
        OFFSET,
        column("received_at", Timestamp, "when the engine read it: one instant for all lines read at once"),
    ],
};

/// `silver/clicks`.
pub static CLICKS: TableSchema = TableSchema {
    name: "clicks",
    row: "accepted click",
    grains: Grains::None,
    own: &[
        EVENT_ID,
        EVENT_TYPE,
        EVENT_TIME,
        column("session_id", Text, "the session"),
        nullable("customer_id", Text, "the customer, where given"),
        column("action", Text, "view, add_to_cart or checkout"),
        nullable("product_id", Text, "the product; null on a checkout that names none"),
        WINDOW_START,
        SOURCE,
        PARTITION,
        OFFSET,
    ],
};

/// `silver/orders`.
pub static ORDERS: TableSchema = TableSchema {
    name: "orders",
    row: "accepted order event",
    grains: Grains::None,
    own: &[
        EVENT_ID,
        EVENT_TYPE,
        EVENT_TIME,
        nullable("session_id", Text, "the session, where given"),
        CUSTOMER_ID,
        ORDER_ID,
        CURRENCY,
        column("total", Money, "the order's total"),
        WINDOW_START,
        SOURCE,
        PARTITION,
        OFFSET,
    ],
};

/// `silver/order_items`.
pub static ORDER_ITEMS: TableSchema = TableSchema {
    name: "order_items",
    row: "item of an accepted order event",
    grains: Grains::None,
    own: &[
        column("event_id", Text, "the order's event_id"),
        column("event_time", Timestamp, "the order's event_time"),
        ORDER_ID,
        column("item_index", Int32, "place in the order, from 0"),
        column("product_id", Text, "the product"),
        column("quantity", Int32, "units"),
        column("unit_price", Money, "price of one unit"),
        nullable("category", Text, "the category, where the item gives one"),
        WINDOW_START,
        SOURCE,
        PARTITION,
        OFFSET,
    ],
};

/// `silver/payments`.
pub static PAYMENTS: TableSchema = TableSchema {
    name: "payments",
    row: "accepted payment",
    grains: Grains::None,
    own: &[
        EVENT_ID,
        EVENT_TYPE,
        EVENT_TIME,
        column("payment_id", Text, "the payment"),
        ORDER_ID,
        nullable("customer_id", Text, "the customer, where given"),
        CURRENCY,
        column("method", Text, "the payment method"),
        column("amount", Money, "the amount"),
        column("status", Text, "succeeded or failed"),
        nullable("failure_reason", Text, "the reason given; null where none was"),
        WINDOW_START,
        SOURCE,
        PARTITION,
        OFFSET,
    ],
};

/// `silver/customers`.
pub static CUSTOMERS: TableSchema = TableSchema {
    name: "customers",
    row: "accepted customer event",
    grains: Grains::None,
    own: &[
        EVENT_ID,
        EVENT_TYPE,
        EVENT_TIME,
        CUSTOMER_ID,
        nullable("country", Text, "country, where given"),
        nullable("segment", Text, "segment, where given"),
        WINDOW_START,
        SOURCE,
        PARTITION,
        OFFSET,
    ],
};

/// `silver/products`.
pub static PRODUCTS: TableSchema = TableSchema {
    name: "products",
    row: "accepted product event",
    grains: Grains::None,
    own: &[
        EVENT_ID,
        EVENT_TYPE,
        EVENT_TIME,
        column("product_id", Text, "the product"),
        column("name", Text, "its name"),
        column("category", Text, "its category"),
        column("price", Money, "its price"),
        WINDOW_START,
        SOURCE,
        PARTITION,
        OFFSET,
    ],
};

/// The Bronze tables.
pub static BRONZE: [&TableSchema; 1] = [&EVENTS];

/// The Silver tables.
pub static SILVER: [&TableSchema; 6] = [&CLICKS, &ORDERS, &ORDER_ITEMS, &PAYMENTS, &CUSTOMERS, &PRODUCTS];

/// The Silver table that an accepted event of a kind is a row of; an order's items are rows of [`ORDER_ITEMS`] besides.
#[must_use]
pub fn table_of(kind: EventKind) -> &'static TableSchema {
    match kind {
        EventKind::View | EventKind::AddToCart | EventKind::Checkout => &CLICKS,
        EventKind::Order => &ORDERS,
        EventKind::PaymentSucceeded | EventKind::PaymentFailed => &PAYMENTS,
        EventKind::Customer => &CUSTOMERS,
        EventKind::Product => &PRODUCTS,
    }
}
