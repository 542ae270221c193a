//! One connection and one event before the run: if these do not make it, thousands will not.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::clock::Clock;
use super::collect::Part;
use super::crew::Crew;
use super::options::{BenchOptions, EchoBy};
use super::plan::{Load, Plan, Ramp};
use super::prepared::Prepared;
use super::publisher::Publisher;
use super::subscriber::{Cohort, Phase, Seat, Shared};
use super::summary::{Mode, Watcher};
use crate::exit::{Exit, Failure};
use crate::net::answer::{self, LONGEST_WAIT};
use crate::net::tls::Peer;
use crate::net::{self, NetError};

/// A server that refuses some connections at random is still worth a run.
const ATTEMPTS: u32 = 5;

/// For the connection: a little more than it gives itself, so that it can say at which step it waited; and for the event.
const PATIENCE: Duration = Duration::from_secs(11);
const EVENT_PATIENCE: Duration = Duration::from_secs(5);

/// Patience for the event before the other kind of source is tried.
const FIRST_PATIENCE: Duration = Duration::from_millis(1500);

/// A server may subscribe a moment after it has upgraded, so the event is sent again.
const AGAIN: Duration = Duration::from_millis(250);

/// Notes about events that go another way than was asked for.
const TO_STREAMS: &str =
    "the server takes these events from a stream, so that they are appended, as with --durable";
const TO_CHANNELS: &str =
    "the server takes these events from a channel, so that they are published, in spite of --durable";

/// A server that closes at once does so within this.
const AT_ONCE: Duration = Duration::from_millis(150);

/// Opens one socket and, where the run publishes, sees an event through to it. A server that asks to be left alone for a while
/// (Retry-After) is, for five minutes in all at most.
pub fn probe(
    options: &BenchOptions,
    prepared: &mut Prepared,
    stop: &AtomicBool,
    watcher: &mut dyn Watcher,
) -> Result<(), Failure> {
    let mut begin = Instant::now();
    let (mut tried, mut waited) = (0, Duration::ZERO);
    let appends = |prepared: &Prepared| prepared.publisher.as_ref().is_some_and(Publisher::appends);
    let asked_for = appends(prepared);
    loop {
        tried += 1;
        match attempt(options, prepared) {
            Err(Problem::Connection(failure, Some(after)))
                if tried < ATTEMPTS && waited + after <= LONGEST_WAIT =>
            {
                watcher.note(&failure.message);
                if wait(after, || stop.load(Ordering::Acquire)) {
                    let message = "interrupted while the server's Retry-After was waited for";
                    return Err(Failure::new(Exit::Interrupted, message));
                }
                (begin, waited) = (begin + after, waited + after);
            }
            // Whoever says nothing for so long says nothing the next time.
            Err(Problem::Connection(_, None)) if tried < ATTEMPTS && begin.elapsed() < PATIENCE / 2 => {}
            Err(Problem::Connection(failure, _) | Problem::Other(failure)) => return Err(failure),
            Ok(()) => {
                if appends(prepared) != asked_for {
                    watcher.note(if asked_for { TO_CHANNELS } else { TO_STREAMS });
                }
                return Ok(());
            }
        }
    }
}

enum Problem {
    /// Another attempt may do better, after the time that the server asks for.
    Connection(Failure, Option<Duration>),
    Other(Failure),
}

/// Whether the event that checks the way has come back.
enum Seen {
    Arrived,
    /// No arrival; with the refusal of the other kind of source, where there was one.
    Missed(Option<Failure>),
}

fn attempt(options: &BenchOptions, prepared: &mut Prepared) -> Result<(), Problem> {
    let is_echo = options.mode == Mode::Echo;
    let plan = if is_echo { one_event() } else { prepared.plan.clone() };
    let shared = Arc::new(Shared::new(Clock::new(), prepared.aim.clone(), plan, prepared.run));
    let mode = if is_echo { Mode::Echo } else { Mode::Idle };
    let one = BenchOptions { mode, threads: Some(1), connect_rate: None, ..options.clone() };
    let seat = Seat { nth: 0, cohort: Cohort::Healthy };
    let crew = Crew::start(&shared, &one, &[seat], prepared.address, (0, 1)).map_err(Problem::Other)?;
    let is_settled = || shared.unsettled.load(Ordering::Acquire) == 0;
    wait(PATIENCE, is_settled);
    let is_open = || shared.open.load(Ordering::Acquire) > 0;
    wait(AT_ONCE, || !is_open());
    let mut seen = Ok(Seen::Arrived);
    if let Some(publisher) = prepared.publisher.as_mut().filter(|_| is_open()) {
        seen = see_through(publisher, &shared);
    }
    if is_echo && is_open() {
        shared.start.store(shared.clock.now(), Ordering::Release);
        shared.enter(Phase::Running);
        let has_come_back = || shared.received.load(Ordering::Acquire) > 0;
        if !wait(EVENT_PATIENCE, || has_come_back() || !is_open()) || !has_come_back() {
            seen = Ok(Seen::Missed(None));
        }
    }
    let still_open = is_open();
    let (part, _) = crew.finish();
    match seen {
        _ if !still_open => {
            let refusal = shared.refusal.get();
            let after = match refusal {
                Some(NetError::Status { retry_after, .. }) => *retry_after,
                _ => None,
            };
            Err(Problem::Connection(refused(options, prepared, &part, refusal), after))
        }
        Err(failure) => Err(Problem::Other(failure)),
        Ok(Seen::Arrived) => Ok(()),
        Ok(Seen::Missed(_)) if is_echo => Err(Problem::Other(not_echoed(options, prepared))),
        Ok(Seen::Missed(refusal)) => Err(Problem::Other(not_seen(prepared, refusal))),
    }
}

/// Publishes until an event has arrived. Where none does for a while, the server may take its events from the other kind of
/// source: a relay with `--streams` hears no channel, and one without reads no stream.
fn see_through(publisher: &mut Publisher, shared: &Shared) -> Result<Seen, Failure> {
    let mut since = shared.clock.now();
    let mut refusal = None;
    let try_for = |publisher: &mut Publisher, since: u64, patience: Duration| -> Result<bool, Failure> {
        let begin = Instant::now();
        let arrived = || shared.probed.load(Ordering::Acquire) >= since;
        while !arrived() && shared.open.load(Ordering::Acquire) > 0 && begin.elapsed() < patience {
            publisher.probe(shared)?;
            wait(AGAIN, arrived);
        }
        Ok(arrived())
    };
    if try_for(publisher, since, FIRST_PATIENCE)? {
        return Ok(Seen::Arrived);
    }
    if publisher.change_verb() {
        // A key of another type, or a right that is missing, says that this is not the way, unless there is no other.
        let other = try_for(publisher, shared.clock.now(), FIRST_PATIENCE);
        if matches!(other, Ok(true)) {
            return Ok(Seen::Arrived);
        }
        publisher.change_verb();
        since = shared.clock.now();
        refusal = other.err();
    }
    let has_arrived = try_for(publisher, since, EVENT_PATIENCE.saturating_sub(FIRST_PATIENCE))?;
    Ok(if has_arrived { Seen::Arrived } else { Seen::Missed(refusal) })
}

fn wait(patience: Duration, is_so: impl Fn() -> bool) -> bool {
    let begin = Instant::now();
    while !is_so() && begin.elapsed() < patience {
        std::thread::sleep(Duration::from_millis(1));
    }
    is_so()
}

/// Why a single connection did not open or did not stay.
fn refused(options: &BenchOptions, prepared: &Prepared, part: &Part, refusal: Option<&NetError>) -> Failure {
    let address = net::address(prepared.aim.server());
    if let Some(close) = part.connections.closed_early.first() {
        let code = close.code.map_or_else(String::new, |code| format!(" with {code}"));
        let message = format!("the server at {address} ends connections at once{code}: {}", close.reason);
        let is_refusal = matches!(close.code, Some(4001 | 4003));
        let failure = Failure::new(if is_refusal { Exit::Refused } else { Exit::Unreachable }, message);
        return match close.code {
            Some(4003) => failure.hint(
                "say whose the jobs are with --owner, the token's subject; who registered them first, in an earlier run too, \
                 owns them for a day",
            ),
            Some(4001) if close.reason.contains("no secret") => {
                failure.hint("the server checks tokens and has nothing to check them with: `jobwire serve --jwt-secret`")
            }
            _ if is_refusal => failure.hint(token_hint(options)),
            _ => failure,
        };
    }
    if let Some(failure) = refusal.and_then(|refusal| answered(options, refusal)) {
        return failure;
    }
    let Some(first) = part.connections.failures.first() else {
        return Failure::new(Exit::Unreachable, format!("the server at {address} does not answer"));
    };
    let status = first.status.map_or_else(String::new, |status| format!(" with {status}"));
    let what = options.manner.transport.noun();
    let message =
        format!("could not open {what} at {address}: {} failed{status}: {}", first.step, first.reason);
    if first.step == "watch" {
        return not_watched(options, message, &first.reason);
    }
    let failure = Failure::new(Exit::Unreachable, message);
    if let Some(hint) = unspoken(options, first.status) {
        return failure.hint(hint);
    }
    match refusal {
        Some(NetError::Tls { problem, .. }) => Failure { hint: problem.hint(Peer::Server), ..failure },
        _ => failure.hint(hint(&first.step, prepared)),
    }
}

/// The server answered with a status that is no upgrade.
fn answered(options: &BenchOptions, refusal: &NetError) -> Option<Failure> {
    let NetError::Status { status, .. } = refusal else { return None };
    let (said, hint) = answer::explain(refusal)?;
    let what = options.manner.transport.noun();
    let failure = |exit| Failure::new(exit, format!("could not open {what}: {said}"));
    Some(match status {
        401 | 403 => failure(Exit::Refused).hint(token_hint(options)),
        404 if options.manner.watch.is_some() => failure(Exit::Unreachable)
            .hint("only a jobwire relay has /watch; leave --watch out for other servers"),
        404 if options.place.server().is_some() => {
            failure(Exit::Unreachable).hint("is that path one of the server's?")
        }
        _ => Failure { hint, ..failure(Exit::Unreachable) },
    })
}

/// The relay did not let all targets be watched.
fn not_watched(options: &BenchOptions, message: String, reason: &str) -> Failure {
    let is_refusal =
        ["not_allowed", "closed with 4001", "closed with 4003"].iter().any(|word| reason.contains(word));
    if is_refusal {
        return Failure::new(Exit::Refused, message).hint(token_hint(options));
    }
    Failure::new(Exit::Unreachable, message)
}

/// The server answered as one that does not know what was asked for.
fn unspoken(options: &BenchOptions, status: Option<u16>) -> Option<&'static str> {
    let manner = options.manner;
    match status {
        Some(200) if !manner.transport.is_ws() => {
            Some("the server has no event stream there; without --transport sse it is a WebSocket")
        }
        Some(101) if manner.msgpack => Some("a server without MessagePack is benched without --msgpack"),
        _ => None,
    }
}

/// Hint for a step that failed without an explanation from the server.
fn hint(step: &str, prepared: &Prepared) -> &'static str {
    let is_plain = matches!(prepared.aim.server().scheme(), "ws" | "http");
    match step {
        "tls" => "ws:// and http:// are for servers without TLS",
        "upgrade" if is_plain => {
            "is it a WebSocket server, and is that path one of its? If it wants TLS, say wss://"
        }
        _ => "start a relay with `jobwire serve`, or name a server with --server",
    }
}

fn token_hint(options: &BenchOptions) -> &'static str {
    if options.tokens.is_empty() {
        "give a token with --token, or its header with --header"
    } else {
        "another token may do"
    }
}

/// One round trip, due at once.
fn one_event() -> Plan {
    let load = Load {
        rate: 1.0,
        seconds: 1.0,
        warm_up: 0.0,
        ramp: Ramp::Flat,
        limit: None,
        jobs: 1,
        milestones: 0.0,
    };
    Plan::new(&load)
}

fn not_echoed(options: &BenchOptions, prepared: &Prepared) -> Failure {
    let server = net::address(prepared.aim.server());
    let seconds = EVENT_PATIENCE.as_secs();
    let (message, hint) = match options.echo {
        EchoBy::Text => (
            format!("the server at {server} did not send a text back within {seconds} s"),
            "--echo text is for servers that echo; without it round trips are WebSocket pings, which any server answers",
        ),
        EchoBy::Ping => (
            format!("the server at {server} did not answer a WebSocket ping within {seconds} s"),
            "RFC 6455 demands it; if the server echoes text, say --echo text",
        ),
    };
    Failure::new(Exit::Unreachable, message).hint(hint)
}

/// Words for an event that did not arrive; with the refusal of the other kind of source, which may be the one that is meant.
fn not_seen(prepared: &Prepared, refusal: Option<Failure>) -> Failure {
    let server = net::address(prepared.aim.server());
    let publisher = prepared.publisher.as_ref().map_or("", |publisher| publisher.address());
    let message = format!(
        "an event published to {publisher} did not reach a socket of {} at {server} within {} s",
        prepared.aim.name(),
        EVENT_PATIENCE.as_secs()
    );
    let failure = Failure::new(Exit::Unreachable, message)
        .hint("is that the Redis (--redis) which the server listens to, and does it know this dialect?");
    let Some(refusal) = refusal else { return failure };
    let appends = prepared.publisher.as_ref().is_some_and(Publisher::appends);
    let other = if appends { "published on the channel" } else { "appended to the stream" };
    Failure {
        message: format!("{failure}; {other} in its place: {refusal}"),
        hint: refusal.hint.or(failure.hint),
        ..failure
    }
}
