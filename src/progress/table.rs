//! Tables of progress as one list of rows, and their compiled patterns.

use std::sync::{LazyLock, OnceLock};

use regex::bytes::{Regex, RegexSet, RegexSetBuilder};

use super::forms::FORMS;
use super::marks::Marks;
use super::row::Row;
use super::tools::TOOLS;
use super::transfers::TRANSFERS;

/// Limit of the compiled set of patterns and of its search cache, in bytes. The default is too small for the set.
const CACHE: usize = 8 << 20;

/// All rows. The first row that recognises a line counts, so programs come before the forms that anybody writes.
pub(super) fn rows() -> impl Iterator<Item = &'static Row> {
    TOOLS.iter().chain(TRANSFERS).chain(FORMS)
}

/// Patterns of the rows. A row with a function has no pattern.
pub(super) struct Patterns {
    /// All patterns in the order of the rows, searched at once.
    set: RegexSet,
    /// Pattern of each row, compiled when a line matches for the first time: the output of a program has few forms.
    each: Vec<Option<Pattern>>,
}

/// Pattern as text, and its compiled form.
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
    /// Rows that may recognise a line with these marks: rows whose pattern matches, and rows without a pattern.
    pub(super) fn candidates(
        &'static self,
        line: &[u8],
        marks: Marks,
    ) -> impl Iterator<Item = (&'static Row, Option<&'static Regex>)> {
        let matches = self.set.matches(line);
        let mut patterns = 0;
        rows().zip(&self.each).filter_map(move |(row, pattern)| {
            let is_candidate = pattern.is_none() || matches.matched(patterns);
            patterns += usize::from(pattern.is_some());
            (is_candidate && marks.has(row.mark)).then(|| (row, pattern.as_ref().map(Pattern::regex)))
        })
    }
}
