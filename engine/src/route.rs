//! Which shard gets an event, and the batches on their way there.
//!
//! All copies of an identifier go to the same shard, by a hash of the identifier: so duplicates are found without one
//! shard asking another, whatever partition they come from.

use engine_model::{Batch, Event, Text, Watermark, fold};
use rtrb::{Consumer, Producer};

use crate::message::{Gone, ToShard, send};

/// The shard of an identifier. The tables inside a shard use the same hash, so it is mixed once more: otherwise the
/// identifiers of a shard would share the bits that spread them there.
///
/// # Panics
/// Never for at least one shard.
#[must_use]
pub fn shard_of(id: &Text, shards: usize) -> usize {
    let mixed = fold(id.hash(), 0x2545_F491_4F6C_DD1D);
    let shard = (u128::from(mixed) * shards as u128) >> 64;
    usize::try_from(shard).expect("less than the number of shards")
}

/// The way from a source thread to one shard.
#[derive(Debug)]
pub(crate) struct ShardLink {
    tx: Producer<ToShard>,
    /// Batches that the shard has emptied, to be filled again.
    empty: Consumer<Batch>,
    filling: Batch,
}

/// How many events a routed batch holds at the most.
const ROUTED_EVENTS_MAX: usize = 1_024;

impl ShardLink {
    pub(crate) fn new(tx: Producer<ToShard>, empty: Consumer<Batch>) -> ShardLink {
        ShardLink { tx, empty, filling: Batch::default() }
    }

    /// Copies an event of `batch` onto its way.
    pub(crate) fn push(&mut self, batch: &Batch, event: &Event) -> Result<(), Gone> {
        if self.filling.header.partition != batch.header.partition || self.filling.events.len() >= ROUTED_EVENTS_MAX {
            self.flush()?;
        }
        if self.filling.events.is_empty() {
            self.filling.header = batch.header;
        }
        self.filling.push_from(batch, event);
        Ok(())
    }

    /// Sends `batch` whole, with its late events, and leaves an empty one in its place. For an only shard: nothing is
    /// copied.
    pub(crate) fn pass(&mut self, batch: &mut Batch) -> Result<(), Gone> {
        if batch.events.is_empty() {
            return Ok(());
        }
        let mut next = self.empty.pop().unwrap_or_default();
        next.reset(batch.header);
        send(&mut self.tx, ToShard::Events(std::mem::replace(batch, next)))
    }

    /// Sends what has been pushed.
    pub(crate) fn flush(&mut self) -> Result<(), Gone> {
        if self.filling.events.is_empty() {
            return Ok(());
        }
        let mut next = self.empty.pop().unwrap_or_default();
        next.reset(self.filling.header);
        send(&mut self.tx, ToShard::Events(std::mem::replace(&mut self.filling, next)))
    }

    /// Sends what has been pushed as events that an earlier run has accepted.
    pub(crate) fn flush_restored(&mut self) -> Result<(), Gone> {
        if self.filling.events.is_empty() {
            return Ok(());
        }
        send(&mut self.tx, ToShard::Restored(std::mem::take(&mut self.filling)))
    }

    /// Copies an event that an earlier run has accepted onto its way.
    pub(crate) fn push_restored(&mut self, batch: &Batch, event: &Event) {
        self.filling.header = batch.header;
        self.filling.push_from(batch, event);
    }

    /// Sends what has been pushed, then a barrier behind it.
    pub(crate) fn barrier(&mut self) -> Result<(), Gone> {
        self.flush()?;
        send(&mut self.tx, ToShard::Barrier)
    }

    /// Sends what has been pushed, then the watermark behind it.
    pub(crate) fn advance(&mut self, watermark: Watermark) -> Result<(), Gone> {
        self.flush()?;
        send(&mut self.tx, ToShard::Watermark(watermark))
    }

    /// Sends what has been pushed, then that there is no more.
    pub(crate) fn end(&mut self) -> Result<(), Gone> {
        self.flush()?;
        send(&mut self.tx, ToShard::End)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_spread_evenly_and_always_go_the_same_way() {
        for shards in [1, 2, 3, 8] {
            let mut counts = vec![0usize; shards];
            for n in 0..8_000 {
                let text = Text::in_place(format!("e{n}").as_bytes()).unwrap();
                let shard = shard_of(&text, shards);
                assert_eq!(shard, shard_of(&text, shards));
                counts[shard] += 1;
            }
            let fair = 8_000 / shards;
            assert!(counts.iter().all(|count| count.abs_diff(fair) < fair / 5), "{counts:?}");
        }
    }
}
