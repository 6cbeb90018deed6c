//! The oracle on its own: small cases worked out by hand, one for each rule and each table.

mod generated;
mod judging;
mod lines;
mod rows;

use engine_model::{Currency, EventTime, Micros, Outcome, Semantics, UtcOffset, WindowId, WindowLength};

use crate::{Answer, Config, Partition, Value, run};

/// 2026-01-01T00:00:00Z in microseconds; the cases below count seconds from here.
const START: i64 = 1_767_225_600_000_000;
const SECOND: i64 = 1_000_000;

fn length(seconds: i64) -> WindowLength {
    WindowLength::new(Micros::from_seconds(seconds)).expect("divides a day")
}

/// Windows, rollups and lateness in seconds.
fn config(window: i64, rollups: &[i64], lateness: i64, offset: &str) -> Config {
    let rollups: Vec<WindowLength> = rollups.iter().map(|&rollup| length(rollup)).collect();
    let offset: UtcOffset = offset.parse().expect("an offset");
    let lateness = Micros::from_seconds(lateness);
    let semantics = Semantics::new(length(window), &rollups, lateness, Currency::USD, offset).expect("multiples");
    Config { semantics, time_max: EventTime::EVENT_MAX }
}

/// A minute, an hour and a day, ten seconds of lateness.
fn usual() -> Config {
    config(60, &[3_600, 86_400], 10, "+00:00")
}

fn file(lines: &[String]) -> Partition {
    Partition { source: "file".to_owned(), bytes: lines.concat().into_bytes() }
}

/// A line: type, id, seconds since [`START`], further members.
fn line(event_type: &str, id: &str, seconds: f64, members: &str) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "small numbers of seconds with three decimals")]
    let millis = START / 1_000 + (seconds * 1_000.0).round() as i64;
    let start = format!(r#"{{"event_type":"{event_type}","event_id":"{id}","event_time":{millis}"#);
    if members.is_empty() { format!("{start}}}\n") } else { format!("{start},{members}}}\n") }
}

/// A view of product `p1` in session `s1`.
fn view(id: &str, seconds: f64) -> String {
    click(id, seconds, "view", "s1", r#""product_id":"p1""#)
}

fn click(id: &str, seconds: f64, action: &str, session: &str, members: &str) -> String {
    let comma = if members.is_empty() { "" } else { "," };
    line("click", id, seconds, &format!(r#""action":"{action}","session_id":"{session}"{comma}{members}"#))
}

/// Items are product, quantity, price and perhaps category, as in `p1 2 9.99 Shoes`.
fn order(id: &str, seconds: f64, customer: &str, total: &str, items: &[&str], members: &str) -> String {
    let item = |item: &&str| {
        let words: Vec<&str> = item.split(' ').collect();
        let category = words.get(3).map_or(String::new(), |category| format!(r#","category":"{category}""#));
        format!(r#"{{"product_id":"{}","quantity":{},"unit_price":{}{category}}}"#, words[0], words[1], words[2])
    };
    let items: Vec<String> = items.iter().map(item).collect();
    let comma = if members.is_empty() { "" } else { "," };
    let fields = format!(
        r#""customer_id":"{customer}","order_id":"o","currency":"USD","total":{total},"items":[{}]{comma}{members}"#,
        items.join(",")
    );
    line("order", id, seconds, &fields)
}

fn payment(id: &str, seconds: f64, method: &str, amount: &str, status: &str, members: &str) -> String {
    let comma = if members.is_empty() { "" } else { "," };
    let fields = format!(
        r#""order_id":"o","payment_id":"y","currency":"USD","method":"{method}","amount":{amount},"status":"{status}"{comma}{members}"#
    );
    line("payment", id, seconds, &fields)
}

fn product(id: &str, seconds: f64, product: &str, category: &str) -> String {
    let fields = format!(r#""product_id":"{product}","name":"N-{id}","category":"{category}","price":"1.50""#);
    line("product", id, seconds, &fields)
}

fn outcomes(answer: &Answer, partition: usize) -> Vec<Outcome> {
    answer.outcomes[partition].iter().map(|record| record.outcome).collect()
}

/// The number of the base window of a minute that starts `minutes` after [`START`].
fn minute(minutes: i64) -> WindowId {
    WindowId(START / (60 * SECOND) + minutes)
}

fn late(seconds: i64) -> Outcome {
    Outcome::Late { by: Micros::from_seconds(seconds) }
}

/// The rows of a table without the four leading columns, values shown as text.
fn own(answer: &Answer, table: &str) -> Vec<String> {
    answer.tables[table].iter().map(|row| show(&row[4..])).collect()
}

fn show(values: &[Value]) -> String {
    let values: Vec<String> = values.iter().map(|value| value.to_string().replace('"', "")).collect();
    values.join(" ")
}

/// Seconds from [`START`] to the window's start and end, date and minute of the day, then the rest.
fn whole(answer: &Answer, table: &str) -> Vec<String> {
    let seconds = |value: &Value| match value {
        Value::Timestamp(micros) => (micros - START) / SECOND,
        other => panic!("{other} is no instant"),
    };
    let row = |row: &Vec<Value>| format!("{} {} {}", seconds(&row[0]), seconds(&row[1]), show(&row[2..]));
    answer.tables[table].iter().map(row).collect()
}

fn run_one(lines: &[String], config: &Config) -> Answer {
    run(&[file(lines)], config, &[])
}
