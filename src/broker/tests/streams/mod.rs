//! Streams: history, holes, keys that cannot be read, queues, pages, and what is too long.

mod history;
mod holes;
mod keys;
mod long;
mod pages;
mod queues;

use super::fixture::{Got, RedisServer, Running};
use crate::broker::{Entries, RedisBroker, Subscription};

fn data(key: &str) -> Subscription {
    Subscription::Stream { key: key.to_owned(), entries: Entries::Data }
}

fn of_job(key: &str, prefix: &str) -> Subscription {
    Subscription::Stream { key: key.to_owned(), entries: Entries::DataOfJob(prefix.to_owned()) }
}

fn queues(names: Option<&[&str]>) -> Subscription {
    let names = names.map(|names| names.iter().map(|&name| name.to_owned()).collect());
    Subscription::Queues { prefix: "bull".to_owned(), names }
}

impl RedisServer {
    /// A broker whose sink notes everything of streams.
    fn streams(&self) -> Running<RedisBroker> {
        let mut running = self.broker();
        running.is_detailed = true;
        running
    }

    /// A broker that follows a stream which is still empty, and whose history is read.
    async fn following(&self, stream: Subscription) -> Running<RedisBroker> {
        let mut running = self.streams();
        let key = stream.name().to_owned();
        running.subscribe(vec![stream]).await;
        running.expect_stream(0, &key, "0-0").await;
        assert_eq!(running.got().await, Got::HistoryRead);
        running
    }

    async fn add(&self, key: &str, id: &str, fields: &[&str]) -> String {
        self.command(&[&["XADD", key, id], fields].concat()).await
    }
}

impl Running<RedisBroker> {
    /// The next call of the sink but flushes.
    async fn got(&mut self) -> Got {
        loop {
            match self.anything().await {
                Got::Flush => {}
                got => return got,
            }
        }
    }

    async fn expect_stream(&mut self, stream: u16, key: &str, after: &str) {
        let wanted = Got::Stream { stream, key: key.to_owned(), subscription: 0, after: after.to_owned() };
        assert_eq!(self.got().await, wanted);
    }

    async fn expect_entry(&mut self, position: &str, payload: &str, is_history: bool) {
        match self.got().await {
            Got::Entry { position: found, payload: text, is_history: history, .. } => {
                assert_eq!(
                    (found.as_str(), text.as_str(), history),
                    (position, payload, is_history),
                    "wanted {payload}"
                );
            }
            got => panic!("got {got:?}, wanted {payload}"),
        }
    }
}

const AOF: [&str; 4] = ["--appendonly", "yes", "--appendfsync", "always"];
