//! Which signals of this process a command is told of. Pure.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::caught::{CaughtSignal, SignalSender};

/// Time within which a second order to end is taken for the first one again. `timeout` sends its signal to the process and, at
/// once, to the whole group.
const ONE_ORDER: Duration = Duration::from_millis(500);

/// Decides what a command is sent for the signals that this process gets.
#[derive(Debug)]
pub(crate) struct Passing {
    /// The terminal sends its signals to the command as well.
    shares_terminal: bool,
    /// When a process first ordered an end, by INT or TERM.
    ordered: Option<Instant>,
}

impl Passing {
    /// For a command in the process group of this process, to which the terminal itself sends signals; or for one on a
    /// terminal or in a session of its own, which hears of signals from this process alone.
    pub(crate) const fn new(shares_terminal: bool) -> Self {
        Self { shares_terminal, ordered: None }
    }

    /// The signal to send to the command with the process id `child`, if any.
    ///
    /// A second INT or TERM from a process kills the command. From the terminal none does: programs such as an interactive
    /// shell get many.
    pub(crate) fn decide(
        &mut self,
        caught: CaughtSignal,
        child: Option<u32>,
        now: Instant,
    ) -> Option<Signal> {
        let CaughtSignal { signal, sender } = caught;
        match sender {
            SignalSender::Terminal => return (!self.shares_terminal).then_some(signal),
            // The command sent it to its group, and has got it itself.
            SignalSender::Process(sender) if sender.is_some() && sender == child => return None,
            SignalSender::Process(_) => {}
        }
        if !matches!(signal, Signal::INT | Signal::TERM) {
            return Some(signal);
        }
        match self.ordered {
            None => {
                self.ordered = Some(now);
                Some(signal)
            }
            Some(first) if now.saturating_duration_since(first) < ONE_ORDER => None,
            Some(_) => Some(Signal::KILL),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMAND: Option<u32> = Some(7);

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
        assert_eq!(passing.decide(by(Signal::TERM, COMMAND), COMMAND, now), None);
        assert_eq!(passing.decide(by(Signal::TERM, None), None, now), Some(Signal::TERM));
    }
}
