//! Behind the shards: merged windows become Gold rows, and what spans windows is kept here once.

use std::collections::BTreeMap;

use engine_model::gold::{self, GoldTable, TableSchema};
use engine_model::{Cell, EventTime, Grain, Rows, Semantics, Text, TextArena, Watermark, WindowId};

use crate::dimension::{Dimension, Version};
use crate::partial::WindowPartial;
use crate::quality::QualityPartial;
use crate::totals::{Sums, Totals, as_str, sorted};

/// Rows for each table of [`gold::tables`], by the table's place there.
pub type GoldRows = Vec<Rows>;

/// A rollup that is still open. Base windows close in order, so there is at most one a grain.
#[derive(Debug)]
struct OpenRollup {
    window: WindowId,
    totals: Totals,
}

/// Merges what shards and partitions know of closed windows and makes the rows. Keeps the catalogue, the customers and
/// the sets of the open rollups, each once, whatever the number of shards.
#[derive(Debug)]
pub struct Merger {
    semantics: Semantics,
    tables: Vec<GoldTable>,
    catalogue: Dimension,
    customers: Dimension,
    /// For each rollup the one that is open.
    rollups: Vec<Option<OpenRollup>>,
    /// Windows handed over and not closed yet.
    windows: BTreeMap<WindowId, WindowPartial>,
    quality: BTreeMap<WindowId, QualityPartial>,
    closed: Watermark,
    window_count: u64,
    saturated: bool,
}

impl Merger {
    /// Nothing merged yet.
    #[must_use]
    pub fn new(semantics: &Semantics) -> Merger {
        Merger {
            tables: gold::tables(semantics),
            catalogue: Dimension::default(),
            customers: Dimension::default(),
            rollups: semantics.rollups().iter().map(|_| None).collect(),
            windows: BTreeMap::new(),
            quality: BTreeMap::new(),
            closed: Watermark::NONE,
            window_count: 0,
            saturated: false,
            semantics: semantics.clone(),
        }
    }

    /// The tables the rows belong to.
    #[must_use]
    pub fn tables(&self) -> &[GoldTable] {
        &self.tables
    }

    /// No rows for any table.
    #[must_use]
    pub fn empty_rows(&self) -> GoldRows {
        self.tables.iter().map(|table| Rows::new(table.schema)).collect()
    }

    /// Takes in what a shard knows of a window.
    ///
    /// # Panics
    /// Where the window is closed already: its rows are written and are never revised.
    pub fn add_window(&mut self, partial: WindowPartial) {
        self.assert_open(partial.window());
        match self.windows.entry(partial.window()) {
            std::collections::btree_map::Entry::Vacant(vacant) => {
                vacant.insert(partial);
            }
            std::collections::btree_map::Entry::Occupied(occupied) => occupied.into_mut().merge(&partial),
        }
    }

    /// Takes in what a shard or a partition knows of the records observed in a window.
    ///
    /// # Panics
    /// Where the window is closed already.
    pub fn add_quality(&mut self, partial: QualityPartial) {
        self.assert_open(partial.window);
        match self.quality.entry(partial.window) {
            std::collections::btree_map::Entry::Vacant(vacant) => {
                vacant.insert(partial);
            }
            std::collections::btree_map::Entry::Occupied(occupied) => occupied.into_mut().merge(&partial),
        }
    }

    fn assert_open(&self, window: WindowId) {
        let end = self.semantics.base().end(window);
        assert!(!self.closed.passes(end), "window ending {end} came after it was closed at {}", self.closed);
    }

    /// Closes the next base window that `watermark` has passed, with the rollups that end by then: appends their rows
    /// to `rows` and returns the base window. `None` where nothing is left to close. A rollup closes with its last base
    /// window or, where that is empty, before the next base window, or when `watermark` passes it.
    ///
    /// Rows of one call belong to one base window and to rollups that lie in the local day of an earlier window or the
    /// same. Call it until it returns `None`: the caller may commit in between.
    pub fn close_next(&mut self, watermark: Watermark, rows: &mut GoldRows) -> Option<Closed> {
        let base = self.semantics.base();
        let next = [self.windows.keys().next(), self.quality.keys().next()].into_iter().flatten().min().copied();
        let next = next.filter(|window| watermark.passes(base.end(*window)));
        let rollups_until = match next {
            Some(window) => Watermark::at(base.start(window)),
            None => watermark,
        };
        // A rollup that ended before the next window comes first, so that rows are made in the order of time.
        if let Some(closed) = self.close_rollup(rollups_until, rows) {
            return Some(closed);
        }
        let Some(window) = next else {
            self.closed = self.closed.max(watermark);
            return None;
        };
        self.closed = self.closed.max(Watermark::at(base.end(window)));
        if let Some(quality) = self.quality.remove(&window) {
            self.append_quality(&quality, rows);
        }
        if let Some(partial) = self.windows.remove(&window) {
            self.window_count += 1;
            let mut totals = partial.resolve(&mut self.catalogue, &mut self.customers);
            self.saturated |= totals.is_saturated();
            self.append_totals(0, window, &mut totals, rows);
            self.roll_up(window, &totals, rows);
        }
        Some(Closed { grain: 0, window })
    }

    /// Closes one rollup that `watermark` has passed, the one that ended first, of equal ones the shortest.
    fn close_rollup(&mut self, watermark: Watermark, rows: &mut GoldRows) -> Option<Closed> {
        let grains = self.semantics.grains();
        let ended = self.rollups.iter().enumerate().filter_map(|(index, open)| {
            let end = grains[index + 1].end(open.as_ref()?.window);
            watermark.passes(end).then_some((end, index))
        });
        let (_, index) = ended.min()?;
        let OpenRollup { window, mut totals } = self.rollups[index].take()?;
        self.saturated |= totals.is_saturated();
        self.append_totals(index + 1, window, &mut totals, rows);
        let (start, longer) = (grains[index + 1].start(window), index + 1);
        if longer < self.rollups.len() && is_fed_by_shorter(self.semantics.rollups(), longer) {
            let open = open_rollup(&mut self.rollups[longer], self.semantics.rollups()[longer], start);
            open.totals.sessions.take(std::mem::take(&mut totals.sessions));
            open.totals.merge_all_but_customers(&totals);
        }
        Some(Closed { grain: index + 1, window })
    }

    /// Adds a resolved base window to the open rollups, and new customers of the day to `customer_activity`.
    ///
    /// A rollup that holds whole windows of the next shorter one takes them when those close, instead of base windows:
    /// a session of an hour then costs a day's set one look instead of one a minute. Customers are taken at once, to
    /// see which are new.
    fn roll_up(&mut self, window: WindowId, totals: &Totals, rows: &mut GoldRows) {
        let base = self.semantics.base();
        let leading = leading(base, window);
        let activity = self.table(&gold::CUSTOMER_ACTIVITY, 0);
        let mut new_today = Vec::new();
        for (index, grain) in self.semantics.rollups().iter().enumerate() {
            let open = open_rollup(&mut self.rollups[index], *grain, base.start(window));
            if !is_fed_by_shorter(self.semantics.rollups(), index) {
                open.totals.merge_all_but_customers(totals);
            }
            open.totals.customers.absorb(&totals.customers, |customer| {
                if grain.is_daily() {
                    new_today.push((customer, &()));
                }
            });
        }
        if base.is_daily() {
            new_today.extend(totals.customers.iter());
        }
        if let Some(activity) = activity {
            let [start, end, date, minute] = leading;
            let arena = totals.customers.arena();
            for (customer, ()) in sorted(new_today.into_iter(), arena) {
                rows[activity].push(&[
                    start,
                    end,
                    date,
                    minute,
                    Cell::Text(as_str(customer.bytes(arena, &mut [0; 36]))),
                ]);
            }
        }
    }

    fn append_totals(&self, grain: usize, window: WindowId, totals: &mut Totals, rows: &mut GoldRows) {
        let leading = leading(self.semantics.grains()[grain], window);
        let table = |schema| self.table(schema, grain).expect("figures exist in every grain");
        let [kpis, funnel] = rows.get_disjoint_mut([table(&gold::KPIS), table(&gold::FUNNEL)]).expect("two tables");
        totals.append_kpis_and_funnel(leading, kpis, funnel);
        totals.append_products(leading, &mut rows[table(&gold::PRODUCTS)]);
        totals.append_categories(leading, &mut rows[table(&gold::CATEGORIES)]);
        totals.append_payments(leading, &mut rows[table(&gold::PAYMENTS)]);
    }

    fn append_quality(&self, quality: &QualityPartial, rows: &mut GoldRows) {
        let table = |schema| self.table(schema, 0).expect("quality exists in the base grain");
        let places = [table(&gold::QUALITY), table(&gold::REJECTIONS)];
        let [quality_rows, rejections] = rows.get_disjoint_mut(places).expect("two tables");
        quality.append_rows(leading(self.semantics.base(), quality.window), quality_rows, rejections);
    }

    fn table(&self, schema: &TableSchema, grain: usize) -> Option<usize> {
        self.tables.iter().position(|table| table.schema.name == schema.name && table.grain == Some(grain))
    }

    /// The newest version of every product in closed windows: all rows of `dim_product`.
    ///
    /// # Panics
    /// Never: the parser asks products for a name and a category.
    #[must_use]
    pub fn dim_product(&self) -> Rows {
        let mut rows = Rows::new(&gold::DIM_PRODUCT);
        dimension_rows(&self.catalogue, |key, version, [first, second]| {
            let (name, category) = (first.expect("products have names"), second.expect("and categories"));
            let updated_at = Cell::Timestamp(version.time);
            rows.push(&[
                Cell::Text(key),
                Cell::Text(name),
                Cell::Text(category),
                Cell::Money(version.price),
                updated_at,
            ]);
        });
        rows
    }

    /// The name of a product, by its newest version in closed windows. Expected O(1).
    ///
    /// # Panics
    /// Never: names of events are UTF-8.
    #[must_use]
    pub fn product_name(&self, product_id: &str) -> Option<String> {
        let mut arena = TextArena::new();
        let key = Text::new(product_id.as_bytes(), &mut arena);
        let [name, _] = self.catalogue.get(&key, &arena)?.texts;
        Some(as_str(name.bytes(self.catalogue.arena(), &mut [0; 36])).to_owned())
    }

    /// The newest version of every customer in closed windows: all rows of `dim_customer`.
    #[must_use]
    pub fn dim_customer(&self) -> Rows {
        let mut rows = Rows::new(&gold::DIM_CUSTOMER);
        dimension_rows(&self.customers, |key, version, texts| {
            let [country, segment] = texts.map(|text| text.map_or(Cell::Null, Cell::Text));
            rows.push(&[Cell::Text(key), country, segment, Cell::Timestamp(version.time)]);
        });
        rows
    }

    /// Base windows emitted with at least one accepted event.
    #[must_use]
    pub fn window_count(&self) -> u64 {
        self.window_count
    }

    /// Whether a sum of money has stopped at the end of its column.
    #[must_use]
    pub fn is_saturated(&self) -> bool {
        self.saturated
    }

    /// How large the sets of the open rollups are. The longest may lack what a shorter one has not handed on yet. Costs a
    /// pass over their sessions, which removes copies; the bytes are those before it.
    #[must_use]
    pub fn rollup_sets(&mut self) -> Vec<RollupSets> {
        let sets = self.semantics.rollups().iter().zip(&mut self.rollups).filter_map(|(&grain, open)| {
            let Totals { sessions, customers, .. } = &mut open.as_mut()?.totals;
            let session_bytes = sessions.memory_bytes();
            Some(RollupSets {
                grain,
                sessions: sessions.count().sessions,
                session_bytes,
                customers: customers.len() as u64,
                customer_bytes: customers.memory_bytes(),
            })
        });
        sets.collect()
    }

    /// The base windows handed over and not closed yet, ascending, with the figures known of them.
    pub fn pending_windows(&self) -> impl Iterator<Item = (WindowId, &Sums)> {
        self.windows.iter().map(|(window, partial)| (*window, partial.sums()))
    }

    /// The rollups that are open: their grains, windows and figures of the base windows closed so far.
    #[must_use]
    pub fn open_rollups(&self) -> Vec<(Grain, WindowId, Sums)> {
        let mut found: Vec<(Grain, WindowId, Sums)> = Vec::new();
        let mut shorter = Sums::default();
        for (index, (grain, open)) in self.semantics.rollups().iter().zip(&self.rollups).enumerate() {
            // What a shorter one has not handed on yet counts here too.
            let mut sums = if is_fed_by_shorter(self.semantics.rollups(), index) { shorter } else { Sums::default() };
            if let Some(open) = open {
                sums.merge(&open.totals.sums);
                found.push((*grain, open.window, sums));
            }
            shorter = sums;
        }
        found
    }
}

/// Whether a rollup takes its figures from the next shorter one when that closes, rather than from base windows.
fn is_fed_by_shorter(rollups: &[Grain], index: usize) -> bool {
    index > 0 && rollups[index].length().is_multiple_of(rollups[index - 1].length())
}

/// The rollup of `grain` that holds `start`, opened where there is none.
fn open_rollup(open: &mut Option<OpenRollup>, grain: Grain, start: EventTime) -> &mut OpenRollup {
    let window = grain.containing(start);
    let open = open.get_or_insert_with(|| OpenRollup { window, totals: Totals::of_a_rollup() });
    assert_eq!(open.window, window, "a rollup stayed open beyond its end");
    open
}

/// The sets of an open rollup: how many are in them, and bytes of memory, free slots included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RollupSets {
    /// Length and alignment of the rollup.
    pub grain: Grain,
    /// Distinct sessions, each with the stages it has reached.
    pub sessions: u64,
    /// Bytes of their set, copies included.
    pub session_bytes: usize,
    /// Distinct customers.
    pub customers: u64,
    /// Bytes of their set.
    pub customer_bytes: usize,
}

/// A window that was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed {
    /// The place of its grain in [`Semantics::grains`]; 0 is the base window.
    pub grain: usize,
    /// The window.
    pub window: WindowId,
}

/// The four leading cells of the rows of a window.
fn leading(grain: Grain, window: WindowId) -> [Cell<'static>; 4] {
    [
        Cell::Timestamp(grain.start(window)),
        Cell::Timestamp(grain.end(window)),
        Cell::Int32(grain.date_key(window)),
        Cell::Int32(grain.minute_of_day(window)),
    ]
}

/// All keys of a dimension in the order of their bytes, with their newest version and its texts.
fn dimension_rows(dimension: &Dimension, mut push: impl FnMut(&str, &Version, [Option<&str>; 2])) {
    for (key, version) in sorted(dimension.iter(), dimension.key_arena()) {
        let texts = version.texts.map(|text| {
            let mut bytes = Vec::new();
            text.append_to(dimension.arena(), &mut bytes);
            (!text.is_absent()).then_some(bytes)
        });
        push(
            as_str(key.bytes(dimension.key_arena(), &mut [0; 36])),
            version,
            [0, 1].map(|index: usize| texts[index].as_deref().map(as_str)),
        );
    }
}
