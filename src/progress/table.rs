//! The table of what counts as progress.

use std::sync::{LazyLock, OnceLock};

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

/// The pattern of each row, those that are functions having none.
pub(super) struct Patterns {
    /// All patterns in the order of the rows, to be searched at once.
    set: RegexSet,
    /// Each pattern, compiled when a line matches it for the first time: a program's output has few forms.
    each: Vec<Option<Pattern>>,
}

/// A pattern, and what it compiles to.
struct Pattern {
    text: String,
    regex: OnceLock<Regex>,
}

pub(super) static PATTERNS: LazyLock<Patterns> = LazyLock::new(|| {
    let pattern = |text| Pattern { text: format!("(?-u){text}"), regex: OnceLock::new() };
    let each: Vec<Option<Pattern>> = rows().map(|row| row.how.pattern().map(pattern)).collect();
    let texts = each.iter().flatten().map(|pattern| &pattern.text);
    let set = RegexSetBuilder::new(texts).size_limit(CACHE).dfa_size_limit(CACHE).build();
    Patterns { set: set.expect("tests compile the set"), each }
});

impl Pattern {
    fn regex(&self) -> &Regex {
        self.regex.get_or_init(|| Regex::new(&self.text).expect("the set has compiled it"))
    }
}

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
            is_candidate.then_some((row, pattern.as_ref().map(Pattern::regex)))
        })
    }
}
