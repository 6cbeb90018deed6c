//! Rows of a table, by column: what the merge writes, and what Parquet, JSON, the page and the tests read.

use crate::gold::{ColumnType, TableSchema};
use crate::units::{Cents, EventTime};

/// The value of one column in one row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cell<'a> {
    /// No value.
    Null,
    /// An instant.
    Timestamp(EventTime),
    /// A small integer.
    Int32(i32),
    /// An integer.
    Int64(i64),
    /// Money.
    Money(Cents),
    /// A rate or a span.
    Double(f64),
    /// UTF-8.
    Text(&'a str),
    /// Raw bytes.
    Bytes(&'a [u8]),
}

/// The values of one column. Where a value is null, the vector holds a zero (or an empty text) in its place.
#[derive(Clone, Debug, PartialEq)]
pub enum ColumnData {
    /// Microseconds since the epoch, UTC.
    Timestamp(Vec<i64>),
    /// Small integers.
    Int32(Vec<i32>),
    /// Integers.
    Int64(Vec<i64>),
    /// Cents.
    Money(Vec<i64>),
    /// Rates and spans.
    Double(Vec<f64>),
    /// UTF-8 texts: value `i` is `bytes[ends[i-1]..ends[i]]`.
    Text {
        /// All values one after another.
        bytes: Vec<u8>,
        /// Where each value ends.
        ends: Vec<usize>,
    },
    /// Raw bytes, laid out like `Text`.
    Bytes {
        /// All values one after another.
        bytes: Vec<u8>,
        /// Where each value ends.
        ends: Vec<usize>,
    },
}

impl ColumnData {
    fn new(kind: ColumnType) -> ColumnData {
        match kind {
            ColumnType::Timestamp => ColumnData::Timestamp(Vec::new()),
            ColumnType::Int32 => ColumnData::Int32(Vec::new()),
            ColumnType::Int64 => ColumnData::Int64(Vec::new()),
            ColumnType::Money => ColumnData::Money(Vec::new()),
            ColumnType::Double => ColumnData::Double(Vec::new()),
            ColumnType::Text => ColumnData::Text { bytes: Vec::new(), ends: Vec::new() },
            ColumnType::Bytes => ColumnData::Bytes { bytes: Vec::new(), ends: Vec::new() },
        }
    }

    fn push(&mut self, cell: Cell<'_>) {
        match (self, cell) {
            (ColumnData::Timestamp(values), Cell::Timestamp(time)) => values.push(time.as_micros()),
            (ColumnData::Int32(values), Cell::Int32(value)) => values.push(value),
            (ColumnData::Int64(values), Cell::Int64(value)) => values.push(value),
            (ColumnData::Money(values), Cell::Money(cents)) => values.push(cents.get()),
            (ColumnData::Double(values), Cell::Double(value)) => values.push(value),
            (ColumnData::Text { bytes, ends }, Cell::Text(text)) => {
                bytes.extend_from_slice(text.as_bytes());
                ends.push(bytes.len());
            }
            (ColumnData::Bytes { bytes, ends }, Cell::Bytes(value)) => {
                bytes.extend_from_slice(value);
                ends.push(bytes.len());
            }
            (ColumnData::Timestamp(values) | ColumnData::Int64(values) | ColumnData::Money(values), Cell::Null) => {
                values.push(0);
            }
            (ColumnData::Int32(values), Cell::Null) => values.push(0),
            (ColumnData::Double(values), Cell::Null) => values.push(0.0),
            (ColumnData::Text { bytes, ends } | ColumnData::Bytes { bytes, ends }, Cell::Null) => {
                ends.push(bytes.len());
            }
            (column, cell) => panic!("cell {cell:?} does not fit column {column:?}"),
        }
    }

    fn cell(&self, row: usize) -> Cell<'_> {
        let slice = |bytes, ends: &[usize]| -> &[u8] {
            let bytes: &Vec<u8> = bytes;
            let first = if row == 0 { 0 } else { ends[row - 1] };
            &bytes[first..ends[row]]
        };
        match self {
            ColumnData::Timestamp(values) => Cell::Timestamp(EventTime::from_micros(values[row])),
            ColumnData::Int32(values) => Cell::Int32(values[row]),
            ColumnData::Int64(values) => Cell::Int64(values[row]),
            ColumnData::Money(values) => Cell::Money(Cents::new(values[row])),
            ColumnData::Double(values) => Cell::Double(values[row]),
            ColumnData::Text { bytes, ends } => {
                Cell::Text(std::str::from_utf8(slice(bytes, ends)).expect("texts came in as UTF-8"))
            }
            ColumnData::Bytes { bytes, ends } => Cell::Bytes(slice(bytes, ends)),
        }
    }

    fn clear(&mut self) {
        match self {
            ColumnData::Timestamp(values) | ColumnData::Int64(values) | ColumnData::Money(values) => values.clear(),
            ColumnData::Int32(values) => values.clear(),
            ColumnData::Double(values) => values.clear(),
            ColumnData::Text { bytes, ends } | ColumnData::Bytes { bytes, ends } => {
                bytes.clear();
                ends.clear();
            }
        }
    }
}

/// Rows of one table, by column.
#[derive(Clone, Debug)]
pub struct Rows {
    schema: &'static TableSchema,
    columns: Vec<ColumnData>,
    /// For each column that may be null: one flag a row, true where there is a value. Empty for the others.
    present: Vec<Vec<bool>>,
    len: usize,
}

impl Rows {
    /// No rows of the given table.
    #[must_use]
    pub fn new(schema: &'static TableSchema) -> Rows {
        let columns: Vec<ColumnData> = schema.columns().map(|column| ColumnData::new(column.kind)).collect();
        Rows { schema, present: vec![Vec::new(); columns.len()], columns, len: 0 }
    }

    /// The table's schema.
    #[must_use]
    pub fn schema(&self) -> &'static TableSchema {
        self.schema
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Appends one row, its cells in the order of the schema's columns.
    ///
    /// # Panics
    /// Where the number or type of the cells is not the schema's, or a null stands where none is allowed.
    pub fn push(&mut self, cells: &[Cell<'_>]) {
        assert_eq!(cells.len(), self.columns.len(), "cells of a row of {}", self.schema.name);
        for (index, (column, &cell)) in self.schema.columns().zip(cells).enumerate() {
            if column.nullable {
                self.present[index].push(cell != Cell::Null);
            } else {
                assert!(cell != Cell::Null, "null in {}.{}", self.schema.name, column.name);
            }
            self.columns[index].push(cell);
        }
        self.len += 1;
    }

    /// Appends all rows of `other`, a table of the same schema.
    ///
    /// # Panics
    /// Where the schemas differ.
    pub fn append(&mut self, other: &Rows) {
        assert_eq!(self.schema.name, other.schema.name, "rows of different tables");
        for (column, more) in self.columns.iter_mut().zip(&other.columns) {
            match (column, more) {
                (ColumnData::Timestamp(values), ColumnData::Timestamp(more))
                | (ColumnData::Int64(values), ColumnData::Int64(more))
                | (ColumnData::Money(values), ColumnData::Money(more)) => values.extend_from_slice(more),
                (ColumnData::Int32(values), ColumnData::Int32(more)) => values.extend_from_slice(more),
                (ColumnData::Double(values), ColumnData::Double(more)) => values.extend_from_slice(more),
                (
                    ColumnData::Text { bytes, ends } | ColumnData::Bytes { bytes, ends },
                    ColumnData::Text { bytes: more, ends: more_ends }
                    | ColumnData::Bytes { bytes: more, ends: more_ends },
                ) => {
                    let base = bytes.len();
                    bytes.extend_from_slice(more);
                    ends.extend(more_ends.iter().map(|end| base + end));
                }
                (column, more) => unreachable!("one schema, two types: {column:?} and {more:?}"),
            }
        }
        for (flags, more) in self.present.iter_mut().zip(&other.present) {
            flags.extend_from_slice(more);
        }
        self.len += other.len;
    }

    /// Removes all rows; keeps the memory.
    pub fn clear(&mut self) {
        self.columns.iter_mut().for_each(ColumnData::clear);
        self.present.iter_mut().for_each(Vec::clear);
        self.len = 0;
    }

    /// The value of a column, by the column's place in the schema, in a row.
    ///
    /// # Panics
    /// Where there is no such row or column.
    #[must_use]
    pub fn cell(&self, row: usize, column: usize) -> Cell<'_> {
        if self.present[column].get(row) == Some(&false) {
            return Cell::Null;
        }
        self.columns[column].cell(row)
    }

    /// The values of a column, and for one that may be null the flags that say where there is a value.
    ///
    /// # Panics
    /// Where there is no such column.
    #[must_use]
    pub fn column(&self, column: usize) -> (&ColumnData, Option<&[bool]>) {
        let nullable = self.schema.columns().nth(column).expect("a column of the schema").nullable;
        (&self.columns[column], nullable.then_some(self.present[column].as_slice()))
    }

    /// About how many bytes the values take in memory.
    #[must_use]
    pub fn byte_size(&self) -> usize {
        self.columns
            .iter()
            .map(|column| match column {
                ColumnData::Int32(values) => values.len() * 4,
                ColumnData::Timestamp(values) | ColumnData::Int64(values) | ColumnData::Money(values) => {
                    values.len() * 8
                }
                ColumnData::Double(values) => values.len() * 8,
                ColumnData::Text { bytes, ends } | ColumnData::Bytes { bytes, ends } => bytes.len() + ends.len() * 8,
            })
            .sum()
    }
}
