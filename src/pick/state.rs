//! The listed jobs, and which of them are marked. Pure: keys and lists go in, the choice comes out.

use jiff::Timestamp;
use tokio::time::Instant;

use crate::dialect::JobState;
use crate::exit::Failure;
use crate::lists::{JobList, JobQuery};
use crate::screen::{JobTable, KeyPress, Order, RowFilter};

/// Jobs that are asked for: as many as a relay of any age gives.
const LISTED: usize = 1_000;

/// Result of a key.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Choice {
    /// Nothing yet.
    Open,
    /// Draw everything anew.
    Redraw,
    /// Stop the process until it is told to go on.
    Suspend,
    /// Names of the chosen jobs.
    Jobs(Vec<String>),
    /// Leave without a job.
    Leave,
}

/// The list.
#[derive(Debug)]
pub(super) struct PickState {
    pub(super) table: JobTable,
    /// A text to look for is typed.
    pub(super) is_typing: bool,
    /// Unfinished jobs, listed or not, as far as the relay says it.
    pub(super) total: Option<u64>,
    /// Error of the relay, the time since which it does not answer, and the time of the next attempt.
    pub(super) away: Option<(Failure, Timestamp, Instant)>,
    /// Rows of a page, by the last picture.
    pub(super) page: usize,
}

impl PickState {
    /// An empty list, of one dialect or of all.
    pub(super) fn new(dialect: Option<String>) -> Self {
        let filter = RowFilter { dialect, ..RowFilter::default() };
        let table = JobTable::new(Order::Started, filter);
        Self { table, is_typing: false, total: None, away: None, page: 10 }
    }

    /// Question to the relay.
    pub(super) fn query(&self) -> JobQuery {
        let states = vec![JobState::Running, JobState::Queued];
        JobQuery { states, dialect: self.table.filter().dialect.clone(), limit: LISTED }
    }

    /// Takes a list.
    pub(super) fn take(&mut self, list: JobList, now: Timestamp) {
        self.away = None;
        self.total = list.total;
        self.table.replace(list.jobs, now);
    }

    /// The relay did not answer.
    pub(super) fn lose(&mut self, failure: Failure, again: Instant, now: Timestamp) {
        let since = self.away.as_ref().map_or(now, |(_, since, _)| *since);
        self.away = Some((failure, since, again));
    }

    /// Obeys a key.
    pub(super) fn press(&mut self, key: KeyPress) -> Choice {
        let page = isize::try_from(self.page.max(1)).unwrap_or(isize::MAX);
        match key {
            KeyPress::Interrupt => return Choice::Leave,
            KeyPress::Suspend => return Choice::Suspend,
            KeyPress::Redraw => return Choice::Redraw,
            KeyPress::Up => self.table.move_by(-1),
            KeyPress::Down => self.table.move_by(1),
            KeyPress::PageUp => self.table.move_by(-page),
            KeyPress::PageDown => self.table.move_by(page),
            KeyPress::Home => self.table.move_to(0),
            KeyPress::End => self.table.move_to(usize::MAX),
            key if self.is_typing => self.typed(key),
            KeyPress::Enter => return self.chosen(),
            KeyPress::Char(' ') => {
                self.table.toggle();
                self.table.move_by(1);
            }
            KeyPress::Char('/') => self.is_typing = true,
            KeyPress::Char('k') => self.table.move_by(-1),
            KeyPress::Char('j') => self.table.move_by(1),
            KeyPress::Char('g') => self.table.move_to(0),
            KeyPress::Char('G') => self.table.move_to(usize::MAX),
            KeyPress::Escape if !self.table.filter().text.is_empty() => {
                self.table.filter_by(|filter| filter.text.clear());
            }
            KeyPress::Escape | KeyPress::Char('q') => return Choice::Leave,
            _ => {}
        }
        Choice::Open
    }

    fn typed(&mut self, key: KeyPress) {
        match key {
            KeyPress::Enter => self.is_typing = false,
            KeyPress::Escape => {
                self.is_typing = false;
                self.table.filter_by(|filter| filter.text.clear());
            }
            key => self.table.filter_by(|filter| filter.edit(key)),
        }
    }

    /// The marked jobs, or the one under the cursor. A mark on a job that has ended meanwhile counts: attach says how it ended.
    fn chosen(&self) -> Choice {
        let marked: Vec<String> = self.table.marked().iter().cloned().collect();
        match self.table.current() {
            _ if !marked.is_empty() => Choice::Jobs(marked),
            Some(job) => Choice::Jobs(vec![job.target.clone()]),
            None => Choice::Open,
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::lists::JobRow;
    use crate::screen::tests::job;

    /// A list of these jobs.
    pub(in crate::pick) fn state(targets: &[&str]) -> PickState {
        let mut state = PickState::new(None);
        let started = |nth: i64| Timestamp::from_second(1_000_000 - nth).unwrap();
        let jobs = (0..).zip(targets);
        let jobs = jobs.map(|(nth, target)| JobRow { started: Some(started(nth)), ..job(target) });
        state.take(JobList { jobs: jobs.collect(), ..JobList::default() }, started(0));
        state
    }

    fn press(state: &mut PickState, keys: &[KeyPress]) -> Choice {
        keys.iter().map(|key| state.press(*key)).last().unwrap()
    }

    fn jobs(names: &[&str]) -> Choice {
        Choice::Jobs(names.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn enter_takes_the_marked_jobs_or_the_one_under_the_cursor() {
        use KeyPress::*;
        let mut one = state(&["jobs/a", "jobs/b", "jobs/c"]);
        assert_eq!(press(&mut one, &[Down, Enter]), jobs(&["jobs/b"]));
        let mut several = state(&["jobs/a", "jobs/b", "jobs/c"]);
        assert_eq!(press(&mut several, &[Char(' '), Down, Char(' '), Enter]), jobs(&["jobs/a", "jobs/c"]));
        assert_eq!(press(&mut several, &[Up, Up, Up, Char(' '), Enter]), jobs(&["jobs/c"]), "a mark goes");
    }

    #[test]
    fn a_text_is_found_and_escape_takes_it_away_before_it_leaves() {
        use KeyPress::*;
        let mut state = state(&["jobs/a", "celery/q", "jobs/c"]);
        assert_eq!(press(&mut state, &[Char('/'), Char('Q'), Enter]), Choice::Open);
        assert_eq!(press(&mut state, &[Enter]), jobs(&["celery/q"]));
        assert_eq!(press(&mut state, &[Escape]), Choice::Open);
        assert_eq!(state.table.shown().len(), 3);
        assert_eq!(press(&mut state, &[Escape]), Choice::Leave);
        assert_eq!(press(&mut state, &[Char('q')]), Choice::Leave);
        assert_eq!(press(&mut state, &[Char('/'), Char('z'), Char('z')]), Choice::Open);
        assert_eq!(press(&mut state, &[Enter, Enter]), Choice::Open, "there is nothing to take");
    }

    #[test]
    fn a_mark_outlives_its_job_and_its_filter() {
        use KeyPress::*;
        let mut state = state(&["jobs/a b;c", "jobs/b"]);
        press(&mut state, &[Char(' ')]);
        state.take(JobList { jobs: vec![job("jobs/b")], ..JobList::default() }, Timestamp::UNIX_EPOCH);
        press(&mut state, &[Char('/'), Char('b'), Enter]);
        assert_eq!(press(&mut state, &[Enter]), jobs(&["jobs/a b;c"]));
    }
}
