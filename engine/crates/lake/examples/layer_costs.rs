//! What the encodings of Bronze and Silver cost: bytes and nanoseconds a row, for each table of a lake and each codec and
//! layout. The table in docs/layers.md is made by it.
//!
//! ```text
//! tillrace run --events 2000000 --layers bronze,silver --lake layers-lake
//! cargo run --release -p engine-lake --example layer_costs layers-lake
//! ```
//!
//! Reads the first files of a table, up to two million rows, cuts them into parts as large as those that the engine sends,
//! and encodes these in memory on one thread. The best of three.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use engine_lake::{Codec, LayerEncoding, Layout, layer_bytes};
use engine_model::gold::TableSchema;
use engine_model::silver::{BRONZE, SILVER};
use engine_model::{Cell, Rows};

const PART_BYTES: usize = 512 << 10;
const ROWS_MAX: usize = 2_000_000;

fn main() {
    let lake = std::env::args().nth(1).expect("usage: layer_costs LAKE, a lake with the layers bronze and silver");
    let (lake, only) = (PathBuf::from(lake), std::env::args().nth(2));
    println!("| table | codec | numbers | identifiers | filter | bytes a row | ns a row |");
    println!("|---|---|---|---|---|---|---|");
    let layers = [("bronze", &BRONZE[..]), ("silver", &SILVER[..])];
    for (layer, table) in layers.iter().flat_map(|(layer, tables)| tables.iter().map(move |table| (layer, table))) {
        if only.as_deref().is_none_or(|only| only == table.name) {
            let parts = parts(table, &lake.join(layer).join(table.name));
            report(table, &parts);
        }
    }
}

fn report(table: &TableSchema, parts: &[Rows]) {
    let chosen = LayerEncoding::of(table);
    let row = |encoding: LayerEncoding, note: &str| {
        let (bytes, nanos) = measure(parts, encoding);
        println!(
            "| {}{note} | {:?} | {:?} | {:?} | {} | {bytes:.1} | {nanos:.0} |",
            table.name, encoding.codec, encoding.numbers, encoding.identifiers, encoding.has_filter,
        );
    };
    row(chosen, " (chosen)");
    for codec in
        [Codec::None, Codec::Snappy, Codec::Lz4, Codec::Zstd].into_iter().filter(|codec| *codec != chosen.codec)
    {
        row(LayerEncoding { codec, ..chosen }, "");
    }
    for layout in [Layout::Plain, Layout::Dictionary, Layout::Delta] {
        if layout != chosen.numbers {
            row(LayerEncoding { numbers: layout, ..chosen }, "");
        }
        if layout != chosen.identifiers && (table.name != "events" || layout != Layout::Dictionary) {
            row(LayerEncoding { identifiers: layout, ..chosen }, "");
        }
    }
    if table.name != "events" {
        row(LayerEncoding { has_filter: !chosen.has_filter, ..chosen }, "");
    }
}

/// Bytes and nanoseconds a row.
fn measure(parts: &[Rows], encoding: LayerEncoding) -> (f64, f64) {
    let (mut bytes, mut best) = (0, Duration::MAX);
    for _ in 0..3 {
        let started = Instant::now();
        bytes = layer_bytes(parts, encoding).expect("rows that were read").len();
        best = best.min(started.elapsed());
    }
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let (rows, bytes) = (parts.iter().map(Rows::len).sum::<usize>() as f64, bytes as f64);
    (bytes / rows, best.as_secs_f64() * 1e9 / rows)
}

/// The first rows of a table, in parts.
fn parts(table: &'static TableSchema, folder: &Path) -> Vec<Rows> {
    let mut files = Vec::new();
    for day in std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let day = day.expect("an entry").path();
        if day.is_dir() {
            files.extend(std::fs::read_dir(day).expect("a folder").map(|file| file.expect("an entry").path()));
        }
    }
    files.sort();
    let mut parts = vec![Rows::new(table)];
    let mut count = 0;
    for file in files {
        let rows = engine_gold::rows(table, std::fs::read(&file).expect("a file")).expect("a file of the table");
        for row in 0..rows.len().min(ROWS_MAX - count) {
            let cells: Vec<Cell<'_>> = (0..table.columns().count()).map(|column| rows.cell(row, column)).collect();
            let part = parts.last_mut().expect("at least one");
            part.push(&cells);
            count += 1;
            if row % 256 == 255 && part.byte_size() >= PART_BYTES {
                parts.push(Rows::new(table));
            }
        }
    }
    parts
}
