//! A file as numbered blocks of whole lines.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Bytes to a block, until its last line's end.
const BLOCK_BYTES: usize = 1 << 20;

/// Hands out a file block by block.
#[derive(Debug)]
pub struct Blocks {
    file: File,
    /// What was read past the last line's end.
    rest: Vec<u8>,
    next: usize,
}

impl Blocks {
    /// Opens a file.
    ///
    /// # Errors
    /// Where it cannot be opened.
    pub fn open(path: &Path) -> io::Result<Blocks> {
        Ok(Blocks { file: File::open(path)?, rest: Vec::new(), next: 0 })
    }

    /// Fills `block` with the next lines and gives its number, counted from 0, or `None` at the end.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn read(&mut self, block: &mut Vec<u8>) -> io::Result<Option<usize>> {
        block.clear();
        block.append(&mut self.rest);
        let mut limit = BLOCK_BYTES;
        loop {
            let wanted = limit.saturating_sub(block.len()) as u64;
            let read = self.file.by_ref().take(wanted).read_to_end(block)? as u64;
            if read < wanted {
                break; // The end of the file, also of its last line.
            }
            if let Some(end) = memchr::memrchr(b'\n', block) {
                self.rest.extend_from_slice(&block[end + 1..]);
                block.truncate(end + 1);
                break;
            }
            limit += BLOCK_BYTES;
        }
        if block.is_empty() {
            return Ok(None);
        }
        self.next += 1;
        Ok(Some(self.next - 1))
    }
}

/// The lines of a block, without their ends.
pub fn lines_of(block: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut start = 0;
    memchr::memchr_iter(b'\n', block).chain((block.last() != Some(&b'\n')).then_some(block.len())).map(move |end| {
        let line = &block[start..end];
        start = end + 1;
        line.strip_suffix(b"\r").unwrap_or(line)
    })
}
