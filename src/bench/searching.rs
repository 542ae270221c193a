//! A search for the largest load: one run after another, until it is known.

mod ceiling;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::find::{self, Trial};
use super::numbers::{as_f64, whole};
use super::options::{BenchOptions, FindOf, FindOptions};
use super::plan::Plan;
use super::run::{self, Outcome};
use super::summary::{Ceiling, Find, Mode, Probe, Summary, Watcher};
use super::verdict;
use crate::exit::{Exit, Failure};
use crate::text::counted;

/// The confirming run is so many times as long.
const LONGER: u32 = 2;

/// A rate is made if so much of it was sent.
const MADE: f64 = 0.98;

/// Between two runs, for what the last one left behind.
const PAUSE: Duration = Duration::from_millis(500);

/// Searches; the summary is that of the last whole run, which is the confirming one where there is one. Only where not even
/// the first run was whole it is that of a part.
pub fn run(
    options: &BenchOptions,
    find: &FindOptions,
    stop: &AtomicBool,
    watcher: &mut dyn Watcher,
) -> Result<Outcome, Failure> {
    let most = ceiling::ceiling(options, find.of);
    let first = match find.of {
        FindOf::Rate => whole(options.rate).max(1),
        FindOf::Connections => options.connections,
    };
    let mut search = Search {
        options,
        find,
        stop,
        watcher,
        most: &most,
        probes: Vec::new(),
        last: None,
        broken: Vec::new(),
        ended: None,
    };
    let found = find::search(first, most.load, |load, confirm| search.attempt(load, confirm))?;
    let Search { probes, last, broken, ended, .. } = search;
    let Some(mut outcome) = last else {
        return Err(Failure::new(Exit::Interrupted, "the search ended before it had begun"));
    };
    let summary = &mut outcome.summary;
    summary.find = Some(Find {
        of: if find.of == FindOf::Rate { "rate" } else { "connections" }.to_owned(),
        within: find.text.clone(),
        probes,
        found: found.load,
        confirmed: found.confirmed,
        longer: found.load.is_some_and(|load| {
            planned(&one(options, find, load, true)) > planned(&one(options, find, load, false))
        }),
        interrupted: found.interrupted,
        ceiling: Some(most).filter(|most| found.load == Some(most.load) && !found.interrupted),
    });
    // What stopped the search is what the answer says something about; the probes tell the rest.
    let beyond = broken.iter().rev().filter(|(load, _)| found.load.is_none_or(|found| *load > found));
    summary.client.bound = match beyond.min_by_key(|(load, _)| *load) {
        Some((load, Some(why))) => vec![format!("at {load}: {why}")],
        _ => Vec::new(),
    };
    summary.verdict = verdict::judge(summary, &options.demands, options.allow_client_bound);
    if let Some(ended) = ended {
        summary.partial = Some(ended.why);
        outcome.exit = ended.exit;
    } else {
        outcome.exit = super::exit_of(summary);
        if outcome.exit == Exit::Success && found.load.is_none() {
            outcome.exit = Exit::ThresholdCrossed;
        }
    }
    Ok(outcome)
}

struct Search<'a> {
    options: &'a BenchOptions,
    find: &'a FindOptions,
    stop: &'a AtomicBool,
    watcher: &'a mut dyn Watcher,
    most: &'a Ceiling,
    probes: Vec<Probe>,
    last: Option<Outcome>,
    /// Loads that did not keep the limits, and why this client may be the cause, where it may.
    broken: Vec<(u64, Option<String>)>,
    ended: Option<Ended>,
}

/// What ended the search before it was done.
struct Ended {
    why: String,
    exit: Exit,
}

impl Ended {
    fn interrupted() -> Self {
        Self { why: "interrupted".to_owned(), exit: Exit::Interrupted }
    }
}

impl Search<'_> {
    fn attempt(&mut self, load: u64, confirm: bool) -> Result<Trial, Failure> {
        if self.last.is_some() && !self.stop.load(Ordering::Acquire) {
            std::thread::sleep(PAUSE);
        }
        if self.stop.load(Ordering::Acquire) {
            self.ended = Some(Ended::interrupted());
            return Ok(Trial::Stop);
        }
        let one = one(self.options, self.find, load, confirm);
        self.watcher.trying(&self.named(load, confirm));
        let mut outcome = match run::run(&one, self.stop, self.watcher) {
            Err(_) if self.last.is_some() && self.stop.load(Ordering::Acquire) => {
                self.ended = Some(Ended::interrupted());
                return Ok(Trial::Stop);
            }
            Err(failure) if self.last.is_some() => {
                // What is known is kept: the server may not have survived the last run.
                self.watcher.note(&format!("tried {load}: it could not begin ({})", failure.message));
                let why = format!("the search broke off: {}", failure.message);
                self.ended = Some(Ended { why, exit: failure.exit });
                return Ok(Trial::Stop);
            }
            other => other?,
        };
        if outcome.is_gone {
            // That is what came of the load; whether the server is gone the next preflight will say.
            outcome.summary.partial = None;
        }
        let trial = self.note(load, &outcome, &one, confirm);
        if let Some(why) = &outcome.summary.partial {
            self.ended = Some(Ended { why: why.clone(), exit: outcome.exit });
        }
        if trial != Trial::Stop || self.last.is_none() {
            self.last = Some(outcome);
        }
        Ok(trial)
    }

    /// `probe 3: 400 connections`.
    fn named(&self, load: u64, confirm: bool) -> String {
        let load = match self.find.of {
            FindOf::Rate => format!("{load}/s"),
            FindOf::Connections => counted(load, "connection"),
        };
        let why = if confirm { ", to confirm it" } else { "" };
        format!("probe {}: {load}{why}", self.probes.len() + 1)
    }

    fn note(&mut self, load: u64, outcome: &Outcome, one: &BenchOptions, confirm: bool) -> Trial {
        let Summary { verdict, client, partial, .. } = &outcome.summary;
        let interrupted = partial.is_some();
        let is_bound = verdict.client_bound && !self.options.allow_client_bound;
        let values = verdict
            .assertions
            .iter()
            .map(|one| format!("{} is {}", one.metric, one.value))
            .collect::<Vec<_>>();
        let mut remark = values.join(", ");
        let short = shortfall(&outcome.summary, load, self.find.of, self.options);
        // A client that reads or sends late makes latencies longer, never shorter: limits that are kept are kept.
        let passed = verdict.passed && short.is_none() && !interrupted;
        let why = short.or_else(|| client.bound.first().filter(|_| is_bound).cloned());
        if let Some(why) = why.filter(|_| !interrupted) {
            remark = format!("{remark}; {why}");
        }
        if passed && load == self.most.load {
            remark = format!("{remark}; {}", self.most.of.as_str());
        }
        let word = match (passed, is_bound) {
            _ if interrupted => "interrupted",
            (true, _) if confirm => "confirmed",
            (true, _) => "kept",
            (false, true) => "client-bound",
            (false, false) => "broken",
        };
        self.watcher.note(&format!("tried {load}: {word} ({remark})"));
        if !passed && !interrupted {
            self.broken.push((load, client.bound.first().cloned()));
        }
        self.probes.push(Probe {
            load,
            seconds: lasted(&outcome.summary, one),
            passed,
            interrupted,
            client_bound: is_bound,
            assertions: verdict.assertions.clone(),
        });
        match (interrupted, passed) {
            (true, _) => Trial::Stop,
            (false, true) => Trial::Kept,
            (false, false) => Trial::Broken,
        }
    }
}

/// A run of that load.
fn one(options: &BenchOptions, find: &FindOptions, load: u64, confirm: bool) -> BenchOptions {
    let mut one = BenchOptions { find: None, demands: find.within.clone(), ..options.clone() };
    match find.of {
        FindOf::Rate => one.rate = as_f64(load),
        FindOf::Connections => one.connections = load,
    }
    if confirm {
        one.duration *= LONGER;
    }
    let duration = format!("{}s", one.duration.as_secs_f64());
    let changed = [
        ("rate", one.rate.to_string()),
        ("connections", one.connections.to_string()),
        ("duration", duration),
    ];
    for (name, value) in changed {
        // What says nothing in this mode is not described.
        one.described.entry(name.to_owned()).and_modify(|described| *described = value);
    }
    one
}

/// The measured time in nanoseconds; 0 where connections are closed again, and something else than the time ends a run.
fn planned(options: &BenchOptions) -> u64 {
    if options.mode == Mode::Connect {
        return 0;
    }
    let plan = Plan::new(&options.load(options.jobs));
    plan.length().saturating_sub(plan.measured_at())
}

/// How long the load was held, in seconds; where connections are closed again, how long it took.
fn lasted(summary: &Summary, options: &BenchOptions) -> f64 {
    match &summary.publish {
        _ if options.mode == Mode::Connect => summary.setup.elapsed_seconds,
        Some(publish) => as_f64(publish.sent) / publish.rate.max(1e-9),
        None if summary.partial.is_none() => Duration::from_nanos(planned(options)).as_secs_f64(),
        None => {
            let held = summary
                .intervals
                .iter()
                .filter(|one| !one.warm_up && one.connections >= summary.connections.wanted);
            held.map(|one| one.length_seconds).sum()
        }
    }
}

/// What of the load was not there, so that nothing is known of it.
fn shortfall(summary: &Summary, load: u64, of: FindOf, options: &BenchOptions) -> Option<String> {
    let (connections, wanted) = match of {
        FindOf::Connections => (&summary.connections, load),
        FindOf::Rate => (&summary.connections, options.connections),
    };
    let ended = connections.closed_early_count();
    if connections.peak < wanted {
        return Some(format!("{} connections were open", connections.peak));
    }
    // Those that do not read a server may end.
    if ended > 0 && options.slow + options.stalled <= 0.0 {
        return Some(format!("{ended} connections ended early"));
    }
    if let Some(publish) =
        summary.publish.as_ref().filter(|publish| publish.rate < publish.intended_rate * MADE)
    {
        return Some(format!("{:.0} events a second were sent", publish.rate));
    }
    None
}
