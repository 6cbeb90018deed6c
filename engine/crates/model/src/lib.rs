//! The vocabulary of Tillrace: what an event is, what time and money are, what can become of a record,
//! and which columns the Gold tables have.
//!
//! Plain data and exact arithmetic, nothing else: no parsing, no aggregation, no files, no clock.
//! Every other crate of the engine speaks in these types.

mod batch;
mod calendar;
mod event;
mod outcome;
mod rows;
mod semantics;
mod text;
mod units;
mod window;

pub mod gold;
pub mod silver;

pub use batch::{Batch, BatchHeader, LINE_BYTES_MAX, Line, RejectedLine};
pub use calendar::{Civil, civil_of_day, day_of_civil};
pub use event::{Event, EventKind, Item, Judgement, PartitionId};
pub use outcome::{Field, Outcome, Reason, Rejection};
pub use rows::{Cell, ColumnData, Rows};
pub use semantics::{Currency, InvalidCurrency, InvalidRollup, Semantics};
pub use text::{Text, TextArena, TextBuffer, fold};
pub use units::{Cents, EventTime, Micros, Watermark};
pub use window::{Grain, InvalidGrainName, InvalidUtcOffset, InvalidWindowLength, UtcOffset, WindowId, WindowLength};
