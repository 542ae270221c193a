//! Tells the status and the log how the streams are doing.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::super::failure::Failure;
use crate::broker::{Denied, Status};
use crate::net::seldom::Seldom;

/// Time for which the same complaint is not repeated.
const HUSH: Duration = Duration::from_mins(1);

/// Keys that are searched for queues, behind the prefix.
pub(super) const SEARCHED: &str = ":*:meta";

/// Number of a group of streams that share a connection. 0 stands for what has no connection yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct GroupId(pub(super) usize);

/// State of all streams.
#[derive(Debug)]
pub(super) struct Ledger<'a> {
    /// The URL as people see it.
    address: &'a str,
    status: &'a watch::Sender<Status>,
    books: Mutex<Books>,
}

#[derive(Debug)]
struct Books {
    groups: BTreeMap<GroupId, Group>,
    connected: bool,
    /// Whether streams were ever followed.
    was_followed: bool,
    /// Since when streams that were once followed are not, where a connection failed or Redis denies them.
    lost: Option<Instant>,
    complaints: Seldom<String>,
}

/// State of a group.
#[derive(Debug)]
enum Group {
    /// Answered: so many streams are read, and these are denied.
    Up { read: usize, denied: Vec<Denied> },
    /// The group is not connected, for this reason.
    Down(Option<Failure>),
}

impl<'a> Ledger<'a> {
    pub(super) fn new(address: &'a str, status: &'a watch::Sender<Status>) -> Self {
        let books = Books {
            groups: BTreeMap::new(),
            connected: false,
            was_followed: false,
            lost: None,
            complaints: Seldom::every(HUSH),
        };
        Self { address, status, books: Mutex::new(books) }
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A group has got streams, and is not connected yet.
    pub(super) fn begun(&self, group: GroupId) {
        self.books().groups.insert(group, Group::Down(None));
        self.tell();
    }

    /// All streams of a group are answered.
    pub(super) fn answered(&self, group: GroupId, read: usize, denied: Vec<Denied>) {
        for Denied { name, reason, .. } in &denied {
            if self.books().complaints.due(format!("denied {name} {reason}")).is_some() {
                tracing::warn!("could not follow the stream {name:?}: {reason}; trying again");
            }
        }
        self.books().groups.insert(group, Group::Up { read, denied });
        self.tell();
    }

    /// A group has no connection, or has lost it.
    pub(super) fn failed(&self, group: GroupId, failure: &Failure) {
        let mut key = String::from("failed");
        // Three words tell reasons apart: what follows may differ each time.
        for word in failure.reason().split_whitespace().take(3) {
            key.push(' ');
            key.push_str(word);
        }
        let mut books = self.books();
        if books.complaints.due(key).is_some() {
            tracing::warn!("streams are not followed: {}; trying again", failure.clone().at(self.address));
        }
        books.groups.insert(group, Group::Down(Some(failure.clone())));
        drop(books);
        self.tell();
    }

    /// A group is no more.
    pub(super) fn ended(&self, group: GroupId) {
        self.books().groups.remove(&group);
        self.tell();
    }

    /// Entries of a stream are lost.
    pub(super) fn hole(&self, key: &str, what: &str) {
        if let Some(more) = self.books().complaints.due(format!("hole {key} {what}")) {
            tracing::warn!(more, "the stream {key:?} {what}; watchers are told of a gap");
        }
    }

    fn tell(&self) {
        let mut books = self.books();
        let mut denied_now = Vec::new();
        let (mut reachable, mut all_read, mut error) = (true, 0, None);
        for group in books.groups.values() {
            match group {
                Group::Up { read, denied } => {
                    all_read += read;
                    denied_now.extend(denied.iter().cloned());
                }
                Group::Down(failure) => {
                    reachable = false;
                    error = error.or_else(|| failure.clone());
                }
            }
        }
        let connected = reachable && (all_read > 0 || denied_now.is_empty());
        if reachable && !connected {
            error = denied_now.first().map(|denied| Failure::Refused(denied.reason.clone()));
        }
        let was_connected = std::mem::replace(&mut books.connected, connected);
        if connected && !was_connected {
            if let Some(since) = books.lost.take() {
                let away = since.elapsed().as_secs_f32();
                tracing::info!("streams are followed again after {away:.1} s, from where they were");
            } else if !std::mem::replace(&mut books.was_followed, true) {
                tracing::info!("streams of {} are followed", self.address);
            }
        } else if !connected && books.was_followed && (error.is_some() || !denied_now.is_empty()) {
            // Streams that were just found are no loss.
            books.lost.get_or_insert_with(Instant::now);
        }
        let error = error.map(|failure| failure.at(self.address).to_string());
        drop(books);
        self.status.send_modify(|status| {
            (status.connected, status.reachable) = (connected, reachable);
            (status.denied, status.error) = (denied_now, error);
            status.connects += u64::from(connected && !was_connected);
        });
    }
}

/// Weight of the two parts of a source: one is subscribed to channels, the other follows streams.
#[derive(Debug, Clone, Copy)]
pub(in crate::broker::redis) struct Parts {
    /// Whether there are channels at all.
    pub(in crate::broker::redis) has_channels: bool,
    /// Whether a stream or a queue was named. Without one, queues are followed where there are any, and a server that does
    /// not let us look for them is as good as one without.
    pub(in crate::broker::redis) has_named_streams: bool,
}

/// The status of a source of two parts. Each has what the other one lacks: a part of which everything is denied keeps nobody
/// from the other one.
pub(in crate::broker::redis) fn merged(channels: &Status, streams: &Status, parts: Parts) -> Status {
    let Parts { has_channels, has_named_streams } = parts;
    if has_channels && !has_named_streams {
        let is_of_queue = |denied: &&Denied| !denied.name.ends_with(SEARCHED);
        let denied = streams.denied.iter().filter(is_of_queue).cloned();
        return Status {
            denied: channels.denied.iter().cloned().chain(denied).collect(),
            ..channels.clone()
        };
    }
    let is_settled = |part: &Status| part.connected || (part.reachable && !part.denied.is_empty());
    let connected = is_settled(channels)
        && is_settled(streams)
        && (streams.connected || (has_channels && channels.connected));
    let error = || channels.error.clone().or_else(|| streams.error.clone());
    Status {
        connected,
        denied: [&channels.denied[..], &streams.denied].concat(),
        error: if connected { None } else { error() },
        connects: channels.connects.max(streams.connects),
        ..channels.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn denied(name: &str) -> Vec<Denied> {
        let (name, reason) = (name.to_owned(), "no".to_owned());
        vec![Denied { name, reason, revoked: false, subscriptions: vec![0] }]
    }

    #[test]
    fn streams_are_followed_once_all_groups_are_answered_and_one_stream_is_read() {
        let status = watch::Sender::default();
        let ledger = Ledger::new("redis://x", &status);
        let now = || {
            let status = status.borrow();
            (status.connected, status.reachable, status.connects, status.denied.len())
        };
        ledger.begun(GroupId(1));
        ledger.begun(GroupId(2));
        ledger.answered(GroupId(1), 1, Vec::new());
        assert_eq!(now(), (false, false, 0, 0));
        ledger.answered(GroupId(2), 0, denied("a"));
        assert_eq!(now(), (true, true, 1, 1));
        ledger.failed(GroupId(1), &Failure::Unreachable("gone".to_owned()));
        assert_eq!(now(), (false, false, 1, 1));
        assert_eq!(status.borrow().error.as_deref(), Some("could not connect to redis://x: gone"));
        ledger.ended(GroupId(1));
        assert_eq!(now(), (false, true, 1, 1));
        ledger.answered(GroupId(2), 1, Vec::new());
        assert_eq!((now(), status.borrow().error.clone()), ((true, true, 2, 0), None));
    }

    #[test]
    fn streams_that_are_found_later_are_no_loss() {
        let status = watch::Sender::default();
        let ledger = Ledger::new("redis://x", &status);
        let lost = || ledger.books().lost.is_some();
        ledger.begun(GroupId(1));
        assert!(!lost());
        ledger.answered(GroupId(1), 0, Vec::new());
        ledger.begun(GroupId(2));
        assert!(!status.borrow().connected && !lost());
        ledger.answered(GroupId(2), 1, Vec::new());
        ledger.failed(GroupId(2), &Failure::Unreachable("gone".to_owned()));
        assert!(lost());
        ledger.answered(GroupId(2), 1, Vec::new());
        assert!(!lost());
        ledger.answered(GroupId(1), 0, denied("a"));
        ledger.answered(GroupId(2), 0, denied("b"));
        assert!(!status.borrow().connected && lost());
    }

    #[test]
    fn a_part_that_is_denied_leaves_the_other_one_connected() {
        let up = Status { connected: true, reachable: true, connects: 1, ..Status::default() };
        let refused = Status { reachable: true, denied: denied("a"), ..Status::default() };
        let down = Status { error: Some("away".to_owned()), ..Status::default() };
        for (channels, has_channels, streams, connected) in [
            (&up, true, &up, true),
            (&up, true, &refused, true),
            (&refused, true, &up, true),
            (&up, false, &refused, false),
            (&refused, true, &refused, false),
            (&up, true, &down, false),
            (&down, true, &up, false),
        ] {
            let parts = Parts { has_channels, has_named_streams: true };
            assert_eq!(merged(channels, streams, parts).connected, connected);
        }
        let parts = Parts { has_channels: true, has_named_streams: true };
        assert_eq!(merged(&up, &down, parts).error.as_deref(), Some("away"));
    }

    #[test]
    fn queues_that_nobody_named_keep_no_channel_from_being_relayed() {
        let up = Status { connected: true, reachable: true, connects: 1, ..Status::default() };
        let down = Status { error: Some("away".to_owned()), ..Status::default() };
        let parts = Parts { has_channels: true, has_named_streams: false };
        assert_eq!(merged(&up, &down, parts), up);
        let unsearched = Status { reachable: true, denied: denied("bull:*:meta"), ..Status::default() };
        assert_eq!(merged(&up, &unsearched, parts), up);
        let refused = Status { reachable: true, denied: denied("bull:a:events"), ..Status::default() };
        assert_eq!(merged(&up, &refused, parts).denied, refused.denied);
    }
}
