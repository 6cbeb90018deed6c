//! A Parquet file back to rows: the inverse of the encoder, and as strict about types as it is.

use arrow_array::{
    Array, BinaryArray, Decimal128Array, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use arrow_schema::{ArrowError, DataType};
use bytes::Bytes;
use engine_model::gold::{ColumnType, TableSchema};
use engine_model::{Cell, Cents, EventTime, Rows};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::errors::ParquetError;
use parquet::file::metadata::ParquetMetaDataReader;

use crate::batch::data_type;

/// Why bytes are not rows of a table.
#[derive(Debug, thiserror::Error)]
pub enum ParquetDecodeError {
    /// The Parquet library does not understand them.
    #[error("not a readable Parquet file")]
    Malformed {
        /// What the library says.
        #[from]
        source: ParquetError,
    },
    /// The Parquet library cannot make Arrow arrays of them.
    #[error("not a readable Parquet file")]
    Undecodable {
        /// What the library says.
        #[from]
        source: ArrowError,
    },
    /// A column is not there.
    #[error("table {table} has no column {column}; expected one of type {expected}")]
    MissingColumn {
        /// The table's name, without a grain.
        table: &'static str,
        /// The column.
        column: &'static str,
        /// Its type by the schema.
        expected: DataType,
    },
    /// A column is of another type.
    #[error("column {column} of table {table} is of type {found}; expected {expected}")]
    WrongType {
        /// The table's name, without a grain.
        table: &'static str,
        /// The column.
        column: &'static str,
        /// Its type in the file.
        found: DataType,
        /// Its type by the schema.
        expected: DataType,
    },
    /// A value is null that must not be.
    #[error("column {column} of table {table} holds a null; expected a value in every row")]
    Null {
        /// The table's name, without a grain.
        table: &'static str,
        /// The column.
        column: &'static str,
    },
    /// An amount of money is none.
    #[error("column {column} of table {table} holds {cents} cents; expected 0 to {}", Cents::MAX.get())]
    Money {
        /// The table's name, without a grain.
        table: &'static str,
        /// The column.
        column: &'static str,
        /// The value found.
        cents: i128,
    },
}

/// Decodes the rows of a complete Parquet file. The file's columns may stand in any order, and others may stand beside
/// them; those of the table must be there with exactly its types. Only a column that may be null may be missing: the file is then of
/// an earlier version, and the column is null in all its rows.
///
/// # Errors
/// [`ParquetDecodeError`]: where the bytes are no Parquet file, or not of this table.
pub fn rows(schema: &'static TableSchema, parquet: impl Into<Bytes>) -> Result<Rows, ParquetDecodeError> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(parquet.into())?.build()?;
    let mut rows = Rows::new(schema);
    for batch in reader {
        append_batch(&mut rows, &batch?)?;
    }
    Ok(rows)
}

/// The number of rows of a complete Parquet file, from its footer alone.
///
/// # Errors
/// Where the bytes are no Parquet file.
pub fn row_count(parquet: impl Into<Bytes>) -> Result<usize, ParquetDecodeError> {
    let metadata = ParquetMetaDataReader::new().parse_and_finish(&parquet.into())?;
    Ok(usize::try_from(metadata.file_metadata().num_rows()).unwrap_or(0))
}

/// Appends the rows of an Arrow batch read from a file of the table.
///
/// # Errors
/// [`ParquetDecodeError`]: where the batch is not of this table. Nothing is appended then.
pub fn append_batch(rows: &mut Rows, batch: &RecordBatch) -> Result<(), ParquetDecodeError> {
    let schema = rows.schema();
    let values = schema.columns().map(|column| {
        let (table, name, expected) = (schema.name, column.name, data_type(column.kind));
        let array = match batch.column_by_name(name) {
            Some(array) => array,
            None if column.nullable => return Ok(None),
            None => return Err(ParquetDecodeError::MissingColumn { table, column: name, expected }),
        };
        if !column.nullable && array.null_count() > 0 {
            return Err(ParquetDecodeError::Null { table, column: name });
        }
        let values = Values::of(array.as_ref(), column.kind).ok_or_else(|| ParquetDecodeError::WrongType {
            table,
            column: name,
            found: array.data_type().clone(),
            expected,
        })?;
        values.check().map_err(|cents| ParquetDecodeError::Money { table, column: name, cents })?;
        Ok(Some((values, array.as_ref())))
    });
    let values = values.collect::<Result<Vec<_>, _>>()?;
    let mut cells = Vec::with_capacity(values.len());
    for row in 0..batch.num_rows() {
        cells.clear();
        cells.extend(values.iter().map(|column| match column {
            Some((values, array)) if !array.is_null(row) => values.cell(row),
            Some(_) | None => Cell::Null,
        }));
        rows.push(&cells);
    }
    Ok(())
}

/// An array of one of the types there are.
enum Values<'a> {
    Timestamp(&'a TimestampMicrosecondArray),
    Int32(&'a Int32Array),
    Int64(&'a Int64Array),
    Money(&'a Decimal128Array),
    Double(&'a Float64Array),
    Text(&'a StringArray),
    Bytes(&'a BinaryArray),
}

impl<'a> Values<'a> {
    /// `None` where the array's type is not exactly the one of `kind`.
    fn of(array: &'a dyn Array, kind: ColumnType) -> Option<Values<'a>> {
        if *array.data_type() != data_type(kind) {
            return None;
        }
        let any = array.as_any();
        Some(match kind {
            ColumnType::Timestamp => Values::Timestamp(any.downcast_ref()?),
            ColumnType::Int32 => Values::Int32(any.downcast_ref()?),
            ColumnType::Int64 => Values::Int64(any.downcast_ref()?),
            ColumnType::Money => Values::Money(any.downcast_ref()?),
            ColumnType::Double => Values::Double(any.downcast_ref()?),
            ColumnType::Text => Values::Text(any.downcast_ref()?),
            ColumnType::Bytes => Values::Bytes(any.downcast_ref()?),
        })
    }

    /// The first amount that is no [`Cents`], as the error.
    fn check(&self) -> Result<(), i128> {
        let Values::Money(array) = self else { return Ok(()) };
        let refused = array.iter().flatten().find(|cents| !(0..=i128::from(Cents::MAX.get())).contains(cents));
        refused.map_or(Ok(()), Err)
    }

    fn cell(&self, row: usize) -> Cell<'a> {
        match self {
            Values::Timestamp(array) => Cell::Timestamp(EventTime::from_micros(array.value(row))),
            Values::Int32(array) => Cell::Int32(array.value(row)),
            Values::Int64(array) => Cell::Int64(array.value(row)),
            Values::Money(array) => {
                Cell::Money(Cents::new(i64::try_from(array.value(row)).expect("checked to be within Cents")))
            }
            Values::Double(array) => Cell::Double(array.value(row)),
            Values::Text(array) => Cell::Text(array.value(row)),
            Values::Bytes(array) => Cell::Bytes(array.value(row)),
        }
    }
}
