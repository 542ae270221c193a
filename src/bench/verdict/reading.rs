//! Readings of metrics from a summary.

use super::metrics::split;
use crate::bench::numbers::as_f64;
use crate::bench::summary::{Cohort, Summary};
use crate::bench::timing::Timing;

/// Measured value; with the whole where it can be a share of one.
pub(super) struct Reading {
    pub(super) value: f64,
    pub(super) whole: f64,
}

pub(super) fn read(summary: &Summary, metric: &str) -> Option<Reading> {
    if let Some((name, part)) = split(metric) {
        return read_timing(summary, name, part);
    }
    let cohort = |name: &str| summary.cohorts.iter().find(|cohort| cohort.name == name);
    let of = |cohort: &Cohort, count: u64| Reading { value: as_f64(count), whole: as_f64(cohort.expected) };
    // A cohort of which nothing was expected says nothing by missing nothing.
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
