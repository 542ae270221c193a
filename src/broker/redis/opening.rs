//! Opens one connection to one server, logs in, and asks for the server's role.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustls::pki_types::ServerName;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

use super::failure::{Failure, closed};
use super::role::ServerRole;
use crate::net::tls::{Tls, TlsProblem};
use crate::wire::redis::Address;
use crate::wire::resp::{self, Bounds, Reply, Stop};

/// Time limit for opening a connection, logging in, and the first replies.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Keepalive finds a peer that vanished within half a minute, also while a command waits for its answer.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(15);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);
const KEEPALIVE_PROBES: u32 = 3;

/// Bounds of the replies to the first commands. A master names its replicas, each with three texts.
const FIRST_REPLIES: Bounds = Bounds { bytes: 64 * 1024, elements: 4096, depth: 3 };

/// A connection of any kind.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// Opens a connection. `is_shaking` says whether it waits for the server's part of a TLS handshake.
pub(super) async fn open(
    address: &Address,
    tls: &Tls,
    is_shaking: &AtomicBool,
) -> io::Result<Box<dyn Stream>> {
    let (host, port, is_secure) = match address {
        Address::Unix(path) => return Ok(Box::new(UnixStream::connect(path).await?)),
        Address::Tcp { host, port, tls } => (host, *port, *tls),
    };
    let stream = TcpStream::connect((host.as_str(), port)).await?;
    stream.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE_IDLE)
        .with_interval(KEEPALIVE_INTERVAL)
        .with_retries(KEEPALIVE_PROBES);
    SockRef::from(&stream).set_tcp_keepalive(&keepalive)?;
    if !is_secure {
        return Ok(Box::new(stream));
    }
    let name = ServerName::try_from(host.clone()).map_err(|_| io::Error::other(TlsProblem::Host))?;
    let connector = TlsConnector::from(tls.config().map_err(io::Error::other)?);
    is_shaking.store(true, Ordering::Relaxed);
    let stream = connector.connect(name, stream).await.map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => io::Error::other(TlsProblem::Ended),
        _ => error,
    })?;
    is_shaking.store(false, Ordering::Relaxed);
    Ok(Box::new(stream))
}

/// The first commands of a connection.
#[derive(Debug, Default)]
pub(super) struct Greeting {
    commands: Vec<u8>,
    owed: VecDeque<Owed>,
}

/// A reply to one of the first commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owed {
    /// Any reply but an error.
    Ok,
    /// A sign of life: a server that is loading or cannot write its file lets us subscribe all the same.
    Pong,
}

impl Greeting {
    /// A command that must succeed.
    pub(super) fn must(&mut self, words: &[&[u8]]) {
        resp::command(&mut self.commands, words);
        self.owed.push_back(Owed::Ok);
    }

    /// A PING, to which any answer will do that does not shut the connection out.
    pub(super) fn ping(&mut self) {
        resp::command(&mut self.commands, &[b"PING"]);
        self.owed.push_back(Owed::Pong);
    }

    /// Sends the commands, and fails at the first reply that is not as owed. Then no reply is open.
    pub(super) async fn send(self, stream: &mut dyn Stream) -> Result<Replies, Failure> {
        let mut replies = Replies::default();
        send(stream, &self.commands).await?;
        for owed in self.owed {
            replies.check(stream, owed).await?;
        }
        Ok(replies)
    }

    /// Sends the commands and asks for the role, all at once.
    pub(super) async fn send_and_ask(mut self, stream: &mut dyn Stream) -> Result<Told, Failure> {
        resp::command(&mut self.commands, &[b"ROLE"]);
        let mut replies = self.send(stream).await?;
        let by_role = replies.next(stream, |reply| answer(reply, ServerRole::of_reply)).await?;
        let by_info = match by_role {
            Err(failure) if is_forbidden(&failure) => {
                let mut info = Vec::new();
                resp::command(&mut info, &[b"INFO", b"replication"]);
                send(stream, &info).await?;
                replies.next(stream, |reply| answer(reply, of_info)).await?
            }
            other => return Ok(Told { role: unless_shut_out(other)?, by: Manner::Role }),
        };
        let by = if by_info.as_ref().is_err_and(is_forbidden) { Manner::Forbidden } else { Manner::Info };
        Ok(Told { role: unless_shut_out(by_info)?, by })
    }
}

/// A server's role, and how it told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) role: ServerRole,
    pub(super) by: Manner,
}

/// Command by which a server lets us ask for its role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Manner {
    /// By `ROLE`.
    #[default]
    Role,
    /// By `INFO replication`, since `ROLE` is refused.
    Info,
    /// Both are refused.
    Forbidden,
}

/// Whether a command was refused for good, rather than for now.
fn is_forbidden(failure: &Failure) -> bool {
    let Failure::Refused(reason) = failure else { return false };
    reason.starts_with("NOPERM") || reason.to_ascii_lowercase().contains("unknown command")
}

/// A role that a server cannot tell now is unknown; one that wants a login or no more clients is not used.
fn unless_shut_out(told: Result<ServerRole, Failure>) -> Result<ServerRole, Failure> {
    match told {
        Err(failure) if Owed::Pong.is_failed_by(&failure) => Err(failure),
        other => Ok(other.unwrap_or_default()),
    }
}

fn of_info(reply: &Reply<'_>) -> ServerRole {
    match reply {
        Reply::Bulk(text) | Reply::Simple(text) => ServerRole::of_info(&String::from_utf8_lossy(text)),
        _ => ServerRole::Unknown,
    }
}

/// Sorts an error reply, and gives any other one to `read`.
pub(super) fn answer<T>(reply: &Reply<'_>, read: impl FnOnce(&Reply<'_>) -> T) -> Result<T, Failure> {
    match reply {
        Reply::Error(text) => Err(Failure::from_reply(&String::from_utf8_lossy(text))),
        other => Ok(read(other)),
    }
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

pub(super) async fn send(stream: &mut dyn Stream, commands: &[u8]) -> Result<(), Failure> {
    stream.write_all(commands).await.map_err(|error| Failure::io(&error))
}

/// Reads replies one at a time. Its buffer holds at most one reply of [`FIRST_REPLIES`] and what came behind it in one
/// read.
#[derive(Debug, Default)]
pub(super) struct Replies(Vec<u8>);

impl Replies {
    /// Reads the next reply, and returns what `take` makes of it.
    pub(super) async fn next<T>(
        &mut self,
        stream: &mut dyn Stream,
        take: impl FnOnce(&Reply<'_>) -> T,
    ) -> Result<T, Failure> {
        loop {
            match resp::read(&self.0, &FIRST_REPLIES) {
                Ok((reply, end)) => {
                    let taken = take(&reply);
                    self.0.drain(..end);
                    return Ok(taken);
                }
                Err(Stop::Incomplete(_)) => {
                    if stream.read_buf(&mut self.0).await.map_err(|error| Failure::io(&error))? == 0 {
                        return Err(closed());
                    }
                }
                Err(Stop::Broken(broken)) => return Err(Failure::broken(&broken)),
            }
        }
    }

    async fn check(&mut self, stream: &mut dyn Stream, owed: Owed) -> Result<(), Failure> {
        match self.next(stream, |reply| answer(reply, |_| ())).await? {
            Err(failure) if owed.is_failed_by(&failure) => Err(failure),
            _ => Ok(()),
        }
    }
}
