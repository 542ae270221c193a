//! Redis URLs: `redis://`, `unix://`, `redis+sentinel://`, `redis+cluster://` and their like with TLS.

use std::path::PathBuf;

use url::Url;

use super::RedisUrlError;
use super::endpoint::{Address, Endpoint, Login, Sentinels, Topology};
use super::hosts::{self, Form, Parts, decode};
use super::parameters::{accepts_replica, ignored, parameter, tls_files};
use super::scheme::Scheme;
use crate::net::tls::TlsFiles;

impl Endpoint {
    /// Parses a URL. Over TCP the database is the path or `?db=`; a socket takes `?db=`, `?user=` and `?password=`
    /// (`?pass=`). Sentinels and nodes of a cluster are listed with commas between them; behind sentinels the path begins
    /// with the name of the master, and `?sentinel_username=` and `?sentinel_password=` are for the sentinels.
    /// `?replica=ok` is for all. `ssl_cert_reqs`, `ssl_ca_certs`, `ssl_certfile` and `ssl_keyfile` mean what they mean to
    /// redis-py. Other parameters are other clients' business (redis-py has a dozen): ignored, and named in
    /// [`Endpoint::ignored`].
    pub(crate) fn parse(text: &str) -> Result<Self, RedisUrlError> {
        let (scheme, rest) = text.trim().split_once("://").ok_or(RedisUrlError::Scheme(None))?;
        let scheme = Scheme::parse(scheme)?;
        if rest.contains('#') {
            return Err(RedisUrlError::Fragment);
        }
        let parts = Parts::of(rest);
        match scheme {
            Scheme::Single(form) => Self::single(&parts, text, form),
            Scheme::Unix => Self::unix(&hosts::url(text)?),
            Scheme::Sentinel(form) => Self::sentinel(&parts, form),
            Scheme::Cluster(form) => Self::cluster(&parts, form),
        }
    }

    fn single(parts: &Parts<'_>, text: &str, form: Form) -> Result<Self, RedisUrlError> {
        if parts.names_several() {
            return Err(RedisUrlError::SeveralHosts);
        }
        let url = &hosts::url(text)?;
        let address = hosts::address(url, form)?;
        let database = match url.path().trim_matches('/') {
            "" => parameter(url, &["db"]),
            path => Some(path.to_owned()),
        };
        let database = number(database.as_deref())?;
        Self::over(Topology::Single(address), url, database)
    }

    fn unix(url: &Url) -> Result<Self, RedisUrlError> {
        let path = decode(url.path(), "path")?;
        if url.host_str().is_some_and(|host| !host.is_empty()) || path.len() < 2 {
            return Err(RedisUrlError::NoPath);
        }
        let address = Address::Unix(PathBuf::from(path));
        let database = number(parameter(url, &["db"]).as_deref())?;
        Self::over(Topology::Single(address), url, database)
    }

    fn sentinel(parts: &Parts<'_>, form: Form) -> Result<Self, RedisUrlError> {
        let url = parts.without_hosts()?;
        let addresses = parts.addresses(form)?;
        let path = url.path().trim_matches('/');
        let (master, database) = path.split_once('/').unwrap_or((path, ""));
        let master = decode(master, "master's name")?;
        if master.is_empty() {
            return Err(RedisUrlError::NoMaster);
        }
        if path.contains('@') || master.contains(char::is_control) {
            return Err(RedisUrlError::Master);
        }
        let database = match database {
            "" => parameter(&url, &["db"]),
            number => Some(number.to_owned()),
        };
        let database = number(database.as_deref())?;
        let sentinels = Sentinels { addresses: addresses.all, master, login: sentinel_login(&url) };
        let endpoint = Self::over(Topology::Sentinel(sentinels), &url, database)?;
        Ok(endpoint.with_repeated(&addresses.repeated))
    }

    fn cluster(parts: &Parts<'_>, form: Form) -> Result<Self, RedisUrlError> {
        let url = parts.without_hosts()?;
        let addresses = parts.addresses(form)?;
        let path = url.path().trim_matches('/');
        let database = parameter(&url, &["db"]);
        if [Some(path), database.as_deref()].into_iter().flatten().any(|text| !matches!(text, "" | "0")) {
            return Err(RedisUrlError::ClusterDatabase);
        }
        let endpoint = Self::over(Topology::Cluster(addresses.all), &url, 0)?;
        Ok(endpoint.with_repeated(&addresses.repeated))
    }

    /// The endpoint of these servers, with all that the URL says besides.
    fn over(servers: Topology, url: &Url, database: u32) -> Result<Self, RedisUrlError> {
        let mut endpoint = Self {
            login: login(url)?,
            database,
            tls: TlsFiles::default(),
            accepts_replica: accepts_replica(url)?,
            ignored: Vec::new(),
            servers,
        };
        let tls = endpoint.is_secure();
        if tls {
            endpoint.tls = tls_files(url)?;
        }
        endpoint.ignored = ignored(url, tls, matches!(endpoint.servers, Topology::Sentinel(_)));
        Ok(endpoint)
    }

    /// Warns of hosts that are named twice.
    fn with_repeated(mut self, addresses: &[Address]) -> Self {
        self.ignored.extend(addresses.iter().map(|address| format!("the redis URL names {address} twice")));
        self
    }
}

fn number(database: Option<&str>) -> Result<u32, RedisUrlError> {
    database.map_or(Ok(0), |text| text.parse().map_err(|_| RedisUrlError::Database))
}

/// Nobody at all, or somebody whose password may be empty: Redis knows users who need none.
fn login(url: &Url) -> Result<Option<Login>, RedisUrlError> {
    let user = match url.username() {
        "" => parameter(url, &["user", "username"]),
        name => Some(decode(name, "user")?),
    };
    let password = match url.password() {
        None | Some("") => parameter(url, &["password", "pass"]).unwrap_or_default(),
        Some(password) => decode(password, "password")?,
    };
    Ok(Login::new(user, password))
}

/// The login at the sentinels, who have users and passwords of their own.
fn sentinel_login(url: &Url) -> Option<Login> {
    let value = |name| parameter(url, &[name]);
    Login::new(value("sentinel_username"), value("sentinel_password").unwrap_or_default())
}
