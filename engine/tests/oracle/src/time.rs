//! The calendar and the cutting of time into windows, by counting days one year and one month after the other.

use engine_model::Grain;

pub(crate) const DAY: i64 = 86_400_000_000;
const MINUTE: i64 = 60_000_000;

/// Tumbling windows of `length` microseconds, aligned to midnight at `offset` microseconds east of UTC.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cut {
    pub(crate) length: i64,
    pub(crate) offset: i64,
}

impl Cut {
    pub(crate) fn new(grain: Grain) -> Cut {
        // The window of number 0 starts at local midnight of 1970-01-01.
        let offset = -grain.start(engine_model::WindowId(0)).as_micros();
        Cut { length: grain.length().get().get(), offset }
    }

    /// The number of the window that holds `time`, counted from local 1970-01-01.
    pub(crate) fn window(self, time: i64) -> i64 {
        (time + self.offset).div_euclid(self.length)
    }

    pub(crate) fn start(self, window: i64) -> i64 {
        window * self.length - self.offset
    }

    pub(crate) fn end(self, window: i64) -> i64 {
        self.start(window) + self.length
    }

    /// The local date of the window's start as yyyymmdd.
    pub(crate) fn date_key(self, window: i64) -> i64 {
        let (year, month, day) = date((window * self.length).div_euclid(DAY));
        year * 10_000 + month * 100 + day
    }

    /// The local minute of the day of the window's start.
    pub(crate) fn minute_of_day(self, window: i64) -> i64 {
        (window * self.length).rem_euclid(DAY) / MINUTE
    }
}

fn days_in_year(year: i64) -> i64 {
    (1..=12).map(|month| days_in_month(year, month)).sum()
}

pub(crate) fn days_in_month(year: i64, month: i64) -> i64 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days from 1970-01-01 to a date; negative before.
pub(crate) fn day_number(year: i64, month: i64, day: i64) -> i64 {
    let years: i64 =
        if year >= 1970 { (1970..year).map(days_in_year).sum() } else { -(year..1970).map(days_in_year).sum::<i64>() };
    let months: i64 = (1..month).map(|month| days_in_month(year, month)).sum();
    years + months + day - 1
}

/// Year, month and day of a day counted from 1970-01-01.
pub(crate) fn date(mut day: i64) -> (i64, i64, i64) {
    let (mut year, mut month) = (1970, 1);
    while day < 0 {
        year -= 1;
        day += days_in_year(year);
    }
    while day >= days_in_year(year) {
        day -= days_in_year(year);
        year += 1;
    }
    while day >= days_in_month(year, month) {
        day -= days_in_month(year, month);
        month += 1;
    }
    (year, month, day + 1)
}

/// Reads RFC 3339 as §1 has it; microseconds since the epoch, further fraction digits cut.
pub(crate) fn instant(text: &str) -> Option<i64> {
    if !text.is_ascii() || text.len() < 20 {
        return None;
    }
    let bytes = text.as_bytes();
    let punctuation = [(4, "-"), (7, "-"), (10, "Tt "), (13, ":"), (16, ":")];
    if !punctuation.iter().all(|&(place, allowed)| allowed.as_bytes().contains(&bytes[place])) {
        return None;
    }
    let (year, month, day) = (number(&text[..4])?, number(&text[5..7])?, number(&text[8..10])?);
    let (hour, minute, second) = (number(&text[11..13])?, number(&text[14..16])?, number(&text[17..19])?);
    if !(1..=12).contains(&month) || !(1..=days_in_month(year, month)).contains(&day) {
        return None;
    }
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let mut rest = &text[19..];
    let mut fraction = String::new();
    if let Some(after_point) = rest.strip_prefix('.') {
        rest = after_point.trim_start_matches(|c: char| c.is_ascii_digit());
        after_point[..after_point.len() - rest.len()].clone_into(&mut fraction);
        if fraction.is_empty() {
            return None;
        }
    }
    // Six digits: zeros where there are fewer, cut where there are more.
    let micros = number(&format!("{fraction:0<6}")[..6])?;
    let seconds = day_number(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second;
    Some((seconds - utc_offset_seconds(rest)?) * 1_000_000 + micros)
}

fn utc_offset_seconds(text: &str) -> Option<i64> {
    if text == "Z" || text == "z" {
        return Some(0);
    }
    let sign = match text.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    if text.len() != 6 || &text[3..4] != ":" {
        return None;
    }
    let (hours, minutes) = (number(&text[1..3])?, number(&text[4..6])?);
    (hours <= 23 && minutes <= 59).then_some(sign * (hours * 3_600 + minutes * 60))
}

fn number(text: &str) -> Option<i64> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}
