//! Commands, each sent to the server that holds its key.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use redis::{Cmd, FromRedisValue, Pipeline, RedisError, Value};

use super::connect::{Connector, Node};
use super::failure::Failure;
use super::keys::key_of;
use super::line::{RESPONSE_TIMEOUT, Repeat, ServerLine, failure};
use super::opening::Manner;
use super::role::ServerRole;
use crate::broker::BrokerError;

/// Servers that a command is sent to at most, one after the other, while each redirects it.
const MOST_HOPS: u32 = 5;

/// Sends commands over one shared connection a server; those of one caller in order, as each awaits its reply.
///
/// Outside of a cluster there is one server. In a cluster a command goes to the node of its key, and where it is
/// redirected to; one without a key goes to any node.
pub(super) struct Commands {
    connector: Connector,
    patience: Duration,
    /// Line to the server that the URL leads to.
    home: Arc<ServerLine>,
    /// Lines to nodes of a cluster.
    lines: Mutex<HashMap<Node, Arc<ServerLine>>>,
}

/// A reply that is no error, or what went wrong.
type Outcome = Result<Value, Failure>;

impl Commands {
    pub(super) fn new(connector: Connector) -> Self {
        Self::with_patience(connector, RESPONSE_TIMEOUT)
    }

    /// Commands that wait so long for each reply.
    pub(super) fn with_patience(connector: Connector, patience: Duration) -> Self {
        let home = Arc::new(ServerLine::new(connector.clone(), None, patience));
        Self { connector, patience, home, lines: Mutex::default() }
    }

    /// Whether keys may be on several servers, so that no command can have two of them.
    pub(super) fn has_slots(&self) -> bool {
        self.connector.cluster.has_slots()
    }

    /// Lets the next command open a new connection; those that wait for a reply still get it.
    pub(super) fn give_up(&self) {
        self.home.give_up();
    }

    /// Opens a connection to wherever the URL leads.
    pub(super) async fn open(&self) -> Result<(), BrokerError> {
        self.home.ready().await.map_err(|failure| self.error(failure))
    }

    /// Sends a command once. After [`BrokerError::Unreachable`] it may or may not have been carried out.
    pub(super) async fn once<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, BrokerError> {
        self.typed(self.send(command, Repeat::Never).await)
    }

    /// Sends a command that may be carried out twice, a second time if the connection broke under it.
    pub(super) async fn idempotent<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, BrokerError> {
        self.typed(self.send(command, Repeat::Once).await)
    }

    /// Sends commands that may be carried out twice, those for one server all at once.
    pub(super) async fn each<T: FromRedisValue>(&self, commands: &[Cmd]) -> Vec<Result<T, BrokerError>> {
        self.connector.ask_if_due().await;
        let mut lines: Vec<(Arc<ServerLine>, Vec<usize>)> = Vec::new();
        for (index, command) in commands.iter().enumerate() {
            let line = self.line_of(command).await;
            match lines.iter_mut().find(|(known, _)| Arc::ptr_eq(known, &line)) {
                Some((_, of)) => of.push(index),
                None => lines.push((line, vec![index])),
            }
        }
        let sent = join_all(lines.into_iter().map(|(line, of)| self.send_all(commands, line, of))).await;
        let mut outcomes: Vec<(usize, Outcome)> = sent.into_iter().flatten().collect();
        outcomes.sort_unstable_by_key(|(index, _)| *index);
        outcomes.into_iter().map(|(_, outcome)| self.typed(outcome)).collect()
    }

    /// Sends some of the commands over one line, and those that are redirected one by one to where they belong.
    async fn send_all(
        &self,
        commands: &[Cmd],
        line: Arc<ServerLine>,
        of: Vec<usize>,
    ) -> Vec<(usize, Outcome)> {
        let mut pipeline = Pipeline::with_capacity(of.len());
        for index in &of {
            pipeline.add_command(commands[*index].clone());
        }
        let replies = match line.send(&pipeline, Repeat::Once).await {
            Ok(replies) => replies,
            Err(failure) => return of.into_iter().map(|index| (index, Err(failure.clone()))).collect(),
        };
        join_all(of.into_iter().zip(replies).map(async |(index, reply)| {
            let outcome = self.outcome(reply);
            let outcome = match self.next_hop(&line, &outcome) {
                Some(_) => self.send(&commands[index], Repeat::Once).await,
                None => outcome,
            };
            (index, outcome)
        }))
        .await
    }

    async fn send(&self, command: &Cmd, repeat: Repeat) -> Outcome {
        self.connector.ask_if_due().await;
        let mut line = self.line_of(command).await;
        let mut is_asking = false;
        let mut hops = 0;
        loop {
            let reply = if is_asking {
                // The node takes the next command, although the slot is not its own yet.
                let mut pipeline = Pipeline::with_capacity(2);
                pipeline.cmd("ASKING").add_command(command.clone());
                line.send(&pipeline, repeat).await?.pop().unwrap_or(Value::Nil)
            } else {
                line.send_one(command, repeat).await?
            };
            let outcome = self.outcome(reply);
            hops += 1;
            match self.next_hop(&line, &outcome) {
                Some((next, asking)) if hops < MOST_HOPS => (line, is_asking) = (next, asking),
                _ => return outcome,
            }
        }
    }

    /// The server that an outcome redirects to, and whether the command is to be announced there.
    fn next_hop(&self, asked: &ServerLine, outcome: &Outcome) -> Option<(Arc<ServerLine>, bool)> {
        let Err(Failure::Refused(text)) = outcome else { return None };
        let found = self.connector.redirected(text, asked.node())?;
        Some((self.line_at(&found.node), found.is_once))
    }

    async fn line_of(&self, command: &Cmd) -> Arc<ServerLine> {
        let Some(key) = key_of(command) else { return self.line_of_keyless(command).await };
        self.connector.holder(key).map_or_else(|| Arc::clone(&self.home), |node| self.line_at(&node))
    }

    /// A publication takes the way through the cluster, where that is possible: a subscription on a node that is cut off
    /// from the others does not go unnoticed then.
    async fn line_of_keyless(&self, command: &Cmd) -> Arc<ServerLine> {
        let is_publication = matches!(command.args_iter().next(), Some(redis::Arg::Simple(b"PUBLISH")));
        if is_publication && let Some(node) = self.connector.cluster.another_than_home() {
            let line = self.line_at(&node);
            if line.ready().await.is_ok() {
                return line;
            }
        }
        Arc::clone(&self.home)
    }

    fn line_at(&self, node: &Node) -> Arc<ServerLine> {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(line) = lines.get(node) {
            return Arc::clone(line);
        }
        let known = self.connector.cluster.masters();
        lines.retain(|node, _| known.contains(node));
        let line = Arc::new(ServerLine::new(self.connector.clone(), Some(node.clone()), self.patience));
        lines.insert(node.clone(), Arc::clone(&line));
        line
    }

    fn outcome(&self, reply: Value) -> Outcome {
        match reply {
            Value::ServerError(error) => Err(failure(&RedisError::from(error), self.patience)),
            reply => Ok(reply),
        }
    }

    fn typed<T: FromRedisValue>(&self, outcome: Outcome) -> Result<T, BrokerError> {
        let reply = outcome.map_err(|failure| self.error(failure))?;
        T::from_redis_value(reply).map_err(|error| self.refused(&error.to_string()))
    }

    /// Asks for the role of the server, in the way in which it told it when it was connected to. It is unknown where the
    /// server does not tell, and in a cluster, whose nodes may be of any role.
    pub(super) async fn role(&self) -> Result<ServerRole, BrokerError> {
        if self.connector.cluster.is_meant() {
            return Ok(ServerRole::Unknown);
        }
        // Opens the connection, if that is to be done, whose role is known then.
        self.open().await?;
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
        self.error(Failure::Refused(reason.to_owned()))
    }

    fn error(&self, failure: Failure) -> BrokerError {
        failure.at(&self.connector.address)
    }
}
