//! `PUBLISH`, pipelined over a plain connection.

use std::io::{self, ErrorKind};
use std::time::Instant;

use super::answers::Answers;
use super::wire::{RETRY, TIMEOUT, Wire};
use crate::broker::{RedisAddress, RedisEndpoint, RedisLogin};
use crate::exit::{Exit, Failure};
use crate::net::tls::{self, Peer, Tls};

/// A longer answer is none, in bytes.
const MAX_ANSWER: usize = 64 << 10;

const HINT: &str = "start one, or name another with --redis or REDIS_URL";

pub(super) struct Redis {
    pub(super) wire: Wire,
    address: String,
    unread: Vec<u8>,
}

impl Redis {
    /// Connects and logs in, and selects no database: channels belong to none.
    pub(super) fn connect(url: &str) -> Result<Self, Failure> {
        let usage = |reason: String| Failure::usage(format!("--redis: {reason}"));
        let endpoint = RedisEndpoint::parse(url).map_err(|error| usage(error.to_string()))?;
        let address = endpoint.address.to_string();
        let wire = match &endpoint.address {
            RedisAddress::Tcp { host, port, tls: false } => Wire::tcp(host, *port, None),
            RedisAddress::Tcp { host, port, tls: true } => {
                let tls = Tls::new(&endpoint.tls).map_err(|error| usage(error.to_string()))?;
                Wire::tcp(host, *port, Some(&tls))
            }
            RedisAddress::Unix(path) => Wire::unix(path),
        };
        let unreachable = |error: io::Error| {
            let hint = tls::problem_of(&error).and_then(|problem| problem.hint(Peer::Redis));
            Failure::new(Exit::Unreachable, format!("could not connect to redis at {address}: {error}"))
                .hint(hint.unwrap_or_else(|| HINT.to_owned()))
        };
        let wire = wire.map_err(unreachable)?;
        let mut redis = Self { wire, address: address.clone(), unread: Vec::new() };
        if let Some(RedisLogin { user, password }) = &endpoint.login {
            let words: Vec<&str> =
                ["AUTH"].into_iter().chain(user.as_deref()).chain([password.as_str()]).collect();
            redis.ask(&words).map_err(unreachable)?;
        }
        redis.ask(&["PING"]).map_err(unreachable)?;
        Ok(redis)
    }

    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// Sends a command whose answer is one line, and waits for it.
    fn ask(&mut self, words: &[&str]) -> io::Result<()> {
        let mut command = format!("*{}\r\n", words.len()).into_bytes();
        for word in words {
            bulk(word.as_bytes(), &mut command);
        }
        let begin = Instant::now();
        let mut left = &command[..];
        loop {
            // The first write goes into an empty buffer; whatever has no room is tried again below.
            let step = if left.is_empty() { self.wire.flush().map(|()| 0) } else { self.wire.write(left) };
            match step {
                Ok(written) => left = &left[written..],
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
                Err(error) => return Err(error),
            }
            let answers = self.read()?;
            // Whoever may not PING has been let in all the same.
            if let Some((_, _, reason)) = answers.bad.iter().find(|(_, _, why)| !why.starts_with("NOPERM")) {
                return Err(io::Error::other(reason.clone()));
            }
            if answers.count > 0 {
                return Ok(());
            }
            if begin.elapsed() > TIMEOUT {
                return Err(io::Error::new(ErrorKind::TimedOut, "no answer within 5 s"));
            }
            std::thread::sleep(RETRY);
        }
    }

    /// Every answer is one line.
    pub(super) fn read(&mut self) -> io::Result<Answers> {
        self.wire.receive(&mut self.unread)?;
        let mut answers = Answers::default();
        let mut from = 0;
        while let Some(end) = memchr::memmem::find(&self.unread[from..], b"\r\n") {
            let line = &self.unread[from..from + end];
            match line.split_first() {
                Some((b'-', reason)) => {
                    answers.bad(None, String::from_utf8_lossy(reason).chars().take(120).collect());
                }
                Some((b':' | b'+', _)) => answers.good(),
                _ => return Err(io::Error::new(ErrorKind::InvalidData, "it does not speak RESP")),
            }
            from += end + 2;
        }
        self.unread.drain(..from);
        if self.unread.len() > MAX_ANSWER {
            return Err(io::Error::new(ErrorKind::InvalidData, "an answer has no end"));
        }
        Ok(answers)
    }
}

/// Appends a PUBLISH.
pub(super) fn publish(channel: &str, payload: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"*3\r\n$7\r\nPUBLISH\r\n");
    bulk(channel.as_bytes(), out);
    bulk(payload, out);
}

fn bulk(bytes: &[u8], out: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let mut left = bytes.len();
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + u8::try_from(left % 10).unwrap_or(0);
        left /= 10;
        if left == 0 {
            break;
        }
    }
    out.push(b'$');
    out.extend_from_slice(&digits[at..]);
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_publication_is_written_as_redis_reads_it() {
        let mut out = Vec::new();
        publish("a", &[b'x'; 120], &mut out);
        let expected = format!("*3\r\n$7\r\nPUBLISH\r\n$1\r\na\r\n$120\r\n{}\r\n", "x".repeat(120));
        assert_eq!(String::from_utf8(out).unwrap(), expected);
        let mut empty = Vec::new();
        bulk(b"", &mut empty);
        assert_eq!(empty, b"$0\r\n\r\n");
    }
}
