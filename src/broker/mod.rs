//! Where publications come from and go to: an embedded broker in this process, or Redis.
//!
//! # Guarantees of every broker
//! - **At most once** on channels. A publication that arrives while a source is disconnected, or while one of its subscriptions is
//!   refused, is not replayed; [`Status::connects`] grows by one for every connection, and [`Sink::confirmed`] names the
//!   subscriptions whose gap has ended.
//! - **Exactly once** on streams, from the position that [`Sink::stream`] names on: a connection that was lost costs nothing.
//!   Entries that were trimmed before they were read are a hole, which the next [`Sink::stream`] names.
//! - **Order.** Publications of one channel or stream reach the sink in the order in which the broker took them, and so do
//!   those of several channels that one publisher used one after the other. Streams have no order among each other.
//! - **Once per subscription.** A channel that two subscriptions match is delivered once for each of them.
//! - **Confirmed.** A source reports itself connected only once its subscriptions are confirmed. The sink is told of each
//!   ([`Sink::confirmed`]) before its first publication, and again after every gap.

mod memory;
mod redis;
#[cfg(test)]
mod tests;
mod trouble;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub(crate) use self::memory::MemoryBroker;
pub(crate) use self::redis::{BlockingRedis, RedisBroker, locate};
pub(crate) use self::trouble::Trouble;
use crate::dialect::KeptField;
use crate::net::tls::{Peer, TlsProblem};

/// A boxed future, so that brokers stay usable as trait objects.
pub(crate) type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What a source subscribes to. Its position in the list handed to [`Broker::run`] is its identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subscription {
    /// One channel, by its exact name.
    Channel(String),
    /// Every channel that starts with this prefix and goes on for at least one byte.
    Prefix(String),
    /// Entries of a Redis Stream. An embedded broker has none.
    Stream {
        /// The stream's key.
        key: String,
        /// Form of its entries.
        entries: Entries,
    },
    /// Event streams of BullMQ queues: `{prefix}:{queue}:events`.
    Queues {
        /// BullMQ's own prefix, `bull` by default.
        prefix: String,
        /// Names of the queues; `None`: those that are found, now and later.
        names: Option<Vec<String>>,
    },
}

/// Form of a stream's entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entries {
    /// The payload in `data`. The channel of the publication is the stream's key.
    Data,
    /// The payload in `data` and the job's id in `job`. The channel of the publication is this prefix and the id.
    DataOfJob(String),
}

impl Subscription {
    /// Whether a publication on `channel` belongs to this subscription.
    pub fn matches(&self, channel: &str) -> bool {
        match self {
            Self::Channel(name) => name == channel,
            Self::Prefix(prefix) => channel.len() > prefix.len() && channel.starts_with(prefix.as_str()),
            Self::Stream { .. } | Self::Queues { .. } => false,
        }
    }

    /// The channel's name, the prefix, or the stream's key.
    pub fn name(&self) -> &str {
        match self {
            Self::Channel(name) | Self::Prefix(name) => name,
            Self::Stream { key, .. } => key,
            Self::Queues { prefix, .. } => prefix,
        }
    }
}

/// A payload as the broker gave it; both slices live only for the call.
#[derive(Debug, Clone, Copy)]
pub struct Publication<'a> {
    /// Index of the matching entry in the list handed to [`Broker::run`].
    pub subscription: usize,
    /// The channel it was published on.
    pub channel: &'a [u8],
    /// The payload, untouched; any bytes at all.
    pub payload: &'a [u8],
    /// Entry in a stream that it was; none on pub/sub and on the embedded broker.
    pub entry: Option<EntryId>,
    /// Whether it was published before the source began, and is read back. There is no such thing without a stream.
    pub is_history: bool,
}

/// Number of a stream, in the order in which [`Sink::stream`] named them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(pub u16);

/// An entry of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EntryId {
    /// The stream.
    pub stream: StreamId,
    /// Position of the entry in the stream.
    pub position: Position,
}

/// Place of a publication in a Redis Stream: the entry's id, which names a moment and a number within it. The default is
/// the beginning, before any entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Position {
    /// Milliseconds since the Unix epoch, by the clock of Redis.
    pub millis: u64,
    /// Number of the entry among those of its millisecond.
    pub number: u64,
}

impl std::fmt::Display for Position {
    /// Writes a position as Redis does: `1526919030474-55`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.millis, self.number)
    }
}

/// Cause for which an entry of a stream is no publication.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryFault {
    /// The entry has no field `data`.
    NoPayload,
    /// The entry has no field `job`, or an empty one.
    NoJob,
}

/// A text that is no entry id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an entry id such as 1526919030474-0")]
pub struct NotAPosition;

impl std::str::FromStr for Position {
    type Err = NotAPosition;

    fn from_str(text: &str) -> Result<Self, NotAPosition> {
        let (millis, number) = text.split_once('-').ok_or(NotAPosition)?;
        let number_of = |text: &str| text.parse().map_err(|_| NotAPosition);
        Ok(Self { millis: number_of(millis)?, number: number_of(number)? })
    }
}

/// Takes what a source receives.
pub trait Sink: Send {
    /// Takes one publication. Must not block; called for every publication of a burst, in order.
    fn publication(&mut self, publication: Publication<'_>);

    /// Is told that subscriptions are confirmed: from here on none of their publications is missed, until the next call
    /// that names them.
    ///
    /// Comes in order with the publications, before the first one of these subscriptions, at the start and again after
    /// each gap: a connection that was lost, or a subscription that was refused or revoked. Publications of the time before
    /// are lost, so that everything remembered of these subscriptions may be outdated. One call may name some of the
    /// subscriptions only; a flush follows, and after it [`Status`] says that they are there.
    fn confirmed(&mut self, subscriptions: &[usize]) {
        let _ = subscriptions;
    }

    /// Is told that a stream is followed: every entry behind `after` is given from here on, in order, until the next call
    /// that names the stream.
    ///
    /// The first call introduces the stream with its key and the subscription that it belongs to. A later one tells of a
    /// hole: entries between the last one that was given and those behind `after` are lost, or the stream was begun anew, so
    /// that positions start over. A flush follows.
    fn stream(&mut self, stream: StreamId, key: &str, subscription: usize, after: Position) {
        let _ = (stream, key, subscription, after);
    }

    /// Is told that the history of all streams was given, once; a flush follows. Never called where nothing is subscribed
    /// but channels.
    fn history_read(&mut self) {}

    /// Is told of an entry of a stream that is no publication.
    fn odd_entry(&mut self, subscription: usize, key: &str, entry: Option<EntryId>, fault: EntryFault) {
        let _ = (subscription, key, entry, fault);
    }

    /// Is told of a message that a source skipped over because its payload is longer than the source accepts.
    ///
    /// `head` is the beginning of the payload, at most 80 bytes of it, and `len` the whole length in bytes. A channel name
    /// too long to keep is reported here too: with its beginning as `channel`, its length as `len` and an empty `head`.
    fn oversized(&mut self, subscription: usize, channel: &[u8], head: &[u8], len: u64) {
        let _ = (subscription, channel, head, len);
    }

    /// Ends a burst: hands everything taken so far on. The source reads nothing more until it resolves, which is how a
    /// sink that cannot keep up pushes back.
    fn flush(&mut self) -> BoxFuture<'_, ()>;
}

/// How a source is doing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Status {
    /// Connected, every subscription answered, and one of them confirmed.
    pub connected: bool,
    /// Connected, whatever may be subscribed: commands can be sent.
    pub reachable: bool,
    /// Subscriptions that the broker refuses (Redis: NOPERM); each is tried again until it is let through.
    pub denied: Vec<Denied>,
    /// Why the source is not connected, if it is not; never holds a password.
    pub error: Option<String>,
    /// How often a connection was established so far.
    pub connects: u64,
    /// Why nobody knows whether the subscription still works, though its connection stands.
    pub doubt: Option<String>,
    /// The server that was found last, and its role.
    pub server: Option<Server>,
    /// Probes that were published and did not come back.
    pub probes_lost: u64,
    /// Number of times that another server was found than before, or one of another role.
    pub role_changes: u64,
}

/// A server, and its part in replication.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Host and port, or the socket.
    pub address: String,
    /// `master`, `replica`, `sentinel`, or `unknown` where the server does not tell.
    pub role: &'static str,
}

/// Subscriptions to one channel or prefix that the broker refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denied {
    /// The channel or the prefix.
    pub name: String,
    /// The broker's reason.
    pub reason: String,
    /// Whether it was subscribed before; otherwise it is refused since the start.
    pub revoked: bool,
    /// Positions in the list handed to [`Broker::run`].
    pub subscriptions: Vec<usize>,
}

/// Why a broker could not do what it was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum BrokerError {
    /// Nothing answers there.
    #[error("could not connect to {address}: {reason}")]
    Unreachable {
        /// The Redis URL, its password masked.
        address: String,
        /// What the system or the server said.
        reason: String,
    },
    /// The server refused the credentials.
    #[error("{address} refused the login: {reason}")]
    LoginRefused {
        /// The Redis URL, its password masked.
        address: String,
        /// What the server said.
        reason: String,
    },
    /// The server refused the command (ACL).
    #[error("{address} refused the command: {reason}")]
    Refused {
        /// The Redis URL, its password masked.
        address: String,
        /// What the server said.
        reason: String,
    },
    /// There is no TLS with it.
    #[error("no TLS with {address}: {problem}")]
    Tls {
        /// The Redis URL, its password masked.
        address: String,
        /// Cause of the TLS failure.
        problem: TlsProblem,
    },
    /// The server is a replica or a Sentinel, which is not used.
    #[error("redis at {server} {reason}, and not the master")]
    NotMaster {
        /// Host and port, or the socket.
        server: String,
        /// End of a sentence that begins with the server.
        reason: String,
    },
    /// The sentinels know no master of this name.
    #[error("the sentinels know no master named '{}'", .name.escape_debug())]
    NoSuchMaster {
        /// The name.
        name: String,
        /// The names that they know.
        known: Vec<String>,
    },
    /// Messages are published and do not arrive.
    #[error("the subscription at {address} is dead: {reason}")]
    Deaf {
        /// The Redis URL, its password masked.
        address: String,
        /// Sign by which that was noticed.
        reason: String,
    },
    /// The broker's own queue is full.
    #[error("the embedded broker is overloaded: {0} bytes are queued")]
    Overloaded(usize),
}

impl BrokerError {
    /// Advice for the user; `None` where there is nothing to say but to start a server.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Tls { problem, .. } => problem.hint(Peer::Redis),
            Self::NoSuchMaster { known, .. } if known.is_empty() => {
                Some("they watch no master at all; the name stands behind the hosts of the URL".to_owned())
            }
            Self::NoSuchMaster { known, .. } => {
                Some(format!("they know {}; the name stands behind the hosts of the URL", known.join(", ").escape_debug()))
            }
            Self::NotMaster { .. } => Some(
                "the URL should lead to the master, or through Sentinel to it; with ?replica=ok a replica will do".to_owned(),
            ),
            _ => None,
        }
    }
}

/// What is kept of a job beyond the life of a relay.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StoredJob {
    /// Whose job it is, if anybody said so.
    pub owner: Option<String>,
    /// The last event as published, or the merged state of a merging dialect.
    pub state: Option<Bytes>,
    /// The outcome (`succeeded`, `failed`, `cancelled`) once the job has ended.
    pub ended: Option<String>,
    /// The last known percent, as JSON number text.
    pub percent: Option<String>,
    /// When the state was written, in microseconds since the Unix epoch.
    pub updated: u64,
}

/// Keeps the newest state of jobs: the hash `jobwire:{dialect}:{job}` in Redis, for 24 hours.
pub trait StateStore: Send + Sync {
    /// Reads a job back; `None` when nothing is kept of it.
    fn load<'a>(
        &'a self,
        dialect: &'a str,
        job: &'a str,
    ) -> BoxFuture<'a, Result<Option<StoredJob>, BrokerError>>;

    /// Reads a key at which somebody else keeps a text; at most `most` bytes and one more, which says that it is longer.
    /// `None` when there is no such key.
    fn read<'a>(&'a self, key: &'a str, most: usize) -> BoxFuture<'a, Result<Option<Bytes>, BrokerError>>;

    /// Reads fields of a hash that somebody else keeps, in order. One longer than `most` bytes is not read; where its length
    /// may not be asked for, it is read all the same.
    fn read_fields<'a>(
        &'a self,
        key: &'a str,
        fields: &'a [String],
        most: usize,
    ) -> BoxFuture<'a, Result<Vec<KeptField>, BrokerError>>;

    /// The number of the database that all of this is in.
    fn database(&self) -> u32;

    /// Keeps whose job it is before any event of it comes; the first owner stays, and what is kept of a run that has ended
    /// goes. Resolves to whether it is this owner's job now.
    fn register<'a>(
        &'a self,
        dialect: &'a str,
        job: &'a str,
        owner: &'a str,
    ) -> BoxFuture<'a, Result<bool, BrokerError>>;

    /// Writes jobs, each only if `updated` is newer than what is there; an absent owner leaves the one that is there.
    ///
    /// Resolves to the jobs that the store refused to write. After an error all of them may be unwritten.
    fn save<'a>(&'a self, jobs: &'a [JobToSave]) -> BoxFuture<'a, Result<Vec<NotSaved>, BrokerError>>;
}

/// A job that a store refused to write.
#[derive(Debug, Clone)]
pub struct NotSaved {
    /// Index among the jobs to save.
    pub job: usize,
    /// Reason of the refusal.
    pub error: BrokerError,
}

/// One job on its way into the store.
#[derive(Debug, Clone)]
pub struct JobToSave {
    /// The dialect's name.
    pub dialect: Arc<str>,
    /// The job's id.
    pub job: Arc<str>,
    /// What to keep.
    pub stored: StoredJob,
}

/// Entries of streams that were given before, or that are older than the source's history.
pub trait History: Send + Sync {
    /// Reads entries of a stream behind a position, oldest first, at most `most`. Pages that several ask for at a time are
    /// read once.
    fn page(
        &self,
        stream: StreamId,
        after: Position,
        most: usize,
    ) -> BoxFuture<'_, Result<Page, BrokerError>>;
}

/// Entries of a stream, oldest first.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// The entries; none at the end of the stream.
    pub entries: Arc<[Entry]>,
    /// Whether no entry between the position that was asked for and the first of these can be missing.
    pub is_whole: bool,
    /// Position of the newest entry that the stream ever had.
    pub newest: Position,
}

/// An entry of a stream as it becomes a publication.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Position of the entry in the stream.
    pub position: Position,
    /// Channel of the publication; `None` for an entry that belongs to no job or has no payload.
    pub channel: Option<Bytes>,
    /// The payload.
    pub payload: Bytes,
}

/// A source of publications and a way to publish.
pub trait Broker: Send + Sync {
    /// `embedded` or `redis`.
    fn name(&self) -> &'static str;

    /// Where it is, for people: a URL, its password masked.
    fn address(&self) -> String;

    /// Feeds `sink` until `stop`; reconnects for ever. Runs once per broker.
    fn run(
        &self,
        subscriptions: Vec<Subscription>,
        sink: Box<dyn Sink>,
        stop: CancellationToken,
    ) -> BoxFuture<'_, ()>;

    /// Publishes; resolves to the number of subscribers that got it.
    fn publish<'a>(&'a self, channel: &'a str, payload: Bytes) -> BoxFuture<'a, Result<u64, BrokerError>>;

    /// Whether the configuration can be right, as far as the servers tell that can be reached now.
    fn check(&self) -> BoxFuture<'_, Result<(), BrokerError>> {
        Box::pin(async { Ok(()) })
    }

    /// How the source is doing, now and later.
    fn status(&self) -> watch::Receiver<Status>;

    /// Where state outlives the relay, if it does.
    fn store(&self) -> Option<&dyn StateStore> {
        None
    }

    /// Reader of entries that were given before, if there are streams.
    fn history(&self) -> Option<&dyn History> {
        None
    }

    /// Appends a payload to a stream, with the job's id where the stream's entries have one. Once it resolves, the entry is
    /// in the stream. An error of the connection leaves it open whether it is.
    fn append<'a>(
        &'a self,
        key: &'a str,
        job: Option<&'a str>,
        payload: Bytes,
    ) -> BoxFuture<'a, Result<Position, BrokerError>>;
}
