//! Names of types.

use std::collections::BTreeSet;
use std::fmt::Write as _;

/// The names that are given; none is given twice, whatever case it is in.
#[derive(Debug, Default)]
pub(super) struct Names(BTreeSet<String>);

impl Names {
    /// The name of a type of a dialect, such as `ScrapingJobProgress`.
    pub(super) fn give(&mut self, dialect: &str, word: &str) -> String {
        let name = joined(dialect) + &joined(word);
        // A dialect's name may begin with a digit, and a type's may not.
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

/// Words as one, each with a capital: `job_progress` is `JobProgress`. What is no letter or digit of ASCII is left out between
/// words; a letter of another script becomes its code.
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
