//! The tables as plain data: Gold, and the quarantine beside it.
//!
//! This is the one place that knows which columns there are. The Parquet and Delta writers, the documentation,
//! the dashboard's interface and the tests are made from it or compared with it.

use crate::semantics::Semantics;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnType {
    /// An instant: microseconds, adjusted to UTC.
    Timestamp,
    /// Signed 32-bit integer.
    Int32,
    /// Signed 64-bit integer.
    Int64,
    /// Money: `DECIMAL(18,2)`.
    Money,
    /// 64-bit floating point: rates and milliseconds.
    Double,
    /// UTF-8 string.
    Text,
    /// Bytes as they came.
    Bytes,
}

impl ColumnType {
    /// The name in the documentation.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            ColumnType::Timestamp => "TIMESTAMP",
            ColumnType::Int32 => "INT32",
            ColumnType::Int64 => "INT64",
            ColumnType::Money => "DECIMAL(18,2)",
            ColumnType::Double => "DOUBLE",
            ColumnType::Text => "STRING",
            ColumnType::Bytes => "BINARY",
        }
    }
}

/// One column.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Its name in every format.
    pub name: &'static str,
    /// What it holds.
    pub kind: ColumnType,
    /// Whether a row may have no value.
    pub nullable: bool,
    /// What it means, in one line.
    pub doc: &'static str,
}

pub(crate) const fn column(name: &'static str, kind: ColumnType, doc: &'static str) -> Column {
    Column { name, kind, nullable: false, doc }
}

pub(crate) const fn nullable(name: &'static str, kind: ColumnType, doc: &'static str) -> Column {
    Column { name, kind, nullable: true, doc }
}

/// In which grains a table exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grains {
    /// Once for the base window and once for each rollup, named `TABLE_GRAIN`.
    Every,
    /// For the base window only, named `TABLE_GRAIN`.
    Base,
    /// Once, without a grain in its name, and only with a `1d` rollup; its rows stand at base windows.
    Daily,
    /// Once; its rows stand at no window.
    None,
}

/// A table.
#[derive(Debug)]
pub struct TableSchema {
    /// Its name, without a grain.
    pub name: &'static str,
    /// What one row stands for.
    pub row: &'static str,
    /// In which grains it exists.
    pub grains: Grains,
    pub(crate) own: &'static [Column],
}

impl TableSchema {
    /// Whether rows stand at windows, so that the four leading columns come first.
    #[must_use]
    pub const fn is_windowed(&self) -> bool {
        !matches!(self.grains, Grains::None)
    }

    /// All columns in order.
    pub fn columns(&self) -> impl Iterator<Item = &'static Column> + use<> {
        let leading: &'static [Column] = if self.is_windowed() { &LEADING } else { &[] };
        leading.iter().chain(self.own)
    }

    /// The place of a column.
    #[must_use]
    pub fn column_index(&self, name: &str) -> Option<usize> {
        self.columns().position(|column| column.name == name)
    }
}

use ColumnType::{Bytes, Double, Int32, Int64, Money, Text, Timestamp};

/// The columns every windowed table begins with.
pub const LEADING: [Column; 4] = [
    column("window_start", Timestamp, "first instant of the window"),
    column("window_end", Timestamp, "first instant after the window"),
    column("date_key", Int32, "date of window_start as yyyymmdd, local to the UTC offset"),
    column("minute_of_day", Int32, "minute of the day of window_start, 0 to 1439, local to the UTC offset"),
];

/// `kpis_*`.
pub static KPIS: TableSchema = TableSchema {
    name: "kpis",
    row: "window with at least one accepted event",
    grains: Grains::Every,
    own: &[
        column("events", Int64, "accepted events"),
        column("revenue", Money, "sum of the orders' totals"),
        column("orders", Int64, "accepted order events, also where an order_id repeats"),
        nullable("aov", Money, "average order value: revenue / orders, half away from zero; null without orders"),
        column("units", Int64, "sum of the order items' quantities"),
        column("unique_customers", Int64, "exact distinct customers of clicks, orders and payments"),
        column("sessions", Int64, "exact distinct sessions"),
        column("payments_succeeded", Int64, "payments that succeeded"),
        column("payments_failed", Int64, "payments that failed"),
        column("paid_revenue", Money, "sum of the succeeded payments' amounts"),
        nullable("payment_success_rate", Double, "succeeded / (succeeded + failed); null without payments"),
        nullable("conversion_rate", Double, "sessions with an order / sessions with a view; null without views"),
    ],
};

/// `products_*`.
pub static PRODUCTS: TableSchema = TableSchema {
    name: "products",
    row: "window and product seen in a click or an order item",
    grains: Grains::Every,
    own: &[
        column("product_id", Text, "the product"),
        column("views", Int64, "clicks that viewed it"),
        column("add_to_carts", Int64, "clicks that put it into the cart"),
        column("orders", Int64, "order events that hold it"),
        column("units", Int64, "sum of the items' quantities"),
        column("revenue", Money, "sum of quantity times unit_price"),
        column("revenue_rank", Int32, "1 is the highest revenue; ties by units descending, then product_id by bytes"),
    ],
};

/// `categories_*`.
pub static CATEGORIES: TableSchema = TableSchema {
    name: "categories",
    row: "window and category of order items",
    grains: Grains::Every,
    own: &[
        column("category", Text, "the item's category, else its product's, else unknown"),
        column("orders", Int64, "order events that hold it"),
        column("units", Int64, "sum of the items' quantities"),
        column("revenue", Money, "sum of quantity times unit_price"),
        column("revenue_rank", Int32, "1 is the highest revenue; ties by units descending, then category by bytes"),
    ],
};

/// `funnel_*`.
pub static FUNNEL: TableSchema = TableSchema {
    name: "funnel",
    row: "window and stage, all four stages for every row of kpis",
    grains: Grains::Every,
    own: &[
        column("stage", Text, "view, add_to_cart, checkout or order"),
        column("step", Int32, "1 to 4, in that order"),
        column("sessions", Int64, "exact distinct sessions with such an event in the window"),
    ],
};

/// `payments_*`.
pub static PAYMENTS: TableSchema = TableSchema {
    name: "payments",
    row: "window, method, status and failure reason",
    grains: Grains::Every,
    own: &[
        column("method", Text, "the payment method"),
        column("status", Text, "succeeded or failed"),
        nullable("failure_reason", Text, "the reason given; null where none was"),
        column("payments", Int64, "payments"),
        column("amount", Money, "sum of their amounts"),
    ],
};

/// `quality_*`.
pub static QUALITY: TableSchema = TableSchema {
    name: "quality",
    row: "base window in which at least one record was observed",
    grains: Grains::Base,
    own: &[
        column("records", Int64, "records: accepted + duplicates + late + rejected"),
        column("accepted", Int64, "accepted records"),
        column("duplicates", Int64, "records whose event_id was accepted before"),
        column("late", Int64, "records whose window had passed"),
        column("rejected", Int64, "records that are no valid events"),
        column("delayed", Int64, "valid records older than the newest one before them"),
        nullable("delay_p50_ms", Double, "median delay behind the newest record, to three significant digits"),
        nullable("delay_p99_ms", Double, "99th percentile of the delay, to three significant digits"),
        nullable("delay_max_ms", Double, "greatest delay"),
    ],
};

/// `rejections_*`.
pub static REJECTIONS: TableSchema = TableSchema {
    name: "rejections",
    row: "base window and reason",
    grains: Grains::Base,
    own: &[
        column("reason", Text, "why the records were rejected"),
        column("records", Int64, "records rejected for it"),
    ],
};

/// `customer_activity`.
pub static CUSTOMER_ACTIVITY: TableSchema = TableSchema {
    name: "customer_activity",
    row: "customer and day with a click, order or payment: the first base window of the day it occurs in",
    grains: Grains::Daily,
    own: &[column("customer_id", Text, "the customer")],
};

/// `dim_product`.
pub static DIM_PRODUCT: TableSchema = TableSchema {
    name: "dim_product",
    row: "product: its newest accepted event in closed windows",
    grains: Grains::None,
    own: &[
        column("product_id", Text, "the product"),
        column("name", Text, "its name"),
        column("category", Text, "its category"),
        column("price", Money, "its price"),
        column("updated_at", Timestamp, "event_time of that event"),
    ],
};

/// `dim_customer`.
pub static DIM_CUSTOMER: TableSchema = TableSchema {
    name: "dim_customer",
    row: "customer: its newest accepted event in closed windows",
    grains: Grains::None,
    own: &[
        column("customer_id", Text, "the customer"),
        nullable("country", Text, "country, where given"),
        nullable("segment", Text, "segment, where given"),
        column("updated_at", Timestamp, "event_time of that event"),
    ],
};

/// The Gold tables in the order in which a commit shows them: `kpis` last, so that whoever sees a window there
/// finds it everywhere.
pub static GOLD: [&TableSchema; 10] = [
    &PRODUCTS,
    &CATEGORIES,
    &FUNNEL,
    &PAYMENTS,
    &QUALITY,
    &REJECTIONS,
    &CUSTOMER_ACTIVITY,
    &DIM_PRODUCT,
    &DIM_CUSTOMER,
    &KPIS,
];

pub(crate) const SOURCE: Column =
    column("source", Text, "where the record came from: the file as named, or - for stdin");
pub(crate) const PARTITION: Column =
    column("partition", Int32, "number of the partition within the source; 0 for a file");
pub(crate) const OFFSET: Column = column("offset", Int64, "byte offset in the uncompressed file, or Kafka offset");

/// `quarantine/rejected`.
pub static REJECTED: TableSchema = TableSchema {
    name: "rejected",
    row: "record that is no valid event",
    grains: Grains::None,
    own: &[
        column("raw", Bytes, "the line as it came; of a too_large one the first 65 536 bytes"),
        column("length", Int64, "length of the line in bytes"),
        column("reason", Text, "why"),
        nullable("field", Text, "the field to blame, where there is one"),
        SOURCE,
        PARTITION,
        OFFSET,
    ],
};

/// `quarantine/late`.
pub static LATE: TableSchema = TableSchema {
    name: "late",
    row: "valid record whose window had passed",
    grains: Grains::None,
    own: &[
        column("raw", Bytes, "the line as it came"),
        column("event_time", Timestamp, "its event time"),
        column("late_by_ms", Double, "watermark minus window end"),
        SOURCE,
        PARTITION,
        OFFSET,
    ],
};

/// `quarantine/duplicates`.
pub static DUPLICATES: TableSchema = TableSchema {
    name: "duplicates",
    row: "valid record whose event_id was accepted before",
    grains: Grains::None,
    own: &[
        column("event_id", Text, "the identifier"),
        column("event_time", Timestamp, "its event time"),
        SOURCE,
        PARTITION,
        OFFSET,
    ],
};

/// The quarantine tables.
pub static QUARANTINE: [&TableSchema; 3] = [&REJECTED, &LATE, &DUPLICATES];

/// The funnel's stages, in order.
pub const STAGES: [&str; 4] = ["view", "add_to_cart", "checkout", "order"];

/// One Gold table of a run: a schema in a grain.
#[derive(Clone, Debug)]
pub struct GoldTable {
    /// Folder and table name: `kpis_1m`, `dim_product`.
    pub name: String,
    /// Its columns.
    pub schema: &'static TableSchema,
    /// Its grain's place in [`Semantics::grains`]; `None` where rows stand at no window. The rows of
    /// `customer_activity` stand at base windows.
    pub grain: Option<usize>,
}

/// The Gold tables of a run with the given semantics, in commit order: all grains of `kpis` last.
#[must_use]
pub fn tables(semantics: &Semantics) -> Vec<GoldTable> {
    let mut tables = Vec::new();
    for schema in GOLD {
        let grains = match schema.grains {
            Grains::Every => 0..semantics.grains().len(),
            Grains::Base => 0..1,
            Grains::Daily if semantics.has_day_rollup() => {
                tables.push(GoldTable { name: schema.name.to_owned(), schema, grain: Some(0) });
                continue;
            }
            Grains::Daily => continue,
            Grains::None => {
                tables.push(GoldTable { name: schema.name.to_owned(), schema, grain: None });
                continue;
            }
        };
        for grain in grains {
            let name = format!("{}_{}", schema.name, semantics.grains()[grain].length());
            tables.push(GoldTable { name, schema, grain: Some(grain) });
        }
    }
    tables
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Cell, Cents, EventTime, Rows};

    #[test]
    fn the_tables_of_the_default_run_are_the_contracts_and_kpis_come_last() {
        let names: Vec<String> = tables(&Semantics::default()).into_iter().map(|table| table.name).collect();
        let expected = "products_1m products_1h products_1d categories_1m categories_1h categories_1d funnel_1m \
                        funnel_1h funnel_1d payments_1m payments_1h payments_1d quality_1m rejections_1m \
                        customer_activity dim_product dim_customer kpis_1m kpis_1h kpis_1d";
        assert_eq!(names.join(" "), expected);
    }

    #[test]
    fn rows_come_back_cell_by_cell_also_after_appending() {
        let time = EventTime::from_micros(7);
        let mut rows = Rows::new(&DIM_CUSTOMER);
        rows.push(&[Cell::Text("c1"), Cell::Null, Cell::Text("vip"), Cell::Timestamp(time)]);
        let mut more = rows.clone();
        more.push(&[Cell::Text("c2"), Cell::Text("DE"), Cell::Null, Cell::Timestamp(time)]);
        rows.append(&more);
        let countries: Vec<Cell<'_>> = (0..3).map(|row| rows.cell(row, 1)).collect();
        assert_eq!(countries, [Cell::Null, Cell::Null, Cell::Text("DE")]);
        assert_eq!(rows.cell(2, 0), Cell::Text("c2"));
        assert_eq!((rows.cell(1, 2), rows.cell(2, 2)), (Cell::Text("vip"), Cell::Null));
        rows.clear();
        assert!(rows.is_empty());
    }

    #[test]
    #[should_panic(expected = "null in dim_product.price")]
    fn a_null_is_refused_where_none_is_allowed() {
        let text = Cell::Text("x");
        Rows::new(&DIM_PRODUCT).push(&[text, text, text, Cell::Null, Cell::Timestamp(EventTime::EPOCH)]);
    }

    #[test]
    #[should_panic(expected = "does not fit")]
    fn a_cell_of_another_type_is_refused() {
        let text = Cell::Text("x");
        Rows::new(&DIM_PRODUCT).push(&[text, text, Cell::Money(Cents::ZERO), text, text]);
    }
}
