//! An exact map from texts to small values, for sets of identifiers in the millions.
//!
//! Open addressing by `hashbrown`; a slot is the 16 bytes of the text, its form and the value, without padding where
//! the value is made of bytes. Identifiers that fit neither 16 bytes nor a UUID lie in an arena of the map's own and are
//! compared there, byte by byte.
//!
//! A large map is cut into segments that grow one by one: a table doubles by holding the old and the new one at once, and
//! would otherwise, at the size of a day's sessions, need half its memory again and stop for a second.

use engine_model::{Text, TextArena};
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

#[derive(Clone, Debug)]
struct Slot<V> {
    words: [[u8; 8]; 2],
    form: u8,
    value: V,
}

impl<V> Slot<V> {
    #[inline]
    fn new(text: Text, value: V) -> Slot<V> {
        let (words, form) = text.pack();
        Slot { words: words.map(u64::to_le_bytes), form, value }
    }

    #[inline]
    fn text(&self) -> Text {
        Text::unpack(self.words.map(u64::from_le_bytes), self.form)
    }
}

// An identifier with nothing to remember takes 17 bytes, with a byte 18; hashbrown adds one and keeps 1/8 to 9/16 free.
const _: () = assert!(size_of::<Slot<()>>() == 17 && size_of::<Slot<u8>>() == 18);

/// An exact map from texts to values.
#[derive(Clone, Debug)]
pub struct TextMap<V> {
    /// One, or [`SEGMENTS`].
    segments: Vec<HashTable<Slot<V>>>,
    len: usize,
    arena: TextArena,
}

/// How many segments a large map has.
const SEGMENTS: usize = 64;

/// At how many texts a map becomes large.
const LARGE: usize = 1 << 18;

impl<V> Default for TextMap<V> {
    fn default() -> TextMap<V> {
        TextMap { segments: vec![HashTable::new()], len: 0, arena: TextArena::new() }
    }
}

/// The segment of a hash. Its bits are neither among the lowest, which choose the place in a table, nor among the seven
/// highest, which hashbrown keeps beside each slot.
#[inline]
fn segment_of(hash: u64, segments: usize) -> usize {
    // Both numbers of segments are powers of two.
    (hash >> 40) as usize & (segments - 1)
}

impl<V> TextMap<V> {
    /// Number of texts.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Makes room for `count` texts in all, as long as the map is not large.
    pub(crate) fn reserve(&mut self, count: usize) {
        if let [only] = self.segments.as_mut_slice() {
            let more = count.min(LARGE).saturating_sub(self.len);
            only.reserve(more, |slot| slot.text().hash());
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
        self.segments.iter().map(HashTable::allocation_size).sum::<usize>() + self.arena.capacity()
    }

    /// The value of `text`, which lives in `arena`.
    #[must_use]
    pub fn get(&self, text: &Text, arena: &[u8]) -> Option<&V> {
        let hash = text.hash();
        let segment = &self.segments[segment_of(hash, self.segments.len())];
        let found = segment.find(hash, |slot| slot.text().equals(&self.arena, text, arena));
        found.map(|slot| &slot.value)
    }

    /// The value of `text`, put in by `make` where the text is new. The flag says whether it was.
    ///
    /// Expected O(1); allocates only when the table or its arena must grow.
    #[inline]
    pub fn entry_or_insert_with(&mut self, text: &Text, arena: &[u8], make: impl FnOnce() -> V) -> (&mut V, bool) {
        if self.len == LARGE && self.segments.len() == 1 {
            self.cut();
        }
        let hash = text.hash();
        let segment = segment_of(hash, self.segments.len());
        let entry = self.segments[segment].entry(
            hash,
            |slot| slot.text().equals(&self.arena, text, arena),
            |slot| slot.text().hash(),
        );
        match entry {
            Entry::Occupied(occupied) => (&mut occupied.into_mut().value, false),
            Entry::Vacant(vacant) => {
                self.len += 1;
                let kept = text.moved(arena, &mut self.arena);
                (&mut vacant.insert(Slot::new(kept, make())).into_mut().value, true)
            }
        }
    }

    /// All texts with their values, in no order; the texts live in [`TextMap::arena`].
    pub fn iter(&self) -> impl Iterator<Item = (Text, &V)> {
        self.segments.iter().flat_map(HashTable::iter).map(|slot| (slot.text(), &slot.value))
    }

    /// Moves all slots of the one table into segments.
    #[cold]
    fn cut(&mut self) {
        let capacity = 2 * self.len / SEGMENTS;
        let mut segments: Vec<HashTable<Slot<V>>> = (0..SEGMENTS).map(|_| HashTable::with_capacity(capacity)).collect();
        for slot in std::mem::take(&mut self.segments).into_iter().flatten() {
            let hash = slot.text().hash();
            segments[segment_of(hash, SEGMENTS)].insert_unique(hash, slot, |slot| slot.text().hash());
        }
        self.segments = segments;
    }
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
    /// The number of `text`, which lives in `arena`; a new record where it is new.
    #[inline]
    pub(crate) fn intern(&mut self, text: &Text, arena: &[u8]) -> usize {
        let next = u32::try_from(self.records.len()).expect("a window holds less than 2^32 keys");
        let (index, is_new) = self.index.entry_or_insert_with(text, arena, || next.to_le_bytes());
        let index = u32::from_le_bytes(*index) as usize;
        if is_new {
            self.records.push(T::default());
        }
        index
    }

    pub(crate) fn entry(&mut self, text: &Text, arena: &[u8]) -> &mut T {
        let index = self.intern(text, arena);
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
        self.records.reserve(count.min(LARGE).saturating_sub(self.records.len()));
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
    fn a_large_map_keeps_every_text_when_it_is_cut_and_after() {
        let mut map = TextMap::default();
        let key = |n: usize| Text::in_place(format!("k{n}").as_bytes()).unwrap();
        let count = LARGE + LARGE / 2;
        for n in 0..count {
            assert!(map.entry_or_insert_with(&key(n), &[], || n).1);
        }
        assert_eq!((map.len(), map.iter().count(), map.segments.len()), (count, count, SEGMENTS));
        for n in 0..count {
            assert_eq!(map.get(&key(n), &[]), Some(&n));
            assert!(!map.entry_or_insert_with(&key(n), &[], || n + 1).1);
        }
        assert_eq!(map.get(&key(count), &[]), None);
        let longest = map.segments.iter().map(HashTable::len).max().unwrap();
        assert!(longest < 2 * count / SEGMENTS, "the longest segment has {longest} of {count} texts");
    }

    proptest! {
        #[test]
        fn a_text_map_is_a_hash_map_of_byte_strings(keys in prop::collection::vec("[ab]{0,20}", 0..200)) {
            let mut map = TextMap::default();
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
