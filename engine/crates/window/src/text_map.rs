//! An exact map from texts to small values, for sets of identifiers in the millions.
//!
//! Two parts. A log holds every text with its value, packed, in order of arrival: 16 bytes, a form and the value, and for
//! texts that fit neither 16 bytes nor a UUID their bytes in an arena. Over it lies an open-addressed table of eight
//! bytes a slot: 32 bits of the text's hash, and its place in the log. So a look touches one line of a small table, a
//! new text is appended where the last one was, and only where the 32 bits agree is the log looked at, where the texts
//! are compared in full: the hash alone never decides.
//!
//! A slot's place is its hash scaled to the size of the table, so slots lie in the order of their hashes, and growing
//! reads the old table and writes the new one from end to end: at the speed of memory, without a look at the log. A few
//! slots move with each text that is put in, and until all have, a look probes both tables: growing never takes long.

use engine_model::{Text, TextArena};

use crate::memory::{prefetch, use_large_pages};

/// A text and what belongs to it, packed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry<V> {
    words: [[u8; 8]; 2],
    form: u8,
    pub(crate) value: V,
}

impl<V> Entry<V> {
    #[inline]
    pub(crate) fn new(text: Text, value: V) -> Entry<V> {
        let (words, form) = text.pack();
        Entry { words: words.map(u64::to_le_bytes), form, value }
    }

    #[inline]
    pub(crate) fn text(&self) -> Text {
        Text::unpack(self.words.map(u64::from_le_bytes), self.form)
    }
}

// Without padding where the value is made of bytes: 17 bytes an identifier with nothing to remember.
const _: () = assert!(size_of::<Entry<()>>() == 17 && size_of::<Entry<u8>>() == 18);

/// An exact map from texts to values.
#[derive(Clone, Debug)]
pub struct TextMap<V> {
    /// 0 where free; else 32 bits of the hash above the place in the log plus one.
    slots: Vec<u64>,
    log: Vec<Entry<V>>,
    /// When there are so many texts, the table is looked after before another is put in: it grows, or is growing.
    limit: usize,
    /// The table before `slots` while it grows, else empty; those of the first `moved` places are in `slots` too.
    former: Vec<u64>,
    moved: usize,
    arena: TextArena,
    growth: Growth,
}

/// How many slots move at a time: a table of a million texts has moved when 65 536 more have come, of the million for which
/// there is room.
const STEP: usize = 32;

/// How many texts are looked ahead for where many are put in.
const LOOK_AHEAD: usize = 32;

/// The fewest slots of a map that holds anything.
const SLOTS_MIN: usize = 16;

/// What counts more in a map: time or memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Growth {
    /// A table at most half full that doubles, for the event path.
    Fast,
    /// A table at most three quarters full that grows by half, for the sets of rollups, which are filled off that path.
    Compact,
}

impl Growth {
    /// How many texts a table of so many slots may hold.
    fn room(self, slots: usize) -> usize {
        match self {
            Growth::Fast => slots / 2,
            Growth::Compact => slots - slots / 4,
        }
    }

    /// How many slots have room for `count` texts.
    fn slots_for(self, count: usize) -> usize {
        match self {
            Growth::Fast => 2 * count,
            Growth::Compact => count + count.div_ceil(3),
        }
    }

    /// How many slots follow a full table.
    fn slots_after(self, slots: usize) -> usize {
        match self {
            Growth::Fast => 2 * slots,
            Growth::Compact => slots + slots / 2,
        }
    }
}

impl<V> Default for TextMap<V> {
    fn default() -> TextMap<V> {
        TextMap::growing(Growth::Fast)
    }
}

/// The 32 bits of a text's hash that a slot keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tag(u32);

impl Tag {
    #[inline]
    pub(crate) fn of(text: &Text) -> Tag {
        Tag((text.hash() >> 32) as u32)
    }

    /// The tag of a slot in use.
    #[inline]
    pub(crate) fn of_slot(slot: u64) -> Tag {
        Tag((slot >> 32) as u32)
    }

    /// The slot that says this tag and the place in the log before `len`.
    #[inline]
    pub(crate) fn slot(self, len: usize) -> u64 {
        u64::from(self.0) << 32 | len as u64
    }

    /// Where its slot is looked for first, among `slots`; of any two tags the greater one's is not before the other's.
    #[inline]
    pub(crate) fn place(self, slots: usize) -> usize {
        ((u64::from(self.0) * slots as u64) >> 32) as usize
    }

    /// The same without its first `bits`, for places among those that begin with the same ones.
    #[inline]
    pub(crate) fn without_first(self, bits: u32) -> Tag {
        Tag(self.0 << bits)
    }
}

/// Room to ask for where there were `count` texts before and there will be about as many.
pub(crate) fn with_margin(count: usize) -> usize {
    count + count / 24
}

impl<V> TextMap<V> {
    /// A map for which memory counts more than time.
    pub(crate) fn compact() -> TextMap<V> {
        TextMap::growing(Growth::Compact)
    }

    fn growing(growth: Growth) -> TextMap<V> {
        let (slots, log, former, arena) = (Vec::new(), Vec::new(), Vec::new(), TextArena::new());
        TextMap { slots, log, limit: 0, former, moved: 0, arena, growth }
    }

    /// Number of texts.
    #[must_use]
    pub fn len(&self) -> usize {
        self.log.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.log.is_empty()
    }

    /// Makes room for `count` texts in all.
    pub(crate) fn reserve(&mut self, count: usize) {
        self.log.reserve(count.saturating_sub(self.log.len()));
        use_large_pages(&self.log);
        if count > self.growth.room(self.slots.len()) {
            self.grow_into(vec![0; self.growth.slots_for(count).max(SLOTS_MIN)]);
            self.move_slots(usize::MAX);
        }
    }

    /// The arena that the texts of [`TextMap::iter`] belong to.
    #[must_use]
    pub fn arena(&self) -> &[u8] {
        &self.arena
    }

    /// Bytes of memory the map holds, free slots included.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        let slots = self.slots.capacity() + self.former.capacity();
        slots * size_of::<u64>() + self.log.capacity() * size_of::<Entry<V>>() + self.arena.capacity()
    }

    /// Fetches what a look for a text of this tag will touch first, for a look that comes soon.
    #[inline]
    pub(crate) fn prefetch(&self, tag: Tag) {
        if let Some(slot) = self.slots.get(tag.place(self.slots.len())) {
            prefetch(slot);
        }
    }

    /// The place in the log of `text`, which lives in `arena`, or the free slot where it belongs. There must be one.
    #[inline]
    fn find(&self, text: &Text, arena: &[u8], tag: Tag) -> Result<usize, usize> {
        match self.find_in(&self.slots, text, arena, tag) {
            Err(free) if !self.former.is_empty() => self.find_in_former(text, arena, tag).ok_or(free),
            found => found,
        }
    }

    #[cold]
    fn find_in_former(&self, text: &Text, arena: &[u8], tag: Tag) -> Option<usize> {
        self.find_in(&self.former, text, arena, tag).ok()
    }

    #[inline]
    fn find_in(&self, slots: &[u64], text: &Text, arena: &[u8], tag: Tag) -> Result<usize, usize> {
        let mut place = tag.place(slots.len());
        loop {
            let slot = slots[place];
            if slot == 0 {
                return Err(place);
            }
            if Tag::of_slot(slot) == tag {
                let index = index_of(slot);
                if self.log[index].text().equals(&self.arena, text, arena) {
                    return Ok(index);
                }
            }
            place = place_after(place, slots.len());
        }
    }

    /// The value of `text`, which lives in `arena`.
    #[must_use]
    pub fn get(&self, text: &Text, arena: &[u8]) -> Option<&V> {
        self.get_with_tag(text, arena, Tag::of(text))
    }

    /// The same for who knows the text's tag.
    #[inline]
    pub(crate) fn get_with_tag(&self, text: &Text, arena: &[u8], tag: Tag) -> Option<&V> {
        if self.slots.is_empty() {
            return None;
        }
        let index = self.find(text, arena, tag).ok()?;
        Some(&self.log[index].value)
    }

    /// The value of `text`, put in by `make` where the text is new. The flag says whether it was.
    ///
    /// Expected O(1); allocates only when the table, the log or its arena must grow.
    ///
    /// # Panics
    /// Where there are 2^32 - 1 texts already.
    #[inline]
    pub fn entry_or_insert_with(&mut self, text: &Text, arena: &[u8], make: impl FnOnce() -> V) -> (&mut V, bool) {
        self.entry_with_tag(text, arena, Tag::of(text), make)
    }

    /// The same for who knows the text's tag.
    #[inline]
    pub(crate) fn entry_with_tag(
        &mut self,
        text: &Text,
        arena: &[u8],
        tag: Tag,
        make: impl FnOnce() -> V,
    ) -> (&mut V, bool) {
        if self.log.len() >= self.limit {
            self.make_room();
        }
        match self.find(text, arena, tag) {
            Ok(index) => (&mut self.log[index].value, false),
            Err(place) => {
                let kept = text.moved(arena, &mut self.arena);
                if self.log.len() == self.log.capacity() {
                    self.make_room_in_log();
                }
                self.log.push(Entry::new(kept, make()));
                let index = self.log.len();
                assert!(u32::try_from(index).is_ok(), "a map of {index} texts; at most 2^32 - 1");
                self.slots[place] = tag.slot(index);
                (&mut self.log[index - 1].value, true)
            }
        }
    }

    /// Fetches the entry that a look for a text of this tag will most likely compare, if there is one.
    #[inline]
    pub(crate) fn prefetch_entry(&self, tag: Tag) {
        if let Some(&slot) = self.slots.get(tag.place(self.slots.len()))
            && Tag::of_slot(slot) == tag
            && slot != 0
            && let Some(entry) = self.log.get(index_of(slot))
        {
            prefetch(entry);
        }
    }

    /// All texts with their values, in the order they came; the texts live in [`TextMap::arena`].
    pub fn iter(&self) -> impl Iterator<Item = (Text, &V)> {
        self.log.iter().map(|entry| (entry.text(), &entry.value))
    }

    /// Goes on growing, or begins to where the table is full.
    #[cold]
    fn make_room(&mut self) {
        self.move_slots(STEP);
        let slots = self.slots.len();
        if self.log.len() >= self.growth.room(slots) {
            self.grow_into(vec![0; self.growth.slots_after(slots).max(SLOTS_MIN)]);
        }
    }

    /// Begins to grow into `slots`, all of them free.
    fn grow_into(&mut self, slots: Vec<u64>) {
        debug_assert!(slots.iter().all(|slot| *slot == 0));
        self.move_slots(usize::MAX);
        use_large_pages(&slots);
        self.former = std::mem::replace(&mut self.slots, slots);
        self.moved = 0;
        self.limit = 0;
        if self.former.len() <= STEP {
            self.move_slots(STEP);
        }
    }

    /// Makes room in the log for the next text: a compact one grows by an eighth, which costs no copy where memory is
    /// moved by its pages.
    #[cold]
    fn make_room_in_log(&mut self) {
        match self.growth {
            Growth::Fast => self.log.reserve(1),
            Growth::Compact => self.log.reserve_exact((self.log.len() / 8).max(SLOTS_MIN)),
        }
    }

    /// Moves the slots of the next `places` of the former table, and drops it after the last.
    fn move_slots(&mut self, places: usize) {
        let count = self.slots.len();
        let end = self.former.len().min(self.moved.saturating_add(places));
        for &slot in self.former[self.moved..end].iter().filter(|slot| **slot != 0) {
            let mut place = Tag::of_slot(slot).place(count);
            while self.slots[place] != 0 {
                place = place_after(place, count);
            }
            self.slots[place] = slot;
        }
        self.moved = end;
        if end == self.former.len() {
            self.former = Vec::new();
            self.moved = 0;
            self.limit = self.growth.room(count);
        }
    }
}

impl TextMap<()> {
    /// Puts in all texts of `other`, in their order, and hands over those that are new here; they live in `other`'s arena.
    ///
    /// While some are put in, the slots and entries that those behind them need are on their way.
    pub(crate) fn absorb(&mut self, other: &TextMap<()>, mut on_new: impl FnMut(Text)) {
        for entries in other.log.chunks(LOOK_AHEAD) {
            for entry in entries {
                self.prefetch(Tag::of(&entry.text()));
            }
            for entry in entries {
                self.prefetch_entry(Tag::of(&entry.text()));
            }
            for entry in entries {
                let text = entry.text();
                if self.entry_or_insert_with(&text, &other.arena, || ()).1 {
                    on_new(text);
                }
            }
        }
    }
}

/// The table of a map that is no longer used, for the next one to grow into once it has been cleared, a little at a time.
#[derive(Clone, Debug)]
pub(crate) struct Spare {
    slots: Vec<u64>,
    cleared: usize,
}

/// How many slots are cleared at a time: 128 KiB, some ten microseconds.
const CLEAR_STEP: usize = 16_384;

impl Spare {
    /// Keeps the table of `map` and drops everything else.
    pub(crate) fn of<V>(map: TextMap<V>) -> Spare {
        Spare { slots: map.slots, cleared: 0 }
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.slots.capacity() * size_of::<u64>()
    }

    /// Clears some more of it; returns whether all is clear.
    #[inline]
    pub(crate) fn clear_some(&mut self) -> bool {
        let end = self.slots.len().min(self.cleared + CLEAR_STEP);
        self.slots[self.cleared..end].fill(0);
        self.cleared = end;
        end == self.slots.len()
    }
}

impl<V> TextMap<V> {
    /// Grows into the table of `spare`, which has been cleared, where that has room for `count` texts, not much more, and more
    /// than this map's own; else drops it.
    pub(crate) fn grow_into_spare(&mut self, spare: Spare, count: usize) {
        let room = self.growth.room(spare.slots.len());
        if count <= room && room <= 4 * count && spare.slots.len() > self.slots.len() {
            self.grow_into(spare.slots);
        }
    }
}

/// The place of the slot after this one, among `slots`: after the last comes the first.
#[inline]
pub(crate) fn place_after(place: usize, slots: usize) -> usize {
    if place + 1 == slots { 0 } else { place + 1 }
}

/// The place in the log that a slot in use says.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the low half is wanted")]
pub(crate) fn index_of(slot: u64) -> usize {
    slot as u32 as usize - 1
}

/// An exact map from texts to records that are numbered in order of arrival.
#[derive(Clone, Debug)]
pub(crate) struct TextTable<T> {
    index: TextMap<[u8; 4]>,
    pub(crate) records: Vec<T>,
}

impl<T> Default for TextTable<T> {
    fn default() -> TextTable<T> {
        TextTable { index: TextMap::default(), records: Vec::new() }
    }
}

impl<T: Default> TextTable<T> {
    /// See [`TextMap::prefetch`].
    #[inline]
    pub(crate) fn prefetch(&self, tag: Tag) {
        self.index.prefetch(tag);
    }

    /// See [`TextMap::prefetch_entry`].
    #[inline]
    pub(crate) fn prefetch_entry(&self, tag: Tag) {
        self.index.prefetch_entry(tag);
    }

    /// The number of `text`, which lives in `arena`; a new record where it is new.
    #[inline]
    pub(crate) fn intern(&mut self, text: &Text, arena: &[u8]) -> usize {
        self.intern_with_tag(text, arena, Tag::of(text))
    }

    /// The same for who knows the text's tag.
    #[inline]
    pub(crate) fn intern_with_tag(&mut self, text: &Text, arena: &[u8], tag: Tag) -> usize {
        let next = u32::try_from(self.records.len()).expect("a window holds less than 2^32 keys");
        let (index, is_new) = self.index.entry_with_tag(text, arena, tag, || next.to_le_bytes());
        let index = u32::from_le_bytes(*index) as usize;
        if is_new {
            self.records.push(T::default());
        }
        index
    }

    pub(crate) fn entry(&mut self, text: &Text, arena: &[u8]) -> &mut T {
        self.entry_with_tag(text, arena, Tag::of(text))
    }

    /// The same for who knows the text's tag.
    #[inline]
    pub(crate) fn entry_with_tag(&mut self, text: &Text, arena: &[u8], tag: Tag) -> &mut T {
        let index = self.intern_with_tag(text, arena, tag);
        &mut self.records[index]
    }

    pub(crate) fn get(&self, text: &Text, arena: &[u8]) -> Option<&T> {
        self.index.get(text, arena).map(|index| &self.records[u32::from_le_bytes(*index) as usize])
    }

    /// All texts (in [`TextTable::arena`]) with the numbers of their records, in no order.
    pub(crate) fn keys(&self) -> impl Iterator<Item = (Text, usize)> {
        self.index.iter().map(|(text, index)| (text, u32::from_le_bytes(*index) as usize))
    }

    pub(crate) fn reserve(&mut self, count: usize) {
        self.index.reserve(count);
        self.records.reserve(count.saturating_sub(self.records.len()));
    }

    pub(crate) fn arena(&self) -> &[u8] {
        self.index.arena()
    }

    pub(crate) fn len(&self) -> usize {
        self.records.len()
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.index.memory_bytes() + self.records.capacity() * size_of::<T>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    #[test]
    fn a_map_keeps_every_text_while_it_grows() {
        let mut map = TextMap::default();
        let key = |n: usize| Text::in_place(format!("k{n}").as_bytes()).unwrap();
        let count = 300_000;
        for n in 0..count {
            assert!(map.entry_or_insert_with(&key(n), &[], || n).1);
        }
        assert_eq!((map.len(), map.iter().count()), (count, count));
        for n in 0..count {
            assert_eq!(map.get(&key(n), &[]), Some(&n));
            assert!(!map.entry_or_insert_with(&key(n), &[], || n + 1).1);
        }
        assert_eq!(map.get(&key(count), &[]), None);
    }

    #[test]
    fn texts_of_one_tag_stay_apart() {
        // The last tag there is: its texts run over the end of the table.
        let tag = Tag(u32::MAX);
        let mut map = TextMap::default();
        let text = |n: usize| Text::in_place(format!("t{n}").as_bytes()).unwrap();
        for n in 0..500 {
            assert!(map.entry_with_tag(&text(n), &[], tag, || n).1);
        }
        for n in 0..500 {
            assert_eq!(map.find(&text(n), &[], tag), Ok(n));
            let (value, is_new) = map.entry_with_tag(&text(n), &[], tag, || 0);
            assert_eq!((*value, is_new), (n, false));
        }
        assert!(map.find(&text(500), &[], tag).is_err());
    }

    #[test]
    fn a_reserved_map_takes_at_most_forty_bytes_a_uuid_with_its_window() {
        let count = 100_000u64;
        let mut map: TextMap<[u8; 5]> = TextMap::default();
        map.reserve(100_000);
        for n in 0..count {
            let id = format!("{n:08x}-0000-4000-8000-{:012x}", n * 7_919);
            map.entry_or_insert_with(&Text::in_place(id.as_bytes()).unwrap(), &[], || [0; 5]);
        }
        assert!(map.memory_bytes() as u64 <= 40 * count, "{} bytes", map.memory_bytes());
    }

    #[test]
    fn a_compact_map_takes_at_most_forty_bytes_a_customer_at_any_time() {
        let mut map: TextMap<()> = TextMap::compact();
        let mut bytes_max = 0;
        for n in 0..400_000u32 {
            map.entry_or_insert_with(&Text::in_place(format!("c{n}").as_bytes()).unwrap(), &[], || ());
            if n >= 10_000 && map.former.is_empty() {
                bytes_max = bytes_max.max(map.memory_bytes().div_ceil(map.len()));
            }
        }
        assert!((28..=40).contains(&bytes_max), "{bytes_max} bytes");
    }

    proptest! {
        #[test]
        fn a_text_map_is_a_hash_map_of_byte_strings(
            keys in prop::collection::vec("[ab]{0,20}", 0..200),
            is_compact: bool,
        ) {
            let mut map = if is_compact { TextMap::compact() } else { TextMap::default() };
            let mut twin: HashMap<String, usize> = HashMap::new();
            for (index, key) in keys.iter().enumerate() {
                let mut arena = vec![0; index];
                let text = Text::new(key.as_bytes(), &mut arena);
                let (value, is_new) = map.entry_or_insert_with(&text, &arena, || index);
                prop_assert_eq!(is_new, !twin.contains_key(key));
                prop_assert_eq!(*value, *twin.entry(key.clone()).or_insert(index));
            }
            prop_assert_eq!(map.len(), twin.len());
            for (text, value) in map.iter() {
                let key = String::from_utf8(text.bytes(map.arena(), &mut [0; 36]).to_vec()).unwrap();
                prop_assert_eq!(twin[&key], *value);
            }
        }
    }
}
