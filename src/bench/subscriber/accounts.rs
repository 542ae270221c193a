//! The accounts of a connection, one a target: from its opening to its end, or on from a cursor.

use std::sync::atomic::Ordering;

use super::conn::{Cohort, Stage};
use super::pool::Pool;
use super::{MARGIN, OfJob};
use crate::bench::account::Account;

impl Pool {
    /// A connection has opened: what it must get begins a little later, or where it left off.
    pub(super) fn start_accounts(&mut self, at: usize) {
        if self.conns[at].resumes() {
            self.part.reconnect.resumed += 1;
            self.conns[at].left = None;
            return;
        }
        let start = self.shared.start.load(Ordering::Acquire);
        let plan = &self.shared.plan;
        let from = if start == 0 { 0 } else { plan.first_due_at((self.now + MARGIN).saturating_sub(start)) };
        let from = from.max(plan.measured_from);
        let conn = &mut self.conns[at];
        let left = conn.left.take();
        for slot in 0..self.targets {
            let job = self.shared.aim.nth_job(conn.job, slot);
            let first = plan.nth_from(job, from);
            let missed = left.map_or(0, |left| first.saturating_sub(plan.nth_from(job, left)));
            self.part.reconnect.unaccounted += missed;
            *conn.account_mut(slot) = Account::starting(first);
        }
    }

    /// Lets go of what a connection gets before all of its targets are watched, unless it goes on from a cursor.
    pub(super) fn hold_accounts(&mut self, at: usize) {
        let conn = &mut self.conns[at];
        if !conn.resumes() {
            (0..self.targets).for_each(|slot| *conn.account_mut(slot) = Account::starting(u64::MAX));
        }
    }

    /// A connection is ended from here while the run goes on, to come back: its accounts are closed, or go on where it has a
    /// cursor to resume from.
    pub(super) fn suspend_accounts(&mut self, at: usize) {
        let resumes = self.task.manner.resume && self.conns[at].can_resume();
        if let Some(extra) = &mut self.conns[at].extra {
            extra.resumes = resumes;
        }
        if resumes {
            self.conns[at].left = Some(self.arrived_by_now(self.shared.start.load(Ordering::Acquire)));
        } else {
            self.account_until_now(at);
        }
    }

    /// Keeps the accounts of a connection that the server ended and that comes back: they go on, whether or not it has a cursor, since all that
    /// is published meanwhile is still to reach it.
    pub(super) fn keep_accounts(&mut self, at: usize) {
        let left = self.arrived_by_now(self.shared.start.load(Ordering::Acquire));
        let conn = &mut self.conns[at];
        let has_cursor = conn.can_resume();
        let extra = conn.extra.get_or_insert_default();
        extra.resumes = true;
        // The state comes first where there is no cursor, and may be known already.
        extra.expects_state |= !has_cursor;
        conn.left = Some(left);
    }

    /// Closes the accounts of a connection that ends now, while the run goes on.
    pub(super) fn account_until_now(&mut self, at: usize) {
        let start = self.shared.start.load(Ordering::Acquire);
        let until = self.arrived_by_now(start);
        self.conns[at].left = (start > 0).then(|| until.max(self.shared.plan.measured_from));
        self.close_accounts(at, until);
    }

    /// Closes all accounts that are open in the end, of `published` events. Where the run was cut short, what is under way is
    /// not waited for.
    pub(super) fn close_all_accounts(&mut self, published: u64, is_cut_short: bool) {
        for at in 0..self.conns.len() {
            let conn = &self.conns[at];
            let is_open = conn.stage == Stage::Open;
            let is_away = !is_open && conn.resumes();
            self.part.connections.open_at_end += u64::from(is_open);
            if is_open || is_away || conn.was_dropped {
                let left = conn.left.filter(|_| is_away && is_cut_short);
                self.close_accounts(at, left.map_or(published, |left| published.min(left)));
            }
        }
    }

    /// The first event that may still be under way: what came to nobody yet, or is due for no longer than others took, is not
    /// lost when a connection ends.
    pub(super) fn arrived_by_now(&self, start: u64) -> u64 {
        let under_way = self.longest.saturating_add(MARGIN).saturating_add(start);
        let due =
            if start == 0 { 0 } else { self.shared.plan.first_due_at(self.now.saturating_sub(under_way)) };
        due.min(self.newest)
    }

    /// Every event before `until` was due.
    fn close_accounts(&mut self, at: usize, until: u64) {
        let conn = &mut self.conns[at];
        for slot in 0..self.targets {
            let job = self.shared.aim.nth_job(conn.job, slot);
            let course = OfJob { shared: &self.shared, job };
            let account = std::mem::take(conn.account_mut(slot));
            let tally = account.close(self.shared.plan.nth_from(job, until), &course);
            // What a connection never reads nobody can count.
            if conn.cohort != Cohort::Stalled {
                self.part.cohort(conn.cohort.as_str()).add(&tally);
            }
        }
    }
}
