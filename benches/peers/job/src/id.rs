//! Identifiers in few bytes: a canonical UUID and a text of up to 15 bytes are kept as a `u128`, exactly.

use std::fmt;
use std::hash::{Hash, Hasher};

use foldhash::fast::RandomState;
use serde::{Deserialize, Serialize};

/// A hash map as all peers use it.
pub type Map<K, V> = hashbrown::HashMap<K, V, RandomState>;
/// A hash set as all peers use it.
pub type Set<K> = hashbrown::HashSet<K, RandomState>;

/// An identifier. Two are equal exactly if their texts are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Id {
    /// The 32 digits of a UUID written in lower case with four hyphens.
    Uuid(u128),
    /// Up to 15 bytes, and their number in the highest byte.
    Short(u128),
    /// Everything else.
    Long(Box<str>),
}

impl Id {
    /// The identifier of a text.
    #[must_use]
    pub fn new(text: &str) -> Id {
        let bytes = text.as_bytes();
        if bytes.len() <= 15 {
            let mut packed = [0; 16];
            packed[..bytes.len()].copy_from_slice(bytes);
            packed[15] = u8::try_from(bytes.len()).expect("at most 15");
            return Id::Short(u128::from_le_bytes(packed));
        }
        match uuid(bytes) {
            Some(digits) => Id::Uuid(digits),
            None => Id::Long(text.into()),
        }
    }

    /// A hash that does not depend on the process, to spread identifiers over workers.
    #[must_use]
    pub fn spread(&self) -> u64 {
        // Odd constant of the golden ratio: the high bits depend on all others.
        const ODD: u64 = 0x9E37_79B9_7F4A_7C15;
        #[expect(clippy::cast_possible_truncation, reason = "both halves are used")]
        let fold = |value: u128| (value as u64 ^ (value >> 64) as u64).wrapping_mul(ODD) >> 32;
        match self {
            Id::Uuid(value) | Id::Short(value) => fold(*value),
            Id::Long(text) => {
                text.bytes().fold(0, |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(ODD).rotate_left(29))
            }
        }
    }
}

impl From<&Id> for Id {
    fn from(id: &Id) -> Id {
        id.clone()
    }
}

impl Hash for Id {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Id::Uuid(value) | Id::Short(value) => state.write_u128(*value),
            Id::Long(text) => text.hash(state),
        }
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Id::Uuid(digits) => {
                let text = format!("{digits:032x}");
                write!(f, "{}-{}-{}-{}-{}", &text[..8], &text[8..12], &text[12..16], &text[16..20], &text[20..])
            }
            Id::Short(packed) => {
                let bytes = packed.to_le_bytes();
                let len = usize::from(bytes[15]);
                f.write_str(std::str::from_utf8(&bytes[..len]).expect("made from a text"))
            }
            Id::Long(text) => f.write_str(text),
        }
    }
}

/// Value of each byte as a lower case hexadecimal digit, or 16 and above.
const DIGITS: [u8; 256] = {
    let mut digits = [0xFF; 256];
    let mut digit = 0;
    while digit < 16 {
        digits[b"0123456789abcdef"[digit as usize] as usize] = digit;
        digit += 1;
    }
    digits
};

fn uuid(bytes: &[u8]) -> Option<u128> {
    let bytes: &[u8; 36] = bytes.try_into().ok()?;
    let mut wrong = 0;
    let mut half = |places: [usize; 16]| {
        places.iter().fold(0_u64, |value, &place| {
            let digit = DIGITS[usize::from(bytes[place])];
            wrong |= digit;
            value << 4 | u64::from(digit & 15)
        })
    };
    let high = half([0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 14, 15, 16, 17]);
    let low = half([19, 20, 21, 22, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35]);
    let hyphens = [8, 13, 18, 23].iter().all(|&place| bytes[place] == b'-');
    (hyphens && wrong < 16).then_some(u128::from(high) << 64 | u128::from(low))
}

/// A set of identifiers, 16 bytes each where they pack.
#[derive(Debug, Default)]
pub struct IdSet {
    uuids: Set<u128>,
    shorts: Set<u128>,
    longs: Set<Box<str>>,
}

impl IdSet {
    /// Adds an identifier; false if it was there.
    pub fn insert(&mut self, id: &Id) -> bool {
        match id {
            Id::Uuid(value) => self.uuids.insert(*value),
            Id::Short(value) => self.shorts.insert(*value),
            Id::Long(text) => !self.longs.contains(text) && self.longs.insert(text.clone()),
        }
    }

    /// Whether an identifier is there.
    #[must_use]
    pub fn contains(&self, id: &Id) -> bool {
        match id {
            Id::Uuid(value) => self.uuids.contains(value),
            Id::Short(value) => self.shorts.contains(value),
            Id::Long(text) => self.longs.contains(text),
        }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.uuids.len() + self.shorts.len() + self.longs.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Room for as many as another set holds, so that it is not grown step by step.
    #[must_use]
    pub fn sized_like(other: &IdSet) -> IdSet {
        let sized = |len| Set::with_capacity_and_hasher(len, RandomState::default());
        IdSet { uuids: sized(other.uuids.len()), shorts: sized(other.shorts.len()), longs: Set::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_come_back_as_they_were_and_only_canonical_uuids_pack() {
        let long = "0123456789abcdef";
        let uuid = "631c89ef-7fd1-44fb-b8e7-b46761586cd0";
        let upper = uuid.to_uppercase();
        for text in ["", "a", "0123456789abcde", long, uuid, &upper, "631c89ef07fd1-44fb-b8e7-b46761586cd0"] {
            assert_eq!(Id::new(text).to_string(), text);
        }
        assert!(matches!(Id::new("0123456789abcde"), Id::Short(_)));
        assert!(matches!(Id::new(uuid), Id::Uuid(0x631c_89ef_7fd1_44fb_b8e7_b467_6158_6cd0)));
        assert!(matches!(Id::new(&upper), Id::Long(_)));
        assert_ne!(Id::new("a"), Id::new("a\0"));
    }
}
