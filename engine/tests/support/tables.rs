//! Reads what a run has written, with the parquet crate's rows and none of our own code.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use engine_oracle::Value;
use parquet::data_type::{AsBytes, Decimal};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::{Field, Row};

/// All `.parquet` files below a folder.
fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "parquet") {
            found.push(path);
        }
    }
}

fn rows(folder: &Path) -> Vec<Row> {
    let mut found = Vec::new();
    files(folder, &mut found);
    let mut rows = Vec::new();
    for path in found {
        let reader = SerializedFileReader::new(File::open(&path).unwrap()).unwrap();
        rows.extend(reader.get_row_iter(None).unwrap().map(Result::unwrap));
    }
    rows
}

fn cents(decimal: &Decimal) -> i64 {
    let bytes = decimal.data().as_bytes();
    let sign = if bytes[0] & 0x80 == 0 { 0 } else { 0xFF };
    let mut padded = [sign; 8];
    padded[8 - bytes.len()..].copy_from_slice(bytes);
    i64::from_be_bytes(padded)
}

fn value(field: &Field) -> Value {
    match field {
        Field::Null => Value::Null,
        Field::Int(value) => Value::Int(i64::from(*value)),
        Field::Long(value) => Value::Int(*value),
        Field::Double(value) => Value::Double(*value),
        Field::Str(text) => Value::Text(text.clone()),
        Field::TimestampMicros(micros) => Value::Timestamp(*micros),
        Field::Decimal(decimal) => Value::Money(cents(decimal)),
        other => panic!("no Gold column holds {other:?}"),
    }
}

/// The rows of a Gold table in the oracle's form: sorted.
pub(crate) fn read_gold(lake: &Path, table: &str) -> Vec<Vec<Value>> {
    let row = |row: &Row| row.get_column_iter().map(|(_, field)| value(field)).collect();
    let mut rows: Vec<Vec<Value>> = rows(&lake.join("gold").join(table)).iter().map(row).collect();
    rows.sort_by(|a, b| a.partial_cmp(b).expect("no column holds NaN"));
    rows
}

/// The offsets of the records in a quarantine table, in any order.
pub(crate) fn quarantine_offsets(lake: &Path, table: &str) -> Vec<i64> {
    let offset = |row: &Row| match row.get_column_iter().last() {
        Some((name, Field::Long(offset))) if name == "offset" => *offset,
        other => panic!("the last column is the offset, not {other:?}"),
    };
    rows(&lake.join("quarantine").join(table)).iter().map(offset).collect()
}
