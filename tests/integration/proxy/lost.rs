//! Connections through the proxy that are lost, and attach, which carries on.

use super::app::App;
use crate::support::{Nginx, PATIENCE, Process, RawSocket, RedisServer, Relay, command, until};

/// A relay on a Redis, and nginx in front of it.
fn started() -> (RedisServer, Relay, Nginx) {
    let redis = RedisServer::start();
    let relay = Relay::on(&redis, &[]);
    let nginx = Nginx::start(relay.address(), App::start().address(), &[]);
    (redis, relay, nginx)
}

/// Watches job 7 through the proxy until it has so many sockets behind it.
fn attached(nginx: &Nginx) -> Process {
    let url = nginx.ws("/ws/scraping/7");
    let watching = Process::spawn(&mut command(&["attach", &url, "--progress", "plain"]));
    until_connected(&watching, 1);
    watching
}

fn until_connected(watching: &Process, times: usize) {
    until(PATIENCE, &format!("connection {times}"), || {
        watching.stdout().matches(" connected\n").count() == times
    });
}

fn publish(redis: &RedisServer, kind: &str, percent: u32) {
    let payload = crate::serve::scraping(7, kind, &percent.to_string(), 1);
    assert_eq!(redis.publish("scraping_events", payload), 1);
}

/// Shows 40 %, has the connection lost, and shows the rest of the job.
fn carries_on(redis: &RedisServer, watching: Process, lose: impl FnOnce(&Process)) {
    publish(redis, "job_progress", 40);
    watching.until_printed(" 40% ");
    lose(&watching);
    until_connected(&watching, 2);
    publish(redis, "job_progress", 70);
    watching.until_printed(" 70% ");
    publish(redis, "job_completed", 100);
    let output = watching.finish(PATIENCE);
    assert_eq!((output.code, output.stderr.as_str()), (0, ""), "{}", output.stdout);
}

#[test]
fn attach_carries_on_when_nginx_loses_its_workers() {
    let (redis, _relay, nginx) = started();
    carries_on(&redis, attached(&nginx), |_| nginx.kill_workers());
}

#[test]
fn attach_carries_on_when_nginx_is_reloaded() {
    let (redis, _relay, nginx) = started();
    carries_on(&redis, attached(&nginx), |_| nginx.reload());
}

#[test]
fn attach_carries_on_when_the_relay_behind_nginx_is_killed_and_restarted() {
    let (redis, relay, nginx) = started();
    let mut client = RawSocket::connect(nginx.address(), "/ws/scraping/8");
    let watching = attached(&nginx);
    let mut again = None;
    carries_on(&redis, watching, |watching| {
        let address = relay.address().to_owned();
        relay.kill();
        assert_eq!(client.next_but_pings(PATIENCE), None, "the client sees the end of its connection");
        watching.until_printed("answered 502: the relay does not answer");
        let relay = Relay::listening_on(&address, &["--redis", &redis.url()]);
        until(PATIENCE, "the relay to subscribe", || relay.get("/ready").0 == 200);
        again = Some(relay);
    });
}
