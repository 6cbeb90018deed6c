//! Commits: what every layer has, the state and the run's cut become part of the lake together, or not at all.
//!
//! `docs/recovery.md` says what the steps are for and what a process that dies between two of them leaves behind.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use engine_model::gold::GoldTable;
use engine_model::{Rows, WindowId};

use crate::failpoint::failpoint;
use crate::gold::GoldWriter;
use crate::input_log;
use crate::lake::{CreateError, Lake, MARK, RECORD};
use crate::layer_writer::{LayerWriter, StagedLayer};
use crate::layers::Layer;
use crate::quarantine::QuarantineWriter;
use crate::record::{Record, StagedFile};
use crate::staging::{CommitError, CommitPart, Staging};
use crate::state_log::{self, StateLog};
use crate::store::{Operation, StoreError};

/// A data file that a commit has shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommittedFile {
    /// Where it lies, relative to the lake.
    pub path: PathBuf,
    /// How many rows it has, those of earlier commits included.
    pub rows: usize,
    /// How long it is.
    pub bytes: u64,
}

/// What a commit has shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommitReport {
    /// The files in the order in which they appeared; none where nothing was waiting.
    pub files: Vec<CommittedFile>,
}

/// Writes a lake. There must be one for a lake.
///
/// In memory are the rows that wait, see [`LakeWriter::pending_bytes`], and for each table of Gold the rows of its
/// newest file while that can still be replaced.
#[derive(Debug)]
pub struct LakeWriter {
    lake: Lake,
    gold: Option<GoldWriter>,
    layers: Vec<Box<dyn CommitPart>>,
    /// Bronze and Silver, on threads of their own.
    large: Vec<(Layer, LayerWriter)>,
    staging: Staging,
    state: StateLog,
    /// The last commit.
    number: u64,
    cut: Option<String>,
}

impl LakeWriter {
    /// Makes the lake whole, as the last commit says: shows the rest of what it holds, and removes what belongs to none. From now on
    /// the lock says that `owner` has it.
    ///
    /// # Errors
    /// Where storage fails, or a file that the last commit names is not there as it was written.
    pub fn start(lake: &Lake, owner: &str) -> Result<LakeWriter, CreateError> {
        let read = |source| CreateError::Read { path: lake.root().to_path_buf(), source };
        let record = lake.record();
        if let Some(record) = record {
            check_files(lake, record)?;
        }
        let mut gold = lake.layers().contains(Layer::Gold).then(|| GoldWriter::new(lake));
        let mut layers: Vec<Box<dyn CommitPart>> = Vec::new();
        if lake.layers().contains(Layer::Quarantine) {
            layers.push(Box::new(QuarantineWriter::new(lake)));
        }
        // From here on the lake is changed.
        lake.sign(owner);
        if let Some(record) = record {
            show_rest(lake, record).map_err(read)?;
            let writers = gold.iter_mut().map(|gold| gold as &mut dyn CommitPart);
            for writer in writers.chain(layers.iter_mut().map(|layer| &mut **layer as &mut dyn CommitPart)) {
                let Some(position) = record.layers.get(writer.layer().name()) else { continue };
                let path = lake.root().join(MARK).join(RECORD);
                writer.resume(position).map_err(|what| CreateError::Damaged { path, what })?;
            }
        }
        sweep(lake).map_err(read)?;
        let large = [Layer::Bronze, Layer::Silver].into_iter().filter(|layer| lake.layers().contains(*layer));
        let large = large.map(|layer| {
            let position = record.and_then(|record| record.layers.get(layer.name()));
            let path = || lake.root().join(MARK).join(RECORD);
            let writer = LayerWriter::start(lake, layer, record.map_or(0, |record| record.number), position);
            Ok((layer, writer.map_err(|what| CreateError::Damaged { path: path(), what })?))
        });
        let large = large.collect::<Result<Vec<_>, CreateError>>()?;
        let number = record.map_or(0, |record| record.number);
        Ok(LakeWriter {
            staging: Staging::new(lake, number + 1),
            state: StateLog::at(record.map(|record| record.state).unwrap_or_default()),
            number,
            cut: record.map(|record| record.cut.clone()),
            lake: lake.clone(),
            gold,
            layers,
            large,
        })
    }

    /// The number of the last commit; 0 where there was none.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The Gold tables, in the order in which a commit shows them; none where Gold is left out.
    #[must_use]
    pub fn gold_tables(&self) -> &[GoldTable] {
        self.gold.as_ref().map_or(&[], GoldWriter::tables)
    }

    /// Takes all rows of one window of Gold: for each table of the grain its rows, by the table's place, none where it has none. `grain` is
    /// a place in [`engine_model::Semantics::grains`]; the windows of a grain come in ascending order, each once. Copies the
    /// rows. Does nothing where Gold is left out.
    ///
    /// # Errors
    /// Where rows that wait had to be written first, and that has failed.
    ///
    /// # Panics
    /// Where a table is not of this grain, rows are not of the table or not of the window, or the window is not after the one
    /// before it.
    pub fn append_window<'a>(
        &mut self,
        grain: usize,
        window: WindowId,
        rows: impl IntoIterator<Item = (usize, &'a Rows)>,
    ) -> Result<(), CommitError> {
        let Some(gold) = &mut self.gold else { return Ok(()) };
        gold.append_window(grain, window, rows, &mut self.staging)
    }

    /// Replaces a dimension's rows, all of them, with the next commit.
    ///
    /// # Panics
    /// Where the table is no dimension or the rows are not of it.
    pub fn replace_dimension(&mut self, table: usize, rows: Rows) {
        if let Some(gold) = &mut self.gold {
            gold.replace_dimension(table, rows);
        }
    }

    /// Takes rows of a table of another layer. Drops them where the layer is left out.
    ///
    /// # Errors
    /// Where rows that wait had to be written first, and that has failed.
    pub fn append_rows(&mut self, rows: &Rows) -> Result<(), CommitError> {
        match self.layers.iter_mut().find(|layer| layer.has_table(rows.schema().name)) {
            Some(layer) => layer.append(rows, &mut self.staging),
            None => Ok(()),
        }
    }

    /// Takes rows of Bronze or Silver, all of one local day since 1970-01-01, or of none. Waits
    /// where the layer's thread is far behind.
    ///
    /// # Errors
    /// Where writing rows of the layer has failed before.
    ///
    /// # Panics
    /// Where the layer is left out.
    pub fn append_kept(&mut self, layer: Layer, day: Option<i64>, rows: Rows) -> Result<(), CommitError> {
        let writer = self.large.iter_mut().find(|(of, _)| *of == layer);
        let (_, writer) = writer.unwrap_or_else(|| panic!("rows of {layer}, which is left out"));
        writer.append(day, rows)
    }

    /// About how many bytes of rows wait for a commit in memory.
    #[must_use]
    pub fn pending_bytes(&self) -> usize {
        let layers = self.layers.iter().map(|layer| layer.pending_bytes()).sum::<usize>();
        self.gold.as_ref().map_or(0, GoldWriter::pending_bytes) + layers
    }

    /// Makes everything that waits part of the lake, with the run's `cut` (one line) and the `increment` of its state; `snapshot`
    /// is asked for where the state log begins anew, and must then hold the increment too. Blocks until it is durable and shown.
    ///
    /// Does nothing where nothing waits and the cut is the one of the last commit.
    ///
    /// # Errors
    /// Where encoding or storage fails. The writer is then of no use any more; the lake is as before the commit or, where that
    /// was recorded, will be as after it once the next writer has started.
    pub fn commit(
        &mut self,
        cut: &str,
        increment: &[u8],
        snapshot: impl FnOnce() -> Vec<u8>,
    ) -> Result<CommitReport, CommitError> {
        let number = self.number + 1;
        let failed = |what| move |source| CommitError::Record { what, number, source };
        let positions = self.stage_large()?;
        for layer in &mut self.layers {
            layer.stage(&mut self.staging)?;
        }
        // Last, so that who finds a window in `kpis` finds everything else of the commit, too.
        if let Some(gold) = &mut self.gold {
            gold.stage(&mut self.staging)?;
        }
        if self.staging.is_empty() && increment.is_empty() && self.cut.as_deref() == Some(cut) {
            return Ok(CommitReport::default());
        }
        let files = self.staging.take().map_err(failed("stage"))?;
        failpoint("staged");
        let outlived = self.state.append(&self.lake, increment, snapshot).map_err(failed("write the state of"))?;
        failpoint("state");
        let (files, rows): (Vec<StagedFile>, Vec<usize>) = files.into_iter().unzip();
        let mut layers = self.positions();
        layers.extend(positions);
        let record = Record { number, files, layers, state: self.state.position(), cut: cut.to_owned() };
        self.record(&record).map_err(failed("record"))?;
        failpoint("recorded");
        for (count, file) in record.files.iter().enumerate() {
            self.lake.show(&file.name, &file.place).map_err(failed("show"))?;
            failpoint(&format!("published-{}", count + 1));
        }
        failpoint("published");
        if let Some(segment) = outlived {
            state_log::remove(&self.lake, segment).map_err(failed("clean up after"))?;
        }
        failpoint("cleaned");
        self.number = number;
        self.cut = Some(record.cut);
        let shown = record.files.into_iter().zip(rows);
        let file =
            |(file, rows): (StagedFile, usize)| CommittedFile { path: file.place.into(), rows, bytes: file.bytes };
        Ok(CommitReport { files: shown.map(file).collect() })
    }

    /// Removes what the log of an input holds before `offset`, as far as whole segments go; a commit must hold what came of it.
    ///
    /// # Errors
    /// Where storage fails.
    pub fn forget_input(&self, number: u32, offset: u64) -> Result<(), CommitError> {
        let failed = |source| CommitError::Record { what: "clean up after", number: self.number, source };
        input_log::forget(&self.lake, number, offset).map_err(failed)
    }

    #[cfg(test)]
    pub(crate) fn gold_mut(&mut self) -> &mut GoldWriter {
        self.gold.as_mut().expect("a lake with Gold")
    }

    /// Lets Bronze and Silver complete their files, side by side; returns where they stand then.
    fn stage_large(&mut self) -> Result<Vec<(String, serde_json::Value)>, CommitError> {
        for (_, writer) in &mut self.large {
            writer.begin_stage()?;
        }
        let mut positions = Vec::new();
        for (layer, writer) in &mut self.large {
            let StagedLayer { files, position } = writer.end_stage()?;
            for (file, rows) in files {
                self.staging.add_written(file, rows);
            }
            positions.push((layer.name().to_owned(), position));
        }
        Ok(positions)
    }

    fn positions(&self) -> BTreeMap<String, serde_json::Value> {
        let writers = self.gold.iter().map(|gold| gold as &dyn CommitPart);
        let writers = writers.chain(self.layers.iter().map(|layer| &**layer as &dyn CommitPart));
        writers.map(|writer| (writer.layer().name().to_owned(), writer.position())).collect()
    }

    /// Puts the record in the place of the one before it: the commit point.
    fn record(&self, record: &Record) -> Result<(), StoreError> {
        let (unfinished, place) = (self.lake.staging_folder().join(RECORD), self.lake.root().join(MARK).join(RECORD));
        let store = self.lake.store();
        store.write(&unfinished, &record.encode()).map_err(StoreError::of(Operation::Write, &unfinished))?;
        failpoint("record-written");
        store.rename(&unfinished, &place).map_err(StoreError::of(Operation::Rename, &place))
    }
}

/// Sees that every file of the last commit is there: staged, or at its place. Changes nothing.
fn check_files(lake: &Lake, record: &Record) -> Result<(), CreateError> {
    let read = |source| CreateError::Read { path: lake.root().to_path_buf(), source };
    // Of a place that comes more than once the last file counts.
    let last: BTreeMap<&str, &StagedFile> = record.files.iter().map(|file| (file.place.as_str(), file)).collect();
    for file in &record.files {
        let staged = lake.staging_folder().join(&file.name);
        if let Some(bytes) = store_len(lake, &staged).map_err(read)? {
            check_len(&staged, Some(bytes), file.bytes)?;
        } else if last[file.place.as_str()].name == file.name {
            let place = lake.root().join(&file.place);
            check_len(&place, store_len(lake, &place).map_err(read)?, file.bytes)?;
        }
    }
    Ok(())
}

fn check_len(path: &Path, found: Option<u64>, expected: u64) -> Result<(), CreateError> {
    let what = match found {
        Some(found) if found == expected => return Ok(()),
        Some(found) => format!("it is {found} bytes long; the last commit wrote {expected}"),
        None => "it is gone; the last commit wrote it".to_owned(),
    };
    Err(CreateError::Damaged { path: path.to_owned(), what })
}

/// Shows those files of the last commit that are not shown yet.
fn show_rest(lake: &Lake, record: &Record) -> Result<(), StoreError> {
    for file in &record.files {
        if store_len(lake, &lake.staging_folder().join(&file.name))?.is_some() {
            lake.show(&file.name, &file.place)?;
            failpoint("rolled-forward");
        }
    }
    Ok(())
}

/// Removes what belongs to no commit.
fn sweep(lake: &Lake) -> Result<(), StoreError> {
    let folder = lake.staging_folder();
    let names = lake.store().list(&folder).map_err(StoreError::of(Operation::List, &folder))?;
    for name in names.unwrap_or_default() {
        let path = folder.join(name);
        lake.store().remove_file(&path).map_err(StoreError::of(Operation::Remove, &path))?;
        failpoint("swept");
    }
    state_log::sweep(lake, lake.record().map(|record| record.state).unwrap_or_default())
}

fn store_len(lake: &Lake, path: &Path) -> Result<Option<u64>, StoreError> {
    lake.store().len(path).map_err(StoreError::of(Operation::Read, path))
}
