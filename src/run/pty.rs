//! Pseudoterminals for the command, and the terminal that jobwire itself has.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags, fstat, open};
use rustix::process::getpgrp;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{
    LocalModes, OptionalActions, OutputModes, Termios, Winsize, isatty, tcgetattr, tcgetpgrp, tcgetwinsize,
    tcsetattr, tcsetwinsize,
};

/// Size of a pty where jobwire has no terminal to take it from.
const USUAL_SIZE: (u16, u16) = (24, 80);

/// A pty: its master here, its other end for the command.
#[derive(Debug)]
pub(super) struct Pty {
    /// End that jobwire reads and writes.
    pub(super) master: OwnedFd,
    /// End that the command is given.
    pub(super) slave: OwnedFd,
}

/// Use that a pty is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// The command's terminal, for reading and writing.
    Terminal,
    /// A terminal that the command only writes to. Ends of lines are left as they are.
    Display,
}

impl Pty {
    /// Opens a pty with the settings of the terminal `like`, where there is one.
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

/// Device number of the terminal behind a descriptor, if it is one.
pub(super) fn terminal_at(descriptor: impl AsFd) -> Option<u64> {
    if isatty(&descriptor) { fstat(descriptor).ok().map(|stat| stat.st_rdev) } else { None }
}

/// Whether this process has a controlling terminal.
pub(super) fn has_controlling_terminal() -> bool {
    File::open("/dev/tty").is_ok()
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

/// Whether this process is in the foreground of the terminal at its standard input, so that it may read and set it.
pub(super) fn is_in_foreground() -> bool {
    tcgetpgrp(io::stdin()).is_ok_and(|group| group == getpgrp())
}

/// The terminal at standard input, put into raw mode while the command's own pty interprets what is typed. Its settings are
/// restored when this is dropped.
#[derive(Debug)]
pub(super) struct Keyboard {
    settings: Termios,
    is_raw: bool,
}

impl Keyboard {
    /// Remembers the settings of the terminal.
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self { settings: tcgetattr(io::stdin())?, is_raw: false })
    }

    /// Settings of the terminal before anything was changed.
    pub(super) const fn settings(&self) -> &Termios {
        &self.settings
    }

    /// Puts the terminal into raw mode, unless jobwire is in the background. Whether it is in raw mode now.
    pub(super) fn capture(&mut self) -> bool {
        if is_in_foreground() {
            let mut raw = self.settings.clone();
            raw.make_raw();
            // A terminal that has gone refuses, and nobody types there.
            self.is_raw = tcsetattr(io::stdin(), OptionalActions::Drain, &raw).is_ok();
        }
        self.is_raw
    }

    /// Restores the terminal's settings.
    pub(super) fn release(&mut self) {
        if std::mem::take(&mut self.is_raw) {
            // As above.
            let _ = tcsetattr(io::stdin(), OptionalActions::Drain, &self.settings);
        }
    }
}

impl Drop for Keyboard {
    fn drop(&mut self) {
        self.release();
    }
}
