//! What cannot succeed does not start, and says why.

use super::faulty::{Deal, Door, Faulty};
use super::support::{PATIENCE, Process, RedisServer, Relay, command, free_port, jobwire};
use super::{bench, cohort};

#[test]
fn nonsense_on_the_command_line_is_refused() {
    for (args, reason) in [
        (&["-c", "0"][..], "at least 1"),
        (&["-r", "0"], "0.001"),
        (&["--slow", "200%"], "0% to 100%"),
        (&["--assert", "delivery.p98<1ms"], "there is no metric"),
        (&["--assert", "delivery.p99<1"], "needs a unit"),
        (&["--assert", "losst==0"], "'lost'"),
        (&["connect", "--assert", "lost==0"], "this run has no lost"),
        (&["echo", "--assert", "delivery.p99<1s"], "fanout and storm"),
        (
            &["fanout", "--redis", "redis://127.0.0.1:1", "--find", "rate", "--within", "slow.lost==0"],
            "--slow",
        ),
        (&["-d", "9999999h"], "366 days"),
        (&["--warm-up", "9999999h"], "366 days"),
        (&["--payload-size", "2MiB"], "at most 1MiB"),
        (&["--redis", "redis://127.0.0.1:1", "-r", "0.01", "-d", "10s"], "a higher --rate"),
        (&["storm", "--redis", "redis://127.0.0.1:1", "-d", "1ms"], "no event is due within 0.001 s"),
        (&["echo", "-r", "1", "-d", "200ms"], "no round trip is due within 0.2 s"),
        (&["echo", "-d", "200ms", "--find", "rate", "--within", "connect.failed==0"], "a longer --duration"),
        (&["idle", "--find", "rate", "--within", "connect.failed==0"], "--find connections"),
        (
            &["connect", "--find", "rate", "--within", "connect.failed==0"],
            "no rate to search in the mode connect",
        ),
        (&["fanot", "scraping"], "'fanout'"),
        (&["--find", "rate"], "--within"),
        (&["idle", "--source-ip", "203.0.113.7"], "203.0.113.7"),
        (&["fanout"], "how to publish"),
        (&["celery"], "Celery publishes the events of celery, and bench cannot"),
        (&["celery/x", "--redis", "redis://127.0.0.1:1"], "hint: as in: jobwire bench idle celery"),
        (&["fanout", "ws://127.0.0.1:1/a/b/c/d", "--redis", "redis://127.0.0.1:1"], "--dialect"),
    ] {
        // Only what a flag says itself counts here: nothing listens at that port.
        let output = jobwire(&[&["bench", "--server", "ws://127.0.0.1:1"], args].concat());
        assert_eq!(output.code, 2, "{args:?}: {}", output.stderr);
        assert!(output.stderr.contains(reason), "{args:?}: {}", output.stderr);
    }
}

#[test]
fn a_flag_of_another_mode_is_refused_where_it_is_given() {
    for (args, reasons) in [
        (
            &["--echo", "text", "--cut", "50%"][..],
            &["mode fanout", "--echo (for echo)", "--cut (for storm)", "bench storm"][..],
        ),
        (&["connect", "--slow", "50%"], &["mode connect", "--slow (for fanout and storm)"]),
        (&["connect", "--churn", "10/s"], &["--churn (for fanout, storm and idle)"]),
        (&["connect", "-d", "10s"], &["--duration (for fanout, storm, echo and idle)"]),
        (&["idle", "-r", "500"], &["mode idle", "--rate (for fanout, storm and echo)"]),
        (&["idle", "-n", "500"], &["--events (for fanout, storm, echo and connect)"]),
        (&["echo", "--stalled", "5%"], &["mode echo", "--stalled"]),
        (&["echo", "--payload-size", "1k", "--milestones", "1%"], &["--payload-size", "--milestones"]),
        (&["storm", "--redis", "redis://127.0.0.1:1", "--echo", "ping"], &["mode storm", "--echo"]),
        (&["worker", "--redis", "redis://127.0.0.1:1", "-c", "5"], &["a worker takes no --"]),
    ] {
        let output = jobwire(&[&["bench", "--server", "ws://127.0.0.1:1"], args].concat());
        assert_eq!(output.code, 2, "{args:?}: {}", output.stderr);
        for reason in reasons {
            assert!(output.stderr.contains(reason), "{args:?}: {}", output.stderr);
        }
    }
    // What stands elsewhere is for all runs alike, and here nobody answers.
    let mut elsewhere = command(&["bench", "idle", "--server", "ws://127.0.0.1:1"]);
    elsewhere.envs([("JOBWIRE_RATE", "500"), ("JOBWIRE_CUT", "10%"), ("JOBWIRE_ECHO", "text")]);
    let output = Process::spawn(&mut elsewhere).finish(PATIENCE);
    assert_eq!(output.code, 3, "{}", output.stderr);
}

#[test]
fn who_is_not_there_is_named_before_the_run() {
    let nobody = format!("127.0.0.1:{}", free_port());
    let redis = RedisServer::start();
    let output = jobwire(&["bench", "--server", &format!("ws://{nobody}"), "--redis", &redis.url()]);
    assert_eq!(output.code, 3, "{}", output.stderr);
    assert!(output.stderr.contains(&nobody) && output.stderr.contains("refused"), "{}", output.stderr);
    let output = jobwire(&["bench", "--redis", &format!("redis://user:secret@{nobody}")]);
    assert_eq!(output.code, 3, "{}", output.stderr);
    assert!(output.stderr.contains("redis") && !output.stderr.contains("secret"), "{}", output.stderr);
}

#[test]
fn what_is_no_websocket_is_told_apart_from_nobody() {
    let redis = RedisServer::start();
    let output = jobwire(&["bench", "idle", "--server", &redis.url().replace("redis", "ws")]);
    assert_eq!(output.code, 3, "{}", output.stderr);
    assert!(
        output.stderr.contains("upgrade failed") && output.stderr.contains("wss://"),
        "{}",
        output.stderr
    );
    let relay = Relay::start(&[]);
    let output = jobwire(&["bench", "idle", "--server", &format!("wss://{}", relay.address())]);
    assert_eq!(output.code, 3, "{}", output.stderr);
    assert!(
        output.stderr.contains("tls failed: it answers without TLS")
            && output.stderr.contains("hint: ws:// "),
        "{}",
        output.stderr
    );
}

#[test]
fn what_nobody_can_say_of_a_server_is_not_demanded() {
    let server = Faulty::start(Door::Open, |_| Deal::plain());
    let args = ["bench", "idle", "-c", "1", "-d", "1s", "--server", &server.url()];
    let output = jobwire(&[&args[..], &["--assert", "server.cpu<1%"]].concat());
    assert_eq!(output.code, 2, "{}", output.stderr);
    assert!(output.stderr.contains("--server-pid"), "{}", output.stderr);
    let output = jobwire(&[&args[..], &["--server-pid", "999999999"]].concat());
    assert_eq!(output.code, 2, "{}", output.stderr);
}

#[test]
fn a_server_that_hears_of_no_event_is_found_out() {
    let server = Faulty::start(Door::Open, |_| Deal::plain());
    let redis = RedisServer::start();
    let output = jobwire(&["bench", "--server", &server.url(), "--redis", &redis.url()]);
    assert_eq!(output.code, 3, "{}", output.stderr);
    assert!(output.stderr.contains("did not reach a socket"), "{}", output.stderr);
}

#[test]
fn refused_upgrades_are_reported_by_status_and_reason() {
    let server = Faulty::start(Door::Half, |_| Deal::plain());
    let (url, publish) = (server.url(), server.publish_url());
    let args = ["-c", "20", "--jobs", "1", "-d", "500ms", "--server", &url, "--publish-url", &publish];
    let (output, summary) =
        bench(&[&args[..], &["--allow-client-bound", "--assert", "connect.failed<1%"]].concat());
    assert_eq!(output.code, 99, "{}", output.stderr);
    let connections = &summary["connections"];
    assert_eq!((connections["opened"].as_u64(), connections["failed"].as_u64()), (Some(10), Some(10)));
    let failure = &connections["failures"][0];
    let expected = ("upgrade", 503, "come back later", 10);
    let found = (
        failure["step"].as_str(),
        failure["status"].as_u64(),
        failure["reason"].as_str(),
        failure["count"].as_u64(),
    );
    assert_eq!(found, (Some(expected.0), Some(expected.1), Some(expected.2), Some(expected.3)));
    assert_eq!(cohort(&summary, "healthy")["lost"], 0);
}

#[test]
fn a_server_that_hangs_up_or_talks_nonsense_is_said_so() {
    for (door, code, reason) in [(Door::Slammed, 4, "4001"), (Door::Garbage, 3, "ends connections at once")] {
        let server = Faulty::start(door, |_| Deal::plain());
        let output = jobwire(&["bench", "idle", "-c", "2", "--server", &server.url()]);
        assert_eq!(output.code, code, "{}", output.stderr);
        assert!(output.stderr.contains(reason), "{}", output.stderr);
    }
}

#[test]
fn an_end_right_behind_the_last_message_is_seen() {
    // Of these, one is the preflight's.
    let server = Faulty::start(Door::Parting(201), |_| Deal::plain());
    let (output, summary) =
        bench(&["idle", "-c", "200", "-d", "4s", "--server", &server.url(), "--allow-client-bound"]);
    assert_eq!(output.code, 3, "whoever ends all of them may be gone: {}", output.stderr);
    assert!(summary["partial"].as_str().unwrap().starts_with("no connection was left"), "{summary}");
    let closed = &summary["connections"]["closed_early"];
    assert_eq!(closed[0]["count"], 200, "{closed}");
    assert_eq!(summary["connections"]["open_at_end"], 0);
}
