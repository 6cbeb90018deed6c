//! What a shard knows of one base window: a value that merges.
//!
//! All of it adds up at once but the category of an item that came without one. That is known when the window closes
//! (its product's newest accepted event may lie in another shard or arrive later), so such items are kept by product,
//! and of an order that mixes them with others the set of its categories and products is kept: an order counts once
//! for a category, however many of its items resolve to it.

use engine_model::{Batch, Event, EventKind, Item, Text, TextArena, WindowId};

use crate::dimension::{Dimension, Version};
use crate::distinct::DistinctSets;
use crate::sessions::StageMask;
use crate::text_map::{Tag, TextTable, with_margin};
use crate::totals::{ProductSums, Sold, Sums, Totals, payment_key};

/// The category of items of which nobody knows better.
const UNKNOWN: &[u8] = b"unknown";

/// Items without a category, until the catalogue of their window is known.
#[derive(Clone, Debug, Default)]
struct Unresolved {
    /// By product: units and revenue of such items; `orders` of those orders that hold such items of this product and
    /// no item of another product or category.
    products: TextTable<Sold>,
    /// All other orders with such items, one after another: the number of distinct categories, the number of distinct
    /// products, then their places in `Totals::categories` and in `products`.
    mixed_orders: Vec<u32>,
}

impl Unresolved {
    fn orders(&self) -> impl Iterator<Item = (&[u32], &[u32])> {
        let mut rest = self.mixed_orders.as_slice();
        std::iter::from_fn(move || {
            let [categories, products, tail @ ..] = rest else { return None };
            let (categories, tail) = tail.split_at(*categories as usize);
            let (products, tail) = tail.split_at(*products as usize);
            rest = tail;
            Some((categories, products))
        })
    }

    fn push_order(&mut self, categories: &[u32], products: &[u32]) {
        let length = |places: &[u32]| u32::try_from(places.len()).expect("an order has at most 100 items");
        self.mixed_orders.extend([length(categories), length(products)]);
        self.mixed_orders.extend_from_slice(categories);
        self.mixed_orders.extend_from_slice(products);
    }
}

/// What is known of one base window from a set of accepted events.
///
/// A commutative monoid: [`WindowPartial::new`] is neutral, and [`WindowPartial::merge`] of the partials of two
/// disjoint sets of events is the partial of their union, up to the order of keys in memory.
#[derive(Clone, Debug)]
pub struct WindowPartial {
    window: WindowId,
    totals: Totals,
    unresolved: Unresolved,
    products: Dimension,
    customers: Dimension,
}

/// The tags of an event's identifiers, made once and used by every table.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct EventTags {
    pub(crate) event_id: Tag,
    session: Tag,
    customer: Tag,
    subject: Tag,
}

impl EventTags {
    #[inline]
    pub(crate) fn of(event: &Event) -> EventTags {
        EventTags {
            event_id: Tag::of(&event.event_id()),
            session: Tag::of(&event.session()),
            customer: Tag::of(&event.customer()),
            subject: Tag::of(&event.subject()),
        }
    }
}

/// Working memory of a shard for taking events in; holds nothing between two events.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scratch {
    product_places: Vec<u32>,
    category_places: Vec<u32>,
    unresolved_places: Vec<u32>,
    key: Vec<u8>,
    key_arena: TextArena,
}

fn place(index: usize) -> u32 {
    u32::try_from(index).expect("a window holds less than 2^32 keys")
}

/// Whether `place` was not in `places` yet. Orders have at most 100 items, mostly one or two, so a scan is best.
fn add_once(places: &mut Vec<u32>, place: u32) -> bool {
    let is_new = !places.contains(&place);
    if is_new {
        places.push(place);
    }
    is_new
}

impl WindowPartial {
    /// Nothing known yet of `window`.
    #[must_use]
    pub fn new(window: WindowId) -> WindowPartial {
        WindowPartial {
            window,
            totals: Totals::default(),
            unresolved: Unresolved::default(),
            products: Dimension::default(),
            customers: Dimension::default(),
        }
    }

    /// Nothing known yet of `window`, with room for as much as is known of another one.
    #[must_use]
    pub(crate) fn like(window: WindowId, other: &WindowPartial) -> WindowPartial {
        let mut partial = WindowPartial::new(window);
        partial.totals.sessions.reserve_like(&other.totals.sessions);
        partial.totals.customers.reserve(with_margin(other.totals.customers.len()));
        partial.totals.products.reserve(with_margin(other.totals.products.len()));
        partial
    }

    /// The base window.
    #[must_use]
    pub fn window(&self) -> WindowId {
        self.window
    }

    /// The additive figures.
    #[must_use]
    pub fn sums(&self) -> &Sums {
        &self.totals.sums
    }

    /// A copy of the distinct sets, to be merged with those of other shards and counted.
    #[must_use]
    pub(crate) fn distinct_sets(&self) -> DistinctSets {
        DistinctSets::of(self.window, &self.totals)
    }

    /// Distinct sessions known here. Costs a pass over all events' sessions.
    #[must_use]
    pub fn session_count(&mut self) -> u64 {
        self.totals.sessions.count().sessions
    }

    /// Distinct customers known here.
    #[must_use]
    pub fn customer_count(&self) -> usize {
        self.totals.customers.len()
    }

    /// Distinct products known here.
    #[must_use]
    pub fn product_count(&self) -> usize {
        self.totals.products.len()
    }

    /// Bytes of memory held, by kind: sessions, customers, products, everything.
    #[must_use]
    pub fn memory_bytes(&self) -> [usize; 4] {
        let totals = &self.totals;
        let unresolved = self.unresolved.products.memory_bytes() + self.unresolved.mixed_orders.capacity() * 4;
        let dimensions = self.products.memory_bytes() + self.customers.memory_bytes();
        [
            totals.sessions.memory_bytes(),
            totals.customers.memory_bytes(),
            totals.products.memory_bytes(),
            totals.memory_bytes() + unresolved + dimensions,
        ]
    }

    /// Fetches what adding an event of these tags will touch first.
    #[inline]
    pub(crate) fn prefetch(&self, tags: &EventTags) {
        self.totals.customers.prefetch(tags.customer);
        self.totals.products.prefetch(tags.subject);
    }

    /// Fetches what adding an event of these tags will touch next, once what [`WindowPartial::prefetch`] fetched is there.
    #[inline]
    pub(crate) fn prefetch_entries(&self, tags: &EventTags) {
        self.totals.customers.prefetch_entry(tags.customer);
        self.totals.products.prefetch_entry(tags.subject);
    }

    /// Counts one accepted event.
    #[inline]
    pub(crate) fn add(&mut self, event: &Event, tags: &EventTags, batch: &Batch, scratch: &mut Scratch) {
        let arena = batch.arena.as_slice();
        self.totals.sums.events += 1;
        if event.kind.is_activity() && !event.customer().is_absent() {
            self.totals.customers.entry_with_tag(&event.customer(), arena, tags.customer, || ());
        }
        match event.kind {
            EventKind::View => {
                self.see_session(event, arena, tags, 1);
                self.product(event, arena, tags).views += 1;
            }
            EventKind::AddToCart => {
                self.see_session(event, arena, tags, 2);
                self.product(event, arena, tags).add_to_carts += 1;
            }
            EventKind::Checkout => {
                self.see_session(event, arena, tags, 4);
                if !event.subject().is_absent() {
                    self.product(event, arena, tags);
                }
            }
            EventKind::Order => {
                if !event.session().is_absent() {
                    self.see_session(event, arena, tags, 8);
                }
                self.add_order(event, batch.items_of(event), arena, scratch);
            }
            EventKind::PaymentSucceeded | EventKind::PaymentFailed => {
                self.add_payment(event, batch.texts_of(event), arena, scratch);
            }
            EventKind::Customer => {
                self.customers.apply(&event.customer(), &version_of(event, batch.texts_of(event)), arena);
            }
            EventKind::Product => {
                self.products.apply(&event.subject(), &version_of(event, batch.texts_of(event)), arena);
            }
        }
    }

    #[inline]
    fn see_session(&mut self, event: &Event, arena: &[u8], tags: &EventTags, stage: StageMask) {
        self.totals.sessions.add(&event.session(), arena, tags.session, stage);
    }

    #[inline]
    fn product(&mut self, event: &Event, arena: &[u8], tags: &EventTags) -> &mut ProductSums {
        self.totals.products.entry_with_tag(&event.subject(), arena, tags.subject)
    }

    fn add_order(&mut self, event: &Event, items: &[Item], arena: &[u8], scratch: &mut Scratch) {
        let Totals { sums, products, categories, .. } = &mut self.totals;
        let Scratch { product_places, category_places, unresolved_places, .. } = scratch;
        sums.orders += 1;
        sums.revenue.add(event.amount);
        product_places.clear();
        category_places.clear();
        unresolved_places.clear();
        for item in items {
            let revenue = item.unit_price.saturating_mul(item.quantity);
            sums.units += u64::from(item.quantity);
            let product = products.intern(&item.product, arena);
            products.records[product].sold.add_item(item.quantity, revenue);
            if add_once(product_places, place(product)) {
                products.records[product].sold.orders += 1;
            }
            let (table, places) = if item.category.is_absent() {
                (&mut self.unresolved.products, &mut *unresolved_places)
            } else {
                (&mut *categories, &mut *category_places)
            };
            let key = if item.category.is_absent() { &item.product } else { &item.category };
            let index = table.intern(key, arena);
            table.records[index].add_item(item.quantity, revenue);
            add_once(places, place(index));
        }
        match (category_places.as_slice(), unresolved_places.as_slice()) {
            (resolved, []) => resolved.iter().for_each(|&place| categories.records[place as usize].orders += 1),
            ([], &[only]) => self.unresolved.products.records[only as usize].orders += 1,
            (categories, products) => self.unresolved.push_order(categories, products),
        }
    }

    fn add_payment(&mut self, event: &Event, texts: &[Text], arena: &[u8], scratch: &mut Scratch) {
        let Scratch { key, key_arena, .. } = scratch;
        let [_payment_id, method, failure_reason] = texts else {
            unreachable!("a payment comes with three texts, not {}", texts.len());
        };
        let succeeded = event.kind == EventKind::PaymentSucceeded;
        let sums = &mut self.totals.sums;
        if succeeded {
            sums.payments_succeeded += 1;
            sums.paid_revenue.add(event.amount);
        } else {
            sums.payments_failed += 1;
        }
        let (method_buffer, reason_buffer) = (&mut [0; 36], &mut [0; 36]);
        let reason = (!failure_reason.is_absent()).then(|| failure_reason.bytes(arena, reason_buffer));
        payment_key(method.bytes(arena, method_buffer), succeeded, reason, key);
        key_arena.clear();
        let text = Text::new(key, key_arena);
        let payments = self.totals.payments.entry(&text, key_arena);
        payments.payments += 1;
        payments.amount.add(event.amount);
    }

    /// Adds what is known from another, disjoint set of events of the same window.
    ///
    /// # Panics
    /// Where the windows differ.
    pub fn merge(&mut self, other: &WindowPartial) {
        assert_eq!(self.window, other.window, "partials of different windows");
        self.totals.merge(&other.totals);
        self.products.merge(&other.products);
        self.customers.merge(&other.customers);
        let theirs = &other.unresolved;
        if theirs.products.len() == 0 {
            return;
        }
        let mut product_places = vec![0; theirs.products.len()];
        for (product, index) in theirs.products.keys() {
            let ours = self.unresolved.products.intern(&product, theirs.products.arena());
            self.unresolved.products.records[ours].merge(&theirs.products.records[index]);
            product_places[index] = place(ours);
        }
        let mut category_places = vec![0; other.totals.categories.len()];
        for (category, index) in other.totals.categories.keys() {
            category_places[index] = place(self.totals.categories.intern(&category, other.totals.categories.arena()));
        }
        for (categories, products) in theirs.orders() {
            let ours = |places: &[u32], map: &[u32]| -> Vec<u32> {
                places.iter().map(|&theirs| map[theirs as usize]).collect()
            };
            self.unresolved.push_order(&ours(categories, &category_places), &ours(products, &product_places));
        }
    }

    /// Takes the window's products and customers into the catalogue, then gives every item its category.
    pub(crate) fn resolve(mut self, catalogue: &mut Dimension, customers: &mut Dimension) -> Totals {
        catalogue.merge(&self.products);
        customers.merge(&self.customers);
        let categories = &mut self.totals.categories;
        let mut category_of = vec![0; self.unresolved.products.len()];
        for (product, index) in self.unresolved.products.keys() {
            let version = catalogue.get(&product, self.unresolved.products.arena());
            let resolved = match version {
                Some(version) => categories.intern(&version.texts[1], catalogue.arena()),
                None => categories.intern(&Text::in_place(UNKNOWN).expect("seven bytes"), &[]),
            };
            category_of[index] = place(resolved);
            categories.records[resolved].merge(&self.unresolved.products.records[index]);
        }
        let mut distinct = Vec::new();
        for (explicit, products) in self.unresolved.orders() {
            distinct.clear();
            let resolved = products.iter().map(|&product| category_of[product as usize]);
            for place in explicit.iter().copied().chain(resolved) {
                if add_once(&mut distinct, place) {
                    categories.records[place as usize].orders += 1;
                }
            }
        }
        self.totals
    }
}

fn version_of(event: &Event, texts: &[Text]) -> Version {
    let &[first, second] = texts else {
        unreachable!("a product or customer comes with two texts, not {}", texts.len());
    };
    Version { time: event.time, event_id: event.event_id(), texts: [first, second], price: event.amount }
}
