//! A server that is not ours, and does what a test tells it.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{self, Message};

use super::PATIENCE;

/// Answers each connection on a thread of its own, as long as the test runs.
pub(crate) struct Server {
    address: String,
}

impl Server {
    /// Gives `answer` every connection, with the path that it asks for.
    pub(crate) fn start(answer: impl Fn(TcpStream, &str) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let answer = Arc::new(answer);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let answer = Arc::clone(&answer);
                std::thread::spawn(move || {
                    stream.set_read_timeout(Some(PATIENCE)).unwrap();
                    let path = path(&stream);
                    answer(stream, &path);
                });
            }
        });
        Self { address }
    }

    /// The URL of a socket on it.
    pub(crate) fn ws(&self, path: &str) -> String {
        format!("ws://{}{path}", self.address)
    }

    /// Host and port.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }
}

/// What the request that waits on a connection asks for; it stays there.
fn path(stream: &TcpStream) -> String {
    let mut head = [0; 4096];
    let read = stream.peek(&mut head).unwrap_or(0);
    let head = String::from_utf8_lossy(&head[..read]);
    head.split(' ').nth(1).unwrap_or_default().to_owned()
}

/// Reads the request and answers with this, verbatim.
pub(crate) fn answer(mut stream: TcpStream, text: &str) {
    let (mut head, mut chunk) = (Vec::new(), [0; 4096]);
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut chunk) {
            Ok(n @ 1..) => head.extend_from_slice(&chunk[..n]),
            _ => return,
        }
    }
    // The client may have heard enough.
    let _ = stream.write_all(text.as_bytes());
}

/// An HTTP answer that ends the connection.
pub(crate) fn http(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
}

/// The server's side of a WebSocket.
pub(crate) struct Socket(tungstenite::WebSocket<TcpStream>);

impl Socket {
    /// Shakes hands.
    pub(crate) fn accept(stream: TcpStream) -> Self {
        Self(tungstenite::accept(stream).unwrap())
    }

    /// Sends texts.
    pub(crate) fn send(&mut self, texts: &[&str]) {
        for text in texts {
            self.0.send(Message::text(*text)).unwrap();
        }
    }

    /// Sends a text repeatedly until the client has gone.
    pub(crate) fn flood(&mut self, text: &str) {
        while self.0.send(Message::text(text)).is_ok() {}
    }

    /// Closes with this code.
    pub(crate) fn close(&mut self, code: u16, reason: &'static str) {
        self.0.close(Some(CloseFrame { code: code.into(), reason: reason.into() })).unwrap();
        self.until_closed();
    }

    /// Reads until the connection ends.
    pub(crate) fn until_closed(&mut self) {
        while self.0.read().is_ok() {}
    }
}
