//! Which web pages may connect.

use std::fmt;
use std::net::IpAddr;

use url::{Host, Url};

/// The origins that are allowed: those on a list, or the loopback ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origins(Allowed);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Allowed {
    Loopback,
    Any,
    List(Vec<Entry>),
}

/// One entry of a list of origins.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Entry {
    /// Pages whose origin is `null`, such as files and sandboxed frames.
    Null,
    /// Pages of a scheme, of these hosts, and on these ports.
    Pages { scheme: String, hosts: Hosts, port: Port },
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Hosts {
    All,
    /// Hosts that end in this text, which begins with a dot.
    Beneath(String),
    One(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Port {
    Any,
    /// `None`: the scheme's own.
    One(Option<u16>),
}

/// A text that no page's origin can match.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{given}' {reason}")]
pub struct NotAnOrigin {
    given: String,
    reason: &'static str,
}

const SHAPE: &str = "is not an origin; one looks like https://app.example.com or https://*.example.com";

impl Origins {
    /// `localhost`, `127.0.0.0/8` and `[::1]`, any scheme and port.
    pub const fn loopback() -> Self {
        Self(Allowed::Loopback)
    }

    /// Reads a comma-separated list; `*`, which stands alone, allows every page.
    ///
    /// An entry is an origin, `null`, or an origin with a star: `https://*.example.com` is every host beneath that name but
    /// not the name itself, `https://*` every host, and `:*` every port. Without a port it is the scheme's own.
    pub fn parse(list: &str) -> Result<Self, NotAnOrigin> {
        let entries: Vec<&str> = list.split(',').map(str::trim).filter(|entry| !entry.is_empty()).collect();
        let read: Vec<Entry> = entries
            .iter()
            .filter(|entry| **entry != "*")
            .map(|entry| {
                Entry::parse(entry)
                    .map_err(|reason| NotAnOrigin { given: entry.escape_debug().to_string(), reason })
            })
            .collect::<Result<_, _>>()?;
        let has_any = entries.contains(&"*");
        if has_any && !read.is_empty() {
            // `*` would allow every page, and a list that names pages cannot mean that.
            let reason =
                "allows every page, and so cannot stand beside others; give it alone, or leave it out";
            return Err(NotAnOrigin { given: "*".to_owned(), reason });
        }
        Ok(Self(if has_any { Allowed::Any } else { Allowed::List(read) }))
    }

    /// Whether a page of this origin, as a browser sends it, may connect.
    pub fn allow(&self, origin: &str) -> bool {
        match &self.0 {
            Allowed::Any => true,
            Allowed::List(list) => match Entry::parse(origin) {
                Ok(page) => list.iter().any(|entry| entry.covers(&page)),
                Err(_) => false,
            },
            Allowed::Loopback => Url::parse(origin).is_ok_and(|url| match url.host() {
                Some(Host::Domain(name)) => name == "localhost",
                Some(Host::Ipv4(ip)) => ip.is_loopback(),
                Some(Host::Ipv6(ip)) => IpAddr::V6(ip).is_loopback(),
                None => false,
            }),
        }
    }

    /// The list, for people.
    pub fn describe(&self) -> String {
        match &self.0 {
            Allowed::Loopback => "loopback pages".to_owned(),
            Allowed::Any => "any page".to_owned(),
            Allowed::List(list) => list.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        }
    }
}

impl Entry {
    fn parse(text: &str) -> Result<Self, &'static str> {
        if text.eq_ignore_ascii_case("null") {
            return Ok(Self::Null);
        }
        let (scheme, authority) = text.split_once("://").ok_or(SHAPE)?;
        let scheme = scheme.to_ascii_lowercase();
        // A slash at the end is no path.
        let authority = authority.strip_suffix('/').unwrap_or(authority);
        if authority.contains(['/', '?', '#', '\\']) {
            return Err("has a path, and an origin is scheme, host and port alone");
        }
        if authority.contains('@') {
            return Err("has a user's name, and an origin is scheme, host and port alone");
        }
        if matches!(scheme.as_str(), "ws" | "wss") {
            return Err("is the address of a socket; the origin of a page is http:// or https://");
        }
        let (authority, port) = match authority.strip_suffix(":*") {
            Some(authority) => (authority, Some(Port::Any)),
            None => (authority, None),
        };
        if scheme == "file" {
            let pages = Self::Pages { scheme, hosts: Hosts::One(String::new()), port: Port::One(None) };
            return if authority.is_empty() { Ok(pages) } else { Err("has a host, and files have none") };
        }
        let url = Url::parse(&format!("{scheme}://{authority}")).map_err(|_| SHAPE)?;
        // An app's own scheme leaves its host as it is written.
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or(SHAPE)?.to_ascii_lowercase();
        let hosts = match host.strip_prefix('*') {
            Some("") => Hosts::All,
            Some(rest) if rest.starts_with('.') && rest.len() > 1 && !rest.contains('*') => {
                Hosts::Beneath(rest.to_owned())
            }
            None if !host.contains('*') => Hosts::One(host),
            _ => return Err("has its star elsewhere than as the first label, as in https://*.example.com"),
        };
        Ok(Self::Pages { scheme, hosts, port: port.unwrap_or(Port::One(url.port())) })
    }

    /// Whether a page's origin is among what is named.
    fn covers(&self, page: &Self) -> bool {
        match (self, page) {
            (Self::Null, Self::Null) => true,
            (
                Self::Pages { scheme, hosts, port },
                Self::Pages { scheme: page_scheme, hosts: Hosts::One(host), port: page_port },
            ) => {
                let is_host = match hosts {
                    Hosts::All => true,
                    Hosts::Beneath(end) => host.len() > end.len() && host.ends_with(end.as_str()),
                    Hosts::One(one) => one == host,
                };
                scheme == page_scheme && is_host && (*port == Port::Any || port == page_port)
            }
            // No browser sends a star.
            _ => false,
        }
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Pages { scheme, hosts, port } = self else { return f.write_str("null") };
        write!(f, "{scheme}://")?;
        match hosts {
            Hosts::All => f.write_str("*")?,
            Hosts::Beneath(end) => write!(f, "*{end}")?,
            Hosts::One(host) => f.write_str(host)?,
        }
        match port {
            Port::Any => f.write_str(":*"),
            Port::One(Some(port)) => write!(f, ":{port}"),
            Port::One(None) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(list: &str, origin: &str) -> bool {
        Origins::parse(list).unwrap().allow(origin)
    }

    #[test]
    fn loopback_pages_of_any_port_pass_by_default() {
        let origins = Origins::loopback();
        for good in ["http://localhost:3000", "https://127.0.0.1", "http://[::1]:8080", "http://127.1.2.3"] {
            assert!(origins.allow(good), "{good}");
        }
        for bad in ["http://localhost.evil.example", "https://example.com", "null", "", "http://128.0.0.1"] {
            assert!(!origins.allow(bad), "{bad}");
        }
    }

    #[test]
    fn a_list_allows_what_stands_on_it_and_nothing_else() {
        let list = "http://localhost:3000, https://app.example.com:443";
        assert!(allows(list, "http://localhost:3000") && allows(list, "https://app.example.com"));
        for bad in
            ["http://localhost:3001", "http://app.example.com", "https://app.example.com:444", "null", ""]
        {
            assert!(!allows(list, bad), "{bad}");
        }
        assert!(allows("*", "https://anything.example") && allows("*, *", "null"));
        assert!(!allows("", "https://anything.example"));
    }

    #[test]
    fn a_star_is_every_host_beneath_a_name_and_never_another_name() {
        for good in ["https://a.example.com", "https://a.b.example.com", "https://A.Example.COM"] {
            assert!(allows("https://*.example.com", good), "{good}");
        }
        for bad in [
            "https://example.com",
            "https://evil-example.com",
            "https://example.com.evil.org",
            "https://.example.com",
            "http://a.example.com",
            "https://a.example.com:8443",
            "https://a.example.com/",
            "https://*.example.com",
            "https://evil.org/.example.com",
            "https://evil.org#.example.com",
            "https://evil.org\\.example.com",
            "https://a.example.com@evil.org",
            "a.example.com",
        ] {
            let is_slash = bad == "https://a.example.com/";
            assert_eq!(allows("https://*.example.com", bad), is_slash, "{bad}");
        }
        assert!(allows("https://*.example.com:8443", "https://a.example.com:8443"));
        assert!(!allows("https://*.example.com:8443", "https://a.example.com"));
        assert!(allows("https://*.example.com:*", "https://a.example.com:9"));
        assert!(allows("http://localhost:*", "http://localhost:5173"));
        assert!(allows("https://*", "https://anything.example") && !allows("https://*", "http://a.example"));
        assert!(!allows("https://*", "null") && !allows("https://*", "https://a.example:1"));
    }

    #[test]
    fn an_origin_may_be_written_in_more_than_one_way() {
        for (list, origin) in [
            ("https://a.example/", "https://a.example"),
            ("https://a.example:443/", "https://a.example"),
            ("http://a.example:80", "http://a.example"),
            ("HTTPS://A.Example", "https://a.example"),
            ("https://bücher.example", "https://xn--bcher-kva.example"),
            ("https://*.bücher.example", "https://a.xn--bcher-kva.example"),
            ("https://xn--bcher-kva.example", "https://xn--bcher-kva.example"),
            ("null", "null"),
            ("NULL", "null"),
            ("capacitor://localhost", "capacitor://localhost"),
            ("tauri://localhost/", "tauri://localhost"),
            ("chrome-extension://abcdefghijklmnop", "chrome-extension://abcdefghijklmnop"),
            ("app://-", "app://-"),
            ("file://", "file://"),
            ("file:///", "file://"),
            ("http://[::1]:80", "http://[::1]"),
        ] {
            assert!(allows(list, origin), "{list} {origin}");
        }
    }

    #[test]
    fn what_no_page_can_match_is_refused_with_a_word() {
        for (bad, why) in [
            ("example.com", "looks like https://"),
            ("localhost:3000", "looks like https://"),
            ("https://", "looks like https://"),
            ("https://a.example/app", "has a path"),
            ("https://a.example?x", "has a path"),
            ("https://me@a.example", "a user's name"),
            ("wss://a.example", "the address of a socket"),
            ("https://*example.com", "has its star elsewhere"),
            ("https://a.*.example.com", "has its star elsewhere"),
            ("https://*.*.example.com", "has its star elsewhere"),
            ("https://a.example:99999", "looks like https://"),
            ("file://host", "files have none"),
            ("https://a b", "looks like https://"),
            ("*.example.com", "looks like https://"),
            ("https://good.example,example.com", "'example.com' is not"),
            ("https://good.example,*", "'*' allows every page"),
            ("*,null", "'*' allows every page"),
        ] {
            let error = Origins::parse(bad).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn a_list_is_told_as_it_is_read() {
        let list = "https://A.example:443/, https://*.b.example:*, https://*, null, capacitor://localhost, file://, http://c:81";
        let told = Origins::parse(list).unwrap().describe();
        assert_eq!(
            told,
            "https://a.example, https://*.b.example:*, https://*, null, capacitor://localhost, file://, http://c:81"
        );
        assert_eq!(Origins::parse(&told), Origins::parse(list));
    }
}
