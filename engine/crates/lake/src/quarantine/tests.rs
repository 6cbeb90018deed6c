//! Goal: no row of the quarantine is lost or written twice, and files are few. Method: storage in memory, read back.

use std::sync::Arc;

use engine_model::gold::DUPLICATES;
use engine_model::{Cell, EventTime, Semantics};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::*;
use crate::layers::Layers;
use crate::memory::{Fault, MemoryStore};

fn writer() -> (Arc<MemoryStore>, QuarantineWriter) {
    let store = Arc::new(MemoryStore::default());
    let lake = Lake::create_in(store.clone(), "/lake".into(), &Semantics::default(), Layers::default()).unwrap();
    (store, QuarantineWriter::new(&lake))
}

fn duplicates(count: usize, id: &str) -> Rows {
    let mut rows = Rows::new(&DUPLICATES);
    for _ in 0..count {
        let time = Cell::Timestamp(EventTime::EPOCH);
        rows.push(&[Cell::Text(id), time, Cell::Text("stdin"), Cell::Int32(0), Cell::Int64(7)]);
    }
    rows
}

/// The files of `quarantine`, without the schemas, and how many rows each has.
fn files(store: &MemoryStore) -> Vec<(String, i64)> {
    let files = store.entries().into_iter().filter_map(|(path, bytes)| {
        let name = path.to_str()?.strip_prefix("/lake/quarantine/")?.to_owned();
        let reader = ParquetRecordBatchReaderBuilder::try_new(bytes?).unwrap();
        Some((name, reader.metadata().file_metadata().num_rows()))
    });
    files.filter(|(name, _)| !name.ends_with("/schema.parquet")).collect()
}

#[test]
fn the_first_flush_shows_every_schema_even_without_rows() {
    let (store, mut writer) = writer();
    store.take_shown();
    writer.flush().unwrap();
    writer.flush().unwrap();
    let expected = ["rejected", "late", "duplicates"].map(|name| format!("/lake/quarantine/{name}/schema.parquet"));
    assert_eq!(store.take_shown(), expected.map(PathBuf::from));
}

#[test]
fn files_are_numbered_and_written_when_enough_rows_wait() {
    let (store, mut writer) = writer();
    writer.append(&duplicates(QUARANTINE_ROWS_MAX - 1, "a")).unwrap();
    assert!(files(&store).is_empty());
    writer.append(&duplicates(1, "a")).unwrap();
    assert_eq!(files(&store), [("duplicates/000000.parquet".to_owned(), 100_000)]);
    writer.append(&duplicates(4, &"x".repeat(QUARANTINE_BYTES_MAX / 4))).unwrap();
    assert_eq!(files(&store)[1..], [("duplicates/000001.parquet".to_owned(), 4)]);
    writer.append(&duplicates(2, "a")).unwrap();
    writer.finish().unwrap();
    assert_eq!(files(&store)[2..], [("duplicates/000002.parquet".to_owned(), 2)]);
}

#[test]
fn a_flush_that_fails_at_any_step_loses_nothing_and_shows_nothing_half() {
    for fault in [Fault::Before, Fault::After] {
        let mut steps = 0;
        loop {
            let (store, mut writer) = writer();
            writer.append(&duplicates(3, "a")).unwrap();
            store.fail_after(steps, fault);
            let result = writer.flush();
            assert!(store.has_failed() || result.is_ok());
            assert!(files(&store).iter().all(|&(_, rows)| rows == 3));
            if !store.has_failed() {
                break;
            }
            writer.flush().unwrap();
            assert_eq!(files(&store), [("duplicates/000000.parquet".to_owned(), 3)]);
            steps += 1;
        }
        assert!(steps > 8, "{steps} steps");
    }
}

#[test]
#[should_panic(expected = "table kpis is not in the quarantine")]
fn a_table_of_gold_is_a_bug() {
    let _ = writer().1.append(&Rows::new(&engine_model::gold::KPIS));
}

#[test]
#[should_panic(expected = "layers gold leave quarantine out")]
fn a_lake_without_quarantine_has_no_writer() {
    let store = Arc::new(MemoryStore::default());
    let layers = "gold".parse().unwrap();
    let _ = QuarantineWriter::new(&Lake::create_in(store, "/lake".into(), &Semantics::default(), layers).unwrap());
}
