//! All targets of a relay over one socket, and what comes of it when it is cut.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use super::{json, publish, untimed};
use crate::support::server::{Server, Socket, answer, http};
use crate::support::{Cutter, Nginx, PATIENCE, Process, RedisServer, Relay, SECRET, command, token, until};

/// Watches targets of a server with NDJSON, once each of them is connected.
fn watching(server: &str, targets: &[&str], more: &[&str]) -> Process {
    let args =
        [&["attach", "--progress", "json", "--server", server, "--retries", "100"], targets, more].concat();
    let process = Process::spawn(&mut command(&args));
    until_connected(&process, targets.iter().filter(|target| !target.contains(':')).count());
    process
}

/// Longer than attach waits at most between two attempts, with room for a busy machine.
const BACK_OFF: Duration = Duration::from_mins(2);

/// Waits until so many targets were connected to, each counting once for each connection.
fn until_connected(process: &Process, times: usize) {
    until(BACK_OFF, &format!("{times} times connected"), || {
        process.stdout().matches("\"connection\":\"connected\"").count() >= times
    });
}

/// Events of one target that are milestones, by their numbers in the order in which they were shown.
fn milestones(stdout: &str, target: &str) -> Vec<u32> {
    let number = |line: &serde_json::Value| {
        let event = &line["event"];
        let text = event["message"].as_str().or_else(|| event["note"].as_str())?;
        text.strip_prefix('m')?.parse().ok()
    };
    json(stdout).iter().filter(|line| line["target"] == target).filter_map(number).collect()
}

fn event(kind: &str, job: u32, message: &str) -> String {
    format!(
        r#"{{"job_id":{job},"event_type":"{kind}","status":"running","progress":5,"results_count":0,"message":"{message}","metadata":{{"scraper_name":"s"}},"timestamp":"2025-11-21T10:30:00"}}"#
    )
}

/// Publishes about 200 events a second, a tenth of which are milestones, in turn on these jobs of scraping and on two
/// channels, until it is told to stop. Returns how many milestones each of the places got.
fn stream(redis: &RedisServer, stop: &AtomicBool, sent: &AtomicU32) -> u32 {
    let mut connection = redis.connection();
    let mut put = |channel: &str, payload: &str| {
        let _: i64 = redis::cmd("PUBLISH").arg(channel).arg(payload).query(&mut connection).unwrap();
    };
    let mut number = 0;
    while !stop.load(Ordering::Relaxed) {
        for job in 1..=3 {
            put("scraping_events", &event("scraper_completed", job, &format!("m{number}")));
        }
        let lead = format!(r#"{{"type":"lead:created","lead_id":1,"note":"m{number}"}}"#);
        put("fliptechpro:leads", &lead);
        put(
            "fliptechpro:campaigns",
            &lead.replace("lead:created", "campaign:paused").replace("lead_id", "campaign_id"),
        );
        number += 1;
        sent.store(number, Ordering::Relaxed);
        for n in 0..45 {
            put("scraping_events", &event("job_progress", 1 + n % 3, "p"));
            // The rate of the load, and not a wait for anything.
            thread::sleep(Duration::from_millis(4));
        }
    }
    for job in 1..=3 {
        put("scraping_events", &event("job_completed", job, "end"));
    }
    number
}

/// Cuts the way `cuts` times under a stream of events, and checks that each milestone was shown once and in order.
fn survives(
    redis: &RedisServer,
    cutter: &Cutter,
    more: &[&str],
    cuts: usize,
    at_cut: impl Fn(usize),
) -> String {
    let targets = ["scraping/1", "scraping/2", "scraping/3", "channel:leads", "channel:campaigns"];
    let process = watching(&cutter.server(), &targets, more);
    until_connected(&process, 4);
    let (stop, sent) = (AtomicBool::new(false), AtomicU32::new(0));
    let until_sent = |more: u32| {
        let goal = sent.load(Ordering::Relaxed) + more;
        until(BACK_OFF, "more milestones", || sent.load(Ordering::Relaxed) >= goal);
    };
    let (total, stdout) = thread::scope(|scope| {
        let publishing = scope.spawn(|| stream(redis, &stop, &sent));
        for nth in 0..cuts {
            let before = cutter.requests("GET /watch?");
            let connected = process.stdout().matches("\"connection\":\"connected\"").count();
            cutter.cut();
            // Some are cut off for a moment, some for long.
            until_sent(u32::try_from(nth % 4).unwrap());
            at_cut(nth);
            cutter.mend();
            until(BACK_OFF, "the next socket", || cutter.requests("GET /watch?") > before);
            // Some are cut again at once, and some only when they have gone on.
            if nth % 3 > 0 {
                until_connected(&process, connected + 1);
                until_sent(1);
            }
        }
        stop.store(true, Ordering::Relaxed);
        let total = publishing.join().unwrap();
        until(BACK_OFF, "the ends of the jobs", || process.stdout().matches("\"closed\"").count() == 3);
        let last = format!("\"m{}\"", total - 1);
        let shown = || process.stdout().matches(last.as_str()).count();
        until(BACK_OFF, "the last milestones", || shown() == 5);
        process.signal(rustix::process::Signal::INT);
        (total, process.finish(PATIENCE).stdout)
    });
    let expected: Vec<u32> = (0..total).collect();
    for target in &targets[..3] {
        assert_eq!(milestones(&stdout, target), expected, "{target}");
    }
    let mut of_channels = milestones(&stdout, "channel:leads channel:campaigns");
    assert!(of_channels.is_sorted(), "{of_channels:?}");
    of_channels.dedup();
    assert_eq!(of_channels, expected);
    stdout
}

#[test]
fn a_socket_that_is_cut_twenty_times_shows_every_milestone_once_and_in_order() {
    let redis = RedisServer::start();
    let relay = Relay::on(&redis, &[]);
    let cutter = Cutter::before(relay.address());
    let stdout = survives(&redis, &cutter, &[], 20, |_| {});
    assert!(!stdout.contains("\"gap\""), "nothing was missed");
    assert_eq!(
        cutter.requests("GET /ws/scraping/1?") + cutter.requests("GET /ws?"),
        0,
        "there was no other socket"
    );
}

#[test]
fn through_nginx_nothing_is_missed_or_repeated_either() {
    let redis = RedisServer::start();
    let relay = Relay::on(&redis, &[]);
    let app = crate::proxy::app::App::start();
    let nginx = Nginx::start(relay.address(), app.address(), &[]);
    let cutter = Cutter::before(nginx.address());
    let stdout = survives(&redis, &cutter, &[], 6, |nth| match nth {
        2 => nginx.reload(),
        4 => nginx.kill_workers(),
        _ => {}
    });
    assert!(!stdout.contains("\"gap\""), "nothing was missed");
}

#[test]
fn a_target_that_is_still_looked_up_holds_up_none_of_the_others() {
    let redis = RedisServer::start();
    let relay = Relay::on(&redis, &["--jwt-secret", SECRET, "--unknown-grace", "60s"]);
    let cutter = Cutter::before(relay.address());
    let token = token("alice");
    let registered = r#"{"type":"registered","task_id":"late","user_id":"alice"}"#;
    let stdout = survives(&redis, &cutter, &["tasks/late", "--token", &token], 8, |nth| {
        if nth == 6 {
            redis.publish("task_updates:late", registered);
        }
    });
    assert!(!stdout.contains("\"gap\""), "nothing was missed");
    let late: Vec<_> = json(&stdout).into_iter().filter(|line| line["target"] == "tasks/late").collect();
    assert!(late.iter().any(|line| line["connection"] == "connected"), "{late:?}");
}

#[test]
fn six_targets_of_three_dialects_share_a_socket_and_one_that_fails_leaves_the_others_alone() {
    let relay = Relay::start(&["--jwt-secret", SECRET]);
    let cutter = Cutter::before(relay.address());
    publish(&relay, "tasks/mine", "registered", &["user_id=alice"]);
    publish(&relay, "tasks/hers", "registered", &["user_id=bob"]);
    let targets = ["scraping/1", "scraping/2", "downloads/a", "downloads/b", "tasks/mine", "tasks/hers"];
    let token = token("alice");
    let server = cutter.server();
    let args = [&["attach", "--server", &server, "--token", &token], &targets[..]].concat();
    let process = Process::spawn(&mut command(&args));
    process.until_printed(" tasks/hers lost: ");
    publish(&relay, "scraping/1", "job_completed", &[]);
    publish(&relay, "scraping/2", "job_failed", &["message=captcha"]);
    publish(&relay, "downloads/a", "completed", &[]);
    publish(&relay, "downloads/b", "completed", &[]);
    publish(&relay, "tasks/mine", "completion", &["recipe_name=Soup", "recipe_id=1"]);
    let output = process.finish(PATIENCE);
    assert_eq!(output.code, 4, "{}{}", output.stdout, output.stderr);
    assert!(
        output.stderr.contains("tasks/hers: ") && output.stderr.contains("4003 not the owner"),
        "{}",
        output.stderr
    );
    for ending in ["scraping/1 done", "scraping/2 failed", "downloads/a done", "tasks/mine done"] {
        assert_eq!(output.stdout.matches(ending).count(), 1, "{ending}: {}", output.stdout);
    }
    assert_eq!((cutter.requests("GET /watch?"), cutter.requests("GET /ws/")), (1, 0));
}

#[test]
fn a_relay_that_was_restarted_is_a_gap_and_then_the_state() {
    let redis = RedisServer::start();
    let relay = Relay::on(&redis, &[]);
    let args = ["attach", "scraping/1", "scraping/2", "--server", &format!("ws://{}", relay.address())];
    let lines = Process::spawn(&mut command(&args));
    let records = Process::spawn(&mut command(&[&args[..], &["--progress", "json"]].concat()));
    relay.until_connections(2);
    redis.publish("scraping_events", event("scraper_completed", 1, "m0"));
    redis.publish("scraping_events", event("scraper_completed", 2, "m0"));
    lines.until_printed("scraping/2 s: done");
    until(PATIENCE, "both", || records.stdout().matches("\"m0\"").count() == 2);
    let stored = |job: u32| {
        let state: Option<String> = redis::cmd("HGET")
            .arg(format!("jobwire:scraping:{job}"))
            .arg("state")
            .query(&mut redis.connection())
            .unwrap();
        state.is_some_and(|state| state.contains("m0"))
    };
    until(PATIENCE, "the states in Redis", || stored(1) && stored(2));
    let address = relay.address().to_owned();
    relay.kill();
    let _relay = Relay::listening_on(&address, &["--redis", &redis.url()]);
    lines.until_printed("gap: events are missing, since the relay was restarted");
    until(PATIENCE, "both gaps", || records.stdout().matches("\"gap\":\"restarted\"").count() == 2);
    let ready = || redis::cmd("PUBLISH").arg("x").arg("y").query::<i64>(&mut redis.connection()).is_ok();
    until(PATIENCE, "the relay", ready);
    for (job, kind, message) in
        [(1, "scraper_completed", "m1"), (1, "job_completed", "e"), (2, "job_failed", "captcha")]
    {
        until(PATIENCE, "a subscriber", || redis.publish("scraping_events", event(kind, job, message)) == 1);
    }
    let (lines, records) = (lines.finish(PATIENCE), records.finish(PATIENCE));
    assert_eq!((lines.code, records.code), (1, 1), "{}", lines.stdout);
    assert_eq!(lines.stdout.matches("gap: ").count(), 1, "people are told once: {}", lines.stdout);
    assert_eq!(milestones(&records.stdout, "scraping/1"), [0, 1], "{}", records.stdout);
    assert_eq!(milestones(&records.stdout, "scraping/2"), [0], "{}", records.stdout);
    let lines = untimed(&lines.stdout);
    assert_eq!(lines.iter().filter(|line| line.starts_with("scraping/1 s: done")).count(), 2, "{lines:?}");
    assert!(lines.iter().any(|line| line.starts_with("scraping/2 failed")), "{lines:?}");
}

#[test]
fn a_server_elsewhere_is_asked_while_the_first_sockets_are_opened() {
    // No loopback address, and yet this machine.
    let relay = Relay::start(&[]);
    let port = relay.address().rsplit(':').next().unwrap();
    publish(&relay, "scraping/1", "job_completed", &["results_count=7"]);
    let output =
        command(&["attach", "scraping/1", "--server", &format!("ws://0.0.0.0:{port}")]).output().unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert_eq!(untimed(&stdout), ["scraping/1 connected", "scraping/1 done 100% 7 results"]);
    let server = Server::start(|stream, path| {
        if path == "/health" {
            return answer(stream, &http("404 Not Found", ""));
        }
        if path == "/watch" {
            return answer(stream, &http("404 Not Found", ""));
        }
        let mut socket = Socket::accept(stream);
        socket.send(&[&event("job_completed", 1, "end")]);
        socket.until_closed();
    });
    let port = server.address().rsplit(':').next().unwrap();
    let output =
        command(&["attach", "scraping/1", "--server", &format!("ws://0.0.0.0:{port}")]).output().unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert_eq!(untimed(&stdout), ["scraping/1 connected", "scraping/1 done 100% end"], "{stdout}");
}

#[test]
fn what_is_published_once_attach_said_connected_is_asked_for_although_no_cursor_came() {
    let (paths, asked) = std::sync::mpsc::channel();
    let (cut, cuts) = std::sync::mpsc::channel();
    let cuts = std::sync::Mutex::new(cuts);
    let server = Server::start(move |stream, path| {
        if path == "/health" {
            return answer(stream, &http("200 OK", r#"{"watch":true}"#));
        }
        if !path.starts_with("/watch") {
            return answer(stream, &http("404 Not Found", ""));
        }
        paths.send(path.to_owned()).unwrap();
        let mut socket = Socket::accept(stream);
        // The relay is still looking the job up.
        socket.send(&[r#"{"type":"watching","targets":["scraping/1"]}"#]);
        let _: Result<(), _> = cuts.lock().unwrap().recv_timeout(PATIENCE);
    });
    let process = watching(&format!("ws://{}", server.address()), &["scraping/1"], &[]);
    assert_eq!(asked.recv_timeout(PATIENCE).unwrap(), "/watch?target=scraping/1&replay=1");
    cut.send(()).unwrap();
    assert_eq!(asked.recv_timeout(PATIENCE).unwrap(), "/watch?target=scraping/1&since=0");
    process.signal(rustix::process::Signal::INT);
    cut.send(()).unwrap();
    process.finish(PATIENCE);
}
