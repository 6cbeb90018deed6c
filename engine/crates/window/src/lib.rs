//! Two pure state machines and a merge: the meaning of Tillrace.
//!
//! ```text
//! batch of one partition ── Progress ──▶ events with their watermark ── Shard ──▶ partials ── Merger ──▶ Gold rows
//!                               └──────────── quality of the partition ─────────────────────────┘
//! ```
//!
//! [`Progress`] is fed with everything a source partition delivers, in order, and decides what depends on that order
//! alone: late, delayed, the window being observed. A [`Shard`] gets the events of some set of identifiers and decides
//! what depends on the identifier: duplicate or accepted. What it knows of a window is a [`WindowPartial`], a value of
//! a commutative monoid: the partials of disjoint sets of events merge, in any order, to the partial of their union.
//! The [`Merger`] resolves categories, keeps what spans windows (rollups, the catalogue) once, and makes the rows.
//!
//! No clock, thread, file, log or lock. A watermark comes in with the event; a shard has none of its own.

#![deny(unsafe_code)]

mod cursor;
mod dedup;
mod delay;
mod dimension;
mod distinct;
mod memory;
mod merge;
mod partial;
mod progress;
mod quality;
mod sessions;
mod shard;
mod text_map;
mod totals;

#[cfg(test)]
mod tests;

pub use delay::DelayHistogram;
pub use distinct::{DistinctCounts, DistinctSets};
pub use merge::{Closed, GoldRows, Merger, RollupSets};
pub use partial::WindowPartial;
pub use progress::{Arrival, Progress};
pub use quality::{Ledger, QualityPartial};
pub use shard::{OpenWindow, Shard, ShardClose};
pub use text_map::TextMap;
pub use totals::{MoneySum, Sums};
