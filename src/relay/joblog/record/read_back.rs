//! How a record and what a store kept of its job become one.
//!
//! After a gap, events may have been missed, so that what a record remembers is a guess: a store may have heard more. Of
//! the two the newer counts, by the time of the last event; an ending is undone only by a run that was seen to open.

use std::sync::Arc;

use super::super::{Incoming, Known, Stamp, decode_stored};
use super::{Kept, Merged, Record, hash_of, held};
use crate::broker::StoredJob;
use crate::dialect::{Decoded, Dialect, Merge, Opens, Outcome};
use crate::wire::Payload;

/// State of a record when a gap was noticed.
#[derive(Debug, Default)]
pub(super) struct Before {
    /// The sequence of the newest event; 0 for none.
    sequence: u64,
    updated: u64,
    began: u64,
    pub(super) ended: Option<Outcome>,
}

/// Effect of reading a job back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::relay::joblog) enum Readback {
    /// No change that a watcher could see.
    Same,
    /// The job's state changed.
    Changed,
    /// The store keeps something that is no event of the dialect.
    NoEvent,
}

impl Record {
    /// A gap was noticed: from here on the record counts as a guess until it is read back.
    pub(in crate::relay::joblog) fn outdate(&mut self, generation: u32) {
        self.generation = generation;
        self.known = Known::Partly;
        (self.opened, self.reopens) = (false, Opens::Never);
        self.before = Before {
            sequence: self.newest.as_ref().map_or(0, |newest| newest.event.sequence),
            updated: self.updated,
            began: self.began,
            ended: self.ended,
        };
        let outdated = self.merged_text().map(std::borrow::Cow::into_owned);
        if let (Some(before), Some(merged)) = (outdated, &mut self.merged) {
            self.bytes = self.bytes + held(before.len()) - merged.bytes();
            *merged = Merged { before, ..Merged::default() };
        }
    }

    /// Adds what a store kept to what this relay saw itself.
    pub(in crate::relay::joblog) fn restore(
        &mut self,
        dialect: &Dialect,
        stored: &StoredJob,
        sequence: u64,
        at: Stamp,
    ) -> Readback {
        let again = std::mem::replace(&mut self.known, Known::Whole) == Known::Whole;
        let was_read = std::mem::replace(&mut self.was_read, true);
        // The first one counts, and of the two the store's is the older, unless it is read again because it had none.
        if let Some(owner) = stored.owner.as_deref().filter(|_| self.owner.is_none() || !again) {
            self.set_owner(owner);
        }
        let ended = stored.ended.as_deref().and_then(Outcome::parse);
        if again || self.opened || self.reopens.after(ended) {
            // Known already, or of a run before.
            return Readback::Same;
        }
        // A state that another system keeps has no time. It is newer than all but the live events since the gap.
        let is_news = dialect.has_foreign_state()
            || stored.updated > self.before.updated
            || (ended.is_some() && self.before.ended.is_none() && stored.updated > self.before.began);
        let Some(state) = stored.state.as_ref().filter(|_| is_news || !was_read) else {
            return Readback::Same;
        };
        // Another relay hears later, or its clock is ahead: the ending that it saw is the one before the run of now.
        let is_old = ended.is_some() && stored.updated <= self.before.updated;
        if is_old && self.run_before == Some(hash_of(state)) {
            return Readback::Same;
        }
        let channel = dialect.channel_of(&self.job);
        let Some(decoded) = decode_stored(dialect, &channel, state) else { return Readback::NoEvent };
        let seen_since =
            self.newest.as_ref().is_some_and(|newest| newest.event.sequence > self.before.sequence);
        let came_late = ended.is_some() && !(seen_since && self.ended.is_some());
        match &self.newest {
            Some(_) if is_news && (came_late || !seen_since) => {
                self.replace(dialect, &decoded, (stored, ended), sequence, at)
            }
            Some(_) => self.lay_over(dialect, &decoded, stored, is_news, sequence),
            None => {
                self.adopt(dialect, &decoded, (stored, ended), sequence, at);
                Readback::Changed
            }
        }
    }

    /// Replaces the record's state by the stored one, which is newer than the state before the gap. Events seen since
    /// the gap, if there were any, came late, behind the stored ending.
    fn replace(
        &mut self,
        dialect: &Dialect,
        decoded: &Decoded<'_>,
        (stored, ended): (&StoredJob, Option<Outcome>),
        sequence: u64,
        at: Stamp,
    ) -> Readback {
        if self.ended == ended && self.is_state(decoded, stored) {
            self.updated = self.updated.max(stored.updated);
            return Readback::Same;
        }
        let opens = decoded.kind.is_some_and(|kind| kind.opens == Opens::Always);
        // An ending that is known and not the stored one is of a run before; so is everything before an opening.
        let kept = if self.ended.is_some() || opens { Vec::new() } else { std::mem::take(&mut self.kept) };
        let (began, first, updated) = (self.began, self.first, self.updated);
        self.forget_run();
        if !kept.is_empty() {
            self.bytes += kept.iter().map(Kept::bytes).sum::<usize>();
            (self.kept, self.began, self.first) = (kept, began, first);
        }
        self.adopt(dialect, decoded, (stored, ended), sequence, at);
        self.updated = self.updated.max(updated);
        Readback::Changed
    }

    /// Whether what is remembered is what the store kept, so that no watcher has to hear of it.
    fn is_state(&mut self, decoded: &Decoded<'_>, stored: &StoredJob) -> bool {
        if let Some(merged) = self.merged_text() {
            return merged == decoded.inner;
        }
        let newest = self.newest.as_ref().map(|newest| newest.event.payload.published());
        newest.is_some_and(|newest| Some(newest) == stored.state.as_deref())
    }

    /// Takes over what the store kept; nothing of the run was known, or only what came before it.
    fn adopt(
        &mut self,
        dialect: &Dialect,
        decoded: &Decoded<'_>,
        (stored, ended): (&StoredJob, Option<Outcome>),
        sequence: u64,
        at: Stamp,
    ) {
        let (began, first) = (self.began, self.first);
        let percent = stored.percent.as_deref().and_then(|text| text.parse().ok());
        let known = self.percent.take().or(percent);
        let incoming = Incoming { payload: Payload::wrapped(decoded.text_parts()), entry: None };
        let change = self.take(dialect, decoded, incoming, sequence, at);
        self.read = dialect.has_foreign_state();
        if self.read && self.newest.as_ref().is_none_or(|newest| newest.event.sequence != sequence) {
            // A remark, but it is all that the other system knows of the job.
            self.keep(Kept { event: change.event, entity: change.entity });
        }
        self.percent = self.percent.take().or(known);
        (self.updated, self.began, self.first) = (stored.updated, began, first);
        self.ended = ended.or(self.ended);
        (self.opened, self.reopens) = (false, Opens::Never);
        self.before = Before::default();
    }

    /// Events were seen since that are newer than what the store kept: that lies beneath them.
    fn lay_over(
        &mut self,
        dialect: &Dialect,
        decoded: &Decoded<'_>,
        stored: &StoredJob,
        is_news: bool,
        sequence: u64,
    ) -> Readback {
        if self.percent.is_none() {
            self.percent = stored.percent.as_deref().and_then(|text| text.parse().ok());
        }
        if !dialect.merges() {
            return Readback::Same;
        }
        let shown = self.merged_text().map(std::borrow::Cow::into_owned);
        let Some(merged) = self.merged.as_mut() else { return Readback::Same };
        // News have everything that was known before the gap.
        let above = if is_news { merged.done.as_str() } else { shown.as_deref().unwrap_or_default() };
        let Merge { object: done, failed } = Dialect::merge(decoded.inner, [above]);
        self.unmerged += failed;
        self.bytes = self.bytes + held(done.len()) - merged.bytes();
        // Without a gap whoever watches has seen all of it, or has yet to be sent the state.
        let is_same = self.before.sequence == 0 || shown.as_deref() == Some(&done);
        *merged = Merged { done, ..Merged::default() };
        match &mut self.newest {
            Some(newest) if !is_same => Arc::make_mut(&mut newest.event).sequence = sequence,
            _ => return Readback::Same,
        }
        Readback::Changed
    }
}
