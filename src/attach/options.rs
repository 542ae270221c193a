//! What to watch and how to show it, resolved.

use std::path::{Path, PathBuf};
use std::time::Duration;

use url::Url;

use crate::dialect::{Dialect, Target, nearest, with_nearest};
use crate::exit::Failure;
use crate::net::tls::Tls;
use crate::net::token_source::TokenSource;
use crate::net::{address, publish_key};
use crate::outfile::is_stdout;

/// How what happens is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ProgressMode {
    /// Bars on the terminal behind stderr.
    Bars,
    /// A plain line per change on stdout.
    Plain,
    /// NDJSON on stdout.
    Json,
    /// Not at all.
    Quiet,
}

/// Settings of [`super::run`].
#[derive(Debug, Clone)]
pub(crate) struct AttachOptions {
    /// What to watch: a socket for each job and each URL, and one for all channels and rooms.
    pub targets: Vec<Target>,
    /// The server of targets that are no URL: ws, wss, http or https.
    pub server: Url,
    /// Proves who is watching. The server is sent it, or the one that all URLs name; no other.
    pub token: Option<TokenSource>,
    /// TLS settings of the connections, such as the certificates that are trusted.
    pub tls: Tls,
    /// How it is shown.
    pub progress: ProgressMode,
    /// Whether to paint.
    pub color: bool,
    /// Kinds of event that lines and JSON show; empty: all. The exit code takes all of them into account.
    pub events: Vec<String>,
    /// End with the first job that fails.
    pub fail_fast: bool,
    /// Wait for a new run of a job that has ended.
    pub new: bool,
    /// When to stop waiting.
    pub timeout: Option<Duration>,
    /// How many failed attempts in a row are followed by another.
    pub retries: u32,
    /// With every job of a dialect among the targets: end when none has run for so long.
    pub until_idle: Option<Duration>,
    /// The key that opens lists of jobs, where the server wants one.
    pub publish_key: Option<String>,
    /// File for the results of the jobs, as JUnit XML.
    pub junit: Option<PathBuf>,
    /// File for a recording of all that comes.
    pub record: Option<PathBuf>,
}

impl AttachOptions {
    /// Settings for these targets on this server: plain lines without colour, no limits, ten retries.
    pub(crate) fn new(targets: Vec<Target>, server: Url) -> Self {
        Self {
            targets,
            server,
            token: None,
            tls: Tls::default(),
            progress: ProgressMode::Plain,
            color: false,
            events: Vec::new(),
            fail_fast: false,
            new: false,
            timeout: None,
            retries: 10,
            until_idle: None,
            publish_key: None,
            junit: None,
            record: None,
        }
    }

    /// Whether every job of a dialect is watched.
    pub(super) fn has_lists(&self) -> bool {
        self.targets.iter().any(|target| matches!(target, Target::Every { .. }))
    }

    /// The key that opens lists of jobs, where there are lists among the targets: the one that was given, or that a relay of
    /// this user on this machine left.
    pub(super) fn list_key(&self) -> Option<String> {
        publish_key::given_or_left(self.publish_key.as_deref(), &self.server).filter(|_| self.has_lists())
    }

    /// Kinds of event that a server is asked for; empty: all. Bars show all of them, a recording has all of them, and a new run
    /// is known by its first event. Endings tell what came of a job, beside its outcome.
    pub(super) fn kinds(&self) -> Vec<String> {
        let wants_all = self.new || self.record.is_some() || self.progress == ProgressMode::Bars;
        if self.events.is_empty() || wants_all {
            return Vec::new();
        }
        let jobs =
            self.targets.iter().filter(|target| matches!(target, Target::Job { .. } | Target::Every { .. }));
        let kinds = jobs.flat_map(|target| target.dialect().kinds());
        let endings = kinds.filter(|kind| kind.ends.is_some() && !kind.name.contains('*'));
        let mut all = self.events.clone();
        all.extend(endings.map(|kind| kind.name.to_string()));
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Warnings about rooms that no event of their dialect can be in. Such a room is legal and stays empty, but its
    /// name is probably a slip.
    pub(super) fn warnings(&self) -> Vec<String> {
        let slip = |target: &Target| {
            let Target::Room { dialect, room } = target else { return None };
            let (kind, id) = room.split_once(':')?;
            let known: Vec<&str> =
                dialect.channels.iter().flat_map(|c| &c.rooms).map(|(kind, _)| &**kind).collect();
            if known.contains(&kind) {
                return None;
            }
            let message =
                format!("no event of {} has a {}_id, so {target} may stay silent", dialect.name, kind);
            Some(match nearest(kind, known) {
                Some(near) => format!("{message}; did you mean 'room:{near}:{id}'?"),
                None => message,
            })
        };
        self.targets.iter().filter_map(slip).chain(self.withheld()).collect()
    }

    /// The servers that are not sent the token, since there is another among the targets.
    fn withheld(&self) -> Option<String> {
        self.token.as_ref()?;
        let has_own = |url: &Url| url.query_pairs().any(|(key, _)| key == "token");
        let places = self.places();
        let without = places.iter().find(|place| !place.takes_token && !has_own(&place.socket))?;
        Some(format!("the token is not sent to {}; give it in that URL as ?token=", address(&without.socket)))
    }

    /// Refuses kinds of event that no target's dialect has, and a file without a token.
    pub(super) fn check(&self) -> Result<(), Failure> {
        let dialects: Vec<&Dialect> = self.targets.iter().map(|target| &**target.dialect()).collect();
        self.check_for(&dialects)
    }

    /// Checks the options for targets of these dialects, before the targets are known.
    ///
    /// # Errors
    /// None of the dialects has a kind of event that is named, the file of the token cannot be read, or options contradict.
    pub(crate) fn check_for(&self, dialects: &[&Dialect]) -> Result<(), Failure> {
        if let Some(token) = &self.token {
            token.read()?;
        }
        if self.until_idle.is_some() && !self.has_lists() {
            return Err(Failure::usage("--until-idle is for every job of a dialect")
                .hint("watch one with DIALECT/*, as in 'scraping/*'; named jobs end by themselves"));
        }
        let prints = matches!(self.progress, ProgressMode::Plain | ProgressMode::Json);
        for (flag, path) in [("--junit", &self.junit), ("--record", &self.record)] {
            if prints && path.as_deref().is_some_and(is_stdout) {
                let path = path.as_deref().unwrap_or(Path::new("-")).display();
                return Err(Failure::usage(format!("{flag} {path} and --progress both write to stdout"))
                    .hint(format!("give {flag} a file, or nothing else to print with --progress quiet")));
            }
        }
        for name in &self.events {
            if !dialects.iter().any(|dialect| dialect.kind(name).is_some()) {
                let kinds = dialects.iter().flat_map(|dialect| dialect.kinds()).map(|kind| &*kind.name);
                let mut known: Vec<&str> = kinds.filter(|name| !name.starts_with('*')).collect();
                known.sort_unstable();
                known.dedup();
                let message = format!("there is no event '{}'", name.escape_debug());
                return Err(Failure::usage(with_nearest(&message, name, known)));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::dialect::Dialects;

    /// The settings for these targets of the built-in dialects.
    pub(in crate::attach) fn options(targets: &[&str]) -> AttachOptions {
        let all = Dialects::builtin();
        let targets = targets.iter().map(|text| Target::parse(text, &all, None).unwrap()).collect();
        AttachOptions::new(targets, Url::parse("https://h/relay").unwrap())
    }

    #[test]
    fn a_room_that_no_event_is_in_is_warned_of_with_the_nearest() {
        assert_eq!(options(&["room:campaign:1", "scraping/1", "channel:leads"]).warnings(), [""; 0]);
        let warnings = options(&["room:campain:1", "room:zzz:2"]).warnings();
        assert!(warnings[0].ends_with("room:campain:1 may stay silent; did you mean 'room:campaign:1'?"));
        assert!(warnings[1].ends_with("room:zzz:2 may stay silent"), "{warnings:?}");
    }

    #[test]
    fn an_unknown_kind_of_event_names_the_nearest() {
        let mut options = options(&["scraping/1"]);
        options.events = vec!["job_progres".into()];
        let failure = options.check().unwrap_err();
        assert_eq!(failure.message, "there is no event 'job_progres'; did you mean 'job_progress'?");
        options.events = vec!["job_progress".into(), "error".into()];
        assert!(options.check().is_ok());
        options.targets = vec![Target::parse("channel:leads", &Dialects::builtin(), None).unwrap()];
        options.events = vec!["campaign:launched".into(), "export:completed".into()];
        assert!(options.check().is_ok());
        options.events = vec!["lead:create".into()];
        assert!(options.check().unwrap_err().message.ends_with("did you mean 'lead:created'?"));
    }
}
