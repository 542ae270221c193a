//! `bench --resume` outlasts the server and Redis, and tells truly what that cost.

use redis::InfoDict;
use serde_json::Value;

use super::support::{Cutter, Output, PATIENCE, Process, RedisServer, Relay, until};
use super::{cohort, read, start};

/// Connections of a run.
const CONNECTIONS: u64 = 20;

/// A run under way. Half of its events are milestones, which nothing excuses.
fn begin(server: &str, redis: &RedisServer, args: &[&str]) -> Process {
    let url = redis.url();
    let time: &[&str] = if args.contains(&"-d") { &[] } else { &["-d", "4s"] };
    let load = ["scraping", "-c", "20", "--jobs", "4", "-r", "200", "--warm-up", "0s", "--milestones", "50%"];
    let fixed = ["--server", server, "--redis", &url, "--resume", "--assert", "missing==0,twice==0"];
    start(&[&load[..], time, &fixed, args].concat())
}

pub(super) fn end(process: Process) -> (Output, Value) {
    let output = process.finish(PATIENCE * 2);
    assert!(!output.stdout.is_empty(), "{}", output.stderr);
    let summary = read(&output.stdout);
    (output, summary)
}

/// Times that Redis has carried out a command since it was started.
pub(super) fn calls(redis: &RedisServer, command: &str) -> u64 {
    let info: InfoDict = redis::cmd("INFO").arg("commandstats").query(&mut redis.connection()).unwrap();
    let stats: Option<String> = info.get(&format!("cmdstat_{command}"));
    let stats = stats.unwrap_or_default();
    let calls = stats.split(',').next().and_then(|first| first.strip_prefix("calls="));
    calls.map_or(0, |calls| calls.parse().unwrap())
}

/// Waits until so many further events of the run have gone to Redis.
fn until_published(redis: &RedisServer, command: &str, more: u64) {
    let before = calls(redis, command);
    until(PATIENCE, "events to be published", || calls(redis, command) >= before + more);
}

#[track_caller]
fn figures<const N: usize>(value: &Value, names: [&str; N]) -> [u64; N] {
    names.map(|name| value[name].as_u64().unwrap_or_else(|| panic!("no {name} in {value}")))
}

#[test]
fn connections_that_are_cut_come_back_with_their_cursor_and_miss_nothing() {
    let redis = RedisServer::start();
    for manner in
        [&[][..], &["--transport", "sse"], &["--watch", "--targets-per-connection", "2"], &["--workers", "2"]]
    {
        let relay = Relay::on(&redis, &[]);
        let cutter = Cutter::before(relay.address());
        let run = begin(&cutter.server(), &redis, &[manner, &["--assert", "gaps==0"]].concat());
        relay.until_connections(CONNECTIONS);
        until_published(&redis, "publish", 100);
        cutter.cut();
        relay.until_connections(0);
        until_published(&redis, "publish", 50);
        cutter.mend();
        let (output, summary) = end(run);
        assert_eq!(output.code, 0, "{manner:?}: {}", summary["verdict"]);
        let reconnect = &summary["reconnect"];
        let all = CONNECTIONS;
        let names = ["cut", "dropped", "back", "resumed", "unaccounted"];
        assert_eq!(figures(reconnect, names), [0, all, all, all, 0], "{manner:?}");
        assert!(reconnect["failed"].as_u64() > Some(0), "{manner:?}: {reconnect}");
        assert_eq!(summary["connections"]["failed"], 0, "{manner:?}");
        let healthy = cohort(&summary, "healthy");
        assert_eq!(figures(healthy, ["lost", "duplicated", "reordered"]), [0, 0, 0], "{manner:?}");
    }
}

#[test]
fn what_a_relay_lost_that_was_killed_is_told_as_gaps_and_missing() {
    let redis = RedisServer::start();
    let relay = Relay::on(&redis, &[]);
    let address = relay.address().to_owned();
    let run = begin(&relay.ws(""), &redis, &[]);
    relay.until_connections(CONNECTIONS);
    until_published(&redis, "publish", 100);
    relay.kill();
    until_published(&redis, "publish", 50);
    let _relay = Relay::listening_on(&address, &["--redis", &redis.url()]);
    let (output, summary) = end(run);
    assert_eq!(output.code, 99, "{}", output.stderr);
    let gaps = &summary["subscribing"]["gaps"];
    assert_eq!((&gaps[0]["reason"], &gaps[0]["count"]), (&"restarted".into(), &CONNECTIONS.into()), "{gaps}");
    let [expected, received, conflated, lost, duplicated] =
        figures(cohort(&summary, "healthy"), ["expected", "received", "conflated", "lost", "duplicated"]);
    assert_eq!((expected, duplicated), (CONNECTIONS * 200, 0));
    assert!(lost > 0 && received + conflated + lost == expected, "{summary}");
    let missing = &summary["verdict"]["assertions"][0];
    assert_eq!((&missing["passed"], &missing["value"]), (&false.into(), &lost.to_string().into()));
    assert_eq!(figures(&summary["reconnect"], ["dropped", "back"]), [CONNECTIONS, CONNECTIONS]);
    assert!(summary["server"].is_null() || summary["server"]["cpu_share"].as_f64() >= Some(0.0));
}

#[test]
fn a_redis_that_is_killed_is_waited_for_and_its_events_leave_late() {
    let mut redis = RedisServer::start();
    let relay = Relay::on(&redis, &[]);
    let run = begin(&relay.ws(""), &redis, &[]);
    relay.until_connections(CONNECTIONS);
    until_published(&redis, "publish", 100);
    redis.stop();
    until(PATIENCE, "the relay to notice", || relay.get("/ready").0 == 503);
    redis.restart();
    let (_, summary) = end(run);
    let publish = &summary["publish"];
    assert_eq!(figures(publish, ["intended", "sent", "outages"]), [800, 800, 1], "{publish}");
    assert!(publish["outage_seconds"].as_f64() > Some(0.0), "{publish}");
    assert!(summary["partial"].is_null(), "{}", summary["partial"]);
    // Events did not leave late for this client's sake.
    assert!(!summary["client"]["bound"].to_string().contains("events left later"), "{}", summary["client"]);
    let healthy = cohort(&summary, "healthy");
    assert_eq!(healthy["duplicated"], 0, "{healthy}");
    // An event that was not answered is expected of nobody.
    let failed = publish["failed"].as_u64().unwrap();
    let expected = healthy["expected"].as_u64().unwrap();
    assert!((CONNECTIONS * (800 - failed) / 4..=CONNECTIONS * 200).contains(&expected), "{summary}");
}

/// A Redis whose data outlast it, and a relay that takes scraping from streams.
fn durable() -> (RedisServer, Relay) {
    let redis = RedisServer::start_with(&["--appendonly", "yes", "--appendfsync", "everysec"]);
    let relay = Relay::on(&redis, &["--streams", "scraping"]);
    (redis, relay)
}

#[track_caller]
fn assert_whole(output: &Output, summary: &Value) {
    assert_eq!(output.code, 0, "{}: {}", summary["verdict"], output.stderr);
    let healthy = cohort(summary, "healthy");
    assert_eq!(figures(healthy, ["lost", "duplicated", "reordered", "misrouted"]), [0; 4], "{healthy}");
    assert!(healthy["expected"].as_u64() > Some(0), "{healthy}");
    assert_eq!(summary["publish"]["by"], "streams");
    assert_eq!(figures(&summary["connections"], ["failed", "open_at_end"]), [0, CONNECTIONS]);
}

#[test]
fn nothing_is_missing_from_streams_while_the_relay_is_killed_and_started_again() {
    let (redis, relay) = durable();
    let address = relay.address().to_owned();
    let run = begin(&relay.ws(""), &redis, &["--durable", "--assert", "gaps==0"]);
    relay.until_connections(CONNECTIONS);
    until_published(&redis, "xadd", 100);
    relay.kill();
    until_published(&redis, "xadd", 50);
    let _relay = Relay::listening_on(&address, &["--redis", &redis.url(), "--streams", "scraping"]);
    let (output, summary) = end(run);
    assert_whole(&output, &summary);
    let names = ["dropped", "back", "resumed"];
    assert_eq!(figures(&summary["reconnect"], names), [CONNECTIONS; 3], "{}", summary["reconnect"]);
    assert_eq!(figures(&summary["publish"], ["sent", "failed", "outages"]), [800, 0, 0]);
}

#[test]
fn nothing_is_missing_from_streams_while_redis_is_killed_and_started_again() {
    let (mut redis, relay) = durable();
    let run = begin(&relay.ws(""), &redis, &["--durable", "--assert", "gaps==0"]);
    relay.until_connections(CONNECTIONS);
    until_published(&redis, "xadd", 100);
    redis.stop();
    until(PATIENCE, "the relay to notice", || relay.get("/ready").0 == 503);
    redis.restart();
    let (output, summary) = end(run);
    assert_whole(&output, &summary);
    assert_eq!(figures(&summary["publish"], ["intended", "sent", "outages"]), [800, 800, 1]);
}

#[test]
fn nothing_is_missing_from_streams_while_relay_and_redis_are_killed_together() {
    let (mut redis, relay) = durable();
    let address = relay.address().to_owned();
    let run = begin(&relay.ws(""), &redis, &["--durable"]);
    relay.until_connections(CONNECTIONS);
    until_published(&redis, "xadd", 100);
    redis.stop();
    relay.kill();
    redis.restart();
    let _relay = Relay::listening_on(&address, &["--redis", &redis.url(), "--streams", "scraping"]);
    let (output, summary) = end(run);
    assert_whole(&output, &summary);
    assert_eq!(summary["reconnect"]["back"], CONNECTIONS, "{}", summary["reconnect"]);
}

#[test]
fn events_go_the_way_that_the_relay_takes_them() {
    let (redis, streaming) = durable();
    let plain = Relay::on(&redis, &[]);
    for (relay, flags, by) in [(&streaming, &[][..], "streams"), (&plain, &["--durable"], "redis")] {
        let (output, summary) = end(begin(&relay.ws(""), &redis, &[flags, &["-d", "1s"]].concat()));
        assert_eq!(output.code, 0, "{}: {}", summary["verdict"], output.stderr);
        assert_eq!(summary["publish"]["by"], by);
        assert!(output.stderr.contains("--durable"), "{}", output.stderr);
    }
}
