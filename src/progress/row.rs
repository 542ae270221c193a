//! A row of the table of what counts as progress.

use super::marks::Marks;
use super::memory::Memory;
use super::reading::Progress;

/// A row: one form of progress.
pub(super) struct Row {
    /// The program, or the form.
    pub name: &'static str,
    /// What a line has that the row may recognise.
    pub mark: Marks,
    /// How the row recognises a line.
    pub how: How,
    /// Line that it recognises: out of the recording of a real program, where the row is one's.
    #[cfg_attr(not(test), expect(dead_code, reason = "tests hold each row against its example"))]
    pub example: &'static str,
}

/// How a row recognises a line, which comes without escape sequences and without blanks at its ends.
pub(super) enum How {
    /// A regular expression of bytes with groups, for [`super::reading::read`].
    Pattern(&'static str),
    /// A pattern for texts about anything: not where [`super::words::no_progress`] stands before the number or bar.
    Loose(&'static str),
    /// A function that needs earlier lines.
    Memory(fn(&mut Memory, &[u8]) -> Option<Progress>),
}

impl How {
    pub(super) const fn pattern(&self) -> Option<&'static str> {
        match self {
            Self::Pattern(pattern) | Self::Loose(pattern) => Some(pattern),
            Self::Memory(_) => None,
        }
    }
}
