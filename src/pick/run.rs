//! The loop: keys and lists into the state, the state onto the screen, until a choice is made.

use std::io;
use std::time::Duration;

use anyhow::Context as _;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::picture::draw;
use super::state::{Choice, PickState};
use crate::exit::Exit;
use crate::lists::{JobList, ListClient, PollResult, Wanted, poll};
use crate::net::address;
use crate::net::shutdown::{Signals, Stop, Stops};
use crate::screen::{Abilities, Canvas, FullScreen, KeyPress, Keyboard, Place, Wake};

/// Time between two lists.
const INTERVAL: Duration = Duration::from_secs(1);

/// Settings of [`pick`].
#[derive(Debug, Clone)]
pub(crate) struct PickOptions {
    /// The relay whose jobs are listed.
    pub relay: ListClient,
    /// Dialect of the jobs; absent: all.
    pub dialect: Option<String>,
    /// Abilities of the terminal.
    pub abilities: Abilities,
}

/// Choice of the user.
#[derive(Debug)]
pub(crate) enum Picked {
    /// Names of the chosen jobs, at least one.
    Jobs(Vec<String>),
    /// None; what to exit with.
    None(Exit),
}

/// Lists the unfinished jobs until some of them are chosen, or none. The terminal is left as it was found.
///
/// # Errors
/// The relay is away or refuses its list at the first attempt, or the terminal is gone.
pub(crate) async fn pick(options: &PickOptions) -> anyhow::Result<Picked> {
    options.relay.check()?;
    let mut state = PickState::new(options.dialect.clone());
    let mut signals = Signals::catch().context("could not catch signals")?;
    let mut stops = Stops::catch().context("could not catch signals")?;
    let wake = Wake::catch().context("could not catch signals")?;
    let query = state.query();
    let first = stops.unless_ended(&mut signals, options.relay.jobs(&query)).await;
    let first = match first.context("could not stop the process")? {
        Ok(first) => first?,
        Err(exit) => return Ok(Picked::None(exit)),
    };
    state.take(first, Timestamp::now());
    let (_wish, wanted) = watch::channel(Wanted { query, is_paused: false });
    let (sender, mut lists) = mpsc::channel(1);
    let asking = poll(INTERVAL, wanted, sender, async |query: &_| options.relay.jobs(query).await);
    let screen = FullScreen::enter(Place::Stderr, options.abilities.color);
    let screen = screen.context("could not draw on the terminal")?;
    let keyboard = Keyboard::start().context("could not read keys")?;
    let mut list = List { state, screen, zone: TimeZone::system(), options };
    tokio::select! {
        picked = list.until_chosen(keyboard, &mut lists, signals, stops, wake) => {
            picked.context("could not draw on the terminal")
        }
        // The list takes answers as long as it is there.
        () = asking => Ok(Picked::None(Exit::Failure)),
    }
}

/// The state, and the screen that shows it.
struct List<'a> {
    state: PickState,
    screen: FullScreen,
    zone: TimeZone,
    options: &'a PickOptions,
}

impl List<'_> {
    async fn until_chosen(
        &mut self,
        mut keyboard: Keyboard,
        lists: &mut mpsc::Receiver<PollResult<JobList>>,
        mut signals: Signals,
        mut stops: Stops,
        mut wake: Wake,
    ) -> io::Result<Picked> {
        let mut seconds = interval(Duration::from_secs(1));
        seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            self.draw()?;
            tokio::select! {
                biased;
                signal = signals.next() => return Ok(Picked::None(signal.exit())),
                stop = stops.next() => match stop {
                    Stop::Pause => self.screen.suspend()?,
                    Stop::End(exit) => return Ok(Picked::None(exit)),
                },
                was_stopped = wake.next() => if was_stopped {
                    self.screen.resume()?;
                },
                key = keyboard.next() => {
                    // A terminal that is gone has no keys.
                    let Some(key) = key else { return Ok(Picked::None(Stops::HUNG_UP)) };
                    let mut next = Some(key);
                    // Keys that wait need no picture each.
                    while let Some(key) = next {
                        if let Some(picked) = self.press(key)? {
                            return Ok(picked);
                        }
                        next = keyboard.waiting();
                    }
                }
                list = lists.recv() => match list {
                    Some(PollResult::Answer(list, _)) => self.state.take(list, Timestamp::now()),
                    Some(PollResult::Lost { failure, again }) => {
                        self.state.lose(failure, again, Timestamp::now());
                    }
                    None => std::future::pending().await,
                },
                _ = seconds.tick() => {}
            }
        }
    }

    fn press(&mut self, key: KeyPress) -> io::Result<Option<Picked>> {
        Ok(match self.state.press(key) {
            Choice::Open => None,
            Choice::Redraw => self.screen.forget().map(|()| None)?,
            Choice::Suspend => self.screen.suspend().map(|()| None)?,
            Choice::Jobs(targets) => Some(Picked::Jobs(targets)),
            Choice::Leave => Some(Picked::None(Exit::Interrupted)),
        })
    }

    fn draw(&mut self) -> io::Result<()> {
        let (state, zone) = (&mut self.state, &self.zone);
        let (abilities, server) = (self.options.abilities, address(&self.options.relay.server));
        self.screen.draw(|frame| {
            let mut canvas = Canvas::new(frame.buffer_mut(), abilities);
            draw(&mut canvas, state, &server, zone, (Timestamp::now(), Instant::now()));
        })
    }
}
