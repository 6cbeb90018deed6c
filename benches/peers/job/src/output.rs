//! Results as three CSV files, money in whole cents, windows by their start in seconds since 1970.

use std::borrow::Cow;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use crate::SECOND;
use crate::totals::Totals;

/// The results of one window.
#[derive(Debug)]
pub struct Window {
    /// Its start in microseconds since 1970.
    pub start: i64,
    /// Counts and sums.
    pub totals: Totals,
    /// Distinct customers.
    pub customers: u64,
    /// Distinct sessions.
    pub sessions: u64,
}

/// Writes `kpis.csv`, `products.csv` and `payments.csv` into a folder, which is made.
///
/// # Errors
/// Where a file cannot be written.
pub fn write(folder: &Path, windows: &[Window]) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let create = |name: &str| Ok::<_, io::Error>(BufWriter::new(File::create(folder.join(name))?));
    let mut kpis = create("kpis.csv")?;
    let mut products = create("products.csv")?;
    let mut payments = create("payments.csv")?;
    writeln!(
        kpis,
        "window_start,events,revenue_cents,orders,units,unique_customers,sessions,payments_succeeded,\
         payments_failed,paid_revenue_cents"
    )?;
    writeln!(products, "window_start,product_id,views,add_to_carts,orders,units,revenue_cents")?;
    writeln!(payments, "window_start,method,status,failure_reason,payments,amount_cents")?;
    for Window { start, totals, customers, sessions } in windows {
        let start = start / SECOND;
        let Totals { events, revenue, orders, units, succeeded, failed, paid, .. } = totals;
        writeln!(
            kpis,
            "{start},{events},{revenue},{orders},{units},{customers},{sessions},{succeeded},{failed},{paid}"
        )?;
        for (id, row) in &totals.products {
            let id = id.to_string();
            writeln!(
                products,
                "{start},{},{},{},{},{},{}",
                quoted(&id),
                row.views,
                row.add_to_carts,
                row.orders,
                row.units,
                row.revenue
            )?;
        }
        for ((method, succeeded, reason), row) in &totals.payments {
            let (method, reason) = (method.to_string(), reason.as_ref().map(ToString::to_string).unwrap_or_default());
            let status = if *succeeded { "succeeded" } else { "failed" };
            writeln!(
                payments,
                "{start},{},{status},{},{},{}",
                quoted(&method),
                quoted(&reason),
                row.count,
                row.amount
            )?;
        }
    }
    kpis.flush()?;
    products.flush()?;
    payments.flush()
}

/// A text as CSV has it.
fn quoted(text: &str) -> Cow<'_, str> {
    if text.contains([',', '"', '\n', '\r']) {
        Cow::Owned(format!("\"{}\"", text.replace('"', "\"\"")))
    } else {
        Cow::Borrowed(text)
    }
}
