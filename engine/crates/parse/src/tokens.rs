//! The tokens of a line: one pass with vectors finds its end, its UTF-8, its strings and escapes, and where every token
//! begins, so that whoever walks over them need not look at the bytes between.
//!
//! It is an index, no judge of the grammar: `walk` asks whether the tokens make sense in their order. What it passes over
//! is blank, the inside of a string without control characters and with sound escapes, the rest of a scalar, or a mark
//! right behind a string, which the walker looks at when it is there.
//!
//! The masks that find strings are those of simdjson (Langdale and Lemire, "Parsing Gigabytes of JSON per Second", 2019).

#![expect(clippy::inline_always, reason = "only what is inlined is compiled for the vectors of its caller")]

use crate::LINE_BYTES_MAX;
use crate::simd::{Classes, Vectors};

/// Bytes of a block, a bit each of its masks.
const BLOCK: usize = 64;

/// Greater than any position.
pub(crate) const NOWHERE: u32 = u32::MAX;

/// Tokens of one line after another, in the same memory: some 256 KiB, of which common lines touch the first, and at most
/// as much for lines of escapes alone.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    /// The first `count` are those of the line.
    positions: Vec<u32>,
    count: usize,
    /// Where the backslashes that begin an escape stand, and [`NOWHERE`] behind them.
    escapes: Vec<u32>,
}

/// What a block leaves to the next: a bit, or all of them, for what its last byte was.
#[derive(Default)]
struct Carry {
    in_string: u64,
    escape: u64,
    closing: u64,
    scalar: u64,
}

impl Tokens {
    /// Where the tokens begin: quotes, opening and closing, and, unless a closing quote is right before it, each mark and
    /// the first byte of each scalar.
    pub(crate) fn positions(&self) -> &[u32] {
        &self.positions[..self.count]
    }

    /// Where the escapes begin, all of which are in strings and of a right form; then [`NOWHERE`].
    pub(crate) fn escapes(&self) -> &[u32] {
        &self.escapes
    }

    /// Finds the tokens of the line that `bytes` begins with. Returns the position of its `\n`, or `bytes.len()` where
    /// there is none; `None` where it is too long, or surely no JSON in UTF-8.
    #[inline(always)]
    pub(crate) fn find<V: Vectors>(&mut self, vectors: V, bytes: &[u8]) -> Option<usize> {
        if self.positions.is_empty() {
            self.make_room();
        }
        self.escapes.clear();
        let Tokens { positions, escapes, .. } = self;
        let (mut carry, mut count, mut beyond_ascii) = (Carry::default(), 0, 0);
        let mut base = 0;
        while base < LINE_BYTES_MAX + BLOCK {
            let padded;
            let block = if let Some(block) = bytes.get(base..).and_then(<[u8]>::first_chunk) {
                block
            } else {
                padded = last_block(bytes, base);
                &padded
            };
            let classes = vectors.classes(block);
            beyond_ascii |= classes.beyond_ascii;
            // The first control character that is not blank is the line's end, if the line is any good.
            let ends = classes.controls & !classes.blanks;
            let live = !ends & ends.wrapping_sub(1);
            let backslashes = classes.backslashes & live;
            let behind_escapes = if (backslashes | carry.escape) == 0 {
                0
            } else {
                take_escapes(escapes, bytes, base, backslashes, carry.escape)?
            };
            let listed = carry.list(vectors, classes, live, behind_escapes)?;
            put(positions.get_mut(count..)?.first_chunk_mut()?, base, listed);
            count += listed.count_ones() as usize;
            if ends != 0 {
                let end = base + ends.trailing_zeros() as usize;
                let ends_well = carry.in_string & ends & ends.wrapping_neg() == 0;
                let is_line_end = bytes.get(end).is_none_or(|&byte| byte == b'\n');
                let is_utf8 = beyond_ascii == 0 || std::str::from_utf8(&bytes[..end]).is_ok();
                escapes.push(NOWHERE);
                self.count = count;
                return (ends_well && is_line_end && is_utf8).then_some(end);
            }
            base += BLOCK;
        }
        None
    }

    /// Room for the tokens of any line, once and for all; memory that is never written costs nothing.
    #[cold]
    #[inline(never)]
    fn make_room(&mut self) {
        self.positions = vec![0; LINE_BYTES_MAX + 2 * BLOCK];
    }
}

impl Carry {
    /// Which of the `live` bytes of a block are tokens, `behind` being those that a backslash escapes. Leaves in `in_string` the
    /// whole mask where not all of them live.
    #[inline(always)]
    fn list<V: Vectors>(&mut self, vectors: V, classes: Classes, live: u64, behind: u64) -> Option<u64> {
        let quotes = classes.quotes & live & !behind;
        let escapes = classes.backslashes & live & !behind;
        // From an opening quote to the byte before the closing one.
        let in_string = vectors.prefix_xor(quotes) ^ self.in_string;
        let outside = live & !in_string;
        let closing = quotes & !in_string;
        let scalar = outside & !(quotes | classes.marks | classes.blanks);
        let scalar_starts = scalar & !(scalar << 1 | self.scalar);
        let listed = (classes.marks & outside | scalar_starts) & !(closing << 1 | self.closing) | quotes;
        if (classes.controls & in_string & live) | (escapes & !in_string) != 0 {
            return None;
        }
        self.in_string = if live == u64::MAX { (in_string.cast_signed() >> 63).cast_unsigned() } else { in_string };
        (self.escape, self.closing, self.scalar) = (escapes >> 63, closing >> 63, scalar >> 63);
        Some(listed)
    }
}

/// Checks the escapes of a block and notes where they are. Returns which bytes are escaped, each by a backslash before it;
/// `behind` says it of the first.
#[inline(never)]
fn take_escapes(escapes: &mut Vec<u32>, bytes: &[u8], base: usize, backslashes: u64, behind: u64) -> Option<u64> {
    let mut behind = behind;
    let mut rest = backslashes & !behind;
    while rest != 0 {
        let escape = rest & rest.wrapping_neg();
        let at = base + escape.trailing_zeros() as usize;
        if !is_escape(bytes.get(at + 1..)?) {
            return None;
        }
        escapes.push(narrow(at));
        behind |= escape << 1;
        rest &= !(escape | escape << 1);
    }
    Some(behind)
}

/// Writes a position for each bit. Sixteen at a time are written without asking whether they are there: most blocks have
/// no more, and how many is anyone's guess.
#[inline(always)]
fn put(room: &mut [u32; BLOCK], base: usize, listed: u64) {
    let (base, mut rest) = (narrow(base), listed);
    let (sixteens, _) = room.as_chunks_mut::<16>();
    for sixteen in sixteens {
        for place in sixteen {
            *place = base + rest.trailing_zeros();
            rest &= rest.wrapping_sub(1);
        }
        if rest == 0 {
            break;
        }
    }
}

/// The bytes from `base` on, fewer than a block, and line ends behind them.
#[cold]
#[inline(never)]
fn last_block(bytes: &[u8], base: usize) -> [u8; BLOCK] {
    let mut block = [b'\n'; BLOCK];
    let rest = &bytes[base..];
    block[..rest.len()].copy_from_slice(rest);
    block
}

/// Whether what follows a backslash makes an escape.
#[inline]
fn is_escape(behind: &[u8]) -> bool {
    match behind {
        [b'u', digits @ ..] => digits.first_chunk::<4>().is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)),
        [b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..] => true,
        _ => false,
    }
}

/// A position in a line, of which [`Tokens::find`] takes no more than that many bytes.
#[inline(always)]
fn narrow(at: usize) -> u32 {
    debug_assert!(at <= LINE_BYTES_MAX + 2 * BLOCK);
    #[expect(clippy::cast_possible_truncation, reason = "at most a line's length and two blocks")]
    let at = at as u32;
    at
}
