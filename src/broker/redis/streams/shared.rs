//! State that all connections share which read streams.

use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use super::super::connect::Connector;
use super::super::failure::Failure;
use super::super::turns::Turns;
use super::StreamSettings;
use super::ledger::Ledger;
use super::pipe::{Pipe, SMALL, error_of};
use super::registry::Registry;
use crate::broker::Position;
use crate::wire::resp::Reply;

pub(super) struct Shared<'a> {
    pub(super) connector: &'a Connector,
    pub(super) turns: &'a Turns,
    pub(super) registry: &'a Registry,
    pub(super) ledger: Ledger<'a>,
    pub(super) settings: StreamSettings,
    pub(super) gate: Gate,
    /// Time at which the source began, by the clock of Redis, in milliseconds since the Unix epoch.
    began: OnceLock<u64>,
}

impl<'a> Shared<'a> {
    pub(super) fn new(
        connector: &'a Connector,
        turns: &'a Turns,
        registry: &'a Registry,
        ledger: Ledger<'a>,
        settings: StreamSettings,
    ) -> Self {
        let gate = Gate(Mutex::new(Some(1)));
        Self { connector, turns, registry, ledger, settings, gate, began: OnceLock::new() }
    }

    /// Asks for the time at the first connection; a server that does not tell leaves it to the own clock.
    pub(super) async fn learn_time(&self, pipe: &mut Pipe) -> Result<(), Failure> {
        if self.began.get().is_some() {
            return Ok(());
        }
        pipe.command(&[b"TIME"]);
        pipe.send().await?;
        match pipe.reply(&SMALL, |reply| (time(reply), error_of(reply))).await? {
            (told, None | Some(Failure::Refused(_))) => {
                self.began.get_or_init(|| told.unwrap_or_else(own_time));
                Ok(())
            }
            (_, Some(failure)) => Err(failure),
        }
    }

    /// Position behind every entry that was added before the source began.
    pub(super) fn beginning(&self) -> Position {
        Position { millis: *self.began.get_or_init(own_time), number: 0 }
    }

    /// Counts down a stream whose history is read; tells the sink after the last one.
    pub(super) async fn history_read(&self) {
        if self.gate.pass() {
            let mut sink = self.turns.turn().await;
            sink.history_read();
            sink.flush().await;
        }
    }
}

/// Milliseconds of a reply to TIME.
fn time(reply: &Reply<'_>) -> Option<u64> {
    let Reply::Array(parts) = reply else { return None };
    let number = |part: &Reply<'_>| match part {
        Reply::Bulk(text) => std::str::from_utf8(text).ok()?.parse::<u64>().ok(),
        _ => None,
    };
    match parts.as_slice() {
        [seconds, micros] => Some(number(seconds)? * 1000 + number(micros)? / 1000),
        _ => None,
    }
}

fn own_time() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Counts what the end of the history waits for: each stream, and that all streams are known. `None` after it.
pub(super) struct Gate(Mutex<Option<usize>>);

impl Gate {
    /// Counts up; false when the history is over already.
    pub(super) fn wait_for_one(&self) -> bool {
        match self.0.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            Some(count) => {
                *count += 1;
                true
            }
            None => false,
        }
    }

    /// Counts down; true at the last.
    fn pass(&self) -> bool {
        let mut left = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match left.as_mut() {
            Some(count) if *count > 1 => {
                *count -= 1;
                false
            }
            Some(_) => {
                *left = None;
                true
            }
            None => false,
        }
    }
}
