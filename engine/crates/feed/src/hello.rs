//! The first message: what is running.

use engine_model::Semantics;
use serde::Serialize;

use crate::VERSION;

/// Where the records come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceKind {
    /// The simulator.
    Sim,
    /// Files.
    Files,
    /// Standard input.
    Stdin,
    /// Kafka.
    Kafka,
    /// An HTTP listener.
    Http,
}

/// What is running, and what the figures depend on.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Hello {
    /// [`VERSION`].
    pub version: u32,
    /// Another text for another series of figures: a page that hears a new one forgets what it knows, one that hears
    /// the same again (after a lost connection) goes on.
    pub run: String,
    /// Where the records come from.
    pub source: SourceKind,
    /// Its name as the user gave it: files, addresses.
    pub source_name: String,
    /// Whether event time follows the clock, so that a lag means something.
    pub is_live: bool,
    /// Three capital letters.
    pub currency: String,
    /// `+hh:mm`.
    pub utc_offset: String,
    /// The same in minutes east of UTC.
    pub utc_offset_minutes: i32,
    /// Length of the base window.
    pub window_ms: i64,
    /// How far the watermark trails.
    pub lateness_ms: i64,
    /// Names of all grains, the base window first, then from short to long.
    pub grains: Vec<String>,
    /// Their lengths.
    pub grains_ms: Vec<i64>,
}

impl Hello {
    /// What `semantics` says, of a run of the given name and source.
    #[must_use]
    pub fn new(semantics: &Semantics, run: String, source: SourceKind, source_name: String, is_live: bool) -> Hello {
        let base = semantics.base();
        let length_ms = |length: engine_model::WindowLength| length.get().get() / 1_000;
        Hello {
            version: VERSION,
            run,
            source,
            source_name,
            is_live,
            currency: semantics.currency().to_string(),
            utc_offset: base.offset().to_string(),
            utc_offset_minutes: base.offset().minutes(),
            window_ms: length_ms(base.length()),
            lateness_ms: semantics.lateness().get() / 1_000,
            grains: semantics.grains().iter().map(|grain| grain.length().to_string()).collect(),
            grains_ms: semantics.grains().iter().map(|grain| length_ms(grain.length())).collect(),
        }
    }
}
