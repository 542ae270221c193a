//! Progress in the tab or the taskbar of a terminal (OSC 9;4), in addition to the bars.
//!
//! Terminals that do not know the escape sequence may show a notification instead, so only listed terminals get it. The
//! progress is removed at the end, before jobwire is stopped, and when the bars are dropped.

use std::env;

use anstyle_progress::{TermProgress, TermProgressStatus, supports_term_progress};

use crate::attach::board::Board;

/// Progress for the terminal to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gauge {
    /// Jobs are running, without a known percentage.
    Busy,
    /// Progress of all jobs together, in percent. `failed`: at least one job has failed.
    At { percent: u8, failed: bool },
}

/// Progress display of the terminal, if the terminal is known to have one.
#[derive(Debug)]
pub(super) struct Taskbar {
    way: Way,
    shown: Option<Gauge>,
}

/// Way of sending the sequence to the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Send nothing: the terminal is not known to show progress.
    None,
    /// Send the sequence as it is, to a terminal or a multiplexer that knows it.
    Plain,
    /// Wrap the sequence for a tmux that passes it through to its terminal.
    Through,
}

impl Taskbar {
    /// Makes the display of the terminal at stderr.
    pub(super) fn of_stderr() -> Self {
        let is_set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
        let tmux = env::var("TERM_PROGRAM_VERSION")
            .ok()
            .filter(|_| env::var("TERM_PROGRAM").is_ok_and(|name| name == "tmux"));
        Self::new(way(supports_term_progress(true), is_set("TMUX"), is_set("STY"), tmux.as_deref()))
    }

    /// Makes a display that shows nothing.
    #[cfg(test)]
    pub(super) const fn none() -> Self {
        Self::new(Way::None)
    }

    const fn new(way: Way) -> Self {
        Self { way, shown: None }
    }

    /// Escape sequence that shows the progress of the jobs. `None` where the terminal shows that already, or shows no progress.
    pub(super) fn show(&mut self, board: &Board) -> Option<String> {
        if self.way == Way::None {
            return None;
        }
        let gauge = gauge(board)?;
        if self.shown.replace(gauge) == Some(gauge) {
            return None;
        }
        let progress = match gauge {
            Gauge::Busy => TermProgress::start(),
            Gauge::At { percent, failed: false } => TermProgress::start().percent(percent),
            Gauge::At { percent, failed: true } => {
                TermProgress::start().status(TermProgressStatus::Error).percent(percent)
            }
        };
        Some(self.written(progress))
    }

    /// Escape sequence that removes the progress; `None` where none is shown.
    pub(super) fn remove(&mut self) -> Option<String> {
        self.shown.take().map(|_| self.written(TermProgress::remove()))
    }

    fn written(&self, progress: TermProgress) -> String {
        let text = progress.to_string();
        match self.way {
            Way::Through => format!("\u{1b}Ptmux;{}\u{1b}\\", text.replace('\u{1b}', "\u{1b}\u{1b}")),
            Way::None | Way::Plain => text,
        }
    }
}

/// Way to a terminal, from its environment. `known`: the terminal is on the list. `tmux`: version of the tmux, where tmux is
/// the terminal.
///
/// In a tmux that is too old to show progress, `known` is about the terminal in which tmux was started. GNU screen passes
/// nothing through.
fn way(known: bool, in_tmux: bool, in_screen: bool, tmux: Option<&str>) -> Way {
    if !known || in_screen {
        return Way::None;
    }
    if in_tmux && !tmux.is_some_and(shows_progress) { Way::Through } else { Way::Plain }
}

/// Whether tmux of this version, such as `3.7b`, knows the sequence.
fn shows_progress(version: &str) -> bool {
    let number =
        |text: &str| -> Option<u32> { text.trim_end_matches(|c: char| c.is_ascii_lowercase()).parse().ok() };
    let parts = version.split_once('.').and_then(|(major, minor)| Some((number(major)?, number(minor)?)));
    parts.is_some_and(|parts| parts >= (3, 7))
}

/// Progress of all jobs together; `None` where there are no jobs.
fn gauge(board: &Board) -> Option<Gauge> {
    let tally = board.tally();
    let ended = tally.succeeded + tally.failed + tally.cancelled + tally.lost;
    let all = ended + tally.waiting + tally.queued + tally.running;
    if all == 0 {
        return None;
    }
    let under_way = board.jobs().iter().filter(|job| !job.state.is_settled());
    let percents = under_way.filter_map(|job| job.facts.percent).map(|percent| percent.clamp(0.0, 100.0));
    let sum = percents.reduce(|sum, percent| sum + percent);
    if ended == 0 && sum.is_none() {
        return Some(Gauge::Busy);
    }
    let whole = |count: usize| u32::try_from(count).map_or(f64::from(u32::MAX), f64::from);
    let sum = sum.unwrap_or_default() + 100.0 * whole(ended);
    // The cast rounds down, so that 100 means that all jobs have ended. The value is between 0 and 100, so the cast loses
    // nothing else.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is from 0 to 100")]
    let percent = (sum / whole(all)).clamp(0.0, 100.0) as u8;
    Some(Gauge::At { percent, failed: tally.failed + tally.lost > 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_that_is_not_on_the_list_is_told_nothing_and_tmux_passes_on_what_it_does_not_know() {
        for (known, in_tmux, in_screen, tmux, expected) in [
            (false, false, false, None, Way::None),
            (true, false, false, None, Way::Plain),
            (true, true, false, Some("3.4"), Way::Through),
            (true, true, false, None, Way::Through),
            (true, true, false, Some("3.7b"), Way::Plain),
            (true, true, false, Some("next-3.8"), Way::Through),
            (true, false, true, None, Way::None),
            (false, true, false, Some("3.4"), Way::None),
        ] {
            assert_eq!(way(known, in_tmux, in_screen, tmux), expected, "{tmux:?}");
        }
    }

    #[test]
    fn what_is_shown_is_removed_once_and_through_tmux_each_escape_is_doubled() {
        let mut plain = Taskbar { way: Way::Plain, shown: Some(Gauge::Busy) };
        assert_eq!(plain.remove().unwrap(), "\u{1b}]9;4;0;\u{1b}\\");
        assert_eq!(plain.remove(), None);
        let mut through = Taskbar { way: Way::Through, shown: Some(Gauge::Busy) };
        assert_eq!(through.remove().unwrap(), "\u{1b}Ptmux;\u{1b}\u{1b}]9;4;0;\u{1b}\u{1b}\\\u{1b}\\");
    }
}
