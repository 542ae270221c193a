//! Restriction of a token to some targets by its claim `watch`, a list of target patterns.

/// Whether a pattern of the claim `watch` can match any target. Valid forms are `DIALECT/JOB`, `DIALECT/*`, `channel:NAME`,
/// `room:KIND:ID` and `*`.
pub(crate) fn covers_anything(pattern: &str) -> bool {
    let of_room = |room: &str| {
        room == "*" || room.split_once(':').is_some_and(|(kind, id)| !kind.is_empty() && !id.is_empty())
    };
    if let Some(name) = pattern.strip_prefix("channel:") {
        return !name.is_empty();
    }
    if let Some(room) = pattern.strip_prefix("room:") {
        return of_room(room);
    }
    pattern == "*"
        || pattern.split_once('/').is_some_and(|(of, which)| !of.is_empty() && of != "*" && !which.is_empty())
}

/// Targets that a token may watch, among those that its owner may watch anyway.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Grant(
    /// Target patterns; `None` allows all targets.
    Option<Box<[Box<str>]>>,
);

impl Grant {
    /// Makes a grant for the targets that match the patterns; `None` allows all targets.
    pub(crate) fn new(patterns: Option<Vec<String>>) -> Self {
        Self(patterns.map(|patterns| patterns.into_iter().map(String::into_boxed_str).collect()))
    }

    /// Whether the grant covers a job, by `DIALECT/JOB`, `DIALECT/*` or `*`.
    pub(crate) fn covers_job(&self, dialect: &str, job: &str) -> bool {
        self.any(|pattern| match pattern.split_once('/') {
            Some((of, which)) => of == dialect && (which == "*" || which == job),
            None => false,
        })
    }

    /// Whether the grant covers a channel, by `channel:NAME`, `channel:*` or `*`.
    pub(crate) fn covers_channel(&self, name: &str) -> bool {
        self.any(|pattern| {
            pattern.strip_prefix("channel:").is_some_and(|which| which == "*" || which == name)
        })
    }

    /// Whether the grant covers a room such as `campaign:1`, by `room:KIND:ID`, `room:KIND:*`, `room:*` or `*`.
    pub(crate) fn covers_room(&self, room: &str) -> bool {
        let kind = room.split_once(':').map(|(kind, _)| kind);
        self.any(|pattern| {
            pattern.strip_prefix("room:").is_some_and(|which| {
                which == "*" || which == room || which.strip_suffix(":*").is_some_and(|of| Some(of) == kind)
            })
        })
    }

    /// Whether a restricted token may list a dialect's jobs, by `DIALECT/*` or `*`.
    pub(crate) fn lists(&self, dialect: &str) -> bool {
        self.is_restricted() && self.covers_job(dialect, "*")
    }

    /// Whether the token is restricted to some targets.
    pub(crate) const fn is_restricted(&self) -> bool {
        self.0.is_some()
    }

    fn any(&self, matches: impl Fn(&str) -> bool) -> bool {
        self.0
            .as_ref()
            .is_none_or(|patterns| patterns.iter().any(|pattern| &**pattern == "*" || matches(pattern)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(patterns: &[&str]) -> Grant {
        Grant::new(Some(patterns.iter().map(ToString::to_string).collect()))
    }

    #[test]
    fn a_pattern_covers_what_it_names_and_a_star_all_of_its_kind() {
        let some = grant(&["celery/*", "scraping/12", "channel:campaigns", "room:lead:*", "room:demo:1"]);
        assert!(some.covers_job("celery", "a/b") && some.covers_job("scraping", "12"));
        for (dialect, job) in [("scraping", "123"), ("scraping", "1"), ("celeryx", "1"), ("downloads", "*")] {
            assert!(!some.covers_job(dialect, job), "{dialect}/{job}");
        }
        assert!(some.covers_channel("campaigns") && !some.covers_channel("emails"));
        assert!(some.covers_room("lead:7") && some.covers_room("demo:1"));
        assert!(!some.covers_room("demo:12") && !some.covers_room("leads:1") && !some.covers_room("lead"));
    }

    #[test]
    fn a_pattern_that_covers_nothing_is_known() {
        for some in [
            "*",
            "celery/*",
            "tasks/a/b",
            "channel:*",
            "channel:emails",
            "room:*",
            "room:lead:*",
            "room:lead:7",
        ] {
            assert!(covers_anything(some), "{some}");
        }
        for none in ["", "celery", "celery/", "/7", "*/*", "channel:", "room:", "room:lead", "room::7", "**"]
        {
            assert!(!covers_anything(none), "{none}");
        }
    }

    #[test]
    fn without_a_list_all_is_covered_and_by_an_empty_one_nothing() {
        for all in [Grant::default(), grant(&["*"])] {
            assert!(all.covers_job("a", "b") && all.covers_channel("c") && all.covers_room("d:1"));
        }
        for none in [grant(&[]), grant(&["", "a", "a/", "channel:", "*/*", "**"])] {
            assert!(!none.covers_job("a", "b") && !none.covers_channel("c") && !none.covers_room("d:1"));
        }
        assert!(grant(&["channel:*", "room:*"]).covers_room("d:1"));
    }
}
