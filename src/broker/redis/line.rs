//! Commands to one server: one connection of the redis crate, dropped when it fails and opened anew when it is next needed.
//!
//! Not the crate's `ConnectionManager`: after an outage of 20 s in which nothing was sent it stayed deaf for good.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Cmd, ErrorKind, Pipeline, RedisError, RedisResult, Value};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use super::connect::{Connector, Node, Use};
use super::failure::Failure;

/// A command that was given up after so long without a reply takes its connection with it.
const DEAF: Duration = Duration::from_millis(500);
/// Time from sending a command to its reply, at most.
pub(super) const RESPONSE_TIMEOUT: Duration = Duration::from_secs(2);

/// Sends commands over one shared connection; those of one caller in order, as each awaits its reply.
pub(super) struct ServerLine {
    connector: Connector,
    /// The node of a cluster; `None`: wherever the URL leads.
    node: Option<Node>,
    /// Time from sending a command to its reply, at most.
    patience: Duration,
    slot: Mutex<Slot>,
    /// Grows when the connection is given up; one that was opened under another number is not used any more.
    epoch: AtomicU64,
}

#[derive(Default)]
struct Slot {
    live: Option<Live>,
    /// The last attempt that failed, for those who were waiting for it.
    failed: Option<(Instant, Failure)>,
}

/// An open connection; the last clone ends its task.
#[derive(Clone)]
struct Live {
    connection: MultiplexedConnection,
    driver: Arc<Driver>,
    epoch: u64,
}

/// The task that moves the connection's bytes.
struct Driver(JoinHandle<()>);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A command that waits for its reply. Whoever loses patience before it comes must not leave a deaf connection to others.
struct Waiting<'a> {
    epoch: &'a AtomicU64,
    of: u64,
    since: Instant,
    answered: bool,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if !self.answered && self.since.elapsed() >= DEAF {
            let _ = self.epoch.compare_exchange(self.of, self.of + 1, Ordering::Relaxed, Ordering::Relaxed);
        }
    }
}

/// Whether commands may be carried out twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Repeat {
    /// Sent once: after [`Failure::Unreachable`] they may or may not have been carried out.
    Never,
    /// Sent a second time if the connection broke under them.
    Once,
}

impl ServerLine {
    pub(super) fn new(connector: Connector, node: Option<Node>, patience: Duration) -> Self {
        Self { connector, node, patience, slot: Mutex::default(), epoch: AtomicU64::new(0) }
    }

    /// The node of a cluster that this leads to; `None`: wherever the URL leads.
    pub(super) fn node(&self) -> Option<&Node> {
        self.node.as_ref()
    }

    /// Lets the next command open a new connection; those that wait for a reply still get it.
    pub(super) fn give_up(&self) {
        self.epoch.fetch_add(1, Ordering::Relaxed);
    }

    /// Opens the connection, if it is not.
    pub(super) async fn ready(&self) -> Result<(), Failure> {
        self.live().await.map(drop)
    }

    /// Sends commands all at once; returns as many replies, some of which may be errors. The failure is of the connection.
    pub(super) async fn send(&self, commands: &Pipeline, repeat: Repeat) -> Result<Vec<Value>, Failure> {
        let count = commands.len();
        let mut live = self.live().await?;
        let mut result =
            self.answer(live.epoch, live.connection.send_packed_commands(commands, 0, count)).await;
        if repeat == Repeat::Once && result.as_ref().is_err_and(broke) {
            live = self.live().await?;
            result = self.answer(live.epoch, live.connection.send_packed_commands(commands, 0, count)).await;
        }
        match result {
            Ok(replies) if replies.len() == count => Ok(replies),
            Ok(_) => Err(Failure::Unreachable("the server sent a reply to nothing asked".to_owned())),
            Err(error) => Err(self.of_node(failure(&error, self.patience))),
        }
    }

    /// Sends a command; the reply may be an error. The failure is of the connection.
    pub(super) async fn send_one(&self, command: &Cmd, repeat: Repeat) -> Result<Value, Failure> {
        let mut live = self.live().await?;
        let mut result = self.answer(live.epoch, live.connection.send_packed_command(command)).await;
        if repeat == Repeat::Once && result.as_ref().is_err_and(broke) {
            live = self.live().await?;
            result = self.answer(live.epoch, live.connection.send_packed_command(command)).await;
        }
        result.map_err(|error| self.of_node(failure(&error, self.patience)))
    }

    fn of_node(&self, failure: Failure) -> Failure {
        match &self.node {
            Some(Node(address)) => {
                self.connector.cluster.doubt();
                failure.of_node(address)
            }
            None => failure,
        }
    }

    /// Awaits a reply, and gives the connection up if it breaks or is silent.
    async fn answer<T>(&self, of: u64, reply: impl Future<Output = RedisResult<T>>) -> RedisResult<T> {
        let mut waiting = Waiting { epoch: &self.epoch, of, since: Instant::now(), answered: false };
        let result = reply.await;
        waiting.answered = true;
        if result.as_ref().is_err_and(broke) {
            let _ = self.epoch.compare_exchange(of, of + 1, Ordering::Relaxed, Ordering::Relaxed);
        }
        result
    }

    /// The open connection, or a new one. A connection known to have ended is not used, so that the first command after
    /// a restart of Redis succeeds although nothing is ever sent twice.
    async fn live(&self) -> Result<Live, Failure> {
        let asked = Instant::now();
        let mut slot = self.slot.lock().await;
        if let Some(live) = &slot.live
            && !live.driver.0.is_finished()
            && live.epoch == self.epoch.load(Ordering::Relaxed)
        {
            return Ok(live.clone());
        }
        slot.live = None;
        if let Some((at, failure)) = &slot.failed
            && *at > asked
        {
            // Somebody else has just tried in vain; a queue of callers must not wait a time-out each.
            return Err(failure.clone());
        }
        match self.open(self.epoch.load(Ordering::Relaxed)).await {
            Ok(live) => {
                slot.failed = None;
                slot.live = Some(live.clone());
                Ok(live)
            }
            Err(failure) => {
                slot.failed = Some((Instant::now(), failure.clone()));
                Err(failure)
            }
        }
    }

    async fn open(&self, epoch: u64) -> Result<Live, Failure> {
        let stream = match &self.node {
            Some(node) => self.connector.connect_to(node, Use::Commands).await?,
            None => self.connector.connect(Use::Commands).await?,
        };
        let config = AsyncConnectionConfig::new().set_response_timeout(Some(self.patience));
        // Logged in already, with errors that say what is wrong; the crate is left nothing to set up.
        let nothing = redis::RedisConnectionInfo::default().set_skip_set_lib_name();
        let (connection, driver) = MultiplexedConnection::new_with_config(&nothing, stream, config)
            .await
            .map_err(|error| failure(&error, self.patience))?;
        Ok(Live { connection, driver: Arc::new(Driver(tokio::spawn(driver))), epoch })
    }
}

/// Whether it was the connection that failed rather than the command.
fn broke(error: &RedisError) -> bool {
    matches!(error.kind(), ErrorKind::Io | ErrorKind::Parse | ErrorKind::Client)
}

pub(super) fn failure(error: &RedisError, patience: Duration) -> Failure {
    if error.is_timeout() {
        return Failure::Unreachable(format!("no answer within {} s", patience.as_secs()));
    }
    match error.clone().into_server_errors().as_deref() {
        Some([(_, reply), ..]) => {
            let text = format!("{} {}", reply.code(), reply.details().unwrap_or_default());
            Failure::from_reply(text.trim_end())
        }
        _ if broke(error) => Failure::Unreachable(error.to_string().to_lowercase()),
        _ => Failure::Refused(error.to_string()),
    }
}
