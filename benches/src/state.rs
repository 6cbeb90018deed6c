//! Bytes of state that the speed input needs: for each identifier remembered, session and customer.

use engine_model::{Batch, PartitionId, Semantics, Watermark};
use engine_window::{Arrival, Progress, Shard};

use crate::path;

/// How many there are of something and what they take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// How many.
    pub count: usize,
    /// Bytes of memory, free slots included.
    pub bytes: usize,
}

impl Held {
    /// Bytes for each.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "for people")]
    pub fn each(self) -> f64 {
        if self.count == 0 { 0.0 } else { self.bytes as f64 / self.count as f64 }
    }
}

/// State of an only shard just before a window closes, when there is most of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// Identifiers remembered, of open windows and of those of their generations.
    pub ids: Held,
    /// Sessions of the window about to close.
    pub sessions: Held,
    /// Its customers.
    pub customers: Held,
    /// Its products.
    pub products: Held,
    /// Everything of that window.
    pub window_bytes: usize,
}

fn of(shard: &Shard) -> Option<State> {
    let window = shard.open_windows().next()?.window;
    let partial = shard.snapshot(window)?;
    // A copy has no spare room in its logs, so what it holds is the least that the window itself does.
    let [sessions, customers, products, window_bytes] = partial.memory_bytes();
    let (count, bytes) = shard.remembered();
    Some(State {
        ids: Held { count, bytes },
        sessions: Held { count: partial.session_count(), bytes: sessions },
        customers: Held { count: partial.customer_count(), bytes: customers },
        products: Held { count: partial.product_count(), bytes: products },
        window_bytes,
    })
}

/// The state just before the last window that the watermark closes within `batches`, or at their end where it closes none.
#[must_use]
pub fn measure(batches: &mut [Batch], semantics: &Semantics) -> State {
    let base = semantics.base();
    let mut progress = Progress::new(PartitionId(0), semantics);
    let mut shard = Shard::new(semantics);
    let mut observed = Vec::new();
    let mut found = None;
    for batch in batches {
        progress.judge(batch, Arrival::REPLAY, &mut observed);
        path::ingest(&mut shard, batch);
        let watermark = progress.watermark();
        if shard.open_windows().next().is_some_and(|open| watermark.passes(base.end(open.window))) {
            found = of(&shard);
            let _ = shard.close(watermark);
        }
    }
    let state = found.or_else(|| of(&shard)).unwrap_or_default();
    let _ = shard.close(Watermark::END);
    state
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus;

    #[test]
    fn state_is_counted_just_before_a_window_closes() {
        let config = sim::Config { rate: 500.0, ..corpus::speed_config(100_000) };
        let mut batches = corpus::structs(&config, corpus::BATCH_RECORDS).unwrap();
        let state = measure(&mut batches, &Semantics::default());
        // A window has some 30 000 records; at least those of one and at most those of three are remembered.
        assert!((25_000..100_000).contains(&state.ids.count), "{state:?}");
        for held in [state.ids, state.sessions, state.customers, state.products] {
            assert!(held.count > 0 && held.each() > 16.0, "{state:?}");
        }
        assert!(state.window_bytes >= state.sessions.bytes + state.customers.bytes + state.products.bytes);
    }
}
