//! NDJSON on stdout: a line an event, as it came; changes of the connection and polled states as lines of their own, and
//! the result of each job at the end.
//!
//! A promise to scripts: `{"target":…,"received_at":…,…}` and one of `event` (the payload, untouched), `text` (a message
//! that is no JSON), `status` (a polling body), `connection`, `gap` (events are missing), `warning` (the server's) or `result`.
//! `snapshot` beside an `event` says that it is the job's state, told anew after a break, and no news. Channels and rooms share
//! a socket, which is one target with all their names; `resource` beside an `event` is what it is about.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::json_line::JsonLine;
use super::{Filter, Flow, Flowed, LOOK_FOR_READER, Out, Renderer, Seen, What, stdout, still_read};
use crate::attach::board::Board;
use crate::attach::job::Job;
use crate::attach::stream::Happening;
use crate::text::safe_json;

/// Writes the lines.
pub(crate) struct Json {
    out: Out,
    filter: Filter,
    /// Whether `out` is the stdout of this process, so that its reader may close the pipe.
    is_stdout: bool,
}

impl Json {
    /// Writes to stdout, of the events those that `filter` lets through.
    pub(crate) fn stdout(filter: Filter) -> Self {
        Self { is_stdout: true, ..Self::new(stdout(), filter) }
    }

    /// Writes to `out`, of the events those that `filter` lets through.
    pub(crate) fn new(out: Out, filter: Filter) -> Self {
        Self { out, filter, is_stdout: false }
    }
}

impl Renderer for Json {
    fn seen(&mut self, seen: &Seen<'_>, board: &Board) -> io::Result<()> {
        if let What::Event { view, .. } = seen.what
            && !self.filter.lets(view)
        {
            return Ok(());
        }
        let line = JsonLine::new(&board.jobs()[seen.index].name, seen.received_at);
        line.seen(&seen.what).map_or(Ok(()), |line| self.write(&line))
    }

    fn flowed(&mut self, flowed: &Flowed<'_>, board: &Board) -> io::Result<()> {
        if let Flow::Event { view, happening, .. } = flowed.flow
            && !matches!(happening, Happening::Warning(_))
            && !self.filter.lets(view)
        {
            return Ok(());
        }
        let line = JsonLine::new(&board.streams()[flowed.index].name, flowed.received_at);
        line.flowed(&flowed.flow).map_or(Ok(()), |line| self.write(&line))
    }

    fn retired(&mut self, job: &Job) -> io::Result<()> {
        self.result(job, Instant::now())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn interval(&self) -> Option<Duration> {
        self.is_stdout.then_some(LOOK_FOR_READER)
    }

    fn draw(&mut self, _board: &Board, _now: Instant) -> io::Result<()> {
        still_read()
    }

    fn finish(&mut self, board: &Board, now: Instant) -> io::Result<()> {
        for job in board.jobs() {
            self.result(job, now)?;
        }
        self.out.flush()
    }
}

impl Json {
    fn result(&mut self, job: &Job, now: Instant) -> io::Result<()> {
        self.write(&JsonLine::new(&job.name, &Timestamp::now()).result(job, now))
    }

    fn write(&mut self, line: &JsonLine<'_>) -> io::Result<()> {
        let line = serde_json::to_string(line)?;
        writeln!(self.out, "{}", safe_json(&line))
    }
}
