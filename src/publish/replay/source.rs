//! A recording that is read as it is played.

use std::io;

use tokio::io::{AsyncBufRead, AsyncBufReadExt};

use super::lines::LineCutter;
use super::{Played, Replay, Taken};

/// A recording, one line of it in memory.
pub(in crate::publish) struct ReplaySource<R> {
    input: R,
    cutter: LineCutter,
    replay: Replay,
}

impl<R: AsyncBufRead + Unpin> ReplaySource<R> {
    /// Plays what `input` holds.
    pub(in crate::publish) fn new(input: R, replay: Replay) -> Self {
        Self { input, cutter: LineCutter::default(), replay }
    }

    /// The next event, or the number of a line that is not published and why; `None` at the end.
    pub(in crate::publish) async fn next(&mut self) -> io::Result<Option<Played>> {
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
