//! Channels and rooms over one socket of a real relay.

use rustix::process::Signal;

use super::{json, publish, untimed};
use crate::support::{PATIENCE, Process, Pty, Relay, rows, until};

const TARGETS: [&str; 3] = ["channel:campaigns", "channel:scrapers", "room:lead:4"];

/// Attaches to all of [`TARGETS`] and waits until each of them is subscribed to.
fn attach(relay: &Relay, args: &[&str]) -> Process {
    let watching = relay.spawn(&[&["attach"], &TARGETS[..], args].concat());
    subscribed(relay);
    watching
}

fn subscribed(relay: &Relay) {
    let rooms = |relay: &Relay| relay.stats().to_string().contains("\"lead:4\"");
    until(PATIENCE, "the room", || rooms(relay));
}

#[test]
fn one_socket_brings_each_event_once_until_it_is_interrupted() {
    let relay = Relay::start(&[]);
    let watching = attach(&relay, &["--progress", "json"]);
    assert_eq!(relay.stats()["total_connections"], 1);
    publish(
        &relay,
        "channels",
        "campaign:launched",
        &["campaign_id=1", "campaign_name=Spring", "total_recipients=4"],
    );
    publish(&relay, "channels", "lead:created", &["lead_id=5"]);
    publish(&relay, "channels", "lead:created", &["lead_id=4"]);
    publish(&relay, "channels", "scraper:failed", &["scraper_id=s", "error=blocked"]);
    watching.until_printed("scraper:failed");
    watching.signal(Signal::INT);
    let output = watching.finish(PATIENCE);
    assert_eq!((output.code, output.stderr.as_str()), (130, ""));
    let lines = json(&output.stdout);
    assert!(lines.iter().all(|line| line["target"] == TARGETS.join(" ").as_str()));
    let resources: Vec<_> = lines.iter().filter_map(|line| line["resource"].as_str()).collect();
    assert_eq!(resources, ["campaign:1", "lead:4", "scraper:s"]);
}

#[test]
fn a_relay_that_comes_back_is_subscribed_to_again() {
    let relay = Relay::start(&[]);
    let watching = attach(&relay, &["--progress", "plain", "--events", "lead:created,scraper:progress"]);
    publish(&relay, "channels", "lead:created", &["lead_id=4", "lead_name=Ada Lovelace"]);
    watching.until_printed("Ada");
    let address = relay.address().to_owned();
    relay.kill();
    watching.until_printed("nothing listens at");
    let relay = Relay::listening_on(&address, &[]);
    subscribed(&relay);
    publish(&relay, "channels", "campaign:paused", &["campaign_id=1"]);
    let fields = ["scraper_id=s", "source=maps", "current=1", "total=4"];
    publish(&relay, "channels", "scraper:progress", &fields);
    publish(&relay, "channels", "lead:created", &["lead_id=4", "lead_name=Grace"]);
    watching.until_printed("Grace");
    watching.signal(Signal::TERM);
    let output = watching.finish(PATIENCE);
    assert_eq!(output.code, 143);
    let lines = untimed(&output.stdout);
    let events: Vec<_> = lines.into_iter().filter(|line| !line.starts_with("channel:")).collect();
    let expected = [
        "lead:created lead:4 lead_name=\"Ada Lovelace\"",
        "scraper:progress scraper:s 25% · 1/4 · source=maps",
        "lead:created lead:4 lead_name=Grace",
    ];
    assert_eq!(events, expected);
}

#[test]
fn jobs_end_and_the_stream_goes_on_until_the_time_is_up() {
    let relay = Relay::start(&[]);
    publish(&relay, "scraping/1", "job_failed", &["message=captcha"]);
    let output = relay.jobwire(&["attach", "scraping/1", "channel:leads", "--timeout", "1s"]);
    assert_eq!(output.code, 8);
    assert!(output.stdout.contains(" scraping/1 failed captcha\n"), "{}", output.stdout);
    assert_eq!(output.stderr, "error: the time was up after 1 s; not ended: channel:leads\n");
}

#[test]
fn a_channel_that_is_none_names_the_nearest() {
    let output = crate::support::jobwire(&["attach", "channel:campaign"]);
    assert_eq!(output.code, 2);
    assert!(output.stderr.contains("did you mean 'campaigns'?"), "{}", output.stderr);
}

#[test]
fn a_terminal_has_bars_below_and_events_above() {
    let relay = Relay::start(&[]);
    let mut terminal = Pty::jobwire(24, 80, &[&["attach"], &TARGETS[..]].concat(), &relay.env());
    terminal.until_shown("waiting for events");
    subscribed(&relay);
    publish(&relay, "channels", "lead:created", &["lead_id=4", "lead_name=Ada"]);
    let fields = ["scraper_id=s", "source=maps", "current=1", "total=4"];
    publish(&relay, "channels", "scraper:progress", &fields);
    let shown = rows(&terminal.until_shown(" 25% "));
    assert_eq!(shown.len(), 3, "{shown:#?}");
    assert!(shown[0].ends_with(" lead:created         lead:4       lead_name=Ada"), "{shown:#?}");
    assert!(shown[1].contains(" scraper:s  25% ━━━"), "{shown:#?}");
    assert!(shown[2].starts_with("connected · "), "{shown:#?}");
    publish(&relay, "channels", "scraper:completed", &["scraper_id=s", "leads_found=9"]);
    let shown = rows(&terminal.until_shown("scraper:completed"));
    assert!(shown[1].contains(" scraper:completed    scraper:s    in 0:0"), "{shown:#?}");
    assert!(!shown.iter().any(|row| row.contains("25%")), "{shown:#?}");
    terminal.send("\u{3}");
    assert_eq!(terminal.finish(PATIENCE), 130);
    assert!(terminal.rows().last().unwrap().starts_with("3 events in 0:0"), "{:#?}", terminal.rows());
}
