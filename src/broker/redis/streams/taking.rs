//! Entries of an answer on their way to the sink.

use super::entry::{Composed, Scratch};
use super::facts::position;
use super::followed::Followed;
use crate::broker::{EntryId, Position, Publication, Sink};
use crate::wire::resp::{EntryHandler, Fields, LongField};

/// An answer to XREAD that is being read.
#[derive(Debug, Default)]
pub(super) struct Answered {
    /// Streams that were asked for, in order, as indices; with the number of entries that came of each.
    pub(super) asked: Vec<(usize, usize)>,
    /// Place in there of the stream whose entries come.
    current: usize,
    /// Streams of which entries came.
    pub(super) active: usize,
    /// Error in place of the answer.
    pub(super) error: Option<String>,
    /// Whether anything came that is no entry of a stream that was asked for.
    pub(super) is_broken: bool,
}

/// Gives entries to the sink.
pub(super) struct Taking<'a> {
    pub(super) streams: &'a mut [Followed],
    pub(super) answered: &'a mut Answered,
    pub(super) sink: &'a mut dyn Sink,
    pub(super) scratch: &'a mut Scratch,
    pub(super) max_payload: usize,
    /// Whether the sink was given anything.
    pub(super) burst: bool,
}

impl Answered {
    /// Begins with no answer to what is asked for next.
    pub(super) fn clear(&mut self) {
        self.asked.clear();
        (self.current, self.active) = (0, 0);
        (self.error, self.is_broken) = (None, false);
    }
}

impl Taking<'_> {
    /// The stream whose entries come, and the position of the next one, which is now read.
    fn next(&mut self, id: &[u8]) -> Option<(usize, Position)> {
        let (Some(position), Some((index, count))) =
            (position(id), self.answered.asked.get_mut(self.answered.current))
        else {
            self.answered.is_broken = true;
            return None;
        };
        *count += 1;
        self.streams[*index].advance(position).then_some((*index, position))
    }
}

impl EntryHandler for Taking<'_> {
    fn stream(&mut self, key: &[u8]) {
        // Answers come in the order of the streams in the command.
        let first = self.answered.current + usize::from(self.answered.active > 0);
        let rest = self.answered.asked.get(first..).unwrap_or_default();
        let place = rest.iter().position(|(index, _)| self.streams[*index].key.as_bytes() == key);
        self.answered.active += 1;
        match place {
            Some(place) => self.answered.current = first + place,
            None => self.answered.current = usize::MAX - 1,
        }
    }

    fn entry(&mut self, id: &[u8], fields: Fields<'_>) {
        let Some((index, position)) = self.next(id) else { return };
        let stream = &self.streams[index];
        let is_history = stream.is_history(position);
        for taker in &stream.takers {
            let subscription = taker.subscription;
            let entry = taker.id.map(|stream| EntryId { stream, position });
            match taker.manner.compose(fields.clone(), self.scratch) {
                Composed::Publication { channel, payload } if payload.len() > self.max_payload => {
                    let head = &payload[..payload.len().min(80)];
                    self.sink.oversized(subscription, channel, head, payload.len() as u64);
                    let fields = fields.clone().map(|(name, value)| (name, value, value.len() as u64));
                    if let Some((channel, payload)) = taker.manner.shortened(fields, self.scratch) {
                        self.sink.publication(Publication {
                            subscription,
                            channel,
                            payload,
                            entry,
                            is_history,
                        });
                    }
                }
                Composed::Publication { channel, payload } => {
                    self.sink.publication(Publication { subscription, channel, payload, entry, is_history });
                }
                Composed::Fault(fault) => self.sink.odd_entry(subscription, &stream.key, entry, fault),
                Composed::Nothing => continue,
            }
            self.burst = true;
        }
    }

    fn long_entry(&mut self, id: &[u8], fields: &[LongField]) {
        let Some((index, position)) = self.next(id) else { return };
        let is_history = self.streams[index].is_history(position);
        let longest = fields.iter().max_by_key(|field| field.len);
        let (head, len) = longest.map(|field| (&field.value[..], field.len)).unwrap_or_default();
        for taker in &self.streams[index].takers {
            let job =
                taker.manner.job_field().and_then(|name| fields.iter().find(|field| field.name == name));
            let channel = taker.manner.channel_of_job(job.map(|field| &field.value[..]));
            let subscription = taker.subscription;
            self.sink.oversized(subscription, &channel, &head[..head.len().min(80)], len);
            let entry = taker.id.map(|stream| EntryId { stream, position });
            let fields = fields.iter().map(LongField::parts);
            if let Some((channel, payload)) = taker.manner.shortened(fields, self.scratch) {
                self.sink.publication(Publication { subscription, channel, payload, entry, is_history });
            }
            self.burst = true;
        }
    }

    fn error(&mut self, text: &[u8]) {
        self.answered.error = Some(String::from_utf8_lossy(text).into_owned());
    }
}

/// Takes nothing but ids.
#[derive(Debug, Default)]
pub(super) struct Ids {
    pub(super) all: Vec<Position>,
    pub(super) error: Option<String>,
}

impl EntryHandler for Ids {
    fn stream(&mut self, _: &[u8]) {}

    fn entry(&mut self, id: &[u8], _: Fields<'_>) {
        self.all.extend(position(id));
    }

    fn long_entry(&mut self, id: &[u8], _: &[LongField]) {
        self.all.extend(position(id));
    }

    fn error(&mut self, text: &[u8]) {
        self.error = Some(String::from_utf8_lossy(text).into_owned());
    }
}
