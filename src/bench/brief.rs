//! The result in a few lines.

use std::fmt::{self, Write as _};

use super::process::float;
use super::summary::{Cohort, Summary};
use super::timing::Timing;

/// The lines, without colour.
pub fn brief(summary: &Summary) -> String {
    let mut text = String::new();
    // Writing into memory does not fail.
    let _ = write(summary, &mut text);
    text
}

fn write(summary: &Summary, out: &mut String) -> fmt::Result {
    let connections = &summary.connections;
    writeln!(out, "{} of {} at {}", summary.mode.as_str(), summary.setup.target, summary.setup.server)?;
    if let Some(partial) = &summary.partial {
        writeln!(out, "PARTIAL: {partial}")?;
    }
    writeln!(
        out,
        "connections  {} of {} opened, {} failed, {} ended early, {:.0}/s",
        connections.opened,
        connections.attempts,
        connections.failed,
        connections.closed_early_count(),
        connections.rate
    )?;
    for failure in &connections.failures {
        let status = failure.status.map_or_else(String::new, |status| format!(" {status}"));
        writeln!(out, "  failed {}×: {}{status}: {}", failure.count, failure.step, failure.reason)?;
    }
    for close in &connections.closed_early {
        let code = close.code.map_or_else(|| "no code".to_owned(), |code| code.to_string());
        writeln!(out, "  ended {}×: {code}: {}", close.count, close.reason)?;
    }
    timing(out, "connect", &summary.connect_time.total)?;
    if let Some(publish) = &summary.publish {
        let (sent, intended) = (publish.sent, publish.intended);
        writeln!(
            out,
            "published    {sent} of {intended} events, {} failed, {:.0}/s",
            publish.failed, publish.rate
        )?;
        timing(out, "send lag", &publish.send_lag)?;
    }
    for one in &summary.cohorts {
        cohort(out, one)?;
    }
    if let Some(trip) = &summary.round_trip {
        writeln!(out, "round trips  {} of {} answered", trip.received, trip.sent)?;
        timing(out, "round trip", &trip.time)?;
    }
    if let Some(reconnect) = &summary.reconnect {
        let all = reconnect.all_back_seconds.map_or_else(|| "never".into(), |s| format!("after {s:.3} s"));
        writeln!(out, "reconnect    {} of {} came back, the last {all}", reconnect.back, reconnect.cut)?;
        timing(out, "reconnect", &reconnect.time)?;
    }
    cost(summary, out)?;
    verdict(summary, out)
}

fn cohort(out: &mut String, cohort: &Cohort) -> fmt::Result {
    writeln!(
        out,
        "{:<12} {} connections: {} expected, {} received, {} lost, {} conflated, {} duplicated, {} reordered, {} misrouted",
        cohort.name,
        cohort.connections,
        cohort.expected,
        cohort.received,
        cohort.lost,
        cohort.conflated,
        cohort.duplicated,
        cohort.reordered,
        cohort.misrouted
    )?;
    timing(out, "delivery", &cohort.delivery)
}

fn timing(out: &mut String, name: &str, timing: &Timing) -> fmt::Result {
    if timing.is_empty() {
        return Ok(());
    }
    let at = |percent| float(timing.micros_at(percent)) / 1e3;
    let max = float(timing.max_micros()) / 1e3;
    let (p50, p90, p99, p999) = (at(50.0), at(90.0), at(99.0), at(99.9));
    writeln!(out, "  {name:<10} p50 {p50:.3}  p90 {p90:.3}  p99 {p99:.3}  p99.9 {p999:.3}  max {max:.3} ms")
}

fn cost(summary: &Summary, out: &mut String) -> fmt::Result {
    if let Some(server) = &summary.server {
        let each = server.rss_per_connection_bytes / 1e3;
        writeln!(out, "server       {each:.1} KB a connection, {:.0} % of a core", server.cpu_share * 100.0)?;
    }
    let client = &summary.client;
    let event = client
        .cpu_per_event_micros
        .map_or_else(String::new, |micros| format!(", {micros:.2} µs CPU an event"));
    let each = client.rss_per_connection_bytes / 1e3;
    writeln!(
        out,
        "client       {each:.1} KB a connection, {:.0} % of a core{event}",
        client.cpu_share * 100.0
    )
}

fn verdict(summary: &Summary, out: &mut String) -> fmt::Result {
    if let Some(find) = &summary.find {
        for probe in &find.probes {
            let result = if probe.passed { "kept" } else { "broken" };
            let values: Vec<String> =
                probe.assertions.iter().map(|a| format!("{} is {}", a.text, a.value)).collect();
            writeln!(out, "tried {:>8}: {result} ({})", probe.load, values.join(", "))?;
        }
        let found = find.found.map_or_else(|| "none".to_owned(), |found| found.to_string());
        let confirmed = if find.confirmed { "confirmed" } else { "not confirmed" };
        writeln!(out, "found {} {found} within {} ({confirmed})", find.of, find.within)?;
    }
    for assertion in &summary.verdict.assertions {
        let word = if assertion.passed { "passed" } else { "FAILED" };
        writeln!(out, "{word}       {} (it is {})", assertion.text, assertion.value)?;
    }
    for why in &summary.client.bound {
        writeln!(out, "CLIENT-BOUND {why}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_went_wrong_is_there() {
        let mut summary = Summary::example();
        summary.client.bound = vec!["it was slow".into()];
        let text = brief(&summary);
        for part in
            ["failed 10×: upgrade 503", "1013: slow consumer", "FAILED       lost==0", "CLIENT-BOUND it was"]
        {
            assert!(text.contains(part), "{part} is missing in\n{text}");
        }
    }
}
