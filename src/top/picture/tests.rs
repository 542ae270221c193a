use std::time::Duration;

use jiff::tz::TimeZone;
use ratatui::buffer::Buffer;

use super::super::job::tests::page;
use super::super::options::TopOptions;
use super::super::run::paint;
use super::super::state::Wish;
use super::super::state::tests::{options, sample};
use super::*;
use crate::exit::{Exit, Failure};
use crate::lists::{JobQuery, JobRow};
use crate::screen::KeyPress;
use crate::screen::tests::job;

/// A state and what it is drawn with.
struct Bench {
    options: TopOptions,
    state: TopState,
    now: Timestamp,
    /// Time since the samples were taken.
    later: Duration,
}

impl Bench {
    fn new(samples: Vec<RelaySample>) -> Self {
        let options = options();
        let state = TopState::new(&options);
        let mut bench =
            Self { options, state, now: Timestamp::from_second(1_000_000).unwrap(), later: Duration::ZERO };
        for sample in samples {
            bench.take(sample);
        }
        bench
    }

    fn take(&mut self, sample: RelaySample) {
        let query = self.query();
        self.state.take(sample, &query, self.now);
    }

    fn query(&self) -> JobQuery {
        self.state.wanted().query
    }

    fn rows(&mut self, width: u16, height: u16) -> Vec<String> {
        let mut buffer = Buffer::empty(Rect::new(0, 0, width, height));
        let moment = Moment { now: self.now, instant: Instant::now() + self.later, zone: TimeZone::UTC };
        let mut canvas = Canvas::new(&mut buffer, self.options.abilities);
        paint(&mut canvas, &mut self.state, &self.options, &moment);
        canvas.rows()
    }
}

fn client(address: &str, waiting_bytes: u64) -> ClientRow {
    let (waiting_messages, waiting_ms) = (311, 4_100);
    ClientRow { address: address.into(), sockets: 12, slow: 2, waiting_bytes, waiting_messages, waiting_ms }
}

#[test]
fn the_first_rows_are_the_relay_and_the_last_ones_who_is_slow_and_the_keys() {
    let started = Timestamp::from_second(1_000_000 - 75).unwrap();
    let updated = Timestamp::from_second(1_000_000 - 25).unwrap();
    let row = JobRow {
        percent: Some(50.0),
        started: Some(started),
        updated: Some(updated),
        watchers: 1_203,
        message: Some("linking".into()),
        ..job("jobs/build-42")
    };
    let mut before = sample(vec![row]);
    before.stats.total_connections = 84;
    before.stats.events = Some(0);
    before.stats.deliveries = Some(0);
    before.stats.process.rss_bytes = Some(35_651_584);
    before.stats.broker = Some("embedded".into());
    before.clients = Clients::Known(ClientList { clients: vec![client("10.0.0.7", 183_422)], addresses: 12 });
    let mut after = before.clone();
    after.at += Duration::from_secs(2);
    (after.stats.events, after.stats.deliveries) = (Some(9), Some(24_060));
    let rows = Bench::new(vec![before, after]).rows(80, 12);
    assert_eq!(rows[0], "jobwire top · h:1 · 1 job: 1 running");
    assert_eq!(rows[1], "84 connections from 12 addresses · 4.5 events/s · 12,030 deliveries/s");
    assert_eq!(rows[2], "relay 34 MiB · broker embedded");
    assert_eq!(rows[4], "● jobs/build-42  50% ━━━━━─────    1:15    0:25 1,203 linking");
    assert_eq!(rows[9], "SLOW CLIENT, and what waits for it");
    assert_eq!(rows[10], "  10.0.0.7         2 of 12 sockets, 179 KiB in 311 messages, for 4.1 s");
    assert!(rows[11].starts_with("all 1 · by state ") && rows[11].contains("? help  q quit"), "{}", rows[11]);
}

#[test]
fn clients_that_find_no_room_are_counted_with_what_waits_for_them() {
    let mut many = sample(Vec::new());
    let clients = (0..9).map(|n| client(&format!("10.0.0.{n}"), 1_024 * 100)).collect();
    many.clients = Clients::Known(ClientList { clients, addresses: 9 });
    let rows = Bench::new(vec![many]).rows(80, 24);
    assert_eq!(rows[18], "9 SLOW CLIENTS, and what waits for them");
    assert_eq!(rows[22], "  6 more, 600 KiB waiting");
    assert_eq!(rows[4], "  no jobs yet; `jobwire demo` shows some");
}

#[test]
fn a_relay_that_is_away_is_said_to_be_with_what_was_known_and_an_old_one_is_told_once() {
    let mut old = sample(vec![job("jobs/a")]);
    (old.jobs.total, old.clients) = (None, Clients::Unknown);
    let mut bench = Bench::new(vec![old.clone()]);
    let rows = bench.rows(80, 12);
    assert_eq!(rows[3], "an old relay; unknown: totals, starts of jobs, slow clients");
    bench.state.press(KeyPress::Down);
    bench.take(old);
    assert!(bench.rows(80, 12).iter().all(|row| !row.contains("old relay")));
    let failure = || Failure::new(Exit::Unreachable, "nothing listens at h:1");
    let again = Instant::now() + Duration::from_millis(1_900);
    // Noticed ten seconds after the last answer.
    bench.now = Timestamp::from_second(1_000_010).unwrap();
    bench.state.lose(failure(), again, bench.now);
    bench.now = Timestamp::from_second(1_000_099).unwrap();
    bench.state.lose(failure(), again, bench.now);
    let rows = bench.rows(80, 12);
    assert_eq!(rows[3], "relay away since 13:46:40: nothing listens at h:1; again in 2 s");
    assert!(rows[5].starts_with("● jobs/a"), "{rows:#?}");
}

#[test]
fn a_relay_that_hangs_is_said_to_give_no_answer_and_its_rates_are_dropped() {
    let mut before = sample(Vec::new());
    (before.stats.events, before.stats.deliveries) = (Some(0), Some(0));
    let mut after = before.clone();
    after.at += Duration::from_secs(1);
    after.stats.events = Some(7);
    let mut soon = after.clone();
    soon.at += Duration::from_millis(100);
    let mut bench = Bench::new(vec![before, after]);
    assert!(bench.rows(80, 12)[1].contains(" · 7.0 events/s"));
    bench.take(soon);
    assert!(bench.rows(80, 12)[1].contains(" · 7.0 events/s"), "a tenth of a second is too short for rates");
    bench.later = Duration::from_millis(6_500);
    let rows = bench.rows(80, 12);
    assert!(rows[1].contains(" · rates unknown") && rows[3].starts_with("no answer for 5 s"), "{rows:#?}");
    bench.state.press(KeyPress::Char('p'));
    assert!(bench.rows(80, 12).iter().all(|row| !row.contains("no answer")), "nothing was asked");
}

#[test]
fn redis_that_is_away_is_said_since_when_and_why() {
    let mut away = sample(Vec::new());
    away.ready = Readiness::Not("no".into());
    away.stats.redis = Some(crate::lists::RedisFacts {
        error: Some("connection refused\u{1b}[2J".into()),
        ..Default::default()
    });
    let mut bench = Bench::new(vec![away.clone()]);
    bench.now = Timestamp::from_second(1_000_099).unwrap();
    bench.take(away);
    let rows = bench.rows(80, 12);
    assert_eq!(rows[2], "relay · redis away since 13:46:40: connection refused");
    assert!(rows.iter().all(|row| !row.contains("not ready")), "it is said once");
}

#[test]
fn every_screen_is_drawn_whole_whatever_its_size() {
    let jobs: Vec<JobRow> = (0..300)
        .map(|n| JobRow {
            percent: Some(f64::from(n) / 3.0),
            message: Some("日本\u{202e}語".repeat(40)),
            ..job(&format!("celery/{n:0>200}"))
        })
        .collect();
    let mut bench = Bench::new(vec![sample(jobs)]);
    for width in [1, 20, 39, 40, 41, 60, 79, 80, 81, 120, 200, 500] {
        for height in [1, 5, 9, 10, 11, 24, 50, 200] {
            let rows = bench.rows(width, height);
            assert_eq!(rows.len(), usize::from(height));
            let is_list = rows[0].starts_with("jobwire top");
            assert_eq!(is_list, width >= LEAST.0 && height >= LEAST.1, "{width}x{height}: {rows:#?}");
        }
    }
    assert_eq!(bench.state.press(KeyPress::Char('?')), Wish::Draw);
    assert!(bench.rows(80, 24).iter().any(|row| row.contains("order by watchers")));
}

#[test]
fn an_open_job_shows_what_fits_of_its_parts_and_events() {
    let mut events = vec![
        r#"{"job":"a","event":"progress","percent":45.5,"step":3,"total":7,"message":"linking"}"#.to_owned(),
    ];
    for n in 0..30 {
        events.push(format!(r#"{{"job":"a","event":"part_started","part":"module-{n}"}}"#));
        events.push(format!(r#"{{"job":"a","event":"log","line":"cc -c {n}.c"}}"#));
    }
    let events: Vec<&str> = events.iter().map(String::as_str).collect();
    let mut bench = Bench::new(vec![sample(vec![job("jobs/a")])]);
    bench.state.focus = Focus::Job(Box::new(page(&events)));
    let rows = bench.rows(80, 24);
    assert_eq!(rows[0], "● jobs/a  running");
    assert_eq!(rows[1], "━━━━━━━━━━━╸────────────── 45.5% · step 3 of 7");
    assert_eq!(rows[2], "linking");
    assert_eq!(rows[3], "30 PARTS: 30 running · 21 not shown");
    assert_eq!(rows[13], "EVENTS");
    assert_eq!(rows[22], "         | cc -c 29.c");
    assert!(rows[23].starts_with("last 9 of 61 lines · Esc back"), "{}", rows[23]);
    bench.state.press(KeyPress::Up);
    let rows = bench.rows(80, 24);
    assert_eq!(rows[22], "         part_started · module-29");
    assert!(rows[23].starts_with("scrolled back: 1 newer of 61 lines"), "{}", rows[23]);
    assert_eq!(bench.state.press(KeyPress::Escape), Wish::Close);
}
