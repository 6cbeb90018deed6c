//! What spans windows, as bytes: what a restart needs of the merge.
//!
//! A *snapshot* is all of it: the catalogue, the customers, the open rollups. An *increment* is what has happened to it since: the
//! windows that were closed, with what they added, and the rollups that were closed. A snapshot and the increments behind it, in
//! order, give back the state of then. Numbers are LEB128, texts have their length before them; there is no checksum and no
//! version here: who stores the bytes sees to both.

use std::fmt;

use engine_model::{Cents, EventTime, Text, TextArena, WindowId};

use crate::dimension::{Dimension, Version};
use crate::sessions::Sessions;
use crate::text_map::{TextMap, TextTable};
use crate::totals::{MoneySum, PaymentSums, ProductSums, Sold, Sums, Totals};

/// Bytes that are no state of this version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidState {
    /// Where.
    pub at: usize,
}

impl fmt::Display for InvalidState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the state of the merge breaks off or holds something unknown at byte {}", self.at)
    }
}

impl std::error::Error for InvalidState {}

/// A value that can be written down and read back.
pub(crate) trait State: Sized {
    fn encode(&self, out: &mut Encoder<'_>);
    fn decode(from: &mut Decoder<'_>) -> Result<Self, InvalidState>;
}

/// Writes values one after another.
pub(crate) struct Encoder<'a>(pub(crate) &'a mut Vec<u8>);

impl Encoder<'_> {
    pub(crate) fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push(number.to_le_bytes()[0] | 0x80);
            number >>= 7;
        }
        self.0.push(number.to_le_bytes()[0]);
    }

    /// Small whether positive or negative.
    pub(crate) fn signed(&mut self, number: i64) {
        self.number((number << 1 ^ number >> 63).cast_unsigned());
    }

    fn count(&mut self, count: usize) {
        self.number(count as u64);
    }

    fn text(&mut self, text: &Text, arena: &[u8]) {
        if text.is_absent() {
            return self.number(0);
        }
        let mut buffer = [0; 36];
        let bytes = text.bytes(arena, &mut buffer);
        self.count(bytes.len() + 1);
        self.0.extend_from_slice(bytes);
    }
}

/// Reads values one after another.
pub(crate) struct Decoder<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Decoder<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Decoder<'a> {
        Decoder { bytes, at: 0 }
    }

    pub(crate) fn is_at_end(&self) -> bool {
        self.at == self.bytes.len()
    }

    pub(crate) fn invalid(&self) -> InvalidState {
        InvalidState { at: self.at }
    }

    pub(crate) fn byte(&mut self) -> Result<u8, InvalidState> {
        let byte = *self.bytes.get(self.at).ok_or(self.invalid())?;
        self.at += 1;
        Ok(byte)
    }

    pub(crate) fn number(&mut self) -> Result<u64, InvalidState> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(self.invalid())
    }

    pub(crate) fn signed(&mut self) -> Result<i64, InvalidState> {
        let number = self.number()?;
        Ok((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
    }

    fn text(&mut self, arena: &mut TextArena) -> Result<Text, InvalidState> {
        let Some(len) = self.number()?.checked_sub(1) else { return Ok(Text::ABSENT) };
        let end = usize::try_from(len).ok().and_then(|len| self.at.checked_add(len));
        let bytes = end.and_then(|end| self.bytes.get(self.at..end)).ok_or(self.invalid())?;
        self.at += bytes.len();
        Ok(Text::new(bytes, arena))
    }

    /// Reads as many values as a count before them says.
    pub(crate) fn each(
        &mut self,
        mut take: impl FnMut(&mut Decoder<'a>) -> Result<(), InvalidState>,
    ) -> Result<(), InvalidState> {
        (0..self.number()?).try_for_each(|_| take(self))
    }
}

impl State for WindowId {
    fn encode(&self, out: &mut Encoder<'_>) {
        out.signed(self.0);
    }

    fn decode(from: &mut Decoder<'_>) -> Result<WindowId, InvalidState> {
        Ok(WindowId(from.signed()?))
    }
}

impl State for MoneySum {
    fn encode(&self, out: &mut Encoder<'_>) {
        out.signed(self.raw());
    }

    fn decode(from: &mut Decoder<'_>) -> Result<MoneySum, InvalidState> {
        MoneySum::from_raw(from.signed()?).ok_or(from.invalid())
    }
}

impl State for Sums {
    fn encode(&self, out: &mut Encoder<'_>) {
        let Sums { events, revenue, orders, units, payments_succeeded, payments_failed, paid_revenue } = self;
        for count in [events, orders, units, payments_succeeded, payments_failed] {
            out.number(*count);
        }
        revenue.encode(out);
        paid_revenue.encode(out);
    }

    fn decode(from: &mut Decoder<'_>) -> Result<Sums, InvalidState> {
        Ok(Sums {
            events: from.number()?,
            orders: from.number()?,
            units: from.number()?,
            payments_succeeded: from.number()?,
            payments_failed: from.number()?,
            revenue: MoneySum::decode(from)?,
            paid_revenue: MoneySum::decode(from)?,
        })
    }
}

impl State for Sold {
    fn encode(&self, out: &mut Encoder<'_>) {
        out.number(self.orders);
        out.number(self.units);
        self.revenue.encode(out);
    }

    fn decode(from: &mut Decoder<'_>) -> Result<Sold, InvalidState> {
        Ok(Sold { orders: from.number()?, units: from.number()?, revenue: MoneySum::decode(from)? })
    }
}

impl State for ProductSums {
    fn encode(&self, out: &mut Encoder<'_>) {
        out.number(self.views);
        out.number(self.add_to_carts);
        self.sold.encode(out);
    }

    fn decode(from: &mut Decoder<'_>) -> Result<ProductSums, InvalidState> {
        Ok(ProductSums { views: from.number()?, add_to_carts: from.number()?, sold: Sold::decode(from)? })
    }
}

impl State for PaymentSums {
    fn encode(&self, out: &mut Encoder<'_>) {
        out.number(self.payments);
        self.amount.encode(out);
    }

    fn decode(from: &mut Decoder<'_>) -> Result<PaymentSums, InvalidState> {
        Ok(PaymentSums { payments: from.number()?, amount: MoneySum::decode(from)? })
    }
}

impl<T: State + Default> State for TextTable<T> {
    fn encode(&self, out: &mut Encoder<'_>) {
        out.count(self.len());
        for (key, index) in self.keys() {
            out.text(&key, self.arena());
            self.records[index].encode(out);
        }
    }

    fn decode(from: &mut Decoder<'_>) -> Result<TextTable<T>, InvalidState> {
        let (mut table, mut arena) = (TextTable::default(), TextArena::new());
        from.each(|from| {
            arena.clear();
            let key = from.text(&mut arena)?;
            *table.entry(&key, &arena) = T::decode(from)?;
            Ok(())
        })?;
        Ok(table)
    }
}

impl State for TextMap<()> {
    fn encode(&self, out: &mut Encoder<'_>) {
        out.count(self.len());
        for (text, ()) in self.iter() {
            out.text(&text, self.arena());
        }
    }

    fn decode(from: &mut Decoder<'_>) -> Result<TextMap<()>, InvalidState> {
        let (mut map, mut arena) = (TextMap::default(), TextArena::new());
        from.each(|from| {
            arena.clear();
            let text = from.text(&mut arena)?;
            map.entry_or_insert_with(&text, &arena, || ());
            Ok(())
        })?;
        Ok(map)
    }
}

impl State for Sessions {
    fn encode(&self, out: &mut Encoder<'_>) {
        out.count(self.entry_count());
        self.for_each(|text, arena, stages| {
            out.text(&text, arena);
            out.0.push(stages);
        });
    }

    fn decode(from: &mut Decoder<'_>) -> Result<Sessions, InvalidState> {
        let (mut sessions, mut arena) = (Sessions::default(), TextArena::new());
        from.each(|from| {
            arena.clear();
            let text = from.text(&mut arena)?;
            sessions.add_stages(&text, &arena, from.byte()?);
            Ok(())
        })?;
        Ok(sessions)
    }
}

impl State for Totals {
    fn encode(&self, out: &mut Encoder<'_>) {
        let Totals { sums, sessions, customers, products, categories, payments } = self;
        sums.encode(out);
        sessions.encode(out);
        customers.encode(out);
        products.encode(out);
        categories.encode(out);
        payments.encode(out);
    }

    fn decode(from: &mut Decoder<'_>) -> Result<Totals, InvalidState> {
        Ok(Totals {
            sums: Sums::decode(from)?,
            sessions: Sessions::decode(from)?,
            customers: TextMap::decode(from)?,
            products: TextTable::decode(from)?,
            categories: TextTable::decode(from)?,
            payments: TextTable::decode(from)?,
        })
    }
}

impl State for Dimension {
    fn encode(&self, out: &mut Encoder<'_>) {
        out.count(self.iter().count());
        for (key, version) in self.iter() {
            out.text(&key, self.key_arena());
            out.signed(version.time.as_micros());
            out.signed(version.price.get());
            for text in [&version.event_id, &version.texts[0], &version.texts[1]] {
                out.text(text, self.arena());
            }
        }
    }

    fn decode(from: &mut Decoder<'_>) -> Result<Dimension, InvalidState> {
        let (mut dimension, mut arena) = (Dimension::default(), TextArena::new());
        from.each(|from| {
            arena.clear();
            let key = from.text(&mut arena)?;
            let time = EventTime::from_micros(from.signed()?);
            let price = from.signed()?;
            if !(0..=Cents::MAX.get()).contains(&price) {
                return Err(from.invalid());
            }
            let event_id = from.text(&mut arena)?;
            let texts = [from.text(&mut arena)?, from.text(&mut arena)?];
            dimension.apply(&key, &Version { time, event_id, texts, price: Cents::new(price) }, &arena);
            Ok(())
        })?;
        Ok(dimension)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_come_back(numbers in prop::collection::vec(any::<i64>(), 0..20)) {
            let mut bytes = Vec::new();
            let mut out = Encoder(&mut bytes);
            for number in &numbers {
                out.signed(*number);
                out.number(number.cast_unsigned());
            }
            let mut from = Decoder::new(&bytes);
            for number in &numbers {
                prop_assert_eq!(from.signed(), Ok(*number));
                prop_assert_eq!(from.number(), Ok(number.cast_unsigned()));
            }
            prop_assert!(from.is_at_end());
        }

        #[test]
        fn any_bytes_are_state_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Totals::decode(&mut Decoder::new(&bytes));
            let _ = Dimension::decode(&mut Decoder::new(&bytes));
        }
    }

    #[test]
    fn state_that_breaks_off_says_where() {
        let error = Sums::decode(&mut Decoder::new(&[1, 2, 0x80])).unwrap_err();
        assert_eq!(error.to_string(), "the state of the merge breaks off or holds something unknown at byte 3");
    }
}
