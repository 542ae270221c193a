//! A guard between a client and a job that belongs to somebody, as long as the client watches it.

use std::time::Duration;

use crate::dialect::CloseReason;
use crate::relay::auth::{Ownerless, Ownership};
use crate::relay::wheel::Millis;

/// Shortest pause between two looks for the owner of a job during its grace. The store does not report a new owner. A pause is half
/// of the time that has passed, between the two limits.
const SHORTEST_PAUSE: Millis = 250;
/// Longest pause between two looks for the owner.
const LONGEST_PAUSE: Millis = 2_000;

/// Watches over one job: lets a client have it once the job is known to be its subject's.
#[derive(Debug)]
pub(in crate::relay) struct Guard {
    /// Subject that has to be the job's owner.
    subject: Box<str>,
    ownerless: Ownerless,
    standing: Standing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// Nobody has looked yet whose the job is.
    New,
    /// The owner is not known. `next` is when to look again, `Millis::MAX` while somebody does.
    Waiting { since: Millis, until: Millis, next: Millis },
    /// It gets everything.
    Admitted,
}

/// What becomes of the socket now that its job was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is to get the job's state, and the events from there on.
    Admit,
    /// It has got that already.
    Stay,
    /// It gets nothing for now.
    Wait,
    /// It is closed.
    Refuse(CloseReason),
}

impl Guard {
    /// A guard for a client of `subject`.
    pub(in crate::relay) const fn new(subject: Box<str>, ownerless: Ownerless) -> Self {
        Self { subject, ownerless, standing: Standing::New }
    }

    /// Whether the socket gets what is its job's.
    pub(super) fn has_admitted(&self) -> bool {
        self.standing == Standing::Admitted
    }

    /// The job was looked at. A task that is unknown, or nobody's, has `grace` to become somebody's.
    pub(super) fn decide(&mut self, owner: Ownership<'_>, grace: Duration, now: Millis) -> Verdict {
        let reason = match owner {
            Ownership::Of(owner) if *owner != *self.subject => return Verdict::Refuse(CloseReason::NotOwner),
            Ownership::Of(_) => return self.admit(),
            _ if self.ownerless == Ownerless::Allow => return self.admit(),
            Ownership::UnknownJob => CloseReason::UnknownTask,
            Ownership::Nobody => CloseReason::NotOwner,
        };
        let (since, until) = match self.standing {
            // The job log forgets jobs, but that takes nothing from whom it was known to belong to.
            Standing::Admitted => return Verdict::Stay,
            Standing::New => {
                (now, now.saturating_add(u64::try_from(grace.as_millis()).unwrap_or(Millis::MAX)))
            }
            Standing::Waiting { since, until, .. } => (since, until),
        };
        if now >= until {
            return Verdict::Refuse(reason);
        }
        let pause = ((now - since) / 2).clamp(SHORTEST_PAUSE, LONGEST_PAUSE);
        self.standing = Standing::Waiting { since, until, next: until.min(now.saturating_add(pause)) };
        Verdict::Wait
    }

    fn admit(&mut self) -> Verdict {
        if self.has_admitted() {
            return Verdict::Stay;
        }
        self.standing = Standing::Admitted;
        Verdict::Admit
    }

    /// A timer fired. Returns whether the job is to be looked at again.
    pub(super) fn timer(&mut self, now: Millis) -> bool {
        match &mut self.standing {
            Standing::Waiting { next, .. } if *next <= now => {
                *next = Millis::MAX;
                true
            }
            _ => false,
        }
    }

    /// When it next wants to be woken.
    pub(super) fn deadline(&self) -> Millis {
        match self.standing {
            Standing::Waiting { next, .. } => next,
            Standing::New | Standing::Admitted => Millis::MAX,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRACE: Duration = Duration::from_secs(5);

    fn guard(ownerless: Ownerless) -> Guard {
        Guard::new("alice".into(), ownerless)
    }

    /// Looks whenever the guard asks for it until it decides; how often, and what it decided when.
    fn wait(owner: Ownership<'_>) -> (u32, Millis, Verdict) {
        let mut guard = guard(Ownerless::Refuse);
        let (mut now, mut looks) = (1_000, 1);
        loop {
            match guard.decide(owner, GRACE, now) {
                Verdict::Wait => now = guard.deadline(),
                verdict => return (looks, now, verdict),
            }
            assert!(guard.timer(now));
            assert_eq!(guard.deadline(), Millis::MAX, "it asks once, and waits for the answer");
            looks += 1;
        }
    }

    #[test]
    fn the_owner_is_let_in_and_another_is_not() {
        let decide = |owner| guard(Ownerless::Refuse).decide(Ownership::Of(owner), GRACE, 0);
        assert_eq!(decide("alice"), Verdict::Admit);
        for other in ["bob", "", "Alice", "alice "] {
            assert_eq!(decide(other), Verdict::Refuse(CloseReason::NotOwner));
        }
    }

    #[test]
    fn a_job_without_an_owner_is_looked_at_a_few_times_until_its_grace_is_over() {
        let (looks, when, verdict) = wait(Ownership::UnknownJob);
        assert_eq!((when, verdict), (6_000, Verdict::Refuse(CloseReason::UnknownTask)));
        assert!((5..15).contains(&looks), "{looks}");
        assert_eq!(wait(Ownership::Nobody).2, Verdict::Refuse(CloseReason::NotOwner));
    }

    #[test]
    fn whoever_becomes_the_owner_meanwhile_is_let_in_and_stays() {
        let mut guard = guard(Ownerless::Refuse);
        assert_eq!(guard.decide(Ownership::UnknownJob, GRACE, 0), Verdict::Wait);
        assert_eq!(guard.decide(Ownership::Nobody, GRACE, 4_999), Verdict::Wait);
        assert!(!guard.has_admitted());
        assert_eq!(guard.decide(Ownership::Of("alice"), GRACE, 9_000), Verdict::Admit);
        assert!(guard.has_admitted());
        for owner in [Ownership::Of("alice"), Ownership::Nobody, Ownership::UnknownJob] {
            assert_eq!(guard.decide(owner, GRACE, 20_000), Verdict::Stay);
        }
        assert_eq!(guard.deadline(), Millis::MAX);
    }

    #[test]
    fn without_grace_the_decision_is_made_at_once() {
        let verdict = guard(Ownerless::Refuse).decide(Ownership::UnknownJob, Duration::ZERO, 0);
        assert_eq!(verdict, Verdict::Refuse(CloseReason::UnknownTask));
    }

    #[test]
    fn where_the_ownerless_is_allowed_it_is_until_it_is_another_s() {
        let mut guard = guard(Ownerless::Allow);
        assert_eq!(guard.decide(Ownership::UnknownJob, GRACE, 0), Verdict::Admit);
        assert_eq!(guard.decide(Ownership::Nobody, GRACE, 1), Verdict::Stay);
        assert_eq!(guard.decide(Ownership::Of("bob"), GRACE, 2), Verdict::Refuse(CloseReason::NotOwner));
    }
}
