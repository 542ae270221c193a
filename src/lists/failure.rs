//! Failed questions as errors with exit codes and hints. Pure.

use crate::exit::{Exit, Failure};
use crate::net::tls::Peer;
use crate::net::{NetError, answer};

/// Advice after a refusal. The relay's own message says whom it lists jobs for.
const REFUSED: &str =
    "--publish-key gives the relay's key, --token a token; a relay with --lists open asks for neither";

/// The failure of a question for a list.
pub(super) fn of_error(error: &NetError) -> Failure {
    let said = error.to_string();
    let unreachable = |hint: Option<&str>| {
        let failure = Failure::new(Exit::Unreachable, said.clone());
        hint.map_or(failure.clone(), |hint| failure.hint(hint))
    };
    match error {
        NetError::Status { status: 401 | 403, redirect: None, .. } => {
            Failure::new(Exit::Refused, said).hint(REFUSED)
        }
        NetError::Status { address, status: 404 | 405 | 410 | 501, .. } => no_relay(address),
        NetError::Status { .. } => {
            let (said, hint) = answer::explain(error).unwrap_or_else(|| (said.clone(), None));
            Failure { hint, ..Failure::new(Exit::Unreachable, said) }
        }
        NetError::Url { .. } => Failure::usage(said),
        NetError::Refused { .. } => {
            unreachable(Some("start a relay with `jobwire serve`, or name another with --server"))
        }
        NetError::NotHttp { .. } => unreachable(Some("--server names another server; wss:// is for TLS")),
        NetError::Name { .. } => unreachable(Some("is the name right? --server names another server")),
        NetError::Tls { problem, .. } => unreachable(problem.hint(Peer::Server).as_deref()),
        _ => unreachable(None),
    }
}

/// The failure of a question to a server that lists no jobs.
pub(super) fn no_relay(address: &str) -> Failure {
    Failure::new(
        Exit::Unreachable,
        format!("the server at {address} lists no jobs, so it is no jobwire relay"),
    )
    .hint("--server names another; `jobwire check` says what a server is")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(status: u16) -> NetError {
        NetError::Status {
            address: "h:1".into(),
            status,
            code: None,
            message: Some("no".into()),
            redirect: None,
            retry_after: None,
        }
    }

    #[test]
    fn each_failure_has_its_exit_code_and_what_to_do() {
        for (error, exit, hint) in [
            (status(401), Exit::Refused, "--publish-key"),
            (status(403), Exit::Refused, "--token"),
            (status(404), Exit::Unreachable, "--server"),
            (status(502), Exit::Unreachable, "behind the proxy"),
            (NetError::Refused { address: "h:1".into() }, Exit::Unreachable, "jobwire serve"),
            (NetError::NotHttp { address: "h:1".into(), reason: "x".into() }, Exit::Unreachable, "wss://"),
        ] {
            let failure = of_error(&error);
            assert_eq!(failure.exit, exit, "{error}");
            assert!(failure.hint.as_ref().is_some_and(|text| text.contains(hint)), "{failure:?}");
        }
        assert!(of_error(&status(404)).message.contains("no jobwire relay"));
    }
}
