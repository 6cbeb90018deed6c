//! Popularity: a heavy-tailed choice in constant time.
//!
//! The weights follow Zipf and Mandelbrot, 1 / (rank + 10): few products draw many views, and most draw some. The choice
//! is Walker's alias method with Vose's construction, in integers.

use crate::draw::{high, low, scaled};

/// Damps the very first ranks: without it the top product alone would draw a tenth of all views.
const SHIFT: u64 = 10;

/// A choice among numbered things by weight.
#[derive(Clone, Debug)]
pub(crate) struct Popularity {
    columns: Vec<Column>,
}

#[derive(Clone, Copy, Debug)]
struct Column {
    /// Draws below it stay with the column's own thing.
    threshold: u32,
    /// The thing all other draws of the column go to.
    alias: u32,
}

impl Popularity {
    /// A choice among as many things as `ranks` has; `ranks[thing]` is its rank, from 0.
    pub(crate) fn new(ranks: &[u32]) -> Popularity {
        let weights: Vec<u64> = ranks.iter().map(|&rank| (1 << 40) / (u64::from(rank) + 1 + SHIFT)).collect();
        let total = u128::from(weights.iter().sum::<u64>());
        let count = weights.len() as u128;
        // Scaled so that the mean column is exactly `total`.
        let mut shares: Vec<u128> = weights.iter().map(|&weight| u128::from(weight) * count).collect();
        let mut columns = vec![Column { threshold: u32::MAX, alias: 0 }; weights.len()];
        for (thing, column) in (0..).zip(&mut columns) {
            column.alias = thing;
        }
        let (mut poor, mut rich): (Vec<usize>, Vec<usize>) = (0..weights.len()).partition(|&n| shares[n] < total);
        while let (Some(&giver), Some(taker)) = (rich.last(), poor.pop()) {
            #[expect(
                clippy::cast_possible_truncation,
                reason = "the share is below the total, so the quotient below 2^32"
            )]
            let threshold = ((shares[taker] << 32) / total) as u32;
            let alias = u32::try_from(giver).expect("at most a million things");
            columns[taker] = Column { threshold, alias };
            shares[giver] -= total - shares[taker];
            if shares[giver] < total {
                rich.pop();
                poor.push(giver);
            }
        }
        Popularity { columns }
    }

    /// A thing, given random bits.
    #[inline]
    pub(crate) fn pick(&self, bits: u64) -> u32 {
        let count = low(self.columns.len() as u64);
        let own = scaled(high(bits), count);
        let column = self.columns[own as usize];
        // No processor can predict this one.
        std::hint::select_unpredictable(low(bits) < column.threshold, own, column.alias)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw::{Draws, Purpose};

    #[test]
    fn things_are_drawn_by_their_weight() {
        let ranks: Vec<u32> = (0..100).rev().collect();
        let popularity = Popularity::new(&ranks);
        let mut draws = Draws::new(9, Purpose::Journey, 0);
        let mut counts = [0u32; 100];
        for _ in 0..1_000_000 {
            counts[popularity.pick(draws.next()) as usize] += 1;
        }
        let total: f64 = (0..100u32).map(|rank| 1.0 / f64::from(rank + 11)).sum();
        for (&rank, &count) in ranks.iter().zip(&counts) {
            let expected = 1_000_000.0 / f64::from(rank + 11) / total;
            assert!((f64::from(count) / expected - 1.0).abs() < 0.1, "rank {rank}: {count}, not {expected}");
        }
    }

    #[test]
    fn one_thing_is_always_drawn() {
        assert_eq!(Popularity::new(&[0]).pick(u64::MAX), 0);
    }
}
