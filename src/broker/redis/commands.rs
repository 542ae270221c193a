//! Commands: one connection of the redis crate, dropped when it fails and opened anew when it is next needed.
//!
//! Not the crate's `ConnectionManager`: after an outage of 20 s in which nothing was sent it stayed deaf for good.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Cmd, ErrorKind, FromRedisValue, Pipeline, RedisError, RedisResult, Value,
};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use super::connect::{Connector, Use};
use super::failure::Failure;
use super::opening::Manner;
use super::role::ServerRole;
use crate::broker::BrokerError;

/// A command that was given up after so long without a reply takes its connection with it.
const DEAF: Duration = Duration::from_millis(500);
/// From sending a command to its reply.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(2);

/// Sends commands over one shared connection; those of one caller in order, as each awaits its reply.
pub(super) struct Commands {
    connector: Connector,
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

impl Commands {
    pub(super) fn new(connector: Connector) -> Self {
        Self { connector, slot: Mutex::default(), epoch: AtomicU64::new(0) }
    }

    /// Lets the next command open a new connection; those that wait for a reply still get it.
    pub(super) fn give_up(&self) {
        self.epoch.fetch_add(1, Ordering::Relaxed);
    }

    /// Sends a command once. After [`BrokerError::Unreachable`] it may or may not have been carried out.
    pub(super) async fn once<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, BrokerError> {
        let mut live = self.live().await?;
        let result = self.answer(live.epoch, command.query_async(&mut live.connection)).await;
        result.map_err(|error| self.error(&error))
    }

    /// Sends a command that may be carried out twice, a second time if the connection broke under it.
    pub(super) async fn idempotent<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, BrokerError> {
        let mut live = self.live().await?;
        let mut result = self.answer(live.epoch, command.query_async(&mut live.connection)).await;
        if result.as_ref().is_err_and(broke) {
            live = self.live().await?;
            result = self.answer(live.epoch, command.query_async(&mut live.connection)).await;
        }
        result.map_err(|error| self.error(&error))
    }

    /// Sends commands that may be carried out twice, all at once; the outer error is of the connection, the inner one of
    /// a command.
    pub(super) async fn pipeline<T: FromRedisValue>(
        &self,
        commands: &Pipeline,
    ) -> Result<RedisResult<T>, BrokerError> {
        let mut live = self.live().await?;
        let mut result = self.answer(live.epoch, commands.query_async(&mut live.connection)).await;
        if result.as_ref().is_err_and(broke) {
            live = self.live().await?;
            result = self.answer(live.epoch, commands.query_async(&mut live.connection)).await;
        }
        match result {
            Err(error) if broke(&error) => Err(self.error(&error)),
            other => Ok(other),
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

    /// Asks for the role of the server, in the way in which it told it when it was connected to. It is unknown where the
    /// server does not tell.
    pub(super) async fn role(&self) -> Result<ServerRole, BrokerError> {
        // Opens the connection, if that is to be done, whose role is known then.
        self.live().await?;
        match self.connector.tenure().map_or(Manner::Role, |tenure| tenure.told().by) {
            Manner::Role => Ok(ServerRole::of_value(&self.idempotent::<Value>(&redis::cmd("ROLE")).await?)),
            Manner::Info => {
                let info: String = self.idempotent(redis::cmd("INFO").arg("replication")).await?;
                Ok(ServerRole::of_info(&info))
            }
            Manner::Forbidden => Ok(ServerRole::Unknown),
        }
    }

    /// A refusal in these words.
    pub(super) fn refused(&self, reason: &str) -> BrokerError {
        Failure::Refused(reason.to_owned()).at(&self.connector.address)
    }

    pub(super) fn error(&self, error: &RedisError) -> BrokerError {
        failure(error).at(&self.connector.address)
    }

    /// The open connection, or a new one. A connection known to have ended is not used, so that the first command after
    /// a restart of Redis succeeds although nothing is ever sent twice.
    async fn live(&self) -> Result<Live, BrokerError> {
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
            return Err(failure.clone().at(&self.connector.address));
        }
        match self.open(self.epoch.load(Ordering::Relaxed)).await {
            Ok(live) => {
                slot.failed = None;
                slot.live = Some(live.clone());
                Ok(live)
            }
            Err(failure) => {
                slot.failed = Some((Instant::now(), failure.clone()));
                Err(failure.at(&self.connector.address))
            }
        }
    }

    async fn open(&self, epoch: u64) -> Result<Live, Failure> {
        let stream = self.connector.connect(Use::Commands).await?;
        let config = AsyncConnectionConfig::new().set_response_timeout(Some(RESPONSE_TIMEOUT));
        // Logged in already, with errors that say what is wrong; the crate is left nothing to set up.
        let nothing = redis::RedisConnectionInfo::default().set_skip_set_lib_name();
        let (connection, driver) = MultiplexedConnection::new_with_config(&nothing, stream, config)
            .await
            .map_err(|error| failure(&error))?;
        Ok(Live { connection, driver: Arc::new(Driver(tokio::spawn(driver))), epoch })
    }
}

/// Whether it was the connection that failed rather than the command.
fn broke(error: &RedisError) -> bool {
    matches!(error.kind(), ErrorKind::Io | ErrorKind::Parse | ErrorKind::Client)
}

fn failure(error: &RedisError) -> Failure {
    if error.is_timeout() {
        return Failure::Unreachable(format!("no answer within {} s", RESPONSE_TIMEOUT.as_secs()));
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
