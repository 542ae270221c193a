//! One connection of the subscription, from the first command to its end.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

use super::connect::{Failure, Stream, closed};
use super::reader::{Handler, Reader};
use super::resp;
use super::routes::Routes;
use crate::broker::{Publication, Sink};

/// How often a connection without messages is asked whether it lives.
const PING_EVERY: Duration = Duration::from_secs(1);

/// Ticks without a byte, each of which sent a PING, after which the connection counts as dead.
const SILENT_TICKS: u32 = 5;

/// What Redis said to the subscriptions, once it has answered all of them.
#[derive(Debug)]
pub(super) struct Answers {
    /// By channel or prefix, with Redis' reason.
    pub(super) denied: Vec<(String, String)>,
    /// Whether the connection is of any use: something is subscribed, or nothing was asked for.
    pub(super) usable: bool,
}

/// A reply that Redis owes; replies come in the order of the commands.
#[derive(Debug, Clone, Copy)]
enum Owed {
    /// To the route of this index.
    Subscription(usize),
    Pong,
}

struct Session<'a> {
    routes: &'a Routes,
    sink: &'a mut dyn Sink,
    owed: VecDeque<Owed>,
    /// Subscriptions without an answer.
    unanswered: usize,
    denied: Vec<(String, String)>,
    failure: Option<Failure>,
    /// Whether the sink was given anything since its last flush.
    burst: bool,
}

/// Subscribes everything on `stream` and feeds `sink` until the connection fails; resolves to why it did.
///
/// `answered` is called once, when Redis has answered every subscription. Messages may reach the sink before that.
pub(super) async fn serve(
    mut stream: Box<dyn Stream>,
    routes: &Routes,
    sink: &mut dyn Sink,
    max_payload: usize,
    answered: impl FnOnce(Answers),
) -> Failure {
    let mut session = Session::new(routes, sink);
    let mut answered = Some(answered);
    let mut reader = Reader::new(max_payload);
    let mut pulse = Pulse::new();
    if let Err(error) = stream.write_all(&session.commands()).await {
        return Failure::io(&error);
    }
    loop {
        let step = tokio::select! {
            // In this order, so that a connection that always has something to read is tidied up as well.
            biased;
            _ = pulse.interval.tick() => {
                reader.tidy();
                session.tick(&mut pulse, stream.as_mut()).await
            }
            read = stream.read(reader.space()) => match read {
                Ok(0) => Err(closed()),
                Ok(count) => session.take(count, &mut reader, &mut pulse).await,
                Err(error) => Err(Failure::io(&error)),
            }
        };
        if let Err(failure) = step {
            return failure;
        }
        if session.unanswered == 0
            && let Some(answered) = answered.take()
        {
            let denied = std::mem::take(&mut session.denied);
            let usable = denied.len() < routes.all().len() || routes.all().is_empty();
            let refused = denied.first().map(|(_, reason)| Failure::Refused(reason.clone()));
            answered(Answers { denied, usable });
            if let (false, Some(refused)) = (usable, refused) {
                return refused;
            }
        }
    }
}

impl<'a> Session<'a> {
    fn new(routes: &'a Routes, sink: &'a mut dyn Sink) -> Self {
        let unanswered = routes.all().len();
        let owed = (0..unanswered).map(Owed::Subscription).collect();
        Self { routes, sink, owed, unanswered, denied: Vec::new(), failure: None, burst: false }
    }

    /// A command for each subscription, so that one that is refused does not take the others with it.
    fn commands(&self) -> Vec<u8> {
        let mut commands = Vec::new();
        for route in self.routes.all() {
            route.write_command(&mut commands);
        }
        commands
    }

    /// Hands everything whole to the sink and waits until it is ready for more.
    async fn take(&mut self, count: usize, reader: &mut Reader, pulse: &mut Pulse) -> Result<(), Failure> {
        pulse.heard = true;
        let parsed = reader.filled(count, self);
        if self.burst {
            self.burst = false;
            pulse.message = true;
            self.sink.flush().await;
        }
        parsed.map_err(|broken| Failure::Unreachable(broken.to_string()))?;
        self.failure.take().map_or(Ok(()), Err)
    }

    /// A second has passed: asks for a sign of life if no message came in it, and gives up after too many without any.
    async fn tick(&mut self, pulse: &mut Pulse, stream: &mut dyn Stream) -> Result<(), Failure> {
        pulse.silent = if pulse.heard { 0 } else { pulse.silent + 1 };
        pulse.heard = false;
        if pulse.silent > SILENT_TICKS {
            return Err(Failure::Unreachable(format!("no answer for {SILENT_TICKS} s")));
        }
        if std::mem::take(&mut pulse.message) {
            return Ok(());
        }
        let mut ping = Vec::new();
        resp::write_command(&mut ping, &[b"PING"]);
        self.owed.push_back(Owed::Pong);
        stream.write_all(&ping).await.map_err(|error| Failure::io(&error))
    }

    fn fail(&mut self, failure: Failure) {
        self.failure.get_or_insert(failure);
    }
}

impl Handler for Session<'_> {
    fn message(&mut self, pattern: Option<&[u8]>, channel: &[u8], payload: &[u8]) {
        for &subscription in self.routes.find(pattern, channel) {
            self.burst = true;
            self.sink.publication(Publication { subscription, channel, payload });
        }
    }

    fn oversized(&mut self, pattern: Option<&[u8]>, channel: &[u8], head: &[u8], len: u64) {
        for &subscription in self.routes.find(pattern, channel) {
            self.burst = true;
            self.sink.oversized(subscription, channel, head, len);
        }
    }

    fn error(&mut self, text: &[u8]) {
        let text = String::from_utf8_lossy(text).into_owned();
        match self.owed.pop_front() {
            Some(Owed::Subscription(index)) if text.starts_with("NOPERM") => {
                self.unanswered -= 1;
                self.denied.push((self.routes.all()[index].name.clone(), text));
            }
            // Whoever may not PING is answered as well, and that is all it is for.
            Some(Owed::Pong) if text.starts_with("NOPERM") => {}
            _ => self.fail(Failure::from_reply(&text)),
        }
    }

    fn answer(&mut self, word: &[u8]) {
        match (self.owed.pop_front(), word) {
            (Some(Owed::Subscription(index)), b"subscribe" | b"psubscribe") => {
                self.unanswered -= 1;
                self.burst = true;
                self.sink.confirmed(self.routes.all()[index].subscriptions());
            }
            (Some(Owed::Pong), b"pong" | b"PONG") => {}
            _ => self.fail(Failure::Unreachable("the server sent a reply to nothing asked".to_owned())),
        }
    }
}

/// The signs of life of a connection.
struct Pulse {
    interval: Interval,
    /// Whether anything came since the last tick.
    heard: bool,
    /// Whether a message came since the last tick.
    message: bool,
    /// Ticks in a row in which nothing came.
    silent: u32,
}

impl Pulse {
    fn new() -> Self {
        let mut interval = interval_at(Instant::now() + PING_EVERY, PING_EVERY);
        // After a sink has pushed back for a while, the ticks it missed would count as silence.
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { interval, heard: false, message: false, silent: 0 }
    }
}
