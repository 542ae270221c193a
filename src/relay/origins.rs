//! Which web pages may connect.

use std::net::IpAddr;

use url::{Host, Url};

/// The origins that are allowed: those on a list, or the loopback ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origins(Allowed);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Allowed {
    Loopback,
    Any,
    List(Vec<String>),
}

/// A text that is no origin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{0}' is not an origin; one looks like https://app.example.com, with neither path nor slash at its end"
)]
pub struct NotAnOrigin(String);

impl Origins {
    /// `localhost`, `127.0.0.0/8` and `[::1]`, any scheme and port.
    pub const fn loopback() -> Self {
        Self(Allowed::Loopback)
    }

    /// Reads a comma-separated list; `*` allows every page.
    pub fn parse(list: &str) -> Result<Self, NotAnOrigin> {
        let entries: Vec<&str> = list.split(',').map(str::trim).filter(|entry| !entry.is_empty()).collect();
        if entries.contains(&"*") {
            return Ok(Self(Allowed::Any));
        }
        let origins =
            entries.iter().map(|entry| normal(entry).ok_or_else(|| NotAnOrigin((*entry).to_owned())));
        Ok(Self(Allowed::List(origins.collect::<Result<_, _>>()?)))
    }

    /// Whether a page of this origin, as a browser sends it, may connect.
    pub fn allow(&self, origin: &str) -> bool {
        match &self.0 {
            Allowed::Any => true,
            Allowed::List(list) => normal(origin).is_some_and(|origin| list.contains(&origin)),
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
            Allowed::List(list) => list.join(", "),
        }
    }
}

/// Scheme, host and port, the port only where it is not the scheme's own.
fn normal(origin: &str) -> Option<String> {
    let url = Url::parse(origin).ok()?;
    let bare = matches!(url.path(), "" | "/")
        && !origin.ends_with('/')
        && url.query().is_none()
        && url.fragment().is_none();
    let host = url.host_str().filter(|_| bare && url.username().is_empty())?;
    // Not `Url::origin`, which knows no origin of an app's own scheme.
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    Some(format!("{}://{host}{port}", url.scheme()))
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let origins = Origins::parse("http://localhost:3000, https://app.example.com:443").unwrap();
        assert!(origins.allow("http://localhost:3000"));
        assert!(origins.allow("https://app.example.com"));
        assert!(!origins.allow("http://localhost:3001"));
        assert!(!origins.allow("http://app.example.com"));
        assert!(Origins::parse("capacitor://localhost").unwrap().allow("capacitor://localhost"));
        assert!(Origins::parse("*").unwrap().allow("https://anything.example"));
        assert!(Origins::parse("example.com").is_err());
        assert!(Origins::parse("https://a.example/").is_err());
    }
}
