//! Metrics by name: what each measures, in which units, and the one that was meant by a name that is none.

/// A unit as written, and what one of it is in the metric's own.
pub(super) type Unit = (&'static str, f64);

/// Quantity that a metric measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Measure {
    Time,
    Count,
    /// A count that can be asked as a share of a whole.
    Counted,
    Bytes,
    Share,
}

impl Measure {
    pub(super) const fn units(self) -> &'static [Unit] {
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

/// Statistic that can be asked for of a timing.
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

pub(super) fn measure(metric: &str) -> Option<Measure> {
    if COUNTED.contains(&metric) {
        return Some(Measure::Counted);
    }
    if let Some((_, measure)) = OTHERS.iter().find(|(name, _)| *name == metric) {
        return Some(*measure);
    }
    split(metric).map(|_| Measure::Time)
}

/// A timing and its part.
pub(super) fn split(metric: &str) -> Option<(&str, &str)> {
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
pub(super) fn meant(metric: &str) -> Option<String> {
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
