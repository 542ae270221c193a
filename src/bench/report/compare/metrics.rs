//! What is compared, and from which of its figures the noise is known.

use super::statistics::{Estimate, difference, percentile_errors};
use super::{Change, Compared};
use crate::bench::numbers::as_f64;
use crate::bench::report::figures::{bytes, duration, rate, share};
use crate::bench::report::timings;
use crate::bench::summary::{Cohort, Summary};
use crate::bench::timing::Timing;

/// The percentiles that are judged.
const JUDGED: [(&str, f64); 3] = [("50 %", 50.0), ("99 %", 99.0), ("99.9 %", 99.9)];

/// Two steps of a histogram of three digits: a smaller change is none.
const RESOLUTION: f64 = 0.002;

/// How a metric is written, and what a change of it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Micros,
    PerSecond,
    Bytes,
    /// 0 to 1; its changes are differences.
    Share,
}

impl Unit {
    pub(super) fn value(self, value: f64) -> String {
        match self {
            Self::Micros => duration(value),
            Self::PerSecond => rate(value),
            Self::Bytes => bytes(value),
            Self::Share => share(value),
        }
    }

    /// The change from one to the other: relative, or the difference of shares.
    pub(super) fn difference(self, before: f64, after: f64) -> f64 {
        match self {
            Self::Share => after - before,
            // From nothing to nothing.
            _ if before.abs() + after.abs() <= 0.0 => 0.0,
            _ => after / before - 1.0,
        }
    }

    pub(super) fn change(self, change: f64) -> String {
        let percent = change * 100.0;
        let digits = match percent.abs() {
            p if p >= 9.95 => 0,
            p if p >= 0.1 || p == 0.0 => 1,
            _ => 3,
        };
        let unit = if self == Self::Share { "pts" } else { "%" };
        if percent.is_finite() && percent < 1e5 {
            format!("{percent:+.digits$} {unit}")
        } else {
            ">+100000 %".to_owned()
        }
    }
}

/// One metric of all runs of both sides.
#[derive(Debug)]
pub(super) struct Metric {
    name: String,
    unit: Unit,
    more_is_better: bool,
    before: Side,
    after: Side,
}

#[derive(Debug)]
struct Side {
    values: Vec<f64>,
    /// Of a single run: the standard error of the logarithm, and its degrees of freedom.
    within: Option<(f64, f64)>,
}

impl Side {
    /// In the scale in which values are compared.
    fn estimate(&self, unit: Unit) -> Option<Estimate> {
        let scaled: Vec<f64> =
            self.values.iter().map(|value| if unit == Unit::Share { *value } else { value.ln() }).collect();
        if scaled.iter().any(|value| !value.is_finite()) {
            return None;
        }
        let of_one = || self.within.map(|(error, freedom)| Estimate { value: scaled[0], error, freedom });
        let mut found = Estimate::of_runs(&scaled).or_else(of_one)?;
        if unit == Unit::Micros {
            // Runs that agree to the step of a histogram need not be as alike as that.
            let runs = as_f64(scaled.len() as u64);
            found.error = found.error.max(RESOLUTION / 12_f64.sqrt() / runs.sqrt());
        }
        Some(found)
    }

    /// Of all runs: the geometric mean, or the mean of shares.
    fn value(&self, unit: Unit) -> f64 {
        let number = as_f64(self.values.len() as u64);
        if unit == Unit::Share || self.values.iter().any(|value| *value <= 0.0) {
            self.values.iter().sum::<f64>() / number
        } else {
            (self.values.iter().map(|value| value.ln()).sum::<f64>() / number).exp()
        }
    }
}

impl Metric {
    pub(super) fn compare(&self) -> Compared {
        let unit = self.unit;
        let (before, after) = (self.before.value(unit), self.after.value(unit));
        let interval = self.before.estimate(unit).zip(self.after.estimate(unit)).map(|(a, b)| {
            let (low, high) = difference(a, b);
            if unit == Unit::Share { (low, high) } else { (low.exp() - 1.0, high.exp() - 1.0) }
        });
        // What the figures cannot resolve is no change: a step of the histogram, a microsecond.
        let step = match unit {
            Unit::Share => 0.0,
            Unit::Micros => RESOLUTION.max(1.0 / before.max(1.0)),
            _ => RESOLUTION,
        };
        let change = match interval {
            None if (before - after).abs() <= 0.0 => Change::Unshown,
            None => Change::Unjudged,
            Some((low, _)) if low > step => self.direction(true),
            Some((_, high)) if high < -step => self.direction(false),
            Some(_) => Change::Unshown,
        };
        Compared {
            name: self.name.clone(),
            change,
            more_is_better: self.more_is_better,
            before,
            after,
            interval,
            unit,
        }
    }

    const fn direction(&self, more: bool) -> Change {
        if self.more_is_better == more { Change::Better } else { Change::Worse }
    }
}

/// Every metric that all runs of both sides have.
pub(super) fn all(before: &[Summary], after: &[Summary]) -> Vec<Metric> {
    let mut found = Vec::new();
    timed(&mut found, before, after);
    let mut add = |name: &str, unit, more_is_better, of: &dyn Fn(&Summary) -> Option<f64>| {
        let side = |runs: &[Summary]| {
            let values: Option<Vec<f64>> = runs.iter().map(of).collect();
            Some(Side { values: values?, within: None })
        };
        if let (Some(before), Some(after)) = (side(before), side(after)) {
            found.push(Metric { name: name.to_owned(), unit, more_is_better, before, after });
        }
    };
    let part = |part: u64, whole: u64| (whole > 0).then(|| as_f64(part) / as_f64(whole));
    let of_healthy = |count: fn(&Cohort) -> u64| {
        move |run: &Summary| run.healthy().and_then(|cohort| part(count(cohort), cohort.expected))
    };
    add("deliveries lost", Unit::Share, false, &of_healthy(|cohort| cohort.lost));
    add("deliveries duplicated", Unit::Share, false, &of_healthy(|cohort| cohort.duplicated));
    add("deliveries reordered", Unit::Share, false, &of_healthy(|cohort| cohort.reordered));
    add("connections failed", Unit::Share, false, &|run| {
        part(run.connections.failed, run.connections.attempts)
    });
    add("connections ended early", Unit::Share, false, &|run| {
        part(run.connections.closed_early_count(), run.connections.opened)
    });
    add("connections opened", Unit::PerSecond, true, &|run| {
        (run.connections.rate > 0.0).then_some(run.connections.rate)
    });
    add("round trips lost", Unit::Share, false, &|run| {
        run.round_trip.as_ref().and_then(|trip| part(trip.lost, trip.received + trip.lost))
    });
    add("server's memory a connection", Unit::Bytes, false, &|run| {
        run.server.as_ref().map(|server| server.rss_per_connection_bytes).filter(|bytes| *bytes > 0.0)
    });
    add("server's CPU a delivery", Unit::Micros, false, &|run| run.server.as_ref()?.cpu_per_delivery_micros);
    found
}

/// The percentiles of every kind of timing; how unsteady a single run was is known of its main kind alone, whose
/// histograms the intervals hold.
fn timed(found: &mut Vec<Metric>, before: &[Summary], after: &[Summary]) {
    let main = timings::main(&before[0]).name;
    let within = |runs: &[Summary]| -> Option<Vec<(f64, f64)>> {
        let [run] = runs else { return None };
        let measured = run.intervals.iter().filter(|interval| !interval.warm_up && !interval.hdr.is_empty());
        let intervals: Vec<Timing> =
            measured.filter_map(|interval| Timing::decode(&interval.hdr).ok()).collect();
        percentile_errors(&intervals, &JUDGED.map(|(_, percent)| percent), 1)
    };
    let (within_before, within_after) = (within(before), within(after));
    for named in timings::of_server(&before[0]) {
        let find = |run: &Summary| {
            let found = timings::of_server(run).into_iter().find(|other| other.name == named.name);
            found.map(|found| found.timing.clone())
        };
        let timings = |runs: &[Summary]| runs.iter().map(find).collect::<Option<Vec<Timing>>>();
        let (Some(old), Some(new)) = (timings(before), timings(after)) else { continue };
        for (at, (label, percent)) in JUDGED.into_iter().enumerate() {
            // Fewer than ten durations above it, and it is one of them.
            let enough = |timing: &Timing| as_f64(timing.count()) * (1.0 - percent / 100.0) >= 10.0;
            if !old.iter().chain(&new).all(enough) {
                continue;
            }
            let side = |timings: &[Timing], within: &Option<Vec<(f64, f64)>>| Side {
                values: timings.iter().map(|timing| as_f64(timing.micros_at(percent))).collect(),
                within: within.as_ref().filter(|_| named.name == main).map(|all| all[at]),
            };
            let name = format!(
                "{} {label}",
                if named.part { format!("connect time: {}", named.name) } else { named.name.clone() }
            );
            found.push(Metric {
                name,
                unit: Unit::Micros,
                more_is_better: false,
                before: side(&old, &within_before),
                after: side(&new, &within_after),
            });
        }
    }
}
