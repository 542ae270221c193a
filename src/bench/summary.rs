//! What a run found out: the one thing that every report is made from, and what `--output json` writes.
//!
//! Units are in the names: `_seconds`, `_micros`, `_bytes`. A [`Timing`] is in microseconds. A share is 0 to 1.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::timing::Timing;

/// The version of this form; it grows when a reader of the old one would go wrong.
pub const SCHEMA: u32 = 1;

/// What the load was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Events published at a rate and timed to every socket.
    Fanout,
    /// Connections opened at a rate and closed again.
    Connect,
    /// Connections held without traffic.
    Idle,
    /// Round trips on every connection.
    Echo,
    /// A share of the connections cut at once.
    Storm,
}

impl Mode {
    /// As it is written on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fanout => "fanout",
            Self::Connect => "connect",
            Self::Idle => "idle",
            Self::Echo => "echo",
            Self::Storm => "storm",
        }
    }
}

/// The whole result of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// [`SCHEMA`].
    pub schema: u32,
    /// What the load was.
    pub mode: Mode,
    /// What was asked for, of what, with what, on what.
    pub setup: Setup,
    /// Why the result is not of the whole run (interrupted, Redis lost, a worker lost); `None` where it is.
    pub partial: Option<String>,
    /// What became of the connections.
    pub connections: Connections,
    /// How long connecting took, by part.
    pub connect_time: ConnectTime,
    /// What was published; `None` in a mode that publishes nothing.
    pub publish: Option<Publish>,
    /// What arrived, by cohort, `healthy` first; empty in a mode that publishes nothing.
    pub cohorts: Vec<Cohort>,
    /// Round trips; `None` where none were made.
    pub round_trip: Option<RoundTrip>,
    /// Reconnecting; `None` where nothing was cut.
    pub reconnect: Option<Reconnect>,
    /// The server's memory and CPU; `None` where nobody said which process it is.
    pub server: Option<Server>,
    /// This process, all workers together: what it cost and whether it was the bottleneck (on each host by itself).
    pub client: Client,
    /// The run second by second, oldest first. Long runs have longer intervals, so that there are at most 7,200.
    pub intervals: Vec<Interval>,
    /// The search, where there was one; the rest of the summary is then that of the confirming run.
    pub find: Option<Find>,
    /// What was demanded and what came of it.
    pub verdict: Verdict,
    /// The processes that took part, where there were several.
    pub workers: Vec<Worker>,
}

/// What was asked for, of what, with what, on what.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Setup {
    /// When the run began, RFC 3339 in UTC.
    pub started: String,
    /// How long it took from the first connection to the last event or the end, in seconds.
    pub elapsed_seconds: f64,
    /// Version of this program.
    pub version: String,
    /// What was watched, as in `scraping/1..50` or a URL without its query.
    pub target: String,
    /// Host and port of the server.
    pub server: String,
    /// Where events were published: host and port of Redis or of the HTTP endpoint, never a password.
    pub publisher: Option<String>,
    /// Every option that shaped the run, as on the command line (`connections`, `rate`, `duration` …); never a secret.
    pub options: BTreeMap<String, String>,
    /// The machine it ran on.
    pub machine: Machine,
}

/// Facts of a machine that explain a figure.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// Its name.
    #[serde(default)]
    pub host: String,
    /// Operating system and its release, as in `Linux 6.8.0`.
    pub system: String,
    /// The processor's name.
    pub processor: String,
    /// Processors that this process may use.
    pub cores: u32,
    /// Memory in bytes.
    pub memory_bytes: u64,
    /// Descriptors this process may have open.
    pub descriptors: u64,
    /// First and last port that the system hands out to clients.
    pub client_ports: Option<(u16, u16)>,
    /// The longest queue of connections that wait to be accepted.
    pub somaxconn: Option<u64>,
}

/// What became of the connections.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Connections {
    /// Asked for.
    pub wanted: u64,
    /// Attempts, reconnections included.
    pub attempts: u64,
    /// Attempts that ended in an open WebSocket.
    pub opened: u64,
    /// Attempts that failed.
    pub failed: u64,
    /// Why, the most frequent first.
    pub failures: Vec<FailureCount>,
    /// The most that were open at one time.
    pub peak: u64,
    /// Open at the end.
    pub open_at_end: u64,
    /// Connections that ended although nobody here ended them, the most frequent first.
    pub closed_early: Vec<CloseCount>,
    /// Opened connections a second, while they were being opened.
    pub rate: f64,
    /// Frames that break RFC 6455 or are no event of the dialect where one belongs.
    pub garbage: u64,
    /// Bytes received, WebSocket headers included.
    pub received_bytes: u64,
}

impl Connections {
    /// How many ended early, all reasons together.
    pub fn closed_early_count(&self) -> u64 {
        self.closed_early.iter().map(|close| close.count).sum()
    }
}

/// A reason for which connecting failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureCount {
    /// At which step: `tcp`, `tls`, `upgrade`, `first_message` or `local` (this machine).
    pub step: String,
    /// The HTTP status, where there was an answer.
    pub status: Option<u16>,
    /// What went wrong, as in `connection refused` or the server's own message.
    pub reason: String,
    /// How often.
    pub count: u64,
}

/// A way in which connections ended early.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CloseCount {
    /// The close code; `None` where the connection ended without one.
    pub code: Option<u16>,
    /// The server's reason, or what the system said.
    pub reason: String,
    /// How often.
    pub count: u64,
}

/// How long connecting took, by part; only attempts that succeeded.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ConnectTime {
    /// To the established TCP connection.
    pub tcp: Timing,
    /// From there to the end of the TLS handshake; empty without TLS.
    pub tls: Timing,
    /// From there to the end of the HTTP upgrade.
    pub upgrade: Timing,
    /// From there to the first message; empty where the server sends none by itself.
    pub first_message: Timing,
    /// From the intended start to the end of the upgrade.
    pub total: Timing,
}

/// What was published.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Publish {
    /// `redis`, `relay` (POST /publish) or `http`.
    pub by: String,
    /// Events that the schedule held, warm-up not counted.
    pub intended: u64,
    /// Events that were sent, warm-up not counted.
    pub sent: u64,
    /// Events that the other side refused or never confirmed.
    pub failed: u64,
    /// Why, the most frequent first.
    pub failures: Vec<FailureCount>,
    /// Intended events a second.
    pub intended_rate: f64,
    /// Sent events a second.
    pub rate: f64,
    /// How much later than intended events left this process.
    pub send_lag: Timing,
    /// Length of the events in bytes, the mean.
    pub payload_bytes: f64,
}

/// The connections that behaved alike, and what reached them of the measured events (not of the warm-up).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Cohort {
    /// `healthy`, `slow`, `stalled`, `churn`, `storm` (those that were cut).
    pub name: String,
    /// How many connections.
    pub connections: u64,
    /// Deliveries that were due while they were connected.
    pub expected: u64,
    /// Deliveries that came, each once: `expected = received + conflated + lost`.
    pub received: u64,
    /// Not delivered and not explained by conflation.
    pub lost: u64,
    /// Not delivered, and a newer conflatable event of the same job and kind was.
    pub conflated: u64,
    /// Deliveries that came again.
    pub duplicated: u64,
    /// Deliveries that came after a newer one of the same job.
    pub reordered: u64,
    /// Events of a job that the connection does not watch.
    pub misrouted: u64,
    /// From the intended publish to the receipt.
    pub delivery: Timing,
}

/// Round trips.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RoundTrip {
    /// `ping` or `text`.
    pub by: String,
    /// Sent.
    pub sent: u64,
    /// Answered.
    pub received: u64,
    /// Not answered by the end.
    pub lost: u64,
    /// From the intended sending to the answer.
    pub time: Timing,
}

/// Reconnecting after a storm or by churn.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Reconnect {
    /// Connections that were cut.
    pub cut: u64,
    /// Those that came back.
    pub back: u64,
    /// From the cut until the last was back, in seconds; `None` where not all came back.
    pub all_back_seconds: Option<f64>,
    /// From the cut to the open WebSocket, each.
    pub time: Timing,
}

/// The server's memory and CPU.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Server {
    /// Its processes.
    pub pids: Vec<u32>,
    /// Resident memory before the first connection, in bytes.
    pub rss_before_bytes: u64,
    /// Resident memory while all were open, in bytes.
    pub rss_bytes: u64,
    /// Growth of resident memory a connection, in bytes.
    pub rss_per_connection_bytes: f64,
    /// The same of the proportional set size; `None` where the system does not tell.
    pub pss_per_connection_bytes: Option<f64>,
    /// CPU over the measured time as a share of one core.
    pub cpu_share: f64,
    /// CPU a delivery, in microseconds; `None` where nothing was delivered.
    pub cpu_per_delivery_micros: Option<f64>,
}

/// This process.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Client {
    /// CPU over the measured time as a share of one core.
    pub cpu_share: f64,
    /// The same of the busiest thread.
    pub busiest_thread_share: f64,
    /// CPU a received event, in microseconds; `None` where none was received.
    pub cpu_per_event_micros: Option<f64>,
    /// Resident memory at the peak of connections, in bytes.
    pub rss_bytes: u64,
    /// Growth of its own resident memory a connection, in bytes.
    pub rss_per_connection_bytes: f64,
    /// How much later than it asked for a thread of this process was woken up.
    pub loop_delay: Timing,
    /// CPU of the live display as a share of one core; 0 without one.
    pub redraw_share: f64,
    /// Why this client may have been the bottleneck; empty where it was not.
    pub bound: Vec<String>,
}

/// One second of the run, or several in a long one.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Its beginning, in seconds since the run's.
    pub at_seconds: f64,
    /// Its length in seconds.
    pub length_seconds: f64,
    /// Whether it belongs to the warm-up, whose events count nowhere else.
    pub warm_up: bool,
    /// Connections that were open at its end.
    pub connections: u64,
    /// Events published.
    pub published: u64,
    /// Deliveries received.
    pub received: u64,
    /// Failed connections, early ends, failed publications, garbage.
    pub errors: u64,
    /// Median of what was timed in it (delivery, round trip or connect time, by mode); `None` where nothing was.
    pub p50_micros: Option<u64>,
    /// The 99th percentile of the same.
    pub p99_micros: Option<u64>,
    /// The longest.
    pub max_micros: Option<u64>,
    /// The histogram of the same, V2 with deflate, base64; empty where nothing was timed.
    pub hdr: String,
}

/// A search for the largest load.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Find {
    /// `connections` or `rate`.
    pub of: String,
    /// The limits it had to keep, as given.
    pub within: String,
    /// The loads that were tried, in order.
    pub probes: Vec<Probe>,
    /// The largest load that kept them; `None` where none did.
    pub found: Option<u64>,
    /// Whether a longer run at that load kept them too.
    pub confirmed: bool,
}

/// One load that was tried.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Probe {
    /// The load.
    pub load: u64,
    /// How long it was held, in seconds.
    pub seconds: f64,
    /// Whether all limits were kept.
    pub passed: bool,
    /// This client was the bottleneck, so that nothing is said about the server.
    pub client_bound: bool,
    /// The limits and their values.
    pub assertions: Vec<Assertion>,
}

/// What was demanded and what came of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// In the order given.
    pub assertions: Vec<Assertion>,
    /// All held; true where there were none.
    pub passed: bool,
    /// The client was the bottleneck (see [`Client::bound`]): the figures say nothing about the server.
    pub client_bound: bool,
    /// The user takes that (`--allow-client-bound`).
    pub client_bound_allowed: bool,
}

/// A demand on one metric.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Assertion {
    /// As given, as in `delivery.p99<50ms`.
    pub text: String,
    /// The metric, as in `delivery.p99`.
    pub metric: String,
    /// The limit as written, as in `50ms`.
    pub limit: String,
    /// What was measured, in the limit's unit, as in `31.2ms`; `none` where nothing was.
    pub value: String,
    /// Whether it held.
    pub passed: bool,
}

/// A process that took part.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Worker {
    /// Its host and process id, as in `build-3/4711`.
    pub name: String,
    /// Its host.
    #[serde(default)]
    pub host: String,
    /// Processors that it may use.
    #[serde(default)]
    pub cores: u32,
    /// Memory of its host in bytes.
    #[serde(default)]
    pub memory_bytes: u64,
    /// CPU over the measured time as a share of one core.
    #[serde(default)]
    pub cpu_share: f64,
    /// Resident memory at the peak of connections, in bytes.
    #[serde(default)]
    pub rss_bytes: u64,
    /// Its share of the connections.
    pub connections: u64,
    /// What its clock was ahead of the coordinator's, in microseconds.
    pub clock_offset_micros: i64,
    /// How far off that may be, in microseconds.
    pub clock_error_micros: u64,
    /// It did not report in the end; its share is missing.
    pub lost: bool,
}

impl Summary {
    /// One in which nothing has happened yet.
    pub fn empty(mode: Mode) -> Self {
        Self {
            schema: SCHEMA,
            mode,
            setup: Setup { version: env!("CARGO_PKG_VERSION").to_owned(), ..Setup::default() },
            partial: None,
            connections: Connections::default(),
            connect_time: ConnectTime::default(),
            publish: None,
            cohorts: Vec::new(),
            round_trip: None,
            reconnect: None,
            server: None,
            client: Client::default(),
            intervals: Vec::new(),
            find: None,
            verdict: Verdict { passed: true, ..Verdict::default() },
            workers: Vec::new(),
        }
    }

    /// The connections that were neither slowed, stalled nor cut.
    pub fn healthy(&self) -> Option<&Cohort> {
        self.cohorts.iter().find(|cohort| cohort.name == "healthy")
    }

    /// A fan-out run with something in every part, for tests of reports.
    #[cfg(test)]
    #[expect(clippy::too_many_lines, reason = "it is data")]
    pub(in crate::bench) fn example() -> Self {
        let mut summary = Self::empty(Mode::Fanout);
        summary.setup = Setup {
            started: "2026-01-02T03:04:05Z".into(),
            elapsed_seconds: 12.5,
            version: "0.1.0".into(),
            target: "scraping/1..50".into(),
            server: "127.0.0.1:8000".into(),
            publisher: Some("127.0.0.1:6379".into()),
            options: [("connections", "5000"), ("rate", "500"), ("duration", "10s")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
            machine: Machine {
                host: "build-1".into(),
                system: "Linux 6.8.0".into(),
                processor: "Some CPU".into(),
                cores: 2,
                memory_bytes: 8 << 30,
                descriptors: 20_000,
                client_ports: Some((32768, 60999)),
                somaxconn: Some(4096),
            },
        };
        summary.connections = Connections {
            wanted: 5000,
            attempts: 5000,
            opened: 4990,
            failed: 10,
            failures: vec![FailureCount {
                step: "upgrade".into(),
                status: Some(503),
                reason: "too many connections".into(),
                count: 10,
            }],
            peak: 4990,
            open_at_end: 4988,
            closed_early: vec![CloseCount { code: Some(1013), reason: "slow consumer".into(), count: 2 }],
            rate: 9000.0,
            garbage: 0,
            received_bytes: 100_000_000,
        };
        summary.connect_time = ConnectTime {
            tcp: Timing::of_micros(100..200),
            tls: Timing::new(),
            upgrade: Timing::of_micros(300..600),
            first_message: Timing::new(),
            total: Timing::of_micros(400..800),
        };
        summary.publish = Some(Publish {
            by: "redis".into(),
            intended: 5000,
            sent: 5000,
            failed: 0,
            failures: Vec::new(),
            intended_rate: 500.0,
            rate: 499.8,
            send_lag: Timing::of_micros(20..60),
            payload_bytes: 230.0,
        });
        let cohort = |name: &str, connections, lost, conflated, delivery: Timing| Cohort {
            name: name.into(),
            connections,
            expected: delivery.count() + lost + conflated,
            received: delivery.count(),
            lost,
            conflated,
            delivery,
            ..Cohort::default()
        };
        summary.cohorts = vec![
            cohort("healthy", 4740, 0, 0, Timing::of_micros((0..50_000).map(|n| 300 + n / 10))),
            cohort("slow", 250, 3, 1200, Timing::of_micros((0..900).map(|n| 40_000 + n * 100))),
        ];
        summary.client = Client {
            cpu_share: 0.4,
            busiest_thread_share: 0.3,
            cpu_per_event_micros: Some(1.1),
            rss_bytes: 30 << 20,
            rss_per_connection_bytes: 700.0,
            loop_delay: Timing::of_micros(50..90),
            redraw_share: 0.001,
            bound: Vec::new(),
        };
        summary.intervals = (0..12u64)
            .map(|second| {
                let timed = Timing::of_micros((0..4000).map(|n| 300 + n + second * 20));
                Interval {
                    at_seconds: f64::from(u32::try_from(second).expect("small")),
                    length_seconds: 1.0,
                    warm_up: second < 2,
                    connections: 4990,
                    published: 500,
                    received: timed.count(),
                    errors: 0,
                    p50_micros: Some(timed.micros_at(50.0)),
                    p99_micros: Some(timed.micros_at(99.0)),
                    max_micros: Some(timed.max_micros()),
                    hdr: timed.encode(),
                }
            })
            .collect();
        summary.verdict = Verdict {
            assertions: vec![
                Assertion {
                    text: "delivery.p99<50ms".into(),
                    metric: "delivery.p99".into(),
                    limit: "50ms".into(),
                    value: "5.25ms".into(),
                    passed: true,
                },
                Assertion {
                    text: "lost==0".into(),
                    metric: "lost".into(),
                    limit: "0".into(),
                    value: "3".into(),
                    passed: false,
                },
            ],
            passed: false,
            client_bound: false,
            client_bound_allowed: false,
        };
        summary
    }
}

/// How a run is doing, for whoever shows it while it goes on. Given about four times a second.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Progress {
    /// What it is at: `checking`, `connecting`, `warming up`, `measuring`, `draining`.
    pub phase: &'static str,
    /// Since the run began, in seconds.
    pub elapsed_seconds: f64,
    /// The length of the whole, where that is known, in seconds.
    pub planned_seconds: Option<f64>,
    /// Connections open now.
    pub connections: u64,
    /// Connections asked for.
    pub wanted: u64,
    /// Attempts that failed so far, and connections that ended early.
    pub errors: u64,
    /// Events published so far, warm-up included.
    pub published: u64,
    /// Deliveries (or answers) received so far, warm-up included.
    pub received: u64,
    /// Median of the last whole second, in microseconds; `None` where nothing was timed.
    pub p50_now: Option<u64>,
    /// The 99th percentile of the last whole second.
    pub p99_now: Option<u64>,
    /// Median so far.
    pub p50: Option<u64>,
    /// The 99th percentile so far.
    pub p99: Option<u64>,
}

/// Shows a run while it goes on.
pub trait Watcher: Send {
    /// Takes the newest state. Must not block for long: it costs the client's own CPU.
    fn progress(&mut self, progress: &Progress);

    /// Says something once, on its own line (a probe's result, a worker lost).
    fn note(&mut self, text: &str);

    /// The run is over: whatever was drawn is cleared.
    fn end(&mut self);
}

/// Shows nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unwatched;

impl Watcher for Unwatched {
    fn progress(&mut self, _: &Progress) {}

    fn note(&mut self, _: &str) {}

    fn end(&mut self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_is_read_back_as_it_was_written() {
        let summary = Summary::example();
        let text = serde_json::to_string_pretty(&summary).unwrap();
        assert_eq!(serde_json::from_str::<Summary>(&text).unwrap(), summary);
    }
}
