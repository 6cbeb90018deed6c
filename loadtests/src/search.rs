//! The highest rate that can be sustained, by doubling and then halving the interval.

use std::time::Duration;

use crate::clock::nanos_of;
use crate::run::{LoadConfig, LoadError, Run, Subject, run};

/// When the search stops: the interval is this share of the rate.
const PRECISION: f64 = 0.05;

/// The most steps; each doubles the rate or halves the interval.
const STEPS_MAX: usize = 20;

/// When a rate is sustained, besides being held.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// What 99 % of the records must be counted within. A backlog that grows passes any bound.
    pub p99_max: Duration,
}

/// A rate that was tried.
#[derive(Clone, Debug)]
pub struct Step {
    /// How it went.
    pub run: Run,
    /// Whether it is sustained.
    pub is_sustained: bool,
}

/// What the search has found.
#[derive(Clone, Debug)]
pub struct Found {
    /// The highest rate that was sustained, in records a second; `None` where none was.
    pub rate: Option<f64>,
    /// All rates tried, in their order.
    pub steps: Vec<Step>,
}

/// Searches upwards from `config.rate`, or downwards where that is too much. Each step lasts `config.duration`.
///
/// # Errors
/// Where a step cannot be made.
pub fn search(config: &LoadConfig, limits: Limits, mut progress: impl FnMut(&Step)) -> Result<Found, LoadError> {
    let mut steps = Vec::new();
    let rate = bisect(config.rate, |rate| {
        let run = run(&LoadConfig { rate, lake: None, ..config.clone() }, Subject::Engine)?;
        let is_sustained = run.is_good() && run.latency_at(0.99) <= nanos_of(limits.p99_max);
        let step = Step { run, is_sustained };
        progress(&step);
        steps.push(step);
        Ok::<bool, LoadError>(is_sustained)
    })?;
    Ok(Found { rate, steps })
}

/// The highest rate for which `is_sustained`, to [`PRECISION`], as far as [`STEPS_MAX`] tries tell.
fn bisect<E>(first: f64, mut is_sustained: impl FnMut(f64) -> Result<bool, E>) -> Result<Option<f64>, E> {
    const RATE_MAX: f64 = 1e8;
    let (mut low, mut high) = (None, None);
    let mut rate = first;
    for _ in 0..STEPS_MAX {
        *(if is_sustained(rate)? { &mut low } else { &mut high }) = Some(rate);
        rate = match (low, high) {
            (Some(low), None) if low < RATE_MAX => (2.0 * low).min(RATE_MAX),
            (None, Some(high)) if high > 1.0 => (high / 2.0).max(1.0),
            (Some(low), Some(high)) if high - low > PRECISION * low => f64::midpoint(low, high),
            _ => break,
        };
    }
    Ok(low)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_found_from_below_and_from_above() {
        for first in [1e3, 1e6, 5e7] {
            let found = bisect(first, |rate| Ok::<bool, ()>(rate <= 3.3e6)).unwrap().unwrap();
            assert!((3.3e6 / (1.0 + PRECISION)..=3.3e6).contains(&found), "{found} from {first}");
        }
        assert_eq!(bisect(1e6, |_| Ok::<bool, ()>(false)), Ok(None));
        assert_eq!(bisect(1e6, |_| Err("broken")), Err("broken"));
    }
}
