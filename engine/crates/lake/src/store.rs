//! The few things a lake asks of storage, and the file system that does them.
//!
//! A step that returns `Ok` is durable. Everything above this file is written against the trait, so that tests can
//! look on, and can let any step fail.

use std::ffi::OsString;
use std::fmt;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, Length};

/// Storage. All calls block.
pub(crate) trait Store: fmt::Debug + Send + Sync {
    /// The names in a folder; `None` where nothing is at `folder`, [`io::ErrorKind::NotADirectory`] where a file is.
    fn list(&self, folder: &Path) -> io::Result<Option<Vec<OsString>>>;

    /// All bytes of a file, as it was at one moment: one that is replaced meanwhile is read to its own end.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// Opens a file to read parts of it, as it is at this moment: one that is replaced meanwhile stays as it was.
    fn open(&self, path: &Path) -> io::Result<OpenedFile>;

    /// Makes one folder. [`io::ErrorKind::AlreadyExists`] where something is there, [`io::ErrorKind::NotFound`]
    /// where the folder above is missing.
    fn create_folder(&self, folder: &Path) -> io::Result<()>;

    /// Writes a file, whatever was there before. After an error, part of the file may be there.
    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;

    /// Writes a part of a file that grows, from byte `at` on; at 0 it begins anew, whatever was there before. Not durable
    /// before [`Store::sync`]. After an error, part of it may be there; writing the same part again puts that right.
    fn write_part(&self, path: &Path, at: u64, bytes: &[u8]) -> io::Result<()>;

    /// Makes a file durable that was written in parts.
    fn sync(&self, path: &Path) -> io::Result<()>;

    /// Moves a file into place, whatever was there before: a reader sees the old file or the new one. After an
    /// error, either may be there.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// How long a file is; `None` where there is none.
    fn len(&self, path: &Path) -> io::Result<Option<u64>>;

    /// Makes a file, which is made where there is none, `at` bytes long and appends `bytes` to it. After an error, it is at least `at`
    /// bytes long, and those are as they were.
    fn append(&self, path: &Path, at: u64, bytes: &[u8]) -> io::Result<()>;

    /// Makes the names in a folder durable, for files written there.
    fn sync_folder(&self, folder: &Path) -> io::Result<()>;

    /// Locks a file, made where there is none, for as long as the lock lives.
    fn lock(&self, path: &Path) -> io::Result<TryLock>;

    /// Removes a file.
    fn remove_file(&self, path: &Path) -> io::Result<()>;

    /// Removes an empty folder.
    fn remove_folder(&self, folder: &Path) -> io::Result<()>;
}

/// A file of which parts can be read.
pub(crate) enum OpenedFile {
    /// On a file system.
    File(File),
    /// In memory.
    #[cfg_attr(not(test), expect(dead_code, reason = "for storage in memory"))]
    Bytes(Bytes),
}

impl Length for OpenedFile {
    fn len(&self) -> u64 {
        match self {
            OpenedFile::File(file) => file.len(),
            OpenedFile::Bytes(bytes) => bytes.len() as u64,
        }
    }
}

impl ChunkReader for OpenedFile {
    type T = Box<dyn Read>;

    fn get_read(&self, start: u64) -> Result<Box<dyn Read>, ParquetError> {
        Ok(match self {
            OpenedFile::File(file) => Box::new(file.get_read(start)?),
            OpenedFile::Bytes(bytes) => Box::new(bytes.get_read(start)?),
        })
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        match self {
            OpenedFile::File(file) => file.get_bytes(start, length),
            OpenedFile::Bytes(bytes) => bytes.get_bytes(start, length),
        }
    }
}

/// What trying to lock a file has come to.
#[derive(Debug)]
pub(crate) enum TryLock {
    /// It is locked now, and will be while the file is open. Storage that nobody else can reach has none.
    Locked(Option<File>),
    /// Somebody else has locked it.
    Held,
}

/// What was asked of storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// To list a folder.
    List,
    /// To read a file.
    Read,
    /// To make a folder.
    CreateFolder,
    /// To write a file.
    Write,
    /// To move a finished file into place.
    Rename,
    /// To append to a file.
    Append,
    /// To make the names in a folder durable.
    SyncFolder,
    /// To lock a file.
    Lock,
    /// To remove a file.
    Remove,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Operation::List => "list folder",
            Operation::Read => "read file",
            Operation::CreateFolder => "create folder",
            Operation::Write => "write file",
            Operation::Rename => "move a finished file to",
            Operation::Append => "append to file",
            Operation::SyncFolder => "sync folder",
            Operation::Lock => "lock file",
            Operation::Remove => "remove file",
        })
    }
}

/// A step on storage that failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {operation} {}", path.display())]
pub struct StoreError {
    /// What was asked.
    pub operation: Operation,
    /// Of which file or folder.
    pub path: PathBuf,
    /// What the operating system says.
    pub source: io::Error,
}

impl StoreError {
    /// For `map_err`: says what was asked, and of what.
    pub(crate) fn of(operation: Operation, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
        move |source| StoreError { operation, path: path.to_owned(), source }
    }
}

/// Makes a folder and those above it that are missing.
pub(crate) fn ensure_folder(store: &dyn Store, folder: &Path) -> Result<(), StoreError> {
    let refused = match store.create_folder(folder) {
        Ok(()) => return Ok(()),
        Err(error) => error,
    };
    match (refused.kind(), folder.parent()) {
        (io::ErrorKind::AlreadyExists, _) => Ok(()),
        (io::ErrorKind::NotFound, Some(parent)) => {
            ensure_folder(store, parent)?;
            store.create_folder(folder).map_err(StoreError::of(Operation::CreateFolder, folder))
        }
        _ => Err(StoreError::of(Operation::CreateFolder, folder)(refused)),
    }
}

/// The local file system.
#[derive(Debug)]
pub(crate) struct FileSystem;

impl Store for FileSystem {
    fn list(&self, folder: &Path) -> io::Result<Option<Vec<OsString>>> {
        let entries = match fs::read_dir(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            entries => entries?,
        };
        entries.map(|entry| Ok(entry?.file_name())).collect::<io::Result<_>>().map(Some)
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        fs::read(path)
    }

    fn open(&self, path: &Path) -> io::Result<OpenedFile> {
        File::open(path).map(OpenedFile::File)
    }

    fn create_folder(&self, folder: &Path) -> io::Result<()> {
        fs::create_dir(folder)?;
        sync_folder_of(folder)
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    }

    fn write_part(&self, path: &Path, at: u64, bytes: &[u8]) -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create(at == 0).truncate(at == 0).open(path)?;
        file.seek(SeekFrom::Start(at))?;
        file.write_all(bytes)
    }

    fn sync(&self, path: &Path) -> io::Result<()> {
        // On some systems only a file that may be written may be synced.
        OpenOptions::new().write(true).open(path)?.sync_all()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)?;
        sync_folder_of(to)
    }

    fn len(&self, path: &Path) -> io::Result<Option<u64>> {
        match fs::metadata(path) {
            Ok(data) => Ok(Some(data.len())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn append(&self, path: &Path, at: u64, bytes: &[u8]) -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
        file.set_len(at)?;
        file.seek(SeekFrom::Start(at))?;
        file.write_all(bytes)?;
        // Its length counts as data.
        file.sync_data()?;
        if at == 0 { sync_folder_of(path) } else { Ok(()) }
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        sync_folder(folder)
    }

    fn lock(&self, path: &Path) -> io::Result<TryLock> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(TryLock::Locked(Some(file))),
            Err(TryLockError::WouldBlock) => Ok(TryLock::Held),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn remove_folder(&self, folder: &Path) -> io::Result<()> {
        fs::remove_dir(folder)
    }
}

/// Makes the name of `path` durable: a synced file whose name is not could be gone after a power failure.
fn sync_folder_of(path: &Path) -> io::Result<()> {
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    sync_folder(folder)
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    // Elsewhere a folder cannot be opened as a file, and the file system journals names by itself.
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}
