//! Steps of a check, the finding of each, and the exit code of all findings. Pure.

use std::time::Duration;

use crate::dialect::with_nearest;
use crate::exit::{Exit, Failure};
use crate::net::tls::Peer;
use crate::net::{NetError, answer};

/// Kind of a step. The order is that of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Trial {
    /// Opens a TCP connection to the server.
    Tcp,
    /// Makes the TLS handshake.
    Tls,
    /// Reads `GET /health`: the server is a relay, and its broker is well.
    Health,
    /// Reads `GET /ready`: events can reach watchers.
    Ready,
    /// Version of the relay.
    Version,
    /// Clock of the server against ours.
    Clock,
    /// Asks the Redis for its role.
    Redis,
    /// Sends an event.
    Publish,
    /// Receives the event by WebSocket.
    Websocket,
    /// Receives the event by an event stream.
    Sse,
    /// Receives the event by the WebSocket of `/watch`.
    Watch,
    /// Polls the state of the job.
    Polling,
    /// Resumes from a cursor and receives an event that was sent while nobody was connected.
    Resume,
}

impl Trial {
    /// All steps, in their order.
    pub(crate) const ALL: [Self; 13] = [
        Self::Tcp,
        Self::Tls,
        Self::Health,
        Self::Ready,
        Self::Version,
        Self::Clock,
        Self::Redis,
        Self::Publish,
        Self::Websocket,
        Self::Sse,
        Self::Watch,
        Self::Polling,
        Self::Resume,
    ];

    /// Steps that each dialect has of its own.
    pub(crate) const OF_DIALECT: [Self; 6] =
        [Self::Publish, Self::Websocket, Self::Sse, Self::Watch, Self::Polling, Self::Resume];

    /// Name of the step, as `--only` takes it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Health => "health",
            Self::Ready => "ready",
            Self::Version => "version",
            Self::Clock => "clock",
            Self::Redis => "redis",
            Self::Publish => "publish",
            Self::Websocket => "websocket",
            Self::Sse => "sse",
            Self::Watch => "watch",
            Self::Polling => "polling",
            Self::Resume => "resume",
        }
    }

    /// Parses a name as [`Trial::as_str`] gives it. The error names the nearest step and lists all.
    pub(crate) fn parse(name: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|trial| trial.as_str() == name).ok_or_else(|| {
            let names = Self::ALL.map(Self::as_str);
            let message = format!("there is no step '{}'", name.escape_debug());
            format!("{}; the steps are {}", with_nearest(&message, name, names), names.join(", "))
        })
    }
}

/// A step that was taken or skipped, with its finding.
#[derive(Debug, Clone)]
pub(crate) struct Tried {
    /// Kind of the step.
    pub trial: Trial,
    /// Name of the dialect; `None` for a step of the server as a whole.
    pub dialect: Option<String>,
    /// Duration of the step.
    pub took: Duration,
    /// Result of the step.
    pub finding: Finding,
}

impl Tried {
    /// Name of the step in reports, such as `tcp` or `scraping/websocket`.
    pub(crate) fn name(&self) -> String {
        match &self.dialect {
            Some(dialect) => format!("{dialect}/{}", self.trial.as_str()),
            None => self.trial.as_str().to_owned(),
        }
    }

    /// The fault that the step found, if any.
    pub(crate) const fn wrong(&self) -> Option<&Wrong> {
        match &self.finding {
            Finding::Wrong(wrong) => Some(wrong),
            _ => None,
        }
    }
}

/// Result of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Finding {
    /// The step passed; the text says what was seen.
    Good(String),
    /// The step was skipped; the text gives the reason.
    Skipped(String),
    /// The step failed.
    Wrong(Wrong),
}

/// A fault that a step found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wrong {
    /// Kind of the fault.
    pub blame: Blame,
    /// Fact and object, lower case, no full stop.
    pub message: String,
    /// Advice for the user.
    pub hint: Option<String>,
}

/// Kind of a fault; the exit code follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Blame {
    /// The server, or Redis, cannot be reached.
    Unreachable,
    /// The server is no relay, or lacks what a relay has.
    NoRelay,
    /// The server refuses a key or a token.
    Refused,
    /// The relay does not do what it should.
    Broken,
}

impl Blame {
    /// Name of the kind in reports.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::NoRelay => "no-relay",
            Self::Refused => "refused",
            Self::Broken => "broken",
        }
    }
}

impl Wrong {
    /// Makes a fault without advice.
    pub(crate) fn new(blame: Blame, message: impl Into<String>) -> Self {
        Self { blame, message: message.into(), hint: None }
    }

    /// Adds advice for the user.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Makes the fault of a step that took longer than `limit`.
    pub(crate) fn too_slow(what: &str, limit: Duration) -> Self {
        Self::new(Blame::Broken, format!("{what} within {} s", limit.as_secs_f64()))
    }
}

impl From<Failure> for Wrong {
    fn from(failure: Failure) -> Self {
        let blame = match failure.exit {
            Exit::Unreachable => Blame::Unreachable,
            Exit::Refused => Blame::Refused,
            _ => Blame::Broken,
        };
        Self { blame, message: failure.message, hint: failure.hint }
    }
}

/// Fault of a request or a connection that failed.
impl From<&NetError> for Wrong {
    fn from(error: &NetError) -> Self {
        let said = error.to_string();
        let (blame, hint) = match error {
            NetError::Status { status, .. } => {
                let blame = match status {
                    401 | 403 => Blame::Refused,
                    502..=504 => Blame::Unreachable,
                    500.. => Blame::Broken,
                    _ => Blame::NoRelay,
                };
                let (message, hint) = answer::explain(error).unwrap_or((said, None));
                let hint = hint.unwrap_or_else(|| hint_of(*status).to_owned());
                return Self { blame, message, hint: Some(hint) };
            }
            NetError::Refused { .. } => (
                Blame::Unreachable,
                Some("start a relay with `jobwire serve`, or name another with --server"),
            ),
            NetError::Name { .. } => {
                (Blame::Unreachable, Some("is the name right? --server names another server"))
            }
            NetError::TimedOut { .. } => (
                Blame::Unreachable,
                Some("it may be overloaded, or something that speaks first; --step-timeout gives it longer"),
            ),
            NetError::Tls { problem, .. } => {
                return Self { blame: Blame::Unreachable, message: said, hint: problem.hint(Peer::Server) };
            }
            NetError::NotHttp { .. } | NetError::TooBig { .. } => {
                (Blame::NoRelay, Some("--server names another server; wss:// is for TLS"))
            }
            NetError::Closed { .. } => (
                Blame::Unreachable,
                Some("is it another program, or a proxy whose relay is down? --server names another server"),
            ),
            NetError::Url { .. } | NetError::Unreachable { .. } => {
                (Blame::Unreachable, Some("is the way there open? --server names another server"))
            }
        };
        Self { blame, message: said, hint: hint.map(str::to_owned) }
    }
}

/// Advice for an HTTP status whose answer gives no more details.
const fn hint_of(status: u16) -> &'static str {
    match status {
        403 => "something in between lets nobody in; --server names another server",
        429 => "something in between limits requests; try again later",
        _ => "the log of the server tells why, and that of a proxy in between",
    }
}

/// Exit code of a check with these findings.
///
/// A relay that was sent events and delivered none by any transport counts as unreachable.
pub(crate) fn exit(tried: &[Tried]) -> Exit {
    let wrong: Vec<(Trial, Blame)> =
        tried.iter().filter_map(|tried| Some((tried.trial, tried.wrong()?.blame))).collect();
    if wrong.is_empty() {
        return Exit::Success;
    }
    if wrong.iter().any(|(_, blame)| matches!(blame, Blame::Unreachable | Blame::NoRelay)) {
        return Exit::Unreachable;
    }
    if wrong.iter().all(|(_, blame)| *blame == Blame::Refused) {
        return Exit::Refused;
    }
    let carries = |trial: Trial| matches!(trial, Trial::Websocket | Trial::Sse | Trial::Watch);
    let came = tried.iter().any(|tried| carries(tried.trial) && matches!(tried.finding, Finding::Good(_)));
    let failed = wrong.iter().any(|(trial, _)| carries(*trial));
    if failed && !came { Exit::Unreachable } else { Exit::Failure }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Makes a step with this finding.
    pub(in crate::check) fn tried(trial: Trial, dialect: Option<&str>, finding: Finding) -> Tried {
        Tried { trial, dialect: dialect.map(str::to_owned), took: Duration::from_millis(2), finding }
    }

    fn good(trial: Trial) -> Tried {
        tried(trial, None, Finding::Good("fine".into()))
    }

    fn wrong(trial: Trial, blame: Blame) -> Tried {
        tried(trial, None, Finding::Wrong(Wrong::new(blame, "no")))
    }

    #[test]
    fn the_exit_code_is_that_of_the_gravest_finding() {
        let skipped = tried(Trial::Tls, None, Finding::Skipped("plain".into()));
        let all = |more: &[Tried]| exit(&[&[good(Trial::Tcp), skipped.clone()], more].concat());
        assert_eq!(all(&[]), Exit::Success);
        assert_eq!(all(&[wrong(Trial::Clock, Blame::Broken)]), Exit::Failure);
        assert_eq!(all(&[wrong(Trial::Health, Blame::NoRelay)]), Exit::Unreachable);
        assert_eq!(all(&[wrong(Trial::Redis, Blame::Unreachable)]), Exit::Unreachable);
        assert_eq!(all(&[wrong(Trial::Publish, Blame::Refused)]), Exit::Refused);
        let both = [wrong(Trial::Publish, Blame::Refused), wrong(Trial::Clock, Blame::Broken)];
        assert_eq!(all(&both), Exit::Failure);
    }

    #[test]
    fn a_relay_that_delivers_nothing_is_half_a_relay_and_one_that_lacks_a_transport_has_a_fault() {
        let socket = wrong(Trial::Websocket, Blame::Broken);
        assert_eq!(exit(std::slice::from_ref(&socket)), Exit::Unreachable);
        assert_eq!(exit(&[socket, good(Trial::Sse)]), Exit::Failure);
        assert_eq!(exit(&[good(Trial::Websocket), wrong(Trial::Resume, Blame::Broken)]), Exit::Failure);
    }

    #[test]
    fn a_step_is_known_by_its_name_and_a_slip_gets_the_nearest() {
        assert!(Trial::ALL.is_sorted());
        for trial in Trial::ALL {
            assert_eq!(Trial::parse(trial.as_str()), Ok(trial));
        }
        assert!(Trial::parse("websockt").unwrap_err().contains("did you mean 'websocket'?"));
    }
}
