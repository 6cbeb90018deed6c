//! An open-loop load on the engine inside this process, and the latency that it meets.
//!
//! ```text
//! generator thread: simulate ahead, send each record at its intended time ══ ring ══▶ engine thread: parse, judge,
//!        ▲                                                                  dedup, add up, record latency, close
//!        └──────────────────────── emptied parcels ═══════════ ring ══════════════════┘        ══ ring ══▶ committer
//! ```
//!
//! The intended send times are fixed before the run and never move: a record that could not be sent in time, because the
//! generator was held up by backpressure or by the system, counts its latency from when it should have been sent. So a
//! stall shows with all the records that it would have hit, which is what measuring from the actual send leaves out
//! ("coordinated omission").

#![forbid(unsafe_code)]

pub mod cli;
mod clock;
mod consumer;
mod format;
mod generator;
mod hgrm;
mod machine;
mod page;
mod pairs;
mod parcel;
mod rate;
mod report;
mod run;
mod schedule;
mod search;

pub use clock::Clock;
pub use consumer::{Consumer, Control, Counted, Intake};
pub use format::{nanos, thousands};
pub use generator::Class;
pub use hgrm::to_hgrm;
pub use machine::{Machine, resident_bytes, steal_ticks};
pub use page::to_html;
pub use pairs::{Comparison, compare};
pub use parcel::{Parcel, Records};
pub use rate::parse_rate;
pub use report::{Report, run_line, to_json, to_text};
pub use run::{LoadConfig, LoadError, Run, Sample, Subject, run, run_with};
pub use schedule::{Arrivals, Schedule};
pub use search::{Found, Limits, Step, search};
