//! The endpoint that a URL of Redis names: servers, login, database, TLS.

use std::fmt;
use std::path::PathBuf;

use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::net::tls::TlsFiles;

/// Characters of a path that end it in a URL, or that a terminal should not see.
const IN_PATH: AsciiSet = CONTROLS.add(b' ').add(b'%').add(b'?').add(b'#');

/// Characters of a name that would end it in a URL; those that names mostly have are left.
const IN_NAME: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_');

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
    /// Login of these, or none where neither is given.
    pub(super) fn new(user: Option<String>, password: String) -> Option<Self> {
        let user = user.filter(|name| !name.is_empty());
        (user.is_some() || !password.is_empty()).then_some(Self { user, password })
    }

    /// Words of the command that logs in.
    pub(crate) fn command(&self) -> Vec<&[u8]> {
        let user = self.user.as_deref().map(str::as_bytes);
        [&b"AUTH"[..]].into_iter().chain(user).chain([self.password.as_bytes()]).collect()
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A name alone may be a password without its colon.
        let user = self.user.as_ref().filter(|_| !self.password.is_empty());
        f.debug_struct("Login").field("user", &user).finish_non_exhaustive()
    }
}

/// Servers that together watch a master, and tell where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sentinels {
    /// Addresses that they listen on; at least one, each once.
    pub addresses: Vec<Address>,
    /// The name that they know the master by.
    pub master: String,
    /// Login at the sentinels, which is not the one at Redis; `None`: no login.
    pub login: Option<Login>,
}

/// Relation of the servers to each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Topology {
    /// A single server.
    Single(Address),
    /// A master, found through sentinels.
    Sentinel(Sentinels),
    /// Nodes of a cluster, from which the others are learned; at least one, each once.
    Cluster(Vec<Address>),
}

/// All that a URL says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// Servers to ask, and for what.
    pub servers: Topology,
    /// User and password at Redis; `None`: no login.
    pub login: Option<Login>,
    /// The database; 0 in a cluster.
    pub database: u32,
    /// Certificate files for TLS, and whether the server's certificate is checked.
    pub tls: TlsFiles,
    /// Whether a server that is a replica will do (`?replica=ok`).
    pub accepts_replica: bool,
    /// Warnings about parts of the URL that do nothing, one sentence each.
    pub ignored: Vec<String>,
}

impl Endpoint {
    /// The servers that the URL names, in its order; at least one.
    pub(crate) fn named(&self) -> &[Address] {
        match &self.servers {
            Topology::Single(address) => std::slice::from_ref(address),
            Topology::Sentinel(sentinels) => &sentinels.addresses,
            Topology::Cluster(nodes) => nodes,
        }
    }

    /// Whether TLS is spoken.
    pub(crate) fn is_secure(&self) -> bool {
        self.named().iter().any(|address| matches!(address, Address::Tcp { tls: true, .. }))
    }

    /// Scheme of the URL.
    fn scheme(&self) -> &'static str {
        match (&self.servers, self.is_secure()) {
            (Topology::Single(Address::Unix(_)), _) => "unix",
            (Topology::Single(_), false) => "redis",
            (Topology::Single(_), true) => "rediss",
            (Topology::Sentinel(_), false) => "redis+sentinel",
            (Topology::Sentinel(_), true) => "rediss+sentinel",
            (Topology::Cluster(_), false) => "redis+cluster",
            (Topology::Cluster(_), true) => "rediss+cluster",
        }
    }
}

impl fmt::Display for Endpoint {
    /// The URL, without a password. A name alone is not shown either: it may be a password without its colon.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://", self.scheme())?;
        match &self.login {
            None => {}
            Some(Login { user: Some(user), password }) if !password.is_empty() => {
                write!(f, "{}:***@", utf8_percent_encode(user, &IN_NAME))?;
            }
            Some(_) => f.write_str("***@")?,
        }
        for (index, address) in self.named().iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            match address {
                Address::Unix(path) => {
                    write!(f, "{}", utf8_percent_encode(&path.to_string_lossy(), &IN_PATH))?;
                }
                Address::Tcp { .. } => write!(f, "{comma}{address}")?,
            }
        }
        if let Topology::Sentinel(sentinels) = &self.servers {
            write!(f, "/{}", utf8_percent_encode(&sentinels.master, &IN_NAME))?;
        }
        let is_socket = matches!(self.servers, Topology::Single(Address::Unix(_)));
        let mut parameters = Vec::new();
        match self.database {
            0 => {}
            database if is_socket => parameters.push(format!("db={database}")),
            database => write!(f, "/{database}")?,
        }
        if self.accepts_replica {
            parameters.push("replica=ok".to_owned());
        }
        if parameters.is_empty() { Ok(()) } else { write!(f, "?{}", parameters.join("&")) }
    }
}
