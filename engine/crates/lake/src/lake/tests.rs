//! Goal: a lake is made whole or not at all, and never over a run that is there. Method: storage in memory that
//! fails at every step in turn, and the entries before and after.

use std::sync::Arc;

use engine_model::{Currency, Micros, WindowLength};

use super::*;
use crate::memory::{Fault, MemoryStore};

fn create(store: &Arc<MemoryStore>, path: &str) -> Result<Lake, CreateError> {
    Lake::create_in(store.clone(), path.into(), &Semantics::default(), Layers::default())
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
    let expected = "{\n  \"format\": 1,\n  \"window\": \"1m\",\n  \"rollups\": [\"1h\", \"1d\"],\n  \
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
fn any_sign_of_a_run_is_refused_untouched() {
    let signs = [
        ("_tillrace/run.json", "_tillrace"),
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
        assert!(matches!(&error, CreateError::Occupied { .. }));
        let expected = format!("lake /data/lake already holds {found}; expected a folder without an earlier run");
        assert_eq!(error.to_string(), expected);
        assert_eq!(store.entries(), before);
    }
}

#[test]
fn an_empty_path_is_the_folder_the_process_runs_in() {
    let store = store();
    store.put("./gold/kpis_1m/schema.parquet");
    let error = create(&store, "").unwrap_err();
    assert_eq!(error.to_string(), "lake . already holds gold/kpis_1m; expected a folder without an earlier run");
}

#[test]
fn a_lake_is_refused_where_a_run_has_just_made_one() {
    let store = store();
    create(&store, "/data/lake").unwrap();
    assert!(matches!(create(&store, "/data/lake"), Err(CreateError::Occupied { .. })));
}

/// Between looking and making, another process makes its mark.
#[test]
fn the_mark_of_a_faster_process_is_kept() {
    let store = store();
    store.put("/data/lake/_tillrace/run.json");
    let before = store.entries();
    let mut made = Made { store: &*store, folders: Vec::new(), files: Vec::new() };
    let error = made.lake(Path::new("/data/lake"), "mine").unwrap_err();
    made.undo();
    assert_eq!((error.operation, error.source.kind()), (Operation::CreateFolder, io::ErrorKind::AlreadyExists));
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
