//! The publisher: a thread that sends every event when it is due, however the server is doing.
//!
//! Requests are pipelined and answers read when they are there, so that no answer holds the next event up. An event that
//! leaves late keeps its intended time; how late it was is measured, and for how long that was for the endpoint's sake.
//!
//! A run that outlasts outages ([`Publisher::outlasting`]) goes on when its endpoint goes away: events wait until it is back,
//! and then leave late. An event whose answer was lost with the connection is not sent again: nobody knows whether it was
//! published, so that nobody is to get it, and whoever does has got it. Thus nothing is published twice, and nothing is missing
//! but what the endpoint said that it took.

mod answers;
mod http;
mod link;
mod protocol;
mod redis;
mod requests;
mod succession;
mod wire;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use super::aim::{Events, Outlet};
use super::clock::until;
use super::collect::Second;
use super::marker::Marker;
use super::options::Via;
use super::subscriber::{PROBE, Shared};
use super::summary::Publish;
use crate::exit::{Exit, Failure};
use crate::net::backoff::Backoff;
use crate::net::tls::Tls;

use self::http::Http;
use self::protocol::Protocol;
use self::redis::{Redis, Verb};
use self::requests::Requests;
use self::wire::RETRY;

/// Names of the ways into Redis, in reports.
const REDIS: &str = "redis";
const STREAMS: &str = "streams";

/// Hint for a stream that another node of a cluster holds.
const ONE_NODE: &str = "bench appends over one connection: name the node that holds the stream, as in --redis \
                        redis://HOST:PORT, or let publish do it, which finds the node of each stream";

/// Events that go out in one write at most.
const BATCH: u64 = 256;

/// How often answers are read, in nanoseconds.
const READ_EVERY: u64 = 5_000_000;

/// How long no answer may come while the publisher waits for some.
const LAST_ANSWERS: Duration = Duration::from_secs(5);

/// Answers that may be outstanding; with more, the publisher waits, and what it then sends is late.
const MAX_OUTSTANDING: u64 = 50_000;

/// How long before an event is due a connection that has ended is replaced; more than the longest sleep.
const RECONNECT_AHEAD: Duration = Duration::from_millis(150);

/// Connections in a row that may end without a single answer.
const MAX_FRUITLESS: u32 = 10;

/// Time for which an endpoint that is away is tried again, and for which one may be silent, in a run that outlasts outages.
const OUTAGE: Duration = Duration::from_mins(5);
const SILENCE: Duration = Duration::from_secs(30);

/// The first wait between two attempts to connect again, and the longest.
const RECONNECT: (Duration, Duration) = (Duration::from_millis(50), Duration::from_millis(500));

/// Connections over which events are published, one at a time.
pub struct Publisher {
    protocol: Protocol,
    events: Vec<Events>,
    out: Vec<u8>,
    requests: Requests,
    /// Connections that ended without an answer, in a row.
    fruitless: u32,
    /// Whether the run goes on when the endpoint goes away.
    outlasts: bool,
    /// For how long due events waited for the endpoint.
    waited: Duration,
    publish: Publish,
    bytes: u64,
}

impl Publisher {
    /// Connects; the error says what is wrong with the address, the login or the server.
    pub fn connect(via: &Via, tls: &Tls, events: Vec<Events>) -> Result<Self, Failure> {
        let (protocol, by) = match via {
            Via::Redis(url) => (Protocol::Redis(Redis::connect(url, Verb::Publish)?), REDIS),
            Via::Streams(url) => (Protocol::Redis(Redis::connect(url, Verb::Append)?), STREAMS),
            Via::Http { url, headers, name } => (Protocol::Http(Http::connect(url, headers, tls)?), *name),
        };
        let publish = Publish { by: by.to_owned(), ..Publish::default() };
        Ok(Self {
            protocol,
            events,
            out: Vec::new(),
            requests: Requests::default(),
            fruitless: 0,
            outlasts: false,
            waited: Duration::ZERO,
            publish,
            bytes: 0,
        })
    }

    /// Goes on when the endpoint goes away while a run is under way, where `outlasts` is set.
    #[must_use]
    pub fn outlasting(self, outlasts: bool) -> Self {
        Self { outlasts, ..self }
    }

    /// Where to, for people.
    pub fn address(&self) -> &str {
        match &self.protocol {
            Protocol::Redis(redis) => redis.address(),
            Protocol::Http(http) => http.address(),
        }
    }

    /// Appends events to streams from now on, where they would have gone to channels, or the other way round; whether the
    /// endpoint has both.
    pub fn change_verb(&mut self) -> bool {
        let can = self.protocol.change_verb();
        if can {
            let by = if self.appends() { REDIS } else { STREAMS }.to_owned();
            // A refusal of the other way says nothing of this one.
            (self.publish, self.requests.failures) = (Publish { by, ..Publish::default() }, Vec::new());
        }
        can
    }

    /// Whether events are appended to streams.
    pub fn appends(&self) -> bool {
        self.publish.by == STREAMS
    }

    /// Publishes the event that checks the way, to the first job, and waits for the answer.
    pub fn probe(&mut self, shared: &Shared) -> Result<(), Failure> {
        let marker = Marker { run: shared.run, seq: PROBE, due: shared.clock.now() };
        if let Some(events) = self.events.first_mut() {
            let payload = events.conflatable.with(marker);
            self.protocol.write(&events.outlet, payload, &mut self.out);
        }
        self.confirm(1)
    }

    /// Publishes something before the run, as it is, and waits for the answer.
    pub fn announce(&mut self, all: &[(Outlet, String)]) -> Result<(), Failure> {
        for (outlet, payload) in all {
            self.protocol.write(outlet, payload.as_bytes(), &mut self.out);
        }
        self.confirm(all.len() as u64)
    }

    fn confirm(&mut self, events: u64) -> Result<(), Failure> {
        let lost = |error: &dyn std::fmt::Display, address: &str| {
            Failure::new(Exit::Unreachable, format!("could not publish to {address}: {error}"))
        };
        self.exchange(events).map_err(|error| lost(&error, self.address()))?;
        if let Some(first) = self.requests.failures.first() {
            // What has no status was never answered where every answer has one.
            if matches!(self.protocol, Protocol::Http(_)) && first.status.is_none() {
                return Err(lost(&first.reason, self.address()));
            }
            let message = format!("{} refused an event: {}", self.address(), first.reason);
            let exit = if matches!(first.status, Some(401 | 403)) { Exit::Refused } else { Exit::Failure };
            let failure = Failure::new(exit, message);
            let is_elsewhere = self.appends() && first.reason.starts_with("MOVED ");
            return Err(if is_elsewhere { failure.hint(ONE_NODE) } else { failure });
        }
        if self.requests.unanswered() > 0 {
            let message = format!("{} did not answer within {} s", self.address(), LAST_ANSWERS.as_secs());
            return Err(Failure::new(Exit::Unreachable, message));
        }
        Ok(())
    }

    fn exchange(&mut self, events: u64) -> io::Result<()> {
        // It may have ended while nothing was sent.
        self.read_answers()?;
        if self.protocol.has_ended() {
            self.reconnect(&AtomicBool::new(false))?;
        }
        self.requests.sent += events;
        self.flush()?;
        self.await_answers(&AtomicBool::new(false))
    }

    /// Publishes the whole plan, until it is done, stopped, or the connection is lost, which is the second value.
    pub fn run(
        mut self,
        shared: &Arc<Shared>,
        stop: &AtomicBool,
        seconds: &Sender<Second>,
    ) -> (Publish, Option<String>) {
        let plan = &shared.plan;
        self.requests.begin(shared);
        if self.outlasts {
            self.protocol.replace();
        }
        let published = self.publish_all(shared, stop, seconds);
        let now = shared.clock.now();
        let lost = match published.and_then(|()| self.await_answers(stop)) {
            Ok(()) if self.requests.unanswered() > 0 && !stop.load(Ordering::Acquire) => Some(self.silence()),
            Ok(()) => None,
            Err(error) => Some(error.to_string()),
        };
        self.requests.fail_unanswered("no answer");
        let Requests { sent: all, errors, failed, failures, .. } = std::mem::take(&mut self.requests);
        if errors > 0 {
            let nth = shared.second(shared.clock.now());
            let _ = seconds.send(Second { nth, errors, ..Second::default() });
        }
        (self.publish.failed, self.publish.failures) = (failed, failures);
        self.publish.failures.sort_by_key(|one| std::cmp::Reverse(one.count));
        let sent = all.saturating_sub(plan.measured_from);
        self.publish.intended = plan.events - plan.measured_from;
        self.publish.sent = sent;
        let length = Duration::from_nanos(plan.length().saturating_sub(plan.measured_at())).as_secs_f64();
        let began = shared.start.load(Ordering::Acquire) + plan.measured_at();
        let took = Duration::from_nanos(now.saturating_sub(began)).as_secs_f64();
        // The last event leaves before the time is up; a run that was ended has no such time.
        let took = if all == plan.events { took.max(length) } else { took };
        self.publish.intended_rate = per(self.publish.intended, length);
        self.publish.rate = per(sent, took);
        self.publish.endpoint_wait_seconds = self.waited.as_secs_f64();
        self.publish.payload_bytes = per(self.bytes, per(all, 1.0));
        (self.publish, lost)
    }

    fn publish_all(
        &mut self,
        shared: &Arc<Shared>,
        stop: &AtomicBool,
        seconds: &Sender<Second>,
    ) -> io::Result<()> {
        let start = shared.start.load(Ordering::Acquire);
        let plan = &shared.plan;
        let mut second = Second { nth: shared.second(shared.clock.now()), ..Second::default() };
        let (mut next, mut next_read) = (0, 0);
        while next < plan.events && !stop.load(Ordering::Acquire) {
            let now = shared.clock.now();
            let wait = until(now, start + plan.due(next));
            if now >= next_read {
                self.read_answers()?;
                next_read = now + READ_EVERY;
            }
            // A wait counts from when an event was due, and in the measured time.
            let waits_from = start + plan.due(next).max(plan.measured_at());
            if self.requests.unanswered() > MAX_OUTSTANDING {
                self.make_room(stop)?;
                self.waited += until(now.max(waits_from), shared.clock.now());
                continue;
            }
            if self.protocol.has_ended() && wait <= RECONNECT_AHEAD {
                self.reconnect(stop)?;
                self.waited += until(now.max(waits_from), shared.clock.now());
                continue;
            }
            if !wait.is_zero() {
                std::thread::sleep(wait.min(Duration::from_millis(100)));
                continue;
            }
            let first = next;
            while next < plan.events && next - first < BATCH && start + plan.due(next) <= now {
                self.write(shared, next, start + plan.due(next));
                next += 1;
            }
            self.requests.sent = next;
            let blocked = self.flush()?;
            if now >= start + plan.measured_at() {
                self.waited += blocked;
            }
            let left = shared.clock.now();
            for seq in first.max(plan.measured_from)..next {
                self.publish
                    .send_lag
                    .record(Duration::from_nanos(left.saturating_sub(start + plan.due(seq))));
            }
            shared.published.store(next, Ordering::Release);
            let nth = shared.second(left);
            if nth > second.nth {
                second.errors = std::mem::take(&mut self.requests.errors);
                let _ = seconds.send(std::mem::replace(&mut second, Second { nth, ..Second::default() }));
            }
            second.published += next - first;
        }
        second.errors = std::mem::take(&mut self.requests.errors);
        // Whoever collects the seconds is gone only when the run is.
        let _ = seconds.send(second);
        Ok(())
    }

    /// Waits for answers until another event may go.
    fn make_room(&mut self, stop: &AtomicBool) -> io::Result<()> {
        let mut heard = Instant::now();
        while self.requests.unanswered() > MAX_OUTSTANDING && !stop.load(Ordering::Acquire) {
            std::thread::sleep(RETRY);
            if self.read_answers()? {
                heard = Instant::now();
            } else if heard.elapsed() >= self.patience() {
                self.silent(self.silence())?;
            }
        }
        Ok(())
    }

    fn write(&mut self, shared: &Shared, seq: u64, due: u64) {
        let job = usize::try_from(shared.plan.job(seq)).unwrap_or(usize::MAX);
        let Some(events) = self.events.get_mut(job) else { return };
        let is_conflatable = shared.plan.is_conflatable(shared.plan.nth(seq));
        let marked = if is_conflatable { &mut events.conflatable } else { &mut events.milestone };
        let payload = marked.with(Marker { run: shared.run, seq, due });
        self.bytes += payload.len() as u64;
        self.protocol.write(&events.outlet, payload, &mut self.out);
    }

    /// Sends what was written; for how long there was no room for it. What a connection that ends does not take has failed.
    fn flush(&mut self) -> io::Result<Duration> {
        let mut out = std::mem::take(&mut self.out);
        let mut left = &out[..];
        let mut blocked = Duration::ZERO;
        let mut moved = Instant::now();
        while !self.protocol.has_ended() {
            let is_written = left.is_empty();
            let wire = &mut self.protocol.link_mut().wire;
            match if is_written { wire.flush().map(|()| 0) } else { wire.write(left) } {
                Ok(_) if is_written => break,
                Ok(written) => (left, moved) = (&left[written..], Instant::now()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let begin = Instant::now();
                    // It may read no further before somebody reads what it says.
                    if self.read_answers()? {
                        moved = Instant::now();
                    } else if moved.elapsed() >= self.patience() {
                        self.silent(format!("it took nothing for {} s", self.patience().as_secs()))?;
                    }
                    std::thread::sleep(RETRY);
                    blocked += begin.elapsed();
                }
                Err(error) => {
                    // What it still said is there to be read.
                    self.read_answers()?;
                    self.protocol.end(error)?;
                    self.ended();
                }
            }
        }
        out.clear();
        self.out = out;
        Ok(blocked)
    }

    /// Takes answers in; whether there were any.
    fn read_answers(&mut self) -> io::Result<bool> {
        let had_ended = self.protocol.has_ended();
        let answers = self.protocol.read()?;
        let count = answers.count;
        let all = self.requests.take(answers);
        if count > all {
            // As a server says that it will wait no longer; what is sent over it now may have no answer.
            self.protocol
                .end(io::Error::new(io::ErrorKind::ConnectionAborted, "it answered what nobody asked"))?;
        }
        if self.protocol.has_ended() && !had_ended {
            self.ended();
        }
        Ok(all > 0)
    }

    /// The connection has ended, and nothing more is answered over it.
    fn ended(&mut self) {
        if self.protocol.has_answered() {
            self.fruitless = 0;
        } else if self.requests.unanswered() > 0 {
            self.fruitless += 1;
        }
        self.requests.fail_unanswered("the connection ended before the answer");
    }

    /// Time for which the endpoint may be silent.
    fn patience(&self) -> Duration {
        if self.is_outlasting() { SILENCE } else { LAST_ANSWERS }
    }

    /// Whether a run is under way that goes on when the endpoint goes away.
    fn is_outlasting(&self) -> bool {
        self.outlasts && self.requests.is_run()
    }

    /// Words for answers that do not come.
    fn silence(&self) -> String {
        let (missing, patience) = (self.requests.unanswered(), self.patience().as_secs());
        format!("{} left {missing} events unanswered for {patience} s", self.address())
    }

    /// The endpoint has been silent for too long: the end of the run, or of this connection.
    fn silent(&mut self, why: String) -> io::Result<()> {
        if !self.is_outlasting() {
            return Err(io::Error::new(io::ErrorKind::TimedOut, why));
        }
        self.protocol.abandon();
        self.ended();
        Ok(())
    }

    /// Replaces a connection that has ended: at once, or where the run outlasts outages as soon as the endpoint is back,
    /// unless `stop` comes first.
    fn reconnect(&mut self, stop: &AtomicBool) -> io::Result<()> {
        if !self.is_outlasting() {
            return self.reconnect_at_once();
        }
        let begin = Instant::now();
        let mut backoff = Backoff::new(RECONNECT.0, RECONNECT.1);
        let mut is_away = matches!(self.protocol, Protocol::Redis(_)) || self.fruitless > 0;
        while !stop.load(Ordering::Acquire) {
            // An endpoint that takes connections and answers nothing is not stormed either.
            if self.fruitless > 0 {
                std::thread::sleep(backoff.next(rand::random()));
            }
            match self.protocol.reconnect() {
                Ok(()) => break,
                Err(error) if begin.elapsed() >= OUTAGE => return Err(error),
                Err(_) => is_away = true,
            }
            std::thread::sleep(backoff.next(rand::random()));
        }
        if is_away {
            self.publish.outages += 1;
            self.publish.outage_seconds += begin.elapsed().as_secs_f64();
        }
        Ok(())
    }

    fn reconnect_at_once(&mut self) -> io::Result<()> {
        if self.fruitless >= MAX_FRUITLESS {
            let message =
                format!("{} ended {MAX_FRUITLESS} connections in a row without an answer", self.address());
            return Err(io::Error::new(io::ErrorKind::ConnectionAborted, message));
        }
        self.protocol.reconnect()
    }

    /// Waits for the answers to all that was sent, until none came for some time, or that time after a stop.
    fn await_answers(&mut self, stop: &AtomicBool) -> io::Result<()> {
        let mut heard = Instant::now();
        let mut stopped = None;
        while self.requests.unanswered() > 0 && heard.elapsed() < self.patience() {
            if self.read_answers()? {
                heard = Instant::now();
            }
            if stop.load(Ordering::Acquire)
                && stopped.get_or_insert_with(Instant::now).elapsed() >= LAST_ANSWERS
            {
                break;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts are below 2^52")]
fn per(count: u64, whole: f64) -> f64 {
    if whole > 0.0 { count as f64 / whole } else { 0.0 }
}

#[cfg(test)]
mod tests;
