//! Entries that are read again, in pages, by a connection of their own.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use tokio::sync::Mutex as AsyncMutex;

use super::super::connect::{Connector, Node, Use};
use super::super::failure::Failure;
use super::entry::{Composed, Manner, Scratch};
use super::facts::{self, Fate, Place, Told};
use super::pipe::Pipe;
use super::portion::Portion;
use super::registry::{Known, Registry};
use crate::broker::{BoxFuture, BrokerError, Entry, History, Page, Position, StreamId};
use crate::wire::resp::{Answer, EntryHandler, Fields, LongField};

/// Bytes that the entries of a page have at most, where there is more than one.
const PAGE: usize = 4 * 1024 * 1024;

/// Bytes that all pages in memory have at most, and how many they are.
const CACHE: usize = 16 * 1024 * 1024;
const PAGES: usize = 32;

/// Bytes that an entry is thought to cost beside its own.
const OVERHEAD: usize = size_of::<Entry>() + 32;

/// Reads pages of streams that are followed. One is read at a time, and the last ones stay in memory: whoever asked for the
/// same while it was read gets it from there.
pub(crate) struct Pages {
    connector: Connector,
    registry: Registry,
    max_payload: usize,
    connections: AsyncMutex<Connections>,
    cache: Mutex<Cache>,
}

/// Connections on which pages are read, one a node.
struct Connections {
    pipes: Vec<(Node, Pipe)>,
    portion: Portion,
}

/// The last pages that were read, the newest last.
#[derive(Debug, Default)]
struct Cache {
    pages: VecDeque<Cached>,
    bytes: usize,
    /// Holes in all streams, when the pages were read.
    holes: u64,
}

#[derive(Debug)]
struct Cached {
    stream: StreamId,
    /// Position behind which its entries are.
    after: Position,
    page: Page,
    bytes: usize,
}

impl Pages {
    pub(in crate::broker::redis) fn new(connector: Connector, max_payload: usize) -> Self {
        Self {
            connector,
            registry: Registry::default(),
            max_payload,
            connections: AsyncMutex::new(Connections {
                pipes: Vec::new(),
                portion: Portion::new(PAGE as u64),
            }),
            cache: Mutex::default(),
        }
    }

    pub(in crate::broker::redis) fn set_max_payload(&mut self, bytes: usize) {
        self.max_payload = bytes;
    }

    /// Streams of which pages can be read.
    pub(super) fn registry(&self) -> &Registry {
        &self.registry
    }

    fn cache(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A page from memory.
    fn remembered(&self, stream: StreamId, after: Position, most: usize) -> Option<Page> {
        let newest = self.registry.get(stream)?.newest;
        self.cache().get(stream, after, most, newest, self.registry.holes())
    }

    async fn read(&self, stream: StreamId, after: Position, most: usize) -> Result<Page, BrokerError> {
        if let Some(page) = self.remembered(stream, after, most) {
            return Ok(page);
        }
        let mut connections = self.connections.lock().await;
        // Somebody else may have read it meanwhile.
        if let Some(page) = self.remembered(stream, after, most) {
            return Ok(page);
        }
        let Some(known) = self.registry.get(stream) else { return Ok(Page::default()) };
        let holes = self.registry.holes();
        let read = self.fetch(&mut connections, &known, after, most).await;
        let (page, bytes) = read.map_err(|failure| failure.at(&self.connector.address))?;
        self.cache().put(Cached { stream, after, page: page.clone(), bytes }, holes);
        Ok(page)
    }

    /// Reads a page: a second time where the connection had ended before, and with fewer entries as long as each new one ends
    /// before its answer is whole.
    async fn fetch(
        &self,
        connections: &mut Connections,
        known: &Known,
        after: Position,
        most: usize,
    ) -> Result<(Page, usize), Failure> {
        let Connections { pipes, portion } = connections;
        let node = self.connector.node_of(known.key.as_bytes()).await;
        let mut open = pipes.iter().position(|(of, _)| *of == node).map(|at| pipes.swap_remove(at).1);
        loop {
            let is_new = open.is_none();
            let mut pipe = if let Some(pipe) = open.take() {
                pipe
            } else {
                let stream = self.connector.connect_to(&node, Use::Commands).await?;
                Pipe::new(stream, self.max_payload)
            };
            match self.ask(&mut pipe, known, after, most, portion).await {
                Ok(found) => {
                    pipes.push((node, pipe));
                    return Ok(found);
                }
                Err(failure @ Failure::Refused(_)) => return Err(failure),
                // The connection had ended before.
                Err(_) if !is_new => {}
                Err(Failure::Unreachable(_)) if portion.halve(Instant::now()).is_some() => {}
                Err(failure) => return Err(failure),
            }
        }
    }

    async fn ask(
        &self,
        pipe: &mut Pipe,
        known: &Known,
        after: Position,
        most: usize,
        portion: &mut Portion,
    ) -> Result<(Page, usize), Failure> {
        let (key, from) = (known.key.as_bytes(), facts::behind(after).to_string());
        let count = portion.count().min(most.max(1) as u64).to_string();
        pipe.command(&[b"XINFO", b"STREAM", key]);
        pipe.command(&[b"XRANGE", key, from.as_bytes(), b"+", b"COUNT", count.as_bytes()]);
        portion.asked();
        pipe.send().await?;
        let mut told = Told::default();
        pipe.answer(Answer::Facts, &mut told).await?;
        let (mut page, before) = (Building::new(known, self.max_payload), pipe.taken());
        pipe.answer(Answer::Range, &mut page).await?;
        portion.learn(pipe.taken() - before, page.answered, 1, Instant::now());
        pipe.tidy();
        let facts = told.facts()?;
        if let Some(text) = page.error {
            return Err(Failure::from_reply(&text));
        }
        let is_whole = facts.fate(&Place { after, count: None }) == Fate::Whole;
        let newest = facts.last.max(page.entries.last().map(|entry| entry.position).unwrap_or_default());
        Ok((Page { entries: page.entries.into(), is_whole, newest }, page.bytes))
    }
}

impl History for Pages {
    fn page(
        &self,
        stream: StreamId,
        after: Position,
        most: usize,
    ) -> BoxFuture<'_, Result<Page, BrokerError>> {
        Box::pin(self.read(stream, after, most))
    }
}

impl Cache {
    fn get(
        &mut self,
        stream: StreamId,
        after: Position,
        most: usize,
        newest: Position,
        holes: u64,
    ) -> Option<Page> {
        if self.holes != holes {
            *self = Self { holes, ..Self::default() };
        }
        let found = self.pages.iter().rev().find(|cached| cached.has(stream, after));
        let Page { entries, is_whole, newest: seen } = &found?.page;
        let begin = entries.partition_point(|entry| entry.position <= after);
        let end = entries.len().min(begin.saturating_add(most));
        let is_all = begin == 0 && end == entries.len();
        let some = if is_all { Arc::clone(entries) } else { entries[begin..end].into() };
        // Between two entries of a page nothing is missing.
        Some(Page { entries: some, is_whole: *is_whole || begin > 0, newest: newest.max(*seen) })
    }

    fn put(&mut self, cached: Cached, holes: u64) {
        if self.holes != holes || cached.page.entries.is_empty() {
            return;
        }
        self.bytes += cached.bytes;
        self.pages.push_back(cached);
        while self.bytes > CACHE || self.pages.len() > PAGES {
            let Some(oldest) = self.pages.pop_front() else { break };
            self.bytes -= oldest.bytes;
        }
    }
}

impl Cached {
    /// Whether it has an entry behind a position, and those between.
    fn has(&self, stream: StreamId, after: Position) -> bool {
        let last = self.page.entries.last().map(|entry| entry.position);
        self.stream == stream && self.after <= after && last.is_some_and(|last| after < last)
    }
}

/// A page that is being read.
struct Building<'a> {
    manner: &'a Manner,
    /// The channel of all entries, where they have one.
    channel: Option<Bytes>,
    max_payload: usize,
    scratch: Scratch,
    entries: Vec<Entry>,
    bytes: usize,
    is_full: bool,
    /// Entries of the answer.
    answered: u64,
    error: Option<String>,
}

impl<'a> Building<'a> {
    fn new(known: &'a Known, max_payload: usize) -> Self {
        let channel = match &*known.manner {
            Manner::Data(channel) => Some(Bytes::copy_from_slice(channel)),
            Manner::DataOfJob(_) | Manner::Queue(_) => None,
        };
        Self {
            manner: &known.manner,
            channel,
            max_payload,
            scratch: Scratch::default(),
            entries: Vec::new(),
            bytes: 0,
            is_full: false,
            answered: 0,
            error: None,
        }
    }

    /// Channel and payload of an entry that is too long, as far as they are given all the same.
    fn shortened<'f>(
        &mut self,
        fields: impl Iterator<Item = (&'f [u8], &'f [u8], u64)>,
    ) -> (Option<Bytes>, Bytes) {
        let copied = |(channel, payload): (&[u8], &[u8])| {
            (Some(Bytes::copy_from_slice(channel)), Bytes::copy_from_slice(payload))
        };
        self.manner.shortened(fields, &mut self.scratch).map(copied).unwrap_or_default()
    }

    fn add(&mut self, id: &[u8], channel: Option<Bytes>, payload: Bytes) {
        let Some(position) = facts::position(id) else { return };
        let own_channel = channel.as_ref().filter(|_| self.channel.is_none()).map_or(0, Bytes::len);
        let bytes = OVERHEAD + payload.len() + own_channel;
        // Entries that do not fit are left out, up to the end, so that the next page begins there.
        self.is_full |= self.bytes + bytes > PAGE && !self.entries.is_empty();
        if !self.is_full {
            self.bytes += bytes;
            self.entries.push(Entry { position, channel, payload });
        }
    }
}

impl EntryHandler for Building<'_> {
    fn stream(&mut self, _: &[u8]) {}

    fn entry(&mut self, id: &[u8], fields: Fields<'_>) {
        self.answered += 1;
        if self.is_full {
            return;
        }
        let (channel, payload) = match self.manner.compose(fields.clone(), &mut self.scratch) {
            Composed::Publication { channel, payload } if payload.len() <= self.max_payload => {
                let channel = self.channel.clone().unwrap_or_else(|| Bytes::copy_from_slice(channel));
                (Some(channel), Bytes::copy_from_slice(payload))
            }
            Composed::Publication { .. } => {
                self.shortened(fields.map(|(name, value)| (name, value, value.len() as u64)))
            }
            _ => (None, Bytes::new()),
        };
        self.add(id, channel, payload);
    }

    fn long_entry(&mut self, id: &[u8], fields: &[LongField]) {
        self.answered += 1;
        let (channel, payload) = self.shortened(fields.iter().map(LongField::parts));
        self.add(id, channel, payload);
    }

    fn error(&mut self, text: &[u8]) {
        self.error = Some(String::from_utf8_lossy(text).into_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: StreamId = StreamId(0);

    const fn at(millis: u64) -> Position {
        Position { millis, number: 0 }
    }

    /// A page of entries behind a position.
    fn cached(after: u64, positions: &[u64], is_whole: bool) -> Cached {
        let entry = |millis: &u64| Entry { position: at(*millis), channel: None, payload: Bytes::new() };
        let entries = positions.iter().map(entry).collect();
        let page = Page { entries, is_whole, newest: at(9) };
        Cached { stream: STREAM, after: at(after), page, bytes: 1 }
    }

    fn positions(page: &Page) -> Vec<u64> {
        page.entries.iter().map(|entry| entry.position.millis).collect()
    }

    #[test]
    fn a_page_serves_whoever_is_behind_an_entry_within_it() {
        let mut cache = Cache::default();
        cache.put(cached(1, &[3, 5, 7], false), 0);
        let mut get = |after, most| cache.get(STREAM, at(after), most, at(20), 0);
        for (after, most, wanted) in [
            (0, 9, None),
            (1, 9, Some((vec![3, 5, 7], false))),
            (2, 9, Some((vec![3, 5, 7], false))),
            (3, 9, Some((vec![5, 7], true))),
            (4, 1, Some((vec![5], true))),
            (7, 9, None),
        ] {
            let found = get(after, most).map(|page| (positions(&page), page.is_whole));
            assert_eq!(found, wanted, "{after}");
        }
        assert_eq!(get(1, 9).unwrap().newest, at(20));
        assert!(cache.get(StreamId(1), at(1), 9, at(20), 0).is_none());
        assert!(cache.get(STREAM, at(1), 9, at(20), 1).is_none(), "there was a hole since");
    }

    #[test]
    fn pages_in_memory_are_bounded() {
        let mut cache = Cache::default();
        for after in 0..100 {
            cache.put(cached(after, &[after + 1], true), 0);
        }
        assert_eq!((cache.pages.len(), cache.bytes), (PAGES, PAGES));
        cache.put(Cached { bytes: CACHE, ..cached(200, &[201], true) }, 0);
        assert_eq!(cache.pages.len(), 1);
        cache.put(cached(300, &[], true), 0);
        assert_eq!(cache.pages.len(), 1, "an empty page says nothing of later");
    }
}
