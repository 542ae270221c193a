//! The load tester: connections on any server that speaks one of the dialects, events at a fixed arrival rate, and what
//! became of each of them.
//!
//! The load is an open model: an event has an intended time that nothing delays, and its delivery latency counts from
//! there, so that a server (or this client) that falls behind shows it. A run ends in a [`summary::Summary`], from which
//! every report is made.
//!
//! | part | what it is |
//! |---|---|
//! | [`plan`], [`marker`], [`account`] | when events are due, how they are recognised, what a connection should have got; pure |
//! | [`manner`], [`placeholders`] | how connections subscribe, and values of their own in URLs and headers; pure |
//! | [`subscriber`] | threads with an event loop each, which hold the connections |
//! | [`publisher`] | a thread that sends every event when it is due |
//! | [`collect`], [`client`], [`meter`] | merging what threads saw; what it cost, here and on the server |
//! | [`preflight`], [`probe`] | what can go wrong is said before a run |
//! | [`run`]; [`find`], [`searching`] | one run; a search over many |
//! | [`workers`] | several processes that share the connections, coordinated through Redis |
//! | [`verdict`], [`summary`] | demands, and the result that reports are made from |
//! | [`report`] | text, page, files and live view, all from the summary; comparing runs |

pub mod account;
pub mod aim;
pub mod client;
pub mod clock;
pub mod collect;
pub mod crew;
pub mod find;
pub mod manner;
pub mod marker;
pub mod meter;
mod numbers;
pub mod options;
pub mod placeholders;
pub mod plan;
pub mod preflight;
mod prepared;
pub mod probe;
pub mod process;
pub mod publisher;
pub mod report;
pub mod run;
pub mod searching;
pub mod subscriber;
pub mod summary;
pub mod timing;
pub mod unpublished;
pub mod verdict;
pub mod workers;

use std::sync::atomic::AtomicBool;

use self::options::BenchOptions;
use self::run::Outcome;
use self::summary::{Summary, Watcher};
use crate::exit::{Exit, Failure};

/// Does what the options say, to the end or until `stop`.
///
/// Errors are of what could not begin; what goes wrong later is in the summary, which then is marked as partial.
pub fn bench(
    options: &BenchOptions,
    stop: &AtomicBool,
    watcher: &mut dyn Watcher,
) -> Result<Outcome, Failure> {
    let mut outcome = match &options.find {
        Some(find) => searching::run(options, find, stop, watcher),
        None if options.workers + options.remote_workers > 0 => workers::coordinate(options, stop, watcher),
        None => run::run(options, stop, watcher),
    }?;
    outcome.summary.headline = report::headline(&outcome.summary);
    Ok(outcome)
}

/// What a process ends with that has this to say. A measurement that is not valid comes before what it measured.
pub fn exit_of(summary: &Summary) -> Exit {
    let verdict = &summary.verdict;
    if verdict.unclean.is_some() && summary.find.is_none() {
        Exit::Unreachable
    } else if verdict.client_bound && !verdict.client_bound_allowed {
        Exit::ClientBound
    } else if !verdict.passed {
        Exit::ThresholdCrossed
    } else {
        Exit::Success
    }
}
