//! Tests of signals for a command.

use std::process::Command;

use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::json;

use super::{Events, run};
use crate::support::{PATIENCE, Process, RedisServer, children, runs, until};

/// Runs the command in a session of its own, without a terminal.
fn apart(command: &Command) -> Command {
    let mut apart = Command::new("setsid");
    apart.arg(command.get_program()).args(command.get_args()).env_clear();
    apart.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    apart
}

#[test]
fn what_is_sent_to_jobwire_is_passed_on_once_and_cancels() {
    for (signal, name, code) in [(Signal::INT, "INT", 130), (Signal::TERM, "TERM", 143)] {
        let redis = RedisServer::start();
        let events = Events::of(&redis);
        let script = format!(
            "trap 'echo got; trap - {name}; kill -{name} $$' {name}; echo ready; while :; do sleep 0.05; done"
        );
        let process = Process::spawn(&mut run(&redis.url(), &[], &["sh", "-c", &script]));
        process.until_printed("ready\n");
        process.signal(signal);
        let output = process.finish(PATIENCE);
        assert_eq!((output.code, output.stdout.as_str()), (code, "ready\ngot\n"), "{}", output.stderr);
        let last = events.all().pop().unwrap();
        assert_eq!(last, json!({"event": "cancelled", "signal": format!("SIG{name}")}));
    }
}

#[test]
fn a_second_order_to_end_kills() {
    let redis = RedisServer::start();
    let events = Events::of(&redis);
    let script = "trap 'echo ignored' TERM; echo ready; while :; do sleep 0.05; done";
    let process = Process::spawn(&mut run(&redis.url(), &[], &["sh", "-c", script]));
    process.until_printed("ready\n");
    process.signal(Signal::TERM);
    process.until_printed("ignored\n");
    // A repeated signal within half a second counts as the same order, as from `timeout`. Repeat it until it counts as a second
    // one.
    let child = children(process.id())[0];
    until(PATIENCE, "the end of the command", || {
        process.signal(Signal::TERM);
        !runs(child)
    });
    assert_eq!(process.finish(PATIENCE).code, 137);
    let last = events.all().pop().unwrap();
    assert_eq!(last, json!({"event": "cancelled", "signal": "SIGKILL"}));
}

#[test]
fn what_is_sent_to_the_group_reaches_the_command_once() {
    let redis = RedisServer::start();
    let script = "trap 'echo got' INT; echo ready; n=0; while [ $n -lt 20 ]; do sleep 0.05; n=$((n+1)); done";
    let mut bash = apart(&run(&redis.url(), &[], &["sh", "-c", script]));
    let process = Process::spawn(&mut bash);
    process.until_printed("ready\n");
    let group = Pid::from_raw(i32::try_from(process.id()).unwrap()).unwrap();
    kill_process_group(group, Signal::INT).unwrap();
    assert_eq!(process.finish(PATIENCE).stdout, "ready\ngot\n");
}
