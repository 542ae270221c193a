//! `bench`.

mod compare;
mod help;
mod measurable;
mod modes;
mod report;
mod subscribing;
mod target;
mod values;
mod worker;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Args, Subcommand, ValueEnum};
use url::Url;

pub(super) use self::help::EXAMPLES;
use self::report::ReportArgs;
use self::subscribing::SubscribeArgs;
use self::values::{count, every_second, length, payload, rate, share, sources};
use super::Globals;
use super::tls::{RedisTls, ServerTls};
use super::values::{duration, publish_key, publish_url, redis_url, server};
use crate::bench;
use crate::bench::options::{BenchOptions, EchoBy, FindOf, FindOptions};
use crate::bench::plan::Ramp;
use crate::bench::run::Outcome;
use crate::bench::summary::{Mode, Watcher};
use crate::bench::verdict::Demand;
use crate::exit::{Exit, Failure};
use crate::net::shutdown::Signals;

/// Load a server with connections and events: latency, losses, memory, a verdict
#[derive(Debug, Args)]
#[command(after_long_help = help::below(), args_conflicts_with_subcommands = true, disable_help_subcommand = true)]
pub(crate) struct BenchArgs {
    #[command(subcommand)]
    verb: Option<BenchVerb>,

    /// The mode (fanout, connect, idle, echo, storm or worker), and the target to watch: a dialect, JOB or DIALECT/JOB,
    /// channel:NAME, room:KIND:ID or a ws:// URL [default: fanout jobs].
    #[arg(value_name = "MODE|TARGET", num_args = 0..=2)]
    what: Vec<String>,

    /// The server of a target that names none: a ws, wss, http or https URL.
    #[arg(long, value_name = "URL", env = "JOBWIRE_SERVER", default_value = "ws://127.0.0.1:8000", value_parser = server, hide_env_values = true)]
    server: Url,

    #[command(flatten)]
    tls: ServerTls,

    /// The dialect of a ws:// URL whose path does not tell it.
    #[arg(long, value_name = "NAME", env = "JOBWIRE_DIALECT")]
    dialect: Option<String>,

    /// The Redis to publish into, and through which workers know each other: redis://, rediss://, unix://,
    /// redis+sentinel:// or redis+cluster://, with user and password.
    #[arg(long, value_name = "URL", env = "JOBWIRE_REDIS", hide_env_values = true, value_parser = redis_url)]
    redis: Option<String>,

    #[command(flatten)]
    redis_tls: RedisTls,

    /// Append events to Redis Streams, for a relay with --streams, rather than publish them; needs --redis or REDIS_URL.
    #[arg(long, env = "JOBWIRE_DURABLE")]
    durable: bool,

    /// Publish with POST to this URL, rather than into --redis; {channel} in it is replaced.
    #[arg(long, value_name = "URL", env = "JOBWIRE_PUBLISH_URL", value_parser = publish_url, hide_env_values = true)]
    publish_url: Option<Url>,

    /// The key for publishing by POST, to --publish-url or, without --redis, to the relay itself [default: the one that
    /// `jobwire serve` left for its user].
    #[arg(long, value_name = "KEY", env = "JOBWIRE_PUBLISH_KEY", hide_env_values = true, value_parser = publish_key)]
    publish_key: Option<String>,

    /// A header of every request, as in 'Name: value'; repeatable. {conn} in it, and in URLs, is the number of the connection,
    /// {job} the id of its job.
    #[arg(
        short = 'H',
        long = "header",
        value_name = "HEADER",
        env = "JOBWIRE_HEADER",
        hide_env_values = true
    )]
    headers: Vec<String>,

    /// A token for servers that want one; it becomes ?token=.
    #[arg(long, value_name = "TOKEN", env = "JOBWIRE_TOKEN", hide_env_values = true)]
    token: Option<String>,

    /// Whose the jobs are, where a dialect has owners: the token's subject [default with several tokens in --token-file, and as
    /// many jobs or a multiple: each job is the subject's whose token its connections have].
    #[arg(long, value_name = "SUBJECT", env = "JOBWIRE_OWNER")]
    owner: Option<String>,

    /// How many connections.
    #[arg(short = 'c', long, value_name = "N", env = "JOBWIRE_CONNECTIONS", default_value = "100", value_parser = count)]
    connections: u64,

    /// Open so many connections a second [default: as fast as they open].
    #[arg(long, value_name = "PER_SECOND", env = "JOBWIRE_CONNECT_RATE", value_parser = rate)]
    connect_rate: Option<f64>,

    /// Spread the connections over so many jobs.
    #[arg(long, value_name = "N", env = "JOBWIRE_JOBS", default_value = "10", value_parser = count)]
    jobs: u64,

    /// Events (or round trips) a second, over all jobs.
    #[arg(short = 'r', long, value_name = "PER_SECOND", env = "JOBWIRE_RATE", default_value = "100", value_parser = rate)]
    rate: f64,

    /// The measured time, 366 days at most.
    #[arg(short = 'd', long, value_name = "TIME", env = "JOBWIRE_DURATION", default_value = "10s", value_parser = length)]
    duration: Duration,

    /// Time before it that is not measured.
    #[arg(long, value_name = "TIME", env = "JOBWIRE_WARM_UP", default_value = "1s", value_parser = length)]
    warm_up: Duration,

    /// How the rate goes: flat, linear (from nothing), or steps:N.
    #[arg(long, value_name = "HOW", env = "JOBWIRE_RAMP", default_value = "flat", value_parser = values::ramp)]
    ramp: Ramp,

    /// Publish at most so many events; with connect: open so many connections, -c at a time.
    #[arg(short = 'n', long = "events", value_name = "N", env = "JOBWIRE_EVENTS", value_parser = count)]
    events: Option<u64>,

    /// Fill events up to this length, 1MiB at most.
    #[arg(long, value_name = "BYTES", env = "JOBWIRE_PAYLOAD_SIZE", value_parser = payload)]
    payload_size: Option<usize>,

    /// The share of events that nothing may replace; a missing one of these is lost, never conflated.
    #[arg(long, value_name = "SHARE", env = "JOBWIRE_MILESTONES", default_value = "10%", value_parser = share)]
    milestones: f64,

    /// The share of connections that read slowly.
    #[arg(long, value_name = "SHARE", env = "JOBWIRE_SLOW", default_value = "0%", value_parser = share)]
    slow: f64,

    /// How many bytes a second those read [default: half of what comes].
    #[arg(long, value_name = "BYTES", env = "JOBWIRE_SLOW_RATE", value_parser = count)]
    slow_rate: Option<u64>,

    /// The share of connections that never read.
    #[arg(long, value_name = "SHARE", env = "JOBWIRE_STALLED", default_value = "0%", value_parser = share)]
    stalled: f64,

    /// Let so many connections leave and come back, as in 10/s.
    #[arg(long, value_name = "RATE", env = "JOBWIRE_CHURN", value_parser = every_second)]
    churn: Option<f64>,

    /// The share of connections that a storm cuts.
    #[arg(long, value_name = "SHARE", env = "JOBWIRE_CUT", default_value = "50%", value_parser = share)]
    cut: f64,

    /// What a round trip is: a WebSocket ping, or text that the server sends back.
    #[arg(long, value_enum, value_name = "HOW", env = "JOBWIRE_ECHO", default_value_t)]
    echo: EchoChoice,

    /// Connect from these addresses in turns: a list, with ranges as in 127.0.0.1-127.0.0.4.
    #[arg(long, value_name = "ADDRESSES", env = "JOBWIRE_SOURCE_IP", value_parser = sources)]
    source_ip: Option<Sources>,

    /// Threads that hold connections [default: as few as can hold them and read what comes].
    #[arg(long, value_name = "N", env = "JOBWIRE_THREADS", value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: Option<u16>,

    /// Report memory and CPU of these processes of the server [default: what a jobwire relay says of itself in /ws/stats].
    #[arg(long, value_name = "PID", env = "JOBWIRE_SERVER_PID", value_delimiter = ',')]
    server_pid: Vec<u32>,

    /// Demand something of the result, as in 'delivery.p99<50ms'; repeatable.
    #[arg(long = "assert", value_name = "ASSERTION", env = "JOBWIRE_ASSERT", value_delimiter = ',', value_parser = Demand::parse)]
    demands: Vec<Demand>,

    /// Take a result even if this client was the bottleneck.
    #[arg(long, env = "JOBWIRE_ALLOW_CLIENT_BOUND")]
    allow_client_bound: bool,

    /// Search for the most connections, or the highest rate, that keeps the limits of --within.
    #[arg(long, value_enum, value_name = "WHAT", env = "JOBWIRE_FIND", requires = "within")]
    find: Option<FindChoice>,

    /// The limits of a search, comma-separated.
    #[arg(long, value_name = "ASSERTIONS", env = "JOBWIRE_WITHIN", requires = "find")]
    within: Option<String>,

    /// Share the connections among so many processes on this host, which know each other through --redis. What they are to
    /// do, headers and token included, lies there until all have read it, a minute at most.
    #[arg(long, value_name = "N", env = "JOBWIRE_WORKERS", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=1000))]
    workers: u32,

    /// And among so many on other hosts, where `jobwire bench worker --redis URL` waits: of the same version and, for a
    /// dialect of your own, with its --dialect-file. Whoever can write to that Redis can give them work.
    #[arg(long, value_name = "N", env = "JOBWIRE_REMOTE_WORKERS", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=1000))]
    remote_workers: u32,

    /// Refuse workers whose clock, and that of this machine, are known less exactly than this. Where they drift further apart
    /// while events are published, the result is partial.
    #[arg(long, value_name = "TIME", env = "JOBWIRE_MAX_CLOCK_ERROR", default_value = "5ms", value_parser = duration)]
    max_clock_error: Duration,

    /// With worker: take part in one run and end, rather than wait for the next.
    #[arg(long, env = "JOBWIRE_ONCE")]
    once: bool,

    #[command(flatten)]
    subscribing: SubscribeArgs,

    #[command(flatten)]
    report: ReportArgs,
}

/// What else there is to do about runs.
#[derive(Debug, Subcommand)]
enum BenchVerb {
    Compare(compare::CompareArgs),
}

/// Source addresses.
pub(super) type Sources = Arc<[IpAddr]>;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum EchoChoice {
    /// A WebSocket ping.
    #[default]
    Ping,
    /// Text that comes back.
    Text,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum FindChoice {
    /// How many connections.
    Connections,
    /// How many events a second.
    Rate,
}

impl FindChoice {
    /// The search for it that keeps these limits.
    fn within(self, text: String) -> Result<FindOptions, Failure> {
        let within = Demand::parse_all(&text).map_err(Failure::usage)?;
        let of = match self {
            Self::Connections => FindOf::Connections,
            Self::Rate => FindOf::Rate,
        };
        Ok(FindOptions { of, within, text })
    }
}

impl EchoChoice {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Ping => "ping",
            Self::Text => "text",
        }
    }
}

impl BenchArgs {
    pub(crate) fn run(mut self, globals: &Globals) -> Result<Exit> {
        if let Some(BenchVerb::Compare(compare)) = self.verb.take() {
            return compare.run(globals);
        }
        self.redis = self.redis_tls.complete(self.redis.take())?;
        if self.what.first().is_some_and(|word| word == target::WORKER) {
            return worker::run(&self, globals);
        }
        let report = std::mem::take(&mut self.report);
        let options = self.resolve(globals)?;
        let reports = report.open()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.context("could not start the runtime")?;
        let ended = runtime.block_on(until_signal(options, reports.watcher(globals)));
        let (outcome, signal) = match ended {
            Ok(ended) => ended,
            Err(error) => return Err(reports.write_unbegun(error)),
        };
        reports.write(&outcome.summary, globals)?;
        Ok(signal.unwrap_or(outcome.exit))
    }

    fn resolve(self, globals: &Globals) -> Result<BenchOptions, Failure> {
        let (mode, place) = target::parse(&self.what, &globals.dialects, self.dialect.as_deref())?;
        modes::check(&self, mode, globals.invocation.given())?;
        self.check()?;
        let via = match mode {
            Mode::Fanout | Mode::Storm => Some(target::via(&self, &place)?),
            _ => None,
        };
        let tls = self.tls.tls()?;
        let tokens = self.subscribing.tokens(self.token.as_deref())?;
        let mut described = self.described(mode);
        let subscribing = self.subscribing.described(tokens.len());
        described.extend(subscribing.into_iter().map(|(name, value)| (name.to_owned(), value)));
        let find = match (self.find, self.within) {
            (Some(of), Some(text)) => Some(of.within(text)?),
            _ => None,
        };
        let options = BenchOptions {
            mode,
            server: self.server,
            place,
            headers: target::headers(&self.headers)?,
            tokens,
            manner: self.subscribing.manner(),
            tls,
            owner: self.owner,
            via,
            connections: self.connections,
            connect_rate: self.connect_rate,
            jobs: self.jobs,
            rate: self.rate,
            duration: self.duration,
            warm_up: self.warm_up,
            ramp: self.ramp,
            limit: self.events,
            payload_size: self.payload_size,
            milestones: self.milestones,
            slow: self.slow,
            slow_rate: self.slow_rate,
            stalled: self.stalled,
            churn: self.churn.unwrap_or(0.0),
            cut: self.cut,
            echo: if self.echo == EchoChoice::Ping { EchoBy::Ping } else { EchoBy::Text },
            sources: self.source_ip.map(|sources| sources.to_vec()).unwrap_or_default(),
            threads: self.threads.map(usize::from),
            server_pids: self.server_pid,
            demands: self.demands,
            allow_client_bound: self.allow_client_bound,
            find,
            workers: self.workers,
            remote_workers: self.remote_workers,
            coordination: self.redis,
            dialect_files: globals.dialect_files.clone(),
            max_clock_error: self.max_clock_error,
            described,
        };
        subscribing::check(&options)?;
        measurable::check(&options)?;
        Ok(options)
    }

    /// Refuses what makes no sense together.
    fn check(&self) -> Result<(), Failure> {
        let workers = u64::from(self.workers) + u64::from(self.remote_workers);
        if self.stalled + self.slow > 1.0 {
            return Err(Failure::usage("--slow and --stalled are more than all connections together"));
        }
        if self.once {
            return Err(Failure::usage("--once is for `jobwire bench worker`"));
        }
        if workers == 0 {
            return Ok(());
        }
        if self.find.is_some() {
            return Err(Failure::usage("--find and --workers cannot be used together"));
        }
        if workers > self.connections {
            let message = format!("{workers} workers cannot share {} connections", self.connections);
            return Err(Failure::usage(message).hint("each needs one at least"));
        }
        match self.redis {
            Some(_) => Ok(()),
            None => Err(Failure::usage("nothing names the Redis through which workers know each other")
                .hint("name one with --redis; with --publish-url nothing is published into it")),
        }
    }

    /// What shaped the run, for the report; nothing that may be secret.
    fn described(&self, mode: Mode) -> BTreeMap<String, String> {
        let percent = |share: f64| format!("{}%", share * 100.0);
        let mut all: BTreeMap<String, String> = [
            ("mode", mode.as_str().to_owned()),
            ("connections", self.connections.to_string()),
            ("jobs", self.jobs.to_string()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        let mut add = |name: &str, value: Option<String>| {
            all.extend(value.map(|value| (name.to_owned(), value)));
        };
        let publishes = matches!(mode, Mode::Fanout | Mode::Storm);
        let is_timed = publishes || mode == Mode::Echo;
        add("durable", (publishes && self.durable).then(|| "yes".to_owned()));
        add("rate", is_timed.then(|| self.rate.to_string()));
        add("ramp", is_timed.then(|| values::ramp_text(self.ramp)));
        add("milestones", publishes.then(|| percent(self.milestones)));
        add("echo", (mode == Mode::Echo).then(|| self.echo.as_str().to_owned()));
        add("duration", (mode != Mode::Connect).then(|| format!("{}s", self.duration.as_secs_f64())));
        add("warm-up", (mode != Mode::Connect).then(|| format!("{}s", self.warm_up.as_secs_f64())));
        let workers = self.workers + self.remote_workers;
        add("workers", (workers > 0).then(|| workers.to_string()));
        add("connect-rate", self.connect_rate.map(|rate| rate.to_string()));
        add("events", self.events.map(|events| events.to_string()));
        add("payload-size", self.payload_size.map(|size| size.to_string()));
        add("slow", (self.slow > 0.0).then(|| percent(self.slow)));
        add("slow-rate", self.slow_rate.map(|rate| rate.to_string()));
        add("stalled", (self.stalled > 0.0).then(|| percent(self.stalled)));
        add("churn", self.churn.map(|rate| format!("{rate}/s")));
        add("cut", (mode == Mode::Storm).then(|| percent(self.cut)));
        add("threads", self.threads.map(|threads| threads.to_string()));
        add("source-ip", self.source_ip.as_ref().map(|all| format!("{} addresses", all.len())));
        add("within", self.within.clone());
        all
    }
}

/// Runs in a thread of its own, until it is over or a signal says so; the second is what that makes of the exit code.
async fn until_signal(
    options: BenchOptions,
    mut watcher: Box<dyn Watcher>,
) -> Result<(Outcome, Option<Exit>)> {
    let mut signals = Signals::catch().context("could not catch signals")?;
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    let mut running = std::pin::pin!(tokio::task::spawn_blocking(move || {
        let outcome = bench::bench(&options, &flag, watcher.as_mut());
        watcher.end();
        outcome
    }));
    let exit = tokio::select! {
        outcome = &mut running => return Ok((outcome.context("the run broke off")??, None)),
        signal = signals.next() => signal.exit(),
    };
    stop.store(true, Ordering::Release);
    Ok((running.await.context("the run broke off")??, Some(exit)))
}
