//! Engine and control alternately, so that the machine's own pauses can be told from the engine's.

use crate::run::{LoadConfig, LoadError, Run, Subject, run};

/// The quantiles that are compared.
pub(crate) const QUANTILES: [(&str, f64); 3] = [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999)];

/// Runs in the order in which they were made.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// Of the control.
    pub controls: Vec<Run>,
    /// Of the engine; each right after the control of the same place.
    pub engines: Vec<Run>,
}

impl Comparison {
    /// The medians over the pairs of a quantile: of the control, of the engine, both in nanoseconds, and of the ratio of
    /// engine to control within each pair.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "three digits are known")]
    pub fn medians(&self, quantile: f64) -> (f64, f64, f64) {
        let of = |runs: &[Run]| runs.iter().map(|run| run.latency_at(quantile) as f64).collect::<Vec<_>>();
        let (controls, engines) = (of(&self.controls), of(&self.engines));
        let ratios = controls.iter().zip(&engines).map(|(control, engine)| engine / control.max(1.0)).collect();
        (median(controls), median(engines), median(ratios))
    }

    /// Whether all runs were as they have to be.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.controls.iter().chain(&self.engines).all(Run::is_good)
    }
}

/// Runs control and engine `pairs` times, and says to `progress` what is done.
///
/// # Errors
/// Where a run cannot be made.
pub fn compare(config: &LoadConfig, pairs: usize, mut progress: impl FnMut(&Run)) -> Result<Comparison, LoadError> {
    let mut comparison = Comparison { controls: Vec::new(), engines: Vec::new() };
    for _ in 0..pairs {
        let control = run(config, Subject::Control)?;
        progress(&control);
        comparison.controls.push(control);
        let engine = run(config, Subject::Engine)?;
        progress(&engine);
        comparison.engines.push(engine);
    }
    Ok(comparison)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => 0.0,
        len if len % 2 == 1 => values[middle],
        _ => f64::midpoint(values[middle - 1], values[middle]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_or_between_the_two() {
        let medians = [vec![], vec![3.0], vec![1.0, 4.0], vec![9.0, 1.0, 2.0]].map(median);
        assert!(medians.iter().zip([0.0, 3.0, 2.5, 2.0]).all(|(found, wanted)| (found - wanted).abs() < 1e-9));
    }
}
