//! A decoded publication on its way to the sockets.

use std::ops::Deref;
use std::sync::Arc;

use crate::broker::EntryId;
use crate::dialect::{ChannelEvent, Decoded, DialectId, Outcome, Topic};
use crate::wire::Payload;

/// Identity that a newer event must share with an older one to replace it: the topic, the kind, and the part of the job.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct ConflationKey {
    /// The job or resource.
    pub job: Arc<str>,
    /// The kind, as the payload spells it.
    pub kind: Arc<str>,
    /// The part of the job, where the event names one.
    pub entity: Option<Arc<str>>,
}

/// An event, decoded once and shared by the job log and every shard. It has no encoding: a shard makes those that its
/// clients want.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Event {
    /// Place in the order in which this relay took its events; the first is 1.
    pub sequence: u64,
    /// Entry in a stream, where it came by one.
    pub entry: Option<EntryId>,
    /// Subscribers to any of these get the event, once.
    pub topics: Topics,
    /// Text as it was published, and as a client of the contract gets it.
    pub payload: Payload,
    /// The kind, as the payload spells it; empty where it names none.
    pub kind: Arc<str>,
    /// Present where a newer event may replace this one while a socket pushes back.
    pub conflation: Option<ConflationKey>,
    /// Whether the event is a line of a job's log.
    pub is_log: bool,
    /// The outcome, where it ends a job's run.
    pub ends: Option<Outcome>,
    /// The job's owner, where one is known.
    pub owner: Option<Arc<str>>,
}

impl Event {
    /// An event of a job, without a place. `entity` is the part of the job that it speaks of.
    #[inline]
    pub(super) fn of_job(
        decoded: &Decoded<'_>,
        kind: Arc<str>,
        payload: Payload,
        topic: Topic,
        entity: Option<Arc<str>>,
        owner: Option<Arc<str>>,
    ) -> Self {
        let conflatable = decoded.kind.is_some_and(|kind| kind.conflatable);
        let conflation = conflatable.then(|| ConflationKey {
            job: Arc::clone(&topic.name),
            kind: Arc::clone(&kind),
            entity,
        });
        let (topics, ends) = (Topics::One(topic), decoded.kind.and_then(|kind| kind.ends));
        let is_log = decoded.kind.is_some_and(|kind| kind.log);
        Self { sequence: 0, entry: None, topics, payload, kind, conflation, is_log, ends, owner }
    }

    /// An event of channels and rooms, without a place.
    pub(super) fn of_channel(id: DialectId, event: &ChannelEvent<'_>, payload: &[u8]) -> Self {
        let kind: Arc<str> = match event.kind {
            Some(kind) => Arc::clone(&kind.name),
            None => event.kind_name.as_ref().into(),
        };
        let conflatable = event.kind.is_some_and(|kind| kind.conflatable);
        // Newer events replace older ones of one resource, without which nobody can say what an older event was about, and of
        // one channel, since there may be clients that get only the other one.
        let conflation = event.resource.as_deref().filter(|_| conflatable).map(|resource| ConflationKey {
            job: resource.into(),
            kind: Arc::clone(&kind),
            entity: Some(Arc::clone(event.channel)),
        });
        Self {
            sequence: 0,
            entry: None,
            topics: Topics::Many(topics(id, event)),
            payload: Payload::plain(payload),
            kind,
            conflation,
            is_log: false,
            ends: event.kind.and_then(|kind| kind.ends),
            owner: None,
        }
    }

    /// Gives the event its place in this relay's order, and in a stream.
    pub(super) fn place(&mut self, sequence: u64, entry: Option<EntryId>) {
        (self.sequence, self.entry) = (sequence, entry);
    }

    /// The dialect that it came by.
    pub(super) fn dialect(&self) -> DialectId {
        self.topics[0].dialect
    }
}

/// The kind of an event, as the payload spells it.
pub(super) fn kind_of(decoded: &Decoded<'_>) -> Arc<str> {
    decoded.kind.map_or_else(|| Arc::from(&*decoded.kind_name), |kind| Arc::clone(&kind.name))
}

/// Receivers of an event of channels and rooms: its channel, its rooms, and the channel narrowed to each of them.
pub(super) fn topics(id: DialectId, event: &ChannelEvent<'_>) -> Box<[Topic]> {
    let channel = std::iter::once(Topic::channel(id, Arc::clone(event.channel)));
    let rooms = event
        .rooms
        .iter()
        .flat_map(|room| [Topic::room(id, room.as_str()), Topic::channel_and_room(id, event.channel, room)]);
    channel.chain(rooms).collect()
}

/// Topics of an event. Nearly all events have one, a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Topics {
    /// The job.
    One(Topic),
    /// The channel, the rooms, and the channel narrowed to each room.
    Many(Box<[Topic]>),
}

impl Deref for Topics {
    type Target = [Topic];

    fn deref(&self) -> &[Topic] {
        match self {
            Self::One(topic) => std::slice::from_ref(topic),
            Self::Many(topics) => topics,
        }
    }
}

/// A job's current state, for a late joiner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Snapshot {
    /// The sequence of the newest event in it: whatever is not newer must not follow.
    pub sequence: u64,
    /// The text to send.
    pub payload: Payload,
}

/// An event as it is handed to the shards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Delivery {
    /// The event.
    pub event: Arc<Event>,
    /// The polling body, which follows the event where a client understands nothing else.
    pub echo: Option<Payload>,
}

impl Delivery {
    /// Bytes of the texts.
    pub(super) fn bytes(&self) -> usize {
        self.event.payload.bytes() + self.echo.as_ref().map_or(0, Payload::bytes)
    }
}

#[cfg(test)]
pub(super) mod testing {
    use super::*;

    /// A milestone of one topic, without a kind.
    pub(in crate::relay) fn event_of(topic: Topic, sequence: u64, payload: &[u8]) -> Event {
        Event {
            sequence,
            entry: None,
            topics: Topics::One(topic),
            payload: Payload::plain(payload),
            kind: "".into(),
            conflation: None,
            is_log: false,
            ends: None,
            owner: None,
        }
    }
}
