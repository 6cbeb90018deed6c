//! Goal: the lake on a real disk looks as the contract says. Method: a run of two days through the public interface,
//! then a look at the folders and a reading of every file with the `parquet` crate.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMicrosecondType;
use engine_lake::{CreateError, Lake, LakeWriter, Layers};
use engine_model::gold::{ColumnType, GoldTable, LATE, tables};
use engine_model::{Cell, Cents, Civil, EventTime, Rows, Semantics, WindowId, day_of_civil};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

/// A folder for one test, removed when the test is over.
struct Folder(PathBuf);

impl Folder {
    fn new(test: &str) -> Folder {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test);
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// All files below a folder, relative to it, sorted.
fn files(folder: &Path) -> Vec<String> {
    fn walk(root: &Path, folder: &Path, found: &mut Vec<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(root, &path, found);
            } else {
                found.push(path.strip_prefix(root).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    let mut found = Vec::new();
    walk(folder, folder, &mut found);
    found.sort();
    found
}

/// One row at `leading`, any value in its other columns.
fn row(table: &GoldTable, leading: &[Cell<'static>]) -> Rows {
    let own = table.schema.columns().skip(leading.len()).map(|column| match column.kind {
        _ if column.nullable => Cell::Null,
        ColumnType::Timestamp => Cell::Timestamp(EventTime::EPOCH),
        ColumnType::Int32 => Cell::Int32(1),
        ColumnType::Int64 => Cell::Int64(1),
        ColumnType::Money => Cell::Money(Cents::MAX),
        ColumnType::Double => Cell::Double(0.5),
        ColumnType::Text => Cell::Text("text"),
        ColumnType::Bytes => Cell::Bytes(b"bytes"),
    });
    let mut rows = Rows::new(table.schema);
    rows.push(&leading.iter().copied().chain(own).collect::<Vec<_>>());
    rows
}

/// Commits with a cut that is never the same.
fn commit(writer: &mut LakeWriter) {
    let cut = writer.number().to_string();
    writer.commit(&cut, &[], Vec::new).unwrap();
}

/// Appends a window with one row in each table of its grain.
fn append(writer: &mut LakeWriter, semantics: &Semantics, grain: usize, window: WindowId) {
    let length = semantics.grains()[grain];
    let leading = [
        Cell::Timestamp(length.start(window)),
        Cell::Timestamp(length.end(window)),
        Cell::Int32(length.date_key(window)),
        Cell::Int32(length.minute_of_day(window)),
    ];
    let made: Vec<(usize, Rows)> = tables(semantics)
        .iter()
        .enumerate()
        .filter(|(_, table)| table.grain == Some(grain))
        .map(|(index, table)| (index, row(table, &leading)))
        .collect();
    writer.append_window(grain, window, made.iter().map(|(index, rows)| (*index, rows))).unwrap();
}

/// The starts of the windows in all files of a table, sorted.
fn starts(table: &Path) -> Vec<i64> {
    let mut starts = Vec::new();
    for file in files(table) {
        let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(table.join(file)).unwrap()).unwrap();
        assert_eq!(reader.schema().field(0).name(), "window_start");
        for batch in reader.build().unwrap() {
            starts.extend(batch.unwrap().column(0).as_primitive::<TimestampMicrosecondType>().values());
        }
    }
    starts.sort_unstable();
    starts
}

#[test]
fn a_run_of_two_days_lies_where_the_contract_says() {
    let folder = Folder::new("two_days");
    let semantics = Semantics::default();
    let lake = Lake::create(folder.0.join("lake"), &semantics, Layers::default()).unwrap();
    let mut writer = LakeWriter::start(&lake, "test").unwrap();
    let first = day_of_civil(Civil { year: 2026, month: 1, day: 1 });
    for day in first..first + 2 {
        for hour in 0..24 {
            for minute in 0..60 {
                append(&mut writer, &semantics, 0, WindowId((day * 24 + hour) * 60 + minute));
            }
            append(&mut writer, &semantics, 1, WindowId(day * 24 + hour));
            commit(&mut writer);
        }
        append(&mut writer, &semantics, 2, WindowId(day));
    }
    for (index, table) in tables(&semantics).iter().enumerate().filter(|(_, table)| table.grain.is_none()) {
        writer.replace_dimension(index, row(table, &[]));
    }
    commit(&mut writer);

    let gold = lake.root().join("gold");
    let mut counts: BTreeMap<usize, Vec<&str>> = BTreeMap::new();
    let tables = tables(&semantics);
    for table in &tables {
        let names = files(&gold.join(&table.name));
        assert!(names.contains(&"schema.parquet".to_owned()));
        counts.entry(names.len()).or_default().push(&table.name);
        if let Some(grain) = table.grain {
            let grain = semantics.grains()[grain];
            let expected: Vec<i64> = (grain.containing(start_of(first)).0..grain.containing(start_of(first + 2)).0)
                .map(|window| grain.start(WindowId(window)).as_micros())
                .collect();
            assert_eq!(starts(&gold.join(&table.name)), expected, "{}", table.name);
        }
    }
    let hourly = "products_1m categories_1m funnel_1m payments_1m quality_1m rejections_1m customer_activity kpis_1m";
    assert_eq!(counts[&49].join(" "), hourly);
    let daily = "products_1h products_1d categories_1h categories_1d funnel_1h funnel_1d payments_1h payments_1d \
                 kpis_1h kpis_1d";
    assert_eq!(counts[&3].join(" "), daily);
    assert_eq!(counts[&2].join(" "), "dim_product dim_customer");
    let kpis = files(&gold.join("kpis_1m"));
    assert_eq!(kpis[..2], ["2026-01-01/00.parquet", "2026-01-01/01.parquet"]);
    assert_eq!(kpis[47..], ["2026-01-02/23.parquet", "schema.parquet"]);
    assert_eq!(files(&gold.join("dim_product")), ["dim_product.parquet", "schema.parquet"]);
    assert_eq!(files(&lake.root().join("_tillrace")), ["commit", "lock", "run.json", "state/000001.log"]);
}

fn start_of(day: i64) -> EventTime {
    EventTime::from_micros(day * 86_400_000_000)
}

#[test]
fn the_quarantine_lies_beside_gold() {
    let folder = Folder::new("quarantine");
    let lake = Lake::create(folder.0.join("lake"), &Semantics::default(), "quarantine".parse().unwrap()).unwrap();
    let mut writer = LakeWriter::start(&lake, "test").unwrap();
    let mut rows = Rows::new(&LATE);
    let (time, source) = (Cell::Timestamp(EventTime::EPOCH), Cell::Text("a.jsonl"));
    rows.push(&[Cell::Bytes(b"{}"), time, Cell::Double(1.5), source, Cell::Int32(0), Cell::Int64(0)]);
    for _ in 0..2 {
        writer.append_rows(&rows).unwrap();
        commit(&mut writer);
    }
    let expected =
        ["duplicates/schema.parquet", "late/000000.parquet", "late/schema.parquet", "rejected/schema.parquet"];
    assert_eq!(files(&lake.root().join("quarantine")), expected);
}

#[test]
fn a_reader_that_has_the_old_file_open_keeps_it() {
    let folder = Folder::new("open_reader");
    let semantics = Semantics::default();
    let lake = Lake::create(folder.0.join("lake"), &semantics, Layers::default()).unwrap();
    let mut writer = LakeWriter::start(&lake, "test").unwrap();
    append(&mut writer, &semantics, 0, WindowId(0));
    commit(&mut writer);
    let path = lake.root().join("gold/kpis_1m/1970-01-01/00.parquet");
    let open = File::open(&path).unwrap();
    append(&mut writer, &semantics, 0, WindowId(1));
    commit(&mut writer);
    let count = |file| {
        let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
        reader.metadata().file_metadata().num_rows()
    };
    assert_eq!((count(open), count(File::open(path).unwrap())), (1, 2));
}

#[test]
fn who_holds_the_lake_keeps_others_out_and_a_file_in_the_way_is_refused_untouched() {
    let folder = Folder::new("refusals");
    let open = |path: &Path| Lake::open(path, &Semantics::default(), Layers::default());
    let path = folder.0.join("deep/lake");
    let lake = open(&path).unwrap();
    drop(LakeWriter::start(&lake, "the first").unwrap());
    let before = files(&folder.0);
    assert!(matches!(open(&path), Err(CreateError::Locked { owner, .. }) if owner == "the first"));
    let new = Lake::create(&path, &Semantics::default(), Layers::default());
    assert!(matches!(new, Err(CreateError::Exists { .. })));
    drop(lake);
    drop(open(&path).unwrap());
    let file = folder.0.join("file");
    fs::write(&file, "mine").unwrap();
    for path in [file.clone(), file.join("lake")] {
        assert!(matches!(open(&path), Err(CreateError::NotAFolder { .. })));
    }
    fs::remove_file(&file).unwrap();
    assert_eq!(files(&folder.0), before);
}
