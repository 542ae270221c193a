//! `PUBLISH` or `XADD`, pipelined over a plain connection.

use std::io::{self, ErrorKind};
use std::time::Instant;

use super::answers::Answers;
use super::link::Link;
use super::succession::Succession;
use super::wire::{RETRY, TIMEOUT, Wire};
use crate::bench::aim::Outlet;
use crate::broker::{BrokerError, locate};
use crate::exit::{Exit, Failure};
use crate::net::tls::{self, Peer, Tls};
use crate::wire::redis::{Address, Endpoint, Topology, append};
use crate::wire::resp::{self, Bounds, Broken, Reply, Stop};

/// Bounds of an answer: a number, a word or an error.
const ANSWER: Bounds = Bounds { bytes: 64 << 10, elements: 0, depth: 0 };

const HINT: &str = "start one, or name another with --redis or REDIS_URL";

/// Command that hands an event over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    /// `PUBLISH` to a channel.
    Publish,
    /// `XADD` to the end of a stream.
    Append,
}

pub(super) struct Redis {
    pub(super) link: Link,
    verb: Verb,
    /// Whether the connection is in the database of the URL, where streams are.
    is_selected: bool,
    endpoint: Endpoint,
    address: String,
    /// Present behind sentinels.
    succession: Option<Succession>,
    /// Whether another connection may take over when this one ends; otherwise its end is an error.
    pub(super) is_replaced: bool,
}

impl Redis {
    /// Connects, logs in and selects the database, which streams need; channels belong to none.
    ///
    /// Any node of a cluster will do for channels: the first that answers of those that the URL names. A stream has a node of
    /// its own, and another one refuses its events.
    pub(super) fn connect(url: &str, verb: Verb) -> Result<Self, Failure> {
        let usage = |reason: String| Failure::usage(format!("--redis: {reason}"));
        Self::reach(&Endpoint::parse(url).map_err(|error| usage(error.to_string()))?, verb)
    }

    fn reach(endpoint: &Endpoint, verb: Verb) -> Result<Self, Failure> {
        let Topology::Cluster(nodes) = &endpoint.servers else {
            let server = locate(endpoint).map_err(|error| {
                let is_usage = matches!(error, BrokerError::NoSuchMaster { .. });
                let exit = if is_usage { Exit::Usage } else { Exit::Unreachable };
                Failure::new(exit, error.to_string()).hint(error.hint().unwrap_or_else(|| HINT.to_owned()))
            })?;
            let mut redis = Self::connect_to(endpoint, &server, verb)?;
            redis.succession = matches!(endpoint.servers, Topology::Sentinel(_))
                .then(|| Succession::of(server, endpoint.clone()));
            return Ok(redis);
        };
        let mut connected = Self::connect_to(endpoint, &nodes[0], verb);
        for node in &nodes[1..] {
            if connected.is_ok() {
                break;
            }
            connected = Self::connect_to(endpoint, node, verb);
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
        let mut redis = Self {
            link: Link::new(wire),
            verb,
            is_selected: true,
            endpoint: endpoint.clone(),
            address: address.clone(),
            succession: None,
            is_replaced: false,
        };
        if let Some(login) = &endpoint.login {
            redis.ask(&login.command()).map_err(unreachable)?;
        }
        match redis.ask(&[b"PING"]) {
            // A user who may not PING has been let in all the same.
            Err(error) if error.to_string().starts_with("NOPERM") => {}
            answered => answered.map_err(unreachable)?,
        }
        if endpoint.database != 0 {
            let selected = redis.ask(&[b"SELECT", endpoint.database.to_string().as_bytes()]);
            redis.is_selected = selected.is_ok();
            if verb == Verb::Append {
                selected.map_err(unreachable)?;
            }
        }
        redis.link.has_answered = false;
        Ok(redis)
    }

    /// Appends events from now on where it published them, and the other way round; whether that can be done. Streams of
    /// another database are not those that are meant.
    pub(super) fn change_verb(&mut self) -> bool {
        self.verb = match self.verb {
            Verb::Publish if !self.is_selected => return false,
            Verb::Publish => Verb::Append,
            Verb::Append => Verb::Publish,
        };
        true
    }

    /// Connects and logs in again. A Redis that is loading its data is not there yet.
    pub(super) fn reconnect(&mut self) -> io::Result<()> {
        let new =
            Self::reach(&self.endpoint, self.verb).map_err(|failure| io::Error::other(failure.message))?;
        *self = Self { is_replaced: self.is_replaced, ..new };
        Ok(())
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
            let wire = &mut self.link.wire;
            let step = if left.is_empty() { wire.flush().map(|()| 0) } else { wire.write(left) };
            match step {
                Ok(written) => left = &left[written..],
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
                Err(error) => return Err(error),
            }
            let answers = self.read()?;
            if let Some((_, _, reason)) = answers.bad.first() {
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
        let mut answers = Answers::default();
        let link = &mut self.link;
        if link.has_ended {
            return Ok(answers);
        }
        match link.wire.receive(&mut link.unread) {
            Err(_) if self.is_replaced => link.has_ended = true,
            result => result?,
        }
        let invalid = |text: &str| Err(io::Error::new(ErrorKind::InvalidData, text));
        let mut from = 0;
        loop {
            match resp::read(&link.unread[from..], &ANSWER) {
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
        link.unread.drain(..from);
        link.has_answered |= answers.count > 0;
        if let Some(successor) = self.succession.as_ref().and_then(Succession::successor) {
            if !self.is_replaced {
                let message = format!("the sentinels name {successor} as the master now");
                return Err(io::Error::new(ErrorKind::ConnectionAborted, message));
            }
            link.has_ended = true;
        }
        Ok(answers)
    }
}
