//! The names of the fields, looked up by their bytes.
//!
//! [`Names`] is a perfect hash over the first sixteen bytes as two words: no name of ours is longer, and a name of a line
//! that has no escapes has no zero byte that could be taken for the padding.

#![expect(clippy::inline_always, reason = "a few instructions for each member")]

use engine_model::Field;

use crate::string::unescape;

/// The field of a record that has this name.
pub(crate) fn record_field(name: &[u8]) -> Option<Field> {
    Some(match name {
        b"event_id" => Field::EventId,
        b"event_type" => Field::EventType,
        b"event_time" => Field::EventTime,
        b"session_id" => Field::SessionId,
        b"customer_id" => Field::CustomerId,
        b"action" => Field::Action,
        b"product_id" => Field::ProductId,
        b"order_id" => Field::OrderId,
        b"currency" => Field::Currency,
        b"total" => Field::Total,
        b"items" => Field::Items,
        b"payment_id" => Field::PaymentId,
        b"method" => Field::Method,
        b"amount" => Field::Amount,
        b"status" => Field::Status,
        b"failure_reason" => Field::FailureReason,
        b"name" => Field::Name,
        b"category" => Field::Category,
        b"price" => Field::Price,
        b"country" => Field::Country,
        b"segment" => Field::Segment,
        _ => return None,
    })
}

/// The field of an item that has this name.
pub(crate) fn item_field(name: &[u8]) -> Option<Field> {
    Some(match name {
        b"product_id" => Field::ItemsProductId,
        b"quantity" => Field::ItemsQuantity,
        b"unit_price" => Field::ItemsUnitPrice,
        b"category" => Field::ItemsCategory,
        _ => return None,
    })
}

/// What [`Names::slot`] says of a name that is none of ours.
pub(crate) const UNKNOWN: usize = Field::ALL.len();

/// The most bytes of a name.
pub(crate) const NAME_MAX: usize = 16;

/// The names of one kind of object.
#[derive(Debug)]
pub(crate) struct Names {
    field_of: fn(&[u8]) -> Option<Field>,
    factor: u64,
    entries: [Entry; ENTRIES],
}

const ENTRIES: usize = 64;

/// A name, padded with zeros, and what is said of another name and of this one. No name at all is of no known field.
#[derive(Clone, Copy, Debug)]
struct Entry {
    words: [u64; 2],
    slots: [usize; 2],
}

const NO_ENTRY: Entry = Entry { words: [0; 2], slots: [UNKNOWN; 2] };

/// The names of a record's fields.
pub(crate) static RECORD_NAMES: Names = Names::of(record_field, Field::EventId as usize, Field::Segment as usize, 0);
/// The names of an item's fields.
pub(crate) static ITEM_NAMES: Names =
    Names::of(item_field, Field::ItemsProductId as usize, Field::ItemsCategory as usize, "items.".len());

impl Names {
    /// The names of the fields from `first` to `last`, without their first `skipped` bytes.
    const fn of(field_of: fn(&[u8]) -> Option<Field>, first: usize, last: usize, skipped: usize) -> Names {
        // Any odd factor that spreads the names: about one in thirty does.
        let mut factor = 0x9E37_79B9_7F4A_7C15u64;
        loop {
            if let Some(entries) = Names::spread(first, last, skipped, factor) {
                return Names { field_of, factor, entries };
            }
            factor = factor.wrapping_mul(0x5851_F42D_4C95_7F2D);
        }
    }

    /// Where each name falls by `factor`; `None` where two would share a place.
    const fn spread(first: usize, last: usize, skipped: usize, factor: u64) -> Option<[Entry; ENTRIES]> {
        let mut entries = [NO_ENTRY; ENTRIES];
        let mut slot = first;
        while slot <= last {
            let name = Field::ALL[slot].name().as_bytes();
            let len = name.len() - skipped;
            assert!(len <= NAME_MAX);
            let mut padded = [0; NAME_MAX];
            let mut at = 0;
            while at < len {
                padded[at] = name[skipped + at];
                at += 1;
            }
            let words = cut(&padded, len);
            let index = place(words, factor);
            if entries[index].slots[1] != UNKNOWN {
                return None;
            }
            entries[index] = Entry { words, slots: [UNKNOWN, slot] };
            slot += 1;
        }
        Some(entries)
    }

    /// The number of the field whose name the first `len` bytes of `block` are; [`UNKNOWN`] where none is called so. The
    /// bytes are those of a string without escapes.
    #[inline(always)]
    pub(crate) fn slot(&self, block: &[u8; NAME_MAX], len: usize) -> usize {
        if len > NAME_MAX {
            return UNKNOWN;
        }
        let words = cut(block, len);
        let entry = &self.entries[place(words, self.factor)];
        let differs = (words[0] ^ entry.words[0]) | (words[1] ^ entry.words[1]);
        // Which names of a line are known, nobody can tell beforehand: a place, and no jump.
        entry.slots[usize::from(differs == 0)]
    }
}

impl Names {
    /// The same for what stands between the quotes of a name with escapes; one with an escape that is no Unicode scalar
    /// value is none of ours.
    #[cold]
    pub(crate) fn slot_of_escaped(&self, raw: &[u8], scratch: &mut Vec<u8>) -> usize {
        let field = unescape(raw, scratch).ok().and_then(|()| self.field(scratch));
        field.map_or(UNKNOWN, |field| field as usize)
    }

    /// The field that is called so.
    pub(crate) fn field(&self, name: &[u8]) -> Option<Field> {
        (self.field_of)(name)
    }
}

/// The first `len` bytes of `block` as two words, zeros behind them.
#[inline]
const fn cut(block: &[u8; NAME_MAX], len: usize) -> [u64; 2] {
    let whole = u128::from_le_bytes(*block);
    #[expect(clippy::cast_possible_truncation, reason = "the halves")]
    let words = [whole as u64, (whole >> 64) as u64];
    [words[0] & MASKS[len][0], words[1] & MASKS[len][1]]
}

/// Which bits of two words so many bytes fill.
const MASKS: [[u64; 2]; NAME_MAX + 1] = {
    let mut masks = [[0; 2]; NAME_MAX + 1];
    let mut len = 1;
    while len <= NAME_MAX {
        let bits = u128::MAX >> (128 - 8 * len);
        #[expect(clippy::cast_possible_truncation, reason = "the halves")]
        let halves = [bits as u64, (bits >> 64) as u64];
        masks[len] = halves;
        len += 1;
    }
    masks
};

/// Where a name is looked for.
#[inline]
const fn place(words: [u64; 2], factor: u64) -> usize {
    let mixed = (words[0] ^ words[1].rotate_left(29)).wrapping_mul(factor);
    #[expect(clippy::cast_possible_truncation, reason = "the upper six bits")]
    let place = (mixed >> (64 - ENTRIES.ilog2())) as usize;
    place
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The number of the field called `name`, with `behind` after it.
    fn slot(names: &Names, name: &str, behind: u8) -> usize {
        let mut block = [behind; NAME_MAX];
        let len = name.len().min(NAME_MAX);
        block[..len].copy_from_slice(&name.as_bytes()[..len]);
        names.slot(&block, name.len())
    }

    #[test]
    fn names_are_found_as_by_comparing_them() {
        let own = Field::ALL.iter().map(|field| field.name().trim_start_matches("items."));
        let others = ["", "e", "event_i", "event_idx", "Event_id", "x", "sixteen_bytes_ab", "seventeen_bytes_a"];
        for name in own.chain(others) {
            for behind in [0, b'"', 0xFF] {
                for (names, field_of) in [
                    (&RECORD_NAMES, record_field as fn(&[u8]) -> Option<Field>),
                    (&ITEM_NAMES, item_field as fn(&[u8]) -> Option<Field>),
                ] {
                    let expected = field_of(name.as_bytes()).map_or(UNKNOWN, |field| field as usize);
                    assert_eq!(slot(names, name, behind), expected, "{name}");
                }
            }
        }
        assert_eq!(Field::ALL.iter().filter(|field| slot(&RECORD_NAMES, field.name(), 0) != UNKNOWN).count(), 21);
    }

    #[test]
    fn names_with_escapes_are_those_they_spell() {
        let slot = |raw: &str| RECORD_NAMES.slot_of_escaped(raw.as_bytes(), &mut Vec::new());
        assert_eq!(slot(r"event\u005fid"), Field::EventId as usize);
        assert_eq!([slot(r"event_id\u0000"), slot(r"event_id\ud800")], [UNKNOWN; 2]);
    }
}
