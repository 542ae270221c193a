//! Once, for scripts.

use serde_json::Value;

use super::tell;
use crate::support::{Relay, free_port, jobwire};

fn object(relay: &Relay, args: &[&str]) -> Value {
    let output = relay.jobwire(&[&["top", "--once", "--output", "json"], args].concat());
    assert_eq!((output.code, output.stderr.as_str()), (0, ""));
    assert_eq!(output.stdout.lines().count(), 1, "one object on one line");
    serde_json::from_str(&output.stdout).unwrap()
}

#[test]
fn the_object_has_jobs_totals_rates_clients_redis_and_the_relay() {
    let relay = Relay::start(&[]);
    tell(&relay, "build", "started", "");
    tell(&relay, "build", "progress", r#","percent":50,"message":"a\u001bb""#);
    tell(&relay, "tests", "failed", "");
    let _watcher = relay.connect("/ws/jobs/build");
    relay.until_connections(1);
    let top = object(&relay, &["--interval", "50ms"]);
    let members: Vec<&String> = top.as_object().unwrap().keys().collect();
    assert_eq!(members, ["server", "at", "jobs", "totals", "rates", "clients", "redis", "relay"]);
    let build = &top["jobs"][0];
    assert_eq!(build["target"], "jobs/build");
    assert_eq!(
        (&build["state"], &build["percent"], &build["watchers"]),
        (&"running".into(), &50.0.into(), &1.into())
    );
    assert_eq!(build["message"], "a\u{1b}b", "JSON has it as it is, escaped");
    assert!(build["started"].is_string() && build["elapsed_seconds"].is_number(), "{build}");
    assert_eq!(top["jobs"].as_array().unwrap().len(), 2);
    assert_eq!((&top["totals"]["jobs"], &top["totals"]["connections"]), (&2.into(), &1.into()));
    assert!(top["rates"]["events"].is_number() && top["rates"]["seconds"].as_f64() >= Some(0.05), "{top}");
    assert_eq!(top["clients"][0]["address"], "127.0.0.1");
    assert_eq!((&top["redis"], &top["relay"]["broker"]), (&Value::Null, &"embedded".into()));
    assert_eq!(top["relay"]["ready"], true);
    assert!(top["relay"]["rss_bytes"].as_u64() > Some(0));
    let first = object(&relay, &["--interval", "0s", "--state", "failed", "--limit", "1"]);
    assert_eq!((&first["rates"], &first["relay"]["cpu_percent"]), (&Value::Null, &Value::Null));
    assert_eq!(
        (first["jobs"][0]["target"].as_str(), &first["totals"]["jobs"]),
        (Some("jobs/tests"), &1.into())
    );
}

#[test]
fn lines_are_for_people_and_hold_no_control_characters() {
    let relay = Relay::start(&[]);
    for n in 0..3 {
        tell(&relay, &format!("build-{n}"), "progress", r#","percent":50,"message":"\u001b[2Jlinking""#);
    }
    let output = relay.jobwire(&["top", "--once", "--interval", "0s", "--limit", "2", "--sort", "name"]);
    assert_eq!((output.code, output.stderr.as_str()), (0, ""));
    assert!(!output.stdout.contains('\u{1b}'));
    let lines: Vec<&str> = output.stdout.lines().collect();
    assert!(
        lines.contains(&"jobs        3, 0 watched") && lines.contains(&"broker      embedded"),
        "{lines:#?}"
    );
    assert!(
        lines.iter().any(|line| line.starts_with("jobs/build-0  running") && line.ends_with("  linking"))
    );
    assert_eq!(lines.last(), Some(&"… 1 more, by --limit"), "{lines:#?}");
}

#[test]
fn failures_have_their_codes_and_hints() {
    let relay = Relay::start(&["--trust-proxy", "127.0.0.1/32"]);
    let refused = relay.jobwire(&["top", "--once", "--publish-key", "wrong"]);
    assert_eq!(refused.code, 4, "{}", refused.stderr);
    assert!(
        refused.stderr.contains("hint: ") && refused.stderr.contains("--publish-key"),
        "{}",
        refused.stderr
    );
    assert_eq!(relay.jobwire(&["top", "--once", "--interval", "0s"]).code, 0, "the key that the relay left");
    let server = format!("ws://127.0.0.1:{}", free_port());
    let away = jobwire(&["top", "--once", "--server", &server]);
    assert_eq!(away.code, 3);
    assert!(away.stderr.contains("start a relay with `jobwire serve`"), "{}", away.stderr);
    let nonsense = relay.jobwire(&["top", "--once", "--limit", "0"]);
    assert_eq!(nonsense.code, 2);
    let channels = relay.jobwire(&["top", "--once", "--dialect", "channels"]);
    assert_eq!(channels.code, 2);
    assert!(channels.stderr.contains("hint: `jobwire attach channel:NAME`"), "{}", channels.stderr);
    let missing = relay.jobwire(&["top", "--once", "--token-file", "/nonexistent"]);
    assert_eq!(missing.code, 2);
    assert!(missing.stderr.contains("could not read the token file"), "{}", missing.stderr);
}
