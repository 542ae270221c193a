//! Keeps a subscription up: connects, serves, waits, again and for ever.

use std::time::Duration;

use futures_util::future::select_all;
use tokio::time::{Instant, sleep_until};

use super::connect::{Connector, Use};
use super::failure::Failure;
use super::journal::Journal;
use super::opening::Stream;
use super::session::{self, Source};
use crate::broker::BoxFuture;
use crate::net::backoff::Backoff;

const FIRST_WAIT: Duration = Duration::from_millis(100);
/// A server that answers again is noticed within this and the time of an attempt, together less than a second.
const LONGEST_WAIT: Duration = Duration::from_millis(800);

/// The next attempt begins this long after one that is neither refused nor answered, which goes on meanwhile: packets to
/// a host that was away are repeated ever more seldom. At most three are under way, as each is given up after
/// [`CONNECT_TIMEOUT`](super::opening::CONNECT_TIMEOUT).
const HEDGE: Duration = Duration::from_millis(750);

/// The promise to be back within a second of the server, held at compile time: tests on a busy machine cannot hold it.
const _: () = assert!(LONGEST_WAIT.as_millis() < 1000 && HEDGE.as_millis() < 1000);

/// The waits begin anew after a connection that stood for so long.
const STEADY: Duration = Duration::from_secs(5);

/// Feeds the sink from wherever the connector leads; never resolves.
pub(super) async fn run(source: &Source<'_>, mut journal: Journal<'_>) {
    let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
    loop {
        let stream = connected(source.connector, &mut backoff, &mut journal).await;
        let begun = Instant::now();
        let failure = session::serve(stream, source, &mut journal).await;
        if begun.elapsed() >= STEADY {
            backoff.reset();
        }
        // Other connections share the fate of the subscription, and may learn of it much later.
        source.commands.give_up();
        if failure.is_of_server() {
            source.connector.leave(failure.clone());
        }
        journal.failed(&failure);
        tokio::time::sleep(backoff.next(rand::random())).await;
    }
}

type Attempt<'a> = BoxFuture<'a, Result<Box<dyn Stream>, Failure>>;

/// Tries to connect until the server has let us in and answered.
async fn connected(
    connector: &Connector,
    backoff: &mut Backoff,
    journal: &mut Journal<'_>,
) -> Box<dyn Stream> {
    let mut attempts: Vec<Attempt<'_>> = Vec::new();
    let mut next = Instant::now();
    loop {
        tokio::select! {
            () = sleep_until(next) => {
                attempts.push(Box::pin(connector.connect(Use::Subscription)));
                next = Instant::now() + HEDGE;
            }
            (result, index) = first(&mut attempts), if !attempts.is_empty() => match result {
                Ok(stream) => return stream,
                Err(failure) => {
                    drop(attempts.swap_remove(index));
                    journal.failed(&failure);
                    if attempts.is_empty() {
                        next = Instant::now() + backoff.next(rand::random());
                    }
                }
            }
        }
    }
}

/// The first attempt that ends, and its position.
async fn first(attempts: &mut [Attempt<'_>]) -> (Result<Box<dyn Stream>, Failure>, usize) {
    let (result, index, _) = select_all(attempts).await;
    (result, index)
}
