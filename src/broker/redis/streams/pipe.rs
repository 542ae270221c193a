//! A connection on which streams are read: commands out, replies and entries in.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::super::failure::{Failure, closed};
use super::super::opening::Stream;
use crate::wire::resp::{self, Answer, Bounds, EntryHandler, EntryReader, Reply};

/// Silence after which a connection that owes an answer counts as dead. Redis blocks for a second at most.
const PATIENCE: Duration = Duration::from_secs(5);

/// Bytes that the names of an entry's fields, and the job's id, may have beside the payload.
const BESIDE: usize = 64 * 1024;

/// Bounds of a small reply.
pub(super) const SMALL: Bounds = Bounds { bytes: 64 * 1024, elements: 64, depth: 1 };

/// An open connection.
pub(super) struct Pipe {
    stream: Box<dyn Stream>,
    reader: EntryReader,
    out: Vec<u8>,
    /// Bytes that were received in all.
    received: u64,
}

impl Pipe {
    /// Takes a connection, for payloads of at most `max_payload` bytes.
    pub(super) fn new(stream: Box<dyn Stream>, max_payload: usize) -> Self {
        let reader = EntryReader::new(max_payload.saturating_add(BESIDE));
        Self { stream, reader, out: Vec::new(), received: 0 }
    }

    /// Adds a command to those that are sent next.
    pub(super) fn command(&mut self, words: &[&[u8]]) {
        resp::command(&mut self.out, words);
    }

    /// Sends the commands.
    pub(super) async fn send(&mut self) -> Result<(), Failure> {
        let sending = async {
            self.stream.write_all(&self.out).await?;
            self.stream.flush().await
        };
        let sent = timeout(PATIENCE, sending).await.map_err(|_| silent())?;
        self.out.clear();
        sent.map_err(|error| Failure::io(&error))
    }

    /// Reads the next reply, and returns what `take` makes of it.
    pub(super) async fn reply<T>(
        &mut self,
        bounds: &Bounds,
        take: impl Fn(&Reply<'_>) -> T,
    ) -> Result<T, Failure> {
        loop {
            match self.reader.reply(bounds, &take) {
                Ok(Some(taken)) => return Ok(taken),
                Ok(None) => self.fill().await?,
                Err(broken) => return Err(Failure::broken(&broken)),
            }
        }
    }

    /// Bytes of all replies and answers that were taken.
    pub(super) fn taken(&self) -> u64 {
        self.received - self.reader.held() as u64
    }

    /// Announces that an answer with entries comes next.
    pub(super) fn expect(&mut self, answer: Answer) {
        self.reader.expect(answer);
    }

    /// Reads an answer with entries, up to its end.
    pub(super) async fn answer(
        &mut self,
        answer: Answer,
        handler: &mut impl EntryHandler,
    ) -> Result<(), Failure> {
        self.expect(answer);
        while !self.entries(handler)? {
            self.fill().await?;
        }
        Ok(())
    }

    /// Hands over what is whole of the answer; true at its end.
    pub(super) fn entries(&mut self, handler: &mut impl EntryHandler) -> Result<bool, Failure> {
        self.reader.entries(handler).map_err(|broken| Failure::broken(&broken))
    }

    /// Waits for bytes where none are left.
    pub(super) async fn fill_if_empty(&mut self) -> Result<(), Failure> {
        if self.reader.held() == 0 { self.fill().await } else { Ok(()) }
    }

    /// Waits for bytes.
    pub(super) async fn fill(&mut self) -> Result<(), Failure> {
        let read = timeout(PATIENCE, self.stream.read(self.reader.space())).await.map_err(|_| silent())?;
        match read.map_err(|error| Failure::io(&error))? {
            0 => Err(closed()),
            count => {
                self.received += count as u64;
                self.reader.filled(count);
                Ok(())
            }
        }
    }

    /// Gives memory back that a large entry needed.
    pub(super) fn tidy(&mut self) {
        self.reader.tidy();
    }
}

fn silent() -> Failure {
    Failure::Silent(format!("no answer for {} s", PATIENCE.as_secs()))
}

/// Sorts an error reply; `None` where the reply is none.
pub(super) fn error_of(reply: &Reply<'_>) -> Option<Failure> {
    match reply {
        Reply::Error(text) => Some(Failure::from_reply(&String::from_utf8_lossy(text))),
        _ => None,
    }
}
