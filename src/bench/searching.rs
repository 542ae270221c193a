//! A search for the largest load: one run after another, until it is known.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::find::{self, Trial};
use super::numbers::{as_f64, whole};
use super::options::{BenchOptions, FindOf, FindOptions};
use super::process;
use super::run::{self, Outcome};
use super::summary::{Find, Probe, Summary, Watcher};
use super::verdict;
use crate::exit::{Exit, Failure};

/// The confirming run is so many times as long.
const LONGER: u32 = 2;

/// No search goes on above these.
const MOST_RATE: u64 = 10_000_000;
const MOST_CONNECTIONS: u64 = 1_000_000;

/// A rate is made if so much of it was sent.
const MADE: f64 = 0.98;

/// Between two runs, for what the last one left behind.
const PAUSE: Duration = Duration::from_millis(500);

/// Searches; the summary is that of the confirming run, or of the last one where there is none.
pub fn run(
    options: &BenchOptions,
    find: &FindOptions,
    stop: &AtomicBool,
    watcher: &mut dyn Watcher,
) -> Result<Outcome, Failure> {
    let mut search = Search {
        options,
        find,
        stop,
        watcher,
        probes: Vec::new(),
        last: None,
        broken: Vec::new(),
        broken_off: None,
    };
    let (first, most) = match find.of {
        FindOf::Rate => (whole(options.rate).max(1), MOST_RATE),
        FindOf::Connections => (options.connections, most_connections(options)),
    };
    let found = find::search(first, most, |load, confirm| search.attempt(load, confirm))?;
    let Search { probes, last, broken, broken_off, .. } = search;
    let Some(mut outcome) = last else {
        return Err(Failure::new(Exit::Failure, "the search ended before it had begun"));
    };
    let summary = &mut outcome.summary;
    summary.find = Some(Find {
        of: if find.of == FindOf::Rate { "rate" } else { "connections" }.to_owned(),
        within: find.text.clone(),
        probes,
        found: found.load,
        confirmed: found.confirmed,
    });
    // What stopped the search is what the answer says something about; the probes tell the rest.
    let beyond = broken.iter().rev().filter(|(load, _)| found.load.is_none_or(|found| *load > found));
    summary.client.bound = match beyond.min_by_key(|(load, _)| *load) {
        Some((load, Some(why))) => vec![format!("at {load}: {why}")],
        _ => Vec::new(),
    };
    summary.verdict = verdict::judge(summary, &options.demands, options.allow_client_bound);
    if let Some(failure) = broken_off {
        summary.partial = Some(format!("the search broke off: {}", failure.message));
        outcome.exit = failure.exit;
    } else if stop.load(Ordering::Acquire) && !found.confirmed {
        summary.partial = Some("interrupted".to_owned());
    } else if summary.partial.is_none() {
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
    probes: Vec<Probe>,
    last: Option<Outcome>,
    /// Loads that did not keep the limits, and why this client may be the cause, where it may.
    broken: Vec<(u64, Option<String>)>,
    /// Why a run could not begin although others had ended.
    broken_off: Option<Failure>,
}

impl Search<'_> {
    fn attempt(&mut self, load: u64, confirm: bool) -> Result<Trial, Failure> {
        if self.stop.load(Ordering::Acquire) {
            return Ok(Trial::Stop);
        }
        if self.last.is_some() {
            std::thread::sleep(PAUSE);
        }
        let mut one = BenchOptions { find: None, demands: self.find.within.clone(), ..self.options.clone() };
        match self.find.of {
            FindOf::Rate => one.rate = as_f64(load),
            FindOf::Connections => one.connections = load,
        }
        if confirm {
            one.duration *= LONGER;
        }
        for (name, value) in [("rate", one.rate), ("connections", as_f64(one.connections))] {
            one.described.insert(name.to_owned(), value.to_string());
        }
        one.described.insert("duration".to_owned(), format!("{}s", one.duration.as_secs_f64()));
        let outcome = match run::run(&one, self.stop, self.watcher) {
            Err(failure) if self.last.is_some() => {
                // What is known is kept: the server may not have survived the last run.
                self.watcher.note(&format!("tried {load}: it could not begin ({})", failure.message));
                self.broken_off = Some(failure);
                return Ok(Trial::Stop);
            }
            other => other?,
        };
        let trial = self.note(load, &outcome, confirm);
        self.last = Some(outcome);
        Ok(trial)
    }

    fn note(&mut self, load: u64, outcome: &Outcome, confirm: bool) -> Trial {
        let Summary { verdict, client, publish, partial, .. } = &outcome.summary;
        let is_bound = verdict.client_bound && !self.options.allow_client_bound;
        let values = verdict
            .assertions
            .iter()
            .map(|one| format!("{} is {}", one.metric, one.value))
            .collect::<Vec<_>>();
        let mut remark = values.join(", ");
        let short = shortfall(&outcome.summary, load, self.find.of, self.options);
        // A client that reads or sends late makes latencies longer, never shorter: limits that are kept are kept.
        let passed = verdict.passed && short.is_none();
        if let Some(why) = short.or_else(|| client.bound.first().filter(|_| is_bound).cloned()) {
            remark = format!("{remark}; {why}");
        }
        let word = match (passed, is_bound) {
            (true, _) if confirm => "confirmed",
            (true, _) => "kept",
            (false, true) => "client-bound",
            (false, false) => "broken",
        };
        self.watcher.note(&format!("tried {load}: {word} ({remark})"));
        if !passed {
            self.broken.push((load, client.bound.first().filter(|_| is_bound).cloned()));
        }
        let seconds = publish.as_ref().map_or(0.0, |publish| as_f64(publish.sent) / publish.rate.max(1e-9));
        self.probes.push(Probe {
            load,
            seconds,
            passed,
            client_bound: is_bound,
            assertions: verdict.assertions.clone(),
        });
        match (partial, passed) {
            (Some(_), _) => Trial::Stop,
            (None, true) => Trial::Kept,
            (None, false) => Trial::Broken,
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

/// What this machine's descriptors and ports allow.
fn most_connections(options: &BenchOptions) -> u64 {
    let descriptors = rlimit::increase_nofile_limit(u64::MAX).unwrap_or(1024).saturating_sub(128);
    let ports = process::client_ports().map_or(MOST_CONNECTIONS, |(first, last)| {
        (u64::from(last.saturating_sub(first)) + 1) * options.sources.len().max(1) as u64
    });
    // Ports of connections that were closed a moment ago rest for a while.
    MOST_CONNECTIONS.min(descriptors).min(ports - ports / 10).max(1)
}
