//! Tests of the shared types: a relay sends messages of these types on `/watch` and with cursors, and accepts the commands that
//! they allow.

use serde_json::{Value, json};

use super::{Cases, compile, loaded};
use crate::support::{PATIENCE, Relay, SECRET, WebSocket, jobwire};

/// Reads messages up to the first one that has this value at this pointer. Returns all of them.
fn read_to(socket: &mut WebSocket, pointer: &str, value: &str) -> Vec<Value> {
    let mut all = Vec::new();
    loop {
        let message: Value = serde_json::from_str(&socket.next_text(PATIENCE)).unwrap();
        let is_last = message.pointer(pointer).is_some_and(|found| found == value);
        all.push(message);
        if is_last {
            return all;
        }
    }
}

/// All commands of a client on `/watch`, each with a word of the relay's answer.
fn commands() -> [(&'static str, Value, &'static str); 5] {
    [
        ("WatchPing", json!({"type": "ping"}), "pong"),
        (
            "WatchWatch",
            json!({"type": "watch", "targets": ["downloads/d"], "kinds": ["completed"]}),
            "watching",
        ),
        ("WatchWatch", json!({"type": "watch", "targets": ["scraping/9"], "since": "0"}), "watching"),
        ("WatchUnwatch", json!({"type": "unwatch", "targets": ["downloads/d"]}), "watching"),
        ("WatchToken", json!({"type": "token", "token": "x.y.z"}), "error"),
    ]
}

#[test]
fn what_watch_sends_and_takes_is_of_its_types() {
    let relay = Relay::start(&["--jwt-secret", SECRET]);
    let mut cases = Cases::default();
    cases.by(&loaded().json(None));
    let mut messages = Vec::new();
    let mut socket = relay.connect("/watch?target=scraping/1&since=nonsense");
    messages.extend(read_to(&mut socket, "/type", "watching"));
    for (name, command, answer) in commands() {
        cases.add(true, Some("WatchCommand"), &command);
        cases.add(true, Some(name), &command);
        socket.send(&command.to_string());
        let answers = read_to(&mut socket, "/type", answer);
        assert!(answers.iter().all(|answer| answer["code"] != "bad_message"), "{command}: {answers:?}");
        messages.extend(answers);
    }
    let many: Vec<String> = (0..1001).map(|job| format!("scraping/{job}")).collect();
    for (bad, code) in [
        (json!({"type": "watch", "targets": ["nothing/1"]}), "unknown_target"),
        (json!({"type": "watch", "targets": ["scraping/x"]}), "impossible_job_id"),
        (json!({"type": "watch", "targets": ["tasks/t"]}), "not_allowed"),
        (json!({"type": "watch", "targets": many}), "limit"),
        (json!({"type": "look"}), "bad_message"),
    ] {
        cases.add(code != "bad_message", Some("WatchCommand"), &bad);
        socket.send(&bad.to_string());
        messages.extend(read_to(&mut socket, "/code", code));
    }
    let job = |kind, status| {
        json!({"job_id": 1, "event_type": kind, "status": status, "progress": 5, "results_count": 0, "message": null,
            "metadata": {}, "timestamp": "now"})
    };
    relay.publish("scraping_events", &job("job_progress", "running").to_string());
    relay.publish("scraping_events", &job("job_completed", "completed").to_string());
    messages.extend(read_to(&mut socket, "/type", "ended"));
    let late = read_to(&mut relay.connect("/watch?target=scraping/1"), "/type", "ended");
    assert!(late.iter().any(|message| message["snapshot"] == true), "{late:?}");
    messages.extend(late);
    for kind in ["event", "watching", "ended", "gap", "error", "pong"] {
        assert!(messages.iter().any(|message| message["type"] == kind), "{kind}: {messages:?}");
    }
    for message in &messages {
        cases.add(true, Some("WatchMessage"), message);
    }
    cases.check();
}

#[test]
fn messages_with_cursors_lists_and_refusals_are_of_their_types() {
    let relay = Relay::start(&["--ping-interval", "1s"]);
    let mut cases = Cases::default();
    cases.by(&loaded().json(Some("jobs")));
    let mut socket = relay.connect("/ws/jobs/build-1?cursor=1&since=nonsense");
    let mut messages = read_to(&mut socket, "/type", "gap");
    assert_eq!(relay.jobwire(&["publish", "--quiet", "build-1", "40%", "message=linking"]).code, 0);
    messages.extend(read_to(&mut socket, "/message", "linking"));
    // Only the cursor moves, since the event belongs to a job that is not watched.
    assert_eq!(relay.jobwire(&["publish", "--quiet", "build-2", "40%"]).code, 0);
    messages.extend(read_to(&mut socket, "/type", "cursor"));
    assert!(messages.iter().all(|message| message["cursor"].is_string()), "{messages:?}");
    for message in &messages {
        cases.add(true, Some("JobsCursorMessage"), message);
    }
    let answer = |path: &str, status| {
        let (found, body) = relay.get(path);
        assert_eq!(found, status, "{path}: {body}");
        serde_json::from_str::<Value>(&body).unwrap()
    };
    let list = answer("/jobs", 200);
    assert_eq!(list["jobs"].as_array().map(Vec::len), Some(2), "{list}");
    cases.add(true, Some("JobList"), &list);
    cases.add(true, Some("HttpError"), &answer("/jobs?state=odd", 400));
    cases.add(true, Some("HttpError"), &answer("/jobs/nobody", 404));
    cases.check();
}

#[test]
fn what_is_not_sent_is_of_no_type() {
    let mut cases = Cases::default();
    cases.by(&loaded().json(None));
    for wrong in [
        json!({"type": "ended", "target": "scraping/1", "outcome": "done"}),
        json!({"type": "ended", "outcome": "failed"}),
        json!({"type": "gap", "reason": "lost"}),
        json!({"type": "gap"}),
        json!({"type": "cursor"}),
        json!({"type": "error", "code": "else", "message": ""}),
        json!({"type": "watching", "targets": "scraping/1"}),
        json!({"type": "event", "target": "scraping/1"}),
        json!({"type": "news"}),
    ] {
        cases.add(false, Some("WatchMessage"), &wrong);
    }
    for wrong in [
        json!({"type": "watch"}),
        json!({"type": "watch", "targets": [7]}),
        json!({"type": "watch", "targets": [], "since": 0}),
        json!({"type": "token"}),
        json!({"type": "subscribe", "channels": []}),
    ] {
        cases.add(false, Some("WatchCommand"), &wrong);
    }
    for (command, expect) in [
        (json!({"type": "subscribe", "channels": ["ai", "leads"]}), true),
        (json!({"type": "unsubscribe", "channels": []}), true),
        (json!({"type": "join_room", "room": "campaign:1"}), true),
        (json!({"type": "leave_room", "room": "campaign:1"}), true),
        (json!({"type": "ping"}), true),
        (json!({"type": "subscribe", "channels": ["nowhere"]}), false),
        (json!({"type": "subscribe"}), false),
        (json!({"type": "join_room"}), false),
        (json!({"type": "watch", "targets": []}), false),
    ] {
        cases.add(expect, Some("ChannelsCommand"), &command);
    }
    let cursor = json!({"cursor": "a.1"});
    cases.add(false, Some("JobsCursorMessage"), &cursor);
    cases.by(&loaded().json(Some("jobs")));
    for (percent, expect) in
        [(json!(45), true), (json!("45"), false), (json!(101), false), (json!(null), false)]
    {
        let event = json!({"job": "1", "event": "progress", "percent": percent, "timestamp": "now"});
        cases.add(expect, None, &event);
        let event = json!({"type": "event", "target": "jobs/1", "event": event});
        cases.add(expect, Some("WatchMessage"), &event);
    }
    cases.check();
}

#[test]
fn typescript_tells_the_messages_of_watch_apart_and_builds_those_of_clients() {
    let program = r"
import type {
  ChannelsCommand, JobList, JobsCursorMessage, WatchCommand, WatchMessage,
} from './types';

export function told(message: WatchMessage): string {
  switch (message.type) {
    case 'event': return `${message.target} ${message.cursor ?? ''} ${message.snapshot === true}`;
    case 'ended': return message.outcome satisfies 'succeeded' | 'failed' | 'cancelled';
    case 'gap': return message.reason;
    case 'cursor': return message.cursor;
    case 'watching': return message.targets.join();
    case 'error': return `${message.code} ${message.target ?? ''} ${message.message}`;
    // @ts-expect-error There is no such message.
    case 'news': return '';
    default: return message.type satisfies 'pong';
  }
}
export const place = (message: JobsCursorMessage): string | undefined => message.cursor;
export const first = (list: JobList): string | null | undefined => list.jobs[0]?.message;
export const said: Array<WatchCommand | ChannelsCommand> = [
  { type: 'watch', targets: ['jobs/*'], since: '0', kinds: ['failed'] },
  { type: 'token', token: 't' },
  { type: 'join_room', room: 'lead:1' },
  // @ts-expect-error There is no such channel.
  { type: 'subscribe', channels: ['nowhere'] },
  // @ts-expect-error Targets are a list.
  { type: 'unwatch', targets: 'jobs/1' },
];
";
    let types = jobwire(&["schema", "--format", "typescript"]);
    assert_eq!(compile(&types.stdout, program), "");
    let program = r"
import type { WatchMessage } from './types';

export function percent(message: WatchMessage): number | undefined {
  if (message.type !== 'event' || message.event.event !== 'progress') return undefined;
  return message.event.percent;
}
";
    let types = jobwire(&["schema", "jobs", "--format", "typescript"]);
    assert_eq!(compile(&types.stdout, program), "");
}
