//! Accepting: listeners, connections, HTTP/1.1 with limits.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener as StdListener};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::client::{ClientAddress, LoopbackListener, TrustedProxies};
use super::handover::{self, HandOver, Taken};
use crate::net::backoff::Backoff;

/// Connections that the kernel may hold for us; it caps this at `net.core.somaxconn`.
const BACKLOG: i32 = 4096;

/// Limits of a socket's send buffer, in bytes: `SEND_BUFFER` for all that is not acknowledged yet, `NOT_SENT` for the
/// part of it that the kernel has not sent yet.
///
/// By default a loopback socket takes 3.9 MB before it blocks, which is minutes of stale progress; `NOT_SENT` prevents
/// that. The send buffer has to hold two loopback segments (MSS 65,483), since a receiver delays the acknowledgement of
/// a single one by 40 ms. Measured with events of 16 kB, with a reader that keeps up and with one that stops (receive
/// buffer of 4 KiB):
///
/// | send buffer | four bursts of 3.2 MB, MSS 65,483 | MSS 1460 | 250 events | held for one who stops |
/// |---|---|---|---|---|
/// | 32 KiB | closed with 1013, 3 of 3 | arrive | 1.9 s (32 ms at MSS 1460) | 23 kB |
/// | 64 KiB | arrive | arrive | 69 ms, 94 ms | 23 kB |
/// | 96 KiB | arrive | arrive | 38 ms, 50 ms | 23 kB |
/// | 128 KiB | arrive | arrive | 41 ms, 41 ms | 23 kB |
///
/// Events of 64 kB and 400 kB arrive as well from 64 KiB on, also at MSS 536 and 8960. The times are of one run each on a
/// busy machine: from 64 KiB on there is no difference in them.
const SEND_BUFFER: usize = 64 << 10;
const NOT_SENT: u32 = 16 << 10;

/// How long accepting pauses when file descriptors run out: this, doubling to a second.
const PAUSE: Duration = Duration::from_millis(50);

/// Opens a listening socket whose connections have no delay and small send buffers; they inherit both from it.
pub fn listen(address: SocketAddr) -> io::Result<StdListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.bind(&SockAddr::from(address))?;
    socket.listen(BACKLOG)?;
    let listener: StdListener = socket.into();
    tune(&listener)?;
    Ok(listener)
}

fn tune(listener: &StdListener) -> io::Result<()> {
    let socket = socket2::SockRef::from(listener);
    socket.set_tcp_nodelay(true)?;
    socket.set_send_buffer_size(SEND_BUFFER)?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_notsent_lowat(NOT_SENT)?;
    listener.set_nonblocking(true)
}

/// Limits of a request.
#[derive(Debug, Clone, Copy)]
pub(super) struct RequestLimits {
    pub(super) header_timeout: Duration,
    pub(super) max_header: usize,
}

/// Accepts until `stop`, then lets the requests that are going on finish. Upgraded sockets are no longer its business.
pub(super) async fn accept(
    listener: StdListener,
    router: Router,
    limits: RequestLimits,
    proxies: Arc<TrustedProxies>,
    stop: CancellationToken,
) -> io::Result<()> {
    tune(&listener)?;
    let listener = TcpListener::from_std(listener)?;
    let local = LoopbackListener(listener.local_addr()?.ip().to_canonical().is_loopback());
    // Every request holds the one end, so that the other one knows when the last is done.
    let (alive, mut done) = mpsc::channel::<()>(1);
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_buf_size(limits.max_header.max(8192));
    let mut pause = Backoff::new(PAUSE, Duration::from_secs(1));
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                pause.reset();
                let answering = Answering {
                    router: router.clone(),
                    proxies: Arc::clone(&proxies),
                    peer: peer.ip(),
                    listener: local,
                };
                tokio::spawn(serve(
                    stream,
                    http.clone(),
                    answering,
                    stop.clone(),
                    limits.header_timeout,
                    alive.clone(),
                ));
            }
            Err(error) if is_client_s(&error) => debug!(%error, "a client left before it was accepted"),
            Err(error) => {
                warn!(%error, "could not accept a connection; pausing");
                tokio::time::sleep(pause.next(rand::random())).await;
            }
        }
    }
    drop((listener, alive));
    // A request that takes longer is cut off with the process.
    let _ = tokio::time::timeout(limits.header_timeout, done.recv()).await;
    Ok(())
}

async fn serve(
    stream: TcpStream,
    http: http1::Builder,
    answering: Answering,
    stop: CancellationToken,
    header_timeout: Duration,
    _alive: mpsc::Sender<()>,
) {
    // One that sends nothing costs no buffers, and no longer than a header may take. `readable` would not do: tokio takes
    // every accepted socket for readable until a read has said otherwise.
    let mut first = [0];
    let begun = tokio::select! {
        begun = tokio::time::timeout(header_timeout, stream.peek(&mut first)) => begun,
        () = stop.cancelled() => return,
    };
    match begun {
        Ok(Ok(0)) => debug!(peer = %answering.peer, "a connection was closed before it began"),
        Ok(Ok(_)) => Box::pin(answer(stream, http, answering, stop)).await,
        Ok(Err(error)) => debug!(peer = %answering.peer, %error, "a connection ended before it began"),
        Err(_) => debug!(peer = %answering.peer, "a connection sent nothing"),
    }
}

async fn answer(stream: TcpStream, http: http1::Builder, answering: Answering, stop: CancellationToken) {
    let peer = answering.peer;
    let (leave, mut leaving) = mpsc::channel(1);
    let answer = service_fn(move |request| {
        let (answer, leave) = (answering.answer(request), leave.clone());
        async move {
            let mut response = answer.await?;
            let Some(hand_over) = response.extensions_mut().remove::<HandOver>() else {
                return Ok::<_, Infallible>(response);
            };
            // The connection is taken from under this answer, which is never given.
            let _ = leave.send((hand_over, handover::head_of(&response))).await;
            std::future::pending().await
        }
    });
    let mut connection = http.serve_connection(TokioIo::new(stream), answer);
    let mut is_stopping = false;
    let (hand_over, head) = loop {
        tokio::select! {
            ended = &mut connection => {
                if let Err(error) = ended {
                    debug!(%peer, %error, "a connection ended early");
                }
                return;
            }
            Some(left) = leaving.recv() => break left,
            () = stop.cancelled(), if !is_stopping => {
                is_stopping = true;
                std::pin::Pin::new(&mut connection).graceful_shutdown();
            }
        }
    };
    let parts = connection.into_parts();
    match parts.io.into_inner().into_std() {
        // A copy: the buffer behind it is 8 KiB, however little it holds.
        Ok(stream) => {
            let early = Bytes::copy_from_slice(&parts.read_buf);
            hand_over.complete(Taken { stream, head, early }).await;
        }
        Err(error) => debug!(%peer, %error, "could not take over a socket"),
    }
}

/// What a connection's requests are answered with.
struct Answering {
    router: Router,
    proxies: Arc<TrustedProxies>,
    peer: IpAddr,
    listener: LoopbackListener,
}

impl Answering {
    /// Tells the request whose it is, and the log what was refused; a query never gets there, it may hold a token.
    fn answer(
        &self,
        mut request: hyper::Request<Incoming>,
    ) -> impl Future<Output = Result<Response, Infallible>> + use<> {
        let client = self.proxies.client(self.peer, request.headers());
        request.extensions_mut().insert(ClientAddress(client));
        request.extensions_mut().insert(self.listener);
        let asked = tracing::enabled!(tracing::Level::DEBUG)
            .then(|| (request.method().clone(), request.uri().path().to_owned()));
        let answer = TowerToHyperService::new(self.router.clone()).call(request);
        async move {
            let response = answer.await?;
            let status = response.status();
            if let Some((method, path)) =
                asked.filter(|_| status.is_client_error() || status.is_server_error())
            {
                debug!(%client, %method, path, status = status.as_u16(), "refused a request");
            }
            Ok(response)
        }
    }
}

/// Errors that are about one connection, not about the listener.
fn is_client_s(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionRefused
    )
}
