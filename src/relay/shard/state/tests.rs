mod cuts;
mod relays;
mod sockets;

use std::io::Read as _;
use std::net::TcpStream as StdStream;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use tokio::sync::mpsc;

use self::sockets::pair;
use super::*;
use crate::dialect::Dialects;
use crate::relay::RelayOptions;
use crate::relay::auth::Access;
use crate::relay::cursor::Epoch;
use crate::relay::encoding::Encoding;
use crate::relay::event::Snapshot;
use crate::relay::event::{Delivery, testing::event_of};
use crate::relay::joblog::{JobLog, JobLogLimits};
use crate::relay::jwks::{Jwks, Timing};
use crate::relay::reservation::Reservation;
use crate::relay::session::{Opening, WatchId};
use crate::relay::settings::Reloadable;
use crate::relay::shard::message::{NewConnection, Newcomer, Wants};
use crate::relay::tokens::Tokens;
use crate::wire::Payload;
use crate::wire::websocket::testing;

/// How long a read of the client may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// More than a socket on loopback swallows.
const BIG: usize = 8 << 20;

fn tokens() -> (Epoch, Arc<Tokens>) {
    let jwks = Jwks::new(&[], Timing::default());
    (Epoch::random(), Arc::new(Tokens::new(Reloadable::default(), jwks, None)))
}

/// A shard on this thread, without the queue in front of it.
struct Fixture {
    shared: Shared,
    settings: ShardSettings,
}

impl Fixture {
    fn new(outbox: usize) -> Self {
        let dialects = Arc::new(Dialects::builtin());
        let log = JobLog::new(Arc::clone(&dialects), JobLogLimits::default(), false);
        let options = RelayOptions { outbox, ..RelayOptions::default() };
        let log = Arc::new(Mutex::new(log));
        let settings = ShardSettings::new(&options, &dialects, &log, &Arc::default(), (None, None), tokens());
        let answers = WeakHandle(mpsc::channel(1).0.downgrade());
        Self { shared: Shared::new(State::new(settings.clone(), answers)), settings }
    }

    fn scraping(&self) -> DialectId {
        self.settings.dialects.named("scraping").unwrap().0
    }

    /// Hands the shard a socket that watches scraping job 1 and gives back its other end.
    async fn connect(&self) -> Client {
        let job: Arc<str> = "1".into();
        let reservation =
            Some(Box::new(Reservation::begin(&self.settings.log, self.scraping(), &job, false)));
        let wants = Wants::Job { dialect: self.scraping(), job, possible: true, reservation };
        let client = self.adopt(wants);
        let topic = Topic::job(self.scraping(), "1");
        let closing = self.shared.state().closing;
        while !closing && self.shared.count(std::slice::from_ref(&topic)) == 0 {
            tokio::task::yield_now().await;
        }
        client
    }

    /// The same with a socket that has joined the rooms `lead:1` to `lead:3`.
    async fn connect_to_rooms(&self) -> Client {
        let (id, dialect) = self.settings.dialects.with_channels().unwrap();
        let query = "lead_id=1&lead_id=2&lead_id=3";
        let opening = Opening::parse(dialect.channels.as_ref().unwrap(), None, query);
        let client = self.adopt(Wants::Channels(id, opening));
        while self.shared.census(id).room_subscriptions < 3 {
            tokio::task::yield_now().await;
        }
        client
    }

    fn adopt(&self, wants: Wants) -> Client {
        let (stream, client) = pair(128 << 10);
        self.shared.adopt(NewConnection {
            stream,
            head: Bytes::new(),
            client: self.settings.stats.clients.enter([127, 0, 0, 1].into()),
            newcomer: Newcomer {
                early: Bytes::new(),
                encoding: Encoding::default(),
                since: None,
                kinds: None,
                wants,
                access: Access::Everybody,
            },
        });
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        Client(client)
    }

    /// The one connection gets all of this in one read.
    fn feed(&self, mut input: Vec<u8>) {
        let mut state = self.shared.state();
        let id = state.conns.ids().next().unwrap();
        self.shared.feed(&mut state, id, &mut input);
    }

    /// Subscriptions to rooms.
    fn rooms(&self) -> usize {
        self.shared.census(self.settings.dialects.with_channels().unwrap().0).room_subscriptions
    }

    /// Has the one connection do something.
    fn act(&self, action: Action) {
        let mut state = self.shared.state();
        let id = state.conns.ids().next().unwrap();
        self.shared.act(&mut state, id, action);
    }

    /// A milestone of job 1.
    fn event(&self, sequence: u64, bytes: usize) -> Delivery {
        let event = event_of(Topic::job(self.scraping(), "1"), sequence, &vec![b'x'; bytes]);
        Delivery { event: Arc::new(event), echo: None }
    }
}

fn state_of(bytes: usize) -> Snapshot {
    Snapshot { sequence: 1, payload: Payload::plain(&vec![b'x'; bytes]) }
}

struct Client(StdStream);

impl Client {
    /// Opcode and length of everything up to the next frame of that opcode, read on another thread.
    async fn frames_until(mut self, opcode: u8) -> Vec<(u8, usize)> {
        let read = move || {
            let mut frames = Vec::new();
            while frames.last().is_none_or(|(last, _)| *last != opcode) {
                frames.push(self.frame());
            }
            frames
        };
        tokio::task::spawn_blocking(read).await.unwrap()
    }

    fn frame(&mut self) -> (u8, usize) {
        let [first, short] = self.take();
        let length = match short {
            126 => usize::from(u16::from_be_bytes(self.take())),
            127 => usize::try_from(u64::from_be_bytes(self.take())).unwrap(),
            short => usize::from(short),
        };
        self.0.read_exact(&mut vec![0; length]).unwrap();
        (first & 0x0f, length)
    }

    fn take<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.0.read_exact(&mut bytes).unwrap();
        bytes
    }
}

fn on_a_shard(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build_local(tokio::runtime::LocalOptions::default())
        .unwrap()
        .block_on(test);
}

#[test]
fn a_client_that_reads_slowly_is_pinged_behind_what_waits_for_it() {
    on_a_shard(async {
        let shard = Fixture::new(BIG);
        let client = shard.connect().await;
        shard.shared.deliver(&[shard.event(1, BIG)]).await;
        shard.act(Action::Ping);
        assert_eq!(client.frames_until(9).await, [(1, BIG), (9, 0)]);
    });
}

#[test]
fn a_state_beyond_the_bound_of_the_outbox_is_sent_whole() {
    on_a_shard(async {
        let shard = Fixture::new(1 << 10);
        let client = shard.connect().await;
        for _ in 0..3 {
            shard.act(Action::State(WatchId::ONLY, state_of(BIG)));
        }
        shard.shared.deliver(&[shard.event(1, 100)]).await;
        shard.act(Action::Ping);
        assert_eq!(client.frames_until(9).await, [(1, BIG), (1, BIG), (1, BIG), (1, 100), (9, 0)]);
    });
}

#[test]
fn milestones_beyond_the_bound_close_with_1013_behind_the_frame_that_was_begun() {
    on_a_shard(async {
        let shard = Fixture::new(BIG);
        let client = shard.connect().await;
        let events = [1, 2, 3].map(|sequence| shard.event(sequence, BIG));
        shard.shared.deliver(&events).await;
        let frames = client.frames_until(8).await;
        assert!(matches!(frames.as_slice(), [.., (8, length)] if *length > 2), "{frames:?}");
        assert!(frames.len() <= 2, "{frames:?}");
    });
}

#[test]
fn a_connection_that_comes_after_the_drain_is_closed_too() {
    on_a_shard(async {
        let shard = Fixture::new(BIG);
        let (sender, drained) = oneshot::channel();
        shard.shared.drain(Duration::ZERO, sender);
        drained.await.unwrap();
        assert_eq!(shard.connect().await.frames_until(8).await, [(8, 2 + "going away".len())]);
    });
}

/// Commands to leave the rooms.
fn leave(rooms: impl IntoIterator<Item = u32>) -> Vec<u8> {
    let text = |room| format!(r#"{{"type":"leave_room","room":"lead:{room}"}}"#);
    rooms.into_iter().flat_map(|room| testing::frame(0x81, text(room).as_bytes())).collect()
}

#[test]
fn what_is_left_together_with_the_connection_is_not_kept() {
    on_a_shard(async {
        let shard = Fixture::new(BIG);
        let _client = shard.connect_to_rooms().await;
        shard.feed([leave([1, 2]), testing::frame(0x88, b"")].concat());
        assert_eq!(shard.rooms(), 1, "what it did not leave goes with it");
    });
}

#[test]
fn what_is_left_by_a_client_that_does_not_read_is_not_kept() {
    on_a_shard(async {
        let shard = Fixture::new(1);
        let _client = shard.connect_to_rooms().await;
        shard.act(Action::State(WatchId::ONLY, state_of(BIG)));
        shard.feed(leave([1, 2, 3]));
        assert_eq!(shard.settings.stats.slow_consumers.get(), 1);
        assert_eq!(shard.rooms(), 0);
    });
}
