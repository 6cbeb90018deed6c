//! The lines of a slab: where each starts and ends. Blank ones are no records and are passed over.
//!
//! What a line says is none of its business, nor is a byte order mark: the source skips that.

use memchr::memchr;

use crate::{LINE_BYTES_MAX, Slab};

/// Where a line lies in the slab.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RawLine {
    /// Its first byte.
    pub(crate) start: usize,
    /// Bytes of it to look at: all but its end, and at most [`LINE_BYTES_MAX`].
    pub(crate) len: usize,
    /// Its full length without its end.
    pub(crate) length: u64,
}

impl RawLine {
    /// Whether it is longer than a line may be.
    pub(crate) fn is_too_large(&self) -> bool {
        self.length > LINE_BYTES_MAX as u64
    }
}

/// Iterates over the lines that are records.
#[derive(Debug)]
pub(crate) struct Lines<'a> {
    slab: Slab<'a>,
    at: usize,
}

impl<'a> Lines<'a> {
    /// The lines of `slab` from byte `at`, where one begins.
    pub(crate) fn new(slab: Slab<'a>, at: usize) -> Lines<'a> {
        Lines { slab, at }
    }

    /// Bytes of the slab behind us: the lines given out with their ends, and the blank lines passed over on the way.
    pub(crate) fn consumed(&self) -> usize {
        self.at
    }

    /// Takes the next line, blank or not. `None` at the end of the slab.
    fn take_line(&mut self) -> Option<RawLine> {
        let start = self.at;
        let rest = &self.slab.bytes[start..];
        if rest.is_empty() {
            return None;
        }
        let length = if let Some(newline) = memchr(b'\n', rest) {
            self.at = start + newline + 1;
            let ends_with_return = newline > 0 && rest[newline - 1] == b'\r';
            (newline - usize::from(ends_with_return)) as u64
        } else {
            // The partition's last line, or one the source has cut.
            self.at = self.slab.bytes.len();
            self.slab.oversized.unwrap_or(rest.len() as u64)
        };
        let present = usize::try_from(length).map_or(rest.len(), |length| length.min(rest.len()));
        Some(RawLine { start, len: present.min(LINE_BYTES_MAX), length })
    }

    /// Whether a line is nothing but spaces and tabs, however long. One that the source has cut is not: it would have
    /// passed over a blank one.
    fn is_blank(&self, line: RawLine) -> bool {
        let Some(whole) = usize::try_from(line.length).ok().and_then(|length| {
            let end = line.start.checked_add(length)?;
            self.slab.bytes.get(line.start..end)
        }) else {
            return false;
        };
        whole.iter().all(|byte| matches!(byte, b' ' | b'\t'))
    }
}

impl Iterator for Lines<'_> {
    type Item = RawLine;

    fn next(&mut self) -> Option<RawLine> {
        loop {
            let line = self.take_line()?;
            if !self.is_blank(line) {
                return Some(line);
            }
        }
    }
}
