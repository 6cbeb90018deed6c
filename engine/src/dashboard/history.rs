//! What closed before this run, from a lake that it goes on with: the messages that a browser would have heard.

use std::collections::{BTreeMap, BTreeSet};

use engine_feed::{ClosedWindow, Message};
use engine_lake::{LakeReader, LakeTable};
use engine_model::gold::{self, TableSchema};
use engine_model::{Cell, EventTime, Grain, Rows};

use super::hub::Window;
use super::watch::TOP;
use crate::figures::{append_row, window_start};
use crate::show::{ShowError, Span, last_rows};

/// How many windows of each rollup are looked up; of the base windows, those of the last local day are.
const ROLLUP_WINDOWS: usize = 31;

/// The most rows of one table that are read at the start of a run. Only products can have more; then windows come without
/// them. A page shows those of the newest windows only, and the next window to close brings its own.
const ROWS_MAX: usize = 1_000_000;

/// The tables that a message is made of. `kpis` come first, so that what is read after them holds their windows too.
const TABLES: [&TableSchema; 8] = [
    &gold::KPIS,
    &gold::FUNNEL,
    &gold::PAYMENTS,
    &gold::PRODUCTS,
    &gold::CATEGORIES,
    &gold::QUALITY,
    &gold::REJECTIONS,
    &gold::CUSTOMER_ACTIVITY,
];

/// The closed windows of the last local day and the last ones of each rollup, in the order in which they closed; none of a
/// lake without any.
pub(super) fn history(reader: &LakeReader) -> Result<Vec<Window>, ShowError> {
    let tables = reader.tables()?;
    let mut names = None;
    let mut windows: Vec<(EventTime, Window)> = Vec::new();
    for (place, grain) in reader.semantics().grains().iter().enumerate() {
        let Some(first_day) = first_day(reader, &tables, place, *grain)? else { continue };
        let mut rows: Vec<(&str, ByWindow)> = Vec::new();
        for schema in TABLES {
            if let Some(table) = of_grain(&tables, schema, *grain) {
                rows.push((schema.name, ByWindow::read(reader, table, first_day)?));
            }
        }
        let names = match &mut names {
            Some(names) => names,
            none => none.insert(product_names(reader, &tables)?),
        };
        let of_windows = rows.iter().filter(|(name, _)| [gold::KPIS.name, gold::QUALITY.name].contains(name));
        let starts: BTreeSet<EventTime> = of_windows.flat_map(|(_, rows)| rows.of.keys().copied()).collect();
        for start in starts {
            let window = grain.containing(start);
            let rows_of = |schema: &'static TableSchema| {
                rows.iter().find(|(name, _)| *name == schema.name).map(|(_, rows)| rows.at(start))
            };
            let message = |top| {
                let name_of = |product_id: &str| names.get(product_id).cloned();
                Message::Window(ClosedWindow::new(*grain, window, rows_of, top, name_of)).to_json()
            };
            let told = Window { grain: place, full: message(TOP), brief: message(0) };
            windows.push((grain.end(window), told));
        }
    }
    windows.sort_by_key(|(end, window)| (*end, window.grain));
    Ok(windows.into_iter().map(|(_, window)| window).collect())
}

fn of_grain<'a>(tables: &'a [LakeTable], schema: &TableSchema, grain: Grain) -> Option<&'a LakeTable> {
    tables.iter().find(|table| table.schema.name == schema.name && table.grain == Some(grain))
}

/// The local day from which on windows of a grain are told; `None` where there are none.
fn first_day(reader: &LakeReader, tables: &[LakeTable], place: usize, grain: Grain) -> Result<Option<i64>, ShowError> {
    let Some(kpis) = of_grain(tables, &gold::KPIS, grain) else { return Ok(None) };
    if place == 0 {
        return Ok(reader.days(kpis)?.last().copied());
    }
    let rows = last_rows(reader, kpis, Span::new(None, None, grain.offset())?, ROLLUP_WINDOWS)?;
    Ok((!rows.is_empty()).then(|| grain.local_day(grain.containing(window_start(&rows, 0)))))
}

/// The newest name of each product.
fn product_names(reader: &LakeReader, tables: &[LakeTable]) -> Result<BTreeMap<String, String>, ShowError> {
    let mut names = BTreeMap::new();
    if let Some(table) = tables.iter().find(|table| table.schema.name == gold::DIM_PRODUCT.name) {
        let rows = reader.read(table, i64::MIN, i64::MAX)?;
        for row in 0..rows.len() {
            if let (Cell::Text(id), Cell::Text(name)) = (rows.cell(row, 0), rows.cell(row, 1)) {
                names.insert(id.to_owned(), name.to_owned());
            }
        }
    }
    Ok(names)
}

/// Rows of a windowed table by the start of their window.
struct ByWindow {
    of: BTreeMap<EventTime, Rows>,
    none: Rows,
}

impl ByWindow {
    /// Those of a local day and later, none where they are too many.
    fn read(reader: &LakeReader, table: &LakeTable, first_day: i64) -> Result<ByWindow, ShowError> {
        let mut by_window = ByWindow { of: BTreeMap::new(), none: Rows::new(table.schema) };
        if reader.count(table, first_day, i64::MAX)? > ROWS_MAX {
            return Ok(by_window);
        }
        let rows = reader.read(table, first_day, i64::MAX)?;
        for row in 0..rows.len() {
            let of_window = by_window.of.entry(window_start(&rows, row)).or_insert_with(|| Rows::new(table.schema));
            append_row(of_window, &rows, row);
        }
        Ok(by_window)
    }

    fn at(&self, start: EventTime) -> &Rows {
        self.of.get(&start).unwrap_or(&self.none)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;

    use engine_model::{Currency, Micros, Semantics, UtcOffset, WindowLength};
    use serde_json::Value;

    use super::super::{Dashboard, DashboardConfig};
    use super::history;
    use crate::config::{Inputs, RunConfig};
    use crate::status::Status;
    use crate::{default_shards, run_shown};

    /// A run tells its windows as they close; the lake it leaves must give the same messages to the run that goes on with
    /// it. Only names may differ, which are those of the moment.
    #[test]
    fn the_history_of_a_lake_is_what_the_run_that_wrote_it_has_told() {
        let folder = tempfile::tempdir().unwrap();
        let length = |seconds| WindowLength::new(Micros::from_seconds(seconds)).unwrap();
        let offset: UtcOffset = "+05:30".parse().unwrap();
        let rollups = [length(600), WindowLength::DAY];
        let semantics = Semantics::new(length(60), &rollups, Micros::from_seconds(10), Currency::USD, offset).unwrap();
        let sim = sim::Config {
            rate: 20.0,
            bound: sim::Bound::Duration(Micros::from_seconds(1_800)),
            utc_offset: offset,
            ..sim::Config::default()
        };
        let dashboard = DashboardConfig { address: "127.0.0.1:0".parse().unwrap(), token: None, linger: false };
        let config = RunConfig {
            semantics,
            inputs: Inputs::Sim { config: Box::new(sim), truth: None },
            lake: folder.path().join("lake"),
            layers: engine_lake::Layers::default(),
            shards: default_shards(),
            pin: false,
            max_future: Micros::DAY,
            pace: None,
            dashboard: Some(dashboard.clone()),
            idle_timeout: Micros::SECOND,
        };
        let status = Arc::new(Status::new());
        let mut dashboard = Dashboard::listen(&dashboard, &config, Arc::clone(&status)).unwrap();
        run_shown(&config, &status, &Arc::new(AtomicBool::new(false)), &mut dashboard).unwrap();
        let told = dashboard.app.hub.messages();
        let found: Vec<String> =
            history(&engine_lake::open(&config.lake).unwrap()).unwrap().into_iter().map(|window| window.full).collect();
        assert_eq!(found.len(), 30 + 3 + 1);
        let without_names = |message: &String| -> Value {
            let mut message: Value = serde_json::from_str(message).unwrap();
            for product in message["products"]["top"].as_array_mut().unwrap() {
                product.as_object_mut().unwrap().remove("name");
            }
            message
        };
        for (found, told) in found.iter().zip(&told) {
            assert_eq!(without_names(found), without_names(told));
        }
        assert_eq!(found.len(), told.len());
    }
}
