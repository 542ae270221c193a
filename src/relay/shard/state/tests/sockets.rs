//! Connected sockets of one process.

use std::net::{TcpListener, TcpStream};

/// The relay's side of a connection, which sends through a buffer of so many bytes, and the client's side.
pub(super) fn pair(send_buffer: usize) -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let stream = listener.accept().unwrap().0;
    stream.set_nonblocking(true).unwrap();
    socket2::SockRef::from(&stream).set_send_buffer_size(send_buffer).unwrap();
    (stream, client)
}
