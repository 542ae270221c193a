//! The state of jobs in Redis hashes.

use std::fmt::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use redis::{Cmd, ErrorKind, Pipeline, ServerErrorKind};

use super::commands::Commands;
use crate::broker::{BoxFuture, BrokerError, JobToSave, StateStore, StoredJob};

const SCRIPT: &str = include_str!("save.lua");

/// Seldom run, so that it is sent whole each time.
const REGISTER: &str = include_str!("register.lua");

/// Seconds that a job is kept after its last write.
const KEEP: &str = "86400";

/// Jobs that one run of the script writes. A run has Redis to itself, and 50 jobs take it less than half a millisecond.
const JOBS_PER_RUN: usize = 50;

/// Bytes of state after which a pipeline is sent, so that a thousand large states do not become one enormous write.
const PIPELINE_BYTES: usize = 1024 * 1024;

/// Keeps jobs in the hashes `jobwire:{dialect}:{job}` for 24 hours after their last write.
///
/// Writes are conditional and so may be repeated; they are, once, when the connection breaks.
pub(super) struct Store {
    commands: Arc<Commands>,
    sha: String,
    database: u32,
}

impl Store {
    pub(super) fn new(commands: Arc<Commands>, database: u32) -> Self {
        Self { commands, database, sha: redis::Script::new(SCRIPT).get_hash().to_owned() }
    }

    async fn send(&self, pipeline: &Pipeline) -> Result<(), BrokerError> {
        let Err(error) = self.commands.pipeline(pipeline).await? else { return Ok(()) };
        if error.kind() != ErrorKind::Server(ServerErrorKind::NoScript) {
            return Err(self.commands.error(&error));
        }
        let mut load = redis::cmd("SCRIPT");
        load.arg("LOAD").arg(SCRIPT);
        let _: String = self.commands.idempotent(&load).await?;
        let again = self.commands.pipeline(pipeline).await?;
        again.map_err(|error| self.commands.error(&error))
    }

    fn run(&self, jobs: &[JobToSave]) -> Cmd {
        let mut command = Cmd::with_capacity(4 + jobs.len() * 6, 128 + jobs.iter().map(size).sum::<usize>());
        command.arg("EVALSHA").arg(&self.sha).arg(jobs.len());
        let mut name = String::new();
        for job in jobs {
            name.clear();
            // Writing into a string cannot fail.
            let _ = write!(name, "jobwire:{}:{}", job.dialect, job.job);
            command.arg(name.as_str());
        }
        command.arg(KEEP);
        for JobToSave { stored, .. } in jobs {
            command
                .arg(stored.owner.as_deref().unwrap_or_default())
                .arg(stored.state.as_deref().unwrap_or_default())
                .arg(stored.ended.as_deref().unwrap_or_default())
                .arg(stored.percent.as_deref().unwrap_or_default())
                .arg(stored.updated);
        }
        command
    }

    async fn save_all(&self, jobs: &[JobToSave]) -> Result<(), BrokerError> {
        let mut pipeline = Pipeline::new();
        let mut bytes = 0;
        for run in jobs.chunks(JOBS_PER_RUN) {
            pipeline.add_command(self.run(run)).ignore();
            bytes += run.iter().map(size).sum::<usize>();
            if bytes >= PIPELINE_BYTES {
                self.send(&pipeline).await?;
                pipeline.clear();
                bytes = 0;
            }
        }
        if pipeline.is_empty() { Ok(()) } else { self.send(&pipeline).await }
    }

    async fn load_one(&self, dialect: &str, job: &str) -> Result<Option<StoredJob>, BrokerError> {
        let mut command = redis::cmd("HMGET");
        command.arg(format!("jobwire:{dialect}:{job}"));
        command.arg(&["owner", "state", "ended", "percent", "updated"]);
        let [owner, state, ended, percent, updated]: [Option<Vec<u8>>; 5] =
            self.commands.idempotent(&command).await?;
        let (owner, state) = (text(owner), state.filter(|state| !state.is_empty()));
        if owner.is_none() && state.is_none() {
            return Ok(None);
        }
        Ok(Some(StoredJob {
            owner,
            state: state.map(Bytes::from),
            ended: text(ended),
            percent: text(percent),
            updated: text(updated).and_then(|number| number.parse().ok()).unwrap_or_default(),
        }))
    }

    /// GETRANGE, so that a value of any size is a bounded answer; whoever may only GET is served too.
    async fn read_one(&self, key: &str, most: usize) -> Result<Option<Bytes>, BrokerError> {
        let mut command = redis::cmd("GETRANGE");
        command.arg(key).arg(0).arg(most);
        let text: Vec<u8> = match self.commands.idempotent(&command).await {
            Err(BrokerError::Refused { reason, .. }) if reason.starts_with("NOPERM") => {
                let text: Option<Vec<u8>> = self.commands.idempotent(redis::cmd("GET").arg(key)).await?;
                text.unwrap_or_default()
            }
            other => other?,
        };
        // A key that is not there has the empty text, which is nobody's state either.
        Ok((!text.is_empty()).then(|| Bytes::from(text)))
    }

    async fn register_one(&self, dialect: &str, job: &str, owner: &str) -> Result<bool, BrokerError> {
        let mut command = redis::cmd("EVAL");
        command.arg(REGISTER).arg(1).arg(format!("jobwire:{dialect}:{job}")).arg(owner).arg(KEEP);
        let kept: Vec<u8> = self.commands.idempotent(&command).await?;
        Ok(kept == owner.as_bytes())
    }
}

/// An empty field is one that was not known. Anybody may write these hashes, so that the bytes may be no UTF-8; such a
/// field is not known either.
fn text(field: Option<Vec<u8>>) -> Option<String> {
    field.and_then(|bytes| String::from_utf8(bytes).ok()).filter(|text| !text.is_empty())
}

/// About the bytes that a job takes in a command.
fn size(job: &JobToSave) -> usize {
    let stored = &job.stored;
    job.dialect.len()
        + job.job.len()
        + stored.state.as_ref().map_or(0, Bytes::len)
        + stored.owner.as_ref().map_or(0, String::len)
        + 64
}

impl StateStore for Store {
    fn load<'a>(
        &'a self,
        dialect: &'a str,
        job: &'a str,
    ) -> BoxFuture<'a, Result<Option<StoredJob>, BrokerError>> {
        Box::pin(self.load_one(dialect, job))
    }

    fn read<'a>(&'a self, key: &'a str, most: usize) -> BoxFuture<'a, Result<Option<Bytes>, BrokerError>> {
        Box::pin(self.read_one(key, most))
    }

    fn database(&self) -> u32 {
        self.database
    }

    fn register<'a>(
        &'a self,
        dialect: &'a str,
        job: &'a str,
        owner: &'a str,
    ) -> BoxFuture<'a, Result<bool, BrokerError>> {
        Box::pin(self.register_one(dialect, job, owner))
    }

    fn save<'a>(&'a self, jobs: &'a [JobToSave]) -> BoxFuture<'a, Result<(), BrokerError>> {
        Box::pin(self.save_all(jobs))
    }
}
