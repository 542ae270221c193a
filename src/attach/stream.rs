//! The state of one stream: a socket that brings events of many resources. Pure; the time is handed in.
//!
//! A resource that reports progress is kept as a [`Job`] from its first report to its ending; all other events come and
//! go. A stream has no end of its own and no result: a resource that fails is news, not a failure.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Deserialize;

use super::job::{Effect, Job, Link, When, print_of};
use super::telling::telling;
use crate::dialect::{Dialect, Opens, Outcome, View, scalars};
use crate::exit::Failure;

/// Resources that are kept at most; the one that was silent longest makes room. Names come from outside.
const MAX_RESOURCES: usize = 200;

/// A stream of events.
#[derive(Debug)]
pub(crate) struct Stream {
    /// Its targets as the user wrote them, without what may be a secret.
    pub name: String,
    /// How its messages are read.
    pub dialect: Arc<Dialect>,
    /// How its connection is doing, and since when.
    pub link: (Link, Instant),
    /// Why it is lost.
    pub problem: Option<Failure>,
    /// Events so far.
    pub events: u64,
    /// There was a connection.
    pub was_connected: bool,
    /// After a break the server sends what was missed.
    pub resumes: bool,
    resources: Vec<Job>,
}

/// What a message of a stream was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Happening {
    /// The server's own affair.
    Nothing,
    /// The server did not do what it was told.
    Warning(String),
    /// A resource went on.
    Progress,
    /// Anything else that happened.
    Event,
    /// A resource ended, after that time if its beginning was seen.
    Ended(Outcome, Option<Duration>),
}

/// What a server says of a command that it refuses.
#[derive(Deserialize)]
struct Complaint {
    code: String,
    message: Option<String>,
}

impl Stream {
    /// A stream that is not connected yet.
    pub(crate) fn new(name: String, dialect: Arc<Dialect>, now: Instant) -> Self {
        let link = (Link::Connecting, now);
        let (was_connected, resumes) = (false, false);
        Self { name, dialect, link, problem: None, events: 0, was_connected, resumes, resources: Vec::new() }
    }

    /// Whether it brings every job of a dialect, and has no resources of its own.
    pub(crate) fn is_pattern(&self) -> bool {
        self.dialect.channels.is_none()
    }

    /// Resources that are under way, in the order in which they began; each is called what its room is.
    pub(crate) fn resources(&self) -> &[Job] {
        &self.resources
    }

    /// The resource of that name, while it is under way.
    pub(crate) fn resource(&self, name: &str) -> Option<&Job> {
        self.resources.iter().find(|resource| resource.name == name)
    }

    /// Whether it is given up.
    pub(crate) fn is_lost(&self) -> bool {
        self.problem.is_some()
    }

    /// Takes a message.
    pub(super) fn message(&mut self, view: Option<&View>, text: &str, now: Instant) -> Happening {
        let name = view.map(|view| &*view.kind.name).unwrap_or_default();
        let channels = self.dialect.channels.as_ref();
        if channels.is_some_and(|channels| channels.is_own(name)) {
            return Happening::Nothing;
        }
        let complains = channels.is_some_and(|channels| channels.complaint.as_deref() == Some(name));
        if complains && let Some(complaint) = complaint(text) {
            return Happening::Warning(complaint);
        }
        self.events += 1;
        let Some(view) = view else { return Happening::Event };
        let Some(resource) = view.resource.as_deref() else { return Happening::Event };
        let kind = &view.kind;
        let at = self.resources.iter().position(|known| known.name == resource);
        if let Some(outcome) = kind.ends {
            let took = at.map(|at| self.resources.remove(at).elapsed(now));
            return Happening::Ended(outcome, took);
        }
        let begins = kind.opens == Opens::Always;
        if kind.notice || !(begins || kind.conflatable) {
            return Happening::Event;
        }
        let at = at.unwrap_or_else(|| self.add(resource, now));
        let row = &mut self.resources[at];
        let effect = row.event(&measured(view, text, begins, row), When::Live, print_of(text), now);
        if begins && effect != Effect::Nothing { Happening::Event } else { Happening::Progress }
    }

    /// Takes a change of its connection; whether it is one.
    pub(super) fn linked(&mut self, link: Link, now: Instant) -> bool {
        self.was_connected |= link == Link::Connected;
        let changed = self.link.0 != link;
        if changed {
            self.link = (link, now);
        }
        changed
    }

    /// Gives the stream up.
    pub(super) fn lost(&mut self, problem: Failure, now: Instant) {
        self.link = (Link::Closed, now);
        self.problem = Some(problem);
    }

    fn add(&mut self, name: &str, now: Instant) -> usize {
        if self.resources.len() >= MAX_RESOURCES {
            let silent = self.resources.iter().enumerate().min_by_key(|(_, resource)| resource.heard());
            if let Some((at, _)) = silent {
                self.resources.remove(at);
            }
        }
        let dialect = Arc::clone(&self.dialect);
        self.resources.push(Job::new(name.to_owned(), name.to_owned(), dialect, false, now));
        self.resources.len() - 1
    }
}

/// The view with how far the resource is, and with what its bar says in words.
fn measured(view: &View, text: &str, begins: bool, row: &Job) -> View {
    let total = view.total.or(view.goal);
    let has_goal = total.or(row.facts.total.filter(|_| !begins)).is_some();
    let step = view.step.or(view.done).or_else(|| (begins && has_goal).then_some(0));
    let names = &row.dialect.telling;
    let shown = names.bar.iter().chain(names.goal.iter().filter(|_| has_goal));
    let shown: Vec<&str> = shown.map(String::as_str).collect();
    let told = telling(&row.dialect, text, view.resource.as_deref(), &shown);
    // The number of leads is among what is told.
    View { total, step, count: None, message: Some(told).filter(|told| !told.is_empty()), ..view.clone() }
}

/// The server's complaint about a command of ours; an event of the same kind has no code.
fn complaint(text: &str) -> Option<String> {
    let Complaint { code, message } = serde_json::from_str(&scalars(text)).ok()?;
    Some(message.map_or_else(|| code.clone(), |message| format!("{code}: {message}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::Dialects;

    struct Bench(Stream, Instant);

    impl Bench {
        fn new() -> Self {
            let dialect = Arc::clone(Dialects::builtin().named("channels").unwrap().1);
            let now = Instant::now();
            Self(Stream::new("channel:campaigns".into(), dialect, now), now)
        }

        fn take(&mut self, text: &str) -> Happening {
            let view = self.0.dialect.view(text);
            self.0.message(view.as_ref(), text, self.1)
        }

        fn facts(&self, name: &str) -> (Option<f64>, Option<String>) {
            let facts = &self.0.resource(name).unwrap().facts;
            (facts.percent, facts.message.clone())
        }
    }

    #[test]
    fn a_resource_has_a_bar_from_its_first_report_to_its_ending() {
        let mut bench = Bench::new();
        let progress = |current| {
            format!(
                r#"{{"type":"scraper:linkedin_progress","scraper_id":"s","source":"linkedin","current":{current},"total":50}}"#
            )
        };
        assert_eq!(bench.take(&progress(10)), Happening::Progress);
        assert_eq!(bench.facts("scraper:s"), (Some(20.0), Some("source=linkedin".into())));
        bench.1 += Duration::from_secs(4);
        let found = r#"{"type":"scraper:lead_found","scraper_id":"s","lead_name":"Ada"}"#;
        assert_eq!(bench.take(found), Happening::Event);
        let failed = r#"{"type":"scraper:failed","scraper_id":"s","error":"blocked"}"#;
        let took = Some(Duration::from_secs(4));
        assert_eq!(bench.take(failed), Happening::Ended(Outcome::Failed, took));
        assert!(bench.0.resources().is_empty() && !bench.0.is_lost());
        assert_eq!(bench.take(failed), Happening::Ended(Outcome::Failed, None));
        let demo = r#"{"type":"demo:recording","demo_id":"d","percent":40}"#;
        assert_eq!((bench.take(demo), bench.facts("demo:d").0), (Happening::Progress, Some(40.0)));
    }

    #[test]
    fn a_campaign_is_as_far_as_it_has_sent_of_its_recipients() {
        let mut bench = Bench::new();
        let stats = r#"{"type":"campaign:stats_updated","campaign_id":1,"sent":120,"opened":30}"#;
        bench.take(stats);
        assert_eq!(bench.facts("campaign:1"), (None, Some("sent=120 opened=30".into())));
        let launched =
            r#"{"type":"campaign:launched","campaign_id":1,"campaign_name":"Spring","total_recipients":480}"#;
        assert_eq!(bench.take(launched), Happening::Event);
        assert_eq!(bench.facts("campaign:1"), (Some(0.0), Some("campaign_name=Spring".into())));
        assert_eq!(bench.take(stats), Happening::Progress);
        assert_eq!(bench.facts("campaign:1"), (Some(25.0), Some("opened=30".into())));
        let sent = r#"{"type":"campaign:email_failed","campaign_id":1,"recipient":"a@b"}"#;
        assert_eq!(bench.take(sent), Happening::Event);
        assert_eq!(bench.facts("campaign:1").0, Some(25.0));
    }

    #[test]
    fn what_the_server_says_of_itself_is_no_event() {
        let mut bench = Bench::new();
        for own in ["connection", "heartbeat", "subscribed", "pong"] {
            assert_eq!(bench.take(&format!(r#"{{"type":"{own}","channels":[]}}"#)), Happening::Nothing);
        }
        let error = r#"{"type":"error","code":"unknown_channel","message":"there is no channel 'x'"}"#;
        let warning = Happening::Warning("unknown_channel: there is no channel 'x'".into());
        assert_eq!((bench.take(error), bench.0.events), (warning, 0));
        let cut = r#"{"type":"error","code":"unknown_channel","message":"there is no channel '\ud83d'"}"#;
        let warning = Happening::Warning("unknown_channel: there is no channel '\u{fffd}'".into());
        assert_eq!((bench.take(cut), bench.0.events), (warning, 0));
        for event in [r#"{"type":"error","message":"m"}"#, r#"{"type":"mine"}"#, "[]", "no JSON"] {
            assert_eq!(bench.take(event), Happening::Event, "{event}");
        }
        assert_eq!(bench.0.events, 4);
    }

    #[test]
    fn the_resource_that_was_silent_longest_makes_room() {
        let mut bench = Bench::new();
        for n in 0..=MAX_RESOURCES {
            bench.1 += Duration::from_millis(1);
            bench.take(&format!(r#"{{"type":"demo:generating","demo_id":"{n}","percent":1}}"#));
            bench.1 += Duration::from_millis(1);
            bench.take(r#"{"type":"demo:generating","demo_id":"0","percent":1}"#);
        }
        assert_eq!(bench.0.resources().len(), MAX_RESOURCES);
        assert!(bench.0.resource("demo:0").is_some() && bench.0.resource("demo:1").is_none());
    }
}
