//! What only the embedded broker does.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::Semaphore;

use super::fixture::{Running, channel};
use crate::broker::{Broker, BrokerError, MemoryBroker};

#[tokio::test]
async fn a_full_queue_refuses_and_keeps_what_it_took() {
    let mut running = Running::new(MemoryBroker::with_capacity(10_000));
    // One for the flush of the confirmation.
    let gate = Arc::new(Semaphore::new(1));
    running.start(vec![channel("a")], Some(Arc::clone(&gate)));
    running.status("connected", |status| status.connected).await;
    let payload = Bytes::from(vec![b'x'; 1_000]);
    let mut taken = 0;
    let full = loop {
        match running.broker.publish("a", payload.clone()).await {
            Ok(receivers) => taken += receivers,
            Err(error) => break error,
        }
    };
    assert!(matches!(full, BrokerError::Overloaded(bytes) if bytes > 8_900 && bytes <= 10_000), "{full}");
    assert_eq!(taken, 9);
    assert_eq!(running.publish("b", "nobody wants this").await, 0);
    gate.add_permits(100);
    for _ in 0..taken {
        running.expect(0, "a", &payload).await;
    }
    // The room is given back once the sink has flushed, which may be a moment after it was given the last one.
    while running.broker.publish("a", payload.clone()).await.is_err() {
        tokio::task::yield_now().await;
    }
    running.expect(0, "a", &payload).await;
}

#[tokio::test]
async fn a_second_source_ends_at_once_and_leaves_the_first_alone() {
    let mut running = Running::embedded();
    running.subscribe(vec![channel("a")]).await;
    let mut second = Running::embedded();
    second.broker = Arc::clone(&running.broker);
    second.start(vec![channel("a")], None);
    second.ended().await;
    assert_eq!(running.publish("a", "x").await, 1);
    running.expect(0, "a", b"x").await;
    assert_eq!(running.status("connected", |status| status.connected).await.connects, 1);
}

#[tokio::test]
async fn it_keeps_no_state_and_says_where_it_is() {
    let broker = MemoryBroker::default();
    assert!(broker.store().is_none());
    assert_eq!((broker.name(), broker.address().as_str()), ("embedded", "this process"));
}
