//! Goal: what was encoded is decoded, cell by cell, and what is of another table is refused by the name of its column.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, Decimal128Array, Int32Array, Int64Array, RecordBatch, StringArray};
use arrow_schema::DataType;
use bytes::Bytes;
use engine_gold::{parquet, record_batch, row_count, rows};
use engine_model::gold::{ColumnType, DIM_CUSTOMER, DIM_PRODUCT, GOLD, QUARANTINE, TableSchema};
use engine_model::{Cell, Cents, EventTime, Rows};
use parquet::arrow::ArrowWriter;

fn generated(schema: &'static TableSchema, count: i64) -> Rows {
    let mut rows = Rows::new(schema);
    for number in 0..count {
        let text = "é".repeat(usize::try_from(number % 5).unwrap());
        let bytes = [0xff, u8::try_from(number % 256).unwrap()];
        let cell = |(place, kind): (i64, ColumnType)| match kind {
            ColumnType::Timestamp => Cell::Timestamp(EventTime::from_micros(number * 7 - 3)),
            ColumnType::Int32 => Cell::Int32(i32::try_from(number - 5).unwrap()),
            ColumnType::Int64 => Cell::Int64(i64::MAX - number),
            ColumnType::Money => Cell::Money(Cents::new(Cents::MAX.get() - number * place)),
            ColumnType::Double => Cell::Double(-0.1 * f64::from(i32::try_from(number).unwrap())),
            ColumnType::Text => Cell::Text(&text),
            ColumnType::Bytes => Cell::Bytes(&bytes),
        };
        let cells: Vec<Cell<'_>> = schema
            .columns()
            .zip(0..)
            .map(
                |(column, place)| {
                    if column.nullable && number % 3 == 1 { Cell::Null } else { cell((place, column.kind)) }
                },
            )
            .collect();
        rows.push(&cells);
    }
    rows
}

#[test]
fn every_table_is_decoded_as_it_was_encoded() {
    for schema in GOLD.into_iter().chain(QUARANTINE) {
        // None, one, and more than the reader takes at once.
        for count in [0, 1, 3_000] {
            let expected = generated(schema, count);
            let bytes = Bytes::from(parquet(&expected).unwrap());
            assert_eq!(row_count(bytes.clone()).unwrap(), expected.len());
            let got = rows(schema, bytes).unwrap();
            assert_eq!(got.len(), expected.len());
            for (index, column) in schema.columns().enumerate() {
                assert_eq!(got.column(index), expected.column(index), "{}.{}", schema.name, column.name);
            }
        }
    }
}

/// A file of `dim_product` in which one column is another, or gone.
fn changed(name: &str, by: Option<&ArrayRef>) -> String {
    let batch = record_batch(&generated(&DIM_PRODUCT, 2));
    let columns = batch.schema().fields().iter().map(|field| field.name().clone()).collect::<Vec<_>>();
    let columns = columns.into_iter().zip(batch.columns().iter().cloned()).filter_map(|(column, array)| {
        if column == name { by.map(|array| (column, array.clone())) } else { Some((column, array)) }
    });
    let batch = RecordBatch::try_from_iter(columns.collect::<Vec<_>>()).unwrap();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    rows(&DIM_PRODUCT, writer.into_inner().unwrap()).unwrap_err().to_string()
}

#[test]
fn a_column_of_another_type_is_refused_by_its_name_and_both_types() {
    let ints: ArrayRef = Arc::new(Int64Array::from(vec![1, 2]));
    let expected = "column name of table dim_product is of type Int64; expected Utf8";
    assert_eq!(changed("name", Some(&ints)), expected);
    let narrow: ArrayRef = Arc::new(Decimal128Array::from(vec![1, 2]).with_data_type(DataType::Decimal128(18, 3)));
    let expected = "column price of table dim_product is of type Decimal128(18, 3); expected Decimal128(18, 2)";
    assert_eq!(changed("price", Some(&narrow)), expected);
    let small: ArrayRef = Arc::new(Int32Array::from(vec![1, 2]));
    let expected = "column updated_at of table dim_product is of type Int32; expected Timestamp(µs, \"UTC\")";
    assert_eq!(changed("updated_at", Some(&small)), expected);
}

#[test]
fn a_column_that_is_missing_or_null_or_below_zero_is_refused() {
    let expected = "table dim_product has no column category; expected one of type Utf8";
    assert_eq!(changed("category", None), expected);
    let nulls: ArrayRef = Arc::new(StringArray::from(vec![Some("x"), None]));
    assert_eq!(nulls.null_count(), 1);
    let expected = "column name of table dim_product holds a null; expected a value in every row";
    assert_eq!(changed("name", Some(&nulls)), expected);
    let debt: ArrayRef = Arc::new(Decimal128Array::from(vec![1, -5]).with_data_type(DataType::Decimal128(18, 2)));
    let expected = "column price of table dim_product holds -5 cents; expected 0 to 999999999999999999";
    assert_eq!(changed("price", Some(&debt)), expected);
}

/// As of a version that did not have the column yet.
#[test]
fn a_column_that_may_be_null_may_be_missing() {
    let whole = record_batch(&generated(&DIM_CUSTOMER, 3));
    let country = whole.schema().index_of("country").unwrap();
    let others: Vec<usize> = (0..whole.num_columns()).filter(|column| *column != country).collect();
    let earlier = whole.project(&others).unwrap();
    let mut writer = ArrowWriter::try_new(Vec::new(), earlier.schema(), None).unwrap();
    writer.write(&earlier).unwrap();
    let read = rows(&DIM_CUSTOMER, writer.into_inner().unwrap()).unwrap();
    let expected = generated(&DIM_CUSTOMER, 3);
    assert_eq!(read.len(), 3);
    for row in 0..3 {
        for column in 0..whole.num_columns() {
            let cell = if column == country { Cell::Null } else { expected.cell(row, column) };
            assert_eq!(read.cell(row, column), cell, "row {row}, column {column}");
        }
    }
}

#[test]
fn what_is_no_parquet_file_is_refused() {
    for bytes in [&b""[..], b"PAR1", b"{\"not\": \"parquet\"}"] {
        assert_eq!(rows(&DIM_PRODUCT, bytes).unwrap_err().to_string(), "not a readable Parquet file");
        assert_eq!(row_count(bytes).unwrap_err().to_string(), "not a readable Parquet file");
    }
    let mut cut = parquet(&generated(&DIM_PRODUCT, 100)).unwrap();
    cut.truncate(cut.len() / 2);
    assert!(rows(&DIM_PRODUCT, cut).is_err());
}
