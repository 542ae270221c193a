//! A histogram that a person can read: a handful of rows between round bounds.

use crate::bench::timing::{MAX_MICROS, Timing};

/// One row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bucket {
    /// Its lower bound in microseconds, which belongs to it.
    pub(super) from: u64,
    /// Its upper bound, which does not.
    pub(super) to: u64,
    /// How many durations lie in it.
    pub(super) count: u64,
}

/// Bounds within a factor of ten, from the coarsest to the finest.
const STEPS: [&[u64]; 5] = [
    &[10, 100],
    &[10, 30],
    &[10, 20, 50],
    &[10, 15, 20, 30, 50, 70],
    &[10, 12, 15, 20, 25, 30, 40, 50, 60, 80],
];

/// At most `rows` rows (at least 3) that cover all durations; the rows without any between them are there too. None
/// where there are no durations.
pub(super) fn buckets(timing: &Timing, rows: usize) -> Vec<Bucket> {
    if timing.is_empty() {
        return Vec::new();
    }
    // A step of the histogram counts where it begins.
    let begin = |micros| timing.histogram().lowest_equivalent(micros);
    let (min, max) = (begin(timing.min_micros()), begin(timing.max_micros()));
    let even = even_bounds(min, max, rows);
    let bounds = if max / min.max(1) < 8 {
        even
    } else {
        let growing = |steps: &&[u64]| growing_bounds(min, max, steps);
        let finest = STEPS.iter().rev().map(growing).find(|bounds| bounds.len() <= rows + 1);
        finest.unwrap_or(even)
    };
    fill(timing, &bounds)
}

/// Bounds that grow with the values.
fn growing_bounds(min: u64, max: u64, steps: &[u64]) -> Vec<u64> {
    let mut bounds = Vec::new();
    // Steps are in tenths, so that 1.5 is a whole number; the bounds that were rounded down to one are not repeated.
    let mut scale = 1;
    while scale <= MAX_MICROS {
        for step in steps.iter().filter(|step| **step < 100) {
            let bound = scale * step / 10;
            if bounds.last() != Some(&bound) {
                bounds.push(bound);
            }
        }
        scale *= if steps.contains(&100) { 100 } else { 10 };
    }
    bounds.push(scale);
    let first = bounds.partition_point(|bound| *bound <= min).saturating_sub(1);
    let last = bounds.partition_point(|bound| *bound <= max);
    bounds[first..=last.min(bounds.len() - 1)].to_vec()
}

/// Bounds at equal distances of 1, 2 or 5 times a power of ten.
fn even_bounds(min: u64, max: u64, rows: usize) -> Vec<u64> {
    let rows = rows.max(3) as u64;
    let mut scale = 1;
    loop {
        for step in [scale, 2 * scale, 5 * scale] {
            let (first, last) = (min / step, max / step);
            if last - first < rows {
                return (first..=last + 1).map(|n| n * step).collect();
            }
        }
        scale *= 10;
    }
}

fn fill(timing: &Timing, bounds: &[u64]) -> Vec<Bucket> {
    let mut rows: Vec<Bucket> =
        bounds.windows(2).map(|pair| Bucket { from: pair[0], to: pair[1], count: 0 }).collect();
    for step in timing.histogram().iter_recorded() {
        let value = timing.histogram().lowest_equivalent(step.value_iterated_to());
        let at = rows.partition_point(|row| row.to <= value).min(rows.len() - 1);
        rows[at].count += step.count_at_value();
    }
    rows
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_narrow_distribution_has_even_rows_and_a_wide_one_growing_ones() {
        let narrow = buckets(&Timing::of_micros(400..600), 12);
        assert_eq!(narrow[0], Bucket { from: 400, to: 420, count: 20 });
        assert_eq!(narrow.len(), 10);
        let wide = buckets(&Timing::of_micros([120, 130, 900, 45_000]), 12);
        let bounds: Vec<u64> = wide.iter().map(|row| row.from).collect();
        assert_eq!(bounds, [100, 200, 500, 1000, 2000, 5000, 10_000, 20_000]);
        assert_eq!(wide[0].count, 2);
        assert_eq!(buckets(&Timing::new(), 12), []);
        assert_eq!(buckets(&Timing::of_micros([7]), 12), [Bucket { from: 7, to: 8, count: 1 }]);
    }

    proptest! {
        #[test]
        fn every_duration_is_in_a_row(micros in proptest::collection::vec(0..70_000_000_u64, 1..50), rows in 3..20_usize) {
            let timing = Timing::of_micros(micros.iter().copied());
            let found = buckets(&timing, rows);
            prop_assert!(found.len() <= rows, "{} rows", found.len());
            prop_assert_eq!(found.iter().map(|row| row.count).sum::<u64>(), timing.count());
            prop_assert!(found.windows(2).all(|pair| pair[0].to == pair[1].from));
            prop_assert!(found[0].from <= timing.min_micros());
            prop_assert!(found[0].count > 0 && found[found.len() - 1].count > 0);
        }
    }
}
