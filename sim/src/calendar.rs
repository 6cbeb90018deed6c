//! The calendar of sessions: who acts next. A calendar queue in constant time per step and bounded memory.
//!
//! Time is cut into ticks. Each tick of the near future (65 536 of them) has a list of the sessions that act in it;
//! the far future (256 times as long) has coarse lists that are spread out once they come near. Sixteen ticks at a
//! time are taken out together, so that the memory of their sessions is fetched at once rather than one after the
//! other; their sessions then act in the order of time.
//!
//! The method is Varghese and Lauck's hierarchical timing wheel (1987) with Brown's calendar queue (1988) in mind.

use crate::journey::Session;

/// How many ticks are taken out together.
const HORIZON_TICKS: i64 = 16;
const NEAR_LOG2: u32 = 16;
/// Ticks with a list of their own.
const NEAR: i64 = 1 << NEAR_LOG2;
/// Coarse lists, each of as many ticks.
const FAR: i64 = 256;
/// Ends a list.
const NONE: u32 = u32::MAX;

/// Where a session is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Slot(pub(crate) u32);

/// The sessions under way, each with the instant at which it acts next.
#[derive(Clone, Debug)]
pub(crate) struct Calendar {
    entries: Vec<Entry>,
    /// First of the entries not in use.
    free: u32,
    near: Vec<u32>,
    far: Vec<u32>,
    tick_log2: u32,
    /// The first tick not yet taken out; a multiple of [`HORIZON_TICKS`].
    tick: i64,
    entry_max: usize,
}

/// A session under way. One cache line.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
struct Entry {
    time: i64,
    next: u32,
    session: Session,
}

const _: () = assert!(size_of::<Entry>() == 64, "a session is one cache line");

impl Calendar {
    /// An empty calendar from `start` on, with ticks of 2^`tick_log2` microseconds, for at most `entry_max` sessions.
    pub(crate) fn new(start: i64, tick_log2: u32, entry_max: usize) -> Calendar {
        let lists = |count| vec![NONE; usize::try_from(count).expect("at most 2^16")];
        let tick = (start >> tick_log2) & !(HORIZON_TICKS - 1);
        Calendar { entries: Vec::new(), free: NONE, near: lists(NEAR), far: lists(FAR), tick_log2, tick, entry_max }
    }

    /// The least span after which a session may act again: no session acts twice within the same ticks taken out.
    pub(crate) fn delay_min(&self) -> i64 {
        HORIZON_TICKS << self.tick_log2
    }

    /// The longest span after which a session may act again.
    pub(crate) fn delay_max(&self) -> i64 {
        ((FAR - 2) << NEAR_LOG2) << self.tick_log2
    }

    /// The instant before which everything has been taken out.
    pub(crate) fn taken_until(&self) -> i64 {
        self.tick << self.tick_log2
    }

    /// Takes out the next ticks: the instant of each session in them is given to `act`, tick by tick.
    #[inline]
    pub(crate) fn take(&mut self, mut act: impl FnMut(i64, Slot)) {
        if self.tick & (NEAR - 1) == 0 {
            self.spread();
        }
        let first = index(self.tick, NEAR);
        for tick in first..first + index(HORIZON_TICKS, NEAR) {
            let mut slot = std::mem::replace(&mut self.near[tick], NONE);
            while slot != NONE {
                let entry = &self.entries[slot as usize];
                act(entry.time, Slot(slot));
                slot = entry.next;
            }
        }
        self.tick += HORIZON_TICKS;
    }

    /// Moves the coarse list that has come near into ticks.
    #[cold]
    fn spread(&mut self) {
        let bucket = index(self.tick >> NEAR_LOG2, FAR);
        let mut slot = std::mem::replace(&mut self.far[bucket], NONE);
        while slot != NONE {
            let next = self.entries[slot as usize].next;
            self.link(slot);
            slot = next;
        }
    }

    #[inline]
    fn link(&mut self, slot: u32) {
        let entry = &mut self.entries[slot as usize];
        let tick = entry.time >> self.tick_log2;
        debug_assert!(tick >= self.tick, "a session acts after the ticks taken out");
        let list = if tick - self.tick < NEAR {
            &mut self.near[index(tick, NEAR)]
        } else {
            debug_assert!((tick >> NEAR_LOG2) - (self.tick >> NEAR_LOG2) < FAR);
            &mut self.far[index(tick >> NEAR_LOG2, FAR)]
        };
        entry.next = std::mem::replace(list, slot);
    }

    /// How many sessions there were at once, at most.
    #[cfg(test)]
    pub(crate) fn entry_count(&self) -> usize {
        self.entries.len()
    }

    /// The session kept at `slot`.
    #[inline]
    pub(crate) fn session(&mut self, slot: Slot) -> &mut Session {
        &mut self.entries[slot.0 as usize].session
    }

    /// Lets the session at `slot`, which was taken out, act again at `time`.
    #[inline]
    pub(crate) fn again(&mut self, slot: Slot, time: i64) {
        self.entries[slot.0 as usize].time = time;
        self.link(slot.0);
    }

    /// Forgets the session at `slot`, which was taken out.
    #[inline]
    pub(crate) fn end(&mut self, slot: Slot) {
        self.entries[slot.0 as usize].next = self.free;
        self.free = slot.0;
    }

    /// Lets a new session act at `time`. Where there is no room it is forgotten: the visitor leaves.
    #[inline]
    pub(crate) fn begin(&mut self, session: Session, time: i64) {
        let slot = if self.free != NONE {
            let slot = self.free;
            let entry = &mut self.entries[slot as usize];
            self.free = entry.next;
            (entry.time, entry.session) = (time, session);
            slot
        } else if self.entries.len() < self.entry_max {
            self.entries.push(Entry { time, next: NONE, session });
            u32::try_from(self.entries.len() - 1).expect("far fewer than 2^32 sessions")
        } else {
            return;
        };
        self.link(slot);
    }
}

/// The place of a number within a ring of `size`, a power of two.
#[inline]
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "only the lowest bits are wanted")]
const fn index(number: i64, size: i64) -> usize {
    (number & (size - 1)) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw::{Draws, Purpose};

    /// The calendar against a sorted list: the same sessions come out in every horizon, near and far.
    #[test]
    fn sessions_come_out_when_they_are_due() {
        let start = 1_000_003;
        let mut calendar = Calendar::new(start, 6, 500);
        let mut draws = Draws::new(4, Purpose::Journey, 0);
        let mut planned: Vec<i64> = Vec::new();
        for _ in 0..500 {
            let time = start + i64::from(draws.below(50_000_000));
            calendar.begin(Session::default(), time);
            planned.push(time);
        }
        for _ in 0..200_000 {
            let mut taken = Vec::new();
            calendar.take(|time, slot| taken.push((time, slot)));
            let until = calendar.taken_until();
            let mut expected: Vec<i64> = planned.iter().copied().filter(|&time| time < until).collect();
            planned.retain(|&time| time >= until);
            expected.sort_unstable();
            taken.sort_unstable();
            assert_eq!(taken.iter().map(|&(time, _)| time).collect::<Vec<_>>(), expected);
            for (time, slot) in taken {
                if draws.below(4) == 0 {
                    calendar.end(slot);
                    continue;
                }
                let delay = i64::from(draws.below(30_000_000)).clamp(calendar.delay_min(), calendar.delay_max());
                calendar.again(slot, time + delay);
                planned.push(time + delay);
            }
        }
    }

    #[test]
    fn there_are_never_more_sessions_than_there_is_room_for() {
        let mut calendar = Calendar::new(0, 6, 2);
        for time in [10, 20, 30] {
            calendar.begin(Session::default(), time);
        }
        let mut taken = Vec::new();
        calendar.take(|time, slot| taken.push((time, slot)));
        assert_eq!(taken.len(), 2);
        calendar.end(taken[0].1);
        calendar.begin(Session::default(), 5_000);
        assert_eq!(calendar.entries.len(), 2);
    }
}
