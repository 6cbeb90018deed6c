//! RFC 3339 text, or a count of milliseconds, to an instant. Which instants an event may have is decided elsewhere.

use engine_model::{Civil, EventTime, Micros, day_of_civil};

use crate::number::{digit, digits_like, eight_digits, pairs};

/// Reads `yyyy-mm-ddThh:mm:ss[.f…](Z|±hh:mm)` in ASCII: `T`, `t` or one space between, `Z` or `z`, a real date, no
/// leap second. The fraction is cut to the microsecond.
#[inline]
pub(crate) fn parse_rfc3339(text: &[u8]) -> Option<EventTime> {
    parse_usual(text).or_else(|| parse_any(text))
}

/// The same for text as most programs write it: with `T` and six digits of a fraction. Eight bytes at a time.
#[inline]
fn parse_usual(text: &[u8]) -> Option<EventTime> {
    let (text, zone) = text.split_first_chunk::<26>()?;
    let word = |at: usize| text[at..].first_chunk().map(|&bytes| u64::from_le_bytes(bytes));
    let date = pairs(digits_like(word(0)?, *b"0000-00-")?);
    let rest = pairs(digits_like(word(8)?, *b"00T00:00")?);
    let number = |pairs: u64, at: u32| i64::from(pairs.to_le_bytes()[at as usize]);
    let date = Civil { year: number(date, 0) * 100 + number(date, 2), month: number(date, 5), day: number(rest, 0) };
    let (hour, minute) = (number(rest, 3), number(rest, 6));
    let [b':', tens, _, b'.', ..] = text[16..] else { return None };
    // The point makes way for the tens of the seconds, so that the microseconds of the minute stand in a row.
    let digits = word(18)?;
    let micros = eight_digits(digits & !0xFFFF | (digits & 0xFF) << 8 | u64::from(tens))?;
    if !is_date(date) || hour > 23 || minute > 59 || micros >= 60 * Micros::SECOND.get() {
        return None;
    }
    let minutes = (day_of_civil(date) * 24 + hour) * 60 + minute - parse_offset(zone)?;
    Some(EventTime::from_micros(minutes * 60 * Micros::SECOND.get() + micros))
}

/// The same for every text that the grammar allows.
#[inline(never)]
fn parse_any(text: &[u8]) -> Option<EventTime> {
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
