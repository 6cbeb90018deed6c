//! Bronze and Silver: large layers, written beside the event path.
//!
//! Each layer has a thread of its own that encodes; rows go to it over a bounded queue, and who finds that full waits.
//! What a reader of `LAKE/LAYER/TABLE/**/*.parquet` can rely on:
//!
//! 1. **Complete files.** A file is written under `_tillrace/tmp`, part by part as its row groups fill, synced, and shown
//!    by the rename of a commit, see `writer.rs`.
//! 2. **Every row once.** A shown file is either left alone for ever, or replaced by one that holds the same rows, in the
//!    same order, and further ones behind them.
//! 3. **Few files.** A day's newest file is replaced while it has less than [`REWRITTEN_BYTES_MAX`], its row groups copied
//!    as they are; so however often it is shown, a day has one file more than it has multiples of that. Rows that come
//!    faster than they are shown fill files of [`FILE_BYTES_MAX`].
//! 4. **The schema comes first.** `schema.parquet`, without rows, is in every table before any data. It stays.
//!
//! In memory are the queue ([`QUEUE_LEN`] parts) and, for each table and each of the [`OPEN_DAYS_MAX`] days that may be open
//! in it, the encoded pages of one row group.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use engine_model::gold::TableSchema;
use engine_model::silver::{BRONZE, SILVER};
use engine_model::{Civil, Rows, civil_of_day};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::lake::Lake;
use crate::layer_file::{LayerEncoding, LayerFile, LayerFileError};
use crate::layers::Layer;
use crate::record::StagedFile;
use crate::staging::CommitError;
use crate::store::{Operation, StoreError};

/// From so many bytes on a file is full.
pub const FILE_BYTES_MAX: usize = 256 << 20;

/// From so many bytes on a file that was shown is not replaced any more by one with further rows.
pub const REWRITTEN_BYTES_MAX: usize = 32 << 20;

/// How many days may be open in a table at once; of more, the one written least recently is left.
pub(crate) const OPEN_DAYS_MAX: usize = 4;

/// How many appended parts wait for the thread before appending waits.
pub(crate) const QUEUE_LEN: usize = 16;

/// Where what belongs to no day lies.
pub(crate) const UNDATED: &str = "undated";

/// A local day since 1970-01-01; `None` where no event has told the time yet.
type Day = Option<i64>;

/// What a layer has for a commit.
#[derive(Debug)]
pub(crate) struct StagedLayer {
    /// Complete files that nobody sees yet, in the order in which they are to be shown, each with its rows.
    pub(crate) files: Vec<(StagedFile, usize)>,
    /// Where the layer stands behind them.
    pub(crate) position: Value,
}

/// Writes Bronze or Silver of a lake. There must be one for a layer and lake.
#[derive(Debug)]
pub(crate) struct LayerWriter {
    /// `None` once the thread was told to end.
    work: Option<SyncSender<Work>>,
    answers: Receiver<Result<StagedLayer, CommitError>>,
    thread: Option<JoinHandle<()>>,
}

enum Work {
    Append(Day, Rows),
    Stage,
}

impl LayerWriter {
    /// A writer that goes on where an earlier run's commit `number` has noted the `position`, or begins. Starts its thread; writes
    /// nothing yet.
    ///
    /// # Errors
    /// What is wrong with the position.
    ///
    /// # Panics
    /// Where `layer` is neither Bronze nor Silver, or not among the lake's layers, or no thread can be had.
    pub(crate) fn start(
        lake: &Lake,
        layer: Layer,
        number: u64,
        position: Option<&Value>,
    ) -> Result<LayerWriter, String> {
        let mut tables = LayerTables::new(lake, layer, number + 1);
        position.map_or(Ok(()), |position| tables.resume(position))?;
        let (work, orders) = sync_channel(QUEUE_LEN);
        let (answer, answers) = sync_channel(1);
        let body = move || tables.work(&orders, &answer);
        let thread = std::thread::Builder::new().name(layer.to_string()).spawn(body);
        let thread = Some(thread.expect("the system can start a thread"));
        Ok(LayerWriter { work: Some(work), answers, thread })
    }

    /// Takes rows of one of the layer's tables, all of one local day since 1970-01-01, or of none. Returns at once, but
    /// where the thread is [`QUEUE_LEN`] parts behind: then it waits.
    ///
    /// # Errors
    /// Where encoding or storage has failed before. These rows are then not taken.
    ///
    /// # Panics
    /// Where the rows are of another table.
    pub(crate) fn append(&mut self, day: Option<i64>, rows: Rows) -> Result<(), CommitError> {
        self.send(Work::Append(day, rows))
    }

    /// Lets the thread make complete files of all that was appended. [`LayerWriter::end_stage`] must follow.
    ///
    /// # Errors
    /// Where encoding or storage has failed before.
    pub(crate) fn begin_stage(&mut self) -> Result<(), CommitError> {
        self.send(Work::Stage)
    }

    /// Waits until those files are durable. The first time, every table's schema is among them.
    ///
    /// # Errors
    /// Where encoding or storage fails, now or for rows appended before.
    pub(crate) fn end_stage(&mut self) -> Result<StagedLayer, CommitError> {
        match self.answers.recv() {
            Ok(answer) => answer,
            Err(_) => Err(self.failure()),
        }
    }

    fn send(&mut self, work: Work) -> Result<(), CommitError> {
        let sent = self.work.as_ref().expect("sent only before the end").send(work);
        // Its other end is only gone once it has failed.
        sent.map_err(|_| self.failure())
    }

    /// Why the thread has ended: an error; a panic goes on here.
    fn failure(&mut self) -> CommitError {
        if let Some(thread) = self.thread.take()
            && let Err(panic) = thread.join()
        {
            std::panic::resume_unwind(panic);
        }
        match self.answers.try_recv() {
            Ok(Err(error)) => error,
            _ => unreachable!("a thread that ends by itself has said why"),
        }
    }
}

impl Drop for LayerWriter {
    fn drop(&mut self) {
        self.work = None;
        if let Some(thread) = self.thread.take() {
            // A panic was shown when it happened.
            let _ = thread.join();
        }
    }
}

/// What the thread of a layer works on.
#[derive(Debug)]
struct LayerTables {
    lake: Lake,
    layer: Layer,
    tables: Vec<Table>,
    has_schemas: bool,
    /// What the names of its staged files begin with: the number of a commit that was still to come when the run began, so that no record
    /// of an earlier run has one of them.
    first_commit: u64,
    /// How many files it has begun.
    file_count: u64,
    /// [`FILE_BYTES_MAX`] and [`REWRITTEN_BYTES_MAX`]; less in tests.
    file_bytes_max: usize,
    rewritten_bytes_max: usize,
}

#[derive(Debug)]
struct Table {
    schema: &'static TableSchema,
    encoding: LayerEncoding,
    /// The files being filled, the one written last at the end.
    open: Vec<OpenFile>,
    /// Complete files that nobody sees yet.
    staged: Vec<CompleteFile>,
    /// Of the last days, the file shown last, where it may still be replaced.
    shown: Vec<(Day, u64)>,
    /// The number of the next new file.
    number: u64,
}

#[derive(Debug)]
struct OpenFile {
    day: Day,
    number: u64,
    file: LayerFile,
    /// Its name in the staging folder.
    name: String,
}

#[derive(Debug)]
struct CompleteFile {
    day: Day,
    number: u64,
    rows: usize,
    staged: StagedFile,
}

/// What a commit notes of where a table stands.
#[derive(Serialize, Deserialize)]
struct Position {
    table: String,
    number: u64,
    shown: Vec<(Day, u64)>,
}

impl LayerTables {
    fn new(lake: &Lake, layer: Layer, first_commit: u64) -> LayerTables {
        assert!(lake.layers().contains(layer), "layers {} leave {layer} out", lake.layers());
        let schemas: &[&'static TableSchema] = match layer {
            Layer::Bronze => &BRONZE,
            Layer::Silver => &SILVER,
            Layer::Quarantine | Layer::Gold => panic!("{layer} has a writer of its own"),
        };
        let table = |&schema: &&'static TableSchema| Table {
            schema,
            encoding: LayerEncoding::of(schema),
            open: Vec::new(),
            staged: Vec::new(),
            shown: Vec::new(),
            number: 0,
        };
        LayerTables {
            lake: lake.clone(),
            layer,
            tables: schemas.iter().map(table).collect(),
            has_schemas: false,
            first_commit,
            file_count: 0,
            file_bytes_max: FILE_BYTES_MAX,
            rewritten_bytes_max: REWRITTEN_BYTES_MAX,
        }
    }

    fn resume(&mut self, position: &Value) -> Result<(), String> {
        let positions: Vec<Position> = serde_json::from_value(position.clone()).map_err(|error| error.to_string())?;
        for Position { table, number, shown } in positions {
            let found = self.tables.iter_mut().find(|known| known.schema.name == table);
            let known = found.ok_or_else(|| format!("it names a table {table} of {}", self.layer))?;
            (known.number, known.shown) = (number, shown);
        }
        Ok(())
    }

    fn position(&self) -> Value {
        let position = |table: &Table| Position {
            table: table.schema.name.to_owned(),
            number: table.number,
            shown: table.shown.clone(),
        };
        serde_json::to_value(self.tables.iter().map(position).collect::<Vec<_>>()).expect("plain data")
    }

    /// A name in the staging folder that was not used before.
    fn next_name(&mut self) -> String {
        self.file_count += 1;
        format!("{:06}-{}-{:06}", self.first_commit, self.layer, self.file_count)
    }

    /// Does what it is told until nobody tells any more, or a part could not be taken: that error is the last answer.
    fn work(&mut self, orders: &Receiver<Work>, answers: &SyncSender<Result<StagedLayer, CommitError>>) {
        for order in orders {
            let result = match order {
                Work::Append(day, rows) => match self.append(day, &rows) {
                    Ok(()) => continue,
                    Err(error) => {
                        let _ = answers.send(Err(error));
                        return;
                    }
                },
                Work::Stage => self.stage(),
            };
            if answers.send(result).is_err() {
                return;
            }
        }
    }

    fn append(&mut self, day: Day, rows: &Rows) -> Result<(), CommitError> {
        let name = rows.schema().name;
        let place = self.tables.iter().position(|table| table.schema.name == name);
        let place = place.unwrap_or_else(|| panic!("table {name} is not in layer {}", self.layer));
        let failed = |error| failed(name, error);
        let at = if let Some(at) = self.tables[place].open.iter().position(|open| open.day == day) {
            at
        } else {
            let staged = self.next_name();
            self.tables[place].open(&self.lake, self.layer, day, staged).map_err(failed)?
        };
        let table = &mut self.tables[place];
        // The file written last stands at the end.
        let mut open = table.open.remove(at);
        let taken = open.file.write(rows, self.lake.store(), &self.lake.staging_folder().join(&open.name));
        let is_full = open.file.bytes() >= self.file_bytes_max;
        table.open.push(open);
        taken.map_err(failed)?;
        if is_full {
            table.complete(&self.lake, self.layer, table.open.len() - 1).map_err(failed)?;
        }
        Ok(())
    }

    fn stage(&mut self) -> Result<StagedLayer, CommitError> {
        let mut files = self.stage_schemas()?;
        for table in &mut self.tables {
            while !table.open.is_empty() {
                table.complete(&self.lake, self.layer, 0).map_err(|error| failed(table.schema.name, error))?;
            }
            for CompleteFile { day, number, rows, staged } in table.staged.drain(..) {
                table.shown.retain(|(of, _)| *of != day);
                if staged.bytes < self.rewritten_bytes_max as u64 {
                    if table.shown.len() == OPEN_DAYS_MAX {
                        table.shown.remove(0);
                    }
                    table.shown.push((day, number));
                }
                files.push((staged, rows));
            }
        }
        Ok(StagedLayer { files, position: self.position() })
    }

    /// The schemas that are not shown as they are now.
    fn stage_schemas(&mut self) -> Result<Vec<(StagedFile, usize)>, CommitError> {
        let mut files = Vec::new();
        if self.has_schemas {
            return Ok(files);
        }
        for index in 0..self.tables.len() {
            let schema = self.tables[index].schema;
            let failed = |error| failed(schema.name, error);
            let bytes = engine_gold::parquet(&Rows::new(schema)).map_err(|error| failed(error.into()))?;
            let place = folder(self.layer, schema.name).join("schema.parquet");
            if self.lake.store().read(&self.lake.root().join(&place)).is_ok_and(|shown| shown == bytes) {
                continue;
            }
            let name = self.next_name();
            let path = self.lake.staging_folder().join(&name);
            let written = self.lake.store().write(&path, &bytes).map_err(StoreError::of(Operation::Write, &path));
            written.map_err(|error| failed(error.into()))?;
            files.push((StagedFile { name, place: place_text(&place), bytes: bytes.len() as u64 }, 0));
        }
        self.has_schemas = true;
        Ok(files)
    }
}

impl Table {
    /// Where a file of the table lies, relative to the lake.
    fn place(&self, layer: Layer, day: Day, number: u64) -> PathBuf {
        folder(layer, self.schema.name).join(day_folder(day)).join(format!("{number:06}.parquet"))
    }

    /// Opens a file for a day; returns its place among the open ones.
    fn open(&mut self, lake: &Lake, layer: Layer, day: Day, name: String) -> Result<usize, LayerFileError> {
        if self.open.len() == OPEN_DAYS_MAX {
            self.complete(lake, layer, 0)?;
        }
        // What is staged and not shown yet may not be written over.
        let is_staged = self.staged.iter().any(|file| file.day == day);
        let replaced = self.shown.iter().find(|(of, _)| *of == day && !is_staged);
        let (number, file) = match replaced {
            Some(&(_, number)) => {
                let place = lake.root().join(self.place(layer, day, number));
                let earlier = lake.store().read(&place).map_err(StoreError::of(Operation::Read, &place))?;
                (number, LayerFile::continuing(self.schema, self.encoding, earlier)?)
            }
            None => (self.number, LayerFile::new(self.schema, self.encoding)?),
        };
        if number == self.number {
            self.number += 1;
        }
        self.open.push(OpenFile { day, number, file, name });
        Ok(self.open.len() - 1)
    }

    /// Makes the open file at a place complete, to be shown.
    fn complete(&mut self, lake: &Lake, layer: Layer, at: usize) -> Result<(), LayerFileError> {
        let OpenFile { day, number, mut file, name } = self.open.remove(at);
        debug_assert!(file.rows() > 0, "a file is opened for rows");
        let bytes = file.finish(lake.store(), &lake.staging_folder().join(&name))?;
        let staged = StagedFile { name, place: place_text(&self.place(layer, day, number)), bytes };
        self.staged.push(CompleteFile { day, number, rows: file.rows(), staged });
        Ok(())
    }
}

fn place_text(place: &Path) -> String {
    place.to_str().expect("places are made of ASCII").replace('\\', "/")
}

fn failed(table: &str, error: LayerFileError) -> CommitError {
    let table = table.to_owned();
    match error {
        LayerFileError::Store(source) => CommitError::Store { table, source },
        LayerFileError::Encode(source) => CommitError::Encode { table, source },
    }
}

fn folder(layer: Layer, table: &str) -> PathBuf {
    Path::new(layer.name()).join(table)
}

/// `2026-01-01`, or where it is known of no day.
pub(crate) fn day_folder(day: Option<i64>) -> String {
    let Some(day) = day else { return UNDATED.to_owned() };
    let Civil { year, month, day } = civil_of_day(day);
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests;
