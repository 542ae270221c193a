//! One sink, which the subscription and the streams give to in turn.

use std::sync::Arc;

use tokio::sync::{Mutex, MutexGuard, OwnedMutexGuard};

use crate::broker::{BoxFuture, EntryFault, EntryId, Position, Publication, Sink, StreamId};

/// A sink for several, each of which has it for a burst and its flush.
#[derive(Clone)]
pub(super) struct Turns(Arc<Mutex<Box<dyn Sink>>>);

impl Turns {
    pub(super) fn new(sink: Box<dyn Sink>) -> Self {
        Self(Arc::new(Mutex::new(sink)))
    }

    /// Waits for its turn, which lasts until the guard is dropped; to be flushed before that.
    pub(super) async fn turn(&self) -> MutexGuard<'_, Box<dyn Sink>> {
        self.0.lock().await
    }

    /// A sink that waits for its turn by itself.
    pub(super) fn sink(&self) -> Patient {
        Patient { turns: self.clone(), turn: None, kept: Vec::new() }
    }
}

/// A sink that has its turn from the first call of a burst to the end of the flush. While another one has it, a burst is
/// kept, which is no more than was read at a time.
pub(super) struct Patient {
    turns: Turns,
    turn: Option<OwnedMutexGuard<Box<dyn Sink>>>,
    kept: Vec<Kept>,
}

/// A call that waits.
enum Kept {
    Publication { subscription: usize, channel: Vec<u8>, payload: Vec<u8> },
    Confirmed(Vec<usize>),
    Oversized { subscription: usize, channel: Vec<u8>, head: Vec<u8>, len: u64 },
}

impl Kept {
    fn give(self, sink: &mut dyn Sink) {
        match self {
            Self::Publication { subscription, channel, payload } => sink.publication(Publication {
                subscription,
                channel: &channel,
                payload: &payload,
                entry: None,
                is_history: false,
            }),
            Self::Confirmed(subscriptions) => sink.confirmed(&subscriptions),
            Self::Oversized { subscription, channel, head, len } => {
                sink.oversized(subscription, &channel, &head, len);
            }
        }
    }
}

impl Patient {
    /// Gives a call on, or keeps it while another one has the turn.
    fn call(&mut self, call: impl FnOnce(&mut dyn Sink), keep: impl FnOnce() -> Kept) {
        if self.turn.is_none() && self.kept.is_empty() {
            self.turn = Arc::clone(&self.turns.0).try_lock_owned().ok();
        }
        match &mut self.turn {
            Some(turn) => call(turn.as_mut()),
            None => self.kept.push(keep()),
        }
    }
}

impl Sink for Patient {
    fn publication(&mut self, publication: Publication<'_>) {
        let Publication { subscription, channel, payload, .. } = publication;
        self.call(
            |sink| sink.publication(publication),
            || Kept::Publication { subscription, channel: channel.to_vec(), payload: payload.to_vec() },
        );
    }

    fn confirmed(&mut self, subscriptions: &[usize]) {
        self.call(|sink| sink.confirmed(subscriptions), || Kept::Confirmed(subscriptions.to_vec()));
    }

    /// Streams have their turn by [`Turns::turn`].
    fn stream(&mut self, _: StreamId, _: &str, _: usize, _: Position) {}

    fn odd_entry(&mut self, _: usize, _: &str, _: Option<EntryId>, _: EntryFault) {}

    fn oversized(&mut self, subscription: usize, channel: &[u8], head: &[u8], len: u64) {
        self.call(
            |sink| sink.oversized(subscription, channel, head, len),
            || Kept::Oversized { subscription, channel: channel.to_vec(), head: head.to_vec(), len },
        );
    }

    fn flush(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            let mut turn = match self.turn.take() {
                Some(turn) => turn,
                None => Arc::clone(&self.turns.0).lock_owned().await,
            };
            for kept in self.kept.drain(..) {
                kept.give(turn.as_mut());
            }
            turn.flush().await;
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex as StdMutex;

    use super::*;

    /// Notes payloads and flushes.
    #[derive(Clone, Default)]
    struct Notes(Arc<StdMutex<Vec<String>>>);

    impl Sink for Notes {
        fn publication(&mut self, publication: Publication<'_>) {
            let text = String::from_utf8(publication.payload.to_vec()).unwrap();
            self.0.lock().unwrap().push(text);
        }

        fn flush(&mut self) -> BoxFuture<'_, ()> {
            self.0.lock().unwrap().push("flush".to_owned());
            Box::pin(std::future::ready(()))
        }
    }

    fn publication(payload: &str) -> Publication<'_> {
        Publication {
            subscription: 0,
            channel: b"a",
            payload: payload.as_bytes(),
            entry: None,
            is_history: false,
        }
    }

    #[tokio::test]
    async fn a_burst_waits_for_the_turn_of_another_one_and_keeps_its_order() {
        let notes = Notes::default();
        let turns = Turns::new(Box::new(notes.clone()));
        let mut sink = turns.sink();
        let mut turn = turns.turn().await;
        turn.publication(publication("1"));
        sink.publication(publication("3"));
        sink.publication(publication("4"));
        turn.publication(publication("2"));
        turn.flush().await;
        drop(turn);
        sink.publication(publication("5"));
        sink.flush().await;
        sink.publication(publication("6"));
        assert!(turns.0.try_lock().is_err(), "the burst has its turn until it is flushed");
        sink.flush().await;
        let wanted = ["1", "2", "flush", "3", "4", "5", "flush", "6", "flush"];
        assert_eq!(*notes.0.lock().unwrap(), wanted);
    }
}
