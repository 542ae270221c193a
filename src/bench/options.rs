//! What a run is to do, resolved and checked.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use url::Url;

use super::aim::{Aim, Place};
use super::manner::Manner;
use super::plan::{Load, Ramp};
use super::summary::Mode;
use super::verdict::Demand;
use crate::net::tls::Tls;

/// To open all connections, where no rate says how long that takes, and for each of them besides.
const OPEN_PATIENCE: Duration = Duration::from_secs(30);
const OPEN_PATIENCE_EACH: Duration = Duration::from_millis(10);

/// How events reach the server.
#[derive(Clone, PartialEq, Eq)]
pub enum Via {
    /// `PUBLISH` into this Redis.
    Redis(String),
    /// `XADD` to the streams of this Redis.
    Streams(String),
    /// A POST for each event; `{channel}` in the path is replaced.
    Http {
        /// Where to.
        url: Url,
        /// What the request says besides.
        headers: Vec<(String, String)>,
        /// `relay` or `http`.
        name: &'static str,
    },
}

impl std::fmt::Debug for Via {
    /// Without what may be secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Redis(_) => "Redis",
            Self::Streams(_) => "Streams",
            Self::Http { name, .. } => name,
        })
    }
}

/// What a round trip is made of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum EchoBy {
    /// A WebSocket ping, which every server answers.
    #[default]
    Ping,
    /// Text, to a server that sends back what it gets.
    Text,
}

/// What a search changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FindOf {
    /// How many connections.
    Connections,
    /// How many events a second.
    Rate,
}

/// A search for the largest load that keeps limits.
#[derive(Debug, Clone, PartialEq)]
pub struct FindOptions {
    /// What is changed.
    pub of: FindOf,
    /// The limits.
    pub within: Vec<Demand>,
    /// As the user wrote them.
    pub text: String,
}

/// A run.
#[derive(Clone)]
pub struct BenchOptions {
    /// What the load is.
    pub mode: Mode,
    /// Where a target without a server of its own is.
    pub server: Url,
    /// What is watched.
    pub place: Place,
    /// Sent with every upgrade.
    pub headers: Vec<(String, String)>,
    /// Tokens for servers that want one, in the query; connections take them in turns.
    pub tokens: Arc<[String]>,
    /// How connections subscribe.
    pub manner: Manner,
    /// TLS settings for the server and the endpoint for events, such as the certificates that are trusted.
    pub tls: Tls,
    /// Owner of the jobs, where the dialect has owners; registered with the server before the first connection opens.
    pub owner: Option<String>,
    /// How events are published; `None` where none are.
    pub via: Option<Via>,
    /// How many connections.
    pub connections: u64,
    /// How many are opened a second; `None`: as fast as it goes.
    pub connect_rate: Option<f64>,
    /// Over how many jobs they spread.
    pub jobs: u64,
    /// Events, or round trips, a second over all jobs.
    pub rate: f64,
    /// The measured time.
    pub duration: Duration,
    /// Time before it that is not measured.
    pub warm_up: Duration,
    /// How the rate goes.
    pub ramp: Ramp,
    /// Measured events, or connections in the mode `connect`, at most.
    pub limit: Option<u64>,
    /// Length of an event in bytes at least.
    pub payload_size: Option<usize>,
    /// The share of events that nothing may replace, 0 to 1.
    pub milestones: f64,
    /// The share of connections that read slowly.
    pub slow: f64,
    /// Bytes a second that they read; `None`: half of what comes.
    pub slow_rate: Option<u64>,
    /// The share that never reads.
    pub stalled: f64,
    /// Connections a second that leave and come back.
    pub churn: f64,
    /// The share that a storm cuts.
    pub cut: f64,
    /// Round trips by what.
    pub echo: EchoBy,
    /// Source addresses, taken in turns.
    pub sources: Vec<IpAddr>,
    /// Threads that hold connections; `None`: chosen by the load.
    pub threads: Option<usize>,
    /// Processes of the server whose memory and CPU are read.
    pub server_pids: Vec<u32>,
    /// What is demanded.
    pub demands: Vec<Demand>,
    /// A client that was the bottleneck is no failure.
    pub allow_client_bound: bool,
    /// A search instead of one run.
    pub find: Option<FindOptions>,
    /// Processes that share the connections; 0: this one alone.
    pub workers: u32,
    /// Further processes that wait for work on other hosts are used, so many of them.
    pub remote_workers: u32,
    /// The Redis through which coordinator and workers know each other; needed with workers.
    pub coordination: Option<String>,
    /// The user's own dialects, for workers on this host.
    pub dialect_files: Vec<PathBuf>,
    /// How far off a worker's clock may be.
    pub max_clock_error: Duration,
    /// Every option as the user would write it, for the report.
    pub described: BTreeMap<String, String>,
}

impl BenchOptions {
    /// The load as a plan takes it.
    pub fn load(&self, jobs: u64) -> Load {
        Load {
            rate: self.rate,
            seconds: self.duration.as_secs_f64(),
            warm_up: self.warm_up.as_secs_f64(),
            ramp: self.ramp,
            limit: self.limit.filter(|_| !matches!(self.mode, Mode::Connect | Mode::Idle)),
            jobs,
            milestones: self.milestones,
        }
    }

    /// What is watched, spread over as many jobs as the connections can watch.
    pub fn aim(&self) -> Aim {
        let jobs = self.jobs.min(self.connections.saturating_mul(self.manner.targets()));
        Aim::new(self.server.clone(), self.place.clone(), jobs)
            .with_tokens(Arc::clone(&self.tokens))
            .with_manner(self.manner)
    }

    /// Processes that share the connections with this one, which then has none; 0: there are none.
    pub fn processes(&self) -> u32 {
        self.workers + self.remote_workers
    }

    /// Connections that one process on this host holds, and that all of them hold together.
    pub fn share(&self) -> (u64, u64) {
        if self.processes() == 0 {
            return (self.connections, self.connections);
        }
        let of = |count: u32| (self.connections * u64::from(count)).div_ceil(u64::from(self.processes()));
        (of(self.workers.min(1)), of(self.workers))
    }

    /// How often a connection is opened, by all processes together.
    pub fn attempts(&self) -> u64 {
        let limit = self.limit.filter(|_| self.mode == Mode::Connect);
        limit.unwrap_or(0).max(self.connections)
    }

    /// How long opening so many connections may take.
    pub fn patience(&self, attempts: u64) -> Duration {
        let by_rate = self.connect_rate.map_or(Duration::ZERO, |rate| {
            Duration::try_from_secs_f64(super::numbers::as_f64(attempts) / rate).unwrap_or(Duration::MAX)
        });
        let each = OPEN_PATIENCE_EACH.saturating_mul(u32::try_from(attempts).unwrap_or(u32::MAX));
        OPEN_PATIENCE.saturating_add(by_rate).saturating_add(each)
    }

    /// Whether events are published.
    pub fn publishes(&self) -> bool {
        self.via.is_some() && matches!(self.mode, Mode::Fanout | Mode::Storm) && self.rate > 0.0
    }

    /// Why such a run has no figure of that name, where it has none: what would give one.
    pub fn cannot_measure(&self, metric: &str) -> Option<&'static str> {
        let (first, _) = metric.split_once('.').unwrap_or((metric, ""));
        let is_secure = matches!(self.place.server().unwrap_or(&self.server).scheme(), "wss" | "https");
        let (has, what) = match first {
            _ if metric.starts_with("connect.tls") => (is_secure, "a server at wss://"),
            "connect" | "connections" | "closed_early" | "garbage" | "client" | "server" => return None,
            "gaps" => (self.manner.has_cursors(), "--resume, --watch or --transport sse"),
            "round_trip" => (self.mode == Mode::Echo, "the mode echo"),
            "reconnect" => (
                self.mode == Mode::Storm || self.churn > 0.0 || self.manner.resume,
                "the mode storm, --churn or --resume",
            ),
            "slow" => (self.publishes() && self.slow > 0.0, "--slow, in the modes fanout and storm"),
            "churn" => (self.publishes() && self.churn > 0.0, "--churn, in the modes fanout and storm"),
            "storm" => (self.mode == Mode::Storm && self.publishes(), "the mode storm"),
            _ => (self.publishes(), "the modes fanout and storm, which publish events"),
        };
        (!has).then_some(what)
    }
}
