//! A shard: the events of some set of identifiers, deduplicated and added up by base window.

use engine_model::{Batch, Event, Grain, Judgement, Outcome, Semantics, Watermark, WindowId};

use crate::cursor::WindowCursor;
use crate::dedup::Dedup;
use crate::distinct::DistinctSets;
use crate::partial::{EventTags, Scratch, WindowPartial};
use crate::quality::{Ledger, QualityPartial};
use crate::totals::Sums;

/// Duplicates, base windows and their figures for the events routed here: all copies of an identifier must come to the
/// same shard. A shard has no watermark of its own: each event brings its partition's, and windows close on command.
#[derive(Clone, Debug)]
pub struct Shard {
    base: Grain,
    cursor: WindowCursor,
    dedup: Dedup,
    /// Open windows, ascending.
    windows: Vec<WindowPartial>,
    /// Observed windows, ascending, each with the judgements made here.
    quality: Vec<QualityPartial>,
    /// Everything that ends here or before has been closed.
    emitted: Watermark,
    scratch: Scratch,
}

/// How many events ahead memory is fetched: three lines each, as many as a core fetches at once, and few enough that what
/// was fetched is still there when it is used.
const LOOK_AHEAD: usize = 16;

/// What became of events that were observed in the same window, one after another.
#[derive(Clone, Copy, Debug)]
struct ObservedRun {
    window: WindowId,
    accepted: u64,
    duplicates: u64,
    late: u64,
}

impl ObservedRun {
    fn new(window: WindowId) -> ObservedRun {
        ObservedRun { window, accepted: 0, duplicates: 0, late: 0 }
    }
}

/// What a shard hands over when windows close.
#[derive(Clone, Debug, Default)]
pub struct ShardClose {
    /// The closed windows in which something was accepted, ascending.
    pub windows: Vec<WindowPartial>,
    /// The judgements made on records observed in closed windows, ascending.
    pub quality: Vec<QualityPartial>,
}

/// The provisional figures of an open window, as one shard knows them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenWindow {
    /// The base window.
    pub window: WindowId,
    /// Figures that may be added up over shards.
    pub sums: Sums,
}

impl Shard {
    /// A shard that has seen nothing.
    #[must_use]
    pub fn new(semantics: &Semantics) -> Shard {
        Shard {
            dedup: Dedup::new(semantics.base()),
            base: semantics.base(),
            cursor: WindowCursor::new(semantics.base()),
            windows: Vec::new(),
            quality: Vec::new(),
            emitted: Watermark::NONE,
            scratch: Scratch::default(),
        }
    }

    /// A shard whose tables grow from nothing in every window and generation, instead of getting the room that the last one
    /// needed. Answers the same: for measuring what that room gains.
    #[must_use]
    pub fn without_room(semantics: &Semantics) -> Shard {
        let mut shard = Shard::new(semantics);
        shard.dedup.makes_room = false;
        shard
    }

    /// Judges one event of `batch` and, where it is accepted, adds it to its window.
    ///
    /// Expected O(1) with one to three probes for the identifier, mostly one, and one each for customer and product; never
    /// blocks; allocates only when a table must grow.
    ///
    /// The answer is the first that applies in the order late, duplicate, accepted; only an accepted event changes the
    /// window. Events that the partition's progress has judged late must not come here.
    pub fn ingest(&mut self, batch: &Batch, event: &Event) -> Outcome {
        let mut run = ObservedRun::new(event.observed);
        let outcome = self.take(batch, event, &EventTags::of(event), &mut run);
        self.observe(&run);
        outcome
    }

    /// Judges every event of `batch` that is in time, in order, as [`Shard::ingest`] does, and tells which are duplicates.
    ///
    /// Looks ahead: while one event is taken in, the memory that those behind it need is on its way. Returns how many
    /// were late after all, which only a live partition that was idle can bring.
    pub fn ingest_batch(&mut self, batch: &Batch, mut on_duplicate: impl FnMut(&Event)) -> u64 {
        self.dedup.tidy();
        let events = batch.events.as_slice();
        let Some(first) = events.first() else { return 0 };
        let mut run = ObservedRun::new(first.observed);
        let mut late = 0;
        // Those of the next events, each at the place of its number's last bits.
        let mut tags = [EventTags::default(); LOOK_AHEAD];
        for (event, tags) in events.iter().zip(&mut tags) {
            *tags = EventTags::of(event);
        }
        for (index, event) in events.iter().enumerate() {
            let own = tags[index % LOOK_AHEAD];
            let newest = self.windows.last();
            if let Some(far) = events.get(index + LOOK_AHEAD) {
                let far = EventTags::of(far);
                tags[index % LOOK_AHEAD] = far;
                self.dedup.prefetch(far.event_id);
                if let Some(newest) = newest {
                    newest.prefetch(&far);
                    newest.prefetch_entries(&tags[(index + LOOK_AHEAD / 2) % LOOK_AHEAD]);
                }
            }
            if event.judgement == Judgement::InTime {
                if event.observed != run.window {
                    self.observe(&run);
                    run = ObservedRun::new(event.observed);
                }
                match self.take(batch, event, &own, &mut run) {
                    Outcome::Duplicate(_) => on_duplicate(event),
                    Outcome::Late { .. } => late += 1,
                    Outcome::Accepted(_) | Outcome::Rejected(_) => {}
                }
            }
        }
        self.observe(&run);
        late
    }

    /// Judges one event, which is observed in the window of `run`, and adds it to its own where it is accepted.
    #[inline]
    fn take(&mut self, batch: &Batch, event: &Event, tags: &EventTags, run: &mut ObservedRun) -> Outcome {
        debug_assert_eq!(event.judgement, Judgement::InTime, "a late event was routed");
        debug_assert_eq!(event.observed, run.window);
        let (window, end) = self.cursor.seek(event.time);
        if self.emitted.passes(end) {
            // Only a live partition that was idle can bring this; for files its own watermark has passed already.
            run.late += 1;
            return Outcome::Late { by: self.emitted.get() - end };
        }
        // What a commit holds, or the partition's watermark has passed, is no longer remembered.
        let bound = event.watermark.max(self.emitted).get();
        if let Some(former) = self.dedup.accept(&event.event_id(), &batch.arena, tags.event_id, window, bound) {
            run.duplicates += 1;
            return Outcome::Duplicate(former);
        }
        run.accepted += 1;
        let index = match position(&self.windows, window, WindowPartial::window) {
            Ok(index) => index,
            Err(index) => self.open(window, index),
        };
        self.windows[index].add(event, tags, batch, &mut self.scratch);
        Outcome::Accepted(window)
    }

    /// Opens `window` at its place among the open ones.
    #[cold]
    fn open(&mut self, window: WindowId, index: usize) -> usize {
        // Mostly the one before is nearly complete, and this will be like it: no table has to grow again.
        let partial = match index.checked_sub(1) {
            Some(before) if self.dedup.makes_room => WindowPartial::like(window, &self.windows[before]),
            _ => WindowPartial::new(window),
        };
        self.windows.insert(index, partial);
        index
    }

    fn observe(&mut self, run: &ObservedRun) {
        let &ObservedRun { window, accepted, duplicates, late } = run;
        if accepted + duplicates + late == 0 {
            return;
        }
        let ledger = &mut self.observed(window).ledger;
        ledger.accepted += accepted;
        ledger.duplicates += duplicates;
        ledger.late += late;
    }

    fn observed(&mut self, window: WindowId) -> &mut QualityPartial {
        let index = position(&self.quality, window, |quality| quality.window).unwrap_or_else(|index| {
            self.quality.insert(index, QualityPartial::new(window));
            index
        });
        &mut self.quality[index]
    }

    /// Closes every window that `watermark`, the global one, has passed and hands over what is known of it.
    ///
    /// The caller promises that no event of such a window comes any more, but for partitions that were idle.
    pub fn close(&mut self, watermark: Watermark) -> ShardClose {
        self.emitted = self.emitted.max(watermark);
        let base = self.base;
        let is_closed = |window: WindowId| watermark.passes(base.end(window));
        let windows = self.windows.partition_point(|partial| is_closed(partial.window()));
        let quality = self.quality.partition_point(|partial| is_closed(partial.window));
        self.dedup.forget(self.emitted.get());
        ShardClose {
            windows: self.windows.drain(..windows).collect(),
            quality: self.quality.drain(..quality).collect(),
        }
    }

    /// The open windows with their additive figures, ascending. Costs a copy of 56 bytes a window.
    pub fn open_windows(&self) -> impl Iterator<Item = OpenWindow> {
        self.windows.iter().map(|partial| OpenWindow { window: partial.window(), sums: *partial.sums() })
    }

    /// The newest open windows in which something was accepted, at most `count`, ascending.
    pub fn newest_windows(&self, count: usize) -> impl Iterator<Item = WindowId> {
        let first = self.windows.len().saturating_sub(count);
        self.windows[first..].iter().map(WindowPartial::window)
    }

    /// The customers and sessions known here of an open window, to be merged with those that other shards know and
    /// counted there. Costs a copy of some 33 bytes for each customer and 18 for each event with a session.
    #[must_use]
    pub fn distinct_sets(&self, window: WindowId) -> Option<DistinctSets> {
        let index = position(&self.windows, window, WindowPartial::window).ok()?;
        Some(self.windows[index].distinct_sets())
    }

    /// What became of the events whose observed windows have not been handed over yet.
    #[must_use]
    pub fn pending(&self) -> Ledger {
        let mut ledger = Ledger::default();
        self.quality.iter().for_each(|quality| ledger.merge(&quality.ledger));
        ledger
    }

    /// All that is known here of an open window, to be merged with what other shards know. Costs a copy of its sets:
    /// some 30 bytes for each session and customer of the window.
    #[must_use]
    pub fn snapshot(&self, window: WindowId) -> Option<WindowPartial> {
        let index = position(&self.windows, window, WindowPartial::window).ok()?;
        Some(self.windows[index].clone())
    }

    /// Event identifiers remembered, and the bytes they take.
    #[must_use]
    pub fn remembered(&self) -> (usize, usize) {
        (self.dedup.len(), self.dedup.memory_bytes())
    }
}

/// Where `window` stands, or belongs, in an ascending list. Nearly always at its end, so that is looked at first.
fn position<T>(entries: &[T], window: WindowId, of: impl Fn(&T) -> WindowId) -> Result<usize, usize> {
    match entries.last() {
        Some(last) if of(last) == window => Ok(entries.len() - 1),
        Some(last) if of(last) > window => entries.binary_search_by_key(&window, of),
        _ => Err(entries.len()),
    }
}
