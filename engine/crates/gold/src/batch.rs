//! The model's rows as Arrow: one array a column, no nesting.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::{
    ArrayRef, BinaryArray, Decimal128Array, Float64Array, Int32Array, Int64Array, RecordBatch, RecordBatchOptions,
    StringArray, TimestampMicrosecondArray,
};
use arrow_buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use engine_model::gold::{ColumnType, TableSchema};
use engine_model::{ColumnData, Rows};

/// The zone of every timestamp; any zone at all is what makes Parquet and Delta call it adjusted to UTC.
const ZONE: &str = "UTC";
/// Digits of `DECIMAL(18,2)`, the most that fit 64 bits.
const MONEY_PRECISION: u8 = 18;
/// Digits behind the point: cents.
const MONEY_SCALE: i8 = 2;

/// A table's columns as Arrow fields, in the same order, under the same names.
#[must_use]
pub fn arrow_schema(table: &TableSchema) -> SchemaRef {
    let fields: Vec<Field> =
        table.columns().map(|column| Field::new(column.name, data_type(column.kind), column.nullable)).collect();
    Arc::new(Schema::new(fields))
}

/// Copies all rows into one batch.
///
/// # Panics
/// Where the texts of one column exceed 2 GiB, which Arrow's 32-bit offsets cannot address.
#[must_use]
pub fn record_batch(rows: &Rows) -> RecordBatch {
    slice(rows, &arrow_schema(rows.schema()), 0..rows.len())
}

/// Copies the rows of `range` into a batch of the given schema, which is [`arrow_schema`] of the rows' own.
pub(crate) fn slice(rows: &Rows, schema: &SchemaRef, range: Range<usize>) -> RecordBatch {
    let arrays = (0..schema.fields().len()).map(|index| array(rows.column(index), &range)).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(range.len()));
    RecordBatch::try_new_with_options(Arc::clone(schema), arrays, &options)
        .expect("the rows' own schema decides the type and the nulls of each array")
}

const fn money() -> DataType {
    DataType::Decimal128(MONEY_PRECISION, MONEY_SCALE)
}

pub(crate) fn data_type(kind: ColumnType) -> DataType {
    match kind {
        ColumnType::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, Some(ZONE.into())),
        ColumnType::Int32 => DataType::Int32,
        ColumnType::Int64 => DataType::Int64,
        ColumnType::Money => money(),
        ColumnType::Double => DataType::Float64,
        ColumnType::Text => DataType::Utf8,
        ColumnType::Bytes => DataType::Binary,
    }
}

fn array((data, present): (&ColumnData, Option<&[bool]>), range: &Range<usize>) -> ArrayRef {
    let range = range.clone();
    let nulls = present.map(|flags| NullBuffer::from(&flags[range.clone()]));
    match data {
        ColumnData::Timestamp(values) => Arc::new(
            TimestampMicrosecondArray::new(ScalarBuffer::from(values[range].to_vec()), nulls).with_timezone(ZONE),
        ),
        ColumnData::Int32(values) => Arc::new(Int32Array::new(ScalarBuffer::from(values[range].to_vec()), nulls)),
        ColumnData::Int64(values) => Arc::new(Int64Array::new(ScalarBuffer::from(values[range].to_vec()), nulls)),
        ColumnData::Money(values) => {
            let values: Vec<i128> = values[range].iter().map(|&cents| i128::from(cents)).collect();
            Arc::new(Decimal128Array::new(ScalarBuffer::from(values), nulls).with_data_type(money()))
        }
        ColumnData::Double(values) => Arc::new(Float64Array::new(ScalarBuffer::from(values[range].to_vec()), nulls)),
        ColumnData::Text { bytes, ends } => {
            let (offsets, values) = texts(bytes, ends, range);
            Arc::new(StringArray::new(offsets, values, nulls))
        }
        ColumnData::Bytes { bytes, ends } => {
            let (offsets, values) = texts(bytes, ends, range);
            Arc::new(BinaryArray::new(offsets, values, nulls))
        }
    }
}

fn texts(bytes: &[u8], ends: &[usize], range: Range<usize>) -> (OffsetBuffer<i32>, Buffer) {
    let base = if range.start == 0 { 0 } else { ends[range.start - 1] };
    let last = if range.is_empty() { base } else { ends[range.end - 1] };
    assert!(i32::try_from(last - base).is_ok(), "{} bytes of text in one column; at most {}", last - base, i32::MAX);
    #[expect(clippy::cast_possible_truncation, clippy::cast_possible_wrap, reason = "at most i32::MAX, asserted above")]
    let offsets = std::iter::once(0).chain(ends[range].iter().map(|end| (end - base) as i32)).collect();
    (OffsetBuffer::new(offsets), Buffer::from(&bytes[base..last]))
}
