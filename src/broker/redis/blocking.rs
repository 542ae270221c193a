//! Commands for a thread that may wait for their answers.

use std::time::Duration;

use redis::{Cmd, ConnectionLike, ErrorKind, RedisError, RedisResult, Value};
use tokio::runtime::{Builder, Runtime};

use super::commands::Commands;
use super::connect::{Connector, Use};
use crate::broker::BrokerError;
use crate::wire::redis::{Address, Endpoint, Topology};

/// Connections whose commands block; opened as all other connections to Redis are. Not for use within a runtime.
pub(crate) struct BlockingRedis {
    runtime: Runtime,
    commands: Commands,
}

impl BlockingRedis {
    /// Connects and logs in; each command has `patience` for its answer.
    pub(crate) fn connect(url: &str, patience: Duration) -> Result<Self, BrokerError> {
        let unusable =
            |reason: String| BrokerError::Unreachable { address: "the Redis of --redis".to_owned(), reason };
        let endpoint = Endpoint::parse(url).map_err(|error| unusable(error.to_string()))?;
        let connector = Connector::new(endpoint).map_err(|error| unusable(error.to_string()))?;
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| unusable(error.to_string()))?;
        let commands = Commands::with_patience(connector, patience);
        runtime.block_on(commands.open())?;
        Ok(Self { runtime, commands })
    }
}

/// Address of the server that an endpoint leads to now, for whoever connects to it in a way of its own. Not for use
/// within a runtime. A single server that does not answer is none of its business.
pub(crate) fn locate(endpoint: &Endpoint) -> Result<Address, BrokerError> {
    let unusable = |reason: String| BrokerError::Unreachable { address: endpoint.to_string(), reason };
    let connector = Connector::new(endpoint.clone()).map_err(|error| unusable(error.to_string()))?;
    let runtime =
        Builder::new_current_thread().enable_all().build().map_err(|error| unusable(error.to_string()))?;
    let opened = runtime.block_on(connector.connect(Use::Commands));
    match (opened, connector.tenure()) {
        (Ok(_), Some(tenure)) => Ok(tenure.address().clone()),
        (Err(failure), _) if failure.is_of_server() || !matches!(endpoint.servers, Topology::Single(_)) => {
            Err(failure.at(&connector.address))
        }
        _ => Ok(endpoint.named()[0].clone()),
    }
}

impl ConnectionLike for BlockingRedis {
    fn req_command(&mut self, command: &Cmd) -> RedisResult<Value> {
        let reply = self.runtime.block_on(self.commands.once(command));
        reply.map_err(|error| RedisError::from((ErrorKind::Client, "the command failed", error.to_string())))
    }

    fn req_packed_command(&mut self, _command: &[u8]) -> RedisResult<Value> {
        Err(RedisError::from((ErrorKind::Client, "commands are sent one at a time")))
    }

    fn req_packed_commands(
        &mut self,
        _commands: &[u8],
        _offset: usize,
        _count: usize,
    ) -> RedisResult<Vec<Value>> {
        Err(RedisError::from((ErrorKind::Client, "commands are sent one at a time")))
    }

    fn get_db(&self) -> i64 {
        0
    }

    fn check_connection(&mut self) -> bool {
        redis::cmd("PING").query::<Value>(self).is_ok()
    }

    fn is_open(&self) -> bool {
        true
    }
}
