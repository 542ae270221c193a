//! A client of event streams, as the HTML standard describes one, that shows every block as it came.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};

use super::{Answer, HEARTBEAT, PATIENCE, RawTcp};

/// What is between two blank lines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Block {
    pub(crate) id: Option<String>,
    pub(crate) data: Option<String>,
    pub(crate) event: Option<String>,
    pub(crate) retry: Option<u64>,
    pub(crate) has_comment: bool,
}

impl Block {
    fn parse(text: &str) -> Self {
        let mut block = Self::default();
        for line in text.split(['\n', '\r']) {
            let (name, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match name {
                "" => block.has_comment = true,
                "id" => block.id = Some(value.to_owned()),
                "event" => block.event = Some(value.to_owned()),
                "retry" => block.retry = Some(value.parse().unwrap()),
                "data" => match &mut block.data {
                    Some(data) => *data = format!("{data}\n{value}"),
                    None => block.data = Some(value.to_owned()),
                },
                other => panic!("a stream has no field {other:?}"),
            }
        }
        block
    }
}

/// An open stream.
pub(crate) struct EventStream {
    pub(crate) tcp: RawTcp,
    pub(crate) head: Answer,
    buffer: Vec<u8>,
    /// The last id that came.
    pub(crate) last_id: String,
}

/// The header that asks for a stream.
pub(crate) const STREAM: (&str, &str) = ("Accept", "text/event-stream");

impl EventStream {
    /// Asks for a stream, which must be opened.
    #[track_caller]
    pub(crate) fn open(address: &str, path: &str, headers: &[(&str, &str)]) -> Self {
        let stream = Self::ask(RawTcp::connect(address), address, path, headers);
        assert_eq!(stream.head.status, 200, "{:?}", stream.head);
        assert_eq!(stream.head.header("content-type"), Some("text/event-stream"), "{:?}", stream.head);
        stream
    }

    /// Opens a stream by HTTP/1.0, which knows no chunks: a proxy passes it on as it comes.
    pub(crate) fn open_old(address: &str, path: &str, headers: &[(&str, &str)]) -> Self {
        let mut tcp = RawTcp::connect(address);
        let head = super::request_head(address, "GET", path, &[headers, &[STREAM]].concat(), 0);
        tcp.send(head.replacen(" HTTP/1.1", " HTTP/1.0", 1)).unwrap();
        let stream = Self::begun(tcp);
        assert_eq!(stream.head.status, 200, "{:?}", stream.head);
        stream
    }

    /// Asks for one on a connection, and reads the head of the answer.
    pub(crate) fn ask(mut tcp: RawTcp, address: &str, path: &str, headers: &[(&str, &str)]) -> Self {
        let accept = if headers.iter().any(|(name, _)| *name == "Accept") { vec![] } else { vec![STREAM] };
        let headers = [headers, &accept, &[("Connection", "keep-alive")]].concat();
        tcp.send(super::request_head(address, "GET", path, &headers, 0)).unwrap();
        Self::begun(tcp)
    }

    /// A stream that was asked for on a connection.
    pub(crate) fn begun(mut tcp: RawTcp) -> Self {
        let bytes = tcp.read_until(PATIENCE, |bytes| bytes.windows(4).any(|end| end == b"\r\n\r\n"));
        let end = bytes.windows(4).position(|end| end == b"\r\n\r\n").expect("a head") + 4;
        let head = Answer::parse(&bytes[..end]);
        Self { tcp, head, buffer: bytes[end..].to_vec(), last_id: String::new() }
    }

    /// The next block; `None` at the end. Panics when the time is up.
    #[track_caller]
    pub(crate) fn next_block(&mut self, deadline: Duration) -> Option<Block> {
        let start = Instant::now();
        let mut at = None;
        while at.is_none() {
            at = self.buffer.windows(2).position(|end| end == b"\n\n");
            if at.is_none() {
                let left = deadline.saturating_sub(start.elapsed());
                let more = self.tcp.read_until(left, |bytes| !bytes.is_empty());
                if more.is_empty() {
                    assert_eq!(String::from_utf8_lossy(&self.buffer), "", "half a block before the end");
                    return None;
                }
                self.buffer.extend(more);
            }
        }
        let rest = self.buffer.split_off(at? + 2);
        let block = std::mem::replace(&mut self.buffer, rest);
        let block = Block::parse(std::str::from_utf8(&block[..block.len() - 2]).unwrap());
        if let Some(id) = &block.id {
            self.last_id.clone_from(id);
        }
        Some(block)
    }

    /// The next block with data that is no heartbeat of a channel, of which the first comes at any moment.
    #[track_caller]
    pub(crate) fn next_event(&mut self) -> Block {
        loop {
            let block = self.next_block(PATIENCE).expect("the stream goes on");
            if block.data.as_ref().is_some_and(|data| !data.starts_with(HEARTBEAT)) {
                return block;
            }
        }
    }

    /// The data of the next block that has some, which must be a message.
    #[track_caller]
    pub(crate) fn next_data(&mut self) -> String {
        let block = self.next_event();
        assert_eq!(block.event, None, "{block:?}");
        block.data.unwrap()
    }

    /// The next data, which must be this.
    #[track_caller]
    pub(crate) fn expect(&mut self, data: &str) {
        assert_eq!(self.next_data(), data);
    }

    /// The next data, which must be a gap for this reason.
    #[track_caller]
    pub(crate) fn expect_gap(&mut self, reason: &str) {
        let data = self.next_data();
        let gap: serde_json::Value = serde_json::from_str(&data).unwrap();
        assert_eq!((&gap["type"], &gap["reason"]), (&"gap".into(), &reason.into()), "{data}");
    }

    /// The code with which the stream ends.
    #[track_caller]
    pub(crate) fn expect_close(&mut self) -> u64 {
        let block = self.next_event();
        assert_eq!(block.event.as_deref(), Some("close"), "{block:?}");
        let close: serde_json::Value = serde_json::from_str(&block.data.unwrap()).unwrap();
        assert!(close["reason"].is_string(), "{close}");
        assert_eq!(self.next_block(PATIENCE), None, "a stream ends behind its close");
        close["code"].as_u64().unwrap()
    }

    /// Waits for an id that is told alone.
    #[track_caller]
    pub(crate) fn next_id_alone(&mut self) -> String {
        loop {
            let block = self.next_block(PATIENCE).expect("the stream goes on");
            assert_eq!(block.data, None, "{block:?}");
            if let Some(id) = block.id {
                return id;
            }
        }
    }

    /// Opens a stream with a receive buffer of about `bytes` bytes.
    pub(crate) fn narrow(address: &str, path: &str, bytes: usize) -> Self {
        Self::ask(narrow(address, bytes), address, path, &[])
    }
}

/// Connects with a receive buffer of about `bytes` bytes, so that the server soon meets a full buffer when the test does
/// not read.
pub(crate) fn narrow(address: &str, bytes: usize) -> RawTcp {
    let to: SocketAddr = address.parse().unwrap();
    let socket = Socket::new(Domain::for_address(to), Type::STREAM, Some(Protocol::TCP)).unwrap();
    socket.set_recv_buffer_size(bytes).unwrap();
    socket.connect(&to.into()).unwrap();
    RawTcp(socket.into())
}
