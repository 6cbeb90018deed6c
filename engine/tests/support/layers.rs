//! Bronze and Silver of a lake against the input and the oracle.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use engine_oracle::{Config, Partition, Value, lines, silver_rows};

use super::gold::{Rows, read_layer};

/// The most bytes that are kept of a line.
const LINE_BYTES_MAX: usize = 65_536;

/// Source and offset; every partition of these tests is number 0 of its source.
pub(crate) type Place = (String, i64);

/// Where a row of Bronze, Silver or quarantine came from: its last columns but `received_at`.
fn place(table: &str, row: &[Value]) -> Place {
    let row = if table == "events" { &row[..row.len() - 1] } else { row };
    let [.., Value::Text(source), Value::Int(0), Value::Int(offset)] = row else { panic!("{table}: {row:?}") };
    (source.clone(), *offset)
}

/// Checks that every line is in Bronze as it came, and each in exactly one of Silver, late, duplicates and rejected; and
/// that a row of Silver says what the oracle reads in its line. Which records are which is not looked at here.
///
/// `names` are the sources of the partitions.
pub(crate) fn check_layers(
    lake: &Path,
    partitions: &[Partition],
    names: &[String],
    config: &Config,
) -> Result<(), String> {
    let mut input: BTreeMap<Place, &[u8]> = BTreeMap::new();
    for (partition, name) in partitions.iter().zip(names) {
        for line in lines(&partition.bytes) {
            input.insert((name.clone(), i64::try_from(line.offset).unwrap()), line.bytes);
        }
    }
    check_bronze(&read_layer(lake, "bronze"), &input)?;
    let silver = read_layer(lake, "silver");
    let accepted = check_silver(&silver, &input, config)?;
    let mut places = accepted;
    for (table, rows) in &read_layer(lake, "quarantine") {
        for row in rows {
            if !places.insert(place(table, row)) {
                return Err(format!("{table}: {row:?} is somewhere else, too"));
            }
        }
    }
    match input.keys().find(|place| !places.contains(place)) {
        Some(place) => Err(format!("the record at {place:?} is nowhere")),
        None if places.len() > input.len() => Err(format!("{} records of {}", places.len(), input.len())),
        None => Ok(()),
    }
}

fn check_bronze(bronze: &BTreeMap<String, Rows>, input: &BTreeMap<Place, &[u8]>) -> Result<(), String> {
    let mut left = input.clone();
    for row in &bronze["events"] {
        let place = place("events", row);
        let Some(line) = left.remove(&place) else { return Err(format!("bronze has {row:?} once too often")) };
        let expected = line[..line.len().min(LINE_BYTES_MAX)].escape_ascii().to_string();
        if row[0] != Value::Text(expected) {
            return Err(format!("bronze at {place:?}: {:?} is not {:?}", row[0], line.escape_ascii().to_string()));
        }
        let Some(Value::Timestamp(received)) = row.last() else { panic!("{row:?}") };
        assert!(*received > 1_700_000_000_000_000, "received at {received}");
    }
    left.first_key_value().map_or(Ok(()), |(place, _)| Err(format!("the line at {place:?} is not in bronze")))
}

/// Returns the places of the accepted events.
fn check_silver(
    silver: &BTreeMap<String, Rows>,
    input: &BTreeMap<Place, &[u8]>,
    config: &Config,
) -> Result<BTreeSet<Place>, String> {
    let mut places = BTreeSet::new();
    let mut expected: BTreeMap<String, Rows> = silver.keys().map(|table| (table.clone(), Rows::new())).collect();
    for (table, rows) in silver.iter().filter(|(table, _)| *table != "order_items") {
        for row in rows {
            let place = place(table, row);
            let Some(line) = input.get(&place) else { return Err(format!("{table}: {row:?} is no record")) };
            for (table, mut row) in silver_rows(line, config) {
                row.extend([Value::Text(place.0.clone()), Value::Int(0), Value::Int(place.1)]);
                expected.get_mut(table).ok_or_else(|| format!("no table {table}"))?.push(row);
            }
            if !places.insert(place) {
                return Err(format!("{table}: {row:?} is in silver twice"));
            }
        }
    }
    for (table, mut rows) in expected {
        rows.sort_by(|a, b| a.partial_cmp(b).expect("no NaN in a row"));
        if rows != silver[&table] {
            let differs = rows.iter().zip(&silver[&table]).find(|(expected, got)| expected != got);
            return Err(format!("{table}: {} rows expected, {} got; {differs:?}", rows.len(), silver[&table].len()));
        }
    }
    Ok(places)
}

/// All rows of those layers that are there, as `layer/table`; without `received_at`, which is the clock's and not the input's.
pub(crate) fn all_rows(lake: &Path) -> BTreeMap<String, Rows> {
    let layers = ["gold", "quarantine", "silver", "bronze"].into_iter().filter(|layer| lake.join(layer).is_dir());
    let tables = layers.flat_map(|layer| {
        let of_layer = read_layer(lake, layer).into_iter();
        of_layer.map(move |(name, rows)| (format!("{layer}/{name}"), rows))
    });
    let mut all: BTreeMap<String, Rows> = tables.collect();
    if let Some(lines) = all.get_mut("bronze/events") {
        for row in lines.iter_mut() {
            row.pop();
        }
        lines.sort_by(|a, b| a.partial_cmp(b).expect("no NaN in a row"));
    }
    all
}
