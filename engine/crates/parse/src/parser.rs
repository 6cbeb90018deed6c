//! The parser that remembers: speculates that a line has a shape it has seen, and reads it the general way where not.

#![expect(clippy::inline_always, reason = "only what is inlined is compiled for the vectors of its caller")]

use engine_model::Batch;

use crate::dispatch::{Compiled, Machine};
use crate::line::{Lines, RawLine};
use crate::record::RecordReader;
use crate::shape::Shapes;
use crate::tokens::Tokens;
use crate::{Ends, LINE_BYTES_MAX, Rules, Slab, check_slab, parse_line, place_of, settle};

/// A parser for many slabs, of one partition or several. Means the same as [`parse`](crate::parse()) and is faster on
/// lines that look like earlier ones.
///
/// It keeps the shapes of lines that the general way has accepted: everything but the values, as bytes. A line that
/// agrees with a shape byte for byte, with simple values of the right kind between, is read without a look at its
/// syntax. Every other line goes the general way, so nothing is accepted, rejected or read otherwise.
///
/// Memory is bounded: about 150 KiB however many shapes come, and at most 512 KiB for the tokens of one line, of which
/// common lines touch less than one. Once shapes are learned it allocates only where a vector of the batch grows.
#[derive(Debug)]
pub struct Parser {
    machine: Machine,
    speculation: Speculation,
}

impl Default for Parser {
    fn default() -> Parser {
        Parser::new()
    }
}

impl Parser {
    /// A parser that has seen nothing yet. Finds out which vectors the machine has.
    #[must_use]
    pub fn new() -> Parser {
        Parser {
            machine: Machine::detect(),
            speculation: Speculation { learns: true, trust: TRUST_MAX, ..Speculation::default() },
        }
    }

    /// A parser that never speculates: every line goes the general way.
    #[must_use]
    pub fn general_only() -> Parser {
        Parser { machine: Machine::detect(), speculation: Speculation::default() }
    }

    /// A parser that speculates without vectors, 8 bytes at a time: for measuring what they gain.
    #[must_use]
    pub fn portable() -> Parser {
        Parser { machine: Machine::Portable, ..Parser::new() }
    }

    /// For each kind of vectors a parser that speculates; then for each one that does not. To be compared.
    #[cfg(any(test, fuzzing))]
    #[must_use]
    pub fn of_every_kind() -> (Vec<Parser>, Vec<Parser>) {
        let all = Machine::all();
        let with = |new: fn() -> Parser| all.iter().map(|&machine| Parser { machine, ..new() }).collect();
        (with(Parser::new), with(Parser::general_only))
    }

    /// The same as [`parse`](crate::parse()), with what earlier calls have learned.
    ///
    /// # Panics
    /// Where the slab holds 2^32 bytes or more.
    pub fn parse(&mut self, slab: Slab<'_>, rules: &Rules, record_max: usize, batch: &mut Batch) -> usize {
        check_slab(slab);
        self.machine.parse(&mut self.speculation, slab, rules, record_max, batch)
    }

    /// How many lines were read by a shape.
    #[must_use]
    pub fn fast_lines(&self) -> u64 {
        self.speculation.fast_lines
    }

    /// How many lines went the general way.
    #[must_use]
    pub fn general_lines(&self) -> u64 {
        self.speculation.general_lines
    }

    /// How many of these were no JSON objects, or too long, so that they had to be looked at byte by byte.
    #[must_use]
    pub fn careful_lines(&self) -> u64 {
        self.speculation.careful_lines
    }
}

/// Lines that may be learned from without any having been read by a shape since.
const CREDIT_MAX: u64 = 256;
/// How many lines read by a shape pay for learning from one more.
const FAST_LINES_A_CREDIT: u64 = 16;
/// Without credit only one line in so many is learned from: enough to notice that the input has become regular.
const STRIDE: u64 = 256;

/// How many lines in a row may have no known shape before only some are tried.
const TRUST_MAX: u32 = 64;
/// How many lines without a shape one with a shape makes up for.
const TRUST_A_HIT: u32 = 8;
/// Without trust only one line in so many is tried by shapes: where they do not help, looking for one is half the cost.
const TRIAL_STRIDE: u64 = 32;

/// What a [`Parser`] knows, whatever the machine.
#[derive(Debug, Default)]
pub(crate) struct Speculation {
    learns: bool,
    shapes: Shapes,
    reader: RecordReader,
    tokens: Tokens,
    fast_lines: u64,
    general_lines: u64,
    careful_lines: u64,
    /// Lines learned from, less those paid for.
    debt: u64,
    /// `fast_lines` when the debt was last reckoned.
    fast_lines_paid: u64,
    /// Lines that may fail to have a shape before most are no longer tried.
    trust: u32,
}

impl Speculation {
    /// The loop over the lines of a slab; compiled for each kind of vectors.
    #[inline(always)]
    pub(crate) fn parse<V: Compiled>(
        &mut self,
        vectors: V,
        slab: Slab<'_>,
        rules: &Rules,
        record_max: usize,
        batch: &mut Batch,
    ) -> usize {
        self.shapes.set_currency(rules.currency);
        let mut at = 0;
        while batch.record_count() < record_max {
            let tries = self.trust > 0 || self.general_lines.is_multiple_of(TRIAL_STRIDE);
            if tries && let Some(end) = self.shapes.read(vectors, slab, at, rules, batch) {
                self.fast_lines += 1;
                self.trust = TRUST_MAX.min(self.trust + TRUST_A_HIT);
                at = end;
            } else {
                self.trust = self.trust.saturating_sub(1);
                let (is_record, end) = self.read_generally(vectors, slab, at, rules, batch);
                at = end;
                if !is_record {
                    break;
                }
            }
        }
        at
    }

    /// Reads the next record the general way and may learn its shape. Returns whether there is one, and where what
    /// follows it begins.
    #[inline(never)]
    fn read_generally<V: Compiled>(
        &mut self,
        vectors: V,
        slab: Slab<'_>,
        at: usize,
        rules: &Rules,
        batch: &mut Batch,
    ) -> (bool, usize) {
        let (raw, is_event, end) = if let Some(read) = self.read_tokens(vectors, slab, at, rules, batch) {
            read
        } else {
            let mut lines = Lines::new(slab, at);
            let Some(raw) = lines.next() else { return (false, lines.consumed()) };
            let is_behind_blank_lines = raw.start > at;
            if is_behind_blank_lines && let Some(read) = self.read_tokens(vectors, slab, raw.start, rules, batch) {
                read
            } else {
                self.careful_lines += 1;
                (raw, parse_line(slab, raw, rules, &mut self.reader, batch), lines.consumed())
            }
        };
        self.general_lines += 1;
        if is_event && self.may_learn() {
            let kind = batch.events.last().expect("the event just read").kind;
            self.shapes.learn(&slab.bytes[raw.start..raw.start + raw.len], kind);
        }
        (true, end)
    }

    /// Reads the record that begins at byte `start`, if its tokens are those of a JSON object: an event or one that breaks
    /// a rule of the contract. Returns the line, whether it is an event, and where the next begins.
    fn read_tokens<V: Compiled>(
        &mut self,
        vectors: V,
        slab: Slab<'_>,
        start: usize,
        rules: &Rules,
        batch: &mut Batch,
    ) -> Option<(RawLine, bool, usize)> {
        let bytes = &slab.bytes[start..];
        let end = vectors.find_tokens(&mut self.tokens, bytes)?;
        let has_line_end = end < bytes.len();
        if !has_line_end && slab.oversized.is_some() {
            return None;
        }
        let ends_with_return = has_line_end && end > 0 && bytes[end - 1] == b'\r';
        let len = end - usize::from(ends_with_return);
        if len > LINE_BYTES_MAX {
            return None;
        }
        let raw = RawLine { start, len, length: len as u64 };
        let (before, place) = (Ends::of(batch), place_of(slab, raw));
        let result = self.reader.read_tokens(vectors, bytes, place, &self.tokens, rules, batch)?;
        Some((raw, settle(place, raw.length, result, before, batch), start + end + usize::from(has_line_end)))
    }

    /// Learning costs as much as reading, so where no line looks like another it is to become rare.
    fn may_learn(&mut self) -> bool {
        let credits = (self.fast_lines - self.fast_lines_paid) / FAST_LINES_A_CREDIT;
        self.fast_lines_paid += credits * FAST_LINES_A_CREDIT;
        self.debt = self.debt.saturating_sub(credits);
        let may = self.learns && (self.debt < CREDIT_MAX || self.general_lines.is_multiple_of(STRIDE));
        self.debt = CREDIT_MAX.min(self.debt + u64::from(may));
        may
    }
}
