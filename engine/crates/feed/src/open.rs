//! The message of what is open: provisional figures.

use engine_model::{Cell, Grain, WindowId};
use engine_window::Sums;
use serde::Serialize;

use crate::millis;
use crate::record::text_of;

/// The open windows. Provisional: each message replaces the one before.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Open {
    /// Base windows, ascending.
    pub windows: Vec<OpenFigures>,
    /// Rollups, from short to long, with the figures of their closed base windows alone: those of `windows` come on top.
    pub rollups: Vec<OpenFigures>,
}

/// What is known so far of an open window. The fields are named and written as in `kpis`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OpenFigures {
    /// Name of its grain.
    pub grain: String,
    /// First instant.
    pub start_ms: i64,
    /// First instant after it.
    pub end_ms: i64,
    /// Accepted events.
    pub events: u64,
    /// Orders' totals.
    pub revenue: String,
    /// Order events.
    pub orders: u64,
    /// Average order value; `null` without orders.
    pub aov: Option<String>,
    /// Units sold.
    pub units: u64,
    /// Payments that succeeded.
    pub payments_succeeded: u64,
    /// Payments that failed.
    pub payments_failed: u64,
    /// Amounts of the succeeded payments.
    pub paid_revenue: String,
    /// Exact distinct customers, where they were counted; else `null`.
    pub unique_customers: Option<u64>,
    /// Exact distinct sessions, where they were counted; else `null`.
    pub sessions: Option<u64>,
}

impl OpenFigures {
    /// The sums of a window, its distinct counts unknown.
    #[must_use]
    pub fn new(grain: Grain, window: WindowId, sums: &Sums) -> OpenFigures {
        let money = |cents| text_of(Cell::Money(cents)).into_owned();
        let revenue = sums.revenue.get();
        OpenFigures {
            grain: grain.length().to_string(),
            start_ms: millis(grain.start(window)),
            end_ms: millis(grain.end(window)),
            events: sums.events,
            revenue: money(revenue),
            orders: sums.orders,
            aov: revenue.divided_by(sums.orders).map(money),
            units: sums.units,
            payments_succeeded: sums.payments_succeeded,
            payments_failed: sums.payments_failed,
            paid_revenue: money(sums.paid_revenue.get()),
            unique_customers: None,
            sessions: None,
        }
    }
}
