use std::time::Duration;

use super::*;
use crate::dialect::Dialects;
use crate::relay::auth::{Ownerless, Ownership};
use crate::relay::event::testing::event_of;
use crate::wire::Payload;

const EVERY: u64 = 30_000;

fn interval() -> PingInterval {
    PingInterval::new(Duration::from_millis(EVERY))
}

fn beginning() -> Beginning {
    Beginning { now: 0, interval: interval(), phase: 0.5 }
}

/// A session that watches job 1.
struct Fixture {
    session: Session,
    dialect: Arc<Dialect>,
    out: Vec<Action>,
}

impl Fixture {
    fn guarded(name: &str, guard: Option<Guard>) -> Self {
        let all = Dialects::builtin();
        let (id, dialect) = all.named(name).unwrap();
        let watch = Watch::of_job(Topic::job(id, "1"), guard, None, None);
        let session = Session::of_job(watch, beginning());
        Self { session, dialect: Arc::clone(dialect), out: Vec::new() }
    }

    fn new(name: &str) -> Self {
        Self::guarded(name, None)
    }

    fn state(&mut self, known: Vec<Snapshot>) {
        let watch = self.session.watch_mut(WatchId::ONLY).unwrap();
        watch.state(known, &self.dialect, 0, (WatchId::ONLY, &mut self.out));
    }

    fn takes(&mut self, sequence: u64) -> bool {
        let topic = self.session.watch(WatchId::ONLY).unwrap().topic().clone();
        self.session.takes(WatchId::ONLY, &event_of(topic, sequence, b"")) == Taking::Taken
    }

    fn admit(&mut self, owner: Ownership<'_>) -> Result<bool, CloseReason> {
        let watch = self.session.watch_mut(WatchId::ONLY).unwrap();
        watch.admit(owner, &self.dialect, 0)
    }

    fn timer(&mut self, now: Millis) -> Millis {
        self.session.timer(now, interval(), &mut self.out)
    }
}

fn snapshot(sequence: u64) -> Snapshot {
    Snapshot { sequence, payload: Payload::plain(b"state") }
}

#[test]
fn nothing_older_follows_a_snapshot_and_nothing_newer_is_skipped() {
    let mut fixture = Fixture::new("scraping");
    fixture.state(vec![snapshot(5)]);
    assert_eq!(fixture.out, [Action::State(WatchId::ONLY, snapshot(5))]);
    assert_eq!([4, 5, 6, 6, 7].map(|sequence| fixture.takes(sequence)), [false, false, true, false, true]);
}

#[test]
fn no_event_goes_before_the_snapshot_since_those_between_the_two_would_be_skipped() {
    let mut fixture = Fixture::new("scraping");
    assert!(!fixture.takes(7));
    fixture.state(vec![snapshot(9)]);
    assert_eq!([8, 9, 10].map(|sequence| fixture.takes(sequence)), [false, false, true]);
}

#[test]
fn a_state_that_is_read_back_comes_once_and_behind_what_is_newer_only_as_an_ending() {
    let mut fixture = Fixture::new("scraping");
    let read_back = |fixture: &mut Fixture, sequence, has_ended| {
        let watch = fixture.session.watch_mut(WatchId::ONLY).unwrap();
        watch.read_back(&snapshot(sequence), has_ended, (WatchId::ONLY, &mut fixture.out));
        fixture.out.len()
    };
    assert_eq!(read_back(&mut fixture, 4, true), 0, "the job was not looked up yet");
    fixture.state(vec![snapshot(5)]);
    for (sequence, has_ended, sent) in [(6, false, 2), (6, true, 2), (4, false, 2), (4, true, 3)] {
        assert_eq!(read_back(&mut fixture, sequence, has_ended), sent, "{sequence} {has_ended}");
    }
    assert!(!fixture.takes(6) && fixture.takes(7));
}

#[test]
fn a_job_that_is_looked_up_again_is_not_sent_again() {
    let mut fixture = Fixture::new("scraping");
    fixture.state(vec![snapshot(8)]);
    assert!(fixture.takes(9));
    fixture.out.clear();
    fixture.state(vec![snapshot(8)]);
    fixture.state(Vec::new());
    assert_eq!(fixture.out, []);
    assert_eq!(fixture.session.deadline(), EVERY / 2, "no grace is armed");
}

#[test]
fn live_events_follow_a_replay() {
    let mut fixture = Fixture::new("scraping");
    fixture.state(vec![snapshot(1), snapshot(2), snapshot(4)]);
    assert_eq!(fixture.out.len(), 3);
    assert!(!fixture.takes(4) && fixture.takes(5));
}

#[test]
fn nothing_goes_to_a_client_before_its_guard_lets_it_in() {
    let mut fixture = Fixture::guarded("tasks", Some(Guard::new("alice".into(), Ownerless::Refuse)));
    assert_eq!(fixture.admit(Ownership::UnknownJob), Ok(false));
    assert!(!fixture.takes(7) && !fixture.session.watch(WatchId::ONLY).unwrap().is_admitted());
    assert_eq!(fixture.out, []);
    assert!(fixture.session.deadline() < 1_000, "it looks again soon");
    assert_eq!(fixture.admit(Ownership::Of("alice")), Ok(true));
    fixture.state(vec![snapshot(7)]);
    assert_eq!(fixture.out, [Action::State(WatchId::ONLY, snapshot(7))]);
    assert!(!fixture.takes(7) && fixture.takes(8));
    assert_eq!(fixture.admit(Ownership::Of("bob")), Err(CloseReason::NotOwner));
    fixture.session.refuse(WatchId::ONLY, CloseReason::NotOwner, &mut fixture.out);
    assert_eq!(fixture.out[1..], [Action::Close(CloseReason::NotOwner)]);
}

#[test]
fn a_connection_ends_when_it_has_lived_as_long_as_it_may_or_its_token_expires() {
    for (token, last) in [(Millis::MAX, Action::EndLife), (10_000, Action::Close(CloseReason::Unauthorized))]
    {
        let mut fixture = Fixture::new("tasks");
        fixture.session = fixture.session.until(10_000).with_token(token);
        assert_eq!(fixture.session.deadline(), 10_000);
        fixture.timer(9_999);
        assert_eq!(fixture.out, []);
        assert_eq!(fixture.timer(10_000), Millis::MAX);
        assert_eq!(fixture.out, [last]);
    }
}

#[test]
fn an_unknown_scraping_job_is_told_after_the_grace_and_an_event_disarms_it() {
    let mut fixture = Fixture::new("scraping");
    fixture.state(Vec::new());
    fixture.session.heard(29_000, interval());
    assert_eq!(fixture.timer(29_999), 30_000);
    assert_eq!(fixture.out, [Action::Ping]);
    fixture.out.clear();
    fixture.timer(30_000);
    assert_eq!(fixture.out, [Action::Unknown(WatchId::ONLY)]);

    let mut fixture = Fixture::new("scraping");
    fixture.state(Vec::new());
    assert!(fixture.takes(1));
    fixture.session.heard(29_000, interval());
    fixture.timer(30_000);
    assert_eq!(fixture.out, [Action::Ping]);
}

#[test]
fn an_unknown_download_is_queued_at_once() {
    let mut fixture = Fixture::new("downloads");
    fixture.state(Vec::new());
    assert_eq!(fixture.out, [Action::Unknown(WatchId::ONLY)]);
}

#[test]
fn a_client_that_answers_nothing_for_two_intervals_is_stale() {
    let mut fixture = Fixture::new("scraping");
    let mut now = 0;
    while fixture.out.last() != Some(&Action::Close(CloseReason::Stale)) {
        now = fixture.session.deadline();
        fixture.timer(now);
    }
    assert_eq!(now, 2 * EVERY);
    assert_eq!(fixture.out, [Action::Ping, Action::Ping, Action::Close(CloseReason::Stale)]);
}

#[test]
fn only_the_text_ping_is_answered() {
    let mut fixture = Fixture::new("scraping");
    for text in ["hello", "PING", "{\"type\":\"ping\"}", " ping", "ping"] {
        fixture.session.text(text, 0, &mut fixture.out);
    }
    assert_eq!(fixture.out, [Action::TextPong]);
}

#[test]
fn a_session_of_a_job_is_small_since_there_are_many() {
    assert!(size_of::<Session>() <= 88, "{}", size_of::<Session>());
}
