//! Bytes in: files, compressed files and stdin as slabs of whole lines with their offsets.
//!
//! [`resolve`] turns what the user named into a fixed list of [`Input`]s, each one source partition. A
//! [`PartitionReader`] yields an input's lines slab by slab and can close its file between two slabs, so that many
//! files need few descriptors; [`OpenReaders`] says when. What a line means is the parser's business, save that a line
//! longer than the limit is cut here, where it would otherwise have to be held in memory.

#![forbid(unsafe_code)]

mod bytes;
mod identity;
mod inputs;
mod lines;
mod open_readers;
mod partition;
mod pattern;
mod stoppable;
mod stream;

pub use bytes::ByteStream;
pub use inputs::{Compression, Input, InputError, InputKind, resolve};
pub use lines::{LINE_BYTES_MAX, LineLimits, LineReader, READ_BYTES_DEFAULT, SlabRef};
pub use open_readers::{OPEN_READERS_DEFAULT, OpenReaders};
pub use partition::{PartitionReader, ReadError};
