//! A value that a configuration file does not hold itself: `{ env = "NAME" }` or `{ file = "PATH" }`.

use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::quoted;

/// Place outside the configuration file that holds a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reference {
    /// In this environment variable.
    Variable(String),
    /// In this file, without the newline at its end.
    File(PathBuf),
}

impl Reference {
    /// Whether a table is meant as a reference: it has no other key than those of one.
    pub(super) fn is_like(table: &DeTable<'_>) -> bool {
        !table.is_empty() && table.iter().all(|(key, _)| matches!(key.get_ref().as_ref(), "env" | "file"))
    }

    /// Reads a reference; a relative path means beside the configuration file, in `folder`.
    pub(super) fn parse(table: &DeTable<'_>, folder: &Path) -> Result<Self, String> {
        let both = || "takes { env = \"NAME\" } or { file = \"PATH\" }, and one of them".to_owned();
        let mut entries = table.iter();
        let (Some((key, value)), None) = (entries.next(), entries.next()) else { return Err(both()) };
        let DeValue::String(text) = value.get_ref() else { return Err(both()) };
        if text.is_empty() || text.contains(['=', '\0']) {
            return Err(format!("'{}' names no variable and no file", text.escape_debug()));
        }
        Ok(match key.get_ref().as_ref() {
            "env" => Self::Variable(text.to_string()),
            _ => Self::File(folder.join(text.as_ref())),
        })
    }

    /// The value, or what is wrong and what to do. One that is empty is none.
    pub(super) fn value(
        &self,
        environment: &dyn Fn(&str) -> Option<OsString>,
    ) -> Result<String, (String, String)> {
        match self {
            Self::Variable(name) => {
                let hint = || format!("the value is not in the file; start with {name} set to it");
                let value = environment(name).filter(|value| !value.is_empty());
                let value =
                    value.ok_or_else(|| (format!("the environment variable {name} is not set"), hint()))?;
                let not_text = |_| (format!("the environment variable {name} is not UTF-8"), hint());
                value.into_string().map_err(not_text)
            }
            Self::File(path) => {
                let hint = || format!("the value is not in the configuration; {self} has to hold it");
                let text = fs::read_to_string(path)
                    .map_err(|error| (format!("could not read {}: {error}", path.display()), hint()))?;
                let value = text.strip_suffix('\n').unwrap_or(&text);
                let value = value.strip_suffix('\r').unwrap_or(value);
                if value.is_empty() {
                    return Err((format!("{self} is empty"), hint()));
                }
                Ok(value.to_owned())
            }
        }
    }

    /// The reference as a file has it.
    pub(super) fn toml(&self) -> String {
        match self {
            Self::Variable(name) => format!("{{ env = {} }}", quoted(name)),
            Self::File(path) => {
                // A relative path would mean another file where this is copied to.
                let path = std::path::absolute(path).unwrap_or_else(|_| path.clone());
                format!("{{ file = {} }}", quoted(&path.to_string_lossy()))
            }
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable(name) => write!(f, "the environment variable {}", name.escape_debug()),
            Self::File(path) => write!(f, "the file {}", path.display().to_string().escape_debug()),
        }
    }
}
