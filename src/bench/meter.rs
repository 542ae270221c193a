//! What the server uses: by the system, of processes of this machine, or by the statistics of a relay, wherever it is.

use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::Method;
use serde::Deserialize;
use tokio::runtime::Runtime;
use url::Url;

use super::numbers::as_f64;
use super::options::BenchOptions;
use super::summary::Server;
use crate::exit::Failure;
use crate::net;
use crate::net::tls::Tls;
use crate::usage::{self, Usage};

/// How long the statistics may take; a server without them may say nothing at all.
const PATIENCE: Duration = Duration::from_secs(1);

/// Where relays have their statistics.
const STATS: &str = "/ws/stats";

/// Reads what the server uses before the first connection, and at the beginning and the end of the measured time.
#[derive(Debug, Default)]
pub struct Meter {
    source: Source,
    before: Usage,
    /// While all connections are open.
    open: Usage,
    begin: Option<Mark>,
    /// `None` where it can no longer be read.
    end: Option<Mark>,
}

/// What was used until when.
#[derive(Debug, Clone, Copy)]
struct Mark {
    usage: Usage,
    at: Instant,
}

#[derive(Debug, Default)]
enum Source {
    /// Nobody says.
    #[default]
    Nothing,
    /// These processes.
    Processes(Vec<u32>),
    /// What the relay at this URL says.
    Relay(Url, Tls, Runtime),
}

/// What matters here of a relay's statistics.
#[derive(Deserialize)]
struct Stats {
    process: Process,
}

#[derive(Deserialize)]
struct Process {
    cpu_seconds: f64,
    rss_bytes: u64,
}

impl Source {
    fn read(&self) -> Option<Usage> {
        match self {
            Self::Nothing => None,
            Self::Processes(pids) => usage::of(pids),
            Self::Relay(url, tls, runtime) => {
                let answer = net::http::request(Method::GET, url, &[], Bytes::new(), tls, PATIENCE);
                let body = runtime.block_on(answer).ok()?.success(url).ok()?;
                let Process { cpu_seconds, rss_bytes } = serde_json::from_slice::<Stats>(&body).ok()?.process;
                Some(Usage { cpu: cpu_seconds, rss: rss_bytes, pss: None })
            }
        }
    }
}

impl Meter {
    /// Reads the processes that the user names, otherwise the relay's statistics, if it has any that say it.
    pub fn start(options: &BenchOptions, server: &Url) -> Result<Self, Failure> {
        if options.server_pids.is_empty() {
            let relay = Self::of_relay(server, &options.tls);
            if relay.is_none() && options.demands.iter().any(|demand| demand.metric().starts_with("server."))
            {
                let message = "nothing says what the server uses, and something of it is demanded";
                return Err(
                    Failure::usage(message).hint("name its processes on this machine with --server-pid")
                );
            }
            return Ok(relay.unwrap_or_default());
        }
        let source = Source::Processes(options.server_pids.clone());
        let before = source.read().ok_or_else(|| {
            Failure::usage(
                "--server-pid: there is no such process on this machine, or it is not ours to look at",
            )
        })?;
        Ok(Self::from(source, before))
    }

    fn of_relay(server: &Url, tls: &Tls) -> Option<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
        let source = Source::Relay(net::http_url(server, STATS), tls.clone(), runtime);
        let before = source.read()?;
        Some(Self::from(source, before))
    }

    fn from(source: Source, before: Usage) -> Self {
        Self { source, before, open: before, begin: None, end: None }
    }

    fn mark(&self) -> Option<Mark> {
        self.source.read().map(|usage| Mark { usage, at: Instant::now() })
    }

    /// The measured time begins: all connections are open, or it is that of opening them.
    pub fn begin(&mut self) {
        self.begin = self.mark();
        self.open = self.begin.map_or(self.before, |mark| mark.usage);
    }

    /// The measured time is over.
    pub fn end(&mut self) {
        self.end = self.mark();
    }

    /// The same where it was that of opening all connections.
    pub fn end_opening(&mut self) {
        self.end = self.mark();
        self.open = self.end.map_or(self.open, |mark| mark.usage);
    }

    /// What is reported of so many connections and deliveries; `None` where nobody says, or no longer.
    pub fn report(&self, connections: u64, deliveries: u64) -> Option<Server> {
        let pids = match &self.source {
            Source::Nothing => return None,
            Source::Processes(pids) => pids.clone(),
            Source::Relay(..) => Vec::new(),
        };
        let each = |before: u64, open: u64| as_f64(open.saturating_sub(before)) / as_f64(connections.max(1));
        let (begin, end) = (self.begin?, self.end?);
        let seconds = end.at.duration_since(begin.at).as_secs_f64();
        // A server that was started anew meanwhile has used less than before, and does not tell what the run cost.
        let cpu = Some(end.usage.cpu - begin.usage.cpu).filter(|cpu| *cpu >= 0.0)?;
        let pss = self.before.pss.zip(self.open.pss).map(|(before, open)| each(before, open));
        Some(Server {
            pids,
            rss_before_bytes: self.before.rss,
            rss_bytes: self.open.rss,
            rss_per_connection_bytes: each(self.before.rss, self.open.rss),
            pss_per_connection_bytes: pss,
            cpu_share: if seconds > 0.0 { cpu / seconds } else { 0.0 },
            cpu_per_delivery_micros: (deliveries > 0).then(|| cpu * 1e6 / as_f64(deliveries)),
        })
    }
}
