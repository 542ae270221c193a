//! When the server of a subscription is asked for its role, when a probe is published, and when one is lost; pure.
//!
//! Time is counted in ticks of about a second in which the subscription was read. While the sink pushes back nothing is
//! read, a probe included, and no tick passes.

use std::time::Duration;

/// Ticks between two questions for the role. One that goes unanswered takes up to 4 s, so that a demotion is seen within
/// 10 s.
const ROLE_EVERY: u32 = 5;

/// Ticks that a probe has for its way back.
pub(super) const PROBE_TICKS: u32 = 5;

/// Something to do over the commands' connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ask {
    /// Ask for the role.
    Role,
    /// Publish a probe.
    Probe,
}

/// A probe was published and did not come back: the subscription is dead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ProbeLost;

/// Watches over one connection of the subscription. Every message is a sign of life, the probe's own one among others.
#[derive(Debug)]
pub(super) struct Vigil {
    /// Ticks without a message after which a probe is due; `None`: no probes.
    probe_after: Option<u32>,
    /// Ticks since the last message.
    quiet: u32,
    /// Ticks since a probe was taken that has not come back.
    out: Option<u32>,
    /// Ticks since the role was asked for.
    role: u32,
    /// A question that is not answered yet.
    asking: Option<Ask>,
    /// Whether a message came since the last probe was due.
    heard: bool,
}

impl Vigil {
    /// At the beginning of a connection whose role is known.
    pub(super) fn new(probe_after: Option<Duration>) -> Self {
        let ticks = |after: Duration| u32::try_from(after.as_secs()).unwrap_or(u32::MAX).max(1);
        let probe_after = probe_after.map(ticks);
        Self { probe_after, quiet: 0, out: None, role: 0, asking: None, heard: false }
    }

    /// A tick passed; returns what to do now. Nothing is asked while another question waits for its answer.
    pub(super) fn tick(&mut self) -> Result<Option<Ask>, ProbeLost> {
        self.quiet = self.quiet.saturating_add(1);
        self.role = self.role.saturating_add(1);
        if let Some(ticks) = &mut self.out {
            *ticks += 1;
            if *ticks > PROBE_TICKS {
                return Err(ProbeLost);
            }
        }
        if self.asking.is_some() {
            return Ok(None);
        }
        if self.role >= ROLE_EVERY {
            self.role = 0;
            self.asking = Some(Ask::Role);
        } else if self.is_quiet() && self.out.is_none() {
            self.probe();
        }
        Ok(self.asking)
    }

    /// A probe is due at once, as where the connection before was dead.
    pub(super) fn probe(&mut self) -> Option<Ask> {
        if self.probe_after.is_none() || self.asking.is_some() {
            return None;
        }
        self.heard = false;
        self.asking = Some(Ask::Probe);
        self.asking
    }

    /// A message came, of whatever channel.
    pub(super) fn message(&mut self) {
        (self.quiet, self.out, self.heard) = (0, None, true);
    }

    /// The question was answered, or could not be put; `taken`: the server took the probe.
    pub(super) fn answered(&mut self, taken: bool) {
        if self.asking.take() == Some(Ask::Probe) && taken && !self.heard {
            self.out = Some(0);
        }
    }

    /// Probes are not possible on this connection.
    pub(super) fn give_up_probes(&mut self) {
        (self.probe_after, self.out) = (None, None);
    }

    /// Whether probes are sent.
    pub(super) const fn probes(&self) -> bool {
        self.probe_after.is_some()
    }

    /// Whether so long no message came that a probe is due.
    pub(super) fn is_quiet(&self) -> bool {
        self.probe_after.is_some_and(|after| self.quiet >= after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn every(seconds: u64) -> Vigil {
        Vigil::new(Some(Duration::from_secs(seconds)))
    }

    /// Questions of so many ticks, where each is answered at once.
    fn asked(vigil: &mut Vigil, ticks: u32) -> Vec<(u32, Ask)> {
        let mut all = Vec::new();
        for tick in 1..=ticks {
            if let Some(ask) = vigil.tick().unwrap() {
                all.push((tick, ask));
                vigil.answered(true);
                if ask == Ask::Probe {
                    vigil.message();
                }
            }
        }
        all
    }

    #[test]
    fn the_role_is_asked_for_every_five_ticks_and_a_probe_follows_silence() {
        let wanted = [(5, Ask::Role), (10, Ask::Role), (11, Ask::Probe), (15, Ask::Role), (20, Ask::Role)];
        assert_eq!(asked(&mut every(10), 20), wanted);
        assert_eq!(asked(&mut Vigil::new(None), 9), [(5, Ask::Role)]);
    }

    #[test]
    fn messages_keep_the_probe_away() {
        let mut vigil = every(2);
        for _ in 0..20 {
            vigil.message();
            assert_ne!(vigil.tick(), Ok(Some(Ask::Probe)));
            vigil.answered(true);
        }
    }

    #[test]
    fn a_probe_that_was_taken_and_does_not_come_back_is_lost() {
        let mut vigil = every(1);
        assert_eq!(vigil.tick(), Ok(Some(Ask::Probe)));
        vigil.answered(true);
        for _ in 0..PROBE_TICKS {
            assert!(vigil.tick().is_ok());
            vigil.answered(true);
        }
        assert_eq!(vigil.tick(), Err(ProbeLost));
    }

    #[test]
    fn a_probe_that_was_not_taken_proves_nothing_and_is_tried_again() {
        let mut vigil = every(1);
        for _ in 0..3 {
            assert_eq!(vigil.tick(), Ok(Some(Ask::Probe)));
            vigil.answered(false);
        }
        // A question that waits for its answer is the only one.
        assert_eq!(vigil.tick(), Ok(Some(Ask::Probe)));
        for _ in 0..20 {
            assert_eq!(vigil.tick(), Ok(None));
        }
    }

    #[test]
    fn a_probe_that_comes_back_before_its_reply_is_not_waited_for() {
        let mut vigil = every(1);
        assert_eq!(vigil.tick(), Ok(Some(Ask::Probe)));
        vigil.message();
        vigil.answered(true);
        assert_eq!(vigil.out, None);
    }

    #[test]
    fn any_message_behind_a_probe_is_a_sign_of_life() {
        let mut vigil = every(1);
        assert_eq!(vigil.tick(), Ok(Some(Ask::Probe)));
        vigil.answered(true);
        assert!(vigil.tick().is_ok());
        vigil.message();
        assert!(!vigil.is_quiet() && vigil.out.is_none());
    }

    #[test]
    fn probes_that_are_given_up_are_neither_sent_nor_missed() {
        let mut vigil = every(1);
        assert_eq!(vigil.tick(), Ok(Some(Ask::Probe)));
        vigil.answered(true);
        vigil.give_up_probes();
        assert_eq!(asked(&mut vigil, 9), [(4, Ask::Role), (9, Ask::Role)]);
    }
}
