//! Snapshots of open windows: the committer rings, and every shard answers between two batches.
//!
//! A shard looks at two counters a batch, which are written a few times a second, so the look costs it nothing. Its answer
//! takes a place on its ring of reports where there is one, and is left out where there is none: nobody waits. The sums are
//! copied with every answer, 56 bytes a window. The sets behind the distinct counts are copied only when asked for, and the
//! answer says how long that took: whoever asks decides by it when to ask again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use engine_window::{DistinctSets, OpenWindow};
use rtrb::Producer;

use crate::message::Report;
use crate::shard::ShardWork;

/// How many of the newest windows have their sets copied: the one that fills, and the one that waits for what is delayed.
const SETS_WINDOWS: usize = 2;

/// Asks for snapshots. Written by the committer; orders nothing, so all its loads and stores are relaxed: a ring that is
/// heard a batch later is answered a batch later.
#[derive(Debug, Default)]
pub(crate) struct Bell {
    /// How often it was rung.
    rings: AtomicU64,
    /// The number of the last ring that asked for sets.
    sets: AtomicU64,
}

impl Bell {
    /// Asks every shard for a snapshot, `with_sets` or without.
    pub(crate) fn ring(&self, with_sets: bool) {
        let number = self.rings.load(Relaxed) + 1;
        if with_sets {
            self.sets.store(number, Relaxed);
        }
        self.rings.store(number, Relaxed);
    }

    /// The number of the last ring that asked for sets.
    pub(crate) fn sets_number(&self) -> u64 {
        self.sets.load(Relaxed)
    }
}

/// What one shard knows of its open windows.
#[derive(Debug)]
pub(crate) struct OpenPart {
    /// Ascending.
    pub(crate) windows: Vec<OpenWindow>,
    /// Accepted events and duplicates that have not been handed over with a closed window.
    pub(crate) accepted: u64,
    pub(crate) duplicates: u64,
    pub(crate) sets: Option<SetsPart>,
}

/// Copies of the sets of the newest windows.
#[derive(Debug)]
pub(crate) struct SetsPart {
    /// The ring that asked for them.
    pub(crate) number: u64,
    pub(crate) sets: Vec<DistinctSets>,
    /// How long it took to copy them.
    pub(crate) took: Duration,
}

/// A shard's ear.
#[derive(Debug, Default)]
pub(crate) struct Listener {
    bell: Option<Arc<Bell>>,
    answered: u64,
    sets_answered: u64,
}

impl Listener {
    /// Hears nothing where there is no bell.
    pub(crate) fn new(bell: Option<Arc<Bell>>) -> Listener {
        Listener { bell, answered: 0, sets_answered: 0 }
    }

    /// Answers, where the bell has rung since the last answer and there is room on the ring of reports. Never waits.
    #[inline]
    pub(crate) fn answer(&mut self, work: &ShardWork, reports: &mut Producer<Report>) {
        if let Some(bell) = &self.bell {
            let number = bell.rings.load(Relaxed);
            if number != self.answered {
                self.answer_ring(number, work, reports);
            }
        }
    }

    #[cold]
    fn answer_ring(&mut self, number: u64, work: &ShardWork, reports: &mut Producer<Report>) {
        if reports.is_full() {
            return;
        }
        self.answered = number;
        let asked = self.bell.as_ref().map_or(0, |bell| bell.sets_number());
        let sets = (asked != self.sets_answered).then(|| {
            self.sets_answered = asked;
            let started = Instant::now();
            let sets =
                work.shard().newest_windows(SETS_WINDOWS).filter_map(|window| work.shard().distinct_sets(window));
            let sets = sets.collect();
            SetsPart { number: asked, sets, took: started.elapsed() }
        });
        let pending = work.shard().pending();
        let part = OpenPart {
            windows: work.shard().open_windows().collect(),
            accepted: pending.accepted,
            duplicates: pending.duplicates,
            sets,
        };
        // There is room: only this thread pushes.
        let _ = reports.push(Report::Open(Box::new(part)));
    }
}
