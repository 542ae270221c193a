//! Everything that was timed in a run, each kind by its own name.

use crate::bench::summary::{Mode, Summary};
use crate::bench::timing::Timing;

/// The percentiles that reports show, and how they are headed.
pub(super) const SHOWN: [(&str, f64); 7] = [
    ("50 %", 50.0),
    ("75 %", 75.0),
    ("90 %", 90.0),
    ("95 %", 95.0),
    ("99 %", 99.0),
    ("99.9 %", 99.9),
    ("99.99 %", 99.99),
];

/// One kind of timing.
#[derive(Debug, Clone)]
pub(super) struct Named<'a> {
    /// What was timed, as in `delivery latency, slow`.
    pub(super) name: String,
    /// It is a part of the whole before it.
    pub(super) part: bool,
    /// The durations.
    pub(super) timing: &'a Timing,
}

/// The kinds that were timed at all, the most important first; those about the client itself are left out.
pub(super) fn of_server(summary: &Summary) -> Vec<Named<'_>> {
    let mut found = Vec::new();
    let mut add = |name: &str, part, timing| found.push(Named { name: name.to_owned(), part, timing });
    for cohort in &summary.cohorts {
        add(&delivery_name(&cohort.name, summary.cohorts.len()), false, &cohort.delivery);
    }
    if let Some(round_trip) = &summary.round_trip {
        add("round trip", false, &round_trip.time);
    }
    if let Some(reconnect) = &summary.reconnect {
        add("reconnect time", false, &reconnect.time);
    }
    let connect = &summary.connect_time;
    add("connect time", false, &connect.total);
    add("TCP", true, &connect.tcp);
    add("TLS", true, &connect.tls);
    add("upgrade", true, &connect.upgrade);
    add("first message", true, &connect.first_message);
    found.retain(|named| !named.timing.is_empty());
    found
}

/// What was timed of this client: a large one makes all others doubtful.
pub(super) fn of_client(summary: &Summary) -> Vec<Named<'_>> {
    let lag = summary.publish.as_ref().map(|publish| ("send lag", &publish.send_lag));
    let timings = lag.into_iter().chain([("event-loop delay", &summary.client.loop_delay)]);
    timings
        .filter(|(_, timing)| !timing.is_empty())
        .map(|(name, timing)| Named { name: name.to_owned(), part: false, timing })
        .collect()
}

/// What the run was about: the kind that histograms, curves and intervals show, which may hold nothing.
pub(super) fn main(summary: &Summary) -> Named<'_> {
    let connect = || ("connect time".to_owned(), &summary.connect_time.total);
    let (name, timing) = match summary.mode {
        Mode::Fanout | Mode::Storm => {
            summary.healthy().or(summary.cohorts.first()).map_or_else(connect, |cohort| {
                (delivery_name(&cohort.name, summary.cohorts.len()), &cohort.delivery)
            })
        }
        Mode::Echo => {
            summary.round_trip.as_ref().map_or_else(connect, |trip| ("round trip".to_owned(), &trip.time))
        }
        Mode::Connect | Mode::Idle => connect(),
    };
    Named { name, part: false, timing }
}

/// What the intervals of a run hold, which are not told apart by cohort.
pub(super) const fn of_intervals(mode: Mode) -> &'static str {
    match mode {
        Mode::Fanout | Mode::Storm => "delivery latency",
        Mode::Echo => "round trip",
        Mode::Connect | Mode::Idle => "connect time",
    }
}

/// The cohort is named where there are others.
fn delivery_name(cohort: &str, cohorts: usize) -> String {
    if cohorts > 1 { format!("delivery latency, {cohort}") } else { "delivery latency".to_owned() }
}

/// With its first letter large, for a heading.
pub(super) fn heading(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}
