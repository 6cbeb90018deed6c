//! Goal: what was written is read back, in order, from the folders that are asked for and no others, also where files
//! vanish under the reader. Method: a writer and a reader on storage in memory, and storage that loses files.

use std::ffi::OsString;
use std::sync::Mutex;

use engine_model::{Cell, Cents, WindowId};

use super::*;
use crate::memory::MemoryStore;
use crate::store::{OpenedFile, TryLock};
use crate::{Lake, LakeWriter};

/// Storage on which the first reads fail for want of the file, and that notes what is read.
#[derive(Debug)]
struct Losing {
    store: Arc<MemoryStore>,
    lost: Mutex<usize>,
    read: Mutex<Vec<PathBuf>>,
}

impl Store for Losing {
    fn list(&self, folder: &Path) -> io::Result<Option<Vec<OsString>>> {
        self.store.list(folder)
    }
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.read.lock().unwrap().push(path.to_owned());
        let mut lost = self.lost.lock().unwrap();
        if *lost > 0 && path.extension().is_some_and(|extension| extension == "parquet") {
            *lost -= 1;
            return Err(io::ErrorKind::NotFound.into());
        }
        self.store.read(path)
    }
    fn open(&self, path: &Path) -> io::Result<OpenedFile> {
        self.read(path).map(|bytes| OpenedFile::Bytes(bytes.into()))
    }
    fn create_folder(&self, folder: &Path) -> io::Result<()> {
        panic!("a reader made {}", folder.display())
    }
    fn write(&self, path: &Path, _: &[u8]) -> io::Result<()> {
        panic!("a reader wrote {}", path.display())
    }
    fn write_part(&self, path: &Path, _: u64, _: &[u8]) -> io::Result<()> {
        panic!("a reader wrote {}", path.display())
    }
    fn sync(&self, path: &Path) -> io::Result<()> {
        panic!("a reader synced {}", path.display())
    }
    fn rename(&self, from: &Path, _: &Path) -> io::Result<()> {
        panic!("a reader moved {}", from.display())
    }
    fn len(&self, path: &Path) -> io::Result<Option<u64>> {
        self.store.len(path)
    }
    fn append(&self, path: &Path, _: u64, _: &[u8]) -> io::Result<()> {
        panic!("a reader appended to {}", path.display())
    }
    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        panic!("a reader synced {}", folder.display())
    }
    fn lock(&self, path: &Path) -> io::Result<TryLock> {
        panic!("a reader locked {}", path.display())
    }
    fn remove_file(&self, path: &Path) -> io::Result<()> {
        panic!("a reader removed {}", path.display())
    }
    fn remove_folder(&self, folder: &Path) -> io::Result<()> {
        panic!("a reader removed {}", folder.display())
    }
}

/// A lake with a row of `rejections` in the first minute of each of these local hours.
fn written(hours: &[i64]) -> Arc<MemoryStore> {
    let store = Arc::new(MemoryStore::default());
    store.put("/lakes/readme");
    let semantics = Semantics::default();
    let lake = Lake::open_in(store.clone(), "/lakes/a".into(), &semantics, "gold".parse().unwrap()).unwrap();
    let mut writer = LakeWriter::start(&lake, "test").unwrap();
    writer.commit("", &[], Vec::new).unwrap();
    let table = writer.gold_tables().iter().position(|table| table.name == "rejections_1m").unwrap();
    for hour in hours {
        let (base, window) = (semantics.base(), WindowId(hour * 60));
        let mut rows = Rows::new(&gold::REJECTIONS);
        rows.push(&[
            Cell::Timestamp(base.start(window)),
            Cell::Timestamp(base.end(window)),
            Cell::Int32(base.date_key(window)),
            Cell::Int32(base.minute_of_day(window)),
            Cell::Text("too_large"),
            Cell::Int64(*hour),
        ]);
        writer.append_window(0, window, [(table, &rows)]).unwrap();
        writer.commit("", &[], Vec::new).unwrap();
    }
    store
}

fn losing(store: Arc<MemoryStore>, lost: usize) -> (Arc<Losing>, LakeReader) {
    let losing = Arc::new(Losing { store, lost: Mutex::new(lost), read: Mutex::default() });
    let reader = LakeReader::open_in(losing.clone(), "/lakes/a".into()).unwrap();
    (losing, reader)
}

fn rejections(reader: &LakeReader) -> LakeTable {
    reader.tables().unwrap().into_iter().find(|table| table.name == "rejections_1m").unwrap()
}

fn hours(rows: &Rows) -> Vec<i64> {
    let hour = |row| match rows.cell(row, 5) {
        Cell::Int64(hour) => hour,
        cell => panic!("{cell:?}"),
    };
    (0..rows.len()).map(hour).collect()
}

#[test]
fn rows_come_in_the_order_of_windows_from_the_days_asked_for_alone() {
    let (storage, reader) = losing(written(&[1, 2, 13, 25, 30, 49]), 0);
    let table = rejections(&reader);
    assert_eq!(reader.days(&table).unwrap(), [0, 1, 2]);
    assert_eq!(hours(&reader.read(&table, 0, 3).unwrap()), [1, 2, 13, 25, 30, 49]);
    storage.read.lock().unwrap().clear();
    assert_eq!(hours(&reader.read(&table, 1, 2).unwrap()), [25, 30]);
    assert_eq!(reader.count(&table, 1, 9).unwrap(), 3);
    let read = storage.read.lock().unwrap();
    assert!(read.iter().all(|path| !path.to_str().unwrap().contains("1970-01-01")), "{read:?}");
}

#[test]
fn the_tables_are_those_of_the_description_that_are_there() {
    let (_, reader) = losing(written(&[]), 0);
    let names: Vec<String> = reader.tables().unwrap().into_iter().map(|table| table.name).collect();
    let expected: Vec<String> = gold::tables(&Semantics::default()).into_iter().map(|table| table.name).collect();
    assert_eq!(names, expected, "without a quarantine, of which nothing was written");
    assert_eq!(reader.semantics(), &Semantics::default());
}

#[test]
fn a_file_that_vanishes_is_looked_for_again_and_not_for_ever() {
    let (_, reader) = losing(written(&[1, 2]), LISTINGS_MAX - 1);
    assert_eq!(hours(&reader.read(&rejections(&reader), 0, 1).unwrap()), [1, 2]);
    let (_, reader) = losing(written(&[1, 2]), LISTINGS_MAX);
    let error = reader.read(&rejections(&reader), 0, 1).unwrap_err();
    assert_eq!(error.to_string(), "cannot read table rejections_1m");
}

#[test]
fn files_of_one_hour_come_by_their_number() {
    let store = written(&[1]);
    for name in ["01-10", "01-2", "00"] {
        store.put(&format!("/lakes/a/gold/rejections_1m/1970-01-01/{name}.parquet"));
    }
    let (_, reader) = losing(store, 0);
    let files = reader.files(&rejections(&reader), 0, 1).unwrap();
    let names: Vec<&str> = files.iter().map(|path| path.file_stem().unwrap().to_str().unwrap()).collect();
    assert_eq!(names, ["00", "01", "01-2", "01-10"]);
    let error = reader.read(&rejections(&reader), 0, 1).unwrap_err();
    assert_eq!(error.to_string(), "cannot read /lakes/a/gold/rejections_1m/1970-01-01/00.parquet");
}

#[test]
fn what_is_no_lake_is_refused_and_said() {
    let store = Arc::new(MemoryStore::default());
    store.put("/lakes/readme");
    let error = LakeReader::open_in(store.clone(), "/lakes".into()).unwrap_err();
    let expected = "/lakes is no lake; expected a folder that tillrace run has written, with _tillrace/run.json in it";
    assert_eq!(error.to_string(), expected);
    store.put("/lakes/_tillrace/run.json");
    let error = LakeReader::open_in(store, "/lakes".into()).unwrap_err();
    assert!(error.to_string().starts_with("/lakes/_tillrace/run.json is not understood: "), "{error}");
}

#[test]
fn a_description_is_read_as_it_is_written_and_nothing_else() {
    let good = r#"{"format": 2, "window": "90s", "rollups": ["1d"], "lateness_us": 0, "currency": "EUR",
                   "utc_offset": "-03:30", "layers": ["gold"]}"#;
    let read = semantics(good.as_bytes()).unwrap();
    assert_eq!((read.base().length().to_string(), read.currency().as_str()), ("90s".to_owned(), "EUR"));
    assert_eq!(read.base().offset().to_string(), "-03:30");
    assert_eq!(semantics(good.replacen("2,", "1,", 1).as_bytes()).unwrap(), read, "an older lake can be read");
    for (from, to, what) in [
        ("2,", "3,", "format is 3, not 1 to 2"),
        ("90s", "7s", "grain \"7s\" is not of the form 10s, 1m, 1h or 1d, of a length that divides a day"),
        ("\"1d\"", "1", "a rollup is no text"),
        ("\"1d\"", "\"1m\"", "rollup 1m is not a multiple of the window 90s"),
        ("0,", "-1,", "lateness_us is no span"),
        ("currency", "money", "currency is no text"),
    ] {
        assert_eq!(semantics(good.replacen(from, to, 1).as_bytes()).unwrap_err(), what);
    }
}

#[test]
fn a_file_of_another_table_is_refused_by_its_column() {
    let store = written(&[1]);
    let mut rows = Rows::new(&gold::DIM_PRODUCT);
    let text = Cell::Text("x");
    rows.push(&[text, text, text, Cell::Money(Cents::ZERO), Cell::Timestamp(engine_model::EventTime::EPOCH)]);
    let bytes = engine_gold::parquet(&rows).unwrap();
    store.write(Path::new("/lakes/a/gold/rejections_1m/1970-01-01/02.parquet"), &bytes).unwrap();
    let (_, reader) = losing(store, 0);
    let ReadError::Decode { source, .. } = reader.read(&rejections(&reader), 0, 1).unwrap_err() else { panic!() };
    let expected = "table rejections has no column window_start; expected one of type Timestamp(µs, \"UTC\")";
    assert_eq!(source.to_string(), expected);
}
