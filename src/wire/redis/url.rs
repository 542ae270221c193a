//! Redis URLs: `redis://`, `rediss://`, `unix://`. No message in here repeats a part that could be a password.

use std::path::PathBuf;

use percent_encoding::percent_decode_str;
use url::Url;

use super::endpoint::{Address, Endpoint, Login};
use crate::net::tls::{TlsFileError, TlsFiles};

const DEFAULT_PORT: u16 = 6379;

/// What is wrong with a Redis URL. The messages never repeat user, password or anything that could be one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RedisUrlError {
    /// The URL parser refused it.
    #[error("not a redis URL: {0}; it looks like redis://user:password@host:6379/0")]
    Malformed(String),
    /// The scheme is of something else, or missing as in `localhost:6379`.
    #[error("a redis URL begins with redis://, rediss://, unix:// or redis+unix://")]
    Scheme,
    /// There is no host between the slashes.
    #[error("the redis URL names no host; it looks like redis://host:6379/0")]
    NoHost,
    /// Port 0 cannot be connected to.
    #[error("the redis URL names port 0")]
    NoPort,
    /// A `unix://` URL needs three slashes: the path is absolute.
    #[error("a redis socket path is absolute: unix:///run/redis/redis.sock")]
    NoPath,
    /// The database is not a number.
    #[error(
        "the database of the redis URL is not a number; the characters / ? # @ in a password are written %2F %3F %23 %40"
    )]
    Database,
    /// Something follows a `#`.
    #[error("the redis URL has a fragment; a # in a password is written %23")]
    Fragment,
    /// What the percent signs stand for is no UTF-8.
    #[error("the {0} of the redis URL is not UTF-8 once decoded")]
    NotUtf8(&'static str),
    /// `ssl_cert_reqs` has three values.
    #[error("ssl_cert_reqs in the redis URL is none, optional or required")]
    CertReqs,
    /// Certificates or keys are of no use.
    #[error(transparent)]
    Tls(#[from] TlsFileError),
}

/// Parameters of the URL that are read.
const KNOWN: [&str; 9] = [
    "db",
    "user",
    "username",
    "password",
    "pass",
    "ssl_cert_reqs",
    "ssl_ca_certs",
    "ssl_certfile",
    "ssl_keyfile",
];

impl Endpoint {
    /// Parses a URL. Over TCP the database is the path or `?db=`; a socket takes `?db=`, `?user=` and `?password=`
    /// (`?pass=`). `ssl_cert_reqs`, `ssl_ca_certs`, `ssl_certfile` and `ssl_keyfile` mean what they mean to redis-py. Other
    /// parameters are other clients' business (redis-py has a dozen): ignored, and named in [`Endpoint::ignored`].
    pub(crate) fn parse(text: &str) -> Result<Self, RedisUrlError> {
        let (scheme, _) = text.split_once("://").ok_or(RedisUrlError::Scheme)?;
        let endpoint: fn(&Url) -> Result<Self, RedisUrlError> = match &*scheme.to_ascii_lowercase() {
            "redis" => |url| Self::tcp(url, false),
            "rediss" => |url| Self::tcp(url, true),
            "unix" | "redis+unix" => Self::unix,
            _ => return Err(RedisUrlError::Scheme),
        };
        let url = Url::parse(text).map_err(|error| RedisUrlError::Malformed(error.to_string()))?;
        if url.fragment().is_some() {
            return Err(RedisUrlError::Fragment);
        }
        endpoint(&url)
    }

    fn tcp(url: &Url, tls: bool) -> Result<Self, RedisUrlError> {
        let host = match url.host().ok_or(RedisUrlError::NoHost)? {
            url::Host::Domain(name) => decode(name, "host")?,
            url::Host::Ipv4(ip) => ip.to_string(),
            url::Host::Ipv6(ip) => ip.to_string(),
        };
        let port = url.port().unwrap_or(DEFAULT_PORT);
        if port == 0 {
            return Err(RedisUrlError::NoPort);
        }
        let database = match url.path().trim_matches('/') {
            "" => parameter(url, &["db"]),
            path => Some(path.to_owned()),
        };
        Ok(Self {
            address: Address::Tcp { host, port, tls },
            login: login(url)?,
            database: number(database.as_deref())?,
            tls: if tls { tls_files(url)? } else { TlsFiles::default() },
            ignored: ignored(url, tls),
        })
    }

    fn unix(url: &Url) -> Result<Self, RedisUrlError> {
        let path = decode(url.path(), "path")?;
        if url.host_str().is_some_and(|host| !host.is_empty()) || path.len() < 2 {
            return Err(RedisUrlError::NoPath);
        }
        Ok(Self {
            address: Address::Unix(PathBuf::from(path)),
            login: login(url)?,
            database: number(parameter(url, &["db"]).as_deref())?,
            tls: TlsFiles::default(),
            ignored: ignored(url, false),
        })
    }
}

/// The URL with these parameters, percent-encoded, in place of its own of the same names.
pub(crate) fn with_parameters(text: &str, given: &[(&str, &str)]) -> Result<String, RedisUrlError> {
    let mut url = Url::parse(text).map_err(|error| RedisUrlError::Malformed(error.to_string()))?;
    let is_overruled = |pair: &str| given.iter().any(|(name, _)| pair.split('=').next() == Some(name));
    let own = url.query().unwrap_or_default().split('&');
    let kept: Vec<&str> = own.filter(|pair| !pair.is_empty() && !is_overruled(pair)).collect();
    let kept = kept.join("&");
    url.set_query(Some(&*kept).filter(|kept| !kept.is_empty()));
    for (name, value) in given {
        url.query_pairs_mut().append_pair(name, value);
    }
    Ok(url.into())
}

/// Files and checks as redis-py's parameters name them; Celery writes `CERT_NONE` for `none`.
fn tls_files(url: &Url) -> Result<TlsFiles, RedisUrlError> {
    let insecure = match parameter(url, &["ssl_cert_reqs"]).map(|value| value.to_ascii_lowercase()).as_deref()
    {
        None | Some("" | "required" | "cert_required" | "optional" | "cert_optional") => false,
        Some("none" | "cert_none") => true,
        Some(_) => return Err(RedisUrlError::CertReqs),
    };
    let file = |name| parameter(url, &[name]).filter(|path| !path.is_empty()).map(PathBuf::from);
    Ok(TlsFiles { ca: file("ssl_ca_certs"), cert: file("ssl_certfile"), key: file("ssl_keyfile"), insecure })
}

/// Warnings about parameters that do nothing. A name that may be a piece of a password is not repeated.
fn ignored(url: &Url, tls: bool) -> Vec<String> {
    let is_name =
        |name: &str| name.len() <= 40 && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    let is_torn = url.query().is_some_and(|query| query.contains('@'));
    let mut all = Vec::new();
    for (name, _) in url.query_pairs() {
        let text = if is_torn || !is_name(&name) {
            if KNOWN.contains(&name.as_ref()) {
                continue;
            }
            "the redis URL has a parameter that is not known here and does nothing; a ? in a password is written %3F"
                .to_owned()
        } else if name.starts_with("ssl_") && KNOWN.contains(&name.as_ref()) {
            if tls {
                continue;
            }
            format!("the parameter {name} of the redis URL does nothing without TLS: rediss:// is with it")
        } else if KNOWN.contains(&name.as_ref()) {
            continue;
        } else {
            let near = crate::dialect::nearest(&name, KNOWN);
            let near = near.map(|near| format!("; did you mean '{near}'?")).unwrap_or_default();
            format!("the parameter '{name}' of the redis URL is not known here and does nothing{near}")
        };
        if !all.contains(&text) {
            all.push(text);
        }
    }
    all
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
    let user = user.filter(|name| !name.is_empty());
    Ok((user.is_some() || !password.is_empty()).then_some(Login { user, password }))
}

fn parameter(url: &Url, names: &[&str]) -> Option<String> {
    url.query_pairs().find(|(name, _)| names.contains(&name.as_ref())).map(|(_, value)| value.into_owned())
}

fn decode(text: &str, part: &'static str) -> Result<String, RedisUrlError> {
    let text = percent_decode_str(text).decode_utf8().map_err(|_| RedisUrlError::NotUtf8(part))?;
    Ok(text.into_owned())
}
