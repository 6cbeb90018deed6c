//! What is asked for and what is answered.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use engine_feed as feed;
use hyper::body::Incoming;
use hyper::header::HeaderValue;
use hyper::{Method, Request, StatusCode};
use tokio::sync::Semaphore;

use super::access::{Admission, Gate};
use super::hub::Hub;
use super::reply::{Reply, error, json, keep_cookie};
use super::tables::{self, Query, Refusal};
use super::{page, stream};
use crate::source::clock;
use crate::status::Status;

/// How many requests read the lake at the same time: each needs memory for a day of a table, and cores that the engine
/// wants.
const LAKE_READERS_MAX: usize = 1;

/// How often the status is told.
const STATUS_INTERVAL: Duration = Duration::from_millis(500);

/// All that requests are answered from.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) gate: Gate,
    pub(crate) hub: Arc<Hub>,
    pub(crate) hello: feed::Hello,
    pub(crate) status: Arc<Status>,
    pub(crate) lake: PathBuf,
    pub(crate) started: Instant,
    pub(crate) lake_readers: Semaphore,
}

impl App {
    pub(crate) fn lake_readers() -> Semaphore {
        Semaphore::new(LAKE_READERS_MAX)
    }

    /// Answers a request.
    pub(crate) async fn answer(&self, request: Request<Incoming>) -> Reply {
        let (uri, headers) = (request.uri(), request.headers());
        let (path, query) = (uri.path(), uri.query().unwrap_or_default());
        let token = form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == "token").map(|(_, value)| value);
        match self.gate.admit(uri, headers, token.as_deref()) {
            Admission::Admitted => {}
            // A program that asks for data has no use for a cookie.
            Admission::KeepCookie(_) if path.starts_with("/api/") => {}
            Admission::KeepCookie(cookie) => return keep_cookie(&cookie, "/"),
            Admission::Unauthorized => {
                let message = "a token is needed: as ?token=TOKEN in the address, or as Authorization: Bearer TOKEN";
                return error(StatusCode::UNAUTHORIZED, message);
            }
            Admission::Misdirected => {
                let message = "without a token the dashboard is for this machine: ask for it as localhost or 127.0.0.1";
                return error(StatusCode::MISDIRECTED_REQUEST, message);
            }
        }
        let is_from_elsewhere = headers.get("sec-fetch-site").is_some_and(|site| site == "cross-site");
        if is_from_elsewhere && path.starts_with("/api/") {
            return error(StatusCode::FORBIDDEN, "asked for by a page of another site");
        }
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return error(StatusCode::METHOD_NOT_ALLOWED, "everything here is only read: GET or HEAD");
        }
        match self.route(path, query, headers.get("last-event-id"), request.method()).await {
            Ok(reply) => reply,
            Err(Refusal { status, message }) => error(status, &message),
        }
    }

    async fn route(
        &self,
        path: &str,
        query: &str,
        last_id: Option<&HeaderValue>,
        method: &Method,
    ) -> Result<Reply, Refusal> {
        let Some(api) = path.strip_prefix("/api/") else {
            return page::file(path).ok_or_else(|| not_found(path));
        };
        match api {
            "v1/status" => {
                Query::parse(query, &[])?;
                Ok(json(self.status_json()))
            }
            "v1/stream" => {
                Query::parse(query, &[])?;
                let last_id = last_id.and_then(|id| id.to_str().ok());
                Ok(match *method {
                    Method::HEAD => stream::head(),
                    _ => stream::stream(&self.hub, last_id),
                })
            }
            "v1/kpis" => {
                let query = Query::parse(query, &["grain", "from", "to", "limit"])?;
                self.read_lake(move |lake| tables::kpis(&lake, &query)).await
            }
            "v1/tables" | "v1/tables/" => {
                Query::parse(query, &[])?;
                self.read_lake(|lake| tables::names(&lake)).await
            }
            _ => {
                let table = api.strip_prefix("v1/tables/").ok_or_else(|| not_found(path))?.to_owned();
                let query = Query::parse(query, &["grain", "from", "to", "limit"])?;
                self.read_lake(move |lake| tables::rows(&lake, &table, &query)).await
            }
        }
    }

    /// Reads the lake on a thread that may block.
    async fn read_lake(
        &self,
        read: impl FnOnce(PathBuf) -> Result<String, Refusal> + Send + 'static,
    ) -> Result<Reply, Refusal> {
        let failed = |what: &str| Refusal { status: StatusCode::INTERNAL_SERVER_ERROR, message: what.to_owned() };
        let _place = self.lake_readers.acquire().await.map_err(|_| failed("the dashboard is ending"))?;
        let lake = self.lake.clone();
        let read = tokio::task::spawn_blocking(move || read(lake)).await;
        read.map_err(|_| failed("reading the lake failed"))?.map(json)
    }

    /// Tells the status again and again, as long as anybody listens.
    pub(crate) async fn tell_status(self: Arc<App>) {
        let mut before = (Instant::now(), self.status.view().records);
        let mut interval = tokio::time::interval(STATUS_INTERVAL);
        // The first tick comes at once.
        interval.tick().await;
        loop {
            interval.tick().await;
            let now = (Instant::now(), self.status.view().records);
            let rate = rate(now.1 - before.1, now.0.duration_since(before.0));
            before = now;
            self.hub.rate(rate);
            if self.hub.readers() > 0 {
                self.hub.status(&feed::Message::Status(self.status()).to_json());
            }
        }
    }

    fn status(&self) -> feed::Status {
        let view = self.status.view();
        let (accepted, duplicates) = self.hub.judgements();
        let reasons =
            engine_model::Reason::ALL.into_iter().map(engine_model::Reason::name).zip(view.rejected_by_reason);
        let lag = |newest: engine_model::EventTime| (clock() - newest).get() / 1_000;
        feed::Status {
            elapsed_ms: u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX),
            records: view.records,
            accepted: Some(accepted),
            duplicates: Some(duplicates),
            late: view.late,
            rejected: view.rejected,
            rejected_by_reason: Some(reasons.filter(|(_, records)| *records > 0).collect()),
            delayed: Some(view.delayed),
            records_per_second: self.hub.last_rate(),
            lag_ms: view.newest.filter(|_| self.hello.is_live).map(lag),
            open_windows: view.open_windows,
            ..feed::Status::default()
        }
        .at(view.watermark, view.newest)
    }

    fn status_json(&self) -> String {
        let value = |message: &feed::Message<'_>| serde_json::to_value(message).expect("messages are JSON");
        let (hello, status) = (feed::Message::Hello(self.hello.clone()), feed::Message::Status(self.status()));
        let body = serde_json::json!({
            "hello": value(&hello),
            "status": value(&status),
            "has_ended": self.hub.has_ended(),
            "readers": self.hub.readers(),
        });
        body.to_string() + "\n"
    }
}

fn not_found(path: &str) -> Refusal {
    Refusal { status: StatusCode::NOT_FOUND, message: format!("nothing is at {path}; see docs/dashboard.md") }
}

#[expect(clippy::cast_precision_loss, reason = "a rate for people")]
fn rate(records: u64, span: Duration) -> f64 {
    let seconds = span.as_secs_f64();
    if seconds > 0.0 { records as f64 / seconds } else { 0.0 }
}
