//! Which event identifiers were accepted, and into which window.
//!
//! An identifier matters as long as its window is open. Identifiers live in two generations of tables: new ones go
//! into the current generation; when a window of it has been emitted and no older generation is left, it becomes the
//! previous one; a generation is dropped as a whole once its last window is emitted. So forgetting costs no sweep, a
//! lookup probes at most two tables, and at most about twice the identifiers of the open windows are kept.

use engine_model::{EventTime, Grain, Text, WindowId};

use crate::text_map::TextMap;

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

#[derive(Clone, Debug, Default)]
struct Generation {
    windows: TextMap<PackedWindow>,
    /// The least and the greatest window of its identifiers; `None` while it is empty.
    span: Option<(WindowId, WindowId)>,
}

impl Generation {
    fn widen(&mut self, window: WindowId) {
        let (first, last) = self.span.unwrap_or((window, window));
        self.span = Some((first.min(window), last.max(window)));
    }
}

/// The accepted identifiers of the windows still open.
#[derive(Clone, Debug)]
pub(crate) struct Dedup {
    base: Grain,
    current: Generation,
    previous: Generation,
    /// Whether a new generation gets the room that the last one needed.
    pub(crate) makes_room: bool,
}

impl Dedup {
    pub(crate) fn new(base: Grain) -> Dedup {
        Dedup { base, current: Generation::default(), previous: Generation::default(), makes_room: true }
    }

    /// Remembers that `id` is accepted into `window`, unless it is a duplicate: accepted before into a window that ends
    /// after `bound`. Then that window is the answer and nothing changes.
    ///
    /// Only the latest window of an identifier is kept: an identifier is accepted again only by a record whose own
    /// window ends after `bound` while the former one does not, so windows of one identifier ascend.
    #[inline]
    pub(crate) fn accept(&mut self, id: &Text, arena: &[u8], window: WindowId, bound: EventTime) -> Option<WindowId> {
        if let Some(former) = self.previous.windows.get(id, arena)
            && self.base.end(former.get()) > bound
        {
            // It may have been accepted again since, by a partition that had passed that window.
            let again = self.current.windows.get(id, arena).map(|again| again.get());
            return Some(again.map_or(former.get(), |again| again.max(former.get())));
        }
        let (former, is_new) = self.current.windows.entry_or_insert_with(id, arena, || PackedWindow::new(window));
        if !is_new {
            if self.base.end(former.get()) > bound {
                return Some(former.get());
            }
            *former = PackedWindow::new(window);
        }
        self.current.widen(window);
        None
    }

    /// Fetches what a look for an identifier of this hash will touch first.
    #[inline]
    pub(crate) fn prefetch(&self, hash: u64) {
        self.current.windows.prefetch(hash);
        if self.previous.span.is_some() {
            self.previous.windows.prefetch(hash);
        }
    }

    /// Forgets generations of which every window ends at or before `emitted`.
    pub(crate) fn forget(&mut self, emitted: EventTime) {
        let is_over = |window: WindowId| self.base.end(window) <= emitted;
        if self.previous.span.is_some_and(|(_, last)| is_over(last)) {
            self.previous = Generation::default();
        }
        let Some((first, last)) = self.current.span else { return };
        if is_over(last) || (is_over(first) && self.previous.span.is_none()) {
            // The next one will be like this one, so its table need not grow.
            let mut next = Generation::default();
            if self.makes_room {
                next.windows.reserve(self.current.windows.len());
            }
            let full = std::mem::replace(&mut self.current, next);
            if !is_over(last) {
                self.previous = full;
            }
        }
    }

    /// Identifiers kept, those of emitted windows that wait for their generation included.
    pub(crate) fn len(&self) -> usize {
        self.current.windows.len() + self.previous.windows.len()
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.current.windows.memory_bytes() + self.previous.windows.memory_bytes()
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
                prop_assert_eq!(dedup.accept(&text, &[], window, bound), expected);
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
                assert_eq!(dedup.accept(&id, &[], window, base.start(window)), None);
            }
            dedup.forget(base.start(WindowId(i64::from(minute))));
            assert!(dedup.len() <= 3_000, "{} identifiers after minute {minute}", dedup.len());
        }
    }
}
