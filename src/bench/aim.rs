//! What is watched and published: the socket's path of each job, its channel, and its events.

mod outlet;
mod owners;
mod path;

use std::sync::Arc;

use jiff::Timestamp;
use url::Url;

pub use self::outlet::Outlet;
pub use self::path::Visit;
use super::manner::Manner;
use super::marker::{Filling, Marked};
use super::placeholders;
use crate::dialect::{Assignment, Dialect, FieldType, JobIdType, Opens};
use crate::exit::Failure;
use crate::net;

/// The first id where ids are numbers: high, so that a run does not meet jobs that somebody cares about.
const FIRST_JOB: u64 = 2_000_000_000;

/// Where connections go.
#[derive(Debug, Clone)]
pub enum Place {
    /// As many jobs of a dialect as the run has.
    Jobs(Arc<Dialect>),
    /// One job.
    Job(Arc<Dialect>, String),
    /// A channel.
    Channel(Arc<Dialect>, Arc<str>),
    /// A room, `campaign:1`.
    Room(Arc<Dialect>, String),
    /// One socket, and the dialect and job that are published for it where they are known.
    Url(Url, Option<(Arc<Dialect>, String)>),
    /// A socket for each job, whose id takes the place of `{job}` in the URL; the dialect where events are published.
    Each(Url, Option<Arc<Dialect>>),
}

impl Place {
    /// The server that it names itself.
    pub fn server(&self) -> Option<&Url> {
        match self {
            Self::Url(url, _) | Self::Each(url, _) => Some(url),
            _ => None,
        }
    }

    /// Whether it has as many jobs as the run wants.
    pub fn is_spread(&self) -> bool {
        matches!(self, Self::Jobs(_) | Self::Each(..))
    }
}

/// A place, spread over jobs.
#[derive(Debug, Clone)]
pub struct Aim {
    server: Url,
    place: Place,
    jobs: Vec<String>,
    /// Taken in turns by the connections; empty: there is none.
    tokens: Arc<[String]>,
    manner: Manner,
    /// The server's URL has placeholders.
    has_placeholders: bool,
}

/// Why there is nothing to publish there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NoEvents(String);

impl NoEvents {
    /// Usage failure for the user. Its hint shows a mode that publishes nothing.
    pub fn failure(&self, aim: &Aim) -> Failure {
        let failure = Failure::usage(self.to_string());
        match aim.dialect() {
            Some(dialect) => failure.hint(format!("as in: jobwire bench idle {}", dialect.name)),
            None => failure,
        }
    }
}

/// The two events of a job that are published in turn.
#[derive(Debug, Clone)]
pub struct Events {
    /// Where they are published.
    pub outlet: Outlet,
    /// What a newer one may replace.
    pub conflatable: Marked,
    /// What nothing may replace.
    pub milestone: Marked,
}

impl Aim {
    /// Spreads a place over `jobs` jobs, where it has jobs.
    pub fn new(server: Url, place: Place, jobs: u64) -> Self {
        let jobs = match &place {
            Place::Jobs(dialect) | Place::Each(_, Some(dialect)) => {
                (0..jobs.max(1)).map(|nth| id(dialect, nth)).collect()
            }
            Place::Each(_, None) => (0..jobs.max(1)).map(|nth| nth.to_string()).collect(),
            Place::Job(_, job) | Place::Url(_, Some((_, job))) => vec![job.clone()],
            Place::Channel(_, name) => vec![name.to_string()],
            Place::Room(_, room) => vec![room.clone()],
            Place::Url(_, None) => vec![String::new()],
        };
        let server = place.server().cloned().unwrap_or(server);
        let has_placeholders = placeholders::words(server.as_str()).next().is_some();
        Self { server, place, jobs, tokens: Arc::default(), manner: Manner::default(), has_placeholders }
    }

    /// With tokens, which connections take in turns, in the query.
    #[must_use]
    pub fn with_tokens(self, tokens: Arc<[String]>) -> Self {
        Self { tokens, ..self }
    }

    /// With connections that subscribe in this manner.
    #[must_use]
    pub fn with_manner(self, manner: Manner) -> Self {
        Self { manner, ..self }
    }

    /// How many jobs there are.
    pub fn jobs(&self) -> u64 {
        self.jobs.len() as u64
    }

    /// The first job of a connection; the others of its targets follow.
    pub fn first_job(&self, conn: u64) -> u64 {
        conn.wrapping_mul(self.manner.targets()) % self.jobs()
    }

    /// The job of a connection's target number `slot`.
    pub fn nth_job(&self, first: u64, slot: u64) -> u64 {
        (first + slot) % self.jobs()
    }

    /// The server.
    pub fn server(&self) -> &Url {
        &self.server
    }

    /// The dialect, where one is known.
    pub fn dialect(&self) -> Option<&Arc<Dialect>> {
        match &self.place {
            Place::Jobs(dialect)
            | Place::Job(dialect, _)
            | Place::Channel(dialect, _)
            | Place::Room(dialect, _)
            | Place::Url(_, Some((dialect, _)))
            | Place::Each(_, Some(dialect)) => Some(dialect),
            Place::Url(_, None) | Place::Each(_, None) => None,
        }
    }

    /// What is watched, for people; no query, since one may hold a token.
    pub fn name(&self) -> String {
        match &self.place {
            Place::Jobs(dialect) => match self.jobs.as_slice() {
                [one] => format!("{}/{one}", dialect.name),
                [first, .., last] => format!("{}/{first}..{last}", dialect.name),
                [] => dialect.name.to_string(),
            },
            Place::Job(dialect, job) => format!("{}/{job}", dialect.name),
            Place::Channel(_, name) => format!("channel:{name}"),
            Place::Room(_, room) => format!("room:{room}"),
            Place::Url(url, _) | Place::Each(url, _) => {
                let path = url.path().replace("%7B", "{").replace("%7D", "}");
                format!("{}{path}", net::address(url))
            }
        }
    }

    /// The id of a job.
    pub fn job(&self, job: u64) -> &str {
        let nth = usize::try_from(job).unwrap_or(usize::MAX);
        self.jobs.get(nth).map_or("", String::as_str)
    }

    /// The events of every job, in the order of the jobs, filled to `size` bytes.
    pub fn events(&self, size: Option<usize>) -> Result<Vec<Events>, NoEvents> {
        let dialect = self.dialect().ok_or_else(|| {
            NoEvents(
                "nothing says which events the server understands: name its dialect with --dialect".into(),
            )
        })?;
        let (conflatable, milestone) = self.kinds(dialect)?;
        // One letter over and over would flatter the compression.
        let filling = if self.manner.deflate { Filling::Words } else { Filling::Letters };
        let mut all = Vec::with_capacity(self.jobs.len());
        for job in &self.jobs {
            let (id, room) = match &self.place {
                Place::Room(_, room) => ("", room.as_str()),
                Place::Channel(..) => ("", ""),
                _ => (job.as_str(), ""),
            };
            let marked = |event: &str| {
                let payload = build(dialect, event, id, room);
                payload
                    .and_then(|payload| Marked::new(&payload, size, filling))
                    .ok_or_else(|| NoEvents(format!("the event {event} of {} cannot be built", dialect.name)))
            };
            let channel = match (&dialect.channels, &self.place) {
                (Some(channels), Place::Room(..)) => {
                    channels.of_kind(&conflatable).map_or_else(String::new, |name| channels.redis_name(name))
                }
                _ => dialect.channel_of(job),
            };
            let outlet = Outlet::of(dialect, channel);
            all.push(Events { outlet, conflatable: marked(&conflatable)?, milestone: marked(&milestone)? });
        }
        Ok(all)
    }

    /// The names of a conflatable event and of a milestone that reach this place.
    fn kinds(&self, dialect: &Dialect) -> Result<(String, String), NoEvents> {
        let room = match &self.place {
            Place::Room(_, room) => room.as_str(),
            _ => "",
        };
        let reaches = |event: &str| match (&self.place, &dialect.channels) {
            (Place::Channel(_, name), Some(channels)) => channels.of_kind(event) == Some(name),
            (Place::Room(..), Some(channels)) => {
                let kind = room.split_once(':').map(|(kind, _)| kind);
                kind.is_some() && channels.room_of_kind(event) == kind
            }
            _ => true,
        };
        let usable = |event: &&str| reaches(event) && build(dialect, event, "1", room).is_some();
        let events: Vec<&str> =
            dialect.catalogue.events.iter().map(|event| event.name.as_str()).filter(usable).collect();
        let kind = |event: &str| dialect.kind(event).filter(|kind| !(kind.hidden || kind.notice || kind.log));
        let conflatable = dialect
            .catalogue
            .progress
            .iter()
            .map(|short| short.event.as_str())
            .chain(events.iter().copied())
            .find(|event| events.contains(event) && kind(event).is_some_and(|kind| kind.conflatable));
        let lasting = |ending: bool| {
            events.iter().copied().find(|event| {
                kind(event).is_some_and(|kind| {
                    let goes_on = kind.opens == Opens::Never || kind.ends.is_some();
                    !kind.conflatable && goes_on && kind.ends.is_some() == ending
                })
            })
        };
        // An ending is as good as a milestone to whom nobody knows another, since a relay goes on after one.
        let milestone = lasting(false).or_else(|| lasting(true));
        let any = conflatable.or(milestone).ok_or_else(|| match &dialect.publisher {
            Some(publisher) => NoEvents(format!(
                "{publisher} publishes the events of {}, and bench cannot; `connect`, `idle` and `echo` need none",
                dialect.name
            )),
            None => {
                NoEvents(format!("{} has no event that can be published to {}", dialect.name, self.name()))
            }
        })?;
        Ok((conflatable.unwrap_or(any).to_owned(), milestone.unwrap_or(any).to_owned()))
    }
}

/// The id of the bench's own job.
fn id(dialect: &Dialect, nth: u64) -> String {
    match dialect.job_id {
        JobIdType::Integer => (FIRST_JOB + nth).to_string(),
        JobIdType::String => format!("bench-{nth}"),
    }
}

/// An event with something plausible in every field that it must have; `room` fixes the resource.
fn build(dialect: &Dialect, event: &str, job: &str, room: &str) -> Option<String> {
    let def = dialect.catalogue.event(event).ok()?;
    let (room_kind, room_id) = room.split_once(':').unwrap_or_default();
    let room_field = dialect.channels.as_ref().and_then(|channels| channels.id_field(room_kind));
    let mut given = Vec::new();
    for field in def.settable() {
        let is_room = room_field == Some(field.name.as_str());
        let is_progress = dialect.catalogue.progress.as_ref().is_some_and(|short| short.field == field.name);
        if !is_room && !is_progress && (!field.required || field.default.is_some()) {
            continue;
        }
        let value = match field.kind {
            _ if is_room => room_id.parse::<i64>().map_or_else(|_| room_id.into(), serde_json::Value::from),
            FieldType::String => "bench".into(),
            FieldType::Int => 50.into(),
            FieldType::Float => 0.5.into(),
            FieldType::Bool => true.into(),
            FieldType::Object => serde_json::json!({}),
        };
        given.push(Assignment::json(&field.name, value));
    }
    dialect.build(event, job, &given, Timestamp::now()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::marker::{Marker, Seeker};
    use crate::dialect::Dialects;

    fn visit(job: u64) -> Visit<'static> {
        Visit { conn: 0, job, since: None }
    }

    fn aim(place: impl Fn(&Dialects) -> Place) -> Aim {
        let server = Url::parse("ws://127.0.0.1:8000/relay").unwrap();
        Aim::new(server, place(&Dialects::builtin()), 3)
    }

    fn named(all: &Dialects, name: &str) -> Arc<Dialect> {
        Arc::clone(all.named(name).unwrap().1)
    }

    #[test]
    fn jobs_of_every_dialect_have_events_that_their_relay_reads() {
        for name in ["scraping", "downloads", "tasks", "jobs"] {
            let aim = aim(|all| Place::Jobs(named(all, name)));
            let dialect = aim.dialect().unwrap();
            let mut events = aim.events(Some(400)).unwrap();
            assert_eq!(events.len(), 3);
            let marker = Marker { run: 1, seq: 2, due: 3 };
            for (nth, events) in events.iter_mut().enumerate() {
                for (marked, conflatable) in [(&mut events.conflatable, true), (&mut events.milestone, false)]
                {
                    let payload = marked.with(marker);
                    assert_eq!((payload.len(), Seeker::new().find(payload)), (400, Some(marker)));
                    let decoded = dialect.decode(events.outlet.channel.as_bytes(), payload).unwrap();
                    assert_eq!(decoded.kind.unwrap().conflatable, conflatable, "{name}");
                    assert_eq!(decoded.job, aim.jobs[nth]);
                }
            }
        }
    }

    #[test]
    fn channels_and_rooms_get_events_of_theirs() {
        let channel = aim(|all| Place::Channel(named(all, "channels"), "campaigns".into()));
        assert_eq!(channel.path(visit(0)), "/relay/ws?channels=campaigns");
        assert_eq!(channel.events(None).unwrap()[0].outlet.channel, "fliptechpro:campaigns");
        let mut room = aim(|all| Place::Room(named(all, "channels"), "campaign:7".into()));
        assert_eq!(room.greeting(visit(0)).unwrap(), r#"{"type":"join_room","room":"campaign:7"}"#);
        room = room.with_tokens(Arc::new(["a b".into(), "c".into()]));
        assert_eq!(room.path(visit(0)), "/relay/ws?token=a+b");
        let third = Visit { conn: 3, ..visit(0) };
        assert_eq!(room.path(third), "/relay/ws?token=c", "connections take tokens in turns");
        let mut events = room.events(None).unwrap().remove(0);
        let payload = events.milestone.with(Marker { run: 0, seq: 0, due: 0 }).to_vec();
        let decoded =
            room.dialect().unwrap().decode_channel(events.outlet.channel.as_bytes(), &payload).unwrap();
        assert_eq!(decoded.rooms, ["campaign:7"]);
    }

    #[test]
    fn a_socket_of_no_dialect_has_nothing_to_publish() {
        let url = Url::parse("ws://127.0.0.1:9/echo?secret=1").unwrap();
        let aim = Aim::new(url.clone(), Place::Url(url, None), 9);
        assert_eq!((aim.jobs(), aim.name().as_str()), (1, "127.0.0.1:9/echo"));
        assert_eq!(aim.path(visit(0)), "/echo?secret=1");
        assert!(aim.events(None).is_err());
    }
}
