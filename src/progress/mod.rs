//! Progress in the output of programs. Pure.
//!
//! Output is cut into lines and updates by [`Lines`]; a [`Recogniser`] finds the progress in one of them. What counts as progress is
//! a table: [`table::ROWS`] has one row a program or form, with an example. `recorded/` has the output of the real programs, in a
//! pipe (`.pipe`) and in a terminal (`.pty`), long runs of it thinned out. BuildKit's form alone is not recorded.
//!
//! A line that is no progress must never look like it: a date, a version, a ratio in prose, a count of tests, the load of a
//! processor. A row therefore describes the whole shape of a line, rather than a number with a `%` somewhere in it. A form that
//! needs words beside its number knows the words ([`words`]).

mod lines;
mod marks;
mod memory;
mod pattern;
mod plain;
mod reading;
mod recogniser;
mod sequence;
mod table;
mod words;

pub(crate) use self::lines::{Line, LineEnd, Lines};
pub(crate) use self::pattern::{PatternError, ProgressPattern};
pub(crate) use self::reading::Progress;
pub(crate) use self::recogniser::Recogniser;

#[cfg(test)]
mod tests;
