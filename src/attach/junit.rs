//! Results of the jobs as JUnit XML (`--junit`): a case for each job. The file is written once, when attach ends, whatever the
//! reason.

use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::board::Board;
use super::job::{Job, Link, State};
use super::report::Over;
use super::stream::Stream;
use crate::dialect::Outcome;
use crate::exit::{Exit, Failure};
use crate::outfile::OutFile;
use crate::text::{TestCase, TestOutcome, TestProblem, TestSuite, counted};

/// Most cases that are kept for jobs that have left the board. The names of jobs come from outside, so the list needs a limit.
/// Further jobs are only counted.
const MAX_RETIRED: usize = 10_000;

/// JUnit document that is to be written at the end.
#[derive(Debug)]
pub(super) struct Junit {
    file: Option<OutFile>,
    began: (Timestamp, Instant),
    retired: Vec<TestCase>,
    /// Number of jobs that have left the board and have no case.
    left_out: u64,
}

impl Junit {
    /// Makes a document for a file. `None`: results are neither kept nor written.
    pub(super) fn new(file: Option<OutFile>) -> Self {
        let began = (Timestamp::now(), Instant::now());
        Self { file, began, retired: Vec::new(), left_out: 0 }
    }

    /// Whether a document is to be written.
    pub(super) const fn is_wanted(&self) -> bool {
        self.file.is_some()
    }

    /// Keeps the result of a job that leaves the board.
    pub(super) fn retired(&mut self, job: &Job, now: Instant) {
        if !self.is_wanted() {
            return;
        }
        if self.retired.len() < MAX_RETIRED {
            let why =
                Unended { message: "it was not ended when it left the board".to_owned(), is_wrong: true };
            self.retired.push(case(job, &why, now));
        } else {
            self.left_out += 1;
        }
    }

    /// Writes the document. Later calls do nothing.
    pub(super) fn write(&mut self, board: &Board, why: &Unended) -> Result<(), Failure> {
        let Some(file) = self.file.take() else { return Ok(()) };
        let now = Instant::now();
        let mut cases = std::mem::take(&mut self.retired);
        cases.extend(board.jobs().iter().map(|job| case(job, why, now)));
        cases.extend(board.streams().iter().map(|stream| case_of_stream(stream, why, now)));
        let mut notes = vec![format!("jobwire attach: {}", board.tally().words())];
        if self.left_out > 0 {
            let verb = if self.left_out == 1 { "has" } else { "have" };
            notes.push(format!("{} more ended, and {verb} no case here", counted(self.left_out, "job")));
        }
        let (began, since) = self.began;
        let took = now.saturating_duration_since(since);
        let suite = TestSuite { name: "jobwire attach".to_owned(), began, took, cases, notes };
        file.write(&suite.to_xml())
    }
}

/// Reason why a job has no end.
#[derive(Debug)]
pub(super) struct Unended {
    message: String,
    /// Whether the missing end is a fault. With --fail-fast it is none.
    is_wrong: bool,
}

impl Unended {
    /// Reason from the way in which the loop ended; `None` means that the output could not be written.
    pub(super) fn new(over: Option<&Over>, limit: Option<Duration>) -> Self {
        let when = match over {
            Some(Over::Time) => {
                format!("the time was up after {} s", limit.unwrap_or_default().as_secs_f64())
            }
            Some(Over::Stopped) => "attach was interrupted".to_owned(),
            Some(Over::Unread) => "nobody read the output any more".to_owned(),
            Some(Over::Settled) => "another job failed".to_owned(),
            Some(Over::Idle) => "no job ran any more".to_owned(),
            None => "the output could not be written".to_owned(),
        };
        let is_wrong = !matches!(over, Some(Over::Settled | Over::Unread));
        Self { message: format!("it was not ended when {when}"), is_wrong }
    }

    /// Outcome of a case without an end.
    fn outcome(&self, kind: &'static str, more: &str, details: String) -> TestOutcome {
        let message = format!("{}{more}", self.message);
        if self.is_wrong {
            TestOutcome::Broken(TestProblem { kind, message, details })
        } else {
            TestOutcome::Skipped(message)
        }
    }
}

fn case(job: &Job, why: &Unended, now: Instant) -> TestCase {
    let outcome = match job.state {
        State::Ended(Outcome::Succeeded) => TestOutcome::Passed,
        State::Ended(outcome) => {
            let kind = if outcome == Outcome::Failed { "failed" } else { "cancelled" };
            let message = job.ending().unwrap_or_else(|| format!("the job {kind}"));
            TestOutcome::Failed(TestProblem { kind, message, details: details(job) })
        }
        State::Lost => lost(job.problem.as_ref()),
        State::Connecting => {
            let more = match &job.link.0 {
                Link::Reconnecting { reason, .. } => reason,
                _ => "the server has not answered yet",
            };
            why.outcome("unreachable", &format!(": {more}"), String::new())
        }
        State::Waiting | State::Queued | State::Running | State::EndedBefore(_) => {
            why.outcome("not-ended", "", details(job))
        }
    };
    let group = format!("jobwire.attach.{}", job.dialect.name);
    TestCase { name: job.name.clone(), group, took: job.elapsed(now), outcome }
}

/// Case of a stream. Streams have no end and no result, so the only possible fault is a lost stream.
fn case_of_stream(stream: &Stream, why: &Unended, now: Instant) -> TestCase {
    let outcome = match &stream.problem {
        Some(problem) => lost(Some(problem)),
        None if !stream.was_connected => {
            why.outcome("unreachable", ": there was no connection", String::new())
        }
        None => TestOutcome::Passed,
    };
    let group = format!("jobwire.attach.{}", stream.dialect.name);
    TestCase { name: stream.name.clone(), group, took: now.saturating_duration_since(stream.link.1), outcome }
}

fn lost(problem: Option<&Failure>) -> TestOutcome {
    let kind = if problem.is_some_and(|problem| problem.exit == Exit::Refused) { "refused" } else { "lost" };
    let message = problem.map_or("the server was lost", |problem| &problem.message);
    let hint = problem.and_then(|problem| problem.hint.as_deref());
    TestOutcome::Broken(TestProblem::hinted(kind, message, hint))
}

/// Last state and last message of a job.
fn details(job: &Job) -> String {
    let facts = &job.facts;
    let parts = [
        facts.percent.map(|percent| format!("percent: {percent}")),
        facts.step.map(|step| match facts.total {
            Some(total) => format!("step: {step} of {total}"),
            None => format!("step: {step}"),
        }),
        facts.message.as_ref().map(|message| format!("message: {message}")),
        facts.error.as_ref().map(|error| format!("error: {error}")),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join("\n")
}
