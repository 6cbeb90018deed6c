//! `tillrace simulate`: the simulator's events as JSON Lines.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use engine_model::EventTime;
use sim::{Config, InvalidConfig, Simulator};

use crate::partitions::SourceError;
use crate::source::{TruthFile, clock};

/// Lines are written in about this many records at a time.
const PORTION: usize = 4_096;

/// How long a stream rests when it has caught up with the clock.
const PAUSE: Duration = Duration::from_millis(5);

/// Why simulating ended early.
#[derive(Debug, thiserror::Error)]
pub enum SimulateError {
    /// The simulator cannot do what was asked.
    #[error(transparent)]
    Config(#[from] InvalidConfig),
    /// The lines cannot be written.
    #[error("cannot write events: {0}")]
    Write(#[from] io::Error),
    /// The truth cannot be written.
    #[error("{0}")]
    Truth(String),
}

impl From<SourceError> for SimulateError {
    fn from(error: SourceError) -> SimulateError {
        SimulateError::Truth(error.to_string())
    }
}

/// A lane of a simulation.
pub(crate) fn lane(config: &Config, number: u32, keep_truth: bool) -> Result<Simulator, InvalidConfig> {
    let mut lane = Simulator::new(config, number)?;
    if keep_truth {
        lane.keep_truth();
    }
    Ok(lane)
}

/// Writes the events of lane 0 to `out` until the bound is reached or `stop` is set. With `is_live` each line is written
/// when its time has come by the clock; otherwise as fast as possible. Returns the number of lines.
///
/// # Errors
/// Where the configuration is refused, or writing fails.
pub fn simulate(
    config: &Config,
    is_live: bool,
    truth: Option<&std::path::Path>,
    out: &mut impl Write,
    stop: &AtomicBool,
) -> Result<u64, SimulateError> {
    let mut truth = truth.map(TruthFile::open).transpose()?;
    let mut lane = lane(&Config { lanes: 1, ..config.clone() }, 0, truth.is_some())?;
    if let Some(truth) = &truth {
        truth.clear()?;
    }
    let mut lines = Vec::new();
    while !lane.is_finished() && !stop.load(Relaxed) {
        lines.clear();
        let now = if is_live { clock() } else { EventTime::MAX };
        let count = lane.write_lines_until(now, PORTION, &mut lines);
        out.write_all(&lines)?;
        if let Some(truth) = &mut truth {
            truth.write(&lane.take_truth())?;
        }
        if count == 0 && !lane.is_finished() {
            out.flush()?;
            std::thread::sleep(PAUSE);
        }
    }
    out.flush()?;
    if let Some(truth) = &mut truth {
        truth.finish()?;
    }
    Ok(lane.index())
}
