//! `publish`: flags, and what they mean.

mod list;
mod place;
mod replay;

use std::fs::File;
use std::io::{IsTerminal as _, Write};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{ArgGroup, Args, ValueHint};
use jiff::Timestamp;
use tokio::io::BufReader;
use tokio_util::sync::CancellationToken;

use self::place::Place;
use super::Globals;
use super::asked::Asked;
use super::recording::parse_speed;
use super::sink::{ServerArgs, SinkArgs};
use super::values::duration;
use crate::dialect::{Assignment, Dialect, Dialects, Outcome, Source};
use crate::emit::{Content, Outgoing};
use crate::exit::{Exit, Failure};
use crate::net::publish_key::for_server;
use crate::net::shutdown::Signals;
use crate::publish::ending::Ending;
use crate::publish::line::{InputEnd, InputLines};
use crate::publish::replay::Speed;
use crate::publish::scenario::{ALL, DEMO_OWNER, Scenario, ScenarioOptions};
use crate::publish::{self, PublishOptions, SourceOptions};
use crate::text::printable_lines;

const EXAMPLES: &str = "\
Examples:
  jobwire publish scraping/123 job_progress progress=45.5 message=\"Scraping\"
  jobwire publish scraping/123 45% message=halfway
  jobwire publish downloads/abc status status=processing progress=45
  jobwire publish downloads/abc completed videoInfo:='{\"title\":\"A film\"}'
  jobwire publish tasks/6b1f registered user_id=ann
  jobwire publish channels lead:created lead_id=7 source=web
  jobwire publish channel:conversations ai:processing task_id=t1
  worker | jobwire publish scraping/123 --stdin
  { make 2>&1; echo \"exit:$?\"; } | jobwire publish build-1 --stdin --end exit
  make > make.log 2>&1; jobwire publish build-1 --end exit:$?
  jobwire publish scraping/123 job_progress progress=1 --repeat 9 --rate 3
  jobwire publish --scenario all --jobs 20 --fail-rate 0.2 --seed 7
  jobwire publish --scenario tasks --owner ann
  jobwire publish --durable scraping/123 job_completed results_count=87
  jobwire publish --replay run.ndjson --speed 2 --as celery/again
  jobwire publish channels campaign:launched --list

Fields are name=value, typed by the event's catalogue, or name:=json. Ids, kind, timestamp and defaults are filled in; \
a percent whose default would set the job back is the last one that Redis or the relay knows. An event or field that the catalogue does not know is refused, and so is a value of another type; --unchecked sends it.

An event of channels goes to the channel that its type belongs to, campaign:launched to campaigns, or to the one that \
--channel or a target such as channel:conversations names. Its rooms follow from the ids among its fields.

With --stdin every line is an event and is sent as it comes: a JSON object (a whole event), a number such as 45 or 45% \
(progress), or '# text' (message); a carriage return ends a line too. Channels take whole events only. A bad line is reported with its number and the rest go \
on; the exit code is then 1.

Any other line is output of a program. Progress in it is found as `jobwire run` finds it, in the forms of many programs and \
scripts: '[12/80] linking', 'Downloading a.bin: 45%', the bars of cargo, pip, curl or tqdm. A line without progress is \
passed over; if there was nothing else at all, a warning says so at the end.

--end ends the job, by the dialect's own event, and with --stdin after the last line, unless an event there did. The lines \
are a whole run then: if the job has ended before, a new run is opened first. A pipe hides how its first command ended, and \
the shell knows it only when the pipe is done. So let the command's shell write the code as the last line, exit:CODE, and \
take it with --end exit; without such a line the job has failed. Or end the job in a command of its own: jobwire publish \
TARGET --end exit:$?, in bash \"exit:${PIPESTATUS[0]}\". 0 is succeeded, 130 and 143 are cancelled (SIGINT, SIGTERM), others \
failed, with the code. Where a signal ends a publish that was to end the job, the job is cancelled, \
unless its end was read already: then that end is sent. The exit code of publish is its own.

Standard input is read to its end whatever happens, so that its writer is never killed by reporting. While Redis or the \
relay is away, or has not answered for a second, events wait, 10,000 and 16 MiB of them at most: newer progress of a job \
replaces older, and when there is no more room the oldest progress goes first, then the oldest event. They are sent at most \
a second after it is back; one whose answer was lost is sent again, so that it may come twice. After the end of the input \
--patience decides how long that is tried; what could not be sent is counted, and the exit code is then 1, or 3 if nothing \
was sent at all. A scenario that has begun goes on in the same way.

--replay publishes the events that `attach --record FILE` wrote down, of jobs, channels and rooms, with the times between them, or \
--speed times as fast; --speed max leaves out the pauses, of which a recording of a long job has long ones. Payloads go out byte for \
byte, with the times that stand in them. --as TARGET changes the id of the one recorded job, in the payload and the channel. Of a \
server that wraps its events in the way relays do, what is in the envelope is published. A recorded state that repeats \
earlier events is passed over, and so are lines that are no events; the last note counts them. A line that is cut off, is no line of a \
recording, goes back in time, or is of another job or dialect than its target, is reported with its number, and the rest goes \
on; the exit code is then 1. Events of a dialect that another program publishes in a stream of its own (bullmq) are refused.

With --durable an event is appended to the stream of its channel (XADD, about 100,000 entries are kept), and its channel hears nothing: a \
relay has to read the dialect from streams, as in `jobwire serve --streams scraping`. Once it is there it reaches whoever watches, \
however late the relay comes. Where an answer of Redis was lost the event may be there already; it is appended again all the same, since twice is better \
than never, with one exception: a single event without --patience, which is not tried again and ends with exit code 3.

An event that says whose task it is (tasks/ID registered) also leaves the owner in Redis, in the hash jobwire:tasks:ID, \
where a relay finds it that was away meanwhile. The first owner counts.

Events go to Redis where a URL is set, by --redis or in JOBWIRE_REDIS or REDIS_URL, and to the relay at --server where \
none is.

Exit codes: 0 sent; 1 events were lost, lines were bad, or with --require-subscribers nobody listens; 2 bad usage or \
configuration, or an event that the dialect refuses; 3 Redis or the relay cannot be reached, and nothing was sent; 4 it refuses.";

/// Emit events: into Redis, or over HTTP to a relay
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES, group = ArgGroup::new("paced").args(["scenario", "replay"]).multiple(true))]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(crate) struct PublishArgs {
    /// The job, as in build-42 or scraping/123; a dialect alone where events name their own jobs, and for channels; or channel:NAME.
    target: Option<String>,

    /// The event, as in job_progress or campaign:launched, or a percent alone, as in 45%; --list shows all.
    event: Option<String>,

    /// Its fields, as in progress=45.5 or metadata:='{"a":1}'.
    #[arg(value_name = "FIELD=VALUE")]
    fields: Vec<String>,

    /// The channel, where it is another than the one that the event's type belongs to.
    #[arg(long, value_name = "NAME", env = "JOBWIRE_CHANNEL")]
    channel: Option<String>,

    /// Publish whatever it is: an event or a field that the catalogue does not know, a value of another type.
    #[arg(long, env = "JOBWIRE_UNCHECKED")]
    unchecked: bool,

    /// What stands before the names of channels on Redis; the same as the relay's.
    #[arg(long, value_name = "PREFIX", env = "JOBWIRE_CHANNEL_PREFIX", default_value = "fliptechpro:")]
    channel_prefix: String,

    /// Read events from standard input, one a line: JSON, a percentage, '# text', or output of a program with progress in it.
    #[arg(long, env = "JOBWIRE_STDIN")]
    stdin: bool,

    /// End the job: succeeded, failed, cancelled, or as a command whose exit code is given, as in exit:$?; with --stdin
    /// after its last line, where `exit` alone takes the code from a line exit:CODE of the input.
    #[arg(long, value_name = "HOW", env = "JOBWIRE_END", value_parser = end)]
    end: Option<InputEnd>,

    /// Publish the event so many times.
    #[arg(long, value_name = "N", env = "JOBWIRE_REPEAT", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    repeat: u64,

    /// Publish at most so many events a second.
    #[arg(long, value_name = "PER_SECOND", env = "JOBWIRE_RATE", value_parser = rate)]
    rate: Option<f64>,

    /// Publish the events of simulated jobs: scraping, downloads, tasks, channels, jobs or all.
    #[arg(long, value_name = "NAME", env = "JOBWIRE_SCENARIO")]
    scenario: Option<String>,

    /// How many jobs to simulate; of channels one is a campaign, a scraper, a demo or a conversation, in turn, and all
    /// shares them out.
    #[arg(long, value_name = "N", env = "JOBWIRE_JOBS", default_value_t = 6)]
    jobs: u32,

    /// How long the simulated jobs take together, as in 20s or 5m.
    #[arg(long, value_name = "TIME", env = "JOBWIRE_DURATION", default_value = "20s", value_parser = duration)]
    duration: Duration,

    /// How much faster than that, or than it was recorded, to go: 2 is twice as fast, 0.5 half as fast; max plays a recording without
    /// pauses.
    #[arg(long, value_name = "FACTOR", env = "JOBWIRE_SPEED", default_value = "1", value_parser = parse_speed, requires = "paced")]
    speed: Speed,

    /// Publish the events of a recording (`attach --record`) with the times between them; `-` is standard input.
    #[arg(long, value_name = "FILE", env = "JOBWIRE_REPLAY", value_hint = ValueHint::FilePath)]
    replay: Option<PathBuf>,

    /// With --replay: publish the events as those of this job, or on this channel; everything but the job's id stays.
    #[arg(long = "as", value_name = "TARGET", env = "JOBWIRE_AS", requires = "replay")]
    renamed: Option<String>,

    /// The share of simulated jobs that fail, 0 to 1; of those of jobs some are cancelled instead, a campaign is paused, and
    /// conversations go on.
    #[arg(long, value_name = "SHARE", env = "JOBWIRE_FAIL_RATE", default_value_t = 0.1)]
    fail_rate: f64,

    /// Whose the simulated tasks are: a watcher's token names the same subject.
    #[arg(long, value_name = "NAME", env = "JOBWIRE_OWNER", default_value = DEMO_OWNER)]
    owner: String,

    /// Simulate the same events again; the seed of every run is printed [default: random].
    #[arg(long, value_name = "N", env = "JOBWIRE_SEED")]
    seed: Option<u64>,

    /// Fail (exit 1) if an event reaches nobody; otherwise that is a warning.
    #[arg(long, env = "JOBWIRE_REQUIRE_SUBSCRIBERS")]
    require_subscribers: bool,

    /// Say nothing but errors on stderr: no notes, no warnings.
    #[arg(long, env = "JOBWIRE_QUIET")]
    quiet: bool,

    /// How long to try again where Redis or the relay is away: for a single event, or from the end of standard input or a
    /// scenario on [default: 10s, and not at all for a single event].
    #[arg(long, value_name = "TIME", env = "JOBWIRE_PATIENCE", value_parser = duration)]
    patience: Option<Duration>,

    #[command(flatten)]
    sink: SinkArgs,

    /// Print the events and fields of all dialects, of TARGET's, or of one event, and exit.
    #[arg(long, env = "JOBWIRE_LIST")]
    list: bool,
}

impl PublishArgs {
    pub(crate) fn run(self, globals: &Globals) -> Result<Exit> {
        let prefixed = globals.dialects.with_channel_prefix(&self.channel_prefix);
        let dialects = prefixed.map_err(|error| Failure::usage(error.to_string()))?;
        if self.list {
            let text = list::render(&dialects, self.target.as_deref(), self.event.as_deref())?;
            anstream::stdout()
                .write_all(printable_lines(&text).as_bytes())
                .map_err(|error| Failure::stdout(&error))?;
            return Ok(Exit::Success);
        }
        let (options, file) = self.resolve(&dialects)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("could not start the runtime")?;
        let exit = runtime.block_on(until_interrupted(options, file));
        // Somebody may still be waiting for a line of standard input, and for ever.
        runtime.shutdown_background();
        exit
    }

    /// Relay to ask for jobs while the command line is typed; `None` where a flag is invalid.
    pub(super) fn asked(self) -> Option<Asked> {
        let ServerArgs { server, tls } = self.sink.relay;
        let key = self.sink.publish_key.or_else(|| for_server(&server));
        Some(Asked { bearer: key, tls: tls.quiet()?, server })
    }

    /// The settings, and the file that events are read from in place of standard input.
    fn resolve(self, dialects: &Dialects) -> Result<(PublishOptions, Option<File>), Failure> {
        let (source, file) = match &self.replay {
            Some(path) => self.recording(path, dialects)?,
            None => (self.source(dialects)?, None),
        };
        if self.sink.durable && self.require_subscribers {
            let message =
                "--durable and --require-subscribers cannot be used together: a stream has no subscribers";
            return Err(Failure::usage(message).hint("what is in a stream reaches those who come later, too"));
        }
        let options = PublishOptions {
            source,
            sink: self.sink.options()?,
            rate: self.rate,
            patience: self.patience,
            require_subscribers: self.require_subscribers,
            is_typed: std::io::stdin().is_terminal(),
            is_quiet: self.quiet,
        };
        Ok((options, file))
    }

    fn source(&self, dialects: &Dialects) -> Result<SourceOptions, Failure> {
        if self.stdin && self.scenario.is_some() {
            return Err(Failure::usage("--stdin and --scenario cannot be used together"));
        }
        if self.end.is_some() && self.scenario.is_some() {
            return Err(Failure::usage(
                "--end and --scenario cannot be used together: simulated jobs end by themselves",
            ));
        }
        if let Some(name) = &self.scenario {
            return self.scenario(name, dialects);
        }
        let Some(target) = &self.target else {
            return Err(Failure::usage("publish needs a target, as in scraping/123")
                .hint("`jobwire publish --list` shows what can be published"));
        };
        let place = Place::parse(target, dialects)?;
        refuse_foreign(&place.dialect)?;
        let place = match &self.channel {
            Some(channel) => place.on_channel(channel, dialects)?,
            None => place,
        };
        if self.stdin {
            return match &self.event {
                Some(event) => Err(Failure::usage(format!(
                    "events come from standard input; '{}' is one too many",
                    event.escape_debug()
                ))),
                None => self.lines(place).map(SourceOptions::Lines),
            };
        }
        match self.end {
            None => self.one(place),
            Some(end) => self.ending(&place, end),
        }
    }

    fn lines(&self, place: Place) -> Result<InputLines, Failure> {
        if self.end.is_some() {
            check_job_of_end(&place)?;
        }
        let lines = InputLines::new(place.dialect, place.job);
        let lines = if self.unchecked { lines.unchecked() } else { lines };
        match self.end {
            None => Ok(lines),
            Some(end) => lines.until(end).map_err(|error| Failure::usage(format!("--end: {error}"))),
        }
    }

    /// Source that consists of the event that ends a job.
    fn ending(&self, place: &Place, end: InputEnd) -> Result<SourceOptions, Failure> {
        if let Some(event) = &self.event {
            let event = event.escape_debug();
            return Err(Failure::usage(format!("--end is an event of its own; '{event}' is one too many")));
        }
        let InputEnd::Given(ending) = end else {
            return Err(Failure::usage("--end exit takes the code from a line of standard input")
                .hint("add --stdin, or give the code, as in --end exit:$?"));
        };
        let job = check_job_of_end(place)?;
        let event = ending.event(&place.dialect, job);
        let event = event.map_err(|error| Failure::usage(format!("--end: {error}")))?;
        Ok(SourceOptions::Event { event, repeat: 1 })
    }

    fn one(&self, place: Place) -> Result<SourceOptions, Failure> {
        let hint =
            format!("`jobwire publish {} --list` shows its events and their fields", place.dialect.name);
        let usage = |message: String| Failure::usage(message).hint(hint.as_str());
        place.check_job_is_named()?;
        if place.dialect.catalogue.events.is_empty() && !self.unchecked {
            return Err(Failure::usage(format!("the dialect {} names no events", place.dialect.name))
                .hint("whole events can be published with --stdin, and others with --unchecked"));
        }
        let event = self.event.clone().ok_or_else(|| usage("publish needs an event".to_owned()))?;
        let (event, percent) = place.bare_percent(event, self.unchecked).map_err(usage)?;
        if !self.unchecked {
            place.dialect.catalogue.event(&event).map_err(|error| {
                usage(error.to_string()).hint(format!("{hint}; --unchecked publishes others too"))
            })?;
        }
        let job = place.of_event(&event)?;
        let fields =
            percent.iter().chain(&self.fields).map(|text| Assignment::parse(text)).collect::<Result<_, _>>();
        let fields = fields.map_err(|error| usage(error.to_string()))?;
        let content = if self.unchecked {
            Content::Unchecked { event, fields }
        } else {
            Content::Fields { event, fields }
        };
        let event = Outgoing { dialect: place.dialect, job, content };
        // Whether it can be built does not depend on the time; said before anybody is connected to.
        event.payload(Timestamp::UNIX_EPOCH).map_err(|error| usage(error.to_string()))?;
        Ok(SourceOptions::Event { event, repeat: self.repeat })
    }

    fn scenario(&self, name: &str, dialects: &Dialects) -> Result<SourceOptions, Failure> {
        if let Some((_, dialect)) = dialects.named(name) {
            refuse_foreign(dialect)?;
        }
        let first_job = match &self.target {
            None => None,
            Some(target) => {
                let Place { dialect, job } = Place::parse(target, dialects)?;
                if *dialect.name != *name || (dialect.channels.is_some() && job.is_some()) {
                    let (target, name) = (target.escape_debug(), name.escape_debug());
                    return Err(Failure::usage(format!("the scenario '{name}' has no jobs of {target}"))
                        .hint(format!("leave the target out, or name a job of one dialect (not {ALL})")));
                }
                job
            }
        };
        if let Some(event) = &self.event {
            let event = event.escape_debug();
            return Err(Failure::usage(format!("events come from the scenario; '{event}' is one too many")));
        }
        if self.channel.is_some() {
            return Err(Failure::usage("--channel and --scenario cannot be used together"));
        }
        let Speed::Times(times) = self.speed else {
            return Err(Failure::usage("--speed max is for --replay; a scenario has --duration"));
        };
        let seed = self.seed.unwrap_or_else(rand::random);
        let options = ScenarioOptions {
            jobs: self.jobs,
            duration: self.duration,
            speed: times,
            fail_rate: self.fail_rate,
            // A part fails more often than the whole.
            part_fail_rate: (self.fail_rate * 1.5).clamp(0.0, 0.4),
            seed,
            first_job,
            owner: self.owner.clone(),
        };
        let scenario =
            Scenario::named(name, dialects, &options).map_err(|e| Failure::usage(e.to_string()))?;
        Ok(SourceOptions::Scenario { scenario, seed })
    }
}

/// Job that `--end` ends. A dialect alone or a channel is an error.
fn check_job_of_end(place: &Place) -> Result<&str, Failure> {
    place.job.as_deref().filter(|_| place.dialect.channels.is_none()).ok_or_else(|| {
        let name = &place.dialect.name;
        let message = if place.dialect.channels.is_some() {
            format!("--end ends a job, and {name} has none")
        } else {
            format!("--end needs a job, as in {name}/123")
        };
        Failure::usage(message)
    })
}

/// Refuses a dialect whose events are published by another program.
fn refuse_foreign(dialect: &Dialect) -> Result<(), Failure> {
    let Some(publisher) = &dialect.publisher else { return Ok(()) };
    let name = &dialect.name;
    let job = if matches!(dialect.source, Source::Queues { .. }) { "QUEUE:ID" } else { "ID" };
    Err(Failure::usage(format!("{publisher} publishes the events of {name}; jobwire only watches them"))
        .hint(format!("`jobwire attach {name}/{job}` watches one; there is nothing to publish")))
}

async fn until_interrupted(options: PublishOptions, file: Option<File>) -> Result<Exit> {
    let stop = CancellationToken::new();
    let mut signals = Signals::catch().context("could not catch signals")?;
    let mut notes = anstream::stderr();
    if let Some(file) = file {
        // A file is read as standard input is, on a thread that may wait for a pipe.
        rustix::stdio::dup2_stdin(&file).context("could not read the recording")?;
    }
    let input = BufReader::new(tokio::io::stdin());
    let mut publishing = std::pin::pin!(publish::run(options, input, &mut notes, stop.clone()));
    let signal = tokio::select! {
        result = &mut publishing => return result,
        signal = signals.next() => signal,
    };
    stop.cancel();
    // What it has done so far is still said.
    let exit = publishing.await?;
    Ok(if exit == Exit::Interrupted { signal.exit() } else { exit })
}

/// Parses the value of `--end`.
fn end(text: &str) -> Result<InputEnd, String> {
    let ending = match text {
        "exit" => return Ok(InputEnd::Told),
        "succeeded" => Ending::Outcome(Outcome::Succeeded),
        "failed" => Ending::Outcome(Outcome::Failed),
        "cancelled" => Ending::Outcome(Outcome::Cancelled),
        _ => {
            let code = text.strip_prefix("exit:").and_then(|code| code.parse().ok());
            Ending::Exit(code.ok_or(
                "a job ends as succeeded, failed or cancelled, or with a code from 0 to 255, as in exit:1",
            )?)
        }
    };
    Ok(InputEnd::Given(ending))
}

fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse().ok().filter(|rate| (0.001..=1e6).contains(rate));
    rate.ok_or_else(|| "a rate is a number from 0.001 to 1000000".to_owned())
}

#[cfg(test)]
mod tests;
