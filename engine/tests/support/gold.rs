//! The Parquet files of a lake read back into the oracle's rows, by a reader that knows nothing of the writer.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use engine_oracle::Value;
use parquet::data_type::{ByteArray, Decimal};
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;

/// Rows of a table, each value in the order of its columns.
pub(crate) type Rows = Vec<Vec<Value>>;

/// All files below `folder`, sorted; none where there is no such folder.
pub(crate) fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        // A folder that is gone again is no error: others may be writing.
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// The Parquet files of `layer/table`, as `LAKE/layer/TABLE/**/*.parquet` finds them.
pub(crate) fn parquet_files(folder: &Path) -> Vec<PathBuf> {
    files_below(folder).into_iter().filter(|path| path.extension().is_some_and(|ext| ext == "parquet")).collect()
}

/// The rows of one file.
///
/// # Errors
/// Where it is not a whole Parquet file.
pub(crate) fn read_file(path: &Path) -> Result<Rows, ParquetError> {
    let reader = SerializedFileReader::new(File::open(path)?)?;
    reader.get_row_iter(None)?.map(|row| Ok(row?.get_column_iter().map(|(_, field)| value(field)).collect())).collect()
}

/// The names of a file's columns.
pub(crate) fn column_names(path: &Path) -> Vec<String> {
    let reader = SerializedFileReader::new(File::open(path).unwrap()).unwrap();
    let schema = reader.metadata().file_metadata().schema_descr();
    schema.columns().iter().map(|column| column.name().to_owned()).collect()
}

/// The names of the tables in a layer, sorted.
pub(crate) fn table_names(lake: &Path, layer: &str) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(lake.join(layer))
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// All rows of a table, sorted; `table` is a path like `gold/kpis_1m`.
pub(crate) fn read_table(lake: &Path, table: &str) -> Rows {
    let files = parquet_files(&lake.join(table));
    assert!(!files.is_empty(), "no file in {table}");
    let mut rows: Rows = files
        .iter()
        .flat_map(|path| read_file(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
        .collect();
    rows.sort_by(|a, b| a.partial_cmp(b).expect("no NaN in a row"));
    rows
}

/// All rows of all tables of a layer.
pub(crate) fn read_layer(lake: &Path, layer: &str) -> BTreeMap<String, Rows> {
    table_names(lake, layer)
        .into_iter()
        .map(|name| (name.clone(), read_table(lake, &format!("{layer}/{name}"))))
        .collect()
}

fn value(field: &Field) -> Value {
    match field {
        Field::Null => Value::Null,
        Field::Int(value) => Value::Int(i64::from(*value)),
        Field::Long(value) => Value::Int(*value),
        Field::Double(value) => Value::Double(*value),
        Field::TimestampMicros(value) => Value::Timestamp(*value),
        Field::Decimal(decimal) => Value::Money(cents(decimal)),
        Field::Str(text) => Value::Text(text.clone()),
        Field::Bytes(bytes) => Value::Text(ByteArray::data(bytes).escape_ascii().to_string()),
        other => panic!("no table has a value like {other:?}"),
    }
}

fn cents(decimal: &Decimal) -> i64 {
    assert_eq!((decimal.precision(), decimal.scale()), (18, 2));
    let bytes = decimal.data();
    let fill = if bytes.first().is_some_and(|first| *first >= 0x80) { 0xff } else { 0 };
    let mut wide = [fill; 8];
    wide[8 - bytes.len()..].copy_from_slice(bytes);
    i64::from_be_bytes(wide)
}
