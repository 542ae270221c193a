//! Opens and logs in connections, for the subscription and for commands alike.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustls::pki_types::ServerName;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

use super::resp::{self, Reply, Step};
use super::url::{Address, Endpoint, Login, RedisUrlError};
use crate::broker::BrokerError;
use crate::net::tls::{self, Tls, TlsProblem};

/// Keepalive finds a peer that vanished within half a minute, also while a command waits for its answer.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(15);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);
const KEEPALIVE_PROBES: u32 = 3;

/// A connection of any kind.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// Why there is no connection, or none any more. Never holds a password: servers do not repeat them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
    /// Nothing answers, or the connection ended.
    Unreachable(String),
    /// The server refused the credentials.
    Login(String),
    /// The server refused something else.
    Refused(String),
    /// There is no TLS with it.
    Tls(TlsProblem),
}

impl Failure {
    pub(super) fn io(error: &io::Error) -> Self {
        if let Some(problem) = tls::problem_of(error) {
            return Self::Tls(problem);
        }
        // "connection refused (os error 111)" tells people nothing that "connection refused" does not.
        let text = error.to_string();
        let text = text.split(" (os error").next().unwrap_or_default();
        Self::Unreachable(text.to_lowercase())
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

    pub(super) fn reason(&self) -> String {
        match self {
            Self::Unreachable(reason) | Self::Login(reason) | Self::Refused(reason) => reason.clone(),
            Self::Tls(problem) => problem.to_string(),
        }
    }

    pub(super) fn at(self, address: &str) -> BrokerError {
        let address = address.to_owned();
        match self {
            Self::Unreachable(reason) => BrokerError::Unreachable { address, reason },
            Self::Login(reason) => BrokerError::LoginRefused { address, reason },
            Self::Refused(reason) => BrokerError::Refused { address, reason },
            Self::Tls(problem) => BrokerError::Tls { address, problem },
        }
    }
}

/// Opens connections to one server.
#[derive(Clone)]
pub(super) struct Connector {
    endpoint: Arc<Endpoint>,
    tls: Tls,
    /// The URL as people see it, its password masked.
    pub(super) address: Arc<str>,
}

impl Connector {
    /// Reads the files that the endpoint names.
    pub(super) fn new(endpoint: Endpoint) -> Result<Self, RedisUrlError> {
        let tls = Tls::new(&endpoint.tls)?;
        let address = endpoint.to_string().into();
        Ok(Self { endpoint: Arc::new(endpoint), tls, address })
    }

    /// Of parameters that do nothing, and of checks that are not made, what the user should know.
    pub(super) fn warnings(&self) -> Vec<String> {
        let insecure = self.tls.is_insecure().then(|| {
            "the certificate of Redis is not checked: whoever answers there is trusted with the password"
                .to_owned()
        });
        self.endpoint.ignored.iter().cloned().chain(insecure).collect()
    }

    /// Connects and logs in within `limit`, and selects the database if `select` is set.
    pub(super) async fn connect(&self, limit: Duration, select: bool) -> Result<Box<dyn Stream>, Failure> {
        let is_shaking = AtomicBool::new(false);
        let attempt = async {
            let mut stream = self.open(&is_shaking).await.map_err(|error| Failure::io(&error))?;
            self.login(stream.as_mut(), select).await?;
            Ok(stream)
        };
        tokio::time::timeout(limit, attempt).await.unwrap_or_else(|_| {
            if is_shaking.load(Ordering::Relaxed) {
                return Err(Failure::Tls(TlsProblem::Silent));
            }
            Err(Failure::Unreachable(format!("no connection within {} s", limit.as_secs_f32())))
        })
    }

    async fn open(&self, is_shaking: &AtomicBool) -> io::Result<Box<dyn Stream>> {
        match &self.endpoint.address {
            Address::Unix(path) => Ok(Box::new(UnixStream::connect(path).await?)),
            Address::Tcp { host, port, tls } => {
                let stream = TcpStream::connect((host.as_str(), *port)).await?;
                stream.set_nodelay(true)?;
                let keepalive = TcpKeepalive::new()
                    .with_time(KEEPALIVE_IDLE)
                    .with_interval(KEEPALIVE_INTERVAL)
                    .with_retries(KEEPALIVE_PROBES);
                SockRef::from(&stream).set_tcp_keepalive(&keepalive)?;
                if !tls {
                    return Ok(Box::new(stream));
                }
                let name =
                    ServerName::try_from(host.clone()).map_err(|_| io::Error::other(TlsProblem::Host))?;
                let connector = TlsConnector::from(self.tls.config().map_err(io::Error::other)?);
                is_shaking.store(true, Ordering::Relaxed);
                let stream = connector.connect(name, stream).await.map_err(|error| match error.kind() {
                    io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => {
                        io::Error::other(TlsProblem::Ended)
                    }
                    _ => error,
                })?;
                is_shaking.store(false, Ordering::Relaxed);
                Ok(Box::new(stream))
            }
        }
    }

    async fn login(&self, stream: &mut dyn Stream, select: bool) -> Result<(), Failure> {
        let mut commands = Vec::new();
        let mut replies = 0;
        if let Some(Login { user, password }) = &self.endpoint.login {
            replies += 1;
            match user {
                Some(user) => {
                    resp::write_command(&mut commands, &[b"AUTH", user.as_bytes(), password.as_bytes()]);
                }
                None => resp::write_command(&mut commands, &[b"AUTH", password.as_bytes()]),
            }
        }
        if select && self.endpoint.database != 0 {
            replies += 1;
            let database = self.endpoint.database.to_string();
            resp::write_command(&mut commands, &[b"SELECT", database.as_bytes()]);
        }
        if replies == 0 && !matches!(self.endpoint.address, Address::Tcp { tls: true, .. }) {
            return Ok(());
        }
        if replies == 0 {
            // Of TLS 1.3 a client's handshake ends before the server has seen its certificate, so it has to be asked.
            resp::write_command(&mut commands, &[b"PING"]);
            stream.write_all(&commands).await.map_err(|error| Failure::io(&error))?;
            return match expect_ok(stream, 1).await {
                // Whoever may not PING has been let in all the same.
                Err(Failure::Refused(_)) => Ok(()),
                other => other,
            };
        }
        stream.write_all(&commands).await.map_err(|error| Failure::io(&error))?;
        expect_ok(stream, replies).await
    }
}

/// Reads `count` replies, after which nothing may follow, and fails at the first that is an error.
async fn expect_ok(stream: &mut dyn Stream, mut count: usize) -> Result<(), Failure> {
    let broken = |broken: resp::Broken| Failure::Unreachable(broken.to_string());
    let mut buffer = Vec::with_capacity(256);
    while count > 0 {
        match resp::next(&buffer, 0).map_err(broken)? {
            Step::Reply { reply: Reply::Error(text), .. } => {
                return Err(Failure::from_reply(&String::from_utf8_lossy(&buffer[text])));
            }
            Step::Reply { end, .. } => {
                buffer.drain(..end);
                count -= 1;
            }
            Step::Incomplete(_) => {
                if stream.read_buf(&mut buffer).await.map_err(|error| Failure::io(&error))? == 0 {
                    return Err(closed());
                }
            }
            _ => return Err(broken(resp::Broken("a message before any subscription"))),
        }
    }
    Ok(())
}

/// The server ended the connection.
pub(super) fn closed() -> Failure {
    Failure::Unreachable("the server closed the connection".to_owned())
}

#[cfg(test)]
mod tests {
    use super::Failure;

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
    fn system_errors_lose_their_number() {
        let error = std::io::Error::from_raw_os_error(111);
        assert_eq!(Failure::io(&error), Failure::Unreachable("connection refused".to_owned()));
    }
}
