//! Charts of a run: its percentiles, and its course second by second.

use std::fmt::Write as _;

use super::chart::{Chart, Curve, Scale, Stretch, time_ticks};
use super::text;
use crate::bench::numbers::{as_f64, whole};
use crate::bench::report::figures::{count, duration, micros};
use crate::bench::report::timings::{self, Named};
use crate::bench::summary::{Interval, Mode, Summary};

/// Most intervals that can be pointed at one by one.
const POINTED_AT: usize = 600;

/// Most lines in a chart: as many as there are colours.
const LINES: usize = 4;

/// Writes all charts. A run without anything to draw has none.
pub(super) fn all(out: &mut String, summary: &Summary) {
    percentiles(out, summary);
    if summary.intervals.len() > 1 {
        series(out, summary);
    }
}

fn percentiles(out: &mut String, summary: &Summary) {
    let main = timings::main(summary);
    let of_mode = |named: &Named<'_>| match summary.mode {
        Mode::Fanout | Mode::Storm => {
            named.name.starts_with("delivery") || named.name.starts_with("reconnect")
        }
        Mode::Echo => named.name == "round trip",
        Mode::Connect | Mode::Idle => true,
    };
    let mut drawn: Vec<Named<'_>> =
        timings::of_server(summary).into_iter().filter(of_mode).take(LINES).collect();
    if drawn.is_empty() && !main.timing.is_empty() {
        drawn.push(main);
    }
    let Some(most) = drawn.iter().map(|named| named.timing.count()).max() else { return };
    // As far as the durations reach: of 1,000 the last says something about 99.9 %.
    let last = as_f64(most).log10().clamp(1.0, 5.0);
    let ticks = [0.0, 50.0, 90.0, 99.0, 99.9, 99.99, 99.999];
    let ticks = ticks.map(|percent| (nines(percent), format!("{percent} %")));
    let title = match summary.mode {
        Mode::Fanout | Mode::Storm => "Delivery latency by percentile",
        Mode::Echo => "Round trip by percentile",
        Mode::Connect | Mode::Idle => "Connect time by percentile",
    };
    let chart = Chart {
        height: 330.0,
        scale: Scale::Log,
        span: (0.0, last),
        ticks: ticks.into_iter().filter(|(at, _)| *at <= last + 1e-9).collect(),
        lines: drawn.iter().map(|named| curve(named, last)).collect(),
        shaded: Vec::new(),
        hovers: Vec::new(),
        label: duration,
    };
    section(out, title, &chart);
}

/// Number of nines of a percentile: 0 at 0 %, 1 at 90 %, 2 at 99 %.
fn nines(percent: f64) -> f64 {
    -(1.0 - percent / 100.0).log10()
}

/// A timing at even distances of the axis, no further than it has durations.
fn curve(named: &Named<'_>, last: f64) -> Curve {
    let own_last = as_f64(named.timing.count()).log10().min(last);
    let points = (0..=200_u32).map(|step| own_last * f64::from(step) / 200.0).map(|at| {
        let percent = 100.0 * (1.0 - 10_f64.powf(-at));
        (at, Some(as_f64(named.timing.micros_at(percent))))
    });
    let name = if named.part { format!("{} (part of it)", named.name) } else { named.name.clone() };
    Curve { name, points: points.collect() }
}

fn series(out: &mut String, summary: &Summary) {
    let intervals = &summary.intervals;
    let end = intervals.last().map_or(0.0, |last| last.at_seconds + last.length_seconds);
    let kind = timings::of_intervals(summary.mode);
    let draw = |lines: Vec<Curve>, scale: Scale, label: fn(f64) -> String| Chart {
        height: 210.0,
        scale,
        span: (0.0, end),
        ticks: time_ticks(end),
        lines,
        shaded: warm_up(intervals),
        hovers: if intervals.len() > POINTED_AT { Vec::new() } else { hovers(intervals, kind) },
        label,
    };
    let line = |name: &str, value: fn(&Interval) -> Option<f64>| Curve {
        name: name.to_owned(),
        points: intervals.iter().map(|one| (one.at_seconds + one.length_seconds / 2.0, value(one))).collect(),
    };
    let number: fn(f64) -> String = |value| count(whole(value));
    let timed = vec![
        line("median", |one| one.p50_micros.map(as_f64)),
        line("99 %", |one| one.p99_micros.map(as_f64)),
        line("longest", |one| one.max_micros.map(as_f64)),
    ];
    if intervals.iter().any(|one| one.p50_micros.is_some()) {
        let title = format!("{} over time", timings::heading(kind));
        section(out, &title, &draw(timed, Scale::Log, duration));
    }
    let received =
        if summary.mode == Mode::Echo { "answers a second" } else { "deliveries received a second" };
    if intervals.iter().any(|one| one.received > 0) {
        let events = vec![line(received, |one| a_second(one.received, one))];
        section(out, "Received over time", &draw(events, Scale::Linear, number));
    }
    // A chart of its own: an event is received by as many as watch its job.
    if intervals.iter().any(|one| one.published > 0) {
        let events = vec![line("events published a second", |one| a_second(one.published, one))];
        section(out, "Published over time", &draw(events, Scale::Linear, number));
    }
    let mut connections = vec![line("open connections", |one| Some(as_f64(one.connections)))];
    if intervals.iter().any(|one| one.errors > 0) {
        connections.push(line("errors a second", |one| a_second(one.errors, one)));
    }
    section(out, "Connections over time", &draw(connections, Scale::Linear, number));
}

fn a_second(number: u64, interval: &Interval) -> Option<f64> {
    (interval.length_seconds > 0.0).then(|| as_f64(number) / interval.length_seconds)
}

/// The warm-up as stretches, neighbours joined.
fn warm_up(intervals: &[Interval]) -> Vec<Stretch> {
    let mut found: Vec<Stretch> = Vec::new();
    for one in intervals.iter().filter(|one| one.warm_up) {
        let (from, to) = (one.at_seconds, one.at_seconds + one.length_seconds);
        match found.last_mut() {
            Some(last) if (last.to - from).abs() < 0.01 => last.to = to,
            _ => found.push(Stretch { from, to, title: "warm-up".to_owned() }),
        }
    }
    found
}

fn hovers(intervals: &[Interval], kind: &str) -> Vec<Stretch> {
    let hover = |one: &Interval| {
        let mut title = format!(
            "at {:.0} s{}\n{} connections open\n{} published, {} received, {} errors",
            one.at_seconds,
            match one {
                one if one.warm_up => " (warm-up)",
                one if one.draining => " (draining)",
                _ => "",
            },
            count(one.connections),
            count(one.published),
            count(one.received),
            count(one.errors)
        );
        if let (Some(p50), Some(p99), Some(max)) = (one.p50_micros, one.p99_micros, one.max_micros) {
            let _ = write!(
                title,
                "\n{kind}: median {}, 99 % {}, longest {}",
                micros(p50),
                micros(p99),
                micros(max)
            );
        }
        Stretch { from: one.at_seconds, to: one.at_seconds + one.length_seconds, title }
    };
    intervals.iter().map(hover).collect()
}

fn section(out: &mut String, title: &str, chart: &Chart) {
    let _ = writeln!(out, "<section><h2>{}</h2>{}</section>", text(title), chart.html(title));
}
