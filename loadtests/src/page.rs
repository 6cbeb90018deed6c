//! The report as one HTML file without anything from elsewhere: curves as SVG, figures as a table.

use std::fmt::Write as _;

use crate::format::{nanos, rounded};
use crate::machine::Machine;
use crate::report::{Report, title, to_text};
use crate::run::{Run, Subject};

const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 320.0;
const LEFT: f64 = 76.0;
const RIGHT: f64 = 84.0;
const TOP: f64 = 16.0;
const BOTTOM: f64 = 44.0;

/// The last tick of the percentile axis: 99.9999 %.
const NINES: u32 = 6;

const STYLE: &str = "\
body{font:15px/1.5 system-ui,sans-serif;color:#1b1f24;max-width:900px;margin:2.5rem auto;padding:0 1rem}\
h1{font-size:1.35rem;margin:0 0 .2rem}h2{font-size:1rem;margin:2rem 0 .4rem}p{color:#57606a;margin:.2rem 0}\
svg{width:100%;height:auto;display:block}svg text{font:12px system-ui,sans-serif;fill:#57606a}\
.grid{stroke:#e6e8eb}.engine,.rate{stroke:#0969da}.control{stroke:#9aa4ae}.memory{stroke:#1a7f37;stroke-dasharray:5 3}\
polyline{fill:none;stroke-width:1.8}pre{background:#f6f8fa;padding:1rem;overflow-x:auto;font-size:12.5px;border-radius:6px}\
.key{display:inline-block;width:1.4rem;height:0;border-top:3px solid;vertical-align:middle;margin:0 .35rem 0 1rem}";

/// The page.
///
/// # Panics
/// Never: a string takes all that is written.
#[must_use]
pub fn to_html(report: &Report, machine: &Machine) -> String {
    let mut html = String::from("<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n");
    html.push_str("<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n");
    let main = report.main_run();
    let heading = main.map_or("no sustainable rate".to_owned(), |run| title(&run.config));
    let heading = escaped(&heading);
    write!(html, "<title>Tillrace load test: {heading}</title>\n<style>{STYLE}</style>\n")
        .expect("writing to a string");
    write!(html, "<h1>Tillrace under load</h1>\n<p>{heading}</p>\n").expect("writing to a string");
    if let Some(main) = main {
        let curves = curves_of(report, main);
        html.push_str("<h2>Latency from the intended send to the event counted</h2>\n");
        html.push_str("<p><span class=\"key engine\" style=\"border-color:#0969da;margin-left:0\"></span>");
        write!(html, "{}", main.subject.name()).expect("writing to a string");
        if curves.iter().any(|run| run.subject != main.subject) {
            html.push_str(
                "<span class=\"key\" style=\"border-color:#9aa4ae\"></span>control, the same without the engine",
            );
        }
        html.push_str("</p>\n");
        html.push_str(&latency_chart(&curves));
        html.push_str("<h2>Rate and memory over time</h2>\n<p>");
        html.push_str(
            "<span class=\"key\" style=\"border-color:#0969da;margin-left:0\"></span>events counted a second",
        );
        html.push_str("<span class=\"key\" style=\"border-color:#1a7f37\"></span>resident memory</p>\n");
        html.push_str(&time_chart(main));
        html.push_str("<h2>The slowest event of each second</h2>\n");
        html.push_str(&slowest_chart(main));
    }
    write!(html, "<h2>Figures</h2>\n<pre>{}</pre>\n</html>\n", escaped(&to_text(report, machine)))
        .expect("writing to a string");
    html
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// The runs whose curves are drawn: of a comparison all, the engine's last, so that they lie on top.
fn curves_of<'a>(report: &'a Report, main: &'a Run) -> Vec<&'a Run> {
    match report {
        Report::Comparison(pairs) => pairs.controls.iter().chain(&pairs.engines).collect(),
        Report::Run(_) | Report::Found(_) => vec![main],
    }
}

/// Where a share of the way lies on an axis.
fn x_at(share: f64) -> f64 {
    LEFT + share * (WIDTH - LEFT - RIGHT)
}

fn y_at(share: f64) -> f64 {
    HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)
}

fn open_chart(label: &str) -> String {
    format!("<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{label}\">\n")
}

fn grid_line(svg: &mut String, from: (f64, f64), to: (f64, f64)) {
    let ((x1, y1), (x2, y2)) = (from, to);
    writeln!(svg, "<line class=\"grid\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>")
        .expect("writing to a string");
}

fn label(svg: &mut String, (x, y): (f64, f64), anchor: &str, text: &str) {
    writeln!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>")
        .expect("writing to a string");
}

fn polyline(svg: &mut String, class: &str, points: impl Iterator<Item = (f64, f64)>) {
    let points: Vec<String> = points.map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
    writeln!(svg, "<polyline class=\"{class}\" points=\"{}\"/>", points.join(" ")).expect("writing to a string");
}

/// A vertical axis of nanoseconds, each tenfold as high.
struct Decades {
    floor: f64,
    ceiling: f64,
}

impl Decades {
    fn new(low: f64, high: f64) -> Decades {
        let floor = low.max(1.0).log10().floor();
        Decades { floor, ceiling: high.max(1.0).log10().ceil().max(floor + 1.0) }
    }

    fn y_of(&self, nanos: f64) -> f64 {
        y_at(((nanos.max(1.0).log10() - self.floor) / (self.ceiling - self.floor)).clamp(0.0, 1.0))
    }

    fn draw(&self, svg: &mut String) {
        let mut exponent = self.floor;
        while exponent <= self.ceiling {
            let value = 10f64.powf(exponent);
            let y = self.y_of(value);
            grid_line(svg, (x_at(0.0), y), (x_at(1.0), y));
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a power of ten")]
            label(svg, (LEFT - 8.0, y + 4.0), "end", &nanos(value.round() as u64));
            exponent += 1.0;
        }
    }
}

/// The longest latency of each second, as a bar.
#[expect(clippy::cast_precision_loss, reason = "a drawing")]
fn slowest_chart(run: &Run) -> String {
    let slowest = &run.latency_max_by_second;
    let low = slowest.iter().copied().filter(|&nanos| nanos > 0).min().unwrap_or(1);
    let axis = Decades::new(low as f64, slowest.iter().copied().max().unwrap_or(10) as f64);
    let mut svg = open_chart("the slowest event of each second");
    axis.draw(&mut svg);
    let count = slowest.len().max(1) as f64;
    for (second, &nanos) in slowest.iter().enumerate() {
        let (left, right) = (x_at(second as f64 / count), x_at((second as f64 + 0.8) / count));
        let top = axis.y_of(nanos as f64).min(y_at(0.0) - 1.0);
        let (width, height) = (right - left, y_at(0.0) - top);
        writeln!(
            svg,
            "<rect fill=\"#0969da\" x=\"{left:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{height:.1}\"/>"
        )
        .expect("writing to a string");
    }
    label(&mut svg, (x_at(0.0), HEIGHT - BOTTOM + 20.0), "middle", "0 s");
    label(&mut svg, (x_at(1.0), HEIGHT - BOTTOM + 20.0), "middle", &format!("{} s", slowest.len()));
    svg.push_str("</svg>\n");
    svg
}

/// Latency over percentile: each nine is as wide as the others, each tenfold as high.
#[expect(clippy::cast_precision_loss, reason = "a drawing")]
fn latency_chart(runs: &[&Run]) -> String {
    let low = runs.iter().map(|run| run.latency.min()).min().unwrap_or(1).max(10) as f64;
    let high = runs.iter().map(|run| run.latency.max()).max().unwrap_or(10) as f64;
    let mut svg = open_chart("latency over percentile");
    let axis = Decades::new(low, high);
    axis.draw(&mut svg);
    for nine in 0..=NINES {
        let x = x_at(f64::from(nine) / f64::from(NINES));
        grid_line(&mut svg, (x, y_at(0.0)), (x, y_at(1.0)));
        let percent = match nine {
            0 => "0 %".to_owned(),
            1 => "90 %".to_owned(),
            2 => "99 %".to_owned(),
            more => format!("99.{} %", "9".repeat(more as usize - 2)),
        };
        label(&mut svg, (x, HEIGHT - BOTTOM + 20.0), "middle", &percent);
    }
    for run in runs {
        // Sixteen points for each nine.
        let points = (0..=16 * NINES).map(|step| {
            let nines = f64::from(step) / 16.0;
            let quantile = 1.0 - 10f64.powf(-nines);
            (x_at(nines / f64::from(NINES)), axis.y_of(run.latency.value_at_quantile(quantile) as f64))
        });
        polyline(&mut svg, if run.subject == Subject::Control { "control" } else { "engine" }, points);
    }
    svg.push_str("</svg>\n");
    svg
}

/// Rate and resident memory by the second.
#[expect(clippy::cast_precision_loss, reason = "a drawing")]
fn time_chart(run: &Run) -> String {
    let seconds = run.samples.iter().map(|sample| sample.second).fold(run.config.duration.as_secs_f64(), f64::max);
    let rate_max = run.samples.iter().map(|sample| sample.rate).fold(run.config.rate, f64::max) * 1.1;
    let memory_max = run.samples.iter().filter_map(|sample| sample.resident).max().unwrap_or(1) as f64 * 1.1;
    let mut svg = open_chart("rate and memory over time");
    for step in 0..=4u32 {
        let share = f64::from(step) / 4.0;
        let y = y_at(share);
        grid_line(&mut svg, (x_at(0.0), y), (x_at(1.0), y));
        label(&mut svg, (LEFT - 8.0, y + 4.0), "end", &rounded(share * rate_max));
        label(
            &mut svg,
            (WIDTH - RIGHT + 8.0, y + 4.0),
            "start",
            &format!("{:.0} MiB", share * memory_max / 1_048_576.0),
        );
        let x = x_at(share);
        grid_line(&mut svg, (x, y_at(0.0)), (x, y_at(1.0)));
        label(&mut svg, (x, HEIGHT - BOTTOM + 20.0), "middle", &format!("{:.0} s", share * seconds));
    }
    let x_of = |second: f64| x_at(second / seconds);
    let rate = run.samples.iter().map(|sample| (x_of(sample.second), y_at(sample.rate / rate_max)));
    polyline(&mut svg, "rate", rate);
    let memory = run.samples.iter().filter_map(|sample| Some((sample.second, sample.resident?)));
    polyline(&mut svg, "memory", memory.map(|(second, bytes)| (x_of(second), y_at(bytes as f64 / memory_max))));
    svg.push_str("</svg>\n");
    svg
}
