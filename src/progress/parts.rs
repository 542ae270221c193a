//! Patterns of numbers and bars, for use in larger patterns. All patterns match bytes.

use regex::bytes::Regex;

/// A percent.
macro_rules! percent {
    () => {
        r"(?<percent>\d{1,3}(?:\.\d{1,6}|,\d{1,2})?) ?%"
    };
}

/// Step and total: `12/80`, `12 of 80` or `1,200 of 8,000`.
macro_rules! ratio {
    () => {
        r"(?<step>\d{1,3}(?:,\d{3}){1,3}|\d{1,12})(?: ?/ ?| of | out of )(?<total>\d{1,3}(?:,\d{3}){1,3}|\d{1,12})"
    };
}

/// An amount of data, such as `12.3 MiB`.
macro_rules! amount {
    () => {
        r"\d[\d.,]* ?(?:[kKMGTP]i?)?B?"
    };
}

/// Two amounts of data, such as `1.2/3.4 MB` or `800kB / 1.2MB`.
macro_rules! amounts {
    () => {
        r"(?<done>\d[\d.]* {0,3}(?:[kKMGTP]?i?B)?) ?/ {0,3}(?<size>\d[\d.]* ?(?:[kKMGTP]?i?B|bytes))\b"
    };
}

/// A bar: in brackets, or of block, box and Braille characters.
macro_rules! bar {
    () => {
        r"(?<bar>\[[=#>\-.*+<o~_ |\x80-\xff]{5,}\]|\|[=#>\- \x80-\xff]{5,}\||(?:\xe2[\x94-\x97\xa0-\xa3][\x80-\xbf] ?){3,}|#{8,})"
    };
}

/// The end of a number.
macro_rules! end {
    () => {
        r"(?:$|[\s\]),;|])"
    };
}

/// Compiles a constant pattern.
pub(super) fn compile(pattern: &str) -> Regex {
    Regex::new(&format!("(?-u){pattern}")).expect("the pattern is a constant, and tests use it")
}

pub(super) use {amount, amounts, bar, end, percent, ratio};
