use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

/// Every tenth is a milestone.
fn conflatable(nth: u64) -> bool {
    nth % 10 != 9
}

impl<F: Fn(u64) -> bool> Course for F {
    fn is_conflatable(&self, nth: u64) -> bool {
        self(nth)
    }

    fn is_unpublished(&self, _: u64) -> bool {
        false
    }
}

/// Milestones, of which every third could not be published.
struct Refused;

impl Course for Refused {
    fn is_conflatable(&self, _: u64) -> bool {
        false
    }

    fn is_unpublished(&self, nth: u64) -> bool {
        nth.is_multiple_of(3)
    }
}

fn play(from: u64, until: u64, events: &[u64]) -> Tally {
    let mut account = Account::starting(from);
    for &nth in events {
        account.arrived(nth, &conflatable);
    }
    account.close(until, &conflatable)
}

#[test]
fn loss_and_conflation_are_told_apart() {
    // 3 was replaced by 4; 9 is a milestone; 18 is the newest there is.
    let events: Vec<u64> = (0..19).filter(|nth| ![3, 9, 18].contains(nth)).collect();
    let tally = play(0, 19, &events);
    let expected = Tally { expected: 19, received: 16, lost: 2, conflated: 1, ..Tally::default() };
    assert_eq!(tally, expected);
}

#[test]
fn what_could_not_be_published_is_expected_only_if_it_comes() {
    let mut account = Account::starting(0);
    // 3 was refused and came all the same, 7 is missing.
    for nth in [1, 2, 3, 4, 5, 8] {
        account.arrived(nth, &Refused);
    }
    let tally = account.close(10, &Refused);
    assert_eq!((tally.expected, tally.received, tally.lost), (7, 6, 1));
}

#[test]
fn what_was_published_before_is_no_repetition() {
    let mut account = Account::starting(5);
    assert_eq!(account.arrived(2, &conflatable), Arrival::Before);
    assert_eq!(account.arrived(5, &conflatable), Arrival::New);
    assert_eq!(account.arrived(5, &conflatable), Arrival::Again);
    assert_eq!(account.close(6, &conflatable).expected, 1);
}

#[test]
fn what_comes_after_the_end_counts_only_if_it_comes() {
    let tally = play(0, 5, &[0, 1, 2, 3, 4, 6]);
    assert_eq!((tally.expected, tally.received, tally.lost + tally.conflated), (6, 6, 0));
}

#[test]
fn memory_is_bounded() {
    let every_other: Vec<u64> = (0..30_000).map(|nth| nth * 2).collect();
    let mut account = Account::starting(0);
    for nth in every_other {
        account.arrived(nth, &|_| false);
    }
    assert_eq!(account.gaps.len(), MAX_GAPS);
    let tally = account.close(59_999, &|_| false);
    assert_eq!((tally.received, tally.lost), (30_000, 29_999));
}

proptest! {
    #[test]
    fn every_event_is_counted_once(from in 0u64..50, events in proptest::collection::vec(0u64..200, 0..300)) {
        let until = 200;
        let tally = play(from, until, &events);
        let came: BTreeSet<u64> = events.iter().copied().filter(|nth| *nth >= from).collect();
        let again = events.iter().filter(|nth| **nth >= from).count() - came.len();
        let newest = came.iter().rev().copied().find(|nth| conflatable(*nth));
        let replaced = |nth: u64| conflatable(nth) && newest.is_some_and(|newest| newest > nth);
        let missing = (from..until).filter(|nth| !came.contains(nth));
        let (conflated, lost): (Vec<u64>, Vec<u64>) = missing.partition(|nth| replaced(*nth));
        prop_assert_eq!(tally.expected, until - from);
        prop_assert_eq!(tally.received, came.len() as u64);
        prop_assert_eq!(tally.duplicated, again as u64);
        prop_assert_eq!(tally.conflated, conflated.len() as u64);
        prop_assert_eq!(tally.lost, lost.len() as u64);
        prop_assert_eq!(tally.expected, tally.received + tally.conflated + tally.lost);
    }
}
