//! Targets as users write them: `build-42`, `scraping/123`, `scraping/*`, `channel:campaigns`, `room:campaign:1`, or a whole
//! `ws://` URL.

use std::fmt;
use std::sync::Arc;

use url::Url;

use super::{Channels, Dialect, Dialects, ImpossibleJob, RoomError, suggest};

/// The place of a job's id in the target of every job.
const EVERY: &str = "*";

/// A parsed TARGET.
#[derive(Debug, Clone)]
pub enum Target {
    /// A job of a dialect, on whatever server is set.
    Job {
        /// Its dialect.
        dialect: Arc<Dialect>,
        /// Its id, possible for the dialect.
        job: String,
    },
    /// Every job of a dialect, on whatever server is set.
    Every {
        /// Its dialect.
        dialect: Arc<Dialect>,
    },
    /// A channel, on whatever server is set.
    Channel {
        /// Its dialect.
        dialect: Arc<Dialect>,
        /// Its name.
        name: Arc<str>,
    },
    /// A room, on whatever server is set.
    Room {
        /// Its dialect.
        dialect: Arc<Dialect>,
        /// Its name, `campaign:123`.
        room: String,
    },
    /// A whole socket URL.
    Url {
        /// `ws` or `wss`.
        url: Url,
        /// The dialect that the path or the user names.
        dialect: Arc<Dialect>,
        /// The job's id as the path has it, where the path is the dialect's own.
        job: Option<String>,
    },
}

/// Why a text is no target.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// The text has no slash and is the name of something other than a job.
    #[error(
        "a target is JOB or DIALECT/JOB, as in build-42 or scraping/123, channel:NAME, room:KIND:ID, or a whole ws:// URL; \
         got '{got}'{}",
        or_else_meant(.meant.as_deref(), .job)
    )]
    Shape {
        /// The text, escaped.
        got: String,
        /// What was probably meant, quoted.
        meant: Option<String>,
        /// Full target of the job with this name, quoted.
        job: String,
    },
    /// No such dialect is on.
    #[error("{0}")]
    Dialect(String),
    /// The dialect has no job of that id.
    #[error("'{job}' cannot be a job of {dialect}: {reason}")]
    Job {
        /// The dialect's name.
        dialect: String,
        /// The id as given, escaped.
        job: String,
        /// Why not.
        reason: ImpossibleJob,
    },
    /// There is no such channel.
    #[error("{0}")]
    Channel(String),
    /// It is no room.
    #[error(transparent)]
    Room(#[from] RoomError),
    /// It starts like a URL but is none.
    #[error("'{0}' is not a URL: {1}")]
    Url(String, String),
    /// The URL's path belongs to no dialect, and none was named.
    #[error("the path of {0} belongs to no dialect; name one with --dialect")]
    UnknownPath(String),
}

/// End of the error message: the probable target, and the full target of a job with this name.
fn or_else_meant(meant: Option<&str>, job: &str) -> String {
    meant.map(|meant| format!("; did you mean {meant}? {job} is the job of that name")).unwrap_or_default()
}

impl Target {
    /// Parses a target. `dialect` is the user's dialect for targets without one.
    pub fn parse(text: &str, dialects: &Dialects, dialect: Option<&str>) -> Result<Self, TargetError> {
        if text.contains("://") {
            return Self::parse_url(text, dialects, dialect);
        }
        if let Some(name) = text.strip_prefix("channel:") {
            return dialects.channel(name);
        }
        if let Some(room) = text.strip_prefix("room:") {
            Channels::check_room(room)?;
            return Ok(Self::Room { dialect: dialects.of_channels()?, room: room.to_owned() });
        }
        let Some((name, job)) = text.split_once('/') else {
            return Self::of_dialect(dialects.of_bare(text, dialect)?, text, text);
        };
        if masked(name) != name {
            let reason = "it has a user and no scheme; a URL begins with ws:// or wss://".to_owned();
            return Err(TargetError::Url(masked(text), reason));
        }
        if is_host(name) {
            return Err(TargetError::Url(masked(text), format!("did you mean ws://{}?", masked(text))));
        }
        Self::of_dialect(dialects.require(name)?, job, text)
    }

    /// The target that a relay lists under this name, whatever characters are in it.
    pub fn listed(text: &str, dialects: &Dialects) -> Result<Self, TargetError> {
        let (name, job) = text.split_once('/').unwrap_or((text, ""));
        Self::of_dialect(dialects.require(name)?, job, text)
    }

    /// Target of one job of a dialect, or of all its jobs. `text` is the whole target, for errors.
    fn of_dialect(dialect: Arc<Dialect>, job: &str, text: &str) -> Result<Self, TargetError> {
        let name = &dialect.name;
        if dialect.channels.is_some() {
            let shown = text.escape_debug().to_string();
            return Err(TargetError::Channel(format!(
                "{name} has channels and rooms instead of jobs, as in channel:campaigns or room:campaign:1; got '{shown}'"
            )));
        }
        if job == EVERY {
            return Ok(Self::Every { dialect });
        }
        let job_error = |reason| TargetError::Job {
            dialect: dialect.name.to_string(),
            job: masked(job).chars().take(40).collect::<String>().escape_debug().to_string(),
            reason,
        };
        dialect.check_job(job).map_err(job_error)?;
        Ok(Self::Job { dialect, job: job.to_owned() })
    }

    fn parse_url(text: &str, dialects: &Dialects, dialect: Option<&str>) -> Result<Self, TargetError> {
        let unparsable = |error: url::ParseError| {
            // The host is unknown, so that any piece of the text may be a password: show the scheme alone.
            let scheme = text.split("://").next().unwrap_or_default().escape_debug();
            TargetError::Url(format!("{scheme}://…"), error.to_string())
        };
        let mut url = Url::parse(text).map_err(unparsable)?;
        let shown = shown(&url);
        let scheme = match url.scheme() {
            "ws" | "http" => "ws",
            "wss" | "https" => "wss",
            other => {
                let reason = format!("its scheme is {other}, not ws, wss, http or https");
                return Err(TargetError::Url(shown, reason));
            }
        };
        // Between these four it cannot fail.
        let _ = url.set_scheme(scheme);
        let by_path = dialects.on_path(url.path()).map(|(_, dialect, job)| (Arc::clone(dialect), job));
        match (dialect, by_path) {
            (Some(name), by_path) => {
                let dialect = dialects.require(name)?;
                let job = by_path.filter(|(found, _)| found.name == dialect.name).and_then(|(_, job)| job);
                Ok(Self::Url { url, dialect, job })
            }
            (None, Some((dialect, job))) => Ok(Self::Url { url, dialect, job }),
            (None, None) => Err(TargetError::UnknownPath(shown)),
        }
    }

    /// The dialect its messages are read with.
    pub fn dialect(&self) -> &Arc<Dialect> {
        match self {
            Self::Job { dialect, .. }
            | Self::Every { dialect }
            | Self::Channel { dialect, .. }
            | Self::Room { dialect, .. }
            | Self::Url { dialect, .. } => dialect,
        }
    }
}

impl fmt::Display for Target {
    /// Writes the target as the user gave it, without parts that may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Job { dialect, job } => write!(f, "{}/{job}", dialect.name),
            Self::Every { dialect } => write!(f, "{}/{EVERY}", dialect.name),
            Self::Channel { name, .. } => write!(f, "channel:{name}"),
            Self::Room { room, .. } => write!(f, "room:{room}"),
            Self::Url { url, .. } => f.write_str(&shown(url)),
        }
    }
}

/// A URL without user, password and query, which may be secrets; errors end up in logs.
fn shown(url: &Url) -> String {
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}://{}{port}{}", url.scheme(), url.host_str().unwrap_or_default(), url.path())
}

/// Whether a word is a host and its port rather than a dialect.
fn is_host(word: &str) -> bool {
    word.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
}

/// A text that may be a URL, with `…` in place of the user and password that it may hold, and of a query, which may hold a
/// token.
pub fn masked(text: &str) -> String {
    if let Some((before, query)) = text.split_once('?') {
        let rest = if query.is_empty() { "" } else { "…" };
        return format!("{}?{rest}", masked(before));
    }
    let Some(at) = text.rfind('@') else { return text.to_owned() };
    match text.find("://") {
        Some(scheme) if scheme + 3 <= at => format!("{}…{}", &text[..scheme + 3], &text[at..]),
        None if text[..at].contains(':') => format!("…{}", &text[at..]),
        _ => text.to_owned(),
    }
}

impl Dialects {
    /// The dialect that has channels and rooms.
    fn of_channels(&self) -> Result<Arc<Dialect>, TargetError> {
        let found = self.with_channels().map(|(_, dialect)| Arc::clone(dialect));
        found.ok_or_else(|| TargetError::Channel("no dialect that is on has channels".to_owned()))
    }

    /// Dialect of a target that is a job's id alone: the user's, or else the usual one. A text that probably means something
    /// else is an error, since the user would wait in vain for such a job.
    fn of_bare(&self, text: &str, named: Option<&str>) -> Result<Arc<Dialect>, TargetError> {
        let dialect = named.map_or_else(|| Ok(Arc::clone(self.unnamed())), |name| self.require(name))?;
        let is_secret = masked(text) != text;
        let meant = if is_secret { None } else { self.meant_by(text) };
        if text.is_empty() || is_secret || meant.is_some() {
            let job = format!("'{}/{}'", dialect.name, super::fields::shorten(text));
            return Err(TargetError::Shape { got: masked(text).escape_debug().to_string(), meant, job });
        }
        Ok(dialect)
    }

    /// Probable target, quoted, for a text without a slash that names something other than a job.
    pub fn meant_by(&self, text: &str) -> Option<String> {
        let channels = self.with_channels().and_then(|(_, dialect)| dialect.channels.as_ref());
        let Some((before, behind)) = text.split_once(':') else {
            return match self.named(text) {
                Some((_, dialect)) if dialect.channels.is_some() => Some("'channel:NAME'".to_owned()),
                Some(_) => Some(format!("'{text}/ID'")),
                None => channels?.named(text).map(|name| format!("'channel:{name}'")),
            };
        };
        let is_number = || !behind.is_empty() && behind.bytes().all(|byte| byte.is_ascii_digit());
        if is_number() && (before == "localhost" || before.contains('.')) {
            return Some(format!("'ws://{}'", super::fields::shorten(text)));
        }
        let behind = Some(super::fields::shorten(behind)).filter(|behind| !behind.is_empty())?;
        if self.named(before).is_some_and(|(_, dialect)| dialect.channels.is_none()) {
            return Some(format!("'{before}/{behind}'"));
        }
        let mut kinds = channels?.rooms.iter().map(|(kind, _)| kind.as_str());
        match suggest::slip_of(before, ["channel", "room"]) {
            Some(near) => Some(format!("'{near}:{behind}'")),
            None => kinds.find(|kind| *kind == before).map(|kind| format!("'room:{kind}:{behind}'")),
        }
    }

    /// The target of a channel, or an error that names the nearest.
    fn channel(&self, name: &str) -> Result<Target, TargetError> {
        let dialect = self.of_channels()?;
        let channels = dialect.channels.as_ref();
        if let Some(name) = channels.and_then(|channels| channels.named(name)).cloned() {
            return Ok(Target::Channel { dialect, name });
        }
        let message = format!("there is no channel '{}'", super::fields::shorten(name));
        let known = channels.into_iter().flat_map(|channels| channels.names.iter().map(|name| &**name));
        Err(TargetError::Channel(suggest::with_nearest(&message, name, known)))
    }

    /// The dialect of that name, or an error that names the nearest one.
    pub fn require(&self, name: &str) -> Result<Arc<Dialect>, TargetError> {
        self.named(name).map(|(_, dialect)| Arc::clone(dialect)).ok_or_else(|| {
            let message = format!("there is no dialect '{}'", name.escape_debug());
            TargetError::Dialect(suggest::with_nearest(&message, name, self.names()))
        })
    }
}
