//! Entries of streams, as XREAD, XRANGE and XINFO STREAM answer them; between these answers, replies of any form.
//!
//! Entries, which are nearly everything, are cut out one after the other without an allocation, and before the answer is
//! whole: it is never held.

use std::ops::Range;

use super::buffer::Buffer;
use super::push::{HEAD, bulk};
use super::reply::{Bounds, Broken, Reply, Stop, content, form, length, read};

/// Bounds of an error that comes in place of an answer.
const ERROR: Bounds = Bounds { bytes: 4096, elements: 0, depth: 0 };

/// Bounds of a name in an answer to XINFO STREAM, and of a value that is no entry.
const FACT: Bounds = Bounds { bytes: 4096, elements: 64, depth: 2 };

/// Bytes of a stream's name: more than any that is asked for.
const KEY_LIMIT: u64 = 64 * 1024;

/// Bytes of an entry's id: two numbers of 64 bits.
const ID_LIMIT: u64 = 41;

/// Bytes of a name or a value that are kept of an entry which is too long; of a longer one, only its head is.
const KEPT: u64 = 1024;

/// Fields that are kept of an entry which is too long.
const KEPT_FIELDS: usize = 64;

/// Form of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// To XREAD: streams with their entries, or nothing.
    Streams,
    /// To XRANGE and XREVRANGE: entries.
    Range,
    /// To XINFO STREAM: names and values, of which the first and the last entry are two.
    Facts,
}

/// Takes what an [`EntryReader`] finds; every slice lives only for the call.
pub(crate) trait EntryHandler {
    /// Entries of this stream follow. Not called in an answer to XRANGE; in one to XINFO STREAM, an entry of this name.
    fn stream(&mut self, key: &[u8]);

    /// A whole entry.
    fn entry(&mut self, id: &[u8], fields: Fields<'_>);

    /// An entry that was skipped over since it is too long, and the fields that were kept of it.
    fn long_entry(&mut self, id: &[u8], fields: &[LongField]);

    /// A name and its value in an answer to XINFO STREAM.
    fn fact(&mut self, _name: &[u8], _value: &Reply<'_>) {}

    /// An error in place of the answer.
    fn error(&mut self, text: &[u8]);
}

/// A field of an entry that is too long. A long name or value has only its head here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct LongField {
    /// Name of the field.
    pub(crate) name: Vec<u8>,
    /// Value of the field.
    pub(crate) value: Vec<u8>,
    /// Bytes of the whole value.
    pub(crate) len: u64,
}

impl LongField {
    /// The name, the value or its head, and the length of the whole value.
    pub(crate) fn parts(&self) -> (&[u8], &[u8], u64) {
        (&self.name, &self.value, self.len)
    }
}

/// Names and values of an entry, in order; a name without a value is left out.
#[derive(Debug, Clone)]
pub(crate) struct Fields<'a> {
    bytes: &'a [u8],
    /// Strings that are left, checked to be whole.
    left: u64,
}

impl<'a> Fields<'a> {
    /// The first value of this name.
    pub(crate) fn get(&self, name: &[u8]) -> Option<&'a [u8]> {
        self.clone().find_map(|(found, value)| (found == name).then_some(value))
    }

    fn string(&mut self) -> Option<&'a [u8]> {
        let found = bulk(self.bytes, 0).ok()?;
        let (range, end) = content(self.bytes, found.begin, found.len).ok()?;
        let string = &self.bytes[range];
        self.bytes = &self.bytes[end..];
        Some(string)
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(2)?;
        Some((self.string()?, self.string()?))
    }
}

/// Bytes that came and are not taken yet: at most one entry of `max_entry` bytes, or one reply.
#[derive(Debug)]
pub(crate) struct EntryReader {
    buffer: Buffer,
    max_entry: usize,
    place: Place,
    skim: Option<Skim>,
}

/// Place in an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Behind it, or before the first one.
    Outside,
    Beginning(Answer),
    /// Before a stream, of which so many are left.
    Streams(u64),
    Entries {
        /// Streams that are left behind this one.
        streams: u64,
        /// Entries that are left in this one.
        entries: u64,
    },
    /// Before a name of XINFO STREAM, of which so many are left.
    Facts(u64),
    /// Before an entry that is a value of XINFO STREAM, behind which so many names are left.
    FactEntry(u64),
}

/// An entry that is too long, on its way.
#[derive(Debug, Default)]
struct Skim {
    id: Vec<u8>,
    /// Strings that are left, names and values.
    left: u64,
    /// Bytes that are left of the present string.
    skip: u64,
    name: Option<Vec<u8>>,
    fields: Vec<LongField>,
}

/// An entry at the beginning of a buffer. All ranges are of that buffer.
struct Cut {
    id: Range<usize>,
    /// Offset at which the fields begin.
    fields: usize,
    /// Names and values.
    strings: u64,
    /// Offset at which the entry ends; `None`: it is too long.
    end: Option<usize>,
}

impl EntryReader {
    /// An empty one for entries of at most `max_entry` bytes, as they come.
    pub(crate) fn new(max_entry: usize) -> Self {
        Self { buffer: Buffer::new(), max_entry, place: Place::Outside, skim: None }
    }

    /// Space to read into; never empty. Bytes that were read are handed over with [`EntryReader::filled`].
    pub(crate) fn space(&mut self) -> &mut [u8] {
        self.buffer.space()
    }

    /// Takes over `count` bytes at the beginning of [`EntryReader::space`].
    pub(crate) fn filled(&mut self, count: usize) {
        self.buffer.filled(count);
    }

    /// Bytes that came and are not taken yet.
    pub(crate) fn held(&self) -> usize {
        self.buffer.bytes().len()
    }

    /// Gives memory back that a large entry needed, once none came since the last call.
    pub(crate) fn tidy(&mut self) {
        self.buffer.tidy();
    }

    /// Announces the answer that comes next; to be called once for each.
    pub(crate) fn expect(&mut self, answer: Answer) {
        self.place = Place::Beginning(answer);
    }

    /// Hands everything whole of the answer to `handler`, and tells whether that was its end.
    pub(crate) fn entries(&mut self, handler: &mut impl EntryHandler) -> Result<bool, Broken> {
        while self.place != Place::Outside {
            match self.step(handler) {
                Ok(()) => {}
                Err(Stop::Incomplete(needed)) => {
                    self.buffer.needs(needed);
                    return Ok(false);
                }
                Err(Stop::Broken(broken)) => return Err(broken),
            }
        }
        Ok(true)
    }

    /// Takes the next reply, which is no such answer, once it is whole; returns what `take` makes of it.
    pub(crate) fn reply<T>(
        &mut self,
        bounds: &Bounds,
        take: impl FnOnce(&Reply<'_>) -> T,
    ) -> Result<Option<T>, Broken> {
        match read(self.buffer.bytes(), bounds) {
            Ok((reply, end)) => {
                let taken = take(&reply);
                self.buffer.take(end);
                Ok(Some(taken))
            }
            Err(Stop::Incomplete(needed)) => {
                self.buffer.needs(needed);
                Ok(None)
            }
            Err(Stop::Broken(broken)) => Err(broken),
        }
    }

    fn step(&mut self, handler: &mut impl EntryHandler) -> Result<(), Stop> {
        if self.skim.is_some() {
            return self.skim(handler);
        }
        let bytes = self.buffer.bytes();
        match self.place {
            Place::Outside => {}
            Place::Beginning(_) if bytes.first() == Some(&b'-') => {
                let (reply, end) = read(bytes, &ERROR)?;
                if let Reply::Error(text) = reply {
                    handler.error(text);
                }
                self.buffer.take(end);
                self.place = Place::Outside;
            }
            Place::Beginning(answer) => {
                let (count, end) = array(bytes, 0)?;
                self.place = match (count, answer) {
                    (None | Some(0), _) => Place::Outside,
                    (Some(streams), Answer::Streams) => Place::Streams(streams),
                    (Some(entries), Answer::Range) => Place::Entries { streams: 0, entries },
                    (Some(strings), Answer::Facts) => Place::Facts(strings / 2),
                };
                self.buffer.take(end);
            }
            Place::Streams(0) | Place::Facts(0) => self.place = Place::Outside,
            Place::Streams(streams) => {
                let at = pair(bytes, 0)?;
                let name = bulk(bytes, at)?;
                if name.len > KEY_LIMIT {
                    return Err(form("the name of a stream that was asked for was expected"));
                }
                let (key, at) = content(bytes, name.begin, name.len)?;
                let (entries, end) = array(bytes, at)?;
                handler.stream(&bytes[key]);
                self.buffer.take(end);
                self.place = Place::Entries { streams: streams - 1, entries: entries.unwrap_or(0) };
            }
            Place::Entries { streams, entries: 0 } => self.place = Place::Streams(streams),
            Place::Entries { streams, entries } => {
                self.entry(handler)?;
                self.place = Place::Entries { streams, entries: entries - 1 };
            }
            Place::Facts(left) => self.place = self.fact(handler, left - 1)?,
            Place::FactEntry(left) => {
                self.entry(handler)?;
                self.place = Place::Facts(left);
            }
        }
        Ok(())
    }

    /// Takes a name and its value, but no entry that is a value, and returns the place behind them.
    fn fact(&mut self, handler: &mut impl EntryHandler, left: u64) -> Result<Place, Stop> {
        let bytes = self.buffer.bytes();
        let name = bulk(bytes, 0)?;
        if name.len > FACT.bytes as u64 {
            return Err(form("a name was expected"));
        }
        let (name, at) = content(bytes, name.begin, name.len)?;
        let name = &bytes[name];
        let may_be_entry = matches!(name, b"first-entry" | b"last-entry") && bytes.get(at) == Some(&b'*');
        if may_be_entry && array(bytes, at)?.0.is_some() {
            handler.stream(name);
            self.buffer.take(at);
            return Ok(Place::FactEntry(left));
        }
        let (value, end) = read(&bytes[at..], &FACT).map_err(|stop| match stop {
            Stop::Incomplete(needed) => Stop::Incomplete(at + needed),
            broken @ Stop::Broken(_) => broken,
        })?;
        handler.fact(name, &value);
        self.buffer.take(at + end);
        Ok(Place::Facts(left))
    }

    fn entry(&mut self, handler: &mut impl EntryHandler) -> Result<(), Stop> {
        let bytes = self.buffer.bytes();
        let Cut { id, fields, strings, end } = cut(bytes, self.max_entry)?;
        if let Some(end) = end {
            handler.entry(&bytes[id], Fields { bytes: &bytes[fields..end], left: strings });
            self.buffer.take(end);
        } else {
            self.skim = Some(Skim { id: bytes[id].to_vec(), left: strings, ..Skim::default() });
            self.buffer.take(fields);
        }
        Ok(())
    }

    /// Goes on skipping over an entry that is too long.
    fn skim(&mut self, handler: &mut impl EntryHandler) -> Result<(), Stop> {
        let Some(skim) = &mut self.skim else { return Ok(()) };
        let bytes = self.buffer.bytes();
        if skim.skip > 0 {
            let count = usize::try_from(skim.skip).map_or(bytes.len(), |skip| skip.min(bytes.len()));
            skim.skip -= count as u64;
            self.buffer.take(count);
            return if skim.skip > 0 { Err(Stop::Incomplete(1)) } else { Ok(()) };
        }
        if skim.left == 0 {
            handler.long_entry(&skim.id, &skim.fields);
            self.skim = None;
            return Ok(());
        }
        let found = bulk(bytes, 0)?;
        let taken = if found.len <= KEPT {
            let (range, end) = content(bytes, found.begin, found.len)?;
            skim.string(&bytes[range], found.len);
            end
        } else {
            let head = bytes.get(found.begin..found.begin + HEAD);
            skim.string(head.ok_or(Stop::Incomplete(found.begin + HEAD))?, found.len);
            skim.skip = found.len - HEAD as u64 + 2;
            found.begin + HEAD
        };
        self.buffer.take(taken);
        Ok(())
    }
}

impl Skim {
    /// A string of this length, or its head.
    fn string(&mut self, string: &[u8], len: u64) {
        self.left -= 1;
        match self.name.take() {
            None => self.name = Some(string.to_vec()),
            Some(name) if self.fields.len() < KEPT_FIELDS => {
                self.fields.push(LongField { name, value: string.to_vec(), len });
            }
            Some(_) => {}
        }
    }
}

/// Reads the header of an array at `at`; `None` is the length of one that is not there.
fn array(bytes: &[u8], at: usize) -> Result<(Option<u64>, usize), Stop> {
    match bytes.get(at) {
        None => Err(Stop::Incomplete(at + 1)),
        Some(b'*') => length(bytes, at),
        Some(_) => Err(form("an array was expected")),
    }
}

/// Reads the header of an array of two.
fn pair(bytes: &[u8], at: usize) -> Result<usize, Stop> {
    match array(bytes, at)? {
        (Some(2), end) => Ok(end),
        _ => Err(form("a pair was expected")),
    }
}

/// Finds the entry at the beginning of `bytes`: `*2`, its id, and an array of its names and values, which is absent for
/// an entry that was deleted.
fn cut(bytes: &[u8], max: usize) -> Result<Cut, Stop> {
    let at = pair(bytes, 0)?;
    let name = bulk(bytes, at)?;
    if name.len > ID_LIMIT {
        return Err(form("an entry's id was expected"));
    }
    let (id, at) = content(bytes, name.begin, name.len)?;
    let (strings, fields) = array(bytes, at)?;
    let strings = strings.unwrap_or(0);
    let mut at = fields;
    for _ in 0..strings {
        let string = bulk(bytes, at)?;
        if string.begin as u64 + string.len > max as u64 {
            return Ok(Cut { id, fields, strings, end: None });
        }
        (_, at) = content(bytes, string.begin, string.len)?;
    }
    Ok(Cut { id, fields, strings, end: Some(at) })
}

#[cfg(test)]
mod tests;
