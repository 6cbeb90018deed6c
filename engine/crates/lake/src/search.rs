//! Looking for single records in tables of any size: only those row groups are read that can hold them.
//!
//! A row group is passed over by what its file's end says of it: the least and the greatest offset, source or identifier in
//! it, and Silver's filters of identifiers. Of the others the column in question is read first, and further columns only
//! where a row is found.

use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, Int64Type};
use arrow_array::{BooleanArray, RecordBatch};
use arrow_schema::ArrowError;
use engine_gold::{ParquetDecodeError, append_batch};
use engine_model::Rows;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowPredicateFn, ParquetRecordBatchReaderBuilder, RowFilter};
use parquet::errors::ParquetError;
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::statistics::Statistics;

use crate::reader::{LakeReader, LakeTable, ReadError};
use crate::store::{OpenedFile, Operation, StoreError};

/// How many rows are read at once.
const BATCH_ROWS: usize = 8 * 1024;

/// Which rows of a table are wanted.
#[derive(Clone, Copy, Debug)]
pub enum Wanted<'a> {
    /// All of them.
    All,
    /// Those of an event; for tables with the column `event_id`.
    EventId(&'a str),
    /// Those of a record.
    Place {
        /// `source`.
        source: &'a str,
        /// `partition`.
        partition: i32,
        /// `offset`.
        offset: i64,
    },
}

impl LakeReader {
    /// Hands over the rows of a table that are wanted, some thousands at a time, in the order of its files: by day, then by
    /// number. The lake may be written meanwhile; needs memory for a row group.
    ///
    /// # Errors
    /// [`ReadError`]; what was handed over before stays so.
    pub fn search(&self, table: &LakeTable, wanted: Wanted<'_>, mut each: impl FnMut(&Rows)) -> Result<(), ReadError> {
        self.search_days(table, i64::MIN, i64::MAX, wanted, &mut each)
    }

    /// The same in the local days `from_day..to_day` alone.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn search_days(
        &self,
        table: &LakeTable,
        from_day: i64,
        to_day: i64,
        wanted: Wanted<'_>,
        mut each: impl FnMut(&Rows),
    ) -> Result<(), ReadError> {
        let failed = |source| ReadError::Store { table: table.name.clone(), source };
        for path in self.files(table, from_day, to_day).map_err(failed)? {
            let file = self.store.open(&path).map_err(StoreError::of(Operation::Read, &path)).map_err(failed)?;
            search_file(table, file, wanted, &mut each).map_err(|source| decode(&path, source))?;
        }
        Ok(())
    }
}

fn decode(path: &Path, source: ParquetDecodeError) -> ReadError {
    ReadError::Decode { path: path.to_owned(), source }
}

fn search_file(
    table: &LakeTable,
    file: OpenedFile,
    wanted: Wanted<'_>,
    each: &mut impl FnMut(&Rows),
) -> Result<(), ParquetDecodeError> {
    let mut reader = ParquetRecordBatchReaderBuilder::try_new(file)?;
    let mut groups = Vec::new();
    for index in 0..reader.metadata().num_row_groups() {
        if may_hold(reader.metadata().row_group(index), wanted) && passes_filter(&reader, index, wanted)? {
            groups.push(index);
        }
    }
    if groups.is_empty() {
        return Ok(());
    }
    reader = reader.with_row_groups(groups).with_batch_size(BATCH_ROWS);
    if let Some(filter) = row_filter(&reader, wanted) {
        reader = reader.with_row_filter(filter);
    }
    let mut rows = Rows::new(table.schema);
    for batch in reader.build()? {
        append_batch(&mut rows, &batch?)?;
        if !rows.is_empty() {
            each(&rows);
            rows.clear();
        }
    }
    Ok(())
}

/// Whether the bounds of a row group leave room for what is wanted.
fn may_hold(group: &RowGroupMetaData, wanted: Wanted<'_>) -> bool {
    let within = |name: &str, holds: &dyn Fn(&Statistics) -> bool| {
        let column = group.columns().iter().find(|column| column.column_path().string() == name);
        column.and_then(|column| column.statistics()).is_none_or(holds)
    };
    let text = |value: &str| {
        let value = value.as_bytes().to_owned();
        move |statistics: &Statistics| {
            let (least, greatest) = (statistics.min_bytes_opt(), statistics.max_bytes_opt());
            least.is_none_or(|least| least <= &value[..]) && greatest.is_none_or(|greatest| &value[..] <= greatest)
        }
    };
    match wanted {
        Wanted::All => true,
        Wanted::EventId(id) => within("event_id", &text(id)),
        Wanted::Place { source, offset, .. } => {
            let holds_offset = |statistics: &Statistics| match statistics {
                Statistics::Int64(bounds) => {
                    bounds.min_opt().is_none_or(|least| *least <= offset)
                        && bounds.max_opt().is_none_or(|greatest| offset <= *greatest)
                }
                _ => true,
            };
            within("offset", &holds_offset) && within("source", &text(source))
        }
    }
}

/// Whether the row group's filter of identifiers, where it has one, leaves room for what is wanted.
fn passes_filter(
    reader: &ParquetRecordBatchReaderBuilder<OpenedFile>,
    group: usize,
    wanted: Wanted<'_>,
) -> Result<bool, ParquetError> {
    let Wanted::EventId(id) = wanted else { return Ok(true) };
    let columns = reader.metadata().row_group(group).columns();
    let Some(column) = columns.iter().position(|column| column.column_path().string() == "event_id") else {
        return Ok(true);
    };
    let filter = reader.get_row_group_column_bloom_filter(group, column)?;
    Ok(filter.is_none_or(|filter| filter.check(id)))
}

fn row_filter(reader: &ParquetRecordBatchReaderBuilder<OpenedFile>, wanted: Wanted<'_>) -> Option<RowFilter> {
    let mask = |columns: &[&str]| ProjectionMask::columns(reader.parquet_schema(), columns.iter().copied());
    let column = |batch: &RecordBatch, name: &str| {
        let column = batch.column_by_name(name).cloned();
        column.ok_or_else(|| ArrowError::SchemaError(format!("there is no column {name}")))
    };
    Some(match wanted {
        Wanted::All => return None,
        Wanted::EventId(id) => {
            let id = id.to_owned();
            RowFilter::new(vec![Box::new(ArrowPredicateFn::new(mask(&["event_id"]), move |batch| {
                let ids = column(&batch, "event_id")?;
                Ok(ids.as_string::<i32>().iter().map(|value| Some(value == Some(&id))).collect())
            }))])
        }
        Wanted::Place { source, partition, offset } => {
            let source = source.to_owned();
            RowFilter::new(vec![
                Box::new(ArrowPredicateFn::new(mask(&["offset"]), move |batch| {
                    let offsets = column(&batch, "offset")?;
                    Ok(BooleanArray::from_unary(offsets.as_primitive::<Int64Type>(), |value| value == offset))
                })),
                Box::new(ArrowPredicateFn::new(mask(&["source", "partition"]), move |batch| {
                    let (sources, partitions) = (column(&batch, "source")?, column(&batch, "partition")?);
                    let places = sources.as_string::<i32>().iter().zip(partitions.as_primitive::<Int32Type>());
                    Ok(places.map(|place| Some(place == (Some(&source), Some(partition)))).collect())
                })),
            ])
        }
    })
}

#[cfg(test)]
mod tests;
