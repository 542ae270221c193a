//! Keeps a subscription up: connects, serves, waits, again and for ever.

use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::connect::{Connector, Failure};
use super::routes::Routes;
use super::session::{self, Answers};
use crate::broker::{BrokerError, Sink, Status, Subscription};
use crate::net::backoff::Backoff;

/// To open the connection and log in.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// How long the same complaint is not repeated.
const HUSH: Duration = Duration::from_mins(1);

/// Feeds `sink` from wherever `connector` leads; never resolves.
///
/// A connection counts, and the waits begin anew, once every subscription is answered and one of them confirmed.
pub(super) async fn run(
    connector: &Connector,
    subscriptions: &[Subscription],
    sink: &mut dyn Sink,
    max_payload: usize,
    status: &watch::Sender<Status>,
) {
    let routes = Routes::new(subscriptions);
    let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
    let mut journal = Journal::default();
    loop {
        let failure = match connector.connect(CONNECT_TIMEOUT, false).await {
            Ok(stream) => {
                let answered = |answers| journal.answered(answers, connector, status, &mut backoff);
                session::serve(stream, &routes, sink, max_payload, answered).await
            }
            Err(failure) => failure,
        };
        journal.failed(failure, connector, status);
        tokio::time::sleep(backoff.next(rand::random())).await;
    }
}

/// Tells the status and the log how the connection is doing; the log without repeating itself.
#[derive(Debug, Default)]
struct Journal {
    connected: bool,
    /// Since when a connection that once stood is gone, and whether the log was told.
    lost: Option<(Instant, bool)>,
    hush: Hush,
}

impl Journal {
    fn answered(
        &mut self,
        answers: Answers,
        connector: &Connector,
        status: &watch::Sender<Status>,
        backoff: &mut Backoff,
    ) {
        for (name, reason) in &answers.denied {
            if self.hush.due(&format!("denied {name}"), Instant::now()) {
                tracing::warn!("redis does not let us subscribe {name:?}: {reason}");
            }
        }
        if answers.usable {
            backoff.reset();
            self.connected = true;
            match self.lost.take() {
                Some((since, true)) => tracing::warn!(
                    "redis connected again after {:.1} s; events published meanwhile are lost",
                    since.elapsed().as_secs_f32()
                ),
                Some((_, false)) => {}
                None => tracing::info!("connected to {}", connector.address),
            }
        }
        status.send_modify(|status| {
            status.denied = answers.denied;
            if answers.usable {
                status.connected = true;
                status.error = None;
                status.connects += 1;
            }
        });
    }

    fn failed(&mut self, failure: Failure, connector: &Connector, status: &watch::Sender<Status>) {
        let now = Instant::now();
        let reason = failure.reason();
        let error = failure.at(&connector.address);
        if std::mem::take(&mut self.connected) {
            let told = self.hush.due(&format!("lost {reason}"), now);
            if told {
                tracing::warn!("redis connection lost: {reason}");
            }
            self.lost = Some((now, told));
        } else {
            // Whatever the server's words, a refused login is one complaint.
            let complaint = match &error {
                BrokerError::LoginRefused { .. } => "login".to_owned(),
                _ => reason,
            };
            if self.hush.due(&complaint, now) {
                let hint = error.hint().map(|hint| format!("; hint: {hint}")).unwrap_or_default();
                tracing::warn!("{error}; trying again{hint}");
            }
        }
        status.send_modify(|status| {
            status.connected = false;
            status.error = Some(error.to_string());
        });
    }
}

/// Complaints of the last minute. Holds at most eight; the oldest makes room.
#[derive(Debug, Default)]
struct Hush(Vec<(String, Instant)>);

impl Hush {
    /// Whether to say it: not if it was said within the last minute.
    fn due(&mut self, complaint: &str, now: Instant) -> bool {
        self.0.retain(|(_, said)| now.saturating_duration_since(*said) < HUSH);
        if self.0.iter().any(|(known, _)| known == complaint) {
            return false;
        }
        if self.0.len() == 8 {
            self.0.remove(0);
        }
        self.0.push((complaint.to_owned(), now));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::{Duration, HUSH, Hush, Instant};

    #[test]
    fn a_complaint_is_made_at_most_once_a_minute() {
        let mut hush = Hush::default();
        let now = Instant::now();
        assert!(hush.due("a", now));
        assert!(hush.due("b", now));
        assert!(!hush.due("a", now + Duration::from_secs(59)));
        assert!(hush.due("a", now + HUSH));
        assert!(!hush.due("a", now + HUSH + Duration::from_secs(1)));
    }

    #[test]
    fn no_more_than_eight_complaints_are_remembered() {
        let mut hush = Hush::default();
        let now = Instant::now();
        for index in 0..100 {
            assert!(hush.due(&index.to_string(), now));
        }
        assert_eq!(hush.0.len(), 8);
    }
}
