//! How many commands a client may send.

use super::Millis;

/// Commands a second in the long run.
pub(super) const PER_SECOND: i64 = 50;

/// Commands at once: whoever comes back may restore as many subscriptions as there can be one by one, and change them.
const BURST: i64 = 256;

/// Commands refused at a stretch after which the connection is closed.
const PATIENCE: i64 = 256;

/// Levels are counted in thousandths of a command, so that a millisecond refills a whole number of them.
const COMMAND: i64 = 1_000;

/// What becomes of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is carried out.
    Granted,
    /// It is one too many, and is answered with an error.
    Refused,
    /// The client does not heed the errors and is cut off.
    Flood,
}

/// A bucket that refills with time. Refused commands take from it as well, below empty, so that whoever goes on is cut
/// off at the bottom, while one who slows down recovers.
#[derive(Debug)]
pub(super) struct Allowance {
    level: i64,
    at: Millis,
}

impl Allowance {
    /// A full one.
    pub(super) const fn new(now: Millis) -> Self {
        Self { level: BURST * COMMAND, at: now }
    }

    /// Takes one command out.
    pub(super) fn take(&mut self, now: Millis) -> Verdict {
        let passed = i64::try_from(now.saturating_sub(self.at)).unwrap_or(i64::MAX);
        self.at = now.max(self.at);
        let refilled = self.level.saturating_add(passed.saturating_mul(PER_SECOND));
        self.level = refilled.min(BURST * COMMAND) - COMMAND;
        if self.level >= 0 {
            Verdict::Granted
        } else if self.level > -PATIENCE * COMMAND {
            Verdict::Refused
        } else {
            self.level = -PATIENCE * COMMAND;
            Verdict::Flood
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The verdicts on so many commands a second, evenly spread over so many seconds.
    fn verdicts(per_second: u64, seconds: u64) -> [usize; 3] {
        let mut allowance = Allowance::new(0);
        let mut counts = [0; 3];
        for number in 0..per_second * seconds {
            counts[allowance.take(number * 1_000 / per_second) as usize] += 1;
        }
        counts
    }

    #[test]
    fn fifty_a_second_are_granted_for_ever_and_a_thousand_for_a_moment() {
        assert_eq!(verdicts(50, 600), [30_000, 0, 0]);
        let [granted, refused, flood] = verdicts(1_000, 1);
        assert!((256..300).contains(&granted) && (256..300).contains(&refused) && flood > 0);
    }

    #[test]
    fn all_subscriptions_can_be_restored_at_once_and_one_who_slows_down_recovers() {
        let mut allowance = Allowance::new(0);
        assert!((0..BURST).all(|_| allowance.take(0) == Verdict::Granted));
        assert_eq!(allowance.take(0), Verdict::Refused);
        assert_eq!(allowance.take(1_000), Verdict::Granted);
        assert!((0..60).all(|_| allowance.take(1_000) != Verdict::Flood));
        assert_eq!(allowance.take(Millis::MAX / 2), Verdict::Granted);
    }
}
