//! A slab of JSON Lines to a batch of events and rejections, by every rule of the contract.
//!
//! Pure: no clock, no file. What the clock decides (`future_event_time`) comes in as a limit.
//!
//! The way of a record: `line` cuts the slab, `json` checks a whole line and notes where the known fields lie,
//! `record` reads those its type asks for by the rules of the contract, with `string`, `number`, `money` and `time`
//! for the values. Nothing else of a record is ever looked at.
//!
//! [`Parser`] means the same and is faster. `tokens` finds the tokens of a line, whatever it is, with the vectors of
//! `simd`, and `walk` finds the fields by them; only a line that has a fault is left to `json`, which says where. And it
//! speculates that a line has the shape of one it has seen: `learn` takes the shape of an accepted line, `shape` reads
//! lines by it. Any surprise sends the line the general way. `dispatch` finds out which vectors the machine has.

#![deny(unsafe_code)]

mod dispatch;
mod json;
mod learn;
mod line;
mod money;
mod names;
mod number;
mod parser;
mod record;
mod shape;
mod simd;
mod string;
#[cfg(test)]
mod tests;
mod time;
mod tokens;
mod walk;

use engine_model::{Batch, Currency, EventTime, Line, Reason, RejectedLine, Rejection};

use crate::line::{Lines, RawLine};
use crate::record::{Place, RecordReader};

pub use crate::parser::Parser;
pub use engine_model::LINE_BYTES_MAX;

/// A run of whole lines of one source partition.
#[derive(Clone, Copy, Debug)]
pub struct Slab<'a> {
    /// The lines, each with its `\n` or `\r\n`; only the partition's last may lack it.
    pub bytes: &'a [u8],
    /// Offset of the first byte in the partition.
    pub offset: u64,
    /// Where the last line is longer than [`LINE_BYTES_MAX`]: its full length without its end. `bytes` then ends with
    /// the line's first 65 536 bytes and no line end.
    pub oversized: Option<u64>,
}

/// What the validity of a record depends on besides the record.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// The pipeline's currency.
    pub currency: Currency,
    /// The latest event time allowed: the clock plus `max_future`. [`EventTime::EVENT_MAX`] where none is asked.
    pub time_max: EventTime,
}

/// Parses the lines of `slab` in order until `record_max` records are in `batch` or the slab ends. Returns the number
/// of bytes of the slab consumed.
///
/// Appends to `batch` and leaves its header alone; what `batch` already holds counts towards `record_max`. Stops right
/// behind the last record, so blank lines after it are left for the next call, which is to get the rest of the slab
/// with the same `oversized`.
///
/// One pass over the bytes (items of orders are walked twice). Never blocks; allocates only where a vector of `batch`
/// grows, and once a call where a text has escapes.
///
/// # Panics
/// Where the slab holds 2^32 bytes or more.
pub fn parse(slab: Slab<'_>, rules: &Rules, record_max: usize, batch: &mut Batch) -> usize {
    check_slab(slab);
    let mut reader = RecordReader::default();
    let mut lines = Lines::new(slab, 0);
    while batch.record_count() < record_max {
        let Some(line) = lines.next() else { break };
        parse_line(slab, line, rules, &mut reader, batch);
    }
    lines.consumed()
}

/// Panics where the places in `slab` do not fit the batch.
fn check_slab(slab: Slab<'_>) {
    assert!(u32::try_from(slab.bytes.len()).is_ok(), "slab of {} bytes; at most 2^32 - 1", slab.bytes.len());
}

/// Makes one line an event or a rejected line of `batch`. Returns whether it is an event.
fn parse_line(slab: Slab<'_>, raw: RawLine, rules: &Rules, reader: &mut RecordReader, batch: &mut Batch) -> bool {
    let before = Ends::of(batch);
    let place = place_of(slab, raw);
    let result = if raw.is_too_large() {
        Err(Rejection { reason: Reason::TooLarge, field: None, at: None })
    } else {
        reader.read(&slab.bytes[raw.start..raw.start + raw.len], place, rules, batch)
    };
    settle(place, raw.length, result, before, batch)
}

/// Where a line is, as its event tells.
fn place_of(slab: Slab<'_>, raw: RawLine) -> Place {
    let line = Line { start: narrow(raw.start), len: narrow(raw.len) };
    Place { offset: slab.offset + raw.start as u64, line }
}

/// How far the parts of a batch go that a rejected line may have added to.
#[derive(Clone, Copy)]
struct Ends {
    items: usize,
    texts: usize,
    arena: usize,
}

impl Ends {
    fn of(batch: &Batch) -> Ends {
        Ends { items: batch.items.len(), texts: batch.texts.len(), arena: batch.arena.len() }
    }

    /// Takes away what was added since.
    fn cut(self, batch: &mut Batch) {
        batch.items.truncate(self.items);
        batch.texts.truncate(self.texts);
        batch.arena.truncate(self.arena);
    }
}

/// Of a rejected line leaves nothing in `batch` but that it is. Returns whether the line is an event.
fn settle(place: Place, length: u64, result: Result<(), Rejection>, before: Ends, batch: &mut Batch) -> bool {
    let Err(rejection) = result else { return true };
    before.cut(batch);
    let events_before = narrow(batch.events.len());
    let Place { offset, line } = place;
    batch.rejected.push(RejectedLine { rejection, line, length, offset, events_before });
    false
}

/// A place in the slab or a count of the batch as the batch keeps it.
fn narrow(number: usize) -> u32 {
    u32::try_from(number).expect("a slab holds less than 2^32 bytes, and a batch less than 2^32 events")
}
