//! The one live line on a terminal.

use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use engine_model::Watermark;

use crate::status::Status;
use crate::terminal::printable;

const INTERVAL: Duration = Duration::from_millis(250);

/// Shows how far a run has come, on stderr where that is a terminal, until `done`; then clears the line.
pub fn show_live_line(status: &Status, done: &AtomicBool) {
    let mut stderr = std::io::stderr();
    if !stderr.is_terminal() {
        return;
    }
    let mut before = (Instant::now(), 0);
    while !done.load(Relaxed) {
        // Unparked when the run is over.
        std::thread::park_timeout(INTERVAL);
        let now = (Instant::now(), status.view().records);
        let seconds = now.0.duration_since(before.0).as_secs_f64();
        let line = line(status, status.partitions(), rate(now.1 - before.1, seconds));
        before = now;
        // A terminal that is gone is no reason to stop a run.
        let _ = write!(stderr, "\r\x1b[K{line}").and_then(|()| stderr.flush());
    }
    let _ = write!(stderr, "\r\x1b[K").and_then(|()| stderr.flush());
}

#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "for people")]
fn rate(records: u64, seconds: f64) -> u64 {
    if seconds > 0.0 { (records as f64 / seconds) as u64 } else { 0 }
}

/// At most 79 columns, so that no terminal of usual width breaks it.
fn line(status: &Status, names: &[String], rate: u64) -> String {
    let view = status.view();
    let watermark = match view.watermark {
        Watermark::NONE => "no watermark yet".to_owned(),
        Watermark::END => "all read".to_owned(),
        watermark => {
            let text = watermark.to_string();
            format!("{}Z", text.get(..19).unwrap_or(&text))
        }
    };
    // Last, because it is what may be cut.
    let holder = if names.len() > 1 { names.get(view.holder) } else { None };
    let holder = holder.map(|name| printable(name.rsplit('/').next().unwrap_or(name))).unwrap_or_default();
    let text = format!(
        "{} records  {}/s  {watermark}  open {}  late {}  rejected {}  {holder}",
        short(view.records),
        short(rate),
        view.open_windows,
        short(view.late),
        short(view.rejected),
    );
    text.trim_end().chars().take(79).collect()
}

/// A count in at most six columns.
fn short(count: u64) -> String {
    let (unit, letter) = match count {
        0..10_000 => return count.to_string(),
        10_000..1_000_000 => (1_000, 'k'),
        1_000_000..1_000_000_000 => (1_000_000, 'M'),
        _ => (1_000_000_000, 'G'),
    };
    format!("{}.{}{letter}", count / unit, count % unit * 10 / unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_live_line_names_the_partition_that_holds_the_watermark() {
        let status = Status::new();
        let names = ["in/a.jsonl".to_owned(), "in/b.jsonl".to_owned()];
        assert!(line(&status, &names, 0).contains("no watermark yet"));
        status.watermark.store(1_767_225_600_000_000, Relaxed);
        status.holder.store(1, Relaxed);
        status.records.store(1_234, Relaxed);
        status.rejected.store(99_999, Relaxed);
        let expected = "1234 records  1.2M/s  2026-01-01T00:00:00Z  open 0  late 0  rejected 99.9k  b.jsonl";
        assert_eq!(line(&status, &names, 1_299_999), &expected[..79]);
    }

    #[test]
    fn the_live_line_fits_eighty_columns_whatever_it_counts() {
        let status = Status::new();
        for field in [&status.records, &status.late, &status.rejected, &status.open_windows] {
            field.store(u64::from(u32::MAX), Relaxed);
        }
        let names = ["a".repeat(200), "b".repeat(200)];
        assert!(line(&status, &names, 999_999_999).chars().count() < 80);
    }
}
