//! Stages alone and the whole path, with rivals in the parsers' groups and the newline scan as the control.

use std::hint::black_box;

use benches::{corpus, path, rivals};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use engine_model::{Batch, Semantics};

const LINES: u64 = 20_000;

fn parse(c: &mut Criterion) {
    let all = corpus::lines(&corpus::speed_config(LINES)).expect("the committed configuration holds");
    let messy = corpus::messy_lines(&corpus::speed_config(LINES)).expect("the committed configuration holds");
    let mut inputs = vec![("mixed", all.clone()), ("messy", messy)];
    inputs.extend(["click", "order", "payment"].map(|kind| (kind, corpus::of_type(&all, kind))));
    let mut group = c.benchmark_group("parse");
    for (name, lines) in &inputs {
        group.throughput(Throughput::Elements(corpus::newline_split(lines)));
        group.bench_with_input(BenchmarkId::new("ours", name), lines, |b, lines| {
            let mut batch = Batch::default();
            b.iter(|| {
                path::for_each_batch(lines, corpus::BATCH_RECORDS, &mut batch, |batch| {
                    black_box(batch);
                });
            });
        });
        group.bench_with_input(BenchmarkId::new("sonic", name), lines, |b, lines| b.iter(|| rivals::sonic(lines)));
        group.bench_with_input(BenchmarkId::new("serde", name), lines, |b, lines| b.iter(|| rivals::serde(lines)));
        group.bench_with_input(BenchmarkId::new("simd", name), lines, |b, lines| b.iter(|| rivals::simd(lines)));
    }
    group.finish();
    let mut group = c.benchmark_group("control");
    group.throughput(Throughput::Bytes(all.len() as u64));
    group.bench_function("newline_scan", |b| b.iter(|| corpus::newline_split(black_box(&all))));
    group.bench_function("harness", |b| b.iter(|| black_box(&all).len()));
    group.finish();
}

fn whole(c: &mut Criterion) {
    let semantics = Semantics::default();
    for delayed in [0.02, 0.2] {
        let config = corpus::delayed_config(LINES, delayed);
        let lines = corpus::lines(&config).expect("the configuration holds");
        let mut group = c.benchmark_group(format!("whole/delayed_{delayed}"));
        group.throughput(Throughput::Elements(LINES));
        for batch_records in [64, 512, 4_096] {
            let switches = path::Switches { batch_records, ..path::Switches::default() };
            group.bench_function(BenchmarkId::new("json", batch_records), |b| {
                b.iter(|| path::run_json(&lines, &semantics, switches));
            });
            let mut batches = corpus::structs(&config, batch_records).expect("the configuration holds");
            group.bench_function(BenchmarkId::new("structs", batch_records), |b| {
                b.iter(|| path::run_structs(&mut batches, &semantics, switches));
            });
        }
        group.finish();
    }
}

criterion_group!(stages, parse, whole);
criterion_main!(stages);
