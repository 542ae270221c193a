//! First frames for a watcher: a job's state as it was at the 101, and all events since.

use std::sync::Arc;

use bytes::Bytes;

use super::hold::Lost;
use super::{JobLog, Stamp, decode_stored};
use crate::broker::StoredJob;
use crate::dialect::{Dialect, DialectId};
use crate::relay::event::Snapshot;
use crate::relay::event::{Delivery, Event};
use crate::wire::Payload;

/// A job's state at the moment from which on its events wait.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Before {
    /// This relay knew of nothing.
    Unseen,
    /// The events that make it up, oldest first.
    Events(Vec<Snapshot>),
    /// A merge, which is made only when it is sent, of what came later too.
    Merged,
}

/// A watcher's place: events that are newer than it wait for the watcher.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::relay) struct Since {
    /// The sequence of the moment.
    sequence: u64,
    /// The moment, in microseconds since the Unix epoch.
    micros: u64,
    /// Whether the watcher wants the run so far, not only the newest event.
    replay: bool,
    before: Before,
    /// Whether `before` is only what this relay remembered, of which a store may know more.
    is_guess: bool,
    /// When the newest event in `before` came, in microseconds since the Unix epoch.
    updated: u64,
}

/// State and events that a watcher is sent first.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::relay) struct Welcome {
    /// The state from which it watches, oldest first; empty if nobody has heard of the job.
    pub state: Vec<Snapshot>,
    /// Whether anybody has heard of the job, if only after the watcher's place.
    pub is_known: bool,
    /// The events since, in order; `Err` when they are no longer complete.
    pub events: Result<Vec<Delivery>, Lost>,
}

impl JobLog {
    /// Limits the events that wait for the watchers of one job to so many bytes.
    #[must_use]
    pub(in crate::relay) const fn holding(mut self, bytes: usize) -> Self {
        self.holds.set_bound(bytes);
        self
    }

    /// Lets the events of a job wait for a watcher, from now on until [`JobLog::welcome`] or [`JobLog::give_up`].
    pub(in crate::relay) fn wait(&mut self, id: DialectId, job: &Arc<str>, replay: bool, at: Stamp) -> Since {
        self.holds.enter(id, job);
        let generation = self.generations[id.index()];
        let (is_guess, updated) =
            self.get(id, job).map_or((true, 0), |record| (record.generation != generation, record.updated()));
        let before = match self.get(id, job) {
            None => Before::Unseen,
            Some(_) if self.dialects.get(id).merges() => Before::Merged,
            Some(_) => match self.state(id, job, replay) {
                events if events.is_empty() => Before::Unseen,
                events => Before::Events(events),
            },
        };
        let is_guess = is_guess || before == Before::Unseen;
        // A number of its own, which a state that is read back can have: older than all that waits.
        Since { sequence: self.number(), micros: at.micros, replay, before, is_guess, updated }
    }

    /// Lets an event wait, where somebody waits for its job's. Full: see [`Holds`]; all together they are bounded by what
    /// the log may keep.
    #[inline]
    pub(in crate::relay) fn hold(&mut self, id: DialectId, job: &str, held: &Delivery) {
        if !self.holds.is_empty() {
            let room = self.limits.bytes.saturating_sub(self.holds.bytes());
            self.holds.push(id, job, held, room);
        }
    }

    /// A watcher waits no longer, and gets nothing.
    pub(in crate::relay) fn give_up(&mut self, id: DialectId, job: &str, since: &Since) {
        // Whether anything was lost does not matter any more.
        let _ = self.holds.leave(id, job, since.sequence);
    }

    /// Whether a store keeps what was published after a watcher's place although nothing of that has come here: another
    /// relay heard of it first, and to show it now would be to show the events that led to it afterwards.
    pub(in crate::relay) fn is_outrun(
        &self,
        id: DialectId,
        job: &str,
        since: &Since,
        stored: &StoredJob,
    ) -> bool {
        stored.state.is_some() && stored.updated >= since.micros && !self.holds.holds(id, job, since.sequence)
    }

    /// A watcher waits no longer, and gets the state at its place and the events since, or if there are none the state
    /// now. `stored` is what a store was read to keep, if it was read.
    pub(in crate::relay) fn welcome(
        &mut self,
        id: DialectId,
        job: &str,
        since: Since,
        stored: Option<&StoredJob>,
    ) -> Welcome {
        let events = match self.holds.leave(id, job, since.sequence) {
            Ok(events) if !events.is_empty() => events,
            Ok(_) => {
                let state = self.state(id, job, since.replay);
                return Welcome { is_known: !state.is_empty(), state, events: Ok(Vec::new()) };
            }
            Err(lost) => return Welcome { state: Vec::new(), is_known: true, events: Err(lost) },
        };
        let dialect = Arc::clone(self.dialects.get(id));
        let stored = stored.and_then(|stored| Some((stored.updated, stored.state.as_ref()?)));
        let is_known = since.before != Before::Unseen || stored.is_some();
        // A state that another system keeps says nothing of its age.
        let is_first = since.before == Before::Unseen || dialect.has_foreign_state();
        let is_newer = |updated| is_first || updated > since.updated;
        let (state, events) = match (since.before, stored) {
            (_, Some((updated, payload)))
                if since.is_guess && updated < since.micros && is_newer(updated) =>
            {
                let state = stored_state(&dialect, job, payload, &events);
                let snapshot = |payload| Snapshot { sequence: since.sequence, payload };
                (state.map(snapshot).into_iter().collect(), events)
            }
            (Before::Events(state), _) => (state, events),
            (Before::Unseen, None) => (Vec::new(), events),
            // Written since, it has events that wait.
            (Before::Unseen, Some(_)) if !dialect.merges() => (Vec::new(), events),
            // The waiting events cannot be taken out of a merge, so the state before them is unknown: send the merge.
            (Before::Unseen, Some(_)) | (Before::Merged, _) => {
                let merged = self.state(id, job, since.replay);
                (Vec::new(), with_merge(events, merged))
            }
        };
        Welcome { state, is_known, events: Ok(events) }
    }

    /// A job's current state, oldest first: one frame, or the run so far.
    fn state(&mut self, id: DialectId, job: &str, replay: bool) -> Vec<Snapshot> {
        if replay { self.replay(id, job) } else { self.snapshot(id, job).into_iter().collect() }
    }
}

/// The text of a stored state, unless it is one of the events that wait, or none at all.
fn stored_state(dialect: &Dialect, job: &str, state: &Bytes, events: &[Delivery]) -> Option<Payload> {
    let channel = dialect.channel_of(job);
    let decoded = decode_stored(dialect, &channel, state)?;
    let payload = Payload::wrapped(decoded.text_parts());
    (!events.iter().any(|held| held.event.payload == payload)).then_some(payload)
}

/// Puts a merge of everything so far among the events that wait, in the place of the newest event that is in it.
fn with_merge(mut events: Vec<Delivery>, merged: Vec<Snapshot>) -> Vec<Delivery> {
    for Snapshot { sequence, payload } in merged {
        let Some(newest) = events.last() else { break };
        let model = events.iter().find(|held| held.event.sequence == sequence).unwrap_or(newest).clone();
        let echo = model.echo.filter(|_| model.event.sequence == sequence);
        let event = Event { sequence, payload, conflation: None, ..(*model.event).clone() };
        events.retain(|held| held.event.sequence != sequence);
        events.push(Delivery { event: Arc::new(event), echo });
    }
    events.sort_by_key(|held| held.event.sequence);
    events
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::dialect::Dialects;
    use crate::relay::joblog::{Incoming, JobLogLimits};

    /// A log with a store, and what it takes of one download.
    struct Fixture {
        log: JobLog,
        id: DialectId,
    }

    impl Fixture {
        fn new() -> Self {
            let dialects = Arc::new(Dialects::builtin());
            let id = dialects.named("downloads").unwrap().0;
            Self { log: JobLog::new(dialects, JobLogLimits::default(), true), id }
        }

        fn at(micros: u64) -> Stamp {
            Stamp { now: Instant::now(), micros }
        }

        fn take(&mut self, payload: &str) {
            let dialect = Arc::clone(self.log.dialects.get(self.id));
            let decoded = dialect.decode(b"download_updates:a", payload.as_bytes()).unwrap();
            let incoming = Incoming { payload: Payload::wrapped(decoded.text_parts()), entry: None };
            let event = self.log.take(self.id, &decoded, incoming, Self::at(50)).event;
            self.log.hold(self.id, "a", &Delivery { event, echo: None });
        }

        fn wait(&mut self) -> Since {
            self.log.wait(self.id, &"a".into(), false, Self::at(10))
        }

        /// Texts that a watcher is sent, in order.
        fn welcome(&mut self, since: Since, stored: Option<&StoredJob>) -> Vec<String> {
            let Welcome { state, events, .. } = self.log.welcome(self.id, "a", since, stored);
            let state = state.into_iter().map(|snapshot| (snapshot.sequence, snapshot.payload));
            let events =
                events.unwrap().into_iter().map(|held| (held.event.sequence, held.event.payload.clone()));
            let sent: Vec<_> = state.chain(events).collect();
            assert!(sent.is_sorted_by(|(a, _), (b, _)| a < b), "{sent:?}");
            sent.iter().map(|(_, payload)| String::from_utf8(payload.text().to_vec()).unwrap()).collect()
        }
    }

    fn status(status: &str, progress: u32, more: &str) -> String {
        format!(r#"{{"jobId":"a","status":"{status}","progress":{progress}{more}}}"#)
    }

    fn wrapped(payloads: &[String]) -> Vec<String> {
        payloads.iter().map(|data| format!(r#"{{"type":"status","data":{data}}}"#)).collect()
    }

    fn stored(state: &str, updated: u64) -> StoredJob {
        StoredJob { owner: None, state: Some(state.to_owned().into()), ended: None, percent: None, updated }
    }

    #[test]
    fn without_events_meanwhile_the_state_is_the_one_of_now() {
        let mut fixture = Fixture::new();
        fixture.take(&status("queued", 0, ""));
        let since = fixture.wait();
        assert_eq!(fixture.welcome(since, None), wrapped(&[status("queued", 0, "")]));
        let since = fixture.wait();
        fixture.log.give_up(fixture.id, "a", &since);
        assert!(fixture.log.holds.is_empty());
    }

    #[test]
    fn a_stored_state_from_before_comes_first_unless_it_is_one_of_the_events() {
        let (first, second) = (status("queued", 0, ""), status("processing", 5, ""));
        for (state, sent) in [
            (status("processing", 1, ""), vec![status("processing", 1, ""), first.clone()]),
            (first.clone(), vec![first.clone()]),
        ] {
            let mut fixture = Fixture::new();
            let since = fixture.wait();
            fixture.take(&first);
            fixture.take(&second);
            let sent = [sent, vec![second.clone()]].concat();
            assert_eq!(fixture.welcome(since, Some(&stored(&state, 9))), wrapped(&sent));
        }
    }

    #[test]
    fn a_state_outruns_a_watcher_that_was_there_before_it_and_has_heard_of_nothing() {
        let mut fixture = Fixture::new();
        let since = fixture.wait();
        let is_outrun = |fixture: &mut Fixture, updated| {
            let stored = stored(&status("completed", 100, ""), updated);
            fixture.log.is_outrun(fixture.id, "a", &since, &stored)
        };
        assert!(!is_outrun(&mut fixture, 9) && is_outrun(&mut fixture, 10));
        fixture.take(&status("processing", 1, ""));
        assert!(!is_outrun(&mut fixture, 10));
    }

    #[test]
    fn of_a_merge_what_was_before_comes_with_the_newest_event() {
        let title = r#","videoInfo":{"id":"x"}"#;
        let later = [status("processing", 5, ""), status("processing", 9, "")];
        let sent = wrapped(&[later[0].clone(), status("processing", 9, title)]);
        // Known here before.
        let mut fixture = Fixture::new();
        fixture.take(&status("queued", 0, title));
        let since = fixture.wait();
        for payload in &later {
            fixture.take(payload);
        }
        assert_eq!(fixture.welcome(since, None), sent);
        // Written since by another relay, and read back.
        let mut fixture = Fixture::new();
        let since = fixture.wait();
        for payload in &later {
            fixture.take(payload);
        }
        let stored = stored(&status("processing", 5, title), 11);
        fixture.log.restore(fixture.id, "a", Some(&stored), Fixture::at(12));
        assert_eq!(fixture.welcome(since, Some(&stored)), sent);
    }
}
