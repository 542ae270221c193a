//! Where the socket of a connection is: path and query of its request, and what it says first.

use url::{Position, Url};

use super::{Aim, Place};
use crate::bench::placeholders;
use crate::net;
use crate::wire::channels;
use crate::wire::watch::ClientMessage;

/// The route of jobwire's own contract.
const WATCH: &str = "/watch";

/// Targets stand in the query as long as the path is no longer than this, in bytes: half of what a relay takes as a head.
const MAX_QUERY: usize = 8 << 10;

/// A connection that is about to open.
#[derive(Debug, Clone, Copy)]
pub struct Visit<'a> {
    /// Its number over all threads and processes.
    pub conn: u64,
    /// Its first job.
    pub job: u64,
    /// The cursor that it goes on from.
    pub since: Option<&'a str>,
}

impl Aim {
    /// Path and query of the request of a connection.
    pub fn path(&self, visit: Visit<'_>) -> String {
        let url = if self.manner.watch.is_some() { self.watch_url(visit) } else { self.contract_url(visit) };
        let path = &url[Position::BeforePath..Position::AfterQuery];
        if self.has_placeholders {
            return placeholders::in_url(path, visit.conn, self.job(visit.job)).into_owned();
        }
        path.to_owned()
    }

    /// What a client says first, where it must: the room of `channels`, or targets that the request had no room for.
    pub fn greeting(&self, visit: Visit<'_>) -> Option<String> {
        if self.manner.watch.is_some() {
            let (_, targets) = self.divided(visit);
            if targets.is_empty() {
                return None;
            }
            let message =
                ClientMessage::Watch { targets, since: visit.since.map(str::to_owned), kinds: None };
            return Some(serde_json::to_string(&message).expect("texts and lists of them are JSON"));
        }
        match &self.place {
            Place::Room(_, room) => Some(channels::ClientMessage::JoinRoom { room: room.clone() }.to_text()),
            _ => None,
        }
    }

    /// Whether the request has room for all targets, since an event stream has no messages of a client.
    pub fn fits_request(&self, visit: Visit<'_>) -> bool {
        self.manner.watch.is_none() || self.divided(visit).1.is_empty()
    }

    /// The targets of a connection, its first job's first, as `/watch` names them.
    pub fn targets(&self, first: u64) -> impl Iterator<Item = String> + '_ {
        (0..self.manner.targets()).map(move |nth| self.target(self.nth_job(first, nth)))
    }

    /// A job, a channel or a room, as `/watch` names it.
    pub fn target(&self, job: u64) -> String {
        let job = self.job(job);
        match &self.place {
            Place::Channel(..) => format!("channel:{job}"),
            Place::Room(..) => format!("room:{job}"),
            Place::Jobs(dialect) | Place::Job(dialect, _) => format!("{}/{job}", dialect.name),
            Place::Url(..) | Place::Each(..) => job.to_owned(),
        }
    }

    fn contract_url(&self, visit: Visit<'_>) -> Url {
        let mut url = match &self.place {
            Place::Jobs(dialect) | Place::Job(dialect, _) => {
                net::socket_url(&self.server, &dialect.socket_path(self.job(visit.job)))
            }
            Place::Channel(dialect, name) => {
                let mut url = net::socket_url(&self.server, &dialect.route);
                url.query_pairs_mut().append_pair("channels", name);
                url
            }
            Place::Room(dialect, _) => net::socket_url(&self.server, &dialect.route),
            Place::Url(url, _) | Place::Each(url, _) => url.clone(),
        };
        self.add_common(&mut url, visit);
        if self.manner.resume && self.manner.transport.is_ws() {
            url.query_pairs_mut().append_pair("cursor", "1");
        }
        url
    }

    fn watch_url(&self, visit: Visit<'_>) -> Url {
        let mut url = self.bare_watch_url(visit);
        for target in self.divided(visit).0 {
            url.query_pairs_mut().append_pair("target", &target);
        }
        url
    }

    fn bare_watch_url(&self, visit: Visit<'_>) -> Url {
        let mut url = net::socket_url(&self.server, WATCH);
        self.add_common(&mut url, visit);
        url
    }

    /// Targets that go into the request, and those that follow in a message.
    fn divided(&self, visit: Visit<'_>) -> (Vec<String>, Vec<String>) {
        let mut left = MAX_QUERY.saturating_sub(self.bare_watch_url(visit).as_str().len());
        let mut first: Vec<String> = self.targets(visit.job).collect();
        let fitting = first.iter().take_while(|target| {
            // Encoded, a byte is three at most.
            let needed = "&target=".len() + 3 * target.len();
            let fits = needed <= left;
            left = left.saturating_sub(needed);
            fits
        });
        let rest = first.split_off(fitting.count());
        (first, rest)
    }

    fn add_common(&self, url: &mut Url, visit: Visit<'_>) {
        if let Some(token) = self.token(visit.conn) {
            url.query_pairs_mut().append_pair("token", token);
        }
        if let Some(since) = visit.since {
            url.query_pairs_mut().append_pair("since", since);
        }
    }

    /// The token of a connection.
    fn token(&self, conn: u64) -> Option<&str> {
        let turn = usize::try_from(conn % (self.tokens.len() as u64).max(1)).unwrap_or(0);
        self.tokens.get(turn).map(String::as_str)
    }
}
