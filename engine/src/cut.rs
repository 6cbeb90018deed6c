//! The run's part of a commit: where each partition stands, what was observed, the books.
//!
//! `docs/recovery.md` says what it is for. Here is its form: one line of JSON, and behind every snapshot and increment of the merge the
//! judgements that reading again would not repeat.

use std::path::PathBuf;

use engine_model::{EventTime, Micros, PartitionId, Reason, WindowId};
use engine_window::{DelayHistogram, Ledger, QualityPartial};
use serde::{Deserialize, Serialize};

/// Where reading again has to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ReplayMark {
    /// The window that `max_p` reached in the batch that begins there.
    pub(crate) window: i64,
    /// Where that batch begins.
    pub(crate) offset: u64,
    /// `max_p` before it, in microseconds.
    pub(crate) max_us: i64,
}

/// Where a partition stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stand {
    /// What begins here has not been read.
    pub(crate) offset: u64,
    /// `max_p`, in microseconds; `None` before the first valid record.
    pub(crate) max_us: Option<i64>,
    /// Where reading again has to begin; `None` where no record before the offset belongs to an open window.
    pub(crate) replay: Option<ReplayMark>,
    /// Whether it was read to its end.
    pub(crate) is_finished: bool,
    /// Records rejected before the first valid one; they are counted nowhere else.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) rejected: Vec<u64>,
}

impl Stand {
    pub(crate) fn max(&self) -> EventTime {
        self.max_us.map_or(EventTime::MIN, EventTime::from_micros)
    }

    /// The ledger of the records before the first valid one.
    pub(crate) fn rejected(&self) -> Ledger {
        let mut ledger = Ledger::default();
        for (count, rejected) in ledger.rejected.iter_mut().zip(&self.rejected) {
            *count = *rejected;
        }
        ledger.records = ledger.rejected_total();
        ledger
    }
}

/// `max_p` as it is written down.
pub(crate) fn micros_of(max: EventTime) -> Option<i64> {
    (max != EventTime::MIN).then(|| max.as_micros())
}

/// What tells a partition from all others, over runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum Identity {
    /// A regular file.
    File {
        /// Where it lies, links followed.
        path: PathBuf,
        /// How long it was, compressed as it is.
        bytes: u64,
        /// Of how many of its first bytes the checksum is.
        prefix_bytes: u64,
        /// Their CRC-32.
        prefix_checksum: u32,
    },
    /// Stdin or a pipe, read through the input log.
    Stream {
        /// The folder of its log, under `_tillrace/log`.
        log: u32,
    },
    /// A lane of a bounded simulation.
    Lane {
        /// All options that decide its records.
        simulation: String,
        /// Its number.
        lane: u32,
    },
    /// A lane of a live simulation, which ends with its run.
    LiveLane {
        /// All options that decide its records, but for the start.
        simulation: String,
        /// Its number.
        lane: u32,
        /// When it began, in microseconds.
        start_us: i64,
    },
    /// Another program brings the records; nobody can bring them again.
    Embedded,
}

/// A partition in a commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PartitionCut {
    /// What the `source` column says.
    pub(crate) source: String,
    /// What the `partition` column says.
    pub(crate) number: i32,
    pub(crate) identity: Identity,
    #[serde(flatten)]
    pub(crate) stand: Stand,
}

/// [`Ledger`] as it is written down.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Books {
    records: u64,
    accepted: u64,
    duplicates: u64,
    late: u64,
    delayed: u64,
    rejected: [u64; Reason::ALL.len()],
}

impl From<&Ledger> for Books {
    fn from(ledger: &Ledger) -> Books {
        let &Ledger { records, accepted, duplicates, late, rejected, delayed } = ledger;
        Books { records, accepted, duplicates, late, delayed, rejected }
    }
}

impl From<&Books> for Ledger {
    fn from(books: &Books) -> Ledger {
        let &Books { records, accepted, duplicates, late, delayed, rejected } = books;
        Ledger { records, accepted, duplicates, late, rejected, delayed }
    }
}

/// [`QualityPartial`] as it is written down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Observed {
    window: i64,
    books: Books,
    /// Buckets of the delays and their counts.
    delays: Vec<(usize, u64)>,
    delay_max_us: i64,
}

impl From<&QualityPartial> for Observed {
    fn from(partial: &QualityPartial) -> Observed {
        Observed {
            window: partial.window.0,
            books: (&partial.ledger).into(),
            delays: partial.delays.buckets().collect(),
            delay_max_us: partial.delays.max().map_or(0, Micros::get),
        }
    }
}

impl Observed {
    pub(crate) fn to_partial(&self) -> Option<QualityPartial> {
        let delays = DelayHistogram::from_buckets(&self.delays, Micros::new(self.delay_max_us))?;
        Some(QualityPartial { window: WindowId(self.window), ledger: (&self.books).into(), delays })
    }
}

/// The run's part of a commit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cut {
    /// At its [`PartitionId`].
    pub(crate) partitions: Vec<PartitionCut>,
    /// Windows of any grain that end there or before are emitted, in microseconds; `None` where none is.
    pub(crate) emitted_us: Option<i64>,
    /// All records before the partitions' offsets, but for those of [`Stand::rejected`].
    pub(crate) books: Books,
    /// The quality of windows that are not emitted, which is in the books, too.
    pub(crate) observed: Vec<Observed>,
    /// Base windows emitted with at least one accepted event.
    pub(crate) windows: u64,
    /// Whether a sum of money has stopped at the end of its column.
    pub(crate) saturated: bool,
}

impl Cut {
    pub(crate) fn to_line(&self) -> String {
        serde_json::to_string(self).expect("plain data")
    }

    /// # Errors
    /// What is wrong with the line.
    pub(crate) fn from_line(line: &str) -> Result<Cut, String> {
        serde_json::from_str(line).map_err(|error| error.to_string())
    }

    pub(crate) fn emitted(&self) -> EventTime {
        self.emitted_us.map_or(EventTime::MIN, EventTime::from_micros)
    }
}

/// A record that reading again would judge otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Exclusion {
    pub(crate) offset: u64,
    /// Whether it was rejected, for the clock, rather than a duplicate.
    pub(crate) is_rejected: bool,
}

/// Exclusions by partition.
#[derive(Clone, Debug, Default)]
pub(crate) struct Exclusions {
    of: Vec<Vec<Exclusion>>,
}

impl Exclusions {
    pub(crate) fn push(&mut self, partition: PartitionId, exclusion: Exclusion) {
        let place = partition.0 as usize;
        if place >= self.of.len() {
            self.of.resize_with(place + 1, Vec::new);
        }
        self.of[place].push(exclusion);
    }

    /// Those of a partition, ascending once [`Exclusions::sort`] was called.
    pub(crate) fn of(&self, partition: PartitionId) -> &[Exclusion] {
        self.of.get(partition.0 as usize).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn sort(&mut self) {
        self.of.iter_mut().for_each(|exclusions| exclusions.sort_unstable());
    }

    pub(crate) fn append(&mut self, other: &mut Exclusions) {
        for (place, exclusions) in other.of.iter_mut().enumerate() {
            let partition = PartitionId(u32::try_from(place).expect("as before"));
            exclusions.drain(..).for_each(|exclusion| self.push(partition, exclusion));
        }
    }

    /// Drops those of records that will not be read again.
    pub(crate) fn prune<'a>(&mut self, stands: impl Iterator<Item = &'a Stand>) {
        for (exclusions, stand) in self.of.iter_mut().zip(stands) {
            let from = stand.replay.map_or(stand.offset, |replay| replay.offset);
            exclusions.retain(|exclusion| exclusion.offset >= from);
        }
    }

    fn is_empty(&self) -> bool {
        self.of.iter().all(Vec::is_empty)
    }

    /// The part of a frame of the state log behind the merge's: partition and offset of each, twelve bytes.
    fn encode(&self, out: &mut Vec<u8>) {
        for (partition, exclusions) in (0u32..).zip(&self.of) {
            for exclusion in exclusions {
                out.extend_from_slice(&partition.to_le_bytes());
                let offset = exclusion.offset << 1 | u64::from(exclusion.is_rejected);
                out.extend_from_slice(&offset.to_le_bytes());
            }
        }
    }

    fn decode(&mut self, bytes: &[u8]) -> Option<()> {
        let (entries, []) = bytes.as_chunks::<12>() else { return None };
        for entry in entries {
            let (partition, offset) = entry.split_first_chunk::<4>()?;
            let offset = u64::from_le_bytes(offset.try_into().ok()?);
            let exclusion = Exclusion { offset: offset >> 1, is_rejected: offset & 1 == 1 };
            self.push(PartitionId(u32::from_le_bytes(*partition)), exclusion);
        }
        Some(())
    }
}

/// A frame of the state log: what the merge says, its length before it, then exclusions. Empty where there is nothing to say.
pub(crate) fn state_frame(merge: &[u8], exclusions: &Exclusions) -> Vec<u8> {
    if merge.is_empty() && exclusions.is_empty() {
        return Vec::new();
    }
    let mut frame = (merge.len() as u64).to_le_bytes().to_vec();
    frame.extend_from_slice(merge);
    exclusions.encode(&mut frame);
    frame
}

/// Takes a frame apart: the merge's part; the exclusions go to `exclusions`. `None` where it is none.
pub(crate) fn read_frame<'a>(frame: &'a [u8], exclusions: &mut Exclusions) -> Option<&'a [u8]> {
    let (len, rest) = frame.split_first_chunk::<8>()?;
    let (merge, rest) = rest.split_at_checked(usize::try_from(u64::from_le_bytes(*len)).ok()?)?;
    exclusions.decode(rest)?;
    Some(merge)
}
