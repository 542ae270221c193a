//! The report as Markdown, to paste into an issue or a pull request.

use std::fmt::Write as _;

use super::figures::{count, micros, printable, seconds, to_the_second};
use super::table::{Table, escape};
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
    let mut out = format!("### jobwire bench {}: {}\n\n", summary.mode.as_str(), text(&setup.target));
    let machine = &setup.machine;
    let _ = writeln!(
        out,
        "{}, {}, on {} ({}, {} cores)\n",
        escape(&to_the_second(&setup.started)),
        seconds(setup.elapsed_seconds),
        text(&machine.system),
        text(&machine.processor),
        machine.cores
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
        "Connections: {} of {} opened, {} failed, {} ended early\n",
        count(connections.opened),
        count(connections.wanted),
        count(connections.failed),
        count(connections.closed_early_count())
    );
    tables(&mut out, summary);
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
    if !summary.cohorts.is_empty() {
        let head = ["deliveries", "expected", "received", "lost", "conflated", "duplicated", "reordered"];
        let mut table = Table::new(head);
        for cohort in &summary.cohorts {
            let counts = [
                cohort.expected,
                cohort.received,
                cohort.lost,
                cohort.conflated,
                cohort.duplicated,
                cohort.reordered,
            ];
            table.row(std::iter::once(printable(&cohort.name)).chain(counts.map(count)));
        }
        let _ = writeln!(out, "{}", table.markdown());
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
    use crate::bench::summary::Mode;

    #[test]
    fn a_run_is_pasted_into_an_issue() {
        let text = markdown(&Summary::example());
        for part in [
            "### jobwire bench fanout: scraping/1..50\n",
            "| delivery latency, healthy | 50,000 | 2.8 ms | 4.05 ms | 4.8 ms | 5.05 ms | 5.25 ms | 5.29 ms | 5.3 ms | 5.3 ms |",
            "| slow | 2,103 | 900 | 3 | 1,200 | 0 | 0 |",
            "Verdict: **FAILED**\n\n- delivery.p99&lt;50ms: held, was 5.25ms\n- lost==0: **broken**, was 3\n",
        ] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
        let empty = markdown(&Summary::empty(Mode::Idle));
        assert!(!empty.contains("timing") && empty.contains("Verdict: **none**"), "{empty}");
    }
}
