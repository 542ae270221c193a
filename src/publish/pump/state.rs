//! State of a pump: events that wait, counts, and the outage under way; decides without a socket.

use std::collections::BTreeSet;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use crate::emit::Outgoing;
use crate::exit::Failure;
use crate::net::seldom::Seldom;
use crate::publish::backlog::{Backlog, Message};
use crate::publish::note;

/// Time between two warnings, at least, that the sink is away.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// Keys of streams that are kept. Where each job has a channel of its own, there are as many streams as jobs.
pub(in crate::publish) const MOST_STREAMS: usize = 1000;

/// Limits of the time for which a sink that is away is tried again.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "each says another thing, and any of them may hold")]
pub(in crate::publish) struct Persistence {
    /// The source cannot wait: it is read on while the sink is away, and its events are kept.
    pub(in crate::publish) gathers: bool,
    /// Events come as they come: one that is refused ends nothing, and a sink that is away may come later.
    pub(in crate::publish) reads_on: bool,
    /// An event that is refused ends nothing, even where the source can wait.
    pub(in crate::publish) leaves_out: bool,
    /// The source is read to its end, whatever becomes of its events: somebody writes to it who must not be killed.
    pub(in crate::publish) drains: bool,
    /// The source is a file of which this is known. It waits through outages and loses nothing.
    pub(in crate::publish) file: Option<FileSource>,
    /// Time from the beginning of an outage, where the source can wait or nothing was sent yet.
    pub(in crate::publish) at_first: Duration,
    /// Time from the source's end, or from the last event that was sent if that is later.
    pub(in crate::publish) at_last: Duration,
}

/// A source that can wait.
#[derive(Debug, Clone, Copy)]
pub(in crate::publish) struct FileSource {
    /// Count of its events.
    pub(in crate::publish) events: u64,
    /// Time at which its last event is due.
    pub(in crate::publish) until: Instant,
}

/// Counts of the events so far.
#[derive(Debug, Default)]
pub(in crate::publish) struct Tally {
    /// Events that were sent.
    pub(in crate::publish) sent: u64,
    /// Events that were not sent and will not be sent.
    pub(in crate::publish) lost: u64,
    /// Events that wait.
    pub(in crate::publish) waiting: u64,
    /// Lines that are no events.
    pub(in crate::publish) bad_lines: u64,
    /// Message about the first event that reached nobody.
    pub(in crate::publish) nobody: Option<String>,
    /// Events of progress that newer progress replaced.
    pub(in crate::publish) replaced: u64,
    /// Lines of a recording of another dialect than that of `--as`, whose errors were printed.
    pub(in crate::publish) other_than_as: u64,
    /// Keys of the streams that events were added to; no more than [`MOST_STREAMS`].
    pub(in crate::publish) streams: BTreeSet<String>,
}

/// State that the reading and the sending future share.
#[expect(clippy::struct_excessive_bools, reason = "each says another thing, and any of them may hold")]
pub(super) struct State<'a, W> {
    pub(super) backlog: Backlog,
    /// Event that the source gave and the backlog has not taken yet.
    pub(super) held: Option<HeldEvent>,
    /// Event that is being sent, with its number in the backlog.
    in_flight: Option<(u64, Arc<Message>)>,
    pub(super) tally: Tally,
    notes: &'a mut W,
    is_quiet: bool,
    persistence: Persistence,
    /// The sink waits for an event.
    pub(super) ready: bool,
    /// The sink does not take events now.
    pub(super) away: bool,
    /// Sending was given up: events that wait, and those that still come, count as lost.
    pub(super) closed: bool,
    /// At least one event has reached somebody.
    pub(super) is_heard: bool,
    /// End of the last outage.
    pub(super) returned: Option<Instant>,
    /// The current state of jobs could not be read.
    pub(super) is_blind: bool,
    /// The newest event that was sent ended the job.
    pub(super) is_run_over: bool,
    /// The pump was stopped: no further event is sent.
    pub(super) is_stopped: bool,
    /// End of the source.
    pub(super) ended: Option<Instant>,
    /// Time at which an event was last sent.
    last: Option<Instant>,
    pub(super) outage: Option<Outage>,
    seldom: Seldom<()>,
}

/// An event as the source gave it.
pub(super) struct HeldEvent {
    pub(super) event: Outgoing,
    /// Whether the run of the job is over once the event is sent.
    pub(super) is_run_over: bool,
}

/// A time in which the sink is away.
pub(super) struct Outage {
    since: Instant,
    /// Count of replaced progress before it.
    replaced: u64,
    is_told: bool,
}

impl<'a, W: Write> State<'a, W> {
    pub(super) fn new(notes: &'a mut W, is_quiet: bool, persistence: Persistence) -> Self {
        Self {
            backlog: Backlog::default(),
            held: None,
            in_flight: None,
            tally: Tally::default(),
            notes,
            is_quiet,
            persistence,
            ready: false,
            away: false,
            closed: false,
            is_heard: false,
            returned: None,
            is_blind: false,
            is_run_over: false,
            is_stopped: false,
            ended: None,
            last: None,
            outage: None,
            seldom: Seldom::every(TELL_EVERY),
        }
    }

    /// Prints a note or a warning, unless it is to be quiet.
    pub(super) fn say(&mut self, text: &str) {
        if !self.is_quiet {
            note(self.notes, text);
        }
    }

    /// Prints an error.
    pub(super) fn complain(&mut self, text: &str) {
        note(self.notes, text);
    }

    /// Takes the counts out, with those of the backlog: events that it lost and events that wait in it.
    pub(super) fn take_tally(&mut self) -> Tally {
        let tally = std::mem::take(&mut self.tally);
        let (lost, waiting) = (tally.lost + self.backlog.lost, self.backlog.len());
        Tally { lost, waiting, replaced: self.backlog.replaced, ..tally }
    }

    /// Whether an event may be taken from the source: the sink wants one, or is away, so that the event has to wait.
    pub(super) fn has_room(&self) -> bool {
        self.away || self.closed || (self.ready && self.backlog.is_empty())
    }

    /// Keeps an event until it is sent.
    fn push(&mut self, message: Message) {
        if self.closed {
            self.tally.lost += 1;
        } else {
            self.backlog.push(message);
        }
    }

    /// Moves the held event to the backlog. An event that cannot be built is lost, and its error is printed.
    pub(super) fn take_held(&mut self) {
        let Some(HeldEvent { event, is_run_over }) = self.held.take() else { return };
        self.take(event, is_run_over);
    }

    /// Adds an event to the backlog. An event that cannot be built is lost, and its error is printed.
    pub(super) fn take(&mut self, event: Outgoing, is_run_over: bool) {
        match Message::new(event, is_run_over, Timestamp::now()) {
            Ok(message) => self.push(message),
            Err(error) => {
                self.tally.lost += 1;
                self.complain(&format!("error: {error}"));
            }
        }
    }

    /// Takes the oldest waiting event, which is to be sent now.
    pub(super) fn pop(&mut self) -> Option<Arc<Message>> {
        let (number, message) = self.backlog.pop()?;
        self.in_flight = Some((number, Arc::clone(&message)));
        Some(message)
    }

    /// Whether an event is being sent.
    pub(super) const fn is_sending(&self) -> bool {
        self.in_flight.is_some()
    }

    /// Counts the event that was being sent as sent.
    pub(super) fn sent(&mut self) {
        self.tally.sent += 1;
        self.last = Some(Instant::now());
        if let Some((_, message)) = self.in_flight.take() {
            self.is_run_over = message.is_run_over;
        }
    }

    /// Counts the event that was being sent as lost.
    pub(super) fn refused(&mut self) {
        self.tally.lost += 1;
        self.in_flight = None;
    }

    /// Puts the event that was being sent back, to be sent again.
    pub(super) fn put_back(&mut self) {
        if let Some((number, message)) = self.in_flight.take() {
            self.backlog.put_back(number, message);
        }
    }

    /// Event that ended the job, where it was read and not sent. The event no longer counts as waiting.
    pub(super) fn take_ending(&mut self) -> Option<Arc<Message>> {
        if self.is_run_over { None } else { self.backlog.take_ending() }
    }

    /// Keeps the key of a stream that an event was added to.
    pub(super) fn added_to(&mut self, key: String) {
        let streams = &mut self.tally.streams;
        if streams.len() < MOST_STREAMS {
            streams.insert(key);
        }
    }

    /// Time until which a sink that is away is tried again, if there is an end.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let Persistence { gathers, reads_on, at_first, at_last, file, .. } = self.persistence;
        if let (Some(file), Some(outage), Some(_)) = (file, &self.outage, self.last) {
            return Some(outage.since.max(file.until) + at_last);
        }
        let may_wait = !gathers || (self.last.is_none() && !reads_on);
        match &self.outage {
            Some(outage) if may_wait => Some(outage.since + at_first),
            // No event is left to send, so there is nothing to wait for.
            _ if self.ended.is_some() && self.backlog.is_empty() => self.ended,
            _ => self.ended.map(|ended| self.last.map_or(ended, |last| last.max(ended)) + at_last),
        }
    }

    /// Begins an outage, or goes on with it. Returns whether the outage is new.
    pub(super) fn begin_outage(&mut self, now: Instant) -> bool {
        self.away = self.persistence.gathers;
        let is_new = self.outage.is_none();
        let replaced = self.backlog.replaced;
        self.outage.get_or_insert(Outage { since: now, replaced, is_told: false });
        is_new
    }

    /// Says that the sink is away, at most once in [`TELL_EVERY`].
    pub(super) fn tell_of_outage(&mut self, failure: &Failure) {
        let what = match self.persistence {
            Persistence { gathers: true, .. } => "events are kept until it is back",
            Persistence { file: Some(_), .. } => "the recording waits until it is back",
            _ => "trying again",
        };
        if let (Some(_), Some(outage)) = (self.seldom.due(()), &mut self.outage) {
            outage.is_told = true;
            self.say(&format!("warning: {failure}; {what}"));
        }
    }

    /// Ends an outage, if there was one.
    pub(super) fn back(&mut self) {
        self.away = false;
        if self.outage.is_some() {
            self.returned = Some(Instant::now());
        }
        let Some(outage) = self.outage.take().filter(|outage| outage.is_told) else { return };
        let waiting = match self.backlog.len() {
            0 => String::new(),
            waiting => format!("; events that waited: {waiting}"),
        };
        let replaced = match self.backlog.replaced - outage.replaced {
            0 => String::new(),
            replaced => format!("; progress replaced by newer progress: {replaced}"),
        };
        let seconds = outage.since.elapsed().as_secs_f64();
        self.say(&format!("note: back after {seconds:.1} s{waiting}{replaced}"));
    }

    /// Gives up sending: waiting events are lost. Returns whether the source is read to its end all the same.
    pub(super) fn close(&mut self) -> bool {
        self.closed = true;
        self.backlog.give_up();
        self.persistence.drains && self.ended.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::Dialects;
    use crate::emit::Content;
    use crate::exit::Exit;

    fn persistence() -> Persistence {
        let (at_first, at_last) = (Duration::ZERO, Duration::ZERO);
        Persistence {
            gathers: true,
            reads_on: true,
            leaves_out: false,
            drains: true,
            file: None,
            at_first,
            at_last,
        }
    }

    fn event(payload: &str) -> Outgoing {
        let dialect = Arc::clone(Dialects::builtin().named("downloads").unwrap().1);
        Outgoing { dialect, job: "a".to_owned(), content: Content::Whole(payload.to_owned()) }
    }

    #[test]
    fn the_end_of_an_outage_says_what_waited_and_what_was_replaced() {
        let mut notes = Vec::new();
        let mut state = State::new(&mut notes, false, persistence());
        assert!(state.begin_outage(Instant::now()));
        assert!(!state.begin_outage(Instant::now()));
        state.tell_of_outage(&Failure::new(Exit::Unreachable, "away"));
        for percent in [1, 2] {
            state.take(
                event(&format!(r#"{{"jobId":"a","status":"processing","progress":{percent}}}"#)),
                false,
            );
        }
        state.back();
        state.back();
        let notes = String::from_utf8(notes).unwrap();
        let lines: Vec<&str> = notes.lines().collect();
        assert_eq!(lines[0], "warning: away; events are kept until it is back");
        assert!(lines[1].starts_with("note: back after "), "{notes}");
        assert!(
            lines[1].ends_with("; events that waited: 1; progress replaced by newer progress: 1"),
            "{notes}"
        );
        assert_eq!(lines.len(), 2, "{notes}");
    }

    #[test]
    fn the_ending_of_a_job_is_taken_where_it_waits_and_no_event_behind_it_opened_the_job() {
        let completed = r#"{"jobId":"a","status":"completed"}"#;
        let queued = r#"{"jobId":"a","status":"queued"}"#;
        let mut notes = Vec::new();
        let mut state = State::new(&mut notes, false, persistence());
        assert!(state.take_ending().is_none());
        state.take(event(queued), false);
        assert!(state.take_ending().is_none());
        state.take(event(completed), true);
        assert_eq!(state.take_ending().unwrap().payload, completed);
        assert_eq!(state.take_tally().waiting, 1);
        state.take(event(completed), true);
        state.take(event(queued), false);
        assert!(state.take_ending().is_none());
        // The newer `queued` has replaced the older one.
        assert_eq!(state.take_tally().waiting, 2);
    }

    #[test]
    fn an_event_counts_where_it_was_read_or_is_being_sent() {
        let mut notes = Vec::new();
        let mut state = State::new(&mut notes, false, persistence());
        state.take(event(r#"{"jobId":"a","status":"completed"}"#), true);
        assert!(!state.is_sending());
        state.pop().unwrap();
        assert!(state.is_sending() && !state.is_run_over);
        state.held =
            Some(HeldEvent { event: event(r#"{"jobId":"a","status":"queued"}"#), is_run_over: false });
        state.put_back();
        state.take_held();
        assert!(!state.is_sending());
        assert_eq!(state.take_tally().waiting, 2);
        state.pop().unwrap();
        state.sent();
        assert!(state.is_run_over && state.take_ending().is_none());
        assert_eq!(state.take_tally().waiting, 1);
    }

    #[test]
    fn keys_of_streams_are_kept_up_to_a_limit() {
        let mut notes = Vec::new();
        let mut state = State::new(&mut notes, false, persistence());
        for nth in 0..3 * MOST_STREAMS {
            state.added_to(format!("tasks:{}", nth / 2));
        }
        assert_eq!(state.take_tally().streams.len(), MOST_STREAMS);
    }
}
