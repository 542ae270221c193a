//! On a terminal.

use rustix::process::Signal;

use super::{is_given_back, jobs, on_terminal, tell, top};
use crate::support::{PATIENCE, Pty, RawSocket, RedisServer, Relay, jobwire, rows, until};

/// The row that holds a text.
#[track_caller]
fn row(screen: &vt100::Screen, text: &str) -> String {
    let rows = rows(screen);
    rows.iter().find(|row| row.contains(text)).unwrap_or_else(|| panic!("no {text:?} in {rows:#?}")).clone()
}

/// Whether a row of the screen holds all of the texts.
fn has(screen: &vt100::Screen, texts: &[&str]) -> bool {
    rows(screen).iter().any(|row| texts.iter().all(|text| row.contains(text)))
}

#[test]
fn jobs_are_listed_with_bars_and_watchers_and_the_counts_move() {
    let relay = Relay::start(&[]);
    tell(&relay, "build", "progress", r#","percent":50,"message":"linking""#);
    tell(&relay, "tests", "failed", r#","error":"2 of 9""#);
    let _watcher = relay.connect("/ws/jobs/build");
    let mut terminal = top(&relay, 24, 80, &[]);
    let screen = terminal.until("the watcher", |screen| has(screen, &["jobs/build", " 1 linking"]));
    let build = row(&screen, "jobs/build");
    assert!(build.starts_with("● jobs/build") && build.contains(" 50% ━━━━━───── "), "{build}");
    assert!(row(&screen, "jobs/tests").starts_with("✗ jobs/tests"), "{:#?}", rows(&screen));
    assert!(row(&screen, "jobwire top").ends_with("· 2 jobs: 1 running, 1 failed"), "{:#?}", rows(&screen));
    assert!(row(&screen, "connection").starts_with("1 connection"), "{:#?}", rows(&screen));
    assert!(row(&screen, "broker embedded").starts_with("relay "), "{:#?}", rows(&screen));
    tell(&relay, "build", "succeeded", "");
    tell(&relay, "new", "started", "");
    terminal
        .until("the end", |screen| has(screen, &["✓ jobs/build", "100%"]) && has(screen, &["● jobs/new"]));
    terminal.send("q");
    assert_eq!(terminal.finish(PATIENCE), 0);
    assert!(is_given_back(&terminal));
}

#[test]
fn a_thousand_jobs_are_scrolled_found_and_sorted_on_a_small_screen() {
    let relay = Relay::start(&[]);
    jobs(&relay, 1_000);
    let mut terminal = top(&relay, 24, 80, &["--sort", "name"]);
    let screen = terminal.until("all jobs", |screen| has(screen, &["1-19 of 1,000"]));
    assert_eq!(rows(&screen).len(), 24);
    assert!(has(&screen, &["● jobs/000", " 0% ──────────", "step 0"]));
    terminal.send("G");
    terminal
        .until("the last job", |screen| has(screen, &["jobs/999"]) && has(screen, &["982-1,000 of 1,000"]));
    terminal.send("N");
    terminal.until("the other way round", |screen| has(screen, &["by name ↑"]));
    // The cursor stayed on the last job, which is the first one now.
    terminal.until("the first row", |screen| has(screen, &["1-19 of 1,000"]));
    terminal.send("/step 42");
    terminal.until("those that fit", |screen| has(screen, &["/step 42", "all 11"]));
    terminal.send("\r");
    let screen = terminal.until("the filter", |screen| has(screen, &["\"step 42\"", "989 hidden"]));
    assert!(has(&screen, &["jobs/042"]) && has(&screen, &["jobs/429"]));
    terminal.send("\u{1b}");
    terminal.until("all jobs again", |screen| has(screen, &["of 1,000"]));
    terminal.send("s");
    terminal.until("the states", |screen| has(screen, &["running+queued"]));
    terminal.send("?");
    terminal.until_shown("order by watchers");
    terminal.send("q");
    assert_eq!(terminal.finish(PATIENCE), 0);
}

#[test]
fn jobs_at_work_are_listed_however_many_newer_ones_are_kept() {
    let relay = Relay::start(&[]);
    tell(&relay, "old", "progress", r#","percent":50"#);
    for n in 0..1_100 {
        let event = format!(r#"{{"job":"{n:04}","event":"succeeded"}}"#);
        relay.publish_fast(&format!("job_updates:{n:04}"), &event);
    }
    until(PATIENCE, "the relay to know the jobs", || relay.stats()["jobs_kept"] == 1_101);
    let terminal = top(&relay, 24, 80, &[]);
    let screen = terminal.until("the old job", |screen| has(screen, &["● jobs/old", " 50% "]));
    assert!(has(&screen, &["1,001 of 1,101 jobs: 1 running, 1,000 succeeded"]), "{:#?}", rows(&screen));
    assert!(has(&screen, &["by state · order and counts only of these 1,001"]), "{:#?}", rows(&screen));
}

#[test]
fn the_cursor_stays_on_its_job_when_rows_move() {
    let relay = Relay::start(&[]);
    jobs(&relay, 30);
    let mut terminal = top(&relay, 24, 80, &["--sort", "percent"]);
    terminal.until_shown("jobs/029");
    terminal.send("\u{1b}[B\u{1b}[B");
    let under_cursor = |screen: &vt100::Screen| {
        let (count, columns) = screen.size();
        let is_marked = |row: u16| screen.cell(row, columns.get() - 1).is_some_and(vt100::Cell::inverse);
        let row = (0..count.get() - 1).find(|row| is_marked(*row))?;
        Some(screen.rows(0, columns.get()).nth(row.into())?.trim_end().to_owned())
    };
    terminal.until("the cursor", |screen| under_cursor(screen).is_some_and(|row| row.contains("jobs/027")));
    tell(&relay, "027", "progress", r#","percent":1"#);
    terminal.until("its new place", |screen| {
        under_cursor(screen).is_some_and(|row| row.contains("jobs/027") && row.contains(" 1% "))
    });
}

#[test]
fn an_open_job_shows_its_parts_and_events_live_and_escape_goes_back() {
    let relay = Relay::start(&[]);
    tell(&relay, "build", "started", r#","total":7"#);
    tell(&relay, "build", "progress", r#","percent":45.5,"step":3,"total":7,"message":"linking""#);
    tell(&relay, "build", "part_failed", r#","part":"tests","error":"2 of 9""#);
    let mut terminal = top(&relay, 24, 80, &[]);
    terminal.until_shown("jobs/build");
    terminal.send("\r");
    let screen =
        terminal.until("what happened before", |screen| has(screen, &["part_failed · tests · 2 of 9"]));
    assert!(
        has(&screen, &["● jobs/build", "running"]) && has(&screen, &["45.5%", "step 3 of 7"]),
        "{screen:?}"
    );
    assert!(has(&screen, &["1 PARTS: 1 failed"]) && has(&screen, &["✗ tests"]), "{:#?}", rows(&screen));
    tell(&relay, "build", "log", r#","line":"cc -c \u001b[2Ja.c""#);
    terminal.until("a line of its log", |screen| has(screen, &["| cc -c a.c"]));
    tell(&relay, "build", "succeeded", r#","result":"app 1.2""#);
    terminal.until("its end", |screen| has(screen, &["✓ jobs/build", "succeeded"]) && has(screen, &["100%"]));
    terminal.send("\u{1b}");
    terminal.until("the list", |screen| has(screen, &["jobwire top"]) && has(screen, &["✓ jobs/build"]));
}

#[test]
fn a_client_that_does_not_read_is_listed_by_its_address() {
    let relay = Relay::start(&[]);
    tell(&relay, "flood", "started", "");
    let mut slow = RawSocket::with_receive_buffer(relay.address(), "/ws/jobs/flood", 4 << 10);
    assert!(slow.next_but_pings(PATIENCE).is_some());
    let terminal = top(&relay, 24, 80, &[]);
    let line = "x".repeat(20_000);
    for _ in 0..40 {
        tell(&relay, "flood", "log", &format!(r#","line":"{line}""#));
        if has(&terminal.screen(), &["SLOW CLIENT"]) {
            break;
        }
    }
    let screen = terminal.until("the client", |screen| has(screen, &["127.0.0.1", "1 of 1 socket, "]));
    let client = row(&screen, "127.0.0.1 ");
    assert!(client.contains("KiB in ") && client.contains(" messages, for "), "{client}");
}

#[test]
fn redis_that_goes_is_said_to_be_away_with_its_error_until_it_is_back() {
    let mut redis = RedisServer::start();
    let relay = Relay::on(&redis, &[]);
    let terminal = top(&relay, 24, 100, &[]);
    terminal.until("its role", |screen| has(screen, &["redis 127.0.0.1:", ", master"]));
    redis.stop();
    let screen = terminal.until("that it is away", |screen| has(screen, &["redis away since "]));
    assert!(!row(&screen, "redis away").ends_with(": "), "{:#?}", rows(&screen));
    redis.restart();
    terminal.until("that it is back", |screen| has(screen, &[", master", "reconnected"]));
}

#[test]
fn a_relay_that_goes_leaves_the_screen_and_one_that_comes_back_fills_it() {
    let relay = Relay::start(&[]);
    for percent in 0..50 {
        tell(&relay, "build", "progress", &format!(r#","percent":{}"#, percent + 1));
    }
    let mut terminal = top(&relay, 24, 100, &[]);
    terminal.until_shown(" 50% ");
    let relay = relay.restarted(|| {
        let screen =
            terminal.until("that it is away", |screen| has(screen, &["relay away since ", "again in "]));
        assert!(has(&screen, &["jobs/build", "50%"]), "what was known stays: {:#?}", rows(&screen));
    });
    tell(&relay, "other", "progress", r#","percent":5"#);
    let screen = terminal.until("the other job", |screen| has(screen, &["jobs/other"]));
    assert!(!has(&screen, &["relay away"]) && has(&screen, &["started again"]), "{:#?}", rows(&screen));
    terminal.send("q");
    assert_eq!(terminal.finish(PATIENCE), 0);
}

#[test]
fn a_resize_is_drawn_whole_and_a_screen_that_is_too_small_says_so() {
    let relay = Relay::start(&[]);
    tell(&relay, "build", "progress", r#","percent":50,"message":"linking""#);
    let terminal = top(&relay, 24, 80, &[]);
    terminal.until_shown("linking");
    for (height, width, columns) in [
        (10, 40, &["jobs/build", "50%", "linking"][..]),
        (50, 200, &["jobs/build", "running", "50%", "━━━━━━━━━━", "linking"]),
        (12, 60, &["jobs/build", "50%", "━━━━", "linking"]),
    ] {
        terminal.resize(height, width);
        let screen = terminal
            .until(&format!("{width} columns"), |screen| has(screen, columns) && has(screen, &["? help"]));
        let last = screen.rows(0, width).nth(usize::from(height) - 1).unwrap();
        assert!(last.contains("all 1"), "{last:?}");
    }
    terminal.resize(5, 20);
    terminal.until_shown("20x5 is too small");
}

#[test]
fn ctrl_z_gives_the_terminal_to_the_shell_and_fg_draws_anew() {
    let relay = Relay::start(&[]);
    tell(&relay, "build", "progress", r#","percent":50"#);
    let mut env = relay.env().to_vec();
    env.push(("LANG", "C.UTF-8".to_owned()));
    let mut shell = Pty::shell(24, 80, &env);
    shell.send("jobwire top; echo ended=$?\n");
    shell.until_shown("jobs/build");
    shell.send("\u{1a}");
    shell.until("the shell", |screen| !screen.alternate_screen() && has(screen, &["Stopped"]));
    shell.send("echo he''re; stty -a | tr ';' '\\n' | grep -o ' -\\?icanon'\n");
    let screen = shell.until("its echo", |screen| has(screen, &["here"]) && has(screen, &["icanon"]));
    assert!(!has(&screen, &["-icanon"]), "{:#?}", rows(&screen));
    shell.send("fg\n");
    shell.until("the picture", |screen| screen.alternate_screen() && has(screen, &["● jobs/build", "50%"]));
    shell.send("\u{3}");
    shell.until("its end by Ctrl-C", |screen| !screen.alternate_screen() && screen.contents().contains("$ "));
    shell.send("echo code=$?\n");
    shell.until("its code", |screen| has(screen, &["code=130"]));
}

#[test]
fn signals_give_the_terminal_back_and_have_their_codes() {
    let relay = Relay::start(&[]);
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130), (Signal::HUP, 129), (Signal::QUIT, 131)] {
        let mut terminal = top(&relay, 24, 80, &[]);
        assert!(terminal.screen().alternate_screen());
        terminal.signal(signal);
        assert_eq!(terminal.finish(PATIENCE), code, "{signal:?}");
        assert!(is_given_back(&terminal), "{signal:?}");
    }
    let mut terminal = top(&relay, 24, 80, &[]);
    terminal.send("\u{3}");
    assert_eq!(terminal.finish(PATIENCE), 130);
}

#[test]
fn hostile_names_and_messages_stay_text_and_a_terminal_without_utf_8_gets_ascii() {
    let relay = Relay::start(&[]);
    let message = r#","percent":50,"message":"\u001b[2J\u202eevil\u0007 日本語 <b>x</b>""#;
    tell(&relay, "日本\u{2066}語 name", "progress", message);
    let terminal = top(&relay, 24, 80, &[]);
    let screen = terminal.until("the job", |screen| has(screen, &["evil"]));
    assert!(row(&screen, "evil").contains("evil 日本語 <b>x"), "{:#?}", rows(&screen));
    assert!(has(&screen, &["jobs/日本語 name"]) && has(&screen, &["? help"]), "{:#?}", rows(&screen));
    assert!(!terminal.raw().contains('\u{2066}') && !terminal.raw().contains('\u{202e}'));
    assert!(terminal.raw().contains("\u{1b}[38;"), "in colour");
    let mut env = relay.env().to_vec();
    env.extend([("LANG", "C".to_owned()), ("NO_COLOR", "1".to_owned())]);
    let terminal = Pty::jobwire(24, 80, &["top"], &env);
    let screen = terminal.until("the job", |screen| has(screen, &["evil"]));
    assert!(has(&screen, &["> jobs/??? name", " 50% #####----- ", "evil ??? "]), "{:#?}", rows(&screen));
    assert!(terminal.raw().is_ascii(), "{:?}", terminal.raw());
    assert!(!terminal.raw().contains("\u{1b}[38;"), "no colour");
}

#[test]
fn a_relay_that_is_not_there_refuses_or_is_none_ends_it_before_there_is_a_screen() {
    let relay = Relay::start(&["--trust-proxy", "127.0.0.1/32"]);
    let mut terminal = on_terminal(&relay, 24, 80, &["top", "--publish-key", "wrong"]);
    assert_eq!(terminal.finish(PATIENCE), 4);
    assert!(terminal.raw().contains("--publish-key") && !terminal.raw().contains("\u{1b}[?1049h"));
    let (_, server) = &relay.env()[0];
    drop(relay);
    let mut terminal = Pty::jobwire(24, 80, &["top", "--server", server], &[]);
    assert_eq!(terminal.finish(PATIENCE), 3);
    assert!(terminal.raw().contains("jobwire serve"), "{}", terminal.raw());
}

#[test]
fn off_a_terminal_it_is_2_with_a_hint() {
    let relay = Relay::start(&[]);
    let output = relay.jobwire(&["top"]);
    assert_eq!((output.code, output.stdout.as_str()), (2, ""));
    assert!(output.stderr.contains("hint: `jobwire top --once`"), "{}", output.stderr);
    let output = jobwire(&["top", "--state", "runing"]);
    assert!(output.code == 2 && output.stderr.contains("did you mean 'running'?"), "{}", output.stderr);
}

#[test]
fn what_is_paused_stands_still() {
    let relay = Relay::start(&[]);
    tell(&relay, "build", "progress", r#","percent":50"#);
    let mut terminal = top(&relay, 24, 80, &[]);
    terminal.until_shown("50%");
    terminal.send("p");
    terminal.until_shown("paused");
    tell(&relay, "build", "progress", r#","percent":60"#);
    let events = || relay.stats()["events"].as_u64();
    until(PATIENCE, "the event", || events() == Some(2));
    terminal.send("p");
    let screen = terminal.until("the newer percent", |screen| has(screen, &["60%"]));
    assert!(!has(&screen, &["paused"]));
}
