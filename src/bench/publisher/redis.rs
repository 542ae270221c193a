//! `PUBLISH` or `XADD`, pipelined over a plain connection.

use std::io::{self, ErrorKind};
use std::time::Instant;

use super::answers::Answers;
use super::wire::{RETRY, TIMEOUT, Wire};
use crate::bench::aim::Outlet;
use crate::exit::{Exit, Failure};
use crate::net::tls::{self, Peer, Tls};
use crate::wire::redis::{Address, Endpoint, Topology, append};
use crate::wire::resp::{self, Bounds, Broken, Reply, Stop};

/// Bounds of an answer: a number, a word or an error.
const ANSWER: Bounds = Bounds { bytes: 64 << 10, elements: 0, depth: 0 };

const HINT: &str = "start one, or name another with --redis or REDIS_URL";

/// How an event is handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    /// To a channel, with `PUBLISH`.
    Publish,
    /// To the end of a stream, with `XADD`.
    Append,
}

pub(super) struct Redis {
    pub(super) wire: Wire,
    verb: Verb,
    address: String,
    unread: Vec<u8>,
}

impl Redis {
    /// Connects and logs in. A database is selected for streams; channels belong to none.
    ///
    /// In a cluster any node will do: the first of those that the URL names that answers.
    pub(super) fn connect(url: &str, verb: Verb) -> Result<Self, Failure> {
        let usage = |reason: String| Failure::usage(format!("--redis: {reason}"));
        let endpoint = Endpoint::parse(url).map_err(|error| usage(error.to_string()))?;
        let mut servers = endpoint.named().iter();
        let mut connected = Self::connect_to(&endpoint, &endpoint.named()[0], verb);
        if matches!(endpoint.servers, Topology::Cluster(_)) {
            servers.next();
            while connected.is_err()
                && let Some(server) = servers.next()
            {
                connected = Self::connect_to(&endpoint, server, verb);
            }
        }
        connected
    }

    fn connect_to(endpoint: &Endpoint, server: &Address, verb: Verb) -> Result<Self, Failure> {
        let usage = |reason: String| Failure::usage(format!("--redis: {reason}"));
        let address = server.to_string();
        let wire = match server {
            Address::Tcp { host, port, tls: false } => Wire::tcp(host, *port, None),
            Address::Tcp { host, port, tls: true } => {
                let tls = Tls::new(&endpoint.tls).map_err(|error| usage(error.to_string()))?;
                Wire::tcp(host, *port, Some(&tls))
            }
            Address::Unix(path) => Wire::unix(path),
        };
        let unreachable = |error: io::Error| {
            let hint = tls::problem_of(&error).and_then(|problem| problem.hint(Peer::Redis));
            Failure::new(Exit::Unreachable, format!("could not connect to redis at {address}: {error}"))
                .hint(hint.unwrap_or_else(|| HINT.to_owned()))
        };
        let wire = wire.map_err(unreachable)?;
        let mut redis = Self { wire, verb, address: address.clone(), unread: Vec::new() };
        if let Some(login) = &endpoint.login {
            redis.ask(&login.command()).map_err(unreachable)?;
        }
        redis.ask(&[b"PING"]).map_err(unreachable)?;
        if verb == Verb::Append && endpoint.database != 0 {
            redis.ask(&[b"SELECT", endpoint.database.to_string().as_bytes()]).map_err(unreachable)?;
        }
        Ok(redis)
    }

    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// Sends a command whose answer is one line, and waits for it.
    fn ask(&mut self, words: &[&[u8]]) -> io::Result<()> {
        let mut command = Vec::new();
        resp::command(&mut command, words);
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

    /// Appends the command for an event.
    pub(super) fn send(&self, outlet: &Outlet, payload: &[u8], out: &mut Vec<u8>) {
        match self.verb {
            Verb::Publish => resp::command(out, &[b"PUBLISH", outlet.channel.as_bytes(), payload]),
            Verb::Append => {
                resp::command(out, &append(&outlet.stream, outlet.job.as_deref(), payload));
            }
        }
    }

    /// Reads what came.
    pub(super) fn read(&mut self) -> io::Result<Answers> {
        self.wire.receive(&mut self.unread)?;
        let invalid = |text: &str| Err(io::Error::new(ErrorKind::InvalidData, text));
        let mut answers = Answers::default();
        let mut from = 0;
        loop {
            match resp::read(&self.unread[from..], &ANSWER) {
                Ok((reply, end)) => {
                    match reply {
                        Reply::Error(reason) => {
                            answers.bad(None, String::from_utf8_lossy(reason).chars().take(120).collect());
                        }
                        Reply::Integer(_) | Reply::Simple(_) | Reply::Bulk(_) => answers.good(),
                        _ => return invalid("it does not speak RESP"),
                    }
                    from += end;
                }
                Err(Stop::Incomplete(_)) => break,
                Err(Stop::Broken(Broken::Long(_))) => return invalid("an answer has no end"),
                Err(Stop::Broken(Broken::Form(_))) => return invalid("it does not speak RESP"),
            }
        }
        self.unread.drain(..from);
        Ok(answers)
    }
}
