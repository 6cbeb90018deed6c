//! The session as JavaScript sees it. Instants are milliseconds since the epoch, as in the feed.

use std::io::{self, Read};

use engine_model::EventTime;
use wasm_bindgen::prelude::{JsError, JsValue, wasm_bindgen};

use crate::session::Session;
use crate::settings::Settings;

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &'static str = r"
/** The bytes of a file, from its start to its end. */
export interface FileBytes {
    /** Writes the next bytes into `into`, whose memory is the engine's, and returns how many: 0 at the end. Throws where the
     *  file cannot be read. */
    read(into: Uint8Array): number;
}
";

#[wasm_bindgen]
extern "C" {
    /// The bytes of a file, as the worker reads them.
    #[wasm_bindgen(typescript_type = "FileBytes")]
    pub type FileBytes;

    #[wasm_bindgen(method, catch)]
    fn read(this: &FileBytes, into: &mut [u8]) -> Result<u32, JsValue>;
}

impl Read for FileBytes {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = FileBytes::read(self, into).map_err(|error| io::Error::other(format!("{error:?}")))?;
        Ok(count as usize)
    }
}

/// A run of the engine.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Engine {
    session: Session,
}

#[wasm_bindgen]
impl Engine {
    /// A simulated shop; `settings` are JSON.
    ///
    /// # Errors
    /// Where a setting does not work.
    pub fn simulated(settings: &str, run: String) -> Result<Engine, JsError> {
        Ok(Engine { session: Session::simulated(&Settings::from_json(settings)?, run)? })
    }

    /// The lines of a file; `now_ms` is the clock, which says what lies in the future.
    ///
    /// # Errors
    /// Where a setting does not work.
    #[wasm_bindgen(js_name = ofFile)]
    pub fn of_file(settings: &str, run: String, name: String, file: FileBytes, now_ms: f64) -> Result<Engine, JsError> {
        /// As on the command line, unless set.
        const MAX_FUTURE_MS: f64 = 300_000.0;
        let settings = Settings::from_json(settings)?;
        let session = Session::of_file(&settings, run, name, Box::new(file), instant(now_ms + MAX_FUTURE_MS))?;
        Ok(Engine { session })
    }

    /// Takes records in, about as many as `records_max` at most, of a simulation those that have come by `until_ms`.
    /// Returns how many.
    ///
    /// # Errors
    /// Where a file cannot be read on.
    pub fn run(&mut self, records_max: u32, until_ms: f64) -> Result<f64, JsError> {
        let taken = self.session.run(u64::from(records_max), instant(until_ms))?;
        #[expect(clippy::cast_precision_loss, reason = "about `records_max`")]
        Ok(taken as f64)
    }

    /// What the page has not been told yet, with what is open and how far the run has come: a JSON array of messages.
    #[wasm_bindgen(js_name = takeMessages)]
    pub fn take_messages(&mut self, elapsed_ms: f64, records_per_second: f64, counts: bool) -> String {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a span of a visit")]
        self.session.tell_status(elapsed_ms.max(0.0) as u64, records_per_second);
        self.session.tell_open(counts);
        self.session.take_messages()
    }

    /// Whether the source has ended and all windows are closed.
    #[wasm_bindgen(getter, js_name = isFinished)]
    pub fn is_finished(&self) -> bool {
        self.session.is_finished()
    }

    /// The greatest event time so far; undefined before the first valid record.
    #[wasm_bindgen(getter, js_name = eventTimeMax)]
    pub fn event_time_max(&self) -> Option<f64> {
        #[expect(clippy::cast_precision_loss, reason = "instants of events are below 2^53 microseconds until 2255")]
        self.session.event_time_max().map(|time| time.as_micros() as f64 / 1_000.0)
    }

    /// Collects dots for the picture from now on, or no longer.
    #[wasm_bindgen(js_name = turnDots)]
    pub fn turn_dots(&mut self, is_on: bool) {
        self.session.turn_dots(is_on);
    }

    /// The dots since the last look, four numbers each: event time, when it came, outcome (0 accepted, 1 duplicate,
    /// 2 late, 3 rejected), and 1 where it was delayed.
    #[wasm_bindgen(js_name = takeDots)]
    pub fn take_dots(&mut self) -> Vec<f64> {
        let dots = self.session.take_dots();
        let numbers =
            |dot: &crate::Dot| [dot.time_ms, dot.came_ms, f64::from(dot.outcome), f64::from(u8::from(dot.is_delayed))];
        dots.iter().flat_map(numbers).collect()
    }

    /// The Gold tables in commit order, as `name`, a space, and the name without a grain.
    pub fn tables(&self) -> Vec<String> {
        self.session.tables().iter().map(|table| format!("{} {}", table.name, table.schema.name)).collect()
    }

    /// Whether rows are missing in the tables because there were too many to keep.
    #[wasm_bindgen(getter, js_name = isCut)]
    pub fn is_cut(&self) -> bool {
        self.session.is_cut()
    }

    /// How many rows a table has.
    #[wasm_bindgen(js_name = rowCount)]
    pub fn row_count(&self, table: usize) -> usize {
        self.session.row_count(table)
    }

    /// Rows of a table as CSV, `count` of them from `first` on; with the names of the columns before the first.
    pub fn csv(&self, table: usize, first: usize, count: usize) -> Vec<u8> {
        self.session.csv(table, first, count)
    }

    /// Rows of a table for the module that writes Parquet.
    pub fn wire(&self, table: usize, first: usize, count: usize) -> Vec<u8> {
        self.session.wire(table, first, count)
    }
}

/// An instant of so many milliseconds; the last one where there is none so late.
fn instant(ms: f64) -> EventTime {
    #[expect(clippy::cast_possible_truncation, reason = "saturates, as documented")]
    EventTime::from_micros((ms * 1_000.0) as i64).min(EventTime::EVENT_MAX)
}
