//! Storage that fails where a test wants it to, below everything else: the file system, but for one step.
//!
//! In debug builds `TILLRACE_FAULT=KIND:COUNT` lets the step of that number that changes something fail: `space` writes half and says that no
//! space is left, `short` writes half and says so, `sync` does everything and then says that syncing has failed. Release builds know
//! nothing of it.

use std::ffi::OsString;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::store::{FileSystem, OpenedFile, Store, TryLock};

/// How a step fails.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Space,
    Short,
    Sync,
}

#[derive(Debug)]
struct Faulty {
    kind: Kind,
    /// Steps that go well before the one that fails.
    left: AtomicU64,
}

/// The file system; one that fails where a test has asked for it.
///
/// # Panics
/// Where what the test asks for is not understood.
pub(crate) fn file_system() -> Arc<dyn Store> {
    let Some(asked) = std::env::var("TILLRACE_FAULT").ok().filter(|_| cfg!(debug_assertions)) else {
        return Arc::new(FileSystem);
    };
    let parsed = asked.split_once(':').and_then(|(kind, count)| {
        let kind = match kind {
            "space" => Kind::Space,
            "short" => Kind::Short,
            "sync" => Kind::Sync,
            _ => return None,
        };
        Some((kind, count.parse().ok()?))
    });
    let (kind, left) =
        parsed.unwrap_or_else(|| panic!("TILLRACE_FAULT={asked} is not space, short or sync with a count"));
    Arc::new(Faulty { kind, left: AtomicU64::new(left) })
}

impl Faulty {
    /// The error of this step, if it is the one.
    fn strike(&self) -> Option<io::Error> {
        // Relaxed: a counter on its own.
        if self.left.fetch_sub(1, Relaxed) != 0 {
            return None;
        }
        Some(match self.kind {
            Kind::Space => io::Error::new(ErrorKind::StorageFull, "No space left on device"),
            Kind::Short => io::Error::new(ErrorKind::WriteZero, "failed to write whole buffer"),
            Kind::Sync => io::Error::other("Input/output error"),
        })
    }

    /// A step that is done whole or not at all.
    fn step(&self, step: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        match (self.strike(), self.kind) {
            (None, _) => step(),
            (Some(error), Kind::Sync) => step().and(Err(error)),
            (Some(error), Kind::Space | Kind::Short) => Err(error),
        }
    }

    /// How much of so many bytes is written, and the error behind it.
    fn cut(&self, bytes: usize) -> (usize, io::Result<()>) {
        match (self.strike(), self.kind) {
            (None, _) => (bytes, Ok(())),
            (Some(error), Kind::Sync) => (bytes, Err(error)),
            (Some(error), Kind::Space | Kind::Short) => (bytes / 2, Err(error)),
        }
    }
}

impl Store for Faulty {
    fn list(&self, folder: &Path) -> io::Result<Option<Vec<OsString>>> {
        FileSystem.list(folder)
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        FileSystem.read(path)
    }

    fn open(&self, path: &Path) -> io::Result<OpenedFile> {
        FileSystem.open(path)
    }

    fn create_folder(&self, folder: &Path) -> io::Result<()> {
        self.step(|| FileSystem.create_folder(folder))
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let (count, result) = self.cut(bytes.len());
        FileSystem.write(path, &bytes[..count]).and(result)
    }

    fn write_part(&self, path: &Path, at: u64, bytes: &[u8]) -> io::Result<()> {
        let (count, result) = self.cut(bytes.len());
        FileSystem.write_part(path, at, &bytes[..count]).and(result)
    }

    fn sync(&self, path: &Path) -> io::Result<()> {
        self.step(|| FileSystem.sync(path))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step(|| FileSystem.rename(from, to))
    }

    fn len(&self, path: &Path) -> io::Result<Option<u64>> {
        FileSystem.len(path)
    }

    fn append(&self, path: &Path, at: u64, bytes: &[u8]) -> io::Result<()> {
        let (count, result) = self.cut(bytes.len());
        FileSystem.append(path, at, &bytes[..count]).and(result)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        self.step(|| FileSystem.sync_folder(folder))
    }

    fn lock(&self, path: &Path) -> io::Result<TryLock> {
        FileSystem.lock(path)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.step(|| FileSystem.remove_file(path))
    }

    fn remove_folder(&self, folder: &Path) -> io::Result<()> {
        FileSystem.remove_folder(folder)
    }
}
