//! How long a connection lives.

use std::time::{Duration, Instant};

use super::{UNKNOWN, completion, expect_refusal, progress, publish, registered, relay, socket_of};

#[test]
fn a_connection_ends_with_1001_or_with_1000_if_its_task_has_ended() {
    let relay = relay(&["--max-lifetime", "1s"]);
    for task in ["going", "silent", "ended"] {
        publish(&relay, task, &registered(task, "alice"));
    }
    publish(&relay, "going", &progress("going", 1));
    publish(&relay, "ended", &completion("ended"));
    let begin = Instant::now();
    let mut sockets = ["going", "silent", "ended"].map(|task| relay.connect(&socket_of(task, "alice")));
    sockets[0].expect(&progress("going", 1));
    sockets[2].expect(&completion("ended"));
    expect_refusal(&mut sockets[0], (1001, "lifetime over"));
    expect_refusal(&mut sockets[1], (1001, "lifetime over"));
    expect_refusal(&mut sockets[2], (1000, ""));
    assert!(begin.elapsed() >= Duration::from_millis(900), "{:?}", begin.elapsed());
}

#[test]
fn the_limit_is_for_tasks_alone() {
    let relay = relay(&["--max-lifetime", "100ms"]);
    publish(&relay, "t1", &registered("t1", "alice"));
    let mut other = relay.connect("/ws/scraping/1");
    expect_refusal(&mut relay.connect(&socket_of("t1", "alice")), (1001, "lifetime over"));
    other.expect_silence();
}

#[test]
fn zero_lifts_the_limit() {
    let relay = relay(&["--max-lifetime", "0", "--unknown-grace", "500ms"]);
    publish(&relay, "t1", &registered("t1", "alice"));
    let mut socket = relay.connect(&socket_of("t1", "alice"));
    // Another's timer has fired by now, so this one's would have as well.
    expect_refusal(&mut relay.connect(&socket_of("t2", "alice")), UNKNOWN);
    socket.expect_silence();
}
