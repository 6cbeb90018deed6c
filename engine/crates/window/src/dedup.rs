//! Which event identifiers were accepted, and into which window.
//!
//! An identifier matters as long as its window is open. Identifiers live in generations of tables, each for a range of
//! windows: a window has one of its own while there are few, and all further ones share the newest. A generation is
//! dropped as a whole once its last window is emitted. So forgetting costs no sweep, a look probes as many tables as
//! windows are open (mostly one, for a while at the turn of a window two, and three at the most unless open windows lie
//! tens of thousands apart), and what is kept beyond the open windows is little where few are open, and about as much
//! again where many are.

use engine_model::{EventTime, Grain, Text, WindowId};

use crate::text_map::{Spare, Tag, TextMap, with_margin};

/// How far a window is from the one its generation began with, in two bytes: less memory for each identifier.
#[derive(Clone, Copy, Debug)]
struct Offset([u8; 2]);

impl Offset {
    /// `None` where it is too far for two bytes.
    #[inline]
    fn between(origin: WindowId, window: WindowId) -> Option<Offset> {
        let offset = i16::try_from(window.0.checked_sub(origin.0)?).ok()?;
        Some(Offset(offset.to_le_bytes()))
    }

    #[inline]
    fn from(self, origin: WindowId) -> WindowId {
        WindowId(origin.0 + i64::from(i16::from_le_bytes(self.0)))
    }
}

/// The identifiers accepted into a range of windows.
#[derive(Clone, Debug)]
struct Generation {
    first: WindowId,
    last: WindowId,
    /// The window it began with.
    origin: WindowId,
    windows: TextMap<Offset>,
}

impl Generation {
    #[inline]
    fn holds(&self, window: WindowId) -> bool {
        self.first <= window && window <= self.last
    }

    /// Whether it can take `window`, besides those that it holds.
    fn reaches(&self, window: WindowId) -> bool {
        Offset::between(self.origin, window).is_some()
    }
}

/// How many tables a look may have to probe, unless windows are more than [`i16::MAX`] apart.
const GENERATIONS_MAX: usize = 3;

/// A new generation begins with room for this part of what the one before has: of a window of which the lateness is a sixth,
/// all that comes before the one before closes. Then it grows into the memory of that one.
const FIRST_PART: usize = 4;

/// The accepted identifiers of the windows still open.
#[derive(Clone, Debug)]
pub(crate) struct Dedup {
    base: Grain,
    /// Ascending and apart by their windows.
    generations: Vec<Generation>,
    /// The table of a generation that was dropped.
    spare: Option<Spare>,
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
        let Generation { origin, windows, .. } = &mut self.generations[home];
        let offset = Offset::between(*origin, window).expect("a generation reaches its windows");
        let (former, is_new) = windows.entry_with_tag(id, arena, tag, || offset);
        if !is_new {
            if self.base.end(former.from(*origin)) > bound {
                return Some(former.from(*origin));
            }
            *former = offset;
        }
        None
    }

    /// Remembers that `id` was accepted into `window`, before a restart.
    pub(crate) fn restore(&mut self, id: &Text, arena: &[u8], tag: Tag, window: WindowId) {
        let home = self.home_of(window);
        let Generation { origin, windows, .. } = &mut self.generations[home];
        let offset = Offset::between(*origin, window).expect("a generation reaches its windows");
        let (known, is_new) = windows.entry_with_tag(id, arena, tag, || offset);
        // Partitions are restored one after another, so windows of an identifier come in any order.
        if !is_new && known.from(*origin) < window {
            *known = offset;
        }
    }

    /// The latest window that ends after `bound` and that `id` was accepted into, if there is one outside the
    /// generation at `home`.
    fn look_beside(&self, home: usize, id: &Text, arena: &[u8], tag: Tag, bound: EventTime) -> Option<WindowId> {
        let look = |generation: &Generation| {
            let former = generation.windows.get_with_tag(id, arena, tag)?.from(generation.origin);
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
        if let Some(next) = self.generations.get_mut(place)
            && (next.holds(window) || next.reaches(window))
        {
            // In it, or before it, which happens for a few windows only.
            next.first = next.first.min(window);
            return place;
        }
        if place >= GENERATIONS_MAX
            && let Some(newest) = self.generations.last_mut().filter(|newest| newest.reaches(window))
            && newest.last < window
        {
            newest.last = window;
            return place - 1;
        }
        // It will be like the one before, whose last events are still to come.
        let before = self.generations.last().filter(|_| self.makes_room);
        let expected = before.map_or(0, |before| with_margin(before.windows.len()));
        let windows = TextMap::expecting(expected, expected / FIRST_PART);
        self.generations.insert(place, Generation { first: window, last: window, origin: window, windows });
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
        let dropped = self.generations.drain(..over).next_back();
        if let Some(generation) = dropped.filter(|_| self.makes_room) {
            self.spare = Some(Spare::of(generation.windows));
        }
    }

    /// Does a little of what is best done between batches: clears a dropped table for the newest generation to grow into.
    #[inline]
    pub(crate) fn tidy(&mut self) {
        if self.spare.as_mut().is_some_and(Spare::clear_some) {
            self.use_spare();
        }
    }

    #[cold]
    fn use_spare(&mut self) {
        if let Some(newest) = self.generations.last_mut()
            && let Some(spare) = self.spare.take()
        {
            newest.windows.grow_into_spare(spare);
        }
    }

    /// Identifiers kept, those of emitted windows that wait for their generation included.
    pub(crate) fn len(&self) -> usize {
        self.generations.iter().map(|generation| generation.windows.len()).sum()
    }

    /// Bytes of memory, free slots and a table that waits for the next generation included.
    pub(crate) fn memory_bytes(&self) -> usize {
        let tables = self.generations.iter().map(|generation| generation.windows.memory_bytes()).sum::<usize>();
        tables + self.spare.as_ref().map_or(0, Spare::memory_bytes)
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
    fn a_window_comes_back_from_its_offset_as_far_as_two_bytes_reach() {
        let origin = WindowId(29_000_000);
        for far in [0, 1, -1, 32_766, 32_767, -32_767, -32_768] {
            let window = WindowId(origin.0 + far);
            assert_eq!(Offset::between(origin, window).unwrap().from(origin), window);
        }
        for far in [32_768, -32_769, i64::MAX - origin.0] {
            assert!(Offset::between(origin, WindowId(origin.0 + far)).is_none(), "{far}");
        }
        assert!(Offset::between(WindowId(i64::MIN), WindowId(1)).is_none());
    }

    proptest! {
        /// The twin keeps every identifier for ever and judges by the same rule.
        #[test]
        fn generations_judge_like_a_memory_without_end(
            steps in prop::collection::vec((0u8..12, 0i64..4, 0i64..3, any::<bool>()), 0..300),
            // Windows so far apart that a generation does not reach from one to the next.
            spread in prop::sample::select(vec![1i64, 20_000, 40_000]),
        ) {
            let base = minute();
            let mut dedup = Dedup::new(base);
            let mut twin: Vec<(u8, WindowId)> = Vec::new();
            let mut emitted = EventTime::EPOCH;
            let mut newest = 0i64;
            for (id, ahead, behind, close) in steps {
                newest += i64::from(ahead == 3) * spread;
                let bound = emitted.max(base.start(WindowId(newest - behind * spread)));
                let window = WindowId(base.containing(bound).0 + ahead * spread);
                let text = Text::in_place(&[id]).unwrap();
                let expected = twin.iter().rev().find(|(other, window)| *other == id && base.end(*window) > bound);
                let expected = expected.map(|(_, window)| *window);
                prop_assert_eq!(dedup.accept(&text, &[], Tag::of(&text), window, bound), expected);
                if expected.is_none() {
                    twin.push((id, window));
                }
                if close {
                    emitted = emitted.max(base.start(WindowId(newest - 2 * spread)));
                    dedup.forget(emitted);
                }
            }
        }
    }

    /// Five windows of about as many identifiers, each closing when a sixth of the next has come.
    #[test]
    fn an_identifier_takes_at_most_forty_bytes_when_a_window_closes() {
        const COUNT: u32 = 60_000;
        let base = minute();
        let mut dedup = Dedup::new(base);
        let mut number = 0u32;
        for window in 0..5i64 {
            // A little more each time, as on a morning.
            let count = COUNT + u32::try_from(window).unwrap() * COUNT / 50;
            for n in 0..count {
                let id = format!("{number:08x}-0000-4000-8000-{:012x}", u64::from(number) * 7_919);
                let id = Text::in_place(id.as_bytes()).unwrap();
                number += 1;
                let bound = base.start(WindowId(window - i64::from(n < count / 6)));
                assert_eq!(dedup.accept(&id, &[], Tag::of(&id), WindowId(window), bound), None);
                if n == count / 6 {
                    let bytes = dedup.memory_bytes() / dedup.len();
                    assert!(window < 2 || (30..=40).contains(&bytes), "{bytes} bytes before window {window}");
                    dedup.forget(base.start(WindowId(window)));
                }
                if n % 512 == 0 {
                    dedup.tidy();
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
