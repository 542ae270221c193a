//! State in Redis.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;

use super::fixture::{RedisServer, Running};
use crate::broker::{Broker, BrokerError, JobToSave, RedisBroker, StoredJob};

fn job(id: &str, owner: Option<&str>, state: &str, updated: u64) -> JobToSave {
    let stored = StoredJob {
        owner: owner.map(str::to_owned),
        state: Some(Bytes::copy_from_slice(state.as_bytes())),
        ended: None,
        percent: Some("45.5".to_owned()),
        updated,
    };
    JobToSave { dialect: "scraping".into(), job: id.into(), stored }
}

async fn save(running: &Running<RedisBroker>, jobs: &[JobToSave]) {
    running.broker.store().unwrap().save(jobs).await.unwrap();
}

async fn load(running: &Running<RedisBroker>, id: &str) -> Option<StoredJob> {
    running.broker.store().unwrap().load("scraping", id).await.unwrap()
}

#[tokio::test]
async fn what_was_saved_is_loaded_and_kept_for_a_day() {
    let server = RedisServer::start(&[]);
    let running = server.broker();
    assert_eq!(load(&running, "1").await, None);
    let mut saved = job("1", Some("ann"), "{\"a\":1}\r\n\0", 7);
    save(&running, &[saved.clone()]).await;
    assert_eq!(load(&running, "1").await, Some(saved.stored.clone()));
    saved.stored.ended = Some("succeeded".to_owned());
    saved.stored.percent = None;
    saved.stored.updated = 8;
    save(&running, &[saved.clone()]).await;
    assert_eq!(load(&running, "1").await, Some(saved.stored));
    let fields: HashMap<String, String> = server.command(&["HGETALL", "jobwire:scraping:1"]).await;
    assert_eq!((fields.len(), fields["ended"].as_str(), fields["updated"].as_str()), (5, "succeeded", "8"));
    let seconds: i64 = server.command(&["TTL", "jobwire:scraping:1"]).await;
    assert!((86_000..=86_400).contains(&seconds), "{seconds}");
}

#[tokio::test]
async fn an_ending_is_written_over_progress_of_a_clock_that_is_ahead_and_never_the_other_way() {
    let server = RedisServer::start(&[]);
    let running = server.broker();
    let seconds = |seconds: u64| seconds * 1_000_000;
    save(&running, &[job("1", None, "progress", seconds(130)), job("2", None, "progress", seconds(200))])
        .await;
    let ending = |id| {
        let mut ending = job(id, None, "ending", seconds(100));
        ending.stored.ended = Some("succeeded".to_owned());
        ending
    };
    save(&running, &[ending("1"), ending("2")]).await;
    let stored = load(&running, "1").await.unwrap();
    assert_eq!((stored.state.unwrap(), stored.updated), (Bytes::from_static(b"ending"), seconds(130)));
    assert_eq!(load(&running, "2").await.unwrap().state.unwrap(), "progress", "that is a run since");
    save(&running, &[job("1", None, "progress", seconds(120))]).await;
    assert_eq!(load(&running, "1").await.unwrap().state.unwrap(), "ending");
}

#[tokio::test]
async fn the_first_owner_is_kept_for_a_day_and_a_new_run_forgets_the_one_that_ended() {
    let server = RedisServer::start(&[]);
    let running = server.broker();
    let register = async |owner| {
        let store = running.broker.store().unwrap();
        store.register("scraping", "1", owner).await.unwrap()
    };
    assert!(register("ann").await && register("ann").await && !register("bob").await);
    let owned = StoredJob { owner: Some("ann".to_owned()), ..StoredJob::default() };
    assert_eq!(load(&running, "1").await, Some(owned.clone()));
    let seconds: i64 = server.command(&["TTL", "jobwire:scraping:1"]).await;
    assert!((86_000..=86_400).contains(&seconds), "{seconds}");
    // A run that goes on stays, one that has ended goes, and when it was written stays known.
    let mut job = job("1", None, "state", 7);
    save(&running, &[job.clone()]).await;
    register("ann").await;
    assert_eq!(load(&running, "1").await.unwrap().state.unwrap(), "state");
    job.stored.ended = Some("failed".to_owned());
    save(&running, &[job]).await;
    register("ann").await;
    assert_eq!(load(&running, "1").await, Some(StoredJob { updated: 7, ..owned }));
    // An owner that a relay did not know is none.
    let _: u64 = server.command(&["HSET", "jobwire:scraping:2", "owner", ""]).await;
    let store = running.broker.store().unwrap();
    assert!(store.register("scraping", "2", "bob").await.unwrap());
    let _: () = server.command(&["SET", "jobwire:scraping:3", "text"]).await;
    assert!(matches!(store.register("scraping", "3", "bob").await, Err(BrokerError::Refused { .. })));
}

#[tokio::test]
async fn the_newest_state_stays() {
    let running = Running::redis();
    // Microseconds of today have sixteen digits.
    let now = 1_760_000_000_000_000;
    save(&running, &[job("1", None, "new", now)]).await;
    save(&running, &[job("1", None, "old", now - 1)]).await;
    assert_eq!(load(&running, "1").await.unwrap().state.unwrap(), "new");
    save(&running, &[job("1", None, "as new", now)]).await;
    assert_eq!(load(&running, "1").await.unwrap().state.unwrap(), "as new");
    save(&running, &[job("1", None, "newer", now + 1)]).await;
    assert_eq!(load(&running, "1").await.unwrap().state.unwrap(), "newer");
}

#[tokio::test]
async fn an_owner_stays_until_another_is_named() {
    let running = Running::redis();
    let server = running.server.as_ref().unwrap();
    server.command::<()>(&["HSET", "jobwire:scraping:1", "owner", "ann"]).await;
    let stored = load(&running, "1").await.unwrap();
    assert_eq!((stored.owner.as_deref(), stored.state, stored.updated), (Some("ann"), None, 0));
    save(&running, &[job("1", None, "x", 1)]).await;
    assert_eq!(load(&running, "1").await.unwrap().owner.as_deref(), Some("ann"));
    save(&running, &[job("1", Some("bob"), "y", 2)]).await;
    assert_eq!(load(&running, "1").await.unwrap().owner.as_deref(), Some("bob"));
}

#[tokio::test]
async fn the_script_is_loaded_again_when_redis_forgot_it() {
    let running = Running::redis();
    save(&running, &[job("1", None, "a", 1)]).await;
    running.server.as_ref().unwrap().command::<()>(&["SCRIPT", "FLUSH"]).await;
    save(&running, &[job("1", None, "b", 2)]).await;
    assert_eq!(load(&running, "1").await.unwrap().state.unwrap(), "b");
}

#[tokio::test]
async fn a_thousand_jobs_are_saved_at_once_small_and_large() {
    let running = Running::redis();
    for (state, updated) in [("x".repeat(300), 1), ("y".repeat(20_000), 2)] {
        let jobs: Vec<JobToSave> = (0..1_000).map(|id| job(&id.to_string(), None, &state, updated)).collect();
        save(&running, &jobs).await;
        for id in ["0", "49", "50", "999"] {
            assert_eq!(load(&running, id).await.unwrap().state.unwrap(), state);
        }
    }
}

#[tokio::test]
async fn a_key_that_holds_something_else_does_not_spoil_the_others() {
    let running = Running::redis();
    running.server.as_ref().unwrap().command::<()>(&["SET", "jobwire:scraping:2", "x"]).await;
    let jobs: Vec<JobToSave> = ["1", "2", "3"].map(|id| job(id, None, "s", 1)).to_vec();
    save(&running, &jobs).await;
    assert!(load(&running, "1").await.is_some() && load(&running, "3").await.is_some());
    let error = running.broker.store().unwrap().load("scraping", "2").await.unwrap_err();
    assert!(matches!(error, BrokerError::Refused { .. }), "{error}");
}

#[tokio::test]
async fn a_store_comes_back_with_its_server() {
    let mut server = RedisServer::start(&[]);
    let running = server.broker();
    save(&running, &[job("1", None, "a", 1)]).await;
    server.kill();
    let error = running.broker.store().unwrap().save(&[job("1", None, "b", 2)]).await.unwrap_err();
    assert!(matches!(error, BrokerError::Unreachable { .. }), "{error}");
    server.launch();
    save(&running, &[job("1", None, "c", 3)]).await;
    assert_eq!(load(&running, "1").await.unwrap().state.unwrap(), "c");
}

#[tokio::test]
async fn saving_nothing_asks_nothing_of_redis() {
    let broker = Arc::new(RedisBroker::new("redis://127.0.0.1:1").unwrap());
    broker.store().unwrap().save(&[]).await.unwrap();
}
