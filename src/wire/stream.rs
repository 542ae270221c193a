//! A byte stream that does not block: a socket of TCP or of this machine, plain or with a TLS session of a client on it.
//!
//! For loops that read many sockets by themselves, or never wait. Tasks of tokio have [`net::stream`](crate::net::stream).

use std::io::{self, ErrorKind, Read, Write};
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};
use socket2::Socket;

use crate::net::tls::TlsProblem;

/// A socket that is set not to block, and what is spoken over it. The error is `WouldBlock` wherever the socket has
/// nothing to read or no room.
#[derive(Debug)]
pub(crate) struct Stream {
    /// The socket, for its own settings and to wait for it.
    pub socket: Socket,
    /// Boxed, because its state is 1 KB that plain connections need not carry.
    tls: Option<Box<ClientConnection>>,
}

impl Stream {
    /// A stream without TLS.
    pub(crate) const fn plain(socket: Socket) -> Self {
        Self { socket, tls: None }
    }

    /// A stream with TLS to a server of this name. [`Stream::shake_hands`] comes next.
    pub(crate) fn secure(
        socket: Socket,
        config: Arc<ClientConfig>,
        name: ServerName<'static>,
    ) -> io::Result<Self> {
        let session = ClientConnection::new(config, name).map_err(io::Error::other)?;
        Ok(Self { socket, tls: Some(Box::new(session)) })
    }

    /// Whether there is no TLS on it, so that a read that does not fill its buffer has emptied the socket.
    pub(crate) const fn is_plain(&self) -> bool {
        self.tls.is_none()
    }

    /// Whether TLS has more to write than the socket took, so that it waits to be writable.
    pub(crate) fn wants_write(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.wants_write())
    }
}

impl Stream {
    /// Moves the TLS handshake on as far as the socket lets it; without TLS there is none. `Ok` once it is over and its
    /// last word is written. The error holds a [`TlsProblem`] where TLS is the reason.
    pub(crate) fn shake_hands(&mut self) -> io::Result<()> {
        let Some(tls) = &mut self.tls else { return Ok(()) };
        while tls.is_handshaking() {
            flush(tls, &mut self.socket).map_err(ended)?;
            // What was just written may have been all that was missing.
            if tls.is_handshaking() && read_tls(tls, &mut self.socket).map_err(ended)? == 0 {
                return Err(io::Error::new(ErrorKind::UnexpectedEof, TlsProblem::Ended));
            }
        }
        flush(tls, &mut self.socket).map_err(ended)
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else { return self.socket.read(buffer) };
        loop {
            match tls.reader().read(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                // A server that hangs up without saying so in TLS has hung up all the same.
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(0),
                other => return other,
            }
            if read_tls(tls, &mut self.socket)? == 0 {
                return Ok(0);
            }
        }
    }
}

impl Write for Stream {
    /// Takes bytes once the socket has what TLS took before, so that TLS holds no more than one call gave it.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else { return self.socket.write(bytes) };
        flush(tls, &mut self.socket)?;
        let written = tls.writer().write(bytes)?;
        match flush(tls, &mut self.socket) {
            Err(error) if error.kind() != ErrorKind::WouldBlock => Err(error),
            _ => Ok(written),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.tls {
            Some(tls) => flush(tls, &mut self.socket),
            None => Ok(()),
        }
    }
}

/// Writes what TLS has ready; what the socket does not take stays in TLS until the next time.
fn flush(tls: &mut ClientConnection, socket: &mut Socket) -> io::Result<()> {
    while tls.wants_write() {
        match tls.write_tls(socket) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Reads what the socket has for TLS, some of it; 0 at its end.
fn read_tls(tls: &mut ClientConnection, socket: &mut Socket) -> io::Result<usize> {
    let read = tls.read_tls(socket)?;
    if let Err(error) = tls.process_new_packets() {
        // The alert tells the server why; that it may not arrive changes nothing.
        let _ = tls.write_tls(socket);
        return Err(io::Error::new(ErrorKind::InvalidData, TlsProblem::of(&error)));
    }
    Ok(read)
}

/// A server that resets the connection in the handshake ended it.
fn ended(error: io::Error) -> io::Error {
    match error.kind() {
        ErrorKind::ConnectionReset => io::Error::new(error.kind(), TlsProblem::Ended),
        _ => error,
    }
}

#[cfg(test)]
mod tests;
