//! A redis-server of the test's own.

use std::process::Command;

use redis::Commands;
use rustix::process::Signal;
use tempfile::TempDir;

use super::{PATIENCE, Process, free_port, wait_for};

/// A redis-server that can be stopped and started again on its port; it forgets everything when it stops.
#[derive(Debug)]
pub(crate) struct RedisServer {
    port: u16,
    dir: TempDir,
    options: Vec<String>,
    process: Option<Process>,
}

impl RedisServer {
    /// Starts one on a free port.
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts one with further options, such as `--requirepass`.
    pub(crate) fn start_with(options: &[&str]) -> Self {
        assert!(
            Command::new("redis-server").arg("--version").output().is_ok(),
            "these tests need redis-server: install it (Debian: apt-get install redis-server), or run scripts/test"
        );
        let options = options.iter().map(ToString::to_string).collect();
        let mut server = Self { port: free_port(), dir: TempDir::new().unwrap(), options, process: None };
        // Another process may take a free port first.
        while !server.try_restart() {
            server.port = free_port();
        }
        server
    }

    /// Kills it, as a crash would.
    pub(crate) fn stop(&mut self) {
        self.process = None;
    }

    /// Stops it from answering, as a machine that hangs would; its connections stay open.
    pub(crate) fn pause(&self) {
        self.process.as_ref().expect("it runs").signal(Signal::STOP);
    }

    /// Lets it go on.
    pub(crate) fn resume(&self) {
        self.process.as_ref().expect("it runs").signal(Signal::CONT);
    }

    /// Starts it again on the same port, stopping it first where it runs.
    pub(crate) fn restart(&mut self) {
        assert!(self.try_restart(), "port {} is no longer free", self.port);
    }

    fn try_restart(&mut self) -> bool {
        self.stop();
        let port = self.port.to_string();
        let mut command = Command::new("redis-server");
        command.args(["--port", &port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir"]);
        command.arg(self.dir.path()).args(&self.options);
        let mut process = Process::spawn(&mut command);
        let started = wait_for(PATIENCE, "redis-server to listen", || {
            let listens = process.stdout().contains("eady to accept connections");
            (listens || process.has_ended()).then_some(listens)
        });
        assert!(started || process.stdout().contains("Address already in use"), "{}", process.stdout());
        self.process = started.then_some(process);
        started
    }

    /// Its port on 127.0.0.1.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// `redis://127.0.0.1:PORT`.
    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// A connection for anything else.
    pub(crate) fn connection(&self) -> redis::Connection {
        redis::Client::open(self.url()).unwrap().get_connection().unwrap()
    }

    /// Waits until a replica has all that its master has.
    pub(crate) fn until_follows(&self) {
        let facts = || redis::cmd("INFO").arg("replication").query::<String>(&mut self.connection()).unwrap();
        super::until(PATIENCE, "the replica to follow", || facts().contains("master_link_status:up"));
    }

    /// Publishes; how many subscribers got it.
    pub(crate) fn publish(&self, channel: &str, payload: impl AsRef<[u8]>) -> u64 {
        self.connection().publish(channel, payload.as_ref()).unwrap()
    }
}

#[test]
fn a_redis_server_comes_back_on_its_port() {
    let mut server = RedisServer::start();
    assert_eq!(server.publish("nobody", "listens"), 0);
    let port = server.port();
    server.stop();
    server.restart();
    assert_eq!(server.port(), port);
    assert_eq!(server.publish("nobody", "listens"), 0);
}
