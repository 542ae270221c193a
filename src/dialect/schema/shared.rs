//! Types that belong to no dialect: messages of `/watch` in both directions, cursors and gaps, and answers over HTTP.
//!
//! The messages are those of `wire::watch`. A test makes a relay send each of them.

use super::types::{Attribute, Definition, ObjectType, ValueType, tagged};
use crate::dialect::{JobState, Outcome};

/// Name of the type of the attributes that `?cursor=1` adds to messages.
pub(super) const HAS_CURSOR: &str = "HasCursor";
/// Name of the type of a message that only moves the cursor.
pub(super) const CURSOR: &str = "CursorMessage";
/// Name of the type of a message about missing events.
pub(super) const GAP: &str = "GapMessage";

/// Reasons of a gap. A test of the relay compares them with those that it sends.
const REASONS: [&str; 4] = ["too_old", "restarted", "invalid", "source_lost"];

/// Codes of an error message on `/watch`. A test of the relay compares them with those that it sends.
const CODES: [&str; 5] = ["bad_message", "unknown_target", "impossible_job_id", "not_allowed", "limit"];

/// Forms of the targets that a client may name.
const TARGETS: &str = "JOB, DIALECT/JOB, DIALECT/*, channel:NAME or room:KIND:ID.";

/// All shared definitions, the most important first. `events` is the type of the events of all dialects.
pub(super) fn definitions(events: ValueType) -> Vec<Definition> {
    let (sent, taken) = (watch_messages(events), watch_commands());
    let names = |all: &[Definition]| all.iter().map(|one| one.name.clone()).collect::<Vec<_>>();
    let union = |name: &str, about: &str, members: Vec<String>| {
        define(name, about, ValueType::any(members.into_iter().map(ValueType::Named)))
    };
    let members = [names(&sent), vec![CURSOR.to_owned(), GAP.to_owned()]].concat();
    let message = union("WatchMessage", "A message of the socket at /watch.", members);
    let command = union("WatchCommand", "A message that a client sends on /watch.", names(&taken));
    [vec![message], sent, views().into(), vec![command], taken, cursors().into(), answers().into()].concat()
}

fn define(name: &str, about: &str, value: ValueType) -> Definition {
    Definition { name: name.to_owned(), about: about.to_owned(), value }
}

fn text(name: &str) -> Attribute {
    Attribute::always(name, ValueType::Text)
}

fn texts(name: &str) -> Attribute {
    Attribute::always(name, ValueType::List(Box::new(ValueType::Text)))
}

fn word(name: &str, words: &[&str]) -> Attribute {
    Attribute::always(name, ValueType::OneOf(words.iter().map(ToString::to_string).collect()))
}

fn some(attribute: Attribute) -> Attribute {
    Attribute { required: false, ..attribute }
}

/// Attribute with the cursor behind a message.
fn cursor() -> Attribute {
    some(text("cursor")).about("The cursor to go on from; it is there where all was sent up to here.")
}

fn watch_messages(events: ValueType) -> Vec<Definition> {
    let target = || text("target").about("DIALECT/JOB, channel:NAME or room:KIND:ID.");
    let snapshot = Attribute::sometimes("snapshot", ValueType::Flag);
    let outcomes = [Outcome::Succeeded, Outcome::Failed, Outcome::Cancelled].map(Outcome::as_str);
    vec![
        define(
            "WatchEvent",
            "An event as it was published, without the wrapping of its contract.",
            tagged(
                "event",
                [
                    target(),
                    cursor(),
                    snapshot.about("Whether it is the state that the job was in before, and no news."),
                    some(Attribute::always("view", ValueType::Named("EventView".to_owned())))
                        .about("What the event says; with `?view=1`."),
                    Attribute::always("event", events),
                ],
            ),
        ),
        define(
            "WatchWatching",
            "All targets that are watched now.",
            tagged("watching", [texts("targets"), cursor()]),
        ),
        define(
            "WatchEnded",
            "A job has ended: told behind its last event, and to whoever begins to watch it later.",
            tagged("ended", [text("target").about("DIALECT/JOB."), word("outcome", &outcomes)]),
        ),
        define(
            "WatchError",
            "Something is wrong with a message of the client, or with one target; the others go on.",
            tagged("error", [word("code", &CODES), some(text("target")), text("message")]),
        ),
        define("WatchPong", "The answer to `ping`.", tagged("pong", [])),
    ]
}

/// Facts of an event, beside it on `/watch`.
fn views() -> [Definition; 3] {
    let whole = |name| some(Attribute::always(name, ValueType::Whole { min: Some(0.0), max: None }));
    let named = |name, of: &str| some(Attribute::always(name, ValueType::Named(of.to_owned())));
    let members = vec![
        text("kind").about("Kind of the event, as its payload spells it."),
        some(word("state", &JobState::ALL.map(JobState::as_str)))
            .about("State that the event gives its job."),
        some(word("opens", &["always", "after_ending", "after_failure"])).about("When it opens a new run."),
        some(Attribute::always("percent", ValueType::Number { min: Some(0.0), max: Some(100.0) })),
        whole("step"),
        whole("total"),
        whole("count"),
        some(text("message")),
        some(text("error")),
        some(text("result")),
        named("part", "PartView"),
        named("log", "LineView"),
        some(text("resource")),
    ];
    [
        define(
            "EventView",
            "What an event says, in the same words for each dialect.",
            ValueType::Object(ObjectType::of(members)),
        ),
        define(
            "PartView",
            "What an event says of a part of its job.",
            ValueType::Object(ObjectType::of([
                text("name"),
                some(word("state", &["running", "succeeded", "failed"])),
                some(Attribute::always("count", ValueType::Whole { min: Some(0.0), max: None })),
            ])),
        ),
        define(
            "LineView",
            "A line of a job's log.",
            ValueType::Object(ObjectType::of([text("line"), some(text("stream"))])),
        ),
    ]
}

fn watch_commands() -> Vec<Definition> {
    let since = some(text("since")).about("The cursor to go on from; 0 is the beginning of what is kept.");
    let kinds = some(texts("kinds")).about("The kinds of the events to send; all of them without it.");
    let targets = || texts("targets").about(TARGETS);
    vec![
        define("WatchWatch", "Watch these as well.", tagged("watch", [targets(), since, kinds])),
        define("WatchUnwatch", "Watch these no more.", tagged("unwatch", [targets()])),
        define("WatchToken", "Use this token from now on.", tagged("token", [text("token")])),
        define("WatchPing", "Ask for a sign of life.", tagged("ping", [])),
    ]
}

fn cursors() -> [Definition; 3] {
    let reason = word("reason", &REASONS).about(
        "too_old: they are not kept any more. restarted: the relay or its source began anew. \
         invalid: it was no cursor. source_lost: the relay itself lost events.",
    );
    [
        define(
            HAS_CURSOR,
            "What a message has besides where `?cursor=1` asks for it.",
            ValueType::Object(ObjectType::of([cursor()])),
        ),
        define(CURSOR, "The cursor has moved without an event.", tagged("cursor", [text("cursor")])),
        define(
            GAP,
            "Events are missing here; the state of the job follows.",
            tagged("gap", [reason, some(text("target")), cursor()]),
        ),
    ]
}

/// Answers over HTTP, and the last event of an event stream.
fn answers() -> [Definition; 4] {
    let object = |attributes: Vec<Attribute>| ValueType::Object(ObjectType::of(attributes));
    let or_null = |name, value: ValueType| Attribute::always(name, value.or_null());
    let whole = |name, min| Attribute::always(name, ValueType::Whole { min, max: None });
    let rows = ValueType::List(Box::new(ValueType::Named("ListedJob".to_owned())));
    [
        define(
            "JobList",
            "The answer to GET /jobs.",
            object(vec![
                Attribute::always("jobs", rows),
                whole("total", Some(0.0)).about("How many jobs there are, whatever the limit."),
                texts("dialects").about("Dialects whose jobs are in the list."),
            ]),
        ),
        define(
            "ListedJob",
            "A job in the list, which has the newest first.",
            object(vec![
                text("target").about("DIALECT/JOB."),
                word("state", &JobState::ALL.map(JobState::as_str)),
                or_null("percent", ValueType::Number { min: None, max: None }),
                or_null("message", ValueType::Text),
                or_null("updated", ValueType::Text).about("UTC by ISO 8601."),
                whole("watchers", Some(0.0)),
                or_null("started", ValueType::Text).about("When its run was seen to begin, UTC by ISO 8601."),
            ]),
        ),
        define(
            "HttpError",
            "The body of an answer whose status is 400 or above.",
            object(vec![
                text("error").about("A word for programs."),
                text("message").about("Words for people."),
            ]),
        ),
        define(
            "CloseMessage",
            "The data of `event: close`, with which an event stream ends; codes from 4000 on are for good.",
            object(vec![whole("code", None), text("reason")]),
        ),
    ]
}
