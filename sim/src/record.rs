//! A record as plain data, before anybody has decided whether it becomes an event of a batch or a line of text.

use engine_model::EventTime;

use crate::customer::{Customer, Segment};
use crate::payment::Method;

/// The most different products in a cart.
pub(crate) const CART_MAX: usize = 4;

/// One record of a lane.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Record {
    /// When it happened.
    pub(crate) time: EventTime,
    /// Its number in the lane, from which its id is made; a copy keeps it.
    pub(crate) number: u64,
    /// What it says.
    pub(crate) body: Body,
}

/// What a record says.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Body {
    /// A click.
    Click {
        /// Number of the session.
        session: u64,
        /// Who, where known.
        customer: Customer,
        /// Number of the product; it is not shown on a checkout.
        product: u32,
        /// What was clicked.
        action: Action,
        /// On what.
        device: Device,
    },
    /// An order.
    Order(Order),
    /// An attempt to pay an order.
    Payment {
        /// Number of the order, which is that of its session.
        order: u64,
        /// Which attempt, from 0.
        attempt: u8,
        /// Who pays.
        customer: Customer,
        /// Cents.
        amount: u32,
        /// How.
        method: Method,
        /// How it went.
        status: Status,
    },
    /// A customer's data.
    Customer {
        /// Who.
        customer: Customer,
        /// How close to the shop.
        segment: Segment,
    },
    /// A product's data.
    Product {
        /// Number of the product.
        product: u32,
        /// Number of its category.
        category: u8,
        /// Cents.
        price: u32,
    },
}

/// What was clicked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    View,
    AddToCart,
    Checkout,
}

/// What the visitor holds in hands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Device {
    #[default]
    Desktop,
    Mobile,
}

/// How an attempt to pay went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Succeeded,
    Failed {
        /// Why, where it is said.
        reason: Option<&'static str>,
    },
}

/// An order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Order {
    /// Number of the order, which is that of its session.
    pub(crate) number: u64,
    /// Who orders.
    pub(crate) customer: Customer,
    /// Whether a visitor ordered: a standing order has no session.
    pub(crate) has_session: bool,
    /// Whether the items name their category: the mobile app leaves it out.
    pub(crate) has_categories: bool,
    /// Cents, all items together.
    pub(crate) total: u32,
    /// How many of the items there are.
    pub(crate) item_count: u8,
    /// The items.
    pub(crate) items: [OrderItem; CART_MAX],
}

/// One item of an order.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct OrderItem {
    /// Number of the product.
    pub(crate) product: u32,
    /// Cents for one.
    pub(crate) price: u32,
    /// Units.
    pub(crate) quantity: u8,
    /// Number of the category.
    pub(crate) category: u8,
}

impl Order {
    /// The items there are.
    pub(crate) fn items(&self) -> &[OrderItem] {
        &self.items[..usize::from(self.item_count)]
    }
}
