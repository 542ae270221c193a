//! The loop: reports onto the board and to the renderer, until it is over.

mod flow;

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Interval, MissedTickBehavior, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::board::{Board, Input, Source};
use super::follow::Follower;
use super::job::{Effect, Job, Link, State, When, print_of};
use super::junit::{Junit, Unended};
use super::record::Recording;
use super::render::{Renderer, Seen, What};
use super::report::{Envelope, Over, Report, Timing};
use super::shared::{Member, Settings, Shared};
use super::stream::Stream;
use super::{AttachOptions, AttachReport, Observer};
use crate::exit::{Exit, Failure};
use crate::net::shutdown::{Stop, Stops};
use crate::text::counted;

/// Reports on their way to the loop. A screenful of events; while it is full the followers wait.
const QUEUE: usize = 256;

/// How long the sockets get to say goodbye.
const GOODBYE: Duration = Duration::from_millis(300);

/// Still running jobs that are named when the time is up.
const NAMED: usize = 5;

struct Watcher {
    board: Board,
    renderer: Box<dyn Renderer>,
    junit: Junit,
    recording: Recording,
    /// A token per job that the user named, to close its socket with.
    stops: Vec<CancellationToken>,
    /// What was sent last of each job, to know a repeat after a reconnect.
    last: Vec<Option<u64>>,
    fail_fast: bool,
    /// End when nothing has run for so long.
    until_idle: Option<Duration>,
    /// Since when nothing runs.
    idle: Option<tokio::time::Instant>,
    /// What has been hinted at so far; as many as there are hints.
    hints: Vec<String>,
}

/// What is made of what happens.
pub(super) struct Outputs {
    pub(super) renderer: Box<dyn Renderer>,
    pub(super) junit: Junit,
    pub(super) recording: Recording,
}

/// [`super::run`] with any outputs and timing.
pub(super) async fn watch(
    options: &AttachOptions,
    observer: Option<Observer>,
    stop: &CancellationToken,
    outputs: Outputs,
    timing: Timing,
) -> io::Result<AttachReport> {
    let now = Instant::now();
    let (reports, inbox) = mpsc::channel(QUEUE);
    let mut followers = JoinSet::new();
    let all = stop.child_token();
    let (mut jobs, mut stops, mut streams, mut shared) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for place in options.places() {
        let dialect = Arc::clone(&place.dialect);
        let stop = all.child_token();
        let source = if place.is_stream() {
            streams.push(Stream::new(place.name.clone(), dialect, now));
            Source::Stream(streams.len() - 1)
        } else {
            jobs.push(Job::new(place.name.clone(), place.label.clone(), dialect, options.new, now));
            stops.push(stop.clone());
            Source::Job(jobs.len() - 1)
        };
        if !place.targets.is_empty() {
            shared.push(Member { source, place, stop });
            continue;
        }
        let (retries, token, tls) = (options.retries, options.token.clone(), options.tls.clone());
        let (reports, observer) = (reports.clone(), observer.clone());
        followers.spawn(
            Follower { source, place, token, tls, retries, timing, observer, gate: None, reports, stop }
                .run(),
        );
    }
    if !shared.is_empty() {
        let settings = Settings {
            server: options.server.clone(),
            token: options.token.clone(),
            key: options.list_key(),
            tls: options.tls.clone(),
            retries: options.retries,
            timing,
            kinds: options.kinds(),
            // Who waits for a new run does not care how the last one went.
            replay: !options.new,
            observer: observer.clone(),
            reports: reports.clone(),
            stop: all.clone(),
        };
        followers.spawn(Shared { settings, members: shared }.run());
    }
    drop(reports);
    let board = Board::new(jobs, now).with_streams(streams);
    let mut watcher = Watcher::new(outputs, board, stops, options);
    for warning in options.warnings() {
        watcher.renderer.note(&format!("warning: {warning}"))?;
    }
    // The inbox goes with the loop: what the followers still say then is nobody's business, and they do not wait.
    let over = watcher.run(inbox, stop, options.timeout).await;
    let written = watcher.write_junit(over.as_ref().ok(), options.timeout);
    let recorded = watcher.recording.end();
    let over = over?;
    all.cancel();
    let _ = timeout(GOODBYE, async { while followers.join_next().await.is_some() {} }).await;
    Ok(watcher.report(&over, options.timeout).with(written).with(recorded))
}

impl Watcher {
    fn new(outputs: Outputs, board: Board, stops: Vec<CancellationToken>, options: &AttachOptions) -> Self {
        let Outputs { renderer, junit, recording } = outputs;
        let last = vec![None; board.jobs().len()];
        let (fail_fast, until_idle) = (options.fail_fast, options.until_idle);
        let (idle, hints) = (None, Vec::new());
        Self { board, renderer, junit, recording, stops, last, fail_fast, until_idle, idle, hints }
    }

    async fn run(
        &mut self,
        mut inbox: mpsc::Receiver<Envelope>,
        stop: &CancellationToken,
        limit: Option<Duration>,
    ) -> io::Result<Over> {
        let over = self.until_over(&mut inbox, stop, limit).await;
        let result = over.and_then(|over| self.known_by(over, &mut inbox));
        let finished = self.finish();
        match result.and_then(|over| finished.map(|()| over)) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Over::Unread),
            other => other,
        }
    }

    /// Completes what is shown and what is recorded.
    fn finish(&mut self) -> io::Result<()> {
        let now = Instant::now();
        let recorded = self.recording.finish(&self.board, now);
        let finished = self.renderer.finish(&self.board, now);
        if let Some(told) = recorded? {
            self.renderer.note(&told)?;
        }
        finished
    }

    async fn until_over(
        &mut self,
        inbox: &mut mpsc::Receiver<Envelope>,
        stop: &CancellationToken,
        limit: Option<Duration>,
    ) -> io::Result<Over> {
        let mut redraws = self.renderer.interval().or(self.recording.interval()).map(|period| {
            let mut redraws = interval(period);
            redraws.set_missed_tick_behavior(MissedTickBehavior::Delay);
            redraws
        });
        let time_up = async {
            match limit {
                Some(limit) => sleep(limit).await,
                None => std::future::pending().await,
            }
        };
        tokio::pin!(time_up);
        // Always: after the picker the signals have handlers, which only this loop listens to.
        let mut stops = Stops::catch()?;
        loop {
            if self.is_settled() {
                return Ok(Over::Settled);
            }
            self.idle =
                if self.board.is_busy() { None } else { self.idle.or(Some(tokio::time::Instant::now())) };
            let idle = self.idle.zip(self.until_idle).map(|(since, limit)| since + limit);
            // In this order, so that a flood of events holds up neither a Ctrl-C nor the bars.
            tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(Over::Stopped),
                () = &mut time_up => return Ok(Over::Time),
                stopped = stops.next() => self.stopped(stopped)?,
                () = tick(redraws.as_mut()) => self.draw()?,
                envelope = inbox.recv() => match envelope {
                    Some(envelope) => self.take_all(envelope, inbox)?,
                    // Every follower has gone, each with a last report, so the board is settled.
                    None => return Ok(Over::Settled),
                },
                () = at(idle) => return Ok(Over::Idle),
            }
        }
    }

    /// Whether nothing more is waited for.
    fn is_settled(&self) -> bool {
        self.board.is_settled() || (self.fail_fast && self.board.has_failure())
    }

    /// When the time is up, what has come by then counts, and so does an ending that a newer one might still have replaced.
    fn known_by(&mut self, over: Over, inbox: &mut mpsc::Receiver<Envelope>) -> io::Result<Over> {
        if !matches!(over, Over::Time) {
            return Ok(over);
        }
        if let Ok(envelope) = inbox.try_recv() {
            self.take_all(envelope, inbox)?;
        }
        for index in 0..self.board.jobs().len() {
            let effect = self.board.apply(index, Input::Told, Instant::now());
            self.after(index, &effect)?;
        }
        Ok(if self.is_settled() { Over::Settled } else { over })
    }

    /// Writes the results of the jobs as JUnit XML, if wanted.
    fn write_junit(&mut self, over: Option<&Over>, limit: Option<Duration>) -> Result<(), Failure> {
        self.junit.write(&self.board, &Unended::new(over, limit))
    }

    /// A signal stops the process, or ends it, which leaves the terminal in order first.
    fn stopped(&mut self, stop: Stop) -> io::Result<()> {
        self.renderer.pause()?;
        match stop {
            Stop::Pause => Stops::pause(),
            Stop::End(exit) => {
                // After a signal the exit code stays that of the signal, even where a file cannot be written.
                let _ = self.recording.finish(&self.board, Instant::now());
                let _ = self.write_junit(Some(&Over::Stopped), None);
                std::process::exit(exit.code().into())
            }
        }
    }

    fn draw(&mut self) -> io::Result<()> {
        self.recording.look()?;
        self.renderer.draw(&self.board, Instant::now())
    }

    /// Takes what is there, at most a queueful, and only then flushes.
    fn take_all(&mut self, first: Envelope, inbox: &mut mpsc::Receiver<Envelope>) -> io::Result<()> {
        self.take(first)?;
        for _ in 0..QUEUE {
            if self.fail_fast && self.board.has_failure() {
                break;
            }
            match inbox.try_recv() {
                Ok(envelope) => self.take(envelope)?,
                Err(_) => break,
            }
        }
        if let Some(told) = self.recording.flush()? {
            self.renderer.note(&told)?;
        }
        self.renderer.flush()
    }

    fn take(&mut self, envelope: Envelope) -> io::Result<()> {
        let Envelope { source, received_at, report } = envelope;
        let index = match source {
            Source::Job(index) => index,
            Source::Stream(index) => return self.take_flow(index, &received_at, report, None),
        };
        let job = &self.board.jobs()[index];
        if job.is_settled() && !self.board.is_member(index) {
            // Its first ending counts; what was on its way behind that belongs to another run.
            return Ok(());
        }
        let dialect = Arc::clone(&job.dialect);
        let now = Instant::now();
        match report {
            Report::Text { text, when } => self.take_text(index, &received_at, &text, when),
            Report::Told => {
                let effect = self.board.apply(index, Input::Told, now);
                self.after(index, &effect)
            }
            Report::Outcome(outcome) => {
                let is_news = job.state != State::Ended(outcome);
                let effect = self.board.apply(index, Input::Outcome(outcome), now);
                if is_news {
                    self.show(index, &received_at, What::Outcome, &effect)?;
                }
                self.after(index, &effect)
            }
            Report::Gap { reason, repeats } => {
                self.show(index, &received_at, What::Gap { reason: &reason, repeats }, &Effect::Nothing)
            }
            Report::Warning(warning) => self.renderer.note(&format!("warning: {warning}")),
            // A job brings no other, and says nothing of what is missed.
            Report::Of { .. } | Report::Resumes => Ok(()),
            Report::Status(body) => {
                let Some(view) = dialect.view_status(&body) else { return Ok(()) };
                let effect = self.board.apply(index, Input::Status(&view), now);
                self.show(index, &received_at, What::Status(&body), &effect)?;
                self.after(index, &effect)
            }
            Report::Link(link) => {
                let effect = self.board.apply(index, Input::Link(link.clone()), now);
                self.show(index, &received_at, What::Link(&link), &effect)
            }
            Report::Hint(hint) => self.hint(hint),
            Report::Lost(failure) => {
                let said = failure.message.clone();
                let effect = self.board.apply(index, Input::Lost(failure), now);
                self.show(index, &received_at, What::Lost(&said), &effect)
            }
        }
    }

    fn take_text(&mut self, index: usize, received_at: &Timestamp, text: &str, when: When) -> io::Result<()> {
        let view = self.board.jobs()[index].dialect.view(text);
        let input = Input::Event { view: view.as_ref(), text, when };
        let effect = self.board.apply(index, input, Instant::now());
        let print = print_of(text);
        let is_repeat = self.last[index].replace(print) == Some(print) && when.is_state();
        if !is_repeat {
            let is_state = when == When::Again;
            self.show(index, received_at, What::Event { text, view: view.as_ref(), is_state }, &effect)?;
        }
        self.after(index, &effect)
    }

    /// Says once what the user can do: many targets of one server share their fate.
    fn hint(&mut self, hint: String) -> io::Result<()> {
        if self.hints.contains(&hint) {
            return Ok(());
        }
        self.renderer.note(&format!("hint: {hint}"))?;
        self.hints.push(hint);
        Ok(())
    }

    /// Closes the socket of a job of which nothing more is expected.
    fn after(&mut self, index: usize, effect: &Effect) -> io::Result<()> {
        let is_over = matches!(effect, Effect::Ended(_)) && self.board.jobs()[index].is_settled();
        if !is_over || self.board.is_member(index) {
            return Ok(());
        }
        self.stops[index].cancel();
        let effect = self.board.apply(index, Input::Link(Link::Closed), Instant::now());
        self.show(index, &Timestamp::now(), What::Link(&Link::Closed), &effect)
    }

    fn show(
        &mut self,
        index: usize,
        received_at: &Timestamp,
        what: What<'_>,
        effect: &Effect,
    ) -> io::Result<()> {
        let seen = Seen { index, received_at, what, effect };
        self.recording.seen(&seen, &self.board);
        self.renderer.seen(&seen, &self.board)
    }

    fn report(&self, over: &Over, limit: Option<Duration>) -> AttachReport {
        let (exit, problem) = match over {
            Over::Settled => (self.board.exit(), self.board.problem()),
            Over::Idle => self.idle_report(),
            Over::Stopped => (Exit::Interrupted, self.unreached()),
            Over::Unread => (Exit::Success, None),
            Over::Time => {
                let problem = self.board.problem().unwrap_or_else(|| self.still_running(limit));
                (problem.exit, Some(problem))
            }
        };
        AttachReport { exit, tally: self.board.tally(), events: self.board.events(), problem }
    }

    /// Nothing runs any more, as far as is known: of jobs that a gap hides the end of, nothing is.
    fn idle_report(&self) -> (Exit, Option<Failure>) {
        let unknown = self.board.jobs().iter().filter(|job| job.is_doubted).count();
        match (self.board.exit(), unknown) {
            (Exit::Success, 1..) => {
                let unknown = counted(unknown as u64, "job");
                let message = format!("nothing runs that is heard of, but the end of {unknown} was missed");
                (Exit::StillRunning, Some(Failure::new(Exit::StillRunning, message)))
            }
            (exit, _) => (exit, self.board.problem()),
        }
    }

    /// Why there was no connection, where one is still tried for.
    fn unreached(&self) -> Option<Failure> {
        let (name, reason) = self.board.unreached()?;
        let failure = Failure::new(Exit::Interrupted, format!("{name}: {reason}"));
        Some(Failure { hint: self.hints.first().cloned(), ..failure })
    }

    fn still_running(&self, limit: Option<Duration>) -> Failure {
        if !self.board.is_any_reached() {
            return self.never_reached(limit);
        }
        let open: Vec<&str> = self.board.unsettled().collect();
        let more = open.len().saturating_sub(NAMED);
        let named = open[..open.len() - more].join(", ");
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let limit = limit.unwrap_or_default().as_secs_f64();
        let message = format!("the time was up after {limit} s; not ended: {named}{more}");
        Failure { hint: self.unreached().and_then(|f| f.hint), ..Failure::new(Exit::StillRunning, message) }
    }

    /// The time was up before there was any connection, so that nothing is known to be running.
    fn never_reached(&self, limit: Option<Duration>) -> Failure {
        let limit = limit.unwrap_or_default().as_secs_f64();
        let problem = self.unreached();
        let reason = match &problem {
            Some(problem) => problem.message.clone(),
            None => format!(
                "{}: the server has not answered yet",
                self.board.unsettled().take(NAMED).collect::<Vec<_>>().join(", ")
            ),
        };
        let failure = Failure::new(Exit::Unreachable, format!("{reason} (the time was up after {limit} s)"));
        Failure { hint: problem.and_then(|problem| problem.hint), ..failure }
    }
}

/// Waits until a time, or forever without one.
async fn at(time: Option<tokio::time::Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}

/// The next redraw, if there are any.
async fn tick(redraws: Option<&mut Interval>) {
    match redraws {
        Some(redraws) => {
            redraws.tick().await;
        }
        None => std::future::pending().await,
    }
}
