//! Goal: a run that dies at any moment and is started again, as often as it takes, leaves the lake that a run without
//! interruption leaves (`docs/recovery.md`).
//!
//! Method: the binary reads files of several partitions, with commits as often as windows close, and dies: at each named step of the
//! commit protocol, counted, and by SIGKILL at random moments. It is started again with the same arguments until it is done. Then every
//! table of every layer is compared, row for row, with the oracle's answer, or with an uninterrupted run's. All is drawn from a
//! seed; a failure prints it, and `SEED=... cargo test` repeats it.
#![cfg(all(unix, debug_assertions))]

mod support;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use engine_oracle::{compare, generate};
use support::gold::{Rows, read_layer};
use support::judge::{
    check_gold, check_quarantine, check_summary, expected_quarantine, got_quarantine, options, write_files,
};
use support::layers::{all_rows, check_layers};
use support::seeds;
use support::tillrace::{Done, TILLRACE, Workplace, count, eventually};

/// Every named step at which the process can be made to die.
const STEPS: [&str; 11] = [
    "described",
    "made",
    "staged",
    "state",
    "record-written",
    "recorded",
    "published-1",
    "published-9",
    "published",
    "cleaned",
    "swept",
];

const ALL_LAYERS: [&str; 2] = ["--layers", "bronze,silver,quarantine,gold"];

/// `SplitMix64`: all that is random here.
struct Draw(u64);

impl Draw {
    fn next(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (word ^ (word >> 31)) % below
    }
}

/// How a process is made to die.
enum Death {
    At(String),
    After(Duration),
}

/// `tillrace run ARGS`, with commits as often as can be, and death where it is wanted.
fn start(place: &Workplace, args: &[String], death: Option<&Death>, batch_records: u64) -> Done {
    let mut command = Command::new(TILLRACE);
    command.args(["run", "--summary", "json", "--no-pin"]).args(args);
    command.env("TILLRACE_COMMIT_DELAY_MS", "0").env("TILLRACE_BATCH_RECORDS", batch_records.to_string());
    // So little that a state log has several files.
    command.env("TILLRACE_STATE_BYTES", "20000");
    if let Some(Death::At(step)) = death {
        command.env("TILLRACE_CRASH_AT", step);
    }
    let mut running = place.start_command(command).close_stdin();
    if let Some(Death::After(delay)) = death {
        let started = Instant::now();
        while started.elapsed() < *delay && running.is_running() {
            thread::sleep(Duration::from_millis(1));
        }
        if running.is_running() {
            running.signal("KILL");
        }
    }
    running.wait()
}

/// Starts the run until it is done, dying each time as `death` says; returns its summary, and how often it has died.
fn run_through(
    place: &Workplace,
    args: &[String],
    batch_records: u64,
    mut death: impl FnMut(u64) -> Option<Death>,
) -> (serde_json::Value, u64) {
    let mut deaths = 0;
    loop {
        let done = start(place, args, death(deaths).as_ref(), batch_records);
        match done.code {
            Some(0) => return (done.json(), deaths),
            // Killed, or aborted.
            None => deaths += 1,
            Some(code) => panic!("exit {code} after {deaths} deaths: {}", done.err),
        }
        assert!(deaths < 1_000, "it never gets done");
    }
}

fn arguments(lake: &str, options: &[String], names: &[String]) -> Vec<String> {
    let mut args = vec!["--lake".to_owned(), lake.to_owned()];
    args.extend_from_slice(options);
    args.extend(names.iter().flat_map(|name| ["--input".to_owned(), name.clone()]));
    args
}

fn assert_equal_rows(expected: &BTreeMap<String, Rows>, got: &BTreeMap<String, Rows>, what: &str) {
    assert_eq!(expected.keys().collect::<Vec<_>>(), got.keys().collect::<Vec<_>>(), "{what}");
    for (name, rows) in expected {
        let is_equal = *rows == got[name];
        assert!(is_equal, "{what}: {name}: {:?}", compare(name, rows, &got[name]));
    }
}

/// Files of the oracle's generator, with all that is nasty, some compressed: a process that dies at random moments.
#[test]
fn after_any_deaths_the_lake_holds_the_oracles_rows() {
    let mut deaths_all = 0;
    for seed in seeds(40) {
        let mut draw = Draw(seed);
        let config = generate::config(seed);
        let partitions = generate::partitions(seed, 1 + usize::try_from(seed % 4).unwrap(), 120, &config);
        let place = Workplace::in_memory();
        let names = write_files(&place, &partitions);
        let mut options = options(&config);
        options.extend(["--shards".to_owned(), (1 + seed % 3).to_string()]);
        options.extend(ALL_LAYERS.map(str::to_owned));
        let args = arguments("lake", &options, &names);
        let (summary, deaths) = run_through(&place, &args, 1 + draw.next(20), |deaths| {
            // Later deaths come later, so that it gets done.
            let step = STEPS[usize::try_from(draw.next(STEPS.len() as u64)).unwrap()];
            (deaths < 12).then(|| Death::At(format!("{step}:{}", 1 + draw.next(3 + deaths / 2))))
        });
        deaths_all += deaths;
        let expected = engine_oracle::run(&partitions, &config, &[]);
        let is_single = partitions.len() == 1;
        let result = check_summary(&expected, &summary)
            .and_then(|()| check_gold(&expected, &read_layer(&place.lake(), "gold"), is_single))
            .and_then(|()| {
                let got = got_quarantine(&read_layer(&place.lake(), "quarantine"), is_single);
                check_quarantine(&expected_quarantine(&expected, &names, is_single), &got)
            })
            .and_then(|()| check_layers(&place.lake(), &partitions, &names, &config));
        result.unwrap_or_else(|error| panic!("SEED={seed}, {deaths} deaths: {error}\n{args:?}"));
    }
    assert!(std::env::var("SEED").is_ok() || deaths_all > 50, "{deaths_all} deaths");
}

/// Three simulated files that overlap in time, with every fault, and the arguments to read them.
fn shop(place: &Workplace, seed: u64, seconds: u64) -> (Vec<String>, Vec<String>) {
    let mut names = Vec::new();
    for (number, start) in ["2026-01-01T23:57:00Z", "2026-01-01T23:58:00Z", "2026-01-02T00:00:00Z"].iter().enumerate() {
        let name = format!("shop-{number}.jsonl");
        let (seed, duration) = ((3 * seed + number as u64).to_string(), format!("{seconds}s"));
        let mut args = vec!["simulate", "--mode", "batch", "--rate", "10", "--customers", "300", "--products", "40"];
        args.extend(["--duplicates", "0.05", "--delayed", "0.1", "--late", "0.03", "--malformed", "0.02"]);
        args.extend(["--window", "5s", "--lateness", "2s", "--seed", &seed, "--start", start]);
        args.extend(["--duration", &duration, "--output", &name]);
        place.tillrace(&args).assert_code(0);
        names.push(name);
    }
    let options =
        [&["--window", "5s", "--lateness", "2s", "--rollup", "15s,1m,1d", "--shards", "2"][..], &ALL_LAYERS].concat();
    (options.into_iter().map(str::to_owned).collect(), names)
}

/// Two windows of five seconds, two seconds of lateness and what is ahead, ten records a second and file, and a batch.
const REPLAYED_RECORDS_MAX: u64 = 3 * 10 * 20;

#[test]
fn a_run_killed_at_random_moments_leaves_the_lake_of_an_uninterrupted_one() {
    let (mut deaths_all, mut replays) = (0, 0);
    for seed in seeds(6) {
        let mut draw = Draw(seed);
        let place = Workplace::in_memory();
        let (options, names) = shop(&place, seed, 240);
        let (reference, _) = run_through(&place, &arguments("reference", &options, &names), 512, |_| None);
        let line_bytes_max = 400;
        let mut total = 0;
        let (summary, deaths) = run_through(&place, &arguments("lake", &options, &names), 25, |deaths| {
            total += 1;
            (deaths < 40).then(|| Death::After(Duration::from_millis(10 + draw.next(40))))
        });
        assert!(total == deaths + 1);
        let replayed = count(&summary, "replayed");
        assert!(replayed <= REPLAYED_RECORDS_MAX * line_bytes_max, "SEED={seed}: {replayed} bytes were read again");
        replays += u64::from(replayed > 0);
        deaths_all += deaths;
        for name in ["records", "accepted", "duplicates", "late", "rejected", "delayed", "windows"] {
            assert_eq!(count(&summary, name), count(&reference, name), "SEED={seed}: {name}");
        }
        let expected = all_rows(&place.path().join("reference"));
        assert_equal_rows(&expected, &all_rows(&place.lake()), &format!("SEED={seed}, {deaths} deaths"));
    }
    eprintln!("{deaths_all} deaths");
    assert!(
        std::env::var("SEED").is_ok() || (deaths_all >= 60 && replays > 0),
        "{deaths_all} deaths, {replays} replays"
    );
}

#[test]
fn a_run_that_dies_at_a_named_step_is_made_whole_by_the_next() {
    let place = Workplace::in_memory();
    let (options, names) = shop(&place, 1, 60);
    run_through(&place, &arguments("reference", &options, &names), 512, |_| None);
    let expected = all_rows(&place.path().join("reference"));
    for step in STEPS.into_iter().chain(["rolled-forward"]) {
        for times in [1, 2, 5] {
            let lake = format!("{step}-{times}");
            let mut died = Vec::new();
            // What a start does is only to be seen where one before it has died in the middle of a commit.
            let first = (step == "rolled-forward" || step == "swept").then_some("published-1:2");
            let (_, deaths) = run_through(&place, &arguments(&lake, &options, &names), 20, |deaths| {
                let at = match (first, deaths) {
                    (Some(first), 0) => first.to_owned(),
                    (Some(_), 1) | (None, 0) => format!("{step}:{times}"),
                    _ => return None,
                };
                died.push(at.clone());
                Some(Death::At(at))
            });
            let is_once = step == "described" || step == "made" || (step == "swept" && times > 2);
            assert!(deaths > 0 || is_once, "{step}:{times} never came");
            assert_equal_rows(&expected, &all_rows(&place.path().join(&lake)), &format!("{died:?}"));
        }
    }
}

/// What is fed through a pipe is fed once: whoever is started next gets what was not read.
#[test]
fn what_was_read_from_a_pipe_is_not_lost_when_the_reader_dies() {
    for seed in seeds(3) {
        let mut draw = Draw(seed);
        let place = Workplace::in_memory();
        let (options, names) = shop(&place, seed, 120);
        let bytes = std::fs::read(place.path().join(&names[0])).unwrap();
        let (reference, _) = run_through(&place, &arguments("reference", &options, &names[..1]), 512, |_| None);
        let args = arguments("lake", &options, &["-".to_owned()]);
        let (mut sent, mut deaths) = (0, 0);
        while sent < bytes.len() {
            let mut command = Command::new(TILLRACE);
            command.args(["run", "--no-pin"]).args(&args);
            command.env("TILLRACE_COMMIT_DELAY_MS", "0").env("TILLRACE_BATCH_RECORDS", "10");
            let mut running = place.start_command(command);
            for _ in 0..=draw.next(3) {
                // Chunks end anywhere in a line.
                let end = bytes.len().min(sent + usize::try_from(1 + draw.next(20_000)).unwrap());
                running.send(&bytes[sent..end]);
                eventually("all is in the log", || logged(&place.lake()) == end as u64);
                sent = end;
                thread::sleep(Duration::from_millis(draw.next(30)));
            }
            running.signal("KILL");
            assert_eq!(running.close_stdin().wait().code, None);
            deaths += 1;
        }
        let (summary, _) = run_through(&place, &args, 512, |_| None);
        assert_eq!(count(&summary, "records"), count(&reference, "records"), "SEED={seed}, {deaths} deaths");
        let what = format!("SEED={seed}, {deaths} deaths");
        let expected = without_source(&place.path().join("reference"));
        assert_equal_rows(&expected, &without_source(&place.lake()), &what);
    }
}

/// All rows, but for what the `source` column says.
fn without_source(lake: &Path) -> BTreeMap<String, Rows> {
    let mut all = all_rows(lake);
    let tables = all.iter_mut().filter(|(name, _)| !name.starts_with("gold/"));
    for row in tables.flat_map(|(_, rows)| rows) {
        row.remove(row.len() - 3);
    }
    all
}

/// How many bytes are in the input logs of a lake.
fn logged(lake: &Path) -> u64 {
    let files = support::gold::files_below(&lake.join("_tillrace/log"));
    files.iter().map(|path| logged_bytes(&std::fs::read(path).unwrap_or_default())).sum()
}

/// The bytes in the frames of an input log.
fn logged_bytes(log: &[u8]) -> u64 {
    let (mut rest, mut all) = (log, 0);
    while let Some((head, behind)) = rest.split_first_chunk::<8>() {
        let len = u32::from_le_bytes(head[..4].try_into().unwrap()) as usize;
        if behind.len() < len {
            break;
        }
        all += len as u64;
        rest = &behind[len..];
    }
    all
}

/// Every step that changes storage fails in turn: before it is done, half-way, or in the sync behind it.
#[test]
fn a_step_of_storage_that_fails_ends_the_run_and_the_next_one_is_right() {
    let place = Workplace::in_memory();
    let (options, names) = shop(&place, 2, 60);
    run_through(&place, &arguments("reference", &options, &names), 512, |_| None);
    let expected = all_rows(&place.path().join("reference"));
    let mut draw = Draw(3);
    for (kind, said) in [
        ("space", "No space left on device"),
        ("short", "failed to write whole buffer"),
        ("sync", "Input/output error"),
    ] {
        let (mut step, mut struck) = (0, 0);
        loop {
            let lake = format!("{kind}-{step}");
            let args = arguments(&lake, &options, &names);
            let mut command = Command::new(TILLRACE);
            command.args(["run", "--no-pin"]).args(&args).env("TILLRACE_FAULT", format!("{kind}:{step}"));
            command.env("TILLRACE_COMMIT_DELAY_MS", "0").env("TILLRACE_BATCH_RECORDS", "100");
            let done = place.start_command(command).close_stdin().wait();
            if done.code == Some(0) {
                break;
            }
            let done = done.assert_code(1).assert_says(&["error: ", said]);
            assert_eq!(done.out, "", "{done:?}");
            struck += 1;
            run_through(&place, &args, 100, |_| None);
            let what = format!("{kind}:{step}, {}", done.err);
            assert_equal_rows(&expected, &all_rows(&place.path().join(&lake)), &what);
            // All steps of making a lake and of the first commit, then every now and then one.
            step += if step < 12 { 1 } else { 1 + draw.next(40) };
        }
        assert!(struck > 12, "{struck} steps of kind {kind} failed");
    }
}

/// The same while a pipe is read: what is in the log then is all that was taken for read, and the next reader begins behind it.
#[test]
fn a_log_that_cannot_be_written_ends_the_run_and_what_is_in_it_counts() {
    let place = Workplace::in_memory();
    let (options, names) = shop(&place, 4, 60);
    let bytes = std::fs::read(place.path().join(&names[0])).unwrap();
    run_through(&place, &arguments("reference", &options, &names[..1]), 512, |_| None);
    let expected = without_source(&place.path().join("reference"));
    let mut struck = 0;
    for step in (0..).step_by(7) {
        let lake = format!("lake-{step}");
        let args = arguments(&lake, &options, &["-".to_owned()]);
        let run = |fault: Option<String>, bytes: &[u8]| {
            let mut command = Command::new(TILLRACE);
            command.args(["run", "--no-pin"]).args(&args).envs(fault.map(|fault| ("TILLRACE_FAULT", fault)));
            command.env("TILLRACE_COMMIT_DELAY_MS", "0").env("TILLRACE_BATCH_RECORDS", "100");
            let mut running = place.start_command(command);
            // In portions, so that the log has several frames. Who is gone takes no more.
            let _ = bytes.chunks(9_000).try_for_each(|chunk| running.try_send(chunk));
            running.close_stdin().wait()
        };
        let done = run(Some(format!("space:{step}")), &bytes);
        if done.code == Some(0) {
            break;
        }
        done.assert_code(1).assert_says(&["No space left on device"]);
        struck += 1;
        let taken = usize::try_from(logged(&place.path().join(&lake))).unwrap();
        run(None, &bytes[taken..]).assert_code(0);
        let what = format!("space:{step}, {taken} bytes were in the log");
        assert_equal_rows(&expected, &without_source(&place.path().join(&lake)), &what);
    }
    assert!(struck > 5, "{struck} steps failed");
}
