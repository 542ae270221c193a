//! A secret that is given to the program is printed nowhere: a planted one is looked for in everything that comes out.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;

use crate::support::{PATIENCE, Process, RedisServer, Relay, command, jobwire, until};

/// Stands for every password, key and token.
const PLANTED: &str = "hunter2planted7c1f";

/// How it looks in `Authorization: Basic`, behind the user `me:`.
const ENCODED: &str = "bWU6aHVudGVyMnBsYW50ZWQ3YzFm";

/// Everything that was printed or written must be without it.
#[track_caller]
fn hold(what: &str, text: &str) {
    for secret in [PLANTED, ENCODED] {
        let line = text.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "{what} repeats a secret");
    }
}

/// A Redis that a user may log in to with the planted password, and its URL.
fn guarded_redis() -> (RedisServer, String) {
    let redis = RedisServer::start();
    let mut acl = redis::cmd("ACL");
    acl.arg(&["SETUSER", "me", "on", &format!(">{PLANTED}"), "~*", "&*", "+@all"]);
    acl.exec(&mut redis.connection()).unwrap();
    let url = format!("redis://me:{PLANTED}@127.0.0.1:{}", redis.port());
    (redis, url)
}

/// The URL of a key set that is not there, with everything in it that may be a secret.
fn missing_keys() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut client in listener.incoming().map_while(Result::ok) {
            let _ = client.read(&mut [0; 4096]);
            let _ =
                client.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        }
    });
    format!("http://me:{PLANTED}@{address}/keys?apikey={PLANTED}")
}

/// A relay that is given it in every way, and logs all it can.
fn relay(redis: &str) -> Relay {
    let relay = Relay::spawned(command(&[
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--redis",
        redis,
        "--jwt-secret",
        PLANTED,
        "--publish-key",
        PLANTED,
        "--jwks",
        &missing_keys(),
        "--log-level",
        "trace",
    ]));
    until(PATIENCE, "the relay to subscribe", || relay.get("/ready").0 == 200);
    relay
}

#[test]
fn a_relay_prints_and_tells_no_secret() {
    let (mut redis, url) = guarded_redis();
    let relay = relay(&url);
    let bad = format!("{PLANTED}.{PLANTED}.{PLANTED}");
    for path in ["/ws/scraping/1", "/ws/task-1", "/ws", "/nowhere"] {
        for path in [format!("{path}?token={bad}"), format!("{path}?token={bad}&x=%zz")] {
            if !path.starts_with("/nowhere") {
                drop(relay.raw(&path));
            }
            let (_, body) = relay.get(&path);
            hold(&path, &body);
        }
    }
    let basic = format!("Basic {ENCODED}");
    let bearer = format!("Bearer {PLANTED}x");
    for header in [("Authorization", basic.as_str()), ("Authorization", bearer.as_str()), ("Cookie", PLANTED)]
    {
        let answer = relay.exchange("POST", "/publish/scraping_events", &[header], b"{}");
        hold("an answer to a publisher", &format!("{answer:?}"));
    }
    until(PATIENCE, "the keys to be missed", || relay.stderr().contains("could not fetch the keys"));
    for path in ["/health", "/ready", "/ws/stats", "/", "/metrics"] {
        hold(path, &relay.get(path).1);
    }
    redis.stop();
    until(PATIENCE, "the outage to be seen", || relay.get("/ready").0 == 503);
    for path in ["/health", "/ready", "/ws/stats"] {
        hold(path, &relay.get(path).1);
    }
    let output = relay.stop();
    assert!(output.stderr.contains("TRACE") || output.stderr.contains("DEBUG"), "{}", output.stderr);
    hold("the relay", &format!("{}{}", output.stdout, output.stderr));
}

#[test]
fn clients_print_and_write_no_secret() {
    let (redis, url) = guarded_redis();
    let relay = relay(&url);
    let server = format!("http://me:{PLANTED}@{}", relay.address());
    let bare = format!("http://{}", relay.address());
    let wrong = format!("redis://me:{PLANTED}x@127.0.0.1:{}", redis.port());
    let folder = tempfile::tempdir().unwrap();
    let files = ["hgrm", "hlog", "csv", "markdown", "html"];
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let reports: Vec<String> = files.iter().flat_map(|name| [format!("--{name}"), file(name)]).collect();
    let reports: Vec<&str> = reports.iter().map(String::as_str).collect();
    let header = format!("X-Key: {PLANTED}");
    let target = format!("ws://me:{PLANTED}@{}/ws/scraping/1?token={PLANTED}", relay.address());
    let publish_url = format!("{server}/publish/{{channel}}?key={PLANTED}");
    let load = ["-c", "4", "-r", "20", "-d", "300ms", "--warm-up", "0s", "--allow-client-bound"];
    let bench =
        [&["bench", "--server", &server, "--token", PLANTED, "--header", &header], &load[..]].concat();
    for (args, code) in [
        (vec!["publish", "scraping/1", "job_started", "--server", &bare, "--publish-key", PLANTED], 0),
        // One request has one authorization, and that of the URL is for a proxy.
        (vec!["publish", "scraping/1", "job_started", "--server", &server, "--publish-key", PLANTED], 4),
        (vec!["publish", "scraping/1", "job_started", "--redis", &url], 0),
        (vec!["publish", "scraping/1", "job_started", "--redis", &wrong], 3),
        (vec!["publish", "scraping/1", "job_started", "--server", &bare, "--publish-key", ENCODED], 4),
        (vec!["attach", "scraping/1", "--server", &server, "--token", PLANTED, "--timeout", "1s"], 8),
        (vec!["attach", &target, "--timeout", "1s"], 8),
        (vec!["attach", "tasks/t-1", "--server", &server, "--token", PLANTED], 4),
        ([&bench[..], &["--redis", &url], &reports].concat(), 0),
        ([&bench[..], &["--redis", &url, "--workers", "2", "--output", "json"]].concat(), 0),
        ([&bench[..], &["--redis", &wrong, "--workers", "2"]].concat(), 3),
        ([&bench[..], &["--publish-url", &publish_url, "--publish-key", PLANTED]].concat(), 0),
        (
            [&["bench", "idle", "tasks/t-1", "--server", &server, "--token", PLANTED], &["-c", "1"][..]]
                .concat(),
            4,
        ),
        (vec!["bench", "worker", "--once", "--redis", &wrong], 3),
        (
            vec![
                "serve",
                "--print-config",
                "--redis",
                &url,
                "--jwt-secret",
                PLANTED,
                "--publish-key",
                PLANTED,
            ],
            0,
        ),
    ] {
        let output = Process::spawn(command(&args).args(["--log-level", "trace"])).finish(PATIENCE * 2);
        hold(&args.join(" "), &format!("{}{}", output.stdout, output.stderr));
        assert_eq!(output.code, code, "{args:?}: {}", output.stderr);
    }
    for name in files {
        hold_file(&folder.path().join(name));
    }
    let output = relay.stop();
    hold("the relay", &format!("{}{}", output.stdout, output.stderr));
}

#[track_caller]
fn hold_file(path: &Path) {
    let text = std::fs::read_to_string(path).unwrap();
    assert!(!text.is_empty(), "{}", path.display());
    hold(&path.display().to_string(), &text);
}

#[test]
fn what_is_refused_repeats_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jobwire.toml");
    for text in [
        format!("[serve]\njwt-secret = {PLANTED}\n"),
        format!("[serve]\npublish-key = \"{PLANTED}\n"),
        format!("[serve]\njwt-secret = [\"{PLANTED}\"]\n"),
        format!("[serve]\njwt-secrets = \"{PLANTED}\"\n"),
        format!("redis = \"redis://:{PLANTED}@h/0\" x\n"),
        format!("[serve]\nredis = \"me:{PLANTED}@h\"\n"),
        format!("[serve]\nredis = {{ url = \"redis://:{PLANTED}@h\" }}\n"),
        format!("[serve]\njwks = \"ftp://me:{PLANTED}@h\"\n"),
        format!("[attach]\nserver = \"ws://me:{PLANTED}@h:99999\"\ntoken = 5\n"),
    ] {
        std::fs::write(&path, &text).unwrap();
        for verb in ["serve", "attach"] {
            let output = jobwire(&["--config", path.to_str().unwrap(), verb, "--print-config"]);
            hold(&text, &format!("{}{}", output.stdout, output.stderr));
        }
    }
    for args in [
        &["serve", "--publish-key", &format!("{PLANTED}\u{e9}")][..],
        &["serve", "--jwks", &format!("me:{PLANTED}@h")],
        &["serve", "--jwks", &format!("http://me:{PLANTED}@h:99999/?key={PLANTED}")],
        &["serve", "--redis", &format!("redis://me:{PLANTED}@h:99999")],
        &["attach", &format!("scraping/1?token={PLANTED}")],
        &["attach", &format!("scraping?token={PLANTED}")],
        &["attach", &format!("nodialect/1?token={PLANTED}")],
        &["attach", &format!("ws://h/elsewhere?token={PLANTED}")],
        &["publish", &format!("scraping/1?token={PLANTED}"), "job_started"],
        &["bench", "--header", PLANTED],
        &["bench", "--publish-url", &format!("me:{PLANTED}@h/{{channel}}")],
        &["bench", &format!("ws://h/elsewhere?token={PLANTED}")],
        &["bench", &format!("scraping/1?token={PLANTED}")],
        &["bench", "echo", &format!("ftp://h/?token={PLANTED}")],
    ] {
        let output = jobwire(args);
        assert_eq!(output.code, 2, "{args:?}: {}", output.stderr);
        hold(args[0], &format!("{}{}", output.stdout, output.stderr));
    }
}
