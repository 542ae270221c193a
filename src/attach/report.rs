//! What a connection reports to the loop, and how long things may take.

use std::time::Duration;

use jiff::Timestamp;

use super::board::Source;
use super::job::{Link, When};
use crate::exit::Failure;

/// How long things may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timing {
    /// One attempt to connect, handshake included; also one poll.
    pub(super) attempt: Duration,
    /// The first wait before another attempt.
    pub(super) first_wait: Duration,
    /// The longest wait.
    pub(super) longest_wait: Duration,
    /// From poll to poll while the socket is down.
    pub(super) poll: Duration,
    /// Nothing heard for so long, pings included: ask with a ping of our own.
    pub(super) ask: Duration,
    /// Still nothing so long after that: the connection is dead.
    pub(super) give_up: Duration,
    /// A connection that lasted this long makes up for the failed attempts before it.
    pub(super) held: Duration,
    /// A first message within this time is the server's snapshot; a later one is news.
    pub(super) snapshot: Duration,
    /// A server that answers no ping has told what it knew when nothing came for so long.
    pub(super) told: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            attempt: Duration::from_secs(10),
            first_wait: Duration::from_millis(250),
            longest_wait: Duration::from_secs(10),
            poll: Duration::from_secs(3),
            // A relay pings every 30 s; one lost ping is no reason yet.
            ask: Duration::from_secs(45),
            give_up: Duration::from_secs(30),
            held: Duration::from_secs(5),
            snapshot: Duration::from_secs(3),
            told: Duration::from_secs(1),
        }
    }
}

/// What a follower reports.
#[derive(Debug)]
pub(super) enum Report {
    /// A message of the socket.
    Text {
        /// As it came.
        text: String,
        /// When it came on its connection.
        when: When,
    },
    /// The server has told what it knew when the connection was opened.
    Told,
    /// A polling body.
    Status(String),
    /// A change of the connection.
    Link(Link),
    /// What the user can do about a server that was not reached yet, while it is tried again.
    Hint(String),
    /// It gave up, or was refused.
    Lost(Failure),
}

/// A report, with where and when.
#[derive(Debug)]
pub(super) struct Envelope {
    /// What of the board it is about.
    pub(super) source: Source,
    /// When it came, for people and files.
    pub(super) received_at: Timestamp,
    /// What it is.
    pub(super) report: Report,
}
