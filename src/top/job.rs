//! The page of one job: what its events said. Pure.

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;

use crate::dialect::JobState;
use crate::lists::JobRow;
use crate::text::brief;
use crate::wire::view::EventView;

/// Lines that are kept; older ones go.
const LINES: usize = 500;

/// Parts that are kept. A job with more shows the first of them, and counts the others.
const PARTS: usize = 2_000;

/// State of the socket that watches the job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Watch {
    /// The socket is being opened.
    Connecting,
    /// The socket is open, and all earlier events have come.
    Live,
    /// The socket is closed, for this reason.
    Lost(String),
}

/// A line of the page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PageLine {
    /// Time of arrival; absent for events of the past, which the relay told on connecting.
    pub(super) at: Option<Timestamp>,
    /// Subject of the line.
    pub(super) kind: LineKind,
    /// Text of the line.
    pub(super) text: String,
}

/// Subject of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LineKind {
    /// An event.
    Event,
    /// An event that says that something failed.
    Failure,
    /// A line of the job's log.
    Log,
    /// Something about the page itself.
    Note,
}

/// A part of the job.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct PagePart {
    /// `running`, `succeeded` or `failed`.
    pub(super) state: Option<String>,
    /// Its own results.
    pub(super) count: Option<u64>,
    /// Text of its last event.
    pub(super) text: Option<String>,
}

/// All that is known of a job.
#[derive(Debug)]
pub(super) struct JobPage {
    /// Name of the job.
    pub(super) target: String,
    /// Its row in the list, as long as it is listed.
    pub(super) row: Option<JobRow>,
    pub(super) watch: Watch,
    pub(super) state: JobState,
    pub(super) percent: Option<f64>,
    pub(super) step: Option<u64>,
    pub(super) total: Option<u64>,
    pub(super) count: Option<u64>,
    pub(super) message: Option<String>,
    pub(super) error: Option<String>,
    pub(super) result: Option<String>,
    pub(super) parts: BTreeMap<String, PagePart>,
    /// Parts beyond those that are kept.
    pub(super) more_parts: u64,
    pub(super) lines: VecDeque<PageLine>,
    /// Lines that the view was scrolled back by.
    pub(super) back: usize,
}

/// News from the socket of the job.
#[derive(Debug)]
pub(super) enum Heard {
    /// The socket is open; all events that the relay still had were told.
    Live,
    /// The socket is closed.
    Lost(String),
    /// An event, or with `is_state` the state of the job.
    Event {
        /// Contents by the dialect; absent where the dialect reads nothing in it.
        view: Option<Box<EventView>>,
        /// The payload, where it says nothing of its dialect.
        text: String,
        /// The event is a state that was told on connecting.
        is_state: bool,
    },
    /// The job has ended, with this outcome.
    Ended(String),
    /// Events are missing, for this reason of the relay.
    Gap(String),
    /// The relay does not let the job be watched.
    Refused(String),
}

impl JobPage {
    /// The page of a job in the list, before anything was heard.
    pub(super) fn new(row: JobRow) -> Self {
        Self {
            target: row.target.clone(),
            watch: Watch::Connecting,
            state: row.state,
            percent: row.percent,
            step: None,
            total: None,
            count: None,
            // The message of a job that has ended is its error or its result, which its events tell better.
            message: row.message.clone().filter(|_| row.is_unfinished()),
            error: None,
            result: None,
            parts: BTreeMap::new(),
            more_parts: 0,
            lines: VecDeque::new(),
            back: 0,
            row: Some(row),
        }
    }

    /// Scrolls back by so many lines, or forth.
    pub(super) fn scroll(&mut self, lines: isize) {
        self.back = self.back.saturating_add_signed(lines).min(self.lines.len().saturating_sub(1));
    }

    /// Takes what was heard.
    pub(super) fn hear(&mut self, heard: Heard, now: Timestamp) {
        match heard {
            Heard::Live => self.watch = Watch::Live,
            Heard::Lost(reason) => self.watch = Watch::Lost(reason),
            Heard::Refused(reason) => {
                self.watch = Watch::Lost(reason.clone());
                self.push(None, LineKind::Failure, &reason);
            }
            Heard::Gap(reason) => {
                let words = format!("events before this are missing ({})", reason.replace('_', " "));
                self.push(None, LineKind::Note, &words);
            }
            Heard::Ended(outcome) => {
                if let Some(state) = state(&outcome) {
                    self.state = state;
                }
            }
            Heard::Event { view, text, is_state } => {
                // A state that was told on connecting has no time.
                let at = (self.watch == Watch::Live && !is_state).then_some(now);
                match view {
                    Some(view) => self.event(&view, is_state, at),
                    None if !is_state => self.push(at, LineKind::Event, &text),
                    None => {}
                }
            }
        }
    }

    fn event(&mut self, view: &EventView, is_state: bool, at: Option<Timestamp>) {
        if let Some(log) = &view.log {
            return self.push(at, LineKind::Log, &log.line);
        }
        if self.begins(view) && !is_state {
            self.begin(at);
        }
        match &view.part {
            Some(part) => self.part(&part.name, view),
            None => self.facts(view),
        }
        // A state repeats events that were told, or sums up some that were not.
        if !is_state || self.lines.is_empty() {
            let failed = |state: &Option<String>| state.as_deref() == Some("failed");
            let is_failure =
                failed(&view.state) || view.part.as_ref().is_some_and(|part| failed(&part.state));
            let kind = if is_failure { LineKind::Failure } else { LineKind::Event };
            self.push(at, kind, &words(view));
        }
    }

    /// Tells whether an event begins a new run of the job.
    fn begins(&self, view: &EventView) -> bool {
        let has_ended = !matches!(self.state, JobState::Queued | JobState::Running);
        match view.opens.as_deref() {
            Some("always") => !self.lines.is_empty() && (has_ended || self.state == JobState::Running),
            Some("after_ending") => has_ended,
            Some("after_failure") => has_ended && self.state != JobState::Succeeded,
            _ => false,
        }
    }

    fn begin(&mut self, at: Option<Timestamp>) {
        (self.percent, self.step, self.total, self.count) = (None, None, None, None);
        (self.message, self.error, self.result) = (None, None, None);
        (self.parts, self.more_parts) = (BTreeMap::new(), 0);
        if !self.lines.is_empty() {
            self.push(at, LineKind::Note, "a new run");
        }
    }

    fn facts(&mut self, view: &EventView) {
        let told = view.state.as_deref().and_then(state);
        self.state = told.unwrap_or(self.state);
        let whole = (told == Some(JobState::Succeeded)).then_some(100.0);
        self.percent = view.percent.or(whole).or(self.percent);
        self.step = view.step.or(self.step);
        self.total = view.total.or(self.total);
        self.count = view.count.or(self.count);
        let newer = |new: &Option<String>, old: &mut Option<String>| {
            if let Some(text) = new {
                *old = Some(brief(text).into_owned());
            }
        };
        newer(&view.message, &mut self.message);
        newer(&view.error, &mut self.error);
        newer(&view.result, &mut self.result);
    }

    fn part(&mut self, name: &str, view: &EventView) {
        let name = brief(name).into_owned();
        if self.parts.len() >= PARTS && !self.parts.contains_key(&name) {
            self.more_parts += 1;
            return;
        }
        let part = self.parts.entry(name).or_default();
        if let Some(told) = &view.part {
            part.state = told.state.clone().or(part.state.take());
            part.count = told.count.or(view.count).or(part.count);
        }
        let text = view.error.as_ref().or(view.message.as_ref()).or(view.result.as_ref());
        part.text = text.map(|text| brief(text).into_owned()).or(part.text.take());
    }

    fn push(&mut self, at: Option<Timestamp>, kind: LineKind, text: &str) {
        if self.lines.len() == LINES {
            self.lines.pop_front();
        }
        self.lines.push_back(PageLine { at, kind, text: brief(text).into_owned() });
        // A user who has scrolled back goes on seeing the same lines.
        if self.back > 0 {
            self.scroll(1);
        }
    }
}

/// A state by its name.
fn state(name: &str) -> Option<JobState> {
    Some(match name {
        "queued" => JobState::Queued,
        "running" => JobState::Running,
        "succeeded" => JobState::Succeeded,
        "failed" => JobState::Failed,
        "cancelled" => JobState::Cancelled,
        _ => return None,
    })
}

/// Text of an event on one line.
fn words(view: &EventView) -> String {
    let part = view.part.as_ref().map(|part| part.name.clone());
    let percent = view.percent.map(|percent| crate::text::percent(percent, true));
    let step = view.step.map(|step| match view.total {
        Some(total) => format!("step {step} of {total}"),
        None => format!("step {step}"),
    });
    let count = view.part.as_ref().and_then(|part| part.count).or(view.count);
    let count = count.filter(|count| *count > 0).map(|count| format!("{count} results"));
    let texts = [&view.error, &view.message, &view.result].map(Clone::clone);
    let facts = [Some(view.kind.clone()), part, percent, step, count].into_iter().chain(texts);
    facts.flatten().filter(|fact| !fact.is_empty()).collect::<Vec<_>>().join(" · ")
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::LazyLock;

    use super::*;
    use crate::dialect::Dialects;
    use crate::screen::tests::job;

    fn now() -> Timestamp {
        Timestamp::from_second(1_000_000).unwrap()
    }

    /// An event of the dialect `jobs`, as a relay tells it.
    fn event(payload: &str, is_state: bool) -> Heard {
        static DIALECTS: LazyLock<Dialects> = LazyLock::new(Dialects::builtin);
        let view = DIALECTS.named("jobs").unwrap().1.view(payload);
        Heard::Event { view: view.map(|view| Box::new(view.into())), text: payload.to_owned(), is_state }
    }

    /// A page that heard these events.
    pub(in crate::top) fn page(events: &[&str]) -> JobPage {
        let mut page = JobPage::new(job("jobs/a"));
        for payload in events {
            page.hear(event(payload, false), now());
        }
        page.hear(Heard::Live, now());
        page
    }

    fn lines(page: &JobPage) -> Vec<&str> {
        page.lines.iter().map(|line| line.text.as_str()).collect()
    }

    #[test]
    fn a_run_is_told_from_its_start_to_its_end_and_the_next_one_begins_anew() {
        let mut page = page(&[
            r#"{"job":"a","event":"started","total":7}"#,
            r#"{"job":"a","event":"progress","percent":45.5,"step":3,"total":7,"message":"linking"}"#,
            r#"{"job":"a","event":"part_failed","part":"tests","error":"2 of 9"}"#,
            r#"{"job":"a","event":"log","line":"cc -c a.c"}"#,
        ]);
        assert_eq!((page.percent, page.step, page.total), (Some(45.5), Some(3), Some(7)));
        assert_eq!(page.parts["tests"].text.as_deref(), Some("2 of 9"));
        assert_eq!(page.message.as_deref(), Some("linking"), "a part's text is its own");
        assert_eq!(
            lines(&page),
            [
                "started",
                "progress · 45.5% · step 3 of 7 · linking",
                "part_failed · tests · 2 of 9",
                "cc -c a.c"
            ]
        );
        assert!(page.lines.iter().all(|line| line.at.is_none()), "the past has no times");
        page.hear(event(r#"{"job":"a","event":"failed","exit_code":2,"error":"boom"}"#, false), now());
        page.hear(Heard::Ended("failed".into()), now());
        assert_eq!((page.state, page.lines.back().unwrap().kind), (JobState::Failed, LineKind::Failure));
        assert!(page.lines.back().unwrap().at.is_some());
        page.hear(event(r#"{"job":"a","event":"queued"}"#, false), now());
        assert_eq!((page.state, page.percent, page.error.as_deref()), (JobState::Queued, None, None));
        assert!(page.parts.is_empty());
        assert_eq!(lines(&page)[5..], ["a new run", "queued"]);
    }

    #[test]
    fn a_state_that_is_told_again_repeats_no_line() {
        let progress = r#"{"job":"a","event":"progress","percent":45}"#;
        let mut page = page(&[progress]);
        page.hear(event(progress, true), now());
        assert_eq!(lines(&page).len(), 1);
        let mut page = JobPage::new(job("jobs/a"));
        page.hear(event(progress, true), now());
        assert_eq!((lines(&page).len(), page.percent), (1, Some(45.0)));
        page.hear(Heard::Gap("too_old".into()), now());
        page.hear(Heard::Event { view: None, text: "{}".into(), is_state: false }, now());
        assert_eq!(lines(&page)[1..], ["events before this are missing (too old)", "{}"]);
        page.hear(Heard::Lost("gone".into()), now());
        assert_eq!(page.watch, Watch::Lost("gone".into()));
    }

    #[test]
    fn a_flood_of_lines_and_parts_is_bounded_and_who_scrolled_back_stays_there() {
        let mut page = page(&[]);
        let log = |n: usize| format!(r#"{{"job":"a","event":"log","line":"{n}"}}"#);
        for n in 0..10 {
            page.hear(event(&log(n), false), now());
        }
        page.scroll(3);
        page.hear(event(&log(10), false), now());
        assert_eq!(page.back, 4);
        page.scroll(isize::MIN);
        assert_eq!(page.back, 0);
        for n in 0..2 * PARTS {
            page.hear(event(&log(n), false), now());
            let part = format!(r#"{{"job":"a","event":"part_started","part":"p{n}"}}"#);
            page.hear(event(&part, false), now());
        }
        assert_eq!((page.lines.len(), page.parts.len(), page.more_parts), (LINES, PARTS, PARTS as u64));
    }
}
