//! The uncompressed bytes of an input, whatever it is and however compressed, with errors a user can act on.

use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Seek, SeekFrom};

use flate2::bufread::GzDecoder;

use crate::inputs::Compression;
use crate::stoppable::Stoppable;

/// How much compressed data is read at once.
const COMPRESSED_READ_BYTES: usize = 64 * 1024;

/// The largest window a zstd frame may ask for, as a power of two: 128 MiB, what `zstd -d` allows without asking.
/// Memory for it is needed while the input is open.
const ZSTD_WINDOW_LOG_MAX: u32 = 27;

/// Standard input as it is, on Unix: the library's buffer would hold bytes back that a wait for the next ones does
/// not see.
#[cfg(unix)]
pub(crate) type Stdin = File;
#[cfg(not(unix))]
pub(crate) type Stdin = io::Stdin;

#[cfg(unix)]
pub(crate) fn stdin() -> io::Result<Stdin> {
    use std::os::fd::AsFd;
    Ok(File::from(io::stdin().as_fd().try_clone_to_owned()?))
}

#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "can fail elsewhere")]
pub(crate) fn stdin() -> io::Result<Stdin> {
    Ok(io::stdin())
}

/// The uncompressed bytes of an input.
pub(crate) enum Stream {
    Stdin(Stoppable<Stdin>),
    Plain(Stoppable<File>),
    Gzip(Box<GzipReader<BufReader<PatientFile>>>),
    Zstd(ZstdReader<BufReader<PatientFile>>),
}

impl Stream {
    pub(crate) fn of_file(file: Stoppable<File>, compression: Compression) -> io::Result<Stream> {
        let buffered = |file| BufReader::with_capacity(COMPRESSED_READ_BYTES, PatientFile(file));
        Ok(match compression {
            Compression::None => Stream::Plain(file),
            Compression::Gzip => Stream::Gzip(Box::new(GzipReader::new(buffered(file)))),
            Compression::Zstd => Stream::Zstd(ZstdReader::new(buffered(file))?),
        })
    }

    /// Goes forward to `offset` of the uncompressed bytes, of which none may have been read yet, and sees that a line
    /// can start there. Seeks where that is possible (`can_seek`, and no compression), else reads all before.
    pub(crate) fn go_to(&mut self, offset: u64, can_seek: bool) -> io::Result<()> {
        let Some(before) = offset.checked_sub(1) else { return Ok(()) };
        let skipped = if let (Stream::Plain(file), true) = (&mut *self, can_seek) {
            file.get_mut().seek(SeekFrom::Start(before))?
        } else {
            discard(self, before)?
        };
        let last = if skipped == before { read_byte(self)? } else { None };
        match last {
            None => Err(io::Error::new(
                ErrorKind::UnexpectedEof,
                format!("it ends before byte {offset}, where reading is to go on; it has shrunk since it was read"),
            )),
            Some(b'\n') => Ok(()),
            // After the byte order mark.
            Some(0xbf) if offset == 3 => Ok(()),
            // A last line without an end was read, and nothing has come after it.
            Some(_) if read_byte(self)?.is_none() => Ok(()),
            Some(_) => Err(io::Error::new(
                ErrorKind::InvalidData,
                format!("no line starts at byte {offset}, where reading is to go on; it has changed since it was read"),
            )),
        }
    }
}

impl Stream {
    /// Whether a read would not wait, as far as that can be known: never where bytes are decompressed.
    pub(crate) fn is_readable_now(&mut self) -> bool {
        match self {
            Stream::Stdin(stdin) => stdin.is_readable_now(),
            Stream::Plain(file) => file.is_readable_now(),
            Stream::Gzip(_) | Stream::Zstd(_) => false,
        }
    }
}

impl Read for Stream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Stdin(stdin) => stdin.read(into),
            Stream::Plain(file) => file.read(into),
            Stream::Gzip(reader) => reader.read(into),
            Stream::Zstd(reader) => reader.read(into),
        }
    }
}

/// Reads up to `bytes` bytes into nothing; returns how many there were.
fn discard(reader: &mut impl Read, bytes: u64) -> io::Result<u64> {
    io::copy(&mut reader.take(bytes), &mut io::sink())
}

fn read_byte(reader: &mut impl Read) -> io::Result<Option<u8>> {
    let mut byte = Vec::new();
    reader.take(1).read_to_end(&mut byte)?;
    Ok(byte.pop())
}

/// A file whose reads are repeated when interrupted: not every decoder does so, and one that fails has lost its place.
pub(crate) struct PatientFile(Stoppable<File>);

impl Read for PatientFile {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.0.read(into) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                done => return done,
            }
        }
    }
}

/// Decompresses gzip members, one after another, and zero bytes behind the last, as tapes and `gzip` itself have them.
pub(crate) struct GzipReader<R> {
    decoder: GzDecoder<Slot<R>>,
    between_members: bool,
    member_count: u64,
}

/// The decoder takes a new source only in exchange for its own, so there has to be one that is nothing.
struct Slot<R>(Option<R>);

impl<R: BufRead> GzipReader<R> {
    pub(crate) fn new(source: R) -> GzipReader<R> {
        // The decoder would read a header at once and keep an error of that for later; so it gets nothing at first.
        let mut decoder = GzDecoder::new(Slot(None));
        decoder.get_mut().0 = Some(source);
        GzipReader { decoder, between_members: true, member_count: 0 }
    }

    /// Whether a member follows rather than the end.
    fn member_follows(&mut self) -> io::Result<bool> {
        let is_first = self.member_count == 0;
        let source = self.decoder.get_mut();
        match source.fill_buf()?.first() {
            None if is_first => Err(gzip_truncated()),
            None => Ok(false),
            Some(0x1f) => Ok(true),
            Some(_) if is_first => Err(invalid("not a gzip file".to_owned())),
            Some(_) => {
                while let bytes @ [_, ..] = source.fill_buf()? {
                    if bytes.iter().any(|byte| *byte != 0) {
                        return Err(invalid("unexpected bytes after the end of the gzip stream".to_owned()));
                    }
                    let count = bytes.len();
                    source.consume(count);
                }
                Ok(false)
            }
        }
    }
}

impl<R: BufRead> Read for GzipReader<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if into.is_empty() {
            return Ok(0);
        }
        loop {
            if self.between_members {
                if !self.member_follows()? {
                    return Ok(0);
                }
                let source = Slot(self.decoder.get_mut().0.take());
                self.decoder.reset(source);
                self.between_members = false;
            }
            match self.decoder.read(into) {
                Ok(0) => {
                    self.between_members = true;
                    self.member_count += 1;
                }
                Ok(count) => return Ok(count),
                Err(error) => return Err(explain_gzip(error)),
            }
        }
    }
}

impl<R: BufRead> Read for Slot<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.0.as_mut().map_or(Ok(0), |source| source.read(into))
    }
}

impl<R: BufRead> BufRead for Slot<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.0.as_mut().map_or(Ok(&[]), BufRead::fill_buf)
    }

    fn consume(&mut self, count: usize) {
        if let Some(source) = &mut self.0 {
            source.consume(count);
        }
    }
}

/// Decompresses zstd frames, one after another.
pub(crate) struct ZstdReader<R> {
    decoder: zstd::Decoder<'static, R>,
    has_output: bool,
}

impl<R: BufRead> ZstdReader<R> {
    pub(crate) fn new(source: R) -> io::Result<ZstdReader<R>> {
        let mut decoder = zstd::Decoder::with_buffer(source)?;
        decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
        Ok(ZstdReader { decoder, has_output: false })
    }
}

impl<R: BufRead> Read for ZstdReader<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.decoder.read(into).map_err(|error| explain_zstd(error, self.has_output))?;
        self.has_output |= count > 0;
        Ok(count)
    }
}

fn explain_gzip(error: io::Error) -> io::Error {
    if error.raw_os_error().is_some() {
        error
    } else if error.kind() == ErrorKind::UnexpectedEof {
        gzip_truncated()
    } else {
        invalid(format!("the gzip stream is corrupt: {error}"))
    }
}

fn gzip_truncated() -> io::Error {
    io::Error::new(ErrorKind::UnexpectedEof, "unexpected end of the gzip stream; the file is truncated")
}

fn explain_zstd(error: io::Error, has_output: bool) -> io::Error {
    if error.raw_os_error().is_some() {
        return error;
    }
    if error.kind() == ErrorKind::UnexpectedEof {
        let message = "unexpected end of the zstd stream; the file is truncated";
        return io::Error::new(ErrorKind::UnexpectedEof, message);
    }
    // The library's codes do not get through to here, its texts do.
    let text = error.to_string();
    invalid(if text.contains("requires too much memory") {
        let mebibytes = (1_u64 << ZSTD_WINDOW_LOG_MAX) >> 20;
        format!("a zstd frame has a window of more than {mebibytes} MiB; compress it without --long or --ultra")
    } else if text.contains("Unknown frame descriptor") && has_output {
        "unexpected bytes after the end of a zstd frame".to_owned()
    } else if text.contains("Unknown frame descriptor") {
        "not a zstd file".to_owned()
    } else {
        format!("the zstd stream is corrupt: {text}")
    })
}

fn invalid(message: String) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, message)
}

#[cfg(test)]
mod tests;
