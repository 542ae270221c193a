//! The query of a Redis URL.

use std::path::PathBuf;

use url::{Url, form_urlencoded};

use super::RedisUrlError;
use crate::dialect::nearest;
use crate::net::tls::TlsFiles;

/// Parameters of the URL that are read.
const KNOWN: [&str; 12] = [
    "db",
    "user",
    "username",
    "password",
    "pass",
    "replica",
    "sentinel_username",
    "sentinel_password",
    "ssl_cert_reqs",
    "ssl_ca_certs",
    "ssl_certfile",
    "ssl_keyfile",
];

/// The URL with these parameters, percent-encoded, in place of its own of the same names.
pub(crate) fn with_parameters(text: &str, given: &[(&str, &str)]) -> String {
    let (base, query) = text.trim().split_once('?').unwrap_or((text.trim(), ""));
    let is_overruled = |pair: &str| given.iter().any(|(name, _)| pair.split('=').next() == Some(name));
    let kept = query.split('&').filter(|pair| !pair.is_empty() && !is_overruled(pair));
    let given = given
        .iter()
        .map(|pair| form_urlencoded::Serializer::new(String::new()).extend_pairs([pair]).finish());
    let pairs: Vec<String> = kept.map(str::to_owned).chain(given).collect();
    if pairs.is_empty() { base.to_owned() } else { format!("{base}?{}", pairs.join("&")) }
}

/// The value of the first parameter that has one of these names.
pub(super) fn parameter(url: &Url, names: &[&str]) -> Option<String> {
    url.query_pairs().find(|(name, _)| names.contains(&name.as_ref())).map(|(_, value)| value.into_owned())
}

/// Files and checks as redis-py's parameters name them; Celery writes `CERT_NONE` for `none`.
pub(super) fn tls_files(url: &Url) -> Result<TlsFiles, RedisUrlError> {
    let insecure = match parameter(url, &["ssl_cert_reqs"]).map(|value| value.to_ascii_lowercase()).as_deref()
    {
        None | Some("" | "required" | "cert_required" | "optional" | "cert_optional") => false,
        Some("none" | "cert_none") => true,
        Some(_) => return Err(RedisUrlError::CertReqs),
    };
    let file = |name| parameter(url, &[name]).filter(|path| !path.is_empty()).map(PathBuf::from);
    Ok(TlsFiles { ca: file("ssl_ca_certs"), cert: file("ssl_certfile"), key: file("ssl_keyfile"), insecure })
}

/// Whether a replica will do.
pub(super) fn accepts_replica(url: &Url) -> Result<bool, RedisUrlError> {
    match parameter(url, &["replica"]).as_deref() {
        None => Ok(false),
        Some(value) if value.eq_ignore_ascii_case("ok") => Ok(true),
        Some(_) => Err(RedisUrlError::Replica),
    }
}

/// Warnings about parameters that do nothing. A name that may be a piece of a password is not repeated.
pub(super) fn ignored(url: &Url, tls: bool, sentinels: bool) -> Vec<String> {
    let is_name =
        |name: &str| name.len() <= 40 && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    let is_torn = url.query().is_some_and(|query| query.contains('@'));
    let mut all = Vec::new();
    for (name, _) in url.query_pairs() {
        let is_known = KNOWN.contains(&name.as_ref());
        let text = if is_known && is_torn {
            continue;
        } else if is_torn || !is_name(&name) {
            "the redis URL has a parameter that is not known here and does nothing; a ? in a password is written %3F"
                .to_owned()
        } else if is_known && name.starts_with("ssl_") && !tls {
            format!("the parameter {name} of the redis URL does nothing without TLS: rediss:// is with it")
        } else if is_known && name.starts_with("sentinel_") && !sentinels {
            format!(
                "the parameter {name} of the redis URL does nothing without sentinels: redis+sentinel:// is with them"
            )
        } else if is_known {
            continue;
        } else {
            let near = nearest(&name, KNOWN);
            let near = near.map(|near| format!("; did you mean '{near}'?")).unwrap_or_default();
            format!("the parameter '{name}' of the redis URL is not known here and does nothing{near}")
        };
        if !all.contains(&text) {
            all.push(text);
        }
    }
    all
}
