//! Two runs, or several of each: what got better, what worse, and what cannot be told from noise.

mod json;
mod metrics;
mod remarks;
mod statistics;
mod text;

use std::fs;
use std::path::Path;

use crate::bench::summary::{SCHEMA, Summary};
use crate::exit::Failure;
use metrics::{Metric, Unit};

/// The runs of one side, at least one.
#[derive(Debug, Clone)]
pub struct Runs {
    name: String,
    summaries: Vec<Summary>,
}

impl Runs {
    /// Reads what `--output json` wrote: a file, or several with commas between.
    pub fn read(paths: &str) -> Result<Self, Failure> {
        if paths.split(',').any(str::is_empty) {
            let message = format!("'{}' leaves a file unnamed", paths.escape_debug());
            return Err(
                Failure::usage(message).hint("several runs are a1.json,a2.json,a3.json without blanks")
            );
        }
        let summaries = paths.split(',').map(|path| read(Path::new(path))).collect::<Result<_, _>>()?;
        Ok(Self { name: paths.to_owned(), summaries })
    }

    fn first(&self) -> &Summary {
        &self.summaries[0]
    }
}

fn read(path: &Path) -> Result<Summary, Failure> {
    let wrong = |what: String| {
        Failure::usage(format!("{}: {what}", path.display()))
            .hint("compare takes what bench --output json wrote")
    };
    let text = fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    let value: serde_json::Value =
        serde_json::from_str(&text).map_err(|error| wrong(format!("is no JSON: {error}")))?;
    match value.get("schema").and_then(serde_json::Value::as_u64) {
        Some(schema) if schema == u64::from(SCHEMA) => {}
        Some(schema) => return Err(wrong(format!("has schema {schema}, and this program reads {SCHEMA}"))),
        None => return Err(wrong("is no result of a run".to_owned())),
    }
    serde_json::from_str(&text).map_err(|error| wrong(format!("is no result of a run: {error}")))
}

/// What became of one metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Beyond noise, and in the right direction.
    Better,
    /// Beyond noise, and in the wrong one.
    Worse,
    /// Not told apart from noise.
    Unshown,
    /// There is nothing to tell noise by: one short run a side.
    Unjudged,
}

/// One metric on both sides.
#[derive(Debug, Clone)]
pub struct Compared {
    /// Its name, as in `delivery latency 99 %`.
    pub name: String,
    /// What became of it.
    pub change: Change,
    more_is_better: bool,
    before: f64,
    after: f64,
    /// Where the change lies: relative for durations and rates, absolute for shares.
    interval: Option<(f64, f64)>,
    unit: Unit,
}

/// The whole comparison.
#[derive(Debug, Clone)]
pub struct Comparison {
    /// The names of the runs of either side.
    pub sides: [Vec<String>; 2],
    /// Every metric that both sides have.
    pub metrics: Vec<Compared>,
    /// What the reader must know to believe it.
    pub remarks: Vec<String>,
    /// What the intervals mean, where there are any.
    about_intervals: Option<String>,
}

impl Comparison {
    /// Compares the second side with the first.
    pub fn new(before: &Runs, after: &Runs) -> Result<Self, Failure> {
        let modes: Vec<_> =
            before.summaries.iter().chain(&after.summaries).map(|summary| summary.mode).collect();
        if let Some(other) = modes.iter().find(|mode| **mode != modes[0]) {
            let text = format!("runs of {} and of {} cannot be compared", modes[0].as_str(), other.as_str());
            return Err(Failure::usage(text));
        }
        let metrics: Vec<Compared> =
            metrics::all(&before.summaries, &after.summaries).iter().map(Metric::compare).collect();
        let sides = [before, after].map(|side| side.name.split(',').map(str::to_owned).collect());
        Ok(Self {
            remarks: remarks::of(before, after, &metrics),
            about_intervals: remarks::about_intervals(&metrics),
            metrics,
            sides,
        })
    }

    /// Whether anything is worse beyond noise.
    pub fn has_regressed(&self) -> bool {
        self.metrics.iter().any(|metric| metric.change == Change::Worse)
    }
}

#[cfg(test)]
mod tests;
