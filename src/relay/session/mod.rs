//! The protocol state of a connection: input and the time in, actions out, no sockets.

mod channel;
mod guard;
mod job;
mod pulse;

use std::time::Duration;

pub(super) use self::channel::{ChannelSession, Opening};
pub(super) use self::guard::Guard;
pub(super) use self::job::{JobSession, Snapshot};
use super::wheel::Millis;
use crate::dialect::{CloseReason, DialectId, Frame, Topic};

/// What the connection is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::relay) enum Action {
    /// Send a frame of the job's state.
    Send(Frame),
    /// Answer WebSocket pings that came in a row with these frames, one each.
    Pong(Vec<u8>),
    /// Answer a command.
    Answer(Frame),
    /// Send the application's own sign of life.
    Heartbeat,
    /// Let the connection get a topic's events.
    Subscribe(Topic),
    /// Let it get them no more.
    Unsubscribe(Topic),
    /// Answer the text `ping`.
    TextPong,
    /// Send a WebSocket ping.
    Ping,
    /// Send what the dialect says to who watches an unknown job.
    Unknown,
    /// Look again whose the job is.
    LookAgain,
    /// The connection lived as long as it may: close it as the job's state wants.
    EndLife,
    /// Close.
    Close(CloseReason),
}

/// How often a connection is pinged.
#[derive(Debug, Clone, Copy)]
pub(in crate::relay) struct PingInterval(Millis);

impl PingInterval {
    /// At least one millisecond.
    pub(in crate::relay) fn new(interval: Duration) -> Self {
        Self(u64::try_from(interval.as_millis()).unwrap_or(u64::MAX / 4).clamp(1, u64::MAX / 4))
    }
}

/// The session of a connection, whatever its dialect.
#[derive(Debug)]
pub(super) enum Session {
    /// It watches one job.
    Job(JobSession),
    /// It subscribes to channels and rooms. Boxed, since a job's watcher is smaller, and there are more of them.
    Channel(Box<ChannelSession>),
}

impl Session {
    /// The dialect it speaks.
    pub(super) const fn dialect(&self) -> DialectId {
        match self {
            Self::Job(session) => session.dialect(),
            Self::Channel(session) => session.dialect(),
        }
    }

    /// The session of a job's watcher, if it is one.
    pub(super) const fn as_job(&self) -> Option<&JobSession> {
        match self {
            Self::Job(session) => Some(session),
            Self::Channel(_) => None,
        }
    }

    /// Whether it gets what it is subscribed to.
    pub(super) fn is_admitted(&self) -> bool {
        match self {
            Self::Job(session) => session.is_admitted(),
            Self::Channel(_) => true,
        }
    }

    /// Whether a token let it in.
    pub(super) fn has_token(&self) -> bool {
        match self {
            Self::Job(session) => session.is_guarded(),
            Self::Channel(session) => session.has_token(),
        }
    }

    /// Everything it is subscribed to, each once.
    pub(super) fn topics(&self) -> Vec<Topic> {
        match self {
            Self::Job(session) => vec![session.topic()],
            Self::Channel(session) => session.topics().collect(),
        }
    }

    /// Whether an event is to be sent: it is newer than everything that was.
    #[inline]
    pub(super) fn takes(&mut self, sequence: u64) -> bool {
        match self {
            Self::Job(session) => session.takes(sequence),
            Self::Channel(session) => session.takes(sequence),
        }
    }

    /// Bytes came from the client, whatever they are.
    pub(super) fn heard(&mut self, now: Millis) {
        match self {
            Self::Job(session) => session.heard(now),
            Self::Channel(session) => session.heard(now),
        }
    }

    /// A text came.
    pub(super) fn text(&mut self, text: &str, now: Millis, out: &mut Vec<Action>) {
        match self {
            Self::Job(_) => JobSession::text(text, out),
            Self::Channel(session) => session.text(text, now, out),
        }
    }

    /// A binary message came.
    pub(super) fn binary(&mut self, now: Millis, out: &mut Vec<Action>) {
        match self {
            Self::Job(_) => {}
            Self::Channel(session) => session.binary(now, out),
        }
    }

    /// A timer fired. Returns when the next one is wanted.
    pub(super) fn timer(&mut self, now: Millis, interval: PingInterval, out: &mut Vec<Action>) -> Millis {
        match self {
            Self::Job(session) => session.timer(now, interval, out),
            Self::Channel(session) => session.timer(now, interval, out),
        }
    }

    /// When it next wants to be woken.
    pub(super) fn deadline(&self, interval: PingInterval) -> Millis {
        match self {
            Self::Job(session) => session.deadline(interval),
            Self::Channel(session) => session.deadline(interval),
        }
    }
}
