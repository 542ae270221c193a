//! A socket that is cut again and again under load, and goes on by its cursor.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::Watcher;
use crate::serve::scraping;
use crate::support::{PATIENCE, RedisServer, Relay};

/// What a client got of each job's milestones, in order.
#[derive(Default)]
struct Seen {
    milestones: HashMap<String, Vec<u64>>,
    gaps: Vec<Value>,
    cursor: Option<String>,
    /// Targets of the last list. A cursor says nothing of a target that is not yet in it.
    listed: usize,
    /// Targets that there are to be.
    wanted: usize,
}

impl Seen {
    fn take(&mut self, message: &Value) {
        if message["type"] == "watching" {
            self.listed = message["targets"].as_array().unwrap().len();
        }
        if let Some(cursor) = message["cursor"].as_str().filter(|_| self.listed >= self.wanted) {
            self.cursor = Some(cursor.to_owned());
        }
        if message["type"] == "gap" {
            self.gaps.push(message.clone());
        }
        let event = &message["event"];
        let data = event.get("data").unwrap_or(event);
        if message["type"] != "event" || message["snapshot"] == true {
            return;
        }
        if let Some(n) = data["milestone"].as_u64() {
            self.milestones.entry(message["target"].as_str().unwrap().to_owned()).or_default().push(n);
        }
    }
}

fn payload(dialect: usize, job: usize, n: u64) -> (String, String) {
    match dialect {
        0 => {
            let event = scraping(i64::try_from(job).unwrap(), "scraper_completed", "1", n);
            ("scraping_events".to_owned(), event.replacen('{', &format!(r#"{{"milestone":{n},"#), 1))
        }
        1 => {
            let kind = r#""type":"custom""#;
            (format!("task_updates:t{job}"), format!(r#"{{{kind},"task_id":"t{job}","milestone":{n}}}"#))
        }
        _ => (
            "fliptechpro:campaigns".to_owned(),
            format!(r#"{{"type":"campaign:paused","campaign_id":{job},"milestone":{n}}}"#),
        ),
    }
}

fn name(dialect: usize, job: usize) -> String {
    match dialect {
        0 => format!("scraping/{job}"),
        1 => format!("tasks/t{job}"),
        _ => format!("room:campaign:{job}"),
    }
}

#[test]
fn no_milestone_is_missed_or_comes_twice_however_often_the_socket_is_cut() {
    let redis = RedisServer::start();
    let relay = Relay::on(&redis, &["--no-auth", "--tail", "5000"]);
    let stop = Arc::new(AtomicBool::new(false));
    let publisher = {
        let (stop, mut connection) = (Arc::clone(&stop), redis.connection());
        std::thread::spawn(move || {
            let mut n = 0;
            while !stop.load(Ordering::Relaxed) {
                let mut pipe = redis::pipe();
                for dialect in 0..3 {
                    for job in 0..2 {
                        let (channel, payload) = payload(dialect, job, n);
                        pipe.cmd("PUBLISH").arg(channel).arg(payload).ignore();
                    }
                }
                let _: () = pipe.query(&mut connection).unwrap();
                n += 1;
                // The rate of the load, not a wait for anything.
                std::thread::sleep(Duration::from_millis(3));
            }
            n
        })
    };
    let targets: Vec<String> = (0..3).flat_map(|dialect| (0..2).map(move |job| name(dialect, job))).collect();
    let (listed, unlisted) = targets.split_at(5);
    let query = |since: &str| {
        let targets: Vec<String> = listed.iter().map(|target| format!("target={target}")).collect();
        format!("{}&target=scraping/*&since={since}", targets.join("&"))
    };
    let mut seen = Seen { wanted: targets.len() + 1, ..Seen::default() };
    let began = Instant::now();
    let mut rounds = 0_u64;
    while rounds < 20 || began.elapsed() < Duration::from_secs(4) {
        let since = seen.cursor.clone().unwrap_or_else(|| "0".to_owned());
        let mut watcher = Watcher::open(&relay, &query(&since));
        // One target comes by a message, behind the others, and is not looked up when the socket is cut now and then.
        watcher.say(&json!({"type": "watch", "targets": unlisted, "since": since}));
        let until = Instant::now() + Duration::from_millis(rounds * 37 % 250);
        while Instant::now() < until {
            let next = watcher.next();
            seen.take(&next);
        }
        drop(watcher);
        seen.listed = 0;
        rounds += 1;
    }
    stop.store(true, Ordering::Relaxed);
    let count = publisher.join().unwrap();
    relay.until_events(count * 6);
    let since = seen.cursor.clone().unwrap_or_else(|| "0".to_owned());
    let mut watcher = Watcher::open(&relay, &query(&since));
    watcher.say(&json!({"type": "watch", "targets": unlisted, "since": since}));
    let deadline = Instant::now() + PATIENCE;
    while targets
        .iter()
        .any(|target| seen.milestones.get(target).and_then(|got| got.last()) != Some(&(count - 1)))
    {
        assert!(Instant::now() < deadline, "the last ones are missing");
        let next = watcher.next();
        seen.take(&next);
    }
    assert!(seen.gaps.is_empty(), "{:?}", seen.gaps);
    for target in &targets {
        // What came behind the last cursor before a cut comes again: the client knows it by its place.
        let mut got = seen.milestones[target].clone();
        got.sort_unstable();
        got.dedup();
        assert_eq!(got, (0..count).collect::<Vec<_>>(), "{target}");
    }
}

#[test]
fn on_one_socket_no_milestone_comes_twice_while_targets_come_and_go() {
    let redis = RedisServer::start();
    let relay = Relay::on(&redis, &["--no-auth", "--tail", "5000"]);
    let stop = Arc::new(AtomicBool::new(false));
    let publisher = {
        let (stop, mut connection) = (Arc::clone(&stop), redis.connection());
        std::thread::spawn(move || {
            let mut n = 0;
            while !stop.load(Ordering::Relaxed) {
                let mut pipe = redis::pipe();
                for job in 0..2 {
                    let (channel, payload) = payload(0, job, n);
                    pipe.cmd("PUBLISH").arg(channel).arg(payload).ignore();
                }
                let _: () = pipe.query(&mut connection).unwrap();
                n += 1;
                // The rate of the load, not a wait for anything.
                std::thread::sleep(Duration::from_micros(500));
            }
            n
        })
    };
    let mut watcher = Watcher::open(&relay, "target=scraping/*&since=0");
    let mut seen = Seen::default();
    for round in 0..40 {
        let since = if round % 3 == 0 { None } else { seen.cursor.clone() };
        watcher.say(&json!({"type": "watch", "targets": ["scraping/0"], "since": since}));
        for _ in 0..50 {
            let next = watcher.next();
            seen.take(&next);
        }
        watcher.say(&json!({"type": "unwatch", "targets": ["scraping/0"]}));
        for _ in 0..20 {
            let next = watcher.next();
            seen.take(&next);
        }
    }
    stop.store(true, Ordering::Relaxed);
    let count = publisher.join().unwrap();
    let last = |seen: &Seen| (0..2).all(|job| seen.milestones[&name(0, job)].last() == Some(&(count - 1)));
    while !last(&seen) {
        let next = watcher.next();
        seen.take(&next);
    }
    for job in 0..2 {
        assert_eq!(seen.milestones[&name(0, job)], (0..count).collect::<Vec<_>>(), "{job}");
    }
}
