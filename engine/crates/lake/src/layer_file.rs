//! A Parquet file of Bronze or Silver that grows: rows come a few thousand at a time, are encoded at once, and what is
//! encoded leaves memory with each row group.
//!
//! A file may also go on from an earlier one of fewer rows: that one's row groups are copied as they are, without being
//! decoded. So a file that is shown again and again with more rows costs its bytes each time, and never an encoding.
//!
//! The encodings were chosen by measuring; docs/layers.md has the table and the command.

use std::path::Path;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use bytes::Bytes;
use engine_gold::{CREATED_BY, ParquetEncodeError, arrow_schema, record_batch};
use engine_model::Rows;
use engine_model::gold::{ColumnType, TableSchema};
use engine_model::silver::EVENTS;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::{ArrowColumnWriter, ArrowRowGroupWriterFactory, ArrowWriterOptions, compute_leaves};
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::bloom_filter::Sbbf;
use parquet::column::writer::ColumnCloseResult;
use parquet::errors::ParquetError;
use parquet::file::metadata::ParquetMetaDataReader;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::ColumnPath;

use crate::store::{Operation, Store, StoreError};

/// The most rows in one row group: what a reader needs in memory at once, and what a filter of identifiers speaks of.
pub const ROW_GROUP_ROWS_MAX: usize = 256 * 1024;

/// About the most encoded bytes in one row group; only lines of many kilobytes come near it.
const ROW_GROUP_BYTES_MAX: usize = 64 << 20;

/// How often the filter of identifiers says that one may be there that is not.
const FILTER_ERROR: f64 = 0.01;

/// How the pages of a file are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// Not at all.
    None,
    /// What every reader takes.
    Snappy,
    /// LZ4, without its frame.
    Lz4,
    /// Zstandard, at its fastest level.
    Zstd,
}

/// How values that mostly differ are laid out in a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// One after another.
    Plain,
    /// As numbers of the entries of a dictionary, as long as that stays small.
    Dictionary,
    /// Numbers as differences; of texts the lengths, and then the texts.
    Delta,
}

/// How a table is encoded.
#[derive(Clone, Copy, Debug)]
pub struct LayerEncoding {
    /// The codec of every page.
    pub codec: Codec,
    /// Instants and integers.
    pub numbers: Layout,
    /// Identifiers of which nearly every row has one of its own, and raw lines; raw lines never have a dictionary. All
    /// other texts have one.
    pub identifiers: Layout,
    /// Whether each row group has a filter that says which values of `event_id` it cannot hold.
    pub has_filter: bool,
}

impl LayerEncoding {
    /// What was measured best for a table.
    #[must_use]
    pub fn of(table: &TableSchema) -> LayerEncoding {
        // A raw line is long, and what is alike in the next one lies nearer without the lengths taken out.
        let identifiers = if table.name == EVENTS.name { Layout::Plain } else { Layout::Delta };
        LayerEncoding { codec: Codec::Zstd, numbers: Layout::Delta, identifiers, has_filter: true }
    }

    fn properties(self, table: &TableSchema) -> WriterProperties {
        let mut properties = WriterProperties::builder()
            .set_created_by(CREATED_BY.to_owned())
            .set_compression(match self.codec {
                Codec::None => Compression::UNCOMPRESSED,
                Codec::Snappy => Compression::SNAPPY,
                Codec::Lz4 => Compression::LZ4_RAW,
                Codec::Zstd => Compression::ZSTD(ZstdLevel::default()),
            })
            .set_max_row_group_row_count(Some(ROW_GROUP_ROWS_MAX))
            .set_statistics_enabled(EnabledStatistics::Chunk)
            .set_offset_index_disabled(true);
        for column in table.columns() {
            let path = ColumnPath::from(column.name);
            let is_raw = column.kind == ColumnType::Bytes;
            let is_number = matches!(column.kind, ColumnType::Timestamp | ColumnType::Int32 | ColumnType::Int64);
            let layout = match is_number {
                _ if column.name == "partition" => Layout::Dictionary,
                true => self.numbers,
                false if is_raw || is_mostly_distinct(column.name) => self.identifiers,
                false => Layout::Dictionary,
            };
            if layout != Layout::Dictionary || is_raw {
                let encoding = match layout {
                    Layout::Delta if is_number => Encoding::DELTA_BINARY_PACKED,
                    Layout::Delta => Encoding::DELTA_LENGTH_BYTE_ARRAY,
                    Layout::Plain | Layout::Dictionary => Encoding::PLAIN,
                };
                properties = properties
                    .set_column_dictionary_enabled(path.clone(), false)
                    .set_column_encoding(path.clone(), encoding);
            }
            if is_raw {
                properties = properties.set_column_statistics_enabled(path.clone(), EnabledStatistics::None);
            }
            if column.name == "event_id" && self.has_filter {
                properties = properties
                    .set_column_bloom_filter_fpp(path.clone(), FILTER_ERROR)
                    .set_column_bloom_filter_max_ndv(path, ROW_GROUP_ROWS_MAX as u64);
            }
        }
        properties.build()
    }
}

/// Rows of Bronze or Silver as one complete file, as a [`LakeWriter`](crate::LakeWriter) writes it: for measuring what an
/// encoding costs.
///
/// # Errors
/// Where the Parquet library refuses the rows.
///
/// # Panics
/// Where there are no rows, not even an empty part.
pub fn layer_bytes(parts: &[Rows], encoding: LayerEncoding) -> Result<Vec<u8>, ParquetEncodeError> {
    let table = parts.first().expect("rows of a table").schema();
    let mut file = LayerFile::new(table, encoding)?;
    for rows in parts {
        file.encode(&record_batch(rows)).map_err(refused(table, rows.len()))?;
    }
    file.end().map_err(refused(table, file.rows))?;
    Ok(std::mem::take(file.writer.inner_mut()))
}

/// Whether nearly every row of an identifier's column has one of its own, so that a dictionary would be the column, twice.
fn is_mostly_distinct(column: &str) -> bool {
    matches!(column, "event_id" | "session_id" | "customer_id" | "order_id" | "payment_id")
}

/// Why a file could not be written on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LayerFileError {
    /// Storage failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The Parquet library refused the rows.
    #[error(transparent)]
    Encode(#[from] ParquetEncodeError),
}

/// A file that grows. Nobody reads it before [`LayerFile::finish`].
pub(crate) struct LayerFile {
    table: &'static TableSchema,
    schema: SchemaRef,
    writer: SerializedFileWriter<Vec<u8>>,
    groups: ArrowRowGroupWriterFactory,
    /// The row group that is being filled.
    group: Vec<ArrowColumnWriter>,
    group_rows: usize,
    group_count: usize,
    rows: usize,
    /// How much of the file is stored, and what is encoded beyond it.
    stored: u64,
    unstored: Vec<u8>,
    is_finished: bool,
}

impl std::fmt::Debug for LayerFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LayerFile({}, {} rows, {} bytes stored)", self.table.name, self.rows, self.stored)
    }
}

impl LayerFile {
    /// A file without rows.
    pub(crate) fn new(table: &'static TableSchema, encoding: LayerEncoding) -> Result<LayerFile, ParquetEncodeError> {
        LayerFile::open(table, encoding).map_err(refused(table, 0))
    }

    fn open(table: &'static TableSchema, encoding: LayerEncoding) -> Result<LayerFile, ParquetError> {
        let options = ArrowWriterOptions::new()
            .with_properties(encoding.properties(table))
            .with_schema_root(table.name.to_owned())
            .with_skip_arrow_metadata(true);
        let schema = arrow_schema(table);
        let writer = ArrowWriter::try_new_with_options(Vec::new(), schema.clone(), options)?;
        let (writer, groups) = writer.into_serialized_writer()?;
        Ok(LayerFile {
            table,
            schema,
            writer,
            groups,
            group: Vec::new(),
            group_rows: 0,
            group_count: 0,
            rows: 0,
            stored: 0,
            unstored: Vec::new(),
            is_finished: false,
        })
    }

    /// A file that begins with the row groups of a complete one of the same table.
    pub(crate) fn continuing(
        table: &'static TableSchema,
        encoding: LayerEncoding,
        earlier: Vec<u8>,
    ) -> Result<LayerFile, ParquetEncodeError> {
        let mut file = LayerFile::new(table, encoding)?;
        file.copy(&earlier.into()).map_err(refused(table, file.rows))?;
        Ok(file)
    }

    fn copy(&mut self, earlier: &Bytes) -> Result<(), ParquetError> {
        let metadata = ParquetMetaDataReader::new().parse_and_finish(earlier)?;
        for group in metadata.row_groups() {
            let rows = group.num_rows();
            let mut to = self.writer.next_row_group()?;
            for column in group.columns() {
                let copied = ColumnCloseResult {
                    bytes_written: u64::try_from(column.compressed_size()).unwrap_or(0),
                    rows_written: u64::try_from(rows).unwrap_or(0),
                    metadata: column.clone(),
                    bloom_filter: Sbbf::read_from_column_chunk(column, earlier)?,
                    column_index: None,
                    offset_index: None,
                };
                to.append_column(earlier, copied)?;
            }
            to.close()?;
            self.group_count += 1;
            self.rows += usize::try_from(rows).unwrap_or(0);
        }
        Ok(())
    }

    /// How many rows it has.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// About how many bytes it has.
    pub(crate) fn bytes(&self) -> usize {
        let group: usize = self.group.iter().map(ArrowColumnWriter::get_estimated_total_bytes).sum();
        self.writer.bytes_written() + group
    }

    /// Takes rows in, and stores what has become a whole row group in the file at `path`.
    ///
    /// # Errors
    /// Where encoding or storage fails. The rows are taken all the same where it is storage.
    pub(crate) fn write(&mut self, rows: &Rows, store: &dyn Store, path: &Path) -> Result<(), LayerFileError> {
        self.encode(&record_batch(rows)).map_err(refused(self.table, rows.len()))?;
        Ok(self.store(store, path)?)
    }

    fn encode(&mut self, batch: &RecordBatch) -> Result<(), ParquetError> {
        let mut first = 0;
        while first < batch.num_rows() {
            if self.group.is_empty() {
                self.group = self.groups.create_column_writers(self.group_count)?;
            }
            let count = (batch.num_rows() - first).min(ROW_GROUP_ROWS_MAX - self.group_rows);
            let part = batch.slice(first, count);
            let fields = self.schema.fields().iter().zip(part.columns());
            // Without nesting there is one leaf a column.
            let leaves = fields.map(|(field, array)| compute_leaves(field, array));
            for (writer, leaves) in self.group.iter_mut().zip(leaves) {
                leaves?.iter().try_for_each(|leaf| writer.write(leaf))?;
            }
            self.group_rows += count;
            self.rows += count;
            first += count;
            let bytes: usize = self.group.iter().map(ArrowColumnWriter::memory_size).sum();
            if self.group_rows == ROW_GROUP_ROWS_MAX || bytes >= ROW_GROUP_BYTES_MAX {
                self.close_group()?;
            }
        }
        Ok(())
    }

    fn close_group(&mut self) -> Result<(), ParquetError> {
        if self.group_rows == 0 {
            return Ok(());
        }
        let mut to = self.writer.next_row_group()?;
        for column in self.group.drain(..) {
            column.close()?.append_to_row_group(&mut to)?;
        }
        to.close()?;
        self.group_count += 1;
        self.group_rows = 0;
        Ok(())
    }

    /// Stores what is encoded and not yet stored. Asked again after an error, it goes on.
    fn store(&mut self, store: &dyn Store, path: &Path) -> Result<(), StoreError> {
        self.unstored.append(self.writer.inner_mut());
        if !self.unstored.is_empty() {
            store.write_part(path, self.stored, &self.unstored).map_err(StoreError::of(Operation::Write, path))?;
            self.stored += self.unstored.len() as u64;
            self.unstored.clear();
        }
        Ok(())
    }

    /// Makes the file at `path` complete and durable; returns its length. Asked again after an error, it goes on; no
    /// further rows can be written.
    pub(crate) fn finish(&mut self, store: &dyn Store, path: &Path) -> Result<u64, LayerFileError> {
        if !self.is_finished {
            self.end().map_err(refused(self.table, self.rows))?;
            self.is_finished = true;
        }
        self.store(store, path)?;
        store.sync(path).map_err(StoreError::of(Operation::Write, path))?;
        Ok(self.stored)
    }

    fn end(&mut self) -> Result<(), ParquetError> {
        self.close_group()?;
        self.writer.finish()?;
        Ok(())
    }
}

fn refused(table: &'static TableSchema, rows: usize) -> impl FnOnce(ParquetError) -> ParquetEncodeError {
    move |source| ParquetEncodeError::Refused { table: table.name, rows, source }
}
