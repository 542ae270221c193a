//! `bench` in a cluster, and with a database that it may not select.

use super::super::support::{PATIENCE, RedisCluster, RedisServer, Relay, jobwire, until};

#[test]
fn a_stream_on_another_node_of_a_cluster_is_told_with_what_to_do() {
    let cluster = RedisCluster::start(3, 0, &[]);
    let (_, master) = cluster.place("scraping_events");
    let url = cluster.url(&[(master + 1) % 3]);
    let relay = Relay::start(&["--redis", &url, "--streams", "scraping"]);
    until(PATIENCE, "the relay", || relay.get("/ready").0 == 200);
    let server = relay.ws("");
    let bench = |args: &[&str]| {
        let common = ["bench", "--server", &server, "--redis", &url, "-c", "2", "-r", "20", "-d", "1s"];
        jobwire(&[&common[..], args].concat())
    };
    for durable in [&["--durable"][..], &[]] {
        let output = bench(durable);
        assert_ne!(output.code, 0, "{}", output.stderr);
        assert!(output.stderr.contains("refused an event: MOVED "), "{}", output.stderr);
        assert!(output.stderr.contains("hint: bench appends over one connection"), "{}", output.stderr);
    }
    let url = cluster.node(master).url();
    let output = jobwire(&[
        "bench",
        "--server",
        &server,
        "--redis",
        &url,
        "-c",
        "2",
        "-r",
        "20",
        "-d",
        "1s",
        "--durable",
        "--allow-client-bound",
        "--assert",
        "lost==0",
    ]);
    assert_eq!(output.code, 0, "{}{}", output.stdout, output.stderr);
}

#[test]
fn no_stream_of_another_database_is_appended_to() {
    let redis = RedisServer::start();
    let acl = ["SETUSER", "writer", "on", ">pw", "~*", "&*", "+@all", "-select"];
    redis::cmd("ACL").arg(&acl).query::<()>(&mut redis.connection()).unwrap();
    let relay = Relay::start(&["--redis", &format!("{}/3", redis.url()), "--streams", "scraping"]);
    until(PATIENCE, "the relay", || relay.get("/ready").0 == 200);
    let (server, url) = (relay.ws(""), format!("redis://writer:pw@127.0.0.1:{}/3", redis.port()));
    let bench = |args: &[&str]| {
        let common = ["bench", "--server", &server, "--redis", &url, "-c", "2", "-r", "20", "-d", "1s"];
        jobwire(&[&common[..], args].concat())
    };
    let output = bench(&["--durable"]);
    assert_eq!(output.code, 3, "{}", output.stderr);
    assert!(output.stderr.contains("NOPERM"), "{}", output.stderr);
    assert_eq!(bench(&[]).code, 3);
    let exists: bool = redis::cmd("EXISTS").arg("scraping_events").query(&mut redis.connection()).unwrap();
    assert!(!exists);
}
