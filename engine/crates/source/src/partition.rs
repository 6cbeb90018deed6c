//! One source partition: an input that is opened when it is first read, and can be closed and opened again.

use std::fmt;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::identity::FileIdentity;
use crate::inputs::{Compression, Input, InputKind};
use crate::lines::{LineLimits, LineReader, SlabRef};
use crate::stoppable::Stoppable;
use crate::stream::{Stream, stdin};

/// Reading an input failed.
///
/// The message holds the cause, so there is no [`source`](std::error::Error::source) to print after it.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot read {} at byte {offset}{}: {cause}",
    if name == "-" { "standard input".to_owned() } else { format!("\"{name}\"") },
    if *compressed { " (uncompressed)" } else { "" }
)]
pub struct ReadError {
    /// The input's name.
    pub name: String,
    /// Where in the uncompressed bytes.
    pub offset: u64,
    /// Whether the input is compressed, so that the file's own offset is another one.
    pub compressed: bool,
    /// What happened.
    pub cause: io::Error,
}

/// Reads one input slab by slab.
///
/// Holds a descriptor, a buffer and a decoder only while it is open: from the first slab on until the end, an error, or
/// [`suspend`](Self::suspend).
pub struct PartitionReader {
    input: Input,
    limits: LineLimits,
    /// Of the file when it was first opened.
    identity: Option<FileIdentity>,
    stop: Option<Arc<AtomicBool>>,
    state: State,
}

enum State {
    Closed { offset: u64 },
    Open(Box<LineReader<Stream>>),
    Finished { offset: u64 },
    Failed { offset: u64 },
}

impl PartitionReader {
    /// Reads `input` from its beginning. Opens nothing yet.
    #[must_use]
    pub fn new(input: Input) -> PartitionReader {
        PartitionReader::starting_at(input, 0, LineLimits::default())
    }

    /// Reads `input` from `offset` of its uncompressed bytes on, where a line starts. Opens nothing yet.
    ///
    /// Where the input cannot seek there (compressed files, pipes, stdin), all before is read and thrown away.
    #[must_use]
    pub fn starting_at(input: Input, offset: u64, limits: LineLimits) -> PartitionReader {
        PartitionReader { input, limits, identity: None, stop: None, state: State::Closed { offset } }
    }

    /// Lets `stop` end what cannot be read again (stdin, a pipe), where the next bytes may never come: once it is set,
    /// such an input looks as if it had ended. The caller has to look at `stop` to tell the two apart.
    #[must_use]
    pub fn stopped_by(mut self, stop: Arc<AtomicBool>) -> PartitionReader {
        self.stop = Some(stop);
        self
    }

    /// The input it reads.
    #[must_use]
    pub fn input(&self) -> &Input {
        &self.input
    }

    /// The next slab, or `None` at the end; see [`LineReader::next_slab`]. Opens the input where it is not open, and
    /// closes it at the end.
    ///
    /// # Errors
    /// Where the input cannot be opened or read, or is no longer what it was when it was suspended. All whole lines
    /// before the failure have been yielded by then. Every later call fails, too.
    pub fn next_slab(&mut self) -> Result<Option<SlabRef<'_>>, ReadError> {
        if let State::Closed { offset } = self.state {
            match self.open(offset) {
                Ok(lines) => self.state = State::Open(Box::new(lines)),
                Err(cause) => return Err(self.fail(offset, cause)),
            }
        }
        let advanced = match &mut self.state {
            State::Open(lines) => lines.advance().map_err(|cause| (lines.position(), cause)),
            State::Closed { .. } | State::Finished { .. } => Ok(false),
            State::Failed { offset } => Err((*offset, io::Error::other("an earlier read failed"))),
        };
        match advanced {
            Ok(true) => {}
            Ok(false) => self.state = State::Finished { offset: self.next_offset() },
            Err((offset, cause)) => return Err(self.fail(offset, cause)),
        }
        Ok(match &self.state {
            State::Open(lines) => Some(lines.slab()),
            State::Closed { .. } | State::Finished { .. } | State::Failed { .. } => None,
        })
    }

    /// Takes back the last `bytes` bytes of the slab yielded last; see [`LineReader::give_back`].
    ///
    /// # Panics
    /// Where no slab was yielded since the reader was opened, or it was shorter.
    pub fn give_back(&mut self, bytes: usize) {
        match &mut self.state {
            State::Open(lines) => lines.give_back(bytes),
            State::Closed { .. } | State::Finished { .. } | State::Failed { .. } => {
                assert!(bytes == 0, "{bytes} bytes given back to a reader that is not open");
            }
        }
    }

    /// Closes the input and frees its memory; the next slab will open it again and go on at [`Self::next_offset`].
    ///
    /// Slabs yielded count as read, unless given back. A plain file is then sought; a compressed one is decompressed
    /// from its beginning. Does nothing where the input cannot be read again (a pipe, stdin) or is not open.
    pub fn suspend(&mut self) {
        if let State::Open(lines) = &self.state
            && self.is_replayable()
        {
            let offset = lines.next_offset();
            let is_exhausted = lines.is_exhausted();
            self.state = if is_exhausted { State::Finished { offset } } else { State::Closed { offset } };
        }
    }

    /// Offset of the first line not yet yielded, or given back.
    #[must_use]
    pub fn next_offset(&self) -> u64 {
        match &self.state {
            State::Open(lines) => lines.next_offset(),
            State::Closed { offset } | State::Finished { offset } | State::Failed { offset } => *offset,
        }
    }

    /// Whether it holds a descriptor and a buffer.
    #[must_use]
    pub fn is_open(&self) -> bool {
        matches!(self.state, State::Open(_))
    }

    /// Whether it can be suspended: a regular file can.
    #[must_use]
    pub fn is_replayable(&self) -> bool {
        matches!(self.input.kind, InputKind::File { replayable: true, .. })
    }

    fn open(&mut self, offset: u64) -> io::Result<LineReader<Stream>> {
        let mut stream = match &self.input.kind {
            InputKind::Stdin => Stream::Stdin(Stoppable::new(stdin()?, self.stop.clone())),
            InputKind::File { path, compression, replayable } => {
                let file = File::open(path)?;
                check_identity(&mut self.identity, path, &file)?;
                let stop = if *replayable { None } else { self.stop.clone() };
                Stream::of_file(Stoppable::new(file, stop), *compression)?
            }
        };
        stream.go_to(offset, self.is_replayable())?;
        Ok(LineReader::new(stream, offset, self.limits))
    }

    fn fail(&mut self, offset: u64, cause: io::Error) -> ReadError {
        self.state = State::Failed { offset: self.next_offset() };
        let compressed = match self.input.kind {
            InputKind::Stdin => false,
            InputKind::File { compression, .. } => compression != Compression::None,
        };
        ReadError { name: self.input.name.clone(), offset, compressed, cause }
    }
}

impl fmt::Debug for PartitionReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Closed { .. } => "closed",
            State::Open(_) => "open",
            State::Finished { .. } => "finished",
            State::Failed { .. } => "failed",
        };
        f.debug_struct("PartitionReader")
            .field("input", &self.input)
            .field("state", &state)
            .field("next_offset", &self.next_offset())
            .finish_non_exhaustive()
    }
}

/// Sees that the file is the one opened first, for which `identity` is then set.
fn check_identity(identity: &mut Option<FileIdentity>, path: &Path, file: &File) -> io::Result<()> {
    let found = FileIdentity::of_file(path, file)?;
    if *identity.get_or_insert_with(|| found.clone()) == found {
        return Ok(());
    }
    Err(io::Error::new(ErrorKind::InvalidData, "another file has taken its place since reading began"))
}

#[cfg(test)]
mod tests;
