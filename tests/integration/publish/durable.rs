//! `publish --durable` appends to streams in Redis, in each of its modes, and says what it did.

use std::collections::BTreeMap;
use std::io::Write as _;

use redis::Commands as _;
use serde_json::json;

use super::{assert_error, into};
use crate::support::{Output, PATIENCE, Process, RedisServer, Relay, command, free_port, until};

/// Fields of all entries of a stream by their names, oldest first.
fn entries(redis: &RedisServer, key: &str) -> Vec<BTreeMap<String, String>> {
    let mut range = redis::cmd("XRANGE");
    range.arg(key).arg("-").arg("+");
    let entries: Vec<(String, BTreeMap<String, String>)> = range.query(&mut redis.connection()).unwrap();
    entries.into_iter().map(|(_, fields)| fields).collect()
}

fn durable(redis: &RedisServer, args: &[&str]) -> Output {
    Process::spawn(into(redis, args).arg("--durable")).finish(PATIENCE)
}

fn data(entry: &BTreeMap<String, String>) -> serde_json::Value {
    serde_json::from_str(&entry["data"]).unwrap()
}

#[test]
fn an_event_is_one_entry_of_the_stream_of_its_dialect() {
    let redis = RedisServer::start();
    let mut heard = redis.connection();
    let mut subscription = heard.as_pubsub();
    subscription.psubscribe("*").unwrap();
    for (args, key, job) in [
        (&["scraping/7", "job_started"][..], "scraping_events", None),
        (&["downloads/a b", "processing", "progress=45"], "download_updates", Some("a b")),
        (&["tasks/t-1", "progress", "step=1", "total_steps=5"], "task_updates", Some("t-1")),
        (&["channels", "lead:created", "lead_id=7"], "fliptechpro:leads", None),
        (&["channels", "lead:created", "lead_id=7", "--channel-prefix", "p:"], "p:leads", None),
    ] {
        let output = durable(&redis, args);
        let said = format!("added 1 event to the stream {key}\n");
        assert_eq!((output.code, output.stderr), (0, said), "{args:?}");
        let entries = entries(&redis, key);
        assert_eq!(entries.len(), 1, "{key}");
        assert_eq!(entries[0].get("job").map(String::as_str), job);
        assert_eq!(entries[0].len(), 1 + usize::from(job.is_some()));
        assert!(data(&entries[0]).is_object());
    }
    redis.publish("end", "");
    assert_eq!(subscription.get_message().unwrap().get_channel_name(), "end", "channels hear nothing");
}

#[test]
fn each_line_of_a_pipe_and_each_step_of_a_scenario_is_an_entry_in_its_order() {
    let redis = RedisServer::start();
    let (process, mut stdin) = Process::spawn_fed(&mut into(&redis, &["scraping/7", "--stdin", "--durable"]));
    let lines: Vec<String> = (1..=300).map(|nth| (f64::from(nth) / 4.0).to_string()).collect();
    stdin.write_all(lines.join("\n").as_bytes()).unwrap();
    drop(stdin);
    let output = process.finish(PATIENCE);
    assert_eq!(
        (output.code, output.stderr.as_str()),
        (0, "added 300 events to the stream scraping_events\n")
    );
    let percents: Vec<_> =
        entries(&redis, "scraping_events").iter().map(|entry| data(entry)["progress"].clone()).collect();
    let expected: Vec<_> = (1..=300).map(|nth| json!(f64::from(nth) / 4.0)).collect();
    let floats = |all: Vec<serde_json::Value>| all.iter().map(serde_json::Value::as_f64).collect::<Vec<_>>();
    assert_eq!(floats(percents), floats(expected));

    let scenario = ["--scenario", "all", "--jobs", "4", "--duration", "200ms", "--seed", "7"];
    let output = durable(&redis, &scenario);
    assert_eq!(output.code, 0, "{}", output.stderr);
    let number = |before: &str| -> usize {
        let rest = output.stderr.split(before).nth(1).unwrap_or_else(|| panic!("{}", output.stderr));
        rest.split(' ').next().unwrap().parse().unwrap()
    };
    assert_eq!(number("published "), number("added "), "{}", output.stderr);
    let mut connection = redis.connection();
    let keys: Vec<String> = redis::cmd("KEYS").arg("*").query(&mut connection).unwrap();
    let of_type =
        |key: &String| redis::cmd("TYPE").arg(key).query::<String>(&mut redis.connection()).unwrap();
    let streams: Vec<String> = keys.into_iter().filter(|key| of_type(key) == "stream").collect();
    let all: usize = streams.iter().map(|key| entries(&redis, key).len()).sum();
    assert_eq!(all, 300 + number("added "), "{streams:?}");
    assert!(output.stderr.contains(&format!(" to {} streams\n", streams.len())), "{}", output.stderr);
}

#[test]
fn a_stream_is_trimmed_to_about_a_hundred_thousand_entries() {
    let redis = RedisServer::start();
    let mut monitor = redis.connection();
    let mut filling = redis::pipe();
    for nth in 0..100_300 {
        filling.cmd("XADD").arg("scraping_events").arg("*").arg("data").arg(nth).ignore();
    }
    filling.query::<()>(&mut monitor).unwrap();
    let output = durable(&redis, &["scraping/7", "job_started"]);
    assert_eq!(output.code, 0, "{}", output.stderr);
    let length: u64 = redis::cmd("XLEN").arg("scraping_events").query(&mut monitor).unwrap();
    assert!((100_000..100_200).contains(&length), "{length}");
}

#[test]
fn an_owner_is_left_in_redis_as_well() {
    let redis = RedisServer::start();
    let output = durable(&redis, &["tasks/t", "registered", "user_id=ann"]);
    assert_eq!(output.code, 0, "{}", output.stderr);
    assert_eq!(redis.connection().hget::<_, _, String>("jobwire:tasks:t", "owner").unwrap(), "ann");
    assert_eq!(entries(&redis, "task_updates").len(), 1);
}

#[test]
fn a_relay_that_reads_streams_appends_what_it_gets_over_http() {
    let redis = RedisServer::start();
    let relay = Relay::on(&redis, &["--streams", "scraping"]);
    let output = relay.jobwire(&["publish", "scraping/7", "job_started", "--require-subscribers"]);
    assert_eq!((output.code, output.stderr.as_str()), (0, "added 1 event to the stream scraping_events\n"));
    let (process, mut stdin) = Process::spawn_fed(&mut relay.command(&["publish", "scraping/7", "--stdin"]));
    stdin.write_all(b"10\n55%\n").unwrap();
    drop(stdin);
    let output = process.finish(PATIENCE);
    assert_eq!((output.code, output.stderr.as_str()), (0, "added 2 events to the stream scraping_events\n"));
    assert_eq!(entries(&redis, "scraping_events").len(), 3);
}

#[test]
fn what_cannot_be_durable_is_refused_before_anything_is_sent() {
    let run = |args: &[&str]| Process::spawn(command(&["publish", "--durable"]).args(args)).finish(PATIENCE);
    let event = ["scraping/7", "job_started"];
    assert_error(&run(&event), 2, &["nothing names a Redis", "hint: ", "--redis"]);
    let url = format!("redis://127.0.0.1:{}", free_port());
    let strict = [&event[..], &["--redis", &url, "--require-subscribers"]].concat();
    assert_error(&run(&strict), 2, &["--require-subscribers", "no subscribers"]);
    let celery = ["celery/x", "SUCCESS", "--redis", &url];
    assert_error(&run(&celery), 2, &["Celery publishes the events of celery"]);
}

#[test]
fn a_redis_that_refuses_the_entry_is_named_with_what_to_do() {
    let redis = RedisServer::start();
    let mut connection = redis.connection();
    let () = connection.set("scraping_events", "x").unwrap();
    let event = ["scraping/7", "job_started"];
    assert_error(
        &durable(&redis, &event),
        4,
        &[
            "the key 'scraping_events' at ",
            "holds no stream: it is a string",
            "hint: rename or delete that key",
        ],
    );
    let () = connection.del("scraping_events").unwrap();

    let config = |name: &str, value: &str| {
        redis::cmd("CONFIG").arg("SET").arg(name).arg(value).query::<()>(&mut redis.connection()).unwrap();
    };
    config("maxmemory", "1");
    assert_error(&durable(&redis, &event), 4, &["out of memory", "OOM", "hint: raise maxmemory"]);
    config("maxmemory", "0");

    let acl = ["SETUSER", "worker", "on", ">pw", "~other", "+@all"];
    redis::cmd("ACL").arg(&acl).query::<()>(&mut connection).unwrap();
    let url = redis.url().replace("redis://", "redis://worker:pw@");
    let denied = [&event[..], &["--redis", &url]].concat();
    assert_error(&durable(&redis, &denied), 4, &["NOPERM", "hint: ", "+xadd", "~scraping_events"]);

    redis::cmd("REPLICAOF").arg("127.0.0.1").arg(free_port()).query::<()>(&mut connection).unwrap();
    assert_error(
        &durable(&redis, &event),
        3,
        &["is a replica of", "hint: the URL should lead to the master"],
    );
    let url = format!("{}?replica=ok", redis.url());
    let accepted = [&event[..], &["--redis", &url]].concat();
    assert_error(&durable(&redis, &accepted), 4, &["READONLY", "hint: the URL should lead to the master"]);
    assert!(!connection.exists::<_, bool>("scraping_events").unwrap());
}

#[test]
fn a_pipe_waits_for_a_redis_that_is_away_and_appends_what_waited() {
    let mut redis = RedisServer::start_with(&["--appendonly", "yes"]);
    let args = ["scraping/7", "--stdin", "--durable", "--patience", "60s"];
    let (process, mut stdin) = Process::spawn_fed(&mut into(&redis, &args));
    stdin.write_all(b"{\"event_type\":\"job_started\"}\n").unwrap();
    until(PATIENCE, "the first entry", || entries(&redis, "scraping_events").len() == 1);
    redis.stop();
    stdin.write_all(b"10\n20\n{\"event_type\":\"job_completed\"}\n").unwrap();
    until(PATIENCE, "the outage to be noticed", || {
        process.stderr().contains("events are kept until it is back")
    });
    redis.restart();
    drop(stdin);
    let output = process.finish(PATIENCE);
    assert_eq!(output.code, 0, "{}", output.stderr);
    let kinds: Vec<_> =
        entries(&redis, "scraping_events").iter().map(|entry| data(entry)["event_type"].clone()).collect();
    // Progress that waits gives way to newer progress, and none of these was ever sent before.
    assert_eq!(kinds.first(), Some(&json!("job_started")));
    assert_eq!(kinds.last(), Some(&json!("job_completed")));
    assert!(
        output.stderr.ends_with(&format!("added {} events to the stream scraping_events\n", kinds.len()))
    );
}
