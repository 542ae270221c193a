//! The search for the largest load that keeps its limits: double, bisect, confirm. Pure: how a load is tried is the
//! caller's business.

/// The search ends when what is not known is less than this part of the load.
const PRECISION: f64 = 0.05;

/// How often a winner that is not confirmed steps back by a tenth.
const STEPS_BACK: u32 = 8;

/// What one try said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trial {
    /// The limits were kept.
    Kept,
    /// They were not, or the load could not be made.
    Broken,
    /// The search is to end now.
    Stop,
}

/// What is known in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// The largest load that kept the limits.
    pub load: Option<u64>,
    /// A last try of that load kept them too.
    pub confirmed: bool,
    /// It was to end before that was known.
    pub interrupted: bool,
}

/// Searches upwards from `first`, never beyond `most`. `attempt` is given a load and whether this is to confirm it.
pub fn search<E>(
    first: u64,
    most: u64,
    mut attempt: impl FnMut(u64, bool) -> Result<Trial, E>,
) -> Result<Found, E> {
    // One bad moment of the machine must not end the search far too early: only what fails twice has failed.
    let mut attempt = |load, confirm| match attempt(load, confirm)? {
        Trial::Broken => attempt(load, confirm),
        other => Ok(other),
    };
    let nothing = Found { load: None, confirmed: false, interrupted: false };
    let so_far = |good: u64| Found { load: (good > 0).then_some(good), confirmed: false, interrupted: true };
    let (mut good, mut bad) = (0, None);
    let mut load = first.clamp(1, most.max(1));
    loop {
        match attempt(load, false)? {
            Trial::Stop => return Ok(so_far(good)),
            Trial::Kept => good = load,
            Trial::Broken => bad = Some(load),
        }
        load = match bad {
            None if good >= most => break,
            None => good.saturating_mul(2).min(most),
            // Nothing kept the limits so far: the first guess was far too high.
            Some(bad) if good == 0 && bad == 1 => return Ok(nothing),
            Some(bad) if good == 0 => (bad / 4).max(1),
            Some(bad) if bad - good <= width(good) => break,
            Some(bad) => good + (bad - good) / 2,
        };
    }
    // A winner may have been lucky once: it steps back until a longer try keeps the limits too.
    let mut load = good;
    for _ in 0..STEPS_BACK {
        match attempt(load, true)? {
            Trial::Kept => return Ok(Found { load: Some(load), confirmed: true, interrupted: false }),
            Trial::Stop => return Ok(so_far(load)),
            Trial::Broken if load == 1 => break,
            Trial::Broken => load = (load - load / 10).max(1),
        }
    }
    Ok(nothing)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "loads are small"
)]
fn width(good: u64) -> u64 {
    ((good as f64 * PRECISION) as u64).max(1)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use proptest::prelude::*;

    use super::*;

    fn find(first: u64, most: u64, limit: u64) -> (Found, usize) {
        let mut tries = 0;
        let found = search::<Infallible>(first, most, |load, _| {
            tries += 1;
            assert!(load >= 1 && load <= most);
            Ok(if load <= limit { Trial::Kept } else { Trial::Broken })
        });
        let Ok(found) = found;
        (found, tries)
    }

    proptest! {
        #[test]
        fn the_limit_is_found_within_precision(first in 1u64..5000, limit in 1u64..100_000) {
            let (found, tries) = find(first, 1_000_000, limit);
            let load = found.load.unwrap();
            prop_assert!(found.confirmed && load <= limit && tries < 80);
            prop_assert!(limit - load <= width(load) , "{} of {}", load, limit);
        }
    }

    #[test]
    fn the_search_ends_where_nothing_or_everything_keeps_the_limits() {
        assert_eq!(find(100, 1000, 0).0, Found { load: None, confirmed: false, interrupted: false });
        let most = Found { load: Some(1000), confirmed: true, interrupted: false };
        assert_eq!(find(100, 1000, 5000).0, most);
        assert_eq!(find(5000, 1000, 5000).0, most, "the first guess is beyond what can be tried");
    }

    #[test]
    fn a_winner_that_is_not_confirmed_steps_back() {
        let Ok(found) = search::<Infallible>(10, 1000, |load, longer| {
            Ok(if load <= if longer { 90 } else { 100 } { Trial::Kept } else { Trial::Broken })
        });
        assert!(found.confirmed && found.load.unwrap() <= 90);
    }

    #[test]
    fn what_was_stopped_counts_neither_as_kept_nor_as_broken() {
        let until = |last: usize, limit: u64| {
            let mut tries = 0;
            let Ok(found) = search::<Infallible>(10, 1000, |load, _| {
                tries += 1;
                Ok(match load {
                    _ if tries > last => Trial::Stop,
                    load if load <= limit => Trial::Kept,
                    _ => Trial::Broken,
                })
            });
            found
        };
        let so_far = |load| Found { load, confirmed: false, interrupted: true };
        assert_eq!(until(0, 1000), so_far(None));
        assert_eq!(until(2, 1000), so_far(Some(20)));
        assert_eq!(until(2, 10), so_far(Some(10)), "what failed once was to be tried again");
        assert_eq!(until(2, 5), so_far(None), "smaller loads were to be tried");
        assert_eq!(until(8, 1000), so_far(Some(1000)), "it was to be confirmed");
    }
}
