//! Journeys: visitors arrive, look, compare, put into the cart, leave or check out, order, pay, and try again.
//!
//! All of a lane's sessions, and the changes of its catalogue, as one stream in the order of event time.

use engine_model::EventTime;

use crate::calendar::{Calendar, Slot};
use crate::catalogue::Catalogue;
use crate::config::{Bound, Config};
use crate::customer::{Customer, Customers, Segment};
use crate::draw::{Chance, Draws, Purpose, high, low, scaled};
use crate::payment::Method;
use crate::quantile::{ONE, Quantiles};
use crate::record::{Action, Body, CART_MAX, Device, Order, OrderItem, Status};
use crate::traffic::{Bounds, Traffic};

/// Events a visit makes, on the mean of a day without a story; measured, and held by a test of the rate.
const EVENTS_PER_VISIT: f64 = 1.972;
/// Part of all events that does not come from visits.
const CATALOGUE_SHARE: f64 = 0.003;
/// The most sessions under way in a lane: 16 MiB. The pace of the visitors is set so that the busiest hour needs about
/// half; should there be more all the same, the visitor who finds no room leaves after the first event.
const SESSIONS_MAX: usize = 1 << 18;
/// How many sessions are under way at a visit a second.
const SECONDS_PER_VISIT: f64 = 20.0;
/// Curve, weekday, campaign and chance together stay below this times the mean.
const PEAK: f64 = 6.0;
/// Visitors come this long before the start, unseen, so that the first minute is a minute like any other.
const WARM_UP_MICROS: f64 = 180e6;
/// The warm-up makes at most about this many events.
const WARM_UP_EVENTS: f64 = 300_000.0;

/// A visit under way.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Session {
    number: u64,
    customer: Customer,
    /// Cents of the order.
    total: u32,
    /// The product looked at.
    product: u32,
    /// Products, each with its units in the upper eight bits.
    cart: [u32; CART_MAX],
    cart_count: u8,
    stage: Stage,
    intent: Intent,
    device: Device,
    method: Method,
    attempt: u8,
    segment: Segment,
    is_standing: bool,
}

/// What a visitor does next.
#[derive(Clone, Copy, Debug, Default)]
enum Stage {
    #[default]
    View,
    AddToCart,
    Checkout,
    SignUp,
    Order,
    Payment,
    Profile,
}

/// What a visitor came for.
#[derive(Clone, Copy, Debug, Default)]
enum Intent {
    /// Sees one product and leaves.
    #[default]
    Glance,
    /// Looks around.
    Browse,
    /// Means to buy.
    Buy,
}

/// The sessions and the catalogue of a lane.
#[derive(Clone, Debug)]
pub(crate) struct Journeys {
    shop: Shop,
    calendar: Calendar,
    traffic: Traffic,
    /// What happens in the ticks taken out of the calendar, in order: microseconds since `ready_base` in the upper half,
    /// a slot or one of the two numbers below in the lower.
    ready: Vec<u64>,
    ready_next: usize,
    ready_base: i64,
    end: i64,
    visit_number: u64,
}

/// In `ready`: somebody arrives.
const ARRIVAL: u32 = u32::MAX;
/// In `ready`: the catalogue changes.
const CHANGE: u32 = u32::MAX - 1;

/// What visitors meet.
#[derive(Clone, Debug)]
struct Shop {
    catalogue: Catalogue,
    customers: Customers,
    draws: Draws,
    pauses: Quantiles,
    /// The pace of the visitors in 1/65 536 of that of people.
    pace: u64,
    pause_min: i64,
    pause_max: i64,
    campaign: Option<Bounds>,
    outage: Option<(Bounds, Method)>,
}

/// Mean pauses in milliseconds, on a desktop and on a mobile device.
type Pause = [u32; 2];
const BEFORE_VIEW: Pause = [24_000, 15_000];
const BEFORE_CART: Pause = [14_000, 9_000];
const BEFORE_CHECKOUT: Pause = [20_000, 14_000];
const BEFORE_ORDER: Pause = [50_000, 38_000];
const BEFORE_PAYMENT: Pause = [2_000, 2_500];
const BEFORE_RETRY: Pause = [28_000, 22_000];
const BEFORE_PROFILE: Pause = [6_000, 9_000];

/// Arrivals that are standing orders: without a visit.
const STANDING: Chance = Chance::ppm(14_000);
const MOBILE: Chance = Chance::permille(620);
/// Visitors known from the first click.
const LOGGED_IN: Chance = Chance::permille(300);
/// Of those who order and are not known yet, how many are new.
const SIGNED_UP: Chance = Chance::permille(80);
const SAME_SHELF: Chance = Chance::permille(500);
/// Views drawn to a flash sale while there is one.
const FLASHED: Chance = Chance::permille(333);
const RETRIED: Chance = Chance::permille(720);
const METHOD_CHANGED: Chance = Chance::permille(300);
/// Customers whose data changes after a payment: loyalty, mostly.
const PROFILED: Chance = Chance::permille(500);
const ATTEMPTS_MAX: u8 = 3;

impl Journeys {
    /// The journeys of a lane from the config's start on.
    pub(crate) fn new(config: &Config, lane: u32) -> Journeys {
        let rate = config.rate / f64::from(config.lanes);
        let visits = rate * (1.0 - CATALOGUE_SHARE) / EVENTS_PER_VISIT;
        let sessions = visits * SECONDS_PER_VISIT * PEAK;
        let room = f64::from(u32::try_from(SESSIONS_MAX).expect("2^18"));
        let pace = (room / sessions).min(1.0);
        let start = config.start.as_micros();
        let warm_up = (WARM_UP_MICROS * pace).min(WARM_UP_EVENTS * 1e6 / rate);
        let origin = start - whole(warm_up);
        let tick_log2 = (1e6 / rate).clamp(4.0, 16_384.0);
        let calendar = Calendar::new(origin, ilog2(tick_log2), SESSIONS_MAX);
        let bounds = |span| Bounds::of(span, config);
        let shop = Shop {
            catalogue: Catalogue::new(config, lane),
            customers: Customers::new(config.customers, lane, config.lanes),
            draws: Draws::new(config.seed, Purpose::Journey, lane),
            pauses: Quantiles::log_logistic(0.45),
            pace: whole(pace * 65_536.0).unsigned_abs(),
            pause_min: calendar.delay_min(),
            pause_max: calendar.delay_max(),
            campaign: config.stories.campaign.map(bounds),
            outage: config.stories.outage.map(|outage| (bounds(outage.span), outage.method)),
        };
        let end = match config.bound {
            Bound::Duration(span) => start.saturating_add(span.get()),
            Bound::None | Bound::Records(_) => EventTime::EVENT_MAX.as_micros(),
        };
        let traffic = Traffic::new(config, lane, visits, origin);
        let mut journeys = Journeys {
            shop,
            traffic,
            ready: Vec::new(),
            ready_next: 0,
            ready_base: calendar.taken_until(),
            calendar,
            end,
            visit_number: 0,
        };
        while journeys.due().is_some_and(|due| due < start) {
            let _unseen = journeys.act();
        }
        journeys
    }

    /// When something happens next, in microseconds of event time; never before anything given earlier. `None` at the
    /// end.
    #[inline]
    pub(crate) fn due(&mut self) -> Option<i64> {
        if self.ready_next == self.ready.len() && !self.take() {
            return None;
        }
        let due = self.ready_base + i64::from(high(self.ready[self.ready_next]));
        (due < self.end).then_some(due)
    }

    /// Takes the next ticks with anything in them out of the calendar. Whether there are any before the end.
    fn take(&mut self) -> bool {
        self.ready.clear();
        self.ready_next = 0;
        while self.ready.is_empty() {
            let base = self.calendar.taken_until();
            if base >= self.end {
                return false;
            }
            let ready = &mut self.ready;
            self.ready_base = base;
            self.calendar.take(|time, Slot(slot)| ready.push(moment(time - base, slot)));
            let until = self.calendar.taken_until();
            while self.traffic.due() < until {
                ready.push(moment((self.traffic.due() - base).max(0), ARRIVAL));
                self.traffic.arrive();
            }
            // At most one change at a time: those after it follow in the next ticks, a moment late.
            if self.shop.catalogue.due() < until {
                ready.push(moment((self.shop.catalogue.due() - base).max(0), CHANGE));
            }
            ready.sort_unstable();
        }
        true
    }

    /// Lets happen what [`Journeys::due`] announced. `None` where it is another lane's to tell.
    #[inline]
    pub(crate) fn act(&mut self) -> Option<Body> {
        let moment = self.ready[self.ready_next];
        self.ready_next += 1;
        let time = self.ready_base + i64::from(high(moment));
        match low(moment) {
            CHANGE => self.shop.catalogue.change(),
            ARRIVAL => {
                let mut session = self.shop.arrival(self.visit_number, time);
                self.visit_number += 1;
                let (body, pause) = self.shop.act(&mut session, time);
                if let Some(pause) = pause {
                    self.calendar.begin(session, time + pause);
                }
                Some(body)
            }
            slot => {
                let session = self.calendar.session(Slot(slot));
                let (body, pause) = self.shop.act(session, time);
                match pause {
                    Some(pause) => self.calendar.again(Slot(slot), time + pause),
                    None => self.calendar.end(Slot(slot)),
                }
                Some(body)
            }
        }
    }
}

impl Shop {
    /// Somebody arrives, or a standing order falls due.
    #[inline]
    fn arrival(&mut self, number: u64, time: i64) -> Session {
        let bits = self.draws.next();
        if STANDING.hits(high(bits)) {
            return self.standing(number);
        }
        let more = self.draws.next();
        let mut session = Session { number, product: self.product(None), ..Session::default() };
        if LOGGED_IN.hits(low(bits)) {
            (session.customer, session.segment) = self.customers.returning(self.draws.next());
        }
        if MOBILE.hits(low(more)) {
            session.device = Device::Mobile;
        }
        let mut buyers = if session.customer.is_known() { 180 } else { 105 };
        if self.campaign.is_some_and(|campaign| campaign.contains(time)) {
            buyers = buyers * 8 / 5;
        }
        session.intent = match scaled(high(more), 1_000) {
            place if place < buyers => Intent::Buy,
            place if place < buyers + 320 => Intent::Browse,
            _ => Intent::Glance,
        };
        session
    }

    #[cold]
    fn standing(&mut self, number: u64) -> Session {
        let (customer, segment) = self.customers.returning(self.draws.next());
        let stage = Stage::Order;
        let mut session = Session { number, customer, segment, stage, is_standing: true, ..Session::default() };
        for _ in 0..=self.draws.below(3) {
            session.product = self.product(None);
            let bits = self.draws.next();
            session.put(high(bits));
        }
        session
    }

    /// The product somebody looks at, after another one or as the first.
    #[inline]
    fn product(&mut self, before: Option<u32>) -> u32 {
        let bits = self.draws.next();
        if let Some(product) = self.catalogue.on_sale(bits)
            && FLASHED.hits(low(bits))
        {
            return product;
        }
        match before {
            Some(before) if SAME_SHELF.hits(low(bits)) => self.catalogue.related(before, bits),
            Some(_) | None => self.catalogue.popular(self.draws.next()),
        }
    }

    /// The visitor does what is next: what is seen of it, and how long until the next thing, if there is one.
    #[inline]
    fn act(&mut self, session: &mut Session, time: i64) -> (Body, Option<i64>) {
        match session.stage {
            Stage::View => self.view(session),
            Stage::AddToCart => self.add_to_cart(session),
            Stage::Checkout => self.checkout(session),
            Stage::SignUp => self.sign_up(session),
            Stage::Order => self.order(session),
            Stage::Payment => self.pay(session, time),
            Stage::Profile => (session.profile(), None),
        }
    }

    #[inline]
    fn view(&mut self, session: &mut Session) -> (Body, Option<i64>) {
        let seen = session.click(Action::View);
        if matches!(session.intent, Intent::Glance) {
            return (seen, None);
        }
        let bits = self.draws.next();
        let (added, viewed) = match session.intent {
            Intent::Glance | Intent::Browse => (25, 590),
            Intent::Buy => (430, 400),
        };
        let place = scaled(high(bits), 1_000);
        let pause = if place < added {
            session.stage = Stage::AddToCart;
            BEFORE_CART
        } else if place < added + viewed {
            session.product = self.product(Some(session.product));
            BEFORE_VIEW
        } else {
            return (seen, None);
        };
        (seen, Some(self.pause(pause, session.device, bits << 32)))
    }

    #[cold]
    fn add_to_cart(&mut self, session: &mut Session) -> (Body, Option<i64>) {
        let seen = session.click(Action::AddToCart);
        let bits = self.draws.next();
        session.put(low(bits));
        let (left, viewed) = match session.intent {
            Intent::Glance | Intent::Browse => (120, 380),
            Intent::Buy => (520, 340),
        };
        let place = scaled(high(bits), 1_000);
        let pause = if place < left {
            session.stage = Stage::Checkout;
            BEFORE_CHECKOUT
        } else if place < left + viewed {
            session.stage = Stage::View;
            session.product = self.product(Some(session.product));
            BEFORE_VIEW
        } else {
            return (seen, None);
        };
        let bits = self.draws.next();
        (seen, Some(self.pause(pause, session.device, bits)))
    }

    #[cold]
    fn checkout(&mut self, session: &mut Session) -> (Body, Option<i64>) {
        let seen = session.click(Action::Checkout);
        let bits = self.draws.next();
        if scaled(high(bits), 1_000) >= 740 {
            return (seen, None);
        }
        session.stage = Stage::Order;
        if !session.customer.is_known() {
            if SIGNED_UP.hits(low(bits)) {
                (session.customer, session.segment) = self.customers.sign_up();
                session.stage = Stage::SignUp;
            } else {
                (session.customer, session.segment) = self.customers.returning(self.draws.next());
            }
        }
        let bits = self.draws.next();
        (seen, Some(self.pause(BEFORE_ORDER, session.device, bits)))
    }

    #[cold]
    fn sign_up(&mut self, session: &mut Session) -> (Body, Option<i64>) {
        session.stage = Stage::Order;
        let bits = self.draws.next();
        (session.profile(), Some(self.pause(BEFORE_PAYMENT, session.device, bits)))
    }

    #[cold]
    fn order(&mut self, session: &mut Session) -> (Body, Option<i64>) {
        let mut items = [OrderItem::default(); CART_MAX];
        let mut total = 0;
        for (item, entry) in items.iter_mut().zip(&session.cart[..usize::from(session.cart_count)]) {
            let product = entry & 0xFF_FFFF;
            let quantity = entry.to_be_bytes()[0];
            let price = self.catalogue.price(product);
            total += price * u32::from(quantity);
            *item = OrderItem { product, price, quantity, category: self.catalogue.category(product) };
        }
        session.total = total;
        session.stage = Stage::Payment;
        let order = Order {
            number: session.number,
            customer: session.customer,
            has_session: !session.is_standing,
            // One mobile app of four is an old version.
            has_categories: matches!(session.device, Device::Desktop) || !session.number.is_multiple_of(4),
            total,
            item_count: session.cart_count,
            items,
        };
        let bits = self.draws.next();
        session.method = Method::draw(low(bits));
        (Body::Order(order), Some(self.pause(BEFORE_PAYMENT, session.device, bits)))
    }

    #[cold]
    fn pay(&mut self, session: &mut Session, time: i64) -> (Body, Option<i64>) {
        let bits = self.draws.next();
        let method = session.method;
        let is_out = self.outage.is_some_and(|(bounds, out)| out == method && bounds.contains(time));
        let status = if is_out && Method::OUTAGE.0.hits(high(bits)) {
            Status::Failed { reason: Method::OUTAGE.1 }
        } else if !is_out && method.failure().hits(high(bits)) {
            Status::Failed { reason: method.failure_reason(low(bits)) }
        } else {
            Status::Succeeded
        };
        let (number, attempt) = (session.number, session.attempt);
        let (customer, amount) = (session.customer, session.total);
        let seen = Body::Payment { order: number, attempt, customer, amount, method, status };
        let next = self.draws.next();
        let pause = match status {
            Status::Failed { .. } => {
                if attempt + 1 == ATTEMPTS_MAX || !RETRIED.hits(high(next)) {
                    return (seen, None);
                }
                session.attempt += 1;
                if METHOD_CHANGED.hits(low(next)) {
                    session.method = Method::draw(high(self.draws.next()));
                }
                BEFORE_RETRY
            }
            Status::Succeeded => {
                if !PROFILED.hits(high(next)) {
                    return (seen, None);
                }
                session.stage = Stage::Profile;
                BEFORE_PROFILE
            }
        };
        let bits = self.draws.next();
        (seen, Some(self.pause(pause, session.device, bits)))
    }

    /// A pause in microseconds, given random bits, of which the upper ten count.
    #[inline]
    fn pause(&self, mean: Pause, device: Device, bits: u64) -> i64 {
        // At most 50 000 ms times 12 in 16 bits of fraction, times a pace of at most 2^16: below 2^56 and 2^63.
        let micros = u64::from(mean[device as usize]) * 1_000 * self.pauses.pick(bits) / ONE;
        i64::try_from(micros * self.pace / ONE).expect("below 2^63").clamp(self.pause_min, self.pause_max)
    }
}

impl Session {
    #[inline]
    fn click(&self, action: Action) -> Body {
        let Session { number: session, customer, product, device, .. } = *self;
        Body::Click { session, customer, product, action, device }
    }

    fn profile(&self) -> Body {
        Body::Customer { customer: self.customer, segment: self.segment }
    }

    /// Puts the product looked at into the cart, or more of it where it is there; a full cart stays as it is.
    fn put(&mut self, bits: u32) {
        let units = match scaled(bits, 100) {
            0..80 => 1,
            80..94 => 2,
            _ => 3,
        };
        let count = usize::from(self.cart_count);
        if let Some(entry) = self.cart[..count].iter_mut().find(|entry| **entry & 0xFF_FFFF == self.product) {
            // A hundred more of anything is a mistake no visitor makes.
            *entry = (*entry + (units << 24)).min(99 << 24 | self.product);
        } else if count < CART_MAX {
            self.cart[count] = units << 24 | self.product;
            self.cart_count += 1;
        }
    }
}

#[inline]
fn moment(micros: i64, what: u32) -> u64 {
    debug_assert!((0..1 << 32).contains(&micros));
    micros.unsigned_abs() << 32 | u64::from(what)
}

#[expect(clippy::cast_possible_truncation, reason = "stops at the type's end")]
fn whole(number: f64) -> i64 {
    number as i64
}

fn ilog2(number: f64) -> u32 {
    whole(number).ilog2()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Span, Stories};

    /// The busiest moment there is, in steady state: a campaign on a Sunday at half past eight in the evening.
    #[test]
    fn the_pace_keeps_the_sessions_within_their_room() {
        let campaign = Some(Span::minutes(0, 60));
        let start = EventTime::from_micros(Config::START.as_micros() + (3 * 1_440 + 20 * 60 + 30) * 60_000_000);
        let stories = Stories { campaign, ..Stories::default() };
        let mut most = Vec::new();
        for (rate, events) in [(500.0, 300_000), (50_000.0, 1_500_000)] {
            let mut journeys = Journeys::new(&Config { rate, start, stories, ..Config::default() }, 0);
            for _ in 0..events {
                assert!(journeys.due().is_some());
                let _body = journeys.act();
            }
            most.push(journeys.calendar.entry_count());
        }
        assert!((10_000..60_000).contains(&most[0]), "{most:?}");
        assert!((SESSIONS_MAX / 4..SESSIONS_MAX * 9 / 10).contains(&most[1]), "{most:?}");
    }
}
