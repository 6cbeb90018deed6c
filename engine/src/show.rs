//! `tillrace show`: the view that `run` prints at its end, of any lake, or the rows of one table.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use engine_feed::{csv_header, csv_row, json_row};
use engine_lake::{LakeReader, LakeTable, Layer, OpenError, ReadError, StoreError};
use engine_model::gold::{self, Grains, TableSchema};
use engine_model::{EventTime, Grain, Micros, Rows, UtcOffset, WindowId, WindowLength};

use crate::export::table_text;
use crate::figures::{Figures, WINDOWS_SHOWN, append_row, append_where, window_start};
use crate::number::thousands;
use crate::terminal::{Terminal, printable};

/// How many rows of a table are shown to a person who does not say.
const ROWS_SHOWN: usize = 20;

/// What to show, and how.
#[derive(Clone, Debug)]
pub struct ShowConfig {
    /// The lake's folder.
    pub lake: PathBuf,
    /// A table by its name, with or without its grain; the view where there is none.
    pub table: Option<String>,
    /// The form.
    pub output: ShowOutput,
    /// The grain of the table or of the view.
    pub grain: Option<WindowLength>,
    /// The first moment at which a window may start.
    pub from: Option<Moment>,
    /// The first moment at which none may start any more.
    pub to: Option<Moment>,
    /// The most rows, or windows of the view.
    pub limit: Option<usize>,
}

/// The form of what is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum ShowOutput {
    /// For a person.
    Text,
    /// One JSON object a line.
    Json,
    /// A header and rows.
    Csv,
}

/// An instant, or the beginning of a day in the local time of a lake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// An instant.
    Instant(EventTime),
    /// A local day, counted from 1970-01-01.
    Day(i64),
}

/// Why nothing, or not everything, was shown.
#[derive(Debug, thiserror::Error)]
pub enum ShowError {
    /// There is no lake, or none that can be read.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The lake has no such table.
    #[error("unknown table {name:?}; {} has {known}", lake.display())]
    UnknownTable {
        /// The name given.
        name: String,
        /// The lake's folder.
        lake: PathBuf,
        /// The tables there are.
        known: String,
    },
    /// A table does not exist in the grain.
    #[error("--grain {grain}: {table} exists in {known}")]
    UnknownGrain {
        /// The grain given.
        grain: WindowLength,
        /// The table's name, without a grain.
        table: String,
        /// The grains there are.
        known: String,
    },
    /// An option that the table has no use for.
    #[error("--{option} does not go with {table}: {why}")]
    Conflict {
        /// The option, without its dashes.
        option: &'static str,
        /// The table.
        table: String,
        /// Why not.
        why: &'static str,
    },
    /// The span is none.
    #[error("--from {from} is not before --to {to}")]
    EmptySpan {
        /// Where it begins.
        from: EventTime,
        /// Where it ends.
        to: EventTime,
    },
    /// A table cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A folder cannot be read.
    #[error(transparent)]
    List(#[from] StoreError),
    /// What was read cannot be written.
    #[error("writing to stdout")]
    Write(#[from] io::Error),
}

impl ShowError {
    /// Whether the user has to change what was asked for (exit 2), rather than the world (exit 1).
    #[must_use]
    pub fn is_usage(&self) -> bool {
        match self {
            ShowError::Open(error) => error.is_usage(),
            ShowError::UnknownTable { .. }
            | ShowError::UnknownGrain { .. }
            | ShowError::Conflict { .. }
            | ShowError::EmptySpan { .. } => true,
            ShowError::Read(_) | ShowError::List(_) | ShowError::Write(_) => false,
        }
    }
}

/// Shows what is asked for. The lake may be written meanwhile: what is shown was there whole at one moment, a table's
/// rows day by day.
///
/// Of a table it needs memory for one day of its rows, or for the rows shown.
///
/// # Errors
/// [`ShowError`]. A reader of `out` that has gone away is one, [`ShowError::Write`].
pub fn show(config: &ShowConfig, terminal: &Terminal, out: &mut impl Write) -> Result<(), ShowError> {
    let reader = engine_lake::open(&config.lake)?;
    let span = Span::new(config.from, config.to, reader.semantics().base().offset())?;
    match &config.table {
        Some(name) => show_table(&reader, name, config, span, terminal, out)?,
        None => show_view(&reader, config, span, terminal, out)?,
    }
    out.flush()?;
    Ok(())
}

/// Where windows must start to be shown, `[from, to)`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    from: EventTime,
    to: EventTime,
    offset: UtcOffset,
}

impl Span {
    /// From one moment to another, each without a bound where there is none.
    pub(crate) fn new(from: Option<Moment>, to: Option<Moment>, offset: UtcOffset) -> Result<Span, ShowError> {
        let instant = |moment| match moment {
            Moment::Instant(instant) => instant,
            Moment::Day(day) => EventTime::from_micros(day * Micros::DAY.get()) - offset.as_micros(),
        };
        let from = from.map_or(EventTime::MIN, instant);
        let to = to.map_or(EventTime::MAX, instant);
        if from >= to {
            return Err(ShowError::EmptySpan { from, to });
        }
        Ok(Span { from, to, offset })
    }

    fn contains(self, start: EventTime) -> bool {
        self.from <= start && start < self.to
    }

    /// Where a local day starts and where it ends.
    fn day(self, day: i64) -> (EventTime, EventTime) {
        let grain = Grain::new(WindowLength::DAY, self.offset);
        (grain.start(WindowId(day)), grain.end(WindowId(day)))
    }

    /// Whether a window may start on a local day.
    fn touches(self, day: i64) -> bool {
        let (start, end) = self.day(day);
        start < self.to && self.from < end
    }

    /// Whether every window of a local day may be shown.
    fn covers(self, day: i64) -> bool {
        let (start, end) = self.day(day);
        self.from <= start && end <= self.to
    }
}

fn show_view(
    reader: &LakeReader,
    config: &ShowConfig,
    span: Span,
    terminal: &Terminal,
    out: &mut impl Write,
) -> Result<(), ShowError> {
    let figures = figures(reader, config, span)?;
    match config.output {
        ShowOutput::Text if figures.kpis.is_empty() => {
            let place = printable(&config.lake.display().to_string());
            let which = if config.from.is_some() || config.to.is_some() { "within that span " } else { "" };
            writeln!(out, "no window {which}has closed yet in {place}")?;
        }
        ShowOutput::Text => out.write_all(figures.to_text(terminal).as_bytes())?,
        ShowOutput::Json => (0..figures.kpis.len()).try_for_each(|row| json_row(out, &figures.kpis, row))?,
        ShowOutput::Csv => {
            csv_header(out, &gold::KPIS)?;
            (0..figures.kpis.len()).try_for_each(|row| csv_row(out, &figures.kpis, row))?;
        }
    }
    Ok(())
}

/// What `show` shows of a lake when nothing else is asked for.
pub(crate) fn latest_figures(lake: &Path) -> Result<Figures, ShowError> {
    let config = ShowConfig {
        lake: lake.to_path_buf(),
        table: None,
        output: ShowOutput::Text,
        grain: None,
        from: None,
        to: None,
        limit: None,
    };
    let reader = engine_lake::open(lake)?;
    let span = Span::new(None, None, reader.semantics().base().offset())?;
    figures(&reader, &config, span)
}

/// Reads what the view shows. `kpis` come first, so that what is read after them holds their windows too.
fn figures(reader: &LakeReader, config: &ShowConfig, span: Span) -> Result<Figures, ShowError> {
    let tables = reader.tables()?;
    let grains = reader.semantics().grains();
    let table = |schema: &TableSchema, grain: usize| {
        let is_it = |table: &&LakeTable| table.schema.name == schema.name && table.grain == Some(grains[grain]);
        tables.iter().find(is_it).ok_or_else(|| unknown_table(reader, &tables, schema.name))
    };
    let candidates = match config.grain {
        Some(length) => match grains.iter().position(|grain| grain.length() == length) {
            Some(grain) => vec![grain],
            None => return Err(unknown_grain(length, "kpis", grains.iter().copied())),
        },
        None => (0..grains.len()).rev().collect(),
    };
    let windows = config.limit.unwrap_or(WINDOWS_SHOWN).max(1);
    let mut figures = Figures::new(reader.semantics(), 0);
    for grain in candidates {
        figures = Figures::new(reader.semantics(), grain);
        figures.kpis = last_rows(reader, table(&gold::KPIS, grain)?, span, windows)?;
        if !figures.kpis.is_empty() {
            break;
        }
    }
    let Some(last) = figures.last() else { return Ok(figures) };
    let (grain, start, end) = (figures.grain, figures.grain().start(last), figures.grain().end(last));
    let day = figures.grain().local_day(last);
    // What comes after the windows asked for is not shown; the last of them is, as a whole.
    let to = if config.to.is_some() { span.to.max(end) } else { EventTime::MAX };
    let read = |to_rows: &mut Rows, grain: usize, to_day: i64, keep: &dyn Fn(EventTime) -> bool| {
        let rows = reader.read(table(to_rows.schema(), grain)?, day, to_day)?;
        append_where(to_rows, &rows, |row| keep(window_start(&rows, row)));
        Ok::<(), ShowError>(())
    };
    read(&mut figures.base_kpis, 0, i64::MAX, &|window| window < to)?;
    for rows in [&mut figures.products, &mut figures.categories, &mut figures.funnel, &mut figures.payments] {
        read(rows, grain, day + 1, &|window| window == start)?;
    }
    for rows in [&mut figures.quality, &mut figures.rejections] {
        read(rows, 0, day + 1, &|window| window < to)?;
    }
    if let Some(names) = tables.iter().find(|table| table.schema.name == gold::DIM_PRODUCT.name) {
        figures.names = reader.read(names, i64::MIN, i64::MAX)?;
    }
    Ok(figures)
}

/// The last rows of a windowed table within the span, read from the end.
pub(crate) fn last_rows(reader: &LakeReader, table: &LakeTable, span: Span, count: usize) -> Result<Rows, ShowError> {
    let mut days = Vec::new();
    let mut found = 0;
    for day in reader.days(table)?.into_iter().rev().filter(|day| span.touches(*day)) {
        if found >= count {
            break;
        }
        let all = reader.read(table, day, day + 1)?;
        let mut rows = Rows::new(table.schema);
        append_where(&mut rows, &all, |row| span.contains(window_start(&all, row)));
        found += rows.len();
        days.push(rows);
    }
    let mut rows = Rows::new(table.schema);
    let mut skip = found.saturating_sub(count);
    for day in days.into_iter().rev() {
        append_where(&mut rows, &day, |row| row >= skip);
        skip = skip.saturating_sub(day.len());
    }
    Ok(rows)
}

fn show_table(
    reader: &LakeReader,
    name: &str,
    config: &ShowConfig,
    span: Span,
    terminal: &Terminal,
    out: &mut impl Write,
) -> Result<(), ShowError> {
    let tables = reader.tables()?;
    let table = find_table(reader, &tables, name, config.grain)?;
    check_span(table, config.from, config.to)?;
    let is_text = config.output == ShowOutput::Text;
    let limit = config.limit.unwrap_or(if is_text { ROWS_SHOWN } else { usize::MAX });
    if config.output == ShowOutput::Csv {
        csv_header(out, table.schema)?;
    }
    let mut shown = Rows::new(table.schema);
    let more = take_rows(reader, table, span, limit, is_text, |rows, row| {
        match config.output {
            ShowOutput::Text => append_row(&mut shown, rows, row),
            ShowOutput::Json => json_row(out, rows, row)?,
            ShowOutput::Csv => csv_row(out, rows, row)?,
        }
        Ok(())
    })?;
    if is_text {
        out.write_all(table_text(&shown, span.offset, terminal).as_bytes())?;
        if shown.is_empty() && more == 0 {
            writeln!(out, "no rows")?;
        }
        if more > 0 {
            let count = thousands(u64::try_from(more).unwrap_or(u64::MAX));
            let rows = if more == 1 { "row" } else { "rows" };
            writeln!(out, "… and {count} more {rows}; --limit N")?;
        }
    }
    Ok(())
}

/// A table without windows has none that start at any time.
pub(crate) fn check_span(table: &LakeTable, from: Option<Moment>, to: Option<Moment>) -> Result<(), ShowError> {
    let given = [("from", from.is_some()), ("to", to.is_some())];
    match given.into_iter().find(|(_, is_given)| *is_given && table.grain.is_none()) {
        Some((option, _)) => {
            let why = "its rows stand at no window";
            Err(ShowError::Conflict { option, table: table.name.clone(), why })
        }
        None => Ok(()),
    }
}

/// Takes the rows of a table whose windows start within the span, at most `limit`, reading a day at a time. Returns how many
/// more there are where `counts_rest`, else only those of the day that it has not read on.
pub(crate) fn take_rows(
    reader: &LakeReader,
    table: &LakeTable,
    span: Span,
    limit: usize,
    counts_rest: bool,
    mut take: impl FnMut(&Rows, usize) -> Result<(), ShowError>,
) -> Result<usize, ShowError> {
    let days = match table.grain {
        Some(_) => reader.days(table)?.into_iter().filter(|day| span.touches(*day)).collect(),
        None if table.has_days() => reader.days(table)?,
        // All rows lie in one place.
        None => vec![0],
    };
    let (mut left, mut more) = (limit, 0);
    for day in days {
        if left == 0 {
            if !counts_rest {
                break;
            }
            if table.grain.is_none() || span.covers(day) {
                more += reader.count(table, day, day + 1)?;
                continue;
            }
        }
        let rows = reader.read(table, day, day + 1)?;
        let is_within = |row: &usize| table.grain.is_none() || span.contains(window_start(&rows, *row));
        let within: Vec<usize> = (0..rows.len()).filter(is_within).collect();
        let taken = within.len().min(left);
        left -= taken;
        more += within.len() - taken;
        within[..taken].iter().try_for_each(|row| take(&rows, *row))?;
    }
    Ok(more)
}

/// The table of that name, which may leave its grain out.
pub(crate) fn find_table<'a>(
    reader: &LakeReader,
    tables: &'a [LakeTable],
    name: &str,
    grain: Option<WindowLength>,
) -> Result<&'a LakeTable, ShowError> {
    let layer = |layer: Layer| name.strip_prefix(layer.name())?.strip_prefix('/').map(|short| (short, Some(layer)));
    let (short, layer) = layer(Layer::Gold).or_else(|| layer(Layer::Quarantine)).unwrap_or((name, None));
    let mut tables_of_layer = tables.iter().filter(|table| layer.is_none_or(|layer| table.layer == layer));
    if let Some(table) = tables_of_layer.clone().find(|table| table.name == short) {
        if grain.is_some() {
            let in_name = matches!(table.schema.grains, Grains::Every | Grains::Base);
            let why = if in_name { "its name says its grain" } else { "it exists once, in no grain" };
            return Err(ShowError::Conflict { option: "grain", table: table.name.clone(), why });
        }
        return Ok(table);
    }
    let mut of_schema = tables_of_layer.clone().filter(|table| table.schema.name == short).peekable();
    if of_schema.peek().is_none() {
        return Err(unknown_table(reader, tables, name));
    }
    match grain {
        // The base window: rows of it there are always, and there is no finer truth.
        None => of_schema.next().ok_or_else(|| unknown_table(reader, tables, name)),
        Some(length) => {
            let is_it = |table: &&LakeTable| {
                table.schema.name == short && table.grain.is_some_and(|grain| grain.length() == length)
            };
            tables_of_layer
                .find(is_it)
                .ok_or_else(|| unknown_grain(length, short, of_schema.filter_map(|table| table.grain)))
        }
    }
}

fn unknown_table(reader: &LakeReader, tables: &[LakeTable], name: &str) -> ShowError {
    let known: Vec<&str> = tables.iter().map(|table| table.name.as_str()).collect();
    let known = if known.is_empty() { "no tables".to_owned() } else { known.join(", ") };
    ShowError::UnknownTable { name: name.to_owned(), lake: reader.root().to_owned(), known }
}

fn unknown_grain(grain: WindowLength, table: &str, known: impl Iterator<Item = Grain>) -> ShowError {
    let known: Vec<String> = known.map(|grain| grain.length().to_string()).collect();
    ShowError::UnknownGrain { grain, table: table.to_owned(), known: known.join(", ") }
}
