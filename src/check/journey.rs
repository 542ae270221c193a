//! Steps of each dialect: an event is sent and received by each transport, its job is polled, and a watcher resumes.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use hyper::Method;
use jiff::Timestamp;
use tokio::time::{Instant, sleep};

use super::audience::watchers;
use super::door::{Checked, Door, Shut};
use super::finding::{Blame, Finding, Trial, Tried, Wrong};
use super::ledger::Ledger;
use super::options::CheckOptions;
use super::route::{NAME, Route};
use super::server::Nature;
use super::watching::{Heard, Watching};
use crate::dialect::{Auth, Dialect, JobState, Sample};
use crate::emit::Arrival;
use crate::net::{NetError, http, http_url, login, token};
use crate::text::counted;

/// Time between two polls while the state of the job is missing.
const POLL: Duration = Duration::from_millis(50);

/// Code of the answer about a job whose owner is another user or unknown.
const NOT_THE_OWNER: &str = "not_the_owner";

/// Parts that the journeys of all dialects share.
pub(super) struct Journeys<'a> {
    pub(super) checked: Checked<'a>,
    /// Address of the Redis that the relay reads from, as the relay gives it.
    pub(super) redis: Option<&'a str>,
    /// Ledger that sends the events, or the reason why none are sent.
    pub(super) ledger: Result<&'a Ledger, &'a str>,
}

/// The steps of one dialect.
struct Journey<'a> {
    common: &'a Journeys<'a>,
    checked: Checked<'a>,
    dialect: &'a Arc<Dialect>,
    route: Route,
    tried: Vec<Tried>,
    /// First transport that delivered the event, and the cursor behind the event.
    came: Option<(Trial, Option<String>)>,
}

/// Reason why the event was not sent.
#[derive(Debug, Clone)]
enum Unsent {
    /// The event could not be sent; another step reports the fault.
    Failed,
    /// Sending was not tried; the text gives the reason.
    Untried(String),
}

/// A transport, with its open watcher or the reason why it could not be opened.
type Opened = (Trial, Result<Watching, Shut>);

impl Journeys<'_> {
    /// Takes all steps of a dialect, in at most fifteen times the limit of a step.
    pub(super) async fn travel(&self, dialect: &Arc<Dialect>) -> Vec<Tried> {
        let (checked, route) = (self.checked, Route::new(dialect));
        let journey = Journey { common: self, checked, dialect, route, tried: Vec::new(), came: None };
        let mut tried = journey.travel().await;
        tried.sort_by_key(|tried| tried.trial);
        tried.retain(|tried| checked.options.wants(tried.trial) || tried.wrong().is_some());
        tried
    }
}

impl Journey<'_> {
    async fn travel(mut self) -> Vec<Tried> {
        self.spare_others().await;
        let mut opened: Vec<Opened> = Vec::new();
        if self.wants(Trial::Websocket) || self.wants(Trial::Resume) {
            let socket = self.door().open(Trial::Websocket).await;
            // Do not send events of a dialect whose socket the server lacks or refuses.
            if let Err(Shut::Dialect(finding)) = &socket {
                let finding = finding.clone();
                self.give_up(&finding);
                return self.tried;
            }
            opened.push((Trial::Websocket, socket));
        }
        let is_registered = self.register().await;
        opened.extend(self.open_others().await);
        let sent_at = Instant::now();
        let sent = if is_registered { self.send().await } else { Err(Unsent::Failed) };
        let deadline = Instant::now() + self.checked.limit();
        let arrivals = opened.iter_mut().map(|(transport, opened)| {
            let (journey, sent, transport) = (&self, &sent, *transport);
            async move {
                let (finding, cursor) = match opened {
                    Ok(watching) => journey.arrival(watching, sent, (sent_at, deadline)).await,
                    Err(shut) => (journey.kept_out(transport, shut, sent), None),
                };
                (transport, finding, cursor)
            }
        });
        let arrivals = join_all(arrivals).await;
        for (transport, finding, cursor) in arrivals {
            // A cursor of `/watch` covers many targets and is of no use at the socket of one.
            let is_of_one = transport != Trial::Watch;
            if sent.is_ok() && is_of_one && self.came.is_none() && matches!(finding, Finding::Good(_)) {
                self.came = Some((transport, cursor));
            }
            self.note(transport, sent_at, finding);
        }
        if self.wants(Trial::Polling) {
            let began = Instant::now();
            let finding = self.poll(sent.is_ok()).await;
            self.note(Trial::Polling, began, finding);
        }
        let open = opened.into_iter().filter_map(|(_, opened)| opened.ok());
        join_all(open.map(|watching| watching.close(self.checked.limit()))).await;
        if self.wants(Trial::Resume) {
            let began = Instant::now();
            let finding = self.resume(&sent).await;
            self.note(Trial::Resume, began, finding);
        }
        if sent.is_ok() && self.is_nobodys().await {
            self.excuse();
        }
        self.tried
    }

    fn wants(&self, trial: Trial) -> bool {
        self.checked.options.wants(trial)
    }

    fn door(&self) -> Door<'_> {
        let Route { path, target, .. } = &self.route;
        Door { checked: self.checked, dialect: self.dialect, path, target }
    }

    fn note(&mut self, trial: Trial, began: Instant, finding: Finding) {
        let dialect = Some(self.dialect.name.to_string());
        self.tried.push(Tried { trial, dialect, took: began.elapsed(), finding });
    }

    /// Gives up sending into a channel that others watch or may watch, unless the user named its dialect.
    async fn spare_others(&mut self) {
        let options = self.checked.options;
        if self.dialect.channels.is_none() || options.are_named || self.common.ledger.is_err() {
            return;
        }
        let job = &self.route.job;
        let why = match watchers(options, job).await {
            Some(0) => return,
            Some(others) => format!("'{job}' has {}, who would see the event", counted(others, "watcher")),
            None => format!("the event could not be tried: the server does not tell who watches '{job}'"),
        };
        self.route.going = Err(format!("{why} (--dialect {} sends it all the same)", self.dialect.name));
    }

    /// Skips all remaining steps of the dialect.
    fn give_up(&mut self, finding: &Finding) {
        let rest = match finding {
            Finding::Wrong(_) => Finding::Skipped("websocket failed".to_owned()),
            other => other.clone(),
        };
        for trial in Trial::OF_DIALECT {
            let finding = if trial == Trial::Websocket { finding } else { &rest };
            self.note(trial, Instant::now(), finding.clone());
        }
    }

    /// Opens the watchers that only relays have, all at once.
    async fn open_others(&mut self) -> Vec<Opened> {
        let others = [(Trial::Sse, "event streams"), (Trial::Watch, "/watch")];
        if !self.checked.is_new() {
            for (transport, what) in others {
                let why = self.checked.only_relays_have(what);
                self.note(transport, Instant::now(), Finding::Skipped(why));
            }
            return Vec::new();
        }
        let door = self.door();
        let wanted = others.into_iter().filter(|(transport, _)| self.wants(*transport));
        join_all(wanted.map(|(transport, _)| async move { (transport, door.open(transport).await) })).await
    }

    /// Registers the owner of the job where the dialect requires that before a watcher is let in. Returns whether events can be
    /// sent.
    async fn register(&mut self) -> bool {
        let (Ok(ledger), Ok(_)) = (self.common.ledger, &self.route.going) else { return true };
        if self.dialect.auth == Auth::None && self.dialect.catalogue.registration.is_none() {
            return true;
        }
        let owner = self.checked.token.and_then(|token| token::subject(token.as_str()));
        let owner = owner.unwrap_or_else(|| NAME.to_owned());
        let Some(registration) = self.dialect.sample_registration(&owner) else { return true };
        let began = Instant::now();
        let Route { job, ending, .. } = &self.route;
        match ledger.begin(self.dialect, job, &registration, ending.as_ref()).await {
            Ok(_) => true,
            Err(wrong) => {
                self.note(Trial::Publish, began, Finding::Wrong(wrong));
                false
            }
        }
    }

    /// Sends the event that the watchers wait for.
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
        let Route { job, ending, .. } = &self.route;
        // Events of channels end no job.
        let ending = ending.as_ref().filter(|_| self.dialect.channels.is_none());
        let finding = match ledger.begin(self.dialect, job, &going, ending).await {
            Ok(arrival) => self.sent(ledger, &going, &arrival),
            Err(wrong) => Finding::Wrong(wrong),
        };
        let is_sent = matches!(finding, Finding::Good(_));
        self.note(Trial::Publish, began, finding);
        if is_sent { Ok(going) } else { Err(Unsent::Failed) }
    }

    /// Finding of the step `publish`, from the sink's answer.
    fn sent(&self, ledger: &Ledger, sample: &Sample, arrival: &Arrival) -> Finding {
        let (event, to) = (&sample.event, ledger.sink().address());
        let channel = self.dialect.channel_of(&self.route.job);
        match arrival {
            Arrival::Heard(reach) if self.checked.options.redis.is_some() && reach.is_nobody() => {
                let message = format!("nobody is subscribed to '{channel}' at {to}");
                let question = match self.common.redis {
                    Some(redis) => format!("the relay reads from {redis}: is that the same Redis"),
                    None => "does the relay read from this Redis".to_owned(),
                };
                let hint = "with the same --channel-prefix? With --streams it needs --durable here";
                Finding::Wrong(Wrong::new(Blame::Broken, message).hint(format!("{question}, {hint}")))
            }
            Arrival::Heard(_) | Arrival::Spread => Finding::Good(format!("{event} to '{channel}' at {to}")),
            Arrival::Kept(key) => Finding::Good(format!("{event} to the stream '{key}' at {to}")),
        }
    }

    /// Finding of an open watcher, and the cursor behind the event.
    async fn arrival(
        &self,
        watching: &mut Watching,
        sent: &Result<Sample, Unsent>,
        (sent_at, deadline): (Instant, Instant),
    ) -> (Finding, Option<String>) {
        let sample = match sent {
            Err(Unsent::Failed) => return (Finding::Skipped("it opens; publish failed".to_owned()), None),
            Err(Unsent::Untried(why)) => {
                return (Finding::Good(format!("it opens; {why}, so that nothing came")), None);
            }
            Ok(sample) => sample,
        };
        match self.wait_for(watching, sample, deadline).await {
            Ok(cursor) => {
                let within = shown(sent_at.elapsed());
                (Finding::Good(format!("{} came within {within}", sample.event)), cursor)
            }
            Err(finding) => (finding, None),
        }
    }

    /// Finding of a watcher that could not be opened.
    fn kept_out(&self, transport: Trial, shut: &Shut, sent: &Result<Sample, Unsent>) -> Finding {
        let finding = shut.finding();
        let is_late = matches!(finding, Finding::Wrong(wrong) if wrong.blame == Blame::Broken);
        if transport == Trial::Sse && is_late && sent.is_err() && self.checked.token.is_some() {
            return Finding::Skipped("it waits to learn whose job it is; nothing was published".to_owned());
        }
        finding.clone()
    }

    /// Waits for an event and returns the cursor behind it.
    async fn wait_for(
        &self,
        watching: &mut Watching,
        sample: &Sample,
        deadline: Instant,
    ) -> Result<Option<String>, Finding> {
        let mut cursor = None;
        loop {
            match watching.next(deadline).await {
                None => {
                    let what = format!("{} did not come", sample.event);
                    let wrong = Wrong::too_slow(&what, self.checked.limit());
                    return Err(Finding::Wrong(wrong.hint(
                        "is a proxy in between that keeps answers back, or is the relay subscribed elsewhere? its log tells",
                    )));
                }
                Some(Heard::Text { text, cursor: behind }) => {
                    cursor = behind.or(cursor);
                    if self.is_it(&text, sample) {
                        return Ok(cursor);
                    }
                }
                Some(Heard::Cursor(moved)) => cursor = Some(moved),
                Some(Heard::Gap(reason)) => {
                    let message = format!("the relay has a gap: {reason}");
                    return Err(Finding::Wrong(Wrong::new(Blame::Broken, message).hint(
                        "events were lost on the way to the relay, or it keeps too few of them (--keep-bytes); its log tells",
                    )));
                }
                Some(Heard::Shut(shutting)) => return Err(self.door().closed(&shutting)),
            }
        }
    }

    /// Whether a message is the event that this check has sent.
    fn is_it(&self, text: &str, sample: &Sample) -> bool {
        let is_kind = match self.dialect.view(text) {
            Some(view) => *view.kind.name == *sample.kind,
            None => text.contains(&sample.kind),
        };
        // In a dialect with a channel for each job, events may leave out the job's name.
        let Route { job, marker, .. } = &self.route;
        let payload = self.dialect.build(&sample.event, job, &sample.fields, Timestamp::UNIX_EPOCH);
        is_kind && (text.contains(marker) || payload.is_ok_and(|payload| !payload.contains(marker)))
    }

    /// Polls until the answer has the state of the job.
    async fn poll(&self, is_sent: bool) -> Finding {
        let Some(path) = self.dialect.status_path(&self.route.job) else {
            return Finding::Skipped("the contract has no polling".to_owned());
        };
        let deadline = Instant::now() + self.checked.limit();
        loop {
            let error = match self.state(&path).await {
                Ok(Some(state)) => return Finding::Good(format!("it tells {state}")),
                Ok(None) if !is_sent => {
                    return Finding::Skipped("it answers, and tells no state of a job".to_owned());
                }
                Ok(None) => Wrong::new(Blame::Broken, format!("{path} tells no state of a job"))
                    .hint("is a cache or another server in between?"),
                Err(NetError::Status { status: 404, code: Some(_), .. }) if !is_sent => {
                    return Finding::Good("it answers that there is no such job".to_owned());
                }
                Err(error @ NetError::Status { status: 401 | 403, .. }) => {
                    return self.checked.refused(&error.to_string());
                }
                Err(NetError::Status { status, .. })
                    if self.checked.nature == Nature::Foreign && (400..500).contains(&status) =>
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

    /// State of the job in words, if the answer has it.
    async fn state(&self, path: &str) -> Result<Option<String>, NetError> {
        let body = self.polled(path).await?;
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

    /// Body of the answer at the dialect's status path.
    async fn polled(&self, path: &str) -> Result<Bytes, NetError> {
        let CheckOptions { server, tls, .. } = self.checked.options;
        let url = http_url(server, path);
        let (url, header) = match self.checked.token {
            Some(token) if login(&url).is_some() => (token.in_query(&url), None),
            Some(token) => {
                let (url, header) = token.in_header(&url);
                (url, Some(header))
            }
            None => (url, None),
        };
        let headers: Vec<_> = header.iter().map(|header| ("authorization", header.as_str())).collect();
        let answer = http::request(Method::GET, &url, &headers, Bytes::new(), tls, self.checked.limit());
        answer.await?.success(&url)
    }

    /// Whether the relay shows jobs to their owners alone and cannot learn the owner of this check's job.
    async fn is_nobodys(&self) -> bool {
        let is_wrong = self.tried.iter().any(|tried| tried.wrong().is_some());
        if !is_wrong || self.checked.token.is_none() || self.dialect.catalogue.registration.is_some() {
            return false;
        }
        let Some(path) = self.dialect.status_path(&self.route.job) else { return false };
        let answer = self.polled(&path).await;
        matches!(answer, Err(NetError::Status { status: 403, code: Some(code), .. }) if code == NOT_THE_OWNER)
    }

    /// Turns the failures of transports that are closed to every watcher into skipped steps.
    fn excuse(&mut self) {
        let why = "it shows jobs to their owners alone, and its events name none";
        for tried in &mut self.tried {
            if tried.trial != Trial::Publish && tried.wrong().is_some() {
                tried.finding = Finding::Skipped(why.to_owned());
            }
        }
    }

    /// Sends the last event while no watcher is connected, then resumes from the cursor to receive it.
    async fn resume(&mut self, sent: &Result<Sample, Unsent>) -> Finding {
        match sent {
            Ok(_) => {}
            Err(Unsent::Failed) => return Finding::Skipped("publish failed".to_owned()),
            Err(Unsent::Untried(why)) => return Finding::Skipped(why.clone()),
        }
        let (Ok(ledger), Some(ending)) = (self.common.ledger, self.route.ending.clone()) else {
            return Finding::Skipped("its file names no event that ends a job well ([publish])".to_owned());
        };
        if !self.checked.is_new() {
            return Finding::Skipped(self.checked.only_relays_have("cursors"));
        }
        let Some((transport, cursor)) = self.came.take() else {
            return Finding::Skipped("websocket failed".to_owned());
        };
        let Some(cursor) = cursor else {
            let wrong = Wrong::new(Blame::NoRelay, "events come without a cursor");
            return Finding::Wrong(
                wrong.hint("does a proxy in between drop the query? Or the relay is an old one: upgrade it"),
            );
        };
        if let Err(wrong) = ledger.end(self.dialect, &self.route.job, &ending).await {
            return Finding::Wrong(wrong);
        }
        let mut watching = match self.door().resume(transport, &cursor).await {
            Ok(watching) => watching,
            Err(finding) => return finding,
        };
        let deadline = Instant::now() + self.checked.limit();
        let waited = self.wait_for(&mut watching, &ending, deadline).await;
        watching.close(self.checked.limit()).await;
        match waited {
            Err(finding) => finding,
            Ok(None) => {
                let message = "the relay tells the state and not what was missed: it does not know cursors";
                Finding::Wrong(
                    Wrong::new(Blame::NoRelay, message).hint("the relay is an old one: upgrade it"),
                )
            }
            Ok(Some(_)) => Finding::Good(format!("{} was missed, and came after coming back", ending.event)),
        }
    }
}

/// A short time for people, in milliseconds.
fn shown(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}
