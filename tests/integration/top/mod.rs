//! `jobwire top`: on a terminal, and once for scripts.

mod live;
mod once;
mod pick;

use crate::support::{PATIENCE, Pty, Relay, until};

/// A terminal of that size with top on it, and its first picture.
fn top(relay: &Relay, rows: u16, columns: u16, args: &[&str]) -> Pty {
    let terminal = on_terminal(relay, rows, columns, &[&["top", "--interval", "100ms"], args].concat());
    terminal.until_shown("jobwire top");
    terminal
}

/// A terminal of that size with the program on it. It may show characters beyond ASCII.
fn on_terminal(relay: &Relay, rows: u16, columns: u16, args: &[&str]) -> Pty {
    let mut env = relay.env().to_vec();
    env.push(("LANG", "C.UTF-8".to_owned()));
    Pty::jobwire(rows, columns, args, &env)
}

/// Publishes an event of the dialect jobs, and waits until the relay has taken it.
fn tell(relay: &Relay, job: &str, event: &str, more: &str) {
    let name = serde_json::to_string(job).unwrap();
    let channel = percent_encoding::utf8_percent_encode(job, percent_encoding::NON_ALPHANUMERIC);
    let payload = format!(r#"{{"job":{name},"event":"{event}"{more}}}"#);
    relay.publish(&format!("job_updates:{channel}"), &payload);
}

/// Starts so many jobs that run, `jobs/000` and on.
fn jobs(relay: &Relay, count: usize) {
    for n in 0..count {
        let (job, percent) = (format!("{n:03}"), n % 100);
        let event =
            format!(r#"{{"job":"{job}","event":"progress","percent":{percent},"message":"step {n}"}}"#);
        relay.publish_fast(&format!("job_updates:{job}"), &event);
    }
    until(PATIENCE, "the relay to know the jobs", || relay.stats()["jobs_kept"] == count);
}

/// Whether the terminal was given back: the first screen is shown, with a cursor.
fn is_given_back(terminal: &Pty) -> bool {
    let screen = terminal.screen();
    !screen.alternate_screen() && !screen.hide_cursor()
}
