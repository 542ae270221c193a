//! A Redis that answers, and refuses to read or write job state.

use redis::Commands;
use serde_json::{Value, json};

use super::{scraping, wrapped};
use crate::support::{PATIENCE, RedisServer, Relay, until};

fn command(redis: &RedisServer, words: &str) {
    let mut words = words.split(' ');
    let mut command = redis::cmd(words.next().unwrap());
    command.arg(words.collect::<Vec<_>>());
    let _: redis::Value = command.query(&mut redis.connection()).unwrap();
}

/// A relay that logs in as a user with everything and then these rules.
fn relay_as(redis: &RedisServer, rules: &str) -> Relay {
    command(redis, &format!("ACL SETUSER relay on >pw +@all ~* allchannels {rules}"));
    let relay = Relay::start(&["--redis", &format!("redis://relay:pw@127.0.0.1:{}", redis.port())]);
    until(PATIENCE, "the relay to subscribe", || relay.get("/ready").0 == 200);
    relay
}

fn health(relay: &Relay) -> Value {
    relay.exchange("GET", "/health", &[], b"").json()
}

fn state(redis: &RedisServer, job: &str) -> Option<String> {
    redis.connection().hget(format!("jobwire:{job}"), "state").unwrap()
}

#[test]
fn each_refusal_of_writes_has_its_own_word_and_the_state_is_written_once_it_ends() {
    let redis = RedisServer::start();
    // The relay would leave it as soon as it is a replica.
    let relay = Relay::start(&["--redis", &format!("{}?replica=ok", redis.url())]);
    until(PATIENCE, "the relay to subscribe", || relay.get("/ready").0 == 200);
    let troubles = [
        ("REPLICAOF 127.0.0.1 1", "REPLICAOF NO ONE", "read_only", "read-only replica"),
        ("CONFIG SET maxmemory 1", "CONFIG SET maxmemory 0", "out_of_memory", "out of memory"),
        (
            "CONFIG SET min-replicas-to-write 1",
            "CONFIG SET min-replicas-to-write 0",
            "too_few_replicas",
            "too few replicas",
        ),
    ];
    for (job, (begin, end, code, word)) in (1..).zip(troubles) {
        command(&redis, begin);
        let ending = scraping(job, "job_completed", "100", 1);
        redis.publish("scraping_events", &ending);
        let refused = || health(&relay)["state"]["writing"][0]["code"] == code;
        until(PATIENCE, code, refused);
        let body = health(&relay);
        let writing = &body["state"]["writing"][0];
        assert_eq!((&body["status"], &body["connected"]), (&json!("degraded"), &json!(true)), "{body}");
        assert_eq!((&writing["dialect"], &body["state"]["reading"]), (&Value::Null, &json!([])), "{body}");
        assert!(writing["problem"].as_str().unwrap().contains(word), "{body}");
        assert!(writing["since"].as_str().unwrap().ends_with('Z'), "{body}");
        until(PATIENCE, "the log", || relay.stderr().contains(word));
        // Readers get what this relay knows.
        relay.connect(&format!("/ws/scraping/{job}")).expect(&ending);
        assert_eq!(relay.get(&format!("/ws/scraping/{job}/status")).0, 200);
        assert_eq!(relay.get("/ws/scraping/99/status").0, 404);
        assert_eq!(relay.get("/ready").0, 200);
        command(&redis, end);
        until(PATIENCE, "the state", || state(&redis, &format!("scraping:{job}")).as_ref() == Some(&ending));
        until(PATIENCE, "/health to say so", || health(&relay)["status"] == "ok");
    }
    assert!(relay.stats()["state_writes_failed"].as_u64().unwrap() >= 3);
    until(PATIENCE, "the log", || relay.stderr().contains("job state is written again after "));
}

#[test]
fn where_reading_is_forbidden_readers_get_what_the_relay_knows() {
    let redis = RedisServer::start();
    let relay = relay_as(&redis, "-hmget");
    let ending = scraping(1, "job_completed", "100", 1);
    redis.publish("scraping_events", &ending);
    relay.until_events(1);
    assert_eq!(relay.get("/ws/scraping/2/status").0, 404);
    relay.connect("/ws/scraping/1").expect(&ending);
    relay.connect("/ws/download/a").expect(&wrapped(r#"{"jobId":"a","status":"queued","progress":0}"#));
    let body = health(&relay);
    let reading = body["state"]["reading"].as_array().unwrap();
    assert!(reading.iter().any(|trouble| trouble["code"] == "not_permitted"), "{body}");
    until(PATIENCE, "the log", || relay.stderr().contains("could not read job state back"));
    assert!(relay.stats()["state_reads_failed"].as_u64().unwrap() > 0);
    // The relay notices by itself that it may read again, without a request.
    command(&redis, "ACL SETUSER relay +hmget");
    until(PATIENCE, "/health to say so", || health(&relay)["status"] == "ok");
}

#[test]
fn what_is_refused_of_one_dialect_leaves_the_others_alone() {
    let redis = RedisServer::start();
    let relay = relay_as(&redis, "resetkeys ~jobwire:scraping:*");
    redis.publish("download_updates:a", r#"{"jobId":"a","status":"completed","progress":100}"#);
    let ending = scraping(1, "job_completed", "100", 1);
    redis.publish("scraping_events", &ending);
    until(PATIENCE, "the state", || state(&redis, "scraping:1").as_ref() == Some(&ending));
    let refused = || {
        let body = health(&relay);
        // A state that is merged is read before it is written.
        let reading = body["state"]["reading"].as_array().unwrap().clone();
        reading.len() == 1 && reading[0]["dialect"] == "downloads" && reading[0]["code"] == "not_permitted"
    };
    until(PATIENCE, "the dialect that is refused", refused);
    command(&redis, "ACL SETUSER relay allkeys");
    until(PATIENCE, "the other state", || state(&redis, "downloads:a").is_some());
    until(PATIENCE, "/health to say so", || health(&relay)["status"] == "ok");
}

#[test]
fn without_scripts_state_is_written_by_plain_commands() {
    let redis = RedisServer::start();
    let relay = relay_as(&redis, "-@scripting");
    for number in 1..=3 {
        let ending = scraping(1, "job_completed", "100", number);
        redis.publish("scraping_events", &ending);
        until(PATIENCE, "the state", || state(&redis, "scraping:1").as_ref() == Some(&ending));
    }
    let ttl: i64 = redis.connection().ttl("jobwire:scraping:1").unwrap();
    assert!((86_300..=86_400).contains(&ttl), "{ttl}");
    assert_eq!(health(&relay)["status"], "ok");
    relay.until_said("redis runs no scripts for us", 1);
}

#[test]
fn a_redis_that_forgot_the_script_is_sent_it_again() {
    let redis = RedisServer::start();
    let relay = Relay::on(&redis, &[]);
    for number in 1..=3 {
        let ending = scraping(1, "job_completed", "100", number);
        redis.publish("scraping_events", &ending);
        until(PATIENCE, "the state", || state(&redis, "scraping:1").as_ref() == Some(&ending));
        command(&redis, "SCRIPT FLUSH");
    }
    assert_eq!(relay.stats()["state_writes_failed"], 0);
    assert!(!relay.stderr().contains("WARN"), "{}", relay.stderr());
}

#[test]
fn scripts_that_are_forbidden_are_missed_at_the_start_and_whoever_loses_them_later_goes_on() {
    let redis = RedisServer::start();
    let relay = relay_as(&redis, "-eval -evalsha");
    // The warning comes before anything is written.
    relay.until_said("redis runs no scripts for us", 1);
    command(&redis, "ACL SETUSER other on >pw +@all ~* allchannels");
    let other = Relay::start(&["--redis", &format!("redis://other:pw@127.0.0.1:{}", redis.port())]);
    until(PATIENCE, "the relay to subscribe", || other.get("/ready").0 == 200);
    relay.kill();
    for (number, rule) in (1..).zip(["+@all", "-evalsha", "-@scripting"]) {
        command(&redis, &format!("ACL SETUSER other {rule}"));
        let ending = scraping(number, "job_completed", "100", 1);
        redis.publish("scraping_events", &ending);
        until(PATIENCE, rule, || state(&redis, &format!("scraping:{number}")).as_ref() == Some(&ending));
    }
    other.until_said("redis runs no scripts for us", 1);
}

#[test]
fn while_redis_loads_its_data_events_are_relayed_and_states_wait() {
    // Microseconds a key: a thousand of them take two seconds.
    let slowly = [
        "--enable-debug-command",
        "yes",
        "--key-load-delay",
        "3000",
        "--loading-process-events-interval-bytes",
        "1024",
    ];
    let mut redis = RedisServer::start_with(&slowly);
    command(&redis, "DEBUG POPULATE 1000 key 100");
    command(&redis, "SAVE");
    let relay = Relay::on(&redis, &[]);
    redis.stop();
    until(PATIENCE, "the relay to notice", || relay.get("/ready").0 == 503);
    let ending = scraping(1, "job_completed", "100", 1);
    let port = redis.port();
    std::thread::scope(|scope| {
        let loading = scope.spawn(|| redis.restart());
        let mut socket = relay.connect("/ws/scraping/1");
        let client = redis::Client::open(format!("redis://127.0.0.1:{port}/")).unwrap();
        let publish = || client.get_connection()?.publish("scraping_events", &ending);
        until(PATIENCE, "the relay to be subscribed while the data are loaded", || publish() == Ok(1_u64));
        while socket.next_text(PATIENCE) != ending {}
        // A state that may be older there is read before it is written.
        let is_loading = |state: &Value| {
            ["reading", "writing"].iter().any(|direction| state[direction][0]["code"] == "loading")
        };
        until(PATIENCE, "/health to say so", || is_loading(&health(&relay)["state"]));
        assert!(!loading.is_finished());
    });
    until(PATIENCE, "the state", || state(&redis, "scraping:1").as_ref() == Some(&ending));
    until(PATIENCE, "/health to say so", || health(&relay)["status"] == "ok");
}

#[test]
fn a_replica_that_is_accepted_relays_and_keeps_no_state() {
    let master = RedisServer::start();
    let replica = RedisServer::start_with(&["--replicaof", &format!("127.0.0.1 {}", master.port())]);
    until(PATIENCE, "the replica to follow", || {
        let info: String = redis::cmd("INFO").arg("replication").query(&mut replica.connection()).unwrap();
        info.contains("master_link_status:up")
    });
    let relay = Relay::start(&["--redis", &format!("{}?replica=ok", replica.url())]);
    until(PATIENCE, "the relay to subscribe", || relay.get("/ready").0 == 200);
    let ending = scraping(1, "job_completed", "100", 1);
    let mut socket = relay.connect("/ws/scraping/1");
    master.publish("scraping_events", &ending);
    while socket.next_text(PATIENCE) != ending {}
    until(PATIENCE, "/health to say so", || health(&relay)["state"]["writing"][0]["code"] == "read_only");
    until(PATIENCE, "the count", || relay.stats()["state_writes_failed"].as_u64() > Some(1));
    assert_eq!(relay.get("/ready").0, 200);
    relay.until_said("read-only replica", 1);
}

#[test]
fn a_cluster_of_one_node_keeps_the_state_of_all_jobs() {
    let redis = RedisServer::start_with(&["--cluster-enabled", "yes"]);
    command(&redis, "CLUSTER ADDSLOTSRANGE 0 16383");
    until(PATIENCE, "the cluster", || {
        let info: String = redis::cmd("CLUSTER").arg("INFO").query(&mut redis.connection()).unwrap();
        info.contains("cluster_state:ok")
    });
    let relay = Relay::on(&redis, &[]);
    for job in 0..20 {
        redis.publish("scraping_events", scraping(job, "job_completed", "100", 1));
    }
    until(PATIENCE, "all states", || (0..20).all(|job| state(&redis, &format!("scraping:{job}")).is_some()));
    until(PATIENCE, "/health to say so", || health(&relay)["status"] == "ok");
}
