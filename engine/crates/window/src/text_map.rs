//! An exact map from texts to small values, for sets of identifiers in the millions.
//!
//! Open addressing by `hashbrown`; a slot is the 16 bytes of the text, its form and the value, without padding where
//! the value is made of bytes. Identifiers that fit neither 16 bytes nor a UUID lie in an arena of the map's own and are
//! compared there, byte by byte.

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
    slots: HashTable<Slot<V>>,
    arena: TextArena,
}

impl<V> Default for TextMap<V> {
    fn default() -> TextMap<V> {
        TextMap { slots: HashTable::new(), arena: TextArena::new() }
    }
}

impl<V> TextMap<V> {
    /// Number of texts.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// The arena that the texts of [`TextMap::iter`] belong to.
    #[must_use]
    pub fn arena(&self) -> &[u8] {
        &self.arena
    }

    /// Bytes of memory the map holds, free slots included.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.slots.allocation_size() + self.arena.capacity()
    }

    /// The value of `text`, which lives in `arena`.
    #[must_use]
    pub fn get(&self, text: &Text, arena: &[u8]) -> Option<&V> {
        let found = self.slots.find(text.hash(), |slot| slot.text().equals(&self.arena, text, arena));
        found.map(|slot| &slot.value)
    }

    /// The value of `text`, put in by `make` where the text is new. The flag says whether it was.
    ///
    /// Expected O(1); allocates only when the table or its arena must grow.
    #[inline]
    pub fn entry_or_insert_with(&mut self, text: &Text, arena: &[u8], make: impl FnOnce() -> V) -> (&mut V, bool) {
        let entry = self.slots.entry(
            text.hash(),
            |slot| slot.text().equals(&self.arena, text, arena),
            |slot| slot.text().hash(),
        );
        match entry {
            Entry::Occupied(occupied) => (&mut occupied.into_mut().value, false),
            Entry::Vacant(vacant) => {
                let kept = text.moved(arena, &mut self.arena);
                (&mut vacant.insert(Slot::new(kept, make())).into_mut().value, true)
            }
        }
    }

    /// All texts with their values, in no order; the texts live in [`TextMap::arena`].
    pub fn iter(&self) -> impl Iterator<Item = (Text, &V)> {
        self.slots.iter().map(|slot| (slot.text(), &slot.value))
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
