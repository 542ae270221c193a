//! The demonstration: it needs nothing, and ends by itself with a summary.

use crate::support::{PATIENCE, Pty, jobwire, rows};

/// The summary's lines, from `jobs` on.
fn summary(stdout: &str) -> Vec<&str> {
    stdout.lines().skip_while(|line| !line.starts_with("jobs ")).collect()
}

#[test]
fn off_a_terminal_it_prints_lines_and_a_summary() {
    let output = jobwire(&["demo", "--duration", "3s", "--jobs", "4", "--seed", "7"]);
    assert_eq!((output.code, output.stderr.as_str()), (0, ""), "{}", output.stdout);
    let lines = [
        "scraping/1 started 0%",
        "scraping/1 done 100%",
        "downloads/video-1 queued 0%",
        "tasks/task-1 done 100%",
        "campaign:launched campaign:1 ",
        "campaign:completed campaign:1 ",
    ];
    for line in lines {
        assert!(output.stdout.contains(line), "{line:?} is not in {}", output.stdout);
    }
    assert!(!output.stdout.contains('\u{1b}'));
    let summary = summary(&output.stdout);
    assert_eq!(summary.len(), 4, "{summary:#?}");
    assert_eq!(summary[0], "jobs      4: 3 succeeded, 1 on channels");
    assert_eq!(summary[3], "seed      7");
    let words: Vec<&str> = summary[1].split([' ', ',']).filter(|word| !word.is_empty()).collect();
    let ["events", published, "published", received, "received", "in", seconds, "s"] = words[..] else {
        panic!("{}", summary[1])
    };
    assert_eq!(published, received, "none is lost, none is counted twice");
    assert!(published.parse::<u32>().unwrap() > 40, "{published}");
    let seconds: f64 = seconds.parse().unwrap();
    assert!((1.5..6.0).contains(&seconds), "{seconds}");
    for figure in ["delivery  p50 ", ", p99 ", ", max "] {
        assert!(summary[2].contains(figure), "{}", summary[2]);
    }
}

#[test]
fn a_celery_task_is_among_its_jobs() {
    let output = jobwire(&["demo", "--duration", "2s", "--seed", "7"]);
    assert_eq!((output.code, output.stderr.as_str()), (0, ""), "{}", output.stdout);
    assert!(output.stdout.contains("celery/thumbnails-1 done 100% 40 thumbnails\n"), "{}", output.stdout);
    assert!(output.stdout.contains("resizing"), "{}", output.stdout);
}

#[test]
fn a_job_that_fails_is_1() {
    let output = jobwire(&["demo", "--duration", "1s", "--jobs", "2", "--fail-rate", "1", "--seed", "7"]);
    assert_eq!((output.code, output.stderr.as_str()), (1, ""), "{}", output.stdout);
    assert_eq!(summary(&output.stdout)[0], "jobs      2: 2 failed");
}

#[test]
fn options_without_sense_are_2() {
    for args in [["--jobs", "0"], ["--fail-rate", "2"], ["--duration", "0s"], ["--duration", "soon"]] {
        let output = jobwire(&[&["demo"], &args[..]].concat());
        assert_eq!((output.code, output.stdout.as_str()), (2, ""), "{args:?} {}", output.stderr);
    }
}

#[test]
fn on_a_terminal_it_draws_bars() {
    let args = ["demo", "--duration", "3s", "--jobs", "4", "--seed", "7"];
    let mut terminal = Pty::jobwire(24, 80, &args, &[]);
    let screen = terminal.until("bars under way", |screen| {
        let at_work = |row: &String| row.contains('━') && row.contains('─') && !row.contains("100%");
        rows(screen).iter().filter(|row| at_work(row)).count() >= 3
    });
    assert!(rows(&screen).last().unwrap().contains(" events/s · "), "{:#?}", rows(&screen));
    assert_eq!(terminal.finish(PATIENCE), 0);
    let rows = terminal.rows();
    assert_eq!(rows.iter().filter(|row| row.starts_with('✓')).count(), 3, "{rows:#?}");
    assert!(rows.iter().any(|row| row == "jobs      4: 3 succeeded, 1 on channels"), "{rows:#?}");
}

#[test]
fn ctrl_c_ends_it_with_130_and_leaves_the_terminal_as_it_was() {
    let mut terminal = Pty::jobwire(24, 80, &["demo", "--duration", "1m", "--jobs", "4", "--seed", "7"], &[]);
    terminal.until_shown("4 connected");
    terminal.send("\u{3}");
    assert_eq!(terminal.finish(PATIENCE), 130);
    let (screen, rows) = (terminal.screen(), terminal.rows());
    assert!(!screen.hide_cursor());
    assert!(rows.iter().any(|row| row == "jobs      4: 3 not ended, 1 on channels"), "{rows:#?}");
    assert_eq!(rows.last().unwrap(), "seed      7");
}
