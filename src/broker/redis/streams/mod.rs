//! Redis Streams as a source: XREAD over all keys of a server, on a connection of its own.
//!
//! A stream is read on from where it was, so a connection that was lost costs nothing. Entries that are gone before they
//! were read are noticed: before reading on after a reconnect, wherever the reader lags behind, and once a second by
//! comparing how many entries were added with how many were read.

mod entry;
mod examining;
mod facts;
mod followed;
mod ledger;
mod pages;
mod pipe;
mod portion;
mod queues;
mod reading;
mod registry;
mod shared;
mod taking;

use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::mpsc::error::SendError;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use self::entry::Manner;
use self::followed::Followed;
use self::ledger::{GroupId, Ledger};
pub(super) use self::ledger::{Parts, merged};
pub(super) use self::pages::Pages;
use self::pipe::Pipe;
use self::portion::Portion;
use self::queues::Search;
use self::reading::{ANSWER, End, Reading};
use self::shared::Shared;
use super::connect::slot_of;
use super::connect::{Connector, Node, Use};
use super::turns::Turns;
use crate::broker::{BoxFuture, Status, Subscription};
use crate::net::backoff::Backoff;

const FIRST_WAIT: Duration = Duration::from_millis(100);
/// A server that answers again is noticed within this time.
const LONGEST_WAIT: Duration = Duration::from_millis(800);
/// The waits begin anew after a connection that stood for so long.
const STEADY: Duration = Duration::from_secs(5);

/// Group of what has no server yet.
const UNPLACED: GroupId = GroupId(0);

/// Whether any subscription is to streams.
pub(super) fn are_in(subscriptions: &[Subscription]) -> bool {
    subscriptions.iter().any(|one| matches!(one, Subscription::Stream { .. } | Subscription::Queues { .. }))
}

/// Settings for reading streams.
#[derive(Debug, Clone, Copy)]
pub(super) struct StreamSettings {
    /// Length of the history.
    pub(super) history: Duration,
    pub(super) max_payload: usize,
}

/// Feeds the sink from all streams; never resolves.
pub(super) async fn run(
    connector: &Connector,
    subscriptions: &[Subscription],
    turns: &Turns,
    pages: &Pages,
    settings: StreamSettings,
    status: &watch::Sender<Status>,
) {
    let ledger = Ledger::new(&connector.address, status);
    let shared = Shared::new(connector, turns, pages.registry(), ledger, settings);
    let (found, newly_found) = unbounded_channel();
    let searches = searches(&shared, subscriptions, &found);
    let mut groups = Groups {
        shared: &shared,
        all: Vec::new(),
        reading: FuturesUnordered::new(),
        next: GroupId(1 + searches.len()),
        unplaced: streams(&shared, subscriptions),
        are_apart: false,
    };
    shared.ledger.begun(UNPLACED);
    tokio::join!(futures_util::future::join_all(searches), groups.run(newly_found));
}

/// The streams that are known by name, each key once.
fn streams(shared: &Shared<'_>, subscriptions: &[Subscription]) -> Vec<Followed> {
    let mut all: Vec<Followed> = Vec::new();
    let mut add = |mut stream: Followed| {
        if let Some(known) = all.iter_mut().find(|known| known.key == stream.key) {
            known.takers.append(&mut stream.takers);
        } else {
            stream.is_awaited = shared.gate.wait_for_one();
            all.push(stream);
        }
    };
    for (index, subscription) in subscriptions.iter().enumerate() {
        match subscription {
            Subscription::Stream { key, entries } => {
                add(Followed::new(key.as_str().into(), index, Manner::new(key, entries)));
            }
            Subscription::Queues { prefix, names: Some(names) } => {
                for name in names {
                    let key = format!("{prefix}:{name}:events").into();
                    add(Followed::new(key, index, Manner::of_queue(prefix, name)));
                }
            }
            _ => {}
        }
    }
    all
}

/// Looks for queues of which no names are given.
fn searches<'a>(
    shared: &'a Shared<'a>,
    subscriptions: &'a [Subscription],
    found: &UnboundedSender<Followed>,
) -> Vec<BoxFuture<'a, ()>> {
    let mut all: Vec<BoxFuture<'a, ()>> = Vec::new();
    for (subscription, one) in subscriptions.iter().enumerate() {
        if let Subscription::Queues { prefix, names: None } = one {
            let group = GroupId(1 + all.len());
            let found = found.clone();
            all.push(Box::pin(Search { shared, group, subscription, prefix, found }.run()));
        }
    }
    all
}

/// Streams that are read on one connection.
struct Group {
    id: GroupId,
    node: Node,
    /// The slot that all keys share, where that is needed.
    slot: Option<u16>,
    /// Streams that are added.
    inbox: UnboundedSender<Followed>,
}

/// A group that ended since its streams are elsewhere.
struct Ended {
    group: GroupId,
    streams: Vec<Followed>,
    /// Whether the server refused to read them together.
    are_of_several_slots: bool,
}

/// All groups, and the streams that are in none.
struct Groups<'a> {
    shared: &'a Shared<'a>,
    all: Vec<Group>,
    reading: FuturesUnordered<BoxFuture<'a, Ended>>,
    next: GroupId,
    unplaced: Vec<Followed>,
    /// Whether only streams of one slot share a connection, since the server refused to read others together. A cluster does.
    are_apart: bool,
}

impl Groups<'_> {
    async fn run(&mut self, mut found: UnboundedReceiver<Followed>) {
        self.place().await;
        self.shared.history_read().await;
        loop {
            tokio::select! {
                Some(ended) = self.reading.next(), if !self.reading.is_empty() => self.ended(ended),
                Some(stream) = found.recv() => self.unplaced.push(stream),
            }
            self.place().await;
        }
    }

    fn ended(&mut self, Ended { group, streams, are_of_several_slots }: Ended) {
        self.are_apart |= are_of_several_slots;
        self.all.retain(|other| other.id != group);
        self.shared.ledger.begun(UNPLACED);
        self.shared.ledger.ended(group);
        self.unplaced.extend(streams);
    }

    /// Gives every stream to the group of its server.
    async fn place(&mut self) {
        while let Some(stream) = self.unplaced.pop() {
            let node = self.shared.connector.node_of(stream.key.as_bytes()).await;
            self.give(stream, node);
        }
        self.shared.ledger.answered(UNPLACED, 0, Vec::new());
    }

    fn give(&mut self, mut stream: Followed, node: Node) {
        let are_apart = self.are_apart || self.shared.connector.cluster.has_slots();
        let slot = are_apart.then(|| slot_of(stream.key.as_bytes()));
        if let Some(at) = self.all.iter().position(|group| group.node == node && group.slot == slot) {
            match self.all[at].inbox.send(stream) {
                Ok(()) => return,
                // The group has just ended, and says so when it is asked next.
                Err(SendError(back)) => stream = back,
            }
            self.all.remove(at);
        }
        let id = self.next;
        self.next = GroupId(id.0 + 1);
        let (inbox, streams) = unbounded_channel();
        let _ = inbox.send(stream);
        self.shared.ledger.begun(id);
        self.all.push(Group { id, node: node.clone(), slot, inbox });
        self.reading.push(Box::pin(follow(self.shared, id, node, streams)));
    }
}

/// Follows the streams of a group, until they are elsewhere.
async fn follow(
    shared: &Shared<'_>,
    group: GroupId,
    node: Node,
    mut inbox: UnboundedReceiver<Followed>,
) -> Ended {
    let mut streams = Vec::new();
    let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
    let mut portion = Portion::new(ANSWER);
    loop {
        let begun = Instant::now();
        let end = match shared.connector.connect_to(&node, Use::Commands).await {
            Ok(stream) => {
                let pipe = Pipe::new(stream, shared.settings.max_payload);
                Reading::new(shared, group, pipe, &mut streams, &mut inbox, &mut portion).run().await
            }
            Err(failure) => End::Failed(failure),
        };
        if begun.elapsed() >= STEADY {
            backoff.reset();
        }
        let (End::Failed(failure) | End::Misplaced(failure)) = &end;
        shared.ledger.failed(group, failure);
        let _ = shared.connector.redirected(failure.reason(), Some(&node));
        sleep(backoff.next(rand::random())).await;
        let is_misplaced = matches!(end, End::Misplaced(_)) || !is_still_at(shared, &node, &streams).await;
        if is_misplaced {
            let are_of_several_slots = failure.reason().starts_with("CROSSSLOT");
            inbox.close();
            while let Ok(stream) = inbox.try_recv() {
                streams.push(stream);
            }
            return Ended { group, streams, are_of_several_slots };
        }
    }
}

/// Whether the first of some streams is where it was; that goes for all of them, as a server is replaced as a whole.
async fn is_still_at(shared: &Shared<'_>, node: &Node, streams: &[Followed]) -> bool {
    match streams.first() {
        Some(stream) => shared.connector.node_of(stream.key.as_bytes()).await == *node,
        None => true,
    }
}
