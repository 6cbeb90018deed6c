//! §2 of the contract: reads the partitions in a given order and says of each record what becomes of it.

use std::collections::{BTreeMap, BTreeSet};

use engine_model::{Micros, Outcome, Reason, WindowId};

use crate::parse::{Event, Line, event, lines};
use crate::tables;
use crate::time::Cut;
use crate::{Answer, Config, Ledger, Partition, RecordOutcome};

/// A watermark: microseconds. `None`, which is less than any instant, is −∞.
type Watermark = Option<i64>;
const END: Watermark = Some(i64::MAX);

/// An accepted event and its base window.
pub(crate) struct Accepted {
    pub(crate) event: Event,
    pub(crate) window: i64,
}

/// What `quality` and `rejections` need to know of one record.
pub(crate) struct Observed {
    /// The base window holding `max_p` once the record is read; of the records before the first valid one, its.
    pub(crate) window: i64,
    pub(crate) outcome: Outcome,
    pub(crate) delayed: bool,
    /// `max_p` after the record minus its event time, in microseconds; of valid records only.
    pub(crate) delay: Option<i64>,
}

/// One record as read; its observed window may not be known yet.
struct Read {
    offset: u64,
    outcome: Outcome,
    delayed: bool,
    delay: Option<i64>,
    max_after: Option<i64>,
}

struct Input<'a> {
    lines: Vec<Line<'a>>,
    max: Option<i64>,
    reads: Vec<Read>,
}

impl Input<'_> {
    fn is_finished(&self) -> bool {
        self.reads.len() == self.lines.len()
    }

    fn watermark(&self, lateness: i64) -> Watermark {
        self.max.map(|max| max - lateness)
    }
}

struct Judge<'a> {
    config: &'a Config,
    cuts: Vec<Cut>,
    inputs: Vec<Input<'a>>,
    accepted: Vec<Accepted>,
    /// The base windows into which each `event_id` was accepted.
    windows_of_id: BTreeMap<String, Vec<i64>>,
    /// The windows that hold an accepted event: place of the grain, number of the window.
    occupied: BTreeSet<(usize, i64)>,
    emitted: BTreeSet<(usize, i64)>,
    global: Watermark,
}

/// Judges all records and computes all rows. `order` says from which partition to read the next record; a step that
/// names a partition already read to its end is passed over. When `order` runs out, the rest is read partition by
/// partition.
///
/// # Panics
/// Where `order` names a partition that does not exist, or the oracle contradicts itself.
#[must_use]
pub fn run(partitions: &[Partition], config: &Config, order: &[usize]) -> Answer {
    let inputs: Vec<Input<'_>> =
        partitions.iter().map(|p| Input { lines: lines(&p.bytes), max: None, reads: Vec::new() }).collect();
    let mut judge = Judge {
        config,
        cuts: config.semantics.grains().iter().map(|&grain| Cut::new(grain)).collect(),
        inputs,
        accepted: Vec::new(),
        windows_of_id: BTreeMap::new(),
        occupied: BTreeSet::new(),
        emitted: BTreeSet::new(),
        global: None,
    };
    judge.advance();
    for &partition in order {
        if !judge.inputs[partition].is_finished() {
            judge.read(partition);
        }
    }
    for partition in 0..partitions.len() {
        while !judge.inputs[partition].is_finished() {
            judge.read(partition);
        }
    }
    assert_eq!(judge.global, END, "all partitions are finished");
    assert_eq!(judge.emitted, judge.occupied, "the end of all inputs emits all windows");
    judge.answer()
}

impl Judge<'_> {
    /// Reads the next record of a partition.
    fn read(&mut self, partition: usize) {
        let line = self.inputs[partition].lines[self.inputs[partition].reads.len()];
        let max_before = self.inputs[partition].max;
        let (outcome, delayed, delay) = match event(line.bytes, self.config) {
            Err(rejection) => (Outcome::Rejected(rejection), false, None),
            Ok(event) => {
                let time = event.time;
                let outcome = self.judge(event, partition);
                let max_after = max_before.max(Some(time)).expect("there is a valid record");
                self.inputs[partition].max = Some(max_after);
                (outcome, Some(time) < max_before, Some(max_after - time))
            }
        };
        let max_after = self.inputs[partition].max;
        self.inputs[partition].reads.push(Read { offset: line.offset, outcome, delayed, delay, max_after });
        self.advance();
    }

    /// Late, duplicate or accepted: the first that applies.
    fn judge(&mut self, event: Event, partition: usize) -> Outcome {
        let base = self.cuts[0];
        let window = base.window(event.time);
        let watermark = self.inputs[partition].watermark(self.config.semantics.lateness().get());
        let belongs_to: Vec<(usize, i64)> =
            self.cuts.iter().enumerate().map(|(grain, cut)| (grain, cut.window(event.time))).collect();

        if Some(base.end(window)) <= watermark || belongs_to.iter().any(|place| self.emitted.contains(place)) {
            let watermark = watermark.expect("no window is emitted before all partitions have a watermark");
            return Outcome::Late { by: Micros::new(watermark - base.end(window)) };
        }
        let before = self.windows_of_id.entry(event.id.clone()).or_default();
        for &earlier in before.iter() {
            if !self.emitted.contains(&(0, earlier)) && Some(base.end(earlier)) > watermark {
                return Outcome::Duplicate(WindowId(earlier));
            }
        }
        before.push(window);
        self.occupied.extend(belongs_to);
        self.accepted.push(Accepted { event, window });
        Outcome::Accepted(WindowId(window))
    }

    /// Computes the global watermark anew and emits the windows it has reached.
    fn advance(&mut self) {
        let lateness = self.config.semantics.lateness().get();
        let unfinished = self.inputs.iter().filter(|input| !input.is_finished());
        let global = unfinished.map(|input| input.watermark(lateness)).min().unwrap_or(END);
        assert!(global >= self.global, "the global watermark never moves back");
        self.global = global;
        for &(grain, window) in &self.occupied {
            if Some(self.cuts[grain].end(window)) <= global {
                self.emitted.insert((grain, window));
            }
        }
    }

    fn answer(self) -> Answer {
        let mut ledger = Ledger::default();
        for read in self.inputs.iter().flat_map(|input| &input.reads) {
            ledger.records += 1;
            ledger.delayed += u64::from(read.delayed);
            match read.outcome {
                Outcome::Accepted(_) => ledger.accepted += 1,
                Outcome::Duplicate(_) => ledger.duplicates += 1,
                Outcome::Late { .. } => ledger.late += 1,
                Outcome::Rejected(rejection) => {
                    ledger.rejected += 1;
                    *ledger.by_reason.entry(rejection.reason).or_default() += 1;
                }
            }
        }
        let observed: Vec<Observed> = self.inputs.iter().flat_map(|input| observed(input, self.cuts[0])).collect();
        let (tables, saturated) = tables::all(&self.config.semantics, &self.accepted, &observed);
        let windows = self.accepted.iter().map(|accepted| accepted.window).collect::<BTreeSet<i64>>().len() as u64;
        let of = |input: &Input<'_>| {
            input.reads.iter().map(|read| RecordOutcome { offset: read.offset, outcome: read.outcome }).collect()
        };
        Answer { tables, ledger, outcomes: self.inputs.iter().map(of).collect(), saturated, windows }
    }
}

/// The records of a partition as `quality` sees them; none where none is valid.
fn observed(input: &Input<'_>, base: Cut) -> Vec<Observed> {
    let Some(first_max) = input.reads.iter().find_map(|read| read.max_after) else {
        return Vec::new();
    };
    let window = |read: &Read| base.window(read.max_after.unwrap_or(first_max));
    input
        .reads
        .iter()
        .map(|read| Observed { window: window(read), outcome: read.outcome, delayed: read.delayed, delay: read.delay })
        .collect()
}

/// The reason of a rejected record.
pub(crate) fn reason(outcome: Outcome) -> Option<Reason> {
    match outcome {
        Outcome::Rejected(rejection) => Some(rejection.reason),
        Outcome::Accepted(_) | Outcome::Duplicate(_) | Outcome::Late { .. } => None,
    }
}
