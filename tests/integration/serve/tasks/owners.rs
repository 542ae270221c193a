//! Whose a task is, and how the relay comes to know.

use redis::Commands as _;

use super::{
    NOT_THE_OWNER, UNKNOWN, completion, expect_refusal, progress, publish, registered, relay, relay_on,
    socket_of,
};
use crate::support::{PATIENCE, RedisServer, Relay, until};

#[test]
fn the_owner_gets_every_event_but_the_registration() {
    let relay = relay(&[]);
    assert_eq!(publish(&relay, "t1", &registered("t1", "alice")), 0);
    let mut socket = relay.connect(&socket_of("t1", "alice"));
    // No state, and no word of the registration: the answer to the ping is the first frame.
    socket.expect_silence();
    assert_eq!(publish(&relay, "t1", &registered("t1", "alice")), 0);
    for event in [progress("t1", 1), progress("t1", 2), completion("t1")] {
        assert_eq!(publish(&relay, "t1", &event), 1);
        socket.expect(&event);
    }
    relay.connect(&socket_of("t1", "alice")).expect(&completion("t1"));
}

#[test]
fn another_s_task_is_refused_at_once() {
    let relay = relay(&["--unknown-grace", "10m"]);
    publish(&relay, "t1", &registered("t1", "alice"));
    publish(&relay, "t1", &progress("t1", 1));
    for other in ["bob", "Alice", "alice2"] {
        expect_refusal(&mut relay.connect(&socket_of("t1", other)), NOT_THE_OWNER);
    }
    relay.until_connections(0);
}

#[test]
fn a_task_that_nobody_registers_is_refused_after_the_grace() {
    let relay = relay(&["--unknown-grace", "300ms"]);
    let mut unknown = relay.connect(&socket_of("t1", "alice"));
    // It is open until then.
    unknown.expect_silence();
    expect_refusal(&mut unknown, UNKNOWN);
    publish(&relay, "t2", &progress("t2", 1));
    let mut nobody_s = relay.connect(&socket_of("t2", "alice"));
    nobody_s.expect_silence();
    expect_refusal(&mut nobody_s, NOT_THE_OWNER);
}

#[test]
fn a_task_registered_after_its_client_came_is_served() {
    let relay = relay(&[]);
    let (mut alice, mut bob) =
        (relay.connect(&socket_of("t1", "alice")), relay.connect(&socket_of("t1", "bob")));
    std::thread::sleep(std::time::Duration::from_millis(1_500));
    // Not while nobody knows whose it is.
    assert_eq!(publish(&relay, "t1", &progress("t1", 1)), 0);
    alice.expect_silence();
    bob.expect_silence();
    publish(&relay, "t1", &registered("t1", "alice"));
    alice.expect(&progress("t1", 1));
    expect_refusal(&mut bob, NOT_THE_OWNER);
    assert_eq!(publish(&relay, "t1", &progress("t1", 2)), 1);
    alice.expect(&progress("t1", 2));
}

#[test]
fn any_event_may_name_the_owner_and_the_first_one_counts() {
    let relay = relay(&["--unknown-grace", "10m"]);
    let with_owner =
        |user: &str| progress("t1", 1).replace(r#""step""#, &format!(r#""user_id":"{user}","step""#));
    let mut waiting = relay.connect(&socket_of("t1", "alice"));
    waiting.expect_silence();
    publish(&relay, "t1", &with_owner("alice"));
    waiting.expect(&with_owner("alice"));
    for event in [with_owner("bob"), registered("t1", "bob"), completion("t1"), registered("t1", "bob")] {
        publish(&relay, "t1", &event);
    }
    expect_refusal(&mut relay.connect(&socket_of("t1", "bob")), NOT_THE_OWNER);
    // The registration after the ending began a new run, of which there is nothing to send.
    relay.connect(&socket_of("t1", "alice")).expect_silence();
}

#[test]
fn ownerless_tasks_can_be_allowed_until_they_are_another_s() {
    let relay = relay(&["--ownerless", "allow", "--unknown-grace", "1ms"]);
    let (mut alice, mut bob) =
        (relay.connect(&socket_of("t1", "alice")), relay.connect(&socket_of("t1", "bob")));
    alice.expect_silence();
    bob.expect_silence();
    assert_eq!(publish(&relay, "t1", &progress("t1", 1)), 2);
    for socket in [&mut alice, &mut bob] {
        socket.expect(&progress("t1", 1));
    }
    // The very event that names the owner is not for the other.
    let named = progress("t1", 2).replace(r#""step""#, r#""user_id":"alice","step""#);
    publish(&relay, "t1", &named);
    alice.expect(&named);
    expect_refusal(&mut bob, NOT_THE_OWNER);
    expect_refusal(&mut relay.connect("/ws/t1"), super::NO_GOOD);
}

#[test]
fn an_owner_that_is_found_in_redis_ends_those_who_were_allowed_without_one() {
    let redis = RedisServer::start();
    let relay = relay_on(&redis, &["--ownerless", "allow", "--unknown-grace", "1ms"]);
    let mut bob = relay.connect(&socket_of("t1", "bob"));
    bob.expect_silence();
    let _: () = redis.connection().hset("jobwire:tasks:t1", "owner", "alice").unwrap();
    let mut alice = relay.connect(&socket_of("t1", "alice"));
    expect_refusal(&mut bob, NOT_THE_OWNER);
    alice.expect_silence();
    redis.publish("task_updates:t1", progress("t1", 1));
    alice.expect(&progress("t1", 1));
}

#[test]
fn an_id_is_decoded_and_an_impossible_one_is_4004_for_who_has_a_token() {
    let relay = relay(&[]);
    publish(&relay, "a%20b", &registered("a b", "alice"));
    publish(&relay, "a%20b", &progress("a b", 1));
    relay.connect(&socket_of("a%20b", "alice")).expect(&progress("a b", 1));
    let long = "x".repeat(257);
    expect_refusal(&mut relay.connect(&socket_of(&long, "alice")), (4004, "impossible job id"));
    expect_refusal(&mut relay.connect(&format!("/ws/{long}")), super::NO_GOOD);
}

#[test]
fn an_owner_may_be_set_in_redis_without_a_word() {
    let redis = RedisServer::start();
    let relay = relay_on(&redis, &["--unknown-grace", "10m"]);
    let mut waiting = relay.connect(&socket_of("t1", "alice"));
    let mut other = relay.connect(&socket_of("t1", "bob"));
    waiting.expect_silence();
    let set = |task: &str| {
        let _: () = redis.connection().hset(format!("jobwire:tasks:{task}"), "owner", "alice").unwrap();
    };
    set("t1");
    expect_refusal(&mut other, NOT_THE_OWNER);
    // Whose it is was learned for the one as for the other.
    until(PATIENCE, "the owner to be let in", || relay.get(&poll("t1")).0 == 200);
    redis.publish("task_updates:t1", progress("t1", 1));
    waiting.expect(&progress("t1", 1));

    // Also of a task that is known by its events.
    redis.publish("task_updates:t2", progress("t2", 1));
    let mut waiting = relay.connect(&socket_of("t2", "alice"));
    waiting.expect_silence();
    set("t2");
    waiting.expect(&progress("t2", 1));
}

/// The path at which the owner polls.
fn poll(task: &str) -> String {
    format!("/task/{task}?token={}", crate::support::token("alice"))
}

#[test]
fn an_owner_outlives_the_relay() {
    let redis = RedisServer::start();
    let relay = relay_on(&redis, &[]);
    redis.publish("task_updates:t1", registered("t1", "alice"));
    redis.publish("task_updates:t1", progress("t1", 3));
    until(PATIENCE, "the state to be written", || {
        let mut connection = redis.connection();
        let state: Option<String> = connection.hget("jobwire:tasks:t1", "state").unwrap();
        state.is_some_and(|state| state == progress("t1", 3))
    });
    relay.kill();
    let relay = relay_on(&redis, &["--unknown-grace", "10m"]);
    relay.connect(&socket_of("t1", "alice")).expect(&progress("t1", 3));
    expect_refusal(&mut relay.connect(&socket_of("t1", "bob")), NOT_THE_OWNER);
    // What a worker says later changes nothing, whoever it says.
    relay.kill();
    let relay = relay_on(&redis, &["--unknown-grace", "10m"]);
    redis.publish("task_updates:t1", progress("t1", 4).replace(r#""step""#, r#""user_id":"bob","step""#));
    relay.until_events(1);
    expect_refusal(&mut relay.connect(&socket_of("t1", "bob")), NOT_THE_OWNER);
}

#[test]
fn while_redis_is_away_nobody_is_refused_for_what_only_it_knows() {
    let mut redis = RedisServer::start();
    let relay = relay_on(&redis, &["--unknown-grace", "1ms"]);
    redis.stop();
    until(PATIENCE, "the relay to miss it", || relay.get("/ready").0 == 503);
    let mut socket = relay.connect(&socket_of("t1", "alice"));
    socket.expect_silence();
    assert_eq!(relay.get(&poll("t1")).0, 503);
    redis.restart();
    let _: () = redis.connection().hset("jobwire:tasks:t1", "owner", "alice").unwrap();
    until(PATIENCE, "the relay to come back", || relay.get("/ready").0 == 200);
    until(PATIENCE, "the owner to be known", || relay.get(&poll("t1")).0 == 200);
    socket.expect_silence();
    redis.publish("task_updates:t1", progress("t1", 1));
    socket.expect(&progress("t1", 1));
}

#[test]
fn nothing_of_the_channels_reaches_a_task() {
    let relay: Relay = relay(&["--unknown-grace", "10m"]);
    publish(&relay, "7", &registered("7", "alice"));
    let mut socket = relay.connect(&socket_of("7", "alice"));
    socket.expect_silence();
    relay.publish("download_updates:7", r#"{"jobId":"7","status":"queued","progress":0}"#);
    socket.expect_silence();
}
