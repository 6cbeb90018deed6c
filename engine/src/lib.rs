//! Tillrace, the engine: threads, rings and commits around the pure state machines.
//!
//! ```text
//! source thread: read, parse, judge, route ══ ring ══▶ shard threads: dedup, add up ══ ring ══▶ committer: merge, write
//!        └───────────────── quality, quarantine, watermark ═══════════ ring ═══════════════════════▶┘
//! ```
//!
//! With one shard batches go over whole; on one core the source thread does the shard's work itself, without a ring. All
//! rings are bounded; a full one holds up whoever fills it, back to the reading of the input. Nothing is ever dropped.
//!
//! Watermarks travel inside the rings, behind the events they speak of, so a window closes in a shard only after all its
//! events have come, and in the committer only after all shards have handed over what they know of it.

#![forbid(unsafe_code)]

mod bronze;
pub mod cli;
mod commit;
mod config;
mod dashboard;
mod duration;
mod embed;
mod export;
mod figures;
mod idleness;
mod kept;
mod layout;
mod live;
mod message;
mod number;
mod partitions;
mod pin;
mod replay;
mod route;
mod run;
mod shard;
mod show;
mod silver;
mod simulate;
mod snapshot;
mod source;
mod status;
mod summary;
mod terminal;
mod validate;
mod view;
mod why;

pub use config::{Inputs, RunConfig, default_shards};
pub use dashboard::{Dashboard, DashboardConfig, InvalidAddress, InvalidToken, ListenError, Token};
pub use duration::{InvalidDuration, parse_duration};
pub use embed::{EmbedConfig, EmbedEnd, Observer, Shown, embed};
pub use figures::Figures;
pub use live::show_live_line;
pub use replay::{
    InvalidReasons, Quarantined, ReplayConfig, ReplayError, ReplayTarget, Replayed, parse_reasons, replay,
};
pub use route::shard_of;
pub use run::{RunError, run, run_shown};
pub use show::{Moment, ShowConfig, ShowError, ShowOutput, show};
pub use simulate::{SimulateError, simulate};
pub use source::{CommitterGone, Feed, rules_now};
pub use status::{Status, StatusView};
pub use summary::{RunEnd, Summary};
pub use terminal::Terminal;
pub use validate::{FileReport, ReasonReport, validate};
pub use why::{WhyConfig, WhyError, WhyOutput, why};
