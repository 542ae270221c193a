//! `jobwire bench --find`: what it found is told from what it could not try.

use std::process::Command;

use rustix::process::Signal;

use super::support::{PATIENCE, Process, Pty, Relay, command, until};
use super::{bench, read};

/// Searches for connections, without events.
fn idle<'a>(server: &'a str, duration: &'a str) -> [&'a str; 12] {
    [
        "idle",
        "--server",
        server,
        "-d",
        duration,
        "--allow-client-bound",
        "--find",
        "connections",
        "--within",
        "connect.failed==0",
        "-c",
        "10",
    ]
}

/// The program where a process may have so many descriptors.
fn with_descriptors(count: u32, args: &[&str]) -> Command {
    let own = command(args);
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(format!("ulimit -n {count} && exec \"$0\" \"$@\""));
    shell.arg(own.get_program()).args(own.get_args()).env_clear();
    shell.envs(own.get_envs().filter_map(|(name, value)| Some((name, value?))));
    shell
}

#[test]
fn what_this_client_allows_is_no_capacity_of_the_server() {
    let relay = Relay::start(&[]);
    let server = format!("ws://{}", relay.address());
    let folder = tempfile::tempdir().unwrap();
    let [markdown, html] = ["r.md", "r.html"].map(|name| folder.path().join(name));
    let files = ["--markdown", markdown.to_str().unwrap(), "--html", html.to_str().unwrap()];
    let fixed = ["bench", "--output", "json"];
    let search = idle(&server, "200ms");
    let args = [&fixed[..], &search, &files].concat();
    let output = Process::spawn(&mut with_descriptors(200, &args)).finish(PATIENCE * 2);
    assert_eq!(output.code, 0, "{}", output.stderr);
    assert!(output.stderr.contains("tried 72: kept ("), "{}", output.stderr);
    let find = &read(&output.stdout)["find"];
    assert_eq!((find["found"].as_u64(), find["confirmed"].as_bool()), (Some(72), Some(true)), "{find}");
    assert_eq!((&find["ceiling"]["load"], &find["ceiling"]["of"]), (&72.into(), &"descriptors".into()));
    assert!(find["ceiling"]["hint"].as_str().unwrap().contains("ulimit -Hn"), "{find}");
    let said = "at least 72 connections: this client can hold no more (its descriptors)";
    for path in [markdown, html] {
        let report = std::fs::read_to_string(&path).unwrap();
        assert!(report.contains(said) && report.contains("ulimit -Hn"), "{report}");
    }
    let answer = format!("found: {said}; confirmed by a longer run; within connect.failed==0");
    assert_eq!(read(&output.stdout)["headline"], answer);
}

#[test]
fn a_server_that_holds_less_is_the_limit_itself() {
    let relay = Relay::start(&[]);
    let server = format!("ws://{}", relay.address());
    let mut args = idle(&server, "200ms").to_vec();
    args[9] = "connections<=20";
    let folder = tempfile::tempdir().unwrap();
    let [markdown, html] = ["r.md", "r.html"].map(|name| folder.path().join(name));
    let files = ["--markdown", markdown.to_str().unwrap(), "--html", html.to_str().unwrap()];
    let (output, summary) = bench(&[&args[..], &files].concat());
    assert_eq!(output.code, 0, "{}", output.stderr);
    let answer = "found: 20 connections, confirmed by a longer run; within connections<=20";
    assert_eq!(summary["headline"], answer);
    let markdown = std::fs::read_to_string(markdown).unwrap();
    assert_eq!(
        markdown.lines().next(),
        Some("### found: 20 connections, confirmed by a longer run; within connections&lt;=20")
    );
    assert!(markdown.contains("Verdict: **found**"), "{markdown}");
    let html = std::fs::read_to_string(html).unwrap();
    assert!(html.contains(&format!("<h1>{}</h1>", answer.replace('<', "&lt;"))), "{html}");
    assert!(!html.contains("nothing demanded") && html.contains(">found</div>"), "{html}");
    let find = &summary["find"];
    assert_eq!((&find["found"], &find["longer"]), (&20.into(), &true.into()), "{find}");
    assert!(find["ceiling"].is_null(), "{find}");
    assert!((find["probes"][0]["seconds"].as_f64().unwrap() - 0.2).abs() < 0.01, "{find}");
}

#[test]
fn a_search_that_is_interrupted_says_what_was_kept_so_far() {
    let relay = Relay::start(&[]);
    let server = format!("ws://{}", relay.address());
    let search = idle(&server, "1s");
    let process = Process::spawn(&mut command(&[&["bench"], &search[..]].concat()));
    until(PATIENCE, "the first run of the search", || process.stderr().contains("tried 10: kept"));
    until(PATIENCE, "another run", || relay.stats()["total_connections"].as_u64() >= Some(20));
    process.signal(Signal::INT);
    let output = process.finish(PATIENCE);
    assert_eq!(output.code, 130, "{}", output.stderr);
    assert!(
        output.stdout.contains("interrupted: ") && output.stdout.contains("kept so far"),
        "{}",
        output.stdout
    );
    assert!(output.stdout.contains("Verdict: none, interrupted"), "{}", output.stdout);
    assert!(!output.stdout.contains("FAILED") && !output.stdout.contains("found: none"), "{}", output.stdout);
    assert!(!output.stdout.contains(" no  "), "{}", output.stdout);
}

#[test]
fn a_search_that_is_interrupted_at_once_knows_nothing() {
    let relay = Relay::start(&[]);
    let server = format!("ws://{}", relay.address());
    let search = idle(&server, "60s");
    let process = Process::spawn(&mut command(&[&["bench", "--output", "json"], &search[..]].concat()));
    relay.until_connections(10);
    process.signal(Signal::INT);
    let output = process.finish(PATIENCE);
    assert_eq!(output.code, 130, "{}", output.stderr);
    assert!(output.stderr.contains("tried 10: interrupted"), "{}", output.stderr);
    let summary = read(&output.stdout);
    let find = &summary["find"];
    assert_eq!(summary["partial"], "interrupted");
    assert_eq!((&find["interrupted"], find["found"].is_null()), (&true.into(), true), "{find}");
    assert_eq!(
        (&find["probes"][0]["interrupted"], &find["probes"][0]["passed"]),
        (&true.into(), &false.into())
    );
}

#[test]
fn where_nothing_is_held_rows_say_how_long_a_run_took() {
    let relay = Relay::start(&[]);
    let server = format!("ws://{}", relay.address());
    let mut args = idle(&server, "1s").to_vec();
    args.drain(3..5); // Nothing comes of a duration there.
    (args[0], args[7]) = ("connect", "connections<=20");
    let output = Process::spawn(&mut command(&[&["bench"], &args[..]].concat())).finish(PATIENCE * 2);
    assert_eq!(output.code, 0, "{}\n{}", output.stderr, output.stdout);
    let report = &output.stdout;
    let answer = "found: 20 connections, confirmed by a second run; within connections<=20";
    assert_eq!(report.lines().next(), Some(answer));
    assert!(report.contains("Verdict: found") && !report.contains("Verdict: none"), "{report}");
    assert!(report.contains("confirmed by a second run") && !report.contains("longer run"), "{report}");
    assert!(report.contains("  took  ") && !report.contains("held for"), "{report}");
    assert!(!report.contains(" 0 µs  yes"), "{report}");
}

#[test]
fn the_live_view_names_the_load_that_is_tried() {
    let relay = Relay::start(&[]);
    let server = format!("ws://{}", relay.address());
    let search = idle(&server, "1s");
    let mut terminal =
        Pty::jobwire(30, 100, &[&["bench"], &search[..]].concat(), &[("TERM", "xterm".to_owned())]);
    terminal.until_shown("probe 1: 10 connections");
    terminal.until_shown("probe 2: 20 connections");
    terminal.send("\u{3}");
    assert_eq!(terminal.finish(PATIENCE), 130);
}
