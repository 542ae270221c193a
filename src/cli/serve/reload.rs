//! SIGHUP: the configuration file is read again, and what a running relay can change is changed.

use anyhow::{Result, anyhow};
use tracing::{Level, enabled, error, info, warn};

use super::super::config::Effective;
use super::super::{Cli, Globals, Verb};
use super::{PublishKey, access};
use crate::relay::{Relay, Reloadable};

/// The keys whose new values are used at once; all others need a restart.
const RELOADABLE: [&str; 6] =
    ["allowed-origins", "publish-key", "jwt-secret", "jwt-key", "jwks", "log-level"];

/// What the relay runs with by now.
pub(super) struct Reloads<'a> {
    globals: &'a Globals,
    effective: Effective,
    key: PublishKey,
    port: u16,
    /// Nobody is asked for a token, whatever the file says by now.
    no_auth: bool,
}

/// A configuration that was read again, whole, and found good.
struct Reading {
    effective: Effective,
    settings: Reloadable,
    /// The new publish key, if it is another.
    key: Option<PublishKey>,
    log_level: String,
}

impl<'a> Reloads<'a> {
    /// The relay's first port is `port`, and its publish key `key`.
    pub(super) fn new(globals: &'a Globals, key: PublishKey, port: u16, no_auth: bool) -> Self {
        Self { globals, effective: globals.invocation.effective.clone(), key, port, no_auth }
    }

    /// Reads the file again and applies it; a file that is not good changes nothing.
    pub(super) fn reload(&mut self, relay: &Relay) {
        let file = self.effective.file().map(|file| file.display().to_string());
        match self.read() {
            Ok(reading) => self.apply(reading, relay, file.as_deref()),
            Err(error) => error!("the configuration stays as it was: {error:#}"),
        }
    }

    fn read(&self) -> Result<Reading> {
        let cli = super::super::read(self.globals.invocation.args.clone(), |_| ()).map_err(plain)?;
        let log_level = cli.log_level().to_owned();
        let Cli { verb: Verb::Serve(args), invocation, .. } = cli else {
            return Err(anyhow!("it is of another verb"));
        };
        let effective = invocation.effective;
        let is_other = self.effective.changed(&effective).contains(&"publish-key");
        let obtain = || PublishKey::obtain(args.publish_key.as_deref(), self.port);
        let key = is_other.then(obtain).transpose()?;
        let publish_key = key.as_ref().unwrap_or(&self.key).value.clone();
        Ok(Reading { effective, settings: args.reloadable(publish_key, self.no_auth)?, key, log_level })
    }

    fn apply(&mut self, reading: Reading, relay: &Relay, file: Option<&str>) {
        let Reading { effective, settings, key, log_level } = reading;
        let keys = access::keys(&settings.auth);
        relay.reload(settings);
        let (applied, restart): (Vec<&str>, Vec<&str>) =
            self.effective.changed(&effective).into_iter().partition(|key| RELOADABLE.contains(key));
        self.effective.adopt(&effective, &applied);
        if let Some(key) = key {
            self.key = key;
        }
        let report = || {
            if !keys.is_empty() {
                info!("read the keys for tokens again: {keys}");
            }
            let Some(file) = file else {
                warn!("SIGHUP: there is no configuration file to read again; name one with --config");
                return;
            };
            if applied.is_empty() {
                info!("read {file} again: nothing that could be reloaded has changed");
            }
            for key in &applied {
                info!("reloaded from {file}: {}", effective.shown(key));
            }
            if !restart.is_empty() {
                warn!("changed in {file}, but it needs a restart: {}", restart.join(", "));
            }
        };
        // Said in the more talkative of the two levels.
        let talkative = enabled!(Level::INFO);
        if talkative {
            report();
        }
        if let Err(error) = self.globals.log.set(&log_level) {
            error!("{error:#}");
        }
        if !talkative {
            report();
        }
    }
}

/// An error of the command line in one line, without the value at fault, which may be secret.
fn plain(error: anyhow::Error) -> anyhow::Error {
    match error.downcast::<clap::Error>() {
        Ok(usage) => anyhow!("the command line does not go with it: {}", usage.kind()),
        Err(error) => error,
    }
}
