//! Tells the status and the log how the subscription is doing; the log without repeating itself.

use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::connect::Connector;
use super::failure::Failure;
use super::lookout::PROBES;
use super::routes::{Routes, Standing};
use crate::broker::{BrokerError, Denied, Server, Status};
use crate::net::seldom::Seldom;

/// How long the same complaint is not repeated.
const HUSH: Duration = Duration::from_mins(1);

/// The history of one source.
#[expect(clippy::struct_excessive_bools, reason = "each says another thing, and any of them may hold")]
pub(super) struct Journal<'a> {
    connector: &'a Connector,
    status: &'a watch::Sender<Status>,
    routes: &'a Routes,
    /// One entry per route.
    known: Vec<Known>,
    connected: bool,
    /// Since when a connection that once stood is gone, and whether the log was told.
    lost: Option<(Instant, bool)>,
    /// Whether a probe was lost since the last message: a connection that stands is not trusted before it has proved itself.
    deaf: bool,
    /// Whether a probe was not taken since the last message.
    untaken: bool,
    /// Whether it was said that there are no probes.
    is_probe_denied: bool,
    complaints: Seldom<String>,
}

/// The history of one route.
#[derive(Debug, Clone, Default)]
struct Known {
    /// Whether it was ever subscribed.
    confirmed: bool,
    /// Since when it is refused, and with which words.
    denied: Option<(Instant, String)>,
}

impl<'a> Journal<'a> {
    pub(super) fn new(
        connector: &'a Connector,
        status: &'a watch::Sender<Status>,
        routes: &'a Routes,
    ) -> Self {
        let known = vec![Known::default(); routes.all().len()];
        let complaints = Seldom::every(HUSH);
        Self {
            connector,
            status,
            routes,
            known,
            connected: false,
            lost: None,
            deaf: false,
            untaken: false,
            is_probe_denied: false,
            complaints,
        }
    }

    /// Every subscription is answered, on a new connection or on one that stands.
    ///
    /// The source is connected once something is subscribed, or nothing was asked for.
    pub(super) fn answered(&mut self, standings: &[Standing]) {
        for (index, standing) in standings.iter().enumerate() {
            match standing {
                Standing::Denied(reason) => self.denied(index, reason),
                Standing::Asked | Standing::Confirmed => self.confirmed(index),
            }
        }
        let denied = self.denied_now();
        let first_reason = denied.first().map(|denied| denied.reason.clone());
        self.status.send_modify(|status| (status.denied, status.reachable) = (denied, true));
        if self.known.is_empty() || self.known.iter().any(|known| known.denied.is_none()) {
            self.connected();
        } else if let Some(reason) = first_reason {
            self.useless(&Failure::Refused(reason));
        }
    }

    fn denied(&mut self, index: usize, reason: &str) {
        let name = &self.routes.all()[index].name;
        let known = &mut self.known[index];
        let since = match &known.denied {
            Some((since, said)) if said == reason => *since,
            other => {
                if self.complaints.due(format!("denied {name}")).is_some() {
                    let again = if known.confirmed { "no longer lets us" } else { "does not let us" };
                    tracing::warn!("redis {again} subscribe {name:?}: {reason}; trying again");
                }
                other.as_ref().map_or_else(Instant::now, |(since, _)| *since)
            }
        };
        known.denied = Some((since, reason.to_owned()));
    }

    fn confirmed(&mut self, index: usize) {
        let known = &mut self.known[index];
        known.confirmed = true;
        if let Some((since, _)) = known.denied.take() {
            tracing::warn!(
                "redis lets us subscribe {:?} after {:.1} s; events published meanwhile are lost",
                self.routes.all()[index].name,
                since.elapsed().as_secs_f32()
            );
        }
    }

    fn denied_now(&self) -> Vec<Denied> {
        let routes = self.routes.all().iter().zip(&self.known);
        let denied = routes.filter_map(|(route, known)| {
            let (_, reason) = known.denied.as_ref()?;
            Some(Denied {
                name: route.name.clone(),
                reason: reason.clone(),
                revoked: known.confirmed,
                subscriptions: route.subscriptions().to_vec(),
            })
        });
        denied.collect()
    }

    /// Whether only a message can show that the subscription works.
    pub(super) const fn is_in_doubt(&self) -> bool {
        self.deaf
    }

    /// A message came, a probe or another one: the subscription works.
    pub(super) fn heard(&mut self) {
        if std::mem::take(&mut self.deaf) {
            self.connected();
        }
        if std::mem::take(&mut self.untaken) {
            self.status.send_modify(|status| status.doubt = None);
        }
    }

    /// Redis did not take a probe, so that nobody knows whether the subscription works.
    pub(super) fn probe_untaken(&mut self, reason: &str) {
        if let Some(more) = self.due("untaken", reason) {
            tracing::warn!("redis did not take a probe of the subscription: {reason}{}", repeats(more));
        }
        self.untaken = true;
        let doubt = format!("redis did not take a probe of the subscription: {reason}");
        self.status.send_if_modified(|status| {
            let is_new = status.doubt.as_ref() != Some(&doubt);
            status.doubt = Some(doubt);
            is_new
        });
    }

    /// Redis does not let us probe the subscription.
    pub(super) fn probe_denied(&mut self, reason: &str) {
        if !std::mem::replace(&mut self.is_probe_denied, true) {
            tracing::warn!(
                "redis does not let us probe the subscription, so that one that falls deaf is not noticed: {reason}; \
                 hint: the user needs +publish +subscribe and the channels {PROBES}*"
            );
        }
        self.heard();
    }

    fn connected(&mut self) {
        if let Some(tenure) = self.connector.tenure() {
            self.role(&tenure.address().to_string(), tenure.told().role.word());
        }
        if !self.deaf {
            self.usable();
        }
    }

    /// Notes the server that was found, and its role.
    fn role(&self, server: &str, role: &'static str) {
        self.status.send_if_modified(|status| {
            let found = Server { address: server.to_owned(), role };
            let is_new = status.server.as_ref() != Some(&found);
            if is_new && status.server.is_some() {
                status.role_changes += 1;
            }
            status.server = Some(found);
            is_new
        });
    }

    fn usable(&mut self) {
        if std::mem::replace(&mut self.connected, true) {
            return;
        }
        match self.lost.take() {
            // Streams are read on from where they were, and say so themselves.
            Some((since, true)) if self.known.is_empty() => {
                tracing::info!("redis connected again after {:.1} s", since.elapsed().as_secs_f32());
            }
            Some((since, true)) => tracing::warn!(
                "redis connected again after {:.1} s; events published meanwhile are lost",
                since.elapsed().as_secs_f32()
            ),
            Some((_, false)) => {}
            None => tracing::info!("connected to {}", self.connector.address),
        }
        self.status.send_modify(|status| {
            status.connected = true;
            status.error = None;
            status.connects += 1;
        });
    }

    /// The connection is gone, or an attempt to open one failed.
    pub(super) fn failed(&mut self, failure: &Failure) {
        match failure {
            Failure::NotMaster { server, role, .. } => self.role(server, role),
            Failure::ProbeLost(_) => {
                self.deaf = true;
                self.status.send_modify(|status| status.probes_lost += 1);
            }
            _ => {}
        }
        self.untaken = false;
        self.status.send_modify(|status| (status.reachable, status.doubt) = (false, None));
        self.useless(failure);
    }

    /// No event can come, though the connection may stand.
    fn useless(&mut self, failure: &Failure) {
        let error = failure.clone().at(&self.connector.address);
        if std::mem::take(&mut self.connected) {
            let told = self.due("lost", failure.reason());
            if let Some(more) = told {
                tracing::warn!("redis connection lost: {}{}", failure.reason(), repeats(more));
            }
            self.lost = Some((Instant::now(), told.is_some()));
        } else {
            // A refused login is one complaint, however the server words it.
            let complaint = match &error {
                BrokerError::LoginRefused { .. } => "",
                _ => failure.reason(),
            };
            if let Some(more) = self.due("failed", complaint) {
                let hint = error.hint().map(|hint| format!("; hint: {hint}")).unwrap_or_default();
                tracing::warn!("{error}; trying again{}{hint}", repeats(more));
            }
        }
        self.status.send_modify(|status| {
            status.connected = false;
            status.error = Some(error.to_string());
        });
    }

    /// Whether to complain of something. Three words tell reasons apart: what follows may differ each time.
    fn due(&mut self, what: &str, reason: &str) -> Option<u64> {
        let mut key = what.to_owned();
        for word in reason.split_whitespace().take(3) {
            key.push(' ');
            key.push_str(word);
        }
        self.complaints.due(key)
    }
}

fn repeats(count: u64) -> String {
    if count == 0 { String::new() } else { format!(" ({count} more times since it was last said)") }
}
