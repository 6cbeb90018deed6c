//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use engine::parse_duration;
use engine_lake::Layers;
use engine_model::{Micros, WindowLength};

use crate::generator::Class;
use crate::rate::parse_rate;
use crate::run::LoadConfig;
use crate::schedule::Arrivals;
use crate::search::Limits;

/// Runs of at least this long have windows of ten seconds unless told otherwise, shorter ones of one second.
const LONG: Duration = Duration::from_secs(40);

const ONE_SECOND: WindowLength = window(Micros::SECOND);
const TEN_SECONDS: WindowLength = window(Micros::from_seconds(10));

const fn window(length: Micros) -> WindowLength {
    match WindowLength::new(length) {
        Ok(window) => window,
        Err(_) => panic!("divides a day"),
    }
}

/// How the report is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For a person.
    Text,
    /// One JSON object on one line.
    Json,
}

const EXAMPLES: &str = "\
Examples:
  A million parsed events a second for a minute:
    loadtest --rate 1e6 --duration 60s

  JSON Lines at random times, against the same harness without the engine, five times, with a page to look at:
    loadtest --rate 1e6 --class json --arrivals poisson --duration 10s --pairs 5 --html report.html

  The highest rate that can be sustained:
    loadtest --class json --search

Exit status: 0 the rate was held and every record is in the ledger, 1 not so or failed, 2 wrong usage.";

/// Offers the engine a load at a fixed rate and measures each event's latency from its intended send.
#[derive(Debug, Parser)]
#[command(name = "loadtest", version, after_help = EXAMPLES)]
pub struct Cli {
    /// Records a second; with --search, where to begin.
    #[arg(help = "Records a second: 1e6, 1_000_000, 2.5M; with --search, where to begin", long, value_name = "RATE", default_value = "1e6", value_parser = parse_rate)]
    pub rate: f64,
    /// For how long
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = parse_span)]
    pub duration: Duration,
    /// Events parsed already, or JSON Lines
    #[arg(long, value_enum, default_value = "struct")]
    pub class: Class,
    /// Evenly spread, or at random with the same mean
    #[arg(long, value_enum, default_value = "constant")]
    pub arrivals: Arrivals,
    /// Send so many at once, each burst after a gap that keeps the rate
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub burst: u64,
    /// Where records and random arrivals come from
    #[arg(long, value_name = "SEED", default_value_t = sim::Config::SEED)]
    pub seed: u64,
    /// Customers at the start
    #[arg(long, value_name = "N", default_value_t = sim::Config::CUSTOMERS)]
    pub customers: u32,
    /// Products
    #[arg(long, value_name = "N", default_value_t = sim::Config::PRODUCTS)]
    pub products: u32,
    /// Length of the base windows [default: 10s; 1s for runs shorter than 40s]
    #[arg(long, value_name = "DURATION")]
    pub window: Option<WindowLength>,
    /// Longer windows besides, comma-separated, or none
    #[arg(long, value_name = "DURATIONS", default_value = "none")]
    pub rollup: String,
    /// How far the watermark trails [default: 2s; 500ms for runs shorter than 40s]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub lateness: Option<Micros>,
    /// What the engine writes, comma-separated: gold, quarantine
    #[arg(long, value_name = "LAYERS", default_value = "gold,quarantine")]
    pub layers: Layers,
    /// Folder of the lake, which stays [default: a temporary one]
    #[arg(long, value_name = "DIR", conflicts_with_all = ["control", "pairs", "search"])]
    pub lake: Option<PathBuf>,
    /// Do not pin generator and engine thread to a core each
    #[arg(long)]
    pub no_pin: bool,
    /// A backlog at the end is no failure where it is worked off within this
    #[arg(long, value_name = "DURATION", default_value = "200ms", value_parser = parse_span)]
    pub drain_max: Duration,
    /// Measure the harness alone: a consumer that only notes the time
    #[arg(long, conflicts_with_all = ["pairs", "search"])]
    pub control: bool,
    /// Run control and engine alternately so many times and compare
    #[arg(long, value_name = "N", conflicts_with = "search", value_parser = clap::value_parser!(u16).range(1..=1_000))]
    pub pairs: Option<u16>,
    /// Find the highest rate that can be sustained
    #[arg(long, conflicts_with = "duration")]
    pub search: bool,
    /// With --search, how long each rate is tried
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = parse_span, requires = "search")]
    pub step: Duration,
    /// With --search, within what 99 % of the events must be counted
    #[arg(long, value_name = "DURATION", default_value = "20ms", value_parser = parse_span, requires = "search")]
    pub p99_max: Duration,
    /// How the report is printed
    #[arg(long, value_enum, default_value = "text")]
    pub output: Output,
    /// Also write the latency distribution, as plotters of HDR histograms read it
    #[arg(long, value_name = "FILE")]
    pub hgrm: Option<PathBuf>,
    /// Also write the report as a page with curves
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
}

fn parse_span(text: &str) -> Result<Duration, String> {
    let span = parse_duration(text).map_err(|error| error.to_string())?;
    u64::try_from(span.get())
        .ok()
        .filter(|&micros| micros > 0)
        .map(Duration::from_micros)
        .ok_or_else(|| "expected a span longer than nothing".to_owned())
}

impl Cli {
    /// The load that is asked for.
    ///
    /// # Errors
    /// Where an option's value is none; the message names both.
    pub fn config(&self) -> Result<LoadConfig, String> {
        let duration = if self.search { self.step } else { self.duration };
        let is_long = duration >= LONG;
        let rollup = |text: &str| {
            text.trim().parse::<WindowLength>().map_err(|error| format!("--rollup {}: {error}", self.rollup))
        };
        let rollups = match self.rollup.as_str() {
            "none" => Vec::new(),
            list => list.split(',').map(rollup).collect::<Result<_, _>>()?,
        };
        let unavailable = self.layers.iter().find(|layer| !["gold", "quarantine"].contains(&layer.name()));
        if let Some(layer) = unavailable {
            return Err(format!("--layers {}: {} is not written yet", self.layers, layer.name()));
        }
        Ok(LoadConfig {
            rate: self.rate,
            duration,
            arrivals: self.arrivals,
            burst: self.burst,
            class: self.class,
            seed: self.seed,
            customers: self.customers,
            products: self.products,
            window: self.window.unwrap_or(if is_long { TEN_SECONDS } else { ONE_SECOND }),
            rollups,
            lateness: self.lateness.unwrap_or(if is_long { Micros::from_seconds(2) } else { Micros::new(500_000) }),
            layers: self.layers,
            lake: self.lake.clone(),
            pin: !self.no_pin,
            drain_max: self.drain_max,
        })
    }

    /// When a rate counts as sustained.
    #[must_use]
    pub fn limits(&self) -> Limits {
        Limits { p99_max: self.p99_max }
    }
}
