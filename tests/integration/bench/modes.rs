//! Every mode against a real relay.

use rustix::process::Signal;

use super::support::{PATIENCE, Process, RedisServer, Relay, SECRET, command, token, until};
use super::{bench, cohort, read, start};

/// A relay and what every bench against it needs.
fn relay() -> (RedisServer, Relay) {
    let redis = RedisServer::start();
    let relay = Relay::on(&redis, &[]);
    (redis, relay)
}

fn against(relay: &Relay, redis: &RedisServer, args: &[&str]) -> serde_json::Value {
    let (url, server) = (redis.url(), format!("ws://{}", relay.address()));
    let fixed = ["--redis", &url, "--server", &server, "--allow-client-bound"];
    let (output, summary) = bench(&[args, &fixed].concat());
    assert_eq!(output.code, 0, "{}", output.stderr);
    summary
}

#[test]
fn every_event_of_every_dialect_reaches_every_socket() {
    let (redis, relay) = relay();
    for target in ["scraping", "downloads", "downloads/one"] {
        let args =
            ["fanout", target, "-c", "40", "--jobs", "4", "-r", "100", "-d", "1s", "--assert", "missing==0"];
        let summary = against(&relay, &redis, &args);
        let healthy = cohort(&summary, "healthy");
        let each = if target.contains(['/', ':']) { 100 } else { 25 };
        assert_eq!(healthy["expected"], 40 * each, "{target}: {healthy}");
        assert_eq!(healthy["received"], 40 * each, "{target}: {healthy}");
        assert_eq!(healthy["duplicated"], 0, "{target}: {healthy}");
        assert_eq!(summary["verdict"]["passed"], true);
        assert!(summary["intervals"].as_array().unwrap().len() > 1);
    }
}

#[test]
fn channels_and_rooms_have_one_stream_for_all() {
    let (redis, relay) = relay();
    for target in ["channel:campaigns", "channel:ai", "room:campaign:7"] {
        let args = ["fanout", target, "-c", "30", "-r", "100", "-d", "1s", "--assert", "missing==0"];
        let summary = against(&relay, &redis, &args);
        let healthy = cohort(&summary, "healthy");
        let counts = ["expected", "received", "duplicated", "misrouted"].map(|name| healthy[name].as_u64());
        assert_eq!(counts, [Some(3000), Some(3000), Some(0), Some(0)], "{target}: {healthy}");
    }
}

#[test]
fn tasks_are_benched_by_their_owner() {
    let redis = RedisServer::start();
    let relay = Relay::on(&redis, &["--jwt-secret", SECRET]);
    let token = token("alice");
    let args = ["fanout", "tasks", "-c", "40", "--jobs", "4", "-d", "1s", "--token", &token];
    let summary =
        against(&relay, &redis, &[&args[..], &["--owner", "alice", "--assert", "missing==0"]].concat());
    let healthy = cohort(&summary, "healthy");
    let counts = ["expected", "received", "duplicated", "misrouted"].map(|name| healthy[name].as_u64());
    assert_eq!(counts, [Some(1000), Some(1000), Some(0), Some(0)], "{healthy}");
    assert!(!summary.to_string().contains(&token), "a report holds no token");
    let (url, server) = (redis.url(), format!("ws://{}", relay.address()));
    let args = ["fanout", "tasks", "--token", &super::support::token("bob"), "--owner", "alice"];
    let refused = [&args[..], &["--redis", &url, "--server", &server]].concat();
    let (output, _) = bench(&refused);
    assert_eq!(output.code, 4, "{}", output.stderr);
    assert!(output.stderr.contains("4003") && !output.stderr.contains(&token), "{}", output.stderr);
}

#[test]
fn a_relay_is_published_through_with_its_key() {
    let relay = Relay::start(&["--publish-key", "correct horse battery staple"]);
    let server = format!("ws://{}", relay.address());
    let args = ["-c", "10", "-d", "1s", "--server", &server, "--allow-client-bound"];
    let (output, summary) = bench(&[&args[..], &["--publish-key", "correct horse battery staple"]].concat());
    assert_eq!(output.code, 0, "{}", output.stderr);
    assert_eq!(
        (summary["publish"]["by"].as_str(), cohort(&summary, "healthy")["lost"].as_u64()),
        (Some("relay"), Some(0))
    );
    let (output, _) = bench(&[&args[..], &["--publish-key", "another"]].concat());
    assert_eq!(output.code, 4, "{}", output.stderr);
}

#[test]
fn connections_are_opened_held_and_timed() {
    let (redis, relay) = relay();
    let connected = against(&relay, &redis, &["connect", "-c", "20", "-n", "100"]);
    assert_eq!(
        (connected["connections"]["opened"].as_u64(), connected["connections"]["failed"].as_u64()),
        (Some(100), Some(0))
    );
    assert_eq!(connected["connect_time"]["total"]["count"], 100);
    assert!(connected["client"]["cpu_share"].as_f64() > Some(0.0), "{}", connected["client"]);
    assert!(connected["server"]["cpu_share"].as_f64() > Some(0.0), "{}", connected["server"]);
    // Who greets is heard, as connections stay until their places are needed.
    let args = ["connect", "channel:ai", "-c", "50", "-n", "100", "--connect-rate", "100"];
    let greeted = against(&relay, &redis, &args);
    assert_eq!(greeted["connections"]["peak"], 50, "{}", greeted["connections"]);
    let heard = greeted["connect_time"]["first_message"]["count"].as_u64();
    assert!(heard > Some(50), "{}", greeted["connect_time"]);
    let together = against(&relay, &redis, &["connect", "-c", "20", "-n", "400", "--workers", "2"]);
    assert_eq!(together["connections"]["opened"], 400);
    assert!(together["server"]["cpu_share"].as_f64() > Some(0.0), "{}", together["server"]);
    let idle =
        against(&relay, &redis, &["idle", "-c", "50", "-d", "1s", "--source-ip", "127.0.0.1-127.0.0.3"]);
    assert_eq!(
        (idle["connections"]["peak"].as_u64(), idle["connections"]["open_at_end"].as_u64()),
        (Some(50), Some(50))
    );
    assert_eq!(idle["server"]["pids"], serde_json::json!([]));
    let before = idle["server"]["rss_before_bytes"].as_u64().unwrap();
    assert!((1 << 20..1 << 30).contains(&before), "it is the relay's own figure: {idle}");
    assert!(idle["publish"].is_null() && idle["cohorts"].as_array().unwrap().is_empty());
    // So many on one connection come several at once, and the relay answers only the newest of these.
    let echo = against(&relay, &redis, &["echo", "-c", "1", "-r", "2k", "-d", "1s"]);
    assert_eq!(
        (echo["round_trip"]["sent"].as_u64(), echo["round_trip"]["lost"].as_u64()),
        (Some(2000), Some(0))
    );
    assert_eq!(echo["round_trip"]["time"]["count"], 2000);
}

#[test]
fn a_server_that_is_gone_at_the_end_is_said_so() {
    let relay = Relay::start(&[]);
    let server = relay.ws("");
    let process =
        start(&["idle", "-c", "20", "-d", "4s", "--server", &server, "--assert", "connect.failed==0"]);
    relay.until_connections(20);
    relay.kill();
    let output = process.finish(PATIENCE);
    assert_eq!(output.code, 3, "{}", output.stderr);
    let summary = read(&output.stdout);
    assert!(summary["partial"].as_str().unwrap().starts_with("no connection was left"), "{summary}");
    let each = summary["client"]["rss_per_connection_bytes"].as_f64().unwrap();
    let all = summary["client"]["rss_bytes"].as_f64().unwrap();
    assert!(each <= all / 19.0, "it is shared among those that there were: {each} of {all}");
}

#[test]
fn round_trips_that_are_due_while_nothing_is_open_are_lost() {
    let relay = Relay::start(&[]);
    let server = relay.ws("");
    let args = ["echo", "-c", "2", "-r", "100", "-d", "4s", "--warm-up", "0s", "--server", &server];
    let process = start(&args);
    // The preflight has one open, the run two.
    relay.until_connections(2);
    relay.kill();
    let output = process.finish(PATIENCE);
    let summary: serde_json::Value = serde_json::from_str(&output.stdout).unwrap();
    let [sent, received, lost] =
        ["sent", "received", "lost"].map(|name| summary["round_trip"][name].as_u64().unwrap());
    assert_eq!(received + lost, 400, "{summary}");
    assert!(sent < 400 && lost > 0, "{summary}");
}

/// Bytes that have come to a listener's connections and that it has not read.
fn unread(address: &str) -> u64 {
    let port: u16 = address.rsplit(':').next().unwrap().parse().unwrap();
    let local = format!(":{port:04X}");
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let queued = |line: &str| {
        let mut words = line.split_whitespace().skip(1);
        let is_own = words.next()?.ends_with(&local) && words.nth(1)? == "01";
        let queues = words.next()?.split_once(':')?;
        is_own.then(|| u64::from_str_radix(queues.1, 16).unwrap())
    };
    table.lines().filter_map(queued).sum()
}

#[test]
fn a_pause_between_round_trips_is_not_omitted() {
    let relay = Relay::start(&[]);
    let args = ["echo", "-c", "2", "-r", "4k", "-d", "5s", "--warm-up", "0s", "--server", &relay.ws("")];
    let process = start(&args);
    // The preflight has one open, the run two.
    relay.until_connections(2);
    relay.signal(Signal::STOP);
    // Pings of 14 bytes, of which 56,000 come in a second.
    until(PATIENCE, "more than a second of round trips to wait", || unread(relay.address()) > 60_000);
    relay.signal(Signal::CONT);
    let output = process.finish(PATIENCE);
    assert_eq!(output.code, 0, "{}", output.stderr);
    let trip = &read(&output.stdout)["round_trip"];
    assert_eq!((trip["sent"].as_u64(), trip["lost"].as_u64()), (Some(20_000), Some(0)), "{trip}");
    assert!(trip["time"]["max"].as_u64() > Some(1_000_000), "{trip}");
}

#[test]
fn a_server_that_echoes_no_text_is_said_so_before_the_run() {
    let relay = Relay::start(&[]);
    let (output, _) = bench(&["echo", "--echo", "text", "-c", "2", "--server", &relay.ws("")]);
    assert_eq!(output.code, 3, "{}", output.stderr);
    assert!(output.stderr.contains("did not send a text back"), "{}", output.stderr);
    assert!(output.stderr.contains("hint: --echo text is for servers that echo"), "{}", output.stderr);
}

#[test]
fn a_storm_cuts_a_share_and_waits_until_all_are_back() {
    let (redis, relay) = relay();
    let summary =
        against(&relay, &redis, &["storm", "-c", "40", "--cut", "25%", "-d", "3s", "--assert", "lost==0"]);
    let reconnect = &summary["reconnect"];
    assert_eq!((reconnect["cut"].as_u64(), reconnect["back"].as_u64()), (Some(10), Some(10)));
    assert!(reconnect["all_back_seconds"].as_f64().unwrap() < 3.0);
    assert_eq!(cohort(&summary, "healthy")["connections"], 30);
    let storm = cohort(&summary, "storm");
    assert_eq!((storm["connections"].as_u64(), storm["lost"].as_u64()), (Some(10), Some(0)));
}

#[test]
fn cohorts_are_reported_apart_from_the_healthy() {
    let (redis, relay) = relay();
    let args = [
        "-c",
        "100",
        "--jobs",
        "2",
        "-d",
        "3s",
        "-r",
        "200",
        "--slow",
        "5%",
        "--stalled",
        "1%",
        "--churn",
        "5/s",
    ];
    let summary = against(&relay, &redis, &args);
    let counts = ["healthy", "slow", "stalled", "churn"]
        .map(|name| cohort(&summary, name)["connections"].as_u64().unwrap());
    assert_eq!(counts, [79, 5, 1, 15]);
    assert_eq!(cohort(&summary, "healthy")["lost"], 0);
    assert_eq!(cohort(&summary, "stalled")["expected"], 0);
    assert!(summary["reconnect"]["back"].as_u64().unwrap() > 0);
}

#[test]
fn a_failed_assertion_exits_99_and_says_which() {
    let (redis, relay) = relay();
    let (url, server) = (redis.url(), format!("ws://{}", relay.address()));
    let args = ["-c", "5", "-d", "500ms", "--redis", &url, "--server", &server, "--allow-client-bound"];
    let (output, summary) =
        bench(&[&args[..], &["--assert", "lost==0", "--assert", "delivery.p50<1us"]].concat());
    assert_eq!(output.code, 99, "{}", output.stderr);
    let assertions = &summary["verdict"]["assertions"];
    assert_eq!((&assertions[0]["passed"], &assertions[1]["passed"]), (&true.into(), &false.into()));
    assert_eq!(assertions[1]["limit"], "1us");
}

#[test]
fn a_search_ends_by_itself() {
    let (redis, relay) = relay();
    let summary = against(
        &relay,
        &redis,
        &[
            "-c",
            "5",
            "-r",
            "100",
            "-d",
            "300ms",
            "--warm-up",
            "0s",
            "--find",
            "connections",
            "--within",
            "connections<=20,lost==0",
        ],
    );
    let find = &summary["find"];
    assert_eq!((find["found"].as_u64(), find["confirmed"].as_bool()), (Some(20), Some(true)), "{find}");
    assert!(find["probes"].as_array().unwrap().len() >= 4);
}

#[test]
fn a_search_whose_server_dies_keeps_what_it_found() {
    let (redis, relay) = relay();
    let (url, server) = (redis.url(), format!("ws://{}", relay.address()));
    let load = ["-c", "5", "-d", "500ms", "--find", "connections", "--within", "missing==0"];
    let fixed = ["bench", "--output", "json", "--redis", &url, "--server", &server, "--allow-client-bound"];
    let process = Process::spawn(&mut command(&[&fixed[..], &load].concat()));
    until(PATIENCE, "the first run of the search", || process.stderr().contains("tried 5: kept"));
    relay.kill();
    let output = process.finish(PATIENCE);
    assert_eq!(output.code, 3, "{}", output.stderr);
    let summary = read(&output.stdout);
    assert!(summary["partial"].as_str().unwrap().contains("the search broke off"), "{summary}");
    assert!(summary["find"]["found"].as_u64() >= Some(5), "{}", summary["find"]);
}

#[test]
fn a_rate_that_no_client_can_send_is_no_measurement() {
    let (redis, relay) = relay();
    let (url, server) = (redis.url(), format!("ws://{}", relay.address()));
    let load = ["-c", "2", "--jobs", "1", "-r", "10m", "-n", "20k", "--warm-up", "0s"];
    let args = [&load[..], &["--redis", &url, "--server", &server, "--assert", "connections==2"]].concat();
    let (output, summary) = bench(&args);
    assert_eq!(output.code, 98, "{}", output.stderr);
    assert_eq!(summary["verdict"]["client_bound"], true);
    let reasons = summary["client"]["bound"].to_string();
    assert!(reasons.contains("where 10000000 were intended"), "{reasons}");
    let (output, summary) = bench(&[&args[..], &["--allow-client-bound"]].concat());
    assert_eq!(output.code, 0, "{}", output.stderr);
    assert_eq!(summary["verdict"]["client_bound_allowed"], true);
}

#[test]
fn an_interrupted_run_reports_what_there_is() {
    let (redis, relay) = relay();
    let (url, server) = (redis.url(), format!("ws://{}", relay.address()));
    let args = ["bench", "--output", "json", "-c", "5", "-d", "60s", "--redis", &url, "--server", &server];
    let process = Process::spawn(&mut command(&args));
    // A second of warm-up, and some of what is measured.
    relay.until_events(150);
    process.signal(Signal::INT);
    let output = process.finish(PATIENCE);
    assert_eq!(output.code, 130, "{}", output.stderr);
    let summary = read(&output.stdout);
    assert_eq!(summary["partial"], "interrupted");
    // What was not sent because it was to end is no fault of this client.
    let reasons = summary["client"]["bound"].to_string();
    assert!(!reasons.contains("were intended"), "{reasons}");
    assert_eq!(cohort(&summary, "healthy")["lost"], 0, "{summary}");
}

#[test]
fn a_redis_that_dies_leaves_a_partial_result() {
    let (mut redis, relay) = relay();
    let (url, server) = (redis.url(), format!("ws://{}", relay.address()));
    let args = ["bench", "--output", "json", "-c", "5", "-d", "60s", "--redis", &url, "--server", &server];
    let process = Process::spawn(&mut command(&args));
    // A second of warm-up, and some of what is measured.
    relay.until_events(150);
    redis.stop();
    let output = process.finish(PATIENCE);
    assert_eq!(output.code, 3, "{}", output.stderr);
    let summary = read(&output.stdout);
    assert!(summary["partial"].as_str().unwrap().contains("publishing ended early"), "{summary}");
}

#[test]
fn what_a_server_no_longer_delivers_because_it_died_is_lost() {
    let (redis, relay) = relay();
    let (url, server) = (redis.url(), format!("ws://{}", relay.address()));
    let fixed = ["bench", "--output", "json", "--redis", &url, "--server", &server, "--allow-client-bound"];
    let load = ["-c", "10", "--jobs", "1", "-d", "4s", "--assert", "lost==0"];
    let process = Process::spawn(&mut command(&[&fixed[..], &load].concat()));
    relay.until_events(150);
    relay.kill();
    let output = process.finish(PATIENCE);
    assert_eq!(output.code, 99, "{}", output.stderr);
    let summary = read(&output.stdout);
    let healthy = cohort(&summary, "healthy");
    assert_eq!(healthy["expected"], 4000, "{healthy}");
    assert!(healthy["lost"].as_u64() > Some(1000) && healthy["received"].as_u64() > Some(0), "{healthy}");
    assert_eq!(summary["connections"]["closed_early"][0]["count"], 10);
    assert!(summary["server"].is_null(), "nobody can say any more what it used: {}", summary["server"]);
}

#[test]
fn a_redis_that_no_longer_answers_is_said_so() {
    let (redis, relay) = relay();
    let (url, server) = (redis.url(), format!("ws://{}", relay.address()));
    let args = ["bench", "--output", "json", "-c", "5", "-d", "3s", "--redis", &url, "--server", &server];
    let process = Process::spawn(&mut command(&args));
    relay.until_events(150);
    redis.pause();
    let output = process.finish(PATIENCE * 2);
    assert_eq!(output.code, 3, "{}", output.stderr);
    let summary = read(&output.stdout);
    assert!(summary["partial"].as_str().unwrap().contains("unanswered"), "{summary}");
}
