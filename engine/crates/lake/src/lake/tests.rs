//! Goal: a lake is made whole or not at all, and never over a run that is there. Method: storage in memory that
//! fails at every step in turn, and the entries before and after.

use std::sync::Arc;

use engine_model::{Currency, Micros, WindowLength};

use super::*;
use crate::memory::{Fault, MemoryStore};

fn create(store: &Arc<MemoryStore>, path: &str) -> Result<Lake, CreateError> {
    Lake::open_in(store.clone(), path.into(), &Semantics::default(), Layers::default())
}

fn store() -> Arc<MemoryStore> {
    let store = Arc::new(MemoryStore::default());
    store.put("/data/other/notes.txt");
    store
}

#[test]
fn a_new_lake_holds_the_description_of_its_run_and_nothing_else() {
    let store = store();
    let lake = create(&store, "/data/new/lake").unwrap();
    assert_eq!(lake.root(), Path::new("/data/new/lake"));
    let entries = store.entries();
    let made: Vec<_> = entries.keys().filter_map(|path| path.to_str()?.strip_prefix("/data/new")).collect();
    assert_eq!(made, ["", "/lake", "/lake/_tillrace", "/lake/_tillrace/run.json", "/lake/_tillrace/tmp"]);
    let expected = "{\n  \"format\": 2,\n  \"window\": \"1m\",\n  \"rollups\": [\"1h\", \"1d\"],\n  \
                    \"lateness_us\": 10000000,\n  \"currency\": \"USD\",\n  \"utc_offset\": \"+00:00\",\n  \
                    \"layers\": [\"quarantine\", \"gold\"]\n}\n";
    assert_eq!(entries[Path::new("/data/new/lake/_tillrace/run.json")].as_deref(), Some(expected.as_bytes()));
}

#[test]
fn the_description_tells_all_that_decides_the_rows() {
    let semantics = |rollups: &[WindowLength], offset: &str| {
        let offset = offset.parse().unwrap();
        Semantics::new(WindowLength::DAY, rollups, Micros::ZERO, Currency::USD, offset).unwrap()
    };
    let without = describe(&semantics(&[], "-03:30"), Layers::default());
    assert!(without.contains("\"rollups\": [],") && without.contains("\"utc_offset\": \"-03:30\""), "{without}");
    let with = describe(&semantics(&[WindowLength::DAY], "+14:00"), Layers::default());
    assert!(with.contains("\"rollups\": [\"1d\"],") && with.contains("\"utc_offset\": \"+14:00\""), "{with}");
}

#[test]
fn a_folder_with_other_things_and_empty_layers_becomes_a_lake() {
    let store = store();
    store.create_folder(Path::new("/data/other/gold")).unwrap();
    assert!(create(&store, "/data/other").is_ok());
}

#[test]
fn tables_that_nobody_has_described_are_refused_untouched() {
    let signs = [
        ("gold/kpis_1m/schema.parquet", "gold/kpis_1m"),
        ("bronze/x", "bronze/x"),
        ("silver/x", "silver/x"),
        ("quarantine/late/000000.parquet", "quarantine/late"),
        ("gold", "gold"),
    ];
    for (sign, found) in signs {
        let store = store();
        store.put(&format!("/data/lake/{sign}"));
        let before = store.entries();
        let error = create(&store, "/data/lake").unwrap_err();
        assert!(matches!(&error, CreateError::Occupied { .. }) && error.is_usage());
        let expected = format!(
            "lake /data/lake already holds {found}, but no _tillrace/run.json; expected a lake, or a folder without tables"
        );
        assert_eq!(error.to_string(), expected);
        assert_eq!(store.entries(), before);
    }
}

#[test]
fn what_is_wrong_with_a_lake_is_said_with_what_to_do() {
    let path = || PathBuf::from("/data/lake");
    let exists = CreateError::Exists { path: path() };
    assert_eq!(exists.to_string(), "lake /data/lake already holds an earlier run; expected a folder without one");
    let format = CreateError::Format { path: path(), found: 7 };
    assert_eq!(format.to_string(), "lake /data/lake has format 7; this version goes on with format 2 only");
    let damaged = CreateError::Damaged { path: path(), what: "it is torn".to_owned() };
    let expected = "/data/lake is damaged: it is torn; nothing was changed. Put the file back from a copy, or run into another \
                    folder";
    assert_eq!(damaged.to_string(), expected);
    let locked = CreateError::Locked { path: path(), owner: "process 7".to_owned() };
    let expected = "lake /data/lake is being written by process 7; wait for it or end it. The lock, _tillrace/lock, goes with \
                    its process: should none be left, on this or another machine, remove that file";
    assert_eq!(locked.to_string(), expected);
    assert!(exists.is_usage() && format.is_usage() && !damaged.is_usage() && !locked.is_usage());
}

#[test]
fn a_lake_is_opened_again_by_whoever_asks_for_the_same() {
    let store = store();
    create(&store, "/data/lake").unwrap();
    let before = store.entries();
    let lake = create(&store, "/data/lake").unwrap();
    assert_eq!((lake.cut(), lake.commit_number()), (None, 0));
    assert_eq!(store.entries(), before);
    let second = WindowLength::new(Micros::SECOND).unwrap();
    let other = Semantics::new(second, &[], Micros::new(1_500), Currency::USD, "+00:00".parse().unwrap()).unwrap();
    let error = Lake::open_in(store.clone(), "/data/lake".into(), &other, "gold".parse().unwrap()).unwrap_err();
    let expected = "lake /data/lake was made with --window 1m, --rollup 1h,1d, --lateness 10s, --layers quarantine,gold, not \
                    --window 1s, --rollup none, --lateness 1500us, --layers gold; run with the same options, or into another \
                    folder";
    assert_eq!(error.to_string(), expected);
    assert!(error.is_usage());
    assert_eq!(store.entries(), before);
}

#[test]
fn an_empty_path_is_the_folder_the_process_runs_in() {
    let store = store();
    store.put("./gold/kpis_1m/schema.parquet");
    let error = create(&store, "").unwrap_err();
    assert!(error.to_string().starts_with("lake . already holds gold/kpis_1m, but"), "{error}");
}

/// A run was killed while it made the lake.
#[test]
fn a_lake_whose_making_broke_off_is_made_whole() {
    for there in [&["/data/lake/_tillrace/lock"][..], &["/data/lake/_tillrace/tmp/run.json"]] {
        let store = store();
        for path in there {
            store.put(path);
        }
        create(&store, "/data/lake").unwrap();
        assert!(store.len(Path::new("/data/lake/_tillrace/run.json")).unwrap().is_some());
    }
}

/// Between looking and making, another process makes its mark.
#[test]
fn the_description_of_a_faster_process_is_kept() {
    let store = store();
    store.put("/data/lake/_tillrace/run.json");
    let before = store.entries();
    let mut made = Made { store: &*store, folders: Vec::new(), files: Vec::new() };
    assert!(made.lake(Path::new("/data/lake"), "mine").is_ok());
    made.undo();
    assert_eq!(store.entries(), before);
}

#[test]
fn a_file_in_the_way_is_named() {
    let store = store();
    for path in ["/data/other/notes.txt", "/data/other/notes.txt/lake"] {
        let error = create(&store, path).unwrap_err();
        assert!(matches!(&error, CreateError::NotAFolder { .. }));
        let expected =
            format!("lake {path} is a file or lies below one; expected a folder, or a path where one can be made");
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn a_failure_at_any_step_leaves_nothing_behind() {
    for fault in [Fault::Before, Fault::After] {
        let mut steps = 0;
        loop {
            let store = store();
            let before = store.entries();
            store.fail_after(steps, fault);
            let result = create(&store, "/data/new/lake");
            if !store.has_failed() {
                assert!(result.is_ok());
                break;
            }
            let error = result.unwrap_err();
            let expected = "lake /data/new/lake cannot be made; expected a folder that can be written to";
            assert_eq!(error.to_string(), expected);
            assert_eq!(store.entries(), before, "{fault:?} after {steps} steps");
            steps += 1;
        }
        assert_eq!(steps, 6, "four folders, a write, a rename");
    }
}

#[test]
fn a_failed_step_names_what_was_asked_of_which_path() {
    let error = |operation| StoreError { operation, path: "/data/x".into(), source: io::ErrorKind::StorageFull.into() };
    assert_eq!(error(Operation::List).to_string(), "cannot list folder /data/x");
    assert_eq!(error(Operation::CreateFolder).to_string(), "cannot create folder /data/x");
    assert_eq!(error(Operation::Write).to_string(), "cannot write file /data/x");
    assert_eq!(error(Operation::Rename).to_string(), "cannot move a finished file to /data/x");
}
