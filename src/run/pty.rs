//! Pseudoterminals for the command, and jobwire's own terminal.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags, fstat, open};
use rustix::process::{Signal, getpgrp};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{
    LocalModes, OptionalActions, OutputModes, SpecialCodeIndex, Termios, Winsize, isatty, tcgetattr,
    tcgetpgrp, tcgetwinsize, tcsetattr, tcsetwinsize,
};

/// Size of a pty in rows and columns, where jobwire has no terminal.
const USUAL_SIZE: (u16, u16) = (24, 80);

/// A pseudoterminal with both ends.
#[derive(Debug)]
pub(super) struct Pty {
    /// End that jobwire reads and writes.
    pub(super) master: OwnedFd,
    /// End that the command is given.
    pub(super) slave: OwnedFd,
}

/// Purpose of a pty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// The command's terminal, for reading and writing.
    Terminal,
    /// A terminal that the command only writes to. Ends of lines are not changed.
    Display,
}

impl Pty {
    /// Opens a pty, with the settings of the terminal `like` where given.
    pub(super) fn open(like: Option<&Termios>, size: Winsize, purpose: Use) -> io::Result<Self> {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
        grantpt(&master)?;
        unlockpt(&master)?;
        let name = ptsname(&master, Vec::new())?;
        let slave = open(name.as_c_str(), OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty())?;
        let mut settings = match like {
            Some(like) => like.clone(),
            None => tcgetattr(&slave)?,
        };
        if purpose == Use::Display {
            settings.output_modes.remove(OutputModes::OPOST);
            settings.local_modes.remove(LocalModes::ECHO);
        }
        tcsetattr(&slave, OptionalActions::Now, &settings)?;
        tcsetwinsize(&slave, size)?;
        Ok(Self { master, slave })
    }
}

/// Device number of the terminal behind a descriptor; `None` for anything else.
pub(super) fn terminal_at(descriptor: impl AsFd) -> Option<u64> {
    if isatty(&descriptor) { fstat(descriptor).ok().map(|stat| stat.st_rdev) } else { None }
}

/// The controlling terminal of jobwire, if there is one.
pub(super) fn controlling_terminal() -> Option<File> {
    File::options().read(true).write(true).open("/dev/tty").ok()
}

/// Size of the first terminal among jobwire's own streams, else that of `COLUMNS` and `LINES`, else 80 columns by 24 rows.
pub(super) fn size() -> Winsize {
    let (stdout, stderr, stdin) = (io::stdout(), io::stderr(), io::stdin());
    let streams: [BorrowedFd<'_>; 3] = [stdout.as_fd(), stderr.as_fd(), stdin.as_fd()];
    let found = streams.iter().find_map(|stream| tcgetwinsize(stream).ok().filter(|size| size.ws_col > 0));
    found.unwrap_or_else(|| {
        let number = |name| std::env::var(name).ok().and_then(|text| text.parse().ok()).filter(|n| *n > 0);
        Winsize {
            ws_row: number("LINES").unwrap_or(USUAL_SIZE.0),
            ws_col: number("COLUMNS").unwrap_or(USUAL_SIZE.1),
            ws_xpixel: 0,
            ws_ypixel: 0,
        }
    })
}

/// A terminal whose keys go to the command's pty. The terminal is in raw mode meanwhile, since the pty interprets the keys.
/// Dropping the keyboard restores the terminal's settings.
#[derive(Debug)]
pub(super) struct Keyboard {
    terminal: File,
    settings: Termios,
    is_raw: bool,
}

impl Keyboard {
    /// Remembers the settings of a terminal.
    pub(super) fn new(terminal: File) -> io::Result<Self> {
        let settings = tcgetattr(&terminal)?;
        Ok(Self { terminal, settings, is_raw: false })
    }

    /// Settings of the terminal from before the start.
    pub(super) const fn settings(&self) -> &Termios {
        &self.settings
    }

    /// The terminal, for reading.
    pub(super) fn terminal(&self) -> io::Result<File> {
        self.terminal.try_clone()
    }

    /// Whether the terminal is in raw mode and jobwire is in its foreground. In the background jobwire must not read the
    /// terminal.
    pub(super) fn is_captured(&self) -> bool {
        self.is_raw && self.is_in_foreground()
    }

    fn is_in_foreground(&self) -> bool {
        tcgetpgrp(&self.terminal).is_ok_and(|group| group == getpgrp())
    }

    /// Puts the terminal into raw mode, unless jobwire is in the background.
    pub(super) fn capture(&mut self) {
        if self.is_in_foreground() {
            let mut raw = self.settings.clone();
            raw.make_raw();
            // A terminal that has gone refuses raw mode; no keys come from there.
            self.is_raw = tcsetattr(&self.terminal, OptionalActions::Drain, &raw).is_ok();
        }
    }

    /// Puts the terminal into raw mode again after a stop, since a shell changes the mode.
    pub(super) fn recapture(&mut self) {
        if self.is_raw {
            self.capture();
        }
    }

    /// Restores the terminal's settings.
    pub(super) fn release(&mut self) {
        if std::mem::take(&mut self.is_raw) {
            // A terminal that has gone has no settings.
            let _ = tcsetattr(&self.terminal, OptionalActions::Drain, &self.settings);
        }
    }

    /// Captures the terminal while `is_wanted`, and releases it otherwise.
    pub(super) fn capture_if(&mut self, is_wanted: bool) {
        match (is_wanted, self.is_raw) {
            (true, false) => self.capture(),
            (false, true) => self.release(),
            _ => {}
        }
    }
}

impl Drop for Keyboard {
    fn drop(&mut self) {
        self.release();
    }
}

/// Local modes of a pty that a program changes to read single keys.
pub(super) fn key_modes(pty: impl AsFd) -> LocalModes {
    let modes = tcgetattr(pty).map_or(LocalModes::empty(), |settings| settings.local_modes);
    modes & (LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG)
}

/// Signals that these keys stand for in the settings of a pty, such as INT for Ctrl-C.
pub(super) fn signals_of(keys: &[u8], pty: impl AsFd) -> Vec<Signal> {
    let Ok(settings) = tcgetattr(pty) else { return Vec::new() };
    if !settings.local_modes.contains(LocalModes::ISIG) {
        return Vec::new();
    }
    let codes = [
        (SpecialCodeIndex::VINTR, Signal::INT),
        (SpecialCodeIndex::VQUIT, Signal::QUIT),
        (SpecialCodeIndex::VSUSP, Signal::TSTP),
    ];
    let is_typed =
        |index| settings.special_codes[index] != 0 && keys.contains(&settings.special_codes[index]);
    codes.into_iter().filter(|(index, _)| is_typed(*index)).map(|(_, signal)| signal).collect()
}
