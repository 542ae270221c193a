//! The report as one page that needs nothing else: style and drawings are in it, it runs no script, and its policy
//! forbids it to load anything.

mod chart;
mod charts;

use std::fmt::Write as _;

use super::figures::{
    bytes, count, counted, micros, printable, rate, seconds, share, share_of, to_the_second,
};
use super::search;
use super::text::{sections, subscribed};
use super::timings::{self, SHOWN};
use crate::bench::numbers::as_f64;
use crate::bench::summary::Summary;

const STYLE: &str = include_str!("html/style.css");

/// The page.
pub fn html(summary: &Summary) -> String {
    let mut out = String::with_capacity(64 << 10);
    let mut title = format!("jobwire bench {}: {}", summary.mode.as_str(), printable(&summary.setup.target));
    if let Some(find) = &summary.find {
        title = format!("{}: {title}", search::found(find));
    }
    let title = escape(&title);
    let _ = write!(
        out,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; \
         img-src data:; base-uri 'none'; form-action 'none'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"referrer\" content=\"no-referrer\">\n<link rel=\"icon\" href=\"data:,\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n"
    );
    header(&mut out, summary);
    notices(&mut out, summary);
    tiles(&mut out, summary);
    assertions(&mut out, summary);
    charts::all(&mut out, summary);
    times(&mut out, summary);
    deliveries(&mut out, summary);
    trouble(&mut out, summary);
    searched(&mut out, summary);
    set_up(&mut out, summary);
    let _ = write!(
        out,
        "<footer>Made by jobwire {}. Delivery latency counts from the time an event was meant to be published.</footer>\n\
         </main>\n</body>\n</html>\n",
        text(&summary.setup.version)
    );
    out
}

/// A text as HTML shows it literally, in an attribute too.
fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c => safe.push(c),
        }
    }
    safe
}

/// A text from outside, on one line and literal.
fn text(text: &str) -> String {
    escape(&printable(text))
}

fn header(out: &mut String, summary: &Summary) {
    let setup = &summary.setup;
    let (word, _) = super::text::verdict_word(summary);
    let class = match word {
        "passed" | "found" => "good",
        "FAILED" | "NOT CLEAN" => "bad",
        "none" => "soft",
        _ => "warn",
    };
    let word = if word == "none" { "nothing demanded" } else { word };
    let answer = summary.find.as_ref().map(|find| format!("<h1>{}</h1>", text(&search::answer(find))));
    let level = if answer.is_some() { "h2" } else { "h1" };
    let _ = writeln!(
        out,
        "<header><div>{}<{level}>bench {} <span class=\"soft\">{}</span></{level}><div class=\"soft\">{} · {} · {}</div></div>\
         <div class=\"verdict {class}\">{}</div></header>",
        answer.unwrap_or_default(),
        summary.mode.as_str(),
        text(&setup.target),
        text(&setup.server),
        escape(&to_the_second(&setup.started)),
        seconds(setup.elapsed_seconds),
        escape(word)
    );
}

fn notices(out: &mut String, summary: &Summary) {
    if let Some(why) = summary.verdict.unclean.as_ref().filter(|_| summary.find.is_none()) {
        let _ = writeln!(out, "<section class=\"notice\"><b>Not a clean run:</b> {}</section>", text(why));
    }
    if let Some(reason) = &summary.partial {
        let _ = writeln!(out, "<section class=\"notice\"><b>Partial result:</b> {}</section>", text(reason));
    }
    if !summary.client.bound.is_empty() {
        let reasons: Vec<String> = summary.client.bound.iter().map(|reason| text(reason)).collect();
        let _ = writeln!(
            out,
            "<section class=\"notice\"><b>This client may have been the bottleneck:</b> {}</section>",
            reasons.join("; ")
        );
    }
}

fn tiles(out: &mut String, summary: &Summary) {
    let main = timings::main(summary);
    let mut tiles: Vec<(String, String)> = Vec::new();
    if !main.timing.is_empty() {
        for (name, percent) in [("median", 50.0), ("99 %", 99.0), ("99.9 %", 99.9)] {
            tiles.push((micros(main.timing.micros_at(percent)), format!("{}, {name}", main.name)));
        }
    }
    if !summary.cohorts.is_empty() {
        let sum = |of: fn(&crate::bench::summary::Cohort) -> u64| summary.cohorts.iter().map(of).sum::<u64>();
        let (received, lost, expected) = (sum(|c| c.received), sum(|c| c.lost), sum(|c| c.expected));
        tiles.push((count(received), "deliveries received".to_owned()));
        let of =
            share_of(lost, expected).map_or_else(|| "lost".to_owned(), |share| format!("lost ({share})"));
        tiles.push((count(lost), of));
    }
    if let Some(publish) = &summary.publish {
        tiles.push((rate(publish.rate), format!("events, {} intended", rate(publish.intended_rate))));
    }
    if let Some(all) = summary.reconnect.as_ref().and_then(|reconnect| reconnect.all_back_seconds) {
        tiles.push((seconds(all), "until all were back".to_owned()));
    }
    let connections = &summary.connections;
    let of = match connections.attempts {
        attempts if attempts == connections.wanted || attempts == 0 => count(connections.wanted),
        attempts => counted(attempts, "attempt"),
    };
    tiles.push((count(connections.opened), format!("connections opened of {of}")));
    out.push_str("<div class=\"tiles\">");
    for (figure, name) in tiles {
        let _ = write!(out, "<div class=\"tile\"><b>{figure}</b><span>{}</span></div>", text(&name));
    }
    out.push_str("</div>\n");
}

fn assertions(out: &mut String, summary: &Summary) {
    if summary.verdict.assertions.is_empty() {
        return;
    }
    out.push_str("<section><h2>Demands</h2><ul>");
    for assertion in &summary.verdict.assertions {
        let (class, mark) = if assertion.passed { ("good", "✓") } else { ("bad", "✗") };
        let _ = write!(
            out,
            "<li><b class=\"{class}\">{mark}</b> {} <span class=\"soft\">was {}</span></li>",
            text(&assertion.text),
            text(&assertion.value)
        );
    }
    out.push_str("</ul></section>\n");
}

fn times(out: &mut String, summary: &Summary) {
    let all: Vec<_> = timings::of_server(summary).into_iter().chain(timings::of_client(summary)).collect();
    if all.is_empty() {
        return;
    }
    let head = ["", "count", "min"].into_iter().chain(SHOWN.map(|(name, _)| name)).chain(["max"]);
    let rows = all.iter().map(|named| {
        let timing = named.timing;
        let figures = SHOWN.iter().map(|(_, percent)| micros(timing.micros_at(*percent)));
        let first = [count(timing.count()), micros(timing.min_micros())];
        let figures = first.into_iter().chain(figures).chain([micros(timing.max_micros())]).collect();
        (named.name.clone(), named.part, figures)
    });
    table(out, "Times", head, rows);
}

fn deliveries(out: &mut String, summary: &Summary) {
    let Some(first) = summary.cohorts.first() else { return };
    let head = [""].into_iter().chain(first.counts().map(|(name, _)| name));
    let rows = summary.cohorts.iter().map(|cohort| {
        let counts = cohort.counts().map(|(_, number)| count(number));
        (cohort.name.clone(), false, counts.to_vec())
    });
    table(out, "Deliveries", head, rows);
}

/// What failed, and how often.
fn trouble(out: &mut String, summary: &Summary) {
    let rows: Vec<_> = sections::trouble(summary)
        .into_iter()
        .map(|(times, what)| (what, false, vec![count(times)]))
        .collect();
    if !rows.is_empty() {
        table(out, "What went wrong", ["", "times"], rows);
    }
}

fn searched(out: &mut String, summary: &Summary) {
    let Some(find) = &summary.find else { return };
    let rows = search::rows(find)
        .map(|[load, lasted, kept, values]| (load, false, vec![lasted, kept, text(&values)]));
    let title = format!("{}; {}", search::searched(find), search::found(find));
    table(out, &title, search::head(summary.mode), rows);
    if let Some(further) = search::further(find) {
        let _ = writeln!(out, "<section class=\"notice\">{}</section>", text(&further));
    }
}

fn set_up(out: &mut String, summary: &Summary) {
    let setup = &summary.setup;
    let machine = &setup.machine;
    let client = &summary.client;
    let ports = machine.client_ports.map(|(first, last)| format!("{first} to {last}"));
    let mut facts: Vec<(String, String)> = setup
        .options
        .iter()
        .filter(|(name, _)| *name != "mode")
        .map(|(name, value)| (format!("--{name}"), value.clone()))
        .collect();
    let mut add = |name: &str, value: String| facts.push((name.to_owned(), value));
    add("published into", setup.publisher.clone().unwrap_or_else(|| "nothing".to_owned()));
    add("system", machine.system.clone());
    add(
        "processor",
        format!("{}, {} for this process", machine.processor, counted(machine.cores.into(), "core")),
    );
    add("memory", bytes(as_f64(machine.memory_bytes)));
    add("descriptors", count(machine.descriptors));
    add("ports for clients", ports.unwrap_or_else(|| "unknown".to_owned()));
    add("somaxconn", machine.somaxconn.map_or_else(|| "unknown".to_owned(), count));
    if let Some(subscribing) = &summary.subscribing {
        let mut subscribed = subscribed::facts(subscribing, summary.connections.received_bytes);
        subscribed.extend(subscribed::gaps(subscribing));
        add("subscribed", subscribed.join(", "));
    }
    let cpu = format!(
        "{} of a core, busiest thread {}",
        share(client.cpu_share),
        share(client.busiest_thread_share)
    );
    add("this client's CPU", cpu);
    let memory = format!(
        "{}, {} a connection",
        bytes(as_f64(client.rss_bytes)),
        bytes(client.rss_per_connection_bytes)
    );
    add("this client's memory", memory);
    if let Some(server) = &summary.server {
        add("the server's CPU", format!("{} of a core", share(server.cpu_share)));
        add(
            "the server's memory",
            format!("{}, {}", bytes(as_f64(server.rss_bytes)), sections::grown(server)),
        );
    }
    for worker in &summary.workers {
        let state = if worker.lost { ", LOST" } else { "" };
        let clock = micros(worker.clock_error_micros);
        add(
            "worker",
            format!("{}: {} connections, clock ±{clock}{state}", worker.name, count(worker.connections)),
        );
    }
    out.push_str("<section><h2>Set-up</h2><table class=\"facts\">");
    for (name, value) in facts.iter().filter(|(_, value)| !value.is_empty()) {
        let _ = write!(out, "<tr><td>{}</td><td>{}</td></tr>", text(name), text(value));
    }
    out.push_str("</table></section>\n");
}

/// A table whose first column is a name and a note whether it is a part of the row above; figures are already safe.
fn table<'a>(
    out: &mut String,
    title: &str,
    head: impl IntoIterator<Item = &'a str>,
    rows: impl IntoIterator<Item = (String, bool, Vec<String>)>,
) {
    let _ = write!(out, "<section><h2>{}</h2><div class=\"scroll\"><table><tr>", text(title));
    for name in head {
        let _ = write!(out, "<th>{name}</th>");
    }
    out.push_str("</tr>");
    for (name, part, figures) in rows {
        let class = if part { " class=\"part\"" } else { "" };
        let _ = write!(out, "<tr><td{class}>{}</td>", text(&name));
        for figure in figures {
            let _ = write!(out, "<td>{}</td>", figure.replace('<', "&lt;"));
        }
        out.push_str("</tr>");
    }
    out.push_str("</table></div></section>\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::summary::{Ceiling, CeilingOf, Find, Mode, Probe};

    #[test]
    fn a_page_holds_everything_and_asks_for_nothing() {
        let page = html(&Summary::example());
        for part in [
            "<title>jobwire bench fanout: scraping/1..50</title>",
            "<div class=\"verdict bad\">FAILED</div>",
            "<b>5.25 ms</b><span>delivery latency, healthy, 99 %</span>",
            "delivery.p99&lt;50ms <span class=\"soft\">was 5.25ms</span>",
            "<td>delivery latency, slow</td><td>900</td>",
            "connection failed at upgrade, HTTP 503: too many connections</td><td>10</td>",
            "<td>--connections</td><td>5000</td>",
            "aria-label=\"Delivery latency by percentile\"",
            ">99.99 %</text>",
        ] {
            assert!(page.contains(part), "{part} is not in the page");
        }
        assert_eq!(page.matches("<svg").count(), 5);
        for asking in ["http:", "https:", "//", "src=", "url(", "@import", "<script", "NaN", "inf"] {
            let found = page.find(asking).map(|at| &page[at.saturating_sub(40)..(at + 40).min(page.len())]);
            let words = found.filter(|text| !text.contains("information"));
            assert_eq!(words, None, "{asking}");
        }
        if let Some(path) = std::env::var_os("JOBWIRE_TEST_PAGE") {
            std::fs::write(path, page).unwrap();
        }
    }

    #[test]
    fn a_run_in_which_nothing_happened_has_a_page_too() {
        for mode in [Mode::Fanout, Mode::Connect, Mode::Idle, Mode::Echo, Mode::Storm] {
            let page = html(&Summary::empty(mode));
            assert!(page.contains("nothing demanded") && !page.contains("<svg"), "{page}");
            assert!(!page.contains("NaN") && page.ends_with("</html>\n"));
        }
    }

    #[test]
    fn a_search_is_on_the_page_with_what_its_answer_is_worth() {
        let mut summary = Summary::example();
        let probe = Probe { load: 172, seconds: 1.0, interrupted: true, ..Probe::default() };
        summary.find = Some(Find {
            of: "connections".into(),
            within: "lost==0".into(),
            probes: vec![probe],
            found: Some(172),
            ceiling: Some(Ceiling {
                load: 172,
                of: CeilingOf::Descriptors,
                hint: Some("raise <them>".into()),
            }),
            ..Find::default()
        });
        let page = html(&summary);
        assert!(!page.contains("nothing demanded"), "its limits were demanded: {page}");
        for part in [
            "<title>found: at least 172 connections",
            "<h1>found: at least 172 connections",
            "found: at least 172 connections: this client can hold no more (its descriptors)",
            "<td>172</td><td>1 s</td><td>interrupted</td>",
            "to go further, raise &lt;them&gt;",
        ] {
            assert!(page.contains(part), "{part} is not in the page");
        }
        summary.find.as_mut().unwrap().interrupted = true;
        let page = html(&summary);
        assert!(page.contains("<div class=\"verdict warn\">none, interrupted</div>"));
    }

    #[test]
    fn a_server_cannot_write_the_page() {
        let mut summary = Summary::example();
        summary.connections.failures[0].reason = "</td><script>alert('x')</script>".into();
        summary.partial = Some("<img src=x>".into());
        summary.cohorts[1].name = "\"><b>".into();
        let page = html(&summary);
        assert!(!page.contains("<script") && !page.contains("<img") && !page.contains("\"><b>\"><b>"));
        assert!(page.contains("&lt;script&gt;alert(&#39;x&#39;)"));
    }
}
