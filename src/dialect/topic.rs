//! What a subscriber asks for.

use std::sync::Arc;

/// A dialect's place in the set that is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DialectId(u8);

impl DialectId {
    pub(super) fn from_index(index: usize) -> Self {
        Self(u8::try_from(index).expect("Dialects::add refuses the 256th dialect"))
    }

    /// The index in the set.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// What sort of thing a topic names. Topics of different sorts never meet, whatever their names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TopicKind {
    /// One job.
    Job,
    /// Every job of the dialect.
    Every,
    /// A named channel.
    Channel,
    /// A room: one resource, `campaign:123`.
    Room,
    /// A channel narrowed to a room.
    ChannelAndRoom,
}

/// Something to subscribe to; it belongs to its dialect.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Topic {
    /// Whose topic it is.
    pub dialect: DialectId,
    /// What sort of thing it names.
    pub kind: TopicKind,
    /// The job's id, the channel, the room.
    pub name: Arc<str>,
}

impl Topic {
    /// The topic of one job.
    pub fn job(dialect: DialectId, job: impl Into<Arc<str>>) -> Self {
        Self { dialect, kind: TopicKind::Job, name: job.into() }
    }

    /// The topic of every job of a dialect.
    pub fn every(dialect: DialectId) -> Self {
        Self { dialect, kind: TopicKind::Every, name: "".into() }
    }

    /// The topic of a channel.
    pub fn channel(dialect: DialectId, channel: impl Into<Arc<str>>) -> Self {
        Self { dialect, kind: TopicKind::Channel, name: channel.into() }
    }

    /// The topic of a room, `campaign:123`, whatever channel its events come on.
    pub fn room(dialect: DialectId, room: impl Into<Arc<str>>) -> Self {
        Self { dialect, kind: TopicKind::Room, name: room.into() }
    }

    /// The topic of what comes on a channel and belongs to a room.
    pub fn channel_and_room(dialect: DialectId, channel: &str, room: &str) -> Self {
        // No room has a control character.
        Self { dialect, kind: TopicKind::ChannelAndRoom, name: format!("{channel}\n{room}").into() }
    }

    /// The channel and the room of a topic that has both.
    pub fn channel_and_room_names(&self) -> Option<(&str, &str)> {
        self.name.split_once('\n').filter(|_| self.kind == TopicKind::ChannelAndRoom)
    }
}
