//! `serve -- CMD…`: a command that the relay runs for.

use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::Signal;
use tokio::process::Command;

use crate::child::{self, CaughtSignals, Passing};
use crate::exit::{Exit, Failure};
use crate::relay::Relay;

/// How long the relay may take to be subscribed before the command is given up.
const READY_WITHIN: Duration = Duration::from_secs(10);

/// What the user wants to be run, and what is added to its environment.
#[derive(Debug)]
pub(super) struct ServedCommand<'a> {
    /// The program and its arguments; at least the program.
    words: &'a [OsString],
    environment: Vec<(&'static str, OsString)>,
}

impl<'a> ServedCommand<'a> {
    /// The command, for which a relay at `address` with this publish key is there.
    pub(super) fn new(words: &'a [OsString], address: SocketAddr, publish_key: &str) -> Self {
        let server = format!("ws://{}", reachable(address));
        let environment =
            vec![("JOBWIRE_SERVER", server.into()), ("JOBWIRE_PUBLISH_KEY", publish_key.to_owned().into())];
        Self { words, environment }
    }

    /// Sets another variable of the command.
    pub(super) fn set(&mut self, name: &'static str, value: impl Into<OsString>) {
        self.environment.push((name, value.into()));
    }

    /// Sets the dialect files; a list of names one of which has a comma cannot be written.
    pub(super) fn set_dialect_files(&mut self, files: &[PathBuf]) {
        let absolute = files.iter().map(|file| std::path::absolute(file).unwrap_or_else(|_| file.clone()));
        let names: Vec<OsString> = absolute.map(PathBuf::into_os_string).collect();
        if !names.is_empty() && !names.iter().any(|name| name.as_encoded_bytes().contains(&b',')) {
            self.set("JOBWIRE_DIALECT_FILE", names.join(OsString::from(",").as_os_str()));
        }
    }

    /// Runs the command to its end, once the relay is ready, and gives the command's exit code. Signals are passed on.
    ///
    /// # Errors
    /// The relay is not ready in time; the command cannot be started; the relay fails meanwhile.
    pub(super) async fn run(&self, relay: &Relay, signals: &mut CaughtSignals) -> Result<Exit> {
        if let Some(exit) = until_ready(relay, signals).await? {
            return Ok(exit);
        }
        let (program, arguments) = self.words.split_first().context("there is no command")?;
        let mut command = Command::new(program);
        command.args(arguments).envs(self.environment.iter().map(|(name, value)| (name, value)));
        let mut child = child::start(&mut command)?;
        let mut passing = Passing::new(true);
        let thread = tokio::select! {
            status = child::wait(&mut child, signals, &mut passing) => {
                return Ok(child::exit(status.context("could not learn how the command ended")?));
            }
            thread = relay.failed() => thread,
        };
        child::send(child.id(), Signal::TERM);
        // It ends with the command, however that ends.
        let _ = child::wait(&mut child, signals, &mut passing).await;
        Err(failed(&thread).into())
    }
}

/// The failure of a relay one of whose threads failed.
pub(super) fn failed(thread: &str) -> Failure {
    let message = format!("the relay's thread {thread} failed; this is a bug, and its log line says where");
    Failure::new(Exit::Failure, message)
}

/// Waits for the relay. A signal that ends a process ends the wait, and gives the code to exit with.
async fn until_ready(relay: &Relay, signals: &mut CaughtSignals) -> Result<Option<Exit>> {
    let late = tokio::time::sleep(READY_WITHIN);
    tokio::select! {
        // What is ready already does not wait for its turn.
        biased;
        () = relay.ready() => Ok(None),
        exit = ending(signals) => Ok(Some(exit)),
        () = late => {
            let trouble = relay.trouble().unwrap_or_else(|| "the broker does not answer".to_owned());
            let seconds = READY_WITHIN.as_secs();
            let message = format!("the command was not started: no events can come after {seconds} s: {trouble}");
            Err(Failure::new(Exit::Unreachable, message).into())
        }
    }
}

/// The exit code for the next signal that ends a process; others are dropped.
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

/// The address under which a listener is reached from this machine.
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
    fn dialect_files_are_absolute_in_the_environment() {
        let words = [OsString::from("true")];
        let set = |files: &[&str]| {
            let mut command = ServedCommand::new(&words, "127.0.0.1:1".parse().unwrap(), "key");
            command.set_dialect_files(&files.iter().map(PathBuf::from).collect::<Vec<_>>());
            command.environment.pop().unwrap()
        };
        assert_eq!(set(&["/a.toml", "/b.toml"]), ("JOBWIRE_DIALECT_FILE", "/a.toml,/b.toml".into()));
        assert!(PathBuf::from(set(&["a.toml"]).1).is_absolute());
        for unset in [&[][..], &["/a,b.toml"]] {
            assert_eq!(set(unset).0, "JOBWIRE_PUBLISH_KEY");
        }
    }
}
