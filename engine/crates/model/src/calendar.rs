//! The proleptic Gregorian calendar as integers: days since 1970-01-01 to a date and back.
//!
//! The algorithms are Howard Hinnant's `days_from_civil` and `civil_from_days`
//! (<https://howardhinnant.github.io/date_algorithms.html>). No time zones: Tillrace knows fixed offsets only.

/// A calendar date.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Civil {
    /// Year; 0 and below are years before our era.
    pub year: i64,
    /// Month, 1–12.
    pub month: i64,
    /// Day of the month, 1–31.
    pub day: i64,
}

impl Civil {
    /// The date as one number, `yyyymmdd`.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "event times lie within the years 1969 to 292277")]
    pub const fn date_key(self) -> i32 {
        (self.year * 10_000 + self.month * 100 + self.day) as i32
    }
}

/// Days from 1970-01-01 to the given date. `month` 1–12 and `day` 1–31 are taken as they are.
#[must_use]
pub const fn day_of_civil(date: Civil) -> i64 {
    let year = if date.month <= 2 { date.year - 1 } else { date.year };
    let era = year.div_euclid(400);
    let year_of_era = year - era * 400;
    let month = if date.month > 2 { date.month - 3 } else { date.month + 9 };
    let day_of_year = (153 * month + 2) / 5 + date.day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The date `day` days after 1970-01-01.
#[must_use]
pub const fn civil_of_day(day: i64) -> Civil {
    let shifted = day + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted - era * 146_097;
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400;
    Civil { year: if month <= 2 { year + 1 } else { year }, month, day }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_of_four_centuries_survives_the_round_trip_and_counts_up() {
        let mut before = civil_of_day(-719_529);
        for day in -719_528..(400 * 366) {
            let civil = civil_of_day(day);
            assert_eq!(day_of_civil(civil), day);
            assert!(civil > before, "{civil:?} after {before:?}");
            before = civil;
        }
    }

    #[test]
    fn known_dates_are_where_they_belong() {
        assert_eq!(day_of_civil(Civil { year: 1970, month: 1, day: 1 }), 0);
        assert_eq!(day_of_civil(Civil { year: 2000, month: 3, day: 1 }), 11_017);
        assert_eq!(civil_of_day(20_454).date_key(), 20_260_101);
    }
}
