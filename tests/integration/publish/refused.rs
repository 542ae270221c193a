//! A Redis that is there and refuses: the same word, hint and exit code, directly and through a relay.

use super::{assert_error, into};
use crate::support::{PATIENCE, Process, RedisServer, Relay, command, free_port, until};

/// Adds a user who may do everything but what `rules` take away, and returns the URL for it.
fn user(redis: &RedisServer, rules: &[&str]) -> String {
    let mut setting = redis::cmd("ACL");
    setting.arg(&["SETUSER", "worker", "on", ">pw", "~*", "&*", "+@all"]).arg(rules);
    setting.query::<()>(&mut redis.connection()).unwrap();
    redis.url().replace("redis://", "redis://worker:pw@")
}

#[test]
fn a_user_who_may_not_publish_is_told_which_rights_are_missing() {
    let redis = RedisServer::start();
    let url = user(&redis, &["-publish"]);
    let expected = ["redis' access list (ACL) forbids it", "NOPERM", "hint: ", "+publish"];
    let direct = ["scraping/7", "job_started", "--redis", &url];
    let output = Process::spawn(&mut into(&redis, &direct)).finish(PATIENCE);
    assert_error(&output, 4, &expected);
    assert!(!output.stderr.contains("pw@"), "{}", output.stderr);

    let relay = Relay::start(&["--redis", &url, "--publish-key", "right"]);
    until(PATIENCE, "the relay to subscribe", || relay.get("/ready").0 == 200);
    let server = format!("http://{}", relay.address());
    let through = ["publish", "scraping/7", "job_started", "--server", &server, "--publish-key", "right"];
    let output = Process::spawn(&mut command(&through)).finish(PATIENCE);
    assert_error(&output, 4, &expected);
    assert_error(&output, 4, &["for the relay's Redis: ", "answered 502"]);
}

#[test]
fn a_replica_is_named_as_one_and_takes_no_writes() {
    let redis = RedisServer::start();
    let nowhere = free_port().to_string();
    let mut demotion = redis::cmd("REPLICAOF");
    demotion.arg("127.0.0.1").arg(&nowhere).query::<()>(&mut redis.connection()).unwrap();
    let args = ["tasks/t", "registered", "user_id=ann"];
    let output = Process::spawn(&mut into(&redis, &args)).finish(PATIENCE);
    assert_error(&output, 3, &["is a replica of", "hint: the URL should lead to the master"]);
    let url = format!("{}?replica=ok", redis.url());
    let output =
        Process::spawn(&mut command(&[&["publish", "--redis", &url][..], &args].concat())).finish(PATIENCE);
    let expected = ["redis is a read-only replica", "READONLY", "hint: the URL should lead to the master"];
    assert_error(&output, 4, &expected);
}
