//! `bench` with a database that it may not select.

use super::super::support::{PATIENCE, RedisServer, Relay, jobwire, until};

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
