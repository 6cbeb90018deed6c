//! Shapes of lines, and the reading of a line by them.
//!
//! All shapes are one tree: a node is a stretch of literal bytes and the value after it, so what lines have in common is
//! compared once. Items of orders have a tree of their own, which every order returns to for each item.
//!
//! Why a line that passes needs no other check: its literal bytes are those of a line the general way accepted, whose
//! values were replaced by values of the same JSON type that end where the next literal begins. Strings are free of
//! quotes, backslashes and control characters and are UTF-8; numbers keep the grammar. So the line is JSON with the same
//! members, and the rules of each value are checked as it is read.

#![expect(clippy::inline_always, reason = "only what is inlined is compiled for the vectors of its caller")]

use engine_model::{Batch, Cents, Currency, Event, EventKind, EventTime, Item, Micros, Text};

use crate::json::Scanner;
use crate::learn::{Step, Steps};
use crate::money::UNITS_MAX;
use crate::number::eight_digits;
use crate::record::{ITEM_COUNT_MAX, QUANTITIES};
use crate::simd::Vectors;
use crate::string::plain_len;
use crate::time::{parse_rfc3339, time_of_millis};
use crate::{LINE_BYTES_MAX, Rules, Slab, narrow};

/// Where a text goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Slot {
    EventId,
    Session,
    Customer,
    Subject,
    Extra0,
    Extra1,
    Extra2,
    ItemProduct,
    ItemCategory,
}

/// Number of slots.
const SLOTS: usize = Slot::ItemCategory as usize + 1;

/// Where an amount of money goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Money {
    /// To the event.
    Amount,
    /// To the item.
    UnitPrice,
}

/// What comes after a literal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Hole {
    /// More of the literal.
    #[default]
    None,
    /// The inside of a string the event keeps, of `least` to `most` bytes. `may_be_uuid` is only a guess.
    Text { slot: Slot, least: u8, most: u8, may_be_uuid: bool },
    /// The inside of a string that nobody asks for.
    SkipText,
    /// A number that nobody asks for.
    SkipNumber,
    /// The inside of a string that is an event time.
    Time,
    /// A number that is an event time.
    Millis,
    /// The inside of a string that is money.
    MoneyText(Money),
    /// A number that is money.
    MoneyNumber(Money),
    /// A number of units.
    Quantity,
    /// The items, which begin before the first one's brace.
    Items,
    /// Nothing: an item has ended. What lies between the items follows, or the end of the array.
    ItemEnd,
    /// Nothing: the record has ended. The end of the line follows.
    End(EventKind),
}

impl Hole {
    /// Whether one hole takes what the other does.
    fn is_like(self, other: Hole) -> bool {
        let guessed = |hole| match hole {
            Hole::Text { slot, least, most, .. } => Hole::Text { slot, least, most, may_be_uuid: false },
            _ => hole,
        };
        guessed(self) == guessed(other)
    }
}

const BLOCK: usize = 32;
/// The most bytes of a literal in one node.
const LITERAL_MAX: usize = 2 * BLOCK;

/// A literal, the value after it, and where to go from there. Two cache lines.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
struct Node {
    literal: [[u8; BLOCK]; 2],
    /// Which bytes of each block count.
    masks: [u32; 2],
    len: u32,
    /// How often it was found: the more often, the earlier it is tried. Only the order depends on it.
    hits: u32,
    /// The first node that may follow; [`NOWHERE`] where none does.
    child: u16,
    /// The node to try instead.
    sibling: u16,
    hole: Hole,
}

const _: () = assert!(size_of::<Node>() == 128);

/// No node.
const NOWHERE: u16 = u16::MAX;
/// The most nodes: some 32 shapes that have nothing in common. Past them everything is learned anew.
const NODES_MAX: usize = 1024;

/// What is read from a line before it is an event.
#[derive(Debug)]
struct Values {
    texts: [Text; SLOTS],
    time: EventTime,
    amount: Cents,
    unit_price: Cents,
    quantity: u32,
}

/// The minute that was read last: times come in order, mostly.
#[derive(Clone, Copy, Debug)]
struct Minute {
    /// `yyyy-mm-ddThh:mm`.
    text: [u8; 16],
    /// Its start.
    micros: i64,
}

/// All shapes learned.
#[derive(Debug)]
pub(crate) struct Shapes {
    nodes: Vec<Node>,
    record_root: u16,
    item_root: u16,
    values: Values,
    minute: Minute,
    /// The currency of the lines learned from, which is among their literals.
    currency: Option<Currency>,
    steps: Steps,
}

impl Default for Shapes {
    fn default() -> Shapes {
        Shapes {
            nodes: Vec::new(),
            record_root: NOWHERE,
            item_root: NOWHERE,
            values: Values {
                texts: [Text::ABSENT; SLOTS],
                time: EventTime::EPOCH,
                amount: Cents::ZERO,
                unit_price: Cents::ZERO,
                quantity: 0,
            },
            // Whatever stands here must be true.
            minute: Minute { text: *b"1970-01-01T00:00", micros: 0 },
            currency: None,
            steps: Steps::default(),
        }
    }
}

/// Learning.
impl Shapes {
    /// Says which currency the lines to come must have; forgets what was learned by another.
    pub(crate) fn set_currency(&mut self, currency: Currency) {
        if self.currency != Some(currency) {
            self.currency = Some(currency);
            self.forget();
        }
    }

    fn forget(&mut self) {
        self.nodes.clear();
        (self.record_root, self.item_root) = (NOWHERE, NOWHERE);
    }

    /// Learns the shape of a line that was accepted as an event of `kind`, if it has a simple one.
    #[inline(never)]
    pub(crate) fn learn(&mut self, line: &[u8], kind: EventKind) {
        let mut steps = std::mem::take(&mut self.steps);
        if steps.take(line, kind) {
            let node_count =
                |steps: &[Step]| -> usize { steps.iter().map(|step| 1 + (step.end - step.start) / LITERAL_MAX).sum() };
            let wanted = node_count(&steps.record) + node_count(&steps.items);
            if self.nodes.len() + wanted > NODES_MAX {
                self.forget();
            }
            if wanted <= NODES_MAX {
                self.record_root = self.insert(self.record_root, &steps.record, line);
                for item in steps.items.split_inclusive(|step| step.hole == Hole::ItemEnd) {
                    self.item_root = self.insert(self.item_root, item, line);
                }
            }
        }
        self.steps = steps;
    }

    /// Inserts the steps of `line` under the list of nodes that begins with `root`. Returns where the list begins now.
    fn insert(&mut self, root: u16, steps: &[Step], line: &[u8]) -> u16 {
        let mut root = root;
        let mut parent = None;
        for step in steps {
            let mut literal = &line[step.start..step.end];
            loop {
                let (now, later) = literal.split_at(literal.len().min(LITERAL_MAX));
                let hole = if later.is_empty() { step.hole } else { Hole::None };
                let first = parent.map_or(root, |parent: u16| self.nodes[usize::from(parent)].child);
                let node = self.find(first, now, hole).unwrap_or_else(|| {
                    let node = self.push(now, hole);
                    self.append(parent, &mut root, node);
                    node
                });
                parent = Some(node);
                literal = later;
                if literal.is_empty() {
                    break;
                }
            }
        }
        root
    }

    fn find(&self, first: u16, literal: &[u8], hole: Hole) -> Option<u16> {
        let mut at = first;
        while let Some(node) = self.nodes.get(usize::from(at)) {
            if node.len as usize == literal.len()
                && node.literal.as_flattened()[..literal.len()] == *literal
                && node.hole.is_like(hole)
            {
                return Some(at);
            }
            at = node.sibling;
        }
        None
    }

    fn push(&mut self, literal: &[u8], hole: Hole) -> u16 {
        let mut blocks = [[0; BLOCK]; 2];
        blocks.as_flattened_mut()[..literal.len()].copy_from_slice(literal);
        let ones = if literal.len() == LITERAL_MAX { u64::MAX } else { (1 << literal.len()) - 1 };
        #[expect(clippy::cast_possible_truncation, reason = "the halves of the mask, and at most 64")]
        let (masks, len) = ([ones as u32, (ones >> 32) as u32], literal.len() as u32);
        let node = Node { literal: blocks, masks, len, hits: 0, child: NOWHERE, sibling: NOWHERE, hole };
        self.nodes.push(node);
        u16::try_from(self.nodes.len() - 1).expect("at most 1024 nodes")
    }

    /// Makes `node` the last child of `parent`, or the last of the roots.
    fn append(&mut self, parent: Option<u16>, root: &mut u16, node: u16) {
        let mut link = match parent {
            Some(parent) => &mut self.nodes[usize::from(parent)].child,
            None => root,
        };
        while *link != NOWHERE {
            let next = usize::from(*link);
            link = &mut self.nodes[next].sibling;
        }
        *link = node;
    }
}

/// Where the reading of a line stands.
struct Place<'a, V> {
    vectors: V,
    bytes: &'a [u8],
    at: usize,
}

/// Reading.
impl Shapes {
    /// Reads the line that begins at byte `start` of the slab, if it has a known shape and all its values keep the rules:
    /// appends the event and returns where the next line begins. Otherwise the batch is as it was.
    #[inline(always)]
    pub(crate) fn read<V: Vectors>(
        &mut self,
        vectors: V,
        slab: Slab<'_>,
        start: usize,
        rules: &Rules,
        batch: &mut Batch,
    ) -> Option<usize> {
        let (items, arena) = (batch.items.len(), batch.arena.len());
        let end = self.follow(Place { vectors, bytes: slab.bytes, at: start }, slab.offset, rules, batch);
        if end.is_none() {
            batch.items.truncate(items);
            batch.arena.truncate(arena);
        }
        end
    }

    #[inline(always)]
    fn follow<V: Vectors>(
        &mut self,
        mut place: Place<'_, V>,
        slab_offset: u64,
        rules: &Rules,
        batch: &mut Batch,
    ) -> Option<usize> {
        let start = place.at;
        let items_first = batch.items.len();
        let mut next = self.record_root;
        let mut after_items = NOWHERE;
        self.values.texts[Slot::Session as usize..].fill(Text::ABSENT);
        loop {
            // The first of the list, or a later one that agrees: its literal, and the value behind it.
            let mut earlier = NOWHERE;
            let hole = loop {
                let node = self.nodes.get_mut(usize::from(next))?;
                if let Some(at) = place.literal(node) {
                    let behind = Place { at, ..place };
                    let (hole, sibling) = (node.hole, node.sibling);
                    node.hits = node.hits.wrapping_add(1);
                    if let Some(at) = self.values.read(hole, behind, &mut self.minute, rules, batch) {
                        place.at = at;
                        break hole;
                    }
                    (earlier, next) = (next, sibling);
                } else {
                    (earlier, next) = (next, node.sibling);
                }
            };
            if earlier != NOWHERE {
                next = self.promote(earlier, next);
            }
            let child = self.nodes[usize::from(next)].child;
            next = match hole {
                Hole::Items => {
                    after_items = child;
                    self.item_root
                }
                Hole::ItemEnd => {
                    if batch.items.len() - items_first == ITEM_COUNT_MAX {
                        return None;
                    }
                    let [product, category] =
                        [Slot::ItemProduct, Slot::ItemCategory].map(|slot| self.values.texts[slot as usize]);
                    let (unit_price, quantity) = (self.values.unit_price, self.values.quantity);
                    batch.items.push(Item { product, category, unit_price, quantity });
                    self.values.texts[Slot::ItemCategory as usize] = Text::ABSENT;
                    place.whitespace();
                    let byte = *place.bytes.get(place.at)?;
                    place.at += 1;
                    match byte {
                        b',' => {
                            place.whitespace();
                            self.item_root
                        }
                        b']' => after_items,
                        _ => return None,
                    }
                }
                Hole::End(kind) => {
                    let len = place.at - start;
                    let line_end = place.line_end()?;
                    if len > LINE_BYTES_MAX {
                        return None;
                    }
                    let mut event = self.values.event(kind, items_first, batch);
                    event.offset = slab_offset + start as u64;
                    event.line_start = narrow(start);
                    event.line_len = narrow(len);
                    batch.events.push(event);
                    return Some(line_end);
                }
                _ => child,
            };
        }
    }

    /// Brings a node that was found before the one that is tried earlier, where it has become more frequent. Returns
    /// where it is now. The nodes trade places, so that whatever points at the list points at its new order.
    #[inline]
    fn promote(&mut self, earlier: u16, found: u16) -> u16 {
        let (first, second) = (usize::from(earlier), usize::from(found));
        if self.nodes[second].hits <= self.nodes[first].hits || self.nodes[first].sibling != found {
            return found;
        }
        self.nodes.swap(first, second);
        let (head, tail) = (self.nodes[first].sibling, self.nodes[second].sibling);
        (self.nodes[first].sibling, self.nodes[second].sibling) = (tail, head);
        earlier
    }
}

impl Values {
    /// The event that the values make.
    #[inline(always)]
    fn event(&self, kind: EventKind, items_first: usize, batch: &mut Batch) -> Event {
        let text = |slot: Slot| self.texts[slot as usize];
        let mut event = Event::new(kind, self.time, text(Slot::EventId));
        event.set_session(text(Slot::Session));
        event.set_customer(text(Slot::Customer));
        event.set_subject(text(Slot::Subject));
        let extras = match kind {
            EventKind::View | EventKind::AddToCart | EventKind::Checkout => return event,
            EventKind::Order => {
                event.amount = self.amount;
                event.set_extras(items_first, batch.items.len() - items_first);
                return event;
            }
            EventKind::PaymentSucceeded | EventKind::PaymentFailed => 3,
            EventKind::Customer | EventKind::Product => 2,
        };
        if kind != EventKind::Customer {
            event.amount = self.amount;
        }
        event.set_extras(batch.texts.len(), extras);
        batch.texts.extend_from_slice(&self.texts[Slot::Extra0 as usize..][..extras]);
        event
    }

    fn set_money(&mut self, money: Money, cents: Cents) {
        match money {
            Money::Amount => self.amount = cents,
            Money::UnitPrice => self.unit_price = cents,
        }
    }

    /// Reads the value at `place` and returns where it ends; `None` where it is not one the hole takes. Only a value that
    /// is taken appends to the arena.
    #[inline(always)]
    fn read<V: Vectors>(
        &mut self,
        hole: Hole,
        mut place: Place<'_, V>,
        minute: &mut Minute,
        rules: &Rules,
        batch: &mut Batch,
    ) -> Option<usize> {
        match hole {
            Hole::Text { slot, least, most, may_be_uuid } => {
                let start = place.at;
                if may_be_uuid && let Some(uuid) = place.uuid() {
                    self.texts[slot as usize] = Text::from_uuid(uuid);
                    return Some(start + UUID_LEN);
                }
                let len = place.text_len()?;
                if len < usize::from(least) || len > usize::from(most) {
                    return None;
                }
                self.texts[slot as usize] = match place.bytes[start..].first_chunk() {
                    Some(block) if len <= Text::INLINE_MAX => Text::from_block(block, len),
                    _ => Text::new(&place.bytes[start..start + len], &mut batch.arena),
                };
                Some(start + len)
            }
            Hole::None | Hole::ItemEnd | Hole::End(_) => Some(place.at),
            Hole::SkipText => Some(place.at + place.text_len()?),
            Hole::SkipNumber => place.number_end(),
            Hole::Time => {
                let (time, at) = place.time(minute)?;
                self.set_time(time, rules)?;
                Some(at)
            }
            Hole::Millis => {
                let (millis, at) = place.whole_number()?;
                self.set_time(time_of_millis(millis), rules)?;
                Some(at)
            }
            Hole::MoneyText(money) => {
                let (cents, at) = place.money()?;
                self.set_money(money, cents);
                Some(at)
            }
            Hole::MoneyNumber(money) => {
                if let Some([b'0', b'0'..=b'9']) = place.bytes.get(place.at..place.at + 2) {
                    return None;
                }
                let (cents, at) = place.money()?;
                self.set_money(money, cents);
                Some(at)
            }
            Hole::Quantity => {
                let (quantity, at) = place.whole_number()?;
                self.quantity = u32::try_from(quantity).ok().filter(|_| QUANTITIES.contains(&quantity))?;
                Some(at)
            }
            Hole::Items => {
                place.whitespace();
                Some(place.at)
            }
        }
    }

    fn set_time(&mut self, time: EventTime, rules: &Rules) -> Option<()> {
        self.time = time;
        (time >= EventTime::EPOCH && time <= rules.time_max.min(EventTime::EVENT_MAX)).then_some(())
    }
}

const UUID_LEN: usize = 36;

impl<V: Vectors> Place<'_, V> {
    /// The block that begins `ahead` bytes from here; `None` where the slab ends within it.
    #[inline(always)]
    fn block<const N: usize>(&self, ahead: usize) -> Option<&[u8; N]> {
        self.bytes.get(self.at + ahead..)?.first_chunk()
    }

    /// Where the literal of `node` ends, if it is what is here.
    #[inline(always)]
    fn literal(&self, node: &Node) -> Option<usize> {
        let differences = |index: usize| {
            let block = self.block(index * BLOCK)?;
            Some(self.vectors.differences(block, &node.literal[index]) & node.masks[index])
        };
        let agrees = differences(0)? == 0 && (node.masks[1] == 0 || differences(1)? == 0);
        agrees.then(|| self.at + node.len as usize)
    }

    /// Passes over whitespace within the line.
    #[inline(always)]
    fn whitespace(&mut self) {
        while let Some(b' ' | b'\t' | b'\r') = self.bytes.get(self.at) {
            self.at += 1;
        }
    }

    /// Where the next line begins, if this one ends here.
    #[inline(always)]
    fn line_end(&self) -> Option<usize> {
        match self.bytes.get(self.at..)? {
            [b'\n', ..] => Some(self.at + 1),
            [b'\r', b'\n', ..] => Some(self.at + 2),
            _ => None,
        }
    }

    /// The bytes of the UUID that is the whole string here.
    #[inline(always)]
    fn uuid(&self) -> Option<[u8; 16]> {
        let text = self.block::<{ UUID_LEN + 1 }>(0)?;
        let (text, [b'"']) = text.split_first_chunk::<UUID_LEN>()? else { return None };
        self.vectors.uuid(text)
    }

    /// The length of the string whose inside begins here, if it is a plain one.
    #[inline(always)]
    fn text_len(&self) -> Option<usize> {
        let mut len = 0;
        loop {
            let special = self.vectors.special(self.block(len)?);
            if special != 0 {
                len += special.trailing_zeros() as usize;
                return match self.bytes[self.at + len] {
                    b'"' => Some(len),
                    0x80.. => self.text_len_beyond_ascii(),
                    _ => None,
                };
            }
            len += BLOCK;
        }
    }

    /// The same for a string that is not ASCII.
    #[cold]
    #[inline(never)]
    fn text_len_beyond_ascii(&self) -> Option<usize> {
        let rest = self.bytes.get(self.at..)?;
        let rest = &rest[..rest.len().min(LINE_BYTES_MAX)];
        let (text, after) = rest.split_at(plain_len(rest));
        (after.first() == Some(&b'"') && std::str::from_utf8(text).is_ok()).then_some(text.len())
    }

    /// The event time that is the whole string here, and where it ends.
    #[inline(always)]
    fn time(&self, minute: &mut Minute) -> Option<(EventTime, usize)> {
        // `yyyy-mm-ddThh:mm:ss.ffffffZ"` in the minute read last.
        if let Some(text) = self.block::<28>(0)
            && text[..16] == minute.text
            && let [b':', tens, b'0'..=b'9', b'.', .., b'Z', b'"'] = text[16..]
            && tens.wrapping_sub(b'0') < 6
            && let Some(digits) = text[18..].first_chunk()
        {
            // The point makes way for the tens of the seconds, so that the microseconds of the minute stand in a row.
            let digits = u64::from_le_bytes(*digits);
            let digits = digits & !0xFFFF | (digits & 0xFF) << 8 | u64::from(tens);
            let micros = eight_digits(digits)?;
            return Some((EventTime::from_micros(minute.micros + micros), self.at + 27));
        }
        self.time_slowly(minute)
    }

    /// The same in any form; remembers the minute.
    #[inline(never)]
    fn time_slowly(&self, minute: &mut Minute) -> Option<(EventTime, usize)> {
        let len = self.text_len()?;
        let text = &self.bytes[self.at..self.at + len];
        let time = parse_rfc3339(text)?;
        if len == 27
            && text[26] == b'Z'
            && let Some(text) = text.first_chunk()
        {
            let micros = time.as_micros();
            *minute = Minute { text: *text, micros: micros - micros.rem_euclid(60 * Micros::SECOND.get()) };
        }
        Some((time, self.at + len))
    }

    /// The whole number that is here, without a needless zero and of at most 18 digits, and where it ends.
    #[inline(always)]
    fn whole_number(&self) -> Option<(u64, usize)> {
        let (mut at, mut number) = (self.at, 0);
        while let Some(digit @ b'0'..=b'9') = self.bytes.get(at) {
            number = number * 10 + u64::from(digit - b'0');
            at += 1;
            if at - self.at > 18 {
                return None;
            }
        }
        let starts_with_zero = self.bytes.get(self.at) == Some(&b'0');
        (at > self.at && !(starts_with_zero && at > self.at + 1)).then_some((number, at))
    }

    /// The money that is here, with any leading zeros, and where it ends.
    #[inline(always)]
    fn money(&self) -> Option<(Cents, usize)> {
        let digit_at = |at: usize| self.bytes.get(at).map(|byte| byte.wrapping_sub(b'0')).filter(|&digit| digit < 10);
        let (mut at, mut units) = (self.at, 0i64);
        while let Some(digit) = digit_at(at) {
            units = units * 10 + i64::from(digit);
            if units > UNITS_MAX {
                return None;
            }
            at += 1;
        }
        if at == self.at {
            return None;
        }
        let mut cents = units * 100;
        if self.bytes.get(at) == Some(&b'.') {
            cents += i64::from(digit_at(at + 1)?) * 10;
            at += 2;
            if let Some(digit) = digit_at(at) {
                cents += i64::from(digit);
                at += 1;
            }
        }
        Some((Cents::new(cents), at))
    }

    /// Where the number that is here ends, by the grammar of JSON.
    #[inline(never)]
    fn number_end(&self) -> Option<usize> {
        let mut scanner = Scanner::new(self.bytes, self.at);
        scanner.number().is_ok().then(|| scanner.at())
    }
}
