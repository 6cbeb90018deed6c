//! Bytes in: files, compressed files and stdin as slabs of whole lines with their offsets.
//!
//! [`resolve`] turns what the user named into a fixed list of [`Input`]s, each one source partition. A
//! [`PartitionReader`] yields an input's lines slab by slab and can close its file between two slabs, so that many
//! files need few descriptors; [`OpenReaders`] says when. What a line means is the parser's business, save that a line
//! longer than the limit is cut here, where it would otherwise have to be held in memory.
//!
//! Without the feature `files` only [`LineReader`] is left, which reads whatever can be read.

#![forbid(unsafe_code)]

#[cfg(feature = "files")]
mod identity;
#[cfg(feature = "files")]
mod inputs;
mod lines;
#[cfg(feature = "files")]
mod open_readers;
#[cfg(feature = "files")]
mod partition;
#[cfg(feature = "files")]
mod pattern;
#[cfg(feature = "files")]
mod stoppable;
#[cfg(feature = "files")]
mod stream;

#[cfg(feature = "files")]
pub use inputs::{Compression, Input, InputError, InputKind, resolve};
pub use lines::{LINE_BYTES_MAX, LineLimits, LineReader, READ_BYTES_DEFAULT, SlabRef};
#[cfg(feature = "files")]
pub use open_readers::{OPEN_READERS_DEFAULT, OpenReaders};
#[cfg(feature = "files")]
pub use partition::{PartitionReader, ReadError};
