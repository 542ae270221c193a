//! Forms of values that several flags share.

use std::sync::Arc;

use url::Url;

use crate::broker::RedisBroker;
pub(super) use crate::dialect::duration;
use crate::dialect::{Auth, Dialect, Dialects, with_nearest};
use crate::exit::Failure;
use crate::relay::Origins;

/// Reads a switch of the environment or the file; empty is off, as if it were unset.
///
/// Any other text is refused: a slip that counted as one of the two could open what its author meant to keep shut.
pub(super) fn switch(text: &str) -> Result<bool, &'static str> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "true" | "yes" | "on" | "y" | "t" => Ok(true),
        "" | "0" | "false" | "no" | "off" | "n" | "f" => Ok(false),
        _ => Err("a switch is true or false, yes or no, on or off, 1 or 0"),
    }
}

/// The dialect of that name, for a list of jobs.
pub(super) fn dialect_of_jobs(
    name: Option<&str>,
    dialects: &Dialects,
) -> Result<Option<Arc<Dialect>>, Failure> {
    let Some(name) = name else { return Ok(None) };
    let dialect = dialects.require(name).map_err(|error| Failure::usage(error.to_string()))?;
    if let Some(channels) = &dialect.channels {
        let first = channels.names.first().map_or("NAME", |name| name);
        return Err(Failure::usage(format!(
            "--dialect {}: it has channels, which list no jobs",
            dialect.name
        ))
        .hint(format!("`jobwire attach channel:NAME` watches one of them, as in channel:{first}")));
    }
    Ok(Some(dialect))
}

/// `65536`, `64KiB`, `1MiB`, `2GiB`; also `64k` and `1m`.
pub(super) fn bytes(text: &str) -> Result<usize, String> {
    let error = || "a size is a number of bytes, or one with a unit, as in 64KiB or 1MiB".to_owned();
    let unit = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: usize = text[..unit].parse().map_err(|_| error())?;
    let shift = match text[unit..].to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kib" => 10,
        "m" | "mib" => 20,
        "g" | "gib" => 30,
        _ => return Err(error()),
    };
    number.checked_mul(1 << shift).ok_or_else(error)
}

/// A publish key: what an HTTP header can carry, and no blank that a file or a variable may have added to it. An empty one
/// opens nothing.
pub(super) fn publish_key(text: &str) -> Result<String, &'static str> {
    let is_printed = text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
    if is_printed && text.trim() == text {
        return Ok(text.to_owned());
    }
    Err("a key is of visible ASCII characters, with no newline in it and no blank around it")
}

/// A Redis URL; what is wrong with one is said without repeating it, since it may hold a password.
pub(super) fn redis_url(text: &str) -> Result<String, String> {
    RedisBroker::new(text).map(|_| text.to_owned()).map_err(|error| match without_scheme("redis", text) {
        Some(meant) => format!("a Redis URL has a scheme; did you mean --redis {meant}?"),
        None => error.to_string(),
    })
}

/// The URL that was meant by a host, with a port unless it is the machine itself, and no more than a path behind it. Of
/// nothing else, since that may be a password.
fn without_scheme(scheme: &str, text: &str) -> Option<String> {
    let (authority, _) = text.split_once('/').unwrap_or((text, ""));
    let (host, port) = authority.rsplit_once(':').unwrap_or((authority, ""));
    let is_plain = !text.contains(['@', '?', '#']) && !host.is_empty();
    let has_port = port.parse::<u16>().is_ok();
    let meant = format!("{scheme}://{text}");
    let is_meant = is_plain && (has_port || authority == "localhost") && Url::parse(&meant).is_ok();
    is_meant.then_some(meant)
}

/// Name of a BullMQ queue.
pub(super) fn queue_name(text: &str) -> Result<String, &'static str> {
    match text {
        "" => Err("a queue has a name"),
        name if name.contains(':') => {
            Err("a queue's name has no colon; what stands before one is BullMQ's prefix, --bullmq-prefix")
        }
        name => Ok(name.to_owned()),
    }
}

/// The origin of a web page, or `*`.
pub(super) fn origin(text: &str) -> Result<String, String> {
    Origins::parse(text).map(|_| text.to_owned()).map_err(|error| error.to_string())
}

/// The URL of a JSON Web Key Set. A user's name and a query in it are not repeated: they may be secrets.
pub(super) fn key_set(text: &str) -> Result<Url, String> {
    let error = || match without_scheme("https", text.trim()) {
        Some(meant) => format!("a key set is a URL; did you mean --jwks {meant}?"),
        None => {
            "a key set is an http or https URL, as in https://example.com/.well-known/jwks.json".to_owned()
        }
    };
    let mut url = Url::parse(text.trim()).map_err(|_| error())?;
    url.set_fragment(None);
    if matches!(url.scheme(), "http" | "https") && url.host().is_some() { Ok(url) } else { Err(error()) }
}

/// Parses the access rule of a dialect, `DIALECT=none|token|owner`.
pub(super) fn auth(text: &str) -> Result<(String, Auth), String> {
    let Some((name, who)) = text.split_once('=') else {
        return Err("it is DIALECT=none, DIALECT=token or DIALECT=owner, as in scraping=token".to_owned());
    };
    let who = match who.trim().to_ascii_lowercase().as_str() {
        "none" => Auth::None,
        "token" => Auth::Token,
        "owner" => Auth::Owner,
        other => {
            let message = format!("nobody is called '{}' here", other.escape_debug());
            return Err(with_nearest(&message, other, ["none", "token", "owner"]));
        }
    };
    Ok((name.trim().to_owned(), who))
}

/// The URL of a server, by one of four schemes.
pub(super) fn server(text: &str) -> Result<Url, String> {
    let error = || match without_scheme("ws", text) {
        Some(meant) => format!("a server is a URL; did you mean --server {meant}?"),
        None => "a server is a URL, as in ws://127.0.0.1:8000 or https://example.com".to_owned(),
    };
    let url = Url::parse(text).map_err(|_| error())?;
    if matches!(url.scheme(), "ws" | "wss" | "http" | "https") { Ok(url) } else { Err(error()) }
}

/// The URL that events are posted to; a user's name in it is not repeated.
pub(super) fn publish_url(text: &str) -> Result<Url, String> {
    let error = || match without_scheme("http", text) {
        Some(meant) => format!("events are posted to a URL; did you mean --publish-url {meant}?"),
        None => "events are posted to a URL, as in http://127.0.0.1:8000/publish/{channel}".to_owned(),
    };
    let url = Url::parse(text).map_err(|_| error())?;
    if matches!(url.scheme(), "http" | "https" | "ws" | "wss") { Ok(url) } else { Err(error()) }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_server_is_a_url_of_four_schemes() {
        for good in ["ws://h", "wss://h:1", "http://h/prefix", "https://h"] {
            assert!(server(good).is_ok(), "{good}");
        }
        for bad in ["localhost:8000", "redis://h", "h", ""] {
            assert!(server(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_host_without_a_scheme_is_answered_with_the_url_and_a_password_is_not_repeated() {
        for (text, meant) in [
            ("127.0.0.1:8000", "--server ws://127.0.0.1:8000?"),
            ("localhost:8000", "--server ws://localhost:8000?"),
            ("localhost", "--server ws://localhost?"),
            ("relay.example.com:80/prefix", "--server ws://relay.example.com:80/prefix?"),
        ] {
            assert!(server(text).unwrap_err().ends_with(meant), "{text}");
        }
        assert!(
            publish_url("localhost:8000/publish/{channel}")
                .unwrap_err()
                .ends_with("did you mean --publish-url http://localhost:8000/publish/{channel}?")
        );
        assert!(
            key_set("keys.example.com:443/jwks.json")
                .unwrap_err()
                .ends_with("did you mean --jwks https://keys.example.com:443/jwks.json?")
        );
        for secret in ["me:hunter2@h:1/{channel}", "hunter2", "gopher://me:hunter2@h"] {
            assert!(!publish_url(secret).unwrap_err().contains("hunter2"), "{secret}");
            assert!(!key_set(secret).unwrap_err().contains("hunter2"), "{secret}");
        }
        let redis = |text| redis_url(text).unwrap_err();
        assert!(redis("localhost:6379").ends_with("did you mean --redis redis://localhost:6379?"));
        assert!(redis("[::1]:6379/2").ends_with("did you mean --redis redis://[::1]:6379/2?"));
        for secret in ["hunter2", "hunter2@h:1", "u:hunter2@h:1", "h:hunter2", "http://hunter2:1", ":1"] {
            assert!(
                !redis(secret).contains("did you mean") && !redis(secret).contains("hunter2"),
                "{secret}"
            );
        }
    }

    #[test]
    fn a_switch_takes_the_usual_words_and_nothing_else() {
        for on in ["1", "true", "True", "YES", "on", "y", "T"] {
            assert_eq!(switch(on), Ok(true), "{on}");
        }
        for off in ["", "0", "false", "FALSE", "No", "off", "n", "F"] {
            assert_eq!(switch(off), Ok(false), "{off}");
        }
        for slip in
            ["disabled", "enabled", "2", "-1", "00", "1.0", "none", "null", "true ", " ", "yess", "\u{ff11}"]
        {
            assert!(switch(slip).is_err(), "{slip:?}");
        }
    }

    #[test]
    fn durations_and_sizes_have_units() {
        assert_eq!(duration("30"), Ok(Duration::from_secs(30)));
        assert_eq!(duration("1.5s"), Ok(Duration::from_millis(1500)));
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("2h"), Ok(Duration::from_hours(2)));
        assert_eq!(duration("2d"), Ok(Duration::from_hours(48)));
        for bad in ["", "s", "-1s", "1 s", "1w", "1e99h", "."] {
            assert!(duration(bad).is_err(), "{bad:?}");
        }
        assert_eq!(bytes("64KiB"), Ok(65536));
        assert_eq!(bytes("1m"), Ok(1 << 20));
        for bad in ["", "KiB", "1.5m", "99999999999999999999", "99999999999GiB"] {
            assert!(bytes(bad).is_err(), "{bad:?}");
        }
    }
}
