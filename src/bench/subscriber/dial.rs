//! Connecting without waiting: from which address and port, and to where.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use socket2::{Domain, Protocol, Socket, Type};

use crate::wire::stream::Stream;

/// What a connection's socket is given to hold where its client is meant to be slow, in bytes.
const SMALL_BUFFER: usize = 4096;

/// Where and how to connect.
#[derive(Debug, Clone)]
pub(super) struct Dialer {
    pub(super) address: SocketAddr,
    /// Taken in turns; none: the system chooses.
    pub(super) sources: Vec<IpAddr>,
    /// As many connections as there are need ports that are chosen here.
    pub(super) ports: Option<Ports>,
    /// With TLS, the name that the certificate must have.
    pub(super) tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
}

/// Ports that are taken in turns, since the system's own search for one becomes slow when half of them are used: it tries
/// every other port, one by one, before it looks at the rest.
#[derive(Debug, Clone)]
pub(super) struct Ports {
    first: u16,
    count: u16,
    next: u16,
}

impl Ports {
    /// All ports for clients, beginning `part` of `of` on the way from a place that `salt` says.
    pub(super) fn new((first, last): (u16, u16), (part, of): (u64, u64), salt: u32) -> Self {
        let count = last.saturating_sub(first).saturating_add(1);
        let begin = u64::from(salt) + part * u64::from(count) / of.max(1);
        let next = u16::try_from(begin % u64::from(count)).unwrap_or(0);
        Self { first, count, next }
    }

    fn take(&mut self) -> u16 {
        let port = self.first + self.next;
        self.next = (self.next + 1) % self.count;
        port
    }
}

impl Dialer {
    /// Begins to connect; connection `nth` takes the source address whose turn it is.
    pub(super) fn dial(&mut self, nth: u64, small: bool) -> io::Result<Stream> {
        let source = (!self.sources.is_empty()).then(|| {
            let turn = nth % self.sources.len() as u64;
            self.sources[usize::try_from(turn).unwrap_or(0)]
        });
        let socket = self.connect(source, small)?;
        match &self.tls {
            None => Ok(Stream::plain(socket)),
            Some((config, name)) => Stream::secure(socket, Arc::clone(config), name.clone()),
        }
    }

    fn connect(&mut self, source: Option<IpAddr>, small: bool) -> io::Result<Socket> {
        let Some(ports) = &mut self.ports else {
            let socket = socket(self.address, small)?;
            if let Some(source) = source {
                socket.bind(&SocketAddr::new(source, 0).into())?;
            }
            return begin(socket, self.address);
        };
        let any = if self.address.is_ipv4() {
            IpAddr::V4(Ipv4Addr::UNSPECIFIED)
        } else {
            Ipv6Addr::UNSPECIFIED.into()
        };
        for _ in 0..ports.count {
            let socket = socket(self.address, small)?;
            // A port is free once no connection to this server has it, whoever else uses it.
            socket.set_reuse_address(true)?;
            let from = SocketAddr::new(source.unwrap_or(any), ports.take());
            match socket.bind(&from.into()).and_then(|()| begin(socket, self.address)) {
                Err(error) if is_taken(&error) => {}
                other => return other,
            }
        }
        Err(io::ErrorKind::AddrNotAvailable.into())
    }
}

fn socket(server: SocketAddr, small: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(server), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    socket.set_tcp_nodelay(true)?;
    if small {
        socket.set_recv_buffer_size(SMALL_BUFFER)?;
    }
    Ok(socket)
}

fn begin(socket: Socket, server: SocketAddr) -> io::Result<Socket> {
    match socket.connect(&server.into()) {
        Err(error) if !is_under_way(&error) => Err(error),
        _ => Ok(socket),
    }
}

fn is_taken(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::AddrInUse | io::ErrorKind::AddrNotAvailable)
}

fn is_under_way(error: &io::Error) -> bool {
    const EINPROGRESS: [i32; 2] = [115, 36];
    error.kind() == io::ErrorKind::WouldBlock
        || error.raw_os_error().is_some_and(|code| EINPROGRESS.contains(&code))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn ports_are_taken_in_turns_from_places_of_their_own() {
        let mut first = Ports::new((40_000, 40_003), (0, 2), 7);
        let mut second = Ports::new((40_000, 40_003), (1, 2), 7);
        let four = |ports: &mut Ports| (0..4).map(|_| ports.take()).collect::<Vec<_>>();
        assert_eq!(four(&mut first), [40_003, 40_000, 40_001, 40_002]);
        assert_eq!(four(&mut second), [40_001, 40_002, 40_003, 40_000]);
    }

    #[test]
    fn a_port_that_a_connection_has_is_passed_over() {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = server.local_addr().unwrap();
        // Below those that the system hands out, so that nobody else is given one.
        let range = (24_310, 24_312);
        let dialer = |part| Dialer {
            address,
            sources: vec![IpAddr::V4(Ipv4Addr::LOCALHOST)],
            ports: Some(Ports::new(range, (part, 3), 0)),
            tls: None,
        };
        let (mut one, mut other) = (dialer(0), dialer(0));
        let held = [one.dial(0, false), other.dial(1, false), one.dial(2, true)].map(Result::unwrap);
        let mut ports =
            held.each_ref().map(|stream| stream.socket.local_addr().unwrap().as_socket().unwrap().port());
        ports.sort_unstable();
        assert_eq!(ports, [24_310, 24_311, 24_312]);
        assert_eq!(other.dial(3, false).unwrap_err().kind(), io::ErrorKind::AddrNotAvailable);
    }
}
