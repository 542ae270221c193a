//! Against a server whose delays and faults are known.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use super::faulty::{Deal, Door, Faulty};
use super::support::{PATIENCE, Process, command, until};
use super::{bench, cohort, read};

/// Counts and latencies are of interest here, not whether the machine is busy with other tests.
fn run(server: &Faulty, args: &[&str]) -> Value {
    let (url, publish) = (server.url(), server.publish_url());
    let fixed = ["--server", &url, "--publish-url", &publish, "--warm-up", "0s", "--allow-client-bound"];
    let (output, summary) = bench(&[&fixed, args].concat());
    assert_eq!(output.code, 0, "{}", output.stderr);
    summary
}

fn micros(cohort: &Value, percentile: &str) -> Duration {
    Duration::from_micros(cohort["delivery"]["percentiles"][percentile].as_u64().unwrap())
}

fn assert_near(found: Duration, injected: Duration) {
    let tolerance = (injected / 20).max(Duration::from_micros(200));
    assert!(found.abs_diff(injected) <= tolerance, "{found:?} is not {injected:?} ± {tolerance:?}");
}

#[test]
fn loss_repetition_and_disorder_are_counted_exactly() {
    let server = Faulty::start(Door::Open, |seq| match seq {
        _ if seq % 1000 == 999 => Deal { times: 0, ..Deal::plain() },
        _ if seq % 500 == 7 => Deal { times: 2, ..Deal::plain() },
        _ if seq % 400 == 5 => Deal { late: true, ..Deal::plain() },
        _ => Deal::plain(),
    });
    let summary =
        run(&server, &["-c", "10", "--jobs", "1", "-r", "1000", "-d", "3s", "--milestones", "100%"]);
    let healthy = cohort(&summary, "healthy");
    let counts = ["expected", "received", "lost", "conflated", "duplicated", "reordered", "misrouted"];
    let counts = counts.map(|name| healthy[name].as_u64().unwrap());
    assert_eq!(counts, [30_000, 29_970, 30, 0, 60, 80, 0]);
    assert_eq!(healthy["delivery"]["count"], 29_970);
    assert_eq!(
        (summary["publish"]["sent"].as_u64(), summary["publish"]["failed"].as_u64()),
        (Some(3000), Some(0))
    );
}

#[test]
fn an_older_state_that_a_newer_one_replaced_is_conflated_and_not_lost() {
    // Every tenth is a milestone: of three that are missing, one is.
    let server = Faulty::start(Door::Open, |seq| match seq {
        100 | 101 | 109 => Deal { times: 0, ..Deal::plain() },
        _ => Deal::plain(),
    });
    let summary = run(&server, &["-c", "4", "--jobs", "1", "-r", "500", "-d", "1s"]);
    let healthy = cohort(&summary, "healthy");
    assert_eq!((healthy["lost"].as_u64(), healthy["conflated"].as_u64()), (Some(4), Some(8)));
}

#[test]
fn what_belongs_to_another_job_is_misrouted() {
    // This server sends everything to everybody.
    let server = Faulty::start(Door::Open, |_| Deal::plain());
    let summary = run(&server, &["-c", "4", "--jobs", "2", "-r", "100", "-d", "1s"]);
    let healthy = cohort(&summary, "healthy");
    let counts = ["expected", "received", "misrouted"].map(|name| healthy[name].as_u64().unwrap());
    assert_eq!(counts, [200, 200, 200]);
}

#[test]
fn a_fixed_delay_is_measured() {
    let server = Faulty::start(Door::Open, |_| Deal::held(Duration::from_millis(100)));
    let summary = run(&server, &["-c", "5", "--jobs", "1", "-r", "200", "-d", "3s"]);
    let healthy = cohort(&summary, "healthy");
    assert!(micros(healthy, "p50") >= Duration::from_millis(99));
    assert_near(micros(healthy, "p50"), server.latency_at(50));
    assert_near(micros(healthy, "p90"), server.latency_at(90));
}

#[test]
fn two_modes_of_delay_are_measured_apart() {
    let server = Faulty::start(Door::Open, |seq| {
        Deal::held(Duration::from_millis(if seq % 10 == 0 { 600 } else { 100 }))
    });
    let summary = run(&server, &["-c", "5", "--jobs", "1", "-r", "200", "-d", "3s", "--milestones", "100%"]);
    let healthy = cohort(&summary, "healthy");
    assert_eq!((healthy["received"].as_u64(), healthy["lost"].as_u64()), (Some(3000), Some(0)));
    assert_near(micros(healthy, "p50"), server.latency_at(50));
    assert_near(micros(healthy, "p95"), server.latency_at(95));
    assert!(micros(healthy, "p95") >= Duration::from_millis(590));
}

#[test]
fn a_pause_of_the_server_is_not_omitted() {
    let server = Faulty::start(Door::Open, |seq| Deal {
        pause: Duration::from_secs(if seq == 300 { 2 } else { 0 }),
        ..Deal::plain()
    });
    let summary = run(&server, &["-c", "5", "--jobs", "1", "-r", "100", "-d", "10s"]);
    let healthy = cohort(&summary, "healthy");
    assert_eq!(healthy["lost"], 0);
    assert!(micros(healthy, "p99") >= Duration::from_millis(1800), "{healthy}");
    assert!(micros(healthy, "p90") >= Duration::from_millis(900), "{healthy}");
    assert!(micros(healthy, "p75") <= Duration::from_millis(900), "{healthy}");
}

#[test]
fn what_is_under_way_when_a_connection_leaves_is_no_loss() {
    let server = || Faulty::start(Door::Open, |_| Deal::held(Duration::from_secs(1)));
    let load = ["-c", "20", "--jobs", "1", "-r", "50", "-d", "5s"];
    for (args, name) in [(&["fanout", "--churn", "5/s"][..], "churn"), (&["storm", "--cut", "50%"], "storm")]
    {
        let summary = run(&server(), &[args, &load].concat());
        let cohort = cohort(&summary, name);
        assert!(cohort["received"].as_u64() > Some(0), "{cohort}");
        assert_eq!(cohort["lost"], 0, "{name}: {cohort}");
    }
}

#[test]
fn what_is_under_way_when_a_run_is_interrupted_is_no_loss() {
    let server = Faulty::start(Door::Open, |_| Deal::held(Duration::from_secs(2)));
    let (url, publish) = (server.url(), server.publish_url());
    let args = ["-c", "5", "--jobs", "1", "-r", "50", "-d", "60s", "--warm-up", "0s", "--allow-client-bound"];
    let fixed = ["bench", "--output", "json", "--server", &url, "--publish-url", &publish];
    let process = Process::spawn(&mut command(&[&fixed[..], &args].concat()));
    // The probe, and what was sent first.
    until(PATIENCE, "the first deliveries", || server.delivered() > 50);
    process.signal(Signal::INT);
    let output = process.finish(PATIENCE);
    assert_eq!(output.code, 130, "{}", output.stderr);
    let summary = read(&output.stdout);
    let healthy = cohort(&summary, "healthy");
    assert!(healthy["received"].as_u64() > Some(0), "{healthy}");
    assert_eq!(healthy["lost"], 0, "{healthy}");
}

#[test]
fn a_pause_of_the_door_is_not_omitted() {
    // The preflight's is the first; half of the others come to a closed door for 2 s.
    let server = Faulty::start(Door::Closing(300, Duration::from_secs(2)), |_| Deal::plain());
    let args = ["connect", "-c", "10", "-n", "600", "--connect-rate", "200", "--server", &server.url()];
    let (output, summary) = bench(&[&args[..], &["--allow-client-bound"]].concat());
    assert_eq!(output.code, 0, "{}", output.stderr);
    let total = &summary["connect_time"]["total"];
    assert_eq!(total["count"], 600);
    let percentile = |name: &str| Duration::from_micros(total["percentiles"][name].as_u64().unwrap());
    assert!(percentile("p99") >= Duration::from_millis(1800), "{total}");
    // 400 were due meanwhile; how soon the rest is caught up with is the machine's affair.
    assert!(percentile("p75") >= Duration::from_millis(900), "{total}");
}
