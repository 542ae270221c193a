//! Environment by which another jobwire finds the same Redis.

use std::ffi::OsString;

/// Variables of settings that a complete URL contains.
const FOLDED: [&str; 5] = [
    "JOBWIRE_REDIS_CA",
    "JOBWIRE_REDIS_CERT",
    "JOBWIRE_REDIS_KEY",
    "JOBWIRE_REDIS_INSECURE",
    "JOBWIRE_REDIS_SENTINEL_PASSWORD",
];

/// Variables to set, or to remove where the value is `None`, so that a jobwire that this one starts uses the Redis at a
/// complete URL. Inherited variables of its settings would overrule the URL and are removed.
pub(crate) fn redis_environment(url: &str) -> impl Iterator<Item = (&'static str, Option<OsString>)> {
    std::iter::once(("JOBWIRE_REDIS", Some(url.into()))).chain(FOLDED.map(|name| (name, None)))
}
