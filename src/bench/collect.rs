//! What threads and processes found out, and how it becomes one.

mod subscribing;

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use serde::{Deserialize, Serialize};

use super::account::Tally;
use super::numbers::whole;
use super::summary::{
    CloseCount, Cohort, ConnectTime, Connections, FailureCount, Interval, Reconnect, RoundTrip, Subscribing,
};
use super::timing::Timing;

/// Reasons that are told apart; what comes beyond is counted as one.
const MAX_REASONS: usize = 50;
const VARIOUS: &str = "various other reasons";

/// Intervals that are kept; a longer run merges neighbours.
const MAX_INTERVALS: usize = 7200;

/// What one thread, or one process, saw.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// What became of its connections.
    pub connections: Connections,
    /// How long connecting took.
    pub connect_time: ConnectTime,
    /// What reached them.
    pub cohorts: Vec<Cohort>,
    /// Its round trips.
    pub round_trip: RoundTrip,
    /// Its reconnections.
    pub reconnect: Reconnect,
    /// What came of how they subscribed.
    pub subscribing: Subscribing,
    /// The share of the time that its busiest thread did not wait for the network, 0 to 1.
    pub busy: f64,
    /// The share of the time that one of its threads was ready and got no processor, the most of any.
    pub starved: f64,
    /// CPU of its busiest thread as a share of one core.
    pub busiest_thread_share: f64,
}

impl Part {
    /// Adds another one.
    pub fn merge(&mut self, other: Self) {
        merge_connections(&mut self.connections, other.connections);
        let (mine, theirs) = (&mut self.connect_time, &other.connect_time);
        mine.tcp.merge(&theirs.tcp);
        mine.tls.merge(&theirs.tls);
        mine.upgrade.merge(&theirs.upgrade);
        mine.first_message.merge(&theirs.first_message);
        mine.total.merge(&theirs.total);
        for cohort in other.cohorts {
            match self.cohorts.iter_mut().find(|mine| mine.name == cohort.name) {
                Some(mine) => mine.merge(&cohort),
                None => self.cohorts.push(cohort),
            }
        }
        self.round_trip.sent += other.round_trip.sent;
        self.round_trip.received += other.round_trip.received;
        self.round_trip.lost += other.round_trip.lost;
        self.round_trip.time.merge(&other.round_trip.time);
        self.reconnect.cut += other.reconnect.cut;
        self.reconnect.dropped += other.reconnect.dropped;
        self.reconnect.back += other.reconnect.back;
        self.reconnect.failed += other.reconnect.failed;
        self.subscribing.merge(other.subscribing);
        self.reconnect.resumed += other.reconnect.resumed;
        self.reconnect.unaccounted += other.reconnect.unaccounted;
        self.reconnect.time.merge(&other.reconnect.time);
        let seconds = (self.reconnect.all_back_seconds, other.reconnect.all_back_seconds);
        self.reconnect.all_back_seconds = match seconds {
            (Some(a), Some(b)) => Some(a.max(b)),
            (a, b) => a.or(b),
        };
        self.busy = self.busy.max(other.busy);
        self.starved = self.starved.max(other.starved);
        self.busiest_thread_share = self.busiest_thread_share.max(other.busiest_thread_share);
    }

    /// The cohort of that name, made where it is missing.
    pub fn cohort(&mut self, name: &str) -> &mut Cohort {
        let at = self.cohorts.iter().position(|cohort| cohort.name == name).unwrap_or_else(|| {
            self.cohorts.push(Cohort { name: name.to_owned(), ..Cohort::default() });
            self.cohorts.len() - 1
        });
        &mut self.cohorts[at]
    }
}

fn merge_connections(mine: &mut Connections, other: Connections) {
    mine.wanted += other.wanted;
    mine.attempts += other.attempts;
    mine.opened += other.opened;
    mine.failed += other.failed;
    mine.peak += other.peak;
    mine.open_at_end += other.open_at_end;
    mine.rate += other.rate;
    mine.garbage += other.garbage;
    mine.received_bytes += other.received_bytes;
    for failure in other.failures {
        count_failure(&mut mine.failures, &failure.step, failure.status, &failure.reason, failure.count);
    }
    for close in other.closed_early {
        count_close(&mut mine.closed_early, close.code, &close.reason, close.count);
    }
    mine.failures.sort_by_key(|one| Reverse(one.count));
    mine.closed_early.sort_by_key(|one| Reverse(one.count));
}

/// Counts a failure under its reason.
pub fn count_failure(all: &mut Vec<FailureCount>, step: &str, status: Option<u16>, reason: &str, count: u64) {
    let is_known = |one: &FailureCount| one.step == step && one.status == status && one.reason == reason;
    let new = || FailureCount { step: step.into(), status, reason: reason.into(), count: 0 };
    let (one, is_rest) = place(all, is_known, new);
    one.count += count;
    if is_rest {
        one.reason = VARIOUS.into();
    }
}

/// Counts an early end under its code and reason.
pub fn count_close(all: &mut Vec<CloseCount>, code: Option<u16>, reason: &str, count: u64) {
    let is_known = |one: &CloseCount| one.code == code && one.reason == reason;
    let (one, is_rest) = place(all, is_known, || CloseCount { code, reason: reason.into(), count: 0 });
    one.count += count;
    if is_rest {
        one.reason = VARIOUS.into();
    }
}

/// The one that is known, or a new one; once there are many, the last of them, which then stands for the rest.
fn place<T>(all: &mut Vec<T>, is_known: impl Fn(&T) -> bool, new: impl FnOnce() -> T) -> (&mut T, bool) {
    let found = all.iter().position(is_known);
    let is_rest = found.is_none() && all.len() == MAX_REASONS;
    if found.is_none() && !is_rest {
        all.push(new());
    }
    let at = found.unwrap_or(all.len() - 1);
    (&mut all[at], is_rest)
}

impl Cohort {
    /// Adds the account of a connection that is closed.
    pub fn add(&mut self, tally: &Tally) {
        self.expected += tally.expected;
        self.received += tally.received;
        self.lost += tally.lost;
        self.conflated += tally.conflated;
        self.duplicated += tally.duplicated;
        self.reordered += tally.reordered;
    }

    fn merge(&mut self, other: &Self) {
        self.connections += other.connections;
        self.expected += other.expected;
        self.received += other.received;
        self.lost += other.lost;
        self.conflated += other.conflated;
        self.duplicated += other.duplicated;
        self.reordered += other.reordered;
        self.misrouted += other.misrouted;
        self.delivery.merge(&other.delivery);
    }
}

/// What happened in one second, as far as one thread saw it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Second {
    /// Which second of the run, from 0.
    pub nth: u64,
    /// Connections open at its end; `None` from who has none.
    pub connections: Option<u64>,
    /// Events published.
    pub published: u64,
    /// Deliveries or answers received.
    pub received: u64,
    /// Whatever went wrong.
    pub errors: u64,
    /// What was timed in it.
    pub timed: Option<Timing>,
}

/// The seconds of a run, merged as they come.
#[derive(Debug)]
pub struct Log {
    seconds: BTreeMap<u64, Second>,
    overall: Timing,
    done: Vec<Interval>,
    /// How many seconds an interval has.
    length: u64,
    /// What other processes saw.
    others: Vec<Vec<Interval>>,
}

impl Default for Log {
    fn default() -> Self {
        let (seconds, overall) = (BTreeMap::new(), Timing::new());
        Self { seconds, overall, done: Vec::new(), length: 1, others: Vec::new() }
    }
}

impl Log {
    /// Adds what a thread saw in a second; the threads need not be in step.
    pub fn add(&mut self, second: Second) {
        if let Some(timed) = &second.timed {
            self.overall.merge(timed);
        }
        let mine =
            self.seconds.entry(second.nth).or_insert_with(|| Second { nth: second.nth, ..Second::default() });
        mine.published += second.published;
        mine.received += second.received;
        mine.errors += second.errors;
        if let Some(open) = second.connections {
            *mine.connections.get_or_insert(0) += open;
        }
        match (&mut mine.timed, second.timed) {
            (Some(mine), Some(timed)) => mine.merge(&timed),
            (mine @ None, timed) => *mine = timed,
            (Some(_), None) => {}
        }
    }

    /// Everything timed so far.
    pub fn overall(&self) -> &Timing {
        &self.overall
    }

    /// What was timed in the newest second that is over; seconds well past become intervals, which need less memory.
    pub fn latest(&mut self, now: u64) -> Option<&Timing> {
        while self.seconds.first_key_value().is_some_and(|(nth, _)| nth + 10 < now) {
            if let Some((_, second)) = self.seconds.pop_first() {
                self.done.push(interval(&second));
            }
        }
        if self.done.len() > MAX_INTERVALS {
            self.length *= 2;
            self.done = coarsened(std::mem::take(&mut self.done), self.length);
        }
        self.seconds.range(..now).next_back().and_then(|(_, second)| second.timed.as_ref())
    }

    /// Everything, for another process to make one log of.
    pub fn into_intervals(mut self) -> Vec<Interval> {
        let mut all = std::mem::take(&mut self.done);
        all.extend(self.seconds.values().map(interval));
        all.sort_by(|a, b| a.at_seconds.total_cmp(&b.at_seconds));
        // A second that a thread reported after it had been written out stands there twice.
        let mut once: Vec<Interval> = Vec::with_capacity(all.len());
        for one in all {
            let is_same = |last: &&mut Interval| {
                whole(last.at_seconds) == whole(one.at_seconds)
                    && whole(last.length_seconds) == whole(one.length_seconds)
            };
            match once.last_mut().filter(is_same) {
                Some(last) => add(last, &one),
                None => once.push(one),
            }
        }
        coarsened(once, self.length)
    }

    /// Adds the whole log of another process. Its histograms stay as they are written, which needs little memory.
    pub fn add_log(&mut self, other: Vec<Interval>) {
        self.others.push(other);
    }

    /// The log of the whole run, which `ended` so many seconds after its beginning; `measured` is where in it the measured time
    /// begins and ends, in seconds, if it did.
    pub fn finish(mut self, ended: f64, measured: Option<(f64, f64)>) -> Vec<Interval> {
        let mut logs = std::mem::take(&mut self.others);
        logs.push(self.into_intervals());
        let longest = logs.iter().flatten().map(|one| whole(one.length_seconds)).max().unwrap_or(1);
        let length = longest.next_power_of_two();
        let mut all: BTreeMap<u64, Interval> = BTreeMap::new();
        for one in logs.into_iter().flat_map(|log| coarsened(log, length)) {
            match all.entry(whole(one.at_seconds) / length) {
                Entry::Vacant(free) => drop(free.insert(one)),
                Entry::Occupied(mut taken) => add(taken.get_mut(), &one),
            }
        }
        let mut all: Vec<Interval> = all.into_values().collect();
        if let Some(last) = all.last_mut() {
            // The last second is over when the run is.
            last.length_seconds = (ended - last.at_seconds).clamp(0.001, last.length_seconds);
        }
        for one in &mut all {
            // Most of it, as the measured time begins with a second of the log.
            one.warm_up = measured.is_some_and(|(begin, _)| one.at_seconds + 0.5 < begin);
            one.draining = measured.is_some_and(|(_, end)| one.at_seconds + 0.5 > end);
        }
        all
    }
}

fn interval(second: &Second) -> Interval {
    let timed = second.timed.as_ref().filter(|timed| !timed.is_empty());
    let at = u32::try_from(second.nth).unwrap_or(u32::MAX);
    Interval {
        at_seconds: f64::from(at),
        length_seconds: 1.0,
        warm_up: false,
        draining: false,
        connections: second.connections.unwrap_or(0),
        published: second.published,
        received: second.received,
        errors: second.errors,
        p50_micros: timed.map(|timed| timed.micros_at(50.0)),
        p99_micros: timed.map(|timed| timed.micros_at(99.0)),
        max_micros: timed.map(Timing::max_micros),
        hdr: timed.map(Timing::encode).unwrap_or_default(),
    }
}

/// In intervals of so many seconds, which begin where that divides the time.
fn coarsened(all: Vec<Interval>, length: u64) -> Vec<Interval> {
    let mut coarse: Vec<Interval> = Vec::with_capacity(all.len());
    for one in all {
        let place = |one: &Interval| whole(one.at_seconds) / length;
        match coarse.last_mut().filter(|last| place(last) == place(&one)) {
            Some(last) => {
                let connections = last.connections.max(one.connections);
                add(last, &one);
                last.connections = connections;
            }
            None => coarse.push(one),
        }
    }
    coarse
}

/// Adds what others saw in the same time.
fn add(mine: &mut Interval, other: &Interval) {
    let end = (mine.at_seconds + mine.length_seconds).max(other.at_seconds + other.length_seconds);
    mine.at_seconds = mine.at_seconds.min(other.at_seconds);
    mine.length_seconds = end - mine.at_seconds;
    mine.connections += other.connections;
    mine.published += other.published;
    mine.received += other.received;
    mine.errors += other.errors;
    if other.hdr.is_empty() {
        return;
    }
    let mut timed = Timing::decode(&mine.hdr).unwrap_or_default();
    if let Ok(more) = Timing::decode(&other.hdr) {
        timed.merge(&more);
    }
    mine.p50_micros = Some(timed.micros_at(50.0));
    mine.p99_micros = Some(timed.micros_at(99.0));
    mine.max_micros = Some(timed.max_micros());
    mine.hdr = timed.encode();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(nth: u64, micros: u64) -> Second {
        let timed = Some(Timing::of_micros([micros]));
        Second { nth, connections: Some(5), published: 1, received: 1, errors: 0, timed }
    }

    #[test]
    fn threads_that_are_not_in_step_make_one_log() {
        let mut log = Log::default();
        for nth in 0..30 {
            log.add(second(nth, 100));
            log.latest(nth);
        }
        log.add(second(3, 900));
        assert_eq!(log.overall().count(), 31);
        let intervals = log.finish(29.25, Some((2.0, 28.0)));
        assert_eq!(intervals.len(), 30);
        assert_eq!(intervals.iter().map(|one| one.length_seconds).sum::<f64>().to_string(), "29.25");
        assert_eq!((intervals[3].received, intervals[3].max_micros), (2, Some(900)));
        assert_eq!(intervals[3].connections, 10, "each has its own");
        let marked = |is: fn(&Interval) -> bool| intervals.iter().filter(|one| is(one)).count();
        assert_eq!((marked(|one| one.warm_up), marked(|one| one.draining)), (2, 2));
    }

    #[test]
    fn a_long_run_has_longer_intervals() {
        let seconds: Vec<Interval> = (1..6).map(|nth| interval(&second(nth, 100 * nth))).collect();
        let halved = coarsened(seconds, 2);
        let spans: Vec<(f64, f64)> = halved.iter().map(|one| (one.at_seconds, one.length_seconds)).collect();
        assert_eq!(spans, [(1.0, 1.0), (2.0, 2.0), (4.0, 2.0)]);
        assert_eq!((halved[1].published, halved[1].max_micros, halved[1].connections), (2, Some(300), 5));
    }

    #[test]
    fn logs_of_several_processes_are_one_whatever_their_intervals() {
        let log = |from: u64, to: u64, length| {
            let mut log = Log { length, ..Log::default() };
            (from..to).for_each(|nth| log.add(second(nth, 100 + nth)));
            log
        };
        let mut all = log(0, 8, 1);
        all.add_log(log(1, 8, 2).into_intervals());
        all.add_log(log(3, 5, 1).into_intervals());
        let intervals = all.finish(7.5, None);
        let seen: Vec<(f64, f64, u64, u64)> = intervals
            .iter()
            .map(|one| (one.at_seconds, one.length_seconds, one.connections, one.received))
            .collect();
        let expected = [(0.0, 2.0, 10, 3), (2.0, 2.0, 15, 5), (4.0, 2.0, 15, 5), (6.0, 1.5, 10, 4)];
        assert_eq!(seen, expected);
        assert!(intervals.iter().all(|one| !one.warm_up && !one.draining));
        assert_eq!(intervals[3].max_micros, Some(107));
    }

    #[test]
    fn reasons_are_counted_and_bounded() {
        let mut all = Vec::new();
        for nth in 0..100 {
            count_failure(&mut all, "upgrade", Some(503), &format!("reason {nth}"), 1);
        }
        count_failure(&mut all, "upgrade", Some(503), "reason 0", 1);
        assert_eq!((all.len(), all[0].count), (MAX_REASONS, 2));
        assert_eq!(all.iter().map(|one| one.count).sum::<u64>(), 101);
    }

    #[test]
    fn parts_add_up() {
        let mut part = Part::default();
        part.cohort("healthy").received = 2;
        part.reconnect.all_back_seconds = Some(1.0);
        let mut other = Part::default();
        other.cohort("healthy").received = 3;
        other.cohort("slow").lost = 1;
        count_close(&mut other.connections.closed_early, Some(1013), "slow consumer", 2);
        part.merge(other);
        assert_eq!((part.cohorts[0].received, part.cohorts[1].lost), (5, 1));
        assert_eq!((part.connections.closed_early_count(), part.reconnect.all_back_seconds), (2, Some(1.0)));
    }
}
