//! Each stage alone, with the rivals in the parsers' groups and the newline scan and the bare harness as controls.

use std::hint::black_box;
use std::time::Duration;

use benches::made::{self, Vary};
use benches::path::{self, Parsing};
use benches::{corpus, ring, rivals};
use criterion::{BatchSize, BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use engine_model::{Batch, EventKind, Semantics, Watermark, WindowId};
use engine_source::{LineLimits, LineReader};
use engine_window::{GoldRows, Merger, Shard, WindowPartial};

/// Lines of the parsers' inputs.
const LINES: u64 = 20_000;

/// Identifiers whose tables and logs, some 40 bytes each, stay in a second-level cache.
const IN_CACHE: usize = 8_192;

/// Identifiers whose tables and logs are larger than a core's caches.
const OUT_OF_CACHE: usize = 1_000_000;

/// Events of a window that is closed, merged and written.
const WINDOW_EVENTS: usize = 200_000;

/// Sessions, customers and products of such a window.
const SHOP: Vary = Vary { sessions: 80_000, customers: 40_000, products: 5_000, ..Vary::NOTHING };

fn throughput(lines: &[u8]) -> Throughput {
    Throughput::ElementsAndBytes { elements: corpus::newline_split(lines), bytes: lines.len() as u64 }
}

fn events_of(batches: &[Batch]) -> Throughput {
    let elements = batches.iter().map(|batch| batch.events.len() as u64).sum();
    Throughput::ElementsAndBytes { elements, bytes: elements * size_of::<engine_model::Event>() as u64 }
}

fn control(c: &mut Criterion) {
    let all = corpus::lines(&corpus::speed_config(LINES)).expect("the committed configuration holds");
    let mut group = c.benchmark_group("control");
    group.throughput(throughput(&all));
    group.bench_function("newline_scan", |b| b.iter(|| corpus::newline_split(black_box(&all))));
    group.bench_function("harness", |b| b.iter(|| black_box(&all).len()));
    group.bench_function("harness_batched", |b| b.iter_batched(|| 0, black_box, BatchSize::LargeInput));
    group.finish();
}

fn scan(c: &mut Criterion) {
    let all = corpus::lines(&corpus::speed_config(LINES)).expect("the committed configuration holds");
    let mut group = c.benchmark_group("scan");
    group.throughput(throughput(&all));
    group.bench_function("slabs_of_whole_lines", |b| {
        b.iter(|| {
            let mut reader = LineReader::new(black_box(all.as_slice()), 0, LineLimits::default());
            let mut bytes = 0;
            while let Some(slab) = reader.next_slab().expect("memory can be read") {
                bytes += slab.bytes.len();
            }
            assert_eq!(bytes, all.len());
        });
    });
    group.finish();
}

fn parse(c: &mut Criterion) {
    let all = corpus::lines(&corpus::speed_config(LINES)).expect("the committed configuration holds");
    let messy = corpus::messy_lines(&corpus::speed_config(LINES)).expect("the committed configuration holds");
    let many = corpus::lines(&corpus::speed_config(5 * LINES)).expect("the committed configuration holds");
    let mut inputs = vec![("mixed", all), ("messy", messy)];
    let kinds = ["click", "order", "payment", "customer", "product"];
    inputs.extend(kinds.map(|kind| (kind, corpus::of_type(&many, kind))));
    let mut group = c.benchmark_group("parse");
    for (name, lines) in &inputs {
        assert!(!lines.is_empty(), "no lines of type {name}");
        group.throughput(throughput(lines));
        for (way, parsing) in [("shapes", Parsing::Shapes), ("general", Parsing::General)] {
            group.bench_with_input(BenchmarkId::new(way, name), lines, |b, lines| {
                let (mut parser, mut batch) = (parsing.parser(), Batch::default());
                b.iter(|| {
                    path::for_each_batch(&mut parser, lines, corpus::BATCH_RECORDS, &mut batch, |batch| {
                        black_box(batch);
                    });
                });
            });
        }
        group.bench_with_input(BenchmarkId::new("sonic", name), lines, |b, lines| b.iter(|| rivals::sonic(lines)));
        group.bench_with_input(BenchmarkId::new("serde", name), lines, |b, lines| b.iter(|| rivals::serde(lines)));
        group.bench_with_input(BenchmarkId::new("simd", name), lines, |b, lines| b.iter(|| rivals::simd(lines)));
    }
    group.finish();
}

/// Sends so many copies of a batch.
type Way = fn(&Batch, u64) -> (Duration, u64);

fn hop(c: &mut Criterion) {
    let mut group = c.benchmark_group("ring");
    for records in [1, 8, 64, 512, 4_096] {
        let template = made::views(records, records, Vary::NOTHING);
        group.throughput(events_of(&template));
        for (name, way) in
            [("two_threads", ring::hop as Way), ("one_thread", ring::hop_alone), ("without_ring", ring::no_hop)]
        {
            group.bench_with_input(BenchmarkId::new(name, records), &template[0], |b, template| {
                b.iter_custom(|messages| way(template, messages).0);
            });
        }
    }
    group.finish();
}

/// A shard whose tables have the room that `batches` needed, once for each call.
fn prepared(batches: &[Batch]) -> Shard {
    let semantics = Semantics::default();
    let mut shard = Shard::new(&semantics);
    ingest(&mut shard, batches);
    let _ = shard.close(Watermark::at(semantics.base().end(WindowId(0))));
    shard
}

fn ingest(shard: &mut Shard, batches: &[Batch]) {
    for batch in batches {
        path::ingest(shard, batch);
    }
}

/// Identifiers with the least work for their window that there is: most of the time is dedup's.
fn dedup(c: &mut Criterion) {
    let mut group = c.benchmark_group("dedup");
    group.sample_size(10);
    group.sampling_mode(SamplingMode::Flat);
    for (name, count) in [("in_cache", IN_CACHE), ("out_of_cache", OUT_OF_CACHE)] {
        let before = made::views_of_window(0, count, corpus::BATCH_RECORDS, Vary::NOTHING);
        let batches = made::views_of_window(1, count, corpus::BATCH_RECORDS, Vary::NOTHING);
        group.throughput(events_of(&batches));
        group.bench_function(BenchmarkId::new("insert", name), |b| {
            let take = |mut shard: Shard| {
                ingest(&mut shard, &batches);
                shard
            };
            b.iter_batched(|| prepared(&before), take, BatchSize::PerIteration);
        });
        let mut shard = prepared(&before);
        ingest(&mut shard, &batches);
        group.bench_function(BenchmarkId::new("duplicates", name), |b| b.iter(|| ingest(&mut shard, &batches)));
        assert_eq!(shard.remembered().0, count, "a duplicate was taken for a new event");
    }
    group.finish();
}

/// Which events are kept.
type Choice = fn(EventKind) -> bool;

/// New identifiers, as in `dedup/insert`, and the work of a window for them.
fn window(c: &mut Criterion) {
    let mut group = c.benchmark_group("window");
    group.sample_size(10);
    group.sampling_mode(SamplingMode::Flat);
    let varied = [
        ("views_one_session", IN_CACHE, Vary { sessions: 1, customers: 1, products: 1, ..Vary::NOTHING }),
        ("views_in_cache", IN_CACHE, Vary { sessions: 2_048, customers: 1_024, products: 512, ..Vary::NOTHING }),
        (
            "views_out_of_cache",
            OUT_OF_CACHE,
            Vary { sessions: 400_000, customers: 200_000, products: 5_000, ..Vary::NOTHING },
        ),
    ];
    for (name, count, vary) in varied {
        let before = made::views_of_window(0, count, corpus::BATCH_RECORDS, vary);
        let batches = made::views_of_window(1, count, corpus::BATCH_RECORDS, vary);
        group.throughput(events_of(&batches));
        group.bench_function(BenchmarkId::new("update", name), |b| {
            let take = |mut shard: Shard| {
                ingest(&mut shard, &batches);
                shard
            };
            b.iter_batched(|| prepared(&before), take, BatchSize::PerIteration);
        });
    }
    let orders = |kind| matches!(kind, EventKind::Order);
    let payments = |kind| matches!(kind, EventKind::PaymentSucceeded | EventKind::PaymentFailed);
    for (name, is_wanted) in [("orders", orders as Choice), ("payments", payments)] {
        let config = corpus::speed_config(5 * LINES);
        let mut batches = corpus::structs(&config, corpus::BATCH_RECORDS).expect("the committed configuration holds");
        for batch in &mut batches {
            batch.events.retain(|event| is_wanted(event.kind));
        }
        group.throughput(events_of(&batches));
        group.bench_function(BenchmarkId::new("update", name), |b| {
            let take = |mut shard: Shard| {
                ingest(&mut shard, &batches);
                shard
            };
            b.iter_batched(|| Shard::new(&Semantics::default()), take, BatchSize::PerIteration);
        });
    }
    group.finish();
}

/// What each of `shards` knows of one window.
fn partials(shards: usize, semantics: &Semantics) -> Vec<WindowPartial> {
    let mut all: Vec<Shard> = (0..shards).map(|_| Shard::new(semantics)).collect();
    for batch in made::views(WINDOW_EVENTS, corpus::BATCH_RECORDS, SHOP) {
        for event in &batch.events {
            all[engine::shard_of(&event.event_id(), shards)].ingest(&batch, event);
        }
    }
    all.iter_mut().flat_map(|shard| shard.close(Watermark::END).windows).collect()
}

fn merge(mut merger: Merger, partials: Vec<WindowPartial>) -> (Merger, GoldRows) {
    let mut rows = merger.empty_rows();
    for partial in partials {
        merger.add_window(partial);
    }
    while merger.close_next(Watermark::END, &mut rows).is_some() {}
    (merger, rows)
}

fn close(c: &mut Criterion) {
    let semantics = Semantics::default();
    let mut group = c.benchmark_group("close");
    group.sample_size(10);
    group.sampling_mode(SamplingMode::Flat);
    group.throughput(Throughput::Elements(WINDOW_EVENTS as u64));
    let batches = made::views(WINDOW_EVENTS, corpus::BATCH_RECORDS, SHOP);
    group.bench_function("pause_of_the_shard", |b| {
        let full = || {
            let mut shard = Shard::new(&semantics);
            ingest(&mut shard, &batches);
            shard
        };
        let close = |mut shard: Shard| {
            let close = shard.close(Watermark::END);
            assert_eq!(close.windows.len(), 1);
            (shard, close)
        };
        b.iter_batched(full, close, BatchSize::PerIteration);
    });
    for shards in [1, 2, 8] {
        let partials = partials(shards, &semantics);
        assert_eq!(partials.iter().map(|partial| partial.sums().events).sum::<u64>(), WINDOW_EVENTS as u64);
        group.bench_function(BenchmarkId::new("merge_and_rows", shards), |b| {
            let fresh = || (Merger::new(&semantics), partials.clone());
            b.iter_batched(fresh, |(merger, partials)| merge(merger, partials), BatchSize::PerIteration);
        });
    }
    group.finish();
}

fn parquet(c: &mut Criterion) {
    let semantics = Semantics::default();
    let (merger, rows) = merge(Merger::new(&semantics), partials(1, &semantics));
    let mut group = c.benchmark_group("parquet");
    for (table, rows) in merger.tables().iter().zip(&rows) {
        if table.grain.is_some_and(|grain| grain > 0) || rows.is_empty() {
            continue;
        }
        let name = table.schema.name;
        group.throughput(Throughput::ElementsAndBytes { elements: rows.len() as u64, bytes: rows.byte_size() as u64 });
        group.bench_function(BenchmarkId::new("encode", name), |b| {
            b.iter(|| engine_gold::parquet(black_box(rows)).expect("rows of ours can be written").len());
        });
    }
    let is_products = |table: &engine_model::gold::GoldTable| {
        table.schema.name == engine_model::gold::PRODUCTS.name && table.grain == Some(0)
    };
    let products = &rows[merger.tables().iter().position(is_products).expect("products have a table")];
    let folder = tempfile::tempdir().expect("a folder to write in");
    let path = folder.path().join("products.parquet");
    group.throughput(Throughput::ElementsAndBytes {
        elements: products.len() as u64,
        bytes: products.byte_size() as u64,
    });
    group.bench_function("encode_and_write/products", |b| {
        b.iter(|| {
            let bytes = engine_gold::parquet(black_box(products)).expect("rows of ours can be written");
            std::fs::write(&path, bytes).expect("the folder can be written to");
        });
    });
    group.finish();
}

/// Short: what matters are ratios within one run, and there are a hundred of these.
fn bounded() -> Criterion {
    let short = Criterion::default().warm_up_time(Duration::from_millis(300));
    short.measurement_time(Duration::from_secs(1)).sample_size(20)
}

criterion_group! {
    name = stages;
    config = bounded();
    targets = control, scan, parse, hop, dedup, window, close, parquet
}
criterion_main!(stages);
