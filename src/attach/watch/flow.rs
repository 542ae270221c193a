//! What comes on streams: onto the board, to the renderer and into the recording.

use std::io;
use std::time::Instant;

use jiff::Timestamp;

use super::Watcher;
use crate::attach::board::Source;
use crate::attach::render::{Flow, Flowed};
use crate::attach::report::{Envelope, Report};
use crate::attach::stream::Happening;

impl Watcher {
    /// Takes something of a job that the pattern at `stream` has brought.
    fn take_member(
        &mut self,
        stream: usize,
        name: &str,
        received_at: Timestamp,
        report: Report,
    ) -> io::Result<()> {
        let is_event = matches!(report, Report::Text { .. });
        let (index, retired) = self.board.member(stream, name, Instant::now());
        if let Some(job) = retired {
            self.last[index] = None;
            self.junit.retired(&job, Instant::now());
            self.recording.retired(&job);
            self.renderer.retired(&job)?;
        }
        self.last.resize(self.board.jobs().len(), None);
        if is_event {
            self.board.brought(stream);
        }
        self.take(Envelope { source: Source::Job(index), received_at, report })
    }

    /// Takes something of a stream. `target` is what it belongs to, where the server says that.
    pub(super) fn take_flow(
        &mut self,
        index: usize,
        received_at: &Timestamp,
        report: Report,
        target: Option<&str>,
    ) -> io::Result<()> {
        let now = Instant::now();
        let board = &mut self.board;
        match report {
            Report::Text { text, .. } => {
                let view = board.streams()[index].dialect.view(&text);
                let happening = board.message(index, view.as_ref(), &text, now);
                let flow = Flow::Event { text: &text, view: view.as_ref(), happening: &happening };
                self.flow(index, received_at, flow, target)
            }
            Report::Link(link) => {
                if !board.stream_linked(index, link.clone(), now) {
                    return Ok(());
                }
                self.flow(index, received_at, Flow::Link(&link), None)
            }
            Report::Hint(hint) => self.hint(hint),
            Report::Lost(failure) => {
                let said = failure.message.clone();
                board.stream_lost(index, failure, now);
                self.flow(index, received_at, Flow::Lost(&said), None)
            }
            Report::Resumes => {
                board.resumes(index);
                Ok(())
            }
            Report::Of { name, report } if board.streams()[index].is_pattern() => {
                self.take_member(index, &name, *received_at, *report)
            }
            Report::Of { name, report } => self.take_flow(index, received_at, *report, Some(&name)),
            Report::Gap { reason, repeats } => {
                board.doubt(index);
                let flow = Flow::Gap { reason: &reason, repeats };
                self.flow(index, received_at, flow, None)
            }
            Report::Warning(warning) => {
                let flow = Flow::Event { text: "", view: None, happening: &Happening::Warning(warning) };
                self.flow(index, received_at, flow, None)
            }
            // A stream is not polled, and has no end to be told of.
            Report::Status(_) | Report::Told | Report::Outcome(_) => Ok(()),
        }
    }

    fn flow(
        &mut self,
        index: usize,
        received_at: &Timestamp,
        flow: Flow<'_>,
        target: Option<&str>,
    ) -> io::Result<()> {
        let flowed = Flowed { index, received_at, flow };
        self.recording.flowed(&flowed, target);
        self.renderer.flowed(&flowed, &self.board)
    }
}
