//! Storage in memory for tests: it looks on, and it fails where told to.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use bytes::Bytes;

use crate::store::{OpenedFile, Store, TryLock};

/// How a step fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Before it has changed anything; a write stops half-way.
    Before,
    /// After all was done, as when a sync fails.
    After,
}

#[derive(Debug, Default)]
pub(crate) struct MemoryStore {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Files, and folders as `None`.
    entries: BTreeMap<PathBuf, Option<Bytes>>,
    /// Where files were moved to, in order.
    shown: Vec<PathBuf>,
    /// How many steps go well before one fails.
    fault: Option<(usize, Fault)>,
}

impl MemoryStore {
    /// Lets one step fail, after `steps` that go well.
    pub(crate) fn fail_after(&self, steps: usize, fault: Fault) {
        self.state.lock().unwrap().fault = Some((steps, fault));
    }

    /// Whether the step that was to fail has failed.
    pub(crate) fn has_failed(&self) -> bool {
        self.state.lock().unwrap().fault.is_none()
    }

    /// All files with their bytes, and the folders.
    pub(crate) fn entries(&self) -> BTreeMap<PathBuf, Option<Bytes>> {
        self.state.lock().unwrap().entries.clone()
    }

    /// The places to which files were moved since the last call.
    pub(crate) fn take_shown(&self) -> Vec<PathBuf> {
        std::mem::take(&mut self.state.lock().unwrap().shown)
    }

    /// Puts a file there with the folders it needs.
    pub(crate) fn put(&self, path: &str) {
        let mut state = self.state.lock().unwrap();
        for folder in Path::new(path).ancestors().skip(1) {
            state.entries.insert(folder.to_owned(), None);
        }
        state.entries.insert(path.into(), Some(Bytes::from_static(b"theirs")));
    }

    /// Does a step; or fails, having done `half` of it where the fault comes before.
    fn step(&self, half: impl FnOnce(&mut State), whole: impl FnOnce(&mut State) -> io::Result<()>) -> io::Result<()> {
        let mut state = self.state.lock().unwrap();
        match &mut state.fault {
            None => whole(&mut state),
            Some((steps @ 1.., _)) => {
                *steps -= 1;
                whole(&mut state)
            }
            Some((0, fault)) => {
                let fault = *fault;
                state.fault = None;
                match fault {
                    Fault::Before => half(&mut state),
                    Fault::After => whole(&mut state)?,
                }
                Err(io::Error::new(ErrorKind::StorageFull, "made to fail"))
            }
        }
    }
}

impl State {
    fn require_folder_of(&self, path: &Path) -> io::Result<()> {
        match path.parent().map(|folder| self.entries.get(folder)) {
            Some(Some(None)) | None => Ok(()),
            Some(Some(Some(_))) => Err(ErrorKind::NotADirectory.into()),
            Some(None) => Err(ErrorKind::NotFound.into()),
        }
    }
}

impl Store for MemoryStore {
    fn list(&self, folder: &Path) -> io::Result<Option<Vec<OsString>>> {
        let state = self.state.lock().unwrap();
        if folder.ancestors().any(|path| matches!(state.entries.get(path), Some(Some(_)))) {
            return Err(ErrorKind::NotADirectory.into());
        }
        Ok(state.entries.contains_key(folder).then(|| {
            let inside = state.entries.keys().filter(|path| path.parent() == Some(folder));
            inside.map(|path| path.file_name().unwrap().to_owned()).collect()
        }))
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let state = self.state.lock().unwrap();
        state.entries.get(path).and_then(Option::as_ref).map(|bytes| bytes.to_vec()).ok_or(ErrorKind::NotFound.into())
    }

    fn open(&self, path: &Path) -> io::Result<OpenedFile> {
        self.read(path).map(|bytes| OpenedFile::Bytes(bytes.into()))
    }

    fn create_folder(&self, folder: &Path) -> io::Result<()> {
        self.step(
            |_| {},
            |state| {
                if state.entries.contains_key(folder) {
                    return Err(ErrorKind::AlreadyExists.into());
                }
                state.require_folder_of(folder)?;
                state.entries.insert(folder.to_owned(), None);
                Ok(())
            },
        )
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.step(
            |state| {
                state.entries.insert(path.to_owned(), Some(Bytes::copy_from_slice(&bytes[..bytes.len() / 2])));
            },
            |state| {
                state.require_folder_of(path)?;
                state.entries.insert(path.to_owned(), Some(Bytes::copy_from_slice(bytes)));
                Ok(())
            },
        )
    }

    fn write_part(&self, path: &Path, at: u64, bytes: &[u8]) -> io::Result<()> {
        let at = usize::try_from(at).unwrap();
        let extend = |state: &mut State, bytes: &[u8]| {
            let before = state.entries.get(path).and_then(Option::as_ref).cloned().unwrap_or_default();
            state.entries.insert(path.to_owned(), Some([&before[..at], bytes].concat().into()));
        };
        self.step(
            |state| extend(state, &bytes[..bytes.len() / 2]),
            |state| {
                state.require_folder_of(path)?;
                extend(state, bytes);
                Ok(())
            },
        )
    }

    fn sync(&self, path: &Path) -> io::Result<()> {
        let is_there = |state: &mut State| state.entries.get(path).map(drop).ok_or(ErrorKind::NotFound.into());
        self.step(|_| {}, is_there)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step(
            |_| {},
            |state| {
                state.require_folder_of(to)?;
                let bytes = state.entries.remove(from).ok_or(ErrorKind::NotFound)?;
                assert!(!matches!(state.entries.get(to), Some(None)), "{} is a folder", to.display());
                state.entries.insert(to.to_owned(), bytes);
                state.shown.push(to.to_owned());
                Ok(())
            },
        )
    }

    fn len(&self, path: &Path) -> io::Result<Option<u64>> {
        let state = self.state.lock().unwrap();
        Ok(state.entries.get(path).and_then(Option::as_ref).map(|bytes| bytes.len() as u64))
    }

    fn append(&self, path: &Path, at: u64, bytes: &[u8]) -> io::Result<()> {
        let at = usize::try_from(at).unwrap();
        let put = |state: &mut State, bytes: &[u8]| {
            let before = state.entries.get(path).cloned().flatten().unwrap_or_default();
            let whole = [&before[..at], bytes].concat();
            state.entries.insert(path.to_owned(), Some(whole.into()));
        };
        self.step(
            |state| put(state, &bytes[..bytes.len() / 2]),
            |state| {
                state.require_folder_of(path)?;
                put(state, bytes);
                Ok(())
            },
        )
    }

    fn sync_folder(&self, _folder: &Path) -> io::Result<()> {
        self.step(|_| {}, |_| Ok(()))
    }

    fn lock(&self, _path: &Path) -> io::Result<TryLock> {
        Ok(TryLock::Locked(None))
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.step(
            |_| {},
            |state| match state.entries.remove(path) {
                Some(Some(_)) => Ok(()),
                Some(None) => panic!("{} is a folder", path.display()),
                None => Err(ErrorKind::NotFound.into()),
            },
        )
    }

    fn remove_folder(&self, folder: &Path) -> io::Result<()> {
        self.step(
            |_| {},
            |state| {
                if state.entries.keys().any(|path| path.parent() == Some(folder)) {
                    return Err(ErrorKind::DirectoryNotEmpty.into());
                }
                state.entries.remove(folder).map(drop).ok_or_else(|| ErrorKind::NotFound.into())
            },
        )
    }
}
