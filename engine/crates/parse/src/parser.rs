//! The parser that remembers: speculates that a line has a shape it has seen, and reads it the general way where not.

#![expect(clippy::inline_always, reason = "only what is inlined is compiled for the vectors of its caller")]

use engine_model::Batch;

use crate::dispatch::Machine;
use crate::line::Lines;
use crate::record::RecordReader;
use crate::shape::Shapes;
use crate::simd::Vectors;
use crate::{Rules, Slab, check_slab, parse_line};

/// A parser for many slabs, of one partition or several. Means the same as [`parse`](crate::parse()) and is faster on
/// lines that look like earlier ones.
///
/// It keeps the shapes of lines that the general way has accepted: everything but the values, as bytes. A line that
/// agrees with a shape byte for byte, with simple values of the right kind between, is read without a look at its
/// syntax. Every other line goes the general way, so nothing is accepted, rejected or read otherwise.
///
/// Memory is bounded, about 150 KiB however many shapes come; once they are learned it allocates only where a vector of
/// the batch grows.
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
        Parser { machine: Machine::detect(), speculation: Speculation { learns: true, ..Speculation::default() } }
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

    /// A parser with the vectors of `machine`.
    #[cfg(test)]
    pub(crate) fn with_machine(machine: Machine) -> Parser {
        Parser { machine, ..Parser::new() }
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
}

/// Lines that may be learned from without any having been read by a shape since.
const CREDIT_MAX: u64 = 256;
/// How many lines read by a shape pay for learning from one more.
const FAST_LINES_A_CREDIT: u64 = 16;
/// Without credit only one line in so many is learned from: enough to notice that the input has become regular.
const STRIDE: u64 = 64;

/// What a [`Parser`] knows, whatever the machine.
#[derive(Debug, Default)]
pub(crate) struct Speculation {
    learns: bool,
    shapes: Shapes,
    reader: RecordReader,
    fast_lines: u64,
    general_lines: u64,
    /// Lines learned from, less those paid for.
    debt: u64,
    /// `fast_lines` when the debt was last reckoned.
    fast_lines_paid: u64,
}

impl Speculation {
    /// The loop over the lines of a slab; compiled for each kind of vectors.
    #[inline(always)]
    pub(crate) fn parse<V: Vectors>(
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
            if let Some(end) = self.shapes.read(vectors, slab, at, rules, batch) {
                self.fast_lines += 1;
                at = end;
            } else {
                let mut lines = Lines::new(slab, at);
                let is_at_end = !self.read_generally(slab, &mut lines, rules, batch);
                at = lines.consumed();
                if is_at_end {
                    break;
                }
            }
        }
        at
    }

    /// Reads the next record the general way and may learn its shape. Returns whether there is one.
    #[inline(never)]
    fn read_generally(&mut self, slab: Slab<'_>, lines: &mut Lines<'_>, rules: &Rules, batch: &mut Batch) -> bool {
        let Some(raw) = lines.next() else { return false };
        self.general_lines += 1;
        let is_event = parse_line(slab, raw, rules, &mut self.reader, batch);
        if is_event && self.may_learn() {
            let kind = batch.events.last().expect("the event just read").kind;
            self.shapes.learn(&slab.bytes[raw.start..raw.start + raw.len], kind);
        }
        true
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
