//! Redis: outages, and what it cannot be expected to send.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rustix::process::Signal;

use super::fixture::{Got, RedisServer, Running, channel, free_port, prefix, within};
use super::host::Host;
use crate::broker::{Broker, BrokerError, RedisBroker};

/// The promised second, and time for a machine that is busy with other tests; waits that grow up to ten seconds exceed it.
const BACK: Duration = Duration::from_secs(4);

#[tokio::test]
async fn everything_is_subscribed_again_after_a_restart() {
    let mut server = RedisServer::start(&[]);
    let mut running = server.broker();
    running.subscribe(vec![channel("a"), prefix("b:")]).await;
    assert_eq!(running.confirmed(2).await, [0, 1]);
    running.publish("a", "before").await;
    running.expect(0, "a", b"before").await;
    for restart in 2..5 {
        server.kill();
        let status = running.status("lost", |status| !status.connected).await;
        assert!(status.error.is_some());
        let error = running.broker.publish("a", Bytes::new()).await.unwrap_err();
        assert!(matches!(error, BrokerError::Unreachable { .. }), "{error}");
        server.launch();
        let status = running.status("connected again", |status| status.connected).await;
        assert_eq!((status.connects, status.error), (restart, None));
        assert_eq!(running.publish("a", "after").await, 1);
        assert_eq!(running.confirmed(2).await, [0, 1]);
        running.publish("b:1", "too").await;
        running.expect(0, "a", b"after").await;
        running.expect(1, "b:1", b"too").await;
    }
}

#[tokio::test]
async fn the_first_command_after_a_restart_succeeds() {
    let mut server = RedisServer::start(&[]);
    let mut running = server.broker();
    running.subscribe(vec![channel("a")]).await;
    running.broker.ping().await.unwrap();
    server.kill();
    server.launch();
    running.status("connected again", |status| status.connects == 2).await;
    assert_eq!(running.publish("a", "x").await, 1);
}

#[tokio::test]
async fn a_source_may_start_before_its_server() {
    let mut server = RedisServer::stopped(free_port(), &[]);
    let mut running = server.broker();
    running.start(vec![channel("a")], None);
    let status = running.status("refused", |status| status.error.is_some()).await;
    let wanted = format!("could not connect to redis://127.0.0.1:{}: connection refused", server.port);
    assert_eq!(status.error.unwrap(), wanted);
    assert_eq!(running.broker.ping().await.unwrap_err().to_string(), wanted);
    server.launch();
    running.status("connected", |status| status.connected).await;
    running.publish("a", "x").await;
    running.expect(0, "a", b"x").await;
}

#[tokio::test]
async fn a_server_that_falls_silent_is_given_up() {
    let server = RedisServer::start(&[]);
    let mut running = server.broker();
    running.subscribe(vec![channel("a")]).await;
    server.signal(Signal::STOP);
    let status = running.status("given up", |status| !status.connected).await;
    assert!(status.error.as_ref().unwrap().contains("no answer for 5 s"), "{status:?}");
    let error = running.broker.publish("a", Bytes::new()).await.unwrap_err();
    assert!(
        matches!(&error, BrokerError::Unreachable { reason, .. } if reason.contains("within 2 s")),
        "{error}"
    );
    server.signal(Signal::CONT);
    running.status("connected again", |status| status.connected).await;
    running.broker.ping().await.unwrap();
}

#[tokio::test]
async fn the_source_is_back_within_a_second_of_its_server() {
    let mut server = RedisServer::start(&[]);
    let mut running = server.broker();
    running.subscribe(vec![channel("a")]).await;
    server.kill();
    let mut status = running.broker.status();
    // Long enough for the longest wait between attempts.
    for _ in 0..8 {
        within("a failed attempt", status.changed()).await.unwrap();
    }
    server.launch();
    let answers = Instant::now();
    running.status("connected again", |status| status.connected).await;
    assert!(answers.elapsed() < BACK, "{:?}", answers.elapsed());
}

#[tokio::test]
async fn a_host_that_swallows_connections_is_noticed_within_a_second_when_it_answers_again() {
    let server = RedisServer::start(&[]);
    let host = Host::deaf(server.port);
    let mut running = Running::new(RedisBroker::new(&host.url).unwrap());
    running.start(vec![channel("a")], None);
    let status = running.status("given up", |status| status.error.is_some()).await;
    assert!(status.error.as_ref().unwrap().contains("no connection within 2 s"), "{status:?}");
    for _ in 0..3 {
        host.listen();
        let answers = Instant::now();
        running.status("connected", |status| status.connected).await;
        assert!(answers.elapsed() < BACK, "{:?}", answers.elapsed());
        host.swallow();
        running.status("lost", |status| !status.connected).await;
        within("attempts that get no answer", host.swallowed(4)).await;
    }
}

#[tokio::test]
async fn waiting_commands_fail_together_when_nothing_answers() {
    let server = RedisServer::start(&[]);
    server.signal(Signal::STOP);
    let broker = server.broker().broker.clone();
    let started = Instant::now();
    let all = (0..50).map(|_| broker.publish("a", Bytes::new()));
    let results = within("fifty errors", futures_util::future::join_all(all)).await;
    assert!(results.iter().all(Result::is_err));
    // One after the other they would take 100 s.
    assert!(started.elapsed().as_secs() < 10, "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_payload_over_the_limit_is_skipped_and_reported() {
    let mut running = Running::redis();
    running.subscribe(vec![channel("a"), prefix("b:")]).await;
    let mut large = vec![b'x'; 10 * 1024 * 1024];
    large[..5].copy_from_slice(b"begin");
    for (subscription, name) in [(0, "a"), (1, "b:1")] {
        running.publish(name, "before").await;
        running.publish(name, large.clone()).await;
        running.publish(name, "after").await;
        running.expect(subscription, name, b"before").await;
        let (channel, head) = (name.to_owned(), large[..80].to_vec());
        assert_eq!(
            running.next().await,
            Got::Oversized { subscription, channel, head, len: 10 * 1024 * 1024 }
        );
        running.expect(subscription, name, b"after").await;
    }
    assert_eq!(running.broker.status().borrow().connects, 1);
}

#[tokio::test]
async fn the_limit_of_a_payload_can_be_set() {
    let server = RedisServer::start(&[]);
    let mut running = Running::new(RedisBroker::new(&server.url()).unwrap().max_payload(100));
    running.subscribe(vec![channel("a")]).await;
    running.publish("a", vec![b'x'; 101]).await;
    running.publish("a", vec![b'x'; 100]).await;
    let Got::Oversized { len: 101, .. } = running.next().await else { panic!() };
    running.expect(0, "a", &[b'x'; 100]).await;
}

#[tokio::test]
async fn a_channel_name_of_a_megabyte_harms_nobody() {
    let mut running = Running::redis();
    running.subscribe(vec![prefix("a")]).await;
    running.publish(&"a".repeat(1_000_000), "x").await;
    running.publish("ab", "y").await;
    let Got::Oversized { subscription: 0, len: 1_000_000, head, .. } = running.next().await else { panic!() };
    assert!(head.is_empty());
    running.expect(0, "ab", b"y").await;
}

#[tokio::test]
async fn something_else_on_the_port_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("redis://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
    });
    let mut running = Running::new(RedisBroker::new(&url).unwrap());
    running.start(vec![channel("a")], None);
    let status = running.status("refused", |status| status.error.is_some()).await;
    assert!(status.error.as_ref().unwrap().contains("speaks no RESP2"), "{status:?}");
}
