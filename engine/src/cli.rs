//! The command line, and the configuration file that may stand behind it.
//!
//! An option is looked for on the command line, then in `--config FILE`, then it has its default. Every value has one
//! type that checks it, so both ways give the same errors.

use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};
use engine_lake::Layers;
use engine_model::{Civil, Currency, EventTime, Micros, Semantics, UtcOffset, WindowLength, day_of_civil};
use engine_source::resolve;
use serde::Deserialize;

use crate::config::{Inputs, RunConfig, default_shards};
use crate::dashboard::{DashboardConfig, InvalidToken, parse_address};
use crate::duration::parse_duration;
use crate::replay::{ReplayConfig, ReplayTarget, parse_reasons};
use crate::show::{Moment, ShowConfig, ShowOutput};
use crate::source::clock;
use crate::why::{WhyConfig, WhyOutput};

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
    /// Print the latest KPIs of a lake, or the rows of one of its tables.
    #[command(after_help = SHOW_EXAMPLES)]
    Show(ShowArgs),
    /// Tell what became of an event: accepted, a duplicate, late or rejected, and by which record and rule.
    #[command(after_help = WHY_EXAMPLES)]
    Why(WhyArgs),
    /// Take rejected and late records out of the quarantine again, into a file or through the engine into a new lake.
    #[command(after_help = REPLAY_EXAMPLES)]
    Replay(ReplayArgs),
    /// Write simulated events as JSON Lines.
    #[command(after_help = SIMULATE_EXAMPLES)]
    Simulate(Box<SimulateArgs>),
    /// Check files line by line and count what is wrong with them.
    #[command(after_help = VALIDATE_EXAMPLES)]
    Validate(ValidateArgs),
}

const RUN_EXAMPLES: &str = "\
Examples:
  A simulated day of trade in seconds:
    tillrace run --duration 24h

  A live shop, by the clock, until Ctrl-C:
    tillrace run --rate 200

  One file into ./lake, figures at the end:
    tillrace run --input shop.jsonl

  A month of compressed files, side by side, into a lake of its own:
    tillrace run --input 'events/2026-01-*.jsonl.gz' --lake january

  From another program, with windows of ten seconds and no rollups:
    zcat shop.jsonl.gz | tillrace run --input - --window 10s --rollup none

  A live shop with a page of its figures at http://127.0.0.1:8080:
    tillrace run --dashboard 127.0.0.1:8080

  Days of New York, in euros, the summary for a program:
    tillrace run --input shop.jsonl --utc-offset -05:00 --currency EUR --summary json

Durations are written 500ms, 10s, 5m, 1h30m, 1d.
Exit status: 0 done, 1 failed or interrupted before the end of the input, 2 wrong usage or configuration.";

const SHOW_EXAMPLES: &str = "\
Examples:
  The latest KPIs, as run prints them at its end:
    tillrace show lake

  The same for the last hours rather than days:
    tillrace show lake --grain 1h

  Hours of one day, exactly, for a program:
    tillrace show lake kpis --grain 1h --from 2026-01-01 --to 2026-01-02 --output csv

  What was rejected:
    tillrace show lake rejected --output json

json is one object a line. In json and csv, money is text and exact, instants are in UTC, and bytes that are no UTF-8 are
base64. text leaves out window_end, date_key and minute_of_day, and its instants are local to the lake.
Exit status: 0 done, 1 the lake cannot be read, 2 wrong usage, no lake, or no such table.";

const WHY_EXAMPLES: &str = "\
Examples:
  What became of an order:
    tillrace why lake 5f0c64ab-77ad-4d29-a62a-3ca5be1b6c43

  The same for a program, the records one by one:
    tillrace why lake e17 --output json | jq '.records[]'

Reads the layers that the lake has and says which are missing and what therefore cannot be told; run with
--layers bronze,silver,quarantine,gold keeps all of them.
Exit status: 0 a record with that event_id was found, 1 none was found or the lake cannot be read, 2 wrong usage or no lake.";

const REPLAY_EXAMPLES: &str = "\
Examples:
  Orders of a shop that sells in euros by now, into a lake of their own:
    tillrace replay lake --reasons currency_mismatch --to lake-eur --currency EUR

  What came late, as the lines it came in, to be run again by hand:
    tillrace replay lake --reasons late --to late.jsonl

  Lines to be repaired on the way:
    tillrace replay lake --reasons malformed_json,invalid_field --to - | ./repair | tillrace run --input - --lake repaired

The records stay in the quarantine. They come in the order of their event times, so that none of them is late for another;
those in which none can be read come first.
Exit status: 0 done, 1 failed, 2 wrong usage, no lake or no quarantine.";

const SIMULATE_EXAMPLES: &str = "\
Examples:
  Fifty events a second, by the clock:
    tillrace simulate --rate 50 --mode stream

  A million events into a file, with the truth about every injected fault beside it:
    tillrace simulate --mode batch --events 1000000 --output shop.jsonl --truth truth.jsonl

  An hour of a small shop, into the engine:
    tillrace simulate --mode batch --duration 1h --rate 20 | tillrace run --input -";

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

/// What the simulator does; the same for `run` and `simulate`.
#[derive(Debug, Default, Args, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct SimArgs {
    /// Events a second of event time [default: 1000; simulate: 50]
    #[arg(long, value_name = "EVENTS", help_heading = "Simulator")]
    pub rate: Option<f64>,
    /// Stop after this span of event time
    #[arg(long, value_name = "DURATION", help_heading = "Simulator")]
    pub duration: Option<String>,
    /// Stop after this many records
    #[arg(long, value_name = "N", help_heading = "Simulator")]
    pub events: Option<u64>,
    /// Where all draws come from: the same seed and options give the same events everywhere [default: 1]
    #[arg(long, value_name = "SEED", help_heading = "Simulator")]
    pub seed: Option<u64>,
    /// First instant of a bounded simulation [default: 2026-01-01T00:00:00Z]
    #[arg(long, value_name = "INSTANT", help_heading = "Simulator")]
    pub start: Option<String>,
    /// Share of records that are copies [default: 0.01]
    #[arg(long, value_name = "SHARE", help_heading = "Simulator", allow_hyphen_values = true)]
    pub duplicates: Option<f64>,
    /// Share of records out of order, within lateness [default: 0.02]
    #[arg(long, value_name = "SHARE", help_heading = "Simulator", allow_hyphen_values = true)]
    pub delayed: Option<f64>,
    /// Share of records behind their window [default: 0.005]
    #[arg(long, value_name = "SHARE", help_heading = "Simulator", allow_hyphen_values = true)]
    pub late: Option<f64>,
    /// Share of records that are no valid events [default: 0.001]
    #[arg(long, value_name = "SHARE", help_heading = "Simulator", allow_hyphen_values = true)]
    pub malformed: Option<f64>,
    /// Lanes, each a source partition of its own; another number of lanes gives other events [default: 1]
    #[arg(long, value_name = "N", help_heading = "Simulator")]
    pub lanes: Option<u32>,
    /// Customers at the start [default: 200000]
    #[arg(long, value_name = "N", help_heading = "Simulator")]
    pub customers: Option<u32>,
    /// Products of the catalogue [default: 5000]
    #[arg(long, value_name = "N", help_heading = "Simulator")]
    pub products: Option<u32>,
    /// What happens besides daily business, comma-separated: campaign, outage, flash-sale, or all
    #[arg(long, value_name = "STORIES", help_heading = "Simulator")]
    pub stories: Option<String>,
    /// Write what was injected, a line of JSON for each record
    #[arg(long, value_name = "FILE", help_heading = "Simulator")]
    pub truth: Option<PathBuf>,
}

/// How `simulate` writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SimulateMode {
    /// By the clock: each event when its time has come.
    Stream,
    /// As fast as possible, from --start, up to --events or --duration.
    Batch,
}

/// Options of `simulate`.
#[derive(Debug, Args)]
pub struct SimulateArgs {
    /// By the clock, or as fast as possible
    #[arg(long, value_enum, default_value = "stream")]
    pub mode: SimulateMode,
    /// A file instead of stdout
    #[arg(long, value_name = "FILE")]
    pub output: Option<String>,
    /// Length of the base windows, which decides what is late
    #[arg(long, value_name = "DURATION", default_value = "60s")]
    pub window: String,
    /// How far the watermark will trail, which decides what is late
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = parse_duration)]
    pub lateness: Micros,
    /// The currency of orders and payments
    #[arg(long, value_name = "CODE", default_value = "USD")]
    pub currency: Currency,
    /// Local time of the shop, +hh:mm or -hh:mm
    #[arg(long, value_name = "OFFSET", default_value = "+00:00", allow_hyphen_values = true)]
    pub utc_offset: UtcOffset,
    /// What is simulated.
    #[command(flatten)]
    pub sim: SimArgs,
}

/// Options of `run`. All are optional, so that a configuration file can give them; the help states the defaults.
#[derive(Debug, Default, Args, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct RunArgs {
    /// sim, a file, a glob in quotes, or - for stdin; may be repeated. Each file is one source partition; .gz and .zst
    /// are read by their extension [default: sim]
    #[arg(long, value_name = "URI")]
    pub input: Vec<String>,
    /// Folder of the lake; must not hold an earlier run [default: ./lake]
    #[arg(long, value_name = "DIR")]
    pub lake: Option<PathBuf>,
    /// Length of the base windows; divides a day [default: 60s]
    #[arg(long, value_name = "DURATION", allow_hyphen_values = true)]
    pub window: Option<String>,
    /// Longer windows besides, comma-separated, each a multiple of the window that divides a day; or none
    /// [default: 1h,1d, as far as they fit]
    #[arg(long, value_name = "DURATIONS", allow_hyphen_values = true)]
    pub rollup: Option<String>,
    /// How far the watermark trails the newest event of a partition [default: 10s]
    #[arg(long, value_name = "DURATION", allow_hyphen_values = true)]
    pub lateness: Option<String>,
    /// When a live partition that is silent stops holding the others up [default: 30s]
    #[arg(long, value_name = "DURATION", allow_hyphen_values = true)]
    pub idle_timeout: Option<String>,
    /// How far ahead of the clock an event may be before it is rejected [default: 5m]
    #[arg(long, value_name = "DURATION", allow_hyphen_values = true)]
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
    /// What is written, comma-separated: bronze, silver, quarantine, gold [default: gold,quarantine]
    #[arg(long, value_name = "LAYERS")]
    pub layers: Option<String>,
    /// How the summary is printed to stdout [default: text]
    #[arg(long, value_enum)]
    pub summary: Option<SummaryFormat>,
    /// Number of shards; changes the speed, never a row [default: one per core left by the sources]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = parse_shards)]
    pub shards: Option<usize>,
    /// Do not pin threads to cores
    #[arg(long)]
    pub no_pin: bool,
    /// Read files and stdin at this many records a second
    #[arg(long, value_name = "RECORDS", allow_negative_numbers = true, value_parser = parse_pace)]
    pub pace: Option<f64>,
    /// Serve a live page of this run, and its figures as JSON, at this address and port, such as 127.0.0.1:8080; port 0 takes
    /// a free one. An address that other machines reach needs a token
    #[arg(long, value_name = "ADDR", help_heading = "Dashboard")]
    pub dashboard: Option<String>,
    /// What readers of the dashboard must know.
    #[arg(
        long,
        value_name = "TOKEN",
        help_heading = "Dashboard",
        allow_hyphen_values = true,
        help = "What readers of the dashboard must know: ?token=TOKEN in the address, or Authorization: Bearer TOKEN. Other \
                users of this machine see a command line, so rather set the environment variable TILLRACE_DASHBOARD_TOKEN"
    )]
    pub dashboard_token: Option<String>,
    /// Serve the dashboard on when the input has ended, until Ctrl-C
    #[arg(long, help_heading = "Dashboard")]
    pub dashboard_linger: bool,
    /// Options from a TOML file, named as here without the dashes; those given here come first
    #[arg(long, value_name = "FILE")]
    #[serde(skip)]
    pub config: Option<PathBuf>,
    /// What is simulated.
    #[command(flatten)]
    #[serde(flatten)]
    pub sim: SimArgs,
}

/// Options of `show`.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// Folder of the lake
    #[arg(value_name = "LAKE")]
    pub lake: PathBuf,
    /// A table, by its full name or with --grain; without it, the latest KPIs
    #[arg(
        value_name = "TABLE",
        help = "A table: kpis_1h, or kpis with --grain 1h; dim_product; rejected. Without it, the latest KPIs"
    )]
    pub table: Option<String>,
    /// For a person, for a program, or for a spreadsheet
    #[arg(long, value_enum, default_value = "text")]
    pub output: ShowOutput,
    /// Length of the windows [default: of a table the shortest there is; of the KPIs the longest that has closed]
    #[arg(long, value_name = "GRAIN", allow_hyphen_values = true)]
    pub grain: Option<WindowLength>,
    /// Only windows that start then or later: an instant in RFC 3339, or a date, local to the lake
    #[arg(long, value_name = "TIME", value_parser = parse_moment, allow_hyphen_values = true)]
    pub from: Option<Moment>,
    /// Only windows that start before
    #[arg(long, value_name = "TIME", value_parser = parse_moment, allow_hyphen_values = true)]
    pub to: Option<Moment>,
    /// At most so many rows; of the KPIs, the last so many windows [default: 20 rows of text, 7 windows, else all]
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    /// Columns of the text [default: those of the terminal]
    #[arg(long, value_name = "COLUMNS", value_parser = parse_width)]
    pub width: Option<usize>,
}

impl ShowArgs {
    /// What to show, and how.
    #[must_use]
    pub fn config(self) -> ShowConfig {
        let ShowArgs { lake, table, output, grain, from, to, limit, width: _ } = self;
        ShowConfig { lake, table, output, grain, from, to, limit }
    }
}

/// Options of `why`.
#[derive(Debug, Args)]
pub struct WhyArgs {
    /// Folder of the lake
    #[arg(value_name = "LAKE")]
    pub lake: PathBuf,
    /// The event's identifier, as it stands in the record after unescaping
    #[arg(value_name = "EVENT_ID", allow_hyphen_values = true)]
    pub event_id: String,
    /// For a person, or for a program
    #[arg(long, value_enum, default_value = "text")]
    pub output: WhyOutput,
}

impl WhyArgs {
    /// What is asked, and how it is told.
    #[must_use]
    pub fn config(self) -> WhyConfig {
        let WhyArgs { lake, event_id, output } = self;
        WhyConfig { lake, event_id, output }
    }
}

/// Options of `replay`.
#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// Folder of the lake
    #[arg(value_name = "LAKE")]
    pub lake: PathBuf,
    /// Which records, comma-separated: late, or any reason of a rejection whose lines are kept whole
    #[arg(long, value_name = "REASONS")]
    pub reasons: String,
    /// A new file (its name has an extension), - for stdout, or the folder of a new lake
    #[arg(long, value_name = "FILE|LAKE", allow_hyphen_values = true)]
    pub to: String,
    /// The currency of the new lake [default: that of LAKE]
    #[arg(long, value_name = "CODE")]
    pub currency: Option<Currency>,
    /// How far ahead of the clock an event may be
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = parse_duration)]
    pub max_future: Micros,
    /// What is written of the new lake, comma-separated: bronze, silver, quarantine, gold
    #[arg(long, value_name = "LAYERS", default_value = "quarantine,gold")]
    pub layers: Layers,
}

impl ReplayArgs {
    /// What is taken out, and where it goes.
    ///
    /// # Errors
    /// Where the reasons are none, or options do not go together.
    pub fn config(self) -> Result<ReplayConfig, UsageError> {
        let ReplayArgs { lake, reasons, to, currency, max_future, layers } = self;
        let reasons = value("reasons", &reasons, parse_reasons(&reasons))?;
        let to = ReplayTarget::of(&to);
        if currency.is_some() && !matches!(to, ReplayTarget::Lake(_)) {
            let what = "--currency is for a new lake: lines in a file stay as they came".to_owned();
            return Err(UsageError::Conflict { what });
        }
        Ok(ReplayConfig { lake, reasons, to, currency, max_future, layers })
    }
}

/// Reads a date, or an instant in RFC 3339.
pub(crate) fn parse_moment(text: &str) -> Result<Moment, String> {
    const DATE: &str = "yyyy-mm-dd";
    let expected = || "expected an instant like 2026-01-01T08:00:00Z, or a date like 2026-01-01".to_owned();
    if text.len() == DATE.len() {
        let date: jiff::civil::Date = text.parse().map_err(|_| expected())?;
        let (year, month, day) = (date.year().into(), date.month().into(), date.day().into());
        return Ok(Moment::Day(day_of_civil(Civil { year, month, day })));
    }
    let timestamp: jiff::Timestamp = text.parse().map_err(|_| expected())?;
    Ok(Moment::Instant(EventTime::from_micros(timestamp.as_microsecond())))
}

fn parse_width(text: &str) -> Result<usize, String> {
    let width = text.parse().ok().filter(|width| (40..=1_000).contains(width));
    width.ok_or_else(|| "expected a number of columns from 40 to 1000".to_owned())
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
///
/// The messages hold their cause, so there is no [`source`](std::error::Error::source) to print after them.
#[derive(Debug, thiserror::Error)]
pub enum UsageError {
    /// An option's value is none.
    #[error("--{option} {value}: {cause}")]
    Value {
        /// The option, without its dashes.
        option: &'static str,
        /// Its value.
        value: String,
        /// What is wrong with it.
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The dashboard's token is none. The message does not repeat it.
    #[error("{name}: {cause}")]
    Token {
        /// Where it was given.
        name: &'static str,
        /// What is wrong with it.
        cause: InvalidToken,
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
    /// Options that do not go together.
    #[error("{what}")]
    Conflict {
        /// What does not go with what, and what to do.
        what: String,
    },
    /// The simulator cannot do it.
    #[error("--{}: expected {}", .0.field, .0.expected)]
    Sim(#[from] sim::InvalidConfig),
    /// A key of the configuration file that is no option.
    #[error("configuration {}: unknown option {key:?}; tillrace run --help lists the options", path.display())]
    UnknownKey {
        /// The file.
        path: PathBuf,
        /// The key.
        key: String,
    },
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
    #[error("cannot read configuration {}: {cause}", path.display())]
    ConfigUnreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        cause: std::io::Error,
    },
    /// The configuration file is not understood.
    #[error("configuration {}: {cause}", path.display())]
    ConfigMalformed {
        /// The file.
        path: PathBuf,
        /// Where, and what is wrong.
        cause: Box<toml::de::Error>,
    },
    /// An input cannot be used.
    #[error(transparent)]
    Input(#[from] engine_source::InputError),
}

fn value<T, E>(option: &'static str, text: &str, result: Result<T, E>) -> Result<T, UsageError>
where
    E: std::error::Error + Send + Sync + 'static,
{
    result.map_err(|cause| UsageError::Value { option, value: text.to_owned(), cause: Box::new(cause) })
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
        let idle_timeout = match &args.idle_timeout {
            Some(text) => value("idle-timeout", text, parse_duration(text))?,
            None => DEFAULT_IDLE_TIMEOUT,
        };
        let max_future = match &args.max_future {
            Some(text) => value("max-future", text, parse_duration(text))?,
            None => DEFAULT_MAX_FUTURE,
        };
        let shards = args.shards.unwrap_or_else(default_shards);
        if !(1..=SHARDS_MAX).contains(&shards) {
            return Err(out_of_range("shards", &shards, SHARDS_EXPECTED));
        }
        if let Some(pace) = args.pace
            && !(pace.is_finite() && pace > 0.0)
        {
            return Err(out_of_range("pace", &pace, PACE_EXPECTED));
        }
        if args.format == Some(TableFormat::Delta) {
            let instead = "parquet is";
            return Err(UsageError::Unavailable { option: "format", value: "delta".to_owned(), instead });
        }
        let layers = match &args.layers {
            Some(text) => value("layers", text, text.parse::<Layers>())?,
            None => Layers::default(),
        };
        let config = RunConfig {
            inputs: args.inputs(&semantics)?,
            semantics,
            idle_timeout,
            lake: args.lake.clone().unwrap_or_else(|| PathBuf::from("./lake")),
            layers,
            shards,
            pin: !args.no_pin,
            max_future,
            pace: args.pace,
            dashboard: args.dashboard()?,
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
            dashboard: self.dashboard.or(file.dashboard),
            dashboard_token: self.dashboard_token.or(file.dashboard_token),
            dashboard_linger: self.dashboard_linger || file.dashboard_linger,
            config: None,
            sim: self.sim.over(file.sim),
        }
    }

    fn dashboard(&self) -> Result<Option<DashboardConfig>, UsageError> {
        let Some(address) = &self.dashboard else {
            let given =
                [("dashboard-token", self.dashboard_token.is_some()), ("dashboard-linger", self.dashboard_linger)];
            return match given.into_iter().find(|(_, is_given)| *is_given) {
                Some((option, _)) => {
                    let what = format!("--{option} needs --dashboard ADDR, such as --dashboard 127.0.0.1:8080");
                    Err(UsageError::Conflict { what })
                }
                None => Ok(None),
            };
        };
        let of_environment = || std::env::var(TOKEN_VARIABLE).ok().filter(|token| !token.is_empty());
        let token = match (&self.dashboard_token, of_environment()) {
            (Some(text), _) => {
                Some(text.parse().map_err(|cause| UsageError::Token { name: "--dashboard-token", cause })?)
            }
            (None, Some(text)) => {
                Some(text.parse().map_err(|cause| UsageError::Token { name: TOKEN_VARIABLE, cause })?)
            }
            (None, None) => None,
        };
        let address = value("dashboard", address, parse_address(address, token.as_ref()))?;
        Ok(Some(DashboardConfig { address, token, linger: self.dashboard_linger }))
    }

    fn inputs(&self, semantics: &Semantics) -> Result<Inputs, UsageError> {
        let is_sim = |input: &String| input == "sim" && !Path::new(input).exists();
        if self.input.is_empty() || self.input.iter().any(is_sim) {
            if self.input.len() > 1 {
                let what = "--input sim stands alone: run files and the simulator into lakes of their own".to_owned();
                return Err(UsageError::Conflict { what });
            }
            let base = semantics.base();
            let shop = Shop {
                window: base.length(),
                lateness: semantics.lateness(),
                currency: semantics.currency(),
                offset: base.offset(),
            };
            let config = self.sim.config(&shop, sim::Config::RATE)?;
            return Ok(Inputs::Sim { config: Box::new(config), truth: self.sim.truth.clone() });
        }
        if let Some(option) = self.sim.first_given() {
            let what = format!("--{option} is for the simulator, and --input names files; leave one of them out");
            return Err(UsageError::Conflict { what });
        }
        Ok(Inputs::Lines(resolve(&self.input)?))
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
            Some(text) => value("lateness", text, parse_duration(text))?,
            None => DEFAULT_LATENESS,
        };
        let currency = match &self.currency {
            Some(text) => value("currency", text, text.parse())?,
            None => Currency::USD,
        };
        let offset = match &self.utc_offset {
            Some(text) => value("utc-offset", text, text.parse::<UtcOffset>())?,
            None => UtcOffset::ZERO,
        };
        let rollup = self.rollup.as_deref().unwrap_or_default();
        value("rollup", rollup, Semantics::new(window, &rollups, lateness, currency, offset))
    }
}

/// What the simulator has to know of the pipeline.
struct Shop {
    window: WindowLength,
    lateness: Micros,
    currency: Currency,
    offset: UtcOffset,
}

impl SimArgs {
    /// These options, and those of `file` that are not among them.
    fn over(self, file: SimArgs) -> SimArgs {
        SimArgs {
            rate: self.rate.or(file.rate),
            duration: self.duration.or(file.duration),
            events: self.events.or(file.events),
            seed: self.seed.or(file.seed),
            start: self.start.or(file.start),
            duplicates: self.duplicates.or(file.duplicates),
            delayed: self.delayed.or(file.delayed),
            late: self.late.or(file.late),
            malformed: self.malformed.or(file.malformed),
            lanes: self.lanes.or(file.lanes),
            customers: self.customers.or(file.customers),
            products: self.products.or(file.products),
            stories: self.stories.or(file.stories),
            truth: self.truth.or(file.truth),
        }
    }

    /// The name of an option that was given, if any was.
    fn first_given(&self) -> Option<&'static str> {
        let given = [
            ("rate", self.rate.is_some()),
            ("duration", self.duration.is_some()),
            ("events", self.events.is_some()),
            ("seed", self.seed.is_some()),
            ("start", self.start.is_some()),
            ("duplicates", self.duplicates.is_some()),
            ("delayed", self.delayed.is_some()),
            ("late", self.late.is_some()),
            ("malformed", self.malformed.is_some()),
            ("lanes", self.lanes.is_some()),
            ("customers", self.customers.is_some()),
            ("products", self.products.is_some()),
            ("stories", self.stories.is_some()),
            ("truth", self.truth.is_some()),
        ];
        given.into_iter().find_map(|(name, is_given)| is_given.then_some(name))
    }

    fn config(&self, shop: &Shop, rate: f64) -> Result<sim::Config, UsageError> {
        let bound = match (&self.duration, self.events) {
            (Some(_), Some(_)) => {
                let what = "--duration and --events both say where to stop; leave one of them out".to_owned();
                return Err(UsageError::Conflict { what });
            }
            (Some(text), None) => sim::Bound::Duration(value("duration", text, parse_duration(text))?),
            (None, Some(events)) => sim::Bound::Records(events),
            (None, None) => sim::Bound::None,
        };
        let start = match &self.start {
            Some(_) if bound == sim::Bound::None => {
                let what = "--start needs --duration or --events: without a bound, event time is the clock".to_owned();
                return Err(UsageError::Conflict { what });
            }
            Some(text) => instant("start", text)?,
            None if bound == sim::Bound::None => clock(),
            None => sim::Config::START,
        };
        let default = sim::Shares::DEFAULT;
        let config = sim::Config {
            seed: self.seed.unwrap_or(sim::Config::SEED),
            rate: self.rate.unwrap_or(rate),
            start,
            bound,
            lanes: self.lanes.unwrap_or(sim::Config::LANES),
            customers: self.customers.unwrap_or(sim::Config::CUSTOMERS),
            products: self.products.unwrap_or(sim::Config::PRODUCTS),
            shares: sim::Shares {
                duplicates: self.duplicates.unwrap_or(default.duplicates),
                delayed: self.delayed.unwrap_or(default.delayed),
                late: self.late.unwrap_or(default.late),
                malformed: self.malformed.unwrap_or(default.malformed),
            },
            window: shop.window,
            lateness: shop.lateness,
            utc_offset: shop.offset,
            currency: shop.currency,
            stories: self.stories()?,
        };
        config.check()?;
        Ok(config)
    }

    fn stories(&self) -> Result<sim::Stories, UsageError> {
        let mut stories = sim::Stories::default();
        for name in self.stories.iter().flat_map(|list| list.split(',')) {
            match name.trim() {
                "campaign" => stories.campaign = sim::Stories::DAY.campaign,
                "outage" => stories.outage = sim::Stories::DAY.outage,
                "flash-sale" => stories.flash_sale = sim::Stories::DAY.flash_sale,
                "all" => stories = sim::Stories::DAY,
                _ => return Err(out_of_range("stories", &name, "campaign, outage, flash-sale or all")),
            }
        }
        Ok(stories)
    }
}

impl SimulateArgs {
    /// Checks all options.
    ///
    /// # Errors
    /// Where a value is none, or values do not go together.
    pub fn resolve(&self) -> Result<sim::Config, UsageError> {
        let window = window_length("window", &self.window)?;
        let shop = Shop { window, lateness: self.lateness, currency: self.currency, offset: self.utc_offset };
        let mut config = self.sim.config(&shop, SIMULATE_RATE)?;
        if config.lanes != 1 {
            let what = "--lanes is for run: lines of several lanes in one file would be one partition".to_owned();
            return Err(UsageError::Conflict { what });
        }
        if self.mode == SimulateMode::Batch && config.bound == sim::Bound::None {
            let what = "--mode batch needs --events or --duration".to_owned();
            return Err(UsageError::Conflict { what });
        }
        if let Some(output) = &self.output
            && let Some((scheme, _)) = output.split_once("://")
        {
            let value = format!("{scheme}://");
            return Err(UsageError::Unavailable { option: "output", value, instead: "a file and stdout are" });
        }
        if self.mode == SimulateMode::Stream && self.sim.start.is_none() {
            config.start = clock();
        }
        Ok(config)
    }
}

/// Reads an instant in RFC 3339.
fn instant(option: &'static str, text: &str) -> Result<EventTime, UsageError> {
    let timestamp: jiff::Timestamp = value(option, text, text.parse())?;
    Ok(EventTime::from_micros(timestamp.as_microsecond()))
}

/// The token of the dashboard, where no option gives it.
const TOKEN_VARIABLE: &str = "TILLRACE_DASHBOARD_TOKEN";

/// Events a second of `simulate` unless said otherwise: what a person can watch.
const SIMULATE_RATE: f64 = 50.0;

/// When a silent live partition is idle unless said otherwise.
const DEFAULT_IDLE_TIMEOUT: Micros = Micros::from_seconds(30);

/// How far ahead of the clock an event may be unless said otherwise.
const DEFAULT_MAX_FUTURE: Micros = Micros::from_seconds(300);

/// How far watermarks trail unless said otherwise.
const DEFAULT_LATENESS: Micros = Micros::from_seconds(10);

/// More shards than any machine has cores for; each costs a thread and two rings.
const SHARDS_MAX: usize = 256;

const SHARDS_EXPECTED: &str = "a whole number from 1 to 256";
const PACE_EXPECTED: &str = "a number of records a second above 0";

// What is a number but out of range is refused later, alike for the configuration file.
fn parse_shards(text: &str) -> Result<usize, String> {
    text.parse().map_err(|_| format!("expected {SHARDS_EXPECTED}"))
}

fn parse_pace(text: &str) -> Result<f64, String> {
    text.parse().map_err(|_| format!("expected {PACE_EXPECTED}"))
}

fn window_length(option: &'static str, text: &str) -> Result<WindowLength, UsageError> {
    let length = value(option, text, parse_duration(text))?;
    value(option, text, WindowLength::new(length))
}

fn out_of_range(option: &'static str, value: &dyn std::fmt::Display, expected: &'static str) -> UsageError {
    UsageError::OutOfRange { option, value: value.to_string(), expected }
}

fn read_config(path: &Path) -> Result<RunArgs, UsageError> {
    let text =
        std::fs::read_to_string(path).map_err(|cause| UsageError::ConfigUnreadable { path: path.to_owned(), cause })?;
    let malformed = |cause| UsageError::ConfigMalformed { path: path.to_owned(), cause: Box::new(cause) };
    let table: toml::Table = toml::from_str(&text).map_err(malformed)?;
    let options = RunArgs::augment_args(clap::Command::new("run"));
    let is_option = |key: &str| key != "config" && options.get_arguments().any(|arg| arg.get_long() == Some(key));
    if let Some(key) = table.keys().find(|key| !is_option(key)) {
        return Err(UsageError::UnknownKey { path: path.to_owned(), key: key.clone() });
    }
    toml::from_str(&text).map_err(malformed)
}
