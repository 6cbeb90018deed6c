//! The fast path: holds each line against the shapes learned so far, and leaves every surprise to the general path.
//!
//! It reads a line from its first byte to its end in one pass, without looking for the end beforehand: literals must be
//! the same bytes, holes must hold a value of their kind, and behind the last literal the line must end. A path through
//! the tree is the shape of one line that was valid, its literals hold no control character, and a string in a hole holds
//! no quote, backslash or control character; so a line that passes is cut into the same JSON tokens as that one, and its
//! fields are the same. The values are checked by the contract's rules as the general path checks them. Whatever fails
//! is read again there, which also finds the reason of a rejection. So nothing is accepted here that is not accepted
//! there, and nothing is read differently; `tests/shapes.rs` compares the two.

#![expect(clippy::inline_always, reason = "only what is inlined is compiled for the caller's instructions")]

use engine_model::{Batch, Cents, Currency, Event, EventKind, EventTime, Item, Micros, Text};

use crate::json::Scanner;
use crate::line::Lines;
use crate::money::parse_money;
use crate::number::parse_integer;
use crate::record::{ITEM_COUNT_MAX, RecordReader};
use crate::shape::{Ending, Hole, ITEMS, LINES, Node, SLOTS, Slot, Tree};
use crate::simd::{Lanes, Specials, WIDTH};
use crate::time::{parse_rfc3339, time_of_millis};
use crate::{LINE_BYTES_MAX, Rules, Slab, narrow, parse_line};

/// How many lines a verdict on the shapes' use is made of.
const TRIAL_LINES: u32 = 4_096;

/// For how many lines shapes are left alone after a trial in which fewer than one line in four fitted.
const REST_LINES: u32 = 65_536;

/// What the fast path remembers between calls: shapes, and the last minute read.
#[derive(Debug, Default)]
pub(crate) struct Shapes {
    tree: Tree,
    /// The shapes were learned from lines of this currency.
    currency: Option<Currency>,
    minute: Minute,
    trial_lines: u32,
    trial_hits: u32,
    rest: u32,
    /// Lines read by a shape, and all others.
    pub(crate) fast_lines: u64,
    pub(crate) general_lines: u64,
}

impl Shapes {
    /// Counts a line, and gives the shapes up for a while where they do not fit.
    fn count(&mut self, is_hit: bool) {
        self.fast_lines += u64::from(is_hit);
        self.general_lines += u64::from(!is_hit);
        self.trial_lines += 1;
        self.trial_hits += u32::from(is_hit);
        if self.trial_lines == TRIAL_LINES {
            if self.trial_hits < TRIAL_LINES / 4 {
                self.tree = Tree::default();
                self.rest = REST_LINES;
            }
            (self.trial_lines, self.trial_hits) = (0, 0);
        }
    }
}

/// The minute of the instant read last, as it was written.
#[derive(Clone, Copy, Debug)]
struct Minute {
    /// `2026-01-01T00:00:`.
    text: [u8; 17],
    start: EventTime,
}

impl Default for Minute {
    fn default() -> Minute {
        Minute { text: [0; 17], start: EventTime::EPOCH }
    }
}

/// What is known of the line being read.
struct Draft {
    texts: [Text; SLOTS],
    time: EventTime,
    kind: EventKind,
    amount: Cents,
    quantity: u32,
}

/// Where a walk through an object stops.
enum Stop {
    /// At its end.
    End { ending: Ending, filled: u16, end: usize },
    /// At the items of an order, behind this node.
    Items { node: usize, at: usize },
}

/// The line does not fit; the general path has to read it.
#[derive(Clone, Copy, Debug)]
struct Surprise;

/// As [`crate::parse`], with shapes. To be inlined into a function compiled for what `L` needs.
#[inline(always)]
pub(crate) fn parse_with<L: Lanes>(
    shapes: &mut Shapes,
    slab: Slab<'_>,
    rules: &Rules,
    record_max: usize,
    batch: &mut Batch,
) -> usize {
    if shapes.currency != Some(rules.currency) {
        shapes.tree = Tree::default();
        shapes.currency = Some(rules.currency);
    }
    let mut reader = RecordReader::new(rules);
    let mut lines = Lines::new(slab);
    let mut draft = Draft {
        texts: [Text::ABSENT; SLOTS],
        time: EventTime::EPOCH,
        kind: EventKind::View,
        amount: Cents::ZERO,
        quantity: 0,
    };
    while batch.record_count() < record_max {
        let start = lines.consumed();
        if shapes.rest == 0 {
            let (items, texts, arena) = (batch.items.len(), batch.texts.len(), batch.arena.len());
            let mut walk = Walk { bytes: slab.bytes, rules, minute: &mut shapes.minute, draft: &mut draft };
            if let Ok((mut event, end, next)) = walk.line::<L>(&mut shapes.tree.nodes, start, batch) {
                event.offset = slab.offset + start as u64;
                event.line_start = narrow(start);
                event.line_len = narrow(end - start);
                batch.events.push(event);
                lines.go_to(next);
                shapes.count(true);
                continue;
            }
            batch.items.truncate(items);
            batch.texts.truncate(texts);
            batch.arena.truncate(arena);
        } else {
            shapes.rest -= 1;
        }
        let Some(line) = lines.next() else { break };
        let events = batch.events.len();
        parse_line(slab, line, &mut reader, batch);
        if shapes.rest == 0 {
            shapes.count(false);
            if batch.events.len() > events {
                shapes.tree.learn(&slab.bytes[line.start..line.start + line.len]);
            }
        } else {
            shapes.general_lines += 1;
        }
    }
    lines.consumed()
}

/// A walk through one line.
struct Walk<'a> {
    bytes: &'a [u8],
    rules: &'a Rules,
    minute: &'a mut Minute,
    draft: &'a mut Draft,
}

impl Walk<'_> {
    /// Reads the line at `start`: the event, the end of the line, and where the next one starts.
    #[inline(always)]
    fn line<L: Lanes>(
        &mut self,
        nodes: &mut [Node],
        start: usize,
        batch: &mut Batch,
    ) -> Result<(Event, usize, usize), Surprise> {
        let items_first = batch.items.len();
        let (mut parent, mut at) = (usize::from(LINES), start);
        let (ending, filled, end) = loop {
            match self.object::<L>(nodes, parent, at, batch)? {
                Stop::End { ending, filled, end } => break (ending, filled, end),
                Stop::Items { node, at: items } => (parent, at) = (node, self.items::<L>(nodes, items, batch)?),
            }
        };
        let next = match self.bytes[end..] {
            [b'\n', ..] => end + 1,
            [b'\r', b'\n', ..] => end + 2,
            _ => return Err(Surprise),
        };
        if end - start > LINE_BYTES_MAX {
            return Err(Surprise);
        }
        let event = self.event(ending, filled, items_first, batch)?;
        Ok((event, end, next))
    }

    /// Follows the tree from below `parent`, with the text from `at` on, to the end of an object or to an order's items.
    #[inline(always)]
    fn object<L: Lanes>(
        &mut self,
        nodes: &mut [Node],
        mut parent: usize,
        mut at: usize,
        batch: &mut Batch,
    ) -> Result<Stop, Surprise> {
        loop {
            let mut place = 0;
            let (child, behind) = loop {
                let child = usize::from(*nodes[parent].children.get(place).ok_or(Surprise)?);
                let node = &nodes[child];
                if let Some(behind) = literal::<L>(self.bytes, at, node) {
                    let (hole, filled) = (node.hole, node.filled);
                    if let Hole::End(ending) = hole {
                        promote(nodes, parent, place);
                        return Ok(Stop::End { ending, filled, end: behind });
                    }
                    if hole == Hole::Items {
                        promote(nodes, parent, place);
                        return Ok(Stop::Items { node: child, at: behind });
                    }
                    if let Ok(behind) = self.hole::<L>(hole, behind, batch) {
                        break (child, behind);
                    }
                }
                place += 1;
            };
            promote(nodes, parent, place);
            (parent, at) = (child, behind);
        }
    }

    /// The array of an order's items, which begins at `start`; returns where it ends.
    #[inline(always)]
    fn items<L: Lanes>(&mut self, nodes: &mut [Node], start: usize, batch: &mut Batch) -> Result<usize, Surprise> {
        if self.bytes.get(start) != Some(&b'[') {
            return Err(Surprise);
        }
        // The amount of the order is not the price of an item.
        let amount = self.draft.amount;
        let mut at = start + 1;
        for _ in 0..ITEM_COUNT_MAX {
            let Stop::End { filled, end, .. } = self.object::<L>(nodes, usize::from(ITEMS), at, batch)? else {
                return Err(Surprise);
            };
            batch.items.push(Item {
                product: self.draft.texts[Slot::Product as usize],
                category: self.optional(filled, Slot::Category),
                unit_price: self.draft.amount,
                quantity: self.draft.quantity,
            });
            at = end + 1;
            match self.bytes.get(end) {
                Some(b',') => {}
                Some(b']') => {
                    self.draft.amount = amount;
                    return Ok(at);
                }
                _ => return Err(Surprise),
            }
        }
        Err(Surprise)
    }

    /// Reads the value in a hole; returns where it ends.
    #[inline(always)]
    fn hole<L: Lanes>(&mut self, hole: Hole, at: usize, batch: &mut Batch) -> Result<usize, Surprise> {
        match hole {
            Hole::EventId => {
                let (text, end) = match self.bytes.get(at..at + 37) {
                    Some([id @ .., b'"']) if id[8] == b'-' && id[13] == b'-' => match Text::in_place(id) {
                        Some(text) => (text, at + 36),
                        None => self.text::<L>(at, 1, 64, batch)?,
                    },
                    _ => self.text::<L>(at, 1, 64, batch)?,
                };
                self.draft.texts[Slot::EventId as usize] = text;
                Ok(end)
            }
            Hole::Text { slot, min, max } => {
                let (text, end) = self.text::<L>(at, usize::from(min), usize::from(max), batch)?;
                self.draft.texts[slot as usize] = text;
                Ok(end)
            }
            Hole::Time => self.time(at),
            Hole::Millis => {
                let end = self.digits_end(at, 20)?;
                let millis = parse_integer(&self.bytes[at..end]).ok_or(Surprise)?;
                self.draft.time = self.checked(time_of_millis(millis))?;
                Ok(end)
            }
            Hole::Action => {
                let rest = &self.bytes[at..];
                let (kind, len) = if rest.starts_with(b"view\"") {
                    (EventKind::View, 4)
                } else if rest.starts_with(b"add_to_cart\"") {
                    (EventKind::AddToCart, 11)
                } else if rest.starts_with(b"checkout\"") {
                    (EventKind::Checkout, 8)
                } else {
                    return Err(Surprise);
                };
                self.draft.kind = kind;
                Ok(at + len)
            }
            Hole::MoneyNumber => {
                let mut end = self.digits_end(at, 10)?;
                if self.bytes.get(end) == Some(&b'.') {
                    let digits = self.bytes[end + 1..].iter().take(3).take_while(|byte| byte.is_ascii_digit()).count();
                    end += 1 + digits;
                }
                self.draft.amount = parse_money(&self.bytes[at..end]).ok_or(Surprise)?;
                if self.bytes[end - 1] == b'.' { Err(Surprise) } else { Ok(end) }
            }
            Hole::MoneyString => {
                let end = self.string_end::<L>(at)?;
                self.draft.amount = parse_money(&self.bytes[at..end]).ok_or(Surprise)?;
                Ok(end)
            }
            Hole::Quantity => {
                let end = self.digits_end(at, 5)?;
                let quantity = parse_integer(&self.bytes[at..end]).ok_or(Surprise)?;
                match u32::try_from(quantity) {
                    Ok(quantity @ 1..=10_000) => self.draft.quantity = quantity,
                    _ => return Err(Surprise),
                }
                Ok(end)
            }
            Hole::SkippedString => self.string_end::<L>(at),
            Hole::SkippedNumber => {
                let mut scanner = Scanner::new(self.bytes, at);
                scanner.number().map_err(|_| Surprise)?;
                Ok(scanner.at())
            }
            Hole::Items | Hole::End(_) => Err(Surprise),
        }
    }

    /// Where the digits of a number end that begins at `at`: at least one, at most `max`, no leading zero but before a
    /// point or at the end.
    #[inline(always)]
    fn digits_end(&self, at: usize, max: usize) -> Result<usize, Surprise> {
        let digits = self.bytes[at..].iter().take(max + 1).take_while(|byte| byte.is_ascii_digit()).count();
        let has_leading_zero = digits > 1 && self.bytes[at] == b'0';
        if digits == 0 || digits > max || has_leading_zero { Err(Surprise) } else { Ok(at + digits) }
    }

    /// Where the string ends that begins at `at`: at its closing quote.
    #[inline(always)]
    fn string_end<L: Lanes>(&self, at: usize) -> Result<usize, Surprise> {
        if let Some(chunk) = self.bytes[at..].first_chunk::<WIDTH>() {
            let Specials { quotes, others } = L::specials(chunk);
            // The lowest special byte is a quote.
            if quotes & (quotes | others).wrapping_neg() & (quotes | others) != 0 {
                return Ok(at + quotes.trailing_zeros() as usize);
            }
        }
        self.long_string_end(at)
    }

    /// The same for a string that is long, near the end of the slab, or not all ASCII.
    #[inline(never)]
    fn long_string_end(&self, at: usize) -> Result<usize, Surprise> {
        let rest = &self.bytes[at..self.bytes.len().min(at + LINE_BYTES_MAX)];
        let len = rest.iter().position(|&byte| byte == b'"' || byte == b'\\' || byte < 0x20).ok_or(Surprise)?;
        if rest[len] != b'"' || std::str::from_utf8(&rest[..len]).is_err() {
            return Err(Surprise);
        }
        Ok(at + len)
    }

    /// The text at `at`, of `min` to `max` bytes, and where it ends.
    #[inline(always)]
    fn text<L: Lanes>(
        &mut self,
        at: usize,
        min: usize,
        max: usize,
        batch: &mut Batch,
    ) -> Result<(Text, usize), Surprise> {
        let end = self.string_end::<L>(at)?;
        let len = end - at;
        if len < min || len > max {
            return Err(Surprise);
        }
        let text = match self.bytes[at..].first_chunk::<16>() {
            Some(chunk) if len <= Text::INLINE_MAX => Text::first_of(chunk, len),
            _ => Text::new(&self.bytes[at..end], &mut batch.arena),
        };
        Ok((text, end))
    }

    /// The instant at `at`.
    #[inline(always)]
    fn time(&mut self, at: usize) -> Result<usize, Surprise> {
        if let Some(chunk) = self.bytes[at..].first_chunk::<28>() {
            let (minute, rest) = chunk.split_at(17);
            if minute == self.minute.text
                && let [s0, s1, b'.', _, _, _, _, _, _, b'Z', b'"'] = *rest
            {
                let tail: [u8; 8] = std::array::from_fn(|index| rest[index + 1]);
                // `s1.ffffff` without the point, behind `s0`: eight digits that are the microseconds of the minute.
                let word = u64::from_le_bytes(tail) & !0xFFFF | u64::from(s1) << 8 | u64::from(s0);
                if let Some(micros) = eight_digits(word).filter(|micros| *micros < 60_000_000) {
                    let time = self.minute.start.saturating_add(Micros::new(i64::from(micros)));
                    self.draft.time = self.checked(time)?;
                    return Ok(at + 27);
                }
            }
        }
        self.other_time(at)
    }

    /// An instant in another minute than the last one, or written in another way.
    #[inline(never)]
    fn other_time(&mut self, at: usize) -> Result<usize, Surprise> {
        let end = self.long_string_end(at)?;
        let text = &self.bytes[at..end];
        self.draft.time = self.checked(parse_rfc3339(text).ok_or(Surprise)?)?;
        if let Some(minute) = text.first_chunk::<17>()
            && text.ends_with(b"Z")
        {
            let mut start = *b"0000-00-00T00:00:00Z";
            start[..17].copy_from_slice(minute);
            if let Some(start) = parse_rfc3339(&start) {
                *self.minute = Minute { text: *minute, start };
            }
        }
        Ok(end)
    }

    /// An event time, if a record may have it.
    #[inline(always)]
    fn checked(&self, time: EventTime) -> Result<EventTime, Surprise> {
        let is_allowed = time >= EventTime::EPOCH && time <= self.rules.time_max.min(EventTime::EVENT_MAX);
        if is_allowed { Ok(time) } else { Err(Surprise) }
    }

    #[inline(always)]
    fn optional(&self, filled: u16, slot: Slot) -> Text {
        if filled & 1 << slot as u16 == 0 { Text::ABSENT } else { self.draft.texts[slot as usize] }
    }

    /// The event of a complete line.
    #[inline(always)]
    fn event(&self, ending: Ending, filled: u16, items_first: usize, batch: &mut Batch) -> Result<Event, Surprise> {
        let draft = &*self.draft;
        let optional = |slot| self.optional(filled, slot);
        let kind = match ending {
            Ending::Click => draft.kind,
            Ending::Order => EventKind::Order,
            Ending::PaymentSucceeded => EventKind::PaymentSucceeded,
            Ending::PaymentFailed => EventKind::PaymentFailed,
            Ending::Customer => EventKind::Customer,
            Ending::Product => EventKind::Product,
            Ending::Item => return Err(Surprise),
        };
        let mut event = Event::new(kind, draft.time, draft.texts[Slot::EventId as usize]);
        let mut set_texts = |event: &mut Event, texts: &[Text]| {
            event.set_extras(batch.texts.len(), texts.len());
            batch.texts.extend_from_slice(texts);
        };
        match ending {
            Ending::Click => {
                // The shape may have come from a checkout, which needs no product.
                if kind != EventKind::Checkout && filled & 1 << Slot::Product as u16 == 0 {
                    return Err(Surprise);
                }
                event.set_session(draft.texts[Slot::Session as usize]);
                event.set_customer(optional(Slot::Customer));
                event.set_subject(optional(Slot::Product));
            }
            Ending::Order => {
                event.set_session(optional(Slot::Session));
                event.set_customer(draft.texts[Slot::Customer as usize]);
                event.set_subject(draft.texts[Slot::Order as usize]);
                event.amount = draft.amount;
                event.set_extras(items_first, batch.items.len() - items_first);
            }
            Ending::PaymentSucceeded | Ending::PaymentFailed => {
                event.set_customer(optional(Slot::Customer));
                event.set_subject(draft.texts[Slot::Order as usize]);
                event.amount = draft.amount;
                let [payment, method] = [Slot::Payment, Slot::Method].map(|slot| draft.texts[slot as usize]);
                set_texts(&mut event, &[payment, method, optional(Slot::Reason)]);
            }
            Ending::Customer => {
                event.set_customer(draft.texts[Slot::Customer as usize]);
                set_texts(&mut event, &[optional(Slot::Country), optional(Slot::Segment)]);
            }
            Ending::Product => {
                event.set_subject(draft.texts[Slot::Product as usize]);
                event.amount = draft.amount;
                let [name, category] = [Slot::Name, Slot::Category].map(|slot| draft.texts[slot as usize]);
                set_texts(&mut event, &[name, category]);
            }
            Ending::Item => {}
        }
        Ok(event)
    }
}

/// Where `node`'s literal ends, if it stands at `at`.
#[inline(always)]
fn literal<L: Lanes>(bytes: &[u8], at: usize, node: &Node) -> Option<usize> {
    let mut left = node.literal_len;
    let mut from = at;
    for block in &node.blocks {
        let len = left.min(WIDTH);
        match bytes[from..].first_chunk::<WIDTH>() {
            Some(chunk) => {
                let wanted = u32::MAX >> (WIDTH - len);
                if L::differences(chunk, block) & wanted != 0 {
                    return None;
                }
            }
            // Near the end of the slab.
            None if bytes[from..].starts_with(&block[..len]) => {}
            None => return None,
        }
        from += len;
        left -= len;
    }
    Some(from)
}

/// Moves a child that was right one place to the front, so that the likeliest come first.
#[inline(always)]
fn promote(nodes: &mut [Node], parent: usize, place: usize) {
    if place > 0 {
        nodes[parent].children.swap(place, place - 1);
    }
}

/// The number that eight ASCII digits write, the first in the lowest byte. After Daniel Lemire's "Quickly parsing eight
/// digits" (2018).
#[inline(always)]
fn eight_digits(word: u64) -> Option<u32> {
    let digits = word ^ 0x3030_3030_3030_3030;
    if (digits | digits.wrapping_add(0x0606_0606_0606_0606)) & 0xF0F0_F0F0_F0F0_F0F0 != 0 {
        return None;
    }
    let pairs = digits.wrapping_mul(10).wrapping_add(digits >> 8);
    let low = (pairs & 0x0000_00FF_0000_00FF).wrapping_mul(100 + (1_000_000 << 32));
    let high = (pairs >> 16 & 0x0000_00FF_0000_00FF).wrapping_mul(1 + (10_000 << 32));
    u32::try_from(low.wrapping_add(high) >> 32).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_digits_are_read_and_nothing_else_is() {
        for number in [0u32, 1, 9, 10, 12_345_678, 99_999_999, 59_999_999, 90_909_090] {
            let text = format!("{number:08}");
            let word = u64::from_le_bytes(text.as_bytes().try_into().unwrap());
            assert_eq!(eight_digits(word), Some(number));
            for place in 0..8 {
                for byte in (0..=255u8).filter(|byte| !byte.is_ascii_digit()) {
                    let mut bytes = word.to_le_bytes();
                    bytes[place] = byte;
                    assert_eq!(eight_digits(u64::from_le_bytes(bytes)), None, "{byte:#x} at {place} of {text}");
                }
            }
        }
    }
}
