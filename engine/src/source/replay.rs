//! Going on after a restart: the records that open windows still need are read again, up to where the last commit has come.
//!
//! They are parsed and put in order as before, and judged by nobody: late follows from the partition's own order, and what does not is
//! among the commit's exclusions. Nothing is counted or written for them.

use std::sync::atomic::Ordering::Relaxed;

use engine_model::{BatchHeader, EventTime, Judgement, PartitionId, Semantics, Watermark};
use engine_parse::{Rules, Slab};
use engine_source::{Input, LineLimits, PartitionReader};
use engine_window::{Arrival, Progress};
use sim::Simulator;

use super::{BATCH_RECORDS_MAX, Downstream, Interruption, NextSlab, Slabs, Source, SourceEnd};
use crate::cut::{Exclusion, Exclusions, Stand};
use crate::input_log::LogReader;
use crate::message::Gone;
use crate::partitions::{Origin, Partition, Partitions, first_event_time, rest_of};

/// What a source thread begins with.
#[derive(Debug)]
pub(crate) struct SourceStart {
    pub(crate) semantics: Semantics,
    /// Each at its number.
    pub(crate) partitions: Vec<PartitionStart>,
    /// What the last commit says was emitted.
    pub(crate) emitted: Watermark,
    /// Sorted.
    pub(crate) exclusions: Exclusions,
}

/// Where a partition begins.
#[derive(Debug)]
pub(crate) struct PartitionStart {
    pub(crate) stand: Stand,
    /// `None` where it is finished and no open window needs it.
    pub(crate) origin: Option<OriginStart>,
}

/// Where its records come from.
#[derive(Debug)]
pub(crate) enum OriginStart {
    /// A file.
    Lines(Input),
    /// Stdin or a pipe. The reader stands where reading again begins.
    Log(Box<LogReader>),
    /// A lane of the simulator, at its first record.
    Lane(Box<Simulator>),
}

impl Source<'_> {
    /// Brings shards and partitions to where the last commit stood. Returns how the run ends where it was stopped on the way.
    pub(super) fn resume(
        &mut self,
        start: SourceStart,
        partitions: &mut Partitions,
    ) -> Result<Option<SourceEnd>, Interruption> {
        let SourceStart { semantics, partitions: starts, emitted, mut exclusions } = start;
        self.has_resumed = false;
        self.emitted = emitted;
        self.stands = starts.iter().map(|start| start.stand.clone()).collect();
        if emitted != Watermark::NONE {
            // Before the first event, so that nothing is taken into a window that is emitted.
            self.advance(emitted)?;
        }
        exclusions.sort();
        let (count, rules) = (starts.len(), self.config.rules());
        let mut resumed = Vec::with_capacity(count);
        for (number, PartitionStart { stand, origin }) in (0..).zip(starts) {
            let id = PartitionId(number);
            let mut first = None;
            let origin = match origin {
                None => None,
                Some(OriginStart::Lines(input)) => {
                    if stand.offset == 0 && count > 1 {
                        first = first_event_time(&input, &rules);
                    }
                    let reader = |offset| PartitionReader::starting_at(input.clone(), offset, LineLimits::default());
                    if stand.replay.is_some() {
                        self.replay_lines(&mut reader(replay_offset(&stand)), id, &semantics, &stand, &exclusions)?;
                    }
                    Some(Origin::Lines(reader(stand.offset)))
                }
                Some(OriginStart::Log(mut reader)) => {
                    self.replay_lines(&mut *reader, id, &semantics, &stand, &exclusions)?;
                    Some(Origin::Log(reader))
                }
                Some(OriginStart::Lane(mut lane)) => {
                    self.replay_lane(&mut lane, id, &semantics, &stand, &exclusions)?;
                    Some(Origin::Lane(lane))
                }
            };
            if self.stop.load(Relaxed) {
                return Ok(Some(SourceEnd::Stopped));
            }
            self.furthest = self.furthest.max(Watermark::trailing(stand.max(), semantics.lateness()));
            resumed.push(origin.filter(|_| !stand.is_finished).map(|origin| {
                let progress = Progress::resumed(id, &semantics, stand.max(), stand.rejected(), emitted);
                Partition::new(origin, progress, first, semantics.lateness())
            }));
        }
        *partitions = Partitions::new(resumed, &semantics);
        self.has_resumed = true;
        Ok(None)
    }

    /// Reads lines again, from where the reader stands up to the committed offset.
    fn replay_lines(
        &mut self,
        reader: &mut impl Slabs,
        id: PartitionId,
        semantics: &Semantics,
        stand: &Stand,
        exclusions: &Exclusions,
    ) -> Result<(), Interruption> {
        let mut progress = replay_progress(id, semantics, stand);
        // The clock has gone on; what it had rejected is among the exclusions.
        let rules = Rules { currency: self.config.currency, time_max: EventTime::EVENT_MAX };
        let mut next_offset = replay_offset(stand);
        while next_offset < stand.offset && !self.stop.load(Relaxed) {
            let slab = match reader.next()? {
                NextSlab::Slab(slab) => slab,
                NextSlab::NotYet | NextSlab::End => break,
            };
            let left = usize::try_from(stand.offset.saturating_sub(slab.offset)).unwrap_or(usize::MAX);
            let wanted = if slab.oversized.is_some() { slab.bytes.len() } else { slab.bytes.len().min(left) };
            let mut consumed = 0;
            while consumed < wanted {
                let Slab { bytes, offset, oversized } = rest_of(slab, consumed);
                let rest = Slab { bytes: &bytes[..wanted - consumed], offset, oversized };
                consumed += self.parse(rest, &rules, id, usize::from(BATCH_RECORDS_MAX));
                self.restore_batch(&mut progress, exclusions.of(id))?;
            }
            next_offset = slab.offset + slab.bytes.len() as u64;
            let given_back = slab.bytes.len() - wanted;
            reader.give_back(given_back);
        }
        Ok(())
    }

    /// Lets a lane simulate again what it had given, up to the committed record.
    fn replay_lane(
        &mut self,
        lane: &mut Simulator,
        id: PartitionId,
        semantics: &Semantics,
        stand: &Stand,
        exclusions: &Exclusions,
    ) -> Result<(), Interruption> {
        let mut progress = replay_progress(id, semantics, stand);
        let replay_from = replay_offset(stand);
        let mut slab = std::mem::take(&mut self.slab);
        while lane.index() < stand.offset && !self.stop.load(Relaxed) {
            let index = lane.index();
            let until = if index < replay_from { replay_from } else { stand.offset };
            let count = usize::try_from(until - index).unwrap_or(usize::MAX).min(BATCH_RECORDS_MAX.into());
            self.batch.reset(BatchHeader { partition: id, first_offset: index, ..BatchHeader::default() });
            slab.clear();
            if lane.next_batch(count, &mut self.batch, &mut slab) == 0 {
                break;
            }
            if let Some(truth) = &mut self.truth {
                truth.write(&lane.take_truth())?;
            }
            if index >= replay_from {
                self.restore_batch(&mut progress, exclusions.of(id))?;
            }
        }
        self.slab = slab;
        Ok(())
    }

    /// Sends those events of the batch to their shards that were accepted into windows that are open.
    fn restore_batch(&mut self, progress: &mut Progress, exclusions: &[Exclusion]) -> Result<(), Gone> {
        let excluded = |offset, is_rejected| exclusions.binary_search(&Exclusion { offset, is_rejected }).is_ok();
        let batch = &mut self.batch;
        batch.events.retain(|event| !excluded(event.offset, true));
        // Their places among the events are not right any more, and nobody asks for them.
        batch.rejected.clear();
        let mut observed = Vec::new();
        progress.judge(batch, Arrival::REPLAY, &mut observed);
        self.mark(progress.max());
        let Source { batch, base, emitted, downstream, .. } = self;
        batch.events.retain(|event| {
            event.judgement == Judgement::InTime
                && !emitted.passes(base.end(base.containing(event.time)))
                && !excluded(event.offset, false)
        });
        match downstream {
            Downstream::Fused(work, _) => work.restore(batch),
            Downstream::Piped(link) => {
                batch.events.iter().for_each(|event| link.push_restored(batch, event));
                link.flush_restored()?;
            }
            Downstream::Routed(links) => {
                let shards = links.len();
                for event in &batch.events {
                    links[crate::route::shard_of(&event.event_id(), shards)].push_restored(batch, event);
                }
                links.iter_mut().try_for_each(crate::route::ShardLink::flush_restored)?;
            }
        }
        Ok(())
    }
}

/// Where reading again begins: at the committed offset where nothing is needed.
fn replay_offset(stand: &Stand) -> u64 {
    stand.replay.map_or(stand.offset, |replay| replay.offset)
}

fn replay_progress(id: PartitionId, semantics: &Semantics, stand: &Stand) -> Progress {
    let max = stand.replay.map_or(stand.max(), |replay| EventTime::from_micros(replay.max_us));
    Progress::resumed(id, semantics, max, stand.rejected(), Watermark::NONE)
}
