use std::collections::BTreeSet;
use std::sync::LazyLock;
use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::{Beginning, PingInterval, Session, Taking};
use super::*;
use crate::dialect::{Dialects, Topic};
use crate::relay::event;
use crate::relay::event::{Event, Topics, testing::event_of};

const EVERY: u64 = 30_000;

fn interval() -> PingInterval {
    PingInterval::new(Duration::from_millis(EVERY))
}

fn dialect() -> (DialectId, Arc<Dialect>) {
    static ALL: LazyLock<Dialects> = LazyLock::new(Dialects::builtin);
    let (id, dialect) = ALL.with_channels().unwrap();
    (id, Arc::clone(dialect))
}

/// A client, and what its connection is subscribed to as its shard would know it.
struct Fixture {
    session: Session,
    now: Millis,
    subscribed: BTreeSet<Topic>,
    sequence: u64,
}

impl Fixture {
    /// Connects to `/ws/campaigns?…`, or `/ws?…` without a channel. Returns the client and what it is sent.
    fn connect(channel: Option<&str>, query: &str) -> (Self, Vec<Value>) {
        let (id, dialect) = dialect();
        let channels = dialect.channels.as_ref().unwrap();
        let channel = channel.map(|channel| channels.named(channel).unwrap());
        let opening = Opening::parse(channels, channel, query);
        let beginning = Beginning { now: 0, interval: interval(), phase: 0.5 };
        let session = Session::of_channels(id, Arc::clone(&dialect), opening, beginning);
        let mut fixture = Self { session, now: 0, subscribed: BTreeSet::new(), sequence: 0 };
        let mut out = Vec::new();
        fixture.session.begin("TIME", &mut out);
        let sent = fixture.apply(out);
        (fixture, sent)
    }

    /// Lets the client say something a second after the last time, and returns what it is sent.
    fn say(&mut self, text: &str) -> Vec<Value> {
        self.now += 1_000;
        let mut out = Vec::new();
        self.session.text(text, self.now, &mut out);
        self.apply(out)
    }

    /// The same for what gets one answer.
    fn ask(&mut self, text: &str) -> Value {
        let mut sent = self.say(text);
        assert_eq!(sent.len(), 1, "{text}: {sent:?}");
        sent.remove(0)
    }

    /// Does what the shard does with actions: a topic is added and removed once, or the two would not agree.
    fn apply(&mut self, actions: Vec<Action>) -> Vec<Value> {
        let mut sent = Vec::new();
        for action in actions {
            match action {
                Action::Subscribe(topic, _) => assert!(self.subscribed.insert(topic), "subscribed twice"),
                Action::Unsubscribe(topic) => assert!(self.subscribed.remove(&topic), "was not subscribed"),
                Action::Answer(text) => sent.push(serde_json::from_str(&text).unwrap()),
                Action::TextPong => sent.push(json!({ "type": "pong" })),
                other => panic!("{other:?}"),
            }
        }
        let watched: BTreeSet<_> = self.session.watches().map(|(_, watch)| watch.topic().clone()).collect();
        assert_eq!(watched, self.subscribed);
        sent
    }

    /// How often the client gets the next event, published on a channel with this payload.
    fn deliveries(&mut self, channel: &str, payload: &str) -> usize {
        let (id, dialect) = dialect();
        let redis = format!("fliptechpro:{channel}");
        let event = dialect.decode_channel(redis.as_bytes(), payload.as_bytes()).unwrap();
        self.sequence += 1;
        let topics = event::topics(id, &event);
        let matching: Vec<_> = topics.iter().filter_map(|topic| self.session.find(topic)).collect();
        let event = event_of(topics[0].clone(), self.sequence, b"");
        let event = Event { topics: Topics::Many(topics), ..event };
        matching.into_iter().filter(|watch| self.session.takes(*watch, &event) == Taking::Taken).count()
    }
}

fn subscribed(channels: &[&str], rooms: &[&str]) -> Value {
    json!({ "type": "subscribed", "channels": channels, "rooms": rooms })
}

/// The code and the message of an error.
fn error(answer: &Value) -> (&str, &str) {
    assert_eq!(answer["type"], "error", "{answer}");
    (answer["code"].as_str().unwrap(), answer["message"].as_str().unwrap())
}

fn connection(channels: &[&str], rooms: &[&str]) -> Value {
    json!({
        "type": "connection", "status": "connected", "channels": channels, "rooms": rooms, "timestamp": "TIME",
    })
}

#[test]
fn a_connection_begins_with_what_its_url_asks_for() {
    for (channel, query, channels, rooms) in [
        (None, "", &[][..], &[][..]),
        (None, "channels=campaigns,emails", &["campaigns", "emails"], &[]),
        (None, "channels=campaigns%2C%20emails,,&channels=ai&x=y", &["campaigns", "emails", "ai"], &[]),
        (Some("campaigns"), "", &["campaigns"], &[]),
        (Some("campaigns"), "channels=ai,campaigns,ai", &["campaigns", "ai"], &[]),
        (Some("campaigns"), "campaign_id=123", &["campaigns"], &["campaign:123"]),
        (Some("ai"), "task_id=a%20b&conversation_id=4", &["ai"], &["task:a b", "conversation:4"]),
        (None, "email_id=7", &[], &["email:7"]),
    ] {
        let (_, sent) = Fixture::connect(channel, query);
        assert_eq!(sent, [connection(channels, rooms)], "{query}");
    }
}

#[test]
fn errors_in_a_url_follow_the_connection_message_and_the_rest_of_it_counts() {
    let (_, sent) = Fixture::connect(None, "channels=campaings,emails,x");
    assert_eq!(sent[0], connection(&["emails"], &[]));
    let wanted = "there is no channel 'campaings' (and 1 more); did you mean 'campaigns'?";
    assert_eq!(error(&sent[1]), ("unknown_channel", wanted));
    assert_eq!(sent.len(), 2);

    let (mut client, sent) = Fixture::connect(Some("campaigns"), "campaign_id=");
    assert_eq!(sent[0], connection(&[], &[]), "what cannot be narrowed is not widened");
    assert_eq!(error(&sent[1]).0, "bad_message");
    assert_eq!(client.deliveries("campaigns", r#"{"campaign_id":1}"#), 0);

    let ids: Vec<String> = (0..65).map(|id| format!("lead_id={id}")).collect();
    let (_, sent) = Fixture::connect(Some("leads"), &format!("channels=ai&{}", ids.join("&")));
    assert_eq!(sent[0], connection(&[], &[]), "2 channels times 65 rooms");
    assert_eq!(error(&sent[1]).0, "limit");
}

#[test]
fn commands_are_answered_with_everything_that_is_subscribed_to_now() {
    let (mut client, _) = Fixture::connect(None, "");
    for (text, answer) in [
        (r#"{"type":"subscribe","channels":["ai","leads","ai"]}"#, subscribed(&["ai", "leads"], &[])),
        (r#"{"type":"subscribe","channels":["ai"]}"#, subscribed(&["ai", "leads"], &[])),
        (r#"{"type":"join_room","room":"lead:1"}"#, subscribed(&["ai", "leads"], &["lead:1"])),
        (r#"{"type":"join_room","room":"lead:1"}"#, subscribed(&["ai", "leads"], &["lead:1"])),
        (r#"{"type":"unsubscribe","channels":["leads","demos"]}"#, subscribed(&["ai"], &["lead:1"])),
        (r#"{"type":"leave_room","room":"lead:1"}"#, subscribed(&["ai"], &[])),
        (r#"{"type":"leave_room","room":"lead:1"}"#, subscribed(&["ai"], &[])),
        (r#"{"type":"ping"}"#, json!({ "type": "pong" })),
        ("ping", json!({ "type": "pong" })),
    ] {
        assert_eq!(client.ask(text), answer, "{text}");
    }
}

#[test]
fn narrowing_means_channel_and_room_until_something_wider_is_asked_for() {
    let (mut client, _) = Fixture::connect(Some("campaigns"), "campaign_id=123");
    let mine = r#"{"type":"campaign:launched","campaign_id":123}"#;
    let other = r#"{"type":"campaign:launched","campaign_id":124}"#;
    assert_eq!(client.deliveries("campaigns", mine), 1);
    assert_eq!(client.deliveries("campaigns", other), 0);
    assert_eq!(client.deliveries("emails", mine), 0, "channel and room");

    client.ask(r#"{"type":"join_room","room":"campaign:123"}"#);
    assert_eq!((client.deliveries("emails", mine), client.deliveries("campaigns", mine)), (1, 1));
    assert_eq!(client.deliveries("campaigns", other), 0);

    let answer = client.ask(r#"{"type":"subscribe","channels":["campaigns"]}"#);
    assert_eq!(answer, subscribed(&["campaigns"], &["campaign:123"]));
    assert_eq!((client.deliveries("campaigns", other), client.deliveries("campaigns", mine)), (1, 1));

    client.ask(r#"{"type":"unsubscribe","channels":["campaigns"]}"#);
    assert_eq!((client.deliveries("campaigns", other), client.deliveries("campaigns", mine)), (0, 1));
}

#[test]
fn unsubscribing_a_narrowed_channel_or_leaving_its_room_ends_it() {
    for text in [
        r#"{"type":"unsubscribe","channels":["campaigns"]}"#,
        r#"{"type":"leave_room","room":"campaign:123"}"#,
    ] {
        let (mut client, _) = Fixture::connect(Some("campaigns"), "campaign_id=123");
        assert_eq!(client.ask(text), subscribed(&[], &[]), "{text}");
        assert_eq!(client.deliveries("campaigns", r#"{"campaign_id":123}"#), 0);
    }
}

#[test]
fn an_error_changes_nothing() {
    let (mut client, _) = Fixture::connect(Some("ai"), "");
    let many = vec!["ai"; 10_000];
    for (text, code) in [
        ("hello".to_owned(), "bad_message"),
        (r#"{"type":"subscribe","channels":["leads","nope"]}"#.to_owned(), "unknown_channel"),
        (r#"{"type":"unsubscribe","channels":["ai","nope"]}"#.to_owned(), "unknown_channel"),
        (r#"{"type":"join_room","room":"campaign"}"#.to_owned(), "bad_message"),
        (r#"{"type":"join_room","room":":"}"#.to_owned(), "bad_message"),
        (
            json!({ "type": "join_room", "room": format!("lead:{}", "9".repeat(300)) }).to_string(),
            "bad_message",
        ),
        (json!({ "type": "subscribe", "channels": many }).to_string(), "limit"),
    ] {
        let answer = client.ask(&text);
        assert_eq!(error(&answer).0, code, "{answer}");
    }
    assert_eq!(client.ask(r#"{"type":"subscribe","channels":[]}"#), subscribed(&["ai"], &[]));
    let mut out = Vec::new();
    client.session.binary(client.now, &mut out);
    assert_eq!(error(&client.apply(out)[0]).0, "bad_message");
}

#[test]
fn there_are_at_most_128_channels_and_rooms() {
    let (mut client, _) = Fixture::connect(Some("ai"), "");
    let join = |room: u32| format!(r#"{{"type":"join_room","room":"lead:{room}"}}"#);
    for room in 1..128 {
        assert_eq!(client.ask(&join(room))["type"], "subscribed");
    }
    assert_eq!(client.ask(&join(1))["type"], "subscribed", "it is there already");
    for text in [&join(128), r#"{"type":"subscribe","channels":["leads"]}"#] {
        let answer = client.ask(text);
        assert_eq!(error(&answer).0, "limit", "{answer}");
    }
    assert_eq!(client.subscribed.len(), 128);
    client.ask(r#"{"type":"unsubscribe","channels":["ai"]}"#);
    assert_eq!(client.ask(&join(128))["type"], "subscribed");
}

#[test]
fn too_many_commands_are_refused_and_then_end_the_connection() {
    let (mut client, _) = Fixture::connect(None, "");
    let mut out = Vec::new();
    for _ in 0..1_000 {
        client.session.text("ping", 0, &mut out);
    }
    assert_eq!(out.pop(), Some(Action::Close(CloseReason::Overload)), "and nothing after it");
    let pongs = out.iter().filter(|action| **action == Action::TextPong).count();
    let refusals = client.apply(out.split_off(pongs));
    assert!(pongs > 0 && !refusals.is_empty() && pongs + refusals.len() < 600);
    assert!(refusals.iter().all(|answer| error(answer).0 == "limit"));
}

#[test]
fn a_heartbeat_goes_with_every_ping() {
    let (mut client, _) = Fixture::connect(None, "");
    let (session, mut out) = (&mut client.session, Vec::new());
    assert_eq!(session.timer(EVERY / 2 - 1, interval(), &mut out), EVERY / 2);
    assert_eq!(session.timer(EVERY / 2, interval(), &mut out), EVERY / 2 + EVERY);
    session.heard(EVERY, interval());
    session.timer(EVERY / 2 + EVERY, interval(), &mut out);
    assert_eq!(out, [Action::Ping, Action::Heartbeat, Action::Ping, Action::Heartbeat]);
    out.clear();
    assert_eq!(session.timer(3 * EVERY, interval(), &mut out), Millis::MAX);
    assert_eq!(out, [Action::Close(CloseReason::Stale)]);
}

/// What a client may do, with few names, so that they meet.
#[derive(Debug, Clone)]
enum Step {
    Subscribe(BTreeSet<usize>),
    Unsubscribe(BTreeSet<usize>),
    Join(u8),
    Leave(u8),
    Event(usize, Vec<u8>),
}

const NAMES: [&str; 3] = ["campaigns", "emails", "leads"];
const KINDS: [&str; 4] = ["campaign", "email", "lead", "task"];

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let names = || proptest::collection::btree_set(0..NAMES.len(), 0..3);
    let step = prop_oneof![
        names().prop_map(Step::Subscribe),
        names().prop_map(Step::Unsubscribe),
        (0u8..8).prop_map(Step::Join),
        (0u8..8).prop_map(Step::Leave),
        (0..NAMES.len(), proptest::collection::vec(0u8..8, 0..4)).prop_map(|(at, ids)| Step::Event(at, ids)),
    ];
    proptest::collection::vec(step, 0..40)
}

/// Eight rooms: four kinds of two ids.
fn room(number: u8) -> String {
    format!("{}:{}", KINDS[usize::from(number / 2)], number % 2)
}

/// The rules of [`Subscriptions`] as sets of names.
#[derive(Default)]
struct Model {
    channels: BTreeSet<String>,
    narrowed: BTreeSet<(String, String)>,
    rooms: BTreeSet<String>,
}

impl Model {
    fn lists(&self) -> (BTreeSet<String>, BTreeSet<String>) {
        let (mut channels, mut rooms) = (self.channels.clone(), self.rooms.clone());
        for (channel, room) in &self.narrowed {
            channels.insert(channel.clone());
            rooms.insert(room.clone());
        }
        (channels, rooms)
    }

    fn gets(&self, channel: &str, rooms: &[String]) -> bool {
        self.channels.contains(channel)
            || rooms.iter().any(|room| {
                self.rooms.contains(room) || self.narrowed.contains(&(channel.to_owned(), room.clone()))
            })
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Subscribe(names) => {
                for name in names {
                    self.narrowed.retain(|(channel, _)| channel != NAMES[*name]);
                    self.channels.insert(NAMES[*name].to_owned());
                }
            }
            Step::Unsubscribe(names) => {
                for name in names {
                    self.narrowed.retain(|(channel, _)| channel != NAMES[*name]);
                    self.channels.remove(NAMES[*name]);
                }
            }
            Step::Join(number) => drop(self.rooms.insert(room(*number))),
            Step::Leave(number) => {
                self.narrowed.retain(|(_, narrow)| *narrow != room(*number));
                self.rooms.remove(&room(*number));
            }
            Step::Event(..) => {}
        }
    }
}

fn command(kind: &str, names: &BTreeSet<usize>) -> String {
    let names: Vec<&str> = names.iter().map(|name| NAMES[*name]).collect();
    json!({ "type": kind, "channels": names }).to_string()
}

fn listed(answer: &Value, key: &str) -> BTreeSet<String> {
    let list = answer[key].as_array().unwrap();
    let set: BTreeSet<String> = list.iter().map(|name| name.as_str().unwrap().to_owned()).collect();
    assert_eq!(set.len(), list.len(), "{answer}");
    set
}

proptest! {
    #[test]
    fn subscriptions_follow_their_rules_and_each_event_comes_once(
        first in proptest::option::of(0..NAMES.len()),
        narrow in proptest::collection::btree_set(0u8..8, 0..3),
        steps in steps(),
    ) {
        let query: Vec<String> =
            narrow.iter().map(|number| room(*number).replace(':', "_id=")).collect();
        let (mut client, _) = Fixture::connect(first.map(|name| NAMES[name]), &query.join("&"));
        let mut model = Model::default();
        match first.map(|name| NAMES[name].to_owned()) {
            Some(channel) if narrow.is_empty() => drop(model.channels.insert(channel)),
            Some(channel) => model.narrowed.extend(narrow.iter().map(|n| (channel.clone(), room(*n)))),
            None => model.rooms.extend(narrow.iter().map(|n| room(*n))),
        }
        for step in &steps {
            model.step(step);
            let text = match step {
                Step::Subscribe(names) => command("subscribe", names),
                Step::Unsubscribe(names) => command("unsubscribe", names),
                Step::Join(number) => json!({ "type": "join_room", "room": room(*number) }).to_string(),
                Step::Leave(number) => json!({ "type": "leave_room", "room": room(*number) }).to_string(),
                Step::Event(name, ids) => {
                    let mut payload = json!({ "type": "x" });
                    for number in ids {
                        payload[format!("{}_id", KINDS[usize::from(number / 2)])] = (number % 2).into();
                    }
                    let rooms: Vec<String> = KINDS.iter().filter_map(|kind| {
                        Some(format!("{kind}:{}", payload.get(format!("{kind}_id"))?))
                    }).collect();
                    let expected = usize::from(model.gets(NAMES[*name], &rooms));
                    prop_assert_eq!(client.deliveries(NAMES[*name], &payload.to_string()), expected);
                    continue;
                }
            };
            let answer = client.ask(&text);
            prop_assert_eq!((listed(&answer, "channels"), listed(&answer, "rooms")), model.lists());
        }
    }
}
