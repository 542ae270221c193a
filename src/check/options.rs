//! Resolved options of a check.

use std::sync::Arc;
use std::time::Duration;

use url::Url;

use super::finding::Trial;
use crate::dialect::Dialect;
use crate::emit::SinkOptions;
use crate::net::tls::Tls;
use crate::net::token_source::TokenSource;
use crate::net::{login, publish_key};

/// Settings of [`super::run`].
#[derive(Debug, Clone)]
pub(crate) struct CheckOptions {
    /// URL of the server, a relay or another server of the contracts: `ws`, `wss`, `http` or `https`.
    pub server: Url,
    /// TLS settings of the connections, such as the trusted certificates.
    pub tls: Tls,
    /// Token of the watchers.
    pub token: Option<TokenSource>,
    /// URL of the Redis that is checked and published into.
    pub redis: Option<String>,
    /// Sink of the events. Where the user gives no publish key, the check uses the key that a relay of the same user has left
    /// in a file.
    pub sink: SinkOptions,
    /// Dialects to check.
    pub dialects: Vec<Arc<Dialect>>,
    /// Whether the user named the dialects. The server then has to speak each of them.
    pub are_named: bool,
    /// Steps to take; an empty list means all.
    pub only: Vec<Trial>,
    /// Longest time to wait until the server is ready; `None`: do not wait.
    pub wait: Option<Duration>,
    /// Longest time for each step.
    pub timeout: Duration,
    /// Format of the report.
    pub output: CheckOutput,
    /// Whether to write colours.
    pub color: bool,
    /// Whether stdout shows every character of Unicode.
    pub unicode: bool,
}

/// Format of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CheckOutput {
    /// One line for each step, printed when the step ends.
    Text,
    /// A JSON document.
    Json,
    /// JUnit XML.
    Junit,
}

impl CheckOptions {
    /// Whether the user asked for this step.
    pub(super) fn wants(&self, trial: Trial) -> bool {
        self.only.is_empty() || self.only.contains(&trial)
    }

    /// Whether the check can send events: into Redis, with a publish key, or with the user and password that a proxy wants.
    pub(super) fn has_key(&self) -> bool {
        match &self.sink {
            SinkOptions::Redis { .. } => true,
            SinkOptions::Http { server, key, .. } => {
                key.is_some() || login(server).is_some() || publish_key::for_server(server).is_some()
            }
        }
    }

    /// Whether the user asked for any step of the dialects.
    pub(super) fn wants_dialects(&self) -> bool {
        Trial::OF_DIALECT.into_iter().any(|trial| self.wants(trial))
    }
}
