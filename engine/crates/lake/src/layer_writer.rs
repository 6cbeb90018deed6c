//! Bronze and Silver: large layers, written beside the event path.
//!
//! Each layer has a thread of its own that encodes; rows go to it over a bounded queue, and who finds that full waits.
//! What a reader of `LAKE/LAYER/TABLE/**/*.parquet` can rely on:
//!
//! 1. **Complete files.** A file is written under `_tillrace/tmp`, part by part as its row groups fill, synced, and shown
//!    by a rename.
//! 2. **Every row once.** A shown file is either left alone for ever, or replaced by one that holds the same rows, in the
//!    same order, and further ones behind them.
//! 3. **Few files.** A day's newest file is replaced while it has less than [`REWRITTEN_BYTES_MAX`], its row groups copied
//!    as they are; so however often it is shown, a day has one file more than it has multiples of that. Rows that come
//!    faster than they are shown fill files of [`FILE_BYTES_MAX`].
//! 4. **The schema comes first.** `schema.parquet`, without rows, is in every table before any data. It stays.
//!
//! In memory are the queue ([`QUEUE_LEN`] parts) and, for each table and each of the [`OPEN_DAYS_MAX`] days that may be open
//! in it, the encoded pages of one row group.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use engine_model::gold::TableSchema;
use engine_model::silver::{BRONZE, SILVER};
use engine_model::{Civil, Rows, civil_of_day};

use crate::gold::{CommitError, show, stage};
use crate::lake::{Lake, Staged};
use crate::layer_file::{LayerEncoding, LayerFile, LayerFileError};
use crate::layers::Layer;
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

/// Writes Bronze or Silver of a lake. There must be one for a layer and lake.
#[derive(Debug)]
pub struct LayerWriter {
    /// `None` once the thread was told to end.
    work: Option<SyncSender<Work>>,
    answers: Receiver<Result<(), CommitError>>,
    thread: Option<JoinHandle<()>>,
}

enum Work {
    Append(Day, Rows),
    Stage,
    Show,
}

impl LayerWriter {
    /// A writer for a lake without the layer. Starts its thread; writes nothing yet.
    ///
    /// # Panics
    /// Where `layer` is neither Bronze nor Silver, or not among the lake's layers, or no thread can be had.
    #[must_use]
    pub fn new(lake: &Lake, layer: Layer) -> LayerWriter {
        let mut tables = LayerTables::new(lake, layer);
        let (work, orders) = sync_channel(QUEUE_LEN);
        let (answer, answers) = sync_channel(1);
        let body = move || tables.work(&orders, &answer);
        let thread = std::thread::Builder::new().name(layer.to_string()).spawn(body);
        let thread = Some(thread.expect("the system can start a thread"));
        LayerWriter { work: Some(work), answers, thread }
    }

    /// Takes rows of one of the layer's tables, all of one local day since 1970-01-01, or of none. Returns at once, but
    /// where the thread is [`QUEUE_LEN`] parts behind: then it waits.
    ///
    /// # Errors
    /// Where encoding or storage has failed before. These rows are then not taken.
    ///
    /// # Panics
    /// Where the rows are of another table.
    pub fn append(&mut self, day: Option<i64>, rows: Rows) -> Result<(), CommitError> {
        self.send(Work::Append(day, rows))
    }

    /// Makes complete files of all that was appended, which nobody sees yet. Blocks until they are durable.
    ///
    /// # Errors
    /// Where encoding or storage fails, now or for rows appended before.
    pub fn stage(&mut self) -> Result<(), CommitError> {
        self.ask(Work::Stage)
    }

    /// Shows what was staged. The first time also shows every table's schema.
    ///
    /// # Errors
    /// Where storage fails. Call again to go on.
    pub fn show(&mut self) -> Result<(), CommitError> {
        self.ask(Work::Show)
    }

    /// Writes and shows all that was appended.
    ///
    /// # Errors
    /// As [`LayerWriter::stage`] and [`LayerWriter::show`].
    pub fn flush(&mut self) -> Result<(), CommitError> {
        self.stage()?;
        self.show()
    }

    /// Writes and shows all that was appended, for the last time.
    ///
    /// # Errors
    /// As [`LayerWriter::flush`].
    pub fn finish(mut self) -> Result<(), CommitError> {
        self.flush()
    }

    fn ask(&mut self, work: Work) -> Result<(), CommitError> {
        self.send(work)?;
        let answer = self.answers.recv();
        answer.unwrap_or_else(|_| self.fail())
    }

    fn send(&mut self, work: Work) -> Result<(), CommitError> {
        let sent = self.work.as_ref().expect("sent only before the end").send(work);
        // Its other end is only gone once it has failed.
        sent.or_else(|_| self.fail())
    }

    /// Says why the thread has ended: by an error, or by a panic, which goes on here.
    fn fail(&mut self) -> Result<(), CommitError> {
        if let Some(thread) = self.thread.take()
            && let Err(panic) = thread.join()
        {
            std::panic::resume_unwind(panic);
        }
        self.answers.try_recv().unwrap_or(Ok(()))
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
    staged: Staged,
}

#[derive(Debug)]
struct CompleteFile {
    day: Day,
    number: u64,
    bytes: u64,
    staged: Staged,
    /// Whether it was tried to move the file to its place.
    is_moving: bool,
}

impl LayerTables {
    fn new(lake: &Lake, layer: Layer) -> LayerTables {
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
            file_bytes_max: FILE_BYTES_MAX,
            rewritten_bytes_max: REWRITTEN_BYTES_MAX,
        }
    }

    /// Does what it is told until nobody tells any more, or a part could not be taken: that error is the last answer.
    fn work(&mut self, orders: &Receiver<Work>, answers: &SyncSender<Result<(), CommitError>>) {
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
                Work::Show => self.show(),
            };
            if answers.send(result).is_err() {
                return;
            }
        }
    }

    fn append(&mut self, day: Day, rows: &Rows) -> Result<(), CommitError> {
        let name = rows.schema().name;
        let table = self.tables.iter_mut().find(|table| table.schema.name == name);
        let table = table.unwrap_or_else(|| panic!("table {name} is not in layer {}", self.layer));
        let failed = |error| failed(name, error);
        let at = match table.open.iter().position(|open| open.day == day) {
            Some(at) => at,
            None => table.open(&self.lake, self.layer, day).map_err(failed)?,
        };
        // The file written last stands at the end.
        let mut open = table.open.remove(at);
        let taken = open.file.write(rows, self.lake.store(), &open.staged.finished);
        let is_full = open.file.bytes() >= self.file_bytes_max;
        table.open.push(open);
        taken.map_err(failed)?;
        if is_full {
            table.complete(&self.lake, table.open.len() - 1).map_err(failed)?;
        }
        Ok(())
    }

    fn stage(&mut self) -> Result<(), CommitError> {
        for table in &mut self.tables {
            while !table.open.is_empty() {
                table.complete(&self.lake, 0).map_err(|error| failed(table.schema.name, error))?;
            }
        }
        Ok(())
    }

    fn show(&mut self) -> Result<(), CommitError> {
        self.show_schemas()?;
        for table in &mut self.tables {
            while let Some(file) = table.staged.first_mut() {
                let name = table.schema.name;
                if file.is_moving {
                    restage(&self.lake, &file.staged).map_err(|error| failed(name, error.into()))?;
                }
                file.is_moving = true;
                show(&self.lake, name, &file.staged)?;
                let file = table.staged.remove(0);
                table.shown.retain(|(day, _)| *day != file.day);
                if file.bytes < self.rewritten_bytes_max as u64 {
                    if table.shown.len() == OPEN_DAYS_MAX {
                        table.shown.remove(0);
                    }
                    table.shown.push((file.day, file.number));
                }
            }
        }
        Ok(())
    }

    fn show_schemas(&mut self) -> Result<(), CommitError> {
        if !self.has_schemas {
            for Table { schema, .. } in &self.tables {
                let path = folder(self.layer, schema.name).join("schema.parquet");
                let (file, _) = stage(&self.lake, schema.name, &path, &Rows::new(schema))?;
                show(&self.lake, schema.name, &file)?;
            }
            self.has_schemas = true;
        }
        Ok(())
    }
}

impl Table {
    /// Opens a file for a day; returns its place among the open ones.
    fn open(&mut self, lake: &Lake, layer: Layer, day: Day) -> Result<usize, LayerFileError> {
        if self.open.len() == OPEN_DAYS_MAX {
            self.complete(lake, 0)?;
        }
        let place = |number| folder(layer, self.schema.name).join(day_folder(day)).join(format!("{number:06}.parquet"));
        // What is staged and not shown yet may not be written over.
        let is_staged = self.staged.iter().any(|file| file.day == day);
        let replaced = self.shown.iter().find(|(of, _)| *of == day && !is_staged);
        let (number, file, staged) = match replaced {
            Some(&(_, number)) => {
                let staged = lake.staged(&place(number));
                let earlier = lake.store().read(&staged.place);
                let earlier = earlier.map_err(StoreError::of(Operation::Read, &staged.place))?;
                (number, LayerFile::continuing(self.schema, self.encoding, earlier)?, staged)
            }
            None => (self.number, LayerFile::new(self.schema, self.encoding)?, lake.staged(&place(self.number))),
        };
        if number == self.number {
            self.number += 1;
        }
        self.open.push(OpenFile { day, number, file, staged });
        Ok(self.open.len() - 1)
    }

    /// Makes the open file at a place complete, to be shown.
    fn complete(&mut self, lake: &Lake, at: usize) -> Result<(), LayerFileError> {
        let OpenFile { day, number, file, staged } = &mut self.open[at];
        debug_assert!(file.rows() > 0, "a file is opened for rows");
        let bytes = file.finish(lake.store(), &staged.finished)?;
        self.staged.push(CompleteFile { day: *day, number: *number, bytes, staged: staged.clone(), is_moving: false });
        self.open.remove(at);
        Ok(())
    }
}

/// Puts a file back where it was staged, should a move that failed have moved it all the same: moved again, it is durable.
fn restage(lake: &Lake, staged: &Staged) -> Result<(), StoreError> {
    let store = lake.store();
    if matches!(store.read(&staged.finished), Err(error) if error.kind() == io::ErrorKind::NotFound) {
        let bytes = store.read(&staged.place).map_err(StoreError::of(Operation::Read, &staged.place))?;
        store.write(&staged.finished, &bytes).map_err(StoreError::of(Operation::Write, &staged.finished))?;
    }
    Ok(())
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
