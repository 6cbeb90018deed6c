//! The view for a person: the last windows, and the last of them in detail. `run` prints it at its end, `show` of any lake.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use engine_model::gold::{self, TableSchema};
use engine_model::{Cell, Cents, EventTime, Grain, Micros, Rows, UtcOffset};

use crate::figures::{Figures, append_where, window_start};
use crate::layout::{Block, Piece, Table, TableColumn};
use crate::number::{integer, local_clock, local_date, local_time, money, percent, share, small_share, span};
use crate::terminal::{Terminal, columns, printable};

/// How many products and categories are listed, and how many on a terminal of at least [`WIDE`] columns.
const RANKS: usize = 5;
const RANKS_WIDE: usize = 10;
const WIDE: usize = 120;
/// The most bars of the curve: an hour each for a day, five minutes each for three hours.
const BARS_MAX: i64 = 36;
/// The most columns a bar takes.
const BAR_WIDTH_MAX: usize = 5;
/// How far names may be cut.
const NAME_WIDTH_MIN: usize = 12;
/// How many base windows the delays are taken from.
const DELAY_WINDOWS: usize = 60;

impl Figures {
    /// The view, none of its lines wider than the terminal; empty where no window has closed.
    #[must_use]
    pub fn to_text(&self, terminal: &Terminal) -> String {
        let mut text = String::new();
        let Some(view) = View::of(self, terminal.width) else { return text };
        let width = terminal.width;
        let sections = [
            view.preface(),
            view.windows(),
            view.curve(),
            view.funnel().beside(view.payments(), width),
            view.products().beside(view.categories(), width),
            view.quality(),
        ];
        for section in sections.into_iter().filter(|section| !section.lines.is_empty()) {
            section.write(terminal, &mut text);
            text.push('\n');
        }
        text
    }
}

/// The figures and what all sections need to know of them.
struct View<'a> {
    figures: &'a Figures,
    width: usize,
    /// What the last window is called.
    title: String,
}

impl View<'_> {
    fn of(figures: &Figures, width: usize) -> Option<View<'_>> {
        let last = figures.last()?;
        let mut view = View { figures, width, title: String::new() };
        view.title = view.window_title(figures.grain().start(last));
        Some(view)
    }

    fn window_title(&self, start: EventTime) -> String {
        let grain = self.figures.grain();
        if grain.is_daily() { local_date(start, grain.offset()) } else { local_time(start, grain.offset()) }
    }

    /// What holds for everything below, said once.
    fn preface(&self) -> Block {
        let grain = self.figures.grain();
        let text = format!("amounts in {}, times at UTC{}", self.figures.semantics.currency(), grain.offset());
        Block { lines: vec![vec![Piece::heading(text)]] }
    }

    /// Stands above all that is of the last window.
    fn title(&self) -> Vec<Piece> {
        let rule = "─".repeat(self.width.saturating_sub(columns(&self.title) + 4));
        vec![Piece::heading(format!("── {} {rule}", self.title))]
    }

    /// What is said of a whole day below the title of a shorter window.
    fn of_day(&self, day: &str) -> String {
        if self.title == day { String::new() } else { format!(" of {day}") }
    }

    fn windows(&self) -> Block {
        let grain = self.figures.grain();
        let title = if grain.is_daily() { "day".to_owned() } else { format!("{} from", grain.length()) };
        let names = [
            ("revenue", TableColumn::NUMBER),
            ("orders", TableColumn::NUMBER),
            ("aov", TableColumn::NUMBER),
            ("unique_customers", TableColumn::NUMBER),
            ("conversion_rate", TableColumn::NUMBER.may_go()),
            ("payment_success_rate", TableColumn::NUMBER.may_go()),
            ("sessions", TableColumn::NUMBER.may_go()),
        ];
        let titles = ["revenue", "orders", "avg order", "customers", "conversion", "paid ok", "sessions"];
        let headings = names.iter().zip(titles).map(|((_, column), title)| (*column, title.to_owned()));
        let mut table = Table::new([(TableColumn::TEXT, title)].into_iter().chain(headings).collect());
        for row in 0..self.figures.kpis.len() {
            let kpis = &self.figures.kpis;
            let mut pieces = vec![Piece::plain(self.window_title(window_start(kpis, row)))];
            pieces.extend(names.map(|(name, _)| Piece::plain(show(kpis, row, name))));
            table.push(pieces);
        }
        if let Some(row) = self.so_far() {
            table.push(row);
        }
        table.into_block(self.width)
    }

    /// The base windows after the last window, added up: what has closed of a longer window that is still open.
    fn so_far(&self) -> Option<Vec<Piece>> {
        let grain = self.figures.grain();
        let end = grain.end(self.figures.last()?);
        let base = &self.figures.base_kpis;
        // One window of the grain is open at a time; of those that closed while the tables were read, none is.
        let window = |row| grain.containing(window_start(base, row));
        let open = window(base.len().checked_sub(1)?);
        let rows: Vec<usize> = (0..base.len()).filter(|row| window(*row) == open).collect();
        if grain.start(open) < end {
            return None;
        }
        let count = |name| rows.iter().map(|row| int64(base, *row, name)).sum::<i64>();
        let revenue = rows.iter().fold(Cents::ZERO, |sum, row| sum.saturating_add(cents(base, *row, "revenue")));
        let (orders, succeeded) = (count("orders"), count("payments_succeeded"));
        let average = revenue.divided_by(orders.unsigned_abs()).map_or("-".to_owned(), money);
        // Distinct counts of windows do not add up.
        let unknown = || "-".to_owned();
        let paid = share(succeeded, succeeded + count("payments_failed"));
        let texts = [money(revenue), integer(orders), average, unknown(), unknown(), paid, unknown()];
        let title = format!("{} so far", self.window_title(grain.start(open)));
        Some([title].into_iter().chain(texts).map(Piece::plain).collect())
    }

    /// The title of all that follows, and the revenue over the day of the last window.
    fn curve(&self) -> Block {
        let mut block = Block { lines: vec![self.title()] };
        let (figures, base) = (self.figures, self.figures.semantics.base());
        let local_day = |row| base.local_day(base.containing(window_start(&figures.base_kpis, row)));
        let day = figures.last().map(|last| figures.grain().local_day(last));
        let mut rows = Rows::new(&gold::KPIS);
        append_where(&mut rows, &figures.base_kpis, |row| Some(local_day(row)) == day);
        let Some(curve) = Curve::of(&rows, base) else { return block };
        let (peak, amount) = curve.peak();
        if amount == Cents::ZERO {
            return block;
        }
        let of_day = self.of_day(&local_date(window_start(&rows, 0), base.offset()));
        let (step, amount) = (curve.step_name(), money(amount));
        let heading = format!("revenue per {step}{of_day}, highest {amount} at {}", clock(peak));
        let bar_width = (self.width / curve.bars.len()).clamp(1, BAR_WIDTH_MAX);
        block.push(vec![Piece::heading(heading)]);
        block.push(vec![Piece::plain(curve.drawn(bar_width))]);
        block.push(vec![Piece::heading(curve.axis(bar_width))]);
        block
    }

    fn funnel(&self) -> Block {
        let rows = &self.figures.funnel;
        if rows.is_empty() {
            return Block::default();
        }
        let mut table = Table::new(vec![
            (TableColumn::TEXT, "funnel".to_owned()),
            (TableColumn::NUMBER, "sessions".to_owned()),
            (TableColumn::NUMBER, "of step before".to_owned()),
            (TableColumn::NUMBER.may_go(), "of views".to_owned()),
        ]);
        let mut steps: Vec<(i64, usize)> = (0..rows.len()).map(|row| (int64(rows, row, "step"), row)).collect();
        steps.sort_unstable();
        let sessions: Vec<i64> = steps.iter().map(|(_, row)| int64(rows, *row, "sessions")).collect();
        for (place, (_, row)) in steps.iter().enumerate() {
            let of = |whole: Option<&i64>| whole.map_or(String::new(), |whole| share(sessions[place], *whole));
            let before = place.checked_sub(1).and_then(|before| sessions.get(before));
            table.push(vec![
                Piece::plain(printable(&texts(rows, *row, "stage")).replace('_', " ")),
                Piece::plain(integer(sessions[place])),
                Piece::plain(of(before)),
                Piece::plain(of(before.and(sessions.first()))),
            ]);
        }
        table.into_block(self.width)
    }

    /// A line a method: the table has one for every reason of failure, which is a list too long to see anything in.
    fn payments(&self) -> Block {
        let rows = &self.figures.payments;
        if rows.is_empty() {
            return Block::default();
        }
        let mut methods: BTreeMap<String, Method> = BTreeMap::new();
        for row in 0..rows.len() {
            let method = methods.entry(texts(rows, row, "method")).or_default();
            let payments = int64(rows, row, "payments");
            if texts(rows, row, "status") == "succeeded" {
                method.succeeded += payments;
                method.paid = method.paid.saturating_add(cents(rows, row, "amount"));
            } else {
                method.failed += payments;
                method.reasons.push((payments, texts(rows, row, "failure_reason")));
            }
        }
        let mut methods: Vec<(String, Method)> = methods.into_iter().collect();
        // A method nobody succeeds with still comes before one that is hardly used.
        methods.sort_by_key(|(_, method)| (Reverse(method.paid), Reverse(method.failed)));
        let mut table = Table::new(vec![
            (TableColumn::TEXT.shrinks_to(NAME_WIDTH_MIN), "payments".to_owned()),
            (TableColumn::NUMBER, "ok".to_owned()),
            (TableColumn::NUMBER, "failed".to_owned()),
            (TableColumn::NUMBER, "ok rate".to_owned()),
            (TableColumn::NUMBER, "paid".to_owned()),
            (TableColumn::TEXT.shrinks_to(NAME_WIDTH_MIN).may_go(), "fails mostly for".to_owned()),
        ]);
        for (name, method) in &methods {
            table.push(vec![
                Piece::plain(printable(name)),
                Piece::plain(integer(method.succeeded)),
                Piece::failure_if(method.failed > 0, integer(method.failed)),
                Piece::plain(share(method.succeeded, method.succeeded + method.failed)),
                Piece::plain(money(method.paid)),
                Piece::failure_if(true, method.main_reason()),
            ]);
        }
        table.into_block(self.width)
    }

    fn products(&self) -> Block {
        let names = &self.figures.names;
        let shown = self.ranks(&self.figures.products);
        let wanted: Vec<String> = shown.iter().map(|row| texts(&self.figures.products, *row, "product_id")).collect();
        let mut name_of: HashMap<String, String> = HashMap::new();
        for row in 0..names.len() {
            let id = texts(names, row, "product_id");
            if wanted.contains(&id) {
                name_of.insert(id, texts(names, row, "name"));
            }
        }
        let id_width = wanted.iter().map(|id| columns(&printable(id))).max().unwrap_or(0).min(NAME_WIDTH_MIN);
        let title = |id: String| match name_of.get(&id) {
            Some(name) => format!("{:<id_width$} {}", printable(&id), printable(name)),
            None => printable(&id),
        };
        self.ranked("top products", &self.figures.products, "product_id", &["views", "units", "orders"], title)
    }

    fn categories(&self) -> Block {
        let title = |name: String| printable(&name);
        self.ranked("top categories", &self.figures.categories, "category", &["units", "orders"], title)
    }

    /// The rows of the highest ranks, in order.
    fn ranks(&self, rows: &Rows) -> Vec<usize> {
        let count = if self.width >= WIDE { RANKS_WIDE } else { RANKS };
        let mut ranks: Vec<(i64, usize)> = (0..rows.len()).map(|row| (int64(rows, row, "revenue_rank"), row)).collect();
        ranks.sort_unstable();
        ranks.into_iter().take(count).map(|(_, row)| row).collect()
    }

    fn ranked(&self, what: &str, rows: &Rows, key: &str, counts: &[&str], title: impl Fn(String) -> String) -> Block {
        if rows.is_empty() {
            return Block::default();
        }
        let mut headings = vec![(TableColumn::TEXT.shrinks_to(NAME_WIDTH_MIN), what.to_owned())];
        headings.extend(counts.iter().map(|name| (TableColumn::NUMBER.may_go(), (*name).to_owned())));
        headings.extend(["revenue", "share"].map(|name| (TableColumn::NUMBER, name.to_owned())));
        let mut table = Table::new(headings);
        let all = (0..rows.len()).fold(Cents::ZERO, |sum, row| sum.saturating_add(cents(rows, row, "revenue")));
        for row in self.ranks(rows) {
            let mut pieces = vec![title(texts(rows, row, key))];
            pieces.extend(counts.iter().map(|name| show(rows, row, name)));
            let revenue = cents(rows, row, "revenue");
            pieces.extend([money(revenue), share(revenue.get(), all.get())]);
            table.push(pieces.into_iter().map(Piece::plain).collect());
        }
        table.into_block(self.width)
    }

    fn quality(&self) -> Block {
        let (rows, rejections) = (&self.figures.quality, &self.figures.rejections);
        if rows.is_empty() {
            return Block::default();
        }
        let of_day = self.of_day(&local_date(window_start(rows, 0), self.figures.grain().offset()));
        let names = ["records", "accepted", "duplicates", "late", "rejected", "delayed"];
        let headings = names.iter().map(|name| (TableColumn::NUMBER, (*name).to_owned()));
        let title = (TableColumn::TEXT, format!("quality{of_day}"));
        let mut table = Table::new([title].into_iter().chain(headings).collect());
        let sums = names.map(|name| (0..rows.len()).map(|row| int64(rows, row, name)).sum::<i64>());
        let is_failure = |name: &str, sum: i64| name == "rejected" && sum > 0;
        let counts = names.iter().zip(sums).map(|(name, sum)| Piece::failure_if(is_failure(name, sum), integer(sum)));
        table.push([Piece::plain("count")].into_iter().chain(counts).collect());
        let shares = names.iter().zip(sums).map(|(name, sum)| match *name {
            "records" => Piece::plain(""),
            name => Piece::failure_if(is_failure(name, sum), small_share(sum, sums[0])),
        });
        table.push([Piece::plain("of all")].into_iter().chain(shares).collect());
        let mut block = table.into_block(self.width);

        let mut reasons: BTreeMap<String, i64> = BTreeMap::new();
        for row in 0..rejections.len() {
            *reasons.entry(texts(rejections, row, "reason")).or_default() += int64(rejections, row, "records");
        }
        let mut reasons: Vec<(String, i64)> = reasons.into_iter().collect();
        reasons.sort_by_key(|(_, records)| Reverse(*records));
        let reason = |(reason, records): &(String, i64)| format!("{} {}", printable(reason), integer(*records));
        let reasons: Vec<String> = reasons.iter().map(reason).collect();
        for line in wrapped("rejected for  ", &reasons, self.width) {
            block.push(vec![Piece::plain(line)]);
        }
        if let Some(line) = delays(rows) {
            block.push(vec![Piece::plain(line)]);
        }
        block
    }
}

/// What became of the payments with one method.
#[derive(Default)]
struct Method {
    succeeded: i64,
    failed: i64,
    paid: Cents,
    /// How many failed for which reason.
    reasons: Vec<(i64, String)>,
}

impl Method {
    fn main_reason(&self) -> String {
        let most = self.reasons.iter().max_by(|(a, x), (b, y)| a.cmp(b).then(y.cmp(x)));
        most.map_or(String::new(), |(payments, reason)| {
            let reason = if reason.is_empty() { "no reason given".to_owned() } else { printable(reason) };
            format!("{reason} {}", integer(*payments))
        })
    }
}

/// The worst delays of the last windows.
fn delays(rows: &Rows) -> Option<String> {
    let first = rows.len().saturating_sub(DELAY_WINDOWS);
    let worst = |name| (first..rows.len()).filter_map(|row| double(rows, row, name)).max_by(f64::total_cmp);
    let [p50, p99, max] = [worst("delay_p50_ms")?, worst("delay_p99_ms")?, worst("delay_max_ms")?].map(span);
    let count = rows.len() - first;
    let windows = if count == 1 { "window".to_owned() } else { format!("{count} windows") };
    Some(format!("delay         p50 {p50}, p99 {p99}, max {max}, worst of the last {windows}"))
}

/// Amounts over a day in equal steps. All times are local.
struct Curve {
    /// Where the first bar starts, in microseconds.
    first: i64,
    step: i64,
    /// Cents; `None` where no window has accepted an event.
    bars: Vec<Option<i64>>,
}

impl Curve {
    /// The revenue of base windows of one day, in the finest of the usual steps that makes no more than [`BARS_MAX`]
    /// bars. `None` where that is no curve.
    fn of(rows: &Rows, base: Grain) -> Option<Curve> {
        let length = base.length().get().get();
        let minutes = [1, 2, 5, 10, 15, 20, 30, 60, 120, 240, 480].map(|minutes| minutes * Micros::MINUTE.get());
        let seconds = [1, 2, 5, 10, 15, 20, 30].map(|seconds| seconds * Micros::SECOND.get());
        let local = |row| (window_start(rows, row) + base.offset().as_micros()).as_micros();
        let (start, end) = (local(0), local(rows.len().checked_sub(1)?) + length);
        let places = |step: i64| start.div_euclid(step)..(end + step - 1).div_euclid(step);
        let mut steps = seconds.into_iter().chain(minutes).filter(|step| step % length == 0);
        let step = steps.find(|step| places(*step).end - places(*step).start <= BARS_MAX);
        // A window of a length of which no usual step is a multiple.
        let step = step.unwrap_or(length * ((end - start) / length / BARS_MAX + 1));
        let places = places(step);
        let mut bars = vec![None; usize::try_from(places.end - places.start).ok()?];
        for row in 0..rows.len() {
            let bar = usize::try_from(local(row).div_euclid(step) - places.start).ok()?;
            let sum = bars[bar].get_or_insert(0i64);
            *sum = sum.saturating_add(cents(rows, row, "revenue").get());
        }
        (bars.len() > 1).then_some(Curve { first: places.start * step, step, bars })
    }

    fn start(&self, bar: usize) -> i64 {
        self.first + self.step * i64::try_from(bar).unwrap_or(0)
    }

    /// The start of the highest bar, and its amount.
    fn peak(&self) -> (i64, Cents) {
        let amounts = self.bars.iter().enumerate().map(|(bar, amount)| (amount.unwrap_or(0), Reverse(bar)));
        let (amount, Reverse(bar)) = amounts.max().unwrap_or_default();
        (self.start(bar), Cents::new(amount.min(Cents::MAX.get())))
    }

    fn step_name(&self) -> String {
        match self.step {
            step if step == Micros::HOUR.get() => "hour".to_owned(),
            step if step == Micros::MINUTE.get() => "minute".to_owned(),
            step if step % Micros::HOUR.get() == 0 => format!("{} hours", step / Micros::HOUR.get()),
            step if step % Micros::MINUTE.get() == 0 => format!("{} minutes", step / Micros::MINUTE.get()),
            step if step == Micros::SECOND.get() => "second".to_owned(),
            step => format!("{} seconds", step / Micros::SECOND.get()),
        }
    }

    fn drawn(&self, bar_width: usize) -> String {
        const HEIGHTS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
        let most = i128::from(self.peak().1.get().max(1));
        let height = |amount: i64| {
            let eighth = usize::try_from(i128::from(amount) * 8 / most).unwrap_or(0);
            HEIGHTS[eighth.min(HEIGHTS.len() - 1)]
        };
        self.bars.iter().flat_map(|amount| std::iter::repeat_n(amount.map_or(' ', height), bar_width)).collect()
    }

    /// Times below the bars, at round ones and as many as there is room for.
    fn axis(&self, bar_width: usize) -> String {
        let label = if self.step % Micros::MINUTE.get() == 0 { "00:00" } else { "00:00:00" };
        let label_width = label.len() + 3;
        let bars_a_label = i64::try_from(label_width.div_ceil(bar_width)).unwrap_or(1);
        let steps = [1, 2, 3, 4, 6, 8, 12].map(|factor| factor * self.step);
        let label_step = steps.into_iter().find(|step| *step >= bars_a_label * self.step).unwrap_or(self.step * 12);
        let mut axis = String::new();
        for bar in (0..self.bars.len()).filter(|bar| self.start(*bar) % label_step == 0) {
            let (place, label) = (bar * bar_width, clock(self.start(bar)));
            if place + columns(&label) <= self.bars.len() * bar_width {
                axis += &" ".repeat(place.saturating_sub(columns(&axis)));
                axis += &label;
            }
        }
        axis
    }
}

/// The time of the day of a local time.
fn clock(local_micros: i64) -> String {
    local_clock(EventTime::from_micros(local_micros), UtcOffset::ZERO)
}

/// A list after a title, in as many lines as it needs.
fn wrapped(title: &str, items: &[String], width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for item in items {
        match lines.last_mut() {
            Some(line) if columns(line) + 2 + columns(item) < width => *line = format!("{line}, {item}"),
            Some(line) => {
                line.push(',');
                lines.push(format!("{}{item}", " ".repeat(columns(title))));
            }
            None => lines.push(format!("{title}{item}")),
        }
    }
    lines
}

fn cell<'a>(rows: &'a Rows, row: usize, name: &str) -> Cell<'a> {
    let schema: &TableSchema = rows.schema();
    rows.cell(row, schema.column_index(name).unwrap_or_else(|| panic!("{} has no column {name}", schema.name)))
}

fn int64(rows: &Rows, row: usize, name: &str) -> i64 {
    match cell(rows, row, name) {
        Cell::Int64(value) => value,
        Cell::Int32(value) => value.into(),
        other => unreachable!("{name} is a count, not {other:?}"),
    }
}

fn cents(rows: &Rows, row: usize, name: &str) -> Cents {
    match cell(rows, row, name) {
        Cell::Money(cents) => cents,
        other => unreachable!("{name} is money, not {other:?}"),
    }
}

fn double(rows: &Rows, row: usize, name: &str) -> Option<f64> {
    match cell(rows, row, name) {
        Cell::Double(value) => Some(value),
        Cell::Null => None,
        other => unreachable!("{name} is a floating point number, not {other:?}"),
    }
}

/// As it is in the table: use [`printable`] before it is shown. Empty where null.
fn texts(rows: &Rows, row: usize, name: &str) -> String {
    match cell(rows, row, name) {
        Cell::Text(text) => text.to_owned(),
        Cell::Null => String::new(),
        other => unreachable!("{name} is a text, not {other:?}"),
    }
}

/// A count, an amount or a rate.
fn show(rows: &Rows, row: usize, name: &str) -> String {
    match cell(rows, row, name) {
        Cell::Null => "-".to_owned(),
        Cell::Int64(value) => integer(value),
        Cell::Int32(value) => value.to_string(),
        Cell::Money(cents) => money(cents),
        Cell::Double(rate) => percent(rate),
        other => unreachable!("{name} is a figure, not {other:?}"),
    }
}

#[cfg(test)]
mod tests {
    use engine_model::{Semantics, WindowId};

    use super::*;

    fn kpis(rows: &mut Rows, grain: Grain, window: WindowId, revenue: i64, orders: i64) {
        let leading = [Cell::Timestamp(grain.start(window)), Cell::Timestamp(grain.end(window))];
        let day = [Cell::Int32(grain.date_key(window)), Cell::Int32(grain.minute_of_day(window))];
        let (count, sums) = (Cell::Int64(orders), Cell::Money(Cents::new(revenue)));
        let counts = [count, sums, count, Cell::Null, count, count, count, count, count, sums, Cell::Null, Cell::Null];
        rows.push(&[&leading[..], &day, &counts].concat());
    }

    #[test]
    fn what_has_closed_of_an_open_hour_is_added_up_as_far_as_it_adds_up() {
        let semantics = Semantics::default();
        let (base, hour) = (semantics.base(), semantics.grains()[1]);
        let mut figures = Figures::new(&semantics, 1);
        kpis(&mut figures.kpis, hour, WindowId(9), 6_000, 6);
        for (minute, revenue) in [(9 * 60, 6_000), (10 * 60, 100_000), (10 * 60 + 1, 50_001)] {
            kpis(&mut figures.base_kpis, base, WindowId(minute), revenue, 1);
        }
        let text = figures.to_text(&Terminal { width: 100, has_colours: false });
        let row = text.lines().find(|line| line.contains("so far")).unwrap();
        let cells: Vec<&str> = row.split_whitespace().collect();
        let expected = ["1970-01-01", "10:00", "so", "far", "1,500.01", "2", "750.01", "-", "-", "50.0", "%", "-"];
        assert_eq!(cells, expected, "{text}");
        assert!(!text.contains("funnel"), "sections without rows are left out: {text}");
    }

    #[test]
    fn without_a_window_there_is_no_view() {
        let figures = Figures::new(&Semantics::default(), 0);
        assert_eq!(figures.to_text(&Terminal { width: 80, has_colours: true }), "");
    }
}
