//! Inputs that cannot be read again: a thread writes their bytes into the lake's input log first, and the source thread reads
//! what is synced there.
//!
//! What an earlier run has left in the log comes first. A pipe acknowledges nothing: bytes that the process had taken out of it and
//! not written yet when it died are gone, as they are with every reader of a pipe; the log thread writes at once what it takes.

use std::io::{self, ErrorKind, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use engine_lake::{InputLog, StoreError, StoredInput};
use engine_source::{ByteStream, Input, LineLimits, LineReader, ReadError, SlabRef};
use rtrb::{Consumer, Producer};

use crate::message::{Gone, receive, send};

/// How much is written and synced at once at the most.
const CHUNK_BYTES_MAX: usize = 4 << 20;

/// Chunks on their way to the source thread.
const CHUNK_RING_LEN: usize = 8;

/// Why a logged input could not be read on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LogError {
    /// The input failed.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// What was read could not be written down, or what was written not be read.
    #[error("{error}: {}", error.source)]
    Store {
        /// The step that failed.
        error: StoreError,
    },
    /// The thread that reads it is gone.
    #[error("the thread that logs {name} is gone")]
    Gone {
        /// The input.
        name: String,
    },
}

impl From<StoreError> for LogError {
    fn from(error: StoreError) -> LogError {
        LogError::Store { error }
    }
}

/// What the log thread hands over: bytes that are synced, or how it ended.
#[derive(Debug)]
pub(crate) enum Chunk {
    Bytes(Vec<u8>),
    End,
    Failed(LogError),
}

/// The log thread's work.
#[derive(Debug)]
pub(crate) struct LogPump {
    input: Input,
    log: InputLog,
    chunks: Producer<Chunk>,
    /// Set when nobody reads any more.
    quit: Arc<AtomicBool>,
}

impl LogPump {
    /// Logs the input until it ends or nobody reads any more.
    pub(crate) fn run(mut self) {
        let last = match self.pump() {
            Ok(()) => Chunk::End,
            Err(Interruption::Gone) => return,
            Err(Interruption::Failed(error)) => Chunk::Failed(error),
        };
        // Who has gone does not miss it.
        let _ = send(&mut self.chunks, last);
    }

    fn pump(&mut self) -> Result<(), Interruption> {
        let mut bytes = ByteStream::open(&self.input, Arc::clone(&self.quit)).map_err(LogError::from)?;
        loop {
            let chunk = bytes.next_chunk(CHUNK_BYTES_MAX).map_err(LogError::from)?;
            if chunk.is_empty() {
                if !self.quit.load(Relaxed) {
                    self.log.finish().map_err(LogError::from)?;
                }
                return Ok(());
            }
            let chunk = self.log.append(chunk).map_err(LogError::from)?;
            send(&mut self.chunks, Chunk::Bytes(chunk))?;
        }
    }
}

enum Interruption {
    Gone,
    Failed(LogError),
}

impl From<Gone> for Interruption {
    fn from(Gone: Gone) -> Interruption {
        Interruption::Gone
    }
}

impl From<LogError> for Interruption {
    fn from(error: LogError) -> Interruption {
        Interruption::Failed(error)
    }
}

/// What a logged input has next.
pub(crate) enum LogSlab<'a> {
    Slab(SlabRef<'a>),
    /// Nothing yet.
    NotYet,
    End,
}

/// Slabs of whole lines of a logged input.
#[derive(Debug)]
pub(crate) struct LogReader {
    lines: LineReader<LogTail>,
}

/// The bytes of a log: those stored by earlier runs, then those that come.
#[derive(Debug)]
struct LogTail {
    name: String,
    stored: StoredInput,
    chunks: Consumer<Chunk>,
    chunk: Vec<u8>,
    /// How much of the chunk was read.
    read: usize,
    has_ended: bool,
    failure: Option<LogError>,
    quit: Arc<AtomicBool>,
}

/// A reader of `input` from `offset` on, where a line starts, and the work of the thread that must run beside it.
pub(crate) fn logged(input: &Input, log: InputLog, offset: u64) -> (LogReader, LogPump) {
    let (tx, rx) = rtrb::RingBuffer::new(CHUNK_RING_LEN);
    let quit = Arc::new(AtomicBool::new(false));
    let tail = LogTail {
        name: input.name.clone(),
        stored: log.stored(offset),
        chunks: rx,
        chunk: Vec::new(),
        read: 0,
        has_ended: false,
        failure: None,
        quit: Arc::clone(&quit),
    };
    let lines = LineReader::new(tail, offset, LineLimits::default());
    (LogReader { lines }, LogPump { input: input.clone(), log, chunks: tx, quit })
}

impl LogReader {
    /// The next slab; see [`LineReader::next_slab`]. Does not wait.
    pub(crate) fn next_slab(&mut self) -> Result<LogSlab<'_>, LogError> {
        // Asked twice, because what the first answer borrows would be lent for the second.
        let failure = match self.lines.next_slab() {
            Ok(Some(_)) => return Ok(LogSlab::Slab(self.lines.last_slab())),
            Ok(None) => return Ok(LogSlab::End),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(LogSlab::NotYet),
            Err(_) => self.lines.get_mut().failure.take(),
        };
        let gone = LogError::Gone { name: self.lines.get_mut().name.clone() };
        Err(failure.unwrap_or(gone))
    }

    pub(crate) fn give_back(&mut self, bytes: usize) {
        self.lines.give_back(bytes);
    }

    pub(crate) fn next_offset(&self) -> u64 {
        self.lines.next_offset()
    }
}

impl LogTail {
    fn next_chunk(&mut self) -> Result<Option<Chunk>, LogError> {
        if let Some(chunk) = self.stored.next_chunk()? {
            return Ok(Some(Chunk::Bytes(chunk)));
        }
        receive(&mut self.chunks).map_err(|Gone| LogError::Gone { name: self.name.clone() })
    }
}

impl Read for LogTail {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.read == self.chunk.len() {
            if self.has_ended {
                return Ok(0);
            }
            let next = match self.next_chunk() {
                Ok(Some(Chunk::Failed(error))) | Err(error) => {
                    self.failure = Some(error);
                    return Err(io::Error::other("the log has failed"));
                }
                Ok(next) => next,
            };
            match next {
                Some(Chunk::Bytes(bytes)) => (self.chunk, self.read) = (bytes, 0),
                Some(Chunk::End) => self.has_ended = true,
                Some(Chunk::Failed(_)) | None => return Err(ErrorKind::WouldBlock.into()),
            }
        }
        let count = into.len().min(self.chunk.len() - self.read);
        into[..count].copy_from_slice(&self.chunk[self.read..][..count]);
        self.read += count;
        Ok(count)
    }
}

impl Drop for LogTail {
    fn drop(&mut self) {
        // Relaxed: the log thread only has to see it some time.
        self.quit.store(true, Relaxed);
    }
}
