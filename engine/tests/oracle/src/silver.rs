//! §4 of the contract: an accepted event as rows of Silver, read from its line.

use crate::parse::{Body, event};
use crate::time::Cut;
use crate::{Config, Value};

/// The rows that an accepted line is in Silver, each with its table, without `source`, `partition` and `offset`.
///
/// # Panics
/// Where the line is no valid event.
#[must_use]
pub fn silver_rows(line: &[u8], config: &Config) -> Vec<(&'static str, Vec<Value>)> {
    let event = event(line, config).expect("an accepted line is a valid event");
    let base = Cut::new(config.semantics.base());
    let start = Value::Timestamp(base.start(base.window(event.time)));
    let currency = Value::Text(config.semantics.currency().as_str().to_owned());
    let head = |kind: &str| vec![text(&event.id), text(kind), Value::Timestamp(event.time)];
    let row = |kind: &str, own: Vec<Value>| [head(kind), own, vec![start.clone()]].concat();
    match event.body {
        Body::Click { action, session, customer, product } => {
            let own = vec![text(&session), optional(customer), text(&action), optional(product)];
            vec![("clicks", row("click", own))]
        }
        Body::Order { session, customer, order, total, items } => {
            let own = vec![optional(session), text(&customer), text(&order), currency, Value::Money(total)];
            let mut rows = vec![("orders", row("order", own))];
            for (index, item) in (0..).zip(items) {
                let row = vec![
                    text(&event.id),
                    Value::Timestamp(event.time),
                    text(&order),
                    Value::Int(index),
                    text(&item.product),
                    Value::Int(item.quantity),
                    Value::Money(item.unit_price),
                    optional(item.category),
                    start.clone(),
                ];
                rows.push(("order_items", row));
            }
            rows
        }
        Body::Payment { customer, order, payment, method, amount, status, failure_reason } => {
            let (amount, reason) = (Value::Money(amount), optional(failure_reason));
            let (customer, method) = (optional(customer), text(&method));
            let own = vec![text(&payment), text(&order), customer, currency, method, amount, text(&status), reason];
            vec![("payments", row("payment", own))]
        }
        Body::Customer { customer, country, segment } => {
            vec![("customers", row("customer", vec![text(&customer), optional(country), optional(segment)]))]
        }
        Body::Product { product, name, category, price } => {
            let own = vec![text(&product), text(&name), text(&category), Value::Money(price)];
            vec![("products", row("product", own))]
        }
    }
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn optional(text: Option<String>) -> Value {
    text.map_or(Value::Null, Value::Text)
}
