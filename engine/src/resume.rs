//! What a run begins with: the inputs it was given, held against those of the lake's last commit.
//!
//! Nothing is changed here. An input that the commit knows is taken up where it stood; one that the commit needs and that is gone, or is
//! another one now, is refused.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use engine_lake::{CreateError, InputLog, Lake};
use engine_source::{Compression, Input, InputKind};

use crate::config::{Inputs, RunConfig};
use crate::cut::{Cut, Exclusions, Identity, PartitionCut, Stand, read_frame};

/// Of how many of a file's first bytes the checksum is.
const PREFIX_BYTES_MAX: u64 = 64 << 10;

/// Why a run cannot go on where the last commit stands. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum ResumeError {
    /// An input that was not read to its end is missing.
    #[error(
        "input {name:?} of the earlier run was read up to {} {offset} only and is not among the inputs now; name it again, or run \
         into another lake",
        if *is_file { "byte" } else { "record" }
    )]
    Missing {
        /// Its name.
        name: String,
        /// Up to where it was read.
        offset: u64,
        /// Whether the offset counts bytes.
        is_file: bool,
    },
    /// An input that open windows need cannot be read any more.
    #[error("input \"{}\" cannot be read: {cause}; windows that are open in the lake need it again from byte {offset} on", path.display())]
    Gone {
        /// Where it was.
        path: PathBuf,
        /// From where on it is needed.
        offset: u64,
        /// What the operating system says.
        cause: io::Error,
    },
    /// An input is not what it was.
    #[error("input \"{}\" is not the one the lake has read before: {what}; put it back, or give the new one another name", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
        /// What shows it.
        what: String,
    },
    /// The run's part of the last commit is not understood.
    #[error("the last commit of lake {} is damaged: {what}; nothing was changed", path.display())]
    Damaged {
        /// The lake's folder.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// The lake cannot be read.
    #[error(transparent)]
    Lake(#[from] CreateError),
}

impl ResumeError {
    /// Whether the user has to change what was asked for, rather than the world.
    #[must_use]
    pub fn is_usage(&self) -> bool {
        match self {
            ResumeError::Missing { .. } | ResumeError::Gone { .. } | ResumeError::Changed { .. } => true,
            ResumeError::Damaged { .. } => false,
            ResumeError::Lake(error) => error.is_usage(),
        }
    }
}

/// Where a partition of the run comes from.
#[derive(Debug)]
pub(crate) enum Given {
    /// A file, to be read or read again.
    File(Input),
    /// Stdin or a pipe, through the log of that number.
    Stream { input: Input, log: InputLog },
    /// A lane of the simulator.
    Lane(Box<sim::Config>, u32),
}

/// A partition of the run.
#[derive(Debug)]
pub(crate) struct Planned {
    pub(crate) cut: PartitionCut,
    /// `None` where nothing of it is needed any more.
    pub(crate) given: Option<Given>,
    /// Whether the commit knew it.
    pub(crate) is_known: bool,
}

/// What a run begins with.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// Each at its number.
    pub(crate) partitions: Vec<Planned>,
    /// Of the last commit; empty where there was none.
    pub(crate) cut: Cut,
    /// What the merge's state is made of, a snapshot and increments; none where there was no commit.
    pub(crate) state: Vec<Vec<u8>>,
    pub(crate) exclusions: Exclusions,
}

/// Holds the inputs against the lake's last commit.
///
/// # Errors
/// [`ResumeError`]; nothing is changed.
pub(crate) fn plan(config: &RunConfig, lake: &Lake) -> Result<Plan, ResumeError> {
    let damaged = |what: String| ResumeError::Damaged { path: lake.root().to_path_buf(), what };
    let cut = lake.cut().map(Cut::from_line).transpose().map_err(damaged)?.unwrap_or_default();
    let mut plan = Plan { cut, ..Plan::default() };
    for frame in lake.state()? {
        let merge = read_frame(&frame, &mut plan.exclusions);
        plan.state.push(merge.ok_or_else(|| damaged("a frame of its state is none".to_owned()))?.to_vec());
    }
    let mut offered = offer(&config.inputs)?;
    for known in plan.cut.partitions.clone() {
        let place = offered.iter().position(|offer| offer.is_again(&known));
        let planned = match place.map(|place| offered.remove(place)) {
            Some(offer) => take_up(lake, known, offer)?,
            None => leave(config, known)?,
        };
        plan.partitions.push(planned);
    }
    let mut logs = (0..).skip(plan.partitions.len());
    for offer in offered {
        let log = logs.next().expect("numbers do not end");
        plan.partitions.push(begin(lake, offer, log)?);
    }
    plan.exclusions.prune(plan.partitions.iter().map(|planned| &planned.cut.stand));
    Ok(plan)
}

/// An input of this run.
struct Offer {
    source: String,
    number: i32,
    identity: Offered,
}

enum Offered {
    File { input: Input, path: PathBuf },
    Stream { input: Input },
    Lane { config: Box<sim::Config>, simulation: String, lane: u32, is_live: bool },
}

/// All options of a simulation that decide its records; of a live one without its start, which is when it was run.
fn simulation(config: &sim::Config, is_live: bool) -> String {
    if is_live {
        format!("{:?}", sim::Config { start: sim::Config::START, ..config.clone() })
    } else {
        format!("{config:?}")
    }
}

fn offer(inputs: &Inputs) -> Result<Vec<Offer>, ResumeError> {
    let names = inputs.names().into_iter();
    let identities: Vec<Offered> = match inputs {
        Inputs::Lines(inputs) => inputs.iter().map(offer_lines).collect::<Result<_, _>>()?,
        Inputs::Sim { config, .. } => {
            let is_live = inputs.is_live();
            let of =
                |lane| Offered::Lane { config: config.clone(), simulation: simulation(config, is_live), lane, is_live };
            (0..config.lanes).map(of).collect()
        }
    };
    Ok(names.zip(identities).map(|((source, number), identity)| Offer { source, number, identity }).collect())
}

fn offer_lines(input: &Input) -> Result<Offered, ResumeError> {
    let input = input.clone();
    Ok(match &input.kind {
        InputKind::File { path, replayable: true, .. } => {
            let failed =
                |cause| ResumeError::Changed { path: path.clone(), what: format!("it cannot be read: {cause}") };
            let path = path.canonicalize().map_err(failed)?;
            Offered::File { input, path }
        }
        InputKind::File { .. } | InputKind::Stdin => Offered::Stream { input },
    })
}

impl Offer {
    /// Whether it is the input that the commit knows.
    fn is_again(&self, known: &PartitionCut) -> bool {
        match (&self.identity, &known.identity) {
            (Offered::File { path, .. }, Identity::File { path: known, .. }) => path == known,
            (Offered::Stream { .. }, Identity::Stream { .. }) => self.source == known.source,
            (
                Offered::Lane { simulation, lane, is_live: false, .. },
                Identity::Lane { simulation: known, lane: known_lane },
            ) => simulation == known && lane == known_lane,
            // A live lane never comes again; a file is no stream.
            _ => false,
        }
    }
}

/// Goes on with an input that the commit knows.
fn take_up(lake: &Lake, mut cut: PartitionCut, offer: Offer) -> Result<Planned, ResumeError> {
    let given = match offer.identity {
        Offered::File { input, path } => {
            let has_grown = check_file(&path, &mut cut)?;
            cut.stand.is_finished &= !has_grown;
            (!cut.stand.is_finished || cut.stand.replay.is_some()).then_some(Given::File(input))
        }
        Offered::Stream { input } => {
            let Identity::Stream { log } = cut.identity else { unreachable!("compared before") };
            cut.stand.is_finished = false;
            let from = cut.stand.replay.map_or(cut.stand.offset, |replay| replay.offset);
            let log = InputLog::open(lake, log, from)?;
            Some(Given::Stream { input, log })
        }
        Offered::Lane { config, lane, .. } => {
            let is_needed = !cut.stand.is_finished || cut.stand.replay.is_some();
            is_needed.then_some(Given::Lane(config, lane))
        }
    };
    Ok(Planned { cut, given, is_known: true })
}

/// What becomes of an input that the commit knows and that is not among those of this run.
fn leave(config: &RunConfig, mut cut: PartitionCut) -> Result<Planned, ResumeError> {
    let needed_from = cut.stand.replay.map(|replay| replay.offset);
    let given = match (&cut.identity, needed_from) {
        (Identity::Embedded, _) => None,
        (Identity::LiveLane { simulation: known, lane, start_us }, needed) => {
            // It ended with its run. What its open windows need can be simulated again, by the same options.
            cut.stand.is_finished = true;
            match &config.inputs {
                Inputs::Sim { config, .. } if needed.is_some() && simulation(config, true) == *known => {
                    let start = engine_model::EventTime::from_micros(*start_us);
                    Some(Given::Lane(Box::new(sim::Config { start, ..(**config).clone() }), *lane))
                }
                _ => {
                    cut.stand.replay = None;
                    None
                }
            }
        }
        _ if !cut.stand.is_finished => {
            let is_file = matches!(cut.identity, Identity::File { .. } | Identity::Stream { .. });
            return Err(ResumeError::Missing { name: cut.source, offset: cut.stand.offset, is_file });
        }
        (_, None) => None,
        (Identity::File { path, .. }, Some(offset)) => {
            let path = path.clone();
            if let Err(cause) = File::open(&path) {
                return Err(ResumeError::Gone { path, offset, cause });
            }
            check_file(&path, &mut cut)?;
            let compression = Compression::of(&path);
            let kind = InputKind::File { path, compression, replayable: true };
            Some(Given::File(Input { name: cut.source.clone(), kind }))
        }
        (Identity::Stream { .. } | Identity::Lane { .. }, Some(_)) => {
            let is_file = matches!(cut.identity, Identity::Stream { .. });
            return Err(ResumeError::Missing { name: cut.source, offset: cut.stand.offset, is_file });
        }
    };
    Ok(Planned { cut, given, is_known: true })
}

/// Begins with an input that no commit knows.
fn begin(lake: &Lake, offer: Offer, log: u32) -> Result<Planned, ResumeError> {
    let Offer { source, number, identity } = offer;
    let (identity, given) = match identity {
        Offered::File { input, path } => (identify(&path)?, Given::File(input)),
        Offered::Stream { input } => {
            (Identity::Stream { log }, Given::Stream { input, log: InputLog::open(lake, log, 0)? })
        }
        Offered::Lane { config, simulation, lane, is_live: true } => {
            let start_us = config.start.as_micros();
            (Identity::LiveLane { simulation, lane, start_us }, Given::Lane(config, lane))
        }
        Offered::Lane { config, simulation, lane, is_live: false } => {
            (Identity::Lane { simulation, lane }, Given::Lane(config, lane))
        }
    };
    let cut = PartitionCut { source, number, identity, stand: Stand::default() };
    Ok(Planned { cut, given: Some(given), is_known: false })
}

/// What tells a file from others.
fn identify(path: &Path) -> Result<Identity, ResumeError> {
    let failed = |cause| ResumeError::Changed { path: path.to_owned(), what: format!("it cannot be read: {cause}") };
    let bytes = path.metadata().map_err(failed)?.len();
    let prefix_bytes = bytes.min(PREFIX_BYTES_MAX);
    let prefix_checksum = prefix_checksum(path, prefix_bytes).map_err(failed)?;
    Ok(Identity::File { path: path.to_owned(), bytes, prefix_bytes, prefix_checksum })
}

/// The CRC-32 of a file's first bytes.
fn prefix_checksum(path: &Path, bytes: u64) -> io::Result<u32> {
    let mut prefix = Vec::new();
    File::open(path)?.take(bytes).read_to_end(&mut prefix)?;
    Ok(crc32fast::hash(&prefix))
}

/// Sees that a file is the one that was read, and notes what it is now. Returns whether it has grown beyond what was read of it.
fn check_file(path: &Path, cut: &mut PartitionCut) -> Result<bool, ResumeError> {
    let PartitionCut { identity, stand, .. } = cut;
    let Identity::File { bytes: known_bytes, prefix_bytes, prefix_checksum: known_checksum, .. } = identity else {
        unreachable!("only files are compared")
    };
    let changed = |what: String| ResumeError::Changed { path: path.to_owned(), what };
    let unreadable = |cause: io::Error| changed(format!("it cannot be read: {cause}"));
    let bytes = path.metadata().map_err(unreadable)?.len();
    // Of a compressed file nobody knows how much of it an offset stands for.
    let is_plain = Compression::of(path) == Compression::None;
    let bytes_min = if is_plain { stand.offset.max(*prefix_bytes) } else { *known_bytes };
    if bytes < bytes_min {
        return Err(changed(format!("it is {bytes} bytes long; it was {bytes_min} at least")));
    }
    if prefix_checksum(path, *prefix_bytes).map_err(unreadable)? != *known_checksum {
        return Err(changed(format!("its first {prefix_bytes} bytes are others")));
    }
    let has_grown = bytes > if is_plain { stand.offset } else { *known_bytes };
    *known_bytes = bytes;
    Ok(has_grown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_say_what_is_wrong_and_what_to_do() {
        let missing = ResumeError::Missing { name: "a.jsonl".into(), offset: 12, is_file: true };
        let expected = "input \"a.jsonl\" of the earlier run was read up to byte 12 only and is not among the inputs now; \
                        name it again, or run into another lake";
        assert_eq!(missing.to_string(), expected);
        let changed = ResumeError::Changed { path: "/in/a.jsonl".into(), what: "its first 9 bytes are others".into() };
        let expected = "input \"/in/a.jsonl\" is not the one the lake has read before: its first 9 bytes are others; put it \
                        back, or give the new one another name";
        assert_eq!(changed.to_string(), expected);
        let cause = io::ErrorKind::NotFound.into();
        let gone = ResumeError::Gone { path: "/in/a.jsonl".into(), offset: 7, cause };
        let expected = "input \"/in/a.jsonl\" cannot be read: entity not found; windows that are open in the lake need it \
                        again from byte 7 on";
        assert_eq!(gone.to_string(), expected);
        assert!(missing.is_usage() && changed.is_usage() && gone.is_usage());
        let damaged = ResumeError::Damaged { path: "lake".into(), what: "it is no JSON".into() };
        assert_eq!(damaged.to_string(), "the last commit of lake lake is damaged: it is no JSON; nothing was changed");
        assert!(!damaged.is_usage());
    }
}
