//! Recorded events: texts that a socket brought, and the payloads that were published.

use std::borrow::Cow;
use std::ops::Range;

use serde_json::value::RawValue;

use super::fields::shorten;
use super::pointer::Tree;
use super::raw::{Members, exact};
use super::{Dialect, JobIdType, Undecodable};

/// Why a recorded event is none of its target.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordedError {
    /// A relay could not read the payload.
    #[error("the event is no event of {dialect}: {reason}")]
    Undecodable {
        /// The dialect's name.
        dialect: String,
        /// What a relay would say.
        reason: Undecodable,
    },
    /// The payload does not say of which kind it is.
    #[error("the event is no event of {dialect}: it names no kind, which belongs at {at}")]
    NoKind {
        /// The dialect's name.
        dialect: String,
        /// Pointer to the place of the kind.
        at: String,
    },
    /// The payload is of another job than the target.
    #[error("the event is of {event}, and its target is {target}")]
    OtherJob {
        /// The job that the event names.
        event: String,
        /// The target's job.
        target: String,
    },
    /// No id in the payload names the room.
    #[error("the event is not in the room {0}, which is its target")]
    OtherRoom(String),
    /// A room's event says of no channel that it was published on it.
    #[error("no channel is known for its type '{0}'")]
    NoChannel(String),
}

/// A recorded event of a job, checked against its target.
#[derive(Debug)]
pub struct Recorded<'a> {
    payload: &'a str,
    inner: &'a str,
    is_known: bool,
    /// Places of the job's id in the payload.
    ids: Vec<Range<usize>>,
}

impl<'a> Recorded<'a> {
    /// The payload as it was published.
    pub const fn payload(&self) -> &'a str {
        self.payload
    }

    /// The object that the job's id is in: the payload, or what an envelope of its publisher holds.
    pub const fn inner(&self) -> &'a str {
        self.inner
    }

    /// Whether the payload names its job, and is of a kind that the dialect knows by its name.
    pub fn is_sure(&self) -> bool {
        self.is_known && !self.ids.is_empty()
    }

    /// The payload with another JSON value in place of the job's id. Every other byte stays.
    pub fn with_job(&self, value: &str) -> Cow<'a, str> {
        if self.ids.is_empty() {
            return Cow::Borrowed(self.payload);
        }
        let (mut renamed, mut copied) = (String::with_capacity(self.payload.len() + value.len()), 0);
        for id in &self.ids {
            renamed.push_str(&self.payload[copied..id.start]);
            renamed.push_str(value);
            copied = id.end;
        }
        renamed.push_str(&self.payload[copied..]);
        Cow::Owned(renamed)
    }
}

impl Dialect {
    /// Whether the text of a socket is what a relay tells of a job that it does not know, whatever the time in it.
    pub fn is_of_unknown_job(&self, text: &str, job: &str) -> bool {
        let Some(frame) = self.unknown_frame(job, "") else { return false };
        // A message of twice the length is another one, and is not parsed.
        if text.len() > 2 * frame.len() + 100 {
            return false;
        }
        let Ok(text) = serde_json::from_str::<serde_json::Value>(text) else { return false };
        let time = text.get("timestamp").and_then(serde_json::Value::as_str).unwrap_or_default();
        let frame = self.unknown_frame(job, time).and_then(|frame| serde_json::from_str(&frame).ok());
        frame == Some(text)
    }

    /// The payload in the text of a socket: without the envelope that a relay puts around a bare one. An envelope that is
    /// written in any other way was published so.
    pub fn unwrapped<'a>(&self, text: &'a str) -> &'a str {
        let inner = self.wrap.as_ref().and_then(|wrap| text.strip_prefix(wrap.before.as_str()));
        let inner = inner.and_then(|inner| inner.strip_suffix('}'));
        inner.filter(|inner| Members::read(inner).is_ok()).unwrap_or(text)
    }

    /// Reads a recorded payload of a job. The payload may leave out the id where the channel has it.
    pub fn recorded<'a>(&self, payload: &'a str, job: &str) -> Result<Recorded<'a>, RecordedError> {
        let channel = self.channel_of(job);
        let of_dialect = |reason| RecordedError::Undecodable { dialect: self.name.to_string(), reason };
        let decoded = self.decode(channel.as_bytes(), payload.as_bytes()).map_err(of_dialect)?;
        if decoded.kind_name.is_empty() {
            return Err(self.no_kind());
        }
        let is_known = decoded.kind.is_some_and(|kind| *kind.name == *decoded.kind_name);
        let start = decoded.inner.as_ptr().addr() - payload.as_ptr().addr();
        let inner = &payload[start..start + decoded.inner.len()];
        let mut ids = Vec::new();
        let mut other = None;
        if let Some(at) = &self.catalogue.job_at {
            let mut tree = Tree::default();
            tree.want(at, 0);
            let begin = payload.as_ptr().addr();
            let found = tree.each(inner, &mut |id| {
                if id == "null" {
                    return;
                }
                let start = id.as_ptr().addr() - begin;
                ids.push(start..start + id.len());
                let is_it = id == job || text(id).is_some_and(|id| id == job);
                if !is_it {
                    other = Some(shorten(&text(id).unwrap_or(Cow::Borrowed(id))));
                }
            });
            found.map_err(|_| of_dialect(Undecodable::NotJson))?;
        }
        match other {
            Some(event) => Err(RecordedError::OtherJob { event, target: shorten(job) }),
            None => Ok(Recorded { payload, inner, is_known, ids }),
        }
    }

    /// The channel of an event that was recorded in a room: the channel that its type belongs to.
    pub fn channel_of_room(&self, payload: &str, room: Option<&str>) -> Result<String, RecordedError> {
        let channels = self.channels.as_ref();
        let any = channels.and_then(|channels| channels.names.first()).map_or("", |name| name);
        self.check_recorded(payload, any)?;
        let (kind, rooms) = self.kind_and_rooms(payload);
        if let Some(room) = room.filter(|room| !rooms.iter().any(|named| named == room)) {
            return Err(RecordedError::OtherRoom(shorten(room)));
        }
        let channel = channels.and_then(|channels| channels.of_kind(&kind)).map(ToString::to_string);
        channel.ok_or_else(|| RecordedError::NoChannel(shorten(&kind)))
    }

    /// Checks an event that was recorded on a channel.
    pub fn check_recorded(&self, payload: &str, channel: &str) -> Result<(), RecordedError> {
        let decoded = self.decode_channel(self.channel_of(channel).as_bytes(), payload.as_bytes());
        let of_dialect = |reason| RecordedError::Undecodable { dialect: self.name.to_string(), reason };
        let kind = decoded.map_err(of_dialect)?.kind_name;
        if kind.is_empty() { Err(self.no_kind()) } else { Ok(()) }
    }

    /// The id of the job that the text of a socket names, where a job can have it.
    pub fn job_named_in(&self, text: &str) -> Option<String> {
        let at = self.catalogue.job_at.as_ref()?;
        let mut tree = Tree::default();
        tree.want(at, 0);
        let mut found = None;
        let mut keep = |id: &str| found = self.id_in(id).or(found.take());
        tree.each(text, &mut keep).ok()?;
        if let Some(wrap) = &self.wrap {
            let mut tree = Tree::default();
            tree.want(&at.under(&wrap.field), 0);
            tree.each(text, &mut keep).ok()?;
        }
        found
    }

    fn id_in(&self, json: &str) -> Option<String> {
        let id = match self.job_id {
            JobIdType::Integer => json.to_owned(),
            JobIdType::String => text(json)?.into_owned(),
        };
        self.check_job(&id).is_ok().then_some(id)
    }

    /// The kind of a message of a channel and the rooms that its ids name; nothing where it is no event.
    pub fn kind_and_rooms(&self, text: &str) -> (String, Vec<String>) {
        let any = self.channels.as_ref().and_then(|channels| channels.names.first());
        let channel = self.channel_of(any.map_or("", |name| name));
        let event = self.decode_channel(channel.as_bytes(), text.as_bytes());
        event.map(|event| (event.kind_name.into_owned(), event.rooms)).unwrap_or_default()
    }

    fn no_kind(&self) -> RecordedError {
        let at = format!("/{}", self.catalogue.kind_at.names().join("/"));
        RecordedError::NoKind { dialect: self.name.to_string(), at }
    }
}

/// A JSON string's text.
fn text(json: &str) -> Option<Cow<'_, str>> {
    exact(serde_json::from_str::<&RawValue>(json).ok()?)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::dialect::Dialects;

    fn dialect(name: &str) -> Arc<Dialect> {
        Arc::clone(Dialects::builtin().named(name).unwrap().1)
    }

    fn renamed(name: &str, payload: &str, job: &str, new: &str) -> Result<String, String> {
        let dialect = dialect(name);
        let recorded = dialect.recorded(payload, job).map_err(|error| error.to_string())?;
        let value = dialect.job_value(new).to_string();
        Ok(recorded.with_job(&value).into_owned())
    }

    #[test]
    fn the_job_s_id_is_replaced_and_every_other_byte_stays() {
        let deep = "[".repeat(500) + &"]".repeat(500);
        let table = [
            (
                "celery",
                r#"{"status": "SUCCESS", "result": 1e400,  "task_id" : "a" }"#.to_owned(),
                "a",
                "b\"c",
                r#"{"status": "SUCCESS", "result": 1e400,  "task_id" : "b\"c" }"#.to_owned(),
            ),
            (
                "scraping",
                format!(r#"{{"x":{deep},"job_id":7,"event_type":"job_progress","y":"7\udce9"}}"#),
                "7",
                "-12",
                format!(r#"{{"x":{deep},"job_id":-12,"event_type":"job_progress","y":"7\udce9"}}"#),
            ),
            (
                "downloads",
                r#"{"type":"status","jobId":"a","data":{"jobId":"a","status":"queued","progress":0}}"#
                    .to_owned(),
                "a",
                "b",
                r#"{"type":"status","jobId":"a","data":{"jobId":"b","status":"queued","progress":0}}"#
                    .to_owned(),
            ),
            (
                "downloads",
                r#"{"jobId":"a","status":"queued","\u006aobId":"\u0061"}"#.to_owned(),
                "a",
                "b",
                r#"{"jobId":"b","status":"queued","\u006aobId":"b"}"#.to_owned(),
            ),
            (
                "jobs",
                r#"{"event":"progress","percent":5}"#.to_owned(),
                "a",
                "b",
                r#"{"event":"progress","percent":5}"#.to_owned(),
            ),
            (
                "tasks",
                r#"{"type":"progress","task_id":null,"step":1}"#.to_owned(),
                "a",
                "b",
                r#"{"type":"progress","task_id":null,"step":1}"#.to_owned(),
            ),
        ];
        for (name, payload, job, new, expected) in table {
            assert_eq!(renamed(name, &payload, job, new), Ok(expected), "{payload:.60}");
        }
    }

    #[test]
    fn what_is_no_event_of_its_target_is_refused() {
        let table = [
            ("scraping", "[1]", "7", "not a JSON object"),
            ("scraping", r#"{"job_id":7"#, "7", "not JSON"),
            ("scraping", r#"{"job_id":8,"event_type":"job_progress"}"#, "7", "is of 8, and its target is 7"),
            ("scraping", r#"{"event_type":"job_progress"}"#, "7", "no job id"),
            ("scraping", r#"{"job_id":7,"type":"pong"}"#, "7", "names no kind, which belongs at /event_type"),
            ("tasks", r#"{"type":"progress","task_id":"b"}"#, "a", "is of b, and its target is a"),
            ("jobs", r#"{"job":5,"event":"progress"}"#, "a", "is of 5, and its target is a"),
        ];
        for (name, payload, job, expected) in table {
            let error = renamed(name, payload, job, "1").unwrap_err();
            assert!(error.contains(expected), "{payload}: {error}");
        }
    }

    #[test]
    fn the_envelope_that_a_relay_adds_is_taken_off_and_no_other() {
        let downloads = dialect("downloads");
        for (text, payload) in [
            (r#"{"type":"status","data":{"jobId":"a"}}"#, r#"{"jobId":"a"}"#),
            (r#"{"type":"status","data":{"jobId":"a"} }"#, r#"{"jobId":"a"} "#),
            (r#"{"type": "status","data":{}}"#, r#"{"type": "status","data":{}}"#),
            (r#"{"type":"status","data":{},"x":{}}"#, r#"{"type":"status","data":{},"x":{}}"#),
            (r#"{"type":"status","data":7}"#, r#"{"type":"status","data":7}"#),
            (r#"{"jobId":"a"}"#, r#"{"jobId":"a"}"#),
        ] {
            assert_eq!(downloads.unwrapped(text), payload);
        }
        let text = r#"{"type":"status","data":{"jobId":"a"}}"#;
        assert_eq!(dialect("jobs").unwrapped(text), text);
    }

    #[test]
    fn an_event_of_a_room_goes_to_the_channel_of_its_type() {
        let channels = dialect("channels");
        let of =
            |payload: &str, room| channels.channel_of_room(payload, room).map_err(|error| error.to_string());
        let opened = r#"{"type":"email:opened","email_id":5,"campaign_id":7}"#;
        assert_eq!(of(opened, Some("campaign:7")), Ok("emails".to_owned()));
        assert_eq!(of(opened, None), Ok("emails".to_owned()));
        assert_eq!(
            of(opened, Some("lead:7")).unwrap_err(),
            "the event is not in the room lead:7, which is its target"
        );
        let mine = of(r#"{"type":"export:done","lead_id":1}"#, Some("lead:1")).unwrap_err();
        assert_eq!(mine, "no channel is known for its type 'export:done'");
        assert!(of(r#"{"lead_id":1}"#, Some("lead:1")).unwrap_err().contains("names no kind"));
    }

    proptest! {
        #[test]
        fn renaming_there_and_back_changes_no_byte(
            job in "[a-z \"\\\\é]{1,9}",
            new in "[a-z \"\\\\é]{1,9}",
            blank in "[ \t\n]{0,3}",
            text in any::<String>(),
        ) {
            let jobs = dialect("jobs");
            let (id, text) = (jobs.job_value(&job), serde_json::Value::from(text));
            let payload = format!(r#"{{{blank}"message":{text},"job"{blank}:{blank}{id}{blank},"event":"progress","job2":{id}}}"#);
            let there = jobs.recorded(&payload, &job).unwrap().with_job(&jobs.job_value(&new).to_string()).into_owned();
            let new_id = jobs.job_value(&new).to_string();
            prop_assert_eq!(there.len() + id.to_string().len(), payload.len() + new_id.len());
            let back = jobs.recorded(&there, &new).unwrap().with_job(&id.to_string()).into_owned();
            prop_assert_eq!(back, payload);
        }
    }
}
