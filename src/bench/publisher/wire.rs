//! A blocking connection of the publisher: TCP, TLS or a socket of this machine.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};

use crate::net::tls::{Tls, TlsProblem};

/// To connect, for the TLS handshake, and for a server that takes nothing more.
pub(super) const TIMEOUT: Duration = Duration::from_secs(5);

/// Between two attempts at a write for which there is no room.
pub(super) const RETRY: Duration = Duration::from_micros(200);

/// Bytes that are taken in at once, at most.
const MOST: usize = 1 << 20;

/// A connection that never blocks once it is made.
pub(super) enum Wire {
    Tcp(TcpStream),
    Unix(UnixStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Wire {
    pub(super) fn tcp(host: &str, port: u16, tls: Option<&Tls>) -> io::Result<Self> {
        use std::net::ToSocketAddrs as _;
        let host = host.trim_matches(['[', ']']);
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for address in (host, port).to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, TIMEOUT) {
                Ok(stream) => {
                    stream.set_nodelay(true)?;
                    let wire = match tls {
                        Some(tls) => Self::tls(host, stream, tls)?,
                        None => Self::Tcp(stream),
                    };
                    wire.set_nonblocking()?;
                    return Ok(wire);
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Shakes hands; whoever says nothing does not hold it up for longer than the timeout.
    fn tls(host: &str, mut stream: TcpStream, tls: &Tls) -> io::Result<Self> {
        let config = tls.config().map_err(io::Error::other)?;
        let name = ServerName::try_from(host.to_owned()).map_err(|_| io::Error::other(TlsProblem::Host))?;
        let mut session = ClientConnection::new(config, name).map_err(io::Error::other)?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        let begin = Instant::now();
        while session.is_handshaking() {
            let left = TIMEOUT.checked_sub(begin.elapsed()).filter(|left| !left.is_zero());
            stream.set_read_timeout(Some(left.ok_or_else(no_handshake)?))?;
            let step = if session.wants_write() {
                session.write_tls(&mut stream)
            } else {
                session.read_tls(&mut stream).and_then(|read| {
                    let end = || io::Error::new(io::ErrorKind::UnexpectedEof, "it ended the TLS handshake");
                    if read == 0 { Err(end()) } else { Ok(read) }
                })
            };
            match step {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(no_handshake()),
                Err(error) => return Err(error),
            }
            if let Err(error) = session.process_new_packets() {
                // It is told why, where it still listens.
                let _ = session.write_tls(&mut stream);
                return Err(io::Error::new(io::ErrorKind::InvalidData, TlsProblem::of(&error)));
            }
        }
        // Its last word is said now: the first event may be far away.
        while session.wants_write() {
            session.write_tls(&mut stream)?;
        }
        Ok(Self::Tls(Box::new(StreamOwned::new(session, stream))))
    }

    pub(super) fn unix(path: &Path) -> io::Result<Self> {
        let wire = Self::Unix(UnixStream::connect(path)?);
        wire.set_nonblocking()?;
        Ok(wire)
    }

    /// Writes what there is room for; without any, the error is `WouldBlock`.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(bytes),
            Self::Unix(stream) => stream.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
        }
    }

    /// Writes what is still held here; what there is no room for makes the error `WouldBlock`.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Tcp(_) | Self::Unix(_) => Ok(()),
            Self::Tls(stream) => stream.flush(),
        }
    }

    /// Appends what is there, without waiting for more; an end is an error.
    pub(super) fn receive(&mut self, into: &mut Vec<u8>) -> io::Result<()> {
        let most = into.len() + MOST;
        let mut chunk = [0; 16 << 10];
        while into.len() < most {
            let read = match self {
                Self::Tcp(stream) => stream.read(&mut chunk),
                Self::Unix(stream) => stream.read(&mut chunk),
                Self::Tls(stream) => stream.read(&mut chunk),
            };
            match read {
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

    fn set_nonblocking(&self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.set_nonblocking(true),
            Self::Unix(stream) => stream.set_nonblocking(true),
            Self::Tls(stream) => stream.sock.set_nonblocking(true),
        }
    }
}

fn no_handshake() -> io::Error {
    let message = format!("it did not answer the TLS handshake within {} s", TIMEOUT.as_secs());
    io::Error::new(io::ErrorKind::TimedOut, message)
}
