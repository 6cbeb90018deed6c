//! The `loadtest` command: reads the command line, runs, prints. stdout is for the report, stderr for progress.

#![forbid(unsafe_code)]

use std::io::{ErrorKind, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use loadtests::cli::{Cli, Output};
use loadtests::{
    LoadConfig, LoadError, Machine, Report, Subject, compare, run, run_line, search, thousands, to_hgrm, to_html,
    to_json, to_text,
};

/// The rate was held and nothing is missing.
const DONE: u8 = 0;
/// Not so, or something failed.
const FAILED: u8 = 1;
/// Wrong usage.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    // clap prints its own errors and exits with 2.
    let cli = Cli::parse();
    let config = match cli.config() {
        Ok(config) => config,
        Err(error) => {
            say(&format!("error: {error}"));
            return ExitCode::from(USAGE);
        }
    };
    let machine = Machine::read();
    let report = match measure(&cli, &config) {
        Ok(report) => report,
        Err(error) => {
            say(&format!("error: {error}"));
            return ExitCode::from(if error.is_usage() { USAGE } else { FAILED });
        }
    };
    let is_written = write(&cli, &report, &machine);
    if let Err(error) = &is_written {
        say(&format!("error: {error}"));
    }
    explain(&report);
    ExitCode::from(if report.is_good() && is_written.is_ok() { DONE } else { FAILED })
}

/// Progress and errors. A stderr that is gone leaves nobody to tell.
fn say(message: &str) {
    let _ = writeln!(std::io::stderr(), "{message}");
}

fn measure(cli: &Cli, config: &LoadConfig) -> Result<Report, LoadError> {
    // Whatever can be refused is refused before anything is measured.
    config.semantics()?;
    if cli.search {
        let found = search(config, cli.limits(), |step| {
            let verdict = if step.is_sustained { "sustained" } else { "too much" };
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate from 1 to 1e8")]
            let rate = thousands(step.run.config.rate as u64);
            say(&format!("{rate:>11} a second: {verdict}"));
        });
        return found.map(Report::Found);
    }
    if let Some(pairs) = cli.pairs {
        let progress = |run: &loadtests::Run| say(&format!("{}: {}", run.subject.name(), run_line(run)));
        return compare(config, pairs.into(), progress).map(Report::Comparison);
    }
    let subject = if cli.control { Subject::Control } else { Subject::Engine };
    run(config, subject).map(|run| Report::Run(Box::new(run)))
}

fn write(cli: &Cli, report: &Report, machine: &Machine) -> Result<(), String> {
    let text = match cli.output {
        Output::Text => to_text(report, machine),
        Output::Json => to_json(report, machine).to_string() + "\n",
    };
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        // A reader that has gone away is no failure.
        Err(error) if error.kind() != ErrorKind::BrokenPipe => return Err(format!("writing to stdout: {error}")),
        _ => {}
    }
    let file = |path: &Path, text: String| {
        std::fs::write(path, text).map_err(|error| format!("writing {}: {error}", path.display()))
    };
    if let (Some(path), Some(run)) = (&cli.hgrm, report.main_run()) {
        file(path, to_hgrm(&run.latency))?;
    }
    if let Some(path) = &cli.html {
        file(path, to_html(report, machine))?;
    }
    Ok(())
}

/// Says what makes the exit status 1.
fn explain(report: &Report) {
    if report.is_good() {
        return;
    }
    if let Report::Found(found) = report
        && found.rate.is_none()
    {
        say("failed: no rate that was tried is sustained");
    }
    for run in report.runs() {
        let is_step = matches!(report, Report::Found(_));
        if !run.is_held() && !is_step {
            say(&format!("failed: {}: the rate was not held", run.subject.name()));
        }
        if run.missing() > 0 {
            say(&format!("failed: {}: {} records are missing from the ledger", run.subject.name(), run.missing()));
        }
    }
}
