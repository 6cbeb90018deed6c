//! Traffic: when visitors arrive, by the hour, the weekday and the campaign.

use engine_model::Micros;

use crate::config::{Config, Span};
use crate::draw::{Draws, Purpose};
use crate::quantile::Quantiles;

/// Traffic of each hour of the day in thousandths of the day's mean; between the middles of two hours it changes evenly.
const HOURS: [i64; 24] = [
    520, 380, 300, 260, 270, 360, 560, 800, 980, 1_110, 1_210, 1_270, 1_330, 1_280, 1_220, 1_200, 1_220, 1_280, 1_390,
    1_560, 1_680, 1_600, 1_280, 940,
];
/// Traffic of each weekday, from Monday, in thousandths of the week's mean.
const WEEKDAYS: [i64; 7] = [1_010, 960, 950, 970, 990, 1_040, 1_080];
/// Traffic of a campaign in thousandths of what it would be without.
pub(crate) const CAMPAIGN: i64 = 2_000;

/// The curve is taken as constant over this long.
const STEP_MICROS: i64 = 10_000_000;

/// Arrivals of visitors: a Poisson process whose rate follows the curve.
#[derive(Clone, Debug)]
pub(crate) struct Traffic {
    draws: Draws,
    gaps: Quantiles,
    /// Arrivals a microsecond where the curve is 1.
    rate: f64,
    offset: Micros,
    campaign: Option<Bounds>,
    /// The instant from which `due` counts.
    origin: i64,
    /// When the next visitor arrives, in 1/256 microseconds since `origin`.
    due: u64,
    /// The mean span between two arrivals, in 1/256 microseconds, up to the instant `step_end`.
    gap_mean: u64,
    step_end: i64,
}

/// A stretch of event time, half open.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    first: i64,
    end: i64,
}

impl Bounds {
    /// Where a story's span lies.
    pub(crate) fn of(span: Span, config: &Config) -> Bounds {
        let first = config.start.as_micros().saturating_add(span.after.get());
        Bounds { first, end: first.saturating_add(span.length.get()) }
    }

    /// Whether the instant is within.
    #[inline]
    pub(crate) const fn contains(self, time: i64) -> bool {
        self.first <= time && time < self.end
    }
}

impl Traffic {
    /// Arrivals from `origin` on, `rate` a second on the mean, in `lane`.
    pub(crate) fn new(config: &Config, lane: u32, rate: f64, origin: i64) -> Traffic {
        let mut traffic = Traffic {
            draws: Draws::new(config.seed, Purpose::Traffic, lane),
            gaps: Quantiles::exponential(),
            rate: rate / 1e6,
            offset: config.utc_offset.as_micros(),
            campaign: config.stories.campaign.map(|span| Bounds::of(span, config)),
            origin,
            due: 0,
            gap_mean: 0,
            step_end: i64::MIN,
        };
        traffic.arrive();
        traffic
    }

    /// When the next visitor arrives, in microseconds of event time.
    #[inline]
    pub(crate) fn due(&self) -> i64 {
        self.origin.saturating_add_unsigned(self.due >> 8)
    }

    /// Lets the visitor who is due arrive, and plans the next.
    #[inline]
    pub(crate) fn arrive(&mut self) {
        let now = self.due();
        if now >= self.step_end {
            self.step(now);
        }
        let gap = (u128::from(self.gaps.pick(self.draws.next())) * u128::from(self.gap_mean)) >> 16;
        self.due = self.due.saturating_add(u64::try_from(gap).unwrap_or(u64::MAX));
    }

    #[cold]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "positive; stops at the type's end")]
    #[expect(clippy::cast_precision_loss, reason = "thousandths below 2^53")]
    fn step(&mut self, now: i64) {
        let mut factor = curve(now.saturating_add(self.offset.get()));
        if self.campaign.is_some_and(|campaign| campaign.contains(now)) {
            factor = factor * CAMPAIGN / 1_000;
        }
        self.gap_mean = (256.0 * 1_000_000.0 / (self.rate * factor as f64)) as u64;
        self.step_end = now.saturating_add(STEP_MICROS);
    }
}

/// Traffic at an instant of local time, in millionths of the mean.
fn curve(local: i64) -> i64 {
    const HOUR: i64 = Micros::HOUR.get();
    const DAY: i64 = Micros::DAY.get();
    let in_day = local.rem_euclid(DAY);
    // 1970-01-01 was a Thursday, the fourth day from Monday.
    let weekday = WEEKDAYS[usize::try_from((local.div_euclid(DAY) + 3).rem_euclid(7)).expect("below 7")];
    let shifted = (in_day + DAY - HOUR / 2) % DAY;
    let hour = usize::try_from(shifted / HOUR).expect("below 24");
    let part = shifted % HOUR;
    let (from, to) = (HOURS[hour], HOURS[(hour + 1) % 24]);
    weekday * (from * (HOUR - part) + to * part) / HOUR
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_curve_has_the_mean_one_over_a_week_and_over_each_days_hours() {
        assert_eq!(HOURS.iter().sum::<i64>(), 24_000);
        assert_eq!(WEEKDAYS.iter().sum::<i64>(), 7_000);
        let minutes = (0..7 * 1_440).map(|minute| curve(minute * 60_000_000)).sum::<i64>();
        assert!((minutes / (7 * 1_440) - 1_000_000).abs() < 100, "{minutes}");
    }

    #[test]
    fn the_middle_of_an_hour_has_the_hours_value() {
        let thursday = 970;
        assert_eq!(curve(30 * 60_000_000), 520 * thursday);
        assert_eq!(curve(90 * 60_000_000), 380 * thursday);
        assert_eq!(curve(60 * 60_000_000), 450 * thursday);
        // Sunday, the third day after.
        assert_eq!(curve((3 * 1_440 + 20 * 60 + 30) * 60_000_000), 1_680 * 1_080);
    }

    #[test]
    fn visitors_arrive_at_the_rate_and_twice_as_often_in_a_campaign() {
        let config = Config::default();
        let campaign = Config {
            stories: crate::Stories { campaign: Some(Span::minutes(0, 600)), ..Default::default() },
            ..Config::default()
        };
        let start = Config::START.as_micros() + 30 * 60_000_000;
        let count = |config: &Config| {
            let mut traffic = Traffic::new(config, 0, 100.0, start);
            let mut count = 0u32;
            while traffic.due() < start + 60_000_000 {
                traffic.arrive();
                count += 1;
            }
            count
        };
        // Half past midnight on a Thursday: 0.52 times 0.97 of the mean.
        let (plain, doubled) = (count(&config), count(&campaign));
        assert!((2_850..3_200).contains(&plain), "{plain}");
        assert!((5_800..6_300).contains(&doubled), "{doubled}");
    }
}
