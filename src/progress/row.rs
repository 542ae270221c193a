//! Row of a table of progress.

use super::marks::Marks;
use super::memory::Memory;
use super::reading::Progress;

/// Form of progress.
pub(super) struct Row {
    /// Name of the program, or of the form.
    pub name: &'static str,
    /// Marks of lines that the row may recognise. A line needs at least one of them.
    pub mark: Marks,
    /// Way of recognition.
    pub how: How,
    /// Line that the row recognises. Rows of a program have a line from a recording or from the documentation.
    #[cfg_attr(not(test), expect(dead_code, reason = "tests hold each row against its example"))]
    pub example: &'static str,
}

/// Way in which a row recognises a line. The line has no escape sequences and is trimmed.
pub(super) enum How {
    /// A regular expression of bytes with groups, for [`super::reading::read`].
    Pattern(&'static str),
    /// A pattern that also fits lines about other things. It does not count where [`super::words::no_progress`] matches before
    /// the number or the bar.
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
