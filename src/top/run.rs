//! The loop: keys, samples and the open job into the state, and the state onto the screen.

use std::io;
use std::time::Duration;

use anyhow::Context as _;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use super::job::Heard;
use super::options::TopOptions;
use super::picture::{LEAST, Moment, draw, help, too_small};
use super::state::{Focus, TopState, Wish};
use super::{job_view, watching};
use crate::exit::{Exit, Failure};
use crate::lists::{PollResult, RelaySample, poll};
use crate::net::shutdown::{Signals, Stop, Stops};
use crate::screen::{Canvas, FullScreen, KeyPress, Keyboard, Place, Wake};

/// Shortest time between two pictures, 25 a second.
const FRAME: Duration = Duration::from_millis(40);

/// Messages of the open job on their way; while it is full the socket is not read.
const QUEUE: usize = 256;

/// Shows the relay until the user quits.
///
/// # Errors
/// The relay is away or refuses at the first attempt, or the terminal is gone.
pub(crate) async fn run(options: TopOptions) -> anyhow::Result<Exit> {
    options.relay.check()?;
    let mut state = TopState::new(&options);
    // Caught before the terminal is taken, so that it is given back whatever comes.
    let mut signals = Signals::catch().context("could not catch signals")?;
    let mut stops = Stops::catch().context("could not catch signals")?;
    let wake = Wake::catch().context("could not catch signals")?;
    // A wrong name of the server is an error, not a screen.
    let query = state.wanted().query;
    let first = stops.unless_ended(&mut signals, options.relay.sample_with_unfinished(&query)).await;
    let first = match first.context("could not stop the process")? {
        Ok(first) => first?,
        Err(exit) => return Ok(exit),
    };
    state.take(first, &query, Timestamp::now());
    let terminal = |error: io::Error| anyhow::Error::new(error).context("could not draw on the terminal");
    let screen = FullScreen::enter(Place::Stdout, options.abilities.color).map_err(terminal)?;
    let keyboard = Keyboard::start().context("could not read keys")?;
    let shown = Shown { state, screen, options, zone: TimeZone::system() };
    shown.until_over(keyboard, signals, stops, wake).await.map_err(terminal)
}

/// The state, and the screen that shows it.
struct Shown {
    state: TopState,
    screen: FullScreen,
    options: TopOptions,
    zone: TimeZone,
}

/// The task that watches the open job. Dropping this ends the task.
struct OpenJob {
    task: JoinHandle<()>,
    heard: mpsc::Receiver<Heard>,
}

impl Drop for OpenJob {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shown {
    async fn until_over(
        mut self,
        mut keyboard: Keyboard,
        mut signals: Signals,
        mut stops: Stops,
        mut wake: Wake,
    ) -> io::Result<Exit> {
        let (wish, wanted) = watch::channel(self.state.wanted());
        let (sender, mut samples) = mpsc::channel(1);
        let (relay, period) = (self.options.relay.clone(), self.options.interval);
        let asking =
            poll(period, wanted, sender, async |query: &_| relay.sample_with_unfinished(query).await);
        tokio::pin!(asking);
        let mut open: Option<OpenJob> = None;
        let mut seconds = interval(Duration::from_secs(1));
        seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut due, mut drawn) = (Some(Instant::now()), Instant::now());
        loop {
            let is_changed = tokio::select! {
                biased;
                signal = signals.next() => return Ok(signal.exit()),
                stop = stops.next() => match stop {
                    Stop::Pause => self.screen.suspend().map(|()| true)?,
                    Stop::End(exit) => return Ok(exit),
                },
                was_stopped = wake.next() => {
                    if was_stopped {
                        self.screen.resume()?;
                        self.state.ask_again(Timestamp::now(), Instant::now());
                    }
                    true
                }
                () = at(due) => {
                    self.draw()?;
                    (due, drawn) = (None, Instant::now());
                    false
                }
                key = keyboard.next() => {
                    // A terminal that is gone has no keys.
                    let Some(key) = key else { return Ok(Stops::HUNG_UP) };
                    match self.press(key, &wish, &mut open)? {
                        Some(exit) => return Ok(exit),
                        None => true,
                    }
                }
                sample = samples.recv() => { self.take(sample); true }
                // The task asks as long as its answers are taken.
                () = &mut asking => return Ok(Exit::Failure),
                heard = next(open.as_mut()) => { self.hear(heard, open.as_mut()); true }
                _ = seconds.tick() => true,
            };
            if is_changed {
                due = due.or_else(|| Some((drawn + FRAME).max(Instant::now())));
            }
        }
    }

    /// Obeys a key; an exit code where it is the end.
    fn press(
        &mut self,
        key: KeyPress,
        wish: &watch::Sender<crate::lists::Wanted>,
        open: &mut Option<OpenJob>,
    ) -> io::Result<Option<Exit>> {
        match self.state.press(key) {
            Wish::Draw => {}
            Wish::Redraw => self.screen.forget()?,
            Wish::Suspend => self.screen.suspend()?,
            Wish::Quit => return Ok(Some(Exit::Success)),
            Wish::Interrupt => return Ok(Some(Exit::Interrupted)),
            Wish::Close => *open = None,
            Wish::Open(target) => {
                let (sender, heard) = mpsc::channel(QUEUE);
                let (relay, dialects) = (self.options.relay.clone(), self.options.dialects.clone());
                let task = tokio::spawn(watching::watch(relay, dialects, target, sender));
                *open = Some(OpenJob { task, heard });
            }
            Wish::Ask => {
                let wanted = self.state.wanted();
                if wish.borrow().is_paused && !wanted.is_paused {
                    self.state.ask_again(Timestamp::now(), Instant::now());
                }
                // Only another question is asked at once.
                wish.send_if_modified(|now| std::mem::replace(now, wanted.clone()) != wanted);
            }
        }
        Ok(None)
    }

    fn take(&mut self, sample: Option<PollResult<RelaySample>>) {
        match sample {
            Some(PollResult::Answer(sample, query)) => self.state.take(sample, &query, Timestamp::now()),
            Some(PollResult::Lost { failure, again }) => self.state.lose(failure, again, Timestamp::now()),
            // The task ends after this loop.
            None => {}
        }
    }

    /// Puts what was heard on the page, and what has gathered behind it.
    fn hear(&mut self, heard: Option<Heard>, open: Option<&mut OpenJob>) {
        let Focus::Job(page) = &mut self.state.focus else { return };
        let now = Timestamp::now();
        let more = open.into_iter().flat_map(|open| std::iter::from_fn(|| open.heard.try_recv().ok()));
        for heard in heard.into_iter().chain(more.take(QUEUE)) {
            page.hear(heard, now);
        }
    }

    fn draw(&mut self) -> io::Result<()> {
        let moment = Moment { now: Timestamp::now(), instant: Instant::now(), zone: self.zone.clone() };
        let (state, options) = (&mut self.state, &self.options);
        self.screen.draw(|frame| {
            let mut canvas = Canvas::new(frame.buffer_mut(), options.abilities);
            paint(&mut canvas, state, options, &moment);
        })
    }
}

/// Draws the part of the screen that the keys act on.
pub(super) fn paint(canvas: &mut Canvas<'_>, state: &mut TopState, options: &TopOptions, moment: &Moment) {
    let area = canvas.area();
    if area.width < LEAST.0 || area.height < LEAST.1 {
        return too_small(canvas);
    }
    match &state.focus {
        Focus::Help => help(canvas),
        Focus::Job(page) => state.page = job_view::draw(canvas, page, moment),
        Focus::List | Focus::Search => draw(canvas, state, &options.relay.server, moment),
    }
}

/// Waits until that time; for ever without one.
async fn at(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}

/// The next news of the open job, if there is one.
async fn next(open: Option<&mut OpenJob>) -> Option<Heard> {
    match open {
        Some(open) => match open.heard.recv().await {
            Some(heard) => Some(heard),
            // The task ends only with this loop.
            None => std::future::pending().await,
        },
        None => std::future::pending().await,
    }
}

/// The error where standard output or input is no terminal.
pub(crate) fn off_terminal() -> Failure {
    Failure::usage("top draws on a terminal, and keys come from one").hint(
        "`jobwire top --once` prints one sample, as text or with --output json; `jobwire attach` watches jobs anywhere",
    )
}
