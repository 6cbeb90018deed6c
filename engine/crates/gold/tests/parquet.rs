//! Goal: every file keeps to the subset of Parquet that Power BI's reader takes, and loses nothing. Method: encode
//! rows of every table, read them back with the `parquet` crate, and look at the footer, the pages and each cell.

use arrow_array::{
    Array, BinaryArray, Decimal128Array, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use bytes::Bytes;
use engine_gold::{CREATED_BY, ROW_GROUP_ROWS_MAX, arrow_schema, parquet, record_batch};
use engine_model::gold::{ColumnType, GOLD, QUARANTINE, TableSchema};
use engine_model::{Cell, Cents, EventTime, Rows};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, Encoding, LogicalType, PageType, Repetition, TimeUnit, Type};
use parquet::column::page::Page;
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::reader::{FileReader, SerializedFileReader};
use proptest::prelude::*;

fn all_tables() -> impl Iterator<Item = &'static TableSchema> {
    GOLD.into_iter().chain(QUARANTINE)
}

/// A value of its own for each seed, and the ends of the type among the first.
fn cell(kind: ColumnType, seed: u64, text: &str) -> Cell<'_> {
    let wide = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).cast_signed();
    match kind {
        ColumnType::Timestamp => Cell::Timestamp(EventTime::from_micros([-1, 0, i64::MIN, i64::MAX, wide][pick(seed)])),
        ColumnType::Int32 => Cell::Int32([-1, 0, i32::MIN, i32::MAX, (wide >> 32) as i32][pick(seed)]),
        ColumnType::Int64 => Cell::Int64([-1, 0, i64::MIN, i64::MAX, wide][pick(seed)]),
        ColumnType::Money => {
            let any = Cents::new(wide.rem_euclid(Cents::MAX.get()));
            Cell::Money([Cents::ZERO, Cents::MAX, Cents::EVENT_MAX, Cents::new(1), any][pick(seed)])
        }
        ColumnType::Double => {
            Cell::Double([-0.5, 0.0, f64::MIN, f64::MAX, f64::from_bits(0x4005_BF0A_8B14_5769)][pick(seed)])
        }
        ColumnType::Text => Cell::Text(text),
        ColumnType::Bytes => Cell::Bytes(if seed == 1 { b"\xff\0\xfe not UTF-8" } else { text.as_bytes() }),
    }
}

fn pick(seed: u64) -> usize {
    usize::try_from(seed.min(4)).unwrap()
}

/// `count` rows; of the columns that may be null every third is.
fn generated(table: &'static TableSchema, count: u64) -> Rows {
    let mut rows = Rows::new(table);
    for seed in 0..count {
        let text = if seed == 0 { String::new() } else { format!("ünicode {seed}") };
        let cells: Vec<Cell<'_>> = table
            .columns()
            .map(|column| if column.nullable && seed % 3 == 1 { Cell::Null } else { cell(column.kind, seed, &text) })
            .collect();
        rows.push(&cells);
    }
    rows
}

fn open(rows: &Rows) -> SerializedFileReader<Bytes> {
    SerializedFileReader::new(Bytes::from(parquet(rows).unwrap())).unwrap()
}

fn read(rows: &Rows) -> Vec<RecordBatch> {
    let bytes = Bytes::from(parquet(rows).unwrap());
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap();
    assert_eq!(reader.schema().fields(), arrow_schema(rows.schema()).fields(), "{}", rows.schema().name);
    reader.build().unwrap().map(Result::unwrap).collect()
}

fn cell_of(array: &dyn Array, kind: ColumnType, row: usize) -> Cell<'_> {
    fn down<T: 'static>(array: &dyn Array) -> &T {
        array.as_any().downcast_ref().unwrap()
    }
    if array.is_null(row) {
        return Cell::Null;
    }
    match kind {
        ColumnType::Timestamp => {
            Cell::Timestamp(EventTime::from_micros(down::<TimestampMicrosecondArray>(array).value(row)))
        }
        ColumnType::Int32 => Cell::Int32(down::<Int32Array>(array).value(row)),
        ColumnType::Int64 => Cell::Int64(down::<Int64Array>(array).value(row)),
        ColumnType::Money => Cell::Money(Cents::new(i64::try_from(down::<Decimal128Array>(array).value(row)).unwrap())),
        ColumnType::Double => Cell::Double(down::<Float64Array>(array).value(row)),
        ColumnType::Text => Cell::Text(down::<StringArray>(array).value(row)),
        ColumnType::Bytes => Cell::Bytes(down::<BinaryArray>(array).value(row)),
    }
}

fn assert_survives(rows: &Rows) {
    let mut first = 0;
    for batch in read(rows) {
        for (index, column) in rows.schema().columns().enumerate() {
            for row in 0..batch.num_rows() {
                let got = cell_of(batch.column(index), column.kind, row);
                assert_eq!(got, rows.cell(first + row, index), "{} in row {}", column.name, first + row);
            }
        }
        first += batch.num_rows();
    }
    assert_eq!(first, rows.len());
}

#[test]
fn every_cell_of_every_table_comes_back() {
    all_tables().for_each(|table| assert_survives(&generated(table, 50)));
}

#[test]
fn a_batch_has_the_schema_and_the_rows() {
    for table in all_tables() {
        for count in [0, 1, 7] {
            let rows = generated(table, count);
            let batch = record_batch(&rows);
            assert_eq!(batch.schema(), arrow_schema(table));
            assert_eq!(batch.num_rows(), rows.len());
        }
    }
}

/// The physical type and the annotation each kind of column has on disk.
fn on_disk(kind: ColumnType) -> (Type, Option<LogicalType>) {
    match kind {
        ColumnType::Timestamp => (Type::INT64, Some(LogicalType::timestamp(true, TimeUnit::MICROS))),
        ColumnType::Int32 => (Type::INT32, None),
        ColumnType::Int64 => (Type::INT64, None),
        ColumnType::Money => (Type::INT64, Some(LogicalType::decimal(2, 18))),
        ColumnType::Double => (Type::DOUBLE, None),
        ColumnType::Text => (Type::BYTE_ARRAY, Some(LogicalType::String)),
        ColumnType::Bytes => (Type::BYTE_ARRAY, None),
    }
}

#[test]
fn every_column_is_stored_as_the_subset_says() {
    for table in all_tables() {
        let file = open(&generated(table, 50));
        let schema = file.metadata().file_metadata().schema_descr();
        assert_eq!(schema.root_schema().get_fields().len(), schema.num_columns(), "{} nests", table.name);
        for (column, stored) in table.columns().zip(schema.columns()) {
            let name = format!("{}.{}", table.name, column.name);
            assert_eq!(stored.path().parts(), [column.name]);
            assert_eq!((stored.physical_type(), stored.logical_type_ref().cloned()), on_disk(column.kind), "{name}");
            let repetition = if column.nullable { Repetition::OPTIONAL } else { Repetition::REQUIRED };
            assert_eq!(stored.self_type().get_basic_info().repetition(), repetition, "{name}");
        }
    }
}

fn assert_in_subset(rows: &Rows) {
    let file = open(rows);
    let footer = file.metadata();
    assert_eq!(footer.file_metadata().version(), 1);
    assert_eq!(footer.file_metadata().created_by(), Some(CREATED_BY));
    assert_eq!(footer.file_metadata().key_value_metadata(), None, "no ARROW:schema");
    assert!(footer.column_index().is_none() && footer.offset_index().is_none());
    for group in 0..footer.num_row_groups() {
        let reader = file.get_row_group(group).unwrap();
        assert!(usize::try_from(reader.metadata().num_rows()).unwrap() <= ROW_GROUP_ROWS_MAX);
        for (index, column) in reader.metadata().columns().iter().enumerate() {
            let name = format!("{} of {}", column.column_path(), rows.schema().name);
            assert_eq!(column.compression(), Compression::SNAPPY, "{name}");
            assert!(column.offset_index_offset().is_none() && column.bloom_filter_offset().is_none(), "{name}");
            let allowed = [Encoding::PLAIN, Encoding::RLE, Encoding::RLE_DICTIONARY];
            assert!(column.encodings().all(|encoding| allowed.contains(&encoding)), "{name}");
            let statistics = column.statistics().unwrap_or_else(|| panic!("{name} has no statistics"));
            assert!(statistics.null_count_opt().is_some(), "{name}");
            let has_values = statistics.null_count_opt() != Some(column.num_values().cast_unsigned());
            assert_eq!(statistics.min_bytes_opt().is_some(), has_values, "{name}");
            let mut pages = reader.get_column_page_reader(index).unwrap();
            while let Some(page) = pages.get_next_page().unwrap() {
                assert_page(&page, &name);
            }
        }
    }
}

fn assert_page(page: &Page, name: &str) {
    match page {
        Page::DictionaryPage { encoding, .. } => assert_eq!(*encoding, Encoding::PLAIN, "{name}"),
        Page::DataPage { encoding, def_level_encoding, .. } => {
            assert!(matches!(encoding, Encoding::PLAIN | Encoding::RLE_DICTIONARY), "{name}");
            assert_eq!(*def_level_encoding, Encoding::RLE, "{name}");
        }
        Page::DataPageV2 { .. } => panic!("{name}: {:?}", PageType::DATA_PAGE_V2),
    }
}

#[test]
fn every_page_of_every_table_is_in_the_subset() {
    all_tables().for_each(|table| assert_in_subset(&generated(table, 50)));
}

#[test]
fn a_file_without_rows_has_the_schema() {
    for table in all_tables() {
        let rows = Rows::new(table);
        assert_eq!(open(&rows).metadata().num_row_groups(), 0);
        assert!(read(&rows).is_empty(), "{}", table.name);
        assert_in_subset(&rows);
    }
}

/// More rows than a row group holds, and more distinct texts than a dictionary does: the encoder must fall back to
/// PLAIN, not to a delta encoding.
#[test]
fn a_long_table_is_cut_into_row_groups_and_outgrows_its_dictionaries() {
    let table = all_tables().find(|table| table.name == "dim_customer").unwrap();
    let mut rows = Rows::new(table);
    let count = 2 * ROW_GROUP_ROWS_MAX + 1;
    for row in 0..count {
        let id = format!("customer {row:020}");
        let time = EventTime::from_micros(i64::try_from(row).unwrap());
        rows.push(&[Cell::Text(&id), Cell::Null, Cell::Text("vip"), Cell::Timestamp(time)]);
    }
    let file = open(&rows);
    let counts: Vec<i64> = file.metadata().row_groups().iter().map(RowGroupMetaData::num_rows).collect();
    let full = i64::try_from(ROW_GROUP_ROWS_MAX).unwrap();
    assert_eq!(counts, [full, full, 1]);
    let ids: Vec<Encoding> = file.metadata().row_group(0).column(0).encodings().collect();
    assert!(ids.contains(&Encoding::PLAIN) && ids.contains(&Encoding::RLE_DICTIONARY), "{ids:?}");
    assert_in_subset(&rows);
    assert_survives(&rows);
}

/// Raw lines are the only wide column, so they end row groups by bytes.
#[test]
fn raw_lines_are_plain_and_bound_row_groups_by_bytes() {
    let table = all_tables().find(|table| table.name == "rejected").unwrap();
    let mut rows = Rows::new(table);
    // Not compressible, so that the pages are as long as the lines.
    let mut state = 1u64;
    let mut line = vec![0; 65_536];
    for row in 0..1_500 {
        for byte in line.chunks_exact_mut(8) {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            byte.copy_from_slice(&state.to_le_bytes());
        }
        let text = Cell::Text("x");
        rows.push(&[Cell::Bytes(&line), Cell::Int64(row), text, Cell::Null, text, Cell::Int32(0), Cell::Int64(row)]);
    }
    let file = open(&rows);
    assert_eq!(file.metadata().num_row_groups(), 2);
    let raw = file.metadata().row_group(0).column(0);
    assert!(raw.dictionary_page_offset().is_none());
    assert!(raw.compressed_size() < 80 << 20, "{} bytes", raw.compressed_size());
    assert_in_subset(&rows);
}

#[test]
fn the_bytes_depend_on_the_rows_alone() {
    let table = all_tables().next().unwrap();
    let whole = generated(table, 20);
    let mut parts = generated(table, 0);
    parts.append(&whole);
    assert_eq!(parquet(&whole).unwrap(), parquet(&parts).unwrap());
}

#[test]
fn the_error_names_table_and_rows() {
    let source = parquet::errors::ParquetError::General("no".to_owned());
    let error = engine_gold::ParquetEncodeError::Refused { table: "kpis", rows: 3, source };
    assert_eq!(error.to_string(), "cannot encode 3 rows of table kpis as Parquet");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_rows_survive(index in 0..GOLD.len() + QUARANTINE.len(), rows in prop::collection::vec(
        prop::collection::vec((0..12_u64, any::<bool>(), ".{0,8}"), 17), 0..40)
    ) {
        let table = all_tables().nth(index).unwrap();
        let mut made = Rows::new(table);
        for row in &rows {
            let cells: Vec<Cell<'_>> = table.columns().zip(row).map(|(column, (seed, is_null, text))| {
                if column.nullable && *is_null { Cell::Null } else { cell(column.kind, *seed, text) }
            }).collect();
            made.push(&cells);
        }
        assert_survives(&made);
        assert_in_subset(&made);
    }
}
