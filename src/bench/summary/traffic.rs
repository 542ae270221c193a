//! What was sent and what arrived, on the whole and second by second.

use serde::{Deserialize, Serialize};

use super::FailureCount;
use crate::bench::timing::Timing;

/// What was published.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Publish {
    /// `redis`, `streams` (of Redis), `relay` (POST /publish) or `http`.
    pub by: String,
    /// Events that the schedule held, warm-up not counted.
    pub intended: u64,
    /// Events that were sent, warm-up not counted.
    pub sent: u64,
    /// Events that the other side refused or never confirmed, warm-up not counted.
    pub failed: u64,
    /// Why, the most frequent first.
    pub failures: Vec<FailureCount>,
    /// Intended events a second.
    pub intended_rate: f64,
    /// Sent events a second.
    pub rate: f64,
    /// How much later than intended events left this process.
    pub send_lag: Timing,
    /// For how long events that were due had to wait for where they were published: for room, answers or a connection; in
    /// seconds, warm-up not counted.
    pub endpoint_wait_seconds: f64,
    /// Times that the endpoint went away and was waited for until it was back, as a run with --resume does.
    #[serde(default)]
    pub outages: u64,
    /// Length of these outages together, in seconds.
    #[serde(default)]
    pub outage_seconds: f64,
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

impl Cohort {
    /// Its counts by name, in the order of every report.
    pub const fn counts(&self) -> [(&'static str, u64); 8] {
        [
            ("connections", self.connections),
            ("expected", self.expected),
            ("received", self.received),
            ("lost", self.lost),
            ("conflated", self.conflated),
            ("duplicated", self.duplicated),
            ("reordered", self.reordered),
            ("misrouted", self.misrouted),
        ]
    }
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
    /// Due and not answered by the end, those included for which no connection was open.
    pub lost: u64,
    /// From the intended sending to the answer.
    pub time: Timing,
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
    /// Whether it lies behind the measured time: what was still under way arrives.
    pub draining: bool,
    /// Connections that were open at its end.
    pub connections: u64,
    /// Events published.
    pub published: u64,
    /// Deliveries received.
    pub received: u64,
    /// Failed connections, early ends, failed publications, garbage.
    pub errors: u64,
    /// Median of what was timed in it (delivery to the healthy connections, round trip or connect time, by mode); `None`
    /// where nothing was.
    pub p50_micros: Option<u64>,
    /// The 99th percentile of the same.
    pub p99_micros: Option<u64>,
    /// The longest.
    pub max_micros: Option<u64>,
    /// The histogram of the same, V2 with deflate, base64; empty where nothing was timed.
    pub hdr: String,
}
