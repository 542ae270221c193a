//! Progress in the output of programs. Pure.
//!
//! Output is cut into lines and updates by [`Lines`]; a [`Recogniser`] finds the progress in one of them. What counts as progress is
//! a table: [`tools::TOOLS`] and [`transfers::TRANSFERS`] have a row a program, [`forms::FORMS`] a row a form that anybody
//! writes, each with an example. `recorded/` has the output of real programs, in a pipe (`.pipe`) and in a terminal (`.pty`), long
//! runs of it thinned out.
//!
//! A line that is no progress must never look like it: a date, a version, a ratio in prose, a count of tests, the load of a
//! processor. A row therefore describes the whole shape of a line, rather than a number with a `%` somewhere in it. A form that
//! needs words beside its number knows the words ([`words`]).

mod forms;
mod lines;
mod marks;
mod memory;
mod parts;
mod pattern;
mod plain;
mod reading;
mod recogniser;
mod row;
mod sequence;
mod table;
mod tools;
mod transfers;
mod words;

pub(crate) use self::lines::{Line, LineEnd, Lines, Literal};
pub(crate) use self::pattern::{PatternError, ProgressPattern};
pub(crate) use self::reading::Progress;
pub(crate) use self::recogniser::Recogniser;

#[cfg(test)]
mod tests;
