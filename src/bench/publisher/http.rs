//! A POST for each event, pipelined over one connection.

use std::io;

use memchr::memmem;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use url::{Position, Url};

use super::Answers;
use super::wire::Wire;
use crate::exit::{Exit, Failure};
use crate::net;

/// What stands for the channel in a URL, and what the URL parser makes of it.
const PLACES: [&str; 2] = ["{channel}", "%7Bchannel%7D"];

/// A longer answer is none, in bytes.
const MAX_ANSWER: usize = 1 << 20;

pub(super) struct Http {
    pub(super) wire: Wire,
    address: String,
    path: String,
    rest: String,
    unread: Vec<u8>,
}

impl Http {
    pub(super) fn connect(url: &Url, headers: &[(String, String)]) -> Result<Self, Failure> {
        let address = net::address(url);
        let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else {
            return Err(Failure::usage(format!("{address} names no host to publish through")));
        };
        let is_secure = matches!(url.scheme(), "https" | "wss");
        let wire = Wire::tcp(host, port, is_secure).map_err(|error| {
            Failure::new(Exit::Unreachable, format!("could not connect to {address}: {error}"))
        })?;
        let own: Vec<String> = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let own = own.concat();
        let named = &url[Position::BeforeHost..Position::AfterPort];
        let rest =
            format!(" HTTP/1.1\r\nHost: {named}\r\nContent-Type: application/json\r\n{own}Content-Length: ");
        let path = url[Position::BeforePath..Position::AfterQuery].to_owned();
        Ok(Self { wire, address, path, rest, unread: Vec::new() })
    }

    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// Appends a request.
    pub(super) fn post(&self, channel: &str, payload: &[u8], out: &mut Vec<u8>) {
        let channel = utf8_percent_encode(channel, NON_ALPHANUMERIC).to_string();
        let path = PLACES.iter().fold(self.path.clone(), |path, place| path.replace(place, &channel));
        out.extend_from_slice(format!("POST {path}{}{}\r\n\r\n", self.rest, payload.len()).as_bytes());
        out.extend_from_slice(payload);
    }

    pub(super) fn read(&mut self) -> io::Result<Answers> {
        self.wire.receive(&mut self.unread)?;
        let mut answers = Answers::default();
        let mut from = 0;
        while let Some((status, length)) = whole_answer(&self.unread[from..])? {
            if (200..300).contains(&status) {
                answers.good += 1;
            } else {
                answers.bad.push((Some(status), format!("answered {status}")));
            }
            from += length;
        }
        self.unread.drain(..from);
        Ok(answers)
    }
}

/// The status and the length of the answer at the beginning, where it is all there.
fn whole_answer(bytes: &[u8]) -> io::Result<Option<(u16, usize)>> {
    let broken = |what| io::Error::new(io::ErrorKind::InvalidData, what);
    if bytes.len() >= 5 && !bytes.starts_with(b"HTTP/") {
        return Err(broken("it does not speak HTTP"));
    }
    let Some(end) = memmem::find(bytes, b"\r\n\r\n") else {
        return if bytes.len() > MAX_ANSWER { Err(broken("an answer has no end")) } else { Ok(None) };
    };
    let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
    let status = head.split(' ').nth(1).and_then(|word| word.parse().ok());
    let status = status.ok_or_else(|| broken("an answer has no status"))?;
    let header = |name: &str| {
        head.split("\r\n").find_map(|line| line.strip_prefix(name)?.strip_prefix(':').map(str::trim))
    };
    let body = end + 4;
    if header("transfer-encoding").is_some_and(|encoding| encoding.contains("chunked")) {
        return Ok(memmem::find(&bytes[end..], b"\r\n0\r\n\r\n").map(|at| (status, end + at + 7)));
    }
    let length: usize = header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    if length > MAX_ANSWER {
        return Err(broken("an answer is over 1 MiB"));
    }
    Ok((bytes.len() >= body + length).then_some((status, body + length)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_told_apart_in_a_pipeline() {
        let two = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}HTTP/1.1 204 No\r\n\r\n";
        assert_eq!(whole_answer(two).unwrap(), Some((200, 40)));
        assert_eq!(whole_answer(&two[40..]).unwrap(), Some((204, 19)));
        assert_eq!(whole_answer(&two[..39]).unwrap(), None);
        let chunked = b"HTTP/1.1 500 X\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\nHTTP";
        assert_eq!(whole_answer(chunked).unwrap(), Some((500, chunked.len() - 4)));
        assert!(whole_answer(b"+PONG\r\n").is_err());
    }
}
