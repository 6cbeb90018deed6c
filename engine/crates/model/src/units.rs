//! Money, instants and spans. Types, not comments, keep cents, microseconds and instants apart.

use std::fmt;
use std::ops::{Add, Sub};

use crate::calendar::civil_of_day;

/// Money in cents. Never negative.
///
/// Sums stop at [`Cents::MAX`], the greatest value of a `DECIMAL(18,2)` column. Adding with a stop is
/// associative and commutative over amounts that are not negative, so partial sums merge in any order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct Cents(i64);

impl Cents {
    /// No money.
    pub const ZERO: Cents = Cents(0);
    /// The greatest sum: 9 999 999 999 999 999.99, the end of `DECIMAL(18,2)`.
    pub const MAX: Cents = Cents(999_999_999_999_999_999);
    /// The greatest single amount of an event: 9 999 999 999.99.
    pub const EVENT_MAX: Cents = Cents(999_999_999_999);

    /// Makes money of a count of cents.
    ///
    /// # Panics
    /// Where `cents` is negative or above [`Cents::MAX`].
    #[must_use]
    pub const fn new(cents: i64) -> Cents {
        assert!(cents >= 0 && cents <= Cents::MAX.0, "cents outside DECIMAL(18,2)");
        Cents(cents)
    }

    /// The count of cents.
    #[must_use]
    pub const fn get(self) -> i64 {
        self.0
    }

    /// The sum, stopped at [`Cents::MAX`].
    #[must_use]
    pub const fn saturating_add(self, other: Cents) -> Cents {
        // Both are at most 10^18 - 1, so the plain sum fits an i64.
        let sum = self.0 + other.0;
        if sum > Cents::MAX.0 { Cents::MAX } else { Cents(sum) }
    }

    /// `quantity` times this amount, stopped at [`Cents::MAX`].
    #[must_use]
    pub const fn saturating_mul(self, quantity: u32) -> Cents {
        let product = self.0 as i128 * quantity as i128;
        if product > Cents::MAX.0 as i128 {
            Cents::MAX
        } else {
            #[expect(clippy::cast_possible_truncation, reason = "at most Cents::MAX, checked above")]
            let cents = product as i64;
            Cents(cents)
        }
    }

    /// This amount divided by `count`, rounded half away from zero; `None` where `count` is 0.
    #[must_use]
    pub const fn divided_by(self, count: u64) -> Option<Cents> {
        if count == 0 {
            return None;
        }
        let (cents, count) = (self.0 as i128, count as i128);
        #[expect(clippy::cast_possible_truncation, reason = "a quotient is at most the dividend plus one")]
        let quotient = ((2 * cents + count) / (2 * count)) as i64;
        Some(Cents(quotient))
    }
}

/// Shows dollars and cents as plain text, `1234.50`: no sign, no separators.
impl fmt::Display for Cents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:02}", self.0 / 100, self.0 % 100)
    }
}

/// A span of time in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct Micros(i64);

impl Micros {
    /// No time at all.
    pub const ZERO: Micros = Micros(0);
    /// One second.
    pub const SECOND: Micros = Micros(1_000_000);
    /// One minute.
    pub const MINUTE: Micros = Micros(60_000_000);
    /// One hour.
    pub const HOUR: Micros = Micros(3_600_000_000);
    /// One day of 86 400 seconds.
    pub const DAY: Micros = Micros(86_400_000_000);

    /// A span of `micros` microseconds.
    #[must_use]
    pub const fn new(micros: i64) -> Micros {
        Micros(micros)
    }

    /// A span of `seconds` seconds.
    ///
    /// # Panics
    /// Where the span does not fit 64 bits of microseconds.
    #[must_use]
    pub const fn from_seconds(seconds: i64) -> Micros {
        match seconds.checked_mul(1_000_000) {
            Some(micros) => Micros(micros),
            None => panic!("span of seconds too long"),
        }
    }

    /// The count of microseconds.
    #[must_use]
    pub const fn get(self) -> i64 {
        self.0
    }

    /// The span in milliseconds, with its fraction.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "spans beyond 2^53 microseconds are 285 years")]
    pub fn as_millis_f64(self) -> f64 {
        self.0 as f64 / 1_000.0
    }
}

impl Add for Micros {
    type Output = Micros;
    fn add(self, other: Micros) -> Micros {
        Micros(self.0 + other.0)
    }
}

/// An instant: microseconds since the Unix epoch, UTC, without leap seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct EventTime(i64);

impl EventTime {
    /// 1970-01-01T00:00:00Z, the earliest event time the contract allows.
    pub const EPOCH: EventTime = EventTime(0);
    /// 9999-12-31T23:59:59.999999Z, the latest event time there can be, whatever the clock says.
    pub const EVENT_MAX: EventTime = EventTime(253_402_300_799_999_999);
    /// The greatest instant of the type, later than any valid event.
    pub const MAX: EventTime = EventTime(i64::MAX);
    /// Before every instant; what a partition's `max_p` is before its first valid record.
    pub const MIN: EventTime = EventTime(i64::MIN);

    /// The instant `micros` microseconds after the epoch.
    #[must_use]
    pub const fn from_micros(micros: i64) -> EventTime {
        EventTime(micros)
    }

    /// Microseconds since the epoch.
    #[must_use]
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// The instant `span` later, stopped at the ends of the type.
    #[must_use]
    pub const fn saturating_add(self, span: Micros) -> EventTime {
        EventTime(self.0.saturating_add(span.0))
    }
}

impl Add<Micros> for EventTime {
    type Output = EventTime;
    fn add(self, span: Micros) -> EventTime {
        EventTime(self.0 + span.0)
    }
}

impl Sub<Micros> for EventTime {
    type Output = EventTime;
    fn sub(self, span: Micros) -> EventTime {
        EventTime(self.0 - span.0)
    }
}

impl Sub for EventTime {
    type Output = Micros;
    fn sub(self, other: EventTime) -> Micros {
        Micros(self.0 - other.0)
    }
}

/// Shows RFC 3339 in UTC with as many of six fraction digits as are needed, `2026-01-01T00:00:00.25Z`.
impl fmt::Display for EventTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let day = self.0.div_euclid(Micros::DAY.0);
        let micros = self.0.rem_euclid(Micros::DAY.0);
        let civil = civil_of_day(day);
        let seconds = micros / 1_000_000;
        let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
        write!(f, "{:04}-{:02}-{:02}T{hour:02}:{minute:02}:{second:02}", civil.year, civil.month, civil.day)?;
        let fraction = micros % 1_000_000;
        if fraction != 0 {
            let digits = format!("{fraction:06}");
            write!(f, ".{}", digits.trim_end_matches('0'))?;
        }
        f.write_str("Z")
    }
}

/// Promise about one source partition, or the least of them for the whole input: a record still to come
/// whose window ends at or before this instant is late. Moves only forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct Watermark(EventTime);

impl Watermark {
    /// −∞: nothing is promised yet.
    pub const NONE: Watermark = Watermark(EventTime::MIN);
    /// +∞: no record is still to come.
    pub const END: Watermark = Watermark(EventTime::MAX);

    /// A watermark at `instant`.
    #[must_use]
    pub const fn at(instant: EventTime) -> Watermark {
        Watermark(instant)
    }

    /// The watermark that trails `max` by `lateness`: `max − lateness`, −∞ before the first valid record
    /// (`max` is then [`EventTime::MIN`]).
    #[must_use]
    pub const fn trailing(max: EventTime, lateness: Micros) -> Watermark {
        Watermark(EventTime(max.0.saturating_sub(lateness.0)))
    }

    /// The instant.
    #[must_use]
    pub const fn get(self) -> EventTime {
        self.0
    }

    /// Whether a window that ends (exclusively) at `end` is passed: no record of it is still in time.
    #[must_use]
    pub const fn passes(self, end: EventTime) -> bool {
        end.0 <= self.0.0
    }
}

impl Default for Watermark {
    fn default() -> Watermark {
        Watermark::NONE
    }
}

impl fmt::Display for Watermark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Watermark::NONE => f.write_str("none"),
            Watermark::END => f.write_str("end"),
            Watermark(instant) => instant.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_stop_at_the_end_of_the_column_below_at_and_above() {
        let below = Cents::new(Cents::MAX.get() - 1);
        let cent = Cents::new(1);
        assert_eq!(below.saturating_add(Cents::ZERO), below);
        assert_eq!(below.saturating_add(cent), Cents::MAX);
        assert_eq!(Cents::MAX.saturating_add(cent), Cents::MAX);
        assert_eq!(Cents::EVENT_MAX.saturating_mul(10_000).get(), 9_999_999_999_990_000);
        assert_eq!(Cents::MAX.saturating_mul(2), Cents::MAX);
    }

    #[test]
    fn a_quotient_is_rounded_half_away_from_zero() {
        assert_eq!(Cents::new(5).divided_by(0), None);
        assert_eq!(Cents::new(4).divided_by(3), Some(Cents::new(1)));
        assert_eq!(Cents::new(3).divided_by(2), Some(Cents::new(2)));
        assert_eq!(Cents::new(5).divided_by(3), Some(Cents::new(2)));
        assert_eq!(Cents::MAX.divided_by(1), Some(Cents::MAX));
    }

    #[test]
    fn instants_are_shown_as_rfc_3339() {
        assert_eq!(EventTime::from_micros(0).to_string(), "1970-01-01T00:00:00Z");
        assert_eq!(EventTime::from_micros(-1).to_string(), "1969-12-31T23:59:59.999999Z");
        assert_eq!(EventTime::from_micros(1_767_225_600_250_000).to_string(), "2026-01-01T00:00:00.25Z");
        assert_eq!(Cents::new(123_405).to_string(), "1234.05");
    }

    #[test]
    fn a_watermark_passes_a_window_when_it_reaches_its_end() {
        let at = |micros| Watermark::at(EventTime::from_micros(micros));
        let end = EventTime::from_micros(60);
        assert!(!at(59).passes(end));
        assert!(at(60).passes(end));
        assert!(at(61).passes(end));
        assert!(!Watermark::NONE.passes(end) && Watermark::END.passes(end));
        assert_eq!(Watermark::trailing(EventTime::MIN, Micros::SECOND), Watermark::NONE);
    }
}
