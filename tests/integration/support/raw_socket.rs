//! A WebSocket client that does nothing by itself: it answers no ping, and what it sends may be wrong.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};

use super::PATIENCE;

/// The headers of an upgrade.
pub(crate) const UPGRADE: [(&str, &str); 4] = [
    ("Connection", "Upgrade"),
    ("Upgrade", "websocket"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
];

/// Opcodes of RFC 6455.
pub(crate) const TEXT: u8 = 1;
pub(crate) const BINARY: u8 = 2;
pub(crate) const CLOSE: u8 = 8;
pub(crate) const PING: u8 = 9;
pub(crate) const PONG: u8 = 10;

/// The bit of a compressed message (RSV1) beside its opcode.
pub(crate) const COMPRESSED: u8 = 0x40;

/// A frame of the server's; all of them are whole and unmasked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RawFrame {
    /// The opcode, and [`COMPRESSED`] where the message is.
    pub(crate) opcode: u8,
    pub(crate) payload: Vec<u8>,
}

impl RawFrame {
    /// The code of a close frame.
    pub(crate) fn close_code(&self) -> u16 {
        assert_eq!(self.opcode, CLOSE, "{self:?}");
        u16::from_be_bytes([self.payload[0], self.payload[1]])
    }

    /// The text of a text frame.
    pub(crate) fn text(&self) -> &str {
        assert_eq!(self.opcode, TEXT, "{self:?}");
        std::str::from_utf8(&self.payload).unwrap()
    }
}

/// An upgraded TCP connection.
pub(crate) struct RawSocket {
    pub(crate) tcp: TcpStream,
    /// Head of the server's answer.
    pub(crate) head: String,
    buffer: Vec<u8>,
    /// Where the next frame begins in it.
    start: usize,
}

impl RawSocket {
    /// Connects and upgrades.
    pub(crate) fn connect(address: &str, path: &str) -> Self {
        Self::upgrade(TcpStream::connect(address).unwrap(), address, path)
    }

    /// Connects and upgrades with a receive buffer of about `bytes` bytes, so that the server soon meets a full buffer
    /// when the test does not read.
    pub(crate) fn with_receive_buffer(address: &str, path: &str, bytes: usize) -> Self {
        Self::upgrade(super::narrow(address, bytes).0, address, path)
    }

    /// Connects and upgrades with TCP segments of at most `bytes` bytes, as on a network.
    pub(crate) fn with_segments(address: &str, path: &str, bytes: u32) -> Self {
        let to: SocketAddr = address.parse().unwrap();
        let socket = Socket::new(Domain::for_address(to), Type::STREAM, Some(Protocol::TCP)).unwrap();
        socket.set_tcp_mss(bytes).unwrap();
        socket.connect(&to.into()).unwrap();
        Self::upgrade(socket.into(), address, path)
    }

    /// Connects and upgrades with further headers.
    pub(crate) fn with_headers(address: &str, path: &str, headers: &[(&str, &str)]) -> Self {
        Self::upgrade_with(TcpStream::connect(address).unwrap(), address, path, headers)
    }

    fn upgrade(tcp: TcpStream, address: &str, path: &str) -> Self {
        Self::upgrade_with(tcp, address, path, &[])
    }

    fn upgrade_with(tcp: TcpStream, address: &str, path: &str, headers: &[(&str, &str)]) -> Self {
        let mut socket = Self { tcp, head: String::new(), buffer: Vec::new(), start: 0 };
        let headers = [&UPGRADE[..], headers].concat();
        socket.send(super::request_head(address, "GET", path, &headers, 0).as_bytes());
        let start = Instant::now();
        let end = loop {
            if let Some(at) = socket.buffer.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break at + 4;
            }
            assert!(socket.fill(PATIENCE.saturating_sub(start.elapsed())), "hung up in the handshake");
        };
        let head = String::from_utf8_lossy(&socket.buffer[..end]).into_owned();
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        socket.head = head;
        socket.start = end;
        socket
    }

    /// Sends bytes as they are; the server may have hung up already.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        let _ = self.tcp.write_all(bytes);
    }

    /// Sends a whole frame as a client must: masked.
    pub(crate) fn send_frame(&mut self, opcode: u8, payload: &[u8]) {
        self.send(&frame(0x80 | opcode, payload));
    }

    /// The next frame, control frames included; `None` once the server has hung up. Panics when the time is up.
    pub(crate) fn next(&mut self, deadline: Duration) -> Option<RawFrame> {
        let start = Instant::now();
        loop {
            if let Some(frame) = self.parse() {
                return Some(frame);
            }
            if !self.fill(deadline.saturating_sub(start.elapsed())) {
                return None;
            }
        }
    }

    /// The next frame that is no ping.
    pub(crate) fn next_but_pings(&mut self, deadline: Duration) -> Option<RawFrame> {
        let start = Instant::now();
        loop {
            let next = self.next(deadline.saturating_sub(start.elapsed()))?;
            if next.opcode != PING {
                return Some(next);
            }
        }
    }

    /// Asks for a sign of life, which must be the next frame but pings: nothing else has been sent.
    pub(crate) fn expect_silence(&mut self) {
        self.send_frame(TEXT, b"ping");
        assert_eq!(self.next_but_pings(PATIENCE).unwrap().text(), r#"{"type":"pong"}"#);
    }

    fn parse(&mut self) -> Option<RawFrame> {
        let bytes = &self.buffer[self.start..];
        let (first, second) = (*bytes.first()?, *bytes.get(1)?);
        assert!(first & 0xb0 == 0x80 && second < 0x80, "no whole unmasked frame: {first:02x} {second:02x}");
        let (length, header) = match second {
            126 => (usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().unwrap())), 4),
            127 => {
                let length = u64::from_be_bytes(bytes.get(2..10)?.try_into().unwrap());
                (usize::try_from(length).unwrap(), 10)
            }
            short => (usize::from(short), 2),
        };
        let payload = bytes.get(header..header + length)?.to_vec();
        self.start += header + length;
        Some(RawFrame { opcode: first & (0x0f | COMPRESSED), payload })
    }

    /// Reads some more; `false` at the end.
    fn fill(&mut self, left: Duration) -> bool {
        self.buffer.drain(..self.start);
        self.start = 0;
        self.tcp.set_read_timeout(Some(left.max(Duration::from_millis(1)))).unwrap();
        let mut chunk = [0; 16 << 10];
        match self.tcp.read(&mut chunk) {
            Ok(0) => false,
            Ok(count) => {
                self.buffer.extend_from_slice(&chunk[..count]);
                true
            }
            Err(error) if error.kind() == ErrorKind::ConnectionReset => false,
            Err(error) => panic!("{error}, after {:?}", String::from_utf8_lossy(&self.buffer)),
        }
    }
}

/// A masked frame with this first byte; the mask is zero, so the payload stands there as it is.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        short @ 0..126 => bytes.push(0x80 | u8::try_from(short).unwrap()),
        middle @ 126..=0xffff => {
            bytes.push(0x80 | 0x7e);
            bytes.extend(u16::try_from(middle).unwrap().to_be_bytes());
        }
        long => {
            bytes.push(0x80 | 0x7f);
            bytes.extend((long as u64).to_be_bytes());
        }
    }
    bytes.extend([0; 4]);
    bytes.extend(payload);
    bytes
}
