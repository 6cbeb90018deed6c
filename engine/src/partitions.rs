//! The source partitions of a run and the order in which they are read.
//!
//! Always the one with the least watermark is read next, and it is left as soon as it is more than a window ahead of the
//! others. So files whose times lie far apart are read one after the other, files of the same time side by side, and the
//! windows that are open at once are about those of one file. For that, the first event time of every file is looked up
//! before reading begins; the lookup judges nothing and the file is then read from its start.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use engine_model::{Batch, EventTime, Micros, Semantics, Watermark};
use engine_parse::{Rules, Slab, parse};
use engine_source::{Input, OPEN_READERS_DEFAULT, OpenReaders, PartitionReader, ReadError, SlabRef};
use engine_window::Progress;
use sim::Simulator;

use crate::input_log::{LogError, LogReader};

/// Where a partition's records come from.
#[derive(Debug)]
pub(crate) enum Origin {
    /// A file.
    Lines(PartitionReader),
    /// Stdin or a pipe.
    Log(Box<LogReader>),
    /// A lane of the simulator.
    Lane(Box<Simulator>),
}

/// One partition.
#[derive(Debug)]
pub(crate) struct Partition {
    pub(crate) origin: Origin,
    pub(crate) progress: Progress,
    /// Where its watermark will stand once its first event is read, if that is known.
    first: Watermark,
}

impl Partition {
    /// A partition that goes on, or begins, where `progress` stands. `first` is its first event time, where that is known.
    pub(crate) fn new(origin: Origin, progress: Progress, first: Option<EventTime>, lateness: Micros) -> Partition {
        let first = first.map_or(Watermark::NONE, |first| Watermark::trailing(first, lateness));
        Partition { origin, progress, first }
    }

    /// What begins here has not been read.
    pub(crate) fn offset(&self) -> u64 {
        match &self.origin {
            Origin::Lines(reader) => reader.next_offset(),
            Origin::Log(reader) => reader.next_offset(),
            Origin::Lane(lane) => lane.index(),
        }
    }

    fn watermark(&self) -> Watermark {
        self.progress.watermark().max(self.first)
    }
}

/// All partitions that are not finished.
#[derive(Debug)]
pub(crate) struct Partitions {
    unfinished: Vec<Option<Partition>>,
    /// Watermark and place of each unfinished partition; the least first.
    order: BinaryHeap<Reverse<(Watermark, usize)>>,
    open: OpenReaders,
    /// How far a partition may run ahead of the others.
    ahead_max: Micros,
}

impl Partitions {
    /// These partitions, `None` where one is finished, each at its number.
    pub(crate) fn new(partitions: Vec<Option<Partition>>, semantics: &Semantics) -> Partitions {
        let place =
            |(place, partition): (usize, &Option<Partition>)| Some(Reverse((partition.as_ref()?.watermark(), place)));
        Partitions {
            order: partitions.iter().enumerate().filter_map(place).collect(),
            unfinished: partitions,
            open: OpenReaders::new(OPEN_READERS_DEFAULT),
            ahead_max: semantics.base().length().get(),
        }
    }

    /// All partitions that are not finished, in their order.
    pub(crate) fn all(&mut self) -> impl Iterator<Item = &mut Partition> {
        self.unfinished.iter_mut().flatten()
    }

    /// The partition to read next and its place: the one with the least watermark. `None` when all are finished.
    pub(crate) fn next(&mut self) -> Option<(usize, &mut Partition)> {
        let &Reverse((_, place)) = self.order.peek()?;
        Some((place, self.unfinished[place].as_mut().expect("finished partitions leave the order")))
    }

    /// How far the partition that is next may read now: to the watermark at which it would be too far ahead of the
    /// others.
    pub(crate) fn limit(&self) -> Watermark {
        // The second least is the least of the heap's second level.
        let rest = self.order.iter().skip(1).map(|Reverse((watermark, _))| *watermark).min();
        rest.map_or(Watermark::END, |other| Watermark::at(other.get().saturating_add(self.ahead_max)))
    }

    /// Puts the partition that is next where its progress belongs now, and closes files where too many are open.
    pub(crate) fn advanced(&mut self) {
        let Some(mut next) = self.order.peek_mut() else { return };
        let Reverse((watermark, place)) = &mut *next;
        let partition = self.unfinished[*place].as_ref().expect("finished partitions leave the order");
        *watermark = partition.watermark();
        let (id, max) = (partition.progress.partition(), watermark.get());
        // Only what can be closed and opened again has a place among the open readers.
        let is_replayable = matches!(&partition.origin, Origin::Lines(reader) if reader.is_replayable());
        drop(next);
        if !is_replayable {
            return;
        }
        if let Some(suspended) = self.open.read(id, max)
            && let Some(Partition { origin: Origin::Lines(reader), .. }) = &mut self.unfinished[suspended.0 as usize]
        {
            reader.suspend();
        }
    }

    /// Takes the partition that is next out: it is finished.
    pub(crate) fn finish(&mut self) -> Option<Partition> {
        let Reverse((_, place)) = self.order.pop()?;
        let partition = self.unfinished[place].take()?;
        self.open.closed(partition.progress.partition());
        Some(partition)
    }

    /// The global watermark, and the place of a partition that holds it; +∞ when all are finished.
    pub(crate) fn watermark(&self) -> (Watermark, Option<usize>) {
        match self.order.peek() {
            Some(&Reverse((watermark, place))) => (watermark, Some(place)),
            None => (Watermark::END, None),
        }
    }

    /// The partitions that are not finished.
    pub(crate) fn unfinished(&self) -> impl Iterator<Item = &Partition> {
        self.unfinished.iter().flatten()
    }
}

/// The event time of the first valid record of a file that can be read again; `None` where there is none, or where it
/// cannot be known without using the input up.
pub(crate) fn first_event_time(input: &Input, rules: &Rules) -> Option<EventTime> {
    let mut reader = PartitionReader::new(input.clone());
    if !reader.is_replayable() {
        return None;
    }
    let mut batch = Batch::default();
    // A failure shows again, and is reported, when the file is read.
    while let Ok(Some(slab)) = reader.next_slab() {
        let mut consumed = 0;
        while consumed < slab.bytes.len() {
            batch.reset(batch.header);
            consumed += parse(rest_of(slab, consumed), rules, 16, &mut batch);
            if let Some(event) = batch.events.first() {
                return Some(event.time);
            }
        }
    }
    None
}

/// What is left of a slab when its first `consumed` bytes are parsed.
pub(crate) fn rest_of(slab: SlabRef<'_>, consumed: usize) -> Slab<'_> {
    Slab { bytes: &slab.bytes[consumed..], offset: slab.offset + consumed as u64, oversized: slab.oversized }
}

/// Why a partition could not be read to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SourceError {
    /// An input failed.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// An input that is logged failed, or its log.
    #[error(transparent)]
    Log(#[from] LogError),
    /// What was simulated could not be written down.
    #[error("cannot write the truth to \"{}\": {cause}", path.display())]
    Truth {
        /// The file.
        path: std::path::PathBuf,
        /// What the operating system says.
        cause: std::io::Error,
    },
}
