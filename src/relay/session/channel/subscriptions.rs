//! What a connection is subscribed to.

use std::fmt;
use std::sync::Arc;

use crate::dialect::{DialectId, Topic};
use crate::jwt::Grant;

/// Channels, narrowed channels and rooms a connection may have, all told.
pub(in crate::relay) const MAX_SUBSCRIPTIONS: usize = 128;

/// One thing that events match.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Subscription {
    /// All events of a channel.
    Channel(Arc<str>),
    /// The events of a channel that are in a room.
    Narrowed(Arc<str>, Arc<str>),
    /// All events of a room, whatever channel they come on.
    Room(Arc<str>),
}

impl Subscription {
    /// Its topic.
    pub(super) fn topic(&self, dialect: DialectId) -> Topic {
        match self {
            Self::Channel(channel) => Topic::channel(dialect, Arc::clone(channel)),
            Self::Narrowed(channel, room) => Topic::channel_and_room(dialect, channel, room),
            Self::Room(room) => Topic::room(dialect, Arc::clone(room)),
        }
    }

    /// Whether a token's grant covers it; of a narrowed channel either half is enough.
    pub(super) fn is_covered(&self, grant: &Grant) -> bool {
        self.channel().is_some_and(|channel| grant.covers_channel(channel))
            || self.room().is_some_and(|room| grant.covers_room(room))
    }

    const fn channel(&self) -> Option<&Arc<str>> {
        match self {
            Self::Channel(channel) | Self::Narrowed(channel, _) => Some(channel),
            Self::Room(_) => None,
        }
    }

    const fn room(&self) -> Option<&Arc<str>> {
        match self {
            Self::Room(room) | Self::Narrowed(_, room) => Some(room),
            Self::Channel(_) => None,
        }
    }
}

impl fmt::Display for Subscription {
    /// Writes the subscription as a target; a narrowed one as its channel.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Channel(channel) | Self::Narrowed(channel, _) => write!(f, "channel:{channel}"),
            Self::Room(room) => write!(f, "room:{room}"),
        }
    }
}

/// What is to change in the hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    Add(Subscription),
    Remove(Subscription),
}

/// A command would lead to more than [`MAX_SUBSCRIPTIONS`]; nothing of it was applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooMany;

/// A connection's subscriptions, each once, in the order in which they came.
///
/// Only a URL narrows. Whatever a client asks for later has the plain meaning that its command has without narrowing:
/// - `subscribe` to a narrowed channel widens it: the whole channel takes the place of its narrowed forms.
/// - `unsubscribe` ends a channel and its narrowed forms; a room that was joined stays.
/// - `join_room` adds the whole room, also where a channel is narrowed to it.
/// - `leave_room` ends the room and the channels narrowed to it: they stood among the rooms in every answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Subscriptions(Vec<Subscription>);

impl Subscriptions {
    /// Keeps those that are wanted, and returns the others. Only before any of them is in the hub.
    pub(super) fn retain(&mut self, mut is_wanted: impl FnMut(&Subscription) -> bool) -> Vec<Subscription> {
        self.0.extract_if(.., |one| !is_wanted(one)).collect()
    }

    /// Adds channels narrowed to rooms.
    pub(super) fn narrow(&mut self, channels: &[Arc<str>], rooms: &[Arc<str>]) -> Result<(), TooMany> {
        if channels.len().saturating_mul(rooms.len()) > MAX_SUBSCRIPTIONS - self.0.len() {
            return Err(TooMany);
        }
        for channel in channels {
            for room in rooms {
                self.add(Subscription::Narrowed(Arc::clone(channel), Arc::clone(room)), &mut Vec::new());
            }
        }
        Ok(())
    }

    /// Adds whole channels.
    pub(super) fn subscribe(
        &mut self,
        channels: &[Arc<str>],
        changes: &mut Vec<Change>,
    ) -> Result<(), TooMany> {
        let mut next = Vec::with_capacity(channels.len());
        for channel in channels {
            let whole = Subscription::Channel(Arc::clone(channel));
            if !next.contains(&whole) && !self.0.contains(&whole) {
                next.push(whole);
            }
        }
        let is_widened = |old: &Subscription| {
            let Subscription::Narrowed(channel, _) = old else { return false };
            next.iter().any(|new| new.channel() == Some(channel))
        };
        let widened = self.0.iter().filter(|old| is_widened(old)).count();
        if self.0.len() - widened + next.len() > MAX_SUBSCRIPTIONS {
            return Err(TooMany);
        }
        self.remove(is_widened, changes);
        for new in next {
            self.add(new, changes);
        }
        Ok(())
    }

    /// Ends channels.
    pub(super) fn unsubscribe(&mut self, channels: &[Arc<str>], changes: &mut Vec<Change>) {
        self.remove(|old| old.channel().is_some_and(|channel| channels.contains(channel)), changes);
    }

    /// Adds a room.
    pub(super) fn join(&mut self, room: Arc<str>, changes: &mut Vec<Change>) -> Result<(), TooMany> {
        let room = Subscription::Room(room);
        if self.0.len() >= MAX_SUBSCRIPTIONS && !self.0.contains(&room) {
            return Err(TooMany);
        }
        self.add(room, changes);
        Ok(())
    }

    /// Ends a room.
    pub(super) fn leave(&mut self, room: &str, changes: &mut Vec<Change>) {
        self.remove(|old| old.room().is_some_and(|own| **own == *room), changes);
    }

    /// All of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Subscription> {
        self.0.iter()
    }

    /// The channels, whole and narrowed, each once.
    pub(super) fn channels(&self) -> Vec<&str> {
        distinct(self.0.iter().filter_map(Subscription::channel))
    }

    /// The rooms, those included that a channel is narrowed to, each once.
    pub(super) fn rooms(&self) -> Vec<&str> {
        distinct(self.0.iter().filter_map(Subscription::room))
    }

    fn add(&mut self, new: Subscription, changes: &mut Vec<Change>) {
        if !self.0.contains(&new) {
            changes.push(Change::Add(new.clone()));
            self.0.push(new);
        }
    }

    fn remove(&mut self, mut gone: impl FnMut(&Subscription) -> bool, changes: &mut Vec<Change>) {
        changes.extend(self.0.extract_if(.., |old| gone(old)).map(Change::Remove));
    }
}

fn distinct<'a>(names: impl Iterator<Item = &'a Arc<str>>) -> Vec<&'a str> {
    let mut out: Vec<&str> = Vec::new();
    for name in names {
        if !out.contains(&&**name) {
            out.push(name);
        }
    }
    out
}
