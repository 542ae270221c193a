//! Redis URLs: `redis://`, `rediss://`, `unix://`. No message in here repeats a part that could be a password.

use std::fmt;
use std::path::PathBuf;

use percent_encoding::percent_decode_str;
use url::Url;

use crate::net::tls::{TlsFileError, TlsFiles};

const DEFAULT_PORT: u16 = 6379;

/// What is wrong with a Redis URL. The messages never repeat user, password or anything that could be one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RedisUrlError {
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

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
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

/// Whom to log in as.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// None: the default user.
    pub user: Option<String>,
    /// May be empty.
    pub password: String,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("user", &self.user).finish_non_exhaustive()
    }
}

/// All that a URL says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
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
    pub fn parse(text: &str) -> Result<Self, RedisUrlError> {
        let scheme = text.split_once("://").ok_or(RedisUrlError::Scheme)?.0.to_ascii_lowercase();
        let url = match scheme.as_str() {
            "redis" | "rediss" | "unix" | "redis+unix" => {
                Url::parse(text).map_err(|error| RedisUrlError::Malformed(error.to_string()))?
            }
            _ => return Err(RedisUrlError::Scheme),
        };
        if url.fragment().is_some() {
            return Err(RedisUrlError::Fragment);
        }
        if scheme.ends_with("unix") { Self::unix(&url) } else { Self::tcp(&url, scheme == "rediss") }
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

#[cfg(test)]
mod tests {
    use super::{Address, Endpoint, Login, RedisUrlError, TlsFiles};

    fn tcp(host: &str, port: u16, tls: bool) -> Address {
        Address::Tcp { host: host.to_owned(), port, tls }
    }

    fn login(user: &str, password: &str) -> Login {
        let user = Some(user.to_owned()).filter(|user| !user.is_empty());
        Login { user, password: password.to_owned() }
    }

    #[test]
    fn every_part_of_a_tcp_url_is_read() {
        let cases = [
            ("redis://localhost", tcp("localhost", 6379, false), None, 0),
            ("redis://127.0.0.1:7000/3", tcp("127.0.0.1", 7000, false), None, 3),
            ("redis://h/?db=4", tcp("h", 6379, false), None, 4),
            ("rediss://h:1/?ssl_cert_reqs=required", tcp("h", 1, true), None, 0),
            ("redis://:p%40ss@h/", tcp("h", 6379, false), Some(login("", "p@ss")), 0),
            ("REDIS://ann:pw@[::1]:7/2", tcp("::1", 7, false), Some(login("ann", "pw")), 2),
            ("redis://ann@h", tcp("h", 6379, false), Some(login("ann", "")), 0),
            ("redis://:@h", tcp("h", 6379, false), None, 0),
        ];
        for (text, address, login, database) in cases {
            let found = Endpoint::parse(text).unwrap();
            assert_eq!((found.address, found.login, found.database), (address, login, database), "{text}");
            assert_eq!((found.tls, found.ignored), (TlsFiles::default(), Vec::<String>::new()), "{text}");
        }
    }

    #[test]
    fn parameters_of_redis_py_say_whom_to_trust_and_others_are_named() {
        let parse = |query: &str| Endpoint::parse(&format!("rediss://h?{query}"));
        for (query, insecure) in [
            ("ssl_cert_reqs=none", true),
            ("ssl_cert_reqs=CERT_NONE&db=1", true),
            ("ssl_cert_reqs=optional", false),
            ("ssl_cert_reqs=required", false),
        ] {
            assert_eq!(parse(query).unwrap().tls.insecure, insecure, "{query}");
        }
        assert_eq!(parse("ssl_cert_reqs=nope"), Err(RedisUrlError::CertReqs));
        let files = parse("ssl_ca_certs=/a%20b.pem&ssl_certfile=c&ssl_keyfile=k").unwrap().tls;
        assert_eq!(
            (files.ca, files.cert, files.key),
            (Some("/a b.pem".into()), Some("c".into()), Some("k".into()))
        );
        let ignored = |text: &str| Endpoint::parse(text).unwrap().ignored;
        let unknown = &ignored("rediss://h?ssl_cert_req=none&health_check_interval=3")[..];
        let [near, far] = unknown else { panic!("{unknown:?}") };
        assert!(near.ends_with("does nothing; did you mean 'ssl_cert_reqs'?"), "{near}");
        assert!(far.contains("'health_check_interval'") && far.ends_with("does nothing"), "{far}");
        assert!(ignored("redis://h?ssl_cert_reqs=none")[0].contains("rediss://"));
        for torn in ["redis://pw?hunter2@h/0", "redis://h?Hunter2", "redis://h?x=y@hunter2&hunter2=1"] {
            let said = ignored(torn).concat();
            assert!(said.contains("%3F") && !said.to_lowercase().contains("hunter2"), "{torn}: {said}");
        }
    }

    #[test]
    fn a_socket_takes_its_settings_from_parameters() {
        let endpoint =
            Endpoint::parse("redis+unix:///run/my%20redis.sock?db=2&user=ann&password=pw").unwrap();
        assert_eq!(endpoint.address, Address::Unix("/run/my redis.sock".into()));
        assert_eq!((endpoint.login, endpoint.database), (Some(login("ann", "pw")), 2));
        assert_eq!(Endpoint::parse("unix:///s").unwrap().address.to_string(), "/s");
    }

    #[test]
    fn errors_name_what_is_wrong_and_repeat_no_password() {
        let cases = [
            ("localhost:6379", RedisUrlError::Scheme),
            ("hunter2:hunter2@h", RedisUrlError::Scheme),
            ("http://user:hunter2@h", RedisUrlError::Scheme),
            ("redis:///0", RedisUrlError::NoHost),
            ("redis://h:0", RedisUrlError::NoPort),
            ("redis://h/hunter2", RedisUrlError::Database),
            ("redis://u:12/hunter2@h/0", RedisUrlError::Database),
            ("redis://u:12#hunter2@h", RedisUrlError::Fragment),
            ("redis://u:%ffhunter2@h", RedisUrlError::NotUtf8("password")),
            ("unix://run/redis.sock", RedisUrlError::NoPath),
            ("unix://", RedisUrlError::NoPath),
        ];
        for (text, error) in cases {
            assert_eq!(Endpoint::parse(text), Err(error.clone()), "{text}");
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
        for text in
            ["redis://u:hunter2@", "redis://u:hunter2", "redis://:hunter2@h:99999", "redis://u:hunter2/@h"]
        {
            let error = Endpoint::parse(text).unwrap_err();
            assert!(matches!(error, RedisUrlError::Malformed(_)), "{text}: {error:?}");
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn a_url_is_shown_without_its_password() {
        for (text, shown) in [
            ("redis://localhost", "redis://localhost:6379"),
            ("rediss://ann:hunter2@[::1]:7/2", "rediss://ann:***@[::1]:7/2"),
            ("redis://:hunter2@h", "redis://***@h:6379"),
            ("redis://hunter2@h", "redis://***@h:6379"),
            ("unix:///run/redis.sock?db=2&password=hunter2", "unix://***@/run/redis.sock?db=2"),
        ] {
            assert_eq!(Endpoint::parse(text).unwrap().to_string(), shown, "{text}");
        }
    }

    #[test]
    fn debug_output_holds_no_password() {
        let endpoint = Endpoint::parse("redis://ann:hunter2@h").unwrap();
        assert!(!format!("{endpoint:?}").contains("hunter2"));
    }

    #[test]
    fn an_ipv6_address_is_shown_in_brackets() {
        assert_eq!(Endpoint::parse("redis://[::1]").unwrap().address.to_string(), "[::1]:6379");
    }
}
