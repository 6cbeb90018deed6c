//! Goal: what a reader of Gold can rely on (the invariants at the head of `gold.rs`). Method: storage in memory that
//! looks on and can fail at any step; after each commit all files are read back and compared with what was appended. After a
//! failure a new writer goes on where the last commit stands, as the next run would.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, Int64Type, TimestampMicrosecondType};
use bytes::Bytes;
use engine_model::gold::ColumnType;
use engine_model::{Cents, Currency, EventTime, Micros, Semantics, UtcOffset};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use proptest::prelude::*;

use super::*;
use crate::memory::{Fault, MemoryStore};
use crate::store::Store;
use crate::writer::{CommitReport, CommittedFile, LakeWriter};

/// A row's window start and its number in the window.
type Key = (i64, i64);

/// `count` rows of one window; column 4, the first of the table's own, numbers them.
fn rows(table: &GoldTable, semantics: &Semantics, window: WindowId, count: i32) -> Rows {
    let grain = semantics.grains()[table.grain.unwrap()];
    let mut rows = Rows::new(table.schema);
    for number in 0..count {
        let text = number.to_string();
        let leading = [
            Cell::Timestamp(grain.start(window)),
            Cell::Timestamp(grain.end(window)),
            Cell::Int32(grain.date_key(window)),
            Cell::Int32(grain.minute_of_day(window)),
        ];
        let own = table.schema.columns().skip(4).map(|column| match column.kind {
            ColumnType::Timestamp => Cell::Timestamp(EventTime::EPOCH),
            ColumnType::Int32 => Cell::Int32(number),
            ColumnType::Int64 => Cell::Int64(number.into()),
            ColumnType::Money => Cell::Money(Cents::MAX),
            ColumnType::Double => Cell::Double(0.5),
            ColumnType::Text => Cell::Text(&text),
            ColumnType::Bytes => Cell::Bytes(text.as_bytes()),
        });
        rows.push(&leading.into_iter().chain(own).collect::<Vec<_>>());
    }
    rows
}

/// The keys of a file's rows and the date keys among them.
fn read(bytes: &Bytes) -> (Vec<Key>, BTreeSet<i32>) {
    let (mut keys, mut days) = (Vec::new(), BTreeSet::new());
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes.clone()).expect("a complete file");
    for batch in reader.build().unwrap() {
        let batch = batch.unwrap();
        days.extend(batch.column(2).as_primitive::<Int32Type>().values());
        for row in 0..batch.num_rows() {
            let number = match batch.column(4).as_string_opt::<i32>() {
                Some(texts) => texts.value(row).parse().unwrap(),
                None => batch.column(4).as_primitive::<Int64Type>().value(row),
            };
            keys.push((batch.column(0).as_primitive::<TimestampMicrosecondType>().value(row), number));
        }
    }
    (keys, days)
}

/// A lake in memory, what was appended to it, and what readers last saw.
struct Harness {
    store: Arc<MemoryStore>,
    writer: LakeWriter,
    semantics: Semantics,
    file_rows_max: usize,
    /// The windows appended: grain, window, rows.
    windows: Vec<(usize, WindowId, i32)>,
    /// For each table the keys appended, in order.
    appended: Vec<Vec<Key>>,
    /// For each table the keys that a reader found after the last commit.
    committed: Vec<Vec<Key>>,
}

fn open(store: &Arc<MemoryStore>, semantics: &Semantics) -> Lake {
    Lake::open_in(store.clone(), "/lake".into(), semantics, "gold".parse().unwrap()).unwrap()
}

impl Harness {
    fn new(semantics: Semantics) -> Harness {
        let store = Arc::new(MemoryStore::default());
        let writer = LakeWriter::start(&open(&store, &semantics), "test").unwrap();
        store.take_shown();
        let none = vec![Vec::new(); writer.gold_tables().len()];
        let file_rows_max = FILE_ROWS_MAX;
        let windows = Vec::new();
        Harness { store, writer, semantics, file_rows_max, windows, appended: none.clone(), committed: none }
    }

    fn default() -> Harness {
        Harness::new(Semantics::default())
    }

    fn gold(&mut self) -> &mut GoldWriter {
        self.writer.gold_mut()
    }

    fn set_file_rows_max(&mut self, rows: usize) {
        self.file_rows_max = rows;
        self.gold().file_rows_max = rows;
    }

    /// As the next run: a new writer, to which what the last commit lacks is appended again.
    fn reopen(&mut self) {
        let lake = open(&self.store, &self.semantics);
        let is_committed = lake.cut().map_or(0, |cut| cut.parse().unwrap());
        self.writer = LakeWriter::start(&lake, "test").unwrap();
        let rows_max = self.file_rows_max;
        self.gold().file_rows_max = rows_max;
        for (grain, window, count) in self.windows.clone().split_off(is_committed) {
            self.write(grain, window, count).unwrap();
        }
    }

    fn rows_of(&self, grain: usize, window: WindowId, count: i32) -> Vec<(usize, Rows)> {
        let tables = self.writer.gold_tables().iter().enumerate().filter(|(_, table)| table.grain == Some(grain));
        tables.map(|(index, table)| (index, rows(table, &self.semantics, window, count))).collect()
    }

    fn write(&mut self, grain: usize, window: WindowId, count: i32) -> Result<(), CommitError> {
        let made = self.rows_of(grain, window, count);
        self.writer.append_window(grain, window, made.iter().map(|(index, rows)| (*index, rows)))
    }

    /// Appends `count` rows to each table of the grain.
    fn append(&mut self, grain: usize, window: WindowId, count: i32) -> Result<(), CommitError> {
        self.write(grain, window, count)?;
        self.windows.push((grain, window, count));
        let start = self.semantics.grains()[grain].start(window).as_micros();
        for (index, _) in self.rows_of(grain, window, count) {
            self.appended[index].extend((0..i64::from(count)).map(|number| (start, number)));
        }
        Ok(())
    }

    /// Commits without a look at what it has done.
    fn commit_blindly(&mut self) -> Result<CommitReport, CommitError> {
        let cut = self.windows.len().to_string();
        self.writer.commit(&cut, &[], || b"snapshot".to_vec())
    }

    fn commit(&mut self) -> Result<CommitReport, CommitError> {
        let report = self.commit_blindly()?;
        self.check(&report);
        Ok(report)
    }

    fn table(&self, name: &str) -> usize {
        self.writer.gold_tables().iter().position(|table| table.name == name).unwrap()
    }

    /// The data files of a table: day folder and name, with the keys of the rows.
    fn files(&self, table: usize) -> BTreeMap<(String, String), Vec<Key>> {
        let folder = format!("/lake/gold/{}/", self.writer.gold_tables()[table].name);
        let mut files = BTreeMap::new();
        for (path, bytes) in self.store.entries() {
            let Some(name) = path.to_str().unwrap().strip_prefix(&folder).filter(|name| name.ends_with(".parquet"))
            else {
                continue;
            };
            let (keys, days) = read(&bytes.expect("a file"));
            match name.split_once('/') {
                None => assert_eq!((name, keys.len()), ("schema.parquet", 0)),
                Some((day, name)) => {
                    let key = day.replace('-', "").parse().unwrap();
                    assert_eq!(days, BTreeSet::from([key]), "rows in {folder}{day}/{name}");
                    files.insert((day.to_owned(), name.to_owned()), keys);
                }
            }
        }
        files
    }

    /// The table that a file belongs to.
    fn table_of(&self, path: &Path) -> usize {
        let name = path.strip_prefix("/lake/gold").unwrap().iter().next().unwrap().to_str().unwrap();
        self.table(name)
    }

    /// What a reader of the table finds, sorted.
    fn readable(&self, table: usize) -> Vec<Key> {
        let mut keys: Vec<Key> = self.files(table).into_values().flatten().collect();
        keys.sort_unstable();
        keys
    }

    fn windowed(&self) -> Vec<usize> {
        (0..self.appended.len()).filter(|&table| self.writer.gold_tables()[table].grain.is_some()).collect()
    }

    /// After a commit readers find each row that was appended, once; the commit touched each table at most once,
    /// in order.
    fn check(&mut self, report: &CommitReport) {
        for table in self.windowed() {
            self.appended[table].sort_unstable();
            self.committed[table] = self.readable(table);
            assert_eq!(self.committed[table], self.appended[table], "table {}", self.writer.gold_tables()[table].name);
        }
        let shown: Vec<PathBuf> =
            self.store.take_shown().into_iter().filter(|path| path.starts_with("/lake/gold")).collect();
        let reported: Vec<PathBuf> = report.files.iter().map(|file| Path::new("/lake").join(&file.path)).collect();
        assert!(shown.ends_with(&reported), "{shown:?} {reported:?}");
        let portions = reported.iter().filter(|path| !path.ends_with("schema.parquet"));
        let tables: Vec<usize> = portions.map(|path| self.table_of(path)).collect();
        // Portion by portion: within one, tables come in order, each once.
        let mut days = 0;
        for portion in tables.chunk_by(|before, next| before < next) {
            days += 1;
            assert!(portion.len() <= self.writer.gold_tables().len());
        }
        assert!(days <= 1 + self.windows.len(), "{report:?}");
    }

    /// After a failed commit each table has what it had before, and of the commit whole windows, the first ones.
    fn check_failed(&self) {
        for table in self.windowed() {
            let mut after = self.appended[table].clone();
            after.sort_unstable();
            let now = self.readable(table);
            let name = &self.writer.gold_tables()[table].name;
            let is_first = now.len() >= self.committed[table].len() && after.starts_with(&now);
            let is_whole = after.get(now.len()).is_none_or(|next| now.last().is_none_or(|last| last.0 < next.0));
            assert!(is_first && is_whole, "table {name} shows half a window: {now:?}");
        }
    }

    fn names(&self, table: &str) -> Vec<String> {
        self.files(self.table(table)).into_keys().map(|(day, name)| format!("{day}/{name}")).collect()
    }
}

/// The window of a grain of the default run that holds minute `minute` of 2026.
fn at(harness: &Harness, grain: usize, minute: i64) -> WindowId {
    let start = EventTime::from_micros((engine_model::day_of_civil(Y2026) * 1_440 + minute) * 60_000_000);
    harness.semantics.grains()[grain].containing(start)
}

const Y2026: engine_model::Civil = engine_model::Civil { year: 2026, month: 1, day: 1 };

#[test]
fn the_first_commit_shows_every_schema_even_without_rows_and_they_stay() {
    let mut harness = Harness::default();
    let report = harness.commit_blindly().unwrap();
    let names = harness.writer.gold_tables().iter().map(|table| format!("gold/{}/schema.parquet", table.name));
    let expected: Vec<PathBuf> = names.map(PathBuf::from).collect();
    assert_eq!(report.files.into_iter().map(|file| file.path).collect::<Vec<_>>(), expected);
    let shown: Vec<PathBuf> = harness.store.take_shown();
    let record = PathBuf::from("/lake/_tillrace/commit");
    let places = expected.iter().map(|path| Path::new("/lake").join(path));
    assert_eq!(shown, [record].into_iter().chain(places).collect::<Vec<_>>(), "the record comes before any of them");
    assert_eq!(harness.commit().unwrap(), CommitReport::default());
    assert!(harness.store.take_shown().is_empty());
    harness.reopen();
    assert_eq!(harness.commit().unwrap(), CommitReport::default(), "also a later writer finds them");
}

#[test]
fn tables_appear_in_order_and_kpis_last() {
    let mut harness = Harness::default();
    harness.commit().unwrap();
    harness.append(0, at(&harness, 0, 0), 2).unwrap();
    let product = harness.table("dim_product");
    harness.writer.replace_dimension(product, Rows::new(harness.writer.gold_tables()[product].schema));
    harness.append(2, at(&harness, 2, 0), 1).unwrap();
    let report = harness.commit().unwrap();
    let table = |file: &CommittedFile| harness.table_of(&Path::new("/lake").join(&file.path));
    let names: Vec<&str> =
        report.files.iter().map(|file| harness.writer.gold_tables()[table(file)].name.as_str()).collect();
    let expected = "products_1m products_1d categories_1m categories_1d funnel_1m funnel_1d payments_1m payments_1d \
                    quality_1m rejections_1m customer_activity dim_product kpis_1m kpis_1d";
    assert_eq!(names.join(" "), expected);
    assert_eq!(report.files[0].path, Path::new("gold/products_1m/2026-01-01/00.parquet"));
    assert_eq!(report.files[0].rows, 2);
    assert!(report.files[0].bytes > 0);
}

#[test]
fn committing_after_every_window_of_two_days_leaves_a_file_an_hour() {
    let mut harness = Harness::default();
    for minute in 0..2_880 {
        harness.append(0, at(&harness, 0, minute), 1).unwrap();
        for (grain, minutes) in [(1, 60), (2, 1_440)] {
            if (minute + 1) % minutes == 0 {
                harness.append(grain, at(&harness, grain, minute), 1).unwrap();
            }
        }
        // Reading all files back takes long; once an hour is enough here, the random runs do it each time.
        if minute % 60 == 59 { harness.commit().map(drop) } else { harness.commit_blindly().map(drop) }.unwrap();
        // At midnight the old day's rows and the new day's are two portions.
        let touched = harness.store.take_shown().len();
        let portions = 1 + usize::from(minute % 1_440 == 0);
        let most = portions * harness.writer.gold_tables().len() + 1;
        assert!(minute == 0 || touched <= most, "{touched} files at minute {minute}");
    }
    let hours: Vec<String> = ["01", "02"]
        .iter()
        .flat_map(|day| (0..24).map(move |hour| format!("2026-01-{day}/{hour:02}.parquet")))
        .collect();
    assert_eq!(harness.names("products_1m"), hours);
    assert_eq!(harness.names("kpis_1m"), hours);
    assert_eq!(harness.names("kpis_1h"), ["2026-01-01/00.parquet", "2026-01-02/00.parquet"]);
    assert_eq!(harness.names("kpis_1d"), ["2026-01-01/00.parquet", "2026-01-02/00.parquet"]);
}

#[test]
fn a_day_committed_at_once_is_one_file() {
    let mut harness = Harness::default();
    for minute in 0..1_440 {
        harness.append(0, at(&harness, 0, minute), 1).unwrap();
    }
    harness.commit().unwrap();
    assert_eq!(harness.names("kpis_1m"), ["2026-01-01/00.parquet"]);
}

#[test]
fn a_file_is_named_by_its_first_hour_and_taken_further_from_its_last() {
    let mut harness = Harness::default();
    // 07:10 and 09:50 in one commit; 09:55 goes to that file and takes 10:05 along, so 10:10 goes there too.
    for minutes in [&[430, 590][..], &[595, 605], &[610], &[660]] {
        for &minute in minutes {
            harness.append(0, at(&harness, 0, minute), 1).unwrap();
        }
        harness.commit().unwrap();
    }
    assert_eq!(harness.names("kpis_1m"), ["2026-01-01/07.parquet", "2026-01-01/11.parquet"]);
    assert_eq!(
        harness.files(harness.table("kpis_1m")).into_values().map(|keys| keys.len()).collect::<Vec<_>>(),
        [5, 1]
    );
}

#[test]
fn a_file_that_would_grow_too_long_is_followed_by_another_of_the_hour() {
    let mut harness = Harness::default();
    harness.set_file_rows_max(5);
    for minute in 420..424 {
        harness.append(0, at(&harness, 0, minute), 2).unwrap();
        harness.commit().unwrap();
    }
    assert_eq!(harness.names("kpis_1m"), ["2026-01-01/07-1.parquet", "2026-01-01/07.parquet"]);
    // Below, at and above the bound: 4 + 1 rows still go to the file, the next one does not, nor to a full one.
    harness.append(0, at(&harness, 0, 424), 1).unwrap();
    harness.commit().unwrap();
    assert_eq!(harness.names("kpis_1m").len(), 2);
    harness.append(0, at(&harness, 0, 425), 1).unwrap();
    harness.commit().unwrap();
    harness.append(0, at(&harness, 0, 480), 9).unwrap();
    harness.commit().unwrap();
    let expected = ["07-1", "07-2", "07", "08"].map(|name| format!("2026-01-01/{name}.parquet"));
    assert_eq!(harness.names("kpis_1m"), expected);
}

#[test]
fn the_row_of_a_day_lands_in_its_day_also_when_the_next_has_begun() {
    let mut harness = Harness::default();
    for minute in [0, 1_439, 1_440] {
        harness.append(0, at(&harness, 0, minute), 1).unwrap();
    }
    for grain in [1, 2] {
        harness.append(grain, at(&harness, grain, 1_439), 1).unwrap();
        harness.append(grain, at(&harness, grain, 1_440), 1).unwrap();
    }
    harness.commit().unwrap();
    assert_eq!(harness.names("kpis_1d"), ["2026-01-01/00.parquet", "2026-01-02/00.parquet"]);
    assert_eq!(harness.names("kpis_1h"), ["2026-01-01/23.parquet", "2026-01-02/00.parquet"]);
}

#[test]
fn days_and_hours_are_local() {
    let offset = "+05:30".parse().unwrap();
    let semantics = Semantics::new(WindowLength::MINUTE, &[], Micros::ZERO, Currency::USD, offset).unwrap();
    let mut harness = Harness::new(semantics);
    // 18:29 and 18:30 UTC are 23:59 and 00:00 there.
    for minute in [1_109, 1_110] {
        harness.append(0, at(&harness, 0, minute), 1).unwrap();
    }
    harness.commit().unwrap();
    assert_eq!(harness.names("kpis_1m"), ["2026-01-01/23.parquet", "2026-01-02/00.parquet"]);
}

#[test]
fn rows_that_no_commit_needs_again_are_dropped() {
    let mut harness = Harness::default();
    let kept = |harness: &mut Harness| {
        let table = harness.table("kpis_1m");
        let State::Windowed(table) = &harness.gold().states[table] else { unreachable!() };
        table.newest.as_ref().and_then(|newest| newest.rows.as_ref()).map_or(0, Rows::len)
    };
    harness.append(0, at(&harness, 0, 0), 3).unwrap();
    assert!(harness.writer.pending_bytes() > 0);
    harness.commit().unwrap();
    assert_eq!((kept(&mut harness), harness.writer.pending_bytes()), (3, 0));
    harness.append(0, at(&harness, 0, 59), 1).unwrap();
    assert_eq!(kept(&mut harness), 3);
    harness.commit().unwrap();
    assert_eq!(kept(&mut harness), 4);
    harness.append(0, at(&harness, 0, 60), 1).unwrap();
    assert_eq!(kept(&mut harness), 0);
}

#[test]
fn too_many_waiting_rows_are_staged_before_the_next_window_and_shown_by_the_commit() {
    let mut harness = Harness::default();
    harness.commit().unwrap();
    harness.gold().pending_bytes_max = 1;
    for minute in 0..3 {
        harness.append(0, at(&harness, 0, minute), 1).unwrap();
    }
    assert!(harness.names("kpis_1m").is_empty(), "nothing is shown before the commit");
    let report = harness.commit().unwrap();
    let kpis = report.files.iter().filter(|file| file.path == Path::new("gold/kpis_1m/2026-01-01/00.parquet"));
    assert_eq!(kpis.map(|file| file.rows).collect::<Vec<_>>(), [1, 2, 3], "one place, three portions");
}

#[test]
fn a_later_writer_goes_on_with_the_newest_file() {
    let mut harness = Harness::default();
    harness.append(0, at(&harness, 0, 0), 2).unwrap();
    harness.append(1, at(&harness, 1, 0), 1).unwrap();
    harness.commit().unwrap();
    harness.reopen();
    harness.append(0, at(&harness, 0, 1), 2).unwrap();
    harness.commit().unwrap();
    harness.reopen();
    harness.append(0, at(&harness, 0, 60), 2).unwrap();
    harness.append(1, at(&harness, 1, 60), 1).unwrap();
    harness.commit().unwrap();
    assert_eq!(harness.names("kpis_1m"), ["2026-01-01/00.parquet", "2026-01-01/01.parquet"]);
    assert_eq!(harness.names("kpis_1h"), ["2026-01-01/00.parquet"]);
}

/// The file as a version would have written it that did not have the column yet.
fn without_column(bytes: &Bytes, column: &str) -> Bytes {
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes.clone()).unwrap();
    let index = reader.schema().index_of(column).unwrap();
    let others: Vec<usize> = (0..reader.schema().fields().len()).filter(|place| *place != index).collect();
    let schema = Arc::new(reader.schema().project(&others).unwrap());
    let mut writer = parquet::arrow::ArrowWriter::try_new(Vec::new(), schema, None).unwrap();
    for batch in reader.build().unwrap() {
        writer.write(&batch.unwrap().project(&others).unwrap()).unwrap();
    }
    writer.into_inner().unwrap().into()
}

#[test]
fn a_lake_from_before_a_column_is_gone_on_with_and_gets_the_column() {
    let mut harness = Harness::default();
    harness.append(0, at(&harness, 0, 0), 2).unwrap();
    harness.commit().unwrap();
    // A commit that leaves that file alone, so that it is not among those that the last commit names.
    harness.append(1, at(&harness, 1, 0), 1).unwrap();
    harness.commit().unwrap();
    let folder = Path::new("/lake/gold/kpis_1m");
    let places = [folder.join("schema.parquet"), folder.join("2026-01-01/00.parquet")];
    for place in &places {
        let earlier = without_column(harness.store.entries()[place].as_ref().unwrap(), "aov");
        harness.store.write(place, &earlier).unwrap();
    }
    harness.reopen();
    harness.append(0, at(&harness, 0, 1), 2).unwrap();
    harness.commit().unwrap();
    for place in &places {
        let bytes = harness.store.entries()[place].clone().unwrap();
        let reader = ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap();
        assert!(reader.schema().index_of("aov").is_ok(), "{}", place.display());
    }
    assert_eq!(harness.files(harness.table("kpis_1m")).into_values().map(|keys| keys.len()).sum::<usize>(), 4);
}

#[test]
fn a_dimension_is_replaced_whole_and_only_by_a_commit() {
    let mut harness = Harness::default();
    let table = harness.table("dim_customer");
    let place = Path::new("/lake/gold/dim_customer/dim_customer.parquet");
    let count = |harness: &Harness| {
        let bytes = harness.store.entries().remove(place)??;
        let reader = ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap();
        Some(reader.metadata().file_metadata().num_rows())
    };
    harness.commit().unwrap();
    let mut customers = Rows::new(harness.writer.gold_tables()[table].schema);
    for (id, expected) in [("c1", None), ("c2", Some(1))] {
        let time = Cell::Timestamp(EventTime::EPOCH);
        customers.push(&[Cell::Text(id), Cell::Null, Cell::Null, time]);
        harness.writer.replace_dimension(table, customers.clone());
        harness.writer.replace_dimension(table, customers.clone());
        assert_eq!(harness.writer.pending_bytes(), customers.byte_size());
        assert_eq!(count(&harness), expected);
        assert_eq!(harness.commit().unwrap().files[0].rows, customers.len());
    }
    assert_eq!(count(&harness), Some(2));
    assert!(harness.commit().unwrap().files.is_empty());
}

/// Three commits (a new day, a file taken further, a day and its rollups), each failing at every step in turn.
#[test]
fn a_commit_that_fails_at_any_step_shows_nothing_half_and_the_next_writer_goes_on() {
    let commits: [&[(usize, i64)]; 3] = [&[(0, 0), (0, 1)], &[(0, 2)], &[(0, 3), (1, 3), (2, 3)]];
    for fault in [Fault::Before, Fault::After] {
        for failing in 0..commits.len() {
            let mut steps = 0;
            loop {
                let mut harness = Harness::default();
                let mut failed = false;
                for (number, windows) in commits.iter().enumerate() {
                    for &(grain, minute) in *windows {
                        harness.append(grain, at(&harness, grain, minute), 2).unwrap();
                    }
                    if number == failing {
                        harness.store.fail_after(steps, fault);
                        let result = harness.commit_blindly();
                        failed = harness.store.has_failed();
                        // Not the other way round: a step that was to fail may have been to make a folder that is
                        // there already, which is as good as made.
                        assert!(failed || result.is_ok());
                        harness.store.fail_after(usize::MAX, fault);
                        if failed {
                            harness.check_failed();
                            harness.reopen();
                        }
                    }
                    harness.commit().unwrap();
                }
                if !failed {
                    break;
                }
                steps += 1;
            }
            assert!(steps > 20, "{steps} steps");
        }
    }
}

#[test]
fn a_failed_commit_names_the_table_and_the_file() {
    let mut harness = Harness::default();
    harness.commit().unwrap();
    harness.append(0, at(&harness, 0, 0), 1).unwrap();
    harness.store.fail_after(3, Fault::Before);
    let error = harness.commit_blindly().unwrap_err();
    assert_eq!(error.to_string(), "cannot commit table payments_1m");
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(source, "cannot write file /lake/_tillrace/tmp/000002-003");
    assert!(harness.names("products_1m").is_empty(), "nothing is shown before all is written");
}

#[test]
fn a_failure_beside_the_tables_names_the_commit() {
    let said = |steps: usize| {
        let mut harness = Harness::default();
        harness.commit().unwrap();
        harness.append(2, at(&harness, 2, 0), 1).unwrap();
        let files = 5;
        harness.store.fail_after(files + steps, Fault::Before);
        let error = harness.commit_blindly().unwrap_err();
        format!("{error}: {}", std::error::Error::source(&error).unwrap())
    };
    assert_eq!(said(0), "cannot stage commit 2: cannot sync folder /lake/_tillrace/tmp");
    assert_eq!(said(1), "cannot record commit 2: cannot write file /lake/_tillrace/tmp/commit");
    assert_eq!(said(2), "cannot record commit 2: cannot move a finished file to /lake/_tillrace/commit");
    assert_eq!(said(3), "cannot show commit 2: cannot create folder /lake/gold/products_1d/2026-01-01");
}

#[test]
#[should_panic(expected = "window WindowId(1) after Some(WindowId(1))")]
fn a_window_fires_once() {
    let mut harness = Harness::default();
    harness.append(0, WindowId(1), 1).unwrap();
    let _ = harness.append(0, WindowId(1), 1);
}

#[test]
#[should_panic(expected = "kpis row at Timestamp(EventTime(60000000)) appended for window 1970-01-01T00:02:00Z")]
fn rows_of_another_window_are_a_bug() {
    let mut harness = Harness::default();
    let table = harness.table("kpis_1m");
    let wrong = rows(&harness.writer.gold_tables()[table], &harness.semantics, WindowId(1), 1);
    let _ = harness.writer.append_window(0, WindowId(2), [(table, &wrong)]);
}

#[test]
#[should_panic(expected = "layers quarantine leave gold out")]
fn a_lake_without_gold_has_no_writer() {
    let layers = "quarantine".parse().unwrap();
    let store = Arc::new(MemoryStore::default());
    let _ = GoldWriter::new(&Lake::open_in(store, "/lake".into(), &Semantics::default(), layers).unwrap());
}

/// A generated run: window and rollups in seconds, offset in minutes; then for each base window how many windows are skipped
/// before it, how many rows it has, whether a commit follows, and whether a rollup waits for the window after its end.
#[derive(Clone, Debug)]
struct Run {
    window: i64,
    rollups: Vec<i64>,
    offset: i32,
    file_rows_max: usize,
    windows: Vec<(i64, i32, bool, bool)>,
    /// Steps of storage until one fails, over and over.
    faults: Vec<(usize, bool)>,
}

fn arb_run() -> impl Strategy<Value = Run> {
    let lengths = prop_oneof![
        Just((60, vec![3_600, 86_400])),
        Just((900, vec![3_600, 21_600])),
        Just((2_700, vec![10_800, 86_400])),
        Just((5_400, vec![])),
        Just((86_400, vec![86_400])),
    ];
    let window = (prop_oneof![3 => 0..3_i64, 1 => 3..200_i64], 0..4_i32, any::<bool>(), any::<bool>());
    (
        lengths,
        prop_oneof![Just(0), Just(330), Just(-480)],
        prop_oneof![Just(usize::MAX), 1..12_usize],
        prop::collection::vec(window, 1..40),
        prop::collection::vec((0..60_usize, any::<bool>()), 0..4),
    )
        .prop_map(|((window, rollups), offset, file_rows_max, windows, faults)| Run {
            window,
            rollups,
            offset,
            file_rows_max,
            windows,
            faults,
        })
}

struct Simulation {
    harness: Harness,
    faults: Vec<(usize, bool)>,
}

impl Simulation {
    /// Arms the next fault once the last one has struck.
    fn arm(&mut self) {
        if self.harness.store.has_failed()
            && let Some((steps, before)) = self.faults.pop()
        {
            self.harness.store.fail_after(steps, if before { Fault::Before } else { Fault::After });
        }
    }

    /// As the next run, which meets no fault before it goes on.
    fn reopen(&mut self) {
        self.harness.check_failed();
        self.harness.reopen();
        self.arm();
    }

    fn append(&mut self, grain: usize, window: WindowId, count: i32) {
        while self.harness.append(grain, window, count).is_err() {
            self.reopen();
        }
    }

    fn commit(&mut self) {
        while self.harness.commit().is_err() {
            self.reopen();
        }
    }
}

fn simulate(run: Run) {
    let length = |seconds| WindowLength::new(Micros::from_seconds(seconds)).unwrap();
    let rollups: Vec<WindowLength> = run.rollups.iter().map(|&seconds| length(seconds)).collect();
    let offset = UtcOffset::from_minutes(run.offset).unwrap();
    let semantics = Semantics::new(length(run.window), &rollups, Micros::ZERO, Currency::USD, offset).unwrap();
    let grains = semantics.grains().to_vec();
    let mut harness = Harness::new(semantics);
    harness.set_file_rows_max(run.file_rows_max);
    let mut simulation = Simulation { harness, faults: run.faults };
    simulation.arm();
    // The rollup windows that hold base windows and were not emitted yet.
    let mut open: Vec<Option<WindowId>> = vec![None; grains.len()];
    let mut base = 1_000;
    for (skipped, count, commits, waits) in run.windows {
        base += 1 + skipped;
        let start = grains[0].start(WindowId(base));
        if waits {
            simulation.append(0, WindowId(base), count);
        }
        for grain in 1..grains.len() {
            let now = grains[grain].containing(start);
            if let Some(before) = open[grain].replace(now).filter(|&before| before != now) {
                simulation.append(grain, before, count + 1);
            }
        }
        if !waits {
            simulation.append(0, WindowId(base), count);
        }
        if commits {
            simulation.commit();
        }
    }
    for (grain, window) in open.into_iter().enumerate() {
        if let Some(window) = window {
            simulation.append(grain, window, 1);
        }
    }
    simulation.commit();
    for table in simulation.harness.windowed() {
        let mut days: BTreeMap<String, usize> = BTreeMap::new();
        simulation.harness.files(table).into_keys().for_each(|(day, _)| *days.entry(day).or_default() += 1);
        let most = days.into_values().max().unwrap_or(0);
        assert!(run.file_rows_max < usize::MAX || most <= 24, "{most} files");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn readers_find_every_row_once_after_every_commit(run in arb_run()) {
        simulate(run);
    }
}
