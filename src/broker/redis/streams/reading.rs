//! Reads streams on one connection, from the first command to its end.

use std::convert::Infallible;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, sleep, sleep_until};

use super::super::failure::Failure;
use super::entry::Scratch;
use super::followed::{Denial, Followed, Standing};
use super::ledger::GroupId;
use super::pipe::{Pipe, SMALL};
use super::portion::Portion;
use super::shared::Shared;
use super::taking::{Answered, Taking};
use crate::wire::resp::Answer;

/// Milliseconds that Redis waits for an entry before it answers that there is none: a sign of life.
const BLOCK: &[u8] = b"1000";

const TICK: Duration = Duration::from_secs(1);

/// Pause before the next XREAD where entries come faster than that: each costs a command and an answer of its own otherwise,
/// which made an event of a light load 1.4 times as dear as by pub/sub.
const GATHERING: Duration = Duration::from_millis(1);

/// Bytes that an answer of XREAD should have, about.
pub(super) const ANSWER: u64 = 512 * 1024;

/// Streams that are examined beside an XREAD.
pub(super) const AT_ONCE: usize = 64;

/// A sink that takes longer than this for what it was given may have let entries be trimmed that it is still to get.
const LATE: Duration = Duration::from_millis(50);

/// Streams whose turn it is to be examined every tick, beside those of which entries came.
const EACH_TICK: usize = 16;

/// Why a connection is no longer read.
#[derive(Debug)]
pub(super) enum End {
    /// The connection failed.
    Failed(Failure),
    /// Streams are on other servers than it was thought, or they cannot be read together.
    Misplaced(Failure),
}

impl From<Failure> for End {
    fn from(failure: Failure) -> Self {
        const ELSEWHERE: [&str; 3] = ["MOVED", "ASK", "CROSSSLOT"];
        match &failure {
            Failure::Refused(text) if ELSEWHERE.iter().any(|code| text.starts_with(code)) => {
                Self::Misplaced(failure)
            }
            _ => Self::Failed(failure),
        }
    }
}

/// A connection and the streams that are read on it.
pub(super) struct Reading<'a> {
    pub(super) shared: &'a Shared<'a>,
    pub(super) pipe: Pipe,
    pub(super) streams: &'a mut Vec<Followed>,
    group: GroupId,
    /// Streams that are added.
    inbox: &'a mut UnboundedReceiver<Followed>,
    answered: Answered,
    scratch: Scratch,
    /// Streams to be examined beside the next XREAD.
    checks: Vec<usize>,
    /// Whether all of them are, since the sink pushed back.
    is_late: bool,
    /// Streams that were denied, to be examined again.
    pub(super) again: Vec<usize>,
    /// Stream whose turn it is to be examined.
    turn: usize,
    next_tick: Instant,
    /// Entries of a stream to ask for at a time.
    pub(super) portion: &'a mut Portion,
    /// Whether some stream may have more entries than the last answer.
    is_behind: bool,
    /// Whether the ledger is to be told.
    pub(super) news: bool,
    /// XREADs in a row that were refused though every stream by itself is fine.
    refusals: u32,
}

impl<'a> Reading<'a> {
    pub(super) fn new(
        shared: &'a Shared<'a>,
        group: GroupId,
        pipe: Pipe,
        streams: &'a mut Vec<Followed>,
        inbox: &'a mut UnboundedReceiver<Followed>,
        portion: &'a mut Portion,
    ) -> Self {
        for stream in &mut *streams {
            // Whatever happened since it was last read must be known before it is read on.
            stream.standing = Standing::Unsure;
        }
        Self {
            shared,
            pipe,
            streams,
            group,
            inbox,
            answered: Answered::default(),
            scratch: Scratch::default(),
            checks: Vec::new(),
            is_late: false,
            again: Vec::new(),
            turn: 0,
            next_tick: Instant::now() + TICK,
            portion,
            is_behind: true,
            news: true,
            refusals: 0,
        }
    }

    /// Reads until the connection ends.
    pub(super) async fn run(mut self) -> End {
        match self.read_on().await {
            Err(End::Failed(failure)) => End::Failed(self.cut_off(failure)),
            Err(end) => end,
        }
    }

    /// Asks for fewer entries from now on, where the connection ended before an answer was whole. Redis ends one whose answer
    /// is longer than its `client-output-buffer-limit normal`, and the same answer would not come a second time either.
    fn cut_off(&mut self, failure: Failure) -> Failure {
        if !matches!(failure, Failure::Unreachable(_)) {
            return failure;
        }
        match self.portion.halve(Instant::now().into_std()) {
            Some(count) => Failure::Unreachable(format!(
                "{} before its answer was whole; at most {count} entries are asked for at a time now",
                failure.reason()
            )),
            None => failure,
        }
    }

    async fn read_on(&mut self) -> Result<Infallible, End> {
        self.shared.learn_time(&mut self.pipe).await?;
        loop {
            while let Ok(stream) = self.inbox.try_recv() {
                self.streams.push(stream);
                self.news = true;
            }
            self.examine_unsure().await?;
            self.report();
            self.pass_history().await;
            if self.is_any_read() {
                self.read().await?;
            } else {
                self.idle().await?;
            }
            self.tick();
        }
    }

    fn is_any_read(&self) -> bool {
        self.streams.iter().any(|stream| stream.standing == Standing::Read)
    }

    fn report(&mut self) {
        // Only the next answer shows whether the streams can be read, where the last one was cut off.
        let is_unproven = self.portion.is_unproven() && self.is_any_read();
        if is_unproven || !std::mem::take(&mut self.news) {
            return;
        }
        let denied: Vec<_> = self.streams.iter().filter_map(Followed::denied).collect();
        self.shared.ledger.answered(self.group, self.streams.len() - denied.len(), denied);
    }

    /// Lets the history end that waits for streams whose own is read, or which cannot be read.
    async fn pass_history(&mut self) {
        for stream in &mut *self.streams {
            let is_done = stream.has_read_history() || stream.standing != Standing::Read;
            if stream.is_awaited && is_done {
                stream.is_awaited = false;
                self.shared.history_read().await;
            }
        }
    }

    /// Makes sure that the connection lives, and waits for the next tick, where no stream can be read.
    async fn idle(&mut self) -> Result<(), End> {
        self.pipe.command(&[b"PING"]);
        self.pipe.send().await?;
        self.pipe.reply(&SMALL, |_| ()).await?;
        sleep_until(self.next_tick).await;
        Ok(())
    }

    /// Asks for entries, and gives them to the sink.
    async fn read(&mut self) -> Result<(), End> {
        let mut checks = std::mem::take(&mut self.checks);
        if std::mem::take(&mut self.is_late) {
            let is_read = |index: &usize| self.streams[*index].standing == Standing::Read;
            checks = (0..self.streams.len()).filter(is_read).take(AT_ONCE).collect();
        }
        if self.portion.is_limited() {
            for index in checks.drain(..) {
                self.ask_about(index);
                self.pipe.send().await?;
                self.examine_in_passing(index).await?;
            }
            if !self.is_any_read() {
                return Ok(());
            }
        }
        for index in &checks {
            self.ask_about(*index);
        }
        self.ask_for_entries();
        // A connection that ends while there is nothing to be given was not cut off.
        if self.is_behind {
            self.portion.asked();
        }
        let asked = Instant::now();
        self.pipe.send().await?;
        for index in checks {
            self.examine_in_passing(index).await?;
        }
        let before = self.pipe.taken();
        self.take_entries().await?;
        self.portion.whole();
        if let Some(error) = self.answered.error.take() {
            return self.refused(&error);
        }
        self.refusals = 0;
        self.answer_taken(self.pipe.taken() - before);
        // Streams that have more are read on at once.
        if asked.elapsed() < GATHERING && self.checks.is_empty() {
            sleep(GATHERING).await;
        }
        Ok(())
    }

    fn ask_for_entries(&mut self) {
        self.answered.clear();
        for (index, stream) in self.streams.iter().enumerate() {
            if stream.standing == Standing::Read {
                self.answered.asked.push((index, 0));
            }
        }
        let asked = &self.answered.asked;
        let count = self.portion.count().to_string();
        let ids: Vec<String> =
            asked.iter().map(|(index, _)| self.streams[*index].after().to_string()).collect();
        let mut words: Vec<&[u8]> = vec![b"XREAD", b"COUNT", count.as_bytes(), b"BLOCK", BLOCK, b"STREAMS"];
        words.extend(asked.iter().map(|(index, _)| self.streams[*index].key.as_bytes()));
        words.extend(ids.iter().map(String::as_bytes));
        self.pipe.command(&words);
    }

    async fn take_entries(&mut self) -> Result<(), End> {
        self.pipe.expect(Answer::Streams);
        loop {
            self.pipe.fill_if_empty().await?;
            let begun = Instant::now();
            let mut sink = self.shared.turns.turn().await;
            let mut taking = Taking {
                streams: self.streams,
                answered: &mut self.answered,
                sink: sink.as_mut(),
                scratch: &mut self.scratch,
                max_payload: self.shared.settings.max_payload,
                burst: false,
            };
            let is_whole = self.pipe.entries(&mut taking)?;
            if taking.burst {
                sink.flush().await;
                self.is_late |= begun.elapsed() >= LATE;
            }
            drop(sink);
            if self.answered.is_broken {
                let reason = "the server answered for streams that it was not asked for";
                return Err(Failure::Unreachable(reason.to_owned()).into());
            }
            if is_whole {
                return Ok(());
            }
            self.pipe.fill().await?;
        }
    }

    /// The answer is whole: sees which streams have more, and how many entries to ask for next.
    fn answer_taken(&mut self, bytes: u64) {
        let (mut entries, asked) = (0, self.portion.count());
        for (index, count) in &self.answered.asked {
            let stream = &mut self.streams[*index];
            entries += *count as u64;
            if *count as u64 >= asked {
                // The stream may be trimmed before the rest is read.
                self.checks.push(*index);
            } else {
                stream.caught_up();
            }
            if *count > 0 {
                for id in stream.takers.iter().filter_map(|taker| taker.id) {
                    self.shared.registry.read(id, stream.after());
                }
            }
        }
        self.is_behind = !self.checks.is_empty();
        self.checks.truncate(AT_ONCE);
        self.portion.learn(bytes, entries, self.answered.active, Instant::now().into_std());
    }

    /// XREAD was refused, which one of the streams may have caused: each is examined by itself. Where that finds nothing,
    /// the command itself is refused.
    fn refused(&mut self, text: &str) -> Result<(), End> {
        let failure = Failure::from_reply(text);
        let Failure::Refused(reason) = &failure else { return Err(failure.into()) };
        if let End::Misplaced(failure) = End::from(failure.clone()) {
            return Err(End::Misplaced(failure));
        }
        if is_of_the_server(reason) {
            return Err(End::Failed(failure));
        }
        self.refusals += 1;
        self.news = true;
        for (index, _) in &self.answered.asked {
            let stream = &mut self.streams[*index];
            if self.refusals > 1 {
                stream.deny(Denial::Refused(reason.clone()));
            } else {
                stream.standing = Standing::Unsure;
            }
        }
        Ok(())
    }

    /// Chooses streams to be examined, once a second.
    fn tick(&mut self) {
        let now = Instant::now();
        if now < self.next_tick {
            return;
        }
        self.next_tick = now + TICK;
        self.pipe.tidy();
        let count = self.streams.len();
        for (index, stream) in self.streams.iter_mut().enumerate() {
            if stream.is_due_again() {
                self.again.push(index);
            }
            let is_its_turn = (index + count - self.turn) % count < EACH_TICK;
            if stream.standing == Standing::Read
                && (stream.is_stirred || is_its_turn)
                && self.checks.len() < AT_ONCE
                && !self.checks.contains(&index)
            {
                self.checks.push(index);
            }
        }
        self.turn = if count == 0 { 0 } else { (self.turn + EACH_TICK) % count };
    }
}

/// Whether an error is of the server at this time, rather than of the command or a key.
pub(super) fn is_of_the_server(text: &str) -> bool {
    const CODES: [&str; 4] = ["CLUSTERDOWN", "TRYAGAIN", "UNBLOCKED", "BUSY"];
    CODES.iter().any(|code| text.starts_with(code))
}
