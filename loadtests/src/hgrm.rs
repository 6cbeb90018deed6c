//! A histogram in the text format of `HdrHistogram`'s plotters, values in microseconds.

use std::fmt::Write as _;

use hdrhistogram::Histogram;

/// Lines for each halving of the distance to 100 %.
const TICKS_PER_HALF: u32 = 5;

/// The percentile distribution of a histogram of nanoseconds, as `hdrhistogram`'s plotters read it.
///
/// # Panics
/// Never: a string takes all that is written.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "three digits of the values are known")]
pub fn to_hgrm(histogram: &Histogram<u64>) -> String {
    let micros = |nanos: f64| nanos / 1e3;
    let mut text = String::from("       Value     Percentile TotalCount 1/(1-Percentile)\n\n");
    let mut total = 0;
    for value in histogram.iter_quantiles(TICKS_PER_HALF) {
        total += value.count_since_last_iteration();
        let quantile = value.quantile_iterated_to();
        write!(text, "{:>12.3} {quantile:.12} {total:>10}", micros(value.value_iterated_to() as f64))
            .expect("writing to a string");
        // The last line has no inverse: nothing is beyond it.
        if quantile < 1.0 {
            write!(text, " {:>14.2}", 1.0 / (1.0 - quantile)).expect("writing to a string");
        }
        text.push('\n');
    }
    writeln!(
        text,
        "#[Mean    = {:>12.3}, StdDeviation   = {:>12.3}]",
        micros(histogram.mean()),
        micros(histogram.stdev())
    )
    .expect("writing to a string");
    writeln!(text, "#[Max     = {:>12.3}, Total count    = {:>12}]", micros(histogram.max() as f64), histogram.len())
        .expect("writing to a string");
    writeln!(text, "#[Buckets = {:>12}, SubBuckets     = {:>12}]", histogram.buckets(), 2_048)
        .expect("writing to a string");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_has_value_percentile_count_and_inverse() {
        let mut histogram = crate::generator::new_histogram();
        (1..=1_000).for_each(|value| histogram.record(value * 1_000).unwrap());
        let text = to_hgrm(&histogram);
        let lines: Vec<Vec<f64>> = text
            .lines()
            .skip(2)
            .filter(|line| !line.starts_with('#'))
            .map(|line| line.split_whitespace().map(|cell| cell.parse().unwrap()).collect())
            .collect();
        assert!(lines.is_sorted_by(|a, b| a[0] <= b[0] && a[1] <= b[1] && a[2] <= b[2]), "{text}");
        let half = lines.iter().find(|line| (line[1] - 0.5).abs() < 1e-9).expect("a line for the median");
        assert!(
            (half[0] - 500.0).abs() < 1.0 && (half[2] - 500.0).abs() < 1.0 && (half[3] - 2.0).abs() < 1e-9,
            "{half:?}"
        );
        let last = lines.last().unwrap();
        assert_eq!((last.len(), last[2]), (3, 1_000.0));
        assert!(text.contains("Total count    =         1000"), "{text}");
    }
}
