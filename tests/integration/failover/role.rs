//! Masters, replicas, and servers that do not tell which they are.

use std::time::{Duration, Instant};

use super::{delivered, health, refusal, tell, until_ready};
use crate::support::{PATIENCE, RedisServer, Relay, jobwire, until};

/// The time in which a demoted master is left.
const LEFT: Duration = Duration::from_secs(10);

fn replica_of(master: &RedisServer) -> RedisServer {
    let port = master.port().to_string();
    let replica = RedisServer::start_with(&["--replicaof", "127.0.0.1", &port]);
    replica.until_follows();
    replica
}

#[test]
fn a_master_that_is_demoted_is_left_within_ten_seconds_and_returned_to() {
    let (redis, other) = (RedisServer::start(), RedisServer::start());
    let relay = Relay::on(&redis, &[]);
    let mut socket = relay.connect("/ws/scraping/1");
    delivered(&redis, &mut socket, 1);
    let mut watching = relay.spawn(&["attach", "--progress", "plain", "scraping/1"]);
    watching.until_printed(" connected\n");
    tell(&redis, &["REPLICAOF", "127.0.0.1", &other.port().to_string()]);
    let demoted = Instant::now();
    until_ready(&relay, 503);
    assert!(demoted.elapsed() < LEFT, "{:?}", demoted.elapsed());
    let words = format!("redis at 127.0.0.1:{} is a replica of 127.0.0.1:{}", redis.port(), other.port());
    let (_, code, message) = refusal(&relay);
    assert_eq!(code, "broker_not_connected");
    assert!(message.starts_with(&words), "{message}");
    let health = health(&relay);
    assert!(health["error"].as_str().unwrap().starts_with(&words), "{health}");
    assert_eq!((&health["status"], &health["role"]), (&"degraded".into(), &"replica".into()));
    tell(&redis, &["REPLICAOF", "NO", "ONE"]);
    until_ready(&relay, 200);
    delivered(&redis, &mut socket, 2);
    let stats = &relay.stats()["redis"];
    assert_eq!(
        (&stats["role"], &stats["role_changes"], &stats["reconnects"]),
        (&"master".into(), &2.into(), &1.into())
    );
    assert!(!watching.has_ended());
}

#[test]
fn a_replica_is_used_only_where_the_url_says_so() {
    let master = RedisServer::start();
    let replica = replica_of(&master);
    let refusing = Relay::start(&["--redis", &replica.url()]);
    until(PATIENCE, "the log", || refusing.stderr().contains("hint: the URL should lead to the master"));
    let (status, _, message) = refusal(&refusing);
    assert!(status == 503 && message.contains("is a replica of"), "{message}");
    let taking = Relay::start(&["--redis", &format!("{}?replica=ok", replica.url())]);
    until_ready(&taking, 200);
    let mut socket = taking.connect("/ws/scraping/1");
    delivered(&master, &mut socket, 1);
    assert_eq!(health(&taking)["role"], "replica");
    let output = jobwire(&["publish", "--redis", &replica.url(), "scraping/1", "job_started"]);
    assert_eq!(output.code, 3, "{}", output.stderr);
    assert!(
        output.stderr.contains("is a replica of") && output.stderr.contains("replica=ok"),
        "{}",
        output.stderr
    );
}

#[test]
fn a_server_without_role_tells_by_info_and_one_without_either_is_used() {
    let (redis, other) = (RedisServer::start(), RedisServer::start());
    let user = |name: &str, rights: &[&str]| {
        let all = ["ACL", "SETUSER", name, "on", ">pw", "~*", "&*", "+@all"];
        tell(&redis, &[&all[..], rights].concat());
        let relay = Relay::start(&["--redis", &format!("redis://{name}:pw@127.0.0.1:{}", redis.port())]);
        until_ready(&relay, 200);
        relay
    };
    let by_info = user("by_info", &["-role"]);
    let hidden = user("hidden", &["-role", "-info"]);
    let said = "lets us ask for its role neither by ROLE nor by INFO";
    assert!(!by_info.stderr().contains(said), "{}", by_info.stderr());
    assert_eq!((&health(&by_info)["role"], &health(&hidden)["role"]), (&"master".into(), &"unknown".into()));
    tell(&redis, &["CLIENT", "KILL", "TYPE", "pubsub"]);
    until(PATIENCE, "the connection", || hidden.stats()["redis"]["reconnects"] == 1);
    hidden.until_said(said, 1);
    tell(&redis, &["REPLICAOF", "127.0.0.1", &other.port().to_string()]);
    // Connections end at once, and what ended them is told by the next attempt.
    until(PATIENCE, "the reason", || {
        let (status, body) = by_info.get("/ready");
        status == 503 && body.contains("is a replica of")
    });
    assert_eq!(hidden.get("/ready").0, 200);
}
