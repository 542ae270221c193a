//! A byte stream to the host of a URL, plain or over TLS.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use rustls::ProtocolVersion;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, lookup_host};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use url::{Host, Url};

use super::tls::{Tls, TlsProblem, problem_of};
use super::{NetError, address, is_secure, reason};

/// A connection, with Nagle's algorithm off.
#[derive(Debug)]
pub(crate) enum Stream {
    /// Plain TCP.
    Plain(TcpStream),
    /// TLS; boxed, because its state is 1 KB that plain connections need not carry.
    Tls(Box<TlsStream<TcpStream>>),
}

/// Runs `work` and turns a missed deadline into [`NetError::TimedOut`].
pub(super) async fn within<T>(
    url: &Url,
    timeout: Duration,
    work: impl Future<Output = Result<T, NetError>>,
) -> Result<T, NetError> {
    match tokio::time::timeout(timeout, work).await {
        Ok(result) => result,
        Err(_) => Err(NetError::TimedOut { address: address(url), after: timeout }),
    }
}

/// Details of a connection that was opened and closed again.
#[derive(Debug, Clone)]
pub(crate) struct Reached {
    /// Address of the server, once its name was looked up.
    pub peer: Option<SocketAddr>,
    /// Version of TLS; `None` without TLS.
    pub tls: Option<&'static str>,
}

/// Connects to the host and port of a URL within `timeout`, with a TLS handshake where the URL asks for one, then closes the
/// connection.
pub(crate) async fn reach(url: &Url, tls: &Tls, timeout: Duration) -> Result<Reached, NetError> {
    let stream = within(url, timeout, Box::pin(establish(url, tls))).await?;
    let version = |version: Option<ProtocolVersion>| match version {
        Some(ProtocolVersion::TLSv1_3) => "TLS 1.3",
        Some(ProtocolVersion::TLSv1_2) => "TLS 1.2",
        _ => "TLS",
    };
    Ok(match &stream {
        Stream::Plain(tcp) => Reached { peer: tcp.peer_addr().ok(), tls: None },
        Stream::Tls(stream) => {
            let (tcp, session) = stream.get_ref();
            Reached { peer: tcp.peer_addr().ok(), tls: Some(version(session.protocol_version())) }
        }
    })
}

/// Connects to the host and port of a ws, wss, http or https URL, without a limit of its own.
pub(super) async fn establish(url: &Url, tls: &Tls) -> Result<Stream, NetError> {
    if !matches!(url.scheme(), "ws" | "wss" | "http" | "https") {
        let reason = "its scheme is none of ws, wss, http and https";
        return Err(NetError::Url { address: address(url), reason });
    }
    let (Some(host), Some(port)) = (url.host(), url.port_or_known_default()) else {
        return Err(NetError::Url { address: address(url), reason: "it names no host" });
    };
    let tcp = connect_tcp(&addresses(&host, port).await?, url).await?;
    if !is_secure(url) {
        return Ok(Stream::Plain(tcp));
    }
    let failed = |problem: TlsProblem| NetError::Tls { address: address(url), problem };
    let name = match host {
        Host::Domain(name) => ServerName::try_from(name.to_owned()).map_err(|_| failed(TlsProblem::Host))?,
        Host::Ipv4(ip) => ServerName::from(std::net::IpAddr::from(ip)),
        Host::Ipv6(ip) => ServerName::from(std::net::IpAddr::from(ip)),
    };
    let connector = TlsConnector::from(tls.config().map_err(failed)?);
    let stream = connector.connect(name, tcp).await.map_err(|error| failed(tls_problem(&error)))?;
    Ok(Stream::Tls(Box::new(stream)))
}

fn tls_problem(error: &io::Error) -> TlsProblem {
    problem_of(error).unwrap_or_else(|| match error.kind() {
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => TlsProblem::Ended,
        _ => TlsProblem::Other(reason(error)),
    })
}

async fn addresses(host: &Host<&str>, port: u16) -> Result<Vec<SocketAddr>, NetError> {
    match host {
        Host::Ipv4(ip) => Ok(vec![SocketAddr::from((*ip, port))]),
        Host::Ipv6(ip) => Ok(vec![SocketAddr::from((*ip, port))]),
        Host::Domain(name) => {
            let unknown = |reason: String| NetError::Name { host: (*name).to_owned(), reason };
            let found: Vec<SocketAddr> =
                lookup_host((*name, port)).await.map_err(|error| unknown(reason(&error)))?.collect();
            if found.is_empty() { Err(unknown("it has no address".into())) } else { Ok(found) }
        }
    }
}

/// Tries the addresses one after the other; the error is that of the last.
async fn connect_tcp(addresses: &[SocketAddr], url: &Url) -> Result<TcpStream, NetError> {
    match TcpStream::connect(addresses).await {
        Ok(stream) => {
            // Refused only where the socket is gone already, which the first read will say.
            let _ = stream.set_nodelay(true);
            Ok(stream)
        }
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            Err(NetError::Refused { address: address(url) })
        }
        Err(error) => Err(NetError::Unreachable { address: address(url), reason: reason(&error) }),
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
