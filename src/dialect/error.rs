//! Errors of a dialect file, with its name, the line and the key.

use super::Pointer;
use super::locate::line_of;

/// A dialect file that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{origin}{}: {message}", line.map(|line| format!(":{line}")).unwrap_or_default())]
pub struct DialectError {
    /// The file.
    pub origin: String,
    /// The line, from 1, where there is one.
    pub line: Option<usize>,
    /// The key and what is wrong with it.
    pub message: String,
}

impl DialectError {
    pub(super) fn unreadable(origin: &str, error: &std::io::Error) -> Self {
        Self {
            origin: origin.to_owned(),
            line: None,
            message: format!("could not read the dialect: {error}"),
        }
    }
}

/// A fault at a key: its path, and what is wrong.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) path: Vec<String>,
    pub(super) message: String,
}

impl Fault {
    pub(super) fn at(path: &[&str], message: impl std::fmt::Display) -> Self {
        Self { path: path.iter().map(ToString::to_string).collect(), message: format!("{message}") }
    }

    pub(super) fn locate(self, text: &str, origin: &str) -> DialectError {
        let path: Vec<&str> = self.path.iter().map(String::as_str).collect();
        let line = (1..=path.len()).rev().find_map(|n| line_of(text, &path[..n]));
        DialectError {
            origin: origin.to_owned(),
            line,
            message: format!("{}: {}", path.join("."), self.message),
        }
    }
}

/// Parses the pointer at a key.
pub(super) fn pointer(text: &str, path: &[&str]) -> Result<Pointer, Fault> {
    Pointer::parse(text).map_err(|error| Fault::at(path, error))
}
