use proptest::prelude::*;

use super::*;

fn load(rate: f64, seconds: f64, warm_up: f64, ramp: Ramp) -> Load {
    Load { rate, seconds, warm_up, ramp, limit: None, jobs: 7, milestones: 0.1 }
}

#[test]
fn a_flat_rate_is_evenly_spaced_and_begins_with_the_warm_up() {
    let plan = Plan::new(&load(100.0, 10.0, 2.0, Ramp::Flat));
    assert_eq!((plan.measured_from, plan.events), (200, 1200));
    assert_eq!((plan.due(0), plan.due(1), plan.due(200)), (0, 10_000_000, 2_000_000_000));
    assert_eq!((plan.measured_at(), plan.length()), (2_000_000_000, 12_000_000_000));
    assert_eq!(
        (plan.first_due_at(0), plan.first_due_at(10_000_001), plan.first_due_at(u64::MAX)),
        (0, 2, 1200)
    );
}

#[test]
fn ramps_rise() {
    let linear = Plan::new(&load(1000.0, 10.0, 0.0, Ramp::Linear));
    assert_eq!(linear.events, 5000);
    // A quarter of the events in the first half of the time.
    assert_eq!(linear.first_due_at(5_000_000_000), 1250);
    let steps = Plan::new(&load(1000.0, 10.0, 0.0, Ramp::Steps(2)));
    assert_eq!((steps.events, steps.first_due_at(5_000_000_000)), (7500, 2500));
    let none = Plan::new(&load(0.0, 10.0, 0.0, Ramp::Flat));
    assert_eq!((none.events, none.length(), none.due(0)), (0, 10_000_000_000, 0));
}

#[test]
fn a_number_of_events_ends_it_earlier() {
    let limited = Load { limit: Some(50), ..load(100.0, 10.0, 1.0, Ramp::Flat) };
    let plan = Plan::new(&limited);
    assert_eq!((plan.events, plan.length()), (150, 1_500_000_000));
}

#[test]
fn milestones_are_a_share_of_the_events_of_each_job() {
    let plan = Plan::new(&load(100.0, 10.0, 0.0, Ramp::Flat));
    assert_eq!((0..30).filter(|nth| !plan.is_conflatable(*nth)).collect::<Vec<_>>(), [9, 19, 29]);
    let of = |milestones| Plan::new(&Load { milestones, ..load(1.0, 1.0, 0.0, Ramp::Flat) });
    assert!((0..30).all(|nth| of(0.0).is_conflatable(nth)));
    assert!((0..30).all(|nth| !of(1.0).is_conflatable(nth)));
    for (percent, milestones) in
        [(1_u32, 10), (30, 300), (41, 410), (50, 500), (66, 660), (70, 700), (99, 990)]
    {
        let plan = of(f64::from(percent) / 100.0);
        let all = |from: u64| (from..from + 1000).filter(|nth| !plan.is_conflatable(*nth)).count();
        assert_eq!((all(0), all(123_456_789_000)), (milestones, milestones), "{percent} %");
    }
}

proptest! {
    #[test]
    fn events_are_due_in_order(
        rate in 0.0f64..5000.0, seconds in 0.1f64..20.0, warm_up in 0.0f64..3.0, steps in 0u32..6, at: u64,
    ) {
        let ramp = match steps { 0 => Ramp::Flat, 1 => Ramp::Linear, n => Ramp::Steps(n) };
        let plan = Plan::new(&load(rate, seconds, warm_up, ramp));
        let dues: Vec<u64> = (0..plan.events).step_by(97).map(|seq| plan.due(seq)).collect();
        prop_assert!(dues.is_sorted());
        prop_assert!(dues.iter().all(|due| *due <= plan.length()));
        let at = at % (plan.length() + 1);
        let first = plan.first_due_at(at);
        prop_assert!(first == plan.events || plan.due(first) >= at);
        prop_assert!(first == 0 || plan.due(first - 1) < at);
        if first < plan.events {
            let (job, nth) = (plan.job(first), plan.nth(first));
            prop_assert_eq!(plan.nth_from(job, first), nth);
            prop_assert_eq!(plan.nth_from(job, first + 1), nth + 1);
        }
    }

    #[test]
    fn milestones_come_as_evenly_as_they_can(share in 0.0f64..=1.0, from in 0u64..u64::MAX / 2, length in 1u32..2000) {
        let plan = Plan::new(&Load { milestones: share, ..load(1.0, 1.0, 0.0, Ramp::Flat) });
        let count = (from..from + u64::from(length)).filter(|nth| !plan.is_conflatable(*nth)).count();
        prop_assert!((as_f64(count as u64) - f64::from(length) * share).abs() < 1.01, "{count} of {length}");
    }

    #[test]
    fn a_share_is_spread_over_all(all in 1u64..2000, share in 0.0f64..=1.0) {
        let part = part_of(all, share);
        prop_assert_eq!((0..all).filter(|nth| chosen(*nth, all, part)).count() as u64, part);
    }
}
