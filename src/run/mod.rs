//! Running a command and reporting the command as a job: its start, its progress and its end.
//!
//! The reporting never holds up the command. Threads copy the command's streams and wait for nobody else ([`copy`]). Other
//! threads look for progress in the copied output as far as they keep up ([`glance`], [`observer`]). A task sends what they
//! find ([`teller`]) from a bounded queue that keeps only the newest progress ([`queue`]). Where the command has a terminal of
//! its own, a process between jobwire and the command leads the command's session ([`session`]).

mod command;
mod copy;
mod glance;
mod layout;
mod observer;
mod pty;
mod queue;
mod report;
mod screen;
mod session;
mod teller;
mod threads;
mod wake;

use std::io::{self, Write};
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::process::{Signal, kill_current_process_group};
use tokio::signal::unix::{Signal as Stream, SignalKind, signal};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until, timeout};

pub(crate) use self::command::{CommandLine, name_of};
use self::command::{Kinship, Running};
pub(crate) use self::layout::PtyChoice;
use self::pty::Keyboard;
use self::report::{Ending, Fate, Reporter};
pub(crate) use self::session::lead;
use self::teller::{Teller, Tellings};
use self::threads::{LOOK, Threads, Wanted, lock};
use crate::child::{self, CaughtSignal, CaughtSignals, Passing, SignalSender};
use crate::dialect::Dialect;
use crate::emit::{Sink, SinkOptions, attach_command, quoted};
use crate::exit::{Exit, Failure};
use crate::net::host_name;
use crate::progress::ProgressPattern;
use crate::text::{counted, printable_lines};

/// Longest time for sending the last events after the end of the command.
const LAST_WORD: Duration = Duration::from_secs(2);
/// Longest time until a killed command must have ended.
const DYING: Duration = Duration::from_secs(2);
/// Longest time for looking at the rest of the output after the end of the command.
const LAST_LOOK: Duration = Duration::from_secs(1);
/// Number of looks for the last output of a stopped command, and the time between two looks.
const LAST_OUTPUT: (u32, Duration) = (20, Duration::from_millis(10));

/// Resolved options of a run.
#[derive(Debug)]
pub(crate) struct RunOptions {
    /// The command.
    pub command: CommandLine,
    /// Dialect of the job.
    pub dialect: Arc<Dialect>,
    /// Name of the job, valid in the dialect.
    pub job: String,
    /// Sink of the events.
    pub sink: SinkOptions,
    /// Condition under which a stream goes through a pty.
    pub pty: PtyChoice,
    /// The user's pattern that finds progress.
    pub pattern: Option<ProgressPattern>,
    /// Whether lines of output are sent as log events.
    pub logs: bool,
    /// Longest silence, after which the newest progress is sent again.
    pub heartbeat: Option<Duration>,
    /// Whether the start event has the whole command line, rather than the program's name alone.
    pub shows_command: bool,
    /// Whether to leave out the note that says how to watch the job.
    pub quiet: bool,
}

/// Runs a command to its end and returns the command's exit code. Messages for the user go to `notes`.
///
/// # Errors
/// The command could not be started, which is also reported as the end of the job, or jobwire failed before the start.
pub(crate) async fn run(options: RunOptions, notes: &mut (impl Write + Send)) -> anyhow::Result<Exit> {
    let signals = CaughtSignals::catch()?;
    let events = Events::catch()?;
    let reporter = Reporter::new(Arc::clone(&options.dialect), options.job.clone())?;
    if !options.quiet {
        note(notes, &format!("watch with: {}", attach_command(&[quoted(&reporter.target())], &options.sink)));
    }
    let tellings = Tellings::new();
    let sink = Sink::new(options.sink.clone())?;
    let address = sink.address();
    let teller =
        Teller { tellings: tellings.clone(), reporter: reporter.clone(), sink, heartbeat: options.heartbeat };
    let telling = tokio::spawn(teller.run());
    let passing = Arc::new(Mutex::new(Passing::new(false)));
    let mut run =
        Run { signals, passing, asked: None, is_interrupted: false, tellings, reporter, telling, address };
    let (exit, ending) = match Running::start(&options.command, options.pty) {
        Ok(running) => run.accompany(running, events, &options).await,
        Err(failure) => {
            let exit_code = Some(failure.exit.code().into());
            let error = Some(failure.message.clone());
            (Err(failure), Ending::Failed(Fate { exit_code, error, signal: None }))
        }
    };
    run.tellings.end(run.reporter.ended(&ending));
    run.last_word().await;
    run.account(notes, options.quiet);
    Ok(exit?)
}

/// State of a run.
struct Run {
    signals: CaughtSignals,
    passing: Arc<Mutex<Passing>>,
    /// The INT or TERM that has asked for the end, if any.
    asked: Option<Signal>,
    /// Whether the terminal has sent INT.
    is_interrupted: bool,
    tellings: Tellings,
    reporter: Reporter,
    telling: JoinHandle<()>,
    /// Address of the sink, for messages.
    address: String,
}

impl Run {
    /// Reports the start of a command, then follows the command until it has ended and its output is copied. Restores the
    /// terminal's settings at the end.
    async fn accompany(
        &mut self,
        mut running: Running,
        mut events: Events,
        options: &RunOptions,
    ) -> (Result<Exit, Failure>, Ending) {
        *lock(&self.passing) = Passing::new(running.kinship == Kinship::SameGroup);
        let name = options.command.name(options.shows_command);
        self.tellings.milestone(self.reporter.started(&host_name(), running.id, &name));
        match self.follow(&mut running, &mut events, options).await {
            Ok(Some(status)) => {
                let is_heard = &mut self.is_interrupted;
                child::hear_interrupt(status, &mut self.signals, is_heard, |caught| is_interrupt(&caught))
                    .await;
                (Ok(child::exit(status, self.is_interrupted)), self.ending(status))
            }
            Ok(None) => {
                without_end("jobwire was told to end, and the command could not be killed".to_owned())
            }
            Err(error) => without_end(format!("could not follow the command: {error}")),
        }
    }

    /// Copies the command's output and looks at it until the command ends; `None` where the command cannot be killed.
    async fn follow(
        &mut self,
        running: &mut Running,
        events: &mut Events,
        options: &RunOptions,
    ) -> io::Result<Option<ExitStatus>> {
        let wanted = Wanted { pattern: options.pattern.as_ref(), logs: options.logs };
        let mut threads = Threads::start(running, wanted, &self.tellings, &self.passing)?;
        running.look_for_keys();
        let status = self.until_ended(running, events).await?;
        threads.ended.raise();
        self.until_copied(&mut threads).await;
        Ok(status)
    }

    /// Waits for the end of the command. Meanwhile passes on signals and terminal sizes. `None`: the command did not end even
    /// after KILL.
    async fn until_ended(
        &mut self,
        running: &mut Running,
        events: &mut Events,
    ) -> io::Result<Option<ExitStatus>> {
        let mut killed: Option<Instant> = None;
        loop {
            tokio::select! {
                biased;
                status = running.child.wait() => return status.map(Some),
                caught = self.signals.next() => {
                    if self.pass_on(caught, running) == Some(Signal::KILL) {
                        killed.get_or_insert_with(Instant::now);
                    }
                }
                Some(()) = events.child.recv(), if running.kinship == Kinship::Session => {
                    if running.has_stopped() {
                        stop_likewise(running).await;
                    }
                }
                Some(()) = events.resumed.recv() => resume(running),
                () = sleep(LOOK), if running.keyboard.is_some() => running.look_for_keys(),
                Some(()) = events.resized.recv() => running.resize(),
                () = at(killed.map(|killed| killed + DYING)) => return Ok(None),
            }
        }
    }

    /// Notes whether the terminal has sent INT.
    fn hear(&mut self, caught: CaughtSignal) {
        self.is_interrupted |= is_interrupt(&caught);
    }

    /// Sends a caught signal to the command, where the command has not received the signal already. Returns the signal that was
    /// sent.
    fn pass_on(&mut self, caught: CaughtSignal, running: &Running) -> Option<Signal> {
        self.hear(caught);
        if matches!(caught.signal, Signal::INT | Signal::TERM) {
            self.asked = Some(caught.signal);
        }
        if is_own(&caught) {
            return None;
        }
        let command = child::addressee(running.child.id());
        let signal = lock(&self.passing).decide(caught, command, Instant::now().into_std())?;
        running.send(signal);
        Some(signal)
    }

    /// Waits until the output is copied and looked at. A reader that takes no output holds this up, as it would hold up the
    /// command. A signal ends the wait.
    async fn until_copied(&mut self, threads: &mut Threads) {
        loop {
            tokio::select! {
                _ = threads.copied.recv() => break,
                caught = self.signals.next() => {
                    self.hear(caught);
                    if is_order(&caught) {
                        return;
                    }
                }
            }
        }
        let look = async { while threads.looked.recv().await.is_some() {} };
        // Progress that was not found within this time is lost: the end of the job is more important.
        let _ = timeout(LAST_LOOK, look).await;
    }

    fn ending(&self, status: ExitStatus) -> Ending {
        let fate = Fate { exit_code: status.code(), signal: status.signal().map(signal_name), error: None };
        let orders = [Signal::INT, Signal::TERM].map(Signal::as_raw);
        let is_order = |number: i32| orders.contains(&number);
        // A shell exits with 128 + N where a signal N ended its command.
        let of_shell = status.code().is_some_and(|code| is_order(code - 128));
        match status.code() {
            Some(0) => Ending::Succeeded,
            _ if of_shell || self.asked.is_some() || status.signal().is_some_and(is_order) => {
                Ending::Cancelled(fate)
            }
            _ => Ending::Failed(fate),
        }
    }

    /// Gives the teller time to send the end, until another signal asks jobwire to end.
    async fn last_word(&mut self) {
        // Signals that came before the end of the command do not shorten the time after it.
        while self.signals.next_if_ready().is_some() {}
        let told = timeout(LAST_WORD, &mut self.telling);
        let signals = &mut self.signals;
        let order = async { while !is_order(&signals.next().await) {} };
        tokio::select! {
            _ = told => {}
            () = order => {}
        }
        if !self.telling.is_finished() {
            self.telling.abort();
            // The event on its way goes back into the queue and is counted as not sent.
            let _ = (&mut self.telling).await;
        }
    }

    /// Reports the events and lines that could not be sent.
    fn account(&self, notes: &mut impl Write, quiet: bool) {
        let (account, events, lines) = self.tellings.account();
        let target = self.reporter.target();
        if events + lines > 0 {
            let what = match (events, lines) {
                (0, lines) => format!("{} of output", counted(lines, "line")),
                (events, 0) => counted(events, "event"),
                (events, lines) => {
                    format!("{} and {} of output", counted(events, "event"), counted(lines, "line"))
                }
            };
            let verb = if events + lines == 1 { "was" } else { "were" };
            let no_answer = || format!("no answer from {} in time", self.address);
            let why = account.failure.as_ref().map_or_else(no_answer, ToString::to_string);
            note(notes, &format!("warning: {what} {verb} not sent for {target}: {why}"));
            if let Some(hint) = account.failure.and_then(|failure| failure.hint) {
                note(notes, &format!("hint: {hint}"));
            }
        } else if let Some(nobody) = account.nobody.filter(|_| !account.is_heard && !quiet) {
            note(notes, &format!("note: {nobody}"));
        }
    }
}

/// Signals whose sender does not matter.
struct Events {
    child: Stream,
    resumed: Stream,
    resized: Stream,
}

impl Events {
    fn catch() -> io::Result<Self> {
        Ok(Self {
            child: signal(SignalKind::child())?,
            resumed: signal(SignalKind::from_raw(Signal::CONT.as_raw()))?,
            resized: signal(SignalKind::window_change())?,
        })
    }
}

/// Stops jobwire after the command has stopped. Once jobwire goes on, the command does too.
async fn stop_likewise(running: &mut Running) {
    let mut times = 0;
    while times < LAST_OUTPUT.0 && !(running.is_silent() && times > 1) {
        sleep(LAST_OUTPUT.1).await;
        times += 1;
    }
    running.with_keyboard(Keyboard::release);
    // TSTP goes to the whole group, as from a terminal, since a shell waits for all processes of a pipeline. In a group without
    // a shell the kernel drops TSTP, and the command goes on at once.
    let _ = kill_current_process_group(Signal::TSTP);
    resume(running);
}

/// Continues after a stop: resizes the ptys, captures the terminal again where jobwire is in the foreground, and sends CONT to
/// a command with a session of its own.
fn resume(running: &mut Running) {
    running.resize();
    if running.kinship == Kinship::Session {
        running.with_keyboard(Keyboard::capture);
        running.send(Signal::CONT);
    } else {
        running.with_keyboard(Keyboard::recapture);
    }
}

/// Whether the signal is INT for a typed Ctrl-C.
fn is_interrupt(caught: &CaughtSignal) -> bool {
    is_typed(caught) && caught.signal == Signal::INT
}

/// Whether a signal asks jobwire to end, after the command has ended. USR1 and USR2 are for the command alone. A typed signal
/// is for all programs in the foreground and may be late.
fn is_order(caught: &CaughtSignal) -> bool {
    !is_typed(caught) && !matches!(caught.signal, Signal::USR1 | Signal::USR2)
}

/// Whether the signal stands for a typed key. The terminal sends it, or jobwire itself while the terminal is in raw mode.
fn is_typed(caught: &CaughtSignal) -> bool {
    is_own(caught) || caught.sender == SignalSender::Terminal
}

/// Whether jobwire itself sent the signal, to all of its group.
fn is_own(caught: &CaughtSignal) -> bool {
    caught.sender == SignalSender::Process(Some(std::process::id()))
}

/// Result and ending of a command whose end could not be observed.
fn without_end(message: String) -> (Result<Exit, Failure>, Ending) {
    let fate = Fate { error: Some(message.clone()), ..Fate::default() };
    (Err(Failure::new(Exit::Failure, message)), Ending::Failed(fate))
}

async fn at(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}

fn signal_name(number: i32) -> String {
    signal_hook::low_level::signal_name(number).map_or_else(|| number.to_string(), str::to_owned)
}

/// Prints a line. A stderr that nobody reads does not stop the run.
fn note(notes: &mut impl Write, text: &str) {
    let _ = writeln!(notes, "jobwire: {}", printable_lines(text));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_of_processes_are_orders_unless_they_are_for_the_command_alone() {
        let process = SignalSender::Process(Some(1));
        let own = SignalSender::Process(Some(std::process::id()));
        for (signal, sender, expected) in [
            (Signal::INT, process, true),
            (Signal::TERM, process, true),
            (Signal::HUP, process, true),
            (Signal::TERM, SignalSender::Process(None), true),
            (Signal::USR1, process, false),
            (Signal::USR2, process, false),
            (Signal::INT, SignalSender::Terminal, false),
            (Signal::QUIT, SignalSender::Terminal, false),
            (Signal::INT, own, false),
        ] {
            assert_eq!(is_order(&CaughtSignal { signal, sender }), expected, "{signal:?} {sender:?}");
        }
    }
}
