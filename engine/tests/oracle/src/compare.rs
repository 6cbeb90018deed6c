//! Rows in one form, whoever made them, and their comparison.

use std::fmt;
use std::fmt::Write as _;

use engine_model::gold::GOLD;
use engine_model::{Cell, Rows};

/// One value of one row.
#[derive(Clone, Debug, PartialEq, PartialOrd)]
pub enum Value {
    /// No value.
    Null,
    /// An integer of either width.
    Int(i64),
    /// Money in cents.
    Money(i64),
    /// A rate or milliseconds; never NaN.
    Double(f64),
    /// Microseconds since the epoch, UTC.
    Timestamp(i64),
    /// A text; raw bytes come as their escaped form.
    Text(String),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Null => f.write_str("null"),
            Value::Int(value) => write!(f, "{value}"),
            Value::Money(cents) => write!(f, "{}.{:02}", cents / 100, cents % 100),
            Value::Double(value) => write!(f, "{value:?}"),
            Value::Timestamp(micros) => write!(f, "{micros}us"),
            Value::Text(text) => write!(f, "{text:?}"),
        }
    }
}

/// Sorts rows into the canonical order: by the first column, then by the second, and so on.
///
/// # Panics
/// Where a value is NaN.
pub(crate) fn sort(rows: &mut [Vec<Value>]) {
    rows.sort_by(|a, b| a.partial_cmp(b).expect("no NaN in a row"));
}

/// The engine's rows in the oracle's form, sorted.
///
/// # Panics
/// Where a value is NaN.
#[must_use]
pub fn canonical(rows: &Rows) -> Vec<Vec<Value>> {
    let columns = rows.schema().columns().count();
    let mut all: Vec<Vec<Value>> =
        (0..rows.len()).map(|row| (0..columns).map(|column| value(rows.cell(row, column))).collect()).collect();
    sort(&mut all);
    all
}

fn value(cell: Cell<'_>) -> Value {
    match cell {
        Cell::Null => Value::Null,
        Cell::Timestamp(time) => Value::Timestamp(time.as_micros()),
        Cell::Int32(value) => Value::Int(i64::from(value)),
        Cell::Int64(value) => Value::Int(value),
        Cell::Money(cents) => Value::Money(cents.get()),
        Cell::Double(value) => Value::Double(value),
        Cell::Text(text) => Value::Text(text.to_owned()),
        Cell::Bytes(bytes) => Value::Text(bytes.escape_ascii().to_string()),
    }
}

/// Compares the rows of the table `name`, both sorted.
///
/// # Errors
/// Says the first row that differs, column by column.
pub fn compare(name: &str, expected: &[Vec<Value>], got: &[Vec<Value>]) -> Result<(), String> {
    let Some(at) = (0..expected.len().max(got.len())).find(|&row| expected.get(row) != got.get(row)) else {
        return Ok(());
    };
    let mut message =
        format!("{name}: expected {} rows, got {}; first difference in row {at}\n", expected.len(), got.len());
    let columns = column_names(name);
    let width = expected.get(at).map_or(0, Vec::len).max(got.get(at).map_or(0, Vec::len));
    for column in 0..width {
        let show = |rows: &[Vec<Value>]| match rows.get(at).and_then(|row| row.get(column)) {
            Some(value) => value.to_string(),
            None => "(none)".to_owned(),
        };
        let (expected, got) = (show(expected), show(got));
        let title = columns.get(column).copied().unwrap_or("?");
        let mark = if expected == got { ' ' } else { '*' };
        writeln!(message, "{mark} {title:<20} expected {expected:<24} got {got}").expect("a String takes all");
    }
    Err(message)
}

/// The columns of a table with or without a grain in its name; none where there is no such table.
fn column_names(name: &str) -> Vec<&'static str> {
    let of = |name: &str| GOLD.iter().find(|schema| schema.name == name);
    let schema = of(name).or_else(|| of(name.rsplit_once('_')?.0));
    schema.map_or(Vec::new(), |schema| schema.columns().map(|column| column.name).collect())
}
