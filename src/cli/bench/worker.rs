//! `bench worker`: a process that waits for a share of somebody else's connections.

use std::ffi::OsString;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};

use super::BenchArgs;
use crate::bench::report::live;
use crate::bench::workers::{Call, take_call, work};
use crate::cli::{Globals, Verb, parse};
use crate::exit::{Exit, Failure};
use crate::net::shutdown::Signals;

/// How long it looks for a call before it sees whether it is to end.
const LOOK: Duration = Duration::from_secs(1);

/// Takes one call and does its share of that run, or waits until a signal comes.
pub(super) fn run(args: &BenchArgs, globals: &Globals) -> Result<Exit> {
    if args.what.len() > 1 {
        return Err(Failure::usage("a worker takes no target: whoever calls it names one").into());
    }
    let redis = args.redis.clone().ok_or_else(|| {
        Failure::usage("a worker needs the Redis of whoever calls it")
            .hint("name it with --redis or REDIS_URL")
    })?;
    let globals = globals.clone();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.context("could not start the runtime")?.block_on(async {
        let mut signals = Signals::catch().context("could not catch signals")?;
        let stop = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&stop);
        let mut working = std::pin::pin!(tokio::task::spawn_blocking(move || {
            while !flag.load(Ordering::Acquire) {
                if let Some(call) = take_call(&redis, LOOK)? {
                    serve(&call, &redis, &globals, &flag)?;
                    return Ok(Exit::Success);
                }
            }
            Ok(Exit::Success)
        }));
        let exit = tokio::select! {
            result = &mut working => return result.context("the worker broke off")?,
            signal = signals.next() => signal.exit(),
        };
        stop.store(true, Ordering::Release);
        // What it was at is lost to its coordinator, which says so.
        drop(working.await);
        Ok(exit)
    })
}

/// Does its share of a run.
fn serve(call: &Call, redis: &str, globals: &Globals, stop: &AtomicBool) -> Result<()> {
    let argv = [OsString::from("jobwire")].into_iter().chain(call.argv.iter().map(OsString::from));
    let Verb::Bench(mut called) = parse(argv)?.verb else {
        return Err(Failure::new(Exit::Failure, "the call was not for a bench").into());
    };
    called.redis = Some(redis.to_owned());
    let options = called.resolve(globals)?;
    let mut remarks = live::watcher(false, false);
    Ok(work(&options, call, redis, stop, remarks.as_mut())?)
}
