//! All of it at once: an embedded relay, simulated or recorded jobs, and attach's bars over real sockets, in one process.

use std::collections::{HashMap, VecDeque};
use std::fmt::Write as _;
use std::io::BufRead;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use hdrhistogram::Histogram;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::attach::{self, AttachOptions, AttachReport, Observer, ProgressMode};
use crate::broker::{Broker, MemoryBroker};
use crate::dialect::{Dialects, Target};
use crate::emit::Outgoing;
use crate::exit::Exit;
use crate::publish::replay::{ReplayOptions, ReplaySteps, Survey};
use crate::publish::scenario::{Scenario, ScenarioOptions};
use crate::relay::{self, AuthPolicy, Relay, RelayOptions, Reloadable};
use crate::wire::watch::ServerMessage;

/// Sockets are given this long to open before the first event is due, so that the demo shows jobs from their beginning.
/// One of channels, which is told nothing of what was before, is waited for.
const HEAD_START: Duration = Duration::from_millis(300);

/// Pause between two looks whether all events have come.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// How often attach may have its turn after everything has come, before it is stopped.
const TURNS: usize = 20;

/// What is lost after the last event was due, at most, before the demo gives up waiting for its jobs to end.
const PATIENCE: Duration = Duration::from_secs(10);

/// Settings of a demo.
pub(crate) struct DemoOptions {
    /// What is shown.
    pub source: DemoSource,
    /// How it is shown.
    pub progress: ProgressMode,
    /// Whether to paint.
    pub color: bool,
}

/// Where the events of a demo come from.
pub(crate) enum DemoSource {
    /// Simulated jobs.
    Scenario(ScenarioOptions),
    /// A recording.
    Recording {
        /// Survey of the recording: its targets, events and bad lines.
        survey: Survey,
        /// The recording, from its beginning.
        input: Box<dyn BufRead + Send>,
        /// How it is played.
        options: ReplayOptions,
    },
}

/// Events and what watches them.
struct Play {
    targets: Vec<Target>,
    /// Campaigns and the like, of which nothing ends.
    resources: usize,
    /// Whether attach may go on for ever: a stream has no end, and a recorded job may have none.
    is_endless: bool,
    duration: Duration,
    steps: Box<dyn Iterator<Item = (Duration, Outgoing)> + Send>,
}

impl Play {
    fn of(source: DemoSource, dialects: &Dialects) -> Result<Self> {
        Ok(match source {
            DemoSource::Scenario(options) => {
                let scenario = Scenario::of_demo(dialects, &options)?;
                let targets = scenario.targets();
                Self {
                    resources: scenario.jobs().filter(|(dialect, _)| dialect.channels.is_some()).count(),
                    is_endless: targets.iter().any(|target| matches!(target, Target::Channel { .. })),
                    targets,
                    duration: options.duration.div_f64(options.speed),
                    steps: Box::new(scenario.map(|step| (step.at, step.event))),
                }
            }
            DemoSource::Recording { survey, input, options } => {
                let target = |(dialect, job): &(String, String)| {
                    let dialect = dialects.require(dialect)?;
                    Ok(match &dialect.channels {
                        Some(_) => Target::Channel { name: job.as_str().into(), dialect },
                        None => Target::Job { dialect, job: job.clone() },
                    })
                };
                let targets = survey.targets.iter().map(target).collect::<Result<Vec<_>>>()?;
                let resources =
                    targets.iter().filter(|target| matches!(target, Target::Channel { .. })).count();
                let steps = recorded(ReplaySteps::new(input, options));
                let duration = survey.duration;
                Self { resources, is_endless: true, targets, duration, steps: Box::new(steps) }
            }
        })
    }
}

/// The events of a recording. Lines that cannot be played were told before.
fn recorded(
    mut steps: ReplaySteps<Box<dyn BufRead + Send>>,
) -> impl Iterator<Item = (Duration, Outgoing)> + Send {
    std::iter::from_fn(move || {
        loop {
            match steps.next() {
                Ok(Some(Ok(step))) => return Some((step.at.unwrap_or_default(), step.event)),
                Ok(Some(Err(_))) => {}
                Ok(None) => return None,
                Err(error) => {
                    tracing::error!(%error, "could not read the recording");
                    return None;
                }
            }
        }
    })
}

/// How a demo went.
#[derive(Debug)]
pub(crate) struct DemoReport {
    /// What attach saw.
    pub attach: AttachReport,
    /// Campaigns, scrapers, demos and conversations that events of channels were about.
    pub resources: usize,
    /// Events that were published.
    pub published: u64,
    /// Delivery latency in microseconds, from publish to receipt, one sample an event that was received.
    pub latency: Histogram<u64>,
    /// From the first event to the last job's end.
    pub took: Duration,
}

/// Runs the demo until its jobs have ended or `stop` is cancelled.
///
/// # Errors
/// A port that cannot be opened, a thread that cannot be started, or an option that makes no sense.
pub(crate) async fn run(
    options: DemoOptions,
    dialects: &Dialects,
    stop: CancellationToken,
) -> Result<DemoReport> {
    let Play { targets, resources, is_endless, duration, steps } = Play::of(options.source, dialects)?;
    let broker = Arc::new(MemoryBroker::new());
    let listener =
        relay::listen(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).context("could not open a port")?;
    // No key, so nobody publishes over HTTP, and no secret: what is shown is nobody's. One shard is plenty.
    let reloadable = Reloadable { auth: AuthPolicy::Open, ..Reloadable::default() };
    let drain = Duration::from_secs(1);
    let relay_options = RelayOptions { shards: 1, drain, reloadable, ..RelayOptions::default() };
    let source: Arc<dyn Broker> = Arc::clone(&broker) as _;
    let relay = Relay::start(vec![listener], source, Arc::new(dialects.clone()), relay_options)
        .context("could not start the relay")?;
    let server = Url::parse(&format!("ws://{}", relay.addresses()[0])).context("could not name the relay")?;

    let streams = targets.iter().any(|target| matches!(target, Target::Channel { .. }));
    let watching = AttachOptions {
        progress: options.progress,
        color: options.color,
        timeout: Some(HEAD_START + duration + PATIENCE),
        ..AttachOptions::new(targets, server)
    };
    let stopwatch = Arc::new(Stopwatch::new()?);
    // A stream does not end by itself.
    let enough = stop.child_token();
    let publishing = {
        let (stopwatch, enough) = (Arc::clone(&stopwatch), enough.clone());
        tokio::spawn(async move {
            stopwatch.until(HEAD_START, PATIENCE, |times| times.connected || !streams).await;
            publish(steps, broker, &stopwatch, &enough).await;
            stopwatch.until(Duration::ZERO, PATIENCE, |times| times.latency.len() >= times.published).await;
            // What has come is put on the board by another task, which has its turn each time that this one sleeps.
            for _ in 0..TURNS {
                tokio::time::sleep(LOOK_EVERY).await;
            }
            if is_endless {
                enough.cancel();
            }
        })
    };
    let began = Instant::now();
    let mut attach = attach::run(watching, Some(stopwatch.observer()), enough).await?;
    let took = began.elapsed();
    publishing.abort();
    relay.shutdown().await;
    if attach.exit == Exit::Interrupted && !stop.is_cancelled() {
        let tally = &attach.tally;
        attach.exit =
            match (tally.failed + tally.cancelled + tally.lost, tally.waiting + tally.queued + tally.running)
            {
                (0, 0) => Exit::Success,
                (0, _) => Exit::StillRunning,
                _ => Exit::Failure,
            };
    }
    let (published, latency) = stopwatch.take();
    Ok(DemoReport { attach, resources, published, latency, took })
}

/// Publishes every step at its time.
async fn publish(
    steps: impl Iterator<Item = (Duration, Outgoing)>,
    broker: Arc<MemoryBroker>,
    stopwatch: &Stopwatch,
    stop: &CancellationToken,
) {
    let began = tokio::time::Instant::now();
    for (at, event) in steps {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep_until(began + at) => {}
        }
        let channel = event.channel();
        let payload = match event.payload(jiff::Timestamp::now()) {
            Ok(payload) => payload,
            Err(error) => {
                tracing::error!(%error, "the scenario made an event that its dialect refuses");
                continue;
            }
        };
        stopwatch.published(&event.dialect, &channel, &payload);
        if let Err(error) = broker.publish(&channel, payload.into()).await {
            tracing::error!(%error, "could not publish");
        }
    }
}

/// Times events from publish to receipt. They carry no mark: a received text is looked up among those that were sent.
struct Stopwatch(Mutex<Times>);

struct Times {
    sent: HashMap<String, VecDeque<Instant>>,
    published: u64,
    latency: Histogram<u64>,
    /// The relay has said that it watches the targets.
    connected: bool,
}

impl Stopwatch {
    fn new() -> Result<Self> {
        // 1 µs to 60 s, three digits.
        let latency = Histogram::new_with_bounds(1, 60_000_000, 3).context("could not make a histogram")?;
        Ok(Self(Mutex::new(Times { sent: HashMap::new(), published: 0, latency, connected: false })))
    }

    fn times(&self) -> std::sync::MutexGuard<'_, Times> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn published(&self, dialect: &crate::dialect::Dialect, channel: &str, payload: &str) {
        let Ok(event) = dialect.decode(channel.as_bytes(), payload.as_bytes()) else { return };
        if event.kind.is_some_and(|kind| kind.hidden) {
            // No socket is to get it.
            return;
        }
        // On `/watch` a payload comes without an envelope.
        let [_, payload, _] = event.text_parts();
        let mut times = self.times();
        times.published += 1;
        times
            .sent
            .entry(String::from_utf8_lossy(payload).into_owned())
            .or_default()
            .push_back(Instant::now());
    }

    fn observer(self: &Arc<Self>) -> Observer {
        let stopwatch = Arc::clone(self);
        // The relay says what it watches before it sends events.
        let is_greeting =
            |text: &str| matches!(ServerMessage::read(text), Some(ServerMessage::Watching { .. }));
        Arc::new(move |_, text, received| {
            let mut times = stopwatch.times();
            times.connected = times.connected || is_greeting(text);
            let sent = times.sent.get_mut(text).and_then(VecDeque::pop_front);
            if let Some(sent) = sent {
                let micros = received.saturating_duration_since(sent).as_micros();
                times.latency.saturating_record(u64::try_from(micros).unwrap_or(u64::MAX).max(1));
            }
        })
    }

    /// Waits for `least`, and then until `holds`, but for that no longer than `most`.
    async fn until(&self, least: Duration, most: Duration, holds: impl Fn(&Times) -> bool) {
        tokio::time::sleep(least).await;
        let late = tokio::time::Instant::now() + most;
        while !holds(&self.times()) && tokio::time::Instant::now() < late {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    fn take(&self) -> (u64, Histogram<u64>) {
        let times = self.times();
        (times.published, times.latency.clone())
    }
}

impl DemoReport {
    /// The summary, for people.
    pub(crate) fn summary(&self) -> String {
        let tally = &self.attach.tally;
        let jobs = [
            (tally.succeeded, "succeeded"),
            (tally.failed, "failed"),
            (tally.cancelled, "cancelled"),
            (tally.waiting + tally.queued + tally.running, "not ended"),
            (tally.lost, "lost"),
        ];
        let mut text = String::new();
        let total: usize = jobs.iter().map(|(count, _)| count).sum::<usize>() + self.resources;
        let mut parts: Vec<String> = jobs
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{count} {what}"))
            .collect();
        if self.resources > 0 {
            // Events of channels end nothing, so nothing is said of how these went.
            parts.push(format!("{} on channels", self.resources));
        }
        let _ = writeln!(text, "jobs      {total}: {}", parts.join(", "));
        let _ = writeln!(
            text,
            "events    {} published, {} received, in {:.1} s",
            self.published,
            self.latency.len(),
            self.took.as_secs_f64()
        );
        if self.latency.is_empty() {
            return text;
        }
        let at = |quantile| Duration::from_micros(self.latency.value_at_quantile(quantile));
        let _ = writeln!(
            text,
            "delivery  p50 {:.1?}, p99 {:.1?}, max {:.1?}, from publish to receipt",
            at(0.5),
            at(0.99),
            Duration::from_micros(self.latency.max())
        );
        text
    }
}
