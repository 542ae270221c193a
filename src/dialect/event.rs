//! A decoded publication on its way to the sockets.

use std::sync::Arc;

use bytes::Bytes;

use super::{Outcome, Topic};

/// What a newer event must share with an older one to replace it: the topic, the kind, and the part of the job.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ConflationKey {
    /// The job or resource.
    pub job: Arc<str>,
    /// The kind, as the payload spells it.
    pub kind: Arc<str>,
    /// The part of the job, where the event names one.
    pub entity: Option<Arc<str>>,
}

/// An encoded WebSocket frame, header included, shared by all sockets that get it.
pub type Frame = Bytes;

/// An event, decoded once and shared by every shard.
#[derive(Debug, Clone)]
pub struct Event {
    /// Place in the order in which this relay took its events; the first is 1.
    pub sequence: u64,
    /// Who gets it: whoever subscribed to any of them, once.
    pub topics: Box<[Topic]>,
    /// What a socket gets.
    pub frame: Frame,
    /// What a socket gets after it: the polling body, where a client understands nothing else.
    pub echo: Option<Frame>,
    /// Present where a newer event may replace this one while a socket pushes back.
    pub conflation: Option<ConflationKey>,
    /// The outcome, where it ends a run.
    pub ends: Option<Outcome>,
}
