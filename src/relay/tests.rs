//! Tests of a relay as a whole, on brokers that a test tells what to do.

use futures_util::FutureExt as _;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::*;
use crate::broker::{
    BoxFuture, BrokerError, Denied, History, MemoryBroker, Page, Position, Sink, Status, StreamId,
};
use crate::net::http;
use crate::net::tls::Tls;

/// Longest wait for something that is to come.
const PATIENCE: Duration = Duration::from_secs(20);

/// Broker whose status is set by a test. It has streams without entries, whose history is read when the test says so.
#[derive(Default)]
struct Told {
    status: watch::Sender<Status>,
    history_is_read: Notify,
}

impl Broker for Told {
    fn name(&self) -> &'static str {
        "told"
    }

    fn address(&self) -> String {
        String::new()
    }

    fn run(
        &self,
        _: Vec<Subscription>,
        mut sink: Box<dyn Sink>,
        stop: CancellationToken,
    ) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            self.history_is_read.notified().await;
            sink.history_read();
            sink.flush().await;
            stop.cancelled().await;
        })
    }

    fn publish<'a>(&'a self, _: &'a str, _: bytes::Bytes) -> BoxFuture<'a, Result<u64, BrokerError>> {
        unreachable!("nothing is published")
    }

    fn status(&self) -> watch::Receiver<Status> {
        self.status.subscribe()
    }

    fn history(&self) -> Option<&dyn History> {
        Some(self)
    }

    fn append<'a>(
        &'a self,
        _: &'a str,
        _: Option<&'a str>,
        _: bytes::Bytes,
    ) -> BoxFuture<'a, Result<Position, BrokerError>> {
        unreachable!("nothing is appended")
    }
}

impl History for Told {
    fn page(&self, _: StreamId, _: Position, _: usize) -> BoxFuture<'_, Result<Page, BrokerError>> {
        unreachable!("nobody resumes")
    }
}

#[tokio::test]
async fn a_relay_that_has_started_has_a_source_to_publish_to() {
    let broker = Arc::new(MemoryBroker::new());
    let dialects = Arc::new(Dialects::builtin());
    let _relay = Relay::start(Vec::new(), broker.clone(), dialects, RelayOptions::default()).unwrap();
    let payload = br#"{"job_id":1}"#.as_slice().into();
    assert_eq!(broker.publish("scraping_events", payload).await.unwrap(), 1);
}

/// Answer of `GET /ready`: its status and its body.
async fn asked(relay: &Relay) -> (u16, Value) {
    let url = format!("http://{}/ready", relay.addresses()[0]).parse().unwrap();
    let tls = Tls::default();
    let answer = http::request(hyper::Method::GET, &url, &[], bytes::Bytes::new(), &tls, PATIENCE).await;
    let answer = answer.unwrap();
    (answer.status, serde_json::from_slice(&answer.body).unwrap())
}

#[tokio::test]
async fn a_relay_is_ready_for_a_command_when_it_is_ready_for_a_load_balancer() {
    let broker = Arc::new(Told::default());
    let listener = listen("127.0.0.1:0".parse().unwrap()).unwrap();
    let dialects = Arc::new(Dialects::builtin().with_streams(&["scraping"]).unwrap());
    let relay = Relay::start(vec![listener], broker.clone(), dialects, RelayOptions::default()).unwrap();
    let mut ready = std::pin::pin!(relay.ready());
    let well = Status { connected: true, reachable: true, ..Status::default() };
    let subscriptions = (0..relay.api.subscribers.len()).collect();
    let denied =
        Denied { name: "scraping_events".into(), reason: "NOPERM".into(), revoked: true, subscriptions };
    let refused = Status { error: Some("connection refused".into()), ..Status::default() };
    let history = "the history of the streams is being read";
    let doubtful = Status { doubt: Some("a probe was lost".into()), ..well.clone() };
    let denied = Status { denied: vec![denied], ..well.clone() };
    let first = &relay.api.dialects.get(relay.api.subscribers[0]).name;
    let denial =
        format!("no event of {first} can come: told no longer lets us subscribe scraping_events: NOPERM");
    for (status, has_history, code, message) in [
        (Status::default(), false, "broker_not_connected", "the broker is not connected yet"),
        (refused, false, "broker_not_connected", "connection refused"),
        (well.clone(), false, "reading_history", history),
        (doubtful, true, "subscription_in_doubt", "a probe was lost"),
        (denied, true, "subscription_denied", &denial),
        (Status::default(), true, "broker_not_connected", "the broker is not connected yet"),
    ] {
        broker.status.send_replace(status);
        if has_history {
            broker.history_is_read.notify_one();
            let mut has_history = relay.api.has_history.clone();
            timeout(PATIENCE, has_history.wait_for(|has| *has)).await.unwrap().unwrap();
        }
        assert_eq!(asked(&relay).await, (503, json!({ "error": code, "message": message })));
        assert_eq!(relay.trouble().as_deref(), Some(message));
        assert!(ready.as_mut().now_or_never().is_none(), "{code}");
    }
    // The waiter waits already when the last obstacle goes.
    let (waited, _) = tokio::join!(timeout(PATIENCE, ready), async { broker.status.send_replace(well) });
    waited.unwrap();
    assert_eq!((asked(&relay).await.0, relay.trouble()), (200, None));
    assert!(relay.ready().now_or_never().is_some());
}
