//! The publisher: a thread that sends every event when it is due, however the server is doing.
//!
//! Requests are pipelined and answers read when they are there, so that no answer holds the next event up. An event that
//! leaves late keeps its intended time; how late it was is measured.

mod http;
mod redis;
mod wire;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::time::Duration;

use super::aim::Events;
use super::clock::until;
use super::collect::{Second, count_failure};
use super::marker::Marker;
use super::options::Via;
use super::subscriber::{PROBE, Shared};
use super::summary::Publish;
use crate::exit::{Exit, Failure};

use self::http::Http;
use self::redis::Redis;

/// Events that go out in one write at most.
const BATCH: u64 = 256;

/// How often answers are read, in nanoseconds.
const READ_EVERY: u64 = 5_000_000;

/// How long the last answers may take.
const LAST_ANSWERS: Duration = Duration::from_secs(5);

/// Answers that may be outstanding; with more, the publisher waits, and what it then sends is late.
const MAX_OUTSTANDING: u64 = 50_000;

/// How a request is written and its answer read.
enum Protocol {
    Redis(Redis),
    Http(Http),
}

/// What answers said.
#[derive(Debug, Default)]
struct Answers {
    good: u64,
    bad: Vec<(Option<u16>, String)>,
}

/// A connection over which events are published.
pub struct Publisher {
    protocol: Protocol,
    events: Vec<Events>,
    out: Vec<u8>,
    sent: u64,
    answered: u64,
    publish: Publish,
    bytes: u64,
}

impl Publisher {
    /// Connects; the error says what is wrong with the address, the login or the server.
    pub fn connect(via: &Via, events: Vec<Events>) -> Result<Self, Failure> {
        let (protocol, by) = match via {
            Via::Redis(url) => (Protocol::Redis(Redis::connect(url)?), "redis"),
            Via::Http { url, headers, name } => (Protocol::Http(Http::connect(url, headers)?), *name),
        };
        let publish = Publish { by: by.to_owned(), ..Publish::default() };
        Ok(Self { protocol, events, out: Vec::new(), sent: 0, answered: 0, publish, bytes: 0 })
    }

    /// Where to, for people.
    pub fn address(&self) -> &str {
        match &self.protocol {
            Protocol::Redis(redis) => redis.address(),
            Protocol::Http(http) => http.address(),
        }
    }

    /// Publishes the event that checks the way, to the first job, and waits for the answer.
    pub fn probe(&mut self, shared: &Shared) -> Result<(), Failure> {
        let marker = Marker { run: shared.run, seq: PROBE, due: shared.clock.now() };
        if let Some(events) = self.events.first_mut() {
            let payload = events.conflatable.with(marker);
            self.protocol.write(&events.channel, payload, &mut self.out);
            self.sent += 1;
        }
        self.confirm()
    }

    /// Publishes something before the run, as it is, and waits for the answer.
    pub fn announce(&mut self, all: &[(String, String)]) -> Result<(), Failure> {
        for (channel, payload) in all {
            self.protocol.write(channel, payload.as_bytes(), &mut self.out);
            self.sent += 1;
        }
        self.confirm()
    }

    fn confirm(&mut self) -> Result<(), Failure> {
        let lost = |error: &io::Error, address: &str| {
            Failure::new(Exit::Unreachable, format!("could not publish to {address}: {error}"))
        };
        self.flush().map_err(|error| lost(&error, self.address()))?;
        self.await_answers().map_err(|error| lost(&error, self.address()))?;
        if let Some(first) = self.publish.failures.first() {
            let message = format!("{} refused an event: {}", self.address(), first.reason);
            let exit = if matches!(first.status, Some(401 | 403)) { Exit::Refused } else { Exit::Failure };
            return Err(Failure::new(exit, message));
        }
        if self.answered < self.sent {
            let message = format!("{} did not answer within {} s", self.address(), LAST_ANSWERS.as_secs());
            return Err(Failure::new(Exit::Unreachable, message));
        }
        Ok(())
    }

    /// Publishes the whole plan, until it is done, stopped, or the connection is lost, which is the second value.
    pub fn run(
        mut self,
        shared: &Arc<Shared>,
        stop: &AtomicBool,
        seconds: &Sender<Second>,
    ) -> (Publish, Option<String>) {
        (self.sent, self.answered) = (0, 0);
        let published = self.publish_all(shared, stop, seconds);
        let now = shared.clock.now();
        let lost = match published.and_then(|()| self.await_answers()) {
            Ok(()) if self.answered < self.sent => {
                let (missing, patience) = (self.sent - self.answered, LAST_ANSWERS.as_secs());
                Some(format!("{} left {missing} events unanswered for {patience} s", self.address()))
            }
            Ok(()) => None,
            Err(error) => Some(error.to_string()),
        };
        let plan = &shared.plan;
        let sent = self.sent.saturating_sub(plan.measured_from);
        self.publish.failed += self.sent - self.answered.min(self.sent);
        self.publish.intended = plan.events - plan.measured_from;
        self.publish.sent = sent;
        let length = Duration::from_nanos(plan.length().saturating_sub(plan.measured_at())).as_secs_f64();
        let began = shared.start.load(Ordering::Acquire) + plan.measured_at();
        let took = Duration::from_nanos(now.saturating_sub(began)).as_secs_f64();
        // The last event leaves before the time is up; a run that was ended has no such time.
        let took = if self.sent == plan.events { took.max(length) } else { took };
        self.publish.intended_rate = per(self.publish.intended, length);
        self.publish.rate = per(sent, took);
        self.publish.payload_bytes = per(self.bytes, per(self.sent, 1.0));
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
            if now >= next_read || self.sent - self.answered > MAX_OUTSTANDING {
                self.read_answers(&mut second)?;
                next_read = now + READ_EVERY;
                if self.sent - self.answered > MAX_OUTSTANDING {
                    std::thread::sleep(Duration::from_micros(200));
                    continue;
                }
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
            self.flush()?;
            let left = shared.clock.now();
            for seq in first.max(plan.measured_from)..next {
                self.publish
                    .send_lag
                    .record(Duration::from_nanos(left.saturating_sub(start + plan.due(seq))));
            }
            self.sent = next;
            shared.published.store(next, Ordering::Release);
            let nth = shared.second(left);
            if nth > second.nth {
                let _ = seconds.send(std::mem::replace(&mut second, Second { nth, ..Second::default() }));
            }
            second.published += next - first;
        }
        // Whoever collects the seconds is gone only when the run is.
        let _ = seconds.send(second);
        Ok(())
    }

    fn write(&mut self, shared: &Shared, seq: u64, due: u64) {
        let job = usize::try_from(shared.plan.job(seq)).unwrap_or(usize::MAX);
        let Some(events) = self.events.get_mut(job) else { return };
        let is_conflatable = shared.plan.is_conflatable(shared.plan.nth(seq));
        let marked = if is_conflatable { &mut events.conflatable } else { &mut events.milestone };
        let payload = marked.with(Marker { run: shared.run, seq, due });
        self.bytes += payload.len() as u64;
        self.protocol.write(&events.channel, payload, &mut self.out);
    }

    fn flush(&mut self) -> io::Result<()> {
        let result = self.protocol.wire().send(&self.out);
        self.out.clear();
        result
    }

    fn read_answers(&mut self, second: &mut Second) -> io::Result<()> {
        let answers = self.protocol.read()?;
        second.errors += answers.bad.len() as u64;
        self.answered += answers.good + answers.bad.len() as u64;
        for (status, reason) in answers.bad {
            self.publish.failed += 1;
            count_failure(&mut self.publish.failures, "publish", status, &reason, 1);
        }
        Ok(())
    }

    fn await_answers(&mut self) -> io::Result<()> {
        let begin = std::time::Instant::now();
        let mut second = Second::default();
        while self.answered < self.sent && begin.elapsed() < LAST_ANSWERS {
            self.read_answers(&mut second)?;
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }
}

impl Protocol {
    fn write(&self, channel: &str, payload: &[u8], out: &mut Vec<u8>) {
        match self {
            Self::Redis(_) => redis::publish(channel, payload, out),
            Self::Http(http) => http.post(channel, payload, out),
        }
    }

    fn wire(&mut self) -> &mut wire::Wire {
        match self {
            Self::Redis(redis) => &mut redis.wire,
            Self::Http(http) => &mut http.wire,
        }
    }

    fn read(&mut self) -> io::Result<Answers> {
        match self {
            Self::Redis(redis) => redis.read(),
            Self::Http(http) => http.read(),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts are below 2^52")]
fn per(count: u64, whole: f64) -> f64 {
    if whole > 0.0 { count as f64 / whole } else { 0.0 }
}
