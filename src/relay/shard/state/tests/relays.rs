//! Relays of one shard each that follow the same streams, fed by hand.

use std::net::TcpStream as StdStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use tokio::sync::{Notify, mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::sockets::pair;
use crate::broker::{
    BoxFuture, Broker, BrokerError, Entry, EntryId, History, Page, Position, Publication, Sink, StateStore,
    Status, StreamId, Subscription,
};
use crate::dialect::Dialects;
use crate::relay::RelayOptions;
use crate::relay::auth::{Access, Refusal};
use crate::relay::cursor::Epoch;
use crate::relay::encoding::{Encoding, Shape};
use crate::relay::foreign::Foreign;
use crate::relay::ingest::{Burst, Ingest};
use crate::relay::joblog::{JobLog, JobLogLimits};
use crate::relay::jwks::{Jwks, Timing};
use crate::relay::pages::Pages;
use crate::relay::session::{Credentials, ListAccess, Wanted};
use crate::relay::settings::Reloadable;
use crate::relay::shard::message::{Message, NewConnection, Newcomer, Wants, WeakHandle};
use crate::relay::shard::state::{Shared, State};
use crate::relay::shard::{ShardHandle, ShardSettings, handle};
use crate::relay::tokens::Tokens;

/// Streams, each with its dialect.
pub(super) const STREAMS: [(&str, &str); 3] =
    [("scraping_events", "scraping"), ("fliptechpro:leads", "channels"), ("fliptechpro:emails", "channels")];

/// More turns of the shard than anything takes that does not wait for something else.
const TURNS: usize = 100;

/// An entry as it was added; its position is its place among all of them.
#[derive(Debug, Clone)]
pub(super) struct Added {
    pub(super) stream: usize,
    pub(super) payload: String,
}

/// Contents of Redis.
#[derive(Debug, Default)]
pub(super) struct Streams {
    pub(super) all: Mutex<Vec<Added>>,
    /// Pages that were asked for.
    pub(super) reads: AtomicUsize,
    /// No page is answered.
    pub(super) is_stuck: AtomicBool,
}

fn position(index: usize) -> Position {
    Position { millis: index as u64 + 1, number: 0 }
}

impl History for Streams {
    fn page(&self, stream: StreamId, after: Position, _: usize) -> BoxFuture<'_, Result<Page, BrokerError>> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        if self.is_stuck.load(Ordering::SeqCst) {
            return Box::pin(std::future::pending());
        }
        let all = self.all.lock().unwrap();
        let of_stream = all.iter().enumerate().filter(|(_, added)| added.stream == usize::from(stream.0));
        let entries: Vec<Entry> = of_stream
            .map(|(index, added)| Entry {
                position: position(index),
                channel: Some(STREAMS[added.stream].0.into()),
                payload: added.payload.clone().into(),
            })
            .collect();
        let newest = entries.last().map(|entry| entry.position).unwrap_or_default();
        // Short pages, so that there are some.
        let entries = entries.into_iter().filter(|entry| entry.position > after).take(3).collect();
        Box::pin(std::future::ready(Ok(Page { entries, is_whole: true, newest })))
    }
}

impl Broker for Streams {
    fn name(&self) -> &'static str {
        "streams"
    }

    fn address(&self) -> String {
        String::new()
    }

    fn run(&self, _: Vec<Subscription>, _: Box<dyn Sink>, _: CancellationToken) -> BoxFuture<'_, ()> {
        unreachable!("the test feeds the sink itself")
    }

    fn publish<'a>(&'a self, _: &'a str, _: Bytes) -> BoxFuture<'a, Result<u64, BrokerError>> {
        unreachable!("nothing is published to channels")
    }

    fn status(&self) -> watch::Receiver<Status> {
        watch::channel(Status::default()).1
    }

    fn store(&self) -> Option<&dyn StateStore> {
        None
    }

    fn history(&self) -> Option<&dyn History> {
        Some(self)
    }

    fn append<'a>(
        &'a self,
        _: &'a str,
        _: Option<&'a str>,
        _: Bytes,
    ) -> BoxFuture<'a, Result<Position, BrokerError>> {
        unreachable!("the test appends by itself")
    }
}

/// A relay of one shard, fed by hand.
pub(super) struct Node {
    streams: Arc<Streams>,
    ingest: Ingest,
    queue: mpsc::Receiver<Message>,
    pub(super) shared: Shared,
    pub(super) settings: ShardSettings,
    /// Entries that it was fed.
    taken: usize,
}

impl Node {
    pub(super) async fn new(streams: &Arc<Streams>) -> Self {
        let dialects = Arc::new(Dialects::builtin().with_streams(&["scraping", "channels"]).unwrap());
        let limits = JobLogLimits { tail: 4, ..JobLogLimits::default() };
        let log = Arc::new(Mutex::new(JobLog::new(Arc::clone(&dialects), limits, false)));
        let options = RelayOptions::default();
        let broker: Arc<dyn Broker> = Arc::<Streams>::clone(streams);
        let tokens = Tokens::new(Reloadable::default(), Jwks::new(&[], Timing::default()), None);
        let reading = (None, Some(Pages::new(&broker)));
        let shared = (Epoch::random(), Arc::new(tokens));
        let settings = ShardSettings::new(&options, &dialects, &log, &Arc::default(), reading, shared);
        let answers = WeakHandle(mpsc::channel(1).0.downgrade());
        let shared = Shared::new(State::new(settings.clone(), answers));
        let (sender, queue) = mpsc::channel(64);
        let handle = ShardHandle { queue: sender, room: Arc::new(tokio::sync::Semaphore::new(1 << 20)) };
        let ingest = Ingest {
            foreign: Foreign::start(&broker, &dialects, options.max_payload),
            subscribers: STREAMS.iter().map(|(_, name)| dialects.named(name).unwrap().0).collect(),
            dialects,
            log,
            shards: vec![handle],
            stats: Arc::clone(&settings.stats),
            max_payload: options.max_payload,
            echo_polling: false,
            urgent: Arc::new(Notify::new()),
            gaps: Arc::new(Notify::new()),
            history: watch::channel(true).0,
            burst: Burst::default(),
        };
        let mut node = Self { streams: Arc::clone(streams), ingest, queue, shared, settings, taken: 0 };
        for (stream, (key, _)) in (0..).map(StreamId).zip(&STREAMS) {
            node.ingest.stream(stream, key, usize::from(stream.0), Position::default());
        }
        node.flush().await;
        node
    }

    /// Is told that its channels and a stream are followed, again where they were.
    pub(super) async fn follow_again(&mut self) {
        self.ingest.confirmed(&[0]);
        self.ingest.stream(StreamId(0), STREAMS[0].0, 0, position(self.taken));
        self.flush().await;
    }

    async fn flush(&mut self) {
        self.ingest.flush().await;
        while let Ok(message) = self.queue.try_recv() {
            handle(&self.shared, message).await;
        }
    }

    /// Takes at most so many entries as one burst.
    pub(super) async fn take(&mut self, most: usize) {
        let some: Vec<Added> =
            self.streams.all.lock().unwrap().iter().skip(self.taken).take(most).cloned().collect();
        for Added { stream, payload } in some {
            let id = StreamId(u16::try_from(stream).unwrap());
            self.ingest.publication(Publication {
                subscription: stream,
                channel: STREAMS[stream].0.as_bytes(),
                payload: payload.as_bytes(),
                entry: Some(EntryId { stream: id, position: position(self.taken) }),
                is_history: false,
            });
            self.taken += 1;
        }
        self.flush().await;
    }

    pub(super) fn connect(&self, targets: &[&str], since: Option<&str>) -> StdStream {
        let (stream, client) = pair(1 << 10);
        socket2::SockRef::from(&client).set_recv_buffer_size(1 << 10).unwrap();
        let since = since.map(|since| self.settings.epoch.read(since));
        let targets = targets.iter().map(ToString::to_string).collect();
        let wanted = Wanted { targets, since: since.clone(), ..Wanted::default() };
        let credentials = Credentials::new(Err(Refusal::expired()), true, ListAccess::Open);
        self.shared.adopt(NewConnection {
            stream,
            head: Bytes::new(),
            client: self.settings.stats.clients.enter([127, 0, 0, 1].into()),
            newcomer: Newcomer {
                early: Bytes::new(),
                encoding: Encoding { shape: Shape::Envelope, ..Encoding::default() },
                since,
                kinds: None,
                wants: Wants::Targets(Box::new(wanted), Box::new(credentials)),
                access: Access::Everybody,
            },
        });
        client.set_nonblocking(true).unwrap();
        client
    }
}

pub(super) async fn turns() {
    for _ in 0..TURNS {
        tokio::task::yield_now().await;
    }
}
