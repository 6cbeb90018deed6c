//! Reads that may wait for ever, and how to end the wait.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A reader that ends when a flag is set, also while it waits for bytes.
#[derive(Debug)]
pub(crate) struct Stoppable<R> {
    reader: R,
    stop: Option<Arc<AtomicBool>>,
}

impl<R> Stoppable<R> {
    /// Ends when `stop` is set; without one it is just `reader`.
    pub(crate) fn new(reader: R, stop: Option<Arc<AtomicBool>>) -> Stoppable<R> {
        Stoppable { reader, stop }
    }

    pub(crate) fn get_mut(&mut self) -> &mut R {
        &mut self.reader
    }
}

#[cfg(unix)]
impl<R: std::os::fd::AsFd> Stoppable<R> {
    /// Whether a read would not wait.
    pub(crate) fn is_readable_now(&mut self) -> bool {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};

        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        let mut polled = [PollFd::new(&self.reader, PollFlags::IN)];
        // A hang-up without bytes is left to the next read.
        poll(&mut polled, Some(&now)).is_ok() && polled[0].revents().contains(PollFlags::IN)
    }
}

#[cfg(not(unix))]
impl<R> Stoppable<R> {
    /// Nobody can know.
    pub(crate) fn is_readable_now(&mut self) -> bool {
        false
    }
}

#[cfg(unix)]
impl<R: Read + std::os::fd::AsFd> Read for Stoppable<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};

        /// How long the flag may go unseen.
        const WAIT: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
        if let Some(stop) = &self.stop {
            loop {
                if stop.load(Ordering::Relaxed) {
                    return Ok(0);
                }
                let mut polled = [PollFd::new(&self.reader, PollFlags::IN)];
                match poll(&mut polled, Some(&WAIT)) {
                    Ok(0) | Err(rustix::io::Errno::INTR) => {}
                    // Bytes, the end, or an error that the read will say.
                    Ok(_) => break,
                    Err(error) => return Err(error.into()),
                }
            }
        }
        self.reader.read(into)
    }
}

#[cfg(not(unix))]
impl<R: Read> Read for Stoppable<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        // Only between two reads; a second interrupt ends the process.
        match &self.stop {
            Some(stop) if stop.load(Ordering::Relaxed) => Ok(0),
            _ => self.reader.read(into),
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::unix::net::UnixStream;
    use std::time::Duration;

    #[test]
    fn a_reader_that_waits_for_bytes_ends_when_it_is_told_to() {
        let (mut writer, reader) = UnixStream::pair().unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let mut reader = Stoppable::new(reader, Some(Arc::clone(&stop)));
        let mut buffer = [0; 8];
        writer.write_all(b"bytes").unwrap();
        assert_eq!(reader.read(&mut buffer).unwrap(), 5);
        let waiting = std::thread::spawn(move || reader.read(&mut [0; 8]).unwrap());
        std::thread::sleep(Duration::from_millis(50));
        assert!(!waiting.is_finished());
        stop.store(true, Ordering::Relaxed);
        assert_eq!(waiting.join().unwrap(), 0);
        drop(writer);
    }
}
