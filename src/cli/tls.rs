//! TLS flags that several verbs share.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::{PathBuf, absolute};

use clap::{Args, ValueHint};

use crate::broker::RedisBroker;
use crate::exit::Failure;
use crate::net::tls::{Tls, TlsFiles};
use crate::wire::redis::{Endpoint, RedisUrlError, Topology, with_parameters};

/// A warning for whoever turns the checks off.
const INSECURE: &str =
    "certificates are not checked (--insecure): whoever answers is trusted, with tokens and passwords too";

/// Flags of whoever connects to a relay or another server.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct ServerTls {
    /// Trust the certificates in this PEM file rather than the system's, at wss:// and https://; a copy of a server's own
    /// self-signed one does.
    #[arg(long, value_name = "FILE", env = "JOBWIRE_CA", value_hint = ValueHint::FilePath)]
    ca: Option<PathBuf>,

    /// Trust whoever answers at wss:// and https://, whatever the certificate.
    #[arg(long, env = "JOBWIRE_INSECURE")]
    insecure: bool,
}

impl ServerTls {
    fn files(&self) -> TlsFiles {
        TlsFiles { ca: self.ca.clone(), insecure: self.insecure, ..TlsFiles::default() }
    }

    /// TLS settings without a warning; `None` where the file cannot be read.
    pub(super) fn quiet(&self) -> Option<Tls> {
        Tls::new(&self.files()).ok()
    }

    /// Reads the file. Whoever turns the checks off is warned.
    pub(super) fn tls(&self) -> Result<Tls, Failure> {
        let tls = Tls::new(&self.files()).map_err(|error| Failure::usage(format!("--ca: {error}")))?;
        if tls.is_insecure() {
            warn(INSECURE);
        }
        Ok(tls)
    }

    /// Environment variables with these settings. Paths are absolute, since the program may run in another folder.
    pub(super) fn environment(&self) -> Vec<(&'static str, OsString)> {
        let ca =
            self.ca.as_ref().map(|path| absolute(path).unwrap_or_else(|_| path.clone()).into_os_string());
        let insecure = self.insecure.then(|| "true".into());
        let variables = [("JOBWIRE_CA", ca), ("JOBWIRE_INSECURE", insecure)];
        variables.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }
}

/// Flags of whoever connects to a Redis.
#[derive(Debug, Clone, Default, Args)]
#[expect(clippy::struct_field_names, reason = "the flags are called by these names")]
pub(super) struct RedisTls {
    /// Trust the certificates in this PEM file rather than the system's, at rediss://; a copy of a server's own self-signed
    /// one does.
    #[arg(long, value_name = "FILE", env = "JOBWIRE_REDIS_CA", value_hint = ValueHint::FilePath)]
    redis_ca: Option<PathBuf>,

    /// The certificate to show to Redis, with those that lead from it to an authority, as PEM.
    #[arg(long, value_name = "FILE", env = "JOBWIRE_REDIS_CERT", value_hint = ValueHint::FilePath)]
    redis_cert: Option<PathBuf>,

    /// The private key of that certificate, as PEM.
    #[arg(long, value_name = "FILE", env = "JOBWIRE_REDIS_KEY", value_hint = ValueHint::FilePath)]
    redis_key: Option<PathBuf>,

    /// Trust whoever answers at rediss://, whatever the certificate; ?ssl_cert_reqs=none in the URL does so too.
    #[arg(long, env = "JOBWIRE_REDIS_INSECURE")]
    redis_insecure: bool,

    /// The password of the sentinels of redis+sentinel://, where they want one; it is not Redis' own.
    #[arg(long, value_name = "PASSWORD", env = "JOBWIRE_REDIS_SENTINEL_PASSWORD", hide_env_values = true)]
    redis_sentinel_password: Option<String>,
}

impl RedisTls {
    /// The URL with the flags in it, as parameters that every connection to Redis reads. What the user should know is
    /// printed.
    pub(super) fn complete(&self, url: Option<String>) -> Result<Option<String>, Failure> {
        let Some(url) = url else { return Ok(None) };
        let url = self.with_flags(url)?;
        let broker = RedisBroker::new(&url).map_err(|error| Failure::usage(format!("--redis: {error}")))?;
        for warning in broker.warnings() {
            warn(&warning);
        }
        Ok(Some(url))
    }

    fn with_flags(&self, text: String) -> Result<String, Failure> {
        let files = [
            ("redis-ca", "ssl_ca_certs", &self.redis_ca),
            ("redis-cert", "ssl_certfile", &self.redis_cert),
            ("redis-key", "ssl_keyfile", &self.redis_key),
        ];
        let mut given = Vec::new();
        for (flag, parameter, path) in files {
            let Some(path) = path else { continue };
            let path = path.to_str();
            let path = path.ok_or_else(|| Failure::usage(format!("--{flag}: the path is not UTF-8")))?;
            given.push((flag, parameter, path));
        }
        if self.redis_insecure {
            given.push(("redis-insecure", "ssl_cert_reqs", "none"));
        }
        let password = self.redis_sentinel_password.as_deref().filter(|password| !password.is_empty());
        if given.is_empty() && password.is_none() {
            return Ok(text);
        }
        // The value's parser has accepted it.
        let usage = |error: RedisUrlError| Failure::usage(format!("--redis: {error}"));
        let endpoint = Endpoint::parse(&text).map_err(usage)?;
        if let Some((flag, ..)) = given.first()
            && !endpoint.is_secure()
        {
            let message = format!("--{flag} is for a Redis with TLS, and --redis names one without");
            return Err(Failure::usage(message).hint("its URL begins with rediss://"));
        }
        if let Some(password) = password {
            if !matches!(endpoint.servers, Topology::Sentinel(_)) {
                let message = "--redis-sentinel-password is for sentinels, and --redis names none";
                return Err(Failure::usage(message).hint(
                    "its URL begins with redis+sentinel://, and the password of Redis itself stands in it",
                ));
            }
            given.push(("redis-sentinel-password", "sentinel_password", password));
        }
        let parameters: Vec<(&str, &str)> = given.iter().map(|(_, name, value)| (*name, *value)).collect();
        Ok(with_parameters(&text, &parameters))
    }
}

/// Prints a warning on stderr; that nobody reads it is no reason to end.
pub(super) fn warn(text: &str) {
    let _ = writeln!(anstream::stderr(), "warning: {text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_overrule_the_parameters_of_the_url() {
        let flags =
            RedisTls { redis_ca: Some("/etc/my ca.pem".into()), redis_insecure: true, ..RedisTls::default() };
        let url = |text: &str| flags.with_flags(text.to_owned());
        assert_eq!(
            url("rediss://u:p%40@h/2?ssl_cert_reqs=required&db=1&ssl_ca_certs=x").unwrap(),
            "rediss://u:p%40@h/2?db=1&ssl_ca_certs=%2Fetc%2Fmy+ca.pem&ssl_cert_reqs=none"
        );
        let error = url("redis://h").unwrap_err();
        assert!(error.message.starts_with("--redis-ca is for a Redis with TLS"), "{error}");
        assert!(error.hint.unwrap().contains("rediss://"));
        let text = "redis://h?x=1".to_owned();
        assert_eq!(RedisTls::default().with_flags(text.clone()).unwrap(), text);
    }

    #[test]
    fn the_password_of_sentinels_is_for_sentinels() {
        let flags = RedisTls { redis_sentinel_password: Some("p&w".to_owned()), ..RedisTls::default() };
        let url = |text: &str| flags.with_flags(text.to_owned());
        assert_eq!(url("redis+sentinel://h/m").unwrap(), "redis+sentinel://h/m?sentinel_password=p%26w");
        for text in ["redis://h", "redis+cluster://h"] {
            let error = url(text).unwrap_err();
            assert!(error.message.contains("names none") && error.hint.is_some(), "{error}");
        }
        let empty = RedisTls { redis_sentinel_password: Some(String::new()), ..RedisTls::default() };
        assert_eq!(empty.with_flags("redis://h".to_owned()).unwrap(), "redis://h");
    }
}
