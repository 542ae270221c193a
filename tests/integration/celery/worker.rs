//! A real Celery worker, and a client that sends it tasks.

use std::io::Write;
use std::path::Path;
use std::process::{ChildStdin, Command, Stdio};
use std::time::Duration;

use redis::Commands;

use crate::support::{MASTER, Process, RedisServer, Sentinels, until};

/// Python starts slowly on a machine that is busy.
const START: Duration = Duration::from_secs(90);

/// A worker and a client of one Celery application (tests/clients/celery_tasks.py); killed when dropped.
pub(super) struct Celery<'r> {
    redis: &'r RedisServer,
    _worker: Process,
    client: Process,
    stdin: ChildStdin,
}

impl<'r> Celery<'r> {
    /// Starts both, with settings of Celery's as JSON, and results in that database.
    pub(super) fn start(redis: &'r RedisServer, database: u32, settings: &str) -> Self {
        let url = redis.url();
        Self::over(redis, &url, &format!("{url}/{database}"), settings)
    }

    /// Starts both behind sentinels. What tasks are to do comes through another Redis, which outlives the master.
    pub(super) fn behind(sentinels: &Sentinels, steps: &'r RedisServer) -> Self {
        let hosts: Vec<_> =
            sentinels.ports().iter().map(|port| format!("sentinel://127.0.0.1:{port}")).collect();
        let url = hosts.join(";");
        let master = serde_json::json!({ "master_name": MASTER });
        let settings = serde_json::json!({
            "broker_transport_options": master,
            "result_backend_transport_options": master,
        });
        Self::over(steps, &url, &url, &settings.to_string())
    }

    /// Starts both on this broker and this result backend.
    fn over(redis: &'r RedisServer, broker: &str, backend: &str, settings: &str) -> Self {
        let prepared = |program: &str| {
            let mut command = Command::new(program);
            command.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients"));
            command.env("CELERY_REDIS", broker).env("PYTHONDONTWRITEBYTECODE", "1");
            command.env("CELERY_BACKEND", backend).env("CELERY_CONF", settings);
            command.env("CELERY_STEPS", redis.url());
            command
        };
        let found = prepared("python3").args(["-c", "import celery, redis"]).stderr(Stdio::null()).status();
        assert!(
            found.is_ok_and(|status| status.success()),
            "these tests need python3 with its package celery[redis] (pip install 'celery[redis]'), or run scripts/test"
        );
        let mut worker = prepared("python3");
        worker.args([
            "-m",
            "celery",
            "-A",
            "celery_tasks",
            "worker",
            "-P",
            "threads",
            "-c",
            "4",
            "-l",
            "INFO",
        ]);
        worker.args(["--without-gossip", "--without-mingle", "--without-heartbeat"]);
        let mut worker = Process::spawn(&mut worker);
        let (client, stdin) = Process::spawn_fed(prepared("python3").arg("celery_send.py"));
        until(START, "the client", || client.stdout().starts_with("ready"));
        until(START, "the worker", || {
            assert!(!worker.has_ended(), "{}{}", worker.stdout(), worker.stderr());
            worker.stderr().contains(" ready.")
        });
        Self { redis, _worker: worker, client, stdin }
    }

    /// Sends a task with these arguments and options, both as JSON.
    pub(super) fn send(&mut self, name: &str, id: &str, args: &str, options: &str) {
        self.tell(&format!("{name} {id} {args} {options}"), id);
    }

    /// Sends a task that does what [`Celery::step`] says.
    pub(super) fn steps(&mut self, id: &str) {
        self.send("steps", id, "[]", "{}");
    }

    /// Revokes a task.
    pub(super) fn revoke(&mut self, id: &str) {
        self.tell(&format!("revoke {id}"), id);
    }

    fn tell(&mut self, line: &str, id: &str) {
        let said = |celery: &Self| celery.client.stdout().matches(&format!("sent {id}\n")).count();
        let before = said(self);
        writeln!(self.stdin, "{line}").unwrap();
        until(START, "the task to be sent", || said(self) > before);
    }

    /// Tells a task what to do next, as JSON.
    pub(super) fn step(&self, id: &str, step: &str) {
        let _: () = self.redis.connection().rpush(format!("step:{id}"), step).unwrap();
    }
}
