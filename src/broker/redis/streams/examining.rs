//! Examines streams: whether they can be read, where their history begins, and whether their places are still good.

use std::time::Instant;

use super::super::failure::Failure;
use super::facts::{self, Facts, Fate, Place, Told};
use super::followed::{Beyond, Denial, Followed, Standing, Start, start};
use super::pipe::SMALL;
use super::reading::{AT_ONCE, End, Reading, is_of_the_server};
use super::taking::Ids;
use crate::broker::Position;
use crate::wire::resp::{Answer, Reply};

/// Entries of the history of a stream, at most.
const HISTORY: u64 = 100_000;

impl Reading<'_> {
    /// Adds the command that asks about a stream.
    pub(super) fn ask_about(&mut self, index: usize) {
        self.pipe.command(&[b"XINFO", b"STREAM", self.streams[index].key.as_bytes()]);
    }

    /// Reads the answer. An error in place of it may be of this key alone.
    async fn told(&mut self) -> Result<Result<Facts, Failure>, End> {
        let mut told = Told::default();
        self.pipe.answer(Answer::Facts, &mut told).await?;
        Ok(told.facts())
    }

    /// Examines streams until it is known of each whether it can be read.
    pub(super) async fn examine_unsure(&mut self) -> Result<(), End> {
        let mut due = std::mem::take(&mut self.again);
        let unsure =
            |(index, stream): (usize, &Followed)| (stream.standing == Standing::Unsure).then_some(index);
        due.extend(self.streams.iter().enumerate().filter_map(unsure));
        let at_once = if self.portion.is_limited() { 1 } else { AT_ONCE };
        for some in due.chunks(at_once) {
            for index in some {
                self.ask_about(*index);
            }
            if some.len() > 1 {
                self.portion.asked();
            }
            self.pipe.send().await?;
            let mut found = Vec::with_capacity(some.len());
            for index in some {
                found.push((*index, self.told().await?));
            }
            self.portion.came();
            for (index, told) in found {
                self.news = true;
                match told {
                    Ok(facts) => self.settle(index, &facts).await?,
                    Err(failure) => self.deny(index, failure).await?,
                }
            }
        }
        Ok(())
    }

    /// Examines a stream that was asked about, while others are being read. Whatever needs more than a word is left to the
    /// next round.
    pub(super) async fn examine_in_passing(&mut self, index: usize) -> Result<(), End> {
        let told = self.told().await?;
        let stream = &mut self.streams[index];
        let Ok(facts) = told else {
            stream.standing = Standing::Unsure;
            return Ok(());
        };
        let Some(place) = stream.place() else { return Ok(()) };
        match facts.fate(place) {
            Fate::Whole => stream.examined(&facts),
            Fate::Hole(after) => self.tell_hole(index, after, &facts).await,
            Fate::Beyond => stream.standing = Standing::Unsure,
        }
        Ok(())
    }

    /// Begins to read a stream, or sees whether it can be read on where it was.
    async fn settle(&mut self, index: usize, facts: &Facts) -> Result<(), End> {
        let stream = &self.streams[index];
        let Some(place) = stream.place() else { return self.begin(index, facts).await };
        match facts.fate(place) {
            Fate::Whole => self.streams[index].examined(facts),
            Fate::Hole(after) => self.tell_hole(index, after, facts).await,
            Fate::Beyond => self.settle_beyond(index, facts).await?,
        }
        Ok(())
    }

    async fn begin(&mut self, index: usize, facts: &Facts) -> Result<(), End> {
        let history = u64::try_from(self.shared.settings.history.as_millis()).unwrap_or(u64::MAX);
        let beginning = self.shared.beginning();
        let most = if history == 0 { 0 } else { HISTORY };
        let since = Position { millis: beginning.millis.saturating_sub(history), number: 0 };
        let place = match start(facts, since, most) {
            Start::At(place) => place,
            Start::Back => self.count_back(index, since).await?,
        };
        let stream = &mut self.streams[index];
        let until = if stream.is_awaited { facts.last } else { beginning };
        stream.begin(place, until, facts);
        self.announce(index).await;
        Ok(())
    }

    /// The place that is as many entries from the end as a history has at most.
    async fn count_back(&mut self, index: usize, since: Position) -> Result<Place, End> {
        let (mut left, mut oldest) = (HISTORY, None::<Position>);
        while left > 0 {
            let from = oldest.map_or("+".to_owned(), |oldest| facts::before(oldest).to_string());
            let count = left.min(self.portion.count());
            let ids = self.ids("XREVRANGE", index, [from, since.to_string()], count).await?;
            left = left.saturating_sub(ids.len() as u64);
            let is_end = (ids.len() as u64) < count;
            oldest = ids.last().copied().or(oldest);
            if is_end {
                break;
            }
        }
        Ok(Place { after: facts::before(oldest.unwrap_or(since)), count: None })
    }

    /// The ids of at most `count` entries, which is no more than a portion.
    async fn ids(
        &mut self,
        verb: &str,
        index: usize,
        range: [String; 2],
        count: u64,
    ) -> Result<Vec<Position>, End> {
        let [from, to] = range.each_ref().map(String::as_bytes);
        let key = self.streams[index].key.as_bytes();
        self.pipe.command(&[verb.as_bytes(), key, from, to, b"COUNT", count.to_string().as_bytes()]);
        self.portion.asked();
        self.pipe.send().await?;
        let (mut ids, before) = (Ids::default(), self.pipe.taken());
        self.pipe.answer(Answer::Range, &mut ids).await?;
        let (bytes, entries) = (self.pipe.taken() - before, ids.all.len() as u64);
        self.portion.learn(bytes, entries, 1, Instant::now());
        match ids.error {
            Some(text) => Err(Failure::from_reply(&text).into()),
            None => Ok(ids.all),
        }
    }

    /// The last entry that was read before the first one that was not, among those from `from` on.
    async fn last_common(&mut self, index: usize, mut from: Position) -> Result<Option<Position>, End> {
        let mut common = None;
        loop {
            let count = self.portion.count();
            let ids = self.ids("XRANGE", index, [from.to_string(), "+".to_owned()], count).await?;
            let last = self.streams[index].last_common(&ids);
            common = last.or(common);
            match last {
                Some(last) if ids.len() as u64 == count && ids.last() == Some(&last) => {
                    from = facts::behind(last);
                }
                _ => return Ok(common),
            }
        }
    }

    async fn settle_beyond(&mut self, index: usize, facts: &Facts) -> Result<(), End> {
        let beyond = self.streams[index].beyond(facts);
        let place = match beyond {
            Beyond::Anew(place) | Beyond::Cut(place) => place,
            Beyond::Search(from) => match self.last_common(index, from).await? {
                Some(after) => Place { after, count: None },
                None => facts.end(),
            },
        };
        let stream = &mut self.streams[index];
        if let Beyond::Anew(_) = beyond {
            self.shared.ledger.hole(&stream.key, "was begun anew");
            stream.begin_anew(place);
        } else {
            self.shared.ledger.hole(&stream.key, "lost its newest entries");
            stream.go(place);
        }
        stream.examined(facts);
        self.shared.registry.hole();
        self.announce(index).await;
        Ok(())
    }

    /// Entries up to a position are gone that were not read.
    async fn tell_hole(&mut self, index: usize, after: Position, facts: &Facts) {
        let stream = &mut self.streams[index];
        self.shared.ledger.hole(&stream.key, "lost entries before they were read");
        let place = if after == facts.last { facts.end() } else { Place { after, count: facts.gone() } };
        stream.go(place);
        stream.examined(facts);
        self.shared.registry.hole();
        self.announce(index).await;
    }

    /// Tells the sink from where on a stream is read.
    async fn announce(&mut self, index: usize) {
        let stream = &mut self.streams[index];
        let (key, after) = (stream.key.clone(), stream.after());
        let mut sink = self.shared.turns.turn().await;
        for taker in &mut stream.takers {
            taker.id = taker.id.or_else(|| self.shared.registry.add(&key, &taker.manner));
            if let Some(id) = taker.id {
                self.shared.registry.read(id, after);
                sink.stream(id, &key, taker.subscription, after);
            }
        }
        sink.flush().await;
    }

    /// A stream cannot be read.
    async fn deny(&mut self, index: usize, failure: Failure) -> Result<(), End> {
        let Failure::Refused(reason) = failure else { return Err(failure.into()) };
        if is_of_the_server(&reason) {
            return Err(End::Failed(Failure::Refused(reason)));
        }
        if let misplaced @ End::Misplaced(_) = End::from(Failure::Refused(reason.clone())) {
            return Err(misplaced);
        }
        let found = if reason.starts_with("WRONGTYPE") { self.type_of(index).await? } else { None };
        self.streams[index].deny(found.map_or(Denial::Refused(reason), Denial::OtherType));
        Ok(())
    }

    /// Asks for the type of a key's value; `None` where Redis does not tell.
    async fn type_of(&mut self, index: usize) -> Result<Option<String>, End> {
        self.pipe.command(&[b"TYPE", self.streams[index].key.as_bytes()]);
        self.pipe.send().await?;
        let found = self.pipe.reply(&SMALL, |reply| match reply {
            Reply::Simple(word) => Some(String::from_utf8_lossy(word).into_owned()),
            _ => None,
        });
        Ok(found.await?)
    }
}
