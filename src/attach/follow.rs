//! One target's connection: connect, read, poll while the socket is down, come back, know when to give up.

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use jiff::Timestamp;
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::Observer;
use super::board::Source;
use super::job::{Link, When};
use super::place::Place;
use super::poll::{Polled, poll};
use super::report::{Envelope, Report, Timing};
use super::retry::{End, Next, Tries};
use crate::exit::Failure;
use crate::net::tls::Tls;
use crate::net::token_source::TokenSource;
use crate::net::websocket::{Error, Limits, Message, WebSocket, connect, lost};
use crate::net::{NetError, address};

/// Opens once it is known whether a follower is wanted; until then its first socket is there and not read.
#[derive(Debug, Clone)]
pub(super) struct Gate(pub(super) watch::Receiver<Option<bool>>);

impl Gate {
    /// Waits until it is known. Returns whether the follower is wanted.
    async fn opens(&self) -> bool {
        let mut known = self.0.clone();
        known.wait_for(Option::is_some).await.is_ok_and(|known| *known == Some(true))
    }
}

/// Follows one target until it is stopped or gives up.
pub(super) struct Follower {
    /// What of the board it follows.
    pub(super) source: Source,
    pub(super) place: Place,
    /// Proves who is watching, where the place takes it.
    pub(super) token: Option<TokenSource>,
    /// TLS settings of the connection, such as the certificates that are trusted.
    pub(super) tls: Tls,
    /// Failed attempts in a row that are made up for by another try.
    pub(super) retries: u32,
    pub(super) timing: Timing,
    pub(super) observer: Option<Observer>,
    /// Absent where it is wanted in any case.
    pub(super) gate: Option<Gate>,
    /// Bounded: while the renderer is behind, the follower waits, reads nothing more, and TCP pushes back.
    pub(super) reports: mpsc::Sender<Envelope>,
    /// The job has ended, or all is over.
    pub(super) stop: CancellationToken,
}

/// The payload of the ping whose answer says that the server has told what it knew.
const TOLD: &[u8] = b"told";

/// How far a server is with what it tells on connecting.
enum Opening {
    /// The server has sent nothing yet.
    Silent,
    /// The server is sending what it knows. The opening is over when the ping is answered. If neither the answer nor
    /// more texts come, it is over at this time.
    Telling(tokio::time::Instant),
    /// The server has sent what it knew.
    Over,
}

impl Opening {
    /// How long until it counts as done, while it tells.
    fn left(&self) -> Option<Duration> {
        match self {
            Self::Telling(until) => Some(until.saturating_duration_since(tokio::time::Instant::now())),
            Self::Silent | Self::Over => None,
        }
    }
}

/// How a wait for the next attempt ended.
enum Waited {
    Enough,
    Stopped,
    /// Polling said that no attempt can do better.
    Refused(Failure),
}

impl Follower {
    /// Runs until stopped, refused, or out of retries; reports all that happens.
    pub(super) async fn run(self) {
        let mut tries = Tries::new(&self.timing, self.token.clone(), self.place.takes_token);
        loop {
            let end = self.attempt(&mut tries).await;
            let (link, wait, hint) =
                match tries.next(end, &self.place.dialect, &self.place.socket, self.retries) {
                    Next::Stop => return,
                    Next::Lost(failure) => return self.report(Report::Lost(failure)).await,
                    Next::Pause { link, wait, hint } => (link, wait, hint),
                };
            self.report(Report::Link(link)).await;
            if let Some(hint) = hint.filter(|_| !tries.connected) {
                self.report(Report::Hint(hint)).await;
            }
            match self.pause(&mut tries, wait).await {
                Waited::Enough => {}
                Waited::Stopped => return,
                Waited::Refused(failure) => return self.report(Report::Lost(failure)).await,
            }
        }
    }

    /// Connects and reads until the connection ends.
    async fn attempt(&self, tries: &mut Tries) -> End {
        let url = if tries.connected { &self.place.socket } else { &self.place.first };
        let url = match tries.access.token() {
            Ok(token) => token.map_or_else(|| url.clone(), |token| token.in_query(url)),
            Err(failure) => return End::NoToken(failure),
        };
        let connecting = connect(&url, &self.tls, Limits::default(), self.timing.attempt);
        let Some(connected) = self.stop.run_until_cancelled(connecting).await else { return End::Stopped };
        if let Some(gate) = &self.gate
            && !gate.opens().await
        {
            if let Ok(mut socket) = connected {
                let _ = timeout(Duration::from_millis(200), socket.close(None)).await;
            }
            return End::Stopped;
        }
        let mut socket = match connected {
            Ok(socket) => socket,
            Err(error) => {
                // Whether it knew of a newer ending than the one it told nobody will say.
                self.report(Report::Told).await;
                return End::Failed(error);
            }
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
            tries.held();
        }
        if let End::Closed { reason, .. } = &end {
            // A close comes after everything that the server sent, so nothing of the opening is missing.
            self.report(Report::Told).await;
            self.report(Report::Link(Link::Disconnected { reason: reason.clone() })).await;
        } else if let End::Failed(error) = &end {
            self.report(Report::Link(Link::Disconnected { reason: error.to_string() })).await;
        }
        end
    }

    /// Reads until the connection ends. Pings are answered by the library: it writes the pong before it reads on.
    async fn read(&self, socket: &mut WebSocket, since: Instant) -> End {
        let url = &self.place.socket;
        for command in &self.place.commands {
            if let Err(error) = socket.send(Message::text(command.as_str())).await {
                return End::Failed(lost(url, &error));
            }
        }
        let (mut asked, mut opening) = (false, Opening::Silent);
        loop {
            let patience = if asked { self.timing.give_up } else { self.timing.ask };
            let patience = opening.left().map_or(patience, |left| left.min(patience));
            let message = match timeout(patience, socket.next()).await {
                Err(_) if opening.left().is_some_and(|left| left.is_zero()) => {
                    opening = Opening::Over;
                    self.report(Report::Told).await;
                    continue;
                }
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
                    if let Err(error) = self.text(socket, text.as_str(), since, &mut opening).await {
                        return End::Failed(lost(url, &error));
                    }
                }
                Some(Ok(Message::Pong(payload))) if payload == TOLD && opening.left().is_some() => {
                    opening = Opening::Over;
                    self.report(Report::Told).await;
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

    /// Reports a text. Behind the first one the server is asked for a pong: the answer comes after all that it had to tell
    /// on connecting.
    async fn text(
        &self,
        socket: &mut WebSocket,
        text: &str,
        since: Instant,
        opening: &mut Opening,
    ) -> Result<(), Error> {
        let now = Instant::now();
        if let Some(observer) = &self.observer {
            observer(&self.place.name, text, now);
        }
        let when = match opening {
            Opening::Silent if now.duration_since(since) < self.timing.snapshot => When::First,
            Opening::Silent | Opening::Telling(_) => When::Opening,
            Opening::Over => When::Live,
        };
        if matches!(opening, Opening::Silent) {
            socket.send(Message::Ping(Bytes::from_static(TOLD))).await?;
        }
        if when != When::Live {
            *opening = Opening::Telling(tokio::time::Instant::now() + self.timing.told);
        }
        self.report(Report::Text { text: text.to_owned(), when }).await;
        Ok(())
    }

    /// Waits for the next attempt, polling meanwhile.
    async fn pause(&self, tries: &mut Tries, wait: Duration) -> Waited {
        let until = tokio::time::Instant::now() + wait;
        let waiting = async {
            let mut polling = false;
            loop {
                sleep_until(tries.next_poll.min(until)).await;
                if tokio::time::Instant::now() >= until {
                    return Waited::Enough;
                }
                tries.next_poll = tokio::time::Instant::now() + self.timing.poll;
                // An answer that comes after the socket was to be tried again is late: the socket is better.
                let polled = tokio::select! {
                    polled = poll(&self.place, &mut tries.access, &self.tls, self.timing.attempt) => polled,
                    () = sleep_until(until) => return Waited::Enough,
                };
                match polled {
                    Polled::Nothing => {}
                    Polled::Later(after) => {
                        tries.next_poll = tokio::time::Instant::now() + after.max(self.timing.poll);
                    }
                    Polled::Refused(failure) => return Waited::Refused(failure),
                    Polled::Body(body) => {
                        // The server is there and tells what it knows, so it is not lost, however its socket fares.
                        tries.reached();
                        if !polling {
                            polling = true;
                            self.report(Report::Link(Link::Polling)).await;
                        }
                        self.report(Report::Status(body)).await;
                    }
                }
            }
        };
        self.stop.run_until_cancelled(waiting).await.unwrap_or(Waited::Stopped)
    }

    async fn report(&self, report: Report) {
        let envelope = Envelope { source: self.source, received_at: Timestamp::now(), report };
        // A main loop that is gone wants nothing more.
        let _ = self.reports.send(envelope).await;
    }
}
