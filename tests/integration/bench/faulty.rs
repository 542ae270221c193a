//! A server whose delays and faults are known: events come in by POST and go out on sockets, all in this process.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::support::{PATIENCE, until};

/// What is done to an event, by its sequence number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Deal {
    /// How long it is held.
    pub(super) delay: Duration,
    /// How often it is sent.
    pub(super) times: usize,
    /// Whether it waits for the next one to go first.
    pub(super) late: bool,
    /// Whether everything stops for so long before it.
    pub(super) pause: Duration,
}

impl Deal {
    /// Nothing is done to it.
    pub(super) fn plain() -> Self {
        Self { times: 1, ..Self::default() }
    }

    /// It is held so long.
    pub(super) fn held(delay: Duration) -> Self {
        Self { delay, ..Self::plain() }
    }
}

/// What it does with an upgrade.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Door {
    /// Every one succeeds.
    #[default]
    Open,
    /// From the second on, every other is answered 503.
    Half,
    /// It answers and hangs up.
    Slammed,
    /// It sends what is no frame.
    Garbage,
    /// It is open until so many have upgraded; then a last message goes out, and the end right behind it, without a close
    /// frame.
    Parting(u64),
    /// Every one succeeds, with this header in the answer.
    Choosing(&'static str),
    /// Behind so many connections it stays closed for so long; whoever knocks waits.
    Closing(usize, Duration),
}

/// What it does with connections over which events are posted.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Post {
    /// A connection ends after so many answers; 0: never.
    pub(super) answers: u64,
    /// Whether the last answer says that it is.
    pub(super) says_close: bool,
    /// A connection ends when nothing came for so long; zero: never.
    pub(super) idle: Duration,
    /// How long each event is dealt with.
    pub(super) work: Duration,
    /// From this event on, over all connections, it reads without an answer; 0: never.
    pub(super) silent_from: u64,
    /// Everything that is posted is answered so, where it is not empty.
    pub(super) refusal: &'static str,
    /// So many events are answered as usual before anything else begins: the probe, and a warm-up.
    pub(super) spared: u64,
}

/// A running server; it ends with the process.
pub(super) struct Faulty {
    port: u16,
    sockets: Arc<Mutex<Vec<TcpStream>>>,
    latencies: Arc<Mutex<Vec<Duration>>>,
    posting: Arc<AtomicU64>,
}

impl Faulty {
    /// Starts one that does with events what `deal` says.
    pub(super) fn start(door: Door, deal: impl Fn(u64) -> Deal + Send + 'static) -> Self {
        Self::start_with(door, Post::default(), deal)
    }

    /// Starts one whose upgrades have a header more.
    pub(super) fn choosing(header: &'static str) -> Self {
        Self::start(Door::Choosing(header), |_| Deal::plain())
    }

    /// Starts one that has its own way with connections over which events are posted.
    pub(super) fn start_with(door: Door, post: Post, deal: impl Fn(u64) -> Deal + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Self {
            port: listener.local_addr().unwrap().port(),
            sockets: Arc::default(),
            latencies: Arc::default(),
            posting: Arc::default(),
        };
        let (events, deliveries) = channel();
        let sockets = Arc::clone(&server.sockets);
        let latencies = Arc::clone(&server.latencies);
        std::thread::spawn(move || deliver(&deliveries, &sockets, &latencies, &deal));
        let sockets = Arc::clone(&server.sockets);
        let upgrades = Arc::new(AtomicU64::new(0));
        let posted = Posted { post, events, all: Arc::default(), connections: Arc::clone(&server.posting) };
        std::thread::spawn(move || {
            for (nth, stream) in listener.incoming().enumerate() {
                if let Door::Closing(behind, pause) = door
                    && nth == behind
                {
                    // The door is closed for so long; nothing is waited for.
                    std::thread::sleep(pause);
                }
                let (sockets, posted, upgrades) =
                    (Arc::clone(&sockets), posted.clone(), Arc::clone(&upgrades));
                std::thread::spawn(move || serve(stream.unwrap(), door, &sockets, &posted, &upgrades));
            }
        });
        server
    }

    /// `ws://127.0.0.1:PORT`.
    pub(super) fn url(&self) -> String {
        format!("ws://127.0.0.1:{}", self.port)
    }

    /// Where events are posted.
    pub(super) fn publish_url(&self) -> String {
        format!("http://127.0.0.1:{}/publish/{{channel}}", self.port)
    }

    /// Connections over which something was posted.
    pub(super) fn posting_connections(&self) -> u64 {
        self.posting.load(Ordering::Relaxed)
    }

    /// Events that it has sent.
    pub(super) fn delivered(&self) -> usize {
        self.latencies.lock().unwrap().len()
    }

    /// How long after its intended time each event was written, as this server saw it, at a percentile.
    pub(super) fn latency_at(&self, percent: usize) -> Duration {
        let mut all = self.latencies.lock().unwrap().clone();
        all.sort();
        all[(all.len() * percent / 100).min(all.len() - 1)]
    }
}

/// What connections that post have in common.
#[derive(Clone)]
struct Posted {
    post: Post,
    events: Sender<Vec<u8>>,
    all: Arc<AtomicU64>,
    connections: Arc<AtomicU64>,
}

/// One connection: an upgrade, or POSTs one after the other.
fn serve(
    stream: TcpStream,
    door: Door,
    sockets: &Mutex<Vec<TcpStream>>,
    posted: &Posted,
    upgrades: &AtomicU64,
) {
    stream.set_nodelay(true).unwrap();
    let post = posted.post;
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut writer = stream;
    for answered in 0.. {
        let mut head = BTreeMap::new();
        let mut line = String::new();
        while matches!(reader.read_line(&mut line), Ok(read) if read > 2) {
            if let Some((name, value)) = line.split_once(':') {
                head.insert(name.to_lowercase(), value.trim().to_owned());
            }
            line.clear();
        }
        if let Some(key) = head.get("sec-websocket-key") {
            return upgrade(writer, reader, door, upgrades, key, sockets);
        }
        let Some(length) = head.get("content-length").and_then(|length| length.parse().ok()) else { return };
        let mut body = vec![0; length];
        if reader.read_exact(&mut body).is_err() {
            return;
        }
        posted.connections.fetch_add(u64::from(answered == 0), Ordering::Relaxed);
        let nth = posted.all.fetch_add(1, Ordering::Relaxed);
        let is_spared = nth < post.spared;
        if !is_spared && post.silent_from > 0 && nth >= post.silent_from {
            continue;
        }
        if !is_spared && !post.refusal.is_empty() {
            if writer.write_all(post.refusal.as_bytes()).is_err() {
                return;
            }
            continue;
        }
        // The server's own work, not a wait for anything.
        std::thread::sleep(post.work);
        if posted.events.send(body).is_err() {
            return;
        }
        let is_last = post.answers > 0 && answered + 1 >= post.answers;
        let close = if is_last && post.says_close { "Connection: close\r\n" } else { "" };
        if write!(writer, "HTTP/1.1 204 No Content\r\n{close}\r\n").is_err() || is_last {
            return;
        }
        if !post.idle.is_zero() {
            reader.get_ref().set_read_timeout(Some(post.idle)).unwrap();
        }
    }
}

fn upgrade(
    mut writer: TcpStream,
    mut reader: BufReader<TcpStream>,
    door: Door,
    upgrades: &AtomicU64,
    key: &str,
    sockets: &Mutex<Vec<TcpStream>>,
) {
    let nth = upgrades.fetch_add(1, Ordering::Relaxed);
    if door == Door::Half && nth % 2 == 1 {
        let body = r#"{"error":"busy","message":"come back later"}"#;
        let _ = write!(writer, "HTTP/1.1 503 Busy\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        return;
    }
    let accept = derive_accept_key(key.as_bytes());
    let chosen = if let Door::Choosing(header) = door { format!("{header}\r\n") } else { String::new() };
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n{chosen}\r\n"
    );
    // Listed first: whoever is told that it is connected is.
    let mut all = sockets.lock().unwrap();
    if writer.write_all(answer.as_bytes()).is_err() {
        return;
    }
    match door {
        Door::Slammed => {
            let _ = writer.write_all(&[0x88, 8, 0x0f, 0xa1, b'n', b'o', b' ', b'w', b'a', b'y']);
            return;
        }
        Door::Garbage => drop(writer.write_all(b"\xff\xff\xff\xff")),
        Door::Parting(guests) => {
            drop(all);
            until(PATIENCE, "all to be there", || upgrades.load(Ordering::Relaxed) >= guests);
            // Nobody may be there any more.
            let _ = writer.write_all(&[0x81, 3, b'b', b'y', b'e']);
            return drop(writer.shutdown(std::net::Shutdown::Both));
        }
        Door::Open | Door::Half | Door::Choosing(_) | Door::Closing(..) => all.push(writer),
    }
    drop(all);
    // What clients say is of no interest.
    let mut sink = [0; 4096];
    while matches!(reader.read(&mut sink), Ok(read) if read > 0) {}
}

/// Sends every event when its time has come; one at a time, so that all sockets get the same order.
fn deliver(
    events: &Receiver<Vec<u8>>,
    sockets: &Mutex<Vec<TcpStream>>,
    latencies: &Mutex<Vec<Duration>>,
    deal: &dyn Fn(u64) -> Deal,
) {
    let mut waiting: BTreeMap<(Instant, u64), Vec<u8>> = BTreeMap::new();
    let mut late: Option<Vec<u8>> = None;
    let mut nth = 0;
    loop {
        let now = Instant::now();
        if let Some(next) = waiting.first_entry().filter(|next| next.key().0 <= now) {
            send(&next.remove(), sockets, latencies);
            continue;
        }
        let wait = waiting.first_key_value().map_or(Duration::from_mins(1), |((at, _), _)| *at - now);
        let event = match events.recv_timeout(wait) {
            Ok(event) => event,
            Err(std::sync::mpsc::RecvTimeoutError::Timeout) => continue,
            Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => return,
        };
        let seq = mark(&event).0;
        let deal = if seq == (1 << 48) - 1 { Deal::plain() } else { deal(seq) };
        // The server's own pause, not a wait for anything.
        std::thread::sleep(deal.pause);
        if deal.late {
            late = Some(event);
            continue;
        }
        let at = Instant::now() + deal.delay;
        for copy in std::iter::repeat_n(event, deal.times).chain(late.take()) {
            nth += 1;
            waiting.insert((at, nth), copy);
        }
    }
}

fn send(event: &[u8], sockets: &Mutex<Vec<TcpStream>>, latencies: &Mutex<Vec<Duration>>) {
    let length = u16::try_from(event.len()).unwrap();
    let mut frame = vec![0x81, 126];
    frame.extend(length.to_be_bytes());
    frame.extend(event);
    sockets.lock().unwrap().retain_mut(|socket| socket.write_all(&frame).is_ok());
    let (seq, due) = mark(event);
    if seq < (1 << 48) - 1 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        latencies.lock().unwrap().push(now.saturating_sub(Duration::from_nanos(due)));
    }
}

/// Sequence number and intended time of an event.
fn mark(event: &[u8]) -> (u64, u64) {
    let text = std::str::from_utf8(event).unwrap();
    let (_, mark) = text.split_once("jobwire_bench\":\"").expect("every event has a mark");
    let number = |text: &str| u64::from_str_radix(text, 16).unwrap();
    (number(&mark[9..21]), number(&mark[22..38]))
}
