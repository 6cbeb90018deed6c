//! Goal: what was appended comes back from any offset, and what a crash has left half-written does not. Method: storage in memory, and
//! files on disk that are cut.

use std::sync::Arc;

use engine_model::Semantics;

use super::*;
use crate::layers::Layers;
use crate::memory::{Fault, MemoryStore};
use crate::store::Store;

fn lake() -> (Arc<MemoryStore>, Lake) {
    let store = Arc::new(MemoryStore::default());
    let lake = Lake::open_in(store.clone(), "/lake".into(), &Semantics::default(), Layers::default()).unwrap();
    (store, lake)
}

fn stored(log: &InputLog, offset: u64) -> Vec<u8> {
    let (mut stored, mut all) = (log.stored(offset), Vec::new());
    while let Some(chunk) = stored.next_chunk().unwrap() {
        all.extend(chunk);
    }
    all
}

#[test]
fn what_was_appended_comes_back_from_any_offset() {
    let (_, lake) = lake();
    let mut log = InputLog::open(&lake, 0, 0).unwrap();
    for chunk in ["one\n", "two\nth", "ree\n"] {
        log.append(chunk.into()).unwrap();
    }
    let all = b"one\ntwo\nthree\n";
    for log in [log, InputLog::open(&lake, 0, 4).unwrap()] {
        assert_eq!(log.end(), all.len() as u64);
        for offset in 0..=all.len() {
            assert_eq!(stored(&log, offset as u64), all[offset..], "from {offset}");
        }
    }
}

#[test]
fn a_torn_tail_is_cut_and_written_over() {
    let (store, lake) = lake();
    let mut log = InputLog::open(&lake, 3, 0).unwrap();
    log.append(b"whole\n".to_vec()).unwrap();
    store.fail_after(0, Fault::Before);
    assert!(log.append(b"half of this is lost\n".to_vec()).is_err());
    let mut log = InputLog::open(&lake, 3, 6).unwrap();
    assert_eq!((log.end(), stored(&log, 0)), (6, b"whole\n".to_vec()));
    log.append(b"more\n".to_vec()).unwrap();
    assert_eq!(stored(&InputLog::open(&lake, 3, 6).unwrap(), 0), b"whole\nmore\n");
}

#[test]
fn a_line_that_an_input_ended_in_is_not_continued_by_the_next() {
    let (_, lake) = lake();
    let mut log = InputLog::open(&lake, 0, 0).unwrap();
    log.append(b"cut".to_vec()).unwrap();
    log.append(b"ting".to_vec()).unwrap();
    log.finish().unwrap();
    log.finish().unwrap();
    let mut log = InputLog::open(&lake, 0, 0).unwrap();
    assert_eq!(log.append(b"next".to_vec()).unwrap(), b"\nnext");
    assert_eq!(stored(&InputLog::open(&lake, 0, 0).unwrap(), 0), b"cutting\nnext");
}

#[test]
fn segments_are_forgotten_once_nobody_needs_them() {
    let (store, lake) = lake();
    let mut log = InputLog::open(&lake, 0, 0).unwrap();
    let chunk = vec![b'x'; 6 << 20];
    for _ in 0..6 {
        log.append(chunk.clone()).unwrap();
    }
    let names = |store: &MemoryStore| store.list(Path::new("/lake/_tillrace/log/0000")).unwrap().unwrap().len();
    assert_eq!(names(&store), 2);
    let second = 3 * chunk.len() as u64;
    forget(&lake, 0, second - 1).unwrap();
    assert_eq!(names(&store), 2);
    forget(&lake, 0, second).unwrap();
    assert_eq!(names(&store), 1);
    let log = InputLog::open(&lake, 0, second + 1).unwrap();
    assert_eq!(stored(&log, second + 1).len() as u64, 3 * chunk.len() as u64 - 1);
    let error = InputLog::open(&lake, 0, 7).unwrap_err().to_string();
    assert!(error.contains(&format!("holds the input's bytes {second} to 37748736; byte 7 is needed")), "{error}");
}

#[test]
fn what_was_stored_does_not_grow_with_what_is_appended_meanwhile() {
    let (_, lake) = lake();
    let mut log = InputLog::open(&lake, 0, 0).unwrap();
    log.append(b"one\n".to_vec()).unwrap();
    let mut stored = log.stored(1);
    log.append(b"two\n".to_vec()).unwrap();
    assert_eq!(stored.next_chunk().unwrap(), Some(b"ne\n".to_vec()));
    assert_eq!(stored.next_chunk().unwrap(), None);
}
