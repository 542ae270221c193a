//! The workers that a run starts itself, as processes of this host.

use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::exit::{Exit, Failure};
use crate::net::host_name;
use crate::wire::redis::redis_environment;

/// The variable that tells a worker whose child it is: the run's number in hexadecimal.
pub(super) const RUN: &str = "JOBWIRE_BENCH_RUN";

/// How long those that are about to end are waited for, before they are killed.
const FAREWELL: Duration = Duration::from_secs(3);

/// The run that started this process as one of its workers, if one did.
pub fn run_of_parent() -> Option<u32> {
    std::env::var(RUN).ok().and_then(|run| u32::from_str_radix(&run, 16).ok())
}

/// Worker processes on this host; killed when dropped, should they still run.
pub(super) struct Children(Vec<Child>);

impl Children {
    pub(super) fn spawn(
        count: u32,
        run: u32,
        redis: &str,
        dialect_files: &[PathBuf],
    ) -> Result<Self, Failure> {
        let failed = |error| Failure::new(Exit::Failure, format!("could not start a worker: {error}"));
        let program = std::env::current_exe().map_err(failed)?;
        let mut children = Self(Vec::new());
        for _ in 0..count {
            let mut command = Command::new(&program);
            command.args(["bench", "worker", "--once"]);
            for file in dialect_files {
                command.arg("--dialect-file").arg(file);
            }
            // A URL may hold a password, which nobody must find in a list of processes; and Ctrl-C is the coordinator's.
            command.env(RUN, format!("{run:08x}")).process_group(0);
            for (name, value) in redis_environment(redis) {
                match value {
                    Some(value) => command.env(name, value),
                    None => command.env_remove(name),
                };
            }
            command.stdin(Stdio::null()).stdout(Stdio::null());
            children.0.push(command.spawn().map_err(failed)?);
        }
        Ok(children)
    }

    /// How one has ended that did not appear.
    pub(super) fn stillborn(&mut self, has_appeared: impl Fn(&str) -> bool) -> Option<String> {
        let host = host_name();
        self.0.iter_mut().find_map(|child| {
            let status = child.try_wait().ok()??;
            let name = format!("{host}/{}", child.id());
            (!has_appeared(&name)).then(|| format!("{name} ended before it took part: {status}"))
        })
    }

    /// Ends them at once: there is nothing that they could still report.
    pub(super) fn kill(&mut self) {
        for child in &mut self.0 {
            // One that has ended cannot be killed, and that is well.
            let _ = child.kill();
        }
    }
}

impl Drop for Children {
    fn drop(&mut self) {
        let begin = Instant::now();
        for child in &mut self.0 {
            while matches!(child.try_wait(), Ok(None)) && begin.elapsed() < FAREWELL {
                std::thread::sleep(Duration::from_millis(20));
            }
            // As above.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
