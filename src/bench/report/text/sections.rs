//! The parts of the text report that are words and counts.

use colored::Color;

use super::{Page, subscribed};
use crate::bench::numbers::as_f64;
use crate::bench::report::figures::{
    bytes, count, counted, duration, micros, printable, rate, seconds, share, share_of, to_the_second,
};
use crate::bench::report::search;
use crate::bench::report::table::Table;
use crate::bench::summary::{
    Client, CloseCount, Connections, FailureCount, Mode, Reconnect, Server, Summary, Verdict,
};

/// Reasons beyond these are counted together.
const REASONS: usize = 8;

/// What was run, on what, and whether it is the whole of it.
pub(super) fn head(page: &mut Page, summary: &Summary) {
    if let Some(find) = &summary.find {
        let (_, color) = word(summary);
        let answer = page.paint(&search::answer(find), color);
        page.write(format_args!("{answer}\n"));
    } else if let Some(why) = &summary.verdict.unclean {
        let text = page.paint(&format!("NOT A CLEAN RUN: {}", printable(why)), Color::Red);
        page.write(format_args!("{text}\n"));
    }
    let setup = &summary.setup;
    let machine = &setup.machine;
    let title = format!("jobwire bench {}", summary.mode.as_str());
    let title = page.paint(&title, Color::Cyan);
    let mut facts = vec![title];
    let places = [printable(&setup.target), printable(&setup.server)];
    facts.extend(places.into_iter().filter(|place| !place.is_empty()));
    page.write(format_args!("{}\n", facts.join(" · ")));

    let mut facts: Vec<String> = Vec::new();
    facts.extend((!setup.started.is_empty()).then(|| to_the_second(&setup.started)));
    facts.push(format!("took {}", seconds(setup.elapsed_seconds)));
    let option = |(name, value): (&String, &String)| format!("{} {}", printable(name), printable(value));
    facts.extend(setup.options.iter().filter(|(name, _)| *name != "mode").map(option));
    page.facts(&facts);

    let mut facts = Vec::new();
    let names = [printable(&machine.system), printable(&machine.processor)];
    facts.extend(names.into_iter().filter(|name| !name.is_empty()));
    facts.extend((machine.cores > 0).then(|| counted(machine.cores.into(), "core")));
    facts.extend((machine.memory_bytes > 0).then(|| bytes(as_f64(machine.memory_bytes))));
    facts.push(format!("jobwire {}", printable(&setup.version)));
    page.facts(&facts);
    if let Some(reason) = &summary.partial {
        let text = format!("PARTIAL RESULT: {}", printable(reason));
        let text = page.paint(&text, Color::Yellow);
        page.write(format_args!("\n{text}\n"));
    }
}

pub(super) fn connections(page: &mut Page, summary: &Summary) {
    let connections = &summary.connections;
    page.heading("Connections");
    let failed = match share_of(connections.failed, connections.attempts) {
        Some(share) if connections.failed > 0 => format!("failed {} ({share})", count(connections.failed)),
        _ => "failed 0".to_owned(),
    };
    let mut facts = vec![opened(connections)];
    facts.extend((connections.rate > 0.0).then(|| format!("at {}", rate(connections.rate))));
    facts.extend([
        failed,
        format!("peak {}", count(connections.peak)),
        format!("open at the end {}", count(connections.open_at_end)),
        format!("ended early {}", count(connections.closed_early_count())),
        format!("received {}", bytes(as_f64(connections.received_bytes))),
    ]);
    if connections.garbage > 0 {
        facts.push(page.paint(&format!("garbage {}", counted(connections.garbage, "frame")), Color::Red));
    }
    page.facts(&facts);
    if let Some(subscribing) = &summary.subscribing {
        page.facts(&subscribed::facts(subscribing, connections.received_bytes));
        if let Some(gaps) = subscribed::gaps(subscribing) {
            let gaps = page.paint(&gaps, Color::Red);
            page.line(&gaps);
        }
    }
    failures(page, &connections.failures);
    let closes = connections.closed_early.iter().map(|close| (close.count, close_text(close)));
    reasons(page, closes);
}

/// `opened 4,990 of 5,000`; where connections were opened again, of the attempts.
pub(in crate::bench::report) fn opened(connections: &Connections) -> String {
    let Connections { wanted, attempts, opened, .. } = connections;
    if attempts == wanted || *attempts == 0 {
        return format!("opened {} of {}", count(*opened), count(*wanted));
    }
    format!(
        "opened {} by {} for {}",
        count(*opened),
        counted(*attempts, "attempt"),
        counted(*wanted, "place")
    )
}

pub(super) fn publish(page: &mut Page, summary: &Summary) {
    let Some(publish) = &summary.publish else { return };
    page.heading("Events published");
    let place = summary.setup.publisher.as_deref().map(|place| format!(" at {}", printable(place)));
    let mut facts = vec![
        format!("intended {} at {}", count(publish.intended), rate(publish.intended_rate)),
        format!("sent {} at {}", count(publish.sent), rate(publish.rate)),
        format!("failed {}", count(publish.failed)),
        format!("through {}{}", printable(&publish.by), place.unwrap_or_default()),
    ];
    facts.extend((publish.outages > 0).then(|| {
        let times = if publish.outages == 1 { "once" } else { "several times" };
        format!("away {times}, for {}", seconds(publish.outage_seconds))
    }));
    facts.extend((publish.payload_bytes > 0.0).then(|| format!("{} each", bytes(publish.payload_bytes))));
    page.facts(&facts);
    failures(page, &publish.failures);
}

pub(super) fn deliveries(page: &mut Page, summary: &Summary) {
    let Some(first) = summary.cohorts.first() else { return };
    page.heading("Deliveries");
    let head = [""].into_iter().chain(first.counts().map(|(name, _)| name));
    let mut table = Table::new(head).optional(["connections", "expected"]);
    for cohort in &summary.cohorts {
        let counts = cohort.counts().map(|(_, number)| count(number));
        table.row(std::iter::once(printable(&cohort.name)).chain(counts));
    }
    page.table(&table);
    let lost: u64 = summary.cohorts.iter().map(|cohort| cohort.lost).sum();
    let expected: u64 = summary.cohorts.iter().map(|cohort| cohort.expected).sum();
    if let Some(share) = share_of(lost, expected).filter(|_| lost > 0) {
        let text = format!("{} of {} deliveries lost ({share})", count(lost), count(expected));
        let text = page.paint(&text, Color::Red);
        page.line(&text);
    }
}

/// Round trips and reconnections.
pub(super) fn others(page: &mut Page, summary: &Summary) {
    if let Some(trip) = &summary.round_trip {
        page.heading("Round trips");
        page.facts(&[
            format!("by {}", printable(&trip.by)),
            format!("sent {}", count(trip.sent)),
            format!("answered {}", count(trip.received)),
            format!("lost {}", count(trip.lost)),
        ]);
    }
    if let Some(reconnect) = &summary.reconnect {
        page.heading("Reconnections");
        page.facts(&reconnections(reconnect));
    }
}

/// What became of the connections that were cut.
pub(in crate::bench::report) fn reconnections(reconnect: &Reconnect) -> Vec<String> {
    let all = match reconnect.all_back_seconds {
        Some(after) => format!("the last after {}", seconds(after)),
        None if reconnect.away() == 0 => "none was cut".to_owned(),
        None => {
            format!("{} not back when the run ended", count(reconnect.away().saturating_sub(reconnect.back)))
        }
    };
    let mut facts = vec![format!("cut {}", count(reconnect.cut))];
    facts
        .extend((reconnect.dropped > 0).then(|| format!("ended by the server {}", count(reconnect.dropped))));
    facts.extend([format!("back {}", count(reconnect.back)), all]);
    facts.extend((reconnect.failed > 0).then(|| format!("{} attempts failed", count(reconnect.failed))));
    facts.extend((reconnect.resumed > 0).then(|| format!("{} from their cursor", count(reconnect.resumed))));
    if reconnect.unaccounted > 0 {
        let unaccounted = count(reconnect.unaccounted);
        facts.push(format!("{unaccounted} deliveries due meanwhile, or under way, not expected"));
    }
    facts
}

pub(super) fn server(page: &mut Page, summary: &Summary) {
    let Some(server) = &summary.server else { return };
    page.heading("Server");
    let pids: Vec<String> = server.pids.iter().map(u32::to_string).collect();
    let by = if pids.is_empty() {
        "by its own statistics".to_owned()
    } else {
        format!("process {}", pids.join(", "))
    };
    let mut facts = vec![by];
    facts.extend(server_facts(server, summary.connections.peak));
    page.facts(&facts);
}

/// With fewer connections than this, what a process needs once is most of what it needs for each.
const MANY: u64 = 100;

/// By how much the server grew for a connection.
pub(in crate::bench::report) fn grown(server: &Server) -> String {
    match server.rss_per_connection_bytes {
        grown if grown > 0.0 => format!("{} a connection", bytes(grown)),
        _ => "it had room from before; start it anew to measure that".to_owned(),
    }
}

/// What the server cost.
pub(in crate::bench::report) fn server_facts(server: &Server, connections: u64) -> Vec<String> {
    let (before, open) = (server.rss_before_bytes, server.rss_bytes);
    let mut facts = vec![format!("memory {} → {}", bytes(as_f64(before)), bytes(as_f64(open)))];
    if connections >= MANY || server.rss_per_connection_bytes <= 0.0 {
        facts.push(grown(server));
        facts.extend(server.pss_per_connection_bytes.map(|pss| format!("{} proportional", bytes(pss))));
    }
    facts.push(format!("CPU {} of a core", share(server.cpu_share)));
    facts.extend(server.cpu_per_delivery_micros.map(|cpu| format!("{} a delivery", duration(cpu))));
    facts
}

pub(super) fn client(page: &mut Page, summary: &Summary) {
    let client = &summary.client;
    page.heading("This client");
    page.facts(&client_facts(client, summary.connections.peak));
    let capped = summary.find.as_ref().is_some_and(|find| find.ceiling.is_some());
    if client.bound.is_empty() && !capped {
        page.line("it was not the bottleneck");
    }
    for reason in &client.bound {
        let text = format!("may be the bottleneck: {}", printable(reason));
        let text = page.paint(&text, Color::Yellow);
        page.line(&text);
    }
}

/// What this client cost.
pub(in crate::bench::report) fn client_facts(client: &Client, connections: u64) -> Vec<String> {
    let mut facts = vec![
        format!("CPU {} of a core", share(client.cpu_share)),
        format!("busiest thread {}", share(client.busiest_thread_share)),
    ];
    facts.extend(client.cpu_per_event_micros.map(|cpu| format!("{} an event", duration(cpu))));
    facts.push(format!("memory {}", bytes(as_f64(client.rss_bytes))));
    if connections >= MANY {
        facts.push(format!("{} a connection", bytes(client.rss_per_connection_bytes)));
    }
    facts.extend((client.redraw_share > 0.0).then(|| format!("display {}", share(client.redraw_share))));
    facts
}

pub(super) fn workers(page: &mut Page, summary: &Summary) {
    if summary.workers.is_empty() {
        return;
    }
    page.heading("Workers");
    let mut table = Table::new(["", "connections", "CPU", "memory", "clock off by", "known to", "state"]);
    for worker in &summary.workers {
        let error = format!("±{}", micros(worker.clock_error_micros));
        let offset = format!(
            "{}{}",
            if worker.clock_offset_micros < 0 { "−" } else { "" },
            micros(worker.clock_offset_micros.unsigned_abs())
        );
        let state = if worker.lost { "LOST" } else { "reported" };
        let cost = [share(worker.cpu_share), bytes(as_f64(worker.rss_bytes))];
        let [cpu, memory] = if worker.lost { ["–", "–"].map(str::to_owned) } else { cost };
        let name = printable(&worker.name);
        table.row([name, count(worker.connections), cpu, memory, offset, error, state.to_owned()]);
    }
    page.table(&table);
}

pub(super) fn find(page: &mut Page, summary: &Summary) {
    let Some(find) = &summary.find else { return };
    page.heading(&printable(&search::searched(find)));
    let head = search::head(summary.mode);
    let mut table = Table::new(head).optional([head[1]]);
    for row in search::rows(find) {
        table.row(row);
    }
    page.table(&table);
    let found: Vec<String> = search::found(find).split("; ").map(str::to_owned).collect();
    page.facts(&found);
    if let Some(further) = search::further(find) {
        page.line(&further);
    }
}

pub(super) fn verdict(page: &mut Page, summary: &Summary) {
    let verdict = &summary.verdict;
    let (word, color) = word(summary);
    let word = page.paint(word, color);
    page.heading(&format!("Verdict: {word}"));
    if let Some(why) = verdict.unclean.as_ref().filter(|_| summary.find.is_none()) {
        page.line(&format!("{}; --assert 'connect.failed<20%' would say how many may", printable(why)));
    }
    for assertion in &verdict.assertions {
        let (mark, color) = if assertion.passed { ("✓", Color::Green) } else { ("✗", Color::Red) };
        let mark = page.paint(mark, color);
        page.line(&format!("{mark} {}, was {}", printable(&assertion.text), printable(&assertion.value)));
    }
    if verdict.assertions.is_empty() && summary.find.is_none() {
        page.line(no_demands(summary.mode));
    }
    if verdict.client_bound {
        page.line(match summary.find.as_ref().and_then(|find| find.found) {
            Some(_) if verdict.client_bound_allowed => {
                "the server holds at least what was found: above it, this client may have been the bottleneck"
            }
            Some(_) => "the server holds at least what was found: above it, this client was the bottleneck",
            None => "this client was the bottleneck: the figures say nothing about the server",
        });
    }
}

/// The verdict in a word or two.
pub(super) fn word(summary: &Summary) -> (&'static str, Color) {
    match &summary.verdict {
        _ if summary.find.as_ref().is_some_and(|find| find.interrupted) => {
            ("none, interrupted", Color::Yellow)
        }
        Verdict { unclean: Some(_), .. } if summary.find.is_none() => ("NOT CLEAN", Color::Red),
        Verdict { client_bound: true, client_bound_allowed: false, .. } => {
            ("INVALID, client-bound", Color::Yellow)
        }
        Verdict { passed: false, .. } => ("FAILED", Color::Red),
        _ if summary.find.as_ref().is_some_and(|find| find.found.is_none()) => ("FAILED", Color::Red),
        Verdict { assertions, .. } if assertions.is_empty() && summary.find.is_some() => {
            ("found", Color::Green)
        }
        Verdict { assertions, .. } if assertions.is_empty() => ("none", Color::BrightBlack),
        _ if summary.partial.is_some() => ("passed, as far as it got", Color::Yellow),
        _ => ("passed", Color::Green),
    }
}

const fn no_demands(mode: Mode) -> &'static str {
    match mode {
        Mode::Fanout | Mode::Storm => {
            "nothing was demanded; --assert 'delivery.p99<50ms' --assert lost==0 would"
        }
        Mode::Echo => {
            "nothing was demanded; --assert 'round_trip.p99<50ms' --assert round_trip.lost==0 would"
        }
        Mode::Connect => "nothing was demanded; --assert connect.failed==0 would",
        Mode::Idle => "nothing was demanded; --assert connect.failed==0 --assert closed_early==0 would",
    }
}

/// Everything that went wrong and how often, the connections first.
pub(in crate::bench::report) fn trouble(summary: &Summary) -> Vec<(u64, String)> {
    let named = |what: &'static str, failures: &[FailureCount]| -> Vec<(u64, String)> {
        failures.iter().map(|failure| (failure.count, format!("{what} {}", failure_text(failure)))).collect()
    };
    let mut all = named("connection", &summary.connections.failures);
    all.extend(summary.publish.iter().flat_map(|publish| named("event", &publish.failures)));
    let closes = summary.connections.closed_early.iter();
    all.extend(closes.map(|close| (close.count, format!("connection {}", close_text(close)))));
    all
}

/// `ended early, close code 1013: slow consumer`.
fn close_text(close: &CloseCount) -> String {
    let code = close.code.map_or_else(|| "no close code".to_owned(), |code| format!("close code {code}"));
    with_reason(format!("ended early, {code}"), &close.reason)
}

fn failures(page: &mut Page, failures: &[FailureCount]) {
    reasons(page, failures.iter().map(|failure| (failure.count, failure_text(failure))));
}

/// `failed at upgrade, HTTP 503: too many connections`.
fn failure_text(failure: &FailureCount) -> String {
    let status = failure.status.map(|status| format!(", HTTP {status}")).unwrap_or_default();
    with_reason(format!("failed at {}{status}", printable(&failure.step)), &failure.reason)
}

fn with_reason(what: String, reason: &str) -> String {
    if reason.is_empty() { what } else { format!("{what}: {}", printable(reason)) }
}

/// The most frequent reasons, each on its line.
fn reasons(page: &mut Page, reasons: impl Iterator<Item = (u64, String)>) {
    let all: Vec<(u64, String)> = reasons.collect();
    let shown = &all[..all.len().min(REASONS)];
    let columns = shown.iter().map(|(number, _)| count(*number).len()).max().unwrap_or(0);
    for (number, text) in shown {
        let line = format!("{:>columns$} × {text}", count(*number));
        let line = page.paint(&line, Color::Red);
        page.line(&line);
    }
    let rest: u64 = all[shown.len()..].iter().map(|(number, _)| number).sum();
    if rest > 0 {
        page.line(&format!("{} × {} more reasons", count(rest), all.len() - shown.len()));
    }
}
