//! What a run needs to know, checked.

use std::path::PathBuf;

use engine_lake::Layers;
use engine_model::{Micros, Semantics};
use engine_source::{Input, InputKind};

use crate::dashboard::DashboardConfig;
use crate::pin::core_count;

/// What a run needs to know. Everything in it has been checked on its own; see [`crate::cli`] for how it is read.
#[derive(Clone, Debug)]
pub struct RunConfig {
    /// What decides the rows.
    pub semantics: Semantics,
    /// The source partitions.
    pub inputs: Inputs,
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
    /// Where the live page is served, if anywhere.
    pub dashboard: Option<DashboardConfig>,
    /// When a live partition that is silent stops holding the others up.
    pub idle_timeout: Micros,
}

/// Where events come from.
#[derive(Clone, Debug)]
pub enum Inputs {
    /// Files, stdin, pipes; each is one partition.
    Lines(Vec<Input>),
    /// The simulator; each of its lanes is one partition. Without a bound it is live, its event time the clock.
    Sim {
        /// What it simulates.
        config: Box<sim::Config>,
        /// Where the truth about what it has injected is written.
        truth: Option<PathBuf>,
    },
}

impl Inputs {
    /// Whether records come as they happen, and no end is in sight.
    #[must_use]
    pub fn is_live(&self) -> bool {
        match self {
            Inputs::Lines(_) => false,
            Inputs::Sim { config, .. } => config.bound == sim::Bound::None,
        }
    }

    /// Whether rows are wanted soon after their window has closed: not where files are read as fast as possible.
    #[must_use]
    pub fn is_stream(&self) -> bool {
        match self {
            Inputs::Lines(inputs) => inputs.iter().any(|input| match input.kind {
                InputKind::Stdin => true,
                InputKind::File { replayable, .. } => !replayable,
            }),
            Inputs::Sim { .. } => self.is_live(),
        }
    }

    /// What the `source` and `partition` columns say of each partition.
    #[must_use]
    pub fn names(&self) -> Vec<(String, i32)> {
        match self {
            Inputs::Lines(inputs) => inputs.iter().map(|input| (input.name.clone(), 0)).collect(),
            Inputs::Sim { config, .. } => {
                (0..config.lanes).map(|lane| ("sim".to_owned(), i32::try_from(lane).unwrap_or(i32::MAX))).collect()
            }
        }
    }
}

/// One shard for each core that the source thread leaves, at least one.
#[must_use]
pub fn default_shards() -> usize {
    core_count().saturating_sub(1).max(1)
}
