//! The shop looks like a shop: bounds on what a person would look at first.
//!
//! Method: a day of events is counted from the batches, as an analyst would from the data, and compared with bounds that
//! are wide enough for a real shop and too narrow for independent draws.

use std::collections::{HashMap, HashSet};

use engine_model::{Batch, Event, EventKind, Micros, Text};
use sim::{Bound, Config, Method, Outage, Shares, Simulator, Span, Stories};

/// Counts over a stretch of event time.
#[derive(Default)]
struct Counts {
    events: u64,
    kinds: HashMap<EventKind, u64>,
    hours: [u64; 24],
    views: HashMap<[u64; 2], u64>,
    viewed: HashSet<[u64; 2]>,
    carted: HashSet<[u64; 2]>,
    ordered: HashSet<[u64; 2]>,
    customers: HashMap<[u64; 2], u64>,
    revenue: i64,
    attempts: HashMap<[u64; 2], u32>,
    paid: HashSet<[u64; 2]>,
    reasons: HashMap<String, u64>,
    methods: HashMap<(String, EventKind), u64>,
    categories: HashMap<String, u64>,
    prices: HashMap<[u64; 2], HashSet<i64>>,
    products: u64,
    known_clicks: u64,
}

impl Counts {
    fn of(config: &Config) -> Counts {
        let mut counts = Counts::default();
        let mut simulator = Simulator::new(config, 0).unwrap();
        let (mut batch, mut slab) = (Batch::default(), Vec::new());
        while !simulator.is_finished() {
            batch.reset(batch.header);
            simulator.next_batch(4_096, &mut batch, &mut slab);
            for event in &batch.events {
                counts.add(event, &batch);
            }
        }
        counts
    }

    fn add(&mut self, event: &Event, batch: &Batch) {
        let shown = |text: Text| String::from_utf8(text.bytes(&batch.arena, &mut [0; 36]).to_vec()).unwrap();
        self.events += 1;
        *self.kinds.entry(event.kind).or_default() += 1;
        let hour = event.time.as_micros() / Micros::HOUR.get() % 24;
        self.hours[usize::try_from(hour).unwrap()] += 1;
        let (session, subject) = (event.session().pack().0, event.subject().pack().0);
        match event.kind {
            EventKind::View => {
                *self.views.entry(subject).or_default() += 1;
                self.viewed.insert(session);
                self.known_clicks += u64::from(!event.customer().is_absent());
            }
            EventKind::AddToCart => {
                self.carted.insert(session);
            }
            EventKind::Checkout | EventKind::Customer => {}
            EventKind::Order => {
                if !event.session().is_absent() {
                    self.ordered.insert(session);
                }
                *self.customers.entry(event.customer().pack().0).or_default() += 1;
                self.revenue += event.amount.get();
                let items = batch.items_of(event);
                let sum: i64 = items.iter().map(|item| item.unit_price.get() * i64::from(item.quantity)).sum();
                assert_eq!(sum, event.amount.get());
                for item in items.iter().filter(|item| !item.category.is_absent()) {
                    *self.categories.entry(shown(item.category)).or_default() += 1;
                }
            }
            EventKind::PaymentSucceeded | EventKind::PaymentFailed => {
                *self.attempts.entry(subject).or_default() += 1;
                let [_, method, reason] = batch.texts_of(event) else { panic!("a payment has three texts") };
                *self.methods.entry((shown(*method), event.kind)).or_default() += 1;
                if event.kind == EventKind::PaymentSucceeded {
                    assert!(self.paid.insert(subject), "nobody pays twice");
                    assert!(reason.is_absent());
                } else {
                    *self.reasons.entry(shown(*reason)).or_default() += 1;
                }
            }
            EventKind::Product => {
                self.products += 1;
                self.prices.entry(subject).or_default().insert(event.amount.get());
            }
        }
    }

    fn kind(&self, kinds: &[EventKind]) -> u64 {
        kinds.iter().filter_map(|kind| self.kinds.get(kind)).sum()
    }
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
fn ratio(part: u64, whole: u64) -> f64 {
    part as f64 / whole as f64
}

fn count(len: usize) -> u64 {
    len as u64
}

#[track_caller]
fn within(what: &str, value: f64, bounds: std::ops::RangeInclusive<f64>) {
    println!("{what}: {value:.4}");
    assert!(bounds.contains(&value), "{what}: {value} is not within {bounds:?}");
}

const CLICKS: [EventKind; 3] = [EventKind::View, EventKind::AddToCart, EventKind::Checkout];
const PAYMENTS: [EventKind; 2] = [EventKind::PaymentSucceeded, EventKind::PaymentFailed];

/// A day of a shop of medium size, without faults.
fn day(stories: Stories) -> Config {
    Config { rate: 40.0, bound: Bound::Duration(Micros::DAY), shares: Shares::NONE, stories, ..Config::default() }
}

#[test]
fn a_day_looks_like_a_day_in_a_shop() {
    let counts = Counts::of(&day(Stories::default()));
    let of_events = |kinds: &[EventKind]| ratio(counts.kind(kinds), counts.events);
    // A Thursday has 0.97 of the week's mean.
    within("rate", ratio(counts.events, 86_400) / 0.97, 39.0..=41.0);
    within("clicks", of_events(&CLICKS), 0.91..=0.935);
    within("orders", of_events(&[EventKind::Order]), 0.025..=0.032);
    within("payments", of_events(&PAYMENTS), 0.026..=0.035);
    within("customers", of_events(&[EventKind::Customer]), 0.01..=0.02);
    within("products", of_events(&[EventKind::Product]), 0.003..=0.006);

    let sessions = count(counts.viewed.len());
    within("clicks a session", ratio(counts.kind(&CLICKS), sessions), 1.7..=3.0);
    within("cart", ratio(count(counts.carted.len()), sessions), 0.06..=0.15);
    within("conversion", ratio(count(counts.ordered.intersection(&counts.viewed).count()), sessions), 0.01..=0.05);
    let orders = counts.kind(&[EventKind::Order]);
    within("aov", ratio(counts.revenue.unsigned_abs(), orders) / 100.0, 20.0..=200.0);

    let mut views: Vec<u64> = counts.views.values().copied().collect();
    views.sort_unstable_by_key(|&count| std::cmp::Reverse(count));
    let total: u64 = views.iter().sum();
    within("share of the top 1 % of products", ratio(views[..50].iter().sum(), total), 0.1..=0.6);
    within("products seen", ratio(count(views.len()), 5_000), 0.99..=1.0);
    within("views by known customers", ratio(counts.known_clicks, total), 0.25..=0.45);

    let mut active: Vec<u64> = counts.customers.values().copied().collect();
    active.sort_unstable_by_key(|&count| std::cmp::Reverse(count));
    let top = active.len() / 100;
    within("orders of the busiest 1 % of customers", ratio(active[..top].iter().sum(), orders), 0.03..=0.4);

    let failed = counts.kind(&[EventKind::PaymentFailed]);
    within("payments failed", ratio(failed, counts.kind(&PAYMENTS)), 0.03..=0.12);
    let retried = count(counts.attempts.values().filter(|&&attempts| attempts > 1).count());
    within("orders retried", ratio(retried, orders), 0.02..=0.10);
    assert!(counts.attempts.values().all(|&attempts| attempts <= 3));
    within("orders paid", ratio(count(counts.paid.len()), orders), 0.95..=1.0);
    assert!(counts.reasons.len() >= 6, "{:?}", counts.reasons);
    assert_eq!(counts.categories.len(), 12);

    let (peak, quietest) = (counts.hours.iter().max().unwrap(), counts.hours.iter().min().unwrap());
    within("peak hour over the quietest", ratio(*peak, *quietest), 2.5..=10.0);
    let changed = counts.prices.values().filter(|prices| prices.len() > 1).count();
    within("products whose price changed", ratio(count(changed), 5_000), 0.1..=0.9);
}

#[test]
fn a_week_end_is_busier_than_a_wednesday() {
    let rate_of = |day_of_month: i64| {
        let start = Config::START + Micros::new((day_of_month - 1) * Micros::DAY.get());
        Counts::of(&Config { start, rate: 5.0, ..day(Stories::default()) }).events
    };
    // 2026-01-07 is a Wednesday, 2026-01-11 a Sunday.
    within("Sunday over Wednesday", ratio(rate_of(11), rate_of(7)), 1.08..=1.2);
}

#[test]
fn stories_show() {
    let plain = Counts::of(&day(Stories::default()));
    let hour = Span::minutes(12 * 60, 60);

    let campaign = Counts::of(&day(Stories { campaign: Some(hour), ..Stories::default() }));
    within("traffic in a campaign", ratio(campaign.hours[12], plain.hours[12]), 1.8..=2.4);
    within("traffic before it", ratio(campaign.hours[10], plain.hours[10]), 0.98..=1.02);

    let outage = Outage { span: Span::minutes(0, 1_440), method: Method::Paypal };
    let outage = Counts::of(&day(Stories { outage: Some(outage), ..Stories::default() }));
    let failed = |counts: &Counts, method: &str| {
        let of = |kind| counts.methods.get(&(method.to_owned(), kind)).copied().unwrap_or(0);
        ratio(of(EventKind::PaymentFailed), of(EventKind::PaymentFailed) + of(EventKind::PaymentSucceeded))
    };
    within("the method's failures", failed(&outage, "paypal"), 0.85..=0.95);
    within("another's failures", failed(&outage, "card"), 0.05..=0.13);

    let sale = Span::minutes(0, 1_440);
    let sale = Counts::of(&day(Stories { flash_sale: Some(sale), ..Stories::default() }));
    let fashion = |counts: &Counts| ratio(counts.categories["fashion"], counts.categories.values().sum());
    within("share of the category on sale", fashion(&sale) / fashion(&plain), 1.7..=4.0);
    within("product events of the sale", ratio(sale.products, plain.products), 1.02..=1.5);
}

#[test]
fn lines_have_the_expected_length() {
    for rate in [40.0, 1_000.0] {
        let mut text = Vec::new();
        let mut simulator = Simulator::new(&Config { rate, ..Config::default() }, 0).unwrap();
        let count = simulator.write_lines(500_000, &mut text);
        within("bytes a line", ratio(text.len() as u64, count as u64), 205.0..=225.0);
    }
}
