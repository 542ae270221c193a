//! The endpoint that a URL of Redis names: address, login, database, TLS.

use std::fmt;
use std::path::PathBuf;

use crate::net::tls::TlsFiles;

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Address {
    /// Over the network.
    Tcp {
        /// Name or address.
        host: String,
        /// Port.
        port: u16,
        /// Whether TLS is spoken.
        tls: bool,
    },
    /// A socket of this machine.
    Unix(PathBuf),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port, .. } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port, .. } => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "{}", path.display()),
        }
    }
}

/// Whom to log in as.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Login {
    /// None: the default user.
    pub user: Option<String>,
    /// May be empty.
    pub password: String,
}

impl Login {
    /// Words of the command that logs in.
    pub(crate) fn command(&self) -> Vec<&[u8]> {
        let user = self.user.as_deref().map(str::as_bytes);
        [&b"AUTH"[..]].into_iter().chain(user).chain([self.password.as_bytes()]).collect()
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("user", &self.user).finish_non_exhaustive()
    }
}

/// All that a URL says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// Address of the server.
    pub address: Address,
    /// User and password; `None`: no login.
    pub login: Option<Login>,
    /// The database.
    pub database: u32,
    /// Certificate files for TLS, and whether the server's certificate is checked.
    pub tls: TlsFiles,
    /// Warnings about parameters that do nothing, one sentence each.
    pub ignored: Vec<String>,
}

impl Endpoint {
    /// Whether TLS is spoken.
    pub(crate) const fn is_secure(&self) -> bool {
        matches!(self.address, Address::Tcp { tls: true, .. })
    }
}

impl fmt::Display for Endpoint {
    /// The URL, without a password. A name alone is not shown either: it may be a password without its colon.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match &self.address {
            Address::Tcp { tls: true, .. } => "rediss",
            Address::Tcp { .. } => "redis",
            Address::Unix(_) => "unix",
        };
        let login = match &self.login {
            None => String::new(),
            Some(Login { user: Some(user), password }) if !password.is_empty() => {
                format!("{}:***@", user.escape_debug())
            }
            Some(_) => "***@".to_owned(),
        };
        write!(f, "{scheme}://{login}{}", self.address)?;
        match (self.database, &self.address) {
            (0, _) => Ok(()),
            (database, Address::Tcp { .. }) => write!(f, "/{database}"),
            (database, Address::Unix(_)) => write!(f, "?db={database}"),
        }
    }
}
