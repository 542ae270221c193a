//! Is a difference more than noise: intervals of confidence for means and percentiles.

use hdrhistogram::Histogram;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng};

use crate::bench::timing::Timing;

/// How sure an interval is.
pub(super) const CONFIDENCE: f64 = 0.99;

/// Times that a run is put together anew from its own parts.
const RESAMPLES: usize = 400;

/// Parts of a run at most: neighbouring seconds resemble each other, so that a part holds several of them.
const PARTS: usize = 30;

/// A run of fewer parts says nothing about how its figures vary.
pub(super) const FEWEST_PARTS: usize = 5;

/// Fewer runs of a side say nothing about how runs differ: by two, the quantiles of Student's distribution make an interval
/// from nothing to a hundred times as much.
pub(super) const FEWEST_RUNS: usize = 3;

/// A figure and how far off it may be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Estimate {
    pub(super) value: f64,
    /// The standard error of `value`.
    pub(super) error: f64,
    /// Degrees of freedom of that error.
    pub(super) freedom: f64,
}

impl Estimate {
    /// The mean of several runs, which differ by what they differ by.
    pub(super) fn of_runs(values: &[f64]) -> Option<Self> {
        if values.len() < FEWEST_RUNS {
            return None;
        }
        let (mean, deviation) = mean_and_deviation(values);
        let number = number(values.len());
        Some(Self { value: mean, error: deviation / number.sqrt(), freedom: number - 1.0 })
    }
}

/// From where to where the difference `b - a` lies, by Welch.
pub(super) fn difference(a: Estimate, b: Estimate) -> (f64, f64) {
    let (va, vb) = (a.error.powi(2), b.error.powi(2));
    let middle = b.value - a.value;
    if va + vb <= 0.0 {
        return (middle, middle);
    }
    let freedom = (va + vb).powi(2) / (va.powi(2) / a.freedom + vb.powi(2) / b.freedom);
    let reach = t_quantile(0.5 + CONFIDENCE / 2.0, freedom) * (va + vb).sqrt();
    (middle - reach, middle + reach)
}

/// How much the logarithms of a run's percentiles vary, by putting it together anew from its own parts; the outer list is
/// by percentile. `None` where it has too few.
pub(super) fn percentile_errors(
    intervals: &[Timing],
    percents: &[f64],
    seed: u64,
) -> Option<Vec<(f64, f64)>> {
    let parts = parts(intervals);
    if parts.len() < FEWEST_PARTS {
        return None;
    }
    let mut random = StdRng::seed_from_u64(seed);
    let mut logs = vec![Vec::with_capacity(RESAMPLES); percents.len()];
    let mut values: Vec<u64> = parts.iter().flatten().map(|(value, _)| *value).collect();
    values.sort_unstable();
    values.dedup();
    // Counts by the place of their value, so that putting parts together is adding.
    let placed: Vec<Vec<(usize, u64)>> = parts
        .iter()
        .map(|part| {
            part.iter().map(|(value, count)| (values.partition_point(|v| v < value), *count)).collect()
        })
        .collect();
    let mut counts = vec![0_u64; values.len()];
    for _ in 0..RESAMPLES {
        counts.fill(0);
        for _ in 0..placed.len() {
            for (place, count) in &placed[random.random_range(0..placed.len())] {
                counts[*place] += count;
            }
        }
        for (log, percent) in logs.iter_mut().zip(percents) {
            log.push(number(at_percentile(&values, &counts, *percent)).ln());
        }
    }
    let parts = number(parts.len());
    // Putting together anew understates by as much as the parts are few.
    let correction = (parts / (parts - 1.0)).sqrt();
    Some(logs.iter().map(|log| (mean_and_deviation(log).1 * correction, parts - 1.0)).collect())
}

/// A run in parts of equally many intervals, each as its values and how often they were.
fn parts(intervals: &[Timing]) -> Vec<Vec<(u64, u64)>> {
    let size = intervals.len().div_ceil(PARTS).max(1);
    let whole = intervals.chunks(size).map(|chunk| {
        let mut all = Timing::new();
        for timing in chunk {
            all.merge(timing);
        }
        recorded(all.histogram())
    });
    whole.filter(|part| !part.is_empty()).collect()
}

fn recorded(histogram: &Histogram<u64>) -> Vec<(u64, u64)> {
    histogram.iter_recorded().map(|step| (step.value_iterated_to().max(1), step.count_at_value())).collect()
}

fn at_percentile(values: &[u64], counts: &[u64], percent: f64) -> usize {
    let total: u64 = counts.iter().sum();
    let wanted = (percent / 100.0 * number(usize::try_from(total).unwrap_or(usize::MAX))).max(1.0);
    let mut below = 0_u64;
    for (value, count) in values.iter().zip(counts) {
        below += count;
        if number(usize::try_from(below).unwrap_or(usize::MAX)) + 1e-9 >= wanted {
            return usize::try_from(*value).unwrap_or(usize::MAX);
        }
    }
    values.last().map_or(1, |value| usize::try_from(*value).unwrap_or(usize::MAX))
}

fn mean_and_deviation(values: &[f64]) -> (f64, f64) {
    let mean = values.iter().sum::<f64>() / number(values.len());
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (mean, (squares / (number(values.len()) - 1.0).max(1.0)).sqrt())
}

#[expect(clippy::cast_precision_loss, reason = "numbers of values and microseconds, far below 2^53")]
fn number(count: usize) -> f64 {
    count as f64
}

/// The quantile of Student's distribution, to four digits: by halving, on the integral of its density.
pub(super) fn t_quantile(probability: f64, freedom: f64) -> f64 {
    let freedom = freedom.max(1.0);
    let (mut low, mut high) = (0.0, 1000.0);
    for _ in 0..60 {
        let middle: f64 = f64::midpoint(low, high);
        if t_cumulative(middle, freedom) < probability { low = middle } else { high = middle }
    }
    f64::midpoint(low, high)
}

/// With `t = √ν·tan θ` the density is a power of cos θ, which Simpson's rule integrates without any constant.
fn t_cumulative(t: f64, freedom: f64) -> f64 {
    let integral = |end: f64| {
        const STEPS: u32 = 400;
        let step = end / f64::from(STEPS);
        let density = |at: f64| at.cos().max(0.0).powf(freedom - 1.0);
        let inner: f64 =
            (1..STEPS).map(|n| density(f64::from(n) * step) * if n % 2 == 1 { 4.0 } else { 2.0 }).sum();
        (density(0.0) + inner + density(end)) * step / 3.0
    };
    let end = (t / freedom.sqrt()).atan();
    0.5 + 0.5 * integral(end) / integral(std::f64::consts::FRAC_PI_2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn students_quantiles_are_those_of_the_tables() {
        for (freedom, expected) in
            [(1.0, 63.657), (2.0, 9.925), (4.0, 4.604), (10.0, 3.169), (30.0, 2.750), (1e4, 2.576)]
        {
            let found = t_quantile(0.995, freedom);
            assert!((found / expected - 1.0).abs() < 2e-3, "{freedom}: {found}");
        }
    }

    #[test]
    fn runs_that_vary_as_much_as_they_differ_show_nothing() {
        let a = Estimate::of_runs(&[1.0, 1.2, 0.9]).unwrap();
        let b = Estimate::of_runs(&[1.1, 1.3, 1.0]).unwrap();
        let (low, high) = difference(a, b);
        assert!(low < 0.0 && high > 0.0);
        let far = Estimate::of_runs(&[3.1, 3.3, 3.0]).unwrap();
        assert!(difference(a, far).0 > 0.5);
        assert_eq!((Estimate::of_runs(&[1.0]), Estimate::of_runs(&[1.0, 1.1])), (None, None));
    }

    #[test]
    fn a_steady_run_varies_less_than_an_unsteady_one() {
        let second = |middle: u64| Timing::of_micros((0..1000).map(|n| middle + n));
        let steady: Vec<Timing> = (0..20).map(|_| second(1000)).collect();
        let unsteady: Vec<Timing> = (0..20).map(|n| second(1000 + 300 * (n % 4))).collect();
        let error = |run: &[Timing]| percentile_errors(run, &[50.0, 99.0], 1).unwrap()[0].0;
        assert!(error(&steady) < 0.001 && error(&unsteady) > 0.02);
        assert!(percentile_errors(&steady[..3], &[50.0], 1).is_none());
    }
}
