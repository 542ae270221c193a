//! `serve`.

mod access;
mod banner;
mod command;
mod key;
mod port_file;
mod reload;
mod simulate;
mod streams;
mod supervisor;

use std::ffi::OsString;
use std::io::{ErrorKind, Write as _};
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Args, ValueHint};
use tracing::{Level, enabled};

use self::access::Access;
use self::command::ServedCommand;
use self::port_file::PortFile;
use self::simulate::SimulateArgs;
use super::Globals;
use super::tls::RedisTls;
use super::values::{bytes, duration, origin, publish_key, queue_name, redis_url};
use crate::broker::{Broker, MemoryBroker, RedisBroker};
use crate::child::CaughtSignals;
use crate::dialect::Dialects;
use crate::exit::{Exit, Failure};
use crate::net::shutdown::{Hangups, Signals};
use crate::relay::{
    self, AuthPolicy, JobLogLimits, Origins, ProxyNetwork, Relay, RelayOptions, Reloadable, TrustedProxies,
};
use crate::telemetry;
use crate::text::printable_lines;
use key::PublishKey;
use reload::Reloads;
use streams::StreamArgs;

/// Run the relay: publications in, WebSocket frames out
///
/// Takes what workers PUBLISH into Redis and sends it to every socket that watches the job; without Redis it runs on an
/// embedded broker that takes events by POST /publish/CHANNEL. SIGTERM or Ctrl-C closes every socket with 1001 and
/// exits 0; a second one ends it at once. SIGHUP reads the configuration file again: allowed-origins, publish-key,
/// jwt-secret, jwt-key, jwks and log-level change at once, and the log names what needs a restart. It also reads the files of
/// --jwt-key again and fetches the key sets anew. The environment is that of the start.
///
/// With a command behind -- the relay runs for as long as the command takes, and exits with its code: 128 and the number of the
/// signal that ended it, 127 where there is no such command, 126 where it cannot be run. The command begins once events can
/// come, after at most 10 s. It finds relay and publish key in JOBWIRE_SERVER and JOBWIRE_PUBLISH_KEY, and Redis, channel prefix and
/// dialect files in their variables, so that `jobwire publish`, `attach`, `check` and `bench` need no flags. Ctrl-C is the command's, once; a signal
/// that is sent to jobwire alone, SIGHUP included, is passed on, and a second SIGINT or SIGTERM kills the command. Without --listen
/// the port is a free one, so that several such relays run side by side. The log is brief (warn).
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:\n  \
    jobwire serve                                   embedded broker, loopback only\n  \
    jobwire serve --redis redis://127.0.0.1:6379/0  relay what workers publish there\n  \
    jobwire serve --redis redis://127.0.0.1:6379/1  and Celery's tasks, whose results are in database 1\n  \
    jobwire serve --jwt-secret SECRET               check the tokens of those who watch tasks\n  \
    jobwire serve --jwks https://PROJECT.supabase.co/auth/v1/.well-known/jwks.json --auth downloads=token\n  \
    jobwire serve --listen 0.0.0.0:8000 --allowed-origins https://app.example.com\n  \
    jobwire serve --config jobwire.toml --print-config > effective.toml\n  \
    jobwire serve -- ./smoke.sh                     a relay for a test, on a free port; exits with its code\n  \
    jobwire serve --listen 127.0.0.1:0 --port-file port &\n  \
    JOBWIRE_JWT_SECRET=dev jobwire serve --simulate   a backend to build an app against, and a token for it:\n  \
    JOBWIRE_JWT_SECRET=dev jobwire token --sub alice")]
pub(crate) struct ServeArgs {
    /// Where to listen, as HOST:PORT; repeatable. Port 0 takes a free one [default: 127.0.0.1:8000, and with a command
    /// 127.0.0.1:0].
    #[arg(long, value_name = "ADDRESS", env = "JOBWIRE_LISTEN", value_delimiter = ',')]
    listen: Vec<String>,

    /// Write the port of the first listener to this file or pipe once it listens; a file is replaced in one step if its folder takes new files, and removed at the end.
    #[arg(long, value_name = "FILE", env = "JOBWIRE_PORT_FILE", value_hint = ValueHint::FilePath)]
    port_file: Option<PathBuf>,

    /// The Redis to relay from: redis://, rediss://, unix://, redis+sentinel:// or redis+cluster://, with user, password
    /// and database. Without one an embedded broker serves.
    #[arg(long, value_name = "URL", env = "JOBWIRE_REDIS", hide_env_values = true, value_parser = redis_url)]
    redis: Option<String>,

    #[command(flatten)]
    redis_tls: RedisTls,

    /// Origins of web pages that may connect, comma-separated, also https://*.example.com and null; * alone allows all
    /// [default: loopback pages, any port].
    #[arg(long, value_name = "ORIGINS", env = "JOBWIRE_ALLOWED_ORIGINS", value_delimiter = ',', value_parser = origin)]
    allowed_origins: Vec<String>,

    /// Networks of proxies whose X-Forwarded-For is believed, as addresses or CIDR; repeatable or comma-separated
    /// [default: none].
    #[arg(long, value_name = "CIDR", env = "JOBWIRE_TRUST_PROXY", value_delimiter = ',')]
    trust_proxy: Vec<ProxyNetwork>,

    /// The key that POST /publish wants [default: a new one, left where `jobwire publish` finds it].
    #[arg(long, value_name = "KEY", env = "JOBWIRE_PUBLISH_KEY", hide_env_values = true, value_parser = publish_key)]
    publish_key: Option<String>,

    /// What stands before the names of channels on Redis.
    #[arg(long, value_name = "PREFIX", env = "JOBWIRE_CHANNEL_PREFIX", default_value = "fliptechpro:")]
    channel_prefix: String,

    /// Celery's own global_keyprefix (in result_backend_transport_options), where it has one.
    #[arg(
        long,
        value_name = "PREFIX",
        env = "JOBWIRE_CELERY_PREFIX",
        default_value = "",
        hide_default_value = true
    )]
    celery_prefix: String,

    /// Show watchers of Celery's tasks their traceback, args and kwargs, which are null otherwise.
    #[arg(long, env = "JOBWIRE_CELERY_TRACEBACK")]
    celery_traceback: bool,

    /// BullMQ's own prefix, where its queues have another one.
    #[arg(long, value_name = "PREFIX", env = "JOBWIRE_BULLMQ_PREFIX", default_value = "bull")]
    bullmq_prefix: String,

    /// Names of the BullMQ queues whose jobs can be watched; repeatable or comma-separated [default: those that are there].
    #[arg(
        long,
        value_name = "QUEUES",
        env = "JOBWIRE_BULLMQ_QUEUES",
        value_delimiter = ',',
        value_parser = queue_name
    )]
    bullmq_queues: Vec<String>,

    /// Silence after which a probe is published and has 5 s to come back, or the subscription counts as dead; 0: no probes.
    #[arg(long, value_name = "DURATION", env = "JOBWIRE_PROBE", default_value = "10s", value_parser = duration)]
    probe: Duration,

    /// How often sockets are pinged; one that answers nothing for two intervals is closed.
    #[arg(long, value_name = "DURATION", env = "JOBWIRE_PING_INTERVAL", default_value = "30s", value_parser = duration)]
    ping_interval: Duration,

    /// How long all sockets may take to close at shutdown.
    #[arg(long, value_name = "DURATION", env = "JOBWIRE_DRAIN", default_value = "5s", value_parser = duration)]
    drain: Duration,

    /// Serve no page at /, which shows browsers the jobs that they may see.
    #[arg(long, env = "JOBWIRE_NO_PAGE")]
    no_page: bool,

    /// How long a job that nobody has heard of may take to appear [default: what its dialect says].
    #[arg(long, value_name = "DURATION", env = "JOBWIRE_UNKNOWN_GRACE", value_parser = duration)]
    unknown_grace: Option<Duration>,

    /// Print the effective configuration as TOML, with the origin of each value and without secrets, and exit.
    #[arg(long, env = "JOBWIRE_PRINT_CONFIG")]
    print_config: bool,

    #[command(flatten)]
    access: Access,

    #[command(flatten)]
    streams: StreamArgs,

    #[command(flatten)]
    simulate: SimulateArgs,

    #[command(flatten)]
    limits: Limits,

    /// A command and its arguments: the relay runs for as long as the command does.
    #[arg(last = true, value_name = "CMD", value_hint = ValueHint::CommandName)]
    command: Vec<OsString>,
}

/// Default address of a relay.
const LISTEN: &str = "127.0.0.1:8000";

/// Default address of a relay for a command: a free port, so that several commands can be served at the same time. The command
/// finds the port in its environment.
const LISTEN_FOR_COMMAND: &str = "127.0.0.1:0";

/// The heading of the flags that bound what a relay holds.
pub(super) const LIMITS: &str = "Limits";

#[derive(Debug, Args)]
#[command(next_help_heading = LIMITS)]
struct Limits {
    /// The largest payload that is relayed.
    #[arg(long, value_name = "SIZE", env = "JOBWIRE_MAX_PAYLOAD", default_value = "1MiB", value_parser = bytes)]
    max_payload: usize,

    /// The largest frame or message a client may send.
    #[arg(long, value_name = "SIZE", env = "JOBWIRE_MAX_FRAME", default_value = "64KiB", value_parser = bytes)]
    max_frame: usize,

    /// The largest request header; at least 8KiB.
    #[arg(long, value_name = "SIZE", env = "JOBWIRE_MAX_HEADER", default_value = "16KiB", value_parser = bytes)]
    max_header: usize,

    /// How long a request's header may take.
    #[arg(long, value_name = "DURATION", env = "JOBWIRE_HEADER_TIMEOUT", default_value = "10s", value_parser = duration)]
    header_timeout: Duration,

    /// What may wait for one socket that reads too slowly, before it is closed with 1013.
    #[arg(long, value_name = "SIZE", env = "JOBWIRE_OUTBOX", default_value = "4MiB", value_parser = bytes)]
    outbox: usize,

    /// Jobs whose state is kept.
    #[arg(long, value_name = "COUNT", env = "JOBWIRE_KEEP_JOBS", default_value_t = 100_000)]
    keep_jobs: usize,

    /// Memory that the state of jobs may take.
    #[arg(long, value_name = "SIZE", env = "JOBWIRE_KEEP_BYTES", default_value = "256MiB", value_parser = bytes)]
    keep_bytes: usize,

    /// How long a job's state is kept after its ending.
    #[arg(long, value_name = "DURATION", env = "JOBWIRE_KEEP_ENDED", default_value = "1h", value_parser = duration)]
    keep_ended: Duration,

    /// Events of a job, progress and log aside, that are kept for clients that come back; 64KiB of its progress, 50 lines or
    /// 256KiB of its log and, of each channel, 1000 events or 256KiB are kept beside 200, and as many times more or less
    /// beside another number.
    #[arg(long, value_name = "COUNT", env = "JOBWIRE_TAIL", default_value_t = 200, value_parser = clap::value_parser!(u16).range(0..=10_000))]
    tail: u16,

    /// Threads that own sockets [default: one less than there are cores].
    #[arg(long, value_name = "COUNT", env = "JOBWIRE_SHARDS", value_parser = clap::value_parser!(u16).range(1..=256))]
    shards: Option<u16>,
}

impl ServeArgs {
    pub(crate) fn run(self, globals: &Globals) -> Result<Exit> {
        let dialects = Arc::new(self.access.apply(self.dialects(globals)?)?);
        let mut options = self.options()?;
        if self.print_config {
            let effective = &globals.invocation.effective;
            if let Some(key) = effective.unprintable() {
                let message =
                    format!("the value of {key} is not UTF-8, which no configuration file can hold");
                return Err(Failure::usage(message).into());
            }
            let text = effective.to_string();
            std::io::stdout().write_all(text.as_bytes()).map_err(|error| Failure::stdout(&error))?;
            return Ok(Exit::Success);
        }
        self.check(globals)?;
        let redis = self.redis_tls.complete(self.redis.clone())?;
        let broker = self.broker(redis.as_deref(), options.max_payload)?;
        options.backend = self.simulate.backend(&broker, &dialects).map(|backend| backend as _);
        let files =
            rlimit::increase_nofile_limit(u64::MAX).context("could not raise the limit of open files")?;
        let listeners = self.listeners()?;
        let port = listeners.first().context("serve needs an address to listen on")?.local_addr()?.port();
        let port_file = self.port_file.as_deref().map(PortFile::open).transpose()?;
        let key = match self.publish_key.as_deref() {
            given if self.has_command() => PublishKey::obtain_for_command(given, port),
            given => PublishKey::obtain(given, port)?,
        };
        options.reloadable.publish_key.clone_from(&key.value);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let mut signals =
                ServeSignals::catch(self.command.is_empty()).context("could not catch signals")?;
            broker
                .check()
                .await
                .map_err(|error| Failure { hint: error.hint(), ..Failure::usage(error.to_string()) })?;
            let auth = options.reloadable.auth.clone();
            let relay = Relay::start(listeners, Arc::clone(&broker), Arc::clone(&dialects), options)
                .context("could not start the relay")?;
            let text = banner::banner(relay.addresses(), &dialects, &auth, &*broker, &key.to_string(), files);
            let refuses_all = matches!(&auth, AuthPolicy::Keys(keys) if keys.is_empty());
            self.say(&text, &self.simulate.banner(refuses_all));
            // The file is removed at the end of this block.
            let _file = port_file.map(|file| PortFile::write(file, port)).transpose()?;
            match &mut signals {
                ServeSignals::OfRelay(signals, hangups) => {
                    supervisor::tell_ready();
                    let reloads = Reloads::new(globals, key, port, auth.is_open());
                    serve(relay, reloads, signals, hangups).await
                }
                ServeSignals::OfCommand(signals) => {
                    let mut command = ServedCommand::new(&self.command, relay.addresses()[0], &key.value);
                    command.set("JOBWIRE_CHANNEL_PREFIX", self.channel_prefix.as_str());
                    command.set_dialect_files(&globals.dialect_files);
                    if let Some(url) = redis {
                        command.set_redis(&url, &dialects);
                    }
                    serve_command(relay, &command, signals).await
                }
            }
        })
    }

    /// Refuses `--` without a command. A script's variable is probably empty, and the script does not want a relay without end.
    fn check(&self, globals: &Globals) -> Result<(), Failure> {
        let is_announced = globals.invocation.args.iter().any(|arg| arg == "--");
        if is_announced && self.command.is_empty() {
            return Err(Failure::usage("there is no command behind --").hint(
                "`jobwire serve -- CMD ARG…` runs a command; without -- the relay runs until it is stopped",
            ));
        }
        self.simulate.check(self.redis.is_some())
    }

    /// Prints the banner. For a command, whose own output matters more, prints only the addresses, unless the log level asks
    /// for more.
    fn say(&self, text: &str, simulation: &str) {
        let is_whole = self.command.is_empty() || enabled!(Level::INFO);
        let lines = text.lines().filter(|line| is_whole || line.starts_with("listening on "));
        let said: Vec<&str> = lines.chain(simulation.lines()).chain([""]).collect();
        telemetry::say(&printable_lines(&said.join("\n")));
        if let Some(network) = self.trust_proxy.iter().find(|network| network.is_everybody()) {
            tracing::warn!(
                "--trust-proxy {network} believes everybody: a client that is reached without a proxy can claim any \
                 address; name the network of the proxies alone"
            );
        }
    }

    /// Whether the relay runs for a command.
    pub(crate) const fn has_command(&self) -> bool {
        !self.command.is_empty()
    }

    /// The dialects as the flags change them.
    fn dialects(&self, globals: &Globals) -> Result<Dialects, Failure> {
        let prefixed = globals.dialects.with_channel_prefix(&self.channel_prefix);
        let prefixed = prefixed.and_then(|dialects| dialects.with_celery_prefix(&self.celery_prefix));
        let queues = (!self.bullmq_queues.is_empty()).then_some(self.bullmq_queues.as_slice());
        let prefixed = prefixed.and_then(|dialects| dialects.with_bullmq_queues(&self.bullmq_prefix, queues));
        let dialects = prefixed.map_err(|error| Failure::usage(error.to_string()))?;
        let dialects =
            if self.celery_traceback { dialects.with_nothing_redacted("celery") } else { dialects };
        self.streams.apply(dialects, self.redis.is_some())
    }

    fn options(&self) -> Result<RelayOptions> {
        let limits = &self.limits;
        let defaults = RelayOptions::default();
        if self.ping_interval < Duration::from_millis(10) {
            return Err(Failure::usage("--ping-interval: at least 10ms").into());
        }
        Ok(RelayOptions {
            shards: limits.shards.map_or(defaults.shards, usize::from),
            ping_interval: self.ping_interval,
            max_payload: limits.max_payload,
            max_frame: limits.max_frame,
            header_timeout: limits.header_timeout,
            max_header: limits.max_header,
            outbox: limits.outbox,
            job_log: JobLogLimits {
                jobs: limits.keep_jobs,
                bytes: limits.keep_bytes,
                ended: limits.keep_ended,
                tail: limits.tail.into(),
            },
            reloadable: self.reloadable(String::new(), self.access.no_auth)?,
            trusted_proxies: TrustedProxies::new(self.trust_proxy.clone()),
            unknown_grace: self.unknown_grace,
            jwt_audience: self.access.jwt_audience.clone(),
            ownerless: self.access.ownerless(),
            max_lifetime: self.access.max_lifetime,
            echo_polling: self.access.echo_polling,
            lists: self.access.lists(),
            page: !self.no_page,
            drain: self.drain,
            backend: None,
        })
    }

    /// What SIGHUP can change, with this publish key and whether nobody is asked for a token, which it cannot.
    fn reloadable(&self, publish_key: String, no_auth: bool) -> Result<Reloadable> {
        let origins = if self.allowed_origins.is_empty() {
            Origins::loopback()
        } else {
            let list = self.allowed_origins.join(",");
            Origins::parse(&list).map_err(|error| Failure::usage(format!("--allowed-origins: {error}")))?
        };
        Ok(Reloadable { origins, publish_key, auth: self.access.policy(no_auth)? })
    }

    fn broker(&self, redis: Option<&str>, max_payload: usize) -> Result<Arc<dyn Broker>> {
        Ok(match redis {
            None => Arc::new(MemoryBroker::new()),
            Some(url) => {
                let broker =
                    RedisBroker::new(url).map_err(|error| Failure::usage(format!("--redis: {error}")))?;
                if !self.probe.is_zero() && self.probe < Duration::from_secs(1) {
                    return Err(Failure::usage("--probe: at least 1s, or 0 for no probes").into());
                }
                let probe_after = Some(self.probe).filter(|after| !after.is_zero());
                let broker = broker.max_payload(max_payload).probe_after(probe_after);
                Arc::new(broker.stream_history(self.streams.history()))
            }
        })
    }

    fn listeners(&self) -> Result<Vec<TcpListener>> {
        let mut listeners = Vec::new();
        let default = if self.command.is_empty() { LISTEN } else { LISTEN_FOR_COMMAND };
        let default = [default.to_owned()];
        let wanted = if self.listen.is_empty() { &default[..] } else { &self.listen };
        for text in wanted {
            let resolved = text.to_socket_addrs().map_err(|error| {
                Failure::usage(format!("--listen {text}: {error}"))
                    .hint("an address is HOST:PORT, as in 127.0.0.1:8000")
            })?;
            let before = listeners.len();
            let mut absent = None;
            for address in resolved {
                match relay::listen(address) {
                    Ok(listener) => listeners.push(listener),
                    // A name may stand for an address that this machine does not have, such as ::1 without IPv6.
                    Err(error) if error.kind() == ErrorKind::AddrNotAvailable => {
                        absent = Some((address, error));
                    }
                    Err(error) => return Err(cannot_listen(address, &error).into()),
                }
            }
            if let Some((address, error)) = absent.filter(|_| listeners.len() == before) {
                return Err(cannot_listen(address, &error).into());
            }
        }
        Ok(listeners)
    }
}

/// Signals of a relay, or signals to pass on to its command.
enum ServeSignals {
    OfRelay(Signals, Hangups),
    OfCommand(CaughtSignals),
}

impl ServeSignals {
    fn catch(is_relay: bool) -> std::io::Result<Self> {
        Ok(if is_relay {
            Self::OfRelay(Signals::catch()?, Hangups::catch()?)
        } else {
            Self::OfCommand(CaughtSignals::catch()?)
        })
    }
}

/// Serves until a signal ends it.
async fn serve(
    relay: Relay,
    mut reloads: Reloads<'_>,
    signals: &mut Signals,
    hangups: &mut Hangups,
) -> Result<Exit> {
    loop {
        tokio::select! {
            _ = signals.next() => break,
            () = hangups.next() => reloads.reload(&relay),
            thread = relay.failed() => return Err(command::failed(&thread).into()),
        }
    }
    telemetry::say(&format!("closing {} sockets; a second signal ends it at once\n", relay.connections()));
    tokio::select! {
        () = relay.shutdown() => Ok(Exit::Success),
        signal = signals.next() => Ok(signal.exit()),
    }
}

/// Serves until the command has ended. Returns the exit of the command, whatever happens later.
async fn serve_command(
    relay: Relay,
    command: &ServedCommand<'_>,
    signals: &mut CaughtSignals,
) -> Result<Exit> {
    let exit = command.run(&relay, signals).await;
    tokio::select! {
        () = relay.shutdown() => {}
        _ = command::ending(signals) => {}
    }
    exit
}

fn cannot_listen(address: SocketAddr, error: &std::io::Error) -> Failure {
    let failure = Failure::new(Exit::Failure, format!("could not listen on {address}: {error}"));
    match error.kind() {
        ErrorKind::AddrInUse => failure
            .hint("another process has that port; stop it, or give another one with --listen 127.0.0.1:PORT"),
        ErrorKind::PermissionDenied => failure.hint("ports below 1024 need privileges; take a higher one"),
        _ => failure,
    }
}
