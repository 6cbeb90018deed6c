//! The job as a plain Rust program: `peer-plain INPUT OUTPUT_FOLDER`.
//!
//! Two threads take blocks of lines in turn and parse them. Whoever finds nobody adding up adds up the parsed blocks
//! that come next, in the order of the file, so that lateness and duplicates are judged exactly as a single thread would
//! and neither thread waits for the other.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{SystemTime, UNIX_EPOCH};
use std::{env, io, mem, thread};

use peer_job::id::IdSet;
use peer_job::lines::Blocks;
use peer_job::output::{self, Window};
use peer_job::parse::{Batch, Event};
use peer_job::totals::Totals;
use peer_job::{LATENESS, SECOND, WINDOW, window_start};

/// Threads, as many as the machine of the comparison has cores.
const THREADS: usize = 2;
/// Parsed blocks that may wait to be added up; past these a thread waits for the other to finish adding up.
const WAITING_MAX: usize = 16;
/// How far ahead of the clock an event may be, in microseconds.
const FUTURE_MAX: i64 = 300 * SECOND;

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = env::args_os().skip(1).map(PathBuf::from);
    let (Some(input), Some(folder), None) = (args.next(), args.next(), args.next()) else {
        return Err("usage: peer-plain INPUT OUTPUT_FOLDER".into());
    };
    let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros())?;
    let blocks = Mutex::new(Blocks::open(&input).map_err(|error| format!("opening {}: {error}", input.display()))?);
    let waiting = Mutex::new(BTreeMap::new());
    let stream = Mutex::new(Stream::default());
    thread::scope(|scope| {
        let threads: Vec<_> =
            (0..THREADS).map(|_| scope.spawn(|| work(&blocks, &waiting, &stream, now + FUTURE_MAX))).collect();
        threads.into_iter().try_for_each(|thread| thread.join().expect("a thread does not panic"))
    })?;
    let mut stream = stream.into_inner().unwrap_or_else(PoisonError::into_inner);
    for (_, batch) in waiting.into_inner().unwrap_or_else(PoisonError::into_inner) {
        stream.add(&batch);
    }
    let counts = (stream.accepted, stream.duplicates, stream.late, stream.rejected);
    output::write(&folder, &stream.finish())?;
    println!("accepted {} duplicates {} late {} rejected {}", counts.0, counts.1, counts.2, counts.3);
    Ok(())
}

fn work(
    blocks: &Mutex<Blocks>,
    waiting: &Mutex<BTreeMap<usize, Batch>>,
    stream: &Mutex<Stream>,
    latest: i64,
) -> io::Result<()> {
    let mut block = Vec::new();
    loop {
        let Some(number) = lock(blocks).read(&mut block)? else { return Ok(()) };
        let mut batch = Batch::default();
        batch.parse(&block, latest);
        let is_full = {
            let mut waiting = lock(waiting);
            waiting.insert(number, batch);
            waiting.len() > WAITING_MAX
        };
        let stream = if is_full {
            Some(lock(stream))
        } else {
            match stream.try_lock() {
                Ok(stream) => Some(stream),
                Err(TryLockError::WouldBlock) => None,
                Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            }
        };
        let Some(mut stream) = stream else { continue };
        loop {
            let next = lock(waiting).remove(&stream.blocks);
            let Some(batch) = next else { break };
            stream.add(&batch);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is known of the stream after some blocks.
#[derive(Default)]
struct Stream {
    /// How many blocks were added up.
    blocks: usize,
    /// Greatest event time so far.
    max: Option<i64>,
    /// Windows that later events may still fall into.
    open: Vec<OpenWindow>,
    closed: Vec<Window>,
    accepted: u64,
    duplicates: u64,
    late: u64,
    rejected: u64,
}

#[derive(Default)]
struct OpenWindow {
    start: i64,
    totals: Totals,
    ids: IdSet,
    customers: IdSet,
    sessions: IdSet,
}

impl Stream {
    /// Adds up the next block.
    fn add(&mut self, batch: &Batch) {
        self.blocks += 1;
        self.rejected += batch.rejected;
        for event in &batch.events {
            self.add_event(event, batch);
        }
    }

    fn add_event(&mut self, event: &Event, batch: &Batch) {
        let watermark = self.max.map_or(i64::MIN, |max| max - LATENESS);
        if self.max.is_none_or(|max| event.time > max) {
            self.max = Some(event.time);
        }
        let start = window_start(event.time);
        if start + WINDOW <= watermark {
            self.late += 1;
            return;
        }
        // Windows close as soon as the watermark has passed them, so that all open ones end after it.
        if self.open.iter().any(|window| window.start + WINDOW <= watermark) {
            self.close(watermark);
        }
        let place = self.open.iter().position(|window| window.start == start).unwrap_or_else(|| {
            self.open.push(self.opened(start));
            self.open.len() - 1
        });
        if self.open.iter().enumerate().any(|(other, window)| other != place && window.ids.contains(&event.id))
            || !self.open[place].ids.insert(&event.id)
        {
            self.duplicates += 1;
            return;
        }
        self.accepted += 1;
        let window = &mut self.open[place];
        window.totals.add(event, event.items_in(&batch.items));
        if let Some(session) = event.session() {
            window.sessions.insert(session);
        }
        if let Some(customer) = event.customer() {
            window.customers.insert(customer);
        }
    }

    /// A new window, with room for what the last one held so far.
    fn opened(&self, start: i64) -> OpenWindow {
        match self.open.last() {
            None => OpenWindow { start, ..OpenWindow::default() },
            Some(last) => OpenWindow {
                start,
                totals: Totals::default(),
                ids: IdSet::sized_like(&last.ids),
                customers: IdSet::sized_like(&last.customers),
                sessions: IdSet::sized_like(&last.sessions),
            },
        }
    }

    fn close(&mut self, watermark: i64) {
        for window in mem::take(&mut self.open) {
            if window.start + WINDOW > watermark {
                self.open.push(window);
            } else if window.totals.events > 0 {
                self.closed.push(Window {
                    start: window.start,
                    totals: window.totals,
                    customers: window.customers.len() as u64,
                    sessions: window.sessions.len() as u64,
                });
            }
        }
    }

    /// The results, by window.
    fn finish(mut self) -> Vec<Window> {
        self.close(i64::MAX);
        self.closed.sort_by_key(|window| window.start);
        self.closed
    }
}
