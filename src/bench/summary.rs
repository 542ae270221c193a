//! What a run found out: the one thing that every report is made from, and what `--output json` writes.
//!
//! Units are in the names: `_seconds`, `_micros`, `_bytes`. A [`Timing`](super::timing::Timing) is in microseconds, a share
//! is 0 to 1.

mod connections;
#[cfg(test)]
mod example;
mod judgement;
mod processes;
mod progress;
mod setup;
mod subscribing;
mod traffic;

use serde::{Deserialize, Serialize};

pub use connections::{CloseCount, ConnectTime, Connections, FailureCount, Reconnect};
pub use judgement::{Assertion, Ceiling, CeilingOf, Find, Probe, Verdict};
pub use processes::{Client, Server, Worker};
pub use progress::{RunProgress, Unwatched, Watcher};
pub use setup::{Machine, Setup};
pub use subscribing::{Deflated, GapCount, Subscribing};
pub use traffic::{Cohort, Interval, Publish, RoundTrip};

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
    /// The result in one sentence: the answer of a search, or the verdict.
    #[serde(default)]
    pub headline: String,
    /// What the load was.
    pub mode: Mode,
    /// What was asked for, of what, with what, on what.
    pub setup: Setup,
    /// Why the result is not of the whole run (interrupted, Redis lost, a worker lost); `None` where it is.
    pub partial: Option<String>,
    /// What became of the connections.
    pub connections: Connections,
    /// How they subscribed; `None` where they were plain WebSockets.
    #[serde(default)]
    pub subscribing: Option<Subscribing>,
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
    /// The search, where there was one; the rest of the summary is then that of its last whole run.
    pub find: Option<Find>,
    /// What was demanded and what came of it.
    pub verdict: Verdict,
    /// The processes that took part, where there were several.
    pub workers: Vec<Worker>,
}

impl Summary {
    /// One in which nothing has happened yet.
    pub fn empty(mode: Mode) -> Self {
        Self {
            schema: SCHEMA,
            headline: String::new(),
            mode,
            setup: Setup { version: env!("CARGO_PKG_VERSION").to_owned(), ..Setup::default() },
            partial: None,
            connections: Connections::default(),
            subscribing: None,
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
