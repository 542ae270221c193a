//! The bars, as a person sees them in a terminal.

use std::io::Write;
use std::time::Duration;

use super::publish;
use crate::support::{PATIENCE, Process, Pty, Relay, rows};

/// Attaches on a terminal of that size, and waits for the sockets.
fn bars(relay: &Relay, rows: u16, columns: u16, args: &[&str], env: &[(&str, String)]) -> Pty {
    let terminal =
        Pty::jobwire(rows, columns, &[&["attach"], args].concat(), &[&relay.env()[..], env].concat());
    let targets = args.iter().filter(|arg| arg.contains('/')).count();
    terminal.until_shown(&if targets == 1 { "connected".into() } else { format!("{targets} connected") });
    terminal
}

/// The row that holds a text.
#[track_caller]
fn row(screen: &vt100::Screen, text: &str) -> String {
    let rows = rows(screen);
    rows.iter().find(|row| row.contains(text)).unwrap_or_else(|| panic!("no {text:?} in {rows:#?}")).clone()
}

#[test]
fn eighty_columns_show_bar_times_words_and_scrapers() {
    let relay = Relay::start(&[]);
    let targets = ["scraping/1", "scraping/2", "downloads/a", "downloads/b"];
    let mut terminal = bars(&relay, 24, 80, &targets, &[]);
    publish(&relay, "scraping/1", "job_started", &[]);
    publish(&relay, "scraping/1", "job_progress", &["progress=50", "results_count=42", "message=Halfway"]);
    publish(&relay, "scraping/1", "scraper_started", &["scraper_name=kiwi"]);
    publish(&relay, "scraping/1", "scraper_failed", &["scraper_name=tap", "error=timed out"]);
    publish(&relay, "scraping/2", "job_failed", &["message=proxy pool exhausted", "progress=25"]);
    publish(&relay, "downloads/a", "completed", &[]);
    let screen =
        terminal.until("the last event", |screen| rows(screen).iter().any(|row| row.starts_with('✓')));
    let half = row(&screen, "scraping/1");
    assert!(half.contains(" scraping/1   50% ━━━━━━╸────── 0:0"), "{half}");
    assert!(half.ends_with("  42 results · Halfway"), "{half}");
    assert!(row(&screen, "kiwi").ends_with(" kiwi"));
    assert_eq!(row(&screen, "tap"), "    ✗ tap   timed out");
    let failed = row(&screen, "scraping/2");
    assert!(failed.starts_with("✗ scraping/2   25% ━━━─"), "{failed}");
    assert!(failed.ends_with("  proxy pool exhausted"), "{failed}");
    assert!(row(&screen, "downloads/a").starts_with("✓ downloads/a 100% ━━━━━━━━━━━━━ 0:0"));
    assert!(row(&screen, "downloads/b").ends_with("  queued"));
    let footer = rows(&screen).pop().unwrap();
    assert!(footer.starts_with("2 connected · ") && footer.contains(" events/s · "), "{footer}");
    assert!(footer.ends_with(" · 1 queued, 1 running, 1 done, 1 failed"), "{footer}");
    publish(&relay, "downloads/b", "completed", &[]);
    publish(&relay, "scraping/1", "job_completed", &["results_count=87"]);
    assert_eq!(terminal.finish(PATIENCE), 1);
    let last = terminal.rows();
    assert_eq!(last.len(), 5, "{last:#?}");
    assert!(last[0].starts_with("✓ scraping/1  100% ━━━━━━━━━━━━━ 0:0"), "{last:#?}");
    assert!(last[4].starts_with("3 done, 1 failed · "), "{last:#?}");
    let cursor = terminal.screen().cursor_position();
    assert_eq!(cursor, (5, 0), "on the line beneath");
}

#[test]
fn two_hundred_columns_cut_nothing_that_fits() {
    let relay = Relay::start(&[]);
    let terminal = bars(&relay, 50, 200, &["scraping/1"], &[]);
    let message = "a long way down ".repeat(7);
    publish(&relay, "scraping/1", "job_progress", &["progress=50", &format!("message={message}")]);
    let screen = terminal.until_shown("50%");
    let row = row(&screen, "50%");
    assert!(row.ends_with(message.trim_end()), "{row}");
    assert!(row.contains(&"━".repeat(16)), "{row}");
}

#[test]
fn fifty_jobs_fit_by_showing_what_runs_and_counting_the_rest() {
    let relay = Relay::start(&[]);
    let jobs: Vec<String> = (1..=50).map(|n| format!("scraping/{n}")).collect();
    let targets: Vec<&str> = jobs.iter().map(String::as_str).collect();
    let terminal = bars(&relay, 24, 80, &targets, &[]);
    for n in [7, 49] {
        publish(&relay, &format!("scraping/{n}"), "job_progress", &["progress=5"]);
    }
    publish(&relay, "scraping/3", "job_failed", &["message=captcha"]);
    publish(&relay, "scraping/4", "job_completed", &[]);
    let screen = terminal.until_shown("46 waiting, 2 running, 1 done, 1 failed");
    let rows = rows(&screen);
    assert_eq!(rows.len(), 23, "{rows:#?}");
    for shown in ["scraping/7 ", "scraping/49 ", "✗ scraping/3 "] {
        assert!(rows.iter().any(|row| row.contains(shown)), "{shown} {rows:#?}");
    }
    assert_eq!(rows[21], "… 29 more: 28 waiting, 1 done");
}

#[test]
fn a_resize_leaves_one_whole_picture() {
    let relay = Relay::start(&[]);
    let mut terminal = bars(&relay, 24, 100, &["scraping/1", "scraping/2"], &[]);
    publish(&relay, "scraping/1", "job_progress", &["progress=50", "message=Halfway there"]);
    publish(&relay, "scraping/2", "job_progress", &["progress=20", "message=Slowly"]);
    terminal.until_shown("20%");
    for (height, width, bar) in [(24, 60, 10), (12, 160, 26), (24, 80, 13), (50, 200, 33)] {
        terminal.resize(height, width);
        let full = "━".repeat(bar / 2);
        let screen = terminal.until(&format!("{width} columns"), |screen| {
            rows(screen)
                .iter()
                .any(|row| row.contains(&format!(" {full}╸─")) || row.contains(&format!(" {full}─")))
        });
        let rows = rows(&screen);
        assert_eq!(rows.len(), 3, "{rows:#?}");
        assert!(rows[0].contains(" scraping/1  50% ") && rows[1].contains(" scraping/2  20% "), "{rows:#?}");
        assert!(rows.iter().all(|row| row.chars().count() < width.into()), "{rows:#?}");
    }
    publish(&relay, "scraping/1", "job_completed", &[]);
    publish(&relay, "scraping/2", "job_completed", &[]);
    assert_eq!(terminal.finish(PATIENCE), 0);
    assert_eq!(terminal.rows().len(), 3, "{:#?}", terminal.rows());
}

#[test]
fn a_message_commands_nothing_and_wide_letters_keep_the_columns() {
    let relay = Relay::start(&[]);
    let mut terminal = bars(&relay, 24, 80, &["scraping/1", "downloads/日本語"], &[]);
    let message =
        r#"message:="\u001b[2J\u001b]0;owned\u0007two\nlines \u202e日本語の長いメッセージがここにあります""#;
    publish(&relay, "scraping/1", "job_progress", &["progress=50", message]);
    publish(&relay, "downloads/日本語", "processing", &["progress=50"]);
    let screen = terminal.until_shown("2 running");
    let (first, second) = (row(&screen, "scraping/1"), row(&screen, "downloads/"));
    assert!(first.contains("  two lines 日本語の長") && first.ends_with('…'), "{first}");
    let bar = |row: &str| row.split('━').next().unwrap().to_owned();
    let width = |text: &str| text.chars().map(|c| if c >= '\u{2e80}' { 2 } else { 1 }).sum::<usize>();
    assert_eq!(width(&bar(&first)), width(&bar(&second)), "{first}\n{second}");
    assert!(second.contains(" downloads/日本語  50% ━"), "{second}");
    terminal.send("\u{3}");
    assert_eq!(terminal.finish(PATIENCE), 130);
    let raw = terminal.raw();
    assert!(!raw.contains("\u{1b}[2J") && !raw.contains("owned") && !raw.contains('\u{202e}'), "{raw:?}");
}

#[test]
fn a_lost_relay_is_seen_and_the_bar_stays() {
    let relay = Relay::start(&[]);
    let mut terminal = bars(&relay, 24, 80, &["scraping/1", "--retries", "2"], &[]);
    publish(&relay, "scraping/1", "job_progress", &["progress=50"]);
    terminal.until_shown("50%");
    relay.kill();
    let screen = terminal.until_shown("0 of 1 connected · reconnecting in 1 s");
    assert!(row(&screen, "scraping/1").contains(" 50% ━"));
    assert_eq!(terminal.finish(PATIENCE), 3);
    let rows = terminal.rows();
    assert!(rows[0].starts_with("! scraping/1  50% ━"), "{rows:#?}");
    assert!(rows.iter().any(|row| row.starts_with("error: scraping/1: nothing listens at ")), "{rows:#?}");
}

#[test]
fn after_ctrl_c_the_terminal_is_as_it_was() {
    let relay = Relay::start(&[]);
    let mut shell = Pty::shell(24, 80, &relay.env());
    shell.send("jobwire attach scraping/1 downloads/a; echo \"exit $?\"\n");
    shell.until_shown("2 connected");
    publish(&relay, "scraping/1", "job_progress", &["progress=50"]);
    shell.until_shown("50%");
    shell.send("\u{3}");
    let screen = shell.until("the prompt", |screen| {
        rows(screen).last().is_some_and(|row| row == "$") && rows(screen).iter().any(|row| row == "exit 130")
    });
    let rows = rows(&screen);
    assert_eq!(rows.len(), 6, "{rows:#?}");
    assert!(rows[1].contains(" scraping/1   50% ━") && rows[2].contains("downloads/a "), "{rows:#?}");
    assert!(rows[3].starts_with("1 queued, 1 running · "), "{rows:#?}");
    assert!(!screen.hide_cursor() && !screen.alternate_screen());
    // The shell reads on, and what is typed is echoed once.
    shell.send("echo on$((1))ly\n");
    shell.until("the next command", |screen| {
        let rows = crate::support::rows(screen);
        rows.ends_with(&["$ echo on$((1))ly".into(), "on1ly".into(), "$".into()])
    });
}

#[test]
fn the_last_picture_has_every_job_even_where_the_screen_has_not() {
    let relay = Relay::start(&[]);
    let jobs: Vec<String> = (1..=30).map(|n| format!("scraping/{n}")).collect();
    let targets: Vec<&str> = jobs.iter().map(String::as_str).collect();
    let mut terminal = bars(&relay, 12, 80, &targets, &[]);
    let (publishing, mut lines) = Process::spawn_fed(&mut relay.command(&["publish", "scraping", "--stdin"]));
    for n in 1..=30 {
        writeln!(lines, r#"{{"job_id":{n},"event_type":"job_completed","progress":100}}"#).unwrap();
    }
    drop(lines);
    assert_eq!(publishing.finish(PATIENCE).code, 0);
    assert_eq!(terminal.finish(PATIENCE), 0);
    let (mut screen, mut shown) = (terminal.screen(), Vec::new());
    for above in (0..=screen.scrollback_len()).rev() {
        screen.set_scrollback(above);
        shown.push(screen.rows(0, 80).next().unwrap());
    }
    shown.extend(rows(&terminal.screen()));
    let done = |job: &&String| shown.iter().any(|row| row.starts_with(&format!("✓ {job} ")));
    assert_eq!(jobs.iter().filter(done).count(), 30, "{shown:#?}");
    assert!(shown.last().unwrap().starts_with("30 done · "), "{shown:#?}");
}

#[test]
fn a_dumb_terminal_gets_lines() {
    let relay = Relay::start(&[]);
    publish(&relay, "scraping/1", "job_failed", &["message=captcha"]);
    let env = [&relay.env()[..], &[("TERM", "dumb".to_owned())]].concat();
    let mut terminal = Pty::jobwire(24, 80, &["attach", "scraping/1"], &env);
    assert_eq!(terminal.finish(PATIENCE), 1);
    assert!(terminal.rows().last().unwrap().ends_with(" scraping/1 failed captcha"));
    assert!(!terminal.raw().contains('\u{1b}'), "{:?}", terminal.raw());
}

#[test]
fn colour_is_there_unless_it_is_unwanted() {
    let relay = Relay::start(&[]);
    publish(&relay, "scraping/1", "job_failed", &["progress=50", "message=captcha"]);
    let paints =
        |args: &[&str], more: &[(&str, String)]| {
            let args = [&["attach", "scraping/1"], args].concat();
            let mut terminal = Pty::jobwire(24, 80, &args, &[&relay.env()[..], more].concat());
            assert_eq!(terminal.finish(Duration::from_secs(20)), 1);
            // SGR: what ends in `m`.
            terminal.raw().split("\u{1b}[").skip(1).any(|rest| {
                rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';').starts_with('m')
            })
        };
    assert!(paints(&[], &[]));
    assert!(!paints(&[], &[("NO_COLOR", "1".to_owned())]));
    assert!(!paints(&["--color", "never"], &[]));
    assert!(!paints(&["--progress", "bars"], &[("TERM", "dumb".to_owned())]));
    assert!(paints(&["--color", "always"], &[("NO_COLOR", "1".to_owned())]));
}

#[test]
fn letters_of_every_script_leave_no_dead_rows_and_resizing_no_stale_ones() {
    let relay = Relay::start(&[]);
    let mut terminal = bars(&relay, 24, 60, &["scraping/1"], &[]);
    for (at, message) in [
        "soft\u{ad}hyphen soft\u{ad}hyphen soft\u{ad}hyphen soft\u{ad}hyphen soft\u{ad}hyphen",
        "বাংলা ভাষায় একটি দীর্ঘ বার্তা যা পর্দার চেয়ে অনেক বেশি চওড়া হতে পারে",
        "தமிழில் ஒரு நீண்ட செய்தி திரையை விட அகலமாக இருக்கக்கூடும் என்று நினைக்கிறேன்",
        "👩\u{200d}👩\u{200d}👧\u{200d}👦 🇩🇪🇫🇷🇯🇵 ❤\u{fe0f}☀\u{fe0f} 👍🏽👍🏽👍🏽 日本語日本語日本語日本語日本語日本語",
        "e\u{301}e\u{301}e\u{301} \u{301}\u{301} tab\tand\u{200b}zero\u{2060}width ±→éЖΩ ±→éЖΩ ±→éЖΩ",
    ]
    .into_iter()
    .enumerate()
    {
        let progress = format!("progress={}", 10 + at);
        let message = format!("message={message}");
        publish(&relay, "scraping/1", "job_progress", &[&progress, &message]);
        let screen = terminal.until_shown(&format!("{}%", 10 + at));
        assert_eq!(rows(&screen).len(), 2, "{:#?}", rows(&screen));
    }
    for columns in [80, 50, 100, 61, 44, 60] {
        terminal.resize(24, columns);
    }
    let screen =
        terminal.until("one picture", |screen| rows(screen).len() == 2 && rows(screen)[0].contains("14%"));
    assert!(screen.hide_cursor());
    terminal.send("\u{3}");
    assert_eq!(terminal.finish(PATIENCE), 130);
    assert!(!terminal.screen().hide_cursor());
}

#[test]
fn a_frame_is_one_synchronized_update_and_the_cursor_comes_back_at_every_end() {
    let relay = Relay::start(&[]);
    let mut shell = Pty::shell(24, 80, &relay.env());
    shell.send("jobwire attach scraping/1; echo \"exit $?\"\n");
    shell.until("a hidden cursor", |screen| screen.hide_cursor() && screen.contents().contains("connected"));
    let raw = shell.raw();
    assert!(raw.matches("\u{1b}[?2026h").count() >= 1);
    // No line is erased before its next text is drawn.
    assert!(!raw.contains("\u{1b}[2K"), "{raw:?}");
    shell.send("\u{1a}");
    let screen =
        shell.until("the cursor", |screen| !screen.hide_cursor() && screen.contents().contains("Stopped"));
    assert!(!screen.contents().contains("^Z"), "{:#?}", rows(&screen));
    shell.send("fg\n");
    shell.until("a hidden cursor again", vt100::Screen::hide_cursor);
    publish(&relay, "scraping/1", "job_progress", &["progress=50"]);
    let screen = shell.until_shown("50%");
    assert!(rows(&screen).iter().any(|row| row.starts_with("[1]+")), "{:#?}", rows(&screen));
    shell.send("\u{1c}");
    shell.until("the cursor after it was quit", |screen| !screen.hide_cursor());
    shell.send("echo \"quit $?\"\n");
    shell.until_shown("quit 131");
    shell.send("jobwire attach scraping/1; echo \"exit $?\"\n");
    shell.until("a hidden cursor once more", vt100::Screen::hide_cursor);
    publish(&relay, "scraping/1", "job_failed", &["message=captcha"]);
    shell.until_shown("exit 1");
    shell.until("the cursor at the end", |screen| !screen.hide_cursor());
}

#[test]
fn a_long_name_shows_its_head_and_its_tail() {
    let relay = Relay::start(&[]);
    let mut terminal = bars(&relay, 24, 80, &["downloads/0f8fad5b-d9cb-469f-a165-70867728950e"], &[]);
    terminal.until_shown("downloads/…67728950e");
    terminal.send("\u{3}");
    assert_eq!(terminal.finish(PATIENCE), 130);
}

/// Sequences that the terminal received for its tab or taskbar.
fn gauges(terminal: &Pty) -> Vec<String> {
    let raw = terminal.raw();
    let rest = raw.split("\u{1b}]9;4;").skip(1);
    rest.map(|rest| rest.split('\u{1b}').next().unwrap().to_owned()).collect()
}

#[test]
fn a_terminal_that_is_known_to_show_progress_is_told_it_and_told_when_it_is_over() {
    let relay = Relay::start(&[]);
    let mut terminal = bars(&relay, 24, 80, &["scraping/1", "scraping/2"], &[("WT_SESSION", "1".to_owned())]);
    publish(&relay, "scraping/1", "job_progress", &["progress=50"]);
    terminal.until("a half of one of two", |_| gauges(&terminal).contains(&"1;25".to_owned()));
    publish(&relay, "scraping/2", "job_failed", &[]);
    terminal.until("a failure", |_| gauges(&terminal).contains(&"2;75".to_owned()));
    publish(&relay, "scraping/1", "job_completed", &[]);
    assert_eq!(terminal.finish(PATIENCE), 1);
    let all = gauges(&terminal);
    assert_eq!((all.first().unwrap().as_str(), all.last().unwrap().as_str()), ("3;", "0;"), "{all:?}");
    assert_eq!(all.iter().filter(|gauge| *gauge == "0;").count(), 1, "{all:?}");
}

#[test]
fn progress_in_the_taskbar_is_removed_however_attach_ends() {
    for (end, code) in [("\u{3}", 130), ("TERM", 143)] {
        let relay = Relay::start(&[]);
        let mut terminal = bars(&relay, 24, 80, &["scraping/1"], &[("ConEmuANSI", "ON".to_owned())]);
        publish(&relay, "scraping/1", "job_progress", &["progress=50"]);
        terminal.until("a half", |_| gauges(&terminal).contains(&"1;50".to_owned()));
        if end == "TERM" {
            terminal.signal(rustix::process::Signal::TERM);
        } else {
            terminal.send(end);
        }
        assert_eq!(terminal.finish(PATIENCE), code, "{end}");
        assert_eq!(gauges(&terminal).last().unwrap(), "0;", "{end}");
    }
}

#[test]
fn progress_in_the_taskbar_goes_while_attach_is_stopped_and_comes_again() {
    let relay = Relay::start(&[]);
    let mut shell = Pty::shell(24, 80, &[&relay.env()[..], &[("WT_SESSION", "1".to_owned())]].concat());
    shell.send("jobwire attach scraping/1\r");
    shell.until_shown("connected");
    publish(&relay, "scraping/1", "job_progress", &["progress=50"]);
    shell.until("a half", |_| gauges(&shell).last().is_some_and(|gauge| gauge == "1;50"));
    shell.send("\u{1a}");
    shell.until("nothing", |_| gauges(&shell).last().is_some_and(|gauge| gauge == "0;"));
    shell.until_shown("Stopped");
    shell.send("fg\r");
    shell.until("a half again", |_| gauges(&shell).last().is_some_and(|gauge| gauge == "1;50"));
    publish(&relay, "scraping/1", "job_completed", &[]);
    shell.until("nothing at the end", |_| gauges(&shell).last().is_some_and(|gauge| gauge == "0;"));
}

#[test]
fn a_terminal_of_which_nothing_is_known_is_told_no_progress_and_an_old_tmux_passes_it_on() {
    let relay = Relay::start(&[]);
    let mut unknown = bars(&relay, 24, 80, &["scraping/1"], &[]);
    let tmux = [
        ("TMUX", "/tmp/x,1,0"),
        ("TERM_PROGRAM", "tmux"),
        ("TERM_PROGRAM_VERSION", "3.4"),
        ("WT_SESSION", "1"),
    ]
    .map(|(name, value)| (name, value.to_owned()));
    let mut passed = bars(&relay, 24, 80, &["scraping/1"], &tmux);
    publish(&relay, "scraping/1", "job_progress", &["progress=50"]);
    unknown.until_shown("50%");
    passed.until_shown("50%");
    publish(&relay, "scraping/1", "job_completed", &[]);
    assert_eq!((unknown.finish(PATIENCE), passed.finish(PATIENCE)), (0, 0));
    assert_eq!(gauges(&unknown), Vec::<String>::new());
    let raw = passed.raw();
    let last = raw.rfind("\u{1b}Ptmux;\u{1b}\u{1b}]9;4;0;\u{1b}\u{1b}\\\u{1b}\\");
    assert!(last.is_some() && raw.rfind("Ptmux;") == last.map(|at| at + 1), "{raw:?}");
}
