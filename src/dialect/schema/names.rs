//! Names of types.

use std::collections::BTreeSet;
use std::fmt::Write as _;

/// Names in use. No name is given twice; letter case makes no difference.
#[derive(Debug, Default)]
pub(super) struct Names(BTreeSet<String>);

impl Names {
    /// Makes the name of a dialect's type, such as `ScrapingJobProgress`.
    pub(super) fn give(&mut self, dialect: &str, word: &str) -> String {
        let name = joined(dialect) + &joined(word);
        // The name of a dialect may begin with a digit, and the name of a type may not.
        let name = if name.starts_with(|c: char| c.is_ascii_digit()) { format!("_{name}") } else { name };
        let mut given = name.clone();
        let mut nth = 2;
        while !self.0.insert(given.to_lowercase()) {
            given = format!("{name}_{nth}");
            nth += 1;
        }
        given
    }
}

/// Joins words and gives each a capital: `job_progress` becomes `JobProgress`. Characters that are no ASCII letters or digits
/// divide words and are left out; letters of other scripts become their code point.
fn joined(words: &str) -> String {
    let mut out = String::new();
    let mut begins = true;
    for c in words.chars() {
        if c.is_ascii_alphanumeric() {
            out.push(if begins { c.to_ascii_uppercase() } else { c });
            begins = false;
        } else if c.is_alphanumeric() {
            // Writing to a string cannot fail.
            let _ = write!(out, "U{:X}", u32::from(c));
            begins = true;
        } else {
            begins = true;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_words_with_capitals_and_none_is_given_twice() {
        let mut names = Names::default();
        assert_eq!(
            names.give("channels", "scraper:google_maps_progress"),
            "ChannelsScraperGoogleMapsProgress"
        );
        assert_eq!(names.give("my-jobs", "waiting-children"), "MyJobsWaitingChildren");
        assert_eq!(names.give("my_jobs", "waiting children"), "MyJobsWaitingChildren_2");
        assert_eq!(names.give("my_jobs", "WAITING children"), "MyJobsWAITINGChildren_3");
        assert_eq!(names.give("7up", "it's"), "_7upItS");
        assert_eq!(names.give("d", "größe"), "DGrUF6UDFE");
        assert_eq!(names.give("d", "!"), "D");
        assert_eq!(names.give("d", ""), "D_2");
    }
}
