//! A lake: a folder that belongs to one pipeline, and at any time to one run of it.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use engine_model::Semantics;
use serde_json::Value;

use crate::failpoint::failpoint;
use crate::fault::file_system;
use crate::layers::{Layer, Layers};
use crate::record::{InvalidRecord, Record};
use crate::state_log;
use crate::store::{Operation, Store, StoreError, TryLock, ensure_folder};

/// The folder that marks a lake and holds what is no table.
pub(crate) const MARK: &str = "_tillrace";
/// The record of the last commit.
pub(crate) const RECORD: &str = "commit";
/// The version of the layout, in `run.json` and in the record. Lakes of format 1 hold no record.
pub(crate) const FORMAT: u32 = 2;
/// The oldest format whose tables can be read.
pub(crate) const FORMAT_READ_MIN: u32 = 1;

/// A lake this process may write, and what it was made with. Cloning is cheap; clones are the same lake, and while one lives no other
/// process may write it.
#[derive(Clone, Debug)]
pub struct Lake {
    root: Arc<Path>,
    semantics: Arc<Semantics>,
    layers: Layers,
    store: Arc<dyn Store>,
    lock: Arc<Option<File>>,
    record: Option<Arc<Record>>,
}

/// Why a lake cannot be made or written. It was not touched.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// The folder holds tables that no run of ours has described.
    #[error("lake {} already holds {found}, but no {MARK}/run.json; expected a lake, or a folder without tables", path.display())]
    Occupied {
        /// The lake's folder.
        path: PathBuf,
        /// The first thing found that belongs to a run, relative to the lake.
        found: String,
    },
    /// There is one already, where a new one is needed.
    #[error("lake {} already holds an earlier run; expected a folder without one", path.display())]
    Exists {
        /// The lake's folder.
        path: PathBuf,
    },
    /// It was made with other semantics or layers.
    #[error("lake {} was made with {made}, not {asked}; run with the same options, or into another folder", path.display())]
    Different {
        /// The lake's folder.
        path: PathBuf,
        /// What differs, as it was.
        made: String,
        /// The same, as it was asked for.
        asked: String,
    },
    /// Another version has made it, which this one cannot go on with.
    #[error("lake {} has format {found}; this version goes on with format {FORMAT} only", path.display())]
    Format {
        /// The lake's folder.
        path: PathBuf,
        /// Its format.
        found: u64,
    },
    /// A file that says what the lake holds is not as it was written.
    #[error("{} is damaged: {what}; nothing was changed. Put the file back from a copy, or run into another folder", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// Another run writes it.
    #[error(
        "lake {} is being written by {owner}; wait for it or end it. The lock, {MARK}/lock, goes with its process: should none be \
         left, on this or another machine, remove that file",
        path.display()
    )]
    Locked {
        /// The lake's folder.
        path: PathBuf,
        /// Who writes it.
        owner: String,
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
    /// Storage failed while an earlier run's lake was looked at.
    #[error("lake {} cannot be read", path.display())]
    Read {
        /// The lake's folder.
        path: PathBuf,
        /// The step that failed.
        source: StoreError,
    },
}

impl CreateError {
    /// Whether the user has to change what was asked for, rather than the world.
    #[must_use]
    pub fn is_usage(&self) -> bool {
        match self {
            CreateError::Occupied { .. }
            | CreateError::Exists { .. }
            | CreateError::Different { .. }
            | CreateError::Format { .. }
            | CreateError::NotAFolder { .. } => true,
            CreateError::Damaged { .. }
            | CreateError::Locked { .. }
            | CreateError::Store { .. }
            | CreateError::Read { .. } => false,
        }
    }
}

impl Lake {
    /// Opens the lake at `path` to be written, or makes it, with the folders above it that are missing. The tables come with the
    /// first commit.
    ///
    /// A lake that is there is only looked at: its configuration, its lock, its last record. [`LakeWriter::start`](crate::LakeWriter::start)
    /// makes it whole.
    ///
    /// # Errors
    /// [`CreateError`]; nothing is changed or, where storage failed half-way, as little as can be.
    pub fn open(path: impl Into<PathBuf>, semantics: &Semantics, layers: Layers) -> Result<Lake, CreateError> {
        Lake::open_in(file_system(), path.into(), semantics, layers)
    }

    /// Makes a lake where there must be none.
    ///
    /// # Errors
    /// As [`Lake::open`], and where there is one.
    pub fn create(path: impl Into<PathBuf>, semantics: &Semantics, layers: Layers) -> Result<Lake, CreateError> {
        let path = path.into();
        if path.join(MARK).join("run.json").exists() {
            return Err(CreateError::Exists { path });
        }
        Lake::open(path, semantics, layers)
    }

    pub(crate) fn open_in(
        store: Arc<dyn Store>,
        path: PathBuf,
        semantics: &Semantics,
        layers: Layers,
    ) -> Result<Lake, CreateError> {
        // Joined to anything, an empty path means the folder the process runs in; so it shall when listed.
        let path = if path.as_os_str().is_empty() { PathBuf::from(".") } else { path };
        let asked = describe(semantics, layers);
        let is_there = is_described(&*store, &path, &asked)?;
        let lock = if is_there {
            take_lock(&*store, &path)?
        } else {
            let mut made = Made { store: &*store, folders: Vec::new(), files: Vec::new() };
            match made.lake(&path, &asked) {
                Ok(lock) => lock,
                Err(Unmade::Locked) => return Err(locked(&*store, path)),
                Err(Unmade::Store(source)) => {
                    made.undo();
                    return Err(CreateError::Store { path, source });
                }
            }
        };
        // Whoever was faster in making it may have made another one.
        is_described(&*store, &path, &asked)?;
        let record = read_record(&*store, &path)?.map(Arc::new);
        let lock = Arc::new(lock);
        Ok(Lake { root: path.into(), semantics: Arc::new(semantics.clone()), layers, store, lock, record })
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

    /// The run's part of the last commit when the lake was opened; `None` where there was none.
    #[must_use]
    pub fn cut(&self) -> Option<&str> {
        self.record.as_ref().map(|record| record.cut.as_str())
    }

    /// The number of the last commit when the lake was opened, 0 where there was none.
    #[must_use]
    pub fn commit_number(&self) -> u64 {
        self.record.as_ref().map_or(0, |record| record.number)
    }

    /// The state that the last commit holds: a snapshot, then increments in order; none where there was no commit.
    ///
    /// # Errors
    /// Where it cannot be read, or is not as it was written.
    pub fn state(&self) -> Result<Vec<Vec<u8>>, CreateError> {
        let Some(record) = &self.record else { return Ok(Vec::new()) };
        match state_log::read(self, record.state) {
            Ok(Ok(frames)) => Ok(frames),
            Ok(Err(what)) => {
                let path = self.root.join(MARK).join(format!("state/{:06}.log", record.state.segment));
                Err(CreateError::Damaged { path, what })
            }
            Err(source) => Err(CreateError::Read { path: self.root.to_path_buf(), source }),
        }
    }

    pub(crate) fn record(&self) -> Option<&Record> {
        self.record.as_deref()
    }

    pub(crate) fn store(&self) -> &dyn Store {
        &*self.store
    }

    /// Says in the lock who holds it. For people only, so a failure does no harm.
    pub(crate) fn sign(&self, owner: &str) {
        if let Some(mut file) = self.lock.as_ref().as_ref() {
            let _ = file.set_len(0).and_then(|()| writeln!(file, "{owner}"));
        }
    }

    /// Where complete files wait to be shown.
    pub(crate) fn staging_folder(&self) -> PathBuf {
        self.root.join(MARK).join("tmp")
    }

    /// Moves a complete file from the staging folder to its place, where it replaces the one before it.
    pub(crate) fn show(&self, name: &str, place: &str) -> Result<(), StoreError> {
        let place = self.root.join(place);
        if let Some(folder) = place.parent() {
            ensure_folder(&*self.store, folder)?;
        }
        let staged = self.staging_folder().join(name);
        self.store.rename(&staged, &place).map_err(StoreError::of(Operation::Rename, &place))
    }
}

/// Whether a lake is at `path`, made with what is asked for. Changes nothing.
fn is_described(store: &dyn Store, path: &Path, asked: &str) -> Result<bool, CreateError> {
    let failed = |operation, at: &Path, error| CreateError::Read {
        path: path.to_owned(),
        source: StoreError::of(operation, at)(error),
    };
    match store.list(path) {
        Ok(None) => return Ok(false),
        Ok(Some(_)) => {}
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            return Err(CreateError::NotAFolder { path: path.to_owned() });
        }
        Err(error) => return Err(failed(Operation::List, path, error)),
    }
    let description = path.join(MARK).join("run.json");
    match store.read(&description) {
        Ok(made) => compare(path, &description, &made, asked).map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            refuse_tables(store, path)?;
            // Nothing, or a lake whose making broke off.
            Ok(false)
        }
        Err(error) => Err(failed(Operation::Read, &description, error)),
    }
}

/// Compares what a lake was made with and what is asked for.
fn compare(path: &Path, description: &Path, made: &[u8], asked: &str) -> Result<(), CreateError> {
    let damaged = |what: &str| CreateError::Damaged { path: description.to_owned(), what: what.to_owned() };
    let made: Value = serde_json::from_slice(made).map_err(|error| damaged(&error.to_string()))?;
    let format = made["format"].as_u64().ok_or_else(|| damaged("it has no format number"))?;
    if format != u64::from(FORMAT) {
        return Err(CreateError::Format { path: path.to_owned(), found: format });
    }
    let asked: Value = serde_json::from_str(asked).expect("it was just written");
    let keys = ["window", "rollups", "lateness_us", "currency", "utc_offset", "layers"];
    let different: Vec<&str> = keys.into_iter().filter(|key| made[key] != asked[key]).collect();
    if different.is_empty() {
        return Ok(());
    }
    let list = |of: &Value| different.iter().map(|key| in_words(key, &of[key])).collect::<Vec<_>>().join(", ");
    Err(CreateError::Different { path: path.to_owned(), made: list(&made), asked: list(&asked) })
}

/// A value of `run.json` as the option that gives it.
fn in_words(key: &str, value: &Value) -> String {
    let option = match key {
        "rollups" => "rollup",
        "lateness_us" => "lateness",
        key => key,
    };
    let value = match value {
        Value::Array(names) if names.is_empty() => "none".to_owned(),
        Value::Array(names) => names.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(","),
        Value::Number(micros) if key == "lateness_us" => micros.as_i64().map_or_else(|| micros.to_string(), duration),
        Value::String(text) => text.clone(),
        Value::Null => "nothing".to_owned(),
        other => other.to_string(),
    };
    format!("--{} {value}", option.replace('_', "-"))
}

/// A span as options give it.
fn duration(micros: i64) -> String {
    match micros {
        _ if micros % 1_000_000 == 0 => format!("{}s", micros / 1_000_000),
        _ if micros % 1_000 == 0 => format!("{}ms", micros / 1_000),
        _ => format!("{micros}us"),
    }
}

/// Refuses a folder that holds tables and no description.
fn refuse_tables(store: &dyn Store, path: &Path) -> Result<(), CreateError> {
    let occupied = |found: String| Err(CreateError::Occupied { path: path.to_owned(), found });
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
            Err(error) => {
                let source = StoreError::of(Operation::List, &folder)(error);
                return Err(CreateError::Read { path: path.to_owned(), source });
            }
        }
    }
    Ok(())
}

/// How long a lock that is held is tried for: a killed process keeps it until its memory is given back.
const LOCK_PATIENCE: Duration = Duration::from_secs(1);

/// Locks a lake that is there.
fn take_lock(store: &dyn Store, path: &Path) -> Result<Option<File>, CreateError> {
    let at = path.join(MARK).join("lock");
    let began = Instant::now();
    loop {
        match store.lock(&at) {
            Ok(TryLock::Locked(file)) => return Ok(file),
            Ok(TryLock::Held) if began.elapsed() < LOCK_PATIENCE => std::thread::sleep(Duration::from_millis(20)),
            Ok(TryLock::Held) => return Err(locked(store, path.to_owned())),
            Err(error) => {
                let source = StoreError::of(Operation::Lock, &at)(error);
                return Err(CreateError::Read { path: path.to_owned(), source });
            }
        }
    }
}

fn locked(store: &dyn Store, path: PathBuf) -> CreateError {
    let owner = store.read(&path.join(MARK).join("lock")).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let owner = owner.map(|owner| owner.trim().to_owned()).filter(|owner| !owner.is_empty());
    CreateError::Locked { path, owner: owner.unwrap_or_else(|| "another run, which has just begun".to_owned()) }
}

/// The record of the last commit, if there was one.
fn read_record(store: &dyn Store, path: &Path) -> Result<Option<Record>, CreateError> {
    let at = path.join(MARK).join(RECORD);
    let bytes = match store.read(&at) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            let source = StoreError::of(Operation::Read, &at)(error);
            return Err(CreateError::Read { path: path.to_owned(), source });
        }
    };
    Record::decode(&bytes).map(Some).map_err(|error| match error {
        InvalidRecord::Newer(found) => CreateError::Format { path: path.to_owned(), found: found.into() },
        InvalidRecord::Damaged(what) => CreateError::Damaged { path: at, what },
    })
}

/// What making a lake has made so far, to be removed should it fail.
struct Made<'a> {
    store: &'a dyn Store,
    folders: Vec<PathBuf>,
    files: Vec<PathBuf>,
}

/// Why no lake was made.
enum Unmade {
    Locked,
    Store(StoreError),
}

impl From<StoreError> for Unmade {
    fn from(error: StoreError) -> Unmade {
        Unmade::Store(error)
    }
}

impl Made<'_> {
    /// Makes a lake, or what is missing of one. Returns its lock.
    fn lake(&mut self, root: &Path, description: &str) -> Result<Option<File>, Unmade> {
        let mut missing = Vec::new();
        for folder in root.ancestors().filter(|folder| !folder.as_os_str().is_empty()) {
            if self.store.list(folder).map_err(StoreError::of(Operation::List, folder))?.is_some() {
                break;
            }
            missing.push(folder);
        }
        for folder in missing.into_iter().rev() {
            self.folder(folder)?;
        }
        let mark = root.join(MARK);
        self.folder(&mark)?;
        let lock = mark.join("lock");
        let lock = match self.store.lock(&lock).map_err(StoreError::of(Operation::Lock, &lock))? {
            TryLock::Held => return Err(Unmade::Locked),
            TryLock::Locked(file) => {
                if file.is_some() {
                    self.files.push(lock);
                }
                file
            }
        };
        self.folder(&mark.join("tmp"))?;
        let (unfinished, place) = (mark.join("tmp").join("run.json"), mark.join("run.json"));
        if self.store.len(&place).map_err(StoreError::of(Operation::Read, &place))?.is_some() {
            // Made by someone who was faster, and has gone since.
            return Ok(lock);
        }
        self.files.push(unfinished.clone());
        let written = self.store.write(&unfinished, description.as_bytes());
        written.map_err(StoreError::of(Operation::Write, &unfinished))?;
        failpoint("described");
        self.files.push(place.clone());
        self.store.rename(&unfinished, &place).map_err(StoreError::of(Operation::Rename, &place))?;
        failpoint("made");
        Ok(lock)
    }

    /// Makes a folder, unless it is there.
    fn folder(&mut self, folder: &Path) -> Result<(), StoreError> {
        let result = self.store.create_folder(folder);
        if matches!(&result, Err(error) if error.kind() == io::ErrorKind::AlreadyExists) {
            return Ok(());
        }
        // Also where making it durable failed, it may be there.
        self.folders.push(folder.to_owned());
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
