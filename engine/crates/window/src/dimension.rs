//! The newest version of each product or customer: part of a window's partial, and, in the merge, the catalogue.

use engine_model::{Cents, EventTime, Text, TextArena};

use crate::text_map::TextTable;

/// What one event said of a product or customer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Version {
    pub(crate) time: EventTime,
    pub(crate) event_id: Text,
    /// Name and category of a product; country and segment of a customer, each or absent.
    pub(crate) texts: [Text; 2],
    pub(crate) price: Cents,
}

impl Default for Version {
    fn default() -> Version {
        Version { time: EventTime::MIN, event_id: Text::ABSENT, texts: [Text::ABSENT; 2], price: Cents::ZERO }
    }
}

impl Version {
    fn texts_mut(&mut self) -> [&mut Text; 3] {
        let [first, second] = &mut self.texts;
        [&mut self.event_id, first, second]
    }
}

/// For each key its newest version: by event time, of equal times by event identifier, byte by byte.
///
/// Taking the newest is commutative, associative and idempotent, so versions merge in any order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Dimension {
    versions: TextTable<Version>,
    /// Long texts of the versions, also of replaced ones until the arena is packed.
    arena: TextArena,
    /// Length of the arena when it was packed last.
    packed_len: usize,
}

const PACK_BYTES_MIN: usize = 1 << 20;

impl Dimension {
    /// Takes `version` of `key` in where it is newer than what is known. All texts live in `arena`.
    pub(crate) fn apply(&mut self, key: &Text, version: &Version, arena: &[u8]) {
        self.apply_from(key, arena, version, arena);
    }

    fn apply_from(&mut self, key: &Text, key_arena: &[u8], version: &Version, arena: &[u8]) {
        let known = self.versions.entry(key, key_arena);
        let order = known.time.cmp(&version.time);
        if order.then_with(|| known.event_id.compare(&self.arena, &version.event_id, arena)).is_ge() {
            return;
        }
        let mut kept = *version;
        for text in kept.texts_mut() {
            *text = text.moved(arena, &mut self.arena);
        }
        *known = kept;
        if self.arena.len() > PACK_BYTES_MIN.max(2 * self.packed_len) {
            self.pack();
        }
    }

    /// Takes all versions of `other` in.
    pub(crate) fn merge(&mut self, other: &Dimension) {
        for (key, version) in other.iter() {
            self.apply_from(&key, other.key_arena(), version, &other.arena);
        }
    }

    /// Drops the texts of replaced versions.
    fn pack(&mut self) {
        let mut packed = TextArena::new();
        for version in &mut self.versions.records {
            for text in version.texts_mut() {
                *text = text.moved(&self.arena, &mut packed);
            }
        }
        self.packed_len = packed.len();
        self.arena = packed;
    }

    /// All keys (in [`Dimension::key_arena`]) with their versions (texts in [`Dimension::arena`]), in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Text, &Version)> {
        self.versions.keys().map(|(key, index)| (key, &self.versions.records[index]))
    }

    pub(crate) fn get(&self, key: &Text, arena: &[u8]) -> Option<&Version> {
        self.versions.get(key, arena)
    }

    pub(crate) fn key_arena(&self) -> &[u8] {
        self.versions.arena()
    }

    pub(crate) fn arena(&self) -> &[u8] {
        &self.arena
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.versions.memory_bytes() + self.arena.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_version_stays_and_replaced_texts_do_not_pile_up() {
        let mut dimension = Dimension::default();
        let mut arena = TextArena::new();
        let key = Text::in_place(b"p1").unwrap();
        for n in 0..40_000 {
            arena.clear();
            let name = Text::new(format!("a name that does not fit in place {n}").as_bytes(), &mut arena);
            let event_id = Text::new(format!("e{n:015}").as_bytes(), &mut arena);
            let version = Version {
                time: EventTime::from_micros(n / 2),
                event_id,
                texts: [name, Text::ABSENT],
                price: Cents::new(n),
            };
            dimension.apply(&key, &version, &arena);
            dimension.apply(
                &key,
                &Version { time: EventTime::EPOCH - engine_model::Micros::SECOND, ..version },
                &arena,
            );
        }
        let version = dimension.get(&key, &[]).unwrap();
        assert_eq!(version.price, Cents::new(39_999));
        assert_eq!(version.texts[0].bytes(dimension.arena(), &mut [0; 36]), b"a name that does not fit in place 39999");
        assert!(dimension.arena.len() <= PACK_BYTES_MIN, "{} bytes of texts", dimension.arena.len());
    }
}
