//! Counters that the threads publish for who watches: the live line and the dashboard.
//!
//! Each field has one writer, which stores a plain value once a batch; readers may see it a batch late, and fields may be
//! of different batches. Nothing is decided by them, so all orderings are relaxed.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};

use engine_model::{EventTime, Reason, Watermark};

/// How far a run has come.
#[derive(Debug, Default)]
pub struct Status {
    /// Written by the source thread.
    pub(crate) records: AtomicU64,
    /// Written by the source thread.
    pub(crate) late: AtomicU64,
    /// Written by the source thread.
    pub(crate) rejected: AtomicU64,
    /// Written by the source thread: the global watermark, in microseconds.
    pub(crate) watermark: AtomicI64,
    /// Written by the source thread: the partition that holds the watermark.
    pub(crate) holder: AtomicU64,
    /// Written by the source thread: of [`Reason::ALL`], by place.
    pub(crate) rejected_by_reason: [AtomicU64; Reason::ALL.len()],
    /// Written by the source thread.
    pub(crate) delayed: AtomicU64,
    /// Written by the source thread: the greatest event time, in microseconds; [`EventTime::MIN`] before the first.
    pub(crate) newest: AtomicI64,
    /// Written by the first shard: the windows it has open.
    pub(crate) open_windows: AtomicU64,
}

/// What [`Status`] said at one moment.
#[derive(Clone, Copy, Debug)]
pub struct StatusView {
    /// Records read.
    pub records: u64,
    /// Of these, late.
    pub late: u64,
    /// Of these, rejected.
    pub rejected: u64,
    /// The same by reason, at the places of [`Reason::ALL`].
    pub rejected_by_reason: [u64; Reason::ALL.len()],
    /// Of the valid ones, those older than the newest one before them in their partition.
    pub delayed: u64,
    /// The greatest event time of a valid record; `None` before the first.
    pub newest: Option<EventTime>,
    /// The global watermark.
    pub watermark: Watermark,
    /// The place of the partition that holds it, among the inputs.
    pub holder: usize,
    /// Base windows open.
    pub open_windows: u64,
}

impl Status {
    /// Nothing done yet.
    #[must_use]
    pub fn new() -> Status {
        let status = Status::default();
        status.watermark.store(EventTime::MIN.as_micros(), Relaxed);
        status.newest.store(EventTime::MIN.as_micros(), Relaxed);
        status
    }

    /// The counters now.
    #[must_use]
    pub fn view(&self) -> StatusView {
        StatusView {
            records: self.records.load(Relaxed),
            late: self.late.load(Relaxed),
            rejected: self.rejected.load(Relaxed),
            rejected_by_reason: std::array::from_fn(|reason| self.rejected_by_reason[reason].load(Relaxed)),
            delayed: self.delayed.load(Relaxed),
            newest: Some(EventTime::from_micros(self.newest.load(Relaxed))).filter(|time| *time != EventTime::MIN),
            watermark: Watermark::at(EventTime::from_micros(self.watermark.load(Relaxed))),
            holder: usize::try_from(self.holder.load(Relaxed)).unwrap_or(usize::MAX),
            open_windows: self.open_windows.load(Relaxed),
        }
    }
}
