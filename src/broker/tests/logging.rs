//! Redis: what the log says, and what it keeps to itself.

use std::io::Write;
use std::sync::{Arc, Mutex};

use tracing::subscriber::DefaultGuard;

use super::fixture::{RedisServer, Running, channel, within};
use crate::broker::{Broker, Entries, RedisBroker, Subscription};

/// Collects what is logged on this thread, which is where the whole of a test runs.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn capture() -> (Self, DefaultGuard) {
        let log = Self::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_writer(move || writer.clone())
            .with_ansi(false)
            .without_time()
            .with_target(false)
            .finish();
        (log, tracing::subscriber::set_default(subscriber))
    }

    fn lines(&self) -> Vec<String> {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        text.lines().map(|line| line.trim().to_owned()).collect()
    }
}

#[tokio::test]
async fn an_outage_is_told_once_at_its_beginning_and_once_at_its_end() {
    let (log, _guard) = Log::capture();
    let mut server = RedisServer::start(&[]);
    let mut running = server.broker();
    running.subscribe(vec![channel("a")]).await;
    server.kill();
    // Several attempts fail with the same reason, and each failure is a new status.
    let mut status = running.broker.status();
    for _ in 0..4 {
        within("a failed attempt", status.changed()).await.unwrap();
    }
    server.launch();
    running.status("connected again", |status| status.connected).await;
    let lines = log.lines();
    assert_eq!(lines.len(), 4, "{lines:#?}");
    let port = server.port;
    assert_eq!(lines[0], format!("INFO connected to redis://127.0.0.1:{port}"));
    assert!(lines[1].starts_with("WARN redis connection lost: "), "{}", lines[1]);
    let refused =
        format!("WARN could not connect to redis://127.0.0.1:{port}: connection refused; trying again");
    assert_eq!(lines[2], refused);
    assert!(lines[3].starts_with("WARN redis connected again after "), "{}", lines[3]);
    assert!(lines[3].ends_with(" s; events published meanwhile are lost"), "{}", lines[3]);
}

#[tokio::test]
async fn an_outage_of_nothing_but_streams_loses_no_events() {
    let (log, _guard) = Log::capture();
    let mut server = RedisServer::start(&[]);
    let mut running = server.broker();
    let stream = Subscription::Stream { key: "a".to_owned(), entries: Entries::Data };
    running.subscribe(vec![stream]).await;
    server.kill();
    running.status("lost", |status| !status.connected).await;
    server.launch();
    running.status("connected again", |status| status.connected).await;
    let lines = log.lines();
    assert!(lines.iter().any(|line| line.starts_with("INFO redis connected again after ")), "{lines:#?}");
    assert!(lines.iter().any(|line| line.ends_with(" s, from where they were")), "{lines:#?}");
    assert!(!lines.iter().any(|line| line.contains("are lost")), "{lines:#?}");
}

#[tokio::test]
async fn a_refused_login_is_told_once_and_without_the_password() {
    let (log, _guard) = Log::capture();
    let server = RedisServer::start(&["--requirepass", "right"]);
    let url = format!("redis://ann:hunter2@127.0.0.1:{}", server.port);
    let mut running = Running::new(RedisBroker::new(&url).unwrap());
    running.start(vec![channel("a")], None);
    let mut status = running.broker.status();
    for _ in 0..4 {
        within("a failed attempt", status.changed()).await.unwrap();
    }
    let lines = log.lines();
    assert_eq!(lines.len(), 1, "{lines:#?}");
    assert!(
        lines[0].contains("refused the login: WRONGPASS") && !lines[0].contains("hunter2"),
        "{}",
        lines[0]
    );
    assert!(!format!("{:?} {:?}", running.broker, running.broker.status().borrow()).contains("hunter2"));
}
