//! Command line for watching the events of a sink.

use url::Url;

use super::SinkOptions;
use crate::net;

/// Server of `attach` without flags.
const DEFAULT_SERVER: &str = "127.0.0.1:8000";

/// Command line that watches events of this sink. `words` are the targets and flags, quoted for a shell.
pub(crate) fn attach_command(words: &[String], sink: &SinkOptions) -> String {
    let server = match sink {
        SinkOptions::Http { server, .. } => elsewhere(server),
        SinkOptions::Redis { .. } => None,
    };
    let words = server.into_iter().chain(words.iter().cloned());
    std::iter::once("jobwire attach".to_owned()).chain(words).collect::<Vec<_>>().join(" ")
}

/// Flag for a server other than the default; leaves out user and password.
fn elsewhere(server: &Url) -> Option<String> {
    let (address, path) = (net::address(server), server.path().trim_end_matches('/'));
    let usual = address == DEFAULT_SERVER && path.is_empty();
    (!usual).then(|| format!("--server {}://{address}{}", server.scheme(), quoted(path)))
}

/// Word quoted for a shell. Control characters are escaped as in Rust, since names of jobs have none.
pub(crate) fn quoted(text: &str) -> String {
    if text.chars().all(|c| c.is_ascii_alphanumeric() || "/:._-%".contains(c)) {
        return text.to_owned();
    }
    let mut word = String::from("'");
    for c in text.chars() {
        match c {
            '\'' => word.push_str("'\\''"),
            c if c.is_control() => word.extend(c.escape_debug()),
            c => word.push(c),
        }
    }
    word.push('\'');
    word
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_a_shell_would_break_is_quoted() {
        assert_eq!(quoted("downloads/a b"), "'downloads/a b'");
        assert_eq!(quoted("downloads/it's"), r"'downloads/it'\''s'");
        assert_eq!(quoted(r#"jobs/a "b" \c"#), r#"'jobs/a "b" \c'"#);
        assert_eq!(quoted("jobs/a\nb"), r"'jobs/a\nb'");
    }
}
