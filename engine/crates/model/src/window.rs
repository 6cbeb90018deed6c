//! Tumbling windows: their length, their alignment, their names.

use std::fmt;

use crate::calendar::civil_of_day;
use crate::units::{EventTime, Micros, Watermark};

/// Length of a tumbling window. A whole number of seconds that divides one day, so windows start at midnight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WindowLength(Micros);

/// Why a span is no window length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("window length {micros} us is not a whole number of seconds that divides a day of 86400 s")]
pub struct InvalidWindowLength {
    /// The span that was refused, in microseconds.
    pub micros: i64,
}

impl WindowLength {
    /// One minute, the default.
    pub const MINUTE: WindowLength = WindowLength(Micros::MINUTE);
    /// One hour.
    pub const HOUR: WindowLength = WindowLength(Micros::HOUR);
    /// One day.
    pub const DAY: WindowLength = WindowLength(Micros::DAY);

    /// Checks a span.
    ///
    /// # Errors
    /// Where the span is not positive, not whole seconds, or does not divide a day.
    pub const fn new(length: Micros) -> Result<WindowLength, InvalidWindowLength> {
        let micros = length.get();
        if micros <= 0 || micros % Micros::SECOND.get() != 0 || Micros::DAY.get() % micros != 0 {
            return Err(InvalidWindowLength { micros });
        }
        Ok(WindowLength(length))
    }

    /// The span.
    #[must_use]
    pub const fn get(self) -> Micros {
        self.0
    }

    /// Whether a window of this length holds a whole number of windows of `base`.
    #[must_use]
    pub const fn is_multiple_of(self, base: WindowLength) -> bool {
        self.0.get() % base.0.get() == 0
    }
}

/// The name of the grain, written with the largest of d, h, m, s that divides: `1m`, `90s`, `1h`, `1d`.
impl fmt::Display for WindowLength {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.0.get();
        let units = [(Micros::DAY, 'd'), (Micros::HOUR, 'h'), (Micros::MINUTE, 'm'), (Micros::SECOND, 's')];
        for (unit, letter) in units {
            if micros % unit.get() == 0 {
                return write!(f, "{}{letter}", micros / unit.get());
            }
        }
        unreachable!("a window length is a whole number of seconds")
    }
}

/// Why a text is no name of a grain.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("grain {value:?} is not of the form 10s, 1m, 1h or 1d, of a length that divides a day")]
pub struct InvalidGrainName {
    /// What was refused.
    pub value: String,
}

/// Reads the name of a grain, a number and one of `d`, `h`, `m`, `s`: also `60m`, which is shown as `1h`.
impl std::str::FromStr for WindowLength {
    type Err = InvalidGrainName;

    fn from_str(value: &str) -> Result<WindowLength, InvalidGrainName> {
        let parse = || {
            let (at, letter) = value.char_indices().last()?;
            let unit = match letter {
                'd' => Micros::DAY,
                'h' => Micros::HOUR,
                'm' => Micros::MINUTE,
                's' => Micros::SECOND,
                _ => return None,
            };
            let digits = Some(&value[..at]).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
            let micros = digits.parse::<i64>().ok()?.checked_mul(unit.get())?;
            WindowLength::new(Micros::new(micros)).ok()
        };
        parse().ok_or_else(|| InvalidGrainName { value: value.to_owned() })
    }
}

/// A fixed offset from UTC, `-23:59` to `+23:59`, in whole minutes. Local time = UTC + offset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct UtcOffset {
    minutes: i32,
}

/// Why a text or a number is no UTC offset.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("utc offset {value:?} is not of the form +hh:mm or -hh:mm, from -23:59 to +23:59")]
pub struct InvalidUtcOffset {
    /// What was refused.
    pub value: String,
}

impl UtcOffset {
    /// UTC itself.
    pub const ZERO: UtcOffset = UtcOffset { minutes: 0 };

    /// The offset of `minutes` minutes east of UTC (negative: west).
    ///
    /// # Errors
    /// Where it lies outside ±23:59.
    pub fn from_minutes(minutes: i32) -> Result<UtcOffset, InvalidUtcOffset> {
        if minutes.abs() > 23 * 60 + 59 {
            return Err(InvalidUtcOffset { value: format!("{minutes} minutes") });
        }
        Ok(UtcOffset { minutes })
    }

    /// Minutes east of UTC.
    #[must_use]
    pub const fn minutes(self) -> i32 {
        self.minutes
    }

    /// The offset as a span.
    #[must_use]
    pub const fn as_micros(self) -> Micros {
        Micros::new(self.minutes as i64 * Micros::MINUTE.get())
    }
}

impl std::str::FromStr for UtcOffset {
    type Err = InvalidUtcOffset;

    fn from_str(value: &str) -> Result<UtcOffset, InvalidUtcOffset> {
        let invalid = || InvalidUtcOffset { value: value.to_owned() };
        let &[sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] = value.as_bytes() else {
            return Err(invalid());
        };
        let digit = |byte: u8| byte.is_ascii_digit().then(|| i32::from(byte - b'0')).ok_or_else(invalid);
        let hours = digit(h1)? * 10 + digit(h2)?;
        let minutes = digit(m1)? * 10 + digit(m2)?;
        if hours > 23 || minutes > 59 {
            return Err(invalid());
        }
        let east = hours * 60 + minutes;
        Ok(UtcOffset { minutes: if sign == b'-' { -east } else { east } })
    }
}

impl fmt::Display for UtcOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.minutes < 0 { '-' } else { '+' };
        let minutes = self.minutes.abs();
        write!(f, "{sign}{:02}:{:02}", minutes / 60, minutes % 60)
    }
}

/// The number of a window within its grain: consecutive windows have consecutive numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct WindowId(pub i64);

/// A way to cut time into tumbling windows `[start, end)`: a length and an alignment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Grain {
    length: WindowLength,
    offset: UtcOffset,
}

impl Grain {
    /// Windows of `length`, aligned to midnight at `offset`.
    #[must_use]
    pub const fn new(length: WindowLength, offset: UtcOffset) -> Grain {
        Grain { length, offset }
    }

    /// How long each window is.
    #[must_use]
    pub const fn length(self) -> WindowLength {
        self.length
    }

    /// Where days begin.
    #[must_use]
    pub const fn offset(self) -> UtcOffset {
        self.offset
    }

    /// Whether the windows are whole days.
    #[must_use]
    pub const fn is_daily(self) -> bool {
        self.length.0.get() == Micros::DAY.get()
    }

    /// The window that holds `time`.
    #[must_use]
    pub const fn containing(self, time: EventTime) -> WindowId {
        let local = time.as_micros() + self.offset.as_micros().get();
        // Floor, not truncation: an offset may put a window's start before 1970.
        WindowId(local.div_euclid(self.length.0.get()))
    }

    /// The first instant of a window.
    #[must_use]
    pub const fn start(self, window: WindowId) -> EventTime {
        EventTime::from_micros(window.0 * self.length.0.get() - self.offset.as_micros().get())
    }

    /// The first instant after a window.
    #[must_use]
    pub const fn end(self, window: WindowId) -> EventTime {
        self.start(WindowId(window.0 + 1))
    }

    /// Whether a window ends between two watermarks, so that somebody who waits for windows has to be told.
    #[must_use]
    pub fn ends_between(self, before: Watermark, now: Watermark) -> bool {
        if now == Watermark::NONE {
            return false;
        }
        before == Watermark::NONE || self.containing(now.get()) > self.containing(before.get())
    }

    /// The date on which a window starts, local to the offset, as `yyyymmdd`.
    #[must_use]
    pub const fn date_key(self, window: WindowId) -> i32 {
        civil_of_day(self.local_day(window)).date_key()
    }

    /// The local day on which a window starts, counted from 1970-01-01.
    #[must_use]
    pub const fn local_day(self, window: WindowId) -> i64 {
        (window.0 * self.length.0.get()).div_euclid(Micros::DAY.get())
    }

    /// The local minute of the day at which a window starts, 0–1439.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "at most 1439")]
    pub const fn minute_of_day(self, window: WindowId) -> i32 {
        ((window.0 * self.length.0.get()).rem_euclid(Micros::DAY.get()) / Micros::MINUTE.get()) as i32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grain(seconds: i64, offset: &str) -> Grain {
        Grain::new(WindowLength::new(Micros::from_seconds(seconds)).unwrap(), offset.parse().unwrap())
    }

    #[test]
    fn a_window_ends_between_two_watermarks_once_the_second_has_reached_its_end() {
        let minute = grain(60, "+00:00");
        let at = |seconds: i64| Watermark::at(EventTime::from_micros(seconds * 1_000_000));
        assert!(!minute.ends_between(Watermark::NONE, Watermark::NONE));
        assert!(minute.ends_between(Watermark::NONE, at(1)), "windows before the first watermark have ended");
        assert_eq!([59, 60, 61].map(|now| minute.ends_between(at(1), at(now))), [false, true, true]);
    }

    #[test]
    fn a_length_divides_a_day_in_whole_seconds() {
        for seconds in [1, 10, 60, 90, 3_600, 86_400] {
            assert!(WindowLength::new(Micros::from_seconds(seconds)).is_ok());
        }
        for micros in [0, -60_000_000, 500_000, 7_000_000, 172_800_000_000] {
            assert_eq!(WindowLength::new(Micros::new(micros)), Err(InvalidWindowLength { micros }));
        }
    }

    #[test]
    fn grains_are_named_with_the_largest_unit_that_divides() {
        let name = |seconds| WindowLength::new(Micros::from_seconds(seconds)).unwrap().to_string();
        assert_eq!([10, 60, 90, 300, 3_600, 5_400, 86_400].map(name), ["10s", "1m", "90s", "5m", "1h", "90m", "1d"]);
    }

    #[test]
    fn a_grain_is_read_by_the_name_it_is_shown_with() {
        for name in ["10s", "1m", "90s", "5m", "1h", "90m", "1d"] {
            assert_eq!(name.parse::<WindowLength>().unwrap().to_string(), name);
        }
        assert_eq!("60m".parse(), Ok(WindowLength::HOUR));
        for name in ["", "m", "1", "7m", "+1m", "-1m", "1M", "2d", "0s", "1é", "99999999999999999999s"] {
            let error = name.parse::<WindowLength>().unwrap_err().to_string();
            assert_eq!(
                error,
                format!("grain {name:?} is not of the form 10s, 1m, 1h or 1d, of a length that divides a day")
            );
        }
    }

    #[test]
    fn windows_are_half_open_below_at_and_above() {
        let minute = grain(60, "+00:00");
        let id = |micros| minute.containing(EventTime::from_micros(micros)).0;
        assert_eq!([id(59_999_999), id(60_000_000), id(60_000_001), id(-1)], [0, 1, 1, -1]);
        assert_eq!(minute.end(WindowId(0)), minute.start(WindowId(1)));
    }

    #[test]
    fn an_offset_shifts_days_and_minutes() {
        let hour = grain(3_600, "+05:30");
        let id = hour.containing(EventTime::EPOCH);
        assert_eq!(hour.start(id).to_string(), "1969-12-31T23:30:00Z");
        assert_eq!((hour.date_key(id), hour.minute_of_day(id)), (19_700_101, 300));
        let west = grain(86_400, "-08:00");
        let id = west.containing(EventTime::EPOCH);
        assert_eq!(west.start(id).to_string(), "1969-12-31T08:00:00Z");
        assert_eq!((west.date_key(id), west.minute_of_day(id)), (19_691_231, 0));
    }

    #[test]
    fn offsets_read_and_show_alike() {
        for text in ["+00:00", "-00:30", "+05:30", "-23:59"] {
            assert_eq!(text.parse::<UtcOffset>().unwrap().to_string(), text);
        }
        for text in ["", "05:30", "+5:30", "+24:00", "+00:60", "Z", "+0530"] {
            let error = text.parse::<UtcOffset>().unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("utc offset {text:?} is not of the form +hh:mm or -hh:mm, from -23:59 to +23:59")
            );
        }
    }
}
