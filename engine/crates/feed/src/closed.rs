//! The message of a closed window: its Gold rows.

use engine_model::gold::{self, GoldTable, TableSchema};
use engine_model::{Cell, Grain, Rows, Semantics, WindowId};
use engine_window::{Closed, GoldRows};
use serde::Serialize;

use crate::millis;
use crate::record::{Record, Records};

/// A closed window of any grain, with its rows under the names of the Gold tables. Final.
#[derive(Clone, Debug, Serialize)]
pub struct ClosedWindow<'a> {
    /// Name of its grain.
    grain: String,
    start_ms: i64,
    /// Exclusive.
    end_ms: i64,
    /// `null` where nothing was accepted.
    kpis: Option<Record<'a>>,
    /// Four stages in order; empty where nothing was accepted.
    funnel: Records<'a>,
    payments: Records<'a>,
    products: Ranked<'a>,
    categories: Ranked<'a>,
    /// Of base windows only; `null` where no record was observed.
    quality: Option<Record<'a>>,
    rejections: Records<'a>,
    /// Of base windows: customers seen for the first time this day, so that they add up to the day's distinct
    /// customers. `null` in other grains and without a daily rollup.
    customers_new: Option<usize>,
}

/// The first rows of a table by rank, and how many there are in all.
#[derive(Clone, Debug, Serialize)]
pub struct Ranked<'a> {
    /// Rows in the window.
    count: usize,
    /// The first of them, from rank 1.
    top: Vec<Record<'a>>,
}

impl<'a> ClosedWindow<'a> {
    /// The message of a window of `grain` whose rows `rows_of` gives by table: only this window's, in the order in which
    /// they were made, so products and categories from rank 1. `None` where the grain has no such table. At most `top`
    /// products and categories are told; `name_of` knows a product's name.
    #[must_use]
    pub fn new(
        grain: Grain,
        window: WindowId,
        rows_of: impl Fn(&'static TableSchema) -> Option<&'a Rows>,
        top: usize,
        name_of: impl Fn(&str) -> Option<String>,
    ) -> ClosedWindow<'a> {
        let first =
            |rows: Option<&'a Rows>| rows.filter(|rows| !rows.is_empty()).map(|rows| Record::of_window(rows, 0));
        let name = |rows: &Rows, row: usize| match rows.cell(row, PRODUCT_ID) {
            Cell::Text(product_id) => name_of(product_id),
            cell => unreachable!("a product is identified by {cell:?}"),
        };
        ClosedWindow {
            grain: grain.length().to_string(),
            start_ms: millis(grain.start(window)),
            end_ms: millis(grain.end(window)),
            kpis: first(rows_of(&gold::KPIS)),
            funnel: Records::all(rows_of(&gold::FUNNEL)),
            payments: Records::all(rows_of(&gold::PAYMENTS)),
            products: Ranked::new(rows_of(&gold::PRODUCTS), top, |rows, row| {
                Record::of_window(rows, row).with("name", name(rows, row))
            }),
            categories: Ranked::new(rows_of(&gold::CATEGORIES), top, Record::of_window),
            quality: first(rows_of(&gold::QUALITY)),
            rejections: Records::all(rows_of(&gold::REJECTIONS)),
            customers_new: rows_of(&gold::CUSTOMER_ACTIVITY).map(Rows::len),
        }
    }

    /// The same of what [`engine_window::Merger::close_next`] has just closed; `tables` are the merger's.
    #[must_use]
    pub fn of_closed(
        semantics: &Semantics,
        tables: &[GoldTable],
        closed: Closed,
        rows: &'a GoldRows,
        top: usize,
        name_of: impl Fn(&str) -> Option<String>,
    ) -> ClosedWindow<'a> {
        let rows_of = |schema: &'static TableSchema| {
            let is_it = |table: &GoldTable| table.schema.name == schema.name && table.grain == Some(closed.grain);
            tables.iter().position(is_it).map(|index| &rows[index])
        };
        ClosedWindow::new(semantics.grains()[closed.grain], closed.window, rows_of, top, name_of)
    }
}

/// The place of `product_id` in the table of products: behind the leading columns.
const PRODUCT_ID: usize = gold::LEADING.len();

impl<'a> Ranked<'a> {
    fn new(rows: Option<&'a Rows>, top: usize, record: impl Fn(&'a Rows, usize) -> Record<'a>) -> Ranked<'a> {
        let count = rows.map_or(0, Rows::len);
        let records = rows.into_iter().flat_map(|rows| (0..count.min(top)).map(move |row| (rows, row)));
        Ranked { count, top: records.map(|(rows, row)| record(rows, row)).collect() }
    }
}
