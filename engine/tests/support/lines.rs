//! JSON Lines of a small shop written by hand, and the engine's answers in words a test can state.
//!
//! Times are seconds from 2026-01-01T00:00:00Z, exact to the microsecond; windows are numbered from there.

use std::collections::BTreeMap;

use engine_model::{Currency, EventTime, Micros, Outcome, Semantics, UtcOffset, WindowLength};
use engine_oracle::{Config, Partition, Value, compare};

use super::in_process::Got;

/// 2026-01-01T00:00:00Z in microseconds.
pub(crate) const START: i64 = 1_767_225_600_000_000;

/// A minute, an hour and a day, ten seconds of lateness.
pub(crate) fn usual() -> Config {
    config(60, &[3_600, 86_400], 10, "+00:00")
}

/// Windows, rollups and lateness in seconds.
pub(crate) fn config(window: i64, rollups: &[i64], lateness: i64, offset: &str) -> Config {
    let length = |seconds: i64| WindowLength::new(Micros::from_seconds(seconds)).expect("divides a day");
    let rollups: Vec<WindowLength> = rollups.iter().map(|&rollup| length(rollup)).collect();
    let offset: UtcOffset = offset.parse().expect("an offset");
    let lateness = Micros::from_seconds(lateness);
    let semantics = Semantics::new(length(window), &rollups, lateness, Currency::USD, offset).expect("multiples");
    Config { semantics, time_max: EventTime::EVENT_MAX }
}

/// The instant `seconds` from [`START`].
pub(crate) fn instant(seconds: f64) -> EventTime {
    #[expect(clippy::cast_possible_truncation, reason = "small numbers of seconds, rounded to the microsecond")]
    let micros = (seconds * 1e6).round() as i64;
    EventTime::from_micros(START + micros)
}

/// A line: type, id, time, further members. The id stands between quotes as it is, escapes and all.
pub(crate) fn line(event_type: &str, id: &str, seconds: f64, members: &str) -> String {
    let time = instant(seconds);
    format!(r#"{{"event_type":"{event_type}","event_id":"{id}","event_time":"{time}",{members}}}"#)
}

/// A view of `p` by nobody known in session `s`.
pub(crate) fn view(id: &str, seconds: f64) -> String {
    click(id, seconds, "view", "s", r#""product_id":"p""#)
}

/// A click with further members.
pub(crate) fn click(id: &str, seconds: f64, action: &str, session: &str, members: &str) -> String {
    let comma = if members.is_empty() { "" } else { "," };
    line("click", id, seconds, &format!(r#""action":"{action}","session_id":"{session}"{comma}{members}"#))
}

/// An order of one `p` for `total` by customer `c` in session `s`.
pub(crate) fn order(id: &str, seconds: f64, total: &str) -> String {
    order_of(id, seconds, total, &[&format!("p 1 {total}")], r#""session_id":"s""#)
}

/// An order by customer `c`: items are product, quantity, price and perhaps category, as in `p1 2 9.99 Shoes`.
pub(crate) fn order_of(id: &str, seconds: f64, total: &str, items: &[&str], members: &str) -> String {
    let item = |item: &&str| {
        let words: Vec<&str> = item.split(' ').collect();
        let category = words.get(3).map_or(String::new(), |category| format!(r#","category":"{category}""#));
        format!(r#"{{"product_id":"{}","quantity":{},"unit_price":{}{category}}}"#, words[0], words[1], words[2])
    };
    let items: Vec<String> = items.iter().map(item).collect();
    let comma = if members.is_empty() { "" } else { "," };
    let fields = format!(
        r#""customer_id":"c","order_id":"o","currency":"USD","total":{total},"items":[{}]{comma}{members}"#,
        items.join(",")
    );
    line("order", id, seconds, &fields)
}

/// A payment with further members.
pub(crate) fn payment(id: &str, seconds: f64, amount: &str, status: &str, members: &str) -> String {
    let comma = if members.is_empty() { "" } else { "," };
    let fields = format!(
        r#""order_id":"o","payment_id":"y","currency":"USD","method":"card","amount":{amount},"status":"{status}"{comma}{members}"#
    );
    line("payment", id, seconds, &fields)
}

/// A product's data.
pub(crate) fn product(id: &str, seconds: f64, product: &str, category: &str) -> String {
    let fields = format!(r#""product_id":"{product}","name":"N-{id}","category":"{category}","price":"1.50""#);
    line("product", id, seconds, &fields)
}

/// Files of these lines.
pub(crate) fn files<L: AsRef<str>>(files: &[&[L]]) -> Vec<Partition> {
    let bytes = |lines: &[L]| lines.iter().flat_map(|line| [line.as_ref(), "\n"]).collect::<String>().into_bytes();
    let file = |(number, lines): (usize, &&[L])| Partition { source: format!("{number}.jsonl"), bytes: bytes(lines) };
    files.iter().enumerate().map(file).collect()
}

/// What became of each record of a partition: `accepted 0`, `duplicate 0` (the window of the first), `late`,
/// `rejected`; windows count from [`START`].
pub(crate) fn outcomes(got: &Got, config: &Config, partition: usize) -> Vec<String> {
    let first = config.semantics.base().containing(EventTime::from_micros(START)).0;
    let word = |outcome: &Outcome| match outcome {
        Outcome::Accepted(window) => format!("accepted {}", window.0 - first),
        Outcome::Duplicate(window) => format!("duplicate {}", window.0 - first),
        Outcome::Late { .. } => "late".to_owned(),
        Outcome::Rejected(_) => "rejected".to_owned(),
    };
    got.outcomes[partition].iter().map(|(_, outcome)| word(outcome)).collect()
}

/// Rows of a windowed table, sorted: the minute of the day, then the columns behind the four leading ones.
pub(crate) fn rows(got: &Got, table: &str) -> Vec<String> {
    got.tables[table].iter().map(|row| show(&row[3..])).collect()
}

/// Values as text, without quotes.
pub(crate) fn show(values: &[Value]) -> String {
    let values: Vec<String> = values.iter().map(|value| value.to_string().replace('"', "")).collect();
    values.join(" ")
}

/// The column `index` of rows shown by [`rows`]; the minute of the day is column 0.
pub(crate) fn column(rows: &[String], index: usize) -> Vec<String> {
    rows.iter().map(|row| row.split(' ').nth(index).expect("rows have that column").to_owned()).collect()
}

/// Compares all tables with those of the oracle for the same order of reading.
///
/// # Panics
/// At the first row that differs.
pub(crate) fn assert_oracle_agrees(got: &Got, partitions: &[Partition], config: &Config, order: &[usize]) {
    let expected = engine_oracle::run(partitions, config, order);
    assert_equal_tables(&expected.tables, &got.tables);
}

/// Compares all tables.
///
/// # Panics
/// At the first row that differs.
pub(crate) fn assert_equal_tables(
    expected: &BTreeMap<String, Vec<Vec<Value>>>,
    got: &BTreeMap<String, Vec<Vec<Value>>>,
) {
    assert!(expected.keys().eq(got.keys()), "different tables");
    for (name, rows) in expected {
        if let Err(difference) = compare(name, rows, &got[name]) {
            panic!("{difference}");
        }
    }
}
