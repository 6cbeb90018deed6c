//! Bytes to slabs of whole lines, in flat memory.
//!
//! One buffer of fixed size is used again and again. Reads always start at the same aligned place in it; what is left
//! of an unfinished line is first moved to just before that place:
//!
//! ```text
//! 0            start      read_start                     filled       read_end
//! |-- unused --|-- carry --|-- bytes of the last read ----|-- unused ---|
//! ```
//!
//! Room for one carry of the longest line allowed lies before `read_start`, so a carry that does not fit there belongs
//! to a line that is too long, of which only the first bytes and the length are kept.

use std::io::{self, ErrorKind, Read};
use std::ops::Range;

use memchr::{memchr, memrchr};

pub use engine_model::LINE_BYTES_MAX;

/// How many bytes are asked for at once unless said otherwise: a slab then stays in the second-level cache between
/// the read that fills it and the parser.
pub const READ_BYTES_DEFAULT: usize = 256 * 1024;

const ALIGNMENT: usize = 64;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// A run of whole lines of one source partition; never empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlabRef<'a> {
    /// The lines, each with its `\n` or `\r\n`; only the partition's last may lack it.
    pub bytes: &'a [u8],
    /// Offset of the first byte in the uncompressed partition.
    pub offset: u64,
    /// Where the slab is one line that is too long and did not fit in the buffer: its full length without its end.
    /// `bytes` is then the line's first bytes, as many as a line may have, and no line end. Such a line is never
    /// blank. (A line that is too long but fits comes whole, like any other.)
    pub oversized: Option<u64>,
}

/// Sizes of a [`LineReader`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineLimits {
    /// The most bytes a line may have, without its end.
    pub line_bytes_max: usize,
    /// How many bytes are asked for at once.
    pub read_bytes: usize,
}

impl Default for LineLimits {
    fn default() -> LineLimits {
        LineLimits { line_bytes_max: LINE_BYTES_MAX, read_bytes: READ_BYTES_DEFAULT }
    }
}

/// Reads slabs of whole lines.
///
/// A byte order mark at offset 0 is skipped. Of a line that is too long, does not fit in the buffer and consists of
/// nothing but spaces and tabs only the `\n` is yielded, at the line's offset; all other blank lines come whole. Memory
/// is `line_bytes_max + read_bytes` and about 128 bytes, whatever the input.
#[derive(Debug)]
pub struct LineReader<R> {
    reader: R,
    line_bytes_max: usize,
    buffer: Box<[u8]>,
    /// Where reads start; at least `line_bytes_max + 2`, so that a line that may be has room before it.
    read_start: usize,
    /// Where reads end.
    read_end: usize,
    /// The first byte not yet yielded.
    start: usize,
    /// There is no line end between `start` and here.
    scanned: usize,
    /// End of the bytes read.
    filled: usize,
    /// Offset of `buffer[start]`.
    offset: u64,
    /// Offset of the next byte to read.
    position: u64,
    /// The slab yielded last, or what the consumer gave back of it.
    slab: Slab,
    given_back: bool,
    phase: Phase,
}

#[derive(Clone, Debug, Default)]
struct Slab {
    range: Range<usize>,
    offset: u64,
    oversized: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Reading,
    Ended,
    Failed,
}

impl<R: Read> LineReader<R> {
    /// Reads `reader`, whose next byte has offset `offset` and starts a line. Allocates the buffer.
    ///
    /// # Panics
    /// Where a limit is 0.
    pub fn new(reader: R, offset: u64, limits: LineLimits) -> LineReader<R> {
        let LineLimits { line_bytes_max, read_bytes } = limits;
        assert!(line_bytes_max > 0 && read_bytes > 0, "lines and reads have at least one byte");
        let carry_bytes_max = line_bytes_max + b"\r\n".len();
        let buffer = vec![0; carry_bytes_max + ALIGNMENT + read_bytes].into_boxed_slice();
        let to_aligned = buffer[carry_bytes_max..].as_ptr().align_offset(ALIGNMENT);
        // Should the alignment not be known, nothing but speed is lost.
        let read_start = carry_bytes_max + to_aligned.min(ALIGNMENT);
        LineReader {
            reader,
            line_bytes_max,
            buffer,
            read_start,
            read_end: read_start + read_bytes,
            start: read_start,
            scanned: read_start,
            filled: read_start,
            offset,
            position: offset,
            slab: Slab { offset, ..Slab::default() },
            given_back: false,
            phase: Phase::Reading,
        }
    }

    /// The next slab, or `None` at the end. Each is yielded once, except for what is [given back](Self::give_back).
    ///
    /// Reads only when all lines read are yielded, and yields as soon as one read has brought a line's end, so that
    /// lines from a pipe are not held up. A read that is interrupted is repeated. Allocates nothing.
    ///
    /// # Errors
    /// Where reading fails. All whole lines before the failure have been yielded by then; the unfinished line at the
    /// failure never is. Every later call fails, too.
    pub fn next_slab(&mut self) -> io::Result<Option<SlabRef<'_>>> {
        Ok(if self.advance()? { Some(self.slab()) } else { None })
    }

    /// Takes back the last `bytes` bytes of the slab yielded last: the next slab will be those.
    ///
    /// For a consumer that stops within a slab, to go on later.
    ///
    /// # Panics
    /// Where the slab was shorter, or is only a part of an oversized one, or `bytes` are given back a second time.
    pub fn give_back(&mut self, bytes: usize) {
        if bytes == 0 {
            return;
        }
        let Slab { range, offset, oversized } = &mut self.slab;
        assert!(!self.given_back, "a slab was given back twice");
        assert!(bytes <= range.len(), "{bytes} bytes given back of a slab of {}", range.len());
        assert!(oversized.is_none() || bytes == range.len(), "an oversized line was given back in part");
        *offset += to_u64(range.len() - bytes);
        range.start = range.end - bytes;
        self.given_back = true;
    }

    /// Offset of the first line not yet yielded, or given back: where another reader has to start to go on.
    #[must_use]
    pub fn next_offset(&self) -> u64 {
        if self.given_back { self.slab.offset } else { self.offset }
    }

    /// Offset of the next byte to read: at an error, where it happened.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Whether all there is has been yielded, so far as is known without reading.
    #[cfg(feature = "files")]
    pub(crate) fn is_exhausted(&self) -> bool {
        self.phase == Phase::Ended && self.start == self.filled && !self.given_back
    }

    /// Finds the next slab, which [`Self::slab`] then shows. Returns whether there is one.
    pub(crate) fn advance(&mut self) -> io::Result<bool> {
        if self.given_back {
            self.given_back = false;
            return Ok(true);
        }
        self.slab = Slab { range: 0..0, offset: self.offset, oversized: None };
        loop {
            self.skip_byte_order_mark();
            if let Some(last) = memrchr(b'\n', &self.buffer[self.scanned..self.filled]) {
                self.take(self.scanned + last + 1);
                return Ok(true);
            }
            self.scanned = self.filled;
            match self.phase {
                Phase::Reading => {}
                Phase::Ended if self.start == self.filled => return Ok(false),
                Phase::Ended => {
                    self.take(self.filled);
                    return Ok(true);
                }
                Phase::Failed => return Err(io::Error::other("an earlier read failed")),
            }
            // Only after a slab does the carry start behind `read_start`. Until then it stays where it is, so that
            // many short reads do not move it again and again.
            if self.start > self.read_start || self.filled == self.read_end {
                let carry = self.start..self.filled;
                if carry.len() > self.read_start {
                    if self.take_oversized()? {
                        return Ok(true);
                    }
                    continue;
                }
                self.start = self.read_start - carry.len();
                self.filled = self.read_start;
                self.buffer.copy_within(carry, self.start);
                self.scanned = self.filled;
            }
            self.fill()?;
        }
    }

    /// The slab that [`Self::advance`] found.
    pub(crate) fn slab(&self) -> SlabRef<'_> {
        let Slab { range, offset, oversized } = &self.slab;
        SlabRef { bytes: &self.buffer[range.clone()], offset: *offset, oversized: *oversized }
    }

    fn skip_byte_order_mark(&mut self) {
        // Fewer than three bytes are either no mark or an unfinished line, which will be looked at again.
        if self.offset == 0 && self.buffer[self.start..self.filled].starts_with(BYTE_ORDER_MARK) {
            self.start += BYTE_ORDER_MARK.len();
            self.scanned = self.scanned.max(self.start);
            self.offset += to_u64(BYTE_ORDER_MARK.len());
        }
    }

    /// Makes the bytes up to `end` the slab. All later ones up to `filled` are known to hold no line end.
    fn take(&mut self, end: usize) {
        self.slab = Slab { range: self.start..end, offset: self.offset, oversized: None };
        self.offset += to_u64(self.slab.range.len());
        self.start = end;
        self.scanned = self.filled;
    }

    /// Reads the line that starts at `start` to its end and makes its first bytes the slab; where it is blank its end,
    /// so that lines can be counted, or returns `false` where it has none.
    ///
    /// The line's first bytes go to the front of the buffer; the rest passes through the reads' part.
    fn take_oversized(&mut self) -> io::Result<bool> {
        let mut line = LongLine::default();
        line.push(&self.buffer[self.start..self.filled]);
        self.buffer.copy_within(self.start..self.start + self.line_bytes_max, 0);
        let has_end = loop {
            self.start = self.read_start;
            self.scanned = self.read_start;
            self.filled = self.read_start;
            self.fill()?;
            if self.filled == self.read_start {
                break false;
            }
            let bytes = &self.buffer[self.start..self.filled];
            if let Some(end) = memchr(b'\n', bytes) {
                line.push(&bytes[..end]);
                self.start += end + 1;
                break true;
            }
            line.push(bytes);
        };
        self.scanned = self.start;
        let offset = self.offset;
        self.offset += line.bytes + u64::from(has_end);
        let length = line.length(has_end);
        let is_blank = line.first_not_blank.is_none_or(|at| at >= length);
        let (range, oversized) = match (is_blank, has_end) {
            (false, _) => (0..self.line_bytes_max, Some(length)),
            (true, true) => (self.start - 1..self.start, None),
            (true, false) => return Ok(false),
        };
        self.slab = Slab { range, offset, oversized };
        Ok(true)
    }

    /// Reads once to behind `filled`, or sets the phase.
    fn fill(&mut self) -> io::Result<()> {
        let room = &mut self.buffer[self.filled..self.read_end];
        loop {
            match self.reader.read(room) {
                Ok(0) => self.phase = Phase::Ended,
                Ok(count) => {
                    assert!(count <= room.len(), "a reader claims to have read more than it was asked for");
                    self.filled += count;
                    self.position += to_u64(count);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => {
                    self.phase = Phase::Failed;
                    return Err(error);
                }
            }
            return Ok(());
        }
    }
}

/// What is remembered of a line that is not kept.
#[derive(Debug, Default)]
struct LongLine {
    /// Bytes before the `\n`.
    bytes: u64,
    /// Where the first byte is that is neither space nor tab.
    first_not_blank: Option<u64>,
    last: u8,
}

impl LongLine {
    fn push(&mut self, bytes: &[u8]) {
        if self.first_not_blank.is_none() {
            let at = bytes.iter().position(|byte| !matches!(byte, b' ' | b'\t'));
            self.first_not_blank = at.map(|at| self.bytes + to_u64(at));
        }
        self.bytes += to_u64(bytes.len());
        self.last = bytes.last().copied().unwrap_or(self.last);
    }

    /// Length without the line's end, which is there if `has_end`.
    fn length(&self, has_end: bool) -> u64 {
        self.bytes - u64::from(has_end && self.last == b'\r')
    }
}

fn to_u64(bytes: usize) -> u64 {
    u64::try_from(bytes).expect("a length in memory fits 64 bits")
}

#[cfg(test)]
mod tests;
