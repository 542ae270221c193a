//! The real BullMQ: queues, workers and flows.

use std::io::Write;
use std::path::Path;
use std::process::{ChildStdin, Command};
use std::time::Duration;

use redis::Commands;
use serde_json::{Value, json};

use crate::support::{Process, RedisServer, node_modules, until};

/// Node starts slowly on a machine that is busy.
pub(super) const START: Duration = Duration::from_mins(1);

/// A process of Node with BullMQ (tests/clients/bullmq_jobs.cjs); killed when dropped.
pub(super) struct BullMq<'r> {
    redis: &'r RedisServer,
    process: Process,
    stdin: ChildStdin,
}

impl<'r> BullMq<'r> {
    /// Starts it, with BullMQ's prefix.
    pub(super) fn start(redis: &'r RedisServer, prefix: &str) -> Self {
        let mut command = Command::new("node");
        command.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients"));
        command
            .env("BULLMQ_REDIS", redis.url())
            .env("BULLMQ_PREFIX", prefix)
            .env("NODE_PATH", node_modules());
        let (mut process, stdin) = Process::spawn_fed(command.arg("bullmq_jobs.cjs"));
        until(START, "BullMQ", || {
            assert!(!process.has_ended(), "{}{}", process.stdout(), process.stderr());
            process.stdout().starts_with("ready")
        });
        Self { redis, process, stdin }
    }

    /// Gives it a command, and waits for the answer.
    pub(super) fn tell(&mut self, command: &Value) -> Value {
        let before = self.process.stdout().lines().count();
        writeln!(self.stdin, "{command}").unwrap();
        let mut answer = None;
        until(START, "BullMQ's answer", || {
            assert!(!self.process.has_ended(), "{command}: {}", self.process.stderr());
            let printed = self.process.stdout();
            answer = printed.lines().nth(before).filter(|_| printed.ends_with('\n')).map(str::to_owned);
            answer.is_some()
        });
        serde_json::from_str(&answer.unwrap()).unwrap()
    }

    /// Starts a worker of a queue.
    pub(super) fn work(&mut self, queue: &str) {
        self.tell(&json!(["work", queue]));
    }

    /// Adds a job of that id to a queue.
    pub(super) fn add(&mut self, queue: &str, id: &str, mut options: Value) {
        options["jobId"] = id.into();
        assert_eq!(self.tell(&json!(["add", queue, {}, options])), id);
    }

    /// Does something with a job: `retry`, `remove` or `state`.
    pub(super) fn job(&mut self, what: &str, queue: &str, id: &str) -> Value {
        self.tell(&json!([what, queue, id]))
    }

    /// Tells a job what to do next.
    pub(super) fn step(&self, job: &str, step: &Value) {
        let _: () = self.redis.connection().rpush(format!("step:{job}"), step.to_string()).unwrap();
    }
}
