//! The live page of a run: what the engine does, over HTTP, for whoever may look.
//!
//! ```text
//! shards ══ snapshots, when rung for ══▶ committer ── Watch ──▶ Hub ──▶ one reader a browser ──▶ /api/v1/stream
//!                                            └── lake ──────────────────▶ /api/v1/kpis, /api/v1/tables/…
//! ```
//!
//! One thread of its own answers everything. It is the only place with async code; between it and the engine stand the
//! [`hub`], whose lock no thread of the event path ever takes, and counters. Whoever looks, however slowly, holds up
//! nobody: see [`hub`] for events and [`server`] for connections. `docs/dashboard.md` lists what can be asked for.

mod access;
mod history;
mod hub;
mod page;
mod reply;
mod routes;
mod server;
mod stream;
mod tables;
mod watch;

use std::io::{self, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use engine_feed as feed;
use engine_source::InputKind;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::Notify;

pub(crate) use access::parse_address;
pub use access::{InvalidAddress, InvalidToken, Token};
pub(crate) use watch::Watch;

use self::access::Gate;
use self::hub::Hub;
use self::routes::App;
use crate::config::{Inputs, RunConfig};
use crate::run::RunError;
use crate::source::clock;
use crate::status::Status;
use crate::summary::{RunEnd, Summary};

/// How long browsers have to hear the last events before the process ends.
const FAREWELL: Duration = Duration::from_secs(1);

/// Where the dashboard is, and for whom.
#[derive(Clone, Debug)]
pub struct DashboardConfig {
    /// Where it listens; port 0 takes a free one. Other addresses than loopback want a token.
    pub address: SocketAddr,
    /// What a reader must know.
    pub token: Option<Token>,
    /// Whether it stays when the input has ended, until the process is told to stop.
    pub linger: bool,
}

/// Why there is no dashboard. Nothing has been read or written.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Somebody else listens there, or it is no address of this machine, or not for this user.
    #[error(
        "--dashboard {address}: {cause}; expected an address of this machine with a free port, and port 0 takes any"
    )]
    Address {
        /// Where it was to listen.
        address: SocketAddr,
        /// What the system says.
        cause: io::Error,
    },
    /// The system has no resources for it.
    #[error("--dashboard: {0}")]
    System(#[source] io::Error),
}

/// A dashboard that listens, and from [`crate::run_shown`] on answers.
#[derive(Debug)]
pub struct Dashboard {
    address: SocketAddr,
    linger: bool,
    app: Arc<App>,
    run: RunConfig,
    over: Arc<Notify>,
    /// Until the run begins.
    waiting: Option<(Runtime, TcpListener)>,
    thread: Option<JoinHandle<()>>,
}

impl Dashboard {
    /// Takes the address for a run; connections wait until the run has its lake. `status` is the run's.
    ///
    /// # Errors
    /// Where the address cannot be had.
    pub fn listen(config: &DashboardConfig, run: &RunConfig, status: Arc<Status>) -> Result<Dashboard, ListenError> {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_all().thread_name("dashboard-lake").build().map_err(ListenError::System)?;
        let listener = {
            let _inside = runtime.enter();
            server::listen(config.address)
        };
        let address = |cause| ListenError::Address { address: config.address, cause };
        let listener = listener.map_err(address)?;
        let local = listener.local_addr().map_err(address)?;
        let hub = Hub::new(clock().as_micros().unsigned_abs(), run.semantics.grains().len());
        let (source, source_name) = source_of(&run.inputs);
        let hello = feed::Hello::new(&run.semantics, hub.run(), source, source_name, run.inputs.is_live());
        hub.hello(&feed::Message::Hello(hello.clone()).to_json());
        let app = App {
            gate: Gate::new(config.token.clone(), local.port()),
            hub: Arc::new(hub),
            hello,
            status,
            lake: run.lake.clone(),
            started: Instant::now(),
            lake_readers: App::lake_readers(),
        };
        Ok(Dashboard {
            address: local,
            linger: config.linger,
            app: Arc::new(app),
            run: run.clone(),
            over: Arc::new(Notify::new()),
            waiting: Some((runtime, listener)),
            thread: None,
        })
    }

    /// Where a browser on this machine finds it.
    #[must_use]
    pub fn url(&self) -> String {
        let mut address = self.address;
        if address.ip().is_unspecified() {
            // Any address of this machine will do; this one always is.
            let loopback = if address.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() };
            address.set_ip(loopback);
        }
        format!("http://{address}/")
    }

    /// Begins to answer, says where on stderr, and watches the run of which `shards` threads give snapshots.
    ///
    /// # Panics
    /// Where it has begun before, or the system starts no thread.
    pub(crate) fn start(&mut self, shards: usize) -> Watch {
        let (runtime, listener) = self.waiting.take().expect("a dashboard shows one run");
        // A stderr that is gone leaves nobody to tell.
        let _ = writeln!(io::stderr(), "dashboard: {}", self.url());
        self.tell_history();
        let (app, over) = (Arc::clone(&self.app), Arc::clone(&self.over));
        let body = move || {
            runtime.block_on(async {
                tokio::spawn(server::accept(listener, Arc::clone(&app)));
                tokio::spawn(Arc::clone(&app).tell_status());
                over.notified().await;
                app.hub.close();
                let farewell = Instant::now();
                while app.hub.readers() > 0 && farewell.elapsed() < FAREWELL {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                // What the readers were told last is on its way out.
                tokio::time::sleep(Duration::from_millis(20)).await;
            });
            // A lake that is being read for somebody is no reason to stay.
            runtime.shutdown_background();
        };
        let thread = std::thread::Builder::new().name("dashboard".to_owned()).spawn(body);
        self.thread = Some(thread.expect("the system can start a thread"));
        Watch::new(Arc::clone(&self.app.hub), &self.run.semantics, shards)
    }

    /// Tells what the lake holds from before. Where it cannot be read, the page begins with this run: the engine's own look at
    /// the lake says what is wrong with it.
    fn tell_history(&self) {
        let Ok(reader) = engine_lake::open(&self.app.lake) else { return };
        for window in history::history(&reader).unwrap_or_default() {
            self.app.hub.closed(&window);
        }
    }

    /// Tells browsers how the run has ended. Where the dashboard lingers, then waits until `stop`; `on_linger` is called
    /// before.
    pub fn end(mut self, result: Result<&Summary, &RunError>, stop: &AtomicBool, on_linger: impl FnOnce(&str)) {
        let (how, error, status, saturated) = match result {
            Ok(summary) => {
                let (how, error) = match &summary.end {
                    RunEnd::Finished => (feed::How::Finished, None),
                    RunEnd::Interrupted => (feed::How::Stopped, None),
                    RunEnd::SourceFailed(error) => (feed::How::Failed, Some(error.clone())),
                };
                (how, error, feed::Status::of_ledger(&summary.ledger), summary.saturated)
            }
            Err(error) => (feed::How::Failed, Some(error.to_string()), feed::Status::default(), false),
        };
        let elapsed_ms = u64::try_from(self.app.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let status = feed::Status { elapsed_ms, ..status };
        self.app.hub.end(&feed::Message::End(feed::End { how, error, saturated, status }).to_json());
        if self.linger && result.is_ok() && !stop.load(Relaxed) {
            on_linger(&self.url());
            while !stop.load(Relaxed) {
                std::thread::sleep(Duration::from_millis(50));
            }
        }
        self.over.notify_one();
        if let Some(thread) = self.thread.take() {
            // A thread that has panicked has said so.
            let _ = thread.join();
        }
    }
}

/// What kind of source a run reads, and its name.
fn source_of(inputs: &Inputs) -> (feed::SourceKind, String) {
    match inputs {
        Inputs::Sim { .. } => (feed::SourceKind::Sim, "sim".to_owned()),
        Inputs::Lines(inputs) => {
            let is_stdin = inputs.iter().all(|input| input.kind == InputKind::Stdin);
            let kind = if is_stdin { feed::SourceKind::Stdin } else { feed::SourceKind::Files };
            let name = match inputs.as_slice() {
                [] => String::new(),
                [only] => only.name.clone(),
                [first, rest @ ..] => format!("{} and {} more", first.name, rest.len()),
            };
            (kind, name)
        }
    }
}
