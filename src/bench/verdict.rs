//! Demands on a run: `metric op value[unit]`, as in `delivery.p99<50ms`, `lost==0` or `connect.failed<0.1%`.

mod metrics;
mod reading;

use super::numbers::as_f64;
use super::summary::{Assertion, Summary, Verdict};
use super::timing::MAX_MICROS;
use crate::dialect::with_nearest;

use self::metrics::{Unit, meant, measure, split};
pub use self::metrics::{counted, metrics, numbers, others, parts, timings};
use self::reading::read;

/// A demand that was understood.
#[derive(Debug, Clone, PartialEq)]
pub struct Demand {
    text: String,
    metric: String,
    op: Op,
    /// In the metric's own unit: microseconds, bytes, a count, or with `%` a share of 1.
    limit: f64,
    unit: Unit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Op {
    Less,
    AtMost,
    More,
    AtLeast,
    Equal,
    Not,
}

/// The longer ones first, since `<` begins `<=`.
const OPS: [(&str, Op); 7] = [
    ("<=", Op::AtMost),
    (">=", Op::AtLeast),
    ("==", Op::Equal),
    ("!=", Op::Not),
    ("<", Op::Less),
    (">", Op::More),
    ("=", Op::Equal),
];

impl Demand {
    /// Reads a demand; the error says what is wrong and what is near.
    pub fn parse(text: &str) -> Result<Self, String> {
        let plain: String = text.split_whitespace().collect();
        let (at, sign, op) = OPS
            .iter()
            .filter_map(|(sign, op)| Some((plain.find(sign)?, *sign, *op)))
            .min_by_key(|(at, sign, _)| (*at, usize::MAX - sign.len()))
            .ok_or_else(|| {
                let shown = text.escape_debug();
                format!("an assertion is METRIC OP VALUE, as in delivery.p99<50ms or lost==0; got '{shown}'")
            })?;
        let (metric, value) = (&plain[..at], &plain[at + sign.len()..]);
        let measure = measure(metric).ok_or_else(|| {
            let known = metrics();
            let shown = metric.escape_debug().to_string();
            let message = format!("there is no metric '{shown}'");
            let message = match meant(metric) {
                Some(meant) => format!("{message}; did you mean '{meant}'?"),
                None => with_nearest(&message, metric, known.iter().map(String::as_str)),
            };
            format!("{message} (jobwire bench --help names all, and jobwire-bench(1) says what they are)")
        })?;
        let digits = value.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(value.len());
        let number: f64 =
            value[..digits].parse().map_err(|_| format!("'{}' is no number", value.escape_debug()))?;
        // A Greek mu looks the same.
        let unit = value[digits..].to_lowercase().replace('\u{3bc}', "\u{b5}");
        let known = measure.units();
        let unit = *known.iter().find(|(name, _)| *name == unit).ok_or_else(|| {
            let names: Vec<&str> =
                known.iter().map(|(name, _)| *name).filter(|name| !name.is_empty()).collect();
            if unit.is_empty() {
                return format!("{metric} needs a unit: {}", names.join(", "));
            }
            let shown = unit.escape_debug();
            format!("{metric} is not measured in '{shown}'; its units are {}", names.join(", "))
        })?;
        let limit = number * unit.1;
        if split(metric).is_some() && limit > as_f64(MAX_MICROS) {
            let longest = MAX_MICROS / 1_000_000;
            return Err(format!(
                "{metric} is never beyond {longest}s, since longer durations count as that; {value} says \
                 nothing"
            ));
        }
        Ok(Self { text: plain.clone(), metric: metric.to_owned(), op, limit, unit })
    }

    /// What it is about.
    pub fn metric(&self) -> &str {
        &self.metric
    }

    /// Several demands, separated by commas.
    pub fn parse_all(text: &str) -> Result<Vec<Self>, String> {
        text.split(',').map(Self::parse).collect()
    }

    /// Holds a result against it. What was not measured does not hold.
    pub fn check(&self, summary: &Summary) -> Assertion {
        let reading = read(summary, &self.metric).map(|reading| match self.unit.0 {
            "%" => reading.value / reading.whole,
            _ => reading.value,
        });
        // In the limit's unit, so that 0.1 + 0.2 is not held against 0.3.
        let passed = reading.is_some_and(|value| {
            let (value, limit) = (value / self.unit.1, self.limit / self.unit.1);
            let equal = is_same(value, limit);
            match self.op {
                Op::Less => value < limit && !equal,
                Op::AtMost => value < limit || equal,
                Op::More => value > limit && !equal,
                Op::AtLeast => value > limit || equal,
                Op::Equal => equal,
                Op::Not => !equal,
            }
        });
        let shown = |number: &str| format!("{number}{}", self.unit.0);
        let limit = exact(self.limit / self.unit.1);
        let value = reading.map(|value| shown(&apart(value / self.unit.1, self.limit / self.unit.1)));
        Assertion {
            text: self.text.clone(),
            metric: self.metric.clone(),
            limit: shown(&limit),
            value: value.unwrap_or_else(|| "none".to_owned()),
            passed,
        }
    }
}

/// Whether a value and a limit are apart by no more than rounding makes of them; counts up to 10^12 are told apart.
fn is_same(value: f64, limit: f64) -> bool {
    (value - limit).abs() <= 1e-9_f64.max(limit.abs() * 1e-13)
}

/// With so many decimals, without zeros that say nothing.
fn rounded(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// As it was given.
fn exact(limit: f64) -> String {
    rounded(limit, 9)
}

/// Three decimals, and as many more as it takes to tell a value from 0 and from its limit.
fn apart(value: f64, limit: f64) -> String {
    let is_told = |decimals: &usize| {
        let text = rounded(value, *decimals);
        (text != rounded(limit, *decimals) || is_same(value, limit))
            && (text.trim_start_matches('-') != "0" || value.abs() < 1e-9)
    };
    rounded(value, (3..9).find(is_told).unwrap_or(9))
}

/// Holds a result against all demands and against the client's own limits.
pub fn judge(summary: &Summary, demands: &[Demand], allow_client_bound: bool) -> Verdict {
    let assertions: Vec<Assertion> = demands.iter().map(|demand| demand.check(summary)).collect();
    Verdict {
        passed: assertions.iter().all(|assertion| assertion.passed),
        assertions,
        client_bound: !summary.client.bound.is_empty(),
        client_bound_allowed: allow_client_bound,
        unclean: unclean(summary, demands),
    }
}

/// Failed connections beyond this share make a run another one than was asked for.
const CLEAN: f64 = 0.01;

/// Why a run is not the one that was asked for, unless a demand speaks about that itself.
fn unclean(summary: &Summary, demands: &[Demand]) -> Option<String> {
    let connections = &summary.connections;
    let share = as_f64(connections.failed) / as_f64(connections.attempts.max(1));
    let is_demanded = demands.iter().any(|demand| demand.metric == "connect.failed");
    (share > CLEAN && !is_demanded).then(|| {
        let (failed, attempts) = (connections.failed, connections.attempts);
        format!("{}% of the connections failed: {failed} of {attempts}", rounded(share * 100.0, 1))
    })
}

#[cfg(test)]
mod tests;
