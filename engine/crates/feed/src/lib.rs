//! What the page is told: the state of a run as JSON messages, and Gold rows as JSON and CSV.
//!
//! One page shows a running engine (over server-sent events) and the engine inside a browser (from a web worker). Both
//! speak these messages, made here from the same rows, so neither can tell the page anything else. `docs/feed.md`
//! says what each field means; [`VERSION`] counts what a page would have to know.
//!
//! Pure: no clock, thread, file or socket; the caller passes moments in and sends the text where it wants.

#![forbid(unsafe_code)]

mod closed;
mod csv;
mod hello;
mod open;
mod record;
mod status;
#[cfg(test)]
mod tests;

use serde::Serialize;

pub use closed::{ClosedWindow, Ranked};
pub use csv::{csv_header, csv_row};
pub use hello::{Hello, SourceKind};
pub use open::{Open, OpenFigures};
pub use record::{Record, Records, bytes_text, json_row};
pub use status::{End, How, Status};

/// The version of the messages: raised when a page made for an older one would show something wrong. Fields that are
/// only added do not raise it.
pub const VERSION: u32 = 1;

/// One message to the page.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Message<'a> {
    /// What is running; the first message of a connection.
    Hello(Hello),
    /// A closed window. Final: a window is never told twice with other figures.
    Window(ClosedWindow<'a>),
    /// The windows that are open. Provisional, and each message replaces the one before.
    Open(Open),
    /// How far the run has come. Each message replaces the one before.
    Status(Status),
    /// Nothing will come any more.
    End(End),
}

impl Message<'_> {
    /// The value of `type`, which is also the name of the server-sent event.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Message::Hello(_) => "hello",
            Message::Window(_) => "window",
            Message::Open(_) => "open",
            Message::Status(_) => "status",
            Message::End(_) => "end",
        }
    }

    /// The message as JSON on one line, without a line end.
    ///
    /// # Panics
    /// Never: every key is a text, and memory takes all that is written.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("messages have text keys")
    }
}

/// An instant as the messages have it: whole milliseconds since 1970-01-01T00:00:00Z, rounded down.
fn millis(time: engine_model::EventTime) -> i64 {
    time.as_micros().div_euclid(1_000)
}
