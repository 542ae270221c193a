//! Relay that a completion asks for jobs, taken from an unfinished command line.

use url::Url;

use crate::net::tls::Tls;

/// Relay to ask for jobs, with the credentials for it.
pub(super) struct Asked {
    /// URL of the relay.
    pub(super) server: Url,
    /// TLS settings of the connection.
    pub(super) tls: Tls,
    /// Publish key or token.
    pub(super) bearer: Option<String>,
}
