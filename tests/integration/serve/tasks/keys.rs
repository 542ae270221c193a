//! Tokens by public keys: key sets that rotate, fail and come back, and keys out of files.

use std::fs;

use rustix::process::Signal;
use serde_json::json;

use super::{NO_GOOD, expect_refusal, progress, publish, registered, relay};
use crate::support::{Issuer, PATIENCE, Relay, SECRET, jobwire, token, unix_now, until};

const COME_AGAIN: (u16, &str) = (1013, "token keys not fetched yet, try again later");

/// Waits until the relay has fetched its first key set.
fn until_fetched(relay: &Relay) {
    until(PATIENCE, "the key set", || !relay.stats()["tokens"]["jwks"][0]["fetched_at"].is_null());
}

/// That a token opens the socket of the task t1.
#[track_caller]
fn expect_open(relay: &Relay, token: &str) {
    let mut socket = relay.connect(&format!("/ws/t1?token={token}"));
    until(PATIENCE, "the socket to get events", || publish(relay, "t1", &progress("t1", 1)) >= 1);
    socket.expect(&progress("t1", 1));
}

fn poll(relay: &Relay, token: &str) -> u16 {
    relay.get(&format!("/task/t1?token={token}")).0
}

#[test]
fn tokens_of_pyjwt_open_by_the_keys_of_a_set_that_rotates_beside_a_legacy_secret() {
    let issuer = Issuer::start();
    issuer.make("es", "ES256");
    issuer.make("rs", "RS256");
    issuer.publish(&["es"]);
    let relay = relay(&["--jwks", &issuer.url()]);
    publish(&relay, "t1", &registered("t1", "alice"));
    until_fetched(&relay);
    expect_open(&relay, &issuer.token("es", "alice"));
    expect_open(&relay, &issuer.by_secret(SECRET, "alice"));
    expect_refusal(&mut relay.connect(&format!("/ws/t1?token={}", issuer.token("rs", "alice"))), NO_GOOD);
    let bob = format!("/ws/t1?token={}", issuer.token("es", "bob"));
    expect_refusal(&mut relay.connect(&bob), super::NOT_THE_OWNER);

    // An open connection stays open when the key of its token is withdrawn.
    let mut early = relay.connect(&format!("/ws/t1?token={}", issuer.token("es", "alice")));
    issuer.publish(&["rs"]);
    relay.signal(Signal::HUP);
    until(PATIENCE, "the new key", || poll(&relay, &issuer.token("rs", "alice")) == 200);
    expect_open(&relay, &issuer.token("rs", "alice"));
    assert_eq!(poll(&relay, &issuer.token("es", "alice")), 401);
    assert_eq!(poll(&relay, &issuer.by_secret(SECRET, "alice")), 200);
    early.expect_text_containing("\"step\":1");
}

#[test]
fn a_key_that_is_new_in_the_set_is_fetched_when_a_token_names_it() {
    let issuer = Issuer::start();
    issuer.make("one", "ES256");
    issuer.make("two", "ES256");
    issuer.publish(&["one"]);
    let relay = Relay::start(&["--jwks", &issuer.url()]);
    publish(&relay, "t1", &registered("t1", "alice"));
    until_fetched(&relay);
    issuer.publish(&["one", "two"]);
    assert_eq!(poll(&relay, &issuer.token("two", "alice")), 200, "at once");
    assert_eq!(poll(&relay, &issuer.token("one", "alice")), 200);
    assert_eq!(relay.stats()["tokens"]["jwks"][0]["keys"], 2);
}

#[test]
fn while_a_set_cannot_be_fetched_its_tokens_are_told_to_come_again_and_others_are_served() {
    let issuer = Issuer::start();
    issuer.make("es", "ES256");
    issuer.publish(&["es"]);
    issuer.mode("html");
    let relay = relay(&["--jwks", &issuer.url()]);
    publish(&relay, "t1", &registered("t1", "alice"));
    let set = || relay.stats()["tokens"]["jwks"][0].clone();
    until(PATIENCE, "the failure", || set()["error"].as_str().is_some_and(|error| error.contains("HTML")));
    let good = issuer.token("es", "alice");
    expect_refusal(&mut relay.connect(&format!("/ws/t1?token={good}")), COME_AGAIN);
    let answer = relay.exchange("GET", &format!("/task/t1?token={good}"), &[], b"");
    assert_eq!(answer.refusal(), (503, "keys_not_fetched".to_owned()));
    assert_eq!(answer.header("retry-after"), Some("5"));
    assert_eq!((poll(&relay, &token("alice")), poll(&relay, "garbage")), (200, 401));
    issuer.mode("set");
    relay.signal(Signal::HUP);
    until(PATIENCE, "the keys", || poll(&relay, &good) == 200);
    // They stay while it is away.
    for mode in ["redirect", "html"] {
        issuer.mode(mode);
        relay.signal(Signal::HUP);
        until(PATIENCE, "another failure", || set()["error"] != json!(null));
        assert_eq!(poll(&relay, &good), 200, "{mode}");
    }
    let log = relay.stop().stderr;
    assert!(log.contains("could not fetch the keys for tokens"), "{log}");
    assert!(log.contains("a key set could not be fetched"), "{log}");
}

#[test]
fn keys_come_out_of_files_and_a_hangup_reads_them_again() {
    let issuer = Issuer::start();
    let names = ["RS256", "PS256", "ES256", "ES384", "EdDSA"];
    let pems: Vec<String> = names.iter().map(|name| issuer.make(name, name)).collect();
    let folder = tempfile::tempdir().unwrap();
    let (some, other) = (folder.path().join("some.pem"), folder.path().join("other.pem"));
    fs::write(&some, pems[..4].concat()).unwrap();
    fs::write(&other, &pems[4]).unwrap();
    let [some_path, other_path] = [&some, &other].map(|path| path.to_str().unwrap());
    let relay = Relay::start(&["--jwt-key", some_path, "--jwt-key", other_path]);
    assert!(relay.stderr().contains("auth token of the owner"), "{}", relay.stderr());
    publish(&relay, "t1", &registered("t1", "alice"));
    for name in names {
        assert_eq!(poll(&relay, &issuer.token(name, "alice")), 200, "{name}");
        let expired = issuer.sign(name, &json!({"sub": "alice", "exp": unix_now() - 1.0}), &json!({}));
        assert_eq!(poll(&relay, &expired), 401, "{name}");
    }
    assert_eq!(poll(&relay, &token("alice")), 401, "there is no secret");
    fs::write(&other, issuer.make("new", "EdDSA")).unwrap();
    relay.signal(Signal::HUP);
    until(PATIENCE, "the new key", || poll(&relay, &issuer.token("new", "alice")) == 200);
    assert_eq!(poll(&relay, &issuer.token("EdDSA", "alice")), 401);
    fs::write(&other, "nonsense").unwrap();
    relay.signal(Signal::HUP);
    until(PATIENCE, "the complaint", || relay.stderr().contains("the configuration stays as it was"));
    assert_eq!(poll(&relay, &issuer.token("new", "alice")), 200);
    let log = relay.stop().stderr;
    assert!(log.contains("other.pem: it is no PEM file"), "{log}");
}

#[test]
fn the_log_names_algorithm_and_key_that_were_missing() {
    let issuer = Issuer::start();
    issuer.make("abc", "ES256");
    let relay = relay(&[]);
    let alien = issuer.token("abc", "alice");
    let slip = issuer.by_secret(&format!("{SECRET}\n"), "alice");
    for token in [&alien, &slip] {
        assert_eq!(poll(&relay, token), 401);
    }
    let log = relay.stop().stderr;
    assert!(log.contains("--jwks or --jwt-key adds one (alg ES256, key 'abc')"), "{log}");
    assert!(log.contains("a line break behind it"), "{log}");
    assert!(!log.contains(&alien[..30]) && !log.contains(SECRET), "{log}");
}

#[test]
fn a_file_that_is_no_public_key_and_a_url_that_is_none_are_bad_usage() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key.pem");
    fs::write(&path, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n").unwrap();
    let path = path.to_str().unwrap();
    let serve = |args: &[&str]| jobwire(&[&["serve", "--listen", "127.0.0.1:0"], args].concat());
    for (args, expected) in [
        (&["--jwt-key", path][..], "key.pem: it is a private key"),
        (&["--jwt-key", path], "-pubout"),
        (&["--jwt-key", "/nowhere/key.pem"], "/nowhere/key.pem: could not read it: No such file"),
        (&["--jwt-key", "/"], "it is a folder"),
        (&["--jwt-key=-----BEGIN PRIVATE KEY-----"], "takes the name of a file"),
        (&["--jwks", "example.com/jwks.json"], "a key set is an http or https URL"),
        (&["--jwks", "ftp://example.com/"], "a key set is an http or https URL"),
        (&["--auth", "scrapping=token"], "did you mean 'scraping'?"),
        (&["--auth", "scraping=tokn"], "did you mean 'token'?"),
        (&["--auth", "scraping"], "DIALECT=token"),
        (&["--auth", "channels=owner"], "channels and rooms belong to nobody"),
        (&["--no-auth", "--auth", "scraping=token"], "--no-auth asks nobody for a token"),
        (&["--auth", "scraping=token,scraping=none"], "it was given something else before"),
    ] {
        let output = serve(args);
        assert_eq!(output.code, 2, "{args:?}: {}", output.stderr);
        assert!(output.stderr.contains(expected), "{args:?}: {}", output.stderr);
    }
}
