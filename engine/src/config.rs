//! What a run needs to know, checked.

use std::path::PathBuf;

use engine_lake::Layers;
use engine_model::{Micros, Semantics};
use engine_source::Input;

use crate::pin::core_count;

/// What a run needs to know. Everything in it has been checked on its own; see [`crate::cli`] for how it is read.
#[derive(Clone, Debug)]
pub struct RunConfig {
    /// What decides the rows.
    pub semantics: Semantics,
    /// The source partitions.
    pub inputs: Vec<Input>,
    /// Where the lake is to be made.
    pub lake: PathBuf,
    /// What is written.
    pub layers: Layers,
    /// Number of shards, at least one. Changes no row.
    pub shards: usize,
    /// Whether threads are pinned to cores.
    pub pin: bool,
    /// How far ahead of the clock an event may be.
    pub max_future: Micros,
    /// Records a second to be read from files and stdin; as fast as possible where absent.
    pub pace: Option<f64>,
}

/// One shard for each core that the source thread leaves, at least one.
#[must_use]
pub fn default_shards() -> usize {
    core_count().saturating_sub(1).max(1)
}
