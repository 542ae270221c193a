//! Subscriptions that fall deaf, and servers that hang.

use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::{delivered, health, refusal, tell, until_ready};
use crate::support::{PATIENCE, RedisServer, Relay, jobwire, until};

/// Number of commands of a kind that a server has carried out.
fn count(redis: &RedisServer, command: &str) -> u64 {
    let stats: String = redis::cmd("INFO").arg("commandstats").query(&mut redis.connection()).unwrap();
    let of = format!("cmdstat_{command}:calls=");
    let calls = stats.lines().find_map(|line| line.strip_prefix(&of)?.split(',').next()?.parse().ok());
    calls.unwrap_or_default()
}

/// A listener whose connections lead to the port that stands there when they are opened.
fn balancer(port: u16) -> (u16, Arc<AtomicU16>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let own = listener.local_addr().unwrap().port();
    let target = Arc::new(AtomicU16::new(port));
    let leads_to = Arc::clone(&target);
    thread::spawn(move || {
        for near in listener.incoming().map_while(Result::ok) {
            let far = TcpStream::connect(("127.0.0.1", leads_to.load(Ordering::SeqCst))).unwrap();
            for (from, to) in [(&near, &far), (&far, &near)] {
                let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                thread::spawn(move || {
                    let _ = std::io::copy(&mut from, &mut to);
                    let _ = to.shutdown(std::net::Shutdown::Both);
                });
            }
        }
    });
    (own, target)
}

#[test]
fn a_silent_subscription_is_probed_and_nobody_sees_the_probe() {
    let redis = RedisServer::start();
    let relay = Relay::on(&redis, &["--probe", "1s"]);
    let mut socket = relay.connect("/ws/scraping/1");
    until(PATIENCE, "three probes", || count(&redis, "publish") >= 3);
    delivered(&redis, &mut socket, 1);
    let stats = relay.stats();
    assert_eq!((&stats["redis"]["probes_lost"], &stats["redis"]["connects"]), (&0.into(), &1.into()));
    assert_eq!((&stats["events"], relay.get("/ready").0), (&1.into(), 200));
}

#[test]
fn a_subscription_that_a_probe_does_not_come_back_on_is_replaced() {
    let (old, new) = (RedisServer::start(), RedisServer::start());
    let (port, target) = balancer(old.port());
    let relay = Relay::start(&["--redis", &format!("redis://127.0.0.1:{port}"), "--probe", "1s"]);
    until_ready(&relay, 200);
    let mut socket = relay.connect("/ws/scraping/1");
    delivered(&old, &mut socket, 1);
    target.store(new.port(), Ordering::SeqCst);
    // Commands go to the new server, the subscription stays at the old one.
    tell(&old, &["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
    until(PATIENCE, "the loss", || relay.stats()["redis"]["probes_lost"] == 1);
    until_ready(&relay, 200);
    delivered(&new, &mut socket, 2);
    relay.until_said("a probe was published and did not come back within 5 s", 1);
}

#[test]
fn a_probe_that_redis_does_not_take_puts_the_subscription_in_doubt() {
    let redis = RedisServer::start();
    let relay = Relay::on(&redis, &["--probe", "1s"]);
    until(PATIENCE, "a probe", || count(&redis, "publish") >= 1);
    tell(&redis, &["CLIENT", "PAUSE", "60000", "WRITE"]);
    until_ready(&relay, 503);
    let (_, code, message) = refusal(&relay);
    assert_eq!(code, "subscription_in_doubt");
    assert!(message.starts_with("redis did not take a probe of the subscription: "), "{message}");
    assert_eq!((&health(&relay)["connected"], &health(&relay)["status"]), (&true.into(), &"degraded".into()));
    tell(&redis, &["CLIENT", "UNPAUSE"]);
    until_ready(&relay, 200);
    assert_eq!(relay.stats()["redis"]["connects"], 1);
}

#[test]
fn where_probing_is_denied_there_is_one_warning_and_no_probe() {
    let redis = RedisServer::start();
    for (name, rights) in
        [("no_publish", &["-publish"][..]), ("no_channel", &["resetchannels", "&scraping_events"])]
    {
        let all = ["ACL", "SETUSER", name, "on", ">pw", "~*", "&*", "+@all"];
        tell(&redis, &[&all[..], rights].concat());
        let url = format!("redis://{name}:pw@127.0.0.1:{}", redis.port());
        let relay = Relay::start(&["--redis", &url, "--probe", "1s"]);
        let said = "does not let us probe the subscription";
        until(PATIENCE, "the warning", || relay.stderr().contains(said));
        until_ready(&relay, 200);
        tell(&redis, &["CLIENT", "KILL", "TYPE", "pubsub"]);
        until(PATIENCE, "the connection", || relay.stats()["redis"]["reconnects"] == 1);
        let asked = count(&redis, "role");
        until(PATIENCE, "the role to be asked for", || count(&redis, "role") > asked);
        assert_eq!(relay.stderr().matches(said).count(), 1, "{}", relay.stderr());
        assert_eq!(relay.get("/ready").0, 200);
    }
}

#[test]
fn a_redis_that_hangs_is_noticed_within_the_time_of_a_probe_and_used_again() {
    let redis = RedisServer::start();
    let relay = Relay::on(&redis, &[]);
    let mut socket = relay.connect("/ws/scraping/1");
    redis.pause();
    let paused = Instant::now();
    until_ready(&relay, 503);
    assert!(paused.elapsed() < Duration::from_secs(15), "{:?}", paused.elapsed());
    redis.resume();
    until_ready(&relay, 200);
    delivered(&redis, &mut socket, 1);
}

#[test]
fn a_connection_that_somebody_kills_is_opened_again() {
    let redis = RedisServer::start();
    let relay = Relay::on(&redis, &[]);
    let mut socket = relay.connect("/ws/scraping/1");
    for number in 1..4 {
        tell(&redis, &["CLIENT", "KILL", "TYPE", "pubsub"]);
        until(PATIENCE, "the connection", || relay.stats()["redis"]["reconnects"] == number);
        delivered(&redis, &mut socket, number);
    }
    assert_eq!(health(&relay)["reconnects"], 3);
}

#[test]
fn a_probe_is_a_second_or_more_or_never() {
    let output = jobwire(&["serve", "--redis", "redis://127.0.0.1:1", "--probe", "10ms"]);
    assert_eq!(
        (output.code, output.stderr.as_str()),
        (2, "error: --probe: at least 1s, or 0 for no probes\n")
    );
    let redis = RedisServer::start();
    let relay = Relay::on(&redis, &["--probe", "0"]);
    let channels: Vec<String> =
        redis::cmd("PUBSUB").arg("CHANNELS").arg("jobwire:*").query(&mut redis.connection()).unwrap();
    assert!(channels.is_empty() && relay.get("/ready").0 == 200, "{channels:?}");
}
