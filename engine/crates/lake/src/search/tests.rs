//! Goal: what is wanted is found wherever it lies, and what cannot hold it is not read. Method: lakes in memory written by
//! the layers' own writer, with several row groups and days.

use std::sync::Arc;

use engine_model::silver::{CLICKS, EVENTS};
use engine_model::{Cell, EventTime, Semantics};

use super::*;
use crate::lake::Lake;
use crate::layers::{Layer, Layers};
use crate::memory::MemoryStore;
use crate::{LakeWriter, UNDATED_DAY};

const DAY: i64 = 20_454;

fn click(id: &str, offset: i64) -> Rows {
    let mut rows = Rows::new(&CLICKS);
    let (time, text) = (Cell::Timestamp(EventTime::from_micros(7)), Cell::Text);
    let what = [text(id), text("click"), time, text("s"), Cell::Null, text("view"), text("p")];
    rows.push(&[&what[..], &[time, text("shop"), Cell::Int32(0), Cell::Int64(offset)]].concat());
    rows
}

fn line(source: &str, partition: i32, offset: i64) -> Rows {
    let mut rows = Rows::new(&EVENTS);
    let raw = format!("{source} {partition} {offset}");
    let (partition, offset) = (Cell::Int32(partition), Cell::Int64(offset));
    let received = Cell::Timestamp(EventTime::EPOCH);
    rows.push(&[Cell::Bytes(raw.as_bytes()), Cell::Text(source), partition, offset, received]);
    rows
}

/// A lake with these rows, each part a row group of its own.
fn written(layer: Layer, parts: Vec<(Option<i64>, Rows)>) -> (Arc<MemoryStore>, LakeReader) {
    let store = Arc::new(MemoryStore::default());
    let layers: Layers = "bronze,silver".parse().unwrap();
    let lake = Lake::open_in(store.clone(), "/lake".into(), &Semantics::default(), layers).unwrap();
    let mut writer = LakeWriter::start(&lake, "test").unwrap();
    for (day, rows) in parts {
        writer.append_kept(layer, day, rows).unwrap();
        let cut = writer.number().to_string();
        writer.commit(&cut, &[], Vec::new).unwrap();
    }
    let reader = LakeReader::open_in(store.clone(), "/lake".into()).unwrap();
    (store, reader)
}

fn found(reader: &LakeReader, table: &LakeTable, wanted: Wanted<'_>) -> Vec<String> {
    let column = usize::from(table.schema.name != "events") * (table.schema.columns().count() - 1);
    let mut all = Vec::new();
    let each = |rows: &Rows| all.extend((0..rows.len()).map(|row| format!("{:?}", rows.cell(row, column))));
    reader.search(table, wanted, each).unwrap();
    all
}

#[test]
fn an_event_is_found_in_any_row_group_of_any_day() {
    let parts = vec![
        (Some(DAY), click("a", 1)),
        (Some(DAY), click("b", 2)),
        (Some(DAY + 1), click("b", 3)),
        (Some(DAY + 1), click("c", 4)),
    ];
    let (_, reader) = written(Layer::Silver, parts);
    let table = LakeTable::large(Layer::Silver, &CLICKS);
    let offsets = |id| found(&reader, &table, Wanted::EventId(id));
    assert_eq!(offsets("a"), ["Int64(1)"]);
    assert_eq!(offsets("b"), ["Int64(2)", "Int64(3)"]);
    assert!(offsets("bb").is_empty() && offsets("").is_empty());
    assert_eq!(found(&reader, &table, Wanted::All).len(), 4);
}

#[test]
fn a_record_is_found_by_source_partition_and_offset_together() {
    let parts = vec![
        (None, line("one", 0, 7)),
        (Some(DAY), line("one", 1, 7)),
        (Some(DAY), line("two", 0, 7)),
        (Some(DAY), line("two", 0, 8)),
    ];
    let (_, reader) = written(Layer::Bronze, parts);
    let table = LakeTable::large(Layer::Bronze, &EVENTS);
    let raw = |source, partition, offset| {
        let raw = found(&reader, &table, Wanted::Place { source, partition, offset });
        raw.into_iter().map(|cell| cell.replace("Bytes", "")).collect::<Vec<_>>()
    };
    assert_eq!(raw("one", 0, 7), [format!("({:?})", b"one 0 7")]);
    assert_eq!(raw("two", 0, 8), [format!("({:?})", b"two 0 8")]);
    assert!(raw("two", 1, 8).is_empty() && raw("one", 0, 8).is_empty() && raw("three", 0, 7).is_empty());
    assert_eq!(reader.days(&table).unwrap(), [UNDATED_DAY, DAY]);
    let mut first_day = 0;
    reader.search_days(&table, UNDATED_DAY, DAY, Wanted::All, |rows| first_day += rows.len()).unwrap();
    assert_eq!(first_day, 1);
}

#[test]
fn a_row_group_that_cannot_hold_what_is_wanted_is_passed_over() {
    // Between the least and the greatest identifier, so that only the filter can tell.
    let mut rows = click("a", 1);
    rows.append(&click("z", 2));
    let (store, _) = written(Layer::Silver, vec![(Some(DAY), rows)]);
    let file = store.entries()[Path::new("/lake/silver/clicks/2026-01-01/000000.parquet")].clone().unwrap();
    let reader = ParquetRecordBatchReaderBuilder::try_new(OpenedFile::Bytes(file)).unwrap();
    let group = reader.metadata().row_group(0);
    let passes = |id| {
        let wanted = Wanted::EventId(id);
        (may_hold(group, wanted), passes_filter(&reader, 0, wanted).unwrap())
    };
    assert_eq!(passes("a"), (true, true));
    assert_eq!(passes("z"), (true, true));
    assert_eq!(passes("m"), (true, false));
    assert!(!passes("zz").0);
    let place = |source, offset| may_hold(group, Wanted::Place { source, partition: 0, offset });
    assert!(place("shop", 1) && place("shop", 2) && !place("shop", 0) && !place("shop", 3) && !place("shoq", 1));
}
