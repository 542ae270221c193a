//! Sending of a command's events, in a task that the command never waits for.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::Notify;
use tokio::time::{sleep_until, timeout};

use super::queue::{Item, LogLine, Queue, Turn};
use super::report::Reporter;
use crate::emit::{Arrival, Outgoing, Sink, Trouble, Undelivered};
use crate::exit::{Exit, Failure};
use crate::net::backoff::Backoff;
use crate::progress::Progress;
use crate::text::{brief_to, counted};

/// Longest text of a line or a message, in characters.
const LONGEST: usize = 1000;
/// First and longest wait between two attempts to send.
const RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));
/// Wait between two attempts where the sink refuses until its operator changes something.
const REFUSED: Duration = Duration::from_secs(5);
/// Time after the end of the command in which lines are still sent. The rest of the time is for the end event.
const LAST_LINES: Duration = Duration::from_secs(1);

/// Handle that adds events for a [`Teller`]. None of its methods waits.
#[derive(Clone)]
pub(super) struct Tellings(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    /// Notified when something was added.
    filled: Notify,
}

struct State {
    queue: Queue,
    account: Account,
}

/// Count of sent and failed events.
#[derive(Debug, Clone, Default)]
pub(super) struct Account {
    /// Events that were sent.
    pub(super) sent: u64,
    /// Whether an event has reached a watcher, or may have.
    pub(super) is_heard: bool,
    /// Events that the sink refused for good, without lines.
    pub(super) refused: u64,
    /// Lines that the sink refused for good.
    pub(super) refused_lines: u64,
    /// Reason why the last attempt failed, if it did.
    pub(super) failure: Option<Failure>,
    /// Explanation for an event that reached nobody.
    pub(super) nobody: Option<String>,
}

impl Account {
    /// Counts a refused item, which stands for this number of lines, or for an event.
    fn refuse(&mut self, lines: Option<u64>) {
        match lines {
            Some(lines) => self.refused_lines += lines,
            None => self.refused += 1,
        }
    }
}

impl Tellings {
    pub(super) fn new() -> Self {
        let state = State { queue: Queue::new(Instant::now()), account: Account::default() };
        Self(Arc::new(Shared { state: Mutex::new(state), filled: Notify::new() }))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, act: impl FnOnce(&mut Queue)) {
        act(&mut self.lock().queue);
        self.0.filled.notify_one();
    }

    pub(super) fn milestone(&self, event: Outgoing) {
        self.add(|queue| queue.milestone(event));
    }

    pub(super) fn progress(&self, mut progress: Progress) {
        progress.message = progress.message.map(|text| brief_to(&text, LONGEST).into_owned());
        self.add(|queue| queue.progress(progress));
    }

    /// Adds a line of output; `left_out` is the number of bytes that were cut off at its end.
    pub(super) fn line(&self, stream: &'static str, line: &[u8], left_out: u64) {
        let text = String::from_utf8_lossy(line);
        let mut text = brief_to(&text, LONGEST).into_owned();
        if left_out > 0 && !text.ends_with('…') {
            text.push('…');
        }
        self.add(|queue| queue.line(LogLine { stream, text }));
    }

    pub(super) fn left_out(&self, lines: u64) {
        if lines > 0 {
            self.add(|queue| queue.left_out(lines));
        }
    }

    pub(super) fn end(&self, event: Outgoing) {
        self.add(|queue| queue.end(event));
    }

    /// The account so far, the number of events that were not sent, and the number of lines that were not sent.
    pub(super) fn account(&self) -> (Account, u64, u64) {
        let state = self.lock();
        let (events, lines) = state.queue.waiting();
        let account = state.account.clone();
        let (events, lines) = (events + account.refused, lines + account.refused_lines);
        (account, events, lines)
    }
}

/// Task that sends the queued events, one at a time. While the sink is away the queue keeps events within its bounds.
pub(super) struct Teller {
    pub(super) tellings: Tellings,
    pub(super) reporter: Reporter,
    pub(super) sink: Sink,
    /// Silence after which the newest progress is sent again.
    pub(super) heartbeat: Option<Duration>,
}

impl Teller {
    /// Sends events until the end event is sent.
    pub(super) async fn run(self) {
        let mut backoff = Backoff::new(RETRY.0, RETRY.1);
        let mut newest = Progress::default();
        let mut ended = None;
        let mut is_over = false;
        while !is_over {
            let Some(item) = self.next(&newest, &mut ended).await else { return };
            if let Item::Progress(progress) = &item {
                newest = progress.clone();
            }
            // The task may be aborted during the send. The item then goes back into the queue and is counted as not sent.
            let Some(event) = self.event(&item) else { continue };
            is_over = matches!(item, Item::Ending(_));
            match self.send(&event, item).await {
                Ok(()) => backoff.reset(),
                Err(Trouble::OfEvent) => {}
                // After the end of the command too little time is left for a refusal to change.
                Err(Trouble::Lasting) if self.tellings.lock().queue.is_ended() => return,
                Err(trouble) => {
                    is_over = false;
                    let wait = backoff.next(rand::random());
                    self.rest(if trouble == Trouble::Lasting { REFUSED } else { wait }).await;
                }
            }
        }
    }

    /// Waits for the next item to send; `None` once all is sent.
    async fn next(&self, newest: &Progress, ended: &mut Option<Instant>) -> Option<Item> {
        let begun = Instant::now();
        loop {
            let now = Instant::now();
            let turn = {
                let queue = &mut self.tellings.lock().queue;
                if queue.is_ended() && now >= *ended.get_or_insert(now) + LAST_LINES {
                    queue.drop_lines();
                }
                queue.next(now)
            };
            let due = match turn {
                Turn::Due(item) => return Some(item),
                Turn::Over => return None,
                Turn::Wait(due) => due,
            };
            let heartbeat = self.heartbeat.map(|silence| begun + silence);
            if heartbeat.is_some_and(|heartbeat| heartbeat <= now) {
                return Some(Item::Progress(newest.clone()));
            }
            let filled = self.tellings.0.filled.notified();
            match due.into_iter().chain(heartbeat).min() {
                None => filled.await,
                // Whichever comes first, the loop asks the queue again.
                Some(at) => tokio::select! {
                    () = filled => {}
                    () = sleep_until(at.into()) => {}
                },
            }
        }
    }

    fn event(&self, item: &Item) -> Option<Outgoing> {
        match item {
            Item::Milestone(event) | Item::Ending(event) => Some((**event).clone()),
            Item::Progress(progress) => Some(self.reporter.progress(progress)),
            Item::Line(line) => self.reporter.line(Some(line.stream), &line.text),
            Item::LeftOut(lines) => {
                self.reporter.line(None, &format!("… {} left out", counted(*lines, "line")))
            }
        }
    }

    /// Sends an event. An item that may be sent later goes back into the queue.
    async fn send(&self, event: &Outgoing, item: Item) -> Result<(), Trouble> {
        let lines = item.lines();
        let unsent = Unsent { tellings: &self.tellings, item: Some(item) };
        let result = match event.payload(Timestamp::now()) {
            Ok(payload) => {
                let channel = event.channel();
                let sent = self.sink.publish(&event.dialect, &channel, payload.into()).await;
                sent.map(|arrival| self.heard(event, &channel, &arrival))
            }
            Err(error) => {
                let failure = Failure::new(Exit::Failure, error.to_string());
                Err(Undelivered { failure, trouble: Trouble::OfEvent })
            }
        };
        match result {
            Ok(()) => {
                unsent.forget();
                Ok(())
            }
            Err(Undelivered { failure, trouble }) => {
                if trouble == Trouble::OfEvent {
                    unsent.forget();
                    self.tellings.lock().account.refuse(lines);
                }
                self.tellings.lock().account.failure = Some(failure);
                Err(trouble)
            }
        }
    }

    fn heard(&self, event: &Outgoing, channel: &str, arrival: &Arrival) {
        let nobody = match arrival {
            Arrival::Heard(reach) if reach.is_nobody() && !reach.is_at_a_relay() => {
                Some(self.sink.nobody(&event.dialect, channel, *reach))
            }
            _ => None,
        };
        let account = &mut self.tellings.lock().account;
        account.sent += 1;
        account.is_heard |= nobody.is_none();
        account.nobody = nobody;
        if account.refused + account.refused_lines == 0 {
            account.failure = None;
        }
    }

    /// Waits before the next attempt. The end of the command cuts the wait short, since little time is left then.
    async fn rest(&self, wait: Duration) {
        let wait = if self.tellings.lock().queue.is_ended() { RETRY.0 } else { wait };
        let rested = Instant::now() + wait;
        while !self.tellings.lock().queue.is_ended() {
            let left = rested.saturating_duration_since(Instant::now());
            if left.is_zero() || timeout(left, self.tellings.0.filled.notified()).await.is_err() {
                return;
            }
        }
        sleep_until((Instant::now() + RETRY.0.min(wait)).into()).await;
    }
}

/// Item during a send. It goes back into the queue unless it is forgotten, also when the task is aborted.
struct Unsent<'a> {
    tellings: &'a Tellings,
    item: Option<Item>,
}

impl Unsent<'_> {
    fn forget(mut self) {
        self.item = None;
    }
}

impl Drop for Unsent<'_> {
    fn drop(&mut self) {
        if let Some(item) = self.item.take() {
            self.tellings.lock().queue.put_back(item);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refused_lines_count_as_lines() {
        let tellings = Tellings::new();
        let line = LogLine { stream: "stdout", text: "one".to_owned() };
        for item in [Item::Line(line), Item::LeftOut(3), Item::Progress(Progress::default())] {
            tellings.lock().account.refuse(item.lines());
        }
        let (_, events, lines) = tellings.account();
        assert_eq!((events, lines), (1, 4));
    }
}
