//! Finds the queues of BullMQ: each has a hash `PREFIX:QUEUE:meta`.

use std::collections::HashSet;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use super::super::connect::{Node, Use};
use super::super::failure::Failure;
use super::super::routes::escaped;
use super::entry::Manner;
use super::followed::Followed;
use super::ledger::{GroupId, SEARCHED};
use super::pipe::Pipe;
use super::shared::Shared;
use crate::broker::Denied;
use crate::wire::resp::{Bounds, Reply};

/// Keys that Redis looks at for each SCAN.
const KEYS: &[u8] = b"1000";

/// Pause between two SCANs, which leaves Redis to others.
const PACE: Duration = Duration::from_millis(2);

/// Time between the beginnings of two passes over all keys, at least.
const EACH_PASS: Duration = Duration::from_mins(1);

/// Pause after a SCAN that was refused.
const REFUSED: Duration = Duration::from_secs(5);

/// Time for which the history waits for queues: with very many keys a pass takes minutes, and queues that are found later are
/// read back then.
const AWAITED: Duration = Duration::from_secs(3);

/// Bounds of a reply to SCAN: keys of at most 512 KiB together, far more than a thousand names.
const FOUND: Bounds = Bounds { bytes: 4 * 1024 * 1024, elements: 100_000, depth: 2 };

/// Looks for queues of one prefix.
pub(super) struct Search<'a> {
    pub(super) shared: &'a Shared<'a>,
    pub(super) group: GroupId,
    pub(super) subscription: usize,
    pub(super) prefix: &'a str,
    /// Takes the queues that are found.
    pub(super) found: UnboundedSender<Followed>,
}

impl Search<'_> {
    /// Looks again and again. The history waits for the end of the first pass, for a while.
    pub(super) async fn run(self) {
        let mut known = HashSet::new();
        let mut is_awaited = self.shared.gate.wait_for_one();
        let deadline = Instant::now() + AWAITED;
        self.shared.ledger.begun(self.group);
        loop {
            let next = Instant::now() + EACH_PASS;
            let mut pass = Box::pin(self.pass(&mut known));
            let mut passed = None;
            if is_awaited {
                passed = timeout_at(deadline, &mut pass).await.ok();
                if passed.is_none() {
                    is_awaited = false;
                    self.shared.history_read().await;
                }
            }
            let passed = match passed {
                Some(passed) => passed,
                None => pass.as_mut().await,
            };
            drop(pass);
            let next = match passed {
                Ok(()) => {
                    self.shared.ledger.answered(self.group, 0, Vec::new());
                    next
                }
                Err(Failure::Refused(reason)) => {
                    let (name, subscriptions) = (self.pattern(), vec![self.subscription]);
                    let denied = Denied { name, reason, revoked: false, subscriptions };
                    self.shared.ledger.answered(self.group, 0, vec![denied]);
                    Instant::now() + REFUSED
                }
                Err(failure) => {
                    self.shared.ledger.failed(self.group, &failure);
                    sleep(Duration::from_millis(500)).await;
                    continue;
                }
            };
            if std::mem::take(&mut is_awaited) {
                self.shared.history_read().await;
            }
            sleep_until(next).await;
        }
    }

    /// The keys of queues.
    fn pattern(&self) -> String {
        format!("{}{SEARCHED}", String::from_utf8_lossy(&escaped(self.prefix.as_bytes())))
    }

    /// Looks through all keys once.
    async fn pass(&self, known: &mut HashSet<String>) -> Result<(), Failure> {
        for node in self.shared.connector.nodes().await {
            self.pass_at(&node, known).await?;
        }
        Ok(())
    }

    /// Looks through the keys of one server.
    async fn pass_at(&self, node: &Node, known: &mut HashSet<String>) -> Result<(), Failure> {
        let stream = self.shared.connector.connect_to(node, Use::Commands).await?;
        let mut pipe = Pipe::new(stream, 0);
        // Events of a queue that is found later came after the beginning, unless they are older than this.
        self.shared.learn_time(&mut pipe).await?;
        let pattern = self.pattern();
        let mut cursor = "0".to_owned();
        loop {
            pipe.command(&[
                b"SCAN",
                cursor.as_bytes(),
                b"MATCH",
                pattern.as_bytes(),
                b"COUNT",
                KEYS,
                b"TYPE",
                b"hash",
            ]);
            pipe.send().await?;
            let (next, keys) = pipe.reply(&FOUND, scanned).await??;
            for key in keys {
                self.take(&key, known);
            }
            if next == "0" {
                return Ok(());
            }
            cursor = next;
            sleep(PACE).await;
        }
    }

    fn take(&self, key: &str, known: &mut HashSet<String>) {
        let Some(queue) = queue_of(self.prefix, key) else { return };
        if known.insert(queue.to_owned()) {
            // The receiver lives as long as this.
            let _ = self.found.send(stream_of(self.shared, self.subscription, self.prefix, queue));
        }
    }
}

/// The stream of a queue's events.
pub(super) fn stream_of(shared: &Shared<'_>, subscription: usize, prefix: &str, queue: &str) -> Followed {
    let key = format!("{prefix}:{queue}:events").into();
    let mut stream = Followed::new(key, subscription, Manner::of_queue(prefix, queue));
    stream.is_awaited = shared.gate.wait_for_one();
    stream
}

/// The queue's name in the key of its hash; it has no colon.
fn queue_of<'a>(prefix: &str, key: &'a str) -> Option<&'a str> {
    let queue = key.strip_prefix(prefix)?.strip_prefix(':')?.strip_suffix(":meta")?;
    (!queue.is_empty() && !queue.contains(':')).then_some(queue)
}

/// The next cursor, and the keys that are texts.
fn scanned(reply: &Reply<'_>) -> Result<(String, Vec<String>), Failure> {
    let text = |reply: &Reply<'_>| match reply {
        Reply::Bulk(text) => std::str::from_utf8(text).ok().map(str::to_owned),
        _ => None,
    };
    match reply {
        Reply::Array(parts) => match parts.as_slice() {
            [cursor, Reply::Array(keys)] => {
                let cursor = text(cursor).unwrap_or_else(|| "0".to_owned());
                Ok((cursor, keys.iter().filter_map(text).collect()))
            }
            _ => Err(Failure::Unreachable("SCAN answers in another form".to_owned())),
        },
        Reply::Error(text) => Err(Failure::from_reply(&String::from_utf8_lossy(text))),
        _ => Err(Failure::Unreachable("SCAN answers in another form".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::queue_of;

    #[test]
    fn a_queue_is_named_by_its_hash_and_has_no_colon() {
        for (key, queue) in [
            ("bull:videos:meta", Some("videos")),
            ("bull:a/b:meta", Some("a/b")),
            ("bull:a:b:meta", None),
            ("bull::meta", None),
            ("bull:meta", None),
            ("bullet:a:meta", None),
        ] {
            assert_eq!(queue_of("bull", key), queue, "{key}");
        }
        assert_eq!(queue_of("{bull}", "{bull}:a:meta"), Some("a"));
    }
}
