//! The distinct sessions of a window or a rollup, each with the funnel stages it was seen in.
//!
//! Nobody asks for them before the window closes, so nothing is looked up when an event comes: its session is appended
//! to one of 128 parts, chosen by the first bits of its hash, at the cost of a copy of 18 bytes. Copies are removed
//! part by part, within the caches, when the sessions are counted, and before that whenever a part has grown by three
//! quarters since the last time. So a session costs at most 40 bytes, and the two sets of a merge are laid end to end.
//! The texts are compared in full: the hash alone never decides.

use engine_model::gold::STAGES;
use engine_model::{Text, TextArena};

use crate::text_map::{Entry, Tag, index_of, place_after};

/// Which funnel stages a session was seen in: bit `i` for `STAGES[i]`.
pub(crate) type StageMask = u8;

const PART_BITS: u32 = 7;
const PARTS: usize = 1 << PART_BITS;

/// A part with fewer entries is left alone: that little memory is not worth the work.
const LIMIT_MIN: usize = 128;

/// From so many entries on a part's memory grows by a quarter at a time instead of a half.
const LARGE_PART: usize = 4_096;

/// Sessions whose hashes begin alike.
#[derive(Clone, Debug)]
#[repr(align(64))]
struct Part {
    /// The first `distinct` are; the rest may be copies of any.
    entries: Vec<Entry<StageMask>>,
    arena: TextArena,
    distinct: usize,
    /// When there are so many entries, copies are removed.
    limit: usize,
}

/// Distinct sessions and their stages, exact.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sessions {
    /// None, or [`PARTS`].
    parts: Vec<Part>,
    /// Working memory for removing copies: what each part's table was.
    slots: Vec<u64>,
}

/// What [`Sessions::count`] finds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SessionCounts {
    /// All of them.
    pub(crate) sessions: u64,
    /// Those seen in each stage.
    pub(crate) by_stage: [u64; STAGES.len()],
}

impl Sessions {
    /// Adds a session, whose text lives in `arena` and has this tag, seen in `stages`.
    ///
    /// Amortised O(1); a single call removes copies of one part at most.
    #[inline]
    pub(crate) fn add(&mut self, session: &Text, arena: &[u8], tag: Tag, stages: StageMask) {
        let slots = &mut self.slots;
        let part = &mut all_parts(&mut self.parts)[tag.place(PARTS)];
        if part.entries.len() == part.entries.capacity() {
            part.make_room(slots);
        }
        let kept = session.moved(arena, &mut part.arena);
        part.entries.push(Entry::new(kept, stages));
    }

    /// The same, off the event path.
    pub(crate) fn add_stages(&mut self, session: &Text, arena: &[u8], stages: StageMask) {
        self.add(session, arena, Tag::of(session), stages);
    }

    /// Number of entries, copies included.
    pub(crate) fn entry_count(&self) -> usize {
        self.parts.iter().map(|part| part.entries.len()).sum()
    }

    /// All entries, copies included: the text, the arena it lives in, and the stages.
    pub(crate) fn for_each(&self, mut see: impl FnMut(Text, &[u8], StageMask)) {
        for part in &self.parts {
            for entry in &part.entries {
                see(entry.text(), &part.arena, entry.value);
            }
        }
    }

    /// Adds all sessions of `other`.
    pub(crate) fn append(&mut self, other: &Sessions) {
        if other.parts.is_empty() {
            return;
        }
        for (part, theirs) in all_parts(&mut self.parts).iter_mut().zip(&other.parts) {
            part.append(theirs, &mut self.slots);
        }
    }

    /// Takes all sessions of `other`, at no cost where there are none yet.
    pub(crate) fn take(&mut self, other: Sessions) {
        if self.parts.is_empty() {
            *self = other;
        } else {
            self.append(&other);
        }
    }

    /// Makes room for as many as `other` has: its window is like this one's.
    pub(crate) fn reserve_like(&mut self, other: &Sessions) {
        self.parts = other.parts.iter().map(Part::like).collect();
    }

    /// Counts them; removes the copies first.
    pub(crate) fn count(&mut self) -> SessionCounts {
        let mut counts = SessionCounts::default();
        for part in &mut self.parts {
            part.remove_copies(&mut self.slots);
            counts.sessions += part.entries.len() as u64;
            for entry in &part.entries {
                for (stage, sessions) in counts.by_stage.iter_mut().enumerate() {
                    *sessions += u64::from(entry.value >> stage & 1);
                }
            }
        }
        counts
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        let parts = self.parts.iter();
        let entries = |part: &Part| part.entries.capacity() * size_of::<Entry<StageMask>>() + part.arena.capacity();
        parts.map(entries).sum::<usize>() + self.parts.len() * size_of::<Part>() + self.slots.capacity() * 8
    }
}

/// All parts, made where there were none yet.
#[inline]
fn all_parts(parts: &mut Vec<Part>) -> &mut [Part] {
    if parts.is_empty() {
        parts.resize_with(PARTS, Part::default);
    }
    parts
}

/// For how many more entries a part of `count` gets memory at a time.
fn slack(count: usize) -> usize {
    if count < LARGE_PART { count / 2 } else { count / 4 }
}

/// How many entries a part of so many sessions may have before copies are removed again.
fn limit_after(distinct: usize) -> usize {
    (distinct + distinct / 2 + distinct / 4).max(LIMIT_MIN)
}

impl Default for Part {
    fn default() -> Part {
        Part { entries: Vec::new(), arena: TextArena::new(), distinct: 0, limit: LIMIT_MIN }
    }
}

impl Part {
    fn like(other: &Part) -> Part {
        let count = other.entries.len();
        // As long as there are no more copies than before, they wait for the end.
        let limit = other.limit.min(2 * count).max(LIMIT_MIN);
        let entries = Vec::with_capacity((count + count / 16).min(limit));
        Part { entries, limit, ..Part::default() }
    }

    /// Makes room for one entry at least.
    #[cold]
    fn make_room(&mut self, slots: &mut Vec<u64>) {
        if self.entries.len() >= self.limit {
            self.remove_copies(slots);
        }
        let count = self.entries.len();
        if count == self.entries.capacity() {
            self.entries.reserve_exact(slack(count).min(self.limit - count).max(8));
        }
    }

    fn append(&mut self, other: &Part, slots: &mut Vec<u64>) {
        if self.entries.len() + other.entries.len() > self.limit {
            self.remove_copies(slots);
        }
        let needed = self.entries.len() + other.entries.len();
        if needed > self.entries.capacity() {
            self.entries.reserve_exact(needed + slack(needed) - self.entries.len());
        }
        if self.entries.is_empty() {
            self.distinct = other.distinct;
            self.limit = limit_after(other.distinct);
        }
        self.limit = self.limit.max(needed);
        if other.arena.is_empty() {
            self.entries.extend_from_slice(&other.entries);
            return;
        }
        for entry in &other.entries {
            let kept = entry.text().moved(&other.arena, &mut self.arena);
            self.entries.push(Entry::new(kept, entry.value));
        }
    }

    /// Leaves one entry of each session, with the stages of all its copies.
    fn remove_copies(&mut self, slots: &mut Vec<u64>) {
        let count = self.entries.len();
        if count == self.distinct {
            self.limit = limit_after(count);
            return;
        }
        slots.clear();
        slots.resize(2 * count, 0);
        let mut distinct = 0;
        for index in 0..count {
            let entry = self.entries[index];
            let tag = Tag::of(&entry.text());
            // The first bits have chosen the part.
            let mut place = tag.without_first(PART_BITS).place(slots.len());
            loop {
                let slot = slots[place];
                if slot == 0 {
                    self.entries[distinct] = entry;
                    distinct += 1;
                    slots[place] = tag.slot(distinct);
                    break;
                }
                if Tag::of_slot(slot) == tag {
                    let known = &mut self.entries[index_of(slot)];
                    if known.text().equals(&self.arena, &entry.text(), &self.arena) {
                        known.value |= entry.value;
                        break;
                    }
                }
                place = place_after(place, slots.len());
            }
        }
        assert!(u32::try_from(distinct).is_ok(), "{distinct} sessions in a part; at most 2^32 - 1");
        self.entries.truncate(distinct);
        self.distinct = distinct;
        self.limit = limit_after(distinct);
        if distinct < count && !self.arena.is_empty() {
            let mut packed = TextArena::new();
            for entry in &mut self.entries {
                *entry = Entry::new(entry.text().moved(&self.arena, &mut packed), entry.value);
            }
            self.arena = packed;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    #[test]
    fn a_session_takes_at_most_forty_bytes_whether_it_comes_once_or_often() {
        for copies in [1, 2, 9] {
            let mut sessions = Sessions::default();
            let count = 200_000u64;
            for n in 0..count * copies {
                let session = Text::in_place(format!("s-{:012}", n % count).as_bytes()).unwrap();
                sessions.add(&session, &[], Tag::of(&session), 1);
            }
            let bytes = sessions.memory_bytes() as u64;
            assert!(bytes <= 40 * count, "{} bytes a session that comes {copies} times", bytes / count);
            assert_eq!(sessions.count(), SessionCounts { sessions: count, by_stage: [count, 0, 0, 0] });
        }
    }

    proptest! {
        #[test]
        fn sessions_are_a_hash_map_of_masks(
            seen in prop::collection::vec(("[ab]{0,20}", 0u8..4, any::<bool>()), 0..2_000),
            snapshot in 0usize..2_000,
        ) {
            let mut twin: HashMap<String, u8> = HashMap::new();
            let (mut ours, mut theirs) = (Sessions::default(), Sessions::default());
            for (index, (name, stage, is_ours)) in seen.iter().enumerate() {
                let mut arena = vec![0; index % 7];
                let text = Text::new(name.as_bytes(), &mut arena);
                let side = if *is_ours { &mut ours } else { &mut theirs };
                side.add(&text, &arena, Tag::of(&text), 1 << stage);
                *twin.entry(name.clone()).or_default() |= 1 << stage;
                if index == snapshot {
                    // Counting in between changes nothing.
                    side.count();
                }
            }
            let mut like = Sessions::default();
            like.reserve_like(&ours);
            prop_assert_eq!(like.count(), SessionCounts::default());
            like.append(&ours);
            like.append(&theirs);
            let mut expected = SessionCounts { sessions: twin.len() as u64, ..SessionCounts::default() };
            for mask in twin.values() {
                for stage in 0..STAGES.len() {
                    expected.by_stage[stage] += u64::from(mask >> stage & 1);
                }
            }
            prop_assert_eq!(like.count(), expected);
        }
    }
}
