//! Bronze: every line as it came, before anything is known of it but that it is one.
//!
//! A line goes to the folder of the local day that its partition was observing when it was read: the day of `max_p` once
//! the line is read. So a day's events lie in the folder of that day or, where they came late or just after midnight, in
//! the next ones; and the folder is a function of the input, whenever it is read.

use engine_lake::Layer;
use engine_model::{Batch, Cell, EventTime, Grain, Line, PartitionId, WindowId, silver};
use rtrb::Producer;

use crate::kept::KeptRows;
use crate::message::{Gone, Report};
use crate::source::SourceNames;

/// Keeps the lines of batches.
#[derive(Debug)]
pub(crate) struct LineKeeper {
    kept: KeptRows,
    base: Grain,
}

impl LineKeeper {
    pub(crate) fn new(base: Grain) -> LineKeeper {
        LineKeeper { kept: KeptRows::new(Layer::Bronze), base }
    }

    /// Keeps all lines of `batch`, which has been judged, in their order. They lie in `slab` and were read at `received`.
    ///
    /// The lines of a run, which are observed in one window, are copied one after another into a column that has no line
    /// ends in it. For lines of a few hundred bytes that costs what one copy of the slab would: about 10 ns each.
    ///
    /// # Panics
    /// Where an event came without its line.
    pub(crate) fn keep(&mut self, batch: &Batch, slab: &[u8], names: &SourceNames, received: EventTime) {
        let max_before = batch.header.max_before;
        let mut observed = (max_before != EventTime::MIN).then(|| self.base.containing(max_before));
        let mut rejected = batch.rejected.iter().peekable();
        let mut run = Run { partition: batch.header.partition, slab, names, received, lines: Vec::new() };
        for (before, event) in batch.events.iter().enumerate() {
            while let Some(line) = rejected.next_if(|line| line.events_before as usize <= before) {
                run.lines.push((line.line, line.offset));
            }
            if observed != Some(event.observed) {
                self.take(&mut run, observed);
                observed = Some(event.observed);
            }
            assert!(event.line_len > 0, "event at offset {} came without its line; bronze keeps lines", event.offset);
            run.lines.push((Line { start: event.line_start, len: event.line_len }, event.offset));
        }
        run.lines.extend(rejected.map(|line| (line.line, line.offset)));
        self.take(&mut run, observed);
    }

    /// Sends lines on, where there are enough of them or `all` are wanted.
    pub(crate) fn send(&mut self, reports: &mut Producer<Report>, all: bool) -> Result<(), Gone> {
        self.kept.send(reports, all)
    }

    fn take(&mut self, run: &mut Run<'_>, observed: Option<WindowId>) {
        if run.lines.is_empty() {
            return;
        }
        let rows = self.kept.of(&silver::EVENTS, observed.map(|window| self.base.local_day(window)));
        for (line, offset) in run.lines.drain(..) {
            let [source, number, offset] = run.names.cells(run.partition, offset);
            let raw = Cell::Bytes(&run.slab[line.start as usize..][..line.len as usize]);
            rows.push(&[raw, source, number, offset, Cell::Timestamp(run.received)]);
        }
    }
}

/// Lines that are observed in the same window.
struct Run<'a> {
    partition: PartitionId,
    slab: &'a [u8],
    names: &'a SourceNames,
    received: EventTime,
    lines: Vec<(Line, u64)>,
}

#[cfg(test)]
mod tests;
