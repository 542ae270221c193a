//! The protocol state of a connection that watches one job: input and the time in, actions out, no sockets.

use std::sync::Arc;

use super::guard::Verdict;
use super::pulse::{Beat, Pulse};
use super::{Action, Guard, PingInterval};
use crate::dialect::{CloseReason, Dialect, DialectId, Frame, Topic};
use crate::relay::auth::Ownership;
use crate::relay::wheel::Millis;

/// The sequence of a session whose job has not been looked up: no event is newer.
const NOT_LOOKED_UP: u64 = u64::MAX;

/// A job's current state, for a late joiner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::relay) struct Snapshot {
    /// The sequence of the newest event in it: whatever is not newer must not follow.
    pub sequence: u64,
    /// The frame to send.
    pub frame: Frame,
}

/// One watcher of one job.
#[derive(Debug)]
pub(in crate::relay) struct JobSession {
    dialect: DialectId,
    job: Arc<str>,
    /// Sequence of the newest event that was sent. Until the job was looked up nothing is: what comes meanwhile waits in
    /// the job log, to follow the state in order.
    sequence: u64,
    pulse: Pulse,
    /// When an unknown job's watcher is told so; `Millis::MAX` when there is nothing to tell.
    grace: Millis,
    /// When the connection has lived as long as it may; `Millis::MAX` for ever.
    end: Millis,
    /// Present where the job belongs to somebody. Until it lets the socket in, the job counts as not looked up.
    guard: Option<Box<Guard>>,
}

impl JobSession {
    /// A session that begins now. `phase` in 0..1 places its first ping in the interval.
    pub(in crate::relay) fn new(
        dialect: DialectId,
        job: Arc<str>,
        now: Millis,
        interval: PingInterval,
        phase: f64,
    ) -> Self {
        Self {
            dialect,
            job,
            sequence: NOT_LOOKED_UP,
            pulse: Pulse::new(now, interval, phase),
            grace: Millis::MAX,
            end: Millis::MAX,
            guard: None,
        }
    }

    /// The same, but it gets what is its job's only once the guard lets it in.
    #[must_use]
    pub(in crate::relay) fn guarded(mut self, guard: Option<Guard>) -> Self {
        self.guard = guard.map(Box::new);
        self
    }

    /// The same, but it lives until `end` at most.
    #[must_use]
    pub(in crate::relay) const fn until(mut self, end: Millis) -> Self {
        self.end = end;
        self
    }

    /// Whether it has a guard, who wants to know of owners.
    pub(in crate::relay) const fn is_guarded(&self) -> bool {
        self.guard.is_some()
    }

    /// Whether it gets what is its job's.
    pub(in crate::relay) fn is_admitted(&self) -> bool {
        self.guard.as_ref().is_none_or(|guard| guard.has_admitted())
    }

    /// It was looked at whose the job is. Returns whether the job's state is to be sent now.
    pub(in crate::relay) fn admit(
        &mut self,
        owner: Ownership<'_>,
        dialect: &Dialect,
        now: Millis,
        out: &mut Vec<Action>,
    ) -> bool {
        let Some(guard) = &mut self.guard else { return true };
        match guard.decide(owner, dialect.owner_grace, now) {
            Verdict::Admit => true,
            Verdict::Stay | Verdict::Wait => false,
            Verdict::Refuse(reason) => {
                out.push(Action::Close(reason));
                false
            }
        }
    }

    /// What it is subscribed to.
    pub(in crate::relay) fn topic(&self) -> Topic {
        Topic::job(self.dialect, Arc::clone(&self.job))
    }

    /// The dialect it speaks.
    pub(in crate::relay) const fn dialect(&self) -> DialectId {
        self.dialect
    }

    /// The job it watches.
    pub(in crate::relay) const fn job(&self) -> &Arc<str> {
        &self.job
    }

    /// The job's state was looked up: empty if nobody has heard of it, oldest first. From now on events are taken.
    pub(in crate::relay) fn state(
        &mut self,
        known: Vec<Snapshot>,
        dialect: &Dialect,
        now: Millis,
        out: &mut Vec<Action>,
    ) {
        self.begin();
        let unknown = known.is_empty() && self.sequence == 0;
        for snapshot in known {
            if snapshot.sequence > self.sequence {
                self.sequence = snapshot.sequence;
                out.push(Action::Send(snapshot.frame));
            }
        }
        match &dialect.unknown {
            Some(what) if unknown && what.after.is_zero() => out.push(Action::Unknown),
            Some(what) if unknown => {
                self.grace = now.saturating_add(u64::try_from(what.after.as_millis()).unwrap_or(Millis::MAX));
            }
            _ => {}
        }
    }

    /// From now on events are taken, although nothing of the job's state is known.
    pub(in crate::relay) const fn begin(&mut self) {
        if self.sequence == NOT_LOOKED_UP {
            self.sequence = 0;
        }
    }

    /// Whether an event is to be sent: it is newer than everything that was.
    #[inline]
    pub(in crate::relay) fn takes(&mut self, sequence: u64) -> bool {
        if sequence <= self.sequence {
            return false;
        }
        self.sequence = sequence;
        self.grace = Millis::MAX;
        true
    }

    /// Bytes came from the client, whatever they are.
    pub(in crate::relay) const fn heard(&mut self, now: Millis) {
        self.pulse.heard(now);
    }

    /// A text came. All but `ping` is ignored in the job dialects.
    pub(in crate::relay) fn text(text: &str, out: &mut Vec<Action>) {
        if text == "ping" {
            out.push(Action::TextPong);
        }
    }

    /// A timer fired. Returns when the next one is wanted.
    pub(in crate::relay) fn timer(
        &mut self,
        now: Millis,
        interval: PingInterval,
        out: &mut Vec<Action>,
    ) -> Millis {
        let beat = self.pulse.beat(now, interval);
        if beat == Beat::Stale {
            out.push(Action::Close(CloseReason::Stale));
            return Millis::MAX;
        }
        if self.guard.as_mut().is_some_and(|guard| !guard.timer(now, out)) {
            return Millis::MAX;
        }
        if self.end <= now {
            out.push(Action::EndLife);
            return Millis::MAX;
        }
        if self.grace <= now {
            self.grace = Millis::MAX;
            out.push(Action::Unknown);
        }
        if beat == Beat::Ping {
            out.push(Action::Ping);
        }
        self.deadline(interval)
    }

    /// When it next wants to be woken.
    pub(in crate::relay) fn deadline(&self, interval: PingInterval) -> Millis {
        let guard = self.guard.as_ref().map_or(Millis::MAX, |guard| guard.deadline());
        self.pulse.deadline(interval).min(self.grace).min(self.end).min(guard)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::dialect::Dialects;

    const EVERY: u64 = 30_000;

    fn session(name: &str) -> (JobSession, Arc<Dialect>) {
        let all = Dialects::builtin();
        let (id, dialect) = all.named(name).unwrap();
        (JobSession::new(id, "1".into(), 0, interval(), 0.5), Arc::clone(dialect))
    }

    fn interval() -> PingInterval {
        PingInterval::new(Duration::from_millis(EVERY))
    }

    fn snapshot(sequence: u64) -> Vec<Snapshot> {
        vec![Snapshot { sequence, frame: Frame::from_static(b"state") }]
    }

    #[test]
    fn nothing_older_follows_a_snapshot_and_nothing_newer_is_skipped() {
        let (mut session, dialect) = session("scraping");
        let mut out = Vec::new();
        session.state(snapshot(5), &dialect, 0, &mut out);
        assert_eq!(out, [Action::Send(Frame::from_static(b"state"))]);
        assert_eq!(
            [4, 5, 6, 6, 7].map(|sequence| session.takes(sequence)),
            [false, false, true, false, true]
        );
    }

    #[test]
    fn no_event_goes_before_the_snapshot_since_those_between_the_two_would_be_skipped() {
        let (mut session, dialect) = session("scraping");
        let mut out = Vec::new();
        assert!(!session.takes(7));
        session.state(snapshot(9), &dialect, 0, &mut out);
        assert_eq!([8, 9, 10].map(|sequence| session.takes(sequence)), [false, false, true]);
    }

    #[test]
    fn a_job_that_is_looked_up_again_is_not_sent_again() {
        let (mut session, dialect) = session("scraping");
        let mut out = Vec::new();
        session.state(snapshot(8), &dialect, 0, &mut out);
        assert!(session.takes(9));
        out.clear();
        session.state(snapshot(8), &dialect, 0, &mut out);
        session.state(Vec::new(), &dialect, 0, &mut out);
        assert_eq!(out, []);
        assert_eq!(session.deadline(interval()), EVERY / 2, "no grace is armed");
    }

    #[test]
    fn live_events_follow_a_replay() {
        let (mut session, dialect) = session("scraping");
        let mut out = Vec::new();
        session.state([snapshot(1), snapshot(2), snapshot(4)].concat(), &dialect, 0, &mut out);
        assert_eq!(out.len(), 3);
        assert!(!session.takes(4) && session.takes(5));
    }

    #[test]
    fn nothing_goes_to_a_socket_before_its_guard_lets_it_in() {
        let (session, dialect) = session("tasks");
        let guard = Guard::new("alice".into(), 1_000_000, crate::relay::auth::Ownerless::Refuse);
        let (mut session, mut out) = (session.guarded(Some(guard)), Vec::new());
        assert!(!session.admit(Ownership::UnknownJob, &dialect, 0, &mut out));
        assert!(!session.takes(7) && !session.is_admitted());
        assert_eq!(out, []);
        assert!(session.deadline(interval()) < 1_000, "it looks again soon");
        assert!(session.admit(Ownership::Of("alice"), &dialect, 0, &mut out));
        session.state(snapshot(7), &dialect, 0, &mut out);
        assert_eq!(out, [Action::Send(Frame::from_static(b"state"))]);
        assert!(!session.takes(7) && session.takes(8));
        assert!(!session.admit(Ownership::Of("bob"), &dialect, 0, &mut out));
        assert_eq!(out[1..], [Action::Close(CloseReason::NotOwner)]);
    }

    #[test]
    fn a_connection_ends_when_it_has_lived_as_long_as_it_may() {
        let (session, _) = session("tasks");
        let (mut session, mut out) = (session.until(10_000), Vec::new());
        assert_eq!(session.deadline(interval()), 10_000);
        session.timer(9_999, interval(), &mut out);
        assert_eq!(out, []);
        assert_eq!(session.timer(10_000, interval(), &mut out), Millis::MAX);
        assert_eq!(out, [Action::EndLife]);
    }

    #[test]
    fn an_unknown_scraping_job_is_told_after_the_grace_and_an_event_disarms_it() {
        let (mut session, dialect) = session("scraping");
        let mut out = Vec::new();
        session.state(Vec::new(), &dialect, 0, &mut out);
        session.heard(29_000);
        assert_eq!(session.timer(29_999, interval(), &mut out), 30_000);
        assert_eq!(out, [Action::Ping]);
        out.clear();
        session.timer(30_000, interval(), &mut out);
        assert_eq!(out, [Action::Unknown]);

        let (mut session, dialect) = self::session("scraping");
        out.clear();
        session.state(Vec::new(), &dialect, 0, &mut out);
        assert!(session.takes(1));
        session.heard(29_000);
        session.timer(30_000, interval(), &mut out);
        assert_eq!(out, [Action::Ping]);
    }

    #[test]
    fn an_unknown_download_is_queued_at_once() {
        let (mut session, dialect) = session("downloads");
        let mut out = Vec::new();
        session.state(Vec::new(), &dialect, 0, &mut out);
        assert_eq!(out, [Action::Unknown]);
    }

    #[test]
    fn who_answers_nothing_for_two_intervals_is_stale() {
        let (mut session, _) = session("scraping");
        let mut out = Vec::new();
        let mut now = 0;
        while out.last() != Some(&Action::Close(CloseReason::Stale)) {
            now = session.deadline(interval());
            session.timer(now, interval(), &mut out);
        }
        assert_eq!(now, 2 * EVERY);
        assert_eq!(out, [Action::Ping, Action::Ping, Action::Close(CloseReason::Stale)]);
    }

    #[test]
    fn only_the_text_ping_is_answered() {
        let mut out = Vec::new();
        for text in ["hello", "PING", "{\"type\":\"ping\"}", " ping", "ping"] {
            JobSession::text(text, &mut out);
        }
        assert_eq!(out, [Action::TextPong]);
    }
}
