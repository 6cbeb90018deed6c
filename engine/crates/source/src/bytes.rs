//! The uncompressed bytes of an input that cannot be read again, in chunks as they come: for who writes them down first.

use std::fmt;
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::inputs::{Compression, Input, InputKind};
use crate::partition::ReadError;
use crate::stoppable::Stoppable;
use crate::stream::{Stream, stdin};

/// How much is asked for at once: what a pipe holds.
const READ_BYTES: usize = 64 * 1024;

/// Bytes of an input, in order.
pub struct ByteStream {
    name: String,
    compressed: bool,
    stream: Stream,
    position: u64,
}

impl ByteStream {
    /// Opens an input. Opening a named pipe waits for who writes to it. Once `stop` is set, the input looks as if it had ended.
    ///
    /// # Errors
    /// Where it cannot be opened.
    pub fn open(input: &Input, stop: Arc<AtomicBool>) -> Result<ByteStream, ReadError> {
        let compression = match &input.kind {
            InputKind::Stdin => Compression::None,
            InputKind::File { compression, .. } => *compression,
        };
        let compressed = compression != Compression::None;
        let open = || {
            Ok(match &input.kind {
                InputKind::Stdin => Stream::Stdin(Stoppable::new(stdin()?, Some(stop))),
                InputKind::File { path, .. } => {
                    Stream::of_file(Stoppable::new(File::open(path)?, Some(stop)), compression)?
                }
            })
        };
        let failed = |cause| ReadError { name: input.name.clone(), offset: 0, compressed, cause };
        Ok(ByteStream { name: input.name.clone(), compressed, stream: open().map_err(failed)?, position: 0 })
    }

    /// The next bytes, none at the end. Waits for the first, then takes what is there without waiting, about `bytes_max` at the most.
    ///
    /// # Errors
    /// Where reading fails.
    pub fn next_chunk(&mut self, bytes_max: usize) -> Result<Vec<u8>, ReadError> {
        let mut chunk = Vec::new();
        loop {
            let before = chunk.len();
            chunk.resize(before + READ_BYTES, 0);
            match self.stream.read(&mut chunk[before..]) {
                Ok(count) => {
                    chunk.truncate(before + count);
                    self.position += count as u64;
                    if count == 0 || chunk.len() >= bytes_max || !self.stream.is_readable_now() {
                        return Ok(chunk);
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => chunk.truncate(before),
                Err(cause) => return self.fail(cause),
            }
        }
    }

    fn fail(&self, cause: io::Error) -> Result<Vec<u8>, ReadError> {
        Err(ReadError { name: self.name.clone(), offset: self.position, compressed: self.compressed, cause })
    }
}

impl fmt::Debug for ByteStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ByteStream").field("name", &self.name).field("position", &self.position).finish_non_exhaustive()
    }
}
