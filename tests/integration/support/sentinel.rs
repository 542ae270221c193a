//! A master with a replica, and three sentinels that watch them.

use std::process::Command;

use rustix::process::Signal;
use tempfile::TempDir;

use super::{PATIENCE, Process, RedisServer, free_port, until, wait_for};

/// The name of the master.
pub(crate) const MASTER: &str = "orders";

/// A master, its replica and sentinels that notice its death after one second.
#[derive(Debug)]
pub(crate) struct Sentinels {
    pub(crate) servers: [RedisServer; 2],
    sentinels: Vec<Sentinel>,
}

#[derive(Debug)]
struct Sentinel {
    port: u16,
    _dir: TempDir,
    process: Option<Process>,
}

impl Sentinels {
    /// Starts everything, and waits until a failover can succeed.
    pub(crate) fn start() -> Self {
        let all = Self::start_with(&[]);
        until(PATIENCE * 2, "the sentinels to know each other", || {
            all.sentinels.iter().all(|sentinel| {
                let facts: Vec<String> = sentinel.ask(&["MASTER", MASTER]);
                let fact = |name| facts.chunks(2).find(|pair| pair[0] == name).map(|pair| pair[1].clone());
                let known = (fact("num-slaves"), fact("num-other-sentinels"), fact("flags"));
                known == (Some("1".into()), Some("2".into()), Some("master".into()))
            })
        });
        all.servers[1].until_follows();
        all
    }

    /// Starts everything, with further lines in the sentinels' configuration, and waits for nothing.
    pub(crate) fn start_with(lines: &[&str]) -> Self {
        let quick = ["--repl-diskless-sync-delay", "0"];
        let master = RedisServer::start_with(&quick);
        let port = master.port().to_string();
        let replica = RedisServer::start_with(&[&quick[..], &["--replicaof", "127.0.0.1", &port]].concat());
        let sentinels = (0..3).map(|_| Sentinel::start(master.port(), lines)).collect();
        Self { servers: [master, replica], sentinels }
    }

    /// The URL of the master behind them.
    pub(crate) fn url(&self) -> String {
        self.url_of(MASTER)
    }

    /// The URL of a master of this name.
    pub(crate) fn url_of(&self, master: &str) -> String {
        let hosts: Vec<_> = self.sentinels.iter().map(|one| format!("127.0.0.1:{}", one.port)).collect();
        format!("redis+sentinel://{}/{master}", hosts.join(","))
    }

    /// Ports of the sentinels.
    pub(crate) fn ports(&self) -> Vec<u16> {
        self.sentinels.iter().map(|sentinel| sentinel.port).collect()
    }

    /// Kills one.
    pub(crate) fn kill(&mut self, index: usize) {
        self.sentinels[index].process = None;
    }

    /// Stops one from answering, its connections left open.
    pub(crate) fn pause(&self, index: usize) {
        self.sentinels[index].process.as_ref().unwrap().signal(Signal::STOP);
    }

    /// Starts a failover, as somebody does who takes the master's machine out of service.
    pub(crate) fn fail_over(&self) {
        let _: redis::Value = self.sentinels[2].ask(&["FAILOVER", MASTER]);
    }

    /// Waits until a sentinel names another master than this port, and gives the new one's.
    pub(crate) fn until_master_is_not(&self, port: u16) -> u16 {
        wait_for(PATIENCE * 3, "a new master", || {
            let of = |sentinel: &Sentinel| {
                let address: Vec<String> = sentinel.ask(&["GET-MASTER-ADDR-BY-NAME", MASTER]);
                address[1].parse::<u16>().unwrap()
            };
            let running = self.sentinels.iter().filter(|sentinel| sentinel.process.is_some());
            running.map(of).find(|&now| now != port)
        })
    }
}

impl Sentinel {
    fn start(master: u16, lines: &[&str]) -> Self {
        let (port, dir) = (free_port(), TempDir::new().unwrap());
        let path = dir.path().join("sentinel.conf");
        let settings = format!(
            "port {port}\nbind 127.0.0.1\ndir {}\nsentinel monitor {MASTER} 127.0.0.1 {master} 2\n\
             sentinel down-after-milliseconds {MASTER} 1000\nsentinel failover-timeout {MASTER} 3000\n{}\n",
            dir.path().display(),
            lines.join("\n")
        );
        std::fs::write(&path, settings).unwrap();
        let mut process = Process::spawn(Command::new("redis-server").arg(&path).arg("--sentinel"));
        until(PATIENCE, "a sentinel", || {
            assert!(!process.has_ended(), "{}", process.stdout());
            process.stdout().contains("+monitor master")
        });
        Self { port, _dir: dir, process: Some(process) }
    }

    fn ask<T: redis::FromRedisValue>(&self, words: &[&str]) -> T {
        let client = redis::Client::open(format!("redis://127.0.0.1:{}", self.port)).unwrap();
        redis::cmd("SENTINEL").arg(words).query(&mut client.get_connection().unwrap()).unwrap()
    }
}
