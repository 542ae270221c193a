//! Celery whose broker and results are behind sentinels, as its own users have it.

use super::worker::Celery;
use super::{attach, ended};
use crate::support::{PATIENCE, RedisServer, Relay, Sentinels, until};

#[test]
fn a_task_goes_on_under_its_watcher_when_the_master_changes() {
    let (sentinels, steps) = (Sentinels::start(), RedisServer::start());
    let mut celery = Celery::behind(&sentinels, &steps);
    let relay = Relay::start(&["--redis", &sentinels.url()]);
    until(PATIENCE, "the relay to subscribe", || relay.get("/ready").0 == 200);
    let watching = attach(&relay, &["t"]);
    celery.steps("t");
    let progress = |percent: u32| {
        celery.step("t", &format!(r#"{{"state":"PROGRESS","meta":{{"current":{percent},"total":100}}}}"#));
    };
    progress(25);
    watching.until_printed("25%");
    let before = sentinels.servers[0].port();
    sentinels.fail_over();
    sentinels.until_master_is_not(before);
    until(PATIENCE, "the relay to follow", || {
        let health = relay.exchange("GET", "/health", &[], b"").json();
        health["connected"] == true && health["server"] != format!("127.0.0.1:{before}")
    });
    // The old master takes what Celery writes over its open connections until then, and it is lost.
    let old = &sentinels.servers[0];
    until(PATIENCE * 2, "the old master to be a replica", || {
        // Sentinel ends the connections of the server that it demotes, this one too.
        let facts = redis::cmd("INFO").arg("replication").query(&mut old.connection());
        facts.is_ok_and(|facts: String| facts.contains("role:slave"))
    });
    progress(75);
    watching.until_printed("75%");
    celery.step("t", r#"{"return":"6 files"}"#);
    let (code, printed) = ended(watching);
    assert_eq!(code, 0, "{printed}");
    assert!(printed.ends_with("celery/t done 100% 6 files\n"), "{printed}");
}
