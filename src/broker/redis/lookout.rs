//! Puts the questions of the vigil to Redis while a subscription is read: its role, and whether a probe comes back.

use std::time::Duration;

use super::commands::Commands;
use super::connect::Connector;
use super::failure::Failure;
use super::role::ServerRole;
use super::vigil::{Ask, PROBE_TICKS, ProbeLost, Vigil};
use crate::broker::{BoxFuture, BrokerError, Trouble};

/// Channels of probes begin like this; each source has one of its own. Messages on them are never given to a sink.
pub(super) const PROBES: &str = "jobwire:probe:";

/// A channel that no other source probes on.
pub(super) fn probe_channel() -> String {
    format!("{PROBES}{:016x}", rand::random::<u64>())
}

/// Watches over one connection of the subscription.
pub(super) struct Lookout<'a> {
    connector: &'a Connector,
    commands: &'a Commands,
    channel: &'a str,
    vigil: Vigil,
    /// The question that waits for its answer.
    asked: Option<BoxFuture<'a, Answer>>,
}

/// An answer of Redis.
pub(super) enum Answer {
    Role(Result<ServerRole, BrokerError>),
    Probe(Result<u64, BrokerError>),
}

/// News for the status and the log.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Tidings {
    /// Redis has taken a probe, or told its role.
    Nothing,
    /// Redis did not take a probe, for this reason.
    Untaken(String),
    /// Redis does not let us publish the probe, in these words.
    Denied(String),
}

impl<'a> Lookout<'a> {
    pub(super) fn new(
        connector: &'a Connector,
        commands: &'a Commands,
        channel: &'a str,
        probe_after: Option<Duration>,
    ) -> Self {
        Self { connector, commands, channel, vigil: Vigil::new(probe_after), asked: None }
    }

    /// The channel to subscribe for the probes, where there are any.
    pub(super) fn channel(&self) -> Option<&'a str> {
        self.vigil.probes().then_some(self.channel)
    }

    /// A second passed in which the subscription was read.
    pub(super) fn tick(&mut self) -> Result<(), Failure> {
        let ask = self.vigil.tick().map_err(|ProbeLost| {
            Failure::ProbeLost(format!("a probe was published and did not come back within {PROBE_TICKS} s"))
        })?;
        self.put(ask);
        Ok(())
    }

    /// Publishes a probe at once, unless another question waits for its answer.
    pub(super) fn probe(&mut self) {
        let ask = self.vigil.probe();
        self.put(ask);
    }

    /// Messages came, the probe among them or not.
    pub(super) fn heard(&mut self) {
        self.vigil.message();
    }

    /// Stops probing: this connection can have no probes.
    pub(super) fn give_up_probes(&mut self) {
        self.vigil.give_up_probes();
    }

    /// The answer to the question that was asked; waits for ever where none was. Nothing is lost when the future is
    /// dropped.
    pub(super) async fn answer(&mut self) -> Answer {
        let Some(asked) = &mut self.asked else { return std::future::pending().await };
        let answer = asked.await;
        self.asked = None;
        answer
    }

    /// Learns from an answer; an error if the server is to be left.
    pub(super) fn learn(&mut self, answer: Answer) -> Result<Tidings, Failure> {
        match answer {
            Answer::Role(role) => {
                self.vigil.answered(false);
                if let (Ok(role), Some(tenure)) = (role, self.connector.tenure())
                    && let Some(failure) = self.connector.refusal(tenure.address(), &role)
                {
                    return Err(failure);
                }
                Ok(Tidings::Nothing)
            }
            Answer::Probe(Ok(_)) => {
                self.vigil.answered(true);
                Ok(Tidings::Nothing)
            }
            Answer::Probe(Err(error)) => {
                self.vigil.answered(false);
                if matches!(error.trouble(), Trouble::NotPermitted | Trouble::UnknownCommand) {
                    self.vigil.give_up_probes();
                    return Ok(Tidings::Denied(error.reason()));
                }
                Ok(Tidings::Untaken(error.to_string()))
            }
        }
    }

    fn put(&mut self, ask: Option<Ask>) {
        let commands = self.commands;
        self.asked = match ask {
            None => return,
            Some(Ask::Role) => Some(Box::pin(async { Answer::Role(commands.role().await) })),
            Some(Ask::Probe) => {
                let mut publish = redis::cmd("PUBLISH");
                publish.arg(self.channel).arg("probe");
                Some(Box::pin(async move { Answer::Probe(commands.once(&publish).await) }))
            }
        };
    }
}
