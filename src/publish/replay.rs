//! Recordings, played again (`--replay`): the lines of `attach --record` become events, with the times between them.
//!
//! A [`Replay`] decides without a clock and without input. [`Replay::line`] is called for each line, in order.

mod entry;
mod error;
mod lines;
mod order;
mod repeats;
mod source;
mod survey;
mod tally;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use self::entry::{Entry, Other, RecordedEvent};
use self::lines::{LineCutter, RecordLine};
use self::order::Schedule;
use self::repeats::Repeats;
use crate::dialect::{Dialect, Dialects, Recorded, RecordedError, Source, Target, WholeError};
use crate::emit::{Content, Outgoing};

pub(crate) use self::error::ReplayError;
pub(super) use self::source::ReplaySource;
pub(crate) use self::survey::{ReplaySteps, Survey, survey};
pub(crate) use self::tally::ReplayTally;

/// Longest time from the first event to another: ten years.
const LONGEST: Duration = Duration::from_hours(10 * 366 * 24);

/// How fast a recording is played.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Speed {
    /// So many times as fast as it was recorded; positive and finite.
    Times(f64),
    /// Without pauses.
    Max,
}

/// Settings of a replay.
#[derive(Debug, Clone)]
pub(crate) struct ReplayOptions {
    /// Dialects of the targets.
    pub dialects: Dialects,
    /// Pace of the events.
    pub speed: Speed,
    /// Job or channel that takes the place of the recorded one (`--as`).
    pub renamed: Option<Place>,
    /// Whether events go to streams.
    pub is_durable: bool,
    /// Lines whose times are out of order, by their numbers; `None` where the recording comes through a pipe and was not read before.
    pub misplaced: Option<Arc<BTreeMap<u64, ReplayError>>>,
}

/// A job, or a channel of a dialect with channels.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// Dialect of the job or channel.
    pub dialect: Arc<Dialect>,
    /// The job's id, or the channel's name.
    pub job: String,
}

/// An event of a recording.
#[derive(Debug)]
pub(crate) struct ReplayStep {
    /// Number of its line.
    pub line: u64,
    /// Time after the first event at which this one is due; `None` at the speed `max`.
    pub at: Option<Duration>,
    /// The event.
    pub event: Outgoing,
}

/// An event of a recording, or the number of a line that is not published and its error.
type Played = Result<ReplayStep, (u64, ReplayError)>;

/// Result of [`Replay::take`].
enum Taken {
    /// No whole line with an event yet.
    Nothing,
    Step(Played),
    /// The recording has ended.
    End,
}

/// A recording that is being played.
#[derive(Debug)]
pub(crate) struct Replay {
    options: ReplayOptions,
    repeats: Repeats,
    schedule: Schedule,
    /// The recorded target that `--as` renames; it is the first one with an event.
    first: Option<String>,
    tally: Arc<Mutex<ReplayTally>>,
    /// Text of the newest event's target, and the parsed target.
    newest: Option<(String, Parsed)>,
}

/// Target of a line.
#[derive(Debug, Clone)]
enum Parsed {
    At(Place),
    /// A room, or several channels and rooms. The event may belong to any of them.
    Rooms(Arc<Dialect>, Option<String>),
}

impl Place {
    /// The target, as users write it.
    fn name(&self) -> String {
        match &self.dialect.channels {
            Some(_) => format!("channel:{}", self.job),
            None => format!("{}/{}", self.dialect.name, self.job),
        }
    }
}

impl Replay {
    /// A replay of a recording from its first line on.
    pub(crate) fn new(options: ReplayOptions) -> Self {
        let schedule = Schedule::new(options.speed);
        let (repeats, first, newest) = (Repeats::default(), None, None);
        Self { options, repeats, schedule, first, tally: Arc::default(), newest }
    }

    /// The counts. They grow while the recording is played.
    pub(super) fn tally(&self) -> Arc<Mutex<ReplayTally>> {
        Arc::clone(&self.tally)
    }

    /// Takes bytes of the recording; an empty slice is its end. Returns the number of used bytes and their result.
    fn take(&mut self, cutter: &mut LineCutter, bytes: &[u8]) -> (usize, Taken) {
        let (used, is_ended) = cutter.take(bytes);
        let is_end = bytes.is_empty();
        let is_whole = is_ended || (is_end && cutter.has_rest());
        if !is_whole {
            return (used, if is_end { Taken::End } else { Taken::Nothing });
        }
        let line = cutter.line(is_ended);
        let number = line.number;
        let taken = match self.line(&line) {
            Ok(None) => Taken::Nothing,
            Ok(Some(step)) => Taken::Step(Ok(step)),
            Err(error) => {
                self.count(|tally| tally.refused(number, &error));
                Taken::Step(Err((number, error)))
            }
        };
        cutter.clear();
        (used, taken)
    }

    /// The event of a line; `None` where the line is no event, or a state that repeats earlier ones.
    fn line(&mut self, line: &RecordLine<'_>) -> Result<Option<ReplayStep>, ReplayError> {
        let bytes = line.bytes.ok_or(ReplayError::TooLong)?;
        match entry::read(bytes, line.number == 1, line.is_ended)? {
            Entry::Blank => Ok(None),
            Entry::Event(event) => self.event(&event, line.number),
            Entry::Other { target, at, what } => {
                if let Some(at) = at {
                    // No event is due then. The time still tells which other times are wrong.
                    let _ = self.observe(line.number, at);
                }
                if let Some(target) = target.filter(|_| what == Other::Connected) {
                    self.repeats.connected(&target);
                }
                self.count(|tally| *tally.others.entry(what.name()).or_default() += 1);
                Ok(None)
            }
        }
    }

    fn event(&mut self, recorded: &RecordedEvent<'_>, line: u64) -> Result<Option<ReplayStep>, ReplayError> {
        let RecordedEvent { target, at, text, is_state } = recorded;
        let order = self.observe(line, *at);
        let parsed = self.target(target)?;
        let parsed_job = if let Parsed::At(place) = &parsed { Some(place.job.clone()) } else { None };
        let (place, payload, inner) = match parsed {
            Parsed::At(place) if place.dialect.channels.is_none() => self.of_job(target, place, text)?,
            parsed => {
                let place = self.of_channel(target, parsed, text)?;
                (place, Cow::Borrowed(&**text), None)
            }
        };
        order?;
        let at = self.schedule.due(*at, self.options.misplaced.is_none());
        if self.repeats.is_repeat(target, text, *is_state, inner) {
            self.count(|tally| tally.repeats += 1);
            return Ok(None);
        }
        let payload = payload.into_owned();
        let is_new = self.count(|tally| tally.is_new(&place));
        if *is_state && is_new && parsed_job.is_some_and(|job| place.dialect.is_of_unknown_job(text, &job)) {
            self.count(|tally| tally.placeholders += 1);
            return Ok(None);
        }
        self.count(|tally| tally.played(&place));
        let Place { dialect, job } = place;
        Ok(Some(ReplayStep { line, at, event: Outgoing { dialect, job, content: Content::Whole(payload) } }))
    }

    /// Takes the time of a line. The error says that the line is out of order.
    fn observe(&mut self, line: u64, at: Timestamp) -> Result<(), ReplayError> {
        match &self.options.misplaced {
            Some(misplaced) => misplaced.get(&line).cloned().map_or(Ok(()), Err),
            None => self.schedule.observe(line, at),
        }
    }

    /// Place that a job's event is published to, its payload, and the object that states are merged from.
    fn of_job<'a>(
        &mut self,
        target: &str,
        place: Place,
        text: &'a str,
    ) -> Result<(Place, Cow<'a, str>, Option<&'a str>), ReplayError> {
        self.check_dialect(&place.dialect)?;
        let payload = place.dialect.unwrapped(text);
        let recorded = place.dialect.recorded(payload, &place.job);
        if !recorded.as_ref().is_ok_and(Recorded::is_sure)
            && let Some(event) = self.other_dialect(&place.dialect, payload)
        {
            return Err(ReplayError::OtherDialect { event, target: place.dialect.name.to_string() });
        }
        let recorded = recorded?;
        let inner = place.dialect.merges().then_some(recorded.inner());
        Ok(match self.renamed(target, &place.dialect)? {
            None => (place, Cow::Borrowed(payload), inner),
            Some(new) => {
                let id = new.dialect.job_value(&new.job).to_string();
                (new, recorded.with_job(&id), inner)
            }
        })
    }

    /// The channel that an event of a channel or a room goes to.
    fn of_channel(&mut self, target: &str, parsed: Parsed, text: &str) -> Result<Place, ReplayError> {
        let (Parsed::At(Place { dialect, .. }) | Parsed::Rooms(dialect, _)) = &parsed;
        let (kind, _) = dialect.kind_and_rooms(text);
        let is_known = dialect.channels.as_ref().is_some_and(|channels| channels.of_kind(&kind).is_some());
        if let Some(event) = self.other_dialect(dialect, text).filter(|_| !is_known) {
            return Err(ReplayError::OtherDialect { event, target: dialect.name.to_string() });
        }
        match parsed {
            Parsed::At(place) => {
                place.dialect.check_recorded(text, &place.job)?;
                Ok(self.renamed(target, &place.dialect)?.unwrap_or(place))
            }
            Parsed::Rooms(dialect, room) => {
                let job = dialect.channel_of_room(text, room.as_deref());
                let renamed = self.renamed(target, &dialect)?;
                match (job, renamed) {
                    (Ok(_) | Err(RecordedError::NoChannel(_)), Some(place)) => Ok(place),
                    (job, _) => Ok(Place { job: job?, dialect }),
                }
            }
        }
    }

    fn count<T>(&self, count: impl FnOnce(&mut ReplayTally) -> T) -> T {
        count(&mut self.tally.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The target of a line, in the forms in which recordings and `--progress json` write it.
    fn target(&mut self, text: &str) -> Result<Parsed, ReplayError> {
        if let Some((_, parsed)) = self.newest.as_ref().filter(|(newest, _)| newest == text) {
            return Ok(parsed.clone());
        }
        let dialects = &self.options.dialects;
        let is_of_channels = text.starts_with("channel:") || text.starts_with("room:");
        if !is_of_channels && !text.contains('/') {
            let text = text.escape_debug();
            return Err(ReplayError::Target(format!("'{text}' names no dialect, as scraping/123 does")));
        }
        let parsed = match Target::parse(text, dialects, None) {
            // A socket of several channels and rooms is one target of `--progress json`.
            _ if is_of_channels && (text.contains(" channel:") || text.contains(" room:")) => None,
            Err(error) => return Err(ReplayError::Target(error.to_string())),
            Ok(Target::Job { dialect, job } | Target::Url { dialect, job: Some(job), .. }) => {
                Some(Parsed::At(Place { dialect, job }))
            }
            Ok(Target::Channel { dialect, name }) => {
                Some(Parsed::At(Place { dialect, job: name.to_string() }))
            }
            Ok(Target::Room { dialect, room }) => Some(Parsed::Rooms(dialect, Some(room))),
            Ok(Target::Url { dialect, job: None, .. }) if dialect.channels.is_some() => None,
            Ok(Target::Every { .. } | Target::Url { .. }) => {
                let text = text.escape_debug();
                return Err(ReplayError::Target(format!("'{text}' does not say which job it is")));
            }
        };
        let parsed = match (parsed, dialects.with_channels()) {
            (Some(parsed), _) => parsed,
            (None, Some((_, dialect))) => Parsed::Rooms(Arc::clone(dialect), None),
            (None, None) => return Err(ReplayError::Target("no dialect that is on has channels".to_owned())),
        };
        self.newest = Some((text.to_owned(), parsed.clone()));
        Ok(parsed)
    }

    /// Refuses events that another program alone can publish.
    fn check_dialect(&self, dialect: &Dialect) -> Result<(), ReplayError> {
        match &dialect.publisher {
            Some(publisher) if matches!(dialect.source, Source::Queues { .. }) => {
                Err(ReplayError::Foreign { publisher: publisher.clone(), dialect: dialect.name.to_string() })
            }
            Some(_) if self.options.is_durable => Err(ReplayError::NotDurable(dialect.name.to_string())),
            _ => Ok(()),
        }
    }

    /// Another dialect whose event a payload is by all that it says, where it does not name a job of `own`.
    fn other_dialect(&self, own: &Dialect, payload: &str) -> Option<String> {
        let is_event = |dialect: &Dialect| match dialect.check_whole(payload, None) {
            Ok(_) => true,
            // A dialect with channels knows an event by its type.
            Err(WholeError::Field(_)) => dialect.channels.is_some(),
            Err(_) => false,
        };
        let others = self.options.dialects.iter().map(|(_, dialect)| dialect);
        let mut others = others.filter(|dialect| dialect.name != own.name);
        others.find(|dialect| is_event(dialect)).map(|dialect| dialect.name.to_string())
    }

    /// Place that `--as` names for a target; `None` without `--as`.
    fn renamed(&mut self, target: &str, dialect: &Dialect) -> Result<Option<Place>, ReplayError> {
        let Some(renamed) = &self.options.renamed else { return Ok(None) };
        if renamed.dialect.name != dialect.name {
            let example = Place { dialect: Arc::new(dialect.clone()), job: renamed.job.clone() };
            let example =
                Some(example.name()).filter(|name| Target::parse(name, &self.options.dialects, None).is_ok());
            let example = example.unwrap_or_else(|| shown(target));
            return Err(ReplayError::OtherThanAs { line: shown(target), renamed: renamed.name(), example });
        }
        let first = self.first.get_or_insert_with(|| target.to_owned());
        if *first != target {
            return Err(ReplayError::Several { first: shown(first), line: shown(target) });
        }
        Ok(Some(renamed.clone()))
    }
}

/// A target, safe to print.
fn shown(target: &str) -> String {
    target.escape_debug().to_string()
}

#[cfg(test)]
mod tests;
