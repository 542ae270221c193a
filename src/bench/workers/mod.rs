//! Several processes that share the connections, on this host and on others: one publishes and sums up, the workers hold
//! the connections. They know each other through Redis alone.
//!
//! Keys, all of which expire: the list `jobwire:bench:calls`, from which an idle worker takes its call; and of each run
//! `jobwire:bench:{run}:…` the hash `workers` (each worker's state, which is its sign of life too), `start` (when event 0 is
//! due, by Redis' clock), `published` (how many events there were in the end), `alive` (the coordinator's sign of life) and
//! the list `parts` (what each worker saw).

mod coordinator;
mod exchange;
mod worker;

use serde::{Deserialize, Serialize};

pub use self::coordinator::coordinate;
pub use self::exchange::take_call;
pub use self::worker::work;
use super::collect::{Part, Second};
use super::summary::Client;

/// What a worker is told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// The coordinator's command line, without the program and without secrets of its environment.
    pub argv: Vec<String>,
    /// The run's number.
    pub run: u32,
    /// When it began, by Redis' clock, in nanoseconds.
    pub begin: u64,
    /// Which worker this is.
    pub index: u32,
    /// Of how many.
    pub of: u32,
    /// How far off its clock may be, in microseconds.
    pub max_clock_error: u64,
}

/// A worker's state.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct State {
    name: String,
    /// Grows while it lives.
    beats: u64,
    /// Redis' clock minus its own, in microseconds, and how far off that may be.
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
    part: Part,
    seconds: Vec<Second>,
    client: Client,
}
