//! A socket that never blocks, plain or with TLS on it.

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use mio::net::TcpStream;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};
use socket2::{Domain, Protocol, Socket, Type};

/// What a connection's socket is given to hold where its client is meant to be slow, in bytes.
const SMALL_BUFFER: usize = 4096;

/// Where and how to connect.
#[derive(Debug, Clone)]
pub(super) struct Dialer {
    pub(super) address: SocketAddr,
    /// Taken in turns; none: the system chooses.
    pub(super) sources: Vec<IpAddr>,
    /// With TLS, the name that the certificate must have.
    pub(super) tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
}

/// A socket, connecting or connected.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) tcp: TcpStream,
    tls: Option<Box<ClientConnection>>,
}

impl Dialer {
    /// Begins to connect; connection `nth` takes the source address whose turn it is.
    pub(super) fn dial(&self, nth: u64, small: bool) -> io::Result<Stream> {
        let socket = Socket::new(Domain::for_address(self.address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        socket.set_tcp_nodelay(true)?;
        if small {
            socket.set_recv_buffer_size(SMALL_BUFFER)?;
        }
        if !self.sources.is_empty() {
            let turn = nth % self.sources.len() as u64;
            let source = self.sources[usize::try_from(turn).unwrap_or(0)];
            socket.bind(&SocketAddr::new(source, 0).into())?;
        }
        match socket.connect(&self.address.into()) {
            Err(error) if !is_under_way(&error) => return Err(error),
            _ => {}
        }
        let tls = match &self.tls {
            None => None,
            Some((config, name)) => {
                let session = ClientConnection::new(Arc::clone(config), name.clone());
                Some(Box::new(session.map_err(io::Error::other)?))
            }
        };
        Ok(Stream { tcp: TcpStream::from_std(socket.into()), tls })
    }
}

fn is_under_way(error: &io::Error) -> bool {
    const EINPROGRESS: [i32; 2] = [115, 36];
    error.kind() == io::ErrorKind::WouldBlock
        || error.raw_os_error().is_some_and(|code| EINPROGRESS.contains(&code))
}

impl Stream {
    /// Whether TLS still shakes hands; without TLS never.
    pub(super) fn is_shaking_hands(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.is_handshaking())
    }

    /// Moves the TLS handshake on as far as the socket lets it.
    pub(super) fn shake_hands(&mut self) -> io::Result<()> {
        let Some(tls) = &mut self.tls else { return Ok(()) };
        while tls.is_handshaking() {
            while tls.wants_write() {
                tls.write_tls(&mut self.tcp)?;
            }
            if !tls.is_handshaking() {
                break;
            }
            if tls.read_tls(&mut self.tcp)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let processed = tls.process_new_packets();
            if let Err(error) = processed {
                // The alert tells the server why; that it may not arrive changes nothing.
                let _ = tls.write_tls(&mut self.tcp);
                return Err(io::Error::new(io::ErrorKind::InvalidData, error));
            }
        }
        flush(tls, &mut self.tcp)
    }

    /// Whether a read that did not fill the buffer has emptied the socket.
    pub(super) fn is_plain(&self) -> bool {
        self.tls.is_none()
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else { return self.tcp.read(buffer) };
        loop {
            match tls.reader().read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // A server that hangs up without saying so in TLS has hung up all the same.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(0),
                other => return other,
            }
            if tls.read_tls(&mut self.tcp)? == 0 {
                return Ok(0);
            }
            tls.process_new_packets().map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else { return self.tcp.write(bytes) };
        let written = tls.writer().write(bytes)?;
        flush(tls, &mut self.tcp)?;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.tls {
            Some(tls) => flush(tls, &mut self.tcp),
            None => Ok(()),
        }
    }
}

/// Writes what TLS has ready; what the socket does not take stays in TLS until the next time.
fn flush(tls: &mut ClientConnection, tcp: &mut TcpStream) -> io::Result<()> {
    while tls.wants_write() {
        match tls.write_tls(tcp) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
            Ok(_) => {}
        }
    }
    Ok(())
}
