//! Recognition of progress in the output of programs. Pure.
//!
//! [`Lines`] splits output into lines and updates, and a [`Recogniser`] finds the progress in each of them. Tables define what
//! counts as progress: [`tools::TOOLS`] and [`transfers::TRANSFERS`] have rows for programs, and [`forms::FORMS`] has rows for
//! forms that anybody writes. Each row has an example. `recorded/` contains the output of real programs in a pipe (`.pipe`) and
//! in a terminal (`.pty`), with long runs thinned out.
//!
//! False progress must be avoided: dates, versions, ratios in prose, counts of tests and processor loads are not progress. A
//! row therefore describes the whole line, rather than a number with a `%` somewhere in it. A form that needs words beside its
//! number lists the words ([`words`]).

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
