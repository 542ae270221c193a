//! The table of what counts as progress.

use std::sync::LazyLock;

use regex::bytes::{Regex, RegexSet, RegexSetBuilder};

use super::forms::FORMS;
use super::row::Row;
use super::tools::TOOLS;
use super::transfers::TRANSFERS;

/// Bytes of the cache in which the set of all patterns is searched. The default is too small for their states.
const CACHE: usize = 8 << 20;

/// Forms of progress. The first one that recognises a line wins, so programs stand above the forms that anybody writes.
pub(super) fn rows() -> impl Iterator<Item = &'static Row> {
    TOOLS.iter().chain(TRANSFERS).chain(FORMS)
}

/// The compiled pattern of each row, those that are functions having none.
pub(super) struct Patterns {
    /// Patterns in the order of the rows.
    pub each: Vec<Option<Regex>>,
    /// All of these patterns, to be searched at once.
    set: RegexSet,
}

pub(super) static PATTERNS: LazyLock<Patterns> = LazyLock::new(|| {
    let texts: Vec<Option<String>> =
        rows().map(|row| row.how.pattern().map(|text| format!("(?-u){text}"))).collect();
    let compile = |text: &String| Regex::new(text).expect("tests compile every row");
    let set = RegexSetBuilder::new(texts.iter().flatten()).size_limit(CACHE).dfa_size_limit(CACHE).build();
    Patterns {
        each: texts.iter().map(|text| text.as_ref().map(compile)).collect(),
        set: set.expect("tests compile the set"),
    }
});

impl Patterns {
    /// The rows that may recognise a line: those whose pattern matches, and those without one.
    pub(super) fn candidates(
        &'static self,
        line: &[u8],
    ) -> impl Iterator<Item = (&'static Row, Option<&'static Regex>)> {
        let matches = self.set.matches(line);
        let mut patterns = 0;
        rows().zip(&self.each).filter_map(move |(row, pattern)| {
            let is_candidate = pattern.is_none() || matches.matched(patterns);
            patterns += usize::from(pattern.is_some());
            is_candidate.then_some((row, pattern.as_ref()))
        })
    }
}
