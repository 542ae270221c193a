//! How what happens is shown: bars, lines, JSON, or not at all. All of them are told everything; each takes its own.

mod bars;
mod event;
mod frame;
mod json;
mod json_line;
mod layout;
mod lines;
mod taskbar;
mod text;

use std::io::{self, Write};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::board::Board;
use super::job::{Effect, Job, Link};
use super::stream::Happening;
use crate::dialect::View;
use crate::net::shutdown::is_stdout_unread;
use crate::text::brief;

pub(super) use bars::Bars;
pub(super) use json::Json;
pub(super) use json_line::JsonLine;
pub(super) use lines::PlainLines;
pub(super) use text::Paint;

/// What happened to one target.
#[derive(Debug)]
pub(super) enum What<'a> {
    /// A message of its socket; `view` is `None` where it says nothing of its dialect. `is_state`: the server's state, told
    /// anew after a break.
    Event { text: &'a str, view: Option<&'a View>, is_state: bool },
    /// A polled state.
    Status(&'a str),
    /// The server says that it has ended so.
    Outcome,
    /// Events are missing; the server's word for why. `repeats`: another target's line says it too.
    Gap { reason: &'a str, repeats: bool },
    /// A change of its connection.
    Link(&'a Link),
    /// The server is lost for good, or refused; the reason.
    Lost(&'a str),
}

/// Something that happened, and what it did.
#[derive(Debug)]
pub(super) struct Seen<'a> {
    /// Which job of the board.
    pub(super) index: usize,
    /// When it came.
    pub(super) received_at: &'a Timestamp,
    /// What came.
    pub(super) what: What<'a>,
    /// What it did to the job.
    pub(super) effect: &'a Effect,
}

/// What happened on one stream.
#[derive(Debug)]
pub(super) enum Flow<'a> {
    /// A message of its socket; `view` is `None` where it says nothing of its dialect.
    Event { text: &'a str, view: Option<&'a View>, happening: &'a Happening },
    /// A change of its connection.
    Link(&'a Link),
    /// Events are missing; the server's word for why. `repeats`: another target's line says it too.
    Gap { reason: &'a str, repeats: bool },
    /// The server is lost for good, or refused; the reason.
    Lost(&'a str),
}

/// Something that happened on a stream.
#[derive(Debug)]
pub(super) struct Flowed<'a> {
    /// Which stream of the board.
    pub(super) index: usize,
    /// When it came.
    pub(super) received_at: &'a Timestamp,
    /// What came.
    pub(super) flow: Flow<'a>,
}

/// Shows what happens. Errors are those of the stream it writes to; a broken pipe means that nobody reads any more.
pub(super) trait Renderer: Send {
    /// Something happened; the board knows it already.
    fn seen(&mut self, seen: &Seen<'_>, board: &Board) -> io::Result<()>;

    /// Something happened on a stream; the board knows it already.
    fn flowed(&mut self, flowed: &Flowed<'_>, board: &Board) -> io::Result<()>;

    /// A job goes from the board, which has no room for it any more.
    fn retired(&mut self, _job: &Job) -> io::Result<()> {
        Ok(())
    }

    /// Something to tell the user that is no event: `hint: …` or `warning: …`. A stderr that nobody reads is no reason to
    /// stop.
    fn note(&mut self, text: &str) -> io::Result<()> {
        let _ = writeln!(anstream::stderr(), "{}", brief(text));
        Ok(())
    }

    /// How often to call [`Renderer::draw`]; `None`: never.
    fn interval(&self) -> Option<Duration> {
        None
    }

    /// Time went by.
    fn draw(&mut self, _board: &Board, _now: Instant) -> io::Result<()> {
        Ok(())
    }

    /// Nothing more is there to be seen for now.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// The process is about to be stopped: leaves the terminal as it was found for that long.
    fn pause(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// Ends the rendering, and leaves the terminal as it was found.
    fn finish(&mut self, _board: &Board, _now: Instant) -> io::Result<()> {
        self.flush()
    }
}

/// Shows nothing; the exit code says it all.
pub(super) struct Quiet;

impl Renderer for Quiet {
    fn seen(&mut self, _seen: &Seen<'_>, _board: &Board) -> io::Result<()> {
        Ok(())
    }

    fn flowed(&mut self, _flowed: &Flowed<'_>, _board: &Board) -> io::Result<()> {
        Ok(())
    }

    fn note(&mut self, _text: &str) -> io::Result<()> {
        Ok(())
    }
}

/// Which kinds of event are shown; empty: all.
#[derive(Debug, Clone, Default)]
pub(super) struct Filter(pub(super) Vec<String>);

impl Filter {
    fn lets(&self, view: Option<&View>) -> bool {
        self.0.is_empty() || view.is_some_and(|view| self.0.iter().any(|name| **name == *view.kind.name))
    }
}

/// Standard output, buffered until there is nothing more to show.
pub(super) type Out = io::BufWriter<Box<dyn Write + Send>>;

/// How often it is looked whether anybody still reads stdout: only a write would tell, and there may be nothing to write.
pub(super) const LOOK_FOR_READER: Duration = Duration::from_millis(200);

/// Fails with a broken pipe once nobody reads stdout any more.
fn still_read() -> io::Result<()> {
    if is_stdout_unread() { Err(io::ErrorKind::BrokenPipe.into()) } else { Ok(()) }
}

/// [`Out`] over the process's stdout.
fn stdout() -> Out {
    io::BufWriter::with_capacity(16 << 10, Box::new(io::stdout()))
}
