//! One run: a source of records, the pipeline behind it, and what the page is told.

use std::io::Read;

use engine_feed::{ClosedWindow, End, Hello, How, Message, Open, OpenFigures, SourceKind, Status, csv_header, csv_row};
use engine_model::gold::{DIM_CUSTOMER, DIM_PRODUCT, GoldTable};
use engine_model::{Batch, BatchHeader, EventTime, Rows, Semantics};
use engine_parse::{Parser, Rules, Slab};
use engine_source::{LineLimits, LineReader};
use engine_window::Ledger;
use sim::Simulator;

use crate::dots::{Dot, Dots};
use crate::kept::Kept;
use crate::pipeline::Pipeline;
use crate::settings::{Form, InvalidSettings, Settings};
use crate::wire;

/// How many products and categories of a window the page is told.
const TOP: usize = 10;

/// How many records are in a batch, as in the server.
const BATCH_RECORDS_MAX: usize = 512;

/// How many lines the simulator writes at a time: the last line of a portion is read slowly.
const PORTION_LINES: usize = 4 * BATCH_RECORDS_MAX;

/// The most bytes of Gold rows kept for downloads: a day of two million products by window, and far from the 4 GiB that
/// a module can address.
const KEPT_BYTES_MAX: usize = 384 << 20;

/// A dropped file could not be read on.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the file at byte {position}: {cause}")]
pub struct ReadError {
    /// Bytes read before.
    pub position: u64,
    /// What the browser says.
    pub cause: std::io::Error,
}

enum Origin {
    Events(Box<Simulator>),
    Lines { simulator: Box<Simulator>, offset: u64 },
    File(LineReader<Box<dyn Read>>),
}

/// A run that goes as far as it is told.
pub struct Session {
    origin: Origin,
    /// Simulated lines.
    slab: Vec<u8>,
    work: Work,
    is_finished: bool,
}

/// All that lies behind the source.
struct Work {
    semantics: Semantics,
    hello: Hello,
    rules: Rules,
    parser: Parser,
    batch: Batch,
    pipeline: Pipeline,
    kept: Kept,
    dots: Dots,
    /// What the page has not been told yet, one behind the other with commas between.
    messages: String,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("hello", &self.work.hello)
            .field("ledger", &self.ledger())
            .finish_non_exhaustive()
    }
}

impl Session {
    /// A simulated shop. `run` names the run to the page.
    ///
    /// # Errors
    /// Where a setting does not work.
    pub fn simulated(settings: &Settings, run: String) -> Result<Session, InvalidSettings> {
        let simulator = Box::new(Simulator::new(&settings.simulator()?, 0)?);
        let origin = match settings.form {
            Form::Events => Origin::Events(simulator),
            Form::Lines => Origin::Lines { simulator, offset: 0 },
        };
        let semantics = settings.semantics()?;
        let hello = Hello::new(&semantics, run, SourceKind::Sim, "sim".to_owned(), false);
        // A bounded simulation is not asked for the clock.
        Ok(Session::new(semantics, hello, origin, EventTime::EVENT_MAX))
    }

    /// The lines of a file. `time_max` is the latest event time allowed: the clock plus `max_future`.
    ///
    /// # Errors
    /// Where a setting does not work.
    pub fn of_file(
        settings: &Settings,
        run: String,
        name: String,
        reader: Box<dyn Read>,
        time_max: EventTime,
    ) -> Result<Session, InvalidSettings> {
        let semantics = settings.semantics()?;
        let hello = Hello::new(&semantics, run, SourceKind::Files, name, false);
        let lines = LineReader::new(reader, 0, LineLimits::default());
        Ok(Session::new(semantics, hello, Origin::File(lines), time_max.min(EventTime::EVENT_MAX)))
    }

    fn new(semantics: Semantics, hello: Hello, origin: Origin, time_max: EventTime) -> Session {
        let pipeline = Pipeline::new(&semantics);
        let mut messages = String::new();
        tell(&mut messages, &Message::Hello(hello.clone()));
        let work = Work {
            rules: Rules { currency: semantics.currency(), time_max },
            kept: Kept::new(pipeline.merger().empty_rows(), KEPT_BYTES_MAX),
            semantics,
            hello,
            parser: Parser::new(),
            batch: Batch::default(),
            pipeline,
            dots: Dots::default(),
            messages,
        };
        Session { origin, slab: Vec::new(), work, is_finished: false }
    }

    /// Takes records in until `records_max` or some more are taken, or, of a simulation, all those that have come by
    /// `until`. Returns how many were. When the source ends, all windows close and the page is told the end.
    ///
    /// # Errors
    /// Where a file cannot be read on; its windows stay open.
    pub fn run(&mut self, records_max: u64, until: EventTime) -> Result<u64, ReadError> {
        let before = self.work.pipeline.ledger().records;
        let mut taken = 0;
        while taken < records_max && !self.is_finished {
            let (has_come, is_finished) = self.take_next(until)?;
            if is_finished {
                self.work.pipeline.finish();
                self.work.close();
                self.is_finished = true;
                let status = self.status(0, 0.0);
                let saturated = self.work.pipeline.merger().is_saturated();
                tell(
                    &mut self.work.messages,
                    &Message::End(End { how: How::Finished, error: None, saturated, status }),
                );
            } else if !has_come {
                break;
            }
            taken = self.work.pipeline.ledger().records - before;
        }
        Ok(taken)
    }

    /// Takes the source's next portion in. Returns whether anything came, and whether that was all.
    fn take_next(&mut self, until: EventTime) -> Result<(bool, bool), ReadError> {
        let Session { origin, slab, work, .. } = self;
        slab.clear();
        match origin {
            Origin::Events(simulator) => {
                work.batch.reset(simulator.header(Pipeline::PARTITION));
                let count = simulator.next_batch_until(until, BATCH_RECORDS_MAX, &mut work.batch, slab);
                work.take_batch();
                Ok((count > 0, simulator.is_finished()))
            }
            Origin::Lines { simulator, offset } => {
                let count = simulator.write_lines_until(until, PORTION_LINES, slab);
                work.take_slab(Slab { bytes: slab, offset: *offset, oversized: None });
                *offset += slab.len() as u64;
                Ok((count > 0, simulator.is_finished()))
            }
            Origin::File(lines) => match lines.next_slab() {
                Ok(None) => Ok((false, true)),
                Ok(Some(slab)) => {
                    work.take_slab(Slab { bytes: slab.bytes, offset: slab.offset, oversized: slab.oversized });
                    Ok((true, false))
                }
                Err(cause) => Err(ReadError { position: lines.position(), cause }),
            },
        }
    }

    /// Everything the page has not been told yet, as a JSON array.
    pub fn take_messages(&mut self) -> String {
        let messages = std::mem::take(&mut self.work.messages);
        format!("[{messages}]")
    }

    /// Tells the page what is open; with `counts` also distinct customers and sessions of the base windows, which costs
    /// a copy of their sets.
    pub fn tell_open(&mut self, counts: bool) {
        let base = self.work.semantics.base();
        let open_windows = self.work.pipeline.open_windows().map(|open| {
            let figures = OpenFigures::new(base, open.window, &open.sums);
            let snapshot = if counts { self.work.pipeline.shard().snapshot(open.window) } else { None };
            match snapshot {
                None => figures,
                Some(mut partial) => OpenFigures {
                    unique_customers: Some(partial.customer_count() as u64),
                    sessions: Some(partial.session_count()),
                    ..figures
                },
            }
        });
        let rollups = self.work.pipeline.merger().open_rollups();
        let open = Open {
            windows: open_windows.collect(),
            rollups: rollups.iter().map(|(grain, window, sums)| OpenFigures::new(*grain, *window, sums)).collect(),
        };
        tell(&mut self.work.messages, &Message::Open(open));
    }

    /// Tells the page how far the run has come. The page's clock knows the time and the rate.
    pub fn tell_status(&mut self, elapsed_ms: u64, records_per_second: f64) {
        let status = self.status(elapsed_ms, records_per_second);
        tell(&mut self.work.messages, &Message::Status(status));
    }

    fn status(&self, elapsed_ms: u64, records_per_second: f64) -> Status {
        Status {
            elapsed_ms,
            records_per_second,
            open_windows: self.work.pipeline.open_windows().count() as u64,
            ..Status::of_ledger(&self.ledger()).at(self.work.pipeline.watermark(), self.work.pipeline.event_time_max())
        }
    }

    /// What became of the records so far.
    #[must_use]
    pub fn ledger(&self) -> Ledger {
        self.work.pipeline.ledger()
    }

    /// The greatest event time so far.
    #[must_use]
    pub fn event_time_max(&self) -> Option<EventTime> {
        self.work.pipeline.event_time_max()
    }

    /// Whether the source has ended and all windows are closed.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.is_finished
    }

    /// Collects dots for the picture from now on, or no longer.
    pub fn turn_dots(&mut self, is_on: bool) {
        if self.work.dots.is_on() != is_on {
            self.work.dots.turn(is_on);
            self.work.dots.take();
        }
    }

    /// The dots since the last look.
    pub fn take_dots(&mut self) -> Vec<Dot> {
        self.work.dots.take()
    }

    /// The Gold tables, in commit order.
    #[must_use]
    pub fn tables(&self) -> &[GoldTable] {
        self.work.pipeline.merger().tables()
    }

    /// Whether rows are missing in the tables because there were too many to keep.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.work.kept.is_cut()
    }

    /// How many rows a table has.
    #[must_use]
    pub fn row_count(&self, table: usize) -> usize {
        self.with_rows(table, Rows::len)
    }

    /// Rows of a table as CSV, `count` of them from `first` on; with the names of the columns before the first.
    ///
    /// # Panics
    /// Where there is no such table.
    #[must_use]
    pub fn csv(&self, table: usize, first: usize, count: usize) -> Vec<u8> {
        let mut out = Vec::new();
        self.with_rows(table, |rows| {
            let header = if first == 0 { csv_header(&mut out, rows.schema()) } else { Ok(()) };
            let last = rows.len().min(first.saturating_add(count));
            let written = header.and_then(|()| (first..last).try_for_each(|row| csv_row(&mut out, rows, row)));
            written.expect("writing to memory does not fail");
        });
        out
    }

    /// Rows of a table for the module that writes Parquet; see [`crate::parquet_of_wire`].
    ///
    /// # Panics
    /// Where there is no such table.
    #[must_use]
    pub fn wire(&self, table: usize, first: usize, count: usize) -> Vec<u8> {
        let mut out = Vec::new();
        self.with_rows(table, |rows| wire::encode(rows, first, count, &mut out));
        out
    }

    fn with_rows<T>(&self, table: usize, look: impl FnOnce(&Rows) -> T) -> T {
        let merger = self.work.pipeline.merger();
        let name = self.tables()[table].schema.name;
        if name == DIM_PRODUCT.name {
            look(&merger.dim_product())
        } else if name == DIM_CUSTOMER.name {
            look(&merger.dim_customer())
        } else {
            look(self.work.kept.rows(table))
        }
    }
}

impl Work {
    fn take_slab(&mut self, slab: Slab<'_>) {
        let mut consumed = 0;
        while consumed < slab.bytes.len() {
            let rest = Slab { bytes: &slab.bytes[consumed..], offset: slab.offset + consumed as u64, ..slab };
            self.batch.reset(BatchHeader {
                partition: Pipeline::PARTITION,
                first_offset: rest.offset,
                ..BatchHeader::default()
            });
            consumed += self.parser.parse(rest, &self.rules, BATCH_RECORDS_MAX, &mut self.batch);
            self.take_batch();
        }
    }

    fn take_batch(&mut self) {
        self.pipeline.take(&mut self.batch, &mut self.dots);
        if self.pipeline.is_due() {
            self.close();
        }
    }

    fn close(&mut self) {
        let Work { pipeline, kept, messages, semantics, .. } = self;
        pipeline.close(|merger, closed, rows| {
            kept.append(merger.tables(), closed, rows);
            let name_of = |product_id: &str| merger.product_name(product_id);
            let window = ClosedWindow::of_closed(semantics, merger.tables(), closed, rows, TOP, name_of);
            tell(messages, &Message::Window(window));
        });
    }
}

fn tell(messages: &mut String, message: &Message<'_>) {
    if !messages.is_empty() {
        messages.push(',');
    }
    messages.push_str(&message.to_json());
}
