//! What the Rust peers share: [`lines`] cuts a file into blocks of whole lines, [`parse`] turns lines into events,
//! [`totals`] adds up a window, [`output`] writes the results. How these are put together is each peer's own.

pub mod id;
pub mod lines;
pub mod output;
pub mod parse;
pub mod totals;

/// Microseconds in a second.
pub const SECOND: i64 = 1_000_000;
/// Length of a window, in microseconds.
pub const WINDOW: i64 = 60 * SECOND;
/// How far the watermark trails the greatest event time, in microseconds.
pub const LATENESS: i64 = 10 * SECOND;

/// Start of the window that holds an event time; both in microseconds since 1970.
#[must_use]
pub const fn window_start(time: i64) -> i64 {
    time.div_euclid(WINDOW) * WINDOW
}
