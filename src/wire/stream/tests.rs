use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::thread::{self, JoinHandle};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::*;
use crate::net::tls::{Tls, problem_of};

const SERVER: &[u8] = include_bytes!("../../broker/tests/tls/server.pem");
const KEY: &[u8] = include_bytes!("../../broker/tests/tls/server.key");

/// A client's stream to a server that does this with its socket.
fn secure<T: Send + 'static>(serve: impl FnOnce(TcpStream) -> T + Send + 'static) -> (Stream, JoinHandle<T>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let socket = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let server = thread::spawn(move || serve(listener.accept().unwrap().0));
    socket.set_nonblocking(true).unwrap();
    let config = Tls::trusting(None, true).config().unwrap();
    (Stream::secure(socket.into(), config, ServerName::try_from("localhost").unwrap()).unwrap(), server)
}

fn tls_of(socket: TcpStream) -> StreamOwned<ServerConnection, TcpStream> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            CertificateDer::pem_slice_iter(SERVER).map(Result::unwrap).collect(),
            PrivateKeyDer::from_pem_slice(KEY).unwrap(),
        )
        .unwrap();
    StreamOwned::new(ServerConnection::new(Arc::new(config)).unwrap(), socket)
}

/// Repeats what would block until it does not.
fn patiently<T>(mut step: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match step() {
            Err(error) if error.kind() == ErrorKind::WouldBlock => thread::yield_now(),
            other => return other,
        }
    }
}

#[test]
fn bytes_that_tls_took_arrive_once_however_full_the_socket_is() {
    const ALL: usize = 4 << 20;
    let (mut stream, server) = secure(|socket| {
        let mut tls = tls_of(socket);
        let mut all = vec![0; ALL];
        tls.read_exact(&mut all).unwrap();
        tls.write_all(b"thanks").unwrap();
        all
    });
    patiently(|| stream.shake_hands()).unwrap();
    assert!(!stream.is_plain());
    let sent: Vec<u8> = (0..251).cycle().take(ALL).collect();
    let mut left = &sent[..];
    while !left.is_empty() {
        let taken = patiently(|| stream.write(&left[..left.len().min(100_000)])).unwrap();
        assert!(taken > 0);
        left = &left[taken..];
    }
    patiently(|| stream.flush()).unwrap();
    assert!(!stream.wants_write());
    let mut thanks = [0; 6];
    assert_eq!(patiently(|| stream.read(&mut thanks)).unwrap(), 6);
    assert_eq!((server.join().unwrap() == sent, &thanks), (true, b"thanks"));
    // The server hangs up without a word of TLS.
    assert_eq!(patiently(|| stream.read(&mut thanks)).unwrap(), 0);
}

#[test]
fn handshake_that_fails_says_which_problem_it_was() {
    let (mut hung_up, _) = secure(drop);
    let error = patiently(|| hung_up.shake_hands()).unwrap_err();
    assert_eq!(problem_of(&error), Some(TlsProblem::Ended), "{error:?}");
    let (mut plain, _) =
        secure(|mut socket| socket.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").map(|()| socket));
    let error = patiently(|| plain.shake_hands()).unwrap_err();
    assert_eq!((problem_of(&error), error.kind()), (Some(TlsProblem::Absent), ErrorKind::InvalidData));
}

#[test]
fn plain_stream_over_a_unix_socket_needs_no_handshake() {
    let (one, mut other) = UnixStream::pair().unwrap();
    one.set_nonblocking(true).unwrap();
    let mut stream = Stream::plain(one.into());
    stream.shake_hands().unwrap();
    assert_eq!(stream.read(&mut [0; 8]).unwrap_err().kind(), ErrorKind::WouldBlock);
    stream.write_all(b"over").unwrap();
    let mut bytes = [0; 4];
    other.read_exact(&mut bytes).unwrap();
    assert_eq!((&bytes, stream.is_plain(), stream.wants_write()), (b"over", true, false));
}
