//! `serve -- CMD…`: a relay that runs as long as a command.

use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::Signal;
use tokio::process::Command;

use crate::child::{self, CaughtSignals, Passing};
use crate::cli::dialect_files::{DIALECT_FILES, dialect_files};
use crate::dialect::Dialects;
use crate::exit::{Exit, Failure};
use crate::relay::Relay;
use crate::wire::redis::redis_environment;

/// Longest time until events can come. After it the command is not started.
const READY_WITHIN: Duration = Duration::from_secs(10);

/// The user's command, with changes to its environment.
#[derive(Debug)]
pub(super) struct ServedCommand<'a> {
    /// The program and its arguments; at least the program.
    words: &'a [OsString],
    /// Variables to set, or to remove where the value is `None`.
    environment: Vec<(&'static str, Option<OsString>)>,
}

impl<'a> ServedCommand<'a> {
    /// Makes a command that finds the relay at `address` and its publish key in the environment.
    pub(super) fn new(words: &'a [OsString], address: SocketAddr, publish_key: &str) -> Self {
        let server = format!("ws://{}", reachable(address));
        let mut command = Self { words, environment: Vec::new() };
        command.set("JOBWIRE_SERVER", server);
        command.set("JOBWIRE_PUBLISH_KEY", publish_key);
        command
    }

    /// Sets another variable of the command.
    pub(super) fn set(&mut self, name: &'static str, value: impl Into<OsString>) {
        self.environment.push((name, Some(value.into())));
    }

    /// Sets the relay's Redis, and whether events are appended to streams. Where only some dialects use streams, the variable
    /// cannot tell which. The command then gets no Redis and sends its events through the relay.
    pub(super) fn set_redis(&mut self, url: &str, dialects: &Dialects) {
        let published = || dialects.iter().filter(|(_, dialect)| dialect.publisher.is_none());
        let streamed = published().filter(|(_, dialect)| dialect.streams).count();
        if streamed == 0 || streamed == published().count() {
            self.environment.extend(redis_environment(url));
            self.set("JOBWIRE_DURABLE", (streamed > 0).to_string());
        } else {
            self.environment.extend([("JOBWIRE_REDIS", None), ("JOBWIRE_DURABLE", None)]);
        }
    }

    /// Sets the dialect files, where the environment can hold them.
    pub(super) fn set_dialect_files(&mut self, files: &[PathBuf]) {
        if let Some(files) = dialect_files(files) {
            self.set(DIALECT_FILES, files);
        }
    }

    /// Starts the command once the relay is ready, passes signals on, and returns the command's exit code.
    ///
    /// # Errors
    /// The relay is not ready in time, the command cannot be started, or the relay fails while the command runs.
    pub(super) async fn run(&self, relay: &Relay, signals: &mut CaughtSignals) -> Result<Exit> {
        if let Some(exit) = until_ready(relay, signals).await? {
            return Ok(exit);
        }
        let (program, arguments) = self.words.split_first().context("there is no command")?;
        let mut command = Command::new(program);
        command.args(arguments);
        for (name, value) in &self.environment {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        let mut child = child::start(&mut command)?;
        let mut passing = Passing::new(true);
        let thread = tokio::select! {
            status = child::wait(&mut child, signals, &mut passing) => {
                let status = status.context("could not learn how the command ended")?;
                return Ok(child::exit(status, passing.is_interrupted()));
            }
            thread = relay.failed() => thread,
        };
        child::send(child.id(), Signal::TERM);
        // The command's own ending does not matter after a failure of the relay.
        let _ = child::wait(&mut child, signals, &mut passing).await;
        Err(failed(&thread).into())
    }
}

/// Failure for a relay whose thread has failed.
pub(super) fn failed(thread: &str) -> Failure {
    let message = format!("the relay's thread {thread} failed; this is a bug, and its log line says where");
    Failure::new(Exit::Failure, message)
}

/// Waits until the relay is ready. Returns an exit code where a signal asked for the end first.
async fn until_ready(relay: &Relay, signals: &mut CaughtSignals) -> Result<Option<Exit>> {
    let late = tokio::time::sleep(READY_WITHIN);
    tokio::select! {
        // A relay that is already ready must win over the other branches.
        biased;
        () = relay.ready() => Ok(None),
        exit = ending(signals) => Ok(Some(exit)),
        () = late => {
            let Some(trouble) = relay.trouble() else { return Ok(None) };
            let seconds = READY_WITHIN.as_secs();
            let message = format!("the command was not started: no events can come after {seconds} s: {trouble}");
            Err(Failure::new(Exit::Unreachable, message).into())
        }
    }
}

/// Exit code for the next signal that ends a process. Other signals are dropped.
pub(super) async fn ending(signals: &mut CaughtSignals) -> Exit {
    loop {
        match signals.next().await.signal {
            Signal::INT => return Exit::Interrupted,
            Signal::TERM => return Exit::Terminated,
            signal @ (Signal::HUP | Signal::QUIT) => {
                return Exit::Command(u8::try_from(128 + signal.as_raw()).unwrap_or(u8::MAX));
            }
            _ => {}
        }
    }
}

/// Address that reaches the listener from this machine.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_on_all_addresses_is_reached_by_the_loopback_one() {
        for (listener, reached) in [
            ("0.0.0.0:8000", "127.0.0.1:8000"),
            ("[::]:8000", "[::1]:8000"),
            ("127.0.0.1:1", "127.0.0.1:1"),
            ("10.0.0.7:80", "10.0.0.7:80"),
        ] {
            assert_eq!(reachable(listener.parse().unwrap()), reached.parse().unwrap());
        }
    }

    #[test]
    fn a_command_appends_to_streams_where_its_relay_reads_them() {
        let words = [OsString::from("true")];
        let set = |streams: &[&str]| {
            let dialects = Dialects::builtin().with_streams(streams).unwrap();
            let mut command = ServedCommand::new(&words, "127.0.0.1:1".parse().unwrap(), "key");
            command.set_redis("redis://r", &dialects);
            let value = |name: &str| {
                let (_, value) = command.environment.iter().rfind(|(known, _)| *known == name).unwrap();
                value.clone().map(|value| value.into_string().unwrap())
            };
            (value("JOBWIRE_REDIS"), value("JOBWIRE_DURABLE"))
        };
        let some = |redis: &str, durable: &str| (Some(redis.to_owned()), Some(durable.to_owned()));
        assert_eq!(set(&[]), some("redis://r", "false"));
        assert_eq!(set(&["downloads", "scraping", "channels", "jobs", "tasks"]), some("redis://r", "true"));
        assert_eq!(set(&["scraping"]), (None, None));
    }

    #[test]
    fn a_command_gets_no_other_settings_of_redis_than_those_in_the_url() {
        let words = [OsString::from("true")];
        let mut command = ServedCommand::new(&words, "127.0.0.1:1".parse().unwrap(), "key");
        command.set_redis("rediss://r?ssl_ca_certs=new", &Dialects::builtin());
        for name in ["JOBWIRE_REDIS_CA", "JOBWIRE_REDIS_INSECURE", "JOBWIRE_REDIS_SENTINEL_PASSWORD"] {
            assert!(command.environment.contains(&(name, None)), "{name}");
        }
    }
}
