//! From a source to a sink, through outages: one future takes events from the source, another sends them.
//!
//! While all is well they go hand in hand, one event at a time, so that a source is read no faster than the sink takes it.
//! While the sink is away, or has not answered for a second, the source is read on and its events wait in the backlog.

mod state;

use std::io::Write;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use jiff::Timestamp;
use tokio::io::AsyncBufRead;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::backlog::Message;
use super::pace::Pace;
use super::source::{Next, Source};
use crate::dialect::Standing;
use crate::emit::{Arrival, Outgoing, Sink, Trouble, Undelivered};
use crate::exit::{Exit, Failure};
use crate::net::backoff::Backoff;

use self::state::State;
pub(super) use self::state::{MOST_STREAMS, Persistence, Tally};

/// How long an answer may take before the source is read on without it: a worker must not wait for its reporting.
const STALL: Duration = Duration::from_secs(1);
/// The first wait between two attempts, and the longest: a sink that is back is used within a second.
const RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_millis(500));

/// For how long an event that nobody got is sent again after an outage: a relay subscribes anew within a second of its Redis.
const RESUBSCRIBING: Duration = Duration::from_secs(2);

/// State that the reading and the sending future share. The lock is held for moments, never across an `await`.
pub(super) struct Pump<'a, W> {
    state: Mutex<State<'a, W>>,
    /// The source may go on.
    wanted: Notify,
    /// An event waits, or the source has ended.
    filled: Notify,
    manner: Manner,
    persistence: Persistence,
}

/// Messages that a pump does not print.
#[derive(Debug, Clone, Copy)]
pub(super) struct Manner {
    /// Whether the caller reports events that reached nobody.
    pub(super) is_reported: bool,
    /// Whether to print errors only, without notes and warnings.
    pub(super) is_quiet: bool,
}

impl<'a, W: Write> Pump<'a, W> {
    pub(super) fn new(notes: &'a mut W, manner: Manner, persistence: Persistence) -> Self {
        let state = State::new(notes, manner.is_quiet, persistence);
        let (wanted, filled) = (Notify::new(), Notify::new());
        Self { state: Mutex::new(state), wanted, filled, manner, persistence }
    }

    /// Sends all of the source's events. The error is a [`Failure`], or one of reading the source.
    pub(super) async fn run(
        &self,
        sink: &Sink,
        source: Source<impl AsyncBufRead + Unpin>,
        pace: Pace,
    ) -> anyhow::Result<()> {
        let input = source.input();
        // Boxed, since each holds an event and an attempt to send it.
        let mut gather = Box::pin(self.gather(sink, source, pace.start()));
        let mut deliver = Box::pin(self.deliver(sink, pace));
        let (gathered, delivered) = tokio::select! {
            biased;
            delivered = &mut deliver => match delivered {
                Err(failure) if !self.persistence.drains => (Ok(()), Err(failure)),
                delivered => (gather.await, delivered),
            },
            gathered = &mut gather => (gathered, deliver.await),
        };
        if let Err(failure) = delivered {
            return Err(self.not_sent(failure).into());
        }
        gathered.with_context(|| format!("could not read {input}"))
    }

    /// Takes the counts out, with those of the backlog: events that it lost and events that wait in it.
    pub(super) fn tally(&self) -> Tally {
        self.with(State::take_tally)
    }

    /// Whether the last line of the source so far has ended the job.
    pub(super) fn is_run_over(&self) -> bool {
        self.with(|state| state.is_run_over)
    }

    fn with<T>(&self, act: impl FnOnce(&mut State<'a, W>) -> T) -> T {
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn say(&self, text: &str) {
        self.with(|state| state.say(text));
    }

    fn complain(&self, text: &str) {
        self.with(|state| state.complain(text));
    }

    /// Takes events from the source until it ends.
    async fn gather(
        &self,
        sink: &Sink,
        mut source: Source<impl AsyncBufRead + Unpin>,
        start: Instant,
    ) -> std::io::Result<()> {
        // The first event that has a time may have waited for the sink. The times between the events count.
        let mut start = Start::Planned(start);
        let result = loop {
            match source.next().await {
                Err(error) => break Err(error),
                Ok(None) => break Ok(()),
                Ok(Some(Next::Bad(line, error))) => {
                    self.with(|state| state.tally.bad_lines += 1);
                    self.complain(&format!("error: line {line}: {error}"));
                }
                Ok(Some(Next::Unplayable(line, error))) => {
                    self.with(|state| state.tally.bad_lines += 1);
                    self.complain(&format!("error: line {line}: {error}"));
                }
                Ok(Some(Next::InVain(lines))) => {
                    let told = match lines {
                        1 => "its line was no event and said no progress".to_owned(),
                        _ => format!("none of its {lines} lines was an event or said progress"),
                    };
                    self.say(&format!("warning: standard input has ended, and {told}"));
                }
                Ok(Some(Next::Event(event, at))) => {
                    self.with(|state| state.is_run_over = source.is_ended());
                    if let Some(at) = at {
                        sleep_until(start.at() + at).await;
                    }
                    self.room().await;
                    if let Some(at) = at {
                        start.took(at);
                    }
                    if let Some(opening) = source.opening(&event)
                        && self.standing(sink, &opening).await.is_some_and(|standing| standing.has_ended())
                    {
                        self.take(sink, opening).await;
                        self.room().await;
                    }
                    self.take(sink, event).await;
                }
            }
        };
        self.with(|state| state.ended = Some(Instant::now()));
        self.filled.notify_one();
        result
    }

    /// Waits until the sink wants an event, or is away, in which case the event has to wait.
    async fn room(&self) {
        while !self.with(|state| state.has_room()) {
            self.wanted.notified().await;
        }
    }

    /// Takes an event from the source. An event that lacks the state of its job gets the known state. Where the state cannot be
    /// found out, the defaults of the event apply.
    async fn take(&self, sink: &Sink, mut event: Outgoing) {
        if event.needs_standing()
            && let Some(standing) = self.standing(sink, &event).await
        {
            event.carry(&standing);
        }
        match Message::new(event, Timestamp::now()) {
            Ok(message) => self.push(message),
            Err(error) => {
                self.with(|state| state.tally.lost += 1);
                self.complain(&format!("error: {error}"));
            }
        }
    }

    /// State of the event's job; `None` where it is not known. After an attempt that failed or took longer than [`STALL`] the
    /// state is not asked for again.
    async fn standing(&self, sink: &Sink, event: &Outgoing) -> Option<Standing> {
        if self.with(|state| state.away || state.closed || state.is_blind) {
            return None;
        }
        if let Ok(Ok(standing)) = timeout(STALL, sink.standing(&event.dialect, &event.job)).await {
            return standing;
        }
        self.with(|state| state.is_blind = true);
        None
    }

    fn push(&self, message: Message) {
        self.with(|state| state.push(message));
        self.filled.notify_one();
    }

    /// The next event to send; `None` once the source has ended and nothing waits.
    async fn next(&self) -> Option<(u64, Message)> {
        loop {
            let next = self.with(|state| {
                let next = state.backlog.pop();
                state.ready = next.is_none();
                if next.is_none() && state.ended.is_some() { None } else { Some(next) }
            })?;
            match next {
                Some(next) => return Some(next),
                None => self.wanted.notify_one(),
            }
            self.filled.notified().await;
        }
    }

    /// Sends what the source gives until it ends, nothing can be sent any more, or patience does.
    async fn deliver(&self, sink: &Sink, mut pace: Pace) -> Result<(), Failure> {
        let mut backoff = Backoff::new(RETRY.0, RETRY.1);
        let mut is_checked = false;
        loop {
            let attempt = if is_checked {
                if let Some(due) = pace.next(Instant::now()) {
                    sleep_until(due).await;
                }
                let Some((number, message)) = self.next().await else { return Ok(()) };
                match self.attempt(sink, self.send(sink, &message)).await {
                    Err(undelivered) if undelivered.trouble == Trouble::OfEvent => {
                        self.refused(undelivered)?
                    }
                    Err(undelivered) => {
                        self.with(|state| state.backlog.put_back(number, message));
                        Err(undelivered)
                    }
                    Ok(()) => {
                        self.with(State::sent);
                        Ok(())
                    }
                }
            } else {
                self.attempt(sink, sink.check()).await
            };
            match attempt {
                Ok(()) => {
                    is_checked = true;
                    backoff.reset();
                    self.with(State::back);
                }
                Err(undelivered) => {
                    let wait = backoff.next(rand::random());
                    self.stay(undelivered, wait).await?;
                }
            }
        }
    }

    /// Waits for an answer, for which the sink has its own limit; after a second without one the source is read on. After the
    /// source's end patience is a limit too.
    async fn attempt<T>(
        &self,
        sink: &Sink,
        sending: impl Future<Output = Result<T, Undelivered>>,
    ) -> Result<T, Undelivered> {
        tokio::pin!(sending);
        tokio::select! {
            result = &mut sending => return result,
            () = sleep(STALL) => {}
        }
        self.with(|state| state.away = self.persistence.gathers);
        self.wanted.notify_one();
        tokio::select! {
            biased;
            result = &mut sending => result,
            () = self.out_of_patience() => {
                let message = format!("no answer from {} while --patience lasted", sink.address());
                let failure = Failure::new(Exit::Unreachable, message);
                Err(Undelivered { failure, trouble: Trouble::Passing })
            }
        }
    }

    /// Waits until the source has ended and there was time enough after that; for ever where the source can wait itself.
    async fn out_of_patience(&self) {
        if !self.persistence.gathers {
            return std::future::pending().await;
        }
        loop {
            let ended = self.with(|state| state.ended);
            match ended {
                Some(ended) => return sleep_until(ended + self.persistence.at_last).await,
                // `filled` has no other waiter while an event is being sent.
                None => self.filled.notified().await,
            }
        }
    }

    /// Begins an outage or goes on with it: waits before the next attempt, unless there is to be none.
    async fn stay(&self, undelivered: Undelivered, wait: Duration) -> Result<(), Failure> {
        let Undelivered { mut failure, trouble } = undelivered;
        let now = Instant::now();
        let is_new = self.with(|state| state.begin_outage(now));
        if trouble == Trouble::Lasting {
            return Err(self.close(failure, "nothing can be sent any more"));
        }
        let deadline = self.with(|state| state.deadline());
        if deadline.is_some_and(|deadline| deadline <= now) {
            if self.persistence.gathers && self.with(|state| state.tally.sent > 0) {
                failure.exit = Exit::Failure;
            }
            return Err(self.close(failure, "given up"));
        }
        if is_new {
            self.with(|state| state.tell_of_outage(&failure));
        }
        self.wanted.notify_one();
        let next = now + wait;
        sleep_until(deadline.map_or(next, |deadline| deadline.min(next))).await;
        Ok(())
    }

    /// Sends no more: what waits is lost, and whatever the source still gives.
    fn close(&self, failure: Failure, why: &str) -> Failure {
        let goes_on = self.with(State::close);
        if goes_on {
            self.say(&format!("warning: {failure}; {why}, and standard input is only read to its end"));
        }
        self.wanted.notify_one();
        failure
    }

    /// An event that is refused while others may pass. Where it is the only one, its failure is that of all.
    fn refused(&self, undelivered: Undelivered) -> Result<Result<(), Undelivered>, Failure> {
        let Undelivered { failure, .. } = undelivered;
        self.with(|state| state.tally.lost += 1);
        if !self.persistence.reads_on && !self.persistence.leaves_out {
            return Err(failure);
        }
        self.complain(&format!("error: {failure}; the event is left out"));
        Ok(Ok(()))
    }

    /// The failure of a run that could not send everything, with the number of events where that is not plain.
    fn not_sent(&self, failure: Failure) -> Failure {
        let lost = self.with(|state| state.tally.lost + state.backlog.lost);
        if lost == 0 || !self.persistence.gathers {
            return failure;
        }
        Failure { message: format!("{failure}; {}", unsent(lost)), ..failure }
    }

    /// Publishes an event, after an outage until those who were subscribed before it are there again.
    async fn publish(&self, sink: &Sink, message: &Message) -> Result<Arrival, Undelivered> {
        let Message { dialect, channel, payload, .. } = message;
        let begun = Instant::now();
        loop {
            let arrival = sink.publish(dialect, channel, payload.clone().into()).await?;
            let Arrival::Heard(reach) = arrival else { return Ok(arrival) };
            let may_come_back = self.with(|state| {
                state.is_heard |= !reach.is_nobody();
                let recently = |at: Instant| at.elapsed() < RESUBSCRIBING;
                state.is_heard && (state.outage.is_some() || state.returned.is_some_and(recently))
            });
            let is_heard = !reach.is_nobody() || reach.is_at_a_relay();
            if is_heard || !may_come_back || begun.elapsed() >= RESUBSCRIBING {
                return Ok(arrival);
            }
            sleep(RETRY.0).await;
        }
    }

    async fn send(&self, sink: &Sink, message: &Message) -> Result<(), Undelivered> {
        let Message { dialect, channel, payload, .. } = message;
        // First, so that a relay which reads it back knows no less than one that hears of it.
        if !sink.register(dialect, channel, payload).await? {
            let job = message.job.escape_debug();
            self.say(&format!("warning: {}/{job} has another owner already, who stays", dialect.name));
        }
        let reach = match self.publish(sink, message).await? {
            Arrival::Heard(reach) => reach,
            Arrival::Spread => return Ok(()),
            Arrival::Kept(key) => {
                self.with(|state| state.added_to(key));
                return Ok(());
            }
        };
        // A hidden event is for the relay alone, so it has arrived once it is at a relay.
        let is_at_its_place = reach.is_at_a_relay() && message.is_hidden;
        if reach.is_nobody() && !is_at_its_place && self.with(|state| state.tally.nobody.is_none()) {
            let nobody = sink.nobody(dialect, channel, reach);
            if !self.manner.is_reported {
                let is_kept = reach.is_at_a_relay() && dialect.channels.is_none();
                self.say(&format!("{}: {nobody}", if is_kept { "note" } else { "warning" }));
            }
            self.with(|state| state.tally.nobody = Some(nobody));
        }
        Ok(())
    }
}

/// Time that a source counts from.
enum Start {
    /// No event that has a time was taken yet.
    Planned(Instant),
    Actual(Instant),
}

impl Start {
    const fn at(&self) -> Instant {
        let (Self::Planned(start) | Self::Actual(start)) = self;
        *start
    }

    /// An event that is due at this time is taken now.
    fn took(&mut self, at: Duration) {
        if let Self::Planned(start) = self {
            let now = Instant::now();
            *self = Self::Actual(now.checked_sub(at).map_or(*start, |first| first.max(*start)));
        }
    }
}

/// How many events were not sent, for people.
pub(super) fn unsent(count: u64) -> String {
    match count {
        1 => "1 event was not sent".to_owned(),
        count => format!("{count} events were not sent"),
    }
}
