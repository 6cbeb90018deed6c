//! What a set of accepted events adds up to: the figures of a window or a rollup, once every item has its category.

use engine_model::gold::STAGES;
use engine_model::{Cell, Cents, Rows, Text};

use crate::quality::count;
use crate::sessions::{SessionCounts, Sessions};
use crate::text_map::{TextMap, TextTable};

/// A sum of money that knows whether it has stopped at the end of its column.
///
/// Kept as cents up to one above [`Cents::MAX`]; that one stands for everything greater. So adding is associative and
/// commutative, and a sum that just reaches the end is told from one that was stopped there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MoneySum(i64);

impl MoneySum {
    const STOPPED: i64 = Cents::MAX.get() + 1;

    /// Adds an amount.
    pub fn add(&mut self, cents: Cents) {
        // Both are at most 10^18, so the plain sum fits an i64.
        self.0 = (self.0 + cents.get()).min(MoneySum::STOPPED);
    }

    /// Adds another sum.
    pub fn merge(&mut self, other: MoneySum) {
        self.0 = (self.0 + other.0).min(MoneySum::STOPPED);
    }

    /// The sum, [`Cents::MAX`] where it has stopped.
    #[must_use]
    pub fn get(self) -> Cents {
        Cents::new(self.0.min(Cents::MAX.get()))
    }

    /// The number kept, to be written down.
    pub(crate) fn raw(self) -> i64 {
        self.0
    }

    /// The sum that keeps this number; `None` where none does.
    pub(crate) fn from_raw(raw: i64) -> Option<MoneySum> {
        (0..=MoneySum::STOPPED).contains(&raw).then_some(MoneySum(raw))
    }

    /// Whether the true sum is greater than [`Cents::MAX`].
    #[must_use]
    pub fn is_stopped(self) -> bool {
        self.0 == MoneySum::STOPPED
    }
}

/// The additive figures of a window. Small and plain: a live page may ask for them twice a second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// Accepted events.
    pub events: u64,
    /// Orders' totals.
    pub revenue: MoneySum,
    /// Order events.
    pub orders: u64,
    /// Units of all order items.
    pub units: u64,
    /// Payments that succeeded.
    pub payments_succeeded: u64,
    /// Payments that failed.
    pub payments_failed: u64,
    /// Amounts of the succeeded payments.
    pub paid_revenue: MoneySum,
}

impl Sums {
    /// Adds `other`.
    pub fn merge(&mut self, other: &Sums) {
        self.events += other.events;
        self.revenue.merge(other.revenue);
        self.orders += other.orders;
        self.units += other.units;
        self.payments_succeeded += other.payments_succeeded;
        self.payments_failed += other.payments_failed;
        self.paid_revenue.merge(other.paid_revenue);
    }
}

/// The figures of one product.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ProductSums {
    pub(crate) views: u64,
    pub(crate) add_to_carts: u64,
    pub(crate) sold: Sold,
}

/// What was sold of a product or a category.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sold {
    pub(crate) orders: u64,
    pub(crate) units: u64,
    pub(crate) revenue: MoneySum,
}

impl Sold {
    pub(crate) fn merge(&mut self, other: &Sold) {
        self.orders += other.orders;
        self.units += other.units;
        self.revenue.merge(other.revenue);
    }

    /// Adds an item's units and revenue; its order is counted apart, once for all items of one key.
    pub(crate) fn add_item(&mut self, quantity: u32, revenue: Cents) {
        self.units += u64::from(quantity);
        self.revenue.add(revenue);
    }
}

/// The figures of one method, status and failure reason.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PaymentSums {
    pub(crate) payments: u64,
    pub(crate) amount: MoneySum,
}

/// What a set of accepted events adds up to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Totals {
    pub(crate) sums: Sums,
    /// Distinct sessions, each with the stages it was seen in.
    pub(crate) sessions: Sessions,
    /// Distinct customers of clicks, orders and payments.
    pub(crate) customers: TextMap<()>,
    pub(crate) products: TextTable<ProductSums>,
    pub(crate) categories: TextTable<Sold>,
    /// By [`payment_key`].
    pub(crate) payments: TextTable<PaymentSums>,
}

impl Totals {
    /// Those of a rollup, which has the most customers and is filled off the event path.
    pub(crate) fn of_a_rollup() -> Totals {
        Totals { customers: TextMap::compact(), ..Totals::default() }
    }

    /// Adds what `other`, a disjoint set of events, adds up to. Commutative and associative.
    pub(crate) fn merge(&mut self, other: &Totals) {
        self.merge_all_but_customers(other);
        self.customers.absorb(&other.customers, |_| {});
    }

    /// The same, for who has to see which customers are new.
    pub(crate) fn merge_all_but_customers(&mut self, other: &Totals) {
        self.sums.merge(&other.sums);
        self.sessions.append(&other.sessions);
        for (product, index) in other.products.keys() {
            let more = &other.products.records[index];
            let sums = self.products.entry(&product, other.products.arena());
            sums.views += more.views;
            sums.add_to_carts += more.add_to_carts;
            sums.sold.merge(&more.sold);
        }
        for (category, index) in other.categories.keys() {
            self.categories.entry(&category, other.categories.arena()).merge(&other.categories.records[index]);
        }
        for (key, index) in other.payments.keys() {
            let more = &other.payments.records[index];
            let sums = self.payments.entry(&key, other.payments.arena());
            sums.payments += more.payments;
            sums.amount.merge(more.amount);
        }
    }

    /// Whether any sum of money has stopped at the end of its column.
    pub(crate) fn is_saturated(&self) -> bool {
        self.sums.revenue.is_stopped()
            || self.sums.paid_revenue.is_stopped()
            || self.products.records.iter().any(|sums| sums.sold.revenue.is_stopped())
            || self.categories.records.iter().any(|sums| sums.revenue.is_stopped())
            || self.payments.records.iter().any(|sums| sums.amount.is_stopped())
    }

    pub(crate) fn append_kpis_and_funnel(&mut self, leading: [Cell<'_>; 4], kpis: &mut Rows, funnel: &mut Rows) {
        let sums = &self.sums;
        let SessionCounts { sessions, by_stage } = self.sessions.count();
        let [views, _, _, orders] = by_stage;
        let [start, end, date, minute] = leading;
        kpis.push(&[
            start,
            end,
            date,
            minute,
            count(sums.events),
            Cell::Money(sums.revenue.get()),
            count(sums.orders),
            sums.revenue.get().divided_by(sums.orders).map_or(Cell::Null, Cell::Money),
            count(sums.units),
            count(self.customers.len() as u64),
            count(sessions),
            count(sums.payments_succeeded),
            count(sums.payments_failed),
            Cell::Money(sums.paid_revenue.get()),
            rate(sums.payments_succeeded, sums.payments_succeeded + sums.payments_failed),
            rate(orders, views),
        ]);
        for (step, (stage, sessions)) in (1..).zip(STAGES.into_iter().zip(by_stage)) {
            funnel.push(&[start, end, date, minute, Cell::Text(stage), Cell::Int32(step), count(sessions)]);
        }
    }

    pub(crate) fn append_products(&self, leading: [Cell<'_>; 4], rows: &mut Rows) {
        let [start, end, date, minute] = leading;
        let arena = self.products.arena();
        for (rank, key, sums) in ranked(&self.products, |sums| sums.sold) {
            rows.push(&[
                start,
                end,
                date,
                minute,
                Cell::Text(as_str(key.bytes(arena, &mut [0; 36]))),
                count(sums.views),
                count(sums.add_to_carts),
                count(sums.sold.orders),
                count(sums.sold.units),
                Cell::Money(sums.sold.revenue.get()),
                Cell::Int32(rank),
            ]);
        }
    }

    pub(crate) fn append_categories(&self, leading: [Cell<'_>; 4], rows: &mut Rows) {
        let [start, end, date, minute] = leading;
        let arena = self.categories.arena();
        for (rank, key, sold) in ranked(&self.categories, |sold| *sold) {
            rows.push(&[
                start,
                end,
                date,
                minute,
                Cell::Text(as_str(key.bytes(arena, &mut [0; 36]))),
                count(sold.orders),
                count(sold.units),
                Cell::Money(sold.revenue.get()),
                Cell::Int32(rank),
            ]);
        }
    }

    pub(crate) fn append_payments(&self, leading: [Cell<'_>; 4], rows: &mut Rows) {
        let [start, end, date, minute] = leading;
        let arena = self.payments.arena();
        for (key, index) in sorted(self.payments.keys(), arena) {
            let sums = &self.payments.records[index];
            let buffer = &mut [0; 36];
            let (method, status, failure_reason) = split_payment_key(key.bytes(arena, buffer));
            rows.push(&[
                start,
                end,
                date,
                minute,
                Cell::Text(method),
                Cell::Text(status),
                failure_reason.map_or(Cell::Null, Cell::Text),
                count(sums.payments),
                Cell::Money(sums.amount.get()),
            ]);
        }
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.sessions.memory_bytes()
            + self.customers.memory_bytes()
            + self.products.memory_bytes()
            + self.categories.memory_bytes()
            + self.payments.memory_bytes()
    }
}

/// A share, null where there is nothing to share.
#[expect(clippy::cast_precision_loss, reason = "counts beyond 2^53 do not occur; a rate is a DOUBLE by contract")]
fn rate(part: u64, whole: u64) -> Cell<'static> {
    if whole == 0 { Cell::Null } else { Cell::Double(part as f64 / whole as f64) }
}

/// Keys, which live in `arena`, in the order of their bytes, each with what belongs to it.
pub(crate) fn sorted<T>(keys: impl Iterator<Item = (Text, T)>, arena: &[u8]) -> Vec<(Text, T)> {
    // Nearly all are told apart by their first sixteen bytes, which are compared as one number.
    let mut keys: Vec<(u128, Text, T)> = keys
        .map(|(key, value)| {
            let mut first = [0; 16];
            let mut buffer = [0; 36];
            let bytes = key.bytes(arena, &mut buffer);
            let len = bytes.len().min(16);
            first[..len].copy_from_slice(&bytes[..len]);
            (u128::from_be_bytes(first), key, value)
        })
        .collect();
    keys.sort_unstable_by(|(a, key, _), (b, other, _)| a.cmp(b).then_with(|| key.compare(arena, other, arena)));
    keys.into_iter().map(|(_, key, value)| (key, value)).collect()
}

/// All keys from rank 1: revenue descending, then units descending, then the key's bytes.
fn ranked<T>(table: &TextTable<T>, sold: impl Fn(&T) -> Sold) -> impl Iterator<Item = (i32, Text, &T)>
where
    T: Default,
{
    let mut keys = sorted(table.keys(), table.arena());
    // Stable, so that equal ones stay in the order of their bytes.
    keys.sort_by_key(|(_, index)| {
        let sold = sold(&table.records[*index]);
        (std::cmp::Reverse(sold.revenue.get()), std::cmp::Reverse(sold.units))
    });
    (1..).zip(keys).map(|(rank, (key, index))| (rank, key, &table.records[index]))
}

pub(crate) fn as_str(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("texts of events are UTF-8")
}

/// Method, status and failure reason as one key: `method` length, `method`, status, then the reason if there is one.
pub(crate) fn payment_key(method: &[u8], succeeded: bool, failure_reason: Option<&[u8]>, out: &mut Vec<u8>) {
    out.clear();
    out.push(u8::try_from(method.len()).expect("a method has at most 32 bytes"));
    out.extend_from_slice(method);
    out.push(u8::from(succeeded) << 1 | u8::from(failure_reason.is_some()));
    out.extend_from_slice(failure_reason.unwrap_or_default());
}

fn split_payment_key(key: &[u8]) -> (&str, &'static str, Option<&str>) {
    let (method, rest) = key[1..].split_at(usize::from(key[0]));
    let status = if rest[0] & 2 == 2 { "succeeded" } else { "failed" };
    (as_str(method), status, (rest[0] & 1 == 1).then(|| as_str(&rest[1..])))
}
