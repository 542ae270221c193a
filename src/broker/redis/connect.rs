//! Opens and logs in connections, for the subscription and for commands alike.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::pki_types::ServerName;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::cluster::Cluster;
use crate::broker::BrokerError;
use crate::net::tls::{self, Tls, TlsProblem};
use crate::wire::redis::{Address, Endpoint, RedisUrlError};
use crate::wire::resp::{self, Bounds, Broken, Reply, Stop};

/// Keepalive finds a peer that vanished within half a minute, also while a command waits for its answer.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(15);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);
const KEEPALIVE_PROBES: u32 = 3;

/// Time limit for opening a connection, logging in, and the first replies.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Bounds of the replies to the first commands: a word or an error each.
const FIRST_REPLIES: Bounds = Bounds { bytes: 4096, elements: 0, depth: 0 };

/// Purpose of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// Channels, which belong to no database. The server must answer a PING before the connection counts as open.
    Subscription,
    /// Commands, which belong to the URL's database.
    Commands,
}

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
    /// There is no TLS with it; what is wrong, and that in words.
    Tls(TlsProblem, String),
}

impl Failure {
    pub(super) fn io(error: &io::Error) -> Self {
        if let Some(problem) = tls::problem_of(error) {
            return Self::tls(problem);
        }
        // "connection refused (os error 111)" tells people nothing that "connection refused" does not.
        let text = error.to_string();
        let text = text.split(" (os error").next().unwrap_or_default();
        Self::Unreachable(text.to_lowercase())
    }

    pub(super) fn broken(broken: &Broken) -> Self {
        Self::Unreachable(broken.to_string())
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

    pub(super) fn reason(&self) -> &str {
        match self {
            Self::Unreachable(reason)
            | Self::Login(reason)
            | Self::Refused(reason)
            | Self::Tls(_, reason) => reason,
        }
    }

    /// The same failure, with the node of a cluster that it is of.
    pub(super) fn of_node(self, node: &Address) -> Self {
        let at = |reason: String| format!("node {node}: {reason}");
        match self {
            Self::Unreachable(reason) if is_code(&reason) => Self::Unreachable(reason),
            Self::Unreachable(reason) => Self::Unreachable(at(reason)),
            // Begins with a code, by which it is known.
            Self::Login(_) | Self::Refused(_) => self,
            Self::Tls(problem, reason) => Self::Tls(problem, at(reason)),
        }
    }

    pub(super) fn at(self, address: &str) -> BrokerError {
        let address = address.to_owned();
        match self {
            Self::Unreachable(reason) => BrokerError::Unreachable { address, reason },
            Self::Login(reason) => BrokerError::LoginRefused { address, reason },
            Self::Refused(reason) => BrokerError::Refused { address, reason },
            Self::Tls(problem, _) => BrokerError::Tls { address, problem },
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

/// A server that holds keys.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Node(pub(super) Address);

/// Opens connections to one server.
#[derive(Clone)]
pub(super) struct Connector {
    endpoint: Arc<Endpoint>,
    tls: Tls,
    /// The URL as people see it, its password masked.
    pub(super) address: Arc<str>,
    /// What all clones know of a cluster.
    pub(super) cluster: Arc<Cluster>,
    /// Warnings that were given.
    said: Arc<Mutex<Vec<String>>>,
}

impl Connector {
    /// Reads the files that the endpoint names.
    pub(super) fn new(endpoint: Endpoint) -> Result<Self, RedisUrlError> {
        let tls = Tls::new(&endpoint.tls)?;
        let address = endpoint.to_string().into();
        let cluster = Arc::new(Cluster::new(&endpoint));
        Ok(Self { endpoint: Arc::new(endpoint), tls, address, cluster, said: Arc::default() })
    }

    /// Warnings for the user: parameters of the URL that do nothing, and TLS checks that are not made.
    pub(super) fn warnings(&self) -> Vec<String> {
        let insecure = self.tls.is_insecure().then(|| {
            "the certificate of Redis is not checked: whoever answers there is trusted with the password"
                .to_owned()
        });
        self.endpoint.ignored.iter().cloned().chain(insecure).collect()
    }

    /// The database that commands go to.
    pub(super) fn database(&self) -> u32 {
        self.endpoint.database
    }

    /// The server that is turned to where no key says another one.
    pub(super) fn home(&self) -> Address {
        self.endpoint.named()[0].clone()
    }

    /// Warns of something once in the life of the program.
    pub(super) fn say_once(&self, text: &str) {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if !said.iter().any(|before| before == text) {
            tracing::warn!("{text}");
            said.push(text.to_owned());
        }
    }

    /// Connects and logs in, within [`CONNECT_TIMEOUT`]; in a cluster, to another node each time.
    pub(super) async fn connect(&self, purpose: Use) -> Result<Box<dyn Stream>, Failure> {
        if !self.cluster.is_meant() {
            return self.connect_at(&self.home(), purpose).await;
        }
        match purpose {
            Use::Subscription => {
                let address = self.cluster.next();
                let stream = self.connect_at_node(&address, purpose).await?;
                self.cluster.settle(&address);
                Ok(stream)
            }
            Use::Commands => {
                let any = self.connect_to_any(purpose);
                timeout(CONNECT_TIMEOUT, any).await.unwrap_or_else(|_| Err(in_vain()))
            }
        }
    }

    /// Connects to the first node that lets us in.
    async fn connect_to_any(&self, purpose: Use) -> Result<Box<dyn Stream>, Failure> {
        let mut connected = self.connect_at_node(&self.cluster.next(), purpose).await;
        for _ in 1..self.cluster.count() {
            if connected.is_ok() {
                break;
            }
            connected = self.connect_at_node(&self.cluster.next(), purpose).await;
        }
        connected
    }

    /// Connects to a node of a cluster.
    pub(super) async fn connect_at_node(
        &self,
        node: &Address,
        purpose: Use,
    ) -> Result<Box<dyn Stream>, Failure> {
        self.connect_at(node, purpose).await.map_err(|failure| failure.of_node(node))
    }

    /// Connects to one server.
    pub(super) async fn connect_at(
        &self,
        address: &Address,
        purpose: Use,
    ) -> Result<Box<dyn Stream>, Failure> {
        let is_shaking = AtomicBool::new(false);
        let attempt = async {
            let mut stream = self.open(address, &is_shaking).await.map_err(|error| Failure::io(&error))?;
            self.login(stream.as_mut(), purpose).await?;
            Ok(stream)
        };
        timeout(CONNECT_TIMEOUT, attempt).await.unwrap_or_else(|_| {
            if is_shaking.load(Ordering::Relaxed) {
                return Err(Failure::tls(TlsProblem::Silent));
            }
            Err(in_vain())
        })
    }

    async fn open(&self, address: &Address, is_shaking: &AtomicBool) -> io::Result<Box<dyn Stream>> {
        match address {
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

    async fn login(&self, stream: &mut dyn Stream, purpose: Use) -> Result<(), Failure> {
        let mut commands = Vec::new();
        let mut owed = VecDeque::new();
        if let Some(login) = &self.endpoint.login {
            owed.push_back(Owed::Ok);
            resp::command(&mut commands, &login.command());
        }
        if purpose == Use::Commands && self.endpoint.database != 0 {
            owed.push_back(Owed::Ok);
            let database = self.endpoint.database.to_string();
            resp::command(&mut commands, &[b"SELECT", database.as_bytes()]);
        }
        // In TLS 1.3 the client's handshake ends before the server has checked the client's certificate. A reply to
        // PING shows that the server has accepted it.
        if purpose == Use::Subscription || self.endpoint.is_secure() {
            owed.push_back(Owed::Pong);
            resp::command(&mut commands, &[b"PING"]);
        }
        stream.write_all(&commands).await.map_err(|error| Failure::io(&error))?;
        expect(stream, owed).await
    }
}

/// A reply to one of the first commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owed {
    /// No error.
    Ok,
    /// A sign of life: a server that is loading or cannot write its file lets us subscribe all the same.
    Pong,
}

impl Owed {
    fn is_failed_by(self, failure: &Failure) -> bool {
        const SHUT_OUT: [&str; 2] = ["DENIED", "ERR max number of clients"];
        match failure {
            Failure::Unreachable(text) if self == Self::Pong => {
                SHUT_OUT.iter().any(|code| text.starts_with(code))
            }
            Failure::Refused(_) if self == Self::Pong => false,
            _ => true,
        }
    }
}

/// Reads replies, after which nothing may follow, and fails at the first that is not as owed.
async fn expect(stream: &mut dyn Stream, mut owed: VecDeque<Owed>) -> Result<(), Failure> {
    let mut buffer = Vec::with_capacity(256);
    while let Some(next) = owed.front() {
        let (reply, end) = match resp::read(&buffer, &FIRST_REPLIES) {
            Ok(whole) => whole,
            Err(Stop::Incomplete(_)) => {
                if stream.read_buf(&mut buffer).await.map_err(|error| Failure::io(&error))? == 0 {
                    return Err(closed());
                }
                continue;
            }
            Err(Stop::Broken(broken)) => return Err(Failure::broken(&broken)),
        };
        if let Reply::Error(text) = reply {
            let failure = Failure::from_reply(&String::from_utf8_lossy(text));
            if next.is_failed_by(&failure) {
                return Err(failure);
            }
        }
        buffer.drain(..end);
        owed.pop_front();
    }
    Ok(())
}

/// Nothing came of an attempt in its time.
fn in_vain() -> Failure {
    Failure::Unreachable(format!("no connection within {} s", CONNECT_TIMEOUT.as_secs()))
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
