//! Write-behind: the records that differ from what the store keeps.

use std::sync::Arc;

use bytes::Bytes;

use super::record::Record;
use super::{JobLog, SWEEP};
use crate::broker::JobToSave;
use crate::dialect::DialectId;

/// Bytes of states, all but the last, that are written behind in one go.
const SAVED_TOGETHER: usize = 4 << 20;

/// Jobs for one round of write-behind.
#[derive(Debug, Default)]
pub(in crate::relay) struct Dirty {
    /// Jobs to write.
    pub save: Vec<JobToSave>,
    /// Jobs to read back before they can be written.
    pub unread: Vec<(DialectId, Arc<str>)>,
    /// Number of states that were lost since the last round: there was no room for them.
    pub lost: u64,
}

impl JobLog {
    /// Marks a record as different from what the store keeps.
    pub(super) fn mark(&mut self, place: u32, urgent: bool) {
        let dialect = self.records[place as usize].as_ref().map(|record| record.dialect);
        if !self.stored || dialect.is_some_and(|id| self.dialects.get(id).has_foreign_state()) {
            return;
        }
        let record = self.record_mut(place);
        let (was_dirty, was_urgent) = (record.dirty, record.urgent);
        record.dirty = true;
        record.urgent |= urgent;
        if urgent && !was_urgent {
            self.urgent.push(place);
        } else if !was_dirty {
            self.dirty.push(place);
            // A place stands here once for each tenant it had, and a store that takes nothing empties no list.
            if self.dirty.len() > 2 * self.records.len() + SWEEP {
                self.dirty.sort_unstable();
                self.dirty.dedup();
            }
        }
    }

    /// Takes up to `most` records to write behind, or fewer where their states are large, since states are copied.
    /// Takes only endings and owners when `urgent`.
    ///
    /// A record of which the store may know more goes to `unread` and not to `save`: writing it would lose what the
    /// store keeps of the run so far. The caller reads such jobs back and then hands them to [`JobLog::put_back`].
    pub(in crate::relay) fn take_dirty(&mut self, urgent: bool, most: usize) -> Dirty {
        let mut out = Dirty { lost: self.leaving.take_lost(), ..Dirty::default() };
        let mut bytes = 0;
        // Nothing but this keeps them.
        while out.save.len() < most
            && bytes < SAVED_TOGETHER
            && let Some((id, job, stored)) = self.leaving.send()
        {
            bytes += stored.state.as_ref().map_or(0, Bytes::len);
            let dialect = Arc::clone(&self.dialects.get(id).name);
            out.save.push(JobToSave { dialect, job, stored });
        }
        while out.save.len() + out.unread.len() < most && bytes < SAVED_TOGETHER {
            let next = self.urgent.pop().or_else(|| if urgent { None } else { self.dirty.pop() });
            let Some(place) = next else { break };
            if self.records[place as usize].is_some() {
                self.outdate(place);
            }
            // A place may stand in both lists, or have a new tenant that is not dirty.
            match self.records[place as usize].as_ref().filter(|record| record.dirty) {
                None => {}
                Some(record) if record.hides_stored_state() => {
                    out.unread.push((record.dialect, Arc::clone(&record.job)));
                }
                Some(_) => {
                    let job = self.change(place, Record::save);
                    bytes += job.stored.state.as_ref().map_or(0, Bytes::len);
                    out.save.push(job);
                }
            }
        }
        out
    }

    /// Puts jobs that were to be read back among those to be written again, behind all others.
    pub(in crate::relay) fn put_back(&mut self, jobs: &[(DialectId, Arc<str>)]) {
        let (mut urgent, mut dirty) = (Vec::new(), Vec::new());
        for (id, job) in jobs {
            let Some(place) = self.index[id.index()].get(job).copied() else { continue };
            match self.record_mut(place) {
                record if record.urgent => urgent.push(place),
                record if record.dirty => dirty.push(place),
                _ => {}
            }
        }
        // The lists are emptied from their ends.
        self.urgent.splice(0..0, urgent);
        self.dirty.splice(0..0, dirty);
    }

    /// Puts jobs that could not be written back among the dirty ones, behind all others, so that a few that the store
    /// refuses for good do not keep the others from being written.
    pub(in crate::relay) fn not_saved<'a>(&mut self, jobs: impl Iterator<Item = &'a JobToSave>) {
        let mut behind = Vec::new();
        for job in jobs {
            let Some(id) = self.dialects.named(&job.dialect).map(|(id, _)| id) else { continue };
            self.leaving.not_saved(id, &job.job);
            if let Some(place) = self.index[id.index()].get(&job.job).copied() {
                let record = self.record_mut(place);
                record.is_saving = false;
                if !std::mem::replace(&mut record.dirty, true) {
                    behind.push(place);
                }
            }
        }
        self.dirty.splice(0..0, behind);
    }

    /// Notes that jobs were written, or that the store refuses them for good.
    pub(in crate::relay) fn saved<'a>(&mut self, jobs: impl Iterator<Item = &'a JobToSave>) {
        for job in jobs {
            let Some(id) = self.dialects.named(&job.dialect).map(|(id, _)| id) else { continue };
            self.leaving.saved(id, &job.job);
            if let Some(place) = self.index[id.index()].get(&job.job).copied() {
                self.record_mut(place).is_saving = false;
            }
        }
    }

    /// Whether endings or owners wait to be written.
    pub(in crate::relay) fn has_urgent(&self) -> bool {
        !self.urgent.is_empty()
    }
}
