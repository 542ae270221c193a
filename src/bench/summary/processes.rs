//! What the run cost: the server, this client, and the workers that made it up.

use serde::{Deserialize, Serialize};

use crate::bench::timing::Timing;

/// The server's memory and CPU.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Server {
    /// Its processes; empty where these are figures of the relay's own, from its `/ws/stats`.
    pub pids: Vec<u32>,
    /// Resident memory before the first connection, in bytes.
    pub rss_before_bytes: u64,
    /// Resident memory while all were open, in bytes.
    pub rss_bytes: u64,
    /// Growth of resident memory a connection, in bytes; 0 where it did not grow, having room from before.
    pub rss_per_connection_bytes: f64,
    /// The same of the proportional set size, in bytes; `None` where the system does not tell.
    pub pss_per_connection_bytes: Option<f64>,
    /// CPU from the first event to the last, warm-up included, as a share of one core.
    pub cpu_share: f64,
    /// CPU a delivery, in microseconds; `None` where nothing was delivered.
    pub cpu_per_delivery_micros: Option<f64>,
}

/// This process.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Client {
    /// CPU from the first event to the last, warm-up included, as a share of one core.
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
    /// Why this client, or what it published through, may have been the bottleneck; empty where neither was.
    pub bound: Vec<String>,
}

/// A process that took part.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Worker {
    /// Its host and process id, as in `build-3/4711`.
    pub name: String,
    /// Its host.
    pub host: String,
    /// Processors that it may use.
    pub cores: u32,
    /// Memory of its host in bytes.
    pub memory_bytes: u64,
    /// CPU over the measured time as a share of one core.
    pub cpu_share: f64,
    /// Resident memory at the peak of connections, in bytes.
    pub rss_bytes: u64,
    /// Its share of the connections.
    pub connections: u64,
    /// What its clock was ahead of the coordinator's at the beginning, in microseconds.
    pub clock_offset_micros: i64,
    /// How far off that may be, in microseconds, with what the clocks drifted apart until the end.
    pub clock_error_micros: u64,
    /// It did not report in the end; its share is missing.
    pub lost: bool,
}
