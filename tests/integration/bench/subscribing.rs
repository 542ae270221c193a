//! Connections that subscribe otherwise than by plain WebSockets, against a real relay.

use std::fmt::Write as _;

use serde_json::Value;

use super::faulty::{Deal, Door, Faulty};
use super::support::{RedisServer, Relay, SECRET, jobwire, token};
use super::{bench, cohort};

fn relay() -> (RedisServer, Relay) {
    let redis = RedisServer::start();
    let relay = Relay::on(&redis, &[]);
    (redis, relay)
}

#[track_caller]
fn against(relay: &Relay, redis: &RedisServer, args: &[&str]) -> Value {
    let (url, server) = (redis.url(), format!("ws://{}", relay.address()));
    let fixed = ["--redis", &url, "--server", &server, "--allow-client-bound"];
    let (output, summary) = bench(&[args, &fixed].concat());
    assert_eq!(output.code, 0, "{args:?}: {}", output.stderr);
    summary
}

fn counts(cohort: &Value) -> [u64; 6] {
    ["expected", "received", "lost", "duplicated", "reordered", "misrouted"]
        .map(|name| cohort[name].as_u64().unwrap())
}

#[test]
fn every_event_comes_in_every_manner() {
    let (redis, relay) = relay();
    for manner in [
        &["--transport", "sse"][..],
        &["--deflate"],
        &["--msgpack"],
        &["--msgpack", "--deflate"],
        &["--watch"],
        &["--watch", "--transport", "sse"],
        &["--watch", "--msgpack", "--deflate"],
        &["--transport", "sse", "--resume", "--churn", "1/s"],
    ] {
        let load = ["-c", "40", "--jobs", "4", "-r", "100", "-d", "1s", "--payload-size", "600"];
        let summary = against(&relay, &redis, &[&load[..], manner].concat());
        let healthy = cohort(&summary, "healthy");
        let expected = 25 * healthy["connections"].as_u64().unwrap();
        assert_eq!(counts(healthy), [expected, expected, 0, 0, 0, 0], "{manner:?}");
        assert_eq!(summary["connections"]["garbage"], 0, "{manner:?}");
    }
}

#[test]
fn channels_and_rooms_are_watched_too() {
    let (redis, relay) = relay();
    for (target, manner) in [
        ("channel:campaigns", &["--transport", "sse"][..]),
        ("channel:ai", &["--watch"]),
        ("room:campaign:7", &["--watch", "--transport", "sse"]),
        ("room:campaign:7", &["--msgpack"]),
        ("downloads/one", &["--watch", "--msgpack"]),
    ] {
        let load = ["fanout", target, "-c", "10", "-r", "100", "-d", "1s"];
        let summary = against(&relay, &redis, &[&load[..], manner].concat());
        assert_eq!(counts(cohort(&summary, "healthy")), [1000, 1000, 0, 0, 0, 0], "{target} {manner:?}");
    }
}

#[test]
fn many_targets_on_a_connection_have_an_account_each() {
    let (redis, relay) = relay();
    for manner in [&[][..], &["--transport", "sse"], &["--workers", "2"]] {
        let load =
            ["-c", "20", "--jobs", "10", "-r", "200", "-d", "1s", "--watch", "--targets-per-connection", "5"];
        let summary = against(&relay, &redis, &[&load[..], manner].concat());
        // Every connection gets half of the 200 events.
        assert_eq!(counts(cohort(&summary, "healthy")), [2000, 2000, 0, 0, 0, 0], "{manner:?}");
        assert_eq!(summary["subscribing"]["targets_per_connection"], 5);
    }
    // More than a request has room for.
    let load = ["-c", "3", "--jobs", "1000", "-r", "1000", "-d", "1s", "--warm-up", "0s"];
    let summary =
        against(&relay, &redis, &[&load[..], &["--watch", "--targets-per-connection", "1000"]].concat());
    assert_eq!(counts(cohort(&summary, "healthy")), [3000, 3000, 0, 0, 0, 0]);
}

#[test]
fn bytes_are_counted_on_the_wire_and_after_inflating() {
    let (redis, relay) = relay();
    let load = ["-c", "10", "--jobs", "1", "-r", "100", "-d", "1s", "--payload-size", "2000"];
    let summary = against(&relay, &redis, &[&load[..], &["--deflate"]].concat());
    let deflate = &summary["subscribing"]["deflate"];
    assert_eq!((deflate["agreed"].as_u64(), deflate["declined"].as_u64()), (Some(10), Some(0)), "{deflate}");
    let bytes = |name: &str| deflate[name].as_u64().unwrap();
    assert!(bytes("messages") >= 1000 && bytes("inflated_bytes") >= 2_000_000, "{deflate}");
    assert!(bytes("compressed_bytes") * 2 < bytes("inflated_bytes"), "{deflate}");
    let wire = summary["connections"]["received_bytes"].as_u64().unwrap();
    assert!(wire * 2 < summary["subscribing"]["message_bytes"].as_u64().unwrap(), "{summary}");
}

#[test]
fn a_server_may_decline_compression_but_not_messagepack() {
    let server = Faulty::start(Door::Open, |_| Deal::plain());
    let (url, publish) = (server.url(), server.publish_url());
    let args =
        ["--server", &url, "--publish-url", &publish, "-c", "5", "-d", "500ms", "--allow-client-bound"];
    let (output, summary) = bench(&[&args[..], &["--deflate", "--assert", "missing==0"]].concat());
    assert_eq!(output.code, 0, "{}", output.stderr);
    let deflate = &summary["subscribing"]["deflate"];
    assert_eq!((deflate["agreed"].as_u64(), deflate["declined"].as_u64()), (Some(0), Some(5)), "{deflate}");
    let output = jobwire(&[&["bench"], &args[..], &["--deflate"]].concat());
    assert!(
        output.stdout.contains("permessage-deflate DECLINED by the server, 5 times"),
        "{}",
        output.stdout
    );
    let output = jobwire(&[&["bench"], &args[..], &["--msgpack"]].concat());
    assert_eq!(output.code, 3, "{}", output.stderr);
    assert!(output.stderr.contains("did not choose the subprotocol jobwire.msgpack"), "{}", output.stderr);
    assert!(output.stderr.contains("hint: a server without MessagePack"), "{}", output.stderr);
    let output = jobwire(&[&["bench"], &args[..], &["--watch"]].concat());
    assert_eq!(output.code, 3, "{}", output.stderr);
    let odd = Faulty::choosing("Sec-WebSocket-Extensions: permessage-deflate");
    let output = jobwire(&["bench", "idle", "-c", "1", "--deflate", "--server", &odd.url()]);
    assert_eq!(output.code, 3, "{}", output.stderr);
    assert!(output.stderr.contains("did not agree to server_no_context_takeover"), "{}", output.stderr);
}

#[test]
fn connections_that_resume_get_what_came_while_they_were_away() {
    let (redis, relay) = relay();
    for manner in [
        &[][..],
        &["--transport", "sse"],
        &["--msgpack"],
        &["--watch", "--targets-per-connection", "2"],
        &["--watch", "--msgpack", "--deflate"],
        &["--workers", "2"],
    ] {
        let load = ["storm", "-c", "20", "--cut", "50%", "--jobs", "2", "-r", "500", "-d", "2s", "--resume"];
        let summary = against(&relay, &redis, &[&load[..], manner, &["--assert", "gaps==0"]].concat());
        let reconnect = &summary["reconnect"];
        let figures = ["cut", "back", "resumed", "unaccounted"].map(|name| reconnect[name].as_u64().unwrap());
        assert_eq!(figures, [10, 10, 10, 0], "{manner:?}");
        // Progress that a newer one replaces while nobody is there is conflated; all else comes, once.
        let (storm, healthy) = (cohort(&summary, "storm"), cohort(&summary, "healthy"));
        assert_eq!(storm["expected"], healthy["expected"], "{manner:?}");
        assert_eq!(counts(storm)[2..], [0, 0, 0, 0], "{manner:?}: {storm}");
        assert_eq!(counts(healthy)[2..], [0, 0, 0, 0], "{manner:?}: {healthy}");
    }
    // As ever without it: nobody knows which of these it should have got.
    let summary = against(&relay, &redis, &["storm", "-c", "20", "--jobs", "2", "-r", "500", "-d", "2s"]);
    let reconnect = &summary["reconnect"];
    assert_eq!(reconnect["resumed"], 0);
    assert!(reconnect["unaccounted"].as_u64() > Some(0), "{reconnect}");
    assert!(summary["subscribing"].is_null());
}

#[test]
fn what_a_relay_no_longer_has_is_a_gap_and_lost() {
    let redis = RedisServer::start();
    let relay = Relay::on(&redis, &["--tail", "1"]);
    let load =
        ["storm", "-c", "20", "--jobs", "1", "-r", "4k", "-d", "1s", "--milestones", "100%", "--resume"];
    let summary = against(&relay, &redis, &load);
    let gaps = &summary["subscribing"]["gaps"];
    assert_eq!(gaps[0]["reason"], "too_old", "{gaps}");
    let storm = cohort(&summary, "storm");
    let [expected, received, lost, duplicated, ..] = counts(storm);
    assert!(lost > 0 && expected == 10 * 4000 && received + lost == expected, "{storm}");
    assert_eq!(duplicated, 0, "{storm}");
    let (url, server) = (redis.url(), relay.ws(""));
    let fixed = ["--redis", &url, "--server", &server, "--allow-client-bound", "--assert", "gaps==0"];
    let output = jobwire(&[&["bench"], &load[..], &fixed].concat());
    assert_eq!(output.code, 99, "{}", output.stdout);
    assert!(output.stdout.contains(" too_old\n") && output.stdout.contains("told: "), "{}", output.stdout);
}

#[test]
fn tokens_of_a_file_are_taken_in_turns_and_never_shown() {
    let redis = RedisServer::start();
    let relay = Relay::on(&redis, &["--jwt-secret", SECRET, "--auth", "scraping=token"]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens");
    let tokens = ["alice", "bob", "carol"].map(token);
    std::fs::write(&path, format!("{}\n\n Bearer {}\r\n{}", tokens[0], tokens[1], tokens[2])).unwrap();
    let file = path.display().to_string();
    for manner in [&[][..], &["--transport", "sse"], &["--watch"], &["--workers", "2"]] {
        let load = [
            "scraping",
            "-c",
            "10",
            "--jobs",
            "2",
            "-d",
            "500ms",
            "--token-file",
            &file,
            "--assert",
            "missing==0",
        ];
        let summary = against(&relay, &redis, &[&load[..], manner].concat());
        assert_eq!(summary["setup"]["options"]["token-file"], "3 tokens");
        assert!(tokens.iter().all(|token| !summary.to_string().contains(token.as_str())), "it holds a token");
    }
    // Tasks belong to those whose tokens their connections have.
    let load = ["fanout", "tasks", "-c", "12", "--jobs", "6", "-r", "60", "-d", "1s", "--token-file", &file];
    let summary = against(&relay, &redis, &load);
    assert_eq!(counts(cohort(&summary, "healthy")), [120, 120, 0, 0, 0, 0]);
    // Connections that have the second token, and no other, are refused.
    std::fs::write(&path, format!("{}\nnot-a-token\n", tokens[0])).unwrap();
    let (url, server) = (redis.url(), relay.ws(""));
    let args =
        ["scraping", "--redis", &url, "--server", &server, "-c", "4", "-d", "500ms", "--allow-client-bound"];
    let (output, summary) = bench(&[&args[..], &["--token-file", &file]].concat());
    let closed = summary["connections"]["closed_early"].as_array().unwrap();
    assert_eq!(
        (closed.len(), closed[0]["count"].as_u64(), closed[0]["code"].as_u64()),
        (1, Some(2), Some(4001))
    );
    assert!(!output.stderr.contains("not-a-token") && !summary.to_string().contains("not-a-token"));
}

#[test]
fn urls_and_headers_have_values_of_each_connection() {
    let (redis, relay) = relay();
    let (url, address) = (redis.url(), relay.address());
    let target = format!("ws://{address}/ws/scraping/{{job}}?client={{conn}}");
    let args =
        ["fanout", &target, "-H", "X-Client: {conn} of {job}", "--redis", &url, "--allow-client-bound"];
    let load = ["-c", "12", "--jobs", "3", "-r", "60", "-d", "1s", "--assert", "missing==0"];
    let (output, summary) = bench(&[&args[..], &load].concat());
    assert_eq!(output.code, 0, "{}", output.stderr);
    assert_eq!(counts(cohort(&summary, "healthy")), [240, 240, 0, 0, 0, 0]);
    assert_eq!(summary["setup"]["target"], format!("{address}/ws/scraping/{{job}}"));
    let heard = listening();
    let target = format!("ws://{}/x/{{job}}/{{conn}}", heard.0);
    let output = jobwire(&["bench", "idle", &target, "-c", "4", "--jobs", "2", "-H", "X-C: c{conn}j{job}"]);
    assert_eq!(output.code, 3, "{}", output.stderr);
    let request = heard.1.recv().unwrap();
    assert!(request.starts_with("GET /x/0/0 HTTP/1.1\r\n") && request.contains("X-C: c0j0\r\n"), "{request}");
}

/// A server that takes down requests and hangs up.
fn listening() -> (std::net::SocketAddr, std::sync::mpsc::Receiver<String>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, requests) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut request = vec![0; 4096];
            let read = std::io::Read::read(&mut stream, &mut request).unwrap_or(0);
            if sender.send(String::from_utf8_lossy(&request[..read]).into_owned()).is_err() {
                return;
            }
        }
    });
    (address, requests)
}

#[test]
fn what_does_not_go_together_is_refused_before_anything_is_opened() {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty");
    std::fs::write(&empty, "\n").unwrap();
    let empty = empty.display().to_string();
    let redis = ["--redis", "redis://127.0.0.1:1"];
    let secret = "ws://user:hunter2@127.0.0.1:1/ws/scraping/1?key={secret}";
    let cases: [(&[&str], &str, &str); 20] = [
        (&["--transport", "sse", "--deflate"], "does not go with --deflate", "never compressed"),
        (&["--transport", "sse", "--msgpack"], "does not go with --msgpack", "is text"),
        (&["echo", "--transport", "sse"], "does not go with the mode echo", "leave --transport out"),
        (&["room:campaign:1", "--transport", "sse"], "where clients join rooms by a message", "--watch"),
        (&["--transport", "sse", "-H", "Accept: text/html"], "a --header Accept", "leave it out"),
        (&["--transport", "polling"], "polling", "ws"),
        (&["--deflate", "-H", "Sec-WebSocket-Extensions: x"], "both offer extensions", "one of them"),
        (&["echo", "--echo", "text", "--msgpack"], "--echo text and --msgpack", "by ping"),
        (&["echo", "--echo", "text", "--watch"], "--echo text and --watch", "by ping"),
        (&["--targets-per-connection", "5"], "--watch", ""),
        (&["--watch", "--targets-per-connection", "1001"], "1001", ""),
        (&["--watch", "--targets-per-connection", "11"], "more than there is to watch: 10", "--jobs"),
        (&["scraping/1", "--watch", "--targets-per-connection", "2"], "to watch: 1", "this target is one"),
        (&["ws://127.0.0.1:1/ws/scraping/1", "--watch"], "the target is a URL", "--server"),
        (
            &["--watch", "--transport", "sse", "-c", "9", "--jobs", "900", "--targets-per-connection", "900"],
            "more than a request has room for",
            "--transport ws",
        ),
        (&["--durable", "--publish-url", "http://127.0.0.1:1/"], "--durable appends to streams", "--redis"),
        (&["idle", "--resume", "--churn", "1/s"], "--resume (for fanout and storm)", ""),
        (&["--token-file", &empty], "there is no token in it", ""),
        (&["-H", "X-Key: s3cret-{user}"], "--header X-Key has an unknown placeholder {user}", "{conn}"),
        (&[secret], "the URL has an unknown placeholder {secret}", "{conn}"),
    ];
    for (args, reason, hint) in cases {
        let is_idle = args.first().is_some_and(|mode| ["echo", "idle"].contains(mode));
        let publishing = if is_idle { &[][..] } else { &redis };
        let output = jobwire(&[&["bench", "--server", "ws://127.0.0.1:1"], args, publishing].concat());
        let mut said = String::new();
        let _ = write!(said, "{args:?}: {}", output.stderr);
        assert_eq!(output.code, 2, "{said}");
        assert!(output.stderr.contains(reason) && output.stderr.contains(hint), "{said}");
        assert!(!output.stderr.contains("hunter2") && !output.stderr.contains("s3cret"), "{said}");
    }
    let file = ["bench", "--token-file", "/nowhere/tokens", "--token", "x"];
    assert_eq!(jobwire(&file).code, 2);
}
