//! Values of a connection in URLs and headers: `{conn}` is its number, from 0, and `{job}` the id of its job.

use std::borrow::Cow;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

/// All placeholders.
const KNOWN: [&str; 2] = ["conn", "job"];

/// A brace as it stands in a text, and in the path of a URL that was parsed.
const BRACES: [(&str, &str); 2] = [("{", "}"), ("%7B", "%7D")];

/// Words in braces, without these.
pub fn words(text: &str) -> impl Iterator<Item = &str> {
    BRACES.into_iter().flat_map(move |(open, close)| {
        text.split(open).skip(1).filter_map(move |rest| {
            let (word, _) = rest.split_once(close)?;
            let is_word = word.starts_with(|c: char| c.is_ascii_alphabetic())
                && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
            is_word.then_some(word)
        })
    })
}

/// The first word in braces that is no placeholder.
pub fn unknown(text: &str) -> Option<&str> {
    words(text).find(|word| !KNOWN.contains(word))
}

/// Whether a text has a placeholder of this name.
pub fn has(text: &str, name: &str) -> bool {
    words(text).any(|word| word == name)
}

/// A header's value with the values of a connection.
pub fn in_header<'a>(text: &'a str, conn: u64, job: &str) -> Cow<'a, str> {
    if !text.contains('{') {
        return Cow::Borrowed(text);
    }
    // A job's id may hold what would end a header.
    let job: String = job.chars().filter(|c| !c.is_control()).collect();
    Cow::Owned(text.replace("{conn}", &conn.to_string()).replace("{job}", &job))
}

/// A URL, or a path with its query, with the values of a connection, percent-encoded.
pub fn in_url<'a>(text: &'a str, conn: u64, job: &str) -> Cow<'a, str> {
    if words(text).next().is_none() {
        return Cow::Borrowed(text);
    }
    let job = utf8_percent_encode(job, NON_ALPHANUMERIC).to_string();
    let mut text = text.to_owned();
    for (open, close) in BRACES {
        text = text.replace(&format!("{open}conn{close}"), &conn.to_string());
        text = text.replace(&format!("{open}job{close}"), &job);
    }
    Cow::Owned(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_words_in_braces() {
        for (text, unknown_word) in [
            ("a{conn}b{job}", None),
            (r#"{"a":{"b":1}}"#, None),
            ("{}{ }{1}{conn", None),
            ("/%7Bjob%7D?x={conn}", None),
            ("{user}", Some("user")),
            ("/%7BJob%7D", Some("Job")),
            ("{conn}{job_id}", Some("job_id")),
        ] {
            assert_eq!(unknown(text), unknown_word, "{text}");
        }
        assert!(has("/ws/%7Bjob%7D", "job") && !has("/ws/{conn}", "job"));
    }

    #[test]
    fn values_of_a_connection_take_their_places() {
        assert_eq!(in_header("u-{conn}/{job}", 7, "a b\r\nX: 1"), "u-7/a bX: 1");
        assert!(matches!(in_header("plain", 7, "a"), Cow::Borrowed("plain")));
        assert_eq!(in_url("/ws/%7Bjob%7D?c={conn}", 7, "a/b"), "/ws/a%2Fb?c=7");
        assert!(matches!(in_url("/ws/1", 7, "a"), Cow::Borrowed("/ws/1")));
    }
}
