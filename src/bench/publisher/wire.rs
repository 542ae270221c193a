//! A blocking connection of the publisher: TCP, TLS or a socket of this machine.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};

use crate::net;

/// To connect, and for a server that takes nothing more.
const TIMEOUT: Duration = Duration::from_secs(5);

pub(super) enum Wire {
    Tcp(TcpStream),
    Unix(UnixStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Wire {
    pub(super) fn tcp(host: &str, port: u16, tls: bool) -> io::Result<Self> {
        use std::net::ToSocketAddrs as _;
        let host = host.trim_matches(['[', ']']);
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for address in (host, port).to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, TIMEOUT) {
                Ok(stream) => {
                    stream.set_nodelay(true)?;
                    stream.set_write_timeout(Some(TIMEOUT))?;
                    return if tls { Self::tls(host, stream) } else { Ok(Self::Tcp(stream)) };
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn tls(host: &str, stream: TcpStream) -> io::Result<Self> {
        let config = net::stream::tls_config().as_ref().map_err(|reason| io::Error::other(reason.clone()))?;
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        let session = ClientConnection::new(Arc::clone(config), name).map_err(io::Error::other)?;
        Ok(Self::Tls(Box::new(StreamOwned::new(session, stream))))
    }

    pub(super) fn unix(path: &Path) -> io::Result<Self> {
        let stream = UnixStream::connect(path)?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        Ok(Self::Unix(stream))
    }

    /// Writes everything.
    pub(super) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.write_all(bytes),
            Self::Unix(stream) => stream.write_all(bytes),
            Self::Tls(stream) => stream.write_all(bytes).and_then(|()| stream.flush()),
        }
    }

    /// Appends what is there, without waiting for more; an end is an error.
    pub(super) fn receive(&mut self, into: &mut Vec<u8>) -> io::Result<()> {
        self.set_nonblocking(true)?;
        let result = self.drain(into);
        self.set_nonblocking(false)?;
        result
    }

    fn drain(&mut self, into: &mut Vec<u8>) -> io::Result<()> {
        let mut chunk = [0; 16 << 10];
        loop {
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
    }

    fn set_nonblocking(&self, on: bool) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.set_nonblocking(on),
            Self::Unix(stream) => stream.set_nonblocking(on),
            Self::Tls(stream) => stream.sock.set_nonblocking(on),
        }
    }
}
