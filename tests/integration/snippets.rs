//! Runs the files in `jobwire-workers.7` for workers, a page, Celery and BullMQ.

use std::fs;
use std::process::Command;
use std::time::Duration;

use redis::Commands;
use tempfile::TempDir;

use crate::clients::node;
use crate::documents::shown_file;
use crate::support::{PATIENCE, Process, RedisServer, Relay, node_modules, until, wait_for};

/// Python and npm are slow on a machine that is busy.
const SLOW: Duration = Duration::from_mins(2);

/// A folder with a file from the manual page, adapted to this Redis and this relay.
fn snippet(name: &str, redis: &RedisServer, relay: &Relay) -> TempDir {
    let text = shown_file("man/jobwire-workers.7", name)
        .replace("redis://127.0.0.1:6379", &redis.url())
        .replace("redis://localhost", &redis.url())
        .replace("port: 6379", &format!("port: {}", redis.port()))
        .replace("127.0.0.1:8000", relay.address());
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join(name), text).unwrap();
    dir
}

/// Runs a command there to its end, which must be good.
fn run(command: &mut Command, dir: &TempDir) -> String {
    let output = Process::spawn(command.current_dir(dir.path())).finish(SLOW);
    assert_eq!(output.code, 0, "{}{}", output.stdout, output.stderr);
    output.stdout
}

/// Attaches to a job of `jobs`, runs its worker, and returns what attach printed.
fn watched(relay: &Relay, job: &str, worker: &mut Command, dir: &TempDir) -> String {
    let attach = relay.spawn(&["attach", job, "--progress", "plain"]);
    relay.until_connections(1);
    run(worker, dir);
    let output = attach.finish(PATIENCE);
    assert_eq!(output.code, 0, "{}", output.stderr);
    relay.until_connections(0);
    output.stdout
}

#[test]
fn the_workers_of_the_page_are_watched_to_their_end() {
    let redis = RedisServer::start();
    let relay = Relay::on(&redis, &[]);
    let dir = snippet("worker.py", &redis, &relay);
    let printed = watched(&relay, "from-python", Command::new("python3").arg("worker.py"), &dir);
    assert!(printed.contains("jobs/from-python done 100%"), "{printed}");

    let dir = snippet("worker.mjs", &redis, &relay);
    std::os::unix::fs::symlink(node_modules(), dir.path().join("node_modules")).unwrap();
    let printed = watched(&relay, "from-node", Command::new("node").arg("worker.mjs"), &dir);
    assert!(printed.contains("jobs/from-node done 100%"), "{printed}");
}

#[test]
fn the_web_page_and_the_first_steps_follow_a_task() {
    let redis = RedisServer::start();
    let relay = Relay::on(&redis, &[]);
    let page = snippet("watch.mjs", &redis, &relay);
    let script = r#"import { watch } from "./watch.mjs"; watch("t/1", (status, result) => console.log(status, result));"#;
    fs::write(page.path().join("page.mjs"), script).unwrap();
    let page_process = Process::spawn(node().arg("page.mjs").current_dir(page.path()));
    relay.until_connections(1);

    let app = snippet("tasks.py", &redis, &relay);
    let worker = ["-m", "celery", "-A", "tasks", "worker", "-P", "solo", "-l", "INFO", "--without-mingle"];
    let worker = Process::spawn(Command::new("python3").args(worker).current_dir(app.path()));
    let send = "import tasks; print(tasks.add.apply_async((4, 4), task_id='t/1').id)";
    assert_eq!(run(Command::new("python3").args(["-c", send]), &app), "t/1\n");
    until(SLOW, "the task to be done", || relay.get("/celery/t%2F1").0 == 200);
    let output = page_process.finish(PATIENCE);
    assert_eq!((output.code, output.stdout.as_str()), (0, "SUCCESS 8\n"), "{}", worker.stderr());
    let late = relay.jobwire(&["attach", "celery/t/1", "--progress", "plain"]);
    assert!(late.code == 0 && late.stdout.ends_with("celery/t/1 done 100% 8\n"), "{}", late.stdout);
    // Without a server the page comes back.
    let alone = snippet("watch.mjs", &redis, &relay);
    fs::write(alone.path().join("page.mjs"), script).unwrap();
    let address = relay.address().to_owned();
    relay.kill();
    let page_process = Process::spawn(node().arg("page.mjs").current_dir(alone.path()));
    let relay = Relay::listening_on(&address, &["--redis", &redis.url()]);
    wait_for(PATIENCE, "the relay to subscribe", || (relay.get("/ready").0 == 200).then_some(()));
    assert_eq!(page_process.finish(PATIENCE).stdout, "SUCCESS 8\n");
}

#[test]
fn the_queue_of_the_page_is_watched_to_its_end() {
    let redis = RedisServer::start();
    // A queue that is there before the relay is found at its start, and any other one within a minute.
    let _: () = redis.connection().hset("bull:videos:meta", "opts.maxLenEvents", "10000").unwrap();
    let relay = Relay::on(&redis, &[]);
    let dir = snippet("videos.mjs", &redis, &relay);
    std::os::unix::fs::symlink(node_modules(), dir.path().join("node_modules")).unwrap();
    let worker = Process::spawn(Command::new("node").arg("videos.mjs").current_dir(dir.path()));
    until(SLOW, "the job", || worker.stdout().ends_with("jobwire attach bullmq/videos:1\n"));
    let attach = relay.jobwire(&["attach", "bullmq/videos:1", "--progress", "plain"]);
    assert!(attach.code == 0 && attach.stdout.ends_with("done 100% 4 frames\n"), "{}", attach.stdout);
}
