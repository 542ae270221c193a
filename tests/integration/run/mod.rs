//! Tests of `jobwire run` with the real binary, a real Redis and real terminals.

mod signals;
mod terminal;

use std::io::Write as _;
use std::process::Command;
use std::sync::{Arc, Mutex, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use redis::Commands;
use serde_json::{Value, json};

use crate::support::{Output, PATIENCE, Process, RedisServer, command, jobwire, until};

/// URL with a port on which nothing listens.
const NOWHERE: &str = "redis://127.0.0.1:1";

/// Command `jobwire run` of the job `jobs/j`, which publishes into this Redis.
fn run(redis: &str, flags: &[&str], words: &[&str]) -> Command {
    let mut run = command(&["run", "j", "--quiet"]);
    run.args(flags).arg("--").args(words).env("JOBWIRE_REDIS", redis);
    run
}

/// Runs a command. Returns its output and the events of its job, without values that differ between runs.
fn told(flags: &[&str], words: &[&str]) -> (Output, Vec<Value>) {
    let redis = RedisServer::start();
    let events = Events::of(&redis);
    let output = Process::spawn(&mut run(&redis.url(), flags, words)).finish(PATIENCE);
    (output, events.all())
}

/// Collector of the events that are published to a Redis.
struct Events {
    collected: Arc<Mutex<Vec<Value>>>,
    collector: JoinHandle<()>,
    redis: redis::Connection,
}

impl Events {
    /// Subscribes and begins to collect.
    fn of(redis: &RedisServer) -> Self {
        let mut connection = redis.connection();
        let (subscribed, is_subscribed) = mpsc::channel();
        let collected = Arc::new(Mutex::new(Vec::new()));
        let events = Arc::clone(&collected);
        let collector = std::thread::spawn(move || {
            let mut subscription = connection.as_pubsub();
            subscription.set_read_timeout(Some(PATIENCE)).unwrap();
            subscription.psubscribe("job_updates:*").unwrap();
            subscribed.send(()).unwrap();
            let next = || -> Value {
                serde_json::from_slice(subscription.get_message().unwrap().get_payload_bytes()).unwrap()
            };
            for event in std::iter::repeat_with(next).take_while(|event| event != "end") {
                events.lock().unwrap().push(event);
            }
        });
        is_subscribed.recv().unwrap();
        Self { collected, collector, redis: redis.connection() }
    }

    /// Waits until this many events satisfy `condition`.
    fn until(&self, number: usize, condition: impl Fn(&Value) -> bool) {
        until(PATIENCE, "events", || {
            self.collected.lock().unwrap().iter().filter(|event| condition(event)).count() >= number
        });
    }

    /// All events so far.
    fn whole(mut self) -> Vec<Value> {
        let _: u64 = self.redis.publish("job_updates:end", "\"end\"").unwrap();
        self.collector.join().unwrap();
        std::mem::take(&mut *self.collected.lock().unwrap())
    }

    /// All events so far, without values that differ between runs.
    fn all(self) -> Vec<Value> {
        let mut events = self.whole();
        for fields in events.iter_mut().filter_map(Value::as_object_mut) {
            for name in ["job", "timestamp", "host", "pid"] {
                fields.shift_remove(name);
            }
        }
        events
    }
}

#[test]
fn output_passes_through_and_the_exit_code_is_the_commands() {
    let script = r"printf 'a\377\000b\n\r50%%\r'; printf 'no end' >&2; exit 3";
    let mut run = run(NOWHERE, &["--redis", NOWHERE], &["sh", "-c", script]);
    let output = run.output().unwrap();
    assert_eq!(output.stdout, b"a\xff\x00b\n\r50%\r");
    assert!(output.stderr.starts_with(b"no end"), "{output:?}");
    assert_eq!(output.status.code(), Some(3));
}

#[test]
fn a_job_starts_goes_on_and_ends_as_its_command_does() {
    let (output, events) = told(&[], &["sh", "-c", "echo '[ 45%] building'; exit 0"]);
    assert_eq!((output.code, output.stdout.as_str(), output.stderr.as_str()), (0, "[ 45%] building\n", ""));
    assert_eq!(events.first().unwrap(), &json!({"event": "started", "command": "sh"}));
    assert_eq!(events.last().unwrap(), &json!({"event": "succeeded"}));
    assert!(events.iter().any(|event| event["percent"] == 45.0), "{events:?}");
    let (output, events) = told(&["--show-command"], &["sh", "-c", "exit 7"]);
    assert_eq!(output.code, 7);
    let started = json!({"event": "started", "command": "sh -c exit 7"});
    assert_eq!(events, [started, json!({"event": "failed", "exit_code": 7})]);
    let (output, events) = told(&[], &["sh", "-c", "kill -SEGV $$"]);
    assert_eq!(output.code, 139);
    assert_eq!(events.last().unwrap(), &json!({"event": "failed", "signal": "SIGSEGV"}));
}

#[test]
fn what_cannot_be_run_fails_with_the_codes_of_a_shell() {
    for (word, code, said) in [
        ("no-such-command", 127, "there is no command no-such-command"),
        ("/etc/passwd", 126, "permission denied"),
        ("/etc", 126, "it is a folder"),
    ] {
        let (output, events) = told(&[], &[word]);
        assert_eq!(output.code, code, "{}", output.stderr);
        assert!(output.stderr.contains(said), "{}", output.stderr);
        let [event] = &events[..] else { panic!("{events:?}") };
        assert_eq!((&event["event"], &event["exit_code"]), (&json!("failed"), &json!(code)));
        assert!(event["error"].as_str().unwrap().contains(said), "{event}");
    }
}

#[test]
fn wrong_usage_is_refused_before_anything_runs() {
    for args in [
        &["run", "make"][..],
        &["run", "j", "make"],
        &["run", "--"],
        &["run"],
        &["run", "scraping/1", "--", "echo", "ran"],
        &["run", "jobs/*", "--", "echo", "ran"],
        &["run", "--progress-regex", "(", "--", "echo", "ran"],
        &["run", "--progress-regex", r"\d+", "--", "echo", "ran"],
        &["run", "--durable", "--", "echo", "ran"],
        &["run", "--pty", "maybe", "--", "echo", "ran"],
        &["run", "--heartbeat", "0", "--", "echo", "ran"],
    ] {
        let output = jobwire(args);
        assert_eq!((output.code, output.stdout.as_str()), (2, ""), "{args:?}: {}", output.stderr);
        assert!(output.stderr.starts_with("error: "), "{args:?}: {}", output.stderr);
    }
    for args in [&["run", "make"][..], &["run", "make", "-j8"], &["run", "--"], &["run"]] {
        let stderr = jobwire(args).stderr;
        assert!(stderr.ends_with("stand after --, as in `jobwire run -- make -j8`\n"), "{args:?}: {stderr}");
    }
    let unnamed = jobwire(&["run", "--progress-regex", r"\d+", "--", "true"]).stderr;
    assert!(["percent", "step", "total", "message"].iter().all(|group| unnamed.contains(group)), "{unnamed}");
}

#[test]
fn a_redis_that_is_away_changes_nothing_and_is_said_at_the_end() {
    let output = Process::spawn(&mut run(NOWHERE, &[], &["sh", "-c", "echo hi; exit 5"])).finish(PATIENCE);
    assert_eq!((output.code, output.stdout.as_str()), (5, "hi\n"));
    assert!(
        output.stderr.contains("2 events were not sent for jobs/j: could not connect"),
        "{}",
        output.stderr
    );
}

#[test]
fn a_server_that_does_not_answer_is_named() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    let mut run = command(&["run", "j", "--quiet", "--server", &format!("http://{address}"), "--", "true"]);
    let output = Process::spawn(&mut run).finish(PATIENCE);
    let said =
        format!("jobwire: warning: 2 events were not sent for jobs/j: no answer from {address} in time\n");
    assert_eq!((output.code, output.stderr), (0, said));
}

#[test]
fn a_refused_login_is_said_without_the_password() {
    let redis = RedisServer::start();
    let url = redis.url().replace("redis://", "redis://somebody:hunter2@");
    let output = Process::spawn(&mut run(&url, &[], &["sh", "-c", "exit 5"])).finish(PATIENCE);
    assert_eq!(output.code, 5);
    assert!(output.stderr.contains("2 events were not sent for jobs/j"), "{}", output.stderr);
    assert!(output.stderr.contains("refused the login"), "{}", output.stderr);
    assert!(!output.stderr.contains("hunter2"), "{}", output.stderr);
}

#[test]
fn the_newest_progress_is_told_again_after_a_silence() {
    let redis = RedisServer::start();
    let events = Events::of(&redis);
    let script = ["sh", "-c", "echo 40%; read line"];
    let (process, stdin) = Process::spawn_fed(&mut run(&redis.url(), &["--heartbeat", "100ms"], &script));
    events.until(3, |event| event["percent"] == 40.0);
    drop(stdin);
    process.finish(PATIENCE);
    let events = events.all();
    let kinds: Vec<_> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert_eq!((kinds[0], *kinds.last().unwrap()), ("started", "failed"));
    assert!(kinds[1..kinds.len() - 1].iter().all(|kind| *kind == "progress"), "{events:?}");
}

#[test]
fn a_jobwire_inside_reports_to_the_same_job() {
    let script = format!(
        r#"'{}' publish "$JOBWIRE_TARGET" progress percent=12.5 message=inside"#,
        crate::support::program().display()
    );
    let redis = RedisServer::start();
    let events = Events::of(&redis);
    // The flag alone names the Redis, and the inner jobwire does not see the flag.
    let mut run = command(&["run", "j", "--redis", &redis.url(), "--", "sh", "-c", &script]);
    let output = Process::spawn(&mut run).finish(PATIENCE);
    assert_eq!(output.code, 0, "{}", output.stderr);
    assert!(output.stderr.contains("watch with: jobwire attach jobs/j"), "{}", output.stderr);
    assert!(!output.stderr.contains("warning"), "{}", output.stderr);
    let inside = json!({"event": "progress", "percent": 12.5, "message": "inside"});
    let events = events.all();
    assert!(events.contains(&inside), "{events:?}");
}

#[test]
fn lines_are_told_and_those_left_out_are_counted() {
    let (output, events) = told(&["--log"], &["sh", "-c", "echo one; echo two >&2; printf last"]);
    assert_eq!(output.code, 0, "{}", output.stderr);
    let log = |line: &str, stream: &str| json!({"event": "log", "line": line, "stream": stream});
    for line in [log("one", "stdout"), log("two", "stderr"), log("last", "stdout")] {
        assert!(events.contains(&line), "{line} is not in {events:?}");
    }
    let (_, events) = told(&["--log"], &["seq", "200000"]);
    let lines: Vec<&str> = events.iter().filter_map(|event| event["line"].as_str()).collect();
    let left_out = |line: &&str| line.strip_prefix("… ")?.split(' ').next()?.parse::<usize>().ok();
    let counted: usize = lines.iter().filter_map(left_out).sum();
    assert!(counted > 0 && lines.len() < 5000, "{} lines", lines.len());
    assert_eq!(lines.last(), Some(&"200000"));
}

#[test]
fn a_flood_of_output_passes_whole_and_its_last_progress_is_told() {
    let numbers: String = (1..=2_000_000).map(|number| number.to_string() + "\n").collect();
    let whole = format!("{numbers}99%\n");
    let words = ["sh", "-c", "seq 2000000; echo 99%"];
    let (output, events) = told(&[], &words);
    assert!(output.stdout == whole, "{} bytes of {}", output.stdout.len(), whole.len());
    assert_eq!(
        events[events.len() - 2..],
        [json!({"event": "progress", "percent": 99.0}), json!({"event": "succeeded"})]
    );
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("output");
    for is_appended in [false, true] {
        let file = std::fs::File::options().create(true).write(true).append(is_appended).open(&path).unwrap();
        let status =
            run(NOWHERE, &[], &words).stdout(file).stderr(std::process::Stdio::null()).status().unwrap();
        assert!(status.success());
    }
    let written = std::fs::read_to_string(&path).unwrap();
    assert!(written == whole.repeat(2), "{} bytes of twice {}", written.len(), whole.len());
}

#[test]
fn two_floods_into_one_stream_are_both_whole() {
    let redis = RedisServer::start();
    let folder = tempfile::tempdir().unwrap();
    let flood = "head -c $0 /dev/zero | tr '\\0' o & head -c $0 /dev/zero | tr '\\0' e >&2; wait";
    let length = 50_000_000;
    for into in ["> file 2>&1", "2>&1 | cat > file"] {
        let mut bash = Command::new("bash");
        let script = format!("rm -f file; \"$@\" {into}");
        let run = run(&redis.url(), &[], &["sh", "-c", flood, &length.to_string()]);
        bash.args(["-c", &script, "bash"]).arg(run.get_program()).args(run.get_args()).env_clear();
        bash.envs(run.get_envs().filter_map(|(name, value)| Some((name, value?)))).current_dir(&folder);
        assert_eq!(Process::spawn(&mut bash).finish(PATIENCE).code, 0);
        let written = std::fs::read(folder.path().join("file")).unwrap();
        for (stream, byte) in [("stdout", b'o'), ("stderr", b'e')] {
            let count = memchr::memchr_iter(byte, &written).count();
            assert_eq!(count, length, "{into}: {stream}");
        }
        assert_eq!(written.len(), 2 * length, "{into}");
    }
}

#[test]
fn a_command_ends_with_its_child_and_not_with_what_that_left_behind() {
    let mut left = run(NOWHERE, &[], &["sh", "-c", "sleep 60 & echo $!"]);
    let output = Process::spawn(&mut left).finish(Duration::from_secs(30));
    assert_eq!(output.code, 0);
    let pid = output.stdout.trim().parse().ok().and_then(rustix::process::Pid::from_raw).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}

#[test]
fn a_pipeline_is_that_of_a_shell() {
    let program = crate::support::program().display().to_string();
    let script = format!(
        "set -o pipefail; j() {{ exec '{program}' run j --quiet --redis {NOWHERE} -- \"$@\" 2>/dev/null; }}
         j yes | head -1; echo $?
         seq 3 | j tail -1
         j sh -c 'exec 1>&-; read line < \"$0\"; echo told >&2' \"$FIFO\" | {{ cat; echo closed; echo on > \"$FIFO\"; }}"
    );
    let folder = tempfile::tempdir().unwrap();
    let fifo = folder.path().join("fifo");
    let mut bash = Command::new("bash");
    bash.args(["-c", &format!("mkfifo \"$FIFO\"; {script}")]).env("FIFO", &fifo);
    let output = Process::spawn(&mut bash).finish(PATIENCE);
    assert_eq!(output.stdout, "y\n141\n3\nclosed\n", "{}", output.stderr);
}

#[test]
fn what_is_fed_to_jobwire_is_the_commands_input() {
    let (process, mut stdin) = Process::spawn_fed(&mut run(NOWHERE, &[], &["cat"]));
    stdin.write_all(b"fed\n").unwrap();
    process.until_printed("fed\n");
    drop(stdin);
    assert_eq!(process.finish(PATIENCE).code, 0);
}
