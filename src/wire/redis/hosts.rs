//! The hosts of a Redis URL: one, or several between commas, which no URL parser takes.

use percent_encoding::percent_decode_str;
use url::{Host, Url};

use super::RedisUrlError;
use super::endpoint::Address;

/// Hosts that a URL may name.
const MAX_HOSTS: usize = 64;

/// The parts of a URL behind its scheme.
pub(super) struct Parts<'a> {
    /// User and password, as they are written.
    login: Option<&'a str>,
    /// Hosts, between the login and the path.
    hosts: &'a str,
    /// Path, query and fragment.
    tail: &'a str,
}

impl<'a> Parts<'a> {
    /// Splits what stands behind `scheme://`.
    pub(super) fn of(rest: &'a str) -> Self {
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, tail) = rest.split_at(end);
        match authority.rsplit_once('@') {
            Some((login, hosts)) => Self { login: Some(login), hosts, tail },
            None => Self { login: None, hosts: authority, tail },
        }
    }

    /// Whether there is more than one host.
    pub(super) fn names_several(&self) -> bool {
        self.hosts.contains([',', ';'])
    }

    /// A URL of the login, the path and the query, with a host that stands for all of them.
    pub(super) fn without_hosts(&self) -> Result<Url, RedisUrlError> {
        let login = self.login.map(|login| format!("{login}@")).unwrap_or_default();
        url(&format!("redis://{login}host{}", self.tail))
    }

    /// The hosts, each once, and those that are named twice.
    ///
    /// A login before the second host would be taken for the end of the first one's password; so an `@` in a password
    /// must be encoded here.
    pub(super) fn addresses(&self, form: Form) -> Result<Addresses, RedisUrlError> {
        if self.login.is_some_and(|login| login.contains('@')) {
            return Err(RedisUrlError::LoginTwice);
        }
        let mut found = Addresses { all: Vec::new(), repeated: Vec::new() };
        for host in self.hosts.split(',') {
            let address = address(&url(&format!("redis://{}", host.trim()))?, form)?;
            if found.all.contains(&address) {
                found.repeated.push(address);
            } else if found.all.len() == MAX_HOSTS {
                return Err(RedisUrlError::TooManyHosts(MAX_HOSTS));
            } else {
                found.all.push(address);
            }
        }
        Ok(found)
    }
}

/// Hosts of a URL.
pub(super) struct Addresses {
    /// Hosts in the order of the URL, each once.
    pub(super) all: Vec<Address>,
    /// Hosts that came again.
    pub(super) repeated: Vec<Address>,
}

/// Knowledge of the hosts that the scheme gives.
#[derive(Debug, Clone, Copy)]
pub(super) struct Form {
    /// Whether TLS is spoken.
    pub(super) tls: bool,
    /// The port of a host that names none.
    pub(super) port: u16,
    /// A URL of this scheme.
    pub(super) example: &'static str,
}

/// The host and port of a URL.
pub(super) fn address(url: &Url, form: Form) -> Result<Address, RedisUrlError> {
    let host = match url.host().ok_or(RedisUrlError::NoHost(form.example))? {
        Host::Domain(name) => decode(name, "host")?,
        Host::Ipv4(ip) => ip.to_string(),
        Host::Ipv6(ip) => return with_port(ip.to_string(), url, form),
    };
    if host.trim().is_empty() {
        return Err(RedisUrlError::NoHost(form.example));
    }
    let is_of_names = |c: char| c.is_alphanumeric() || matches!(c, '-' | '.' | '_');
    if !host.chars().all(is_of_names) {
        return Err(RedisUrlError::Host(form.example));
    }
    with_port(host, url, form)
}

fn with_port(host: String, url: &Url, form: Form) -> Result<Address, RedisUrlError> {
    match url.port().unwrap_or(form.port) {
        0 => Err(RedisUrlError::NoPort),
        port => Ok(Address::Tcp { host, port, tls: form.tls }),
    }
}

pub(super) fn url(text: &str) -> Result<Url, RedisUrlError> {
    Url::parse(text).map_err(|error| match error {
        url::ParseError::EmptyHost => RedisUrlError::NoHost("redis://host:6379/0"),
        error => RedisUrlError::Malformed(error.to_string()),
    })
}

/// Decodes a part of a URL.
pub(super) fn decode(text: &str, part: &'static str) -> Result<String, RedisUrlError> {
    let text = percent_decode_str(text).decode_utf8().map_err(|_| RedisUrlError::NotUtf8(part))?;
    Ok(text.into_owned())
}
