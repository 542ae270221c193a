//! What a connection reports to the loop, and how long things may take.

use std::time::Duration;

use jiff::Timestamp;

use super::board::Source;
use super::job::{Link, When};
use crate::dialect::Outcome;
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
    /// Answer to the question whether a server offers `/watch`. A slower server is taken for one that does not.
    pub(super) offer: Duration,
    /// While a shared socket is down for less than this, a polled ending is left to the socket.
    pub(super) trust: Duration,
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
            offer: Duration::from_secs(2),
            trust: Duration::from_secs(10),
            snapshot: Duration::from_secs(3),
            told: Duration::from_secs(1),
        }
    }
}

/// Reason why attach ends.
pub(super) enum Over {
    /// All jobs have ended, or one has failed and the user wanted to stop then.
    Settled,
    /// Nothing has run for the time that the user gave.
    Idle,
    /// The time limit has passed.
    Time,
    /// A signal asked for the end.
    Stopped,
    /// The reader of stdout has gone.
    Unread,
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
    /// The server says that the job has ended so.
    Outcome(Outcome),
    /// Events are missing.
    Gap {
        /// The server's word for why.
        reason: String,
        /// The connection's other targets were told too, so that people know it.
        repeats: bool,
    },
    /// After a break the server tells what was missed.
    Resumes,
    /// The server did not do what it was told.
    Warning(String),
    /// Something of one target among those of a stream: of a job that a pattern brought, or of a channel or room.
    Of {
        /// The target.
        name: String,
        /// What it is.
        report: Box<Report>,
    },
    /// A change of the connection.
    Link(Link),
    /// What the user can do about a server that was not reached yet, while it is tried again.
    Hint(String),
    /// It gave up, or was refused.
    Lost(Failure),
}

impl Report {
    /// A copy of what comes over a shared socket, for another target of the same name.
    pub(super) fn again(&self) -> Self {
        match self {
            Self::Text { text, when } => Self::Text { text: text.clone(), when: *when },
            Self::Outcome(outcome) => Self::Outcome(*outcome),
            _ => Self::Told,
        }
    }
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
