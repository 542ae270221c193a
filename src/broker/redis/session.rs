//! One connection of the subscription, from the first command to its end.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

use super::commands::Commands;
use super::connect::Connector;
use super::failure::{Failure, closed};
use super::journal::Journal;
use super::lookout::{Answer, Lookout, PROBES, Tidings};
use super::opening::Stream;
use super::routes::{Routes, Standing};
use super::turns::Turns;
use crate::broker::{Publication, Sink};
use crate::wire::resp::{self, Handler, Reader};

/// How often a connection without messages is asked whether it lives.
const PING_EVERY: Duration = Duration::from_secs(1);

/// Ticks without a byte, each of which sent a PING, after which the connection counts as dead.
const SILENT_TICKS: u32 = 5;

/// The longest wait between two attempts at a subscription that is refused, in ticks.
const LONGEST_WAIT: u32 = 5;

/// Subscription of one source: its channels, its server, and how it is watched over.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    pub(super) connector: &'a Connector,
    /// Carries the questions for the role and the probes.
    pub(super) commands: &'a Commands,
    /// The sink, which streams may share.
    pub(super) turns: &'a Turns,
    pub(super) routes: &'a Routes,
    /// Bytes of the longest payload that is delivered.
    pub(super) max_payload: usize,
    /// The channel of this source's probes.
    pub(super) probe_channel: &'a str,
    /// Silence after which a probe is published; `None`: no probes.
    pub(super) probe_after: Option<Duration>,
}

/// When a refused subscription is asked for again, in ticks.
#[derive(Debug, Clone, Copy, Default)]
struct Retry {
    /// Ticks that are left of the present wait.
    left: u32,
    /// Length of the present wait, in ticks; the next one is twice as long, up to `LONGEST_WAIT`.
    wait: u32,
}

impl Retry {
    fn lengthen(&mut self) {
        self.wait = self.wait.saturating_mul(2).clamp(1, LONGEST_WAIT);
        self.left = self.wait;
    }
}

/// A reply that Redis owes; replies come in the order of the commands.
#[derive(Debug, Clone, Copy)]
enum Owed {
    /// To the route of this index.
    Subscription(usize),
    /// To the subscription of the probe's channel.
    Probe,
    Pong,
}

struct Session<'a> {
    routes: &'a Routes,
    turns: &'a Turns,
    owed: VecDeque<Owed>,
    /// Answer of Redis to each route's subscription.
    standings: Vec<Standing>,
    /// Wait of each route that was refused.
    retries: Vec<Retry>,
    /// Whether there is an answer that was not reported yet.
    news: bool,
    failure: Option<Failure>,
    /// Whether a message came that is for this source's own use.
    probed: bool,
    lookout: Lookout<'a>,
    /// Why Redis does not let us probe, until that is reported.
    probe_denied: Option<String>,
}

/// Subscribes everything on `stream` and feeds the sink until the connection fails; resolves to why it did.
///
/// The journal is told the standing of every route once Redis has answered all of them, and again whenever it has
/// answered those that were refused and asked for again. Messages may reach the sink before that.
pub(super) async fn serve(
    mut stream: Box<dyn Stream>,
    source: &Source<'_>,
    journal: &mut Journal<'_>,
) -> Failure {
    let mut session = Session::new(source);
    let mut reader = Reader::new(source.max_payload);
    let mut pulse = Pulse::new();
    let mut commands = Vec::new();
    session.begin(&mut commands);
    if let Err(error) = stream.write_all(&commands).await {
        return Failure::io(&error);
    }
    loop {
        session.report(journal);
        let step = tokio::select! {
            // In this order, so that a connection that always has something to read is tidied up as well.
            biased;
            _ = pulse.interval.tick() => {
                reader.tidy();
                session.tick(&mut pulse, stream.as_mut()).await
            }
            answer = session.lookout.answer() => session.learn(answer, journal),
            read = stream.read(reader.space()) => match read {
                Ok(0) => Err(closed()),
                Ok(count) => session.take(count, &mut reader, &mut pulse).await,
                Err(error) => Err(Failure::io(&error)),
            }
        };
        if let Err(failure) = step {
            return failure;
        }
    }
}

impl<'a> Session<'a> {
    fn new(source: &Source<'a>) -> Self {
        let &Source { connector, commands, turns, routes, probe_channel, probe_after, .. } = source;
        let count = routes.all().len();
        Self {
            routes,
            turns,
            owed: VecDeque::new(),
            standings: vec![Standing::Asked; count],
            retries: vec![Retry::default(); count],
            // To nothing asked, nothing is the answer.
            news: count == 0,
            failure: None,
            probed: false,
            lookout: Lookout::new(connector, commands, probe_channel, probe_after),
            probe_denied: None,
        }
    }

    /// Appends the commands that subscribe everything.
    fn begin(&mut self, commands: &mut Vec<u8>) {
        for index in 0..self.routes.all().len() {
            self.ask(index, commands);
        }
        if let Some(channel) = self.lookout.channel() {
            resp::command(commands, &[b"SUBSCRIBE", channel.as_bytes()]);
            self.owed.push_back(Owed::Probe);
        }
    }

    /// Tells the journal what is new.
    fn report(&mut self, journal: &mut Journal<'_>) {
        if let Some(reason) = self.probe_denied.take() {
            self.lookout.give_up_probes();
            journal.probe_denied(&reason);
        }
        if self.news && !self.standings.contains(&Standing::Asked) {
            self.news = false;
            journal.answered(&self.standings);
            if journal.is_in_doubt() {
                self.lookout.probe();
            }
        }
        if std::mem::take(&mut self.probed) {
            journal.heard();
        }
    }

    /// Draws the conclusion from an answer to a question of the lookout.
    fn learn(&mut self, answer: Answer, journal: &mut Journal<'_>) -> Result<(), Failure> {
        match self.lookout.learn(answer)? {
            Tidings::Nothing => {}
            Tidings::Untaken(reason) => journal.probe_untaken(&reason),
            Tidings::Denied(reason) => journal.probe_denied(&reason),
        }
        Ok(())
    }

    /// Appends the command that subscribes a route: one each, so that a refused one does not take the others with it.
    fn ask(&mut self, index: usize, commands: &mut Vec<u8>) {
        self.routes.all()[index].write_command(commands);
        self.standings[index] = Standing::Asked;
        self.owed.push_back(Owed::Subscription(index));
    }

    /// Asks again for what was refused, where its wait is over.
    fn ask_again(&mut self, commands: &mut Vec<u8>) {
        for index in 0..self.standings.len() {
            if let Standing::Denied(_) = self.standings[index] {
                let left = &mut self.retries[index].left;
                *left = left.saturating_sub(1);
                if *left == 0 {
                    self.ask(index, commands);
                }
            }
        }
    }

    /// Hands everything whole to the sink, in one turn, and waits until it is ready for more.
    async fn take(&mut self, count: usize, reader: &mut Reader, pulse: &mut Pulse) -> Result<(), Failure> {
        pulse.heard = true;
        let mut sink = self.turns.turn().await;
        let mut taking = Taking { session: self, sink: sink.as_mut(), burst: false };
        let parsed = reader.filled(count, &mut taking);
        if taking.burst {
            pulse.message = true;
            sink.flush().await;
        }
        drop(sink);
        if self.probed {
            self.lookout.heard();
        }
        parsed.map_err(|broken| Failure::broken(&broken))?;
        self.failure.take().map_or(Ok(()), Err)
    }

    /// A second has passed: asks for a sign of life if no message came in it, and gives up after too many without any;
    /// asks again for what was refused.
    async fn tick(&mut self, pulse: &mut Pulse, stream: &mut dyn Stream) -> Result<(), Failure> {
        pulse.silent = if pulse.heard { 0 } else { pulse.silent + 1 };
        pulse.heard = false;
        if pulse.silent > SILENT_TICKS {
            return Err(Failure::Silent(format!("no answer for {SILENT_TICKS} s")));
        }
        self.lookout.tick()?;
        let mut commands = Vec::new();
        self.ask_again(&mut commands);
        if !std::mem::take(&mut pulse.message) {
            resp::command(&mut commands, &[b"PING"]);
            self.owed.push_back(Owed::Pong);
        }
        stream.write_all(&commands).await.map_err(|error| Failure::io(&error))
    }

    fn fail(&mut self, failure: Failure) {
        self.failure.get_or_insert(failure);
    }
}

/// Result of a read on its way to the session and the sink.
struct Taking<'t, 'a> {
    session: &'t mut Session<'a>,
    sink: &'t mut dyn Sink,
    /// Whether the sink was given anything.
    burst: bool,
}

impl Handler for Taking<'_, '_> {
    fn message(&mut self, pattern: Option<&[u8]>, channel: &[u8], payload: &[u8]) {
        self.session.probed = true;
        if channel.starts_with(PROBES.as_bytes()) {
            return;
        }
        for &subscription in self.session.routes.find(pattern, channel) {
            self.burst = true;
            self.sink.publication(Publication {
                subscription,
                channel,
                payload,
                entry: None,
                is_history: false,
            });
        }
    }

    fn oversized(&mut self, pattern: Option<&[u8]>, channel: &[u8], head: &[u8], len: u64) {
        for &subscription in self.session.routes.find(pattern, channel) {
            self.burst = true;
            self.sink.oversized(subscription, channel, head, len);
        }
    }

    fn error(&mut self, text: &[u8]) {
        let text = String::from_utf8_lossy(text).into_owned();
        let session = &mut *self.session;
        let owed = session.owed.pop_front();
        match (owed, Failure::from_reply(&text)) {
            (Some(Owed::Subscription(index)), Failure::Refused(reason)) => {
                session.retries[index].lengthen();
                session.standings[index] = Standing::Denied(reason);
                session.news = true;
            }
            (Some(Owed::Probe), Failure::Refused(reason)) => session.probe_denied = Some(reason),
            // Any reply to a PING is a sign of life, also an error: NOPERM, MISCONF (Redis cannot write its file), BUSY
            // (a script runs).
            (Some(Owed::Pong), _) => {}
            (_, failure) => session.fail(failure),
        }
    }

    fn answer(&mut self, word: &[u8]) {
        let session = &mut *self.session;
        match (session.owed.pop_front(), word) {
            (Some(Owed::Subscription(index)), b"subscribe" | b"psubscribe") => {
                session.standings[index] = Standing::Confirmed;
                session.news = true;
                self.burst = true;
                self.sink.confirmed(session.routes.all()[index].subscriptions());
            }
            (Some(Owed::Probe), b"subscribe") | (Some(Owed::Pong), b"pong" | b"PONG") => {}
            _ => session.fail(Failure::Unreachable("the server sent a reply to nothing asked".to_owned())),
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
