//! `/api/v1/kpis` and `/api/v1/tables/…`: rows of the lake, as `tillrace show --output json` prints them.

use std::borrow::Cow;
use std::fmt::Write;
use std::path::Path;

use engine_feed::json_row;
use engine_lake::{LakeReader, LakeTable};
use engine_model::gold;
use engine_model::{Rows, WindowLength};
use hyper::StatusCode;

use crate::cli::parse_moment;
use crate::show::{Moment, ShowError, Span, check_span, find_table, last_rows, take_rows};

/// How many rows or windows are answered unless asked otherwise, and at the most.
const ROWS: Limit = Limit { default: 1_000, max: 10_000 };
const WINDOWS: Limit = Limit { default: 60, max: 1_440 };

#[derive(Clone, Copy, Debug)]
struct Limit {
    default: usize,
    max: usize,
}

/// Why there is no answer: what to say, and how.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) message: String,
}

impl Refusal {
    pub(crate) fn bad_request(message: String) -> Refusal {
        Refusal { status: StatusCode::BAD_REQUEST, message }
    }
}

/// The messages of the command line name its options and the lake's folder; a browser has neither.
impl From<ShowError> for Refusal {
    fn from(error: ShowError) -> Refusal {
        let (status, message) = match error {
            ShowError::UnknownTable { name, known, .. } => {
                (StatusCode::NOT_FOUND, format!("unknown table {name:?}; there are {known}"))
            }
            ShowError::UnknownGrain { grain, table, known } => {
                (StatusCode::BAD_REQUEST, format!("unknown grain {grain}; {table} exists in {known}"))
            }
            ShowError::Conflict { option, table, why } => {
                (StatusCode::BAD_REQUEST, format!("{option} does not go with {table}: {why}"))
            }
            ShowError::EmptySpan { from, to } => {
                (StatusCode::BAD_REQUEST, format!("from {from} is not before to {to}"))
            }
            ShowError::Open(_) | ShowError::Read(_) | ShowError::List(_) | ShowError::Write(_) => {
                (StatusCode::INTERNAL_SERVER_ERROR, "the lake cannot be read now".to_owned())
            }
        };
        Refusal { status, message }
    }
}

/// What was asked for after the `?`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Query {
    grain: Option<WindowLength>,
    from: Option<Moment>,
    to: Option<Moment>,
    limit: Option<usize>,
}

impl Query {
    /// Reads a query whose keys are among `allowed`, each at most once. `token` is the gate's.
    pub(crate) fn parse(query: &str, allowed: &[&str]) -> Result<Query, Refusal> {
        let mut parsed = Query::default();
        let mut seen: Vec<Cow<'_, str>> = Vec::new();
        for (key, value) in form_urlencoded::parse(query.as_bytes()) {
            if key == "token" {
                continue;
            }
            if !allowed.contains(&key.as_ref()) {
                let message = format!("unknown parameter {key:?}; expected {}", allowed.join(", "));
                return Err(Refusal::bad_request(message));
            }
            if seen.contains(&key) {
                return Err(Refusal::bad_request(format!("{key} is given twice")));
            }
            let wrong = |cause: String| Refusal::bad_request(format!("{key}={value}: {cause}"));
            match key.as_ref() {
                "grain" => {
                    parsed.grain =
                        Some(value.parse().map_err(|cause: engine_model::InvalidGrainName| wrong(cause.to_string()))?);
                }
                "from" => parsed.from = Some(parse_moment(&value).map_err(wrong)?),
                "to" => parsed.to = Some(parse_moment(&value).map_err(wrong)?),
                _ => parsed.limit = Some(value.parse().map_err(|_| wrong("expected a whole number".to_owned()))?),
            }
            seen.push(key);
        }
        Ok(parsed)
    }

    fn limit(&self, limit: Limit) -> Result<usize, Refusal> {
        let Limit { default, max } = limit;
        let count = self.limit.unwrap_or(default);
        if count > max {
            return Err(Refusal::bad_request(format!("limit={count}: expected at most {max}")));
        }
        Ok(count)
    }
}

/// The latest windows of `kpis`.
pub(crate) fn kpis(lake: &Path, query: &Query) -> Result<String, Refusal> {
    let (limit, reader) = (query.limit(WINDOWS)?, open(lake)?);
    let tables = reader.tables().map_err(ShowError::from)?;
    let table = find_table(&reader, &tables, gold::KPIS.name, query.grain)?;
    let rows = last_rows(&reader, table, span(&reader, query)?, limit)?;
    let mut answer = Answer::new(table);
    (0..rows.len()).for_each(|row| answer.push(&rows, row));
    Ok(answer.finish(None))
}

/// The rows of a table.
pub(crate) fn rows(lake: &Path, name: &str, query: &Query) -> Result<String, Refusal> {
    let (limit, reader) = (query.limit(ROWS)?, open(lake)?);
    let tables = reader.tables().map_err(ShowError::from)?;
    let table = find_table(&reader, &tables, name, query.grain)?;
    check_span(table, query.from, query.to)?;
    let mut answer = Answer::new(table);
    let mut left = limit;
    let mut is_complete = true;
    // One more than asked for tells whether there are more.
    take_rows(&reader, table, span(&reader, query)?, limit + 1, false, |rows, row| {
        if left == 0 {
            is_complete = false;
        } else {
            left -= 1;
            answer.push(rows, row);
        }
        Ok(())
    })?;
    Ok(answer.finish(Some(is_complete)))
}

/// The names of the tables that are there.
pub(crate) fn names(lake: &Path) -> Result<String, Refusal> {
    let tables = open(lake)?.tables().map_err(ShowError::from)?;
    let names: Vec<&str> = tables.iter().map(|table| table.name.as_str()).collect();
    Ok(serde_json::json!({ "tables": names }).to_string())
}

fn open(lake: &Path) -> Result<LakeReader, Refusal> {
    Ok(engine_lake::open(lake).map_err(ShowError::from)?)
}

fn span(reader: &LakeReader, query: &Query) -> Result<Span, Refusal> {
    Ok(Span::new(query.from, query.to, reader.semantics().base().offset())?)
}

/// `{"table": …, "rows": […], "is_complete": …}`.
struct Answer {
    json: Vec<u8>,
    has_rows: bool,
}

impl Answer {
    fn new(table: &LakeTable) -> Answer {
        let json = format!("{{\"table\":{},\"rows\":[", serde_json::json!(table.name)).into_bytes();
        Answer { json, has_rows: false }
    }

    fn push(&mut self, rows: &Rows, row: usize) {
        self.json.extend_from_slice(if self.has_rows { b",\n" } else { b"\n" });
        self.has_rows = true;
        json_row(&mut self.json, rows, row).expect("memory takes all that is written");
        // The row has brought a line end of its own.
        self.json.pop();
    }

    fn finish(self, is_complete: Option<bool>) -> String {
        let mut json = String::from_utf8(self.json).expect("JSON is UTF-8");
        json.push(']');
        if let Some(is_complete) = is_complete {
            write!(json, ",\"is_complete\":{is_complete}").expect("memory takes all that is written");
        }
        json + "}\n"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(query: &str) -> String {
        let refusal = Query::parse(query, &["grain", "from", "to", "limit"]).unwrap_err();
        assert_eq!(refusal.status, StatusCode::BAD_REQUEST);
        refusal.message
    }

    #[test]
    fn a_query_is_read_with_its_escapes() {
        let query = "from=2026-01-01T00%3A00%3A00%2B01%3A00&to=2026-01-02&limit=5&grain=1h&token=x";
        let query = Query::parse(query, &["grain", "from", "to", "limit"]).unwrap();
        let from = engine_model::EventTime::from_micros(1_767_222_000_000_000);
        assert_eq!(query.from, Some(Moment::Instant(from)));
        assert!(matches!(query.to, Some(Moment::Day(_))));
        assert_eq!((query.limit, query.grain), (Some(5), Some(WindowLength::HOUR)));
        assert_eq!(Query::parse("", &[]), Ok(Query::default()));
    }

    #[test]
    fn what_is_not_understood_is_named() {
        assert_eq!(refused("form=1"), "unknown parameter \"form\"; expected grain, from, to, limit");
        assert_eq!(refused("limit=1&limit=2"), "limit is given twice");
        assert_eq!(refused("limit=-1"), "limit=-1: expected a whole number");
        assert!(refused("from=today").starts_with("from=today: expected an instant like"));
        assert!(refused("grain=7m").starts_with("grain=7m: grain \"7m\" is not of the form"));
        let query = Query::parse("limit=10001", &["limit"]).unwrap();
        let refusal = rows(Path::new("nowhere"), "kpis", &query).unwrap_err();
        assert_eq!(refusal.message, "limit=10001: expected at most 10000");
    }
}
