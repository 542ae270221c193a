use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::dialect::{Auth, schema_words};
use crate::jwt::{Claims, Grant};
use crate::relay::auth::Refusal;
use crate::relay::event::testing::event_of;
use crate::relay::event::{Event, Topics};
use crate::relay::session::{Beginning, PingInterval, Session, Taking};

fn claims(subject: &str, watch: Option<&[&str]>) -> Claims {
    let patterns = watch.map(|watch| watch.iter().map(ToString::to_string).collect());
    Claims { subject: subject.into(), expires: 1_000_000, grant: Grant::new(patterns) }
}

/// A client of `/watch` that watches what a URL names.
struct Fixture {
    session: Session,
    dialects: Arc<Dialects>,
}

impl Fixture {
    fn new(token: Option<Claims>, lists: ListAccess) -> Self {
        let mut dialects = Dialects::builtin();
        assert!(dialects.set_auth("downloads", Auth::Token));
        let dialects = Arc::new(dialects);
        let token = token.ok_or_else(Refusal::expired);
        let credentials = Credentials::new(token, false, lists);
        let watcher = Watcher::new(Arc::clone(&dialects), Epoch::random(), Ownerless::Refuse, credentials, 0);
        let interval = PingInterval::new(Duration::from_secs(30));
        let session = Session::of_targets(watcher, Beginning { now: 0, interval, phase: 0.5 });
        Self { session, dialects }
    }

    /// Lets the URL name targets; returns the targets that begin, and what the client is told.
    fn open(&mut self, targets: &[&str]) -> (Vec<String>, Vec<Value>) {
        let targets = targets.iter().map(ToString::to_string).collect();
        let mut out = Vec::new();
        self.session.open(&Wanted { targets, ..Wanted::default() }, &mut out);
        self.sorted(out)
    }

    fn say(&mut self, message: &Value) -> (Vec<String>, Vec<Value>) {
        let mut out = Vec::new();
        self.session.text(&message.to_string(), 0, &mut out);
        self.sorted(out)
    }

    fn sorted(&self, actions: Vec<Action>) -> (Vec<String>, Vec<Value>) {
        let (mut begun, mut told) = (Vec::new(), Vec::new());
        for action in actions {
            match action {
                Action::Begin(id, ..) => {
                    begun.push(self.session.name_of(self.session.watch(id).unwrap().topic()).unwrap());
                }
                Action::Answer(text) => told.push(serde_json::from_str(&text).unwrap()),
                Action::Gap(loss, watch, _) => told.push(json!({ "gap": format!("{loss:?} {watch:?}") })),
                Action::Unsubscribe(topic) => told.push(json!({ "ended": self.session.name_of(&topic) })),
                Action::TextPong => told.push(json!("pong")),
                other => panic!("{other:?}"),
            }
        }
        (begun, told)
    }
}

fn codes(told: &[Value]) -> Vec<(&str, &str)> {
    told.iter()
        .map(|error| (error["code"].as_str().unwrap(), error["target"].as_str().unwrap_or_default()))
        .collect()
}

#[test]
fn each_target_is_watched_or_refused_on_its_own() {
    let mut fixture = Fixture::new(None, ListAccess::Token);
    let (begun, told) = fixture.open(&[
        "scraping/1",
        "celery/a/b",
        "channel:campaigns",
        "room:campaign:1",
        "scraping/1",
        "scraping/x",
        "nothing/1",
        "channel:nothing",
        "channels/1",
        "tasks/t",
        "downloads/d",
        "scraping/*",
        "",
        "tasks",
        "scraping:1",
        "build-42",
    ]);
    assert_eq!(begun, ["scraping/1", "celery/a/b", "channel:campaigns", "room:campaign:1", "jobs/build-42"]);
    assert_eq!(
        codes(&told),
        [
            ("impossible_job_id", "scraping/x"),
            ("unknown_target", "nothing/1"),
            ("unknown_target", "channel:nothing"),
            ("unknown_target", "channels/1"),
            ("not_allowed", "tasks/t"),
            ("not_allowed", "downloads/d"),
            ("not_allowed", "scraping/*"),
            ("unknown_target", ""),
            ("unknown_target", "tasks"),
            ("unknown_target", "scraping:1"),
        ]
    );
}

#[test]
fn a_token_opens_what_its_dialect_and_its_claim_say_and_lists_only_by_its_claim() {
    for (watch, lists, opened) in [
        (None, ListAccess::Token, &["tasks/t", "downloads/d"][..]),
        (Some(&["downloads/*"][..]), ListAccess::Token, &["downloads/d", "downloads/*"]),
        (Some(&["tasks/t"]), ListAccess::Token, &["tasks/t"]),
        (Some(&["*"]), ListAccess::Token, &["tasks/t", "downloads/d", "tasks/*", "downloads/*"]),
        (None, ListAccess::Open, &["tasks/t", "downloads/d", "tasks/*", "downloads/*"]),
        (Some(&["tasks/t"]), ListAccess::Open, &["tasks/t"]),
    ] {
        let mut fixture = Fixture::new(Some(claims("alice", watch)), lists);
        let (begun, _) = fixture.open(&["tasks/t", "downloads/d", "tasks/*", "downloads/*"]);
        assert_eq!(begun, opened, "{watch:?} {lists:?}");
    }
    let mut fixture = Fixture::new(None, ListAccess::Key);
    assert_eq!(fixture.open(&["tasks/*", "scraping/*", "tasks/t"]).0, ["tasks/*", "scraping/*"]);
}

#[test]
fn the_list_of_an_owned_dialect_has_the_jobs_of_the_tokens_subject() {
    let mut fixture = Fixture::new(Some(claims("alice", Some(&["tasks/*"]))), ListAccess::Token);
    fixture.open(&["tasks/*"]);
    let id = fixture.dialects.named("tasks").unwrap().0;
    let watch = fixture.session.find(&Topic::every(id)).unwrap();
    fixture.session.catch_up(watch, 0);
    for (sequence, owner, takes) in [(1, None, false), (2, Some("bob"), false), (3, Some("alice"), true)] {
        let event = event_of(Topic::job(id, "t"), sequence, b"{}");
        let event = Event { owner: owner.map(Into::into), ..event };
        assert_eq!(fixture.session.takes(watch, &event) == Taking::Taken, takes, "{owner:?}");
    }
}

#[test]
fn a_thousand_targets_are_watched_and_no_more() {
    let mut fixture = Fixture::new(None, ListAccess::Token);
    let targets: Vec<String> = (0..=MAX_TARGETS).map(|job| format!("scraping/{job}")).collect();
    let (begun, told) = fixture.say(&json!({ "type": "watch", "targets": targets }));
    assert_eq!(begun.len(), MAX_TARGETS);
    assert_eq!(codes(&told), [("limit", "scraping/1000")]);
    let (_, told) = fixture.say(&json!({ "type": "unwatch", "targets": ["scraping/7", "scraping/x"] }));
    assert_eq!(told[0], json!({ "ended": "scraping/7" }));
    assert_eq!(codes(&told[1..]), [("impossible_job_id", "scraping/x")]);
    assert_eq!(fixture.say(&json!({ "type": "watch", "targets": ["scraping/1000"] })).0, ["scraping/1000"]);
}

#[test]
fn an_event_that_matches_several_targets_comes_once_and_the_room_is_its_name() {
    let mut fixture = Fixture::new(None, ListAccess::Token);
    fixture.open(&["channel:campaigns", "room:campaign:1"]);
    let id = fixture.dialects.with_channels().unwrap().0;
    let topics = [Topic::channel(id, "campaigns"), Topic::room(id, "campaign:1")];
    let watches = topics.clone().map(|topic| fixture.session.find(&topic).unwrap());
    for watch in watches {
        fixture.session.catch_up(watch, 0);
    }
    let event = Event { topics: Topics::Many(topics.into()), ..event_of(Topic::channel(id, "x"), 1, b"{}") };
    assert_eq!(watches.map(|watch| fixture.session.takes(watch, &event)), [Taking::Taken, Taking::Left]);
    assert_eq!(fixture.session.best_topic(&event), 1);
}

#[test]
fn odd_messages_are_answered_and_change_nothing() {
    let mut fixture = Fixture::new(None, ListAccess::Token);
    for message in [
        json!([]),
        json!({}),
        json!({ "type": 1 }),
        json!({ "type": "subscribe", "channels": ["a"] }),
        json!({ "type": "watch" }),
        json!({ "type": "watch", "targets": "scraping/1" }),
        json!({ "type": "watch", "targets": [1] }),
        json!({ "type": "watch", "targets": ["scraping/1"], "since": 5 }),
        json!({ "type": "token" }),
    ] {
        let (begun, told) = fixture.say(&message);
        assert_eq!((begun, codes(&told)), (vec![], vec![("bad_message", "")]), "{message}");
    }
    assert_eq!(fixture.say(&json!({ "type": "ping" })).1, [json!("pong")]);
    let (begun, told) =
        fixture.say(&json!({ "type": "watch", "targets": ["scraping/1", "scraping/2"], "since": "junk" }));
    assert_eq!((begun.len(), told), (2, vec![json!({ "gap": "Invalid None" })]));
}

#[test]
fn when_the_token_expires_the_targets_that_need_none_go_on() {
    let mut fixture = Fixture::new(Some(claims("alice", None)), ListAccess::Token);
    fixture.open(&["tasks/t", "scraping/1"]);
    fixture.session = fixture.session.with_token(10);
    let interval = PingInterval::new(Duration::from_secs(30));
    let mut out = Vec::new();
    fixture.session.timer(10, interval, &mut out);
    let (_, told) = fixture.sorted(out);
    assert_eq!(codes(&told[..1]), [("not_allowed", "tasks/t")]);
    assert_eq!(told[1], json!({ "ended": "tasks/t" }));
    assert!(!fixture.session.has_token());

    let mut alone = Fixture::new(Some(claims("alice", None)), ListAccess::Token);
    alone.open(&["tasks/t"]);
    alone.session = alone.session.with_token(10);
    let mut out = Vec::new();
    alone.session.timer(10, interval, &mut out);
    assert_eq!(out.last(), Some(&Action::Close(CloseReason::Unauthorized)));
}

#[test]
fn another_token_ends_what_it_does_not_cover() {
    let mut fixture = Fixture::new(Some(claims("alice", None)), ListAccess::Token);
    fixture.open(&["tasks/t", "downloads/d", "scraping/1"]);
    let mut out = Vec::new();
    fixture.session.renew(claims("alice", Some(&["tasks/t"])), 50, &mut out);
    let (_, told) = fixture.sorted(out);
    assert_eq!(told[1], json!({ "ended": "downloads/d" }));
    assert_eq!(told.len(), 2);
    let mut out = Vec::new();
    fixture.session.renew(claims("bob", None), 60, &mut out);
    let (_, told) = fixture.sorted(out);
    assert_eq!(told[1], json!({ "ended": "tasks/t" }), "its guard knows alice");
}

#[test]
fn the_schema_names_exactly_the_codes_of_an_error() {
    assert_eq!(schema_words("WatchError", "code"), Code::ALL.map(Code::as_str));
}
