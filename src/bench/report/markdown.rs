//! The report as Markdown, to paste into an issue or a pull request.

use std::fmt::Write as _;

use super::figures::{count, counted, micros, printable, seconds, to_the_second};
use super::search;
use super::table::{Table, escape};
use super::text::{sections, subscribed};
use super::timings::{self, SHOWN};
use crate::bench::summary::Summary;

/// The set-up in a line, a table of timings, one of deliveries, and the verdict.
pub fn markdown(summary: &Summary) -> String {
    let setup = &summary.setup;
    let options: Vec<String> = setup
        .options
        .iter()
        .filter(|(name, _)| *name != "mode")
        .map(|(name, value)| format!("{} {}", text(name), text(value)))
        .collect();
    let title = format!("jobwire bench {}: {}", summary.mode.as_str(), text(&setup.target));
    let mut out = match (&summary.find, &summary.verdict.unclean) {
        (Some(find), _) => format!("### {}\n\n{title}\n\n", text(&search::answer(find))),
        (None, Some(why)) => format!("### Not a clean run: {}\n\n{title}\n\n", text(why)),
        (None, None) => format!("### {title}\n\n"),
    };
    let machine = &setup.machine;
    let _ = writeln!(
        out,
        "{}, {}, on {} ({}, {})\n",
        escape(&to_the_second(&setup.started)),
        seconds(setup.elapsed_seconds),
        text(&machine.system),
        text(&machine.processor),
        counted(machine.cores.into(), "core")
    );
    if !options.is_empty() {
        let _ = writeln!(out, "Options: {}\n", options.join(", "));
    }
    if let Some(reason) = &summary.partial {
        let _ = writeln!(out, "**Partial result: {}**\n", text(reason));
    }
    let connections = &summary.connections;
    let _ = writeln!(
        out,
        "Connections: {}, {} failed, {} ended early\n",
        sections::opened(connections),
        count(connections.failed),
        count(connections.closed_early_count())
    );
    if let Some(subscribing) = &summary.subscribing {
        let mut facts = subscribed::facts(subscribing, connections.received_bytes);
        facts.extend(subscribed::gaps(subscribing));
        let _ = writeln!(out, "Subscribed: {}\n", escape(&facts.join(", ")));
    }
    tables(&mut out, summary);
    costs(&mut out, summary);
    searched(&mut out, summary);
    verdict(&mut out, summary);
    out
}

/// Literally, on one line.
fn text(text: &str) -> String {
    escape(&printable(text))
}

fn tables(out: &mut String, summary: &Summary) {
    let mut times =
        Table::new(["timing", "count"].into_iter().chain(SHOWN.map(|(name, _)| name)).chain(["max"]));
    let kinds = timings::of_server(summary);
    for named in &kinds {
        let name = if named.part { format!("connect time: {}", named.name) } else { named.name.clone() };
        let percentiles = SHOWN.iter().map(|(_, percent)| micros(named.timing.micros_at(*percent)));
        let cells = [printable(&name), count(named.timing.count())];
        times.row(cells.into_iter().chain(percentiles).chain([micros(named.timing.max_micros())]));
    }
    if !kinds.is_empty() {
        let _ = writeln!(out, "{}", times.markdown());
    }
    if let Some(first) = summary.cohorts.first() {
        let mut table = Table::new(["deliveries"].into_iter().chain(first.counts().map(|(name, _)| name)));
        for cohort in &summary.cohorts {
            let counts = cohort.counts().map(|(_, number)| count(number));
            table.row(std::iter::once(printable(&cohort.name)).chain(counts));
        }
        let _ = writeln!(out, "{}", table.markdown());
    }
    let trouble = sections::trouble(summary);
    if !trouble.is_empty() {
        let mut table = Table::new(["what went wrong", "times"]);
        for (times, what) in trouble {
            table.row([what, count(times)]);
        }
        let _ = writeln!(out, "{}", table.markdown());
    }
}

/// What is a line each: round trips, reconnections, and what the run cost.
fn costs(out: &mut String, summary: &Summary) {
    let mut line = |what: &str, facts: &[String]| {
        let _ = writeln!(out, "{what}: {}\n", escape(&facts.join(", ")));
    };
    if let Some(trip) = &summary.round_trip {
        let counts = [("sent", trip.sent), ("answered", trip.received), ("lost", trip.lost)];
        let facts = counts.map(|(what, number)| format!("{what} {}", count(number)));
        line(&format!("Round trips by {}", text(&trip.by)), &facts);
    }
    if let Some(reconnect) = &summary.reconnect {
        line("Reconnections", &sections::reconnections(reconnect));
    }
    if let Some(server) = &summary.server {
        line("Server", &sections::server_facts(server, summary.connections.peak));
    }
    line("This client", &sections::client_facts(&summary.client, summary.connections.peak));
    if !summary.workers.is_empty() {
        let lost = summary.workers.iter().filter(|worker| worker.lost).count() as u64;
        line("Workers", &[count(summary.workers.len() as u64), format!("lost {}", count(lost))]);
    }
}

fn searched(out: &mut String, summary: &Summary) {
    let Some(find) = &summary.find else { return };
    let _ = writeln!(out, "{}; {}\n", text(&search::searched(find)), escape(&search::found(find)));
    if let Some(further) = search::further(find) {
        let _ = writeln!(out, "{}\n", escape(&further));
    }
}

fn verdict(out: &mut String, summary: &Summary) {
    let (word, _) = super::text::verdict_word(summary);
    let _ = writeln!(out, "Verdict: **{word}**");
    for (at, assertion) in summary.verdict.assertions.iter().enumerate() {
        let gap = if at == 0 { "\n" } else { "" };
        let mark = if assertion.passed { "held" } else { "**broken**" };
        let _ = writeln!(out, "{gap}- {}: {mark}, was {}", text(&assertion.text), text(&assertion.value));
    }
    for reason in &summary.client.bound {
        let _ = writeln!(out, "\nThis client may have been the bottleneck: {}", text(reason));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::summary::{Ceiling, CeilingOf, Find, Mode, Reconnect};

    #[test]
    fn a_run_is_pasted_into_an_issue() {
        let text = markdown(&Summary::example());
        for part in [
            "### jobwire bench fanout: scraping/1..50\n",
            "| delivery latency, healthy | 50,000 | 2.8 ms | 4.05 ms | 4.8 ms | 5.05 ms | 5.25 ms | 5.29 ms | 5.3 ms | 5.3 ms |",
            "| slow | 250 | 2,103 | 900 | 3 | 1,200 | 0 | 0 | 0 |",
            "| connection failed at upgrade, HTTP 503: too many connections | 10 |\n",
            "\nThis client: CPU 40 % of a core, ",
            "Verdict: **FAILED**\n\n- delivery.p99&lt;50ms: held, was 5.25ms\n- lost==0: **broken**, was 3\n",
        ] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
        let mut found = Summary::example();
        found.find = Some(Find { of: "rate".into(), within: "lost==0".into(), ..Find::default() });
        found.reconnect = Some(Reconnect { cut: 5, back: 4, ..Reconnect::default() });
        found.verdict.passed = true;
        let text = markdown(&found);
        assert!(text.contains("\nReconnections: cut 5, back 4, 1 not back when the run ended\n"), "{text}");
        assert!(text.contains("within lost==0; found: none"), "{text}");
        assert!(text.contains("Verdict: **FAILED**"), "a search that found nothing: {text}");
        found.find = Some(Find {
            of: "connections".into(),
            found: Some(172),
            ceiling: Some(Ceiling { load: 172, of: CeilingOf::Descriptors, hint: Some("raise them".into()) }),
            ..Find::default()
        });
        let text = markdown(&found);
        assert!(text.contains("; found: at least 172 connections: this client can hold no more"), "{text}");
        assert!(text.contains("\nto go further, raise them\n"), "{text}");
        let empty = markdown(&Summary::empty(Mode::Idle));
        assert!(!empty.contains("timing") && empty.contains("Verdict: **none**"), "{empty}");
    }
}
