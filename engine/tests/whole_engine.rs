//! Goal: the whole engine, from files to a lake, gives the rows, the counts and the quarantine of the oracle, for any number of
//! shards; Bronze holds every line, and Silver every accepted event as the oracle reads it.
//!
//! Method: nasty inputs from the oracle's generator are written to plain and compressed files, the binary runs over them
//! with one shard and with three, and everything in the lake is read back and compared. A failure prints its seed;
//! `SEED=... cargo test` repeats it.

mod support;

use engine_oracle::{Config, Partition, generate};
use support::gold::read_layer;
use support::judge::{
    check_gold, check_quarantine, check_summary, expected_quarantine, got_quarantine, options, write_files,
};
use support::layers::check_layers;
use support::seeds;
use support::tillrace::{Workplace, count};

const ALL_LAYERS: &str = "bronze,silver,quarantine,gold";

/// What `run` gives where it, and every process it starts, has only one core: a single shard then works on the source's
/// own thread.
fn with_one_core<T: Send>(run: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let body = || {
            if let Some(&core) = core_affinity::get_core_ids().as_deref().and_then(<[_]>::first) {
                core_affinity::set_for_current(core);
            }
            run()
        };
        scope.spawn(body).join().unwrap()
    })
}

/// One input: the binary over its files, with one shard, on one core and on all, and with three.
fn check(partitions: &[Partition], config: &Config) -> Result<(), String> {
    let place = Workplace::in_memory();
    let names = write_files(&place, partitions);
    let expected = engine_oracle::run(partitions, config, &[]);
    // Which of equal copies in two files is the duplicate shows only in quality and in the quarantine.
    let is_single = partitions.len() == 1;
    let options = options(config);
    for (shards, on_one_core) in [("1", true), ("1", false), ("3", false)] {
        let lake = format!("lake-{shards}-{on_one_core}");
        let mut args = vec!["--shards", shards, "--no-pin", "--lake", &lake, "--layers", ALL_LAYERS];
        args.extend(options.iter().map(String::as_str));
        args.extend(names.iter().flat_map(|name| ["--input", name]));
        let run = || place.run(&args);
        let summary = if on_one_core { with_one_core(run) } else { run() };
        let lake = place.path().join(&lake);
        let result = check_summary(&expected, &summary)
            .and_then(|()| check_gold(&expected, &read_layer(&lake, "gold"), is_single))
            .and_then(|()| {
                let got = got_quarantine(&read_layer(&lake, "quarantine"), is_single);
                check_quarantine(&expected_quarantine(&expected, &names, is_single), &got)
            })
            .and_then(|()| check_layers(&lake, partitions, &names, config));
        result.map_err(|error| format!("{shards} shards: {error}\n{args:?}"))?;
    }
    Ok(())
}

#[test]
fn the_lake_holds_the_oracles_rows_for_every_seed() {
    for seed in seeds(32) {
        let config = generate::config(seed);
        let count = 1 + usize::try_from(seed % 4).unwrap();
        let partitions = generate::partitions(seed, count, 120, &config);
        check(&partitions, &config).unwrap_or_else(|error| panic!("SEED={seed}: {error}"));
    }
}

#[test]
fn the_lake_holds_the_oracles_rows_where_sums_stop() {
    for seed in seeds(4) {
        let config = generate::config(seed);
        let partitions = generate::saturating_partitions(seed, 2, 60, &config);
        check(&partitions, &config).unwrap_or_else(|error| panic!("SEED={seed}: {error}"));
    }
}

#[test]
fn the_number_of_shards_changes_no_row_of_any_table() {
    let place = Workplace::in_memory();
    let shares = ["--duplicates", "0.05", "--delayed", "0.1", "--late", "0.03", "--malformed", "0.02"];
    let mut args = vec!["simulate", "--mode", "batch", "--events", "30000", "--rate", "5", "--output", "shop.jsonl"];
    args.extend(shares);
    place.tillrace(&args).assert_code(0);
    let run = |shards: &str| {
        let place_args = ["--input", "shop.jsonl", "--no-pin", "--lake", shards];
        let summary = place.run(&[&place_args[..], &["--shards", shards, "--layers", ALL_LAYERS]].concat());
        assert_eq!(count(&summary, "records"), 30_000);
        support::layers::all_rows(&place.path().join(shards))
    };
    let one = run("1");
    let empty: Vec<&String> = one.iter().filter(|(_, rows)| rows.is_empty()).map(|(name, _)| name).collect();
    assert!(empty.is_empty(), "a table without rows shows nothing: {empty:?}");
    for shards in ["2", "3", "8"] {
        for (name, rows) in run(shards) {
            let differs = || one[&name].iter().zip(&rows).find(|(one, other)| one != other);
            assert!(rows == one[&name], "{name} with {shards} shards: {:?}", differs());
        }
    }
}

#[test]
fn a_file_compressed_or_by_stdin_gives_the_same_rows() {
    let config = generate::config(7);
    let partition = generate::partitions(7, 1, 300, &config).remove(0);
    let place = Workplace::in_memory();
    let options = options(&config);
    place.write("a.jsonl", &partition.bytes);
    place.write("a.zst", zstd::encode_all(partition.bytes.as_slice(), 1).unwrap());
    let mut expected = None;
    for input in ["a.jsonl", "a.zst", "-"] {
        let lake = format!("lake of {input}");
        let mut args = vec!["run", "--lake", &lake, "--input", input];
        args.extend(options.iter().map(String::as_str));
        let mut child = place.start(&args);
        child.send(if input == "-" { &partition.bytes[..] } else { b"" });
        child.close_stdin().wait().assert_code(0);
        let rows = read_layer(&place.path().join(lake), "gold");
        assert!(*expected.get_or_insert_with(|| rows.clone()) == rows, "{input}");
    }
}
