//! Why there is no connection to Redis; pure.

use std::io;

use crate::broker::BrokerError;
use crate::net::tls::{self, TlsProblem};
use crate::wire::redis::Address;
use crate::wire::resp::Broken;

/// Why there is no connection, or none any more. Never holds a password: servers do not repeat them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.reason())]
pub(super) enum Failure {
    /// The server does not answer at all, or the connection ended.
    Unreachable(String),
    /// The server does not answer any more, though the connection stands.
    Silent(String),
    /// The server refused the credentials.
    Login(String),
    /// The server refused something else.
    Refused(String),
    /// The server has no TLS that is accepted: the problem, and its words.
    Tls(TlsProblem, String),
    /// The server is none to be used.
    NotMaster {
        /// Host and port, or the socket.
        server: String,
        /// Role, in one word.
        role: &'static str,
        /// End of a sentence that begins with the server.
        reason: String,
    },
    /// The sentinels know no master of this name.
    NoSuchMaster(NoSuchMaster),
    /// A probe was published and did not come back.
    ProbeLost(String),
}

/// A master that no sentinel knows, and those that they do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NoSuchMaster {
    pub(super) name: String,
    pub(super) known: Vec<String>,
}

impl Failure {
    pub(super) fn io(error: &io::Error) -> Self {
        if let Some(failure) = error.get_ref().and_then(|error| error.downcast_ref::<Self>()) {
            return failure.clone();
        }
        if let Some(problem) = tls::problem_of(error) {
            return Self::tls(problem);
        }
        // A server that dies says no farewell in TLS, of which rustls makes a sentence with a link.
        if error.kind() == io::ErrorKind::UnexpectedEof {
            return closed();
        }
        // "connection refused (os error 111)" tells people nothing that "connection refused" does not.
        let text = error.to_string();
        let text = text.split(" (os error").next().unwrap_or_default();
        Self::Unreachable(text.to_lowercase())
    }

    pub(super) fn broken(broken: &Broken) -> Self {
        Self::Unreachable(broken.to_string())
    }

    /// Another server is the master now.
    pub(super) fn moved(to: &Address) -> Self {
        Self::Unreachable(format!("the master is {to} now"))
    }

    pub(super) fn tls(problem: TlsProblem) -> Self {
        let words = problem.to_string();
        Self::Tls(problem, words)
    }

    /// Sorts the text of an error reply, which begins with its code.
    pub(super) fn from_reply(text: &str) -> Self {
        const LOGIN: [&str; 5] =
            ["WRONGPASS", "NOAUTH", "ERR AUTH", "ERR invalid password", "ERR Client sent AUTH"];
        const NOT_NOW: [&str; 4] = ["LOADING", "MASTERDOWN", "ERR max number of clients", "DENIED"];
        if LOGIN.iter().any(|code| text.starts_with(code)) {
            Self::Login(text.to_owned())
        } else if NOT_NOW.iter().any(|code| text.starts_with(code)) {
            Self::Unreachable(text.to_owned())
        } else {
            Self::Refused(text.to_owned())
        }
    }

    /// Whether all connections to the server should end, and not only the one that failed.
    pub(super) const fn is_of_server(&self) -> bool {
        matches!(self, Self::Silent(_) | Self::NotMaster { .. } | Self::ProbeLost(_))
    }

    pub(super) fn reason(&self) -> &str {
        match self {
            Self::NoSuchMaster(_) => "the sentinels know no master of this name",
            Self::Unreachable(reason)
            | Self::Silent(reason)
            | Self::Login(reason)
            | Self::Refused(reason)
            | Self::NotMaster { reason, .. }
            | Self::ProbeLost(reason)
            | Self::Tls(_, reason) => reason,
        }
    }

    /// Names the node of a cluster in a failure.
    pub(super) fn of_node(self, node: &Address) -> Self {
        let at = |reason: String| format!("node {node}: {reason}");
        match self {
            Self::Unreachable(reason) if !is_code(&reason) => Self::Unreachable(at(reason)),
            Self::Silent(reason) => Self::Silent(at(reason)),
            Self::Tls(problem, reason) => Self::Tls(problem, at(reason)),
            // Begins with a code, by which it is known, or names the server.
            other => other,
        }
    }

    pub(super) fn at(self, address: &str) -> BrokerError {
        let address = address.to_owned();
        match self {
            Self::Unreachable(reason) | Self::Silent(reason) => BrokerError::Unreachable { address, reason },
            Self::Login(reason) => BrokerError::LoginRefused { address, reason },
            Self::Refused(reason) => BrokerError::Refused { address, reason },
            Self::Tls(problem, _) => BrokerError::Tls { address, problem },
            Self::NotMaster { server, reason, .. } => BrokerError::NotMaster { server, reason },
            Self::NoSuchMaster(NoSuchMaster { name, known }) => BrokerError::NoSuchMaster { name, known },
            Self::ProbeLost(reason) => BrokerError::Deaf { address, reason },
        }
    }
}

/// Whether words of a server begin with a code, by which they are known.
fn is_code(reason: &str) -> bool {
    reason
        .split(' ')
        .next()
        .is_some_and(|word| word.len() > 2 && word.bytes().all(|byte| byte.is_ascii_uppercase()))
}

/// The server ended the connection.
pub(super) fn closed() -> Failure {
    Failure::Unreachable("the server closed the connection".to_owned())
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use super::{Failure, closed};

    #[test]
    fn error_replies_are_sorted_by_what_can_be_done_about_them() {
        let login = [
            "WRONGPASS invalid username-password pair or user is disabled.",
            "NOAUTH Authentication required.",
            "ERR AUTH <password> called without any password configured for the default user.",
            "ERR invalid password",
        ];
        for text in login {
            assert_eq!(Failure::from_reply(text), Failure::Login(text.to_owned()));
        }
        for text in ["LOADING Redis is loading the dataset in memory", "ERR max number of clients reached"] {
            assert_eq!(Failure::from_reply(text), Failure::Unreachable(text.to_owned()));
        }
        for text in ["NOPERM this user has no permissions", "ERR DB index is out of range"] {
            assert_eq!(Failure::from_reply(text), Failure::Refused(text.to_owned()));
        }
    }

    #[test]
    fn errors_of_the_system_and_of_tls_are_put_in_few_words() {
        let error = std::io::Error::from_raw_os_error(111);
        assert_eq!(Failure::io(&error), Failure::Unreachable("connection refused".to_owned()));
        let error =
            std::io::Error::new(ErrorKind::UnexpectedEof, "peer closed connection: https://docs.rs/…");
        assert_eq!(Failure::io(&error), closed());
    }
}
