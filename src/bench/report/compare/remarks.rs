//! What stands between the figures of a comparison and their meaning.

use std::collections::{BTreeMap, BTreeSet};

use super::statistics::{CONFIDENCE, FEWEST_PARTS, FEWEST_RUNS};
use super::{Compared, Runs};
use crate::bench::report::figures::printable;
use crate::bench::summary::{Setup, Summary};

/// How many runs it takes, by [`FEWEST_RUNS`].
const WANTED: &str = "give at least 3 of each side: a1.json,a2.json,a3.json";

/// All of it, the most important first.
pub(super) fn of(before: &Runs, after: &Runs, metrics: &[Compared]) -> Vec<String> {
    let mut found = Vec::new();
    repeated(&mut found, before, after);
    let (a, b) = (described(&before.first().setup), described(&after.first().setup));
    for name in a.keys().chain(b.keys().filter(|name| !a.contains_key(*name))) {
        let (old, new) = (value(&a, name), value(&b, name));
        if old != new {
            found.push(format!("the set-ups differ: {} was {old} and is {new}", printable(name)));
        }
    }
    for side in [before, after] {
        within(&mut found, side);
    }
    let fewest = before.summaries.len().min(after.summaries.len());
    if fewest == 1 {
        found.push(format!(
            "of a single run only its own unsteadiness is known, not how runs differ from each other; {WANTED}"
        ));
    } else if fewest < FEWEST_RUNS {
        found.push(format!("two runs of a side do not tell how runs differ from each other; {WANTED}"));
    }
    if about_intervals(metrics).is_none() {
        found.push(format!(
            "there is no interval of confidence for any of this: it takes {FEWEST_RUNS} runs a side, or one of at least \
             {FEWEST_PARTS} s"
        ));
    }
    found
}

/// What the intervals mean, where there are any.
pub(super) fn about_intervals(metrics: &[Compared]) -> Option<String> {
    metrics.iter().any(|metric| metric.interval.is_some()).then(|| {
        format!(
            "an interval holds the true change with {:.0} % confidence: of 100 metrics that did not change, about one \
             seems to",
            CONFIDENCE * 100.0
        )
    })
}

/// A run that stands there twice makes all noise seem to vanish.
fn repeated(found: &mut Vec<String>, before: &Runs, after: &Runs) {
    let of = |summary: &Summary| {
        let setup = &summary.setup;
        (setup.started.clone(), setup.elapsed_seconds.to_bits(), setup.server.clone())
    };
    let all: Vec<_> = before
        .summaries
        .iter()
        .chain(&after.summaries)
        .filter(|run| !run.setup.started.is_empty())
        .map(of)
        .collect();
    if all.iter().collect::<BTreeSet<_>>().len() < all.len() {
        found.push(
            "the same run is there more than once, which makes its noise seem smaller than it is".to_owned(),
        );
    }
}

/// What one side says of itself.
fn within(found: &mut Vec<String>, side: &Runs) {
    let name = printable(&side.name);
    let first = described(&side.first().setup);
    let differs = side.summaries.iter().flat_map(|run| {
        let other = described(&run.setup);
        let names: BTreeSet<String> = first.keys().chain(other.keys()).cloned().collect();
        names.into_iter().filter(|name| first.get(name) != other.get(name)).collect::<Vec<_>>()
    });
    let differs: BTreeSet<String> = differs.map(|name| printable(&name)).collect();
    if !differs.is_empty() {
        let names = differs.into_iter().collect::<Vec<_>>().join(", ");
        found.push(format!("the runs of {name} are not alike: they differ in {names}"));
    }
    if let Some(reason) = side.summaries.iter().find_map(|summary| summary.partial.as_deref()) {
        found.push(format!("{name} is partial: {}", printable(reason)));
    }
    if side.summaries.iter().any(|summary| !summary.client.bound.is_empty()) {
        found.push(format!("{name}: the client may have been the bottleneck"));
    }
}

/// Everything that a comparison wants to be the same.
fn described(setup: &Setup) -> BTreeMap<String, String> {
    let machine = &setup.machine;
    let facts = [
        ("the target", setup.target.clone()),
        ("the server", setup.server.clone()),
        ("where events are published", setup.publisher.clone().unwrap_or_default()),
        ("jobwire's version", setup.version.clone()),
        ("the machine", format!("{}, {} cores", machine.processor, machine.cores)),
        ("the machine's system", machine.system.clone()),
    ];
    let facts = facts.into_iter().filter(|(_, value)| !value.is_empty());
    setup.options.clone().into_iter().chain(facts.map(|(name, value)| (name.to_owned(), value))).collect()
}

fn value(all: &BTreeMap<String, String>, name: &str) -> String {
    all.get(name).map_or_else(|| "not set".to_owned(), |value| printable(value))
}
