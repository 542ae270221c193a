//! The terminal: taken for a full screen, and given back however the program ends.
//!
//! Signals of the keyboard (Ctrl-C, Ctrl-Z, Ctrl-\) stay with the terminal, which sends them to the whole foreground group as
//! it does to every program. So whoever holds a [`FullScreen`] catches them and ends in order; a panic is caught by a hook. The
//! settings of the terminal are put back by all of these ways, and once only.

use std::io::{self, IsTerminal as _, Write};
use std::sync::{Mutex, Once, PoisonError};

use ratatui::Frame;
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::style::force_color_output;
use ratatui::layout::Rect;
use rustix::termios::{
    InputModes, LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr,
};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::net::shutdown::Stops;
use crate::text::{BEGIN_UPDATE, END_UPDATE};

/// The other screen, cleared, without a cursor, and without wrapping: a character that is wider than was thought is cut.
const ENTER: &str = "\u{1b}[?1049h\u{1b}[2J\u{1b}[?25l\u{1b}[?7l";
/// The first screen as it was, with cursor and wrapping.
const LEAVE: &str = "\u{1b}[?7h\u{1b}[0m\u{1b}[?25h\u{1b}[?1049l";

/// Where the screen is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// On standard output.
    Stdout,
    /// On standard error, where standard output is for data.
    Stderr,
}

impl Place {
    fn stream(self) -> Box<dyn Write + Send> {
        match self {
            Self::Stdout => Box::new(io::stdout()),
            Self::Stderr => Box::new(io::stderr()),
        }
    }
}

/// Tells whether a full screen is possible: keys come from a terminal, the screen is one, and it moves a cursor.
pub(crate) fn is_on_terminal(place: Place) -> bool {
    let is_drawn = match place {
        Place::Stdout => io::stdout().is_terminal(),
        Place::Stderr => io::stderr().is_terminal(),
    };
    let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    is_drawn && io::stdin().is_terminal() && !is_dumb
}

/// A terminal that was taken, and how it is given back.
struct Taken {
    place: Place,
    /// Settings as they were found.
    found: Termios,
}

/// The terminal that is taken now. Global, since a panic may come from anywhere.
static TAKEN: Mutex<Option<Taken>> = Mutex::new(None);

/// Gives the terminal back, if it is taken. Whether that was written is of no interest: one that is gone needs nothing.
fn give_back() {
    let taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(Taken { place, found }) = taken {
        let mut stream = place.stream();
        let _ = stream.write_all(LEAVE.as_bytes()).and_then(|()| stream.flush());
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &found);
    }
}

/// Takes the terminal: keys come one by one and are not echoed, and the other screen is shown.
fn take(place: Place) -> io::Result<()> {
    let found = tcgetattr(io::stdin())?;
    let mut set = found.clone();
    set.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO | LocalModes::IEXTEN);
    set.input_modes.remove(InputModes::ICRNL | InputModes::IXON);
    set.special_codes[SpecialCodeIndex::VMIN] = 1;
    set.special_codes[SpecialCodeIndex::VTIME] = 0;
    *TAKEN.lock().unwrap_or_else(PoisonError::into_inner) = Some(Taken { place, found });
    tcsetattr(io::stdin(), OptionalActions::Now, &set)?;
    let mut stream = place.stream();
    stream.write_all(ENTER.as_bytes())?;
    stream.flush()
}

/// Gives the terminal back before a panic is reported, so that its message can be read.
fn hook_panics() {
    static HOOKED: Once = Once::new();
    HOOKED.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            give_back();
            before(info);
        }));
    });
}

/// The whole terminal. Dropping it gives the terminal back.
pub(crate) struct FullScreen {
    terminal: Terminal<CrosstermBackend<io::BufWriter<Box<dyn Write + Send>>>>,
    place: Place,
}

impl FullScreen {
    /// Takes the terminal. With `color` colours are sent whatever the environment says, since the caller has asked it.
    ///
    /// # Errors
    /// There is no terminal, or it is gone.
    pub(crate) fn enter(place: Place, color: bool) -> io::Result<Self> {
        force_color_output(color);
        hook_panics();
        let backend = CrosstermBackend::new(io::BufWriter::with_capacity(1 << 16, place.stream()));
        let terminal = Terminal::new(backend)?;
        let taken = take(place);
        let screen = Self { terminal, place };
        taken.map(|()| screen)
    }

    /// Draws one picture, as one update of the screen.
    ///
    /// # Errors
    /// The terminal is gone.
    pub(crate) fn draw(&mut self, picture: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        self.terminal.backend_mut().write_all(BEGIN_UPDATE.as_bytes())?;
        self.terminal.draw(picture)?;
        let backend = self.terminal.backend_mut();
        backend.write_all(END_UPDATE.as_bytes())?;
        Write::flush(backend)
    }

    /// The next picture is drawn whole, whatever is on the screen.
    ///
    /// # Errors
    /// The terminal is gone.
    pub(crate) fn forget(&mut self) -> io::Result<()> {
        // Terminal::clear would ask the terminal for its cursor, and the keyboard would read the answer.
        let size = self.terminal.size()?;
        self.terminal.resize(Rect::new(0, 0, size.width, size.height))
    }

    /// Gives the terminal back, stops the process until it is told to go on, and takes the terminal again.
    ///
    /// # Errors
    /// The terminal is gone.
    pub(crate) fn suspend(&mut self) -> io::Result<()> {
        give_back();
        Stops::pause()?;
        self.resume()
    }

    /// Takes the terminal again after the process was stopped and went on.
    ///
    /// # Errors
    /// The terminal is gone.
    pub(crate) fn resume(&mut self) -> io::Result<()> {
        // The settings that the program found count, not those of a shell that had the terminal meanwhile.
        let found = TAKEN.lock().unwrap_or_else(PoisonError::into_inner).take();
        take(self.place)?;
        if let Some(Taken { found, .. }) = found
            && let Some(taken) = &mut *TAKEN.lock().unwrap_or_else(PoisonError::into_inner)
        {
            taken.found = found;
        }
        self.forget()
    }
}

impl Drop for FullScreen {
    fn drop(&mut self) {
        give_back();
    }
}

/// Signals after which a screen is to be drawn anew: SIGWINCH and SIGCONT.
#[derive(Debug)]
pub(crate) struct Wake {
    resized: Signal,
    resumed: Signal,
}

impl Wake {
    /// Catches the signals; on a tokio runtime.
    ///
    /// # Errors
    /// The system does not let them be caught.
    pub(crate) fn catch() -> io::Result<Self> {
        let resumed = SignalKind::from_raw(rustix::process::Signal::CONT.as_raw());
        Ok(Self { resized: signal(SignalKind::window_change())?, resumed: signal(resumed)? })
    }

    /// Next one of the signals; whether the process was stopped before it. Pends for ever where none comes.
    pub(crate) async fn next(&mut self) -> bool {
        tokio::select! {
            Some(()) = self.resized.recv() => false,
            Some(()) = self.resumed.recv() => true,
            else => std::future::pending().await,
        }
    }
}
