//! The state of jobs in Redis hashes.

use std::fmt::Write as _;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use futures_util::future::join_all;
use redis::Cmd;

use super::commands::Commands;
use crate::broker::{BoxFuture, BrokerError, JobToSave, NotSaved, StateStore, StoredJob, Trouble};
use crate::dialect::KeptField;

const SCRIPT: &str = include_str!("save.lua");

/// Seldom run, so that it is sent whole each time.
const REGISTER: &str = include_str!("register.lua");

/// Seconds that a job is kept after its last write.
const KEEP: &str = "86400";

/// How much newer progress may be, in microseconds, for an ending to be written over it; the script says why.
const CLOCK_SKEW: u64 = 60_000_000;

/// Jobs that one run of the script writes. A run has Redis to itself, and 50 jobs take it less than half a millisecond.
const JOBS_PER_RUN: usize = 50;

/// Bytes of state after which a pipeline is sent, so that a thousand large states do not become one enormous write.
const PIPELINE_BYTES: usize = 1024 * 1024;

/// Keeps jobs in the hashes `jobwire:{dialect}:{job}` for 24 hours after their last write.
///
/// Writes are conditional and so may be repeated; they are, once, when the connection breaks.
///
/// They are made by a script, one for many jobs. Where scripts are forbidden or unknown it is done by plain commands: then
/// another relay's newer state may be overwritten if it is written between the look at what is there and the write.
pub(super) struct Store {
    commands: Arc<Commands>,
    sha: String,
    database: u32,
    /// Cleared at the first script that Redis refuses as such.
    scripts: AtomicBool,
}

impl Store {
    pub(super) fn new(commands: Arc<Commands>, database: u32) -> Self {
        let sha = redis::Script::new(SCRIPT).get_hash().to_owned();
        Self { commands, database, sha, scripts: AtomicBool::new(true) }
    }

    /// Finds out whether scripts may be run, by one that writes nothing.
    pub(super) async fn ask_for_scripts(&self) {
        if let Err(error) = self.commands.idempotent::<Vec<usize>>(&run("EVAL", SCRIPT, &[])).await {
            // Other trouble is left to the first write.
            let _ = self.give_up_scripts_if(error);
        }
    }

    /// Runs the script over each of these groups of jobs; returns what each run answers: the positions, from 1, of keys that
    /// hold something else.
    async fn run_all(&self, runs: &[&[JobToSave]]) -> Vec<Result<Option<Vec<usize>>, BrokerError>> {
        let commands: Vec<Cmd> = runs.iter().map(|jobs| run("EVALSHA", &self.sha, jobs)).collect();
        let mut results = self.commands.each(&commands).await;
        // A server that was restarted, or told to, has forgotten the script; with it whole, it remembers.
        let is_unknown = |result: &Result<_, BrokerError>| {
            result.as_ref().is_err_and(|error| error.reason().starts_with("NOSCRIPT"))
        };
        let unknown: Vec<usize> = (0..runs.len()).filter(|index| is_unknown(&results[*index])).collect();
        if !unknown.is_empty() {
            let again: Vec<Cmd> = unknown.iter().map(|index| run("EVAL", SCRIPT, runs[*index])).collect();
            for (index, result) in unknown.into_iter().zip(self.commands.each(&again).await) {
                results[index] = result;
            }
        }
        results
    }

    async fn save_all(&self, jobs: &[JobToSave]) -> Result<Vec<NotSaved>, BrokerError> {
        let mut refused = Vec::new();
        let mut from = 0;
        while from < jobs.len() {
            let to = from + group(&jobs[from..]);
            for (index, error) in self.save_group(&jobs[from..to]).await? {
                refused.push(NotSaved { job: from + index, error });
            }
            from = to;
        }
        Ok(refused)
    }

    /// Returns the jobs that Redis refused, by their place in the group. The error is of a server that is away.
    async fn save_group(&self, jobs: &[JobToSave]) -> Result<Vec<(usize, BrokerError)>, BrokerError> {
        let mut refused = Vec::new();
        let plain = if self.scripts.load(Ordering::Relaxed) {
            self.save_by_script(jobs, &mut refused).await?
        } else {
            (0..jobs.len()).collect()
        };
        let saved = join_all(plain.iter().map(|index| self.save_plainly(&jobs[*index]))).await;
        for (index, saved) in plain.into_iter().zip(saved) {
            if let Err(error) = saved {
                self.refuse(index..index + 1, error, &mut refused)?;
            }
        }
        refused.sort_unstable_by_key(|(index, _)| *index);
        Ok(refused)
    }

    /// Returns the jobs that are to be saved by plain commands.
    async fn save_by_script(
        &self,
        jobs: &[JobToSave],
        refused: &mut Vec<(usize, BrokerError)>,
    ) -> Result<Vec<usize>, BrokerError> {
        // Keys of one command must be in one slot, which those of two jobs hardly are.
        let per_run = if self.commands.has_slots() { 1 } else { JOBS_PER_RUN };
        let runs: Vec<&[JobToSave]> = jobs.chunks(per_run).collect();
        let mut plain = Vec::new();
        for (run, result) in self.run_all(&runs).await.into_iter().enumerate() {
            let first = run * per_run;
            let all = first..first + runs[run].len();
            match result.or_else(|error| self.give_up_scripts_if(error).map(|()| None)) {
                Ok(Some(others)) => {
                    refused.extend(others.iter().map(|at| (first + at - 1, self.of_another_type())));
                }
                Ok(None) => plain.extend(all),
                // A job that fails takes the others of its run with it, so each is tried by itself.
                Err(error) if error.trouble().is_of_a_key() && !error.trouble().passes() => plain.extend(all),
                Err(error) => self.refuse(all, error, refused)?,
            }
        }
        Ok(plain)
    }

    /// Notes jobs that were not saved. Where the server is away, and there is one for all jobs, none was.
    fn refuse(
        &self,
        jobs: Range<usize>,
        error: BrokerError,
        refused: &mut Vec<(usize, BrokerError)>,
    ) -> Result<(), BrokerError> {
        if error.trouble().passes() && !self.commands.has_slots() {
            return Err(error);
        }
        refused.extend(jobs.map(|index| (index, error.clone())));
        Ok(())
    }

    fn of_another_type(&self) -> BrokerError {
        self.commands.refused("WRONGTYPE the key holds no hash")
    }

    /// Does without scripts from now on if it is scripts that Redis refuses; anything else is returned.
    fn give_up_scripts_if(&self, error: BrokerError) -> Result<(), BrokerError> {
        let reason = error.reason();
        let of_scripts = ["'eval", "'EVAL", "'script", "'SCRIPT"].iter().any(|name| reason.contains(name));
        let refused = matches!(error.trouble(), Trouble::NotPermitted | Trouble::UnknownCommand);
        if !(refused && of_scripts) {
            return Err(error);
        }
        if self.scripts.swap(false, Ordering::Relaxed) {
            tracing::warn!(
                "redis runs no scripts for us, so job state is written by plain commands: {reason}"
            );
        }
        Ok(())
    }

    /// Does what the script does, for one job.
    async fn save_plainly(&self, job: &JobToSave) -> Result<(), BrokerError> {
        let JobToSave { stored, .. } = job;
        let key = format!("jobwire:{}:{}", job.dialect, job.job);
        let mut look = redis::cmd("HMGET");
        look.arg(&key).arg(&["updated", "ended"]);
        let [there, ended]: [Option<Vec<u8>>; 2] = self.commands.idempotent(&look).await?;
        let there: u64 = text(there).and_then(|number| number.parse().ok()).unwrap_or_default();
        let is_ending = stored.ended.is_some() && text(ended).is_none();
        let skew = if is_ending { CLOCK_SKEW } else { 0 };
        if there > stored.updated.saturating_add(skew) {
            return Ok(());
        }
        let mut write = redis::cmd("HSET");
        write.arg(&key);
        write.arg("state").arg(stored.state.as_deref().unwrap_or_default());
        write.arg("ended").arg(stored.ended.as_deref().unwrap_or_default());
        write.arg("percent").arg(stored.percent.as_deref().unwrap_or_default());
        write.arg("updated").arg(stored.updated.max(there));
        if let Some(owner) = &stored.owner {
            write.arg("owner").arg(owner);
        }
        let _: i64 = self.commands.idempotent(&write).await?;
        self.keep(&key).await
    }

    /// Lets a key live as long as is promised.
    async fn keep(&self, key: &str) -> Result<(), BrokerError> {
        let mut expire = redis::cmd("EXPIRE");
        expire.arg(key).arg(KEEP);
        let _: i64 = self.commands.idempotent(&expire).await?;
        Ok(())
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

    /// HSTRLEN first, so that fields of any size are a bounded answer; whoever may not ask for it is served too.
    async fn read_fields_of(
        &self,
        key: &str,
        fields: &[String],
        most: usize,
    ) -> Result<Vec<KeptField>, BrokerError> {
        let length = async |field: &String| {
            let mut command = redis::cmd("HSTRLEN");
            command.arg(key).arg(field);
            match self.commands.idempotent::<usize>(&command).await {
                Err(error) if error.trouble() == Trouble::NotPermitted => Ok(0),
                other => other,
            }
        };
        let lengths: Vec<usize> =
            join_all(fields.iter().map(length)).await.into_iter().collect::<Result<_, _>>()?;
        let fits: Vec<bool> = lengths.iter().map(|length| *length <= most).collect();
        let wanted: Vec<&String> =
            fields.iter().zip(&fits).filter_map(|(f, fits)| fits.then_some(f)).collect();
        let mut values = Vec::new();
        if !wanted.is_empty() {
            let mut command = redis::cmd("HMGET");
            command.arg(key).arg(&wanted);
            values = self.commands.idempotent::<Vec<Option<Vec<u8>>>>(&command).await?;
        }
        let mut values = values.into_iter();
        let field = |fits: &bool| match fits.then(|| values.next().flatten()) {
            None => KeptField::TooLong,
            Some(None) => KeptField::Absent,
            Some(Some(text)) => KeptField::Text(text),
        };
        Ok(fits.iter().map(field).collect())
    }

    async fn register_one(&self, dialect: &str, job: &str, owner: &str) -> Result<bool, BrokerError> {
        let key = format!("jobwire:{dialect}:{job}");
        if self.scripts.load(Ordering::Relaxed) {
            let mut command = redis::cmd("EVAL");
            command.arg(REGISTER).arg(1).arg(&key).arg(owner).arg(KEEP);
            match self.commands.idempotent::<Vec<u8>>(&command).await {
                Ok(kept) => return Ok(kept == owner.as_bytes()),
                Err(error) => self.give_up_scripts_if(error)?,
            }
        }
        self.register_plainly(&key, owner).await
    }

    /// Does what the script does.
    async fn register_plainly(&self, key: &str, owner: &str) -> Result<bool, BrokerError> {
        let mut set = redis::cmd("HSETNX");
        set.arg(key).arg("owner").arg(owner);
        let _: i64 = self.commands.idempotent(&set).await?;
        let mut get = redis::cmd("HMGET");
        get.arg(key).arg(&["owner", "ended"]);
        let [kept, ended]: [Option<Vec<u8>>; 2] = self.commands.idempotent(&get).await?;
        let kept = if let Some(kept) = text(kept) {
            kept
        } else {
            let mut set = redis::cmd("HSET");
            set.arg(key).arg("owner").arg(owner);
            let _: i64 = self.commands.idempotent(&set).await?;
            owner.to_owned()
        };
        if text(ended).is_some() {
            let mut forget = redis::cmd("HDEL");
            forget.arg(key).arg(&["state", "ended", "percent"]);
            let _: i64 = self.commands.idempotent(&forget).await?;
        }
        self.keep(key).await?;
        Ok(kept == owner)
    }
}

/// Makes one run of the script, which is named by `verb` and `script`.
fn run(verb: &str, script: &str, jobs: &[JobToSave]) -> Cmd {
    let mut command = Cmd::with_capacity(4 + jobs.len() * 6, 128 + jobs.iter().map(size).sum::<usize>());
    command.arg(verb).arg(script).arg(jobs.len());
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

/// How many of the jobs, at least one, go into one pipeline.
fn group(jobs: &[JobToSave]) -> usize {
    let mut bytes = 0;
    let full = |job: &JobToSave| {
        bytes += size(job);
        bytes >= PIPELINE_BYTES
    };
    jobs.iter().position(full).map_or(jobs.len(), |last| last + 1)
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

    fn read_fields<'a>(
        &'a self,
        key: &'a str,
        fields: &'a [String],
        most: usize,
    ) -> BoxFuture<'a, Result<Vec<KeptField>, BrokerError>> {
        Box::pin(self.read_fields_of(key, fields, most))
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

    fn save<'a>(&'a self, jobs: &'a [JobToSave]) -> BoxFuture<'a, Result<Vec<NotSaved>, BrokerError>> {
        Box::pin(self.save_all(jobs))
    }
}
