//! The distinct customers and sessions of an open window: copies of the sets, counted while the window goes on.

use engine_model::WindowId;

use crate::sessions::Sessions;
use crate::text_map::TextMap;
use crate::totals::Totals;

/// A copy of the customers and sessions that one shard, or several, know of a base window.
#[derive(Clone, Debug)]
pub struct DistinctSets {
    window: WindowId,
    customers: TextMap<()>,
    sessions: Sessions,
}

/// How many distinct customers and sessions a window has so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DistinctCounts {
    /// Distinct customers of clicks, orders and payments.
    pub customers: u64,
    /// Distinct sessions.
    pub sessions: u64,
}

impl DistinctSets {
    pub(crate) fn of(window: WindowId, totals: &Totals) -> DistinctSets {
        DistinctSets { window, customers: totals.customers.clone(), sessions: totals.sessions.clone() }
    }

    /// The base window.
    #[must_use]
    pub fn window(&self) -> WindowId {
        self.window
    }

    /// Adds what another shard knows of the same window. Costs a look for each customer and a copy of each session.
    ///
    /// # Panics
    /// Where the windows differ.
    pub fn merge(&mut self, other: &DistinctSets) {
        assert_eq!(self.window, other.window, "sets of different windows");
        self.customers.absorb(&other.customers, |_| {});
        self.sessions.append(&other.sessions);
    }

    /// Counts both. Costs a pass over the sessions.
    #[must_use]
    pub fn count(mut self) -> DistinctCounts {
        DistinctCounts { customers: self.customers.len() as u64, sessions: self.sessions.count().sessions }
    }
}
