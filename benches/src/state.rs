//! Bytes of state that the speed input needs: for each identifier remembered, session and customer, in a window and in a
//! rollup.

use engine_model::{Batch, PartitionId, Semantics, Watermark};
use engine_window::{Arrival, Merger, Progress, Shard, WindowPartial};

use crate::made::{self, Vary};
use crate::{corpus, path};

/// How many there are of something and what they take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// How many.
    pub count: u64,
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
    /// Sessions of the shortest rollup when that window was the last one in it.
    pub rollup_sessions: Held,
    /// Its customers.
    pub rollup_customers: Held,
}

/// Of the identifiers that `shard` remembered and of the window it closed first.
fn of((count, bytes): (usize, usize), window: &mut WindowPartial) -> State {
    let [session_bytes, customer_bytes, product_bytes, window_bytes] = window.memory_bytes();
    State {
        ids: Held { count: count as u64, bytes },
        sessions: Held { count: window.session_count(), bytes: session_bytes },
        customers: Held { count: window.customer_count() as u64, bytes: customer_bytes },
        products: Held { count: window.product_count() as u64, bytes: product_bytes },
        window_bytes,
        ..State::default()
    }
}

/// What a million identifiers of `id_bytes` bytes take where there is room for as many.
///
/// # Panics
/// Where a shard does not forget the identifiers of a closed window.
#[must_use]
pub fn ids_of(id_bytes: usize) -> Held {
    const COUNT: usize = 1_000_000;
    let semantics = Semantics::default();
    let mut shard = Shard::new(&semantics);
    let vary = Vary { id_bytes, ..Vary::NOTHING };
    for window in 0..2 {
        for batch in made::views_of_window(window, COUNT, corpus::BATCH_RECORDS, vary) {
            path::ingest(&mut shard, &batch);
        }
        if window == 0 {
            let _ = shard.close(Watermark::at(semantics.base().end(engine_model::WindowId(0))));
        }
    }
    let (count, bytes) = shard.remembered();
    assert_eq!(count, COUNT, "the identifiers of the closed window are forgotten");
    Held { count: COUNT as u64, bytes }
}

/// The state just before the last window that the watermark closes within `batches`, or at their end where it closes none.
#[must_use]
pub fn measure(batches: &mut [Batch], semantics: &Semantics) -> State {
    let base = semantics.base();
    let mut progress = Progress::new(PartitionId(0), semantics);
    let mut shard = Shard::new(semantics);
    let mut merger = Merger::new(semantics);
    let mut rows = merger.empty_rows();
    let mut observed = Vec::new();
    let mut found = None;
    for batch in batches {
        progress.judge(batch, Arrival::REPLAY, &mut observed);
        path::ingest(&mut shard, batch);
        let watermark = progress.watermark();
        if !shard.open_windows().next().is_some_and(|open| watermark.passes(base.end(open.window))) {
            continue;
        }
        let remembered = shard.remembered();
        let mut windows = shard.close(watermark).windows;
        let mut state = of(remembered, &mut windows[0]);
        for window in windows {
            merger.add_window(window);
        }
        while merger.close_next(watermark, &mut rows).is_some() {
            rows.iter_mut().for_each(engine_model::Rows::clear);
        }
        if let Some(sets) = merger.rollup_sets().first() {
            state.rollup_sessions = Held { count: sets.sessions, bytes: sets.session_bytes };
            state.rollup_customers = Held { count: sets.customers, bytes: sets.customer_bytes };
        }
        found = Some(state);
    }
    let remembered = shard.remembered();
    let last = || shard.close(Watermark::END).windows.first_mut().map(|window| of(remembered, window));
    found.or_else(last).unwrap_or_default()
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
        // A window has some 20 000 events; at least those of one and at most those of four are remembered.
        assert!((18_000..90_000).contains(&state.ids.count), "{state:?}");
        let rollup = [state.rollup_sessions, state.rollup_customers];
        for held in [state.ids, state.sessions, state.customers, state.products].into_iter().chain(rollup) {
            assert!(held.count > 0 && held.each() > 16.0, "{state:?}");
        }
        // It has the sessions of several windows.
        assert!(state.rollup_sessions.count > state.sessions.count, "{state:?}");
        assert!(state.window_bytes >= state.sessions.bytes + state.customers.bytes + state.products.bytes);
    }
}
