//! Decision which signals of this process are passed on to a command. Pure.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::caught::{CaughtSignal, SignalSender};

/// Time within which a repeated signal counts as the same order. `timeout` sends its signal to the process and at once to the
/// whole group. It also sends on a signal that the terminal has already sent to all of them.
const ONE_ORDER: Duration = Duration::from_millis(500);

/// Decides which signals a command receives.
#[derive(Debug)]
pub(crate) struct Passing {
    /// Whether the terminal sends its signals to the command as well.
    shares_terminal: bool,
    /// Time of the first INT or TERM from a process.
    ordered: Option<Instant>,
    /// Last signal from the terminal, and its time.
    typed: Option<(Signal, Instant)>,
}

/// A command as the addressee of signals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Addressee {
    /// Process id, until the command was waited for.
    pub(super) id: Option<u32>,
    /// Whether the command is still in the process group of this process. `timeout`, for example, leaves it.
    pub(super) is_in_group: bool,
}

impl Passing {
    /// Makes the decider for one command. `shares_terminal`: the command is in this process's group, so the terminal sends
    /// signals to both. Otherwise only this process passes signals on to the command.
    pub(crate) const fn new(shares_terminal: bool) -> Self {
        Self { shares_terminal, ordered: None, typed: None }
    }

    /// Whether SIGINT was the terminal's last signal.
    pub(crate) fn is_interrupted(&self) -> bool {
        self.typed.is_some_and(|(signal, _)| signal == Signal::INT)
    }

    /// Notes a signal that the terminal sends to the command and to its group.
    pub(crate) const fn typed(&mut self, signal: Signal, now: Instant) {
        self.typed = Some((signal, now));
    }

    /// Returns the signal to send to the command, if any.
    ///
    /// A second INT or TERM from a process kills the command. Repeated signals from the terminal do not, since programs such as
    /// an interactive shell receive many.
    pub(crate) fn decide(
        &mut self,
        caught: CaughtSignal,
        command: Addressee,
        now: Instant,
    ) -> Option<Signal> {
        let CaughtSignal { signal, sender } = caught;
        let SignalSender::Process(sender) = sender else {
            self.typed(signal, now);
            let has_got_it = self.shares_terminal && command.is_in_group;
            return (!has_got_it).then_some(signal);
        };
        // The command has sent the signal to its own group and so has received it.
        let is_own = sender.is_some() && sender == command.id;
        let is_typed = self.typed.is_some_and(|(typed, at)| typed == signal && is_again(at, now));
        if is_own || is_typed {
            return None;
        }
        if !matches!(signal, Signal::INT | Signal::TERM) {
            return Some(signal);
        }
        match self.ordered {
            None => {
                self.ordered = Some(now);
                Some(signal)
            }
            Some(first) if is_again(first, now) => None,
            Some(_) => Some(Signal::KILL),
        }
    }
}

fn is_again(first: Instant, now: Instant) -> bool {
    now.saturating_duration_since(first) < ONE_ORDER
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMAND: Addressee = Addressee { id: Some(7), is_in_group: true };

    fn by(signal: Signal, sender: Option<u32>) -> CaughtSignal {
        CaughtSignal { signal, sender: SignalSender::Process(sender) }
    }

    fn typed(signal: Signal) -> CaughtSignal {
        CaughtSignal { signal, sender: SignalSender::Terminal }
    }

    #[test]
    fn what_the_terminal_has_sent_is_not_sent_again() {
        let now = Instant::now();
        let mut shared = Passing::new(true);
        let mut apart = Passing::new(false);
        for signal in [Signal::INT, Signal::QUIT, Signal::HUP, Signal::INT, Signal::INT] {
            assert_eq!(shared.decide(typed(signal), COMMAND, now), None);
            assert_eq!(apart.decide(typed(signal), COMMAND, now), Some(signal));
        }
    }

    #[test]
    fn a_command_that_has_left_the_group_is_told_of_what_the_terminal_has_sent() {
        let left = Addressee { is_in_group: false, ..COMMAND };
        assert_eq!(Passing::new(true).decide(typed(Signal::INT), left, Instant::now()), Some(Signal::INT));
    }

    #[test]
    fn what_the_terminal_has_sent_is_the_same_signal_when_a_process_sends_it_on() {
        let now = Instant::now();
        let mut passing = Passing::new(true);
        let mut at = |caught, millis| passing.decide(caught, COMMAND, now + Duration::from_millis(millis));
        assert_eq!(at(typed(Signal::INT), 0), None);
        assert_eq!(at(by(Signal::INT, Some(1)), 100), None);
        assert_eq!(at(by(Signal::TERM, Some(1)), 200), Some(Signal::TERM));
        assert_eq!(at(by(Signal::INT, Some(1)), 900), Some(Signal::KILL));
        let mut noted = Passing::new(false);
        noted.typed(Signal::INT, now);
        assert_eq!(noted.decide(by(Signal::INT, Some(1)), COMMAND, now), None);
        assert_eq!(noted.decide(typed(Signal::INT), COMMAND, now), Some(Signal::INT));
    }

    #[test]
    fn a_second_order_to_end_kills_unless_it_is_the_first_again() {
        let now = Instant::now();
        let mut passing = Passing::new(true);
        let mut at = |signal, millis| {
            passing.decide(by(signal, Some(1)), COMMAND, now + Duration::from_millis(millis))
        };
        assert_eq!(at(Signal::HUP, 0), Some(Signal::HUP));
        assert_eq!(at(Signal::USR1, 1), Some(Signal::USR1));
        assert_eq!(at(Signal::TERM, 2), Some(Signal::TERM));
        assert_eq!(at(Signal::TERM, 3), None);
        assert_eq!(at(Signal::INT, 400), None);
        assert_eq!(at(Signal::HUP, 400), Some(Signal::HUP));
        assert_eq!(at(Signal::INT, 600), Some(Signal::KILL));
    }

    #[test]
    fn a_command_is_not_told_of_what_it_sent_to_its_group() {
        let now = Instant::now();
        let mut passing = Passing::new(true);
        assert_eq!(passing.decide(by(Signal::TERM, COMMAND.id), COMMAND, now), None);
        let ended = Addressee { id: None, is_in_group: false };
        assert_eq!(passing.decide(by(Signal::TERM, None), ended, now), Some(Signal::TERM));
    }
}
