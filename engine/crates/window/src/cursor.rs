//! The window of one event after another, mostly without a division.

use engine_model::{EventTime, Grain, WindowId};

/// Remembers the window it found last: of events in order nearly all lie in it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WindowCursor {
    base: Grain,
    window: WindowId,
    start: EventTime,
    end: EventTime,
}

impl WindowCursor {
    pub(crate) fn new(base: Grain) -> WindowCursor {
        let window = base.containing(EventTime::EPOCH);
        WindowCursor { base, window, start: base.start(window), end: base.end(window) }
    }

    /// The window that holds `time`, and its end.
    #[inline]
    pub(crate) fn seek(&mut self, time: EventTime) -> (WindowId, EventTime) {
        if time < self.start || self.end <= time {
            self.window = self.base.containing(time);
            self.start = self.base.start(self.window);
            self.end = self.base.end(self.window);
        }
        (self.window, self.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine_model::{UtcOffset, WindowLength};

    #[test]
    fn a_cursor_finds_what_a_division_finds() {
        let base = Grain::new(WindowLength::MINUTE, UtcOffset::ZERO);
        let mut cursor = WindowCursor::new(base);
        for micros in [0, 59_999_999, 60_000_000, 59_999_999, -1, 0, 180_000_000, 119_999_999, 120_000_000] {
            let time = EventTime::from_micros(micros);
            let window = base.containing(time);
            assert_eq!(cursor.seek(time), (window, base.end(window)));
        }
    }
}
