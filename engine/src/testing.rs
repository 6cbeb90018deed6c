//! What tests may turn in debug builds, by environment variables, to make commits and batches frequent. Release builds know
//! nothing of it.
//!
//! * `TILLRACE_COMMIT_DELAY_MS`: how long rows wait for a commit.
//! * `TILLRACE_BATCH_RECORDS`: how many records are read between two looks at what else there is to do; a millisecond is then waited
//!   at each look, so that a commit can come in between.
//!
//! `engine_lake` has two more: `TILLRACE_CRASH_AT` and `TILLRACE_FAULT`.

use std::str::FromStr;
use std::time::Duration;

/// How long rows wait for a commit, where a test says so.
pub(crate) fn commit_delay() -> Option<Duration> {
    variable("TILLRACE_COMMIT_DELAY_MS").map(Duration::from_millis)
}

/// How many records are read at a time, where a test says so.
pub(crate) fn batch_records() -> Option<u16> {
    variable("TILLRACE_BATCH_RECORDS")
}

/// How long to wait between two batches, where a test says how many records they have.
pub(crate) fn rest_between_batches(batch_records: Option<u16>) {
    if batch_records.is_some() {
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn variable<T: FromStr>(name: &str) -> Option<T> {
    if !cfg!(debug_assertions) {
        return None;
    }
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}
