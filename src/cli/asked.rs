//! Whom a command line asks for jobs, while it is still typed.

use url::Url;

use crate::net::tls::Tls;

/// Where a relay is asked for its jobs, and by what right.
pub(super) struct Asked {
    /// The relay.
    pub(super) server: Url,
    /// The way to it.
    pub(super) tls: Tls,
    /// The publish key, or a token.
    pub(super) bearer: Option<String>,
}
