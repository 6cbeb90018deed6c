//! A source thread's work for a program that has the records in its hands: the same steps as a run with one shard, a
//! batch at a time, at the moment the caller chooses.

use engine_model::{Batch, BatchHeader, PartitionId, Semantics, Watermark};
use engine_parse::{Rules, Slab, parse};
use engine_window::{Arrival, Progress};

use super::{BATCH_RECORDS_MAX, Source, clock};
use crate::message::Gone;
use crate::partitions::Partitions;

/// The committer has stopped, so nothing can be handed over any more. Why it has stopped is what [`crate::embed()`]
/// returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the committer has stopped")]
pub struct CommitterGone;

impl From<Gone> for CommitterGone {
    fn from(Gone: Gone) -> CommitterGone {
        CommitterGone
    }
}

/// One source partition with one shard behind it, on the calling thread: judges, finds duplicates, adds up.
///
/// Taking records in never closes a window; the caller asks [`Feed::is_due`] after each batch and calls
/// [`Feed::advance`] where it says so. In between, batches may be as small as a record.
#[derive(Debug)]
pub struct Feed<'a> {
    source: Source<'a>,
    progress: Progress,
}

impl<'a> Feed<'a> {
    pub(crate) fn new(source: Source<'a>, semantics: &Semantics) -> Feed<'a> {
        Feed { source, progress: Progress::new(Feed::PARTITION, semantics) }
    }

    /// The partition that all batches must be of.
    pub const PARTITION: PartitionId = PartitionId(0);

    /// Takes the next lines in: whole ones, each with its end. Parses them by `rules`, see [`crate::rules_now`].
    ///
    /// Blocks where the committer is so far behind that its ring is full.
    ///
    /// # Errors
    /// Where the committer has stopped.
    ///
    /// # Panics
    /// Where the slab is 4 GiB or more.
    pub fn take_lines(&mut self, slab: Slab<'_>, rules: &Rules) -> Result<(), CommitterGone> {
        self.source.received = clock();
        let mut consumed = 0;
        while consumed < slab.bytes.len() {
            let rest = Slab {
                bytes: &slab.bytes[consumed..],
                offset: slab.offset + consumed as u64,
                oversized: slab.oversized,
            };
            let batch = &mut self.source.batch;
            batch.reset(BatchHeader {
                partition: Feed::PARTITION,
                first_offset: rest.offset,
                ..BatchHeader::default()
            });
            let parsed = parse(rest, rules, usize::from(BATCH_RECORDS_MAX), batch);
            assert!(parsed > 0, "the parser went nowhere at offset {}", rest.offset);
            consumed += parsed;
            self.source.take_batch(&mut self.progress, Arrival::REPLAY, rest.bytes)?;
        }
        Ok(())
    }

    /// Takes the next events in, which are parsed already. `slab` holds the lines that late events and rejected lines
    /// of the batch point into; where the lake has Bronze, those of all. The batch comes back judged, with its memory.
    ///
    /// Blocks where the committer is so far behind that its ring is full.
    ///
    /// # Errors
    /// Where the committer has stopped.
    ///
    /// # Panics
    /// Where the batch is not of [`Feed::PARTITION`], or an event came without its line and the lake has Bronze.
    pub fn take_batch(&mut self, batch: &mut Batch, slab: &[u8]) -> Result<(), CommitterGone> {
        self.source.received = clock();
        std::mem::swap(&mut self.source.batch, batch);
        let taken = self.source.take_batch(&mut self.progress, Arrival::REPLAY, slab);
        std::mem::swap(&mut self.source.batch, batch);
        Ok(taken?)
    }

    /// How far the records taken in have come.
    #[must_use]
    pub fn watermark(&self) -> Watermark {
        self.progress.watermark()
    }

    /// Records taken in.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.source.records
    }

    /// Whether the watermark has passed the end of a window since the last [`Feed::advance`].
    #[must_use]
    pub fn is_due(&self) -> bool {
        self.source.base.ends_between(self.source.sent, self.watermark())
    }

    /// Closes the windows that the watermark has passed and hands them over to the committer.
    ///
    /// # Errors
    /// Where the committer has stopped.
    pub fn advance(&mut self) -> Result<(), CommitterGone> {
        let watermark = self.watermark();
        self.source.publish(watermark, 0);
        Ok(self.source.advance(watermark)?)
    }

    /// Closes everything: no record comes any more.
    pub(crate) fn finish(mut self, semantics: &Semantics) -> Result<(), CommitterGone> {
        match self.progress.finish() {
            Ok(quality) => self.source.quality.push(quality),
            Err(ledger) => self.source.unattributed.merge(&ledger),
        }
        self.source.publish(Watermark::END, 0);
        self.source.advance(Watermark::END)?;
        Ok(self.source.end(&Partitions::simulated(Vec::new(), semantics))?)
    }
}
