//! The whole path in three classes of input that are never compared with each other: structs, JSON in memory and JSON
//! from disk. Batch size, threads and the share out of order vary one at a time around the engine's own.

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use benches::path::{self, Input, Run, Switches, Threads};
use benches::{corpus, plain};
use criterion::measurement::WallTime;
use criterion::{
    BatchSize, BenchmarkGroup, BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main,
};
use engine::{Inputs, RunConfig, Status};
use engine_model::{Batch, Micros, Semantics};

/// Some three windows of event time at [`RATE`].
const LINES: u64 = 200_000;

/// Records a second of event time: windows close within the input.
const RATE: f64 = 1_000.0;

/// Shares out of order but within lateness; the second is the simulator's own.
const DELAYED: [f64; 3] = [0.0, 0.02, 0.2];

/// What is varied, with its name.
fn variants() -> Vec<(&'static str, usize, Switches)> {
    let usual = Switches::default();
    let batch = |batch_records| ("batch", batch_records, Switches { batch_records, ..usual });
    let shards = |shards, threads| ("shards", shards, Switches { threads, ..usual });
    let routed = |count| shards(count, Threads::Routed { shards: count, shard_of: engine::shard_of });
    vec![
        batch(64),
        batch(corpus::BATCH_RECORDS),
        batch(4_096),
        // Shards beside the reading thread; none is the fused path of the rows above.
        shards(1, Threads::Piped),
        routed(2),
        routed(4),
    ]
}

fn config(delayed: f64) -> sim::Config {
    sim::Config { rate: RATE, ..corpus::delayed_config(LINES, delayed) }
}

/// Benches `run` with everything that varies but the input.
fn vary(group: &mut BenchmarkGroup<'_, WallTime>, mut run: impl FnMut(Switches) -> Run) {
    let expected = run(Switches::default());
    assert!(expected.ledger.adds_up() && expected.windows > 2, "{expected:?}");
    for (what, value, switches) in variants() {
        assert_eq!(run(switches), expected, "{what} {value} changes what is found");
        group.bench_function(BenchmarkId::new(what, value), |b| b.iter(|| black_box(run(switches))));
    }
}

fn structs(c: &mut Criterion) {
    let semantics = Semantics::default();
    let mut group = c.benchmark_group("whole/structs");
    group.sampling_mode(SamplingMode::Flat);
    for delayed in DELAYED {
        let mut batches = corpus::structs(&config(delayed), corpus::BATCH_RECORDS).expect("the configuration holds");
        let events: u64 = batches.iter().map(|batch| batch.events.len() as u64).sum();
        let bytes = events * size_of::<engine_model::Event>() as u64;
        group.throughput(Throughput::ElementsAndBytes { elements: LINES, bytes });
        group.bench_function(BenchmarkId::new("delayed", delayed), |b| {
            b.iter(|| path::run(Input::Structs(&mut batches), &semantics, Switches::default()));
        });
        if delayed.to_bits() == sim::Shares::DEFAULT.delayed.to_bits() {
            group.bench_function("control/without_dedup_and_sets", |b| b.iter(|| plain::run(&mut batches, &semantics)));
            let mut by_size: Vec<(usize, Vec<Batch>)> = Vec::new();
            vary(&mut group, |switches| {
                let records = switches.batch_records;
                // Batches are made before they are needed, not while they are timed.
                let place = by_size.iter().position(|(size, _)| *size == records).unwrap_or_else(|| {
                    let batches = corpus::structs(&config(delayed), records).expect("the configuration holds");
                    by_size.push((records, batches));
                    by_size.len() - 1
                });
                path::run(Input::Structs(&mut by_size[place].1), &semantics, switches)
            });
        }
    }
    group.finish();
}

fn json_in_memory(c: &mut Criterion) {
    let semantics = Semantics::default();
    let mut group = c.benchmark_group("whole/json_in_memory");
    group.sampling_mode(SamplingMode::Flat);
    for delayed in DELAYED {
        let lines = corpus::lines(&config(delayed)).expect("the configuration holds");
        group.throughput(Throughput::ElementsAndBytes { elements: LINES, bytes: lines.len() as u64 });
        group.bench_function(BenchmarkId::new("delayed", delayed), |b| {
            b.iter(|| path::run(Input::Lines(&lines), &semantics, Switches::default()));
        });
        if delayed.to_bits() == sim::Shares::DEFAULT.delayed.to_bits() {
            group.bench_function("control/newline_split", |b| b.iter(|| corpus::newline_split(black_box(&lines))));
            vary(&mut group, |switches| path::run(Input::Lines(&lines), &semantics, switches));
        }
    }
    group.finish();
}

fn json_from_disk(c: &mut Criterion) {
    let semantics = Semantics::default();
    let folder = tempfile::tempdir().expect("a folder to write in");
    let file = folder.path().join("lines.jsonl");
    let mut group = c.benchmark_group("whole/json_from_disk");
    group.sampling_mode(SamplingMode::Flat);
    for delayed in DELAYED {
        let lines = corpus::lines(&config(delayed)).expect("the configuration holds");
        std::fs::write(&file, &lines).expect("the folder can be written to");
        group.throughput(Throughput::ElementsAndBytes { elements: LINES, bytes: lines.len() as u64 });
        group.bench_function(BenchmarkId::new("delayed", delayed), |b| {
            b.iter(|| path::run(Input::File(&file), &semantics, Switches::default()));
        });
        if delayed.to_bits() == sim::Shares::DEFAULT.delayed.to_bits() {
            group.bench_function("control/read_only", |b| b.iter(|| read(&file)));
            vary(&mut group, |switches| path::run(Input::File(&file), &semantics, switches));
            for shards in [1, 2] {
                let lake = folder.path().join("lake");
                group.bench_function(BenchmarkId::new("to_gold_parquet/shards", shards), |b| {
                    b.iter_batched(|| remove(&lake), |()| engine_run(&file, &lake, shards), BatchSize::PerIteration);
                });
            }
        }
    }
    group.finish();
}

/// What reading alone takes.
fn read(file: &Path) -> usize {
    let name = file.to_str().expect("a path in UTF-8").to_owned();
    let mut bytes = 0;
    for input in engine_source::resolve(&[name]).expect("the file was written") {
        let mut reader = engine_source::PartitionReader::new(input);
        while let Some(slab) = reader.next_slab().expect("the file can be read") {
            bytes += slab.bytes.len();
        }
    }
    bytes
}

fn remove(lake: &Path) {
    if lake.exists() {
        std::fs::remove_dir_all(lake).expect("the lake is ours");
    }
}

/// The engine's own run, quarantine, Parquet and commits to disk included.
fn engine_run(file: &Path, lake: &Path, shards: usize) {
    let name = file.to_str().expect("a path in UTF-8").to_owned();
    let config = RunConfig {
        semantics: Semantics::default(),
        inputs: Inputs::Lines(engine_source::resolve(&[name]).expect("the file was written")),
        lake: lake.to_owned(),
        layers: engine_lake::Layers::default(),
        shards,
        pin: true,
        max_future: Micros::DAY,
        pace: None,
        idle_timeout: Micros::MINUTE,
        at_end: engine::AtEnd::Emit,
    };
    let summary = engine::run(&config, &Status::new(), &Arc::new(AtomicBool::new(false))).expect("the lake is new");
    assert_eq!(summary.ledger.records, LINES, "{:?}", summary.ledger);
}

/// Short: what matters are ratios within one run.
fn bounded() -> Criterion {
    let short = Criterion::default().warm_up_time(Duration::from_millis(300));
    short.measurement_time(Duration::from_secs(1)).sample_size(10)
}

criterion_group! {
    name = whole;
    config = bounded();
    targets = structs, json_in_memory, json_from_disk
}
criterion_main!(whole);
