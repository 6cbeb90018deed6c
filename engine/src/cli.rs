//! The command line, and the configuration file that may stand behind it.
//!
//! An option is looked for on the command line, then in `--config FILE`, then it has its default. Every value has one
//! type that checks it, so both ways give the same errors.

use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};
use engine_lake::{Layer, Layers};
use engine_model::{Currency, Micros, Semantics, UtcOffset, WindowLength};
use engine_source::{Input, resolve};
use serde::Deserialize;

use crate::config::{RunConfig, default_shards};
use crate::duration::parse_duration;

/// Live figures of an online shop from its events, on one box.
#[derive(Debug, Parser)]
#[command(name = "tillrace", version, propagate_version = true, arg_required_else_help = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Read events and write Gold tables.
    #[command(after_help = RUN_EXAMPLES)]
    Run(Box<RunArgs>),
    /// Check files line by line and count what is wrong with them.
    #[command(after_help = VALIDATE_EXAMPLES)]
    Validate(ValidateArgs),
}

const RUN_EXAMPLES: &str = "\
Examples:
  One file into ./lake, figures at the end:
    tillrace run --input shop.jsonl

  A month of compressed files, side by side, into a lake of its own:
    tillrace run --input 'events/2026-01-*.jsonl.gz' --lake january

  From another program, with windows of ten seconds and no rollups:
    zcat shop.jsonl.gz | tillrace run --input - --window 10s --rollup none

  Days of New York, in euros, the summary for a program:
    tillrace run --input shop.jsonl --utc-offset -05:00 --currency EUR --summary json

Durations are written 500ms, 10s, 5m, 1h30m, 1d.
Exit status: 0 done, 1 failed or interrupted, 2 wrong usage or configuration.";

const VALIDATE_EXAMPLES: &str = "\
Examples:
  tillrace validate shop.jsonl
  tillrace validate 'events/*.jsonl.gz' --currency EUR

Exit status: 0 all lines are valid, 1 some are rejected or a file cannot be read, 2 wrong usage.";

/// How the summary is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SummaryFormat {
    /// For a person.
    Text,
    /// One JSON object on one line.
    Json,
}

/// The format of the Gold tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TableFormat {
    /// Folders of Parquet files.
    Parquet,
    /// Delta tables.
    Delta,
}

/// Options of `run`. All are optional, so that a configuration file can give them; the help states the defaults.
#[derive(Debug, Default, Args, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct RunArgs {
    /// A file, a glob in quotes, or - for stdin; may be repeated. Each file is one source partition; .gz and .zst are
    /// read by their extension
    #[arg(long, value_name = "URI")]
    pub input: Vec<String>,
    /// Folder of the lake; must not hold an earlier run [default: ./lake]
    #[arg(long, value_name = "DIR")]
    pub lake: Option<PathBuf>,
    /// Length of the base windows; divides a day [default: 60s]
    #[arg(long, value_name = "DURATION")]
    pub window: Option<String>,
    /// Longer windows besides, comma-separated, each a multiple of the window that divides a day; or none
    /// [default: 1h,1d, as far as they fit]
    #[arg(long, value_name = "DURATIONS")]
    pub rollup: Option<String>,
    /// How far the watermark trails the newest event of a partition [default: 10s]
    #[arg(long, value_name = "DURATION")]
    pub lateness: Option<String>,
    /// When a live partition that is silent stops holding the others up [default: 30s]
    #[arg(long, value_name = "DURATION")]
    pub idle_timeout: Option<String>,
    /// How far ahead of the clock an event may be before it is rejected [default: 5m]
    #[arg(long, value_name = "DURATION")]
    pub max_future: Option<String>,
    /// The currency all money must be in [default: USD]
    #[arg(long, value_name = "CODE")]
    pub currency: Option<String>,
    /// Where days begin, +hh:mm or -hh:mm [default: +00:00]
    #[arg(long, value_name = "OFFSET", allow_hyphen_values = true)]
    pub utc_offset: Option<String>,
    /// Format of the Gold tables [default: parquet]
    #[arg(long, value_enum)]
    pub format: Option<TableFormat>,
    /// What is written, comma-separated: gold, quarantine [default: gold,quarantine]
    #[arg(long, value_name = "LAYERS")]
    pub layers: Option<String>,
    /// How the summary is printed to stdout [default: text]
    #[arg(long, value_enum)]
    pub summary: Option<SummaryFormat>,
    /// Number of shards; changes the speed, never a row [default: one per core left by the sources]
    #[arg(long, value_name = "N")]
    pub shards: Option<usize>,
    /// Do not pin threads to cores
    #[arg(long)]
    pub no_pin: bool,
    /// Read files and stdin at this many records a second
    #[arg(long, value_name = "RECORDS")]
    pub pace: Option<f64>,
    /// Options from a TOML file, named as here without the dashes; those given here come first
    #[arg(long, value_name = "FILE")]
    #[serde(skip)]
    pub config: Option<PathBuf>,
}

/// Options of `validate`.
#[derive(Debug, Args)]
pub struct ValidateArgs {
    /// Files, globs in quotes, or - for stdin
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<String>,
    /// The currency all money must be in
    #[arg(long, value_name = "CODE", default_value = "USD")]
    pub currency: Currency,
    /// How far ahead of the clock an event may be
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = parse_duration)]
    pub max_future: Micros,
}

/// Why the options make no run. Nothing has been read or written.
#[derive(Debug, thiserror::Error)]
pub enum UsageError {
    /// An option's value is none.
    #[error("--{option}: {source}")]
    Value {
        /// The option, without its dashes.
        option: &'static str,
        /// What is wrong with its value.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A part that is not there.
    #[error("--{option} {value} is not available in this version; {instead}")]
    Unavailable {
        /// The option, without its dashes.
        option: &'static str,
        /// Its value.
        value: String,
        /// What can be done instead.
        instead: &'static str,
    },
    /// No input was named.
    #[error("no input: name a file with --input FILE, or - for stdin")]
    NoInput,
    /// A number outside its range.
    #[error("--{option} {value} is out of range; expected {expected}")]
    OutOfRange {
        /// The option, without its dashes.
        option: &'static str,
        /// Its value.
        value: String,
        /// What would do.
        expected: &'static str,
    },
    /// The configuration file cannot be read.
    #[error("cannot read configuration {}: {source}", path.display())]
    ConfigUnreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// The configuration file is not understood.
    #[error("configuration {}: {source}", path.display())]
    ConfigMalformed {
        /// The file.
        path: PathBuf,
        /// Where, and what is wrong.
        source: Box<toml::de::Error>,
    },
    /// An input cannot be used.
    #[error(transparent)]
    Input(#[from] engine_source::InputError),
}

fn value<T, E>(option: &'static str, result: Result<T, E>) -> Result<T, UsageError>
where
    E: std::error::Error + Send + Sync + 'static,
{
    result.map_err(|source| UsageError::Value { option, source: Box::new(source) })
}

impl RunArgs {
    /// Checks all options and looks the inputs up. Reads the configuration file, opens files to see that they can be
    /// read, and changes nothing.
    ///
    /// # Errors
    /// Where a value is none, values do not go together, or an input cannot be read.
    pub fn resolve(self) -> Result<(RunConfig, SummaryFormat), UsageError> {
        let args = match &self.config {
            Some(path) => {
                let file = read_config(path)?;
                self.over(file)
            }
            None => self,
        };
        let semantics = args.semantics()?;
        // Files and stdin are never idle; the value is checked all the same.
        if let Some(text) = &args.idle_timeout {
            value("idle-timeout", parse_duration(text))?;
        }
        let max_future = match &args.max_future {
            Some(text) => value("max-future", parse_duration(text))?,
            None => DEFAULT_MAX_FUTURE,
        };
        let shards = args.shards.unwrap_or_else(default_shards);
        if !(1..=SHARDS_MAX).contains(&shards) {
            return Err(out_of_range("shards", &shards, "1 to 256"));
        }
        if let Some(pace) = args.pace
            && !(pace.is_finite() && pace > 0.0)
        {
            return Err(out_of_range("pace", &pace, "a number of records a second above 0"));
        }
        if args.format == Some(TableFormat::Delta) {
            let instead = "parquet is";
            return Err(UsageError::Unavailable { option: "format", value: "delta".to_owned(), instead });
        }
        let layers = match &args.layers {
            Some(text) => value("layers", text.parse::<Layers>())?,
            None => Layers::default(),
        };
        if let Some(layer) = layers.iter().find(|layer| matches!(layer, Layer::Bronze | Layer::Silver)) {
            let instead = "gold and quarantine are";
            return Err(UsageError::Unavailable { option: "layers", value: layer.to_string(), instead });
        }
        let config = RunConfig {
            semantics,
            inputs: args.inputs()?,
            lake: args.lake.clone().unwrap_or_else(|| PathBuf::from("./lake")),
            layers,
            shards,
            pin: !args.no_pin,
            max_future,
            pace: args.pace,
        };
        Ok((config, args.summary.unwrap_or(SummaryFormat::Text)))
    }

    /// These options, and those of `file` that are not among them.
    fn over(self, file: RunArgs) -> RunArgs {
        RunArgs {
            input: if self.input.is_empty() { file.input } else { self.input },
            lake: self.lake.or(file.lake),
            window: self.window.or(file.window),
            rollup: self.rollup.or(file.rollup),
            lateness: self.lateness.or(file.lateness),
            idle_timeout: self.idle_timeout.or(file.idle_timeout),
            max_future: self.max_future.or(file.max_future),
            currency: self.currency.or(file.currency),
            utc_offset: self.utc_offset.or(file.utc_offset),
            format: self.format.or(file.format),
            layers: self.layers.or(file.layers),
            summary: self.summary.or(file.summary),
            shards: self.shards.or(file.shards),
            no_pin: self.no_pin || file.no_pin,
            pace: self.pace.or(file.pace),
            config: None,
        }
    }

    fn inputs(&self) -> Result<Vec<Input>, UsageError> {
        if self.input.is_empty() {
            return Err(UsageError::NoInput);
        }
        Ok(resolve(&self.input)?)
    }

    fn semantics(&self) -> Result<Semantics, UsageError> {
        let window = match &self.window {
            Some(text) => window_length("window", text)?,
            None => WindowLength::MINUTE,
        };
        let rollups = match self.rollup.as_deref() {
            // A default rollup that does not fit the window is left out.
            None => [WindowLength::HOUR, WindowLength::DAY].into_iter().filter(|r| r.is_multiple_of(window)).collect(),
            Some("none") => Vec::new(),
            Some(list) => list.split(',').map(|text| window_length("rollup", text.trim())).collect::<Result<_, _>>()?,
        };
        let lateness = match &self.lateness {
            Some(text) => value("lateness", parse_duration(text))?,
            None => DEFAULT_LATENESS,
        };
        let currency = match &self.currency {
            Some(text) => value("currency", text.parse())?,
            None => Currency::USD,
        };
        let offset = match &self.utc_offset {
            Some(text) => value("utc-offset", text.parse::<UtcOffset>())?,
            None => UtcOffset::ZERO,
        };
        value("rollup", Semantics::new(window, &rollups, lateness, currency, offset))
    }
}

/// How far ahead of the clock an event may be unless said otherwise.
const DEFAULT_MAX_FUTURE: Micros = Micros::from_seconds(300);

/// How far watermarks trail unless said otherwise.
const DEFAULT_LATENESS: Micros = Micros::from_seconds(10);

/// More shards than any machine has cores for; each costs a thread and two rings.
const SHARDS_MAX: usize = 256;

fn window_length(option: &'static str, text: &str) -> Result<WindowLength, UsageError> {
    let length = value(option, parse_duration(text))?;
    value(option, WindowLength::new(length))
}

fn out_of_range(option: &'static str, value: &dyn std::fmt::Display, expected: &'static str) -> UsageError {
    UsageError::OutOfRange { option, value: value.to_string(), expected }
}

fn read_config(path: &Path) -> Result<RunArgs, UsageError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| UsageError::ConfigUnreadable { path: path.to_owned(), source })?;
    toml::from_str(&text)
        .map_err(|source| UsageError::ConfigMalformed { path: path.to_owned(), source: Box::new(source) })
}
