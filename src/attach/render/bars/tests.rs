use std::sync::Arc;

use indicatif::InMemoryTerm;

use super::*;
use crate::attach::board::Input;
use crate::attach::job::{Job, Link, When};
use crate::attach::stream::Stream;
use crate::dialect::{Dialect, Dialects};
use crate::exit::{Exit, Failure};
use crate::text::columns;

struct Stage {
    board: Board,
    dialect: Arc<Dialect>,
    now: Instant,
}

impl Stage {
    fn new(jobs: usize) -> Self {
        let now = Instant::now();
        let dialect = Arc::clone(Dialects::builtin().named("scraping").unwrap().1);
        let job = |index| {
            let name = format!("scraping/{}", index + 1);
            Job::new(name.clone(), name, Arc::clone(&dialect), false, now)
        };
        let mut board = Board::new((0..jobs).map(job).collect(), now);
        for index in 0..jobs {
            board.apply(index, Input::Link(Link::Connected), now);
        }
        Self { board, dialect, now }
    }

    fn event(&mut self, index: usize, kind: &str, percent: &str, rest: &str) {
        let text = format!(r#"{{"job_id":1,"event_type":"{kind}","progress":{percent}{rest}}}"#);
        let view = self.dialect.view(&text).unwrap();
        let input = Input::Event { view: Some(&view), text: &text, when: When::Live };
        self.board.apply(index, input, self.now);
    }

    fn wait(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
    }
}

fn bars(rows: u16, columns: u16) -> (Bars<InMemoryTerm>, InMemoryTerm) {
    let term = InMemoryTerm::new(rows, columns);
    (Bars::new(term.clone(), Taskbar::none(), Paint::new(false), Filter::default(), TimeZone::UTC), term)
}

fn live(stage: &Stage, rows: u16, columns: u16) -> String {
    let (mut bars, term) = bars(rows, columns);
    bars.draw(&stage.board, stage.now).unwrap();
    term.contents()
}

fn four() -> Stage {
    let mut stage = Stage::new(4);
    stage.event(0, "job_started", "0", "");
    stage.wait(10);
    stage.event(0, "job_progress", "25", r#","results_count":42,"message":"Scraping in progress...""#);
    let kiwi = r#","message":"Starting kiwi","metadata":{"scraper_name":"kiwi","route":"MUC-BCN"}"#;
    stage.event(0, "scraper_started", "null", kiwi);
    let tap = r#","message":"503","metadata":{"scraper_name":"tap"}"#;
    stage.event(0, "scraper_failed", "null", tap);
    stage.event(1, "job_completed", "100", r#","results_count":1,"message":"All found""#);
    stage.event(2, "job_failed", "null", r#","message":"Captcha \u001b[31mwall""#);
    stage.event(3, "error", "null", r#","message":"Job 4 not found""#);
    stage
}

#[test]
fn bars_in_80_columns() {
    let expected = "\
⠋ scraping/1  25% ━━━────────── 0:10 eta 0:30  42 results · Scraping in progre…
    ⠋ kiwi MUC-BCN  Starting kiwi
    ✗ tap           503
✓ scraping/2 100% ━━━━━━━━━━━━━ 0:00           1 result · All found
✗ scraping/3                    0:00           Captcha wall
◌ scraping/4                    0:10           waiting · Job 4 not found
4 connected · 1.2 events/s · 1 waiting, 1 running, 1 done, 1 failed";
    assert_eq!(live(&four(), 24, 80), expected);
}

#[test]
fn bars_in_200_columns_have_room_for_more() {
    let picture = live(&four(), 24, 200);
    let first = picture.lines().next().unwrap();
    let bar = format!("{}{}", "━".repeat(8), "─".repeat(25));
    let expected = format!("⠋ scraping/1  25% {bar} 0:10 eta 0:30  42 results · Scraping in progress...");
    assert_eq!(first, expected);
}

#[test]
fn a_count_that_the_message_says_is_not_said_again_and_an_error_comes_first() {
    let mut stage = Stage::new(2);
    stage.event(0, "job_progress", "5", r#","results_count":70,"message":"70 trains so far""#);
    let picture = live(&stage, 24, 80);
    assert!(picture.contains("  70 trains so far\n"), "{picture}");
    stage.event(0, "job_progress", "5", r#","results_count":170,"message":"70 trains so far""#);
    let picture = live(&stage, 24, 80);
    assert!(picture.contains("  170 results · 70 trains so far\n"), "{picture}");
    stage.event(1, "job_failed", "5", r#","results_count":7,"message":"blocked""#);
    let picture = live(&stage, 24, 80);
    assert!(picture.contains("  blocked · 7 results\n"), "{picture}");
}

#[test]
fn a_job_that_is_quiet_for_ten_seconds_says_so() {
    let mut stage = Stage::new(1);
    stage.event(0, "job_progress", "5", "");
    stage.wait(9);
    assert!(!live(&stage, 24, 80).contains("no event"));
    stage.wait(1);
    assert!(live(&stage, 24, 80).contains("no event for 10 s"));
    stage.wait(110);
    assert!(live(&stage, 24, 80).contains("no event for 2:00"));
}

#[test]
fn a_job_that_nothing_was_heard_of_says_so_after_a_few_seconds() {
    let mut stage = Stage::new(1);
    stage.wait(4);
    assert!(live(&stage, 24, 80).contains("  waiting\n"), "{}", live(&stage, 24, 80));
    stage.wait(1);
    assert!(live(&stage, 24, 80).contains("  waiting · nothing heard of it yet\n"));
}

#[test]
fn narrow_and_flat_screens_get_lines_that_fit() {
    for (rows, columns) in [(1, 20), (3, 40), (5, 59), (24, 60)] {
        let picture = live(&four(), rows, columns);
        assert!(picture.lines().count() <= usize::from(rows).max(2), "{picture}");
        assert!(picture.lines().all(|line| line.chars().count() < usize::from(columns)), "{picture}");
    }
}

#[test]
fn fifty_jobs_show_the_running_ones_and_count_the_others() {
    let mut stage = Stage::new(50);
    for index in 0..12 {
        stage.event(index, "job_completed", "100", "");
    }
    for index in 30..45 {
        stage.event(index, "job_progress", "5", r#","metadata":{}"#);
    }
    let picture = live(&stage, 24, 80);
    let lines: Vec<&str> = picture.lines().collect();
    assert_eq!(lines.len(), 23, "{picture}");
    assert_eq!(lines.iter().filter(|line| line.contains("5% ")).count(), 15, "{picture}");
    assert_eq!(lines[21], "… 29 more: 17 waiting, 12 done");
}

#[test]
fn many_scrapers_are_cut_with_a_count() {
    let mut stage = Stage::new(1);
    for nth in 0..100 {
        let kind = if nth < 3 { "scraper_started" } else { "scraper_completed" };
        stage.event(0, kind, "null", &format!(r#","metadata":{{"scraper_name":"s{nth:02}"}}"#));
        stage.wait(1);
    }
    let picture = live(&stage, 50, 80);
    let lines: Vec<&str> = picture.lines().map(str::trim_start).collect();
    assert_eq!(&lines[1..5], ["⠋ s02", "⠋ s01", "⠋ s00", "✓ s99"], "{picture}");
    assert_eq!(lines[9], "+92 more");
}

#[test]
fn silence_and_a_lost_connection_are_said() {
    let mut stage = Stage::new(2);
    stage.event(0, "job_progress", "5", "");
    stage.wait(40);
    let wait = Duration::from_secs(4);
    stage.board.apply(
        0,
        Input::Link(Link::Reconnecting { attempt: 2, wait, reason: "gone".into() }),
        stage.now,
    );
    stage.board.apply(1, Input::Link(Link::Polling), stage.now);
    stage.wait(1);
    let picture = live(&stage, 24, 80);
    assert!(picture.contains("no event for 41 s"), "{picture}");
    assert!(picture.contains("0 of 2 connected · reconnecting in 4 s · polling · 0.0 events/s"), "{picture}");
}

#[test]
fn the_last_picture_stays_whole_and_tells_cut_errors_in_full() {
    let mut stage = Stage::new(30);
    let error = "a long way down ".repeat(6);
    stage.event(0, "job_failed", "3", &format!(r#","message":"{error}""#));
    stage.board.apply(1, Input::Lost(Failure::new(Exit::Unreachable, "nothing listens at h:1")), stage.now);
    stage.event(2, "job_failed", "3", &format!(r#","message":"{error}""#));
    let (mut bars, term) = bars(60, 120);
    bars.draw(&stage.board, stage.now).unwrap();
    bars.finish(&stage.board, stage.now).unwrap();
    let picture = term.contents();
    assert_eq!(picture.matches(error.trim()).count(), 1, "{picture}");
    assert!(picture.contains(&format!("\n    {}", error.trim())), "{picture}");
    assert!(picture.contains("nothing listens at h:1"), "{picture}");
    let last = picture.lines().last().unwrap();
    assert_eq!(last, "27 waiting, 2 failed, 1 lost · 2 events in 0:00");
    assert_eq!(picture.lines().count(), 32, "{picture}");
}

/// A stream beside no job.
struct Streaming {
    board: Board,
    now: Instant,
}

impl Streaming {
    fn new() -> Self {
        let now = Instant::now();
        let dialect = Arc::clone(Dialects::builtin().named("channels").unwrap().1);
        let stream = Stream::new("channel:campaigns".into(), dialect, now);
        Self { board: Board::new(Vec::new(), now).with_streams(vec![stream]), now }
    }

    fn event(&mut self, bars: &mut Bars<InMemoryTerm>, text: &str) {
        let view = self.board.streams()[0].dialect.view(text);
        let happening = self.board.message(0, view.as_ref(), text, self.now);
        self.show(bars, Flow::Event { text, view: view.as_ref(), happening: &happening });
    }

    fn link(&mut self, bars: &mut Bars<InMemoryTerm>, link: &Link) {
        self.board.stream_linked(0, link.clone(), self.now);
        self.show(bars, Flow::Link(link));
    }

    fn show(&self, bars: &mut Bars<InMemoryTerm>, flow: Flow<'_>) {
        let received_at = &Timestamp::UNIX_EPOCH;
        bars.flowed(&Flowed { index: 0, received_at, flow }, &self.board).unwrap();
    }
}

#[test]
fn resources_have_bars_and_all_else_scrolls_up_above_them() {
    let (mut bars, term) = bars(12, 80);
    let mut stream = Streaming::new();
    bars.draw(&stream.board, stream.now).unwrap();
    assert!(term.contents().starts_with("… channel:campaigns  connecting\n"), "{}", term.contents());
    stream.link(&mut bars, &Link::Connected);
    bars.draw(&stream.board, stream.now).unwrap();
    assert!(term.contents().starts_with("◌ channel:campaigns  waiting for events\nconnected · "));
    let launched =
        r#"{"type":"campaign:launched","campaign_id":1,"campaign_name":"Spring","total_recipients":480}"#;
    stream.event(&mut bars, launched);
    stream.event(&mut bars, r#"{"type":"campaign:stats_updated","campaign_id":1,"sent":240,"opened":30}"#);
    stream.event(&mut bars, r#"{"type":"email:bounced","email_id":7,"reason":"full","recipient":"a@b"}"#);
    bars.draw(&stream.board, stream.now).unwrap();
    let expected = "\
00:00:00 campaign:launched    campaign:1   campaign_name=Spring total_recipien…
00:00:00 email:bounced        email:7      reason=full recipient=a@b
⠹ campaign:1  50% ━━━━━━╸────── 0:00           240/480 · opened=30
connected · 0.6 events/s";
    assert_eq!(term.contents(), expected);
    stream.event(&mut bars, r#"{"type":"campaign:completed","campaign_id":1,"sent":480}"#);
    let lost = Link::Disconnected { reason: "it was cut off".into() };
    stream.link(&mut bars, &lost);
    let wait = Duration::from_secs(2);
    stream.link(&mut bars, &Link::Reconnecting { attempt: 1, wait, reason: "cut off".into() });
    bars.draw(&stream.board, stream.now).unwrap();
    let shown = term.contents();
    assert!(shown.contains("campaign:completed   campaign:1   in 0:00 · sent=480\n"), "{shown}");
    assert!(shown.contains("\n00:00:00 connection lost; "), "{shown}");
    assert!(
        shown.contains("\n… channel:campaigns  cut off; attempt 1 in 3 s\n0 of 1 connected · "),
        "{shown}"
    );
    stream.link(&mut bars, &Link::Connected);
    bars.finish(&stream.board, stream.now).unwrap();
    let shown = term.contents();
    assert!(shown.ends_with("connected again: channel:campaigns\n4 events in 0:00"), "{shown}");
}

#[test]
fn a_flood_is_counted_and_half_the_screen_is_left_to_it() {
    let (mut bars, term) = bars(20, 80);
    let mut stream = Streaming::new();
    stream.link(&mut bars, &Link::Connected);
    for n in 0..150 {
        stream.event(&mut bars, &format!(r#"{{"type":"lead:created","lead_id":{n}}}"#));
        stream.event(&mut bars, &format!(r#"{{"type":"demo:recording","demo_id":"{n}","percent":5}}"#));
    }
    bars.draw(&stream.board, stream.now).unwrap();
    let shown = term.contents();
    let lines: Vec<&str> = shown.lines().collect();
    assert!(lines[lines.len() - 12].ends_with("… 50 more events, too fast to show"), "{shown}");
    assert!(lines[lines.len() - 11].contains(" demo:0 "), "{shown}");
    assert_eq!(lines[lines.len() - 2], "… 141 more: 141 running", "{shown}");
}

#[test]
fn lines_are_short_while_the_window_is_being_resized() {
    let (mut bars, term) = bars(24, 80);
    let mut stage = four();
    let longest = |bars: &mut Bars<InMemoryTerm>, stage: &Stage| {
        bars.draw(&stage.board, stage.now).unwrap();
        term.contents().lines().map(columns).max().unwrap()
    };
    assert!(longest(&mut bars, &stage) > 70);
    // The terminal of this test has one size; the one that was drawn on before had another.
    bars.last_size = Some((24, 100));
    assert!(longest(&mut bars, &stage) < NARROW);
    stage.wait(1);
    assert!(longest(&mut bars, &stage) > 70);
}

#[test]
fn lines_of_a_log_scroll_up_above_the_bars_with_their_job_where_there_are_several() {
    let dialect = Arc::clone(Dialects::builtin().named("jobs").unwrap().1);
    let now = Instant::now();
    let shown = |names: &[&str]| {
        let job = |name: &&str| Job::new((*name).into(), (*name).into(), Arc::clone(&dialect), false, now);
        let mut board = Board::new(names.iter().map(job).collect(), now);
        let (mut bars, term) = bars(10, 80);
        for text in [
            r#"{"event":"started"}"#,
            r#"{"event":"log","line":"\u001b[31mcc\u001b[0m -c a.c"}"#,
            r#"{"event":"progress","percent":40}"#,
        ] {
            let view = dialect.view(text).unwrap();
            let effect = board.apply(0, Input::Event { view: Some(&view), text, when: When::Live }, now);
            let what = What::Event { text, view: Some(&view), is_state: false };
            let seen = Seen { index: 0, received_at: &Timestamp::UNIX_EPOCH, what, effect: &effect };
            bars.seen(&seen, &board).unwrap();
        }
        bars.draw(&board, now).unwrap();
        term.contents().lines().take(2).map(str::to_owned).collect::<Vec<_>>()
    };
    let [line, bar] = &shown(&["jobs/a"])[..] else { panic!("two lines") };
    assert_eq!(line, "00:00:00 | cc -c a.c");
    assert!(bar.contains("jobs/a  40%"), "{bar}");
    assert_eq!(shown(&["jobs/a", "jobs/b"])[0], "00:00:00 jobs/a | cc -c a.c");
}
