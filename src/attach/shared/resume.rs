//! Where a shared socket goes on after a break: one cursor for all targets, and for each target whether the cursor speaks
//! of it. Pure.
//!
//! A cursor means that everything of all targets up to it was sent. A relay leaves it out while that is not so: while one
//! target is looked up, no event of the others has a cursor. If the socket is cut then, what was shown since the last
//! cursor comes again, and the target that was looked up is unknown to the cursor. So:
//! - A target that a cursor speaks of goes on with that cursor.
//! - A target that was shown something, and that no cursor speaks of, goes on at the beginning of what is kept. So does a job
//!   that the user was told is watched.
//! - Any other target is watched anew, and its state comes first.
//! - Milestones that were shown behind the cursor are remembered in a [`Trail`]. A repeat is left out, by its place in the
//!   order.
//!
//! Order of calls: [`Resume::opening`] and [`Resume::opened_with`] for each connection; [`Resume::event`], [`Resume::ended`], [`Resume::watching`],
//! [`Resume::cursor`] and [`Resume::gap`] for what comes; [`Resume::overdue`] now and then.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::{Duration, Instant};

use super::trail::{Trail, Verdict};
use crate::attach::job::{When, print_of};
use crate::dialect::Outcome;

/// The cursor of the beginning of what is kept.
const BEGINNING: &str = "0";

/// Time after which an event that may be a repeat is shown all the same.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);

/// Jobs of patterns that are asked for by name after a gap, at most: a connection has a bounded number of targets.
const MAX_ASKED: usize = 500;

/// Something to tell the board.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Item {
    /// An event or a state, as it was published.
    Event {
        /// Its text.
        text: String,
        /// Whether it is the state, or news.
        when: When,
    },
    /// The job has ended.
    Ended(Outcome),
}

/// Items, each with the target that it belongs to.
pub(super) type Items = Vec<(String, Item)>;

/// Targets of one `watch`, and where they go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Group {
    /// Places of the targets.
    pub(super) targets: Vec<usize>,
    /// The cursor to go on from.
    pub(super) since: Option<String>,
}

/// A target.
#[derive(Debug, Default)]
struct Entry {
    name: String,
    /// Nothing more is expected of it.
    over: bool,
    /// How far the relay is with it on this connection.
    asked: Asked,
    /// Where it goes on.
    place: Place,
    /// Whether the target goes on from a cursor, and missed events may still come.
    replaying: bool,
    /// News that the user was told of it, on any connection.
    told: Told,
}

/// News of a target that the user was told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Told {
    #[default]
    Nothing,
    /// The target is watched.
    Watched,
    /// An event or a state of the target was shown.
    Shown,
}

/// Whether a target is watched on this connection.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Asked {
    /// The target is not watched.
    #[default]
    No,
    /// The relay was asked to watch it, and may not have read that.
    Yes,
    /// The relay watches it.
    Confirmed,
}

/// Where a target goes on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
enum Place {
    /// No cursor speaks of it.
    #[default]
    Nowhere,
    /// The cursor of the connection speaks of it.
    Shared,
    /// The relay refused it, when the cursor of the connection was this.
    Own(String),
}

/// The state of all targets of one socket.
#[derive(Debug, Default)]
pub(super) struct Resume {
    entries: Vec<Entry>,
    by_name: HashMap<String, usize>,
    cursor: Option<String>,
    /// By the name that events come under, which for a pattern is the job's.
    trails: BTreeMap<String, Trail>,
    /// Names that were heard of for the first time on this connection, by their state.
    stated: HashSet<String>,
    /// Jobs of patterns that have not ended, by their names.
    alive: HashSet<String>,
}

impl Resume {
    /// Targets by their names, each of which stands here once.
    pub(super) fn new(names: impl IntoIterator<Item = String>) -> Self {
        let entries: Vec<Entry> = names.into_iter().map(|name| Entry { name, ..Entry::default() }).collect();
        let by_name = entries.iter().enumerate().map(|(at, entry)| (entry.name.clone(), at)).collect();
        Self { entries, by_name, ..Self::default() }
    }

    /// The name of a target.
    pub(super) fn name(&self, target: usize) -> &str {
        &self.entries[target].name
    }

    /// The place of a target of that very name.
    pub(super) fn find(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    /// The pattern that a job belongs to.
    pub(super) fn pattern_of(&self, name: &str) -> Option<usize> {
        let (dialect, _) = name.split_once('/')?;
        self.find(&format!("{dialect}/*"))
    }

    /// Whether something of a target was shown.
    pub(super) fn is_heard_of(&self, target: usize) -> bool {
        self.entries[target].told == Told::Shown
    }

    /// Whether the relay has confirmed on this connection that it watches a target.
    pub(super) fn is_confirmed(&self, target: usize) -> bool {
        self.entries[target].asked == Asked::Confirmed
    }

    /// Notes that the user is told that a target is watched: from here on nothing of it may be missed.
    pub(super) fn promise(&mut self, target: usize) {
        let told = &mut self.entries[target].told;
        *told = Told::Watched.max(*told);
    }

    /// Whether nothing more is expected of a target.
    pub(super) fn is_target_over(&self, target: usize) -> bool {
        self.entries[target].over
    }

    /// Whether nothing more is expected of any target.
    pub(super) fn is_over(&self) -> bool {
        self.entries.iter().all(|entry| entry.over)
    }

    /// A new connection begins. Returns what to watch, grouped by where it goes on; first the targets that the cursor of
    /// the connection speaks of. The second are targets to be watched once there is a cursor, with [`Self::again`]: of those
    /// that are `slow` the relay may have to wait for something, and no cursor speaks of the others meanwhile.
    pub(super) fn opening(&mut self, slow: impl Fn(usize) -> bool) -> (Vec<Group>, Vec<usize>) {
        self.stated.clear();
        self.trails.values_mut().for_each(Trail::reconnected);
        let mut groups: Vec<Group> = vec![Group { targets: Vec::new(), since: self.cursor.clone() }];
        let is_open = |entry: &Entry| !entry.over;
        let has_quick = (0..self.entries.len()).any(|at| is_open(&self.entries[at]) && !slow(at));
        let mut later = Vec::new();
        for at in 0..self.entries.len() {
            self.entries[at].asked = Asked::No;
            if self.entries[at].over {
                continue;
            }
            let is_new = self.entries[at].place == Place::Nowhere && self.entries[at].told < Told::Shown;
            if has_quick && is_new && slow(at) {
                later.push(at);
                continue;
            }
            let since = self.ask(at);
            match groups.iter_mut().find(|group| group.since == since) {
                Some(group) => group.targets.push(at),
                None => groups.push(Group { targets: vec![at], since }),
            }
        }
        groups.retain(|group| !group.targets.is_empty());
        (groups, later)
    }

    /// The relay is asked to watch a target. Returns the cursor to go on from.
    fn ask(&mut self, target: usize) -> Option<String> {
        let entry = &mut self.entries[target];
        entry.asked = Asked::Yes;
        let since = match &entry.place {
            Place::Shared => self.cursor.clone(),
            Place::Own(cursor) => Some(cursor.clone()),
            // A pattern has no beginning.
            Place::Nowhere if entry.told >= Told::Watched && !entry.name.ends_with("/*") => {
                Some(BEGINNING.to_owned())
            }
            Place::Nowhere => None,
        };
        entry.replaying = since.is_some();
        if since.is_none() {
            let name = entry.name.clone();
            self.forget_trails(&name);
        }
        since
    }

    /// These targets stand in the request that opened the connection, so all that comes on it speaks of them.
    pub(super) fn opened_with(&mut self, targets: &[usize]) {
        for target in targets {
            self.entries[*target].asked = Asked::Confirmed;
        }
    }

    /// A target is about to be watched once more, on a connection that is open.
    pub(super) fn again(&mut self, target: usize) -> Group {
        let since = self.ask(target);
        Group { targets: vec![target], since }
    }

    /// The relay does not watch a target, or no more. The cursor goes on without it.
    pub(super) fn refused(&mut self, target: usize) {
        let entry = &mut self.entries[target];
        entry.asked = Asked::No;
        if let (Place::Shared, Some(cursor)) = (&entry.place, &self.cursor) {
            entry.place = Place::Own(cursor.clone());
        }
    }

    /// Nothing more is expected of a target.
    pub(super) fn over(&mut self, target: usize) {
        self.entries[target].over = true;
        self.entries[target].asked = Asked::No;
        let name = self.entries[target].name.clone();
        self.forget_trails(&name);
    }

    fn forget_trails(&mut self, name: &str) {
        match name.strip_suffix('*') {
            Some(dialect) if dialect.ends_with('/') => {
                let by_name = &self.by_name;
                self.trails.retain(|job, _| !job.starts_with(dialect) || by_name.contains_key(job));
            }
            _ => drop(self.trails.remove(name)),
        }
    }

    /// Takes an event or a state; nothing comes of a name that is not watched. `is_progress` is asked only where it matters.
    pub(super) fn event(
        &mut self,
        name: &str,
        (text, snapshot): (&str, bool),
        cursor: Option<&str>,
        is_progress: impl FnOnce() -> bool,
        now: Instant,
    ) -> Items {
        let mut out = Vec::new();
        let is_named = self.by_name.contains_key(name);
        let Some(target) = self.find(name).or_else(|| self.pattern_of(name)) else { return out };
        let before = std::mem::replace(&mut self.entries[target].told, Told::Shown);
        let is_known = if is_named {
            before == Told::Shown
        } else {
            let is_known = self.alive.contains(name);
            if !is_known {
                self.alive.insert(name.to_owned());
            }
            is_known
        };
        let is_remembered =
            snapshot || self.trails.contains_key(name) || cursor.is_none() || !self.may_adopt();
        let print = (is_remembered && !is_progress()).then(|| print_of(text));
        if snapshot {
            let when = match (self.stated.contains(name), is_known) {
                (true, _) => When::Opening,
                (false, true) => When::Again,
                (false, false) => When::First,
            };
            if when == When::First {
                self.stated.insert(name.to_owned());
            }
            self.trail(name).begin(print);
            out.push((name.to_owned(), Item::Event { text: text.to_owned(), when }));
            return out;
        }
        match self.trails.get_mut(name).map_or(Verdict::News, |trail| trail.take(print, text, now)) {
            Verdict::Repeat | Verdict::Held => {}
            Verdict::News => {
                let is_behind = cursor.is_none() || !self.may_adopt();
                if let Some(print) = print.filter(|_| is_behind) {
                    self.trail(name).add(print);
                }
                out.push((name.to_owned(), Item::Event { text: text.to_owned(), when: When::Live }));
            }
            Verdict::Full => self.release(name, &mut out),
        }
        if let Some(cursor) = cursor {
            self.cursor(cursor);
        }
        out
    }

    fn trail(&mut self, name: &str) -> &mut Trail {
        self.trails.entry(name.to_owned()).or_default()
    }

    /// A job has ended. While what was missed is still coming, that waits behind it.
    pub(super) fn ended(&mut self, name: &str, outcome: Outcome, now: Instant) -> Items {
        self.alive.remove(name);
        if self.find(name).is_some_and(|target| self.entries[target].replaying) {
            self.trail(name).end(outcome, now);
            return Vec::new();
        }
        vec![(name.to_owned(), Item::Ended(outcome))]
    }

    /// The relay watches these. Returns what has waited for the end of the replays, if this is it.
    pub(super) fn watching<'a>(
        &mut self,
        names: impl Iterator<Item = &'a str>,
        cursor: Option<&str>,
    ) -> Items {
        for name in names {
            let Some(target) = self.find(name) else { continue };
            if self.entries[target].asked == Asked::Yes {
                self.entries[target].asked = Asked::Confirmed;
            }
        }
        let mut out = Vec::new();
        if let Some(cursor) = cursor {
            for name in self.trails.keys().cloned().collect::<Vec<_>>() {
                let target = self.find(&name).or_else(|| self.pattern_of(&name));
                if target.is_none_or(|target| self.entries[target].asked == Asked::Confirmed) {
                    self.release(&name, &mut out);
                    self.trails.remove(&name);
                }
            }
            for entry in self.entries.iter_mut().filter(|entry| entry.asked == Asked::Confirmed) {
                entry.replaying = false;
            }
            self.cursor(cursor);
        }
        out
    }

    /// Whether a cursor that comes now may be gone on from: nothing waits that was not shown yet, and the relay watches
    /// every target that the last cursor speaks of.
    fn may_adopt(&self) -> bool {
        let is_left_out = |entry: &Entry| entry.asked == Asked::Yes && entry.place == Place::Shared;
        !self.trails.values().any(Trail::holds) && !self.entries.iter().any(is_left_out)
    }

    /// The cursor has moved. It speaks of the targets that the relay has confirmed.
    pub(super) fn cursor(&mut self, cursor: &str) {
        if !self.may_adopt() {
            return;
        }
        self.cursor = Some(cursor.to_owned());
        for entry in self.entries.iter_mut().filter(|entry| entry.asked == Asked::Confirmed) {
            entry.place = Place::Shared;
        }
        if !self.trails.is_empty() {
            self.trails.retain(|_, trail| trail.covered());
        }
    }

    /// Events are missing, of one target or of all. The state follows, so nothing that was shown comes again.
    /// Returns jobs of patterns whose state is to be asked for by name, since a pattern brings unfinished ones alone.
    pub(super) fn gap(&mut self, name: Option<&str>, cursor: Option<&str>) -> Vec<String> {
        let affected = |known: &str| name.is_none_or(|name| name == known);
        for entry in self.entries.iter_mut().filter(|entry| affected(&entry.name)) {
            entry.replaying = false;
        }
        match name {
            Some(name) => self.forget_trails(name),
            None => self.trails.clear(),
        }
        self.stated.clear();
        if let Some(cursor) = cursor {
            self.cursor(cursor);
        }
        let of_pattern =
            |job: &&String| self.pattern_of(job).is_some_and(|pattern| affected(&self.entries[pattern].name));
        self.alive.iter().filter(of_pattern).take(MAX_ASKED).cloned().collect()
    }

    /// Shows what has waited for too long.
    pub(super) fn overdue(&mut self, now: Instant) -> Items {
        let mut out = Vec::new();
        let late: Vec<String> = self
            .trails
            .iter()
            .filter(|(_, trail)| {
                trail.waits_since().is_some_and(|since| now.duration_since(since) >= PATIENCE)
            })
            .map(|(name, _)| name.clone())
            .collect();
        for name in late {
            self.release(&name, &mut out);
        }
        out
    }

    /// Hands out what waits: none of it is a repeat.
    fn release(&mut self, name: &str, out: &mut Items) {
        let Some(trail) = self.trails.get_mut(name) else { return };
        let (texts, ended) = trail.release();
        let event = |text| (name.to_owned(), Item::Event { text, when: When::Live });
        out.extend(texts.into_iter().map(event));
        out.extend(ended.map(|outcome| (name.to_owned(), Item::Ended(outcome))));
    }
}

#[cfg(test)]
mod tests;
