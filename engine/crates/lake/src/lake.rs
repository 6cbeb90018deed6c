//! A lake: a folder that belongs to one run of one pipeline.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use engine_model::Semantics;

use crate::layers::{Layer, Layers};
use crate::store::{FileSystem, Operation, Store, StoreError, ensure_folder};

/// The folder that marks a lake and holds what is no table.
pub(crate) const MARK: &str = "_tillrace";
/// The version of the layout, in `run.json`.
pub(crate) const FORMAT: u32 = 1;

/// A lake this process has made, and what it was made with. Cloning is cheap; clones are the same lake.
#[derive(Clone, Debug)]
pub struct Lake {
    root: Arc<Path>,
    semantics: Arc<Semantics>,
    layers: Layers,
    store: Arc<dyn Store>,
}

/// Why a lake was not made.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// There is one already. It was not touched.
    #[error("lake {} already holds {found}; expected a folder without an earlier run", path.display())]
    Occupied {
        /// The lake's folder.
        path: PathBuf,
        /// The first thing found that belongs to a run, relative to the lake.
        found: String,
    },
    /// The place is taken by a file.
    #[error("lake {} is a file or lies below one; expected a folder, or a path where one can be made", path.display())]
    NotAFolder {
        /// The path given for the lake.
        path: PathBuf,
    },
    /// Storage failed; what had been made so far was removed again, as far as storage allowed.
    #[error("lake {} cannot be made; expected a folder that can be written to", path.display())]
    Store {
        /// The lake's folder.
        path: PathBuf,
        /// The step that failed.
        source: StoreError,
    },
}

/// A complete file under `_tillrace/tmp`, to be moved to its place.
#[derive(Clone, Debug)]
pub(crate) struct Staged {
    pub(crate) finished: PathBuf,
    pub(crate) place: PathBuf,
}

impl Lake {
    /// Makes a lake at `path`, with the folders above it that are missing. The tables come with the first commit.
    ///
    /// Until a run can go on where an earlier one stopped, a folder that holds any sign of a run is refused.
    ///
    /// # Errors
    /// [`CreateError`]; nothing is changed or, where storage failed half-way, as little as can be.
    pub fn create(path: impl Into<PathBuf>, semantics: &Semantics, layers: Layers) -> Result<Lake, CreateError> {
        Lake::create_in(Arc::new(FileSystem), path.into(), semantics, layers)
    }

    pub(crate) fn create_in(
        store: Arc<dyn Store>,
        path: PathBuf,
        semantics: &Semantics,
        layers: Layers,
    ) -> Result<Lake, CreateError> {
        // Joined to anything, an empty path means the folder the process runs in; so it shall when listed.
        let path = if path.as_os_str().is_empty() { PathBuf::from(".") } else { path };
        refuse_if_taken(&*store, &path)?;
        let mut made = Made { store: &*store, folders: Vec::new(), files: Vec::new() };
        if let Err(source) = made.lake(&path, &describe(semantics, layers)) {
            made.undo();
            // Another process was faster.
            if source.operation == Operation::CreateFolder && source.source.kind() == io::ErrorKind::AlreadyExists {
                return Err(CreateError::Occupied { path, found: MARK.to_owned() });
            }
            return Err(CreateError::Store { path, source });
        }
        Ok(Lake { root: path.into(), semantics: Arc::new(semantics.clone()), layers, store })
    }

    /// The lake's folder.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// What decides the rows of this lake.
    #[must_use]
    pub fn semantics(&self) -> &Semantics {
        &self.semantics
    }

    /// The layers the run writes.
    #[must_use]
    pub fn layers(&self) -> Layers {
        self.layers
    }

    /// Writes a complete file that nobody sees yet. `place` is relative to the lake.
    pub(crate) fn stage(&self, place: &Path, bytes: &[u8]) -> Result<Staged, StoreError> {
        let staged = self.staged(place);
        if let Err(error) = self.store.write(&staged.finished, bytes) {
            // Room may be what was short; a file that cannot be removed does no harm where it lies.
            let _ = self.store.remove_file(&staged.finished);
            return Err(StoreError::of(Operation::Write, &staged.finished)(error));
        }
        Ok(staged)
    }

    /// Where a file for `place` is to be written that nobody sees yet. Writes nothing.
    pub(crate) fn staged(&self, place: &Path) -> Staged {
        // One name for each place, so that trying again takes no more room.
        let name = place.to_string_lossy().replace(['/', '\\'], "-");
        Staged { finished: self.root.join(MARK).join("tmp").join(name), place: self.root.join(place) }
    }

    /// Where the lake is stored.
    pub(crate) fn store(&self) -> &dyn Store {
        &*self.store
    }

    /// Moves a complete file to its place, where it replaces the one before it.
    pub(crate) fn show(&self, staged: &Staged) -> Result<(), StoreError> {
        if let Some(folder) = staged.place.parent() {
            ensure_folder(&*self.store, folder)?;
        }
        self.store.rename(&staged.finished, &staged.place).map_err(StoreError::of(Operation::Rename, &staged.place))
    }
}

/// Looks for signs of a run; changes nothing.
fn refuse_if_taken(store: &dyn Store, path: &Path) -> Result<(), CreateError> {
    let failed = |source| CreateError::Store { path: path.to_owned(), source };
    let occupied = |found: String| Err(CreateError::Occupied { path: path.to_owned(), found });
    let names = match store.list(path) {
        Ok(None) => return Ok(()),
        Ok(Some(names)) => names,
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            return Err(CreateError::NotAFolder { path: path.to_owned() });
        }
        Err(error) => return Err(failed(StoreError::of(Operation::List, path)(error))),
    };
    if names.iter().any(|name| name == MARK) {
        return occupied(MARK.to_owned());
    }
    for layer in Layer::ALL {
        let folder = path.join(layer.name());
        match store.list(&folder) {
            Ok(None) => {}
            Ok(Some(names)) => {
                if let Some(name) = names.iter().min() {
                    return occupied(format!("{layer}/{}", name.to_string_lossy()));
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => return occupied(layer.to_string()),
            Err(error) => return Err(failed(StoreError::of(Operation::List, &folder)(error))),
        }
    }
    Ok(())
}

/// What making a lake has made so far, to be removed should it fail.
struct Made<'a> {
    store: &'a dyn Store,
    folders: Vec<PathBuf>,
    files: Vec<PathBuf>,
}

impl Made<'_> {
    fn lake(&mut self, root: &Path, description: &str) -> Result<(), StoreError> {
        let mut missing = Vec::new();
        for folder in root.ancestors().filter(|folder| !folder.as_os_str().is_empty()) {
            if self.store.list(folder).map_err(StoreError::of(Operation::List, folder))?.is_some() {
                break;
            }
            missing.push(folder);
        }
        for folder in missing.into_iter().rev() {
            match self.folder(folder) {
                // Made by someone else in between: then it is theirs, and there all the same.
                Err(error) if error.source.kind() == io::ErrorKind::AlreadyExists => {}
                result => result?,
            }
        }
        let mark = root.join(MARK);
        self.folder(&mark)?;
        self.folder(&mark.join("tmp"))?;
        let (unfinished, place) = (mark.join("tmp").join("run.json"), mark.join("run.json"));
        self.files.push(unfinished.clone());
        let written = self.store.write(&unfinished, description.as_bytes());
        written.map_err(StoreError::of(Operation::Write, &unfinished))?;
        self.files.push(place.clone());
        self.store.rename(&unfinished, &place).map_err(StoreError::of(Operation::Rename, &place))
    }

    fn folder(&mut self, folder: &Path) -> Result<(), StoreError> {
        let result = self.store.create_folder(folder);
        // Also where making it durable failed, it may be there.
        if !matches!(&result, Err(error) if error.kind() == io::ErrorKind::AlreadyExists) {
            self.folders.push(folder.to_owned());
        }
        result.map_err(StoreError::of(Operation::CreateFolder, folder))
    }

    /// Removes as much as can be removed. Folders are removed only when empty, so nothing of anyone else is lost.
    fn undo(&self) {
        for file in &self.files {
            let _ = self.store.remove_file(file);
        }
        for folder in self.folders.iter().rev() {
            let _ = self.store.remove_folder(folder);
        }
    }
}

/// `run.json`. No value holds a character that JSON would have to escape.
fn describe(semantics: &Semantics, layers: Layers) -> String {
    let base = semantics.base().length();
    let quoted = |names: Vec<String>| names.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ");
    let mut rollups: Vec<String> = semantics.rollups().iter().map(|grain| grain.length().to_string()).collect();
    // Asked for beside a base window of a day, the rollup adds no grain, yet it brings customer_activity.
    if semantics.has_day_rollup() && semantics.base().is_daily() {
        rollups.push(base.to_string());
    }
    format!(
        "{{\n  \"format\": {FORMAT},\n  \"window\": \"{base}\",\n  \"rollups\": [{}],\n  \"lateness_us\": {},\n  \
         \"currency\": \"{}\",\n  \"utc_offset\": \"{}\",\n  \"layers\": [{}]\n}}\n",
        quoted(rollups),
        semantics.lateness().get(),
        semantics.currency(),
        semantics.base().offset(),
        quoted(layers.iter().map(|layer| layer.to_string()).collect()),
    )
}

#[cfg(test)]
mod tests;
