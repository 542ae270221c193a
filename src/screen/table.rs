//! A table of jobs: which rows are shown, in which order, and which one is under the cursor. Pure.

use std::cmp::{Ordering, Reverse};
use std::collections::BTreeSet;

use jiff::Timestamp;

use super::key::KeyPress;
use super::time::elapsed;
use crate::dialect::JobState;
use crate::lists::JobRow;

/// Order of the rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Order {
    /// By state: running jobs, then queued, then ended ones; of each the newest first.
    #[default]
    State,
    /// By name.
    Name,
    /// By percent, the highest first.
    Percent,
    /// By elapsed time, the longest first.
    Elapsed,
    /// By watchers, the most first.
    Watchers,
    /// By the time of the last event, the newest first.
    Updated,
    /// By start, the newest first.
    Started,
}

impl Order {
    /// Name of the order, as flags and the screen have it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::State => "state",
            Self::Name => "name",
            Self::Percent => "percent",
            Self::Elapsed => "elapsed",
            Self::Watchers => "watchers",
            Self::Updated => "updated",
            Self::Started => "started",
        }
    }

    fn compare(self, a: &JobRow, b: &JobRow, now: Timestamp) -> Ordering {
        match self {
            Self::State => rank(a.state).cmp(&rank(b.state)),
            Self::Name => Ordering::Equal,
            Self::Percent => {
                let percent = |job: &JobRow| job.percent.unwrap_or(-1.0);
                percent(b).total_cmp(&percent(a))
            }
            Self::Elapsed => elapsed(b, now).cmp(&elapsed(a, now)),
            Self::Watchers => b.watchers.cmp(&a.watchers),
            Self::Updated => b.updated.cmp(&a.updated),
            Self::Started => b.started.or(b.updated).cmp(&a.started.or(a.updated)),
        }
    }
}

/// Place of a state among the others: what is at work is what one looks for, then what went wrong.
const fn rank(state: JobState) -> u8 {
    match state {
        JobState::Running => 0,
        JobState::Queued => 1,
        JobState::Failed => 2,
        JobState::Cancelled => 3,
        JobState::Succeeded => 4,
    }
}

/// Filter of the rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct RowFilter {
    /// Part of a name or a message, in small or big letters; empty: all.
    pub(crate) text: String,
    /// States; empty: all.
    pub(crate) states: Vec<JobState>,
    /// Dialect; absent: all.
    pub(crate) dialect: Option<String>,
}

impl RowFilter {
    /// Changes the text, as a key that is typed does.
    pub(crate) fn edit(&mut self, key: KeyPress) {
        /// Longest text to look for, in bytes; what is typed beyond it is not taken.
        const LONGEST: usize = 256;
        match key {
            KeyPress::Char(c) if !c.is_control() && self.text.len() < LONGEST => self.text.push(c),
            KeyPress::Backspace => {
                self.text.pop();
            }
            KeyPress::Erase => self.text.clear(),
            KeyPress::EraseWord => {
                let trimmed = self.text.trim_end();
                let left = trimmed.rfind(' ').map_or(0, |at| at + 1);
                self.text.truncate(left);
            }
            _ => {}
        }
    }

    fn lets(&self, job: &JobRow, text: &str) -> bool {
        let is_wanted = self.states.is_empty() || self.states.contains(&job.state);
        let holds = |part: &str| part.to_lowercase().contains(text);
        is_wanted
            && self.dialect.as_deref().is_none_or(|dialect| dialect == job.dialect())
            && (text.is_empty() || holds(&job.target) || job.message.as_deref().is_some_and(holds))
    }
}

/// The rows, and the ones among them that are shown.
#[derive(Debug, Clone, Default)]
pub(crate) struct JobTable {
    rows: Vec<JobRow>,
    /// Indices of the shown rows, in their order.
    shown: Vec<usize>,
    order: Order,
    is_reversed: bool,
    filter: RowFilter,
    /// Time by which rows were ordered.
    now: Timestamp,
    /// The job under the cursor, once the cursor was moved. Until then the cursor is in the first row, whatever is there.
    held: Option<String>,
    /// Place of the cursor among the shown rows.
    at: usize,
    /// First row on the screen.
    top: usize,
    marked: BTreeSet<String>,
}

impl JobTable {
    /// A table in this order.
    pub(crate) fn new(order: Order, filter: RowFilter) -> Self {
        Self { order, filter, ..Self::default() }
    }

    /// Replaces the rows. The cursor stays on its job; where that has gone, it stays in its place.
    pub(crate) fn replace(&mut self, rows: Vec<JobRow>, now: Timestamp) {
        (self.rows, self.now) = (rows, now);
        self.arrange();
    }

    fn arrange(&mut self) {
        let text = self.filter.text.to_lowercase();
        let lets = |index: &usize| self.filter.lets(&self.rows[*index], &text);
        let mut shown: Vec<usize> = (0..self.rows.len()).filter(lets).collect();
        let (rows, order, now) = (&self.rows, self.order, self.now);
        let compare = |a: &usize, b: &usize| {
            let (a, b) = (&rows[*a], &rows[*b]);
            let by_order = order.compare(a, b, now);
            let by_order = if self.is_reversed { by_order.reverse() } else { by_order };
            let newest = |job: &JobRow| Reverse(job.started);
            let by_name = a.target.cmp(&b.target);
            let by_name = if order == Order::Name && self.is_reversed { by_name.reverse() } else { by_name };
            let by_start = if order == Order::Name { Ordering::Equal } else { newest(a).cmp(&newest(b)) };
            by_order.then(by_start).then(by_name)
        };
        shown.sort_by(compare);
        self.shown = shown;
        let place = self
            .held
            .as_ref()
            .and_then(|held| self.shown.iter().position(|index| self.rows[*index].target == *held));
        match (place, &self.held) {
            (Some(place), _) => self.at = place,
            (None, None) => (self.at, self.top) = (0, 0),
            (None, Some(_)) => self.at = self.at.min(self.shown.len().saturating_sub(1)),
        }
    }

    /// Orders the rows by this; a second time, in reverse.
    pub(crate) fn order_by(&mut self, order: Order) {
        self.is_reversed = self.order == order && !self.is_reversed;
        self.order = order;
        self.arrange();
    }

    /// Turns the order round.
    pub(crate) fn reverse(&mut self) {
        self.is_reversed = !self.is_reversed;
        self.arrange();
    }

    /// Order of the rows, and whether it is turned round.
    pub(crate) const fn order(&self) -> (Order, bool) {
        (self.order, self.is_reversed)
    }

    /// Shows the rows that fit.
    pub(crate) fn filter_by(&mut self, change: impl FnOnce(&mut RowFilter)) {
        change(&mut self.filter);
        self.arrange();
    }

    /// The filter of the rows.
    pub(crate) const fn filter(&self) -> &RowFilter {
        &self.filter
    }

    /// Moves the cursor by so many rows, as far as there are any.
    pub(crate) fn move_by(&mut self, rows: isize) {
        let last = self.shown.len().saturating_sub(1);
        self.move_to(self.at.saturating_add_signed(rows).min(last));
    }

    /// Moves the cursor into this row of those that are shown, or the last one.
    pub(crate) fn move_to(&mut self, row: usize) {
        self.at = row.min(self.shown.len().saturating_sub(1));
        self.held = self.current().map(|job| job.target.clone());
    }

    /// The job under the cursor.
    pub(crate) fn current(&self) -> Option<&JobRow> {
        self.shown.get(self.at).map(|index| &self.rows[*index])
    }

    /// A job of the list, shown or not.
    pub(crate) fn find(&self, target: &str) -> Option<&JobRow> {
        self.rows.iter().find(|job| job.target == target)
    }

    /// Marks the job under the cursor, or takes its mark away.
    pub(crate) fn toggle(&mut self) {
        let Some(target) = self.current().map(|job| job.target.clone()) else { return };
        if !self.marked.remove(&target) {
            self.marked.insert(target);
        }
    }

    /// The marked jobs, whether they are in the list still or not.
    pub(crate) const fn marked(&self) -> &BTreeSet<String> {
        &self.marked
    }

    /// All rows, shown or not, in no order.
    pub(crate) fn rows(&self) -> &[JobRow] {
        &self.rows
    }

    /// The shown rows, in their order.
    pub(crate) fn shown(&self) -> impl ExactSizeIterator<Item = &JobRow> {
        self.shown.iter().map(|index| &self.rows[*index])
    }

    /// Scrolls so that the cursor is on a screen of so many rows, without moving more than it must. Gives the first row.
    pub(crate) fn scroll(&mut self, height: usize) -> usize {
        let last_top = self.shown.len().saturating_sub(height);
        let least = (self.at + 1).saturating_sub(height);
        self.top = self.top.clamp(least, self.at.max(least)).min(last_top);
        self.top
    }

    /// Tells whether the row, counted from the first that is shown, is under the cursor.
    pub(crate) const fn is_under_cursor(&self, row: usize) -> bool {
        self.at == row
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A running job.
    pub(crate) fn job(target: &str) -> JobRow {
        JobRow {
            target: target.to_owned(),
            state: JobState::Running,
            percent: None,
            message: None,
            started: None,
            updated: None,
            watchers: 0,
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn names(table: &JobTable) -> Vec<&str> {
        table.shown().map(|job| job.target.as_str()).collect()
    }

    fn table() -> JobTable {
        let rows = vec![
            JobRow { percent: Some(10.0), started: Some(at(10)), watchers: 3, ..job("jobs/b") },
            JobRow { percent: Some(90.0), started: Some(at(20)), ..job("celery/a") },
            JobRow { state: JobState::Queued, message: Some("Waiting".into()), watchers: 1, ..job("jobs/c") },
            JobRow { state: JobState::Failed, started: Some(at(5)), updated: Some(at(99)), ..job("jobs/a") },
        ];
        let mut table = JobTable::default();
        table.replace(rows, at(100));
        table
    }

    #[test]
    fn rows_are_ordered_by_what_was_asked_for_and_back() {
        let mut table = table();
        for (order, expected) in [
            (Order::State, ["celery/a", "jobs/b", "jobs/c", "jobs/a"]),
            (Order::Name, ["celery/a", "jobs/a", "jobs/b", "jobs/c"]),
            (Order::Percent, ["celery/a", "jobs/b", "jobs/a", "jobs/c"]),
            (Order::Elapsed, ["jobs/a", "jobs/b", "celery/a", "jobs/c"]),
            (Order::Watchers, ["jobs/b", "jobs/c", "celery/a", "jobs/a"]),
            (Order::Updated, ["jobs/a", "celery/a", "jobs/b", "jobs/c"]),
            (Order::Started, ["celery/a", "jobs/b", "jobs/a", "jobs/c"]),
        ] {
            if table.order().0 != order {
                table.order_by(order);
            }
            assert_eq!(names(&table), expected, "{order:?}");
        }
        table.order_by(Order::Name);
        table.order_by(Order::Name);
        assert_eq!(names(&table), ["jobs/c", "jobs/b", "jobs/a", "celery/a"]);
    }

    #[test]
    fn a_filter_looks_at_names_messages_states_and_dialects() {
        let mut table = table();
        table.filter_by(|filter| filter.text = "WAIT".into());
        assert_eq!(names(&table), ["jobs/c"]);
        table
            .filter_by(|filter| *filter = RowFilter { dialect: Some("jobs".into()), ..RowFilter::default() });
        assert_eq!(names(&table), ["jobs/b", "jobs/c", "jobs/a"]);
        table.filter_by(|filter| filter.states = vec![JobState::Failed]);
        assert_eq!(names(&table), ["jobs/a"]);
        table.filter_by(|filter| filter.text = "nothing".into());
        assert_eq!((names(&table).len(), table.current()), (0, None));
        table.move_by(3);
        table.toggle();
        assert!(table.marked().is_empty());
    }

    #[test]
    fn the_cursor_stays_on_its_job_once_it_was_moved() {
        let mut table = table();
        let mut newer = table.rows().to_vec();
        newer.push(JobRow { started: Some(at(50)), ..job("jobs/new") });
        table.replace(newer.clone(), at(100));
        assert_eq!(table.current().unwrap().target, "jobs/new", "nobody chose another");
        table.move_by(1);
        newer.push(JobRow { started: Some(at(60)), ..job("jobs/newer") });
        table.replace(newer.clone(), at(100));
        assert_eq!(table.current().unwrap().target, "celery/a");
        table.toggle();
        newer.retain(|job| job.target != "celery/a");
        table.replace(newer, at(100));
        assert_eq!(table.current().unwrap().target, "jobs/b", "the one that took its place");
        assert!(table.marked().contains("celery/a"));
        table.move_by(isize::MIN);
        assert_eq!(table.current().unwrap().target, "jobs/newer");
        table.move_to(usize::MAX);
        assert_eq!(table.current().unwrap().target, "jobs/a");
    }

    proptest! {
        #[test]
        fn the_cursor_is_always_on_the_screen(
            steps in prop::collection::vec((0..40_usize, -50..50_isize, 1..20_usize), 1..30),
        ) {
            let mut table = JobTable::default();
            for (count, by, height) in steps {
                table.replace((0..count).map(|n| job(&format!("jobs/{n}"))).collect(), at(0));
                table.move_by(by);
                let top = table.scroll(height);
                prop_assert!(top <= table.at && table.at < top + height);
                prop_assert!(count == 0 || table.at < count);
                // No empty rows at the end while there are others above.
                prop_assert!(top == 0 || top + height <= count);
            }
        }
    }
}
