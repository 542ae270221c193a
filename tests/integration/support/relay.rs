//! A real relay in a process of its own.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tempfile::TempDir;

use super::{
    Answer, EventStream, Output, PATIENCE, Process, RawSocket, RedisServer, WebSocket, command, exchange,
    get, until, wait_for,
};

/// What `serve` prints once a listener is open, followed by the address.
const LISTENING: &str = "listening on http://";

/// `jobwire serve` on a port of its own choice; killed when dropped.
#[derive(Debug)]
pub(crate) struct Relay {
    process: Process,
    address: String,
    /// Its runtime folder, where it leaves the publish key.
    runtime: TempDir,
}

impl Relay {
    /// Starts one, on the embedded broker unless the arguments name a Redis, and waits until it listens.
    pub(crate) fn start(args: &[&str]) -> Self {
        Self::listening_on("127.0.0.1:0", args)
    }

    /// Starts one on a given address, as after a restart.
    pub(crate) fn listening_on(address: &str, args: &[&str]) -> Self {
        let mut serve = command(&["serve", "--listen", address]);
        serve.args(args);
        Self::spawned(serve)
    }

    /// Starts one on a Redis and waits until it is subscribed.
    pub(crate) fn on(redis: &RedisServer, args: &[&str]) -> Self {
        let relay = Self::start(&[&["--redis", &redis.url()], args].concat());
        until(PATIENCE, "the relay to subscribe", || relay.get("/ready").0 == 200);
        relay
    }

    /// Starts what a command says, which must come to `serve`, and waits until it listens.
    pub(crate) fn spawned(serve: Command) -> Self {
        Self::spawned_in(TempDir::new().unwrap(), serve)
    }

    /// Kills it, lets the test do something, and starts another on its address for the same user.
    pub(crate) fn restarted(self, meanwhile: impl FnOnce()) -> Self {
        let Self { process, address, runtime } = self;
        drop(process);
        meanwhile();
        Self::spawned_in(runtime, command(&["serve", "--listen", &address]))
    }

    /// Kills it, and starts another on a Redis, once that is subscribed.
    pub(crate) fn restarted_on(self, redis: &str) -> Self {
        drop(self);
        let relay = Self::start(&["--redis", redis]);
        until(PATIENCE, "the relay to subscribe", || relay.get("/ready").0 == 200);
        relay
    }

    fn spawned_in(runtime: TempDir, mut serve: Command) -> Self {
        let mut process = Process::spawn(serve.env("XDG_RUNTIME_DIR", runtime.path()));
        let address = wait_for(PATIENCE, "the relay to listen", || {
            assert!(!process.has_ended(), "the relay did not start: {}", process.stderr());
            listening_on(&process.stderr())
        });
        Self { process, address, runtime }
    }

    /// Host and port of the first listener.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// The URL of a socket on it.
    pub(crate) fn ws(&self, path: &str) -> String {
        format!("ws://{}{path}", self.address)
    }

    /// Opens a socket on it.
    pub(crate) fn connect(&self, path: &str) -> WebSocket {
        WebSocket::connect(&self.ws(path))
    }

    /// Opens an event stream on it.
    #[track_caller]
    pub(crate) fn stream(&self, path: &str) -> EventStream {
        EventStream::open(&self.address, path, &[])
    }

    /// Opens an event stream that goes on behind an id.
    #[track_caller]
    pub(crate) fn stream_after(&self, path: &str, id: &str) -> EventStream {
        EventStream::open(&self.address, path, &[("Last-Event-ID", id)])
    }

    /// Opens a socket on it that does nothing by itself.
    pub(crate) fn raw(&self, path: &str) -> RawSocket {
        RawSocket::connect(&self.address, path)
    }

    /// One HTTP request.
    pub(crate) fn exchange(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        exchange(&self.address, method, path, headers, body)
    }

    /// What `/ws/stats` says.
    pub(crate) fn stats(&self) -> serde_json::Value {
        self.exchange("GET", "/ws/stats", &[], b"").json()
    }

    /// Waits until it has so many sockets.
    pub(crate) fn until_connections(&self, count: u64) {
        until(PATIENCE, "the number of sockets", || self.stats()["total_connections"] == count);
    }

    /// Waits until it has taken so many events, or more.
    pub(crate) fn until_events(&self, count: u64) {
        until(PATIENCE, "the number of events", || self.stats()["events"].as_u64() >= Some(count));
    }

    /// The file with its publish key.
    pub(crate) fn key_file(&self) -> PathBuf {
        let port = self.address.rsplit(':').next().unwrap();
        self.runtime.path().join("jobwire").join(format!("publish-key.{port}"))
    }

    /// Publishes over HTTP, which must succeed, and waits until the relay has taken the event, which it counts; only for
    /// one test thread at a time. Returns the sockets that got it.
    pub(crate) fn publish(&self, channel: &str, payload: &str) -> u64 {
        let events = || self.stats()["events"].as_u64().unwrap();
        let before = events();
        let key = std::fs::read_to_string(self.key_file()).unwrap();
        let bearer = format!("Bearer {}", key.trim());
        let path = format!("/publish/{channel}");
        let answer = self.exchange("POST", &path, &[("Authorization", &bearer)], payload.as_bytes());
        assert_eq!(answer.status, 200, "{answer:?}");
        until(PATIENCE, "the relay to take the event", || events() > before);
        answer.json()["sockets"].as_u64().unwrap()
    }

    /// Publishes over HTTP, which must succeed, and waits for nothing.
    pub(crate) fn publish_fast(&self, channel: &str, payload: &str) {
        let key = std::fs::read_to_string(self.key_file()).unwrap();
        let bearer = format!("Bearer {}", key.trim());
        let path = format!("/publish/{channel}");
        let answer = self.exchange("POST", &path, &[("Authorization", &bearer)], payload.as_bytes());
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Status and body of a GET.
    pub(crate) fn get(&self, path: &str) -> (u16, String) {
        get(&self.address, path)
    }

    /// What makes a process of the binary talk to this relay, and find its publish key.
    pub(crate) fn env(&self) -> [(&'static str, String); 2] {
        let runtime = self.runtime.path().to_str().unwrap().to_owned();
        [("JOBWIRE_SERVER", format!("ws://{}", self.address)), ("XDG_RUNTIME_DIR", runtime)]
    }

    /// The binary, talking to this relay.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = command(args);
        command.envs(self.env());
        command
    }

    /// A process of the binary that talks to this relay.
    pub(crate) fn spawn(&self, args: &[&str]) -> Process {
        Process::spawn(&mut self.command(args))
    }

    /// Runs such a process to its end.
    pub(crate) fn jobwire(&self, args: &[&str]) -> Output {
        self.spawn(args).finish(PATIENCE)
    }

    /// Runs bench against it for a second and asserts that nothing is lost. `workers` is a number of processes, 0 for none, and
    /// `redis` the flags that name the Redis to publish into.
    #[track_caller]
    pub(crate) fn assert_bench_loses_nothing(&self, workers: &str, redis: &[&str]) {
        let server = format!("ws://{}", self.address);
        let bench = ["bench", "--server", &server, "-c", "4", "-r", "20", "-d", "1s", "--workers", workers];
        let judged = ["--allow-client-bound", "--assert", "lost==0", "--max-clock-error", "1s"];
        let args = [&bench[..], redis, &judged].concat();
        let output = Process::spawn(&mut command(&args)).finish(PATIENCE * 2);
        assert_eq!(output.code, 0, "{workers} workers: {}{}", output.stdout, output.stderr);
    }

    /// What it has printed so far.
    pub(crate) fn stderr(&self) -> String {
        self.process.stderr()
    }

    /// Waits until it has printed a text so many times. It may log later than it counts and answers.
    #[track_caller]
    pub(crate) fn until_said(&self, text: &str, times: usize) {
        let start = Instant::now();
        while self.stderr().matches(text).count() != times {
            assert!(start.elapsed() < PATIENCE, "{text:?} was not said {times} times in {}", self.stderr());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Kills it, as a crash would.
    pub(crate) fn kill(mut self) {
        self.process.kill();
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    /// Stops it with SIGTERM and waits for its end.
    pub(crate) fn stop(self) -> Output {
        self.signal(Signal::TERM);
        self.finish()
    }

    /// Waits for its end.
    pub(crate) fn finish(self) -> Output {
        self.process.finish(PATIENCE)
    }
}

/// The first address in what a relay has printed, once its line is whole.
fn listening_on(stderr: &str) -> Option<String> {
    let (_, rest) = stderr.split_once(LISTENING)?;
    let end = rest.find(|c: char| c.is_whitespace() || c == '\u{1b}')?;
    Some(rest[..end].trim_end_matches('/').to_owned())
}
