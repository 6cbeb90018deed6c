//! The job as a timely dataflow on two workers: `peer-timely INPUT OUTPUT_FOLDER`.
//!
//! Timestamps are the numbers of blocks of lines. A worker takes the next block of the file, parses it and feeds it:
//!
//! ```text
//! blocks ── judge ──exchange by event_id── count ──exchange by session, customer── distinct ──to worker 0── results
//!    └─ greatest time of each block, to all workers: the watermark of `judge`, `count` and `distinct`
//! ```
//!
//! `judge` drops late events by the greatest time before each record in the order of the file: it holds a block until
//! the frontier says that all blocks before it have told theirs. `count` deduplicates and adds up, `distinct` counts
//! sessions and customers. Both let go of a window once the watermark has passed its end.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};
use std::{env, io};

use peer_job::id::{Id, IdSet};
use peer_job::lines::Blocks;
use peer_job::output::{self, Window};
use peer_job::parse::{Batch, Event, Item};
use peer_job::totals::Totals;
use peer_job::{LATENESS, SECOND, WINDOW, window_start};
use serde::{Deserialize, Serialize};
use timely::container::CapacityContainerBuilder;
use timely::dataflow::channels::pact::{Exchange, Pipeline};
use timely::dataflow::operators::generic::Operator;
use timely::dataflow::operators::vec::Broadcast;
use timely::dataflow::operators::{Capability, Probe};
use timely::dataflow::{InputHandle, ProbeHandle, StreamVec};
use timely::progress::frontier::MutableAntichain;

/// Workers, as many as the machine of the comparison has cores.
const WORKERS: usize = 2;
/// Blocks that a worker may be ahead of the slowest part of the dataflow.
const AHEAD_MAX: u64 = 16;
/// How far ahead of the clock an event may be, in microseconds.
const FUTURE_MAX: i64 = 300 * SECOND;

type Collected = Arc<Mutex<BTreeMap<i64, Window>>>;
type Output<T> = CapacityContainerBuilder<Vec<T>>;

/// An event in time, on its way to whoever knows its id.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct InTime {
    window: i64,
    event: Event,
    items: Vec<Item>,
}

/// What `count` tells of a window, given by its start.
#[derive(Clone, Debug, Serialize, Deserialize)]
enum Counted {
    Session(i64, Id),
    Customer(i64, Id),
    Totals(i64, Box<Totals>),
}

/// A part of a window's results.
#[derive(Clone, Debug, Serialize, Deserialize)]
enum Part {
    Distinct { window: i64, customers: u64, sessions: u64 },
    Totals(i64, Box<Totals>),
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = env::args_os().skip(1).map(PathBuf::from);
    let (Some(input), Some(folder), None) = (args.next(), args.next(), args.next()) else {
        return Err("usage: peer-timely INPUT OUTPUT_FOLDER".into());
    };
    let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros())?;
    let windows = run(&input, now + FUTURE_MAX)?;
    output::write(&folder, &windows)?;
    Ok(())
}

/// The results by window. `latest` is the greatest event time allowed.
fn run(input: &Path, latest: i64) -> Result<Vec<Window>, Box<dyn Error>> {
    let blocks = Blocks::open(input).map_err(|error| format!("opening {}: {error}", input.display()))?;
    let blocks = Arc::new(Mutex::new(blocks));
    let results = Collected::default();
    let collected = Arc::clone(&results);
    let guards = timely::execute(timely::Config::process(WORKERS), move |worker| -> io::Result<()> {
        let mut input = InputHandle::new();
        let probe = ProbeHandle::new();
        let collected = Arc::clone(&collected);
        worker.dataflow::<u64, _, _>(|scope| {
            let batches: StreamVec<'_, u64, Batch> = input.to_stream(scope);
            results_of(batches, collected).probe_with(&probe);
        });
        let mut block = Vec::new();
        loop {
            let next = blocks.lock().unwrap_or_else(PoisonError::into_inner).read(&mut block)?;
            let Some(number) = next else { return Ok(()) };
            let mut batch = Batch::default();
            batch.parse(&block, latest);
            input.advance_to(number as u64);
            input.send(batch);
            // The other worker may be several blocks ahead: what it reads meanwhile must not grow without bound.
            input.flush();
            worker.step();
            while number as u64 >= AHEAD_MAX && probe.less_than(&(number as u64 - AHEAD_MAX)) {
                // The block just read is ours to finish; telling that no earlier one comes lets the others go on.
                worker.step();
            }
        }
    })?;
    for result in guards.join() {
        result??;
    }
    let results = std::mem::take(&mut *results.lock().unwrap_or_else(PoisonError::into_inner));
    Ok(results.into_values().filter(|window| window.totals.events > 0).collect())
}

/// The dataflow.
fn results_of(batches: StreamVec<'_, u64, Batch>, collected: Collected) -> StreamVec<'_, u64, Part> {
    let times = batches
        .clone()
        .unary::<Output<(u64, i64)>, _, _, _>(Pipeline, "greatest times", |_, _| {
            move |input, output| {
                input.for_each(|capability, batches| {
                    let Some(capability) = capability.retain_least(0) else { return };
                    let times = batches.iter().flat_map(|batch| batch.events.iter().map(|event| event.time));
                    if let Some(time) = times.max() {
                        output.session(&capability).give((*capability.time(), time));
                    }
                });
            }
        })
        .broadcast();
    let in_time = judge(batches, times.clone());
    let counted = count(in_time, times.clone());
    let parts = distinct(counted, times);
    parts.unary::<Output<Part>, _, _, _>(Exchange::new(|_: &Part| 0), "collect", move |_, _| {
        move |input, _| {
            input.for_each(|_, parts| {
                let mut windows = collected.lock().unwrap_or_else(PoisonError::into_inner);
                for part in parts.drain(..) {
                    let (Part::Distinct { window: start, .. } | Part::Totals(start, _)) = part;
                    let window = windows.entry(start).or_insert_with(|| Window {
                        start,
                        totals: Totals::default(),
                        customers: 0,
                        sessions: 0,
                    });
                    match part {
                        Part::Totals(_, totals) => window.totals.merge(*totals),
                        Part::Distinct { customers, sessions, .. } => {
                            window.customers += customers;
                            window.sessions += sessions;
                        }
                    }
                }
            });
        }
    })
}

/// The greatest event time before a block, as far as the frontier vouches for it.
#[derive(Default)]
struct Progress {
    /// Greatest times of blocks that were not passed yet.
    times: BTreeMap<u64, i64>,
    max: Option<i64>,
}

impl Progress {
    /// Passes all blocks before `block`, all of which have told their time, and gives the watermark.
    fn watermark_before(&mut self, block: u64) -> i64 {
        while let Some(entry) = self.times.first_entry().filter(|entry| *entry.key() < block) {
            self.max = self.max.max(Some(entry.remove()));
        }
        self.max.map_or(i64::MIN, |max| max - LATENESS)
    }
}

/// The least block that may still come by an input; none at its end.
fn least(frontier: &MutableAntichain<u64>) -> Option<u64> {
    frontier.frontier().first().copied()
}

/// Drops late events.
fn judge<'scope>(
    batches: StreamVec<'scope, u64, Batch>,
    times: StreamVec<'scope, u64, (u64, i64)>,
) -> StreamVec<'scope, u64, InTime> {
    batches.binary_frontier::<_, Output<InTime>, _, _, _, _>(times, Pipeline, Pipeline, "judge", |_, _| {
        let mut progress = Progress::default();
        let mut waiting: BTreeMap<u64, (Capability<u64>, Vec<Batch>)> = BTreeMap::new();
        move |(batches, _), (times, frontier), output| {
            times.for_each(|_, times| progress.times.extend(times.drain(..)));
            batches.for_each(|capability, batches| {
                let Some(capability) = capability.retain_least(0) else { return };
                let place = waiting.entry(*capability.time()).or_insert_with(|| (capability, Vec::new()));
                place.1.append(batches);
            });
            let known = least(frontier);
            // All blocks before this one are known once none of them can come any more.
            while let Some(entry) =
                waiting.first_entry().filter(|entry| known.is_none_or(|known| *entry.key() <= known))
            {
                let (block, (capability, batches)) = entry.remove_entry();
                let mut watermark = progress.watermark_before(block);
                let mut session = output.session(&capability);
                for batch in batches {
                    for event in batch.events {
                        let (window, in_time) = (window_start(event.time), watermark);
                        watermark = watermark.max(event.time - LATENESS);
                        if window + WINDOW > in_time {
                            let items = event.items_in(&batch.items).to_vec();
                            session.give(InTime { window, event, items });
                        }
                    }
                }
            }
        }
    })
}

/// Deduplicates, and adds up what needs no more than the event.
fn count<'scope>(
    in_time: StreamVec<'scope, u64, InTime>,
    times: StreamVec<'scope, u64, (u64, i64)>,
) -> StreamVec<'scope, u64, Counted> {
    let by_id = Exchange::new(|record: &InTime| record.event.id.spread());
    in_time.binary_frontier::<_, Output<Counted>, _, _, _, _>(times, by_id, Pipeline, "count", |capability, _| {
        let mut capability = Some(capability);
        let mut progress = Progress::default();
        let mut open: BTreeMap<i64, (IdSet, Box<Totals>)> = BTreeMap::new();
        move |(records, records_frontier), (times, times_frontier), output| {
            times.for_each(|_, times| progress.times.extend(times.drain(..)));
            records.for_each(|capability, records| {
                let Some(capability) = capability.retain_least(0) else { return };
                let mut session = output.session(&capability);
                for InTime { window, event, items } in records.drain(..) {
                    let known = open.iter().any(|(start, (ids, _))| *start != window && ids.contains(&event.id));
                    let (ids, totals) = open.entry(window).or_default();
                    if known || !ids.insert(&event.id) {
                        continue;
                    }
                    totals.add(&event, &items);
                    if let Some(id) = event.session() {
                        session.give(Counted::Session(window, id.clone()));
                    }
                    if let Some(id) = event.customer() {
                        session.give(Counted::Customer(window, id.clone()));
                    }
                }
            });
            // At the end of an input none can come any more.
            let least = least(records_frontier).unwrap_or(u64::MAX).min(least(times_frontier).unwrap_or(u64::MAX));
            let Some(held) = &mut capability else { return };
            if least == *held.time() {
                return;
            }
            let watermark = if least == u64::MAX { i64::MAX } else { progress.watermark_before(least) };
            while let Some(entry) = open.first_entry().filter(|entry| entry.key() + WINDOW <= watermark) {
                let (window, (_, totals)) = entry.remove_entry();
                output.session(&*held).give(Counted::Totals(window, totals));
            }
            if least == u64::MAX {
                capability = None;
            } else {
                held.downgrade(&least);
            }
        }
    })
}

/// Counts the distinct sessions and customers that are this worker's.
fn distinct<'scope>(
    counted: StreamVec<'scope, u64, Counted>,
    times: StreamVec<'scope, u64, (u64, i64)>,
) -> StreamVec<'scope, u64, Part> {
    let by_key = Exchange::new(|record: &Counted| match record {
        Counted::Session(_, id) | Counted::Customer(_, id) => id.spread(),
        Counted::Totals(..) => 0,
    });
    counted.binary_frontier::<_, Output<Part>, _, _, _, _>(times, by_key, Pipeline, "distinct", |capability, _| {
        let mut capability = Some(capability);
        let mut progress = Progress::default();
        let mut open: BTreeMap<i64, (IdSet, IdSet)> = BTreeMap::new();
        move |(records, records_frontier), (times, times_frontier), output| {
            times.for_each(|_, times| progress.times.extend(times.drain(..)));
            records.for_each(|capability, records| {
                let Some(capability) = capability.retain_least(0) else { return };
                for record in records.drain(..) {
                    match record {
                        Counted::Session(window, id) => {
                            open.entry(window).or_default().0.insert(&id);
                        }
                        Counted::Customer(window, id) => {
                            open.entry(window).or_default().1.insert(&id);
                        }
                        Counted::Totals(window, totals) => {
                            output.session(&capability).give(Part::Totals(window, totals))
                        }
                    }
                }
            });
            let least = least(records_frontier).unwrap_or(u64::MAX).min(least(times_frontier).unwrap_or(u64::MAX));
            let Some(held) = &mut capability else { return };
            if least == *held.time() {
                return;
            }
            let watermark = if least == u64::MAX { i64::MAX } else { progress.watermark_before(least) };
            while let Some(entry) = open.first_entry().filter(|entry| entry.key() + WINDOW <= watermark) {
                let (window, (sessions, customers)) = entry.remove_entry();
                let (customers, sessions) = (customers.len() as u64, sessions.len() as u64);
                output.session(&*held).give(Part::Distinct { window, customers, sessions });
            }
            if least == u64::MAX {
                capability = None;
            } else {
                held.downgrade(&least);
            }
        }
    })
}
