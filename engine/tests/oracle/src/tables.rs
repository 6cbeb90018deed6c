//! §3 of the contract: the rows of every Gold table, each computed anew from the list of accepted events.

use std::collections::{BTreeMap, BTreeSet};

use engine_model::gold::{STAGES, tables};
use engine_model::{Outcome, Semantics};

use crate::compare::{Value, sort};
use crate::judge::{Accepted, Observed, reason};
use crate::parse::{Body, Event, Item};
use crate::time::{Cut, DAY};

/// The end of a `DECIMAL(18,2)` column, in cents.
const SUM_MAX: i128 = 999_999_999_999_999_999;

type Row = Vec<Value>;

struct Context<'a> {
    accepted: &'a [Accepted],
    observed: &'a [Observed],
    base: Cut,
    saturated: bool,
}

/// All tables by name, and whether a sum reached the end of its column.
pub(crate) fn all(
    semantics: &Semantics,
    accepted: &[Accepted],
    observed: &[Observed],
) -> (BTreeMap<String, Vec<Row>>, bool) {
    let mut context = Context { accepted, observed, base: Cut::new(semantics.base()), saturated: false };
    let mut answer = BTreeMap::new();
    for table in tables(semantics) {
        let cut = table.grain.map_or(context.base, |place| Cut::new(semantics.grains()[place]));
        let mut rows = match table.schema.name {
            "kpis" => context.per_window(cut, Context::kpis),
            "products" => context.per_window(cut, Context::products),
            "categories" => context.per_window(cut, Context::categories),
            "funnel" => context.per_window(cut, |_, events| funnel(events)),
            "payments" => context.per_window(cut, Context::payments),
            "quality" => context.quality(),
            "rejections" => context.rejections(),
            "customer_activity" => context.customer_activity(),
            "dim_product" => context.dim_product(),
            "dim_customer" => context.dim_customer(),
            name => unreachable!("no rule for table {name}"),
        };
        let width = table.schema.columns().count();
        assert!(rows.iter().all(|row| row.len() == width), "columns of {}", table.name);
        sort(&mut rows);
        answer.insert(table.name, rows);
    }
    (answer, context.saturated)
}

fn leading(cut: Cut, window: i64) -> Row {
    vec![
        Value::Timestamp(cut.start(window)),
        Value::Timestamp(cut.end(window)),
        Value::Int(cut.date_key(window)),
        Value::Int(cut.minute_of_day(window)),
    ]
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn optional(text: Option<&String>) -> Value {
    text.map_or(Value::Null, |text| Value::Text(text.clone()))
}

fn int(count: usize) -> Value {
    Value::Int(i64::try_from(count).expect("a count of records"))
}

#[expect(clippy::cast_precision_loss, reason = "counts of records in a test")]
fn rate(part: usize, whole: usize) -> Value {
    if whole == 0 { Value::Null } else { Value::Double(part as f64 / whole as f64) }
}

#[expect(clippy::cast_precision_loss, reason = "delays are below 2^53 microseconds, 285 years, or rounded anyway")]
fn millis(micros: i64) -> Value {
    Value::Double(micros as f64 / 1_000.0)
}

/// The session of a click or an order.
fn session(event: &Event) -> Option<&str> {
    match &event.body {
        Body::Click { session, .. } => Some(session),
        Body::Order { session, .. } => session.as_deref(),
        Body::Payment { .. } | Body::Customer { .. } | Body::Product { .. } => None,
    }
}

/// The customer of a click, order or payment.
fn active_customer(event: &Event) -> Option<&str> {
    match &event.body {
        Body::Click { customer, .. } | Body::Payment { customer, .. } => customer.as_deref(),
        Body::Order { customer, .. } => Some(customer),
        Body::Customer { .. } | Body::Product { .. } => None,
    }
}

/// Which of the funnel's stages an event is.
fn stage(event: &Event) -> Option<&str> {
    match &event.body {
        Body::Click { action, .. } => Some(action),
        Body::Order { .. } => Some("order"),
        Body::Payment { .. } | Body::Customer { .. } | Body::Product { .. } => None,
    }
}

fn items(event: &Event) -> &[Item] {
    if let Body::Order { items, .. } = &event.body { items } else { &[] }
}

fn sessions_at<'a>(events: &[&'a Accepted], wanted: &str) -> BTreeSet<&'a str> {
    let at_stage = events.iter().filter(|accepted| stage(&accepted.event) == Some(wanted));
    at_stage.filter_map(|accepted| session(&accepted.event)).collect()
}

fn funnel(events: &[&Accepted]) -> Vec<Row> {
    let row = |(place, stage): (usize, &&str)| vec![text(stage), int(place + 1), int(sessions_at(events, stage).len())];
    STAGES.iter().enumerate().map(row).collect()
}

/// Order events, units and exact revenue of a product or a category.
#[derive(Clone, Copy, Default)]
struct Sales {
    orders: usize,
    units: i64,
    cents: i128,
}

/// Sums up the order items by the key that `key` finds for them.
fn sales(events: &[&Accepted], key: impl Fn(&Accepted, &Item) -> String) -> BTreeMap<String, Sales> {
    let mut sales: BTreeMap<String, Sales> = BTreeMap::new();
    for accepted in events {
        let mut in_this_order = BTreeSet::new();
        for item in items(&accepted.event) {
            let key = key(accepted, item);
            let entry = sales.entry(key.clone()).or_default();
            entry.units += item.quantity;
            entry.cents += i128::from(item.quantity) * i128::from(item.unit_price);
            in_this_order.insert(key);
        }
        for key in in_this_order {
            sales.get_mut(&key).expect("just entered").orders += 1;
        }
    }
    sales
}

/// For each key its rank: revenue descending, units descending, key ascending by bytes.
fn ranks(sales: &BTreeMap<String, (i64, i64)>) -> BTreeMap<&str, usize> {
    let mut sorted: Vec<(&str, i64, i64)> =
        sales.iter().map(|(key, &(revenue, units))| (key.as_str(), revenue, units)).collect();
    sorted.sort_by(|a, b| (b.1, b.2).cmp(&(a.1, a.2)).then_with(|| a.0.as_bytes().cmp(b.0.as_bytes())));
    sorted.into_iter().enumerate().map(|(place, (key, ..))| (key, place + 1)).collect()
}

/// The nearest-rank percentile of sorted delays, to three significant digits, half up.
fn percentile(delays: &[i64], percent: usize) -> Value {
    if delays.is_empty() {
        return Value::Null;
    }
    let rank = (delays.len() * percent).div_ceil(100);
    millis(three_digits(delays[rank - 1]))
}

fn three_digits(micros: i64) -> i64 {
    let mut unit = 1;
    while micros / unit >= 1_000 {
        unit *= 10;
    }
    (micros + unit / 2) / unit * unit
}

impl Context<'_> {
    /// Money for a column, stopped at its end.
    fn money(&mut self, cents: i128) -> i64 {
        self.saturated |= cents > SUM_MAX;
        i64::try_from(cents.min(SUM_MAX)).expect("18 digits fit")
    }

    /// The rows of each window with an accepted event, the four leading columns put before them.
    fn per_window(&mut self, cut: Cut, rows: impl Fn(&mut Self, &[&Accepted]) -> Vec<Row>) -> Vec<Row> {
        let mut windows: BTreeMap<i64, Vec<&Accepted>> = BTreeMap::new();
        for accepted in self.accepted {
            windows.entry(cut.window(accepted.event.time)).or_default().push(accepted);
        }
        let mut all = Vec::new();
        for (window, events) in windows {
            for row in rows(self, &events) {
                all.push([leading(cut, window), row].concat());
            }
        }
        all
    }

    fn kpis(&mut self, events: &[&Accepted]) -> Vec<Row> {
        let (mut revenue, mut paid, mut units) = (0, 0, 0);
        let (mut orders, mut succeeded, mut failed) = (0, 0, 0);
        for accepted in events {
            match &accepted.event.body {
                Body::Order { total, items, .. } => {
                    orders += 1;
                    revenue += i128::from(*total);
                    units += items.iter().map(|item| item.quantity).sum::<i64>();
                }
                Body::Payment { status, amount, .. } if status == "succeeded" => {
                    succeeded += 1;
                    paid += i128::from(*amount);
                }
                Body::Payment { .. } => failed += 1,
                Body::Click { .. } | Body::Customer { .. } | Body::Product { .. } => {}
            }
        }
        let revenue = self.money(revenue);
        let paid = self.money(paid);
        let aov = if orders == 0 {
            Value::Null
        } else {
            let (quotient, rest) = (revenue / orders, revenue % orders);
            Value::Money(if 2 * rest >= orders { quotient + 1 } else { quotient })
        };
        let customers: BTreeSet<&str> = events.iter().filter_map(|accepted| active_customer(&accepted.event)).collect();
        let sessions: BTreeSet<&str> = events.iter().filter_map(|accepted| session(&accepted.event)).collect();
        vec![vec![
            int(events.len()),
            Value::Money(revenue),
            Value::Int(orders),
            aov,
            Value::Int(units),
            int(customers.len()),
            int(sessions.len()),
            int(succeeded),
            int(failed),
            Value::Money(paid),
            rate(succeeded, succeeded + failed),
            rate(sessions_at(events, "order").len(), sessions_at(events, "view").len()),
        ]]
    }

    fn products(&mut self, events: &[&Accepted]) -> Vec<Row> {
        let mut sales = sales(events, |_, item| item.product.clone());
        let mut clicks: BTreeMap<(&str, &str), usize> = BTreeMap::new();
        for accepted in events {
            if let Body::Click { action, product: Some(product), .. } = &accepted.event.body {
                *clicks.entry((product, action)).or_default() += 1;
                sales.entry(product.clone()).or_default();
            }
        }
        let revenues: BTreeMap<String, (i64, i64)> =
            sales.iter().map(|(key, sales)| (key.clone(), (self.money(sales.cents), sales.units))).collect();
        let ranks = ranks(&revenues);
        let count = |product: &str, action| int(clicks.get(&(product, action)).copied().unwrap_or(0));
        let row = |(product, sales): (&String, &Sales)| {
            vec![
                text(product),
                count(product, "view"),
                count(product, "add_to_cart"),
                int(sales.orders),
                Value::Int(sales.units),
                Value::Money(revenues[product].0),
                int(ranks[product.as_str()]),
            ]
        };
        sales.iter().map(row).collect()
    }

    fn categories(&mut self, events: &[&Accepted]) -> Vec<Row> {
        let sales = sales(events, |accepted, item| self.category(accepted, item));
        let revenues: BTreeMap<String, (i64, i64)> =
            sales.iter().map(|(key, sales)| (key.clone(), (self.money(sales.cents), sales.units))).collect();
        let ranks = ranks(&revenues);
        let row = |(category, sales): (&String, &Sales)| {
            vec![
                text(category),
                int(sales.orders),
                Value::Int(sales.units),
                Value::Money(revenues[category].0),
                int(ranks[category.as_str()]),
            ]
        };
        sales.iter().map(row).collect()
    }

    /// The item's own category, else that of its product as of the end of the item's base window, else `unknown`.
    fn category(&self, accepted: &Accepted, item: &Item) -> String {
        if let Some(category) = &item.category {
            return category.clone();
        }
        let end = self.base.end(accepted.window);
        let of_product = self.newest(|event| match &event.body {
            Body::Product { product, .. } if *product == item.product && event.time < end => Some(product),
            _ => None,
        });
        match of_product.values().next().map(|event| &event.body) {
            Some(Body::Product { category, .. }) => category.clone(),
            _ => "unknown".to_owned(),
        }
    }

    /// By key the newest accepted event that has one: by event time, then by `event_id`.
    fn newest<'a>(&'a self, key: impl Fn(&'a Event) -> Option<&'a String>) -> BTreeMap<&'a str, &'a Event> {
        let age = |event: &'a Event| (event.time, event.id.as_bytes());
        let mut newest: BTreeMap<&str, &Event> = BTreeMap::new();
        for accepted in self.accepted {
            let event = &accepted.event;
            if let Some(key) = key(event) {
                let kept = newest.entry(key).or_insert(event);
                if age(event) > age(kept) {
                    *kept = event;
                }
            }
        }
        newest
    }

    fn payments(&mut self, events: &[&Accepted]) -> Vec<Row> {
        let mut groups: BTreeMap<(&str, &str, Option<&String>), (usize, i128)> = BTreeMap::new();
        for accepted in events {
            if let Body::Payment { method, status, failure_reason, amount, .. } = &accepted.event.body {
                let group = groups.entry((method, status, failure_reason.as_ref())).or_default();
                group.0 += 1;
                group.1 += i128::from(*amount);
            }
        }
        let mut rows = Vec::new();
        for ((method, status, failure_reason), (payments, cents)) in groups {
            let amount = Value::Money(self.money(cents));
            rows.push(vec![text(method), text(status), optional(failure_reason), int(payments), amount]);
        }
        rows
    }

    fn quality(&mut self) -> Vec<Row> {
        let mut windows: BTreeMap<i64, Vec<&Observed>> = BTreeMap::new();
        for observed in self.observed {
            windows.entry(observed.window).or_default().push(observed);
        }
        let mut rows = Vec::new();
        for (window, records) in windows {
            let count = |matches: fn(&Observed) -> bool| int(records.iter().filter(|record| matches(record)).count());
            let mut delays: Vec<i64> = records.iter().filter_map(|record| record.delay).collect();
            delays.sort_unstable();
            let own = vec![
                int(records.len()),
                count(|record| matches!(record.outcome, Outcome::Accepted(_))),
                count(|record| matches!(record.outcome, Outcome::Duplicate(_))),
                count(|record| matches!(record.outcome, Outcome::Late { .. })),
                count(|record| matches!(record.outcome, Outcome::Rejected(_))),
                count(|record| record.delayed),
                percentile(&delays, 50),
                percentile(&delays, 99),
                delays.last().map_or(Value::Null, |&delay| millis(delay)),
            ];
            rows.push([leading(self.base, window), own].concat());
        }
        rows
    }

    fn rejections(&mut self) -> Vec<Row> {
        let mut counts: BTreeMap<(i64, &str), usize> = BTreeMap::new();
        for observed in self.observed {
            if let Some(reason) = reason(observed.outcome) {
                *counts.entry((observed.window, reason.name())).or_default() += 1;
            }
        }
        let row = |((window, reason), count)| [leading(self.base, window), vec![text(reason), int(count)]].concat();
        counts.into_iter().map(row).collect()
    }

    fn customer_activity(&mut self) -> Vec<Row> {
        let mut first: BTreeMap<(i64, &str), i64> = BTreeMap::new();
        for accepted in self.accepted {
            if let Some(customer) = active_customer(&accepted.event) {
                let day = (accepted.event.time + self.base.offset).div_euclid(DAY);
                let window = first.entry((day, customer)).or_insert(accepted.window);
                *window = accepted.window.min(*window);
            }
        }
        let row = |((_, customer), window)| [leading(self.base, window), vec![text(customer)]].concat();
        first.into_iter().map(row).collect()
    }

    fn dim_product(&mut self) -> Vec<Row> {
        let newest = self.newest(|event| match &event.body {
            Body::Product { product, .. } => Some(product),
            _ => None,
        });
        let row = |event: &Event| match &event.body {
            Body::Product { product, name, category, price } => {
                vec![text(product), text(name), text(category), Value::Money(*price), Value::Timestamp(event.time)]
            }
            _ => unreachable!("product events only"),
        };
        newest.into_values().map(row).collect()
    }

    fn dim_customer(&mut self) -> Vec<Row> {
        let newest = self.newest(|event| match &event.body {
            Body::Customer { customer, .. } => Some(customer),
            _ => None,
        });
        let row = |event: &Event| match &event.body {
            Body::Customer { customer, country, segment } => {
                let updated_at = Value::Timestamp(event.time);
                vec![text(customer), optional(country.as_ref()), optional(segment.as_ref()), updated_at]
            }
            _ => unreachable!("customer events only"),
        };
        newest.into_values().map(row).collect()
    }
}
