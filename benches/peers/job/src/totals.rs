//! What is added up in a window.

use crate::id::{Id, Map};
use crate::parse::{Action, Body, Event, Item};

/// The counts and sums of one window, without its distinct counts.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct Totals {
    /// Accepted events.
    pub events: u64,
    /// Sum of the orders' totals in cents.
    pub revenue: i64,
    /// Order events.
    pub orders: u64,
    /// Sum of the items' quantities.
    pub units: u64,
    /// Payments that succeeded.
    pub succeeded: u64,
    /// Payments that failed.
    pub failed: u64,
    /// Sum of the succeeded payments in cents.
    pub paid: i64,
    /// By product.
    pub products: Map<Id, Product>,
    /// By method, whether it succeeded, and reason.
    pub payments: Map<(Id, bool, Option<Id>), Payments>,
}

/// The counts of a product in a window.
#[derive(Clone, Copy, Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct Product {
    /// Clicks with `view`.
    pub views: u64,
    /// Clicks with `add_to_cart`.
    pub add_to_carts: u64,
    /// Orders that hold it.
    pub orders: u64,
    /// Sum of quantities.
    pub units: u64,
    /// Sum of quantity × price in cents.
    pub revenue: i64,
}

/// The counts of a kind of payment in a window.
#[derive(Clone, Copy, Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct Payments {
    /// How many.
    pub count: u64,
    /// Their sum in cents.
    pub amount: i64,
}

impl Totals {
    /// Adds an accepted event and, where it is an order, its items.
    pub fn add(&mut self, event: &Event, items: &[Item]) {
        self.events += 1;
        match &event.body {
            Body::Click { product, action, .. } => {
                if let Some(product) = product {
                    let row = self.products.entry_ref(product).or_default();
                    row.views += u64::from(*action == Action::View);
                    row.add_to_carts += u64::from(*action == Action::AddToCart);
                }
            }
            Body::Order { total, .. } => {
                self.orders += 1;
                self.revenue += total;
                for (place, item) in items.iter().enumerate() {
                    let row = self.products.entry_ref(&item.product).or_default();
                    // An order that holds a product twice is one order of it.
                    row.orders += u64::from(!items[..place].iter().any(|other| other.product == item.product));
                    row.units += u64::from(item.quantity);
                    row.revenue += i64::from(item.quantity) * item.price;
                    self.units += u64::from(item.quantity);
                }
            }
            Body::Payment { method, succeeded, reason, amount, .. } => {
                let row = self.payments.entry((method.clone(), *succeeded, reason.clone())).or_default();
                row.count += 1;
                row.amount += amount;
                if *succeeded {
                    self.succeeded += 1;
                    self.paid += amount;
                } else {
                    self.failed += 1;
                }
            }
            Body::Other => {}
        }
    }

    /// Adds what another worker counted in the same window.
    pub fn merge(&mut self, other: Totals) {
        self.events += other.events;
        self.revenue += other.revenue;
        self.orders += other.orders;
        self.units += other.units;
        self.succeeded += other.succeeded;
        self.failed += other.failed;
        self.paid += other.paid;
        for (product, row) in other.products {
            let mine = self.products.entry(product).or_default();
            mine.views += row.views;
            mine.add_to_carts += row.add_to_carts;
            mine.orders += row.orders;
            mine.units += row.units;
            mine.revenue += row.revenue;
        }
        for (kind, row) in other.payments {
            let mine = self.payments.entry(kind).or_default();
            mine.count += row.count;
            mine.amount += row.amount;
        }
    }
}
