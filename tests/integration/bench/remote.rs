//! `bench worker`: it waits for calls from other hosts, and says why it cannot answer one.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use redis::Commands as _;
use rustix::process::Signal;
use tempfile::TempDir;

use super::bench;
use super::support::{PATIENCE, Process, RedisServer, Relay, command, free_port, jobwire, wait_for};

fn worker(redis: &str, more: &[&str]) -> Process {
    let worker = Process::spawn(&mut command(&[&["bench", "worker", "--redis", redis], more].concat()));
    until_said(&worker, "waiting for calls", 1);
    worker
}

/// Waits until a worker has said something so many times.
fn until_said(worker: &Process, text: &str, times: usize) {
    wait_for(PATIENCE, text, || (worker.stderr().matches(text).count() >= times).then_some(()));
}

#[test]
fn a_worker_takes_part_in_run_after_run_until_a_signal() {
    let redis = RedisServer::start();
    let relay = Relay::on(&redis, &[]);
    let (url, server) = (redis.url(), relay.ws(""));
    let waiting = worker(&url, &[]);
    let args = ["-c", "4", "-d", "500ms", "--remote-workers", "1", "--redis", &url, "--server", &server];
    for nth in 1..=2 {
        let (output, summary) = bench(&[&args[..], &["--allow-client-bound"]].concat());
        assert_eq!(output.code, 0, "{}", output.stderr);
        assert!(summary["workers"][0]["name"].as_str().unwrap().ends_with(&format!("/{}", waiting.id())));
        until_said(&waiting, "took part in a run", nth);
    }
    waiting.signal(Signal::INT);
    assert_eq!(waiting.finish(PATIENCE).code, 130);
}

#[test]
fn a_worker_outlives_its_redis_unless_it_was_never_there() {
    let mut redis = RedisServer::start();
    let url = redis.url();
    let waiting = worker(&url, &[]);
    redis.stop();
    until_said(&waiting, "trying again", 1);
    redis.restart();
    until_said(&waiting, "redis is back", 1);
    waiting.signal(Signal::TERM);
    assert_eq!(waiting.finish(PATIENCE).code, 143);
    let nobody = format!("redis://:secret@127.0.0.1:{}", free_port());
    let output = jobwire(&["bench", "worker", "--redis", &nobody]);
    assert_eq!(output.code, 3, "{}", output.stderr);
    assert!(!output.stderr.contains("secret"), "{}", output.stderr);
}

#[test]
fn a_dialect_that_only_the_coordinator_knows_is_named() {
    let redis = RedisServer::start();
    let folder = TempDir::new().unwrap();
    let builtin = include_str!("../../../src/dialect/builtin/downloads.toml");
    let own = builtin
        .replace("name = \"downloads\"", "name = \"builds\"")
        .replace("/ws/download/", "/ws/build/")
        .replace("/api/status/", "/api/build/")
        .replace("download_updates:", "build_updates:");
    let file = folder.path().join("builds.toml");
    std::fs::write(&file, own).unwrap();
    let file = file.to_str().unwrap();
    let relay = Relay::on(&redis, &["--dialect-file", file]);
    let (url, server) = (redis.url(), relay.ws(""));
    let args =
        ["builds", "-c", "4", "-d", "500ms", "--redis", &url, "--server", &server, "--dialect-file", file];
    let waiting = worker(&url, &[]);
    let (output, _) = bench(&[&args[..], &["--remote-workers", "1"]].concat());
    assert_eq!(output.code, 1, "{}", output.stderr);
    for stderr in [&output.stderr, &waiting.stderr()] {
        assert!(stderr.contains("no dialect 'builds'") && stderr.contains("--dialect-file"), "{stderr}");
    }
    drop(waiting);
    // One that has the file takes part, and those of this host are given it.
    let _waiting = worker(&url, &["--dialect-file", file]);
    let more = ["--remote-workers", "1", "--workers", "1", "--allow-client-bound", "--assert", "lost==0"];
    let (output, _) = bench(&[&args[..], &more].concat());
    assert_eq!(output.code, 0, "{}", output.stderr);
}

#[test]
fn a_call_of_another_version_is_refused() {
    let redis = RedisServer::start();
    let waiting = worker(&redis.url(), &[]);
    let mut connection = redis.connection();
    let _: () = connection.set("jobwire:bench:00000007:alive", 1).unwrap();
    for call in [r#"{"version":"9.9.9","run":7,"index":3,"else":[]}"#, r#"{"argv":["--token","secret"]}"#] {
        let _: u64 = connection.rpush("jobwire:bench:calls", call).unwrap();
    }
    until_said(&waiting, "the coordinator is jobwire 9.9.9", 1);
    until_said(&waiting, "of another version is at work", 1);
    assert!(!waiting.stderr().contains("secret"), "{}", waiting.stderr());
    let state: String = connection.hget("jobwire:bench:00000007:workers", 3).unwrap();
    assert!(state.contains("the coordinator is jobwire 9.9.9"), "{state}");
}

#[test]
fn a_clock_that_is_not_known_well_enough_is_refused() {
    let redis = RedisServer::start();
    let relay = Relay::start(&[]);
    let (url, server) = (redis.url(), relay.ws(""));
    let args = ["idle", "-c", "4", "--remote-workers", "1", "--redis", &url, "--server", &server];
    let (output, _) = bench(&[&args[..], &["--max-clock-error", "0s"]].concat());
    assert_eq!(output.code, 1, "{}", output.stderr);
    assert!(output.stderr.contains("this machine's clock is known to"), "{}", output.stderr);
    // This worker's way to Redis takes far longer than the coordinator's.
    let far = worker(&slow(redis.port(), Duration::from_millis(400)), &[]);
    let (output, _) = bench(&[&args[..], &["--max-clock-error", "150ms"]].concat());
    assert_eq!(output.code, 1, "{}", output.stderr);
    let reason = format!("/{} cannot take part: its clock is known to", far.id());
    assert!(output.stderr.contains(&reason), "{}", output.stderr);
}

/// The URL of a way to a Redis that holds everything up for a while.
fn slow(port: u16, delay: Duration) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("redis://{}", listener.local_addr().unwrap());
    let pass = move |mut from: TcpStream, mut to: TcpStream| {
        let mut chunk = [0; 4096];
        while let Ok(read @ 1..) = from.read(&mut chunk) {
            // The way's length, not a wait for anything.
            std::thread::sleep(delay);
            if to.write_all(&chunk[..read]).is_err() {
                return;
            }
        }
    };
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let (Ok(client), Ok(server)) = (client, TcpStream::connect(("127.0.0.1", port))) else { return };
            let (requests, answers) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            std::thread::spawn(move || pass(requests, server));
            std::thread::spawn(move || pass(answers, client));
        }
    });
    url
}

#[test]
fn what_makes_no_sense_with_workers_is_refused() {
    let redis = "redis://127.0.0.1:1";
    for (args, reason) in [
        (&["idle", "--workers", "2"][..], "--redis"),
        (&["idle", "-c", "2", "--workers", "2", "--remote-workers", "1", "--redis", redis], "3 workers"),
        (&["idle", "--once"], "--once"),
        (&["worker"], "--redis"),
        (&["worker", "scraping", "--redis", redis], "takes no target"),
        (&["--workers", "2", "--redis", redis, "--find", "rate", "--within", "lost==0"], "--find"),
    ] {
        let output = jobwire(&[&["bench"], args].concat());
        assert_eq!(output.code, 2, "{args:?}: {}", output.stderr);
        assert!(output.stderr.contains(reason), "{args:?}: {}", output.stderr);
    }
}
