//! The state of one watched job, out of what its socket and its polling say. Pure; the time is handed in.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::pace::Pace;
pub(crate) use super::state::{Effect, Facts, Link, Part, State, When};
use super::telling::{shorten, telling};
use crate::dialect::{Dialect, EntityView, JobState, Opens, Outcome, Phase, StatusView, View};
use crate::exit::Failure;

/// More parts of one job than this are not told apart: names come from outside, and memory is bounded.
const MAX_PARTS: usize = 10_000;

/// A watched job.
#[derive(Debug)]
pub(crate) struct Job {
    /// The target as the user wrote it, without what may be a secret.
    pub name: String,
    /// A shorter name, for bars.
    pub label: String,
    /// How its messages are read.
    pub dialect: Arc<Dialect>,
    /// How it is doing.
    pub state: State,
    /// What is known of the current run.
    pub facts: Facts,
    /// The newest remark, until an event says more.
    pub remark: Option<String>,
    /// Its parts, by name.
    pub parts: BTreeMap<String, Part>,
    /// The run that is watched, from 1; 0 until something is known.
    pub run: u32,
    /// How its connection is doing, and since when.
    pub link: (Link, Instant),
    /// Why it is lost.
    pub problem: Option<Failure>,
    /// Events of it so far.
    pub events: u64,
    /// Events are missing since it was heard of, so that it may have ended.
    pub is_doubted: bool,
    pub(super) wants_new: bool,
    since: Instant,
    ended: Option<Instant>,
    /// Whether the job's ending came while the server was still sending what it knew. A later message may then replace
    /// it.
    tentative: bool,
    heard: Option<Instant>,
    pace: Pace,
    opener: Option<u64>,
}

impl Job {
    /// A job of which nothing is known; with `wants_new`, an ending that is there already does not count.
    pub(crate) fn new(
        name: String,
        label: String,
        dialect: Arc<Dialect>,
        wants_new: bool,
        now: Instant,
    ) -> Self {
        Self {
            name,
            label,
            dialect,
            state: State::Connecting,
            facts: Facts::default(),
            remark: None,
            parts: BTreeMap::new(),
            run: 0,
            link: (Link::Connecting, now),
            problem: None,
            events: 0,
            is_doubted: false,
            wants_new,
            since: now,
            ended: None,
            tentative: false,
            heard: None,
            pace: Pace::default(),
            opener: None,
        }
    }

    /// How long the run has gone on as seen from here, or went on; before the first run, how long it is waited for.
    pub(crate) fn elapsed(&self, now: Instant) -> Duration {
        self.ended.unwrap_or(now).saturating_duration_since(self.since)
    }

    /// How long it will take, going by its percent so far.
    pub(crate) fn left(&self, now: Instant) -> Option<Duration> {
        (self.state == State::Running).then(|| self.pace.left(now)).flatten()
    }

    /// For how long nothing was heard of a job that is under way.
    pub(crate) fn quiet(&self, now: Instant) -> Option<Duration> {
        let under_way = matches!(self.state, State::Queued | State::Running);
        self.heard.filter(|_| under_way).map(|heard| now.saturating_duration_since(heard))
    }

    /// When it was heard of last.
    pub(super) fn heard(&self) -> Option<Instant> {
        self.heard
    }

    /// What a person reads of it: the newest message, and what its percent means where the contract says so.
    pub(crate) fn text(&self) -> Option<String> {
        let stage =
            self.facts.percent.filter(|_| !self.state.is_settled()).and_then(|p| self.dialect.stage(p));
        match (stage, &self.facts.message) {
            (Some(stage), Some(message)) => Some(format!("{stage} · {message}")),
            (Some(text), None) => Some(text.to_owned()),
            (None, message) => message.clone(),
        }
    }

    /// What a person reads of it once it has ended: what went wrong or what came of it, and the message that came along.
    pub(crate) fn ending(&self) -> Option<String> {
        let facts = &self.facts;
        let first = match self.state {
            State::Ended(Outcome::Succeeded) => facts.result.as_ref(),
            _ => facts.error.as_ref(),
        };
        let message = facts.message.as_ref().filter(|message| Some(*message) != first);
        let parts: Vec<&str> = [first, message].into_iter().flatten().map(String::as_str).collect();
        Some(parts.join(" · ")).filter(|text| !text.is_empty())
    }

    /// Whether nothing more is expected of it.
    pub(crate) fn is_settled(&self) -> bool {
        self.state.is_settled() && !self.tentative
    }

    /// Takes an event. `print` tells its text from others.
    ///
    /// An ending counts at once only when it is news. One that is told on connecting waits for [`Job::told`]: a run may
    /// have failed and gone on, and of its endings the newest counts.
    pub(super) fn event(&mut self, view: &View, when: When, print: u64, now: Instant) -> Effect {
        let effect = self.take_event(view, when.is_state(), print, now);
        if view.kind.ends.is_some() && matches!(effect, Effect::Ended(_)) {
            self.tentative = when != When::Live;
        }
        // A repeat is no sign of life.
        if !when.is_state() || effect != Effect::Nothing {
            self.heard = Some(now);
        }
        effect
    }

    fn take_event(&mut self, view: &View, snapshot: bool, print: u64, now: Instant) -> Effect {
        let kind = &view.kind;
        if kind.notice && self.dialect.kind(&kind.name).is_none() {
            return self.unknown(view);
        }
        if kind.notice {
            let text = view.message.clone().unwrap_or_else(|| kind.name.to_string());
            self.remark = Some(text.clone());
            return Effect::Remark(text);
        }
        if let Some(log) = &view.log {
            return Effect::Log(log.clone());
        }
        let ended = match self.state {
            State::Ended(outcome) | State::EndedBefore(outcome) => Some(outcome),
            _ => None,
        };
        // A snapshot after a reconnect may repeat the event that opened this run. A repeat opens no new run.
        let shown_again = kind.opens == Opens::Always && snapshot && self.opener == Some(print);
        let opens = (kind.opens.after(ended) && !shown_again)
            || self.is_missed_opening(snapshot && kind.entity.is_none(), kind.ends);
        if ended.is_some() && !opens {
            if !self.tentative || kind.ends.is_none() {
                return Effect::Nothing;
            }
            self.forget_ending();
        }
        if let Some(outcome) = self.old_ending(snapshot, kind.ends) {
            return self.ended_before(outcome);
        }
        let began = opens || self.run == 0;
        if began {
            // The events before the start, such as the one that queued the job, belong to the run that begins now.
            let run = if ended.is_none() && self.state == State::Queued { self.run } else { self.run + 1 };
            self.begin(run, now);
        }
        if kind.opens == Opens::Always {
            self.opener = Some(print);
        }
        let before = (self.state, self.facts.clone());
        let said = self.remark.take();
        if let Some(part) = &view.entity {
            self.part(part, view, now);
        }
        self.learn(&Facts::of_event(view), snapshot || kind.ends.is_some(), now);
        if kind.ends.is_some() {
            self.forget_doing(&Facts::of_event(view), kind.ends);
        }
        let state = if kind.queued { JobState::Queued } else { JobState::Running };
        self.step(kind.ends.map_or(state, state_of), snapshot, now);
        if kind.ends.is_none() && self.dialect.kind(&kind.name).is_none() {
            return self.unknown(view);
        }
        let again = kind.again.as_ref().filter(|_| before.0 == State::Running);
        if let Some(says) = again.or(kind.says.as_ref()).filter(|_| self.state == State::Queued) {
            self.remark = Some(says.to_string());
        }
        let part = view.entity.as_ref().map(|part| part.name.clone());
        let effect = self.effect(began, part, &before);
        // A job that waits in another way than before is news.
        let waits_otherwise = self.remark.is_some() && self.remark != said;
        if effect == Effect::Nothing && waits_otherwise { Effect::Changed } else { effect }
    }

    /// An event of a kind that its dialect does not know: a slip of the worker's, or news to us.
    fn unknown(&mut self, view: &View) -> Effect {
        let said = view.message.as_ref().map(|message| format!(": {message}")).unwrap_or_default();
        self.tell(format!("unknown kind '{}'{said}", view.kind.name))
    }

    /// A text that is no event of its dialect. A sign of life and a polling body beside the events say nothing.
    pub(super) fn stray(&mut self, text: &str) -> Effect {
        let is_pong = telling(&self.dialect, text, None, &[]).is_empty();
        if is_pong || self.is_settled() || self.dialect.view_status(text).is_some() {
            return Effect::Nothing;
        }
        self.tell(format!("no event of {}: {}", self.dialect.name, shorten(text)))
    }

    fn tell(&mut self, text: String) -> Effect {
        self.remark = Some(text.clone());
        Effect::Remark(text)
    }

    /// Takes a polled state, which may always be a repeat.
    pub(super) fn status(&mut self, view: &StatusView, now: Instant) -> Effect {
        let ends = outcome_of(view.state);
        // The server tells its own state, so an ending that it told before may be out of date.
        let doubted = std::mem::take(&mut self.tentative);
        let opens = self.is_missed_opening(true, ends) || (doubted && ends.is_none());
        if matches!(self.state, State::Ended(_) | State::EndedBefore(_)) && !opens {
            if !doubted {
                return Effect::Nothing;
            }
            self.forget_ending();
        }
        if let Some(outcome) = self.old_ending(true, ends) {
            return self.ended_before(outcome);
        }
        let began = opens || self.run == 0;
        if began {
            self.begin(self.run + 1, now);
        }
        let before = (self.state, self.facts.clone());
        self.learn(&Facts::of_status(view), true, now);
        if ends.is_some() {
            self.forget_doing(&Facts::of_status(view), ends);
        }
        self.step(view.state, true, now);
        let effect = self.effect(began, None, &before);
        if effect != Effect::Nothing {
            self.heard = Some(now);
        }
        effect
    }

    /// The server has told all that it knew; an ending that was among it counts now.
    pub(super) fn told(&mut self) -> Effect {
        match self.state {
            State::Ended(outcome) if std::mem::take(&mut self.tentative) => Effect::Ended(outcome),
            _ => Effect::Nothing,
        }
    }

    /// Takes the outcome that the server says the job has ended with, in words of its own, whatever kind of event ended it.
    pub(super) fn outcome(&mut self, outcome: Outcome, now: Instant) -> Effect {
        match self.state {
            State::Ended(known) if known == outcome => return self.told(),
            State::Ended(_) if !self.tentative => return Effect::Nothing,
            State::EndedBefore(_) | State::Lost => return Effect::Nothing,
            _ => {}
        }
        if let Some(outcome) = self.old_ending(true, Some(outcome)) {
            return self.ended_before(outcome);
        }
        if self.run == 0 {
            self.begin(1, now);
        }
        self.tentative = false;
        self.step(state_of(outcome), true, now);
        Effect::Ended(outcome)
    }

    /// Takes a change of its connection; whether anything is new about it.
    pub(super) fn linked(&mut self, link: Link, now: Instant) -> Effect {
        if self.state == State::Connecting && link == Link::Connected {
            self.state = State::Waiting;
        }
        if self.link.0 == link {
            return Effect::Nothing;
        }
        self.link = (link, now);
        Effect::Changed
    }

    /// The server is lost for good, or refused; an ending that was seen stands.
    pub(super) fn lost(&mut self, problem: Failure, now: Instant) -> Effect {
        self.link = (Link::Closed, now);
        self.tentative = false;
        if self.state.is_settled() {
            return Effect::Nothing;
        }
        self.state = State::Lost;
        self.ended = Some(now);
        self.problem = Some(problem);
        Effect::Changed
    }

    /// While a new run is waited for, a state that has not ended is one whose opening was missed.
    fn is_missed_opening(&self, is_state: bool, ends: Option<Outcome>) -> bool {
        is_state && ends.is_none() && matches!(self.state, State::EndedBefore(_))
    }

    /// The ending that does not count, because it was there before anything of a run was seen.
    fn old_ending(&self, snapshot: bool, ends: Option<Outcome>) -> Option<Outcome> {
        ends.filter(|_| self.wants_new && snapshot && self.run == 0)
    }

    fn ended_before(&mut self, outcome: Outcome) -> Effect {
        self.state = State::EndedBefore(outcome);
        Effect::EndedBefore(outcome)
    }

    fn begin(&mut self, run: u32, now: Instant) {
        self.run = run;
        self.state = State::Waiting;
        self.facts = Facts::default();
        self.parts.clear();
        self.remark = None;
        self.since = now;
        self.ended = None;
        self.tentative = false;
        self.pace = Pace::default();
        self.opener = None;
    }

    /// Takes what is new. Of a repeat or an ending, no percent that is less than the one known: a publisher that has no
    /// percent to give says 0.
    fn learn(&mut self, news: &Facts, repeat: bool, now: Instant) {
        self.remark = None;
        let facts = &mut self.facts;
        let total = news.total.or(facts.total);
        let share = || Some(share(news.step?, total?));
        if let Some(percent) = news.percent.or_else(share) {
            let percent = percent.clamp(0.0, 100.0);
            facts.percent = Some(if repeat { facts.percent.unwrap_or(0.0).max(percent) } else { percent });
        }
        facts.step = news.step.or(facts.step);
        facts.total = total;
        // Results do not become fewer; publishers send 0 where they have nothing to say.
        facts.count = news.count.max(facts.count);
        facts.message = news.message.clone().or_else(|| facts.message.take());
        facts.result = news.result.clone().or_else(|| facts.result.take());
        facts.error = news.error.clone().or_else(|| facts.error.take());
        if let Some(percent) = facts.percent {
            // A step that is told has begun, and all of it is still to do.
            let has_steps = news.percent.is_none() && self.dialect.channels.is_none();
            let going = facts.total.filter(|_| has_steps && facts.step.is_some()).map_or(0.0, one_of);
            self.pace.saw(percent, going, now);
        }
    }

    /// A newer ending of the same run is about to take the place of the one that is known.
    fn forget_ending(&mut self) {
        self.facts = Facts { message: None, error: None, result: None, ..std::mem::take(&mut self.facts) };
    }

    /// What a job was doing last says nothing once its ending says what came of it, unless its messages add up. Nor does
    /// the step that it had got to, of one that is done.
    fn forget_doing(&mut self, ending: &Facts, ends: Option<Outcome>) {
        if ends == Some(Outcome::Succeeded) {
            self.facts.step = ending.step;
        }
        let says = ending.result.is_some() || ending.error.is_some();
        if says && ending.message.is_none() && !self.dialect.merges() {
            self.facts.message = None;
        }
    }

    fn step(&mut self, state: JobState, repeat: bool, now: Instant) {
        let state = match state {
            // A server that forgot the job says queued of one that is known to run.
            JobState::Queued if repeat && self.state == State::Running => State::Running,
            JobState::Queued => State::Queued,
            JobState::Running => State::Running,
            JobState::Succeeded => State::Ended(Outcome::Succeeded),
            JobState::Failed => State::Ended(Outcome::Failed),
            JobState::Cancelled => State::Ended(Outcome::Cancelled),
        };
        self.state = state;
        if let State::Ended(outcome) = state {
            self.ended = Some(now);
            if outcome == Outcome::Succeeded {
                self.facts.percent = Some(100.0);
            }
        }
    }

    fn part(&mut self, part: &EntityView, view: &View, now: Instant) {
        let known = self.parts.get(&part.name);
        if known.is_none() && self.parts.len() >= MAX_PARTS {
            return;
        }
        let newest = Part {
            phase: part.phase.or(known.map(|known| known.phase)).unwrap_or(Phase::Running),
            count: part.count.or(known.and_then(|known| known.count)),
            text: view.error.clone().or_else(|| view.message.clone()),
            changed: now,
        };
        self.parts.insert(part.name.clone(), newest);
    }

    fn effect(&self, began: bool, part: Option<String>, before: &(State, Facts)) -> Effect {
        match (self.state, part) {
            (State::Ended(outcome), _) => Effect::Ended(outcome),
            (_, Some(part)) => Effect::Part(part),
            _ if began => Effect::Began(self.run),
            _ if before.0 == self.state && before.1 == self.facts => Effect::Nothing,
            _ => Effect::Changed,
        }
    }
}

/// How much of it is done, in percent.
#[expect(clippy::cast_precision_loss, reason = "a bar shows no more than a few digits")]
fn share(step: u64, total: u64) -> f64 {
    if total == 0 { 0.0 } else { (100.0 * step as f64 / total as f64).min(100.0) }
}

/// The share of one step, in percent.
fn one_of(total: u64) -> f64 {
    share(1, total)
}

const fn outcome_of(state: JobState) -> Option<Outcome> {
    match state {
        JobState::Queued | JobState::Running => None,
        JobState::Succeeded => Some(Outcome::Succeeded),
        JobState::Failed => Some(Outcome::Failed),
        JobState::Cancelled => Some(Outcome::Cancelled),
    }
}

const fn state_of(outcome: Outcome) -> JobState {
    match outcome {
        Outcome::Succeeded => JobState::Succeeded,
        Outcome::Failed => JobState::Failed,
        Outcome::Cancelled => JobState::Cancelled,
    }
}

/// Tells a message from others.
pub(super) fn print_of(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}
