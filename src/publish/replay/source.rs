//! A recording that is read as it is played.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use tokio::io::{AsyncBufRead, AsyncBufReadExt};
use tokio::time::{Instant, timeout};

use super::lines::LineCutter;
use super::{Played, Replay, Taken};

/// Longest time for which an event that is not due yet is held back until the line behind it shows that its time is right.
const HOLD: Duration = Duration::from_secs(1);

/// A recording, one line of it in memory, and through a pipe two.
pub(in crate::publish) struct ReplaySource<R> {
    input: R,
    cutter: LineCutter,
    replay: Replay,
    /// When the first event was read.
    began: Option<Instant>,
    /// What was read ahead.
    ready: VecDeque<Played>,
}

impl<R: AsyncBufRead + Unpin> ReplaySource<R> {
    /// Plays what `input` holds.
    pub(in crate::publish) fn new(input: R, replay: Replay) -> Self {
        Self { input, cutter: LineCutter::default(), replay, began: None, ready: VecDeque::new() }
    }

    /// The next event, or the number of a line that is not published and why; `None` at the end.
    pub(in crate::publish) async fn next(&mut self) -> io::Result<Option<Played>> {
        if self.ready.is_empty() {
            let read = self.read().await?;
            self.ready.extend(self.replay.schedule.outliers.drain(..).map(Err));
            self.ready.extend(read);
        }
        let Some(next) = self.ready.pop_front() else { return Ok(None) };
        let hold = self.hold(&next).filter(|_| self.ready.is_empty());
        if let Some(hold) = hold
            && let Ok(read) = timeout(hold, self.read()).await
        {
            let read = read?;
            let own =
                self.replay.schedule.outliers.iter().position(|(line, _)| Some(*line) == line_of(&next));
            let own = own.and_then(|own| self.replay.schedule.outliers.remove(own));
            self.ready.extend(self.replay.schedule.outliers.drain(..).map(Err));
            self.ready.extend(read);
            if let Some(own) = own {
                return Ok(Some(Err(own)));
            }
        }
        Ok(Some(next))
    }

    /// How long an event is held back; `None` where it is due, or its time is known to be right.
    fn hold(&mut self, next: &Played) -> Option<Duration> {
        let at = next.as_ref().ok()?.at?;
        let began = *self.began.get_or_insert_with(Instant::now);
        if self.replay.options.misplaced.is_some() {
            return None;
        }
        let left = (began + at).saturating_duration_since(Instant::now());
        let hold = if self.replay.schedule.is_far() { HOLD } else { left.min(HOLD) };
        (hold > Duration::ZERO).then_some(hold)
    }

    /// What the next line that says something says. It may be dropped and called again.
    async fn read(&mut self) -> io::Result<Option<Played>> {
        loop {
            let (used, taken) = self.replay.take(&mut self.cutter, self.input.fill_buf().await?);
            self.input.consume(used);
            match taken {
                Taken::Nothing => {}
                Taken::Step(step) => return Ok(Some(step)),
                Taken::End => return Ok(None),
            }
        }
    }
}

fn line_of(played: &Played) -> Option<u64> {
    played.as_ref().ok().map(|step| step.line)
}
