//! What was asked for, and the machine it was asked on.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

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
