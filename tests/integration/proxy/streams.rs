//! Event streams through the proxy.

use super::started;
use crate::serve::scraping;
use crate::support::{EventStream, Nginx, PATIENCE, Process, STREAM, until};

const JOB: &str = "/ws/scraping/1";
const EVENTS: &str = "scraping_events";

/// A page's EventSource is told to come again, and not refused.
fn expect_come_again(nginx: &Nginx, path: &str) {
    let answer = nginx.exchange("GET", path, &[STREAM], b"");
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (200, Some("text/event-stream")),
        "{answer:?}"
    );
    assert_eq!(answer.header("cache-control"), Some("no-store, no-transform"));
    let retry =
        answer.body.strip_prefix("retry: ").and_then(|rest| rest.strip_suffix("\n\n")?.parse::<u64>().ok());
    assert!(retry.is_some_and(|retry| (1_000..10_000).contains(&retry)), "{answer:?}");
}

#[test]
fn a_stream_comes_through_at_once_and_goes_on_after_the_proxy_was_reloaded() {
    let (relay, _app, nginx) = started();
    let events: Vec<String> = (0..4).map(|n| scraping(1, "scraper_completed", "1", n)).collect();
    relay.publish(EVENTS, &events[0]);
    let mut stream = EventStream::open_old(nginx.address(), JOB, &[("Accept-Encoding", "gzip")]);
    assert_eq!(stream.head.header("content-encoding"), None);
    stream.expect(&events[0]);
    relay.publish(EVENTS, &events[1]);
    stream.expect(&events[1]);
    nginx.reload();
    relay.publish(EVENTS, &events[2]);
    let headers = [("Last-Event-ID", stream.last_id.as_str())];
    let mut again = EventStream::open_old(nginx.address(), JOB, &headers);
    again.expect(&events[2]);
    relay.publish(EVENTS, &events[3]);
    again.expect(&events[3]);
    let mut watch = EventStream::open_old(nginx.address(), "/watch?target=scraping/1", &[]);
    assert!(watch.next_data().contains("scraping/1"));
}

#[test]
fn a_client_that_leaves_the_proxy_is_forgotten_behind_it() {
    let (relay, _app, nginx) = started();
    let stream = EventStream::open_old(nginx.address(), JOB, &[]);
    relay.until_connections(1);
    drop(stream);
    relay.until_connections(0);
}

#[test]
fn while_the_relay_is_away_a_stream_is_told_to_come_again_and_others_as_before() {
    let (relay, _app, nginx) = started();
    relay.kill();
    for path in [JOB, "/ws?channels=campaigns", "/watch?target=scraping/1"] {
        expect_come_again(&nginx, path);
        assert_eq!(nginx.exchange("GET", path, &[], b"").status, 502, "{path}");
    }
    assert_eq!(nginx.get("/jobwire_come_again").status, 404);
}

#[test]
fn one_who_asks_too_often_is_told_to_come_again() {
    let (_relay, _app, nginx) = started();
    let mut last = 200;
    until(PATIENCE, "the limit", || {
        last = nginx.exchange("GET", JOB, &[], b"").status;
        last == 429
    });
    for _ in 0..5 {
        let answer = nginx.exchange("GET", "/ws/scraping/x", &[STREAM], b"");
        // The relay's own refusal, where the limit has let one through.
        assert!(answer.status == 404 || answer.body.starts_with("retry: "), "{answer:?}");
    }
}

#[test]
fn curl_reads_a_stream_through_the_proxy() {
    let (relay, _app, nginx) = started();
    let started = scraping(1, "job_started", "0", 0);
    relay.publish(EVENTS, &started);
    let url = format!("http://{}{JOB}", nginx.address());
    let mut command = std::process::Command::new("curl");
    let curl = Process::spawn(command.args(["-sN", "--compressed", "-H", "Accept: text/event-stream", &url]));
    let out = curl.until_printed("job_started");
    assert!(out.starts_with("id: ") && out.contains(&format!("\ndata: {started}\n\n")), "{out}");
}
