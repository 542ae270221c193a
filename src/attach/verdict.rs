//! Meaning of the end of a connection: try again, wait for the job, or give up. Pure.

use std::time::Duration;

use crate::dialect::{CloseReason, Dialect, Shorthand};
use crate::exit::{Exit, Failure};
use crate::net::tls::Peer;
use crate::net::{NetError, answer};

/// Next step after the end of a connection, or of an attempt at one.
#[derive(Debug)]
pub(super) enum Verdict {
    /// No attempt can do better.
    Final(Failure),
    /// The token was refused, or none was given; another one may do better.
    Unauthorized(Failure),
    /// The server is there and the job is not yet; this is no failed attempt.
    Wait {
        /// For people.
        reason: String,
    },
    /// The token that the server refused was replaced since. This is no failed attempt.
    Again {
        /// For people.
        reason: String,
    },
    /// The next attempt may do better.
    Retry {
        /// For people.
        reason: String,
        /// What it comes to if there is none.
        last: Last,
        /// How long the server wants to be left alone until then.
        after: Option<Duration>,
    },
}

/// The failure that the last attempt leaves behind.
#[derive(Debug)]
pub(super) struct Last(Failure);

impl Verdict {
    /// Try again, and fail like this if no attempt does better.
    pub(super) fn retry(failure: Failure) -> Self {
        Self::Retry { reason: failure.message.clone(), last: Last(failure), after: None }
    }
}

impl Last {
    /// What the user can do meanwhile.
    pub(super) fn hint(self) -> Option<String> {
        self.0.hint
    }

    /// The failure, after so many attempts.
    pub(super) fn after(self, attempts: u32) -> Failure {
        let Failure { exit, message, hint } = self.0;
        let message = if attempts > 1 { format!("{message} (after {attempts} attempts)") } else { message };
        Failure { exit, message, hint }
    }
}

/// Meaning of a close code of the server.
pub(super) fn of_close(dialect: &Dialect, address: &str, code: Option<u16>, reason: &str) -> Verdict {
    let refused = || {
        let said = format!("{address} refused with {} {reason}", code.unwrap_or_default());
        Failure::new(Exit::Refused, said.trim_end())
    };
    let said = match (code, reason) {
        (Some(code), "") => format!("{address} closed the connection with {code}"),
        (Some(code), reason) => format!("{address} closed the connection with {code} {reason}"),
        (None, _) => format!("{address} ended the connection without a word"),
    };
    match code {
        Some(code)
            if code == CloseReason::UnknownTask.code() && reason == CloseReason::UnknownTask.text() =>
        {
            Verdict::Wait { reason: format!("{reason}; waiting for it to appear") }
        }
        Some(code) if code == CloseReason::NoSecret.code() && reason == CloseReason::NoSecret.text() => {
            Verdict::Final(refused().hint(
                "the relay needs --jwt-secret, --jwks or --jwt-key, or --no-auth to ask nobody for a token",
            ))
        }
        Some(code) if code == CloseReason::Unauthorized.code() => Verdict::Unauthorized(refused()),
        Some(_) if reason == CloseReason::NotAllowed.text() => {
            Verdict::Final(refused().hint("the token is restricted to other targets by its claim watch"))
        }
        Some(code) if CloseReason::is_refusal(code) => Verdict::Final(refused().hint(owner_hint(dialect))),
        Some(code) if code == CloseReason::ImpossibleJob.code() => Verdict::Final(Failure::usage(said)),
        _ => retry(said, None),
    }
}

/// Reasons for which a socket of one target is closed, and words by which they are known in what `/watch` says of a target.
const REFUSALS: [(CloseReason, &[&str]); 6] = [
    (CloseReason::Unauthorized, &["token missing", "expired"]),
    (CloseReason::NoSecret, &["no secret"]),
    (CloseReason::NotOwner, &["not the owner"]),
    (CloseReason::UnknownTask, &["unknown task"]),
    (CloseReason::NotAllowed, &["not allowed by the token", "claim watch does not"]),
    (CloseReason::KeysAway, &["cannot be fetched", "not fetched"]),
];

/// Meaning of a complaint of `/watch` about one target: that of the close code of a socket for this target alone.
/// `is_list`: the target is every job of the dialect.
pub(super) fn of_complaint(
    dialect: &Dialect,
    address: &str,
    code: &str,
    message: &str,
    is_list: bool,
) -> Verdict {
    let said = if message.is_empty() { code.replace('_', " ") } else { message.to_owned() };
    let refused = || Failure::new(Exit::Refused, format!("{address} refused: {said}"));
    let known = REFUSALS.iter().find(|(_, words)| words.iter().any(|word| message.contains(word)));
    match (code, known) {
        ("impossible_job_id", _) => Verdict::Final(Failure::usage(format!("{address} refused: {said}"))),
        ("unknown_target", _) => Verdict::Final(
            Failure::new(Exit::Unreachable, format!("{address} does not know the target: {said}"))
                .hint("is it a relay, with this dialect on? --server names another"),
        ),
        ("not_allowed", _) if is_list => Verdict::Final(refused().hint(format!(
            "jobs are listed for who has the relay's publish key (--publish-key), or a token whose claim watch has \
             \"{}/*\", and for everybody by a relay with --lists open",
            dialect.name
        ))),
        ("not_allowed", Some((reason, _))) => of_close(dialect, address, Some(reason.code()), reason.text()),
        // A token that has run out meanwhile.
        ("not_allowed", None) => Verdict::Unauthorized(refused()),
        _ => Verdict::Final(refused()),
    }
}

/// How somebody becomes the owner of a job, as far as the dialect says it.
fn owner_hint(dialect: &Dialect) -> String {
    let name = &dialect.name;
    match &dialect.catalogue.registration {
        Some(Shorthand { event, field }) => format!(
            "a token's sub must be the {field} that the task was registered with; \
             `jobwire publish {name}/ID {event} {field}=NAME` does that"
        ),
        None => "a token's sub must be the owner of the job".to_owned(),
    }
}

/// Meaning of a failure of the network.
pub(super) fn of_error(error: &NetError) -> Verdict {
    let said = error.to_string();
    let hint = match error {
        NetError::Status { .. } => return of_status(error),
        NetError::Url { .. } => return Verdict::Final(Failure::usage(said)),
        NetError::Refused { .. } => Some("start a relay with `jobwire serve`, or name another with --server"),
        NetError::NotHttp { .. } => Some("--server names another server; wss:// is for TLS"),
        NetError::Name { .. } => Some("is the name right? --server names another server"),
        NetError::TimedOut { .. } => {
            Some("it may be overloaded, or something that speaks first; --server names another server")
        }
        NetError::Tls { problem, .. } => return retry(said, problem.hint(Peer::Server).as_deref()),
        _ => None,
    };
    retry(said, hint)
}

/// Verdict on an answer that opened no WebSocket, by its HTTP status. An error without a status is worth a retry.
fn of_status(error: &NetError) -> Verdict {
    let NetError::Status { status, retry_after, .. } = error else {
        return retry(error.to_string(), None);
    };
    let (said, hint) = answer::explain(error).unwrap_or_else(|| (error.to_string(), None));
    let failure = |exit| Failure { hint, ..Failure::new(exit, said) };
    match status {
        401 => return Verdict::Unauthorized(failure(Exit::Refused)),
        403 => return Verdict::Final(failure(Exit::Refused)),
        _ => {}
    }
    match Verdict::retry(failure(Exit::Unreachable)) {
        Verdict::Retry { reason, last, .. } => Verdict::Retry { reason, last, after: *retry_after },
        other => other,
    }
}

fn retry(said: String, hint: Option<&str>) -> Verdict {
    let failure = Failure::new(Exit::Unreachable, said);
    let failure = match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    };
    Verdict::retry(failure)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::Dialects;

    fn fate(verdict: Verdict) -> (&'static str, Option<Exit>, String) {
        match verdict {
            Verdict::Final(failure) => ("final", Some(failure.exit), failure.message),
            Verdict::Unauthorized(failure) => ("unauthorized", Some(failure.exit), failure.message),
            Verdict::Wait { reason } => ("wait", None, reason),
            Verdict::Again { reason } => ("again", None, reason),
            Verdict::Retry { last, .. } => {
                let failure = last.after(3);
                ("retry", Some(failure.exit), failure.message)
            }
        }
    }

    #[test]
    fn close_codes_decide_what_comes_next() {
        let all = Dialects::builtin();
        let tasks = all.named("tasks").unwrap().1;
        let table = [
            (Some(1000), "", "retry", Some(Exit::Unreachable)),
            (Some(1001), "going away", "retry", Some(Exit::Unreachable)),
            (Some(1013), "slow consumer", "retry", Some(Exit::Unreachable)),
            (None, "", "retry", Some(Exit::Unreachable)),
            (Some(4001), "token missing, invalid or expired", "unauthorized", Some(Exit::Refused)),
            (Some(4001), "no secret configured", "final", Some(Exit::Refused)),
            (Some(4003), "not the owner", "final", Some(Exit::Refused)),
            (Some(4003), "unknown task", "wait", None),
            (Some(4004), "impossible job id", "final", Some(Exit::Usage)),
        ];
        for (code, reason, what, exit) in table {
            let (got, with, _) = fate(of_close(tasks, "h:1", code, reason));
            assert_eq!((got, with), (what, exit), "{code:?} {reason}");
        }
    }

    #[test]
    fn a_complaint_about_a_target_is_as_good_as_a_close_code() {
        let all = Dialects::builtin();
        let tasks = all.named("tasks").unwrap().1;
        let table = [
            (
                "not_allowed",
                "token missing, invalid or expired; send one",
                "unauthorized",
                Some(Exit::Refused),
            ),
            ("not_allowed", "the token has expired; send another one", "unauthorized", Some(Exit::Refused)),
            ("not_allowed", "no secret configured", "final", Some(Exit::Refused)),
            ("not_allowed", "not the owner", "final", Some(Exit::Refused)),
            ("not_allowed", "not allowed by the token", "final", Some(Exit::Refused)),
            ("not_allowed", "unknown task", "wait", None),
            ("unknown_target", "there is no dialect 'x'", "final", Some(Exit::Unreachable)),
            ("impossible_job_id", "'x' cannot be a job", "final", Some(Exit::Usage)),
            ("limit", "", "final", Some(Exit::Refused)),
        ];
        for (code, message, what, exit) in table {
            let (got, with, _) = fate(of_complaint(tasks, "h:1", code, message, false));
            assert_eq!((got, with), (what, exit), "{code} {message}");
        }
        let list = of_complaint(tasks, "h:1", "not_allowed", "a list of jobs needs the publish key", true);
        let Verdict::Final(Failure { exit: Exit::Refused, hint: Some(hint), .. }) = list else { panic!() };
        assert!(hint.contains("--publish-key") && hint.contains("\"tasks/*\""), "{hint}");
    }

    #[test]
    fn a_server_that_asks_for_time_gets_it_and_a_redirect_is_told() {
        let url = url::Url::parse("ws://h:1/ws/scraping/1").unwrap();
        let status = |status, redirect, retry_after| NetError::Status {
            address: "h:1".into(),
            status,
            code: None,
            message: None,
            redirect,
            retry_after,
        };
        let busy = of_error(&status(503, None, Some(Duration::from_secs(7))));
        let Verdict::Retry { reason, after, .. } = busy else { panic!("{busy:?}") };
        assert!(reason.ends_with("it cannot serve at the moment, and asks to wait 7 s"), "{reason}");
        assert_eq!(after, Some(Duration::from_secs(7)));
        let moved =
            of_error(&status(301, answer::Redirect::of(&url, "https://h/ws/scraping/1").map(Box::new), None));
        let Verdict::Retry { reason, last, .. } = moved else { panic!("{moved:?}") };
        assert!(reason.ends_with("answered 301; it redirects to https://h/ws/scraping/1"), "{reason}");
        assert!(last.hint().unwrap().ends_with("or name --server wss://h"));
    }

    #[test]
    fn the_last_failure_says_what_is_there() {
        let address = || "h:1".to_owned();
        let status = |status| NetError::Status {
            address: address(),
            status,
            code: None,
            message: None,
            redirect: None,
            retry_after: None,
        };
        let not_http = NetError::NotHttp { address: address(), reason: "x".into() };
        let table = [
            (NetError::Refused { address: address() }, "retry", Exit::Unreachable, "nothing listens at h:1"),
            (not_http, "retry", Exit::Unreachable, "does not speak HTTP"),
            (status(200), "retry", Exit::Unreachable, "answered 200; it is plain HTTP"),
            (status(404), "retry", Exit::Unreachable, "answered 404; it has no such route"),
            (status(426), "retry", Exit::Unreachable, "answered 426; it opens no WebSocket there"),
            (status(407), "retry", Exit::Unreachable, "answered 407; a proxy on the way"),
            (status(429), "retry", Exit::Unreachable, "answered 429; it has too many requests"),
            (status(502), "retry", Exit::Unreachable, "the server behind it does not answer"),
            (status(504), "retry", Exit::Unreachable, "the server behind it took too long"),
            (status(403), "final", Exit::Refused, "answered 403"),
            (status(401), "unauthorized", Exit::Refused, "answered 401"),
        ];
        for (error, what, exit, says) in table {
            let (got, with, message) = fate(of_error(&error));
            assert_eq!((got, with), (what, Some(exit)), "{error}");
            assert!(message.contains(says), "{message}");
        }
        let (.., message) = fate(of_error(&NetError::Refused { address: address() }));
        assert!(message.ends_with("(after 3 attempts)"), "{message}");
    }
}
