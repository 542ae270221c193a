//! What was demanded of the run, what came of it, and the search for the largest load.

use serde::{Deserialize, Serialize};

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
    /// Whether a last run at that load kept them too.
    pub confirmed: bool,
    /// Whether that last run is longer than the others; it is not where something else than the time ends a run.
    pub longer: bool,
    /// Whether the search ended before it was done ([`Summary::partial`](super::Summary::partial) says why): what was found
    /// is what had kept the limits by then.
    pub interrupted: bool,
    /// What was found is all that could be tried, and more may be held; `None` where the limits ended the search.
    pub ceiling: Option<Ceiling>,
}

/// The load beyond which a search cannot go, whatever the server holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ceiling {
    /// The load.
    pub load: u64,
    /// Of what there is no more.
    pub of: CeilingOf,
    /// What the user can do about it; `None` where there is nothing.
    pub hint: Option<String>,
}

/// Why a search cannot go further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CeilingOf {
    /// Descriptors that this process may have open.
    Descriptors,
    /// Ports of this client's addresses.
    Ports,
    /// Loads that a search tries at all.
    Search,
}

impl CeilingOf {
    /// As reports say it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Descriptors => "this client can hold no more (its descriptors)",
            Self::Ports => "this client can hold no more (its ports)",
            Self::Search => "no search goes further",
        }
    }
}

/// One load that was tried.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Probe {
    /// The load.
    pub load: u64,
    /// How long it was held, in seconds; in the mode `connect`, where nothing is held, how long the run took.
    pub seconds: f64,
    /// Whether all limits were kept.
    pub passed: bool,
    /// The run was cut short: its limits count neither as kept nor as broken.
    pub interrupted: bool,
    /// This client may have been the bottleneck: limits that were not kept then say nothing about the server.
    pub client_bound: bool,
    /// The limits and their values.
    pub assertions: Vec<Assertion>,
}

impl Probe {
    /// Whether it kept the limits, as reports say it: a client that is late makes latencies longer, so what was kept in spite
    /// of it was kept, and what was not says nothing about the server.
    pub fn outcome(&self) -> &'static str {
        if self.interrupted {
            return "interrupted";
        }
        match (self.passed, self.client_bound) {
            (true, false) => "yes",
            (true, true) => "yes, though client-bound",
            (false, true) => "client-bound",
            (false, false) => "no",
        }
    }
}

/// What was demanded and what came of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// In the order given.
    pub assertions: Vec<Assertion>,
    /// All held; true where there were none.
    pub passed: bool,
    /// The client was the bottleneck (see [`Client::bound`](super::Client::bound)): the figures say nothing about the server.
    pub client_bound: bool,
    /// The user takes that (`--allow-client-bound`).
    pub client_bound_allowed: bool,
    /// Why the run is not the one that was asked for: too many connections failed, and no assertion was about that.
    #[serde(default)]
    pub unclean: Option<String>,
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
