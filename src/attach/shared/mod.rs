//! One socket for all targets of a server, where the server offers `/watch`: connect, read, poll while it is down, and
//! come back where it was.
//!
//! A server is asked once, before its first socket: on this machine one request more is not noticed. To a server elsewhere
//! the first few sockets are opened meanwhile, and read or closed once the answer is there. A server that does not offer
//! `/watch` gets a [`Follower`] for each target, as any server of the contracts does.

mod request;
mod resume;
mod session;
mod trail;

use std::time::{Duration, Instant};

use futures_util::SinkExt;
use jiff::Timestamp;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use url::Url;

use super::Observer;
use super::board::Source;
use super::follow::{Follower, Gate};
use super::job::Link;
use super::place::Place;
use super::poll::{Polled, poll};
use super::report::{Envelope, Report, Timing};
use super::retry::{End, Next, Tries};
use crate::dialect::JobState;
use crate::exit::{Exit, Failure};
use crate::net::offer::{Offer, WATCH, ask};
use crate::net::tls::Tls;
use crate::net::token_source::TokenSource;
use crate::net::websocket::{Limits, Message, connect_with, lost};
use crate::net::{address, is_loopback, socket_url};
use crate::wire::watch::MAX_TARGETS;
use request::{Request, Wishes};
use session::Session;

/// Sockets that are opened while a server is asked, at most.
const MAX_EARLY: usize = 4;

/// A target of the board, or all channels and rooms of it.
pub(super) struct Member {
    /// What of the board it is.
    pub(super) source: Source,
    /// Where it is found.
    pub(super) place: Place,
    /// Nothing more is expected of it, or all is over.
    pub(super) stop: CancellationToken,
}

/// What the connections of one server have in common.
#[derive(Clone)]
pub(super) struct Settings {
    /// The server.
    pub(super) server: Url,
    /// Proves who is watching.
    pub(super) token: Option<TokenSource>,
    /// The publish key, which opens lists of jobs.
    pub(super) key: Option<String>,
    /// TLS settings of the connections.
    pub(super) tls: Tls,
    /// Failed attempts in a row that are made up for by another try.
    pub(super) retries: u32,
    /// How long things may take.
    pub(super) timing: Timing,
    /// Kinds of event that the server is to send; empty: all.
    pub(super) kinds: Vec<String>,
    /// Whether the run so far is asked for.
    pub(super) replay: bool,
    pub(super) observer: Option<Observer>,
    /// Bounded: while the renderer is behind, nothing more is read, and TCP pushes back.
    pub(super) reports: mpsc::Sender<Envelope>,
    /// All is over.
    pub(super) stop: CancellationToken,
}

/// Follows all targets of one server.
pub(super) struct Shared {
    pub(super) settings: Settings,
    pub(super) members: Vec<Member>,
}

/// Whether to go on.
#[derive(PartialEq, Eq)]
enum Then {
    Again,
    Done,
}

impl Shared {
    /// Runs until stopped, refused, or out of retries; reports all that happens.
    pub(super) async fn run(self) {
        let takes_token = self.members.first().is_some_and(|member| member.place.takes_token);
        let mut tries = Tries::new(&self.settings.timing, self.settings.token.clone(), takes_token);
        let settings = &self.settings;
        let (wanted, gate) = watch::channel(None);
        let mut early = self.early(&Gate(gate));
        loop {
            let asking = ask(&settings.server, &settings.tls, settings.timing.offer);
            let offer = settings.stop.run_until_cancelled(asking).await;
            if !early.is_empty() {
                let are_wanted = matches!(offer, Some(Offer::Nothing | Offer::Busy(_)));
                let _ = wanted.send(Some(are_wanted));
                while early.join_next().await.is_some() {}
                if are_wanted {
                    return;
                }
            }
            match offer {
                None => return,
                Some(Offer::Watch) => break,
                Some(Offer::Nothing) => return self.apart().await,
                // A request more would be one too many. A list of jobs can wait for the answer alone.
                Some(Offer::Busy(error)) if !self.members.iter().any(|member| member.place.is_every) => {
                    return match self.between(End::Failed(error), &mut tries, None).await {
                        Then::Again => self.apart().await,
                        Then::Done => {}
                    };
                }
                Some(Offer::Busy(error) | Offer::Unreachable(error)) => {
                    if self.between(End::Failed(error), &mut tries, None).await == Then::Done {
                        return;
                    }
                }
            }
        }
        let mut followers = JoinSet::new();
        for part in self.parts() {
            let (token, timing) = (part.settings.token.clone(), part.settings.timing);
            let tries = Tries::new(&timing, token, takes_token);
            followers.spawn(async move { part.watch(tries).await });
        }
        while followers.join_next().await.is_some() {}
    }

    /// Parts of as many targets as one connection may have.
    fn parts(self) -> Vec<Self> {
        let mut parts: Vec<Self> = Vec::new();
        let mut room = 0;
        for member in self.members {
            let size = member.place.targets.len();
            if parts.is_empty() || size > room {
                room = MAX_TARGETS;
                parts.push(Self { settings: self.settings.clone(), members: Vec::new() });
            }
            room = room.saturating_sub(size);
            parts.last_mut().expect("one was begun").members.push(member);
        }
        parts
    }

    /// A socket for each target, of a server that offers no other.
    async fn apart(self) {
        let mut followers = JoinSet::new();
        for member in &self.members {
            if member.place.is_every {
                self.report(member, Report::Lost(no_lists(&self.settings.server))).await;
            } else {
                followers.spawn(self.follower(member, None).run());
            }
        }
        while followers.join_next().await.is_some() {}
    }

    /// Followers whose sockets are opened while a server elsewhere is asked, since the answer takes as long as they do. A
    /// relay would have to close them again, so of many targets there are none.
    fn early(&self, gate: &Gate) -> JoinSet<()> {
        let mut early = JoinSet::new();
        let is_worth_it = !is_loopback(&self.settings.server)
            && self.members.len() <= MAX_EARLY
            && !self.members.iter().any(|member| member.place.is_every);
        for member in self.members.iter().filter(|_| is_worth_it) {
            early.spawn(self.follower(member, Some(gate.clone())).run());
        }
        early
    }

    fn follower(&self, member: &Member, gate: Option<Gate>) -> Follower {
        let Settings { token, tls, retries, timing, observer, reports, .. } = self.settings.clone();
        let (source, place, stop) = (member.source, member.place.clone(), member.stop.clone());
        Follower { source, place, token, tls, retries, timing, observer, gate, reports, stop }
    }

    /// Watches over one socket after the other.
    async fn watch(self, mut tries: Tries) {
        let mut session = Session::new(&self.settings, &self.members);
        for member in &self.members {
            self.report(member, Report::Resumes).await;
        }
        let mut down = None;
        loop {
            let end = self.attempt(&mut tries, &mut session, &mut down).await;
            if self.between(end, &mut tries, down).await == Then::Done {
                return;
            }
        }
    }

    /// Connects and reads until the connection ends. `down` is set to when it ended.
    async fn attempt(&self, tries: &mut Tries, session: &mut Session<'_>, down: &mut Option<Instant>) -> End {
        let Settings { server, tls, timing, key, stop, .. } = &self.settings;
        let groups = session.open();
        if groups.is_empty() {
            return End::Stopped;
        }
        let wishes = Wishes { kinds: self.settings.kinds.clone(), replay: self.settings.replay };
        let socket = socket_url(server, WATCH);
        let request = Request::new(&socket, &groups, &session.resume, &wishes);
        let url = match tries.access.token() {
            Ok(token) => token.map_or_else(|| request.url.clone(), |token| token.in_query(&request.url)),
            Err(failure) => return End::NoToken(failure),
        };
        let bearer = key.as_ref().map(|key| format!("Bearer {key}"));
        let connecting = connect_with(&url, bearer.as_deref(), tls, Limits::default(), timing.attempt);
        let mut socket = match stop.run_until_cancelled(connecting).await {
            None => return End::Stopped,
            Some(Err(error)) => return End::Failed(error),
            Some(Ok(socket)) => socket,
        };
        let since = Instant::now();
        tries.connected = true;
        session.opened(&request.targets);
        let reading = async {
            for message in &request.messages {
                if let Err(error) = socket.send(Message::text(message.as_str())).await {
                    return End::Failed(lost(&url, &error));
                }
            }
            session.read(&mut socket, &url, &mut tries.access, &wishes).await
        };
        let end = stop.run_until_cancelled(reading).await.unwrap_or(End::Stopped);
        if matches!(end, End::Stopped) {
            // Nothing more is wanted, so a server that does not take the close is not waited for long.
            let _ = timeout(Duration::from_millis(200), socket.close(None)).await;
        }
        if since.elapsed() >= timing.held {
            tries.held();
        } else if session.is_confirmed() {
            tries.confirmed(since.elapsed());
        }
        *down = Some(Instant::now());
        match &end {
            End::Closed { reason, .. } => self.disconnected(reason.clone()).await,
            End::Failed(error) => self.disconnected(error.to_string()).await,
            End::Stopped | End::NoToken(_) => {}
        }
        end
    }

    async fn disconnected(&self, reason: String) {
        for member in self.open() {
            self.report(member, Report::Link(Link::Disconnected { reason: reason.clone() })).await;
        }
    }

    /// Members of which more is expected.
    fn open(&self) -> impl Iterator<Item = &Member> {
        self.members.iter().filter(|member| !member.stop.is_cancelled())
    }

    /// Decides what comes after a connection, says so, and waits, polling meanwhile.
    async fn between(&self, end: End, tries: &mut Tries, down: Option<Instant>) -> Then {
        let Some(first) = self.members.first() else { return Then::Done };
        let socket = socket_url(&self.settings.server, WATCH);
        let (link, wait, hint) = match tries.next(end, &first.place.dialect, &socket, self.settings.retries) {
            Next::Stop => return Then::Done,
            Next::Lost(failure) => {
                for member in self.open() {
                    self.report(member, Report::Lost(failure.clone())).await;
                }
                return Then::Done;
            }
            Next::Pause { link, wait, hint } => (link, wait, hint),
        };
        for member in self.open() {
            self.report(member, Report::Link(link.clone())).await;
        }
        if let Some(hint) = hint.filter(|_| !tries.connected) {
            self.report(first, Report::Hint(hint)).await;
        }
        let until = tokio::time::Instant::now() + wait;
        let polling = self.poll_until(until, tries, down);
        match self.settings.stop.run_until_cancelled(polling).await {
            Some(()) => Then::Again,
            None => Then::Done,
        }
    }

    /// Polls each job in its turn, until the socket is to be tried again.
    async fn poll_until(&self, until: tokio::time::Instant, tries: &mut Tries, down: Option<Instant>) {
        let timing = &self.settings.timing;
        let polls: Vec<&Member> = self.open().filter(|member| member.place.status.is_some()).collect();
        loop {
            sleep_until(if polls.is_empty() { until } else { tries.next_poll.min(until) }).await;
            if tokio::time::Instant::now() >= until {
                return;
            }
            tries.next_poll = tokio::time::Instant::now() + timing.poll;
            for member in &polls {
                // An answer that comes after the socket was to be tried again is late: the socket is better.
                let polled = tokio::select! {
                    polled = poll(&member.place, &mut tries.access, &self.settings.tls, timing.attempt) => polled,
                    () = sleep_until(until) => return,
                };
                match polled {
                    Polled::Nothing => {}
                    Polled::Later(after) => {
                        tries.next_poll = tokio::time::Instant::now() + after.max(timing.poll);
                        break;
                    }
                    Polled::Refused(failure) => {
                        self.report(member, Report::Lost(failure)).await;
                        member.stop.cancel();
                    }
                    Polled::Body(body) => {
                        tries.reached();
                        if !self.is_early(member, &body, down) {
                            self.report(member, Report::Link(Link::Polling)).await;
                            self.report(member, Report::Status(body)).await;
                        }
                    }
                }
            }
        }
    }

    /// Whether a polled ending is left to the socket, which tells what came before it too, if it comes back soon.
    fn is_early(&self, member: &Member, body: &str, down: Option<Instant>) -> bool {
        let state = member.place.dialect.view_status(body).map(|view| view.state);
        down.is_some_and(|down| down.elapsed() < self.settings.timing.trust)
            && matches!(state, Some(JobState::Succeeded | JobState::Failed | JobState::Cancelled))
    }

    async fn report(&self, member: &Member, report: Report) {
        let envelope = Envelope { source: member.source, received_at: Timestamp::now(), report };
        // A main loop that is gone wants nothing more.
        let _ = self.settings.reports.send(envelope).await;
    }
}

/// A server that cannot list its jobs.
fn no_lists(server: &Url) -> Failure {
    let message = format!("the server at {} cannot watch every job: it offers no /watch", address(server));
    Failure::new(Exit::Unreachable, message)
        .hint("name the jobs, as in scraping/123, or watch a jobwire relay that is new enough")
}
