//! What the relay counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::client::Clients;
use super::refusals::Refusals;
use crate::dialect::{DialectId, Dialects, Slip, Undecodable};

/// A number that only ever grows, or that follows something that comes and goes.
#[derive(Debug, Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    /// Adds to it.
    pub(super) fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    /// Takes away from it.
    pub(super) fn sub(&self, count: u64) {
        self.0.fetch_sub(count, Ordering::Relaxed);
    }

    /// Follows a count that is kept elsewhere.
    pub(super) fn set(&self, count: u64) {
        self.0.store(count, Ordering::Relaxed);
    }

    /// Its value now.
    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The counters of a relay, shared by its threads.
#[derive(Debug, Default)]
pub(super) struct Stats {
    /// Open sockets.
    pub connections: Counter,
    /// Their clients' addresses.
    pub clients: Arc<Clients>,
    /// Who was refused, for the log.
    pub refusals: Refusals,
    /// Requests of web pages whose origin may not connect.
    pub refused_origins: Counter,
    /// Holes in the events of a source, each told to the clients that watch it.
    pub gaps: Counter,
    /// Events taken.
    pub events: Counter,
    /// Events handed to sockets, to their outboxes included.
    pub deliveries: Counter,
    /// Events that a newer one replaced while their socket pushed back.
    pub conflated: Counter,
    /// Connections closed with 1013.
    pub slow_consumers: Counter,
    /// Connections closed because they answered no pings.
    pub stale: Counter,
    /// Payloads that could not be merged into the state of their job.
    pub unmerged: Counter,
    undecodable: [Counter; Undecodable::ALL.len()],
    /// Slips of workers in events that were relayed, by dialect.
    slips: Vec<[Counter; Slip::ALL.len()]>,
    /// Events taken on each channel of the dialects that have channels.
    channels: Vec<(DialectId, Arc<str>, Counter)>,
}

impl Stats {
    /// All at zero.
    pub(super) fn new(dialects: &Dialects) -> Self {
        let channels = dialects
            .iter()
            .flat_map(|(id, dialect)| {
                let names = dialect.channels.iter().flat_map(|channels| &channels.names);
                names.map(move |name| (id, Arc::clone(name), Counter::default()))
            })
            .collect();
        let slips = dialects.iter().map(|_| Default::default()).collect();
        Self { slips, channels, ..Self::default() }
    }

    /// Counts an event on a channel.
    pub(super) fn channel_event(&self, id: DialectId, channel: &str) {
        if let Some((.., count)) = self.channels.iter().find(|(of, name, _)| *of == id && **name == *channel)
        {
            count.add(1);
        }
    }

    /// Every channel and how many events came on it.
    pub(super) fn channels(&self) -> impl Iterator<Item = (DialectId, &str, u64)> {
        self.channels.iter().map(|(id, name, count)| (*id, &**name, count.get()))
    }

    /// How often workers of a dialect made a slip.
    pub(super) fn slip(&self, id: DialectId, slip: Slip) -> &Counter {
        &self.slips[id.index()][slip as usize]
    }

    /// Counts a publication that was dropped.
    pub(super) fn drop_undecodable(&self, reason: Undecodable) {
        self.undecodable(reason).add(1);
    }

    /// How many publications were dropped for a reason.
    pub(super) fn undecodable(&self, reason: Undecodable) -> &Counter {
        let at = Undecodable::ALL.iter().position(|other| *other == reason).expect("ALL has every reason");
        &self.undecodable[at]
    }
}
