//! `attach` without a target.

use rustix::process::Signal;

use super::{is_given_back, on_terminal, tell};
use crate::support::{PATIENCE, Pty, Relay, jobwire, rows};

fn has(screen: &vt100::Screen, texts: &[&str]) -> bool {
    rows(screen).iter().any(|row| texts.iter().all(|text| row.contains(text)))
}

/// The list to pick from, on a terminal.
fn list(relay: &Relay, args: &[&str]) -> Pty {
    let terminal = on_terminal(relay, 24, 80, &[&["attach"], args].concat());
    terminal.until_shown("Which jobs?");
    terminal
}

#[test]
fn marked_jobs_are_attached_to_whatever_is_in_their_names() {
    let relay = Relay::start(&[]);
    for job in ["one", "two words", "a;b'c\"d", "channel:x"] {
        tell(&relay, job, "progress", r#","percent":50"#);
    }
    tell(&relay, "over", "succeeded", "");
    let mut terminal = list(&relay, &[]);
    let screen = terminal.until("all jobs", |screen| has(screen, &["4 unfinished jobs"]));
    // The newest first.
    let listed: Vec<String> = rows(&screen).into_iter().filter(|row| row.contains("jobs/")).collect();
    assert!(listed[0].contains("jobs/channel:x") && listed[3].contains("jobs/one"), "{listed:#?}");
    terminal.send(" \u{1b}[B \u{1b}[A\u{1b}[A\u{1b}[A");
    terminal.until("the marks", |screen| has(screen, &["2 marked"]));
    terminal.send("\r");
    terminal.until("the bars", |screen| !screen.alternate_screen() && has(screen, &["2 connected"]));
    let screen = terminal.screen();
    assert!(has(&screen, &["jobs/channel:x"]) && has(&screen, &["jobs/two words"]), "{:#?}", rows(&screen));
    tell(&relay, "channel:x", "succeeded", "");
    tell(&relay, "two words", "failed", "");
    assert_eq!(terminal.finish(PATIENCE), 1);
    assert!(is_given_back(&terminal));
}

#[test]
fn without_jobs_it_waits_for_one_and_enter_takes_the_one_under_the_cursor() {
    let relay = Relay::start(&[]);
    let mut terminal = list(&relay, &[]);
    terminal.until_shown("no job is queued or running; waiting for one");
    terminal.send("\r");
    tell(&relay, "build", "progress", r#","percent":50"#);
    terminal.until_shown("jobs/build");
    terminal.send("/nothing");
    terminal.until_shown("no job fits");
    terminal.send("\u{1b}");
    terminal.until_shown("jobs/build");
    terminal.send("\r");
    terminal.until("the bar", |screen| !screen.alternate_screen() && has(screen, &["connected"]));
    tell(&relay, "build", "succeeded", "");
    assert_eq!(terminal.finish(PATIENCE), 0);
}

#[test]
fn who_leaves_without_a_choice_ends_with_130() {
    let relay = Relay::start(&[]);
    tell(&relay, "build", "progress", r#","percent":50"#);
    for keys in ["q", "\u{1b}", "\u{3}"] {
        let mut terminal = list(&relay, &[]);
        terminal.until_shown("jobs/build");
        terminal.send(keys);
        assert_eq!(terminal.finish(PATIENCE), 130, "{keys:?}");
        assert!(is_given_back(&terminal));
    }
}

#[test]
fn after_the_list_signals_stop_and_end_attach_as_without_it() {
    let relay = Relay::start(&[]);
    tell(&relay, "build", "progress", r#","percent":50"#);
    let place = tempfile::TempDir::new().unwrap();
    let file = place.path().join("run.ndjson");
    let record = ["--progress", "plain", "--record", file.to_str().unwrap()];
    for (args, signal, code) in [
        (&record[..2], Signal::HUP, 129),
        (&record[..2], Signal::QUIT, 131),
        (&record[..], Signal::HUP, 129),
        (&record[..], Signal::QUIT, 131),
    ] {
        let mut terminal = list(&relay, args);
        terminal.until_shown("jobs/build");
        terminal.send("\r");
        terminal.until("its line", |screen| !screen.alternate_screen() && has(screen, &["jobs/build", "50"]));
        terminal.signal(signal);
        assert_eq!(terminal.finish(PATIENCE), code, "{args:?} {signal:?}");
        if args.len() > 2 {
            let recorded = std::fs::read_to_string(&file).unwrap();
            assert!(recorded.lines().last().unwrap().contains(r#""result""#), "{recorded}");
        }
    }
    let mut env = relay.env().to_vec();
    env.push(("LANG", "C.UTF-8".to_owned()));
    let mut shell = Pty::shell(24, 80, &env);
    shell.send("jobwire attach --progress plain\n");
    shell.until_shown("jobs/build");
    shell.send("\r");
    shell.until("its line", |screen| !screen.alternate_screen() && has(screen, &["jobs/build", "50"]));
    shell.send("\u{1a}");
    shell.until_shown("Stopped");
    shell.send("fg\n");
    tell(&relay, "build", "succeeded", "");
    shell.until("the end", |screen| has(screen, &["jobs/build", "done 100%"]));
}

#[test]
fn options_that_fit_no_job_are_refused_before_anything_is_asked() {
    for (args, said) in [
        (&["--until-idle", "1s"][..], "--until-idle is for every job of a dialect"),
        (&["--record", "-", "--progress", "json"], "--record - and --progress both write to stdout"),
        (&["--dialect", "channels"], "channels, which list no jobs"),
        (&["--events", "job_progress", "--dialect", "downloads"], "there is no event 'job_progress'"),
    ] {
        let args = [&["attach", "--server", "ws://127.0.0.1:1"], args].concat();
        let mut terminal = Pty::jobwire(24, 80, &args, &[]);
        assert_eq!(terminal.finish(PATIENCE), 2, "{args:?}");
        assert!(terminal.screen().contents().contains(said), "{args:?}: {:#?}", terminal.rows());
    }
}

#[test]
fn the_list_is_of_one_dialect_where_one_is_named() {
    let relay = Relay::start(&[]);
    tell(&relay, "build", "progress", r#","percent":50"#);
    relay.publish("task_updates:t", r#"{"type":"registered","task_id":"t","user_id":"u"}"#);
    relay.publish(
        "download_updates:d",
        r#"{"type":"status","data":{"jobId":"d","status":"processing","progress":7}}"#,
    );
    let terminal = list(&relay, &["--dialect", "downloads"]);
    let screen = terminal.until("its job", |screen| has(screen, &["downloads/d"]));
    assert!(!has(&screen, &["jobs/build"]), "{:#?}", rows(&screen));
}

#[test]
fn off_a_terminal_a_missing_target_is_2_as_ever() {
    let output = jobwire(&["attach"]);
    assert_eq!((output.code, output.stdout.as_str()), (2, ""));
    let expected = "error: the following required arguments were not provided:\n  <TARGET>...\n\nUsage: jobwire attach <TARGET>...\n";
    assert!(output.stderr.starts_with(expected), "{}", output.stderr);
    let mut terminal = Pty::jobwire(24, 80, &["attach", "--server", "ws://127.0.0.1:1"], &[]);
    assert_eq!(terminal.finish(PATIENCE), 3);
    assert!(jobwire(&["attach", "--help"]).stdout.contains("[TARGET]..."));
}
