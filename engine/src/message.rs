//! What threads send each other, and how they wait.

use std::time::Duration;

use engine_lake::Layer;
use engine_model::{Batch, Rows, Watermark, WindowId};
use engine_window::{Ledger, QualityPartial, ShardClose, WindowPartial};
use rtrb::{Consumer, PopError, Producer, PushError};

use crate::snapshot::OpenPart;

/// From a source thread to a shard.
#[derive(Debug)]
pub(crate) enum ToShard {
    /// Events for this shard, all of one partition and in its order.
    Events(Batch),
    /// No event whose window this passes will come from this source thread any more.
    Watermark(Watermark),
    /// Nothing will come any more.
    End,
}

/// From a source or shard thread to the committer.
#[derive(Debug)]
pub(crate) enum Report {
    /// All this thread knows of the windows that `watermark` has passed; it will say no more of them.
    Closed {
        /// How far this thread has come.
        watermark: Watermark,
        /// Its part of each closed window.
        windows: Vec<WindowPartial>,
        /// Its part of the records observed in closed windows.
        quality: Vec<QualityPartial>,
    },
    /// What a shard knows of its open windows, for who watches. Decides nothing.
    Open(Box<OpenPart>),
    /// Rows for the quarantine.
    Quarantined(Rows),
    /// Rows for Bronze or Silver.
    Kept {
        /// Which of the two.
        layer: Layer,
        /// The local day whose folder they go to; `None` where no event has told the time yet.
        day: Option<i64>,
        /// The rows, of one table.
        rows: Rows,
    },
    /// This thread is done.
    Ended {
        /// Counts that were not handed over with a window.
        ledger: Ledger,
        /// Windows of which it keeps events that are not written.
        open_windows: Vec<WindowId>,
    },
}

/// The thread at the other end of a ring is gone before its time. It has failed, and says itself why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gone;

/// Waits longer the longer it has waited: spins, then sleeps.
///
/// It does not yield: where another process wants the core, that hands it a whole slice of some milliseconds, which is
/// more than the rings hold.
#[derive(Debug, Default)]
pub(crate) struct Patience {
    rounds: u32,
}

impl Patience {
    const SPINS: u32 = 64;
    const SLEEP: Duration = Duration::from_micros(100);

    pub(crate) fn wait(&mut self) {
        if self.rounds < Patience::SPINS {
            std::hint::spin_loop();
        } else {
            std::thread::sleep(Patience::SLEEP);
        }
        self.rounds = self.rounds.saturating_add(1);
    }

    pub(crate) fn reset(&mut self) {
        self.rounds = 0;
    }
}

/// Sends `message`; waits while the ring is full.
pub(crate) fn send<T>(ring: &mut Producer<T>, message: T) -> Result<(), Gone> {
    let mut message = message;
    let mut patience = Patience::default();
    loop {
        match ring.push(message) {
            Ok(()) => return Ok(()),
            Err(PushError::Full(back)) => message = back,
        }
        if ring.is_abandoned() {
            return Err(Gone);
        }
        patience.wait();
    }
}

/// The next message, if there is one by now.
pub(crate) fn receive<T>(ring: &mut Consumer<T>) -> Result<Option<T>, Gone> {
    match ring.pop() {
        Ok(message) => Ok(Some(message)),
        // Between the two looks the other end may have sent its last message and gone: look again.
        Err(PopError::Empty) if ring.is_abandoned() => ring.pop().map(Some).map_err(|PopError::Empty| Gone),
        Err(PopError::Empty) => Ok(None),
    }
}

impl Report {
    /// What a shard hands over at `watermark`.
    pub(crate) fn closed(watermark: Watermark, close: ShardClose) -> Report {
        Report::Closed { watermark, windows: close.windows, quality: close.quality }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sent_before_the_end_is_received_after_it() {
        let (mut tx, mut rx) = rtrb::RingBuffer::new(2);
        send(&mut tx, 1).unwrap();
        send(&mut tx, 2).unwrap();
        drop(tx);
        assert_eq!(receive(&mut rx), Ok(Some(1)));
        assert_eq!(receive(&mut rx), Ok(Some(2)));
        assert_eq!(receive(&mut rx), Err(Gone));
    }

    #[test]
    fn a_full_ring_whose_reader_is_gone_does_not_wait_for_ever() {
        let (mut tx, rx) = rtrb::RingBuffer::new(1);
        send(&mut tx, 1).unwrap();
        drop(rx);
        assert_eq!(send(&mut tx, 2), Err(Gone));
    }

    #[test]
    fn a_full_ring_holds_its_writer_up_and_loses_nothing() {
        let (mut tx, mut rx) = rtrb::RingBuffer::new(2);
        let writer = std::thread::spawn(move || (0..1_000).try_for_each(|n| send(&mut tx, n)));
        let mut received = Vec::new();
        while received.len() < 1_000 {
            match receive(&mut rx) {
                Ok(Some(n)) => received.push(n),
                Ok(None) => std::thread::yield_now(),
                Err(Gone) => break,
            }
        }
        assert_eq!(writer.join().unwrap(), Ok(()));
        assert_eq!(received, (0..1_000).collect::<Vec<_>>());
    }
}
