//! Every watched job, and what follows from all of them. Pure: inputs and the time in, state out.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use super::job::{Effect, Job, Link, State, When, print_of};
use super::pace::Rate;
use super::stream::{Happening, Stream};
use crate::dialect::{Outcome, StatusView, View};
use crate::exit::{Exit, Failure};

/// Jobs that patterns may bring; of more, the ended one that was heard of longest ago makes room. Names come from outside.
const MAX_MEMBERS: usize = 5_000;

/// What has a socket of its own, by its place on the board.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// A job.
    Job(usize),
    /// A stream of events of many resources.
    Stream(usize),
}

/// Something that happened to one job.
#[derive(Debug)]
pub(crate) enum Input<'a> {
    /// A message of its socket.
    Event {
        /// What it says; `None`: nothing of its dialect.
        view: Option<&'a View>,
        /// Its text.
        text: &'a str,
        /// When it came on its connection.
        when: When,
    },
    /// The server has told what it knew when the connection was opened.
    Told,
    /// A polled state.
    Status(&'a StatusView),
    /// The server says that it has ended so.
    Outcome(Outcome),
    /// A change of its connection.
    Link(Link),
    /// It is lost for good.
    Lost(Failure),
}

/// How many jobs are in which state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Nothing heard of them, or waiting for a new run.
    pub waiting: usize,
    /// Waiting for their turn.
    pub queued: usize,
    /// At work.
    pub running: usize,
    /// Ended well.
    pub succeeded: usize,
    /// Ended badly.
    pub failed: usize,
    /// Stopped.
    pub cancelled: usize,
    /// Lost or refused.
    pub lost: usize,
}

impl Tally {
    /// Counts one more.
    pub(crate) fn add(&mut self, state: State) {
        let field = match state {
            State::Connecting | State::Waiting | State::EndedBefore(_) => &mut self.waiting,
            State::Queued => &mut self.queued,
            State::Running => &mut self.running,
            State::Ended(Outcome::Succeeded) => &mut self.succeeded,
            State::Ended(Outcome::Failed) => &mut self.failed,
            State::Ended(Outcome::Cancelled) => &mut self.cancelled,
            State::Lost => &mut self.lost,
        };
        *field += 1;
    }

    /// `2 running, 1 done`: what there is, in the order in which a job passes through it.
    pub(crate) fn words(&self) -> String {
        let all = [
            (self.waiting, "waiting"),
            (self.queued, "queued"),
            (self.running, "running"),
            (self.succeeded, "done"),
            (self.failed, "failed"),
            (self.cancelled, "cancelled"),
            (self.lost, "lost"),
        ];
        let some = all.iter().filter(|(count, _)| *count > 0);
        some.map(|(count, word)| format!("{count} {word}")).collect::<Vec<_>>().join(", ")
    }
}

/// The jobs and streams that are watched, in the order in which the user named them.
#[derive(Debug)]
pub(crate) struct Board {
    jobs: Vec<Job>,
    /// How many of the jobs the user named; those behind them were brought by patterns.
    named: usize,
    /// Jobs that patterns brought, by their names.
    members: HashMap<String, usize>,
    /// Ended jobs that made room for others.
    retired: Tally,
    streams: Vec<Stream>,
    rate: Rate,
    events: u64,
    began: Instant,
}

impl Board {
    /// A board of these jobs.
    pub(crate) fn new(jobs: Vec<Job>, now: Instant) -> Self {
        let (named, members, retired) = (jobs.len(), HashMap::new(), Tally::default());
        let (rate, events, streams) = (Rate::default(), 0, Vec::new());
        Self { jobs, named, members, retired, streams, rate, events, began: now }
    }

    /// The job of that name, which a pattern at `stream` has brought. The second is the job that made room for it, if one
    /// had to.
    pub(crate) fn member(&mut self, stream: usize, name: &str, now: Instant) -> (usize, Option<Job>) {
        if let Some(index) = self.members.get(name) {
            return (*index, None);
        }
        let dialect = Arc::clone(&self.streams[stream].dialect);
        let mut job = Job::new(name.to_owned(), name.to_owned(), dialect, false, now);
        job.linked(Link::Connected, now);
        if self.jobs.len() < self.named + MAX_MEMBERS {
            self.members.insert(name.to_owned(), self.jobs.len());
            self.jobs.push(job);
            return (self.jobs.len() - 1, None);
        }
        let rank = |job: &Job| (!job.state.is_settled(), job.heard());
        let oldest = (self.named..self.jobs.len()).min_by_key(|index| rank(&self.jobs[*index]));
        let index = oldest.expect("there are as many as there may be");
        let old = std::mem::replace(&mut self.jobs[index], job);
        self.members.remove(&old.name);
        self.members.insert(name.to_owned(), index);
        self.retired.add(old.state);
        (index, Some(old))
    }

    /// Whether a job was brought by a pattern.
    pub(crate) fn is_member(&self, index: usize) -> bool {
        index >= self.named
    }

    /// Jobs that the user named.
    pub(crate) fn named(&self) -> &[Job] {
        &self.jobs[..self.named]
    }

    /// Events are missing: what is known of the jobs of a pattern may be out of date.
    pub(crate) fn doubt(&mut self, stream: usize) {
        let dialect = self.streams[stream].dialect.name.clone();
        for job in &mut self.jobs[self.named..] {
            job.is_doubted |= *job.dialect.name == *dialect && !job.state.is_settled();
        }
    }

    /// Whether a job runs or is waited for that would be missed by who goes now.
    pub(crate) fn is_busy(&self) -> bool {
        let runs = |job: &Job| matches!(job.state, State::Queued | State::Running) && !job.is_doubted;
        !self.named().iter().all(Job::is_settled)
            || self.jobs[self.named..].iter().any(runs)
            || self.streams.iter().any(|stream| stream.link.0 != Link::Connected && !stream.is_lost())
    }

    /// The board with these streams too.
    #[must_use]
    pub(crate) fn with_streams(self, streams: Vec<Stream>) -> Self {
        Self { streams, ..self }
    }

    /// Takes a message of the stream at `index`, and says what it was.
    pub(crate) fn message(
        &mut self,
        index: usize,
        view: Option<&View>,
        text: &str,
        now: Instant,
    ) -> Happening {
        let happening = self.streams[index].message(view, text, now);
        if !matches!(happening, Happening::Nothing | Happening::Warning(_)) {
            self.events += 1;
            self.rate.saw(now);
        }
        happening
    }

    /// Takes a change of the connection of the stream at `index`; whether it is one.
    pub(crate) fn stream_linked(&mut self, index: usize, link: Link, now: Instant) -> bool {
        self.streams[index].linked(link, now)
    }

    /// The stream at `index` is lost for good.
    pub(crate) fn stream_lost(&mut self, index: usize, problem: Failure, now: Instant) {
        let dialect = self.streams[index].dialect.name.clone();
        if self.streams[index].is_pattern() {
            for job in self.jobs[self.named..].iter_mut().filter(|job| *job.dialect.name == *dialect) {
                job.lost(problem.clone(), now);
                // The pattern's own says it.
                job.problem = None;
            }
        }
        self.streams[index].lost(problem, now);
    }

    /// After a break the server tells a stream what was missed.
    pub(crate) fn resumes(&mut self, stream: usize) {
        self.streams[stream].resumes = true;
    }

    /// A pattern has brought something.
    pub(crate) fn brought(&mut self, stream: usize) {
        self.streams[stream].events += 1;
    }

    /// Takes an input for the job at `index`, and says what it did to it.
    pub(crate) fn apply(&mut self, index: usize, input: Input<'_>, now: Instant) -> Effect {
        let job = &mut self.jobs[index];
        job.is_doubted &= !matches!(input, Input::Event { .. } | Input::Outcome(_) | Input::Status(_));
        match input {
            Input::Event { view, text, when } => {
                self.events += 1;
                self.rate.saw(now);
                job.events += 1;
                match view {
                    Some(view) => job.event(view, when, print_of(text), now),
                    None => job.stray(text),
                }
            }
            Input::Told => job.told(),
            Input::Status(view) => job.status(view, now),
            Input::Outcome(outcome) => job.outcome(outcome, now),
            Input::Link(link) => job.linked(link, now),
            Input::Lost(problem) => job.lost(problem, now),
        }
    }

    /// The jobs.
    pub(crate) fn jobs(&self) -> &[Job] {
        &self.jobs
    }

    /// The streams.
    pub(crate) fn streams(&self) -> &[Stream] {
        &self.streams
    }

    /// Events so far.
    pub(crate) fn events(&self) -> u64 {
        self.events
    }

    /// Events per second, of late.
    pub(crate) fn rate(&self, now: Instant) -> f64 {
        self.rate.per_second(now)
    }

    /// When it was set up.
    pub(crate) fn began(&self) -> Instant {
        self.began
    }

    /// Whether nothing more is expected of any job, nor of a stream: that ends only by being lost.
    pub(crate) fn is_settled(&self) -> bool {
        self.jobs.iter().all(Job::is_settled) && self.streams.iter().all(Stream::is_lost)
    }

    /// Whether a job has failed, was stopped or is lost, or a stream is lost.
    pub(crate) fn has_failure(&self) -> bool {
        self.streams.iter().any(Stream::is_lost)
            || self.retired.failed + self.retired.cancelled > 0
            || self.jobs.iter().any(|job| job.is_settled() && job.state != State::Ended(Outcome::Succeeded))
    }

    /// How many jobs are in which state.
    pub(crate) fn tally(&self) -> Tally {
        let mut tally = self.retired;
        self.jobs.iter().for_each(|job| tally.add(job.state));
        tally
    }

    /// The gravest of what went wrong with the connections, told once: many targets of one server share their fate.
    pub(crate) fn problem(&self) -> Option<Failure> {
        let of_jobs = self.jobs.iter().map(|job| (&job.name, &job.problem));
        let of_all = of_jobs.chain(self.streams.iter().map(|stream| (&stream.name, &stream.problem)));
        let mut problems: Vec<_> =
            of_all.filter_map(|(name, problem)| Some((name.clone(), problem.clone()?))).collect();
        // Stable, so that of equals it is the first.
        problems.sort_by_key(|(_, problem)| gravity(problem.exit));
        let others = problems.len().checked_sub(1)?;
        let (name, mut problem) = problems.swap_remove(0);
        problem.message = match others {
            0 => format!("{name}: {}", problem.message),
            _ => format!("{name} and {others} more: {}", problem.message),
        };
        Some(problem)
    }

    /// A target whose server was not reached so far, and why.
    pub(crate) fn unreached(&self) -> Option<(&str, &str)> {
        let jobs = self.jobs.iter().filter(|job| job.state == State::Connecting);
        let jobs = jobs.map(|job| (job.name.as_str(), &job.link.0));
        let streams = self.streams.iter().filter(|stream| !stream.was_connected);
        let streams = streams.map(|stream| (stream.name.as_str(), &stream.link.0));
        jobs.chain(streams).find_map(|(name, link)| match link {
            Link::Reconnecting { reason, .. } => Some((name, reason.as_str())),
            _ => None,
        })
    }

    /// Whether the server of anything that is not settled was ever there.
    pub(crate) fn is_any_reached(&self) -> bool {
        let mut jobs = self.jobs.iter().filter(|job| !job.state.is_settled());
        let mut streams = self.streams.iter().filter(|stream| !stream.is_lost());
        jobs.any(|job| job.state != State::Connecting) || streams.any(|stream| stream.was_connected)
    }

    /// The names of the jobs and streams of which more is expected.
    pub(crate) fn unsettled(&self) -> impl Iterator<Item = &str> {
        let jobs = self.jobs.iter().filter(|job| !job.state.is_settled()).map(|job| job.name.as_str());
        let streams = self.streams.iter().filter(|stream| !stream.is_lost());
        jobs.chain(streams.map(|stream| stream.name.as_str()))
    }

    /// What to exit with, if it were over now: a failed job counts only where nothing else went wrong.
    pub(crate) fn exit(&self) -> Exit {
        let tally = self.tally();
        match self.problem() {
            Some(problem) => problem.exit,
            None if tally.failed + tally.cancelled > 0 => Exit::Failure,
            None => Exit::Success,
        }
    }
}

/// Less is graver: what the user has to put right comes before what may pass.
const fn gravity(exit: Exit) -> u8 {
    match exit {
        Exit::Usage => 0,
        Exit::Refused => 1,
        _ => 2,
    }
}

#[cfg(test)]
mod tests;
