//! Tests of commands on a terminal: its size, keys, stopping, and full-screen programs.

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use super::Events;
use crate::support::{Pty, RedisServer, rows};

const RUN: &str = "jobwire run j --quiet --redis redis://127.0.0.1:1 -- ";

fn shell() -> Pty {
    Pty::shell(20, 70, &[])
}

#[test]
fn a_command_has_a_terminal_of_the_same_size_that_changes_with_it() {
    let mut pty = shell();
    pty.send(&format!("{RUN}bash -c 'trap \"stty size\" WINCH; stty size; [ -t 0 -a -t 1 -a -t 2 ] && echo tty; while :; do sleep 0.1; done'\n"));
    pty.until_shown("20 70");
    pty.until_shown("tty");
    pty.resize(24, 100);
    pty.until_shown("24 100");
    pty.send("\x03");
    pty.until_shown("warning: ");
}

#[test]
fn one_ctrl_c_is_one_signal_with_a_pty_and_without() {
    for how in ["auto", "never"] {
        let mut pty = shell();
        // A shell handles a signal only after the present command, so the loop consists of short commands.
        let script =
            "trap \"echo I''NT\" INT; echo re''ady; for n in 1 2 3 4 5 6 7 8 9; do sleep 0.1; done; exit 6";
        pty.send(&format!(
            "{}sh -c '{script}'; echo code $?\n",
            RUN.replace("--quiet", &format!("--quiet --pty {how}"))
        ));
        pty.until_shown("ready");
        pty.send("\x03");
        pty.until_shown("code 6");
        let shown = pty.rows();
        assert_eq!(shown.iter().filter(|row| row.ends_with("INT")).count(), 1, "{how}: {shown:?}");
    }
}

#[test]
fn one_ctrl_c_is_one_signal_for_a_command_in_a_group_of_its_own() {
    let mut pty = shell();
    let script = "trap \"echo I''NT; exit 6\" INT; echo re''ady; while :; do sleep 0.1; done";
    let run = RUN.replace("--quiet", "--quiet --pty never");
    pty.send(&format!("{run}timeout 60 sh -c '{script}'; echo code $?\n"));
    pty.until_shown("ready");
    pty.send("\x03");
    pty.until_shown("code 6");
}

#[test]
fn a_command_that_comes_to_the_foreground_gets_the_keys() {
    let mut pty = shell();
    pty.send(&format!("{RUN}sh -c 'echo re''ady; read line; echo got $line' &\n"));
    pty.until_shown("ready");
    pty.send("fg\n");
    pty.until_shown("jobwire run j");
    pty.send("typed\n");
    pty.until_shown("got typed");
}

#[test]
fn a_command_that_is_not_there_is_told_of_as_without_a_terminal() {
    for (word, code, said) in [
        ("no-such-command", 127, "there is no command no-such-command"),
        ("/etc/passwd", 126, "could not run /etc/passwd: permission denied"),
    ] {
        let redis = RedisServer::start();
        let events = Events::of(&redis);
        let mut pty = shell();
        pty.send(&format!("jobwire run j --quiet --redis {} -- {word}; echo code $?\n", redis.url()));
        pty.until_shown(&format!("code {code}"));
        pty.until_shown(&format!("error: {said}"));
        assert_eq!(events.all(), [json!({"event": "failed", "error": said, "exit_code": code})]);
    }
}

#[test]
fn the_process_that_is_told_of_is_the_command() {
    let redis = RedisServer::start();
    let events = Events::of(&redis);
    let mut pty = shell();
    pty.send(&format!("jobwire run j --quiet --redis {} -- sh -c 'echo pid $$; echo e''nd'\n", redis.url()));
    pty.until_shown("end");
    events.until(1, |event| event["event"] == "succeeded");
    let pid = &events.whole()[0]["pid"];
    assert!(pty.rows().contains(&format!("pid {pid}")), "{pid}: {:?}", pty.rows());
}

#[test]
fn the_terminal_is_as_it_was_however_jobwire_ends() {
    for signal in [Signal::TERM, Signal::HUP, Signal::KILL] {
        let mut pty = shell();
        let folder = tempfile::tempdir().unwrap();
        let (file, before) = (folder.path().join("pid"), folder.path().join("before"));
        let script = format!("echo $$ > {}; exec {RUN} sh -c \"echo re''ady; sleep 60\"", file.display());
        pty.send(&format!("stty -a > {}; sh -c '{script}'\n", before.display()));
        pty.until_shown("ready");
        let pid = std::fs::read_to_string(&file).unwrap().trim().parse().ok().and_then(Pid::from_raw);
        kill_process(pid.unwrap(), signal).unwrap();
        // Keys that are typed before the prompt belong to the command.
        pty.until("the prompt", |screen| rows(screen).last().is_some_and(|row| row == "$"));
        pty.send(&format!("stty -a | cmp - {} && echo s''ame\n", before.display()));
        pty.until_shown("same");
    }
}

#[test]
fn a_command_stops_and_goes_on_as_in_a_shell() {
    for how in ["auto", "never"] {
        let mut pty = shell();
        let run = RUN.replace("--quiet", &format!("--quiet --pty {how}"));
        pty.send(&format!("{run}sh -c 'echo re''ady; read line; echo got $line'; echo code $?\n"));
        pty.until_shown("ready");
        pty.send("\x1a");
        pty.until_shown("Stopped");
        pty.send("echo between''them\n");
        pty.until_shown("betweenthem");
        pty.send("fg\n");
        let is_back = |row: &&String| row.contains("read line");
        pty.until("the command", |screen| rows(screen).iter().filter(is_back).count() == 3);
        pty.send("typed\n");
        pty.until_shown("got typed");
    }
}

#[test]
fn a_program_that_paints_the_screen_works_and_leaves_the_terminal_as_it_was() {
    let mut pty = shell();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("numbers").display().to_string();
    pty.send(&format!("seq 100 > {file}; clear\n"));
    pty.send(&format!("{RUN}less {file}; echo code $?\n"));
    pty.until("the first page", |screen| rows(screen).iter().any(|row| row == "19"));
    pty.send("G");
    pty.until("the last page", |screen| rows(screen).iter().any(|row| row == "100"));
    pty.send("q");
    pty.until_shown("code 0");
    pty.send("stty -a | grep -q ' icanon' && echo sa''ne\n");
    pty.until_shown("sane");
}

#[test]
fn a_pager_behind_a_pipe_is_given_its_keys_and_leaves_the_terminal_as_it_was() {
    let mut pty = shell();
    pty.send(&format!("clear; seq 100 | {RUN}less; echo code $?\n"));
    pty.until("the first page", |screen| rows(screen).iter().any(|row| row == "19"));
    pty.send("G");
    pty.until("the last page", |screen| rows(screen).iter().any(|row| row == "100"));
    pty.send("q");
    pty.until_shown("code 0");
    pty.send("stty -a | grep -q ' icanon' && echo sa''ne\n");
    pty.until_shown("sane");
}

/// Presses Ctrl-C in a script whose command has shown `ready`, and waits for the prompt.
fn interrupt(script: &str) {
    let mut pty = shell();
    pty.send(script);
    pty.until_shown("ready");
    pty.send("\x03");
    pty.until("the prompt", |screen| rows(screen).last().is_some_and(|row| row == "$"));
    pty.send("echo code $?\n");
    pty.until_shown("code 130");
    assert!(!pty.rows().iter().any(|row| row.ends_with("wenton")), "{script}: {:?}", pty.rows());
}

#[test]
fn ctrl_c_ends_the_script_around_it_too() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "ready\n").unwrap();
    // A single program that has shown the file is ended by SIGINT. A shell may lose the SIGINT that comes while it starts
    // another program.
    let command = format!("tail -f {}", file.display());
    let of_run = |how: &str| RUN.replace("--quiet", &format!("--quiet --pty {how}"));
    for how in [of_run("auto"), of_run("never"), "jobwire serve -- ".to_owned()] {
        interrupt(&format!("for n in 1 2 3; do {how}{command}; echo went''on; done\n"));
    }
    interrupt(&format!("sh -c '{RUN}{command}; echo went\"\"on'\n"));
}
