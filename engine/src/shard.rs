//! A shard's thread, and the part of its work that the source thread does itself where there is only one shard.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use engine_lake::{Layer, Layers};
use engine_model::{Batch, Cell, Event, Rows, Semantics, Watermark, gold};
use engine_window::{Ledger, Shard};
use rtrb::{Consumer, Producer};

use crate::message::{Gone, Patience, Report, ToShard, receive, send};
use crate::silver::EventKeeper;
use crate::snapshot::Listener;
use crate::source::SourceNames;
use crate::status::Status;

/// Rows for the quarantine are sent on in about this many bytes.
pub(crate) const QUARANTINE_SEND_BYTES: usize = 256 << 10;

/// A shard with what it puts into the quarantine.
#[derive(Debug)]
pub(crate) struct ShardWork {
    shard: Shard,
    names: Arc<SourceNames>,
    /// `None` where the quarantine is left out.
    duplicates: Option<Rows>,
    /// `None` where Silver is left out.
    accepted: Option<EventKeeper>,
}

impl ShardWork {
    pub(crate) fn new(semantics: &Semantics, names: Arc<SourceNames>, layers: Layers) -> ShardWork {
        let duplicates = layers.contains(Layer::Quarantine).then(|| Rows::new(&gold::DUPLICATES));
        let accepted = layers.contains(Layer::Silver).then(|| EventKeeper::new(semantics));
        ShardWork { shard: Shard::new(semantics), names, duplicates, accepted }
    }

    /// Takes the events of `batch` in that are in time.
    ///
    /// # Panics
    /// Where one is late after all: its partition's progress knows what is emitted.
    pub(crate) fn ingest(&mut self, batch: &Batch) {
        let ShardWork { shard, names, duplicates, accepted } = self;
        let late = shard.ingest_batch(batch, |event| {
            if let Some(rows) = duplicates {
                quarantine(rows, names, batch, event);
            }
            if let Some(keeper) = accepted {
                keeper.duplicates.push(event.offset);
            }
        });
        assert_eq!(late, 0, "events of windows that are emitted came as in time");
        if let Some(keeper) = accepted {
            keeper.keep(batch, names);
        }
    }

    /// Sends duplicates and accepted events on, where there are enough of them or `all` are wanted.
    pub(crate) fn send_rows(&mut self, reports: &mut Producer<Report>, all: bool) -> Result<(), Gone> {
        if let Some(rows) = &mut self.duplicates {
            send_rows(rows, reports, all)?;
        }
        match &mut self.accepted {
            Some(keeper) => keeper.send(reports, all),
            None => Ok(()),
        }
    }

    /// Sends all accepted events on, ahead of the windows that close with them.
    pub(crate) fn send_accepted(&mut self, reports: &mut Producer<Report>) -> Result<(), Gone> {
        self.accepted.as_mut().map_or(Ok(()), |keeper| keeper.send(reports, true))
    }

    /// Closes what `watermark` has passed.
    pub(crate) fn close(&mut self, watermark: Watermark) -> Report {
        Report::closed(watermark, self.shard.close(watermark))
    }

    pub(crate) fn shard(&self) -> &Shard {
        &self.shard
    }

    pub(crate) fn open_window_count(&self) -> u64 {
        self.shard.open_windows().count() as u64
    }

    /// What is left when nothing comes any more.
    pub(crate) fn end(mut self) -> Report {
        let open_windows = self.shard.open_windows().map(|open| open.window).collect();
        let mut ledger = Ledger::default();
        for quality in self.shard.close(Watermark::END).quality {
            ledger.merge(&quality.ledger);
        }
        Report::Ended { ledger, open_windows }
    }
}

/// Keeps a duplicate.
fn quarantine(rows: &mut Rows, names: &SourceNames, batch: &Batch, event: &Event) {
    let buffer = &mut [0; 36];
    let event_id = event.event_id();
    let event_id = std::str::from_utf8(event_id.bytes(&batch.arena, buffer)).expect("texts of events are UTF-8");
    let [source, partition, offset] = names.cells(batch.header.partition, event.offset);
    rows.push(&[Cell::Text(event_id), Cell::Timestamp(event.time), source, partition, offset]);
}

/// Sends quarantine rows on, where there are enough of them or `all` are wanted.
pub(crate) fn send_rows(rows: &mut Rows, reports: &mut Producer<Report>, all: bool) -> Result<(), Gone> {
    if rows.is_empty() || (!all && rows.byte_size() < QUARANTINE_SEND_BYTES) {
        return Ok(());
    }
    let empty = Rows::new(rows.schema());
    send(reports, Report::Quarantined(std::mem::replace(rows, empty)))
}

/// The way from one source thread to this shard.
#[derive(Debug)]
pub(crate) struct SourceLink {
    pub(crate) rx: Consumer<ToShard>,
    /// Emptied batches on their way back.
    pub(crate) empty: Producer<Batch>,
    watermark: Watermark,
    has_ended: bool,
}

impl SourceLink {
    pub(crate) fn new(rx: Consumer<ToShard>, empty: Producer<Batch>) -> SourceLink {
        SourceLink { rx, empty, watermark: Watermark::NONE, has_ended: false }
    }
}

/// Runs a shard until all its sources have ended. The global watermark is the least that its source threads have sent.
pub(crate) fn run_shard(
    mut work: ShardWork,
    mut links: Vec<SourceLink>,
    mut reports: Producer<Report>,
    mut listener: Listener,
    status: Option<&Status>,
) -> Result<(), Gone> {
    let mut closed = Watermark::NONE;
    let mut patience = Patience::default();
    while !links.iter().all(|link| link.has_ended) {
        let mut is_idle = true;
        for link in links.iter_mut().filter(|link| !link.has_ended) {
            match receive(&mut link.rx)? {
                None => continue,
                Some(ToShard::Events(mut batch)) => {
                    work.ingest(&batch);
                    work.send_rows(&mut reports, false)?;
                    batch.reset(batch.header);
                    // Where the way back is full, enough batches are under way and this one is freed.
                    let _ = link.empty.push(batch);
                }
                Some(ToShard::Watermark(watermark)) => link.watermark = watermark,
                Some(ToShard::End) => link.has_ended = true,
            }
            is_idle = false;
        }
        let global = links.iter().map(|link| link.watermark).min().unwrap_or(Watermark::END);
        if global > closed {
            closed = global;
            work.send_rows(&mut reports, false)?;
            work.send_accepted(&mut reports)?;
            send(&mut reports, work.close(global))?;
            if let Some(status) = status {
                status.open_windows.store(work.open_window_count(), Relaxed);
            }
        }
        listener.answer(&work, &mut reports);
        if is_idle {
            patience.wait();
        } else {
            patience.reset();
        }
    }
    work.send_rows(&mut reports, true)?;
    send(&mut reports, work.end())
}
