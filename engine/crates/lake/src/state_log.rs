//! The state log: what spans windows, so that a commit writes only what has changed.
//!
//! A file begins with a snapshot; behind it stands an increment for each commit that had one. A frame is its length (eight bytes, little
//! endian), the CRC-32 of what follows (four bytes), and the bytes. How much of the file belongs to commits is in the record
//! of the last one; what lies behind is overwritten. When a file has grown to [`GROWTH_MAX`] times its snapshot, the next commit begins
//! a new one with a new snapshot, and the old one is removed behind it. So what is written is at most a quarter more than
//! the increments, and what a restart reads is at most five times the state.

use std::path::{Path, PathBuf};

use crate::lake::{Lake, MARK};
use crate::record::StatePosition;
use crate::store::{Operation, StoreError, ensure_folder};

/// How many times the length of its snapshot a file may grow to.
const GROWTH_MAX: u64 = 4;

/// How long a file may grow however short its snapshot is.
const SEGMENT_BYTES_MIN: u64 = 64 << 20;

const FRAME_HEAD_BYTES: usize = 12;

/// The end of the state log.
#[derive(Debug)]
pub(crate) struct StateLog {
    position: StatePosition,
    /// [`SEGMENT_BYTES_MIN`]; less in tests.
    segment_bytes_min: u64,
}

impl StateLog {
    pub(crate) fn at(position: StatePosition) -> StateLog {
        let segment_bytes_min = std::env::var("TILLRACE_STATE_BYTES").ok().filter(|_| cfg!(debug_assertions));
        let segment_bytes_min = segment_bytes_min.and_then(|text| text.parse().ok()).unwrap_or(SEGMENT_BYTES_MIN);
        StateLog { position, segment_bytes_min }
    }

    pub(crate) fn position(&self) -> StatePosition {
        self.position
    }

    /// Appends an increment, if it is not empty, or where it is time begins a new file with a snapshot. Returns the number of the file
    /// that is not needed any more once the position is recorded.
    pub(crate) fn append(
        &mut self,
        lake: &Lake,
        increment: &[u8],
        snapshot: impl FnOnce() -> Vec<u8>,
    ) -> Result<Option<u64>, StoreError> {
        let StatePosition { segment, bytes, snapshot_bytes } = self.position;
        let bytes_max = self.segment_bytes_min.max(snapshot_bytes.saturating_mul(GROWTH_MAX));
        if segment > 0 && bytes < bytes_max {
            if !increment.is_empty() {
                let frame = frame(increment);
                StateLog::write(lake, segment, bytes, &frame)?;
                self.position.bytes += frame.len() as u64;
            }
            return Ok(None);
        }
        let frame = frame(&snapshot());
        ensure_folder(lake.store(), &folder(lake))?;
        StateLog::write(lake, segment + 1, 0, &frame)?;
        let bytes = frame.len() as u64;
        self.position = StatePosition { segment: segment + 1, bytes, snapshot_bytes: bytes };
        Ok((segment > 0).then_some(segment))
    }

    fn write(lake: &Lake, segment: u64, at: u64, frame: &[u8]) -> Result<(), StoreError> {
        let path = path(lake, segment);
        lake.store().append(&path, at, frame).map_err(StoreError::of(Operation::Append, &path))
    }
}

/// The snapshot and the increments behind it.
///
/// # Errors
/// Where the file cannot be read, or, as the inner error, what is wrong with it.
pub(crate) fn read(lake: &Lake, position: StatePosition) -> Result<Result<Vec<Vec<u8>>, String>, StoreError> {
    let path = path(lake, position.segment);
    let bytes = lake.store().read(&path).map_err(StoreError::of(Operation::Read, &path))?;
    let wanted = usize::try_from(position.bytes).unwrap_or(usize::MAX);
    let Some(mut rest) = bytes.get(..wanted) else {
        return Ok(Err(format!("it is {} bytes long; the last commit says {wanted}", bytes.len())));
    };
    let mut frames = Vec::new();
    while !rest.is_empty() {
        let at = wanted - rest.len();
        let Some((frame, behind)) = split_frame(rest) else {
            return Ok(Err(format!("the frame at byte {at} is not as it was written")));
        };
        frames.push(frame.to_vec());
        rest = behind;
    }
    Ok(Ok(frames))
}

/// Removes every file but the one of `position`.
pub(crate) fn sweep(lake: &Lake, position: StatePosition) -> Result<(), StoreError> {
    let folder = folder(lake);
    let names = lake.store().list(&folder).map_err(StoreError::of(Operation::List, &folder))?;
    for name in names.unwrap_or_default() {
        let path = folder.join(&name);
        if path != self::path(lake, position.segment) {
            lake.store().remove_file(&path).map_err(StoreError::of(Operation::Remove, &path))?;
        }
    }
    Ok(())
}

/// Removes the file of that number.
pub(crate) fn remove(lake: &Lake, segment: u64) -> Result<(), StoreError> {
    let path = path(lake, segment);
    lake.store().remove_file(&path).map_err(StoreError::of(Operation::Remove, &path))
}

fn frame(bytes: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(FRAME_HEAD_BYTES + bytes.len());
    frame.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
    frame.extend_from_slice(&crc32fast::hash(bytes).to_le_bytes());
    frame.extend_from_slice(bytes);
    frame
}

fn split_frame(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = bytes.split_first_chunk::<8>()?;
    let (checksum, rest) = rest.split_first_chunk::<4>()?;
    let (frame, rest) = rest.split_at_checked(usize::try_from(u64::from_le_bytes(*len)).ok()?)?;
    (crc32fast::hash(frame) == u32::from_le_bytes(*checksum)).then_some((frame, rest))
}

fn folder(lake: &Lake) -> PathBuf {
    lake.root().join(MARK).join("state")
}

fn path(lake: &Lake, segment: u64) -> PathBuf {
    folder(lake).join(Path::new(&format!("{segment:06}.log")))
}
