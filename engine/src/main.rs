//! The `tillrace` command: reads the command line, runs, prints. stdout is for results, stderr for people.

use std::fmt::Write as _;
use std::io::{ErrorKind, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};
use clap::Parser;
use engine::cli::{
    Cli, Command, ReplayArgs, RunArgs, ShowArgs, SimulateArgs, SimulateMode, SummaryFormat, ValidateArgs, WhyArgs,
};
use engine::{
    Dashboard, EmbedEnd, ReplayError, Replayed, RunEnd, RunError, ShowError, SimulateError, Status, Summary, Terminal,
    WhyError,
};
use engine_source::InputKind;

/// Done.
const DONE: u8 = 0;
/// Failed, or interrupted before the end of the input.
const FAILED: u8 = 1;
/// Wrong usage or configuration.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    // clap prints its own errors and exits with 2.
    let cli = Cli::parse();
    let code = match cli.command {
        Command::Run(args) => run(*args),
        Command::Simulate(args) => simulate(&args),
        Command::Show(args) => Ok(show(args)),
        Command::Why(args) => Ok(why(args)),
        Command::Replay(args) => Ok(replay(args)),
        Command::Validate(args) => validate(&args),
    };
    ExitCode::from(code.unwrap_or_else(|error| complain(&error, FAILED)))
}

/// Prints an error with its causes; returns the exit code to use.
fn complain(error: &anyhow::Error, code: u8) -> u8 {
    // A stderr that is gone leaves nobody to tell.
    let _ = writeln!(std::io::stderr(), "error: {error:#}");
    code
}

fn warn(message: &str) {
    let _ = writeln!(std::io::stderr(), "{message}");
}

/// Writes a result. A reader that has gone away (`tillrace ... | head`) is no failure.
fn print(text: &str) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        result => result.context("writing to stdout"),
    }
}

fn run(args: RunArgs) -> Result<u8> {
    let (config, format) = match args.resolve() {
        Ok(resolved) => resolved,
        Err(error) => return Ok(complain(&error.into(), USAGE)),
    };
    let stop = stop_on_signals()?;
    let status = Arc::new(Status::new());
    let listen = |dashboard| Dashboard::listen(dashboard, &config, Arc::clone(&status));
    let mut dashboard = match config.dashboard.as_ref().map(listen).transpose() {
        Ok(dashboard) => dashboard,
        Err(error) => return Ok(complain(&error.into(), USAGE)),
    };
    let done = AtomicBool::new(false);
    let names: Vec<String> = config.inputs.names().into_iter().map(|(name, _)| name).collect();
    let result = std::thread::scope(|scope| {
        let live = scope.spawn(|| engine::show_live_line(&status, &names, &done));
        let result = match &mut dashboard {
            Some(dashboard) => engine::run_shown(&config, &status, &stop, dashboard),
            None => engine::run(&config, &status, &stop),
        };
        done.store(true, Ordering::Relaxed);
        live.thread().unpark();
        result
    });
    let summary = match result {
        Ok(summary) => summary,
        Err(error) => {
            end(dashboard, Err(&error), &stop);
            let code = if error.is_usage() { USAGE } else { FAILED };
            return Ok(complain(&error.into(), code));
        }
    };
    print(&match format {
        SummaryFormat::Text => summary.to_text(&Terminal::of_stdout()),
        SummaryFormat::Json => summary.to_json() + "\n",
    })?;
    end(dashboard, Ok(&summary), &stop);
    let mut code = FAILED;
    match &summary.end {
        RunEnd::Finished => return Ok(DONE),
        // Without a bound this is the only end there is.
        RunEnd::Interrupted if config.inputs.is_live() => code = DONE,
        RunEnd::Interrupted => warn("interrupted: closed windows are written"),
        RunEnd::SourceFailed(error) => warn(&format!("error: {error}; closed windows are written")),
    }
    let open = summary.open_windows.len();
    if open > 0 {
        warn(&format!("not written: {open} open base windows, and the rollups they belong to"));
    }
    Ok(code)
}

/// Lets the dashboard say goodbye, or stay where that was asked for.
fn end(dashboard: Option<Dashboard>, result: Result<&Summary, &RunError>, stop: &AtomicBool) {
    if let Some(dashboard) = dashboard {
        dashboard
            .end(result, stop, |url| warn(&format!("the run has ended; the dashboard stays at {url} until Ctrl-C")));
    }
}

/// A flag that Ctrl-C and SIGTERM set.
fn stop_on_signals() -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        // The second signal ends the process at once; the first asks it to stop.
        signal_hook::flag::register_conditional_shutdown(signal, FAILED.into(), Arc::clone(&stop))
            .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&stop)))
            .with_context(|| format!("watching for signal {signal}"))?;
    }
    Ok(stop)
}

fn simulate(args: &SimulateArgs) -> Result<u8> {
    let config = match args.resolve() {
        Ok(config) => config,
        Err(error) => return Ok(complain(&error.into(), USAGE)),
    };
    let stop = stop_on_signals()?;
    let is_live = args.mode == SimulateMode::Stream;
    let truth = args.sim.truth.as_deref();
    let result = match args.output.as_deref() {
        None | Some("-") => engine::simulate(&config, is_live, truth, &mut std::io::stdout().lock(), &stop),
        Some(path) => {
            let file = std::fs::File::create(path).with_context(|| format!("creating {path}"))?;
            engine::simulate(&config, is_live, truth, &mut std::io::BufWriter::new(file), &stop)
        }
    };
    match result {
        Ok(records) => warn(&format!("{records} records")),
        // A reader that has gone away (`tillrace simulate | head`) is no failure.
        Err(SimulateError::Write(error)) if error.kind() == ErrorKind::BrokenPipe => {}
        Err(error) => return Err(error.into()),
    }
    Ok(DONE)
}

fn show(args: ShowArgs) -> u8 {
    let terminal = args.width.map_or_else(Terminal::of_stdout, |width| Terminal { width, ..Terminal::of_stdout() });
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    match engine::show(&args.config(), &terminal, &mut out) {
        Ok(()) => DONE,
        // A reader that has gone away (`tillrace show ... | head`) is no failure.
        Err(ShowError::Write(error)) if error.kind() == ErrorKind::BrokenPipe => {
            // Nor is there anyone to write the rest to.
            let _ = out.into_parts();
            DONE
        }
        Err(error) => {
            let code = if error.is_usage() { USAGE } else { FAILED };
            complain(&error.into(), code)
        }
    }
}

fn why(args: WhyArgs) -> u8 {
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    match engine::why(&args.config(), &mut out) {
        Ok(true) => DONE,
        Ok(false) => FAILED,
        // A reader that has gone away (`tillrace why ... | head`) is no failure.
        Err(WhyError::Write(error)) if error.kind() == ErrorKind::BrokenPipe => {
            let _ = out.into_parts();
            DONE
        }
        Err(error) => {
            let code = if error.is_usage() { USAGE } else { FAILED };
            complain(&error.into(), code)
        }
    }
}

fn replay(args: ReplayArgs) -> u8 {
    let config = match args.config() {
        Ok(config) => config,
        Err(error) => return complain(&error.into(), USAGE),
    };
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    match engine::replay(&config, &mut out) {
        Ok(Replayed { records, end: None }) => warn(&format!("{records} records")),
        Ok(Replayed { records, end: Some(end) }) => {
            let EmbedEnd { ledger, windows } = end;
            let (accepted, duplicates, late) = (ledger.accepted, ledger.duplicates, ledger.late);
            let rejected = ledger.rejected_total();
            warn(&format!(
                "{records} records: {accepted} accepted in {windows} windows, {duplicates} duplicates, {late} late, \
                 {rejected} rejected"
            ));
        }
        // A reader that has gone away (`tillrace replay ... | head`) is no failure.
        Err(ReplayError::Stdout(error)) if error.kind() == ErrorKind::BrokenPipe => {
            let _ = out.into_parts();
        }
        Err(error) => {
            let code = if error.is_usage() { USAGE } else { FAILED };
            return complain(&error.into(), code);
        }
    }
    DONE
}

fn validate(args: &ValidateArgs) -> Result<u8> {
    let inputs = match engine_source::resolve(&args.files) {
        Ok(inputs) => inputs,
        Err(error) => return Ok(complain(&error.into(), USAGE)),
    };
    let rules = engine::rules_now(args.currency, args.max_future);
    let mut code = DONE;
    for input in inputs {
        let report = match engine::validate(&input, &rules) {
            Ok(report) => report,
            Err(error) => {
                code = complain(&error.into(), FAILED);
                continue;
            }
        };
        let name = if input.kind == InputKind::Stdin { "stdin" } else { &input.name };
        let rejected = report.rejected();
        let mut text =
            format!("{name}: {} records, {} valid, {rejected} rejected\n", report.records, report.records - rejected);
        for reason in &report.reasons {
            let name = reason.reason.name();
            writeln!(text, "  {name:<20}{:>10}  first at line {}", reason.lines, reason.line_first)?;
        }
        print(&text)?;
        if rejected > 0 {
            code = FAILED;
        }
    }
    Ok(code)
}
