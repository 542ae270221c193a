//! State of the screen: the last sample, the table, what is typed, the job that is open. Pure: keys and samples go in,
//! wishes come out.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::figures::{Between, Rates, between};
use super::job::JobPage;
use super::options::TopOptions;
use crate::dialect::JobState;
use crate::exit::Failure;
use crate::lists::{Clients, JobQuery, MOST_JOBS, RelaySample, Wanted};
use crate::screen::{JobTable, KeyPress, Order, RowFilter};

/// Limit of the jobs that are asked for every time; the queued and running ones beyond it follow. With a text to look for,
/// the limit is [`MOST_JOBS`].
const LISTED: usize = 1_000;

/// States that one key goes through.
const STATES: [&[JobState]; 7] = [
    &[],
    &[JobState::Running, JobState::Queued],
    &[JobState::Running],
    &[JobState::Queued],
    &[JobState::Failed],
    &[JobState::Cancelled],
    &[JobState::Succeeded],
];

/// Part of the screen that the keys act on.
#[derive(Debug)]
pub(super) enum Focus {
    /// The list of jobs.
    List,
    /// A text to look for is typed.
    Search,
    /// The page of keys.
    Help,
    /// A job is open.
    Job(Box<JobPage>),
}

/// Task of the loop after a key.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// Draw.
    Draw,
    /// Draw everything anew.
    Redraw,
    /// Ask by [`TopState::wanted`].
    Ask,
    /// Watch this job.
    Open(String),
    /// Watch no job.
    Close,
    /// End.
    Quit,
    /// End as by SIGINT.
    Interrupt,
    /// Stop the process until it is told to go on.
    Suspend,
}

/// Failed attempts to ask the relay.
#[derive(Debug)]
pub(super) struct Away {
    /// Error of the last attempt.
    pub(super) failure: Failure,
    /// Time of the last answer.
    pub(super) since: Timestamp,
    /// Time of the next attempt.
    pub(super) again: Instant,
}

/// Moment from which silence of the relay counts: the last answer, or the time at which the screen began to ask again.
#[derive(Debug, Clone, Copy)]
struct Heard {
    at: Timestamp,
    instant: Instant,
}

/// All that the screen shows.
#[derive(Debug)]
pub(super) struct TopState {
    pub(super) table: JobTable,
    pub(super) focus: Focus,
    /// The last answer of the relay.
    pub(super) sample: Option<RelaySample>,
    pub(super) rates: Option<Rates>,
    pub(super) away: Option<Away>,
    heard: Option<Heard>,
    /// Time between two questions.
    interval: Duration,
    /// Time since which its Redis is away.
    pub(super) redis_away: Option<Timestamp>,
    /// Text that is shown until a key is pressed.
    pub(super) note: Option<String>,
    pub(super) is_paused: bool,
    /// Rows of a page, by the last picture.
    pub(super) page: usize,
    /// The note about an old relay was shown.
    has_told_age: bool,
    /// Dialects that had jobs.
    dialects: BTreeSet<String>,
}

impl TopState {
    /// The state before the first sample.
    pub(super) fn new(options: &TopOptions) -> Self {
        Self {
            table: JobTable::new(options.order, options.filter.clone()),
            focus: Focus::List,
            sample: None,
            rates: None,
            away: None,
            heard: None,
            interval: options.interval,
            redis_away: None,
            note: None,
            is_paused: false,
            page: 10,
            has_told_age: false,
            dialects: BTreeSet::new(),
        }
    }

    /// Question to the relay.
    pub(super) fn wanted(&self) -> Wanted {
        let filter = self.table.filter();
        let limit = if filter.text.is_empty() { LISTED } else { MOST_JOBS };
        let query = JobQuery { states: filter.states.clone(), dialect: filter.dialect.clone(), limit };
        Wanted { query, is_paused: self.is_paused }
    }

    /// Takes a sample, unless it answers another question than the one that counts now.
    pub(super) fn take(&mut self, sample: RelaySample, query: &JobQuery, now: Timestamp) {
        self.heard = Some(Heard { at: now, instant: sample.at });
        if self.is_paused || (query.states.as_slice(), &query.dialect) != self.asked() {
            return;
        }
        let was_away = self.away.take().is_some();
        match self.sample.as_ref().map(|before| between(before, &sample)) {
            // Rates over a very short time, as after another query, mean nothing: the last ones stay.
            Some(Between::Rates(rates)) if !was_away && rates.seconds < self.interval.as_secs_f64() / 2.0 => {
            }
            Some(Between::Rates(rates)) if !was_away => self.rates = Some(rates),
            Some(Between::Restarted) => {
                self.rates = None;
                self.note = Some("the relay was started again: its counters begin anew".to_owned());
            }
            _ => self.rates = None,
        }
        let is_away = sample.stats.redis.as_ref().is_some_and(|redis| !redis.connected);
        self.redis_away = is_away.then(|| self.redis_away.unwrap_or(now));
        self.tell_age(&sample);
        for job in &sample.jobs.jobs {
            if !self.dialects.contains(job.dialect()) {
                self.dialects.insert(job.dialect().to_owned());
            }
        }
        self.table.replace(sample.jobs.jobs.clone(), now);
        if let Focus::Job(page) = &mut self.focus
            && let Some(row) = self.table.find(&page.target)
        {
            page.row = Some(row.clone());
        }
        self.sample = Some(sample);
    }

    fn asked(&self) -> (&[JobState], &Option<String>) {
        let filter = self.table.filter();
        (&filter.states, &filter.dialect)
    }

    /// Notes once which figures a relay does not tell.
    fn tell_age(&mut self, sample: &RelaySample) {
        let mut missing = Vec::new();
        if sample.jobs.total.is_none() {
            missing.extend(["totals", "starts of jobs"]);
        }
        missing.extend((sample.clients == Clients::Unknown).then_some("slow clients"));
        if !missing.is_empty() && !std::mem::replace(&mut self.has_told_age, true) {
            self.note = Some(format!("an old relay; unknown: {}", missing.join(", ")));
        }
    }

    /// The relay did not answer.
    pub(super) fn lose(&mut self, failure: Failure, again: Instant, now: Timestamp) {
        let since = self.away.as_ref().map(|away| away.since).or(self.heard.map(|heard| heard.at));
        let since = since.unwrap_or(now);
        self.rates = None;
        self.away = Some(Away { failure, since, again });
    }

    /// The screen asks again after a pause, so that the relay's silence before that says nothing.
    pub(super) fn ask_again(&mut self, now: Timestamp, instant: Instant) {
        if self.away.is_none() {
            self.heard = Some(Heard { at: now, instant });
        }
    }

    /// Time for which the relay has owed an answer, where that is longer than two intervals and a second.
    pub(super) fn silence(&self, instant: Instant) -> Option<Duration> {
        let silent = instant.saturating_duration_since(self.heard?.instant);
        let is_asked = !self.is_paused && self.away.is_none();
        (is_asked && silent > 2 * self.interval + Duration::from_secs(1)).then_some(silent)
    }

    /// Obeys a key.
    pub(super) fn press(&mut self, key: KeyPress) -> Wish {
        match key {
            KeyPress::Interrupt => return Wish::Interrupt,
            KeyPress::Suspend => return Wish::Suspend,
            KeyPress::Redraw => return Wish::Redraw,
            _ => self.note = None,
        }
        match &self.focus {
            Focus::List => self.in_list(key),
            Focus::Search => self.in_search(key),
            Focus::Help => {
                let is_quit = key == KeyPress::Char('q');
                self.focus = Focus::List;
                if is_quit { Wish::Quit } else { Wish::Draw }
            }
            Focus::Job(_) => self.in_job(key),
        }
    }

    fn in_list(&mut self, key: KeyPress) -> Wish {
        let page = isize::try_from(self.page.max(1)).unwrap_or(isize::MAX);
        match key {
            KeyPress::Up | KeyPress::Char('k') => self.table.move_by(-1),
            KeyPress::Down | KeyPress::Char('j') => self.table.move_by(1),
            KeyPress::PageUp => self.table.move_by(-page),
            KeyPress::PageDown => self.table.move_by(page),
            KeyPress::Home | KeyPress::Char('g') => self.table.move_to(0),
            KeyPress::End | KeyPress::Char('G') => self.table.move_to(usize::MAX),
            KeyPress::Char('N') => self.table.order_by(Order::Name),
            KeyPress::Char('S') => self.table.order_by(Order::State),
            KeyPress::Char('P') => self.table.order_by(Order::Percent),
            KeyPress::Char('E') => self.table.order_by(Order::Elapsed),
            KeyPress::Char('W') => self.table.order_by(Order::Watchers),
            KeyPress::Char('U') => self.table.order_by(Order::Updated),
            KeyPress::Char('T') => self.table.order_by(Order::Started),
            KeyPress::Char('R') => self.table.reverse(),
            KeyPress::Char('/') => self.focus = Focus::Search,
            KeyPress::Char('s') => return self.next_states(),
            KeyPress::Char('d') => return self.next_dialect(),
            KeyPress::Char('p' | ' ') => {
                self.is_paused = !self.is_paused;
                return Wish::Ask;
            }
            KeyPress::Char('?' | 'h') => self.focus = Focus::Help,
            KeyPress::Char('q') => return Wish::Quit,
            KeyPress::Escape => {
                self.table.filter_by(|filter| *filter = RowFilter::default());
                return Wish::Ask;
            }
            KeyPress::Enter => {
                if let Some(job) = self.table.current().cloned() {
                    let target = job.target.clone();
                    self.focus = Focus::Job(Box::new(JobPage::new(job)));
                    return Wish::Open(target);
                }
            }
            _ => {}
        }
        Wish::Draw
    }

    fn in_search(&mut self, key: KeyPress) -> Wish {
        match key {
            KeyPress::Enter => self.focus = Focus::List,
            KeyPress::Escape => {
                self.focus = Focus::List;
                self.table.filter_by(|filter| filter.text.clear());
                return Wish::Ask;
            }
            KeyPress::Up => self.table.move_by(-1),
            KeyPress::Down => self.table.move_by(1),
            key => {
                self.table.filter_by(|filter| filter.edit(key));
                return Wish::Ask;
            }
        }
        Wish::Draw
    }

    fn in_job(&mut self, key: KeyPress) -> Wish {
        let rows = self.page.max(1);
        let Focus::Job(page) = &mut self.focus else { return Wish::Draw };
        match key {
            KeyPress::Escape | KeyPress::Left | KeyPress::Backspace => {
                self.focus = Focus::List;
                return Wish::Close;
            }
            KeyPress::Char('q') => return Wish::Quit,
            KeyPress::Up | KeyPress::Char('k') => page.scroll(1),
            KeyPress::Down | KeyPress::Char('j') => page.scroll(-1),
            KeyPress::PageUp => page.scroll(rows.cast_signed()),
            KeyPress::PageDown => page.scroll(-rows.cast_signed()),
            KeyPress::Home | KeyPress::Char('g') => page.scroll(isize::MAX),
            KeyPress::End | KeyPress::Char('G') => page.scroll(isize::MIN),
            _ => {}
        }
        Wish::Draw
    }

    fn next_states(&mut self) -> Wish {
        let states = &self.table.filter().states;
        let at = STATES.iter().position(|known| known == states).unwrap_or(0);
        let next = STATES[(at + 1) % STATES.len()].to_vec();
        self.table.filter_by(|filter| filter.states = next);
        Wish::Ask
    }

    /// Goes on to the next dialect that has had jobs here, and then to all of them.
    fn next_dialect(&mut self) -> Wish {
        let next = match &self.table.filter().dialect {
            None => self.dialects.first(),
            Some(now) => self.dialects.range::<String, _>((Bound::Excluded(now), Bound::Unbounded)).next(),
        };
        let next = next.cloned();
        self.table.filter_by(|filter| filter.dialect = next);
        Wish::Ask
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::dialect::Dialects;
    use crate::lists::{ClientList, JobList, JobRow, ListClient, Readiness, RelayStats};
    use crate::net::tls::Tls;
    use crate::screen::Abilities;
    use crate::screen::tests::job;

    /// Settings for a relay at `h:1`.
    pub(in crate::top) fn options() -> TopOptions {
        TopOptions {
            relay: ListClient {
                server: url::Url::parse("ws://h:1").unwrap(),
                tls: Tls::default(),
                token: None,
                publish_key: None,
            },
            interval: Duration::from_secs(1),
            dialects: Dialects::builtin(),
            abilities: Abilities { color: true, unicode: true },
            order: Order::State,
            filter: RowFilter::default(),
            limit: 100,
        }
    }

    /// A sample with these jobs.
    pub(in crate::top) fn sample(jobs: Vec<JobRow>) -> RelaySample {
        let total = Some(jobs.len() as u64);
        RelaySample {
            at: Instant::now(),
            jobs: JobList { jobs, total, dialects: None },
            stats: RelayStats::default(),
            clients: Clients::Known(ClientList::default()),
            ready: Readiness::Ready,
        }
    }

    fn state(jobs: &[&str]) -> TopState {
        let mut state = TopState::new(&options());
        let query = state.wanted().query;
        state.take(sample(jobs.iter().map(|name| job(name)).collect()), &query, Timestamp::UNIX_EPOCH);
        state
    }

    fn press(state: &mut TopState, keys: &str) -> Wish {
        keys.chars().map(|key| state.press(KeyPress::Char(key))).last().unwrap()
    }

    #[test]
    fn filters_by_state_and_dialect_are_the_relay_s_and_a_text_wants_all_jobs() {
        let mut state = state(&["jobs/a", "celery/b"]);
        assert_eq!(press(&mut state, "d"), Wish::Ask);
        assert_eq!(state.wanted().query.dialect.as_deref(), Some("celery"));
        press(&mut state, "d");
        assert_eq!(state.wanted().query.dialect.as_deref(), Some("jobs"), "though no row of it is shown");
        press(&mut state, "d");
        assert_eq!(state.wanted().query.dialect, None);
        press(&mut state, "ss");
        assert_eq!(state.wanted().query.states, [JobState::Running]);
        assert_eq!(state.wanted().query.limit, LISTED);
        assert_eq!(press(&mut state, "/ab"), Wish::Ask);
        assert_eq!((state.table.filter().text.as_str(), state.wanted().query.limit), ("ab", MOST_JOBS));
        assert_eq!(state.press(KeyPress::Escape), Wish::Ask);
        assert_eq!(state.table.filter().text, "");
        assert_eq!(state.press(KeyPress::Escape), Wish::Ask);
        assert!(state.wanted().query.states.is_empty());
    }

    #[test]
    fn an_answer_to_another_question_is_not_shown_nor_one_to_a_paused_screen() {
        let mut state = state(&["jobs/a"]);
        let before = state.wanted().query;
        press(&mut state, "d");
        state.take(sample(Vec::new()), &before, Timestamp::UNIX_EPOCH);
        assert_eq!(state.table.rows().len(), 1);
        let now = state.wanted().query;
        assert_eq!(press(&mut state, "p"), Wish::Ask);
        assert!(state.wanted().is_paused);
        state.take(sample(Vec::new()), &now, Timestamp::UNIX_EPOCH);
        assert_eq!(state.table.rows().len(), 1);
        press(&mut state, " ");
        state.take(sample(Vec::new()), &now, Timestamp::UNIX_EPOCH);
        assert!(state.table.rows().is_empty());
    }

    #[test]
    fn keys_that_end_or_stop_are_obeyed_everywhere_and_q_is_a_letter_in_a_search() {
        let mut state = state(&["jobs/q"]);
        for keys in ["", "?", "/"] {
            keys.chars().for_each(|key| drop(state.press(KeyPress::Char(key))));
            assert_eq!(state.press(KeyPress::Interrupt), Wish::Interrupt);
            assert_eq!(state.press(KeyPress::Suspend), Wish::Suspend);
            assert_eq!(state.press(KeyPress::Redraw), Wish::Redraw);
        }
        state.focus = Focus::List;
        press(&mut state, "/q");
        assert_eq!(state.press(KeyPress::Enter), Wish::Draw);
        assert_eq!(state.press(KeyPress::Enter), Wish::Open("jobs/q".into()));
        assert_eq!(state.press(KeyPress::Escape), Wish::Close);
        assert_eq!(press(&mut state, "q"), Wish::Quit);
    }
}
