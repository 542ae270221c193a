//! Masters behind sentinels.

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use super::{health, refusal, until_ready};
use crate::support::{MASTER, PATIENCE, Relay, Sentinels, free_port, jobwire, until};

/// The time from an announcement to the next delivery, and what a machine that is busy with other tests adds.
const OVER: Duration = Duration::from_secs(2 + 3);

/// Sends the moment of the first announcement of a new master, by whichever sentinel.
fn announcements(all: &Sentinels) -> mpsc::Receiver<Instant> {
    let (sender, receiver) = mpsc::channel();
    for port in all.ports() {
        let sender = sender.clone();
        thread::spawn(move || {
            let client = redis::Client::open(format!("redis://127.0.0.1:{port}")).unwrap();
            let mut connection = client.get_connection().unwrap();
            let mut channels = connection.as_pubsub();
            channels.subscribe("+switch-master").unwrap();
            if channels.get_message().is_ok() {
                let _ = sender.send(Instant::now());
            }
        });
    }
    receiver
}

/// Publishes events through the sentinels until the watcher has printed one that was published after the announcement.
fn survives(mut all: Sentinels, how: impl FnOnce(&mut Sentinels)) {
    let url = all.url();
    let relay = Relay::start(&["--redis", &url]);
    until_ready(&relay, 200);
    let mut watching = relay.spawn(&["attach", "--progress", "plain", "scraping/1"]);
    watching.until_printed(" connected\n");
    let publish = |percent: u32| {
        let progress = format!("progress={percent}");
        jobwire(&["publish", "--redis", &url, "scraping/1", "job_progress", &progress]).code
    };
    assert_eq!(publish(1), 0);
    watching.until_printed(" 1%");
    let announced = announcements(&all);
    how(&mut all);
    let announced = announced.recv_timeout(PATIENCE * 3).unwrap();
    let mut percent = 1;
    while !watching.stdout().contains(&format!(" {percent}%")) || percent == 1 {
        percent += 1;
        publish(percent);
        assert!(announced.elapsed() < OVER, "{}{}", watching.stdout(), relay.stderr());
        let printed = Instant::now();
        while printed.elapsed() < Duration::from_millis(100)
            && !watching.stdout().contains(&format!(" {percent}%"))
        {
            thread::yield_now();
        }
    }
    assert!(!watching.has_ended());
    until_ready(&relay, 200);
    let now = all.until_master_is_not(all.servers[0].port());
    assert_eq!(health(&relay)["server"], format!("127.0.0.1:{now}"));
    assert!(relay.stats()["redis"]["role_changes"].as_u64().unwrap() >= 1);
    // State is kept at the new master.
    let kept = || {
        let mut connection = all.servers[1].connection();
        redis::cmd("EXISTS").arg("jobwire:scraping:1").query::<u32>(&mut connection).unwrap()
    };
    until(PATIENCE, "the state", || kept() == 1);
    assert_eq!(publish(percent + 1), 0);
    watching.until_printed(&format!(" {}%", percent + 1));
}

#[test]
fn deliveries_go_on_after_a_graceful_failover() {
    survives(Sentinels::start(), |all| all.fail_over());
}

#[test]
fn deliveries_go_on_after_the_master_was_killed() {
    survives(Sentinels::start(), |all| all.servers[0].stop());
}

#[test]
fn a_master_that_no_sentinel_knows_is_an_error_at_the_start() {
    let all = Sentinels::start_with(&[]);
    let url = all.url_of("order");
    for args in [
        &["serve", "--listen", "127.0.0.1:0", "--redis", &url][..],
        &["publish", "--redis", &url, "scraping/1", "job_started"],
    ] {
        let output = jobwire(args);
        assert_eq!(output.code, 2, "{args:?}: {}", output.stderr);
        let wanted = format!(
            "error: the sentinels know no master named 'order'\nhint: they know {MASTER}; the name stands behind the hosts of the URL\n"
        );
        assert!(output.stderr.ends_with(&wanted), "{args:?}: {}", output.stderr);
    }
}

#[test]
fn sentinels_that_are_down_or_hang_are_passed_over() {
    let mut all = Sentinels::start();
    all.kill(0);
    all.pause(1);
    let relay = Relay::start(&["--redis", &all.url()]);
    until_ready(&relay, 200);
    let mut socket = relay.connect("/ws/scraping/1");
    super::delivered(&all.servers[0], &mut socket, 1);
    let output = jobwire(&["publish", "--redis", &all.url(), "scraping/1", "job_started"]);
    assert_eq!(output.code, 0, "{}", output.stderr);
}

#[test]
fn where_no_sentinel_answers_the_relay_waits_and_says_so() {
    let ports = [free_port(), free_port()];
    let url = format!("redis+sentinel://127.0.0.1:{},127.0.0.1:{}/{MASTER}", ports[0], ports[1]);
    let relay = Relay::start(&["--redis", &url]);
    let wanted = format!(
        "could not connect to {url}: no sentinel answers (127.0.0.1:{}: connection refused; 127.0.0.1:{}: connection refused)",
        ports[0], ports[1]
    );
    until(PATIENCE, "the reason", || {
        let (status, _, message) = refusal(&relay);
        let mut reversed = wanted.clone();
        reversed.truncate(wanted.find(" (").unwrap());
        status == 503 && message.starts_with(&reversed) && message.matches("connection refused").count() == 2
    });
    let output = jobwire(&["publish", "--redis", &url, "scraping/1", "job_started"]);
    assert_eq!(output.code, 3, "{}", output.stderr);
    assert!(output.stderr.contains("no sentinel answers"), "{}", output.stderr);
}

#[test]
fn a_sentinel_with_a_password_is_asked_with_it() {
    let all = Sentinels::start_with(&["requirepass sesame"]);
    let refused = jobwire(&["publish", "--redis", &all.url(), "scraping/1", "job_started"]);
    assert_eq!(refused.code, 3, "{}", refused.stderr);
    assert!(refused.stderr.contains("--redis-sentinel-password has its password"), "{}", refused.stderr);
    let password = ["--redis-sentinel-password", "sesame"];
    let relay = Relay::start(&[&["--redis", &all.url()][..], &password].concat());
    until_ready(&relay, 200);
    assert!(!relay.stderr().contains("sesame"));
    let args = ["publish", "--redis", &all.url(), "scraping/1", "job_started"];
    let taken = jobwire(&[&args[..], &password].concat());
    assert_eq!(taken.code, 0, "{}", taken.stderr);
}

#[test]
fn a_sentinel_is_no_redis_to_relay_from() {
    let all = Sentinels::start_with(&[]);
    let relay = Relay::start(&["--redis", &format!("redis://127.0.0.1:{}", all.ports()[0])]);
    until(PATIENCE, "the reason", || refusal(&relay).2.contains("is a Sentinel"));
}
