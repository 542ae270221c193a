//! Demands on a run: `metric op value[unit]`, as in `delivery.p99<50ms`, `lost==0` or `connect.failed<0.1%`.

use super::numbers::as_f64;
use super::summary::{Assertion, Cohort, Summary, Verdict};
use super::timing::{MAX_MICROS, Timing};
use crate::dialect::with_nearest;

/// A demand that was understood.
#[derive(Debug, Clone, PartialEq)]
pub struct Demand {
    text: String,
    metric: String,
    op: Op,
    /// In the metric's own unit: microseconds, bytes, a count, or with `%` a share of 1.
    limit: f64,
    unit: Unit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Op {
    Less,
    AtMost,
    More,
    AtLeast,
    Equal,
    Not,
}

/// The longer ones first, since `<` begins `<=`.
const OPS: [(&str, Op); 7] = [
    ("<=", Op::AtMost),
    (">=", Op::AtLeast),
    ("==", Op::Equal),
    ("!=", Op::Not),
    ("<", Op::Less),
    (">", Op::More),
    ("=", Op::Equal),
];

/// A unit as written, and what one of it is in the metric's own.
type Unit = (&'static str, f64);

/// What a metric measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Measure {
    Time,
    Count,
    /// A count that can be asked as a share of a whole.
    Counted,
    Bytes,
    Share,
}

impl Measure {
    const fn units(self) -> &'static [Unit] {
        match self {
            // No minutes: that `m` would be a slip for `ms`, and hold whatever happens.
            Self::Time => &[("us", 1.0), ("µs", 1.0), ("ms", 1e3), ("s", 1e6)],
            Self::Count => &[("", 1.0), ("k", 1e3), ("m", 1e6), ("/s", 1.0)],
            Self::Counted => &[("", 1.0), ("k", 1e3), ("m", 1e6), ("%", 0.01)],
            Self::Bytes => {
                &[("b", 1.0), ("", 1.0), ("kb", 1e3), ("kib", 1024.0), ("mb", 1e6), ("mib", 1_048_576.0)]
            }
            Self::Share => &[("%", 0.01)],
        }
    }
}

/// What was measured; with the whole where it can be a share of one.
struct Reading {
    value: f64,
    whole: f64,
}

/// The parts of a timing that can be asked for.
const PARTS: [&str; 10] = ["p50", "p75", "p90", "p95", "p99", "p99.9", "p99.99", "mean", "min", "max"];

/// Timings by name.
const TIMINGS: [&str; 11] = [
    "delivery",
    "connect",
    "connect.tcp",
    "connect.tls",
    "connect.upgrade",
    "connect.first_message",
    "round_trip",
    "reconnect",
    "send_lag",
    "slow.delivery",
    "storm.delivery",
];

const COUNTED: [&str; 15] = [
    "lost",
    "conflated",
    "missing",
    "twice",
    "duplicated",
    "reordered",
    "misrouted",
    "connect.failed",
    "closed_early",
    "publish.failed",
    "round_trip.lost",
    "slow.lost",
    "churn.lost",
    "storm.lost",
    "garbage",
];

/// Everything else.
const OTHERS: [(&str, Measure); 11] = [
    ("expected", Measure::Count),
    ("received", Measure::Count),
    ("connections", Measure::Count),
    ("gaps", Measure::Count),
    ("connect.rate", Measure::Count),
    ("publish.rate", Measure::Count),
    ("reconnect.all_back", Measure::Time),
    ("server.cpu", Measure::Share),
    ("client.cpu", Measure::Share),
    ("server.rss_per_connection", Measure::Bytes),
    ("client.rss_per_connection", Measure::Bytes),
];

/// The names of all metrics.
pub fn metrics() -> Vec<String> {
    let timed = TIMINGS.iter().flat_map(|name| PARTS.iter().map(move |part| format!("{name}.{part}")));
    let counted = COUNTED.iter().map(ToString::to_string);
    timed.chain(counted).chain(OTHERS.iter().map(|(name, _)| (*name).to_owned())).collect()
}

/// The names of timings, of which [`parts`] can be asked for.
pub fn timings() -> Vec<String> {
    TIMINGS.map(str::to_owned).into()
}

/// What can be asked for of a timing.
pub fn parts() -> Vec<String> {
    PARTS.map(str::to_owned).into()
}

/// The names of counts that can be asked for as a share.
pub fn counted() -> Vec<String> {
    COUNTED.map(str::to_owned).into()
}

/// The names of all that are neither timings nor such counts.
pub fn others() -> Vec<String> {
    OTHERS.map(|(name, _)| name.to_owned()).into()
}

/// The names of plain numbers.
pub fn numbers() -> Vec<String> {
    let plain = OTHERS.iter().filter(|(_, measure)| *measure == Measure::Count);
    plain.map(|(name, _)| (*name).to_owned()).collect()
}

fn measure(metric: &str) -> Option<Measure> {
    if COUNTED.contains(&metric) {
        return Some(Measure::Counted);
    }
    if let Some((_, measure)) = OTHERS.iter().find(|(name, _)| *name == metric) {
        return Some(*measure);
    }
    split(metric).map(|_| Measure::Time)
}

/// A timing and its part.
fn split(metric: &str) -> Option<(&str, &str)> {
    TIMINGS.iter().find_map(|name| {
        let part = metric.strip_prefix(name)?.strip_prefix('.')?;
        PARTS.contains(&part).then_some((*name, part))
    })
}

/// Names that other tools give to a metric or to a part of its name, each with the name here. Longer names come first.
const ALIASES: [(&str, &str); 40] = [
    ("server.memory", "server.rss_per_connection"),
    ("server.mem", "server.rss_per_connection"),
    ("server.rss", "server.rss_per_connection"),
    ("client.memory", "client.rss_per_connection"),
    ("client.mem", "client.rss_per_connection"),
    ("client.rss", "client.rss_per_connection"),
    ("connection.failed", "connect.failed"),
    ("connections.failed", "connect.failed"),
    ("connect.errors", "connect.failed"),
    ("connect.failures", "connect.failed"),
    ("connect_failures", "connect.failed"),
    ("connect.time", "connect"),
    ("connect.latency", "connect"),
    ("connect_time", "connect"),
    ("handshake", "connect.upgrade"),
    ("latency", "delivery"),
    ("delivery.latency", "delivery"),
    ("deliveries", "delivery"),
    ("delay", "delivery"),
    ("e2e", "delivery"),
    ("response_time", "round_trip"),
    ("roundtrip", "round_trip"),
    ("rtt", "round_trip"),
    ("echo", "round_trip"),
    ("ping", "round_trip"),
    ("lag", "send_lag"),
    ("cpu", "server.cpu"),
    ("memory", "server.rss_per_connection"),
    ("mem", "server.rss_per_connection"),
    ("rss", "server.rss_per_connection"),
    ("throughput", "publish.rate"),
    ("rate", "publish.rate"),
    ("rps", "publish.rate"),
    ("errors", "connect.failed"),
    ("failures", "connect.failed"),
    ("failed", "connect.failed"),
    ("loss", "lost"),
    ("dropped", "lost"),
    ("duplicates", "duplicated"),
    ("disconnects", "closed_early"),
];

/// Parts of a timing as other tools call them.
const PART_ALIASES: [(&str, &str); 8] = [
    ("median", "p50"),
    ("med", "p50"),
    ("avg", "mean"),
    ("average", "mean"),
    ("most", "max"),
    ("maximum", "max"),
    ("least", "min"),
    ("minimum", "min"),
];

/// The metric that was probably meant by a name that is none.
fn meant(metric: &str) -> Option<String> {
    let metric = metric.to_lowercase();
    let part = |part: &str| {
        let renamed = PART_ALIASES.iter().find(|(alias, _)| *alias == part).map_or(part, |(_, name)| name);
        PARTS.contains(&renamed).then(|| renamed.to_owned())
    };
    if let Some(part) = part(&metric) {
        return Some(format!("delivery.{part}"));
    }
    let renamed = |name: &str| ALIASES.iter().find(|(alias, _)| *alias == name).map(|(_, name)| *name);
    let timed = |name: &str, rest: &str| TIMINGS.contains(&name).then(|| format!("{name}.{rest}"));
    // A timing without a part asks for the usual one.
    let whole = |name: &str| measure(name).map(|_| name.to_owned()).or_else(|| timed(name, "p99"));
    if let Some(found) = renamed(&metric).or_else(|| TIMINGS.iter().find(|name| **name == metric).copied()) {
        return whole(found);
    }
    let (name, rest) = metric.rsplit_once('.')?;
    // A percentile may have a point in it.
    let (name, rest) = match name.rsplit_once('.') {
        Some((before, digits)) if digits.starts_with('p') && part(&format!("{digits}.{rest}")).is_some() => {
            (before, format!("{digits}.{rest}"))
        }
        _ => (name, rest.to_owned()),
    };
    let name = renamed(name).or_else(|| TIMINGS.iter().find(|timing| **timing == name).copied())?;
    timed(name, &part(&rest)?)
}

impl Demand {
    /// Reads a demand; the error says what is wrong and what is near.
    pub fn parse(text: &str) -> Result<Self, String> {
        let plain: String = text.split_whitespace().collect();
        let (at, sign, op) = OPS
            .iter()
            .filter_map(|(sign, op)| Some((plain.find(sign)?, *sign, *op)))
            .min_by_key(|(at, sign, _)| (*at, usize::MAX - sign.len()))
            .ok_or_else(|| {
                let shown = text.escape_debug();
                format!("an assertion is METRIC OP VALUE, as in delivery.p99<50ms or lost==0; got '{shown}'")
            })?;
        let (metric, value) = (&plain[..at], &plain[at + sign.len()..]);
        let measure = measure(metric).ok_or_else(|| {
            let known = metrics();
            let shown = metric.escape_debug().to_string();
            let message = format!("there is no metric '{shown}'");
            let message = match meant(metric) {
                Some(meant) => format!("{message}; did you mean '{meant}'?"),
                None => with_nearest(&message, metric, known.iter().map(String::as_str)),
            };
            format!("{message} (jobwire bench --help names all, and jobwire-bench(1) says what they are)")
        })?;
        let digits = value.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(value.len());
        let number: f64 =
            value[..digits].parse().map_err(|_| format!("'{}' is no number", value.escape_debug()))?;
        // A Greek mu looks the same.
        let unit = value[digits..].to_lowercase().replace('\u{3bc}', "\u{b5}");
        let known = measure.units();
        let unit = *known.iter().find(|(name, _)| *name == unit).ok_or_else(|| {
            let names: Vec<&str> =
                known.iter().map(|(name, _)| *name).filter(|name| !name.is_empty()).collect();
            if unit.is_empty() {
                return format!("{metric} needs a unit: {}", names.join(", "));
            }
            let shown = unit.escape_debug();
            format!("{metric} is not measured in '{shown}'; its units are {}", names.join(", "))
        })?;
        let limit = number * unit.1;
        if split(metric).is_some() && limit > as_f64(MAX_MICROS) {
            let longest = MAX_MICROS / 1_000_000;
            return Err(format!(
                "{metric} is never beyond {longest}s, since longer durations count as that; {value} says \
                 nothing"
            ));
        }
        Ok(Self { text: plain.clone(), metric: metric.to_owned(), op, limit, unit })
    }

    /// What it is about.
    pub fn metric(&self) -> &str {
        &self.metric
    }

    /// Several demands, separated by commas.
    pub fn parse_all(text: &str) -> Result<Vec<Self>, String> {
        text.split(',').map(Self::parse).collect()
    }

    /// Holds a result against it. What was not measured does not hold.
    pub fn check(&self, summary: &Summary) -> Assertion {
        let reading = read(summary, &self.metric).map(|reading| match self.unit.0 {
            "%" => reading.value / reading.whole,
            _ => reading.value,
        });
        // In the limit's unit, so that 0.1 + 0.2 is not held against 0.3.
        let passed = reading.is_some_and(|value| {
            let (value, limit) = (value / self.unit.1, self.limit / self.unit.1);
            let equal = is_same(value, limit);
            match self.op {
                Op::Less => value < limit && !equal,
                Op::AtMost => value < limit || equal,
                Op::More => value > limit && !equal,
                Op::AtLeast => value > limit || equal,
                Op::Equal => equal,
                Op::Not => !equal,
            }
        });
        let shown = |number: &str| format!("{number}{}", self.unit.0);
        let limit = exact(self.limit / self.unit.1);
        let value = reading.map(|value| shown(&apart(value / self.unit.1, self.limit / self.unit.1)));
        Assertion {
            text: self.text.clone(),
            metric: self.metric.clone(),
            limit: shown(&limit),
            value: value.unwrap_or_else(|| "none".to_owned()),
            passed,
        }
    }
}

/// Whether a value and a limit are apart by no more than rounding makes of them; counts up to 10^12 are told apart.
fn is_same(value: f64, limit: f64) -> bool {
    (value - limit).abs() <= 1e-9_f64.max(limit.abs() * 1e-13)
}

/// With so many decimals, without zeros that say nothing.
fn rounded(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// As it was given.
fn exact(limit: f64) -> String {
    rounded(limit, 9)
}

/// Three decimals, and as many more as it takes to tell a value from 0 and from its limit.
fn apart(value: f64, limit: f64) -> String {
    let is_told = |decimals: &usize| {
        let text = rounded(value, *decimals);
        (text != rounded(limit, *decimals) || is_same(value, limit))
            && (text.trim_start_matches('-') != "0" || value.abs() < 1e-9)
    };
    rounded(value, (3..9).find(is_told).unwrap_or(9))
}

/// Holds a result against all demands and against the client's own limits.
pub fn judge(summary: &Summary, demands: &[Demand], allow_client_bound: bool) -> Verdict {
    let assertions: Vec<Assertion> = demands.iter().map(|demand| demand.check(summary)).collect();
    Verdict {
        passed: assertions.iter().all(|assertion| assertion.passed),
        assertions,
        client_bound: !summary.client.bound.is_empty(),
        client_bound_allowed: allow_client_bound,
        unclean: unclean(summary, demands),
    }
}

/// Failed connections beyond this share make a run another one than was asked for.
const CLEAN: f64 = 0.01;

/// Why a run is not the one that was asked for, unless a demand speaks about that itself.
fn unclean(summary: &Summary, demands: &[Demand]) -> Option<String> {
    let connections = &summary.connections;
    let share = as_f64(connections.failed) / as_f64(connections.attempts.max(1));
    let is_demanded = demands.iter().any(|demand| demand.metric == "connect.failed");
    (share > CLEAN && !is_demanded).then(|| {
        let (failed, attempts) = (connections.failed, connections.attempts);
        format!("{}% of the connections failed: {failed} of {attempts}", rounded(share * 100.0, 1))
    })
}

fn read(summary: &Summary, metric: &str) -> Option<Reading> {
    if let Some((name, part)) = split(metric) {
        return read_timing(summary, name, part);
    }
    let cohort = |name: &str| summary.cohorts.iter().find(|cohort| cohort.name == name);
    let of = |cohort: &Cohort, count: u64| Reading { value: as_f64(count), whole: as_f64(cohort.expected) };
    // Where nothing was expected, that nothing is missing says nothing.
    let healthy = |count: fn(&Cohort) -> u64| {
        summary.healthy().filter(|cohort| cohort.expected > 0).map(|cohort| of(cohort, count(cohort)))
    };
    let lost_of =
        |name| cohort(name).filter(|cohort| cohort.expected > 0).map(|cohort| of(cohort, cohort.lost));
    let connections = &summary.connections;
    // Nor does it say anything that nothing failed where nothing was tried.
    let counted =
        |value: u64, whole: u64| (whole > 0).then(|| Reading { value: as_f64(value), whole: as_f64(whole) });
    let plain = |value: f64| Some(Reading { value, whole: 1.0 });
    let a_connection = |value: f64| plain(value).filter(|_| connections.peak > 0);
    match metric {
        "lost" => healthy(|cohort| cohort.lost),
        "conflated" => healthy(|cohort| cohort.conflated),
        "missing" => missing(summary),
        "twice" => of_exact(summary, |cohort| cohort.duplicated),
        "duplicated" => healthy(|cohort| cohort.duplicated),
        "reordered" => healthy(|cohort| cohort.reordered),
        "misrouted" => healthy(|cohort| cohort.misrouted),
        "expected" => healthy(|cohort| cohort.expected),
        "received" => healthy(|cohort| cohort.received),
        "slow.lost" => lost_of("slow"),
        "churn.lost" => lost_of("churn"),
        "storm.lost" => lost_of("storm"),
        "connect.failed" => counted(connections.failed, connections.attempts),
        "closed_early" => counted(connections.closed_early_count(), connections.opened),
        "garbage" => counted(connections.garbage, connections.opened),
        "connections" => plain(as_f64(connections.peak)),
        "gaps" => summary.subscribing.as_ref().and_then(|seen| plain(as_f64(seen.gap_count()))),
        "connect.rate" => plain(connections.rate),
        "publish.failed" => {
            summary.publish.as_ref().and_then(|publish| counted(publish.failed, publish.intended))
        }
        "publish.rate" => summary.publish.as_ref().and_then(|publish| plain(publish.rate)),
        "round_trip.lost" => {
            summary.round_trip.as_ref().and_then(|trip| counted(trip.lost, trip.received + trip.lost))
        }
        "reconnect.all_back" => {
            summary.reconnect.as_ref().and_then(|back| back.all_back_seconds).and_then(|s| plain(s * 1e6))
        }
        "server.cpu" => summary.server.as_ref().and_then(|server| plain(server.cpu_share)),
        "server.rss_per_connection" => {
            let grown = summary.server.as_ref().map(|server| server.rss_per_connection_bytes);
            // One that had room left from before does not tell.
            grown.filter(|bytes| *bytes > 0.0).and_then(a_connection)
        }
        "client.cpu" => plain(summary.client.cpu_share),
        "client.rss_per_connection" => a_connection(summary.client.rss_per_connection_bytes),
        _ => None,
    }
}

fn read_timing(summary: &Summary, name: &str, part: &str) -> Option<Reading> {
    let timing = timing(summary, name)?;
    let value = match part {
        _ if timing.is_empty() => return None,
        "mean" => timing.mean_micros(),
        "min" => as_f64(timing.min_micros()),
        "max" => as_f64(timing.max_micros()),
        percent => as_f64(timing.micros_at(percent.strip_prefix('p')?.parse().ok()?)),
    };
    Some(Reading { value, whole: 0.0 })
}

/// Whether connections go on from their cursor.
fn resumes(summary: &Summary) -> bool {
    summary.subscribing.as_ref().is_some_and(|seen| seen.resume)
}

/// Deliveries that are missing. What comes to a connection while it is away, to one that resumes, may be conflated.
fn missing(summary: &Summary) -> Option<Reading> {
    let of_resumed: fn(&Cohort) -> u64 = |cohort| cohort.lost;
    let of_others: fn(&Cohort) -> u64 = |cohort| cohort.lost + cohort.conflated;
    of_exact(summary, if resumes(summary) { of_resumed } else { of_others })
}

/// A count of all connections whose every event is accounted for: the healthy, and those that leave where they resume.
fn of_exact(summary: &Summary, count: fn(&Cohort) -> u64) -> Option<Reading> {
    let is_exact = |cohort: &&Cohort| match cohort.name.as_str() {
        "healthy" => true,
        "churn" | "storm" => resumes(summary),
        _ => false,
    };
    let all = || summary.cohorts.iter().filter(is_exact);
    let (value, whole) = (all().map(count).sum::<u64>(), all().map(|cohort| cohort.expected).sum::<u64>());
    (whole > 0).then(|| Reading { value: as_f64(value), whole: as_f64(whole) })
}

fn timing<'a>(summary: &'a Summary, name: &str) -> Option<&'a Timing> {
    let delivery =
        |name: &str| summary.cohorts.iter().find(|cohort| cohort.name == name).map(|cohort| &cohort.delivery);
    match name {
        "delivery" => delivery("healthy"),
        "slow.delivery" => delivery("slow"),
        "storm.delivery" => delivery("storm"),
        "connect" => Some(&summary.connect_time.total),
        "connect.tcp" => Some(&summary.connect_time.tcp),
        "connect.tls" => Some(&summary.connect_time.tls),
        "connect.upgrade" => Some(&summary.connect_time.upgrade),
        "connect.first_message" => Some(&summary.connect_time.first_message),
        "round_trip" => summary.round_trip.as_ref().map(|trip| &trip.time),
        "reconnect" => summary.reconnect.as_ref().map(|back| &back.time),
        "send_lag" => summary.publish.as_ref().map(|publish| &publish.send_lag),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
