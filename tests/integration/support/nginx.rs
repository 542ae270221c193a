//! An nginx of the test's own, with the repository's configuration.

use std::fs;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::{Answer, PATIENCE, Process, WebSocket, children, exchange, free_port, wait_for};

/// Around the repository's file stands what its head says, with everything in the test's folder.
const AROUND: &str = "
daemon off;
worker_processes 1;
worker_shutdown_timeout 1s;
USER
pid DIR/pid;
error_log DIR/error.log;
events { worker_connections 512; }
http {
    client_body_temp_path DIR/body;
    proxy_temp_path DIR/proxy;
    fastcgi_temp_path DIR/fastcgi;
    uwsgi_temp_path DIR/uwsgi;
    scgi_temp_path DIR/scgi;
    include DIR/jobwire.conf;
}
";

/// A running nginx; stopped when dropped.
#[derive(Debug)]
pub(crate) struct Nginx {
    dir: TempDir,
    address: String,
    process: Process,
}

impl Nginx {
    /// Starts one with `scripts/nginx.conf` in front of a relay and an app, each given as host and port. `edits` are
    /// further replacements in the file, each of which must find its text.
    pub(crate) fn start(relay: &str, app: &str, edits: &[(&str, &str)]) -> Self {
        // Another process may take a free port first.
        loop {
            if let Some(nginx) = Self::try_start(relay, app, edits) {
                return nginx;
            }
        }
    }

    fn try_start(relay: &str, app: &str, edits: &[(&str, &str)]) -> Option<Self> {
        let dir = TempDir::new().unwrap();
        let folder = dir.path().to_str().unwrap().to_owned();
        let address = format!("127.0.0.1:{}", free_port());
        let (listen, logs) = (format!("    listen {address};"), format!(" {folder}/"));
        let (relay, app) = (format!("server {relay};"), format!("server {app};"));
        let places = [
            ("    listen 80;", listen.as_str()),
            ("server 127.0.0.1:8000;", &relay),
            ("server 127.0.0.1:8080;", &app),
            (" /var/log/nginx/", &logs),
        ];
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/nginx.conf");
        let mut text = fs::read_to_string(file).unwrap();
        for (documented, here) in places.iter().chain(edits) {
            assert!(text.contains(documented), "scripts/nginx.conf has no {documented:?}");
            text = text.replace(documented, here);
        }
        fs::write(dir.path().join("jobwire.conf"), text).unwrap();
        // Started by root, its workers would be someone else, whom the folder is closed to.
        let user = if rustix::process::geteuid().is_root() { "user root;" } else { "" };
        let around = AROUND.replace("USER", user).replace("DIR", &folder);
        fs::write(dir.path().join("nginx.conf"), around).unwrap();
        let mut command = Command::new(program());
        command.args(["-p", &folder, "-e", &format!("{folder}/error.log"), "-c"]);
        let mut process = Process::spawn(command.arg(dir.path().join("nginx.conf")));
        let listens = wait_for(PATIENCE, "nginx to listen", || {
            if process.has_ended() {
                return Some(false);
            }
            TcpStream::connect(&address).is_ok().then_some(true)
        });
        let started = listens && !process.has_ended();
        let nginx = Self { dir, address, process };
        let said = || format!("{}{}", nginx.process.stderr(), nginx.error_log());
        assert!(started || said().contains("Address already in use"), "nginx did not start: {}", said());
        started.then_some(nginx)
    }

    /// Host and port.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// The URL of a socket through it.
    pub(crate) fn ws(&self, path: &str) -> String {
        format!("ws://{}{path}", self.address)
    }

    /// Opens a socket through it.
    pub(crate) fn connect(&self, path: &str) -> WebSocket {
        WebSocket::connect(&self.ws(path))
    }

    /// One HTTP request.
    pub(crate) fn exchange(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        exchange(&self.address, method, path, headers, body)
    }

    /// One GET.
    pub(crate) fn get(&self, path: &str) -> Answer {
        self.exchange("GET", path, &[], b"")
    }

    /// Has it read its configuration again: new workers, and the old ones end.
    pub(crate) fn reload(&self) {
        let old = self.workers();
        self.process.signal(Signal::HUP);
        wait_for(PATIENCE, "the old workers to end", || {
            let now = self.workers();
            (!now.is_empty() && now.iter().all(|worker| !old.contains(worker))).then_some(())
        });
    }

    /// Kills its workers, as a crash would; the master starts others.
    pub(crate) fn kill_workers(&self) {
        for worker in self.workers() {
            kill_process(worker, Signal::KILL).unwrap();
        }
    }

    /// The processes that serve.
    fn workers(&self) -> Vec<Pid> {
        children(self.process.id())
            .into_iter()
            .filter_map(|child| Pid::from_raw(child.try_into().ok()?))
            .collect()
    }

    /// What it has logged about requests so far; a socket is logged when it ends.
    pub(crate) fn access_log(&self) -> String {
        fs::read_to_string(self.dir.path().join("jobwire.log")).unwrap_or_default()
    }

    /// What it has complained of so far.
    pub(crate) fn error_log(&self) -> String {
        fs::read_to_string(self.dir.path().join("error.log")).unwrap_or_default()
    }
}

/// Debian has it where not every user's PATH leads.
fn program() -> &'static str {
    let found = ["nginx", "/usr/sbin/nginx"]
        .into_iter()
        .find(|program| Command::new(program).arg("-v").stderr(Stdio::null()).status().is_ok());
    found.expect("these tests need nginx: install it (Debian: apt-get install nginx), or run scripts/test")
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Killed, the master would leave its workers behind.
        if !self.process.has_ended() {
            self.process.signal(Signal::TERM);
            let start = Instant::now();
            while !self.process.has_ended() && start.elapsed() < PATIENCE {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
    }
}
