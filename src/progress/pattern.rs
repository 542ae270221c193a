//! Recognition of progress by the user's regular expression.

use regex::bytes::{Regex, RegexBuilder};

use super::reading::{GROUPS, Progress, read};

/// Largest size of a compiled pattern, in bytes. A repeated `\w` matches any letter of Unicode and takes 20 KB.
const LARGEST: usize = 10 << 20;

/// Regular expression with at least one of the named groups `percent`, `step`, `total` and `message`.
///
/// The syntax is that of the crate `regex`, whose matching takes time in proportion to the line.
#[derive(Debug, Clone)]
pub(crate) struct ProgressPattern(Regex);

/// Reason why a text cannot be used as a pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PatternError {
    /// The text does not compile.
    #[error("not a regular expression: {0}")]
    Syntax(String),
    /// The expression has none of the named groups.
    #[error("the regular expression names none of the groups percent, step, total and message")]
    NoGroup,
}

impl PatternError {
    /// Advice for the user.
    pub(crate) const fn hint() -> &'static str {
        r"name what it finds: (?<percent>…), (?<step>…), (?<total>…) or (?<message>…), as in 'done (?<percent>[\d.]+)' or 'part (?<step>\d+) of (?<total>\d+)'"
    }
}

impl ProgressPattern {
    /// Compiles a pattern.
    pub(crate) fn new(text: &str) -> Result<Self, PatternError> {
        let regex = RegexBuilder::new(text).size_limit(LARGEST).build();
        let regex = regex.map_err(|error| PatternError::Syntax(reason(&error)))?;
        if regex.capture_names().flatten().any(|name| GROUPS.contains(&name)) {
            Ok(Self(regex))
        } else {
            Err(PatternError::NoGroup)
        }
    }

    /// Progress in a line without escape sequences.
    pub(super) fn read(&self, line: &[u8]) -> Option<Progress> {
        read(&self.0.captures(line)?)
    }
}

/// Last line of the crate's error message, which has the reason. The lines above point at the place.
fn reason(error: &regex::Error) -> String {
    let text = error.to_string();
    let last = text.lines().last().unwrap_or_default();
    last.strip_prefix("error: ").unwrap_or(last).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(pattern: &str, line: &str) -> Option<Progress> {
        ProgressPattern::new(pattern).unwrap().read(line.as_bytes())
    }

    #[test]
    fn groups_are_read() {
        let found =
            progress(r"(?<message>\w+) (?<step>\d+) of (?<total>[\d,]+)", "part 512 of 1,024").unwrap();
        let expected = Progress {
            percent: Some(50.0),
            step: Some(512),
            total: Some(1024),
            message: Some("part".to_owned()),
        };
        assert_eq!(found, expected);
        assert_eq!(progress(r"done (?P<percent>[\d.,]+)", "done 45,5").unwrap().percent, Some(45.5));
        assert_eq!(progress("now: (?<message>.*)", "now: linking ").unwrap().message.unwrap(), "linking");
        assert_eq!(progress(r"step (?<step>\d+)", "step 3").unwrap().step, Some(3));
        // Other named groups are allowed.
        assert_eq!(progress(r"(?<file>\S+) (?<percent>\d+)", "a.c 7").unwrap().percent, Some(7.0));
    }

    #[test]
    fn values_that_are_none_are_no_progress() {
        for line in [
            "done 101",
            "done 100.01",
            "done 1,234",
            "done -1",
            "done nan",
            "done inf",
            "done 1e1",
            "done 1.2.3",
            "done \u{664}",
            "done ",
            "other",
        ] {
            assert_eq!(progress(r"done (?<percent>\S*)", line), None, "{line}");
        }
        // A `percent` of 0.45 means 0.45 %.
        assert_eq!(progress(r"done (?<percent>\S*)", "done 0.45").unwrap().percent, Some(0.45));
        assert_eq!(progress(r"(?<step>\d+)/(?<total>\d+)", "12/3"), None);
        assert_eq!(progress(r"(?<step>\d+)/(?<total>\d+)", "0/0"), None);
        assert_eq!(progress(r"(?<step>\d+)", "99999999999999999999999"), None);
        assert_eq!(progress("(?<message> *)x", "  x"), None);
    }

    #[test]
    fn each_group_may_stand_alone_and_need_not_take_part() {
        let pattern = r"^(?:at (?<percent>\S+)|step (?<step>\d+)|of (?<total>\d+)|now (?<message>.+))$";
        let only = |line: &str| progress(pattern, line).unwrap();
        let none = Progress::default();
        assert_eq!(only("at 45"), Progress::of(45.0));
        assert_eq!(only("step 3"), Progress { step: Some(3), ..none.clone() });
        assert_eq!(only("of 18446744073709551615"), Progress { total: Some(u64::MAX), ..none.clone() });
        assert_eq!(only("now linking"), Progress { message: Some("linking".to_owned()), ..none });
    }

    #[test]
    fn lines_that_are_no_utf_8_are_matched() {
        let pattern = ProgressPattern::new(r"(?-u)^(?<message>[^ ]+) (?<percent>\d+)").unwrap();
        let found = pattern.read(b"caf\xe9.bin 45").unwrap();
        assert_eq!(found, Progress { message: Some("caf\u{fffd}.bin".to_owned()), ..Progress::of(45.0) });
        assert_eq!(
            ProgressPattern::new(r"(?<percent>\d+)$").unwrap().read(b"\xff\xfe45"),
            Some(Progress::of(45.0))
        );
    }

    #[test]
    fn texts_that_are_no_patterns_are_refused() {
        let error = |text| ProgressPattern::new(text).unwrap_err().to_string();
        let none = "the regular expression names none of the groups percent, step, total and message";
        for text in ["", r"\d+%", r"(\d+)", r"(?<percentage>\d+)", "(?<Percent>x)"] {
            assert_eq!(error(text), none, "{text}");
        }
        assert_eq!(error("(?<percent>"), "not a regular expression: unclosed group");
        assert_eq!(
            error(r"(?<percent>\d+)(?=x)"),
            "not a regular expression: look-around, including look-ahead and look-behind, is not supported"
        );
        assert!(ProgressPattern::new(r"(?<message>[\w. -]{1,100}): (?<percent>\d+)").is_ok());
        assert!(error(r"(?<percent>\w{1000}{1000})").starts_with("not a regular expression: "));
    }
}
