//! The catalogue: products with prices and categories, how popular each is, and how all that changes.
//!
//! Every lane goes through the same catalogue in step with event time, from the same draws, so all lanes see the same
//! prices without talking to each other. Each product has one lane that tells of its changes.

use crate::config::Config;
use crate::draw::{Chance, Draws, Purpose, hashed, high, low, scaled};
use crate::identity::eight_digits;
use crate::popularity::Popularity;
use crate::quantile::{ONE, Quantiles};
use crate::record::Body;

/// A category: its name, how many of a thousand products it has, its median price in cents, and what is sold there.
struct Category {
    name: &'static str,
    weight: u32,
    price: u32,
    nouns: [&'static str; 8],
}

#[rustfmt::skip]
const CATEGORIES: [Category; 12] = [
    Category { name: "books", weight: 140, price: 1_490, nouns: ["Novel", "Cookbook", "Atlas", "Memoir", "Field Guide", "Anthology", "Picture Book", "Thriller"] },
    Category { name: "fashion", weight: 170, price: 3_490, nouns: ["Shirt", "Dress", "Jeans", "Cardigan", "Scarf", "Jacket", "Skirt", "Beanie"] },
    Category { name: "shoes", weight: 80, price: 6_490, nouns: ["Sneakers", "Boots", "Sandals", "Loafers", "Trail Shoes", "Slippers", "Pumps", "Clogs"] },
    Category { name: "beauty", weight: 90, price: 1_690, nouns: ["Face Cream", "Serum", "Lipstick", "Shampoo", "Perfume", "Hand Balm", "Mascara", "Soap Set"] },
    Category { name: "kitchen", weight: 90, price: 2_990, nouns: ["Café Press", "Pan", "Knife Set", "Kettle", "Blender", "Bowl", "Tea Pot", "Grinder"] },
    Category { name: "home", weight: 100, price: 3_990, nouns: ["Desk Lamp", "Cushion", "Rug", "Mirror", "Shelf", "Blanket", "Vase", "Clock"] },
    Category { name: "electronics", weight: 80, price: 8_990, nouns: ["Headphones", "Speaker", "Charger", "Keyboard", "Monitor", "Webcam", "Tablet", "Router"] },
    Category { name: "sports", weight: 70, price: 3_890, nouns: ["Yoga Mat", "Dumbbell", "Racket", "Bottle", "Tent", "Backpack", "Helmet", "Rope"] },
    Category { name: "toys", weight: 70, price: 2_290, nouns: ["Puzzle", "Robot", "Building Set", "Plush Bear", "Board Game", "Kite", "Train", "Doll"] },
    Category { name: "garden", weight: 40, price: 2_690, nouns: ["Planter", "Hose", "Shears", "Bench", "Lantern", "Seed Box", "Rake", "Grill"] },
    Category { name: "pets", weight: 40, price: 1_890, nouns: ["Dog Bed", "Cat Tree", "Leash", "Bird Feeder", "Aquarium", "Chew Toy", "Brush", "Carrier"] },
    Category { name: "grocery", weight: 30, price: 890, nouns: ["Espresso Beans", "Olive Oil", "Chocolate", "Green Tea", "Honey", "Pasta Box", "Granola", "Spice Mix"] },
];

const ADJECTIVES: [&str; 16] = [
    "Nordic", "Classic", "Urban", "Alpine", "Coastal", "Vintage", "Modern", "Cosy", "Bright", "Velvet", "Smart",
    "Rustic", "Golden", "Silent", "Swift", "Everyday",
];

/// At most this part of all events announces the catalogue at the start.
const ANNOUNCEMENT_SHARE: f64 = 0.05;
/// The catalogue is announced over at least this long.
const ANNOUNCEMENT_MICROS_MIN: u64 = 120_000_000;
/// Part of all events that tells of a product's change.
const CHANGE_SHARE: f64 = 0.003;
/// A flash sale's new prices are told over this long, and its end too.
const FLASH_MICROS: i64 = 60_000_000;
/// What is left of a price in a flash sale, in thousandths.
const FLASH_PRICE: u32 = 650;
/// How many of the changes move a product to another category.
const RECLASSIFIED: Chance = Chance::permille(15);

#[derive(Clone, Copy, Debug)]
struct Product {
    /// Cents, now, outside a sale.
    price: u32,
    /// Cents, about which the price moves.
    price_base: u32,
    category: u8,
    is_on_sale: bool,
}

/// The catalogue at an instant of event time.
#[derive(Clone, Debug)]
pub(crate) struct Catalogue {
    products: Vec<Product>,
    popularity: Popularity,
    /// Products of each category as it was at the start, the popular ones first.
    shelves: Vec<Vec<u32>>,
    draws: Draws,
    gaps: Quantiles,
    announcements: Agenda,
    change_due: i64,
    change_micros_mean: u64,
    flash: Option<Flash>,
    lane: u32,
    lanes: u32,
    due: i64,
}

/// Products to be told of one after the other.
#[derive(Clone, Debug)]
struct Agenda {
    products: Vec<u32>,
    done: usize,
    start: i64,
    /// Micros for the whole list.
    length: u64,
}

/// A flash sale: one agenda for its start and one for its end.
#[derive(Clone, Debug)]
struct Flash {
    shelf: usize,
    begins: Agenda,
    ends: Agenda,
}

impl Agenda {
    fn new(products: Vec<u32>, start: i64, length: u64) -> Agenda {
        Agenda { products, done: 0, start, length }
    }

    /// When the next product is due; never once all are done.
    fn due(&self) -> i64 {
        if self.done == self.products.len() {
            return i64::MAX;
        }
        let passed = u128::from(self.length) * self.done as u128 / self.products.len() as u128;
        self.start.saturating_add(i64::try_from(passed).unwrap_or(i64::MAX))
    }

    fn take(&mut self) -> u32 {
        self.done += 1;
        self.products[self.done - 1]
    }
}

impl Catalogue {
    /// The catalogue at the start of the simulation, as `lane` sees it.
    pub(crate) fn new(config: &Config, lane: u32) -> Catalogue {
        let mut draws = Draws::new(config.seed, Purpose::Catalogue, 0);
        let count = config.products;
        let by_rank = shuffled(count, &mut draws);
        let mut ranks = vec![0; by_rank.len()];
        for (rank, &product) in (0..).zip(&by_rank) {
            ranks[product as usize] = rank;
        }
        let prices = Quantiles::log_logistic(0.3);
        let products: Vec<Product> =
            (0..count).map(|product| Product::new(config.seed, product, &prices, draws.next())).collect();
        let mut shelves = vec![Vec::new(); CATEGORIES.len()];
        for &product in &by_rank {
            shelves[usize::from(products[product as usize].category)].push(product);
        }
        let start = config.start.as_micros();
        let announced = micros(f64::from(count) * 1e6 / (config.rate * ANNOUNCEMENT_SHARE));
        let flash = config.stories.flash_sale.map(|span| {
            // The fullest shelf sells best.
            let shelf = (0..shelves.len()).max_by_key(|&shelf| shelves[shelf].len()).expect("there are categories");
            let begins = start.saturating_add(span.after.get());
            let ends = begins.saturating_add(span.length.get());
            let length = low(FLASH_MICROS.min(span.length.get() / 2).max(0).unsigned_abs());
            let agenda = |start| Agenda::new(shelves[shelf].clone(), start, u64::from(length));
            Flash { shelf, begins: agenda(begins), ends: agenda(ends) }
        });
        let mut catalogue = Catalogue {
            popularity: Popularity::new(&ranks),
            announcements: Agenda::new(by_rank, start, announced.max(ANNOUNCEMENT_MICROS_MIN)),
            products,
            shelves,
            draws,
            gaps: Quantiles::exponential(),
            change_due: start,
            change_micros_mean: micros(1e6 / (config.rate * CHANGE_SHARE)),
            flash,
            lane,
            lanes: config.lanes,
            due: 0,
        };
        catalogue.plan_change();
        catalogue.plan();
        catalogue
    }

    /// When the next change takes place, in microseconds of event time.
    #[inline]
    pub(crate) fn due(&self) -> i64 {
        self.due
    }

    /// Makes the change that is due; gives the record that tells of it where that is this lane's to tell.
    pub(crate) fn change(&mut self) -> Option<Body> {
        let product = self.changed();
        self.plan();
        (product % self.lanes == self.lane).then(|| self.told(product))
    }

    fn changed(&mut self) -> u32 {
        let due = self.due;
        if let Some(flash) = &mut self.flash {
            for (agenda, is_on_sale) in [(&mut flash.begins, true), (&mut flash.ends, false)] {
                if agenda.due() == due {
                    let product = agenda.take();
                    self.products[product as usize].is_on_sale = is_on_sale;
                    return product;
                }
            }
        }
        if self.announcements.due() == due {
            return self.announcements.take();
        }
        self.plan_change();
        let product = self.popularity.pick(self.draws.next());
        let bits = self.draws.next();
        let entry = &mut self.products[product as usize];
        if RECLASSIFIED.hits(high(bits)) {
            entry.category = draw_category(low(bits));
        } else {
            // Up or down by at most 15 % of what the product usually costs, so prices do not wander off.
            entry.price = rounded(u64::from(entry.price_base) * u64::from(850 + scaled(low(bits), 301)) / 1_000);
        }
        product
    }

    fn plan_change(&mut self) {
        let gap = self.gaps.pick(self.draws.next()).saturating_mul(self.change_micros_mean) / ONE;
        self.change_due = self.change_due.saturating_add_unsigned(gap.max(1));
    }

    fn plan(&mut self) {
        let flash = self.flash.as_ref().map_or(i64::MAX, |flash| flash.begins.due().min(flash.ends.due()));
        self.due = flash.min(self.announcements.due()).min(self.change_due);
    }

    /// The record that tells of a product as it is now.
    fn told(&self, product: u32) -> Body {
        Body::Product { product, category: self.category(product), price: self.price(product) }
    }

    /// Cents for one, now.
    pub(crate) fn price(&self, product: u32) -> u32 {
        let entry = self.products[product as usize];
        if entry.is_on_sale {
            return rounded(u64::from(entry.price) * u64::from(FLASH_PRICE) / 1_000);
        }
        entry.price
    }

    /// Number of the category, now.
    pub(crate) fn category(&self, product: u32) -> u8 {
        self.products[product as usize].category
    }

    /// A product somebody looks at.
    #[inline]
    pub(crate) fn popular(&self, bits: u64) -> u32 {
        self.popularity.pick(bits)
    }

    /// A product from the same shelf, rather a popular one.
    #[inline]
    pub(crate) fn related(&self, product: u32, bits: u64) -> u32 {
        let category = usize::from(self.category(product));
        from_shelf(&self.shelves[category], bits).unwrap_or(product)
    }

    /// A product of the flash sale, while there is one.
    #[inline]
    pub(crate) fn on_sale(&self, bits: u64) -> Option<u32> {
        let flash = self.flash.as_ref()?;
        let is_on = flash.begins.done > 0 && flash.ends.done == 0;
        is_on.then(|| from_shelf(&self.shelves[flash.shelf], bits)).flatten()
    }
}

impl Product {
    fn new(seed: u64, product: u32, prices: &Quantiles, bits: u64) -> Product {
        let category = first_category(seed, product);
        let price = rounded(u64::from(CATEGORIES[usize::from(category)].price) * prices.pick(bits) / ONE);
        Product { price, price_base: price, category, is_on_sale: false }
    }
}

/// A product of a shelf; half of the visitors stay with its first eighth.
#[inline]
fn from_shelf(shelf: &[u32], bits: u64) -> Option<u32> {
    let even = high(bits);
    let place = scaled(scaled(scaled(even, even), even), low(shelf.len() as u64));
    shelf.get(place as usize).copied()
}

/// The category a product starts in.
fn first_category(seed: u64, product: u32) -> u8 {
    draw_category(hashed(seed, u64::from(product)))
}

fn draw_category(bits: u32) -> u8 {
    let mut left = scaled(bits, CATEGORIES.iter().map(|category| category.weight).sum());
    for (number, category) in (0..).zip(&CATEGORIES) {
        if left < category.weight {
            return number;
        }
        left -= category.weight;
    }
    unreachable!("a draw below the sum of the weights")
}

/// Writes the name of a product: an adjective, a noun of the category it started in, and a number. It never changes.
pub(crate) fn append_name(seed: u64, product: u32, out: &mut Vec<u8>) {
    let bits = hashed(!seed, u64::from(product)) as usize;
    let nouns = CATEGORIES[usize::from(first_category(seed, product))].nouns;
    out.extend_from_slice(ADJECTIVES[bits % ADJECTIVES.len()].as_bytes());
    out.push(b' ');
    out.extend_from_slice(nouns[(bits >> 16) % nouns.len()].as_bytes());
    out.push(b' ');
    out.extend_from_slice(&eight_digits(product % 1_000).to_le_bytes()[5..]);
}

/// A price as shops write it: at least 1.49, and ending in 49 or 99 cents.
fn rounded(cents: u64) -> u32 {
    u32::try_from(cents.clamp(100, 1_000_000) / 50 * 50 + 49).expect("clamped")
}

/// Numbers `0..count` in random order: Fisher and Yates.
fn shuffled(count: u32, draws: &mut Draws) -> Vec<u32> {
    let mut numbers: Vec<u32> = (0..count).collect();
    for place in (1..count).rev() {
        let other = draws.below(place + 1);
        numbers.swap(place as usize, other as usize);
    }
    numbers
}

/// A positive span in microseconds, cut to whole ones.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "positive; stops at the type's end")]
fn micros(span: f64) -> u64 {
    span as u64
}

/// The name of a category by its number.
pub(crate) const fn category_name(category: u8) -> &'static str {
    CATEGORIES[category as usize].name
}
