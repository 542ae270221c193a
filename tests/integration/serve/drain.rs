//! The end of a relay.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::scraping;
use crate::support::{CLOSE, PATIENCE, RawTcp, Relay, until};

#[test]
fn every_socket_is_closed_with_1001_and_the_relay_succeeds_within_the_drain_time() {
    let relay = Relay::start(&["--shards", "2"]);
    let sockets: Vec<_> = (0..100).map(|nth| relay.connect(&format!("/ws/scraping/{nth}"))).collect();
    relay.until_connections(100);
    let start = Instant::now();
    relay.signal(Signal::TERM);
    for mut socket in sockets {
        assert_eq!(socket.close_code(), 1001);
        socket.close();
    }
    let output = relay.finish();
    assert_eq!(output.code, 0, "{}", output.stderr);
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    assert!(output.stderr.contains("closing 100 sockets"), "{}", output.stderr);
}

#[test]
fn ctrl_c_does_the_same() {
    let relay = Relay::start(&[]);
    let mut socket = relay.connect("/ws/scraping/1");
    relay.until_connections(1);
    relay.signal(Signal::INT);
    assert_eq!(socket.close_code(), 1001);
    socket.close();
    assert_eq!(relay.finish().code, 0);
}

#[test]
fn nobody_new_comes_in_while_it_drains_and_a_second_signal_ends_it_at_once() {
    let relay = Relay::start(&["--drain", "10m"]);
    // This one never answers the close; with two, the second one's turn comes late in so long a drain.
    let mut silent = relay.raw("/ws/scraping/1");
    relay.until_connections(1);
    relay.signal(Signal::TERM);
    assert_eq!(silent.next_but_pings(PATIENCE).unwrap().close_code(), 1001);
    until(PATIENCE, "the listener to close", || TcpStream::connect(relay.address()).is_err());
    relay.signal(Signal::TERM);
    let output = relay.finish();
    assert_eq!(output.code, 143, "{}", output.stderr);
}

#[test]
fn a_second_ctrl_c_exits_130() {
    let relay = Relay::start(&["--drain", "10m"]);
    let _silent = relay.raw("/ws/scraping/1");
    relay.until_connections(1);
    relay.signal(Signal::INT);
    until(PATIENCE, "the drain to begin", || relay.stderr().contains("closing 1 sockets"));
    relay.signal(Signal::INT);
    assert_eq!(relay.finish().code, 130);
}

#[test]
fn a_client_that_never_answers_the_close_does_not_delay_the_end_beyond_the_drain_time() {
    let relay = Relay::start(&["--drain", "500ms"]);
    let mut silent: Vec<_> = (0..3).map(|_| relay.raw("/ws/scraping/1")).collect();
    relay.until_connections(3);
    let start = Instant::now();
    relay.signal(Signal::TERM);
    for socket in &mut silent {
        assert_eq!(socket.next_but_pings(PATIENCE).unwrap().close_code(), 1001);
        assert_eq!(socket.next_but_pings(PATIENCE), None);
    }
    assert_eq!(relay.finish().code, 0);
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
}

#[test]
fn half_a_request_does_not_delay_the_end() {
    let relay = Relay::start(&["--drain", "500ms"]);
    let mut half = RawTcp::connect(relay.address());
    half.send("GET /heal").unwrap();
    let start = Instant::now();
    relay.signal(Signal::TERM);
    assert_eq!(relay.finish().code, 0);
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
}

#[test]
fn what_was_published_before_the_signal_still_arrives_before_the_close() {
    let relay = Relay::start(&[]);
    let mut socket = relay.raw("/ws/scraping/1");
    socket.expect_silence();
    let event = scraping(1, "job_completed", "100", 1);
    assert_eq!(relay.publish("scraping_events", &event), 1);
    relay.signal(Signal::TERM);
    assert_eq!(socket.next_but_pings(PATIENCE).unwrap().text(), event);
    assert_eq!(socket.next_but_pings(PATIENCE).unwrap().opcode, CLOSE);
}
