//! The rows that the view for a person is drawn from, and how a run collects them while windows close.
//!
//! `run` and `show` draw the same view of the same lake: one fills [`Figures`] from what it has just closed, the other
//! from what it reads.

use std::collections::{BTreeMap, VecDeque};

use engine_model::gold::{self, GoldTable, TableSchema};
use engine_model::{Cell, EventTime, Grain, Rows, Semantics, WindowId};
use engine_window::{Closed, GoldRows};

/// How many windows the view lists.
pub(crate) const WINDOWS_SHOWN: usize = 7;

/// What the view shows: the last windows of one grain, and the last of them in detail.
#[derive(Clone, Debug)]
pub struct Figures {
    pub(crate) semantics: Semantics,
    /// The grain of the windows, by its place in [`Semantics::grains`].
    pub(crate) grain: usize,
    /// `kpis` of the last windows, a row each, ascending.
    pub(crate) kpis: Rows,
    /// Rows of the last window.
    pub(crate) products: Rows,
    pub(crate) categories: Rows,
    pub(crate) funnel: Rows,
    pub(crate) payments: Rows,
    /// `kpis` of the base windows from the day of the last window on.
    pub(crate) base_kpis: Rows,
    /// Rows of the base windows of the day of the last window.
    pub(crate) quality: Rows,
    pub(crate) rejections: Rows,
    /// All rows of `dim_product`.
    pub(crate) names: Rows,
}

impl Figures {
    pub(crate) fn new(semantics: &Semantics, grain: usize) -> Figures {
        Figures {
            semantics: semantics.clone(),
            grain,
            kpis: Rows::new(&gold::KPIS),
            products: Rows::new(&gold::PRODUCTS),
            categories: Rows::new(&gold::CATEGORIES),
            funnel: Rows::new(&gold::FUNNEL),
            payments: Rows::new(&gold::PAYMENTS),
            base_kpis: Rows::new(&gold::KPIS),
            quality: Rows::new(&gold::QUALITY),
            rejections: Rows::new(&gold::REJECTIONS),
            names: Rows::new(&gold::DIM_PRODUCT),
        }
    }

    /// The grain of the windows.
    pub(crate) fn grain(&self) -> Grain {
        self.semantics.grains()[self.grain]
    }

    /// The last window; `None` where there is none.
    pub(crate) fn last(&self) -> Option<WindowId> {
        let row = self.kpis.len().checked_sub(1)?;
        Some(self.grain().containing(window_start(&self.kpis, row)))
    }
}

/// Where the window of a row starts.
///
/// # Panics
/// Where the table is not windowed.
pub(crate) fn window_start(rows: &Rows, row: usize) -> EventTime {
    match rows.cell(row, 0) {
        Cell::Timestamp(start) => start,
        cell => unreachable!("a window starts at {cell:?}"),
    }
}

/// Appends those rows of `from` that `keep` keeps.
pub(crate) fn append_where(to: &mut Rows, from: &Rows, keep: impl Fn(usize) -> bool) {
    (0..from.len()).filter(|row| keep(*row)).for_each(|row| append_row(to, from, row));
}

/// Appends one row of `from`.
pub(crate) fn append_row(to: &mut Rows, from: &Rows, row: usize) {
    let cells: Vec<Cell<'_>> = (0..from.schema().columns().count()).map(|column| from.cell(row, column)).collect();
    to.push(&cells);
}

/// Collects, while windows close, what the view at the end will need: of each grain the last windows, of the base
/// windows those of the last days.
#[derive(Clone, Debug)]
pub(crate) struct Collector {
    semantics: Semantics,
    tables: Vec<GoldTable>,
    grains: Vec<OfGrain>,
    /// By local day. Those before the day of the last window of the longest grain that has one are dropped.
    days: BTreeMap<i64, OfDay>,
}

#[derive(Clone, Debug)]
struct OfGrain {
    kpis: VecDeque<Rows>,
    last: Option<WindowId>,
    products: Rows,
    categories: Rows,
    funnel: Rows,
    payments: Rows,
}

#[derive(Clone, Debug)]
struct OfDay {
    kpis: Rows,
    quality: Rows,
    rejections: Rows,
}

impl Collector {
    pub(crate) fn new(semantics: &Semantics) -> Collector {
        let of_grain = |_: &Grain| OfGrain {
            kpis: VecDeque::new(),
            last: None,
            products: Rows::new(&gold::PRODUCTS),
            categories: Rows::new(&gold::CATEGORIES),
            funnel: Rows::new(&gold::FUNNEL),
            payments: Rows::new(&gold::PAYMENTS),
        };
        Collector {
            grains: semantics.grains().iter().map(of_grain).collect(),
            tables: gold::tables(semantics),
            semantics: semantics.clone(),
            days: BTreeMap::new(),
        }
    }

    /// Takes the rows of a closed window in.
    pub(crate) fn see(&mut self, closed: Closed, rows: &GoldRows) {
        let of = |schema: &TableSchema| {
            let is_it = |table: &GoldTable| table.schema.name == schema.name && table.grain == Some(closed.grain);
            &rows[self.tables.iter().position(is_it).expect("a table of that grain")]
        };
        let kpis = of(&gold::KPIS);
        if closed.grain == 0 {
            let day = self.semantics.base().local_day(closed.window);
            let of_day = self.days.entry(day).or_insert_with(|| OfDay {
                kpis: Rows::new(&gold::KPIS),
                quality: Rows::new(&gold::QUALITY),
                rejections: Rows::new(&gold::REJECTIONS),
            });
            of_day.kpis.append(kpis);
            of_day.quality.append(of(&gold::QUALITY));
            of_day.rejections.append(of(&gold::REJECTIONS));
        }
        if !kpis.is_empty() {
            let of_grain = &mut self.grains[closed.grain];
            if of_grain.kpis.len() == WINDOWS_SHOWN {
                of_grain.kpis.pop_front();
            }
            of_grain.kpis.push_back(kpis.clone());
            of_grain.last = Some(closed.window);
            for (to, from) in [
                (&mut of_grain.products, of(&gold::PRODUCTS)),
                (&mut of_grain.categories, of(&gold::CATEGORIES)),
                (&mut of_grain.funnel, of(&gold::FUNNEL)),
                (&mut of_grain.payments, of(&gold::PAYMENTS)),
            ] {
                to.clear();
                to.append(from);
            }
        }
        if let Some((grain, last)) = self.shown() {
            let day_first = self.semantics.grains()[grain].local_day(last);
            self.days = self.days.split_off(&day_first);
        }
    }

    /// The longest grain with a window, and its last window.
    fn shown(&self) -> Option<(usize, WindowId)> {
        let mut grains = self.grains.iter().enumerate().rev();
        grains.find_map(|(index, of_grain)| Some((index, of_grain.last?)))
    }

    /// What was collected; `names` are the rows of `dim_product`.
    pub(crate) fn finish(self, names: Rows) -> Figures {
        let Some((grain, last)) = self.shown() else { return Figures::new(&self.semantics, 0) };
        let mut figures = Figures::new(&self.semantics, grain);
        let day_last = figures.grain().local_day(last);
        for (day, rows) in &self.days {
            figures.base_kpis.append(&rows.kpis);
            if *day == day_last {
                figures.quality.append(&rows.quality);
                figures.rejections.append(&rows.rejections);
            }
        }
        let of_grain = self.grains.into_iter().nth(grain).expect("a grain that has windows");
        of_grain.kpis.iter().for_each(|rows| figures.kpis.append(rows));
        Figures {
            products: of_grain.products,
            categories: of_grain.categories,
            funnel: of_grain.funnel,
            payments: of_grain.payments,
            names,
            ..figures
        }
    }
}
