//! A POST for each event, pipelined over one connection at a time: servers end connections that were idle, or that have
//! answered often enough, and the next one takes over.

use std::io;

use memchr::memmem;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use url::{Position, Url};

use super::answers::Answers;
use super::link::Link;
use super::wire::Wire;
use crate::exit::{Exit, Failure};
use crate::net;
use crate::net::tls::{self, Peer, Tls};
use crate::wire::head::{self, BrokenHead, Head, Room};

/// What stands for the channel in a URL, and what the URL parser makes of it.
const PLACES: [&str; 2] = ["{channel}", "%7Bchannel%7D"];

/// A longer answer is none, in bytes.
const MAX_ANSWER: usize = 1 << 20;

pub(super) struct Http {
    pub(super) link: Link,
    host: String,
    port: u16,
    tls: Option<Tls>,
    address: String,
    /// The path, in parts where the channel stands between.
    path: Vec<String>,
    rest: String,
}

/// An answer that is all there.
#[derive(Debug, PartialEq, Eq)]
struct Answer {
    status: u16,
    /// In bytes, with its head.
    length: usize,
    /// Whether none follows on its connection.
    is_last: bool,
}

impl Http {
    pub(super) fn connect(url: &Url, headers: &[(String, String)], tls: &Tls) -> Result<Self, Failure> {
        let address = net::address(url);
        let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else {
            return Err(Failure::usage(format!("{address} names no host to publish through")));
        };
        let tls = matches!(url.scheme(), "https" | "wss").then(|| tls.clone());
        let wire = Wire::tcp(host, port, tls.as_ref()).map_err(|error| {
            let failure = Failure::new(Exit::Unreachable, format!("could not connect to {address}: {error}"));
            let hint = tls::problem_of(&error).and_then(|problem| problem.hint(Peer::Server));
            Failure { hint, ..failure }
        })?;
        let own = head::own_lines(url, headers);
        let named = &url[Position::BeforeHost..Position::AfterPort];
        let rest =
            format!(" HTTP/1.1\r\nHost: {named}\r\nContent-Type: application/json\r\n{own}Content-Length: ");
        let path =
            PLACES.iter().fold(url[Position::BeforePath..Position::AfterQuery].to_owned(), |path, place| {
                path.replace(place, PLACES[0])
            });
        let path = path.split(PLACES[0]).map(str::to_owned).collect();
        Ok(Self { link: Link::new(wire), host: host.to_owned(), port, tls, address, path, rest })
    }

    /// Connects again.
    pub(super) fn reconnect(&mut self) -> io::Result<()> {
        let wire = Wire::tcp(&self.host, self.port, self.tls.as_ref()).map_err(|error| {
            io::Error::new(error.kind(), format!("could not connect to {} again: {error}", self.address))
        })?;
        self.link = Link::new(wire);
        Ok(())
    }

    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// Appends a request.
    pub(super) fn post(&self, channel: &str, payload: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(b"POST ");
        for (nth, part) in self.path.iter().enumerate() {
            if nth > 0 {
                let encoded = utf8_percent_encode(channel, NON_ALPHANUMERIC);
                encoded.for_each(|piece| out.extend_from_slice(piece.as_bytes()));
            }
            out.extend_from_slice(part.as_bytes());
        }
        out.extend_from_slice(self.rest.as_bytes());
        out.extend_from_slice(payload.len().to_string().as_bytes());
        out.extend_from_slice(b"\r\n\r\n");
        out.extend_from_slice(payload);
    }

    /// What was answered; the end of the connection is no error.
    pub(super) fn read(&mut self) -> io::Result<Answers> {
        let mut answers = Answers::default();
        let link = &mut self.link;
        if link.has_ended {
            return Ok(answers);
        }
        match link.wire.receive(&mut link.unread) {
            Err(error) if is_end(&error) => link.has_ended = true,
            result => result?,
        }
        let mut from = 0;
        while let Some(Answer { status, length, is_last }) = whole_answer(&link.unread[from..])? {
            from += length;
            match status {
                200..300 => answers.good(),
                // It says that an answer will come.
                100 | 102..200 => continue,
                _ => answers.bad(Some(status), format!("answered {status}")),
            }
            link.has_answered = true;
            if is_last {
                link.has_ended = true;
                break;
            }
        }
        link.unread.drain(..from);
        Ok(answers)
    }
}

/// Whether a connection ended so that another one may do better.
pub(super) fn is_end(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), UnexpectedEof | ConnectionReset | ConnectionAborted | BrokenPipe)
}

/// The answer at the beginning, where it is all there.
fn whole_answer(bytes: &[u8]) -> io::Result<Option<Answer>> {
    let mut room = Room::default();
    let head = match Head::read(bytes, MAX_ANSWER, &mut room) {
        Ok(Some(head)) => head,
        Ok(None) => return Ok(None),
        Err(BrokenHead::NotHttp) => return Err(broken("it does not speak HTTP")),
        Err(fault) => return Err(broken(format!("an answer {fault}"))),
    };
    let status = head.status;
    let says = |option| {
        let all = head.header("connection").unwrap_or_default();
        all.split(',').any(|one| one.trim().eq_ignore_ascii_case(option))
    };
    let is_last = says("close") || status == 101 || (head.is_old && !says("keep-alive"));
    let body = head.size;
    let whole = |length| Answer { status, length, is_last };
    if matches!(status, 100..200 | 204 | 304) {
        return Ok(Some(whole(body)));
    }
    let encoding = head.header("transfer-encoding");
    if encoding.is_some_and(|encoding| encoding.to_ascii_lowercase().contains("chunked")) {
        return Ok(chunks(&bytes[body..])?.map(|length| whole(body + length)));
    }
    let Some(length) = head.header("content-length") else {
        // Its body is all that comes before the end of the connection, and of no interest.
        return Ok(Some(Answer { is_last: true, ..whole(body) }));
    };
    let length: usize = length.parse().map_err(|_| broken("an answer has no length"))?;
    if length > MAX_ANSWER {
        return Err(broken("an answer is over 1 MiB"));
    }
    Ok((bytes.len() >= body + length).then(|| whole(body + length)))
}

/// The length of a chunked body with its trailers, where it is all there.
fn chunks(bytes: &[u8]) -> io::Result<Option<usize>> {
    let mut at = 0;
    let mut is_over = false;
    while let Some(end) = bytes.get(at..).and_then(|rest| memmem::find(rest, b"\r\n")) {
        let line = &bytes[at..at + end];
        at += end + 2;
        if is_over {
            if line.is_empty() {
                return Ok(Some(at));
            }
            continue;
        }
        let size = line.split(|byte| *byte == b';').next().and_then(|size| std::str::from_utf8(size).ok());
        let size = size.and_then(|size| usize::from_str_radix(size.trim(), 16).ok());
        match size.ok_or_else(|| broken("a chunk of an answer has no length"))? {
            0 => is_over = true,
            size if size > MAX_ANSWER => return Err(broken("an answer is over 1 MiB")),
            size => at += size + 2,
        }
    }
    if bytes.len() > MAX_ANSWER { Err(broken("an answer is over 1 MiB")) } else { Ok(None) }
}

fn broken(what: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn found(bytes: &[u8]) -> Option<(u16, usize, bool)> {
        whole_answer(bytes).unwrap().map(|answer| (answer.status, answer.length, answer.is_last))
    }

    #[test]
    fn answers_are_told_apart_in_a_pipeline() {
        let two = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}HTTP/1.1 204 No\r\n\r\n";
        assert_eq!(found(two), Some((200, 40, false)));
        assert_eq!(found(&two[40..]), Some((204, 19, false)));
        assert_eq!(found(&two[..39]), None);
        assert!(whole_answer(b"+PONG\r\n").is_err());
    }

    #[test]
    fn a_chunked_answer_is_whole_with_its_trailers() {
        for body in [
            "2\r\n{}\r\n0\r\n\r\n",
            "4;x=1\r\n\r\n0\r\r\n0\r\n\r\n",
            "2\r\n{}\r\n0\r\nDigest: a\r\nB: c\r\n\r\n",
        ] {
            let answer = format!("HTTP/1.1 500 X\r\nTransfer-Encoding: chunked\r\n\r\n{body}");
            assert_eq!(
                found(format!("{answer}HTTP").as_bytes()),
                Some((500, answer.len(), false)),
                "{body:?}"
            );
            for short in 0..answer.len() {
                assert_eq!(found(&answer.as_bytes()[..short]), None, "{short} bytes of {body:?}");
            }
        }
        assert!(whole_answer(b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\nnone\r\n").is_err());
    }

    #[test]
    fn the_last_answer_of_a_connection_says_so() {
        for (answer, is_last) in [
            ("HTTP/1.1 204 No\r\nConnection: Close\r\n\r\n", true),
            ("HTTP/1.1 204 No\r\nConnection: x, close\r\n\r\n", true),
            ("HTTP/1.1 204 No\r\nConnection: keep-alive\r\n\r\n", false),
            ("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", true),
            ("HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n", false),
            ("HTTP/1.1 200 OK\r\n\r\n", true),
            ("HTTP/1.1 100 Continue\r\n\r\n", false),
        ] {
            assert_eq!(found(answer.as_bytes()).map(|found| found.2), Some(is_last), "{answer:?}");
        }
    }

    #[test]
    fn what_comes_before_an_answer_is_none() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
        let mut http = Http::connect(&url, &[], &Tls::default()).unwrap();
        let (mut peer, _) = listener.accept().unwrap();
        let all = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 204 No\r\n\r\n";
        io::Write::write_all(&mut peer, all).unwrap();
        drop(peer);
        let (mut all, mut bad) = (0, 0);
        while !http.link.has_ended {
            let answers = http.read().unwrap();
            (all, bad) = (all + answers.count, bad + answers.bad.len());
        }
        assert_eq!((all, bad), (1, 0));
        http.reconnect().unwrap();
        assert!(!http.link.has_ended && !http.link.has_answered);
    }
}
