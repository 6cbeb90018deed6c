//! What the engine tells and what each browser has still to hear.
//!
//! The engine writes here and never waits for a reader. Closed windows stand in a log that keeps the last ones of each
//! grain; a reader is a place in that log. Of the figures of open windows and of the status only the newest is kept: a
//! slow reader misses those in between. A reader that falls so far behind that the log has dropped what it needs is told
//! to load again, and gets the history that there is.
//!
//! One lock, held for a copy of pointers by readers and for an append by the committer and the dashboard's own thread;
//! never by a thread of the event path.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hyper::body::Bytes;
use tokio::sync::watch;

/// How many closed base windows are kept for readers: a day of minutes.
pub(crate) const BASE_WINDOWS_KEPT: usize = 1_440;

/// How many of the newest windows of each grain are kept with their products and categories.
const FULL_WINDOWS_KEPT: usize = 120;

/// How many of the newest windows of each grain have them in the history that a browser hears first: two, so that it sees
/// which product has moved.
const FULL_WINDOWS_TOLD: usize = 2;

/// How many closed windows of each longer grain are kept.
pub(crate) const ROLLUP_WINDOWS_KEPT: usize = 200;

/// How many browsers may listen at the same time.
pub(crate) const READERS_MAX: usize = 32;

/// What is told to browsers.
#[derive(Debug)]
pub(crate) struct Hub {
    /// Tells this run's events from those of another one.
    run: u64,
    state: Mutex<State>,
    /// Wakes readers up.
    changed: watch::Sender<()>,
    readers: AtomicUsize,
    accepted: AtomicU64,
    duplicates: AtomicU64,
    /// Records a second, lately; the bits of a floating point number.
    rate: AtomicU64,
}

/// A closed window, as messages.
#[derive(Debug)]
pub(crate) struct Window {
    /// The place of its grain.
    pub(crate) grain: usize,
    /// The message.
    pub(crate) full: String,
    /// The message without products and categories.
    pub(crate) brief: String,
}

#[derive(Debug)]
struct Entry {
    grain: usize,
    full: Option<Bytes>,
    brief: Bytes,
}

impl Entry {
    fn frame(&self) -> Bytes {
        self.full.as_ref().unwrap_or(&self.brief).clone()
    }
}

#[derive(Debug, Default)]
struct State {
    hello: Bytes,
    /// Closed windows by number.
    log: BTreeMap<u64, Entry>,
    /// The numbers of each grain's windows in the log, ascending.
    of_grain: Vec<VecDeque<u64>>,
    next: u64,
    /// The greatest number that was dropped, plus one.
    dropped: u64,
    open: Newest,
    status: Newest,
    end: Option<Bytes>,
    is_over: bool,
}

/// Something of which only the newest matters.
#[derive(Debug, Default)]
struct Newest {
    frame: Option<Bytes>,
    version: u64,
}

impl Newest {
    fn set(&mut self, frame: Option<Bytes>) {
        self.frame = frame;
        self.version += 1;
    }

    /// The frame, where it is another one than that of `seen`.
    fn unseen(&self, seen: &mut u64) -> Option<Bytes> {
        if std::mem::replace(seen, self.version) == self.version {
            return None;
        }
        self.frame.clone()
    }
}

impl State {
    /// All closed windows that are kept, the newest of each grain with their products and categories.
    fn history(&self) -> impl Iterator<Item = Bytes> {
        let full_from = |numbers: &VecDeque<u64>| {
            numbers.get(numbers.len().saturating_sub(FULL_WINDOWS_TOLD)).copied().unwrap_or(u64::MAX)
        };
        let full_from: Vec<u64> = self.of_grain.iter().map(full_from).collect();
        self.log.iter().map(
            move |(number, entry)| {
                if *number >= full_from[entry.grain] { entry.frame() } else { entry.brief.clone() }
            },
        )
    }
}

impl Hub {
    /// A hub for the events of the run of this number, with windows of so many grains.
    pub(crate) fn new(run: u64, grains: usize) -> Hub {
        let state = State { of_grain: vec![VecDeque::new(); grains], ..State::default() };
        Hub {
            run,
            state: Mutex::new(state),
            changed: watch::Sender::new(()),
            readers: AtomicUsize::new(0),
            accepted: AtomicU64::new(0),
            duplicates: AtomicU64::new(0),
            rate: AtomicU64::new(0),
        }
    }

    /// Sets what every reader hears first.
    pub(crate) fn hello(&self, data: &str) {
        self.state().hello = frame(None, "hello", data);
    }

    /// What names this run to browsers.
    pub(crate) fn run(&self) -> String {
        format!("{:x}", self.run)
    }

    /// Tells of a closed window.
    pub(crate) fn closed(&self, window: &Window) {
        let mut state = self.state();
        let (number, grain) = (state.next, window.grain);
        state.next += 1;
        let frame = |data: &str| frame(Some((self.run, number)), "window", data);
        let entry = Entry { grain, full: Some(frame(&window.full)), brief: frame(&window.brief) };
        state.log.insert(number, entry);
        state.of_grain[grain].push_back(number);
        let from_last = |count: usize| state.of_grain[grain].len().checked_sub(count + 1);
        if let Some(no_longer_full) = from_last(FULL_WINDOWS_KEPT).map(|index| state.of_grain[grain][index])
            && let Some(entry) = state.log.get_mut(&no_longer_full)
        {
            entry.full = None;
        }
        let kept = if grain == 0 { BASE_WINDOWS_KEPT } else { ROLLUP_WINDOWS_KEPT };
        if state.of_grain[grain].len() > kept
            && let Some(oldest) = state.of_grain[grain].pop_front()
        {
            state.log.remove(&oldest);
            state.dropped = state.dropped.max(oldest + 1);
        }
        // Its figures as an open window must not come after it.
        state.open.set(None);
        drop(state);
        self.changed.send_replace(());
    }

    /// The messages of all closed windows that are kept, in full.
    #[cfg(test)]
    pub(crate) fn messages(&self) -> Vec<String> {
        let data = |entry: &Entry| {
            let frame = String::from_utf8(entry.frame().to_vec()).expect("events are text");
            frame.trim_end().rsplit_once("data: ").expect("an event has data").1.to_owned()
        };
        self.state().log.values().map(data).collect()
    }

    /// Tells of the windows that are open.
    pub(crate) fn open(&self, data: &str) {
        self.state().open.set(Some(frame(None, "open", data)));
        self.changed.send_replace(());
    }

    /// Tells how the run does.
    pub(crate) fn status(&self, data: &str) {
        self.state().status.set(Some(frame(None, "status", data)));
        self.changed.send_replace(());
    }

    /// Tells that the run has ended.
    pub(crate) fn end(&self, data: &str) {
        let mut state = self.state();
        state.open.set(None);
        state.end = Some(frame(None, "end", data));
        drop(state);
        self.changed.send_replace(());
    }

    /// Ends all streams, each once it has told what there is to tell.
    pub(crate) fn close(&self) {
        self.state().is_over = true;
        self.changed.send_replace(());
    }

    /// Notes how many records were accepted and how many were duplicates. Each count only rises.
    pub(crate) fn judged(&self, accepted: u64, duplicates: u64) {
        self.accepted.fetch_max(accepted, Relaxed);
        self.duplicates.fetch_max(duplicates, Relaxed);
    }

    /// How many records were accepted and how many were duplicates, as far as shards have told.
    pub(crate) fn judgements(&self) -> (u64, u64) {
        (self.accepted.load(Relaxed), self.duplicates.load(Relaxed))
    }

    /// Notes how many records a second were read lately.
    pub(crate) fn rate(&self, records_per_second: f64) {
        self.rate.store(records_per_second.to_bits(), Relaxed);
    }

    /// How many records a second were read lately.
    pub(crate) fn last_rate(&self) -> f64 {
        f64::from_bits(self.rate.load(Relaxed))
    }

    /// Whether the run has ended.
    pub(crate) fn has_ended(&self) -> bool {
        self.state().end.is_some()
    }

    /// How many browsers listen.
    pub(crate) fn readers(&self) -> usize {
        self.readers.load(Relaxed)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nobody leaves it half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A reader that hears `hello` and then what comes after the event `last_id`, where that is still known, else
    /// everything. `None`
    /// where there are [`READERS_MAX`] already.
    pub(crate) fn subscribe(self: &Arc<Hub>, last_id: Option<&str>) -> Option<Reader> {
        let place = Place::taken(self)?;
        let changed = self.changed.subscribe();
        let state = self.state();
        let known = last_id.and_then(|id| self.number_of(id)).filter(|last| *last < state.next);
        let mut history = VecDeque::from([state.hello.clone()]);
        let next = known.map(|last| last + 1).filter(|next| *next >= state.dropped).unwrap_or_else(|| {
            history.extend(state.history());
            state.next
        });
        drop(state);
        Some(Reader { place, changed, history, next, open_seen: 0, status_seen: 0, end_seen: false })
    }

    /// The number in an event's id, where it is one of this run.
    fn number_of(&self, id: &str) -> Option<u64> {
        let (run, number) = id.split_once('-')?;
        (u64::from_str_radix(run, 16) == Ok(self.run)).then(|| number.parse().ok())?
    }
}

/// One of the places for readers; free again when this is dropped.
#[derive(Debug)]
struct Place(Arc<Hub>);

impl Place {
    fn taken(hub: &Arc<Hub>) -> Option<Place> {
        let more = |readers| (readers < READERS_MAX).then_some(readers + 1);
        hub.readers.fetch_update(Relaxed, Relaxed, more).ok().map(|_| Place(Arc::clone(hub)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.readers.fetch_sub(1, Relaxed);
    }
}

/// What one browser has still to hear.
#[derive(Debug)]
pub(crate) struct Reader {
    place: Place,
    changed: watch::Receiver<()>,
    /// What is told before the log is followed.
    history: VecDeque<Bytes>,
    /// The number of the closed window to be told next.
    next: u64,
    open_seen: u64,
    status_seen: u64,
    end_seen: bool,
}

/// What a reader hears next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// This.
    Frame(Bytes),
    /// Nothing for now: wait until something changes.
    Nothing,
    /// This, and then no more.
    Last(Bytes),
    /// No more.
    Over,
}

impl Reader {
    /// What comes next.
    pub(crate) fn next(&mut self) -> Heard {
        if let Some(frame) = self.history.pop_front() {
            return Heard::Frame(frame);
        }
        // Before the look, so that what changes after it is not slept through.
        self.changed.mark_unchanged();
        let state = self.place.0.state();
        if self.next < state.dropped {
            return Heard::Last(frame(None, "reload", "{\"type\":\"reload\"}"));
        }
        if let Some((number, entry)) = state.log.range(self.next..).next() {
            self.next = number + 1;
            return Heard::Frame(entry.frame());
        }
        if let Some(frame) = state.status.unseen(&mut self.status_seen) {
            return Heard::Frame(frame);
        }
        if let Some(frame) = state.open.unseen(&mut self.open_seen) {
            return Heard::Frame(frame);
        }
        if let Some(frame) = state.end.as_ref().filter(|_| !self.end_seen) {
            self.end_seen = true;
            return Heard::Frame(frame.clone());
        }
        if state.is_over { Heard::Over } else { Heard::Nothing }
    }

    /// Waits until something changes.
    pub(crate) async fn changed(&mut self) {
        // The hub outlives its readers, so there is no error; if there were one, waiting would be over too.
        let _ = self.changed.changed().await;
    }
}

/// An event of a stream (HTML, section 9.2). JSON has no line breaks, so one `data` line holds it.
fn frame(id: Option<(u64, u64)>, event: &str, data: &str) -> Bytes {
    debug_assert!(!data.contains(['\n', '\r']), "an event's data is one line: {data}");
    let id = id.map_or(String::new(), |(run, number)| format!("id: {run:x}-{number}\n"));
    Bytes::from(format!("{id}event: {event}\ndata: {data}\n\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All that a reader hears now, an event a line, its lines parted by `|`.
    fn heard(reader: &mut Reader) -> Vec<String> {
        let mut all = Vec::new();
        loop {
            let (frame, is_last) = match reader.next() {
                Heard::Frame(frame) => (frame, false),
                Heard::Last(frame) => (frame, true),
                Heard::Nothing => return all,
                Heard::Over => {
                    all.push("over".to_owned());
                    return all;
                }
            };
            all.push(String::from_utf8(frame.to_vec()).unwrap().trim_end().replace('\n', "|"));
            if is_last {
                return all;
            }
        }
    }

    fn hub() -> Arc<Hub> {
        let hub = Arc::new(Hub::new(0xa, 2));
        hub.hello("h");
        hub
    }

    fn close(hub: &Hub, grain: usize, name: &str) {
        hub.closed(&Window { grain, full: name.to_owned(), brief: format!("brief {name}") });
    }

    #[test]
    fn a_reader_hears_the_history_then_what_comes_and_of_the_open_windows_only_the_newest() {
        let hub = hub();
        close(&hub, 0, "0");
        let mut reader = hub.subscribe(None).unwrap();
        hub.open("old");
        close(&hub, 0, "1");
        close(&hub, 1, "2");
        hub.open("older");
        hub.open("newest");
        hub.status("s");
        let expected = [
            "event: hello|data: h",
            "id: a-0|event: window|data: 0",
            "id: a-1|event: window|data: 1",
            "id: a-2|event: window|data: 2",
            "event: status|data: s",
            "event: open|data: newest",
        ];
        assert_eq!(heard(&mut reader), expected);
        assert_eq!(heard(&mut reader), [""; 0]);
        // What was open is closed before the reader has looked: it is not told any more.
        hub.open("gone");
        close(&hub, 0, "3");
        assert_eq!(heard(&mut reader), ["id: a-3|event: window|data: 3"]);
        hub.end("e");
        hub.close();
        assert_eq!(heard(&mut reader), ["event: end|data: e", "over"]);
    }

    #[test]
    fn a_reader_that_comes_back_hears_what_it_has_missed_and_no_more() {
        let hub = hub();
        (0..3).for_each(|number| close(&hub, 0, &number.to_string()));
        let of = |id: &str| heard(&mut hub.subscribe(Some(id)).unwrap()).len();
        assert_eq!([of("a-0"), of("a-1"), of("a-2")], [3, 2, 1]);
        // Of another run, not yet told, or no id at all: everything.
        assert_eq!([of("b-0"), of("a-3"), of("a-"), of(""), of("a--1"), of("18446744073709551615-0")], [4; 6]);
    }

    #[test]
    fn a_reader_too_far_behind_is_told_to_load_again() {
        let hub = hub();
        close(&hub, 1, "hour");
        let mut slow = hub.subscribe(None).unwrap();
        let mut slower = hub.subscribe(None).unwrap();
        assert_eq!(heard(&mut slow).len(), 2);
        for _ in 0..BASE_WINDOWS_KEPT {
            close(&hub, 0, "");
        }
        assert_eq!(heard(&mut slow).len(), BASE_WINDOWS_KEPT, "all that is kept is still told");
        close(&hub, 0, "");
        // The history it was given is told, then the gap is found.
        let told = heard(&mut slower);
        assert_eq!(told.len(), 3);
        assert_eq!(told[2], "event: reload|data: {\"type\":\"reload\"}");
        // Whoever comes now gets what there is: the hour is older than what was dropped, and still there.
        let all = heard(&mut hub.subscribe(Some("a-0")).unwrap());
        assert_eq!((all.len(), all[1].as_str()), (BASE_WINDOWS_KEPT + 2, "id: a-0|event: window|data: hour"));
    }

    #[test]
    fn the_history_is_brief_but_for_the_newest_of_each_grain() {
        let hub = hub();
        close(&hub, 1, "hour");
        (0..5).for_each(|number| close(&hub, 0, &number.to_string()));
        let all = heard(&mut hub.subscribe(None).unwrap());
        let data: Vec<&str> = all[1..].iter().map(|event| event.rsplit_once("data: ").unwrap().1).collect();
        assert_eq!(data, ["hour", "brief 0", "brief 1", "brief 2", "3", "4"]);
        // Who comes back hears all there is.
        assert!(heard(&mut hub.subscribe(Some("a-1")).unwrap())[1].ends_with("data: 1"));
        (5..FULL_WINDOWS_KEPT + 3).for_each(|number| close(&hub, 0, &number.to_string()));
        let later = heard(&mut hub.subscribe(Some("a-1")).unwrap());
        assert!(later[2].ends_with("data: brief 2") && later[3].ends_with("data: 3"), "{:?}", &later[..5]);
    }

    #[test]
    fn there_are_only_so_many_readers() {
        let hub = hub();
        let mut readers: Vec<Reader> = std::iter::from_fn(|| hub.subscribe(None)).collect();
        assert_eq!((readers.len(), hub.readers()), (READERS_MAX, READERS_MAX));
        readers.pop();
        assert!(hub.subscribe(None).is_some());
        drop(readers);
        assert_eq!(hub.readers(), 0);
    }
}
