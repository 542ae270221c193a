//! A comparison for programs, by `schema.json` beside this file.

use serde::Serialize;

use super::metrics::Unit;
use super::statistics::CONFIDENCE;
use super::{Change, Compared, Comparison};
use crate::text::safe_json;

/// The version of this form; it grows when a reader of the old one would go wrong.
const SCHEMA: u32 = 1;

#[derive(Serialize)]
struct Written<'a> {
    schema: u32,
    before: &'a [String],
    after: &'a [String],
    confidence: f64,
    regressed: bool,
    metrics: Vec<Metric<'a>>,
    remarks: Vec<&'a String>,
}

#[derive(Serialize)]
struct Metric<'a> {
    name: &'a str,
    unit: &'static str,
    better: &'static str,
    before: f64,
    after: f64,
    change: Option<f64>,
    interval: Option<[f64; 2]>,
    result: &'static str,
}

impl Comparison {
    /// The comparison as JSON, by its schema.
    pub fn json(&self) -> String {
        let [before, after] = &self.sides;
        let written = Written {
            schema: SCHEMA,
            before,
            after,
            confidence: CONFIDENCE,
            regressed: self.has_regressed(),
            metrics: self.metrics.iter().map(written).collect(),
            remarks: self.remarks.iter().chain(&self.about_intervals).collect(),
        };
        let mut text = serde_json::to_string_pretty(&written).expect("it has no key that is not text");
        text.push('\n');
        safe_json(&text).into_owned()
    }
}

fn written(metric: &Compared) -> Metric<'_> {
    let change = metric.unit.difference(metric.before, metric.after);
    let finite = |(low, high): (f64, f64)| (low.is_finite() && high.is_finite()).then_some([low, high]);
    Metric {
        name: &metric.name,
        unit: match metric.unit {
            Unit::Micros => "microseconds",
            Unit::PerSecond => "per second",
            Unit::Bytes => "bytes",
            Unit::Share => "share",
        },
        better: if metric.more_is_better { "more" } else { "less" },
        before: metric.before,
        after: metric.after,
        // From nothing to something is no multiple of it.
        change: change.is_finite().then_some(change),
        interval: metric.interval.and_then(finite),
        result: match metric.change {
            Change::Better => "better",
            Change::Worse => "worse",
            Change::Unshown => "no difference shown",
            Change::Unjudged => "not judged",
        },
    }
}
