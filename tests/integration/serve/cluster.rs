//! A Redis cluster behind the relay: publications of every node, states on their slots' nodes, nodes that go.

use redis::Commands;

use super::scraping;
use crate::support::{PATIENCE, RedisCluster, RedisServer, Relay, WebSocket, jobwire, until};

/// A relay on a cluster, once it is subscribed.
fn relay_on(url: &str) -> Relay {
    let relay = Relay::start(&["--redis", url]);
    until(PATIENCE, "the relay to subscribe", || relay.get("/ready").0 == 200);
    relay
}

fn state(redis: &RedisServer, job: &str) -> Option<String> {
    redis.connection().hget(format!("jobwire:scraping:{job}"), "state").ok().flatten()
}

fn ending(job: &str) -> String {
    scraping(job.parse().unwrap(), "job_completed", "100", 1)
}

/// Sockets of the cluster's node that listen to a channel.
fn subscribers(redis: &RedisServer) -> u64 {
    let counts: Vec<(String, u64)> =
        redis::cmd("PUBSUB").arg("NUMSUB").arg("scraping_events").query(&mut redis.connection()).unwrap();
    counts[0].1
}

#[test]
fn publications_of_every_node_arrive_and_each_state_is_on_its_slots_node() {
    let cluster = RedisCluster::start(3, 0, &[]);
    let relay = relay_on(&cluster.url(&[0]));
    let jobs: Vec<String> = (0..3).map(|master| cluster.job_of("scraping", master)).collect();
    for (index, job) in jobs.iter().enumerate() {
        let mut socket = relay.connect(&format!("/ws/scraping/{job}"));
        // Published on a node that holds nothing of the job.
        cluster.node((index + 1) % 3).publish("scraping_events", ending(job));
        socket.expect(&ending(job));
        until(PATIENCE, "the state on its node", || state(cluster.node(index), job) == Some(ending(job)));
    }
    let relay = relay.restarted_on(&cluster.url(&[2, 1]));
    for job in &jobs {
        relay.connect(&format!("/ws/scraping/{job}")).expect(&ending(job));
    }
    assert_eq!(relay.exchange("GET", "/health", &[], b"").json()["status"], "ok");
    let log = relay.stderr();
    assert!(!log.contains("WARN"), "{log}");
}

#[test]
fn a_subscription_moves_to_another_node_when_its_own_goes() {
    let mut cluster = RedisCluster::start(3, 0, &["--cluster-require-full-coverage", "no"]);
    let relay = relay_on(&cluster.url(&[0, 1]));
    let home = (0..3).find(|index| subscribers(cluster.node(*index)) > 0).unwrap();
    let others: Vec<usize> = (0..3).filter(|index| *index != home).collect();
    let job = cluster.job_of("scraping", others[0]);
    let mut socket = relay.connect(&format!("/ws/scraping/{job}"));
    cluster.node_mut(home).stop();
    until(PATIENCE, "another subscription", || {
        others.iter().any(|index| subscribers(cluster.node(*index)) > 0)
    });
    until(PATIENCE, "the relay to be ready", || relay.get("/ready").0 == 200);
    cluster.node(others[1]).publish("scraping_events", ending(&job));
    expect_ending(&mut socket, &job);
    until(PATIENCE, "the state", || state(cluster.node(others[0]), &job) == Some(ending(&job)));
}

/// Waits for the ending; a state may be sent before it.
fn expect_ending(socket: &mut WebSocket, job: &str) {
    while socket.next_text(PATIENCE) != ending(job) {}
}

#[test]
fn states_go_on_when_a_node_is_killed_and_its_replica_takes_over() {
    let mut cluster = RedisCluster::start(3, 1, &[]);
    let relay = relay_on(&cluster.url(&[0, 1, 2]));
    let job = cluster.job_of("scraping", 0);
    let first = scraping(job.parse().unwrap(), "job_progress", "10", 1);
    let mut socket = relay.connect(&format!("/ws/scraping/{job}"));
    cluster.node(1).publish("scraping_events", &first);
    socket.expect(&first);
    until(PATIENCE, "the state", || state(cluster.node(0), &job) == Some(first.clone()));
    let _: redis::Value = cluster.run(0, &["WAIT", "1", "5000"]);
    cluster.node_mut(0).stop();
    // The cluster is down until the replica has taken over; events are relayed all the while.
    until(PATIENCE, "a subscription elsewhere", || (1..4).any(|index| subscribers(cluster.node(index)) > 0));
    until(PATIENCE, "the relay to be ready", || relay.get("/ready").0 == 200);
    cluster.node(2).publish("scraping_events", ending(&job));
    expect_ending(&mut socket, &job);
    until(PATIENCE * 2, "the state on the new master", || state(cluster.node(3), &job) == Some(ending(&job)));
    until(PATIENCE, "/health to say so", || {
        relay.exchange("GET", "/health", &[], b"").json()["status"] == "ok"
    });
    // The old master comes back as a replica, and disturbs nobody.
    cluster.node_mut(0).restart();
    let other = cluster.job_of("scraping", 1);
    cluster.node(2).publish("scraping_events", ending(&other));
    until(PATIENCE, "a state", || state(cluster.node(1), &other) == Some(ending(&other)));
}

#[test]
fn a_url_of_one_node_works_and_says_what_it_lacks() {
    let cluster = RedisCluster::start(3, 0, &[]);
    let relay = Relay::on(cluster.node(1), &[]);
    let note = "is one node of a cluster";
    relay.until_said(note, 1);
    for master in 0..3 {
        let job = cluster.job_of("scraping", master);
        let mut socket = relay.connect(&format!("/ws/scraping/{job}"));
        cluster.node(master).publish("scraping_events", ending(&job));
        socket.expect(&ending(&job));
        until(PATIENCE, "the state", || state(cluster.node(master), &job) == Some(ending(&job)));
    }
    assert_eq!(relay.stderr().matches(note).count(), 1, "{}", relay.stderr());
    assert!(relay.stderr().contains("redis+cluster://"), "{}", relay.stderr());
}

#[test]
fn a_cluster_url_of_a_single_server_works_with_a_note() {
    let redis = RedisServer::start();
    let url = format!("redis+cluster://127.0.0.1:{}", redis.port());
    let relay = relay_on(&url);
    redis.publish("scraping_events", ending("5"));
    until(PATIENCE, "the state", || state(&redis, "5") == Some(ending("5")));
    relay.until_said("is no cluster, and is used as the single server that it is", 1);
    let output = jobwire(&["publish", "scraping/5", "job_started", "--redis", &url]);
    assert_eq!(output.code, 0, "{}", output.stderr);
}

#[test]
fn where_nobody_may_ask_for_slots_redirections_are_followed() {
    let cluster = RedisCluster::start(3, 0, &[]);
    for node in 0..3 {
        cluster
            .run(node, &["ACL", "SETUSER", "relay", "on", ">pw", "+@all", "-cluster", "~*", "allchannels"]);
    }
    let relay = relay_on(&cluster.url(&[0]).replace("://", "://relay:pw@"));
    for master in 0..3 {
        let job = cluster.job_of("scraping", master);
        cluster.node(0).publish("scraping_events", ending(&job));
        until(PATIENCE, "the state", || state(cluster.node(master), &job) == Some(ending(&job)));
    }
    relay.until_said("redirections are followed", 1);
}

#[test]
fn a_key_that_is_being_moved_is_written_where_it_is_going() {
    let cluster = RedisCluster::start(3, 0, &[]);
    let relay = relay_on(&cluster.url(&[0]));
    let job = cluster.job_of("scraping", 0);
    let slot = cluster.place(&format!("jobwire:scraping:{job}")).0.to_string();
    cluster.run(1, &["CLUSTER", "SETSLOT", &slot, "IMPORTING", &cluster.id(0)]);
    cluster.run(0, &["CLUSTER", "SETSLOT", &slot, "MIGRATING", &cluster.id(1)]);
    cluster.node(2).publish("scraping_events", ending(&job));
    let keys = || cluster.run(1, &["CLUSTER", "COUNTKEYSINSLOT", &slot]) == redis::Value::Int(1);
    until(PATIENCE, "the key where it is going", keys);
    // The move is over, and nobody tells the relay.
    for node in 0..3 {
        cluster.run(node, &["CLUSTER", "SETSLOT", &slot, "NODE", &cluster.id(1)]);
    }
    let failed = scraping(job.parse().unwrap(), "job_failed", "100", 2);
    cluster.node(2).publish("scraping_events", scraping(job.parse().unwrap(), "job_started", "0", 0));
    cluster.node(2).publish("scraping_events", &failed);
    until(PATIENCE, "the state", || state(cluster.node(1), &job) == Some(failed.clone()));
    assert_eq!(relay.exchange("GET", "/health", &[], b"").json()["status"], "ok");
}

#[test]
fn publish_and_bench_find_the_nodes_of_a_cluster() {
    let cluster = RedisCluster::start(3, 0, &[]);
    // The first host is that of nobody.
    let url = cluster.url(&[0, 1]).replace("://", "://127.0.0.1:1,");
    let relay = relay_on(&url);
    for task in ["a", "b", "c", "d"] {
        let target = format!("tasks/{task}");
        let output = jobwire(&["publish", &target, "registered", "user_id=alice", "--redis", &url]);
        // The relay may be subscribed at another node, whose subscribers nobody counts.
        assert_eq!((output.code, output.stderr.as_str()), (0, ""));
        let (_, master) = cluster.place(&format!("jobwire:tasks:{task}"));
        let owner: String =
            cluster.node(master).connection().hget(format!("jobwire:tasks:{task}"), "owner").unwrap();
        assert_eq!(owner, "alice");
    }
    for workers in ["0", "2"] {
        relay.assert_bench_loses_nothing(workers, &["--redis", &url]);
    }
}

#[test]
fn streams_on_several_nodes_are_read_and_followed_to_a_replica() {
    let mut cluster = RedisCluster::start(3, 1, &[]);
    // Streams of all three nodes; the first node alone has a replica.
    let keys = ["fliptechpro:emails", "fliptechpro:ai", "scraping_events"];
    assert_eq!(keys.map(|key| cluster.place(key).1), [0, 1, 2]);
    let url = cluster.url(&[1]);
    let durable = |event: &str| {
        let output = jobwire(&["publish", "--durable", "scraping/7", event, "--redis", &url]);
        assert_eq!(output.code, 0, "{}", output.stderr);
    };
    durable("job_started");
    let relay = Relay::start(&["--redis", &url, "--streams", "scraping,channels"]);
    until(PATIENCE, "the relay to read streams", || relay.get("/ready").0 == 200);
    let mut sockets = ["/ws/emails", "/ws/ai", "/ws/scraping/7"].map(|path| relay.connect(path));
    expect(&mut sockets[2], "job_started");
    for node in 0..2 {
        append(&cluster, node, keys[node], "first").unwrap();
        expect(&mut sockets[node], "first");
    }
    durable("job_completed");
    expect(&mut sockets[2], "job_completed");
    cluster.run(0, &["WAIT", "1", "5000"]);
    cluster.node_mut(0).stop();
    until(PATIENCE * 2, "the replica to take an entry", || append(&cluster, 3, keys[0], "second").is_ok());
    expect(&mut sockets[0], "second");
    append(&cluster, 1, keys[1], "second").unwrap();
    expect(&mut sockets[1], "second");
}

/// Appends an event with a word in it.
fn append(cluster: &RedisCluster, node: usize, key: &str, word: &str) -> redis::RedisResult<redis::Value> {
    let data = format!(r#"{{"type":"email:sent","email_id":1,"subject":"{word}"}}"#);
    cluster.try_run(node, &["XADD", key, "*", "data", &data])
}

/// Waits for a frame that has this text in it.
fn expect(socket: &mut WebSocket, text: &str) {
    while !socket.next_text(PATIENCE).contains(text) {}
}
