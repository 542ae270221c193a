//! The publish key: the user's, or one that is made and left where `jobwire publish` finds it.

use std::fmt;

use anyhow::{Context, Result};

use crate::net::publish_key::{self, Guard};

/// A key, and the file it lies in if it was made here; the file goes when this does.
pub(super) struct PublishKey {
    /// The key itself.
    pub(super) value: String,
    /// File with the key; `None` where the key was given or only the command gets it.
    file: Option<(Guard, u16)>,
}

impl PublishKey {
    /// The key that was given, or a new one for the relay on `port`.
    pub(super) fn obtain(given: Option<&str>, port: u16) -> Result<Self> {
        if let Some(given) = given {
            return Ok(Self { value: given.to_owned(), file: None });
        }
        let (value, guard) = publish_key::create(port)
            .context("could not leave a publish key for `jobwire publish`; give one with --publish-key")?;
        Ok(Self { value, file: Some((guard, port)) })
    }

    /// Key of a relay that runs for a command. The command finds the key in its environment, so a machine without a writable
    /// folder for keys, such as a read-only container, is no error.
    pub(super) fn obtain_for_command(given: Option<&str>, port: u16) -> Self {
        Self::obtain(given, port).unwrap_or_else(|error| {
            tracing::info!("the publish key is known to the command alone: {error:#}");
            Self { value: publish_key::random(), file: None }
        })
    }
}

impl fmt::Display for PublishKey {
    /// Where it is from, never the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.file {
            Some((_, port)) => write!(f, "in {}", publish_key::path_for(*port).display()),
            None => f.write_str("given"),
        }
    }
}
