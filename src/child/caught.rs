//! Signals caught together with their senders.

use std::io;
use std::thread;

use rustix::process::Signal;
use signal_hook::iterator::SignalsInfo;
use signal_hook::iterator::backend::Handle;
use signal_hook::iterator::exfiltrator::WithOrigin;
use signal_hook::iterator::exfiltrator::origin::Origin;
use signal_hook::low_level::siginfo::Cause;
use tokio::sync::mpsc;

/// Signals that a user may send to a program, those that end it among them.
const CAUGHT: [Signal; 6] =
    [Signal::INT, Signal::TERM, Signal::HUP, Signal::QUIT, Signal::USR1, Signal::USR2];

/// Most signals that wait for [`CaughtSignals::next`]. Further signals are dropped.
const WAITING: usize = 32;

/// Sender of a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SignalSender {
    /// The terminal, which sends a signal to all processes in its foreground.
    Terminal,
    /// A process, with its id where the system gives it. The signal may have gone to this process alone or to the group.
    Process(Option<u32>),
}

/// A signal that this process received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CaughtSignal {
    pub(crate) signal: Signal,
    pub(crate) sender: SignalSender,
}

/// Signals of this process, caught from the creation of this value. Once it is dropped the signals are ignored.
#[derive(Debug)]
pub(crate) struct CaughtSignals {
    receiver: mpsc::Receiver<CaughtSignal>,
    handle: Handle,
}

impl CaughtSignals {
    /// Catches all signals that this process does not ignore. A signal that was ignored at the start, as by `nohup` or for a
    /// background job of a shell, stays ignored, also for the command.
    pub(crate) fn catch() -> io::Result<Self> {
        let ignored = ignored_signals();
        let caught = CAUGHT.iter().filter(|signal| !is_in(ignored, **signal)).map(|signal| signal.as_raw());
        let mut signals = SignalsInfo::<WithOrigin>::new(caught)?;
        let handle = signals.handle();
        let (sender, receiver) = mpsc::channel(WAITING);
        thread::Builder::new().name("jobwire-signals".to_owned()).spawn(move || {
            for origin in signals.forever() {
                if let Some(caught) = CaughtSignal::of(&origin) {
                    // The queue is full or closed, so the signal is dropped.
                    let _ = sender.try_send(caught);
                }
            }
        })?;
        Ok(Self { receiver, handle })
    }

    /// Returns a signal that was received already, if any.
    pub(crate) fn next_if_ready(&mut self) -> Option<CaughtSignal> {
        self.receiver.try_recv().ok()
    }

    /// Waits for the next signal.
    pub(crate) async fn next(&mut self) -> CaughtSignal {
        match self.receiver.recv().await {
            Some(caught) => caught,
            None => std::future::pending().await,
        }
    }
}

impl Drop for CaughtSignals {
    fn drop(&mut self) {
        self.handle.close();
    }
}

impl CaughtSignal {
    fn of(origin: &Origin) -> Option<Self> {
        let signal = Signal::from_named_raw(origin.signal)?;
        let sender = if origin.cause == Cause::Kernel {
            SignalSender::Terminal
        } else {
            SignalSender::Process(origin.process.as_ref().and_then(|process| u32::try_from(process.pid).ok()))
        };
        Some(Self { signal, sender })
    }
}

/// Mask of the signals that this process ignores, from `/proc`; 0 where the mask cannot be read.
fn ignored_signals() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

fn is_in(mask: u64, signal: Signal) -> bool {
    // The lowest bit stands for the signal with the number 1.
    mask >> (signal.as_raw() - 1) & 1 == 1
}

#[cfg(test)]
mod tests {
    use rustix::process::{getpid, kill_process};

    use super::*;

    #[tokio::test]
    async fn a_signal_names_the_process_that_sent_it() {
        let mut signals = CaughtSignals::catch().unwrap();
        kill_process(getpid(), Signal::USR2).unwrap();
        let sender = SignalSender::Process(Some(std::process::id()));
        assert_eq!(signals.next().await, CaughtSignal { signal: Signal::USR2, sender });
    }

    #[test]
    fn a_mask_has_a_bit_for_each_signal() {
        assert!(is_in(1, Signal::HUP) && !is_in(1, Signal::INT));
        assert!(is_in(0b110, Signal::INT) && is_in(0b110, Signal::QUIT) && !is_in(0b110, Signal::HUP));
    }
}
