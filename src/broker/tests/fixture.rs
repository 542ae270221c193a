//! A real redis-server, a sink that records, and brokers that run; everything waits on conditions, with a deadline.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc as std_mpsc;
use std::time::Duration;

use bytes::Bytes;
use tempfile::TempDir;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::by_streams::ByStreams;
use crate::broker::{
    BoxFuture, Broker, EntryFault, EntryId, MemoryBroker, Position, Publication, RedisBroker, Sink, Status,
    StreamId, Subscription,
};

/// No condition in these tests takes longer, on the slowest machine they run on.
pub(super) const DEADLINE: Duration = Duration::from_secs(30);

/// Waits for `future`, and fails the test when the deadline passes first.
pub(super) async fn within<F: Future>(what: &str, future: F) -> F::Output {
    tokio::time::timeout(DEADLINE, future).await.unwrap_or_else(|_| panic!("{what}: not within {DEADLINE:?}"))
}

/// A port that was free a moment ago.
pub(super) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A redis-server of this test's own, on 127.0.0.1 and a socket in its own directory; killed when dropped.
pub(super) struct RedisServer {
    child: Option<Child>,
    pub(super) port: u16,
    directory: TempDir,
    options: Vec<String>,
}

impl RedisServer {
    /// Starts one on a free port; resolves once it accepts connections.
    pub(super) fn start(options: &[&str]) -> Self {
        for _ in 0..5 {
            let mut server = Self::stopped(free_port(), options);
            // Somebody else may have taken the port meanwhile.
            if server.try_launch() {
                return server;
            }
        }
        panic!("redis-server found no free port in five attempts");
    }

    /// One that is not running yet.
    pub(super) fn stopped(port: u16, options: &[&str]) -> Self {
        let options = options.iter().map(|&option| option.to_owned()).collect();
        Self { child: None, port, directory: TempDir::new().unwrap(), options }
    }

    /// Starts it on its port, which must be free.
    pub(super) fn launch(&mut self) {
        assert!(self.try_launch(), "redis-server did not start on port {}", self.port);
    }

    fn try_launch(&mut self) -> bool {
        let mut child = Command::new("redis-server")
            .args([
                "--port",
                &self.port.to_string(),
                "--bind",
                "127.0.0.1",
                "--save",
                "",
                "--appendonly",
                "no",
            ])
            .arg("--unixsocket")
            .arg(self.socket())
            .args(&self.options)
            .current_dir(self.directory.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("these tests need redis-server (Debian: apt install redis-server)");
        let output = BufReader::new(child.stdout.take().unwrap());
        self.child = Some(child);
        let (ready, is_ready) = std_mpsc::channel();
        // Reads to the end, so that the server never waits for its log to be read.
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if line.contains("Ready to accept connections") {
                    let _ = ready.send(());
                }
            }
        });
        let started = is_ready.recv_timeout(DEADLINE).is_ok();
        if !started {
            self.kill();
        }
        started
    }

    /// Ends it as a power cut would.
    pub(super) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Sends it a signal.
    pub(super) fn signal(&self, signal: rustix::process::Signal) {
        let id = rustix::process::Pid::from_child(self.child.as_ref().unwrap());
        rustix::process::kill_process(id, signal).unwrap();
    }

    pub(super) fn socket(&self) -> PathBuf {
        self.directory.path().join("redis.sock")
    }

    pub(super) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub(super) fn broker(&self) -> Running<RedisBroker> {
        Running::new(RedisBroker::new(&self.url()).unwrap())
    }

    /// Sends a command over the socket, as the default user without a password.
    pub(super) async fn command<T: redis::FromRedisValue>(&self, words: &[&str]) -> T {
        let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
        self.command_raw(&words).await
    }

    /// Sends a command of any bytes, as [`RedisServer::command`] does.
    pub(super) async fn command_raw<T: redis::FromRedisValue>(&self, words: &[&[u8]]) -> T {
        let client = redis::Client::open(format!("unix://{}", self.socket().display())).unwrap();
        let config = redis::AsyncConnectionConfig::new().set_response_timeout(Some(DEADLINE));
        let mut connection = client.get_multiplexed_async_connection_with_config(&config).await.unwrap();
        let mut command = redis::Cmd::new();
        command.arg(words);
        command.query_async(&mut connection).await.unwrap()
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
    }
}

/// What a sink was given.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Got {
    Publication {
        subscription: usize,
        channel: String,
        payload: Vec<u8>,
    },
    Oversized {
        subscription: usize,
        channel: String,
        head: Vec<u8>,
        len: u64,
    },
    /// Subscriptions were confirmed.
    Confirmed(Vec<usize>),
    /// A publication, as `detailed` sinks note it.
    Entry {
        stream: u16,
        position: String,
        channel: String,
        payload: String,
        is_history: bool,
    },
    /// A stream is followed behind a position.
    Stream {
        stream: u16,
        key: String,
        subscription: usize,
        after: String,
    },
    HistoryRead,
    Odd(EntryFault),
    /// A flush began.
    Flush,
}

/// Records everything; its flush waits for a permit, if it was given a gate.
struct Recorder {
    got: mpsc::UnboundedSender<Got>,
    gate: Option<Arc<Semaphore>>,
    /// Whether streams and positions are noted.
    is_detailed: bool,
}

impl Sink for Recorder {
    fn publication(&mut self, publication: Publication<'_>) {
        let channel = String::from_utf8(publication.channel.to_vec()).unwrap();
        let payload = publication.payload.to_vec();
        if let Some(entry) = publication.entry.filter(|_| self.is_detailed) {
            let payload = String::from_utf8(payload).unwrap();
            let (stream, position) = (entry.stream.0, entry.position.to_string());
            let is_history = publication.is_history;
            let _ = self.got.send(Got::Entry { stream, position, channel, payload, is_history });
            return;
        }
        let _ = self.got.send(Got::Publication { subscription: publication.subscription, channel, payload });
    }

    fn confirmed(&mut self, subscriptions: &[usize]) {
        let _ = self.got.send(Got::Confirmed(subscriptions.to_vec()));
    }

    fn stream(&mut self, stream: StreamId, key: &str, subscription: usize, after: Position) {
        if self.is_detailed {
            let (stream, key, after) = (stream.0, key.to_owned(), after.to_string());
            let _ = self.got.send(Got::Stream { stream, key, subscription, after });
        }
    }

    fn history_read(&mut self) {
        if self.is_detailed {
            let _ = self.got.send(Got::HistoryRead);
        }
    }

    fn odd_entry(&mut self, _: usize, _: &str, _: Option<EntryId>, fault: EntryFault) {
        let _ = self.got.send(Got::Odd(fault));
    }

    fn oversized(&mut self, subscription: usize, channel: &[u8], head: &[u8], len: u64) {
        let channel = String::from_utf8(channel.to_vec()).unwrap();
        let _ = self.got.send(Got::Oversized { subscription, channel, head: head.to_vec(), len });
    }

    fn flush(&mut self) -> BoxFuture<'_, ()> {
        let _ = self.got.send(Got::Flush);
        let gate = self.gate.clone();
        Box::pin(async move {
            if let Some(gate) = gate {
                gate.acquire().await.unwrap().forget();
            }
        })
    }
}

/// A broker, its source once started, and what the sink got.
pub(super) struct Running<B: Broker + 'static> {
    pub(super) broker: Arc<B>,
    pub(super) stop: CancellationToken,
    got: mpsc::UnboundedReceiver<Got>,
    sender: mpsc::UnboundedSender<Got>,
    source: Option<JoinHandle<()>>,
    /// Held for as long as the broker needs it.
    pub(super) server: Option<RedisServer>,
    /// Whether the sink notes streams and positions.
    pub(super) is_detailed: bool,
}

impl Running<MemoryBroker> {
    pub(super) fn embedded() -> Self {
        Self::new(MemoryBroker::new())
    }
}

impl Running<RedisBroker> {
    pub(super) fn redis() -> Self {
        let server = RedisServer::start(&[]);
        let mut running = server.broker();
        running.server = Some(server);
        running
    }
}

impl Running<ByStreams> {
    pub(super) fn streams() -> Self {
        let server = RedisServer::start(&[]);
        let mut running = Self::new(ByStreams::new(RedisBroker::new(&server.url()).unwrap()));
        running.server = Some(server);
        running
    }
}

impl<B: Broker + 'static> Running<B> {
    pub(super) fn new(broker: B) -> Self {
        let (sender, got) = mpsc::unbounded_channel();
        let stop = CancellationToken::new();
        Self { broker: Arc::new(broker), stop, got, sender, source: None, server: None, is_detailed: false }
    }

    /// Starts the source, and waits for nothing.
    pub(super) fn start(&mut self, subscriptions: Vec<Subscription>, gate: Option<Arc<Semaphore>>) {
        let (broker, stop) = (Arc::clone(&self.broker), self.stop.clone());
        let sink = Box::new(Recorder { got: self.sender.clone(), gate, is_detailed: self.is_detailed });
        self.source = Some(tokio::spawn(async move { broker.run(subscriptions, sink, stop).await }));
    }

    /// Starts the source and waits until it is connected.
    pub(super) async fn subscribe(&mut self, subscriptions: Vec<Subscription>) {
        self.start(subscriptions, None);
        self.status("connected", |status| status.connected).await;
    }

    /// Waits for a status.
    pub(super) async fn status(&self, what: &str, wanted: impl FnMut(&Status) -> bool) -> Status {
        let mut status = self.broker.status();
        let status = within(what, status.wait_for(wanted)).await.unwrap();
        status.clone()
    }

    /// The next thing that the sink got, flushes included.
    pub(super) async fn anything(&mut self) -> Got {
        within("something for the sink", self.got.recv()).await.unwrap()
    }

    /// The next publication that the sink got.
    pub(super) async fn next(&mut self) -> Got {
        loop {
            let got = self.anything().await;
            if !matches!(got, Got::Flush | Got::Confirmed(_)) {
                return got;
            }
        }
    }

    /// Waits until `count` subscriptions were confirmed and flushed, before any publication; resolves to them, sorted.
    pub(super) async fn confirmed(&mut self, count: usize) -> Vec<usize> {
        let mut confirmed = Vec::new();
        loop {
            match self.anything().await {
                Got::Confirmed(some) => confirmed.extend(some),
                Got::Flush if confirmed.len() >= count => break,
                Got::Flush => {}
                got => panic!("{got:.300?} came before {count} confirmations, after {confirmed:?}"),
            }
        }
        confirmed.sort_unstable();
        confirmed
    }

    /// Waits for the beginning of a flush of publications, and counts them.
    pub(super) async fn flush(&mut self) -> usize {
        let mut before = 0;
        loop {
            match self.anything().await {
                Got::Flush if before > 0 => return before,
                Got::Flush | Got::Confirmed(_) => {}
                _ => before += 1,
            }
        }
    }

    /// Publications that the sink got and nobody has taken.
    pub(super) fn waiting(&self) -> usize {
        self.got.len()
    }

    pub(super) async fn publish(&self, channel: &str, payload: impl Into<Vec<u8>>) -> u64 {
        let payload = Bytes::from(payload.into());
        within("a publication", self.broker.publish(channel, payload)).await.unwrap()
    }

    /// Asserts that this is the next that the sink got.
    pub(super) async fn expect(&mut self, subscription: usize, channel: &str, payload: &[u8]) {
        let got = self.next().await;
        let wanted =
            Got::Publication { subscription, channel: channel.to_owned(), payload: payload.to_vec() };
        assert!(got == wanted, "got {got:.300?}, wanted {wanted:.300?}");
    }

    /// Waits for the source to end.
    pub(super) async fn ended(&mut self) {
        within("the end of the source", self.source.take().unwrap()).await.unwrap();
    }
}

impl<B: Broker + 'static> Drop for Running<B> {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

pub(super) fn channel(name: &str) -> Subscription {
    Subscription::Channel(name.to_owned())
}

pub(super) fn prefix(name: &str) -> Subscription {
    Subscription::Prefix(name.to_owned())
}
