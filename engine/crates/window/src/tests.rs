//! Laws and claims of the state machines, on events built by hand.
//!
//! The whole of the semantics is compared with an independent oracle in `engine/tests`; here stands what should fail
//! close to its cause.

use engine_model::{
    Batch, BatchHeader, Cell, Cents, Currency, Event, EventKind, EventTime, Item, Judgement, Micros, Outcome,
    PartitionId, Reason, RejectedLine, Rejection, Rows, Semantics, Text, UtcOffset, Watermark, WindowId, WindowLength,
};
use proptest::prelude::*;

use crate::{Arrival, DistinctCounts, Merger, Progress, QualityPartial, Shard, WindowPartial};

/// Seconds since the epoch.
fn at(seconds: i64) -> EventTime {
    EventTime::EPOCH + Micros::from_seconds(seconds)
}

fn id(name: &str) -> Text {
    Text::in_place(name.as_bytes()).expect("names in these tests are short")
}

fn view(batch: &mut Batch, event_id: &str, seconds: i64, session: &str, customer: &str, product: &str) {
    let mut event = Event::new(EventKind::View, at(seconds), id(event_id));
    event.set_session(id(session));
    event.set_customer(id(customer));
    event.set_subject(id(product));
    batch.events.push(event);
}

/// Items as (product, category or "", quantity, unit price in cents).
fn order(batch: &mut Batch, event_id: &str, seconds: i64, total: i64, items: &[(&str, &str, u32, i64)]) {
    let mut event = Event::new(EventKind::Order, at(seconds), id(event_id));
    event.set_session(id("s"));
    event.set_customer(id("c"));
    event.set_subject(id("o"));
    event.amount = Cents::new(total);
    event.set_extras(batch.items.len(), items.len());
    for &(product, category, quantity, price) in items {
        let category = if category.is_empty() { Text::ABSENT } else { id(category) };
        batch.items.push(Item { product: id(product), category, unit_price: Cents::new(price), quantity });
    }
    batch.events.push(event);
}

fn product(batch: &mut Batch, event_id: &str, seconds: i64, product: &str, category: &str) {
    let mut event = Event::new(EventKind::Product, at(seconds), id(event_id));
    event.set_subject(id(product));
    event.set_extras(batch.texts.len(), 2);
    batch.texts.extend([id("a name"), id(category)]);
    batch.events.push(event);
}

fn payment(batch: &mut Batch, event_id: &str, seconds: i64, method: &str, reason: Option<&str>, cents: i64) {
    let kind = if reason.is_some() { EventKind::PaymentFailed } else { EventKind::PaymentSucceeded };
    let mut event = Event::new(kind, at(seconds), id(event_id));
    event.set_subject(id("o"));
    event.amount = Cents::new(cents);
    event.set_extras(batch.texts.len(), 3);
    batch.texts.extend([id("pay"), id(method), reason.map_or(Text::ABSENT, id)]);
    batch.events.push(event);
}

/// One partition through one shard.
struct Pipeline {
    progress: Progress,
    shard: Shard,
    merger: Merger,
    rows: Vec<Rows>,
}

impl Pipeline {
    fn new(semantics: &Semantics) -> Pipeline {
        let merger = Merger::new(semantics);
        let rows = merger.empty_rows();
        Pipeline { progress: Progress::new(PartitionId(0), semantics), shard: Shard::new(semantics), merger, rows }
    }

    /// Reads a batch and closes what it lets close.
    fn read(&mut self, batch: &mut Batch) -> Vec<Outcome> {
        let mut quality = Vec::new();
        self.progress.judge(batch, Arrival::REPLAY, &mut quality);
        for partial in quality {
            self.merger.add_quality(partial);
        }
        let mut outcomes = Vec::new();
        for event in &batch.events {
            outcomes.push(match event.judgement {
                Judgement::Late => Outcome::Late { by: Micros::ZERO },
                Judgement::InTime => self.shard.ingest(batch, event),
            });
        }
        self.close(self.progress.watermark());
        outcomes
    }

    fn close(&mut self, watermark: Watermark) {
        let closed = self.shard.close(watermark);
        closed.windows.into_iter().for_each(|partial| self.merger.add_window(partial));
        closed.quality.into_iter().for_each(|partial| self.merger.add_quality(partial));
        while self.merger.close_next(watermark, &mut self.rows).is_some() {}
    }

    fn finish(&mut self) {
        let progress = self.progress.clone();
        if let Ok(quality) = progress.finish() {
            self.merger.add_quality(quality);
        }
        self.close(Watermark::END);
    }

    /// The rows of a table as text, without the leading columns but with the minute of the day in front.
    fn table(&self, name: &str) -> Vec<String> {
        let index = self.merger.tables().iter().position(|table| table.name == name).expect("a table of the run");
        show(&self.rows[index])
    }
}

fn show(rows: &Rows) -> Vec<String> {
    let first = if rows.schema().is_windowed() { 3 } else { 0 };
    let columns = rows.schema().columns().count();
    let cell = |row, column| match rows.cell(row, column) {
        Cell::Null => "-".to_owned(),
        Cell::Timestamp(time) => time.to_string(),
        Cell::Int32(value) => value.to_string(),
        Cell::Int64(value) => value.to_string(),
        Cell::Money(cents) => cents.to_string(),
        Cell::Double(value) => value.to_string(),
        Cell::Text(text) => text.to_owned(),
        Cell::Bytes(bytes) => format!("{bytes:?}"),
    };
    let row = |row| (first..columns).map(|column| cell(row, column)).collect::<Vec<_>>().join(" ");
    (0..rows.len()).map(row).collect()
}

fn read_all(build: impl FnOnce(&mut Batch)) -> Pipeline {
    let mut pipeline = Pipeline::new(&Semantics::default());
    let mut batch = Batch::default();
    build(&mut batch);
    pipeline.read(&mut batch);
    pipeline.finish();
    pipeline
}

#[test]
fn an_order_counts_once_for_a_category_however_its_items_resolve() {
    let pipeline = read_all(|batch| {
        product(batch, "e1", 1, "p1", "shoes");
        order(batch, "e2", 2, 900, &[("p1", "", 1, 100), ("p1", "shoes", 2, 100), ("p2", "", 3, 200)]);
        order(batch, "e3", 3, 100, &[("p1", "", 1, 100), ("p1", "", 1, 100)]);
        product(batch, "e4", 59, "p2", "shoes");
        // Not before the end of the orders' window: too late to change what that window resolves.
        product(batch, "e5", 60, "p1", "hats");
    });
    assert_eq!(pipeline.table("categories_1m"), ["0 shoes 2 8 11.00 1"]);
    assert_eq!(pipeline.table("categories_1d"), ["0 shoes 2 8 11.00 1"]);
    assert_eq!(pipeline.table("products_1m"), ["0 p2 0 0 1 3 6.00 1", "0 p1 0 0 2 5 5.00 2"]);
}

#[test]
fn a_rollup_keeps_the_category_its_base_window_resolved() {
    let pipeline = read_all(|batch| {
        order(batch, "e1", 1, 100, &[("p1", "", 1, 100)]);
        product(batch, "e2", 61, "p1", "shoes");
        order(batch, "e3", 62, 100, &[("p1", "", 1, 100)]);
    });
    assert_eq!(pipeline.table("categories_1m"), ["0 unknown 1 1 1.00 1", "1 shoes 1 1 1.00 1"]);
    assert_eq!(pipeline.table("categories_1h"), ["0 shoes 1 1 1.00 1", "0 unknown 1 1 1.00 2"]);
}

#[test]
fn a_rollup_counts_distinct_customers_and_sessions_once() {
    let pipeline = read_all(|batch| {
        view(batch, "e1", 1, "s1", "c1", "p1");
        view(batch, "e2", 61, "s1", "c1", "p1");
        view(batch, "e3", 62, "s2", "c2", "p1");
        view(batch, "e4", 3_700, "s2", "c2", "p1");
    });
    let distinct = |table| pipeline.table(table).iter().map(|row| row.split(' ').nth(6).unwrap().to_owned()).collect();
    let customers: Vec<String> = distinct("kpis_1m");
    assert_eq!(customers, ["1", "2", "1"]);
    assert_eq!(distinct("kpis_1h"), ["2", "1"]);
    assert_eq!(distinct("kpis_1d"), ["2"]);
    assert_eq!(pipeline.table("customer_activity"), ["0 c1", "1 c2"]);
}

#[test]
fn a_tie_in_revenue_is_broken_by_units_and_then_by_the_bytes_of_the_key() {
    let pipeline = read_all(|batch| {
        let items = [("b", "x", 1, 100), ("a", "x", 1, 100), ("B", "x", 1, 100), ("c", "x", 2, 50), ("d", "x", 1, 300)];
        order(batch, "e1", 1, 0, &items);
    });
    let ranks: Vec<String> =
        pipeline.table("products_1m").iter().map(|row| row.split(' ').nth(1).unwrap().into()).collect();
    assert_eq!(ranks, ["d", "c", "B", "a", "b"]);
}

#[test]
fn a_rate_without_a_divisor_and_an_average_without_orders_are_null() {
    let pipeline = read_all(|batch| view(batch, "e1", 1, "s1", "c1", "p1"));
    assert_eq!(pipeline.table("kpis_1m"), ["0 1 0.00 0 - 0 1 1 0 0 0.00 - 0"]);
    let pipeline = read_all(|batch| payment(batch, "e1", 1, "card", Some("expired"), 500));
    assert_eq!(pipeline.table("kpis_1m"), ["0 1 0.00 0 - 0 0 0 0 1 0.00 0 -"]);
    assert_eq!(pipeline.table("funnel_1m"), ["0 view 1 0", "0 add_to_cart 2 0", "0 checkout 3 0", "0 order 4 0"]);
}

#[test]
fn payments_are_told_apart_by_method_status_and_reason() {
    let pipeline = read_all(|batch| {
        payment(batch, "e1", 1, "card", Some("expired"), 500);
        payment(batch, "e2", 1, "card", None, 700);
        payment(batch, "e3", 1, "card", Some("expired"), 1);
        payment(batch, "e4", 1, "card", Some(""), 2);
    });
    let expected = ["0 card failed  1 0.02", "0 card failed expired 2 5.01", "0 card succeeded - 1 7.00"];
    assert_eq!(pipeline.table("payments_1m"), expected);
}

#[test]
fn a_late_event_changes_nothing_and_is_judged_by_the_watermark_before_it() {
    let semantics = Semantics::default();
    let mut pipeline = Pipeline::new(&semantics);
    let mut batch = Batch::default();
    view(&mut batch, "e1", 69, "s1", "c1", "p1");
    // The watermark stands at 59 s, then at 60 s: the window that ends at 60 s is passed at 60, not before.
    view(&mut batch, "e2", 10, "s1", "c1", "p1");
    view(&mut batch, "e3", 70, "s1", "c1", "p1");
    view(&mut batch, "e4", 11, "s9", "c9", "p9");
    let outcomes = pipeline.read(&mut batch);
    assert!(matches!(outcomes[1], Outcome::Accepted(WindowId(0))), "{outcomes:?}");
    assert!(matches!(outcomes[3], Outcome::Late { .. }), "{outcomes:?}");
    pipeline.finish();
    assert_eq!(pipeline.table("quality_1m"), ["1 4 3 0 1 0 2 0 59000 59000"]);
    assert_eq!(pipeline.table("kpis_1m").len(), 2);
}

#[test]
fn a_duplicate_is_known_until_its_partition_has_passed_the_window() {
    let mut pipeline = Pipeline::new(&Semantics::default());
    let mut batch = Batch::default();
    view(&mut batch, "same", 10, "s1", "c1", "p1");
    view(&mut batch, "same", 65, "s1", "c1", "p1"); // watermark 0 s: window 0 not passed
    view(&mut batch, "e3", 69, "s1", "c1", "p1");
    view(&mut batch, "same", 69, "s1", "c1", "p1"); // watermark 59 s: not passed
    view(&mut batch, "e5", 70, "s1", "c1", "p1");
    view(&mut batch, "same", 70, "s1", "c1", "p1"); // watermark 60 s: passed, so it counts again
    view(&mut batch, "same", 71, "s1", "c1", "p1");
    let outcomes = pipeline.read(&mut batch);
    let accepted = |window| Outcome::Accepted(WindowId(window));
    let duplicate = |window| Outcome::Duplicate(WindowId(window));
    let expected = [accepted(0), duplicate(0), accepted(1), duplicate(0), accepted(1), accepted(1), duplicate(1)];
    assert_eq!(outcomes, expected);
}

#[test]
fn rejected_lines_count_where_max_p_stands_and_those_before_the_first_event_count_with_it() {
    let mut pipeline = Pipeline::new(&Semantics::default());
    let reject = |batch: &mut Batch, reason| {
        let events_before = u32::try_from(batch.events.len()).unwrap();
        let rejection = Rejection { reason, field: None, at: None };
        batch.rejected.push(RejectedLine {
            rejection,
            line: engine_model::Line::default(),
            length: 0,
            offset: 0,
            events_before,
        });
    };
    let mut batch = Batch::default();
    reject(&mut batch, Reason::TooLarge);
    view(&mut batch, "e1", 125, "s1", "c1", "p1");
    reject(&mut batch, Reason::MalformedJson);
    view(&mut batch, "e2", 180, "s1", "c1", "p1");
    reject(&mut batch, Reason::MalformedJson);
    pipeline.read(&mut batch);
    pipeline.finish();
    assert_eq!(pipeline.table("quality_1m"), ["2 3 1 0 0 2 0 0 0 0", "3 2 1 0 0 1 0 0 0 0"]);
    let expected = ["2 too_large 1", "2 malformed_json 1", "3 malformed_json 1"];
    assert_eq!(pipeline.table("rejections_1m"), expected);
}

#[test]
fn a_partition_without_a_valid_record_belongs_to_no_window() {
    let mut progress = Progress::new(PartitionId(3), &Semantics::default());
    let header = BatchHeader { partition: PartitionId(3), ..BatchHeader::default() };
    let rejection = Rejection { reason: Reason::NotAnObject, field: None, at: None };
    let line = RejectedLine { rejection, line: engine_model::Line::default(), length: 0, offset: 0, events_before: 0 };
    let mut batch = Batch { header, rejected: vec![line; 2], ..Batch::default() };
    progress.judge(&mut batch, Arrival::REPLAY, &mut Vec::new());
    assert_eq!(progress.watermark(), Watermark::NONE);
    let ledger = progress.finish().unwrap_err();
    assert_eq!((ledger.records, ledger.rejected_total()), (2, 2));
}

#[test]
fn a_fast_clock_makes_no_one_else_late_in_a_live_partition() {
    let semantics = Semantics::default();
    let mut progress = Progress::new(PartitionId(0), &semantics);
    let mut batch = Batch::default();
    view(&mut batch, "e1", 300, "s1", "c1", "p1");
    view(&mut batch, "e2", 95, "s1", "c1", "p1");
    let arrival = Arrival { emitted: Watermark::NONE, received: Some(at(100)) };
    progress.judge(&mut batch, arrival, &mut Vec::new());
    assert_eq!(progress.watermark(), Watermark::at(at(90)));
    assert_eq!(batch.events[1].judgement, Judgement::InTime);
    // The same as a file: the second record is late.
    let mut progress = Progress::new(PartitionId(0), &semantics);
    progress.judge(&mut batch, Arrival::REPLAY, &mut Vec::new());
    assert_eq!(batch.events[1].judgement, Judgement::Late);
}

#[test]
fn what_is_emitted_stays_emitted_for_a_partition_that_comes_back() {
    let semantics = Semantics::default();
    let mut progress = Progress::new(PartitionId(0), &semantics);
    let mut batch = Batch::default();
    view(&mut batch, "e1", 59, "s1", "c1", "p1");
    view(&mut batch, "e2", 60, "s1", "c1", "p1");
    let mut observed = Vec::new();
    progress.judge(&mut batch, Arrival { emitted: Watermark::at(at(60)), received: Some(at(500)) }, &mut observed);
    let judged: Vec<Judgement> = batch.events.iter().map(|event| event.judgement).collect();
    assert_eq!(judged, [Judgement::Late, Judgement::InTime]);
    assert_eq!(progress.finish().unwrap().window, WindowId(1), "nothing emitted is observed any more");
    let mut shard = Shard::new(&semantics);
    shard.close(Watermark::at(at(60)));
    batch.events[0].judgement = Judgement::InTime;
    assert_eq!(shard.ingest(&batch, &batch.events[0]), Outcome::Late { by: Micros::ZERO });
}

#[test]
fn a_sum_that_stops_says_so_and_one_that_just_fits_does_not() {
    let run = |rest: i64| {
        read_all(|batch| {
            for n in 0..1_000_000 / 100 {
                let items = [("p", "x", 10_000, Cents::EVENT_MAX.get()); 1];
                if n < 100 {
                    order(batch, &format!("e{n}"), 1, 0, &items);
                }
            }
            // 100 * 9_999_999_999_990_000 = 999_999_999_999_000_000
            order(batch, "last", 1, 0, &[("p", "x", 1, 999_999 + rest)]);
        })
    };
    let fits = run(0);
    assert_eq!(fits.table("products_1m"), [format!("0 p 0 0 101 1000001 {} 1", Cents::MAX)]);
    assert!(!fits.merger.is_saturated());
    let stopped = run(1);
    assert_eq!(stopped.table("products_1m"), [format!("0 p 0 0 101 1000001 {} 1", Cents::MAX)]);
    assert!(stopped.merger.is_saturated());
}

#[test]
fn an_offset_moves_days_and_the_rollup_with_them() {
    let offset: UtcOffset = "-05:00".parse().unwrap();
    let semantics =
        Semantics::new(WindowLength::HOUR, &[WindowLength::DAY], Micros::ZERO, Currency::USD, offset).unwrap();
    let mut pipeline = Pipeline::new(&semantics);
    let mut batch = Batch::default();
    view(&mut batch, "e1", 5 * 3_600 - 1, "s1", "c1", "p1");
    view(&mut batch, "e2", 5 * 3_600, "s1", "c1", "p1");
    pipeline.read(&mut batch);
    pipeline.finish();
    assert_eq!(pipeline.table("customer_activity"), ["1380 c1", "0 c1"]);
    assert_eq!(pipeline.table("kpis_1d").len(), 2);
}

#[test]
fn snapshots_show_open_windows_and_change_nothing() {
    let mut pipeline = Pipeline::new(&Semantics::default());
    let mut batch = Batch::default();
    view(&mut batch, "e1", 61, "s1", "c1", "p1");
    order(&mut batch, "e2", 62, 1_234, &[("p1", "x", 2, 617)]);
    view(&mut batch, "e3", 58, "s2", "c2", "p1");
    pipeline.read(&mut batch);
    let open: Vec<(WindowId, u64)> =
        pipeline.shard.open_windows().map(|open| (open.window, open.sums.events)).collect();
    assert_eq!(open, [(WindowId(0), 1), (WindowId(1), 2)]);
    let mut snapshot = pipeline.shard.snapshot(WindowId(1)).unwrap();
    assert_eq!(snapshot.sums().revenue.get(), Cents::new(1_234));
    assert_eq!((snapshot.session_count(), snapshot.customer_count()), (2, 2));
    assert!(pipeline.shard.snapshot(WindowId(2)).is_none());
    pipeline.finish();
    assert_eq!(pipeline.table("kpis_1m").len(), 2);
}

/// An event of a small shop, so that keys meet often.
#[derive(Clone, Debug)]
struct Sketch {
    kind: u8,
    second: i64,
    key: u8,
    items: Vec<(u8, Option<u8>, u32, i64)>,
}

fn sketches() -> impl Strategy<Value = Vec<Sketch>> {
    let item = (0u8..3, prop::option::of(0u8..2), 1u32..3, prop_oneof![1i64..5, Just(Cents::EVENT_MAX.get())]);
    let items = prop::collection::vec(item, 1..4);
    let sketch = (0u8..5, 0i64..60, 0u8..4, items);
    prop::collection::vec(sketch.prop_map(|(kind, second, key, items)| Sketch { kind, second, key, items }), 0..40)
}

/// The partial of one window of all sketches whose index `keep` takes. Identifiers of 40 bytes, so arenas are in use.
fn partial(sketches: &[Sketch], keep: impl Fn(usize) -> bool) -> WindowPartial {
    let mut batch = Batch::default();
    let long = |batch: &mut Batch, name: String| Text::new(format!("{name:-<40}").as_bytes(), &mut batch.arena);
    for (index, sketch) in sketches.iter().enumerate().filter(|(index, _)| keep(*index)) {
        let key = sketch.key;
        let event_id = long(&mut batch, format!("e{index}"));
        let kinds =
            [EventKind::View, EventKind::Order, EventKind::PaymentFailed, EventKind::Product, EventKind::Customer];
        let kind = kinds[usize::from(sketch.kind)];
        let mut event = Event::new(kind, at(sketch.second), event_id);
        event.set_session(long(&mut batch, format!("s{key}")));
        event.set_customer(long(&mut batch, format!("c{key}")));
        event.set_subject(long(&mut batch, format!("p{}", key % 3)));
        event.amount = Cents::new(sketch.second);
        match kind {
            EventKind::Order => {
                event.set_extras(batch.items.len(), sketch.items.len());
                for &(product, category, quantity, price) in &sketch.items {
                    let product = long(&mut batch, format!("p{product}"));
                    let category = category.map_or(Text::ABSENT, |c| long(&mut batch, format!("k{c}")));
                    batch.items.push(Item { product, category, unit_price: Cents::new(price), quantity });
                }
            }
            EventKind::PaymentFailed => {
                event.set_extras(batch.texts.len(), 3);
                let reason = long(&mut batch, format!("r{key}"));
                batch.texts.extend([id("pay"), id("card"), reason]);
            }
            _ => {
                event.set_extras(batch.texts.len(), if kind == EventKind::View { 0 } else { 2 });
                let category = long(&mut batch, format!("k{}", sketch.items[0].0 % 2));
                batch.texts.extend([id("n"), category]);
            }
        }
        batch.events.push(event);
    }
    let mut shard = Shard::new(&Semantics::default());
    for event in &batch.events {
        assert!(matches!(shard.ingest(&batch, event), Outcome::Accepted(_)));
    }
    shard.close(Watermark::END).windows.pop().unwrap_or_else(|| WindowPartial::new(WindowId(0)))
}

/// All Gold rows of a partial that closes alone: two partials are the same value if these are equal.
fn rows_of(partial: &WindowPartial) -> Vec<Vec<String>> {
    let mut merger = Merger::new(&Semantics::default());
    let mut rows = merger.empty_rows();
    merger.add_window(partial.clone());
    while merger.close_next(Watermark::END, &mut rows).is_some() {}
    rows.push(merger.dim_product());
    rows.push(merger.dim_customer());
    let mut shown: Vec<Vec<String>> = rows.iter().map(show).collect();
    shown.push(vec![merger.is_saturated().to_string()]);
    shown
}

fn merged(left: &WindowPartial, right: &WindowPartial) -> WindowPartial {
    let mut merged = left.clone();
    merged.merge(right);
    merged
}

proptest! {
    #[test]
    fn partials_are_a_commutative_monoid_and_merge_to_the_partial_of_the_union(sketches in sketches(), parts in any::<u64>()) {
        let part = |n| partial(&sketches, |index| (parts >> (index % 32 * 2)) & 3 == n);
        let (a, b, c, d) = (part(0), part(1), part(2), part(3));
        let whole = rows_of(&partial(&sketches, |_| true));
        prop_assert_eq!(&rows_of(&merged(&merged(&merged(&a, &b), &c), &d)), &whole);
        prop_assert_eq!(&rows_of(&merged(&merged(&d, &c), &merged(&b, &a))), &whole);
        let nothing = WindowPartial::new(WindowId(0));
        prop_assert_eq!(rows_of(&merged(&nothing, &a)), rows_of(&a));
        prop_assert_eq!(rows_of(&merged(&a, &nothing)), rows_of(&a));
        let mut sets = a.distinct_sets();
        for part in [b, c, d] {
            sets.merge(&part.distinct_sets());
        }
        let mut whole = partial(&sketches, |_| true);
        let (customers, sessions) = (whole.customer_count() as u64, whole.session_count());
        prop_assert_eq!(sets.count(), DistinctCounts { customers, sessions });
    }
}

#[test]
#[should_panic(expected = "came after it was closed")]
fn a_window_is_never_closed_twice() {
    let mut merger = Merger::new(&Semantics::default());
    let mut rows = merger.empty_rows();
    assert!(merger.close_next(Watermark::at(at(60)), &mut rows).is_none());
    merger.add_window(WindowPartial::new(WindowId(0)));
}

#[test]
#[should_panic(expected = "does not add up")]
fn a_ledger_that_does_not_add_up_never_reaches_a_table() {
    let mut merger = Merger::new(&Semantics::default());
    let mut quality = QualityPartial::new(WindowId(0));
    quality.ledger.records = 2;
    quality.ledger.accepted = 1;
    merger.add_quality(quality);
    let mut rows = merger.empty_rows();
    merger.close_next(Watermark::END, &mut rows);
}

#[test]
fn open_rollups_count_every_closed_base_window_whoever_feeds_them() {
    // 90m is no multiple of 1h and takes base windows itself; 1d takes windows of 90m when they close.
    let rollups = [WindowLength::HOUR, WindowLength::new(Micros::from_seconds(5_400)).unwrap(), WindowLength::DAY];
    let semantics =
        Semantics::new(WindowLength::MINUTE, &rollups, Micros::ZERO, Currency::USD, UtcOffset::ZERO).unwrap();
    let mut pipeline = Pipeline::new(&semantics);
    let mut batch = Batch::default();
    for (n, minute) in [0, 59, 60, 89, 90, 91].into_iter().enumerate() {
        view(&mut batch, &format!("e{n}"), minute * 60, "s1", "c1", "p1");
    }
    pipeline.read(&mut batch);
    // The watermark stands at minute 91, whose own window is open.
    let events: Vec<u64> = pipeline.merger.open_rollups().iter().map(|(_, _, sums)| sums.events).collect();
    assert_eq!(events, [3, 1, 5]);
    pipeline.finish();
    let sessions = |table| -> Vec<String> {
        pipeline.table(table).iter().map(|row| row.split(' ').nth(7).unwrap().to_owned()).collect()
    };
    assert_eq!(
        (sessions("kpis_1h"), sessions("kpis_90m"), sessions("kpis_1d")),
        (vec!["1".to_owned(), "1".to_owned()], vec!["1".to_owned(), "1".to_owned()], vec!["1".to_owned()],)
    );
    assert!(pipeline.merger.open_rollups().is_empty());
}
