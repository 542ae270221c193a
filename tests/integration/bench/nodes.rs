//! `bench` behind sentinels, in a cluster, and with a database that it may not select.

use super::super::support::{PATIENCE, RedisCluster, RedisServer, Relay, Sentinels, jobwire, until};
use super::outages::{calls, end};
use super::start;

/// A failover by command leaves the old master one for some seconds, and cuts nobody off.
#[test]
fn a_master_that_was_deposed_gets_no_further_events() {
    let all = Sentinels::start();
    let url = all.url();
    let relay = Relay::start(&["--redis", &url]);
    until(PATIENCE, "the relay", || relay.get("/ready").0 == 200);
    let server = relay.ws("");
    let common =
        ["--server", &server, "--redis", &url, "-c", "4", "-r", "50", "--warm-up", "0s", "-d", "15s"];
    let plain = start(&common);
    let resuming = start(&[&common[..], &["--resume"]].concat());
    let published = |server: &RedisServer| calls(server, "publish");
    until(PATIENCE, "both runs to publish", || published(&all.servers[0]) > 50);
    all.fail_over();
    all.until_master_is_not(all.servers[0].port());
    until(PATIENCE, "events at the new master", || published(&all.servers[1]) > 100);
    let (output, summary) = end(plain);
    assert_eq!(output.code, 3, "{}", output.stderr);
    let named = format!("the sentinels name 127.0.0.1:{} as the master now", all.servers[1].port());
    assert!(summary["partial"].to_string().contains(&named), "{}", summary["partial"]);
    let (_, summary) = end(resuming);
    assert!(summary["partial"].is_null(), "{}", summary["partial"]);
    assert_eq!((&summary["publish"]["sent"], &summary["publish"]["outages"]), (&750.into(), &1.into()));
}

#[test]
fn a_stream_on_another_node_of_a_cluster_is_told_with_what_to_do() {
    let cluster = RedisCluster::start(3, 0, &[]);
    let (_, master) = cluster.place("scraping_events");
    let url = cluster.url(&[(master + 1) % 3]);
    let relay = Relay::start(&["--redis", &url, "--streams", "scraping"]);
    until(PATIENCE, "the relay", || relay.get("/ready").0 == 200);
    let server = relay.ws("");
    let bench = |args: &[&str]| {
        let common =
            ["bench", "scraping", "--server", &server, "--redis", &url, "-c", "2", "-r", "20", "-d", "1s"];
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
        "scraping",
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
        let common =
            ["bench", "scraping", "--server", &server, "--redis", &url, "-c", "2", "-r", "20", "-d", "1s"];
        jobwire(&[&common[..], args].concat())
    };
    let output = bench(&["--durable"]);
    assert_eq!(output.code, 3, "{}", output.stderr);
    assert!(output.stderr.contains("NOPERM"), "{}", output.stderr);
    assert_eq!(bench(&[]).code, 3);
    let exists: bool = redis::cmd("EXISTS").arg("scraping_events").query(&mut redis.connection()).unwrap();
    assert!(!exists);
}
