//! The input log: bytes of an input that nobody can read again, synced before anything is made of them.
//!
//! One folder an input, in it segments of about [`SEGMENT_BYTES`], each named after the offset of its first byte in the input. A segment is a
//! sequence of frames: length (four bytes, little endian), CRC-32 of the bytes (four bytes), the bytes; a frame without bytes says that the
//! input had ended there. What a crash has left half-written behind the last whole frame is cut off: nothing was made of it.

use std::path::{Path, PathBuf};

use crate::failpoint::failpoint;
use crate::lake::{CreateError, Lake, MARK};
use crate::store::{Operation, StoreError, ensure_folder};

/// How long a segment grows.
const SEGMENT_BYTES: u64 = 16 << 20;

const FRAME_HEAD_BYTES: usize = 8;

/// The end of an input's log.
#[derive(Debug)]
pub struct InputLog {
    lake: Lake,
    number: u32,
    /// The segment that grows: the offset of its first byte, and how long its file is.
    segment: Option<(u64, u64)>,
    /// The offset behind the last byte.
    end: u64,
    last_byte: Option<u8>,
    has_ended: bool,
}

/// The segments of a log, ascending by the offset of their first byte.
fn segments(lake: &Lake, number: u32) -> Result<Vec<u64>, StoreError> {
    let folder = folder(lake, number);
    let names = lake.store().list(&folder).map_err(StoreError::of(Operation::List, &folder))?;
    let start = |name: &std::ffi::OsString| name.to_str()?.strip_suffix(".log")?.parse().ok();
    let mut starts: Vec<u64> = names.unwrap_or_default().iter().filter_map(start).collect();
    starts.sort_unstable();
    Ok(starts)
}

impl InputLog {
    /// Opens the log of the input of this number; where there is none, it will begin at offset `from`. Changes nothing.
    ///
    /// # Errors
    /// Where it cannot be read, is damaged before its last frame, or does not hold the bytes from `from` on.
    pub fn open(lake: &Lake, number: u32, from: u64) -> Result<InputLog, CreateError> {
        let read = |source| CreateError::Read { path: lake.root().to_path_buf(), source };
        let damaged = |path: PathBuf, what: String| Err(CreateError::Damaged { path, what });
        let mut log =
            InputLog { lake: lake.clone(), number, segment: None, end: from, last_byte: None, has_ended: false };
        let starts = segments(lake, number).map_err(read)?;
        let first = starts.first().copied();
        for (index, &start) in starts.iter().enumerate() {
            let path = path(lake, number, start);
            if index > 0 && start != log.end {
                return damaged(path, format!("it begins at offset {start}; the one before it ends at {}", log.end));
            }
            let bytes = lake.store().read(&path).map_err(StoreError::of(Operation::Read, &path)).map_err(read)?;
            log.end = start;
            let mut rest = bytes.as_slice();
            while let Some((frame, behind)) = split_frame(rest) {
                log.end += frame.len() as u64;
                log.has_ended = frame.is_empty();
                log.last_byte = frame.last().copied().or(log.last_byte);
                rest = behind;
            }
            if !rest.is_empty() && index + 1 < starts.len() {
                let at = bytes.len() - rest.len();
                return damaged(path, format!("the frame at byte {at} is not as it was written"));
            }
            log.segment = Some((start, (bytes.len() - rest.len()) as u64));
        }
        if first.is_some_and(|first| from < first) || from > log.end {
            let (first, end) = (first.unwrap_or(log.end), log.end);
            let what = format!("it holds the input's bytes {first} to {end}; byte {from} is needed");
            return damaged(folder(lake, number), what);
        }
        Ok(log)
    }

    /// The offset behind the last byte.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.end
    }

    /// All that is in the log from `offset` on.
    #[must_use]
    pub fn stored(&self, offset: u64) -> StoredInput {
        StoredInput { lake: self.lake.clone(), number: self.number, next: offset, end: self.end, frames: Vec::new() }
    }

    /// Appends bytes and syncs them. Where an earlier run has seen the input's end within a line, that line ends first.
    /// Returns the bytes that were appended.
    ///
    /// # Errors
    /// Where storage fails.
    pub fn append(&mut self, mut bytes: Vec<u8>) -> Result<Vec<u8>, StoreError> {
        if self.has_ended && self.last_byte.is_some_and(|last| last != b'\n') {
            bytes.insert(0, b'\n');
        }
        self.write(&bytes)?;
        Ok(bytes)
    }

    /// Notes that the input has ended.
    ///
    /// # Errors
    /// Where storage fails.
    pub fn finish(&mut self) -> Result<(), StoreError> {
        if self.has_ended { Ok(()) } else { self.write(&[]) }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        let (start, at) = match self.segment {
            Some((start, at)) if at < SEGMENT_BYTES => (start, at),
            _ => {
                ensure_folder(self.lake.store(), &folder(&self.lake, self.number))?;
                (self.end, 0)
            }
        };
        let mut frame = Vec::with_capacity(FRAME_HEAD_BYTES + bytes.len());
        let len = u32::try_from(bytes.len()).expect("an append is less than 4 GiB");
        frame.extend_from_slice(&len.to_le_bytes());
        frame.extend_from_slice(&crc32fast::hash(bytes).to_le_bytes());
        frame.extend_from_slice(bytes);
        let path = path(&self.lake, self.number, start);
        self.lake.store().append(&path, at, &frame).map_err(StoreError::of(Operation::Append, &path))?;
        failpoint("logged");
        self.segment = Some((start, at + frame.len() as u64));
        self.end += bytes.len() as u64;
        self.last_byte = bytes.last().copied().or(self.last_byte);
        self.has_ended = bytes.is_empty();
        Ok(())
    }
}

/// What a log held when it was opened, chunk by chunk.
#[derive(Debug)]
pub struct StoredInput {
    lake: Lake,
    number: u32,
    next: u64,
    end: u64,
    /// Chunks of the segment that was read last, the next one at the end.
    frames: Vec<Vec<u8>>,
}

impl StoredInput {
    /// The next chunk; `None` where all has been read. Needs memory for a segment.
    ///
    /// # Errors
    /// Where storage fails.
    pub fn next_chunk(&mut self) -> Result<Option<Vec<u8>>, StoreError> {
        loop {
            if let Some(frame) = self.frames.pop() {
                self.next += frame.len() as u64;
                return Ok(Some(frame));
            }
            if self.next >= self.end {
                return Ok(None);
            }
            let starts = segments(&self.lake, self.number)?;
            let start = starts.into_iter().rev().find(|start| *start <= self.next).unwrap_or(self.next);
            let path = path(&self.lake, self.number, start);
            let bytes = self.lake.store().read(&path).map_err(StoreError::of(Operation::Read, &path))?;
            let (mut rest, mut offset) = (bytes.as_slice(), start);
            // What lies behind the end has been appended since, and comes from who appends it.
            while let Some((frame, behind)) = split_frame(rest).filter(|_| offset < self.end) {
                let frame_end = offset + frame.len() as u64;
                if frame_end > self.next {
                    let skipped = usize::try_from(self.next.saturating_sub(offset)).unwrap_or(usize::MAX);
                    self.frames.push(frame[skipped..].to_vec());
                }
                offset = frame_end;
                rest = behind;
            }
            self.frames.reverse();
            if self.frames.is_empty() {
                let source = std::io::Error::other("it ends before what it held when it was opened");
                return Err(StoreError { operation: Operation::Read, path, source });
            }
        }
    }
}

/// Removes the segments before the one that holds `offset`.
pub(crate) fn forget(lake: &Lake, number: u32, offset: u64) -> Result<(), StoreError> {
    let starts = segments(lake, number)?;
    for pair in starts.windows(2).filter(|pair| pair[1] <= offset) {
        let path = path(lake, number, pair[0]);
        lake.store().remove_file(&path).map_err(StoreError::of(Operation::Remove, &path))?;
        failpoint("forgotten");
    }
    Ok(())
}

fn split_frame(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = bytes.split_first_chunk::<4>()?;
    let (checksum, rest) = rest.split_first_chunk::<4>()?;
    let (frame, rest) = rest.split_at_checked(usize::try_from(u32::from_le_bytes(*len)).ok()?)?;
    (crc32fast::hash(frame) == u32::from_le_bytes(*checksum)).then_some((frame, rest))
}

fn folder(lake: &Lake, number: u32) -> PathBuf {
    lake.root().join(MARK).join("log").join(format!("{number:04}"))
}

fn path(lake: &Lake, number: u32, start: u64) -> PathBuf {
    folder(lake, number).join(Path::new(&format!("{start:020}.log")))
}

#[cfg(test)]
mod tests;
