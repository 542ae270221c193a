//! Running a command and telling of it as a job: that it has started, its progress, and how it ended.
//!
//! The command comes first. Its streams are copied by threads that wait for nobody else ([`copy`]); others look at what passes
//! by, as far as they keep up ([`glance`], [`observer`]); a task tells what they found ([`teller`]), from a bounded queue in which
//! the newest progress wins ([`queue`]). Where the command has a terminal of its own, a process of its session stands between
//! ([`session`]).

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
mod wake;

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::process::{Signal, kill_current_process_group};
use tokio::signal::unix::{Signal as Stream, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until, timeout};

pub(crate) use self::command::{CommandLine, name_of};
use self::command::{Kinship, Running, Source, own};
use self::copy::{Output, copy_input};
use self::glance::Glance;
pub(crate) use self::layout::PtyChoice;
use self::observer::Observer;
use self::pty::{Keyboard, signals_of};
use self::report::{Ending, Fate, Reporter};
pub(crate) use self::session::lead;
use self::teller::{Teller, Tellings};
use self::wake::Wake;
use crate::child::{self, CaughtSignal, CaughtSignals, Passing, SignalSender};
use crate::dialect::Dialect;
use crate::emit::{Sink, SinkOptions, attach_command, quoted};
use crate::exit::{Exit, Failure};
use crate::progress::{ProgressPattern, Recogniser};
use crate::text::printable_lines;

/// How long the last word may take after the end of the command.
const LAST_WORD: Duration = Duration::from_secs(2);
/// How long a command that was killed may take to be gone.
const DYING: Duration = Duration::from_secs(2);
/// How long the rest of the output may be looked at after its end.
const LAST_LOOK: Duration = Duration::from_secs(1);
/// Time between two looks whether the terminal is wanted.
const LOOK: Duration = Duration::from_millis(50);
/// How long a stopped command's last output is waited for, and how often it is looked for.
const LAST_OUTPUT: (u32, Duration) = (20, Duration::from_millis(10));

/// A command, and where it is told of.
#[derive(Debug)]
pub(crate) struct RunOptions {
    /// The command.
    pub command: CommandLine,
    /// Dialect of the job.
    pub dialect: Arc<Dialect>,
    /// The job, possible for the dialect.
    pub job: String,
    /// Where its events go.
    pub sink: SinkOptions,
    /// When a stream goes through a pty.
    pub pty: PtyChoice,
    /// Pattern of the user's that finds progress.
    pub pattern: Option<ProgressPattern>,
    /// Lines of output are told.
    pub logs: bool,
    /// The newest progress is told again after so long a silence.
    pub heartbeat: Option<Duration>,
    /// The whole command line is told, rather than the program's name.
    pub shows_command: bool,
    /// Nothing is said of how to watch.
    pub quiet: bool,
}

/// Runs a command to its end. Its exit code is the result; what there is to say to the user goes to `notes`.
///
/// # Errors
/// The command could not be started, which is told as well, or jobwire could not do its part before that.
pub(crate) async fn run(options: RunOptions, notes: &mut (impl Write + Send)) -> anyhow::Result<Exit> {
    let signals = CaughtSignals::catch()?;
    let reporter = Reporter::new(Arc::clone(&options.dialect), options.job.clone())?;
    if !options.quiet {
        note(notes, &format!("watch with: {}", attach_command(&[quoted(&reporter.target())], &options.sink)));
    }
    let tellings = Tellings::new();
    let teller = Teller {
        tellings: tellings.clone(),
        reporter: reporter.clone(),
        sink: Sink::new(options.sink.clone())?,
        heartbeat: options.heartbeat,
    };
    let telling = tokio::spawn(teller.run());
    let mut run = Run { signals, passing: Passing::new(false), asked: None, tellings, reporter, telling };
    let (exit, ending) = match Running::start(&options.command, options.pty) {
        Ok(running) => run.accompany(running, &options).await?,
        Err(failure) => {
            let fate = Fate {
                exit_code: Some(failure.exit.code().into()),
                error: Some(failure.message.clone()),
                signal: None,
            };
            (Err(failure), Ending::Failed(fate))
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
    passing: Passing,
    /// Whether INT or TERM has asked for the end.
    asked: Option<Signal>,
    tellings: Tellings,
    reporter: Reporter,
    telling: JoinHandle<()>,
}

impl Run {
    /// Stays with a command until it has ended and its output is copied.
    async fn accompany(
        &mut self,
        mut running: Running,
        options: &RunOptions,
    ) -> anyhow::Result<(Result<Exit, Failure>, Ending)> {
        self.passing = Passing::new(running.kinship == Kinship::SameGroup);
        let mut events = Events::catch()?;
        let name = if options.shows_command {
            let words = std::iter::once(&options.command.program).chain(&options.command.args);
            words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
        } else {
            name_of(&options.command.program)
        };
        self.tellings.milestone(self.reporter.started(&host(), running.child.id(), &name));
        let mut threads = Threads::start(&mut running, options, &self.tellings)?;
        if running.kinship == Kinship::Session {
            running.with_keyboard(Keyboard::capture);
        }
        let status = self.until_ended(&mut running, &mut events).await?;
        threads.ended.raise();
        self.until_copied(&mut threads).await;
        // Its settings are restored before anything is said.
        running.with_keyboard(Keyboard::release);
        if let Some(status) = status {
            return Ok((Ok(child::exit(status)), self.ending(status)));
        }
        let message = "jobwire was told to end, and the command could not be killed";
        let fate = Fate { error: Some(message.to_owned()), ..Fate::default() };
        Ok((Err(Failure::new(Exit::Failure, message)), Ending::Failed(fate)))
    }

    /// Waits for the end of the command, passing on what concerns it; `None` where it cannot even be killed.
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
                    if matches!(caught.signal, Signal::INT | Signal::TERM) {
                        self.asked = Some(caught.signal);
                    }
                    if is_own(&caught) {
                        continue;
                    }
                    let child = running.child.id();
                    if let Some(signal) = self.passing.decide(caught, child, Instant::now().into_std()) {
                        running.send(signal);
                        if signal == Signal::KILL {
                            killed.get_or_insert_with(Instant::now);
                        }
                    }
                }
                Some(()) = events.child.recv(), if running.kinship == Kinship::Session => {
                    if running.has_stopped() {
                        stop_likewise(running).await;
                    }
                }
                Some(()) = events.resumed.recv() => resume(running),
                () = sleep(LOOK), if running.kinship != Kinship::Session && running.keyboard.is_some() => {
                    let wants_keys = running.wants_keys();
                    running.with_keyboard(|keyboard| keyboard.capture_if(wants_keys));
                }
                Some(()) = events.resized.recv() => running.resize(),
                () = at(killed.map(|killed| killed + DYING)) => return Ok(None),
            }
        }
    }

    /// Waits until the output is copied and looked at. Whoever does not read it holds this up, as it would the command; a
    /// signal ends the waiting.
    async fn until_copied(&mut self, threads: &mut Threads) {
        while threads.copiers > 0 {
            tokio::select! {
                Some(()) = threads.copied.recv() => threads.copiers -= 1,
                caught = self.signals.next() => {
                    let is_order = !matches!(caught.signal, Signal::USR1 | Signal::USR2);
                    if is_order && !is_own(&caught) && caught.sender != SignalSender::Terminal {
                        return;
                    }
                }
                else => return,
            }
        }
        let look = async { while threads.looked.recv().await.is_some() {} };
        // Progress that nobody got to see in time gives way to the end.
        let _ = timeout(LAST_LOOK, look).await;
    }

    fn ending(&self, status: ExitStatus) -> Ending {
        let fate = Fate { exit_code: status.code(), signal: status.signal().map(signal_name), error: None };
        let orders = [Signal::INT, Signal::TERM].map(Signal::as_raw);
        let is_order = |number: i32| orders.contains(&number);
        // A shell says by its code that a signal ended what it ran.
        let of_shell = status.code().is_some_and(|code| is_order(code - 128));
        match status.code() {
            Some(0) => Ending::Succeeded,
            _ if of_shell || self.asked.is_some() || status.signal().is_some_and(is_order) => {
                Ending::Cancelled(fate)
            }
            _ => Ending::Failed(fate),
        }
    }

    /// Gives the teller time for the end, unless a signal says that there is none.
    async fn last_word(&mut self) {
        let told = timeout(LAST_WORD, &mut self.telling);
        let signals = &mut self.signals;
        let order = async { while is_own(&signals.next().await) {} };
        tokio::select! {
            _ = told => {}
            () = order => {}
        }
        if !self.telling.is_finished() {
            self.telling.abort();
            // What it was sending is put back, and counted.
            let _ = (&mut self.telling).await;
        }
    }

    /// Says what could not be told.
    fn account(&self, notes: &mut impl Write, quiet: bool) {
        let (account, events, lines) = self.tellings.account();
        let target = self.reporter.target();
        if events + lines > 0 {
            let what = match (events, lines) {
                (0, 1) => "1 line of output was".to_owned(),
                (0, lines) => format!("{lines} lines of output were"),
                (1, 0) => "1 event was".to_owned(),
                (events, 0) => format!("{events} events were"),
                (events, lines) => format!("{events} events and {lines} lines of output were"),
            };
            let why = account.failure.as_ref().map_or("there was no time".to_owned(), ToString::to_string);
            note(notes, &format!("warning: {what} not sent for {target}: {why}"));
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

/// Stops as the command has, until jobwire is told to go on; then the command is.
async fn stop_likewise(running: &mut Running) {
    let mut times = 0;
    while times < LAST_OUTPUT.0 && !(running.is_silent() && times > 1) {
        sleep(LAST_OUTPUT.1).await;
        times += 1;
    }
    running.with_keyboard(Keyboard::release);
    // The whole group, as the terminal would: a shell waits for all of a pipeline. In a group that no shell watches the kernel
    // drops this signal, and the command goes on at once, as it would have by itself.
    let _ = kill_current_process_group(Signal::TSTP);
    resume(running);
}

/// Lets the command go on, and takes the terminal for it again if jobwire is in its foreground.
fn resume(running: &mut Running) {
    running.resize();
    if running.kinship == Kinship::Session {
        running.with_keyboard(Keyboard::capture);
        running.send(Signal::CONT);
    } else {
        running.with_keyboard(Keyboard::recapture);
    }
}

/// Whether jobwire sent a signal itself, to all of its group.
fn is_own(caught: &CaughtSignal) -> bool {
    caught.sender == SignalSender::Process(Some(std::process::id()))
}

/// Threads that copy the command's streams and look at them.
struct Threads {
    /// Raised when the command has ended.
    ended: Arc<Wake>,
    /// Has a message of each copier that is done.
    copied: mpsc::Receiver<()>,
    copiers: usize,
    /// Closed once all lookers are done.
    looked: mpsc::Receiver<()>,
}

impl Threads {
    fn start(running: &mut Running, options: &RunOptions, tellings: &Tellings) -> io::Result<Self> {
        let ended = Arc::new(Wake::new()?);
        let (done, copied) = mpsc::channel(2);
        let (looks, looked) = mpsc::channel(1);
        let mut copiers = 0;
        let first = running.outputs.0.take();
        let second = running.outputs.1.take();
        let streams = [("stdout", first, own(io::stdout())?), ("stderr", second, own(io::stderr())?)];
        for (stream, source, to) in streams {
            let Some(Source { from, is_pty }) = source else { continue };
            copiers += 1;
            let glance = Arc::new(Glance::new(options.logs));
            let output = Output {
                from,
                is_pty,
                to,
                glance: Arc::clone(&glance),
                ended: Arc::clone(&ended),
                closes_stdout: stream == "stdout" && !is_pty,
            };
            let done = done.clone();
            spawn(stream, move || {
                output.copy();
                // Nobody listens any more where jobwire is ending.
                let _ = done.blocking_send(());
            })?;
            let recogniser = Recogniser::new(options.pattern.as_ref());
            let observer =
                Observer { stream, glance, recogniser, logs: options.logs, tellings: tellings.clone() };
            let looks = looks.clone();
            spawn("look", move || {
                observer.watch();
                drop(looks);
            })?;
        }
        if let Some(keyboard) = &running.keyboard {
            let is_session = running.kinship == Kinship::Session;
            let (keyboard, to) = (Arc::clone(keyboard), running.typewriter()?);
            let from = lock(&keyboard).terminal()?;
            spawn("keys", move || {
                copy_input(
                    from,
                    to,
                    || await_turn(&keyboard),
                    |keys, pty| typed(keys, pty, &keyboard, is_session),
                );
            })?;
        }
        Ok(Self { ended, copied, copiers, looked })
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    std::thread::Builder::new().name(name.to_owned()).spawn(work).map(drop)
}

/// Waits until jobwire may read the terminal: reading it from the background would stop jobwire, and others may be reading it.
fn await_turn(keyboard: &Mutex<Keyboard>) {
    while !lock(keyboard).is_captured() {
        std::thread::sleep(LOOK);
    }
}

/// Does for jobwire's group what its terminal would do if it were not in raw mode: a key such as Ctrl-C is a signal for all of
/// a pipeline, and for the script that runs it.
fn typed(keys: &[u8], pty: &File, keyboard: &Mutex<Keyboard>, is_session: bool) {
    for signal in signals_of(keys, pty) {
        if signal != Signal::TSTP {
            // There is always this process itself.
            let _ = kill_current_process_group(signal);
        } else if !is_session {
            lock(keyboard).release();
            let _ = kill_current_process_group(signal);
        }
        // A command with a session of its own is stopped by its pty, and jobwire follows it.
    }
}

fn lock(keyboard: &Mutex<Keyboard>) -> MutexGuard<'_, Keyboard> {
    keyboard.lock().unwrap_or_else(PoisonError::into_inner)
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

/// Name of this machine.
fn host() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "localhost".to_owned() } else { name.to_owned() }
}

/// Prints a line. A stderr that nobody reads is no reason to stop.
fn note(notes: &mut impl Write, text: &str) {
    let _ = writeln!(notes, "jobwire: {}", printable_lines(text));
}
