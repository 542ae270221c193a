//! `bench worker`: a process that waits for shares of other people's connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};

use super::{BenchArgs, modes};
use crate::bench::report::live;
use crate::bench::summary::{Unwatched, Watcher};
use crate::bench::workers::{Waiting, run_of_parent, work};
use crate::cli::Globals;
use crate::dialect::Dialects;
use crate::exit::{Exit, Failure};
use crate::net::shutdown::Signals;

/// How long it looks for a call before it sees whether it is to end.
const LOOK: Duration = Duration::from_millis(200);

/// Between two attempts to reach a Redis that was lost.
const AGAIN: Duration = Duration::from_secs(1);

/// Takes call after call until a signal comes, or one where that is asked for.
pub(super) fn run(args: &BenchArgs, globals: &Globals) -> Result<Exit> {
    if args.what.len() > 1 {
        return Err(Failure::usage("a worker takes no target: whoever calls it names one").into());
    }
    modes::check_worker(globals.invocation.given())?;
    let redis = args.redis.clone().ok_or_else(|| {
        Failure::usage("a worker needs the Redis of whoever calls it")
            .hint("name it with --redis or REDIS_URL")
    })?;
    let stop = Arc::new(AtomicBool::new(false));
    let parent = run_of_parent();
    let mut worker = Idle {
        redis,
        dialects: globals.dialects.clone(),
        parent,
        once: args.once,
        stop: Arc::clone(&stop),
        // One that another process has started has nobody to talk to: that process has said it all.
        remarks: if parent.is_some() { Box::new(Unwatched) } else { live::watcher(false, false) },
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.context("could not start the runtime")?.block_on(async {
        let mut signals = Signals::catch().context("could not catch signals")?;
        let mut working = std::pin::pin!(tokio::task::spawn_blocking(move || worker.serve()));
        let exit = tokio::select! {
            result = &mut working => return Ok(result.context("the worker broke off")??),
            signal = signals.next() => signal.exit(),
        };
        stop.store(true, Ordering::Release);
        // What it was at is lost to its coordinator, which says so.
        drop(working.await);
        Ok(exit)
    })
}

/// A worker between two calls.
struct Idle {
    redis: String,
    dialects: Dialects,
    /// The run that it belongs to; it has no other to wait for.
    parent: Option<u32>,
    once: bool,
    stop: Arc<AtomicBool>,
    remarks: Box<dyn Watcher>,
}

impl Idle {
    fn serve(&mut self) -> Result<Exit, Failure> {
        let mut waiting = Waiting::connect(&self.redis, self.parent)?;
        self.say("waiting for calls");
        while !self.stopped() {
            let call = match waiting.take(LOOK) {
                Ok(None) => continue,
                Ok(Some(call)) => call,
                Err(failure) if self.parent.is_some() => return Err(failure),
                Err(failure) => {
                    self.say(&format!("{failure}; trying again until it is back"));
                    let Some(again) = self.reconnect() else { break };
                    waiting = again;
                    self.say("redis is back; waiting for calls");
                    continue;
                }
            };
            let result = work(&call, &self.dialects, &self.redis, &self.stop, self.remarks.as_mut());
            if self.once {
                return result.map(|()| Exit::Success);
            }
            match result {
                Ok(()) => self.say("took part in a run; waiting for calls"),
                Err(_) if self.stopped() => {}
                Err(failure) => self.say(&format!("{failure}; waiting for calls")),
            }
        }
        Ok(Exit::Success)
    }

    /// Waits for a Redis that was lost; `None` where it is to end.
    fn reconnect(&self) -> Option<Waiting> {
        while !self.stopped() {
            match Waiting::connect(&self.redis, self.parent) {
                Ok(waiting) => return Some(waiting),
                // Said once, when it was lost.
                Err(_) => std::thread::sleep(AGAIN),
            }
        }
        None
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    /// Says how it is doing.
    fn say(&mut self, text: &str) {
        self.remarks.note(text);
    }
}
