//! A connection of the publisher: TCP, TLS or a socket of this machine.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustls::pki_types::ServerName;
use socket2::Socket;

use crate::net::tls::{Tls, TlsProblem};
use crate::wire::stream::Stream;

/// To connect, for the TLS handshake, and for a server that takes nothing more.
pub(super) const TIMEOUT: Duration = Duration::from_secs(5);

/// Between two attempts at a write for which there is no room.
pub(super) const RETRY: Duration = Duration::from_micros(200);

/// Bytes that are taken in at once, at most.
const MOST: usize = 1 << 20;

/// A connection that never blocks once it is made.
pub(super) struct Wire(Stream);

impl Wire {
    pub(super) fn tcp(host: &str, port: u16, tls: Option<&Tls>) -> io::Result<Self> {
        use std::net::ToSocketAddrs as _;
        let host = host.trim_matches(['[', ']']);
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for address in (host, port).to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, TIMEOUT) {
                Ok(stream) => {
                    stream.set_nodelay(true)?;
                    stream.set_nonblocking(true)?;
                    return match tls {
                        Some(tls) => Self::tls(host, stream.into(), tls),
                        None => Ok(Self(Stream::plain(stream.into()))),
                    };
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Shakes hands; whoever says nothing does not hold it up for longer than the timeout.
    fn tls(host: &str, socket: Socket, tls: &Tls) -> io::Result<Self> {
        let config = tls.config().map_err(io::Error::other)?;
        let name = ServerName::try_from(host.to_owned()).map_err(|_| io::Error::other(TlsProblem::Host))?;
        let mut stream = Stream::secure(socket, config, name)?;
        let begin = Instant::now();
        loop {
            match stream.shake_hands() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                other => return other.map(|()| Self(stream)),
            }
            let left = TIMEOUT.checked_sub(begin.elapsed()).filter(|left| !left.is_zero());
            wait(&stream, left.ok_or_else(no_handshake)?)?;
        }
    }

    pub(super) fn unix(path: &Path) -> io::Result<Self> {
        let stream = UnixStream::connect(path)?;
        stream.set_nonblocking(true)?;
        Ok(Self(Stream::plain(stream.into())))
    }

    /// Writes what there is room for; without any, the error is `WouldBlock`.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    /// Writes what is still held here; what there is no room for makes the error `WouldBlock`.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }

    /// Appends what is there, without waiting for more; an end is an error.
    pub(super) fn receive(&mut self, into: &mut Vec<u8>) -> io::Result<()> {
        let most = into.len() + MOST;
        let mut chunk = [0; 16 << 10];
        while into.len() < most {
            match self.0.read(&mut chunk) {
                Ok(0) => {
                    return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it closed the connection"));
                }
                Ok(read) => into.extend_from_slice(&chunk[..read]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Waits until the socket can be read, or written where TLS has something to write; for `left` at most.
fn wait(stream: &Stream, left: Duration) -> io::Result<()> {
    let flags = if stream.wants_write() { PollFlags::OUT } else { PollFlags::IN };
    let timeout = Timespec::try_from(left).map_err(io::Error::other)?;
    match poll(&mut [PollFd::new(&stream.socket, flags)], Some(&timeout)) {
        Err(error) if error != Errno::INTR => Err(error.into()),
        _ => Ok(()),
    }
}

fn no_handshake() -> io::Error {
    let message = format!("it did not answer the TLS handshake within {} s", TIMEOUT.as_secs());
    io::Error::new(io::ErrorKind::TimedOut, message)
}
