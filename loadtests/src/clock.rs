//! The one clock of a run, read by all its threads.

use std::time::{Duration, Instant};

/// Nanoseconds since the clock was made. Copies agree.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: Instant,
}

impl Clock {
    /// A clock that begins at zero.
    #[must_use]
    pub fn start() -> Clock {
        Clock { origin: Instant::now() }
    }

    /// The time now. Some 20 ns.
    #[must_use]
    pub fn now(&self) -> u64 {
        nanos_of(self.origin.elapsed())
    }
}

/// A span in nanoseconds; 584 years at the most.
pub(crate) fn nanos_of(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}
