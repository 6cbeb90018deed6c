//! What a run has done, for a person or as JSON.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use engine_model::gold::{self, GoldTable, TableSchema};
use engine_model::{Cell, Cents, EventTime, Grain, Reason, Rows, Semantics};
use engine_window::{Closed, GoldRows, Ledger};

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunEnd {
    /// All inputs were read to their ends and all windows are written.
    Finished,
    /// It was told to stop.
    Interrupted,
    /// An input could not be read on; the message says which and why.
    SourceFailed(String),
}

/// What a run has done.
#[derive(Clone, Debug)]
pub struct Summary {
    /// How it ended.
    pub end: RunEnd,
    /// What became of the records.
    pub ledger: Ledger,
    /// Base windows written with at least one accepted event.
    pub windows: u64,
    /// The ends of base windows with events that are not written.
    pub open_windows: Vec<EventTime>,
    /// Whether a sum of money has stopped at the end of its column.
    pub saturated: bool,
    /// From the start to the last write.
    pub elapsed: Duration,
    /// Where the lake is.
    pub lake: PathBuf,
    /// Whether Gold was written.
    pub has_gold: bool,
    /// Figures of the last windows.
    pub headline: Headline,
}

/// The figures of the largest grain's windows, for the summary.
#[derive(Clone, Debug)]
pub struct Headline {
    grain: Grain,
    grain_index: usize,
    tables: Vec<GoldTable>,
    /// The last windows of that grain, a row each.
    kpis: VecDeque<Rows>,
    /// The last of them, by product, category and payment.
    products: Rows,
    categories: Rows,
    payments: Rows,
}

/// How many windows, and how many products and categories of the last one, are shown.
const WINDOWS_SHOWN: usize = 7;
const RANKS_SHOWN: usize = 5;

impl Headline {
    pub(crate) fn new(semantics: &Semantics) -> Headline {
        let grain_index = semantics.grains().len() - 1;
        Headline {
            grain: semantics.grains()[grain_index],
            grain_index,
            tables: gold::tables(semantics),
            kpis: VecDeque::new(),
            products: Rows::new(&gold::PRODUCTS),
            categories: Rows::new(&gold::CATEGORIES),
            payments: Rows::new(&gold::PAYMENTS),
        }
    }

    /// Takes the rows of a closed window in, where it is of the largest grain.
    pub(crate) fn see(&mut self, closed: Closed, rows: &GoldRows) {
        if closed.grain != self.grain_index {
            return;
        }
        let of = |schema: &TableSchema| {
            let is_it = |table: &GoldTable| table.schema.name == schema.name && table.grain == Some(closed.grain);
            &rows[self.tables.iter().position(is_it).expect("figures exist in every grain")]
        };
        if of(&gold::KPIS).is_empty() {
            return;
        }
        if self.kpis.len() == WINDOWS_SHOWN {
            self.kpis.pop_front();
        }
        let (kpis, products, categories, payments) =
            (of(&gold::KPIS), of(&gold::PRODUCTS), of(&gold::CATEGORIES), of(&gold::PAYMENTS));
        self.kpis.push_back(kpis.clone());
        self.products.clone_from(products);
        self.categories.clone_from(categories);
        self.payments.clone_from(payments);
    }
}

impl Summary {
    /// Records a second, over the whole run.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    pub fn records_per_second(&self) -> f64 {
        let seconds = self.elapsed.as_secs_f64();
        if seconds > 0.0 { self.ledger.records as f64 / seconds } else { 0.0 }
    }

    /// The summary as one JSON object on one line.
    #[must_use]
    pub fn to_json(&self) -> String {
        let ledger = &self.ledger;
        let rejections: serde_json::Map<String, serde_json::Value> = Reason::ALL
            .into_iter()
            .filter(|reason| ledger.rejected[reason.index()] > 0)
            .map(|reason| (reason.name().to_owned(), ledger.rejected[reason.index()].into()))
            .collect();
        let (end, error) = match &self.end {
            RunEnd::Finished => ("finished", None),
            RunEnd::Interrupted => ("interrupted", None),
            RunEnd::SourceFailed(error) => ("source_failed", Some(error)),
        };
        serde_json::json!({
            "records": ledger.records,
            "accepted": ledger.accepted,
            "duplicates": ledger.duplicates,
            "late": ledger.late,
            "rejected": ledger.rejected_total(),
            "delayed": ledger.delayed,
            "rejections": rejections,
            "windows": self.windows,
            "saturated": self.saturated,
            "elapsed_seconds": self.elapsed.as_secs_f64(),
            "records_per_second": self.records_per_second(),
            "lake": self.lake.display().to_string(),
            "end": end,
            "error": error,
            "open_windows": self.open_windows.iter().map(ToString::to_string).collect::<Vec<_>>(),
        })
        .to_string()
    }

    /// The summary for a person: figures first, then the books.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = self.headline.to_text();
        let ledger = &self.ledger;
        let seconds = self.elapsed.as_secs_f64();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate for people")]
        let rate = self.records_per_second() as u64;
        let rejected = Reason::ALL.into_iter().filter(|reason| ledger.rejected[reason.index()] > 0);
        let reasons: Vec<String> =
            rejected.map(|reason| format!("{reason} {}", thousands(ledger.rejected[reason.index()]))).collect();
        let mut line = |name: &str, value: String| {
            writeln!(text, "{name:<12}{value}").expect("writing to a string");
        };
        line("records", format!("{} in {seconds:.2} s, {} a second", thousands(ledger.records), thousands(rate)));
        line("accepted", thousands(ledger.accepted));
        line("duplicates", thousands(ledger.duplicates));
        line("late", thousands(ledger.late));
        let reasons = if reasons.is_empty() { String::new() } else { format!(" ({})", reasons.join(", ")) };
        line("rejected", format!("{}{reasons}", thousands(ledger.rejected_total())));
        line("delayed", format!("{} of the valid ones came after a newer one", thousands(ledger.delayed)));
        line("windows", thousands(self.windows));
        if self.saturated {
            line("saturated", "a sum of money has stopped at 9,999,999,999,999,999.99".to_owned());
        }
        let place = self.lake.display();
        line(
            "lake",
            if self.has_gold {
                format!("{place} (Gold in {})", self.lake.join("gold").display())
            } else {
                place.to_string()
            },
        );
        if let (Some(first), Some(last)) = (self.open_windows.first(), self.open_windows.last()) {
            let count = self.open_windows.len();
            let plural = if count == 1 { "window" } else { "windows" };
            line(
                "not written",
                format!("{count} open {plural}, ending {first} to {last}, and the rollups they belong to"),
            );
        }
        text
    }
}

impl Headline {
    fn to_text(&self) -> String {
        let mut text = String::new();
        let Some(last) = self.kpis.back() else { return text };
        let names =
            ["revenue", "orders", "aov", "unique_customers", "sessions", "conversion_rate", "payment_success_rate"];
        let titles = ["revenue", "orders", "avg order", "customers", "sessions", "conversion", "payments ok"];
        let mut table = vec![vec![self.grain_title().to_owned()]];
        table[0].extend(titles.map(str::to_owned));
        for kpis in &self.kpis {
            let mut cells = vec![self.window_title(kpis)];
            cells.extend(names.map(|name| show(kpis, 0, name)));
            table.push(cells);
        }
        push_table(&mut text, &table, 1);
        let title = |what: &str| format!("{what}, {}", self.window_title(last));
        if !self.products.is_empty() {
            let names = ["revenue", "units", "orders", "views"];
            push_table(&mut text, &ranks(&self.products, &title("top products"), "product_id", &names), 1);
        }
        if !self.categories.is_empty() {
            let names = ["revenue", "units", "orders"];
            push_table(&mut text, &ranks(&self.categories, &title("top categories"), "category", &names), 1);
        }
        if !self.payments.is_empty() {
            let mut table =
                vec![vec![title("payments"), String::new(), String::new(), "payments".into(), "amount".into()]];
            let names = ["method", "status", "failure_reason", "payments", "amount"];
            table
                .extend((0..self.payments.len()).map(|row| names.map(|name| show(&self.payments, row, name)).to_vec()));
            push_table(&mut text, &table, 3);
        }
        text
    }

    fn grain_title(&self) -> &'static str {
        if self.grain.is_daily() { "day" } else { "window from" }
    }

    fn window_title(&self, kpis: &Rows) -> String {
        match (kpis.cell(0, 0), kpis.cell(0, 2)) {
            (_, Cell::Int32(date)) if self.grain.is_daily() => {
                format!("{:04}-{:02}-{:02}", date / 10_000, date / 100 % 100, date % 100)
            }
            (Cell::Timestamp(start), _) => start.to_string(),
            (cell, _) => unreachable!("a window starts at {cell:?}"),
        }
    }
}

fn ranks(rows: &Rows, title: &str, key: &str, names: &[&str]) -> Vec<Vec<String>> {
    let header = [title].into_iter().chain(names.iter().copied()).map(str::to_owned);
    let mut table = vec![header.collect::<Vec<_>>()];
    for row in 0..rows.len().min(RANKS_SHOWN) {
        table.push([key].iter().chain(names).map(|name| show(rows, row, name)).collect());
    }
    table
}

fn show(rows: &Rows, row: usize, name: &str) -> String {
    let column = rows.schema().column_index(name).expect("a column of the table");
    match rows.cell(row, column) {
        Cell::Null => "-".to_owned(),
        Cell::Int64(value) => thousands(u64::try_from(value).expect("counts are not negative")),
        Cell::Money(cents) => money(cents),
        Cell::Double(rate) => format!("{:.1} %", rate * 100.0),
        Cell::Text(text) => printable(text),
        Cell::Int32(value) => value.to_string(),
        Cell::Timestamp(time) => time.to_string(),
        Cell::Bytes(bytes) => format!("{} bytes", bytes.len()),
    }
}

/// A text from an event as it may be shown on a terminal: control characters become `?`.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { '?' } else { letter }).collect()
}

/// Columns padded to one width, the first `left` to the left and the rest to the right, and an empty line.
fn push_table(text: &mut String, table: &[Vec<String>], left: usize) {
    let columns = table.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| table.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    for row in table {
        let mut line = String::new();
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let padding = " ".repeat(width - cell.chars().count());
            let (before, after) = if column < left { ("", padding.as_str()) } else { (padding.as_str(), "") };
            line.push_str(before);
            line.push_str(cell);
            line.push_str(after);
            line.push_str("  ");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text.push('\n');
}

/// A count with thousands separators.
pub(crate) fn thousands(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn money(cents: Cents) -> String {
    let cents = cents.get().unsigned_abs();
    format!("{}.{:02}", thousands(cents / 100), cents % 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_money_have_separators() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(thousands), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(money(Cents::new(123_456_789)), "1,234,567.89");
        assert_eq!(money(Cents::new(5)), "0.05");
    }

    #[test]
    fn control_characters_of_events_do_not_reach_the_terminal() {
        assert_eq!(printable("a\u{1b}[31mb\u{9b}é"), "a?[31mb?é");
    }
}
