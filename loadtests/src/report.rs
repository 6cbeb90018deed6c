//! What a run has shown, for a person or as JSON.

use std::fmt::Write as _;

use hdrhistogram::Histogram;
use serde_json::{Value, json};

use crate::format::{mebibytes, nanos, rounded, thousands};
use crate::generator::{Class, SLICE};
use crate::machine::Machine;
use crate::pairs::{Comparison, QUANTILES};
use crate::run::{LoadConfig, Run};
use crate::schedule::Arrivals;
use crate::search::Found;

/// The quantiles that are shown, with their names.
const SHOWN: [(&str, f64); 5] = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999), ("p99.99", 0.9999)];

/// What there is to report.
#[derive(Clone, Debug)]
pub enum Report {
    /// One run.
    Run(Box<Run>),
    /// Engine and control alternately.
    Comparison(Comparison),
    /// A search for the sustainable rate.
    Found(Found),
}

impl Report {
    /// Whether everything was as it has to be.
    #[must_use]
    pub fn is_good(&self) -> bool {
        match self {
            Report::Run(run) => run.is_good(),
            Report::Comparison(comparison) => comparison.is_good(),
            // Steps beyond the limit are not held, by intent; none may lose a record.
            Report::Found(found) => found.rate.is_some() && found.steps.iter().all(|step| step.run.missing() == 0),
        }
    }

    /// The run whose curve stands for all: the only one, the last of the engine, or the last that was sustained.
    #[must_use]
    pub fn main_run(&self) -> Option<&Run> {
        match self {
            Report::Run(run) => Some(run),
            Report::Comparison(comparison) => comparison.engines.last(),
            Report::Found(found) => {
                let sustained = found.steps.iter().filter(|step| step.is_sustained).map(|step| &step.run);
                sustained.max_by(|a, b| a.config.rate.total_cmp(&b.config.rate))
            }
        }
    }

    /// All runs, in their order.
    #[must_use]
    pub fn runs(&self) -> Vec<&Run> {
        match self {
            Report::Run(run) => vec![run],
            Report::Comparison(pairs) => {
                pairs.controls.iter().zip(&pairs.engines).flat_map(|(control, engine)| [control, engine]).collect()
            }
            Report::Found(found) => found.steps.iter().map(|step| &step.run).collect(),
        }
    }
}

/// The report for a person.
///
/// # Panics
/// Never: a string takes all that is written.
#[must_use]
pub fn to_text(report: &Report, machine: &Machine) -> String {
    let mut text = match report {
        Report::Run(run) => run_text(run),
        Report::Comparison(comparison) => comparison_text(comparison),
        Report::Found(found) => found_text(found),
    };
    text.push_str(&machine_text(machine));
    text
}

/// One line that names the load.
pub(crate) fn title(config: &LoadConfig) -> String {
    let arrivals = match config.arrivals {
        Arrivals::Constant => "constant",
        Arrivals::Poisson => "Poisson",
    };
    let burst = if config.burst > 1 { format!(", {} at once", thousands(config.burst)) } else { String::new() };
    format!(
        "{} {} a second for {} s, {arrivals} arrivals{burst}",
        rounded(config.rate),
        class_words(config.class),
        config.duration.as_secs_f64()
    )
}

fn class_words(class: Class) -> &'static str {
    match class {
        Class::Struct => "structs",
        Class::Json => "JSON Lines",
    }
}

/// Quantiles and maximum on one line.
fn quantiles(histogram: &Histogram<u64>) -> String {
    if histogram.is_empty() {
        return "none".to_owned();
    }
    let mut text = String::new();
    for (name, quantile) in SHOWN {
        write!(text, "{name} {:<9}", nanos(histogram.value_at_quantile(quantile))).expect("writing to a string");
    }
    format!("{text}max {}", nanos(histogram.max()))
}

fn yes(is_so: bool) -> &'static str {
    if is_so { "yes" } else { "NO" }
}

fn line(text: &mut String, name: &str, value: &str) {
    writeln!(text, "{name:<12}{value}").expect("writing to a string");
}

fn run_text(run: &Run) -> String {
    let mut text = format!("{}: {}\n", run.subject.name(), title(&run.config));
    let mut line = |name, value: String| line(&mut text, name, &value);
    line("offered", format!("{} a second, {} records", rounded(run.offered()), thousands(run.scheduled)));
    let drain = nanos(crate::clock::nanos_of(run.drain));
    line(
        "held",
        format!("{} a second, backlog gone {drain} after the last send: {}", rounded(run.held()), yes(run.is_held())),
    );
    line("latency", format!("{}  intended send to counted", quantiles(&run.latency)));
    line("generator", format!("{}  intended to actual send", quantiles(&run.lateness)));
    if run.windows.is_some() {
        line("closing", format!("{} pauses, {}", run.pauses.len(), quantiles(&run.pauses)));
        line(
            "readable",
            format!("{} windows, {}  after their end is passed", run.readable.len(), quantiles(&run.readable)),
        );
    }
    let resident: Vec<u64> = run.samples.iter().filter_map(|sample| sample.resident).collect();
    if let (Some(&first), Some(&last), Some(&max)) = (resident.first(), resident.last(), resident.iter().max()) {
        let (first, last, max) = (mebibytes(first), mebibytes(last), mebibytes(max));
        line("memory", format!("{first} after the first second, {last} at the end, {max} at most"));
    }
    if let Some(ledger) = &run.ledger {
        line(
            "ledger",
            format!(
                "{} sent = {} accepted + {} duplicates + {} late + {} rejected: {}",
                thousands(run.sent),
                thousands(ledger.accepted),
                thousands(ledger.duplicates),
                thousands(ledger.late),
                thousands(ledger.rejected_total()),
                if run.missing() == 0 { "yes".to_owned() } else { format!("NO, {} differ", thousands(run.missing())) }
            ),
        );
    } else {
        line(
            "counted",
            format!("{} of {} sent: {}", thousands(run.counted), thousands(run.sent), yes(run.missing() == 0)),
        );
    }
    if let Some(windows) = run.windows {
        line("windows", windows_words(run, windows));
    }
    line("pinning", pinning(run));
    if let Some(steal) = run.steal {
        line("steal", format!("{} of CPU time taken by the hypervisor", nanos(crate::clock::nanos_of(steal))));
    }
    text
}

fn windows_words(run: &Run, windows: u64) -> String {
    let config = &run.config;
    let rollups: Vec<String> = config.rollups.iter().map(ToString::to_string).collect();
    let rollups = if rollups.is_empty() { "no rollups".to_owned() } else { format!("rollups {}", rollups.join(", ")) };
    #[expect(clippy::cast_precision_loss, reason = "for people")]
    let lateness = config.lateness.get() as f64 / 1e6;
    format!(
        "{windows} of {}, lateness {lateness} s, {rollups}; {:.2} s of event time a second",
        config.window, run.event_seconds_per_second
    )
}

fn pinning(run: &Run) -> String {
    match run.cores {
        Some((generator, engine)) => format!("generator on core {generator}, engine on core {engine}, committer free"),
        None => "none".to_owned(),
    }
}

fn comparison_text(comparison: &Comparison) -> String {
    let mut text = String::new();
    let Some(first) = comparison.engines.first() else { return text };
    writeln!(text, "{} pairs: {}", comparison.engines.len(), title(&first.config)).expect("writing to a string");
    for run in comparison.controls.iter().zip(&comparison.engines).flat_map(|(control, engine)| [control, engine]) {
        line(&mut text, run.subject.name(), &run_line(run));
    }
    text.push('\n');
    writeln!(text, "{:<12}{:>12}{:>12}{:>10}", "medians", "control", "engine", "ratio").expect("writing to a string");
    for (name, quantile) in QUANTILES {
        let (control, engine, ratio) = comparison.medians(quantile);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "nanoseconds are positive")]
        let [control, engine] = [control, engine].map(|value| nanos(value as u64));
        writeln!(text, "{name:<12}{control:>12}{engine:>12}{ratio:>10.2}").expect("writing to a string");
    }
    text.push_str("ratio is the median of engine to control within each pair\n\nthe last run of the engine:\n");
    if let Some(last) = comparison.engines.last() {
        text.push_str(&run_text(last));
    }
    text
}

/// A run on one line.
#[must_use]
pub fn run_line(run: &Run) -> String {
    format!("{}  held {}: {}", quantiles(&run.latency), rounded(run.held()), yes(run.is_good()))
}

fn found_text(found: &Found) -> String {
    let mut text = String::new();
    for step in &found.steps {
        let verdict = if step.is_sustained { "sustained" } else { "too much" };
        line(&mut text, verdict, &format!("{:>11} a second  {}", rounded(step.run.config.rate), run_line(&step.run)));
    }
    match found.rate {
        Some(rate) => line(&mut text, "sustainable", &format!("{} records a second", rounded(rate))),
        None => line(&mut text, "sustainable", "no rate that was tried"),
    }
    let sustained = found.steps.iter().filter(|step| step.is_sustained).map(|step| &step.run);
    if let Some(best) = sustained.max_by(|a, b| a.config.rate.total_cmp(&b.config.rate)) {
        text.push('\n');
        text.push_str(&run_text(best));
    }
    text
}

fn machine_text(machine: &Machine) -> String {
    let mut text = String::new();
    let unknown = || "unknown".to_owned();
    let cpu = machine.cpu.clone().unwrap_or_else(unknown);
    let family = machine.cpu_family_model.clone().unwrap_or_else(unknown);
    let kernel = machine.kernel.clone().unwrap_or_else(unknown);
    let huge_pages = machine.huge_pages.clone().unwrap_or_else(unknown);
    line(&mut text, "machine", &format!("{cpu}, family/model {family}, {} cores", machine.cores));
    line(&mut text, "system", &format!("kernel {kernel}, transparent huge pages {huge_pages}"));
    let flags = machine.rust_flags.as_ref().map_or(String::new(), |flags| format!(", RUSTFLAGS {flags}"));
    let profile = if machine.is_optimised { "release" } else { "NOT a release build" };
    let commit = machine.commit.clone().unwrap_or_else(unknown);
    line(&mut text, "build", &format!("{profile}, compiled for {}{flags}, commit {commit}", machine.compiled_for));
    text
}

/// The report as one JSON object. All spans are in nanoseconds.
#[must_use]
pub fn to_json(report: &Report, machine: &Machine) -> Value {
    let mut value = match report {
        Report::Run(run) => run_json(run),
        Report::Comparison(comparison) => {
            let medians: serde_json::Map<String, Value> = QUANTILES
                .into_iter()
                .map(|(name, quantile)| {
                    let (control, engine, ratio) = comparison.medians(quantile);
                    (name.to_owned(), json!({ "control_ns": control, "engine_ns": engine, "ratio": ratio }))
                })
                .collect();
            json!({
                "pairs": comparison.engines.len(),
                "medians": medians,
                "controls": comparison.controls.iter().map(run_json).collect::<Vec<_>>(),
                "engines": comparison.engines.iter().map(run_json).collect::<Vec<_>>(),
            })
        }
        Report::Found(found) => json!({
            "sustainable_rate": found.rate,
            "steps": found.steps.iter().map(|step| {
                let mut value = run_json(&step.run);
                value["sustained"] = step.is_sustained.into();
                value
            }).collect::<Vec<_>>(),
        }),
    };
    value["good"] = report.is_good().into();
    value["machine"] = json!({
        "cpu": machine.cpu,
        "cpu_family_model": machine.cpu_family_model,
        "cores": machine.cores,
        "kernel": machine.kernel,
        "transparent_huge_pages": machine.huge_pages,
        "rustflags": machine.rust_flags,
        "compiled_for": machine.compiled_for,
        "release_build": machine.is_optimised,
        "commit": machine.commit,
    });
    value
}

fn histogram_json(histogram: &Histogram<u64>) -> Value {
    let mut map = serde_json::Map::new();
    map.insert("count".to_owned(), histogram.len().into());
    for (name, quantile) in SHOWN {
        map.insert(name.to_owned(), histogram.value_at_quantile(quantile).into());
    }
    map.insert("max".to_owned(), histogram.max().into());
    map.insert("mean".to_owned(), histogram.mean().into());
    map.into()
}

fn run_json(run: &Run) -> Value {
    let config = &run.config;
    let ledger = run.ledger.as_ref().map(|ledger| {
        json!({
            "records": ledger.records,
            "accepted": ledger.accepted,
            "duplicates": ledger.duplicates,
            "late": ledger.late,
            "rejected": ledger.rejected_total(),
        })
    });
    let samples: Vec<Value> = run
        .samples
        .iter()
        .map(|sample| json!({ "second": sample.second, "rate": sample.rate, "rss_bytes": sample.resident }))
        .collect();
    json!({
        "subject": run.subject.name(),
        "config": {
            "rate": config.rate,
            "duration_seconds": config.duration.as_secs_f64(),
            "class": match config.class { Class::Struct => "struct", Class::Json => "json" },
            "arrivals": match config.arrivals { Arrivals::Constant => "constant", Arrivals::Poisson => "poisson" },
            "burst": config.burst,
            "seed": config.seed,
            "customers": config.customers,
            "products": config.products,
            "window": config.window.to_string(),
            "rollups": config.rollups.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "lateness_us": config.lateness.get(),
            "layers": config.layers.to_string(),
            "slice_ns": SLICE,
        },
        "offered_per_second": run.offered(),
        "held_per_second": run.held(),
        "held": run.is_held(),
        "scheduled": run.scheduled,
        "sent": run.sent,
        "counted": run.counted,
        "missing": run.missing(),
        "drain_ns": crate::clock::nanos_of(run.drain),
        "latency_ns": histogram_json(&run.latency),
        "generator_lateness_ns": histogram_json(&run.lateness),
        "close_pause_ns": histogram_json(&run.pauses),
        "readable_ns": histogram_json(&run.readable),
        "windows": run.windows,
        "event_seconds_per_second": run.event_seconds_per_second,
        "ledger": ledger,
        "samples": samples,
        "latency_max_by_second_ns": run.latency_max_by_second,
        "steal_ns": run.steal.map(crate::clock::nanos_of),
        "pinning": run.cores.map(|(generator, engine)| json!({ "generator": generator, "engine": engine })),
    })
}
