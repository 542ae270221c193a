//! Tests of `schema`. An independent validator and the TypeScript compiler show that the types fit the publisher's events and
//! the relay's messages.

mod corpus;
mod shared;

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use jobwire::dialect::{Dialect, Dialects};
use serde_json::{Value, json};
use tempfile::TempDir;

use self::corpus::{Sample, mutants, samples};
use crate::support::{PATIENCE, Process, Relay, SECRET, jobwire, node_modules, token_for};

/// A dialect with names and events as odd as the format allows.
const ODD: &str = r#"
name = "odd"
about = "what a file may say */ and more"
route = "/ws/odd/{job}"
channel = "odd:{job}"

[pointers]
kind = "/head/kind"
percent = "/percent"

[kinds]
begun = { opens = "always" }
"it's `done` /" = { ends = "succeeded" }
"1st" = {}
"größe" = {}
event = { notice = true }
unpublished = {}

[status]
route = "/odd/{job}"
fields = [
  { name = "job", from = "@job" },
  { name = "kind", from = "@kind", values = { begun = "running", "*" = "other" } },
  { name = "percent", from = "@percent" },
  { name = "level", from = "/level", optional = true },
  { name = "note", from = "/note", default = "none" },
]

[status.read]
state = "/kind"
states = { running = "running", "*" = "queued" }

[publish]
timestamp = "utc-zulu"
fields = [
  { name = "kind", at = "/head/kind", fill = "event" },
  { name = "time", at = "/head/at the time", fill = "timestamp" },
  { name = "head", type = "object", nullable = true, at = "/more/head" },
  { name = "inner", type = "bool", at = "/more/head/inner" },
]

[publish.events.begun]
fields = [
  { name = "level", type = "int", min = -2, max = 7.5, required = true, nullable = true },
  { name = "percent", type = "float", min = 0, max = 100, default = 0 },
  { name = "a-b", type = "string", values = ["x", "y z", "\"q\""], default = "x" },
  { name = "early", type = "int", at = "/late/early" },
  { name = "late", type = "object" },
]

[publish.events."it's `done` /"]
fields = [{ name = "note", type = "string", nullable = true, always = true }]

[publish.events."1st"]
fields = [
  { name = "current", type = "float", required = true },
  { name = "total", type = "float", default = 0 },
  { name = "share", fill = "percent" },
]

[publish.events."größe"]
like = "1st"

[publish.events.event]
fields = [{ name = "level", type = "string" }]
"#;

/// A dialect whose events give their kind in a field, so that events of several names have one kind.
const GIVEN: &str = r#"
name = "given"
route = "/ws/given/{job}"
channel = "given:{job}"

[pointers]
kind = "/state"

[kinds]
open = {}
shut = { ends = "succeeded" }
"*" = { conflatable = true }

[publish]
fields = [{ name = "state", type = "string", required = true }]

[publish.events.opens]
fields = [{ name = "by", type = "string", required = true }]
set = { state = "open" }

[publish.events.shuts]
fields = [{ name = "by", type = "int" }, { name = "why", type = "string", default = "asked" }]
set = { state = "shut" }
"#;

/// The built-in dialects and the odd ones, with the flags that load the odd ones.
struct Loaded {
    dialects: Dialects,
    flags: Vec<String>,
    _folder: TempDir,
}

fn loaded() -> Loaded {
    let folder = TempDir::new().unwrap();
    let (mut dialects, mut flags) = (Dialects::builtin(), Vec::new());
    for (name, text) in [("odd", ODD), ("given", GIVEN)] {
        let file = folder.path().join(format!("{name}.toml"));
        fs::write(&file, text).unwrap();
        dialects.add(Dialect::from_toml(text, name).unwrap(), name).unwrap();
        flags.extend(["--dialect-file".to_owned(), file.to_str().unwrap().to_owned()]);
    }
    Loaded { dialects, flags, _folder: folder }
}

impl Loaded {
    /// Output of `schema`.
    fn schema(&self, dialect: Option<&str>, format: &str) -> String {
        let flags = self.flags.iter().map(String::as_str);
        let args: Vec<&str> =
            ["schema", "--format", format].into_iter().chain(dialect).chain(flags).collect();
        let output = jobwire(&args);
        assert_eq!((output.code, output.stderr.as_str()), (0, ""), "{args:?}");
        output.stdout
    }

    fn json(&self, dialect: Option<&str>) -> Value {
        serde_json::from_str(&self.schema(dialect, "json-schema")).unwrap()
    }
}

/// Input lines for the validator.
#[derive(Default)]
struct Cases(String);

impl Cases {
    fn by(&mut self, schema: &Value) {
        writeln!(self.0, "{}", json!({ "schema": schema })).unwrap();
    }

    fn add(&mut self, expect: bool, at: Option<&str>, value: &Value) {
        writeln!(self.0, "{}", json!({ "expect": expect, "at": at, "value": value })).unwrap();
    }

    #[track_caller]
    fn check(self) {
        let mut probe = Command::new("python3");
        let found = probe.args(["-c", "import jsonschema"]).stderr(Stdio::null()).status();
        assert!(
            found.is_ok_and(|status| status.success()),
            "these tests need python3 with its package jsonschema (scripts/test installs it)"
        );
        let count = self.0.lines().filter(|line| line.starts_with(r#"{"expect""#)).count();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/schema_check.py");
        let (process, mut stdin) = Process::spawn_fed(Command::new("python3").arg(script));
        stdin.write_all(self.0.as_bytes()).unwrap();
        drop(stdin);
        let output = process.finish(PATIENCE);
        assert_eq!(output.code, 0, "{}{}", output.stdout, output.stderr);
        assert_eq!(output.stdout, format!("{count} checked, 0 wrong\n"));
    }
}

#[test]
fn every_event_that_the_publisher_builds_is_valid_and_what_it_refuses_is_not() {
    let loaded = loaded();
    let mut cases = Cases::default();
    let whole = loaded.json(None);
    let (mut built, mut refused) = (0, 0);
    for (_, dialect) in loaded.dialects.iter() {
        let schema = loaded.json(Some(&dialect.name));
        let all = samples(dialect);
        assert_eq!(all.is_empty(), dialect.catalogue.events.is_empty(), "{}", dialect.name);
        cases.by(&schema);
        for Sample { payload, is_least, is_whole } in &all {
            cases.add(true, None, payload);
            built += 1;
            let wrong = if *is_least || *is_whole { mutants(dialect, payload) } else { Vec::new() };
            for mutant in wrong {
                cases.add(false, None, &mutant);
                refused += 1;
            }
        }
        cases.by(&whole);
        for sample in &all {
            cases.add(true, None, &sample.payload);
        }
    }
    assert!(built > 300 && refused > 3_000, "{built} built, {refused} refused");
    cases.check();
}

#[test]
fn what_every_payload_has_is_required() {
    let loaded = loaded();
    let mut cases = Cases::default();
    for (_, dialect) in loaded.dialects.iter() {
        cases.by(&loaded.json(Some(&dialect.name)));
        for Sample { payload, .. } in samples(dialect).iter().filter(|sample| sample.is_least) {
            for name in payload.as_object().unwrap().keys() {
                let mut less = payload.clone();
                less.as_object_mut().unwrap().remove(name);
                cases.add(false, None, &less);
            }
        }
    }
    cases.check();
}

#[test]
fn a_schema_needs_nothing_but_itself_and_is_the_same_each_time() {
    let loaded = loaded();
    for dialect in loaded.dialects.names().map(Some).chain([None]) {
        let schema = loaded.json(dialect);
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
        let text = schema.to_string();
        assert!(!text.contains("\"$id\""), "{text}");
        for (at, _) in text.match_indices("\"$ref\":\"") {
            let name = text[at..].strip_prefix("\"$ref\":\"#/$defs/").unwrap().split('"').next().unwrap();
            assert!(schema["$defs"].get(name).is_some(), "{name}");
        }
        for format in ["json-schema", "typescript"] {
            assert_eq!(loaded.schema(dialect, format), loaded.schema(dialect, format));
        }
    }
}

#[test]
fn what_a_relay_sends_and_answers_is_of_the_types_of_its_messages() {
    let relay = Relay::start(&["--jwt-secret", SECRET, "--unknown-grace", "0s"]);
    let loaded = loaded();
    let mut cases = Cases::default();
    let scenario = relay.jobwire(&[
        "publish",
        "--scenario",
        "all",
        "--jobs",
        "12",
        "--speed",
        "1000",
        "--fail-rate",
        "0.4",
        "--seed",
        "3",
    ]);
    assert_eq!(scenario.code, 0, "{}", scenario.stderr);
    let jobs: Value = serde_json::from_str(&relay.get("/jobs?limit=1000").1).unwrap();
    let jobs: Vec<&str> =
        jobs["jobs"].as_array().unwrap().iter().map(|job| job["target"].as_str().unwrap()).collect();
    assert!(jobs.len() >= 6, "{jobs:?}");
    let (mut seen, mut polled) = (0, 0);
    let builtin = Dialects::builtin();
    let is_published = |dialect: &Dialect| dialect.channels.is_none() && dialect.publisher.is_none();
    for (_, dialect) in builtin.iter().filter(|(_, dialect)| is_published(dialect)) {
        cases.by(&loaded.json(Some(&dialect.name)));
        let named = |word: &str| format!("{}{word}", capital(&dialect.name));
        let own = jobs.iter().filter_map(|target| target.strip_prefix(&format!("{}/", dialect.name)));
        for job in own.chain(["999999"]) {
            let token = token_for("demo-user", Duration::from_hours(1));
            let with = |path: String| format!("{path}?replay=1&token={token}");
            let (status, body) = relay.get(&with(dialect.status_path(job).unwrap()));
            if status == 200 {
                polled += 1;
                cases.add(true, Some(&named("Status")), &serde_json::from_str(&body).unwrap());
            }
            if job == "999999" && &*dialect.name == "tasks" {
                continue; // It is refused.
            }
            let mut socket = relay.connect(&with(dialect.socket_path(job)));
            socket.send("ping");
            let mut awaited = vec![json!({"type": "pong"})];
            if job == "999999" && &*dialect.name == "scraping" {
                awaited.push(json!("Job 999999 not found"));
            }
            while !awaited.is_empty() {
                let message: Value = serde_json::from_str(&socket.next_text(PATIENCE)).unwrap();
                cases.add(true, Some(&named("Message")), &message);
                seen += 1;
                awaited.retain(|one| *one != message && *one != message["message"]);
            }
        }
    }
    assert!(seen > 30 && polled >= 6, "{seen} seen, {polled} polled");
    cases.check();
}

#[test]
fn what_a_client_of_channels_gets_is_of_the_types_of_its_messages() {
    let relay = Relay::start(&[]);
    let loaded = loaded();
    let mut socket = relay.connect("/ws/campaigns");
    socket.send(
        r#"{"type":"subscribe","channels":["ai","demos","leads","scrapers","emails","notifications"]}"#,
    );
    socket.send(r#"{"type":"join_room","room":"lead:1"}"#);
    socket.send(r#"{"type":"subscribe","channels":["nowhere"]}"#);
    socket.send("nonsense");
    socket.send(r#"{"type":"ping"}"#);
    let mut messages: Vec<Value> = Vec::new();
    let mut read_to = |member: &str, last: &str| loop {
        let message: Value = serde_json::from_str(&socket.next_text(PATIENCE)).unwrap();
        let is_last = message[member] == last;
        messages.push(message);
        if is_last {
            break;
        }
    };
    read_to("type", "pong");
    let scenario = relay.jobwire(&[
        "publish",
        "--scenario",
        "channels",
        "--jobs",
        "8",
        "--speed",
        "1000",
        "--seed",
        "3",
    ]);
    assert_eq!(scenario.code, 0, "{}", scenario.stderr);
    relay.publish(
        "fliptechpro:notifications",
        r#"{"type":"notification:system","message":"the last one","timestamp":"now"}"#,
    );
    read_to("message", "the last one");
    let kinds = |wanted: &str| messages.iter().filter(|message| message["type"] == wanted).count();
    assert_eq!(
        (kinds("connection"), kinds("subscribed"), kinds("error"), kinds("pong")),
        (1, 2, 2, 1),
        "{messages:?}"
    );
    assert!(messages.len() > 20);
    let mut cases = Cases::default();
    cases.by(&loaded.json(Some("channels")));
    for message in &messages {
        cases.add(true, Some("ChannelsMessage"), message);
    }
    cases.add(true, Some("ChannelsMessage"), &json!({"type": "heartbeat", "timestamp": "now"}));
    cases.add(false, Some("ChannelsMessage"), &json!({"type": "error", "code": "else", "message": ""}));
    cases.add(false, Some("ChannelsMessage"), &json!({"type": "heartbeat"}));
    cases.check();
}

/// Name of a dialect with a capital letter, which begins the names of its types.
fn capital(name: &str) -> String {
    name[..1].to_uppercase() + &name[1..]
}

/// Compiles a program that uses the types, with the strictest settings. Returns the compiler's output.
fn compile(types: &str, program: &str) -> String {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("types.ts"), types).unwrap();
    fs::write(folder.path().join("program.ts"), program).unwrap();
    let compiler = node_modules().join(".bin/tsc");
    let flags =
        ["--noEmit", "--strict", "--noUnusedLocals", "false", "--target", "es2022", "--module", "es2022"];
    let mut command = Command::new(compiler);
    let process =
        Process::spawn(command.args(flags).args(["types.ts", "program.ts"]).current_dir(folder.path()));
    let output = process.finish(PATIENCE);
    output.stdout + &output.stderr
}

#[test]
fn typescript_takes_every_event_that_the_publisher_builds() {
    let loaded = loaded();
    let mut program = String::new();
    for (_, dialect) in loaded.dialects.iter() {
        let (name, take) = (format!("{}Event", capital(&dialect.name)), format!("take_{}", dialect.name));
        writeln!(program, "import type {{ {name} }} from './types';").unwrap();
        writeln!(program, "declare function {take}(event: {name}): void;").unwrap();
        for Sample { payload, .. } in samples(dialect) {
            writeln!(program, "{take}({payload});").unwrap();
        }
    }
    assert_eq!(compile(&loaded.schema(None, "typescript"), &program), "");
}

#[test]
fn typescript_tells_events_apart_by_their_kind_and_refuses_wrong_ones() {
    let program = r"
import type { ScrapingEvent, ScrapingMessage, ScrapingStatus, DownloadsMessage, TasksEvent, CelerySUCCESS } from './types';

export function told(event: ScrapingEvent): string {
  switch (event.event_type) {
    case 'scraper_failed': return event.metadata.scraper_name;
    case 'job_progress': return `${event.progress?.toFixed(1)} ${event.metadata?.total_flights}`;
    case 'job_started': return `${event.metadata.job_type}`;
    // @ts-expect-error There is no such kind.
    case 'job_done': return '';
    default: {
      const rest: 'job_completed' | 'job_failed' | 'results_updated' | 'scraper_completed' | 'scraper_started' = event.event_type;
      return rest;
    }
  }
}
export function seen(message: ScrapingMessage): string | null {
  if ('type' in message) return message.type satisfies 'pong';
  return message.event_type === 'error' ? message.message satisfies string : message.message;
}
export const shown = (message: DownloadsMessage) => message.type === 'status' ? message.data.progress.toFixed(0) : message.type;
export const polled = (status: ScrapingStatus): [number, number | null] => [status.job_id, status.progress];
export const returned = (event: CelerySUCCESS): unknown => event.result;

export const wrong: TasksEvent[] = [
  // @ts-expect-error A number is no text.
  { type: 'registered', task_id: 't', user_id: 7 },
  // @ts-expect-error An error says what it is.
  { type: 'error', task_id: 't', status: 'FAILURE', timestamp: 0 },
  // @ts-expect-error There is no such kind.
  { type: 'done', task_id: 't' },
  // @ts-expect-error There is no such field.
  { type: 'registered', task_id: 't', user_id: 'u', user: 'u' },
];
";
    let types = jobwire(&["schema", "--format", "typescript"]);
    assert_eq!(compile(&types.stdout, program), "");
}

#[test]
fn a_type_of_one_dialect_is_as_an_example_has_it() {
    let types = jobwire(&["schema", "scraping", "--format", "typescript"]).stdout;
    let progress = r#"
/** `job_progress`. A newer one may take its place before it is sent. */
export interface ScrapingJobProgress {
  /** The job's id. */
  job_id: number;
  event_type: "job_progress";
  status: "running" | "completed" | "failed";
  /** A number from 0 to 100 or null. */
  progress: number | null;
  /** A whole number of at least 0. */
  results_count: number;
  message: string | null;
  metadata: {
    /** A whole number of at least 0. */
    successful_scrapers?: number;
    /** A whole number of at least 0. */
    failed_scrapers?: number;
    /** A whole number of at least 0. */
    total_flights?: number;
    [name: string]: unknown;
  };
  /** UTC by ISO 8601, without a zone. */
  timestamp: string;
}
"#;
    assert!(types.contains(progress), "{types}");
    assert!(types.starts_with("// Written by `jobwire schema --format typescript`"), "{types}");
}

#[test]
fn a_dialect_that_is_not_there_or_a_format_is_bad_usage() {
    let output = jobwire(&["schema", "scrapin"]);
    assert_eq!((output.code, output.stdout.as_str()), (2, ""));
    assert!(
        output.stderr.contains("there is no dialect 'scrapin'; did you mean 'scraping'?"),
        "{}",
        output.stderr
    );
    let output = jobwire(&["schema", "scraping", "--format", "typescrip"]);
    assert_eq!((output.code, output.stdout.as_str()), (2, ""));
    assert!(output.stderr.contains("typescript"), "{}", output.stderr);
}
