//! Lines of a recording whose times are out of order; pure.
//!
//! [`misplaced`] knows the times of a whole recording and finds the fewest lines to leave out. [`Schedule`] knows the lines up to the
//! newest one only.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use jiff::Timestamp;

use super::{LONGEST, ReplayError, Speed};

/// Longest pause for which one event alone, the first or the last, may stand apart from all others.
const FAR: Duration = Duration::from_hours(24);

/// Time of a line.
#[derive(Debug, Clone, Copy)]
pub(super) struct LineTime {
    pub(super) line: u64,
    pub(super) at: Timestamp,
    pub(super) is_event: bool,
}

impl LineTime {
    fn is_far_before(&self, later: Timestamp) -> bool {
        passed(self.at, later) > FAR
    }
}

/// Time from one point to another; zero where it goes back.
fn passed(from: Timestamp, to: Timestamp) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or_default()
}

/// The lines to leave out so that no time goes back, as few as possible, and why. A first or last event that is more than
/// [`FAR`] from its neighbour is left out too.
pub(super) fn misplaced(times: &[LineTime]) -> BTreeMap<u64, ReplayError> {
    let mut kept = longest_in_order(times);
    let mut found = BTreeMap::new();
    if let [.., before, last] = kept[..]
        && times[last].is_event
        && times[before].is_far_before(times[last].at)
    {
        kept.pop();
        found.insert(times[last].line, ReplayError::FarFrom(times[before].line));
    }
    if let [first, second, _, ..] = kept[..]
        && times[first].is_event
        && times[first].is_far_before(times[second].at)
    {
        kept.remove(0);
        found.insert(times[first].line, ReplayError::FarFrom(times[second].line));
    }
    let mut kept = kept.into_iter().peekable();
    let mut before: Option<LineTime> = None;
    for (index, time) in times.iter().enumerate() {
        if kept.next_if_eq(&index).is_some() {
            before = Some(*time);
        } else if let Some(before) = before.filter(|before| before.at > time.at) {
            found.entry(time.line).or_insert(ReplayError::Backwards(before.line));
        } else if let Some(next) = kept.peek() {
            found.entry(time.line).or_insert(ReplayError::Ahead(times[*next].line));
        }
    }
    found
}

/// Indexes of the longest part of the times, gaps allowed, that never goes back.
fn longest_in_order(times: &[LineTime]) -> Vec<usize> {
    // Of each length the part that ends earliest, by its last index.
    let mut ends: Vec<usize> = Vec::new();
    let mut before: Vec<Option<usize>> = Vec::with_capacity(times.len());
    for (index, time) in times.iter().enumerate() {
        let length = ends.partition_point(|end| times[*end].at <= time.at);
        before.push(length.checked_sub(1).map(|shorter| ends[shorter]));
        if length == ends.len() {
            ends.push(index);
        } else {
            ends[length] = index;
        }
    }
    let mut part: Vec<usize> = std::iter::successors(ends.last().copied(), |index| before[*index]).collect();
    part.reverse();
    part
}

/// Times of the events of a recording that is read line by line.
#[derive(Debug)]
pub(super) struct Schedule {
    speed: Speed,
    /// Time that is the beginning.
    first: Option<Timestamp>,
    /// The beginning before a pause of more than [`FAR`] was taken out.
    unshifted: Option<Timestamp>,
    /// The line before the newest.
    before: Option<LineTime>,
    newest: Option<LineTime>,
    /// Time of the line that was refused just before.
    refused: Option<Timestamp>,
    count: u64,
    /// Events, told already, that turned out to be out of order.
    pub(super) outliers: VecDeque<(u64, ReplayError)>,
}

impl Schedule {
    pub(super) const fn new(speed: Speed) -> Self {
        let (before, newest, refused) = (None, None, None);
        let outliers = VecDeque::new();
        Self { speed, first: None, unshifted: None, before, newest, refused, count: 0, outliers }
    }

    /// Whether a pause of more than [`FAR`] was taken out before the newest event.
    pub(super) const fn is_far(&self) -> bool {
        self.unshifted.is_some()
    }

    /// Takes the time of a line. The error says that the line is out of order. Where the line before it is, that one is added to
    /// the outliers.
    pub(super) fn observe(&mut self, line: u64, at: Timestamp) -> Result<(), ReplayError> {
        let time = LineTime { line, at, is_event: false };
        let Some(newest) = self.newest else {
            self.accept(time);
            return Ok(());
        };
        if at >= newest.at {
            if let Some(first) = self.before.filter(|first| self.count == 2 && first.is_event)
                && first.is_far_before(newest.at)
            {
                self.outliers.push_back((first.line, ReplayError::FarFrom(newest.line)));
            }
            self.before = Some(newest);
            self.accept(time);
            return Ok(());
        }
        if self.before.is_none_or(|before| at < before.at) {
            let is_second = self.refused.is_some_and(|refused| refused <= at);
            if self.count == 1 && newest.is_event {
                // Of two lines either may be wrong. The second one goes on, without a pause.
                self.outliers.push_back((newest.line, ReplayError::Ahead(line)));
            } else if !is_second {
                self.refused = Some(at);
                return Err(ReplayError::Backwards(newest.line));
            }
            // From here on the times are others.
            if let Some(first) = self.first {
                self.first = at.checked_sub(newest.at.duration_since(first)).ok();
            }
            self.before = None;
        } else {
            if newest.is_event {
                self.outliers.push_back((newest.line, ReplayError::Ahead(line)));
            }
            self.first = self.unshifted.take().or(self.first);
        }
        self.accept(time);
        Ok(())
    }

    fn accept(&mut self, time: LineTime) {
        (self.newest, self.refused) = (Some(time), None);
        self.count += 1;
    }

    /// When an event is due after the first one. With `is_pipe`, a pause of more than [`FAR`] is left out.
    pub(super) fn due(&mut self, at: Timestamp, is_pipe: bool) -> Option<Duration> {
        if let Some(newest) = &mut self.newest {
            newest.is_event = true;
        }
        let first = *self.first.get_or_insert(at);
        self.unshifted = None;
        let mut start = first;
        if let Some(before) = self.before.filter(|before| is_pipe && before.is_far_before(at)) {
            start = first.checked_add(at.duration_since(before.at)).unwrap_or(first);
            (self.first, self.unshifted) = (Some(start), Some(first));
        }
        match self.speed {
            Speed::Max => None,
            Speed::Times(times) => {
                let due = passed(start, at).as_secs_f64() / times;
                Some(Duration::try_from_secs_f64(due).unwrap_or(LONGEST).min(LONGEST))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers of the lines left out, with the times in seconds of events.
    fn left_out(seconds: &[i64]) -> Vec<u64> {
        let time = |(nth, second): (usize, &i64)| LineTime {
            line: nth as u64 + 1,
            at: Timestamp::from_second(*second).unwrap(),
            is_event: true,
        };
        let times: Vec<LineTime> = seconds.iter().enumerate().map(time).collect();
        misplaced(&times).into_keys().collect()
    }

    #[test]
    fn the_fewest_lines_are_left_out() {
        const YEARS: i64 = 300_000_000;
        for (seconds, expected) in [
            (&[][..], &[][..]),
            (&[5], &[]),
            (&[1, 2, 2, 3], &[]),
            (&[1, 2, YEARS, 3, 4], &[3]),
            (&[1, 2, 9, 3, 4], &[3]),
            (&[YEARS, 1, 2, 3], &[1]),
            (&[YEARS, YEARS + 1, 1, YEARS + 2], &[3]),
            (&[1, YEARS, YEARS + 1, YEARS + 2], &[1]),
            (&[1, 2, 3, YEARS], &[4]),
            (&[1, YEARS, YEARS, 2, 3, 4], &[2, 3]),
            // A pause of years is one, if both sides have lines.
            (&[1, 2, YEARS, YEARS + 1], &[]),
        ] {
            assert_eq!(left_out(seconds), expected, "{seconds:?}");
        }
    }
}
