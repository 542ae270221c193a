//! Pump from a source to a sink, through outages: one future takes events from the source, another sends them.
//!
//! While the sink answers, the futures take turns for each event, so that the source is read no faster than events are sent.
//! While the sink is away, or has not answered for a second, the source is read on and its events wait in the backlog.

mod state;

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use tokio::io::AsyncBufRead;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::backlog::Message;
use super::pace::Pace;
use super::replay::ReplayError;
use super::source::{Next, Source};
use crate::dialect::{Dialect, Standing};
use crate::emit::{Arrival, Outgoing, Sink, Trouble, Undelivered};
use crate::exit::{Exit, Failure};
use crate::net::backoff::Backoff;
use crate::text::counted;

pub(super) use self::state::{FileSource, MOST_STREAMS, Persistence, Tally};
use self::state::{HeldEvent, State};

/// Longest time for an answer before the source is read on without it. A worker must not wait for its reporting.
const STALL: Duration = Duration::from_secs(1);
/// First and longest wait between two attempts. A sink that is back is used within a second.
const RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_millis(500));

/// Time for which an event that nobody got is sent again after an outage. A relay subscribes again within a second of its Redis.
const RESUBSCRIBING: Duration = Duration::from_secs(2);

/// State that the reading and the sending future share. The lock is held for moments, never across an `await`.
pub(super) struct Pump<'a, W> {
    state: Mutex<State<'a, W>>,
    /// The source may go on.
    wanted: Notify,
    /// An event waits, or the source has ended.
    filled: Notify,
    /// Whether the caller reports events that reached nobody.
    is_reported: bool,
    persistence: Persistence,
}

impl<'a, W: Write> Pump<'a, W> {
    /// With `is_quiet`, only errors are printed. With `is_reported`, the caller reports events that reached nobody.
    pub(super) fn new(notes: &'a mut W, persistence: Persistence, is_quiet: bool, is_reported: bool) -> Self {
        let state = Mutex::new(State::new(notes, is_quiet, persistence));
        Self { state, wanted: Notify::new(), filled: Notify::new(), is_reported, persistence }
    }

    /// Sends all of the source's events; `None` where `stop` came first. The error is a [`Failure`], or one of reading the
    /// source.
    ///
    /// An event that is being sent when `stop` comes gets [`STALL`] for its answer. All other events that were read and not
    /// sent are in the tally.
    pub(super) async fn run(
        &self,
        sink: &Sink,
        source: Source<impl AsyncBufRead + Unpin>,
        pace: Pace,
        stop: &CancellationToken,
    ) -> Option<anyhow::Result<()>> {
        let input = source.input();
        // Boxed, since each holds an event and an attempt to send it.
        let mut gather = Box::pin(self.gather(sink, source, pace.start()));
        let mut deliver = Box::pin(self.deliver(sink, pace));
        let both = async {
            tokio::select! {
                biased;
                delivered = &mut deliver => match delivered {
                    Err(failure) if !self.persistence.drains => (Ok(()), Err(failure)),
                    delivered => ((&mut gather).await, delivered),
                },
                gathered = &mut gather => (gathered, (&mut deliver).await),
            }
        };
        let (gathered, delivered) = tokio::select! {
            biased;
            () = stop.cancelled() => {
                self.stop(deliver).await;
                return None;
            }
            both = both => both,
        };
        Some(match delivered {
            Err(failure) => Err(self.not_sent(failure).into()),
            Ok(()) => gathered.with_context(|| format!("could not read {input}")),
        })
    }

    /// Stops the pump. Waits up to [`STALL`] for `deliver` where an event is being sent.
    async fn stop(&self, deliver: impl Future<Output = Result<(), Failure>>) {
        let is_sending = self.with(|state| {
            state.is_stopped = true;
            state.is_sending()
        });
        if is_sending && let Ok(Err(failure)) = timeout(STALL, deliver).await {
            self.say(&format!("warning: {failure}"));
        }
        self.with(|state| {
            state.put_back();
            state.take_held();
        });
    }

    /// Event that ended the job, where it was read and not sent. The event is not in the tally then.
    pub(super) fn take_ending(&self) -> Option<Arc<Message>> {
        self.with(State::take_ending)
    }

    /// Takes the counts out, with those of the backlog: events that it lost and events that wait in it.
    pub(super) fn tally(&self) -> Tally {
        self.with(State::take_tally)
    }

    /// Whether the newest event that was sent ended the job.
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
                    let is_told = self.with(|state| {
                        state.tally.bad_lines += 1;
                        let is_other = matches!(error, ReplayError::OtherThanAs { .. });
                        state.tally.other_than_as += u64::from(is_other);
                        !is_other || state.tally.other_than_as <= MOST_OTHERS
                    });
                    if is_told {
                        self.complain(&format!("error: line {line}: {error}"));
                    }
                }
                Ok(Some(Next::InVain(lines))) => {
                    let told = match lines {
                        1 => "its line was no event and said no progress".to_owned(),
                        _ => format!("none of its {lines} lines was an event or said progress"),
                    };
                    self.say(&format!("warning: standard input has ended, and {told}"));
                }
                Ok(Some(Next::Event { event, due, is_run_over })) => {
                    if let Some(due) = due {
                        sleep_until(start.at() + due).await;
                    }
                    let opening = source.opening(&event);
                    self.with(|state| state.held = Some(HeldEvent { event, is_run_over }));
                    self.room().await;
                    if let Some(due) = due {
                        start.took(due);
                        if self.persistence.file.is_some() {
                            start.waited(due);
                        }
                    }
                    if let Some(opening) = opening {
                        self.open(sink, opening).await;
                    }
                    self.take_held(sink).await;
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

    /// Takes the event that opens a run of its job, if the job has ended. Waits for room for the event behind it.
    async fn open(&self, sink: &Sink, mut opening: Outgoing) {
        let standing = self.standing(sink, &opening.dialect, &opening.job).await;
        let Some(standing) = standing.filter(Standing::has_ended) else { return };
        if opening.needs_standing() {
            opening.carry(&standing);
        }
        self.with(|state| state.take(opening, false));
        self.filled.notify_one();
        self.room().await;
    }

    /// Takes the held event. An event that lacks the state of its job gets the known state. Where the state cannot be found
    /// out, the defaults of the event apply. Until then the event stays held, so that a pump that is stopped counts it.
    async fn take_held(&self, sink: &Sink) {
        let incomplete = self.with(|state| {
            let event = &state.held.as_ref()?.event;
            event.needs_standing().then(|| (Arc::clone(&event.dialect), event.job.clone()))
        });
        let standing = match incomplete {
            Some((dialect, job)) => self.standing(sink, &dialect, &job).await,
            None => None,
        };
        self.with(|state| {
            if let (Some(held), Some(standing)) = (&mut state.held, standing) {
                held.event.carry(&standing);
            }
            state.take_held();
        });
        self.filled.notify_one();
    }

    /// State of a job; `None` where it is not known. After an attempt that failed or took longer than [`STALL`] the state is
    /// not asked for again.
    async fn standing(&self, sink: &Sink, dialect: &Dialect, job: &str) -> Option<Standing> {
        if self.with(|state| state.away || state.closed || state.is_blind) {
            return None;
        }
        if let Ok(Ok(standing)) = timeout(STALL, sink.standing(dialect, job)).await {
            return standing;
        }
        self.with(|state| state.is_blind = true);
        None
    }

    /// The next event to send; `None` once the source has ended and nothing waits.
    async fn next(&self) -> Option<Arc<Message>> {
        loop {
            let next = self.with(|state| {
                let next = state.pop();
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
                let Some(message) = self.next().await else { return Ok(()) };
                match self.attempt(sink, self.send(sink, &message)).await {
                    Err(undelivered) if undelivered.trouble == Trouble::OfEvent => {
                        self.refused(undelivered)?
                    }
                    Err(undelivered) => {
                        self.with(State::put_back);
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
            if self.with(|state| state.is_stopped) {
                return attempt.map_err(|undelivered| undelivered.failure);
            }
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

    /// Waits until the time for attempts after the end of the source is over; for ever where the source can wait.
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
            let is_of_many = self.persistence.gathers || self.persistence.file.is_some();
            if is_of_many && self.with(|state| state.tally.sent > 0) {
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

    /// Gives up sending. Waiting events and those that the source still gives are lost.
    fn close(&self, failure: Failure, why: &str) -> Failure {
        let goes_on = self.with(State::close);
        if goes_on {
            self.say(&format!("warning: {failure}; {why}, and standard input is only read to its end"));
        }
        self.wanted.notify_one();
        failure
    }

    /// Counts an event that was refused while others may pass. Where the source ends with it, its failure is the result.
    fn refused(&self, undelivered: Undelivered) -> Result<Result<(), Undelivered>, Failure> {
        let Undelivered { failure, .. } = undelivered;
        self.with(State::refused);
        if !self.persistence.reads_on && !self.persistence.leaves_out {
            return Err(failure);
        }
        self.complain(&format!("error: {failure}; the event is left out"));
        Ok(Ok(()))
    }

    /// Adds the number of lost events to a failure, unless the source is a single event.
    fn not_sent(&self, failure: Failure) -> Failure {
        let (lost, sent) = self.with(|state| (state.tally.lost + state.backlog.lost, state.tally.sent));
        let lost = self.persistence.file.map_or(lost, |file| file.events.saturating_sub(sent));
        if lost == 0 || !(self.persistence.gathers || self.persistence.file.is_some()) {
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
        // Before the event, so that a relay that reads the owner from Redis finds it.
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
            if !self.is_reported {
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

    /// An event that is due at this time is taken now. After a long wait the pauses between the events stay as they are.
    fn waited(&mut self, at: Duration) {
        let now = Instant::now();
        if now.saturating_duration_since(self.at() + at) > STALL
            && let Some(first) = now.checked_sub(at)
        {
            *self = Self::Actual(first);
        }
    }
}

/// Errors of lines of another dialect than that of `--as` that are printed.
pub(super) const MOST_OTHERS: u64 = 10;

/// Number of events that were not sent, in words.
pub(super) fn unsent(count: u64) -> String {
    format!("{} {} not sent", counted(count, "event"), if count == 1 { "was" } else { "were" })
}
