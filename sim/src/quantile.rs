//! Distributions as tables of quantiles with mean 1, in fixed point.
//!
//! The tables are made with our own logarithm and exponential, which use only `+ - * /` on `f64`: these are exact by
//! IEEE 754, so the tables are the same on every machine, which no platform's libm promises.

/// 1 in the fixed point of the tables: 16 bits of fraction.
pub(crate) const ONE: u64 = 1 << 16;

const COUNT_LOG2: u32 = 10;
const COUNT: usize = 1 << COUNT_LOG2;

/// The quantiles of a distribution over positive numbers with mean 1.
#[derive(Clone, Debug)]
pub(crate) struct Quantiles(Box<[u32; COUNT]>);

impl Quantiles {
    /// Spans between the arrivals of independent visitors.
    pub(crate) fn exponential() -> Quantiles {
        Quantiles::new(|p| -ln(1.0 - p))
    }

    /// A log-logistic distribution, cut at twelve times its mean: most values are moderate, some are huge, as with the
    /// time people think. `spread` is the scale of the logarithm's logistic distribution.
    pub(crate) fn log_logistic(spread: f64) -> Quantiles {
        Quantiles::new(|p| exp(spread * ln(p / (1.0 - p))).min(12.0))
    }

    #[expect(clippy::cast_precision_loss, reason = "indexes below 1024")]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "positive, at most a few dozen times ONE"
    )]
    fn new(quantile: impl Fn(f64) -> f64) -> Quantiles {
        let mut values = [0.0; COUNT];
        for (index, value) in values.iter_mut().enumerate() {
            *value = quantile((index as f64 + 0.5) / COUNT as f64);
        }
        let mean = values.iter().sum::<f64>() / COUNT as f64;
        let mut table = Box::new([0; COUNT]);
        for (entry, value) in table.iter_mut().zip(values) {
            *entry = (value / mean * ONE as f64) as u32;
        }
        Quantiles(table)
    }

    /// A value in 1/65 536, given random bits, of which the upper ten count.
    #[inline]
    pub(crate) fn pick(&self, bits: u64) -> u64 {
        u64::from(self.0[(bits >> (64 - COUNT_LOG2)) as usize % COUNT])
    }
}

/// The natural logarithm of a positive, normal number, to about 15 digits.
fn ln(value: f64) -> f64 {
    const LN_2: f64 = std::f64::consts::LN_2;
    const EXPONENT: u64 = 0x7FF << 52;
    let bits = value.to_bits();
    #[expect(clippy::cast_possible_wrap, reason = "eleven bits")]
    let exponent = ((bits & EXPONENT) >> 52) as i64 - 1_023;
    let mantissa = f64::from_bits(bits & !EXPONENT | 1_023 << 52);
    // ln m = 2 artanh((m - 1) / (m + 1)), a series that gains a digit and more with each term for m in 1..2.
    let ratio = (mantissa - 1.0) / (mantissa + 1.0);
    let square = ratio * ratio;
    let mut term = ratio;
    let mut sum = 0.0;
    for odd in 0..24 {
        sum += term / f64::from(2 * odd + 1);
        term *= square;
    }
    #[expect(clippy::cast_precision_loss, reason = "eleven bits")]
    let whole = exponent as f64;
    whole * LN_2 + 2.0 * sum
}

/// The exponential of a number of moderate size, to about 14 digits.
fn exp(value: f64) -> f64 {
    let small = value / 256.0;
    let mut term = 1.0;
    let mut sum = 1.0;
    for n in 1..16 {
        term = term * small / f64::from(n);
        sum += term;
    }
    for _ in 0..8 {
        sum *= sum;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_functions_are_those_of_the_platform_within_rounding() {
        for value in [0.000_5, 0.3, 1.0, 1.999, 2.0, 37.5] {
            assert!((ln(value) - value.ln()).abs() < 1e-12, "ln {value}");
            assert!((exp(ln(value)) / value - 1.0).abs() < 1e-11, "exp ln {value}");
        }
    }

    #[test]
    fn tables_rise_with_mean_one_and_are_pinned() {
        for (table, median, most) in [
            (Quantiles::exponential(), 45_000..46_000, 400_000..600_000),
            (Quantiles::log_logistic(0.45), 40_000..55_000, 500_000..800_000),
        ] {
            assert!(table.0.is_sorted());
            let mean = table.0.iter().map(|&value| u64::from(value)).sum::<u64>() / COUNT as u64;
            assert!(ONE - mean < 3, "{mean}");
            assert!(median.contains(&table.pick(1 << 63)), "{}", table.pick(1 << 63));
            assert!(most.contains(&table.pick(u64::MAX)), "{}", table.pick(u64::MAX));
        }
    }
}
