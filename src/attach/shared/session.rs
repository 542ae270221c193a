//! What comes over a shared socket, told to the board by target.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use jiff::Timestamp;
use tokio::time::{MissedTickBehavior, interval};
use url::Url;

use super::request::{Wishes, text, watch, watch_names};
use super::resume::{Group, Item, Items, Resume};
use super::{Member, Settings};
use crate::attach::access::Access;
use crate::attach::job::{Link, When};
use crate::attach::report::{Envelope, Report};
use crate::attach::retry::End;
use crate::attach::verdict::{Verdict, of_complaint};
use crate::dialect::Outcome;
use crate::exit::Failure;
use crate::net::websocket::{Error, Message, WebSocket, lost};
use crate::net::{NetError, address};
use crate::wire::watch::{ClientMessage, ServerMessage};

/// Time between looks at what has ended, at the token's file and at the time.
const TICK: Duration = Duration::from_millis(500);

/// Wait before a target that the relay does not know yet is watched again.
const AWAIT: Duration = Duration::from_secs(2);

/// What is to be done about a target that the relay does not watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// Send the token that there is now, and then ask. A relay that has no target left closes the connection instead.
    Token,
    /// Ask again.
    Watch,
}

/// The targets of a shared socket, over all its connections.
pub(super) struct Session<'a> {
    settings: &'a Settings,
    members: &'a [Member],
    pub(super) resume: Resume,
    /// The members of each target; a target may have been named twice.
    owners: Vec<Vec<usize>>,
    /// Members that were told on this connection that it is there.
    linked: BTreeSet<usize>,
    /// Targets that the relay does not watch yet, and when to do what about it.
    awaited: BTreeMap<usize, (Instant, Step)>,
    /// The relay has confirmed on this connection what it watches.
    is_confirmed: bool,
    /// Targets are waiting for the connection's first cursor.
    later: bool,
    /// Jobs that nobody has heard of yet, and when what their dialect says of such jobs is due.
    unheard: BTreeMap<usize, Instant>,
    /// Jobs of which that was said.
    unheard_told: BTreeSet<usize>,
}

impl<'a> Session<'a> {
    /// The session of these members.
    pub(super) fn new(settings: &'a Settings, members: &'a [Member]) -> Self {
        let (mut names, mut owners, mut known) = (Vec::new(), Vec::<Vec<usize>>::new(), HashMap::new());
        for (member, name) in
            members.iter().enumerate().flat_map(|(at, m)| m.place.targets.iter().map(move |name| (at, name)))
        {
            let target = *known.entry(name).or_insert_with(|| {
                names.push(name.clone());
                owners.push(Vec::new());
                names.len() - 1
            });
            owners[target].push(member);
        }
        let resume = Resume::new(names);
        let (linked, awaited) = (BTreeSet::new(), BTreeMap::new());
        let (unheard, unheard_told) = (BTreeMap::new(), BTreeSet::new());
        Self {
            settings,
            members,
            resume,
            owners,
            linked,
            awaited,
            is_confirmed: false,
            later: false,
            unheard,
            unheard_told,
        }
    }

    /// A connection is about to be opened. Returns what it is to watch.
    pub(super) fn open(&mut self) -> Vec<Group> {
        self.ended();
        self.linked.clear();
        self.awaited.clear();
        self.is_confirmed = false;
        let may_wait = |target: usize| {
            self.owners[target].first().is_some_and(|member| self.members[*member].place.has_owner())
        };
        let (groups, later) = self.resume.opening(may_wait);
        let at = Instant::now() + AWAIT;
        self.awaited.extend(later.into_iter().map(|target| (target, (at, Step::Watch))));
        self.later = !self.awaited.is_empty();
        groups
    }

    /// Whether the relay has confirmed on this connection what it watches.
    pub(super) const fn is_confirmed(&self) -> bool {
        self.is_confirmed
    }

    /// The connection is there, and its request has named these targets.
    pub(super) fn opened(&mut self, targets: &[usize]) {
        self.resume.opened_with(targets);
    }

    /// Tells the members of these targets, once each, that they are watched.
    async fn link(&mut self, targets: &[usize]) {
        for target in targets {
            self.resume.promise(*target);
            for member in self.owners[*target].clone() {
                if self.linked.insert(member) {
                    self.report(member, Report::Link(Link::Connected)).await;
                }
            }
        }
    }

    /// Targets of which nothing more is expected since the last time.
    fn ended(&mut self) -> Vec<usize> {
        let is_over = |target: &usize| {
            self.owners[*target].iter().all(|member| self.members[*member].stop.is_cancelled())
        };
        let over: Vec<usize> =
            (0..self.owners.len()).filter(|at| !self.resume.is_target_over(*at)).filter(is_over).collect();
        for target in &over {
            self.resume.over(*target);
        }
        over
    }

    /// Reads until the connection ends. Pings are answered by the library: it writes the pong before it reads on.
    pub(super) async fn read(
        &mut self,
        socket: &mut WebSocket,
        url: &Url,
        access: &mut Access,
        wishes: &Wishes,
    ) -> End {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let timing = &self.settings.timing;
        let (mut heard, mut asked) = (Instant::now(), false);
        loop {
            let message = tokio::select! {
                message = socket.next() => message,
                _ = ticks.tick() => {
                    let patience = if asked { timing.ask + timing.give_up } else { timing.ask };
                    let is_late = heard.elapsed() >= patience;
                    if is_late && asked {
                        let reason = "it answers no ping".to_owned();
                        return End::Failed(NetError::Closed { address: address(url), reason });
                    }
                    asked |= is_late;
                    let pinged = if is_late { socket.send(Message::Ping(Bytes::new())).await } else { Ok(()) };
                    match pinged.and(self.tick(socket, access, wishes).await) {
                        Ok(()) if self.resume.is_over() => return End::Stopped,
                        Ok(()) => continue,
                        Err(error) => return End::Failed(lost(url, &error)),
                    }
                }
            };
            (heard, asked) = (Instant::now(), false);
            match message {
                Some(Ok(Message::Text(text))) => {
                    if let Err(error) = self.text(socket, text.as_str(), access, wishes).await {
                        return End::Failed(lost(url, &error));
                    }
                }
                Some(Ok(Message::Close(frame))) => {
                    let code = frame.as_ref().map(|frame| frame.code.into());
                    let reason = frame.map(|frame| frame.reason.as_str().to_owned()).unwrap_or_default();
                    return End::Closed { code, reason };
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return End::Failed(lost(url, &error)),
                None => return End::Closed { code: None, reason: String::new() },
            }
        }
    }

    /// Time went by.
    async fn tick(
        &mut self,
        socket: &mut WebSocket,
        access: &mut Access,
        wishes: &Wishes,
    ) -> Result<(), Error> {
        let over: Vec<String> =
            self.ended().into_iter().map(|target| self.resume.name(target).to_owned()).collect();
        if !over.is_empty() && !self.resume.is_over() {
            socket.send(Message::text(text(&ClientMessage::Unwatch { targets: over }))).await?;
        }
        let now = Instant::now();
        let late = self.resume.overdue(now);
        self.tell(late).await;
        self.tell_unheard(now).await;
        // The relay gives no cursor while it looks one job up, and the others are watched all the same. Channels are never
        // looked up: a cursor comes at once.
        let is_job = |target: &usize| {
            self.owners[*target].first().is_some_and(|member| !self.members[*member].place.is_stream())
        };
        let confirmed = (0..self.owners.len()).filter(|target| self.resume.is_confirmed(*target));
        let watched: Vec<usize> = confirmed.filter(is_job).collect();
        if self.is_confirmed {
            self.link(&watched).await;
        }
        self.take_steps(socket, access, wishes).await
    }

    /// Does what is due about targets that the relay does not watch.
    async fn take_steps(
        &mut self,
        socket: &mut WebSocket,
        access: &mut Access,
        wishes: &Wishes,
    ) -> Result<(), Error> {
        let now = Instant::now();
        let due: Vec<(usize, Step)> = self
            .awaited
            .iter()
            .filter(|(_, (at, _))| *at <= now)
            .map(|(target, (_, step))| (*target, *step))
            .collect();
        if due.iter().any(|(_, step)| *step == Step::Token)
            && let Ok(Some(token)) = access.token()
        {
            let token = ClientMessage::Token { token: token.as_str().to_owned() };
            socket.send(Message::text(text(&token))).await?;
        }
        for (target, step) in due {
            match step {
                Step::Token => drop(self.awaited.insert(target, (now + TICK, Step::Watch))),
                Step::Watch => {
                    self.awaited.remove(&target);
                    self.again(socket, target, wishes).await?;
                }
            }
        }
        Ok(())
    }

    async fn again(&mut self, socket: &mut WebSocket, target: usize, wishes: &Wishes) -> Result<(), Error> {
        let group = self.resume.again(target);
        for message in watch(&group.targets, group.since.as_deref(), &self.resume, wishes) {
            socket.send(Message::text(message)).await?;
        }
        Ok(())
    }

    /// Takes a message of the relay. One that is not known is news to this version.
    async fn text(
        &mut self,
        socket: &mut WebSocket,
        text: &str,
        access: &mut Access,
        wishes: &Wishes,
    ) -> Result<(), Error> {
        let now = Instant::now();
        match ServerMessage::read(text) {
            Some(ServerMessage::Event { target, cursor, snapshot, event, .. }) => {
                if let Some(observer) = &self.settings.observer {
                    observer(&target, event.get(), now);
                }
                let of = self.resume.find(&target).or_else(|| self.resume.pattern_of(&target));
                let member = of.and_then(|of| self.owners[of].first()).map(|member| &self.members[*member]);
                let is_progress = || {
                    let view = member.and_then(|member| member.place.dialect.view(event.get()));
                    view.is_some_and(|view| view.kind.conflatable && view.kind.ends.is_none())
                };
                let what = (event.get(), snapshot);
                let items = self.resume.event(&target, what, cursor.as_deref(), is_progress, now);
                self.link(of.as_slice()).await;
                self.tell(items).await;
            }
            Some(ServerMessage::Watching { targets, cursor }) => {
                if let Some(observer) = &self.settings.observer {
                    observer("", text, now);
                }
                self.is_confirmed = true;
                let names = targets.iter().map(|name| &**name);
                let items = self.resume.watching(names.clone(), cursor.as_deref());
                if cursor.is_some() {
                    // From here on nothing is missed, whatever happens to the connection.
                    let listed: Vec<usize> = names.filter_map(|name| self.resume.find(name)).collect();
                    self.link(&listed).await;
                }
                self.tell(items).await;
                if cursor.is_some() {
                    self.caught_up(now).await;
                    if std::mem::take(&mut self.later) {
                        let steps = self.awaited.values_mut();
                        steps.for_each(|(at, _)| *at = now);
                        self.take_steps(socket, access, wishes).await?;
                    }
                }
            }
            Some(ServerMessage::Ended { target, outcome }) => {
                if let Some(outcome) = Outcome::parse(&outcome) {
                    let items = self.resume.ended(&target, outcome, now);
                    self.tell(items).await;
                }
            }
            Some(ServerMessage::Gap { reason, target, cursor }) => {
                self.gap(socket, &reason, target.as_deref(), cursor.as_deref(), wishes).await?;
            }
            Some(ServerMessage::Cursor { cursor }) => self.resume.cursor(&cursor),
            Some(ServerMessage::Error { code, target, message }) => {
                self.complaint(&code, target.as_deref(), &message, access).await;
            }
            Some(ServerMessage::Pong) | None => {}
        }
        Ok(())
    }

    /// Everything that the relay knows of the targets has come. What a dialect says of jobs that nobody has heard of is no
    /// event, and not sent on `/watch`: it is said here.
    async fn caught_up(&mut self, now: Instant) {
        for (target, owners) in self.owners.iter().enumerate() {
            let place = owners.first().map(|member| &self.members[*member].place);
            let unknown =
                place.filter(|place| !place.is_stream()).and_then(|place| place.dialect.unknown.as_ref());
            let is_told = self.resume.is_heard_of(target) || self.unheard_told.contains(&target);
            if let Some(unknown) = unknown.filter(|_| !is_told) {
                self.unheard.entry(target).or_insert(now + unknown.after);
            }
        }
        self.tell_unheard(now).await;
    }

    /// Says what is due of jobs that nobody has heard of, once.
    async fn tell_unheard(&mut self, now: Instant) {
        let resume = &self.resume;
        let is_heard_of = |target: usize| resume.is_heard_of(target) || resume.is_target_over(target);
        self.unheard.retain(|target, _| !is_heard_of(*target));
        let due: Vec<usize> =
            self.unheard.iter().filter(|(_, at)| **at <= now).map(|(target, _)| *target).collect();
        for target in due {
            self.unheard.remove(&target);
            self.unheard_told.insert(target);
            let dialect = self.owners[target].first().map(|member| &self.members[*member].place.dialect);
            let (_, job) = self.resume.name(target).split_once('/').unwrap_or_default();
            let timestamp = format!("{:.6}", Timestamp::now());
            if let Some(text) = dialect.and_then(|dialect| dialect.unknown_frame(job, &timestamp)) {
                let name = self.resume.name(target).to_owned();
                self.tell_one(&name, Report::Text { text, when: When::First }).await;
            }
        }
    }

    async fn gap(
        &mut self,
        socket: &mut WebSocket,
        reason: &str,
        target: Option<&str>,
        cursor: Option<&str>,
        wishes: &Wishes,
    ) -> Result<(), Error> {
        let members: Vec<usize> = match target {
            Some(name) => {
                let found = self.resume.find(name).or_else(|| self.resume.pattern_of(name));
                found.map(|target| self.owners[target].clone()).unwrap_or_default()
            }
            None => (0..self.members.len()).collect(),
        };
        let is_open = |member: &usize| !self.members[*member].stop.is_cancelled();
        for (nth, member) in members.into_iter().filter(is_open).enumerate() {
            self.report(member, Report::Gap { reason: reason.to_owned(), repeats: nth > 0 }).await;
        }
        let asked = self.resume.gap(target, cursor);
        for message in watch_names(asked, None, wishes) {
            socket.send(Message::text(message)).await?;
        }
        Ok(())
    }

    /// The relay complains of a target, or of a message.
    async fn complaint(&mut self, code: &str, target: Option<&str>, message: &str, access: &Access) {
        let Some(target) = target.and_then(|name| self.resume.find(name)) else {
            let said = if message.is_empty() { code.to_owned() } else { format!("{code}: {message}") };
            self.report(0, Report::Hint(format!("the relay does not take a message: {said}"))).await;
            return;
        };
        let first = self.owners[target].first().copied().unwrap_or_default();
        let dialect = &self.members[first].place.dialect;
        let is_list = self.members[first].place.is_every;
        let verdict = of_complaint(dialect, &address(&self.settings.server), code, message, is_list);
        self.resume.refused(target);
        let verdict = match verdict {
            Verdict::Unauthorized(failure) => access.refused(failure),
            verdict => verdict,
        };
        match verdict {
            Verdict::Wait { reason } => {
                self.awaited.insert(target, (Instant::now() + AWAIT, Step::Watch));
                for member in self.owners[target].clone() {
                    // The connection is there again for it once the relay knows it.
                    self.linked.remove(&member);
                    let link = Link::Awaiting { wait: AWAIT, reason: reason.clone() };
                    self.report(member, Report::Link(link)).await;
                }
            }
            Verdict::Final(failure) | Verdict::Unauthorized(failure) => self.lose(target, failure).await,
            Verdict::Again { reason } => {
                self.awaited.insert(target, (Instant::now(), Step::Token));
                self.reconnecting(target, TICK, reason).await;
            }
            // The token's file may be about to be written.
            Verdict::Retry { reason, .. } => {
                self.awaited.insert(target, (Instant::now() + AWAIT, Step::Watch));
                self.reconnecting(target, AWAIT, reason).await;
            }
        }
    }

    /// A target is watched again, on the connection that there is.
    async fn reconnecting(&mut self, target: usize, wait: Duration, reason: String) {
        for member in self.owners[target].clone() {
            self.linked.remove(&member);
            let link = Link::Reconnecting { attempt: 1, wait, reason: reason.clone() };
            self.report(member, Report::Link(link)).await;
        }
    }

    /// A target is lost, and so are members that have no other.
    async fn lose(&mut self, target: usize, failure: Failure) {
        self.resume.over(target);
        for member in self.owners[target].clone() {
            let names = &self.members[member].place.targets;
            let is_over = |name: &String| {
                self.resume.find(name).is_none_or(|target| self.resume.is_target_over(target))
            };
            if names.iter().all(is_over) {
                self.report(member, Report::Lost(failure.clone())).await;
                self.members[member].stop.cancel();
            } else {
                let warning = format!("{}: {}", self.resume.name(target), failure.message);
                self.report(member, Report::Warning(warning)).await;
            }
        }
    }

    /// Tells the board, by target.
    async fn tell(&self, items: Items) {
        for (name, item) in items {
            let report = match item {
                Item::Event { text, when } => Report::Text { text, when },
                Item::Ended(outcome) => Report::Outcome(outcome),
            };
            self.tell_one(&name, report).await;
        }
    }

    async fn tell_one(&self, name: &str, report: Report) {
        if let Some(target) = self.resume.find(name) {
            let Some((last, others)) = self.owners[target].split_last() else { return };
            for member in others {
                let report = self.of_target(*member, name, report.again());
                self.report(*member, report).await;
            }
            let report = self.of_target(*last, name, report);
            return self.report(*last, report).await;
        }
        let Some(pattern) = self.resume.pattern_of(name) else { return };
        // One that is named twice brings the same jobs.
        if let Some(member) = self.owners[pattern].first() {
            let report = Report::Of { name: name.to_owned(), report: Box::new(report) };
            self.report(*member, report).await;
        }
    }

    /// The report, with its target where the member has several.
    fn of_target(&self, member: usize, name: &str, report: Report) -> Report {
        match self.members.get(member) {
            Some(member) if member.place.targets.len() > 1 => {
                Report::Of { name: name.to_owned(), report: Box::new(report) }
            }
            _ => report,
        }
    }

    async fn report(&self, member: usize, report: Report) {
        let Some(member) = self.members.get(member) else { return };
        let envelope = Envelope { source: member.source, received_at: Timestamp::now(), report };
        // A main loop that is gone wants nothing more.
        let _ = self.settings.reports.send(envelope).await;
    }
}
