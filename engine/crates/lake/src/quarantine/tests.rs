//! Goal: no row of the quarantine is lost or written twice, and files are few. Method: storage in memory, read back; after a failure a
//! new writer goes on where the last commit stands.

use std::sync::Arc;

use engine_model::gold::DUPLICATES;
use engine_model::{Cell, EventTime, Semantics};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::*;
use crate::memory::{Fault, MemoryStore};
use crate::writer::LakeWriter;

fn lake(store: &Arc<MemoryStore>) -> Lake {
    let layers = "quarantine".parse().unwrap();
    Lake::open_in(store.clone(), "/lake".into(), &Semantics::default(), layers).unwrap()
}

fn writer() -> (Arc<MemoryStore>, LakeWriter) {
    let store = Arc::new(MemoryStore::default());
    let writer = LakeWriter::start(&lake(&store), "test").unwrap();
    (store, writer)
}

/// Commits with a cut that is never the same.
fn commit(writer: &mut LakeWriter) -> Result<(), CommitError> {
    let cut = writer.number().to_string();
    writer.commit(&cut, &[], Vec::new).map(drop)
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
fn the_first_commit_shows_every_schema_even_without_rows() {
    let (store, mut writer) = writer();
    commit(&mut writer).unwrap();
    store.take_shown();
    let shown = |store: &MemoryStore| {
        let names = store.entries().into_keys().filter(|path| path.starts_with("/lake/quarantine"));
        names.filter(|path| path.ends_with("schema.parquet")).count()
    };
    assert_eq!(shown(&store), QUARANTINE.len());
    commit(&mut writer).unwrap();
    assert_eq!(store.take_shown(), [PathBuf::from("/lake/_tillrace/commit")], "and no later one does again");
}

#[test]
fn the_newest_file_takes_further_rows_until_it_is_large() {
    let (store, mut writer) = writer();
    for count in 1..=3 {
        writer.append_rows(&duplicates(1, "a")).unwrap();
        commit(&mut writer).unwrap();
        assert_eq!(files(&store), [("duplicates/000000.parquet".to_owned(), count)]);
    }
    writer.append_rows(&duplicates(1, &"x".repeat(FILE_BYTES_MIN))).unwrap();
    commit(&mut writer).unwrap();
    assert_eq!(files(&store), [("duplicates/000000.parquet".to_owned(), 4)]);
    writer.append_rows(&duplicates(2, "a")).unwrap();
    commit(&mut writer).unwrap();
    assert_eq!(files(&store)[1..], [("duplicates/000001.parquet".to_owned(), 2)]);
    let mut writer = LakeWriter::start(&lake(&store), "test").unwrap();
    writer.append_rows(&duplicates(3, "a")).unwrap();
    commit(&mut writer).unwrap();
    assert_eq!(files(&store)[1..], [("duplicates/000001.parquet".to_owned(), 5)], "a later writer goes on with it");
}

#[test]
fn rows_are_staged_when_enough_wait_and_shown_by_the_commit_only() {
    let (store, mut writer) = writer();
    writer.append_rows(&duplicates(QUARANTINE_ROWS_MAX - 1, "a")).unwrap();
    assert!(writer.pending_bytes() > 0);
    writer.append_rows(&duplicates(1, "a")).unwrap();
    assert_eq!(writer.pending_bytes(), 0);
    writer.append_rows(&duplicates(4, &"x".repeat(QUARANTINE_BYTES_MAX / 4))).unwrap();
    assert_eq!(writer.pending_bytes(), 0);
    assert!(files(&store).is_empty());
    writer.append_rows(&duplicates(2, "a")).unwrap();
    commit(&mut writer).unwrap();
    let counts: Vec<i64> = files(&store).into_iter().map(|(_, rows)| rows).collect();
    assert_eq!(counts, [100_000, 4, 2]);
}

#[test]
fn a_commit_that_fails_at_any_step_loses_nothing_and_doubles_nothing() {
    for fault in [Fault::Before, Fault::After] {
        let mut steps = 0;
        loop {
            let (store, mut writer) = writer();
            writer.append_rows(&duplicates(3, "a")).unwrap();
            store.fail_after(steps, fault);
            let result = commit(&mut writer);
            assert!(store.has_failed() || result.is_ok());
            assert!(files(&store).iter().all(|&(_, rows)| rows == 3));
            let failed = store.has_failed();
            store.fail_after(usize::MAX, fault);
            let lake = lake(&store);
            let mut writer = LakeWriter::start(&lake, "test").unwrap();
            if lake.cut().is_none() {
                writer.append_rows(&duplicates(3, "a")).unwrap();
            }
            commit(&mut writer).unwrap();
            assert_eq!(files(&store), [("duplicates/000000.parquet".to_owned(), 3)], "{fault:?} after {steps} steps");
            if !failed {
                break;
            }
            steps += 1;
        }
        assert!(steps > 8, "{steps} steps");
    }
}

#[test]
#[should_panic(expected = "table kpis is not in the quarantine")]
fn a_table_of_gold_is_a_bug() {
    let lake = lake(&Arc::new(MemoryStore::default()));
    let kpis = Rows::new(&engine_model::gold::KPIS);
    let _ = QuarantineWriter::new(&lake).append(&kpis, &mut Staging::new(&lake, 1));
}

#[test]
#[should_panic(expected = "layers gold leave quarantine out")]
fn a_lake_without_quarantine_has_no_writer() {
    let store = Arc::new(MemoryStore::default());
    let layers = "gold".parse().unwrap();
    let _ = QuarantineWriter::new(&Lake::open_in(store, "/lake".into(), &Semantics::default(), layers).unwrap());
}
