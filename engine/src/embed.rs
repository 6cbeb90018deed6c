//! The engine inside another program: that program brings the records, and everything behind them is a run's.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;

use engine_lake::{Lake, Layers};
use engine_model::{EventTime, Grain, Micros, Semantics};
use engine_window::Ledger;

use crate::commit::{Committed, Committer, CommitterError};
use crate::run::{REPORT_RING_LEN, RunError, spawn};
use crate::shard::ShardWork;
use crate::snapshot::Listener;
use crate::source::{CommitterGone, Downstream, Feed, Source, SourceConfig, SourceNames};
use crate::status::Status;

/// What the engine needs to know where another program brings the records.
#[derive(Clone, Debug)]
pub struct EmbedConfig {
    /// What decides the rows.
    pub semantics: Semantics,
    /// Where the lake is to be made.
    pub lake: PathBuf,
    /// What is written.
    pub layers: Layers,
    /// What the `source` column says of the records.
    pub source: String,
}

/// A window whose rows have become readable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Its length and alignment.
    pub grain: Grain,
    /// Its end.
    pub end: EventTime,
}

/// Is told of windows on the committer's thread, right after the commit that has made their rows readable.
pub struct Observer(pub Box<dyn FnMut(Shown) + Send>);

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Observer")
    }
}

/// What became of the records.
#[derive(Clone, Debug)]
pub struct EmbedEnd {
    /// The books.
    pub ledger: Ledger,
    /// Base windows written with at least one accepted event.
    pub windows: u64,
}

/// Makes a lake, runs `body` on the calling thread with a [`Feed`] that leads into it, then closes all windows and waits
/// until they are written. The committer runs on a thread of its own, whose affinity is the caller's on entry: pin the
/// calling thread inside `body`.
///
/// # Errors
/// Where the lake cannot be made (then `body` has not run), or a write fails.
///
/// # Panics
/// Where `body` or the committer panics, and where `body` says that the committer has stopped while it has not.
pub fn embed<T>(
    config: &EmbedConfig,
    observer: Option<Observer>,
    body: impl FnOnce(&mut Feed<'_>) -> Result<T, CommitterGone>,
) -> Result<(T, EmbedEnd), RunError> {
    let semantics = &config.semantics;
    let lake = Lake::create(&config.lake, semantics, config.layers)?;
    let names = Arc::new(SourceNames(vec![(config.source.clone(), 0)]));
    let source_config = SourceConfig {
        currency: semantics.currency(),
        max_future: Micros::ZERO, // Feed is given its rules.
        pace: None,
        layers: config.layers,
        live: None,
    };
    let status = Status::new();
    let (reports, reports_rx) = rtrb::RingBuffer::new(REPORT_RING_LEN);
    let shard = ShardWork::new(semantics, Arc::clone(&names), config.layers);
    let stop = Arc::new(AtomicBool::new(false));
    let (body, committed) = thread::scope(|scope| {
        // Who embeds the engine looks on, as at a stream.
        let committer = Committer::new(semantics, &lake, vec![reports_rx], true).observed_by(observer);
        let committer = spawn(scope, "committer".to_owned(), move || committer.run());
        let downstream = Downstream::Fused(Box::new(shard), Listener::default());
        let source = Source::new(source_config, semantics.base(), names, downstream, reports, &status, stop);
        let mut feed = Feed::new(source, semantics);
        let body = body(&mut feed).and_then(|value| feed.finish(semantics).map(|()| value));
        (body, committer.join())
    });
    match committed.expect("the committer has panicked; its message stands above") {
        Ok(Committed { ledger, windows, .. }) => {
            assert!(ledger.adds_up(), "the ledger does not add up: {ledger:?}");
            let value = body.expect("the committer has ended well");
            Ok((value, EmbedEnd { ledger, windows }))
        }
        Err(CommitterError::Write(error)) => Err(RunError::Commit(error)),
        Err(CommitterError::Gone) => panic!("the feed has ended without a word"),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use engine_model::{Batch, Currency, UtcOffset, WindowLength};
    use engine_parse::Slab;

    use super::*;
    use crate::rules_now;

    const RECORDS: usize = 20_000;

    fn config(lake: PathBuf) -> EmbedConfig {
        let second = WindowLength::new(Micros::SECOND).unwrap();
        let semantics = Semantics::new(second, &[], Micros::SECOND, Currency::USD, UtcOffset::ZERO).unwrap();
        EmbedConfig { semantics, lake, layers: Layers::default(), source: "test".to_owned() }
    }

    fn simulator() -> sim::Simulator {
        let second = WindowLength::new(Micros::SECOND).unwrap();
        let config = sim::Config { rate: 2_000.0, window: second, lateness: Micros::SECOND, ..sim::Config::default() };
        sim::Simulator::new(&config, 0).unwrap()
    }

    fn feed_events(batch_len: usize) -> (EmbedEnd, Vec<Shown>) {
        let folder = tempfile::tempdir().unwrap();
        let (tx, rx) = mpsc::channel();
        let observer = Observer(Box::new(move |shown| tx.send(shown).unwrap()));
        let mut simulator = simulator();
        let ((), end) = embed(&config(folder.path().join("lake")), Some(observer), |feed| {
            let (mut batch, mut slab) = (Batch::default(), Vec::new());
            for _ in 0..RECORDS / batch_len {
                slab.clear();
                batch.reset(simulator.header(Feed::PARTITION));
                simulator.next_batch(batch_len, &mut batch, &mut slab);
                feed.take_batch(&mut batch, &slab)?;
                if feed.is_due() {
                    feed.advance()?;
                }
            }
            Ok(())
        })
        .unwrap();
        (end, rx.iter().collect())
    }

    fn feed_lines(batch_len: usize) -> EmbedEnd {
        let folder = tempfile::tempdir().unwrap();
        let rules = rules_now(Currency::USD, Micros::DAY);
        let mut simulator = simulator();
        let ((), end) = embed(&config(folder.path().join("lake")), None, |feed| {
            let (mut lines, mut offset) = (Vec::new(), 0);
            for _ in 0..RECORDS / batch_len {
                lines.clear();
                simulator.write_lines(batch_len, &mut lines);
                feed.take_lines(Slab { bytes: &lines, offset, oversized: None }, &rules)?;
                offset += lines.len() as u64;
                if feed.is_due() {
                    feed.advance()?;
                }
            }
            Ok(())
        })
        .unwrap();
        end
    }

    #[test]
    fn events_and_lines_in_batches_of_any_size_give_the_same_books() {
        let (one, _) = feed_events(1);
        assert_eq!(one.ledger.records, RECORDS as u64);
        assert!(one.ledger.duplicates > 0 && one.ledger.rejected_total() > 0, "{:?}", one.ledger);
        assert_eq!(one.ledger, feed_events(500).0.ledger);
        assert_eq!(one.ledger, feed_lines(1).ledger);
        assert_eq!(one.ledger, feed_lines(2_000).ledger);
    }

    #[test]
    fn each_window_is_shown_once_in_order() {
        let (end, shown) = feed_events(10);
        assert!(end.windows >= 5, "{} windows", end.windows);
        assert_eq!(shown.len() as u64, end.windows);
        assert!(shown.is_sorted_by_key(|shown| shown.end), "{shown:?}");
    }
}
