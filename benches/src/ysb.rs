//! The work of the Yahoo Streaming Benchmark (2015): ad events are deserialised, filtered to views, projected to ad and
//! time, joined to a campaign and counted by campaign and window of ten seconds of event time.
//!
//! The engine's: texts and the exact map that joins ads to campaigns, window arithmetic, watermark, and between threads
//! its rings with batches. Not the engine's: reading the lines, because its parser knows only the shop's events, and the
//! counts, which are an array. Left out, as there: duplicates, distinct counts, everything else of a shop.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::thread;

use engine_model::{EventTime, Grain, Micros, Text, UtcOffset, Watermark, WindowId, WindowLength};
use engine_window::TextMap;
use rtrb::RingBuffer;
use serde::Deserialize;

use crate::messy::Draw;
use crate::path::{receive, send};

/// Campaigns.
pub const CAMPAIGNS: usize = 100;

/// Ads of a campaign.
pub const ADS_PER_CAMPAIGN: usize = 10;

/// Users, and pages, to be drawn from.
const VISITORS: usize = 100;

/// How far the watermark trails. The benchmark knows no late events; ours are those behind this.
pub const LATENESS: Micros = Micros::from_seconds(10);

const AD_TYPES: [&str; 5] = ["banner", "modal", "sponsored-search", "mail", "mobile"];

/// Projected views in a batch between threads.
const BATCH_VIEWS: usize = 512;

/// Batches between threads, as in the engine.
const BATCHES: usize = 8;

/// What a visitor did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Saw the ad: what is counted.
    View,
    /// Clicked it.
    Click,
    /// Bought.
    Purchase,
}

impl Kind {
    const ALL: [Kind; 3] = [Kind::View, Kind::Click, Kind::Purchase];

    fn name(self) -> &'static str {
        match self {
            Kind::View => "view",
            Kind::Click => "click",
            Kind::Purchase => "purchase",
        }
    }
}

/// An ad event, deserialised.
#[derive(Clone, Copy, Debug)]
pub struct AdEvent {
    /// The user, a UUID.
    pub user: Text,
    /// The page, a UUID.
    pub page: Text,
    /// The ad, a UUID.
    pub ad: Text,
    /// When.
    pub time: EventTime,
    /// Address of the user, IP version 4.
    pub ip: u32,
    /// Place in the list of ad types.
    pub ad_type: u8,
    /// What happened.
    pub kind: Kind,
}

/// Views of a campaign in a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// The window.
    pub window: WindowId,
    /// The campaign's number.
    pub campaign: usize,
    /// Views.
    pub views: u64,
}

/// What a run found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Lines or structs.
    pub events: u64,
    /// Lines that are no ad event.
    pub rejected: u64,
    /// Views.
    pub views: u64,
    /// Views of an ad that belongs to no campaign, or with a time that is none.
    pub unjoined: u64,
    /// Views of windows that had closed.
    pub late: u64,
    /// One for each window and campaign with views: windows in the order they closed, then by campaign.
    pub rows: Vec<Row>,
}

/// Ads and the campaigns they belong to.
#[derive(Clone, Debug)]
pub struct World {
    ads: Vec<String>,
    users: Vec<String>,
    pages: Vec<String>,
    campaign_of: TextMap<u8>,
}

fn uuid(draw: &mut Draw) -> String {
    let mut bytes = [0_u8; 16];
    for byte in &mut bytes {
        *byte = u8::try_from(draw.below(256)).expect("below 256");
    }
    bytes[6] = bytes[6] & 0x0F | 0x40;
    bytes[8] = bytes[8] & 0x3F | 0x80;
    let mut text = String::with_capacity(36);
    for (place, byte) in bytes.iter().enumerate() {
        if [4, 6, 8, 10].contains(&place) {
            text.push('-');
        }
        write!(text, "{byte:02x}").expect("a string takes everything");
    }
    text
}

fn in_place(uuid: &str) -> Text {
    Text::in_place(uuid.as_bytes()).expect("a UUID lies in place")
}

impl World {
    /// Identifiers drawn from `seed`.
    ///
    /// # Panics
    /// Never: campaigns fit a byte.
    #[must_use]
    pub fn new(seed: u64) -> World {
        let mut draw = Draw(seed);
        let mut many = |count| (0..count).map(|_| uuid(&mut draw)).collect::<Vec<String>>();
        let (ads, users, pages) = (many(CAMPAIGNS * ADS_PER_CAMPAIGN), many(VISITORS), many(VISITORS));
        let mut campaign_of = TextMap::default();
        for (place, ad) in ads.iter().enumerate() {
            let campaign = u8::try_from(place / ADS_PER_CAMPAIGN).expect("a hundred campaigns");
            campaign_of.entry_or_insert_with(&in_place(ad), &[], || campaign);
        }
        World { ads, users, pages, campaign_of }
    }

    /// The campaign of an ad, by a look through all of them.
    #[must_use]
    pub fn campaign_slowly(&self, ad: &str) -> Option<usize> {
        self.ads.iter().position(|other| other == ad).map(|place| place / ADS_PER_CAMPAIGN)
    }

    /// `count` events in the order they come, `rate` a second of event time: users, pages, ads and types drawn anew for
    /// each; times shifted by up to 50 ms, and of one in 100 000 by up to a minute into the past.
    fn draw_events(&self, seed: u64, count: u64, rate: f64) -> impl Iterator<Item = Drawn<'_>> {
        let mut draw = Draw(seed);
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            reason = "milliseconds of a drawn time"
        )]
        let on_time = move |n: u64| 1_767_225_600_000 + (n as f64 / rate * 1e3) as i64;
        (0..count).map(move |n| {
            let mut millis = |bound| i64::try_from(draw.below(bound)).expect("at most a minute");
            let (skew, is_behind, behind) = (millis(100) - 50, millis(100_000) == 0, millis(60_000));
            Drawn {
                user: &self.users[draw.below(VISITORS)],
                page: &self.pages[draw.below(VISITORS)],
                ad: &self.ads[draw.below(self.ads.len())],
                ad_type: draw.below(AD_TYPES.len()),
                kind: Kind::ALL[draw.below(Kind::ALL.len())],
                millis: on_time(n) + skew - if is_behind { behind } else { 0 },
            }
        })
    }

    /// Events as JSON Lines, written as the benchmark's own generator does.
    #[must_use]
    pub fn lines(&self, seed: u64, count: u64, rate: f64) -> Vec<u8> {
        let mut lines = String::new();
        for Drawn { user, page, ad, ad_type, kind, millis } in self.draw_events(seed, count, rate) {
            let (ad_type, kind) = (AD_TYPES[ad_type], kind.name());
            writeln!(
                lines,
                "{{\"user_id\": \"{user}\", \"page_id\": \"{page}\", \"ad_id\": \"{ad}\", \"ad_type\": \"{ad_type}\", \
                 \"event_type\": \"{kind}\", \"event_time\": \"{millis}\", \"ip_address\": \"1.2.3.4\"}}"
            )
            .expect("a string takes everything");
        }
        lines.into_bytes()
    }

    /// The same events as structs.
    ///
    /// # Panics
    /// Never: ad types fit a byte.
    #[must_use]
    pub fn structs(&self, seed: u64, count: u64, rate: f64) -> Vec<AdEvent> {
        let events = self.draw_events(seed, count, rate).map(|drawn| AdEvent {
            user: in_place(drawn.user),
            page: in_place(drawn.page),
            ad: in_place(drawn.ad),
            time: EventTime::from_micros(drawn.millis * 1_000),
            ip: u32::from_be_bytes([1, 2, 3, 4]),
            ad_type: u8::try_from(drawn.ad_type).expect("five ad types"),
            kind: drawn.kind,
        });
        events.collect()
    }
}

struct Drawn<'a> {
    user: &'a str,
    page: &'a str,
    ad: &'a str,
    ad_type: usize,
    kind: Kind,
    millis: i64,
}

/// The values of a line, in the order of [`KEYS`].
type Values<'a> = [Cow<'a, str>; 7];

const KEYS: [&[u8]; 7] = [b"user_id", b"page_id", b"ad_id", b"ad_type", b"event_type", b"event_time", b"ip_address"];

/// Places in [`KEYS`] that are looked at behind the filter.
const AD: usize = 2;
const KIND: usize = 4;
const TIME: usize = 5;

/// A line as a library reads it: the rule, and the way for lines that are not simple.
#[derive(Debug, Deserialize)]
struct AdLine<'a> {
    #[serde(borrow)]
    user_id: Cow<'a, str>,
    #[serde(borrow)]
    page_id: Cow<'a, str>,
    #[serde(borrow)]
    ad_id: Cow<'a, str>,
    #[serde(borrow)]
    ad_type: Cow<'a, str>,
    #[serde(borrow)]
    event_type: Cow<'a, str>,
    #[serde(borrow)]
    event_time: Cow<'a, str>,
    #[serde(borrow)]
    ip_address: Cow<'a, str>,
}

fn read_generally(line: &[u8]) -> Option<Values<'_>> {
    let line: AdLine<'_> = serde_json::from_slice(line).ok()?;
    let AdLine { user_id, page_id, ad_id, ad_type, event_type, event_time, ip_address } = line;
    Some([user_id, page_id, ad_id, ad_type, event_type, event_time, ip_address])
}

/// The seven values of a flat object of seven texts: no escape, only printable ASCII, each key once, in any order, with at
/// most one space behind a colon or comma. `None` for any other line, valid or not.
#[inline]
fn read_simply(line: &[u8]) -> Option<[&[u8]; 7]> {
    // Without a branch, so that the compiler makes vectors of it.
    let other =
        line.iter().fold(0, |other, &byte| other | u8::from(!(0x20..0x7F).contains(&byte)) | u8::from(byte == b'\\'));
    let [b'{', .., b'}'] = line else { return None };
    if other > 0 {
        return None;
    }
    let mut quotes = memchr::memchr_iter(b'"', line);
    let mut values = [None; 7];
    let mut before = 1;
    for (place, &expected) in KEYS.iter().enumerate() {
        let [key_start, key_end, start, end] = [quotes.next()?, quotes.next()?, quotes.next()?, quotes.next()?];
        let gap: &[u8] = &line[before..key_start];
        let is_parted = if place == 0 { gap.is_empty() } else { gap == b", " || gap == b"," };
        let colon = &line[key_end + 1..start];
        if !is_parted || (colon != b": " && colon != b":") {
            return None;
        }
        let key = &line[key_start + 1..key_end];
        let field = if key == expected { place } else { KEYS.iter().position(|other| *other == key)? };
        if values[field].replace(&line[start + 1..end]).is_some() {
            return None;
        }
        before = end + 1;
    }
    if quotes.next().is_some() || before != line.len() - 1 {
        return None;
    }
    // Seven keys, none twice, are all of them.
    Some(values.map(|value: Option<&[u8]>| value.expect("every key has its value")))
}

/// The projection of a view: its ad, where that can be one at all, and its time.
type View = (Option<Text>, Option<EventTime>);

#[inline]
fn project(ad: &[u8], time: &[u8]) -> View {
    (Text::in_place(ad), millis(time).map(|millis| EventTime::from_micros(millis * 1_000)))
}

/// One to fifteen digits.
#[inline]
fn millis(text: &[u8]) -> Option<i64> {
    if text.is_empty() || text.len() > 15 {
        return None;
    }
    text.iter().try_fold(0, |number: i64, &byte| byte.is_ascii_digit().then(|| number * 10 + i64::from(byte - b'0')))
}

/// Reads `lines`, calls `with` for each view; returns events and rejected lines.
#[inline]
fn for_each_view(lines: &[u8], mut with: impl FnMut(View)) -> [u64; 2] {
    let (mut events, mut rejected, mut start) = (0, 0, 0);
    for end in memchr::memchr_iter(b'\n', lines) {
        let line = &lines[start..end];
        start = end + 1;
        events += 1;
        if let Some(values) = read_simply(line) {
            if values[KIND] == Kind::View.name().as_bytes() {
                with(project(values[AD], values[TIME]));
            }
        } else if let Some(values) = read_generally(line) {
            if values[KIND] == Kind::View.name() {
                with(project(values[AD].as_bytes(), values[TIME].as_bytes()));
            }
        } else {
            rejected += 1;
        }
    }
    [events, rejected]
}

/// Joins and counts views.
struct Counter<'a> {
    world: &'a World,
    base: Grain,
    max: EventTime,
    watermark: Watermark,
    /// The open windows, ascending.
    open: Vec<(WindowId, [u64; CAMPAIGNS])>,
    found: Found,
}

/// Windows of ten seconds.
fn base() -> Grain {
    let length = WindowLength::new(Micros::from_seconds(10)).expect("ten seconds divide a day");
    Grain::new(length, UtcOffset::ZERO)
}

impl<'a> Counter<'a> {
    fn new(world: &'a World) -> Counter<'a> {
        let (max, watermark) = (EventTime::MIN, Watermark::NONE);
        Counter { world, base: base(), max, watermark, open: Vec::new(), found: Found::default() }
    }

    #[inline]
    fn count(&mut self, (ad, time): View) {
        self.found.views += 1;
        let campaign = ad.and_then(|ad| self.world.campaign_of.get(&ad, &[]));
        let (Some(&campaign), Some(time)) = (campaign, time) else {
            self.found.unjoined += 1;
            return;
        };
        let window = self.base.containing(time);
        if self.watermark.passes(self.base.end(window)) {
            self.found.late += 1;
            return;
        }
        let place = self.open.iter().rposition(|(open, _)| *open <= window);
        let place = match place {
            Some(place) if self.open[place].0 == window => place,
            before => {
                let place = before.map_or(0, |before| before + 1);
                self.open.insert(place, (window, [0; CAMPAIGNS]));
                place
            }
        };
        self.open[place].1[usize::from(campaign)] += 1;
        if time > self.max {
            self.max = time;
            self.watermark = Watermark::trailing(time, LATENESS);
            if self.watermark.passes(self.base.end(self.open[0].0)) {
                self.close(self.watermark);
            }
        }
    }

    #[cold]
    fn close(&mut self, watermark: Watermark) {
        let base = self.base;
        let closed = self.open.partition_point(|(window, _)| watermark.passes(base.end(*window)));
        for (window, counts) in self.open.drain(..closed) {
            let counted = counts.iter().enumerate().filter(|(_, views)| **views > 0);
            self.found.rows.extend(counted.map(|(campaign, &views)| Row { window, campaign, views }));
        }
    }

    fn end(mut self, [events, rejected]: [u64; 2]) -> Found {
        self.close(Watermark::END);
        Found { events, rejected, ..self.found }
    }
}

/// Structs to rows on the calling thread.
#[must_use]
pub fn run_structs(world: &World, events: &[AdEvent]) -> Found {
    let mut counter = Counter::new(world);
    for event in events {
        if event.kind == Kind::View {
            counter.count((Some(event.ad), Some(event.time)));
        }
    }
    counter.end([events.len() as u64, 0])
}

/// JSON Lines in memory to rows on the calling thread.
#[must_use]
pub fn run_json(world: &World, lines: &[u8]) -> Found {
    let mut counter = Counter::new(world);
    let counts = for_each_view(lines, |view| counter.count(view));
    counter.end(counts)
}

/// JSON Lines in memory to rows: one thread reads, filters and projects, the other joins and counts.
///
/// # Panics
/// Where the other thread panics.
#[must_use]
pub fn run_json_two_threads(world: &World, lines: &[u8]) -> Found {
    let (mut tx, mut rx) = RingBuffer::<Vec<View>>::new(BATCHES);
    let (mut give_back, mut empty) = RingBuffer::<Vec<View>>::new(BATCHES);
    let cores = core_affinity::get_core_ids().unwrap_or_default();
    thread::scope(|scope| {
        let reader = scope.spawn(move || {
            if let [_, .., last] = cores.as_slice() {
                core_affinity::set_for_current(*last);
            }
            let mut batch = Vec::with_capacity(BATCH_VIEWS);
            let counts = for_each_view(lines, |view| {
                batch.push(view);
                if batch.len() == BATCH_VIEWS {
                    let next = empty.pop().unwrap_or_else(|_| Vec::with_capacity(BATCH_VIEWS));
                    send(&mut tx, std::mem::replace(&mut batch, next));
                }
            });
            send(&mut tx, batch);
            counts
        });
        let mut counter = Counter::new(world);
        while let Some(mut batch) = receive(&mut rx) {
            for view in batch.drain(..) {
                counter.count(view);
            }
            // Where the way back is full, enough batches are under way and this one is freed.
            let _ = give_back.push(batch);
        }
        counter.end(reader.join().expect("the reader ends well"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    /// The same, as slowly and plainly as can be.
    fn twin(world: &World, lines: &[u8]) -> Found {
        let mut found = Found::default();
        let mut max = None;
        let mut counts: BTreeMap<(i64, usize), u64> = BTreeMap::new();
        for line in lines.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
            found.events += 1;
            let fields: Option<BTreeMap<String, serde_json::Value>> = serde_json::from_slice(line).ok();
            let field = |name: &str| fields.as_ref()?.get(name)?.as_str();
            let names = ["user_id", "page_id", "ad_id", "ad_type", "event_type", "event_time", "ip_address"];
            if names.iter().any(|name| field(name).is_none()) {
                found.rejected += 1;
                continue;
            }
            if field("event_type") != Some("view") {
                continue;
            }
            found.views += 1;
            let millis = field("event_time").filter(|text| (1..=15).contains(&text.len()));
            let millis = millis.filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
            let millis = millis.and_then(|text| text.parse::<i64>().ok());
            let campaign = field("ad_id").and_then(|ad| world.campaign_slowly(ad));
            let (Some(millis), Some(campaign)) = (millis, campaign) else {
                found.unjoined += 1;
                continue;
            };
            let window = millis.div_euclid(10_000);
            if max.is_some_and(|max| (window + 1) * 10_000 <= max - 10_000) {
                found.late += 1;
                continue;
            }
            max = max.max(Some(millis));
            *counts.entry((window, campaign)).or_default() += 1;
        }
        let row = |((window, campaign), views)| Row { window: WindowId(window), campaign, views };
        found.rows = counts.into_iter().map(row).collect();
        found
    }

    #[test]
    fn every_way_counts_as_the_twin() {
        let world = World::new(1);
        // Many windows, and full ones with some late views.
        for (count, rate) in [(60_000, 1_000.0), (400_000, 5_000.0)] {
            let lines = world.lines(7, count, rate);
            let expected = twin(&world, &lines);
            assert!(expected.rows.len() > CAMPAIGNS && expected.views > count / 4, "{} rows", expected.rows.len());
            assert_eq!([expected.events, expected.rejected, expected.unjoined], [count, 0, 0]);
            assert_eq!(run_json(&world, &lines), expected);
            assert_eq!(run_json_two_threads(&world, &lines), expected);
            assert_eq!(run_structs(&world, &world.structs(7, count, rate)), expected);
        }
    }

    #[test]
    fn the_generators_lines_are_all_simple() {
        let lines = World::new(1).lines(7, 1_000, 1e3);
        for line in lines.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
            let simple = read_simply(line).unwrap().map(|value| Cow::from(std::str::from_utf8(value).unwrap()));
            assert_eq!(Some(simple), read_generally(line));
        }
    }

    #[test]
    fn late_views_are_dropped_and_counted() {
        let world = World::new(1);
        let view = |seconds: i64| {
            let (id, millis) = (&world.ads[0], 1_767_225_600_000 + seconds * 1_000);
            format!(
                "{{\"user_id\":\"u\",\"page_id\":\"p\",\"ad_id\":\"{id}\",\"ad_type\":\"mail\",\
                 \"event_type\":\"view\",\"event_time\":\"{millis}\",\"ip_address\":\"::1\"}}\n"
            )
        };
        // The window of second 5 closes when the watermark, ten seconds behind, reaches second 10.
        for (newest, late) in [(19, 0), (20, 1), (21, 1)] {
            let lines = view(5) + &view(newest) + &view(6);
            let found = run_json(&world, lines.as_bytes());
            assert_eq!((found.late, &found), (late, &twin(&world, lines.as_bytes())), "newest at {newest}");
        }
    }

    proptest! {
        /// Damaged lines: what the simple way takes, the library takes with the same values.
        #[test]
        fn the_simple_way_takes_nothing_that_the_library_reads_otherwise(
            seed: u64,
            edits in prop::collection::vec((0usize..330, prop::sample::select(b"\"\\{}:, a\x01\x80u_id".to_vec()), any::<bool>()), 0..4),
        ) {
            let mut line = World::new(1).lines(seed, 1, 1e3);
            line.pop();
            for (place, byte, inserts) in edits {
                let place = place % line.len();
                if inserts { line.insert(place, byte) } else { line[place] = byte }
            }
            if let Some(simple) = read_simply(&line) {
                let simple = simple.map(|value| Cow::from(std::str::from_utf8(value).unwrap()));
                prop_assert_eq!(Some(simple), read_generally(&line));
            }
        }

        #[test]
        fn shuffled_and_damaged_lines_count_as_the_twin(seed: u64, order in Just([0usize, 1, 2, 3, 4, 5, 6]).prop_shuffle(), cut in 0usize..8) {
            let world = World::new(1);
            let mut lines = Vec::new();
            for line in world.lines(seed, 50, 1.0).split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
                let values = read_simply(line).unwrap();
                let fields: Vec<String> = order.iter().enumerate().filter(|(place, _)| *place != cut).map(|(_, &field)| {
                    let [key, value] = [KEYS[field], values[field]].map(|text| std::str::from_utf8(text).unwrap());
                    format!("\"{key}\":\"{value}\"")
                }).collect();
                lines.extend_from_slice(format!("{{{}}}\n", fields.join(", ")).as_bytes());
                lines.extend_from_slice(&line[..line.len() / 2]);
                lines.push(b'\n');
            }
            let found = run_json(&world, &lines);
            prop_assert_eq!(&found, &twin(&world, &lines));
            prop_assert_eq!(found.rejected, if cut < 7 { 100 } else { 50 });
        }
    }
}
