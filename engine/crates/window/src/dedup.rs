//! Which event identifiers were accepted, and into which window.
//!
//! An identifier matters as long as its window is open. Identifiers live in generations of tables, each for a range of
//! windows: a window has one of its own while there are few, and all further ones share the newest. A generation is
//! dropped as a whole once its last window is emitted. So forgetting costs no sweep, a look probes as many tables as
//! windows are open (mostly one, for a while at the turn of a window two, never more than three), and what is kept
//! beyond the open windows is little where few are open, and about as much again where many are.

use engine_model::{EventTime, Grain, Text, WindowId};

use crate::text_map::{Spare, Tag, TextMap, with_margin};

/// A window number in five bytes: enough for windows of a second until the year 9999.
#[derive(Clone, Copy, Debug)]
struct PackedWindow([u8; 5]);

impl PackedWindow {
    #[inline]
    fn new(window: WindowId) -> PackedWindow {
        let bytes = window.0.to_le_bytes();
        debug_assert!((-(1 << 39)..1 << 39).contains(&window.0));
        PackedWindow([bytes[0], bytes[1], bytes[2], bytes[3], bytes[4]])
    }

    #[inline]
    fn get(self) -> WindowId {
        let mut bytes = [0; 8];
        bytes[3..].copy_from_slice(&self.0);
        // Placed high, then shifted down, so that the sign extends.
        WindowId(i64::from_le_bytes(bytes) >> 24)
    }
}

/// The identifiers accepted into a range of windows.
#[derive(Clone, Debug)]
struct Generation {
    first: WindowId,
    last: WindowId,
    windows: TextMap<PackedWindow>,
}

impl Generation {
    fn holds(&self, window: WindowId) -> bool {
        self.first <= window && window <= self.last
    }
}

/// How many tables a look may have to probe.
const GENERATIONS_MAX: usize = 3;

/// The accepted identifiers of the windows still open.
#[derive(Clone, Debug)]
pub(crate) struct Dedup {
    base: Grain,
    /// At most [`GENERATIONS_MAX`], ascending and apart by their windows.
    generations: Vec<Generation>,
    /// The memory of a generation that was dropped.
    spare: Option<Spare<PackedWindow>>,
    /// Whether a new generation gets the room that the one before needed.
    pub(crate) makes_room: bool,
}

impl Dedup {
    pub(crate) fn new(base: Grain) -> Dedup {
        let generations = Vec::with_capacity(GENERATIONS_MAX);
        Dedup { base, generations, spare: None, makes_room: true }
    }

    /// Remembers that `id` is accepted into `window`, unless it is a duplicate: accepted before into a window that ends
    /// after `bound`. Then the latest such window is the answer and nothing changes.
    ///
    /// An identifier is accepted again only by a record whose own window ends after `bound` while the former ones do not,
    /// so windows of one identifier ascend, and of those in one generation the latest is enough.
    #[inline]
    pub(crate) fn accept(
        &mut self,
        id: &Text,
        arena: &[u8],
        tag: Tag,
        window: WindowId,
        bound: EventTime,
    ) -> Option<WindowId> {
        let home = match self.generations.as_slice() {
            [only] if only.holds(window) => 0,
            _ => {
                let home = self.home_of(window);
                if let Some(former) = self.look_beside(home, id, arena, tag, bound) {
                    return Some(former);
                }
                home
            }
        };
        let windows = &mut self.generations[home].windows;
        let (former, is_new) = windows.entry_with_tag(id, arena, tag, || PackedWindow::new(window));
        if !is_new {
            if self.base.end(former.get()) > bound {
                return Some(former.get());
            }
            *former = PackedWindow::new(window);
        }
        None
    }

    /// Remembers that `id` was accepted into `window`, before a restart.
    pub(crate) fn restore(&mut self, id: &Text, arena: &[u8], tag: Tag, window: WindowId) {
        let home = self.home_of(window);
        let windows = &mut self.generations[home].windows;
        let (known, is_new) = windows.entry_with_tag(id, arena, tag, || PackedWindow::new(window));
        if !is_new && known.get() < window {
            *known = PackedWindow::new(window);
        }
    }

    /// The latest window that ends after `bound` and that `id` was accepted into, if there is one outside the
    /// generation at `home`.
    fn look_beside(&self, home: usize, id: &Text, arena: &[u8], tag: Tag, bound: EventTime) -> Option<WindowId> {
        let look = |generation: &Generation| {
            let former = generation.windows.get_with_tag(id, arena, tag)?.get();
            (self.base.end(former) > bound).then_some(former)
        };
        let beside = self.generations.iter().enumerate().rev().filter(|(index, _)| *index != home);
        let mut open = beside.filter(|(_, generation)| self.base.end(generation.last) > bound);
        let former = open.find_map(|(_, generation)| look(generation))?;
        Some(look(&self.generations[home]).map_or(former, |at_home| at_home.max(former)))
    }

    /// The place of the generation that `window` belongs to.
    fn home_of(&mut self, window: WindowId) -> usize {
        let place = self.generations.partition_point(|generation| generation.last < window);
        if let Some(next) = self.generations.get_mut(place) {
            // In it, or before it, which happens for a few windows only.
            next.first = next.first.min(window);
            return place;
        }
        if place == GENERATIONS_MAX {
            self.generations[place - 1].last = window;
            return place - 1;
        }
        // It will be like the one before, whose last events are still to come.
        let before = self.generations.last().filter(|_| self.makes_room);
        let count = before.map_or(0, |before| with_margin(before.windows.len()));
        let spare = self.spare.take().filter(|_| self.makes_room);
        let windows = spare.unwrap_or_else(|| Spare::new(TextMap::default())).into_map(count);
        self.generations.push(Generation { first: window, last: window, windows });
        place
    }

    /// Fetches what a look for an identifier of this tag will touch first.
    #[inline]
    pub(crate) fn prefetch(&self, tag: Tag) {
        for generation in &self.generations {
            generation.windows.prefetch(tag);
        }
    }

    /// Forgets generations of which every window ends at or before `emitted`.
    pub(crate) fn forget(&mut self, emitted: EventTime) {
        let over = self.generations.iter().take_while(|generation| self.base.end(generation.last) <= emitted).count();
        // Of several the last is the likest to what comes next.
        if let Some(generation) = self.generations.drain(..over).next_back() {
            self.spare = Some(Spare::new(generation.windows));
        }
    }

    /// Does a little of what is best done between batches: clears memory for the next generation.
    #[inline]
    pub(crate) fn tidy(&mut self) {
        if let Some(spare) = &mut self.spare {
            spare.clear_some();
        }
    }

    /// Identifiers kept, those of emitted windows that wait for their generation included.
    pub(crate) fn len(&self) -> usize {
        self.generations.iter().map(|generation| generation.windows.len()).sum()
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.generations.iter().map(|generation| generation.windows.memory_bytes()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine_model::{UtcOffset, WindowLength};
    use proptest::prelude::*;

    fn minute() -> Grain {
        Grain::new(WindowLength::MINUTE, UtcOffset::ZERO)
    }

    #[test]
    fn a_packed_window_comes_back() {
        for number in [0, 1, -1, -1440, 4_223_371_679, -(1 << 39), (1 << 39) - 1] {
            assert_eq!(PackedWindow::new(WindowId(number)).get(), WindowId(number));
        }
    }

    proptest! {
        /// The twin keeps every identifier for ever and judges by the same rule.
        #[test]
        fn generations_judge_like_a_memory_without_end(
            steps in prop::collection::vec((0u8..12, 0i64..4, 0i64..3, any::<bool>()), 0..300),
        ) {
            let base = minute();
            let mut dedup = Dedup::new(base);
            let mut twin: Vec<(u8, WindowId)> = Vec::new();
            let mut emitted = EventTime::EPOCH;
            let mut newest = 0i64;
            for (id, ahead, behind, close) in steps {
                newest += i64::from(ahead == 3);
                let bound = emitted.max(base.start(WindowId(newest - behind)));
                let window = WindowId(base.containing(bound).0 + ahead);
                let text = Text::in_place(&[id]).unwrap();
                let expected = twin.iter().rev().find(|(other, window)| *other == id && base.end(*window) > bound);
                let expected = expected.map(|(_, window)| *window);
                prop_assert_eq!(dedup.accept(&text, &[], Tag::of(&text), window, bound), expected);
                if expected.is_none() {
                    twin.push((id, window));
                }
                if close {
                    emitted = emitted.max(base.start(WindowId(newest - 2)));
                    dedup.forget(emitted);
                }
            }
        }
    }

    #[test]
    fn what_is_kept_stays_near_the_open_windows() {
        let base = minute();
        let mut dedup = Dedup::new(base);
        for minute in 0..50u32 {
            for n in 0..1_000u32 {
                let id = Text::in_place(format!("{minute}-{n}").as_bytes()).unwrap();
                let window = WindowId(i64::from(minute));
                assert_eq!(dedup.accept(&id, &[], Tag::of(&id), window, base.start(window)), None);
            }
            dedup.forget(base.start(WindowId(i64::from(minute))));
            assert!(dedup.len() <= 3_000, "{} identifiers after minute {minute}", dedup.len());
        }
    }
}
