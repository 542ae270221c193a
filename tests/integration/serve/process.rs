//! The relay as a process: the way of an event through it, and how it starts.

use std::fs;
use std::os::unix::net::UnixDatagram;

use tempfile::TempDir;

use crate::support::{PATIENCE, Process, RedisServer, Relay, command, get, jobwire, until};

const PROGRESS: &str = r#"{"job_id":123,"event_type":"job_progress","status":"running","progress":45.5,"results_count":42,"message":"Scraping in progress...","metadata":{"successful_scrapers":3,"failed_scrapers":1,"total_flights":42},"timestamp":"2025-11-21T10:30:00"}"#;

#[test]
fn a_plain_publish_reaches_a_socket_byte_for_byte() {
    let redis = RedisServer::start();
    let relay = Relay::start(&["--redis", &redis.url()]);
    let mut socket = relay.connect("/ws/scraping/123");
    until(PATIENCE, "the relay to subscribe", || relay.get("/ready").0 == 200);
    assert_eq!(redis.publish("scraping_events", PROGRESS), 1);
    assert_eq!(socket.next_text(PATIENCE), PROGRESS);
    assert_eq!(relay.connect("/ws/scraping/123").next_text(PATIENCE), PROGRESS, "a late joiner");
}

#[test]
fn the_embedded_broker_needs_nothing_but_the_key_in_the_runtime_folder() {
    let relay = Relay::start(&[]);
    let mut socket = relay.connect("/ws/scraping/7");
    let output = relay.jobwire(&["publish", "scraping/7", "job_progress", "progress=5"]);
    assert_eq!(output.code, 0, "{}", output.stderr);
    let event = socket.next_text(PATIENCE);
    assert!(
        event.starts_with(r#"{"job_id":7,"event_type":"job_progress","status":"running","progress":5"#),
        "{event}"
    );
}

#[test]
fn a_port_that_is_taken_is_named_with_a_hint() {
    let relay = Relay::start(&[]);
    let output = jobwire(&["serve", "--listen", relay.address()]);
    assert_eq!(output.code, 1);
    assert!(output.stderr.contains(relay.address()), "{}", output.stderr);
    assert!(output.stderr.contains("\nhint: "), "{}", output.stderr);
}

#[test]
fn a_redis_that_is_no_url_is_refused_without_showing_it() {
    let mut serve = command(&["serve"]);
    let output = Process::spawn(serve.env("REDIS_URL", "hunter2")).finish(PATIENCE);
    assert_eq!(output.code, 2, "{}", output.stderr);
    assert!(output.stderr.contains("hint: the value comes from the environment variable REDIS_URL"));
    assert!(!output.stderr.contains("hunter2"), "{}", output.stderr);
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("jobwire.toml");
    fs::write(&path, "[serve]\nredis = \"hunter2\"\n").unwrap();
    let output = jobwire(&["serve", "--config", path.to_str().unwrap()]);
    assert_eq!(output.code, 2, "{}", output.stderr);
    let expected = format!("error: {}:2: serve.redis: invalid value: ", path.display());
    assert!(output.stderr.starts_with(&expected), "{}", output.stderr);
    assert!(!output.stderr.contains("hunter2"), "{}", output.stderr);
}

#[test]
fn systemd_is_told_once_the_relay_listens() {
    let folder = TempDir::new().unwrap();
    let (notify, port) = (folder.path().join("notify"), folder.path().join("port"));
    let socket = UnixDatagram::bind(&notify).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut serve = command(&["serve", "--listen", "127.0.0.1:0", "--port-file", port.to_str().unwrap()]);
    let _relay = Process::spawn(serve.env("NOTIFY_SOCKET", &notify).env("XDG_RUNTIME_DIR", folder.path()));
    let mut told = [0; 32];
    let length = socket.recv(&mut told).unwrap();
    assert_eq!(&told[..length], b"READY=1");
    let port = fs::read_to_string(&port).unwrap();
    assert_eq!(get(&format!("127.0.0.1:{}", port.trim()), "/health").0, 200);
}
