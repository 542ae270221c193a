//! Several processes that share the connections, on this host and on others: one publishes and sums up, the workers hold
//! the connections. They know each other through Redis alone.
//!
//! | key | what it is | expires after |
//! |---|---|---|
//! | `jobwire:bench:calls` | list of `Ticket`s: any worker on another host takes one | 60 s |
//! | `jobwire:bench:{run}:calls` | the same for the workers that the run started itself | 60 s |
//! | `jobwire:bench:{run}:call` | the `Call`: what the workers are to do, with headers and token; removed once all have it | 60 s |
//! | `jobwire:bench:{run}:workers` | hash of each worker's `State`, its sign of life | 1 h |
//! | `jobwire:bench:{run}:open` | 1 once all workers are there, and begin to open their connections | 1 h |
//! | `jobwire:bench:{run}:start` | when event 0 is due, by Redis' clock in nanoseconds | 1 h |
//! | `jobwire:bench:{run}:unpublished` | which events could not be published, as JSON: `[[first, end], …]` | 1 h |
//! | `jobwire:bench:{run}:published` | how many events there were; the measured time is over | 1 h |
//! | `jobwire:bench:{run}:alive` | the coordinator's sign of life | 10 s |
//! | `jobwire:bench:{run}:parts` | list of `Report`s: what each worker saw | 1 h |
//!
//! A coordinator removes all of its own in the end. The run is a random number of eight hexadecimal digits, so that runs
//! that share a Redis do not meet.

mod coordinator;
mod exchange;
mod local;
mod orders;
mod worker;

use serde::{Deserialize, Serialize};

pub use self::coordinator::coordinate;
pub use self::exchange::Waiting;
pub use self::local::run_of_parent;
use self::orders::Orders;
pub use self::worker::work;
use super::collect::Part;
use super::summary::{Client, Interval};

/// Coordinator and workers must be of one version, since nothing that they tell each other is promised to another.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What a worker takes from a list. These fields stay in every version, so that one can refuse another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Ticket {
    /// The coordinator's version.
    version: String,
    /// The run's number.
    run: u32,
    /// Which of its workers the taker is.
    index: u32,
}

/// What all workers of a run are told. No `Debug`: it may hold a token.
#[derive(Clone, Serialize, Deserialize)]
struct Call {
    /// When the run began, by Redis' clock, in nanoseconds.
    begin: u64,
    /// How many workers there are.
    of: u32,
    /// How far off a worker's clock may be, in microseconds.
    max_clock_error: u64,
    /// What they do.
    orders: Orders,
}

/// A worker's state.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct State {
    /// Its host and process id.
    name: String,
    host: String,
    /// Processors that it may use, and its host's memory in bytes.
    cores: u32,
    memory_bytes: u64,
    /// Grows while it lives.
    beats: u64,
    /// Redis' clock minus its own at the beginning, in microseconds, and how far off that may be.
    clock_offset: i64,
    clock_error: u64,
    connections: u64,
    /// All of its connections have succeeded or failed.
    settled: bool,
    open: u64,
    received: u64,
    errors: u64,
    /// Why it cannot take part.
    refused: Option<String>,
}

/// What a worker saw.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Report {
    index: u32,
    /// Redis' clock minus that of the run, as it was counted here to the end, in microseconds, and how far off that may be.
    clock_drift: i64,
    clock_error: u64,
    part: Part,
    intervals: Vec<Interval>,
    client: Client,
}
