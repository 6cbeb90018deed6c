//! Timing in alternating pairs with a control, and the table or JSON made of it.

use std::time::Instant;

use serde_json::{Map, Value};

/// Pairs of each row.
pub const PAIRS: usize = 5;

/// What a row is held against.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bar {
    /// Time of ours over that of the control: at most these. The rates, in millions of records a second, say what that is
    /// on the idle machine that the bars come from; they are no bar on another one.
    Times {
        /// The ratio to reach.
        most: f64,
        /// The ratio aimed at.
        aim: f64,
        /// The rates that belong to the two.
        rates: [f64; 2],
    },
    /// Rate of ours over that of the control: at least these.
    Rates {
        /// The ratio to reach.
        least: f64,
        /// The ratio aimed at.
        aim: f64,
    },
    /// None: time of ours over that of the control.
    None,
}

/// One thing measured.
#[derive(Clone, Debug)]
pub struct Row {
    /// What is measured.
    pub what: String,
    /// The class of its input.
    pub input: &'static str,
    /// What it is measured beside.
    pub control: &'static str,
    /// What it is held against.
    pub bar: Bar,
    /// Records of one run.
    pub records: u64,
    /// Seconds of ours, by pair.
    pub ours: [f64; PAIRS],
    /// Seconds of the control, by pair.
    pub controls: [f64; PAIRS],
}

/// Runs `work` and says how many seconds it took.
pub fn seconds<T>(work: impl FnOnce() -> T) -> (f64, T) {
    let started = Instant::now();
    let result = work();
    (started.elapsed().as_secs_f64(), result)
}

/// The middle one.
#[must_use]
pub fn median(values: [f64; PAIRS]) -> f64 {
    let mut sorted = values;
    sorted.sort_by(f64::total_cmp);
    sorted[PAIRS / 2]
}

impl Row {
    /// A row without its times.
    #[must_use]
    pub fn new(what: impl Into<String>, input: &'static str, control: &'static str, bar: Bar, records: u64) -> Row {
        Row { what: what.into(), input, control, bar, records, ours: [0.0; PAIRS], controls: [0.0; PAIRS] }
    }

    /// The median over pairs, each ratio taken within its pair, and the least and greatest.
    #[must_use]
    pub fn ratio(&self) -> [f64; 3] {
        let ratios = std::array::from_fn(|pair| match self.bar {
            Bar::Times { .. } | Bar::None => self.ours[pair] / self.controls[pair],
            Bar::Rates { .. } => self.controls[pair] / self.ours[pair],
        });
        let least = ratios.into_iter().fold(f64::INFINITY, f64::min);
        [median(ratios), least, ratios.into_iter().fold(0.0, f64::max)]
    }

    /// Whether the median ratio reaches the bar; `None` where there is none.
    #[must_use]
    pub fn reaches(&self) -> Option<bool> {
        let [ratio, ..] = self.ratio();
        match self.bar {
            Bar::Times { most, .. } => Some(ratio <= most),
            Bar::Rates { least, .. } => Some(ratio >= least),
            Bar::None => None,
        }
    }

    /// Millions of records a second, by the median.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "for people")]
    pub fn millions_a_second(&self) -> f64 {
        self.records as f64 / 1e6 / median(self.ours)
    }

    fn to_json(&self) -> Value {
        let [ratio, least, most] = self.ratio();
        let mut row = serde_json::json!({
            "what": self.what, "input": self.input, "control": self.control, "records": self.records,
            "seconds": self.ours, "control_seconds": self.controls, "ratio": ratio, "ratio_min": least,
            "ratio_max": most, "millions_per_second": self.millions_a_second(),
        });
        match self.bar {
            Bar::Times { most, aim, rates } => {
                row["bar"] = serde_json::json!({ "ratio_at_most": most, "millions_per_second": rates[0] });
                row["aim"] = serde_json::json!({ "ratio_at_most": aim, "millions_per_second": rates[1] });
            }
            Bar::Rates { least, aim } => {
                row["bar"] = serde_json::json!({ "ratio_at_least": least });
                row["aim"] = serde_json::json!({ "ratio_at_least": aim });
            }
            Bar::None => {}
        }
        row["reached"] = self.reaches().into();
        row
    }
}

fn command(program: &str, arguments: &[&str]) -> String {
    let output = std::process::Command::new(program).args(arguments).output();
    let text = output.ok().filter(|output| output.status.success()).map(|output| output.stdout);
    text.map_or_else(|| "unknown".to_owned(), |text| String::from_utf8_lossy(&text).trim().to_owned())
}

/// The value of `key` in a file of lines `key : value`.
fn value_in(file: &str, key: &str) -> Option<String> {
    let text = std::fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.split(':').next().is_some_and(|name| name.trim() == key))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// The machine, how busy it is, and the build.
#[must_use]
pub fn circumstances() -> Vec<(&'static str, String)> {
    let cpu = |key| value_in("/proc/cpuinfo", key).unwrap_or_else(|| "unknown".to_owned());
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or("unknown").to_owned();
    let flags = env!("BENCHES_RUSTFLAGS");
    let git = ["-C", env!("CARGO_MANIFEST_DIR"), "describe", "--always", "--dirty", "--abbrev=12"];
    vec![
        ("cpu", format!("{}, family {} model {}", cpu("model name"), cpu("cpu family"), cpu("model"))),
        ("cores", std::thread::available_parallelism().map_or(0, std::num::NonZero::get).to_string()),
        ("load before", load),
        ("commit", command("git", &git)),
        ("profile", env!("BENCHES_PROFILE").to_owned()),
        ("target", env!("BENCHES_TARGET").to_owned()),
        ("rustflags", if flags.is_empty() { "none".to_owned() } else { flags.to_owned() }),
        ("rustc", env!("BENCHES_RUSTC").to_owned()),
    ]
}

/// The rows as a table.
#[must_use]
pub fn table(rows: &[Row]) -> String {
    let mut cells =
        vec![["what", "input", "M/s", "s", "control", "s", "ratio", "min-max", "bar", "aim", ""].map(str::to_owned)];
    for row in rows {
        let [ratio, least, most] = row.ratio();
        let (bar, aim) = match row.bar {
            Bar::Times { most, aim, rates } => {
                (format!("<= {most} ({} M/s)", rates[0]), format!("<= {aim} ({} M/s)", rates[1]))
            }
            Bar::Rates { least, aim } => (format!(">= {least}"), format!(">= {aim}")),
            Bar::None => (String::new(), String::new()),
        };
        let verdict = row.reaches().map_or("", |reaches| if reaches { "reached" } else { "missed" });
        cells.push([
            row.what.clone(),
            row.input.to_owned(),
            format!("{:.2}", row.millions_a_second()),
            format!("{:.3}", median(row.ours)),
            row.control.to_owned(),
            format!("{:.3}", median(row.controls)),
            format!("{ratio:.2}"),
            format!("{least:.2}-{most:.2}"),
            bar,
            aim,
            verdict.to_owned(),
        ]);
    }
    let widths: Vec<usize> = (0..cells[0].len())
        .map(|column| cells.iter().map(|row| row[column].chars().count()).max().unwrap_or(0))
        .collect();
    let lines = cells.iter().map(|row| {
        let padded: Vec<String> = row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:width$}")).collect();
        padded.join("  ").trim_end().to_owned() + "\n"
    });
    lines.collect()
}

/// The circumstances and the rows as one JSON object.
#[must_use]
pub fn json(circumstances: &[(&'static str, String)], rows: &[Row]) -> Map<String, Value> {
    let mut report = Map::new();
    for (name, value) in circumstances {
        report.insert(name.replace(' ', "_"), value.clone().into());
    }
    report.insert("rows".to_owned(), rows.iter().map(Row::to_json).collect::<Vec<_>>().into());
    report
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(bar: Bar) -> Row {
        Row {
            ours: [2.0, 8.0, 4.0, 6.0, 10.0],
            controls: [1.0, 2.0, 2.0, 2.0, 2.0],
            ..Row::new("x", "y", "z", bar, 12_000_000)
        }
    }

    #[test]
    fn a_ratio_is_the_median_of_the_ratios_of_pairs() {
        let times = |most| row(Bar::Times { most, aim: 1.0, rates: [1.0, 2.0] });
        assert_eq!(times(3.0).ratio().map(f64::to_bits), [3.0, 2.0, 5.0].map(f64::to_bits));
        assert_eq!([2.9, 3.0, 3.1].map(|most| times(most).reaches()), [Some(false), Some(true), Some(true)]);
        let rates = |least| row(Bar::Rates { least, aim: 1.0 });
        assert_eq!([0.3, 0.4].map(|least| rates(least).reaches()), [Some(true), Some(false)]);
        assert_eq!(row(Bar::None).reaches(), None);
        assert_eq!(row(Bar::None).millions_a_second().to_bits(), 2.0_f64.to_bits());
    }

    #[test]
    fn the_report_says_how_and_where() {
        let circumstances = circumstances();
        let report = json(&circumstances, &[row(Bar::None)]);
        for key in ["cpu", "commit", "profile", "target", "rustflags", "rustc", "rows"] {
            assert!(report.contains_key(key), "{key}");
        }
        assert!(table(&[row(Bar::None)]).lines().count() == 2);
    }
}
