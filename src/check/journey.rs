//! The way of an event, dialect by dialect: it is sent, comes by each transport, can be polled, and is there for who comes back.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::Method;
use tokio::time::{Instant, sleep};

use super::finding::{Blame, Finding, Trial, Tried, Wrong};
use super::ledger::Ledger;
use super::options::CheckOptions;
use super::route::{NAME, Route};
use super::server::Nature;
use super::watching::{Heard, Watching, Where};
use crate::dialect::{Auth, CloseReason, Dialect, JobState, Sample};
use crate::emit::Arrival;
use crate::net::token_source::{Token, TokenSource};
use crate::net::{NetError, http, http_url, token};

/// Time between two polls, while the state is not there yet.
const POLL: Duration = Duration::from_millis(50);

/// What all journeys of a check have in common.
pub(super) struct Journeys<'a> {
    pub(super) options: &'a CheckOptions,
    pub(super) nature: Nature,
    /// Address of the Redis that the relay reads from, by its own word.
    pub(super) redis: Option<&'a str>,
    /// Where events are sent; the reason where they are not.
    pub(super) ledger: Result<&'a Ledger, &'a str>,
    /// The token, read once.
    pub(super) token: Option<&'a Token>,
}

/// The steps of one dialect.
struct Journey<'a> {
    common: &'a Journeys<'a>,
    dialect: &'a Arc<Dialect>,
    route: Route,
    tried: Vec<Tried>,
}

/// Why the event was not sent.
#[derive(Debug, Clone)]
enum Unsent {
    /// It should have been; another step says what is wrong.
    Failed,
    /// Nobody wanted or was able to; the reason.
    Untried(String),
}

/// A watcher that was opened, or why it was not.
type Opened = Result<Watching, Finding>;

impl Journeys<'_> {
    /// Tries a dialect; at most a few times as long as a step may take.
    pub(super) async fn travel(&self, dialect: &Arc<Dialect>) -> Vec<Tried> {
        let journey = Journey { common: self, dialect, route: Route::new(dialect), tried: Vec::new() };
        let mut tried = journey.travel().await;
        tried.sort_by_key(|tried| Trial::ALL.iter().position(|trial| *trial == tried.trial));
        tried.retain(|tried| self.options.wants(tried.trial) || tried.wrong().is_some());
        tried
    }
}

impl Journey<'_> {
    async fn travel(mut self) -> Vec<Tried> {
        let (by_socket, by_stream) = (self.wants_socket(), self.wants_stream());
        let mut socket = if by_socket { Some(self.open_socket().await) } else { None };
        // A server that has no such socket, or lets nobody in, is not sent events of it.
        if let Some(Err(Finding::Skipped(why))) = &socket {
            let why = why.clone();
            for trial in Trial::OF_DIALECT {
                self.note(trial, Instant::now(), Finding::Skipped(why.clone()));
            }
            return self.tried;
        }
        let is_registered = self.register().await;
        let mut stream = if by_stream { Some(self.open_stream().await) } else { None };
        let sent_at = Instant::now();
        let sent = if is_registered { self.send().await } else { Err(Unsent::Failed) };
        let mut cursor = None;
        if let Some(opened) = &mut socket {
            let finding = self.arrival(opened, &sent, sent_at, &mut cursor).await;
            self.note(Trial::Websocket, sent_at, finding);
        }
        if let Some(opened) = &mut stream {
            // A cursor of either will do.
            let mut other = None;
            let finding = self.arrival(opened, &sent, sent_at, &mut other).await;
            self.note(Trial::Sse, sent_at, finding);
            cursor = cursor.or(other.filter(|_| !by_socket));
        } else if !self.is_new() {
            self.note(Trial::Sse, Instant::now(), Finding::Skipped(self.only_relays_have("event streams")));
        }
        if self.wants(Trial::Polling) {
            let began = Instant::now();
            let finding = self.poll(sent.is_ok()).await;
            self.note(Trial::Polling, began, finding);
        }
        for opened in [socket, stream].into_iter().flatten().flatten() {
            opened.close(self.limit()).await;
        }
        if self.wants(Trial::Resume) {
            let began = Instant::now();
            let finding = self.resume(&sent, cursor, by_socket).await;
            self.note(Trial::Resume, began, finding);
        }
        self.tried
    }

    fn wants(&self, trial: Trial) -> bool {
        self.common.options.wants(trial)
    }

    fn wants_socket(&self) -> bool {
        self.wants(Trial::Websocket) || self.wants(Trial::Resume)
    }

    fn wants_stream(&self) -> bool {
        self.wants(Trial::Sse) && self.is_new()
    }

    /// Whether the server has cursors and event streams.
    fn is_new(&self) -> bool {
        self.common.nature == Nature::Relay
    }

    const fn limit(&self) -> Duration {
        self.common.options.timeout
    }

    fn only_relays_have(&self, what: &str) -> String {
        match self.common.nature {
            Nature::OldRelay => format!("the relay is too old for {what}"),
            _ => format!("only a jobwire relay has {what}"),
        }
    }

    fn note(&mut self, trial: Trial, began: Instant, finding: Finding) {
        let dialect = Some(self.dialect.name.to_string());
        self.tried.push(Tried { trial, dialect, took: began.elapsed(), finding });
    }

    fn place(&self) -> Where<'_> {
        let CheckOptions { server, tls, .. } = self.common.options;
        Where { server, path: &self.route.path, token: self.common.token, tls, limit: self.limit() }
    }

    async fn open_socket(&self) -> Opened {
        let opened = Watching::socket(&self.place(), self.is_new(), None).await;
        let mut socket = opened.map_err(|error| self.unopened(&error))?;
        match socket.let_in(self.limit()).await {
            Err((code, reason)) => Err(self.closed(code, &reason)),
            Ok(()) => Ok(socket),
        }
    }

    async fn open_stream(&self) -> Opened {
        Watching::stream(&self.place(), None).await.map_err(|error| self.unopened(&error))
    }

    /// Why a watcher could not be opened.
    fn unopened(&self, error: &NetError) -> Finding {
        let NetError::Status { status, .. } = error else { return Finding::Wrong(Wrong::from(error)) };
        let is_foreign = self.common.nature == Nature::Foreign;
        match status {
            400..=499 if is_foreign && !self.common.options.are_named => {
                Finding::Skipped(format!("it has no such socket: it answered {status}"))
            }
            401 => self.refused(&error.to_string()),
            403 if !is_foreign => self.refused(&error.to_string()),
            // Frameworks of Python answer 403 where there is no route.
            403 | 404 | 405 | 410 | 426 => {
                let name = &self.dialect.name;
                let message = format!("the server does not know {}: it answered {status}", self.bare_path());
                Finding::Wrong(Wrong::new(Blame::NoRelay, message).hint(format!(
                    "is it a relay of this version, with the dialect {name} (--dialect-file)? --dialect tries others"
                )))
            }
            _ => Finding::Wrong(Wrong::from(error)),
        }
    }

    fn bare_path(&self) -> &str {
        self.route.path.split('?').next().unwrap_or_default()
    }

    /// A watcher that the server closed.
    fn closed(&self, code: Option<u16>, reason: &str) -> Finding {
        let said = match code {
            Some(code) => format!("the server closed the connection with {code} {reason}"),
            None if reason.is_empty() => "the server ended the connection without a word".to_owned(),
            None => reason.to_owned(),
        };
        let said = said.trim_end();
        if code.is_some_and(CloseReason::is_refusal) {
            self.refused(said)
        } else {
            Finding::Wrong(Wrong::new(Blame::Broken, said))
        }
    }

    /// The server lets nobody in, or not with this token.
    fn refused(&self, said: &str) -> Finding {
        if said.contains(CloseReason::NoSecret.text()) && self.common.token.is_none() {
            let hint = "it needs --jwt-secret, --jwks or --jwt-key, or --no-auth";
            return Finding::Skipped(format!(
                "the relay lets nobody in: {}; {hint}",
                CloseReason::NoSecret.text()
            ));
        }
        match (self.common.token, &self.common.options.token) {
            (Some(token), Some(source)) => {
                let remarks = token::remarks(token.as_str()).join(", ");
                let hint = match source {
                    TokenSource::Given(_) => format!("the token that was given {remarks}"),
                    TokenSource::File(path) => format!("the token in {} {remarks}", path.display()),
                };
                Finding::Wrong(Wrong::new(Blame::Refused, said).hint(hint))
            }
            _ => Finding::Skipped("it wants a token: give one with --token or --token-file".to_owned()),
        }
    }

    /// Tells the relay whose job it is, where that has to be known before anybody is let in. Whether events can be sent.
    async fn register(&mut self) -> bool {
        let (Ok(ledger), Ok(_)) = (self.common.ledger, &self.route.going) else { return true };
        if self.dialect.auth == Auth::None && self.dialect.catalogue.registration.is_none() {
            return true;
        }
        let owner = self.common.token.and_then(|token| token::subject(token.as_str()));
        let owner = owner.unwrap_or_else(|| NAME.to_owned());
        let Some(registration) = self.dialect.sample_registration(&owner) else { return true };
        let began = Instant::now();
        if let Some(ending) = &self.route.ending {
            ledger.opens(self.dialect, &self.route.job, ending);
        }
        match ledger.send(self.dialect, &self.route.job, &registration).await {
            Ok(_) => true,
            Err(wrong) => {
                ledger.ended(self.dialect, &self.route.job);
                self.note(Trial::Publish, began, Finding::Wrong(wrong));
                false
            }
        }
    }

    /// Sends the event that is watched for.
    async fn send(&mut self) -> Result<Sample, Unsent> {
        let began = Instant::now();
        let (ledger, going) = match (self.common.ledger, &self.route.going) {
            (_, Err(why)) => {
                let why = why.clone();
                self.note(Trial::Publish, began, Finding::Skipped(why.clone()));
                return Err(Unsent::Untried(why));
            }
            (Err(why), _) => {
                self.note(Trial::Publish, began, Finding::Skipped(why.to_owned()));
                return Err(Unsent::Untried("nothing was published".to_owned()));
            }
            (Ok(ledger), Ok(going)) => (ledger, going.clone()),
        };
        if self.dialect.channels.is_none()
            && let Some(ending) = &self.route.ending
        {
            ledger.ended(self.dialect, &self.route.job);
            ledger.opens(self.dialect, &self.route.job, ending);
        }
        let finding = match ledger.send(self.dialect, &self.route.job, &going).await {
            Ok(arrival) => self.sent(ledger, &going, &arrival),
            Err(wrong) => {
                ledger.ended(self.dialect, &self.route.job);
                Finding::Wrong(wrong)
            }
        };
        let is_sent = matches!(finding, Finding::Good(_));
        self.note(Trial::Publish, began, finding);
        if is_sent { Ok(going) } else { Err(Unsent::Failed) }
    }

    /// What the answer to an event says.
    fn sent(&self, ledger: &Ledger, sample: &Sample, arrival: &Arrival) -> Finding {
        let (event, to) = (&sample.event, ledger.sink().address());
        let channel = self.dialect.channel_of(&self.route.job);
        match arrival {
            Arrival::Heard(reach) if self.common.options.redis.is_some() && reach.is_nobody() => {
                let message = format!("nobody is subscribed to '{channel}' at {to}");
                let hint = match self.common.redis {
                    Some(redis) => format!(
                        "the relay reads from {redis}: is that the same Redis? With --streams it needs --durable here"
                    ),
                    None => "does the relay read from this Redis? With --streams it needs --durable here"
                        .to_owned(),
                };
                Finding::Wrong(Wrong::new(Blame::Broken, message).hint(hint))
            }
            Arrival::Heard(_) | Arrival::Spread => Finding::Good(format!("{event} to '{channel}' at {to}")),
            Arrival::Kept(key) => Finding::Good(format!("{event} to the stream '{key}' at {to}")),
        }
    }

    /// Waits for the event; the cursor behind it is left in `cursor`.
    async fn arrival(
        &self,
        opened: &mut Opened,
        sent: &Result<Sample, Unsent>,
        sent_at: Instant,
        cursor: &mut Option<String>,
    ) -> Finding {
        let watching = match opened {
            Ok(watching) => watching,
            Err(finding) => return finding.clone(),
        };
        match sent {
            Err(Unsent::Failed) => Finding::Skipped("it opens; publish failed".to_owned()),
            Err(Unsent::Untried(why)) => Finding::Good(format!("it opens; {why}, so that nothing came")),
            Ok(sample) => match self.wait_for(watching, sample, cursor).await {
                Ok(()) => Finding::Good(format!("{} came within {}", sample.event, shown(sent_at.elapsed()))),
                Err(finding) => finding,
            },
        }
    }

    async fn wait_for(
        &self,
        watching: &mut Watching,
        sample: &Sample,
        cursor: &mut Option<String>,
    ) -> Result<(), Finding> {
        let deadline = Instant::now() + self.limit();
        loop {
            match watching.next(deadline).await {
                None => {
                    let what = format!("{} did not come", sample.event);
                    let wrong = Wrong::too_slow(&what, self.limit());
                    return Err(Finding::Wrong(wrong.hint(
                        "is a proxy in between that keeps answers back, or is the relay subscribed elsewhere? its log tells",
                    )));
                }
                Some(Heard::Text { text, cursor: behind }) => {
                    let is_it = self.is_it(&text, sample);
                    *cursor = behind.or(cursor.take());
                    if is_it {
                        return Ok(());
                    }
                }
                Some(Heard::Cursor(moved)) => *cursor = Some(moved),
                Some(Heard::Gap(reason)) => {
                    let message = format!("the relay has a gap: {reason}");
                    return Err(Finding::Wrong(Wrong::new(Blame::Broken, message).hint(
                        "events were lost on the way to the relay, or it keeps too few of them (--keep-bytes); its log tells",
                    )));
                }
                Some(Heard::Closed { code, reason }) => return Err(self.closed(code, &reason)),
            }
        }
    }

    /// Whether a message is the event of this check.
    fn is_it(&self, text: &str, sample: &Sample) -> bool {
        let is_kind = match self.dialect.view(text) {
            Some(view) => *view.kind.name == *sample.kind,
            None => text.contains(&sample.kind),
        };
        is_kind && text.contains(&self.route.marker)
    }

    /// Polls until the state of the job is there.
    async fn poll(&self, is_sent: bool) -> Finding {
        let Some(path) = self.dialect.status_path(&self.route.job) else {
            return Finding::Skipped("the contract has no polling".to_owned());
        };
        let deadline = Instant::now() + self.limit();
        loop {
            let error = match self.state(&path).await {
                Ok(Some(state)) => return Finding::Good(format!("it tells {state}")),
                Ok(None) if !is_sent => return Finding::Good("it answers".to_owned()),
                Ok(None) => Wrong::new(Blame::Broken, format!("{path} tells no state of a job")),
                Err(NetError::Status { status: 404, code: Some(_), .. }) if !is_sent => {
                    return Finding::Good("it answers that there is no such job".to_owned());
                }
                Err(error @ NetError::Status { status: 401 | 403, .. }) => {
                    return self.refused(&error.to_string());
                }
                Err(NetError::Status { status, .. })
                    if self.common.nature == Nature::Foreign && (400..500).contains(&status) =>
                {
                    return Finding::Skipped(format!("it has no polling: it answered {status}"));
                }
                Err(error) => Wrong::from(&error),
            };
            if !is_sent || Instant::now() + POLL > deadline {
                return Finding::Wrong(error);
            }
            sleep(POLL).await;
        }
    }

    /// The state of the job in words, if the answer tells one.
    async fn state(&self, path: &str) -> Result<Option<String>, NetError> {
        let url = http_url(&self.common.options.server, path);
        let (url, header) = match self.common.token {
            Some(token) if crate::net::login(&url).is_some() => (token.in_query(&url), None),
            Some(token) => {
                let (url, header) = token.in_header(&url);
                (url, Some(header))
            }
            None => (url, None),
        };
        let headers: Vec<_> = header.iter().map(|header| ("authorization", header.as_str())).collect();
        let answer =
            http::request(Method::GET, &url, &headers, Bytes::new(), &self.common.options.tls, self.limit());
        let body = answer.await?.success(&url)?;
        let view = std::str::from_utf8(&body).ok().and_then(|body| self.dialect.view_status(body));
        Ok(view.map(|view| {
            let word = match view.state {
                JobState::Queued => "queued",
                JobState::Running => "running",
                JobState::Succeeded => "succeeded",
                JobState::Failed => "failed",
                JobState::Cancelled => "cancelled",
            };
            let percent = view.percent.map(|percent| format!(", {percent} %")).unwrap_or_default();
            format!("the job's state: {word}{percent}")
        }))
    }

    /// Sends the last event while nobody watches, and comes back for it with the cursor.
    async fn resume(
        &mut self,
        sent: &Result<Sample, Unsent>,
        cursor: Option<String>,
        by_socket: bool,
    ) -> Finding {
        match sent {
            Ok(_) => {}
            Err(Unsent::Failed) => return Finding::Skipped("publish failed".to_owned()),
            Err(Unsent::Untried(why)) => return Finding::Skipped(why.clone()),
        }
        let (Ok(ledger), Some(ending)) = (self.common.ledger, self.route.ending.clone()) else {
            return Finding::Skipped("its file names no event that ends a job well ([publish])".to_owned());
        };
        if !self.is_new() {
            return Finding::Skipped(self.only_relays_have("cursors"));
        }
        let Some(cursor) = cursor else {
            let is_down = |tried: &Tried| tried.trial == Trial::Websocket && tried.wrong().is_some();
            if self.tried.iter().any(is_down) {
                return Finding::Skipped("websocket failed".to_owned());
            }
            let wrong = Wrong::new(Blame::NoRelay, "events come without a cursor");
            return Finding::Wrong(
                wrong.hint("does a proxy in between drop the query? Or the relay is an old one: upgrade it"),
            );
        };
        if let Err(wrong) = ledger.send(self.dialect, &self.route.job, &ending).await {
            return Finding::Wrong(wrong);
        }
        ledger.ended(self.dialect, &self.route.job);
        let opened = if by_socket {
            Watching::socket(&self.place(), true, Some(&cursor)).await
        } else {
            Watching::stream(&self.place(), Some(&cursor)).await
        };
        let mut watching = match opened {
            Ok(watching) => watching,
            Err(error) => return self.unopened(&error),
        };
        let mut behind = None;
        let waited = self.wait_for(&mut watching, &ending, &mut behind).await;
        watching.close(self.limit()).await;
        match waited {
            Err(finding) => finding,
            Ok(()) if behind.is_none() => {
                let message = "the relay tells the state and not what was missed: it does not know cursors";
                Finding::Wrong(
                    Wrong::new(Blame::NoRelay, message).hint("the relay is an old one: upgrade it"),
                )
            }
            Ok(()) => Finding::Good(format!("{} was missed, and came after coming back", ending.event)),
        }
    }
}

/// A short time for people.
fn shown(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}
