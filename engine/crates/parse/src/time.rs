//! RFC 3339 text, or a count of milliseconds, to an instant. Which instants an event may have is decided elsewhere.

use engine_model::{Civil, EventTime, Micros, day_of_civil};

use crate::number::digit;

/// Reads `yyyy-mm-ddThh:mm:ss[.f…](Z|±hh:mm)` in ASCII: `T`, `t` or one space between, `Z` or `z`, a real date, no
/// leap second. The fraction is cut to the microsecond.
pub(crate) fn parse_rfc3339(text: &[u8]) -> Option<EventTime> {
    let (date_time, rest) = text.split_first_chunk::<19>()?;
    #[rustfmt::skip]
    let [y0, y1, y2, y3, b'-', mo0, mo1, b'-', d0, d1, b'T' | b't' | b' ', h0, h1, b':', mi0, mi1, b':', s0, s1] =
        *date_time
    else {
        return None;
    };
    let year = two_digits(y0, y1)? * 100 + two_digits(y2, y3)?;
    let date = Civil { year, month: two_digits(mo0, mo1)?, day: two_digits(d0, d1)? };
    let (hour, minute, second) = (two_digits(h0, h1)?, two_digits(mi0, mi1)?, two_digits(s0, s1)?);
    if !is_date(date) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let (fraction, rest) = parse_fraction(rest)?;
    let minutes = (day_of_civil(date) * 24 + hour) * 60 + minute - parse_offset(rest)?;
    Some(EventTime::from_micros((minutes * 60 + second) * Micros::SECOND.get() + fraction))
}

/// The instant `millis` milliseconds after the epoch; one too big for the type becomes [`EventTime::MAX`].
pub(crate) fn time_of_millis(millis: u64) -> EventTime {
    let micros = i64::try_from(millis).ok().and_then(|millis| millis.checked_mul(1_000));
    micros.map_or(EventTime::MAX, EventTime::from_micros)
}

fn two_digits(tens: u8, ones: u8) -> Option<i64> {
    Some(i64::from(digit(tens)? * 10 + digit(ones)?))
}

fn is_date(date: Civil) -> bool {
    let is_leap_year = date.year % 4 == 0 && (date.year % 100 != 0 || date.year % 400 == 0);
    let days = match date.month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if is_leap_year => 29,
        2 => 28,
        _ => return false,
    };
    (1..=days).contains(&date.day)
}

/// Microseconds of the fraction that `text` may begin with, and what follows it.
fn parse_fraction(text: &[u8]) -> Option<(i64, &[u8])> {
    let Some((b'.', text)) = text.split_first() else {
        return Some((0, text));
    };
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (fraction, rest) = text.split_at(digits);
    if fraction.is_empty() {
        return None;
    }
    let mut micros = 0;
    for place in 0..6 {
        let byte = fraction.get(place).copied().unwrap_or(b'0');
        micros = micros * 10 + i64::from(digit(byte)?);
    }
    Some((micros, rest))
}

/// Minutes east of UTC.
fn parse_offset(text: &[u8]) -> Option<i64> {
    let &[sign @ (b'+' | b'-'), h0, h1, b':', m0, m1] = text else {
        return matches!(text, b"Z" | b"z").then_some(0);
    };
    let (hours, minutes) = (two_digits(h0, h1)?, two_digits(m0, m1)?);
    if hours > 23 || minutes > 59 {
        return None;
    }
    let east = hours * 60 + minutes;
    Some(if sign == b'-' { -east } else { east })
}
