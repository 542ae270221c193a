//! What to check and how, resolved.

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
    /// The relay, or another server of the contracts: ws, wss, http or https.
    pub server: Url,
    /// TLS settings of the connections, such as the certificates that are trusted.
    pub tls: Tls,
    /// Proves who is watching.
    pub token: Option<TokenSource>,
    /// URL of the Redis that is looked at and published into.
    pub redis: Option<String>,
    /// Where events are sent. Without a key of the user's, one that a relay of this user has left by then is used.
    pub sink: SinkOptions,
    /// The dialects that are tried.
    pub dialects: Vec<Arc<Dialect>>,
    /// The user named them, so that a server has to speak each.
    pub are_named: bool,
    /// What is tried; empty: all.
    pub only: Vec<Trial>,
    /// How long to wait until the server is ready.
    pub wait: Option<Duration>,
    /// How long each step may take.
    pub timeout: Duration,
    /// How it is shown.
    pub output: CheckOutput,
    /// Whether to paint.
    pub color: bool,
    /// Whether stdout shows every character.
    pub unicode: bool,
}

/// Form of the findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CheckOutput {
    /// A line a step, as it comes.
    Text,
    /// A JSON document.
    Json,
    /// JUnit XML.
    Junit,
}

impl CheckOptions {
    /// Whether a step was asked for.
    pub(super) fn wants(&self, trial: Trial) -> bool {
        self.only.is_empty() || self.only.contains(&trial)
    }

    /// Whether a relay takes events from here: it wants its key, or a proxy in front that has it wants a user.
    pub(super) fn has_key(&self) -> bool {
        match &self.sink {
            SinkOptions::Redis { .. } => true,
            SinkOptions::Http { server, key, .. } => {
                key.is_some() || login(server).is_some() || publish_key::for_server(server).is_some()
            }
        }
    }

    /// Whether any of the steps with dialects was asked for.
    pub(super) fn wants_dialects(&self) -> bool {
        Trial::OF_DIALECT.into_iter().any(|trial| self.wants(trial))
    }
}
