//! Several processes that share the connections of one run.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use redis::Commands as _;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::support::{Output, PATIENCE, Process, RedisServer, Relay, command, jobwire, wait_for};
use super::{bench, cohort, start};

/// A run until its end.
fn run(args: &[&str]) -> Value {
    let (output, summary) = bench(&[args, &["--allow-client-bound"]].concat());
    assert_eq!(output.code, 0, "{}", output.stderr);
    assert!(summary["partial"].is_null(), "{summary}");
    summary
}

/// What a run wrote in the end.
fn summary_of(output: &Output) -> Value {
    serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", output.stderr))
}

/// The processes that a run has started, so many of them.
fn children(process: &Process, count: usize) -> Vec<i32> {
    wait_for(PATIENCE, "the workers to run", || {
        // Any of its threads may have started them.
        let tasks = std::fs::read_dir(format!("/proc/{}/task", process.id())).unwrap();
        let all: Vec<String> = tasks
            .filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("children")).ok())
            .collect();
        let all: Vec<i32> = all.join(" ").split_whitespace().map(|pid| pid.parse().unwrap()).collect();
        (all.len() == count).then_some(all)
    })
}

fn kill(pid: i32) {
    kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
}

fn counts<const N: usize>(value: &Value, names: [&str; N]) -> [u64; N] {
    names.map(|name| value[name].as_u64().unwrap_or_else(|| panic!("no {name} in {value}")))
}

#[test]
fn two_workers_give_one_report_with_exact_counts() {
    let redis = RedisServer::start();
    let relay = Relay::on(&redis, &[]);
    let (url, server) = (redis.url(), relay.ws(""));
    let args =
        ["-c", "41", "--jobs", "4", "-d", "1s", "--workers", "2", "--redis", &url, "--server", &server];
    let summary = run(&args);
    let healthy = cohort(&summary, "healthy");
    assert_eq!(
        counts(healthy, ["connections", "expected", "received", "lost", "duplicated"]),
        [41, 1025, 1025, 0, 0]
    );
    assert_eq!(healthy["delivery"]["count"], 1025);
    assert_eq!(counts(&summary["connections"], ["wanted", "opened", "peak", "open_at_end"]), [41; 4]);
    assert_eq!(counts(&summary["publish"], ["intended", "sent", "failed"]), [100, 100, 0]);
    let workers = summary["workers"].as_array().unwrap();
    assert_eq!(workers.iter().map(|worker| worker["connections"].as_u64().unwrap()).sum::<u64>(), 41);
    let host = &summary["setup"]["machine"]["host"];
    for worker in workers {
        assert!(worker["host"] == *host && worker["cores"].as_u64() > Some(0), "{worker}");
        assert!(worker["rss_bytes"].as_u64() > Some(0) && worker["lost"] == false, "{worker}");
    }
    let left: Vec<String> = redis.connection().keys("jobwire:bench:*").unwrap();
    assert_eq!(left, [""; 0], "nothing is left behind");
}

#[test]
fn a_worker_that_is_killed_is_named_and_the_rest_is_reported() {
    let redis = RedisServer::start();
    let relay = Relay::on(&redis, &[]);
    let (url, server) = (redis.url(), relay.ws(""));
    let shared = ["-c", "40", "--jobs", "4", "--workers", "2", "--redis", &url, "--server", &server];
    // In the middle, and while connections are opened still.
    for (more, open) in [(&["-d", "4s"][..], 40), (&["-d", "1s", "--connect-rate", "10"], 8)] {
        let process = start(&[&shared[..], more].concat());
        wait_for(PATIENCE, "connections", || {
            (relay.stats()["total_connections"].as_u64().unwrap() >= open).then_some(())
        });
        let killed = children(&process, 2)[0];
        kill(killed);
        let output = process.finish(PATIENCE * 3);
        assert_eq!(output.code, 1, "{}", output.stderr);
        let summary = summary_of(&output);
        let partial = summary["partial"].as_str().unwrap();
        assert!(partial.contains(&format!("/{killed} was lost")), "{partial}");
        let lost: Vec<&Value> =
            summary["workers"].as_array().unwrap().iter().filter(|worker| worker["lost"] == true).collect();
        assert!(lost.len() == 1 && lost[0]["name"].as_str().unwrap().ends_with(&format!("/{killed}")));
        let healthy = cohort(&summary, "healthy");
        assert_eq!(healthy["connections"], 20);
        assert!(healthy["received"].as_u64() > Some(0), "{healthy}");
        assert_eq!((&healthy["received"], &healthy["lost"]), (&healthy["expected"], &0.into()), "{healthy}");
        assert_eq!(summary["connections"]["wanted"], 40);
        relay.until_connections(0);
    }
}

#[test]
fn connections_are_held_opened_again_and_timed_by_workers() {
    let redis = RedisServer::start();
    let relay = Relay::start(&[]);
    let (url, server) = (redis.url(), relay.ws(""));
    let with = |args: &[&str]| run(&[args, &["--redis", &url, "--server", &server]].concat());
    let idle =
        with(&["idle", "-c", "20", "-d", "1500ms", "--workers", "2", "--source-ip", "127.0.0.1-127.0.0.2"]);
    assert_eq!(counts(&idle["connections"], ["wanted", "opened", "failed", "peak"]), [20, 20, 0, 20]);
    assert_eq!(idle["connections"]["open_at_end"], 20);
    assert!(idle["publish"].is_null() && idle["round_trip"].is_null(), "{idle}");
    assert!(idle["cohorts"].as_array().unwrap().is_empty());
    let intervals = idle["intervals"].as_array().unwrap();
    assert!(intervals.iter().any(|one| one["connections"] == 20), "{intervals:?}");
    assert!(intervals.iter().all(|one| one["published"] == 0), "{intervals:?}");

    let connect = with(&["connect", "-c", "9", "-n", "100", "--workers", "3"]);
    assert_eq!(counts(&connect["connections"], ["attempts", "opened", "failed"]), [100, 100, 0]);
    assert_eq!(connect["connect_time"]["total"]["count"], 100);

    // Two threads in the first, which has two connections, and one in the others. So few round trips that every ping has
    // been answered before the next: a server may answer the last of several only.
    let echo = with(&["echo", "-c", "4", "--threads", "2", "-r", "20", "-d", "3s", "--workers", "3"]);
    assert_eq!(counts(&echo["round_trip"], ["sent", "received", "lost"]), [60, 60, 0]);
    assert_eq!(
        (&echo["round_trip"]["time"]["count"], &echo["round_trip"]["by"]),
        (&60.into(), &"ping".into())
    );
    assert!(echo["publish"].is_null() && echo["cohorts"].as_array().unwrap().is_empty());
}

#[test]
fn workers_share_a_storm() {
    let redis = RedisServer::start();
    let relay = Relay::on(&redis, &[]);
    let (url, server) = (redis.url(), relay.ws(""));
    let args = ["storm", "-c", "40", "--cut", "25%", "-d", "3s", "--workers", "2", "--redis", &url];
    let summary = run(&[&args[..], &["--server", &server]].concat());
    assert_eq!(counts(&summary["reconnect"], ["cut", "back"]), [10, 10]);
    assert!(summary["reconnect"]["all_back_seconds"].as_f64().is_some(), "{summary}");
    assert_eq!(counts(cohort(&summary, "healthy"), ["connections", "lost"]), [30, 0]);
}

#[test]
fn events_go_by_a_url_while_workers_know_each_other_through_redis() {
    let redis = RedisServer::start();
    let relay = Relay::start(&["--publish-key", "correct horse battery staple"]);
    let (url, server) = (redis.url(), relay.ws(""));
    let publish = format!("http://{}/publish/{{channel}}", relay.address());
    let args = ["-c", "10", "-d", "1s", "--workers", "2", "--server", &server, "--publish-url", &publish];
    let key = ["--publish-key", "correct horse battery staple"];
    let summary = run(&[&args[..], &key, &["--redis", &url]].concat());
    assert_eq!(summary["publish"]["by"], "http");
    assert_eq!(counts(cohort(&summary, "healthy"), ["connections", "lost", "conflated"]), [10, 0, 0]);
    let output = jobwire(&[&["bench"], &args[..], &key].concat());
    assert_eq!(output.code, 2, "{}", output.stderr);
    assert!(output.stderr.contains("--redis"), "{}", output.stderr);
}

#[test]
fn what_came_from_the_environment_reaches_workers() {
    // A relay that lets nobody in without the token, which the command line does not hold.
    let redis = RedisServer::start();
    let relay = Relay::on(&redis, &["--jwt-secret", super::support::SECRET, "--ownerless", "allow"]);
    let token = super::support::token("u1");
    let (url, server) = (redis.url(), relay.ws(""));
    let mut bench = command(&["bench", "--output", "json", "idle", "tasks", "--workers", "1", "-d", "1s"]);
    bench.args(["--remote-workers", "1", "--redis", &url, "--server", &server, "--allow-client-bound"]);
    bench.envs([("JOBWIRE_TOKEN", token.as_str()), ("JOBWIRE_CONNECTIONS", "6")]);
    let worker = Process::spawn(&mut command(&["bench", "worker", "--once", "--redis", &url]));
    let output = Process::spawn(&mut bench).finish(PATIENCE * 2);
    assert_eq!(output.code, 0, "{}", output.stderr);
    let summary = summary_of(&output);
    assert_eq!(counts(&summary["connections"], ["opened", "open_at_end"]), [6, 6], "{summary}");
    let worker = worker.finish(PATIENCE);
    assert_eq!(worker.code, 0, "{}", worker.stderr);
    assert!(!worker.stderr.contains(&token) && !output.stderr.contains(&token), "{}", worker.stderr);
}

#[test]
fn two_runs_on_one_redis_do_not_meet() {
    let redis = RedisServer::start();
    let relay = Relay::on(&redis, &[]);
    let (url, server) = (redis.url(), relay.ws(""));
    let waiting = ["bench", "worker", "--once", "--redis", &url];
    let remote = [0, 1].map(|_| Process::spawn(&mut command(&waiting)));
    let with = |args: &[&str]| {
        let shared = ["--workers", "2", "--remote-workers", "1", "--redis", &url, "--server", &server];
        start(&[args, &shared].concat())
    };
    let first = with(&["-c", "30", "--jobs", "3", "-d", "2s"]);
    let second = with(&["storm", "downloads", "-c", "20", "--jobs", "2", "-d", "3s"]);
    for (process, connections) in [(first, 30), (second, 20)] {
        let output = process.finish(PATIENCE * 2);
        assert_eq!(output.code, 0, "{}", output.stderr);
        let summary = summary_of(&output);
        assert_eq!(summary["connections"]["wanted"], connections);
        assert_eq!(summary["workers"].as_array().unwrap().len(), 3);
        assert_eq!(counts(cohort(&summary, "healthy"), ["lost", "misrouted", "duplicated"]), [0, 0, 0]);
    }
    for worker in remote {
        let output = worker.finish(PATIENCE);
        assert_eq!(output.code, 0, "{}", output.stderr);
    }
}

#[test]
fn a_run_takes_back_its_own_calls_only() {
    let redis = RedisServer::start();
    let relay = Relay::start(&[]);
    let (url, server) = (redis.url(), relay.ws(""));
    let mut connection = redis.connection();
    let others = r#"{"version":"0","run":7,"index":0}"#;
    let _: u64 = connection.rpush("jobwire:bench:calls", others).unwrap();
    let process = start(&["idle", "-c", "4", "--remote-workers", "2", "--redis", &url, "--server", &server]);
    wait_for(PATIENCE, "the calls", || {
        let calls: u64 = connection.llen("jobwire:bench:calls").unwrap();
        (calls == 3).then_some(())
    });
    process.signal(Signal::INT);
    let output = process.finish(PATIENCE);
    assert_eq!(output.code, 130, "{}", output.stderr);
    let left: Vec<String> = connection.lrange("jobwire:bench:calls", 0, -1).unwrap();
    assert_eq!(left, [others]);
}

#[test]
fn an_interrupted_run_with_workers_reports_what_there_is() {
    let redis = RedisServer::start();
    let relay = Relay::on(&redis, &[]);
    let (url, server) = (redis.url(), relay.ws(""));
    let shared = ["-c", "10", "--workers", "2", "-d", "60s", "--redis", &url, "--server", &server];
    for (more, events) in [(&[][..], true), (&["--connect-rate", "2"], false)] {
        let process = start(&[&shared[..], more].concat());
        children(&process, 2);
        if events {
            relay.until_events(30);
        } else {
            wait_for(PATIENCE, "connections", || {
                (relay.stats()["total_connections"].as_u64().unwrap() >= 2).then_some(())
            });
        }
        process.signal(Signal::INT);
        let output = process.finish(PATIENCE);
        assert_eq!(output.code, 130, "{}", output.stderr);
        let summary = summary_of(&output);
        assert_eq!(summary["partial"], "interrupted");
        assert!(summary["connections"]["opened"].as_u64() > Some(0), "{summary}");
        if events {
            assert_eq!(cohort(&summary, "healthy")["lost"], 0, "{summary}");
        }
        relay.until_connections(0);
    }
}

#[test]
fn workers_end_when_their_coordinator_is_killed() {
    let redis = RedisServer::start();
    let relay = Relay::on(&redis, &[]);
    let (url, server) = (redis.url(), relay.ws(""));
    let remote = Process::spawn(&mut command(&["bench", "worker", "--redis", &url]));
    let shared = ["--workers", "2", "--remote-workers", "1", "--redis", &url, "--server", &server];
    let mut process = start(&[&["-c", "9", "-d", "60s"], &shared[..]].concat());
    relay.until_connections(9);
    let workers = children(&process, 2);
    process.kill();
    relay.until_connections(0);
    wait_for(PATIENCE, "the workers of this host to end", || {
        let runs = |pid: &i32| {
            std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
        };
        (!workers.iter().any(runs)).then_some(())
    });
    wait_for(PATIENCE, "the other to wait again", || {
        remote.stderr().contains("the coordinator of this worker is gone; waiting for calls").then_some(())
    });
    // It is as good as new.
    run(&[&["-c", "6", "-d", "1s"], &shared[..]].concat());
    remote.signal(Signal::TERM);
    assert_eq!(remote.finish(PATIENCE).code, 143);
}

#[test]
fn a_redis_that_dies_under_workers_leaves_a_partial_result() {
    let mut redis = RedisServer::start();
    let relay = Relay::start(&[]);
    let (url, server) = (redis.url(), relay.ws(""));
    let args = ["echo", "-c", "6", "-d", "4s", "--workers", "2", "--redis", &url, "--server", &server];
    let process = start(&args);
    // The coordinator has said when the first round trip is due.
    let mut connection = redis.connection();
    wait_for(PATIENCE, "the start", || {
        let starts: Vec<String> =
            redis::cmd("KEYS").arg("jobwire:bench:*:start").query(&mut connection).unwrap();
        (!starts.is_empty()).then_some(())
    });
    redis.stop();
    let output = process.finish(PATIENCE * 2);
    assert_eq!(output.code, 3, "{}", output.stderr);
    let summary = summary_of(&output);
    assert!(summary["partial"].as_str().unwrap().contains("lost redis"), "{summary}");
}

#[test]
fn clocks_that_drift_apart_make_latencies_partial() {
    let redis = RedisServer::start();
    let relay = Relay::on(&redis, &[]);
    let (url, server) = (redis.url(), relay.ws(""));
    let shared = ["-c", "6", "--remote-workers", "1", "--redis", &url, "--server", &server];
    for (more, partial) in [(&["-d", "3s"][..], true), (&["idle", "-d", "3s"], false)] {
        let ahead = Arc::new(AtomicBool::new(false));
        let through = drifting(redis.port(), &ahead);
        let worker = Process::spawn(&mut command(&["bench", "worker", "--once", "--redis", &through]));
        let process = start(&[more, &shared[..]].concat());
        // Its connections come after it has looked at the clock.
        relay.until_connections(6);
        ahead.store(true, Ordering::Release);
        let output = process.finish(PATIENCE * 2);
        let summary = summary_of(&output);
        let worker_there = &summary["workers"][0];
        assert!(
            (900_000..1_100_000).contains(&worker_there["clock_error_micros"].as_u64().unwrap()),
            "{summary}"
        );
        if partial {
            let expected = format!("{} ±", worker_there["name"].as_str().unwrap());
            let text = summary["partial"].as_str().unwrap();
            assert!(text.contains("--max-clock-error (5000 µs)") && text.contains(&expected), "{text}");
        } else {
            assert!(summary["partial"].is_null(), "{summary}");
        }
        assert_eq!(output.code, i32::from(partial), "{}", output.stderr);
        assert_eq!(worker.finish(PATIENCE).code, 0);
        relay.until_connections(0);
    }
}

/// The URL of a way to a Redis, on which its clock is a second ahead from some time on.
fn drifting(port: u16, ahead: &Arc<AtomicBool>) -> String {
    const TIME: &[u8] = b"*2\r\n$10\r\n";
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("redis://{}", listener.local_addr().unwrap());
    let ahead = Arc::clone(ahead);
    let pass = |mut from: TcpStream, mut to: TcpStream, ahead: &AtomicBool| {
        let mut chunk = vec![0; 1 << 16];
        while let Ok(read @ 1..) = from.read(&mut chunk) {
            let chunk = &mut chunk[..read];
            if ahead.load(Ordering::Acquire) && chunk.starts_with(TIME) {
                let seconds = &mut chunk[TIME.len()..TIME.len() + 10];
                let number: u64 = std::str::from_utf8(seconds).unwrap().parse().unwrap();
                seconds.copy_from_slice((number + 1).to_string().as_bytes());
            }
            if to.write_all(chunk).is_err() {
                return;
            }
        }
    };
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let (Ok(client), Ok(server)) = (client, TcpStream::connect(("127.0.0.1", port))) else { return };
            let (requests, answers) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            let ahead = Arc::clone(&ahead);
            std::thread::spawn(move || pass(requests, server, &AtomicBool::new(false)));
            std::thread::spawn(move || pass(answers, client, &ahead));
        }
    });
    url
}
