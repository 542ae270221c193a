//! Tests of `serve -- CMD`: a relay that runs as long as a command.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::support::{Output, PATIENCE, Process, Pty, RedisServer, command, get, program, until, wait_for};

/// Command `serve` with these flags and a shell script as its command. `$0` in the script is the binary under test.
fn script(folder: &Path, flags: &[&str], script: &str) -> Command {
    let shell = ["--", "sh", "-c", script, program().to_str().unwrap()];
    let mut serve = command(&[&["serve"], flags, &shell].concat());
    serve.env("XDG_RUNTIME_DIR", folder).current_dir(folder);
    serve
}

fn run(flags: &[&str], text: &str) -> Output {
    let folder = TempDir::new().unwrap();
    Process::spawn(&mut script(folder.path(), flags, text)).finish(PATIENCE)
}

#[test]
fn a_command_finds_the_relay_and_its_code_is_the_exit_code() {
    let smoke = r#"
        "$0" publish scraping/1 job_started || exit 90
        "$0" publish scraping/1 job_completed || exit 91
        "$0" attach scraping/1 --timeout 10s || exit 92
        echo "$JOBWIRE_SERVER"
        exit 7"#;
    let output = run(&[], smoke);
    assert_eq!(output.code, 7, "{output:?}");
    let server = output.stdout.lines().last().unwrap();
    assert!(server.starts_with("ws://127.0.0.1:") && server != "ws://127.0.0.1:8000", "{server}");
    assert!(output.stderr.contains("listening on http://127.0.0.1:"), "{}", output.stderr);
    assert!(!output.stderr.contains("dialect scraping"), "the start is brief: {}", output.stderr);
}

#[test]
fn a_command_that_a_signal_ends_gives_128_and_its_number() {
    assert_eq!(run(&[], "kill -9 $$").code, 137);
    assert_eq!(run(&[], "kill -SEGV $$").code, 139);
    assert_eq!(run(&[], "exit 0").code, 0);
    assert_eq!(run(&[], "exit 255").code, 255);
}

#[test]
fn a_command_that_cannot_be_run_gives_the_codes_of_a_shell() {
    let folder = TempDir::new().unwrap();
    let file = |name: &str, text: &str, mode| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let port_file = folder.path().join("port");
    for (name, code, said) in [
        ("no-such-command-here".to_owned(), 127, "there is no command NAME"),
        (file("text", "no program\n", 0o755), 126, "could not run NAME: it is no program"),
        (file("closed", "#!/bin/sh\n", 0o644), 126, "could not run NAME: permission denied"),
        (folder.path().to_str().unwrap().to_owned(), 126, "could not run NAME: it is a folder"),
    ] {
        let mut serve = command(&["serve", "--port-file", port_file.to_str().unwrap(), "--", &name]);
        let output = Process::spawn(serve.env("XDG_RUNTIME_DIR", folder.path())).finish(PATIENCE);
        assert_eq!(output.code, code, "{name}: {}", output.stderr);
        let said = format!("error: {}", said.replace("NAME", &name));
        assert!(output.stderr.lines().any(|line| line == said), "{output:?}");
        assert!(!port_file.exists());
    }
}

#[test]
fn nothing_behind_the_dashes_is_bad_usage() {
    let output = Process::spawn(&mut command(&["serve", "--listen", "127.0.0.1:0", "--"])).finish(PATIENCE);
    assert_eq!(output.code, 2, "{}", output.stderr);
    assert!(output.stderr.contains("there is no command behind --"), "{}", output.stderr);
}

#[test]
fn a_relay_that_cannot_start_starts_no_command() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for (flags, code) in [
        (&["--listen", &address][..], 1),
        (&["--listen", "nonsense"], 2),
        (&["--redis", "nonsense"], 2),
        (&["--port-file", "missing/port"], 2),
    ] {
        let output = run(flags, "echo started");
        assert_eq!((output.code, output.stdout.as_str()), (code, ""), "{flags:?}: {}", output.stderr);
        assert!(!output.stderr.contains("listening on "), "{flags:?}: {}", output.stderr);
    }
}

#[test]
fn a_relay_to_which_no_events_can_come_starts_no_command() {
    let port = crate::support::free_port();
    let output = run(&["--redis", &format!("redis://127.0.0.1:{port}")], "echo started");
    assert_eq!((output.code, output.stdout.as_str()), (3, ""), "{}", output.stderr);
    assert!(output.stderr.contains("the command was not started"), "{}", output.stderr);
}

#[test]
fn several_run_side_by_side_and_an_explicit_address_wins() {
    let folder = TempDir::new().unwrap();
    let wait = r#"echo "$JOBWIRE_SERVER"; read line"#;
    let (first, stdin) = Process::spawn_fed(&mut script(folder.path(), &[], wait));
    let (second, other) = Process::spawn_fed(&mut script(folder.path(), &[], wait));
    let (first_server, second_server) = (first.until_printed("\n"), second.until_printed("\n"));
    assert_ne!(first_server, second_server);
    let address = format!("127.0.0.1:{}", crate::support::free_port());
    let mut third = script(folder.path(), &[], r#"echo "$JOBWIRE_SERVER""#);
    let output = Process::spawn(third.env("JOBWIRE_LISTEN", &address)).finish(PATIENCE);
    assert_eq!(output.stdout, format!("ws://{address}\n"), "{}", output.stderr);
    drop((stdin, other));
    assert_eq!((first.finish(PATIENCE).code, second.finish(PATIENCE).code), (1, 1));
}

#[test]
fn a_command_uses_the_redis_of_its_relay_and_begins_when_that_is_subscribed() {
    let redis = RedisServer::start();
    let text = r#"
        "$0" publish downloads/a completed --require-subscribers || exit 90
        "$0" attach downloads/a --timeout 10s || exit 91
        echo "$JOBWIRE_REDIS $JOBWIRE_CHANNEL_PREFIX""#;
    let output = run(&["--redis", &redis.url(), "--channel-prefix", "mine:"], text);
    assert_eq!(output.code, 0, "{output:?}");
    assert_eq!(output.stdout.lines().last().unwrap(), format!("{} mine:", redis.url()));
}

#[test]
fn the_port_file_names_the_port_until_the_relay_ends() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("port");
    let flags = ["serve", "--listen", "127.0.0.1:0", "--port-file", path.to_str().unwrap()];
    let relay = Process::spawn(command(&flags).env("XDG_RUNTIME_DIR", folder.path()));
    let port = wait_for(PATIENCE, "the port", || fs::read_to_string(&path).ok());
    assert!(port.ends_with('\n'), "it is written whole: {port:?}");
    assert_eq!(get(&format!("127.0.0.1:{}", port.trim()), "/health").0, 200);
    relay.signal(Signal::TERM);
    assert_eq!(relay.finish(PATIENCE).code, 0);
    assert!(!path.exists());

    let text = r#"test "ws://127.0.0.1:$(cat port)" = "$JOBWIRE_SERVER""#;
    let output = Process::spawn(&mut script(folder.path(), &["--port-file", "port"], text)).finish(PATIENCE);
    assert_eq!(output.code, 0, "{}", output.stderr);
    assert!(!path.exists());
}

#[test]
fn a_signal_that_is_sent_to_the_relay_alone_reaches_the_command_once() {
    let folder = TempDir::new().unwrap();
    let text = "trap 'echo hup' HUP; trap 'echo int' INT; trap 'echo term; exit 3' TERM; echo ready
        while :; do sleep 0.02; done";
    let process = Process::spawn(&mut script(folder.path(), &[], text));
    process.until_printed("ready\n");
    process.signal(Signal::HUP);
    process.until_printed("hup\n");
    process.signal(Signal::TERM);
    let output = process.finish(PATIENCE);
    assert_eq!((output.code, output.stdout.as_str()), (3, "ready\nhup\nterm\n"), "{}", output.stderr);
}

#[test]
fn a_second_signal_kills_a_command_that_ignores_the_first() {
    let folder = TempDir::new().unwrap();
    let text = "trap '' TERM; echo ready; while :; do sleep 0.02; done";
    let mut process = Process::spawn(&mut script(folder.path(), &[], text));
    process.until_printed("ready\n");
    until(PATIENCE, "the command to be killed", || {
        if process.has_ended() {
            return true;
        }
        process.signal(Signal::TERM);
        false
    });
    assert_eq!(process.finish(PATIENCE).code, 137);
}

#[test]
fn one_ctrl_c_is_one_sigint_for_the_command() {
    let folder = TempDir::new().unwrap();
    let text = "trap 'echo got' INT; trap 'echo bye; exit 5' QUIT; echo ready; while :; do sleep 0.02; done";
    let args = ["serve", "--", "sh", "-c", text];
    let mut terminal =
        Pty::jobwire(24, 80, &args, &[("XDG_RUNTIME_DIR", folder.path().display().to_string())]);
    terminal.until_shown("ready");
    terminal.send("\u{3}");
    terminal.until_shown("got");
    terminal.send("\u{3}");
    terminal.until("two signals", |screen| screen.contents().matches("got").count() >= 2);
    terminal.send("\u{1c}");
    assert_eq!(terminal.finish(PATIENCE), 5);
    let raw = terminal.raw();
    assert_eq!((raw.matches("got").count(), raw.matches("bye").count()), (2, 1), "{raw}");
}

#[test]
fn a_command_that_a_shell_started_in_the_background_keeps_its_peace() {
    // A signal that is ignored at the start is ignored by the command too.
    let text = "trap '' INT; \"$0\" serve -- sh -c 'kill -INT $PPID $$; echo alive'";
    let output = run(&[], text);
    assert_eq!((output.code, output.stdout.as_str()), (0, "alive\n"), "{}", output.stderr);
}

#[test]
fn a_command_needs_no_folder_for_keys() {
    let text = r#"
        "$0" publish jobs/a started || exit 90
        "$0" publish jobs/a succeeded || exit 91
        "$0" attach jobs/a --timeout 10s || exit 92"#;
    let folder = TempDir::new().unwrap();
    let missing = folder.path().join("missing/folder");
    let mut serve = script(folder.path(), &[], text);
    let output = Process::spawn(serve.env("XDG_RUNTIME_DIR", missing)).finish(PATIENCE);
    assert_eq!(output.code, 0, "{output:?}");
}

#[test]
fn what_a_command_publishes_reaches_a_relay_that_reads_streams() {
    let redis = RedisServer::start();
    let text = r#"
        "$0" publish "$1" started || exit 90
        "$0" publish "$1" succeeded || exit 91
        "$0" attach "$1" --timeout 10s || exit 92"#;
    for (streams, target) in [("all", "jobs/a"), ("jobs", "jobs/b"), ("scraping", "jobs/c")] {
        let folder = TempDir::new().unwrap();
        let flags = ["--redis", &redis.url(), "--streams", streams];
        let mut serve = script(folder.path(), &flags, text);
        let output = Process::spawn(serve.arg(target)).finish(PATIENCE);
        assert_eq!(output.code, 0, "{streams}: {output:?}");
    }
}
