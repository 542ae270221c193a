//! One target's connection: connect, read, poll while the socket is down, come back, know when to give up.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use hyper::Method;
use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::time::{sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use url::Url;

use super::Observer;
use super::job::Link;
use super::verdict::{Verdict, of_close, of_error};
use crate::dialect::Dialect;
use crate::exit::Failure;
use crate::net::backoff::Backoff;
use crate::net::websocket::{Limits, Message, WebSocket, connect, lost};
use crate::net::{NetError, address, http};

/// How long things may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timing {
    /// One attempt to connect, handshake included; also one poll.
    pub(super) attempt: Duration,
    /// The first wait before another attempt.
    pub(super) first_wait: Duration,
    /// The longest wait.
    pub(super) longest_wait: Duration,
    /// From poll to poll while the socket is down.
    pub(super) poll: Duration,
    /// Nothing heard for so long, pings included: ask with a ping of our own.
    pub(super) ask: Duration,
    /// Still nothing so long after that: the connection is dead.
    pub(super) give_up: Duration,
    /// A connection that lasted this long makes up for the failed attempts before it.
    pub(super) held: Duration,
    /// A first message within this time is the server's snapshot; a later one is news.
    pub(super) snapshot: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            attempt: Duration::from_secs(10),
            first_wait: Duration::from_millis(250),
            longest_wait: Duration::from_secs(10),
            poll: Duration::from_secs(3),
            // A relay pings every 30 s; one lost ping is no reason yet.
            ask: Duration::from_secs(45),
            give_up: Duration::from_secs(30),
            held: Duration::from_secs(5),
            snapshot: Duration::from_secs(3),
        }
    }
}

/// What a follower reports.
#[derive(Debug)]
pub(super) enum Report {
    /// A message of the socket.
    Text {
        /// As it came.
        text: String,
        /// It came first and at once: the server's snapshot.
        snapshot: bool,
    },
    /// A polling body.
    Status(String),
    /// A change of the connection.
    Link(Link),
    /// It gave up, or was refused.
    Lost(Failure),
}

/// A report, with where and when.
#[derive(Debug)]
pub(super) struct Envelope {
    /// Which job of the board.
    pub(super) index: usize,
    /// When it came, for people and files.
    pub(super) received_at: Timestamp,
    /// What it is.
    pub(super) report: Report,
}

/// Where to find one target.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// Its socket.
    pub(super) socket: Url,
    /// Its socket on the first connection: it may ask for the run so far.
    pub(super) first: Url,
    /// Where it is polled, if it can be.
    pub(super) status: Option<Url>,
    /// How its polling bodies are read.
    pub(super) dialect: Arc<Dialect>,
}

/// Follows one target until it is stopped or gives up.
pub(super) struct Follower {
    /// Which job of the board.
    pub(super) index: usize,
    /// The target's name, for the observer.
    pub(super) name: String,
    pub(super) place: Place,
    /// Failed attempts in a row that are made up for by another try.
    pub(super) retries: u32,
    pub(super) timing: Timing,
    pub(super) observer: Option<Observer>,
    /// Bounded: while the renderer is behind, the follower waits, reads nothing more, and TCP pushes back.
    pub(super) reports: mpsc::Sender<Envelope>,
    /// The job has ended, or all is over.
    pub(super) stop: CancellationToken,
}

/// How a connection, or an attempt at one, ended.
enum End {
    Stopped,
    Closed { code: Option<u16>, reason: String },
    Failed(NetError),
}

/// Retries so far.
struct Tries {
    /// There was a connection, so that what the run was up to then is known.
    connected: bool,
    failed: u32,
    backoff: Backoff,
    next_poll: tokio::time::Instant,
}

impl Follower {
    /// Runs until stopped, refused, or out of retries; reports all that happens.
    pub(super) async fn run(self) {
        let mut tries = Tries {
            connected: false,
            failed: 0,
            backoff: Backoff::new(self.timing.first_wait, self.timing.longest_wait),
            next_poll: tokio::time::Instant::now(),
        };
        loop {
            let verdict = match self.attempt(&mut tries).await {
                End::Stopped => return,
                End::Closed { code, reason } => of_close(&address(&self.place.socket), code, &reason),
                End::Failed(error) => of_error(&error),
            };
            let reason = match verdict {
                Verdict::Final(failure) => return self.report(Report::Lost(failure)).await,
                Verdict::Wait { reason } => reason,
                Verdict::Retry { reason, last } => {
                    tries.failed += 1;
                    if tries.failed > self.retries {
                        return self.report(Report::Lost(last.after(tries.failed))).await;
                    }
                    reason
                }
            };
            if self.pause(&mut tries, reason).await.is_none() {
                return;
            }
        }
    }

    /// Connects and reads until the connection ends.
    async fn attempt(&self, tries: &mut Tries) -> End {
        let url = if tries.connected { &self.place.socket } else { &self.place.first };
        let connecting = connect(url, Limits::default(), self.timing.attempt);
        let Some(connected) = self.stop.run_until_cancelled(connecting).await else { return End::Stopped };
        let mut socket = match connected {
            Ok(socket) => socket,
            Err(error) => return End::Failed(error),
        };
        let since = Instant::now();
        tries.connected = true;
        self.report(Report::Link(Link::Connected)).await;
        let end = self.stop.run_until_cancelled(self.read(&mut socket, since)).await;
        if end.is_none() {
            // The job is over, so a server that does not take the close is not waited for long.
            let _ = timeout(Duration::from_millis(200), socket.close(None)).await;
        }
        let end = end.unwrap_or(End::Stopped);
        if since.elapsed() >= self.timing.held {
            tries.failed = 0;
            tries.backoff.reset();
        }
        if let End::Closed { reason, .. } = &end {
            self.report(Report::Link(Link::Disconnected { reason: reason.clone() })).await;
        } else if let End::Failed(error) = &end {
            self.report(Report::Link(Link::Disconnected { reason: error.to_string() })).await;
        }
        end
    }

    /// Reads until the connection ends. Pings are answered by the library: it writes the pong before it reads on.
    async fn read(&self, socket: &mut WebSocket, since: Instant) -> End {
        let url = &self.place.socket;
        let (mut asked, mut first) = (false, true);
        loop {
            let patience = if asked { self.timing.give_up } else { self.timing.ask };
            let message = match timeout(patience, socket.next()).await {
                Err(_) if asked => {
                    let reason = "it answers no ping".to_owned();
                    return End::Failed(NetError::Closed { address: address(url), reason });
                }
                Err(_) => {
                    asked = true;
                    match socket.send(Message::Ping(Bytes::new())).await {
                        Ok(()) => continue,
                        Err(error) => return End::Failed(lost(url, &error)),
                    }
                }
                Ok(message) => message,
            };
            asked = false;
            match message {
                Some(Ok(Message::Text(text))) => {
                    let now = Instant::now();
                    if let Some(observer) = &self.observer {
                        observer(&self.name, text.as_str(), now);
                    }
                    let snapshot = first && now.duration_since(since) < self.timing.snapshot;
                    first = false;
                    self.report(Report::Text { text: text.as_str().to_owned(), snapshot }).await;
                }
                Some(Ok(Message::Close(frame))) => {
                    let code = frame.as_ref().map(|frame| frame.code.into());
                    let reason = frame.map(|frame| frame.reason.as_str().to_owned()).unwrap_or_default();
                    return End::Closed { code, reason };
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return End::Failed(lost(url, &error)),
                None => return End::Closed { code: None, reason: String::new() },
            }
        }
    }

    /// Waits for the next attempt, polling meanwhile; `None` when stopped.
    async fn pause(&self, tries: &mut Tries, reason: String) -> Option<()> {
        let wait = tries.backoff.next(rand::random());
        let until = tokio::time::Instant::now() + wait;
        let attempt = tries.failed + 1;
        self.report(Report::Link(Link::Reconnecting { attempt, wait, reason })).await;
        let waiting = async {
            let mut polling = false;
            loop {
                sleep_until(tries.next_poll.min(until)).await;
                if tokio::time::Instant::now() >= until {
                    return;
                }
                tries.next_poll = tokio::time::Instant::now() + self.timing.poll;
                // An answer that comes after the socket was to be tried again is late: the socket is better.
                let polled = tokio::select! {
                    polled = self.poll() => polled,
                    () = sleep_until(until) => return,
                };
                if let Some(body) = polled {
                    // The server is there and tells what it knows, so it is not lost, however its socket fares.
                    tries.failed = 0;
                    if !polling {
                        polling = true;
                        self.report(Report::Link(Link::Polling)).await;
                    }
                    self.report(Report::Status(body)).await;
                }
            }
        };
        self.stop.run_until_cancelled(waiting).await
    }

    /// The polling body, if there is one that says something.
    async fn poll(&self) -> Option<String> {
        let url = self.place.status.as_ref()?;
        let answer = http::request(Method::GET, url, &[], Bytes::new(), self.timing.attempt).await.ok()?;
        let body = String::from_utf8(answer.success(url).ok()?.into()).ok()?;
        self.place.dialect.view_status(&body).is_some().then_some(body)
    }

    async fn report(&self, report: Report) {
        let envelope = Envelope { index: self.index, received_at: Timestamp::now(), report };
        // A main loop that is gone wants nothing more.
        let _ = self.reports.send(envelope).await;
    }
}
