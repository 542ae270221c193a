//! Every job of a dialect: `attach 'scraping/*'`.

use super::{json, known, publish};
use crate::support::server::{Server, answer, http};
use crate::support::{PATIENCE, Process, Relay, until};

/// Watches every job of scraping, once it is connected.
fn watching(relay: &Relay, more: &[&str]) -> Process {
    let process = relay.spawn(&[&["attach", "scraping/*"], more].concat());
    until(PATIENCE, "the socket", || {
        let stdout = process.stdout();
        stdout.contains(" scraping/* connected\n") || stdout.contains("\"connection\":\"connected\"}")
    });
    process
}

#[test]
fn jobs_that_begin_later_are_shown_and_when_nothing_runs_it_ends() {
    let relay = Relay::start(&[]);
    publish(&relay, "scraping/1", "job_started", &[]);
    publish(&relay, "scraping/2", "job_completed", &[]);
    known(&relay, 1, "running");
    let process = watching(&relay, &["--until-idle", "1s"]);
    process.until_printed("scraping/1 started 0%");
    publish(&relay, "scraping/3", "job_started", &[]);
    process.until_printed("scraping/3 started 0%");
    publish(&relay, "scraping/1", "job_completed", &["results_count=7"]);
    publish(&relay, "downloads/a", "completed", &[]);
    publish(&relay, "scraping/3", "job_completed", &[]);
    let output = process.finish(PATIENCE);
    assert_eq!((output.code, output.stderr.as_str()), (0, ""), "{}", output.stdout);
    assert!(output.stdout.contains("scraping/1 done 100% 7 results"), "{}", output.stdout);
    assert!(!output.stdout.contains("scraping/2"), "it had ended: {}", output.stdout);
    assert!(!output.stdout.contains("downloads"), "nobody asked for it: {}", output.stdout);
}

#[test]
fn each_job_has_a_result_and_a_failed_one_makes_it_1() {
    let relay = Relay::start(&[]);
    let process = watching(&relay, &["--until-idle", "500ms", "--progress", "json"]);
    publish(&relay, "scraping/1", "job_started", &[]);
    publish(&relay, "scraping/1", "job_failed", &["message=captcha"]);
    publish(&relay, "scraping/2", "job_completed", &[]);
    let output = process.finish(PATIENCE);
    assert_eq!(output.code, 1, "{}{}", output.stdout, output.stderr);
    let results: Vec<(String, String)> = json(&output.stdout)
        .iter()
        .filter_map(|line| line["result"].as_object())
        .map(|result| {
            (result["target"].as_str().unwrap().to_owned(), result["outcome"].as_str().unwrap().to_owned())
        })
        .collect();
    let expected = [("scraping/1", "failed"), ("scraping/2", "succeeded")];
    assert_eq!(results, expected.map(|(target, outcome)| (target.to_owned(), outcome.to_owned())));
    // A run that is repeated with success makes up for it.
    let process = watching(&relay, &["--until-idle", "1s"]);
    publish(&relay, "scraping/4", "job_failed", &[]);
    publish(&relay, "scraping/4", "job_started", &[]);
    process.until_printed("scraping/4 run 2 started");
    publish(&relay, "scraping/4", "job_completed", &[]);
    assert_eq!(process.finish(PATIENCE).code, 0);
}

#[test]
fn without_an_end_it_goes_on_until_it_is_interrupted() {
    let relay = Relay::start(&[]);
    let process = watching(&relay, &[]);
    publish(&relay, "scraping/1", "job_completed", &[]);
    process.until_printed("scraping/1 done");
    publish(&relay, "scraping/2", "job_completed", &[]);
    process.until_printed("scraping/2 done");
    process.signal(rustix::process::Signal::INT);
    assert_eq!(process.finish(PATIENCE).code, 130);
    let output = relay.jobwire(&["attach", "scraping/*", "--fail-fast", "--timeout", "1s"]);
    assert_eq!(output.code, 8, "{}", output.stderr);
    assert!(output.stderr.contains("not ended: scraping/*"), "{}", output.stderr);
}

#[test]
fn a_server_without_lists_and_a_relay_that_keeps_them_closed_say_what_to_do() {
    let server = Server::start(|stream, _| answer(stream, &http("404 Not Found", "")));
    let url = format!("ws://{}", server.address());
    let output = crate::support::jobwire(&["attach", "scraping/*", "--server", &url]);
    assert_eq!(output.code, 3, "{}", output.stderr);
    assert!(output.stderr.contains("it offers no /watch") && output.stderr.contains("hint: name the jobs"));
    // A listener that is not on loopback keeps its lists to who has the key.
    let relay = Relay::listening_on("0.0.0.0:0", &[]);
    let url = format!("ws://127.0.0.1:{}", relay.address().rsplit(':').next().unwrap());
    let args = ["attach", "scraping/*", "--server", &url, "--until-idle", "100ms"];
    let output = crate::support::jobwire(&args);
    assert_eq!(output.code, 4, "{}{}", output.stdout, output.stderr);
    assert!(output.stderr.contains("hint: ") && output.stderr.contains("--lists open"), "{}", output.stderr);
    // Its own user has it.
    let output = relay.jobwire(&args);
    assert_eq!((output.code, output.stderr.as_str()), (0, ""), "{}", output.stdout);
    let key = std::fs::read_to_string(relay.key_file()).unwrap();
    let output = crate::support::jobwire(&[&args[..], &["--publish-key", key.trim()]].concat());
    assert_eq!(output.code, 0, "{}", output.stderr);
}

#[test]
fn idleness_of_named_jobs_is_bad_usage() {
    let output = crate::support::jobwire(&["attach", "scraping/1", "--until-idle", "1s"]);
    assert_eq!(output.code, 2, "{}", output.stderr);
    assert!(output.stderr.contains("hint: watch one with DIALECT/*"), "{}", output.stderr);
    for args in [&["publish", "scraping/*", "job_started"][..], &["bench", "scraping/*"]] {
        let output = crate::support::jobwire(args);
        assert_eq!(output.code, 2, "{}", output.stderr);
        assert!(output.stderr.contains("hint: attach takes DIALECT/*"), "{}", output.stderr);
    }
}
