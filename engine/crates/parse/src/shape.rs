//! Shapes of lines: what stays the same from line to line, and the holes between.
//!
//! JSON of one producer has constant keys in a constant order. A shape is learned from a line that the general path has
//! accepted: its literal bytes, and the holes where the values of the fields stood that its type looks at. Shapes that
//! begin alike share their beginning, so all of them form a tree, and a line is held against all at once. The words of
//! `event_type`, `currency` and `status` are part of the literals; so the end of a path knows the type of event.
//!
//! What is never learned: a line with an escape anywhere, with a known field twice, or with a nested value that is not
//! `items`. Those stay with the general path.

use engine_model::Field;

use crate::json::{Kind, Malformed, Scanner, Value};
use crate::record::{item_field, record_field};
use crate::simd::WIDTH;

/// What stands in a hole, or what follows the last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hole {
    /// `event_id`, mostly a UUID.
    EventId,
    /// `event_time` as a string.
    Time,
    /// `event_time` as a number.
    Millis,
    /// A text of `min` to `max` bytes, kept in this slot.
    Text { slot: Slot, min: u8, max: u8 },
    /// `action`.
    Action,
    /// `total`, `amount`, `price` or `unit_price`, as a number.
    MoneyNumber,
    /// The same as a string.
    MoneyString,
    /// `quantity`.
    Quantity,
    /// `items`, from bracket to bracket.
    Items,
    /// A string that nobody looks at.
    SkippedString,
    /// A number that nobody looks at.
    SkippedNumber,
    /// Nothing: the object is complete.
    End(Ending),
}

/// What a complete object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Click,
    Order,
    PaymentSucceeded,
    PaymentFailed,
    Customer,
    Product,
    Item,
}

/// Where the texts of a line are kept until it is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Slot {
    EventId,
    Session,
    Customer,
    Product,
    Order,
    Payment,
    Method,
    Reason,
    Name,
    Category,
    Country,
    Segment,
}

/// Number of slots.
pub(crate) const SLOTS: usize = 12;

/// A literal, the hole behind it, and what may come after that.
#[derive(Debug)]
pub(crate) struct Node {
    /// The literal, filled up with zeros to a multiple of [`WIDTH`].
    pub(crate) blocks: Vec<[u8; WIDTH]>,
    pub(crate) literal_len: usize,
    pub(crate) hole: Hole,
    /// A bit for each slot that the path down to here has filled.
    pub(crate) filled: u16,
    /// The likeliest first.
    pub(crate) children: Vec<u16>,
}

/// More children than a producer's habits need; beyond, shapes are noise.
const CHILDREN_MAX: usize = 8;

/// More nodes than a producer's habits need.
const NODES_MAX: usize = 256;

/// A literal longer than this is no habit of keys.
const LITERAL_BYTES_MAX: usize = 512;

/// The root of the lines, and of the items inside orders.
pub(crate) const LINES: u16 = 0;
/// See [`LINES`].
pub(crate) const ITEMS: u16 = 1;

/// A tree of the shapes learned.
#[derive(Debug)]
pub(crate) struct Tree {
    pub(crate) nodes: Vec<Node>,
}

impl Default for Tree {
    fn default() -> Tree {
        let root =
            || Node { blocks: Vec::new(), literal_len: 0, hole: Hole::SkippedString, filled: 0, children: Vec::new() };
        Tree { nodes: vec![root(), root()] }
    }
}

/// Why a line is not learned. It says nothing of the line's validity.
#[derive(Clone, Copy, Debug)]
struct Unusual;

impl From<Malformed> for Unusual {
    fn from(_: Malformed) -> Unusual {
        Unusual
    }
}

/// The type of a record, with a payment's status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RecordType {
    Click,
    Order,
    Payment,
    Customer,
    Product,
}

impl Tree {
    /// Learns the shape of `line`, which the general path has accepted, where it is usual enough. Does nothing where it
    /// is known or there is no room.
    pub(crate) fn learn(&mut self, line: &[u8]) {
        // Not learned or learned in part: either way every path to an end came from one whole object.
        let _ = self.learn_line(line);
    }

    fn learn_line(&mut self, line: &[u8]) -> Result<(), Unusual> {
        if line.contains(&b'\\') {
            return Err(Unusual);
        }
        let mut members = Vec::new();
        let mut scanner = Scanner::new(line, 0);
        scanner.whitespace();
        read_members(&mut scanner, &mut members)?;
        scanner.end()?;
        let find = |name: &[u8]| {
            let mut found = members.iter().filter(|(key, _)| key.unquoted(line) == name);
            let first = found.next().map(|(_, value)| value.bytes(line));
            if found.next().is_some() { None } else { first }
        };
        let record_type = match find(b"event_type").ok_or(Unusual)? {
            br#""click""# => RecordType::Click,
            br#""order""# => RecordType::Order,
            br#""payment""# => RecordType::Payment,
            br#""customer""# => RecordType::Customer,
            br#""product""# => RecordType::Product,
            _ => return Err(Unusual),
        };
        let ending = match record_type {
            RecordType::Click => Ending::Click,
            RecordType::Order => Ending::Order,
            RecordType::Customer => Ending::Customer,
            RecordType::Product => Ending::Product,
            RecordType::Payment if find(b"status") == Some(br#""succeeded""#) => Ending::PaymentSucceeded,
            RecordType::Payment if find(b"status") == Some(br#""failed""#) => Ending::PaymentFailed,
            RecordType::Payment => return Err(Unusual),
        };
        if record_type == RecordType::Order {
            let is_items = |(key, value): &&(Value, Value)| key.unquoted(line) == b"items" && value.kind == Kind::Array;
            let (_, items) = members.iter().find(is_items).ok_or(Unusual)?;
            self.learn_items(line, *items)?;
        }
        self.learn_object(LINES, line, (0, line.len()), &members, ending, |name| {
            record_field(name).filter(|field| is_looked_at(record_type, *field))
        })
    }

    /// Learns the shapes of an order's items.
    fn learn_items(&mut self, line: &[u8], items: Value) -> Result<(), Unusual> {
        let mut scanner = Scanner::new(line, items.start);
        scanner.open();
        let mut is_first = true;
        let mut members = Vec::new();
        while scanner.next_in(b']', is_first)? {
            is_first = false;
            let start = scanner.at();
            members.clear();
            read_members(&mut scanner, &mut members)?;
            self.learn_object(ITEMS, line, (start, scanner.at()), &members, Ending::Item, item_field)?;
        }
        Ok(())
    }

    /// Puts the shape of the object at `range`, with these members, below `root`.
    fn learn_object(
        &mut self,
        root: u16,
        line: &[u8],
        (start, end): (usize, usize),
        members: &[(Value, Value)],
        ending: Ending,
        field_of: impl Fn(&[u8]) -> Option<Field>,
    ) -> Result<(), Unusual> {
        if line[end - 1] != b'}' {
            return Err(Unusual);
        }
        let mut segments: Vec<(usize, usize, Hole)> = Vec::new();
        let mut seen = 0u32;
        let mut literal_start = start;
        for (name, value) in members {
            let field = field_of(name.unquoted(line));
            if let Some(field) = field {
                if seen & 1 << field as u32 != 0 {
                    return Err(Unusual);
                }
                seen |= 1 << field as u32;
            }
            let Some(hole) = hole_of(field, value.kind)? else { continue };
            let is_string = value.kind == Kind::PlainString;
            let (hole_start, hole_end) =
                if is_string { (value.start + 1, value.end - 1) } else { (value.start, value.end) };
            segments.push((literal_start, hole_start, hole));
            literal_start = hole_end;
        }
        segments.push((literal_start, end, Hole::End(ending)));
        if segments.iter().any(|(from, to, _)| to - from > LITERAL_BYTES_MAX) {
            return Err(Unusual);
        }
        let mut node = root;
        for (from, to, hole) in segments {
            node = self.child(node, &line[from..to], hole)?;
        }
        Ok(())
    }

    /// The child of `parent` with this literal and hole, made where there is none.
    fn child(&mut self, parent: u16, literal: &[u8], hole: Hole) -> Result<u16, Unusual> {
        let children = &self.nodes[usize::from(parent)].children;
        let same = |node: &Node| {
            node.hole == hole && node.literal_len == literal.len() && node.blocks.as_flattened().starts_with(literal)
        };
        if let Some(&known) = children.iter().find(|&&child| same(&self.nodes[usize::from(child)])) {
            return Ok(known);
        }
        if children.len() == CHILDREN_MAX || self.nodes.len() == NODES_MAX {
            return Err(Unusual);
        }
        let filled = match hole {
            Hole::Text { slot, .. } => 1 << slot as u16,
            Hole::EventId => 1 << Slot::EventId as u16,
            _ => 0,
        };
        let blocks = literal.chunks(WIDTH).map(|chunk| {
            let mut block = [0; WIDTH];
            block[..chunk.len()].copy_from_slice(chunk);
            block
        });
        let node = Node {
            blocks: blocks.collect(),
            literal_len: literal.len(),
            hole,
            filled: self.nodes[usize::from(parent)].filled | filled,
            children: Vec::new(),
        };
        let index = u16::try_from(self.nodes.len()).map_err(|_| Unusual)?;
        self.nodes.push(node);
        self.nodes[usize::from(parent)].children.push(index);
        Ok(index)
    }
}

/// Names and values of the object that begins at `scanner`.
fn read_members(scanner: &mut Scanner<'_>, members: &mut Vec<(Value, Value)>) -> Result<(), Unusual> {
    if scanner.peek() != Some(b'{') {
        return Err(Unusual);
    }
    scanner.open();
    let mut is_first = true;
    while scanner.next_in(b'}', is_first)? {
        is_first = false;
        members.push((scanner.name()?, scanner.value()?));
    }
    Ok(())
}

/// Whether records of this type look at the field, by the contract's table.
fn is_looked_at(record_type: RecordType, field: Field) -> bool {
    use Field::{
        Action, Amount, Category, Country, Currency, CustomerId, EventId, EventTime, EventType, FailureReason, Items,
        Method, Name, OrderId, PaymentId, Price, ProductId, Segment, SessionId, Status, Total,
    };
    if matches!(field, EventId | EventType | EventTime) {
        return true;
    }
    match record_type {
        RecordType::Click => matches!(field, SessionId | CustomerId | Action | ProductId),
        RecordType::Order => matches!(field, SessionId | CustomerId | OrderId | Currency | Total | Items),
        RecordType::Payment => {
            matches!(field, CustomerId | OrderId | Currency | PaymentId | Method | Amount | Status | FailureReason)
        }
        RecordType::Customer => matches!(field, CustomerId | Country | Segment),
        RecordType::Product => matches!(field, ProductId | Name | Category | Price),
    }
}

/// The hole for a value of this kind; `None` where it is to be part of the literal.
fn hole_of(field: Option<Field>, kind: Kind) -> Result<Option<Hole>, Unusual> {
    let Some(field) = field else {
        return match kind {
            Kind::PlainString => Ok(Some(Hole::SkippedString)),
            Kind::Number => Ok(Some(Hole::SkippedNumber)),
            Kind::Null | Kind::Boolean => Ok(None),
            Kind::EscapedString | Kind::Array | Kind::Object => Err(Unusual),
        };
    };
    let id = |slot| Hole::Text { slot, min: 1, max: 64 };
    let hole = match (field, kind) {
        (_, Kind::Null) | (Field::EventType | Field::Currency | Field::Status, Kind::PlainString) => return Ok(None),
        (Field::Total | Field::Amount | Field::Price | Field::ItemsUnitPrice, Kind::Number) => Hole::MoneyNumber,
        (Field::Total | Field::Amount | Field::Price | Field::ItemsUnitPrice, Kind::PlainString) => Hole::MoneyString,
        (Field::EventTime, Kind::Number) => Hole::Millis,
        (Field::ItemsQuantity, Kind::Number) => Hole::Quantity,
        (Field::Items, Kind::Array) => Hole::Items,
        (_, Kind::PlainString) => match field {
            Field::EventId => Hole::EventId,
            Field::EventTime => Hole::Time,
            Field::SessionId => id(Slot::Session),
            Field::CustomerId => id(Slot::Customer),
            Field::Action => Hole::Action,
            Field::ProductId | Field::ItemsProductId => id(Slot::Product),
            Field::OrderId => id(Slot::Order),
            Field::PaymentId => id(Slot::Payment),
            Field::Method => Hole::Text { slot: Slot::Method, min: 1, max: 32 },
            Field::FailureReason => id(Slot::Reason),
            Field::Name => Hole::Text { slot: Slot::Name, min: 1, max: 200 },
            Field::Category | Field::ItemsCategory => id(Slot::Category),
            Field::Country => Hole::Text { slot: Slot::Country, min: 0, max: 64 },
            Field::Segment => Hole::Text { slot: Slot::Segment, min: 0, max: 64 },
            Field::EventType
            | Field::Currency
            | Field::Status
            | Field::Total
            | Field::Amount
            | Field::Price
            | Field::Items
            | Field::ItemsQuantity
            | Field::ItemsUnitPrice => return Err(Unusual),
        },
        _ => return Err(Unusual),
    };
    Ok(Some(hole))
}
