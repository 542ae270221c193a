//! A user's own dialect, unlike the built-in ones in every respect, through all three verbs.

use serde_json::json;
use tempfile::TempDir;

use crate::support::{Output, PATIENCE, RedisServer, Relay, jobwire, until};

const BUILDS: &str = r#"
name = "builds"
about = "what the build farm does"
route = "/builds/{job}/live"
channel = "farm.events"

[job]
type = "string"
pointer = "/build/id"

[unknown]
after = "100ms"
frame = '{"build":{"id":${job}},"phase":"missing","note":"no build ${job_text} at ${timestamp}"}'

[pointers]
kind = "/phase"
percent = "/at/percent"
step = "/at/step"
total = "/at/of"
message = "/note"
error = "/note"

[kinds]
enqueued = { opens = "after-ending", queued = true }
compiling = { conflatable = true }
passed = { ends = "succeeded" }
broken = { ends = "failed" }
stopped = { ends = "cancelled" }
missing = { notice = true }

[status]
route = "/builds/{job}"
fields = [
  { name = "id", from = "@job" },
  { name = "phase", from = "@kind", values = { passed = "green", broken = "red" } },
  { name = "done", from = "@percent" },
  { name = "step", from = "/at/step", optional = true },
  { name = "artifact", from = "/artifact/url", optional = true },
]

[status.read]
state = "/phase"
states = { enqueued = "queued", compiling = "running", green = "succeeded", red = "failed", stopped = "cancelled" }
percent = "/done"
step = "/step"

[publish]
timestamp = "unix-seconds"
progress = { event = "compiling", field = "percent" }
message = { event = "compiling", field = "note" }
fields = [
  { name = "id", fill = "job", at = "/build/id" },
  { name = "phase", fill = "event" },
  { name = "percent", type = "float", min = 0, max = 100, at = "/at/percent" },
  { name = "step", type = "int", min = 0, at = "/at/step" },
  { name = "of", type = "int", min = 1, at = "/at/of" },
  { name = "note", type = "string" },
  { name = "when", fill = "timestamp" },
]

[publish.events.enqueued]
[publish.events.compiling]
[publish.events.passed]
fields = [{ name = "artifact", type = "string", required = true, at = "/artifact/url" }]
[publish.events.broken]
[publish.events.stopped]
"#;

struct Farm {
    dir: TempDir,
    relay: Relay,
}

impl Farm {
    fn start(args: &[&str]) -> Self {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("builds.toml");
        std::fs::write(&path, BUILDS).unwrap();
        let relay = Relay::start(&[&["--dialect-file", path.to_str().unwrap()], args].concat());
        Self { dir, relay }
    }

    fn jobwire(&self, args: &[&str]) -> Output {
        let file = self.dir.path().join("builds.toml");
        self.relay.jobwire(&[args, &["--dialect-file", file.to_str().unwrap()]].concat())
    }

    fn publish(&self, job: &str, phase: &str) {
        let payload = format!(r#"{{"build":{{"id":"{job}"}},"phase":"{phase}"}}"#);
        self.relay.publish("farm.events", &payload);
    }

    fn attach(&self, job: &str) -> i32 {
        self.jobwire(&["attach", &format!("builds/{job}"), "--progress", "quiet", "--timeout", "20s"]).code
    }
}

#[test]
fn serve_relays_and_polls_by_it() {
    let farm = Farm::start(&[]);
    let relay = &farm.relay;
    let mut socket = relay.connect("/builds/main%2F7/live");
    assert_eq!(socket.close_code(), 4004);
    let mut socket = relay.connect("/builds/main-7/live");
    let missing = socket.next_text(PATIENCE);
    assert!(
        missing.starts_with(r#"{"build":{"id":"main-7"},"phase":"missing","note":"no build main-7 at 2"#),
        "{missing}"
    );
    let event = r#"{"at":{"of":9,"step":2,"percent":22.5},"build":{"x":1,"id":"main-7"},"phase":"compiling","artifact":{"url":"u"}}"#;
    assert_eq!(relay.publish("farm.events", event), 1);
    socket.expect(event);
    let status = relay.exchange("GET", "/builds/main-7", &[], b"").json();
    let expected = json!({"id": "main-7", "phase": "compiling", "done": 22.5, "step": 2, "artifact": "u"});
    assert_eq!(status, expected);
    farm.publish("main-7", "broken");
    let status = relay.exchange("GET", "/builds/main-7", &[], b"").json();
    assert_eq!(status, json!({"id": "main-7", "phase": "red", "done": 22.5}));
    assert_eq!(relay.exchange("GET", "/builds/other", &[], b"").refusal().0, 404);
    until(PATIENCE, "the banner", || {
        relay.stderr().contains("dialect builds: socket /builds/{job}/live, poll")
    });
}

#[test]
fn attach_exits_with_the_outcome_by_it() {
    let farm = Farm::start(&[]);
    for (job, phase, code) in [("a", "passed", 0), ("b", "broken", 1), ("c", "stopped", 1)] {
        farm.publish(job, phase);
        assert_eq!(farm.attach(job), code, "{phase}");
    }
}

#[test]
fn publish_knows_its_events_and_checks_its_fields() {
    let farm = Farm::start(&[]);
    let output = farm.jobwire(&["publish", "builds/x", "compiling", "percent=50", "step=1", "of=2"]);
    assert_eq!(output.code, 0, "{}", output.stderr);
    // Later than the event: whoever waits for a job that nobody knows is told so after a while.
    let mut socket = farm.relay.connect("/builds/x/live");
    let event: serde_json::Value = serde_json::from_str(&socket.next_text(PATIENCE)).unwrap();
    assert_eq!(event["build"], json!({"id": "x"}));
    assert_eq!(
        (&event["phase"], &event["at"]),
        (&json!("compiling"), &json!({"percent": 50, "step": 1, "of": 2}))
    );
    assert!(event["when"].is_f64(), "{event}");
    for (args, named) in [
        (&["passed"][..], "artifact"),
        (&["compilin"], "compiling"),
        (&["compiling", "percnt=1"], "percent"),
        (&["compiling", "step=much"], "step"),
        (&["compiling", "percent=101"], "percent"),
    ] {
        let output = farm.jobwire(&[&["publish", "builds/x"], args].concat());
        assert_eq!(output.code, 2, "{args:?}: {}", output.stderr);
        assert!(output.stderr.contains(named), "{args:?}: {}", output.stderr);
    }
    let output = farm.jobwire(&["publish", "builds/x", "passed", "artifact=https://example.com/a"]);
    assert_eq!(output.code, 0, "{}", output.stderr);
    assert!(socket.next_text(PATIENCE).contains(r#""artifact":{"url":"https://example.com/a"}"#));
    socket.expect_silence();
}

#[test]
fn its_state_outlives_the_relay_too() {
    let redis = RedisServer::start();
    let event = r#"{"build":{"id":"k"},"phase":"stopped","at":{"percent":7}}"#;
    let farm = Farm::start(&["--redis", &redis.url()]);
    until(PATIENCE, "the relay to subscribe", || farm.relay.get("/ready").0 == 200);
    redis.publish("farm.events", event);
    farm.relay.until_events(1);
    assert_eq!(farm.relay.stop().code, 0);
    let farm = Farm::start(&["--redis", &redis.url()]);
    until(PATIENCE, "the relay to subscribe", || farm.relay.get("/ready").0 == 200);
    farm.relay.connect("/builds/k/live").expect(event);
    assert_eq!(farm.relay.exchange("GET", "/builds/k", &[], b"").json()["phase"], "stopped");
    assert_eq!(farm.attach("k"), 1);
}

#[test]
fn a_file_whose_paths_clash_is_refused_with_the_key() {
    let dir = TempDir::new().unwrap();
    for (old, new, key) in [
        ("route = \"/builds/{job}\"", "route = \"/builds/{job}/live\"", "status.route"),
        ("/builds/{job}/live", "/publish/{job}", "route"),
        ("/builds/{job}/live", "/ws/scraping/{job}", "route"),
        ("\"farm.events\"", "\"scraping_events\"", "channel"),
        ("\"builds\"", "\"scraping\"", "name"),
        ("percent = \"/at/percent\"", "percent = \"at\"", "percent"),
    ] {
        let path = dir.path().join("bad.toml");
        std::fs::write(&path, BUILDS.replacen(old, new, 1)).unwrap();
        let file = path.to_str().unwrap();
        let output = jobwire(&["serve", "--listen", "127.0.0.1:0", "--dialect-file", file]);
        assert_eq!(output.code, 2, "{new}: {}", output.stderr);
        assert!(output.stderr.contains(file) && output.stderr.contains(key), "{new}: {}", output.stderr);
    }
}
