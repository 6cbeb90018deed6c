//! A complete Parquet file in memory, kept to what the narrowest reader takes: Power BI's.
//!
//! Snappy, data page V1, plain or dictionary encoding, no nesting, `DECIMAL(18,2)` as 64-bit integer, timestamps in
//! microseconds adjusted to UTC. No delta encoding, no INT96, no unsigned integer, no page index, no bloom filter.
//!
//! The `ARROW:schema` entry that Arrow writers add is left out: every type here has an exact Parquet counterpart, so
//! the entry would say nothing new; without it the footer is the one description of the file, the same for readers
//! that know Arrow and for those that do not, and a small file is half a kilobyte smaller.

use arrow_schema::SchemaRef;
use engine_model::Rows;
use engine_model::gold::{ColumnType, TableSchema};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, Encoding};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterVersion};
use parquet::schema::types::ColumnPath;

use crate::batch::{arrow_schema, slice};

/// Who wrote the file, in the form the Parquet format asks for; readers that cannot parse it distrust statistics.
pub const CREATED_BY: &str = concat!("tillrace version ", env!("CARGO_PKG_VERSION"));

/// The most rows in one row group, so that a reader needs no more than that in memory at once.
pub const ROW_GROUP_ROWS_MAX: usize = 128 * 1024;

/// The most rows that are copied into Arrow at once. With texts of at most 65 536 bytes, the longest there are, a
/// column of so many rows has at most 1 GiB; Arrow can address 2 GiB.
const SLICE_ROWS_MAX: usize = 16 * 1024;

/// About how many bytes are copied at once: the encoder looks at a row group's size only between slices.
const SLICE_BYTES: usize = 8 << 20;

/// About the most bytes in one row group; only raw lines come near it.
const ROW_GROUP_BYTES_MAX: usize = 64 << 20;

/// Why rows could not be made a Parquet file.
#[derive(Debug, thiserror::Error)]
pub enum ParquetEncodeError {
    /// The Parquet library refused them.
    #[error("cannot encode {rows} rows of table {table} as Parquet")]
    Refused {
        /// The table's name, without a grain.
        table: &'static str,
        /// How many rows.
        rows: usize,
        /// What the library says.
        source: ParquetError,
    },
}

/// Encodes the rows as one complete Parquet file; without rows a file of no row group, which still has the schema.
///
/// The bytes depend on the rows alone. Needs memory for the file and for one row group being encoded. A row group
/// holds at most [`ROW_GROUP_ROWS_MAX`] rows and about 64 MiB.
///
/// # Errors
/// Where the Parquet library refuses the rows; none are known that it would.
pub fn parquet(rows: &Rows) -> Result<Vec<u8>, ParquetEncodeError> {
    encode(rows, &arrow_schema(rows.schema())).map_err(|source| ParquetEncodeError::Refused {
        table: rows.schema().name,
        rows: rows.len(),
        source,
    })
}

fn encode(rows: &Rows, schema: &SchemaRef) -> Result<Vec<u8>, ParquetError> {
    let options = ArrowWriterOptions::new()
        .with_properties(properties(rows.schema()))
        .with_schema_root(rows.schema().name.to_owned())
        .with_skip_arrow_metadata(true);
    let mut writer = ArrowWriter::try_new_with_options(Vec::new(), schema.clone(), options)?;
    let row_bytes = 1 + rows.byte_size() / rows.len().max(1);
    let step = (SLICE_BYTES / row_bytes).clamp(1, SLICE_ROWS_MAX);
    for first in (0..rows.len()).step_by(step) {
        writer.write(&slice(rows, schema, first..rows.len().min(first + step)))?;
    }
    writer.into_inner()
}

fn properties(table: &TableSchema) -> WriterProperties {
    let mut properties = WriterProperties::builder()
        .set_created_by(CREATED_BY.to_owned())
        // Version 1.0 is data page V1; dictionary pages that grow too long go on as PLAIN.
        .set_writer_version(WriterVersion::PARQUET_1_0)
        .set_encoding(Encoding::PLAIN)
        .set_dictionary_enabled(true)
        .set_compression(Compression::SNAPPY)
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS_MAX))
        .set_max_row_group_bytes(Some(ROW_GROUP_BYTES_MAX))
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_offset_index_disabled(true);
    for column in table.columns() {
        // Raw lines all differ: a dictionary of them would be the column, twice.
        if column.kind == ColumnType::Bytes {
            properties = properties.set_column_dictionary_enabled(ColumnPath::from(column.name), false);
        }
    }
    properties.build()
}
