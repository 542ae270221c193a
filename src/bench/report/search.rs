//! A search for the largest load, in the words that all reports share.

use super::figures::{count, counted, printable, seconds};
use crate::bench::summary::{Find, Mode};

/// `Search for the most connections within lost==0`.
pub(super) fn searched(find: &Find) -> String {
    let most = if find.of == "rate" { "highest" } else { "most" };
    format!("Search for the {most} {} within {}", find.of, find.within)
}

/// What heads the columns of its probes: the load has no head.
pub(super) const fn head(mode: Mode) -> [&'static str; 4] {
    ["", if matches!(mode, Mode::Connect) { "took" } else { "held for" }, "kept", "values"]
}

/// Its probes, a row each; what came from outside is printable.
pub(super) fn rows(find: &Find) -> impl Iterator<Item = [String; 4]> + '_ {
    find.probes.iter().map(|probe| {
        let values = probe.assertions.iter().map(|one| format!("{} {}", one.metric, one.value));
        let values = printable(&values.collect::<Vec<_>>().join(", "));
        [count(probe.load), seconds(probe.seconds), probe.outcome().to_owned(), values]
    })
}

/// What it came to.
pub(super) fn found(find: &Find) -> String {
    let amount = |load| match find.of.as_str() {
        "rate" => format!("{}/s", count(load)),
        "connections" => counted(load, "connection"),
        of => format!("{} {}", count(load), printable(of)),
    };
    if find.interrupted {
        return match find.found {
            Some(load) => format!("interrupted: {} kept so far", amount(load)),
            None => "interrupted before any load was known to be kept".to_owned(),
        };
    }
    let by = if find.longer { "a longer run" } else { "a second run" };
    match (find.found, &find.ceiling) {
        (Some(load), Some(ceiling)) => {
            format!("found: at least {}: {}; confirmed by {by}", amount(load), ceiling.of.as_str())
        }
        (Some(load), None) if find.confirmed => format!("found: {}, confirmed by {by}", amount(load)),
        (Some(load), None) => format!("found: {}, not confirmed by {by}", amount(load)),
        (None, _) if find.probes.iter().any(|probe| probe.passed) => {
            "found: none, no load that kept the limits could be confirmed".to_owned()
        }
        (None, _) => "found: none, not even the smallest load kept the limits".to_owned(),
    }
}

/// Result of a search, the first line of its report:
/// `found: 1,500 connections, confirmed by a longer run; within lost==0`.
pub(super) fn answer(find: &Find) -> String {
    format!("{}; within {}", found(find), printable(&find.within))
}

/// How to search further, where this client was the limit.
pub(super) fn further(find: &Find) -> Option<String> {
    let hint = find.ceiling.as_ref()?.hint.as_ref()?;
    Some(format!("to go further, {}", printable(hint)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::summary::{Ceiling, CeilingOf, Probe};

    fn of(of: &str, load: Option<u64>) -> Find {
        Find { of: of.into(), found: load, confirmed: load.is_some(), longer: true, ..Find::default() }
    }

    #[test]
    fn what_was_found_is_said_with_what_it_is_worth() {
        let largest = of("connections", Some(1500));
        assert_eq!(found(&largest), "found: 1,500 connections, confirmed by a longer run");
        let second = Find { longer: false, ..of("rate", Some(1500)) };
        assert_eq!(found(&second), "found: 1,500/s, confirmed by a second run");
        assert_eq!(found(&of("connections", Some(1))), "found: 1 connection, confirmed by a longer run");
        let none = of("rate", None);
        assert_eq!(found(&none), "found: none, not even the smallest load kept the limits");
        let once = Find { probes: vec![Probe { passed: true, ..Probe::default() }], ..none };
        assert_eq!(found(&once), "found: none, no load that kept the limits could be confirmed");
    }

    #[test]
    fn an_interrupted_search_found_what_was_kept_so_far() {
        let so_far = |load| Find { interrupted: true, confirmed: false, ..of("connections", load) };
        assert_eq!(found(&so_far(Some(100))), "interrupted: 100 connections kept so far");
        assert_eq!(found(&so_far(None)), "interrupted before any load was known to be kept");
        let probe = Probe { interrupted: true, client_bound: true, ..Probe::default() };
        assert_eq!(probe.outcome(), "interrupted");
    }

    #[test]
    fn a_ceiling_is_no_capacity_of_the_server() {
        let capped = |what: &str, load, of: CeilingOf, hint: Option<&str>| Find {
            ceiling: Some(Ceiling { load, of, hint: hint.map(str::to_owned) }),
            ..self::of(what, Some(load))
        };
        let descriptors = capped("connections", 172, CeilingOf::Descriptors, Some("raise them"));
        assert_eq!(
            found(&descriptors),
            "found: at least 172 connections: this client can hold no more (its descriptors); confirmed by a longer run"
        );
        assert_eq!(further(&descriptors).as_deref(), Some("to go further, raise them"));
        let ports = found(&capped("connections", 28_000, CeilingOf::Ports, None));
        assert!(ports.contains("at least 28,000 connections: this client can hold no more (its ports)"));
        let search = capped("rate", 10_000_000, CeilingOf::Search, None);
        assert!(found(&search).starts_with("found: at least 10,000,000/s: no search goes further"));
        assert_eq!(further(&search), None);
    }
}
