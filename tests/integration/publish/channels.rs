//! Events of channels, and registrations of tasks.

use redis::Commands;
use serde_json::{Value, json};

use super::{assert_error, into, published};
use crate::support::{PATIENCE, Process, RedisServer, Relay, jobwire, until};

/// The events of the overview with their channels.
fn overview() -> Vec<(String, String)> {
    let output = jobwire(&["publish", "channels", "--list"]);
    assert_eq!((output.code, output.stderr.as_str()), (0, ""));
    let row = |line: &str| {
        let mut words = line.strip_prefix("  ")?.split_whitespace();
        Some((words.next()?.to_owned(), words.next()?.to_owned()))
    };
    output.stdout.lines().filter_map(row).collect()
}

/// The fields of an event as the list shows them, each with a value that it takes.
fn fields(event: &str) -> Vec<(String, Value)> {
    let output = jobwire(&["publish", "channels", event, "--list"]);
    assert_eq!(output.code, 0, "{}", output.stderr);
    let field = |line: &str| {
        let (name, takes) = line.strip_prefix("    ")?.split_once("  ")?;
        let value = match takes.trim_start() {
            text if text.starts_with("text") => json!(format!("some {name}")),
            text if text.starts_with("one of info") => json!("warning"),
            text if text.starts_with("a whole number") => json!(if name == "total" { 80 } else { 50 }),
            text if text.starts_with("a number") => json!(0.5),
            text if text.starts_with("a JSON object") => json!({"a": [1]}),
            "computed from current and total" => json!(62.5),
            other => panic!("{event} {name}: {other}"),
        };
        Some((name.trim_end().to_owned(), value))
    };
    output.stdout.lines().filter_map(field).collect()
}

#[test]
fn every_event_of_the_list_goes_out_on_its_channel_as_it_was_given_and_comes_to_a_socket() {
    let redis = RedisServer::start();
    let relay = Relay::start(&["--redis", &redis.url()]);
    until(PATIENCE, "the relay to subscribe", || relay.get("/ready").0 == 200);
    let mut socket = relay.connect("/ws?channels=campaigns,emails,scrapers,ai,demos,notifications,leads");
    assert!(socket.next_text(PATIENCE).contains("\"connected\""));
    let mut connection = redis.connection();
    let mut subscription = connection.as_pubsub();
    subscription.psubscribe("fliptechpro:*").unwrap();
    subscription.set_read_timeout(Some(PATIENCE)).unwrap();
    let overview = overview();
    assert_eq!(overview.len(), 36);
    for (event, channel) in overview {
        let fields = fields(&event);
        let mut args = vec!["channels".to_owned(), event.clone()];
        args.extend(fields.iter().filter(|(name, _)| name != "percent" || event.starts_with("demo:")).map(
            |(name, value)| match value {
                Value::String(text) => format!("{name}={text}"),
                value => format!("{name}={value}"),
            },
        ));
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let output = Process::spawn(&mut into(&redis, &args)).finish(PATIENCE);
        assert_eq!((output.code, output.stderr.as_str()), (0, ""), "{event}");
        let message = subscription.get_message().unwrap();
        assert_eq!(message.get_channel_name(), format!("fliptechpro:{channel}"), "{event}");
        let payload: String = message.get_payload().unwrap();
        assert_eq!(socket.next_text(PATIENCE), payload, "byte for byte");
        let mut payload: Value = serde_json::from_str(&payload).unwrap();
        let timestamp = payload.as_object_mut().unwrap().remove("timestamp").unwrap();
        assert!(timestamp.as_str().unwrap().parse::<jiff::Timestamp>().is_ok(), "{timestamp}");
        let mut expected = json!({"type": event});
        expected.as_object_mut().unwrap().extend(fields);
        assert_eq!(payload, expected);
    }
}

#[test]
fn the_channel_and_the_prefix_are_what_the_user_says() {
    let event = ["channels", "lead:created", "lead_id=7"];
    let count = |pattern: &str, more: &[&str]| published(pattern, &[&event[..], more].concat()).len();
    assert_eq!(count("fliptechpro:leads", &[]), 1);
    assert_eq!(count("fliptechpro:conversations", &["--channel", "conversations"]), 1);
    assert_eq!(count("acme.leads", &["--channel-prefix", "acme."]), 1);
    let output = jobwire(&[&["publish"], &event[..], &["--channel-prefix", "task_updates:"]].concat());
    assert_error(&output, 2, &["--channel-prefix"]);
}

#[test]
fn lines_go_to_the_channels_of_their_types_and_short_forms_are_refused() {
    let redis = RedisServer::start();
    let mut connection = redis.connection();
    let mut subscription = connection.as_pubsub();
    subscription.psubscribe("fliptechpro:*").unwrap();
    subscription.set_read_timeout(Some(PATIENCE)).unwrap();
    let (process, mut stdin) = Process::spawn_fed(&mut into(&redis, &["channels", "--stdin"]));
    let lines = [
        r#"{"type":"lead:created","lead_id":7}"#,
        "45%",
        "# text",
        r#"{"type":"lead:create","lead_id":7}"#,
        r#"{"type":"demo:failed"}"#,
        r#"{"type":"demo:failed","demo_id":"d"}"#,
    ];
    for line in lines {
        std::io::Write::write_all(&mut stdin, format!("{line}\n").as_bytes()).unwrap();
    }
    drop(stdin);
    let output = process.finish(PATIENCE);
    assert_eq!(output.code, 1);
    let expected = "error: line 2: channels events have no progress; write a whole event instead\n\
        error: line 3: channels events have no message; write a whole event instead\n\
        error: line 4: there is no kind 'lead:create'; did you mean 'lead:created'?\n\
        error: line 5: demo:failed needs demo_id\n";
    assert_eq!(output.stderr, expected);
    for (channel, line) in [("leads", lines[0]), ("demos", lines[5])] {
        let message = subscription.get_message().unwrap();
        assert_eq!(message.get_channel_name(), format!("fliptechpro:{channel}"));
        assert_eq!(message.get_payload::<String>().unwrap(), line);
    }
}

#[test]
fn a_registration_is_published_and_its_owner_left_in_redis() {
    let redis = RedisServer::start();
    let mut connection = redis.connection();
    let register = |owner: &str| {
        let args = ["tasks/6b1f", "registered", &format!("user_id={owner}")];
        Process::spawn(&mut into(&redis, &args)).finish(PATIENCE)
    };
    let nobody = format!(
        "warning: nobody is subscribed to 'task_updates:6b1f' at redis://127.0.0.1:{}\n",
        redis.port()
    );
    let output = register("ann");
    assert_eq!((output.code, output.stderr.as_str()), (0, nobody.as_str()));
    let owner: String = connection.hget("jobwire:tasks:6b1f", "owner").unwrap();
    let seconds: i64 = connection.ttl("jobwire:tasks:6b1f").unwrap();
    assert_eq!(owner, "ann");
    assert!((86_000..=86_400).contains(&seconds), "{seconds}");
    let output = register("bob");
    let other = "warning: tasks/6b1f has another owner already, who stays\n";
    assert_eq!((output.code, output.stderr), (0, format!("{other}{nobody}")));
    let owner: String = connection.hget("jobwire:tasks:6b1f", "owner").unwrap();
    assert_eq!(owner, "ann");
    // What only names its user in passing is no registration.
    let args = ["tasks/other", "progress", "step=1", "user_id=ann"];
    assert_eq!(Process::spawn(&mut into(&redis, &args)).finish(PATIENCE).code, 0);
    assert!(!connection.exists::<_, bool>("jobwire:tasks:other").unwrap());
    let events = published("task_updates:*", &["tasks/t", "registered", "user_id=ann"]);
    assert_eq!(events, [json!({"type": "registered", "task_id": "t", "user_id": "ann"})]);
}
