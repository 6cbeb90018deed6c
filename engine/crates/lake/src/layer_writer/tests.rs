//! Goal: no row of Bronze or Silver is lost or written twice, files are few, and none is seen before it is complete.
//! Method: storage in memory, read back; the thread is left out where what is staged is looked at. After a failure a new writer goes on
//! where the last commit stands.

use std::sync::Arc;

use engine_model::silver::{CLICKS, EVENTS};
use engine_model::{Cell, EventTime, Semantics};
use parquet::bloom_filter::Sbbf;
use parquet::file::metadata::ParquetMetaDataReader;

use super::*;
use crate::layers::Layers;
use crate::memory::{Fault, MemoryStore};
use crate::writer::LakeWriter;

const DAY: Day = Some(20_454);

fn open(store: &Arc<MemoryStore>) -> Lake {
    let layers: Layers = "bronze,silver".parse().unwrap();
    Lake::open_in(store.clone(), "/lake".into(), &Semantics::default(), layers).unwrap()
}

fn lake() -> (Arc<MemoryStore>, Lake) {
    let store = Arc::new(MemoryStore::default());
    let lake = open(&store);
    (store, lake)
}

fn writer() -> (Arc<MemoryStore>, LakeWriter) {
    let (store, lake) = lake();
    let writer = LakeWriter::start(&lake, "test").unwrap();
    (store, writer)
}

/// Commits with a cut that is never the same.
fn commit(writer: &mut LakeWriter) -> Result<(), CommitError> {
    let cut = writer.number().to_string();
    writer.commit(&cut, &[], Vec::new).map(drop)
}

/// Stages what the tables have, and shows it as a commit does.
fn flush(tables: &mut LayerTables) {
    for (file, _) in tables.stage().unwrap().files {
        tables.lake.show(&file.name, &file.place).unwrap();
    }
}

/// Lines of 32 bytes with these offsets.
fn lines(offsets: std::ops::Range<i64>) -> Rows {
    let mut rows = Rows::new(&EVENTS);
    for offset in offsets {
        // Nothing a codec could make short.
        let raw = format!("{:032x}", i128::from(offset + 1).wrapping_mul(0x1E37_79B9_7F4A_7C15_9E37_79B9_7F4A_7C15));
        let received = Cell::Timestamp(EventTime::from_micros(7));
        rows.push(&[Cell::Bytes(raw.as_bytes()), Cell::Text("shop"), Cell::Int32(0), Cell::Int64(offset), received]);
    }
    rows
}

/// The files of a table that are seen, without the schema, and the offsets in each.
fn offsets(store: &MemoryStore, schema: &'static TableSchema) -> Vec<(String, Vec<i64>)> {
    let layer = if schema.name == "events" { "bronze" } else { "silver" };
    let prefix = format!("/lake/{layer}/{}/", schema.name);
    let place = schema.column_index("offset").unwrap();
    let files = store.entries().into_iter().filter_map(|(path, bytes)| {
        let name = path.to_str()?.strip_prefix(&prefix)?.to_owned();
        let rows = engine_gold::rows(schema, bytes?).unwrap();
        let offset = |row| match rows.cell(row, place) {
            Cell::Int64(offset) => offset,
            cell => panic!("{cell:?}"),
        };
        Some((name, (0..rows.len()).map(offset).collect()))
    });
    files.filter(|(name, _)| name != "schema.parquet").collect()
}

fn files(expected: &[(&str, std::ops::Range<i64>)]) -> Vec<(String, Vec<i64>)> {
    expected.iter().map(|(name, offsets)| ((*name).to_owned(), offsets.clone().collect())).collect()
}

#[test]
fn the_first_commit_shows_every_schema_even_without_rows() {
    let (store, mut writer) = writer();
    commit(&mut writer).unwrap();
    commit(&mut writer).unwrap();
    let shown: Vec<PathBuf> = store.take_shown().into_iter().filter(|path| path.starts_with("/lake/silver")).collect();
    let names = ["clicks", "orders", "order_items", "payments", "customers", "products"];
    let expected = names.map(|name| PathBuf::from(format!("/lake/silver/{name}/schema.parquet")));
    assert_eq!(shown, expected);
    let mut writer = LakeWriter::start(&open(&store), "test").unwrap();
    commit(&mut writer).unwrap();
    assert_eq!(store.take_shown(), [PathBuf::from("/lake/_tillrace/commit")], "a later writer finds them");
}

#[test]
fn a_days_small_file_is_replaced_by_one_with_further_rows() {
    let (store, mut writer) = writer();
    for at in 0..3 {
        writer.append_kept(Layer::Bronze, DAY, lines(at * 10..at * 10 + 10)).unwrap();
        assert_eq!(
            offsets(&store, &EVENTS),
            files(&[("2026-01-01/000000.parquet", 0..at * 10)][usize::from(at == 0)..])
        );
        commit(&mut writer).unwrap();
        assert_eq!(offsets(&store, &EVENTS), files(&[("2026-01-01/000000.parquet", 0..at * 10 + 10)]));
    }
    // Also by a later writer.
    let mut writer = LakeWriter::start(&open(&store), "test").unwrap();
    writer.append_kept(Layer::Bronze, None, lines(30..31)).unwrap();
    writer.append_kept(Layer::Bronze, DAY.map(|day| day + 1), lines(31..32)).unwrap();
    writer.append_kept(Layer::Bronze, DAY, lines(32..33)).unwrap();
    commit(&mut writer).unwrap();
    let mut first: Vec<i64> = (0..30).collect();
    first.push(32);
    let expected = [
        ("2026-01-01/000000.parquet".to_owned(), first),
        ("2026-01-02/000002.parquet".to_owned(), vec![31]),
        ("undated/000001.parquet".to_owned(), vec![30]),
    ];
    assert_eq!(offsets(&store, &EVENTS), expected);
}

#[test]
fn a_full_file_is_followed_by_another_and_never_touched_again() {
    let (store, lake) = lake();
    let mut tables = LayerTables::new(&lake, Layer::Bronze, 1);
    tables.file_bytes_max = 100_000;
    tables.rewritten_bytes_max = 50_000;
    for at in 0..30 {
        tables.append(DAY, &lines(at * 100..at * 100 + 100)).unwrap();
    }
    assert!(offsets(&store, &EVENTS).is_empty(), "nothing is seen before it is told to");
    let staged = tables.stage().unwrap().files;
    assert!(offsets(&store, &EVENTS).is_empty(), "nor when it is staged");
    for (file, _) in staged {
        lake.show(&file.name, &file.place).unwrap();
    }
    let seen = offsets(&store, &EVENTS);
    assert!((2..5).contains(&seen.len()), "{} files", seen.len());
    let all: Vec<i64> = seen.iter().flat_map(|(_, offsets)| offsets.clone()).collect();
    assert_eq!(all, (0..3_000).collect::<Vec<_>>());
    // The last one has grown beyond what is written anew, or not: whichever it is, the others stay.
    let before = store.entries();
    tables.append(DAY, &lines(3_000..3_001)).unwrap();
    flush(&mut tables);
    for (name, _) in &seen[..seen.len() - 1] {
        let path = Path::new("/lake/bronze/events").join(name);
        assert_eq!(before[&path], store.entries()[&path], "{name}");
    }
}

#[test]
fn no_more_than_some_days_are_open_at_once() {
    let (store, lake) = lake();
    let mut tables = LayerTables::new(&lake, Layer::Bronze, 1);
    for at in 0..10 {
        tables.append(Some(20_000 + at), &lines(at..at + 1)).unwrap();
        assert!(tables.tables[0].open.len() <= OPEN_DAYS_MAX);
    }
    flush(&mut tables);
    assert_eq!(offsets(&store, &EVENTS).len(), 10);
}

#[test]
fn a_copied_row_group_keeps_its_filter_of_identifiers() {
    let (store, mut writer) = writer();
    let time = Cell::Timestamp(EventTime::from_micros(7));
    for id in ["first", "second"] {
        let mut rows = Rows::new(&CLICKS);
        let (source, partition, offset) = (Cell::Text("shop"), Cell::Int32(0), Cell::Int64(1));
        let (click, view, session) = (Cell::Text("click"), Cell::Text("view"), Cell::Text("s"));
        let what = [Cell::Text(id), click, time, session, Cell::Null, view, Cell::Null];
        rows.push(&[&what[..], &[time, source, partition, offset]].concat());
        writer.append_kept(Layer::Silver, DAY, rows).unwrap();
        commit(&mut writer).unwrap();
    }
    let file = store.entries()[Path::new("/lake/silver/clicks/2026-01-01/000000.parquet")].clone().unwrap();
    let metadata = ParquetMetaDataReader::new().parse_and_finish(&file).unwrap();
    assert_eq!(metadata.num_row_groups(), 2);
    for (group, id, other) in [(0, "first", "second"), (1, "second", "first")] {
        let column = metadata.row_group(group).column(0);
        let filter = Sbbf::read_from_column_chunk(column, &file).unwrap().expect("a filter of event_id");
        assert!(filter.check(id) && !filter.check(other), "row group {group}");
    }
}

#[test]
fn whichever_step_fails_the_next_writer_shows_every_row_once() {
    for fault in [Fault::Before, Fault::After] {
        for steps in 0.. {
            let (store, mut writer) = writer();
            writer.append_kept(Layer::Bronze, DAY, lines(0..5)).unwrap();
            commit(&mut writer).unwrap();
            store.fail_after(steps, fault);
            let result = writer.append_kept(Layer::Bronze, DAY, lines(5..9)).and_then(|()| commit(&mut writer));
            drop(writer);
            let seen = offsets(&store, &EVENTS);
            let old = files(&[("2026-01-01/000000.parquet", 0..5)]);
            assert!(seen == old || seen == files(&[("2026-01-01/000000.parquet", 0..9)]), "{steps}: {seen:?}");
            let failed = store.has_failed();
            assert!(failed || result.is_ok());
            store.fail_after(usize::MAX, fault);
            let lake = open(&store);
            let mut writer = LakeWriter::start(&lake, "test").unwrap();
            if lake.commit_number() == 1 {
                writer.append_kept(Layer::Bronze, DAY, lines(5..9)).unwrap();
            }
            commit(&mut writer).unwrap();
            assert_eq!(offsets(&store, &EVENTS), files(&[("2026-01-01/000000.parquet", 0..9)]), "{fault:?} {steps}");
            if !failed {
                assert!(steps >= 3, "a part, a sync and a rename can fail");
                break;
            }
        }
    }
}

#[test]
fn an_error_of_the_thread_is_told_by_the_commit() {
    let (store, mut writer) = writer();
    commit(&mut writer).unwrap();
    store.fail_after(0, Fault::Before);
    writer.append_kept(Layer::Bronze, DAY, lines(0..5)).unwrap();
    let error = commit(&mut writer).unwrap_err();
    assert_eq!(error.to_string(), "cannot commit table events");
}
