//! Clients that know nothing of jobwire: Node's own WebSocket, which is a browser's, and Python's websockets.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::serve::scraping;
use crate::support::{PATIENCE, Process, RedisServer, Relay, SECRET, token, until};

/// A client of tests/clients, with the relay's URL and further arguments.
fn client(relay: &Relay, name: &str, args: &[&str]) -> Process {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(name);
    let mut command = match name.rsplit_once('.') {
        Some((_, "py")) => python(),
        _ => node(),
    };
    Process::spawn(command.arg(file).arg(relay.ws("")).args(args))
}

/// Node with a WebSocket: from 22 on by itself, before behind a flag.
pub(crate) fn node() -> Command {
    let mut command = Command::new("node");
    let mut probe = Command::new("node");
    let has = |probe: &mut Command| {
        let script = "process.exit(typeof WebSocket === 'function' ? 0 : 1)";
        probe.args(["-e", script]).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
    };
    if !has(&mut probe) {
        command.arg("--experimental-websocket");
        let mut probe = Command::new("node");
        assert!(
            has(probe.arg("--experimental-websocket")),
            "these tests need Node.js 20.10 or newer as `node`"
        );
    }
    command
}

fn python() -> Command {
    let mut probe = Command::new("python3");
    let found = probe.args(["-c", "import websockets"]).stderr(Stdio::null()).status();
    assert!(
        found.is_ok_and(|status| status.success()),
        "these tests need python3 with its package websockets (Debian: apt-get install python3-websockets)"
    );
    let mut command = Command::new("python3");
    command.arg("-u");
    command
}

#[test]
fn a_page_and_a_python_script_watch_a_scraping_job() {
    let relay = Relay::start(&[]);
    for (name, percents) in [("scraping.mjs", ["45.5", "100"]), ("scraping.py", ["45.5", "100.0"])] {
        relay.publish("scraping_events", &scraping(7, "job_started", "0", 0));
        let watching = client(&relay, name, &["7"]);
        watching.until_printed("job_started 0 0");
        relay.publish("scraping_events", &scraping(7, "job_progress", "45.5", 42));
        watching.until_printed(&format!("job_progress {} 42", percents[0]));
        relay.publish("scraping_events", &scraping(7, "job_completed", "100.0", 87));
        let output = watching.finish(PATIENCE);
        assert_eq!((output.code, output.stderr.as_str()), (0, ""));
        assert!(output.stdout.contains(&format!("job_completed {} 87", percents[1])), "{}", output.stdout);
    }
    relay.until_connections(0);
}

#[test]
fn a_page_that_watches_a_download_returns_to_a_relay_that_was_killed() {
    let redis = RedisServer::start();
    let relay = Relay::on(&redis, &[]);
    let send = |data: &str| assert_eq!(redis.publish("download_updates:abc", data), 1);
    let watching = client(&relay, "downloads.mjs", &["abc"]);
    watching.until_printed("queued 0 -");
    watching.until_printed("pong");
    send(r#"{"jobId":"abc","status":"processing","progress":45,"videoInfo":{"title":"Video 1"}}"#);
    watching.until_printed("processing 45 Video 1");
    let address = relay.address().to_owned();
    relay.kill();
    watching.until_printed("closed 1006");
    let relay = Relay::listening_on(&address, &["--redis", &redis.url()]);
    until(PATIENCE, "the relay to subscribe", || relay.get("/ready").0 == 200);
    until(PATIENCE, "the socket", || watching.stdout().matches("open\n").count() == 2);
    relay.until_connections(1);
    send(r#"{"jobId":"abc","status":"completed","progress":100,"downloadUrl":"https://example.org/v.mp4"}"#);
    let output = watching.finish(PATIENCE);
    assert_eq!(output.code, 0, "{}{}", output.stdout, output.stderr);
    assert!(
        output.stdout.contains("completed 100") && output.stdout.ends_with("closed 1000\n"),
        "{}",
        output.stdout
    );
}

#[test]
fn a_page_with_its_user_s_token_watches_a_task() {
    let relay = Relay::start(&["--jwt-secret", SECRET]);
    let registered = r#"{"type":"registered","task_id":"t-1","user_id":"ann"}"#;
    relay.publish("task_updates:t-1", registered);
    let stranger = client(&relay, "tasks.mjs", &["t-1", &token("bob")]);
    stranger.until_printed("closed 4003 not the owner");
    let watching = client(&relay, "tasks.mjs", &["t-1", &token("ann")]);
    relay.until_connections(1);
    relay.publish(
        "task_updates:t-1",
        r#"{"type":"progress","task_id":"t-1","step":3,"total_steps":5,"status":"Reading","details":"frame 7"}"#,
    );
    watching.until_printed("step 3 of 5: Reading frame 7");
    relay.publish(
        "task_updates:t-1",
        r#"{"type":"completion","task_id":"t-1","status":"SUCCESS","recipe_id":"r-1","recipe_name":"Soup"}"#,
    );
    let output = watching.finish(PATIENCE);
    assert!(
        output.stdout.contains("done r-1 Soup") && output.code == 0,
        "{}{}",
        output.stdout,
        output.stderr
    );
}

#[test]
fn a_page_follows_channels_and_joins_a_room() {
    let relay = Relay::start(&[]);
    let page = client(&relay, "channels.mjs", &["/ws?channels=campaigns,scrapers", "conversation:456"]);
    page.until_printed("connected to campaigns scrapers");
    page.until_printed("in campaigns scrapers conversation:456");
    let campaign = r#"{"type":"campaign:launched","campaign_id":1,"campaign_name":"Spring"}"#;
    assert_eq!(relay.publish("fliptechpro:campaigns", campaign), 1);
    let scraper = r#"{"type":"scraper:progress","scraper_id":"s","current":1,"total":2,"percent":50}"#;
    assert_eq!(relay.publish("fliptechpro:scrapers", scraper), 1);
    let of = |conversation: u32| {
        format!(
            r#"{{"type":"ai:response_ready","task_id":"t","conversation_id":{conversation},"response":"for {conversation}"}}"#
        )
    };
    assert_eq!(relay.publish("fliptechpro:ai", &of(455)), 0);
    // The page closes as soon as it has this one, so nobody may be left to count.
    relay.publish("fliptechpro:ai", &of(456));
    let output = page.finish(PATIENCE);
    let lines: Vec<&str> = output.stdout.lines().skip(2).collect();
    assert_eq!(lines[..3], ["launched 1 Spring", "scraped 50", "answer for 456"], "{}", output.stderr);
}

#[test]
fn a_page_and_a_script_bring_their_token_as_a_subprotocol() {
    let relay = Relay::start(&["--jwt-secret", SECRET]);
    relay.publish("task_updates:t-1", r#"{"type":"registered","task_id":"t-1","user_id":"ann"}"#);
    relay.publish("task_updates:t-1", r#"{"type":"completion","task_id":"t-1","status":"SUCCESS"}"#);
    let ann = format!("jobwire.token.{}", token("ann"));
    for (offers, chosen) in
        [(&["jobwire.json", &ann][..], "jobwire.json"), (&["chat", &ann], "chat"), (&[&ann], &ann)]
    {
        for name in ["subprotocol.mjs", "subprotocol.py"] {
            let client = client(&relay, name, &[&["/ws/t-1"], offers].concat());
            client.until_printed(&format!("open {chosen}\n"));
            client.until_printed("completion");
            assert_eq!(client.finish(PATIENCE).code, 0);
            relay.until_connections(0);
        }
    }
    let bob = format!("jobwire.token.{}", token("bob"));
    let stranger = client(&relay, "subprotocol.mjs", &["/ws/t-1", "jobwire.json", &bob]);
    stranger.until_printed("closed 4003 not the owner");
}

#[test]
fn a_python_script_watches_compressed_and_in_messagepack() {
    let relay = Relay::start(&[]);
    let large = |kind: &str| {
        let metadata = format!(r#""metadata":{{"text":"{}"}}"#, "flights ".repeat(300));
        scraping(7, kind, "5", 1).replace(r#""metadata":{}"#, &metadata)
    };
    for path in ["/ws/scraping/7", "/watch?target=scraping/7"] {
        for subprotocol in ["none", "jobwire.json", "jobwire.msgpack"] {
            for compression in ["none", "deflate"] {
                relay.publish("scraping_events", &large("job_started"));
                let watching = client(&relay, "encodings.py", &[path, subprotocol, compression]);
                let chosen = if subprotocol == "none" { "None" } else { subprotocol };
                watching.until_printed(&format!("subprotocol {chosen}\n"));
                let is_packed = subprotocol == "jobwire.msgpack";
                // The state, and the answer to the ping.
                watching.until_printed(if is_packed { "bytes 81 " } else { "text 15 " });
                relay.publish("scraping_events", &large("job_completed"));
                let output = watching.finish(PATIENCE);
                assert_eq!((output.code, output.stderr.as_str()), (0, ""), "{}", output.stdout);
                assert_eq!(output.stdout.contains("text"), !is_packed, "{}", output.stdout);
            }
        }
    }
}
