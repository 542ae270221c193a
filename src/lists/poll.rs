//! Asking again and again, with a back-off while nobody answers.

use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use super::client::JobQuery;
use crate::exit::Failure;
use crate::net::backoff::Backoff;

/// Longest wait before the next attempt at a relay that is away; short, since a user is looking.
const LONGEST: Duration = Duration::from_secs(10);

/// First wait before the next attempt.
const FIRST: Duration = Duration::from_millis(500);

/// Question that is asked again and again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// Which jobs.
    pub query: JobQuery,
    /// A pause: the relay is not asked until the value changes.
    pub is_paused: bool,
}

/// Result of a question.
#[derive(Debug)]
pub(crate) enum PollResult<T> {
    /// An answer to this query.
    Answer(T, JobQuery),
    /// No answer; the next attempt follows at that time.
    Lost {
        /// Error of this attempt.
        failure: Failure,
        /// Time of the next attempt.
        again: Instant,
    },
}

/// Asks every `interval`, and at once when other jobs are wanted, until nobody takes the answers.
///
/// An answer that is not taken holds up the next question, so that none is old. The interval is kept between the beginnings of
/// questions; a relay that takes longer is asked again at once.
pub(crate) async fn poll<T>(
    interval: Duration,
    wanted: watch::Receiver<Wanted>,
    answers: mpsc::Sender<PollResult<T>>,
    ask: impl AsyncFn(&JobQuery) -> Result<T, Failure>,
) {
    poll_with(Backoff::new(FIRST, LONGEST), interval, wanted, answers, ask).await;
}

async fn poll_with<T>(
    mut backoff: Backoff,
    interval: Duration,
    mut wanted: watch::Receiver<Wanted>,
    answers: mpsc::Sender<PollResult<T>>,
    ask: impl AsyncFn(&JobQuery) -> Result<T, Failure>,
) {
    loop {
        let now = wanted.borrow_and_update().clone();
        if now.is_paused {
            if wanted.changed().await.is_err() {
                return;
            }
            continue;
        }
        let begun = Instant::now();
        let (polled, next) = match ask(&now.query).await {
            Ok(answer) => {
                backoff.reset();
                (PollResult::Answer(answer, now.query), begun + interval)
            }
            Err(failure) => {
                let again = Instant::now() + backoff.next(rand::random::<f64>());
                (PollResult::Lost { failure, again }, again)
            }
        };
        if answers.send(polled).await.is_err() {
            return;
        }
        tokio::select! {
            () = sleep_until(next) => {}
            changed = wanted.changed() => if changed.is_err() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::exit::Exit;

    #[tokio::test]
    async fn a_relay_that_is_away_is_tried_again_and_another_query_does_not_wait() {
        let query = JobQuery { states: Vec::new(), dialect: None, limit: 1 };
        let (wish, wanted) = watch::channel(Wanted { query, is_paused: false });
        let (sender, mut answers) = mpsc::channel(1);
        let asked = Cell::new(0);
        let ask = async |query: &JobQuery| {
            asked.set(asked.get() + 1);
            if query.limit == 2 { Err(Failure::new(Exit::Unreachable, "away")) } else { Ok(query.limit) }
        };
        let (first, max) = (Duration::from_millis(1), Duration::from_millis(8));
        // An interval that never passes: what comes is a retry, or the answer to another query.
        let asking = poll_with(Backoff::new(first, max), Duration::from_hours(24), wanted, sender, ask);
        let looking = async {
            assert!(matches!(answers.recv().await, Some(PollResult::Answer(1, _))));
            wish.send_modify(|wanted| wanted.query.limit = 2);
            for _ in 0..5 {
                let Some(PollResult::Lost { again, .. }) = answers.recv().await else { panic!() };
                assert!(again <= Instant::now() + max);
            }
            wish.send_modify(|wanted| wanted.query.limit = 7);
            while !matches!(answers.recv().await, Some(PollResult::Answer(7, _))) {}
            wish.send_modify(|wanted| wanted.is_paused = true);
            tokio::task::yield_now().await;
            let before = asked.get();
            wish.send_modify(|wanted| wanted.query.limit = 8);
            tokio::task::yield_now().await;
            assert_eq!(asked.get(), before, "nothing is asked while it is paused");
            wish.send_modify(|wanted| wanted.is_paused = false);
            assert!(matches!(answers.recv().await, Some(PollResult::Answer(8, _))));
            drop(answers);
            wish.send_modify(|wanted| wanted.query.limit = 9);
        };
        tokio::join!(asking, looking);
    }
}
